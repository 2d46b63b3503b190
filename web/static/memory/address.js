// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Addresses as people write them: "0x80200000", "8020a000", "sp + 16", "pc - 4 * 2".
 *
 *   expression  = product { ("+" | "-") product }
 *   product     = atom { "*" atom }
 *   atom        = register | number | "(" expression ")" | "-" atom
 *   number      = 0x.. (also in groups of four: 0x8020 0000) | decimal | hexadecimal with a letter in it
 *
 * A register's name wins over a number of the same letters (a0). Values wrap at 64 bits.
 */

export class AddressError extends Error {
  /** @param {string} key of the message @param {string} [what] the text it is about */
  constructor(key, what = "") {
    super(what ? `${key}: ${what}` : key);
    this.key = key;
    this.what = what;
  }
}

const MASK = (1n << 64n) - 1n;
const DEPTH = 20;
const TOKEN = /\s*(?:(0[xX][0-9a-fA-F][0-9a-fA-F_]*(?:[ \u202f\u2009][0-9a-fA-F]{4}(?![0-9a-zA-Z_]))*)|([0-9A-Za-z_.]+)|([-+*()]))/y;

/** @param {string} text @returns {string[]} */
function tokens(text) {
  /** @type {string[]} */
  const list = [];
  TOKEN.lastIndex = 0;
  const end = text.trimEnd().length;
  while (TOKEN.lastIndex < end) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) {
      throw new AddressError("address.strange", text.slice(at).trim()[0]);
    }
    list.push(match[1]?.replace(/[_ \u202f\u2009]/g, "") ?? match[2] ?? match[3]);
  }
  return list;
}

/** @param {string} word @param {Map<string, bigint>} regs */
function atomValue(word, regs) {
  const reg = regs.get(word.toLowerCase());
  if (reg !== undefined) {
    return reg;
  }
  const plain = word.replaceAll("_", "");
  if (/^0[xX][0-9a-fA-F]+$/.test(plain) || /^[0-9]+$/.test(plain)) {
    return BigInt(plain);
  }
  if (/^[0-9a-fA-F]+$/.test(plain)) {
    return BigInt("0x" + plain);
  }
  throw new AddressError("address.unknown", word);
}

/**
 * The value of an expression. Throws AddressError.
 * @param {string} text
 * @param {Map<string, bigint>} [regs] values by lower-case name
 * @returns {bigint} 0 .. 2^64 - 1
 */
export function parseAddress(text, regs = new Map()) {
  const list = tokens(text);
  if (!list.length) {
    throw new AddressError("address.empty");
  }
  let at = 0;
  let depth = 0;

  /** @returns {bigint} */
  function atom() {
    const word = list[at++];
    if (word === undefined) {
      throw new AddressError("address.unfinished");
    }
    if (++depth > DEPTH) {
      throw new AddressError("address.deep");
    }
    let value;
    if (word === "-") {
      value = -atom();
    } else if (word === "(") {
      value = sum();
      if (list[at++] !== ")") {
        throw new AddressError("address.paren");
      }
    } else if (/^[+*)]$/.test(word)) {
      throw new AddressError("address.strange", word);
    } else {
      value = atomValue(word, regs);
    }
    depth--;
    return value;
  }

  function product() {
    let value = atom();
    while (list[at] === "*") {
      at++;
      value = (value * atom()) & MASK;
    }
    return value;
  }

  function sum() {
    let value = product();
    while (list[at] === "+" || list[at] === "-") {
      const minus = list[at++] === "-";
      const right = product();
      value = minus ? value - right : value + right;
    }
    return value;
  }

  const value = sum();
  if (at < list.length) {
    throw new AddressError("address.strange", list[at]);
  }
  return value & MASK;
}

/** Does the text name an address in decimal that somebody may have meant in hexadecimal? @param {string} text */
export function looksDecimal(text) {
  return /^\s*[0-9]{6,}\s*$/.test(text) && !/^\s*0x/i.test(text);
}

/**
 * Register values by name, out of the answer of cpu.regs.
 * @param {Record<string, any>} answer
 * @returns {Map<string, bigint>}
 */
export function registersOf(answer) {
  /** @type {Map<string, bigint>} */
  const map = new Map();
  for (const group of Object.values(answer)) {
    if (group === null || typeof group !== "object" || Array.isArray(group)) {
      continue;
    }
    for (const [name, value] of Object.entries(group)) {
      if (typeof value === "string" && /^0x[0-9a-f]+$/.test(value)) {
        map.set(name.toLowerCase(), BigInt(value));
      }
    }
  }
  return map;
}

/** @param {bigint} v */
export function hexOf(v) {
  return "0x" + (v & MASK).toString(16);
}
