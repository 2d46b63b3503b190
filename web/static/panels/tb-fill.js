// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Fill: the rows of several boxes, what is in view at once and the rest when that has been painted.
 *
 *   set("host", 1155 makers) --> 48 rows now --> painted --> the other 1107 --> onComplete
 *                                    \-- complete(): somebody needs them all now
 *
 * A block of 6 KB of host code is seven thousand elements: laying them out takes a browser three times as long
 * as a person should wait for the two dozen lines that they see.
 */
import { clear } from "../ui/dom.js";

/** @typedef {import("./tb-rows.js").Maker} Maker */

/** More than a column shows on a high screen. */
const FIRST = 48;
/** Room for what else a new focus loads, and for the frame that shows it. */
const REST_MS = 100;

/** After what is there now has been painted, or later. @param {() => void} run @param {number} [ms] */
export const painted = (run, ms = 0) => requestAnimationFrame(() => setTimeout(run, ms));

export class Fill {
  /** @param {Record<string, HTMLElement>} box @param {() => void} onComplete @param {(run: () => void) => void} [later] */
  constructor(box, onComplete, later = (run) => painted(run, REST_MS)) {
    this.box = box;
    this.onComplete = onComplete;
    this.later = later;
    /** @type {Map<string, Maker[]>} rows that are still to be made */
    this.rest = new Map();
    this.turn = 0;
  }

  /** Makes a box's rows anew. @param {string} name @param {Maker[]} makers */
  set(name, makers) {
    clear(this.box[name], makers.slice(0, FIRST).map((make) => make()));
    this.box[name].firstElementChild?.setAttribute("tabindex", "0");
    this.rest.set(name, makers.slice(FIRST));
    const turn = ++this.turn;
    this.later(() => turn === this.turn && this.complete());
  }

  /** How many rows a box has, with those to come. @param {string} name */
  count(name) {
    return this.box[name].childElementCount + (this.rest.get(name)?.length ?? 0);
  }

  /** Makes what is missing now. Nothing is missing any more if this was done before. */
  complete() {
    if (!this.rest.size) {
      return;
    }
    for (const [name, makers] of this.rest) {
      this.box[name].append(...makers.map((make) => make()));
    }
    this.rest.clear();
    this.onComplete();
  }
}
