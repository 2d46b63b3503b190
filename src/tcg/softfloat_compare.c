/* SPDX-License-Identifier: MIT */
/*
 * Soft floating-point order: comparisons, minimum and maximum, classification; and fli's
 * table.
 *
 * Numbers of one format are ordered as their bit patterns are, read as sign and
 * magnitude:
 *
 *   -inf ... -1.0 ... -subnormal  -0 | +0  +subnormal ... 1.0 ... +inf
 *   <------ magnitude grows --------   -------- magnitude grows ----->
 *
 * Spec: IEEE 754-2019, sections 5.11 (comparison), 9.6 (minimum and maximum); RISC-V F
 * (fclass), Zfa (fli, fltq, fleq, fminm, fmaxm).
 */
#include "tcg/softfloat_parts.h"

typedef enum FpOrder { ORDER_LESS, ORDER_EQUAL, ORDER_GREATER, ORDER_NONE } FpOrder;

/* Which NaNs make a comparison invalid. */
typedef enum NanPolicy { SIGNALING_IS_INVALID, ANY_NAN_IS_INVALID } NanPolicy;

/* The order of two bit patterns that are not NaNs; both zeros have the key 0. */
static int64_t order_key(const FpFormat *f, uint64_t bits) {
    int64_t magnitude = (int64_t)(bits & (fp_sign_bit(f) - 1));
    return (bits & fp_sign_bit(f)) != 0 ? -magnitude : magnitude;
}

static FpOrder compare(FpState *st, const FpFormat *f, uint64_t a, uint64_t b,
                       NanPolicy policy) {
    FpParts pa = fp_unpack(f, a), pb = fp_unpack(f, b);

    if (fp_is_nan(pa) || fp_is_nan(pb)) {
        if (policy == ANY_NAN_IS_INVALID || pa.kind == KIND_SNAN ||
            pb.kind == KIND_SNAN) {
            st->flags |= FP_INVALID;
        }
        return ORDER_NONE;
    }
    int64_t ka = order_key(f, a), kb = order_key(f, b);
    return ka < kb ? ORDER_LESS : ka > kb ? ORDER_GREATER : ORDER_EQUAL;
}

/* Each line makes f32_NAME and f64_NAME; `order` in the condition is the order of a and
 * b. */
#define DEFINE_COMPARE(name, policy, condition)                                          \
    bool f32_##name(FpState *st, uint32_t a, uint32_t b) {                               \
        FpOrder order = compare(st, &fp_binary32, a, b, policy);                         \
        return condition;                                                                \
    }                                                                                    \
    bool f64_##name(FpState *st, uint64_t a, uint64_t b) {                               \
        FpOrder order = compare(st, &fp_binary64, a, b, policy);                         \
        return condition;                                                                \
    }

DEFINE_COMPARE(eq, SIGNALING_IS_INVALID, order == ORDER_EQUAL)
DEFINE_COMPARE(lt, ANY_NAN_IS_INVALID, order == ORDER_LESS)
DEFINE_COMPARE(le, ANY_NAN_IS_INVALID, order == ORDER_LESS || order == ORDER_EQUAL)
DEFINE_COMPARE(lt_quiet, SIGNALING_IS_INVALID, order == ORDER_LESS)
DEFINE_COMPARE(le_quiet, SIGNALING_IS_INVALID,
               order == ORDER_LESS || order == ORDER_EQUAL)

/* Which end is asked for, and whether a NaN operand wins over a number. */
typedef enum Extreme { MINIMUM, MAXIMUM } Extreme;
typedef enum NanResult { NUMBER_WINS, NAN_WINS } NanResult;

static uint64_t extreme(FpState *st, const FpFormat *f, uint64_t a, uint64_t b,
                        Extreme which, NanResult nan_result) {
    FpOrder order = compare(st, f, a, b, SIGNALING_IS_INVALID);

    if (order == ORDER_NONE) {
        bool a_is_nan = fp_is_nan(fp_unpack(f, a)), b_is_nan = fp_is_nan(fp_unpack(f, b));
        if (nan_result == NAN_WINS || (a_is_nan && b_is_nan)) {
            return fp_pack(st, f, (FpParts){.kind = KIND_QNAN});
        }
        return a_is_nan ? b : a;
    }
    if (order == ORDER_EQUAL) {
        /* The same bits, or zeros whose signs tell them apart. */
        return which == MINIMUM ? a | b : a & b;
    }
    return (order == ORDER_LESS) == (which == MINIMUM) ? a : b;
}

#define DEFINE_EXTREME(name, which, nan_result)                                          \
    uint32_t f32_##name(FpState *st, uint32_t a, uint32_t b) {                           \
        return (uint32_t)extreme(st, &fp_binary32, a, b, which, nan_result);             \
    }                                                                                    \
    uint64_t f64_##name(FpState *st, uint64_t a, uint64_t b) {                           \
        return extreme(st, &fp_binary64, a, b, which, nan_result);                       \
    }

DEFINE_EXTREME(min, MINIMUM, NUMBER_WINS)
DEFINE_EXTREME(max, MAXIMUM, NUMBER_WINS)
DEFINE_EXTREME(minm, MINIMUM, NAN_WINS)
DEFINE_EXTREME(maxm, MAXIMUM, NAN_WINS)

static uint32_t classify(const FpFormat *f, uint64_t a) {
    FpParts p = fp_unpack(f, a);

    switch (p.kind) {
    case KIND_ZERO:
        return p.sign ? FP_CLASS_NEG_ZERO : FP_CLASS_POS_ZERO;
    case KIND_INF:
        return p.sign ? FP_CLASS_NEG_INF : FP_CLASS_POS_INF;
    case KIND_QNAN:
        return FP_CLASS_QNAN;
    case KIND_SNAN:
        return FP_CLASS_SNAN;
    case KIND_FINITE:
        break;
    }
    if (p.sig >> f->frac_bits == 0) {
        return p.sign ? FP_CLASS_NEG_SUBNORMAL : FP_CLASS_POS_SUBNORMAL;
    }
    return p.sign ? FP_CLASS_NEG_NORMAL : FP_CLASS_POS_NORMAL;
}

uint32_t f32_classify(uint32_t a) {
    return classify(&fp_binary32, a);
}

uint32_t f64_classify(uint64_t a) {
    return classify(&fp_binary64, a);
}

/*
 * One row of fli's table in both formats: sign, exponent and the two leading fraction
 * bits, which is all the rows need. Entry 1, the smallest normal, has another exponent in
 * each format.
 */
#define IMM32(sign, exp, frac2)                                                          \
    ((uint32_t)(sign) << 31 | (uint32_t)((exp) + 127) << 23 | (uint32_t)(frac2) << 21)
#define IMM64(sign, exp, frac2)                                                          \
    ((uint64_t)(sign) << 63 | (uint64_t)((exp) + 1023) << 52 | (uint64_t)(frac2) << 50)

/* clang-format off */
#define LOAD_IMMEDIATES(IMM, MIN_NORMAL_EXP, MAX_EXP)                                    \
    {                                                                                    \
        IMM(1, 0, 0),               /*  0: -1.0 */                                       \
        IMM(0, MIN_NORMAL_EXP, 0),  /*  1: smallest positive normal */                   \
        IMM(0, -16, 0),             /*  2: 2^-16 */                                      \
        IMM(0, -15, 0),             /*  3: 2^-15 */                                      \
        IMM(0, -8, 0),              /*  4: 2^-8 */                                       \
        IMM(0, -7, 0),              /*  5: 2^-7 */                                       \
        IMM(0, -4, 0),              /*  6: 0.0625 */                                     \
        IMM(0, -3, 0),              /*  7: 0.125 */                                      \
        IMM(0, -2, 0),              /*  8: 0.25 */                                       \
        IMM(0, -2, 1),              /*  9: 0.3125 */                                     \
        IMM(0, -2, 2),              /* 10: 0.375 */                                      \
        IMM(0, -2, 3),              /* 11: 0.4375 */                                     \
        IMM(0, -1, 0),              /* 12: 0.5 */                                        \
        IMM(0, -1, 1),              /* 13: 0.625 */                                      \
        IMM(0, -1, 2),              /* 14: 0.75 */                                       \
        IMM(0, -1, 3),              /* 15: 0.875 */                                      \
        IMM(0, 0, 0),               /* 16: 1.0 */                                        \
        IMM(0, 0, 1),               /* 17: 1.25 */                                       \
        IMM(0, 0, 2),               /* 18: 1.5 */                                        \
        IMM(0, 0, 3),               /* 19: 1.75 */                                       \
        IMM(0, 1, 0),               /* 20: 2.0 */                                        \
        IMM(0, 1, 1),               /* 21: 2.5 */                                        \
        IMM(0, 1, 2),               /* 22: 3.0 */                                        \
        IMM(0, 2, 0),               /* 23: 4.0 */                                        \
        IMM(0, 3, 0),               /* 24: 8.0 */                                        \
        IMM(0, 4, 0),               /* 25: 16.0 */                                       \
        IMM(0, 7, 0),               /* 26: 128.0 */                                      \
        IMM(0, 8, 0),               /* 27: 256.0 */                                      \
        IMM(0, 15, 0),              /* 28: 32768.0 */                                    \
        IMM(0, 16, 0),              /* 29: 65536.0 */                                    \
        IMM(0, (MAX_EXP) + 1, 0),   /* 30: +inf */                                       \
        IMM(0, (MAX_EXP) + 1, 2),   /* 31: canonical NaN */                              \
    }
/* clang-format on */

const uint32_t f32_load_immediate[FP_LOAD_IMMEDIATE_COUNT] =
    LOAD_IMMEDIATES(IMM32, -126, 127);
const uint64_t f64_load_immediate[FP_LOAD_IMMEDIATE_COUNT] =
    LOAD_IMMEDIATES(IMM64, -1022, 1023);
