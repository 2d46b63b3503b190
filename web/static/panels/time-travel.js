// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Travel: the machine at another moment of its run.
 *
 *   first |-----|-----|-----x now .....| seen       the past is run again from the moment before
 */
import { RpcError } from "../protocol.js";
import { num, hexOf, parseCount } from "../time/scale.js";
import { HISTORY_OPTIONS, stopWords, travel } from "../time/travel.js";
import { clear, h } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";

/** @typedef {import("../time/travel.js").HistoryStatus} HistoryStatus */

const STATUS_MS = 1000;
/* Reasons of a stop that are news to whoever asked for it. */
const TOLD = new Set(["begin", "break", "watch", "trap"]);

class Travel {
  /** @param {import("../app.js").App} app @param {import("../time/travel.js").Panel} p */
  constructor(app, p) {
    this.app = app;
    this.p = p;
    /** @type {HistoryStatus | null} */
    this.status = null;
    this.where = h("p", { class: "time-where", "aria-live": "polite" });
    this.facts = h("p", { class: "dim" });
    this.far = /** @type {HTMLInputElement} */ (h("input", { class: "time-far", value: "1000", "aria-label": app.t("time.by"), title: app.t("time.by") }));
    this.target = /** @type {HTMLInputElement} */ (h("input", { class: "grow", placeholder: app.t("time.go.hint"), "aria-label": app.t("time.go.label"), spellcheck: "false", autocomplete: "off" }));
    /** @type {HTMLButtonElement[]} */
    this.buttons = [];
    this.told = "";
    this.points = h("p", { class: "dim" });
    this.body = h("div", { class: "time-travel" }, this.where, this.controls(), this.points, this.facts);
  }

  /** @param {string} sign @param {string} key @param {() => void} run */
  button(sign, key, run) {
    const b = /** @type {HTMLButtonElement} */ (h("button", { type: "button", title: this.app.t(key), onclick: run, "data-do": key }, sign));
    this.buttons.push(b);
    return b;
  }

  controls() {
    const { app } = this;
    const by = () => parseCount(this.far.value, 0) || 1;
    const now = () => num(app.machine?.count ?? 0);
    return h(
      "div",
      null,
      h(
        "div",
        { class: "toolbar" },
        this.button(app.t("time.back_to_point"), "time.back_to_point.help", () => this.toPoint()),
        this.button(app.t("time.back_n"), "time.back_n.help", () => this.go("history.back", { insns: hexOf(by()) })),
        this.button(app.t("time.back_1"), "time.back_1.help", () => this.go("history.back", { insns: "0x1" })),
        this.button(app.t("time.ahead_1"), "time.ahead_1.help", () => this.goTo(now() + 1)),
        this.button(app.t("time.ahead_n"), "time.ahead_n.help", () => this.goTo(now() + by())),
        this.button(app.t("time.ahead_all"), "time.ahead_all.help", () => this.status && this.go("history.go", { count: this.status.seen })),
        h("label", { class: "dim" }, app.t("time.by"), " ", this.far),
      ),
      h(
        "form",
        {
          class: "toolbar",
          onsubmit: (/** @type {Event} */ e) => {
            e.preventDefault();
            this.goTyped();
          },
        },
        this.target,
        h("button", { type: "submit", class: "primary", "data-do": "go" }, app.t("time.go")),
      ),
    );
  }

  /** Without a point one would come out where the history begins, after a long way. */
  async toPoint() {
    const { app, p } = this;
    const points = await p.busy(p.bus.call("cpu.points"));
    if (points?.points.length) {
      await this.go("history.back_to_point");
    } else if (points) {
      p.fail(new Error(app.t("time.back_to_point.none")));
    }
  }

  goTyped() {
    const { app } = this;
    const count = parseCount(this.target.value, num(app.machine?.count ?? 0));
    this.target.setAttribute("aria-invalid", String(count === null));
    if (count === null) {
      this.p.fail(new Error(app.t("time.go.bad")));
      return undefined;
    }
    return this.goTo(count);
  }

  /** What has been is gone to; what has not yet is lived up to, and may be waited for. @param {number} count */
  async goTo(count) {
    if (!this.status || count <= num(this.status.seen) || count <= num(this.app.machine?.count ?? 0)) {
      await this.go("history.go", { count: hexOf(count) });
      return;
    }
    const m = await this.p.busy(this.p.bus.call("machine.cont", { until: hexOf(count) }));
    m && this.app.tellMachine(m);
  }

  /** @param {string} method @param {object} [params] */
  async go(method, params) {
    const { app, p } = this;
    for (const b of this.buttons) {
      b.disabled = true;
    }
    clear(this.where, app.t("time.travelling"));
    const answer = await p.busy(travel(app, p.bus, method, params));
    if (answer) {
      this.status = answer;
    }
    for (const b of this.buttons) {
      b.disabled = false;
    }
    await this.tellWhere(answer?.stop ?? null);
  }

  /** Where the machine stands, and why. @param {import("../time/travel.js").Stop | null} stop */
  async tellWhere(stop) {
    const { app, p } = this;
    const m = app.machine;
    if (!m || m.running) {
      clear(this.where, m?.icount ? app.t("time.now.running", { count: fmt.exact(m.count) }) : app.t("time.now.ns", { ns: fmt.ns(m?.time_ns ?? 0) }));
      return;
    }
    const told = `${m.count} ${stop?.reason}`;
    if (!stop && this.told.startsWith(m.count)) {
      return; /* why it stopped has been said */
    }
    this.told = told;
    const [cpus, points] = await Promise.all([p.bus.call("cpu.list"), p.bus.call("cpu.points")]).catch(() => [null, null]);
    const why = stop ?? points?.stop ?? null;
    const cpu = cpus?.cpus[why?.cpu ?? app.focus.get().cpu] ?? cpus?.cpus[0];
    this.showPoints(points?.points ?? []);
    clear(
      this.where,
      app.t("time.now.stopped", { count: fmt.exact(m.count) }),
      cpu ? h("span", { class: "mono" }, ` ${fmt.addr(cpu.pc)}  ${cpu.text}`) : "",
      why && TOLD.has(why.reason) ? h("div", null, stopWords(app, why)) : "",
    );
  }

  /** @param {{point: number, kind: string, addr: string, len: number, owner: string}[]} points */
  showPoints(points) {
    const { app } = this;
    clear(
      this.points,
      points.length ? app.t("time.points") + " " : app.t("time.points.none") + " ",
      points.map((pt) => h("span", { class: "chip mono" }, `${pt.kind} ${fmt.addr(pt.addr)}`)),
      " ",
      h("button", { type: "button", class: "link", onclick: () => app.go("cpu") }, app.t("time.points.where")),
    );
  }

  /** @param {HistoryStatus} status */
  show(status) {
    this.status = status;
    const { app } = this;
    clear(
      this.facts,
      h("span", explain(app, "time.range.help"), app.t("time.range", { first: fmt.exact(status.first), seen: fmt.exact(status.seen) })),
      " ",
      h("span", explain(app, "time.moments.help"), app.t("time.moments", { n: status.entries, bytes: fmt.bytes(status.bytes), budget: fmt.bytes(status.budget) })),
    );
  }

  /** There is none: what would give one. @param {unknown} error */
  without(error) {
    const { app, p } = this;
    p.fail(null);
    clear(
      p.body,
      h(
        "div",
        { class: "time-none-history" },
        h("p", null, app.t("time.no_history")),
        h("p", { class: "dim" }, app.t("time.no_history.how")),
        h(
          "div",
          { class: "toolbar" },
          h("code", { class: "time-command" }, HISTORY_OPTIONS),
          h("button", { type: "button", onclick: () => navigator.clipboard.writeText(HISTORY_OPTIONS).then(() => app.toast(app.t("time.copied")), (e) => app.fail(e)) }, app.t("time.copy")),
        ),
        error instanceof RpcError && error.class === "unsupported" ? null : h("p", { class: "dim" }, app.errorText(error)),
      ),
    );
  }

  start() {
    const { app, p } = this;
    const operator = app.role === "operator";
    p.setJson(() => this.status);
    p.body.append(this.body);
    if (!operator) {
      this.body.querySelectorAll("button[data-do], input").forEach((b) => b.setAttribute("disabled", ""));
      this.body.append(h("p", { class: "dim" }, app.t("time.travel.viewer")));
    }
    p.bus.every(STATUS_MS, "history.status", {}, (s) => this.show(s), (e) => this.without(e));
    const has = () => operator && this.status !== null;
    const offs = [
      app.onMachine(() => this.tellWhere(null)),
      app.command({ id: "time.back_1", title: app.t("time.back_1.help"), keys: ",", when: has, run: () => this.go("history.back", { insns: "0x1" }) }),
      app.command({ id: "time.ahead_1", title: app.t("time.ahead_1.help"), keys: ".", when: has, run: () => this.goTo(num(app.machine?.count ?? 0) + 1) }),
      app.command({ id: "time.back_to_point", title: app.t("time.back_to_point.help"), keys: "<", when: has, run: () => this.toPoint() }),
      app.command({ id: "time.go", title: app.t("time.go.label"), keys: "g", when: has, run: () => this.target.focus() }),
    ];
    const follow = () => {
      const count = app.focus.get().count;
      if (count && /^0x[0-9a-f]{1,14}$/i.test(count)) {
        this.target.value = fmt.exact(count);
      }
    };
    offs.push(app.focus.on((_f, changed) => changed.has("count") && follow()));
    follow();
    return () => {
      offs.forEach((off) => off());
      p.dispose();
    };
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const p = panel(app, bus, { id: "time-travel", title: "time.travel", help: "time.travel.help" });
  root.append(p.root);
  return new Travel(app, p).start();
}
