// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Words: every text of the page by its key, in each language.
 *
 *   strings/translate.js: export const strings = { en: { "translate.hot": "Hot blocks" }, zh: {...} }
 *   words.add(strings); words.t("translate.hot")
 *
 * A text may hold {names}, which `vars` fills in. Key: file of strings, dot, name.
 */

/** @typedef {"en" | "zh"} Language */
/** @typedef {Record<Language, Record<string, string>>} Strings */

export class Words {
  /** @param {Language} language */
  constructor(language) {
    this.language = language;
    /** @type {Map<string, string>} */
    this.text = new Map();
    /** @type {Set<Strings>} */
    this.added = new Set();
  }

  /** @param {Strings} strings */
  add(strings) {
    if (this.added.has(strings)) {
      return;
    }
    this.added.add(strings);
    for (const [key, text] of Object.entries(strings[this.language])) {
      this.text.set(key, text);
    }
  }

  /** @param {Language} language */
  choose(language) {
    const all = [...this.added];
    this.language = language;
    this.text.clear();
    this.added.clear();
    for (const strings of all) {
      this.add(strings);
    }
  }

  /** @param {string} key @param {Record<string, string | number | bigint>} [vars] */
  t(key, vars) {
    const text = this.text.get(key);
    if (text === undefined) {
      return key; /* seen on the page, and by the test of all keys */
    }
    return vars ? text.replace(/\{(\w+)\}/g, (all, name) => String(vars[name] ?? all)) : text;
  }
}

/** The user's own choice, else the browser's first language. @param {string | null} chosen */
export function pickLanguage(chosen) {
  if (chosen === "en" || chosen === "zh") {
    return chosen;
  }
  return typeof navigator !== "undefined" && navigator.language.startsWith("zh") ? "zh" : "en";
}
