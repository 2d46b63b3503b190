// SPDX-License-Identifier: MIT
// @ts-check
/** Dialog: something that wants an answer, or to be read, before the page goes on. Escape closes it. */
import { h } from "./dom.js";
import { icon } from "./icons.js";

/**
 * @param {string} title @param {import("./dom.js").Child} content @param {{class?: string, close?: string}} [options]
 * @returns {{root: HTMLDialogElement, close: () => void, closed: Promise<void>}}
 */
export function dialog(title, content, options = {}) {
  const close = () => root.close();
  const root = /** @type {HTMLDialogElement} */ (
    h(
      "dialog",
      { class: options.class, "aria-label": title },
      h("header", null, h("h2", null, title), h("span", { class: "grow" }), h("button", { class: "tool", type: "button", "aria-label": options.close ?? "Close", onclick: close }, icon("close"))),
      content,
    )
  );
  const before = document.activeElement;
  root.addEventListener("click", (e) => e.target === root && close());
  const closed = new Promise((/** @type {(v: void) => void} */ done) =>
    root.addEventListener("close", () => {
      root.remove();
      before instanceof HTMLElement && before.focus();
      done();
    }),
  );
  document.body.append(root);
  root.showModal();
  return { root, close, closed };
}
