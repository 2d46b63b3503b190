// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Hex view: bytes of physical or virtual memory, watched; edited and put under watch points by operators.
 *
 *   every("mem.read") for each part of the window --> HexModel (what changed?) --> HexGrid
 *
 * The cursor is the shared focus: `phys` or `addr`, whichever space is shown.
 */
import { clear, h } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";
import { addressField } from "../memory/field.js";
import { HexGrid } from "../memory/hexgrid.js";
import { HexModel, bytesOfBase64, hexDigits, parseBytes, partsOf, valuesAt } from "../memory/hexmodel.js";
import { hexPoints, isBare, virtualOf } from "../memory/hexpoints.js";
import { hexSearch } from "../memory/hexsearch.js";

const ROWS = 20;
const READ_MS = 200;
const READ_VIRTUAL_MS = 1000; // it holds the guest, to see what its page tables say
const FADE_MS = 500;
const REST_MS = 250;
const TOP = 1n << 64n;

class HexPanel {
  /** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app */
  constructor(root, bus, app) {
    this.app = app;
    this.p = panel(app, bus, { id: "mem-hex", title: "memory.hex", help: "memory.hex.help" });
    this.space = app.view("memory.space", "phys");
    const focus = app.focus.get();
    this.cursorAddr = BigInt((this.space.get() === "virt" ? focus.addr : focus.phys) ?? "0x80000000");
    this.anchor = this.cursorAddr;
    /** @type {(() => void)[]} reads that go on */
    this.reads = [];
    /** @type {(() => void)[]} */
    this.ends = [];
    this.restTimer = 0;
    this.mine = false; // the focus is being set by this panel
    const { p } = this;
    this.grid = new HexGrid({
      label: app.t("memory.hex"), rows: ROWS,
      onmove: (at, select) => this.move(this.model.base + BigInt(at), select),
      onkey: (e) => this.key(e),
      onshape: () => this.reshape(),
    });
    this.field = addressField(app, p.bus, { label: "memory.hex.address", id: "hex-address", onaddress: (a) => this.goto(a) });
    this.search = hexSearch(app, p, (phys) => this.goto(BigInt(phys), "phys"));
    this.points = hexPoints(app, p, () => this.selection());
    this.spaceButtons = ["phys", "virt"].map((s) =>
      h("button", { type: "button", "data-space": s, title: app.t(`memory.space.${s}.help`), onclick: () => this.otherSpace(s) }, app.t(`memory.space.${s}`)));
    this.status = h("div", { class: "hex-status mono" });
    this.where = h("div", { class: "hex-where" });
    this.editor = h("div", { class: "hex-edit", hidden: true });
    this.model = new HexModel(this.baseFor(this.cursorAddr), this.grid.size);
    this.build();
    root.append(this.p.root);
    const fade = setInterval(() => this.paint(), FADE_MS);
    this.ends.push(
      () => clearInterval(fade),
      app.focus.on((f, changed) => this.focused(f, changed)),
      this.space.on(() => this.watchWindow()),
    );
    this.seen = false;
    this.ends.push(whileSeen(this.p.root, () => ((this.seen = true), this.watchWindow()), () => ((this.seen = false), this.endReads())));
  }

  build() {
    const { app, p } = this;
    const turn = (/** @type {string} */ sign, /** @type {string} */ key, /** @type {number} */ by) =>
      h("button", { type: "button", "aria-label": app.t(key), title: app.t(key), onclick: () => this.scroll(by * ROWS) }, sign);
    p.body.append(
      h("div", { class: "toolbar" },
        h("div", { class: "segmented", role: "group", "aria-label": app.t("memory.space") }, this.spaceButtons),
        this.field.root,
        turn("▲", "memory.hex.before", -1), turn("▼", "memory.hex.after", 1)),
      this.grid.root,
      this.status,
      h("div", { class: "toolbar" },
        h("button", { type: "button", class: "hex-edit-button", disabled: app.role !== "operator", title: app.t("memory.edit.help"), onclick: () => this.edit("") }, app.t("memory.edit")),
        this.points.controls,
        h("button", { type: "button", onclick: () => this.p.busy(this.other()), title: app.t("memory.hex.other.help") }, app.t("memory.hex.other")),
        this.where),
      this.editor,
      this.points.root,
      this.search.root,
    );
    this.grid.root.addEventListener("wheel", (e) => {
      if (this.grid.hasFocus()) {
        e.preventDefault();
        this.scroll(e.deltaY > 0 ? 3 : -3);
      }
    }, { passive: false });
    p.setJson(() => ({ space: this.space.get(), addr: this.model.base, bytes: hexDigits(this.model.bytes), known: this.model.known.every(Boolean) }));
  }

  /* --- the window --------------------------------------------------------------------------- */

  /** @param {bigint} addr */
  baseFor(addr) {
    const columns = BigInt(this.grid.columns);
    const above = columns * 2n;
    const row = addr - (addr % columns);
    const last = TOP - BigInt(this.grid.size);
    const base = row > above ? row - above : 0n;
    return base > last ? last : base;
  }

  reshape() {
    this.model = this.model.moved(this.baseFor(this.cursorAddr), this.grid.size);
    this.watchWindow();
  }

  /** Reads the window again and again, each part on its own: one may not be there. */
  watchWindow() {
    this.endReads();
    this.paint();
    if (!this.seen) {
      return;
    }
    const space = this.space.get();
    const ms = space === "virt" ? READ_VIRTUAL_MS : READ_MS;
    const { model } = this;
    for (const part of partsOf(model.base, model.size)) {
      const params = { addr: "0x" + part.addr.toString(16), len: part.len, space, cpu: this.app.focus.get().cpu, format: "base64" };
      const got = (/** @type {any} */ r) => {
        model.put(part.offset, bytesOfBase64(r.data), performance.now());
        this.lost(part, null);
      };
      this.reads.push(this.p.bus.every(ms, "mem.read", params, got, (/** @type {Error} */ e) => {
        model.lose(part.offset, part.len);
        this.lost(part, e);
      }));
    }
  }

  /** What cannot be read is told if the cursor is there. @param {{addr: bigint, len: number}} part @param {Error | null} error */
  lost(part, error) {
    const here = this.cursorAddr >= part.addr && this.cursorAddr - part.addr < BigInt(part.len);
    if (here) {
      this.p.fail(error);
    }
    this.paint();
  }

  endReads() {
    for (const end of this.reads.splice(0)) {
      end();
    }
  }

  /** @param {number} rows */
  scroll(rows) {
    const by = BigInt(rows * this.grid.columns);
    const last = TOP - BigInt(this.grid.size);
    let base = this.model.base + by;
    base = base < 0n ? 0n : base > last ? last : base;
    this.model = this.model.moved(base, this.grid.size);
    this.move(this.cursorAddr + by, false);
    this.watchWindow();
  }

  /** Goes to an address. @param {bigint} addr @param {string} [space] */
  goto(addr, space) {
    if (space && space !== this.space.get()) {
      this.model = new HexModel(this.baseFor(addr), this.grid.size);
      this.space.set(space);
    } else if (addr < this.model.base || addr - this.model.base >= BigInt(this.model.size)) {
      this.model = this.model.moved(this.baseFor(addr), this.grid.size);
    }
    this.cursorAddr = this.anchor = addr;
    this.p.fail(null);
    this.watchWindow();
    this.tellFocus();
  }

  /** @param {string} space */
  otherSpace(space) {
    if (space !== this.space.get()) {
      const f = this.app.focus.get();
      const there = space === "virt" ? f.addr : f.phys;
      this.goto(there ? BigInt(there) : this.cursorAddr, space);
    }
  }

  /** The same byte in the other space. */
  async other() {
    const cpu = this.app.focus.get().cpu;
    const addr = this.cursorAddr;
    clear(this.where);
    if (this.space.get() === "virt") {
      const walk = await this.p.bus.call("mmu.walk", { addr: "0x" + addr.toString(16), cpu });
      this.showWhere(walk.phys ? [{ addr: BigInt(walk.phys), space: "phys" }] : [], walk.phys ? "" : walk.why);
      return;
    }
    try {
      const found = await virtualOf(this.p.bus, cpu, addr);
      this.showWhere(found.map((a) => ({ addr: a, space: "virt" })), found.length ? "" : this.app.t("memory.hex.nowhere"));
    } catch (e) {
      if (!isBare(e)) {
        throw e;
      }
      this.showWhere([], this.app.t("memory.bare"));
    }
  }

  /** @param {{addr: bigint, space: string}[]} places @param {string} text */
  showWhere(places, text) {
    clear(this.where, text, places.map((w) =>
      h("button", { type: "button", class: "chip mono", onclick: () => this.goto(w.addr, w.space) }, `${this.app.t(`memory.space.${w.space}`)} ${fmt.addr(w.addr)}`)));
  }

  /* --- cursor, selection, focus ------------------------------------------------------------- */

  /** @param {bigint} addr @param {boolean} select */
  move(addr, select) {
    this.cursorAddr = addr < 0n ? 0n : addr >= TOP ? TOP - 1n : addr;
    if (!select) {
      this.anchor = this.cursorAddr;
    }
    const columns = BigInt(this.grid.columns);
    const { base, size } = this.model;
    if (this.cursorAddr < base || this.cursorAddr - base >= BigInt(size)) {
      const row = this.cursorAddr - (this.cursorAddr % columns);
      this.model = this.model.moved(this.cursorAddr < base ? row : row - BigInt(size) + columns, this.grid.size);
      this.watchWindow();
    }
    clear(this.where);
    this.paint();
    if (this.grid.hasFocus()) {
      this.grid.focusCell(Number(this.cursorAddr - this.model.base));
    }
    this.tellFocus();
  }

  selection() {
    const [from, to] = this.anchor < this.cursorAddr ? [this.anchor, this.cursorAddr] : [this.cursorAddr, this.anchor];
    return { space: this.space.get(), from, len: Math.min(Number(to - from) + 1, 4096) };
  }

  /** The focus follows the cursor when it has come to rest: each change is a step of the browser's history. */
  tellFocus() {
    clearTimeout(this.restTimer);
    this.restTimer = window.setTimeout(() => {
      const text = "0x" + this.cursorAddr.toString(16);
      this.mine = true;
      this.app.focus.set(this.space.get() === "virt" ? { addr: text } : { phys: text });
      this.mine = false;
    }, REST_MS);
  }

  /** @param {import("../focus.js").FocusState} f @param {Set<string>} changed */
  focused(f, changed) {
    if (this.mine) {
      return;
    }
    const space = changed.has("phys") && f.phys ? "phys" : changed.has("addr") && f.addr ? "virt" : null;
    if (space) {
      clearTimeout(this.restTimer);
      this.goto(BigInt(/** @type {string} */ (space === "phys" ? f.phys : f.addr)), space);
    } else if (changed.has("cpu")) {
      this.watchWindow();
    }
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    if (e.ctrlKey || e.altKey || e.metaKey) {
      return;
    }
    const columns = this.grid.columns;
    const inRow = Number(this.cursorAddr % BigInt(columns));
    /** @type {Record<string, number>} */
    const steps = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns,
      Home: -inRow, End: columns - 1 - inRow, PageUp: -this.grid.size, PageDown: this.grid.size,
    };
    if (e.key in steps) {
      e.preventDefault();
      this.move(this.cursorAddr + BigInt(steps[e.key]), e.shiftKey);
    } else if (/^[0-9a-fA-F]$/.test(e.key) || e.key === "Enter") {
      e.preventDefault(); /* digits are bytes here, no commands */
      if (this.app.role === "operator") {
        this.edit(e.key === "Enter" ? "" : e.key);
      } else {
        this.app.toast(this.app.t("memory.edit.viewer"));
      }
    }
  }

  /* --- editing ------------------------------------------------------------------------------ */

  /** Asks what to write at the cursor; nothing is written before that is confirmed. @param {string} typed */
  edit(typed) {
    const { app } = this;
    const { from, len, space } = this.selection();
    const offset = Number(from - this.model.base);
    const now = this.model.bytes.subarray(offset, offset + Math.min(len, 16));
    const input = /** @type {HTMLInputElement} */ (
      h("input", { class: "mono", "aria-label": app.t("memory.edit.bytes"), value: typed || hexDigits(now).replace(/..(?=.)/g, "$& "), oninput: () => check() }));
    const text = h("span", null);
    const write = h("button", { type: "submit", class: "primary" }, app.t("memory.edit.write"));
    const check = () => {
      const bytes = parseBytes(input.value);
      write.toggleAttribute("disabled", !bytes);
      text.textContent = bytes ? app.t("memory.edit.ask", { n: bytes.length, addr: fmt.addr(from), space: app.t(`memory.space.${space}`) }) : app.t("memory.edit.bad");
    };
    const close = () => {
      this.editor.hidden = true;
      this.grid.focusCell(offset);
    };
    clear(this.editor, h("form", {
      class: "toolbar",
      onsubmit: (/** @type {Event} */ e) => {
        e.preventDefault();
        const bytes = parseBytes(input.value);
        bytes && this.p.busy(this.write(from, space, bytes)).then(close);
      },
      onkeydown: (/** @type {KeyboardEvent} */ e) => e.key === "Escape" && (e.preventDefault(), close()),
    }, input, text, write, h("button", { type: "button", onclick: close }, app.t("memory.edit.cancel"))));
    this.editor.hidden = false;
    check();
    input.focus();
    typed ? input.setSelectionRange(1, 1) : input.select();
  }

  /** @param {bigint} addr @param {string} space @param {Uint8Array} bytes */
  async write(addr, space, bytes) {
    const params = { addr: "0x" + addr.toString(16), space, cpu: this.app.focus.get().cpu, data: hexDigits(bytes) };
    await this.p.bus.call("mem.write", params);
    this.app.toast(this.app.t("memory.edit.done", { n: bytes.length, addr: fmt.addr(addr) }));
  }

  /* --- drawing ------------------------------------------------------------------------------ */

  paint() {
    const { app, model } = this;
    const { from, len } = this.selection();
    const cursor = Number(this.cursorAddr - model.base);
    const virtual = this.space.get() === "virt";
    this.grid.paint({
      model, cursor, from: len > 1 ? Number(from - model.base) : 1, to: len > 1 ? Number(from - model.base) + len - 1 : 0,
      marked: (at) => (virtual && this.points.watches(model.base + BigInt(at)) ? "watched" : ""),
      now: performance.now(),
    });
    for (const b of this.spaceButtons) {
      b.setAttribute("aria-pressed", String(b.dataset.space === this.space.get()));
    }
    this.field.set(this.cursorAddr);
    const values = valuesAt(model, cursor).map((v) => `u${v.bits} ${v.value} · 0x${v.value.toString(16)}`);
    const key = `${this.cursorAddr}:${len}:${values}`;
    if (this.status.dataset.key !== key) {
      this.status.dataset.key = key;
      clear(this.status, h("span", explain(app, "memory.hex.cursor.help"), fmt.addr(this.cursorAddr)),
        len > 1 && h("span", { class: "chip" }, app.t("memory.hex.selected", { n: len })), values.map((v) => h("span", { class: "dim" }, v)));
    }
  }

  dispose() {
    clearTimeout(this.restTimer);
    this.endReads();
    this.search.stop();
    this.grid.dispose();
    for (const end of this.ends) {
      end();
    }
    this.p.dispose();
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const hex = new HexPanel(root, bus, app);
  return () => hex.dispose();
}
