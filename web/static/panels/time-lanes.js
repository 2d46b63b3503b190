// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Lanes: what the hardware did, over the instructions of the run.
 *
 *   trace.window --> rows (time/lanes.js) --> canvas (time/draw.js) <-- hand (time/input.js)
 *                                               '--> the chosen event, in words, with its links
 *
 * Dragging the playhead along the ruler takes the machine to that moment.
 */
import { Drawing, gutter, rowAt, sceneHeight } from "../time/draw.js";
import { detail } from "../time/detail.js";
import { filterBar } from "../time/filter.js";
import { input } from "../time/input.js";
import { at, groupOf, nearest, neighbour, neighbourBin, rowsOf, sliceAt } from "../time/lanes.js";
import { clamp, hexOf, MIN_SPAN, num, pan, toValue, zoom } from "../time/scale.js";
import { travel } from "../time/travel.js";
import { TimeView } from "../time/view.js";
import { cssVar, fitCanvas } from "../ui/canvas.js";
import { h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";

/** @typedef {import("../time/scale.js").Window} Window */
/** @typedef {import("../time/lanes.js").TraceEvent} TraceEvent */

const REFRESH_MS = 400;
const HISTORY_MS = 1500;
const SNAPSHOTS_MS = 5000;
const ASK_AFTER_MS = 60; /* of the last movement */
const BAR_PIXELS = 4;
const REACH_PIXELS = 7; /* of a pointer */
const EVENTS_MOST = 300;
const ZOOM_KEY = 0.6;
const NEAR_END = 0.05; /* of the window */

/** The recording that one begins with: what the hardware does, not the translator. */
export const HARDWARE = ["trap", "wait", "mmio", "irq", "timer", "dma", "machine"];

class Lanes {
  /** @param {import("../app.js").App} app @param {import("../time/travel.js").Panel} p */
  constructor(app, p) {
    this.app = app;
    this.p = p;
    this.view = new TimeView(app);
    /** @type {import("../time/lanes.js").Picture | null} */
    this.picture = null;
    /** @type {import("../time/lanes.js").Row[]} */
    this.rows = [];
    /** @type {import("../time/travel.js").HistoryStatus | null} */
    this.history = null;
    /** @type {{name: string, count: string, virtual_ns: string}[]} */
    this.snapshots = [];
    /** @type {Window | null} while a hand moves it: before the URL has it */
    this.moving = null;
    /** @type {number | null} */
    this.scrub = null;
    this.row = 0;
    /** @type {number | null} */
    this.bin = null;
    this.wasRunning = app.machine?.running ?? false;
    this.asked = "";
    this.recalled = "";
    this.follow = false;
    /** @type {TraceEvent | null} the chosen one, as last seen */
    this.event = null;
    this.timer = 0;
    /** @type {HTMLSelectElement | null} */
    this.axisSelect = null;
    this.end = () => {};
    this.canvas = fitCanvas((c, w, hh) => this.draw(c, w, hh), {
      class: "time-canvas",
      tabindex: "0",
      role: "application",
      "aria-label": app.t("time.lanes.canvas"),
      "aria-roledescription": app.t("time.lanes.role"),
    });
    this.tip = h("div", { class: "time-tip", hidden: true });
    this.none = h("div", { class: "time-none", hidden: true });
    this.facts = h("span", { class: "dim time-facts" });
    this.detail = detail(app, p, () => this.choose(null));
    this.filter = filterBar(app, this.view);
    p.tools.append(...this.tools());
    p.body.append(
      this.filter.root,
      h("div", { class: "time-stage" }, this.canvas.root, this.tip, this.none),
      h("div", { class: "toolbar" }, this.facts),
      this.detail.root,
    );
  }

  /* --- the window ------------------------------------------------------------------------ */

  now() {
    const m = this.app.machine;
    return m ? num(this.view.axis() === "ns" ? m.time_ns : m.count) : 0;
  }

  /** How far the run is known. */
  most() {
    const axis = this.view.axis();
    const newest = this.picture?.newest ? num(this.picture.newest[axis]) : 0;
    const seen = axis === "count" && this.history ? num(this.history.seen) : 0;
    return Math.max(this.now(), newest, seen, 1) + 1;
  }

  /** @returns {Window} */
  window() {
    if (this.moving) {
      return this.moving;
    }
    const mode = this.view.mode();
    if (mode === "window") {
      return this.view.window();
    }
    const to = this.most();
    return { from: mode === "span" ? Math.max(0, to - num(this.view.get("span"))) : 0, to };
  }

  /** @param {Window} w @param {boolean} [follow] the newest goes on being its right end */
  setWindow(w, follow = false) {
    this.follow = follow;
    this.moving = clamp(w, 0, this.most());
    this.canvas.redraw();
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.settle(), ASK_AFTER_MS);
  }

  /** The right end is now, and moves on. */
  follows() {
    return this.app.machine?.running && (this.moving ? this.follow : this.view.mode() !== "window");
  }

  /** Zooms about a value. At the right end of a run that goes on that end stays. @param {number} about @param {number} factor */
  zoomBy(about, factor) {
    const w = this.window();
    if (this.follows() && about >= w.to - NEAR_END * (w.to - w.from)) {
      const most = this.most();
      this.setWindow({ from: most - Math.max(MIN_SPAN, (w.to - w.from) * factor), to: most }, true);
    } else {
      this.setWindow(zoom(w, about, factor));
    }
  }

  /** The hand has come to rest: into the URL, which has the server asked. */
  settle() {
    const w = this.moving;
    this.moving = null;
    if (!w) {
      return;
    }
    const atEnd = this.follow || w.to >= this.most() - 1;
    if (w.from <= 0 && atEnd) {
      this.view.setAll();
    } else if (atEnd && this.app.machine?.running) {
      this.view.setSpan(w.to - w.from);
    } else {
      this.view.setWindow(w);
    }
    this.ask();
  }

  width() {
    const box = this.canvas.root.getBoundingClientRect();
    return Math.max(50, box.width - gutter(box.width));
  }

  /** @param {number} x in the canvas */
  value(x) {
    const box = this.canvas.root.getBoundingClientRect();
    return toValue(this.window(), this.width(), x - gutter(box.width));
  }

  /* --- what the server knows ---------------------------------------------------------------- */

  /** Has the window asked for, again and again. */
  ask() {
    const mode = this.view.mode();
    const running = this.app.machine?.running;
    const w = this.window();
    const params = {
      ...this.view.filter(),
      bins: Math.min(1000, Math.max(20, Math.round(this.width() / BAR_PIXELS))),
      limit: EVENTS_MOST,
      ...(mode === "window" || !running ? { from: hexOf(w.from), to: hexOf(w.to) } : mode === "span" ? { span: this.view.get("span") } : {}),
    };
    const text = JSON.stringify(params);
    if (text === this.asked) {
      return;
    }
    this.asked = text;
    this.end();
    this.end = this.p.bus.every(
      REFRESH_MS,
      "trace.window",
      params,
      (picture) => this.show(picture),
      (e) => this.p.fail(e),
    );
  }

  /** @param {import("../time/lanes.js").Picture} picture */
  show(picture) {
    this.picture = picture;
    this.p.fail(null);
    this.makeRows();
    const chosen = this.chosen();
    if (chosen) {
      this.event = chosen;
      this.detail.show(chosen);
    } else {
      this.recall();
    }
    const lost = num(picture.lost);
    this.facts.textContent = this.app.t(lost ? "time.facts.lost" : "time.facts", {
      matches: fmt.exact(picture.matches),
      lost: fmt.exact(lost),
      width: this.view.axis() === "ns" ? fmt.ns(picture.width) : fmt.exact(picture.width),
      state: this.app.t(picture.running ? "time.recording" : "time.not_recording"),
    });
    this.facts.classList.toggle("warn", lost > 0);
    this.showNone();
  }

  makeRows() {
    if (this.picture) {
      this.filter.learn(this.picture.lanes.map((l) => l.kind));
      this.rows = rowsOf(this.picture, this.app.machine?.cpus ?? 1, this.view.hidden(), this.filter.known);
      this.row = Math.min(this.row, Math.max(0, this.rows.length - 1));
    }
    this.canvas.root.style.height = `${sceneHeight(this.rows)}px`;
    this.canvas.redraw();
  }

  /** Nothing was recorded: what to do about it. */
  showNone() {
    const none = !this.picture?.oldest;
    if (!none || this.none.hidden !== none) {
      this.none.hidden = !none;
      return;
    }
    const { app } = this;
    const operator = app.role === "operator";
    const recording = this.picture?.running;
    this.none.replaceChildren(
      h("p", null, app.t(recording ? "time.none.yet" : operator ? "time.none" : "time.none.viewer")),
      operator && !recording
        ? h("button", { class: "primary", type: "button", onclick: () => this.record() }, app.t("time.none.start"))
        : "",
    );
    this.none.hidden = false;
  }

  async record() {
    this.view.showNew();
    await this.p.busy(this.p.bus.call("trace.start", { kinds: HARDWARE }));
  }

  /* --- choosing -------------------------------------------------------------------------------- */

  /** @returns {TraceEvent | null} */
  chosen() {
    const seq = this.view.get("sel");
    return (seq && this.picture?.events?.find((e) => e.seq === seq)) || null;
  }

  /** @param {TraceEvent | null} event */
  choose(event) {
    this.bin = null;
    this.event = event;
    this.recalled = event?.seq ?? "";
    this.view.set("sel", this.recalled);
    this.detail.show(event);
    this.canvas.redraw();
  }

  /** The URL names an event that is not drawn as one now: it is asked for, once. */
  async recall() {
    const seq = this.view.get("sel");
    if (!/^0x[0-9a-f]{1,16}$/.test(seq) || seq === this.recalled) {
      return;
    }
    this.recalled = seq;
    const r = await this.p.bus.call("trace.read", { cursor: seq, limit: 1 }).catch(() => null);
    const event = r?.events[0];
    if (event?.seq === seq && seq === this.view.get("sel")) {
      this.event = event;
      this.detail.show(event);
    }
  }

  /** A slice is chosen by the event it began with. @param {import("../time/lanes.js").Slice} slice */
  async chooseSlice(slice) {
    const known = this.picture?.events?.find((e) => e.seq === slice.seq);
    if (known) {
      this.choose(known);
      return;
    }
    const r = await this.p.busy(this.p.bus.call("trace.read", { cursor: slice.seq, limit: 1 }));
    const event = r?.events[0];
    if (event?.seq === slice.seq) {
      this.choose(event);
    }
  }

  /** @param {number} x @param {number} y */
  chooseAt(x, y) {
    this.canvas.root.focus();
    const i = rowAt(this.rows, y);
    const row = this.rows[i];
    if (!row) {
      return;
    }
    this.row = i;
    const value = this.value(x);
    const event = nearest(row, this.view.axis(), value, (REACH_PIXELS / this.width()) * (this.window().to - this.window().from));
    const slice = sliceAt(row, value);
    if (row.hart !== undefined && slice) {
      this.chooseSlice(slice);
    } else if (event) {
      this.choose(event);
    } else if (!this.picture?.events && row.bins.has(this.binAt(value))) {
      this.setWindow(this.binWindow(this.binAt(value), 1));
    } else {
      this.choose(null);
    }
  }

  /** @param {number} value */
  binAt(value) {
    const p = this.picture;
    return p ? Math.floor((value - num(p.from)) / num(p.width)) : 0;
  }

  /** @param {number} bin @param {number} margin in bins @returns {Window} */
  binWindow(bin, margin) {
    const width = num(this.picture?.width ?? 1);
    const from = num(this.picture?.from ?? 0) + bin * width;
    return { from: from - margin * width, to: from + (1 + margin) * width };
  }

  /** @param {number} x @param {number} y */
  hover(x, y) {
    const row = this.rows[rowAt(this.rows, y)];
    const words = row ? this.wordsAt(row, this.value(x)) : this.rulerWords(x, y);
    this.tip.hidden = !words;
    this.tip.textContent = words;
    this.canvas.root.style.cursor = row ? (words ? "pointer" : "grab") : y < 40 ? "ew-resize" : "default";
    if (words) {
      const box = this.canvas.root.getBoundingClientRect();
      this.tip.style.left = `${Math.min(x + 12, Math.max(0, box.width - this.tip.offsetWidth - 4))}px`;
      this.tip.style.top = `${y + 16}px`;
    }
  }

  /** @param {number} x @param {number} y */
  rulerWords(x, y) {
    const value = this.value(x);
    if (y > 40 || value < this.window().from) {
      return "";
    }
    const reach = (8 / this.width()) * (this.window().to - this.window().from);
    const snapshot = this.snapshotMarks().find((s) => Math.abs(s.at - value) < reach);
    return snapshot ? this.app.t("time.mark.snapshot", { name: snapshot.name, at: this.label(snapshot.at) }) : this.label(value);
  }

  /** @param {number} value */
  label(value) {
    return this.view.axis() === "ns" ? fmt.ns(value) : this.app.t("time.count", { count: fmt.exact(Math.max(0, Math.round(value))) });
  }

  /** @param {import("../time/lanes.js").Row} row @param {number} value */
  wordsAt(row, value) {
    const w = this.window();
    const event = nearest(row, this.view.axis(), value, (REACH_PIXELS / this.width()) * (w.to - w.from));
    const slice = sliceAt(row, value);
    if (row.hart !== undefined && slice) {
      const span = num(slice.to) - num(slice.from);
      return this.app.t(slice.open ? "time.slice.open" : "time.slice", {
        title: slice.kind === "wfi" ? this.app.t("time.sleep") : slice.title,
        span: this.view.axis() === "ns" ? fmt.ns(span) : fmt.exact(span),
      });
    }
    if (event) {
      return `${this.label(at(event, this.view.axis()))}: ${event.text}`;
    }
    const n = this.picture?.events ? 0 : (row.bins.get(this.binAt(value)) ?? 0);
    const from = this.picture?.whole_from;
    const missing = !n && (!from || value < num(from[this.view.axis()]));
    return n ? this.binWords(row, this.binAt(value), n) : missing ? this.app.t("time.missing") : "";
  }

  /** @param {import("../time/lanes.js").Row} row @param {number} bin @param {number} n */
  binWords(row, bin, n) {
    const { from, to } = this.binWindow(bin, 0);
    return this.app.t("time.bin", { n: fmt.exact(n), row: this.title(row), from: this.label(from), to: this.label(to) });
  }

  /** What stays in its place while one zooms: the chosen event or bar, else the playhead, else the middle. */
  anchor() {
    const w = this.window();
    const values = [this.event && at(this.event, this.view.axis()), this.bin !== null && this.binWindow(this.bin, 0).from, this.follows() ? w.to : this.now()];
    const inside = values.find((v) => typeof v === "number" && v >= w.from && v <= w.to);
    return typeof inside === "number" ? inside : (w.from + w.to) / 2;
  }

  /* --- keys ------------------------------------------------------------------------------------ */

  /** @param {string} name @param {boolean} shift @returns {boolean} it was ours */
  key(name, shift) {
    const w = this.window();
    const about = this.anchor();
    /** @type {Record<string, () => void>} */
    const keys = {
      "+": () => this.zoomBy(about, ZOOM_KEY),
      "=": () => this.zoomBy(about, ZOOM_KEY),
      "-": () => this.zoomBy(about, 1 / ZOOM_KEY),
      0: () => this.setWindow({ from: 0, to: this.most() }),
      Home: () => this.setWindow({ from: 0, to: w.to - w.from }),
      End: () => this.setWindow({ from: this.most() - (w.to - w.from), to: this.most() }),
      ArrowUp: () => this.selectRow(-1),
      ArrowDown: () => this.selectRow(1),
      ArrowLeft: () => (shift ? this.setWindow(pan(w, -0.2)) : this.step(-1)),
      ArrowRight: () => (shift ? this.setWindow(pan(w, 0.2)) : this.step(1)),
      Escape: () => this.choose(null),
      Enter: () => this.bin !== null && (this.setWindow(this.binWindow(this.bin, 1)), (this.bin = null)),
    };
    keys[name]?.();
    return name in keys;
  }

  /** @param {number} by */
  selectRow(by) {
    this.row = Math.max(0, Math.min(this.rows.length - 1, this.row + by));
    const row = this.rows[this.row];
    this.canvas.redraw();
    row && this.detail.say(this.app.t("time.row", { row: this.title(row), n: fmt.exact(row.total) }));
  }

  /** The next event of the row, or its next bar. @param {1 | -1} by */
  step(by) {
    const row = this.rows[this.row];
    if (!row || !this.picture) {
      return;
    }
    if (this.picture.events) {
      const event = neighbour(row, this.view.get("sel") || null, by, this.view.axis());
      event && this.choose(event);
      return;
    }
    const next = neighbourBin(row, this.bin ?? (by > 0 ? -1 : this.picture.bins), by);
    if (next !== null) {
      this.bin = next;
      this.detail.say(this.binWords(row, next, row.bins.get(next) ?? 0) + " " + this.app.t("time.bin.enter"));
      this.canvas.redraw();
    }
  }

  /* --- scrubbing -------------------------------------------------------------------------------- */

  /** @param {number} x NaN: given up @param {boolean} done */
  async dragPlayhead(x, done) {
    const { app } = this;
    const can = app.role === "operator" && this.history && this.view.axis() === "count";
    if (!can || Number.isNaN(x)) {
      this.scrub = null;
      this.canvas.redraw();
      done && !Number.isNaN(x) && app.toast(app.t(app.role !== "operator" ? "time.scrub.viewer" : this.history ? "time.scrub.axis" : "time.scrub.none"));
      return;
    }
    const most = Math.max(num(this.history?.seen ?? 0), this.now());
    const target = Math.round(Math.min(most, Math.max(num(this.history?.first ?? 0), this.value(x))));
    this.scrub = target;
    this.detail.say(this.label(target));
    this.canvas.redraw();
    if (done) {
      await this.p.busy(travel(app, this.p.bus, "history.go", { count: hexOf(target) }));
      this.scrub = null;
      this.canvas.redraw();
    }
  }

  /* --- drawing ----------------------------------------------------------------------------------- */

  /** @param {import("../time/lanes.js").Row} row */
  title(row) {
    return row.hart !== undefined ? this.app.t("time.row.hart", { hart: row.hart }) : this.app.t(`time.row.${row.id}`);
  }

  snapshotMarks() {
    const ns = this.view.axis() === "ns";
    return this.snapshots.map((s) => ({ name: s.name, at: num(ns ? s.virtual_ns : s.count) })).filter((s) => ns || s.at > 0);
  }

  /** @param {CanvasRenderingContext2D} c @param {number} width @param {number} height */
  draw(c, width, height) {
    const axis = this.view.axis();
    const looked = this.app.focus.get().count;
    new Drawing(
      c,
      width,
      height,
      {
        picture: this.picture,
        rows: this.rows,
        window: this.window(),
        axis,
        now: this.now(),
        scrub: this.scrub,
        looked: looked && axis === "count" ? num(looked) : null,
        first: this.history && axis === "count" ? num(this.history.first) : null,
        moments: (this.history?.moments ?? []).map((m) => num(m[axis])),
        snapshots: this.snapshotMarks(),
        selected: this.view.get("sel") || null,
        row: this.row,
        bin: this.bin,
        titles: (row) => this.title(row),
        focused: document.activeElement === this.canvas.root,
      },
      cssVar,
    ).all();
  }

  tools() {
    const { app } = this;
    /** @param {string} sign @param {string} key @param {() => void} run */
    const button = (sign, key, run) => h("button", { type: "button", class: "tool", title: app.t(key), "aria-label": app.t(key), onclick: run }, sign);
    const axis = h(
      "select",
      { "aria-label": app.t("time.axis"), title: app.t("time.axis"), onchange: () => this.view.set("axis", /** @type {HTMLSelectElement} */ (axis).value === "ns" ? "ns" : "") },
      h("option", { value: "" }, app.t("time.axis.count")),
      h("option", { value: "ns" }, app.t("time.axis.ns")),
    );
    this.axisSelect = /** @type {HTMLSelectElement} */ (axis);
    return [
      axis,
      button("−", "time.zoom_out", () => this.zoomBy(this.anchor(), 1 / ZOOM_KEY)),
      button("+", "time.zoom_in", () => this.zoomBy(this.anchor(), ZOOM_KEY)),
      button("⤢", "time.zoom_all", () => this.setWindow({ from: 0, to: this.most() })),
      button("◎", "time.zoom_now", () => this.showNow()),
    ];
  }

  /** Around the playhead, with what is shown now as width, or a thousandth of the run. */
  showNow() {
    const w = this.window();
    const span = this.view.mode() === "all" ? (w.to - w.from) / 1000 : w.to - w.from;
    this.setWindow({ from: this.now() - span / 2, to: this.now() + span / 2 });
  }

  /** @param {import("../app.js").MachineStatus} m */
  machine(m) {
    if (this.axisSelect) {
      this.axisSelect.value = this.view.axis() === "ns" ? "ns" : "";
      this.axisSelect.disabled = !m.icount;
    }
    const w = this.wasRunning && !m.running && this.picture && this.view.mode() === "span" ? this.picture : null;
    this.wasRunning = m.running;
    if (w) {
      this.view.setWindow({ from: num(w.from), to: num(w.to) }); /* it stands: so does the window */
    }
    this.ask();
    this.canvas.redraw();
  }

  twin() {
    const { app } = this;
    const p = this.picture;
    if (p?.events) {
      return {
        columns: ["seq", "count", "ns", "hart", "kind", "text"].map((c) => app.t(`time.col.${c}`)),
        rows: p.events.map((e) => [num(e.seq), fmt.exact(e.count), fmt.ns(e.ns), e.hart ?? "", app.t(`time.row.${groupOf(e.kind).id}`), e.text]),
      };
    }
    const rows = this.rows.flatMap((row) =>
      [...row.bins].sort((a, b) => a[0] - b[0]).map(([bin, n]) => {
        const w = this.binWindow(bin, 0);
        return [this.title(row), this.label(w.from), this.label(w.to), fmt.exact(n)];
      }),
    );
    return { columns: ["row", "from", "to", "events"].map((c) => app.t(`time.col.${c}`)), rows };
  }

  /** @returns {() => void} */
  start() {
    const { app, p } = this;
    p.setJson(() => this.picture);
    p.setTwin(() => this.twin());
    const offs = [
      input(this.canvas.root, {
        zoom: (x, factor) => this.zoomBy(this.value(x), factor),
        pan: (pixels) => this.setWindow(pan(this.window(), pixels / this.width())),
        scrub: (x, done) => this.dragPlayhead(x, done),
        choose: (x, y) => this.chooseAt(x, y),
        hover: (x, y) => this.hover(x, y),
        leave: () => (this.tip.hidden = true),
        key: (name, shift) => this.key(name, shift),
      }),
      app.onMachine((m) => this.machine(m)),
      app.focus.on(() => this.canvas.redraw()),
      this.view.on(() => (this.makeRows(), this.ask())),
      app.command({ id: "time.all", title: app.t("time.zoom_all"), keys: "w", run: () => this.setWindow({ from: 0, to: this.most() }) }),
      app.command({ id: "time.now", title: app.t("time.zoom_now"), keys: "n", run: () => this.showNow() }),
    ];
    for (const name of ["focus", "blur"]) {
      this.canvas.root.addEventListener(name, () => this.canvas.redraw());
    }
    p.bus.every(HISTORY_MS, "history.status", { moments: true }, (r) => ((this.history = r), this.ask(), this.canvas.redraw()), () => {});
    p.bus.every(SNAPSHOTS_MS, "snapshot.list", {}, (r) => ((this.snapshots = r.snapshots), this.canvas.redraw()), () => {});
    p.busy(p.bus.call("trace.stats").then((s) => (this.filter.learn(Object.keys(s.counts)), this.makeRows())));
    this.ask();
    return () => {
      clearTimeout(this.timer);
      offs.forEach((off) => off());
      this.canvas.dispose();
      p.dispose();
    };
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const p = panel(app, bus, { id: "time-lanes", title: "time.lanes", help: "time.lanes.help" });
  root.append(p.root);
  return new Lanes(app, p).start();
}
