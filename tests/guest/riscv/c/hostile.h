/* SPDX-License-Identifier: MIT */
/* For guests that misbehave on purpose: accesses that may trap, and numbers that are the same in
 * every run. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "guest.h"

/* Skips the instruction that trapped; it must be one of poke()'s and peek()'s, 4 bytes long. */
__asm__(".pushsection .text.skip_trap,\"ax\"\n"
        ".balign 4\n"
        "skip_trap:\n"
        "csrw mscratch, t0\n"
        "csrr t0, mepc\n"
        "addi t0, t0, 4\n"
        "csrw mepc, t0\n"
        "csrr t0, mscratch\n"
        "mret\n"
        ".popsection\n");

static inline void skip_traps(void) {
    __asm__ volatile("la t0, skip_trap\n csrw mtvec, t0" ::: "t0");
}

static inline uint64_t random_next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#define PEEK(instruction)                                                                \
    __asm__ volatile(".option push\n.option norvc\n" instruction                         \
                     " %0, 0(%1)\n.option pop"                                           \
                     : "+r"(value)                                                       \
                     : "r"(addr)                                                         \
                     : "memory")
#define POKE(instruction)                                                                \
    __asm__ volatile(".option push\n.option norvc\n" instruction                         \
                     " %0, 0(%1)\n.option pop" ::"r"(value),                             \
                     "r"(addr)                                                           \
                     : "memory")

/* A load of 1 << log2 bytes that may trap (0 then). */
static inline uint64_t peek(uint64_t addr, unsigned log2) {
    uint64_t value = 0;
    switch (log2 & 3) {
    case 0:
        PEEK("lbu");
        break;
    case 1:
        PEEK("lhu");
        break;
    case 2:
        PEEK("lwu");
        break;
    default:
        PEEK("ld");
        break;
    }
    return value;
}

static inline void poke(uint64_t addr, unsigned log2, uint64_t value) {
    switch (log2 & 3) {
    case 0:
        POKE("sb");
        break;
    case 1:
        POKE("sh");
        break;
    case 2:
        POKE("sw");
        break;
    default:
        POKE("sd");
        break;
    }
}

enum {
    VIRTIO_BASE = 0x10001000,
    VIRTIO_STRIDE = 0x1000,
    VIRTIO_SLOTS = 8,
    VIRTIO_STATUS = 0x70,
    UART_IER = 1,
    UART_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
};

/* The devices as a program finds them, so that the verdict can be printed. */
static inline void calm_devices(void) {
    for (unsigned slot = 0; slot < VIRTIO_SLOTS; slot++) {
        poke(VIRTIO_BASE + slot * VIRTIO_STRIDE + VIRTIO_STATUS, 2, 0);
    }
    UART[UART_LCR] = 3;
    UART[UART_IER] = 0;
    UART[UART_FCR] = 0;
    UART[UART_MCR] = 0;
    put_text("\n");
}

#endif
