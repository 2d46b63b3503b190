// SPDX-License-Identifier: MIT
// @ts-check
/**
 * CPU: one hart in all detail, and the means to stop it where one wants.
 *
 *   harts, steps, why it stopped
 *   code around the pc | registers
 *   points             | mode, last traps
 *   control and status registers, one of them bit by bit
 */
import { dialog } from "../ui/dialog.js";
import { h } from "../ui/dom.js";
import { latest } from "../ui/latest.js";
import { mount as mountControl } from "../panels/cpu-control.js";
import { mount as mountCsr } from "../panels/cpu-csr.js";
import { mount as mountCode } from "../panels/cpu-code.js";
import { mount as mountPoints } from "../panels/cpu-points.js";
import { mount as mountRegisters } from "../panels/cpu-registers.js";
import { mount as mountTrap } from "../panels/cpu-trap.js";

export { strings } from "../strings/cpu.js";
export const styles = ["css/bitstrip.css", "css/cpu.css"];

/**
 * @typedef {{point: number, kind: "break" | "read" | "write" | "access", addr: string, len: number, owner: string}} Point
 * @typedef {{reason: string, cpu: number, pc: string, point?: number, insn_pc?: string, dma?: import("../time/travel.js").Dma, address?: string, size?: number,
 *            access?: string, old?: string, new?: string}} Stop
 * @typedef {{cpu: number, changed: string[], general: Record<string, string>, fp: Record<string, string>,
 *            csr: Record<string, string>, privileged: Record<string, string>}} Registers
 */

const POINTS_MS = 1000;
const SAMPLE_MS = 500;

/** "0x80..", "ffffffff_80.." or plain digits as a hex string of the wire; null: it is none. @param {string} text */
export function addressOf(text) {
  const digits = text.trim().replace(/^0x/i, "").replace(/_/g, "");
  return /^[0-9a-f]{1,16}$/i.test(digits) ? "0x" + BigInt("0x" + digits).toString(16) : null;
}

/**
 * What the panels of this workspace share: the registers, points, the last stop, and steps.
 *
 * Reading a hart holds it up. So registers are read once for all panels, twice a second, and a panel asks
 * for more when they show that there is something new.
 */
export class Debugger {
  /** @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app */
  constructor(bus, app) {
    this.bus = bus;
    this.app = app;
    /** @type {Point[]} */
    this.points = [];
    /** @type {Stop | null} */
    this.stop = null;
    this.known = false; /* points and stop were heard of */
    this.xlen = 64;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    /** @type {Registers | null} of the chosen hart */
    this.regs = null;
    /** @type {Registers | null} the sample before */
    this.before = null;
    /** @type {Set<() => void>} */
    this.samplers = new Set();
    /** @type {() => void} */
    this.endSamples = () => {};
    /** @type {() => Promise<void>} */
    this.sampleNow = () => Promise.resolve();
  }

  /** Reads the chosen hart's registers from now on. @param {import("../ui/panel.js").PanelBus} bus that of who pays @param {(e: Error | null) => void} trouble */
  sample(bus, trouble) {
    const cpu = this.app.focus.get().cpu;
    this.endSamples();
    this.regs = this.before = null;
    /** @param {Registers} r */
    const take = (r) => {
      if (r.cpu === this.app.focus.get().cpu) {
        this.before = this.regs;
        this.regs = r;
        trouble(null);
        this.samplers.forEach((fn) => fn());
      }
    };
    this.sampleNow = latest(() => bus.call("cpu.regs", { cpu, group: "all" }).then(take, trouble));
    this.endSamples = bus.every(SAMPLE_MS, "cpu.regs", { cpu, group: "all" }, take, trouble);
  }

  /** Calls fn for each sample. @param {() => void} fn @returns {() => void} */
  onSample(fn) {
    this.samplers.add(fn);
    this.regs && fn();
    return () => this.samplers.delete(fn);
  }

  start() {
    const refresh = () => this.bus.call("cpu.points").then((r) => this.take(r), () => {});
    this.bus.call("cpu.csr", { name: "mstatus" }).then((r) => ((this.xlen = r.csrs[0].bits), this.tell()), () => {});
    this.bus.every(POINTS_MS, "cpu.points", {}, (r) => this.take(r), (e) => this.app.fail(e));
    this.bus.subscribe(["machine.stopped", "machine.resumed"], {}, (event, data) => {
      event === "machine.stopped" && data.stop && this.stopped(data.stop);
      event === "machine.stopped" && this.sampleNow();
      refresh();
    });
  }

  /** @param {{points: Point[], stop: Stop | null}} result */
  take(result) {
    this.points = result.points;
    this.stop = result.stop;
    this.known = true;
    this.tell();
  }

  /** Where it stopped is what one wants to see. @param {Stop} stop */
  stopped(stop) {
    this.stop = stop;
    this.known = true;
    if (stop.cpu !== this.app.focus.get().cpu) {
      this.app.focus.set({ cpu: stop.cpu });
    }
    this.sampleNow();
    this.tell();
  }

  /** @param {string} text */
  addressOf(text) {
    return addressOf(text);
  }

  get mayChange() {
    return this.app.role === "operator";
  }

  /** Why the machine stands still; null: somebody paused it, or it runs. @returns {Stop | null} */
  get reason() {
    return this.app.machine?.state === "debug" ? this.stop : null;
  }

  /** @param {string} addr @returns {Point | undefined} */
  breakAt(addr) {
    return this.points.find((p) => p.kind === "break" && BigInt(p.addr) === BigInt(addr));
  }

  /** @param {string} method @param {object} params @returns {Promise<any>} */
  async change(method, params) {
    try {
      const result = await this.bus.call(method, params);
      this.take(await this.bus.call("cpu.points"));
      return result;
    } catch (e) {
      this.app.fail(e);
      return undefined;
    }
  }

  /** @param {string} addr */
  toggleBreak(addr) {
    const point = this.breakAt(addr);
    if (point && point.owner !== "inspect") {
      this.app.toast(this.app.t("cpu.points.foreign", { owner: point.owner }), "bad");
      return Promise.resolve();
    }
    return point ? this.change("cpu.point_remove", { point: point.point }) : this.change("cpu.break_add", { addr });
  }

  /** @param {"insn" | "block" | "trap"} unit */
  async step(unit) {
    const result = await this.change("cpu.step", { cpu: this.app.focus.get().cpu, unit });
    if (result?.stop) {
      this.stopped(result.stop);
    } else if (result && result.state === "running") {
      this.app.toast(this.app.t("cpu.step.goes_on"));
    }
    this.app.refresh();
  }

  /** Asks for a register's new value, and says what writing it means. @param {string} name @param {string} value */
  edit(name, value) {
    const { app } = this;
    const cpu = app.focus.get().cpu;
    const input = /** @type {HTMLInputElement} */ (h("input", { type: "text", class: "mono", size: "22", value, spellcheck: "false", "aria-label": app.t("cpu.edit.value") }));
    const write = async () => {
      const wanted = addressOf(input.value);
      if (wanted === null) {
        input.setAttribute("aria-invalid", "true");
        input.focus();
        return;
      }
      d.close();
      const got = await this.change("cpu.set", { cpu, name, value: wanted });
      this.sampleNow();
      if (got) {
        const same = BigInt(got.value) === BigInt(wanted);
        app.toast(app.t(same ? "cpu.edit.done" : "cpu.edit.other", { name, value: got.value }));
      }
    };
    const d = dialog(
      app.t("cpu.edit.title", { name, cpu }),
      h(
        "form",
        { onsubmit: (/** @type {Event} */ e) => (e.preventDefault(), write()) },
        h("p", null, app.t("cpu.edit.text")),
        app.machine?.running ? h("p", { class: "warn" }, `⚠ ${app.t("cpu.edit.running")}`) : null,
        app.machine?.icount ? h("p", { class: "warn" }, `⚠ ${app.t("cpu.edit.recorded")}`) : null,
        h("div", { class: "toolbar" }, input, h("button", { type: "submit", class: "primary" }, app.t("cpu.edit.write"))),
      ),
      { close: app.t("shell.close") },
    );
    input.select();
  }

  tell() {
    this.listeners.forEach((fn) => fn());
  }

  /** Calls fn now and whenever something of this changes. @param {() => void} fn @returns {() => void} */
  on(fn) {
    this.listeners.add(fn);
    fn();
    return () => this.listeners.delete(fn);
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const debug = new Debugger(bus, app);
  const areas = Object.fromEntries(["top", "left", "right", "bottom"].map((name) => [name, h("div", { class: `cpu-${name}` })]));
  root.append(...Object.values(areas));
  const off = [
    mountControl(areas.top, bus, app, debug),
    mountCode(areas.left, bus, app, debug),
    mountPoints(areas.left, bus, app, debug),
    mountRegisters(areas.right, bus, app, debug),
    mountTrap(areas.right, bus, app, debug),
    mountCsr(areas.bottom, bus, app, debug),
  ];
  debug.start();
  return () => off.forEach((fn) => fn());
}
