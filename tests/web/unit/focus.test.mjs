// SPDX-License-Identifier: MIT
// focus.js: the URL and the focus say the same.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Focus, Place, viewState } from "../../../web/static/focus.js";

/** A browser's location and history. */
class Browser {
  constructor(hash = "") {
    this.entries = [hash];
    this.at = 0;
  }
  get hash() {
    return this.entries[this.at];
  }
  pushState(_state, _title, url) {
    this.entries.splice(++this.at, Infinity, url);
  }
  replaceState(_state, _title, url) {
    this.entries[this.at] = url;
  }
}

const place = (browser) => new Place(browser, browser);

test("focus: what was set is read from the URL by whoever opens it", () => {
  const browser = new Browser();
  const focus = new Focus(place(browser));
  const all = { cpu: 3, addr: "0xffffffff80001234", phys: "0x80201000", block: "0x1f2", insn: 4, op: 17, count: "0xabc", dev: "disk0/serial-mm@10000000" };
  focus.set(all);
  assert.deepEqual(new Focus(place(new Browser(browser.hash))).get(), all);
});

test("focus: odd text survives the URL", () => {
  const browser = new Browser();
  const dev = "a&b=c#d e+f%20ü\u4e2d";
  new Focus(place(browser)).set({ dev });
  assert.equal(new Focus(place(new Browser(browser.hash))).get().dev, dev);
});

test("focus: without a URL there is hart 0 and nothing else", () => {
  assert.deepEqual(new Focus(place(new Browser())).get(), { cpu: 0 });
});

test("focus: set merges, and null takes away", () => {
  const focus = new Focus(place(new Browser("#addr=0x1&cpu=2")));
  focus.set({ phys: "0x9", addr: null });
  assert.deepEqual(focus.get(), { cpu: 2, phys: "0x9" });
});

test("focus: a new block takes the old one's instruction and op along", () => {
  const focus = new Focus(place(new Browser("#block=0x1&insn=3&op=9")));
  focus.set({ block: "0x2" });
  assert.deepEqual(focus.get(), { cpu: 0, block: "0x2" });
  focus.set({ block: "0x3", insn: 1 });
  assert.deepEqual(focus.get(), { cpu: 0, block: "0x3", insn: 1 });
});

test("focus: one set is told once, with the fields that changed; setting the same is not told", () => {
  const focus = new Focus(place(new Browser("#addr=0x1&cpu=2")));
  const told = [];
  const off = focus.on((_now, changed) => told.push([...changed].sort()));
  focus.set({ addr: "0x2", cpu: 2, phys: "0x3" });
  focus.set({ addr: "0x2" });
  assert.deepEqual(told, [["addr", "phys"]]);
  off();
  focus.set({ addr: "0x4" });
  assert.equal(told.length, 1);
});

test("focus: a new address is an entry of the browser's history, an instruction of the same block is not", () => {
  const browser = new Browser("#block=0x1");
  const focus = new Focus(place(browser));
  focus.set({ insn: 2 });
  assert.equal(browser.entries.length, 1);
  focus.set({ addr: "0x5" });
  assert.equal(browser.entries.length, 2);
});

test("focus: the browser's back button goes to the focus before, and tells", () => {
  const browser = new Browser("#addr=0x1");
  const p = place(browser);
  const focus = new Focus(p);
  focus.set({ addr: "0x2" });
  const told = [];
  focus.on((now) => told.push(now.addr));
  browser.at = 0;
  p.reread();
  assert.deepEqual(told, ["0x1"]);
});

test("focus: view state keeps out of the URL what is the default, and is told to its listeners alone", () => {
  const browser = new Browser();
  const p = place(browser);
  const zoom = viewState(p, "memory.zoom", "4");
  const told = [];
  zoom.on((v) => told.push(v));
  new Focus(p).on(() => assert.fail("the focus did not change"));
  zoom.set("8");
  assert.match(browser.hash, /memory\.zoom=8/);
  assert.equal(viewState(place(new Browser(browser.hash)), "memory.zoom", "4").get(), "8");
  zoom.set("4");
  assert.doesNotMatch(browser.hash, /memory/);
  assert.deepEqual(told, ["8", "4"]);
});
