/* SPDX-License-Identifier: MIT */
/*
 * The two ends of every soft floating-point operation: unpack, and round and pack.
 *
 *                        leading bit            last place kept     bit 0 of sig
 *   sig                  1xxxxxxxxxxxxxxxxxxxxxxxxxxxx.rrrrrrrrrrrrrrr
 *   weight               2^e                          2^quantum      2^exp
 *
 * A normal number keeps frac_bits places below its leading bit; below the smallest normal
 * exponent the last place stays where it is and precision is lost gradually. So the
 * quantum is max(e, e_min) - frac_bits, and normal and subnormal numbers need no separate
 * code.
 *
 * Spec: IEEE 754-2019, sections 3.4 (encodings), 4.3 (rounding), 7 (exceptions).
 */
#include "tcg/softfloat_parts.h"

#include <assert.h>

const FpFormat fp_binary32 = {.exp_bits = 8, .frac_bits = 23};
const FpFormat fp_binary64 = {.exp_bits = 11, .frac_bits = 52};

FpParts fp_unpack(const FpFormat *f, uint64_t bits) {
    uint64_t frac = bits & fp_frac_mask(f);
    int exp_field = (int)(bits >> f->frac_bits) & fp_exp_special(f);
    FpParts p = {.sign = (bits & fp_sign_bit(f)) != 0};

    if (exp_field == fp_exp_special(f)) {
        bool quiet = (frac >> (f->frac_bits - 1)) != 0;
        p.kind = frac == 0 ? KIND_INF : quiet ? KIND_QNAN : KIND_SNAN;
        return p;
    }
    if (exp_field == 0) {
        /* Zeros and subnormals: no implicit bit, the exponent of the smallest normals. */
        p.kind = frac == 0 ? KIND_ZERO : KIND_FINITE;
        p.sig = frac;
        p.exp = 1 - fp_bias(f) - f->frac_bits;
        return p;
    }
    p.kind = KIND_FINITE;
    p.sig = frac | (UINT64_C(1) << f->frac_bits);
    p.exp = exp_field - fp_bias(f) - f->frac_bits;
    return p;
}

int fp_top_bit(u128 sig) {
    uint64_t high = (uint64_t)(sig >> 64), low = (uint64_t)sig;

    assert(sig != 0);
    return high != 0 ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll(low);
}

FpParts fp_widen(FpParts p) {
    int shift = FP_WIDE_TOP - fp_top_bit(p.sig);

    assert(shift >= 0);
    p.sig <<= shift;
    p.exp -= shift;
    return p;
}

u128 fp_shift_right_sticky(u128 sig, int shift) {
    if (shift == 0) {
        return sig;
    }
    if (shift > 127) {
        return sig != 0;
    }
    u128 kept = sig >> shift;
    return kept | ((kept << shift) != sig);
}

u128 fp_shift_round(u128 sig, int shift, bool sign, FpRound round, bool *inexact) {
    if (shift <= 0) {
        *inexact = false;
        return sig << -shift;
    }
    if (shift > 127) {
        /* sig < 2^127 is less than half of 2^shift, and so is 1 of 2^127. */
        sig = sig != 0;
        shift = 127;
    }

    u128 kept = sig >> shift;
    u128 rest = sig - (kept << shift);
    u128 half = (u128)1 << (shift - 1);
    bool up = false;

    *inexact = rest != 0;
    switch (round) {
    case FP_RNE:
        up = rest > half || (rest == half && (kept & 1) != 0);
        break;
    case FP_RTZ:
        break;
    case FP_RDN:
        up = sign && rest != 0;
        break;
    case FP_RUP:
        up = !sign && rest != 0;
        break;
    case FP_RMM:
        up = rest >= half;
        break;
    }
    return kept + up;
}

/* An overflow goes to infinity, unless the rounding direction points away from it. */
static uint64_t pack_overflow(FpState *st, const FpFormat *f, bool sign) {
    uint64_t infinity = (uint64_t)fp_exp_special(f) << f->frac_bits;
    bool to_largest = st->round == FP_RTZ || st->round == (sign ? FP_RUP : FP_RDN);

    st->flags |= FP_OVERFLOW | FP_INEXACT;
    return (sign ? fp_sign_bit(f) : 0) | (to_largest ? infinity - 1 : infinity);
}

/*
 * Tells whether p is tiny *after rounding*: whether rounding it to full precision, as if
 * exponents had no lower bound, leaves it below the smallest normal number. Only a number
 * just below that one can be carried up to it, and then is not tiny though its encoding
 * was rounded at a coarser place.
 */
static bool is_tiny(const FpFormat *f, FpParts p, FpRound round) {
    int e = p.exp + fp_top_bit(p.sig);
    int e_min = 1 - fp_bias(f);

    if (e != e_min - 1) {
        return e < e_min;
    }
    bool inexact;
    u128 full = fp_shift_round(p.sig, e - f->frac_bits - p.exp, p.sign, round, &inexact);
    return full >> (f->frac_bits + 1) == 0;
}

static uint64_t pack_finite(FpState *st, const FpFormat *f, FpParts p) {
    int e = p.exp + fp_top_bit(p.sig);
    int e_min = 1 - fp_bias(f);
    int quantum = (e > e_min ? e : e_min) - f->frac_bits;
    bool inexact;
    u128 kept = fp_shift_round(p.sig, quantum - p.exp, p.sign, st->round, &inexact);

    if (kept >> (f->frac_bits + 1) != 0) {
        /* Rounded up to the next power of two: the bit that falls out is zero. */
        kept >>= 1;
        quantum++;
    }
    bool normal = kept >> f->frac_bits != 0;
    int exp_field = normal ? quantum + f->frac_bits + fp_bias(f) : 0;
    if (exp_field >= fp_exp_special(f)) {
        return pack_overflow(st, f, p.sign);
    }
    if (inexact) {
        st->flags |= FP_INEXACT;
        if (is_tiny(f, p, st->round)) {
            st->flags |= FP_UNDERFLOW;
        }
    }
    return (p.sign ? fp_sign_bit(f) : 0) | (uint64_t)exp_field << f->frac_bits |
           ((uint64_t)kept & fp_frac_mask(f));
}

uint64_t fp_pack(FpState *st, const FpFormat *f, FpParts p) {
    uint64_t sign = p.sign ? fp_sign_bit(f) : 0;
    uint64_t infinity = (uint64_t)fp_exp_special(f) << f->frac_bits;

    assert(st->round <= FP_RMM);
    switch (p.kind) {
    case KIND_ZERO:
        return sign;
    case KIND_FINITE:
        return pack_finite(st, f, p);
    case KIND_INF:
        return sign | infinity;
    case KIND_QNAN:
    case KIND_SNAN:
        break;
    }
    return infinity | UINT64_C(1) << (f->frac_bits - 1); /* the canonical NaN */
}

FpParts fp_invalid(FpState *st) {
    st->flags |= FP_INVALID;
    return (FpParts){.kind = KIND_QNAN};
}

FpParts fp_propagate_nan(FpState *st, FpParts p, FpParts q) {
    if (p.kind == KIND_SNAN || q.kind == KIND_SNAN) {
        return fp_invalid(st);
    }
    return (FpParts){.kind = KIND_QNAN};
}
