// SPDX-License-Identifier: MIT
// @ts-check
/**
 * The model of a page-table walk as it is shown: which bits of the address are whose, and what each
 * bit of an entry says. Knows the formats (RISC-V privileged manual, "Sv32" ... "Sv57"); what was
 * decided comes from mmu.walk.
 *
 *   Sv39   | 63..39 copies of bit 38 | 38..30 VPN[2] | 29..21 VPN[1] | 20..12 VPN[0] | 11..0 offset |
 */

/**
 * @typedef {{name: string, high: number, low: number, level: number, colour: number,
 *            kind: "sign" | "index" | "offset"}} Slice
 * @typedef {{name: string, high: number, low: number, value: bigint, key: string}} PteField
 * @typedef {{level: number, index: number, pte_addr: string, pmp_entry: number | null, verdict: string,
 *            why: string, pte?: string, bits?: string}} Level
 * @typedef {{addr: string, mode: string, as: string, levels: Level[], ok: boolean, reason: string,
 *            why: string, root?: string, phys?: string, rights?: string, size?: string,
 *            global?: boolean, would_set?: string,
 *            region?: {name: string | null, kind: string, offset: string},
 *            pmp?: {entry: number | null, rights: string},
 *            fault?: {cause: number, name: string}}} Walk
 * @typedef {{kind: "satp" | "canonical" | "level" | "result" | "fault", at: number}} Step
 */

const PAGE_BITS = 12;

/** Levels and bits of an index; null: bare. @param {string} mode "Sv39", "bare" */
export function modeShape(mode) {
  const match = /^Sv(32|39|48|57)$/.exec(mode);
  if (!match) {
    return null;
  }
  const bits = Number(match[1]);
  const index = bits === 32 ? 10 : 9;
  return { bits, index, levels: (bits - PAGE_BITS) / index, pte: bits === 32 ? 4 : 8, xlen: bits === 32 ? 32 : 64 };
}

/**
 * The virtual address cut into its parts, highest first. Of a superpage the indices below the leaf
 * belong to the offset.
 * @param {string} mode @param {number} [leaf] level of the leaf
 * @returns {Slice[]}
 */
export function slicesOf(mode, leaf = 0) {
  const shape = modeShape(mode);
  if (!shape) {
    return [{ name: "address", high: 63, low: 0, level: -1, colour: 7, kind: "offset" }];
  }
  /** @type {Slice[]} */
  const slices = [];
  if (shape.xlen > shape.bits) {
    slices.push({ name: "sign", high: shape.xlen - 1, low: shape.bits, level: -1, colour: 7, kind: "sign" });
  }
  for (let level = shape.levels - 1; level >= leaf; level--) {
    const low = PAGE_BITS + level * shape.index;
    slices.push({
      name: `VPN[${level}]`, high: low + shape.index - 1, low, level,
      colour: shape.levels - 1 - level, kind: "index",
    });
  }
  const top = PAGE_BITS + leaf * shape.index;
  slices.push({ name: "offset", high: top - 1, low: 0, level: -1, colour: 6, kind: "offset" });
  return slices;
}

/** Bits high..low of a value. @param {bigint} value @param {number} high @param {number} low */
export function bitsOf(value, high, low) {
  return (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
}

const FLAGS = ["V", "R", "W", "X", "U", "G", "A", "D"];

/** Is an entry one that points to the next table? @param {bigint} pte */
export function isPointer(pte) {
  return (pte & 1n) !== 0n && (pte & 0xen) === 0n;
}

/**
 * The fields of an entry, highest first; `key` names the sentence that explains the value it has.
 * @param {bigint} pte @param {boolean} wide 64 bits (Sv39 and up)
 * @returns {PteField[]}
 */
export function pteFields(pte, wide) {
  const pointer = isPointer(pte);
  /** @type {PteField[]} */
  const fields = [];
  const add = (/** @type {string} */ name, /** @type {number} */ high, /** @type {number} */ low,
    /** @type {(v: bigint) => string} */ key) => {
    const value = bitsOf(pte, high, low);
    fields.push({ name, high, low, value, key: `pte.${key(value)}` });
  };
  if (wide) {
    add("N", 63, 63, (v) => (v ? "N1" : "N0"));
    add("PBMT", 62, 61, (v) => `PBMT${v}`);
    add("0", 60, 54, (v) => (v ? "reserved1" : "reserved0"));
  }
  add("PPN", wide ? 53 : 31, 10, () => (pte & 1n ? (pointer ? "PPN.pointer" : "PPN.leaf") : "PPN.invalid"));
  add("RSW", 9, 8, () => "RSW");
  for (let bit = FLAGS.length - 1; bit >= 0; bit--) {
    const name = FLAGS[bit];
    const upper = pointer && "ADU".includes(name);
    add(name, bit, bit, (v) => (upper ? `${name}${v}.pointer` : `${name}${v}`));
  }
  return fields;
}

/**
 * The steps to go through, in order.
 * @param {Walk} walk
 * @returns {Step[]}
 */
export function stepsOf(walk) {
  /** @type {Step[]} */
  const steps = [{ kind: "satp", at: 0 }];
  if (walk.reason === "not-canonical") {
    steps.push({ kind: "canonical", at: 0 });
  }
  walk.levels.forEach((_, at) => steps.push({ kind: "level", at }));
  steps.push({ kind: walk.ok ? "result" : "fault", at: 0 });
  return steps;
}

/** The level at which the walk found a page; 0 if it found none. @param {Walk} walk */
export function leafLevel(walk) {
  const last = walk.levels[walk.levels.length - 1];
  const leaf = last?.pte !== undefined && (BigInt(last.pte) & 1n) !== 0n && !isPointer(BigInt(last.pte));
  return leaf ? last.level : 0;
}

/**
 * What the address of an entry is made of.
 * @param {Walk} walk @param {number} at index in walk.levels
 */
export function entryAddress(walk, at) {
  const shape = modeShape(walk.mode);
  const level = walk.levels[at];
  const size = BigInt(shape?.pte ?? 8);
  const offset = BigInt(level.index) * size;
  return { table: BigInt(level.pte_addr) - offset, index: level.index, size, offset };
}
