// SPDX-License-Identifier: MIT
// @ts-check
/** Snapshots: the whole machine in files, by name: save, load, delete. */
import { num } from "../time/scale.js";
import { dialog } from "../ui/dialog.js";
import { clear, h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { table } from "../ui/table.js";

/** @typedef {{name: string, bytes: string, date: string, virtual_ns: string, count: string}} Snapshot */

const LIST_MS = 3000;
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$/;

/** Asks before something that cannot be taken back. @param {import("../app.js").App} app @param {string} title @param {string} text @param {string} yes @returns {Promise<boolean>} */
async function confirm(app, title, text, yes) {
  let sure = false;
  const d = dialog(
    title,
    h("div", null, h("p", null, text), h("div", { class: "toolbar" },
      h("button", { type: "button", class: "primary", onclick: () => ((sure = true), d.close()) }, yes),
      h("button", { type: "button", onclick: () => d.close() }, app.t("time.cancel")))),
    { close: app.t("shell.close") },
  );
  await d.closed;
  return sure;
}

class Snapshots {
  /** @param {import("../app.js").App} app @param {import("../time/travel.js").Panel} p */
  constructor(app, p) {
    this.app = app;
    this.p = p;
    /** @type {{directory: string, snapshots: Snapshot[]} | null} */
    this.list = null;
    const operator = app.role === "operator";
    this.name = /** @type {HTMLInputElement} */ (h("input", { class: "grow", placeholder: app.t("time.snap.name"), "aria-label": app.t("time.snap.name"), maxlength: "64", spellcheck: "false", autocomplete: "off" }));
    this.where = h("p", { class: "dim time-say" });
    this.table = table({
      label: app.t("time.snap"),
      empty: app.t("time.snap.empty"),
      rowKey: (s) => s.name,
      columns: [
        { key: "name", title: app.t("time.snap.name") },
        { key: "count", title: app.t("time.col.count"), num: true, explain: app.t("time.snap.count.help"), render: (v, s) => (num(v) ? fmt.exact(v) : fmt.ns(s.virtual_ns)) },
        { key: "bytes", title: app.t("time.snap.size"), num: true, render: (v) => fmt.bytes(v) },
        { key: "date", title: app.t("time.snap.date"), render: (v) => new Date(v).toLocaleString(document.documentElement.lang) },
        ...(operator ? [{ key: "do", title: "", render: (/** @type {any} */ _v, /** @type {Snapshot} */ s) => this.actions(s) }] : []),
      ],
    });
  }

  /** @param {Snapshot} s */
  actions(s) {
    const { app } = this;
    return [
      h("button", { type: "button", "aria-label": app.t("time.snap.load.name", { name: s.name }), onclick: () => this.load(s) }, app.t("time.snap.load")),
      " ",
      h("button", { type: "button", "aria-label": app.t("time.snap.delete.name", { name: s.name }), onclick: () => this.remove(s) }, app.t("time.snap.delete")),
    ];
  }

  async save() {
    const { app, p } = this;
    const name = this.name.value.trim();
    const good = NAME.test(name);
    this.name.setAttribute("aria-invalid", String(!good));
    if (!good) {
      p.fail(new Error(app.t("time.snap.bad")));
      return;
    }
    const there = this.list?.snapshots.some((s) => s.name === name);
    if (there && !(await confirm(app, app.t("time.snap.save"), app.t("time.snap.again", { name }), app.t("time.snap.save")))) {
      return;
    }
    const done = await p.busy(p.bus.call("snapshot.save", { name }));
    if (done) {
      this.name.value = "";
      app.toast(app.t("time.snap.saved", { path: done.path }));
      await this.look();
    }
  }

  /** @param {Snapshot} s */
  async load(s) {
    const { app, p } = this;
    if (!(await confirm(app, app.t("time.snap.load.name", { name: s.name }), app.t("time.snap.load.sure", { name: s.name }), app.t("time.snap.load")))) {
      return;
    }
    const m = await p.busy(p.bus.call("snapshot.load", { name: s.name }));
    if (m) {
      app.focus.set({ count: m.icount ? m.count : null });
      app.tellMachine(m);
      app.toast(app.t("time.snap.loaded", { name: s.name }));
    }
  }

  /** @param {Snapshot} s */
  async remove(s) {
    const { app, p } = this;
    const title = app.t("time.snap.delete.name", { name: s.name });
    if (await confirm(app, title, app.t("time.snap.delete.sure", { name: s.name, bytes: fmt.bytes(s.bytes) }), app.t("time.snap.delete"))) {
      await p.busy(p.bus.call("snapshot.delete", { name: s.name }));
      await this.look();
    }
  }

  async look() {
    const list = await this.p.busy(this.p.bus.call("snapshot.list"));
    list && this.show(list);
  }

  /** @param {{directory: string, snapshots: Snapshot[]}} list */
  show(list) {
    this.list = list;
    clear(this.where, this.app.t("time.snap.where", { directory: list.directory }));
    this.table.update(list.snapshots);
  }

  start() {
    const { app, p } = this;
    const form = h(
      "form",
      {
        class: "toolbar",
        onsubmit: (/** @type {Event} */ e) => {
          e.preventDefault();
          this.save();
        },
      },
      this.name,
      h("button", { type: "submit", class: "primary" }, app.t("time.snap.save")),
    );
    p.body.append(app.role === "operator" ? form : "", this.table.root, this.where);
    p.setJson(() => this.list);
    p.bus.every(LIST_MS, "snapshot.list", {}, (list) => this.show(list), (e) => p.fail(e));
    return () => p.dispose();
  }
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const p = panel(app, bus, { id: "time-snapshots", title: "time.snap", help: "time.snap.help" });
  root.append(p.root);
  return new Snapshots(app, p).start();
}
