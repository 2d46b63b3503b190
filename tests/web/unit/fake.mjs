// SPDX-License-Identifier: MIT
/** Fakes: a WebSocket and a bus that a test holds in its hands. */

const FRAME_HEADER = 32;

/** A WebSocket whose other end is the test: `sent` is what the page said, `say()` what it hears. */
export class FakeSocket {
  /** @type {FakeSocket[]} all that were made, oldest first */
  static made = [];

  constructor(url, protocol) {
    this.url = url;
    this.protocol = protocol;
    this.sent = [];
    this.closed = false;
    FakeSocket.made.push(this);
  }

  static get last() {
    return FakeSocket.made[FakeSocket.made.length - 1];
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  open() {
    this.onopen();
  }

  say(message) {
    this.onmessage({ data: typeof message === "string" || message instanceof ArrayBuffer ? message : JSON.stringify(message) });
  }

  /** Answers the newest request of a method. */
  answer(method, result, more = {}) {
    const request = this.sent.findLast((m) => m.method === method);
    this.say({ jsonrpc: "2.0", id: request.id, result, ...more });
  }

  event(subscription, event, data) {
    this.say({ jsonrpc: "2.0", method: "event", params: { event, subscription, data } });
  }

  lose(reason = "", code = 1006) {
    this.closed = true;
    this.onclose({ code, reason });
  }
}

/** A binary frame as the server makes it (src/inspect/frame.h). */
export function frame({ kind = 1, stream = 7, sequence = 3, epoch = 1, icount = 5n, flags = 0, data = [], magic = 0x4656, length = data.length }) {
  const buffer = new ArrayBuffer(FRAME_HEADER + data.length);
  const view = new DataView(buffer);
  view.setUint16(0, magic, true);
  view.setUint8(2, 1);
  view.setUint8(3, kind);
  view.setUint32(4, stream, true);
  view.setUint32(8, sequence, true);
  view.setUint32(12, epoch, true);
  view.setBigUint64(16, icount, true);
  view.setUint32(24, length, true);
  view.setUint32(28, flags, true);
  new Uint8Array(buffer, FRAME_HEADER).set(data);
  return buffer;
}

/** Lets promises that are settled run. */
export const settle = () => new Promise((done) => setImmediate(done));
