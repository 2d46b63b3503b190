/* SPDX-License-Identifier: MIT */
/*
 * Fuse: two ops whose best code is not the sum of theirs.
 *
 *   add_i32 %0, a0, a1 ; ext_s32 a0, %0       add right in a0's register, extend it there
 *   shr_i32 %0, a0, 3  ; ext_s32 a1, %0       the shift alone: the result is not negative
 *   shl a5, a4, 3 ; add a5, a5, a0            lea
 *
 * Invariants: nothing between the two may leave the block, since the first one's output
 * is not what the IR says, or is not there.
 */
#include "tcg/x86_64/gen.h"

static unsigned following(const X86Gen *g, unsigned i) {
    do {
        i++;
    } while (i < g->ctx->op_count && g->ctx->ops[i].removed);
    return i;
}

/* --- a 32-bit op and the extension of its result ------------------------------ */

/* True if bit 31 of the result is 0, so that the host's zero extension is a sign
 * extension. */
static bool is_positive(const X86Gen *g, const IrOp *op) {
    const IrTemp *b = &g->temps[op->in[1]];
    if (b->kind != TEMP_CONST) {
        return false;
    }
    return op->opcode == IR_shr ? (b->value & 31) != 0
                                : op->opcode == IR_and && !(b->value >> 31 & 1);
}

static unsigned fuse_ext(X86Gen *g, unsigned i) {
    const IrOp *op = &g->ctx->ops[i];
    unsigned j = following(g, i);
    if (j >= g->ctx->op_count) {
        return 0;
    }
    const IrOp *ext = &g->ctx->ops[j];
    bool sign = ext->opcode == IR_ext_s32;
    if ((!sign && ext->opcode != IR_ext_u32) || ext->type != IR_I64 ||
        ext->in[0] != op->out || (op->out != ext->out && !in_dies(ext, 0)) ||
        g->temps[ext->out].type != IR_I64) {
        return 0;
    }
    IrOp both = *op;
    both.out = ext->out;
    both.dead_out = ext->dead_out;
    ra_op_begin(g, op, i);
    g->next[i].out = g->next[j].out;
    g->in_place = false;
    gen_int_op(g, &both);
    g->in_place = true;
    unsigned reg = ra_reg(g, ext->out);
    if (sign && !is_positive(g, op)) {
        emit_rr(&g->e, X_MOVSXD, reg, reg);
    } else if (!sign && op->opcode >= IR_shl && op->opcode <= IR_rotr) {
        emit_mov(&g->e, 0, reg, reg); /* a count of 0 may have done nothing */
    }
    ra_op_end(g, &both);
    return j;
}

/* --- shift and add ------------------------------------------------------------ */

static unsigned fuse_lea(X86Gen *g, unsigned i) {
    const IrOp *shl = &g->ctx->ops[i];
    const IrTemp *count = &g->temps[shl->in[1]];
    if (count->kind != TEMP_CONST || count->value < 1 || count->value > 3 ||
        g->stop_check) {
        return 0;
    }
    unsigned j = following(g, i);
    while (j < g->ctx->op_count && g->ctx->ops[j].opcode == IR_insn_start) {
        j = following(g, j);
    }
    if (j >= g->ctx->op_count) {
        return 0;
    }
    const IrOp *add = &g->ctx->ops[j];
    if (add->opcode != IR_add || add->type != IR_I64 || add->in[0] == add->in[1]) {
        return 0;
    }
    unsigned k = add->in[0] == shl->out ? 0 : 1;
    TempId base = add->in[1 - k];
    if (add->in[k] != shl->out || (add->out != shl->out && !in_dies(add, k)) ||
        is_const(g, base) || is_const(g, shl->in[0])) {
        return 0;
    }
    /* Both inputs live at least until the first op, so their registers are stable. */
    ra_op_begin(g, shl, i);
    unsigned index = ra_use(g, shl->in[0]);
    ra_op_begin(g, add, j);
    unsigned b = ra_use(g, base);
    g->op_index = j;
    unsigned dst = ra_out(g, add, 0);
    emit_rx(&g->e, X_LEA | X_W, dst, b, index, (unsigned)count->value, 0);
    ra_set_out(g, add, dst);
    /* What the shift would have written: only its end matters. */
    IrOp done = *shl;
    done.out = add->out;
    done.dead_out = 0;
    ra_op_end(g, &done);
    ra_op_end(g, add);
    return j;
}

unsigned gen_fused(X86Gen *g, unsigned i) {
    const IrOp *op = &g->ctx->ops[i];
    switch ((IrOpcode)op->opcode) {
    case IR_shl:
        return op->type == IR_I32 ? fuse_ext(g, i) : fuse_lea(g, i);
    case IR_add:
    case IR_sub:
    case IR_mul:
    case IR_and:
    case IR_or:
    case IR_xor:
    case IR_shr:
    case IR_sar:
    case IR_rotl:
    case IR_rotr:
        return op->type == IR_I32 ? fuse_ext(g, i) : 0;
    default:
        return 0;
    }
}
