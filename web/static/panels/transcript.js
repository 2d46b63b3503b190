// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Transcript: what the guest wrote, as plain lines: to search, to copy, to be read aloud.
 *
 *   feed --> PlainText --4 times a second--> one element a line, found text marked
 */
import { clear, h } from "../ui/dom.js";
import { panel } from "../ui/panel.js";
import { PlainText } from "../ui/plain-text.js";

/** @typedef {import("../app.js").App} App */

const PAINT_MS = 250;

/** A line with the places marked where the query stands. @param {string} line @param {number[]} at @param {number} length @param {number} current which of them, or -1 */
function marked(line, at, length, current) {
  /** @type {import("../ui/dom.js").Child[]} */
  const parts = [];
  let end = 0;
  at.forEach((start, i) => {
    parts.push(line.slice(end, start), h("mark", { class: i === current ? "current" : null }, line.slice(start, start + length)));
    end = start + length;
  });
  parts.push(line.slice(end) || (at.length ? "" : "\u00a0"));
  return parts;
}

/** The lines on the page, kept the same as a PlainText's. */
class Lines {
  /** @param {PlainText} text @param {HTMLElement} root */
  constructor(text, root) {
    this.text = text;
    this.root = root;
    this.first = 0; /* number of the first line on the page */
    /** @type {Map<number, number[]>} line: where the query stands in it */
    this.found = new Map();
    this.length = 0;
    this.current = { line: -1, at: -1 };
  }

  /** @param {number} line */
  paint(line) {
    const at = this.found.get(line) ?? [];
    const current = line === this.current.line ? at.indexOf(this.current.at) : -1;
    clear(this.root.children[line - this.first], marked(this.text.lines[line - this.text.dropped], at, this.length, current));
  }

  /** @param {number} changed the first line that is not as it was */
  update(changed) {
    const { dropped, lines } = this.text;
    for (; this.first < dropped && this.root.firstChild; this.first++) {
      this.root.firstChild.remove();
    }
    this.first = dropped;
    const end = dropped + lines.length;
    while (this.root.children.length > lines.length) {
      this.root.lastChild?.remove();
    }
    const have = this.first + this.root.children.length;
    this.root.append(...Array.from({ length: end - have }, () => h("div")));
    for (let i = Math.max(dropped, Math.min(changed, have)); i < end; i++) {
      this.paint(i);
    }
  }

  /** @param {{line: number, at: number}[]} found @param {number} length @param {{line: number, at: number}} current */
  mark(found, length, current) {
    const before = [...this.found.keys(), this.current.line];
    this.found.clear();
    this.length = length;
    this.current = current;
    for (const { line, at } of found) {
      this.found.set(line, [...(this.found.get(line) ?? []), at]);
    }
    for (const line of new Set([...before, ...this.found.keys()])) {
      if (line >= this.first && line < this.first + this.root.children.length) {
        this.paint(line);
      }
    }
  }
}

/**
 * @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {App} app
 * @param {import("../serial.js").SerialFeed} feed @param {import("../ui/dom.js").Child} [more]
 */
export function mount(root, bus, app, feed, more) {
  const p = panel(app, bus, { id: "transcript", title: "run.transcript", help: "run.transcript.help", class: "fills" });
  const text = new PlainText();
  let decoder = new TextDecoder();
  const list = h("div", { class: "lines mono", role: "log", "aria-label": app.t("run.transcript"), tabindex: "0" });
  const lines = new Lines(text, list);
  const input = /** @type {HTMLInputElement} */ (h("input", { type: "search", "aria-label": app.t("run.find"), placeholder: app.t("run.find"), spellcheck: "false" }));
  const count = h("span", { class: "dim", role: "status" });
  /** @type {{line: number, at: number}[]} */
  let found = [];
  let chosen = -1;

  const show = (scroll = true) => {
    const current = found[chosen] ?? { line: -1, at: -1 };
    lines.mark(found, input.value.length, current);
    count.textContent = !input.value ? "" : found.length ? app.t("run.found", { i: chosen + 1, n: found.length }) : app.t("run.not_found");
    scroll && list.querySelector("mark.current")?.scrollIntoView({ block: "center" });
  };
  const search = () => {
    found = text.find(input.value);
    chosen = found.length - 1; /* the newest */
    show();
  };
  /** @param {number} step */
  const go = (step) => {
    found = text.find(input.value);
    chosen = found.length ? (chosen + step + found.length) % found.length : -1;
    show();
  };
  input.addEventListener("input", search);
  input.addEventListener("keydown", (e) => {
    if (e.key === "Enter") {
      e.preventDefault();
      go(e.shiftKey ? -1 : 1);
    } else if (e.key === "Escape" && input.value) {
      input.value = "";
      search();
    }
  });
  /** @param {string} sign @param {string} key @param {number} step */
  const button = (sign, key, step) => h("button", { class: "tool", type: "button", title: app.t(key), "aria-label": app.t(key), onclick: () => go(step) }, sign);
  p.tools.append(input, button("▲", "run.previous", -1), button("▼", "run.next", 1), count);
  more && p.tools.append(/** @type {Node} */ (more));
  p.body.append(list);
  p.setJson(() => ({ first: text.dropped, lines: text.lines }));

  const paint = () => {
    if (p.root.offsetParent === null || text.changed === Infinity) {
      return;
    }
    const follows = p.body.scrollHeight - p.body.scrollTop - p.body.clientHeight < 40;
    lines.update(text.take());
    if (input.value) {
      const at = found[chosen];
      found = text.find(input.value);
      const same = at ? found.findIndex((f) => f.line === at.line && f.at === at.at) : -1;
      chosen = same >= 0 ? same : found.length - 1;
      show(same < 0);
    }
    if (follows) {
      p.body.scrollTop = p.body.scrollHeight;
    }
  };
  const timer = window.setInterval(paint, PAINT_MS);
  feed.add({
    bytes: (bytes) => text.feed(decoder.decode(bytes, { stream: true })),
    gap: (lost) => text.feed(`\n[${app.t("run.gap", { lost })}]\n`),
    fresh: () => {
      decoder = new TextDecoder();
      text.feed("\n\n");
    },
  });
  root.append(p.root);
  return {
    root: p.root,
    focus: () => (paint(), input.focus(), input.select()),
    paint,
    unmount() {
      clearInterval(timer);
      p.dispose();
    },
  };
}
