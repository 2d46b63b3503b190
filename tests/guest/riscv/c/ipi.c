/* SPDX-License-Identifier: MIT */
/*
 * Harts that sleep and wake each other: no wake-up may be lost, whatever the moment it comes at.
 *
 *   ring      hart 0 -IPI-> 1 -IPI-> 2 ... -> 0, each asleep in wfi until its turn
 *   storm     pairs of harts answer each other, asleep in between, disturbed by the other pair
 *   timers    every hart sleeps for short times by its own mtimecmp, while the others send IPIs
 *
 * Interrupts are off (mstatus.MIE = 0) in the first part: wfi then falls through with the interrupt
 * pending (Privileged Architecture 3.3.3). In the others a trap handler takes them.
 */
#include "guest.h"

#define HARTS            4
#define CLINT            0x2000000ul
#define MSIP(h)          ((volatile uint32_t *)(CLINT + 4 * (h)))
#define MTIMECMP(h)      ((volatile uint64_t *)(CLINT + 0x4000 + 8 * (h)))
#define MTIME            ((volatile uint64_t *)(CLINT + 0xbff8))
#define TICKS_PER_SECOND 10000000ul /* of virt's mtime */

enum { ROUNDS = 2000, STORMS = 2000, SLEEPS = 200 };
enum { MIE_MSIE = 1 << 3, MIE_MTIE = 1 << 7, MSTATUS_MIE = 1 << 3 };

static uint32_t arrived[3], token, inbox[HARTS], timer_fired[HARTS];

static unsigned hart_id(void) {
    uint64_t id;
    __asm__ volatile("csrr %0, mhartid" : "=r"(id));
    return (unsigned)id;
}

static uint32_t load(const uint32_t *p) {
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void barrier(unsigned n) {
    __atomic_add_fetch(&arrived[n], 1, __ATOMIC_ACQ_REL);
    while (load(&arrived[n]) < HARTS) {
    }
}

static void send(unsigned to) {
    __asm__ volatile("fence rw, ow" ::: "memory");
    *MSIP(to) = 1;
}

/* Takes back this hart's IPI; what its sender wrote before it can be read then. */
static void acknowledge(unsigned hart) {
    *MSIP(hart) = 0;
    __asm__ volatile("fence io, rw" ::: "memory");
}

static void ring(unsigned hart) {
    __asm__ volatile("csrw mie, %0" ::"r"(MIE_MSIE));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t mine = round * HARTS + hart;
        if (mine) {
            while (!*MSIP(hart)) {
                __asm__ volatile("wfi");
            }
            acknowledge(hart);
        }
        CHECK(1, load(&token) == mine);
        __atomic_store_n(&token, mine + 1, __ATOMIC_RELEASE);
        send((hart + 1) % HARTS);
    }
    if (hart == 0) { /* the last one's */
        while (!*MSIP(0)) {
            __asm__ volatile("wfi");
        }
        acknowledge(0);
        CHECK(2, load(&token) == ROUNDS * HARTS);
    }
}

static __attribute__((interrupt("machine"), aligned(4))) void on_interrupt(void) {
    uint64_t cause;
    unsigned hart = hart_id();
    __asm__ volatile("csrr %0, mcause" : "=r"(cause));
    if (cause == (1ul << 63 | 3)) {
        acknowledge(hart);
    } else if (cause == (1ul << 63 | 7)) {
        *MTIMECMP(hart) = UINT64_MAX;
        __atomic_add_fetch(&timer_fired[hart], 1, __ATOMIC_ACQ_REL);
    } else {
        finish(98);
    }
}

static void interrupts(int on) {
    if (on) {
        __asm__ volatile("csrsi mstatus, %0" ::"i"(MSTATUS_MIE) : "memory");
    } else {
        __asm__ volatile("csrci mstatus, %0" ::"i"(MSTATUS_MIE) : "memory");
    }
}

/* Sleeps until the count has moved from `seen`. Between the look and wfi no interrupt is taken, so
 * none is slept through. */
static void sleep_until_moved(const uint32_t *count, uint32_t seen) {
    interrupts(0);
    while (load(count) == seen) {
        __asm__ volatile("wfi");
        interrupts(1);
        interrupts(0);
    }
    interrupts(1);
}

/* Harts 0 and 1, and 2 and 3, answer each other; each also sends IPIs that mean nothing. */
static void storm(unsigned hart) {
    unsigned other = hart ^ 1;
    for (uint32_t i = 0; i < STORMS; i++) {
        if (hart & 1) {
            sleep_until_moved(&inbox[hart], i);
        }
        __atomic_add_fetch(&inbox[other], 1, __ATOMIC_ACQ_REL);
        send(other);
        if (i % 8 == hart) {
            send((hart + 2) % HARTS);
        }
        if (!(hart & 1)) {
            sleep_until_moved(&inbox[hart], i);
        }
        CHECK(3, load(&inbox[hart]) == i + 1 || load(&inbox[hart]) == i + 2);
    }
}

static void timers(unsigned hart) {
    *MTIMECMP(hart) = UINT64_MAX;
    __asm__ volatile("csrw mie, %0" ::"r"(MIE_MSIE | MIE_MTIE));
    for (unsigned i = 0; i < SLEEPS; i++) {
        uint32_t seen = load(&timer_fired[hart]);
        uint64_t at = *MTIME + (i * 37 + hart * 11) % 500; /* up to 50 us */
        *MTIMECMP(hart) = at;
        if (i % 3 == 0) {
            send((hart + i) % HARTS);
        }
        sleep_until_moved(&timer_fired[hart], seen);
        uint64_t now = *MTIME;
        CHECK(4, now >= at);
        CHECK(5, now - at < 5 * TICKS_PER_SECOND);
    }
    CHECK(6, load(&timer_fired[hart]) == SLEEPS);
}

void guest_main(unsigned long hart) {
    if (hart >= HARTS) {
        return;
    }
    __asm__ volatile("csrw mtvec, %0" ::"r"(on_interrupt));
    ring((unsigned)hart);
    barrier(0);
    interrupts(1);
    storm((unsigned)hart);
    barrier(1);
    timers((unsigned)hart);
    barrier(2);
    if (hart == 0) {
        finish(0);
    }
}
