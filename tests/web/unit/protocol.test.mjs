// SPDX-License-Identifier: MIT
// protocol.js against a socket that the test holds in its hands. The messages are those of book/protocol.md,
// the frames those of src/inspect/frame.h.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Bus, NetError, RpcError, parseFrame } from "../../../web/static/protocol.js";
import { FakeSocket, frame, settle } from "./fake.mjs";

function connected() {
  const bus = new Bus("ws://machine/ws", FakeSocket);
  FakeSocket.last.open();
  return bus;
}

test("protocol: a call's answer is its result", async () => {
  const bus = connected();
  const answer = bus.call("tb.list", { limit: 3 });
  const asked = FakeSocket.last.sent[0];
  assert.deepEqual([asked.jsonrpc, asked.method, asked.params], ["2.0", "tb.list", { limit: 3 }]);
  FakeSocket.last.answer("tb.list", { blocks: [1] });
  assert.deepEqual(await answer, { blocks: [1] });
});

test("protocol: answers find their calls in whatever order they come", async () => {
  const bus = connected();
  const first = bus.call("a.a");
  const second = bus.call("b.b");
  FakeSocket.last.answer("b.b", "second");
  FakeSocket.last.answer("a.a", "first");
  assert.deepEqual([await first, await second], ["first", "second"]);
});

test("protocol: an error tells what happened and what to try", async () => {
  const bus = connected();
  const asked = bus.call("cpu.regs", { cpu: 7 });
  FakeSocket.last.say({ jsonrpc: "2.0", id: FakeSocket.last.sent[0].id, error: { code: -32001, message: "not found", data: { class: "not-found", what: "there is no hart 7", try: "0 to 3" } } });
  await assert.rejects(asked, (e) => e instanceof RpcError && e.code === -32001 && e.class === "not-found" && /hart 7; 0 to 3/.test(e.message));
});

test("protocol: what was asked when the connection is lost fails, and nobody waits", async () => {
  const bus = connected();
  const asked = bus.call("tb.list");
  FakeSocket.last.lose();
  await assert.rejects(asked, NetError);
  await assert.rejects(bus.call("tb.list"), NetError);
  assert.equal(bus.state, "lost");
  bus.close();
});

test("protocol: a lost connection is made anew, with growing pauses, and then the first pause is short again", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const bus = connected();
    const before = FakeSocket.made.length;
    FakeSocket.last.lose();
    const pauses = [];
    for (let waited = 0, tries = 0; tries < 8; waited += 50) {
      mock.timers.tick(50);
      if (FakeSocket.made.length - before > tries) {
        tries++;
        pauses.push(waited);
        waited = 0;
        FakeSocket.last.lose();
      }
    }
    for (let i = 1; i < pauses.length; i++) {
      assert.ok(pauses[i] >= pauses[i - 1], `pauses ${pauses}`);
    }
    assert.ok(pauses[7] > 4 * pauses[0], `pauses ${pauses} do not grow`);
    assert.ok(pauses[7] <= 10000, `pauses ${pauses} grow without end`);
    mock.timers.tick(60000);
    FakeSocket.last.open();
    const made = FakeSocket.made.length;
    FakeSocket.last.lose();
    mock.timers.tick(1000);
    assert.equal(FakeSocket.made.length, made + 1);
    bus.close();
  } finally {
    mock.timers.reset();
  }
});

test("protocol: subscriptions and repeated calls are renewed on a new connection, under their new numbers", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const bus = connected();
    const heard = [];
    bus.subscribe(["machine.stopped"], { rate: 5 }, (event, data) => heard.push(data.n));
    bus.every(100, "cpu.regs", { cpu: 0 }, (result) => heard.push(result.pc));
    FakeSocket.last.answer("events.subscribe", { subscription: 11 });
    FakeSocket.last.answer("events.every", { subscription: 12 });
    await settle();
    FakeSocket.last.event(11, "machine.stopped", { n: 1 });
    FakeSocket.last.event(12, "events.result", { method: "cpu.regs", result: { pc: "0x1" } });
    assert.deepEqual(heard, [1, "0x1"]);
    FakeSocket.last.lose();
    mock.timers.tick(1000);
    FakeSocket.last.open();
    assert.deepEqual(FakeSocket.last.sent.map((m) => [m.method, m.params.events ?? m.params.method, m.params.rate ?? m.params.ms]), [
      ["events.subscribe", ["machine.stopped"], 5],
      ["events.every", "cpu.regs", 100],
    ]);
    FakeSocket.last.answer("events.subscribe", { subscription: 2 });
    FakeSocket.last.answer("events.every", { subscription: 3 });
    await settle();
    FakeSocket.last.event(11, "machine.stopped", { n: 99 }); /* a number of before */
    FakeSocket.last.event(2, "machine.stopped", { n: 2 });
    assert.deepEqual(heard, [1, "0x1", 2]);
    bus.close();
  } finally {
    mock.timers.reset();
  }
});

test("protocol: the end of a subscription is told to the server, even if its number comes later", async () => {
  const bus = connected();
  const off = bus.subscribe(["log.line"], {}, () => assert.fail("heard after the end"));
  off();
  FakeSocket.last.answer("events.subscribe", { subscription: 5 });
  await settle();
  const ends = FakeSocket.last.sent.filter((m) => m.method === "events.unsubscribe");
  assert.deepEqual(ends.map((m) => m.params), [{ subscription: 5 }]);
  FakeSocket.last.event(5, "log.line", {});
});

test("protocol: an ended subscription is not renewed", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const bus = connected();
    const off = bus.subscribe(["log.line"], {}, () => {});
    FakeSocket.last.answer("events.subscribe", { subscription: 5 });
    await settle();
    FakeSocket.last.lose();
    off();
    mock.timers.tick(1000);
    FakeSocket.last.open();
    assert.deepEqual(FakeSocket.last.sent, []);
    bus.close();
  } finally {
    mock.timers.reset();
  }
});

test("protocol: the frame that comes before an answer is handed over with it, and with that one only", async () => {
  const bus = connected();
  const first = bus.callFrames("mem.read", { format: "frame" });
  const second = bus.callFrames("mem.tree");
  FakeSocket.last.say(frame({ kind: 2, stream: 9, sequence: 4, icount: 0x1234567890n, data: [1, 2, 3] }));
  FakeSocket.last.answer("mem.read", { len: 3, frame: 4 });
  FakeSocket.last.answer("mem.tree", {});
  const { result, frames } = await first;
  assert.equal(result.frame, 4);
  assert.equal(frames.length, 1);
  assert.deepEqual([frames[0].kind, frames[0].stream, frames[0].sequence, frames[0].icount], [2, 9, 4, 0x1234567890n]);
  assert.deepEqual([...frames[0].data], [1, 2, 3]);
  assert.deepEqual((await second).frames, []);
});

test("protocol: the frame that comes before an event goes to the event's handler", async () => {
  const bus = connected();
  let got;
  bus.every(100, "dirty.read", {}, (_result, info) => (got = info.frames));
  FakeSocket.last.answer("events.every", { subscription: 3 });
  await settle();
  FakeSocket.last.say(frame({ data: [7] }));
  FakeSocket.last.event(3, "events.result", { method: "dirty.read", result: { frame: 3 } });
  assert.deepEqual([...got[0].data], [7]);
});

test("protocol: what goes wrong in a repeated call reaches whoever began it", async () => {
  const bus = connected();
  const trouble = [];
  bus.every(100, "tb.list", {}, () => assert.fail("a result"), (e) => trouble.push(e.class));
  FakeSocket.last.answer("events.every", { subscription: 3 });
  await settle();
  FakeSocket.last.event(3, "events.result", { method: "tb.list", error: { code: -32002, message: "bad state", data: { class: "bad-state", what: "no" } } });
  assert.deepEqual(trouble, ["bad-state"]);
});

test("protocol: a binary message that is no frame of ours is no frame", () => {
  assert.equal(parseFrame(new ArrayBuffer(0)), null);
  assert.equal(parseFrame(new ArrayBuffer(31)), null);
  assert.equal(parseFrame(frame({ magic: 0x1234 })), null);
  assert.equal(parseFrame(frame({ data: [1, 2], length: 3 })), null);
  assert.equal(parseFrame(frame({ data: [1, 2], length: 0xffffffff })), null);
  assert.deepEqual([...parseFrame(frame({ data: [1, 2] })).data], [1, 2]);
});

test("protocol: garbage is passed over, and the connection serves on", async () => {
  const bus = connected();
  const asked = bus.call("machine.status");
  for (const garbage of ["", "{", "null", "[]", "7", "\"text\"", "{}", '{"method":"event"}', '{"method":"event","params":null}', '{"id":99999,"result":{}}', '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}']) {
    assert.doesNotThrow(() => FakeSocket.last.say(garbage), garbage);
  }
  FakeSocket.last.say(new ArrayBuffer(5));
  FakeSocket.last.answer("machine.status", { running: true });
  assert.deepEqual(await asked, { running: true });
});

test("protocol: a handler that throws does not take the message from the others", async () => {
  const bus = connected();
  const heard = [];
  bus.subscribe(["log.line"], {}, () => heard.push("log"));
  bus.every(100, "cpu.regs", {}, () => {
    throw new Error("a panel's mistake");
  });
  FakeSocket.last.answer("events.subscribe", { subscription: 1 });
  FakeSocket.last.answer("events.every", { subscription: 2 });
  await settle();
  assert.throws(() => FakeSocket.last.event(2, "events.result", { method: "cpu.regs", result: {} }), /mistake/);
  FakeSocket.last.event(1, "log.line", {});
  assert.deepEqual(heard, ["log"]);
});

test("protocol: a closed bus stays closed", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const bus = connected();
    const made = FakeSocket.made.length;
    bus.close();
    assert.ok(FakeSocket.last.closed);
    FakeSocket.last.lose();
    mock.timers.tick(60000);
    assert.equal(FakeSocket.made.length, made);
  } finally {
    mock.timers.reset();
  }
});

test("protocol: a server that never opened is told apart from a connection that was lost", () => {
  const bus = new Bus("ws://machine/ws", FakeSocket);
  const states = [];
  bus.addEventListener("state", (e) => states.push([e.detail.state, e.detail.reason]));
  FakeSocket.last.lose("no token");
  assert.deepEqual(states, [["refused", "no token"]]);
  bus.close();
});

test("protocol: a machine that has ended is told apart from a connection that was lost, until there is another", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const bus = connected();
    const states = [];
    bus.addEventListener("state", (e) => states.push([e.detail.state, e.detail.reason]));
    FakeSocket.last.lose("the machine has ended: guest", 1001);
    mock.timers.tick(60000);
    FakeSocket.last.lose(); /* nobody is there */
    mock.timers.tick(60000);
    assert.deepEqual(states, [["ended", "guest"]]);
    FakeSocket.last.open();
    assert.equal(bus.state, "open");
    FakeSocket.last.lose("the machine has ended: guest", 1000); /* another code is no such news */
    assert.equal(bus.state, "lost");
    bus.close();
  } finally {
    mock.timers.reset();
  }
});

test("protocol: why a server refuses is asked, and told", async () => {
  const asked = [];
  const why = async (/** @type {string} */ url) => (asked.push(url), "there are too many viewers");
  const bus = new Bus("ws://machine/ws", FakeSocket, why);
  const states = [];
  bus.addEventListener("state", (e) => states.push([e.detail.state, e.detail.reason]));
  FakeSocket.last.lose();
  await settle();
  assert.deepEqual(asked, ["ws://machine/ws"]);
  assert.deepEqual(states, [["refused", ""], ["refused", "there are too many viewers"]]);
  bus.close();
});
