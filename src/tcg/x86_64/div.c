/* SPDX-License-Identifier: MIT */
/*
 * Division, and the high halves of products: the ops that x86 ties to rax and rdx.
 *
 * A divisor of 0 or -1 (where the host would trap) is found by one comparison and handled
 * out of line.
 */
#include "tcg/x86_64/gen.h"

static bool is_signed(const IrOp *op) {
    return op->opcode == IR_divs || op->opcode == IR_rems;
}

static void gen_div(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    uint32_t w = type_w(op->type);
    const IrTemp *tb = &g->temps[op->in[1]];
    bool safe = false; /* a constant divisor that needs no check */
    if (tb->kind == TEMP_CONST) {
        int64_t v = w ? (int64_t)tb->value : (int32_t)tb->value;
        safe = v != 0 && (v != -1 || !is_signed(op));
    }
    uint32_t others = GPR_TEMPS & ~(bit(RAX) | bit(RDX));
    unsigned b = ra_reg(g, op->in[1]);
    if (b == REG_NONE || b == RAX || b == RDX) {
        b = ra_use_in(g, op->in[1], others);
    }
    g->locked |= bit(b);
    ra_take_copy(g, op, 0, RAX);
    ra_take(g, RDX);
    Cold *c = NULL;
    if (!safe) {
        uint8_t *jump;
        if (is_signed(op)) {
            emit_rm(e, X_LEA | w, RDX, b, 1);
            emit_alu_imm(e, w, ALU_CMP, RDX, 1);
            jump = emit_jcc_later(e, CC_BE);
        } else {
            emit_rr(e, X_TEST | w, b, b);
            jump = emit_jcc_later(e, CC_E);
        }
        c = cold_new(g, COLD_DIV, jump);
        c->a = (uint8_t)b;
        c->imm = op->opcode | (w ? 1u << 8 : 0);
    }
    if (is_signed(op)) {
        if (w) {
            emit8(e, 0x48);
        }
        emit8(e, 0x99); /* cdq, cqo */
        emit_rr(e, X_GRP3 | w, 7, b);
    } else {
        emit_rr(e, 0x33, RDX, RDX);
        emit_rr(e, X_GRP3 | w, 6, b);
    }
    if (c) {
        c->back = e->p;
    }
    ra_set_out(g, op, op->opcode == IR_divs || op->opcode == IR_divu ? RAX : RDX);
}

/* rax = dividend, c->a = divisor, 0 or -1: rax = quotient or rdx = remainder. */
void gen_div_cold(X86Gen *g, const Cold *c) {
    Emit *e = &g->e;
    unsigned opcode = c->imm & 0xff;
    uint32_t w = c->imm >> 8 ? X_W : 0;
    unsigned b = c->a;
    uint8_t *minus_one;
    switch (opcode) {
    case IR_divs: /* b == 0: -1 = ~b; b == -1: -a */
        emit_rr(e, X_TEST | w, b, b);
        minus_one = emit_jcc_later(e, CC_NE);
        emit_mov_imm_keep(e, RAX, ~0ull);
        emit_jmp(e, c->back);
        patch_rel32(minus_one, e->p);
        emit_rr(e, X_GRP3 | w, 3, RAX);
        break;
    case IR_rems: /* b == 0: a; b == -1: 0 */
        emit_mov(e, X_W, RDX, RAX);
        emit_rr(e, X_TEST | w, b, b);
        emit_jcc(e, CC_E, c->back);
        emit_rr(e, 0x33, RDX, RDX);
        break;
    case IR_divu:
        emit_mov_imm_keep(e, RAX, ~0ull);
        break;
    default:
        emit_mov(e, X_W, RDX, RAX);
        break;
    }
    emit_jmp(e, c->back);
}

static void gen_mul_high(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    uint32_t w = type_w(op->type);
    uint32_t others = GPR_TEMPS & ~(bit(RAX) | bit(RDX));
    unsigned b = ra_reg(g, op->in[1]);
    if (b == REG_NONE || b == RAX || b == RDX) {
        b = ra_use_in(g, op->in[1], others);
    }
    g->locked |= bit(b);
    unsigned sign = REG_NONE;
    if (op->opcode == IR_mulhsu) {
        /* high(a * b) signed by unsigned = high(a * b) unsigned - (a < 0 ? b : 0) */
        sign = ra_alloc(g, others);
        ra_load(g, sign, op->in[0]);
        emit_shift_imm(e, w, SHIFT_SAR, sign, w ? 63 : 31);
        emit_alu_rr(e, w, ALU_AND, sign, b);
    }
    ra_take_copy(g, op, 0, RAX);
    ra_take(g, RDX);
    emit_rr(e, X_GRP3 | w, op->opcode == IR_mulhs ? 5 : 4, b);
    if (sign != REG_NONE) {
        emit_alu_rr(e, w, ALU_SUB, RDX, sign);
    }
    ra_set_out(g, op, RDX);
}

bool gen_div_op(X86Gen *g, const IrOp *op) {
    switch ((IrOpcode)op->opcode) {
    case IR_divs:
    case IR_divu:
    case IR_rems:
    case IR_remu:
        gen_div(g, op);
        return true;
    case IR_mulhs:
    case IR_mulhu:
    case IR_mulhsu:
        gen_mul_high(g, op);
        return true;
    default:
        return false;
    }
}
