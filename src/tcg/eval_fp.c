/* SPDX-License-Identifier: MIT */
/* The "meaning" column of ops.def for floating point; see eval_fp.h. */
#include "tcg/eval_fp.h"

#include <stdlib.h>

/* What a fmadd negates: bits of its imm. */
enum { NEGATE_PRODUCT = 1, NEGATE_SUMMAND = 2 };

static bool compare(FpState *st, bool wide, IrFcond cond, uint64_t a, uint64_t b) {
    uint32_t a32 = (uint32_t)a, b32 = (uint32_t)b;
    switch (cond) {
    case FCOND_EQ:
        return wide ? f64_eq(st, a, b) : f32_eq(st, a32, b32);
    case FCOND_LT:
        return wide ? f64_lt(st, a, b) : f32_lt(st, a32, b32);
    case FCOND_LE:
        return wide ? f64_le(st, a, b) : f32_le(st, a32, b32);
    case FCOND_LT_Q:
        return wide ? f64_lt_quiet(st, a, b) : f32_lt_quiet(st, a32, b32);
    case FCOND_LE_Q:
        return wide ? f64_le_quiet(st, a, b) : f32_le_quiet(st, a32, b32);
    case FCOND_COUNT:
        break;
    }
    abort();
}

static uint64_t to_int(FpState *st, bool wide, uint64_t kind, uint64_t a) {
    uint32_t a32 = (uint32_t)a;
    switch (kind) {
    case FCVT_I32:
        return (uint32_t)(wide ? f64_to_i32(st, a) : f32_to_i32(st, a32));
    case FCVT_U32:
        return wide ? f64_to_u32(st, a) : f32_to_u32(st, a32);
    case FCVT_I64:
        return (uint64_t)(wide ? f64_to_i64(st, a) : f32_to_i64(st, a32));
    default:
        return wide ? f64_to_u64(st, a) : f32_to_u64(st, a32);
    }
}

static uint64_t from_int(FpState *st, bool wide, uint64_t kind, uint64_t a) {
    switch (kind) {
    case FCVT_I32:
        return wide ? i32_to_f64(st, (int32_t)a) : i32_to_f32(st, (int32_t)a);
    case FCVT_U32:
        return wide ? u32_to_f64(st, (uint32_t)a) : u32_to_f32(st, (uint32_t)a);
    case FCVT_I64:
        return wide ? i64_to_f64(st, (int64_t)a) : i64_to_f32(st, (int64_t)a);
    default:
        return wide ? u64_to_f64(st, a) : u64_to_f32(st, a);
    }
}

static uint64_t muladd(FpState *st, bool wide, uint64_t imm, const uint64_t in[3]) {
    uint64_t sign = wide ? UINT64_C(1) << 63 : UINT64_C(1) << 31;
    uint64_t a = in[0] ^ (imm & NEGATE_PRODUCT ? sign : 0);
    uint64_t c = in[2] ^ (imm & NEGATE_SUMMAND ? sign : 0);
    return wide ? f64_muladd(st, a, in[1], c)
                : f32_muladd(st, (uint32_t)a, (uint32_t)in[1], (uint32_t)c);
}

uint64_t eval_fp(FpState *st, IrOpcode opcode, IrType type, IrFcond cond, uint64_t imm,
                 const uint64_t in[3]) {
    bool wide = type == IR_F64;
    uint64_t a = in[0], b = in[1];
    uint32_t a32 = (uint32_t)a, b32 = (uint32_t)b;
    switch ((unsigned)opcode) {
    case IR_fadd:
        return wide ? f64_add(st, a, b) : f32_add(st, a32, b32);
    case IR_fsub:
        return wide ? f64_sub(st, a, b) : f32_sub(st, a32, b32);
    case IR_fmul:
        return wide ? f64_mul(st, a, b) : f32_mul(st, a32, b32);
    case IR_fdiv:
        return wide ? f64_div(st, a, b) : f32_div(st, a32, b32);
    case IR_fsqrt:
        return wide ? f64_sqrt(st, a) : f32_sqrt(st, a32);
    case IR_fmadd:
        return muladd(st, wide, imm, in);
    case IR_fmin:
        return wide ? f64_min(st, a, b) : f32_min(st, a32, b32);
    case IR_fmax:
        return wide ? f64_max(st, a, b) : f32_max(st, a32, b32);
    case IR_fcmp:
        return compare(st, wide, cond, a, b);
    case IR_fcvt_f2i:
        return to_int(st, wide, imm, a);
    case IR_fcvt_i2f:
        return from_int(st, wide, imm, a);
    case IR_fcvt_f2f:
        return wide ? f32_to_f64(st, a32) : f64_to_f32(st, a);
    default:
        abort();
    }
}
