// SPDX-License-Identifier: MIT
// @ts-check
/**
 * TLB: the translations that the emulator remembers, slot by slot.
 *
 *   level 1   what generated code compares with: one slot a page number, modulo the size; flushed often
 *   level 2   what walks found out: kept across address spaces, live if its stamp is of the present one
 *
 * Kinds differ in colour and in how much of the cell they fill. Click: the entry of a slot.
 */
import { cssVar, fitCanvas } from "../ui/canvas.js";
import { clear, h, on } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";
import { bytesOfBase64 } from "../memory/hexmodel.js";

const TLB_MS = 2000;
const TWIN_ROWS = 256;
const LIVE = 2;
const USED = 1;
const WRITE = 16;
const NOTDIRTY = 64;
const SLOW = 128;
const MODES = ["now", "U", "S", "S+SUM", "M"];

/** What a slot's byte is drawn as. @param {number} byte */
export function kindOf(byte) {
  if (!(byte & USED)) {
    return "empty";
  }
  if (!(byte & LIVE)) {
    return "stale";
  }
  if (byte & SLOW) {
    return "slow";
  }
  return byte & NOTDIRTY ? "notdirty" : byte & WRITE ? "write" : "read";
}

const COLOURS = { stale: "--line", slow: "--c4", notdirty: "--c1", write: "--c2", read: "--c0" };

class TlbPanel {
  /** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app */
  constructor(root, bus, app) {
    this.app = app;
    const p = panel(app, bus, { id: "mem-tlb", title: "memory.tlb", help: "memory.tlb.help" });
    this.p = p;
    this.mode = app.view("memory.tlbmode", "now");
    this.level = app.view("memory.tlblevel", "1");
    this.map = new Uint8Array(0);
    /** @type {any} */
    this.last = null;
    /** @type {{at: number, counts: any} | null} */
    this.before = null;
    /** @type {any[]} rows of the table twin */
    this.entries = [];
    this.slot = 0;
    this.columns = 1;
    this.size = 1;
    /** @type {(() => void)[]} */
    this.ends = [];
    /** @type {() => void} */
    this.endRead = () => {};
    this.modeBox = this.select("mode", MODES, this.mode);
    this.levelBox = this.select("level", ["1", "2"], this.level);
    this.canvas = fitCanvas((ctx, width, height) => this.draw(ctx, width, height), {
      role: "application", tabindex: "0", class: "tlb-canvas", "aria-label": app.t("memory.tlb.canvas"), "aria-describedby": "tlb-entry",
      onclick: (/** @type {MouseEvent} */ e) => this.clicked(e), onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e),
    });
    this.counts = h("div", { class: "tlb-counts" });
    this.fill = h("p", { class: "tlb-fill" });
    this.entry = h("div", { class: "tlb-entry", id: "tlb-entry", role: "status" });
    p.body.append(
      h("div", { class: "toolbar" }, this.levelBox, this.modeBox, this.fill),
      this.canvas.root,
      h("ul", { class: "tlb-legend" }, Object.keys(COLOURS).map((k) =>
        h("li", null, h("span", { class: `swatch tlb-${k}` }), h("span", explain(app, `memory.tlb.${k}.help`), app.t(`memory.tlb.${k}`))))),
      this.entry, this.counts,
    );
    p.setJson(() => (this.last ? { ...this.last, entries: this.entries } : null));
    p.setTwin(() => this.twin());
    this.ends.push(this.mode.on(() => this.begin()), this.level.on(() => this.begin()),
      app.focus.on((_f, c) => c.has("cpu") && this.begin()),
      on(this.canvas.root, "focus", () => this.canvas.redraw()), on(this.canvas.root, "blur", () => this.canvas.redraw()));
    this.seen = false;
    root.append(p.root);
    this.ends.push(whileSeen(p.root, () => ((this.seen = true), this.begin()), () => ((this.seen = false), this.endRead())));
  }

  /** @param {string} name @param {string[]} values @param {{get: () => string, set: (v: string) => void}} view */
  select(name, values, view) {
    const { app } = this;
    return h("select", {
      "aria-label": app.t(`memory.tlb.${name}`), title: app.t(`memory.tlb.${name}.help`),
      onchange: (/** @type {Event} */ e) => view.set(/** @type {HTMLSelectElement} */ (e.target).value),
    }, values.map((v) => h("option", { value: v, selected: v === view.get() }, app.t(`memory.tlb.${name}.${v}`))));
  }

  get params() {
    return { cpu: this.app.focus.get().cpu, mode: this.mode.get(), level: Number(this.level.get()) === 2 ? 2 : 1 };
  }

  begin() {
    this.endRead();
    this.before = null;
    if (!this.seen) {
      return;
    }
    clear(this.entry, h("span", { class: "dim" }, this.app.t("memory.tlb.choose")));
    this.endRead = this.p.bus.every(TLB_MS, "mmu.tlb_map", this.params, (r) => this.got(r), (/** @type {Error} */ e) => this.p.fail(e));
  }

  /** @param {any} answer */
  got(answer) {
    this.last = answer;
    this.map = bytesOfBase64(answer.map);
    this.p.fail(null);
    this.canvas.redraw();
    this.paintCounts(answer);
    if (this.p.body.hidden) {
      this.readEntries(); /* the table is shown */
    }
  }

  async readEntries() {
    const answer = await this.p.busy(this.p.bus.call("mmu.tlb", { ...this.params, limit: TWIN_ROWS, stale: true }));
    this.entries = answer?.entries ?? [];
  }

  /** @param {any} answer */
  paintCounts(answer) {
    const { app } = this;
    const now = { at: performance.now(), counts: answer.counts };
    const before = this.before;
    const rate = (/** @type {string} */ k) => {
      if (!before || now.at - before.at < 1 || !before.counts[k]) {
        return "";
      }
      const by = Number(BigInt(now.counts[k]) - BigInt(before.counts[k]));
      return by >= 0 ? fmt.rate((by * 1000) / (now.at - before.at)) : "";
    };
    const counted = answer.counts.hits === null ? [] : ["hits"]; /* while the profile of blocks runs */
    clear(this.counts, ["fills", "misses", "second_hits", "walks", "flushes", ...counted].map((k) =>
      h("span", { class: "chip" }, h("span", explain(app, `memory.tlb.count.${k}.help`), app.t(`memory.tlb.count.${k}`)), " ", h("b", { class: "mono" }, fmt.count(now.counts[k])), " ", h("span", { class: "dim mono" }, rate(k)))));
    this.before = now;
    this.fill.textContent = app.t(answer.level === 2 ? "memory.tlb.fill2" : "memory.tlb.fill1", {
      used: fmt.exact(answer.used), live: fmt.exact(answer.live), stale: fmt.exact(answer.stale), slots: fmt.exact(answer.slots),
      share: fmt.percent(answer.used / answer.slots), mode: answer.mode,
    });
  }

  /* --- drawing, choosing --------------------------------------------------------------------- */

  /** @param {CanvasRenderingContext2D} ctx @param {number} width @param {number} height */
  draw(ctx, width, height) {
    const n = this.map.length;
    if (!n || width < 2) {
      return;
    }
    const size = Math.max(2, Math.floor(Math.sqrt((width * height) / n)));
    this.columns = Math.max(1, Math.floor(width / size));
    while (Math.ceil(n / this.columns) * size > height && this.columns < width) {
      this.columns++;
    }
    this.size = Math.min(size, width / this.columns);
    ctx.fillStyle = cssVar("--bg");
    ctx.fillRect(0, 0, this.columns * this.size, Math.ceil(n / this.columns) * this.size);
    for (const [kind, name] of Object.entries(COLOURS)) {
      ctx.fillStyle = cssVar(name);
      for (let slot = 0; slot < n; slot++) {
        if (kindOf(this.map[slot]) === kind) {
          this.fillSlot(ctx, slot, kind === "stale" ? 0.5 : 1);
        }
      }
    }
    if (document.activeElement === this.canvas.root || this.slot) {
      ctx.strokeStyle = cssVar("--text");
      ctx.lineWidth = 1.5;
      ctx.strokeRect((this.slot % this.columns) * this.size - 2, Math.floor(this.slot / this.columns) * this.size - 2, this.size + 4, this.size + 4);
    }
  }

  /** @param {CanvasRenderingContext2D} ctx @param {number} slot @param {number} part of the cell's height */
  fillSlot(ctx, slot, part) {
    const x = (slot % this.columns) * this.size;
    const y = Math.floor(slot / this.columns) * this.size;
    const edge = this.size > 4 ? 1 : 0;
    ctx.fillRect(x, y + this.size * (1 - part), this.size - edge, this.size * part - edge);
  }

  /** The used slot nearest to a click: cells are small. @param {MouseEvent} e */
  clicked(e) {
    const box = this.canvas.root.getBoundingClientRect();
    const x = (e.clientX - box.left) / this.size;
    const y = (e.clientY - box.top) / this.size;
    let best = Math.min(Math.floor(y) * this.columns + Math.floor(x), this.map.length - 1);
    let least = 9;
    for (let slot = 0; slot < this.map.length; slot++) {
      if (this.map[slot] & USED) {
        const d = ((slot % this.columns) + 0.5 - x) ** 2 + (Math.floor(slot / this.columns) + 0.5 - y) ** 2;
        if (d < least) {
          least = d;
          best = slot;
        }
      }
    }
    this.choose(best, true);
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[e.key];
    if (e.ctrlKey || e.altKey || e.metaKey) {
      return;
    }
    if (by) {
      e.preventDefault();
      this.choose(Math.min(Math.max(this.slot + by, 0), this.map.length - 1), false);
    } else if (e.key === "n" || e.key === "p" || e.key === "Enter") {
      e.preventDefault();
      e.key === "Enter" ? this.choose(this.slot, true) : this.nextUsed(e.key === "n" ? 1 : -1);
    }
  }

  /** @param {number} by */
  nextUsed(by) {
    const n = this.map.length;
    for (let i = 1; i <= n; i++) {
      const slot = (this.slot + by * i + n * i) % n;
      if (this.map[slot] & USED) {
        this.choose(slot, false);
        return;
      }
    }
  }

  /** @param {number} slot @param {boolean} focus */
  async choose(slot, focus) {
    const { app } = this;
    this.slot = slot;
    this.canvas.redraw();
    const answer = await this.p.busy(this.p.bus.call("mmu.tlb", { ...this.params, slot, stale: true }));
    if (!answer || slot !== this.slot) {
      return;
    }
    const e = answer.entries[0];
    if (!e) {
      clear(this.entry, app.t("memory.tlb.slot.empty", { slot }));
      return;
    }
    clear(this.entry,
      h("b", null, app.t("memory.tlb.slot", { slot })), " ",
      h("button", { type: "button", class: "link mono", onclick: () => app.focus.set({ addr: e.page }) }, fmt.addr(e.page)), " → ",
      h("button", { type: "button", class: "link mono", onclick: () => app.focus.set({ phys: e.phys }) }, fmt.addr(e.phys)), " ",
      h("span", { class: "chip mono" }, e.rights), " ", this.words(e).map((w) => [h("span", { class: "chip" }, w), " "]));
    if (focus) {
      app.focus.set({ addr: e.page });
    }
  }

  /** @param {any} e @returns {string[]} */
  words(e) {
    const { app } = this;
    if (e.level === 1) {
      return e.flags.map((/** @type {string} */ f) => app.t(`memory.tlb.flag.${f}`));
    }
    return [app.t(e.live ? "memory.tlb.live" : "memory.tlb.stale"), e.global ? app.t("memory.tlb.global") : `ASID ${e.asid}`, ...(e.ram ? [] : [app.t("memory.tlb.flag.mmio")])];
  }

  twin() {
    const { app } = this;
    this.entries.length || this.readEntries();
    return {
      columns: ["slot", "page", "phys", "rights", "state"].map((c) => app.t(`memory.tlb.column.${c}`)),
      rows: this.entries.map((e) => [e.slot, fmt.addr(e.page), fmt.addr(e.phys), e.rights, this.words(e).join(", ")]),
    };
  }

  dispose() {
    this.endRead();
    for (const end of this.ends) {
      end();
    }
    this.canvas.dispose();
    this.p.dispose();
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const tlb = new TlbPanel(root, bus, app);
  return () => tlb.dispose();
}
