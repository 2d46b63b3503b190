// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Page-table walk: from a virtual address to a physical one, step by step, and why.
 *
 *   address  | sign | VPN[2] | VPN[1] | VPN[0] | offset |     each part has a colour and a number
 *   satp ---> root + VPN[2]*8 -> entry, its bits -> root + VPN[1]*8 -> ...  -> physical | fault
 *
 * One step is open; arrows or the buttons go to the next. What was decided, the machine's own walker tells.
 */
import { clear, h } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";
import { addressField } from "../memory/field.js";
import { bitsOf, entryAddress, leafLevel, modeShape, pteFields, slicesOf, stepsOf } from "../memory/walkmodel.js";

const WALK_MS = 2000;

/** @typedef {import("../memory/walkmodel.js").Walk} Walk */
/** @typedef {import("../memory/walkmodel.js").Step} Step */

class WalkPanel {
  /** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app */
  constructor(root, bus, app) {
    this.app = app;
    const p = panel(app, bus, { id: "mem-walk", title: "memory.walk", help: "memory.walk.help" });
    this.p = p;
    this.access = app.view("memory.access", "read");
    this.priv = app.view("memory.priv", "now");
    this.stepView = app.view("memory.step", "0");
    /** @type {Walk | null} */
    this.walk = null;
    /** @type {any} */
    this.satp = null;
    /** @type {(() => void)[]} */
    this.ends = [];
    /** @type {() => void} */
    this.endWalk = () => {};
    this.field = addressField(app, p.bus, { label: "memory.walk.address", id: "walk-address", onaddress: (a) => app.focus.set({ addr: "0x" + a.toString(16) }) });
    const choice = (/** @type {string} */ name, /** @type {string[]} */ values, /** @type {{get: () => string, set: (v: string) => void}} */ view) =>
      /** @type {HTMLSelectElement} */ (h("select", {
        "aria-label": app.t(`memory.walk.${name}`), title: app.t(`memory.walk.${name}.help`), "data-choice": name,
        onchange: (/** @type {Event} */ e) => view.set(/** @type {HTMLSelectElement} */ (e.target).value),
      }, values.map((v) => h("option", { value: v, selected: v === view.get() }, app.t(`memory.${name}.${v}`)))));
    this.accessBox = choice("access", ["read", "write", "fetch"], this.access);
    this.privBox = choice("priv", ["now", "U", "S", "M"], this.priv);
    this.bits = h("div", { class: "walk-address" });
    this.steps = h("ol", { class: "walk-steps", tabindex: "0", "aria-label": app.t("memory.walk.steps"), onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e) });
    this.previous = h("button", { type: "button", onclick: () => this.go(-1) }, app.t("memory.walk.previous"));
    this.next = h("button", { type: "button", class: "primary", onclick: () => this.go(1) }, app.t("memory.walk.next"));
    this.summary = h("p", { class: "walk-summary" });
    p.body.append(
      h("div", { class: "toolbar" }, this.field.root, this.accessBox, this.privBox,
        h("button", { type: "button", title: app.t("memory.walk.pc.help"), onclick: () => p.busy(this.walkPc()) }, app.t("memory.walk.pc"))),
      this.summary, this.bits,
      h("div", { class: "toolbar" }, this.previous, this.next),
      this.steps,
    );
    p.setJson(() => this.walk);
    this.ends.push(
      app.focus.on((_f, changed) => (changed.has("addr") || changed.has("cpu")) && this.begin()),
      this.access.on((v) => ((this.accessBox.value = v), this.begin())),
      this.priv.on((v) => ((this.privBox.value = v), this.begin())),
      this.stepView.on(() => this.paint()),
    );
    this.seen = false;
    root.append(p.root);
    this.ends.push(whileSeen(p.root, () => ((this.seen = true), this.begin()), () => ((this.seen = false), this.endWalk())));
    this.paint();
  }

  /** Where the hart is: a fetch, as it is about to make. */
  async walkPc() {
    const cpu = this.app.focus.get().cpu;
    const { cpus } = await this.p.bus.call("cpu.list");
    this.access.set("fetch");
    this.priv.set("now");
    this.app.focus.set({ addr: cpus[cpu].pc });
  }

  /** Walks again and again: page tables change. */
  begin() {
    this.endWalk();
    const { addr, cpu } = this.app.focus.get();
    if (!addr || !this.seen) {
      this.walk = addr ? this.walk : null;
      this.paint();
      return;
    }
    this.field.set(BigInt(addr));
    const params = { addr, cpu, access: this.access.get(), priv: this.priv.get() };
    this.endWalk = this.p.bus.every(WALK_MS, "mmu.walk", params, (r) => this.got(r), (/** @type {Error} */ e) => this.p.fail(e));
  }

  /** @param {Walk} walk */
  got(walk) {
    const other = walk.root !== this.walk?.root || walk.mode !== this.walk?.mode;
    this.walk = walk;
    this.p.fail(null);
    this.paint();
    if (other) {
      this.p.busy(this.readSatp());
    }
  }

  async readSatp() {
    const { csrs } = await this.p.bus.call("cpu.csr", { cpu: this.app.focus.get().cpu, name: "satp" });
    this.satp = csrs[0];
    this.paint();
  }

  stepNow() {
    const steps = this.walk ? stepsOf(this.walk) : [];
    return Math.min(Math.max(Number(this.stepView.get()) || 0, 0), Math.max(steps.length - 1, 0));
  }

  /** @param {number} by */
  go(by) {
    const last = this.walk ? stepsOf(this.walk).length - 1 : 0;
    this.stepView.set(String(Math.min(Math.max(this.stepNow() + by, 0), last)));
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[e.key];
    if (by && e.target === this.steps) {
      e.preventDefault();
      this.go(by);
    }
  }

  /* --- drawing ------------------------------------------------------------------------------ */

  paint() {
    const { app, walk } = this;
    const had = this.steps.contains(document.activeElement) && document.activeElement !== this.steps;
    if (!walk) {
      clear(this.summary, h("span", { class: "dim" }, app.t("memory.walk.none")));
      clear(this.bits);
      clear(this.steps);
      this.previous.toggleAttribute("disabled", true);
      this.next.toggleAttribute("disabled", true);
      return;
    }
    const steps = stepsOf(walk);
    const now = this.stepNow();
    this.previous.toggleAttribute("disabled", now === 0);
    this.next.toggleAttribute("disabled", now === steps.length - 1);
    this.paintSummary(walk);
    this.paintAddress(walk, steps[now]);
    clear(this.steps, steps.map((s, i) => this.stepItem(walk, s, i, i === now)));
    had && this.steps.focus();
  }

  /** @param {Walk} walk */
  paintSummary(walk) {
    const { app } = this;
    const from = fmt.addr(walk.addr);
    clear(this.summary,
      h("span", { class: "chip" }, `${walk.mode} · ${walk.as}`), " ",
      walk.ok
        ? h("span", { class: "good" }, app.t("memory.walk.ok", { from, to: fmt.addr(walk.phys ?? 0n) }))
        : h("span", { class: "bad" }, app.t("memory.walk.fault", { from, name: walk.fault?.name ?? "" })), " ",
      walk.phys && h("button", { type: "button", class: "link mono", onclick: () => app.focus.set({ phys: walk.phys }) }, app.t("memory.walk.bytes")));
  }

  /** The address, cut; the part that the open step uses stands out. @param {Walk} walk @param {Step} step */
  paintAddress(walk, step) {
    const { app } = this;
    const slices = slicesOf(walk.mode, leafLevel(walk));
    const addr = BigInt(walk.addr);
    const level = step.kind === "level" ? walk.levels[step.at].level : -1;
    clear(this.bits, slices.map((s) => {
      const value = bitsOf(addr, s.high, s.low);
      const width = s.high - s.low + 1;
      const used = s.level >= 0 ? s.level === level : (s.kind === "offset" && step.kind === "result") || (s.kind === "sign" && step.kind === "canonical");
      return h("div", { class: `slice c${s.colour} ${used ? "used" : ""}`, style: { flexGrow: String(width) }, ...explain(app, `memory.slice.${s.kind}`, { level: s.level }) },
        h("span", { class: "slice-name" }, s.kind === "index" ? s.name : app.t(`memory.slice.name.${s.name}`)),
        h("span", { class: "mono slice-bits" }, value.toString(2).padStart(width, "0")),
        h("span", { class: "mono dim" }, `${s.high}..${s.low} = 0x${value.toString(16)}`));
    }));
  }

  /** @param {Walk} walk @param {Step} step @param {number} i @param {boolean} open */
  stepItem(walk, step, i, open) {
    const { app } = this;
    const level = step.kind === "level" ? walk.levels[step.at] : null;
    const shape = modeShape(walk.mode);
    const colour = level && shape ? `c${shape.levels - 1 - level.level}` : "c7";
    const title = level ? app.t("memory.step.level", { level: level.level, index: level.index }) : app.t(`memory.step.${step.kind}`, { mode: walk.mode });
    const bad = step.kind === "fault" || (level && step.at === walk.levels.length - 1 && !walk.ok);
    return h("li", { class: open ? "open" : "", "aria-current": open ? "step" : null },
      h("button", { type: "button", class: "walk-step", "aria-expanded": String(open), onclick: () => this.stepView.set(String(i)) },
        h("span", { class: `badge ${colour}` }, i + 1), h("b", null, title),
        level && h("span", { class: `chip ${bad ? "bad" : ""}` }, level.verdict),
        level?.pte && h("span", { class: "mono dim" }, `${fmt.addr(level.pte_addr)}: 0x${BigInt(level.pte).toString(16)}`)),
      open && h("div", { class: "walk-detail" }, this.detail(walk, step)));
  }

  /** @param {Walk} walk @param {Step} step @returns {import("../ui/dom.js").Child} */
  detail(walk, step) {
    switch (step.kind) {
      case "satp":
        return this.satpDetail(walk);
      case "canonical":
        return h("p", { class: "bad" }, walk.why);
      case "level":
        return this.levelDetail(walk, step.at);
      case "result":
        return this.resultDetail(walk);
      default:
        return this.faultDetail(walk);
    }
  }

  /** @param {Walk} walk */
  satpDetail(walk) {
    const { app, satp } = this;
    if (walk.mode === "bare") {
      return h("p", null, app.t(walk.as === "M" ? "memory.step.bare.M" : "memory.step.bare"));
    }
    return [
      satp && h("p", { class: "mono" }, `satp = 0x${BigInt(satp.value).toString(16)}`),
      satp && h("dl", { class: "fields" }, satp.fields.map((/** @type {any} */ f) => [
        h("dt", { class: "mono" }, `${f.name} ${f.high}..${f.low}`),
        h("dd", null, h("span", { class: "mono" }, f.word ?? `0x${BigInt(f.value).toString(16)}`), " ", h("span", { class: "dim" }, f.text ?? "")),
      ])),
      h("p", null, app.t("memory.step.satp.root", { root: fmt.addr(walk.root ?? 0n), levels: modeShape(walk.mode)?.levels ?? 0 })),
    ];
  }

  /** @param {Walk} walk @param {number} at */
  levelDetail(walk, at) {
    const { app } = this;
    const level = walk.levels[at];
    const shape = modeShape(walk.mode);
    const sum = entryAddress(walk, at);
    const pmp = level.pmp_entry === null ? app.t("memory.pmp.none") : app.t("memory.pmp.entry", { n: level.pmp_entry });
    return [
      h("p", { class: "mono" },
        h("span", { title: app.t("memory.step.table") }, fmt.addr(sum.table)), " + ",
        h("span", { class: `c${(shape?.levels ?? 1) - 1 - level.level} used-index` }, `VPN[${level.level}] ${sum.index}`), ` × ${sum.size} = `,
        h("button", { type: "button", class: "link mono", title: app.t("memory.step.see"), onclick: () => app.focus.set({ phys: level.pte_addr }) }, fmt.addr(level.pte_addr))),
      h("p", { class: "dim" }, `PMP: ${pmp}`),
      level.pte !== undefined && this.pteBits(BigInt(level.pte), shape?.pte === 8),
      h("p", null, h("b", null, app.t("memory.step.verdict")), " ", h("span", { class: "chip" }, level.verdict), " ", level.why),
    ];
  }

  /** An entry with each bit explained. @param {bigint} pte @param {boolean} wide */
  pteBits(pte, wide) {
    const { app } = this;
    const fields = pteFields(pte, wide);
    const value = (/** @type {{name: string, high: number, low: number, value: bigint}} */ f) => (f.high === f.low ? String(f.value) : "0x" + f.value.toString(16));
    return [
      h("div", { class: "pte", role: "group", "aria-label": app.t("memory.pte.bits") }, fields.map((f) =>
        h("span", { class: `pte-field ${f.value ? "on" : "off"}`, ...explain(app, `memory.${f.key}`) },
          h("span", { class: "pte-bit dim" }, f.high === f.low ? f.high : `${f.high}..${f.low}`), h("b", null, f.name), h("span", { class: "mono" }, value(f))))),
      h("details", null, h("summary", null, app.t("memory.pte.each")),
        h("dl", { class: "fields" }, fields.map((f) => [h("dt", { class: "mono" }, `${f.name} = ${value(f)}`), h("dd", null, app.t(`memory.${f.key}`))]))),
    ];
  }

  /** @param {Walk} walk */
  resultDetail(walk) {
    const { app } = this;
    const row = (/** @type {string} */ key, /** @type {import("../ui/dom.js").Child} */ value) => [h("dt", null, app.t(`memory.result.${key}`)), h("dd", null, value)];
    const pmp = walk.pmp && (walk.pmp.entry === null ? app.t("memory.pmp.none") : app.t("memory.pmp.entry", { n: walk.pmp.entry }));
    return h("dl", { class: "fields" },
      row("phys", h("button", { type: "button", class: "link mono", onclick: () => app.focus.set({ phys: walk.phys }) }, fmt.addr(walk.phys ?? 0n))),
      walk.mode !== "bare" && row("size", walk.size),
      row("rights", h("span", { class: "mono" }, walk.rights)),
      pmp && row("pmp", `${pmp} (${walk.pmp?.rights})`),
      row("region", `${walk.region?.name ?? app.t("memory.result.nothing")} +0x${BigInt(walk.region?.offset ?? 0).toString(16)} (${walk.region?.kind})`),
      walk.global && row("global", app.t("memory.result.global.yes")),
      walk.would_set && row("would_set", h("span", { class: "mono" }, walk.would_set.replaceAll("-", ""))),
      row("why", walk.why));
  }

  /** @param {Walk} walk */
  faultDetail(walk) {
    const { app } = this;
    return [
      h("p", { class: "bad" }, app.t("memory.step.fault.text", { name: walk.fault?.name ?? "", cause: walk.fault?.cause ?? 0 })),
      h("p", null, walk.why),
      walk.phys && h("p", { class: "mono" }, fmt.addr(walk.phys)),
    ];
  }

  dispose() {
    this.endWalk();
    for (const end of this.ends) {
      end();
    }
    this.p.dispose();
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const walk = new WalkPanel(root, bus, app);
  return () => walk.dispose();
}
