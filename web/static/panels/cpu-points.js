// SPDX-License-Identifier: MIT
// @ts-check
/** Break and watch points: where the guest is to stop. */
import { h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { table } from "../ui/table.js";

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/cpu.js").Debugger} debug @returns {() => void} */
export function mount(root, bus, app, debug) {
  const p = panel(app, bus, { id: "cpu-points", title: "cpu.points", help: "cpu.points.help" });
  const list = table({
    columns: [
      { key: "point", title: "#", num: true },
      { key: "kind", title: app.t("cpu.points.kind"), render: (k) => `${k === "break" ? "●" : "◎"} ${app.t(`cpu.points.${k}`)}` },
      { key: "addr", title: app.t("cpu.points.addr"), mono: true, render: (a) => h("button", { type: "button", class: "link mono", title: app.t("cpu.focus"), onclick: () => app.focus.set({ addr: a }) }, fmt.addr(a)) },
      { key: "len", title: app.t("cpu.points.len"), num: true, render: (n, r) => (r.kind === "break" ? "" : String(n)) },
      { key: "owner", title: app.t("cpu.points.owner") },
      { key: "hit", title: "", render: (hit) => (hit ? h("span", { class: "warn" }, `◀ ${app.t("cpu.points.hit")}`) : "") },
      { key: "remove", title: "", render: (_v, r) => (debug.mayChange && r.owner === "inspect" ? h("button", { type: "button", class: "tool", "aria-label": app.t("cpu.points.remove", { n: r.point }), title: app.t("cpu.points.remove", { n: r.point }), onclick: () => debug.change("cpu.point_remove", { point: r.point }) }, "✕") : "") },
    ],
    rowKey: (r) => String(r.point),
    label: app.t("cpu.points"),
    empty: app.t("cpu.points.none"),
  });
  const addr = /** @type {HTMLInputElement} */ (h("input", { type: "text", class: "mono", size: "20", spellcheck: "false", autocomplete: "off", "aria-label": app.t("cpu.points.addr"), placeholder: "0xffffffff80000000" }));
  const kind = /** @type {HTMLSelectElement} */ (h("select", { "aria-label": app.t("cpu.points.kind") }, ["break", "write", "read", "access"].map((k) => h("option", { value: k }, app.t(`cpu.points.${k}`)))));
  const len = /** @type {HTMLInputElement} */ (h("input", { type: "number", min: "1", max: "4096", value: "8", "aria-label": app.t("cpu.points.len"), hidden: true }));
  kind.addEventListener("change", () => (len.hidden = kind.value === "break"));
  const form = h(
    "form",
    {
      class: "toolbar",
      onsubmit: (/** @type {Event} */ e) => {
        e.preventDefault();
        const at = debug.addressOf(addr.value);
        if (at === null) {
          app.toast(app.t("cpu.points.bad_addr"), "bad");
          addr.focus();
          return;
        }
        const added = kind.value === "break" ? debug.change("cpu.break_add", { addr: at }) : debug.change("cpu.watch_add", { addr: at, len: Number(len.value), access: kind.value });
        added.then((r) => r && (addr.value = ""));
      },
    },
    kind,
    addr,
    len,
    h("button", { type: "submit" }, app.t("cpu.points.add")),
    h("button", { type: "button", onclick: () => debug.change("cpu.point_remove", {}) }, app.t("cpu.points.remove_all")),
  );
  p.body.append(debug.mayChange ? form : h("p", { class: "dim empty" }, app.t("cpu.viewer")), list.root);
  const paint = () => list.update(debug.points.map((q) => ({ ...q, hit: debug.reason?.point === q.point })));
  p.setJson(() => ({ points: debug.points, stop: debug.stop }));
  const off = [
    debug.on(paint),
    app.onMachine(paint),
    app.focus.on((f, changed) => {
      if (changed.has("addr") && f.addr && document.activeElement !== addr) {
        addr.value = f.addr;
      }
    }),
  ];
  root.append(p.root);
  return () => {
    off.forEach((fn) => fn());
    p.dispose();
  };
}
