// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Columns: one block as guest | IR | optimized IR | host, with what belongs together lit.
 *
 *   focus.block --loadBlock--> linkModel --> rows --> a line is pointed at or moved to --> linked() --> lit
 *
 * Pointing lights, arrows move (left and right to what belongs to it in the next column), Enter or a click
 * pins and puts the line in the URL, Esc lets go. [ and ] go through the passes.
 */
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { explain } from "../ui/explain.js";
import { panel } from "../ui/panel.js";
import { detail } from "./tb-detail.js";
import { Fill, painted } from "./tb-fill.js";
import { arrow, lanes, linked, linkModel, notesByOp, stepView } from "./tb-links.js";
import { isLost, loadBlock, successorOf, whenOpen } from "./tb-load.js";
import { entryRegisters, guestRow, hostRow, irRow, lanesWidth, opRows, own, passName, ruleWords } from "./tb-rows.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("./tb-links.js").Model} Model */
/** @typedef {import("./tb-load.js").Loaded} Loaded */

const COLUMNS = ["guest", "ir", "opt", "host"];
const WATCH_MS = 1000;
const MARGIN_PX = 24;

/** Scrolls a box, and nothing around it, until a row is in view. @param {HTMLElement} box @param {HTMLElement} node */
function reveal(box, node) {
  const a = box.getBoundingClientRect();
  const b = node.getBoundingClientRect();
  if (b.top < a.top) {
    box.scrollTop -= a.top - b.top + MARGIN_PX;
  } else if (b.bottom > a.bottom) {
    box.scrollTop += Math.min(b.bottom - a.bottom + MARGIN_PX, b.top - a.top);
  }
}

class Columns {
  /** @param {App} app @param {import("../ui/panel.js").PanelBus} bus */
  constructor(app, bus) {
    this.app = app;
    this.p = panel(app, bus, { id: "tb-columns", title: "translate.block", help: "translate.block.help", class: "tb-columns" });
    /** @type {import("./tb-links.js").Range[]} */
    this.ranges = [];
    /** @type {Map<number | null, import("./tb-links.js").RegNote[]>} */
    this.notes = new Map();
    this.step = app.view("translate.step", "");
    this.column = app.view("translate.column", "guest");
    this.registers = app.view("translate.registers", "on");
    /** @type {Model | null} */
    this.m = null;
    /** @type {Loaded | null} */
    this.loaded = null;
    /** @type {any} what tb.get last said of the block */
    this.now = null;
    /** @type {{line: string, column: string} | null} */
    this.at = null;
    /** @type {string | null} */
    this.pinned = null;
    this.turn = 0;
    /** @type {(() => void) | null} */
    this.watch = null;
    /** @type {Map<string, HTMLElement[]>} */
    this.rows = new Map();
    this.head = h("div", { class: "tb-head" });
    this.obituary = h("div", { class: "tb-dead", role: "status", hidden: true });
    this.steps = h("div", { class: "toolbar tb-steps", role: "group", "aria-label": app.t("translate.steps") });
    this.tabs = h("div", { class: "tb-tabs", role: "tablist", "aria-label": app.t("translate.columns") });
    this.cols = h("div", { class: "tb-cols" });
    /** @type {Record<string, HTMLElement>} */
    this.box = {};
    this.entry = h("div");
    this.detail = h("div", { class: "tb-detail" });
    this.exits = h("div", { class: "tb-exits" });
    this.fill = new Fill(this.box, () => this.completed());
    this.build();
    this.p.setJson(() => this.m?.e ?? this.loaded);
    this.p.setTwin(() => this.twin());
  }

  build() {
    const { app } = this;
    for (const name of COLUMNS) {
      this.box[name] = h("div", { class: "lines", role: "listbox", "aria-label": app.t(`translate.col.${name}`), id: `tb-col-${name}` });
      const title = h("h3", { title: app.t(`translate.col.${name}.help`) }, app.t(`translate.col.${name}`), " ", h("span", { class: "dim count" }));
      this.cols.append(h("div", { class: `col ${name}` }, title, name === "opt" && this.entry, this.box[name]));
    }
    /* not "pointerover": rows that a key scrolls under a resting pointer would take the line from the keyboard */
    this.cols.addEventListener("pointermove", (e) => this.pointed(e.target));
    this.cols.addEventListener("pointerleave", () => this.unpoint());
    this.cols.addEventListener("click", (e) => this.clicked(e.target));
    this.cols.addEventListener("focusin", (e) => this.focused(e.target));
    this.cols.addEventListener("keydown", (e) => this.key(e));
    this.paintTabs();
  }

  paintTabs() {
    const now = this.column.get();
    this.cols.dataset.column = now;
    clear(
      this.tabs,
      COLUMNS.map((name) => h("button", { type: "button", role: "tab", class: "tab", "aria-selected": String(name === now), "aria-controls": `tb-col-${name}`, onclick: () => this.column.set(name) }, this.app.t(`translate.col.${name}`))),
    );
  }

  /* --- loading --------------------------------------------------------------------------------- */

  async load() {
    const turn = ++this.turn;
    const begun = performance.now();
    const result = await this.p.busy(loadBlock(this.p.bus, this.app.focus.get()));
    if (turn !== this.turn || !result) {
      return;
    }
    if (result.kind === "found") {
      this.app.focus.set({ block: result.id }, true); /* which loads it */
      return;
    }
    this.loaded = result;
    this.p.fail(result.kind === "failed" && !isLost(result.error) ? result.error : null);
    if (result.kind === "shown") {
      this.show(result);
      painted(() => (this.p.root.dataset.ms = (performance.now() - begun).toFixed(1)));
      return;
    }
    this.watchBlock(null);
    if (result.kind !== "failed") {
      this.missing(result);
    }
  }

  /** @param {Extract<Loaded, {kind: "shown"}>} loaded */
  show(loaded) {
    const { app } = this;
    const m = linkModel(loaded.e);
    this.m = m;
    this.at = this.pinned = null;
    this.ranges = lanes(m);
    this.notes = notesByOp(m.e);
    delete this.p.root.dataset.complete;
    this.fill.set("guest", m.e.guest.map((g) => () => guestRow(m, g.insn)));
    this.fill.set("ir", m.order.filter((id) => m.front.has(id)).map((id) => () => irRow(m, id)));
    this.fill.set("host", m.e.host.map((_h, i) => () => hostRow(app, m, i)));
    clear(this.p.body, this.head, this.obituary, this.steps, this.tabs, this.cols, this.detail, this.exits);
    this.now = m.e.block;
    this.paintHead();
    this.paintOps();
    this.paintExits();
    this.paintDeath(loaded.death, loaded.successor);
    this.p.root.dataset.block = loaded.id;
    this.restore();
    this.watchBlock(loaded.id);
  }

  /** Nothing to show: says why, and where to go on. @param {Loaded} loaded */
  missing(loaded) {
    const { app } = this;
    this.m = null;
    delete this.p.root.dataset.block;
    const first = h("button", { type: "button", onclick: () => (app.focus.set({ block: null, addr: null }), this.load()) }, app.t("translate.show_first"));
    const text = loaded.kind === "none" ? app.t(`translate.none.${loaded.why}`, { addr: app.focus.get().addr ?? "" }) : "";
    clear(this.p.body, this.obituary, text && h("p", { class: "empty" }, text), h("p", { class: "empty" }, first));
    this.obituary.hidden = true;
    if (loaded.kind === "gone") {
      this.paintDeath(loaded.death ?? { id: loaded.id }, loaded.successor);
    }
  }

  /** Follows whether the block still lives. @param {string | null} id */
  watchBlock(id) {
    this.watch?.();
    this.watch = !id ? null : this.p.bus.every(WATCH_MS, "tb.get", { id }, (r) => this.told(id, r), (e) => this.told(id, { block: null, death: null, error: e }));
  }

  /** @param {string} id @param {any} r of tb.get; a block that is not known any more died, too */
  async told(id, r) {
    if (this.p.root.dataset.block !== id || isLost(r.error)) {
      return;
    }
    if (r.block?.alive) {
      this.now = r.block;
      this.paintHead();
      return;
    }
    this.watch?.();
    this.watch = null;
    const death = r.death ?? { ...this.now, reason: "" };
    this.paintDeath(death, null);
    const heir = await this.p.busy(successorOf(this.p.bus, death));
    if (heir && this.p.root.dataset.block === id) {
      this.paintDeath(death, heir);
    }
  }

  /* --- what stands around the columns -------------------------------------------------------------- */

  paintHead() {
    const { app } = this;
    const b = this.now;
    const e = /** @type {Model} */ (this.m).e;
    const verdict = e.identical
      ? h("span", { class: "chip good", ...explain(app, "translate.identical.help", { spots: e.masked.length }) }, "✓ ", app.t("translate.identical"))
      : h("span", { class: "chip bad", ...explain(app, "translate.different.help", { bytes: e.different_bytes ?? 0, doubt: e.doubt ?? "" }) }, "✗ ", app.t("translate.different"));
    const removed = [...(this.m?.final.ops.values() ?? [])].filter((op) => op.removed).length;
    clear(
      this.head,
      h("span", { class: "mono", title: app.t("translate.pc.help") }, h("b", null, fmt.addr(b.pc))),
      h("span", { class: "chip", title: app.t("translate.id.help") }, `#${BigInt(b.id)}`),
      h("span", { class: "chip", title: app.t("translate.priv.help") }, app.t(`translate.priv.${b.priv}`)),
      verdict,
      h("span", { class: "dim", title: app.t("translate.sizes.help") }, app.t("translate.sizes", { insns: b.insns, guest: b.size, ops: this.m?.order.length ?? 0, removed, host: b.host_size, times: (b.host_size / Math.max(1, b.size)).toFixed(1) })),
      b.share > 0 && h("span", { class: "num", title: app.t("translate.share.help") }, app.t("translate.share", { share: fmt.percent(b.share) })),
      b.runs !== null && h("span", { class: "num", title: app.t("translate.runs.help") }, app.t("translate.ran", { runs: fmt.count(b.runs) })),
    );
  }

  /** @param {any} death null: it lives @param {any} heir */
  paintDeath(death, heir) {
    const { app } = this;
    this.obituary.hidden = !death;
    if (!death) {
      return;
    }
    const known = death.death ? "translate.died" : "translate.unknown"; /* what is remembered of the dead is limited */
    const go = heir && h("button", { type: "button", class: "primary", onclick: () => app.focus.set({ block: heir.id }) }, app.t("translate.to_heir", { id: String(BigInt(heir.id)) }));
    clear(this.obituary, h("p", null, app.t(known, { id: String(BigInt(death.id)), why: own(app, `translate.death.${death.death}`, death.reason ?? "") })), go || h("p", { class: "dim" }, app.t("translate.no_heir")));
  }

  paintExits() {
    const { app } = this;
    const e = /** @type {Model} */ (this.m).e;
    const one = (/** @type {import("./tb-links.js").Exit} */ x) => {
      const to = x.to;
      const where = to ? h("button", { type: "button", class: "link", onclick: () => app.focus.set({ block: to }) }, `#${BigInt(to)}`) : x.pc ? h("button", { type: "button", class: "link mono", onclick: () => app.focus.set({ block: null, addr: x.pc }) }, fmt.addr(x.pc)) : null;
      return h("li", null, h("span", { class: "chip", title: own(app, `translate.exit.${x.kind}.help`, x.kind) }, own(app, `translate.exit.${x.kind}`, x.kind)), " ", to ? app.t("translate.chained") : "", " ", where);
    };
    clear(this.exits, h("h3", { title: app.t("translate.exits.help") }, app.t("translate.exits")), h("ul", null, e.exits.map(one)));
  }

  /* --- steps ----------------------------------------------------------------------------------- */

  paintOps() {
    const m = /** @type {Model} */ (this.m);
    const view = stepView(m, this.step.get());
    const on = this.registers.get() === "on";
    const ranges = on && view.all ? this.ranges : [];
    this.box.opt.style.setProperty("--lanes", `${lanesWidth(ranges)}px`);
    const held = this.box.opt.contains(document.activeElement) ? this.at : null;
    this.fill.set("opt", opRows(this.app, m, view, ranges, on ? this.notes : new Map()));
    clear(this.entry, on && view.all ? entryRegisters(this.app, this.notes.get(null) ?? [], ranges) : null);
    this.paintSteps(view);
    this.p.root.dataset.complete === undefined ? this.index() : this.fill.complete(); /* of the same block: the place scrolled to stays */
    held ? this.moveTo(held) : this.light();
    if (!view.all && view.frame.op !== null) {
      const node = this.box.opt.querySelector(`[data-line="o${view.frame.op}"]`);
      node && reveal(this.box.opt, /** @type {HTMLElement} */ (node));
    }
  }

  /** @param {import("./tb-links.js").StepView} view */
  paintSteps(view) {
    const { app } = this;
    const f = view.frame;
    const letter = view.unit[0];
    const to = (/** @type {number} */ at) => this.step.set(at >= view.count ? (letter === "p" ? "" : "r") : `${letter}${Math.max(0, at)}`);
    const button = (/** @type {string} */ sign, /** @type {string} */ key, /** @type {number} */ at, /** @type {boolean} */ off) =>
      h("button", { type: "button", disabled: off, title: app.t(key), "aria-label": app.t(key), "data-step": key, onclick: () => { const mine = this.steps.contains(document.activeElement); to(at); mine && this.refocus(key); } }, sign);
    const position = view.all ? view.count : view.at;
    const what = view.all
      ? app.t("translate.step.all", { count: view.count - 1 })
      : f.kind === "start"
        ? app.t("translate.step.start")
        : [h("b", null, passName(app, f.pass)), view.unit === "rule" ? [" ", h("span", { class: "mono" }, `#${f.op}`), " ", f.rule && [h("b", null, f.rule), ": ", ruleWords(app, f.rule, f.reason)]] : [": ", app.t("translate.step.touched", { count: f.touched.size })]];
    const unit = h(
      "select",
      { "aria-label": app.t("translate.step.unit"), onchange: (/** @type {Event} */ e) => this.step.set(/** @type {HTMLSelectElement} */ (e.target).value === "rule" ? "r0" : "p0") },
      ["pass", "rule"].map((u) => h("option", { value: u, selected: u === view.unit }, app.t(`translate.step.${u}`))),
    );
    clear(
      this.steps,
      unit,
      button("|◀", "translate.step.first", 0, position === 0),
      button("◀", "translate.step.back", view.all ? view.count - 1 : view.at - 1, position === 0),
      button("▶", "translate.step.next", view.at + 1, view.all),
      button("▶|", "translate.step.last", view.count, view.all),
      h("span", { class: "dim num" }, view.all ? "" : `${view.at}/${view.count - 1}`),
      h("span", { class: "step-text", role: "status" }, what),
      h("span", { class: "grow" }),
      h("button", { type: "button", "aria-pressed": String(this.registers.get() === "on"), title: app.t("translate.registers.help"), onclick: () => this.registers.set(this.registers.get() === "on" ? "off" : "on") }, app.t("translate.registers")),
    );
  }

  /** The buttons are made anew: the focus stays on the one that was pressed. @param {string} key */
  refocus(key) {
    const node = /** @type {HTMLButtonElement | null} */ (this.steps.querySelector(`[data-step="${key}"]`));
    node && !node.disabled && node.focus();
  }

  /** @param {number} by */
  stepBy(by) {
    const key = by > 0 ? "translate.step.next" : "translate.step.back";
    /** @type {HTMLButtonElement | null} */ (this.steps.querySelector(`[data-step="${key}"]`))?.click();
  }

  /* --- what belongs together ---------------------------------------------------------------------- */

  index() {
    this.rows.clear();
    for (const node of this.cols.querySelectorAll(".row")) {
      const line = /** @type {HTMLElement} */ (node).dataset.line ?? "";
      const list = this.rows.get(line);
      list ? list.push(/** @type {HTMLElement} */ (node)) : this.rows.set(line, [/** @type {HTMLElement} */ (node)]);
    }
    for (const name of COLUMNS) {
      const count = this.cols.querySelector(`.${name} .count`);
      count && (count.textContent = String(this.fill.count(name)));
    }
  }

  /** All rows are there. */
  completed() {
    this.p.root.dataset.complete = "";
    this.index();
    this.light();
  }

  /** Lights what belongs to the line in hand, and shows it in the columns other than its own. */
  light() {
    for (const node of this.cols.querySelectorAll(".lit, .here, .pinned")) {
      node.classList.remove("lit", "here", "pinned");
      node.setAttribute("aria-selected", "false");
    }
    const line = this.at?.line ?? this.pinned;
    const m = this.m;
    clear(this.detail, ...(m ? detail(this.app, m, line) : []));
    if (!m || !line) {
      return;
    }
    const seen = new Set([this.at?.column]);
    for (const l of linked(m, line)) {
      for (const node of this.rows.get(l) ?? []) {
        node.classList.add("lit");
        l === line && node.classList.add("here");
        node.setAttribute("aria-selected", "true");
        const column = columnOf(node);
        if (!seen.has(column)) {
          seen.add(column);
          reveal(this.box[column], node);
        }
      }
    }
    for (const node of this.pinned ? (this.rows.get(this.pinned) ?? []) : []) {
      node.classList.add("pinned");
    }
  }

  /** @param {string} line @param {string} column */
  select(line, column) {
    if (this.at?.line !== line || this.at.column !== column) {
      this.at = { line, column };
      this.light();
    }
  }

  /** @param {EventTarget | null} target */
  pointed(target) {
    const node = rowOf(target);
    if (node && !this.pinned) {
      this.select(node.dataset.line ?? "", columnOf(node));
    }
  }

  unpoint() {
    const node = rowOf(document.activeElement);
    if (!this.pinned) {
      this.at = node && this.cols.contains(node) ? { line: node.dataset.line ?? "", column: columnOf(node) } : null;
      this.light();
    }
  }

  /** @param {EventTarget | null} target */
  focused(target) {
    const node = rowOf(target);
    node && this.select(node.dataset.line ?? "", columnOf(node));
  }

  /** @param {EventTarget | null} target */
  clicked(target) {
    const node = rowOf(target);
    if (node) {
      const line = node.dataset.line ?? "";
      this.moveTo({ line, column: columnOf(node) });
      this.pinned === line ? this.unpin() : this.pin(line);
    }
  }

  /** @param {string} line */
  pin(line) {
    const m = /** @type {Model} */ (this.m);
    this.pinned = line;
    const n = Number(line.slice(1));
    const op = line[0] === "o" ? n : line[0] === "h" ? (m.opsOfHost[n][0] ?? null) : null;
    const insn = line[0] === "g" ? n : op !== null ? (m.insnOf.get(op) ?? null) : line[0] === "h" ? m.e.host[n].insn : null;
    this.app.focus.set({ insn, op });
    this.light();
  }

  unpin() {
    this.pinned = null;
    this.at = null;
    this.app.focus.set({ insn: null, op: null });
    this.light();
  }

  /** The line that the URL names. */
  restore() {
    const { insn, op } = this.app.focus.get();
    const line = op !== undefined ? `o${op}` : insn !== undefined ? `g${insn}` : null;
    line && !this.rows.has(line) && this.fill.complete();
    if (line !== this.pinned && (!this.pinned || this.pinned[0] !== "h" || !line)) {
      this.pinned = line && this.rows.has(line) ? line : null;
      this.at = null;
    }
    this.light();
  }

  /** @param {{line: string, column: string}} to */
  moveTo(to) {
    this.fill.complete();
    const box = this.box[to.column];
    const node = /** @type {HTMLElement | null} */ (box.querySelector(`[data-line="${to.line}"]`));
    if (!node) {
      return;
    }
    if (getComputedStyle(this.tabs).display !== "none") {
      this.column.set(to.column);
    }
    box.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
    node.setAttribute("tabindex", "0");
    node.focus({ preventScroll: true });
    reveal(box, node);
    this.select(to.line, to.column);
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    const node = rowOf(e.target);
    if (!node || !this.m || e.ctrlKey || e.metaKey || e.altKey) {
      return;
    }
    const line = node.dataset.line ?? "";
    if (e.key === "Enter" || e.key === " ") {
      e.preventDefault();
      this.pin(line);
    } else if (e.key === "Escape") {
      e.preventDefault();
      this.unpin();
    } else if (/^(Arrow|Home$|End$)/.test(e.key)) {
      e.preventDefault();
      const to = arrow(this.m, columnOf(node), line, e.key);
      to && this.moveTo(to);
    }
  }

  /* --- the twin ---------------------------------------------------------------------------------- */

  /** Live ranges and registers as a table. */
  twin() {
    const { app } = this;
    const head = ["temp", "from", "to", "where"].map((k) => app.t(`translate.live.${k}`));
    const notes = this.m?.e.registers ?? [];
    const rows = (this.m?.e.live ?? []).map((l) => {
      const of = notes.filter((n) => n.temp === l.temp && (n.op === null ? l.from_entry : l.from !== null && n.op >= l.from && (l.to === null || n.op <= l.to)));
      const where = of.map((n) => app.t(`translate.regs.${n.event}`, { temp: n.temp, reg: n.reg ?? "", slot: n.slot ?? 0 }) + (n.op === null ? "" : ` (#${n.op})`)).join(", ");
      return [l.temp, l.from_entry ? app.t("translate.live.entry") : `#${l.from}`, l.to_exit ? app.t("translate.live.exit") : `#${l.to}`, where];
    });
    return { columns: head, rows };
  }
}

/** @param {EventTarget | null} target */
const rowOf = (target) => (target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest(".row")) : null);
/** @param {HTMLElement} node */
const columnOf = (node) => /** @type {HTMLElement} */ (node.parentElement).id.slice("tb-col-".length);

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {App} app @returns {() => void} */
export function mount(root, bus, app) {
  const c = new Columns(app, bus);
  root.append(c.p.root);
  const offs = [
    whenOpen(app, () => c.load()),
    app.focus.on((f, changed) => {
      if (changed.has("block") ? f.block !== c.p.root.dataset.block : changed.has("addr") && !f.block) {
        c.load();
      } else if (c.m && (changed.has("insn") || changed.has("op"))) {
        c.restore();
      }
    }),
    c.step.on(() => c.m && c.paintOps()),
    c.registers.on(() => c.m && c.paintOps()),
    c.column.on(() => (c.paintTabs(), c.light())),
    app.command({ id: "translate.step.next", title: app.t("translate.step.next"), keys: "]", run: () => c.stepBy(1), when: () => !!c.m }),
    app.command({ id: "translate.step.back", title: app.t("translate.step.back"), keys: "[", run: () => c.stepBy(-1), when: () => !!c.m }),
  ];
  return () => {
    offs.forEach((off) => off());
    c.watchBlock(null);
    c.p.dispose();
  };
}
