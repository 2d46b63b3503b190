// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Table: rows that are updated in place, so that what one looks at stays where it is.
 *
 *   const t = table({columns: [{key: "pc", title: "PC"}, {key: "runs", title: "Runs", num: true}],
 *                    rowKey: (r) => r.id, onrow: (r) => ...});
 *   root.append(t.root); t.update(rows);
 *
 * With `onrow` rows can be chosen: by mouse, by up, down, Home, End, and Enter or Space.
 */
import { append, clear, h } from "./dom.js";

/**
 * @typedef {{key: string, title: string, explain?: string, num?: boolean, mono?: boolean,
 *            render?: (value: any, row: any) => import("./dom.js").Child}} Column
 * @typedef {{columns: Column[], rowKey?: (row: any, index: number) => string, onrow?: (row: any) => void,
 *            selected?: (row: any) => boolean, label?: string, empty?: string}} TableOptions
 */

/** @param {Column} c */
function cellClass(c) {
  return [c.num && "num", c.mono && "mono"].filter(Boolean).join(" ") || null;
}

/** @param {HTMLElement} cell @param {Column} c @param {any} row */
function fillCell(cell, c, row) {
  const value = row[c.key];
  const child = c.render ? c.render(value, row) : value;
  if (child instanceof Node || Array.isArray(child)) {
    clear(cell, child);
    return;
  }
  const text = child === null || child === undefined || child === false ? "" : String(child);
  if (cell.textContent !== text || cell.firstElementChild) {
    cell.textContent = text;
  }
}

/** @param {TableOptions} options */
export function table(options) {
  const { columns, onrow, selected } = options;
  const rowKey = options.rowKey ?? ((_row, i) => String(i));
  const body = h("tbody");
  const head = columns.map((c) =>
    h("th", { scope: "col", class: cellClass(c), title: c.explain, "aria-description": c.explain }, c.title),
  );
  const none = h("p", { class: "dim empty", hidden: true }, options.empty ?? "");
  const grid = h("table", { "aria-label": options.label }, h("thead", null, h("tr", null, head)), body);
  const root = h("div", { class: "table", tabindex: onrow ? null : "0", role: "region", "aria-label": options.label ?? "table" }, grid, none);
  /** @type {Map<string, {node: HTMLElement, row: any}>} */
  let shown = new Map();

  /** @param {any} row */
  const make = (row) => {
    const node = h("tr", onrow ? { tabindex: "-1", class: "choose" } : null, columns.map((c) => h("td", { class: cellClass(c) })));
    return { node, row };
  };

  /** @param {HTMLElement | null} node */
  const move = (node) => {
    if (node) {
      for (const r of body.children) {
        r.setAttribute("tabindex", "-1");
      }
      node.setAttribute("tabindex", "0");
      node.focus();
    }
  };

  /** @param {EventTarget | null} target */
  const rowOf = (target) => {
    const node = target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest("tbody > tr")) : null;
    return node && [...shown.values()].find((r) => r.node === node);
  };

  if (onrow) {
    body.addEventListener("click", (e) => {
      const r = rowOf(e.target);
      r && onrow(r.row);
    });
    body.addEventListener("keydown", (e) => {
      const r = rowOf(e.target);
      if (!r || (e.target !== r.node && (e.key === "Enter" || e.key === " "))) {
        return; /* a button in a cell */
      }
      const to = {
        ArrowDown: r.node.nextElementSibling,
        ArrowUp: r.node.previousElementSibling,
        Home: body.firstElementChild,
        End: body.lastElementChild,
      }[e.key];
      if (to !== undefined) {
        e.preventDefault();
        move(/** @type {HTMLElement | null} */ (to));
      } else if (e.key === "Enter" || e.key === " ") {
        e.preventDefault();
        onrow(r.row);
      }
    });
  }

  /** @param {any[]} rows */
  const update = (rows) => {
    /** @type {typeof shown} */
    const next = new Map();
    rows.forEach((row, i) => {
      const key = rowKey(row, i);
      const r = shown.get(key) ?? make(row);
      r.row = row;
      columns.forEach((c, n) => fillCell(/** @type {HTMLElement} */ (r.node.children[n]), c, row));
      if (selected) {
        const is = selected(row);
        r.node.classList.toggle("sel", is);
        is ? r.node.setAttribute("aria-current", "true") : r.node.removeAttribute("aria-current");
      }
      next.set(key, r);
    });
    for (const [key, r] of shown) {
      next.has(key) || r.node.remove();
    }
    let at = body.firstElementChild;
    for (const r of next.values()) {
      if (r.node !== at) {
        body.insertBefore(r.node, at);
      } else {
        at = at.nextElementSibling;
      }
    }
    shown = next;
    none.hidden = rows.length > 0;
    if (onrow && !body.querySelector("tr[tabindex='0']")) {
      body.firstElementChild?.setAttribute("tabindex", "0");
    }
  };

  /** Another heading. @param {string} key of the column @param {string} text */
  const title = (key, text) => {
    const cell = head[columns.findIndex((c) => c.key === key)];
    cell && (cell.textContent = text);
  };

  return { root, update, title };
}

/** A table that is made once: the twin of a canvas. @param {{columns: string[], rows: any[][]}} twin @param {string} label */
export function plainTable(twin, label) {
  const body = h("tbody");
  for (const row of twin.rows) {
    append(body, [h("tr", null, row.map((v) => h("td", { class: typeof v === "number" ? "num" : null }, v)))]);
  }
  return h(
    "div",
    { class: "table twin", tabindex: "0", role: "region", "aria-label": label },
    h("table", { "aria-label": label }, h("thead", null, h("tr", null, twin.columns.map((c) => h("th", { scope: "col" }, c)))), body),
  );
}
