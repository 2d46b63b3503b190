// SPDX-License-Identifier: MIT
/** The address strip's scale. */
import assert from "node:assert/strict";
import test from "node:test";
import { GAP_HEIGHT, RANGE_MIN, stripScale } from "../../../web/static/memory/strip.js";

const range = (first, last, region = "r") => ({ first, last, region, owner: null, kind: "ram", offset: "0x0", readonly: false, ram: true });
const VIRT = [
  range("0x1000", "0xffff", "rom"), range("0x10000000", "0x10000007", "serial"),
  range("0x10000008", "0x1000000f", "next"), range("0x80000000", "0x9fffffff", "ram"),
];

test("gaps are marked wherever nothing is, and nowhere else", () => {
  const s = stripScale(VIRT);
  assert.deepEqual(s.pieces.map((p) => p.range?.region ?? "gap"), ["gap", "rom", "gap", "serial", "next", "gap", "ram", "gap"]);
  assert.equal(s.pieces[0].first, 0n);
  assert.equal(s.pieces.at(-1).last, (1n << 64n) - 1n);
  for (let i = 1; i < s.pieces.length; i++) {
    assert.equal(s.pieces[i].first, s.pieces[i - 1].last + 1n);
    assert.equal(s.pieces[i].y, s.pieces[i - 1].y + s.pieces[i - 1].height);
  }
});

test("a larger range is higher, but the smallest can still be read and the largest fits", () => {
  const s = stripScale(VIRT);
  const height = (name) => s.pieces.find((p) => p.range?.region === name).height;
  assert.equal(height("serial"), RANGE_MIN);
  assert.ok(height("rom") > height("serial"));
  assert.ok(height("ram") > height("rom") && height("ram") < 5 * RANGE_MIN);
  assert.ok(s.pieces.filter((p) => p.gap).every((p) => p.height === GAP_HEIGHT));
});

test("higher addresses are further down, and positions lead back to them", () => {
  const s = stripScale(VIRT);
  let before = -1;
  for (const addr of [0n, 0x1000n, 0x8000n, 0xffffn, 0x10000004n, 0x80000000n, 0x90000000n, 0x9fffffffn, 1n << 63n]) {
    const y = s.yOf(addr);
    assert.ok(y > before, addr.toString(16));
    before = y;
  }
  const middle = s.addrAt(s.yOf(0x90000000n), 4096n);
  assert.ok(middle >= 0x8fff0000n && middle <= 0x90000000n, middle.toString(16));
  assert.equal(middle % 4096n, 0n);
  assert.equal(s.pieceAt(0x10000003n).range.region, "serial");
  assert.equal(s.pieceAt(0x20000000n).gap, true);
});

test("positions outside are the nearest", () => {
  const s = stripScale(VIRT);
  assert.equal(s.addrAt(-5), 0n);
  assert.ok(s.addrAt(1e6) >= 0xa0000000n);
});

test("all of memory in one range, and none at all", () => {
  assert.deepEqual(stripScale([range("0x0", "0xffffffffffffffff")]).pieces.map((p) => p.gap), [false]);
  assert.deepEqual(stripScale([]).pieces.map((p) => p.gap), [true]);
});
