/* SPDX-License-Identifier: MIT */
/*
 * Code that should not run: jumps into devices, ROM, holes and over the end of RAM; then pages of
 * random bytes and of random valid instructions that patch themselves, in U mode, fenced in by PMP.
 *
 * Every trap leads back here; a timer interrupt ends what does not end by itself.
 */
#include "hostile.h"

enum { JUMPS = 3000, PAGES = 3000, ARENA = 0x4000, TICKS = 2000 };
#define MTIME    ((volatile uint64_t *)0x200bff8)
#define MTIMECMP ((volatile uint64_t *)0x2004000)

static uint8_t arena[ARENA] __attribute__((aligned(ARENA)));
static uint64_t rng = 0x853c49e6748fea9b;
static uint64_t traps, timeouts;

uint64_t run_wild(uint64_t pc, uint64_t mstatus, uint64_t reg); /* returns mcause */

/* Saves what the ABI keeps, gives every register the value `reg`, enters pc by mret; the next trap
 * brings everything back. */
__asm__(
    ".pushsection .text\n"
    ".option push\n"
    ".option norvc\n"
    "run_wild:\n"
    "addi sp, sp, -128\n"
    "sd ra, 0(sp)\n sd s0, 8(sp)\n sd s1, 16(sp)\n sd s2, 24(sp)\n sd s3, 32(sp)\n"
    "sd s4, 40(sp)\n sd s5, 48(sp)\n sd s6, 56(sp)\n sd s7, 64(sp)\n sd s8, 72(sp)\n"
    "sd s9, 80(sp)\n sd s10, 88(sp)\n sd s11, 96(sp)\n sd gp, 104(sp)\n sd tp, 112(sp)\n"
    "csrw mscratch, sp\n"
    "la t0, wild_trap\n"
    "csrw mtvec, t0\n"
    "csrw mepc, a0\n"
    "csrw mstatus, a1\n"
    "mv ra, a2\n mv sp, a2\n mv gp, a2\n mv tp, a2\n mv t0, a2\n mv t1, a2\n mv t2, a2\n"
    "mv s0, a2\n mv s1, a2\n mv a0, a2\n mv a1, a2\n mv a3, a2\n mv a4, a2\n mv a5, a2\n"
    "mv a6, a2\n mv a7, a2\n mv s2, a2\n mv s3, a2\n mv s4, a2\n mv s5, a2\n mv s6, a2\n"
    "mv s7, a2\n mv s8, a2\n mv s9, a2\n mv s10, a2\n mv s11, a2\n mv t3, a2\n mv t4, "
    "a2\n"
    "mv t5, a2\n mv t6, a2\n"
    "mret\n"
    ".section .text.wild_trap,\"ax\"\n"
    ".balign 4\n"
    "wild_trap:\n"
    "csrr sp, mscratch\n"
    "ld ra, 0(sp)\n ld s0, 8(sp)\n ld s1, 16(sp)\n ld s2, 24(sp)\n ld s3, 32(sp)\n"
    "ld s4, 40(sp)\n ld s5, 48(sp)\n ld s6, 56(sp)\n ld s7, 64(sp)\n ld s8, 72(sp)\n"
    "ld s9, 80(sp)\n ld s10, 88(sp)\n ld s11, 96(sp)\n ld gp, 104(sp)\n ld tp, 112(sp)\n"
    "addi sp, sp, 128\n"
    "csrr a0, mcause\n"
    "ret\n"
    ".option pop\n"
    ".popsection\n");

static void go(uint64_t pc, unsigned mode, uint64_t reg) {
    *MTIMECMP = *MTIME + TICKS;
    /* FS dirty, MPIE: interrupts on after mret, also in M mode */
    uint64_t cause = run_wild(pc, (uint64_t)mode << 11 | 0x6080, reg);
    traps++;
    timeouts += cause >> 63;
    __asm__ volatile(
        "csrw satp, zero\n csrw mtvec, zero\n csrw medeleg, zero\n csrw mideleg, zero");
    *MTIMECMP = UINT64_MAX;
}

/* Into everything but the finisher, whose registers the code would then be. */
static void jump_around(void) {
    static const uint64_t places[] = {
        0x0,
        0x1000,
        0x1ffe,
        0x10000,
        0x101000,
        0x2000000,
        0x2004000,
        0x200bff8,
        0xc000000,
        0xc200004,
        0x10000000,
        0x10000006,
        0x10001000,
        0x10001100,
        0x10008000,
        0x10100000,
        0x20000000,
        0x30000000,
        0x40000000,
        0x7ffffffe,
        0x100000000,
        0xffffffffffffff00,
        0xfffffffffffffffe,
        0x8000000000000000,
        0x0080000000000000,
    };
    enum { PLACES = sizeof(places) / sizeof(places[0]) };
    for (unsigned i = 0; i < JUMPS; i++) {
        uint64_t pc = places[i % PLACES];
        if (i >= 2 * PLACES) {
            pc += random_next(&rng) % 0x100 & ~UINT64_C(1);
        }
        go(pc, 0, (uint64_t)arena + ARENA / 2);
    }
}

static uint32_t random_instruction(void) {
    uint32_t r = (uint32_t)random_next(&rng);
    static const uint8_t opcodes[] = {0x03, 0x13, 0x23, 0x33, 0x1b, 0x3b, 0x63, 0x6f,
                                      0x67, 0x2f, 0x07, 0x27, 0x53, 0x43, 0x73, 0x0f};
    switch (r & 3) {
    case 0:
        return (r & ~0x7fu) | opcodes[r >> 8 & 15];
    case 1:
        return 0x0000100f; /* fence.i */
    case 2: { /* a store near by: all registers hold an address in the arena */
        uint32_t imm = r >> 7 & 0x7ff;
        return 0x23 | (r >> 18 & 3) << 12 | (imm & 31) << 7 | imm >> 5 << 25 |
               (r >> 20 & 31) << 15 | (r >> 25 & 31) << 20;
    }
    default:
        return r;
    }
}

static void random_pages(void) {
    for (unsigned i = 0; i < PAGES; i++) {
        uint32_t *words = (uint32_t *)arena;
        for (unsigned k = 0; k < 64; k++) {
            words[(i * 64 + k) % (ARENA / 4)] =
                i & 1 ? random_instruction() : (uint32_t)random_next(&rng);
        }
        uint64_t pc = (uint64_t)&words[i * 64 % (ARENA / 4)];
        __asm__ volatile("fence.i" ::: "memory");
        go(pc, 0, (uint64_t)arena + (random_next(&rng) & (ARENA - 2)));
    }
}

/* PMP: below all of the guest's memory but the arena, the UART, the flash and the PLIC. */
static void fence_in(void) {
    uint64_t napot = (uint64_t)arena >> 2 | (ARENA / 8 - 1);
    uint64_t zero = 0;
    __asm__ volatile("csrw pmpaddr0, %0" ::"r"(napot));
    __asm__ volatile(
        "csrw pmpaddr1, %0" ::"r"(UINT64_C(0x10000000) >> 2 | 0x1f)); /* UART */
    __asm__ volatile(
        "csrw pmpaddr2, %0" ::"r"(UINT64_C(0x0c000000) >> 2 | 0x7ffff)); /* PLIC */
    __asm__ volatile(
        "csrw pmpaddr3, %0" ::"r"(UINT64_C(0x20000000) >> 2 | 0x7fffff)); /* flash */
    __asm__ volatile("csrw pmpcfg0, %0" ::"r"(UINT64_C(0x1f1f1f1f)));
    __asm__ volatile("csrw pmpcfg2, %0" ::"r"(zero));
}

/* The same jumps with everything allowed: devices are fetched from, ROM runs. */
static void allow_fetch(void) {
    __asm__ volatile("csrw pmpaddr4, %0" ::"r"(UINT64_C(0x100000) >> 2));
    __asm__ volatile("csrw pmpaddr5, %0" ::"r"(UINT64_C(0x101000) >> 2));
    __asm__ volatile("csrw pmpaddr6, %0" ::"r"(UINT64_C(0x80000000) >> 2));
    /* TOR: [0, finisher) x, finisher none, (finisher, RAM) x */
    __asm__ volatile("csrw pmpcfg0, %0" ::"r"(UINT64_C(0x000c080c1f1f1f1f)));
}

void guest_main(unsigned long hart) {
    if (hart) {
        return;
    }
    __asm__ volatile("csrw mie, %0" ::"r"(UINT64_C(0x80)));
    fence_in();
    jump_around();
    random_pages();
    allow_fetch();
    jump_around();
    calm_devices();
    put_text("timeouts ");
    put_hex(timeouts);
    put_text("\n");
    CHECK(1, traps == 2 * JUMPS + PAGES);
    finish(0);
}
