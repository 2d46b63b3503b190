/* SPDX-License-Identifier: MIT */
/*
 * Floating-point ops by soft floats, called from cold stubs (SLOW_FP).
 *
 * Rounding: the op's static mode, or MXCSR's. Flags raised are or'ed into MXCSR.
 */
#include <stdlib.h>
#include <xmmintrin.h>

#include "tcg/softfloat.h"
#include "tcg/x86_64/gen.h"

static uint32_t arith32(FpState *st, unsigned opcode, unsigned imm,
                        const uint64_t in[3]) {
    uint32_t a = (uint32_t)in[0], b = (uint32_t)in[1], c = (uint32_t)in[2];
    const uint32_t sign = UINT32_C(1) << 31;
    switch (opcode) {
    case IR_fadd:
        return f32_add(st, a, b);
    case IR_fsub:
        return f32_sub(st, a, b);
    case IR_fmul:
        return f32_mul(st, a, b);
    case IR_fdiv:
        return f32_div(st, a, b);
    case IR_fsqrt:
        return f32_sqrt(st, a);
    case IR_fmin:
        return f32_min(st, a, b);
    case IR_fmax:
        return f32_max(st, a, b);
    case IR_fcvt_f2f:
        return f64_to_f32(st, in[0]);
    case IR_fmadd:
        return f32_muladd(st, imm & 1 ? a ^ sign : a, b, imm & 2 ? c ^ sign : c);
    default:
        abort();
    }
}

static uint64_t arith64(FpState *st, unsigned opcode, unsigned imm,
                        const uint64_t in[3]) {
    uint64_t a = in[0], b = in[1], c = in[2];
    const uint64_t sign = UINT64_C(1) << 63;
    switch (opcode) {
    case IR_fadd:
        return f64_add(st, a, b);
    case IR_fsub:
        return f64_sub(st, a, b);
    case IR_fmul:
        return f64_mul(st, a, b);
    case IR_fdiv:
        return f64_div(st, a, b);
    case IR_fsqrt:
        return f64_sqrt(st, a);
    case IR_fmin:
        return f64_min(st, a, b);
    case IR_fmax:
        return f64_max(st, a, b);
    case IR_fcvt_f2f:
        return f32_to_f64(st, (uint32_t)a);
    case IR_fmadd:
        return f64_muladd(st, imm & 1 ? a ^ sign : a, b, imm & 2 ? c ^ sign : c);
    default:
        abort();
    }
}

static uint64_t to_int(FpState *st, unsigned type, unsigned fcvt, uint64_t a) {
    bool f64 = type == IR_F64;
    uint32_t a32 = (uint32_t)a;
    switch (fcvt) {
    case FCVT_I32:
        return (uint32_t)(f64 ? f64_to_i32(st, a) : f32_to_i32(st, a32));
    case FCVT_U32:
        return f64 ? f64_to_u32(st, a) : f32_to_u32(st, a32);
    case FCVT_I64:
        return (uint64_t)(f64 ? f64_to_i64(st, a) : f32_to_i64(st, a32));
    default:
        return f64 ? f64_to_u64(st, a) : f32_to_u64(st, a32);
    }
}

static uint64_t from_int(FpState *st, unsigned type, unsigned fcvt, uint64_t a) {
    bool f64 = type == IR_F64;
    switch (fcvt) {
    case FCVT_I32:
        return f64 ? i32_to_f64(st, (int32_t)a) : i32_to_f32(st, (int32_t)a);
    case FCVT_U32:
        return f64 ? u32_to_f64(st, (uint32_t)a) : u32_to_f32(st, (uint32_t)a);
    case FCVT_I64:
        return f64 ? i64_to_f64(st, (int64_t)a) : i64_to_f32(st, (int64_t)a);
    default:
        return f64 ? u64_to_f64(st, a) : u64_to_f32(st, a);
    }
}

/* MXCSR rounding control to FpRound. */
static uint8_t live_round(unsigned mxcsr) {
    static const uint8_t round[4] = {FP_RNE, FP_RDN, FP_RUP, FP_RTZ};
    return round[mxcsr >> 13 & 3];
}

/* NX UF OF DZ NV to IE(0) ZE(2) OE(3) UE(4) PE(5). */
static unsigned mxcsr_flags(unsigned flags) {
    return (flags & FP_INEXACT ? 1u << 5 : 0) | (flags & FP_UNDERFLOW ? 1u << 4 : 0) |
           (flags & FP_OVERFLOW ? 1u << 3 : 0) | (flags & FP_DIVZERO ? 1u << 2 : 0) |
           (flags & FP_INVALID ? 1u << 0 : 0);
}

uint64_t x86_soft_fp(const SlowDesc *d, const uint64_t in[3]) {
    unsigned mxcsr = _mm_getcsr();
    FpState st = {.round = d->aux == FP_MODE_DYN ? live_round(mxcsr) : (uint8_t)d->aux};
    uint64_t out;
    if (d->opcode == IR_fcvt_f2i) {
        out = to_int(&st, d->type, (unsigned)d->value, in[0]);
    } else if (d->opcode == IR_fcvt_i2f) {
        out = from_int(&st, d->type, (unsigned)d->value, in[0]);
    } else if (d->type == IR_F64) {
        out = arith64(&st, d->opcode, (unsigned)d->value, in);
    } else {
        out = arith32(&st, d->opcode, (unsigned)d->value, in);
    }
    _mm_setcsr(mxcsr | mxcsr_flags(st.flags));
    return out;
}
