import { suite, until, sleep } from "./harness.mjs";
suite("scratch", async (t) => {
  const machine = await t.machine({ smp: 2, args: ["-drive", "file=/tmp/dc_disk.img,if=none,id=hd,format=raw", "-device", "virtio-blk-device,drive=hd,id=disk0", "-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0,id=nic0"] });
  const shots = process.env.SHOTS.split(",");
  for (const s of shots) {
    const [name, hash, width = "1440", theme = "light", js = ""] = s.split("|");
    const page = await t.open(machine, hash, { width: Number(width), height: width === "400" ? 800 : 900, theme });
    await sleep(1500);
    if (js) { await page.evaluate(js); await sleep(1200); }
    await page.screenshot({ path: `/tmp/dc_shot_${name}.png`, fullPage: false });
    const h = await page.evaluate(() => document.querySelector("#main").scrollHeight);
    await page.setViewportSize({ width: Number(width), height: Math.min(h + 80, 4000) }); await sleep(700);
    await page.screenshot({ path: `/tmp/dc_shot_${name}_full.png` });
    await t.close(page);
  }
});
