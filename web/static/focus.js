// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Focus: the one thing all panels look at, and where it is kept: the URL.
 *
 *   #ws=translate&block=0x1f2&cpu=1&memory.zoom=3
 *    |            '-- focus fields --'  '-- view state: a panel's own, by its name
 *    '-- workspace
 *
 * So a link names what its sender saw, and the browser's back button goes to the last focus.
 * Values are as on the wire: addresses, ids and counts are hex strings.
 */

/**
 * @typedef {{cpu: number, addr?: string, phys?: string, block?: string, insn?: number, op?: number,
 *            count?: string, dev?: string}} FocusState
 * @typedef {{cpu?: number | null, addr?: string | null, phys?: string | null, block?: string | null,
 *            insn?: number | null, op?: number | null, count?: string | null, dev?: string | null}} FocusPatch
 */

const NUMBERS = new Set(["cpu", "insn", "op"]);
const FIELDS = ["cpu", "addr", "phys", "block", "insn", "op", "count", "dev"];
/* A new one of these is a place one may want to come back to. */
const PLACES = new Set(["ws", "addr", "phys", "block", "count", "dev"]);

/** The hash, as a map that tells who listens. */
export class Place extends EventTarget {
  /** @param {{hash: string}} where @param {{pushState: Function, replaceState: Function}} past */
  constructor(where = location, past = history) {
    super();
    this.where = where;
    this.past = past;
    this.fields = new URLSearchParams(where.hash.slice(1));
  }

  /** The browser went to another place. */
  reread() {
    const before = this.fields;
    this.fields = new URLSearchParams(this.where.hash.slice(1));
    const names = new Set([...before.keys(), ...this.fields.keys()]);
    this.tell([...names].filter((n) => before.get(n) !== this.fields.get(n)));
  }

  /** @param {string} name */
  get(name) {
    return this.fields.get(name);
  }

  /** @param {Record<string, string | null>} patch null: the field goes @param {boolean} [instead] of the present place in the browser's history */
  set(patch, instead = false) {
    const changed = Object.keys(patch).filter((n) => this.fields.get(n) !== patch[n]);
    if (!changed.length) {
      return;
    }
    for (const name of changed) {
      const value = patch[name];
      value === null ? this.fields.delete(name) : this.fields.set(name, value);
    }
    const url = "#" + this.fields;
    if (!instead && changed.some((n) => PLACES.has(n))) {
      this.past.pushState(null, "", url);
    } else {
      this.past.replaceState(null, "", url);
    }
    this.tell(changed);
  }

  /** @param {string[]} changed */
  tell(changed) {
    if (changed.length) {
      this.dispatchEvent(new CustomEvent("change", { detail: changed }));
    }
  }

  /** @param {(changed: string[]) => void} fn @returns {() => void} */
  on(fn) {
    /** @param {Event} e */
    const listener = (e) => fn(/** @type {CustomEvent} */ (e).detail);
    this.addEventListener("change", listener);
    return () => this.removeEventListener("change", listener);
  }
}

export class Focus {
  /** @param {Place} place */
  constructor(place) {
    this.place = place;
  }

  /** @returns {FocusState} */
  get() {
    /** @type {any} */
    const out = { cpu: 0 };
    for (const name of FIELDS) {
      const value = this.place.get(name);
      if (value !== null) {
        out[name] = NUMBERS.has(name) ? Number(value) : value;
      }
    }
    return out;
  }

  /** Merges: null takes a field away, and a new block takes its instruction and op along. @param {FocusPatch} patch @param {boolean} [instead] see Place.set */
  set(patch, instead = false) {
    /** @type {Record<string, string | null>} */
    const fields = {};
    if (patch.block !== undefined && patch.block !== this.place.get("block")) {
      fields.insn = null;
      fields.op = null;
    }
    for (const [name, value] of Object.entries(patch)) {
      fields[name] = value === null || value === undefined ? null : String(value);
    }
    this.place.set(fields, instead);
  }

  /** @param {(focus: FocusState, changed: Set<string>) => void} fn @returns {() => void} */
  on(fn) {
    return this.place.on((changed) => {
      const mine = changed.filter((n) => FIELDS.includes(n));
      if (mine.length) {
        fn(this.get(), new Set(mine));
      }
    });
  }
}

/**
 * A string of view state. @param {Place} place @param {string} name "panel.what" @param {string} initial
 */
export function viewState(place, name, initial) {
  return {
    get: () => place.get(name) ?? initial,
    /** @param {string} value */
    set: (value) => place.set({ [name]: value === initial ? null : value }),
    /** @param {(value: string) => void} fn @returns {() => void} */
    on: (fn) => place.on((changed) => changed.includes(name) && fn(place.get(name) ?? initial)),
  };
}
