// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Scale: the axis of the time lanes, from one instruction to the whole run.
 *
 *   value   lo ........ from =========== to ....... hi      counts of instructions, or nanoseconds
 *   pixel               0              width
 *
 * A window is {from, to}, to behind from. Values are numbers: exact up to 2^53, which is months of a run.
 */

/** @typedef {{from: number, to: number}} Window */

export const MIN_SPAN = 8; /* instructions, or ns: single ones stand apart */

/** @param {number | string} v a hex string of the wire */
export function num(v) {
  return typeof v === "number" ? v : Number(BigInt(v));
}

/** @param {number} v */
export function hexOf(v) {
  return "0x" + BigInt(Math.max(0, Math.round(v))).toString(16);
}

/** Keeps a window in lo..hi and not narrower than MIN_SPAN. @param {Window} w @param {number} lo @param {number} hi @returns {Window} */
export function clamp(w, lo, hi) {
  const most = Math.max(hi - lo, MIN_SPAN);
  const span = Math.min(Math.max(w.to - w.from, MIN_SPAN), most);
  const from = Math.min(Math.max(w.from, lo), lo + most - span);
  return { from: Math.round(from), to: Math.round(from + span) };
}

/** Zooms about a value, which stays where it is. factor < 1: closer. @param {Window} w @param {number} about @param {number} factor @returns {Window} */
export function zoom(w, about, factor) {
  const span = Math.max((w.to - w.from) * factor, MIN_SPAN);
  const share = (about - w.from) / (w.to - w.from);
  const from = about - share * span;
  return { from, to: from + span };
}

/** @param {Window} w @param {number} by a share of the window @returns {Window} */
export function pan(w, by) {
  const d = (w.to - w.from) * by;
  return { from: w.from + d, to: w.to + d };
}

/** @param {Window} w @param {number} width @param {number} value */
export function toPixel(w, width, value) {
  return ((value - w.from) / (w.to - w.from)) * width;
}

/** @param {Window} w @param {number} width @param {number} x */
export function toValue(w, width, x) {
  return w.from + (x / width) * (w.to - w.from);
}

/** Round values for labels, at most about `most` of them. @param {Window} w @param {number} most @returns {number[]} */
export function ticks(w, most) {
  const raw = (w.to - w.from) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(Math.max(raw, 1)));
  const step = Math.max(1, [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? 10 * power);
  const out = [];
  for (let v = Math.ceil(w.from / step) * step; v < w.to; v += step) {
    out.push(v);
  }
  return out;
}

const COUNTS = [["G", 1e9], ["M", 1e6], ["k", 1e3]];
const TIMES = [["s", 1e9], ["ms", 1e6], ["µs", 1e3]];

/**
 * In the largest unit that tells neighbours apart with at most three decimals; null: none does.
 * @param {(string | number)[][]} units @param {number} v @param {number} step
 */
function inUnits(units, v, step) {
  for (const [unit, size] of units) {
    const s = Number(size);
    if (step >= s / 1000 && Math.abs(v) >= s && Math.abs(v) < 10000 * s) {
      const digits = Math.max(0, Math.min(3, Math.ceil(Math.log10(s / step))));
      return `${(v / s).toFixed(digits)} ${unit}`;
    }
  }
  return null;
}

/** @param {number} v */
function exact(v) {
  return String(v).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A count as a label with the digits that tell neighbours apart. @param {number} v @param {number} step */
export function countLabel(v, step) {
  return inUnits(COUNTS, v, step) ?? exact(v);
}

/** Nanoseconds as a label. @param {number} v @param {number} step */
export function nsLabel(v, step) {
  return inUnits(TIMES, v, step) ?? exact(v) + " ns";
}

/**
 * A moment as people type it: "123456", "1,234,567", "0x1f", "1.5M", "2G", or relative to now: "-1k", "+20".
 * @param {string} text @param {number} now @returns {number | null} null: not understood
 */
export function parseCount(text, now) {
  const clean = text.trim().replace(/[,_\s]/g, "");
  const hex = /^([+-]?)0x([0-9a-f]{1,14})$/i.exec(clean);
  const dec = /^([+-]?)(\d+(?:\.\d+)?)([kmg]?)$/i.exec(clean);
  if (!hex && !dec) {
    return null;
  }
  const sign = (hex ?? dec)?.[1] ?? "";
  const size = { "": 1, k: 1e3, m: 1e6, g: 1e9 }[(dec?.[3] ?? "").toLowerCase()] ?? 1;
  const value = hex ? Number.parseInt(hex[2], 16) : Math.round(Number(dec?.[2]) * size);
  if (!Number.isSafeInteger(value)) {
    return null;
  }
  const at = sign === "-" ? now - value : sign === "+" ? now + value : value;
  return Math.max(0, at);
}
