/* SPDX-License-Identifier: MIT */
/*
 * System calls: U mode calls S mode and comes back, while a timer interrupts in M mode.
 *
 * Costs: exceptions, sret, CSR accesses and the switch of privilege; the handlers
 * themselves are short. trap_entry.S has the way in and out.
 */
#include "bench.h"

enum { CALLS = 3000000, STACK_WORDS = 512, TICK = 1000 /* 100 us of mtime */ };

#define MTIME    ((volatile uint64_t *)0x200bff8)
#define MTIMECMP ((volatile uint64_t *)0x2004000)

/* trap_entry.S */
void run_user(void (*fn)(void), void *user_stack, void *supervisor_stack);
uint64_t system_call(uint64_t a, uint64_t b);

uint64_t handle_system_call(uint64_t a, uint64_t b);
void handle_timer(void);

static uint64_t user_stack[STACK_WORDS] __attribute__((aligned(16)));
static uint64_t supervisor_stack[STACK_WORDS] __attribute__((aligned(16)));
static uint64_t table[16], user_sum, ticks;

uint64_t handle_system_call(uint64_t a, uint64_t b) {
    table[b % 16] += a;
    return table[(b + 1) % 16] ^ a;
}

void handle_timer(void) {
    ticks++;
    *MTIMECMP = *MTIME + TICK;
}

static void user(void) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < CALLS; i++) {
        sum = sum * 3 + system_call(i ^ sum, i);
    }
    user_sum = sum;
}

uint64_t bench_run(void) {
    *MTIMECMP = *MTIME + TICK;
    run_user(user, user_stack + STACK_WORDS, supervisor_stack + STACK_WORDS);
    *MTIMECMP = UINT64_MAX;
    return ticks ? user_sum : 0; /* without a single tick it was not the same work */
}
