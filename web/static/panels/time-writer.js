// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Writer: who last wrote these bytes, and who before.
 *
 *   address --history.last_write--> count, hart, instruction, old -> new --before that--> ...
 *
 * The past is searched in steps, so that one can give up: STEP instructions, then ten times as many.
 */
import { hexOf, num } from "../time/scale.js";
import { deviceWords, travel } from "../time/travel.js";
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { table } from "../ui/table.js";

/** @typedef {import("../time/travel.js").Stop} Stop */
/** @typedef {{found: boolean, from: string, count: string, stop: Stop}} Answer */
/** @typedef {{count: string, stop: Stop, text: string}} Write */

const STEP = 100_000_000;
const GROWS = 10;
const SIZES = [1, 2, 4, 8];
const SPACES = ["virt", "phys"];

/** @param {Stop} stop who wrote: where the instruction is, or which device and chain */
export const writerName = (stop) => (stop.dma ? deviceWords(stop.dma) : fmt.addr(stop.insn_pc ?? stop.pc));

/**
 * The last write before a count, looked for step by step.
 * @param {(params: object) => Promise<Answer>} ask @param {{addr: string, len: number, space?: string}} what @param {number | null} before
 * @param {number} first where the history begins @param {(from: number) => boolean} tell how far it was looked; false: give up
 * @returns {Promise<{write: Answer | null, from: number}>}
 */
export async function findWrite(ask, what, before, first, tell) {
  let step = STEP;
  for (let limit = before; ; step *= GROWS) {
    const answer = await ask({ ...what, within: hexOf(step), ...(limit === null ? {} : { before: hexOf(limit) }) });
    limit = num(answer.from);
    if (answer.found || limit <= first || !tell(limit)) {
      return { write: answer.found ? answer : null, from: limit };
    }
  }
}

/** @param {string} text "0x80001000", "sp", "s0-24" @param {Record<string, string>} regs @returns {string | null} a hex address; null: not understood */
export function parseAddress(text, regs) {
  const m = /^\s*([a-z][a-z0-9]*|0x[0-9a-f]+)\s*(?:([+-])\s*(0x[0-9a-f]+|\d+))?\s*$/i.exec(text.replaceAll("_", ""));
  if (!m) {
    return null;
  }
  const [, base, sign, offset] = m;
  const value = base.toLowerCase().startsWith("0x") ? base : regs[base.toLowerCase()];
  if (value === undefined) {
    return null;
  }
  const by = BigInt(offset ?? 0);
  return "0x" + BigInt.asUintN(64, sign === "-" ? BigInt(value) - by : BigInt(value) + by).toString(16);
}

class Writer {
  /** @param {import("../app.js").App} app @param {import("../time/travel.js").Panel} p */
  constructor(app, p) {
    this.app = app;
    this.p = p;
    /** @type {Write[]} newest first */
    this.writes = [];
    this.addr = "";
    this.giveUp = false;
    this.input = /** @type {HTMLInputElement} */ (h("input", { class: "mono grow", placeholder: app.t("time.writer.hint"), "aria-label": app.t("time.writer.address"), spellcheck: "false", autocomplete: "off", value: app.focus.get().addr ?? "" }));
    this.size = /** @type {HTMLSelectElement} */ (h("select", { "aria-label": app.t("time.writer.size") }, SIZES.map((n) => h("option", { value: n, selected: n === 8 }, app.t("time.writer.bytes", { n })))));
    this.space = /** @type {HTMLSelectElement} */ (h("select", { "aria-label": app.t("time.writer.space"), title: app.t("time.writer.space.help") }, SPACES.map((s) => h("option", { value: s }, app.t(`time.writer.space.${s}`)))));
    this.older = h("button", { type: "button", hidden: true, onclick: () => this.ask(num(this.writes[this.writes.length - 1].count)) }, app.t("time.writer.older"));
    this.say = h("p", { class: "time-say", "aria-live": "polite" });
    this.table = table({
      label: app.t("time.writer"),
      rowKey: (w) => w.count,
      columns: [
        { key: "count", title: app.t("time.col.count"), num: true, render: (v) => fmt.exact(v) },
        { key: "hart", title: app.t("time.col.hart"), num: true, render: (_v, w) => (w.stop.dma ? "" : w.stop.cpu) },
        { key: "insn", title: app.t("time.writer.insn"), mono: true, render: (_v, w) => `${writerName(w.stop)}  ${w.text}` },
        { key: "change", title: app.t("time.writer.change"), mono: true, explain: app.t("time.writer.change.help"), render: (_v, w) => `${w.stop.old_value ?? "?"} → ${w.stop.new_value}` },
        { key: "go", title: "", render: (_v, w) => this.links(w) },
      ],
    });
    this.table.root.hidden = true;
  }

  /** @param {Write} w */
  links(w) {
    const { app, p } = this;
    const pc = w.stop.insn_pc ?? w.stop.pc;
    return [
      h("button", { type: "button", onclick: () => p.busy(travel(app, p.bus, "history.go", { count: hexOf(num(w.count) - 1) })), title: app.t("time.writer.go.help") }, app.t("time.go_there")),
      " ",
      h("button", { type: "button", class: "link", onclick: () => app.go("memory", { addr: w.stop.address }) }, app.t("time.show.memory")),
      " ",
      h("button", { type: "button", class: "link", onclick: () => app.go("translate", { block: null, addr: pc }) }, app.t("time.show.code")),
      " ",
      h("button", { type: "button", class: "link", onclick: () => app.go("cpu", { cpu: w.stop.cpu, addr: pc }) }, app.t("time.show.cpu")),
    ];
  }

  /** The address that was typed; a register's value is that of now. */
  async address() {
    const { app, p } = this;
    const regs = /^\s*[a-z]/i.test(this.input.value) ? (await p.bus.call("cpu.regs", { cpu: app.focus.get().cpu, group: "general" })).general : {};
    const addr = parseAddress(this.input.value, regs);
    this.input.setAttribute("aria-invalid", String(addr === null));
    if (addr === null) {
      throw new Error(app.t("time.writer.bad"));
    }
    return addr;
  }

  /** @param {number | null} before null: now, for the address that stands there */
  ask(before) {
    return this.p.busy(this.search(before));
  }

  /** @param {number | null} before */
  async search(before) {
    const { app, p } = this;
    if (before === null) {
      this.addr = await this.address();
      this.writes = [];
      app.focus.set({ addr: this.addr });
    }
    this.giveUp = false;
    const len = Number(this.size.value);
    clear(this.say, app.t("time.writer.searching"));
    const first = num((await p.bus.call("history.status")).first);
    const { write, from } = await findWrite((params) => p.bus.call("history.last_write", params), { addr: this.addr, len, space: this.space.value }, before, first, (at) => {
      clear(this.say, app.t("time.writer.looked", { from: fmt.exact(at) }), " ", h("button", { type: "button", onclick: () => (this.giveUp = true) }, app.t("time.export.cancel")));
      return !this.giveUp;
    });
    await app.refresh();
    if (write) {
      const pc = write.stop.insn_pc ?? write.stop.pc;
      const text = write.stop.dma ? "" : await p.bus.call("cpu.disas", { addr: pc, cpu: write.stop.cpu, count: 1 }).then((r) => r.insns[0]?.text ?? "", () => "");
      this.writes.push({ ...write, text });
    }
    this.show(write !== null, from);
  }

  /** @param {boolean} found @param {number} from */
  show(found, from) {
    const { app } = this;
    const last = this.writes[this.writes.length - 1];
    const vars = { addr: fmt.addr(this.addr), from: fmt.exact(from), count: last ? fmt.exact(last.count) : "", cpu: last?.stop.cpu ?? 0, pc: last ? writerName(last.stop) : "", text: last?.text ?? "" };
    clear(this.say, app.t(!found ? "time.writer.none" : last.stop.dma ? "time.writer.found.dma" : "time.writer.found", vars));
    this.older.hidden = !found;
    this.table.root.hidden = this.writes.length === 0;
    this.table.update(this.writes);
  }

  async watch() {
    const { app, p } = this;
    await p.busy(
      (async () => {
        const addr = await this.address();
        await p.bus.call("cpu.watch_add", { addr, len: Number(this.size.value), space: this.space.value });
        app.toast(app.t("time.writer.watched", { addr: fmt.addr(addr) }));
      })(),
    );
  }

  start() {
    const { app, p } = this;
    const operator = app.role === "operator";
    const form = h(
      "form",
      {
        class: "toolbar",
        onsubmit: (/** @type {Event} */ e) => {
          e.preventDefault();
          this.ask(null);
        },
      },
      this.input,
      this.size,
      this.space,
      h("button", { type: "submit", class: "primary", disabled: !operator }, app.t("time.writer.ask")),
      h("button", { type: "button", disabled: !operator, title: app.t("time.writer.watch.help"), onclick: () => this.watch() }, app.t("time.writer.watch")),
      this.older,
    );
    p.body.append(form, operator ? this.say : h("p", { class: "dim time-say" }, app.t("time.travel.viewer")), this.table.root);
    p.setJson(() => this.writes);
    const off = app.focus.on((f, changed) => {
      if (changed.has("addr") && f.addr && f.addr !== this.addr) {
        this.input.value = f.addr;
      }
    });
    return () => {
      this.giveUp = true;
      off();
      p.dispose();
    };
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const p = panel(app, bus, { id: "time-writer", title: "time.writer", help: "time.writer.help" });
  root.append(p.root);
  return new Writer(app, p).start();
}
