/* SPDX-License-Identifier: MIT */
/*
 * What an x86-64 host's own FPU answers, with its flags, for a given rounding mode.
 *
 * Each operation is one asm block that sets MXCSR, computes, reads the flags and restores
 * MXCSR, so the compiler can neither fold nor move it. An x86 host detects tininess after
 * rounding in SSE, as RISC-V asks for.
 */
#ifndef VITRINE_TESTS_TCG_SOFTFLOAT_HOST_H
#define VITRINE_TESTS_TCG_SOFTFLOAT_HOST_H

#include <emmintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tcg/softfloat.h"

#define MXCSR_DEFAULT       0x1f80u /* all exceptions masked, to nearest */
#define MXCSR_ROUND_SHIFT   13
#define X87_CONTROL_DEFAULT 0x37fu
#define X87_ROUND_SHIFT     10

/* The host has no RMM. */
static inline unsigned host_round_control(FpRound round) {
    static const unsigned control[] = {
        [FP_RNE] = 0, [FP_RDN] = 1, [FP_RUP] = 2, [FP_RTZ] = 3};
    return control[round];
}

/* MXCSR's and the x87 status word's six exception bits are in the same order. */
static inline uint8_t host_flags(unsigned status) {
    return (uint8_t)((status & 1 ? FP_INVALID : 0) | (status & 4 ? FP_DIVZERO : 0) |
                     (status & 8 ? FP_OVERFLOW : 0) | (status & 16 ? FP_UNDERFLOW : 0) |
                     (status & 32 ? FP_INEXACT : 0));
}

/* Runs `insn` on vector registers va (in and out), vb, vc and the general register g. */
#define HOST_SSE(insn)                                                                   \
    __asm__ volatile(                                                                    \
        "ldmxcsr %[control]\n\t" insn "\n\t"                                             \
        "stmxcsr %[status]\n\t"                                                          \
        "ldmxcsr %[normal]"                                                              \
        : [a] "+x"(va), [g] "+r"(g), [status] "=m"(status)                               \
        : [b] "x"(vb), [c] "x"(vc), [control] "m"(control), [normal] "m"(normal))

#define HOST_SSE_FUNCTION(name, insn, result)                                            \
    static inline uint64_t name(FpState *st, uint64_t a, uint64_t b, uint64_t c) {       \
        __m128i va = _mm_cvtsi64_si128((long long)a);                                    \
        __m128i vb = _mm_cvtsi64_si128((long long)b);                                    \
        __m128i vc = _mm_cvtsi64_si128((long long)c);                                    \
        uint64_t g = a;                                                                  \
        uint32_t normal = MXCSR_DEFAULT, status;                                         \
        uint32_t control = MXCSR_DEFAULT | host_round_control(st->round)                 \
                                               << MXCSR_ROUND_SHIFT;                     \
        HOST_SSE(insn);                                                                  \
        st->flags |= host_flags(status);                                                 \
        (void)g;                                                                         \
        return result;                                                                   \
    }

#define HOST_F32_RESULT (uint32_t) _mm_cvtsi128_si32(va)
#define HOST_F64_RESULT (uint64_t) _mm_cvtsi128_si64(va)

HOST_SSE_FUNCTION(host_f32_add, "addss %[b], %[a]", HOST_F32_RESULT)
HOST_SSE_FUNCTION(host_f32_sub, "subss %[b], %[a]", HOST_F32_RESULT)
HOST_SSE_FUNCTION(host_f32_mul, "mulss %[b], %[a]", HOST_F32_RESULT)
HOST_SSE_FUNCTION(host_f32_div, "divss %[b], %[a]", HOST_F32_RESULT)
HOST_SSE_FUNCTION(host_f32_sqrt, "sqrtss %[a], %[a]", HOST_F32_RESULT)
HOST_SSE_FUNCTION(host_f32_muladd, "vfmadd213ss %[c], %[b], %[a]", HOST_F32_RESULT)
HOST_SSE_FUNCTION(host_f32_round_int, "roundss $4, %[a], %[a]", HOST_F32_RESULT)
HOST_SSE_FUNCTION(host_f32_to_f64, "cvtss2sd %[a], %[a]", HOST_F64_RESULT)
HOST_SSE_FUNCTION(host_f64_add, "addsd %[b], %[a]", HOST_F64_RESULT)
HOST_SSE_FUNCTION(host_f64_sub, "subsd %[b], %[a]", HOST_F64_RESULT)
HOST_SSE_FUNCTION(host_f64_mul, "mulsd %[b], %[a]", HOST_F64_RESULT)
HOST_SSE_FUNCTION(host_f64_div, "divsd %[b], %[a]", HOST_F64_RESULT)
HOST_SSE_FUNCTION(host_f64_sqrt, "sqrtsd %[a], %[a]", HOST_F64_RESULT)
HOST_SSE_FUNCTION(host_f64_muladd, "vfmadd213sd %[c], %[b], %[a]", HOST_F64_RESULT)
HOST_SSE_FUNCTION(host_f64_round_int, "roundsd $4, %[a], %[a]", HOST_F64_RESULT)
HOST_SSE_FUNCTION(host_f64_to_f32, "cvtsd2ss %[a], %[a]", HOST_F32_RESULT)

HOST_SSE_FUNCTION(host_f32_to_i32, "cvtss2sil %[a], %k[g]", (uint64_t)(int32_t)g)
HOST_SSE_FUNCTION(host_f32_to_i64, "cvtss2siq %[a], %q[g]", g)
HOST_SSE_FUNCTION(host_f64_to_i32, "cvtsd2sil %[a], %k[g]", (uint64_t)(int32_t)g)
HOST_SSE_FUNCTION(host_f64_to_i64, "cvtsd2siq %[a], %q[g]", g)
HOST_SSE_FUNCTION(host_i32_to_f32, "cvtsi2ssl %k[g], %[a]", HOST_F32_RESULT)
HOST_SSE_FUNCTION(host_i64_to_f32, "cvtsi2ssq %q[g], %[a]", HOST_F32_RESULT)
HOST_SSE_FUNCTION(host_i32_to_f64, "cvtsi2sdl %k[g], %[a]", HOST_F64_RESULT)
HOST_SSE_FUNCTION(host_i64_to_f64, "cvtsi2sdq %q[g], %[a]", HOST_F64_RESULT)

/* After (u)comis the carry flag is "below", the zero flag "equal"; NaNs set both. */
#define COMPARE_WITH(insn, condition) insn " %[b], %[a]\n\t" condition " %b[g]"
#define BOOL_RESULT                   (g & 1)
HOST_SSE_FUNCTION(host_f32_gt, COMPARE_WITH("comiss", "seta"), BOOL_RESULT)
HOST_SSE_FUNCTION(host_f32_ge, COMPARE_WITH("comiss", "setae"), BOOL_RESULT)
HOST_SSE_FUNCTION(host_f32_gt_quiet, COMPARE_WITH("ucomiss", "seta"), BOOL_RESULT)
HOST_SSE_FUNCTION(host_f32_ge_quiet, COMPARE_WITH("ucomiss", "setae"), BOOL_RESULT)
HOST_SSE_FUNCTION(host_f32_eq, "cmpeqss %[b], %[a]", HOST_F32_RESULT & 1)
HOST_SSE_FUNCTION(host_f64_gt, COMPARE_WITH("comisd", "seta"), BOOL_RESULT)
HOST_SSE_FUNCTION(host_f64_ge, COMPARE_WITH("comisd", "setae"), BOOL_RESULT)
HOST_SSE_FUNCTION(host_f64_gt_quiet, COMPARE_WITH("ucomisd", "seta"), BOOL_RESULT)
HOST_SSE_FUNCTION(host_f64_ge_quiet, COMPARE_WITH("ucomisd", "setae"), BOOL_RESULT)
HOST_SSE_FUNCTION(host_f64_eq, "cmpeqsd %[b], %[a]", HOST_F64_RESULT & 1)

/* SSE2 converts to signed integers only: take the wider one and check the range here. */
static inline uint64_t host_f64_to_u32(FpState *st, uint64_t a, uint64_t b, uint64_t c) {
    FpState wide = {.round = st->round};
    uint64_t r = host_f64_to_i64(&wide, a, b, c);

    if ((wide.flags & FP_INVALID) != 0 || r > UINT32_MAX) {
        st->flags |= FP_INVALID;
        return 0;
    }
    st->flags |= wide.flags;
    return r;
}

static inline uint64_t host_f64_to_u64(FpState *st, uint64_t a, uint64_t b, uint64_t c) {
    double value;
    memcpy(&value, &a, sizeof(value));
    if (value >= 0x1p63 && value < 0x1p64) {
        return (uint64_t)(int64_t)(value - 0x1p63) + (UINT64_C(1) << 63); /* all exact */
    }
    FpState wide = {.round = st->round};
    uint64_t r = host_f64_to_i64(&wide, a, b, c);
    if ((wide.flags & FP_INVALID) != 0 || (int64_t)r < 0) {
        st->flags |= FP_INVALID;
        return 0;
    }
    st->flags |= wide.flags;
    return r;
}

static inline uint64_t host_f32_to_u32(FpState *st, uint64_t a, uint64_t b, uint64_t c) {
    FpState widening = {.round = st->round};
    return host_f64_to_u32(st, host_f32_to_f64(&widening, a, b, c), b, c);
}

static inline uint64_t host_f32_to_u64(FpState *st, uint64_t a, uint64_t b, uint64_t c) {
    FpState widening = {.round = st->round};
    return host_f64_to_u64(st, host_f32_to_f64(&widening, a, b, c), b, c);
}

static inline uint64_t host_u32_to_f32(FpState *st, uint64_t a, uint64_t b, uint64_t c) {
    return host_i64_to_f32(st, (uint32_t)a, b, c);
}

static inline uint64_t host_u32_to_f64(FpState *st, uint64_t a, uint64_t b, uint64_t c) {
    return host_i64_to_f64(st, (uint32_t)a, b, c);
}

/* x87's 64-bit significand holds every unsigned integer; storing it rounds. */
#define HOST_X87_FUNCTION(name, type, store)                                             \
    static inline uint64_t name(FpState *st, uint64_t a, uint64_t b, uint64_t c) {       \
        long double exact = (long double)a;                                              \
        uint16_t normal = X87_CONTROL_DEFAULT, status;                                   \
        uint16_t control = (uint16_t)(X87_CONTROL_DEFAULT |                              \
                                      host_round_control(st->round) << X87_ROUND_SHIFT); \
        type stored;                                                                     \
        (void)b;                                                                         \
        (void)c;                                                                         \
        __asm__ volatile(                                                                \
            "fnclex\n\tfldcw %[control]\n\tfldt %[exact]\n\t" store                      \
            " %[stored]\n\tfnstsw %[status]\n\tfldcw %[normal]"                          \
            : [stored] "=m"(stored), [status] "=m"(status)                               \
            : [exact] "m"(exact), [control] "m"(control), [normal] "m"(normal));         \
        st->flags |= host_flags(status);                                                 \
        return stored;                                                                   \
    }

HOST_X87_FUNCTION(host_u64_to_f32, uint32_t, "fstps")
HOST_X87_FUNCTION(host_u64_to_f64, uint64_t, "fstpl")

#endif
