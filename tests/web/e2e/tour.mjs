// SPDX-License-Identifier: MIT
/**
 * Tour: pictures of every workspace, light and dark, at 1440 and 400 px, for people to look at: make console-tour.
 *
 *   BUILD/tour/WORKSPACE-THEME-WIDTH.png
 *   book/pictures/{translate,memory}.png     those the README shows
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { BUILD, PATIENCE, ROOT, call, fitsWidth, ok, suite, until } from "./harness.mjs";
import { smallPng } from "../png.mjs";

const TOUR = path.join(BUILD, "tour");
const PICTURES = path.join(ROOT, "book/pictures");
const MOST_BYTES = 200 * 1024;
const SETTLE_MS = 3500; /* for charts and maps to have something to show */
/* Loops that stay hot, memory that is written, few new programs. */
const BUSY = "(i=0; while :; do i=$((i+1)); case $i in *0000) dd if=/dev/zero of=/tmp/x bs=64k count=32 2>/dev/null;; esac; done) &";
const KERNEL = "0xffffffff80200000";

/** A block that is worth a picture: hot, of some instructions, with something for the optimizer. */
async function worthy(page) {
  const hot = await until("hot blocks", async () => {
    const { blocks } = await call(page, "tb.list", { sort: "samples", limit: 300 });
    const good = blocks.filter((b) => b.insns >= 5 && b.insns <= 12 && b.share > 0);
    return good.length > 10 && good;
  });
  for (const b of hot) {
    const told = await call(page, "tb.explain", { id: b.id, host: false, registers: false }).catch(() => null);
    const ops = told?.stages.at(-1).ops ?? [];
    if (ops.some((o) => o.removed)) {
      return b.id;
    }
  }
  return hot[0].id;
}

/** Lets the page come to rest. A block that died meanwhile is no picture: another one is chosen. */
async function settle(page, choose) {
  await until("a picture of what lives", async () => {
    await page.waitForTimeout(SETTLE_MS);
    await until("no panel waits for an answer", () => page.evaluate(() => !document.querySelector(".panel[aria-busy]")));
    await page.waitForTimeout(SETTLE_MS);
    if (!(await page.locator(".tb-dead:visible").count())) {
      return true;
    }
    await page.evaluate((hash) => (location.hash = hash), `#${await choose()}`);
    return false;
  }, 2 * PATIENCE);
}

/** @type {Record<string, (page: any) => Promise<string>>} the URL's fragment of each workspace */
const PLACES = {
  run: async () => "ws=run",
  translate: async (page) => `ws=translate&block=${await worthy(page)}`,
  memory: async () => `ws=memory&addr=${KERNEL}&phys=0x80400000&memory.priv=S`,
  devices: async () => "ws=devices",
  time: async () => "ws=time",
  cpu: async () => `ws=cpu&addr=${KERNEL}`,
};

await suite("tour", async (t) => {
  mkdirSync(TOUR, { recursive: true });
  mkdirSync(PICTURES, { recursive: true });
  const machine = await t.machine({ args: ["-icount", "shift=2", "-history", "on", "-nic", "user", "-accel", "tcg,tb-size=64"] });
  await machine.run(BUSY);
  const asker = await t.open(machine, "ws=translate"); /* while its hot list is seen, samples are taken */
  for (const [name, place] of Object.entries(PLACES)) {
    await t.test(`${name}: pictures`, async () => {
      const hash = await place(asker);
      for (const theme of /** @type {const} */ (["light", "dark"])) {
        for (const [width, height] of [[1440, 900], [400, 2000]]) {
          const page = await t.open(machine, hash, { theme, width, height });
          await page.locator(`.workspace.${name}`).waitFor();
          await settle(page, () => place(asker));
          await fitsWidth(page);
          await page.screenshot({ path: path.join(TOUR, `${name}-${theme}-${width}.png`) });
          const shown = path.join(PICTURES, `${name}.png`);
          if (["translate", "memory"].includes(name) && theme === "light" && width === 1440) {
            const picture = smallPng(await page.screenshot());
            ok(`${shown} has ${picture.length} bytes`, picture.length < MOST_BYTES);
            writeFileSync(shown, picture);
          }
          await t.close(page);
        }
      }
    });
  }
});
