// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Rows: a line of a block's four columns as an element.
 *
 *   |3| mul_i64 %1, a0, $8     rax = %1        badge and colour: the instruction it comes from
 *      -> shl_i64 %1, a0, $3
 *         power_of_two: multiplication ... is a shift or a mask
 */
import { h } from "../ui/dom.js";
import { badges, changesAt } from "./tb-links.js";

/** @typedef {import("./tb-links.js").Model} Model */
/** @typedef {import("./tb-links.js").StepView} StepView */
/** @typedef {import("./tb-links.js").Range} Range */
/** @typedef {import("./tb-links.js").RegNote} RegNote */
/** @typedef {() => HTMLElement} Maker makes one row */
/** @typedef {{t: (key: string, vars?: Record<string, any>) => string, words?: any}} Words */

const COLOURS = 8;
const BYTES_MOST = 15; /* the longest instruction of an x86 */
const LANE_PX = 6;
const LANES_MOST = 12;

/** A text of the server's in the user's language, if we have it. @param {Words} app @param {string} key @param {string} text */
export function own(app, key, text) {
  const mine = app.t(key);
  return mine === key ? text : mine;
}

/** @param {Words} app @param {string} rule @param {string} reason */
export const ruleWords = (app, rule, reason) => own(app, `translate.rule.${rule}`, reason);

/** @param {Words} app @param {string} pass */
export const passName = (app, pass) => own(app, `translate.pass.${pass}`, pass);

/** @param {number} insn */
const colour = (insn) => `var(--c${insn % COLOURS})`;

/** @param {number} insn */
export function badge(insn) {
  const node = h("span", { class: "badge" }, insn);
  node.style.setProperty("--k", colour(insn));
  return node;
}

/** @param {Model} m @param {string} line @param {string} column @param {string} kind @param {...import("../ui/dom.js").Child} children */
function row(m, line, column, kind, ...children) {
  const insns = badges(m, line);
  const node = h("div", { class: `row ${kind}`, role: "option", "aria-selected": "false", tabindex: "-1", "data-line": line, id: `tb-${column}-${line}` }, insns.map(badge), children);
  node.style.setProperty("--k", insns.length ? colour(insns[0]) : "var(--dim)");
  return node;
}

/** "13fcf403" -> "13 fc f4 03" @param {string} bytes */
export const spaced = (bytes) => (bytes.match(/../g) ?? []).join(" ");

/** An interpreted op is long: its detail has all of it. @param {string} bytes */
const short = (bytes) => (bytes.length > BYTES_MOST * 2 ? bytes.slice(0, BYTES_MOST * 2) + "…" : bytes);

/** @param {Model} m @param {number} insn */
export function guestRow(m, insn) {
  const g = m.e.guest[insn];
  const first = BigInt(m.e.guest[0].pc);
  return row(m, `g${insn}`, "guest", "", h("span", { class: "at dim" }, `+${(BigInt(g.pc) - first).toString(16)}`), h("span", { class: "text" }, g.text.replace("\t", " ")));
}

/** @param {Model} m @param {number} id */
export function irRow(m, id) {
  return row(m, `o${id}`, "ir", "", h("span", { class: "text" }, m.rules[0].ops.get(id)?.text ?? ""));
}

/** @param {Words} app @param {Model} m @param {number} i */
export function hostRow(app, m, i) {
  const line = m.e.host[i];
  const kind = line.kind === "main" ? null : h("span", { class: "chip", title: own(app, `translate.kind.${line.kind}`, line.kind) }, own(app, `translate.kindname.${line.kind}`, line.kind));
  return row(m, `h${i}`, "host", line.out_of_line ? "aside" : "", h("span", { class: "at dim" }, line.offset.toString(16)), h("span", { class: "text" }, line.text), kind, h("span", { class: "bytes dim" }, short(line.bytes)));
}

/* --- an op after some steps --------------------------------------------------------------------- */

/** @param {Words} app @param {import("./tb-links.js").Change} c */
function changeWords(app, c) {
  const why = c.rule ? [h("b", null, c.rule), ": ", ruleWords(app, c.rule, c.reason)] : app.t("translate.changed.by", { pass: passName(app, c.pass) });
  return h("div", { class: "why" }, why);
}

/** @param {Words} app @param {Model} m @param {StepView} view @param {number} id */
function fillOp(app, m, view, id) {
  const op = /** @type {import("./tb-links.js").OpState} */ (view.frame.ops.get(id));
  const changes = changesAt(view, id);
  const before = changes[0]?.before ?? "";
  const same = !before || before === op.text;
  if (op.removed) {
    return [h("del", { class: "text" }, op.text), changes.slice(-1).map((c) => changeWords(app, c))];
  }
  return [
    !same && [h("span", { class: "text was" }, before), h("span", { class: "visually-hidden" }, app.t("translate.becomes"))],
    h("span", { class: same ? "text" : "text now" }, op.text),
    changes.length > 0 && !before && h("span", { class: "chip" }, app.t("translate.new")),
    changes.map((c) => changeWords(app, c)),
  ];
}

/** Short for eyes, a sentence for the pointer. @param {Words} app @param {RegNote} n */
function noteChip(app, n) {
  const vars = { temp: n.temp, reg: n.reg ?? "?", slot: n.slot ?? 0 };
  return h("span", { class: `reg ${n.event}`, title: app.t(`translate.reg.${n.event}`, vars) }, app.t(`translate.regs.${n.event}`, vars));
}

/** @param {Words} app @param {Model} m @param {Range} r */
function rangeWords(app, m, r) {
  const from = r.fromEntry ? app.t("translate.live.entry") : `#${m.order[r.from]}`;
  const to = r.toExit ? app.t("translate.live.exit") : `#${m.order[r.to]}`;
  return app.t("translate.live.range", { temp: r.temp, from, to });
}

/** @param {Words} app @param {Model} m @param {Range[]} ranges @param {number} at index in the order */
function gutter(app, m, ranges, at) {
  const cell = h("span", { class: "lanes", "aria-hidden": "true" });
  for (const r of ranges) {
    if (at < r.from || at > r.to || r.lane >= LANES_MOST) {
      continue;
    }
    const begins = at === r.from && !r.fromEntry;
    const ends = at === r.to && !r.toExit;
    const bar = h("i", { class: `${begins ? "begins " : ""}${ends ? "ends " : ""}${r.whole ? "whole" : ""}`, title: rangeWords(app, m, r) });
    bar.style.left = `${r.lane * LANE_PX}px`;
    cell.append(bar);
  }
  return cell;
}

/** @param {Range[]} ranges */
export function lanesWidth(ranges) {
  const count = ranges.reduce((most, r) => Math.max(most, r.lane + 1), 0);
  return Math.min(count, LANES_MOST) * LANE_PX;
}

/** @param {Words} app @param {Model} m @param {StepView} view @param {Range[]} ranges @param {Map<number | null, RegNote[]>} notes @param {number} i index in the order */
function opRow(app, m, view, ranges, notes, i) {
  const id = m.order[i];
  const op = /** @type {import("./tb-links.js").OpState} */ (view.frame.ops.get(id));
  const touched = !view.all && view.frame.touched.has(id);
  const regs = view.all && !op.removed ? (notes.get(id) ?? []).filter((n) => n.event !== "dead") : [];
  const node = row(m, `o${id}`, "opt", `${op.removed ? "removed " : ""}${touched ? "touched" : ""}`, h("span", { class: "what" }, fillOp(app, m, view, id)), regs.length > 0 && h("span", { class: "regs" }, regs.map((n) => noteChip(app, n))));
  view.all && node.prepend(gutter(app, m, ranges, i));
  return node;
}

/**
 * The column of ops at a step; ops that are not there yet have no row.
 * @param {Words} app @param {Model} m @param {StepView} view @param {Range[]} ranges @param {Map<number | null, RegNote[]>} notes @returns {Maker[]}
 */
export function opRows(app, m, view, ranges, notes) {
  return m.order.flatMap((id, i) => (view.frame.ops.has(id) ? [() => opRow(app, m, view, ranges, notes, i)] : []));
}

/** What registers hold before the first op, and how many live ranges have no room. @param {Words} app @param {RegNote[]} notes @param {Range[]} ranges */
export function entryRegisters(app, notes, ranges) {
  const more = ranges.filter((r) => r.lane >= LANES_MOST).length;
  const words = more > 0 && h("span", null, app.t("translate.live.more", { count: more }));
  return notes.length || more ? h("p", { class: "entry dim" }, notes.length > 0 && app.t("translate.regs.entry"), " ", notes.map((n) => h("span", { class: "reg holds" }, `${n.reg}=${n.temp}`)), words) : null;
}
