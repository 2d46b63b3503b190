// SPDX-License-Identifier: MIT
/**
 * The Translate workspace without a page: links between columns, steps of the passes, live ranges, the order of
 * the hot list, loading a block that died, the graph's keys.
 *
 * The block below was written by hand after the documents of the RISC-V and x86 instruction sets; its bytes are theirs.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { around, boxWidth, follow } from "../../../web/static/panels/tb-around.js";
import { placeOf } from "../../../web/static/panels/tb-buffer.js";
import { arrow, bitStrip, changesAt, columnLines, encoding, lanes, linked, linkModel, stepView } from "../../../web/static/panels/tb-links.js";
import { loadBlock, successorOf } from "../../../web/static/panels/tb-load.js";
import { addressRange, Ranking } from "../../../web/static/panels/tb-rank.js";
import { NetError, RpcError } from "../../../web/static/protocol.js";
import { strings } from "../../../web/static/strings/translate.js";

const op = (id, insn, name, text, more = {}) => ({ id, insn, op: name, text, ...more });
const MARKS = [op(0, 0, "insn", "---- 0x80000000"), op(2, 1, "insn", "---- 0x80000004"), op(5, 2, "insn", "---- 0x80000008")];

/* add a1,a1,a0; slli a0,a0,0 (does nothing); bne a1,a0: compare and branch become one piece of host code. */
function block() {
  const front = [MARKS[0], op(1, 0, "add", "add_i64 a1, a1, a0"), MARKS[1], op(3, 1, "shl", "shl_i64 %0, a0, $0"), op(4, 1, "mov", "mov_i64 a0, %0"), MARKS[2], op(6, 2, "setcond", "setcond ne %1, a1, a0"), op(9, 2, "mov", "mov_i64 %2, %1"), op(7, 2, "brcond", "brcond ne %1, $0, L0"), op(8, 2, "goto_tb", "goto_tb 0")];
  const optimized = [MARKS[0], front[1], MARKS[1], op(3, 1, "mov", "mov_i64 %0, a0", { changed: true, rule: "identity", reason: "x << 0 is x" }), op(4, 1, "mov", "mov_i64 a0, a0", { changed: true, removed: true, rule: "redundant_mov", reason: "holds it already" }), MARKS[2], front[6], op(9, 2, "mov", "mov_i64 %2, %1", { changed: true, removed: true, rule: "dead_code", reason: "never used" }), front[8], front[9]];
  const last = optimized.map((o) => (o.id === 3 ? op(3, 1, "mov", "mov_i64 %0, a0", { changed: true, removed: true, rule: "dead_code", reason: "never used" }) : o.id === 4 ? op(4, 1, "mov", "mov_i64 a0, a0", { removed: true }) : o));
  const host = (offset, bytes, text, at, more = {}) => ({ offset, bytes, text, op: at, insn: at === null ? null : front.find((o) => o.id === at).insn, kind: at === null ? "entry" : "main", ...more });
  return {
    block: { id: "0x9", pc: "0x80000000", alive: true },
    guest: [
      { insn: 0, pc: "0x80000000", bytes: "b385a500", text: "add\ta1,a1,a0", fields: [{ name: "opcode", hi: 6, lo: 0, bits: "0x33", value: "51", fixed: true }, { name: "rs2", hi: 24, lo: 20, bits: "0xa", value: "a0", fixed: false }] },
      { insn: 1, pc: "0x80000004", bytes: "13150500", text: "slli\ta0,a0,0", fields: [] },
      { insn: 2, pc: "0x80000008", bytes: "e39ca5fe", text: "bne\ta1,a0,0x80000000", fields: [] },
    ],
    stages: [{ name: "front end", ops: front }, { name: "optimize", ops: optimized }, { name: "share checks", ops: optimized.map((o) => ({ ...o, changed: undefined, rule: undefined })) }, { name: "liveness", ops: last }],
    steps: [
      { op: 3, text: "mov_i64 %0, a0", removed: false, rule: "identity", reason: "x << 0 is x" },
      { op: 4, text: "mov_i64 a0, a0", removed: false, rule: "copy_propagation", reason: "a copy" },
      { op: 4, text: "mov_i64 a0, a0", removed: true, rule: "redundant_mov", reason: "holds it already" },
    ],
    live: [
      { temp: "a0", from: 0, to: 8, from_entry: true, to_exit: true },
      { temp: "a1", from: 1, to: 8, from_entry: false, to_exit: true },
      { temp: "%1", from: 6, to: 7, from_entry: false, to_exit: false },
      { temp: "%9", from: 1, to: 4, from_entry: false, to_exit: false },
    ],
    registers: [],
    host: [host(0, "83bd74ffffff00", "cmp dword ptr [rbp - 0x8c], 0", null), host(7, "4c01ef", "add r13, r9", 1), host(10, "4d39cd", "cmp r13, r9", 6, { last_op: 7 }), host(13, "0f84", "je", 6, { last_op: 7 }), host(19, "e9", "jmp", 8)],
    exits: [],
    identical: true,
    masked: [],
  };
}

const all = (m) => ["guest", "ir", "opt", "host"].flatMap((c) => columnLines(m, c));

/* --- links --------------------------------------------------------------------------------------- */

test("translate: an instruction is linked to its ops and host lines, and they to it", () => {
  const m = linkModel(block());
  assert.deepEqual([...linked(m, "g0")].sort(), ["g0", "h1", "o1"]);
  assert.deepEqual([...linked(m, "o1")].sort(), ["g0", "h1", "o1"]);
  assert.deepEqual([...linked(m, "h1")].sort(), ["g0", "h1", "o1"]);
});

test("translate: links between columns go both ways, for every pair of lines", () => {
  const m = linkModel(block());
  const lines = [...new Set(all(m))];
  for (const a of lines) {
    for (const b of lines) {
      if (a[0] !== b[0]) {
        assert.equal(linked(m, a).has(b), linked(m, b).has(a), `${a} and ${b}`);
      }
    }
  }
});

test("translate: ops that became one piece of host code share its lines, but not one that was removed between them", () => {
  const m = linkModel(block());
  assert.deepEqual([...linked(m, "o6")].sort(), ["g2", "h2", "h3", "o6"]);
  assert.deepEqual([...linked(m, "o7")].sort(), ["g2", "h2", "h3", "o7"]);
  assert.deepEqual([...linked(m, "o9")].sort(), ["g2", "o9"]);
  assert.deepEqual([...linked(m, "h2")].sort(), ["g2", "h2", "h3", "o6", "o7"]);
});

test("translate: a removed op belongs to its instruction and to no host line", () => {
  const m = linkModel(block());
  assert.deepEqual([...linked(m, "o4")].sort(), ["g1", "o4"]);
  assert.deepEqual([...linked(m, "g1")].sort(), ["g1", "o3", "o4"]);
  assert.ok(columnLines(m, "opt").includes("o4"), "it stays in its column");
});

test("translate: the entry's host code belongs to no instruction; markers have no line", () => {
  const m = linkModel(block());
  assert.deepEqual([...linked(m, "h0")], ["h0"]);
  assert.deepEqual(columnLines(m, "opt"), ["o1", "o3", "o4", "o6", "o9", "o7", "o8"]);
});

test("translate: arrows go down a column and across to what belongs to the line", () => {
  const m = linkModel(block());
  assert.deepEqual(arrow(m, "guest", "g0", "ArrowRight"), { column: "ir", line: "o1" });
  assert.deepEqual(arrow(m, "ir", "o1", "ArrowRight"), { column: "opt", line: "o1" });
  assert.deepEqual(arrow(m, "opt", "o1", "ArrowRight"), { column: "host", line: "h1" });
  assert.deepEqual(arrow(m, "host", "h3", "ArrowLeft"), { column: "opt", line: "o6" });
  assert.deepEqual(arrow(m, "opt", "o4", "ArrowRight"), { column: "host", line: "h2" }, "nothing belongs to it: the next one");
  assert.equal(arrow(m, "host", "h1", "ArrowRight"), null);
  assert.deepEqual(arrow(m, "guest", "g2", "ArrowDown"), { column: "guest", line: "g2" });
  assert.deepEqual(arrow(m, "guest", "g2", "Home"), { column: "guest", line: "g0" });
});

/* --- steps --------------------------------------------------------------------------------------- */

test("translate: rule by rule the ops become what the passes left", () => {
  const m = linkModel(block());
  assert.deepEqual(m.rules.map((f) => [f.pass, f.op, f.rule]), [
    ["front end", null, ""],
    ["optimize", 3, "identity"],
    ["optimize", 4, "copy_propagation"],
    ["optimize", 4, "redundant_mov"],
    ["optimize", 9, "dead_code"],
    ["liveness", 3, "dead_code"],
  ]);
  assert.equal(m.rules[0].ops.get(3).text, "shl_i64 %0, a0, $0");
  assert.equal(m.rules[2].ops.get(4).removed, false);
  for (const o of block().stages.at(-1).ops.filter((x) => x.op !== "insn")) {
    assert.deepEqual([m.final.ops.get(o.id).text, m.final.ops.get(o.id).removed], [o.text, !!o.removed]);
  }
});

test("translate: pass by pass shows what each touched, and a pass that did nothing", () => {
  const m = linkModel(block());
  assert.deepEqual(m.passes.map((f) => [f.pass, [...f.touched]]), [["front end", []], ["optimize", [3, 4, 9]], ["share checks", []], ["liveness", [3]]]);
  assert.equal(m.passes[2].ops.get(3).removed, false);
  assert.equal(m.passes[3].ops.get(3).removed, true);
});

test("translate: a step tells before, after, rule and reason of what it changed, and of nothing else", () => {
  const m = linkModel(block());
  const first = changesAt(stepView(m, "r1"), 3);
  assert.deepEqual(first, [{ rule: "identity", reason: "x << 0 is x", before: "shl_i64 %0, a0, $0", after: "mov_i64 %0, a0", removed: false, pass: "optimize" }]);
  assert.deepEqual(changesAt(stepView(m, "r2"), 3), []);
  assert.deepEqual(changesAt(stepView(m, "r3"), 4).map((c) => c.rule), ["redundant_mov"]);
  assert.deepEqual(changesAt(stepView(m, "p1"), 4).map((c) => c.rule), ["copy_propagation", "redundant_mov"]);
  assert.deepEqual(changesAt(stepView(m, ""), 3).map((c) => c.rule), ["identity", "dead_code"]);
});

test("translate: a step out of a link is brought into range", () => {
  const m = linkModel(block());
  assert.equal(stepView(m, "p99").at, 3);
  assert.equal(stepView(m, "nonsense").all, true);
  assert.equal(stepView(m, "r").unit, "rule");
});

test("translate: what the server leaves out leaves an empty model", () => {
  const m = linkModel({ ...block(), stages: [{ name: "front end", ops: [] }], steps: [], host: [], live: [] });
  assert.deepEqual(columnLines(m, "opt"), []);
  assert.deepEqual([...linked(m, "g1")], ["g1"]);
});

/* --- live ranges, encoding ------------------------------------------------------------------------- */

test("translate: live ranges on one lane do not overlap; those that only pass through come last", () => {
  const ranges = lanes(linkModel(block()));
  for (const a of ranges) {
    for (const b of ranges) {
      assert.ok(a === b || a.lane !== b.lane || a.to < b.from || b.to < a.from, `${a.temp} and ${b.temp}`);
    }
  }
  assert.equal(ranges.at(-1).temp, "a0");
  const of = (t) => ranges.find((r) => r.temp === t);
  assert.deepEqual([of("%1").from, of("%1").to], [3, 5], "ops 6 and 7 are the fourth and sixth line");
  assert.equal(of("%9").lane, of("%1").lane, "a lane is used again");
});

test("translate: the bit strip reads the encoding of add a1,a1,a0", () => {
  /* RISC-V unprivileged manual, R-type: 0000000 | rs2 | rs1 | 000 | rd | 0110011 */
  assert.equal(encoding("b385a500"), 0x00a585b3n);
  const cells = bitStrip(block().guest[0]);
  assert.deepEqual(cells.map((c) => [c.name, c.digits]), [["rs2", "01010"], ["opcode", "0110011"]]);
});

/* --- the hot list ------------------------------------------------------------------------------------ */

const runs = (pairs) => pairs.map(([id, n]) => ({ id, runs: "0x" + n.toString(16) }));

test("translate: rows keep their place between two sortings and tell where they will go", () => {
  const r = new Ranking(3000);
  assert.deepEqual(r.take(runs([["a", 9], ["b", 5], ["c", 1]]), 0, false).map((x) => x.id), ["a", "b", "c"]);
  const held = r.take(runs([["c", 50], ["a", 10], ["b", 6]]), 1000, false);
  assert.deepEqual(held.map((x) => [x.id, x.climb]), [["a", -1], ["b", -1], ["c", 2]]);
  assert.equal(held[2].rate, 49);
  assert.deepEqual(r.take(runs([["c", 60], ["a", 10], ["b", 6]]), 3000, false).map((x) => x.id), ["c", "a", "b"]);
});

test("translate: while somebody reads no row moves, comes or goes", () => {
  const r = new Ranking(3000);
  r.take(runs([["a", 9], ["b", 5]]), 0, false);
  const read = r.take(runs([["x", 99], ["a", 9]]), 10000, true);
  assert.deepEqual(read.map((x) => [x.id, x.away]), [["a", false], ["b", true]]);
  assert.deepEqual(r.take(runs([["x", 99], ["a", 9]]), 10200, false).map((x) => x.id), ["x", "a"]);
});

test("translate: no counting, no rate; memory of blocks that are gone is given back", () => {
  const r = new Ranking(0);
  assert.equal(r.take([{ id: "a", runs: null }], 0, false)[0].rate, null);
  for (let i = 0; i < 500; i++) {
    r.take(runs([[`n${i}`, i]]), i * 100, false);
  }
  assert.equal(r.seen.size, 1);
  assert.equal(r.rows.length, 1);
});

test("translate: a filter of addresses is one, a range, nothing, or refused", () => {
  assert.deepEqual(addressRange("0x80000000"), { from: "0x80000000", to: "0x80000000" });
  assert.deepEqual(addressRange(" ffffffff_80001000 - ffffffff_80002000 "), { from: "0xffffffff80001000", to: "0xffffffff80002000" });
  assert.deepEqual(addressRange(""), {});
  assert.equal(addressRange("hello"), null);
  assert.equal(addressRange("1-2-3"), null);
});

/* --- loading ------------------------------------------------------------------------------------------ */

const notFound = () => new RpcError({ code: -32004, message: "not found", data: { class: "not-found", what: "no", try: "" } });

/** A bus that answers from a table of functions, and remembers what was asked. */
function fakeBus(answers) {
  const asked = [];
  return { asked, call: async (method, params) => (asked.push(method), answers[method](params)) };
}

const DEAD = { id: "0x5", pc: "0x1000", ram: "0x2000", flags: "0x1", death: "store", reason: "written" };
const HEIRS = [
  { id: "0x8", pc: "0x1000", ram: "0x9000", flags: "0x1", alive: true },
  { id: "0x7", pc: "0x1000", ram: "0x2000", flags: "0x3", alive: true },
  { id: "0x6", pc: "0x1000", ram: "0x2000", flags: "0x1", alive: true },
];

test("translate: a block that died is told, with the block that lives at its place in RAM", async () => {
  const bus = fakeBus({
    "tb.explain": () => Promise.reject(notFound()),
    "tb.get": () => ({ block: null, death: DEAD }),
    "tb.list": () => ({ blocks: HEIRS }),
  });
  const got = await loadBlock(bus, { block: "0x5" });
  assert.equal(got.kind, "gone");
  assert.equal(got.death, DEAD);
  assert.equal(got.successor.id, "0x6");
});

test("translate: another process's code at the same address is no successor", async () => {
  assert.equal(await successorOf(fakeBus({ "tb.list": () => ({ blocks: [HEIRS[0]] }) }), DEAD), null);
  assert.equal((await successorOf(fakeBus({ "tb.list": () => ({ blocks: [HEIRS[1]] }) }), DEAD)).id, "0x7");
});

test("translate: of a block that nothing is known of, the focused address tells who lives there", async () => {
  const bus = fakeBus({
    "tb.explain": () => Promise.reject(notFound()),
    "tb.get": (p) => (p.pc ? { block: HEIRS[2] } : Promise.reject(notFound())),
  });
  const got = await loadBlock(bus, { block: "0x999", addr: "0x1000" });
  assert.deepEqual([got.kind, got.death, got.successor.id], ["gone", null, "0x6"]);
});

test("translate: an address leads to its block, no address to the first, no blocks to a word", async () => {
  assert.deepEqual(await loadBlock(fakeBus({ "tb.get": () => ({ block: HEIRS[0] }) }), { addr: "0x1000" }), { kind: "found", id: "0x8" });
  assert.deepEqual(await loadBlock(fakeBus({ "tb.get": () => Promise.reject(notFound()) }), { addr: "0x1000" }), { kind: "none", why: "not-code" });
  assert.deepEqual(await loadBlock(fakeBus({ "tb.list": () => ({ blocks: HEIRS }) }), {}), { kind: "found", id: "0x8" });
  assert.deepEqual(await loadBlock(fakeBus({ "tb.list": () => ({ blocks: [] }) }), {}), { kind: "none", why: "no-blocks" });
});

test("translate: a lost connection is no missing block", async () => {
  const bus = fakeBus({ "tb.explain": () => Promise.reject(new NetError("lost")) });
  const got = await loadBlock(bus, { block: "0x5" });
  assert.equal(got.kind, "failed");
  assert.ok(got.error instanceof NetError);
});

/* --- the graph, the buffer --------------------------------------------------------------------------- */

const node = (id, host, n, alive = true) => ({ id, pc: `0x${id}000`, host_size: host, runs: "0x" + n.toString(16), alive, depth: 0 });
const GRAPH = {
  centre: "1",
  cut: false,
  nodes: [node("1", 100, 1000), node("2", 2000, 10), node("3", 50, 0, false)],
  edges: [
    { from: "1", to: "1", kind: "direct", slot: 0, pc: "0x1000" },
    { from: "1", to: null, kind: "direct", slot: 1, pc: "0x2000" },
    { from: "2", to: "3", kind: "direct", slot: 0, pc: "0x3000" },
    { from: "2", to: null, kind: "indirect", pc: null },
    { from: "2", to: "77", kind: "direct", slot: 1, pc: "0x9000" },
  ],
};

test("translate: the graph's boxes grow with host bytes, and heat with runs", () => {
  const a = around(GRAPH);
  assert.ok(a.boxes[1].width > a.boxes[0].width && a.boxes[0].width > a.boxes[2].width);
  assert.equal(a.boxes[0].heat, 1);
  assert.ok(a.boxes[1].heat > 0 && a.boxes[1].heat < 1);
  assert.deepEqual([a.boxes[2].heat, a.boxes[2].dead], [0, true]);
  assert.equal(boxWidth(1e9), boxWidth(1e6));
});

test("translate: lines are chains, ways to a block that is there, and the rest is counted", () => {
  const a = around(GRAPH);
  assert.deepEqual(a.lines.map((l) => [l.from, l.to, l.chained]), [["1", "1", true], ["1", "2", false], ["2", "3", true]]);
  assert.equal(a.open, 2);
});

test("translate: arrows follow the lines of the graph", () => {
  const a = around(GRAPH);
  assert.equal(follow(a, "1", "ArrowDown"), "2");
  assert.equal(follow(a, "2", "ArrowUp"), "1");
  assert.equal(follow(a, "3", "ArrowDown"), null);
});

test("translate: a block's place in the code buffer is a share of its region", () => {
  const regions = [{ offset: "0x0", size: "0x100" }, { offset: "0x100", size: "0x200" }];
  assert.deepEqual(placeOf(regions, { region: 1, host_offset: "0x180", host_size: 64 }), { region: 1, at: 0.25, width: 0.125 });
  assert.equal(placeOf(regions, null), null);
});

/* --- words ---------------------------------------------------------------------------------------------- */

test("translate: both languages have the same words, but for names and rules that English takes from the server", () => {
  const mine = Object.keys(strings.zh).filter((k) => !/^translate\.(rule|pass)\./.test(k));
  assert.deepEqual(mine.sort(), Object.keys(strings.en).sort());
  for (const [key, text] of Object.entries(strings.en)) {
    const names = (s) => [...s.matchAll(/\{(\w+)\}/g)].map((x) => x[1]).sort();
    assert.deepEqual(names(strings.zh[key]), names(text), key);
  }
});

test("translate: every rule of the optimizer has its Chinese words", () => {
  const table = readFileSync(new URL("../../../src/tcg/rules.def", import.meta.url), "utf8");
  const rules = [...table.matchAll(/^RULE\((\w+)/gm)].map((m) => m[1]);
  assert.ok(rules.length > 20);
  assert.deepEqual(rules.filter((r) => !strings.zh[`translate.rule.${r}`]), []);
});
