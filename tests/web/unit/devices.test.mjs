// SPDX-License-Identifier: MIT
// The workspace Devices without a browser: what its panels make of the server's answers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { localInterrupts, sortLines } from "../../../web/static/panels/dev-irq.js";
import { positions } from "../../../web/static/panels/dev-queues.js";
import { changedFields, rangeOf, summary } from "../../../web/static/panels/dev-registers.js";
import { bytesText, valueText } from "../../../web/static/panels/dev-state.js";
import { isEmptySlot } from "../../../web/static/panels/dev-tree.js";
import { bitsPerRow, fieldValue, pieces } from "../../../web/static/ui/bitstrip.js";
import { Devices } from "../../../web/static/workspaces/devices.js";

const device = (path, more = {}) => ({ path, class: path.replace(/@.*/, ""), description: "", id: null, bus: null, base: null, size: null, irq: null, registers: 1, queues: 0, children: [], ...more });
const field = (name, high, low, value = 0n) => ({ name, high, low, value });

/** An app whose focus a test holds. */
function appAt(dev) {
  return { focus: { get: () => ({ cpu: 0, dev }) } };
}

test("devices: without a choice one is shown that has something to show", () => {
  const devices = new Devices(appAt(undefined));
  devices.take({ board: "virt", description: "", devices: [device("test@0", { registers: 0 }), device("rtc@1", { irq: { controller: "plic", input: 11 } }), device("serial-mm@2")] });
  assert.equal(devices.current.path, "serial-mm@2");
  devices.take({ board: "virt", description: "", devices: [device("test@0"), device("rtc@1", { irq: { controller: "plic", input: 11 } })] });
  assert.equal(devices.current.path, "rtc@1");
});

test("devices: a device that is gone is not shown any more", () => {
  const devices = new Devices(appAt("disk0"));
  const seen = [];
  devices.on(() => seen.push(devices.shown));
  devices.take({ board: "virt", description: "", devices: [device("serial-mm@2"), device("virtio-mmio@1", { children: [device("disk0", { queues: 1 })] })] });
  devices.take({ board: "virt", description: "", devices: [device("serial-mm@2")] });
  assert.deepEqual(seen, ["disk0", "serial-mm@2"]);
});

test("devices: registers are the transport's where the device has none, queues the other way", () => {
  const devices = new Devices(appAt("disk0"));
  const disk = device("disk0", { registers: 0, queues: 1 });
  const transport = device("virtio-mmio@1", { children: [disk] });
  devices.take({ board: "virt", description: "", devices: [transport] });
  assert.equal(devices.withRegisters(disk), transport);
  assert.equal(devices.withQueues(transport), disk);
  assert.equal(devices.withQueues(device("rtc@1")), null);
});

test("devices: slots are empty only while nothing is plugged in", () => {
  const slot = device("virtio-mmio@1", { bus: "virtio-mmio-bus.0" });
  assert.ok(isEmptySlot(slot));
  assert.ok(!isEmptySlot({ ...slot, children: [device("disk0")] }));
  assert.ok(!isEmptySlot(device("rtc@1")));
});

test("registers: bits, words and what changed", () => {
  assert.deepEqual([rangeOf("7:6"), rangeOf("5")], [{ high: 7, low: 6 }, { high: 5, low: 5 }]);
  const r = (value) => ({ name: "LCR", fields: [{ name: "WORD", bits: "1:0", value: "0x3", words: "8 bits" }, { name: "BREAK", bits: "6", value, words: null }, { name: "N", bits: "5:2", value: "0x9", words: null }] });
  assert.equal(summary(r("0x0")), "WORD 8 bits · N 9");
  assert.equal(summary(r("0x1")), "WORD 8 bits · BREAK · N 9");
  assert.deepEqual([...changedFields(r("0x0"), r("0x1"))], ["BREAK"]);
  assert.deepEqual([...changedFields(undefined, r("0x1"))], [], "nothing was seen before");
});

test("state: bytes, lists and timers as text", () => {
  const t = (key, vars) => `${key} ${JSON.stringify(vars ?? {})}`;
  assert.equal(bytesText(Buffer.from([1, 255]).toString("base64")), "01 ff");
  assert.match(bytesText(Buffer.alloc(100).toString("base64")), /… \(100\)$/);
  assert.match(valueText({ name: "x", type: "u32", value: ["0x0", "0x5", "0x0"] }, t), /^\[3: .*"n":1.*\] 0x0 0x5 0x0$/);
  assert.match(valueText({ name: "t", type: "timer", value: null }, t), /timer\.off/);
  assert.match(valueText({ name: "t", type: "timer", value: "0x3e8" }, t), /1,000/);
});

test("virtqueue: indices wrap at 65536", () => {
  const q = { indices: { avail: "0x3", last_avail: "0xfffe", used: "0xfffc" } };
  assert.deepEqual(positions(q), { avail: 3, taken: 65534, used: 65532, waiting: 5, inFlight: 2 });
  assert.equal(positions({ indices: { avail: "0x8000", last_avail: "0x0", used: "0x0" } }).waiting, 32768, "the largest queue, full");
});

test("interrupts: lines that are used come first, then by number", () => {
  const line = (input, raised, enabled) => ({ input, raised, contexts: [{ enabled }] });
  const sorted = sortLines([line(1, "0x0", false), line(8, "0x0", true), line(10, "0x5", true), line(7, "0x5", true)]);
  assert.deepEqual(sorted.map((l) => l.input), [7, 10, 8, 1]);
});

test("interrupts: lanes of a hart are those that are in use and do not come by the PLIC", () => {
  const i = (number, more) => ({ number, pending: false, enabled: false, raised: "0x0", taken: "0x0", ...more });
  const hart = { interrupts: [i(1, { taken: "0x3" }), i(3), i(5, { enabled: true }), i(7, { pending: true }), i(9, { pending: true })] };
  assert.deepEqual(localInterrupts(hart).map((x) => x.number), [1, 5, 7]);
});

test("bit strip: each bit is drawn once, fields are cut at the ends of rows", () => {
  const r = { bits: 64, value: 0n, fields: [field("MODE", 63, 60), field("ASID", 59, 44), field("PPN", 43, 0)] };
  for (const perRow of [8, 16, 32, 64]) {
    const drawn = pieces(r, perRow).flat();
    assert.equal(drawn.reduce((sum, p) => sum + p.high - p.low + 1, 0), 64);
    assert.deepEqual(drawn.flatMap((p) => Array.from({ length: p.high - p.low + 1 }, (_, i) => p.high - i)), Array.from({ length: 64 }, (_, i) => 63 - i));
    for (const p of drawn) {
      assert.ok(p.high % perRow >= p.low % perRow, "no piece goes over the end of a row");
      const f = r.fields[p.field];
      assert.ok(f.high >= p.high && f.low <= p.low);
    }
  }
});

test("bit strip: what no field names is a gap", () => {
  const rows = pieces({ bits: 8, value: 0n, fields: [field("A", 7, 7), field("B", 3, 2)] }, 8);
  assert.deepEqual(rows, [[{ high: 7, low: 7, field: 0 }, { high: 6, low: 4, field: -1 }, { high: 3, low: 2, field: 1 }, { high: 1, low: 0, field: -1 }]]);
});

test("bit strip: rows fit the box", () => {
  assert.deepEqual([bitsPerRow(1200, 64), bitsPerRow(600, 64), bitsPerRow(300, 64), bitsPerRow(1200, 8)], [32, 16, 8, 8]);
  assert.deepEqual([fieldValue(field("A", 3, 0, 15n)), fieldValue(field("B", 4, 0, 15n))], ["15", "0xf"]);
});
