// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Load: from what is in focus to a block that can be shown, or to a word about why there is none.
 *
 *   focus.block --tb.explain--> shown           it died meanwhile: still shown, with its death
 *        |            '-not found--tb.get--> gone: its death, and who lives in its place
 *   focus.addr --tb.get pc--> its block         neither: the first of the list
 *
 * Knows the bus and no page, so it is tested with a fake one.
 */
import { NetError, RpcError } from "../protocol.js";

/** @typedef {{call: (method: string, params?: object) => Promise<any>}} Caller */
/**
 * @typedef {{kind: "found", id: string} | {kind: "none", why: string} |
 *           {kind: "shown", id: string, e: import("./tb-links.js").Explained, death: any, successor: any} |
 *           {kind: "gone", id: string, death: any, successor: any} |
 *           {kind: "failed", id: string, error: unknown}} Loaded
 */

const SAME_PLACE = 50;
/* Where nothing is asked for: a block with something to see, among the first of the list. */
const GOOD_AMONG = 20;
const GOOD_INSNS = 4;

/** @param {unknown} e */
const isNotFound = (e) => e instanceof RpcError && e.class === "not-found";

/** @param {unknown} e */
export const isLost = (e) => e instanceof NetError;

/**
 * The live block at a dead one's place: the same code in RAM at the same address, best for the same state of the CPU.
 * @param {Caller} bus @param {{id: string, pc: string, ram?: string, flags: string}} dead
 */
export async function successorOf(bus, dead) {
  const { blocks } = await bus.call("tb.list", { from: dead.pc, to: dead.pc, sort: "age", limit: SAME_PLACE });
  const same = blocks.filter((/** @type {any} */ b) => b.alive && b.id !== dead.id && b.pc === dead.pc && b.ram === dead.ram);
  return same.find((/** @type {any} */ b) => b.flags === dead.flags) ?? same[0] ?? null;
}

/** @param {Caller} bus @param {string} id */
async function deathOf(bus, id) {
  try {
    return (await bus.call("tb.get", { id })).death;
  } catch (e) {
    if (isNotFound(e)) {
      return null; /* too long ago, or another machine's */
    }
    throw e;
  }
}

/** Who lives where a block lived; for one that nothing is known of, at the focused address. @param {Caller} bus @param {any} death @param {string} [addr] */
async function heirOf(bus, death, addr) {
  if (death) {
    return successorOf(bus, death);
  }
  if (!addr) {
    return null;
  }
  try {
    return (await bus.call("tb.get", { pc: addr })).block;
  } catch (e) {
    if (isNotFound(e)) {
      return null;
    }
    throw e;
  }
}

/** @param {Caller} bus @param {string} id @param {string} [addr] @returns {Promise<Loaded>} */
async function explainOrMourn(bus, id, addr) {
  try {
    const e = await bus.call("tb.explain", { id });
    const death = e.block.alive ? null : await deathOf(bus, id);
    return { kind: "shown", id, e, death, successor: death ? await successorOf(bus, death) : null };
  } catch (error) {
    if (!isNotFound(error)) {
      throw error;
    }
    const death = await deathOf(bus, id);
    return { kind: "gone", id, death, successor: await heirOf(bus, death, addr) };
  }
}

/**
 * @param {Caller} bus @param {{block?: string, addr?: string}} focus @returns {Promise<Loaded>} "found": look at this one
 */
export async function loadBlock(bus, focus) {
  try {
    if (focus.block) {
      return await explainOrMourn(bus, focus.block, focus.addr);
    }
    if (focus.addr) {
      const { block } = await bus.call("tb.get", { pc: focus.addr });
      return { kind: "found", id: block.id };
    }
    const { blocks } = await bus.call("tb.list", { sort: "samples", limit: GOOD_AMONG });
    const first = blocks.find((/** @type {any} */ b) => b.insns >= GOOD_INSNS) ?? blocks[0];
    return first ? { kind: "found", id: first.id } : { kind: "none", why: "no-blocks" };
  } catch (error) {
    return !focus.block && isNotFound(error) ? { kind: "none", why: "not-code" } : { kind: "failed", id: focus.block ?? "", error };
  }
}

/**
 * Runs fn now if there is a connection, and whenever there is one again.
 * @param {{bus: {state: string} & EventTarget}} app @param {() => void} fn @returns {() => void}
 */
export function whenOpen(app, fn) {
  /** @param {Event} e */
  const listener = (e) => /** @type {CustomEvent} */ (e).detail.state === "open" && fn();
  app.bus.addEventListener("state", listener);
  app.bus.state === "open" && fn();
  return () => app.bus.removeEventListener("state", listener);
}
