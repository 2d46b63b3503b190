// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Library: something from npm (web/package.json), copied to lib/ when the page was built. Where it could not be,
 * the rest of the page still works: what needs it says what is missing.
 */
import { h } from "./dom.js";

/**
 * library(app, "uplot", () => import("../lib/uplot.js")), with the style sheet lib/uplot.css
 * @template T @param {{t: (key: string, vars?: any) => string}} app @param {string} name @param {() => Promise<T>} load @returns {Promise<T>}
 */
export async function library(app, name, load) {
  const href = `lib/${name}.css`;
  const style = document.querySelector(`link[href="${href}"]`)
    ? Promise.resolve()
    : new Promise((done) => document.head.append(h("link", { rel: "stylesheet", href, onload: done, onerror: done })));
  try {
    const [module] = await Promise.all([load(), style]);
    return module;
  } catch {
    throw new Error(app.t("shell.no_library", { name }));
  }
}
