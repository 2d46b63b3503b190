// SPDX-License-Identifier: MIT
/**
 * PNG: makes a screenshot small enough for the repository: 256 colours, for the others the nearest.
 *
 *   24-bit PNG --inflate, unfilter--> pixels --count--> palette --deflate--> 8-bit PNG
 *
 * Spec: PNG (W3C, third edition), 9 "Filtering", 11.2 "Critical chunks". Not modelled: interlacing, other depths than 8.
 */
import { deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const COLOURS = 256;
const RGB = 2;
const RGBA = 6;
const PALETTE = 3;
const CRC = Uint32Array.from({ length: 256 }, (_x, n) => {
  for (let k = 0; k < 8; k++) {
    n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  }
  return n;
});

function crc(bytes) {
  let c = 0xffffffff;
  for (const b of bytes) {
    c = CRC[(c ^ b) & 0xff] ^ (c >>> 8);
  }
  return (c ^ 0xffffffff) >>> 0;
}

function chunk(type, data) {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, "latin1");
  data.copy(out, 8);
  out.writeUInt32BE(crc(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}

function chunks(png) {
  const found = { IDAT: [] };
  for (let at = SIGNATURE.length; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    const data = png.subarray(at + 8, at + 8 + length);
    type === "IDAT" ? found.IDAT.push(data) : (found[type] = data);
    at += 12 + length;
  }
  return found;
}

/** Which of left, up, upper left is nearest to left + up - upper left. */
function paeth(a, b, c) {
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/** Takes the filters off, in place: rows of one filter byte and `stride` bytes. */
function unfilter(raw, height, stride, pixel) {
  const predict = [() => 0, (a) => a, (_a, b) => b, (a, b) => (a + b) >> 1, paeth];
  for (let y = 0; y < height; y++) {
    const row = y * (stride + 1) + 1;
    const from = predict[raw[row - 1]];
    for (let x = 0; x < stride; x++) {
      const a = x < pixel ? 0 : raw[row + x - pixel];
      const b = y ? raw[row + x - stride - 1] : 0;
      const c = y && x >= pixel ? raw[row + x - stride - 1 - pixel] : 0;
      raw[row + x] += from(a, b, c);
    }
  }
}

const distance = (a, b) => [16, 8, 0].reduce((sum, s) => sum + ((((a >> s) & 255) - ((b >> s) & 255)) ** 2), 0);

/** Of colours, the most used first, those that differ enough: the shades of letters shall not crowd out the rest. */
function choose(colours) {
  for (let least = 0; ; least = 2 * least + 1) {
    const chosen = [];
    for (const c of colours) {
      if (chosen.length > COLOURS) {
        break;
      }
      if (chosen.every((other) => distance(c, other) > least)) {
        chosen.push(c);
      }
    }
    if (chosen.length <= COLOURS) {
      return chosen;
    }
  }
}

/** The palette's colour that is nearest to one, found once each. */
function nearest(palette) {
  const known = new Map(palette.map((c, i) => [c, i]));
  return (colour) => {
    if (!known.has(colour)) {
      let best = 0;
      palette.forEach((c, i) => distance(c, colour) < distance(palette[best], colour) && (best = i));
      known.set(colour, best);
    }
    return known.get(colour);
  };
}

/** @param {Buffer} png @returns {Buffer} */
export function smallPng(png) {
  const { IHDR, IDAT } = chunks(png);
  const [width, height, depth, type, interlace] = [IHDR.readUInt32BE(0), IHDR.readUInt32BE(4), IHDR[8], IHDR[9], IHDR[12]];
  if (depth !== 8 || (type !== RGB && type !== RGBA) || interlace) {
    throw new Error(`a PNG of depth ${depth}, type ${type}, interlace ${interlace}`);
  }
  const pixel = type === RGB ? 3 : 4;
  const raw = inflateSync(Buffer.concat(IDAT));
  unfilter(raw, height, width * pixel, pixel);
  const colour = (x, y) => raw.readUIntBE(y * (width * pixel + 1) + 1 + x * pixel, 3);
  const count = new Map();
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const c = colour(x, y);
      count.set(c, (count.get(c) ?? 0) + 1);
    }
  }
  const palette = choose([...count].sort((a, b) => b[1] - a[1]).map(([c]) => c));
  const index = nearest(palette);
  const rows = Buffer.alloc(height * (width + 1)); /* filter 0: best for palettes */
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      rows[y * (width + 1) + 1 + x] = index(colour(x, y));
    }
  }
  const header = Buffer.from(IHDR);
  header[9] = PALETTE;
  const colours = Buffer.from(palette.flatMap((c) => [c >> 16, (c >> 8) & 255, c & 255]));
  return Buffer.concat([SIGNATURE, chunk("IHDR", header), chunk("PLTE", colours), chunk("IDAT", deflateSync(rows, { level: 9 })), chunk("IEND", Buffer.alloc(0))]);
}
