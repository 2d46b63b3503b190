/* SPDX-License-Identifier: MIT */
/*
 * The optimizer's rules for memory: fields of env, addresses of guest accesses, and TLB
 * checks that several accesses share.
 *
 *                                       guest_probe %9, [sp + 8], 24   24 bytes, one check
 *   guest_ld %1, [sp + 8]               guest_ld_at %1, [sp + 8], %9
 *   guest_ld %2, [sp + 16]       -->    guest_ld_at %2, [sp + 16], %9
 *   guest_st %3, [sp + 24]              guest_st_at %3, [sp + 24], %9
 *
 * %9 is the host address of sp, or 0: then each access makes its own check.
 * A group of accesses ends at labels, fences, atomics and calls: what a host address
 * stands for may change there.
 */
#include <string.h>

#include "tcg/eval.h"
#include "tcg/optimize.h"

/* --- fields of env ---------------------------------------------------------------- */

void opt_env_forget(IrOptimizer *o) {
    o->env_count = o->env_next = 0;
}

static bool ranges_meet(int64_t a, unsigned a_size, int64_t b, unsigned b_size) {
    return a < b + (int64_t)b_size && b < a + (int64_t)a_size;
}

static bool is_int_op(const IrOp *op) {
    return op->type == IR_I32 || op->type == IR_I64;
}

static bool same_size_at(const EnvField *e, const IrOp *op) {
    return e->offset == (int64_t)op->imm && (e->memop & MO_SIZE) == (op->aux & MO_SIZE);
}

static EnvField *env_find(IrOptimizer *o, const IrOp *op) {
    for (unsigned i = 0; i < o->env_count; i++) {
        EnvField *e = &o->env[i];
        if (same_size_at(e, op) && opt_fact(o, e->temp)->def == e->def) {
            return e;
        }
    }
    return NULL;
}

/* From now on the field of op is in t. */
static void env_note(IrOptimizer *o, const IrOp *op, TempId t, bool is_load) {
    if (!is_int_op(op) || op->type != o->ctx->temps[t].type ||
        (int64_t)op->imm != (int32_t)op->imm) {
        return;
    }
    EnvField *e = &o->env[o->env_next];
    o->env_next = (o->env_next + 1) % ENV_FIELDS;
    if (o->env_count < ENV_FIELDS) {
        o->env_count++;
    }
    e->offset = (int32_t)op->imm;
    e->temp = t;
    e->def = opt_fact(o, t)->def;
    e->memop = (uint8_t)op->aux;
    e->is_load = is_load;
}

void opt_env_loaded(IrOptimizer *o, const IrOp *op) {
    env_note(o, op, op->out, true);
}

void opt_env_stored(IrOptimizer *o, const IrOp *op) {
    for (unsigned i = 0; i < o->env_count; i++) {
        EnvField *e = &o->env[i];
        if (ranges_meet(e->offset, MO_BYTES(e->memop), (int64_t)op->imm,
                        MO_BYTES(op->aux))) {
            e->temp = o->ctx->ops[o->index].in[0];
            e->def = UINT16_MAX; /* never a definition's number: the field is void */
        }
    }
    env_note(o, op, op->in[0], false);
}

static IrOpcode ext_of(unsigned memop) {
    static const uint8_t ext[2][4] = {
        {IR_ext_u8, IR_ext_u16, IR_ext_u32, IR_mov},
        {IR_ext_s8, IR_ext_s16, IR_ext_s32, IR_mov},
    };
    return (IrOpcode)ext[!!(memop & MO_SIGN)][memop & MO_SIZE];
}

/* What was loaded or stored there just now is still in a temp: extend that as the load
 * would. */
bool opt_rules_env_ld(IrOptimizer *o, IrOp *op) {
    const EnvField *e = is_int_op(op) ? env_find(o, op) : NULL;
    if (!e || o->ctx->temps[e->temp].type != op->type) {
        return false;
    }
    bool as_is = e->is_load && (e->memop & MO_SIGN) == (op->aux & MO_SIGN);
    return opt_to_op1(op, as_is ? IR_mov : ext_of(op->aux), e->temp, 0, RULE_env_forward);
}

/* Narrow stores read low bits only. */
static bool store_low_bits(IrOptimizer *o, IrOp *op, unsigned value_in) {
    IrOp *source = opt_source(o, op, op->in[value_in]);
    unsigned bits = 8 * MO_BYTES(op->aux);
    bool is_ext =
        source && (source->opcode == IR_ext_s32 || source->opcode == IR_ext_u32)
            ? bits <= 32
        : source && (source->opcode == IR_ext_s16 || source->opcode == IR_ext_u16)
            ? bits <= 16
        : source && (source->opcode == IR_ext_s8 || source->opcode == IR_ext_u8)
            ? bits <= 8
            : false;
    if (!is_ext || !is_int_op(op) || o->ctx->temps[source->in[0]].type != op->type ||
        !opt_prefer(o, source->in[0], op->in[value_in])) {
        return false;
    }
    op->in[value_in] = source->in[0];
    return opt_mark(op, RULE_low_bits);
}

/* The field holds that value already. */
bool opt_rules_env_st(IrOptimizer *o, IrOp *op) {
    const EnvField *e = is_int_op(op) ? env_find(o, op) : NULL;
    if (e && e->temp == op->in[0]) {
        return opt_remove(op, RULE_env_same);
    }
    return store_low_bits(o, op, 0);
}

/* --- guest addresses -------------------------------------------------------------- */

/* x = y + c; guest[x + k] = guest[y + (c + k)] */
static bool fold_displacement(IrOptimizer *o, IrOp *op) {
    TempId x = op->in[0];
    const Fact *f = opt_fact(o, x);
    int64_t disp;
    if (!opt_base_valid(o, f) || f->addend == 0 || !opt_prefer(o, f->base, x) ||
        __builtin_add_overflow((int64_t)op->imm, f->addend, &disp) ||
        disp != (int32_t)disp) {
        return false;
    }
    op->in[0] = f->base;
    op->imm = (uint64_t)disp;
    return opt_mark(op, RULE_displacement);
}

bool opt_rules_guest(IrOptimizer *o, IrOp *op) {
    return fold_displacement(o, op) ||
           (op->opcode == IR_guest_st && store_low_bits(o, op, 1));
}

/* --- shared TLB checks ------------------------------------------------------------ */

static void group_end(IrOptimizer *o, const CheckGroup *g) {
    if (g->count >= 2 && o->shared_count < SHARED_GROUPS) {
        o->shared[o->shared_count++] = *g;
    }
}

void opt_groups_end(IrOptimizer *o) {
    for (unsigned i = 0; i < o->open_count; i++) {
        group_end(o, &o->open[i]);
    }
    o->open_count = o->open_next = 0;
}

static bool group_add(IrOptimizer *o, CheckGroup *g, const IrOp *op) {
    int32_t lo = (int32_t)op->imm, hi = lo + (int32_t)MO_BYTES(op->aux);
    lo = lo < g->lo ? lo : g->lo;
    hi = hi > g->hi ? hi : g->hi;
    if ((int64_t)hi - lo > GROUP_MAX_SPAN) {
        return false;
    }
    g->lo = lo;
    g->hi = hi;
    g->store |= op->opcode == IR_guest_st;
    o->next_access[g->last] = (uint16_t)o->index;
    g->last = (uint16_t)o->index;
    g->count++;
    return true;
}

static void group_begin(IrOptimizer *o, const IrOp *op) {
    CheckGroup *g = &o->open[o->open_next];
    if (o->open_count == OPEN_GROUPS) {
        group_end(o, g);
    } else {
        o->open_count++;
    }
    o->open_next = (o->open_next + 1) % OPEN_GROUPS;
    g->base = op->in[0];
    g->base_def = opt_fact(o, op->in[0])->def;
    g->mmu_idx = (uint8_t)ir_aux_mmu_idx(op->aux);
    g->lo = (int32_t)op->imm;
    g->hi = g->lo + (int32_t)MO_BYTES(op->aux);
    g->store = op->opcode == IR_guest_st;
    g->first = g->last = (uint16_t)o->index;
    g->count = 1;
}

void opt_group_access(IrOptimizer *o, const IrOp *op) {
    if (ir_aux_memop(op->aux) & (MO_ALIGN | MO_BE) || (int64_t)op->imm > INT32_MAX - 8) {
        return;
    }
    uint16_t def = opt_fact(o, op->in[0])->def;
    for (unsigned i = 0; i < o->open_count; i++) {
        CheckGroup *g = &o->open[i];
        if (g->base == op->in[0] && g->base_def == def &&
            g->mmu_idx == ir_aux_mmu_idx(op->aux) && group_add(o, g, op)) {
            return;
        }
    }
    group_begin(o, op);
}

static void convert_accesses(IrOptimizer *o, const CheckGroup *g, TempId probe) {
    unsigned at = g->first;
    for (unsigned n = 0; n < g->count; n++) {
        IrOp *op = &o->ctx->ops[at];
        bool store = op->opcode == IR_guest_st;
        op->opcode = store ? IR_guest_st_at : IR_guest_ld_at;
        op->in[store ? 2 : 1] = probe;
        op->rule = RULE_share_check;
        at = o->next_access[at];
    }
}

static void make_probe(IrOptimizer *o, const CheckGroup *g, TempId probe, IrOp *op) {
    memset(op, 0, sizeof(*op));
    op->opcode = IR_guest_probe;
    op->type = IR_I64;
    op->rule = RULE_share_check;
    op->insn = o->ctx->ops[g->first].insn;
    op->id = o->ctx->next_id++;
    op->aux = ir_mem_aux(g->store ? MO_STORE : 0, g->mmu_idx);
    op->out = probe;
    op->in[0] = g->base;
    op->in[1] = op->in[2] = op->in[3] = TEMP_NONE;
    op->imm = ir_probe_imm(g->lo, (uint32_t)(g->hi - g->lo));
}

static void sort_by_first(CheckGroup *g, unsigned count) {
    for (unsigned i = 1; i < count; i++) {
        for (unsigned j = i; j > 0 && g[j].first < g[j - 1].first; j--) {
            CheckGroup t = g[j];
            g[j] = g[j - 1];
            g[j - 1] = t;
        }
    }
}

void opt_share_checks(IrOptimizer *o) {
    IrContext *ctx = o->ctx;
    TempId probe[SHARED_GROUPS];
    unsigned n = o->shared_count;
    if (ctx->op_count + n >= IR_MAX_OPS || ctx->temp_count + n >= IR_MAX_TEMPS) {
        return; /* a block at the limit stays as it is */
    }
    sort_by_first(o->shared, n);
    for (unsigned i = 0; i < n; i++) {
        probe[i] = ir_temp_new(ctx, IR_I64);
        convert_accesses(o, &o->shared[i], probe[i]);
    }
    /* From the end: move what follows the last group's first access, put its probe there,
     * and so on. */
    unsigned end = ctx->op_count;
    ctx->op_count += n;
    for (unsigned i = n; i-- > 0;) {
        CheckGroup *g = &o->shared[i];
        IrOp op;
        make_probe(o, g, probe[i], &op);
        memmove(&ctx->ops[g->first + i + 1], &ctx->ops[g->first],
                (end - g->first) * sizeof(IrOp));
        ctx->ops[g->first + i] = op;
        end = g->first;
    }
}
