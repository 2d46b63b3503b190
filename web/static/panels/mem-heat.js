// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Heat map: one cell a page (or several), coloured by what the guest does with it.
 *
 *   HeatFeed (looks, ten a second) --> HeatModel (pages) --> cells --> HeatPainter
 *                                                        '-> readout of the cell under pointer or cursor, table twin
 *
 * While the guest is stopped the picture stands still: a step then shows just the pages that it wrote.
 */
import { fitCanvas } from "../ui/canvas.js";
import { clear, h, on } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { CELL, HeatModel, ZOOM_MIN, cellSize, layout, pagesPerCell, zoomForAll } from "../memory/heat.js";
import { HeatPainter } from "../memory/heatdraw.js";
import { HeatFeed } from "../memory/heatfeed.js";
import { blockParts, offsetOf, physOf, treeRows } from "../memory/regions.js";

const LOOK_MS = 100;
const STATS_MS = 500;
const PAGE_BITS = 12n;
const TWIN_ROWS = 200;
const DRAG_FROM = 4; // pixels
const KEEP_MS = 250; // until a new place goes to the URL
/** @type {import("../memory/heat.js").Mode[]} */
const MODES = ["now", "rate", "code"];

/** @typedef {{index: number, name: string, pages: number, parts: import("../memory/regions.js").BlockPart[]}} Block */

class HeatPanel {
  /** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app */
  constructor(root, bus, app) {
    this.app = app;
    this.p = panel(app, bus, { id: "mem-heat", title: "memory.heat", help: "memory.heat.help" });
    this.mode = app.view("memory.heat", "now");
    this.zoom = app.view("memory.zoom", "all");
    this.at = app.view("memory.at", "0x0");
    this.model = new HeatModel(0);
    this.painter = new HeatPainter();
    /** @type {Block[]} */
    this.blocks = [];
    /** @type {Block | null} */
    this.block = null;
    /** @type {HeatFeed | null} */
    this.feed = null;
    this.first = 0; // page
    this.cursor = 0; // page
    /** @type {number | null} page under the pointer */
    this.hover = null;
    this.l = { ...layout(0, 1, 1, 0, 0), width: 1, height: 1 };
    this.count = new Uint32Array(0);
    this.level = new Uint8Array(0);
    this.stale = true;
    this.looksSeen = 0;
    this.keepTimer = 0;
    /** @type {(() => void)[]} */
    this.ends = [];
    this.modeButtons = MODES.map((mode) =>
      h("button", { type: "button", "data-mode": mode, title: app.t(`memory.heat.${mode}.help`), onclick: () => this.mode.set(mode) },
        app.t(`memory.heat.${mode}`)));
    this.zoomText = h("span", { class: "chip", ...explain(app, "memory.heat.zoom.help") });
    this.select = /** @type {HTMLSelectElement} */ (
      h("select", { "aria-label": app.t("memory.heat.block"), onchange: () => this.choose(Number(this.select.value)) }));
    this.pan = /** @type {HTMLInputElement} */ (
      h("input", { type: "range", min: "0", class: "heat-pan", "aria-label": app.t("memory.heat.pan"), oninput: () => this.goRow(Number(this.pan.value)) }));
    this.canvas = fitCanvas((ctx, width, height) => this.draw(ctx, width, height), {
      role: "application", tabindex: "0", class: "heat-canvas", "aria-label": app.t("memory.heat.canvas"), "aria-describedby": "heat-readout",
    });
    this.readout = h("div", { class: "heat-readout mono", id: "heat-readout" });
    this.stats = h("div", { class: "heat-stats dim" });
    this.legend = h("div", { class: "heat-legend" });
    this.build();
    root.append(this.p.root);
    this.listen();
    this.p.busy(this.begin());
  }

  /* --- parts ------------------------------------------------------------------------------- */

  build() {
    const { app, p } = this;
    const button = (/** @type {string} */ sign, /** @type {string} */ key, /** @type {() => void} */ onclick) =>
      h("button", { type: "button", title: app.t(key), "aria-label": app.t(key), onclick }, sign);
    p.body.append(
      h("div", { class: "toolbar" },
        h("div", { class: "segmented", role: "group", "aria-label": app.t("memory.heat.mode") }, this.modeButtons),
        button("−", "memory.heat.out", () => this.zoomBy(1)),
        this.zoomText,
        button("+", "memory.heat.in", () => this.zoomBy(-1)),
        h("button", { type: "button", class: "heat-all", onclick: () => this.zoom.set("all") }, app.t("memory.heat.all")),
        this.select,
        h("span", { class: "grow" }),
        this.legend),
      h("div", { class: "heat-box" }, this.canvas.root, this.pan),
      this.readout,
      this.stats,
    );
    p.setTwin(() => this.twin());
    p.setJson(() => this.json());
  }

  listen() {
    const { app } = this;
    const root = this.canvas.root;
    const repaint = () => this.show();
    const stats = setInterval(() => this.paintStats(), STATS_MS);
    this.ends.push(
      this.mode.on(repaint),
      this.zoom.on(repaint),
      this.at.on((v) => this.goPage(Number(v) || 0)),
      app.focus.on((_f, changed) => changed.has("phys") && this.followFocus()),
      on(root, "pointermove", (e) => this.pointed(e)),
      on(root, "pointerleave", () => ((this.hover = null), this.paintReadout())),
      on(root, "pointerdown", (e) => this.drag(e)),
      on(root, "wheel", (e) => this.wheel(e)),
      on(root, "keydown", (e) => this.key(e)),
      () => clearInterval(stats),
      () => this.canvas.dispose(),
    );
  }

  async begin() {
    const [blocks, tree, flat] = await Promise.all([
      this.p.bus.call("mem.blocks"), this.p.bus.call("mem.tree"), this.p.bus.call("mem.flatview"),
    ]);
    const parts = blockParts(treeRows(tree.tree), flat.ranges);
    this.blocks = blocks.blocks.map((/** @type {any} */ b, /** @type {number} */ index) => ({
      index, name: b.name, pages: Number(BigInt(b.size) >> PAGE_BITS), parts: parts.get(b.name) ?? [],
    }));
    const largest = this.blocks.reduce((a, b) => (b.pages > a.pages ? b : a));
    clear(this.select, this.blocks.map((b) =>
      h("option", { value: b.index, selected: b === largest }, `${b.name} (${fmt.bytes(b.pages * 4096)})`)));
    this.choose(largest.index);
  }

  /** Looks at another block of RAM. @param {number} index */
  choose(index) {
    this.feed?.stop();
    this.block = this.blocks[index];
    this.model = new HeatModel(this.block.pages);
    this.first = Number(this.at.get()) || 0;
    this.cursor = Math.min(this.first, this.block.pages - 1);
    this.feed = new HeatFeed(this.p.bus, this.app.bus, {
      block: index,
      ms: LOOK_MS,
      onlook: (bits, dt) => this.looked(bits, dt),
      oncode: (bits) => (this.model.code.words.set(bits.words), this.mode.get() === "code" && this.show()),
      onreset: () => (this.model.forget(), this.show()),
      ontrouble: (e) => this.p.fail(e),
    });
    this.feed.start();
    this.show();
    this.followFocus();
  }

  /** @param {import("../memory/bits.js").Bits} bits @param {number} dt */
  looked(bits, dt) {
    if (this.app.machine && !this.app.machine.running && bits.count() === 0) {
      return;
    }
    this.looksSeen++;
    this.model.look(bits, dt);
    this.show();
  }

  /* --- where what is ----------------------------------------------------------------------- */

  zoomLevel() {
    const all = zoomForAll(this.model.pages, this.l.width, this.l.height);
    const text = this.zoom.get();
    const wanted = text === "all" ? all : Number(text);
    return Number.isFinite(wanted) ? Math.min(Math.max(Math.round(wanted), ZOOM_MIN), all) : all;
  }

  /** Larger or smaller, around the cursor. @param {number} by */
  zoomBy(by) {
    const zoom = Math.max(this.zoomLevel() + by, ZOOM_MIN);
    const all = zoomForAll(this.model.pages, this.l.width, this.l.height);
    const rows = Math.floor(this.l.height / cellSize(zoom));
    const row = Math.floor(this.l.width / cellSize(zoom)) * pagesPerCell(zoom);
    this.first = Math.max(0, this.cursor - Math.floor(rows / 2) * row);
    this.zoom.set(zoom >= all ? "all" : String(zoom));
    this.keepPlace();
    this.show();
  }

  /** @param {number} row */
  goRow(row) {
    this.goPage(row * this.l.row);
    this.keepPlace();
  }

  /** @param {number} page first one to be shown */
  goPage(page) {
    this.first = page;
    this.show();
  }

  /** Writes the place to the URL, when it has come to rest. */
  keepPlace() {
    clearTimeout(this.keepTimer);
    this.keepTimer = window.setTimeout(() => this.at.set("0x" + this.l.first.toString(16)), KEEP_MS);
  }

  followFocus() {
    const { phys } = this.app.focus.get();
    const offset = phys && this.block ? offsetOf(this.block.parts, BigInt(phys)) : null;
    if (offset !== null) {
      this.moveCursor(Number(offset >> PAGE_BITS));
    }
  }

  /** @param {number} page */
  moveCursor(page) {
    this.cursor = Math.min(Math.max(page, 0), this.model.pages - 1);
    const { l } = this;
    if (l.row && (this.cursor < l.first || this.cursor >= l.first + l.rows * l.row)) {
      this.first = Math.max(0, this.cursor - Math.floor(l.rows / 2) * l.row);
      this.keepPlace();
    }
    this.show();
  }

  /** First page of the cell at a position; null: none. @param {PointerEvent} e */
  pageAt(e) {
    const box = this.canvas.root.getBoundingClientRect();
    const column = Math.floor((e.clientX - box.left) / this.l.size);
    const row = Math.floor((e.clientY - box.top) / this.l.size);
    const cell = row * this.l.columns + column;
    return column < 0 || column >= this.l.columns || row < 0 || cell >= this.l.cells ? null : this.l.first + cell * this.l.per;
  }

  /** @param {number} page */
  physOfPage(page) {
    return this.block ? physOf(this.block.parts, BigInt(page) << PAGE_BITS) : null;
  }

  /** Cell's first page. @param {number} page */
  cellPage(page) {
    return page - ((page - this.l.first) % this.l.per);
  }

  /* --- pointer, keys ------------------------------------------------------------------------ */

  /** @param {PointerEvent} e */
  pointed(e) {
    this.hover = this.pageAt(e);
    this.paintReadout();
  }

  /** A drag moves the map, a click chooses a page. @param {PointerEvent} e */
  drag(e) {
    if (e.button !== 0) {
      return;
    }
    const root = this.canvas.root;
    const from = { y: e.clientY, first: this.l.first };
    let moved = false;
    const move = on(root, "pointermove", (m) => {
      const by = m.clientY - from.y;
      if (!moved && Math.abs(by) < DRAG_FROM) {
        return;
      }
      moved = true;
      this.goPage(Math.max(0, from.first - Math.round(by / this.l.size) * this.l.row));
    });
    const up = on(window, "pointerup", (u) => {
      move();
      up();
      cancel();
      if (moved) {
        this.keepPlace();
      } else {
        this.pick(this.pageAt(u));
      }
    });
    const cancel = on(window, "pointercancel", () => (move(), up(), cancel()));
  }

  /** Focuses a cell's hottest page. @param {number | null} page */
  pick(page) {
    if (page === null) {
      return;
    }
    const { hottest } = this.model.describe(this.cellPage(page), this.l.per);
    const phys = this.physOfPage(hottest);
    this.cursor = hottest;
    if (phys !== null) {
      this.app.focus.set({ phys: "0x" + phys.toString(16) });
    }
    this.show();
  }

  /** @param {WheelEvent} e */
  wheel(e) {
    if (e.ctrlKey) {
      e.preventDefault();
      this.zoomBy(e.deltaY > 0 ? 1 : -1);
    } else if (document.activeElement === this.canvas.root && this.l.maxFirst > 0) {
      e.preventDefault();
      this.goRow(Math.max(0, this.l.first / this.l.row + (e.deltaY > 0 ? 3 : -3)));
    }
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    const { l } = this;
    const screen = l.rows * l.row;
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowLeft: () => this.moveCursor(this.cursor - l.per),
      ArrowRight: () => this.moveCursor(this.cursor + l.per),
      ArrowUp: () => this.moveCursor(this.cursor - l.row),
      ArrowDown: () => this.moveCursor(this.cursor + l.row),
      PageUp: () => this.moveCursor(this.cursor - screen),
      PageDown: () => this.moveCursor(this.cursor + screen),
      Home: () => this.moveCursor(0),
      End: () => this.moveCursor(this.model.pages - 1),
      Enter: () => this.pick(this.cursor),
      " ": () => this.pick(this.cursor),
      "+": () => this.zoomBy(-1),
      "=": () => this.zoomBy(-1),
      "-": () => this.zoomBy(1),
      0: () => this.zoom.set("all"),
    };
    if (keys[e.key] && !e.ctrlKey && !e.altKey && !e.metaKey) {
      e.preventDefault();
      this.hover = null;
      keys[e.key]();
    }
  }

  /* --- drawing ------------------------------------------------------------------------------ */

  show() {
    this.canvas.redraw();
  }

  /** @param {CanvasRenderingContext2D} ctx @param {number} width @param {number} height */
  draw(ctx, width, height) {
    if (width < CELL || !this.block) {
      return; /* the table is shown instead */
    }
    this.l.width = width;
    this.l.height = height;
    const l = { ...layout(this.model.pages, width, height, this.zoomLevel(), this.first), width, height };
    this.l = l;
    this.first = l.first;
    if (this.count.length !== l.cells) {
      this.count = new Uint32Array(l.cells);
      this.level = new Uint8Array(l.cells);
    }
    const mode = this.modeNow();
    this.model.cells(mode, l.first, l.per, this.count, this.level);
    this.painter.paint(ctx, l, this.level, mode);
    this.drawMarks(ctx);
    this.paintControls(mode);
    this.paintReadout();
  }

  modeNow() {
    return MODES.find((m) => m === this.mode.get()) ?? "now";
  }

  /** @param {CanvasRenderingContext2D} ctx */
  drawMarks(ctx) {
    const { phys } = this.app.focus.get();
    const offset = phys && this.block ? offsetOf(this.block.parts, BigInt(phys)) : null;
    const mark = (/** @type {number} */ page, /** @type {string} */ colour) => {
      const cell = Math.floor((page - this.l.first) / this.l.per);
      if (cell >= 0 && cell < this.l.cells) {
        this.painter.frame(ctx, this.l, cell, colour);
      }
    };
    if (offset !== null) {
      mark(Number(offset >> PAGE_BITS), "--text");
    }
    if (document.activeElement === this.canvas.root) {
      mark(this.cursor, "--accent");
    }
  }

  /** @param {import("../memory/heat.js").Mode} mode */
  paintControls(mode) {
    const { app, l } = this;
    for (const b of this.modeButtons) {
      b.setAttribute("aria-pressed", String(b.dataset.mode === mode));
    }
    setText(this.zoomText, l.per === 1 ? app.t("memory.heat.one") : app.t("memory.heat.per", { n: l.per, bytes: fmt.bytes(l.per * 4096) }));
    this.pan.hidden = l.maxFirst === 0;
    this.pan.max = String(l.maxFirst / l.row);
    if (document.activeElement !== this.pan) {
      this.pan.value = String(l.first / l.row);
    }
    this.pan.setAttribute("aria-valuetext", fmt.addr(this.physOfPage(l.first) ?? 0n));
    const key = `${mode}${l.per === 1 ? "" : "s"}`;
    if (this.legend.dataset.key !== key) {
      this.legend.dataset.key = key;
      const words = (/** @type {string} */ end) => app.t(`memory.heat.legend.${mode}.${end}`);
      clear(this.legend, h("span", null, words("low")), h("span", { class: `ramp ramp-${mode}`, role: "presentation" }), h("span", null, words("high")),
        l.per > 1 && h("span", { class: "dim" }, app.t(`memory.heat.legend.${mode}.many`)));
    }
  }

  /** What is known of the cell under the pointer, else of the cursor's. */
  paintReadout() {
    const { app, l } = this;
    if (!this.block) {
      return;
    }
    const page = this.cellPage(this.hover ?? this.cursor);
    const d = this.model.describe(page, l.per);
    const phys = this.physOfPage(page);
    const hz = 1000 / LOOK_MS;
    const vars = {
      addr: phys === null ? "—" : fmt.addr(phys), size: fmt.bytes(d.pages * 4096), pages: d.pages, now: d.now,
      code: d.code, rate: (d.share * hz).toFixed(1), block: this.block.name,
      hottest: fmt.addr(this.physOfPage(d.hottest) ?? 0n),
    };
    this.readout.dataset.phys = phys === null ? "" : "0x" + phys.toString(16);
    this.readout.dataset.now = String(d.now);
    this.readout.dataset.rate = vars.rate;
    setText(this.readout, app.t(d.pages === 1 ? "memory.heat.page" : "memory.heat.cell", vars));
  }

  paintStats() {
    const { app, model } = this;
    const looks = this.looksSeen / (STATS_MS / 1000);
    this.looksSeen = 0;
    setText(this.stats, app.t("memory.heat.stats", {
      now: fmt.exact(model.nowCount), active: fmt.exact(model.activeCount), ever: fmt.exact(model.everCount),
      bytes: fmt.bytes(model.everCount * 4096), code: fmt.exact(model.code.count()), looks,
    }));
  }

  /* --- twins -------------------------------------------------------------------------------- */

  rows() {
    return this.model.top(this.modeNow(), this.l.per, TWIN_ROWS);
  }

  twin() {
    const { app } = this;
    const hz = 1000 / LOOK_MS;
    return {
      columns: ["addr", "pages", "now", "rate", "code"].map((c) => app.t(`memory.heat.column.${c}`)),
      rows: this.rows().map((r) => [
        fmt.addr(this.physOfPage(r.first) ?? 0n), r.pages, r.now, Number((r.share * hz).toFixed(1)), r.code,
      ]),
    };
  }

  json() {
    return {
      block: this.block?.name, mode: this.modeNow(), pagesPerCell: this.l.per, looks: this.model.looks,
      rows: this.rows().map((r) => ({ phys: this.physOfPage(r.first), pages: r.pages, now: r.now, share: r.share, code: r.code })),
    };
  }

  dispose() {
    clearTimeout(this.keepTimer);
    this.feed?.stop();
    for (const end of this.ends) {
      end();
    }
    this.p.dispose();
  }
}

/** @param {HTMLElement} node @param {string} text */
function setText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const heat = new HeatPanel(root, bus, app);
  return () => heat.dispose();
}
