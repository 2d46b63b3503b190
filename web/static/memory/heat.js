// SPDX-License-Identifier: MIT
// @ts-check
/**
 * HeatModel: what a series of looks at the dirty bitmap says about each page.
 *
 *   look: bits, dt  -->  last[page]   number of the last look that found it written (0: none)
 *                        share[page]  share of the looks of late that did: decays with TAU seconds
 *
 *   cells(): pages put together, `per` of them in a cell:  count and level of each cell
 *
 * A page is written once or a million times between two looks: a look cannot tell. So a rate is "looks
 * a second that found the page written", and at most the rate of the looks.
 *
 * Invariant: `active` holds the pages whose share is not 0, each once. Work is in proportion to them, not to
 * the size of RAM.
 */
import { Bits } from "./bits.js";

export const TAU = 2; // seconds
export const FADE_LOOKS = 10; // a page glows for so many looks after one that found it written
export const LEVEL_MAX = 255;
const FORGET = 0.004; // a share below this is 0
const NOW_MIN = 150; // level of a cell in which one page of many was written in the last look
const GLOW_MAX = 110; // and of one that was written in the look before
const CODE_MIN = 110;

/** @typedef {"now" | "rate" | "code"} Mode */

export class HeatModel {
  /** @param {number} pages */
  constructor(pages) {
    this.pages = pages;
    this.now = new Bits(pages);
    this.code = new Bits(pages);
    this.last = new Uint32Array(pages);
    this.share = new Float32Array(pages);
    this.active = new Uint32Array(pages);
    this.activeCount = 0;
    this.looks = 0;
    this.nowCount = 0;
    this.everCount = 0;
  }

  /** The run is another one: nothing of the old is true. */
  forget() {
    this.now.clear();
    this.code.clear();
    this.last.fill(0);
    this.share.fill(0);
    this.activeCount = 0;
    this.looks = 0;
    this.nowCount = 0;
    this.everCount = 0;
  }

  /**
   * Notes what one look found.
   * @param {Bits} bits pages written since the look before @param {number} dt seconds since then
   */
  look(bits, dt) {
    const keep = Math.exp(-dt / TAU);
    this.looks++;
    this.fade(keep);
    this.now.words.set(bits.words);
    let count = 0;
    bits.forEach((page) => {
      count++;
      if (this.share[page] === 0) {
        this.active[this.activeCount++] = page;
      }
      this.share[page] += 1 - keep;
      if (this.last[page] === 0) {
        this.everCount++;
      }
      this.last[page] = this.looks;
    });
    this.nowCount = count;
  }

  /** @param {number} keep */
  fade(keep) {
    const { active, share } = this;
    let n = 0;
    for (let i = 0; i < this.activeCount; i++) {
      const page = active[i];
      const value = share[page] * keep;
      if (value < FORGET) {
        share[page] = 0;
      } else {
        share[page] = value;
        active[n++] = page;
      }
    }
    this.activeCount = n;
  }

  /**
   * The numbers of cells [0, count.length) for pages from `first` on, `per` in each:
   * count: pages written in the last look / written of late / with code; level: 0 .. 255, how to draw it.
   * @param {Mode} mode @param {number} first @param {number} per
   * @param {Uint32Array} count @param {Uint8Array} level
   */
  cells(mode, first, per, count, level) {
    count.fill(0);
    level.fill(0);
    const end = Math.min(first + per * count.length, this.pages);
    const shift = Math.round(Math.log2(per));
    if (mode === "code") {
      this.code.forEach((page) => count[(page - first) >>> shift]++, first, end);
      for (let i = 0; i < count.length; i++) {
        level[i] = count[i] ? CODE_MIN + (LEVEL_MAX - CODE_MIN) * Math.sqrt(count[i] / per) : 0;
      }
    } else if (mode === "rate") {
      this.rateCells(first, end, shift, count, level);
    } else {
      this.nowCells(first, end, shift, per, count, level);
    }
  }

  /** The hottest page gives a cell its level. @param {number} first @param {number} end @param {number} shift @param {Uint32Array} count @param {Uint8Array} level */
  rateCells(first, end, shift, count, level) {
    for (let i = 0; i < this.activeCount; i++) {
      const page = this.active[i];
      if (page >= first && page < end) {
        const cell = (page - first) >>> shift;
        const l = LEVEL_MAX * Math.sqrt(Math.min(this.share[page], 1));
        count[cell]++;
        level[cell] = l > level[cell] ? l : level[cell];
      }
    }
  }

  /** @param {number} first @param {number} end @param {number} shift @param {number} per @param {Uint32Array} count @param {Uint8Array} level */
  nowCells(first, end, shift, per, count, level) {
    for (let i = 0; i < this.activeCount; i++) {
      const page = this.active[i];
      const age = this.looks - this.last[page];
      if (page < first || page >= end || age > FADE_LOOKS) {
        continue;
      }
      const cell = (page - first) >>> shift;
      if (age === 0) {
        count[cell]++;
      } else {
        const l = GLOW_MAX * (1 - (age - 1) / FADE_LOOKS);
        level[cell] = l > level[cell] ? l : level[cell];
      }
    }
    for (let i = 0; i < count.length; i++) {
      if (count[i]) {
        level[i] = NOW_MIN + (LEVEL_MAX - NOW_MIN) * Math.sqrt(count[i] / per);
      }
    }
  }

  /** What is known of pages [first, first + per). @param {number} first @param {number} per */
  describe(first, per) {
    const end = Math.min(first + per, this.pages);
    let hottest = first;
    for (let page = first; page < end; page++) {
      hottest = this.share[page] > this.share[hottest] ? page : hottest;
    }
    return {
      pages: end - first,
      now: this.now.count(first, end),
      code: this.code.count(first, end),
      hottest,
      share: Math.min(this.share[hottest], 1),
    };
  }

  /** The hottest groups of `per` pages, hottest first. @param {Mode} mode @param {number} per @param {number} limit */
  top(mode, per, limit) {
    const count = new Uint32Array(Math.ceil(this.pages / per));
    const level = new Uint8Array(count.length);
    this.cells(mode, 0, per, count, level);
    const used = [];
    for (let i = 0; i < count.length; i++) {
      if (level[i]) {
        used.push(i);
      }
    }
    used.sort((a, b) => level[b] - level[a] || count[b] - count[a] || a - b);
    return used.slice(0, limit).map((cell) => ({ first: cell * per, count: count[cell], ...this.describe(cell * per, per) }));
  }
}

/**
 * How pages are laid out: cells of `size` CSS pixels, `per` pages in each, in rows.
 *
 *   zoom 0, 1, 2 ...   1, 2, 4 ... pages a cell
 *   zoom -1, -2, -3    one page a cell, in larger cells
 */
export const CELL = 5;
const LARGER = [5, 8, 12, 20];
export const ZOOM_MIN = 1 - LARGER.length;

/** @param {number} zoom */
export function cellSize(zoom) {
  return zoom < 0 ? LARGER[Math.min(-zoom, LARGER.length - 1)] : CELL;
}

/** @param {number} zoom */
export function pagesPerCell(zoom) {
  return zoom > 0 ? 2 ** zoom : 1;
}

/** The least zoom at which all pages are seen at once. @param {number} pages @param {number} width @param {number} height */
export function zoomForAll(pages, width, height) {
  const cells = Math.max(1, Math.floor(width / CELL)) * Math.max(1, Math.floor(height / CELL));
  let zoom = 0;
  while (cells * pagesPerCell(zoom) < pages) {
    zoom++;
  }
  return zoom;
}

/** The size at which so many cells still fit, if any larger than CELL does. @param {number} cells @param {number} width @param {number} height */
function largestSize(cells, width, height) {
  let size = CELL;
  while (size < LARGER[LARGER.length - 1] && Math.floor(width / (size + 1)) * Math.floor(height / (size + 1)) >= cells) {
    size++;
  }
  return size;
}

/**
 * @param {number} pages @param {number} width @param {number} height of the drawing
 * @param {number} zoom @param {number} wanted first page; it is moved so that rows stay where they are
 */
export function layout(pages, width, height, zoom, wanted) {
  const per = pagesPerCell(zoom);
  const size = zoom < 0 ? cellSize(zoom) : largestSize(Math.ceil(pages / per), width, height);
  const columns = Math.max(1, Math.floor(width / size));
  const rows = Math.max(1, Math.floor(height / size));
  const row = columns * per;
  const lastRow = Math.max(0, Math.ceil(pages / row) - rows);
  const first = Math.min(Math.max(0, Math.floor(wanted / row)), lastRow) * row;
  const used = Math.min(rows * columns, Math.ceil((pages - first) / per));
  return { size, per, columns, rows, row, first, cells: used, maxFirst: lastRow * row };
}
