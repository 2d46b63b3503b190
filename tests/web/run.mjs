#!/usr/bin/env node
// SPDX-License-Identifier: MIT
/**
 * Runs the specs of e2e/ one after the other, or those that are named: tests/web/run.mjs [NAME...]
 * Each is a program of its own that prints TAP; what one breaks does not break the next.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const HERE = path.join(path.dirname(fileURLToPath(import.meta.url)), "e2e");
const PATIENCE = 300000;
const NOT_SPECS = new Set(["harness.mjs", "tour.mjs"]);

const names = process.argv.slice(2).length
  ? process.argv.slice(2)
  : readdirSync(HERE).filter((f) => f.endsWith(".mjs") && !NOT_SPECS.has(f)).map((f) => f.slice(0, -4)).sort();

/** A spec in a process group of its own, so that its machines and browser end with it. */
function run(name) {
  return new Promise((done) => {
    const child = spawn(process.execPath, [path.join(HERE, `${name}.mjs`)], { stdio: ["ignore", "pipe", "inherit"], detached: true });
    let told = "";
    child.stdout.on("data", (d) => {
      told += d;
      process.stdout.write(d);
    });
    const timer = setTimeout(() => child.kill("SIGTERM"), PATIENCE);
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        /* nobody was left */
      }
      if (code !== 0 && !/^not ok/m.test(told)) {
        console.log(`not ok - web ${name}: ended with ${signal ?? `status ${code}`}`);
        done(false);
        return;
      }
      done(code === 0);
    });
  });
}

let good = true;
for (const name of names) {
  console.log(`# web ${name}`);
  good = (await run(name)) && good;
}
process.exitCode = good ? 0 : 1;
