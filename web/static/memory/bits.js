// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Bits: bitmaps of pages, and the frames of `dirty.read` that carry them (src/inspect/dirty.c).
 *
 *   frame.data   | block | from | pages | base | sample | 0 |  body ...       (six u32, little endian)
 *   body         run lengths as LEB128 numbers, clear pages first; or 64-bit words (flag WORDS)
 *   flag XOR     the body is the difference to the frame whose sequence is `base`
 *
 * Invariant: a BitStream holds either what the server sent last, or nothing (`valid` is false) until
 * a whole frame comes.
 */

const HEAD = 24;
const FLAG_XOR = 1;
const FLAG_WORDS = 2;
const LEB_MORE = 0x80;
const WORD = 32;

/** Set bits of a 32-bit word. @param {number} v */
export function popcount(v) {
  v -= (v >>> 1) & 0x55555555;
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Bits [from, to) of a word, 0 <= from < to <= 32. @param {number} from @param {number} to */
function mask(from, to) {
  return ((0xffffffff << from) & (0xffffffff >>> (WORD - to))) >>> 0;
}

export class Bits {
  /** @param {number} length */
  constructor(length) {
    this.length = length;
    // Even: bodies come as 64-bit words.
    this.words = new Uint32Array(2 * Math.ceil(length / (2 * WORD)));
  }

  /** @param {number} i */
  get(i) {
    return (this.words[i >>> 5] >>> (i & 31)) & 1;
  }

  /** @param {number} first @param {number} count */
  flip(first, count) {
    for (let at = first, end = first + count; at < end; ) {
      const to = Math.min((at & ~31) + WORD, end);
      this.words[at >>> 5] ^= mask(at & 31, to - (at & ~31));
      at = to;
    }
  }

  clear() {
    this.words.fill(0);
  }

  /** How many are set. @param {number} [first] @param {number} [end] */
  count(first = 0, end = this.length) {
    let n = 0;
    for (let at = first; at < end; ) {
      const to = Math.min((at & ~31) + WORD, end);
      n += popcount(this.words[at >>> 5] & mask(at & 31, to - (at & ~31)));
      at = to;
    }
    return n;
  }

  /** Calls `each` for every set bit. @param {(i: number) => void} each @param {number} [first] @param {number} [end] */
  forEach(each, first = 0, end = this.length) {
    for (let w = first >>> 5; w << 5 < end; w++) {
      let word = this.words[w];
      if (w === first >>> 5) {
        word &= -1 << (first & 31);
      }
      for (; word; word &= word - 1) {
        const i = (w << 5) + 31 - Math.clz32(word & -word);
        if (i >= end) {
          return;
        }
        each(i);
      }
    }
  }
}

/**
 * @typedef {{block: number, from: number, pages: number, base: number, sample: number,
 *            xor: boolean, words: boolean, body: Uint8Array}} DirtyFrame
 */

/**
 * The head of a frame of `dirty.read`; null: it is none.
 * @param {{flags: number, data: Uint8Array}} frame
 * @returns {DirtyFrame | null}
 */
export function parseDirty(frame) {
  const { data, flags } = frame;
  if (data.length < HEAD) {
    return null;
  }
  const view = new DataView(data.buffer, data.byteOffset, HEAD);
  const u32 = (/** @type {number} */ at) => view.getUint32(at, true);
  return {
    block: u32(0),
    from: u32(4),
    pages: u32(8),
    base: u32(12),
    sample: u32(16),
    xor: (flags & FLAG_XOR) !== 0,
    words: (flags & FLAG_WORDS) !== 0,
    body: data.subarray(HEAD),
  };
}

/** Flips the bits that a body of words names. @param {Bits} bits @param {Uint8Array} body */
function applyWords(bits, body) {
  if (body.length !== bits.words.length * 4) {
    return false;
  }
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  for (let i = 0; i < bits.words.length; i++) {
    bits.words[i] ^= view.getUint32(4 * i, true);
  }
  return true;
}

/**
 * Flips the bits that run lengths name. False: they do not add up to the length; the bits are then
 * of no use.
 * @param {Bits} bits @param {Uint8Array} body
 */
export function applyRuns(bits, body) {
  let page = 0;
  let value = false;
  for (let at = 0; at < body.length; value = !value) {
    let run = 0;
    let scale = 1;
    let byte;
    do {
      byte = at < body.length ? body[at++] : LEB_MORE;
      run += (byte & (LEB_MORE - 1)) * scale;
      scale *= LEB_MORE;
    } while (byte & LEB_MORE && at < body.length && scale <= 2 ** 42);
    if (byte & LEB_MORE || run > bits.length - page) {
      return false;
    }
    if (value) {
      bits.flip(page, run);
    }
    page += run;
  }
  return page === bits.length;
}

/** What one source of dirty bits said last: frames go in, bits are there. */
export class BitStream {
  constructor() {
    this.bits = new Bits(0);
    this.valid = false;
    this.sequence = -1;
    this.block = -1;
    this.from = 0;
  }

  /** What comes next must be whole. */
  invalidate() {
    this.valid = false;
  }

  /**
   * Takes a frame in. False: a frame before it is missing or it is damaged, and the caller asks for
   * a whole one.
   * @param {{sequence: number, flags: number, data: Uint8Array}} frame
   */
  accept(frame) {
    const d = parseDirty(frame);
    if (!d) {
      return this.valid;
    }
    if (d.xor && !this.continues(d)) {
      this.valid = false;
      return false;
    }
    if (!d.xor) {
      this.begin(d);
    }
    this.valid = d.words ? applyWords(this.bits, d.body) : applyRuns(this.bits, d.body);
    this.sequence = frame.sequence;
    return this.valid;
  }

  /** @param {DirtyFrame} d */
  continues(d) {
    const same = d.block === this.block && d.from === this.from && d.pages === this.bits.length;
    return this.valid && same && d.base === this.sequence;
  }

  /** @param {DirtyFrame} d */
  begin(d) {
    if (d.pages === this.bits.length) {
      this.bits.clear();
    } else {
      this.bits = new Bits(d.pages);
    }
    this.block = d.block;
    this.from = d.from;
  }
}
