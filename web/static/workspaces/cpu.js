// SPDX-License-Identifier: MIT
// @ts-check
/** CPU: where each hart is. */
import { panel } from "../ui/panel.js";
import { table } from "../ui/table.js";

/** @type {import("../i18n.js").Strings} */
export const strings = {
  en: { "cpu.list": "Harts", "cpu.list.help": "Each hart, and the instruction it is about to execute." },
  zh: { "cpu.list": "硬件线程", "cpu.list.help": "每个硬件线程，以及它将要执行的指令。" },
};

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const p = panel(app, bus, { id: "cpu-list", title: "cpu.list", help: "cpu.list.help" });
  const t = table({
    columns: [{ key: "cpu", title: "#" }, { key: "pc", title: "pc", mono: true }, { key: "text", title: "", mono: true }],
    label: app.t("cpu.list"),
    onrow: (r) => app.focus.set({ cpu: r.cpu }),
    selected: (r) => r.cpu === app.focus.get().cpu,
  });
  /** @type {any} */
  let last = null;
  const paint = () => last && t.update(last.cpus);
  p.body.append(t.root);
  p.setJson(() => last);
  p.bus.every(500, "cpu.list", {}, (r) => ((last = r), paint()), (e) => p.fail(e));
  const off = app.focus.on(paint);
  root.append(p.root);
  return () => {
    off();
    p.dispose();
  };
}
