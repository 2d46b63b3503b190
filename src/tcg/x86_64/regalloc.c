/* SPDX-License-Identifier: MIT */
/*
 * Register allocation in one pass, as code is emitted.
 *
 *   temp            home                      in a register
 *   pinned global   its host register         always
 *   other global    its slot in env           loaded on demand, stored late ("dirty")
 *   local           a stack slot if evicted   from birth to death
 *   constant        the instruction           when it does not fit there
 *
 * A backward scan notes for each operand which op reads the temp next, so eviction drops
 * the value that is wanted last (Belady), and an operand that is not wanted again can
 * stay in memory.
 *
 * Invariants: ts[t].reg == r exactly when reg_temp[r] == t, for temp registers in `used`;
 * a clean register agrees with its temp's home.
 */
#include <assert.h>

#include "tcg/x86_64/gen.h"

const uint8_t pinned_regs[PINNED_MAX] = {RBX, R8, R9, R10, R11, R12, R13, R14, R15};

const uint8_t op_in_count[IR_OPCODE_COUNT] = {
#define OP(id, text, outs, ins, flags, meaning) ins,
#include "tcg/ops.def"
#undef OP
};
static const uint8_t op_outs[IR_OPCODE_COUNT] = {
#define OP(id, text, outs, ins, flags, meaning) outs,
#include "tcg/ops.def"
#undef OP
};

/* Fills next[]: for each operand, the op that reads the same temp next. A call empties
 * the registers and a label forgets them, so what is read behind them is no reason to
 * keep one. */
static void scan_next_uses(X86Gen *g) {
    const IrContext *ctx = g->ctx;
    unsigned barrier = NEXT_NEVER - 1;
    for (unsigned i = ctx->op_count; i-- > 0;) {
        const IrOp *op = &ctx->ops[i];
        if (op->removed) {
            continue;
        }
        NextUse *n = &g->next[i];
        unsigned ins = op_in_count[op->opcode];
        if (op_outs[op->opcode] && op->out != TEMP_NONE) {
            TempState *ts = &g->ts[op->out];
            n->out = ts->next <= barrier ? ts->next : NEXT_NEVER;
            ts->next = NEXT_NEVER;
        }
        for (unsigned k = 0; k < ins; k++) {
            if (op->in[k] != TEMP_NONE) {
                uint16_t next = g->ts[op->in[k]].next;
                n->in[k] = next <= barrier ? next : NEXT_NEVER;
            }
        }
        for (unsigned k = 0; k < ins; k++) {
            if (op->in[k] != TEMP_NONE) {
                g->ts[op->in[k]].next = (uint16_t)i;
            }
        }
        if (op->opcode == IR_label || op->opcode == IR_call) {
            barrier = i;
        } else if (op->opcode == IR_br || op->opcode == IR_brcond) {
            g->label_refs[op->imm]++;
        }
    }
}

void ra_begin(X86Gen *g) {
    unsigned globals = g->priv->global_count, count = g->ctx->temp_count;
    memcpy(g->ts, g->priv->initial, globals * sizeof(g->ts[0]));
    for (unsigned t = globals; t < count; t++) {
        g->ts[t] = (TempState){.reg = REG_NONE, .next = NEXT_NEVER, .slot = -1};
    }
    g->used = g->dirty = g->locked = 0;
    memset(g->slots, 0, sizeof(g->slots));
    for (unsigned i = 0; i < g->priv->pinned_count; i++) {
        g->reg_temp[pinned_regs[i]] = g->priv->pinned[i];
    }
    memset(g->label_refs, 0, g->ctx->label_count * sizeof(g->label_refs[0]));
    scan_next_uses(g);
}

/* --- homes -------------------------------------------------------------------- */

static Opnd home(X86Gen *g, TempId t) {
    const IrTemp *temp = &g->temps[t];
    if (temp->kind == TEMP_GLOBAL) {
        return (Opnd){OPND_MEM, RBP, env_disp(temp->env_offset)};
    }
    return (Opnd){OPND_MEM, RSP, g->ts[t].slot * 8};
}

static int slot_alloc(X86Gen *g) {
    for (unsigned i = 0; i < SPILL_SLOTS / 64; i++) {
        if (~g->slots[i]) {
            unsigned b = (unsigned)__builtin_ctzll(~g->slots[i]);
            g->slots[i] |= 1ull << b;
            return (int)(i * 64 + b);
        }
    }
    g->failed = true;
    return 0;
}

static void slot_free(X86Gen *g, TempId t) {
    int slot = g->ts[t].slot;
    if (slot >= 0) {
        g->slots[slot / 64] &= ~(1ull << (slot & 63));
        g->ts[t].slot = -1;
    }
}

static void store_home(X86Gen *g, unsigned reg, TempId t) {
    const IrTemp *temp = &g->temps[t];
    unsigned type = temp->type;
    if (temp->kind != TEMP_GLOBAL) {
        if (g->ts[t].slot < 0) {
            g->ts[t].slot = (int16_t)slot_alloc(g);
        }
        type = reg >= XMM0 ? IR_F64 : IR_I64;
    }
    Opnd h = home(g, t);
    uint32_t opc = type == IR_I64   ? X_MOV_MR | X_W
                   : type == IR_I32 ? X_MOV_MR
                   : type == IR_F64 ? 0xd6 | X_66 | X_0F
                                    : 0x11 | X_F3 | X_0F;
    emit_rm(&g->e, opc, reg, h.reg, h.val);
}

void ra_load(X86Gen *g, unsigned reg, TempId t) {
    const IrTemp *temp = &g->temps[t];
    unsigned from = g->ts[t].reg;
    bool fp = type_is_fp(temp->type);
    if (from != REG_NONE) {
        if (from != reg) {
            emit_rr(&g->e, fp ? 0x28 | X_0F : X_MOV_RM | X_W, reg, from);
        }
    } else if (temp->kind == TEMP_CONST) {
        emit_mov_imm_keep(&g->e, reg, temp->value); /* there are no float constants */
    } else {
        Opnd h = home(g, t);
        unsigned type = temp->type;
        if (temp->kind == TEMP_LOCAL) {
            type = fp ? IR_F64 : IR_I64;
        }
        uint32_t opc = type == IR_I64   ? X_MOV_RM | X_W
                       : type == IR_I32 ? X_MOV_RM
                       : type == IR_F64 ? 0x7e | X_F3 | X_0F
                                        : 0x10 | X_F3 | X_0F;
        emit_rm(&g->e, opc, reg, h.reg, h.val);
    }
}

/* --- registers ---------------------------------------------------------------- */

static inline void bind(X86Gen *g, unsigned reg, TempId t) {
    g->ts[t].reg = (uint8_t)reg;
    g->reg_temp[reg] = t;
    g->used |= bit(reg);
}

static inline void unbind(X86Gen *g, unsigned reg) {
    g->ts[g->reg_temp[reg]].reg = REG_NONE;
    g->used &= ~bit(reg);
    g->dirty &= ~bit(reg);
}

static void evict(X86Gen *g, unsigned reg) {
    if (g->dirty & bit(reg)) {
        store_home(g, reg, g->reg_temp[reg]);
    }
    unbind(g, reg);
}

unsigned ra_alloc(X86Gen *g, uint32_t set) {
    uint32_t free = set & ~(g->used | g->locked);
    unsigned reg;
    if (free) {
        reg = (unsigned)__builtin_ctz(free);
    } else {
        uint32_t candidates = set & ~g->locked;
        assert(candidates);
        unsigned best = 0;
        reg = (unsigned)__builtin_ctz(candidates);
        for (uint32_t m = candidates; m; m &= m - 1) {
            unsigned r = (unsigned)__builtin_ctz(m);
            /* Wanted last; if equal, clean before dirty. */
            unsigned score =
                (unsigned)g->ts[g->reg_temp[r]].next * 2 + !(g->dirty >> r & 1);
            if (score > best) {
                best = score;
                reg = r;
            }
        }
        evict(g, reg);
    }
    g->locked |= bit(reg);
    return reg;
}

void ra_take(X86Gen *g, unsigned reg) {
    assert(!(g->locked & bit(reg)));
    if (g->used & bit(reg)) {
        evict(g, reg);
    }
    g->locked |= bit(reg);
}

void ra_take_copy(X86Gen *g, const IrOp *op, unsigned i, unsigned reg) {
    TempId t = op->in[i];
    if (g->ts[t].reg != reg) {
        ra_take(g, reg);
        ra_load(g, reg, t);
        return;
    }
    if (in_dies(op, i) || t == op->out) {
        unbind(g, reg);
    } else {
        evict(g, reg); /* which leaves the value behind */
    }
    g->locked |= bit(reg);
}

static inline uint32_t class_of(const X86Gen *g, TempId t) {
    return type_is_fp(g->temps[t].type) ? (uint32_t)XMM_TEMPS : GPR_TEMPS;
}

unsigned ra_use(X86Gen *g, TempId t) {
    unsigned reg = g->ts[t].reg;
    if (reg == REG_NONE) {
        reg = ra_alloc(g, class_of(g, t));
        ra_load(g, reg, t);
        if (g->temps[t].kind != TEMP_CONST) {
            bind(g, reg, t);
        }
    }
    g->locked |= bit(reg);
    return reg;
}

unsigned ra_use_in(X86Gen *g, TempId t, uint32_t set) {
    unsigned reg = g->ts[t].reg;
    if (reg != REG_NONE && set & bit(reg)) {
        g->locked |= bit(reg);
        return reg;
    }
    unsigned copy = ra_alloc(g, set & (GPR_TEMPS | (uint32_t)XMM_TEMPS));
    ra_load(g, copy, t);
    return copy;
}

Opnd ra_operand(X86Gen *g, TempId t, unsigned type) {
    unsigned reg = g->ts[t].reg;
    if (reg == REG_NONE) {
        const IrTemp *temp = &g->temps[t];
        if (temp->kind == TEMP_CONST) {
            if (type == IR_I32 || (int64_t)temp->value == (int32_t)temp->value) {
                return (Opnd){OPND_IMM, 0, (int32_t)temp->value};
            }
        } else if (g->ts[t].next == NEXT_NEVER &&
                   !(temp->kind == TEMP_GLOBAL && temp->type == IR_I32 &&
                     type == IR_I64)) {
            return home(g, t);
        }
        reg = ra_use(g, t);
    }
    g->locked |= bit(reg);
    return (Opnd){OPND_REG, (uint8_t)reg, 0};
}

/* True if in[0]'s register may be overwritten: a temp register, and the value is dead or
 * in its home and not wanted soon. */
static bool can_take_over(const X86Gen *g, const IrOp *op, unsigned i) {
    TempId t = op->in[i];
    unsigned reg = g->ts[t].reg;
    if (reg == REG_NONE || !(g->used & bit(reg))) {
        return false;
    }
    return t == op->out || in_dies(op, i) ||
           (g->ts[t].next == NEXT_NEVER && !(g->dirty & bit(reg)));
}

unsigned ra_out(X86Gen *g, const IrOp *op, uint32_t avoid) {
    unsigned reg = g->ts[op->out].reg;
    if (reg != REG_NONE && !(avoid & bit(reg))) {
        /* Pinned, or the register of the value that is being replaced. */
        g->locked |= bit(reg);
        return reg;
    }
    if (reg != REG_NONE && !(g->used & bit(reg))) {
        return ra_alloc(g, GPR_TEMPS); /* pinned, but still to be read */
    }
    uint32_t set = class_of(g, op->out);
    for (unsigned i = 0; i < op_in_count[op->opcode]; i++) {
        if (op->in[i] != TEMP_NONE && can_take_over(g, op, i)) {
            unsigned r = g->ts[op->in[i]].reg;
            if (!(avoid & bit(r)) && set & bit(r)) {
                return r;
            }
        }
    }
    return ra_alloc(g, set);
}

unsigned ra_out_copy(X86Gen *g, const IrOp *op, uint32_t avoid) {
    unsigned reg = g->ts[op->out].reg, a = g->ts[op->in[0]].reg;
    bool pinned = reg != REG_NONE && !(g->used & bit(reg));
    uint32_t set = class_of(g, op->out);
    if (pinned && !(avoid & bit(reg))) {
        /* as it is */
    } else if (a != REG_NONE && !(avoid & bit(a)) && set & bit(a) && !pinned &&
               can_take_over(g, op, 0)) {
        reg = a;
    } else if (pinned || reg == REG_NONE || avoid & bit(reg)) {
        if (a != REG_NONE) {
            g->locked |= bit(a);
        }
        reg = ra_alloc(g, pinned ? GPR_TEMPS : set);
    } /* else: the register of the value that is being replaced */
    g->locked |= bit(reg);
    if (a == REG_NONE && !pinned && g->ts[op->in[0]].next != NEXT_NEVER &&
        !is_const(g, op->in[0])) {
        ra_use(g, op->in[0]); /* wanted again: keep a register for it too */
    }
    ra_load(g, reg, op->in[0]);
    return reg;
}

void ra_set_out(X86Gen *g, const IrOp *op, unsigned reg) {
    unsigned old = g->ts[op->out].reg;
    if (old != REG_NONE && !(g->used & bit(old))) {
        if (old != reg) {
            emit_mov(&g->e, X_W, old, reg);
        }
        return;
    }
    if (old != REG_NONE && old != reg) {
        unbind(g, old);
    }
    if (g->used & bit(reg)) {
        unbind(g, reg);
    }
    bind(g, reg, op->out);
    g->dirty |= bit(reg);
    g->ts[op->out].next = g->next[g->op_index].out;
}

void ra_op_end(X86Gen *g, const IrOp *op) {
    unsigned ins = op_in_count[op->opcode];
    bool has_out = op_outs[op->opcode] && op->out != TEMP_NONE;
    g->locked = 0;
    if (!(op->dead_in | op->dead_out)) {
        return;
    }
    for (unsigned i = 0; i < ins; i++) {
        TempId t = op->in[i];
        if (!in_dies(op, i) || t == TEMP_NONE || (has_out && t == op->out)) {
            continue;
        }
        unsigned reg = g->ts[t].reg;
        if (reg != REG_NONE && g->used & bit(reg)) {
            unbind(g, reg);
        }
        slot_free(g, t);
    }
    if (op->dead_out && has_out) {
        unsigned reg = g->ts[op->out].reg;
        if (reg != REG_NONE && g->used & bit(reg)) {
            unbind(g, reg);
        }
        slot_free(g, op->out);
    }
}

void ra_sync(X86Gen *g) {
    for (uint32_t m = g->dirty; m; m &= m - 1) {
        unsigned reg = (unsigned)__builtin_ctz(m);
        TempId t = g->reg_temp[reg];
        if (g->temps[t].kind == TEMP_GLOBAL) {
            store_home(g, reg, t);
            g->dirty &= ~bit(reg);
        }
    }
}

void ra_spill_all(X86Gen *g) {
    for (uint32_t m = g->used; m; m &= m - 1) {
        evict(g, (unsigned)__builtin_ctz(m));
    }
}

void ra_forget_all(X86Gen *g) {
    for (uint32_t m = g->used; m; m &= m - 1) {
        unbind(g, (unsigned)__builtin_ctz(m));
    }
    memset(g->slots, 0, sizeof(g->slots));
}
