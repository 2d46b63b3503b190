/* SPDX-License-Identifier: MIT */
/* What the bare C programs share: output, the end, and the exit status. */
#ifndef GUEST_H
#define GUEST_H

#include <stdint.h>

#define UART     ((volatile uint8_t *)0x10000000)
#define FINISHER ((volatile uint32_t *)0x100000)

void guest_main(unsigned long hart);

static inline void put_text(const char *text) {
    while (*text) {
        *UART = (uint8_t)*text++;
    }
}

static inline void put_hex(uint64_t value) {
    for (int shift = 60; shift >= 0; shift -= 4) {
        *UART = (uint8_t) "0123456789abcdef"[value >> shift & 15];
    }
}

/* Ends the run: status 0, or the number of the check that failed. */
static inline void finish(unsigned status) {
    put_text(status ? "FAIL\n" : "PASS\n");
    *FINISHER = status ? status << 16 | 0x3333 : 0x5555;
    for (;;) {
    }
}

#define CHECK(number, condition)                                                         \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            put_text("check failed: " #condition "\n");                                  \
            finish(number);                                                              \
        }                                                                                \
    } while (0)

#endif
