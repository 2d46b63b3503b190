// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Links: what tb.explain tells of a block, as lines of four columns and what belongs together.
 *
 *   guest            ir (front end)   opt (after any step)       host
 *   g0  add a1,...   o1  add_i64      o1                         h0  add r13, r9     op 1
 *   g1  bne ...      o3  brcond       o3 ~ removed, rule, why    h1  cmp ...         ops 3 to 4 as one
 *
 * A line is named by its column's letter and a number: "g0" the instruction, "o1" the op (the same in both
 * columns of ops, since an op keeps its id through all passes), "h0" the host line. Nothing here knows of
 * the page, so all of it is tested without one.
 *
 * Invariants: between two columns links go both ways; a removed op is linked to its instruction and to no
 * host line.
 */

/**
 * @typedef {{name: string, hi: number, lo: number, bits: string, value: string, fixed: boolean}} Field
 * @typedef {{insn: number, pc: string, bytes: string, text: string, row?: string, fields: Field[]}} GuestInsn
 * @typedef {{id: number, insn: number, op: string, text: string, removed?: boolean, changed?: boolean,
 *            rule?: string, reason?: string}} StageOp
 * @typedef {{op: number, text: string, removed: boolean, rule?: string, reason?: string}} Step
 * @typedef {{temp: string, from: number | null, to: number | null, from_entry: boolean, to_exit: boolean}} Live
 * @typedef {{op: number | null, reg: string | null, temp: string, event: string, slot?: number}} RegNote
 * @typedef {{offset: number, bytes: string, text: string, op: number | null, insn: number | null, kind: string,
 *            last_op?: number, out_of_line?: boolean}} HostLine
 * @typedef {{op: number, kind: string, slot?: number, pc: string | null, to: string | null}} Exit
 * @typedef {{block: any, guest: GuestInsn[], stages: {name: string, ops: StageOp[]}[], steps: Step[],
 *            live: Live[], registers: RegNote[], host: HostLine[], exits: Exit[], identical: boolean,
 *            masked: {offset: number, size: number, why: string, to: string | null}[], doubt?: string,
 *            first_difference?: number, different_bytes?: number}} Explained
 */

/**
 * @typedef {{rule: string, reason: string, before: string, after: string, removed: boolean, pass: string}} Change
 * @typedef {{id: number, insn: number, text: string, removed: boolean, first: string, changes: Change[]}} OpState
 *   first: its text when it came to be
 * @typedef {{pass: string, kind: "start" | "rule" | "pass", op: number | null, rule: string, reason: string,
 *            ops: Map<number, OpState>, touched: Set<number>}} Frame
 *   op, rule, reason: of a frame of kind "rule"; touched: ids of what the step changed
 */

/** Ops that only mark where an instruction begins; they have no line of their own. */
const MARKER = "insn";

/** @param {Explained} e @param {(op: StageOp) => boolean} [keep] ids of ops in the order of the last stage */
export function opOrder(e, keep = (op) => op.op !== MARKER) {
  const last = e.stages[e.stages.length - 1];
  return last ? last.ops.filter(keep).map((op) => op.id) : [];
}

/* --- frames: the block's ops after each step -------------------------------------------------- */

/** @param {Frame} before @param {string} pass @returns {Frame} */
function nextFrame(before, pass) {
  return { pass, kind: "rule", op: null, rule: "", reason: "", ops: new Map(before.ops), touched: new Set() };
}

/** Makes an op anew in a frame. @param {Frame} f @param {{id: number, insn: number, text: string, removed: boolean, rule?: string, reason?: string}} now */
function change(f, now) {
  const old = f.ops.get(now.id);
  const rule = now.rule ?? "";
  const reason = now.reason ?? "";
  const changed = { rule, reason, before: old?.text ?? "", after: now.text, removed: now.removed, pass: f.pass };
  f.ops.set(now.id, {
    id: now.id,
    insn: now.insn,
    text: now.text,
    removed: now.removed,
    first: old?.first ?? now.text,
    changes: [...(old?.changes ?? []), changed],
  });
  f.touched.add(now.id);
  f.op = now.id;
  f.rule = rule;
  f.reason = reason;
}

/** The steps of one pass, rule by rule. @param {Frame} before @param {string} pass @param {StageOp[]} ops as the pass left them @param {Step[]} steps */
function ruleFrames(before, pass, ops, steps) {
  /** @type {Frame[]} */
  const out = [];
  const insnOf = new Map(ops.map((op) => [op.id, op.insn]));
  let at = before;
  for (const s of steps) {
    at = nextFrame(at, pass);
    change(at, { ...s, id: s.op, insn: insnOf.get(s.op) ?? 0 });
    out.push(at);
  }
  for (const op of ops) {
    const old = at.ops.get(op.id);
    const removed = !!op.removed;
    if (op.op !== MARKER && (!old || old.text !== op.text || old.removed !== removed)) {
      at = nextFrame(at, pass);
      change(at, { ...op, removed });
      out.push(at);
    }
  }
  return out;
}

/**
 * The ops before all passes, and after each rule that was applied. Rules are told by the first pass, the optimizer;
 * what the others did follows from comparing their results.
 * @param {Explained} e @returns {Frame[]}
 */
export function ruleSteps(e) {
  const [front, ...passes] = e.stages;
  if (!front) {
    return [];
  }
  /** @type {Frame} */
  const start = { pass: front.name, kind: "start", op: null, rule: "", reason: "", ops: new Map(), touched: new Set() };
  for (const op of front.ops) {
    if (op.op !== MARKER) {
      start.ops.set(op.id, { id: op.id, insn: op.insn, text: op.text, removed: !!op.removed, first: op.text, changes: [] });
    }
  }
  const frames = [start];
  passes.forEach((stage, i) => {
    const last = frames[frames.length - 1];
    frames.push(...ruleFrames(last, stage.name, stage.ops, i === 0 ? e.steps : []));
  });
  return frames;
}

/** The same pass by pass: the last frame of each. @param {Explained} e @param {Frame[]} rules of ruleSteps() @returns {Frame[]} */
export function passSteps(e, rules) {
  /** @type {Frame[]} */
  const out = [];
  for (const [i, stage] of e.stages.entries()) {
    const of = i ? rules.filter((f) => f.kind === "rule" && f.pass === stage.name) : [rules[0]];
    const ops = of[of.length - 1]?.ops ?? out[out.length - 1].ops;
    const touched = new Set(of.flatMap((f) => [...f.touched]));
    out.push({ pass: stage.name, kind: i ? "pass" : "start", op: null, rule: "", reason: "", ops, touched });
  }
  return out;
}

/** @typedef {{unit: "pass" | "rule", at: number, count: number, frame: Frame, all: boolean}} StepView */

/**
 * The step that a name means: "p1" after pass 1, "r7" after rule 7, else after all of them.
 * @param {Model} m @param {string} name @returns {StepView}
 */
export function stepView(m, name) {
  const unit = name[0] === "r" ? "rule" : "pass";
  const frames = unit === "rule" ? m.rules : m.passes;
  const last = frames.length - 1;
  const asked = /^[pr]\d+$/.test(name) ? Number(name.slice(1)) : last;
  const at = Math.max(0, Math.min(asked, last));
  return { unit, at, count: frames.length, frame: frames[at], all: !/^[pr]\d+$/.test(name) };
}

/** What is to be told of an op at a step: of the step alone, or of all of them. @param {StepView} view @param {number} id @returns {Change[]} */
export function changesAt(view, id) {
  const op = view.frame.ops.get(id);
  if (!op || (!view.all && !view.frame.touched.has(id))) {
    return [];
  }
  if (view.all) {
    return op.changes;
  }
  return view.unit === "rule" ? op.changes.slice(-1) : op.changes.filter((c) => c.pass === view.frame.pass);
}

/* --- lines and links -------------------------------------------------------------------------- */

/** @typedef {{e: Explained, order: number[], front: Set<number>, rules: Frame[], passes: Frame[], final: Frame,
 *             opsOfHost: number[][], hostOfOp: Map<number, number[]>, opsOfInsn: Map<number, number[]>,
 *             insnOf: Map<number, number>}} Model */

/** @param {Map<number, number[]>} map @param {number} key @param {number} value */
function push(map, key, value) {
  const list = map.get(key);
  list ? list.push(value) : map.set(key, [value]);
}

/** Ops that became one piece of host code: from `op` to `last_op`. @param {HostLine} h @param {StageOp[]} last */
function opsOfHostLine(h, last) {
  if (h.op === null) {
    return [];
  }
  const from = last.findIndex((op) => op.id === h.op);
  const to = h.last_op === undefined ? from : last.findIndex((op) => op.id === h.last_op);
  return last.slice(from, Math.max(from, to) + 1).filter((op) => !op.removed && op.op !== MARKER).map((op) => op.id);
}

/** @param {Explained} e @returns {Model} */
export function linkModel(e) {
  const rules = ruleSteps(e);
  const passes = passSteps(e, rules);
  const last = e.stages[e.stages.length - 1]?.ops ?? [];
  const insnOf = new Map(last.map((op) => [op.id, op.insn]));
  /** @type {Map<number, number[]>} */
  const opsOfInsn = new Map();
  for (const op of last) {
    op.op !== MARKER && push(opsOfInsn, op.insn, op.id);
  }
  const opsOfHost = e.host.map((h) => opsOfHostLine(h, last));
  /** @type {Map<number, number[]>} */
  const hostOfOp = new Map();
  opsOfHost.forEach((ops, i) => ops.forEach((id) => push(hostOfOp, id, i)));
  return {
    e,
    order: opOrder(e),
    front: new Set((e.stages[0]?.ops ?? []).filter((op) => op.op !== MARKER).map((op) => op.id)),
    rules,
    passes,
    final: rules[rules.length - 1],
    opsOfHost,
    hostOfOp,
    opsOfInsn,
    insnOf,
  };
}

/** Instructions that a host line comes from. @param {Model} m @param {number} i */
export function insnsOfHost(m, i) {
  const h = m.e.host[i];
  const ops = m.opsOfHost[i] ?? [];
  const insns = new Set(ops.map((id) => m.insnOf.get(id) ?? 0));
  if (h && h.insn !== null) {
    insns.add(h.insn);
  }
  return [...insns];
}

/** Host lines of an instruction. @param {Model} m @param {number} insn */
function hostOfInsn(m, insn) {
  return m.e.host.flatMap((_h, i) => (insnsOfHost(m, i).includes(insn) ? [i] : []));
}

/**
 * All lines that belong to one, that one among them.
 * @param {Model} m @param {string} line "g3", "o12" or "h7" @returns {Set<string>}
 */
export function linked(m, line) {
  const n = Number(line.slice(1));
  const out = new Set([line]);
  if (line[0] === "g") {
    (m.opsOfInsn.get(n) ?? []).forEach((id) => out.add(`o${id}`));
    hostOfInsn(m, n).forEach((i) => out.add(`h${i}`));
  } else if (line[0] === "o") {
    const insn = m.insnOf.get(n);
    insn !== undefined && out.add(`g${insn}`);
    (m.hostOfOp.get(n) ?? []).forEach((i) => out.add(`h${i}`));
  } else {
    insnsOfHost(m, n).forEach((i) => out.add(`g${i}`));
    (m.opsOfHost[n] ?? []).forEach((id) => out.add(`o${id}`));
    (m.opsOfHost[n] ?? []).flatMap((id) => m.hostOfOp.get(id) ?? []).forEach((i) => out.add(`h${i}`));
  }
  return out;
}

/** The lines of a column, in order. @param {Model} m @param {string} column guest, ir, opt, host */
export function columnLines(m, column) {
  switch (column) {
    case "guest":
      return m.e.guest.map((g) => `g${g.insn}`);
    case "ir":
      return m.order.filter((id) => m.front.has(id)).map((id) => `o${id}`);
    case "opt":
      return m.order.map((id) => `o${id}`);
    default:
      return m.e.host.map((_h, i) => `h${i}`);
  }
}

/** Numbers of the badges of a line: its instructions. @param {Model} m @param {string} line @returns {number[]} */
export function badges(m, line) {
  const n = Number(line.slice(1));
  if (line[0] === "g") {
    return [n];
  }
  return line[0] === "o" ? [m.insnOf.get(n) ?? 0] : insnsOfHost(m, n);
}

/**
 * Where an arrow key leads.
 * @param {Model} m @param {string} column @param {string} line @param {string} key ArrowUp, ArrowDown, ArrowLeft, ArrowRight, Home, End
 * @returns {{column: string, line: string} | null}
 */
export function arrow(m, column, line, key) {
  const columns = ["guest", "ir", "opt", "host"];
  const lines = columnLines(m, column);
  const at = lines.indexOf(line);
  const vertical = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: lines.length - 1 }[key];
  if (vertical !== undefined) {
    const to = lines[Math.min(Math.max(vertical, 0), lines.length - 1)];
    return to ? { column, line: to } : null;
  }
  const next = columns[columns.indexOf(column) + (key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0)];
  if (!next || next === column) {
    return null;
  }
  const belong = linked(m, line);
  const there = columnLines(m, next);
  const to = there.find((l) => belong.has(l)) ?? nearest(m, there, line);
  return to ? { column: next, line: to } : null;
}

/** The line of a column that comes from the same instruction, or from the one after it. @param {Model} m @param {string[]} there @param {string} line */
function nearest(m, there, line) {
  const insn = badges(m, line)[0] ?? 0;
  return there.find((l) => (badges(m, l)[0] ?? -1) >= insn) ?? there[there.length - 1];
}

/* --- live ranges ------------------------------------------------------------------------------ */

/**
 * @typedef {{temp: string, from: number, to: number, fromEntry: boolean, toExit: boolean, lane: number, whole: boolean}} Range
 *   from, to: indices in Model.order; whole: it only passes through
 */

/** The ranges on lanes so that none overlaps another; those that only pass through come last. @param {Model} m @returns {Range[]} */
export function lanes(m) {
  const index = new Map(m.order.map((id, i) => [id, i]));
  const at = markerIndex(m);
  /** @type {Range[]} */
  const ranges = m.e.live.map((l) => ({
    temp: l.temp,
    from: l.from === null ? 0 : (index.get(l.from) ?? at(l.from)),
    to: l.to === null ? m.order.length - 1 : (index.get(l.to) ?? at(l.to)),
    fromEntry: l.from_entry,
    toExit: l.to_exit,
    lane: 0,
    whole: l.from_entry && l.to_exit,
  }));
  ranges.sort((a, b) => Number(a.whole) - Number(b.whole) || a.from - b.from || a.to - b.to);
  /** @type {number[]} */
  const busy = [];
  for (const r of ranges) {
    let lane = busy.findIndex((end) => end < r.from);
    lane = lane < 0 ? busy.length : lane;
    busy[lane] = r.to;
    r.lane = lane;
  }
  return ranges;
}

/** An instruction's marker has no line: the line behind it. @param {Model} m */
function markerIndex(m) {
  const all = opOrder(m.e, () => true);
  const index = new Map(m.order.map((id, i) => [id, i]));
  return (/** @type {number} */ id) => {
    for (let i = all.indexOf(id); i >= 0 && i < all.length; i++) {
      const found = index.get(all[i]);
      if (found !== undefined) {
        return found;
      }
    }
    return Math.max(0, m.order.length - 1);
  };
}

/** What happens to registers at each op; `null` at entry. @param {Explained} e @returns {Map<number | null, RegNote[]>} */
export function notesByOp(e) {
  /** @type {Map<number | null, RegNote[]>} */
  const map = new Map();
  for (const n of e.registers) {
    const list = map.get(n.op);
    list ? list.push(n) : map.set(n.op, [n]);
  }
  return map;
}

/* --- the encoding ------------------------------------------------------------------------------ */

/** "13fcf403" in memory order is 0x03f4fc13. @param {string} bytes @returns {bigint} */
export function encoding(bytes) {
  const pairs = bytes.match(/../g) ?? [];
  return BigInt("0x" + (pairs.reverse().join("") || "0"));
}

/** Cells of the bit strip, high bits first: each with the bits it shows. @param {GuestInsn} g @returns {{name: string, hi: number, lo: number, digits: string, value: string, fixed: boolean}[]} */
export function bitStrip(g) {
  const code = encoding(g.bytes);
  return [...g.fields]
    .sort((a, b) => b.hi - a.hi)
    .map((f) => {
      const width = f.hi - f.lo + 1;
      const bits = (code >> BigInt(f.lo)) & ((1n << BigInt(width)) - 1n);
      return { name: f.name, hi: f.hi, lo: f.lo, digits: bits.toString(2).padStart(width, "0"), value: f.value, fixed: f.fixed };
    });
}
