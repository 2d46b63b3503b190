// SPDX-License-Identifier: MIT
// @ts-check
/** Harts and steps: which hart all panels look at, where each one is, and why the machine stopped. */
import { deviceWords } from "../time/travel.js";
import { clear, h } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";

/** @typedef {import("../workspaces/cpu.js").Stop} Stop */

const PERIOD_MS = 1000;
/* The keys are those of the machine bar. */
const UNITS = /** @type {const} */ ([["insn", "s"], ["block", "b"], ["trap", "t"]]);

/** A sentence for a stop. @param {Stop | null} stop @param {(key: string, vars?: any) => string} t */
export function stopWords(stop, t) {
  if (!stop) {
    return t("cpu.stop.pause");
  }
  return t(stop.dma ? "cpu.stop.watch.dma" : `cpu.stop.${stop.reason}`, {
    device: stop.dma ? deviceWords(stop.dma) : "",
    cpu: stop.cpu,
    pc: fmt.addr(stop.pc),
    point: stop.point ?? "",
    insn: stop.insn_pc ? fmt.addr(stop.insn_pc) : "",
    address: stop.address ? fmt.addr(stop.address) : "",
    size: stop.size ?? "",
    access: stop.access ? t(`cpu.access.${stop.access}`) : "",
    old: stop.old ?? "",
    new: stop.new ?? "",
  });
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/cpu.js").Debugger} debug @returns {() => void} */
export function mount(root, bus, app, debug) {
  const p = panel(app, bus, { id: "cpu-control", title: "cpu.control", help: "cpu.control.help" });
  const harts = h("div", { class: "cpu-harts", role: "group", "aria-label": app.t("cpu.harts") });
  const run = h("button", { type: "button", onclick: () => toggleRun() });
  /** @type {HTMLButtonElement[]} */
  const steps = UNITS.map(([unit, key]) => /** @type {HTMLButtonElement} */ (h("button", { type: "button", "data-step": unit, onclick: () => debug.step(unit) }, app.t(`cpu.step.${unit}`), " ", h("kbd", null, key))));
  const why = h("p", { class: "cpu-why", role: "status" });
  p.body.append(harts, h("div", { class: "toolbar" }, run, steps, why));
  /** @type {any} */
  let last = null;

  const toggleRun = async () => {
    try {
      app.tellMachine(await p.bus.call(app.machine?.running ? "machine.stop" : "machine.cont"));
    } catch (e) {
      app.fail(e);
    }
  };

  const paintHarts = () => {
    const chosen = app.focus.get().cpu;
    if (!last) {
      return;
    }
    if (harts.children.length !== last.cpus.length) {
      clear(harts, last.cpus.map((/** @type {any} */ c) => h("button", { type: "button", class: "cpu-hart", "data-cpu": c.cpu, onclick: () => app.focus.set({ cpu: c.cpu }) })));
    }
    last.cpus.forEach((/** @type {any} */ c, /** @type {number} */ i) => {
      const button = harts.children[i];
      button.setAttribute("aria-pressed", String(c.cpu === chosen));
      clear(
        button,
        h("b", null, app.t("cpu.hart", { n: c.cpu })),
        " ",
        h("span", { class: c.halted ? "dim" : "good" }, c.halted ? `☾ ${app.t("cpu.halted")}` : `● ${app.t("cpu.awake")}`),
        h("span", { class: "mono dim cpu-hart-pc" }, ` ${fmt.addr(c.pc)} `, c.text.replace("\t", " ")),
      );
    });
  };

  const paint = () => {
    const running = app.machine?.running ?? true;
    run.textContent = running ? `‖ ${app.t("cpu.pause")}` : `▶ ${app.t("cpu.go")}`;
    run.toggleAttribute("disabled", !debug.mayChange);
    for (const b of steps) {
      b.disabled = running || !debug.mayChange;
      b.title = app.t(!debug.mayChange ? "cpu.viewer" : running ? "cpu.step.paused_only" : `cpu.step.${b.dataset.step}.help`);
    }
    if (running) {
      clear(why, h("span", { class: "dim", ...explain(app, "cpu.running.help") }, app.t("cpu.running")));
    } else {
      clear(why, h("b", null, app.t("cpu.stopped")), " ", stopWords(debug.reason, (k, v) => app.t(k, v)));
    }
  };

  /** @param {any} r */
  const take = (r) => {
    p.fail(null);
    last = r;
    paintHarts();
  };
  let end = () => {};
  const seen = whileSeen(p.root, () => (end = p.bus.every(PERIOD_MS, "cpu.list", {}, take, (e) => p.fail(e))), () => end());
  p.setJson(() => ({ ...last, stop: debug.stop }));
  const off = [
    debug.on(paint),
    app.onMachine(paint),
    app.focus.on((_f, changed) => changed.has("cpu") && paintHarts()),
    seen,
  ];
  root.append(p.root);
  return () => {
    off.forEach((fn) => fn());
    p.dispose();
  };
}
