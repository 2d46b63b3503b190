// SPDX-License-Identifier: MIT
// @ts-check
/**
 * View: which stretch of the run is shown, and what of it; kept in the URL.
 *
 *   time.from, time.to   a fixed window          time.span   the last stretch up to now, moving on
 *   none of them         the whole run           time.axis   count | ns
 *   time.hide            rows that are left out  time.hart, time.first, time.last   a filter
 *   time.sel             number of the chosen event
 */
import { GROUPS } from "./lanes.js";
import { hexOf, num } from "./scale.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("./scale.js").Window} Window */

/** Ticks of either axis, instructions or nanoseconds: what a person can watch come in. */
const NEW_SPAN = 2e8;
const NAMES = ["from", "to", "span", "axis", "hide", "hart", "first", "last"];

export class TimeView {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** @type {Record<string, {get: () => string, set: (v: string) => void, on: (fn: (v: string) => void) => () => void}>} */
    this.state = {};
    for (const name of [...NAMES, "sel"]) {
      this.state[name] = app.view(`time.${name}`, "");
    }
  }

  /** @param {string} name */
  get(name) {
    return this.state[name].get();
  }

  /** @param {string} name @param {string} value "" is the initial one */
  set(name, value) {
    this.state[name].set(value);
  }

  /** Instructions where they are counted, else nanoseconds. @returns {"count" | "ns"} */
  axis() {
    return this.app.machine?.icount && this.get("axis") !== "ns" ? "count" : "ns";
  }

  /** @returns {"all" | "window" | "span"} */
  mode() {
    return this.get("span") ? "span" : this.get("from") && this.get("to") ? "window" : "all";
  }

  /** The fixed window. @returns {Window} */
  window() {
    return { from: num(this.get("from") || 0), to: num(this.get("to") || 1) };
  }

  /** @param {Window} w */
  setWindow(w) {
    this.set("span", "");
    this.set("from", hexOf(w.from));
    this.set("to", hexOf(w.to));
  }

  /** @param {number} span */
  setSpan(span) {
    this.set("from", "");
    this.set("to", "");
    this.set("span", hexOf(span));
  }

  /** A recording begins: of a run that is seen whole it would be the last few pixels. */
  showNew() {
    if (this.mode() === "all") {
      this.setSpan(NEW_SPAN);
    }
  }

  setAll() {
    this.set("from", "");
    this.set("to", "");
    this.set("span", "");
  }

  /** @returns {Set<string>} */
  hidden() {
    return new Set(this.get("hide").split(",").filter(Boolean));
  }

  /** @param {string} id of a row @param {boolean} show */
  show(id, show) {
    const hidden = this.hidden();
    show ? hidden.delete(id) : hidden.add(id);
    this.set("hide", [...hidden].sort().join(","));
  }

  /** What trace.window is asked besides the window. @returns {Record<string, any>} */
  filter() {
    const hidden = this.hidden();
    const kinds = GROUPS.filter((g) => !hidden.has(g.id)).flatMap((g) => g.kinds);
    /** @type {Record<string, any>} */
    const params = { axis: this.axis() };
    if (kinds.length && hidden.size) {
      params.kinds = kinds;
    }
    if (this.get("hart")) {
      params.harts = [Number(this.get("hart"))];
    }
    for (const name of ["first", "last"]) {
      if (/^0x[0-9a-f]{1,16}$/i.test(this.get(name))) {
        params[name] = this.get(name);
      }
    }
    return params;
  }

  /** @param {() => void} fn called when the window or the filter changed @returns {() => void} */
  on(fn) {
    const offs = NAMES.map((name) => this.state[name].on(fn));
    return () => offs.forEach((off) => off());
  }
}
