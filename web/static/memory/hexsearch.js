// SPDX-License-Identifier: MIT
// @ts-check
/**
 * HexSearch: looks for bytes in RAM and ROM, a piece a call, and lists where they are.
 */
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { hexDigits, parseBytes } from "./hexmodel.js";

const HITS_MAX = 100;

/** What to look for: text in quotes or as it is, bytes after 0x or as spaced pairs. @param {string} text @returns {Uint8Array | null} */
export function patternOf(text) {
  const trimmed = text.trim();
  if (!trimmed) {
    return null;
  }
  if (/^0x/i.test(trimmed) || /^[0-9a-f]{2}( [0-9a-f]{2})+$/i.test(trimmed)) {
    return parseBytes(trimmed);
  }
  const quoted = /^"(.*)"$/s.exec(trimmed);
  return new TextEncoder().encode(quoted ? quoted[1] : trimmed);
}

/**
 * @param {import("../app.js").App} app
 * @param {ReturnType<typeof import("../ui/panel.js").panel>} p
 * @param {(phys: string) => void} onhit
 */
export function hexSearch(app, p, onhit) {
  let turn = 0;
  const input = /** @type {HTMLInputElement} */ (
    h("input", { type: "search", class: "mono hex-find", "aria-label": app.t("memory.search"), placeholder: app.t("memory.search.hint"), title: app.t("memory.search.help") }));
  const status = h("span", { class: "dim", role: "status" });
  const list = h("div", { class: "hex-hits" });
  const stop = h("button", { type: "button", hidden: true, onclick: () => end() }, app.t("memory.search.stop"));

  function end() {
    turn++;
    stop.hidden = true;
  }

  async function run() {
    const mine = ++turn;
    const pattern = patternOf(input.value);
    clear(list);
    if (!pattern) {
      status.textContent = app.t("memory.search.bad");
      return;
    }
    stop.hidden = false;
    let cursor;
    let searched = 0n;
    let hits = 0;
    do {
      /** @type {any} */
      const params = { pattern: hexDigits(pattern), limit: HITS_MAX - hits, ...(cursor ? { cursor } : {}) };
      const answer = await p.bus.call("mem.search", params);
      if (mine !== turn) {
        status.textContent = app.t("memory.search.stopped");
        return;
      }
      searched += BigInt(answer.searched);
      hits += answer.hits.length;
      cursor = answer.cursor;
      for (const hit of answer.hits) {
        list.append(h("button", { type: "button", class: "chip mono", "data-phys": hit, onclick: () => onhit(hit) }, fmt.addr(hit)));
      }
      status.textContent = app.t("memory.search.found", { n: hits, bytes: fmt.bytes(searched) });
    } while (cursor && hits < HITS_MAX);
    stop.hidden = true;
    if (cursor) {
      status.textContent += app.t("memory.search.more");
    }
  }

  const root = h("form", {
    class: "toolbar hex-search", role: "search",
    onsubmit: (/** @type {Event} */ e) => {
      e.preventDefault();
      p.busy(run()).finally(() => (stop.hidden = true));
    },
  }, input, h("button", { type: "submit" }, app.t("memory.search.find")), stop, status, list);
  return { root, input, stop: end };
}
