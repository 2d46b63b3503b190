// SPDX-License-Identifier: MIT
// @ts-check
/** Travel: to another moment of the run, and the page with it. */
import { fmt } from "../ui/format.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {ReturnType<typeof import("../ui/panel.js").panel>} Panel */
/** @typedef {{reason: string, cpu: number, pc: string, insn_pc?: string, address?: string, size?: number, old_value?: string, new_value?: string,
 *            old?: string, new?: string, dma?: Dma}} Stop */
/** @typedef {{device: string, part: string, addr: string, len: string, queue?: number, descriptor?: number}} Dma a device's access */
/** @typedef {{first: string, count: string, seen: string, entries: number, bytes: string, budget: string, stop: Stop,
 *             moments?: {count: string, ns: string, bytes: string}[]}} HistoryStatus */

/** What an operator adds to the command line to get a history. */
export const HISTORY_OPTIONS = "-icount shift=0 -history on";

/**
 * Calls history.go, back or back_to_point; then everything on the page looks at where that led.
 * @param {App} app @param {{call: (method: string, params?: object) => Promise<any>}} bus
 * @param {string} method @param {object} [params] @returns {Promise<HistoryStatus>}
 */
export async function travel(app, bus, method, params = {}) {
  const answer = await bus.call(method, params);
  app.focus.set({ count: answer.count, cpu: answer.stop.cpu });
  await app.refresh();
  return answer;
}

/** Which device, and where the driver let it. @param {Dma} dma */
export function deviceWords(dma) {
  return dma.queue === undefined ? dma.device : `${dma.device} queue ${dma.queue} chain ${dma.descriptor}`;
}

/** Why the machine stands where it stands. @param {App} app @param {Stop} stop */
export function stopWords(app, stop) {
  return app.t(stop.dma ? "time.stop.watch.dma" : `time.stop.${stop.reason}`, {
    device: stop.dma ? deviceWords(stop.dma) : "",
    pc: fmt.addr(stop.insn_pc ?? stop.pc),
    address: stop.address ? fmt.addr(stop.address) : "",
    old: stop.old_value ?? stop.old ?? "",
    new: stop.new_value ?? stop.new ?? "",
    cpu: stop.cpu,
  });
}
