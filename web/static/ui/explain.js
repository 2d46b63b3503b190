// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Explain: a sentence behind a value. Spread its result into h()'s properties:
 *
 *   h("span", {class: "num", ...explain(app, "translate.expansion.help")}, "6.1")
 *
 * The sentence is shown on hover and, by the frame, on keyboard focus; screen readers get it as a description.
 */

/** @param {{t: (key: string, vars?: any) => string}} app @param {string} key @param {Record<string, any>} [vars] */
export function explain(app, key, vars) {
  const text = app.t(key, vars);
  return { title: text, "aria-description": text, "data-explain": "", tabindex: "0" };
}
