/* SPDX-License-Identifier: MIT */
/*
 * Floating-point ops by soft floats, called from cold stubs (SLOW_FP).
 *
 * Rounding: the op's static mode, or MXCSR's. Flags raised are or'ed into MXCSR.
 */
#include <xmmintrin.h>

#include "tcg/eval_fp.h"
#include "tcg/x86_64/gen.h"

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
    uint64_t out =
        eval_fp(&st, (IrOpcode)d->opcode, (IrType)d->type, FCOND_COUNT, d->value, in);
    _mm_setcsr(mxcsr | mxcsr_flags(st.flags));
    return out;
}
