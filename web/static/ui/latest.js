// SPDX-License-Identifier: MIT
// @ts-check
/** Latest: asks again when something changed, one question at a time; what changed meanwhile is asked for after it. */

/** @param {() => Promise<any>} ask its failures are its own affair @returns {() => Promise<void>} */
export function latest(ask) {
  let busy = false;
  let again = false;
  return async function run() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      do {
        again = false;
        await ask();
      } while (again);
    } finally {
      busy = false;
    }
  };
}
