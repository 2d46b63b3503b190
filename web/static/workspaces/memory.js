// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Memory: where addresses lead, what is there, and which pages the guest writes.
 *
 *   | heat map      | map of regions  |
 *   | hex view      | page-table walk |
 *   | mappings      | TLB             |
 */
import { h } from "../ui/dom.js";
import * as heat from "../panels/mem-heat.js";
import * as hex from "../panels/mem-hex.js";
import * as map from "../panels/mem-map.js";
import * as mappings from "../panels/mem-mappings.js";
import * as tlb from "../panels/mem-tlb.js";
import * as walk from "../panels/mem-walk.js";

export { strings } from "../strings/memory.js";
export const styles = ["css/memory.css"];

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const left = h("div", { class: "memory-column" });
  const right = h("div", { class: "memory-column" });
  root.append(left, right);
  const ends = [
    heat.mount(left, bus, app), map.mount(right, bus, app), hex.mount(left, bus, app),
    walk.mount(right, bus, app), mappings.mount(left, bus, app), tlb.mount(right, bus, app),
  ];
  return () => ends.forEach((end) => end());
}
