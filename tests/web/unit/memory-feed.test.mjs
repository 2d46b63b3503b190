// SPDX-License-Identifier: MIT
/** The stream of looks: frames find their results, and what is lost is asked for anew. A fake bus plays the server. */
import assert from "node:assert/strict";
import test from "node:test";
import { HeatFeed } from "../../../web/static/memory/heatfeed.js";
import { Bus } from "../../../web/static/protocol.js";

const XOR = 1;
const DIRTY = 2;

/** A FRAME_DIRTY: run lengths of ten pages. */
function frame(sequence, runs, base = null, epoch = 0) {
  const data = new Uint8Array(24 + runs.length);
  new Uint32Array(data.buffer, 0, 6).set([0, 0, 10, base ?? 0xffffffff, 0, 0]);
  data.set(runs, 24);
  return { kind: DIRTY, stream: 2, sequence, epoch, icount: 0n, flags: base === null ? 0 : XOR, data };
}

class FakeBus extends EventTarget {
  constructor() {
    super();
    this.state = "open";
    this.calls = [];
    this.handlers = {};
    this.answers = [];
  }
  call(method, params) {
    this.calls.push([method, params]);
    return Promise.resolve({});
  }
  callFrames(method, params) {
    this.calls.push([method, params]);
    return new Promise((resolve, reject) => this.answers.push({ resolve, reject }));
  }
  every(ms, method, params, handler) {
    this.calls.push(["every", params]);
    this.handlers[params.client] = handler;
    return () => delete this.handlers[params.client];
  }
  tell(client, f) {
    this.handlers[client]({ frame: f.sequence }, { frames: [f] });
  }
  open() {
    this.state = "open";
    this.dispatchEvent(Object.assign(new Event("state"), { detail: { state: "open" } }));
  }
}

function scene() {
  const bus = new FakeBus();
  const seen = { looks: [], dts: [], code: [], resets: 0, troubles: [] };
  let now = 0;
  const pages = (bits) => Array.from({ length: 10 }, (_, i) => i).filter((i) => bits.get(i));
  const feed = new HeatFeed(bus, bus, {
    block: 0, ms: 100,
    onlook: (bits, dt) => (seen.looks.push(pages(bits)), seen.dts.push(dt)),
    oncode: (bits) => seen.code.push(pages(bits)),
    onreset: () => seen.resets++,
    ontrouble: (e) => e && seen.troubles.push(e),
    now: () => (now += 100),
  });
  feed.start();
  return { bus, feed, seen };
}

const settle = () => new Promise((done) => setTimeout(done, 0));

test("it tracks before it looks, and asks for differences", () => {
  const { bus } = scene();
  assert.equal(bus.calls[0][0], "dirty.track");
  assert.deepEqual(bus.calls.slice(1).map(([m, p]) => [m, p.client, p.delta]), [["every", "console", true], ["every", "code", true]]);
});

test("looks come out of whole frames and differences", () => {
  const { bus, seen } = scene();
  bus.tell("console", frame(0, [2, 2, 6]));
  bus.tell("console", frame(1, [3, 2, 5], 0));
  bus.tell("code", frame(2, [0, 1, 9]));
  bus.tell("console", frame(3, [10], 1));
  assert.deepEqual(seen.looks, [[2, 3], [2, 4], [2, 4]]);
  assert.deepEqual(seen.code, [[0]]);
  assert.deepEqual(seen.dts, [0.1, 0.1, 0.1]);
});

test("after a lost frame a whole one is asked for, once, and then it goes on", async () => {
  const { bus, seen } = scene();
  bus.tell("console", frame(0, [2, 2, 6]));
  bus.tell("console", frame(2, [10], 1));
  bus.tell("console", frame(3, [10], 2));
  assert.deepEqual(seen.looks, [[2, 3]]);
  assert.equal(bus.answers.length, 1);
  bus.answers[0].resolve({ result: { frame: 4 }, frames: [frame(4, [9, 1])] });
  await settle();
  bus.tell("console", frame(5, [8, 1, 1], 4));
  assert.deepEqual(seen.looks.slice(1), [[9], [8, 9]]);
});

test("a result without its frame is as a lost one", () => {
  const { bus } = scene();
  bus.handlers.console({ frame: 7 }, { frames: [] });
  assert.deepEqual(bus.calls.at(-1), ["dirty.read", { client: "console", block: 0, limit: 0 }]);
});

test("another epoch is another run", () => {
  const { bus, seen } = scene();
  bus.tell("console", frame(0, [10], null, 0));
  bus.tell("console", frame(1, [10], 0, 0));
  assert.equal(seen.resets, 1);
  bus.tell("console", frame(2, [10], 1, 1));
  assert.equal(seen.resets, 2);
});

test("a connection that is new is told to track anew, and begins with a whole frame", () => {
  const { bus, seen } = scene();
  bus.tell("console", frame(0, [2, 2, 6]));
  const before = bus.calls.length;
  bus.open();
  assert.equal(bus.calls[before][0], "dirty.track");
  bus.tell("console", frame(1, [10], 0));
  assert.equal(seen.looks.length, 1);
  bus.tell("console", frame(0, [1, 1, 8]));
  assert.deepEqual(seen.looks.at(-1), [1]);
});

test("what ends says so, and hears nothing any more", () => {
  const { bus, feed, seen } = scene();
  const handler = bus.handlers.console;
  feed.stop();
  handler({ frame: 0 }, { frames: [frame(0, [10])] });
  assert.deepEqual([Object.keys(bus.handlers), seen.looks, bus.calls.at(-1)], [[], [], ["dirty.track", { on: false }]]);
});

/* --- the real bus: frames and messages in between --------------------------------------------------- */

class FakeSocket {
  constructor() {
    FakeSocket.last = this;
    this.sent = [];
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {}
}

function wire(f) {
  const buffer = new ArrayBuffer(32 + f.data.length);
  const view = new DataView(buffer);
  view.setUint16(0, 0x4656, true);
  view.setUint8(3, f.kind);
  view.setUint32(8, f.sequence, true);
  view.setUint32(24, f.data.length, true);
  new Uint8Array(buffer, 32).set(f.data);
  return buffer;
}

test("a frame goes to the result that names it, whatever comes between", async () => {
  const bus = new Bus("ws://x", FakeSocket);
  const socket = FakeSocket.last;
  socket.onopen();
  const got = [];
  const other = [];
  bus.every(100, "dirty.read", {}, (r, info) => got.push([r.frame, info.frames.map((f) => f.sequence)]));
  bus.subscribe(["serial.output"], {}, (_e, _d, info) => other.push(info.frames));
  const receive = (m) => socket.onmessage({ data: m instanceof ArrayBuffer ? m : JSON.stringify(m) });
  socket.sent.forEach((m, i) => receive({ id: m.id, result: { subscription: i + 1 } }));
  await settle();
  const event = (subscription, data) => ({ method: "event", params: { event: "x", subscription, data } });
  receive(wire(frame(4, [10]))); /* its result was replaced by the next one's */
  receive(wire(frame(5, [10])));
  receive(event(2, { text: "a" }));
  const asked = bus.call("machine.status");
  receive({ id: socket.sent.at(-1).id, result: {} });
  await asked;
  receive(event(1, { result: { frame: 5 } }));
  assert.deepEqual(got, [[5, [5]]]);
  assert.deepEqual(other, [[]]);
  assert.equal(bus.frames.length, 0);
  bus.close();
});
