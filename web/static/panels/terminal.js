// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Terminal: the guest's serial line as on a terminal.
 *
 *   feed --bytes--> xterm --keys--> queue of bytes --serial.write--> UART
 *                                   '- what it did not accept is sent again
 *
 * Programs ask a terminal where its cursor is and what it can do. Several visitors may watch one line, and each answer
 * would be typed into the guest: so only that terminal answers which has the keyboard.
 */
import { cssVar } from "../ui/canvas.js";
import { h } from "../ui/dom.js";
import { library } from "../ui/library.js";
import { panel } from "../ui/panel.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../ui/panel.js").PanelBus} PanelBus */
/** @typedef {import("../lib/xterm.js").Terminal} Terminal */

const SCROLLBACK = 5000;
const WRITE_MOST = 2048;
const WAIT_MS = 30; /* for room in the UART's buffer */
const LEAST_COLUMNS = 20;
/* Questions to a terminal: device status, attributes, modes, and the colours of OSC 10 to 12 */
const ASKING = [{ final: "n" }, { prefix: "?", final: "n" }, { final: "c" }, { prefix: ">", final: "c" }, { prefix: "?", intermediates: "$", final: "p" }];
const ASKING_OSC = [4, 10, 11, 12];

/** Types bytes, in order, as fast as the guest's UART takes them. */
export class Typist {
  /** @param {(hex: string) => Promise<{accepted: number}>} write @param {(e: unknown) => void} fail */
  constructor(write, fail) {
    this.write = write;
    this.fail = fail;
    /** @type {number[]} */
    this.queue = [];
    this.busy = false;
  }

  /** @param {string} text */
  type(text) {
    this.queue.push(...new TextEncoder().encode(text));
    this.run();
  }

  async run() {
    if (this.busy) {
      return;
    }
    this.busy = true;
    try {
      while (this.queue.length) {
        const piece = this.queue.slice(0, WRITE_MOST);
        const { accepted } = await this.write(piece.map((b) => b.toString(16).padStart(2, "0")).join(""));
        this.queue.splice(0, accepted);
        if (accepted < piece.length) {
          await new Promise((done) => setTimeout(done, WAIT_MS));
        }
      }
    } catch (e) {
      this.queue = [];
      this.fail(e);
    } finally {
      this.busy = false;
    }
  }
}

function theme() {
  const text = cssVar("--text");
  return {
    background: cssVar("--panel"),
    foreground: text,
    cursor: cssVar("--accent"),
    cursorAccent: cssVar("--panel"),
    selectionBackground: cssVar("--accent") + "55",
    black: cssVar("--text"),
    red: cssVar("--bad"),
    green: cssVar("--good"),
    yellow: cssVar("--warn"),
    blue: cssVar("--c0"),
    magenta: cssVar("--c3"),
    cyan: cssVar("--c5"),
    white: cssVar("--dim"),
    brightBlack: cssVar("--dim"),
    brightRed: cssVar("--bad"),
    brightGreen: cssVar("--good"),
    brightYellow: cssVar("--warn"),
    brightBlue: cssVar("--c0"),
    brightMagenta: cssVar("--c3"),
    brightCyan: cssVar("--c5"),
    brightWhite: text,
  };
}

/** Keys that are the page's, not the guest's. @param {Terminal} term @param {KeyboardEvent} e @returns {boolean} true: xterm has it */
function isGuestKey(term, e) {
  const key = e.key.toLowerCase();
  if (e.ctrlKey && !e.altKey && key === "k") {
    return false; /* the palette */
  }
  if (e.key === "Tab" && e.shiftKey) {
    return false; /* the way out, by keyboard */
  }
  if (e.ctrlKey && e.shiftKey && key === "v") {
    return false; /* the browser pastes */
  }
  if (e.ctrlKey && key === "c" && term.hasSelection()) {
    e.type === "keydown" && navigator.clipboard?.writeText(term.getSelection()).catch(() => {});
    e.preventDefault();
    return false;
  }
  return true;
}

/** @param {Terminal} term @param {() => boolean} may */
function answerOnlyIf(term, may) {
  for (const id of ASKING) {
    term.parser.registerCsiHandler(id, () => !may());
  }
  for (const id of ASKING_OSC) {
    term.parser.registerOscHandler(id, (data) => data.includes("?") && !may());
  }
}

/**
 * @param {HTMLElement} root @param {PanelBus} bus @param {App} app @param {import("../serial.js").SerialFeed} feed
 * @param {import("../ui/dom.js").Child} [more] controls beside the title
 */
export async function mount(root, bus, app, feed, more) {
  const [xterm, fitting] = await library(app, "xterm", () => Promise.all([import("../lib/xterm.js"), import("../lib/addon-fit.js")]));
  const p = panel(app, bus, { id: "terminal", title: "run.terminal", help: "run.terminal.help", class: "fills" });
  const size = h("span", { class: "dim mono", title: app.t("run.size") });
  const box = h("div", { class: "screen" });
  const readOnly = app.role !== "operator";
  const note = h("p", { class: "note dim" }, app.t(readOnly ? "run.readonly" : "run.keys"));
  root.append(p.root);
  p.root.append(note);
  const term = new xterm.Terminal({
    fontFamily: cssVar("--mono"),
    fontSize: 13,
    scrollback: SCROLLBACK,
    disableStdin: readOnly,
    cursorBlink: false,
    minimumContrastRatio: 4.5,
    theme: theme(),
    allowProposedApi: false,
  });
  const fit = new fitting.FitAddon();
  term.loadAddon(fit);
  let old = true;
  answerOnlyIf(term, () => !old && !readOnly && document.hasFocus() && box.contains(document.activeElement));
  p.body.append(box);
  term.open(box);
  term.textarea?.setAttribute("aria-label", app.t(readOnly ? "run.input.readonly" : "run.input"));

  const typist = new Typist((hex) => bus.call("serial.write", { hex }), (e) => app.fail(e));
  term.onData((text) => readOnly || typist.type(text));
  term.attachCustomKeyEventHandler((e) => isGuestKey(term, e));

  const refit = () => {
    const found = fit.proposeDimensions();
    if (found && Number.isFinite(found.cols) && found.cols >= LEAST_COLUMNS && found.rows > 1) {
      fit.fit();
    }
    size.textContent = `${term.cols}×${term.rows}`;
  };
  const watch = new ResizeObserver(refit);
  watch.observe(box);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => (term.options.theme = theme());
  scheme.addEventListener("change", repaint);

  feed.add({
    bytes: (bytes, before) => {
      old = before;
      return new Promise((done) => term.write(bytes, () => done()));
    },
    gap: (lost) => term.write(`\r\n\x1b[7m ${app.t("run.gap", { lost })} \x1b[m\r\n`),
    fresh: () => term.reset(),
  });

  const copy = () => navigator.clipboard.writeText(term.getSelection()).then(() => app.toast(app.t("shell.copied")), (e) => app.fail(e));
  const paste = () => navigator.clipboard.readText().then((text) => (term.paste(text), term.focus()), (e) => app.fail(e));
  const copyButton = h("button", { class: "tool", type: "button", title: app.t("run.copy.help"), onclick: copy, disabled: true }, app.t("run.copy"));
  const pasteButton = h("button", { class: "tool", type: "button", title: app.t("run.paste.help"), onclick: paste }, app.t("run.paste"));
  term.onSelectionChange(() => copyButton.toggleAttribute("disabled", !term.hasSelection()));
  p.tools.append(size, copyButton, ...(readOnly ? [] : [pasteButton]));
  more && p.tools.append(/** @type {Node} */ (more));
  const off = app.command({ id: "run.focus", title: app.t("run.focus"), keys: "i", run: () => term.focus() });
  return {
    root: p.root,
    focus: () => term.focus(),
    refit,
    unmount() {
      off();
      watch.disconnect();
      scheme.removeEventListener("change", repaint);
      term.dispose();
      p.dispose();
    },
  };
}
