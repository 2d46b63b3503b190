// SPDX-License-Identifier: MIT
// @ts-check
/** State of the chosen device: every field that a snapshot of it would hold. */
import { h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";
import { table } from "../ui/table.js";

/** @typedef {{name: string, type: string, value: any}} StateField */

const PERIOD_MS = 500;
const SHOWN_BYTES = 64;
const SHOWN_ELEMENTS = 16;

/** Base64 as pairs of hex digits, the first ones. @param {string} text */
export function bytesText(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const shown = [...bytes.subarray(0, SHOWN_BYTES)].map((b) => b.toString(16).padStart(2, "0")).join(" ");
  return bytes.length > SHOWN_BYTES ? `${shown} … (${bytes.length})` : shown;
}

/** @param {StateField} f @param {(key: string, vars?: any) => string} t */
export function valueText(f, t) {
  if (f.type === "bytes") {
    return f.value ? bytesText(f.value) : "";
  }
  if (f.type === "timer" && !Array.isArray(f.value)) {
    return f.value === null ? t("devices.timer.off") : t("devices.timer.at", { ns: fmt.exact(f.value) });
  }
  if (Array.isArray(f.value)) {
    const set = f.value.filter((v) => v !== "0x0" && v !== false && v !== null).length;
    const shown = f.value.slice(0, SHOWN_ELEMENTS).map((v) => (v === null ? "—" : String(v))).join(" ");
    return `[${f.value.length}: ${t("devices.nonzero", { n: set })}] ${shown}${f.value.length > SHOWN_ELEMENTS ? " …" : ""}`;
  }
  return String(f.value);
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/devices.js").Devices} devices @returns {() => void} */
export function mount(root, bus, app, devices) {
  const p = panel(app, bus, { id: "dev-state", title: "devices.state", help: "devices.state.help" });
  const grid = table({
    columns: [
      { key: "name", title: app.t("devices.col.name"), mono: true },
      { key: "type", title: app.t("devices.col.type") },
      { key: "value", title: app.t("devices.col.value"), render: (text, row) => h("span", { class: row.changed ? "mono wrap changed" : "mono wrap" }, row.changed ? "◆ " : null, text) },
    ],
    rowKey: (r) => r.name,
    label: app.t("devices.state"),
  });
  /** @type {any} */
  let last = null;
  /** @type {Map<string, string>} */
  let before = new Map();
  /** @type {(() => void) | null} */
  let end = null;
  let dev = "";

  /** @param {any} result */
  const take = (result) => {
    p.fail(null);
    last = result;
    if (!last.fields.length) {
      p.empty("devices.no_state");
      return;
    }
    p.body.firstChild === grid.root || p.body.replaceChildren(grid.root);
    grid.update(
      last.fields.map((/** @type {StateField} */ f) => {
        const now = JSON.stringify(f.value);
        return { name: f.name, type: f.type, value: valueText(f, (k, v) => app.t(k, v)), changed: before.has(f.name) && before.get(f.name) !== now };
      }),
    );
    before = new Map(last.fields.map((/** @type {StateField} */ f) => [f.name, JSON.stringify(f.value)]));
  };
  const follow = () => {
    if (devices.shown === dev || !devices.shown) {
      return;
    }
    dev = devices.shown;
    before = new Map();
    begin();
  };
  const begin = () => {
    end?.();
    end = dev && seen ? p.bus.every(PERIOD_MS, "dev.state", { dev }, take, (e) => p.fail(e)) : null;
  };
  let seen = false;
  /** @param {boolean} is */
  const see = (is) => ((seen = is), begin());
  p.setJson(() => last);
  const off = [devices.on(follow), whileSeen(p.root, () => see(true), () => see(false))];
  root.append(p.root);
  return () => {
    off.forEach((fn) => fn());
    p.dispose();
  };
}
