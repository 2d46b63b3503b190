// SPDX-License-Identifier: MIT
// @ts-check
/** The last traps of a hart in words: what happened, where, who handles it, and where it will go on. */
import { serverWords } from "../strings/cpu.js";
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { latest } from "../ui/latest.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";

/**
 * @typedef {{to: string, state: "none" | "entered" | "perhaps" | "left" | "below", words: string, interrupt: boolean, code: number,
 *            cause: string, name: string, meaning: string, epc: string, epc_text: string | null, tval: string, tval_words: string,
 *            handler: string, returns: {pc: string, mode: string, interrupts: boolean, words: string} | null}} Trap
 */

const TOLD_BY = ["priv", "mcause", "mepc", "mtval", "mtvec", "scause", "sepc", "stval", "stvec", "mstatus", "mip", "mie"];
const SIGNS = { none: "–", entered: "▶", perhaps: "?", left: "✓", below: "‖" };
const ADDRESS_CAUSES = new Set([0, 1, 3, 4, 5, 6, 7, 12, 13, 15]);

const ILLEGAL = 2;
const PAGE_FAULTS = new Set([12, 13, 15]);

/** Words for the value of a trap, without the words that the server has for each cause. @param {Trap} t */
function tvalKey(t) {
  if (t.interrupt || !ADDRESS_CAUSES.has(t.code)) {
    return !t.interrupt && t.code === ILLEGAL ? "tval.bits" : "tval.none";
  }
  return "tval.address";
}

/**
 * What the server says, in the page's language. @param {"en" | "zh"} language @param {string} key @param {string} text the server's
 * @param {Record<string, string | number>} [vars]
 */
export function wordsOf(language, key, text, vars = {}) {
  const own = language === "zh" ? serverWords[key] : undefined;
  return own?.replace(/\{(\w+)\}/g, (all, name) => String(vars[name] ?? all)) ?? text;
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/cpu.js").Debugger} debug @returns {() => void} */
export function mount(root, bus, app, debug) {
  const p = panel(app, bus, { id: "cpu-trap", title: "cpu.trap", help: "cpu.trap.help" });
  /** @type {any} */
  let last = null;
  let shown = "";
  let seen = false;

  /** @param {string} key @param {string} text @param {Record<string, string | number>} [vars] */
  const say = (key, text, vars) => wordsOf(app.words.language, key, text, vars);
  /** @param {string} a */
  const address = (a) => h("button", { type: "button", class: "link mono", title: app.t("cpu.focus"), onclick: () => app.focus.set({ addr: a }) }, fmt.addr(a));
  /** @param {string} title @param {...import("../ui/dom.js").Child} what */
  const line = (title, ...what) => [h("dt", null, title), h("dd", null, what)];

  /** @param {Trap} t */
  const box = (t) => {
    const id = `${t.interrupt ? "i" : "e"}${t.code}`;
    const m = t.to.toLowerCase();
    return h(
      "section",
      { class: `trap trap-${t.state}`, "data-to": t.to },
      h("h3", null, `${SIGNS[t.state]} ${app.t("cpu.trap.to", { mode: t.to })}: `, t.state === "none" ? app.t("cpu.trap.none") : t.name),
      h("p", { class: "dim" }, say(`state.${t.state}`, t.words)),
      t.state === "none"
        ? null
        : h(
            "dl",
            null,
            line(app.t("cpu.trap.what"), say(`cause.${id}`, t.meaning), h("span", { class: "dim mono" }, ` ${m}cause ${t.cause} (${app.t(t.interrupt ? "cpu.trap.interrupt" : "cpu.trap.exception")} ${t.code})`)),
            line(app.t("cpu.trap.where"), address(t.epc), h("span", { class: "mono" }, ` ${t.epc_text?.replace("\t", " ") ?? app.t("cpu.trap.unreadable")}`), h("span", { class: "dim mono" }, ` ${m}epc`)),
            line(app.t("cpu.trap.value"), !t.interrupt && ADDRESS_CAUSES.has(t.code) ? address(t.tval) : h("span", { class: "mono" }, t.tval), ` ${say(tvalKey(t), t.tval_words)}`, !t.interrupt && PAGE_FAULTS.has(t.code) ? [" ", h("button", { type: "button", class: "link trap-walk", onclick: () => app.go("memory", { addr: t.tval, cpu: last.cpu }) }, app.t("cpu.trap.walk"))] : null, h("span", { class: "dim mono" }, ` ${m}tval`)),
            line(app.t("cpu.trap.handler"), address(t.handler), h("span", { class: "dim mono" }, ` ${m}tvec`)),
            t.returns ? line(app.t("cpu.trap.returns"), say("returns", t.returns.words, { ret: `${m}ret`, pc: t.returns.pc, mode: t.returns.mode, ie: Number(t.returns.interrupts) })) : null,
          ),
    );
  };

  /** @param {any} r */
  const take = (r) => {
    last = r;
    const held = document.activeElement;
    if (held && p.body.contains(held)) {
      shown = ""; /* somebody is about to press what would go away: later */
      return;
    }
    clear(
      p.body,
      h("p", { class: "trap-now" }, h("b", null, app.t(`cpu.mode.${r.mode}`)), " ", app.t(`cpu.mode.${r.mode}.help`), r.next ? h("span", { class: "warn" }, ` ⚡ ${app.t("cpu.trap.next", { name: r.next.name })}`) : null),
      r.traps.map(box),
    );
  };
  const ask = latest(async () => {
    const { cpu } = app.focus.get();
    const result = await p.busy(p.bus.call("cpu.trap", { cpu }));
    result && cpu === app.focus.get().cpu && take(result);
  });
  /* Asked for when a register that tells of traps has changed; of a machine that stands still, when the pc has. */
  const follow = () => {
    const regs = debug.regs;
    if (regs && seen) {
      const now = JSON.stringify([regs.cpu, TOLD_BY.map((n) => regs.privileged[n]), app.machine?.running ? "" : regs.general.pc]);
      if (now !== shown) {
        shown = now;
        ask();
      }
    }
  };
  p.setJson(() => last);
  const off = [debug.onSample(follow), whileSeen(p.root, () => ((seen = true), follow()), () => (seen = false))];
  root.append(p.root);
  return () => {
    off.forEach((fn) => fn());
    p.dispose();
  };
}
