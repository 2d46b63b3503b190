/* SPDX-License-Identifier: MIT */
/*
 * What a benchmark kernel needs of a bare machine `virt`.
 *
 * A kernel is a file with bench_run(), whose result depends on all the work it did;
 * start.S and bench.c print "NAME sum=RESULT us=TIME" and switch the machine off. An
 * emulator that gets a sum wrong has not run the kernel, however fast.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

/* The kernel, in M mode. Returns its checksum. */
uint64_t bench_run(void);

/* Runs fn in S mode, under the page table of `satp` (0: none), on the same stack; back in
 * M mode after fn returns. Interrupts and traps other than the way back are not expected.
 */
void bench_run_supervisor(void (*fn)(void), uint64_t satp);

#define RAM_BASE  0x80000000ull
#define PAGE_SIZE 4096ull
#define NOINLINE  __attribute__((noinline))

/* Xorshift (Marsaglia): the same numbers in every run. */
static inline uint64_t random_next(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

static inline uint64_t mix(uint64_t sum, uint64_t value) {
    return (sum ^ value) * 0x9e3779b97f4a7c15ull;
}

/* What was stored to memory before is what is fetched after. */
static inline void fence_i(void) {
    __asm__ volatile("fence.i" ::: "memory");
}

#endif
