// SPDX-License-Identifier: MIT
/** Fill: the rows in view at once, the rest after the paint or as soon as somebody needs them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Fill } from "../../../web/static/panels/tb-fill.js";

/** As much of an element as a column needs. */
class Box {
  constructor() {
    this.rows = [];
  }
  get childElementCount() {
    return this.rows.length;
  }
  get firstElementChild() {
    return this.rows[0] ?? null;
  }
  replaceChildren() {
    this.rows = [];
  }
  append(...rows) {
    this.rows.push(...rows);
  }
}

globalThis.Node ??= class {};

class Row extends globalThis.Node {
  constructor(name) {
    super();
    this.name = name;
  }
  setAttribute(key, value) {
    this[key] = value;
  }
}

/** @returns {{fill: Fill, box: Record<string, Box>, later: (() => void)[], done: () => number}} */
function scene() {
  const box = { guest: new Box(), host: new Box() };
  const later = [];
  let done = 0;
  const fill = new Fill(box, () => done++, (run) => later.push(run));
  return { fill, box, later, done: () => done };
}

const makers = (letter, count, made = []) => Array.from({ length: count }, (_, i) => () => (made.push(i), new Row(`${letter}${i}`)));
const names = (box) => box.rows.map((r) => r.name);

test("a long column: what is in view at once, the rest after the paint, in order", () => {
  const { fill, box, later, done } = scene();
  const made = [];
  fill.set("host", makers("h", 500, made));
  assert.ok(box.host.rows.length >= 24 && box.host.rows.length < 100, String(box.host.rows.length));
  assert.equal(made.length, box.host.rows.length, "rows out of view are not made yet");
  assert.equal(fill.count("host"), 500);
  assert.equal(box.host.rows[0].tabindex, "0");
  assert.equal(done(), 0);
  later.forEach((run) => run());
  assert.deepEqual(names(box.host), Array.from({ length: 500 }, (_, i) => `h${i}`));
  assert.equal(fill.count("host"), 500);
  assert.equal(done(), 1);
});

test("who needs all rows has them at once, and the paint adds none", () => {
  const { fill, box, later, done } = scene();
  fill.set("guest", makers("g", 60));
  fill.set("host", makers("h", 90));
  fill.complete();
  assert.deepEqual([box.guest.rows.length, box.host.rows.length], [60, 90]);
  later.forEach((run) => run());
  fill.complete();
  assert.deepEqual([box.guest.rows.length, box.host.rows.length], [60, 90]);
  assert.equal(done(), 1);
});

test("another block before the paint: no row of the earlier one comes late", () => {
  const { fill, box, later } = scene();
  fill.set("host", makers("old", 200));
  fill.set("host", makers("new", 200));
  later.forEach((run) => run());
  assert.equal(box.host.rows.length, 200);
  assert.ok(names(box.host).every((n) => n.startsWith("new")));
});

test("a short column and an empty one are complete, and say so once", () => {
  const { fill, box, later, done } = scene();
  fill.set("guest", makers("g", 3));
  fill.set("host", []);
  later.forEach((run) => run());
  assert.deepEqual(names(box.guest), ["g0", "g1", "g2"]);
  assert.deepEqual([fill.count("host"), done()], [0, 1]);
});
