// SPDX-License-Identifier: MIT
// @ts-check
/** Life: the biography of the focused block: those before it at its place, why each came and who ended it. */
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";

/** @typedef {import("../app.js").App} App */

const LIFE_MS = 2000;
const LIVES_MOST = 30;
const NAMED_MOST = 12;

/** @param {App} app @param {string} id */
function blockLink(app, id) {
  return h("button", { type: "button", class: "link", onclick: () => app.focus.set({ block: id }) }, `#${BigInt(id)}`);
}

/** Who did it, in words: the storing instruction, or the device. @param {App} app @param {any} by */
function culprit(app, by) {
  if (!by || by.pc === undefined) {
    return by?.ram ? [" ", app.t("translate.by.ram", { ram: fmt.addr(by.ram), length: by.length })] : null;
  }
  const pc = h("button", { type: "button", class: "link mono", onclick: () => app.focus.set({ block: null, addr: by.pc }) }, fmt.addr(by.pc));
  const what = by.ram ? app.t("translate.by.store", { ram: fmt.addr(by.ram), length: by.length, cpu: by.cpu }) : app.t("translate.by.cpu", { cpu: by.cpu });
  return [" ", what, " ", pc];
}

/** @param {App} app @param {any} life one of tb.history */
function deathLine(app, life) {
  const d = life.death;
  if (!d) {
    return h("li", { class: "good" }, app.t("translate.life.lives"));
  }
  const runs = d.runs === null ? "" : " " + app.t("translate.ran", { runs: fmt.count(d.runs) });
  return h("li", { class: "warn" }, h("b", null, app.t("translate.life.death")), " ", app.t(`translate.death.${d.death}`), culprit(app, d.by), h("span", { class: "dim" }, " ", app.t("translate.life.died", { count: fmt.exact(d.died) }), runs));
}

/** @param {App} app @param {any} get of tb.get, for the block in focus */
function chainLines(app, get) {
  if (!get?.block) {
    return null;
  }
  const from = get.incoming.slice(0, NAMED_MOST).map((/** @type {string} */ id) => [" ", blockLink(app, id)]);
  const more = get.incoming_count > NAMED_MOST ? ` … (${get.incoming_count})` : "";
  const to = get.block.exits.map((/** @type {any} */ x) => [" ", x.to ? blockLink(app, x.to) : h("span", { class: "dim" }, app.t("translate.life.open"))]);
  return [
    h("li", null, app.t("translate.life.from", { count: get.incoming_count }), from, more),
    h("li", null, app.t("translate.life.to"), to.length ? to : ` ${app.t("translate.life.nowhere")}`),
  ];
}

/** @param {App} app @param {any} life @param {any} get */
function lifeItem(app, life, get) {
  const b = life.block ?? life.death;
  const current = life.id === app.focus.get().block;
  return h(
    "li",
    { class: current ? "life current" : "life" },
    h("span", { class: "chip" }, blockLink(app, life.id)),
    " ",
    h("span", { class: "mono" }, fmt.addr(b.pc)),
    h("span", { class: "dim" }, " ", app.t("translate.life.size", { insns: b.insns, host: b.host_size })),
    h("ul", null, h("li", null, h("b", null, app.t("translate.life.birth")), " ", app.t(`translate.birth.${life.birth}`)), current && chainLines(app, get), deathLine(app, life)),
  );
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {App} app @returns {() => void} */
export function mount(root, bus, app) {
  const p = panel(app, bus, { id: "tb-life", title: "translate.life", help: "translate.life.help", class: "tb-life" });
  /** @type {any} */
  let history = null;
  /** @type {any} */
  let get = null;
  /** @type {(() => void)[]} */
  let ends = [];
  let seen = false;
  const paint = () => {
    if (history?.lives.length) {
      clear(p.body, h("ol", { class: "lives" }, history.lives.map((/** @type {any} */ l) => lifeItem(app, l, get))));
    } else if (history) {
      p.empty("translate.life.none");
    }
  };
  const ask = () => {
    ends.forEach((end) => end());
    ends = [];
    const id = app.focus.get().block;
    if (!id || !seen) {
      return;
    }
    ends = [
      p.bus.every(LIFE_MS, "tb.history", { id, limit: LIVES_MOST }, (r) => ((history = r), p.fail(null), paint()), (e) => p.fail(e)),
      p.bus.every(LIFE_MS, "tb.get", { id }, (r) => ((get = r), paint()), () => {}),
    ];
  };
  const follow = () => {
    history = get = null;
    app.focus.get().block || p.empty("translate.life.choose");
    ask();
  };
  const see = (/** @type {boolean} */ is) => {
    seen = is;
    ask();
  };
  p.setJson(() => ({ history, get }));
  root.append(p.root);
  const offs = [whileSeen(p.root, () => see(true), () => see(false)), app.focus.on((_f, changed) => changed.has("block") && follow())];
  follow();
  return () => {
    offs.forEach((off) => off());
    p.dispose();
  };
}
