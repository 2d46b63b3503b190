// SPDX-License-Identifier: MIT
// @ts-check
/** Filter: which rows are shown, of which hart, and of which addresses. */
import { h } from "../ui/dom.js";
import { colourOf, GROUPS, groupOf } from "./lanes.js";

/**
 * @param {import("../app.js").App} app @param {import("./view.js").TimeView} view
 * @returns {{root: HTMLElement, known: Set<string>, learn: (kinds: string[]) => void}}
 */
export function filterBar(app, view) {
  /** @type {Set<string>} groups that the trace has had */
  const known = new Set(view.hidden());
  /** @type {Map<string, HTMLElement>} */
  const chips = new Map();
  const row = h("div", { class: "time-chips", role: "group", "aria-label": app.t("time.filter.rows") });
  const harts = /** @type {HTMLSelectElement} */ (
    h("select", { "aria-label": app.t("time.filter.hart"), onchange: () => view.set("hart", harts.value) })
  );
  /** @param {"first" | "last"} name */
  const address = (name) =>
    h("input", {
      class: "mono",
      size: "18",
      placeholder: app.t(`time.filter.${name}`),
      "aria-label": app.t(`time.filter.${name}`),
      value: view.get(name),
      spellcheck: "false",
      onchange: (/** @type {Event} */ e) => {
        const input = /** @type {HTMLInputElement} */ (e.target);
        const text = input.value.trim().toLowerCase();
        const good = text === "" || /^0x[0-9a-f]{1,16}$/.test(text);
        input.setAttribute("aria-invalid", String(!good));
        good && view.set(name, text);
      },
    });

  /** @param {string} id */
  const chip = (id) => {
    const button = h(
      "button",
      { type: "button", class: "chip time-chip", title: app.t(`time.row.${id}.help`), onclick: () => view.show(id, view.hidden().has(id)) },
      h("span", { class: "time-dot", style: { background: `var(${colourOf(id)})` } }),
      app.t(`time.row.${id}`),
    );
    chips.set(id, button);
    return button;
  };

  const paint = () => {
    for (const id of GROUPS.map((g) => g.id)) {
      if (known.has(id) && !chips.has(id)) {
        const after = GROUPS.map((g) => g.id).filter((g) => chips.has(g) && GROUPS.findIndex((x) => x.id === g) > GROUPS.findIndex((x) => x.id === id))[0];
        row.insertBefore(chip(id), after ? (chips.get(after) ?? null) : null);
      }
    }
    const hidden = view.hidden();
    for (const [id, button] of chips) {
      button.setAttribute("aria-pressed", String(!hidden.has(id)));
    }
    const count = app.machine?.cpus ?? 1;
    harts.hidden = count < 2;
    if (harts.options.length !== count + 1) {
      harts.replaceChildren(
        h("option", { value: "" }, app.t("time.filter.all_harts")),
        ...Array.from({ length: count }, (_, i) => h("option", { value: String(i) }, app.t("time.row.hart", { hart: i }))),
      );
    }
    harts.value = view.get("hart");
  };
  paint();
  return {
    known,
    root: h("div", { class: "toolbar" }, row, harts, address("first"), address("last")),
    learn(kinds) {
      kinds.forEach((kind) => known.add(groupOf(kind).id));
      paint();
    },
  };
}
