// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Code around the pc, or around an address.
 *
 *   ● ▶ ╭─ 80a69448  73005010  wfi          ● break point: press the gutter; ▶ the pc
 *       │  80a6944c  a260      ld ra,8(sp)
 *       ╰▸ 80a6944e  ...                    jumps that stay within what is shown, as arrows
 */
import { clear, h, s } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { latest } from "../ui/latest.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";

/** @typedef {{addr: string, bytes: string, text: string, legal: boolean, target: string | null}} Insn */

const BEFORE = 10;
const COUNT = 26;
const ROW = 22;
const LANE = 6;
const MAX_LANES = 6;
const COLOURS = 8;

/**
 * Arrows for the jumps from row to row: short ones next to the text, each in a lane of its own while it lasts.
 * @param {Insn[]} insns @returns {{from: number, to: number, lane: number}[]}
 */
export function arrows(insns) {
  const at = new Map(insns.map((n, i) => [n.addr, i]));
  const jumps = insns.flatMap((n, from) => (n.target !== null && at.has(n.target) ? [{ from, to: /** @type {number} */ (at.get(n.target)), lane: 0 }] : []));
  jumps.sort((a, b) => Math.abs(a.to - a.from) - Math.abs(b.to - b.from) || a.from - b.from);
  /** @type {typeof jumps[]} */
  const lanes = [];
  for (const j of jumps) {
    const [low, high] = [Math.min(j.from, j.to), Math.max(j.from, j.to)];
    let lane = 0;
    while (lanes[lane]?.some((o) => Math.min(o.from, o.to) <= high && Math.max(o.from, o.to) >= low)) {
      lane++;
    }
    j.lane = lane;
    (lanes[lane] ??= []).push(j);
  }
  return jumps.filter((j) => j.lane < MAX_LANES);
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/cpu.js").Debugger} debug @returns {() => void} */
export function mount(root, bus, app, debug) {
  const p = panel(app, bus, { id: "cpu-code", title: "cpu.code", help: "cpu.code.help" });
  const where = app.view("cpu.code", "pc");
  /** @type {any} */
  let last = null;
  let shown = "";
  let seen = false;
  const follow = h("button", { type: "button", onclick: () => where.set("pc") }, app.t("cpu.code.pc"));
  const input = /** @type {HTMLInputElement} */ (h("input", { type: "text", class: "mono", size: "20", spellcheck: "false", autocomplete: "off", "aria-label": app.t("cpu.code.addr"), placeholder: app.t("cpu.code.addr") }));
  const note = h("span", { class: "dim" });
  p.tools.append(
    follow,
    h("form", {
      onsubmit: (/** @type {Event} */ e) => {
        e.preventDefault();
        const at = debug.addressOf(input.value);
        at === null ? app.toast(app.t("cpu.points.bad_addr"), "bad") : where.set(at);
      },
    }, input),
    note,
  );
  const list = h("ol", { class: "code-rows", "aria-label": app.t("cpu.code") });
  const drawing = s("svg", { class: "code-arrows", "aria-hidden": "true", width: MAX_LANES * LANE + 8 });
  const code = h("div", { class: "code" }, /** @type {any} */ (drawing), list);
  const edge = h("p", { class: "dim empty", hidden: true });
  p.body.append(code, edge);

  /** @param {Insn} n */
  const makeRow = (n) => {
    const [mnemonic, operands = ""] = n.text.split("\t");
    const target = n.target;
    return h(
      "li",
      { class: n.legal ? "code-row" : "code-row illegal", "data-addr": n.addr, "data-made": n.bytes },
      h("button", { type: "button", class: "gutter", disabled: !debug.mayChange, onclick: () => debug.toggleBreak(n.addr) }),
      h("span", { class: "code-pc", "aria-hidden": "true" }),
      h("button", { type: "button", class: "link mono code-addr", title: app.t("cpu.focus"), onclick: () => app.focus.set({ addr: n.addr }) }, fmt.addr(n.addr)),
      h("span", { class: "mono dim code-bytes" }, n.bytes),
      h("span", { class: "mono code-text" }, h("b", null, mnemonic), " ", operands),
      target ? h("button", { type: "button", class: "link code-target", title: app.t("cpu.code.follow", { addr: fmt.addr(target) }), "aria-label": app.t("cpu.code.follow", { addr: fmt.addr(target) }), onclick: () => where.set(target) }, "↪") : null,
    );
  };

  /** @param {HTMLElement} row @param {string} pc */
  const markRow = (row, pc) => {
    const addr = row.dataset.addr ?? "";
    const point = debug.breakAt(addr);
    const isPc = addr === pc;
    const gutter = /** @type {HTMLElement} */ (row.children[0]);
    gutter.textContent = point ? "●" : "○";
    gutter.setAttribute("aria-pressed", String(!!point));
    gutter.setAttribute("aria-label", app.t(point ? "cpu.code.unbreak" : "cpu.code.break", { addr: fmt.addr(addr) }));
    gutter.title = debug.mayChange ? app.t(point ? "cpu.code.unbreak" : "cpu.code.break", { addr: fmt.addr(addr) }) : app.t("cpu.viewer");
    row.children[1].textContent = isPc ? "▶" : "";
    row.classList.toggle("sel", isPc);
    row.classList.toggle("focused", addr === app.focus.get().addr);
    isPc ? row.setAttribute("aria-current", "step") : row.removeAttribute("aria-current");
  };

  /** @param {Insn[]} insns */
  const drawArrows = (insns) => {
    const width = MAX_LANES * LANE + 8;
    drawing.setAttribute("height", String(insns.length * ROW));
    clear(
      drawing,
      arrows(insns).map((j) => {
        const x = width - 8 - j.lane * LANE;
        const y1 = j.from * ROW + ROW / 2;
        const y2 = j.to * ROW + ROW / 2;
        const colour = `var(--c${j.from % COLOURS})`;
        return s("g", { style: { stroke: colour, fill: colour } }, s("path", { d: `M ${width} ${y1} H ${x} V ${y2} H ${width - 4}`, fill: "none" }), s("path", { d: `M ${width - 5} ${y2 - 3.5} L ${width} ${y2} L ${width - 5} ${y2 + 3.5} Z`, stroke: "none" }));
      }),
    );
  };

  const paint = () => {
    if (!last) {
      return;
    }
    /** @type {Map<string, HTMLElement>} */
    const have = new Map(/** @type {HTMLElement[]} */ ([...list.children]).map((r) => [`${r.dataset.addr} ${r.dataset.made}`, r]));
    const rows = last.insns.map((/** @type {Insn} */ n) => have.get(`${n.addr} ${n.bytes}`) ?? makeRow(n));
    rows.forEach((/** @type {HTMLElement} */ row, /** @type {number} */ i) => list.children[i] === row || list.insertBefore(row, list.children[i] ?? null));
    while (list.children.length > rows.length) {
      list.lastElementChild?.remove();
    }
    rows.forEach((/** @type {HTMLElement} */ row) => markRow(row, last.pc));
    drawArrows(last.insns);
    edge.hidden = !last.unreadable;
    edge.textContent = last.unreadable ? app.t("cpu.code.unreadable", { addr: fmt.addr(last.unreadable) }) : "";
    follow.setAttribute("aria-pressed", String(where.get() === "pc"));
    const running = app.machine?.running ?? true;
    note.textContent = where.get() === "pc" && running ? `≈ ${app.t("cpu.code.running")}` : "";
  };

  const fetchCode = latest(async () => {
    const at = where.get();
    const { cpu } = app.focus.get();
    const params = { cpu, before: BEFORE, count: COUNT, ...(at === "pc" ? {} : { addr: at }) };
    const result = await p.busy(p.bus.call("cpu.disas", params));
    if (result && at === where.get() && cpu === app.focus.get().cpu) {
      last = result;
      paint();
    }
  });
  /* Code is read when another piece of it is wanted, or the address space may be another: on a new pc. */
  const ask = () => {
    const { cpu } = app.focus.get();
    const now = `${cpu} ${where.get()} ${debug.regs?.general.pc} ${debug.regs?.privileged.satp}`;
    if (now !== shown && seen) {
      shown = now;
      fetchCode();
    }
  };
  const look = () => {
    input.value = where.get() === "pc" ? "" : where.get();
    ask();
  };

  /* Up and down along the gutter. */
  list.addEventListener("keydown", (e) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    const gutters = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".gutter")]);
    const at = gutters.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (step && at >= 0) {
      e.preventDefault();
      gutters[(at + step + gutters.length) % gutters.length].focus();
    }
  });

  /** @type {string | null} */
  let stop = null;
  const followStop = () => {
    const now = JSON.stringify(debug.stop);
    if (debug.known) {
      if (stop !== null && now !== stop && debug.stop && where.get() !== "pc") {
        where.set("pc"); /* it stopped somewhere: that is what one wants to see */
      }
      stop = now;
    }
    paint();
  };
  p.setJson(() => last);
  const off = [whileSeen(p.root, () => ((seen = true), ask()), () => (seen = false)), where.on(look), debug.on(followStop), debug.onSample(ask), app.onMachine(paint), app.focus.on((_f, changed) => (changed.has("cpu") ? look() : paint()))];
  look();
  root.append(p.root);
  return () => {
    off.forEach((fn) => fn());
    p.dispose();
  };
}
