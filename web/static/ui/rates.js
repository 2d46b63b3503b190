// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Rates: what counters that only grow say about each moment.
 *
 *   {ns, counters: {calls: "0x12", ...}}  --minus the sample before, over the time between--> a rate each
 */

/** `of`: the counters whose sum it is. share: of time (they count nanoseconds), not events a second. @typedef {{name: string, of: string[], share?: boolean}} Metric */
/** @typedef {{ns: string, counters: Record<string, string | null>}} Sample */

const NS = 1e9;
const KEPT = 240;

export class Rates {
  /** @param {Metric[]} metrics @param {number} [kept] samples */
  constructor(metrics, kept = KEPT) {
    this.metrics = metrics;
    this.kept = kept;
    /** @type {{t: number, values: Record<string, number>} | null} */
    this.last = null;
    this.start = 0;
    /** @type {number[]} seconds since the first sample */
    this.time = [];
    /** @type {Record<string, (number | null)[]>} null: nobody counts it */
    this.rates = Object.fromEntries(metrics.map((m) => [m.name, []]));
  }

  /** @param {Sample} sample */
  add(sample) {
    const t = Number(sample.ns) / NS;
    const before = this.last;
    const now = { t, values: this.sums(sample) };
    this.last = now;
    if (!before || t <= before.t) {
      this.start ||= t;
      return;
    }
    this.keep(this.time, t - this.start);
    for (const m of this.metrics) {
      const grown = now.values[m.name] - before.values[m.name];
      /* A machine that took the place of another counts from 0 again. */
      const rate = Number.isNaN(grown) ? null : Math.max(0, grown) / (t - before.t) / (m.share ? NS : 1);
      this.keep(this.rates[m.name], rate);
    }
  }

  /** @param {Sample} sample */
  sums(sample) {
    /** @type {Record<string, number>} */
    const sums = {};
    for (const m of this.metrics) {
      sums[m.name] = m.of.reduce((sum, c) => sum + Number(sample.counters[c] ?? NaN), 0);
    }
    return sums;
  }

  /** @template T @param {T[]} list @param {T} value */
  keep(list, value) {
    list.push(value);
    list.length > this.kept && list.shift();
  }

  /** The newest rate; undefined: none yet. @param {string} name */
  now(name) {
    return this.rates[name][this.rates[name].length - 1];
  }
}
