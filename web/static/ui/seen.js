// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Seen: something that goes on only while it can be seen: what is scrolled out of view asks nothing of the machine.
 */

/**
 * @param {Element} node
 * @param {() => void} begin when it comes into view @param {() => void} end when it leaves it
 * @returns {() => void} ends it for good
 */
export function whileSeen(node, begin, end) {
  let seen = false;
  const set = (/** @type {boolean} */ is) => {
    if (is !== seen) {
      seen = is;
      is ? begin() : end();
    }
  };
  const watch = new IntersectionObserver((entries) => set(entries[entries.length - 1].isIntersecting));
  watch.observe(node);
  return () => {
    watch.disconnect();
    set(false);
  };
}
