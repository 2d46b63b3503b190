// SPDX-License-Identifier: MIT
// @ts-check
/** Mappings: what the present address space maps, neighbours with equal bits as one run, a page of runs at a time. */
import { h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";
import { table } from "../ui/table.js";
import { isBare } from "../memory/hexpoints.js";

const RUNS = 60;

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const p = panel(app, bus, { id: "mem-mappings", title: "memory.mappings", help: "memory.mappings.help" });
  const t = table({
    label: app.t("memory.mappings"),
    columns: [
      { key: "first", title: app.t("memory.mappings.first"), mono: true, render: (v) => fmt.addr(v) },
      { key: "size", title: app.t("memory.mappings.size"), num: true, render: (v) => fmt.bytes(v) },
      { key: "phys", title: app.t("memory.mappings.phys"), mono: true, render: (v) => fmt.addr(v) },
      { key: "bits", title: app.t("memory.mappings.bits"), mono: true, explain: app.t("memory.mappings.bits.help") },
      { key: "leaves", title: app.t("memory.mappings.leaves"), num: true, explain: app.t("memory.mappings.leaves.help"), render: (v) => fmt.exact(v) },
    ],
    rowKey: (r) => r.first,
    onrow: (r) => app.focus.set({ addr: r.first }),
    selected: (r) => contains(r, app.focus.get().addr),
    empty: app.t("memory.mappings.empty"),
  });
  const note = h("span", { class: "dim", role: "status" });
  const back = h("button", { type: "button", disabled: true, onclick: () => turn(-1) }, app.t("memory.mappings.back"));
  const more = h("button", { type: "button", disabled: true, onclick: () => turn(1) }, app.t("memory.mappings.more"));
  /** @type {any} */
  let last = null;
  /** @type {string[]} cursors of the pages before */
  let past = [];
  /** @type {string | null} */
  let cursor = null;

  /** @param {any} run @param {string | undefined} addr */
  function contains(run, addr) {
    const offset = addr ? BigInt(addr) - BigInt(run.first) : -1n;
    return offset >= 0n && offset < BigInt(run.size);
  }

  async function load() {
    const cpu = app.focus.get().cpu;
    try {
      last = await p.bus.call("mmu.mappings", { cpu, limit: RUNS, ...(cursor ? { cursor, satp: last.satp } : {}) });
      note.textContent = app.t("memory.mappings.of", { mode: last.mode ?? "", satp: last.satp, page: past.length + 1 });
    } catch (e) {
      if (!isBare(e)) {
        throw e;
      }
      last = { runs: [], cursor: null };
      note.textContent = app.t("memory.bare");
    }
    t.update(last.runs);
    back.toggleAttribute("disabled", !past.length);
    more.toggleAttribute("disabled", !last.cursor);
  }

  /** @param {number} by */
  function turn(by) {
    if (by > 0) {
      past.push(cursor ?? "");
      cursor = last.cursor;
    } else {
      cursor = past.pop() || null;
    }
    p.busy(load());
  }

  function restart() {
    past = [];
    cursor = null;
    p.busy(load());
  }

  p.body.append(h("div", { class: "toolbar" }, h("button", { type: "button", onclick: restart }, app.t("memory.mappings.again")), back, more, note), t.root);
  p.setJson(() => last);
  const off = app.focus.on((_f, changed) => (changed.has("cpu") ? restart() : changed.has("addr") && last && t.update(last.runs)));
  root.append(p.root);
  const unseen = whileSeen(p.root, () => last || restart(), () => {});
  return () => {
    unseen();
    off();
    p.dispose();
  };
}
