// SPDX-License-Identifier: MIT
// @ts-check
/**
 * DOM: elements in one expression. Text becomes text nodes, always: what a guest writes is never markup.
 */

/** @typedef {Node | string | number | null | undefined | false | any[]} Child */

const SVG = "http://www.w3.org/2000/svg";

/** @param {Element} node @param {Record<string, any>} props */
export function setProps(node, props) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (name === "style") {
      Object.assign(/** @type {any} */ (node).style, value);
    } else if (value === true) {
      node.setAttribute(name, "");
    } else if (value === false || value === null || value === undefined) {
      node.removeAttribute(name);
    } else {
      node.setAttribute(name, String(value));
    }
  }
}

/** @param {Element} node @param {Child[]} children */
export function append(node, children) {
  for (const child of children) {
    if (Array.isArray(child)) {
      append(node, child);
    } else if (child !== null && child !== undefined && child !== false) {
      node.append(child instanceof Node ? child : String(child));
    }
  }
}

/**
 * h("button", {class: "primary", onclick: go, disabled: false}, "Go")
 * @param {string} tag @param {Record<string, any> | null} [props] @param {...Child} children
 * @returns {HTMLElement}
 */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  setProps(node, props ?? {});
  append(node, children);
  return node;
}

/** The same for SVG. @param {string} tag @param {Record<string, any> | null} [props] @param {...Child} children @returns {SVGElement} */
export function s(tag, props, ...children) {
  const node = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  setProps(node, props ?? {});
  append(node, children);
  return node;
}

/** Empties a node and fills it anew. @param {Element} node @param {...Child} children */
export function clear(node, ...children) {
  node.replaceChildren();
  append(node, children);
}

/** @param {EventTarget} target @param {string} name @param {(e: any) => void} fn @returns {() => void} */
export function on(target, name, fn) {
  target.addEventListener(name, fn);
  return () => target.removeEventListener(name, fn);
}

/** True if keys go into a field or a terminal, not to the page. @param {EventTarget | null} target */
export function takesText(target) {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || !!target.closest("input:not([type=checkbox],[type=radio],[type=range]),textarea,select,.xterm"))
  );
}
