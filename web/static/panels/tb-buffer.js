// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Buffer: the code buffer drawn as it lies in memory: a row a region, a cell some KiB, how much of it lives.
 *
 *   region 3  gen 6  |########::::::......            |  # lives   : dead   . not used yet
 */
import { h } from "../ui/dom.js";
import { cssVar, fitCanvas } from "../ui/canvas.js";
import { fmt } from "../ui/format.js";
import { panel } from "../ui/panel.js";
import { whileSeen } from "../ui/seen.js";

/** @typedef {{region: number, offset: string, size: string, used: string, blocks: number, alive: number, generation: string, filling: boolean, cells?: [number, number][]}} Region */

const BUFFER_MS = 1000;
const CELLS = 64;
const LEFT_PX = 86;
const RIGHT_PX = 58;
const ROW_PX = 15;

/** @param {Region} r */
const used = (r) => Number(BigInt(r.used)) / Number(BigInt(r.size));

/** Where the code of a block lies: region and place in it from 0 to 1. @param {Region[]} regions @param {any} block */
export function placeOf(regions, block) {
  const r = block && regions[block.region];
  if (!r) {
    return null;
  }
  const at = Number(BigInt(block.host_offset) - BigInt(r.offset)) / Number(BigInt(r.size));
  return { region: block.region, at, width: block.host_size / Number(BigInt(r.size)) };
}

/** @param {HTMLElement} root @param {import("../ui/panel.js").PanelBus} bus @param {import("../app.js").App} app @returns {() => void} */
export function mount(root, bus, app) {
  const p = panel(app, bus, { id: "tb-buffer", title: "translate.buffer", help: "translate.buffer.help", class: "tb-buffer" });
  /** @type {Region[]} */
  let regions = [];
  /** @type {any} the block in focus */
  let block = null;

  /** @param {CanvasRenderingContext2D} ctx @param {Region} r @param {number} y @param {number} width @param {number} height */
  const drawRegion = (ctx, r, y, width, height) => {
    const room = width - LEFT_PX - RIGHT_PX;
    const cell = room / CELLS;
    ctx.fillStyle = cssVar("--raise");
    ctx.fillRect(LEFT_PX, y, room, height - 3);
    const full = Number(BigInt(r.size)) / CELLS;
    (r.cells ?? []).forEach(([alive, dead], i) => {
      const live = ((height - 3) * alive) / full;
      const gone = ((height - 3) * dead) / full;
      ctx.fillStyle = cssVar("--c0");
      ctx.fillRect(LEFT_PX + i * cell, y + height - 3 - live, Math.ceil(cell), live);
      ctx.fillStyle = cssVar("--c1");
      ctx.globalAlpha = 0.55;
      ctx.fillRect(LEFT_PX + i * cell, y + height - 3 - live - gone, Math.ceil(cell), gone);
      ctx.globalAlpha = 1;
    });
    ctx.fillStyle = cssVar(r.filling ? "--accent" : "--dim");
    ctx.font = `${r.filling ? "600 " : ""}11px ${cssVar("--mono")}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    ctx.fillText(`${r.filling ? "▸" : " "}${String(r.region).padStart(2)} ${app.t("translate.buffer.gen", { n: Number(BigInt(r.generation)) })}`, 4, y + (height - 3) / 2);
    ctx.textAlign = "right";
    ctx.fillText(fmt.percent(used(r)), width - 4, y + (height - 3) / 2);
  };

  const canvas = fitCanvas(
    (ctx, width, height) => {
      const row = Math.max(8, height / Math.max(1, regions.length));
      regions.forEach((r, i) => drawRegion(ctx, r, i * row, width, row));
      const place = placeOf(regions, block);
      if (place) {
        const room = width - LEFT_PX - RIGHT_PX;
        ctx.strokeStyle = cssVar("--text");
        ctx.lineWidth = 2;
        ctx.strokeRect(LEFT_PX + place.at * room - 2, place.region * row, Math.max(5, place.width * room + 4), row - 2);
      }
    },
    { "aria-label": app.t("translate.buffer"), class: "buffer" },
  );
  const legend = h("p", { class: "legend dim" }, ["alive", "dead", "free", "focus"].map((k) => h("span", { class: "key" }, h("i", { class: `swatch ${k}` }), " ", app.t(`translate.buffer.key.${k}`))));
  p.body.append(canvas.root, legend);
  p.setJson(() => regions);
  p.setTwin(() => ({
    columns: ["region", "generation", "state", "used", "size", "blocks", "alive"].map((k) => app.t(`translate.buffer.col.${k}`)),
    rows: regions.map((r) => [r.region, Number(BigInt(r.generation)), app.t(r.filling ? "translate.buffer.filling" : "translate.buffer.waiting"), fmt.bytes(r.used), fmt.bytes(r.size), r.blocks, r.alive]),
  }));
  const take = (/** @type {any} */ r) => {
    regions = r.regions;
    canvas.root.style.height = `${regions.length * ROW_PX}px`;
    p.fail(null);
    canvas.redraw();
  };
  /** @type {(() => void) | null} */
  let end = null;
  const unwatch = whileSeen(p.root, () => (end = p.bus.every(BUFFER_MS, "tb.regions", { cells: CELLS }, take, (e) => p.fail(e))), () => end?.());
  const find = () => {
    const id = app.focus.get().block;
    block = null;
    id && p.bus.call("tb.get", { id }).then((r) => ((block = r.block), canvas.redraw()), () => {}); /* the columns tell of what fails */
    canvas.redraw();
  };
  const off = app.focus.on((_f, changed) => changed.has("block") && find());
  find();
  root.append(p.root);
  return () => {
    off();
    unwatch();
    canvas.dispose();
    p.dispose();
  };
}
