// SPDX-License-Identifier: MIT
// @ts-check
/**
 * The scale of the address strip: ranges as high as the logarithm of their size, gaps all alike.
 *
 *   0x1000      | rom      |  y 0     a range of 60 KiB
 *               ~~~~~~~~~~~~          a gap: marked, not to scale
 *   0x10000000  | serial   |          8 bytes: still high enough to be read
 *   0x80000000  | ram      |          512 MiB: higher, but not 67108864 times
 *
 * Inside a range the scale is linear, so that a position in it means something.
 */

/**
 * @typedef {{first: string, last: string, region: string, owner: string | null, kind: string,
 *            offset: string, readonly: boolean, ram: boolean}} FlatRange
 * @typedef {{gap: boolean, first: bigint, last: bigint, y: number, height: number,
 *            range: FlatRange | null}} Piece
 */

export const RANGE_MIN = 20;
export const GAP_HEIGHT = 16;
const PER_DOUBLING = 2.5;
const SMALLEST = 12; // log2 of the size up to which a range is RANGE_MIN high

/** @param {bigint} v >= 1 */
function log2(v) {
  const digits = v.toString(2).length;
  const top = Number(v >> BigInt(Math.max(0, digits - 32)));
  return Math.log2(top) + Math.max(0, digits - 32);
}

/** @param {bigint} size */
function rangeHeight(size) {
  return RANGE_MIN + PER_DOUBLING * Math.max(0, log2(size) - SMALLEST);
}

/**
 * The pieces of a flat view from top to bottom, and both ways between addresses and positions.
 * @param {FlatRange[]} ranges sorted, without overlaps
 */
export function stripScale(ranges) {
  /** @type {Piece[]} */
  const pieces = [];
  let y = 0;
  let next = 0n;
  const add = (/** @type {bigint} */ first, /** @type {bigint} */ last, /** @type {FlatRange | null} */ range) => {
    const height = range ? rangeHeight(last - first + 1n) : GAP_HEIGHT;
    pieces.push({ gap: !range, first, last, y, height, range });
    y += height;
    next = last + 1n;
  };
  for (const range of ranges) {
    const first = BigInt(range.first);
    if (first > next) {
      add(next, first - 1n, null);
    }
    add(first, BigInt(range.last), range);
  }
  const end = (1n << 64n) - 1n;
  if (next <= end) {
    add(next, end, null);
  }
  return { pieces, height: y, pieceAt, yOf, addrAt };

  /** @param {bigint} addr */
  function pieceAt(addr) {
    let low = 0;
    let high = pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (pieces[middle].first <= addr) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return pieces[low];
  }

  /** @param {bigint} addr */
  function yOf(addr) {
    const p = pieceAt(addr);
    const part = Number(((addr - p.first) * 1000000n) / (p.last - p.first + 1n)) / 1000000;
    return p.y + part * p.height;
  }

  /** The address at a position, of a range a multiple of `align`. @param {number} at @param {bigint} [align] */
  function addrAt(at, align = 1n) {
    const p = pieces.find((q) => at < q.y + q.height) ?? pieces[pieces.length - 1];
    const part = Math.min(Math.max((at - p.y) / p.height, 0), 1);
    const offset = (BigInt(Math.floor(part * 1000000)) * (p.last - p.first + 1n)) / 1000000n;
    const addr = p.first + offset - (offset % align);
    return addr > p.last ? p.last : addr;
  }
}
