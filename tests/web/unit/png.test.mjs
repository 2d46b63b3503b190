// SPDX-License-Identifier: MIT
// png.mjs: what it makes has the same pixels, as another reader of PNG sees them (the rules of the standard, by hand).
import assert from "node:assert/strict";
import { test } from "node:test";
import zlib, { deflateSync, inflateSync } from "node:zlib";
import { smallPng } from "../png.mjs";

const be = (n) => [n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255];
const part = (type, data) => Buffer.from([...be(data.length), ...Buffer.from(type), ...data, 0, 0, 0, 0]);

/** A 2 by 3 picture, its rows filtered by none, sub, up, average, Paeth as the standard's 9.2 says. */
function picture() {
  const pixels = [[10, 20, 30, 40, 50, 60], [11, 22, 33, 44, 55, 66], [1, 2, 3, 4, 5, 6], [200, 100, 50, 25, 12, 6], [9, 8, 7, 6, 5, 4]];
  const at = (y, x) => (y < 0 || x < 0 ? 0 : pixels[y][x]);
  const rows = pixels.map((row, y) => [
    y,
    ...row.map((v, x) => {
      const [a, b, c] = [at(y, x - 3), at(y - 1, x), x < 3 ? 0 : at(y - 1, x - 3)];
      const p = a + b - c;
      const order = [a, b, c].map((q, i) => [Math.abs(p - q), i, q]).sort((m, n) => m[0] - n[0] || m[1] - n[1]);
      return (v - [0, a, b, Math.floor((a + b) / 2), order[0][2]][y]) & 255;
    }),
  ]);
  const png = Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), part("IHDR", [...be(2), ...be(5), 8, 2, 0, 0, 0]), part("IDAT", [...deflateSync(Buffer.from(rows.flat()))]), part("IEND", [])]);
  return { pixels, png };
}

test("png: every filter is taken off, and the palette gives the same pixels", () => {
  const { pixels, png } = picture();
  const small = smallPng(png);
  const found = {};
  for (let i = 8; i < small.length; ) {
    const length = small.readUInt32BE(i);
    const body = small.subarray(i + 4, i + 8 + length);
    if (zlib.crc32) { /* Node 20.15 and later */
      assert.equal(small.readUInt32BE(i + 8 + length), zlib.crc32(body), "checksum");
    }
    found[body.toString("latin1", 0, 4)] = body.subarray(4);
    i += 12 + length;
  }
  assert.deepEqual([...found.IHDR], [...be(2), ...be(5), 8, 3, 0, 0, 0]);
  const rows = inflateSync(found.IDAT);
  const got = pixels.map((_r, y) => [1, 2].flatMap((x) => [...found.PLTE.subarray(3 * rows[3 * y + x], 3 * rows[3 * y + x] + 3)]));
  assert.deepEqual(got, pixels);
});

test("png: what it cannot read it refuses", () => {
  const { png } = picture();
  png[8 + 8 + 8] = 16;
  assert.throws(() => smallPng(png), /depth 16/);
});
