// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Lanes: the answer of trace.window as rows to draw, and what is under a pointer.
 *
 *   answer: lanes of kind x hart       rows: hart 0 | handlers, sleeps; bars of all its events
 *                                            exception | bars, or one mark an event
 *                                            interrupt | ...
 *
 * A row of a kind sums the harts, a row of a hart sums the kinds.
 */
import { num } from "./scale.js";

/**
 * @typedef {{seq: string, count: string, ns: string, hart: number | null, kind: string, title: string,
 *            args: Record<string, string>, text: string}} TraceEvent
 * @typedef {{hart: number, depth: number, seq: string, from: string, to: string, open: boolean, kind: string, title: string}} Slice
 * @typedef {{kind: string, group: string, hart: number | null, total: number, bins: number[]}} ServerLane
 * @typedef {{running: boolean, from: string, to: string, width: string, bins: number, lanes: ServerLane[], slices: Slice[],
 *            short_slices: number, matches: string, events?: TraceEvent[], oldest: any, newest: any, whole_from: any, now: {count: string, ns: string}, lost: string}} Picture
 * @typedef {{id: string, hart?: number, kinds?: string[], title: string, colour: string, total: number, most: number,
 *            bins: Map<number, number>, events: TraceEvent[], slices: Slice[]}} Row
 */

/** Rows by kind, and their colour. The order is from what the guest does down to what the translator does. */
export const GROUPS = [
  { id: "exception", kinds: ["exception"], colour: "--c1" },
  { id: "interrupt", kinds: ["interrupt"], colour: "--c0" },
  { id: "return", kinds: ["return"], colour: "--c7" },
  { id: "wait", kinds: ["wfi", "wake"], colour: "--c7" },
  { id: "mmio", kinds: ["mmio_read", "mmio_write"], colour: "--c3" },
  { id: "dma", kinds: ["dma_read", "dma_write"], colour: "--c5" },
  { id: "irq", kinds: ["irq_line", "hart_line"], colour: "--c4" },
  { id: "timer", kinds: ["timer_armed", "timer_fired"], colour: "--c6" },
  { id: "tb", kinds: ["tb_born", "tb_chained", "tb_died"], colour: "--c2" },
  { id: "tlb", kinds: ["tlb_fill", "tlb_flush"], colour: "--c5" },
  { id: "machine", kinds: ["reset"], colour: "--bad" },
];

/** @param {string} id of a row */
export function colourOf(id) {
  return GROUPS.find((g) => g.id === id)?.colour ?? "--c7";
}

/** @param {string} kind */
export function groupOf(kind) {
  return GROUPS.find((g) => g.kinds.includes(kind)) ?? { id: kind, kinds: [kind], colour: "--c7" };
}

/** @param {Map<number, number>} to @param {number[]} bins pairs: bin, events */
function addBins(to, bins) {
  for (let i = 0; i + 1 < bins.length; i += 2) {
    to.set(bins[i], (to.get(bins[i]) ?? 0) + bins[i + 1]);
  }
}

/** @param {Picture} picture @param {Partial<Row> & {id: string, colour: string}} row @param {(l: {kind: string, hart: number | null}) => boolean} takes @returns {Row} */
function rowOf(picture, row, takes) {
  /** @type {Map<number, number>} */
  const bins = new Map();
  let total = 0;
  for (const lane of picture.lanes.filter(takes)) {
    addBins(bins, lane.bins);
    total += lane.total;
  }
  return {
    title: row.id,
    slices: [],
    ...row,
    bins,
    total,
    most: Math.max(0, ...bins.values()),
    events: (picture.events ?? []).filter(takes),
  };
}

/**
 * @param {Picture} picture @param {number} harts @param {Set<string>} hidden ids of rows
 * @param {Set<string>} known groups that stay, though the window has none of their events
 * @returns {Row[]} all harts, and the groups that have events
 */
export function rowsOf(picture, harts, hidden = new Set(), known = new Set()) {
  const rows = [];
  for (let hart = 0; hart < harts; hart++) {
    const slices = picture.slices.filter((s) => s.hart === hart);
    rows.push({ ...rowOf(picture, { id: `hart${hart}`, hart, colour: "--c7" }, (l) => l.hart === hart), slices });
  }
  for (const group of GROUPS) {
    const row = rowOf(picture, group, (l) => group.kinds.includes(l.kind));
    if (row.total || known.has(group.id)) {
      rows.push(row);
    }
  }
  return rows.filter((r) => !hidden.has(r.id));
}

/** How high a bar is, 0..1: a single event is seen beside a thousand. @param {number} n @param {number} most */
export function barHeight(n, most) {
  return n ? Math.max(0.12, Math.log1p(n) / Math.log1p(Math.max(most, 1))) : 0;
}

/** @param {TraceEvent} e @param {string} axis */
export function at(e, axis) {
  return num(axis === "ns" ? e.ns : e.count);
}

/** The event of a row nearest to a value, not further than `reach`. @param {Row} row @param {string} axis @param {number} value @param {number} reach @returns {TraceEvent | null} */
export function nearest(row, axis, value, reach) {
  let best = null;
  let distance = reach;
  for (const e of row.events) {
    const d = Math.abs(at(e, axis) - value);
    if (d <= distance) {
      best = e;
      distance = d;
    }
  }
  return best;
}

/** The innermost handler or sleep at a value. @param {Row} row @param {number} value @returns {Slice | null} */
export function sliceAt(row, value) {
  const over = row.slices.filter((s) => num(s.from) <= value && value <= num(s.to));
  return over.sort((a, b) => b.depth - a.depth)[0] ?? null;
}

/** The next event of a row after (1) or before (-1) the one that is chosen, in the order of the trace. @param {Row} row @param {string | null} seq @param {1 | -1} step @param {string} axis @returns {TraceEvent | null} */
export function neighbour(row, seq, step, axis) {
  const sorted = [...row.events].sort((a, b) => at(a, axis) - at(b, axis) || num(a.seq) - num(b.seq));
  const i = sorted.findIndex((e) => e.seq === seq);
  if (i < 0) {
    return (step > 0 ? sorted[0] : sorted[sorted.length - 1]) ?? null;
  }
  return sorted[i + step] ?? null;
}

/** The next bin of a row that holds something, after (1) or before (-1) one. @param {Row} row @param {number} bin @param {1 | -1} step @returns {number | null} */
export function neighbourBin(row, bin, step) {
  const bins = [...row.bins.keys()].filter((b) => (step > 0 ? b > bin : b < bin));
  return bins.length ? (step > 0 ? Math.min(...bins) : Math.max(...bins)) : null;
}

/** Where an event leads: fields of the focus by the names of its arguments. @param {TraceEvent} e @returns {{name: string, value: string, to: "code" | "virt" | "phys" | "dev"}[]} */
export function linksOf(e) {
  const physical = e.kind.startsWith("mmio") || e.kind.startsWith("dma");
  /** @type {{name: string, value: string, to: "code" | "virt" | "phys" | "dev"}[]} */
  const links = [];
  for (const [name, value] of Object.entries(e.args)) {
    if (name === "pc" || name === "to_pc" || name === "handler") {
      links.push({ name, value, to: "code" });
    } else if (name === "phys") {
      /* of a block it is an offset in RAM, not an address */
      e.kind.startsWith("tb") || links.push({ name, value, to: "phys" });
    } else if (name === "address") {
      links.push({ name, value, to: physical ? "phys" : "virt" });
    } else if (name === "tval" && ["0x1", "0x5", "0x7", "0xc", "0xd", "0xf"].includes(e.args.cause)) {
      links.push({ name, value, to: "virt" });
    } else if ((name === "device" || name === "controller" || name === "timer") && !value.startsWith("hart") && value !== "host") {
      links.push({ name, value, to: "dev" });
    }
  }
  return links;
}

/* --- the trace as a file ---------------------------------------------------------------------- */

/**
 * Collects trace.export's pieces. @param {(params: object) => Promise<{text: string, cursor: string, done: boolean, lost: string}>} ask
 * @param {"perfetto" | "text"} format @param {(progress: {events: number, bytes: number, lost: number}) => boolean} tell false: give up
 * @returns {Promise<{parts: string[], lost: number} | null>}
 */
export async function collect(ask, format, tell) {
  const parts = [];
  let lost = 0;
  let bytes = 0;
  let first = null;
  for (let cursor = null; ; ) {
    const piece = await ask(cursor === null ? { format } : { format, cursor });
    parts.push(piece.text);
    bytes += piece.text.length;
    lost += num(piece.lost);
    cursor = piece.cursor;
    first ??= num(cursor);
    if (piece.done) {
      tell({ events: num(cursor), bytes, lost });
      return { parts, lost };
    }
    if (!tell({ events: num(cursor), bytes, lost })) {
      return null;
    }
  }
}
