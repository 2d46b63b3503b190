// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Run: the machine as its user sees it, and how hard it works.
 *
 *   .--------------------------.-----------.
 *   | terminal, or transcript  | boot      |
 *   |                          | counters  |
 *   '--------------------------'-----------'
 */
import * as boot from "../panels/boot.js";
import * as counters from "../panels/counters.js";
import * as terminal from "../panels/terminal.js";
import * as transcript from "../panels/transcript.js";
import { SerialFeed } from "../serial.js";
import { h } from "../ui/dom.js";

export { strings } from "../strings/run.js";
export const styles = ["css/run.css"];

/** @typedef {import("../app.js").App} App */

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {App} app @returns {() => void} */
export function mount(root, bus, app) {
  const left = h("div", { class: "left" });
  const right = h("div", { class: "right" });
  root.append(left, right);
  const feed = new SerialFeed(bus);
  const view = app.view("run.view", "terminal");
  /** @param {string} to @param {string} key */
  const turn = (to, key) => h("button", { class: "tool", type: "button", onclick: () => (view.set(to), focusShown()) }, app.t(key));

  const lines = transcript.mount(left, bus, app, feed, turn("terminal", "run.show_terminal"));
  /** @type {Awaited<ReturnType<typeof terminal.mount>> | null} */
  let screen = null;
  let ended = false;
  const focusShown = () => (view.get() === "transcript" ? lines.focus() : screen?.focus());
  const show = () => {
    const plain = view.get() === "transcript";
    lines.root.hidden = !plain;
    screen?.root.toggleAttribute("hidden", plain);
    plain ? lines.paint() : screen?.refit();
  };
  show();
  const offs = [
    view.on(show),
    boot.mount(right, bus, app, feed),
    counters.mount(right, bus, app),
    app.command({ id: "run.find", title: app.t("run.find.command"), keys: "/", run: () => (view.set("transcript"), lines.focus()) }),
  ];
  const onState = (/** @type {any} */ e) => e.detail.state === "open" && feed.resume();
  app.bus.addEventListener("state", onState);

  terminal.mount(left, bus, app, feed, turn("transcript", "run.show_transcript")).then(
    (t) => {
      if (ended) {
        t.unmount();
        return;
      }
      screen = t;
      show();
      feed.start();
    },
    (e) => {
      app.fail(e);
      view.set("transcript"); /* plain text is better than nothing */
      feed.start();
    },
  );
  return () => {
    ended = true;
    feed.end();
    app.bus.removeEventListener("state", onState);
    offs.forEach((off) => off());
    screen?.unmount();
    lines.unmount();
  };
}
