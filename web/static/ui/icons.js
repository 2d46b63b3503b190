// SPDX-License-Identifier: MIT
// @ts-check
/** Icons: small drawings in the colour of the text; no font has to have them. 16 by 16 units. */
import { s } from "./dom.js";

/** Filled shapes, and strokes behind a bar. */
const SHAPES = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z",
  step: "|M2 8h7M6 4.5L9.5 8L6 11.5M13 3v10",
  step_block: "M2 3h4v10h-4z|M7 8h6M10 5L13 8L10 11",
  to_trap: "|M2 12h4l3-7M7 3.5h4M13.5 3v10M6.5 12h5",
  back: "|M14 8h-7M10 4.5L6.5 8L10 11.5M3 3v10",
  reset: "|M12.5 5.5A5.2 5.2 0 1 0 13.2 9M13 2.5v3.5h-3.5",
  power: "|M8 2v6M4.6 4.2a5.2 5.2 0 1 0 6.8 0",
  table: "|M2 3.5h12v9h-12zM2 6.5h12M2 9.5h12M6.5 3.5v9",
  theme: "M8 2a6 6 0 0 1 0 12z|M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0 -12",
  search: "|M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0 -9M10.3 10.3L14 14",
  up: "|M3 10.5L8 5.5L13 10.5",
  down: "|M3 5.5L8 10.5L13 5.5",
  close: "|M3.5 3.5l9 9M12.5 3.5l-9 9",
  plus: "|M8 3v10M3 8h10",
  minus: "|M3 8h10",
};

/** @typedef {keyof typeof SHAPES} IconName */

/** @param {IconName} name @returns {SVGElement} */
export function icon(name) {
  const [fill, stroke] = SHAPES[name].split("|");
  return s(
    "svg",
    { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", class: "icon" },
    fill ? s("path", { d: fill, fill: "currentColor" }) : null,
    stroke ? s("path", { d: stroke, fill: "none", stroke: "currentColor", "stroke-width": 1.6, "stroke-linecap": "round", "stroke-linejoin": "round" }) : null,
  );
}
