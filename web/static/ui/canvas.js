// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Canvas: a drawing that is as large as its box and as fine as the screen, drawn when the browser draws.
 */
import { h } from "./dom.js";

/** The value of a colour variable in the current theme. @param {string} name "--accent" */
export function cssVar(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * @param {(ctx: CanvasRenderingContext2D, width: number, height: number) => void} draw in CSS pixels
 * @param {Record<string, any>} [props] of the canvas; give role and aria-label
 */
export function fitCanvas(draw, props = {}) {
  const root = /** @type {HTMLCanvasElement} */ (h("canvas", { role: "img", ...props }));
  const ctx = /** @type {CanvasRenderingContext2D} */ (root.getContext("2d"));
  let asked = 0;
  const paint = () => {
    asked = 0;
    const box = root.getBoundingClientRect();
    const ratio = globalThis.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(box.width * ratio));
    const height = Math.max(1, Math.round(box.height * ratio));
    if (root.width !== width || root.height !== height) {
      root.width = width;
      root.height = height;
    }
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, box.width, box.height);
    draw(ctx, box.width, box.height);
  };
  const redraw = () => {
    asked ||= requestAnimationFrame(paint);
  };
  const watch = new ResizeObserver(redraw);
  watch.observe(root);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", redraw);
  return {
    root,
    redraw,
    dispose() {
      watch.disconnect();
      scheme.removeEventListener("change", redraw);
      cancelAnimationFrame(asked);
    },
  };
}
