// SPDX-License-Identifier: MIT
/** The workspace CPU: stop a Linux where one wants, step it, and read its registers in words. */
import { accessible, call, EMULATOR, equal, fitsWidth, matches, ok, PATIENCE, sleep, suite, until } from "./harness.mjs";

const FUNCTION = "ksys_write"; /* each write of the shell comes by */
const WORD = "jiffies"; /* the kernel's clock: written with each tick */

/** The address of a kernel symbol, from Linux itself. */
async function symbol(machine, name) {
  const out = await machine.run(`grep ' ${name}$' /proc/kallsyms`);
  const match = new RegExp(`^([0-9a-f]{16}) \\w ${name}$`, "m").exec(out);
  ok(`Linux knows ${name}`, match);
  return "0x" + match[1].replace(/^0+/, "");
}

/** "ffffffff_80123456" as the wire has it. */
const wire = (shown) => "0x" + BigInt("0x" + shown.replace("_", "")).toString(16);

/** Registers as the page shows them. */
const shownRegisters = (page) => page.$$eval(".reg-cell", (cells) => Object.fromEntries(cells.map((c) => [c.dataset.name, { value: c.querySelector(".reg-val").textContent, changed: c.classList.contains("changed"), mark: c.querySelector(".mark").textContent }])));

const stopped = (page) => page.waitForSelector("html[data-machine=stopped]", { state: "attached" });
const why = (page) => page.locator(".cpu-why").innerText();

async function resume(page) {
  await call(page, "machine.cont");
  await page.waitForSelector("html[data-machine=running]", { state: "attached" });
}

suite("cpu", async (t) => {
  const machine = await t.machine({ smp: 4 });
  const page = await t.open(machine, "ws=cpu");
  const address = await symbol(machine, FUNCTION);

  await t.test("while the guest runs its registers move, marked as moving", async () => {
    await page.waitForSelector(".reg-cell");
    machine.process.stdin.write("while :; do :; done &\n");
    await until("the busy hart's registers move", async () => {
      const busy = (await call(page, "cpu.list")).cpus.find((c) => !c.halted);
      if (!busy) {
        return false;
      }
      await page.click(`.cpu-hart[data-cpu="${busy.cpu}"]`);
      /* Linux may move the loop to another hart. */
      return until("two samples", async () => Object.values(await shownRegisters(page)).some((r) => r.mark === "≈"), 5000).catch(() => false);
    }, 3 * PATIENCE);
    matches("it says so", await page.locator("#cpu-registers").innerText(), /moving/);
    await page.click('.cpu-hart[data-cpu="0"]');
    await machine.run("kill %1");
  });

  await t.test("a break point set in the gutter at a kernel function stops the guest there", async () => {
    await page.fill('#cpu-code input[aria-label="an address"]', address);
    await page.keyboard.press("Enter");
    const row = page.locator(`.code-row[data-addr="${address}"]`);
    await row.waitFor();
    await row.locator(".gutter").click();
    await until("the server has the point", async () => (await call(page, "cpu.points")).points.some((p) => p.kind === "break" && p.addr === address));
    machine.process.stdin.write("echo hello\n");
    await stopped(page);
    await until("the reason is told in words", async () => /break point \d+/.test(await why(page)));
    const stop = (await call(page, "cpu.points")).stop;
    equal("it stopped there", stop.pc, address);
    equal("the hart that stopped is the chosen one", await page.locator('.cpu-hart[aria-pressed="true"]').getAttribute("data-cpu"), String(stop.cpu));
    await until("the current line is that of the function", async () => (await page.locator('.code-row[aria-current="step"]').getAttribute("data-addr")) === address);
    ok("its gutter has the mark", (await page.locator(`.code-row[data-addr="${address}"] .gutter`).innerText()) === "●");
    await until("the list of points says where it stopped", async () => /stopped here/.test(await page.locator("#cpu-points").innerText()));
    const { cpu } = stop;
    const call_ = (await call(page, "cpu.regs", { cpu })).general;
    equal("a0 is the shell's file descriptor: its terminal", Number(call_.a0) <= 10, true);
  });

  await t.test("the registers that changed are marked, by shape too, and they are those of the server", async () => {
    const { cpu } = (await call(page, "cpu.points")).stop;
    const compare = async () => {
      const server = await call(page, "cpu.regs", { cpu, group: "general" });
      const shown = await shownRegisters(page);
      const marked = Object.keys(shown).filter((n) => shown[n].changed);
      return JSON.stringify(marked.sort()) === JSON.stringify([...server.changed].sort()) && Object.entries(server.general).every(([n, v]) => wire(shown[n].value) === v) && marked.every((n) => shown[n].mark === "◆") && marked;
    };
    await until("marks and values after the stop", compare);
    const before = (await call(page, "cpu.regs", { cpu })).general;
    await page.locator("body").press("s");
    await until("the pc moved", async () => (await call(page, "cpu.regs", { cpu })).general.pc !== before.pc);
    const marked = await until("marks and values after the step", compare);
    const after = (await call(page, "cpu.regs", { cpu })).general;
    equal("marked are the ones that differ from before the step", marked, Object.keys(after).filter((n) => after[n] !== before[n]).sort());
    matches("the reason", await why(page), /has run one instruction/);
    await until("the current line went along", async () => (await page.locator('.code-row[aria-current="step"]').getAttribute("data-addr")) === after.pc);
  });

  await t.test("a block, and up to the next trap, which is explained", async () => {
    await page.click('[data-step="block"]');
    await until("a block", async () => /has run one block/.test(await why(page)));
    await page.click('#cpu-points button[aria-label^="Remove point"]');
    await until("no point is left", async () => (await call(page, "cpu.points")).points.length === 0);
    await page.click('[data-step="trap"]');
    await until("a trap", async () => /has taken an interrupt or exception/.test(await why(page)));
    const { cpu } = (await call(page, "cpu.points")).stop;
    const trap = (await call(page, "cpu.trap", { cpu })).traps[0];
    equal("it is just entered", trap.state, "entered");
    const csrs = (await call(page, "cpu.regs", { cpu, group: "privileged" })).privileged;
    const [cause, epc, tvec] = trap.to === "S" ? [csrs.scause, csrs.sepc, csrs.stvec] : [csrs.mcause, csrs.mepc, csrs.mtvec];
    equal("cause, place and handler are those of the registers", [trap.cause, trap.epc, trap.handler], [cause, epc, "0x" + (BigInt(tvec) & ~3n).toString(16)]);
    const box = page.locator(".trap-entered");
    await until("the page tells it", async () => (await box.count()) === 1 && (await box.innerText()).includes(trap.meaning));
    matches("and where it goes on", await box.innerText(), new RegExp(`${trap.to.toLowerCase()}ret, if it were run now, would go on at ${epc} in [US] mode`));
  });

  await t.test("words of control registers are right", async () => {
    const { cpu } = (await call(page, "cpu.points")).stop;
    await page.click('#cpu-csr tr:has(td:text-is("satp"))');
    const fields = async () => Object.fromEntries(await page.$$eval("#cpu-csr .bitstrip-list tbody tr", (trs) => trs.map((tr) => [tr.dataset.field, [...tr.children].map((td) => td.textContent)])));
    await until("satp is shown", async () => (await fields()).MODE);
    const satp = BigInt((await call(page, "cpu.regs", { cpu, group: "privileged" })).privileged.satp);
    const names = { 0n: "Bare", 8n: "Sv39", 9n: "Sv48", 10n: "Sv57" }; /* Privileged Architecture, satp.MODE */
    const shown = await fields();
    equal("MODE in words", shown.MODE[3], names[satp >> 60n]);
    equal("PPN", BigInt(shown.PPN[2]).toString(), (satp & ((1n << 44n) - 1n)).toString());
    const bits = await page.$$eval("#cpu-csr .bit", (b) => b.length);
    ok("the strip is drawn", bits > 8);
    await page.click('#cpu-csr tr:has(td:text-is("scause"))');
    await until("scause is shown", async () => (await fields()).Interrupt);
    const cause = (await call(page, "cpu.csr", { cpu, name: "scause" })).csrs[0];
    equal("its words", Object.values(await fields()).map((f) => f[3]), cause.fields.map((f) => f.word ?? ""));
  });

  await t.test("a value leads to memory and to code", async () => {
    const shown = await shownRegisters(page);
    await page.click('.reg-val[data-reg="sp"]');
    const focus = await page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get("addr"));
    equal("sp is the focus", focus, wire(shown.sp.value));
    await page.click('.reg-val[data-reg="ra"]');
    await page.click(".regs-go button:has-text('As code')");
    await page.waitForSelector(`.code-row[data-addr="${wire(shown.ra.value)}"]`);
  });

  await t.test("formats: the same number each time", async () => {
    const sp = wire((await shownRegisters(page)).sp.value);
    await page.selectOption('#cpu-registers select', "dec");
    equal("signed", (await shownRegisters(page)).sp.value, BigInt.asIntN(64, BigInt(sp)).toString());
    await page.selectOption('#cpu-registers select', "bin");
    equal("binary", BigInt("0b" + (await shownRegisters(page)).sp.value.replaceAll(" ", "")) === BigInt(sp), true);
    await page.selectOption('#cpu-registers select', "hex");
  });

  await t.test("a register is written after a warning", async () => {
    const { cpu } = (await call(page, "cpu.points")).stop;
    const before = (await call(page, "cpu.regs", { cpu })).general.t6;
    await page.click('.reg-cell[data-name="t6"] .reg-edit');
    matches("the warning", await page.locator("dialog").innerText(), /may crash/);
    await page.fill("dialog input", "0x1234abcd");
    await page.click("dialog button[type=submit]");
    await until("the page shows it", async () => wire((await shownRegisters(page)).t6.value) === "0x1234abcd");
    equal("the server has it", (await call(page, "cpu.regs", { cpu })).general.t6, "0x1234abcd");
    await call(page, "cpu.set", { cpu, name: "t6", value: before });
  });

  await t.test("a watch point stops the guest at a write", async () => {
    await resume(page);
    const word = await symbol(machine, WORD);
    await page.selectOption('#cpu-points select', "write");
    await page.fill('#cpu-points input[aria-label="address"]', word);
    await page.click("#cpu-points button[type=submit]");
    await stopped(page);
    await until("the reason is told in words", async () => /made a write of \d+ bytes/.test(await why(page)));
    const stop = (await call(page, "cpu.points")).stop;
    equal("what was written", [stop.reason, stop.access, BigInt(stop.address) >= BigInt(word) && BigInt(stop.address) < BigInt(word) + 8n], ["watch", "write", true]);
    equal("a tick is one more", (BigInt(stop.new) > BigInt(stop.old)).toString(), "true");
    await page.click("#cpu-points button:has-text('Remove all')");
    await until("no point is left", async () => (await call(page, "cpu.points")).points.length === 0);
    await resume(page);
    await machine.run("echo alive");
  });

  await t.test("a viewer sees all and can change nothing", async () => {
    const viewer = await t.open(machine, "ws=cpu", { role: "viewer" });
    await viewer.waitForSelector(".code-row");
    await viewer.waitForSelector(".reg-cell");
    equal("enabled steps", await viewer.locator("[data-step]:not([disabled])").count(), 0);
    equal("enabled gutters", await viewer.locator(".gutter:not([disabled])").count(), 0);
    equal("ways to write a register", await viewer.locator(".reg-edit").count(), 0);
    await viewer.locator("body").press("s");
    await sleep(300);
    ok("it still runs", (await call(viewer, "machine.status")).running);
    await t.close(viewer);
  });

  for (const [theme, width] of [["light", 1440], ["dark", 400]]) {
    await t.test(`axe finds nothing serious, and it fits: ${theme}, ${width} px`, async () => {
      await call(page, "machine.stop");
      const other = await t.open(machine, "ws=cpu", { theme, width, height: 900 });
      await other.waitForSelector(".code-row");
      await other.locator("#cpu-csr").scrollIntoViewIfNeeded(); /* out of view it asks for nothing */
      await other.waitForSelector("#cpu-csr .bitstrip-list tbody tr");
      await other.locator("#cpu-trap").scrollIntoViewIfNeeded();
      await other.waitForSelector(".trap");
      await fitsWidth(other);
      await accessible(other);
      await t.close(other);
      await resume(page);
    });
  }

  await t.test("Chinese: no word is missing", async () => {
    const other = await t.open(machine, "ws=cpu", { locale: "zh-CN" });
    await other.locator("#cpu-trap").scrollIntoViewIfNeeded();
    await other.waitForSelector(".trap");
    ok("keys shown as they are", !/cpu\.[a-z]/.test(await other.locator("main").innerText()));
    await t.close(other);
  });

  await t.test("a hart of 32 bits: eight digits, 32 bits of mstatus, and its ecall explained", async () => {
    const small = await t.machine({ boot: false, linux: false, emulator: EMULATOR.replace("riscv64", "riscv32"), memory: 16, args: ["-bios", "none", "-S", "-icount", "shift=0", "-history", "on"] });
    const other = await t.open(small, "ws=cpu");
    await call(other, "mem.write", { addr: "0x80000000", data: "73000000" }); /* ecall */
    await call(other, "mem.write", { addr: "0x80000100", data: "6f000000" }); /* j . */
    await call(other, "cpu.set", { name: "pc", value: "0x80000000" });
    await call(other, "cpu.set", { name: "mtvec", value: "0x80000100" });
    await other.locator("#cpu-csr").scrollIntoViewIfNeeded();
    await other.waitForSelector("#cpu-csr .bit");
    equal("bits of mstatus", await other.locator("#cpu-csr .bit").count(), 32);
    await until("the pc in eight digits", async () => (await shownRegisters(other)).pc.value === "80000000");
    await until("the code is there", async () => /ecall/.test(await other.locator('.code-row[aria-current="step"]').innerText()));
    await other.click('[data-step="trap"]');
    await until("the trap is told", async () => /ecall from M/.test(await other.locator('.trap[data-to="M"]').innerText()));
    matches("where", await other.locator('.trap[data-to="M"]').innerText(), /80000000\s+ecall/);
    await other.click('.reg-cell[data-name="t6"] .reg-edit');
    matches("writing tells what it means for a run that can be gone back in", await other.locator("dialog").innerText(), /becomes part of that/);
    await other.keyboard.press("Escape");
    await t.close(other);
  });
});
