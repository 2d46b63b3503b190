// SPDX-License-Identifier: MIT
/**
 * The Memory workspace against a booted Debian: a page that the guest is made to write, seen in the heat map, its
 * table, the bytes, and by a watch point; a walk; who answers at an address.
 *
 *   guest shell: a file in memory --mem.search finds its page--> physical address --> page of the console
 */
import { accessible, call, equal, fitsWidth, matches, ok, suite, until } from "./harness.mjs";

const PAGE = 4096n;
const TEXT = "HEATMARK-of the test";
const LOOP = "(while :; do printf %s HEATMARK 1<>/tmp/m; done) & echo pid $!";

/** The physical page of /tmp/m: its text at the beginning of a page, and it changes when the file does. */
async function findPage(machine, page) {
  await machine.run("printf 'HEAT%s-%s' MARK 'of the test' > /tmp/m");
  const pattern = Buffer.from(TEXT).toString("hex");
  let cursor;
  const hits = [];
  do {
    const answer = await call(page, "mem.search", { pattern, limit: 1000, ...(cursor ? { cursor } : {}) });
    hits.push(...answer.hits.map(BigInt).filter((a) => a % PAGE === 0n));
    cursor = answer.cursor;
  } while (cursor);
  await machine.run("printf ZEATMARK 1<>/tmp/m");
  const found = [];
  for (const addr of hits) {
    const bytes = await call(page, "mem.read", { addr: hex(addr), len: 1 });
    bytes.data === "5a" && found.push(addr);
  }
  equal("pages that are the file's", found.length, 1);
  await machine.run("printf HEATMARK 1<>/tmp/m");
  return found[0];
}

const hex = (v) => "0x" + v.toString(16);
const at = (phys, more = "") => `ws=memory&phys=${hex(phys)}&memory.zoom=0${more}`;
const grouped = (v) => v.toString(16).padStart(8, "0");

/** Does a client of its own find the page among the dirty ones? Asks the machine, not the panel. */
function dirtyByRpc(page, number) {
  return page.evaluate(async (n) => {
    const { Bus, socketUrl } = await import("./protocol.js");
    const bus = new Bus(socketUrl());
    await new Promise((done) => bus.addEventListener("state", done, { once: true }));
    try {
      await bus.call("dirty.track");
      await new Promise((done) => setTimeout(done, 200));
      const { runs } = await bus.call("dirty.read", { limit: 10000, frame: false });
      return runs.some(([first, count]) => n >= first && n < first + count);
    } finally {
      bus.close();
    }
  }, number);
}

async function readout(page) {
  return page.$eval("#heat-readout", (r) => ({ phys: r.dataset.phys, now: Number(r.dataset.now), rate: Number(r.dataset.rate), text: r.textContent }));
}

/** Goes to a page by its link, and waits for its bytes. */
async function showBytes(page, phys) {
  await page.evaluate((h) => (location.hash = h), at(phys));
  await until("the address", async () => (await page.inputValue("#hex-address")) === hex(phys));
  await page.locator(".hex-grid").scrollIntoViewIfNeeded();
  await until("the bytes", async () => (await page.textContent(".hex-grid")).includes("MARK-of the "));
}

/** Row of the table twin for a page: [address, pages, now, rate, code]. */
async function twinRow(page, phys) {
  return page.$$eval("#mem-heat .twin tbody tr", (rows, addr) => {
    const row = rows.find((r) => r.cells[0].textContent === addr);
    return row && [...row.cells].slice(1).map((c) => Number(c.textContent));
  }, grouped(phys));
}

await suite("memory", async (t) => {
  const machine = await t.machine();
  const page = await t.open(machine, "ws=memory");
  await page.waitForSelector("#mem-heat");
  const phys = await findPage(machine, page);
  const number = Number((phys - 0x80000000n) / PAGE);

  await t.test("the heat map shows the page that the guest writes, while it does", async () => {
    await page.evaluate((h) => (location.hash = h), at(phys));
    await until("the cursor is on the page", async () => (await readout(page)).phys === hex(phys));
    await until("nobody writes it", async () => (await readout(page)).rate === 0);
    await machine.run(LOOP);
    await until("the map says it is written", async () => {
      const r = await readout(page);
      return r.now === 1 && r.rate > 3;
    });
    ok("the machine says so, too", await dirtyByRpc(page, number));
  });

  await t.test("the cell of that page is drawn hot, its neighbours' colour differs", async () => {
    await page.click("#mem-heat [data-mode=rate]");
    const colours = () => page.evaluate((n) => {
      const canvas = document.querySelector(".heat-canvas");
      const columns = Math.floor(canvas.getBoundingClientRect().width / 5);
      const ratio = devicePixelRatio;
      const first = Math.floor(Number(document.querySelector(".heat-pan").value)) * columns;
      const pixel = (cell) => [...canvas.getContext("2d").getImageData(((cell % columns) * 5 + 1) * ratio, (Math.floor(cell / columns) * 5 + 2) * ratio, 1, 1).data].slice(0, 3);
      const none = (cell) => pixel(cell).join();
      return { hot: none(n - first), cold: [3, 5, 7, 11].map((d) => none(n - first + d)) };
    }, number);
    await until("it differs", async () => {
      const c = await colours();
      return c.cold.some((o) => o !== c.hot);
    });
    await page.click("#mem-heat [data-mode=now]");
  });

  await t.test("the table twin says the same numbers as the cell", async () => {
    await until("hot", async () => (await readout(page)).now === 1);
    await call(page, "machine.stop");
    await until("the page knows", () => page.$("html[data-machine=stopped]"));
    await until("a second went by without news", async () => / 0 looks a second/.test(await page.textContent("#mem-heat .heat-stats")));
    const still = await readout(page);
    await page.click("#mem-heat button[aria-label*=table i]");
    const row = await until("the page's row", () => twinRow(page, phys));
    equal("pages, written, rate", row.slice(0, 3), [1, still.now, still.rate]);
    ok("it is written at all", still.now === 1 || still.rate > 0);
    await page.click("#mem-heat button[aria-label*=table i]");
    await call(page, "machine.cont");
  });

  await t.test("the page cools down when the guest leaves it alone", async () => {
    await machine.run("kill $!");
    await until("cold", async () => {
      const r = await readout(page);
      return r.now === 0 && r.rate === 0;
    });
    ok("the machine says so, too", !(await dirtyByRpc(page, number)));
  });

  await t.test("zoomed out, a cell says how many pages it is, and counts those written", async () => {
    await page.click("#mem-heat .heat-all");
    await until("many pages a cell", async () => /16 pages a cell/.test(await page.textContent("#mem-heat .toolbar")));
    await machine.run(LOOP);
    await until("one of 16", async () => {
      const r = await readout(page);
      return r.now >= 1 && / of 16 pages written/.test(r.text) && BigInt(r.phys) === phys - (phys % (16n * PAGE));
    });
    await machine.run("kill $!");
  });

  await t.test("by keyboard: arrows, zoom, and Enter focuses a page", async () => {
    await page.focus(".heat-canvas");
    await page.keyboard.press("Home");
    await until("at the beginning", async () => (await readout(page)).phys === "0x80000000");
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press("+");
    }
    await until("one page a cell", async () => /1 page a cell/.test(await page.textContent("#mem-heat .toolbar")));
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /phys=0x80002000(&|$)/.test(location.hash));
    await until("the bytes follow", async () => (await page.inputValue("#hex-address")) === "0x80002000");
  });

  await t.test("pages that hold code are those the translator watches", async () => {
    const answer = await call(page, "dirty.read", { client: "code", frame: false, limit: 10000 });
    await page.click("#mem-heat [data-mode=code]");
    const shown = await until("the number of pages with code", async () => Number(/with code: ([\d,]+)/.exec(await page.textContent(".heat-stats"))?.[1].replaceAll(",", "")));
    ok(`${shown} is about ${BigInt(answer.set)}`, Math.abs(shown - Number(BigInt(answer.set))) < Number(BigInt(answer.set)) / 10);
    await page.click("#mem-heat [data-mode=now]");
  });

  await t.test("search finds the text, and the bytes are those of that page", async () => {
    await page.fill(".hex-find", TEXT);
    await page.press(".hex-find", "Enter");
    await page.click(`.hex-hits [data-phys="${hex(phys)}"]`);
    await until("the characters", async () => (await page.textContent(".hex-grid")).includes("HEATMARK-of the "));
    await page.waitForFunction((p) => location.hash.includes(`phys=${p}`), hex(phys));
  });

  await t.test("a byte that the guest changes is marked, not by colour alone", async () => {
    await showBytes(page, phys);
    await machine.run("printf QEATMARK 1<>/tmp/m");
    const cell = await page.waitForSelector(".hex-byte.changed");
    equal("the byte", await cell.textContent(), "51");
    const style = await cell.evaluate((c) => getComputedStyle(c).fontWeight);
    ok("it is bold", Number(style) >= 700);
    await page.waitForSelector(".hex-byte.changed", { state: "detached" });
  });

  await t.test("an operator writes bytes, after being asked, and the guest reads them", async () => {
    await showBytes(page, phys);
    await page.click('.hex-byte[tabindex="0"]');
    await page.keyboard.press("Enter");
    await page.fill(".hex-edit input", "56 49 54 52");
    matches("it asks", await page.textContent(".hex-edit"), /Write 4 bytes at physical/);
    await page.keyboard.press("Enter");
    await page.waitForSelector(".hex-edit", { state: "hidden" });
    matches("the file", await machine.run("head -c 8 /tmp/m; echo"), /VITRMARK/);
    await until("the bytes", async () => /VITRMARK/.test(await page.textContent(".hex-grid")));
  });

  await t.test("a watch point from the selected bytes stops the machine when the guest writes them", async () => {
    await showBytes(page, phys);
    await page.click('.hex-byte[tabindex="0"]');
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press("Shift+ArrowRight");
    }
    await page.click(".hex-watch");
    await page.waitForSelector(".hex-points .chip");
    const { points } = await call(page, "cpu.points");
    equal("length", points.map((p) => p.len), points.map(() => 4));
    const walk = await call(page, "mmu.walk", { addr: points[0].addr, priv: "S" });
    equal("it is on the page", walk.phys, hex(phys));
    machine.process.stdin.write("printf STOP 1<>/tmp/m\n");
    await page.waitForSelector("html[data-machine=stopped]");
    matches("what the page says", await until("why", async () => page.textContent(".hex-stop")), /Stopped: the instruction at .* touched/);
    const { stop } = await call(page, "cpu.points");
    equal("reason", stop.reason, "watch");
    const data = (await call(page, "mem.read", { addr: hex(phys), len: 4 })).data;
    equal("the store is done", data.slice(0, 2), "53");
    for (let left = points.length; left > 0; left--) {
      await page.locator(".hex-points button").first().click();
      await until("one less", async () => (await page.$$(".hex-points .chip")).length < left);
    }
    await call(page, "machine.cont");
    await page.waitForSelector("html[data-machine=running]");
    matches("the guest goes on", await machine.run("head -c 4 /tmp/m; echo"), /STOP/);
  });

  await t.test("a kernel address is walked step by step, and comes out where the machine says", async () => {
    const { pc } = (await call(page, "cpu.list")).cpus[0];
    await page.selectOption("[data-choice=access]", "fetch");
    await page.selectOption("[data-choice=priv]", "S");
    await page.fill("#walk-address", pc);
    await page.press("#walk-address", "Enter");
    const wanted = await call(page, "mmu.walk", { addr: pc, access: "fetch", priv: "S" });
    const shown = (v) => (v.length > 10 ? `${v.slice(2, 10)}_${v.slice(10)}` : grouped(BigInt(v)));
    await until("the result", async () => (await page.textContent(".walk-summary")).includes(`is physical ${shown(wanted.phys)}`));
    equal("steps", await page.$$eval(".walk-steps > li", (l) => l.length), wanted.levels.length + 2);
    await page.focus(".walk-steps");
    await page.keyboard.press("ArrowDown");
    await page.waitForSelector(".walk-steps li.open:nth-child(2)");
    matches("the entry's address", await page.textContent(".walk-steps li.open"), new RegExp(`= ${grouped(BigInt(wanted.levels[0].pte_addr))}`));
    equal("bits of the entry", await page.$$eval(".walk-steps .pte-field.on b", (b) => b.map((n) => n.textContent)), ["PPN", "V"]);
    equal("the part of the address that is used", await page.textContent(".slice.used .slice-name"), `VPN[${wanted.levels[0].level}]`);
    for (let i = 0; i < wanted.levels.length; i++) {
      await page.click("text=Next step");
    }
    matches("the last step", await page.textContent(".walk-steps li.open"), new RegExp(`physical address.*${grouped(BigInt(wanted.phys))}`));
  });

  await t.test("an address that is not mapped gives its fault, and why", async () => {
    await page.selectOption("[data-choice=access]", "write");
    await page.fill("#walk-address", "0x10 - 8 * 2");
    await page.press("#walk-address", "Enter");
    await until("the fault", async () => /store.*page fault/i.test(await page.textContent(".walk-summary")));
    await until("why", async () => /not-valid/.test(await page.textContent(".walk-steps")));
  });

  await t.test("an address that is none says what is wrong with it", async () => {
    await page.fill("#walk-address", "spp + 1");
    matches("hint", await page.textContent("#mem-walk .addr-hint"), /“spp” is no number and no register/);
    await page.fill("#walk-address", "sp + 16");
    await until("its value", async () => /^= [0-9a-f_]{8,}$/.test(await page.textContent("#mem-walk .addr-hint")));
  });

  await t.test("who answers at a device's register is lit in tree and strip, and the register is named", async () => {
    await page.click(".region[data-region=serial]");
    await until("the path", async () => /leads to serial/.test(await page.textContent(".region-path")));
    await page.click(".registers >> text=LSR");
    await page.waitForFunction(() => location.hash.includes("phys=0x10000005"));
    await page.waitForSelector(".registers [aria-current=true] >> text=LSR");
    equal("strip", await page.$$eval(".strip-range.lit .strip-name", (l) => l.map((n) => n.textContent)), ["serial"]);
    equal("tree", await page.$$eval('.region[data-verdict="taken"]', (l) => l.map((n) => n.dataset.region)), ["serial"]);
  });

  await t.test("the tree goes by keyboard", async () => {
    await page.focus('.region[tabindex="0"]');
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowLeft");
    await until("closed", async () => (await page.$$(".region")).length === 1);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => location.hash.includes("phys=0x80000000"));
  });

  await t.test("a used slot of the TLB shows the entry that the machine has there", async () => {
    await page.locator("#mem-tlb").scrollIntoViewIfNeeded();
    await until("slots", async () => /slots used/.test(await page.textContent(".tlb-fill")));
    await call(page, "machine.stop");
    await page.selectOption('#mem-tlb select[title*="kind of access"]', "S");
    await until("of S", async () => /^S: /.test(await page.textContent(".tlb-fill")));
    await page.focus(".tlb-canvas");
    await page.keyboard.press("n");
    const text = await until("an entry", async () => {
      const entry = await page.textContent(".tlb-entry");
      return /→/.test(entry) && entry;
    });
    const slot = Number(/Slot (\d+)/.exec(text)[1]);
    const { entries } = await call(page, "mmu.tlb", { mode: "S", level: 1, slot });
    ok(`${text} holds ${entries[0].phys}`, text.includes(grouped(BigInt(entries[0].phys))));
    await call(page, "machine.cont");
  });

  await t.test("hits of the TLB are shown while they are counted", async () => {
    const hits = () => page.locator(".tlb-counts .chip", { hasText: /^hits/ }).count();
    equal("before", await hits(), 0);
    await call(page, "tb.profile", { on: true });
    await until("hits", hits);
    await call(page, "tb.profile", { on: false });
  });

  await t.test("mappings are listed page by page; a run is walked when it is chosen", async () => {
    await page.locator("#mem-mappings").scrollIntoViewIfNeeded();
    await page.waitForSelector("#mem-mappings tbody tr");
    const first = await page.textContent("#mem-mappings tbody tr td");
    await page.click("#mem-mappings >> text=More");
    await until("another page", async () => (await page.textContent("#mem-mappings tbody tr td")) !== first);
    await page.click("#mem-mappings >> text=Back");
    await until("the first again", async () => (await page.textContent("#mem-mappings tbody tr td")) === first);
    await page.click("#mem-mappings tbody tr");
    await page.waitForFunction((a) => location.hash.includes(`addr=0x${a.replace(/^0+|_/g, "")}`), first);
  });

  await t.test("a reload lands in the same place", async () => {
    await page.evaluate((h) => (location.hash = h), at(phys, "&memory.heat=rate"));
    await until("there", async () => (await readout(page)).phys === hex(phys));
    await page.reload();
    await until("there again", async () => (await page.$("#heat-readout")) && (await readout(page)).phys === hex(phys));
    equal("mode", await page.getAttribute("#mem-heat [data-mode=rate]", "aria-pressed"), "true");
  });

  await t.test("axe finds nothing serious", async () => {
    await accessible(page);
    await page.click("#mem-heat button[aria-label*=table i]");
    await accessible(page, "#mem-heat");
  });
  await t.close(page);

  await t.test("a viewer looks and cannot write", async () => {
    const viewer = await t.open(machine, at(phys), { role: "viewer" });
    await until("bytes", async () => (await viewer.textContent(".hex-grid").catch(() => "")).includes("MARK-of the "));
    ok("write is disabled", await viewer.isDisabled(".hex-edit-button"));
    ok("watch is disabled", await viewer.isDisabled(".hex-watch"));
    await viewer.click('.hex-byte[tabindex="0"]');
    await viewer.keyboard.press("5");
    ok("no editor", await viewer.isHidden(".hex-edit"));
    await until("the heat map lives", async () => /1?\d looks a second/.test(await viewer.textContent(".heat-stats")));
    await t.close(viewer);
  });

  for (const [theme, width, height, locale] of [["light", 400, 800, "en-US"], ["dark", 1440, 900, "zh-CN"], ["dark", 400, 800, "en-US"]]) {
    await t.test(`it fits and is accessible at ${width} px, ${theme}, ${locale}`, async () => {
      const other = await t.open(machine, at(phys, "&addr=0xffffffff80000000&memory.step=2"), { theme, width, height, locale });
      await until("bytes", async () => {
        await other.locator(".hex-grid").scrollIntoViewIfNeeded(); /* what loads above may push it down again */
        return (await other.textContent(".hex-grid")).includes("MARK");
      });
      await fitsWidth(other);
      await accessible(other);
      equal("words that are missing", await other.$$eval("main *", (all) => all.flatMap((n) => [...n.childNodes]).filter((n) => n.nodeType === 3 && /^memory\.\w/.test(n.data)).map((n) => n.data)), []);
      await t.close(other);
    });
  }

  await t.test("without paging it says so", async () => {
    const bare = await t.machine({ boot: false, args: ["-S"] });
    const other = await t.open(bare, "ws=memory&addr=0x80000000&memory.priv=S");
    await until("bare", async () => /bare/.test(await other.textContent(".walk-summary").catch(() => "")));
    matches("step", await other.textContent(".walk-steps"), /bare/);
    await other.locator("#mem-mappings").scrollIntoViewIfNeeded();
    await until("mappings say so", async () => /Translation is off/.test(await other.textContent("#mem-mappings")));
    await t.close(other);
  });
});
