/* SPDX-License-Identifier: MIT */
/*
 * A program that is all new code: functions are written to fresh memory and called once.
 *
 * Costs: translation, and next to nothing else; as when a system boots.
 */
#include "code.h"

enum { FUNCTIONS = 40000, LENGTH = 60 };

extern char __free_memory[];

/* Functions of opcode OP: add sub sll slt sltu xor srl sra or and. */
static const uint32_t functs[] = {0x00000000, 0x40000000, 0x00001000, 0x00002000,
                                  0x00003000, 0x00004000, 0x00005000, 0x40005000,
                                  0x00006000, 0x00007000};

enum { FUNCTS = sizeof(functs) / sizeof(functs[0]) };

/* a0 to a7, whichever the bits say. */
static uint32_t some_register(uint64_t bits) {
    return REG_A0 + (uint32_t)(bits & 7);
}

static uint32_t *write_function(uint32_t *p, uint64_t *random) {
    for (uint32_t r = 1; r < 8; r++) {
        *p++ = insn_addi(REG_A0 + r, REG_A0, r * 97);
    }
    for (unsigned i = 0; i < LENGTH; i++) {
        uint64_t r = random_next(random);
        *p++ = insn_op(functs[(r >> 32) % FUNCTS], some_register(r),
                       some_register(r >> 8), some_register(r >> 16));
    }
    *p++ = insn_ret();
    return p;
}

uint64_t bench_run(void) {
    uint64_t random = 0xc01d, sum = 0;
    uint32_t *next = (uint32_t *)__free_memory;
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        uint32_t *function = next;
        next = write_function(function, &random);
        fence_i();
        sum = mix(sum, call_code(function, sum));
    }
    return sum;
}
