// SPDX-License-Identifier: MIT
/** The model of a walk. Bit positions: RISC-V privileged manual, 12.3 "Sv32" to 12.6 "Sv57". */
import assert from "node:assert/strict";
import test from "node:test";
import { bitsOf, entryAddress, isPointer, leafLevel, modeShape, pteFields, slicesOf, stepsOf } from "../../../web/static/memory/walkmodel.js";
import { strings } from "../../../web/static/strings/memory.js";

/* As mmu.walk answers for an address of a kernel under Sv57 with 2 MiB pages. */
const WALK = {
  addr: "0xffffffff80a6944c", mode: "Sv57", as: "S", ok: true, reason: "allowed", why: "", root: "0x82fd9000", phys: "0x80c6944c",
  levels: [
    { level: 4, index: 511, pte_addr: "0x82fd9ff8", pmp_entry: 2, verdict: "pointer", why: "", pte: "0x27ffec01" },
    { level: 3, index: 511, pte_addr: "0x9fffbff8", pmp_entry: 2, verdict: "pointer", why: "", pte: "0x27ffe801" },
    { level: 2, index: 510, pte_addr: "0x9fffaff0", pmp_entry: 2, verdict: "pointer", why: "", pte: "0x27ffe401" },
    { level: 1, index: 5, pte_addr: "0x9fff9028", pmp_entry: 2, verdict: "allowed", why: "", pte: "0x203000eb" },
  ],
};

test("modes have their shape", () => {
  assert.deepEqual(modeShape("Sv39"), { bits: 39, index: 9, levels: 3, pte: 8, xlen: 64 });
  assert.deepEqual(modeShape("Sv32"), { bits: 32, index: 10, levels: 2, pte: 4, xlen: 32 });
  assert.equal(modeShape("bare"), null);
});

test("the address is cut without gaps from the top bit to bit 0", () => {
  for (const [mode, leaf] of [["Sv32", 0], ["Sv39", 0], ["Sv39", 2], ["Sv48", 1], ["Sv57", 0], ["bare", 0]]) {
    const slices = slicesOf(mode, leaf);
    assert.equal(slices.at(-1).low, 0);
    assert.equal(slices[0].high, mode === "Sv32" ? 31 : 63);
    for (let i = 1; i < slices.length; i++) {
      assert.equal(slices[i].high, slices[i - 1].low - 1, `${mode} ${slices[i].name}`);
    }
  }
});

test("the slices of Sv39 are those of the manual", () => {
  assert.deepEqual(slicesOf("Sv39").map((s) => [s.name, s.high, s.low]), [
    ["sign", 63, 39], ["VPN[2]", 38, 30], ["VPN[1]", 29, 21], ["VPN[0]", 20, 12], ["offset", 11, 0],
  ]);
});

test("of a superpage the lower indices belong to the offset", () => {
  assert.deepEqual(slicesOf("Sv39", 1).map((s) => s.name), ["sign", "VPN[2]", "VPN[1]", "offset"]);
  assert.equal(slicesOf("Sv39", 1).at(-1).high, 20);
});

test("the indices of a real walk are the bits that are cut out", () => {
  const slices = slicesOf(WALK.mode, leafLevel(WALK));
  for (const level of WALK.levels) {
    const slice = slices.find((s) => s.level === level.level);
    assert.equal(bitsOf(BigInt(WALK.addr), slice.high, slice.low), BigInt(level.index));
  }
  const offset = slices.at(-1);
  assert.equal(bitsOf(BigInt(WALK.addr), offset.high, offset.low), BigInt(WALK.phys) & 0x1fffffn);
});

test("an entry's address is its table plus index times size", () => {
  assert.deepEqual(entryAddress(WALK, 0), { table: 0x82fd9000n, index: 511, size: 8n, offset: 0xff8n });
  const next = pteFields(BigInt(WALK.levels[0].pte), true).find((f) => f.name === "PPN").value;
  assert.equal(entryAddress(WALK, 1).table, next << 12n);
});

test("the fields of an entry cover each bit once", () => {
  for (const [wide, bits] of [[true, 64], [false, 32]]) {
    const pte = wide ? 0xe3c0_0000_2030_00ebn : 0x203000ebn;
    const fields = pteFields(pte, wide);
    let again = 0n;
    let next = bits - 1;
    for (const f of fields) {
      assert.equal(f.high, next, f.name);
      again |= f.value << BigInt(f.low);
      next = f.low - 1;
    }
    assert.equal(next, -1);
    assert.equal(again, pte);
  }
});

test("pointer and leaf are told apart", () => {
  assert.equal(isPointer(0x27ffec01n), true);
  assert.equal(isPointer(0x203000ebn), false);
  assert.equal(isPointer(0n), false);
  assert.equal(leafLevel(WALK), 1);
  assert.equal(leafLevel({ ...WALK, levels: [{ ...WALK.levels[0], pte: "0x0" }] }), 0);
});

test("the steps: satp, each level, then what comes of it", () => {
  assert.deepEqual(stepsOf(WALK).map((s) => s.kind), ["satp", "level", "level", "level", "level", "result"]);
  assert.deepEqual(stepsOf({ ...WALK, ok: false, reason: "not-canonical", levels: [] }).map((s) => s.kind), ["satp", "canonical", "fault"]);
});

test("every bit that can be shown has its sentence, in both languages", () => {
  const values = [0n, 1n, (1n << 64n) - 1n, 0x27ffec01n, 0x203000ebn, 1n << 61n | 1n, 1n << 62n | 0xfn, 0xc1n, 0x31n];
  for (const pte of values) {
    for (const f of [...pteFields(pte, true), ...pteFields(pte & 0xffffffffn, false)]) {
      for (const words of Object.values(strings)) {
        assert.ok(words[`memory.${f.key}`], f.key);
      }
    }
  }
});
