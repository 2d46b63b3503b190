// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Hot list: which blocks there are, the hottest first, in an order that stays readable while it moves.
 *
 * While it is looked at the machine is asked where its harts are (tb.sample): that costs the guest next to nothing.
 * How often blocks run is known only while runs are counted, which has a price and is an operator's to say.
 */
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";
import { table } from "../ui/table.js";
import { addressRange, Ranking } from "./tb-rank.js";

/** @typedef {import("../app.js").App} App */

const LIST_MS = 200;
const ROW_PX = 23;
const ROWS_LEAST = 8;
const ROWS_MOST = 60;
const SAMPLE_MS = 1000;
const SORTS = ["samples", "runs", "size", "age", "host", "insns", "invalidations"];
const PRIVS = ["", "u", "s", "m"];

class HotList {
  /** @param {App} app @param {import("../ui/panel.js").PanelBus} bus */
  constructor(app, bus) {
    this.app = app;
    this.p = panel(app, bus, { id: "tb-list", title: "translate.list", help: "translate.list.help", class: "tb-list" });
    this.sort = app.view("translate.sort", "samples");
    this.priv = app.view("translate.priv", "");
    this.range = app.view("translate.range", "");
    this.ranking = new Ranking();
    /** @type {any} */
    this.last = null;
    /** @type {(() => void) | null} */
    this.end = null;
    /** @type {(() => void) | null} */
    this.endSampling = null;
    this.pointing = false;
    this.limit = 0;
    this.most = 1;
    this.note = h("span", { class: "dim", role: "status" });
    this.counting = h("div", { class: "tb-counting" });
    this.table = table({
      label: app.t("translate.list"),
      empty: app.t("translate.none.no-blocks"),
      rowKey: (r) => r.id,
      selected: (r) => r.id === app.focus.get().block,
      onrow: (r) => app.focus.set({ block: r.id, addr: r.block.pc }),
      columns: this.columns(),
    });
    this.controls = h("div", { class: "toolbar" });
    this.p.body.append(this.controls, this.counting, this.table.root);
    this.p.setJson(() => this.last);
    this.table.root.classList.add("grow");
    /* not :hover: a pointer that rests where the table comes to lie reads nothing */
    this.table.root.addEventListener("pointermove", () => (this.pointing = true));
    this.table.root.addEventListener("pointerleave", () => (this.pointing = false));
    this.build();
  }

  columns() {
    const { app } = this;
    const block = (/** @type {any} */ r) => r.block;
    return [
      { key: "climb", title: "", explain: app.t("translate.climb.help"), render: (/** @type {any} */ _v, /** @type {any} */ r) => this.climb(r) },
      { key: "pc", title: app.t("translate.pc"), explain: app.t("translate.pc.help"), mono: true, render: (/** @type {any} */ _v, /** @type {any} */ r) => fmt.addr(block(r).pc) },
      { key: "priv", title: "", explain: app.t("translate.priv.help"), render: (/** @type {any} */ _v, /** @type {any} */ r) => block(r).priv.toUpperCase() },
      { key: "rate", title: app.t("translate.rate"), explain: app.t("translate.rate.help"), num: true, render: (/** @type {any} */ _v, /** @type {any} */ r) => this.heat(r) },
      { key: "value", title: this.valueTitle(), explain: app.t("translate.value.help"), num: true, render: (/** @type {any} */ _v, /** @type {any} */ r) => this.value(block(r)) },
    ];
  }

  valueTitle() {
    return this.app.t(`translate.value.${this.sort.get()}`);
  }

  /** How many places it will go at the next sorting. @param {import("./tb-rank.js").Ranked} r */
  climb(r) {
    if (r.away || !r.climb) {
      return r.away ? h("span", { class: "climb dim", title: this.app.t("translate.away") }, "·") : "";
    }
    return h("span", { class: `climb ${r.climb > 0 ? "good" : "warn"}` }, `${r.climb > 0 ? "▲" : "▼"}${Math.abs(r.climb)}`);
  }

  /** How hot it is: runs a second if the list is sorted by runs, else its share of the time. null: not known. @param {import("./tb-rank.js").Ranked} r */
  heatOf(r) {
    return this.sort.get() === "runs" ? r.rate : r.away ? null : r.block.share;
  }

  /** The same with a bar beside the hottest. @param {import("./tb-rank.js").Ranked} r */
  heat(r) {
    const heat = this.heatOf(r);
    if (heat === null || (heat === 0 && this.sort.get() !== "runs")) {
      return ""; /* of samples: none of late */
    }
    const bar = h("i", { class: "heat", "aria-hidden": "true" });
    bar.style.width = `${Math.round((heat / this.most) * 100)}%`;
    return h("span", { class: "heat-box" }, h("span", { class: "track" }, bar), h("span", { class: "figure" }, this.sort.get() === "runs" ? fmt.count(Math.round(heat)) : fmt.percent(heat)));
  }

  /** What the list is sorted by. @param {any} b */
  value(b) {
    switch (this.sort.get()) {
      case "size":
        return fmt.bytes(b.size);
      case "host":
        return fmt.bytes(b.host_size);
      case "insns":
        return b.insns;
      case "age":
        return `#${BigInt(b.id)}`;
      case "invalidations":
        return b.deaths;
      case "samples":
        return fmt.count(b.samples);
      default:
        return b.runs === null ? "–" : fmt.count(b.runs);
    }
  }

  build() {
    const { app } = this;
    const option = (/** @type {string} */ value, /** @type {string} */ text, /** @type {string} */ now) => h("option", { value, selected: value === now }, text);
    const pick = (/** @type {string} */ key, /** @type {{get(): string, set(v: string): void}} */ state, /** @type {string[]} */ values, /** @type {string} */ prefix) =>
      h("select", { "aria-label": app.t(key), title: app.t(`${key}.help`), onchange: (/** @type {Event} */ e) => state.set(/** @type {HTMLSelectElement} */ (e.target).value) }, values.map((v) => option(v, app.t(prefix + (v || "all")), state.get())));
    const range = /** @type {HTMLInputElement} */ (
      h("input", {
        type: "text", size: "14", spellcheck: "false", autocomplete: "off", class: "mono", placeholder: app.t("translate.range"), "aria-label": app.t("translate.range"), title: app.t("translate.range.help"), value: this.range.get(),
        onchange: () => {
          const good = addressRange(range.value) !== null;
          good ? range.removeAttribute("aria-invalid") : range.setAttribute("aria-invalid", "true");
          good && this.range.set(range.value.trim());
        },
      })
    );
    clear(this.controls, pick("translate.sort", this.sort, SORTS, "translate.sort."), pick("translate.priv", this.priv, PRIVS, "translate.priv."), range, this.note);
  }

  /** Where its numbers come from: counting, if it is sorted by runs or runs are counted; else samples. @param {any} r of tb.list */
  paintSource(r) {
    const counts = r.counting || this.sort.get() === "runs";
    counts ? this.paintCounting(r.counting) : this.paintSampling(r.sampling);
  }

  /** What samples say of the whole. @param {any} s */
  paintSampling(s) {
    const n = (/** @type {string} */ k) => Number(BigInt(s[k]));
    const seen = n("code") + n("helper") + n("other") + n("gone");
    const all = Math.max(1, seen);
    const vars = { code: fmt.percent((n("code") + n("gone")) / all), helper: fmt.percent(n("helper") / all), other: fmt.percent(n("other") / all) };
    const text = this.app.t(!s.on ? "translate.not_sampled" : seen ? "translate.sampled" : "translate.no_samples", vars);
    if (this.counting.dataset.on !== text) {
      this.counting.dataset.on = text;
      clear(this.counting, h("span", { class: "dim", title: this.app.t("translate.sampled.help", { rate: s.per_s }) }, text));
    }
  }

  /** Counting: whether, what it costs, and the switch for who may. @param {boolean} on */
  paintCounting(on) {
    if (this.counting.dataset.on === String(on)) {
      return;
    }
    const { app } = this;
    this.counting.dataset.on = String(on);
    const may = app.role === "operator";
    const button = h("button", { type: "button", disabled: !may, "aria-pressed": String(on), title: app.t(may ? "translate.count.cost" : "translate.count.viewer"), onclick: () => this.profile(!on) }, app.t(on ? "translate.count.off" : "translate.count.on"));
    clear(this.counting, button, h("span", { class: "dim" }, app.t(on ? "translate.count.is_on" : may ? "translate.count.cost" : "translate.count.viewer")));
  }

  /** @param {boolean} on */
  async profile(on) {
    await this.p.busy(this.p.bus.call("tb.profile", { on }));
  }

  /** As many rows as can be seen. */
  visible() {
    const room = this.p.body.clientHeight - this.controls.offsetHeight - this.counting.offsetHeight - ROW_PX;
    return Math.max(ROWS_LEAST, Math.min(ROWS_MOST, Math.floor(room / ROW_PX)));
  }

  /** Asks for what is seen now, in this order. */
  ask() {
    const limit = this.visible();
    /** @type {Record<string, any>} */
    const params = { sort: this.sort.get(), limit, ...(addressRange(this.range.get()) ?? {}) };
    if (PRIVS.includes(this.priv.get()) && this.priv.get()) {
      params.priv = this.priv.get();
    }
    this.end?.();
    this.limit = limit;
    this.ranking.reset();
    /* again and again: a machine that was away has forgotten it */
    this.endSampling ??= this.p.bus.every(SAMPLE_MS, "tb.sample", { on: true }, () => {}, (e) => this.p.fail(e));
    this.table.title("value", this.valueTitle());
    this.end = this.p.bus.every(LIST_MS, "tb.list", params, (r) => this.take(r), (e) => this.p.fail(e));
  }

  /** Nobody looks. */
  rest() {
    this.end?.();
    this.end = null;
    if (this.endSampling) {
      this.endSampling();
      this.endSampling = null;
      this.p.bus.call("tb.sample", { on: false }).catch(() => {}); /* without a connection it has ended */
    }
  }

  /** Somebody reads: rows stay where they are. */
  frozen() {
    const gone = this.ranking.rows.every((r) => r.away);
    return !gone && (this.pointing || !!this.table.root.querySelector(":focus-visible"));
  }

  /** @param {any} r */
  take(r) {
    this.last = r;
    const frozen = this.frozen();
    const rows = this.ranking.take(r.blocks, performance.now(), frozen);
    this.most = rows.reduce((most, x) => Math.max(most, this.heatOf(x) ?? 0), 0) || 1;
    this.paintSource(r);
    this.note.textContent = this.app.t(frozen ? "translate.frozen" : "translate.matches", { shown: r.blocks.length, count: fmt.exact(r.matches) });
    this.table.update(rows);
  }

  repaint() {
    this.table.update(this.ranking.rows);
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {App} app @returns {() => void} */
export function mount(root, bus, app) {
  const list = new HotList(app, bus);
  root.append(list.p.root);
  const size = new ResizeObserver(() => list.end && list.visible() !== list.limit && list.ask());
  size.observe(list.p.body);
  const again = () => list.end && list.ask();
  const offs = [
    whileSeen(list.p.root, () => list.ask(), () => list.rest()),
    list.sort.on(again),
    list.priv.on(again),
    list.range.on(again),
    app.focus.on((_f, changed) => changed.has("block") && list.repaint()),
    app.command({ id: "translate.count", title: app.t("translate.count.on"), run: () => list.profile(true), when: () => app.role === "operator" && !list.last?.counting }),
    app.command({ id: "translate.uncount", title: app.t("translate.count.off"), run: () => list.profile(false), when: () => app.role === "operator" && !!list.last?.counting }),
  ];
  return () => {
    size.disconnect();
    offs.forEach((off) => off());
    list.p.dispose();
  };
}
