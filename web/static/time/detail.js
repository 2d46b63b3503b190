// SPDX-License-Identifier: MIT
// @ts-check
/** Detail: the chosen event in words, where its numbers lead, and the way to its moment. */
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { linksOf } from "./lanes.js";
import { travel } from "./travel.js";

/** @typedef {import("./lanes.js").TraceEvent} TraceEvent */

/**
 * @param {import("../app.js").App} app @param {import("./travel.js").Panel} p @param {() => void} close
 * @returns {{root: HTMLElement, show: (e: TraceEvent | null) => void, say: (text: string) => void}}
 */
export function detail(app, p, close) {
  const words = h("div", { class: "time-words", "aria-live": "polite" }, app.t("time.detail.none"));
  const links = h("div", { class: "toolbar" });
  const root = h("div", { class: "time-detail" }, words, links);
  /** @type {string | null} */
  let shown = null;

  /** @param {ReturnType<typeof linksOf>[number]} l */
  const link = (l) => {
    const places = {
      code: () => app.go("translate", { block: null, addr: l.value }),
      virt: () => app.go("memory", { addr: l.value }),
      phys: () => app.go("memory", { phys: l.value }),
      dev: () => app.go("devices", { dev: l.value }),
    };
    const label = l.to === "dev" ? l.value : `${l.name} ${fmt.addr(l.value)}`;
    return h("button", { type: "button", class: "link", title: app.t(`time.link.${l.to}`), onclick: places[l.to] }, label);
  };

  /** @param {TraceEvent | null} e */
  const show = (e) => {
    if (e?.seq === shown && e) {
      return; /* as it is: the reader's place in it stays */
    }
    shown = e?.seq ?? null;
    if (!e) {
      clear(words, app.t("time.detail.none"));
      clear(links);
      return;
    }
    const where = e.hart === null ? app.t("time.devices") : app.t("time.row.hart", { hart: e.hart });
    const when = app.machine?.icount ? app.t("time.count", { count: fmt.exact(e.count) }) : fmt.ns(e.ns);
    clear(words, h("b", null, e.title === e.kind ? app.t(`time.kind.${e.kind}`) : e.title), ` · ${where} · ${when} · ${fmt.ns(e.ns)}`, h("div", { class: "mono" }, e.text));
    clear(
      links,
      linksOf(e).map(link),
      app.role === "operator" && app.machine?.icount
        ? h("button", { type: "button", onclick: () => p.busy(travel(app, p.bus, "history.go", { count: e.count })) }, app.t("time.go_there"))
        : "",
      h("button", { type: "button", class: "tool", "aria-label": app.t("time.unchoose"), title: app.t("time.unchoose"), onclick: close }, "✕"),
    );
  };

  /** @param {string} text */
  const say = (text) => {
    shown = null;
    clear(words, text);
    clear(links);
  };
  return { root, show, say };
}
