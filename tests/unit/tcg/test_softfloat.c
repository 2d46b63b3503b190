/* SPDX-License-Identifier: MIT */
/*
 * Soft floating point by hand-written tables, for what a host's FPU does not have or does
 * differently: RISC-V's minimum and maximum, classification, integer saturation, NaN
 * rules, ties away, underflow's edge, and Zfa. Expected values are worked out from the
 * texts of RISC-V Unprivileged ISA 20240411 (F, D, Zfa) and IEEE 754-2019.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcg/softfloat.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define ZERO32         UINT32_C(0)
#define MINUS32        UINT32_C(0x80000000)
#define MIN_SUB32      UINT32_C(1)
#define MAX_SUB32      UINT32_C(0x007fffff)
#define MIN_NORMAL32   UINT32_C(0x00800000)
#define ONE32          UINT32_C(0x3f800000)
#define TWO32          UINT32_C(0x40000000)
#define MAX32          UINT32_C(0x7f7fffff)
#define INF32          UINT32_C(0x7f800000)
#define QNAN32         UINT32_C(0x7fc00000)
#define QNAN_PAYLOAD32 UINT32_C(0xffc12345)
#define SNAN32         UINT32_C(0x7f800001)

#define ZERO64         UINT64_C(0)
#define MINUS64        UINT64_C(0x8000000000000000)
#define MIN_SUB64      UINT64_C(1)
#define MAX_SUB64      UINT64_C(0x000fffffffffffff)
#define MIN_NORMAL64   UINT64_C(0x0010000000000000)
#define HALF64         UINT64_C(0x3fe0000000000000)
#define ONE64          UINT64_C(0x3ff0000000000000)
#define TWO64          UINT64_C(0x4000000000000000)
#define MAX64          UINT64_C(0x7fefffffffffffff)
#define INF64          UINT64_C(0x7ff0000000000000)
#define QNAN64         UINT64_C(0x7ff8000000000000)
#define QNAN_PAYLOAD64 UINT64_C(0xfff8123456789abc)
#define SNAN64         UINT64_C(0x7ff0000000000001)

/* --- RISC-V F, fclass: table of the ten bits --- */

static void softfloat_classify_sets_the_manuals_bit(void **state) {
    (void)state;
    static const struct {
        uint32_t a32;
        uint64_t a64;
        int bit;
    } rows[] = {
        {MINUS32 | INF32, MINUS64 | INF64, 0},
        {MINUS32 | MAX32, MINUS64 | MAX64, 1},
        {MINUS32 | MIN_NORMAL32, MINUS64 | MIN_NORMAL64, 1},
        {MINUS32 | MAX_SUB32, MINUS64 | MAX_SUB64, 2},
        {MINUS32 | MIN_SUB32, MINUS64 | MIN_SUB64, 2},
        {MINUS32, MINUS64, 3},
        {ZERO32, ZERO64, 4},
        {MIN_SUB32, MIN_SUB64, 5},
        {MAX_SUB32, MAX_SUB64, 5},
        {MIN_NORMAL32, MIN_NORMAL64, 6},
        {MAX32, MAX64, 6},
        {INF32, INF64, 7},
        {SNAN32, SNAN64, 8},
        {0xffbfffff, 0xfff7ffffffffffff, 8},
        {QNAN32, QNAN64, 9},
        {QNAN_PAYLOAD32, QNAN_PAYLOAD64, 9},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(f32_classify(rows[i].a32), 1u << rows[i].bit);
        assert_int_equal(f64_classify(rows[i].a64), 1u << rows[i].bit);
    }
}

/* --- minimum and maximum: number or NaN wins, -0 below +0, sNaN is invalid --- */

static void softfloat_min_max_follow_ieee_2019(void **state) {
    (void)state;
    static const struct {
        uint64_t a, b, min, max, minm, maxm;
        uint8_t flags;
    } rows[] = {
        {ONE64, TWO64, ONE64, TWO64, ONE64, TWO64, 0},
        {TWO64, ONE64, ONE64, TWO64, ONE64, TWO64, 0},
        {MINUS64 | ONE64, MINUS64 | TWO64, MINUS64 | TWO64, MINUS64 | ONE64,
         MINUS64 | TWO64, MINUS64 | ONE64, 0},
        {MINUS64 | ONE64, MIN_SUB64, MINUS64 | ONE64, MIN_SUB64, MINUS64 | ONE64,
         MIN_SUB64, 0},
        {ZERO64, MINUS64, MINUS64, ZERO64, MINUS64, ZERO64, 0},
        {MINUS64, ZERO64, MINUS64, ZERO64, MINUS64, ZERO64, 0},
        {MINUS64, MINUS64, MINUS64, MINUS64, MINUS64, MINUS64, 0},
        {MINUS64 | INF64, INF64, MINUS64 | INF64, INF64, MINUS64 | INF64, INF64, 0},
        {QNAN_PAYLOAD64, ONE64, ONE64, ONE64, QNAN64, QNAN64, 0},
        {ONE64, QNAN_PAYLOAD64, ONE64, ONE64, QNAN64, QNAN64, 0},
        {SNAN64, ONE64, ONE64, ONE64, QNAN64, QNAN64, FP_INVALID},
        {ONE64, SNAN64, ONE64, ONE64, QNAN64, QNAN64, FP_INVALID},
        {QNAN_PAYLOAD64, QNAN64, QNAN64, QNAN64, QNAN64, QNAN64, 0},
        {QNAN_PAYLOAD64, SNAN64, QNAN64, QNAN64, QNAN64, QNAN64, FP_INVALID},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        FpState st[4] = {{0}};
        assert_int_equal(f64_min(&st[0], rows[i].a, rows[i].b), rows[i].min);
        assert_int_equal(f64_max(&st[1], rows[i].a, rows[i].b), rows[i].max);
        assert_int_equal(f64_minm(&st[2], rows[i].a, rows[i].b), rows[i].minm);
        assert_int_equal(f64_maxm(&st[3], rows[i].a, rows[i].b), rows[i].maxm);
        for (int j = 0; j < 4; j++) {
            assert_int_equal(st[j].flags, rows[i].flags);
        }
    }
}

static void softfloat_min_max_of_f32_use_f32_limits(void **state) {
    (void)state;
    FpState st = {0};
    assert_int_equal(f32_min(&st, ZERO32, MINUS32), MINUS32);
    assert_int_equal(f32_max(&st, ZERO32, MINUS32), ZERO32);
    assert_int_equal(f32_min(&st, MINUS32 | ONE32, MINUS32 | TWO32), MINUS32 | TWO32);
    assert_int_equal(f32_max(&st, QNAN_PAYLOAD32, ONE32), ONE32);
    assert_int_equal(f32_minm(&st, ONE32, QNAN_PAYLOAD32), QNAN32);
    assert_int_equal(st.flags, 0);
    assert_int_equal(f32_maxm(&st, SNAN32, ONE32), QNAN32);
    assert_int_equal(st.flags, FP_INVALID);
    st.flags = 0;
    assert_int_equal(f32_min(&st, SNAN32, QNAN_PAYLOAD32), QNAN32);
    assert_int_equal(st.flags, FP_INVALID);
}

/* --- RISC-V F and D: results of conversions that are out of range or of NaN --- */

static void softfloat_to_integer_saturates_as_the_manuals_table(void **state) {
    (void)state;
    static const struct {
        uint32_t a;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        uint64_t u64;
    } rows[] = {
        {INF32, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX},
        {MINUS32 | INF32, INT32_MIN, 0, INT64_MIN, 0},
        {QNAN32, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX},
        {QNAN_PAYLOAD32, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX},
        {SNAN32, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX},
        {MAX32, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX},
        {MINUS32 | MAX32, INT32_MIN, 0, INT64_MIN, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int round = FP_RNE; round <= FP_RMM; round++) {
            FpState widening = {0};
            uint64_t a64 =
                rows[i].a == SNAN32 ? SNAN64 : f32_to_f64(&widening, rows[i].a);
            FpState st[8];
            for (int j = 0; j < 8; j++) {
                st[j] = (FpState){.round = (uint8_t)round};
            }
            assert_int_equal(f32_to_i32(&st[0], rows[i].a), rows[i].i32);
            assert_int_equal(f32_to_u32(&st[1], rows[i].a), rows[i].u32);
            assert_int_equal(f32_to_i64(&st[2], rows[i].a), rows[i].i64);
            assert_int_equal(f32_to_u64(&st[3], rows[i].a), rows[i].u64);
            assert_int_equal(f64_to_i32(&st[4], a64), rows[i].i32);
            assert_int_equal(f64_to_u32(&st[5], a64), rows[i].u32);
            assert_int_equal(f64_to_i64(&st[6], a64), rows[i].i64);
            assert_int_equal(f64_to_u64(&st[7], a64), rows[i].u64);
            for (int j = 0; j < 8; j++) {
                assert_int_equal(st[j].flags, FP_INVALID);
            }
        }
    }
}

static void softfloat_to_integer_checks_the_range_after_rounding(void **state) {
    (void)state;
    static const struct {
        uint64_t a;
        FpRound round;
        int32_t i32;
        uint8_t i32_flags;
        uint32_t u32;
        uint8_t u32_flags;
    } rows[] = {
        /* 2^31 - 0.5 */
        {0x41dfffffffe00000, FP_RTZ, INT32_MAX, FP_INEXACT, 0x7fffffff, FP_INEXACT},
        {0x41dfffffffe00000, FP_RNE, INT32_MAX, FP_INVALID, 0x80000000, FP_INEXACT},
        {0x41dfffffffe00000, FP_RMM, INT32_MAX, FP_INVALID, 0x80000000, FP_INEXACT},
        /* -2^31 - 0.5: ties to even stays in range, ties away leaves it */
        {0xc1e0000000100000, FP_RNE, INT32_MIN, FP_INEXACT, 0, FP_INVALID},
        {0xc1e0000000100000, FP_RUP, INT32_MIN, FP_INEXACT, 0, FP_INVALID},
        {0xc1e0000000100000, FP_RDN, INT32_MIN, FP_INVALID, 0, FP_INVALID},
        {0xc1e0000000100000, FP_RMM, INT32_MIN, FP_INVALID, 0, FP_INVALID},
        /* -0.5 */
        {MINUS64 | HALF64, FP_RTZ, 0, FP_INEXACT, 0, FP_INEXACT},
        {MINUS64 | HALF64, FP_RNE, 0, FP_INEXACT, 0, FP_INEXACT},
        {MINUS64 | HALF64, FP_RUP, 0, FP_INEXACT, 0, FP_INEXACT},
        {MINUS64 | HALF64, FP_RDN, -1, FP_INEXACT, 0, FP_INVALID},
        {MINUS64 | HALF64, FP_RMM, -1, FP_INEXACT, 0, FP_INVALID},
        /* the smallest subnormal, -0, and -1 */
        {MIN_SUB64, FP_RUP, 1, FP_INEXACT, 1, FP_INEXACT},
        {MIN_SUB64, FP_RMM, 0, FP_INEXACT, 0, FP_INEXACT},
        {MINUS64, FP_RDN, 0, 0, 0, 0},
        {MINUS64 | ONE64, FP_RTZ, -1, 0, 0, FP_INVALID},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        FpState st = {.round = (uint8_t)rows[i].round};
        assert_int_equal(f64_to_i32(&st, rows[i].a), rows[i].i32);
        assert_int_equal(st.flags, rows[i].i32_flags);
        st.flags = 0;
        assert_int_equal(f64_to_u32(&st, rows[i].a), rows[i].u32);
        assert_int_equal(st.flags, rows[i].u32_flags);
    }
}

/* --- Zfa fcvtmod.w.d --- */

static void softfloat_to_i32_mod_wraps_and_raises_as_fcvt(void **state) {
    (void)state;
    static const struct {
        uint64_t a;
        int32_t result;
        uint8_t flags;
    } rows[] = {
        {ZERO64, 0, 0},
        {0x3ff8000000000000, 1, FP_INEXACT},         /* 1.5 */
        {0xbff8000000000000, -1, FP_INEXACT},        /* -1.5 */
        {0xbfe8000000000000, 0, FP_INEXACT},         /* -0.75 */
        {0x41dfffffffc00000, INT32_MAX, 0},          /* 2^31 - 1 */
        {0x41dfffffffe00000, INT32_MAX, FP_INEXACT}, /* 2^31 - 0.5 */
        {0x41e0000000000000, INT32_MIN, FP_INVALID}, /* 2^31 */
        {0xc1e0000000000000, INT32_MIN, 0},          /* -2^31 */
        {0xc1e0000000300000, INT32_MAX, FP_INVALID}, /* -2^31 - 1.5 */
        {0x41f0000000000000, 0, FP_INVALID},         /* 2^32 */
        {0x41f0000000180000, 1, FP_INVALID},         /* 2^32 + 1.5 */
        {0xc1f0000000500000, -5, FP_INVALID},        /* -2^32 - 5 */
        {0x4330000000000001, 1, FP_INVALID},         /* 2^52 + 1 */
        {0x4340000000000001, 2, FP_INVALID},         /* 2^53 + 2 */
        {0x4530000000000003, 0, FP_INVALID},         /* (2^52 + 3) * 2^32 */
        {0x4520000000000003, INT32_MIN, FP_INVALID}, /* (2^52 + 3) * 2^31 */
        {MAX64, 0, FP_INVALID},
        {MIN_SUB64, 0, FP_INEXACT},
        {INF64, 0, FP_INVALID},
        {MINUS64 | INF64, 0, FP_INVALID},
        {QNAN64, 0, FP_INVALID},
        {SNAN64, 0, FP_INVALID},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        FpState st = {.round = FP_RUP}; /* not looked at */
        assert_int_equal(f64_to_i32_mod(&st, rows[i].a), rows[i].result);
        assert_int_equal(st.flags, rows[i].flags);
        assert_int_equal(st.round, FP_RUP);
    }
}

/* --- Zfa fround, froundnx --- */

static void softfloat_round_int_by_mode(void **state) {
    (void)state;
    enum { HALF = 0x3f000000, ONE_AND_HALF = 0x3fc00000, TWO_AND_HALF = 0x40200000 };
    static const struct {
        uint32_t a;
        uint32_t result[5]; /* by FpRound: RNE RTZ RDN RUP RMM */
        bool changed;
    } rows[] = {
        {HALF, {0, 0, 0, ONE32, ONE32}, true},
        {MINUS32 | HALF,
         {MINUS32, MINUS32, MINUS32 | ONE32, MINUS32, MINUS32 | ONE32},
         true},
        {ONE_AND_HALF, {TWO32, ONE32, ONE32, TWO32, TWO32}, true},
        {TWO_AND_HALF, {TWO32, TWO32, TWO32, 0x40400000, 0x40400000}, true},
        {MIN_SUB32, {0, 0, 0, ONE32, 0}, true},
        {0x3effffff, {0, 0, 0, ONE32, 0}, true}, /* just below 0.5 */
        {0x4affffff, {0x4b000000, 0x4afffffe, 0x4afffffe, 0x4b000000, 0x4b000000}, true},
        {ONE32, {ONE32, ONE32, ONE32, ONE32, ONE32}, false},
        {MINUS32, {MINUS32, MINUS32, MINUS32, MINUS32, MINUS32}, false},
        {0x4b000001, {0x4b000001, 0x4b000001, 0x4b000001, 0x4b000001, 0x4b000001}, false},
        {INF32, {INF32, INF32, INF32, INF32, INF32}, false},
        {QNAN_PAYLOAD32, {QNAN32, QNAN32, QNAN32, QNAN32, QNAN32}, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int round = FP_RNE; round <= FP_RMM; round++) {
            FpState st = {.round = (uint8_t)round};
            assert_int_equal(f32_round_int(&st, rows[i].a, false), rows[i].result[round]);
            assert_int_equal(st.flags, 0);
            assert_int_equal(f32_round_int(&st, rows[i].a, true), rows[i].result[round]);
            assert_int_equal(st.flags, rows[i].changed ? FP_INEXACT : 0);
        }
    }
    FpState st = {0};
    assert_int_equal(f32_round_int(&st, SNAN32, true), QNAN32);
    assert_int_equal(st.flags, FP_INVALID);
    st.flags = 0;
    assert_int_equal(f64_round_int(&st, SNAN64, false), QNAN64);
    assert_int_equal(st.flags, FP_INVALID);
}

/* --- NaNs --- */

static void softfloat_nan_results_are_canonical(void **state) {
    (void)state;
    FpState st = {0};
    assert_int_equal(f64_add(&st, QNAN_PAYLOAD64, ONE64), QNAN64);
    assert_int_equal(f64_mul(&st, ONE64, QNAN_PAYLOAD64), QNAN64);
    assert_int_equal(f64_sqrt(&st, QNAN_PAYLOAD64), QNAN64);
    assert_int_equal(f64_muladd(&st, ONE64, ONE64, QNAN_PAYLOAD64), QNAN64);
    assert_int_equal(f64_to_f32(&st, QNAN_PAYLOAD64), QNAN32);
    assert_int_equal(f32_to_f64(&st, QNAN_PAYLOAD32), QNAN64);
    assert_int_equal(st.flags, 0);
    assert_int_equal(f32_to_f64(&st, SNAN32), QNAN64);
    assert_int_equal(st.flags, FP_INVALID);
}

static void softfloat_inf_times_zero_is_invalid_whatever_is_added(void **state) {
    (void)state;
    static const uint64_t addends[] = {ZERO64, ONE64,          INF64,
                                       QNAN64, QNAN_PAYLOAD64, SNAN64};
    for (size_t i = 0; i < COUNT(addends); i++) {
        FpState st[2] = {{0}};
        assert_int_equal(f64_muladd(&st[0], INF64, ZERO64, addends[i]), QNAN64);
        assert_int_equal(f64_muladd(&st[1], MINUS64, INF64, addends[i]), QNAN64);
        assert_int_equal(st[0].flags, FP_INVALID);
        assert_int_equal(st[1].flags, FP_INVALID);
    }
    FpState st = {0};
    assert_int_equal(f32_muladd(&st, INF32, ZERO32, QNAN32), QNAN32);
    assert_int_equal(st.flags, FP_INVALID);
}

static void softfloat_comparison_of_nans_is_false(void **state) {
    (void)state;
    static const struct {
        uint64_t nan;
        uint8_t quiet, signaling;
    } rows[] = {{QNAN64, 0, FP_INVALID}, {SNAN64, FP_INVALID, FP_INVALID}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        FpState st[5] = {{0}};
        assert_false(f64_eq(&st[0], rows[i].nan, rows[i].nan));
        assert_false(f64_lt_quiet(&st[1], ONE64, rows[i].nan));
        assert_false(f64_le_quiet(&st[2], rows[i].nan, ONE64));
        assert_false(f64_lt(&st[3], rows[i].nan, ONE64));
        assert_false(f64_le(&st[4], ONE64, rows[i].nan));
        for (int j = 0; j < 5; j++) {
            assert_int_equal(st[j].flags, j < 3 ? rows[i].quiet : rows[i].signaling);
        }
    }
}

/* --- rounding --- */

static void softfloat_rmm_rounds_halves_away_from_zero(void **state) {
    (void)state;
    FpState st = {.round = FP_RMM};
    /* 2^24 + 1 lies between 2^24 and 2^24 + 2. */
    assert_int_equal(u32_to_f32(&st, (1u << 24) + 1), 0x4b800001);
    assert_int_equal(i32_to_f32(&st, -(1 << 24) - 1), 0xcb800001);
    /* 1 + 2^-53 lies between 1 and 1 + 2^-52; 1 + 2^-54 below the middle. */
    assert_int_equal(f64_add(&st, ONE64, 0x3ca0000000000000), ONE64 + 1);
    assert_int_equal(f64_add(&st, MINUS64 | ONE64, 0xbca0000000000000),
                     MINUS64 | (ONE64 + 1));
    assert_int_equal(f64_add(&st, ONE64, 0x3c90000000000000), ONE64);
    /* Half of the smallest subnormal, and a quarter. */
    assert_int_equal(f64_mul(&st, MIN_SUB64, HALF64), MIN_SUB64);
    assert_int_equal(f64_mul(&st, MIN_SUB64, 0x3fd0000000000000), ZERO64);
    /* The largest number and half its last place: infinity. */
    assert_int_equal(f64_add(&st, MAX64, 0x7c90000000000000), INF64);
    assert_int_equal(f64_add(&st, MAX64, 0x7c8fffffffffffff), MAX64);
}

static void softfloat_overflow_respects_the_direction(void **state) {
    (void)state;
    static const uint64_t positive[5] = {INF64, MAX64, MAX64, INF64, INF64};
    static const uint64_t negative[5] = {INF64, MAX64, INF64, MAX64, INF64};
    for (int round = FP_RNE; round <= FP_RMM; round++) {
        FpState st = {.round = (uint8_t)round};
        assert_int_equal(f64_mul(&st, MAX64, TWO64), positive[round]);
        assert_int_equal(f64_mul(&st, MINUS64 | MAX64, TWO64), MINUS64 | negative[round]);
        assert_int_equal(st.flags, FP_OVERFLOW | FP_INEXACT);
    }
}

/*
 * Tininess after rounding: (1 - 2^-24) * 2^-126 has 24 significant bits, so with
 * unbounded exponents it is a number below the smallest normal: tiny, although it is
 * encoded as that one. (1 - 2^-25) * 2^-126 would be rounded up to 2^-126 even so, and is
 * not tiny.
 */
static void softfloat_underflow_is_detected_after_rounding(void **state) {
    (void)state;
    FpState st = {.round = FP_RNE};
    const uint64_t below_by_24_bits = 0x380fffffe0000000;
    const uint64_t below_by_25_bits = 0x380ffffff0000000;

    assert_int_equal(f64_to_f32(&st, below_by_24_bits), MIN_NORMAL32);
    assert_int_equal(st.flags, FP_UNDERFLOW | FP_INEXACT);
    st.flags = 0;
    assert_int_equal(f64_to_f32(&st, below_by_25_bits), MIN_NORMAL32);
    assert_int_equal(st.flags, FP_INEXACT);
    st = (FpState){.round = FP_RTZ};
    assert_int_equal(f64_to_f32(&st, below_by_25_bits), MAX_SUB32);
    assert_int_equal(st.flags, FP_UNDERFLOW | FP_INEXACT);
    /* A subnormal that is exact does not underflow. */
    st.flags = 0;
    assert_int_equal(f32_mul(&st, MIN_NORMAL32, 0x3f000000), MIN_NORMAL32 >> 1);
    assert_int_equal(st.flags, 0);
}

static void softfloat_flags_are_sticky(void **state) {
    (void)state;
    FpState st = {.round = FP_RNE, .flags = FP_OVERFLOW};
    assert_int_equal(f64_div(&st, ONE64, ZERO64), INF64);
    assert_int_equal(st.flags, FP_OVERFLOW | FP_DIVZERO);
    assert_int_equal(f64_add(&st, ONE64, ONE64), TWO64);
    assert_int_equal(st.flags, FP_OVERFLOW | FP_DIVZERO);
}

/* --- Zfa fli: the manual's table as a compiler's constants --- */

static void softfloat_load_immediate_is_the_manuals_table(void **state) {
    (void)state;
    static const double values[FP_LOAD_IMMEDIATE_COUNT] = {
        -1.0, 0,      0x1p-16, 0x1p-15, 0x1p-8, 0x1p-7, 0.0625, 0.125,
        0.25, 0.3125, 0.375,   0.4375,  0.5,    0.625,  0.75,   0.875,
        1.0,  1.25,   1.5,     1.75,    2.0,    2.5,    3.0,    4.0,
        8.0,  16.0,   128.0,   256.0,   32768., 65536., 0,      0,
    };
    for (size_t i = 0; i < FP_LOAD_IMMEDIATE_COUNT; i++) {
        union {
            float value;
            uint32_t bits;
        } as32 = {.value = (float)values[i]};
        union {
            double value;
            uint64_t bits;
        } as64 = {.value = values[i]};
        as32.bits = i == 1    ? MIN_NORMAL32
                    : i == 30 ? INF32
                    : i == 31 ? QNAN32
                              : as32.bits;
        as64.bits = i == 1    ? MIN_NORMAL64
                    : i == 30 ? INF64
                    : i == 31 ? QNAN64
                              : as64.bits;
        assert_int_equal(f32_load_immediate[i], as32.bits);
        assert_int_equal(f64_load_immediate[i], as64.bits);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softfloat_classify_sets_the_manuals_bit),
        cmocka_unit_test(softfloat_min_max_follow_ieee_2019),
        cmocka_unit_test(softfloat_min_max_of_f32_use_f32_limits),
        cmocka_unit_test(softfloat_to_integer_saturates_as_the_manuals_table),
        cmocka_unit_test(softfloat_to_integer_checks_the_range_after_rounding),
        cmocka_unit_test(softfloat_to_i32_mod_wraps_and_raises_as_fcvt),
        cmocka_unit_test(softfloat_round_int_by_mode),
        cmocka_unit_test(softfloat_nan_results_are_canonical),
        cmocka_unit_test(softfloat_inf_times_zero_is_invalid_whatever_is_added),
        cmocka_unit_test(softfloat_comparison_of_nans_is_false),
        cmocka_unit_test(softfloat_rmm_rounds_halves_away_from_zero),
        cmocka_unit_test(softfloat_overflow_respects_the_direction),
        cmocka_unit_test(softfloat_underflow_is_detected_after_rounding),
        cmocka_unit_test(softfloat_flags_are_sticky),
        cmocka_unit_test(softfloat_load_immediate_is_the_manuals_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
