// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Translate: which blocks run, how one of them came to be, and what is around it.
 *
 *   | numbers of the translator                                  |
 *   | hot list | one block: guest, IR, optimized IR, host        |
 *   |          | its neighbours    | its life                    |
 *   | the code buffer                                            |
 */
import { h } from "../ui/dom.js";
import { mount as buffer } from "../panels/tb-buffer.js";
import { mount as columns } from "../panels/tb-columns.js";
import { mount as graph } from "../panels/tb-graph.js";
import { mount as life } from "../panels/tb-life.js";
import { mount as list } from "../panels/tb-list.js";
import { mount as stats } from "../panels/tb-stats.js";

export { strings } from "../strings/translate.js";
export const styles = ["css/translate.css"];

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const places = { stats, list, columns, graph, life, buffer };
  const ends = Object.entries(places).map(([name, panel]) => {
    const place = h("div", { class: `place ${name}` });
    root.append(place);
    return panel(place, bus, app);
  });
  return () => ends.forEach((end) => end());
}
