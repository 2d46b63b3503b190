// SPDX-License-Identifier: MIT
// Every text that the page asks for exists, in each language, with the same places to fill in.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Words, pickLanguage } from "../../../web/static/i18n.js";

const STATIC = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../web/static");
/* t("a.b"), explain(app, "a.b"), title: "a.b": a text in quotes whose first part is the name of a strings file */
const QUOTED = /"([a-z]+(?:\.[a-z0-9_-]+)+)"|'([a-z]+(?:\.[a-z0-9_-]+)+)'/g;
const ASKED = /\b(?:t|empty)\(\s*"([^"]+)"|\bexplain\(\s*\w+(?:\.\w+)*,\s*"([^"]+)"|\b(?:title|help|explain|label):\s*"([a-z]+\.[^" ]+)"/g;

/* The machine says these in English itself; strings has them in other languages only. */
const SAID_BY_MACHINE = /^translate\.(rule|pass)\./;

const files = readdirSync(STATIC, { recursive: true }).map(String).filter((f) => f.endsWith(".js"));
const comments = /\/\*[\s\S]*?\*\//g;
const source = new Map(files.map((f) => [f, readFileSync(path.join(STATIC, f), "utf8").replace(comments, "")]));
const stringFiles = files.filter((f) => /^export const strings\b/m.test(source.get(f)));

const words = { en: new Map(), zh: new Map() };
for (const f of stringFiles) {
  const { strings } = await import(pathToFileURL(path.join(STATIC, f)).href);
  for (const language of ["en", "zh"]) {
    for (const [key, text] of Object.entries(strings[language])) {
      words[language].set(key, { text, file: f });
    }
  }
}
const holes = (text) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

test("strings: there are some", () => assert.ok(words.en.size > 50));

for (const f of stringFiles) {
  test(`strings: ${f} has the same keys in English and Chinese`, async () => {
    const { strings } = await import(pathToFileURL(path.join(STATIC, f)).href);
    const chinese = Object.keys(strings.zh).filter((k) => !SAID_BY_MACHINE.test(k));
    assert.deepEqual(chinese.sort(), Object.keys(strings.en).sort());
  });
}

test("strings: no text is empty, and what is filled in is the same in both languages", () => {
  for (const [key, { text }] of words.en) {
    const zh = words.zh.get(key)?.text ?? "";
    assert.ok(text.trim() && zh.trim(), key);
    assert.deepEqual(holes(zh), holes(text), key);
  }
});

test("strings: every key that the page asks for exists", () => {
  const missing = [];
  let asked = 0;
  for (const [f, text] of source) {
    for (const match of text.matchAll(ASKED)) {
      const key = match[1] ?? match[2] ?? match[3];
      if (!key.includes(".")) {
        continue;
      }
      asked++;
      if (!words.en.has(key)) {
        missing.push(`${f}: ${key}`);
      }
    }
  }
  assert.ok(asked > 20, `only ${asked} were found`);
  assert.deepEqual(missing, []);
});

test("strings: every key is asked for somewhere, whole or made from a prefix", () => {
  const used = new Set();
  const prefixes = [];
  for (const text of source.values()) {
    const code = text.replace(/export const strings = \{[\s\S]*?\n\};/, "");
    for (const match of code.matchAll(QUOTED)) {
      used.add(match[1] ?? match[2]);
    }
    for (const match of code.matchAll(/`([a-z]+\.[a-z0-9_.-]*)\$\{/g)) {
      prefixes.push(match[1]);
    }
  }
  const idle = [...words.en.keys()].filter((k) => !used.has(k) && !prefixes.some((p) => k.startsWith(p)));
  assert.deepEqual(idle, []);
});

test("strings: the bar has a word for every reason that the machine gives for a stop", () => {
  const given = ["machine.c", "history.c"].flatMap((name) => {
    const text = readFileSync(path.join(STATIC, "../../src/inspect", name), "utf8");
    return [...text.matchAll(/\[DEBUG_[A-Z]+\]\s*=\s*"(\w+)"/g)].map((m) => m[1]);
  });
  assert.ok(given.length > 10, `only ${given} were found`);
  assert.deepEqual(given.filter((reason) => !words.en.has(`bar.stop.${reason}`)), []);
});

test("strings: a text is filled in, and a key that is not known shows itself", () => {
  const w = new Words("en");
  w.add({ en: { "a.b": "{x} of {y}, {x}" }, zh: { "a.b": "{y} 的 {x}" } });
  assert.equal(w.t("a.b", { x: 1, y: "<b>" }), "1 of <b>, 1");
  assert.equal(w.t("a.nothing"), "a.nothing");
  w.choose("zh");
  assert.equal(w.t("a.b", { x: 1, y: 2 }), "2 的 1");
});

test("strings: the chosen language counts, whatever the browser's", () => {
  assert.equal(pickLanguage("zh"), "zh");
  assert.equal(pickLanguage("en"), "en");
  assert.ok(["en", "zh"].includes(pickLanguage("xx")));
});
