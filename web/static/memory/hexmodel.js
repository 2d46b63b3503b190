// SPDX-License-Identifier: MIT
// @ts-check
/**
 * HexModel: a window of memory as bytes, with what changed in it lately.
 *
 *   window = [base, base + size), in parts that end at page boundaries: a part may not be there
 */

const PAGE = 4096n;
const CHANGED_MS = 2000;
const TOP = 1n << 64n;

/** @param {string} text */
export function bytesOfBase64(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) {
    bytes[i] = raw.charCodeAt(i);
  }
  return bytes;
}

/** The parts of a window: what one read may ask for. @param {bigint} base @param {number} size */
export function partsOf(base, size) {
  /** @type {{offset: number, addr: bigint, len: number}[]} */
  const parts = [];
  let at = base;
  const end = base + BigInt(size) > TOP ? TOP : base + BigInt(size);
  while (at < end) {
    const next = at - (at % PAGE) + PAGE;
    const to = next < end ? next : end;
    parts.push({ offset: Number(at - base), addr: at, len: Number(to - at) });
    at = to;
  }
  return parts;
}

/** Printable ASCII, else a dot. @param {number} byte */
export function charOf(byte) {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·";
}

/** Pairs of hex digits, spaces between; null: not such. @param {string} text @returns {Uint8Array | null} */
export function parseBytes(text) {
  const digits = text.replace(/\s+/g, "").replace(/^0x/i, "");
  if (!digits || digits.length % 2 || !/^[0-9a-f]*$/i.test(digits)) {
    return null;
  }
  return Uint8Array.from(digits.match(/../g) ?? [], (d) => parseInt(d, 16));
}

/** @param {Uint8Array} bytes */
export function hexDigits(bytes) {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/**
 * What the bytes at an offset mean as little-endian numbers.
 * @param {HexModel} model @param {number} offset
 */
export function valuesAt(model, offset) {
  /** @type {{bits: number, value: bigint}[]} */
  const list = [];
  let value = 0n;
  for (let n = 0; n < 8; n++) {
    const byte = model.get(offset + n);
    if (byte === null) {
      break;
    }
    value |= BigInt(byte) << BigInt(8 * n);
    if (n === 0 || n === 1 || n === 3 || n === 7) {
      list.push({ bits: 8 * (n + 1), value });
    }
  }
  return list;
}

export class HexModel {
  /** @param {bigint} base @param {number} size */
  constructor(base, size) {
    this.base = base;
    this.size = size;
    this.bytes = new Uint8Array(size);
    this.known = new Uint8Array(size);
    this.changedAt = new Float64Array(size).fill(-Infinity);
  }

  /** @param {number} offset @returns {number | null} */
  get(offset) {
    return offset >= 0 && offset < this.size && this.known[offset] ? this.bytes[offset] : null;
  }

  /** Bytes have come. Returns how many differ from what was there. @param {number} offset @param {Uint8Array} bytes @param {number} now ms */
  put(offset, bytes, now) {
    let changed = 0;
    for (let i = 0; i < bytes.length && offset + i < this.size; i++) {
      const at = offset + i;
      if (this.known[at] && this.bytes[at] !== bytes[i]) {
        this.changedAt[at] = now;
        changed++;
      }
      this.bytes[at] = bytes[i];
      this.known[at] = 1;
    }
    return changed;
  }

  /** They cannot be read. @param {number} offset @param {number} len */
  lose(offset, len) {
    this.known.fill(0, offset, offset + len);
  }

  /** @param {number} offset @param {number} now */
  isChanged(offset, now) {
    return now - this.changedAt[offset] < CHANGED_MS;
  }

  /** The same window moved: what is in both is kept. @param {bigint} base @param {number} size */
  moved(base, size) {
    const next = new HexModel(base, size);
    const shift = base - this.base;
    if (shift < BigInt(this.size) && shift > -BigInt(size)) {
      const by = Number(shift);
      for (let i = 0; i < size; i++) {
        const from = i + by;
        if (from >= 0 && from < this.size) {
          next.bytes[i] = this.bytes[from];
          next.known[i] = this.known[from];
          next.changedAt[i] = this.changedAt[from];
        }
      }
    }
    return next;
  }
}
