// SPDX-License-Identifier: MIT
/** The workspace Devices: what it shows is what Linux found, and it moves when Linux uses a device. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { accessible, call, equal, fitsWidth, matches, ok, suite, until } from "./harness.mjs";

const DISK_BYTES = 16 << 20;

/** The text of a panel's body. */
const text = (page, id) => page.locator(`#${id}`).innerText();

/** A panel's table twin as rows of texts. */
async function twin(page, id) {
  await page.click(`#${id} > header button[aria-pressed][title="Show as a table"]`);
  const rows = await page.$$eval(`#${id} .twin-box tbody tr`, (trs) => trs.map((tr) => [...tr.children].map((td) => td.textContent)));
  await page.click(`#${id} > header button[aria-pressed][title="Show as a table"]`);
  return rows;
}

const choose = (page, dev) => page.click(`.dev-item[data-dev="${dev}"]`);

/** Brings the lanes into view: out of view they ask for nothing. */
async function toLanes(page) {
  await page.locator("#dev-irq").scrollIntoViewIfNeeded();
  await page.waitForSelector('.irq-lane[data-input="10"]');
}

suite("devices", async (t) => {
  const dir = mkdtempSync(path.join(os.tmpdir(), "vitrine-devices-"));
  const disk = path.join(dir, "disk");
  writeFileSync(disk, "");
  truncateSync(disk, DISK_BYTES);
  const machine = await t.machine({
    smp: 4,
    args: ["-drive", `file=${disk},if=none,format=raw,id=hd`, "-device", "virtio-blk-device,drive=hd,id=disk0", "-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0,id=nic0"],
  });
  const page = await t.open(machine, "ws=devices");

  await t.test("the devices are those that Linux found", async () => {
    await page.waitForSelector(".dev-item");
    const shown = await page.$$eval(".dev-item", (items) => items.map((i) => i.dataset.dev));
    const linux = await machine.run("for d in /sys/bus/virtio/devices/*; do readlink -f $d; done; cat /sys/block/vda/size");
    const transports = [...linux.matchAll(/\/([0-9a-f]+)\.virtio_mmio\/virtio\d+/g)].map((m) => m[1]);
    equal("transports with a device in them", transports.length, 2);
    for (const base of transports) {
      const node = shown.find((d) => d === `virtio-mmio@${base}`);
      ok(`transport ${base} is shown`, node);
      ok(`what ${base} carries is shown under it`, await page.locator(`li:has(> [data-dev="${node}"]) > ul .dev-item`).count());
    }
    const uart = await machine.run("cat /proc/iomem; dmesg | grep ttyS0");
    matches("Linux's serial port", uart, /10000000/);
    ok("so is the serial port", shown.some((d) => d.endsWith("@10000000")));
    const sectors = Number(/^(\d+)\r?$/m.exec(linux.split("\n").slice(2).join("\n"))?.[1]);
    await choose(page, "disk0");
    await page.waitForSelector('.reg[data-reg="capacity"]');
    const capacity = await page.locator('.reg[data-reg="capacity"] .reg-value').innerText();
    equal("the capacity register is the disk's size in Linux", Number(capacity), sectors);
    equal("which is the file's", sectors * 512, DISK_BYTES);
  });

  await t.test("a register's fields are drawn, and their words are those of the server", async () => {
    await choose(page, "serial-mm@10000000");
    await page.click('.reg[data-reg="LCR"] .reg-head');
    const answer = await call(page, "dev.regs", { dev: "serial-mm@10000000" });
    const lcr = answer.registers.find((r) => r.name === "LCR");
    const rows = await page.$$eval('.reg[data-reg="LCR"] .bitstrip-list tbody tr', (trs) => trs.map((tr) => [...tr.children].map((td) => td.textContent.trim())));
    equal("fields", rows.map((r) => r[0].replace(/^\d+ /, "")), lcr.fields.map((f) => f.name));
    equal("words", rows.map((r) => r[3]), lcr.fields.map((f) => f.words ?? ""));
    const bits = await page.$$eval('.reg[data-reg="LCR"] .bit', (b) => b.map((n) => n.textContent).join(""));
    equal("the strip's bits make up the value", parseInt(bits, 2), Number(lcr.value));
  });

  await t.test("typing in the shell moves the serial port's registers, its counters and its lane", async () => {
    await toLanes(page);
    const lane = page.locator('.irq-lane[data-input="10"]');
    const raised = async () => Number(/(\d+)↑/.exec(await lane.innerText())?.[1]);
    const before = await raised();
    const state = await text(page, "dev-state");
    await machine.run("echo one two three; ls /");
    await until("the lane counts more interrupts", async () => (await raised()) > before);
    const linux = Number((await call(page, "irq.lines")).lines.find((l) => l.input === 10).raised);
    await until("the lane's number is the server's", async () => (await raised()) === linux);
    await until("the state shows another moment", async () => (await text(page, "dev-state")) !== state);
  });

  await t.test("reading the disk turns its rings, and the table twin says the same", async () => {
    await choose(page, "disk0");
    await page.waitForSelector("#dev-queues:not([hidden]) .vq-ring");
    const used = async () => Number((await twin(page, "dev-queues"))[0]?.[4] ?? NaN);
    const before = (await call(page, "dev.queues", { dev: "disk0" })).queues[0].indices.used;
    await machine.run("dd if=/dev/vda of=/dev/null bs=64k count=16");
    const server = Number((await call(page, "dev.queues", { dev: "disk0" })).queues[0].indices.used);
    ok("the disk did something", server > Number(before));
    await until("the twin shows the index used.idx of the server", async () => (await used()) === server);
    matches("and so do the words", await page.locator(".vq-words").innerText(), new RegExp(`given back ${server}\\b`));
    equal("the last chains given back are listed", await page.locator('.vq .table[aria-label="Given back lately"] tbody tr').count(), Math.min(server, 8));
  });

  await t.test("a descriptor leads to its memory", async () => {
    const queue = (await call(page, "dev.queues", { dev: "disk0" })).queues[0];
    await page.locator(".vq-cell").nth(3).focus();
    await page.keyboard.press("Enter");
    const phys = await page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get("phys"));
    ok("the focus is the fourth descriptor", BigInt(phys) === BigInt(queue.desc) + 48n);
    matches("the way to Memory is shown", await page.locator(".dev-go").innerText(), new RegExp(BigInt(phys).toString(16)));
    await page.keyboard.press("ArrowRight");
    ok("the next cell has the keyboard", await page.locator(".vq-cell").nth(4).evaluate((n) => n === document.activeElement));
  });

  await t.test("the receive queue's waiting chains are listed with their buffers", async () => {
    await choose(page, "nic0");
    await page.waitForSelector('.vq [data-queue="1"]');
    const queue = (await call(page, "dev.queues", { dev: "nic0" })).queues[0];
    await until("the middle of the ring is the number of waiting chains", async () => (await page.locator(".vq-middle").first().textContent()) === String(queue.waiting_count));
    const first = queue.waiting[0]?.descriptors[0];
    if (first) {
      matches("the first buffer's address", await page.locator(".vq .table").first().innerText(), new RegExp(first.address));
    } else {
      matches("none", await page.locator(".vq .table").first().innerText(), /None/);
    }
  });

  await t.test("a lane tells step by step where the interrupt stands", async () => {
    await toLanes(page);
    await page.click('.irq-lane[data-input="10"]');
    await page.waitForSelector(".irq-path:has-text('serial-mm@10000000')");
    const path_ = await call(page, "irq.path", { input: 10 });
    await until("its steps are the server's", async () => (await page.locator(".irq-steps li").count()) === path_.steps.length);
    await page.click("#dev-irq .irq-tables summary");
    matches("four harts", await text(page, "dev-irq"), /Hart 3: /);
    const harts = (await call(page, "irq.lines")).harts;
    const lanes = await page.$$eval("[data-local]", (nodes) => nodes.map((n) => n.dataset.local));
    equal("each hart's timer has a lane", lanes.filter((l) => l.endsWith(".5")), harts.map((hart) => `${hart.hart}.5`));
    const rows = await twin(page, "dev-irq");
    equal("the twin has all lines", rows.length, (await call(page, "irq.lines")).lines.length);
  });

  await t.test("while the machine stands still it is shown as it is", async () => {
    await call(page, "machine.stop");
    const regs = await call(page, "dev.regs", { dev: "riscv.sifive.plic@c000000" });
    await choose(page, "riscv.sifive.plic@c000000");
    await page.waitForSelector(".reg");
    equal("registers of the PLIC", await page.locator(".reg").count(), regs.registers.length);
    await call(page, "machine.cont");
  });

  await t.test("a reload shows the same device", async () => {
    await choose(page, "nic0");
    await page.reload();
    await page.waitForSelector('.dev-item.sel[data-dev="nic0"]');
  });

  await t.test("a viewer sees the same", async () => {
    const viewer = await t.open(machine, "ws=devices&dev=disk0", { role: "viewer" });
    await viewer.waitForSelector(".vq-ring");
    await viewer.waitForSelector('.reg[data-reg="capacity"]');
    await t.close(viewer);
  });

  for (const [theme, width] of [["light", 1440], ["dark", 400]]) {
    await t.test(`axe finds nothing serious, and it fits: ${theme}, ${width} px`, async () => {
      const other = await t.open(machine, "ws=devices&dev=disk0", { theme, width, height: 900 });
      await other.waitForSelector(".vq-ring");
      await other.click('.reg[data-reg="capacity"] .reg-head');
      await toLanes(other);
      await other.click('.irq-lane[data-input="10"]');
      await fitsWidth(other);
      await accessible(other);
      await t.close(other);
    });
  }

  await t.test("Chinese: no word is missing", async () => {
    const other = await t.open(machine, "ws=devices&dev=disk0", { locale: "zh-CN" });
    await other.waitForSelector(".vq-ring");
    matches("the title", await text(other, "dev-queues"), /可用环/);
    ok("keys shown as they are", !/devices\.[a-z]/.test(await other.locator("main").innerText()));
    await t.close(other);
  });
  rmSync(dir, { recursive: true });
});
