// SPDX-License-Identifier: MIT
// @ts-check
/** Machine bar: whether the machine runs, and run and pause. */
import { clear, h } from "../ui/dom.js";
import { icon } from "../ui/icons.js";

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const state = h("span", { class: "chip" });
  const button = h("button", {
    type: "button",
    disabled: app.role !== "operator",
    onclick: async () => {
      try {
        app.tellMachine(await bus.call(app.machine?.running ? "machine.stop" : "machine.cont"));
      } catch (e) {
        app.fail(e);
      }
    },
  });
  root.append(button, state);
  return app.onMachine((m) => {
    state.textContent = app.t(m.running ? "shell.running" : "shell.stopped");
    const label = app.t(m.running ? "shell.pause" : "shell.run");
    if (button.title !== label) {
      clear(button, icon(m.running ? "pause" : "play"));
      button.title = label;
      button.setAttribute("aria-label", label);
    }
  });
}
