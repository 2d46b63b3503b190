/* SPDX-License-Identifier: MIT */
/*
 * Walk: what the page-table walker saw and decided, for who wants to know why.
 *
 *   riscv_explain(addr) --> step[0]  root table: PTE address, value, pointer
 *                           step[1]  ...
 *                           step[n]  leaf, or the entry that ended the walk
 *                           reason   why it was allowed or refused; PMP's entry; what is there
 *
 * It is the walker of riscv_tlb_fill() itself (mmu.c) that tells its steps here, so the
 * explanation cannot disagree with what the guest gets.
 *
 * Threads: the hart's own, or any while it is parked.
 */
#ifndef VITRINE_CPU_RISCV_WALK_H
#define VITRINE_CPU_RISCV_WALK_H

#include "cpu/riscv/cpu.h"

/* Why a walk ended. X(id, word, text) */
#define RISCV_WALK_REASONS(X)                                                            \
    X(WALK_ALLOWED, "allowed", "the access is allowed")                                  \
    X(WALK_POINTER, "pointer", "the entry points to the next table")                     \
    X(WALK_NOT_CANONICAL, "not-canonical",                                               \
      "the unused upper bits of the address are not copies of its top bit")              \
    X(WALK_PTE_PMP, "pte-pmp", "PMP does not let the walker read the entry")             \
    X(WALK_PTE_NOT_RAM, "pte-not-ram", "there is no RAM where the entry would be")       \
    X(WALK_NOT_VALID, "not-valid", "V is clear: nothing is mapped here")                 \
    X(WALK_W_WITHOUT_R, "w-without-r", "W without R is reserved")                        \
    X(WALK_POINTER_BITS, "pointer-bits",                                                 \
      "A, D or U is set in a pointer to a table, where they are reserved")               \
    X(WALK_RESERVED, "reserved", "a reserved bit (60:54) is set")                        \
    X(WALK_PBMT_OFF, "pbmt-off", "PBMT is set, but Svpbmt is off (menvcfg.PBMTE)")       \
    X(WALK_PBMT_POINTER, "pbmt-pointer", "PBMT is set in a pointer to a table")          \
    X(WALK_PBMT_RESERVED, "pbmt-reserved", "PBMT is 3, which is reserved")               \
    X(WALK_NAPOT_OFF, "napot-off", "N is set, but the hart has no Svnapot")              \
    X(WALK_NAPOT_POINTER, "napot-pointer", "N is set in a pointer to a table")           \
    X(WALK_NAPOT_LEVEL, "napot-level", "N is set in a superpage's entry")                \
    X(WALK_NAPOT_SIZE, "napot-size", "N is set, but PPN[3:0] is not 8 (64 KiB)")         \
    X(WALK_NO_LEAF, "no-leaf", "a pointer where there is no next level")                 \
    X(WALK_MISALIGNED, "misaligned", "the superpage's PPN is not aligned to its size")   \
    X(WALK_NOT_READABLE, "not-readable", "R is clear (and MXR does not make X count)")   \
    X(WALK_NOT_WRITABLE, "not-writable", "W is clear")                                   \
    X(WALK_NOT_EXECUTABLE, "not-executable", "X is clear")                               \
    X(WALK_USER_PAGE, "user-page", "a user page (U), S mode, and SUM is clear")          \
    X(WALK_USER_FETCH, "user-fetch", "a user page (U): S mode never runs its code")      \
    X(WALK_SUPERVISOR_PAGE, "supervisor-page", "U is clear: not for U mode")             \
    X(WALK_A_CLEAR, "a-clear", "A is clear and software is to set it (ADUE is off)")     \
    X(WALK_D_CLEAR, "d-clear", "D is clear and software is to set it (ADUE is off)")     \
    X(WALK_PTE_NOT_WRITABLE, "pte-not-writable",                                         \
      "A or D is to be set, but the entry is in ROM or PMP forbids it")                  \
    X(WALK_PMP_DENIED, "pmp-denied", "PMP does not allow this access there")             \
    X(WALK_NOTHING_THERE, "nothing-there",                                               \
      "no RAM and no device has the physical address")

#define RISCV_WALK_ENUM(id, word, text) id,
typedef enum RiscvWalkReason { RISCV_WALK_REASONS(RISCV_WALK_ENUM) } RiscvWalkReason;
#undef RISCV_WALK_ENUM

enum { RISCV_WALK_LEVELS = 5, RISCV_PMP_NONE = -1 };

/* One level. */
typedef struct RiscvWalkStep {
    unsigned level; /* 0: the last */
    unsigned index; /* of the entry in its table */
    hwaddr pte_addr;
    bool read; /* pte is valid */
    uint64_t pte;
    int pmp_entry; /* that let it be read or did not; RISCV_PMP_NONE: no entry matches */
    RiscvWalkReason reason; /* of a leaf: WALK_ALLOWED or what was wrong with it */
} RiscvWalkStep;

typedef struct RiscvWalkRecord {
    bool paged;      /* false: bare or M mode */
    unsigned levels; /* of the mode: Sv32 2, Sv39 3, ... */
    unsigned index_bits;
    hwaddr root;
    unsigned count;
    RiscvWalkStep step[RISCV_WALK_LEVELS];
    uint64_t would_set; /* A and D bits that a real access sets */
    bool translated;    /* the tables gave an address: phys, prot, page_bits */
    hwaddr phys;        /* of the byte */
    unsigned prot;      /* PROT_*, of tables and PMP */
    unsigned page_bits;
    bool global;
    bool pmp_asked; /* pmp_* are valid */
    unsigned pmp_prot;
    int pmp_entry;
    bool ok;
    RiscvWalkReason reason;
    RiscvCause fault; /* if !ok */
} RiscvWalkRecord;

/* What an access of `size` bytes inside a page would do now: the same as riscv_walk() and
 * riscv_tlb_fill(), but A and D stay and nothing is raised. Triggers are not asked.
 * Returns rec->ok. */
bool riscv_explain(RiscvCPU *cpu, vaddr addr, unsigned size, AccessKind kind,
                   unsigned mmu_idx, RiscvWalkRecord *rec);
/* What is mapped at `addr`, whoever may use it; rec->ok: a leaf was found. */
bool riscv_explain_mapping(RiscvCPU *cpu, vaddr addr, RiscvWalkRecord *rec);
/* The mmu index of an access in `priv` (PRV_*) with the mstatus of now; with MPRV taken
 * into account when priv is the hart's own. */
unsigned riscv_mmu_idx_of(const RiscvCPU *cpu, unsigned priv, AccessKind kind);

const char *riscv_walk_reason_word(RiscvWalkReason reason);
const char *riscv_walk_reason_text(RiscvWalkReason reason);
/* "DAGUXWRV RSW=0 PPN=0x80200 ...": a dash for a bit that is clear. */
void riscv_pte_text(uint64_t pte, bool wide, char *text, size_t size);

/* What a second-level entry's stamp says. */
typedef struct RiscvStamp {
    bool paged, global, mxr, live; /* live: would match in the present address space */
    unsigned asid;
} RiscvStamp;
RiscvStamp riscv_stamp_read(const RiscvCPU *cpu, uint64_t stamp, unsigned mmu_idx);

#endif
