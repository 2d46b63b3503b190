/* SPDX-License-Identifier: MIT */
/*
 * Scribbles over everything below RAM with loads and stores of all sizes, aligned and not: devices,
 * ROM, flash, holes. What the devices make of it is theirs; the machine must go on, so that the end
 * is reached and the verdict printed.
 *
 * Last come accesses that wrap around the end of the address space.
 *
 * Kept out: values that end the run (finisher), and addresses in RAM, which a device might take for
 * a ring and write to while this program lives there.
 */
#include "hostile.h"

enum { ROUNDS = 300000 };

typedef struct Window {
    uint64_t base, size;
    unsigned weight;
} Window;

static const Window windows[] = {
    {0x0, 0x40000000, 2},       {0x1000, 0xf000, 1},         {0x100000, 0x1000, 2},
    {0x101000, 0x1000, 2},      {0x2000000, 0x10000, 3},     {0xc000000, 0x600000, 3},
    {0x10000000, 0x100, 4},     {0x10001000, 0x8000, 12},    {0x10100000, 0x20, 3},
    {0x20000000, 0x4000000, 2}, {0x30000000, 0x10000000, 1},
};
enum { WINDOWS = sizeof(windows) / sizeof(windows[0]), FINISHER_SIZE = 0x1000 };

static const Window *choose(uint64_t *rng) {
    unsigned total = 0;
    for (unsigned i = 0; i < WINDOWS; i++) {
        total += windows[i].weight;
    }
    unsigned pick = (unsigned)(random_next(rng) % total);
    for (unsigned i = 0;; i++) {
        if (pick < windows[i].weight) {
            return &windows[i];
        }
        pick -= windows[i].weight;
    }
}

static uint64_t harmless(uint64_t addr, uint64_t value) {
    uint64_t finisher = (uint64_t)FINISHER;
    if (addr + 8 > finisher && addr < finisher + FINISHER_SIZE) {
        return value & ~(uint64_t)0x3333333333333333 & ~(uint64_t)0x5555555555555555;
    }
    value &= ~(UINT64_C(1) << 63 | UINT64_C(1) << 31 |
               0x88000); /* no RAM, nor its page numbers */
    return value;
}

/* Over the end of the address space, from where it goes on at 0: alone, and from a base register that
 * several accesses share. Page 0 is a hole, so each must trap and change nothing. */
static void wrap_around(void) {
    for (unsigned distance = 1; distance <= 64; distance++) {
        uint64_t addr = 0 - (uint64_t)distance;
        for (unsigned log2 = 0; log2 < 4; log2++) {
            poke(addr, log2, addr);
            CHECK(1, peek(addr, log2) == 0);
        }
        uint64_t base = addr + 32, sum = 0;
        __asm__ volatile(".option push\n.option norvc\n"
                         "sw %1, 32(%1)\n sd %1, -32(%1)\n sd %1, 0(%1)\n"
                         "ld %0, -32(%1)\n ld %0, -8(%1)\n ld %0, 16(%1)\n"
                         ".option pop"
                         : "+r"(sum)
                         : "r"(base)
                         : "memory");
        CHECK(2, sum == 0);
    }
}

void guest_main(unsigned long hart) {
    if (hart) {
        return;
    }
    uint64_t rng = 0x9e3779b97f4a7c15;
    skip_traps();
    for (unsigned i = 0; i < ROUNDS; i++) {
        const Window *w = choose(&rng);
        uint64_t r = random_next(&rng), offset = random_next(&rng) % w->size;
        unsigned log2 = r & 3;
        if (r & 0x1c) { /* mostly near the start, where the registers are, and aligned */
            offset %= 0x1000;
            offset &= ~(uint64_t)((1u << log2) - 1);
        }
        if (r & 0x60) {
            offset &= ~(uint64_t)3;
        }
        uint64_t value = random_next(&rng);
        if (r & 0x100) {
            value &= 0xff;
        }
        if (r & 0x80) {
            poke(w->base + offset, log2, harmless(w->base + offset, value));
        } else {
            peek(w->base + offset, log2);
        }
    }
    calm_devices();
    wrap_around();
    finish(0);
}
