// SPDX-License-Identifier: MIT
/** Addresses as people write them. */
import assert from "node:assert/strict";
import test from "node:test";
import { AddressError, hexOf, looksDecimal, parseAddress, registersOf } from "../../../web/static/memory/address.js";

const REGS = new Map([["sp", 0xffffffff81c03de0n], ["pc", 0x80200000n], ["a0", 0xa4n], ["x2", 5n]]);

test("numbers: 0x, decimal, hexadecimal by its letters, groups", () => {
  for (const [text, value] of [
    ["0x80200000", 0x80200000n], ["0X10", 16n], ["100", 100n], ["8020a000", 0x8020a000n], ["ff", 255n],
    ["0xffffffff_81c03de0", 0xffffffff81c03de0n], ["ffffffff_81c03de0", 0xffffffff81c03de0n],
    ["0x8020 0000", 0x80200000n], [" 0x10 ", 16n], ["0xffffffffffffffff", (1n << 64n) - 1n],
  ]) {
    assert.equal(parseAddress(text, REGS), value, text);
  }
});

test("registers win over numbers of the same letters", () => {
  assert.equal(parseAddress("a0", REGS), 0xa4n);
  assert.equal(parseAddress("a0", new Map()), 0xa0n);
  assert.equal(parseAddress("SP", REGS), 0xffffffff81c03de0n);
});

test("sums, differences, products, parentheses, signs", () => {
  for (const [text, value] of [
    ["sp + 16", 0xffffffff81c03df0n], ["pc-4*2", 0x801ffff8n], ["(pc + 4) * 2", 0x100400008n],
    ["pc - -4", 0x80200004n], ["2 + 3 * 4 - 1", 13n], ["a0+a0", 0x148n], ["-1", (1n << 64n) - 1n],
    ["0xffffffffffffffff + 1", 0n],
  ]) {
    assert.equal(parseAddress(text, REGS), value, text);
  }
});

test("what is no address says what is wrong", () => {
  for (const [text, key] of [
    ["", "address.empty"], ["   ", "address.empty"], ["xyz", "address.unknown"], ["pc +", "address.unfinished"],
    ["(pc", "address.paren"], ["pc pc", "address.strange"], ["pc / 2", "address.strange"], ["*3", "address.strange"],
    ["pc)", "address.strange"], ["0x", "address.unknown"], ["0x8020 00", "address.strange"], ["1.5", "address.unknown"],
    ["(".repeat(100) + "1" + ")".repeat(100), "address.deep"], ["-".repeat(100) + "1", "address.deep"],
  ]) {
    assert.throws(() => parseAddress(text, REGS), (e) => e instanceof AddressError && e.key === key, `${text}: ${key}`);
  }
});

test("decimal digits that look like an address are pointed out", () => {
  assert.equal(looksDecimal("80200000"), true);
  assert.equal(looksDecimal("0x80200000"), false);
  assert.equal(looksDecimal("4096"), false);
});

test("registers come out of all groups of cpu.regs", () => {
  const map = registersOf({ cpu: 0, general: { sp: "0x10", ra: "0x20" }, csr: { satp: "0xa000000000000001" }, changed: ["sp"], pc: "0x1" });
  assert.deepEqual([map.get("sp"), map.get("satp"), map.size], [0x10n, 0xa000000000000001n, 3]);
  assert.equal(hexOf(-1n), "0xffffffffffffffff");
});
