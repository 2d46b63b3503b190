// SPDX-License-Identifier: MIT
// The workspace Run and the frame around it: the door, the shell, the transcript, driving the machine, losing it.
import { accessible, call, equal, fitsWidth, matches, ok, screen, shows, suite, type, until } from "./harness.mjs";

const bar = (page, name) => page.locator(`.bar-machine [data-do=${name}]`);
const state = (page) => page.locator("html").getAttribute("data-machine");
const reach = (page, wanted) => until(`the page says ${wanted}`, async () => (await state(page)) === wanted);
const count = async (page) => BigInt((await call(page, "machine.status")).count);
const toast = (page, pattern) => until(`a message ${pattern}`, async () => pattern.test((await page.locator(".toasts").textContent()) ?? ""));

async function door(t, machine) {
  await t.test("without a token the page asks for one, and says how to get it", async () => {
    t.allow(/401|403/);
    const page = await t.open(machine, "", { role: "none" });
    await page.getByLabel("Link or token").waitFor();
    matches("the page", await page.textContent("body"), /emulator printed a link/);
    await accessible(page);
    await page.getByLabel("Link or token").fill("wrong-token");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: /token/i }).waitFor();
    await page.getByLabel("Link or token").fill(`${await machine.url()}#t=${machine.token}`);
    await page.keyboard.press("Enter");
    await t.connected(page);
    await t.close(page);
  });
  await t.test("with the token's link one is in, the token leaves the URL, and a reload needs none", async () => {
    const page = await t.open(machine, "ws=run");
    ok("no token in the URL", !page.url().includes(machine.token));
    await page.reload();
    await t.connected(page);
    await t.close(page);
  });
}

async function shell(t, machine, page) {
  await t.test("what was written before the page came is shown", () => shows(page, /Welcome to Linux/));
  await t.test("one types in the shell and sees the answer", async () => {
    await type(page, "echo he''llo-$((6*7))");
    await shows(page, /^hello-42$/m);
  });
  await t.test("what the guest writes as bold or as UTF-8 is shown so, and as text, never as markup", async () => {
    await type(page, "printf '\\033[1mbo''ld\\033[m \\303\\251\\344\\270\\255 <img src=x>\\n'");
    await shows(page, /bold é中 <img src=x>/);
    equal("pictures on the page", await page.locator("img").count(), 0);
  });
  await t.test("a paste that is larger than the UART's buffer arrives whole", async () => {
    const text = "x".repeat(900);
    await page.evaluate((s) => navigator.clipboard.writeText(s), `echo ${text} | wc -c\n`);
    await page.getByRole("button", { name: "Paste" }).click();
    await machine.says(/^901\r?$/m);
  });
  await t.test("of two terminals only the one with the keyboard answers the guest's questions", async () => {
    const other = await t.open(machine, "ws=run");
    await shows(other, /vitrine:~# ?$/);
    await page.focus(".xterm textarea");
    for (const p of [page, other]) {
      await p.evaluate(() => {
        window.typed = 0;
        for (const s of window.vitrineSockets) {
          const send = s.send.bind(s);
          s.send = (text) => ((window.typed += text.includes("serial.write")), send(text));
        }
      });
    }
    matches("the shell's line", await machine.run("echo quiet"), /echo quiet\n+quiet\n/); /* and asks where the cursor is */
    await shows(other, /^quiet$/m);
    await until("the one answers", () => page.evaluate(() => window.typed > 0));
    equal("the other's answers", await other.evaluate(() => window.typed), 0);
    await t.close(other);
  });
}

async function transcript(t, machine, page) {
  await t.test("the transcript has the same text, and one finds words in it by keyboard", async () => {
    await machine.run("for i in 1 2 3; do echo need''le-$i; done");
    await page.keyboard.press("Shift+Tab");
    await page.locator("#main").focus();
    await page.keyboard.press("/");
    await page.keyboard.type("NEEDLE-");
    await until("three are found", async () => /^3 of 3$/.test(await page.locator("#transcript [role=status]").textContent()));
    equal("the current one", await page.locator("#transcript mark.current").locator("..").textContent(), "needle-3");
    await page.keyboard.press("Enter");
    equal("next is the first", await page.locator("#transcript mark.current").locator("..").textContent(), "needle-1");
    await page.keyboard.press("Shift+Enter");
    equal("previous is the last", await page.locator("#transcript mark.current").locator("..").textContent(), "needle-3");
    matches("the lines", await page.locator("#transcript .lines").innerText(), /needle-1\nneedle-2\nneedle-3\n/);
    await accessible(page);
  });
  await t.test("a reload of the URL shows the transcript again", async () => {
    await page.reload();
    await t.connected(page);
    await page.locator("#transcript .lines").getByText("needle-2").waitFor();
    await page.getByRole("button", { name: "Terminal" }).click();
    await shows(page, /needle-2/);
  });
}

async function drive(t, page) {
  await t.test("pause stops the machine, and its count stands still", async () => {
    await bar(page, "run").click();
    await reach(page, "stopped");
    equal("running", (await call(page, "machine.status")).running, false);
    equal("count", await count(page), await count(page));
  });
  await t.test("step by key goes one instruction ahead, back one back, to the same registers", async () => {
    await page.locator("#main").focus();
    const before = await count(page);
    const { groups } = await call(page, "cpu.regs", { group: "general" });
    await page.keyboard.press("s");
    await until("one more", async () => (await count(page)) === before + 1n);
    await until("the bar says where", () => page.getByRole("button", { name: /step @/ }).isVisible());
    await until("the bar counts", async () => (await page.locator(".bar-machine").textContent()).includes(`#${String(before + 1n).replace(/\B(?=(\d{3})+$)/g, ",")}`));
    for (const width of [960, 1024, 1366, 1920]) {
      await page.setViewportSize({ width, height: 768 });
      const tall = await page.evaluate(() => {
        const top = /** @type {HTMLElement} */ (document.querySelector(".top"));
        const where = /** @type {HTMLElement} */ (top.querySelector(".where"));
        const stopped = top.offsetHeight;
        where.style.display = "none"; /* as while it runs */
        const running = top.offsetHeight;
        where.style.display = "";
        const nav = /** @type {HTMLElement} */ (top.querySelector("nav"));
        return { stopped, running, hidden: nav.scrollWidth - nav.clientWidth };
      });
      equal(`the frame does not jump at ${width}`, tall.stopped, tall.running);
      equal(`every tab is in sight at ${width}`, tall.hidden, 0);
      await fitsWidth(page);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.keyboard.press("z");
    await until("one less", async () => (await count(page)) === before);
    equal("registers", (await call(page, "cpu.regs", { group: "general" })).groups, groups);
  });
  await t.test("a block, and the next trap, take more than one instruction", async () => {
    const before = await count(page);
    await bar(page, "block").click();
    await until("a block later", async () => (await count(page)) > before);
    const between = await count(page);
    await bar(page, "trap").click();
    await until("a trap later", async () => (await count(page)) > between);
  });
  await t.test("the machine goes on", async () => {
    await page.keyboard.press("p");
    await reach(page, "running");
    await type(page, "echo go''ing-on");
    await shows(page, /^going-on$/m);
  });
  await t.test("a step of a running machine is refused in words", async () => {
    await page.locator("#main").focus();
    await page.keyboard.press("s");
    await toast(page, /Pause the machine first/);
  });
  await t.test("reset is asked about, and no is no", async () => {
    await bar(page, "reset").click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    equal("the shell is the same", (await call(page, "machine.status")).running, true);
    await type(page, "echo not''-reset");
    await shows(page, /^not-reset$/m);
  });
}

async function counters(t, machine, page) {
  await t.test("counters follow what the guest does, and their table has the same numbers", async () => {
    const calls = page.locator(".chart").filter({ hasText: "System calls" }).locator("b");
    const rate = async () => Number((await call(page, "machine.counters")).counters.calls);
    const before = await rate();
    await machine.run("i=0; while [ $i -lt 300 ]; do cat /proc/uptime >/dev/null; i=$((i+1)); done");
    ok("the machine counted calls", (await rate()) - before > 1000);
    await page.locator("#counters").getByRole("button", { name: "Show as a table" }).click();
    const cells = page.locator("#counters table tbody tr");
    await until("a row of the table has them", async () => (await cells.allInnerTexts()).some((row) => / k\/s/.test(row)));
    await page.locator("#counters").getByRole("button", { name: "Show as a table" }).click();
    matches("the chart's number", await calls.textContent(), /\/s$/);
  });
  await t.test("a booted machine has reached all stages", async () => {
    await until("four stages", async () => (await page.locator("#boot .stage.reached").count()) === 4);
    matches("the firmware's words", await page.locator("#boot").textContent(), /OpenSBI v\d/);
  });
}

async function frame(t, machine, page) {
  await t.test("the palette takes one to another workspace, by keyboard alone", async () => {
    await page.keyboard.press("Control+k");
    await page.keyboard.type("go to cpu");
    await page.keyboard.press("Enter");
    await page.locator(".workspace.cpu").waitFor();
    matches("the URL", page.url(), /ws=cpu/);
    await page.goBack();
    await page.locator(".workspace.run").waitFor();
  });
  await t.test("? shows the keys, Escape closes them", async () => {
    await page.locator("#main").focus();
    await page.keyboard.press("?");
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Step one instruction", { exact: true }).waitFor();
    await accessible(page);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
  });
  await t.test("Ctrl-K in the terminal opens the palette and is not typed", async () => {
    await page.focus(".xterm textarea");
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox").waitFor();
    await page.keyboard.press("Escape");
  });
  await t.test("a reload lands in the same place", async () => {
    const there = await t.open(machine, "ws=cpu&cpu=0&addr=0x80200000");
    const before = there.url();
    await there.reload();
    await t.connected(there);
    await there.locator(".workspace.cpu").waitFor();
    equal("the URL", there.url(), before);
    await t.close(there);
  });
  await t.test("axe finds nothing serious, light and dark, in both languages", async () => {
    await accessible(page);
    const dark = await t.open(machine, "ws=run", { theme: "dark", locale: "zh-CN" });
    await dark.locator("#terminal h2").getByText("终端").waitFor();
    equal("the language", await dark.locator("html").getAttribute("lang"), "zh");
    await accessible(dark);
    await t.close(dark);
  });
  await t.test("at 400 px nothing sticks out sideways", async () => {
    const narrow = await t.open(machine, "ws=run", { width: 400, height: 800 });
    await shows(narrow, /vitrine/);
    await fitsWidth(narrow);
    await accessible(narrow);
    await t.close(narrow);
  });
}

async function bare(t, machine) {
  await t.test("without the libraries from npm the page says so, and shows the guest's text and numbers", async () => {
    const page = await t.open(machine, "ws=run", { block: /\/lib\// });
    await toast(page, /xterm is missing.*make page/);
    await page.locator("#transcript .lines").getByText("Welcome to Linux").waitFor();
    await page.locator("#counters").getByText(/uplot is missing/).waitFor();
    await until("numbers", async () => /\d.*\/s/.test(await page.locator(".chart b").nth(2).textContent()));
    await t.close(page);
  });
}

async function reset(t, machine, page) {
  await t.test("a reset boots before one's eyes, stage by stage, each with its time", async () => {
    const reached = () => page.locator("#boot .stage.reached").count();
    const from = machine.serial.length;
    await bar(page, "reset").click();
    await page.getByRole("dialog").getByRole("button", { name: "Reset the machine" }).click();
    await until("it begins anew", async () => (await reached()) < 4);
    await machine.says(/Welcome to Linux[^]*vitrine:~# /, from);
    await until("all stages again", async () => (await reached()) === 4);
    const times = await page.locator("#boot .stage .at").allTextContents();
    ok(`times ${times}`, times.filter((x) => /^[\d.]+ m?s$/.test(x)).length >= 3);
  });
}

async function flood(t, machine, page) {
  await t.test("a guest that writes without end drowns nobody: the page answers, and stops it", async () => {
    await type(page, "yes 0123456789012345678901234567890123456789");
    await shows(page, /(0123456789012345678901234567890123456789\n){10}/);
    const before = machine.serial.length;
    await until("megabytes", () => machine.serial.length > before + 2e6);
    const start = Date.now();
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox").waitFor();
    await page.keyboard.press("Escape");
    const took = Date.now() - start;
    console.log(`# the palette opened and closed in ${took} ms while the guest wrote`);
    await page.focus(".xterm textarea");
    await page.keyboard.press("Control+c");
    await machine.says(/\^C/, before);
    await type(page, "echo flood''-over");
    await shows(page, /^flood-over$/m);
    await page.locator("#main").focus();
    await page.keyboard.press("/");
    await until("the transcript has its end, and no more than its most lines", async () => {
      const lines = await page.locator("#transcript .lines > div").count();
      return lines <= 10000 && (await page.locator("#transcript .lines").innerText()).includes("flood-over");
    });
    await page.getByRole("button", { name: "Terminal" }).click();
  });
}

async function roles(t, machine, page) {
  await t.test("a viewer sees what the operator types, and cannot type or drive", async () => {
    const viewer = await t.open(machine, "ws=run", { role: "viewer" });
    await shows(viewer, /vitrine/);
    await type(page, "echo seen''-by-both");
    await shows(viewer, /^seen-by-both$/m);
    await type(viewer, "echo never''-typed");
    await viewer.locator("#main").focus();
    await bar(viewer, "run").click({ force: true }); /* it is told to be disabled */
    await toast(viewer, /only an operator/);
    await type(page, "echo af''ter");
    await shows(page, /^after$/m);
    ok("nothing was typed", !machine.serial.includes("never"));
    equal("running", (await call(page, "machine.status")).running, true);
    await accessible(viewer);
    await t.close(viewer);
  });
}

async function lite(t, machine) {
  await t.test("lite.html: one types in the shell and sees the answer; a viewer is told no", async () => {
    const page = await t.open(machine, "", { path: "lite.html", wait: false });
    const pre = page.locator("#screen");
    await pre.filter({ hasText: /vitrine:~# / }).waitFor();
    await pre.focus();
    await page.keyboard.type("echo lixx");
    await page.keyboard.press("Backspace");
    await page.keyboard.press("Backspace");
    await page.keyboard.type("''te-$((6*7))");
    await page.keyboard.press("Enter");
    await pre.filter({ hasText: /\nlite-42\n/ }).waitFor();
    ok("no token in the URL", !page.url().includes(machine.token));
    await accessible(page);
    await fitsWidth(page);
    await t.close(page);
    const viewer = await t.open(machine, "", { path: "lite.html", wait: false, role: "viewer" });
    await viewer.locator("#screen").filter({ hasText: /lite-42/ }).waitFor();
    await viewer.locator("#screen").focus();
    await viewer.keyboard.type("x");
    await viewer.locator("#state").filter({ hasText: /may look only/ }).waitFor();
    await t.close(viewer);
  });
}

async function loss(t, machine, page) {
  let next;
  await t.test("a workspace that is opened without a network comes when the network does", async () => {
    const other = await t.open(machine, "ws=run");
    await shows(other, /vitrine/);
    await other.route("**/workspaces/devices.js", (route) => route.abort());
    await t.unplug(other);
    await other.locator(".banner.bad").waitFor();
    await other.getByRole("button", { name: "Devices", exact: true }).click();
    await other.getByText("has not been opened before").waitFor();
    await other.unroute("**/workspaces/devices.js");
    await t.plug(other);
    await other.getByText("serial-mm@10000000").first().waitFor();
    await t.close(other);
  });
  await t.test("a cut connection is said, made anew, and nothing of the line is lost or doubled", async () => {
    const cut = await t.unplug(page);
    ok("a socket was open", cut > 0);
    await page.locator(".banner.bad").filter({ hasText: /lost|does not answer/ }).waitFor();
    equal("the bar says what it knows", await page.textContent(".bar-machine .state"), "no connection");
    await machine.run("for i in 1 2 3 4 5; do echo mean''while-$i; done");
    await t.plug(page);
    await t.connected(page);
    await shows(page, /meanwhile-1\nmeanwhile-2\nmeanwhile-3\nmeanwhile-4\nmeanwhile-5\n/);
    equal("times", (await screen(page)).match(/^meanwhile-3$/gm).length, 1);
    await type(page, "echo back''-again");
    await shows(page, /^back-again$/m);
    ok("the banner went", await page.locator(".banner").isHidden());
    equal("the bar knows again", await page.textContent(".bar-machine .state"), "running");
  });
  await t.test("a server that falls silent is told, and that it speaks again is seen", async () => {
    machine.freeze();
    await page.locator(".banner.bad").filter({ hasText: /said nothing/ }).waitFor();
    machine.thaw();
    await t.connected(page);
    ok("the banner went", await page.locator(".banner").isHidden());
    await type(page, "echo tha''wed");
    await shows(page, /^thawed$/m);
  });
  await t.test("a server that is killed is told clearly, and the page stays readable", async () => {
    await machine.kill();
    await page.locator(".banner.bad").filter({ hasText: /lost|ended/ }).waitFor();
    await shows(page, /back-again/);
  });
  await t.test("a new machine at the same address is taken up, with its own text", async () => {
    t.allow(/401/);
    const port = Number(new URL(page.url()).port);
    next = await t.machine({ port, boot: false });
    await next.url();
    await page.locator(".banner.bad").filter({ hasText: /refused.*a token is needed/ }).waitFor();
    await page.reload(); /* a new server has new sessions */
    await page.getByLabel("Link or token").fill(next.token);
    await page.keyboard.press("Enter");
    await t.connected(page);
    await until("the boot is followed", async () => (await page.locator("#boot .stage.reached").count()) === 4);
    await shows(page, /vitrine:~# ?$/);
    ok("nothing of the old one", !(await screen(page)).includes("back-again"));
  });
  await t.test("a guest that switches itself off is told as that, not as a lost connection", async () => {
    await type(page, "echo the-la''st; poweroff -f");
    await page.locator(".banner.bad").filter({ hasText: /^The guest switched itself off\./ }).waitFor();
    equal("the emulator's status", await next.ended, 0);
    equal("the bar", await page.textContent(".bar-machine .state"), "has ended");
    await shows(page, /^the-last$/m);
    await accessible(page);
  });
  await t.test("of a machine that has ended no button drives anything, and a workspace that was never opened says why it is empty", async () => {
    equal("refused", await page.locator('.bar-machine .do[aria-disabled="true"]').count(), 7);
    await page.getByRole("button", { name: "Devices", exact: true }).click();
    await page.getByText("has not been opened before").waitFor();
  });
}

await suite("run", async (t) => {
  const machine = await t.machine({ args: ["-icount", "shift=2", "-history", "on"] });
  await door(t, machine);
  const page = await t.open(machine, "ws=run");
  await shell(t, machine, page);
  await transcript(t, machine, page);
  await drive(t, page);
  await counters(t, machine, page);
  await frame(t, machine, page);
  await bare(t, machine);
  await reset(t, machine, page);
  await flood(t, machine, page);
  await roles(t, machine, page);
  await lite(t, machine);
  await loss(t, machine, page);
});
