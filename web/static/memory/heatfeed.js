// SPDX-License-Identifier: MIT
// @ts-check
/**
 * HeatFeed: the stream of looks at the dirty bitmap, kept whole.
 *
 *   dirty.track, then  every("dirty.read" console) --frame--> BitStream --> onlook(bits, dt)
 *                      every("dirty.read" code)    --frame--> BitStream --> oncode(bits)
 *
 * Frames are differences to the one before. When one is missing, a whole one is asked for. A connection that is
 * new does not track: so that is asked for whenever the bus opens, before it renews its subscriptions.
 * Another epoch (reset, loaded snapshot) is another run: onreset().
 */
import { BitStream } from "./bits.js";

const FRAME_DIRTY = 2;
const CODE_MS = 1000;
const DT_MAX = 2; // seconds: a longer pause says nothing about rates

/** @typedef {import("./bits.js").Bits} Bits */
/**
 * @typedef {{call: Function, callFrames: Function, every: Function}} FeedBus
 * @typedef {{block: number, ms: number, onlook: (bits: Bits, dt: number) => void, oncode: (bits: Bits) => void,
 *            onreset: () => void, ontrouble: (e: Error | null) => void, now?: () => number}} FeedOptions
 */

export class HeatFeed {
  /** @param {FeedBus} bus @param {EventTarget & {state: string}} connection @param {FeedOptions} options */
  constructor(bus, connection, options) {
    this.bus = bus;
    this.connection = connection;
    this.options = options;
    this.clock = options.now ?? (() => performance.now());
    /** @type {Record<string, BitStream>} */
    this.streams = { console: new BitStream(), code: new BitStream() };
    /** @type {Set<string>} clients that were asked for a whole frame */
    this.asking = new Set();
    this.epoch = -1;
    this.before = -1;
    this.resyncs = 0;
    this.bytes = 0;
    /** @type {(() => void)[]} */
    this.ends = [];
    this.over = false;
  }

  start() {
    const { block, ms } = this.options;
    const opened = (/** @type {any} */ e) => e.detail.state === "open" && this.track();
    this.connection.addEventListener("state", opened);
    this.ends.push(() => this.connection.removeEventListener("state", opened));
    if (this.connection.state === "open") {
      this.track();
    }
    const trouble = (/** @type {Error} */ e) => this.options.ontrouble(e);
    for (const [client, every] of Object.entries({ console: ms, code: CODE_MS })) {
      const params = { client, block, delta: true, limit: 0 };
      const take = (/** @type {any} */ result, /** @type {any} */ info) => this.take(client, result, info.frames ?? []);
      this.ends.push(this.bus.every(every, "dirty.read", params, take, trouble));
    }
  }

  track() {
    for (const stream of Object.values(this.streams)) {
      stream.invalidate();
    }
    this.before = -1;
    this.bus.call("dirty.track", {}).then(
      () => this.options.ontrouble(null),
      (/** @type {Error} */ e) => this.over || this.options.ontrouble(e),
    );
  }

  /** @param {string} client @param {{frame?: number}} result @param {any[]} frames */
  take(client, result, frames) {
    if (this.over) {
      return;
    }
    const frame = frames.find((f) => f.kind === FRAME_DIRTY && f.sequence === result.frame);
    if (!frame || !this.streams[client].accept(frame)) {
      this.resync(client);
      return;
    }
    this.bytes += frame.data.length;
    if (this.epoch !== frame.epoch) {
      this.epoch = frame.epoch;
      this.options.onreset();
    }
    const { bits } = this.streams[client];
    if (client === "code") {
      this.options.oncode(bits);
      return;
    }
    const at = this.clock();
    const dt = this.before < 0 ? this.options.ms / 1000 : Math.min((at - this.before) / 1000, DT_MAX);
    this.before = at;
    this.options.onlook(bits, dt);
  }

  /** Asks for a whole frame, once. @param {string} client */
  resync(client) {
    if (this.asking.has(client)) {
      return;
    }
    this.asking.add(client);
    this.resyncs++;
    this.streams[client].invalidate();
    const params = { client, block: this.options.block, limit: 0 };
    this.bus.callFrames("dirty.read", params).then(
      (/** @type {any} */ r) => {
        this.asking.delete(client);
        this.take(client, r.result, r.frames);
      },
      () => this.asking.delete(client), /* the next result asks again */
    );
  }

  stop() {
    this.over = true;
    for (const end of this.ends.splice(0)) {
      end();
    }
    if (this.connection.state === "open") {
      this.bus.call("dirty.track", { on: false }).catch(() => {});
    }
  }
}
