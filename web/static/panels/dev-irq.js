// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Interrupts as lanes: from each device's line through the PLIC to the harts.
 *
 *   uart ━━━━━━▶ ◆ input 10 ━━━▶ context 1 (S) ✓ ───▷ hart 0: mip 1, mie 1, S mode: waits
 *        high       pending          enabled      low
 *
 * A thick line carries a request; shapes say the same as colours: ● high ○ low, ◆ pending ◇ not,
 * ✓ enabled ✕ not, ◐ in service. Behind the lanes: what each hart has pending from all sources.
 */
import { clear, h } from "../ui/dom.js";
import { latest } from "../ui/latest.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";
import { table } from "../ui/table.js";

/**
 * @typedef {{context: number, hart: number, mode: string, enabled: boolean, threshold: number, output: boolean, words: string}} Context
 * @typedef {{dev: string | null, input: number, level: boolean, pending: boolean, in_service: boolean, priority: number,
 *            raised: string, claimed: string, contexts: Context[], words: string}} Line
 * @typedef {{number: number, name: string, pending: boolean, enabled: boolean, to: string, raised: string, taken: string, passes: boolean, words: string}} Interrupt
 * @typedef {{hart: number, mode: string, halted: boolean, mip: string, mie: string, mideleg: string, mstatus_mie: boolean, mstatus_sie: boolean, interrupts: Interrupt[]}} Hart
 */

const PERIOD_MS = 1000; /* asking holds all harts */
const SOURCES = /** @type {Record<number, string>} */ ({ 1: "ipi", 3: "msip", 5: "stimer", 7: "mtimer", 9: "plic", 11: "plic" });
const BITS = /** @type {Record<number, string>} */ ({ 1: "SSI", 3: "MSI", 5: "STI", 7: "MTI", 9: "SEI", 11: "MEI" });

/** Lines that somebody uses go first. @param {Line[]} lines */
export function sortLines(lines) {
  /** @param {Line} l */
  const used = (l) => Number(l.contexts.some((c) => c.enabled)) + 2 * Number(BigInt(l.raised) > 0n);
  return [...lines].sort((a, b) => used(b) - used(a) || a.input - b.input);
}

/** What comes to a hart from elsewhere than the PLIC, and is in use. @param {Hart} hart */
export function localInterrupts(hart) {
  return hart.interrupts.filter((i) => SOURCES[i.number] !== "plic" && (i.pending || i.enabled || BigInt(i.raised) + BigInt(i.taken) > 0n));
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @param {import("../workspaces/devices.js").Devices} devices @returns {() => void} */
export function mount(root, bus, app, devices) {
  const p = panel(app, bus, { id: "dev-irq", title: "devices.irq", help: "devices.irq.help" });
  const chosen = app.view("irq.input", "");
  /** @type {{lines: Line[], harts: Hart[]} | null} */
  let last = null;
  const lanes = h("div", { class: "irq-lanes", role: "group", "aria-label": app.t("devices.irq") });
  const unused = h("details", { class: "irq-unused" });
  const path = h("div", { class: "irq-path", "aria-live": "polite" });
  const harts = h("div", { class: "irq-harts" });
  const local = h("div", { class: "irq-local" });
  const tables = h("details", { class: "irq-tables" }, h("summary", null, app.t("devices.irq.tables")), harts);
  const legend = h("p", { class: "dim irq-legend" }, app.t("devices.irq.legend"));
  p.body.append(legend, lanes, unused, path, h("h3", null, app.t("devices.irq.local")), local, tables);
  /** @type {Map<number, HTMLElement>} */
  const rows = new Map();
  /** @type {Map<number, ReturnType<typeof table>>} */
  const hartTables = new Map();

  /** @param {boolean} carries @param {string} [label] */
  const wire = (carries, label) => h("span", { class: carries ? "irq-wire on" : "irq-wire", "aria-hidden": "true" }, label ?? "");

  /** @param {Context} c @param {Line} l */
  const contextNode = (c, l) => {
    const carries = l.pending && c.enabled && l.priority > c.threshold;
    const hart = last?.harts.find((x) => x.hart === c.hart);
    const taken = hart?.interrupts.find((i) => i.number === (c.mode === "S" ? 9 : 11));
    return h(
      "span",
      { class: "irq-branch" },
      wire(l.pending),
      h("span", { class: c.enabled ? "irq-node on" : "irq-node", title: c.words }, `${c.enabled ? "✓" : "✕"} ${app.t("devices.irq.context", { n: c.context, mode: c.mode })}`, h("small", { class: "dim" }, ` > ${c.threshold}`)),
      wire(carries || c.output),
      h("span", { class: taken?.passes ? "irq-node hot" : "irq-node", title: taken?.words ?? "" }, `${taken?.pending ? "◆" : "◇"} ${app.t("devices.irq.hart", { n: c.hart })} ${c.mode === "S" ? "SEI" : "MEI"} ${taken?.enabled ? "✓" : "✕"}`),
    );
  };

  /** @param {Line} l */
  const fillLane = (l) => {
    const lane = rows.get(l.input) ?? h("button", { type: "button", class: "irq-lane", "data-input": l.input, onclick: () => chosen.set(chosen.get() === String(l.input) ? "" : String(l.input)) });
    rows.set(l.input, lane);
    const text = JSON.stringify([l, last?.harts.map((x) => x.interrupts.filter((i) => i.number === 9 || i.number === 11))]);
    lane.setAttribute("aria-expanded", String(chosen.get() === String(l.input)));
    lane.classList.toggle("sel", chosen.get() === String(l.input));
    if (lane.dataset.state === text) {
      return lane;
    }
    lane.dataset.state = text;
    const shown = l.contexts.filter((c) => c.enabled);
    const others = l.contexts.length - shown.length;
    clear(
      lane,
      h("span", { class: l.level ? "irq-node irq-dev on" : "irq-node irq-dev" }, `${l.level ? "●" : "○"} ${l.dev ?? "?"}`),
      wire(l.level),
      h(
        "span",
        { class: l.pending || l.in_service ? "irq-node hot" : "irq-node" },
        `${l.in_service ? "◐" : l.pending ? "◆" : "◇"} ${app.t("devices.irq.in", { n: l.input })}`,
        h("small", { class: "dim" }, ` ${app.t("devices.irq.priority", { n: l.priority })} · ${Number(l.raised)}↑ ${Number(l.claimed)}✓`),
      ),
      h("span", { class: "irq-branches" }, shown.map((c) => contextNode(c, l)), shown.length ? null : h("span", { class: "dim" }, `✕ ${app.t("devices.irq.nobody")}`), others && shown.length ? h("small", { class: "dim irq-others" }, app.t("devices.irq.others", { n: others })) : null),
      h("span", { class: "irq-words" }, l.words),
    );
    return lane;
  };

  /** @param {Element} box @param {HTMLElement[]} nodes */
  const place = (box, nodes) => {
    nodes.forEach((node, i) => box.children[i] === node || box.insertBefore(node, box.children[i] ?? null));
    while (box.children.length > nodes.length) {
      box.lastElementChild?.remove();
    }
  };

  const unusedBox = h("div", { class: "irq-lanes" });
  const unusedTitle = h("summary");
  unused.append(unusedTitle, unusedBox);

  /** @type {Map<number, HTMLElement>} */
  const localBoxes = new Map();
  /** @type {Map<string, HTMLElement>} */
  const localRows = new Map();
  /** @param {Hart} hart @param {Interrupt} i */
  const localLane = (hart, i) => {
    const key = `${hart.hart}.${i.number}`;
    const lane = localRows.get(key) ?? h("div", { class: "irq-lane", "data-local": key });
    localRows.set(key, lane);
    const text = JSON.stringify([i, hart.mode]);
    if (lane.dataset.state !== text) {
      lane.dataset.state = text;
      clear(
        lane,
        h("span", { class: i.pending ? "irq-node irq-dev on" : "irq-node irq-dev" }, `${i.pending ? "●" : "○"} ${app.t(`devices.irq.from.${SOURCES[i.number]}`)}`),
        wire(i.pending),
        h("span", { class: i.pending ? "irq-node hot" : "irq-node" }, `${i.pending ? "◆" : "◇"} ${app.t("devices.irq.hart", { n: hart.hart })} ${BITS[i.number]} ${i.enabled ? "✓" : "✕"}`, h("small", { class: "dim" }, ` ${BigInt(i.raised)}↑ ${BigInt(i.taken)}✓`)),
        h("span", { class: "irq-branch" }, wire(i.passes), h("span", { class: i.passes ? "irq-node hot" : "irq-node" }, app.t("devices.irq.handler", { mode: i.to }))),
        h("span", { class: "irq-words" }, i.words),
      );
    }
    return lane;
  };

  /** @param {Hart} hart */
  const localBox = (hart) => {
    const box = localBoxes.get(hart.hart) ?? h("div", { class: "irq-lanes" });
    localBoxes.set(hart.hart, box);
    place(box, localInterrupts(hart).map((i) => localLane(hart, i)));
    return box;
  };

  /** @param {Hart} hart */
  const hartBox = (hart) => {
    let t = hartTables.get(hart.hart);
    if (!t) {
      t = table({
        columns: [
          { key: "name", title: app.t("devices.irq.interrupt") },
          { key: "source", title: app.t("devices.irq.source") },
          { key: "pending", title: "mip", explain: app.t("devices.irq.mip"), render: (v) => h("span", { class: v ? "warn" : "dim" }, v ? "◆ 1" : "◇ 0") },
          { key: "enabled", title: "mie", explain: app.t("devices.irq.mie"), render: (v) => h("span", { class: v ? "good" : "dim" }, v ? "✓ 1" : "✕ 0") },
          { key: "to", title: app.t("devices.irq.to"), explain: app.t("devices.irq.to.help") },
          { key: "raised", title: app.t("devices.irq.raised"), num: true, render: (v) => String(BigInt(v)) },
          { key: "taken", title: app.t("devices.irq.taken"), num: true, render: (v) => String(BigInt(v)) },
          { key: "words", title: app.t("devices.irq.where"), render: (v, r) => h("span", { class: r.passes ? "good wrap" : "wrap" }, v) },
        ],
        rowKey: (r) => String(r.number),
        label: app.t("devices.irq.hart", { n: hart.hart }),
      });
      hartTables.set(hart.hart, t);
      harts.append(h("section", { class: "irq-hart" }, h("h4", { "data-hart": hart.hart }), t.root));
    }
    const title = harts.querySelector(`h4[data-hart="${hart.hart}"]`);
    if (title) {
      title.textContent = app.t("devices.irq.hart_state", { n: hart.hart, mode: hart.mode, state: app.t(hart.halted ? "devices.irq.halted" : "devices.irq.awake"), mie: Number(hart.mstatus_mie), sie: Number(hart.mstatus_sie) });
    }
    t.update(hart.interrupts.map((i) => ({ ...i, source: app.t(`devices.irq.from.${SOURCES[i.number] ?? "plic"}`) })));
  };

  const paint = () => {
    if (!last) {
      return;
    }
    const sorted = sortLines(last.lines);
    /** @param {Line} l */
    const idle = (l) => !l.level && !l.pending && BigInt(l.raised) === 0n && !l.contexts.some((c) => c.enabled) && chosen.get() !== String(l.input);
    place(lanes, sorted.filter((l) => !idle(l)).map(fillLane));
    const idlers = sorted.filter(idle);
    place(unusedBox, idlers.map(fillLane));
    unused.hidden = !idlers.length;
    unusedTitle.textContent = app.t("devices.irq.unused", { n: idlers.length });
    place(local, last.harts.map(localBox));
    last.harts.forEach(hartBox);
  };

  /** @param {any} r */
  const paintPath = (r) => {
    const [line, input] = r.steps;
    const idle = !line.passes && !input.passes; /* nothing is asked for, so nothing waits */
    clear(
      path,
      h("h3", null, app.t("devices.irq.path", { dev: r.dev ?? `#${r.input}` })),
      h("p", { class: "irq-stopped" }, h("b", { class: idle ? "dim" : r.stopped ? "warn" : "good" }, idle ? `○ ${app.t("devices.irq.idle")} ` : r.stopped ? `‖ ${app.t("devices.irq.waits")} ` : `▶ ${app.t("devices.irq.goes")}`), r.stopped ?? ""),
      h("ol", { class: "irq-steps" }, r.steps.map((/** @type {any} */ s) => h("li", { class: s.passes ? "good" : "dim" }, `${s.passes ? "✓" : "✕"} `, h("b", null, s.at), `: ${s.words}`))),
    );
  };
  /* The way is asked for when what it depends on has changed. */
  const pathKey = () => JSON.stringify([last?.lines.find((l) => String(l.input) === chosen.get()), last?.harts.map((x) => [x.mode, x.mip, x.mie, x.mstatus_sie, x.mstatus_mie])]);
  let pathShown = "";
  const askPath = latest(async () => {
    const input = Number(chosen.get());
    const result = input ? await p.busy(p.bus.call("irq.path", { input })) : null;
    if (result && input === Number(chosen.get())) {
      paintPath(result);
    }
  });
  const follow = () => {
    chosen.get() || clear(path);
    askPath();
    paint();
  };

  /* The chosen device's lane is the one that is opened. */
  const followDevice = () => {
    const d = devices.current;
    const input = d && (d.irq ?? devices.all.get(d.path)?.parent?.irq)?.input;
    if (app.focus.get().dev && input && chosen.get() !== String(input)) {
      chosen.set(String(input));
    }
  };

  /** @param {any} r */
  const take = (r) => {
    p.fail(null);
    last = r;
    paint();
    const now = pathKey();
    if (now !== pathShown) {
      pathShown = now;
      askPath();
    }
  };
  let end = () => {};
  const seen = whileSeen(p.root, () => (end = p.bus.every(PERIOD_MS, "irq.lines", {}, take, (e) => p.fail(e))), () => end());
  p.setJson(() => last);
  p.setTwin(() => ({
    columns: ["device", "input", "level", "pending", "in service", "priority", "raised", "claimed", "enabled contexts", "words"],
    rows: (last?.lines ?? []).map((l) => [l.dev ?? "", l.input, Number(l.level), Number(l.pending), Number(l.in_service), l.priority, Number(l.raised), Number(l.claimed), l.contexts.filter((c) => c.enabled).map((c) => `${c.context} (hart ${c.hart} ${c.mode})`).join(", "), l.words]),
  }));
  const off = [seen, chosen.on(follow), devices.on(followDevice)];
  follow();
  root.append(p.root);
  return () => {
    off.forEach((fn) => fn());
    p.dispose();
  };
}
