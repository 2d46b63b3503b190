// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Input: what a hand does on the lanes, as intentions.
 *
 *   wheel, two fingers  zoom about the pointer      drag            pan
 *   drag on the ruler   scrub                       click           choose
 *   + - 0 Home End      zoom, whole run, ends       arrows, Enter   next event, next lane, into it
 */
import { on } from "../ui/dom.js";
import { MARKS, RULER } from "./draw.js";

const CLICK_MOVE = 4; /* pixels that a click may move */
const WHEEL_STEP = 1.0015; /* a pixel of the wheel */

/**
 * @typedef {{zoom: (x: number, factor: number) => void, pan: (pixels: number) => void, scrub: (x: number, done: boolean) => void,
 *            choose: (x: number, y: number) => void, hover: (x: number, y: number) => void, leave: () => void,
 *            key: (name: string, shift: boolean) => boolean}} Intentions
 */

/** @param {HTMLElement} target @param {Intentions} i @returns {() => void} */
export function input(target, i) {
  /** @type {Map<number, {x: number, y: number}>} */
  const fingers = new Map();
  let moved = 0;
  /** @type {"pan" | "scrub" | "pinch" | null} */
  let gesture = null;
  let spread = 0;

  /** @param {MouseEvent} e */
  const place = (e) => {
    const box = target.getBoundingClientRect();
    return { x: e.clientX - box.left, y: e.clientY - box.top };
  };
  const distance = () => {
    const [a, b] = [...fingers.values()];
    return Math.max(1, Math.abs(a.x - b.x));
  };

  const offs = [
    on(target, "wheel", (e) => {
      e.preventDefault();
      if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
        i.pan(e.deltaX || e.deltaY);
      } else {
        i.zoom(place(e).x, WHEEL_STEP ** Math.max(-600, Math.min(600, e.deltaY * (e.ctrlKey ? 4 : 1))));
      }
    }),
    on(target, "pointerdown", (e) => {
      if (e.button !== 0) {
        return;
      }
      const p = place(e);
      fingers.set(e.pointerId, p);
      target.setPointerCapture(e.pointerId);
      moved = 0;
      gesture = fingers.size === 2 ? "pinch" : p.y < RULER + MARKS ? "scrub" : "pan";
      spread = fingers.size === 2 ? distance() : 0;
      gesture === "scrub" && i.scrub(p.x, false);
    }),
    on(target, "pointermove", (e) => {
      const p = place(e);
      const before = fingers.get(e.pointerId);
      if (!before) {
        i.hover(p.x, p.y);
        return;
      }
      fingers.set(e.pointerId, p);
      moved += Math.abs(p.x - before.x) + Math.abs(p.y - before.y);
      if (gesture === "pinch" && fingers.size === 2) {
        const now = distance();
        const [a, b] = [...fingers.values()];
        i.zoom((a.x + b.x) / 2, spread / now);
        spread = now;
      } else if (gesture === "scrub") {
        i.scrub(p.x, false);
      } else if (gesture === "pan" && moved > CLICK_MOVE) {
        i.pan(before.x - p.x);
      }
    }),
    on(target, "pointerup", (e) => {
      const p = place(e);
      const was = fingers.delete(e.pointerId);
      if (was && gesture === "scrub") {
        i.scrub(p.x, true);
      } else if (was && gesture === "pan" && moved <= CLICK_MOVE) {
        i.choose(p.x, p.y);
      }
      gesture = fingers.size ? gesture : null;
    }),
    on(target, "pointercancel", (e) => {
      fingers.delete(e.pointerId);
      gesture = null;
      i.scrub(NaN, true);
    }),
    on(target, "pointerleave", () => i.leave()),
    on(target, "dblclick", (e) => place(e).y >= RULER + MARKS && i.zoom(place(e).x, 0.25)),
    on(target, "keydown", (e) => {
      if (!e.ctrlKey && !e.metaKey && !e.altKey && i.key(e.key, e.shiftKey)) {
        e.preventDefault();
        e.stopPropagation();
      }
    }),
  ];
  return () => offs.forEach((off) => off());
}
