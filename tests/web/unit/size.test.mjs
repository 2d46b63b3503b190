// SPDX-License-Identifier: MIT
// What a visitor loads before the first view, without the terminal: at most 120 KB of script, compressed.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const PAGE = process.env.VITRINE_PAGE ?? path.resolve("build/release/web");
const MOST = 120 * 1024;
/* Of these the first view has no need: the terminal itself. */
const TERMINAL = /\/lib\/(xterm|addon-\w+)\.js$/;

/** The module and all it imports, also by import(). */
function closure(entry, found = new Set()) {
  if (found.has(entry) || TERMINAL.test(entry) || !existsSync(entry)) {
    return found;
  }
  found.add(entry);
  const text = readFileSync(entry, "utf8");
  for (const match of text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)["'](\.{1,2}\/[^"']+)["']/g)) {
    closure(path.resolve(path.dirname(entry), match[1]), found);
  }
  return found;
}

test("size: the scripts of the first view are at most 120 KB compressed", () => {
  const files = closure(path.join(PAGE, "app.js"));
  closure(path.join(PAGE, "workspaces/run.js"), files);
  const sizes = [...files].map((f) => [path.relative(PAGE, f), gzipSync(readFileSync(f), { level: 9 }).length]);
  const total = sizes.reduce((sum, [, n]) => sum + n, 0);
  console.log(`# first view: ${sizes.length} scripts, ${total} bytes compressed`);
  for (const needed of ["app.js", "protocol.js", "workspaces/run.js", "ui/dom.js"]) {
    assert.ok(sizes.some(([f]) => f === needed), `${needed} was not found: the count is wrong`);
  }
  assert.ok(total <= MOST, `${total} bytes: ${JSON.stringify(sizes.sort((a, b) => b[1] - a[1]))}`);
});

test("size: every script that is imported exists", () => {
  for (const f of closure(path.join(PAGE, "app.js"))) {
    for (const match of readFileSync(f, "utf8").matchAll(/\bfrom\s*["'](\.{1,2}\/[^"']+)["']/g)) {
      assert.ok(existsSync(path.resolve(path.dirname(f), match[1])), `${f}: ${match[1]}`);
    }
  }
});
