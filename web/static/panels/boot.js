// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Boot: how far the machine is on its way from reset to a shell.
 *
 *   what the guest wrote ---.
 *                           +--> stages: reached, and by what one can tell
 *   counters of hardware ---'
 *
 * Words on the serial line are one guest's habit, the counters hold for all: whoever walks page tables is past the
 * firmware, and only programs make system calls.
 */
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {Record<string, number>} Counters */
/**
 * text: what the guest writes there; count: which counter tells it.
 * @typedef {{name: string, text: RegExp, count?: string}} Stage
 */

const POLL_MS = 500;
const TAIL = 4096; /* characters that are looked at */

/** @type {Stage[]} */
export const STAGES = [
  { name: "firmware", text: /OpenSBI v[\w.]+|U-Boot [\w.]+/, count: "device_writes" },
  { name: "kernel", text: /Linux version [\w.+-]+|^\[ +\d+\.\d{6}\] /m, count: "tlb_walks" },
  { name: "user", text: /Run \/\S*init\S* as init process|Welcome to [^\r\n]+/, count: "calls" },
  { name: "shell", text: /(?:^|[\r\n])[^\r\n]{0,60}[#$] (?:\x1b\[6n)?$/ },
];

/** Which stages are reached. A later one has all before it. */
export class BootWatch {
  constructor() {
    /** @type {Counters | null} at the reset: only what came after counts */
    this.base = null;
    this.tail = "";
    /** @type {({by: "text" | "count" | "later", what: string, at: string | null} | null)[]} */
    this.reached = STAGES.map(() => null);
  }

  /** @param {Counters | null} [base] */
  reset(base = null) {
    this.base = base;
    this.tail = "";
    this.reached = STAGES.map(() => null);
  }

  get done() {
    return this.reached.every(Boolean);
  }

  /** @param {number} i @param {"text" | "count"} by @param {string} what @param {string | null} at the guest's time in ns, if it happened now */
  reach(i, by, what, at) {
    for (let k = 0; k < i; k++) {
      this.reached[k] ??= { by: "later", what: "", at: null };
    }
    const before = this.reached[i];
    if (!before || before.by !== "text") {
      this.reached[i] = { by, what, at: before?.at ?? at };
    }
  }

  /** @param {string} text @param {string | null} at */
  write(text, at) {
    this.tail = (this.tail + text).slice(-TAIL);
    STAGES.forEach((stage, i) => {
      const match = this.reached[i]?.by === "text" ? null : stage.text.exec(this.tail);
      match && this.reach(i, "text", match[0].replace(/\x1b\[[\d;]*[A-Za-z]/g, "").trim(), at);
    });
  }

  /** @param {Counters} now @param {string | null} at */
  count(now, at) {
    STAGES.forEach((stage, i) => {
      if (stage.count && !this.reached[i] && now[stage.count] > (this.base?.[stage.count] ?? 0)) {
        this.reach(i, "count", stage.count, at);
      }
    });
  }
}

/** @param {App} app @param {BootWatch} watch */
function stageRows(app, watch) {
  const next = watch.reached.findIndex((r) => !r);
  return STAGES.map((stage, i) => {
    const r = watch.reached[i];
    const state = r ? "reached" : i === next ? "awaited" : "ahead";
    const how = !r ? app.t(`run.boot.${stage.name}.help`) : r.by === "text" ? app.t("run.boot.wrote", { text: r.what.slice(0, 60) }) : app.t(r.by === "count" ? `run.boot.${stage.name}.count` : "run.boot.later");
    return h(
      "li",
      { class: `stage ${state}` },
      h("span", { class: "mark", "aria-hidden": "true" }, r ? "✓" : i === next ? "●" : "○"),
      h("span", { class: "name" }, app.t(`run.boot.${stage.name}`), h("span", { class: "visually-hidden" }, `: ${app.t(`run.boot.${state}`)}`)),
      h("span", { class: "at mono dim" }, r?.at ? fmt.ns(r.at) : ""),
      h("span", { class: "how dim" }, how),
    );
  });
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {App} app @param {import("../serial.js").SerialFeed} feed */
export function mount(root, bus, app, feed) {
  const p = panel(app, bus, { id: "boot", title: "run.boot", help: "run.boot.help" });
  const watch = new BootWatch();
  const list = h("ol", { class: "stages" });
  let decoder = new TextDecoder();
  /** @type {Counters | null} */
  let last = null;
  let drawn = "";
  const paint = () => {
    const now = JSON.stringify(watch.reached);
    if (now !== drawn) {
      drawn = now;
      clear(list, stageRows(app, watch));
    }
  };
  /* The time is known of what happens while one looks, and not of what was there before. */
  let first = true;
  const time = () => (first ? null : (app.machine?.time_ns ?? null));
  p.bus.every(POLL_MS, "machine.counters", {}, (r) => {
    last = Object.fromEntries(Object.entries(r.counters).map(([k, v]) => [k, Number(v)]));
    if (!watch.done) {
      watch.count(last, time());
      paint();
    }
    first = false;
  }, (e) => p.fail(e));
  feed.add({
    bytes: (bytes, old) => {
      if (!watch.done) {
        watch.write(decoder.decode(bytes, { stream: true }), old ? null : time());
        paint();
      }
    },
    fresh: () => {
      decoder = new TextDecoder();
      watch.reset();
      paint();
    },
  });
  p.bus.subscribe(["machine.reset"], {}, () => {
    watch.reset(last);
    paint();
  });
  p.body.append(list);
  p.setJson(() => STAGES.map((s, i) => ({ stage: s.name, reached: watch.reached[i] })));
  paint();
  root.append(p.root);
  return () => p.dispose();
}
