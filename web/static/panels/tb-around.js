// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Around: the blocks that tb.graph tells, as boxes and lines to lay out, and where arrow keys lead.
 *
 * Knows no page and no layout library, so it is tested without them.
 */

/**
 * @typedef {{id: string, block: any, width: number, height: number, heat: number, dead: boolean, depth: number}} Box
 * @typedef {{from: string, to: string, kind: string, chained: boolean, slot: number | null}} Line
 * @typedef {{boxes: Box[], lines: Line[], centre: string, open: number, cut: boolean}} Around
 *   open: ways out that lead to no box
 */

const HEIGHT = 34;
const WIDTH_LEAST = 92;
const WIDTH_MOST = 190;
/* Host bytes that a box of the largest width stands for. */
const BYTES_MOST = 2048;

/** Width by host bytes: the area grows with the size, up to a point. @param {number} bytes */
export function boxWidth(bytes) {
  const share = Math.sqrt(Math.min(bytes, BYTES_MOST) / BYTES_MOST);
  return Math.round(WIDTH_LEAST + (WIDTH_MOST - WIDTH_LEAST) * share);
}

/** How often it ran, or was found running if runs are not counted. @param {any} b a block */
export const oftenOf = (b) => Number(BigInt(b.runs ?? b.samples ?? 0));

/** Heat from 0 to 1, by the logarithm beside the hottest. @param {number} n @param {number} most of oftenOf() */
export function heatOf(n, most) {
  return most > 1 && n > 0 ? Math.log(n + 1) / Math.log(most + 1) : 0;
}

/** @param {any} g a result of tb.graph @returns {Around} */
export function around(g) {
  const most = g.nodes.reduce((/** @type {number} */ m, /** @type {any} */ n) => Math.max(m, oftenOf(n)), 0);
  /** @type {Box[]} */
  const boxes = g.nodes.map((/** @type {any} */ n) => ({ id: n.id, block: n, width: boxWidth(n.host_size), height: HEIGHT, heat: heatOf(oftenOf(n), most), dead: !n.alive, depth: n.depth }));
  const ids = new Set(boxes.map((b) => b.id));
  const byPc = new Map(boxes.filter((b) => !b.dead).map((b) => [b.block.pc, b.id]));
  let open = 0;
  /** @type {Line[]} */
  const lines = [];
  for (const e of g.edges) {
    const to = e.to ?? (e.pc ? byPc.get(e.pc) : undefined);
    if (to === undefined || !ids.has(to)) {
      open++;
      continue;
    }
    lines.push({ from: e.from, to, kind: e.kind, chained: !!e.to, slot: e.slot ?? null });
  }
  return { boxes, lines, centre: g.centre, open, cut: g.cut };
}

/**
 * Where an arrow leads: down and up along the lines, left and right to those reached from the same place.
 * @param {Around} a @param {string} id @param {string} key @returns {string | null}
 */
export function follow(a, id, key) {
  const next = (/** @type {string} */ from) => [...new Set(a.lines.filter((l) => l.from === from && l.to !== from).map((l) => l.to))];
  const before = (/** @type {string} */ to) => [...new Set(a.lines.filter((l) => l.to === to && l.from !== to).map((l) => l.from))];
  if (key === "ArrowDown") {
    return next(id)[0] ?? null;
  }
  if (key === "ArrowUp") {
    return before(id)[0] ?? null;
  }
  const kin = [...new Set([...before(id).flatMap(next), ...next(id).flatMap(before), id])];
  const by = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
  const order = a.boxes.map((b) => b.id).filter((b) => kin.includes(b));
  const to = order[order.indexOf(id) + by];
  return by && to ? to : null;
}
