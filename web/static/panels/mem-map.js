// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Memory map: the tree of regions beside the flat view that comes of it, and the way of one address.
 *
 *   system            | rom  |        the path of the focused physical address is lit in both;
 *   '- serial   <--2  ~ gap  ~        numbers tell its steps, and the list below the reasons
 *   '- ram            | ram  |
 *
 * Tree: arrows move, right and left open and close, Enter focuses. Strip: heights are not to scale
 * (memory/strip.js).
 */
import { clear, h } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { rowsOfPath, treeRows } from "../memory/regions.js";
import { stripScale } from "../memory/strip.js";

const MAP_MS = 2000;
const PAGE = 4096n;

/** @typedef {import("../memory/regions.js").TreeRow} TreeRow */

class MapPanel {
  /** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app */
  constructor(root, bus, app) {
    this.app = app;
    const p = panel(app, bus, { id: "mem-map", title: "memory.map", help: "memory.map.help" });
    this.p = p;
    /** @type {TreeRow[]} */
    this.rows = [];
    /** @type {any} */
    this.tree = null;
    /** @type {any} */
    this.flat = null;
    /** @type {any} */
    this.resolved = null;
    /** @type {Set<string>} ids of closed rows */
    this.closed = new Set();
    this.current = "0";
    /** @type {Map<string, HTMLElement>} */
    this.nodes = new Map();
    /** @type {ReturnType<typeof stripScale> | null} */
    this.scale = null;
    this.asked = 0;
    this.treeBox = h("div", { class: "region-tree", role: "tree", "aria-label": app.t("memory.map.tree"), onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e) });
    this.stripBox = h("div", { class: "strip", role: "group", "aria-label": app.t("memory.map.strip") });
    this.pathBox = h("div", { class: "region-path" });
    this.deviceBox = h("div", { class: "region-device" });
    p.body.append(h("div", { class: "map-columns" }, this.treeBox, this.stripBox), this.pathBox, this.deviceBox);
    p.setJson(() => ({ tree: this.tree, flatview: this.flat, resolve: this.resolved }));
    p.setTwin(() => this.twin());
    const trouble = (/** @type {Error} */ e) => p.fail(e);
    p.bus.every(MAP_MS, "mem.tree", {}, (r) => this.gotTree(r), trouble);
    p.bus.every(MAP_MS, "mem.flatview", {}, (r) => this.gotFlat(r), trouble);
    this.off = app.focus.on((_f, changed) => changed.has("phys") && this.resolve());
    root.append(p.root);
  }

  /** @param {any} answer */
  gotTree(answer) {
    this.tree = answer.tree;
    this.rows = treeRows(answer.tree);
    if (!this.rows.some((r) => r.id === this.current)) {
      this.current = "0";
    }
    this.paintTree();
    this.resolve();
  }

  /** @param {any} answer */
  gotFlat(answer) {
    this.flat = answer.ranges;
    this.scale = stripScale(answer.ranges);
    this.paintStrip();
    this.resolve();
  }

  async resolve() {
    const { phys } = this.app.focus.get();
    const turn = ++this.asked;
    if (!phys || !this.tree || !this.flat) {
      this.paintPath();
      return;
    }
    const answer = await this.p.busy(this.p.bus.call("mem.resolve", { addr: phys }));
    if (turn === this.asked && answer) {
      this.resolved = answer;
      this.paintPath();
      reveal(this.treeBox, this.treeBox.querySelector('[data-verdict="taken"]'));
      reveal(this.stripBox, this.marker ?? null);
      await this.p.busy(this.paintDevice(answer, turn));
    }
  }

  /** @param {bigint} addr */
  focus(addr) {
    this.app.focus.set({ phys: "0x" + addr.toString(16) });
  }

  /* --- tree --------------------------------------------------------------------------------- */

  visible() {
    const hidden = new Set();
    return this.rows.filter((r) => {
      const is = r.parent !== null && (hidden.has(r.parent) || this.closed.has(r.parent));
      is && hidden.add(r.id);
      return !is;
    });
  }

  paintTree() {
    this.nodes.clear();
    const had = this.treeBox.contains(document.activeElement);
    clear(this.treeBox, this.visible().map((r) => this.treeItem(r)));
    this.markPath();
    had && this.nodes.get(this.current)?.focus();
  }

  /** @param {TreeRow} r */
  treeItem(r) {
    const { app } = this;
    const { node } = r;
    const open = !this.closed.has(r.id);
    const item = h("div", {
      role: "treeitem", class: `region ${node.enabled ? "" : "off"}`, "aria-level": r.depth + 1, tabindex: r.id === this.current ? "0" : "-1",
      "aria-expanded": r.children.length ? String(open) : null, "aria-selected": "false", "data-region": node.name,
      title: app.t("memory.map.region", { name: node.name, from: fmt.addr(node.addr), size: fmt.bytes(node.size), owner: node.owner ?? app.t("memory.path.board") }),
      style: { paddingInlineStart: `${8 + 14 * r.depth}px` },
      onclick: (/** @type {MouseEvent} */ e) => this.clicked(e, r),
    },
      h("span", { class: "fold", "aria-hidden": "true" }, r.children.length ? (open ? "▾" : "▸") : ""),
      h("span", { class: "step" }),
      h("span", { class: "region-name" }, node.name),
      h("span", { class: "chip", title: app.t(`memory.kind.${node.kind}`) }, node.kind),
      node.priority !== 0 && h("span", { class: "dim", title: app.t("memory.map.priority.help") }, app.t("memory.map.priority", { n: node.priority })),
      !node.enabled && h("span", { class: "warn" }, app.t("memory.map.off")),
      h("span", { class: "dim mono region-range" }, fmt.addr(node.addr)),
    );
    this.nodes.set(r.id, item);
    return item;
  }

  /** @param {MouseEvent} e @param {TreeRow} r */
  clicked(e, r) {
    const fold = e.target instanceof Element && e.target.closest(".fold");
    if (fold && r.children.length) {
      this.toggle(r);
      return;
    }
    this.select(r.id);
    this.focus(BigInt(r.node.addr));
  }

  /** @param {TreeRow} r */
  toggle(r) {
    this.closed.has(r.id) ? this.closed.delete(r.id) : this.closed.add(r.id);
    this.current = r.id;
    this.paintTree();
  }

  /** @param {string} id */
  select(id) {
    this.nodes.get(this.current)?.setAttribute("tabindex", "-1");
    this.current = id;
    const node = this.nodes.get(id);
    node?.setAttribute("tabindex", "0");
    node?.focus();
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    const visible = this.visible();
    const at = visible.findIndex((r) => r.id === this.current);
    const row = visible[at];
    if (!row || e.ctrlKey || e.altKey || e.metaKey) {
      return;
    }
    const open = row.children.length > 0 && !this.closed.has(row.id);
    const go = (/** @type {string | null | undefined} */ id) => id && this.select(id);
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowDown: () => go(visible[at + 1]?.id),
      ArrowUp: () => go(visible[at - 1]?.id),
      Home: () => go(visible[0].id),
      End: () => go(visible[visible.length - 1].id),
      ArrowRight: () => (open ? go(row.children[0]) : row.children.length && this.toggle(row)),
      ArrowLeft: () => (open ? this.toggle(row) : go(row.parent)),
      Enter: () => this.focus(BigInt(row.node.addr)),
      " ": () => this.focus(BigInt(row.node.addr)),
    };
    if (keys[e.key]) {
      e.preventDefault();
      keys[e.key]();
    }
  }

  /* --- strip -------------------------------------------------------------------------------- */

  paintStrip() {
    const { app, scale } = this;
    if (!scale) {
      return;
    }
    this.marker = h("div", { class: "strip-marker", hidden: true, "aria-hidden": "true" });
    clear(this.stripBox, h("div", { class: "strip-inner", style: { height: `${scale.height}px` } },
      scale.pieces.map((piece) => {
        const style = { top: `${piece.y}px`, height: `${piece.height}px` };
        const size = fmt.bytes(piece.last - piece.first + 1n);
        const { range } = piece;
        if (!range) {
          return h("div", { class: "strip-gap", style, title: app.t("memory.map.gap", { size, from: fmt.addr(piece.first), to: fmt.addr(piece.last) }) }, size);
        }
        const text = app.t("memory.map.range", { name: range.region, from: fmt.addr(piece.first), to: fmt.addr(piece.last), size });
        return h("button", {
          type: "button", class: `strip-range kind-${range.kind}`, style, title: text, "data-first": range.first,
          onclick: (/** @type {MouseEvent} */ e) => this.stripClick(e, piece.first, piece.last, range.ram),
        }, h("span", { class: "mono strip-addr" }, fmt.addr(piece.first)), h("span", { class: "strip-name" }, range.region), h("span", { class: "dim" }, size));
      }), this.marker));
    this.markPath();
  }

  /** By mouse the place in a range of RAM, by key its beginning. @param {MouseEvent} e @param {bigint} first @param {bigint} last @param {boolean} ram */
  stripClick(e, first, last, ram) {
    const inner = this.stripBox.firstElementChild;
    if (e.detail === 0 || !ram || !inner || !this.scale) {
      this.focus(first);
      return;
    }
    const addr = this.scale.addrAt(e.clientY - inner.getBoundingClientRect().top, PAGE);
    this.focus(addr < first ? first : addr > last ? last : addr);
  }

  /* --- path --------------------------------------------------------------------------------- */

  /** The path's regions and range get the numbers of their steps. */
  markPath() {
    const { resolved, scale } = this;
    const addr = resolved ? BigInt(resolved.addr) : null;
    const found = addr === null ? [] : rowsOfPath(this.rows, addr, resolved.path);
    for (const [id, node] of this.nodes) {
      const step = found.findIndex((r) => r?.id === id);
      const verdict = step < 0 ? "" : resolved.path[step].verdict;
      node.dataset.verdict = verdict;
      node.setAttribute("aria-selected", String(verdict === "taken"));
      clear(/** @type {Element} */ (node.querySelector(".step")), step >= 0 && h("span", { class: "badge" }, step + 1));
    }
    for (const range of this.stripBox.querySelectorAll(".strip-range")) {
      const lit = resolved?.range && /** @type {HTMLElement} */ (range).dataset.first === resolved.range.first;
      range.classList.toggle("lit", Boolean(lit));
      lit ? range.setAttribute("aria-current", "true") : range.removeAttribute("aria-current");
    }
    if (this.marker && scale) {
      this.marker.hidden = addr === null;
      this.marker.style.top = `${addr === null ? 0 : scale.yOf(addr)}px`;
    }
  }

  paintPath() {
    const { app, resolved } = this;
    this.markPath();
    if (!resolved || !this.app.focus.get().phys) {
      clear(this.pathBox, h("p", { class: "dim empty" }, app.t("memory.path.none")));
      clear(this.deviceBox);
      return;
    }
    const addr = fmt.addr(resolved.addr);
    const target = resolved.range;
    clear(this.pathBox,
      h("h3", null, target ? app.t("memory.path.to", { addr, name: target.region }) : app.t("memory.path.nothing", { addr })),
      h("ol", { class: "path" }, resolved.path.map((/** @type {any} */ s, /** @type {number} */ i) =>
        h("li", { "data-verdict": s.verdict },
          h("span", { class: "badge" }, i + 1), " ",
          h("b", null, s.name), " ", h("span", { class: "chip" }, app.t(`memory.verdict.${s.verdict}`)), " ",
          h("span", null, s.why), " ", h("span", { class: "dim mono" }, `+0x${BigInt(s.offset).toString(16)}`)))),
      target && h("p", null, app.t("memory.path.owner", { owner: target.owner ?? app.t("memory.path.board"), kind: app.t(`memory.kind.${target.kind}`) })),
    );
  }

  /** The registers of a device region. @param {any} answer @param {number} turn */
  async paintDevice(answer, turn) {
    const { app } = this;
    clear(this.deviceBox);
    if (!answer.device || !answer.range) {
      return;
    }
    const base = BigInt(answer.addr) - BigInt(answer.offset);
    const list = await this.p.bus.call("dev.list");
    const dev = findDevice(list.devices, base);
    const regs = dev ? await this.p.bus.call("dev.regs", { dev: dev.path }) : null;
    if (turn !== this.asked) {
      return;
    }
    const here = answer.device.register?.name;
    clear(this.deviceBox,
      h("h3", null, app.t("memory.device", { name: dev?.path ?? answer.device.class, what: dev?.description ?? "" })),
      dev && h("button", { type: "button", class: "link", onclick: () => app.go("devices", { dev: dev.path }) }, app.t("memory.device.open")),
      regs && h("ul", { class: "registers" }, regs.registers.map((/** @type {any} */ r) =>
        h("li", null, h("button", {
          type: "button", class: `chip mono ${r.name === here ? "sel" : ""}`, ...explain(app, "memory.device.register", { meaning: r.meaning, access: r.access }),
          "aria-current": r.name === here ? "true" : null, onclick: () => this.focus(base + BigInt(r.offset)),
        }, `+0x${BigInt(r.offset).toString(16)} ${r.name}`)))));
  }

  twin() {
    const { app } = this;
    return {
      columns: ["first", "last", "size", "name", "kind", "owner"].map((c) => app.t(`memory.map.column.${c}`)),
      rows: (this.flat ?? []).map((/** @type {any} */ r) => [
        fmt.addr(r.first), fmt.addr(r.last), fmt.bytes(BigInt(r.last) - BigInt(r.first) + 1n), r.region, r.kind, r.owner ?? "",
      ]),
    };
  }

  dispose() {
    this.off();
    this.p.dispose();
  }
}

/** Scrolls a box, and only it, so that a part of it is seen. @param {HTMLElement} box @param {Element | null} part */
function reveal(box, part) {
  if (!part) {
    return;
  }
  const around = box.getBoundingClientRect();
  const at = part.getBoundingClientRect();
  if (at.top < around.top || at.bottom > around.bottom) {
    box.scrollTop += at.top - around.top - around.height / 2;
  }
}

/** The device whose registers begin at an address. @param {any[]} devices @param {bigint} base @returns {any} */
function findDevice(devices, base) {
  for (const d of devices) {
    if (d.base !== null && d.base !== undefined && BigInt(d.base) === base) {
      return d;
    }
    const below = findDevice(d.children ?? [], base);
    if (below) {
      return below;
    }
  }
  return null;
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const map = new MapPanel(root, bus, app);
  return () => map.dispose();
}
