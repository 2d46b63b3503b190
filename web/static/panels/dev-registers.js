// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Registers of the chosen device: one line each, with its fields in words; opened, bit by bit.
 *
 * A register or field that differs from what was shown before is marked ◆, and how often that was seen is counted.
 */
import { bitStrip } from "../ui/bitstrip.js";
import { clear, h } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";

/**
 * @typedef {{name: string, bits: string, value: string, words: string | null, meaning: string}} WireField
 * @typedef {{name: string, offset: string, address: string | null, size: number, access: "ro" | "wo" | "rw", meaning: string,
 *            value: string | null, fields: WireField[]}} Register
 */

const PERIOD_MS = 250;

/** "7:6" or "5". @param {string} bits */
export function rangeOf(bits) {
  const [high, low = high] = bits.split(":").map(Number);
  return { high, low };
}

/** The fields that say something, in one line. @param {Register} r */
export function summary(r) {
  return r.fields
    .filter((f) => f.value !== "0x0" || f.words)
    .map((f) => `${f.name} ${f.words ?? (rangeOf(f.bits).high === rangeOf(f.bits).low ? "" : Number(f.value))}`.trim())
    .join(" · ");
}

/** Names of fields that differ. @param {Register | undefined} before @param {Register} now */
export function changedFields(before, now) {
  const old = new Map(before?.fields.map((f) => [f.name, f.value]));
  return new Set(now.fields.filter((f) => before && old.get(f.name) !== f.value).map((f) => f.name));
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/devices.js").Devices} devices @returns {() => void} */
export function mount(root, bus, app, devices) {
  const p = panel(app, bus, { id: "dev-registers", title: "devices.registers", help: "devices.registers.help" });
  const opened = app.view("dev.open", "");
  const titles = Object.fromEntries(["bits", "field", "value", "words", "meaning", "unnamed", "changed"].map((k) => [k, app.t(`devices.bits.${k}`)]));
  /** @type {any} */
  let last = null;
  /** @type {Map<string, Register>} */
  let before = new Map();
  /** @type {Map<string, number>} */
  const seen = new Map();
  /** @type {Map<string, {root: HTMLElement, value: HTMLElement, words: HTMLElement, count: HTMLElement, head: HTMLElement, body: HTMLElement, strip: ReturnType<typeof bitStrip> | null}>} */
  const rows = new Map();
  /** @type {(() => void) | null} */
  let end = null;
  let dev = "";

  const openNames = () => new Set(opened.get().split(" ").filter(Boolean));
  /** @param {string} name */
  const toggle = (name) => {
    const names = openNames();
    names.delete(name) || names.add(name);
    opened.set([...names].join(" "));
    paint();
  };

  /** @param {Register} r */
  const makeRow = (r) => {
    const value = h("span", { class: "mono reg-value" });
    const words = h("span", { class: "reg-words dim" });
    const count = h("span", { class: "chip reg-count", hidden: true, title: app.t("devices.seen.help") });
    const head = h(
      "button",
      { type: "button", class: "reg-head", "aria-expanded": "false", onclick: () => toggle(r.name) },
      h("span", { class: "mono dim reg-offset" }, `+${r.offset}`),
      h("b", { class: "reg-name" }, r.name),
      value,
      h("span", { class: `chip reg-access` }, r.access),
      words,
      count,
    );
    const body = h("div", { class: "reg-body", hidden: true });
    const node = h("div", { class: "reg", "data-reg": r.name }, head, body);
    return { root: node, value, words, count, head, body, strip: null };
  };

  /** @param {Register} r */
  const openBody = (r) => {
    const row = /** @type {NonNullable<ReturnType<typeof rows.get>>} */ (rows.get(r.name));
    if (row.strip) {
      return row.strip;
    }
    row.strip = bitStrip({ label: app.t("devices.fields_of", { name: r.name }), titles: /** @type {any} */ (titles) });
    const address = r.address;
    clear(
      row.body,
      h(
        "p",
        null,
        r.meaning,
        ". ",
        h("span", explain(app, `devices.access.${r.access}`), app.t(`devices.access.${r.access}.short`)),
        address ? [" · ", h("button", { type: "button", class: "link mono", title: app.t("devices.to_memory"), onclick: () => app.focus.set({ phys: address }) }, address)] : null,
      ),
      row.strip.root,
    );
    return row.strip;
  };

  /** @param {Register} r @param {boolean} isOpen */
  const paintRow = (r, isOpen) => {
    const row = rows.get(r.name) ?? makeRow(r);
    rows.set(r.name, row);
    const old = before.get(r.name);
    const changed = old !== undefined && old.value !== r.value;
    row.value.textContent = r.value === null ? app.t("devices.no_value") : r.value;
    row.words.textContent = summary(r) || r.meaning;
    row.root.classList.toggle("changed", changed);
    const n = seen.get(r.name) ?? 0;
    row.count.hidden = n === 0;
    row.count.textContent = `${changed ? "◆ " : ""}${app.t("devices.seen", { n })}`;
    row.head.setAttribute("aria-expanded", String(isOpen));
    row.body.hidden = !isOpen;
    if (isOpen) {
      openBody(r).update({
        bits: 8 * r.size,
        value: BigInt(r.value ?? 0),
        fields: r.fields.map((f) => ({ ...rangeOf(f.bits), name: f.name, value: BigInt(f.value), words: f.words, meaning: f.meaning })),
        changed: changedFields(old, r),
      });
    }
    return row.root;
  };

  const paint = () => {
    if (!last) {
      return;
    }
    const names = openNames();
    const nodes = last.registers.map((/** @type {Register} */ r) => paintRow(r, names.has(r.name)));
    const list = p.body.querySelector(".reg-list") ?? (clear(p.body, h("div", { class: "reg-list" })), p.body.querySelector(".reg-list"));
    nodes.forEach((/** @type {HTMLElement} */ node, /** @type {number} */ i) => {
      list?.children[i] === node || list?.insertBefore(node, list.children[i] ?? null);
    });
    while (list && list.children.length > nodes.length) {
      list.lastChild?.remove();
    }
    note.textContent = last.elided ? app.t("devices.elided", { n: last.elided }) : "";
  };

  /** @param {any} result */
  const take = (result) => {
    p.fail(null);
    before = new Map(last?.registers.map((/** @type {Register} */ r) => [r.name, r]));
    last = result;
    for (const r of last.registers) {
      const old = before.get(r.name);
      if (old && old.value !== r.value) {
        seen.set(r.name, (seen.get(r.name) ?? 0) + 1);
      }
    }
    if (!last.registers.length) {
      p.empty("devices.no_registers");
      return;
    }
    paint();
  };

  const follow = () => {
    const chosen = devices.current;
    const of = chosen && devices.withRegisters(chosen);
    if (!of || of.path === dev) {
      return;
    }
    dev = of.path;
    last = null;
    before.clear();
    seen.clear();
    for (const row of rows.values()) {
      row.strip?.dispose();
    }
    rows.clear();
    clear(p.body);
    name.textContent = dev;
    note.textContent = "";
    begin();
  };
  const begin = () => {
    end?.();
    end = dev && inView ? p.bus.every(PERIOD_MS, "dev.regs", { dev }, take, (e) => p.fail(e)) : null;
  };
  let inView = false;
  /** @param {boolean} is */
  const see = (is) => ((inView = is), begin());

  const name = h("span", { class: "mono" });
  const note = h("span", { class: "dim" });
  const all = h("button", { type: "button", class: "tool", onclick: () => (opened.set(openNames().size ? "" : (last?.registers ?? []).filter((/** @type {Register} */ r) => r.fields.length).map((/** @type {Register} */ r) => r.name).join(" ")), paint()) }, app.t("devices.open_all"));
  p.tools.append(name, all, note);
  p.setJson(() => last);
  p.setTwin(() => ({
    columns: ["name", "offset", "bits", "value", "words", "meaning"],
    rows: (last?.registers ?? []).flatMap((/** @type {Register} */ r) => [
      [r.name, r.offset, "", r.value ?? "", "", r.meaning],
      ...r.fields.map((f) => [`${r.name}.${f.name}`, "", f.bits, f.value, f.words ?? "", f.meaning]),
    ]),
  }));
  const off = [devices.on(follow), opened.on(paint), whileSeen(p.root, () => see(true), () => see(false))];
  root.append(p.root);
  return () => {
    off.forEach((fn) => fn());
    rows.forEach((row) => row.strip?.dispose());
    p.dispose();
  };
}
