// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Graph: the blocks around the one in focus, along the chains.
 *
 *   [wide: many host bytes] --chained--> [hot: filled]      - - by the jump cache    ... not chained yet
 *
 * A click or Enter goes there; arrows follow the lines. The layout library is loaded when it is first needed.
 */
import { clear, h, s } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";
import { around, follow } from "./tb-around.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("./tb-around.js").Around} Around */
/** @typedef {import("./tb-around.js").Box} Box */

const NODES_MOST = 60;
const MARGIN = 12;
const LOOP_PX = 30;
const HEAT_MOST = 60; /* percent of colour in the hottest box: its text stays readable */
const REFRESH_MS = 3000;
const DEPTHS = ["1", "2", "3", "4"];

/** @param {Around} a @returns {Promise<any>} the library's graph, laid out */
async function layOut(a) {
  const dagre = await import("../lib/dagre.js");
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "TB", nodesep: LOOP_PX, ranksep: 34, marginx: MARGIN + LOOP_PX, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const b of a.boxes) {
    graph.setNode(b.id, { width: b.width, height: b.height });
  }
  a.lines.forEach((l, i) => l.from === l.to || graph.setEdge(l.from, l.to, {}, String(i)));
  dagre.layout(graph);
  return graph;
}

/** @param {Box} b */
const small = (b) => `${b.block.host_size} B${b.block.runs === null ? "" : " · " + fmt.count(b.block.runs)}`;

/** @param {{x: number, y: number}[]} points */
function path(points) {
  return points.map((p, i) => `${i ? "L" : "M"}${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join("");
}

/** A block that goes to itself: a loop at its right side. @param {{x: number, y: number, width: number}} n */
function loop(n) {
  const x = n.x + n.width / 2;
  return `M${x} ${n.y - 8}C${x + LOOP_PX} ${n.y - 18} ${x + LOOP_PX} ${n.y + 18} ${x + 1} ${n.y + 8}`;
}

class Graph {
  /** @param {App} app @param {import("../ui/panel.js").PanelBus} bus */
  constructor(app, bus) {
    this.app = app;
    this.p = panel(app, bus, { id: "tb-graph", title: "translate.graph", help: "translate.graph.help", class: "tb-graph" });
    this.depth = app.view("translate.depth", "2");
    /** @type {any} */
    this.last = null;
    /** @type {Around | null} */
    this.a = null;
    /** @type {(() => void) | null} */
    this.end = null;
    this.turn = 0;
    this.seen = false;
    this.shape = "";
    this.note = h("span", { class: "dim" });
    this.drawing = h("div", { class: "drawing" });
    this.p.tools.append(
      h("select", { "aria-label": app.t("translate.depth"), title: app.t("translate.depth.help"), onchange: (/** @type {Event} */ e) => this.depth.set(/** @type {HTMLSelectElement} */ (e.target).value) }, DEPTHS.map((d) => h("option", { value: d, selected: d === this.depth.get() }, app.t("translate.depth.of", { depth: d })))),
      this.note,
    );
    this.p.setJson(() => this.last);
    this.p.setTwin(() => this.twin());
    this.drawing.addEventListener("keydown", (e) => this.key(e));
    this.drawing.addEventListener("click", (e) => this.go(e.target));
  }

  /** Follows the neighbourhood of the block in focus. */
  follow() {
    this.end?.();
    this.end = null;
    this.last = this.a = null;
    this.shape = "";
    const id = this.app.focus.get().block;
    if (!id) {
      this.p.empty("translate.life.choose");
      return;
    }
    this.seen && this.ask();
  }

  ask() {
    const id = this.app.focus.get().block;
    const depth = DEPTHS.includes(this.depth.get()) ? Number(this.depth.get()) : 2;
    this.end?.();
    this.end = !id ? null : this.p.bus.every(REFRESH_MS, "tb.graph", { id, depth, limit: NODES_MOST }, (r) => this.take(r), (e) => this.lost(e));
  }

  /** Out of view nothing is asked; what is drawn stays. @param {boolean} seen */
  see(seen) {
    this.seen = seen;
    this.end?.();
    this.end = null;
    seen && this.ask();
  }

  /** A block that died is no longer in the graph; the columns say so. @param {any} e */
  lost(e) {
    if (e.class !== "not-found") {
      this.p.fail(e);
    } else if (!this.a) {
      this.p.empty("translate.graph.gone");
    }
  }

  /** @param {any} r */
  async take(r) {
    this.last = r;
    this.p.fail(null);
    const a = around(r);
    const shape = JSON.stringify([a.boxes.map((b) => [b.id, b.dead]), a.lines]);
    this.a = a;
    if (shape === this.shape) {
      this.warm();
      return; /* only numbers changed: nothing moves */
    }
    this.shape = shape;
    const turn = ++this.turn;
    const graph = await this.p.busy(layOut(a));
    if (graph && turn === this.turn) {
      this.draw(a, graph);
    }
  }

  /** @param {Box} b */
  words(b) {
    const vars = { id: String(BigInt(b.id)), pc: fmt.addr(b.block.pc), insns: b.block.insns, host: b.block.host_size, runs: b.block.runs === null ? "–" : fmt.count(b.block.runs) };
    return this.app.t(b.dead ? "translate.graph.node.dead" : "translate.graph.node", vars);
  }

  /** Colours and numbers anew, in place. */
  warm() {
    for (const b of this.a?.boxes ?? []) {
      const node = this.drawing.querySelector(`[data-id="${b.id}"]`);
      if (node) {
        /** @type {SVGElement} */ (node.querySelector(".fill")).style.setProperty("--heat", `${Math.round(b.heat * HEAT_MOST)}%`);
        /** @type {Element} */ (node.querySelector("title")).textContent = this.words(b);
        /** @type {Element} */ (node.querySelector(".small")).textContent = small(b);
      }
    }
  }

  /** @param {Around} a @param {any} graph */
  draw(a, graph) {
    const { app } = this;
    const { width, height } = graph.graph();
    const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest?.(".tb-graph [data-id]"))?.dataset.id;
    const svg = s("svg", { width: String(Math.ceil(width)), height: String(Math.ceil(height)), viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`, role: "group", "aria-label": app.t("translate.graph") }, this.defs());
    a.lines.forEach((l, i) => {
      const d = l.from === l.to ? loop(graph.node(l.from)) : path(graph.edge(l.from, l.to, String(i))?.points ?? []);
      const kind = l.chained ? l.kind.replaceAll(" ", "-") : "open";
      svg.append(s("path", { class: `edge ${kind}`, d, "marker-end": "url(#tb-arrow)" }));
    });
    for (const b of a.boxes) {
      svg.append(this.node(b, graph.node(b.id), b.id === a.centre));
    }
    this.note.textContent = app.t(a.cut ? "translate.graph.cut" : "translate.graph.of", { count: a.boxes.length, open: a.open });
    this.p.body.contains(this.drawing) || clear(this.p.body, this.drawing, this.legend());
    clear(this.drawing, svg);
    this.warm();
    const back = focused && /** @type {HTMLElement | null} */ (this.drawing.querySelector(`[data-id="${focused}"]`));
    back && back.focus({ preventScroll: true });
    this.centre(graph.node(a.centre));
  }

  defs() {
    return s(
      "defs",
      null,
      s("marker", { id: "tb-arrow", viewBox: "0 0 8 8", refX: "7", refY: "4", markerWidth: "7", markerHeight: "7", orient: "auto-start-reverse" }, s("path", { d: "M0 0L8 4L0 8z", class: "head" })),
      s("pattern", { id: "tb-hatch", width: "6", height: "6", patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, s("path", { d: "M0 0V6", class: "hatch" })),
    );
  }

  /** @param {Box} b @param {{x: number, y: number}} at @param {boolean} centre */
  node(b, at, centre) {
    const x = at.x - b.width / 2;
    const y = at.y - b.height / 2;
    const size = { x, y, width: b.width, height: b.height, rx: 5 };
    return s(
      "g",
      { class: `node${centre ? " centre" : ""}${b.dead ? " dead" : ""}`, "data-id": b.id, role: "button", tabindex: centre ? "0" : "-1", "aria-current": centre ? "true" : null },
      s("title", null, this.words(b)),
      s("rect", { ...size, class: "fill" }),
      b.dead && s("rect", { ...size, fill: "url(#tb-hatch)" }),
      s("text", { x: at.x, y: at.y - 3 }, fmt.addr(b.block.pc).slice(-8)),
      s("text", { x: at.x, y: at.y + 11, class: "small" }, small(b)),
    );
  }

  /** Shows the middle of the graph. @param {{x: number, y: number}} at */
  centre(at) {
    this.drawing.scrollLeft = at.x - this.drawing.clientWidth / 2;
    this.drawing.scrollTop = at.y - this.drawing.clientHeight / 2;
  }

  legend() {
    const line = (/** @type {string} */ kind) => h("span", { class: "key" }, s("svg", { width: "26", height: "8", "aria-hidden": "true" }, s("path", { class: `edge ${kind}`, d: "M1 4H25" })), " ", this.app.t(`translate.graph.key.${kind}`));
    return h("p", { class: "legend dim" }, ["direct", "by-jump-cache", "open"].map(line), h("span", { class: "key" }, this.app.t("translate.graph.key")));
  }

  /** @param {EventTarget | null} target */
  idOf(target) {
    return target instanceof Element ? (/** @type {HTMLElement | null} */ (target.closest("[data-id]"))?.dataset.id ?? null) : null;
  }

  /** @param {EventTarget | null} target */
  go(target) {
    const id = this.idOf(target);
    const box = id && this.a?.boxes.find((b) => b.id === id);
    box && this.app.focus.set({ block: box.id, addr: box.block.pc });
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    const id = this.idOf(e.target);
    if (!id || !this.a) {
      return;
    }
    if (e.key === "Enter" || e.key === " ") {
      e.preventDefault();
      this.go(e.target);
    } else if (e.key.startsWith("Arrow")) {
      e.preventDefault();
      const to = follow(this.a, id, e.key);
      const node = to && /** @type {HTMLElement | null} */ (this.drawing.querySelector(`[data-id="${to}"]`));
      if (node) {
        this.drawing.querySelector("[data-id][tabindex='0']")?.setAttribute("tabindex", "-1");
        node.setAttribute("tabindex", "0");
        node.focus();
      }
    }
  }

  twin() {
    const { app } = this;
    const keys = ["id", "pc", "host", "runs", "alive", "next"];
    const rows = (this.a?.boxes ?? []).map((b) => [
      `#${BigInt(b.id)}`,
      fmt.addr(b.block.pc),
      b.block.host_size,
      b.block.runs === null ? "" : fmt.exact(b.block.runs),
      app.t(b.dead ? "translate.no" : "translate.yes"),
      (this.a?.lines ?? []).filter((l) => l.from === b.id).map((l) => `#${BigInt(l.to)} (${app.t(`translate.graph.key.${l.chained ? l.kind.replaceAll(" ", "-") : "open"}`)})`).join(", "),
    ]);
    return { columns: keys.map((k) => app.t(`translate.graph.col.${k}`)), rows };
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {App} app @returns {() => void} */
export function mount(root, bus, app) {
  const g = new Graph(app, bus);
  root.append(g.p.root);
  g.follow();
  const offs = [whileSeen(g.p.root, () => g.see(true), () => g.see(false)), app.focus.on((_f, changed) => changed.has("block") && g.follow()), g.depth.on(() => g.follow())];
  return () => {
    offs.forEach((off) => off());
    g.p.dispose();
  };
}
