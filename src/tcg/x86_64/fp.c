/* SPDX-License-Identifier: MIT */
/*
 * Floating point in SSE registers (AVX and FMA forms where the host has them).
 *
 * The guest's dynamic rounding mode and sticky flags are the live MXCSR, all exceptions
 * masked. What SSE does differently from the guest's manual is caught by a comparison and
 * done again out of line: NaN results are made canonical; conversions out of range,
 * min/max of equal numbers or NaNs, fused multiply-add with a NaN result and static
 * rounding modes go to soft floats.
 *
 * Invariants: an instruction that may be followed by a soft one raises no flag that the
 * soft one would not raise (compare before converting where it could).
 * Spec: Intel SDM volume 1, chapters 11 and 14; RISC-V Unprivileged ISA, F and D.
 */
#include "tcg/x86_64/gen.h"

enum {
    SSE_ADD = 0x58,
    SSE_MUL = 0x59,
    SSE_SUB = 0x5c,
    SSE_MIN = 0x5d,
    SSE_DIV = 0x5e,
    SSE_MAX = 0x5f,
    SSE_SQRT = 0x51,
    SSE_CVT_I2F = 0x2a,
    SSE_CVTT_F2I = 0x2c,
    SSE_CVT_F2I = 0x2d,
    SSE_UCOMI = 0x2e,
    SSE_COMI = 0x2f,
    SSE_CVT_F2F = 0x5a,
};

/* Scalar single or double. */
static uint32_t scalar(unsigned type, uint32_t opc) {
    return opc | X_0F | (type == IR_F64 ? X_F2 : X_F3);
}
static uint32_t ucomi(unsigned type, uint32_t opc) {
    return opc | X_0F | (type == IR_F64 ? X_66 : 0);
}
static void emit_movaps(Emit *e, unsigned dst, unsigned src) {
    if (dst != src) {
        emit_rr(e, 0x28 | X_0F, dst, src);
    }
}
static void emit_clear(Emit *e, unsigned x) {
    emit_rr(e, 0x57 | X_0F, x, x);
}
/* op reg, [a constant in the fixed code] */
static void emit_rip(Emit *e, uint32_t opc, unsigned reg, const uint8_t *target) {
    uint8_t *p = emit_opcode(e->p, opc, reg, 0, 0);
    *p++ = (uint8_t)((reg & 7) << 3 | 5);
    e->p = p;
    emit_rel32(e, target);
}
static const uint8_t *constant(const X86Gen *g, FpConstant c, unsigned type) {
    return g->priv->thunk.constants + 8 * (2 * (unsigned)c + (type == IR_F64));
}
/* An xmm register or memory. */
static Opnd fp_operand(X86Gen *g, TempId t) {
    return ra_operand(g, t, g->temps[t].type);
}

/* --- out of line -------------------------------------------------------------- */

/* The op by soft floats; reached by `jump`. Its inputs are in the registers in[], which
 * must have been filled before the jump (a constant asked for again would be loaded
 * behind it). */
static Cold *soft_new(X86Gen *g, const IrOp *op, uint8_t *jump, unsigned out,
                      const unsigned in[3]) {
    SlowDesc d;
    memset(&d, 0, offsetof(SlowDesc, dirty));
    unsigned count = op_in_count[op->opcode];
    d.kind = SLOW_FP;
    d.opcode = op->opcode;
    d.type = op->type;
    d.aux = op->aux;
    d.cond = op->cond;
    d.value = (int32_t)op->imm;
    d.value_reg = (uint8_t)in[0];
    d.value2_reg = (uint8_t)(count > 1 ? in[1] : REG_NONE);
    d.value3_reg = (uint8_t)(count > 2 ? in[2] : REG_NONE);
    d.out_reg = (uint8_t)out;
    return slow_cold_new(g, &d, jump);
}

/* The whole op out of line. */
static void gen_soft(X86Gen *g, const IrOp *op) {
    unsigned in[3] = {0};
    for (unsigned i = 0; i < op_in_count[op->opcode]; i++) {
        in[i] = ra_use(g, op->in[i]);
    }
    unsigned out = ra_out(g, op, 0);
    Cold *c = soft_new(g, op, emit_jmp_later(&g->e), out, in);
    c->back = g->e.p;
    ra_set_out(g, op, out);
}

static bool is_static_mode(const IrOp *op) {
    return op->aux != FP_MODE_DYN;
}

/* --- arithmetic --------------------------------------------------------------- */

/* True if nothing between this op and op `next` may show the globals to somebody. */
static bool globals_hidden_until(const X86Gen *g, unsigned next) {
    enum { FAR = 16 };
    if (next - g->op_index > FAR || g->stop_check) {
        return false;
    }
    for (unsigned i = g->op_index + 1; i < next; i++) {
        const IrOp *op = &g->ctx->ops[i];
        if (!op->removed &&
            ir_op_defs[op->opcode].flags &
                (OPF_MAY_FAULT | OPF_CALL | OPF_BRANCH | OPF_LABEL | OPF_ENDS)) {
            return false;
        }
    }
    return true;
}

/* True if the next reader of the output gives the same bits for every NaN, and is the
 * last: then this NaN need not be canonical. */
static bool nan_is_unseen(const X86Gen *g, const IrOp *op) {
    unsigned next = g->next[g->op_index].out;
    if (next == NEXT_NEVER ||
        (g->temps[op->out].kind == TEMP_GLOBAL && !globals_hidden_until(g, next))) {
        return false;
    }
    const IrOp *reader = &g->ctx->ops[next];
    switch ((IrOpcode)reader->opcode) {
    case IR_fadd:
    case IR_fsub:
    case IR_fmul:
    case IR_fdiv:
    case IR_fsqrt:
    case IR_fmadd:
    case IR_fcmp:
    case IR_fcvt_f2i:
    case IR_fcvt_f2f:
        break;
    default:
        return false;
    }
    for (unsigned i = 0; i < op_in_count[reader->opcode]; i++) {
        if (reader->in[i] == op->out && !in_dies(reader, i)) {
            return false;
        }
    }
    return true;
}

static void canonicalize(X86Gen *g, const IrOp *op, unsigned x) {
    if (nan_is_unseen(g, op)) {
        return;
    }
    emit_rr(&g->e, ucomi(op->type, SSE_UCOMI), x, x);
    Cold *c = cold_new(g, COLD_NAN, emit_jcc_later(&g->e, CC_P));
    c->a = (uint8_t)x;
    c->b = op->type;
    c->back = g->e.p;
}

void gen_fp_cold(X86Gen *g, const Cold *c) {
    emit_rip(&g->e, scalar(c->b, 0x10), c->a, constant(g, FP_CONST_NAN, c->b));
    emit_jmp(&g->e, c->back);
}

static void gen_arith(X86Gen *g, const IrOp *op, uint32_t sse) {
    if (is_static_mode(op)) {
        gen_soft(g, op);
        return;
    }
    uint32_t opc = scalar(op->type, sse);
    unsigned dst;
    if (g->host & HOST_AVX) {
        Opnd b = fp_operand(g, op->in[1]);
        unsigned a = ra_use(g, op->in[0]);
        dst = ra_out(g, op, 0);
        if (b.kind == OPND_MEM) {
            emit_vex_rm(&g->e, opc, dst, a, b.reg, b.val);
        } else {
            emit_vex_rr(&g->e, opc, dst, a, b.reg);
        }
    } else {
        Opnd b = fp_operand(g, op->in[1]);
        dst = ra_out_copy(g, op,
                          b.kind == OPND_REG && op->in[0] != op->in[1] ? bit(b.reg) : 0);
        gen_rm(g, opc, dst, b);
    }
    canonicalize(g, op, dst);
    ra_set_out(g, op, dst);
}

static void gen_sqrt(X86Gen *g, const IrOp *op) {
    if (is_static_mode(op)) {
        gen_soft(g, op);
        return;
    }
    unsigned a = ra_use(g, op->in[0]), dst = ra_out(g, op, 0);
    emit_rr(&g->e, scalar(op->type, SSE_SQRT), dst, a);
    canonicalize(g, op, dst);
    ra_set_out(g, op, dst);
}

static void gen_fmadd(X86Gen *g, const IrOp *op) {
    if (is_static_mode(op) || !(g->host & HOST_FMA)) {
        gen_soft(g, op);
        return;
    }
    /* vf[n]m{add,sub}213: dst = +-(dst * b) +- c. The inputs stay for the soft path. */
    static const uint8_t opcodes[4] = {0xa9, 0xad, 0xab, 0xaf};
    Emit *e = &g->e;
    unsigned a = ra_use(g, op->in[0]), b = ra_use(g, op->in[1]), c = ra_use(g, op->in[2]);
    unsigned dst = ra_out(g, op, bit(a) | bit(b) | bit(c));
    emit_movaps(e, dst, a);
    emit_vex_rr(e, opcodes[op->imm & 3] | X_0F38 | X_66 | (op->type == IR_F64 ? X_W : 0),
                dst, b, c);
    /* inf * 0 + quiet NaN is invalid for the guest and not for the host */
    emit_rr(e, ucomi(op->type, SSE_UCOMI), dst, dst);
    Cold *cold = soft_new(g, op, emit_jcc_later(e, CC_P), dst, (unsigned[3]){a, b, c});
    cold->back = e->p;
    ra_set_out(g, op, dst);
}

/* The host's min and max give the second operand for equal ones and NaNs (with a flag):
 * those go out of line, told by ZF. */
static void gen_min_max(X86Gen *g, const IrOp *op, uint32_t sse) {
    Emit *e = &g->e;
    unsigned a = ra_use(g, op->in[0]), b = ra_use(g, op->in[1]);
    unsigned dst = ra_out(g, op, bit(a) | bit(b));
    emit_rr(e, ucomi(op->type, SSE_UCOMI), a, b);
    Cold *c = soft_new(g, op, emit_jcc_later(e, CC_E), dst, (unsigned[3]){a, b});
    emit_movaps(e, dst, a);
    emit_rr(e, scalar(op->type, sse), dst, b);
    c->back = e->p;
    ra_set_out(g, op, dst);
}

/* --- comparison --------------------------------------------------------------- */

static void gen_fcmp(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    unsigned dst = ra_out(g, op, 0);
    if (op->cond == FCOND_EQ) {
        unsigned a = ra_use(g, op->in[0]);
        Opnd b = fp_operand(g, op->in[1]);
        unsigned t = ra_alloc(g, GPR_TEMPS);
        gen_rm(g, ucomi(op->type, SSE_UCOMI), a, b);
        emit_rr(e, (0x90u | CC_NP) | X_0F | X_M8, 0, t);
        emit_rr(e, (0x90u | CC_E) | X_0F | X_M8, 0, dst);
        emit_rr(e, 0x22 | X_R8 | X_M8, dst, t); /* and dst8, t8 */
        emit_rr(e, X_MOVZX8 | X_M8, dst, dst);
        ra_set_out(g, op, dst);
        return;
    }
    /* a < b as b > a: unordered sets CF, so it is false */
    bool quiet = op->cond == FCOND_LT_Q || op->cond == FCOND_LE_Q;
    bool less = op->cond == FCOND_LT || op->cond == FCOND_LT_Q;
    unsigned b = ra_use(g, op->in[1]);
    Opnd a = fp_operand(g, op->in[0]);
    emit_rr(e, 0x33, dst, dst);
    gen_rm(g, ucomi(op->type, quiet ? SSE_UCOMI : SSE_COMI), b, a);
    emit_rr(e, (0x90u | (unsigned)(less ? CC_A : CC_AE)) | X_0F | X_M8, 0, dst);
    ra_set_out(g, op, dst);
}

/* --- conversion --------------------------------------------------------------- */

/* Unsigned: the range is compared first, since the signed conversion would flag other
 * cases. */
static void gen_f2i(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    if (is_static_mode(op) && op->aux != FP_MODE_RTZ) {
        gen_soft(g, op);
        return;
    }
    unsigned a = ra_use(g, op->in[0]), dst = ra_out(g, op, 0);
    uint32_t opc = scalar(op->type, op->aux == FP_MODE_RTZ ? SSE_CVTT_F2I : SSE_CVT_F2I);
    uint32_t w = op->imm == FCVT_I32 ? 0 : X_W;
    if (op->imm == FCVT_I32 || op->imm == FCVT_I64) {
        emit_rr(e, opc | w, dst, a);
        emit_alu_imm(e, w, ALU_CMP, dst,
                     1); /* overflows for 0x80... only: out of range */
        Cold *c = soft_new(g, op, emit_jcc_later(e, CC_O), dst, (unsigned[3]){a});
        c->back = e->p;
        ra_set_out(g, op, dst);
        return;
    }
    unsigned t = ra_alloc(g, (uint32_t)XMM_TEMPS);
    emit_clear(e, t);
    emit_rr(e, ucomi(op->type, SSE_UCOMI), a, t);
    Cold *c = soft_new(g, op, emit_jcc_later(e, CC_B), dst, (unsigned[3]){a});
    FpConstant limit = op->imm == FCVT_U32 ? FP_CONST_U32_MAX : FP_CONST_2_63;
    emit_rip(e, ucomi(op->type, SSE_UCOMI), a, constant(g, limit, op->type));
    Cold *high = soft_new(g, op, emit_jcc_later(e, op->imm == FCVT_U32 ? CC_A : CC_AE),
                          dst, (unsigned[3]){a});
    emit_rr(e, opc | X_W, dst, a);
    c->back = high->back = e->p;
    ra_set_out(g, op, dst);
}

static void gen_i2f(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    bool exact = op->type == IR_F64 && (op->imm == FCVT_I32 || op->imm == FCVT_U32);
    if (is_static_mode(op) && !exact) {
        gen_soft(g, op);
        return;
    }
    unsigned a = ra_use(g, op->in[0]), dst = ra_out(g, op, 0);
    Cold *c = NULL;
    if (op->imm == FCVT_U64) {
        emit_rr(e, X_TEST | X_W, a, a);
        c = soft_new(g, op, emit_jcc_later(e, CC_S), dst, (unsigned[3]){a});
    } else if (op->imm == FCVT_U32) {
        unsigned t = ra_alloc(g, GPR_TEMPS);
        emit_mov(e, 0, t, a);
        a = t;
    }
    emit_clear(e, dst);
    emit_rr(e, scalar(op->type, SSE_CVT_I2F) | (op->imm == FCVT_I32 ? 0 : X_W), dst, a);
    if (c) {
        c->back = e->p;
    }
    ra_set_out(g, op, dst);
}

static void gen_f2f(X86Gen *g, const IrOp *op) {
    if (is_static_mode(op) && op->type == IR_F32) {
        gen_soft(g, op);
        return;
    }
    unsigned a = ra_use(g, op->in[0]), dst = ra_out(g, op, 0);
    emit_rr(&g->e, scalar(op->type == IR_F64 ? IR_F32 : IR_F64, SSE_CVT_F2F), dst, a);
    canonicalize(g, op, dst);
    ra_set_out(g, op, dst);
}

/* --- moves -------------------------------------------------------------------- */

static uint32_t float_w(const X86Gen *g, TempId t) {
    return g->temps[t].type == IR_F64 ? X_W : 0;
}

static void gen_fmov_i2f(X86Gen *g, const IrOp *op) {
    unsigned a = ra_use(g, op->in[0]), dst = ra_out(g, op, 0);
    emit_rr(&g->e, 0x6e | X_66 | X_0F | float_w(g, op->out), dst, a);
    ra_set_out(g, op, dst);
}

static void gen_fmov_f2i(X86Gen *g, const IrOp *op) {
    uint32_t w = float_w(g, op->in[0]);
    Opnd a = fp_operand(g, op->in[0]);
    unsigned dst = ra_out(g, op, 0);
    if (a.kind == OPND_MEM) {
        emit_rm(&g->e, X_MOV_RM | w, dst, a.reg, a.val);
    } else {
        emit_rr(&g->e, 0x7e | X_66 | X_0F | w, a.reg, dst);
    }
    ra_set_out(g, op, dst);
}

static void gen_fbox(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    unsigned a = ra_use(g, op->in[0]);
    unsigned ones = ra_alloc(g, (uint32_t)XMM_TEMPS);
    unsigned dst = ra_out(g, op, 0);
    emit_rr(e, 0x76 | X_66 | X_0F, ones, ones); /* pcmpeqd: all ones */
    emit_movaps(e, dst, a);
    emit_rr(e, 0x62 | X_66 | X_0F, dst, ones); /* punpckldq: low dwords side by side */
    ra_set_out(g, op, dst);
}

static void gen_funbox(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    Opnd a = fp_operand(g, op->in[0]);
    unsigned dst = ra_out(g, op, 0);
    if (a.kind == OPND_MEM) {
        emit_alu_mem_imm(e, 0, ALU_CMP, a.reg, a.val + 4, -1);
    } else {
        unsigned t = ra_alloc(g, GPR_TEMPS);
        emit_rr(e, 0x7e | X_66 | X_0F | X_W, a.reg, t);
        emit_shift_imm(e, X_W, SHIFT_SHR, t, 32);
        emit_alu_imm(e, 0, ALU_CMP, t, -1);
    }
    Cold *c = cold_new(g, COLD_NAN, emit_jcc_later(e, CC_NE));
    c->a = (uint8_t)dst;
    c->b = IR_F32;
    if (a.kind == OPND_MEM) {
        emit_rm(e, scalar(IR_F32, 0x10), dst, a.reg, a.val);
    } else {
        emit_movaps(e, dst, a.reg);
    }
    c->back = e->p;
    ra_set_out(g, op, dst);
}

bool gen_fp_op(X86Gen *g, const IrOp *op) {
    switch ((IrOpcode)op->opcode) {
    case IR_fmov_i2f:
        gen_fmov_i2f(g, op);
        return true;
    case IR_fmov_f2i:
        gen_fmov_f2i(g, op);
        return true;
    case IR_fbox:
        gen_fbox(g, op);
        return true;
    case IR_funbox:
        gen_funbox(g, op);
        return true;
    case IR_fadd:
        gen_arith(g, op, SSE_ADD);
        return true;
    case IR_fsub:
        gen_arith(g, op, SSE_SUB);
        return true;
    case IR_fmul:
        gen_arith(g, op, SSE_MUL);
        return true;
    case IR_fdiv:
        gen_arith(g, op, SSE_DIV);
        return true;
    case IR_fsqrt:
        gen_sqrt(g, op);
        return true;
    case IR_fmadd:
        gen_fmadd(g, op);
        return true;
    case IR_fmin:
        gen_min_max(g, op, SSE_MIN);
        return true;
    case IR_fmax:
        gen_min_max(g, op, SSE_MAX);
        return true;
    case IR_fcmp:
        gen_fcmp(g, op);
        return true;
    case IR_fcvt_f2i:
        gen_f2i(g, op);
        return true;
    case IR_fcvt_i2f:
        gen_i2f(g, op);
        return true;
    case IR_fcvt_f2f:
        gen_f2f(g, op);
        return true;
    case IR_fp_save:
        emit_rm(&g->e, 0xae | X_0F, 3, RBP, CPU_DISP(fp.host));
        return true;
    case IR_fp_load:
        emit_rm(&g->e, 0xae | X_0F, 2, RBP, CPU_DISP(fp.host));
        return true;
    default:
        return false;
    }
}
