// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Regions: the answers of mem.tree, mem.flatview and mem.resolve brought together.
 *
 *   tree     system > ram (block "ram")          flat view   0x80000000..0x9fffffff  ram + 0
 *   block "ram", byte 0x1000  -->  physical 0x80001000
 */

/**
 * @typedef {{name: string, kind: string, addr: string, size: string, priority: number, enabled: boolean,
 *            owner: string | null, block?: string, children?: Region[],
 *            target?: {name: string, offset: string}}} Region
 * @typedef {{id: string, node: Region, depth: number, parent: string | null, children: string[]}} TreeRow
 * @typedef {{offset: bigint, first: bigint, last: bigint}} BlockPart
 * @typedef {{name: string, kind: string, depth: number, offset: string, verdict: string, why: string,
 *            priority: number}} PathStep
 */

/** The tree as rows, parents before children. @param {Region} tree @returns {TreeRow[]} */
export function treeRows(tree) {
  /** @type {TreeRow[]} */
  const rows = [];
  const visit = (/** @type {Region} */ node, /** @type {TreeRow | null} */ parent, /** @type {number} */ at) => {
    const id = parent ? `${parent.id}.${at}` : "0";
    /** @type {TreeRow} */
    const row = { id, node, depth: parent ? parent.depth + 1 : 0, parent: parent?.id ?? null, children: [] };
    parent?.children.push(id);
    rows.push(row);
    node.children?.forEach((child, i) => visit(child, row, i));
  };
  visit(tree, null, 0);
  return rows;
}

/**
 * The row of each step of a path; undefined: the step is not in the tree (what an alias shows).
 * @param {TreeRow[]} rows @param {bigint} addr @param {PathStep[]} path
 */
export function rowsOfPath(rows, addr, path) {
  return path.map((step) => {
    const base = addr - BigInt(step.offset);
    return rows.find((r) => r.node.name === step.name && BigInt(r.node.addr) === base && r.node.kind === step.kind);
  });
}

/**
 * Where the bytes of each block of RAM are in physical memory.
 * @param {TreeRow[]} rows @param {{first: string, last: string, region: string, offset: string, ram: boolean}[]} ranges
 * @returns {Map<string, BlockPart[]>}
 */
export function blockParts(rows, ranges) {
  /** @type {Map<string, BlockPart[]>} */
  const map = new Map();
  for (const { node } of rows) {
    if (!node.block || map.has(node.block)) {
      continue;
    }
    const parts = ranges.filter((r) => r.ram && r.region === node.name);
    map.set(node.block, parts.map((r) => ({ offset: BigInt(r.offset), first: BigInt(r.first), last: BigInt(r.last) })));
  }
  return map;
}

/** The physical address of a byte of a block; null: it is nowhere now. @param {BlockPart[]} parts @param {bigint} offset */
export function physOf(parts, offset) {
  const part = parts.find((p) => offset >= p.offset && offset - p.offset <= p.last - p.first);
  return part ? part.first + (offset - part.offset) : null;
}

/** The byte of a block at a physical address; null: none. @param {BlockPart[]} parts @param {bigint} phys */
export function offsetOf(parts, phys) {
  const part = parts.find((p) => phys >= p.first && phys <= p.last);
  return part ? part.offset + (phys - part.first) : null;
}
