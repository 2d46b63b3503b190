// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Bit strip: a register drawn bit by bit, each field in a frame, with a list of the fields in words.
 *
 *   15        12 11   8 7            0        bits
 *   | 0  0  0  1 |1 0 1|0 1 0 1 1 0 0 1|      values; a field's frame has its colour and number badge
 *   |  1 MODE    | ... |  2 PPN        |
 *   ---------------------------------------
 *   1 MODE  15:12  1  Sv39  how addresses are translated      the same as a list: all that is drawn is here
 *
 * As many bits stand in a row as there is room for. Rows of nothing but zeros without a name are left out.
 */
import { append, clear, h } from "./dom.js";

/**
 * @typedef {{name: string, high: number, low: number, value: bigint, words?: string | null, meaning?: string}} BitField
 * @typedef {{bits: number, value: bigint, fields: BitField[], changed?: Set<string>}} Bits
 * @typedef {{bits: string, field: string, value: string, words: string, meaning: string, unnamed: string, changed: string}} BitTitles
 */

const ROWS = [32, 16, 8];
const LEAST_BIT_PX = 30;
const COLOURS = 8;
const DECIMAL_BITS = 4;
const NAME_FITS = 5; /* letters above one bit; else the number badge stands for it */

/** @param {BitField} f */
export function bitsOf(f) {
  return f.high === f.low ? String(f.high) : `${f.high}:${f.low}`;
}

/** Short fields as a number, long ones in hexadecimal. @param {BitField} f */
export function fieldValue(f) {
  return f.high - f.low < DECIMAL_BITS ? f.value.toString() : "0x" + f.value.toString(16);
}

/** How many bits a row has in a box of this width. @param {number} width @param {number} bits */
export function bitsPerRow(width, bits) {
  const fits = ROWS.find((n) => n * LEAST_BIT_PX <= width) ?? ROWS[ROWS.length - 1];
  return Math.min(fits, Math.max(bits, 1));
}

/**
 * The pieces of a register from its highest bit: fields and gaps, cut at the ends of rows.
 * @param {Bits} r @param {number} perRow
 * @returns {{high: number, low: number, field: number}[][]} rows; field: index of fields, or -1
 */
export function pieces(r, perRow) {
  const owner = new Array(r.bits).fill(-1);
  r.fields.forEach((f, i) => owner.fill(i, f.low, Math.min(f.high + 1, r.bits)));
  const rows = [];
  for (let top = r.bits - 1; top >= 0; top -= perRow) {
    const end = Math.max(top - perRow + 1, 0);
    /** @type {{high: number, low: number, field: number}[]} */
    const row = [];
    for (let bit = top; bit >= end; bit--) {
      const last = row[row.length - 1];
      if (last && last.field === owner[bit]) {
        last.low = bit;
      } else {
        row.push({ high: bit, low: bit, field: owner[bit] });
      }
    }
    rows.push(row);
  }
  return rows;
}

/** @param {{label: string, titles: BitTitles}} options */
export function bitStrip({ label, titles }) {
  const strip = h("div", { class: "bitstrip-rows", "aria-hidden": "true" });
  const body = h("tbody");
  const list = h(
    "table",
    { class: "bitstrip-list", "aria-label": label },
    h("thead", null, h("tr", null, [titles.field, titles.bits, titles.value, titles.words, titles.meaning].map((t) => h("th", { scope: "col" }, t)))),
    body,
  );
  const root = h("div", { class: "bitstrip" }, strip, list);
  /** @type {Bits | null} */
  let shown = null;

  /** @param {number} i */
  const badge = (i) => h("span", { class: "badge", style: { color: `var(--c${i % COLOURS})` } }, i + 1);

  /** @param {{high: number, low: number, field: number}} piece @param {number} at column of the row's highest bit @param {Bits} r */
  const drawPiece = (piece, at, r) => {
    const width = piece.high - piece.low + 1;
    const digits = [];
    for (let bit = piece.high; bit >= piece.low; bit--) {
      digits.push(h("span", { class: r.value >> BigInt(bit) & 1n ? "bit one" : "bit" }, String(r.value >> BigInt(bit) & 1n)));
    }
    const field = r.fields[piece.field];
    const node = h(
      "div",
      { class: field ? (r.changed?.has(field.name) ? "bits-field changed" : "bits-field") : "bits-gap", title: field ? `${field.name} ${bitsOf(field)}: ${field.meaning ?? ""}` : titles.unnamed },
      h("div", { class: "bits-no" }, h("span", null, piece.high), width > 1 ? h("span", null, piece.low) : null),
      h("div", { class: "bits-digits", style: { gridTemplateColumns: `repeat(${width}, 1fr)` } }, digits),
      field ? h("div", { class: "bits-name" }, width > 1 || field.name.length > NAME_FITS ? badge(piece.field) : null, width > 1 || field.name.length <= NAME_FITS ? field.name : null) : h("div", { class: "bits-name" }),
    );
    node.style.gridColumn = `${at - piece.high + 1} / span ${width}`;
    if (field) {
      node.style.borderColor = `var(--c${piece.field % COLOURS})`;
    }
    return node;
  };

  const draw = () => {
    if (!shown) {
      return;
    }
    const r = shown;
    const perRow = bitsPerRow(root.clientWidth || 640, r.bits);
    clear(strip);
    for (const row of pieces(r, perRow)) {
      const top = row[0].high;
      const low = row[row.length - 1].low;
      const part = r.value >> BigInt(low) & ((1n << BigInt(top - low + 1)) - 1n);
      if (row.length === 1 && row[0].field < 0 && part === 0n && r.bits > perRow) {
        strip.append(h("div", { class: "bits-none dim" }, `${top}:${low} — 0`));
        continue;
      }
      const line = h("div", { class: "bits-row" }, row.map((piece) => drawPiece(piece, top, r)));
      line.style.gridTemplateColumns = `repeat(${perRow}, minmax(0, 1fr))`;
      strip.append(line);
    }
  };

  const fill = () => {
    clear(body);
    shown?.fields.forEach((f, i) => {
      const changed = shown?.changed?.has(f.name);
      append(body, [
        h(
          "tr",
          { class: changed ? "changed" : null, "data-field": f.name },
          h("td", null, badge(i), " ", h("b", null, f.name), changed ? h("span", { class: "mark", title: titles.changed }, " ◆") : null),
          h("td", { class: "num" }, bitsOf(f)),
          h("td", { class: "num" }, fieldValue(f)),
          h("td", null, f.words ?? ""),
          h("td", { class: "wrap" }, f.meaning ?? ""),
        ),
      ]);
    });
    list.hidden = !shown?.fields.length;
  };

  const watch = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(() => draw());
  watch?.observe(root);
  return {
    root,
    /** @param {Bits} bits */
    update(bits) {
      shown = bits;
      draw();
      fill();
    },
    dispose: () => watch?.disconnect(),
  };
}
