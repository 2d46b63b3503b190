// SPDX-License-Identifier: MIT
/**
 * Harness: a person at a browser, looking at a machine that boots Debian.
 *
 *   suite("memory", async (t) => {
 *     const machine = await t.machine();                   // emulator -web, booted to its shell
 *     const page = await t.open(machine, "ws=memory");     // Chromium's page, with the operator's cookie
 *     await t.test("the strip shows the RAM", async () => { ... throw if it does not ... });
 *   });
 *
 * Each test is a TAP line. Of one that fails, pictures of all open pages are kept in FAILURES. Machines and
 * the browser end with the suite. Nothing here decides by how long something takes: PATIENCE is only when to give up.
 *
 * From the environment: VITRINE (the emulator, else build/release), CHROMIUM, ONLY (a part of a test's name).
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
export const EMULATOR = path.resolve(process.env.VITRINE ?? path.join(ROOT, "build/release/vitrine-system-riscv64"));
export const BUILD = path.dirname(EMULATOR);
export const FAILURES = path.join(BUILD, "web-failures");
export const PATIENCE = 30000;

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const GUEST = path.join(ROOT, "guest/riscv64");
/* Behind its prompt the shell asks the terminal where the cursor is. */
const PROMPT = /vitrine:[^\n]*# (?:\x1b\[6n)?$/;
const BROWSER_ARGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--mute-audio", "--disable-lcd-text",
];
/* What the browser says of a connection that the tests cut. */
const CONNECTION_NOISE = /WebSocket connection to|Failed to load resource: net::ERR_|ERR_CONNECTION_REFUSED/;

const packages = createRequire(path.join(BUILD, "npm-test/package.json"));

/** Runs in the page before all scripts: so that cut() finds the sockets, and unplug() reaches those to come. */
function rememberSockets() {
  const Real = window.WebSocket;
  window.vitrineSockets = [];
  window.WebSocket = class extends Real {
    constructor(...args) {
      super(window.vitrineUnplugged ? "ws://127.0.0.1:1/" : args[0], args[1]);
      window.vitrineSockets.push(this);
    }
  };
}

export const sleep = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));

/** Asks until `look` gives something true; that is returned. */
export async function until(what, look, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) {
      return found;
    }
    if (Date.now() > end) {
      throw new Error(`${what}: did not come about within ${patience / 1000} s`);
    }
    await sleep(50);
  }
}

const text = (/** @type {any} */ v) => JSON.stringify(v, (_k, x) => (typeof x === "bigint" ? `${x}n` : x));

export function equal(what, got, wanted) {
  if (text(got) !== text(wanted)) {
    throw new Error(`${what}: got ${text(got)}, wanted ${text(wanted)}`);
  }
}

export function ok(what, value) {
  if (!value) {
    throw new Error(`${what}: is not so`);
  }
}

export function matches(what, got, pattern) {
  if (!pattern.test(got)) {
    throw new Error(`${what}: ${text(got.slice(-600))} does not match ${pattern}`);
  }
}

/** One run of the emulator; without `linux` give it something to run by `args`, and `boot: false`. `serial` is all that the guest wrote to its serial line. */
export class Machine {
  /** @param {{args?: string[], memory?: number, smp?: number, port?: number, token?: string, viewerToken?: string, append?: string, emulator?: string, linux?: boolean}} options */
  constructor(options = {}) {
    const { args = [], memory = 512, smp = 1, port = 0, append = "console=ttyS0 quiet", emulator = EMULATOR, linux = true } = options;
    this.token = options.token ?? "operator-of-the-test-0123456789abcdef";
    this.viewerToken = options.viewerToken ?? "viewer-of-the-test-0123456789abcdef";
    this.serial = "";
    this.errors = "";
    const command = [
      "-M", "virt", "-m", String(memory), "-smp", String(smp), "-nographic",
      ...(linux ? ["-kernel", path.join(GUEST, "Image"), "-initrd", path.join(GUEST, "initramfs.cpio"), "-append", append] : []),
      "-web", `127.0.0.1:${port},token=${this.token},viewer-token=${this.viewerToken}`, ...args,
    ];
    this.process = spawn(emulator, command, { stdio: ["pipe", "pipe", "pipe"] });
    this.process.stdout.on("data", (d) => (this.serial += d));
    this.process.stderr.on("data", (d) => (this.errors += d));
    this.process.stdin.on("error", () => {});
    this.status = null;
    this.ended = new Promise((done) => {
      this.process.on("exit", (code, signal) => done((this.status = signal ?? code)));
      this.process.on("error", (e) => ((this.errors += e), done((this.status = "error"))));
    });
  }

  /** The page's address, without the token. */
  async url() {
    const match = await until("the emulator tells the console's URL", () => {
      if (this.status !== null) {
        throw new Error(`the emulator ended (${this.status}): ${this.errors}`);
      }
      return /console: (http:\S+)/.exec(this.errors);
    });
    return match[1].replace(/#.*/, "");
  }

  /** Waits until the guest wrote something that matches, after position `from` of serial. */
  async says(pattern, from = 0) {
    await until(`the guest writes ${pattern}`, () => pattern.test(this.serial.slice(from)));
  }

  shell() {
    return this.says(PROMPT);
  }

  /** Types a line on the emulator's own terminal, not the page's; waits for the shell. Returns what came. */
  async run(line) {
    const from = this.serial.length;
    this.process.stdin.write(line + "\n");
    await until(`the guest runs ${line}`, () => this.serial.length > from + line.length && PROMPT.test(this.serial.slice(from + line.length)));
    return this.serial.slice(from).replaceAll("\r", "");
  }

  /** A stopped server: connections stay, nothing answers. */
  freeze() {
    this.process.kill("SIGSTOP");
  }

  thaw() {
    this.process.kill("SIGCONT");
  }

  async kill() {
    if (this.status === null) {
      this.process.kill("SIGKILL");
      await this.ended;
    }
  }
}

/** What a suite's function gets. */
export class Tests {
  constructor(name) {
    this.name = name;
    this.failed = 0;
    this.passed = 0;
    this.machines = [];
    this.contexts = [];
    this.complaints = []; /* of the pages' consoles */
    this.allowed = [];
  }

  /** A machine that ends with the suite; booted to its shell unless `boot: false`. */
  async machine(options = {}) {
    const machine = new Machine(options);
    this.machines.push(machine);
    if (options.boot !== false) {
      await machine.url();
      await machine.shell();
    }
    return machine;
  }

  async browser() {
    if (!this.chromium) {
      this.chromium = await packages("playwright-core").chromium.launch({ executablePath: CHROMIUM, args: BROWSER_ARGS });
    }
    return this.chromium;
  }

  /**
   * A page of a visitor of their own, at `hash` ("ws=memory&addr=0x80000000"), connected.
   * @param {Machine} machine @param {string} hash
   * @param {{role?: "operator" | "viewer" | "none", width?: number, height?: number, theme?: "light" | "dark", locale?: string, wait?: boolean, path?: string,
   *   block?: RegExp}} options block: URLs that fail
   */
  async open(machine, hash = "", options = {}) {
    const { role = "operator", width = 1440, height = 900, theme = "light", locale = "en-US", wait = true } = options;
    const browser = await this.browser();
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, locale });
    context.setDefaultTimeout(PATIENCE);
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    this.contexts.push(context);
    await context.addInitScript(rememberSockets);
    options.block && (await context.route(options.block, (route) => route.abort()));
    const page = await context.newPage();
    page.on("pageerror", (e) => this.complain(`uncaught: ${e.stack || e.message || e}`));
    page.on("console", (m) => m.type() === "error" && this.complain(`${m.text()} (${m.location().url})`));
    const token = { operator: machine.token, viewer: machine.viewerToken, none: "" }[role];
    const fragment = [hash, token && `t=${token}`].filter(Boolean).join("&");
    await page.goto((await machine.url()) + (options.path ?? "") + (fragment && `#${fragment}`));
    if (wait && role !== "none") {
      await this.connected(page);
    }
    return page;
  }

  connected(page) {
    return page.waitForSelector("html[data-connection=open]", { state: "attached" });
  }

  /** Cuts the page's WebSockets, as a network that fails. Returns how many there were. */
  async cut(page) {
    return page.evaluate(() => {
      const open = window.vitrineSockets.filter((s) => s.readyState === WebSocket.OPEN);
      open.forEach((s) => s.close());
      return open.length;
    });
  }

  /** Cuts them, and lets no new one come about until plug(). Returns how many there were. */
  async unplug(page) {
    await page.evaluate(() => (window.vitrineUnplugged = true));
    return this.cut(page);
  }

  async plug(page) {
    await page.evaluate(() => (window.vitrineUnplugged = false));
  }

  complain(text) {
    if (!CONNECTION_NOISE.test(text) && !this.allowed.some((a) => a.test(text))) {
      this.complaints.push(text);
    }
  }

  /** Lets a complaint of the browser pass, because a test is about it. */
  allow(pattern) {
    this.allowed.push(pattern);
  }

  /** One claim: fn() throws if it does not hold. */
  async test(claim, fn) {
    if (process.env.ONLY && !claim.includes(process.env.ONLY)) {
      console.log(`ok - web ${this.name}: ${claim} # SKIP not in ONLY`);
      return;
    }
    try {
      await fn();
      this.passed++;
      console.log(`ok - web ${this.name}: ${claim}`);
    } catch (e) {
      this.failed++;
      for (const line of String(e.stack ?? e).split("\n").slice(0, 12)) {
        console.log(`#   ${line}`);
      }
      await this.keepPictures(claim);
      console.log(`not ok - web ${this.name}: ${claim}`);
    }
  }

  async keepPictures(claim) {
    mkdirSync(FAILURES, { recursive: true });
    const pages = this.contexts.flatMap((c) => c.pages());
    for (const [i, page] of pages.entries()) {
      const file = path.join(FAILURES, `${this.name}-${claim.replace(/\W+/g, "-").slice(0, 50)}-${i}.png`);
      await page.screenshot({ path: file, timeout: 5000 }).then(() => console.log(`#   picture: ${file}`), () => {});
    }
  }

  /** Closes a page's visitor. */
  async close(page) {
    this.contexts = this.contexts.filter((c) => c !== page.context());
    await page.context().close();
  }

  async end() {
    await this.chromium?.close();
    await Promise.all(this.machines.map((m) => m.kill()));
    await this.test("the browser's console stays empty of errors", () => {
      equal("errors of the pages", this.complaints, []);
    });
  }
}

/* --- what a person does --------------------------------------------------------------------------- */

/** The text that the terminal shows, line by line. */
export function screen(page) {
  return page.evaluate(() => [...document.querySelectorAll(".xterm-rows > div")].map((d) => d.textContent.trimEnd()).join("\n").trimEnd());
}

/** Waits until the terminal shows something that matches. */
export async function shows(page, pattern) {
  let text = "";
  await until(`the terminal shows ${pattern}`, async () => pattern.test((text = await screen(page)))).catch((e) => {
    throw new Error(`${e.message}; it shows:\n${text}`);
  });
  return text;
}

/** Types a line into the page's terminal. */
export async function type(page, line) {
  await page.focus(".xterm textarea");
  await page.keyboard.type(line);
  await page.keyboard.press("Enter");
}

/** A message over the page's own WebSocket code, as a panel would send it. */
export function call(page, method, params = {}) {
  return page.evaluate(async ([m, p]) => {
    const { Bus, socketUrl } = await import("./protocol.js");
    const bus = new Bus(socketUrl());
    await new Promise((done) => bus.addEventListener("state", done, { once: true }));
    try {
      return await bus.call(m, p);
    } finally {
      bus.close();
    }
  }, [method, params]);
}

/** Fails on what axe-core finds serious, or worse. @param {string} [part] a selector: look there only */
export async function accessible(page, part) {
  await page.evaluate(readFileSync(packages.resolve("axe-core/axe.min.js"), "utf8"));
  const found = await page.evaluate(async (selector) => {
    const result = await globalThis.axe.run(selector ?? document, { resultTypes: ["violations"] });
    return result.violations
      .filter((v) => v.impact === "serious" || v.impact === "critical")
      .map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} (${n.failureSummary?.split("\n")[1]?.trim()})`).join(" | ")}`);
  }, part);
  equal("what axe-core finds", found, []);
}

/** True if nothing sticks out sideways: the page itself does not scroll to the right. */
export async function fitsWidth(page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  ok(`the page is ${over} px too wide`, over <= 0);
}

/** Runs a spec file. @param {string} name @param {(t: Tests) => Promise<void>} body */
export async function suite(name, body) {
  const t = new Tests(name);
  try {
    await body(t);
  } catch (e) {
    t.failed++;
    console.log(`#   ${String(e.stack ?? e).replaceAll("\n", "\n#   ")}`);
    await t.keepPictures("scene");
    console.log(`not ok - web ${name}: the scene can be set`);
  }
  await t.end();
  process.exitCode = t.failed ? 1 : 0;
}
