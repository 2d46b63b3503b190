// SPDX-License-Identifier: MIT
/** The window of bytes, regions, and what is searched for. */
import assert from "node:assert/strict";
import test from "node:test";
import { HexModel, bytesOfBase64, charOf, hexDigits, parseBytes, partsOf, valuesAt } from "../../../web/static/memory/hexmodel.js";
import { patternOf } from "../../../web/static/memory/hexsearch.js";
import { virtualOf } from "../../../web/static/memory/hexpoints.js";
import { blockParts, offsetOf, physOf, rowsOfPath, treeRows } from "../../../web/static/memory/regions.js";
import { strings } from "../../../web/static/strings/memory.js";

test("only bytes that were known and differ have changed, and not for ever", () => {
  const m = new HexModel(0x1000n, 32);
  assert.equal(m.put(0, Uint8Array.of(1, 2, 3), 1000), 0);
  assert.equal(m.put(0, Uint8Array.of(1, 9, 3), 2000), 1);
  assert.deepEqual([m.isChanged(0, 2000), m.isChanged(1, 2000), m.isChanged(1, 3999), m.isChanged(1, 4001)], [false, true, true, false]);
  m.lose(0, 2);
  assert.deepEqual([m.get(1), m.get(2), m.get(31)], [null, 3, null]);
});

test("a window that moves keeps what it has, and its changes", () => {
  const m = new HexModel(0x1000n, 4);
  m.put(0, Uint8Array.of(1, 2, 3, 4), 0);
  m.put(0, Uint8Array.of(1, 2, 7, 4), 100);
  const up = m.moved(0x1002n, 4);
  assert.deepEqual([0, 1, 2, 3].map((i) => up.get(i)), [7, 4, null, null]);
  assert.equal(up.isChanged(0, 100), true);
  const down = m.moved(0xffen, 4);
  assert.deepEqual([0, 1, 2, 3].map((i) => down.get(i)), [null, null, 1, 2]);
  assert.deepEqual([0, 1].map((i) => m.moved(0xffff000000000000n, 2).get(i)), [null, null]);
});

test("a window is read in parts that end at pages and at the last address", () => {
  assert.deepEqual(partsOf(0x1ff0n, 32), [{ offset: 0, addr: 0x1ff0n, len: 16 }, { offset: 16, addr: 0x2000n, len: 16 }]);
  assert.deepEqual(partsOf(0xfffffffffffffff0n, 32), [{ offset: 0, addr: 0xfffffffffffffff0n, len: 16 }]);
});

test("numbers are little endian and as long as the bytes are known", () => {
  const m = new HexModel(0n, 16);
  m.put(0, Uint8Array.of(0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0x80), 0);
  assert.deepEqual(valuesAt(m, 0).map((v) => [v.bits, v.value]), [[8, 0x78n], [16, 0x5678n], [32, 0x12345678n], [64, 0x8000000012345678n]]);
  assert.deepEqual(valuesAt(m, 6).map((v) => v.bits), [8, 16]);
});

test("bytes as text, both ways", () => {
  assert.deepEqual([...bytesOfBase64("AP9B")], [0, 255, 65]);
  assert.equal(hexDigits(Uint8Array.of(0, 255, 65)), "00ff41");
  assert.deepEqual([...(parseBytes("41 4 2") ?? [])], [0x41, 0x42]);
  for (const bad of ["", "4", "4g", "0x1", "41,42"]) {
    assert.equal(parseBytes(bad), null, bad);
  }
  assert.deepEqual([charOf(0x41), charOf(0x7f), charOf(0)], ["A", "·", "·"]);
});

test("what to search for: text, quoted text, bytes", () => {
  assert.equal(hexDigits(patternOf("Linux")), "4c696e7578");
  assert.equal(hexDigits(patternOf('"0x41"')), "30783431");
  assert.equal(hexDigits(patternOf("0x4142")), "4142");
  assert.equal(hexDigits(patternOf("de ad be ef")), "deadbeef");
  assert.equal(hexDigits(patternOf("é")), "c3a9");
  assert.deepEqual([patternOf("  "), patternOf("0x414")], [null, null]);
});

const TREE = {
  name: "system", kind: "container", addr: "0x0", size: "0x10000000000000000", priority: 0, enabled: true, owner: null,
  children: [
    { name: "window", kind: "alias", addr: "0x1000", size: "0x1000", priority: 0, enabled: true, owner: null, target: { name: "ram", offset: "0x2000" } },
    { name: "ram", kind: "ram", addr: "0x80000000", size: "0x4000", priority: 0, enabled: true, owner: null, block: "ram" },
  ],
};
const FLAT = [
  { first: "0x1000", last: "0x1fff", region: "ram", offset: "0x2000", ram: true },
  { first: "0x80000000", last: "0x80003fff", region: "ram", offset: "0x0", ram: true },
];

test("bytes of a block are found at a physical address, and back", () => {
  const parts = blockParts(treeRows(TREE), FLAT).get("ram");
  assert.equal(physOf(parts, 0x1000n), 0x80001000n);
  assert.equal(physOf(parts, 0x2800n), 0x1800n);
  assert.equal(physOf(parts, 0x4000n), null);
  assert.equal(offsetOf(parts, 0x80002800n), 0x2800n);
  assert.equal(offsetOf(parts, 0x1800n), 0x2800n);
  assert.equal(offsetOf(parts, 0x3000n), null);
});

test("the steps of a path are found in the tree, but for what an alias shows", () => {
  const rows = treeRows(TREE);
  const step = (name, kind, offset) => ({ name, kind, offset, depth: 0, verdict: "passed", why: "", priority: 0 });
  const found = rowsOfPath(rows, 0x1800n, [step("system", "container", "0x1800"), step("window", "alias", "0x800"), step("ram", "ram", "0x2800")]);
  assert.deepEqual(found.map((r) => r?.node.name), ["system", "window", undefined]);
});

test("virtual addresses of a physical one: all runs are gone through", async () => {
  const answers = [
    { runs: [{ first: "0x10000", size: "0x2000", phys: "0x80000000" }, { first: "0x50000", size: "0x1000", phys: "0x90000000" }], cursor: "0x60000", satp: "0x8" },
    { runs: [{ first: "0xff0000", size: "0x100000", phys: "0x80000000" }], cursor: null, satp: "0x8" },
  ];
  const asked = [];
  const bus = { call: (_m, p) => (asked.push(p), Promise.resolve(answers[asked.length - 1])) };
  assert.deepEqual(await virtualOf(bus, 0, 0x80001004n), [0x11004n, 0xff1004n]);
  assert.deepEqual([asked[1].cursor, asked[1].satp], ["0x60000", "0x8"]);
});

test("both languages have the same words", () => {
  assert.deepEqual(Object.keys(strings.en).sort(), Object.keys(strings.zh).sort());
  for (const key of Object.keys(strings.en)) {
    const names = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();
    assert.deepEqual(names(strings.zh[key]), names(strings.en[key]), key);
  }
});
