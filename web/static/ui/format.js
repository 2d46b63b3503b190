// SPDX-License-Identifier: MIT
// @ts-check
/** Format: numbers as people read them. Each takes a number, a bigint, or a hex string of the wire. */

/** @typedef {number | bigint | string} Num */

/** @param {Num} v */
const toNumber = (v) => (typeof v === "number" ? v : Number(BigInt(v)));
const STEP = 1000;
const SUFFIX = ["", " k", " M", " G", " T", " P", " E"];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** @param {number} n @param {number} digits */
function short(n, digits) {
  const text = n.toPrecision(digits);
  return text.includes("e") || !text.includes(".") ? String(Number(text)) : text.replace(/\.?0+$/, "");
}

export const fmt = {
  /** 1234567 -> "1.23 M" @param {Num} v */
  count(v) {
    let n = toNumber(v);
    let i = 0;
    while (Math.abs(n) >= STEP && i < SUFFIX.length - 1) {
      n /= STEP;
      i++;
    }
    return i ? short(n, 3) + SUFFIX[i] : String(Math.round(n * 100) / 100);
  },
  /** 1234567 -> "1,234,567" @param {Num} v */
  exact(v) {
    return BigInt(v).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  },
  /** 4096 -> "4 KiB" @param {Num} v */
  bytes(v) {
    let n = toNumber(v);
    let i = 0;
    while (n >= 1024 && i < BINARY.length - 1) {
      n /= 1024;
      i++;
    }
    return `${short(n, 4)} ${BINARY[i]}`;
  },
  /** per second @param {Num} v */
  rate(v) {
    return fmt.count(v) + "/s";
  },
  /** nanoseconds -> "1.5 ms" @param {Num} v */
  ns(v) {
    const n = toNumber(v);
    const units = [["s", 1e9], ["ms", 1e6], ["µs", 1e3]];
    for (const [unit, scale] of units) {
      if (Math.abs(n) >= /** @type {number} */ (scale)) {
        return `${short(n / /** @type {number} */ (scale), 3)} ${unit}`;
      }
    }
    return `${n} ns`;
  },
  /** "0xffffffff80001234" -> "ffffffff_80001234"; short ones have eight digits @param {Num} v */
  addr(v) {
    const digits = BigInt(v).toString(16);
    if (digits.length <= 8) {
      return digits.padStart(8, "0");
    }
    const long = digits.padStart(16, "0");
    return long.slice(0, 8) + "_" + long.slice(8);
  },
  /** a share of one -> "12.3 %" @param {number} v */
  percent(v) {
    return `${v !== 0 && Math.abs(v) < 0.001 ? "<0.1" : short(v * 100, 3)} %`;
  },
};
