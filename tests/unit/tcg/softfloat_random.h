/* SPDX-License-Identifier: MIT */
/*
 * Random floating-point operands that sit where mistakes live: zeros, subnormals, powers
 * of two, short and long runs of ones (halfway cases), the ends of the integer ranges,
 * NaNs of both kinds, and second operands placed where a sum, product or quotient just
 * meets, cancels, overflows or underflows.
 */
#ifndef VITRINE_TESTS_TCG_SOFTFLOAT_RANDOM_H
#define VITRINE_TESTS_TCG_SOFTFLOAT_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Random {
    uint64_t state;
} Random;

/* VITRINE_SEED=n in the environment repeats a run. */
static inline Random random_start(const char *test) {
    const char *text = getenv("VITRINE_SEED");
    Random r = {text != NULL ? strtoull(text, NULL, 0) : UINT64_C(0x5eed0f10a7)};
    printf("%s: VITRINE_SEED=0x%llx\n", test, (unsigned long long)r.state);
    return r;
}

/* How many operands each operation is tried on in each rounding mode; VITRINE_COUNT
 * overrides. */
static inline long random_count(long usual) {
    const char *text = getenv("VITRINE_COUNT");
    return text != NULL ? strtol(text, NULL, 0) : usual;
}

/* splitmix64: every state gives a good stream. */
static inline uint64_t random_u64(Random *r) {
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline int random_below(Random *r, int n) {
    return (int)(random_u64(r) % (uint64_t)n);
}

/* The layout of a format, told independently of the code under test. */
typedef struct RandomFormat {
    int exp_bits, frac_bits;
} RandomFormat;

static const RandomFormat random_f32 = {8, 23}, random_f64 = {11, 52};

static inline int exp_field_of(RandomFormat f, uint64_t bits) {
    return (int)(bits >> f.frac_bits) & ((1 << f.exp_bits) - 1);
}

static inline uint64_t random_frac(Random *r, RandomFormat f) {
    uint64_t mask = (UINT64_C(1) << f.frac_bits) - 1;
    uint64_t frac = 0;

    switch (random_below(r, 6)) {
    case 0:
        break;
    case 1: /* up to three bits set */
        for (int i = 0; i < 3; i++) {
            frac |= UINT64_C(1) << random_below(r, f.frac_bits);
        }
        break;
    case 2: /* ones, then zeros */
        frac = mask << random_below(r, f.frac_bits + 1);
        break;
    case 3: /* zeros, then ones */
        frac = mask >> random_below(r, f.frac_bits + 1);
        break;
    case 4: /* a short number: products and sums of these are exact or ties */
        frac = random_u64(r) << (f.frac_bits - 1 - random_below(r, f.frac_bits / 2));
        break;
    default:
        frac = random_u64(r);
        break;
    }
    return frac & mask;
}

static inline uint64_t make_float(Random *r, RandomFormat f, int exp_field) {
    int special = (1 << f.exp_bits) - 1;
    exp_field = exp_field < 0 ? 0 : exp_field >= special ? special - 1 : exp_field;
    return (random_u64(r) & 1) << (f.exp_bits + f.frac_bits) |
           (uint64_t)exp_field << f.frac_bits | random_frac(r, f);
}

/* Zeros, infinities, NaNs of both kinds, and the neighbours of the boundaries. */
static inline uint64_t random_special(Random *r, RandomFormat f) {
    uint64_t one = UINT64_C(1), sign = (random_u64(r) & 1) << (f.exp_bits + f.frac_bits);
    uint64_t inf = ((one << f.exp_bits) - 1) << f.frac_bits;
    uint64_t quiet = one << (f.frac_bits - 1);
    uint64_t bias = (one << (f.exp_bits - 1)) - 1;
    static const int integer_ends[] = {0, 1, 7, 8, 31, 32, 63, 64};

    switch (random_below(r, 8)) {
    case 0:
        return sign;
    case 1:
        return sign | inf;
    case 2:
        return sign | inf | quiet | random_frac(r, f);
    case 3:
        return sign | inf | 1 | (random_frac(r, f) & (quiet - 1));
    case 4: /* around the smallest normal */
        return sign | ((one << f.frac_bits) + (uint64_t)random_below(r, 5) - 2);
    case 5: /* the largest numbers */
        return sign | (inf - 1 - (uint64_t)random_below(r, 3));
    case 6: /* the smallest subnormals */
        return sign | (uint64_t)(1 + random_below(r, 4));
    default: { /* around the ends of the integer ranges */
        uint64_t exp = bias + (uint64_t)integer_ends[random_below(r, 8)];
        return sign | ((exp << f.frac_bits) + (uint64_t)random_below(r, 5) - 2);
    }
    }
}

static inline uint64_t random_float(Random *r, RandomFormat f) {
    int special = (1 << f.exp_bits) - 1, bias = special / 2;

    switch (random_below(r, 8)) {
    case 0:
        return random_special(r, f);
    case 1:
        return make_float(r, f, random_below(r, 4));
    case 2:
        return make_float(r, f, special - 1 - random_below(r, 4));
    case 3: /* where integers and fractions are */
    case 4:
        return make_float(r, f, bias - 4 + random_below(r, 72));
    case 5: /* where squares and roots meet the ends of the range */
        return make_float(r, f, bias / 2 - 16 + random_below(r, 32));
    default:
        return make_float(r, f, random_below(r, special));
    }
}

/* A second operand for `a`: half of the time related to it. */
static inline uint64_t random_partner(Random *r, RandomFormat f, uint64_t a) {
    int special = (1 << f.exp_bits) - 1, bias = special / 2, ea = exp_field_of(f, a);

    switch (random_below(r, 10)) {
    case 0: /* cancellation and alignment in a sum */
    case 1:
        return make_float(r, f, ea - 3 + random_below(r, 6));
    case 2:
        return make_float(r, f,
                          ea - f.frac_bits - 4 + random_below(r, 2 * f.frac_bits + 8));
    case 3: /* a product near the smallest normal, down to nothing */
        return make_float(r, f, bias - ea + 2 - random_below(r, f.frac_bits + 6));
    case 4: /* a quotient there */
        return make_float(r, f, bias + ea - 2 + random_below(r, f.frac_bits + 6));
    case 5: /* a product near the largest number */
        return make_float(r, f, special + bias - ea - 3 + random_below(r, 4));
    case 6: { /* a power of two that makes a quotient subnormal: exact, or a tie */
        int exp_field = bias + ea - 1 + random_below(r, f.frac_bits + 3);
        return exp_field >= special ? random_float(r, f)
                                    : (uint64_t)exp_field << f.frac_bits;
    }
    default:
        return random_float(r, f);
    }
}

/* An addend for a * b: half of the time near the product, or its neighbour's negative. */
static inline uint64_t random_addend(Random *r, RandomFormat f, uint64_t a, uint64_t b,
                                     uint64_t rounded_product) {
    int bias = ((1 << f.exp_bits) - 1) / 2;
    int e = exp_field_of(f, a) + exp_field_of(f, b) - bias;

    switch (random_below(r, 8)) {
    case 0:
    case 1: /* leaves little but the product's rounding error */
        return (rounded_product ^ UINT64_C(1) << (f.exp_bits + f.frac_bits)) +
               (uint64_t)(random_below(r, 3) / 2);
    case 2:
        return make_float(r, f, e - 3 + random_below(r, 6));
    case 3:
    case 4:
        return make_float(r, f,
                          e - 2 * f.frac_bits - 4 + random_below(r, 4 * f.frac_bits + 8));
    default:
        return random_float(r, f);
    }
}

/* Integers of every length, and the ends of the ranges. */
static inline uint64_t random_integer(Random *r) {
    uint64_t value = random_u64(r) >> random_below(r, 64);

    switch (random_below(r, 4)) {
    case 0: /* powers of two and their neighbours */
        return (UINT64_C(1) << random_below(r, 64)) + (uint64_t)random_below(r, 5) - 2;
    case 1: /* two bits set: ties */
        return (UINT64_C(1) << random_below(r, 64)) |
               (UINT64_C(1) << random_below(r, 64));
    case 2:
        return -value;
    default:
        return value;
    }
}

#endif
