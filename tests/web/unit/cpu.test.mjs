// SPDX-License-Identifier: MIT
// The workspace CPU without a browser: steps and points over a fake bus, and what is made of values.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { arrows } from "../../../web/static/panels/cpu-code.js";
import { stopWords } from "../../../web/static/panels/cpu-control.js";
import { shownNames } from "../../../web/static/panels/cpu-csr.js";
import { formatRegister, roleOf } from "../../../web/static/panels/cpu-registers.js";
import { wordsOf } from "../../../web/static/panels/cpu-trap.js";
import { serverWords, strings } from "../../../web/static/strings/cpu.js";
import { latest } from "../../../web/static/ui/latest.js";
import { addressOf, Debugger } from "../../../web/static/workspaces/cpu.js";

const settle = () => new Promise((done) => setImmediate(done));

/** A bus that answers from a table, and an app around it; `asked` is what was called. */
function scene(answers = {}, role = "operator") {
  const asked = [];
  const streams = [];
  const told = [];
  const focus = { cpu: 0 };
  const bus = {
    call: async (method, params = {}) => {
      asked.push([method, params]);
      const answer = answers[method];
      const result = typeof answer === "function" ? answer(params) : answer ?? {};
      if (result instanceof Error) {
        throw result;
      }
      return result;
    },
    every: (ms, method, params, handler) => {
      const stream = { method, params, handler, ended: false };
      streams.push(stream);
      return () => (stream.ended = true);
    },
    subscribe: (events, _options, handler) => {
      streams.push({ method: events.join(" "), handler });
      return () => {};
    },
  };
  const app = { role, machine: { running: false, state: "debug", icount: false }, focus: { get: () => focus, set: (p) => Object.assign(focus, p) }, t: (key, vars) => `${key} ${JSON.stringify(vars ?? {})}`, toast: (text) => told.push(text), fail: (e) => told.push(e.message), refresh() {} };
  return { asked, streams, told, focus, bus, app, debug: new Debugger(bus, app) };
}
const NO_POINTS = { points: [], stop: null };

test("points: the gutter sets one and takes the same away", async () => {
  let points = [];
  const s = scene({
    "cpu.points": () => ({ points, stop: null }),
    "cpu.break_add": ({ addr }) => ((points = [{ point: 5, kind: "break", addr, len: 0, owner: "inspect" }]), { point: 5 }),
    "cpu.point_remove": () => ((points = []), { removed: 1 }),
  });
  await s.debug.toggleBreak("0x80000000");
  assert.equal(s.debug.breakAt("0x080000000").point, 5, "however the address is written");
  await s.debug.toggleBreak("0x80000000");
  assert.deepEqual(s.asked.filter(([m]) => m !== "cpu.points"), [["cpu.break_add", { addr: "0x80000000" }], ["cpu.point_remove", { point: 5 }]]);
  assert.equal(s.debug.breakAt("0x80000000"), undefined);
});

test("points: one of gdb's is left alone, and it is said", async () => {
  const s = scene({ "cpu.points": NO_POINTS });
  s.debug.take({ points: [{ point: 1, kind: "break", addr: "0x10", len: 0, owner: "gdb" }], stop: null });
  await s.debug.toggleBreak("0x10");
  assert.deepEqual(s.asked, []);
  assert.match(s.told[0], /foreign.*gdb/);
});

test("points: a refusal is shown and nothing is thrown", async () => {
  const s = scene({ "cpu.break_add": new Error("too many points") });
  assert.equal(await s.debug.change("cpu.break_add", { addr: "0x0" }), undefined);
  assert.deepEqual(s.told, ["too many points"]);
});

test("steps: of the chosen hart; where another stopped, that one is shown", async () => {
  const s = scene({ "cpu.step": { state: "debug", stop: { reason: "step", cpu: 2, pc: "0x4" } }, "cpu.points": NO_POINTS });
  s.focus.cpu = 1;
  await s.debug.step("insn");
  assert.deepEqual(s.asked[0], ["cpu.step", { cpu: 1, unit: "insn" }]);
  assert.equal(s.focus.cpu, 2);
  assert.equal(s.debug.reason.pc, "0x4");
});

test("steps: a stop is no reason any more once the machine was merely paused", () => {
  const s = scene();
  s.debug.stopped({ reason: "break", cpu: 0, pc: "0x4" });
  s.app.machine.state = "paused";
  assert.equal(s.debug.reason, null);
});

test("samples: one reader for all panels, and a hart's last values do not pass for another's", async () => {
  const s = scene({ "cpu.regs": ({ cpu }) => ({ cpu, changed: [], general: { pc: "0x9" } }) });
  const seen = [];
  s.debug.onSample(() => seen.push([s.debug.before?.general.pc, s.debug.regs.general.pc]));
  s.debug.sample(s.bus, () => {});
  const first = s.streams.at(-1);
  first.handler({ cpu: 0, changed: [], general: { pc: "0x1" } });
  first.handler({ cpu: 0, changed: [], general: { pc: "0x2" } });
  s.focus.cpu = 3;
  s.debug.sample(s.bus, () => {});
  assert.ok(first.ended);
  first.handler({ cpu: 0, changed: [], general: { pc: "0x3" } });
  assert.deepEqual(seen, [[undefined, "0x1"], ["0x1", "0x2"]]);
  await s.debug.sampleNow();
  assert.deepEqual(s.asked, [["cpu.regs", { cpu: 3, group: "all" }]]);
  assert.equal(s.debug.regs.general.pc, "0x9");
});

test("latest: one question at a time, and the last one counts", async () => {
  const open = [];
  const run = latest(() => new Promise((done) => open.push(done)));
  run();
  run();
  run();
  assert.equal(open.length, 1);
  open[0]();
  await settle();
  assert.equal(open.length, 2, "asked again once for all that came meanwhile");
  open[1]();
  await settle();
  assert.equal(open.length, 2);
});

test("addresses: as people write them", () => {
  assert.deepEqual(["0x80", "80", "FFFFFFFF_80001234", " 0X1f "].map(addressOf), ["0x80", "0x80", "0xffffffff80001234", "0x1f"]);
  assert.deepEqual(["", "0x", "xyz", "0x11112222333344445", "-1"].map(addressOf), [null, null, null, null, null]);
});

test("registers: formats", () => {
  assert.equal(formatRegister("0xffffffff80001234", "hex", 64), "ffffffff_80001234");
  assert.equal(formatRegister("0x80001234", "hex", 32), "80001234");
  assert.equal(formatRegister("0xffffffffffffffff", "dec", 64), "-1");
  assert.equal(formatRegister("0xffffffff", "dec", 32), "-1");
  assert.equal(formatRegister("0xffffffff", "dec", 64), "4294967295");
  assert.equal(formatRegister("0x5", "bin", 32).replaceAll(" ", "").length, 32);
  assert.equal(formatRegister("0x3ff8000000000000", "float", 64), "1.5 f64");
  assert.equal(formatRegister("0xffffffff3fc00000", "float", 64), "1.5 f32", "a boxed single");
});

test("registers: what the calling convention uses them for", () => {
  const roles = { zero: "zero", ra: "ra", sp: "sp", s11: "saved", fs0: "saved", a0: "result", fa1: "result", a7: "argument", t6: "temporary", ft11: "temporary", fcsr: "status" };
  for (const [name, role] of Object.entries(roles)) {
    assert.equal(roleOf(name), role, name);
    assert.ok(`cpu.role.${role}` in strings.en);
  }
});

test("CSRs: counters at 0 are left out unless they are searched for", () => {
  const values = { mstatus: "0x0", mhpmcounter3: "0x0", hpmcounter4: "0x7", pmpaddr1: "0x0", pmpcfg0: "0x1f" };
  assert.deepEqual(shownNames(values, ""), ["mstatus", "hpmcounter4", "pmpcfg0"]);
  assert.deepEqual(shownNames(values, " PMP"), ["pmpaddr1", "pmpcfg0"]);
});

test("code: an arrow for each jump within what is shown; those that meet have lanes of their own", () => {
  const insn = (addr, target = null) => ({ addr, bytes: "", text: "", legal: true, target });
  const shown = [insn("0x0", "0x6"), insn("0x2", "0x4"), insn("0x4"), insn("0x6", "0x100"), insn("0x8", "0xa"), insn("0xa")];
  const found = arrows(shown);
  assert.deepEqual(found.map((a) => [a.from, a.to]).sort(), [[0, 3], [1, 2], [4, 5]]);
  const lane = (from) => found.find((a) => a.from === from).lane;
  assert.notEqual(lane(0), lane(1));
  assert.equal(lane(4), lane(1), "far from each other: the same lane");
});

test("a stop in words has a sentence in both languages, whatever the reason", () => {
  const source = readFileSync(new URL("../../../src/cpu/debug.h", import.meta.url), "utf8");
  const reasons = [...source.matchAll(/^ +DEBUG_([A-Z]+),/gm)].map((m) => m[1].toLowerCase()).filter((r) => ["break", "watch", "step", "block", "trap", "count"].includes(r));
  assert.equal(reasons.length, 6);
  for (const reason of reasons) {
    for (const language of ["en", "zh"]) {
      assert.ok(strings[language][`cpu.stop.${reason}`], reason);
    }
  }
  const words = stopWords({ reason: "watch", cpu: 1, pc: "0x4", point: 3, insn_pc: "0x2", address: "0x80000000", size: 8, access: "write", old: "0x1", new: "0x2" }, (key, vars) => (vars ? (strings.en[key] ?? key).replace(/\{(\w+)\}/g, (_a, n) => vars[n]) : strings.en[key]));
  assert.equal(words, "Hart 1: the instruction at 00000002 made a write of 8 bytes at 80000000, which watch point 3 looks at: 0x1 became 0x2.");
});

test("traps: the server's words in English; in Chinese each cause that it knows has its own", () => {
  assert.equal(wordsOf("en", "cause.e13", "as the server says"), "as the server says");
  assert.equal(wordsOf("zh", "cause.e99", "as the server says"), "as the server says");
  assert.match(wordsOf("zh", "returns", "", { ret: "sret", pc: "0x4", mode: "U", ie: 1 }), /sret.*U.*0x4/);
  const header = readFileSync(new URL("../../../src/cpu/riscv/cpu.h", import.meta.url), "utf8");
  const causes = [...header.matchAll(/^ +CAUSE_[A-Z_]+ = (\d+),/gm)].map((m) => `cause.e${m[1]}`);
  const interrupts = [.../IRQ_SSI.*?\}/s.exec(header)[0].matchAll(/= (\d+)/g)].map((m) => `cause.i${m[1]}`);
  assert.equal(causes.length + interrupts.length, 20);
  assert.deepEqual([...causes, ...interrupts].filter((k) => !(k in serverWords)), []);
});
