/* SPDX-License-Identifier: MIT */
/*
 * LR/SC and AMO torture: four harts hammer the same words; what they must add up to is known.
 *
 * Run with -smp 4. Every hart does ROUNDS of: an amoadd, an LR/SC increment, a spinlock (amoswap)
 * around a plain increment of two words that must stay equal, amoor/amoand on its own bit, amomax of
 * a growing value, a byte-wide counter inside a shared word through LR/SC, and a ticket exchange
 * whose values must all be seen once.
 */
#include "guest.h"

enum { HARTS = 4, ROUNDS = 20000 };

static volatile uint64_t added, lr_sc_sum, locked_a, locked_b, bits, maximum,
    minimum = ~0ull;
static volatile uint32_t lock, packed, added_word;
static volatile uint64_t exchange, seen_sum[HARTS];
static volatile uint64_t done;

static uint64_t lr_sc_add(volatile uint64_t *p, uint64_t n) {
    uint64_t old, next, failed;
    __asm__ volatile(
        "1: lr.d.aq %0, (%3)\n add %1, %0, %4\n sc.d.rl %2, %1, (%3)\n bnez %2, 1b"
        : "=&r"(old), "=&r"(next), "=&r"(failed)
        : "r"(p), "r"(n)
        : "memory");
    return old;
}

/* Adds to one byte of a word with 32-bit LR/SC. */
static void lr_sc_add_byte(volatile uint32_t *p, unsigned byte) {
    uint32_t old, next, failed;
    uint32_t keep = ~(0xffu << 8 * byte);
    do {
        __asm__ volatile("lr.w %0, (%1)" : "=r"(old) : "r"(p) : "memory");
        uint32_t value = (old >> 8 * byte & 0xff) + 1;
        next = (old & keep) | (value & 0xff) << 8 * byte;
        __asm__ volatile("sc.w %0, %1, (%2)"
                         : "=r"(failed)
                         : "r"(next), "r"(p)
                         : "memory");
    } while (failed);
}

#define AMO(op, old, p, value)                                                           \
    __asm__ volatile(op " %0, %2, (%1)" : "=r"(old) : "r"(p), "r"(value) : "memory")

static void spin_lock(void) {
    uint32_t old;
    do {
        AMO("amoswap.w.aq", old, &lock, 1);
    } while (old);
}

static void spin_unlock(void) {
    uint32_t old;
    AMO("amoswap.w.rl", old, &lock, 0);
    (void)old;
}

static void hammer(unsigned long hart) {
    uint64_t old;
    uint32_t old32;
    uint64_t my_bit = 1ull << (hart * 7);
    uint64_t taken = 0;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        AMO("amoadd.d", old, &added, 3);
        AMO("amoadd.w", old32, &added_word, 0x10001);
        lr_sc_add(&lr_sc_sum, 1);
        lr_sc_add_byte(&packed, (unsigned)hart);
        spin_lock();
        locked_a++;
        locked_b++;
        if (locked_a != locked_b) {
            finish(1);
        }
        spin_unlock();
        AMO("amoor.d", old, &bits, my_bit);
        AMO("amoand.d", old, &bits, ~my_bit);
        if (!(old & my_bit)) {
            finish(2);
        }
        AMO("amoxor.d", old, &bits, my_bit << 32);
        AMO("amomaxu.d", old, &maximum, i * HARTS + hart);
        AMO("amominu.d", old, &minimum, ROUNDS + i * HARTS + hart);
        AMO("amoswap.d", old, &exchange, i * HARTS + hart + 1);
        taken += old;
    }
    seen_sum[hart] = taken;
    AMO("amoadd.d.rl", old, &done, 1);
}

void guest_main(unsigned long hart) {
    if (hart >= HARTS) {
        return;
    }
    hammer(hart);
    if (hart) {
        return;
    }
    while (done < HARTS) {
    }
    __asm__ volatile("fence" ::: "memory");
    uint64_t n = (uint64_t)HARTS * ROUNDS;
    CHECK(3, added == 3 * n);
    CHECK(4, lr_sc_sum == n);
    CHECK(5, locked_a == n && locked_b == n);
    CHECK(6, bits == 0); /* ROUNDS is even, so every xor bit is back at 0 */
    CHECK(7, maximum == (uint64_t)(ROUNDS - 1) * HARTS + HARTS - 1);
    CHECK(8, minimum == ROUNDS);
    CHECK(9, packed == (uint32_t)(ROUNDS & 0xff) * 0x01010101u);
    CHECK(10, added_word == (uint32_t)(n * 0x10001));
    /* Every value written was read back by exactly one exchange, but the last one. */
    uint64_t sum = exchange;
    for (unsigned i = 0; i < HARTS; i++) {
        sum += seen_sum[i];
    }
    CHECK(11, sum == n * (n + 1) / 2);
    finish(0);
}
