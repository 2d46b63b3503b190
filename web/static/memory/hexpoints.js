// SPDX-License-Identifier: MIT
// @ts-check
/**
 * HexPoints: watch points, set on a selection and listed.
 *
 * A watch point is on virtual addresses. For a physical one the page tables in force are gone through, and every
 * virtual address found gets one: a store through any other mapping is not seen, and the text says so.
 */
import { deviceWords } from "../time/travel.js";
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";

const POINTS_MS = 500;
const ALIASES_MAX = 8;
const RUNS_A_CALL = 4096;
const CALLS_MAX = 20;

/** @typedef {{point: number, kind: string, addr: string, len: string, owner: string}} Point */

/**
 * The virtual addresses at which the present address space has a physical one.
 * @param {{call: (method: string, params?: object) => Promise<any>}} bus @param {number} cpu @param {bigint} phys
 * @returns {Promise<bigint[]>} rejects if paging is off
 */
export async function virtualOf(bus, cpu, phys) {
  /** @type {bigint[]} */
  const found = [];
  let cursor;
  let satp;
  for (let i = 0; i < CALLS_MAX && found.length < ALIASES_MAX; i++) {
    /** @type {any} */
    const answer = await bus.call("mmu.mappings", { cpu, limit: RUNS_A_CALL, ...(cursor ? { cursor, satp } : {}) });
    for (const run of answer.runs) {
      const offset = phys - BigInt(run.phys);
      if (offset >= 0n && offset < BigInt(run.size)) {
        found.push(BigInt(run.first) + offset);
      }
    }
    ({ cursor, satp } = answer);
    if (!cursor) {
      break;
    }
  }
  return found.slice(0, ALIASES_MAX);
}

/** Does the hart translate addresses now? @param {any} error of mmu.mappings */
export function isBare(error) {
  return error?.class === "bad-state";
}

/**
 * @param {import("../app.js").App} app @param {ReturnType<typeof import("../ui/panel.js").panel>} p
 * @param {() => {space: string, from: bigint, len: number}} selection
 */
export function hexPoints(app, p, selection) {
  /** @type {Point[]} */
  let points = [];
  const access = /** @type {HTMLSelectElement} */ (
    h("select", { "aria-label": app.t("memory.watch.which") }, ["write", "read", "access"].map((a) => h("option", { value: a }, app.t(`memory.watch.${a}`)))));
  const button = h("button", { type: "button", class: "hex-watch", disabled: app.role !== "operator", title: app.t("memory.watch.help"), onclick: () => p.busy(add()) }, app.t("memory.watch"));
  const list = h("div", { class: "hex-points" });
  const stopped = h("p", { class: "hex-stop warn", role: "status", hidden: true });

  async function addresses() {
    const { space, from } = selection();
    if (space === "virt") {
      return [from];
    }
    const found = await virtualOf(p.bus, app.focus.get().cpu, from).catch((e) => {
      if (isBare(e)) {
        return [from]; /* translation is off: both are one */
      }
      throw e;
    });
    if (!found.length) {
      throw new Error(app.t("memory.watch.unmapped", { addr: fmt.addr(from) }));
    }
    return found;
  }

  async function add() {
    const { len } = selection();
    for (const addr of await addresses()) {
      const made = await p.bus.call("cpu.watch_add", { addr: "0x" + addr.toString(16), len, access: access.value });
      app.toast(app.t("memory.watch.added", { n: made.point, len, addr: fmt.addr(addr) }));
    }
  }

  /** @param {number} point */
  const remove = (point) => p.busy(p.bus.call("cpu.point_remove", { point })).then(() => button.focus());

  function paint(/** @type {any} */ answer) {
    points = answer.points.filter((/** @type {Point} */ w) => w.kind !== "break");
    clear(list, points.map((w) =>
      h("span", { class: "chip mono" },
        app.t("memory.watch.point", { n: w.point, kind: app.t(`memory.watch.${w.kind}`), len: Number(w.len), addr: fmt.addr(w.addr) }),
        app.role === "operator" && h("button", { type: "button", class: "tool", "aria-label": app.t("memory.watch.remove", { n: w.point }), onclick: () => remove(w.point) }, "✕"))));
    const stop = answer.stop;
    const ours = stop && stop.address && !app.machine?.running;
    stopped.hidden = !ours;
    stopped.textContent = ours ? app.t(stop.dma ? "memory.watch.stopped.dma" : "memory.watch.stopped", { device: stop.dma ? deviceWords(stop.dma) : "", addr: fmt.addr(stop.address), pc: fmt.addr(stop.insn_pc ?? stop.pc), old: stop.old ?? "?", new: stop.new ?? "?" }) : "";
  }

  p.bus.every(POINTS_MS, "cpu.points", {}, paint, (/** @type {Error} */ e) => p.fail(e));
  return {
    controls: [button, access],
    root: h("div", null, list, stopped),
    /** Is a virtual address under watch? @param {bigint} addr */
    watches(addr) {
      return points.some((w) => addr >= BigInt(w.addr) && addr - BigInt(w.addr) < BigInt(w.len));
    },
  };
}
