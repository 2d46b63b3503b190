/* SPDX-License-Identifier: MIT */
/*
 * Code that one hart patches and others run, by the protocol of the manual (Unprivileged ISA, chapter
 * "Zifencei"): the writer stores, fences and tells the others, each of which does fence.i before it
 * runs the new code. No hart may then see old instructions.
 *
 *   hart 0     patch -> fence rw,rw -> generation++ -> IPI      wait until all have answered
 *   hart 1..3  (running other code of the same page) -> fence.i -> call: must return `generation`
 *
 * Variants: the function has a page of its own, shares its page with data that harts write all the
 * time, crosses a page, is patched by an AMO, and sits on a page that held no code before (a new one
 * each time).
 */
#include "guest.h"

#define HARTS    4
#define RET      0x00008067u
#define LI_A0(n) (0x00000513u | (uint32_t)(n) << 20) /* li a0, n */
#define MSIP(h)  ((volatile uint32_t *)(0x2000000ul + 4 * (h)))

enum { ROUNDS = 300, PAGE_WORDS = 1024, PAGES = 256, CODE_MAX = 2048 };
enum { OWN_PAGE, WITH_DATA, TWO_PAGES, BY_AMO, NEW_PAGE, VARIANTS };

static uint32_t code[PAGES][PAGE_WORDS] __attribute__((aligned(4096)));
static uint32_t generation, answered[HARTS], noise[HARTS];

typedef uint64_t function(void);

static uint32_t value_of(uint32_t round) {
    return round * 7 % CODE_MAX;
}

/* Where the function of a round lies: the address of its `li`. */
static uint16_t *place(uint32_t round) {
    switch (round % VARIANTS) {
    case OWN_PAGE:
        return (uint16_t *)&code[0][64];
    case WITH_DATA:
        return (uint16_t *)&code[1][64];
    case TWO_PAGES:
        return (uint16_t *)&code[3][0] - 1; /* half of it on page 2 */
    case BY_AMO:
        return (uint16_t *)&code[4][64];
    default:
        return (uint16_t *)&code[5 + round / VARIANTS % (PAGES - 5)][round % 512];
    }
}

static void patch(uint32_t round) {
    uint16_t *at = place(round);
    uint32_t insn = LI_A0(value_of(round));
    if (round % VARIANTS == BY_AMO) {
        __atomic_exchange_n((uint32_t *)(void *)at, insn, __ATOMIC_RELAXED);
    } else if (round % VARIANTS == TWO_PAGES) {
        *(volatile uint16_t *)at = (uint16_t)insn;
        *(volatile uint16_t *)(at + 1) = (uint16_t)(insn >> 16);
    } else {
        *(volatile uint32_t *)(void *)at = insn;
    }
    at[2] = (uint16_t)RET;
    at[3] = (uint16_t)(RET >> 16);
}

/* Keeps the page of variant WITH_DATA busy beside the function. */
static void make_noise(unsigned hart) {
    volatile uint32_t *data = &code[1][512 + 16 * hart];
    for (unsigned i = 0; i < 20; i++) {
        data[i % 16] += 1;
    }
    noise[hart]++;
}

static void writer(void) {
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        patch(round);
        __asm__ volatile("fence rw, rw" ::: "memory");
        __atomic_store_n(&generation, round, __ATOMIC_RELEASE);
        for (unsigned h = 1; h < HARTS; h++) {
            *MSIP(h) = 1;
        }
        for (unsigned h = 1; h < HARTS; h++) {
            while (__atomic_load_n(&answered[h], __ATOMIC_ACQUIRE) != round) {
                make_noise(0);
            }
        }
    }
    finish(0);
}

static void runner(unsigned hart) {
    uint32_t seen = 0;
    __asm__ volatile("csrw mie, %0" ::"r"(8)); /* MSIE; mstatus.MIE stays off */
    for (;;) {
        uint32_t round = __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
        if (round == seen) {
            if (hart > 1) {
                __asm__ volatile("wfi");
            } else {
                make_noise(hart);
            }
            continue;
        }
        *MSIP(hart) = 0;
        __asm__ volatile("fence rw, rw; fence.i" ::: "memory");
        for (unsigned i = 0; i < 3; i++) {
            uint64_t got = ((function *)(void *)place(round))();
            if (got != value_of(round)) {
                put_text("round ");
                put_hex(round);
                put_text(" gave ");
                put_hex(got);
                put_text("\n");
                finish(1 + round % VARIANTS);
            }
        }
        seen = round;
        __atomic_store_n(&answered[hart], round, __ATOMIC_RELEASE);
    }
}

void guest_main(unsigned long hart) {
    if (hart == 0) {
        writer();
    } else if (hart < HARTS) {
        runner((unsigned)hart);
    }
}
