// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Counters: how often things happen, over time.
 *
 *   machine.counters, twice a second --difference / host time--> Rates --> one small uPlot chart each
 *                                                                      '--> table twin
 *
 * All charts have one time axis, and one cursor.
 */
import { cssVar } from "../ui/canvas.js";
import { clear, h } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { fmt } from "../ui/format.js";
import { library } from "../ui/library.js";
import { panel } from "../ui/panel.js";
import { Rates } from "../ui/rates.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../ui/rates.js").Metric} Metric */
/** @typedef {typeof import("../lib/uplot.js").default} UPlot */

const POLL_MS = 500;
const CHART_HEIGHT = 62;

/** @type {Metric[]} */
export const METRICS = [
  { name: "instructions", of: ["instructions"] },
  { name: "busy", of: ["busy_ns"], share: true },
  { name: "translations", of: ["translations"] },
  { name: "tlb", of: ["tlb_misses"] },
  { name: "walks", of: ["tlb_walks"] },
  { name: "interrupts", of: ["interrupts"] },
  { name: "exceptions", of: ["exceptions"] },
  { name: "calls", of: ["calls"] },
  { name: "faults", of: ["page_faults"] },
  { name: "device", of: ["device_reads", "device_writes"] },
];

/** @param {Metric} m @param {number | null | undefined} v */
function words(m, v) {
  return v === undefined ? "" : v === null ? "–" : m.share ? fmt.percent(v) : fmt.rate(v);
}

/** One chart and what stands over it. */
class Chart {
  /** @param {App} app @param {Metric} metric @param {number} i @param {Rates} history */
  constructor(app, metric, i, history) {
    this.metric = metric;
    this.history = history;
    this.app = app;
    this.i = i;
    this.value = h("b", { class: "num mono" });
    this.name = app.t(`run.count.${metric.name}`);
    this.box = h("div", { class: "plot", role: "img", "aria-label": this.name });
    this.root = h("div", { class: "chart" }, h("div", { class: "legend" }, h("span", { class: "dot", style: { background: `var(--c${i % 8})` } }), h("span", explain(app, `run.count.${metric.name}.help`), this.name), h("span", { class: "grow" }), this.value), this.box);
    /** @type {any} */
    this.plot = null;
  }

  /** @param {UPlot} uPlot */
  make(uPlot) {
    this.plot?.destroy();
    const colour = cssVar(`--c${this.i % 8}`);
    const dim = cssVar("--dim");
    const line = cssVar("--line");
    const axis = { stroke: dim, font: `10px ${cssVar("--sans")}`, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    this.plot = new uPlot(
      {
        width: Math.max(80, this.box.clientWidth),
        height: CHART_HEIGHT,
        legend: { show: false },
        cursor: { sync: { key: "run.counters" }, y: false, points: { show: false }, drag: { x: false, y: false } },
        padding: [6, 4, 2, 0],
        scales: { x: { time: false }, y: { range: () => [0, this.peak() * 1.05 || 1] } },
        axes: [
          { ...axis, show: false },
          { ...axis, size: 46, gap: 4, splits: () => (this.peak() > 0 ? [0, this.peak()] : [0]), values: (_u, splits) => splits.map((v) => (v ? (this.metric.share ? fmt.percent(v) : fmt.count(v)) : "0")) },
        ],
        series: [{}, { stroke: colour, fill: colour + "26", width: 1.5, points: { show: false } }],
        hooks: { setCursor: [(u) => this.say(u.cursor.idx)] },
      },
      this.data(),
      this.box,
    );
  }

  peak() {
    return Math.max(0, ...this.history.rates[this.metric.name].map(Number));
  }

  /** @returns {any} */
  data() {
    return [this.history.time, this.history.rates[this.metric.name]];
  }

  /** @param {number | null | undefined} index under the cursor */
  say(index) {
    const list = this.history.rates[this.metric.name];
    const v = index === null || index === undefined ? this.history.now(this.metric.name) : list[index];
    const text = words(this.metric, v);
    if (this.value.textContent !== text) {
      this.value.textContent = text;
      this.box.setAttribute("aria-label", `${this.name}: ${text}`);
    }
  }

  update() {
    this.plot?.setData(this.data());
    this.say(this.plot?.cursor.idx);
  }

  resize() {
    this.plot?.setSize({ width: Math.max(80, this.box.clientWidth), height: CHART_HEIGHT });
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {App} app */
export function mount(root, bus, app) {
  const p = panel(app, bus, { id: "counters", title: "run.counters", help: "run.counters.help", class: "fills" });
  const history = new Rates(METRICS);
  const charts = METRICS.map((m, i) => new Chart(app, m, i, history));
  const notCounted = h("p", { class: "note dim", hidden: true }, app.t("run.not_counted"));
  const box = h("div", { class: "charts" }, charts.map((c) => c.root));
  p.body.append(box, notCounted);
  root.append(p.root);
  /** @type {UPlot | null} */
  let uPlot = null;
  let ended = false;
  const repaint = () => {
    const made = uPlot;
    made && !ended && charts.forEach((c) => c.make(made));
  };
  library(app, "uplot", () => import("../lib/uplot.js")).then(
    (module) => {
      uPlot = module.default;
      repaint();
    },
    (e) => (p.body.prepend(h("p", { class: "note bad" }, app.errorText(e)))), /* the numbers still come */
  );

  p.bus.every(POLL_MS, "machine.counters", {}, (sample) => {
    history.add(sample);
    const counted = sample.counters.instructions !== null;
    notCounted.hidden = counted;
    charts[0].root.hidden = !counted;
    charts.forEach((c) => c.update());
    p.fail(null);
  }, (e) => p.fail(e));

  const watch = new ResizeObserver(() => charts.forEach((c) => c.resize()));
  watch.observe(box);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", repaint);

  p.setJson(() => ({ seconds: history.time, rates: history.rates }));
  p.setTwin(() => ({
    columns: [app.t("run.time"), ...METRICS.map((m) => app.t(`run.count.${m.name}`))],
    rows: history.time.map((t, i) => [t.toFixed(1), ...METRICS.map((m) => words(m, history.rates[m.name][i]))]).reverse(),
  }));
  return () => {
    ended = true;
    watch.disconnect();
    scheme.removeEventListener("change", repaint);
    charts.forEach((c) => c.plot?.destroy());
    clear(box);
    p.dispose();
  };
}
