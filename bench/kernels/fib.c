/* SPDX-License-Identifier: MIT */
/*
 * Fibonacci's and Takeuchi's functions, recursively.
 *
 * Costs: a call and a return for every few instructions; the return goes to one of
 * several places.
 */
#include "bench.h"

static NOINLINE uint64_t fib(uint64_t n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static NOINLINE int64_t tak(int64_t x, int64_t y, int64_t z) {
    return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

uint64_t bench_run(void) {
    return mix(fib(36), (uint64_t)tak(24, 14, 5));
}
