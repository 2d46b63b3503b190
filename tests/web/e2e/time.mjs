#!/usr/bin/env node
// SPDX-License-Identifier: MIT
/**
 * The workspace Time: a kernel's jiffies_64 is the known address. Which function writes it is the
 * kernel's own word (/proc/kallsyms), not the page's; the values are the debugger's and the memory's.
 */
import { mkdtempSync, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { accessible, call, equal as same, fitsWidth, matches, ok, suite, until } from "./harness.mjs";

/** The harness compares JSON, which has no bigint. */
const plain = (/** @type {any} */ v) => (typeof v === "bigint" ? String(v) : Array.isArray(v) ? v.map(plain) : v);
const equal = (/** @type {string} */ what, /** @type {any} */ got, /** @type {any} */ wanted) => same(what, plain(got), plain(wanted));
const big = (/** @type {string} */ s) => BigInt(s.replaceAll(",", ""));

/** Symbol -> address, and what comes after it, from the guest's kernel. */
async function symbols(machine, names) {
  const out = await machine.run(`grep -wE '${names.join("|")}' /proc/kallsyms`);
  const found = new Map([...out.matchAll(/([0-9a-f]{16}) \w (\w+)/g)].map((m) => [m[2], BigInt("0x" + m[1])]));
  names.forEach((n) => ok(`the kernel has ${n}`, found.get(n)));
  return found;
}

/** The hand has come to rest, and the URL with it. */
async function settled(page) {
  let last = "";
  await until("the URL stays as it is", async () => {
    const before = last;
    last = page.url();
    await page.waitForTimeout(300);
    return last === before && last === page.url();
  });
}

const where = (page) => call(page, "machine.status");
const text = (page, selector) => page.locator(selector).innerText();
const button = (page, name) => page.locator("#time-travel").getByRole("button", { name });

async function word(page, addr) {
  const r = await call(page, "mem.read", { space: "virt", addr, len: 8 });
  return [...r.data.matchAll(/../g)].reverse().reduce((v, b) => (v << 8n) | BigInt("0x" + b[0]), 0n);
}

async function jiffies(t, machine, page, addr, writer) {
  const before = { count: "", value: 0n, old: 0n };

  await t.test("without a point there is no hit to go back to", async () => {
    await button(page, "last hit").click();
    await page.getByText("so there is no hit to go back to").waitFor();
    ok("the machine runs on", (await where(page)).running);
  });

  await t.test("a watch point stops the machine at the write", async () => {
    await page.getByLabel("Address, or a register and an offset").fill(addr);
    await page.getByRole("button", { name: "Stop at a write" }).click();
    await until("the machine stops", async () => !(await where(page)).running);
    const stop = (await call(page, "cpu.points")).stop;
    equal("why", [stop.reason, stop.address], ["watch", addr]);
    before.old = BigInt(stop.old); /* as the debugger saw it: a tick, or all that an idle machine slept through */
    ok("it counts on", BigInt(stop.new) > before.old);
    before.count = (await where(page)).count;
    before.value = await word(page, addr);
    await until("the page says where", async () => big(/Before instruction ([\d,]+)/.exec(await text(page, ".time-where"))?.[1] ?? "0") === BigInt(before.count));
  });

  await t.test("one step back over the write shows the old value", async () => {
    await button(page, "back 1").click();
    await until("it is one instruction earlier", async () => BigInt((await where(page)).count) === BigInt(before.count) - 1n);
    equal("the value before", await word(page, addr), before.old);
    await until("the focus followed", () => new URL(page.url()).hash.includes(`count=0x${(BigInt(before.count) - 1n).toString(16)}`));
    await button(page, "1 ahead").click();
    await until("it is there again", async () => (await where(page)).count === before.count);
    equal("the value", await word(page, addr), before.value);
  });

  await t.test("who last wrote it is the kernel's function that counts the ticks", async () => {
    await page.getByRole("button", { name: "Find the writer" }).click();
    const row = page.locator("#time-writer tbody tr").first();
    await row.waitFor();
    const cells = await row.locator("td").allInnerTexts();
    const pc = BigInt("0x" + cells[2].split(/\s/)[0].replace("_", ""));
    ok(`${cells[2]} is in the function`, pc >= writer.first && pc < writer.last);
    equal("old and new", cells[3].split(" → ").map(BigInt), [before.old, before.value]);
    equal("when", big(cells[0]), BigInt(before.count));
    await page.getByRole("button", { name: "And before that?" }).click();
    await until("the one before", async () => (await page.locator("#time-writer tbody tr").count()) === 2);
    const older = await page.locator("#time-writer tbody tr").nth(1).locator("td").allInnerTexts();
    equal("what it wrote was overwritten", BigInt(older[3].split(" → ")[1]), before.old);
    equal("the machine is where it was", (await where(page)).count, before.count);
  });

  await t.test("“go there” stops right before the store, whose instruction is the next one", async () => {
    const row = page.locator("#time-writer tbody tr").first();
    await row.getByRole("button", { name: "Go there" }).click();
    await until("it is there", async () => BigInt((await where(page)).count) === BigInt(before.count) - 1n);
    equal("the value is the old one", await word(page, addr), before.old);
    const cells = await row.locator("td").allInnerTexts();
    const cpu = (await call(page, "cpu.list")).cpus[0];
    equal("pc and text", [BigInt(cpu.pc), cpu.text.replace(/\s+/g, " ")], [BigInt("0x" + cells[2].split(/\s/)[0].replace("_", "")), cells[2].replace(/^\S+\s+/, "").replace(/\s+/g, " ")]);
    await button(page, "newest").click();
    await until("it is at the newest again", async () => (await where(page)).count === before.count);
  });

  await t.test("back to the last hit, and the page says what it was", async () => {
    await button(page, "last hit").click();
    await until("it is earlier", async () => BigInt((await where(page)).count) < BigInt(before.count));
    equal("the write before", await word(page, addr), before.old);
    await until("in words", async () => /A watch point: hart 0 wrote/.test(await text(page, ".time-where")));
    await button(page, "newest").click();
    await until("it is at the newest again", async () => (await where(page)).count === before.count);
  });
  return before;
}

async function scrubbing(t, page, before) {
  await t.test("the playhead is dragged back, and the newest is as it was", async () => {
    const hash = (await call(page, "machine.hash")).hash;
    await page.locator(".time-canvas").focus();
    await page.keyboard.press("0");
    const box = await page.locator(".time-canvas").boundingBox();
    await page.mouse.move(box.x + box.width - 20, box.y + 10);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - 100, box.y + 12, { steps: 5 });
    await page.mouse.up();
    const there = await until("it is earlier", async () => {
      const count = BigInt((await where(page)).count);
      return count < BigInt(before.count) && count;
    });
    ok("about where the mouse was", Math.abs(Number(there) / Number(before.count) - 1 + 100 / (box.width - 108)) < 0.03);
    await button(page, "newest").click();
    await until("it is at the newest again", async () => (await where(page)).count === before.count);
    equal("the same machine", (await call(page, "machine.hash")).hash, hash);
  });

  await t.test("a count that is typed is gone to", async () => {
    const target = BigInt(before.count) - 20_000n;
    await page.getByLabel("Go to instruction number").fill("-20k");
    await page.keyboard.press("Enter");
    await until("it is there", async () => BigInt((await where(page)).count) === target);
    await page.getByLabel("Go to instruction number").fill("nonsense");
    await page.keyboard.press("Enter");
    await page.getByText("That is no instruction number").waitFor();
    equal("it stays", BigInt((await where(page)).count), target);
  });
}

async function ahead(t, page, before) {
  await t.test("ahead of the newest the machine lives on, up to there", async () => {
    await call(page, "cpu.point_remove"); /* or the next tick would stop it on the way */
    await page.getByLabel("Go to instruction number").fill(String(BigInt(before.count) + 3000n));
    await page.keyboard.press("Enter");
    await until("it is there", async () => BigInt((await where(page)).count) === BigInt(before.count) + 3000n);
    equal("it stands", (await where(page)).running, false);
  });
}

async function looking(t, machine, page) {
  await t.test("bars become single events on the way in, by keyboard, and each has its words", async () => {
    const canvas = page.locator(".time-canvas");
    await page.locator("#time-travel [data-do='time.ahead_all.help']").click();
    await canvas.focus();
    await page.keyboard.press("0");
    await until("the whole run is shown", async () => !new URL(page.url()).hash.includes("time.from"));
    await page.keyboard.press("ArrowDown");
    for (let i = 0; i < 12 && !new URL(page.url()).hash.includes("time.sel"); i++) {
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("Enter");
      await page.waitForTimeout(700); /* the server is asked for what is in it */
    }
    const sel = new URL(page.url()).hash.match(/time\.sel=(0x[0-9a-f]+)/)?.[1];
    ok("an event is chosen", sel);
    const event = (await call(page, "trace.read", { cursor: sel, limit: 1 })).events[0];
    equal("its words", await text(page, ".time-words .mono"), event.text);
    await page.locator(".time-detail").getByRole("button", { name: "Go there" }).click();
    await until("the machine is there", async () => (await where(page)).count === event.count);
  });

  await t.test("the table beside the lanes has the same events", async () => {
    const hash = new URLSearchParams(new URL(page.url()).hash.slice(1));
    await page.locator("#time-lanes").getByRole("button", { name: "Show as a table" }).click();
    const window = await call(page, "trace.window", { from: hash.get("time.from"), to: hash.get("time.to"), limit: 300 });
    await until("as many rows", async () => (await page.locator("#time-lanes .twin-box tbody tr").count()) === window.events.length);
    const last = await page.locator("#time-lanes .twin-box tbody tr").last().locator("td").allInnerTexts();
    equal("the last one's text", last[5], window.events.at(-1).text);
    await page.locator("#time-lanes").getByRole("button", { name: "Show as a table" }).click();
  });

  await t.test("zooming keeps the chosen event, and its words stay when bars take its place", async () => {
    const words = await text(page, ".time-words");
    await page.locator(".time-canvas").focus();
    await page.keyboard.press("0");
    await until("the whole run", () => !new URL(page.url()).hash.includes("time.from"));
    equal("the words", await text(page, ".time-words"), words);
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press("+");
    }
    const place = await until("the window is narrow", () => {
      const m = /time\.from=(0x[0-9a-f]+)&time\.to=(0x[0-9a-f]+)/.exec(page.url());
      return m && BigInt(m[2]) - BigInt(m[1]) < 10_000n && m;
    });
    const sel = /time\.sel=(0x[0-9a-f]+)/.exec(page.url())?.[1] ?? "";
    const event = (await call(page, "trace.read", { cursor: sel, limit: 1 })).events[0];
    ok("it is in the window", BigInt(place[1]) <= BigInt(event.count) && BigInt(event.count) < BigInt(place[2]));
  });

  await t.test("the wheel zooms about the pointer, a drag moves what is under the hand", async () => {
    const GUTTER = 108;
    const box = await page.locator(".time-canvas").boundingBox();
    const shown = () => /time\.from=(0x[0-9a-f]+)&time\.to=(0x[0-9a-f]+)/.exec(page.url())?.slice(1).map(Number);
    const under = (/** @type {number[]} */ [from, to], /** @type {number} */ x) => from + ((x - GUTTER) / (box.width - GUTTER)) * (to - from);
    const x = Math.round(box.width / 3);
    await settled(page);
    const before = shown();
    await page.mouse.move(box.x + x, box.y + 100);
    await page.mouse.wheel(0, -300);
    await settled(page);
    const close = await until("it is narrower", () => shown() && shown()[1] - shown()[0] < before[1] - before[0] && shown());
    ok("the same instruction is under the pointer", Math.abs(under(close, x) - under(before, x)) <= 2 + (close[1] - close[0]) / 500);
    await page.mouse.down();
    await page.mouse.move(box.x + x + 200, box.y + 100, { steps: 8 });
    await page.mouse.up();
    await until("it moved by as much as the hand", () => Math.abs(under(shown(), x + 200) - under(close, x)) <= 2 + (close[1] - close[0]) / 100);
    await page.locator(".time-canvas").focus();
    await page.keyboard.press("0");
    await until("the whole run", () => !shown());
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press("+");
    }
    await until("close again", () => shown() && shown()[1] - shown()[0] < 10_000);
  });

  await t.test("a link of the event leads to the block", async () => {
    const place = () => new URL(page.url()).hash.match(/time\.\w+=0x[0-9a-f]+/g)?.sort();
    const was = place();
    await page.locator(".time-detail .link").filter({ hasText: "pc" }).first().click();
    await until("it is Translate", () => /ws=translate/.test(page.url()) && /addr=0x/.test(page.url()));
    await page.locator(".workspace.translate .panel").first().waitFor();
    await page.getByRole("button", { name: "Time", exact: true }).click();
    await until("back in Time", () => /ws=time/.test(page.url()));
    equal("and the same place", place(), was);
  });

  await t.test("after a reload one looks at the same place", async () => {
    const url = page.url();
    await page.locator(".time-words .mono").waitFor();
    const words = await text(page, ".time-words");
    const { count } = await where(page);
    await page.reload();
    await t.connected(page);
    await until("the event is there again", async () => (await text(page, ".time-words")) === words);
    equal("the place", page.url(), url);
    equal("the moment", (await where(page)).count, count);
  });
}

async function files(t, page) {
  await t.test("the export is JSON with every event", async () => {
    const stats = await call(page, "trace.stats");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Perfetto JSON" }).click()]);
    const trace = JSON.parse(readFileSync(await download.path(), "utf8"));
    const seqs = new Set(trace.traceEvents.filter((e) => e.ph !== "M").map((e) => Number(e.args.seq)));
    /* A return that ends a handler is the end of its slice. */
    const returns = Number(stats.counts.return ?? 0);
    const all = Number(stats.next) - Number(stats.first);
    ok(`${seqs.size} of ${all} events, ${returns} returns`, seqs.size <= all && seqs.size >= all - returns && seqs.size > 100);
    const [lines] = await Promise.all([page.waitForEvent("download"), page.locator("#time-record").getByRole("button", { name: "text" }).click()]);
    equal("lines of the text", readFileSync(await lines.path(), "utf8").trimEnd().split("\n").length, all);
  });

  await t.test("a snapshot is saved, marked, loaded and deleted", async () => {
    const { count } = await where(page);
    const snaps = page.locator("#time-snapshots");
    await snaps.getByLabel("Name").first().fill("here.there");
    await snaps.getByRole("button", { name: "Save", exact: true }).click();
    const row = snaps.locator("tbody tr").filter({ hasText: "here.there" });
    await row.waitFor();
    equal("its count", big(await row.locator("td").nth(1).innerText()), BigInt(count));
    await page.locator("#time-travel [data-do='time.back_n.help']").click();
    await until("the machine went on", async () => (await where(page)).count !== count);
    await row.getByRole("button", { name: "Load" }).click();
    await page.locator("dialog").getByRole("button", { name: "Load", exact: true }).click();
    await until("it is there again", async () => (await where(page)).count === count);
    equal("the history begins there", (await call(page, "history.status")).first, count);
    await row.getByRole("button", { name: "Delete" }).click();
    await page.locator("dialog").getByRole("button", { name: "Cancel" }).click();
    equal("it is still there", await row.count(), 1);
    await row.getByRole("button", { name: "Delete" }).click();
    await page.locator("dialog").getByRole("button", { name: "Delete", exact: true }).click();
    await row.waitFor({ state: "detached" });
    equal("none is left", (await call(page, "snapshot.list")).snapshots, []);
  });
}

async function viewers(t, machine) {
  await t.test("a viewer sees the lanes and cannot travel", async () => {
    const page = await t.open(machine, "ws=time", { role: "viewer" });
    const { count } = await where(page);
    await page.getByText("Only an operator can take the machine").first().waitFor();
    equal("buttons that work", await page.locator("#time-travel [data-do]:not([disabled])").count(), 0);
    const box = await page.locator(".time-canvas").boundingBox();
    await page.mouse.click(box.x + box.width / 2, box.y + 10);
    await page.locator(".toast").filter({ hasText: "Only an operator" }).waitFor();
    const refused = await call(page, "history.back").then(() => "done", (e) => String(e));
    matches("the server's answer", refused, /operator/);
    equal("the machine stays", (await where(page)).count, count);
    await t.close(page);
  });
}

/** Two fingers, as the browser's own touch input. */
async function fingers(t, machine) {
  await t.test("two fingers zoom", async () => {
    const page = await t.open(machine, "ws=time", { width: 400, height: 800 });
    await page.getByText("events in view").waitFor();
    const touch = await page.context().newCDPSession(page);
    const box = await page.locator(".time-canvas").boundingBox();
    const points = (/** @type {number} */ apart) => [-1, 1].map((side, id) => ({ id, x: box.x + 240 + side * apart, y: box.y + 80 }));
    await touch.send("Emulation.setTouchEmulationEnabled", { enabled: true, maxTouchPoints: 2 });
    await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: points(30) });
    for (const apart of [40, 60, 80, 100]) {
      await touch.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: points(apart) });
    }
    await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    const run = Number((await call(page, "history.status")).seen);
    await until("about three tenths of the run are shown, as the fingers went from 60 to 200 pixels", () => {
      const m = /time\.from=(0x[0-9a-f]+)&time\.to=(0x[0-9a-f]+)/.exec(page.url());
      return m && Math.abs((Number(m[2]) - Number(m[1])) / run - 0.3) < 0.02;
    });
    await t.close(page);
  });
}

async function lookings(t, machine) {
  for (const theme of ["light", "dark"]) {
    for (const width of [1440, 400]) {
      await t.test(`axe finds nothing serious, and it fits: ${theme}, ${width} px`, async () => {
        const page = await t.open(machine, "ws=time", { theme, width, height: width === 400 ? 800 : 900 });
        await page.getByText("events in view").waitFor();
        await accessible(page);
        await fitsWidth(page);
        await t.close(page);
      });
    }
  }
  await t.test("Chinese has all the words", async () => {
    const page = await t.open(machine, "ws=time", { locale: "zh-CN" });
    await page.getByText("谁最后写了这里？").waitFor();
    const shown = await page.locator("main").innerText();
    equal("keys without words", [...shown.matchAll(/\btime\.[a-z_.]+/g)].map((m) => m[0]), []);
    await t.close(page);
  });
}

await suite("time", async (t) => {
  const snapdir = mkdtempSync(path.join(os.tmpdir(), "vitrine-time-"));
  const machine = await t.machine({ args: ["-icount", "shift=0", "-history", "on", "-snapdir", snapdir], memory: 256 });
  const found = await symbols(machine, ["jiffies_64", "tick_do_update_jiffies64", "do_timer"]);
  const all = [...(await machine.run("sort /proc/kallsyms | grep -A1 -wE 'tick_do_update_jiffies64|do_timer'")).matchAll(/([0-9a-f]{16}) \w (\w+)/g)];
  const start = all.findIndex((m) => m[2] === "tick_do_update_jiffies64");
  const writer = { first: found.get("tick_do_update_jiffies64"), last: BigInt("0x" + all[start + 1][1]) };
  const page = await t.open(machine, "ws=time");

  await t.test("nothing is recorded until one says so", async () => {
    await page.getByText("Nothing is recorded yet").waitFor();
    equal("the trace", (await call(page, "trace.stats")).running, false);
    await page.getByRole("button", { name: "Record the hardware's events" }).click();
    await machine.run("ls /sys >/dev/null; sleep 0.2");
    await until("rows of events", async () => big(/([\d,]+) events in view/.exec(await text(page, ".time-facts"))?.[1] ?? "0") > 100n);
    await page.getByRole("button", { name: "exceptions" }).waitFor();
    const box = await page.locator(".time-canvas").boundingBox();
    await page.mouse.move(box.x + 300, box.y + 100); /* the boot, before the recording */
    await page.locator(".time-tip").getByText("not recorded").waitFor();
  });
  await t.test("while the machine runs the newest stretch is followed", async () => {
    const inView = async () => Number(big(/([\d,]+) events in view/.exec(await text(page, ".time-facts"))?.[1] ?? "0"));
    await page.locator(".time-canvas").focus();
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press("+");
    }
    const run = Number((await where(page)).count);
    await until("the URL says how long, much less than the run", () => {
      const span = /time\.span=(0x[0-9a-f]+)/.exec(page.url())?.[1];
      return span && Number(span) * 100 < run;
    });
    await machine.run("ls -R /sys >/dev/null");
    await until("what happened just now is in view", async () => (await inView()) > 10);
    await page.keyboard.press("0");
    await until("the whole run", () => !page.url().includes("time.span"));
  });

  const before = await jiffies(t, machine, page, "0x" + found.get("jiffies_64").toString(16), writer);
  await scrubbing(t, page, before);
  await ahead(t, page, before);
  await looking(t, machine, page);
  await files(t, page);
  await viewers(t, machine);
  await fingers(t, machine);
  await lookings(t, machine);

  await t.test("a small ring says what it lost", async () => {
    await call(page, "trace.start", { kinds: ["tlb", "tb", "trap"], capacity: 64 });
    await call(page, "cpu.point_remove");
    await call(page, "machine.cont");
    await machine.run("ls -R /sys > /dev/null");
    await call(page, "trace.stop");
    const stats = await call(page, "trace.stats");
    ok("some were lost", Number(stats.overwritten) > 0);
    await until("the page says so", async () => (await text(page, "#time-record .time-state")).includes(`lost ${(Number(stats.overwritten) + Number(stats.collisions)).toLocaleString("en-US")}`));
    matches("and beside the lanes", await text(page, ".time-facts"), /lost [\d,]+/);
  });

  await t.test("a machine without a history says what would give it one", async () => {
    const other = await t.machine({ memory: 128 });
    const visitor = await t.open(other, "ws=time");
    await visitor.getByText("so it cannot go back").waitFor();
    equal("one advice, not two", (await visitor.locator(".time-none-history").innerText()).match(/-icount/g)?.length, 1);
    equal("the options", await visitor.locator(".time-command").innerText(), "-icount shift=0 -history on");
    equal("is it said once", await visitor.getByText("-icount").count(), 1);
    await visitor.getByRole("button", { name: "Record the hardware's events" }).click();
    await visitor.getByText("recording").first().waitFor();
    await until("events over virtual time", async () => big(/([\d,]+) events in view/.exec(await text(visitor, ".time-facts"))?.[1] ?? "0") > 0n);
  });
});
