/* SPDX-License-Identifier: MIT */
/*
 * Exact IEEE 754 floating point in integers: binary32 and binary64 as bit patterns.
 *
 *   bits --unpack--> (-1)^sign * sig * 2^exp --> exact arithmetic --> round and pack --> bits
 *                    (sig: an integer)           (128-bit integers)   (the only inexact step)
 *
 * It is the path taken where the host's own FPU cannot give the guest's answer, and the
 * oracle that native code is tested against. No host floating point is used, so the
 * answer is the same on every host, whatever its rounding mode.
 *
 * What IEEE 754 leaves open is settled as in RISC-V: a NaN result is the canonical NaN,
 * tininess is detected after rounding, inf * 0 + NaN is invalid, and a conversion out of
 * an integer's range saturates.
 *
 * Threads: pure functions; a FpState belongs to one vCPU.
 * Spec: IEEE 754-2019; RISC-V Unprivileged ISA 20240411, chapters F, D and Zfa.
 * Not modelled: binary16 and binary128, NaN payload propagation, flush to zero.
 */
#ifndef VITRINE_TCG_SOFTFLOAT_H
#define VITRINE_TCG_SOFTFLOAT_H

#include <stdbool.h>
#include <stdint.h>

/* The values are those of RISC-V's frm field. */
typedef enum FpRound {
    FP_RNE = 0, /* to nearest, ties to even */
    FP_RTZ = 1, /* towards zero */
    FP_RDN = 2, /* down, towards -inf */
    FP_RUP = 3, /* up, towards +inf */
    FP_RMM = 4, /* to nearest, ties to maximum magnitude */
} FpRound;

/* The values are those of RISC-V's fflags field. */
enum {
    FP_INEXACT = 1,
    FP_UNDERFLOW = 2,
    FP_OVERFLOW = 4,
    FP_DIVZERO = 8,
    FP_INVALID = 16,
};

typedef struct FpState {
    uint8_t round; /* a FpRound; anything else is a bug of the caller */
    uint8_t flags; /* sticky: operations set bits and never clear one */
} FpState;

#define F32_CANONICAL_NAN UINT32_C(0x7fc00000)
#define F64_CANONICAL_NAN UINT64_C(0x7ff8000000000000)

uint32_t f32_add(FpState *st, uint32_t a, uint32_t b);
uint32_t f32_sub(FpState *st, uint32_t a, uint32_t b);
uint32_t f32_mul(FpState *st, uint32_t a, uint32_t b);
uint32_t f32_div(FpState *st, uint32_t a, uint32_t b);
uint32_t f32_sqrt(FpState *st, uint32_t a);
uint64_t f64_add(FpState *st, uint64_t a, uint64_t b);
uint64_t f64_sub(FpState *st, uint64_t a, uint64_t b);
uint64_t f64_mul(FpState *st, uint64_t a, uint64_t b);
uint64_t f64_div(FpState *st, uint64_t a, uint64_t b);
uint64_t f64_sqrt(FpState *st, uint64_t a);

/* Computes a * b + c with one rounding. Negate a or c (flip the sign bit) for fmsub and
 * kin. */
uint32_t f32_muladd(FpState *st, uint32_t a, uint32_t b, uint32_t c);
uint64_t f64_muladd(FpState *st, uint64_t a, uint64_t b, uint64_t c);

/*
 * Compare; false if either is a NaN. eq and the _quiet ones are invalid on signaling NaNs
 * only, lt and le on every NaN.
 */
bool f32_eq(FpState *st, uint32_t a, uint32_t b);
bool f32_lt(FpState *st, uint32_t a, uint32_t b);
bool f32_le(FpState *st, uint32_t a, uint32_t b);
bool f32_lt_quiet(FpState *st, uint32_t a, uint32_t b);
bool f32_le_quiet(FpState *st, uint32_t a, uint32_t b);
bool f64_eq(FpState *st, uint64_t a, uint64_t b);
bool f64_lt(FpState *st, uint64_t a, uint64_t b);
bool f64_le(FpState *st, uint64_t a, uint64_t b);
bool f64_lt_quiet(FpState *st, uint64_t a, uint64_t b);
bool f64_le_quiet(FpState *st, uint64_t a, uint64_t b);

/* minimumNumber and maximumNumber: -0 < +0, a NaN loses to a number. */
uint32_t f32_min(FpState *st, uint32_t a, uint32_t b);
uint32_t f32_max(FpState *st, uint32_t a, uint32_t b);
uint64_t f64_min(FpState *st, uint64_t a, uint64_t b);
uint64_t f64_max(FpState *st, uint64_t a, uint64_t b);

/* minimum and maximum: -0 < +0, a NaN operand makes the result the canonical NaN. */
uint32_t f32_minm(FpState *st, uint32_t a, uint32_t b);
uint32_t f32_maxm(FpState *st, uint32_t a, uint32_t b);
uint64_t f64_minm(FpState *st, uint64_t a, uint64_t b);
uint64_t f64_maxm(FpState *st, uint64_t a, uint64_t b);

/*
 * Round to an integer in st->round. Out of range, +inf and NaN give the nearest end of
 * the range (NaN: the upper end) and raise FP_INVALID alone. How a 32-bit result is
 * extended in a wider register is the caller's matter.
 */
int32_t f32_to_i32(FpState *st, uint32_t a);
uint32_t f32_to_u32(FpState *st, uint32_t a);
int64_t f32_to_i64(FpState *st, uint32_t a);
uint64_t f32_to_u64(FpState *st, uint32_t a);
int32_t f64_to_i32(FpState *st, uint64_t a);
uint32_t f64_to_u32(FpState *st, uint64_t a);
int64_t f64_to_i64(FpState *st, uint64_t a);
uint64_t f64_to_u64(FpState *st, uint64_t a);

/*
 * Truncates to an integer modulo 2^32 (fcvtmod.w.d, JavaScript's ToInt32); 0 for inf and
 * NaN. Raises what f64_to_i32 would when rounding towards zero; st->round is not looked
 * at.
 */
int32_t f64_to_i32_mod(FpState *st, uint64_t a);

uint32_t i32_to_f32(FpState *st, int32_t a);
uint32_t u32_to_f32(FpState *st, uint32_t a);
uint32_t i64_to_f32(FpState *st, int64_t a);
uint32_t u64_to_f32(FpState *st, uint64_t a);
uint64_t i32_to_f64(FpState *st, int32_t a);
uint64_t u32_to_f64(FpState *st, uint32_t a);
uint64_t i64_to_f64(FpState *st, int64_t a);
uint64_t u64_to_f64(FpState *st, uint64_t a);

uint32_t f64_to_f32(FpState *st, uint64_t a);
uint64_t f32_to_f64(FpState *st, uint32_t a);

/* Rounds to an integral value in the same format; `exact` raises FP_INEXACT if it
 * changed. */
uint32_t f32_round_int(FpState *st, uint32_t a, bool exact);
uint64_t f64_round_int(FpState *st, uint64_t a, bool exact);

/* The one bit fclass sets for a number. */
enum {
    FP_CLASS_NEG_INF = 1 << 0,
    FP_CLASS_NEG_NORMAL = 1 << 1,
    FP_CLASS_NEG_SUBNORMAL = 1 << 2,
    FP_CLASS_NEG_ZERO = 1 << 3,
    FP_CLASS_POS_ZERO = 1 << 4,
    FP_CLASS_POS_SUBNORMAL = 1 << 5,
    FP_CLASS_POS_NORMAL = 1 << 6,
    FP_CLASS_POS_INF = 1 << 7,
    FP_CLASS_SNAN = 1 << 8,
    FP_CLASS_QNAN = 1 << 9,
};
uint32_t f32_classify(uint32_t a);
uint32_t f64_classify(uint64_t a);

/* What Zfa's fli loads, indexed by its rs1 field. */
#define FP_LOAD_IMMEDIATE_COUNT 32
extern const uint32_t f32_load_immediate[FP_LOAD_IMMEDIATE_COUNT];
extern const uint64_t f64_load_immediate[FP_LOAD_IMMEDIATE_COUNT];

#endif
