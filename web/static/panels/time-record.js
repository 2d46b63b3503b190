// SPDX-License-Identifier: MIT
// @ts-check
/** Record: what is traced from now on, how much there is, and the trace as a file. */
import { collect } from "../time/lanes.js";
import { num } from "../time/scale.js";
import { clear, h } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";

/** @typedef {{name: string, group: string, text: string, meaning: string}} Kind */
/** @typedef {{running: boolean, capacity: string, kinds: string[], first: string, next: string, overwritten: string, collisions: string, counts: Record<string, string>}} Stats */

const STATS_MS = 1000;
const RINGS = [4096, 16384, 65536, 262144];
/* Not these, unless asked for: they are most of all events, and are the emulator's, not the machine's. */
const LOUD = new Set(["tb", "tlb"]);

class Recorder {
  /** @param {import("../app.js").App} app @param {import("../time/travel.js").Panel} p */
  constructor(app, p) {
    this.app = app;
    this.p = p;
    /** @type {Stats | null} */
    this.stats = null;
    /** @type {Map<string, HTMLInputElement>} */
    this.boxes = new Map();
    this.giveUp = false;
    this.operator = app.role === "operator";
    this.state = h("p", { class: "time-state" });
    this.groups = h("div", { class: "time-groups" });
    this.from = this.address("time.filter.first");
    this.to = this.address("time.filter.last");
    this.ring = /** @type {HTMLSelectElement} */ (
      h("select", { "aria-label": app.t("time.ring"), ...explainTitle(app, "time.ring.help") }, RINGS.map((n) => h("option", { value: n, selected: n === 65536 }, app.t("time.ring.n", { n: fmt.exact(n) }))))
    );
    this.button = h("button", { type: "button", class: "primary", onclick: () => this.toggle() });
    this.again = h("button", { type: "button", onclick: () => this.begin() }, app.t("time.record.again"));
    this.progress = h("span", { class: "dim", "aria-live": "polite" });
    /** whether a file is being collected */
    this.busy = false;
    this.exports = [this.exporter("perfetto"), this.exporter("text")];
    this.counts = h("div", { class: "time-counts dim" });
  }

  /** @param {string} key */
  address(key) {
    return /** @type {HTMLInputElement} */ (
      h("input", { class: "mono", size: "16", placeholder: this.app.t(key), "aria-label": this.app.t(key), pattern: "0x[0-9a-fA-F]{1,16}", spellcheck: "false", autocomplete: "off" })
    );
  }

  /** @param {"perfetto" | "text"} format */
  exporter(format) {
    return /** @type {HTMLButtonElement} */ (
      h("button", { type: "button", title: this.app.t(`time.export.${format}.help`), onclick: () => this.export(format) }, this.app.t(`time.export.${format}`))
    );
  }

  layout() {
    const { app } = this;
    this.p.body.append(
      this.state,
      this.operator
        ? [
            h("fieldset", null, h("legend", null, app.t("time.record.kinds")), this.groups),
            h("div", { class: "toolbar" }, h("span", { class: "dim" }, app.t("time.record.where")), this.from, this.to, this.ring),
            h("div", { class: "toolbar" }, this.button, this.again),
          ].reduce((box, part) => (box.append(part), box), h("div", null))
        : h("p", { class: "dim time-say" }, app.t("time.record.viewer")),
      this.counts,
      h("div", { class: "toolbar" }, h("span", { class: "dim" }, app.t("time.export")), this.exports, this.progress),
    );
  }

  /** @param {Kind[]} kinds */
  showKinds(kinds) {
    const groups = [...new Set(kinds.map((k) => k.group))];
    clear(
      this.groups,
      groups.map((group) => {
        const members = kinds.filter((k) => k.group === group);
        const box = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", checked: !LOUD.has(group), value: group }));
        this.boxes.set(group, box);
        return h("label", { title: members.map((k) => `${k.name}: ${k.meaning}`).join("\n") }, box, " ", this.app.t(`time.group.${group}`));
      }),
    );
  }

  /** @param {Stats} stats */
  show(stats) {
    this.stats = stats;
    const { app } = this;
    const kept = num(stats.next) - num(stats.first);
    const lost = num(stats.overwritten) + num(stats.collisions);
    clear(
      this.state,
      h("span", { class: `chip ${stats.running ? "good" : "dim"}` }, app.t(stats.running ? "time.recording" : "time.not_recording")),
      " ",
      h("span", explain(app, "time.kept.help"), app.t("time.kept", { kept: fmt.exact(kept) })),
      " ",
      lost ? h("span", { ...explain(app, "time.lost.help"), class: "warn" }, app.t("time.lost", { lost: fmt.exact(lost) })) : app.t("time.lost.none"),
    );
    this.button.textContent = app.t(stats.running ? "time.record.stop" : "time.record.start");
    this.again.hidden = !stats.running;
    for (const b of this.exports) {
      b.disabled = kept === 0 || this.busy;
    }
    clear(this.counts, Object.entries(stats.counts).map(([kind, n]) => h("span", { class: "chip", title: fmt.exact(n) }, `${app.t(`time.kind.${kind}`)} ${fmt.count(n)}`)));
  }

  toggle() {
    return this.stats?.running ? this.p.busy(this.p.bus.call("trace.stop").then((s) => this.show(s))) : this.begin();
  }

  begin() {
    const kinds = [...this.boxes.values()].filter((b) => b.checked).map((b) => b.value);
    /** @type {Record<string, any>} */
    const params = { kinds, capacity: Number(this.ring.value) };
    for (const [name, input] of /** @type {[string, HTMLInputElement][]} */ ([["first", this.from], ["last", this.to]])) {
      if (input.value.trim()) {
        params[name] = input.value.trim();
      }
    }
    return this.p.busy(this.p.bus.call("trace.start", params).then((s) => this.show(s)));
  }

  /** @param {"perfetto" | "text"} format */
  async export(format) {
    const { app, stats } = this;
    if (!stats) {
      return;
    }
    const first = num(stats.first);
    const all = Math.max(1, num(stats.next) - first);
    this.busy = true;
    this.giveUp = false;
    const done = await this.p.busy(
      collect((params) => this.p.bus.call("trace.export", params), format, (g) => {
        const share = Math.min(1, Math.max(0, (g.events - first) / all));
        clear(
          this.progress,
          app.t("time.export.progress", { share: fmt.percent(share), bytes: fmt.bytes(g.bytes) }),
          " ",
          h("button", { type: "button", onclick: () => (this.giveUp = true) }, app.t("time.export.cancel")),
        );
        return !this.giveUp;
      }),
    );
    this.busy = false;
    this.progress.textContent = done ? app.t(done.lost ? "time.export.done.lost" : "time.export.done", { lost: fmt.exact(done.lost) }) : "";
    done && save(done.parts, format === "perfetto" ? "vitrine-trace.json" : "vitrine-trace.txt");
    this.stats && this.show(this.stats);
  }

  start() {
    const { p } = this;
    this.layout();
    p.setJson(() => this.stats);
    p.busy(p.bus.call("trace.kinds").then((r) => this.showKinds(r.kinds)));
    p.bus.every(STATS_MS, "trace.stats", {}, (s) => this.show(s), (e) => p.fail(e));
    return () => {
      this.giveUp = true;
      p.dispose();
    };
  }
}

/** @param {import("../app.js").App} app @param {string} key */
function explainTitle(app, key) {
  return { title: app.t(key), "aria-description": app.t(key) };
}

/** Has the browser keep a file. @param {string[]} parts @param {string} name */
function save(parts, name) {
  const url = URL.createObjectURL(new Blob(parts, { type: name.endsWith(".json") ? "application/json" : "text/plain" }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  /** @type {HTMLAnchorElement} */ (link).click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const p = panel(app, bus, { id: "time-record", title: "time.record", help: "time.record.help" });
  root.append(p.root);
  return new Recorder(app, p).start();
}
