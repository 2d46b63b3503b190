// SPDX-License-Identifier: MIT
// @ts-check
/**
 * HexGrid: rows of bytes with their characters, a cursor and a selection; by mouse and by keys.
 *
 *   ffffffff_81c03de0   41 42 43 44 ...   ABCD
 *
 * Cells are made once and only their text changes. Knows nothing of where the bytes come from.
 */
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { charOf } from "./hexmodel.js";

const NARROW = 560; // pixels: below it eight bytes a row
const WIDE_COLUMNS = 16;
const NARROW_COLUMNS = 8;

/**
 * @typedef {{label: string, rows: number, onmove: (offset: number, select: boolean) => void,
 *            onkey: (e: KeyboardEvent) => void, onshape: () => void}} GridOptions
 * @typedef {{model: import("./hexmodel.js").HexModel, cursor: number, from: number, to: number,
 *            marked: (offset: number) => string, now: number}} GridView from, to: the selection, included
 */

export class HexGrid {
  /** @param {GridOptions} options */
  constructor(options) {
    this.options = options;
    this.columns = WIDE_COLUMNS;
    /** @type {{addr: HTMLElement, cells: HTMLElement[], chars: HTMLElement[]}[]} */
    this.rows = [];
    this.root = h("div", { class: "hex-grid mono", role: "grid", "aria-label": options.label });
    this.watch = new ResizeObserver(() => this.shape());
    this.watch.observe(this.root);
    this.root.addEventListener("keydown", (e) => options.onkey(e));
    this.root.addEventListener("pointerdown", (e) => this.pressed(e));
    this.make();
  }

  get size() {
    return this.columns * this.options.rows;
  }

  shape() {
    const columns = this.root.clientWidth && this.root.clientWidth < NARROW ? NARROW_COLUMNS : WIDE_COLUMNS;
    if (columns !== this.columns) {
      this.columns = columns;
      this.make();
      this.options.onshape();
    }
  }

  make() {
    const { columns } = this;
    this.rows = Array.from({ length: this.options.rows }, (_, r) => {
      const addr = h("span", { class: "hex-addr dim", role: "rowheader" });
      const cells = Array.from({ length: columns }, (_, c) =>
        h("span", { class: c % 8 === 0 && c ? "hex-byte gap" : "hex-byte", role: "gridcell", tabindex: "-1", "data-at": r * columns + c }));
      const chars = Array.from({ length: columns }, (_, c) => h("span", { "data-at": r * columns + c }));
      return { addr, cells, chars };
    });
    clear(this.root, this.rows.map((r) =>
      h("div", { class: "hex-row", role: "row" }, r.addr, h("span", { class: "hex-bytes", role: "presentation" }, r.cells),
        h("span", { class: "hex-chars", "aria-hidden": "true" }, r.chars))));
  }

  /** @param {Event} e @returns {number | null} */
  offsetOf(e) {
    const node = e.target instanceof Element ? e.target.closest("[data-at]") : null;
    return node instanceof HTMLElement ? Number(node.dataset.at) : null;
  }

  /** @param {PointerEvent} e */
  pressed(e) {
    const at = this.offsetOf(e);
    if (at === null || e.button !== 0) {
      return;
    }
    e.preventDefault();
    this.options.onmove(at, e.shiftKey);
    this.focusCell(at);
    const over = (/** @type {PointerEvent} */ m) => {
      const to = this.offsetOf(m);
      to !== null && to !== at && this.options.onmove(to, true);
    };
    const up = () => {
      this.root.removeEventListener("pointerover", over);
      removeEventListener("pointerup", up);
    };
    this.root.addEventListener("pointerover", over);
    addEventListener("pointerup", up);
  }

  /** @param {number} at */
  cell(at) {
    return this.rows[Math.floor(at / this.columns)]?.cells[at % this.columns];
  }

  /** @param {number} at */
  focusCell(at) {
    this.cell(at)?.focus({ preventScroll: true });
  }

  hasFocus() {
    return this.root.contains(document.activeElement);
  }

  /** @param {GridView} view */
  paint(view) {
    const { model, cursor, now } = view;
    const anyCursor = cursor >= 0 && cursor < this.size;
    this.rows.forEach((row, r) => {
      const first = r * this.columns;
      set(row.addr, fmt.addr((model.base + BigInt(first)) & 0xffffffffffffffffn));
      row.cells.forEach((cell, c) => {
        const at = first + c;
        const byte = model.get(at);
        const gap = c % 8 === 0 && c ? " gap" : "";
        const names = [
          model.isChanged(at, now) && "changed", at >= view.from && at <= view.to && "sel", at === cursor && "cursor",
          byte === 0 && "zero", view.marked(at),
        ].filter(Boolean).join(" ");
        set(cell, byte === null ? "··" : byte.toString(16).padStart(2, "0"));
        setClass(cell, `hex-byte${gap} ${names}`);
        const tab = at === cursor || (!anyCursor && at === 0) ? "0" : "-1";
        if (cell.getAttribute("tabindex") !== tab) {
          cell.setAttribute("tabindex", tab);
          cell.setAttribute("aria-selected", String(at === cursor));
        }
        set(row.chars[c], byte === null ? " " : charOf(byte));
        setClass(row.chars[c], names);
      });
    });
  }

  dispose() {
    this.watch.disconnect();
  }
}

/** @param {HTMLElement} node @param {string} text */
function set(node, text) {
  if (node.firstChild) {
    const first = /** @type {Text} */ (node.firstChild);
    if (first.data !== text) {
      first.data = text;
    }
  } else {
    node.textContent = text;
  }
}

/** @param {HTMLElement} node @param {string} text */
function setClass(node, text) {
  if (node.className !== text) {
    node.className = text;
  }
}
