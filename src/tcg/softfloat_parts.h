/* SPDX-License-Identifier: MIT */
/*
 * The unpacked number that softfloat's files share, and the two ends of every operation:
 * unpacking is exact, and rounding happens in one place, fp_pack.
 *
 *   binary64   s eeeeeeeeeee ffff....ffff      FpParts   kind, sign, exp, sig
 *                     11          52                     value = (-1)^sign * sig * 2^exp
 *
 * `sig` is a plain integer and `exp` the weight of its lowest bit, so a product is a
 * product of integers and nothing is lost until fp_pack. Where an exact result does not
 * fit in 128 bits, its lowest bit is made *sticky*: set if anything below it was
 * non-zero. That keeps the result on the right side of every number and every midpoint of
 * the format, provided that two bits at least stand below the last place that is kept;
 * all users leave more than ten.
 *
 * Private to softfloat*.c.
 */
#ifndef VITRINE_TCG_SOFTFLOAT_PARTS_H
#define VITRINE_TCG_SOFTFLOAT_PARTS_H

#include "tcg/softfloat.h"

typedef unsigned __int128 u128;

typedef struct FpFormat {
    int exp_bits;
    int frac_bits; /* of the fraction field: one less than the precision */
} FpFormat;

extern const FpFormat fp_binary32, fp_binary64;

typedef enum FpKind { KIND_ZERO, KIND_FINITE, KIND_INF, KIND_QNAN, KIND_SNAN } FpKind;

typedef struct FpParts {
    FpKind kind;
    bool sign;
    int exp;  /* KIND_FINITE: the weight of sig's bit 0 */
    u128 sig; /* KIND_FINITE: not zero, below 2^127 */
} FpParts;

/* Where fp_widen puts the leading bit: one bit of room for a carry, and sig stays below
 * 2^127. */
#define FP_WIDE_TOP 125

static inline uint64_t fp_sign_bit(const FpFormat *f) {
    return UINT64_C(1) << (f->exp_bits + f->frac_bits);
}

static inline uint64_t fp_frac_mask(const FpFormat *f) {
    return (UINT64_C(1) << f->frac_bits) - 1;
}

/* The exponent field of infinities and NaNs: all ones. */
static inline int fp_exp_special(const FpFormat *f) {
    return (1 << f->exp_bits) - 1;
}

static inline int fp_bias(const FpFormat *f) {
    return (1 << (f->exp_bits - 1)) - 1;
}

static inline bool fp_is_nan(FpParts p) {
    return p.kind == KIND_QNAN || p.kind == KIND_SNAN;
}

FpParts fp_unpack(const FpFormat *f, uint64_t bits);

/* Rounds by st->round, raises inexact, underflow and overflow, and encodes. */
uint64_t fp_pack(FpState *st, const FpFormat *f, FpParts p);

/* The NaN that an operation on p and q gives; a signaling one among them is invalid. */
FpParts fp_propagate_nan(FpState *st, FpParts p, FpParts q);

/* The NaN that an operation without an answer gives. */
FpParts fp_invalid(FpState *st);

/* The number of sig's leading bit; sig is not zero. */
int fp_top_bit(u128 sig);

/* Moves the leading bit of sig to FP_WIDE_TOP; the value stays the same. */
FpParts fp_widen(FpParts p);

/* sig / 2^shift, the lowest bit sticky. */
u128 fp_shift_right_sticky(u128 sig, int shift);

/* sig / 2^shift rounded to an integer; a negative shift multiplies, and must fit. */
u128 fp_shift_round(u128 sig, int shift, bool sign, FpRound round, bool *inexact);

#endif
