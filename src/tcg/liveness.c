/* SPDX-License-Identifier: MIT */
/*
 * Liveness: one walk from the last op to the first, which knows of each temp whether a
 * later op still reads it.
 *
 *      add %1, a0, a1    %1 is read below: keep it. a0's value is not (it is written
 *                        below), so this is its last read: dead_in
 *      mov a0, %1        a0 is read below. %1 is not: its last read
 *      goto_tb 0         every global counts as read here
 *
 *   ^ the walk goes up: what is known at a line comes from the lines below it
 *
 * On the way it removes what nobody reads, and lets an op write straight to where the
 * next one would copy it.
 *
 * Invariants: where the guest's state must be complete (exits, labels, branches, ops that
 * may fault, helpers that look) every global is live before the op, also one that the op
 * itself writes: a fault leaves before the write.
 */
#include <string.h>

#include "tcg/ir.h"

typedef struct Liveness {
    IrContext *ctx;
    uint8_t live[IR_MAX_TEMPS]; /* 1: an op below reads the value the temp has here */
} Liveness;

static void all_globals_live(Liveness *l) {
    memset(l->live, 1, l->ctx->global_count);
}

static bool needs_globals(const IrOp *op, uint32_t flags) {
    if (flags & OPF_CALL) {
        return ir_call_helper(op)->flags &
               (HELPER_READS_GLOBALS | HELPER_WRITES_GLOBALS | HELPER_FAULTS);
    }
    return flags & (OPF_MAY_FAULT | OPF_BRANCH | OPF_LABEL | OPF_ENDS);
}

static void remove_op(IrOp *op, IrRuleId rule) {
    op->removed = 1;
    op->rule = (uint8_t)rule;
}

/* x = f(...); g = x, and x is not read again: g = f(...). */
static bool retarget(Liveness *l, unsigned index) {
    IrContext *ctx = l->ctx;
    IrOp *mov = &ctx->ops[index];
    TempId x = mov->in[0];
    if (ctx->temps[x].kind != TEMP_LOCAL || l->live[x] ||
        ctx->temps[x].type != ctx->temps[mov->out].type || index == 0) {
        return false;
    }
    IrOp *def = mov - 1;
    while (def->removed) {
        if (def == ctx->ops) {
            return false;
        }
        def--;
    }
    if (def->out != x || def->insn != mov->insn) {
        return false;
    }
    def->out = mov->out;
    def->rule = RULE_retarget;
    remove_op(mov, RULE_retarget);
    return true;
}

/* Without branches on what is live, which no host can foresee. */
static void mark_inputs(Liveness *l, IrOp *op) {
    unsigned dead = 0;
    for (unsigned i = 0; i < 4 && op->in[i] != TEMP_NONE; i++) {
        dead |= (l->live[op->in[i]] ^ 1u) << i;
    }
    op->dead_in = (uint8_t)dead;
    for (unsigned i = 0; i < 4 && op->in[i] != TEMP_NONE; i++) {
        l->live[op->in[i]] = 1;
    }
}

static void visit(Liveness *l, unsigned index) {
    IrOp *op = &l->ctx->ops[index];
    uint32_t flags = ir_op_defs[op->opcode].flags;
    if (flags & OPF_CALL) {
        flags = ir_op_flags(op);
    } else if (flags & OPF_MAY_FAULT) {
        l->ctx->access_count++;
    }
    if (op->out != TEMP_NONE) {
        bool dead = !l->live[op->out];
        if (dead && !(flags & (OPF_SIDE_EFFECT | OPF_MAY_FAULT | OPF_FP))) {
            remove_op(op, RULE_dead_code);
            return;
        }
        if (op->opcode == IR_mov && retarget(l, index)) {
            return;
        }
        op->dead_out = dead;
        l->live[op->out] = 0;
    }
    if (needs_globals(op, flags)) {
        all_globals_live(l);
    }
    mark_inputs(l, op);
}

void ir_liveness(IrContext *ctx) {
    Liveness l;
    l.ctx = ctx;
    ctx->access_count = 0;
    all_globals_live(&l);
    memset(l.live + ctx->global_count, 0, ctx->temp_count - ctx->global_count);
    for (unsigned i = ctx->op_count; i-- > 0;) {
        if (!ctx->ops[i].removed && ctx->ops[i].opcode != IR_insn_start) {
            visit(&l, i);
        }
    }
    if (ctx->on_pass) {
        ctx->on_pass(ctx, "liveness", ctx->on_pass_opaque);
    }
}
