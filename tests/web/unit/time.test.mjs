// SPDX-License-Identifier: MIT
// The time lanes without a browser: scale, rows, files in pieces, the search for a writer.
import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const PAGE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../web/static");
const load = (/** @type {string} */ file) => import(pathToFileURL(path.join(PAGE, file)).href);

const scale = await load("time/scale.js");
const lanes = await load("time/lanes.js");
const { TimeView } = await load("time/view.js");
const { findWrite, parseAddress } = await load("panels/time-writer.js");
const { strings } = await load("strings/time.js");

test("time: zooming keeps the value under the pointer where it is", () => {
  const w = { from: 1000, to: 2000 };
  for (const about of [1000, 1250, 2000]) {
    const z = scale.zoom(w, about, 0.5);
    assert.equal(z.to - z.from, 500);
    assert.equal(scale.toPixel(z, 800, about), scale.toPixel(w, 800, about));
  }
});

test("time: a window stays inside the run, and is never narrower than single instructions", () => {
  assert.deepEqual(scale.clamp({ from: -50, to: 50 }, 0, 1000), { from: 0, to: 100 });
  assert.deepEqual(scale.clamp({ from: 950, to: 1050 }, 0, 1000), { from: 900, to: 1000 });
  assert.deepEqual(scale.clamp({ from: -5000, to: 5000 }, 0, 1000), { from: 0, to: 1000 });
  const close = scale.clamp({ from: 500, to: 500.5 }, 0, 1000);
  assert.equal(close.to - close.from, scale.MIN_SPAN);
});

test("time: pixel and value are each other's reverse", () => {
  const w = { from: 2 ** 40, to: 2 ** 40 + 12345 };
  for (const x of [0, 17, 640]) {
    assert.ok(Math.abs(scale.toPixel(w, 640, scale.toValue(w, 640, x)) - x) < 1e-6);
  }
});

test("time: ticks are round, inside the window, and whole instructions", () => {
  for (const [from, to, most] of [[0, 2_100_000_000, 10], [1234, 1250, 20], [999_999, 1_000_010, 4]]) {
    const values = scale.ticks({ from, to }, most);
    assert.ok(values.length >= 1 && values.length <= 2.5 * most, `${values.length} ticks for ${most}`);
    assert.ok(values.every((v) => v >= from && v < to && Number.isInteger(v)));
  }
  assert.deepEqual(scale.ticks({ from: 0, to: 100 }, 5), [0, 20, 40, 60, 80]);
});

test("time: labels of neighbours differ", () => {
  for (const step of [1, 5, 20, 1000, 50_000, 2_000_000, 200_000_000]) {
    const values = [0, 1, 2, 3, 4].map((i) => 2_291_708_000 - (2_291_708_000 % step) + i * step);
    for (const label of [scale.countLabel, scale.nsLabel]) {
      assert.equal(new Set(values.map((v) => label(v, step))).size, values.length, `step ${step}: ${values.map((v) => label(v, step))}`);
    }
  }
});

test("time: moments are understood as people write them", () => {
  const now = 5_000_000;
  const cases = { "1,500,000": 1_500_000, "1.5M": 1_500_000, "0x1f": 31, "-1k": now - 1000, "+20": now + 20, "2G": 2e9, "-9G": 0, " 12_000 ": 12_000 };
  for (const [text, value] of Object.entries(cases)) {
    assert.equal(scale.parseCount(text, now), value, text);
  }
  for (const bad of ["", "abc", "1.5", "--3", "0xzz", "1e9", "99999999999999999999"]) {
    const got = scale.parseCount(bad, now);
    assert.ok(got === null || bad === "1.5", `${bad}: ${got}`);
  }
});

const event = (/** @type {object} */ e) => ({ seq: "0x1", count: "0x10", ns: "0x20", hart: 0, kind: "interrupt", title: "", args: {}, text: "", ...e });
const picture = (/** @type {object} */ p) => ({
  running: true, from: "0x0", to: "0x64", width: "0xa", bins: 10, lanes: [], slices: [], short_slices: 0, matches: "0x0", oldest: null, newest: null, now: { count: "0x64", ns: "0x64" }, lost: "0x0", ...p,
});

test("time: a row of a group sums harts and kinds, a row of a hart sums all kinds", () => {
  const p = picture({
    lanes: [
      { kind: "mmio_read", group: "mmio", hart: 0, total: 5, bins: [0, 2, 3, 3] },
      { kind: "mmio_write", group: "mmio", hart: 1, total: 4, bins: [3, 4] },
      { kind: "interrupt", group: "trap", hart: 1, total: 1, bins: [9, 1] },
      { kind: "irq_line", group: "irq", hart: null, total: 7, bins: [1, 7] },
    ],
  });
  const rows = lanes.rowsOf(p, 2);
  assert.deepEqual(rows.map((r) => r.id), ["hart0", "hart1", "interrupt", "mmio", "irq"]);
  const mmio = rows[3];
  assert.deepEqual([...mmio.bins], [[0, 2], [3, 7]]);
  assert.equal(mmio.total, 9);
  assert.equal(mmio.most, 7);
  assert.deepEqual([...rows[1].bins], [[3, 4], [9, 1]]);
  assert.equal(rows[0].total, 5);
  assert.deepEqual(lanes.rowsOf(p, 2, new Set(["mmio", "hart0"])).map((r) => r.id), ["hart1", "interrupt", "irq"]);
  assert.ok(lanes.rowsOf(picture({}), 1, new Set(), new Set(["dma"])).some((r) => r.id === "dma"), "a known row stays");
});

test("time: every kind of event has a row, and every text is there in both languages", () => {
  for (const group of lanes.GROUPS) {
    for (const language of ["en", "zh"]) {
      assert.ok(strings[language][`time.row.${group.id}`], group.id);
      group.kinds.forEach((kind) => assert.ok(strings[language][`time.kind.${kind}`], kind));
    }
  }
  assert.deepEqual(Object.keys(strings.en).sort(), Object.keys(strings.zh).sort());
});

test("time: one event among thousands is still seen", () => {
  assert.equal(lanes.barHeight(0, 1000), 0);
  assert.ok(lanes.barHeight(1, 100000) >= 0.1);
  assert.equal(lanes.barHeight(1000, 1000), 1);
  assert.ok(lanes.barHeight(10, 1000) < lanes.barHeight(100, 1000));
});

test("time: arrows go through the events of a row in the order of time, and stop at its ends", () => {
  const events = [event({ seq: "0x3", count: "0x30" }), event({ seq: "0x1", count: "0x10" }), event({ seq: "0x2", count: "0x10" })];
  const row = lanes.rowsOf(picture({ lanes: [{ kind: "interrupt", group: "trap", hart: 0, total: 3, bins: [] }], events }), 1)[1];
  const order = [];
  for (let e = lanes.neighbour(row, null, 1, "count"); e; e = lanes.neighbour(row, e.seq, 1, "count")) {
    order.push(e.seq);
  }
  assert.deepEqual(order, ["0x1", "0x2", "0x3"]);
  assert.equal(lanes.neighbour(row, "0x1", -1, "count"), null);
  assert.equal(lanes.nearest(row, "count", 0x2f, 4).seq, "0x3");
  assert.equal(lanes.nearest(row, "count", 0x20, 4), null);
});

test("time: bars are gone through by arrows", () => {
  const row = { bins: new Map([[7, 1], [2, 5], [4, 1]]) };
  assert.equal(lanes.neighbourBin(row, -1, 1), 2);
  assert.equal(lanes.neighbourBin(row, 2, 1), 4);
  assert.equal(lanes.neighbourBin(row, 7, 1), null);
  assert.equal(lanes.neighbourBin(row, 7, -1), 4);
});

test("time: the innermost handler is the one that is meant", () => {
  const slices = [
    { hart: 0, depth: 0, seq: "0x1", from: "0x10", to: "0x40", open: false, kind: "exception", title: "a" },
    { hart: 0, depth: 1, seq: "0x2", from: "0x20", to: "0x30", open: false, kind: "interrupt", title: "b" },
  ];
  const [row] = lanes.rowsOf(picture({ slices }), 1);
  assert.equal(lanes.sliceAt(row, 0x18).title, "a");
  assert.equal(lanes.sliceAt(row, 0x25).title, "b");
  assert.equal(lanes.sliceAt(row, 0x50), null);
});

test("time: an event leads where its numbers mean something", () => {
  const to = (/** @type {any} */ e) => Object.fromEntries(lanes.linksOf(event(e)).map((/** @type {any} */ l) => [l.name, l.to]));
  assert.deepEqual(to({ kind: "mmio_write", args: { address: "0x10000000", size: "0x1", value: "0x41", pc: "0x80000000" } }), { address: "phys", pc: "code" });
  assert.deepEqual(to({ kind: "tlb_fill", args: { address: "0x1000", phys: "0x80001000" } }), { address: "virt", phys: "phys" });
  assert.deepEqual(to({ kind: "exception", args: { cause: "0xf", pc: "0x10", tval: "0x3daa4808" } }), { pc: "code", tval: "virt" });
  assert.deepEqual(to({ kind: "exception", args: { cause: "0x8", pc: "0x10", tval: "0x0" } }), { pc: "code" });
  assert.deepEqual(to({ kind: "tb_born", args: { pc: "0x10", phys: "0x20" } }), { pc: "code" });
  assert.deepEqual(to({ kind: "timer_fired", args: { timer: "hart 0" } }), {});
  assert.deepEqual(to({ kind: "irq_line", args: { controller: "plic@c000000" } }), { controller: "dev" });
});

/** A server with a ring of which the first events are overwritten while it is read. */
function exporter(/** @type {number[]} */ lost) {
  let at = 100;
  const asked = [];
  return {
    asked,
    /** @param {any} params */
    async ask(params) {
      asked.push(params);
      const n = asked.length - 1;
      at += 10;
      return { text: `piece ${n};`, cursor: "0x" + at.toString(16), done: n === lost.length - 1, lost: "0x" + lost[n].toString(16) };
    },
  };
}

test("time: a file is put together from its pieces, and says what was lost meanwhile", async () => {
  const server = exporter([0, 25, 3]);
  const told = [];
  const file = await lanes.collect((p) => server.ask(p), "perfetto", (g) => told.push(g) > 0);
  assert.deepEqual(file.parts, ["piece 0;", "piece 1;", "piece 2;"]);
  assert.equal(file.lost, 28);
  assert.deepEqual(server.asked, [{ format: "perfetto" }, { format: "perfetto", cursor: "0x6e" }, { format: "perfetto", cursor: "0x78" }]);
  assert.deepEqual(told.map((g) => g.lost), [0, 25, 28]);
});

test("time: a file can be given up", async () => {
  const server = exporter([0, 0, 0, 0]);
  const file = await lanes.collect((p) => server.ask(p), "text", (g) => g.bytes < 16);
  assert.equal(file, null);
  assert.equal(server.asked.length, 2);
});

test("time: a writer is looked for further and further back, from where the last look ended", async () => {
  const asked = [];
  const ask = async (/** @type {any} */ p) => {
    asked.push(p);
    const limit = p.before ? Number(p.before) : 900_000_000;
    const from = Math.max(0, limit - Number(p.within));
    const at = 150_000_000;
    return from <= at && at < limit ? { found: true, from: "0x" + from.toString(16), count: "0x" + at.toString(16) } : { found: false, from: "0x" + from.toString(16) };
  };
  const looked = [];
  const { write } = await findWrite(ask, { addr: "0x10", len: 8 }, null, 0, (from) => looked.push(from) > 0);
  assert.equal(Number(write.count), 150_000_000);
  assert.deepEqual(asked.map((p) => p.before && Number(p.before)), [undefined, 800_000_000]);
  assert.deepEqual(looked, [800_000_000]);
  const none = await findWrite(async (p) => ({ found: false, from: p.before ? "0x0" : "0x5f5e100" }), { addr: "0x10", len: 8 }, null, 0, () => true);
  assert.deepEqual(none, { write: null, from: 0 });
  const stopped = await findWrite(async () => ({ found: false, from: "0x5f5e100" }), { addr: "0x10", len: 8 }, null, 0, () => false);
  assert.deepEqual(stopped, { write: null, from: 100_000_000 });
});

test("time: an address may be a register and an offset", () => {
  const regs = { sp: "0xffffffff81c03de0", s0: "0x10" };
  assert.equal(parseAddress("sp", regs), "0xffffffff81c03de0");
  assert.equal(parseAddress(" s0 - 24 ", regs), "0xfffffffffffffff8");
  assert.equal(parseAddress("0x80001000+0x10", regs), "0x80001010");
  assert.equal(parseAddress("ffffffff", regs), null);
  assert.equal(parseAddress("sp*2", regs), null);
});

/** An app of which only machine and view state matter. */
function fakeApp(icount = true) {
  const fields = new Map();
  return {
    machine: { icount, running: true },
    view: (/** @type {string} */ name, /** @type {string} */ initial) => ({
      get: () => fields.get(name) ?? initial,
      set: (/** @type {string} */ v) => void (v === initial ? fields.delete(name) : fields.set(name, v)),
      on: () => () => {},
    }),
    fields,
  };
}

test("time: what is shown is in the URL, and the server is asked for that", () => {
  const app = fakeApp();
  const view = new TimeView(app);
  assert.equal(view.mode(), "all");
  assert.deepEqual(view.filter(), { axis: "count" });
  view.setWindow({ from: 100, to: 356 });
  assert.deepEqual(Object.fromEntries(app.fields), { "time.from": "0x64", "time.to": "0x164" });
  assert.equal(view.mode(), "window");
  view.setSpan(4096);
  assert.deepEqual(Object.fromEntries(app.fields), { "time.span": "0x1000" });
  view.setAll();
  view.show("mmio", false);
  view.set("hart", "1");
  view.set("first", "nonsense");
  const filter = view.filter();
  assert.ok(!filter.kinds.includes("mmio_read") && filter.kinds.includes("interrupt"));
  assert.deepEqual([filter.harts, filter.first], [[1], undefined]);
  view.show("mmio", true);
  assert.equal(view.filter().kinds, undefined);
});

test("time: where instructions are not counted the axis is time", () => {
  assert.equal(new TimeView(fakeApp(false)).axis(), "ns");
});
