// SPDX-License-Identifier: MIT
// @ts-check
/** Time: what happened when, and the way back to it. */
import { mount as lanes } from "../panels/time-lanes.js";
import { mount as record } from "../panels/time-record.js";
import { mount as snapshots } from "../panels/time-snapshots.js";
import { mount as travel } from "../panels/time-travel.js";
import { mount as writer } from "../panels/time-writer.js";

export { strings } from "../strings/time.js";
export const styles = ["css/time.css"];

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  root.classList.add("grid");
  const ends = [lanes, travel, writer, record, snapshots].map((one) => one(root, bus, app));
  return () => ends.forEach((end) => end());
}
