/* SPDX-License-Identifier: MIT */
/*
 * Self-modifying code: each case patches instructions in a way that a translator could get wrong and
 * checks that the new ones run, after fence.i where the ISA asks for it.
 */
#include "guest.h"

#define NOP        0x00000013u
#define RET        0x00008067u
#define ADDI_A0(n) (0x00050513u | (uint32_t)(n) << 20) /* addi a0, a0, n */
#define LI_A0(n)   (0x00000513u | (uint32_t)(n) << 20) /* li a0, n */

static uint32_t code[4096] __attribute__((aligned(4096)));

typedef uint64_t function(uint64_t a0);

static void fence_i(void) {
    __asm__ volatile("fence.i" ::: "memory");
}

static uint64_t call(unsigned index, uint64_t a0) {
    return ((function *)&code[index])(a0);
}

/* A function is run, patched, and run again, many times. */
static void patched_function_runs_new_code(void) {
    code[0] = LI_A0(0);
    code[1] = RET;
    for (unsigned i = 0; i < 2000; i++) {
        code[0] = LI_A0(i);
        fence_i();
        CHECK(1, call(0, 0) == i);
    }
}

/* Patching one function leaves its neighbours on the same page right. */
static void neighbour_on_the_page_is_untouched(void) {
    for (unsigned f = 0; f < 64; f++) {
        code[f * 16] = LI_A0(f);
        code[f * 16 + 1] = RET;
    }
    fence_i();
    for (unsigned i = 0; i < 3000; i++) {
        unsigned f = i * 37 % 64;
        code[f * 16] = LI_A0(i & 0x3ff);
        fence_i();
        CHECK(2, call(f * 16, 0) == (i & 0x3ff));
        unsigned g = (f + 1) % 64;
        code[g * 16] = LI_A0(g);
        fence_i();
        CHECK(3, call(g * 16, 0) == g);
    }
}

/* The patched instruction is reached through a chain of blocks that stay. */
static void chained_block_is_unlinked(void) {
    code[0] = ADDI_A0(1);
    code[1] = 0x0080006f; /* j +8 */
    code[2] = NOP;
    code[3] = ADDI_A0(2);
    code[4] = 0x0080006f; /* j +8 */
    code[5] = NOP;
    code[6] = ADDI_A0(4);
    code[7] = RET;
    fence_i();
    for (unsigned i = 0; i < 100; i++) {
        CHECK(4, call(0, 0) == 7);
    }
    code[6] = ADDI_A0(100);
    fence_i();
    CHECK(5, call(0, 0) == 103);
    code[3] = ADDI_A0(200);
    fence_i();
    CHECK(6, call(0, 0) == 301);
}

/* A store into the very block that runs: after fence.i in that block the new code runs. */
static void store_into_the_running_block(void) {
    /* a0: address to patch, a1: instruction; returns what the patched place computes */
    code[64] = 0x00b52023; /* sw a1, 0(a0) */
    code[65] = 0x0000100f; /* fence.i */
    code[66] = 0x00000513; /* li a0, 0 */
    code[67] = ADDI_A0(1); /* patched */
    code[68] = RET;
    for (unsigned i = 1; i < 500; i++) {
        register uint64_t a0 __asm__("a0") = (uint64_t)&code[67];
        register uint64_t a1 __asm__("a1") = ADDI_A0(i);
        __asm__ volatile("jalr ra, %2"
                         : "+r"(a0)
                         : "r"(a1), "r"(&code[64])
                         : "ra", "memory");
        CHECK(7, a0 == i);
    }
}

/* A block that crosses a page; its second page is patched. */
static void second_page_of_a_block(void) {
    unsigned start = 1024 - 2;
    for (unsigned i = 0; i < 6; i++) {
        code[start + i] = ADDI_A0(1);
    }
    code[start + 6] = RET;
    fence_i();
    CHECK(8, call(start, 0) == 6);
    code[1025] = ADDI_A0(50);
    fence_i();
    CHECK(9, call(start, 0) == 55);
    /* One instruction that lies on both pages (compressed code before it shifts it by two). */
    uint16_t *half = (uint16_t *)code;
    unsigned h = 2 * 2048 - 1;
    half[h - 1] = 0x0001; /* c.nop */
    for (unsigned i = 0; i < 300; i++) {
        uint32_t insn = ADDI_A0(i);
        half[h] = (uint16_t)insn;
        half[h + 1] = (uint16_t)(insn >> 16);
        half[h + 2] = 0x8082; /* c.ret */
        fence_i();
        CHECK(10, ((function *)&half[h - 1])(7) == 7 + i);
        /* Only the half on the second page changes. */
        insn = ADDI_A0(i + 16);
        half[h + 1] = (uint16_t)(insn >> 16);
        fence_i();
        CHECK(11, ((function *)&half[h - 1])(7) == 7 + i + 16);
    }
}

/* Data next to code: stores that touch no instruction must not cost a crash nor stale data. */
static void data_beside_code(void) {
    code[3000] = 0x00053503; /* ld a0, 0(a0) */
    code[3001] = RET;
    volatile uint64_t *data = (volatile uint64_t *)&code[3008];
    fence_i();
    for (unsigned i = 0; i < 10000; i++) {
        *data = i * 3;
        CHECK(12, call(3000, (uint64_t)data) == i * 3);
    }
}

/* Byte stores patch part of an instruction. */
static void byte_store_patches(void) {
    code[200] = LI_A0(0);
    code[201] = RET;
    fence_i();
    volatile uint8_t *bytes = (volatile uint8_t *)&code[200];
    for (unsigned i = 0; i < 128; i++) {
        bytes[3] = (uint8_t)i; /* imm[11:4] */
        fence_i();
        CHECK(13, call(200, 0) == i << 4);
    }
}

void guest_main(unsigned long hart) {
    if (hart) {
        return;
    }
    patched_function_runs_new_code();
    neighbour_on_the_page_is_untouched();
    chained_block_is_unlinked();
    store_into_the_running_block();
    second_page_of_a_block();
    data_beside_code();
    byte_store_patches();
    finish(0);
}
