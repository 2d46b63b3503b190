// SPDX-License-Identifier: MIT
/** The model of the heat map: decay, cells, layout. */
import assert from "node:assert/strict";
import test from "node:test";
import { Bits } from "../../../web/static/memory/bits.js";
import { FADE_LOOKS, HeatModel, TAU, cellSize, layout, pagesPerCell, zoomForAll, ZOOM_MIN } from "../../../web/static/memory/heat.js";

function bitsOf(pages, set) {
  const bits = new Bits(pages);
  for (const p of set) {
    bits.flip(p, 1);
  }
  return bits;
}

function cells(model, mode, first, per, n) {
  const count = new Uint32Array(n);
  const level = new Uint8Array(n);
  model.cells(mode, first, per, count, level);
  return { count: [...count], level: [...level] };
}

test("a look shows its pages as written now", () => {
  const m = new HeatModel(64);
  m.look(bitsOf(64, [3, 4, 40]), 0.1);
  const { count } = cells(m, "now", 0, 1, 64);
  assert.deepEqual(count.flatMap((c, i) => (c ? [i] : [])), [3, 4, 40]);
  assert.equal(m.nowCount, 3);
});

test("a page glows after its look, ever less, and then not at all", () => {
  const m = new HeatModel(8);
  m.look(bitsOf(8, [2]), 0.1);
  const none = bitsOf(8, []);
  let before = cells(m, "now", 0, 1, 8).level[2];
  for (let i = 0; i < FADE_LOOKS; i++) {
    m.look(none, 0.1);
    const { count, level } = cells(m, "now", 0, 1, 8);
    assert.equal(count[2], 0);
    assert.ok(level[2] < before && level[2] > 0, `look ${i}: ${level[2]} after ${before}`);
    before = level[2];
  }
  m.look(none, 0.1);
  assert.equal(cells(m, "now", 0, 1, 8).level[2], 0);
});

test("the share of looks comes to what it is: always, every second one, never", () => {
  const m = new HeatModel(8);
  for (let i = 0; i < 200; i++) {
    m.look(bitsOf(8, i % 2 ? [1, 5] : [1]), 0.1);
  }
  assert.ok(Math.abs(m.share[1] - 1) < 0.001, String(m.share[1]));
  assert.ok(Math.abs(m.share[5] - 0.5) < 0.03, String(m.share[5]));
  assert.equal(m.share[0], 0);
});

test("a share falls to 1/e within TAU seconds", () => {
  const m = new HeatModel(4);
  for (let i = 0; i < 200; i++) {
    m.look(bitsOf(4, [0]), 0.1);
  }
  for (let i = 0; i < TAU * 10; i++) {
    m.look(bitsOf(4, []), 0.1);
  }
  assert.ok(Math.abs(m.share[0] - Math.exp(-1)) < 0.005, String(m.share[0]));
});

test("pages that cooled down leave the list of active ones, each once", () => {
  const m = new HeatModel(1000);
  for (let i = 0; i < 30; i++) {
    m.look(bitsOf(1000, [1, 2, 3]), 0.1);
  }
  assert.equal(m.activeCount, 3);
  for (let i = 0; i < 300; i++) {
    m.look(bitsOf(1000, [2]), 0.1);
  }
  assert.equal(m.activeCount, 1);
  assert.equal(m.everCount, 3);
});

test("cells of several pages count them, and the hottest page gives the level", () => {
  const m = new HeatModel(64);
  for (let i = 0; i < 100; i++) {
    m.look(bitsOf(64, i % 4 ? [17] : [16, 17, 18]), 0.1);
  }
  const now = cells(m, "now", 0, 16, 4);
  assert.deepEqual(now.count, [0, 1, 0, 0]);
  const rate = cells(m, "rate", 0, 16, 4);
  assert.deepEqual(rate.count, [0, 3, 0, 0]);
  assert.ok(rate.level[1] > 250, String(rate.level));
  const part = cells(m, "rate", 16, 1, 4);
  assert.deepEqual(part.count, [1, 1, 1, 0]);
  assert.ok(part.level[0] < part.level[1]);
});

test("cells of code count its bits", () => {
  const m = new HeatModel(64);
  m.code.flip(8, 8);
  assert.deepEqual(cells(m, "code", 0, 4, 16).count, [0, 0, 4, 4, ...new Array(12).fill(0)]);
});

test("the table's rows say what the cells say", () => {
  const m = new HeatModel(256);
  m.look(bitsOf(256, [10, 11, 200]), 0.1);
  const rows = m.top("now", 4, 10);
  assert.deepEqual(rows.map((r) => [r.first, r.count, r.now]), [[8, 2, 2], [200, 1, 1]]);
});

test("another run: nothing is left of the old", () => {
  const m = new HeatModel(8);
  m.look(bitsOf(8, [1]), 0.1);
  m.code.flip(2, 1);
  m.forget();
  assert.deepEqual(cells(m, "now", 0, 1, 8).level, new Array(8).fill(0));
  assert.deepEqual([m.code.count(), m.everCount, m.activeCount], [0, 0, 0]);
});

test("zoom: larger cells first, then several pages in a cell", () => {
  assert.deepEqual([ZOOM_MIN, cellSize(ZOOM_MIN), pagesPerCell(ZOOM_MIN)], [-3, 20, 1]);
  assert.deepEqual([cellSize(0), pagesPerCell(0), pagesPerCell(4)], [5, 1, 16]);
});

test("at the zoom for all, all pages are seen", () => {
  for (const pages of [16, 131072, 262144, 4194304]) {
    const zoom = zoomForAll(pages, 700, 300);
    const l = layout(pages, 700, 300, zoom, 0);
    assert.ok(l.cells * l.per >= pages && l.first === 0, `${pages} at ${zoom}`);
    assert.ok(zoom === 0 || layout(pages, 700, 300, zoom - 1, 0).maxFirst > 0 || zoom === 1, String(pages));
  }
});

test("when all cells fit they are as large as they can be", () => {
  for (const [pages, size] of [[100, 20], [2048, 10], [9600, 5], [100000, 5]]) {
    const l = layout(pages, 800, 300, 0, 0);
    assert.equal(l.size, size, String(pages));
    assert.ok(pages > 9600 || (l.cells === pages && l.maxFirst === 0));
  }
});

test("a layout begins at a row and does not go past the end", () => {
  const l = layout(1000, 50, 50, 0, 37);
  assert.deepEqual([l.columns, l.rows, l.first], [10, 10, 30]);
  assert.equal(layout(1000, 50, 50, 0, 99999).first, 900);
  assert.equal(layout(1000, 50, 50, 0, 99999).cells, 100);
});
