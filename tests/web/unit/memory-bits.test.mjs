// SPDX-License-Identifier: MIT
/** Bitmaps of pages and the frames that carry them. Expected bytes: by hand, from the format in src/inspect/dirty.c. */
import assert from "node:assert/strict";
import test from "node:test";
import { BitStream, Bits, applyRuns, parseDirty, popcount } from "../../../web/static/memory/bits.js";

const XOR = 1;
const WORDS = 2;

/** A frame of dirty.read as the server makes it. */
function frame({ block = 0, from = 0, pages, base = 0xffffffff, sequence = 0, flags = 0, body }) {
  const data = new Uint8Array(24 + body.length);
  new Uint32Array(data.buffer, 0, 6).set([block, from, pages, base, 7, 0]);
  data.set(body, 24);
  return { sequence, flags, data };
}

const pagesOf = (bits) => {
  const list = [];
  bits.forEach((i) => list.push(i));
  return list;
};

test("a word's set bits are counted", () => {
  for (const [value, n] of [[0, 0], [1, 1], [0xffffffff, 32], [0x80000001, 2], [0x55555555, 16]]) {
    assert.equal(popcount(value), n);
  }
});

test("flip touches exactly its bits, across words", () => {
  const bits = new Bits(200);
  bits.flip(30, 70);
  assert.deepEqual(pagesOf(bits), Array.from({ length: 70 }, (_, i) => 30 + i));
  bits.flip(31, 1);
  assert.equal(bits.get(31), 0);
  assert.equal(bits.get(32), 1);
  assert.equal(bits.count(), 69);
  assert.equal(bits.count(0, 31), 1);
  assert.equal(bits.count(31, 64), 32);
});

test("forEach keeps to its range", () => {
  const bits = new Bits(100);
  bits.flip(0, 100);
  const list = [];
  bits.forEach((i) => list.push(i), 33, 66);
  assert.deepEqual([list[0], list.at(-1), list.length], [33, 65, 33]);
});

test("run lengths: clear pages first, LEB128", () => {
  const bits = new Bits(300);
  // 3 clear, 2 set, 200 clear (0xc8 0x01), 95 set
  assert.equal(applyRuns(bits, Uint8Array.of(3, 2, 0xc8, 0x01, 95)), true);
  assert.equal(bits.count(), 97);
  assert.deepEqual(pagesOf(bits).slice(0, 3), [3, 4, 205]);
});

test("run lengths that begin with a set page have a run of 0 first", () => {
  const bits = new Bits(4);
  assert.equal(applyRuns(bits, Uint8Array.of(0, 1, 3)), true);
  assert.deepEqual(pagesOf(bits), [0]);
});

test("run lengths that do not add up are refused", () => {
  for (const body of [[3], [5, 6], [0x80], [0x84, 0x80, 0x80], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], []]) {
    assert.equal(applyRuns(new Bits(10), Uint8Array.from(body)), false, String(body));
  }
});

test("a frame's head is read; a short one is none", () => {
  const d = parseDirty(frame({ block: 1, from: 32, pages: 10, base: 5, flags: XOR, body: [10] }));
  assert.deepEqual([d.block, d.from, d.pages, d.base, d.sample, d.xor, d.words], [1, 32, 10, 5, 7, true, false]);
  assert.equal(parseDirty({ flags: 0, data: new Uint8Array(23) }), null);
});

test("words are applied as they are, little endian", () => {
  const stream = new BitStream();
  const body = new Uint8Array(8);
  body[0] = 0x81;
  body[4] = 0x01;
  assert.equal(stream.accept(frame({ pages: 40, flags: WORDS, body })), true);
  assert.deepEqual(pagesOf(stream.bits), [0, 7, 32]);
});

test("words at an address that is not a multiple of four", () => {
  const stream = new BitStream();
  const f = frame({ pages: 40, flags: WORDS, body: Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0) });
  const shifted = new Uint8Array(f.data.length + 1);
  shifted.set(f.data, 1);
  assert.equal(stream.accept({ ...f, data: shifted.subarray(1) }), true);
  assert.deepEqual(pagesOf(stream.bits), [1]);
});

test("differences change what was there, in order", () => {
  const stream = new BitStream();
  stream.accept(frame({ pages: 10, sequence: 4, body: [2, 3, 5] })); // 2 3 4
  assert.equal(stream.accept(frame({ pages: 10, sequence: 9, base: 4, flags: XOR, body: [4, 2, 4] })), true); // flips 4 5
  assert.deepEqual(pagesOf(stream.bits), [2, 3, 5]);
  assert.equal(stream.accept(frame({ pages: 10, sequence: 10, base: 9, flags: XOR, body: [10] })), true);
  assert.deepEqual(pagesOf(stream.bits), [2, 3, 5]);
});

test("a difference to a frame that never came is refused until a whole one comes", () => {
  const stream = new BitStream();
  stream.accept(frame({ pages: 10, sequence: 4, body: [2, 3, 5] }));
  assert.equal(stream.accept(frame({ pages: 10, sequence: 6, base: 5, flags: XOR, body: [10] })), false);
  assert.equal(stream.accept(frame({ pages: 10, sequence: 7, base: 6, flags: XOR, body: [10] })), false);
  assert.equal(stream.accept(frame({ pages: 10, sequence: 8, body: [9, 1] })), true);
  assert.deepEqual(pagesOf(stream.bits), [9]);
});

test("a difference of other pages is refused", () => {
  const stream = new BitStream();
  stream.accept(frame({ pages: 10, sequence: 4, body: [10] }));
  assert.equal(stream.accept(frame({ pages: 12, sequence: 5, base: 4, flags: XOR, body: [12] })), false);
});
