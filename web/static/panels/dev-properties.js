// SPDX-License-Identifier: MIT
// @ts-check
/** Properties of the chosen device: what the command line set, or could have set. */
import { panel } from "../ui/panel.js";
import { table } from "../ui/table.js";

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/devices.js").Devices} devices @returns {() => void} */
export function mount(root, bus, app, devices) {
  const p = panel(app, bus, { id: "dev-properties", title: "devices.properties", help: "devices.properties.help" });
  const grid = table({
    columns: [
      { key: "name", title: app.t("devices.col.name"), mono: true },
      { key: "shown", title: app.t("devices.col.value"), mono: true },
      { key: "default", title: app.t("devices.col.default"), mono: true },
      { key: "help", title: app.t("devices.col.meaning") },
    ],
    rowKey: (r) => r.name,
    label: app.t("devices.properties"),
  });
  /** @type {any} */
  let last = null;
  let dev = "";
  const follow = async () => {
    if (devices.shown === dev || !devices.shown) {
      return;
    }
    dev = devices.shown;
    const asked = dev;
    const result = await p.busy(p.bus.call("dev.properties", { dev }));
    if (!result || asked !== dev) {
      return;
    }
    last = result;
    if (!last.properties.length) {
      p.empty("devices.no_properties");
      return;
    }
    p.body.replaceChildren(grid.root);
    grid.update(last.properties.map((/** @type {any} */ r) => ({ ...r, shown: r.value === null ? "—" : String(r.value) })));
  };
  p.setJson(() => last);
  const off = devices.on(follow);
  root.append(p.root);
  return () => {
    off();
    p.dispose();
  };
}
