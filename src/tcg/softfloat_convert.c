/* SPDX-License-Identifier: MIT */
/*
 * Soft floating-point conversions: to and from integers, between formats, to integral
 * values.
 *
 * Spec: IEEE 754-2019, sections 5.4.1, 5.8, 5.9; RISC-V F (table of float-to-integer
 * results), D, Zfa (fround, froundnx, fcvtmod.w.d).
 */
#include "tcg/softfloat_parts.h"

/* A magnitude that is out of every integer's range, for numbers that would not fit in 128
 * bits. */
#define MAGNITUDE_TOO_BIG ((u128)1 << 100)

/* The magnitude of p rounded to an integer; p is zero or finite. */
static u128 integer_magnitude(FpParts p, FpRound round, bool *inexact) {
    *inexact = false;
    if (p.kind == KIND_ZERO) {
        return 0;
    }
    if (p.exp + fp_top_bit(p.sig) > 64) {
        return MAGNITUDE_TOO_BIG;
    }
    return fp_shift_round(p.sig, -p.exp, p.sign, round, inexact);
}

/*
 * Converts to an integer of [-lower, upper], returned as its two's complement in 64 bits.
 * The range is checked after rounding: -0.7 towards zero is an unsigned 0, merely
 * inexact.
 */
static uint64_t to_integer(FpState *st, const FpFormat *f, uint64_t bits, uint64_t lower,
                           uint64_t upper) {
    FpParts p = fp_unpack(f, bits);
    bool inexact = false;

    if (fp_is_nan(p)) {
        st->flags |= FP_INVALID;
        return upper;
    }
    u128 magnitude = p.kind == KIND_INF ? MAGNITUDE_TOO_BIG
                                        : integer_magnitude(p, st->round, &inexact);
    if (magnitude > (p.sign ? lower : upper)) {
        st->flags |= FP_INVALID;
        return p.sign ? -lower : upper;
    }
    if (inexact) {
        st->flags |= FP_INEXACT;
    }
    return p.sign ? -(uint64_t)magnitude : (uint64_t)magnitude;
}

#define I32_LOWER (UINT64_C(1) << 31)
#define I64_LOWER (UINT64_C(1) << 63)

int32_t f32_to_i32(FpState *st, uint32_t a) {
    return (int32_t)to_integer(st, &fp_binary32, a, I32_LOWER, INT32_MAX);
}

uint32_t f32_to_u32(FpState *st, uint32_t a) {
    return (uint32_t)to_integer(st, &fp_binary32, a, 0, UINT32_MAX);
}

int64_t f32_to_i64(FpState *st, uint32_t a) {
    return (int64_t)to_integer(st, &fp_binary32, a, I64_LOWER, INT64_MAX);
}

uint64_t f32_to_u64(FpState *st, uint32_t a) {
    return to_integer(st, &fp_binary32, a, 0, UINT64_MAX);
}

int32_t f64_to_i32(FpState *st, uint64_t a) {
    return (int32_t)to_integer(st, &fp_binary64, a, I32_LOWER, INT32_MAX);
}

uint32_t f64_to_u32(FpState *st, uint64_t a) {
    return (uint32_t)to_integer(st, &fp_binary64, a, 0, UINT32_MAX);
}

int64_t f64_to_i64(FpState *st, uint64_t a) {
    return (int64_t)to_integer(st, &fp_binary64, a, I64_LOWER, INT64_MAX);
}

uint64_t f64_to_u64(FpState *st, uint64_t a) {
    return to_integer(st, &fp_binary64, a, 0, UINT64_MAX);
}

int32_t f64_to_i32_mod(FpState *st, uint64_t a) {
    FpParts p = fp_unpack(&fp_binary64, a);
    FpState truncating = {.round = FP_RTZ};

    f64_to_i32(&truncating, a);
    st->flags |= truncating.flags;
    if (p.kind != KIND_FINITE || p.exp >= 32) {
        return 0; /* no number, or a multiple of 2^32 */
    }
    bool inexact;
    uint64_t low = (uint64_t)fp_shift_round(p.sig, -p.exp, p.sign, FP_RTZ, &inexact);
    return (int32_t)(uint32_t)(p.sign ? -low : low);
}

static uint64_t from_integer(FpState *st, const FpFormat *f, bool negative,
                             uint64_t magnitude) {
    FpParts p = {.kind = magnitude == 0 ? KIND_ZERO : KIND_FINITE,
                 .sign = negative,
                 .exp = 0,
                 .sig = magnitude};
    return fp_pack(st, f, p);
}

static uint64_t magnitude_of(int64_t a) {
    return a < 0 ? -(uint64_t)a : (uint64_t)a;
}

uint32_t i64_to_f32(FpState *st, int64_t a) {
    return (uint32_t)from_integer(st, &fp_binary32, a < 0, magnitude_of(a));
}

uint32_t u64_to_f32(FpState *st, uint64_t a) {
    return (uint32_t)from_integer(st, &fp_binary32, false, a);
}

uint32_t i32_to_f32(FpState *st, int32_t a) {
    return i64_to_f32(st, a);
}

uint32_t u32_to_f32(FpState *st, uint32_t a) {
    return u64_to_f32(st, a);
}

uint64_t i64_to_f64(FpState *st, int64_t a) {
    return from_integer(st, &fp_binary64, a < 0, magnitude_of(a));
}

uint64_t u64_to_f64(FpState *st, uint64_t a) {
    return from_integer(st, &fp_binary64, false, a);
}

uint64_t i32_to_f64(FpState *st, int32_t a) {
    return i64_to_f64(st, a);
}

uint64_t u32_to_f64(FpState *st, uint32_t a) {
    return u64_to_f64(st, a);
}

static uint64_t convert(FpState *st, const FpFormat *to, const FpFormat *from,
                        uint64_t a) {
    FpParts p = fp_unpack(from, a);
    return fp_pack(st, to, fp_is_nan(p) ? fp_propagate_nan(st, p, p) : p);
}

uint32_t f64_to_f32(FpState *st, uint64_t a) {
    return (uint32_t)convert(st, &fp_binary32, &fp_binary64, a);
}

uint64_t f32_to_f64(FpState *st, uint32_t a) {
    return convert(st, &fp_binary64, &fp_binary32, a);
}

/* A number without a fraction is returned as it is; what becomes zero keeps its sign. */
static uint64_t round_int(FpState *st, const FpFormat *f, uint64_t a, bool exact) {
    FpParts p = fp_unpack(f, a);

    if (fp_is_nan(p)) {
        return fp_pack(st, f, fp_propagate_nan(st, p, p));
    }
    if (p.kind != KIND_FINITE || p.exp >= 0) {
        return a;
    }
    bool inexact;
    p.sig = fp_shift_round(p.sig, -p.exp, p.sign, st->round, &inexact);
    p.exp = 0;
    p.kind = p.sig == 0 ? KIND_ZERO : KIND_FINITE;
    if (inexact && exact) {
        st->flags |= FP_INEXACT;
    }
    return fp_pack(st, f, p);
}

uint32_t f32_round_int(FpState *st, uint32_t a, bool exact) {
    return (uint32_t)round_int(st, &fp_binary32, a, exact);
}

uint64_t f64_round_int(FpState *st, uint64_t a, bool exact) {
    return round_int(st, &fp_binary64, a, exact);
}
