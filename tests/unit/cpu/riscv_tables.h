/* SPDX-License-Identifier: MIT */
/* Random page tables in the first pages of a test hart's RAM: mostly sound, some not. */
#ifndef VITRINE_TESTS_RISCV_TABLES_H
#define VITRINE_TESTS_RISCV_TABLES_H

#include "riscv_hart.h"

enum { TABLES = 24 };

/* Pages 0 .. TABLES-1 of RAM are tables; entries point to tables and pages of RAM, mostly
 * well. */
static inline uint64_t random_pte(uint64_t *s, bool rv32) {
    uint64_t r = random_next(s);
    uint64_t page = (RAM_BASE >> 12) + (r & 15 ? r >> 8 & (TABLES - 1) : r >> 8 & 0x1ff);
    if ((r >> 20 & 3) == 0) {
        page &= ~UINT64_C(0x1ff); /* good for a megapage */
    }
    if ((r >> 22 & 15) == 0) {
        page &= ~UINT64_C(0x3ffff);
    }
    if ((r >> 26 & 63) == 0) {
        page = r >> 40 & 0xff; /* no RAM there */
    }
    static const uint8_t kinds[] = {0x01, 0x01, 0x01, 0x01, 0x03, 0x07, 0x09, 0x0b,
                                    0x0f, 0x0f, 0x05, 0x0d, 0x00, 0x0e, 0x07, 0x0f};
    uint64_t pte = kinds[r >> 32 & 15];
    bool leaf = pte & 0xa;
    if (leaf || (r >> 36 & 63) == 0) {
        pte |= r >> 42 & 0xf0;
        if (r >> 50 & 1) {
            pte |= 0xc0;
        }
    }
    pte |= page << 10;
    if (rv32) {
        return (uint32_t)pte;
    }
    if ((r >> 51 & 31) == 0) {
        pte |= UINT64_C(1) << (54 + (r >> 56 & 7)); /* reserved, and PBMT */
    }
    if ((r >> 51 & 31) == 1) {
        pte |= UINT64_C(1) << 63;
        pte = (pte & ~UINT64_C(0x3c00)) | (r >> 56 & 3 ? 8 : r >> 58 & 15) << 10;
    }
    if ((r >> 51 & 31) == 2) {
        pte |= (r >> 56 & 3) << 61;
    }
    return pte;
}

static inline vaddr random_address(uint64_t *s, unsigned bits_used) {
    uint64_t r = random_next(s);
    vaddr va = r & ((UINT64_C(1) << bits_used) - 1);
    if (bits_used < 64 && bits_used > 32) {
        va = (vaddr)((int64_t)(va << (64 - bits_used)) >> (64 - bits_used));
        if ((random_next(s) & 31) == 0) {
            va ^= UINT64_C(1) << (random_next(s) & 63);
        }
    }
    return va;
}

#endif
