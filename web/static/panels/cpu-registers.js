// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Integer and floating-point registers of the chosen hart.
 *
 *   ◆ a0 x10  ffffffff_81c03de0      ◆ differs from the last stop; while the guest runs: from half a second ago
 *
 * A value is a button: it makes that address the focus of all panels.
 */
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";

export const FORMATS = ["hex", "dec", "unsigned", "bin", "float"];
const GROUP_BITS = 4;

/** @param {bigint} value @param {number} bits */
function bytesOf(value, bits) {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt.asUintN(bits, value));
  return view;
}

/** As a floating-point number: boxed singles as those. @param {bigint} value */
function asFloat(value) {
  const view = bytesOf(value, 64);
  if (value >> 32n === 0xffffffffn) {
    return `${view.getFloat32(4)} f32`;
  }
  return `${view.getFloat64(0)} f64`;
}

/** @param {string} wire @param {string} format @param {number} xlen */
export function formatRegister(wire, format, xlen) {
  const value = BigInt(wire);
  switch (format) {
    case "dec":
      return BigInt.asIntN(xlen, value).toString();
    case "unsigned":
      return value.toString();
    case "bin":
      return value.toString(2).padStart(xlen, "0").replace(new RegExp(`(.{${GROUP_BITS}})(?=.)`, "g"), "$1 ");
    case "float":
      return asFloat(value);
    default:
      return xlen === 64 ? value.toString(16).padStart(16, "0").replace(/^(.{8})/, "$1_") : value.toString(16).padStart(8, "0");
  }
}

/** What the calling convention uses a register for: the end of a key. @param {string} name */
export function roleOf(name) {
  if (["zero", "ra", "sp", "gp", "tp", "pc"].includes(name)) {
    return name;
  }
  if (/^f?s\d+$/.test(name)) {
    return "saved";
  }
  if (/^f?a[01]$/.test(name)) {
    return "result";
  }
  return /^f?a\d+$/.test(name) ? "argument" : /^f?t\d+$/.test(name) ? "temporary" : "status";
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/cpu.js").Debugger} debug @returns {() => void} */
export function mount(root, bus, app, debug) {
  const p = panel(app, bus, { id: "cpu-registers", title: "cpu.regs", help: "cpu.regs.help" });
  const group = app.view("cpu.group", "general");
  const format = app.view("cpu.format", "hex");
  /** @type {Map<string, {root: HTMLElement, value: HTMLElement, mark: HTMLElement}>} */
  const cells = new Map();

  const groups = h("div", { role: "group", "aria-label": app.t("cpu.regs") }, ["general", "fp"].map((g) => h("button", { type: "button", "data-group": g, onclick: () => group.set(g) }, app.t(`cpu.group.${g}`))));
  const formats = /** @type {HTMLSelectElement} */ (h("select", { "aria-label": app.t("cpu.format") }, FORMATS.map((f) => h("option", { value: f }, app.t(`cpu.format.${f}`)))));
  formats.value = format.get();
  formats.addEventListener("change", () => format.set(formats.value));
  const moving = h("span", { class: "chip", role: "status" });
  p.tools.append(groups, formats, moving);
  const grid = h("div", { class: "regs" });
  const goes = h("div", { class: "toolbar regs-go", hidden: true });
  p.body.append(grid, goes);

  /** @returns {Record<string, string>} */
  const shown = () => /** @type {any} */ (debug.regs)?.[group.get()] ?? {};
  /** @param {string} name @param {number} i */
  const makeCell = (name, i) => {
    const role = app.t(`cpu.role.${roleOf(name)}`);
    const number = group.get() === "general" && i < 32 ? `x${i}` : "";
    const mark = h("span", { class: "mark" });
    const value = h("button", { type: "button", class: "link mono reg-val", "data-reg": name, onclick: () => app.focus.set({ addr: shown()[name] }) });
    const edit = debug.mayChange && name !== "zero" ? h("button", { type: "button", class: "tool reg-edit", title: app.t("cpu.edit.title", { name, cpu: app.focus.get().cpu }), "aria-label": app.t("cpu.edit.title", { name, cpu: app.focus.get().cpu }), onclick: () => debug.edit(name, shown()[name]) }, "✎") : null;
    const node = h("div", { class: "reg-cell", "data-name": name }, mark, h("span", { class: "reg-names", title: role, "aria-description": role }, h("b", null, name), number ? h("span", { class: "dim" }, ` ${number}`) : null), value, edit);
    return { root: node, value, mark };
  };

  const paint = () => {
    if (!debug.regs) {
      return;
    }
    const values = shown();
    /** @type {Record<string, string>} */
    const before = /** @type {any} */ (debug.before)?.[group.get()] ?? {};
    const changedNames = debug.regs.changed.filter((n) => n in values);
    const running = app.machine?.running ?? true;
    const stopChanged = new Set(changedNames);
    grid.dataset.format = format.get();
    Object.entries(values).forEach(([name, value], i) => {
      const cell = cells.get(name) ?? makeCell(name, i);
      cells.has(name) || grid.append(cell.root);
      cells.set(name, cell);
      const text = formatRegister(value, format.get(), group.get() === "fp" ? 64 : debug.xlen);
      if (cell.value.textContent !== text) {
        cell.value.textContent = text;
      }
      const changed = running ? before[name] !== undefined && before[name] !== value : stopChanged.has(name);
      cell.root.classList.toggle("changed", changed);
      cell.mark.textContent = changed ? (running ? "≈" : "◆") : "";
      cell.mark.title = changed ? app.t(running ? "cpu.moving" : "cpu.changed") : "";
      cell.value.title = `${name} = ${value}: ${app.t("cpu.focus")}`;
    });
    moving.textContent = running ? `≈ ${app.t("cpu.regs.running")}` : `◆ ${app.t("cpu.regs.stopped", { n: changedNames.length })}`;
    moving.title = app.t(running ? "cpu.regs.running.help" : "cpu.changed");
  };

  const paintGo = () => {
    const { addr, cpu } = app.focus.get();
    goes.hidden = !addr;
    if (addr) {
      clear(
        goes,
        h("span", { class: "mono" }, fmt.addr(addr)),
        h("button", { type: "button", onclick: () => app.go("memory", { addr, cpu }) }, app.t("cpu.to.memory")),
        h("button", { type: "button", onclick: () => app.view("cpu.code", "pc").set(addr) }, app.t("cpu.to.code")),
        h("button", { type: "button", onclick: () => app.go("translate", { block: null, addr }) }, app.t("cpu.to.translate")),
      );
    }
  };

  const arrange = () => {
    cells.clear();
    clear(grid);
    for (const b of groups.children) {
      b.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (b).dataset.group === group.get()));
    }
    paint();
  };
  const follow = () => {
    debug.sample(p.bus, (e) => p.fail(e));
    arrange();
  };
  p.setJson(() => debug.regs);
  const off = [
    group.on(arrange),
    format.on((f) => ((formats.value = f), paint())),
    debug.on(paint),
    debug.onSample(paint),
    app.onMachine(paint),
    app.focus.on((_f, changed) => {
      changed.has("cpu") && follow();
      changed.has("addr") && paintGo();
    }),
  ];
  follow();
  paintGo();
  root.append(p.root);
  return () => {
    off.forEach((fn) => fn());
    p.dispose();
  };
}
