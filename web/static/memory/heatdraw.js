// SPDX-License-Identifier: MIT
// @ts-check
/**
 * HeatPainter: levels of cells as a picture: one pixel a cell in a picture of its own, which is then drawn
 * larger. So a look costs a table look-up a cell, however large the cells are.
 */
import { h } from "../ui/dom.js";
import { cssVar } from "../ui/canvas.js";

const HUES = { now: "--c1", rate: "--c0", code: "--c3" };
const GRID_FROM = 5; // cells of so many pixels have lines between them

/** "#rrggbb" as numbers. @param {string} text */
export function parseColour(text) {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  return match ? match.slice(1).map((d) => parseInt(d, 16)) : [128, 128, 128];
}

/** Colours of levels 0..255 as pixels (little endian: ABGR). @param {string} from @param {string} to @returns {Uint32Array<ArrayBuffer>} */
export function ramp(from, to) {
  const a = parseColour(from);
  const b = parseColour(to);
  const table = new Uint32Array(256);
  for (let level = 0; level < 256; level++) {
    const [r, g, blue] = a.map((v, i) => Math.round(v + ((b[i] - v) * level) / 255));
    table[level] = ((255 << 24) | (blue << 16) | (g << 8) | r) >>> 0;
  }
  return table;
}

export class HeatPainter {
  constructor() {
    this.small = /** @type {HTMLCanvasElement} */ (h("canvas"));
    this.pen = /** @type {CanvasRenderingContext2D} */ (this.small.getContext("2d"));
    /** @type {ImageData | null} */
    this.image = null;
    /** @type {Uint32Array} */
    this.pixels = new Uint32Array(0);
    this.colours = { theme: "", ramp: new Uint32Array(256) };
    /** @type {{key: string, pattern: CanvasPattern | null}} */
    this.lines = { key: "", pattern: null };
  }

  /** @param {import("./heat.js").Mode} mode */
  rampOf(mode) {
    const from = cssVar("--line");
    const to = cssVar(HUES[mode]);
    const theme = from + to;
    if (this.colours.theme !== theme) {
      this.colours = { theme, ramp: ramp(from, to) };
    }
    return this.colours.ramp;
  }

  /** @param {number} columns @param {number} rows */
  resize(columns, rows) {
    if (this.image?.width !== columns || this.image?.height !== rows) {
      this.small.width = columns;
      this.small.height = rows;
      this.image = this.pen.createImageData(columns, rows);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} ctx
   * @param {{columns: number, rows: number, size: number, cells: number}} l
   * @param {Uint8Array} level one a cell @param {import("./heat.js").Mode} mode
   */
  paint(ctx, l, level, mode) {
    const colours = this.rampOf(mode);
    this.resize(l.columns, l.rows);
    this.pixels.fill(0);
    for (let i = 0; i < l.cells; i++) {
      this.pixels[i] = colours[level[i]];
    }
    if (this.image) {
      this.pen.putImageData(this.image, 0, 0);
    }
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(this.small, 0, 0, l.columns * l.size, l.rows * l.size);
    this.grid(ctx, l);
  }

  /** @param {CanvasRenderingContext2D} ctx @param {{columns: number, rows: number, size: number}} l */
  grid(ctx, l) {
    if (l.size < GRID_FROM) {
      return;
    }
    ctx.fillStyle = this.patternOf(ctx, l.size);
    ctx.fillRect(0, 0, l.columns * l.size, l.rows * l.size);
  }

  /** The lines around one cell, to be repeated. @param {CanvasRenderingContext2D} ctx @param {number} size */
  patternOf(ctx, size) {
    const colour = cssVar("--panel");
    const key = colour + size;
    if (this.lines.key !== key || !this.lines.pattern) {
      const tile = /** @type {HTMLCanvasElement} */ (h("canvas", { width: size, height: size }));
      const pen = /** @type {CanvasRenderingContext2D} */ (tile.getContext("2d"));
      pen.fillStyle = colour;
      pen.fillRect(size - 1, 0, 1, size);
      pen.fillRect(0, size - 1, size, 1);
      this.lines = { key, pattern: ctx.createPattern(tile, "repeat") };
    }
    return this.lines.pattern ?? colour;
  }

  /**
   * A frame around a cell: dark and light, so that it is seen on all colours.
   * @param {CanvasRenderingContext2D} ctx @param {{columns: number, size: number}} l @param {number} cell
   * @param {string} colour a variable
   */
  frame(ctx, l, cell, colour) {
    const x = (cell % l.columns) * l.size;
    const y = Math.floor(cell / l.columns) * l.size;
    ctx.lineWidth = 3;
    ctx.strokeStyle = cssVar("--panel");
    ctx.strokeRect(x - 1.5, y - 1.5, l.size + 2, l.size + 2);
    ctx.lineWidth = 1.5;
    ctx.strokeStyle = cssVar(colour);
    ctx.strokeRect(x - 1.5, y - 1.5, l.size + 2, l.size + 2);
  }
}
