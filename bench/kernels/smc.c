/* SPDX-License-Identifier: MIT */
/*
 * A program that writes its code: small functions, patched, and called after fence.i.
 *
 * Costs: the store that hits translated code, what is thrown away with it, and the
 * translation of a few instructions anew.
 */
#include "code.h"

enum { FUNCTIONS = 64, WORDS = 16, PATCHES = 150000, CALLS = 4 };

/* Neighbours share pages: a store to one is near code that stays as it was. */
static uint32_t code[FUNCTIONS][WORDS] __attribute__((aligned(4096)));

static void write_function(uint32_t *f, uint32_t number) {
    f[0] = insn_addi(REG_A1, REG_A0, number & 0x7ff);
    f[1] = insn_op(0, REG_A0, REG_A0, REG_A1); /* add */
    f[2] = insn_addi(REG_A0, REG_A0, 1);
    f[3] = insn_ret();
}

uint64_t bench_run(void) {
    uint64_t random = 0x51f0, sum = 0;
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        write_function(code[i], i);
    }
    fence_i();
    for (uint32_t i = 0; i < PATCHES; i++) {
        uint32_t *f = code[random_next(&random) % FUNCTIONS];
        write_function(f, i);
        fence_i();
        for (unsigned c = 0; c < CALLS; c++) {
            sum += call_code(f, sum);
        }
    }
    return sum;
}
