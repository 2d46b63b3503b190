/* SPDX-License-Identifier: MIT */
/*
 * Copies buffers by words and measures texts by bytes.
 *
 * Costs: a load or a store for every second instruction; the check of the software TLB
 * before each is what it pays.
 */
#include "bench.h"

enum { BYTES = 256 << 10, WORDS = BYTES / 8, ROUNDS = 8000, TEXTS = 64 };

static uint64_t from[WORDS], to[WORDS];
static char text[BYTES];

static NOINLINE void copy_words(uint64_t *t, const uint64_t *f, size_t n) {
    for (size_t i = 0; i < n; i += 4) {
        t[i] = f[i];
        t[i + 1] = f[i + 1];
        t[i + 2] = f[i + 2];
        t[i + 3] = f[i + 3];
    }
}

static NOINLINE size_t length_of(const char *s) {
    const char *end = s;
    while (*end) {
        end++;
    }
    return (size_t)(end - s);
}

uint64_t bench_run(void) {
    uint64_t random = 0xabcdef, sum = 0;
    for (size_t i = 0; i < WORDS; i++) {
        from[i] = random_next(&random);
    }
    for (size_t i = 0; i < BYTES; i++) {
        text[i] = 'a';
    }
    for (size_t i = 1; i <= TEXTS; i++) {
        text[i * (BYTES / TEXTS) - 1] = '\0';
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        copy_words(to, from, WORDS);
        copy_words(from, to + WORDS / 2, WORDS / 2);
        sum = mix(sum, to[round % WORDS]);
        sum += length_of(text + (size_t)(round % TEXTS) * (BYTES / TEXTS) + round % 97);
        sum += length_of(text + (size_t)((round + 31) % TEXTS) * (BYTES / TEXTS));
    }
    return sum;
}
