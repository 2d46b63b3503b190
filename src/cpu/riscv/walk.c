/* SPDX-License-Identifier: MIT */
/* Words for what the walker did, see walk.h. */
#include "cpu/riscv/walk.h"

#include <stdio.h>

#include "cpu/riscv/bits.h"

unsigned riscv_mmu_idx_of(const RiscvCPU *cpu, unsigned priv, AccessKind kind) {
    uint64_t mstatus = cpu->env.mstatus;
    if (priv == PRV_M && cpu->env.priv == PRV_M && (mstatus & MSTATUS_MPRV) &&
        kind != ACCESS_FETCH) {
        priv = (unsigned)((mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT);
    }
    if (priv == PRV_U) {
        return MMU_U;
    }
    if (priv == PRV_S) {
        return mstatus & MSTATUS_SUM && kind != ACCESS_FETCH ? MMU_S_SUM : MMU_S;
    }
    return MMU_M;
}

const char *riscv_walk_reason_word(RiscvWalkReason reason) {
#define WORD(id, word, text) [id] = (word),
    static const char *const words[] = {RISCV_WALK_REASONS(WORD)};
#undef WORD
    return words[reason];
}

const char *riscv_walk_reason_text(RiscvWalkReason reason) {
#define TEXT(id, word, text) [id] = (text),
    static const char *const texts[] = {RISCV_WALK_REASONS(TEXT)};
#undef TEXT
    return texts[reason];
}

void riscv_pte_text(uint64_t pte, bool wide, char *text, size_t size) {
    static const char *const memory_types[] = {"", " PBMT=NC", " PBMT=IO",
                                               " PBMT=reserved"};
    enum { FLAGS = 8, RSW_SHIFT = 8, RSW_MASK = 3, PBMT_SHIFT = 61 };
    char flags[FLAGS + 1] = "DAGUXWRV"; /* bit 7 first, as the manual draws it */
    for (unsigned i = 0; i < FLAGS; i++) {
        if (!(pte >> (FLAGS - 1 - i) & 1)) {
            flags[i] = '-';
        }
    }
    unsigned rsw = (unsigned)(pte >> RSW_SHIFT) & RSW_MASK;
    uint64_t ppn = pte >> PTE_PPN_SHIFT & (wide ? SATP64_PPN_MASK : SATP32_PPN_MASK);
    unsigned pbmt = wide ? (unsigned)(pte >> PBMT_SHIFT & 3) : 0;
    snprintf(text, size, "%s RSW=%u PPN=0x%llx%s%s", flags, rsw, (unsigned long long)ppn,
             memory_types[pbmt], wide && pte & PTE_N ? " N (64 KiB)" : "");
}
