// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Palette: every command by its name (Ctrl-K), and the list of keys (?). A number that is typed is an address,
 * a block or a count to go to.
 */
import { dialog } from "./dialog.js";
import { clear, h } from "./dom.js";

/** @typedef {{id: string, title: string, keys?: string, run: () => void, when?: () => boolean}} Command */

const MOST = 12;

/** How well the letters of `query` are found in order; -1: not. @param {string} text @param {string} query */
export function match(text, query) {
  let score = 0;
  let at = -1;
  const t = text.toLowerCase();
  for (const c of query.toLowerCase().replaceAll(" ", "")) {
    const next = t.indexOf(c, at + 1);
    if (next < 0) {
      return -1;
    }
    score += next === at + 1 ? 3 : /\W/.test(t[next - 1] ?? " ") ? 2 : 0;
    at = next;
  }
  return score - text.length / 100;
}

/** @param {Command[]} commands @param {string} query */
export function find(commands, query) {
  return commands
    .filter((c) => !c.when || c.when())
    .map((c) => ({ c, score: match(c.title, query) }))
    .filter((e) => e.score > -1)
    .sort((a, b) => b.score - a.score)
    .slice(0, MOST)
    .map((e) => e.c);
}

/** @param {import("../app.js").App} app @param {Iterable<Command>} commands */
export function openPalette(app, commands) {
  const all = [...commands];
  const input = /** @type {HTMLInputElement} */ (
    h("input", { type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list", "aria-label": app.t("shell.palette"), placeholder: app.t("shell.palette.hint"), autocomplete: "off", spellcheck: "false" })
  );
  const list = h("ul", { id: "palette-list", role: "listbox", "aria-label": app.t("shell.palette") });
  const d = dialog(app.t("shell.palette"), [input, list], { class: "palette", close: app.t("shell.close") });
  /** @type {Command[]} */
  let shown = [];
  let chosen = 0;
  /** @param {Command | undefined} c */
  const run = (c) => {
    d.close();
    d.closed.then(() => c?.run());
  };
  const paint = () => {
    clear(
      list,
      shown.map((c, i) =>
        h("li", { role: "option", id: `palette-${i}`, "aria-selected": String(i === chosen), class: i === chosen ? "sel" : null, onclick: () => run(c) }, h("span", null, c.title), c.keys ? h("kbd", null, c.keys) : null),
      ),
    );
    input.setAttribute("aria-activedescendant", shown.length ? `palette-${chosen}` : "");
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
  };
  const update = () => {
    const query = input.value.trim();
    shown = [...app.placesOf(query), ...find(all, query)];
    chosen = 0;
    paint();
  };
  input.addEventListener("input", update);
  input.addEventListener("keydown", (e) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (step && shown.length) {
      e.preventDefault();
      chosen = (chosen + step + shown.length) % shown.length;
      paint();
    } else if (e.key === "Enter") {
      e.preventDefault();
      run(shown[chosen]);
    }
  });
  update();
  input.focus();
}

/** @param {import("../app.js").App} app @param {Iterable<Command>} commands */
export function openKeys(app, commands) {
  const rows = [...commands].filter((c) => c.keys && (!c.when || c.when()));
  dialog(
    app.t("shell.keys"),
    h("table", { class: "keys" }, h("tbody", null, rows.map((c) => h("tr", null, h("td", null, h("kbd", null, c.keys)), h("td", null, c.title))))),
    { close: app.t("shell.close") },
  );
}
