// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Panel: the frame of everything one looks at.
 *
 *   .--------------------------------------------------.
 *   | title        0.02 % of the guest  [table][{}][?] |  cost: how long answering held the guest
 *   |--------------------------------------------------|
 *   | body, or its table twin; above it help, trouble  |
 *   '--------------------------------------------------'
 *
 * A panel speaks through its own PanelBus, which ends all that it began when the panel goes.
 */
import { clear, h } from "./dom.js";
import { fmt } from "./format.js";
import { icon } from "./icons.js";
import { plainTable } from "./table.js";

/** @typedef {import("../protocol.js").Bus} Bus */
/** @typedef {import("../app.js").App} App */
/** @typedef {{columns: string[], rows: any[][]}} Twin */

const COST_SPAN_MS = 5000;
const COST_TICK_MS = 1000;

/** The bus as one panel sees it: counts what its calls cost the guest. */
export class PanelBus {
  /** @param {Bus | PanelBus} bus @param {(ns: number) => void} held */
  constructor(bus, held) {
    this.bus = bus;
    this.held = held;
    /** @type {Set<() => void>} */
    this.begun = new Set();
  }

  /** @param {string} method @param {object} [params] @returns {Promise<any>} */
  call(method, params) {
    return this.callFrames(method, params).then((r) => r.result);
  }

  /** @param {string} method @param {object} [params] @returns {Promise<{result: any, frames: any[], held_ns: number}>} */
  callFrames(method, params) {
    return this.bus.callFrames(method, params).then((r) => {
      this.held(r.held_ns);
      return r;
    });
  }

  /** @param {() => void} end @returns {() => void} */
  keep(end) {
    const once = () => {
      this.begun.delete(once);
      end();
    };
    this.begun.add(once);
    return once;
  }

  /** @param {string[]} events @param {object} options @param {(event: string, data: any, info: any) => void} handler @returns {() => void} */
  subscribe(events, options, handler) {
    return this.keep(
      this.bus.subscribe(events, options, (event, data, info) => {
        this.held(info.held_ns ?? 0);
        handler(event, data, info);
      }),
    );
  }

  /** @param {number} ms @param {string} method @param {object} params @param {(result: any, info: any) => void} handler @param {(e: Error) => void} [trouble] @returns {() => void} */
  every(ms, method, params, handler, trouble) {
    /** @param {any} result @param {any} info */
    const count = (result, info) => {
      this.held(info.held_ns ?? 0);
      handler(result, info);
    };
    return this.keep(this.bus.every(ms, method, params, count, trouble));
  }

  dispose() {
    for (const end of [...this.begun]) {
      end();
    }
  }
}

/** Share of the guest's time of the last seconds. */
class Cost {
  constructor() {
    /** @type {{at: number, ns: number}[]} */
    this.held = [];
    this.total = 0;
  }
  /** @param {number} ns */
  add(ns) {
    if (ns) {
      this.held.push({ at: performance.now(), ns });
      this.total += ns;
    }
  }
  share() {
    const since = performance.now() - COST_SPAN_MS;
    this.held = this.held.filter((e) => e.at > since);
    return this.held.reduce((sum, e) => sum + e.ns, 0) / (COST_SPAN_MS * 1e6);
  }
}

/** @param {string | Element} sign @param {string} label @param {() => void} onclick @param {Record<string, any>} [more] */
function toolButton(sign, label, onclick, more) {
  return /** @type {HTMLButtonElement} */ (
    h("button", { class: "tool", type: "button", title: label, "aria-label": label, onclick, ...more }, sign)
  );
}

/**
 * @param {App} app @param {Bus | PanelBus} bus
 * @param {{id: string, title: string, help?: string, class?: string}} options keys of strings
 */
export function panel(app, bus, options) {
  const cost = new Cost();
  const own = new PanelBus(bus, (ns) => cost.add(ns));
  const titleId = `panel-${options.id}`;
  const price = h("span", { class: "cost dim", title: app.t("shell.cost.help") });
  const help = h("p", { class: "help", hidden: true }, options.help ? app.t(options.help) : "");
  const trouble = h("div", { class: "trouble", hidden: true, role: "alert" });
  const body = h("div", { class: "body" });
  const twinBox = h("div", { class: "body twin-box", hidden: true });
  /** @type {(() => any) | null} */
  let json = null;
  /** @type {(() => Twin) | null} */
  let twin = null;
  let twinTimer = 0;

  const showTwin = () => twin && clear(twinBox, plainTable(twin(), app.t(options.title)));
  const twinButton = toolButton(icon("table"), app.t("shell.table"), () => {
    const to = twinBox.hidden;
    twinBox.hidden = !to;
    body.hidden = to;
    twinButton.setAttribute("aria-pressed", String(to));
    clearInterval(twinTimer);
    if (to) {
      showTwin();
      twinTimer = window.setInterval(showTwin, COST_TICK_MS);
    } else {
      clear(twinBox);
    }
  }, { hidden: true, "aria-pressed": "false" });
  const jsonButton = toolButton("{}", app.t("shell.copy_json"), async () => {
    const text = JSON.stringify(json?.(), (_k, v) => (typeof v === "bigint" ? "0x" + v.toString(16) : v), 2);
    try {
      await navigator.clipboard.writeText(text);
      app.toast(app.t("shell.copied"));
    } catch {
      app.showText(app.t("shell.copy_json"), text); /* no clipboard: to be copied by hand */
    }
  }, { hidden: true });
  const helpButton = toolButton("?", app.t("shell.what"), () => {
    help.hidden = !help.hidden;
    helpButton.setAttribute("aria-expanded", String(!help.hidden));
  }, { hidden: !options.help, "aria-expanded": "false" });

  const tools = h("div", { class: "tools" });
  const root = h(
    "section",
    { class: `panel ${options.class ?? ""}`, id: options.id, "aria-labelledby": titleId },
    h("header", null, h("h2", { id: titleId }, app.t(options.title)), tools, h("div", { class: "common" }, price, twinButton, jsonButton, helpButton)),
    help,
    trouble,
    body,
    twinBox,
  );

  const tick = window.setInterval(() => {
    const share = cost.share();
    price.textContent = share || cost.total ? app.t("shell.cost", { share: fmt.percent(share) }) : "";
  }, COST_TICK_MS);

  return {
    root,
    body,
    tools /* beside the title: the panel's own controls */,
    bus: own,
    /** @param {() => any} fn */
    setJson(fn) {
      json = fn;
      jsonButton.hidden = false;
    },
    /** @param {() => Twin} fn */
    setTwin(fn) {
      twin = fn;
      twinButton.hidden = false;
    },
    /** Marks the panel as waiting; what fails is shown in it. @template T @param {Promise<T>} promise @returns {Promise<T | undefined>} */
    async busy(promise) {
      root.setAttribute("aria-busy", "true");
      try {
        const value = await promise;
        trouble.hidden = true;
        return value;
      } catch (e) {
        this.fail(e);
        return undefined;
      } finally {
        root.removeAttribute("aria-busy");
      }
    },
    /** @param {unknown} error null: all is well again */
    fail(error) {
      trouble.hidden = !error;
      clear(trouble, error ? app.errorText(error) : "");
    },
    /** Shows a sentence in the place of the contents. @param {string} key @param {Record<string, any>} [vars] */
    empty(key, vars) {
      clear(body, h("p", { class: "empty dim" }, app.t(key, vars)));
    },
    dispose() {
      clearInterval(tick);
      clearInterval(twinTimer);
      own.dispose();
    },
  };
}
