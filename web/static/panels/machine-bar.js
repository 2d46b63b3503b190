// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Machine bar: whether the machine runs, where it stands, how fast; and what drives it. In the frame of all workspaces.
 *
 *   [pause][insn][block][trap][back] [reset][power]  running · #12,345 · 85 MIPS · tcg x86_64
 *
 * A button that cannot be used now says why when one tries.
 */
import { RpcError } from "../protocol.js";
import { dialog } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { fmt } from "../ui/format.js";
import { icon } from "../ui/icons.js";

export { strings } from "../strings/bar.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../ui/panel.js").PanelBus} PanelBus */
/** @typedef {import("../app.js").MachineStatus} MachineStatus */
/** @typedef {{name: string, icon: import("../ui/icons.js").IconName, keys?: string, run: () => Promise<void>, refusal: () => string | null}} Action */

const MIPS_SAMPLES = 4;

/** Speed: instructions a second of host time, over the last samples. */
export class Speed {
  constructor() {
    /** @type {{count: bigint, ns: bigint}[]} */
    this.samples = [];
  }

  /** @param {MachineStatus} m @returns {number | null} millions a second; null: not known */
  add(m) {
    const sample = { count: BigInt(m.count), ns: BigInt(m.uptime_ns) };
    const before = this.samples[this.samples.length - 1];
    if (!m.icount || !m.running || (before && (sample.count < before.count || sample.ns < before.ns))) {
      this.samples = []; /* it stopped, or went back */
    }
    if (!m.icount || !m.running) {
      return null;
    }
    if (before?.ns !== sample.ns) {
      this.samples.push(sample);
      this.samples.length > MIPS_SAMPLES && this.samples.shift();
    }
    const first = this.samples[0];
    const ns = Number(sample.ns - first.ns);
    return ns > 0 ? (Number(sample.count - first.count) / ns) * 1000 : null;
  }
}

/** Asks before something that cannot be taken back. @param {App} app @param {string} key @returns {Promise<boolean>} */
function confirmed(app, key) {
  let yes = false;
  const d = dialog(
    app.t(`bar.${key}`),
    [
      h("p", null, app.t(`bar.${key}.ask`)),
      h("p", { class: "toolbar" }, h("button", { type: "button", class: "primary", onclick: () => ((yes = true), d.close()) }, app.t(`bar.${key}`)), h("button", { type: "button", onclick: () => d.close() }, app.t("bar.cancel"))),
    ],
    { close: app.t("shell.close") },
  );
  return d.closed.then(() => yes);
}

class MachineBar {
  /** @param {HTMLElement} root @param {PanelBus} bus @param {App} app */
  constructor(root, bus, app) {
    this.root = root;
    this.bus = bus;
    this.app = app;
    this.speed = new Speed();
    this.stop = null; /* why it stopped last, as of the server */
    /** @type {string | null} why one cannot go back; null: one can */
    this.noHistory = app.t("bar.back.unknown");
    this.busy = false;
    /** @type {Action | null} waits for the one that is under way */
    this.next = null;
    /** @type {[Action, HTMLElement][]} */
    this.buttons = this.actions().map((a) => [a, this.button(a)]);
    this.state = h("span", { class: "chip state", role: "status" });
    this.where = h("button", { class: "link mono where", type: "button", hidden: true, title: app.t("bar.where.help"), onclick: () => this.goWhere() });
    this.count = h("span", { class: "mono", ...explain(app, "bar.count.help") });
    this.mips = h("span", { class: "mono", ...explain(app, "bar.mips.help") });
    this.accel = h("span", { class: "accel dim", ...explain(app, "bar.accel.help") });
    const groups = h("div", { class: "buttons", role: "toolbar", "aria-label": app.t("bar.toolbar") }, this.buttons.map(([, b]) => b));
    root.append(groups, this.state, this.where, this.count, this.mips, this.accel);
  }

  /** @returns {Action[]} */
  actions() {
    const viewer = () => (this.app.role !== "operator" ? this.app.t("bar.viewer") : this.app.bus.state === "ended" ? this.app.t("bar.over") : null);
    const stopped = () => viewer() ?? (this.app.machine?.running ? this.app.t("bar.pause_first") : null);
    /** @param {string} unit */
    const step = (unit) => async () => this.arrived(await this.bus.call("cpu.step", { cpu: this.app.focus.get().cpu, unit }));
    return [
      { name: "run", icon: "pause", keys: "p", refusal: viewer, run: () => this.toggle() },
      { name: "insn", icon: "step", keys: "s", refusal: stopped, run: step("insn") },
      { name: "block", icon: "step_block", keys: "b", refusal: stopped, run: step("block") },
      { name: "trap", icon: "to_trap", keys: "t", refusal: stopped, run: step("trap") },
      { name: "back", icon: "back", keys: "z", refusal: () => stopped() ?? this.noHistory, run: async () => this.arrived(await this.bus.call("history.back", { insns: "0x1" })) },
      { name: "reset", icon: "reset", refusal: viewer, run: () => this.ask("reset", "machine.reset") },
      { name: "power", icon: "power", refusal: viewer, run: () => this.ask("power", "machine.powerdown") },
    ];
  }

  /** @param {Action} a */
  button(a) {
    return h("button", { type: "button", class: "tool do", "data-do": a.name, onclick: () => this.do(a) }, icon(a.icon), h("span", { class: "label" }, this.app.t(`bar.${a.name}.short`)));
  }

  /** One at a time; of a key held down only the last waits. @param {Action} a */
  async do(a) {
    this.next = a;
    if (this.busy) {
      return;
    }
    this.busy = true;
    try {
      while (this.next) {
        const action = this.next;
        this.next = null;
        const refusal = action.refusal();
        refusal ? this.app.toast(refusal) : await action.run();
      }
    } catch (e) {
      this.app.fail(e);
    } finally {
      this.busy = false;
    }
  }

  async toggle() {
    this.stop = null;
    this.app.tellMachine(await this.bus.call(this.app.machine?.running ? "machine.stop" : "machine.cont"));
  }

  /** @param {string} name @param {string} method */
  async ask(name, method) {
    if (await confirmed(this.app, name)) {
      await this.bus.call(method);
      this.app.refresh();
    }
  }

  /** @param {any} result of a step or a journey */
  async arrived(result) {
    this.stop = result.stop ?? null;
    await this.app.refresh();
    if (result.state === "running") {
      this.app.toast(this.app.t("bar.waiting")); /* it ends when the hart wakes */
    }
  }

  goWhere() {
    const { cpu } = this.app.focus.get();
    this.app.go("cpu", { cpu: this.stop?.cpu ?? cpu, addr: this.stop?.pc });
  }

  /** @param {MachineStatus} m */
  show(m) {
    const { app } = this;
    const known = app.bus.state === "open";
    this.state.textContent = app.t(app.bus.state === "ended" ? "bar.ended" : !known ? "bar.unknown" : m.running ? "bar.running" : "bar.stopped");
    this.state.classList.toggle("good", known && m.running);
    this.state.classList.toggle("warn", !known || !m.running);
    const stop = m.running ? null : this.stop;
    this.where.hidden = !stop?.pc;
    const where = stop?.pc ? `${app.t(`bar.stop.${stop.reason}`)} @ ${fmt.addr(stop.pc)}` : "";
    this.where.textContent = where;
    this.where.title = `${where}: ${app.t("bar.where.help")}`; /* a narrow bar shows its beginning */
    this.count.hidden = !m.icount;
    this.count.textContent = m.icount ? `#${m.running ? fmt.count(m.count) : fmt.exact(m.count)}` : "";
    const mips = this.speed.add(m);
    this.mips.hidden = mips === null;
    this.mips.textContent = mips === null ? "" : app.t("bar.mips", { n: mips >= 10 ? Math.round(mips) : mips.toFixed(1) });
    this.accel.textContent = `${m.accel} ${m.backend}`;
    for (const [action, node] of this.buttons) {
      this.paintButton(action, node, m);
    }
  }

  /** @param {Action} a @param {HTMLElement} node @param {MachineStatus} m */
  paintButton(a, node, m) {
    const { app } = this;
    const name = a.name === "run" ? (m.running ? "pause" : "run") : a.name;
    const refusal = a.refusal();
    const label = app.t(`bar.${name}`);
    const title = `${label}${a.keys ? ` (${a.keys})` : ""}${refusal ? ` — ${refusal}` : ""}`;
    if (node.title !== title) {
      node.title = title;
      node.setAttribute("aria-disabled", String(Boolean(refusal)));
    }
    if (a.name === "run" && node.dataset.shows !== name) {
      node.dataset.shows = name;
      node.replaceChildren(icon(m.running ? "pause" : "play"), h("span", { class: "label" }, app.t(`bar.${name}.short`)));
    }
  }

  /** Whether one can step back, and if not why. */
  async learnHistory() {
    try {
      await this.bus.call("history.status");
      this.noHistory = null;
    } catch (e) {
      this.noHistory = e instanceof RpcError && e.class === "unsupported" ? this.app.t("bar.back.none") : this.app.errorText(e);
    }
    this.app.machine && this.show(this.app.machine);
  }

  /** @returns {() => void} */
  start() {
    const { app } = this;
    const offs = this.buttons.map(([a]) => app.command({ id: `bar.${a.name}`, title: app.t(a.name === "run" ? "bar.toggle" : `bar.${a.name}`), keys: a.keys, run: () => this.do(a), when: () => app.role === "operator" }));
    offs.push(app.onMachine((m) => this.show(m)));
    this.bus.subscribe(["machine.stopped"], {}, (_event, data) => {
      this.stop = data.stop ?? this.stop;
      app.refresh();
    });
    this.bus.subscribe(["machine.shutdown"], {}, (_event, data) => app.toast(app.t("bar.shutdown", { cause: data.cause }), "bad"));
    const learn = (/** @type {any} */ e) => {
      e.detail.state === "open" && this.learnHistory();
      app.machine && this.show(app.machine); /* what was last heard holds no longer */
    };
    app.bus.addEventListener("state", learn);
    app.bus.state === "open" && this.learnHistory();
    return () => {
      offs.forEach((off) => off());
      app.bus.removeEventListener("state", learn);
    };
  }
}

/** @param {HTMLElement} root @param {PanelBus} bus @param {App} app @returns {() => void} */
export function mount(root, bus, app) {
  return new MachineBar(root, bus, app).start();
}
