// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Rank: an order that can be read while it changes.
 *
 *   result of tb.list, 5 a second --> held order: rows stay, numbers move, "would climb 3" --> each HOLD_MS the
 *   order becomes the true one, unless somebody is reading
 *
 * Invariant: between two sortings no row changes its place; rows that are new come at the end.
 */

/**
 * @typedef {{id: string, block: any, rate: number | null, climb: number, away: boolean}} Ranked
 *   climb: places it will go up at the next sorting; away: not in the newest result; rate: runs a second
 */

export const HOLD_MS = 3000;
const SMOOTH = 0.4;
/* A rate over less time than this is noise. */
const LEAST_MS = 50;

export class Ranking {
  /** @param {number} [hold] milliseconds between sortings */
  constructor(hold = HOLD_MS) {
    this.hold = hold;
    /** @type {Ranked[]} */
    this.rows = [];
    this.sorted = -Infinity;
    /** @type {Map<string, {runs: number, at: number, rate: number | null}>} */
    this.seen = new Map();
  }

  /** Another question is asked: the next result stands for itself. */
  reset() {
    this.rows = [];
    this.sorted = -Infinity;
    this.seen.clear();
  }

  /** @param {any} b @param {number} now */
  rateOf(b, now) {
    const old = this.seen.get(b.id);
    if (b.runs === null || b.runs === undefined) {
      return null;
    }
    const runs = Number(BigInt(b.runs));
    if (!old) {
      this.seen.set(b.id, { runs, at: now, rate: null });
      return null;
    }
    if (now - old.at < LEAST_MS) {
      return old.rate;
    }
    const fresh = Math.max(0, (runs - old.runs) * 1000) / (now - old.at);
    const rate = old.rate === null ? fresh : old.rate + SMOOTH * (fresh - old.rate);
    this.seen.set(b.id, { runs, at: now, rate });
    return rate;
  }

  /**
   * @param {any[]} blocks in the true order @param {number} now ms @param {boolean} frozen somebody reads
   * @returns {Ranked[]}
   */
  take(blocks, now, frozen) {
    const fresh = new Map(blocks.map((b, rank) => [b.id, { b, rank, rate: this.rateOf(b, now) }]));
    for (const id of this.seen.keys()) {
      fresh.has(id) || this.seen.delete(id);
    }
    if (!this.rows.length || (!frozen && now - this.sorted >= this.hold)) {
      this.sorted = now;
      this.rows = blocks.map((b) => ({ id: b.id, block: b, rate: fresh.get(b.id)?.rate ?? null, climb: 0, away: false }));
      return this.rows;
    }
    const known = new Set(this.rows.map((r) => r.id));
    this.rows = this.rows.map((r, place) => {
      const f = fresh.get(r.id);
      return f ? { id: r.id, block: f.b, rate: f.rate, climb: place - f.rank, away: false } : { ...r, rate: null, climb: 0, away: true };
    });
    const room = Math.max(0, blocks.length - this.rows.filter((r) => !r.away).length);
    const more = blocks.filter((b) => !known.has(b.id)).slice(0, frozen ? 0 : room);
    this.rows.push(...more.map((b) => ({ id: b.id, block: b, rate: null, climb: 0, away: false })));
    return this.rows;
  }
}

/**
 * What was typed as a filter of addresses: one address, or two with a dash or dots between. null: neither.
 * @param {string} text @returns {{from?: string, to?: string} | null}
 */
export function addressRange(text) {
  const parts = text.trim().toLowerCase().split(/\s*(?:-|\.\.)\s*/).filter(Boolean);
  const hex = parts.map((p) => p.replaceAll("_", "").replace(/^0x/, ""));
  if (hex.length > 2 || hex.some((p) => !/^[0-9a-f]{1,16}$/.test(p))) {
    return null;
  }
  return hex.length ? { from: "0x" + hex[0], to: "0x" + hex[hex.length - 1] } : {};
}
