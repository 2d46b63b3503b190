#!/usr/bin/env node
// SPDX-License-Identifier: MIT
/**
 * The Translate workspace: the hot block of a busy guest, an add followed to its host bytes by mouse and by keyboard,
 * the passes, the neighbours, a block that dies, who may not count, and a link to it all.
 *
 * What must come out right is asked of the machine (tb.explain, the guest's RAM), not of the page.
 */
import { accessible, call, equal, fitsWidth, matches, ok, suite, until } from "./harness.mjs";

const BUSY = "i=0; while :; do i=$((i+1)); done";
const RAM = 0x80000000n;
const KEYS_MOST = 60;

const number = (text) => BigInt(text);
const hashOf = (page) => new URL(page.url()).hash.slice(1);
const focusOf = (page) => new URLSearchParams(hashOf(page));
const shownBlock = (page) => page.getAttribute("#tb-columns", "data-block");
const waitShown = (page, id) => until(`block ${id} is shown`, async () => (await shownBlock(page)) === id && (await page.locator("#tb-columns[data-complete]").count()) === 1);

/** Lit lines of a column, by their names. */
const lit = (page, column) => page.$$eval(`#tb-col-${column} .row.lit`, (rows) => rows.map((r) => r.dataset.line));
const names = (list, letter) => list.map((n) => letter + n);

/** The hottest blocks whose guest code has an add, with what tb.explain says of the first. */
async function blockWith(page, fits) {
  const { blocks } = await call(page, "tb.list", { sort: "runs", limit: 60, priv: "u" });
  for (const b of blocks) {
    const e = await call(page, "tb.explain", { id: b.id }).catch(() => null);
    if (e && e.block.alive && fits(e)) {
      return e;
    }
  }
  throw new Error("no such block among the hot ones");
}

/** An add that became host code, and is not the block's first instruction. */
const addOf = (e) => e.guest.findIndex((g, i) => i > 0 && /^add\t/.test(g.text) && e.host.some((h) => h.insn === i && h.kind === "main"));
const lastOps = (e) => e.stages.at(-1).ops.filter((o) => o.op !== "insn");
const hostOf = (e, insn) => e.host.flatMap((h, i) => (h.insn === insn ? [i] : []));

await suite("translate", async (t) => {
  const machine = await t.machine();
  machine.process.stdin.write(`${BUSY}\n`);
  const page = await t.open(machine, "ws=translate");

  await t.test("a page without a focus shows some block, and says that it is the running code", async () => {
    await page.locator("#tb-col-guest .row").first().waitFor();
    await page.getByText("identical to the running code").waitFor();
  });

  /** The first row is one of the machine's first three, of those that have numbers. */
  const leads = (sort) => until(`the hottest block leads the list by ${sort}`, async () => {
    const { blocks } = await call(page, "tb.list", { sort, limit: 3 });
    const first = await page.locator("#tb-list tbody tr").first().locator("td").nth(1).textContent();
    return blocks.some((b) => number(b.pc) === BigInt("0x" + first.replace("_", "")));
  });

  await t.test("where the time goes is seen at once, uncounted, and by a viewer as well", async () => {
    for (const [who, role] of [[page, "operator"], [await t.open(machine, "ws=translate", { role: "viewer" }), "viewer"]]) {
      await who.locator("#tb-list .heat").first().waitFor();
      matches(`${role}: of the whole`, await who.locator("#tb-list .tb-counting").textContent(), /Of the time [\d.]+ % in blocks/);
      role === "viewer" && (await t.close(who));
    }
    await leads("samples");
    const { counting, sampling } = await call(page, "tb.list", {});
    equal("nothing is counted, samples are taken", [counting, sampling.on], [false, true]);
  });

  await t.test("no samples are taken while nobody looks at the list", async () => {
    const on = async () => (await call(page, "tb.list", {})).sampling.on;
    await page.evaluate(() => (location.hash = "#ws=memory"));
    await until("they have ended", async () => !(await on()));
    await page.evaluate(() => (location.hash = "#ws=translate"));
    await until("they have begun", on);
    await page.locator("#tb-col-guest .row").first().waitFor();
  });

  await t.test("an operator is told what counting costs, counts, and sees what runs most first", async () => {
    await page.getByLabel("Sort by").selectOption("runs");
    const box = page.locator("#tb-list .tb-counting");
    await box.getByRole("button").waitFor();
    matches("the cost", await box.textContent(), /slower/);
    await box.getByRole("button").click();
    await page.locator("#tb-list .heat").first().waitFor();
    await page.mouse.move(700, 5);
    await leads("runs");
  });

  await t.test("rows stay where they are while one points at the list", async () => {
    const order = () => page.$$eval("#tb-list tbody tr", (rows) => rows.map((r) => r.children[1].textContent));
    await page.locator("#tb-list tbody tr").nth(2).hover();
    await page.getByText("held while you read").waitFor();
    ok("the pointer is in the list", await page.locator("#tb-list tbody tr:hover").count() > 0);
    const before = await order();
    const value = () => page.locator("#tb-list tbody tr").first().locator("td").last().textContent();
    const was = await value();
    await until("its numbers go on", async () => (await value()) !== was);
    await page.waitForTimeout(3500); /* longer than the list holds an order by itself */
    equal("the order", await order(), before);
    await page.mouse.move(700, 5);
  });

  await t.test("the list can be filtered by privilege and by address", async () => {
    await page.getByLabel("Privilege").selectOption("s");
    await until("only kernel blocks", async () => {
      const privs = await page.$$eval("#tb-list tbody tr", (rows) => rows.map((r) => r.children[2].textContent));
      return privs.length > 0 && privs.every((p) => p === "S");
    });
    await page.getByLabel("Privilege").selectOption("");
    await page.getByLabel("address or from-to").fill("80000000-8fffffff");
    await page.keyboard.press("Enter");
    await until("only firmware or nothing", async () => {
      const pcs = await page.$$eval("#tb-list tbody tr", (rows) => rows.map((r) => r.children[1].textContent));
      return pcs.every((pc) => /^8/.test(pc));
    });
    await page.getByLabel("address or from-to").fill("not an address");
    await page.keyboard.press("Enter");
    await page.locator("#tb-list input[aria-invalid]").waitFor();
    await page.getByLabel("address or from-to").fill("");
    await page.keyboard.press("Enter");
  });

  const e = await blockWith(page, (x) => addOf(x) > 0 && x.guest.length < 20);
  const add = addOf(e);
  const id = e.block.id;

  await t.test("a click on a block leads to its four columns", async () => {
    await page.getByLabel("address or from-to").fill(e.block.pc);
    await page.keyboard.press("Enter");
    const row = page.locator("#tb-list tbody tr").filter({ hasText: BigInt(e.block.pc).toString(16).padStart(8, "0").slice(-8) });
    await row.first().click();
    await until("it is shown", async () => number((await shownBlock(page)) ?? "0") === number(id));
    await page.getByLabel("address or from-to").fill("");
    await page.keyboard.press("Enter");
    const rows = (c) => page.locator(`#tb-col-${c} .row`).count();
    equal("guest lines", await rows("guest"), e.guest.length);
    equal("host lines", await rows("host"), e.host.length);
    equal("optimized lines", await rows("opt"), lastOps(e).length);
    console.log(`# from click to four columns: ${await page.getAttribute("#tb-columns", "data-ms")} ms`);
  });

  await t.test("the guest's bytes are those in its RAM", async () => {
    const got = await call(page, "mem.read", { addr: "0x" + (RAM + number(e.block.ram)).toString(16), len: e.block.size });
    equal("bytes", e.guest.map((g) => g.bytes).join(""), got.data);
  });

  await t.test("by mouse: pointing at an add lights its ops and its host bytes, with its number and colour", async () => {
    await page.locator(`#tb-col-guest .row`).nth(add).hover();
    equal("host", await lit(page, "host"), names(hostOf(e, add), "h"));
    equal("ops", await lit(page, "opt"), names(lastOps(e).filter((o) => o.insn === add).map((o) => o.id), "o"));
    const bytes = await page.$$eval("#tb-col-host .row.lit .bytes", (all) => all.map((b) => b.textContent.replaceAll(" ", "")));
    equal("bytes", bytes, hostOf(e, add).map((i) => e.host[i].bytes));
    const marks = await page.$$eval(".tb-cols .row.lit", (rows) => rows.map((r) => `${r.querySelector(".badge").textContent} ${getComputedStyle(r).borderLeftColor}`));
    equal("one number and one colour", new Set(marks).size, 1);
    matches("the number", marks[0], new RegExp(`^${add} `));
    const seen = await page.$eval("#tb-col-host .row.lit", (r) => {
      const a = r.getBoundingClientRect();
      const b = r.parentElement.getBoundingClientRect();
      return a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
    });
    ok("its host line is scrolled into view", seen);
    await page.mouse.move(700, 5);
    equal("nothing is lit after", await lit(page, "host"), []);
  });

  await t.test("the bits of the add are taken apart as its encoding says", async () => {
    await page.locator(`#tb-col-guest .row`).nth(add).hover();
    const text = await page.locator(".tb-detail .bits").textContent();
    for (const f of e.guest[add].fields.filter((x) => !x.fixed)) {
      ok(`${f.name} = ${f.value}`, text.includes(`${f.name} = ${f.value}`));
    }
    await page.mouse.move(700, 5);
  });

  await t.test("by keyboard: from the add to its host bytes, pinned with Enter, let go with Esc", async () => {
    await page.locator("#tb-col-guest .row").first().focus();
    for (let i = 0; i < add; i++) {
      await page.keyboard.press("ArrowDown");
    }
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press("ArrowRight");
    }
    const line = await page.evaluate(() => document.activeElement?.dataset.line);
    ok(`${line} is a host line of the add`, names(hostOf(e, add), "h").includes(line));
    ok("the add is lit", (await lit(page, "guest")).includes(`g${add}`));
    await page.keyboard.press("Enter");
    equal("the URL's instruction", focusOf(page).get("insn"), String(add));
    await page.mouse.move(500, 300);
    ok("pointing elsewhere changes nothing", (await lit(page, "guest")).includes(`g${add}`));
    await page.keyboard.press("Escape");
    equal("the URL's instruction", focusOf(page).get("insn"), null);
    await page.mouse.move(700, 5);
  });

  await t.test("a reload lands on the same block and line", async () => {
    await page.locator("#tb-col-guest .row").nth(add).click();
    const before = hashOf(page);
    await page.reload();
    await t.connected(page);
    await waitShown(page, id);
    equal("the URL", hashOf(page), before);
    equal("pinned", await page.$$eval("#tb-col-guest .row.pinned", (r) => r.map((x) => x.dataset.line)), [`g${add}`]);
    ok("its host lines are lit", (await lit(page, "host")).length > 0);
    await page.keyboard.press("Escape");
  });

  await t.test("the largest block of all is shown as well", async () => {
    const { blocks } = await call(page, "tb.list", { sort: "host", limit: 1 });
    await page.evaluate((hash) => (location.hash = hash), `#ws=translate&block=${blocks[0].id}`);
    await waitShown(page, blocks[0].id);
    console.log(`# a block of ${blocks[0].insns} instructions and ${blocks[0].host_size} host bytes: ${await page.getAttribute("#tb-columns", "data-ms")} ms`);
    /* A pointer that rests where rows scroll by must not take the line from the keyboard. */
    await page.locator("#tb-col-guest .row").first().hover();
    await page.locator("#tb-col-guest .row").first().focus();
    await page.keyboard.press("End");
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 200))));
    equal("the last instruction", await lit(page, "guest"), [`g${blocks[0].insns - 1}`]);
    await page.keyboard.press("ArrowRight");
    equal("what belongs to it", await lit(page, "guest"), [`g${blocks[0].insns - 1}`]);
  });

  const rich = await blockWith(page, (x) => lastOps(x).filter((o) => o.removed).length > 1 && x.steps.length > 3 && x.guest.length < 40);

  await t.test("removed ops stay, struck through, with rule and reason in words", async () => {
    await page.evaluate((hash) => (location.hash = hash), `#ws=translate&block=${rich.block.id}`);
    await waitShown(page, rich.block.id);
    const removed = lastOps(rich).filter((o) => o.removed);
    equal("struck through", await page.$$eval("#tb-col-opt .row.removed del", (all) => all.map((d) => d.textContent)), removed.map((o) => o.text));
    const why = (await page.$$eval("#tb-col-opt .row.removed", (all) => all.map((r) => r.querySelector(".why")?.textContent)));
    const said = new Map(rich.stages.slice(1).flatMap((s) => s.ops.filter((o) => o.removed && o.rule).map((o) => [o.id, o])));
    equal("why", why, removed.map((o) => `${said.get(o.id).rule}: ${said.get(o.id).reason}`));
  });

  await t.test("the passes can be gone through one by one, and rule by rule, by keyboard", async () => {
    await page.evaluate((hash) => (location.hash = hash), `#ws=translate&block=${rich.block.id}`);
    await waitShown(page, rich.block.id);
    await page.locator("#tb-columns header").click();
    await page.keyboard.press("[");
    matches("the last pass", await page.locator(".step-text").textContent(), new RegExp(rich.stages.at(-1).name));
    await page.locator(".tb-steps select").selectOption("rule");
    equal("the front end's ops", await page.$$eval("#tb-col-opt .row .text", (all) => all.map((x) => x.textContent)), rich.stages[0].ops.filter((o) => o.op !== "insn").map((o) => o.text));
    await page.locator("#tb-columns header").click();
    await page.keyboard.press("]");
    const first = rich.steps[0];
    matches("the first rule", await page.locator(".step-text").textContent(), new RegExp(`#${first.op} ${first.rule}`));
    equal("what it changed", await page.$$eval("#tb-col-opt .row.touched", (all) => all.map((r) => r.dataset.line)), [`o${first.op}`]);
    matches("the URL", hashOf(page), /translate\.step=r1/);
    await page.locator("#tb-col-opt .row").nth(1).focus();
    const held = await page.evaluate(() => document.activeElement?.dataset.line);
    await page.keyboard.press("]");
    equal("the line in hand stays in hand", await page.evaluate(() => document.activeElement?.dataset.line), held);
    for (let i = 0; i < KEYS_MOST && /step=r\d/.test(hashOf(page)); i++) {
      await page.keyboard.press("]");
    }
    equal("at the end", await page.locator("#tb-col-opt .row.removed").count(), lastOps(rich).filter((o) => o.removed).length);
  });

  await t.test("the graph leads to a neighbour by keyboard, and its table names the same blocks", async () => {
    const centre = page.locator("#tb-graph .node.centre");
    await centre.waitFor();
    const nodes = await page.locator("#tb-graph .node").count();
    await page.locator("#tb-graph").getByRole("button", { name: "Show as a table" }).click();
    equal("rows", await page.locator("#tb-graph .twin tbody tr").count(), nodes);
    await page.locator("#tb-graph").getByRole("button", { name: "Show as a table" }).click();
    const g = await call(page, "tb.graph", { id, depth: 1 });
    const next = g.edges.find((x) => x.from === id && x.to && x.to !== id)?.to;
    ok("the add's block is chained to another", next);
    await page.evaluate((hash) => (location.hash = hash), `#ws=translate&block=${id}`);
    await waitShown(page, id);
    await until("its graph", async () => (await page.locator("#tb-graph .node.centre").getAttribute("data-id")) === id);
    await page.locator("#tb-graph .node.centre").focus();
    await page.keyboard.press("ArrowDown");
    const to = await page.evaluate(() => document.activeElement?.dataset.id);
    ok("a way goes down", to && to !== id);
    await page.keyboard.press("Enter");
    await waitShown(page, to);
    await page.goBack();
    await waitShown(page, id);
  });

  await t.test("the biography tells of the birth, and of who is chained to it", async () => {
    await page.locator("#tb-life .life.current").waitFor();
    const got = await call(page, "tb.get", { id });
    await page.locator("#tb-life").getByText(`Exits chained to it: ${got.incoming_count}`).waitFor();
    await page.locator("#tb-life").getByText("It lives.").first().waitFor();
  });

  await t.test("an address that is chosen is the way to its block, and back leads to the block before", async () => {
    await page.evaluate((pc) => (location.hash = `#ws=translate&addr=${pc}`), rich.block.pc);
    await until("the block at the address", async () => BigInt((await shownBlock(page)) ?? 0) !== number(id) && focusOf(page).has("block"));
    await page.goBack();
    await waitShown(page, id);
  });

  await t.test("the code buffer's table tells what the machine does", async () => {
    await page.locator("#tb-buffer").getByRole("button", { name: "Show as a table" }).click();
    const { regions } = await call(page, "tb.regions");
    equal("rows", await page.locator("#tb-buffer .twin tbody tr").count(), regions.length);
    await page.locator("#tb-buffer").getByRole("button", { name: "Show as a table" }).click();
  });

  await t.test("axe finds nothing serious, with a line lit in both themes", async () => {
    for (const theme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: theme });
      await page.locator("#tb-col-opt .row").nth(1).focus();
      ok("something is lit", (await lit(page, "guest")).length > 0);
      await accessible(page);
    }
    await page.emulateMedia({ colorScheme: "light" });
  });

  await t.test("a viewer sees all of it and may not switch counting", async () => {
    const viewer = await t.open(machine, `ws=translate&block=${id}`, { role: "viewer" });
    await waitShown(viewer, id);
    await viewer.locator("#tb-list .heat").first().waitFor();
    ok("the switch is off", await viewer.locator("#tb-list .tb-counting button").isDisabled());
    await t.close(viewer);
  });

  await t.test("on a phone the columns become tabs, and arrows change them", async () => {
    const phone = await t.open(machine, `ws=translate&block=${id}`, { width: 400, height: 800, theme: "dark" });
    await waitShown(phone, id);
    const visible = () => phone.$$eval(".tb-cols .col", (all) => all.filter((c) => getComputedStyle(c).display !== "none").length);
    equal("columns", await visible(), 1);
    await phone.getByRole("tab", { name: "Host" }).click();
    await phone.locator("#tb-col-host .row").first().waitFor();
    await phone.getByRole("tab", { name: "Guest" }).click();
    await phone.locator("#tb-col-guest .row").first().focus();
    await phone.keyboard.press("ArrowRight");
    equal("the tab", await phone.getByRole("tab", { selected: true }).textContent(), "IR");
    await fitsWidth(phone);
    await accessible(phone);
    await t.close(phone);
  });

  await t.test("in Chinese no word is missing", async () => {
    const zh = await t.open(machine, `ws=translate&block=${rich.block.id}`, { locale: "zh-CN" });
    await waitShown(zh, rich.block.id);
    await zh.locator("#tb-graph .node").first().waitFor();
    const text = await zh.evaluate(() => document.body.innerText + [...document.querySelectorAll("[title]")].map((n) => n.getAttribute("title")).join("\n"));
    equal("keys without words", text.match(/\btranslate\.[a-z_.]+/g), null);
    await t.close(zh);
  });

  await t.test("a stopped machine can be looked at as well", async () => {
    await call(page, "machine.stop");
    await page.reload();
    await t.connected(page);
    await waitShown(page, id);
    await page.locator("#tb-graph .node.centre").waitFor();
    await call(page, "machine.cont");
  });

  await t.test("a block that dies meanwhile says so, and offers the one that lives in its place", async () => {
    await call(page, "tb.profile", { on: false }); /* makes all blocks anew */
    await page.locator(".tb-dead").getByText("counting of runs was switched on or off").waitFor();
    ok("it can still be read", (await page.locator("#tb-col-guest .row").count()) > 0);
    await until("the busy guest made it again", async () => {
      const { blocks } = await call(page, "tb.list", { from: e.block.pc, to: e.block.pc });
      return blocks.some((b) => b.alive && b.pc === e.block.pc && b.ram === e.block.ram);
    });
    await page.reload();
    await t.connected(page);
    await page.locator(".tb-dead").getByRole("button").click();
    await until("the heir is shown", async () => {
      const now = await shownBlock(page);
      return now && now !== id;
    });
    equal("the same code", await page.locator("#tb-col-guest .row").count(), e.guest.length);
    ok("no obituary", await page.locator(".tb-dead").isHidden());
  });

  await t.test("a machine that has not run yet has no blocks, and the page says so until it runs", async () => {
    const fresh = await t.machine({ args: ["-S"], boot: false });
    const p = await t.open(fresh, "ws=translate");
    await p.locator("#tb-columns").getByText("There is no block yet").waitFor();
    await p.locator("#tb-list").getByText("There is no block yet").waitFor();
    await call(p, "machine.cont");
    await p.locator("#tb-list tbody tr").first().waitFor();
    await p.getByRole("button", { name: "Show the first of the list" }).click();
    await p.locator("#tb-col-guest .row").first().waitFor();
    await t.close(p);
  });

  await t.test("a lost connection: what was chosen meanwhile is shown when it is back", async () => {
    const sockets = [];
    let cut = false;
    await page.routeWebSocket(/\/ws/, (ws) => (cut ? ws.close() : sockets.push([ws, ws.connectToServer()])));
    await page.reload();
    await t.connected(page);
    const { blocks } = await call(page, "tb.list", { limit: 20 });
    const other = blocks.find((b) => b.id !== focusOf(page).get("block")).id;
    cut = true;
    sockets.forEach(([ws, server]) => (ws.close(), server.close()));
    await page.waitForSelector("html:not([data-connection=open])", { state: "attached" });
    await page.evaluate((hash) => (location.hash = hash), `#ws=translate&block=${other}`);
    cut = false;
    await t.connected(page);
    await waitShown(page, other);
    await page.locator("#tb-stats dd").first().waitFor();
  });
});
