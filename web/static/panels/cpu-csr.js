// SPDX-License-Identifier: MIT
// @ts-check
/** Control and status registers: all of them with what changed since the last stop; the chosen one bit by bit. */
import { bitStrip } from "../ui/bitstrip.js";
import { clear, h } from "../ui/dom.js";
import { latest } from "../ui/latest.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";
import { table } from "../ui/table.js";

const FP_CSRS = new Set(["fcsr", "frm", "fflags"]);

/** Registers to show: those of a name, and no counters that stand at 0. @param {Record<string, string>} values @param {string} filter */
export function shownNames(values, filter) {
  const wanted = filter.trim().toLowerCase();
  return Object.keys(values).filter((n) => (wanted ? n.includes(wanted) : !(/^(m?hpm|pmp)/.test(n) && BigInt(values[n]) === 0n)));
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/cpu.js").Debugger} debug @returns {() => void} */
export function mount(root, bus, app, debug) {
  const p = panel(app, bus, { id: "cpu-csr", title: "cpu.csr", help: "cpu.csr.help" });
  const choice = app.view("cpu.csr", "mstatus");
  const titles = Object.fromEntries(["bits", "field", "value", "words", "meaning", "unnamed", "changed"].map((k) => [k, app.t(`cpu.bits.${k}`)]));
  const filter = /** @type {HTMLInputElement} */ (h("input", { type: "search", placeholder: app.t("cpu.csr.filter"), "aria-label": app.t("cpu.csr.filter"), size: "14" }));
  filter.addEventListener("input", () => paint());
  p.tools.append(filter);
  const list = table({
    columns: [
      { key: "name", title: app.t("cpu.csr.name"), mono: true },
      { key: "value", title: app.t("cpu.csr.value"), mono: true },
      { key: "mark", title: "", render: (m) => (m ? h("span", { class: "mark", title: app.t(m === "≈" ? "cpu.moving" : "cpu.changed") }, m) : "") },
    ],
    rowKey: (r) => r.name,
    onrow: (r) => choice.set(r.name),
    selected: (r) => r.name === choice.get(),
    label: app.t("cpu.csr"),
  });
  const strip = bitStrip({ label: app.t("cpu.csr.fields"), titles: /** @type {any} */ (titles) });
  const title = h("h3");
  const about = h("p");
  const edit = h("button", { type: "button", hidden: !debug.mayChange, onclick: () => last && editValue() }, app.t("cpu.edit"));
  const detail = h("div", { class: "csr-detail" }, h("div", { class: "toolbar" }, title, edit), about, strip.root);
  p.body.append(h("div", { class: "csr" }, h("div", { class: "csr-list" }, list.root), detail));

  /** @type {any} */
  let last = null;
  /** @type {any} */
  let before = null;
  let shown = "";
  let seen = false;

  /** @returns {Record<string, string>} */
  const values = () => {
    const { privileged, csr, fp } = debug.regs ?? { privileged: {}, csr: {}, fp: {} };
    return { ...privileged, ...csr, ...Object.fromEntries(Object.entries(fp).filter(([n]) => FP_CSRS.has(n))) };
  };
  const paint = () => {
    const all = values();
    const running = app.machine?.running ?? true;
    const old = { ...debug.before?.privileged, ...debug.before?.csr, ...debug.before?.fp };
    const stopped = new Set(debug.regs?.changed);
    /** @param {string} name */
    const markOf = (name) => (running ? (old[name] !== undefined && old[name] !== all[name] ? "≈" : "") : stopped.has(name) ? "◆" : "");
    list.update(shownNames(all, filter.value).filter((n) => n !== "priv").map((name) => ({ name, value: all[name], mark: markOf(name) })));
  };
  const paintOne = () => {
    const csr = last?.csrs[0];
    if (!csr) {
      return;
    }
    const old = new Map(before?.csrs[0]?.fields.map((/** @type {any} */ f) => [f.name, f.value]));
    const fields = csr.fields.map((/** @type {any} */ f) => ({ name: f.name, high: f.high, low: f.low, value: BigInt(f.value), words: f.word, meaning: f.text }));
    title.textContent = `${csr.name} = ${csr.value}`;
    const key = `cpu.csr.about.${csr.name}`;
    const text = app.t(key);
    clear(about, h("span", { class: "dim" }, app.t("cpu.csr.number", { number: csr.number, bits: csr.bits })), " ", text === key ? "" : text, fields.length ? "" : ` ${app.t("cpu.csr.one_value")}`);
    strip.update({
      bits: csr.bits,
      value: BigInt(csr.value),
      fields,
      changed: new Set(csr.fields.filter((/** @type {any} */ f) => old.has(f.name) && old.get(f.name) !== f.value).map((/** @type {any} */ f) => f.name)),
    });
  };
  const askOne = latest(async () => {
    const { cpu } = app.focus.get();
    const name = choice.get();
    const result = await p.busy(p.bus.call("cpu.csr", { cpu, name }));
    if (result && name === choice.get() && cpu === app.focus.get().cpu) {
      before = last?.csrs[0].name === name && last.cpu === cpu ? last : null;
      last = result;
      paintOne();
    }
  });
  /* The fields are asked for when the register has another value. */
  const follow = () => {
    paint();
    const now = `${app.focus.get().cpu} ${choice.get()} ${values()[choice.get()]}`;
    if (now !== shown && seen) {
      shown = now;
      askOne();
    }
  };
  const editValue = () => debug.edit(choice.get(), last.csrs[0].value);

  p.setJson(() => ({ registers: values(), chosen: last }));
  p.setTwin(() => ({
    columns: ["name", "value", "field", "bits", "field value", "words", "meaning"],
    rows: (last?.csrs ?? []).flatMap((/** @type {any} */ c) => c.fields.map((/** @type {any} */ f) => [c.name, c.value, f.name, f.high === f.low ? f.high : `${f.high}:${f.low}`, f.value, f.word ?? "", f.text])),
  }));
  const off = [whileSeen(p.root, () => ((seen = true), follow()), () => (seen = false)), choice.on(follow), debug.onSample(follow), app.onMachine(paint)];
  root.append(p.root);
  return () => {
    off.forEach((fn) => fn());
    strip.dispose();
    p.dispose();
  };
}
