// SPDX-License-Identifier: MIT
// serial.js against a machine of the test's own: each byte once, in order, whatever happens to the connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NetError } from "../../../web/static/protocol.js";
import { SerialFeed } from "../../../web/static/serial.js";
import { settle } from "./fake.mjs";

const RING = 64;

/** A serial line as src/inspect/serial.c has it, with a ring of 64 bytes, and the bus to it. */
class Line {
  constructor() {
    this.all = "";
    this.credits = [];
    this.handlers = [];
    this.connected = true;
    this.tails = [];
  }
  async call(method, params) {
    if (!this.connected) {
      throw new NetError("no connection");
    }
    if (method === "serial.tail") {
      this.tails.push(params);
      const from = Math.max(params.from === undefined ? 0 : Number(params.from), this.all.length - RING);
      const data = this.all.slice(from, from + params.max);
      return { from: hex(from), end: hex(this.all.length), data: btoa(data) };
    }
    assert.equal(method, "events.credit");
    this.credits.push(params.more);
  }
  subscribe(events, options, handler) {
    assert.deepEqual(events, ["serial.output"]);
    assert.ok(options.credit > 0);
    this.handlers.push(handler);
    return () => this.handlers.splice(this.handlers.indexOf(handler), 1);
  }
  write(text, heard = true) {
    const from = this.all.length;
    this.all += text;
    heard && this.tell(from);
  }
  tell(from) {
    this.handlers.forEach((h) => h("serial.output", { line: "serial0", from: hex(from), data: btoa(this.all.slice(from)) }, { subscription: 5 }));
  }
}
const hex = (n) => "0x" + n.toString(16);

function listen(line) {
  const feed = new SerialFeed(line);
  const heard = { text: "", old: "", gaps: [], fresh: 0 };
  feed.add({
    bytes: (bytes, old) => {
      const text = String.fromCharCode(...bytes);
      heard.text += text;
      heard.old += old ? text : "";
    },
    gap: (lost) => heard.gaps.push(lost),
    fresh: () => heard.fresh++,
  });
  feed.start();
  return { feed, heard };
}
const quiet = async () => {
  for (let i = 0; i < 20; i++) {
    await settle();
  }
};

test("serial: what was written before comes first, and is marked as old", async () => {
  const line = new Line();
  line.write("before ");
  const { heard } = listen(line);
  line.write("between ");
  await quiet();
  line.write("after");
  await quiet();
  assert.equal(heard.text, "before between after");
  assert.ok(heard.old.startsWith("before ") && !heard.old.includes("after"));
});

test("serial: after a lost connection it goes on where it was, without a double", async () => {
  const line = new Line();
  const { feed, heard } = listen(line);
  line.write("one ");
  await quiet();
  line.connected = false;
  line.write("two ", false);
  await quiet();
  line.connected = true;
  line.write("three ");
  feed.resume();
  line.write("four");
  await quiet();
  assert.equal(heard.text, "one two three four");
  assert.deepEqual(heard.gaps, []);
});

test("serial: a lost event is filled in from the line's memory", async () => {
  const line = new Line();
  const { heard } = listen(line);
  await quiet();
  line.write("lost ", false);
  line.write("heard");
  await quiet();
  assert.equal(heard.text, "lost heard");
});

test("serial: what the line's memory has no more is told, as a number of bytes", async () => {
  const line = new Line();
  const { heard } = listen(line);
  line.write("x");
  await quiet();
  line.write("y".repeat(RING + 10), false);
  line.write("z");
  await quiet();
  assert.deepEqual(heard.gaps, [11]);
  assert.equal(heard.text, "x" + "y".repeat(RING - 1) + "z");
});

test("serial: another machine at the same place is told as fresh, and read from its beginning", async () => {
  const line = new Line();
  const { feed, heard } = listen(line);
  line.write("the old machine");
  await quiet();
  line.all = "new";
  feed.resume();
  await quiet();
  assert.equal(heard.fresh, 1);
  assert.equal(heard.text, "the old machinenew");
});

test("serial: credit is given back only for what the listeners have taken", async () => {
  const line = new Line();
  const feed = new SerialFeed(line);
  const taken = [];
  feed.add({ bytes: () => new Promise((done) => taken.push(done)) });
  feed.start();
  await quiet();
  for (let i = 0; i < 16; i++) {
    line.write("x");
  }
  await quiet();
  assert.equal(taken.length, 1, "the second waits for the first");
  assert.deepEqual(line.credits, []);
  for (let i = 0; i < 16; i++) {
    taken[i]();
    await quiet();
  }
  assert.equal(line.credits.reduce((a, b) => a + b, 0), 16);
});

test("serial: a subscription that the server gave up is made anew, and the gap is filled", async () => {
  const line = new Line();
  const { heard } = listen(line);
  line.write("one ");
  await quiet();
  line.write("two ", false);
  line.handlers[0]("events.overrun", { lost: 1 }, { subscription: 5 });
  await quiet();
  assert.equal(line.handlers.length, 1);
  line.write("three");
  await quiet();
  assert.equal(heard.text, "one two three");
});

test("serial: after its end nothing is heard", async () => {
  const line = new Line();
  const { feed, heard } = listen(line);
  await quiet();
  const [handler] = line.handlers;
  feed.end();
  assert.equal(line.handlers.length, 0);
  line.write("late", false);
  handler("serial.output", { line: "serial0", from: "0x0", data: btoa("late") }, { subscription: 5 });
  await quiet();
  assert.equal(heard.text, "");
});
