// SPDX-License-Identifier: MIT
// @ts-check
/** Stats: the translator in a strip of numbers, each with its sentence. */
import { clear, h } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";

const STATS_MS = 1000;

/** @param {number} a @param {number} b */
const share = (a, b) => (b ? a / b : 0);

/** Name and text of each number. @param {any} s a result of tb.stats @returns {[string, string][]} */
export function statItems(s) {
  const n = (/** @type {string} */ v) => Number(BigInt(v));
  const deaths = Object.values(s.deaths).reduce((sum, v) => sum + n(String(v)), 0);
  return [
    ["alive", fmt.count(s.alive)],
    ["translated", fmt.count(s.translated)],
    ["per_s", s.translations_per_s === null ? "–" : fmt.rate(s.translations_per_s)],
    ["expansion", `× ${Number(s.expansion).toFixed(1)}`],
    ["fill", fmt.percent(s.fill)],
    ["chained", fmt.percent(s.chained_share)],
    ["misses", fmt.percent(share(n(s.lookup_misses), n(s.lookups)))],
    ["deaths", fmt.count(deaths)],
    ["evictions", fmt.count(s.evictions)],
    ["backend", s.backend],
  ];
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const p = panel(app, bus, { id: "tb-stats", title: "translate.stats", help: "translate.stats.help", class: "tb-stats" });
  /** @type {any} */
  let last = null;
  /** @type {Map<string, HTMLElement>} */
  const cells = new Map();
  const list = h("dl", { class: "strip" });
  p.body.append(list);
  p.setJson(() => last);
  const deathWords = () =>
    Object.entries(last.deaths)
      .filter(([, v]) => BigInt(String(v)) > 0n)
      .map(([k, v]) => `${app.t(`translate.death.${k}`)}: ${fmt.exact(String(v))}`)
      .join("; ");
  p.bus.every(
    STATS_MS,
    "tb.stats",
    {},
    (s) => {
      last = s;
      p.fail(null);
      for (const [name, text] of statItems(s)) {
        if (!cells.has(name)) {
          const cell = h("dd", { class: "num" });
          cells.set(name, cell);
          list.append(h("div", null, h("dt", explain(app, `translate.stat.${name}.help`), app.t(`translate.stat.${name}`)), cell));
        }
        const cell = /** @type {HTMLElement} */ (cells.get(name));
        cell.textContent === text || clear(cell, text);
      }
      cells.get("deaths")?.setAttribute("title", deathWords());
    },
    (e) => p.fail(e),
  );
  root.append(p.root);
  return () => p.dispose();
}
