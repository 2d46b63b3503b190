// SPDX-License-Identifier: MIT
// @ts-check
/** Detail: what is known of one line of a block's columns: its encoding's fields, its ways through the passes, its code. */
import { h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { badges, bitStrip, linked } from "./tb-links.js";
import { badge, own, passName, ruleWords, spaced } from "./tb-rows.js";

/** @typedef {import("./tb-links.js").Model} Model */
/** @typedef {import("./tb-rows.js").Words & {go: (ws: string, focus: object) => void}} Teller */

/** The encoding with its fields: the manual's drawing. @param {Teller} app @param {import("./tb-links.js").GuestInsn} g */
function strip(app, g) {
  const cells = bitStrip(g);
  if (!cells.length) {
    return h("p", { class: "dim" }, app.t("translate.bits.none"));
  }
  return h(
    "div",
    { class: "bits", role: "group", "aria-label": app.t("translate.bits") },
    cells.map((c) => {
      const span = c.hi === c.lo ? `${c.hi}` : `${c.hi}:${c.lo}`;
      const cell = h("div", { class: c.fixed ? "bit fixed" : "bit", title: app.t(c.fixed ? "translate.bits.fixed" : "translate.bits.operand", { name: c.name, span, value: c.value }) }, h("span", { class: "span dim" }, span), h("span", { class: "digits" }, c.digits), h("span", { class: "name" }, c.fixed ? c.name : `${c.name} = ${c.value}`));
      cell.style.flexGrow = String(c.hi - c.lo + 1);
      return cell;
    }),
  );
}

/** @param {Teller} app @param {Model} m @param {string} line */
function counts(app, m, line) {
  const all = [...linked(m, line)];
  const ops = all.filter((l) => l[0] === "o").map((l) => Number(l.slice(1)));
  const gone = ops.filter((id) => m.final.ops.get(id)?.removed).length;
  const host = all.filter((l) => l[0] === "h").map((l) => m.e.host[Number(l.slice(1))]);
  const bytes = host.reduce((sum, x) => sum + x.bytes.length / 2, 0);
  return app.t("translate.counts", { ops: ops.length, gone, lines: host.length, bytes });
}

/** @param {Teller} app @param {Model} m @param {number} insn */
function guestDetail(app, m, insn) {
  const g = m.e.guest[insn];
  return [
    h("p", null, badge(insn), " ", h("b", { class: "mono" }, g.text.replace("\t", " ")), " ", h("span", { class: "mono dim" }, fmt.addr(g.pc), "  ", spaced(g.bytes)), " ", h("button", { type: "button", class: "link", onclick: () => app.go("memory", { addr: g.pc }) }, app.t("translate.to_memory")), h("span", { class: "dim" }, " · ", counts(app, m, `g${insn}`))),
    strip(app, g),
  ];
}

/** @param {Teller} app @param {Model} m @param {number} id */
function opDetail(app, m, id) {
  const op = m.final.ops.get(id);
  if (!op) {
    return [];
  }
  const fate = op.removed ? "translate.fate.removed" : op.changes.length ? "translate.fate.changed" : "translate.fate.kept";
  const from = m.front.has(id) ? op.first : app.t("translate.new");
  return [
    h("p", null, badge(op.insn), " ", h("b", { class: "mono" }, from), h("span", { class: "dim" }, ` #${id} · ${app.t(fate)} · `, counts(app, m, `o${id}`))),
    h(
      "ol",
      { class: "changes" },
      op.changes.map((c) => h("li", null, h("span", { class: "chip" }, passName(app, c.pass)), " ", c.removed ? h("del", { class: "mono" }, c.after) : h("span", { class: "mono" }, c.after), " ", c.rule && [h("b", null, c.rule), ": ", ruleWords(app, c.rule, c.reason)])),
    ),
  ];
}

/** @param {Teller} app @param {Model} m @param {number} i */
function hostDetail(app, m, i) {
  const line = m.e.host[i];
  const ops = m.opsOfHost[i].map((id) => m.final.ops.get(id)?.text).filter(Boolean);
  return [
    h("p", null, badges(m, `h${i}`).map(badge), " ", h("b", { class: "mono" }, line.text), " ", h("span", { class: "mono dim" }, spaced(line.bytes)), h("span", { class: "dim" }, " · ", app.t("translate.host.at", { offset: line.offset.toString(16) }))),
    h("p", null, own(app, `translate.kind.${line.kind}`, line.kind), ops.length > 0 && [" ", h("span", { class: "mono" }, ops.join("; "))]),
  ];
}

/** @param {Teller} app @param {Model} m @param {string | null} line @returns {import("../ui/dom.js").Child[]} */
export function detail(app, m, line) {
  if (!line) {
    return [h("p", { class: "dim" }, app.t("translate.detail.none"))];
  }
  const n = Number(line.slice(1));
  return line[0] === "g" ? guestDetail(app, m, n) : line[0] === "o" ? opDetail(app, m, n) : hostDetail(app, m, n);
}
