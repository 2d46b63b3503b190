// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Devices: what the machine is made of beside its harts.
 *
 *   tree | registers of the chosen device | its queues
 *        | properties                     | state
 *   -----+--------------------------------+------------------
 *   interrupts: lanes from each device to the harts
 *
 * Only the chosen device (focus `dev`) is looked at again and again.
 */
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { mount as mountIrq } from "../panels/dev-irq.js";
import { mount as mountProperties } from "../panels/dev-properties.js";
import { mount as mountQueues } from "../panels/dev-queues.js";
import { mount as mountRegisters } from "../panels/dev-registers.js";
import { mount as mountState } from "../panels/dev-state.js";
import { mount as mountTree } from "../panels/dev-tree.js";

export { strings } from "../strings/devices.js";
export const styles = ["css/bitstrip.css", "css/devices.css"];

/**
 * @typedef {{path: string, class: string, description: string, id: string | null, bus: string | null, base: string | null,
 *            size: string | null, irq: {controller: string, input: number} | null, registers: number, queues: number,
 *            children: Device[]}} Device
 * @typedef {{board: string, description: string, devices: Device[]}} DeviceList
 */

/** The devices, and which one is chosen. */
export class Devices {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    /** @type {DeviceList | null} null: not heard of yet */
    this.list = null;
    /** @type {Map<string, {device: Device, parent: Device | null}>} */
    this.all = new Map();
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.shown = "";
  }

  /** @param {DeviceList} list */
  take(list) {
    this.list = list;
    this.all.clear();
    /** @param {Device} device @param {Device | null} parent */
    const add = (device, parent) => {
      this.all.set(device.path, { device, parent });
      device.children.forEach((c) => add(c, device));
    };
    list.devices.forEach((d) => add(d, null));
    this.tell();
  }

  /** The chosen device; without a choice the first one that has the most to show. @returns {Device | null} */
  get current() {
    const chosen = this.all.get(this.app.focus.get().dev ?? "");
    if (chosen) {
      return chosen.device;
    }
    const devices = [...this.all.values()].map((d) => d.device);
    return devices.find((d) => d.class === "serial-mm") ?? devices.find((d) => d.irq && d.registers) ?? devices[0] ?? null;
  }

  /** Whose registers belong to it: a device on a transport has those of the transport. @param {Device} d */
  withRegisters(d) {
    return d.registers ? d : this.all.get(d.path)?.parent ?? d;
  }

  /** Which device's queues belong to it: a transport has those of the device that it carries. @param {Device} d */
  withQueues(d) {
    return d.queues ? d : d.children.find((c) => c.queues) ?? null;
  }

  tell() {
    this.shown = this.current?.path ?? "";
    this.listeners.forEach((fn) => fn());
  }

  /** Calls fn now and whenever another device is chosen. @param {() => void} fn @returns {() => void} */
  on(fn) {
    this.listeners.add(fn);
    this.list && fn();
    return () => this.listeners.delete(fn);
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const devices = new Devices(app);
  const side = h("div", { class: "dev-side" });
  const middle = h("div", { class: "dev-middle" });
  const right = h("div", { class: "dev-right" });
  const bottom = h("div", { class: "dev-bottom" });
  const go = h("div", { class: "toolbar dev-go", hidden: true });
  root.append(side, go, middle, right, bottom);
  const paintGo = () => {
    const { phys } = app.focus.get();
    go.hidden = !phys;
    root.classList.toggle("has-go", !!phys);
    phys && clear(go, h("span", { class: "dim" }, app.t("devices.focus")), h("span", { class: "mono" }, fmt.addr(phys)), h("button", { type: "button", onclick: () => app.go("memory", { phys }) }, app.t("devices.go_memory")));
  };
  paintGo();
  const off = [app.focus.on((_f, changed) => {
    changed.has("dev") && devices.tell();
    changed.has("phys") && paintGo();
  })];
  off.push(mountTree(side, bus, app, devices));
  off.push(mountRegisters(middle, bus, app, devices));
  off.push(mountProperties(middle, bus, app, devices));
  off.push(mountQueues(right, bus, app, devices));
  off.push(mountState(right, bus, app, devices));
  /* Asking for interrupts holds the harts; the chosen device goes first. */
  const first = devices.on(() => {
    first();
    off.push(mountIrq(bottom, bus, app, devices));
  });
  off.push(() => first());
  const ask = () => bus.call("dev.list").then((list) => devices.take(list), (e) => app.fail(e));
  ask();
  off.push(bus.subscribe(["machine.reset"], {}, ask));
  return () => off.forEach((fn) => fn());
}
