// SPDX-License-Identifier: MIT
// @ts-check
/**
 * SerialFeed: all that the guest writes to a serial line, once, in order, as fast as the page takes it.
 *
 *   serial.output --credit--> queue --> position? --> listeners --all done--> events.credit
 *                                          |  a gap: serial.tail from the position on
 *                                          '- an overlap: cut off
 *
 * A position is the number of bytes before (see src/inspect/serial.c), so whatever happens to the connection, nothing
 * is shown twice and what was lost is told. The server sends no more than what it has credit for: a guest that
 * writes without end waits for nobody, and drowns nobody.
 */
import { NetError } from "./protocol.js";

/** @typedef {import("./ui/panel.js").PanelBus} PanelBus */
/**
 * A listener may return a promise: the next bytes wait for it. `old`: written before the page looked.
 * @typedef {{bytes: (bytes: Uint8Array, old: boolean) => void | Promise<void>, gap?: (lost: number) => void,
 *            fresh?: () => void}} Listener
 * @typedef {{from: number, bytes: Uint8Array, subscription: number}} Piece
 */

const CREDIT = 16;
const TAIL_MOST = 65536;

/** @param {string} text base64 @returns {Uint8Array} */
function decode(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

export class SerialFeed {
  /** @param {PanelBus} bus @param {string} [line] */
  constructor(bus, line = "serial0") {
    this.bus = bus;
    this.line = line;
    /** @type {Listener[]} */
    this.listeners = [];
    /** @type {Piece[]} */
    this.queue = [];
    this.position = -1; /* of the next byte; -1: nothing was heard yet */
    this.stale = true; /* what is between position and now must be asked for */
    this.owed = 0; /* credit to give back */
    this.pumping = false;
    this.ended = false;
    this.off = () => {};
  }

  /** @param {Listener} listener */
  add(listener) {
    this.listeners.push(listener);
  }

  start() {
    this.off = this.bus.subscribe(["serial.output"], { credit: CREDIT }, (event, data, info) => this.hear(event, data, info));
    this.pump();
  }

  /** After the connection was lost: what came meanwhile. */
  resume() {
    this.queue = [];
    this.owed = 0;
    this.stale = true;
    this.pump();
  }

  end() {
    this.ended = true;
    this.off();
  }

  /** @param {string} event @param {any} data @param {any} info */
  hear(event, data, info) {
    if (event === "events.overrun") {
      this.off(); /* the server gave the subscription up: too much had come */
      this.start();
      this.resume();
      return;
    }
    if (data.line === this.line) {
      this.queue.push({ from: Number(data.from), bytes: decode(data.data), subscription: info.subscription });
      this.pump();
    } else {
      this.giveBack(info.subscription);
    }
  }

  async pump() {
    if (this.pumping) {
      return;
    }
    this.pumping = true;
    try {
      while (!this.ended && (this.stale || this.queue.length)) {
        await (this.stale ? this.catchUp() : this.next());
      }
    } catch (e) {
      if (!(e instanceof NetError)) {
        throw e; /* without a connection resume() comes later */
      }
    } finally {
      this.pumping = false;
    }
  }

  async next() {
    const piece = this.queue[0];
    if (piece.from > this.position) {
      this.stale = true;
      return;
    }
    this.queue.shift();
    await this.tell(piece.bytes.subarray(this.position - piece.from), false);
    this.giveBack(piece.subscription);
  }

  async catchUp() {
    const first = this.position < 0;
    const from = first ? {} : { from: "0x" + this.position.toString(16) };
    const tail = await this.bus.call("serial.tail", { line: this.line, max: TAIL_MOST, ...from });
    const start = Number(tail.from);
    if (Number(tail.end) < this.position) {
      this.forget(); /* another machine has taken the place of the old one */
      return;
    }
    if (!first && start > this.position) {
      this.listeners.forEach((l) => l.gap?.(start - this.position));
    }
    this.position = start;
    this.stale = false;
    await this.tell(decode(tail.data), first);
  }

  /** The machine is not the one whose text was shown. */
  forget() {
    this.position = -1;
    this.stale = true;
    this.listeners.forEach((l) => l.fresh?.());
  }

  /** @param {Uint8Array} bytes @param {boolean} old */
  async tell(bytes, old) {
    if (bytes.length) {
      this.position += bytes.length;
      await Promise.all(this.listeners.map((l) => l.bytes(bytes, old)));
    }
  }

  /** @param {number} subscription */
  giveBack(subscription) {
    this.owed++;
    if (this.owed >= CREDIT / 2) {
      const more = this.owed;
      this.owed = 0;
      this.bus.call("events.credit", { subscription, more }).catch(() => {}); /* it has ended meanwhile */
    }
  }
}
