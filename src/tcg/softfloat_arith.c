/* SPDX-License-Identifier: MIT */
/*
 * Soft floating-point sum, product, fused multiply-add, quotient and square root.
 *
 * Each works on unpacked numbers and leaves the rounding to fp_pack, so a fused
 * multiply-add is just a sum whose first operand is a product that was never packed.
 *
 * Spec: IEEE 754-2019, sections 5.4.1 (operations), 6 (infinities, NaNs,
 * signs), 7.2, 7.3.
 */
#include "tcg/softfloat_parts.h"

/* An exact zero sum is +0, but -0 when rounding down or when both terms are -0. */
static FpParts zero_sum(FpRound round, FpParts a, FpParts b) {
    bool both_minus_zero = a.kind == KIND_ZERO && b.kind == KIND_ZERO && a.sign && b.sign;
    bool both_plus_zero =
        a.kind == KIND_ZERO && b.kind == KIND_ZERO && !a.sign && !b.sign;
    bool sign = both_minus_zero || (round == FP_RDN && !both_plus_zero);

    return (FpParts){.kind = KIND_ZERO, .sign = sign};
}

/*
 * Aligns the smaller of two finite numbers under the larger, and adds or subtracts.
 *
 *   large   1xxxxxxxxxxxxxxxx00000000000000000   leading bit at FP_WIDE_TOP
 *   small        1yyyyyyyyyyyyyyyyyyyyyyyyyyyS   shifted right, S sticky
 *
 * The widest operand is a product, 106 bits, so at least 20 bits below it are zero. Bits
 * of the smaller number fall out only if it lies more than 20 places lower; then the
 * difference loses one leading bit at most, and the sticky bit stays far below the last
 * place kept. Where many leading bits cancel nothing has fallen out, and the difference
 * is exact.
 */
static FpParts sum_finite(FpRound round, FpParts a, FpParts b) {
    FpParts large = fp_widen(a), small = fp_widen(b);

    if (large.exp < small.exp) {
        FpParts swap = large;
        large = small;
        small = swap;
    }
    small.sig = fp_shift_right_sticky(small.sig, large.exp - small.exp);
    if (large.sign == small.sign) {
        large.sig += small.sig;
    } else if (large.sig > small.sig) {
        large.sig -= small.sig;
    } else if (large.sig < small.sig) {
        large.sig = small.sig - large.sig;
        large.sign = small.sign;
    } else {
        return zero_sum(round, a, b);
    }
    return large;
}

static FpParts sum(FpState *st, FpParts a, FpParts b) {
    if (fp_is_nan(a) || fp_is_nan(b)) {
        return fp_propagate_nan(st, a, b);
    }
    if (a.kind == KIND_INF && b.kind == KIND_INF && a.sign != b.sign) {
        return fp_invalid(st);
    }
    if (a.kind == KIND_INF || b.kind == KIND_INF) {
        return a.kind == KIND_INF ? a : b;
    }
    if (a.kind == KIND_ZERO && b.kind == KIND_ZERO) {
        return zero_sum(st->round, a, b);
    }
    if (a.kind == KIND_ZERO || b.kind == KIND_ZERO) {
        return a.kind == KIND_ZERO ? b : a;
    }
    return sum_finite(st->round, a, b);
}

static FpParts product(FpState *st, FpParts a, FpParts b) {
    bool sign = a.sign != b.sign;

    if (fp_is_nan(a) || fp_is_nan(b)) {
        return fp_propagate_nan(st, a, b);
    }
    if (a.kind == KIND_INF || b.kind == KIND_INF) {
        if (a.kind == KIND_ZERO || b.kind == KIND_ZERO) {
            return fp_invalid(st);
        }
        return (FpParts){.kind = KIND_INF, .sign = sign};
    }
    if (a.kind == KIND_ZERO || b.kind == KIND_ZERO) {
        return (FpParts){.kind = KIND_ZERO, .sign = sign};
    }
    return (FpParts){
        .kind = KIND_FINITE, .sign = sign, .exp = a.exp + b.exp, .sig = a.sig * b.sig};
}

/* A 126-bit dividend over at most 53 bits: 73 bits of quotient, the lowest sticky. */
static FpParts quotient_finite(FpParts a, FpParts b) {
    FpParts wide = fp_widen(a);
    u128 q = wide.sig / b.sig;
    bool remainder = q * b.sig != wide.sig;

    return (FpParts){.kind = KIND_FINITE,
                     .sign = a.sign != b.sign,
                     .exp = wide.exp - b.exp,
                     .sig = q | remainder};
}

static FpParts quotient(FpState *st, FpParts a, FpParts b) {
    bool sign = a.sign != b.sign;

    if (fp_is_nan(a) || fp_is_nan(b)) {
        return fp_propagate_nan(st, a, b);
    }
    if (a.kind == b.kind && a.kind != KIND_FINITE) {
        return fp_invalid(st); /* 0/0 and inf/inf */
    }
    if (a.kind == KIND_INF || b.kind == KIND_ZERO) {
        if (a.kind == KIND_FINITE) {
            st->flags |= FP_DIVZERO;
        }
        return (FpParts){.kind = KIND_INF, .sign = sign};
    }
    if (a.kind == KIND_ZERO || b.kind == KIND_INF) {
        return (FpParts){.kind = KIND_ZERO, .sign = sign};
    }
    return quotient_finite(a, b);
}

/*
 * sqrt(sig * 2^exp) is sqrt(sig) * 2^(exp/2) for even exp. Found bit by bit from the top:
 * 63 bits of root, the lowest made sticky.
 */
static FpParts root_finite(FpParts a) {
    FpParts wide = fp_widen(a);
    if (wide.exp % 2 != 0) {
        wide.sig <<= 1;
        wide.exp--;
    }

    u128 root = 0;
    for (u128 bit = (u128)1 << 63; bit != 0; bit >>= 1) {
        u128 next = root | bit;
        if (next * next <= wide.sig) {
            root = next;
        }
    }
    bool remainder = root * root != wide.sig;
    return (FpParts){.kind = KIND_FINITE, .exp = wide.exp / 2, .sig = root | remainder};
}

static FpParts square_root(FpState *st, FpParts a) {
    if (fp_is_nan(a)) {
        return fp_propagate_nan(st, a, a);
    }
    if (a.kind == KIND_ZERO) {
        return a; /* the root of -0 is -0 */
    }
    if (a.sign) {
        return fp_invalid(st);
    }
    return a.kind == KIND_INF ? a : root_finite(a);
}

/* Both formats run the same code; each line below makes f32_NAME and f64_NAME. */
#define DEFINE_BINARY(name, operation, flip_b)                                           \
    uint32_t f32_##name(FpState *st, uint32_t a, uint32_t b) {                           \
        const FpFormat *f = &fp_binary32;                                                \
        FpParts r = operation(st, fp_unpack(f, a), fp_unpack(f, b ^ (flip_b)));          \
        return (uint32_t)fp_pack(st, f, r);                                              \
    }                                                                                    \
    uint64_t f64_##name(FpState *st, uint64_t a, uint64_t b) {                           \
        const FpFormat *f = &fp_binary64;                                                \
        FpParts r = operation(st, fp_unpack(f, a), fp_unpack(f, b ^ (flip_b)));          \
        return fp_pack(st, f, r);                                                        \
    }

DEFINE_BINARY(add, sum, 0)
DEFINE_BINARY(sub, sum, fp_sign_bit(f))
DEFINE_BINARY(mul, product, 0)
DEFINE_BINARY(div, quotient, 0)

uint32_t f32_sqrt(FpState *st, uint32_t a) {
    return (uint32_t)fp_pack(st, &fp_binary32,
                             square_root(st, fp_unpack(&fp_binary32, a)));
}

uint64_t f64_sqrt(FpState *st, uint64_t a) {
    return fp_pack(st, &fp_binary64, square_root(st, fp_unpack(&fp_binary64, a)));
}

/*
 * inf * 0 is invalid whatever is added to it, and a signaling NaN is whichever operand it
 * is: product and sum see to it in turn.
 */
static uint64_t muladd(FpState *st, const FpFormat *f, uint64_t a, uint64_t b,
                       uint64_t c) {
    FpParts ab = product(st, fp_unpack(f, a), fp_unpack(f, b));
    return fp_pack(st, f, sum(st, ab, fp_unpack(f, c)));
}

uint32_t f32_muladd(FpState *st, uint32_t a, uint32_t b, uint32_t c) {
    return (uint32_t)muladd(st, &fp_binary32, a, b, c);
}

uint64_t f64_muladd(FpState *st, uint64_t a, uint64_t b, uint64_t c) {
    return muladd(st, &fp_binary64, a, b, c);
}
