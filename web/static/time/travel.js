// SPDX-License-Identifier: MIT
// @ts-check
/** Travel: to another moment of the run, and the page with it. */
import { fmt } from "../ui/format.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {ReturnType<typeof import("../ui/panel.js").panel>} Panel */
/** @typedef {{reason: string, cpu: number, pc: string, insn_pc?: string, address?: string, size?: number, old_value?: string, new_value?: string,
 *            old?: string, new?: string}} Stop */
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

/** Why the machine stands where it stands. @param {App} app @param {Stop} stop */
export function stopWords(app, stop) {
  return app.t(`time.stop.${stop.reason}`, {
    pc: fmt.addr(stop.insn_pc ?? stop.pc),
    address: stop.address ? fmt.addr(stop.address) : "",
    old: stop.old_value ?? stop.old ?? "",
    new: stop.new_value ?? stop.new ?? "",
    cpu: stop.cpu,
  });
}
