// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Virtqueues of the chosen device, drawn as the two rings that they are.
 *
 *         available ring                       used ring
 *       .--- driver writes ---.             .--- device writes ---.
 *      (  waiting for the      )           (   last entries given  )
 *       '--- device reads ----'             '--- back ------------'
 *
 *   descriptor table: one cell a descriptor; those of waiting chains are filled. A click leads to its memory.
 *
 * Spec: Virtual I/O Device 1.2, 2.7 (split virtqueues).
 */
import { clear, h, s } from "../ui/dom.js";
import { explain } from "../ui/explain.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";
import { table } from "../ui/table.js";

/**
 * @typedef {{index: number, address: string, length: string, next: boolean, write: boolean, indirect: boolean, in_indirect_table: boolean}} Descriptor
 * @typedef {{avail: string, descriptors: Descriptor[], problem: string | null}} Chain
 * @typedef {{index: number, num: number, ready: boolean, desc: string, avail: string, used: string,
 *            indices: {avail: string, last_avail: string, used: string, used_in_ram: string, used_event: string, avail_event: string},
 *            waiting_count: number, waiting: Chain[], last_used: {used: string, id: string, written: string}[], words: string,
 *            notification: boolean, avail_flags: string, used_flags: string}} Queue
 */

const PERIOD_MS = 250;
const SIZE = 200;
const RADIUS = 70;
const MAX_SLOTS = 64;
const MAX_CELLS = 256;
const DESCRIPTOR_BYTES = 16n;
const INDEX_MASK = 0xffff;

/** What the indices say. @param {Queue} q */
export function positions(q) {
  const avail = Number(q.indices.avail);
  const taken = Number(q.indices.last_avail);
  const used = Number(q.indices.used);
  return { avail, taken, used, waiting: (avail - taken) & INDEX_MASK, inFlight: (taken - used) & INDEX_MASK };
}

/** A point of a ring: `at` turns from the top, clockwise. @param {number} at @param {number} radius */
function point(at, radius) {
  const angle = (at * 2 - 0.5) * Math.PI;
  return { x: SIZE / 2 + radius * Math.cos(angle), y: SIZE / 2 + radius * Math.sin(angle) };
}

/** @param {number} from @param {number} count @param {number} num @param {string} cls */
function arc(from, count, num, cls) {
  if (count <= 0) {
    return null;
  }
  if (count >= num) {
    return s("circle", { class: cls, cx: SIZE / 2, cy: SIZE / 2, r: RADIUS });
  }
  const a = point((from % num) / num, RADIUS);
  const b = point(((from + count) % num) / num, RADIUS);
  return s("path", { class: cls, d: `M ${a.x} ${a.y} A ${RADIUS} ${RADIUS} 0 ${count * 2 > num ? 1 : 0} 1 ${b.x} ${b.y}` });
}

/** A hand that points at a slot from outside or inside. @param {number} index @param {number} num @param {string} label @param {string} cls @param {boolean} inside */
function hand(index, num, label, cls, inside) {
  const at = (index % num) / num;
  const tip = point(at, RADIUS + (inside ? -8 : 8));
  const end = point(at, RADIUS + (inside ? -24 : 18));
  const text = point(at, RADIUS + (inside ? -38 : 26));
  return s("g", { class: cls }, s("line", { x1: tip.x, y1: tip.y, x2: end.x, y2: end.y }), s("text", { x: text.x, y: text.y + 4, "text-anchor": "middle" }, label));
}

/** @param {number} num */
function track(num) {
  const slots = Math.min(num, MAX_SLOTS);
  const ticks = [];
  for (let i = 0; i < slots; i++) {
    const a = point(i / slots, RADIUS - 4);
    const b = point(i / slots, RADIUS + 4);
    ticks.push(s("line", { class: "vq-tick", x1: a.x, y1: a.y, x2: b.x, y2: b.y }));
  }
  return [s("circle", { class: "vq-track", cx: SIZE / 2, cy: SIZE / 2, r: RADIUS }), ticks];
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/devices.js").Devices} devices @returns {() => void} */
export function mount(root, bus, app, devices) {
  const p = panel(app, bus, { id: "dev-queues", title: "devices.queues", help: "devices.queues.help" });
  const choice = app.view("dev.queue", "0");
  /** @type {any} */
  let last = null;
  /** @type {(() => void) | null} */
  let end = null;
  let dev = "";

  const facts = h("div", { class: "toolbar vq-facts" });
  const chooser = h("div", { class: "toolbar", role: "group", "aria-label": app.t("devices.queues") });
  const drawing = h("div", { class: "vq-rings" });
  const words = h("p", { class: "vq-words" });
  const cells = h("div", { class: "vq-cells", role: "group", "aria-label": app.t("devices.vq.descriptors") });
  const cellsNote = h("p", { class: "dim vq-note" });
  const chains = table({
    columns: [
      { key: "chain", title: app.t("devices.vq.chain"), num: true },
      { key: "index", title: app.t("devices.vq.descriptor"), num: true },
      { key: "direction", title: app.t("devices.vq.direction") },
      { key: "address", title: app.t("devices.vq.address"), mono: true, render: (a) => h("button", { type: "button", class: "link mono", title: app.t("devices.to_memory"), onclick: () => app.focus.set({ phys: a }) }, a) },
      { key: "length", title: app.t("devices.vq.length"), num: true },
      { key: "flags", title: app.t("devices.vq.flags") },
    ],
    rowKey: (r) => `${r.chain}.${r.at}`,
    label: app.t("devices.vq.waiting"),
    empty: app.t("devices.vq.none_waiting"),
  });
  const used = table({
    columns: [
      { key: "used", title: app.t("devices.vq.slot"), num: true },
      { key: "id", title: app.t("devices.vq.head"), num: true },
      { key: "written", title: app.t("devices.vq.written"), num: true },
    ],
    rowKey: (r) => r.used,
    label: app.t("devices.vq.used"),
    empty: app.t("devices.vq.none_used"),
  });
  const features = h("div", { class: "vq-features" });
  const content = h("div", { class: "vq" }, facts, chooser, words, drawing, cells, cellsNote, h("h3", null, app.t("devices.vq.waiting")), chains.root, h("h3", null, app.t("devices.vq.used")), used.root, h("details", null, h("summary", null, app.t("devices.vq.features")), features));

  /** @returns {Queue | undefined} */
  const current = () => last?.queues.find((/** @type {Queue} */ q) => String(q.index) === choice.get()) ?? last?.queues[0];

  /** @param {string} title @param {import("../ui/dom.js").Child[]} parts @param {string} middle @param {string} sub */
  const ring = (title, parts, middle, sub) =>
    h(
      "figure",
      { class: "vq-ring" },
      /** @type {any} */ (
        s("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": `${title}: ${middle} ${sub}` }, parts, s("text", { class: "vq-middle", x: SIZE / 2, y: SIZE / 2, "text-anchor": "middle" }, middle), s("text", { class: "vq-sub", x: SIZE / 2, y: SIZE / 2 + 14, "text-anchor": "middle" }, sub))
      ),
      h("figcaption", null, title),
    );

  /** @param {Queue} q */
  const drawRings = (q) => {
    const at = positions(q);
    const num = Math.max(q.num, 1);
    clear(
      drawing,
      ring(
        app.t("devices.vq.available"),
        [track(num), arc(at.used, Math.min(at.inFlight, num), num, "vq-flight"), arc(at.taken, Math.min(at.waiting, num), num, "vq-waiting"), hand(at.avail, num, "idx", "vq-hand driver", false), hand(at.taken, num, app.t("devices.vq.hand.taken"), "vq-hand device", true)],
        String(at.waiting),
        app.t("devices.vq.wait"),
      ),
      ring(
        app.t("devices.vq.used_ring"),
        [track(num), arc(at.used - Math.min(q.last_used.length, num) + num * 2, Math.min(q.last_used.length, num), num, "vq-done"), hand(at.used, num, "idx", "vq-hand device", false)],
        String(at.inFlight),
        app.t("devices.vq.flight"),
      ),
    );
  };

  /** @param {Queue} q */
  const drawCells = (q) => {
    const waiting = new Map();
    q.waiting.forEach((c, n) => c.descriptors.forEach((d) => d.in_indirect_table || waiting.set(d.index, n)));
    const heads = new Set(q.last_used.map((u) => Number(u.id)));
    const count = Math.min(q.num, MAX_CELLS);
    const make = cells.children.length !== count || cells.dataset.desc !== q.desc;
    cellsNote.textContent = q.num > count ? app.t("devices.vq.first", { n: count, num: q.num }) : "";
    if (make) {
      cells.dataset.desc = q.desc;
      clear(
        cells,
        Array.from({ length: count }, (_, i) => h("button", { type: "button", class: "vq-cell", tabindex: i ? "-1" : "0", onclick: () => app.focus.set({ phys: "0x" + (BigInt(q.desc) + BigInt(i) * DESCRIPTOR_BYTES).toString(16) }) })),
      );
    }
    [...cells.children].forEach((cell, i) => {
      const kind = waiting.has(i) ? "waiting" : heads.has(i) ? "done" : "";
      if (make || /** @type {HTMLElement} */ (cell).dataset.kind !== kind) {
        /** @type {HTMLElement} */ (cell).dataset.kind = kind;
        const text = app.t(kind ? `devices.vq.cell.${kind}` : "devices.vq.cell", { i });
        cell.setAttribute("title", text);
        cell.setAttribute("aria-label", text);
        cell.textContent = kind === "waiting" ? "●" : kind === "done" ? "✓" : "";
      }
    });
  };
  cells.addEventListener("keydown", (e) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    const at = [...cells.children].indexOf(/** @type {Element} */ (document.activeElement));
    if (step && at >= 0) {
      e.preventDefault();
      /** @type {HTMLElement} */ (cells.children[(at + step + cells.children.length) % cells.children.length]).focus();
    }
  });

  /** @param {Descriptor} d */
  const flagsOf = (d) => [d.next && "NEXT", d.write && "WRITE", d.indirect && "INDIRECT", d.in_indirect_table && app.t("devices.vq.in_table")].filter(Boolean).join(" ");

  /** @param {Queue} q */
  const chainRows = (q) =>
    q.waiting.flatMap((c) =>
      c.descriptors.map((d, at) => ({ chain: Number(c.avail), at, index: d.index, direction: app.t(d.write ? "devices.vq.to_driver" : "devices.vq.to_device"), address: d.address, length: Number(d.length), flags: flagsOf(d) + (c.problem && at === c.descriptors.length - 1 ? ` ⚠ ${c.problem}` : "") })),
    );

  const paint = () => {
    const q = current();
    if (!q) {
      return;
    }
    const at = positions(q);
    clear(facts, last.words.map((/** @type {string} */ w) => h("span", { class: "chip" }, w)), last.legacy ? h("span", { class: "chip warn" }, app.t("devices.vq.legacy")) : null);
    if (chooser.children.length !== last.queues.length) {
      clear(chooser, last.queues.map((/** @type {Queue} */ v) => h("button", { type: "button", "data-queue": v.index, onclick: () => (choice.set(String(v.index)), paint()) })));
    }
    [...chooser.children].forEach((b, i) => {
      const v = last.queues[i];
      b.textContent = `${app.t("devices.vq.queue", { n: v.index })}${v.ready ? "" : " ∅"}${v.waiting_count ? ` · ${v.waiting_count}` : ""}`;
      b.setAttribute("aria-pressed", String(v === q));
    });
    clear(
      words,
      h("b", null, q.words),
      " ",
      app.t("devices.vq.numbers", { num: q.num, avail: at.avail, taken: at.taken, used: at.used }),
      " ",
      h("span", explain(app, q.notification ? "devices.vq.notify.on.help" : "devices.vq.notify.off.help"), app.t(q.notification ? "devices.vq.notify.on" : "devices.vq.notify.off")),
      " ",
      ["desc", "avail", "used"].map((k) => [" ", h("button", { type: "button", class: "link mono", title: app.t("devices.to_memory"), onclick: () => app.focus.set({ phys: /** @type {any} */ (q)[k] }) }, `${k} ${/** @type {any} */ (q)[k]}`)]),
    );
    drawRings(q);
    drawCells(q);
    chains.update(chainRows(q));
    used.update(q.last_used.map((u) => ({ used: Number(u.used), id: Number(u.id), written: Number(u.written) })));
  };

  const paintFeatures = () => {
    const f = last.features;
    clear(
      features,
      h("p", { class: "mono" }, `${app.t("devices.vq.offered")} ${f.offered} · ${app.t("devices.vq.accepted")} ${f.accepted}`),
      h("ul", null, f.named.map((/** @type {any} */ n) => h("li", { class: n.accepted ? null : "dim" }, `${n.accepted ? "✓" : "–"} `, h("b", null, n.name), ` (${n.bit}): ${n.meaning}`))),
    );
  };

  const follow = () => {
    const chosen = devices.current;
    const of = chosen && devices.withQueues(chosen);
    p.root.hidden = !of;
    if ((of?.path ?? "") === dev) {
      return;
    }
    dev = of?.path ?? "";
    last = null;
    feature = "";
    if (of) {
      p.body.replaceChildren(content);
      clear(chooser);
    }
    begin();
  };
  let feature = "";
  let inView = false;
  /** @param {any} result */
  const take = (result) => {
    p.fail(null);
    last = result;
    paint();
    if (feature !== result.features.accepted + result.features.offered) {
      feature = result.features.accepted + result.features.offered;
      paintFeatures();
    }
  };
  const begin = () => {
    end?.();
    end = dev && inView ? p.bus.every(PERIOD_MS, "dev.queues", { dev, limit: 16 }, take, (e) => p.fail(e)) : null;
  };
  /** @param {boolean} is */
  const see = (is) => ((inView = is), begin());
  p.setJson(() => last);
  p.setTwin(() => ({
    columns: ["queue", "size", "avail.idx", "taken", "used.idx", "waiting", "in flight", "words"],
    rows: (last?.queues ?? []).map((/** @type {Queue} */ q) => {
      const at = positions(q);
      return [q.index, q.num, at.avail, at.taken, at.used, at.waiting, at.inFlight, q.words];
    }),
  }));
  const off = [devices.on(follow), choice.on(paint), whileSeen(p.root, () => see(true), () => see(false))];
  root.append(p.root);
  return () => {
    off.forEach((fn) => fn());
    p.dispose();
  };
}
