// SPDX-License-Identifier: MIT
// @ts-check
/** Device tree: the devices by the bus that carries them; slots without a device are folded away. */
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";

/** @typedef {import("../workspaces/devices.js").Device} Device */

/** A place to plug a device in, with none in it. @param {Device} d */
export function isEmptySlot(d) {
  return d.bus !== null && !d.id && d.queues === 0 && d.children.length === 0 && /^virtio-mmio/.test(d.class);
}

/** @param {Device} d */
export function titleOf(d) {
  return d.id ?? d.path;
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/devices.js").Devices} devices @returns {() => void} */
export function mount(root, bus, app, devices) {
  const p = panel(app, bus, { id: "dev-tree", title: "devices.tree", help: "devices.tree.help" });
  p.setJson(() => devices.list);
  p.setTwin(() => ({
    columns: ["path", "class", "base", "size", "irq", "queues"],
    rows: [...devices.all.values()].map(({ device: d }) => [d.path, d.class, d.base, d.size, d.irq?.input ?? "", d.queues]),
  }));

  /** @param {Device} d @returns {HTMLElement} */
  const item = (d) => {
    const chosen = d.path === devices.shown;
    const button = h(
      "button",
      { type: "button", class: chosen ? "dev-item sel" : "dev-item", "aria-current": chosen ? "true" : null, "data-dev": d.path, onclick: () => app.focus.set({ dev: d.path }) },
      h("span", { class: "dev-name" }, titleOf(d)),
      h("span", { class: "dim dev-text" }, d.description),
      h(
        "span",
        { class: "dev-facts" },
        d.base ? h("span", { class: "mono dim" }, fmt.addr(d.base)) : null,
        d.irq ? h("span", { class: "chip", title: app.t("devices.irq.input", { input: d.irq.input, controller: d.irq.controller }) }, `⚡ ${d.irq.input}`) : null,
        d.queues ? h("span", { class: "chip" }, app.t("devices.queues.count", { n: d.queues })) : null,
      ),
    );
    return h("li", null, button, d.children.length ? h("ul", null, d.children.map(item)) : null);
  };

  const paint = () => {
    const list = devices.list;
    if (!list) {
      return;
    }
    const held = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.dev : undefined;
    const folded = p.body.querySelector("details")?.open ?? false;
    const empty = list.devices.filter(isEmptySlot);
    const open = folded || empty.some((d) => d.path === devices.shown);
    clear(
      p.body,
      h("p", { class: "dim dev-board" }, app.t("devices.board", { board: list.board, description: list.description })),
      h("ul", { class: "dev-list" }, list.devices.filter((d) => !isEmptySlot(d)).map(item)),
      empty.length ? h("details", { open }, h("summary", null, app.t("devices.empty_slots", { n: empty.length })), h("ul", { class: "dev-list" }, empty.map(item))) : null,
    );
    if (held) {
      /** @type {HTMLElement | null} */ (p.body.querySelector(`[data-dev="${CSS.escape(held)}"]`))?.focus();
    }
  };

  /* Up and down, as in a list. */
  p.body.addEventListener("keydown", (e) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    const buttons = /** @type {HTMLElement[]} */ ([...p.body.querySelectorAll("button.dev-item")]).filter((b) => !b.closest("details:not([open])"));
    const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (step && at >= 0) {
      e.preventDefault();
      buttons[(at + step + buttons.length) % buttons.length].focus();
    }
  });
  const off = devices.on(paint);
  root.append(p.root);
  return () => {
    off();
    p.dispose();
  };
}
