// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Draw: the lanes on a canvas.
 *
 *   gutter |  ruler     0     500 k     1 M         v  playhead, what is to come is dim
 *          |  marks     |  |  |  | <> snapshot
 *   hart 0 |  [handler [nested]]  [sleep      ]
 *   mmio   |  .:|.:||:.                |  write 1 byte..
 */
import { at, barHeight } from "./lanes.js";
import { countLabel, nsLabel, num, ticks, toPixel } from "./scale.js";

/** @typedef {import("./lanes.js").Row} Row */
/** @typedef {import("./lanes.js").Picture} Picture */
/** @typedef {import("./scale.js").Window} Window */
/**
 * @typedef {{picture: Picture | null, rows: Row[], window: Window, axis: "count" | "ns", now: number, scrub: number | null,
 *            looked: number | null, first: number | null, moments: number[], snapshots: {name: string, at: number}[],
 *            selected: string | null, row: number, bin: number | null, titles: (row: Row) => string, focused: boolean}} Scene
 */

export const RULER = 24;
export const MARKS = 16;
export const HART_ROW = 44;
export const GROUP_ROW = 24;
const SLICE = 13;
const HATCH = 12;
const LABEL_ROOM = 112; /* pixels a label of the ruler needs */
const FONT = "11.5px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

/** @param {number} width */
export function gutter(width) {
  return width < 560 ? 92 : 108;
}

/** @param {Row} row */
export function rowHeight(row) {
  return row.hart === undefined ? GROUP_ROW : HART_ROW;
}

/** @param {Row[]} rows */
export function sceneHeight(rows) {
  return RULER + MARKS + rows.reduce((sum, r) => sum + rowHeight(r), 0) + 2;
}

/** The row at a height; -1: the ruler, or below. @param {Row[]} rows @param {number} y */
export function rowAt(rows, y) {
  let top = RULER + MARKS;
  for (let i = 0; i < rows.length; i++) {
    if (y >= top && y < top + rowHeight(rows[i])) {
      return i;
    }
    top += rowHeight(rows[i]);
  }
  return -1;
}

/** @param {CanvasRenderingContext2D} c @param {string} text @param {number} room */
function cut(c, text, room) {
  if (c.measureText(text).width <= room) {
    return text;
  }
  const letters = Math.max(0, Math.floor(room / Math.max(1, c.measureText("m").width)) - 1);
  return letters > 0 ? text.slice(0, letters) + "…" : "";
}

/** One drawing of a scene. */
export class Drawing {
  /** @param {CanvasRenderingContext2D} c @param {number} width @param {number} height @param {Scene} scene @param {(name: string) => string} colour */
  constructor(c, width, height, scene, colour) {
    this.c = c;
    this.left = gutter(width);
    this.width = width - this.left;
    this.height = height;
    this.s = scene;
    this.colour = colour;
    c.font = FONT;
    c.textBaseline = "middle";
  }

  /** @param {number} value */
  x(value) {
    return this.left + toPixel(this.s.window, this.width, value);
  }

  /** @param {number} x @param {number} y @param {number} w @param {number} h @param {string} colour */
  rect(x, y, w, h, colour) {
    const from = Math.max(x, this.left);
    const to = Math.min(x + w, this.left + this.width);
    if (to > from) {
      this.c.fillStyle = this.colour(colour);
      this.c.fillRect(from, y, to - from, h);
    }
  }

  /** @param {number} value @param {string} colour @param {number[]} dash @param {number} top @param {number} [bottom] */
  line(value, colour, dash, top, bottom = this.height) {
    const x = Math.round(this.x(value)) + 0.5;
    if (x < this.left || x > this.left + this.width) {
      return;
    }
    this.c.strokeStyle = this.colour(colour);
    this.c.setLineDash(dash);
    this.c.beginPath();
    this.c.moveTo(x, top);
    this.c.lineTo(x, bottom);
    this.c.stroke();
    this.c.setLineDash([]);
  }

  ruler() {
    const { c, s } = this;
    const values = ticks(s.window, this.width / LABEL_ROOM);
    const step = values.length > 1 ? values[1] - values[0] : 1;
    this.rect(this.left, 0, this.width, RULER, "--raise");
    for (const v of values) {
      this.line(v, "--line", [], RULER - 6);
      c.fillStyle = this.colour("--dim");
      c.fillText(s.axis === "ns" ? nsLabel(v, step) : countLabel(v, step), this.x(v) + 3, RULER / 2);
    }
  }

  /** Moments the machine can go back to from memory, and snapshots in files. */
  marks() {
    const { c, s } = this;
    const middle = RULER + MARKS / 2;
    for (const m of s.moments) {
      this.line(m, "--c5", [], RULER + 4, RULER + MARKS - 4);
    }
    for (const snapshot of s.snapshots) {
      const x = this.x(snapshot.at);
      if (x >= this.left && x <= this.left + this.width) {
        c.fillStyle = this.colour("--c1");
        c.beginPath();
        c.moveTo(x, middle - 6);
        c.lineTo(x + 6, middle);
        c.lineTo(x, middle + 6);
        c.lineTo(x - 6, middle);
        c.fill();
        c.fillText(cut(c, snapshot.name, this.left + this.width - x - 10), x + 9, middle);
      }
    }
  }

  /** @param {Row} row @param {number} top @param {number} height @param {number} strength */
  bars(row, top, height, strength) {
    const p = this.s.picture;
    if (!p) {
      return;
    }
    const from = num(p.from);
    const width = num(p.width);
    const bar = Math.max(1, this.x(from + width) - this.x(from));
    this.c.globalAlpha = strength;
    for (const [bin, n] of row.bins) {
      const h = Math.max(2, barHeight(n, row.most) * (height - 4));
      this.rect(this.x(from + bin * width), top + height - 1 - h, bar, h, row.colour);
    }
    this.c.globalAlpha = 1;
  }

  /** @param {Row} row @param {number} top @param {number} height */
  events(row, top, height) {
    const { c, s } = this;
    const sorted = [...row.events].sort((a, b) => at(a, s.axis) - at(b, s.axis));
    sorted.forEach((e, i) => {
      const x = this.x(at(e, s.axis));
      const chosen = e.seq === s.selected;
      this.rect(x - (chosen ? 2 : 1), top + 3, chosen ? 4 : 2, height - 6, chosen ? "--accent" : row.colour);
      const next = sorted[i + 1];
      const room = (next ? this.x(at(next, s.axis)) : this.left + this.width) - x - 8;
      if (room > 40 && x >= this.left - 1 && x < this.left + this.width) {
        c.fillStyle = this.colour("--text");
        c.fillText(cut(c, e.title === e.kind ? e.text : e.title, room), x + 5, top + height / 2);
      }
    });
  }

  /** @param {Row} row @param {number} top */
  slices(row, top) {
    const { c, s } = this;
    for (const slice of row.slices) {
      const y = top + 3 + Math.min(slice.depth, 2) * SLICE;
      const from = this.x(num(slice.from));
      const to = Math.max(this.x(num(slice.to)), from + 1);
      const colour = slice.kind === "wfi" ? "--line" : slice.kind === "interrupt" ? "--c0" : "--c1";
      c.globalAlpha = slice.kind === "wfi" ? 0.7 : 0.28;
      this.rect(from, y, to - from, SLICE - 2, colour);
      c.globalAlpha = 1;
      if (slice.seq === s.selected) {
        c.strokeStyle = this.colour("--accent");
        c.lineWidth = 2;
        c.strokeRect(Math.max(from, this.left), y, Math.min(to, this.left + this.width) - Math.max(from, this.left), SLICE - 2);
        c.lineWidth = 1;
      }
      const start = Math.max(from, this.left);
      const room = Math.min(to, this.left + this.width) - start - 6;
      if (room > 30) {
        c.fillStyle = this.colour("--text");
        c.fillText(cut(c, slice.title, room), start + 4, y + SLICE / 2 - 0.5);
      }
    }
  }

  /** @param {Row} row @param {number} i @param {number} top */
  row(row, i, top) {
    const { c, s } = this;
    const height = rowHeight(row);
    if (s.focused && i === s.row) {
      c.fillStyle = this.colour("--sel");
      c.fillRect(0, top, this.left, height);
    }
    if (row.hart === undefined) {
      s.picture?.events ? this.events(row, top, height) : this.bars(row, top, height, 1);
    } else {
      this.bars(row, top, height, row.slices.length ? 0.25 : 0.6);
      this.slices(row, top);
    }
    if (s.focused && i === s.row && s.bin !== null && s.picture) {
      const width = num(s.picture.width);
      const from = this.x(num(s.picture.from) + s.bin * width);
      c.strokeStyle = this.colour("--accent");
      c.strokeRect(from - 1.5, top + 1.5, Math.max(4, (width / (s.window.to - s.window.from)) * this.width) + 3, height - 3);
    }
    c.fillStyle = this.colour(row.hart === undefined ? row.colour : "--text");
    c.fillRect(4, top + height / 2 - 4, 4, 8);
    c.fillStyle = this.colour("--text");
    c.fillText(cut(c, s.titles(row), this.left - 18), 13, top + height / 2);
    this.rect(this.left, top + height - 1, this.width, 1, "--line");
  }

  /** What was before the recording, or was lost: hatched, so that nobody takes it for silence. */
  missing() {
    const { c, s } = this;
    const from = s.picture?.whole_from;
    const to = from ? Math.min(this.x(num(from[s.axis])), this.left + this.width) : this.left + this.width;
    if (!s.picture || to <= this.left) {
      return;
    }
    c.save();
    c.beginPath();
    c.rect(this.left, RULER + MARKS, to - this.left, this.height);
    c.clip();
    c.strokeStyle = this.colour("--line");
    c.beginPath();
    for (let x = this.left - this.height; x < to; x += HATCH) {
      c.moveTo(x, this.height);
      c.lineTo(x + this.height, 0);
    }
    c.stroke();
    c.restore();
  }

  /** Where the machine stands; what it has already seen ahead of that is the future. */
  playhead() {
    const { c, s } = this;
    const x = this.x(s.scrub ?? s.now);
    if (s.first !== null && s.first > s.window.from) {
      c.globalAlpha = 0.5;
      this.rect(this.left, RULER, this.x(s.first) - this.left, MARKS, "--line"); /* no way back to there */
      c.globalAlpha = 1;
    }
    if (x < this.left + this.width) {
      c.globalAlpha = 0.45;
      this.rect(Math.max(x, this.left), RULER, this.width, this.height, "--raise");
      c.globalAlpha = 1;
    }
    if (s.looked !== null && s.looked !== s.now) {
      this.line(s.looked, "--accent", [3, 3], RULER);
    }
    if (s.scrub !== null) {
      this.line(s.now, "--dim", [2, 3], 0);
    }
    this.line(s.scrub ?? s.now, "--bad", [], 0);
    if (x >= this.left && x <= this.left + this.width) {
      c.fillStyle = this.colour("--bad");
      c.beginPath();
      c.moveTo(x - 7, 1);
      c.lineTo(x + 7, 1);
      c.lineTo(x + 7, 9);
      c.lineTo(x, 17);
      c.lineTo(x - 7, 9);
      c.fill();
    }
  }

  all() {
    this.ruler();
    this.marks();
    this.missing();
    let top = RULER + MARKS;
    this.s.rows.forEach((row, i) => {
      this.row(row, i, top);
      top += rowHeight(row);
    });
    const chosen = this.s.picture?.events?.find((e) => e.seq === this.s.selected);
    if (chosen) {
      this.line(at(chosen, this.s.axis), "--accent", [1, 3], RULER);
    }
    this.playhead();
  }
}
