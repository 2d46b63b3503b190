/* SPDX-License-Identifier: MIT */
/*
 * TCG: what generated code, the back ends and the run loop agree on.
 *
 *   lower addresses                                                        higher addresses
 *   | CPUState ... | TcgCpu: tlb, jump cache, ..., hot fields | env (the ISA's registers) ... |
 *                                                             ^ env: all offsets count from here
 *
 * Generated code has one base register, env. The fields of TcgCpu lie right below it, at constant
 * negative offsets (TCG_CPU_OFFSET), the guest's registers right above.
 *
 * Book: life-of-an-instruction.md, 6 to 8.
 */
#ifndef VITRINE_TCG_TCG_H
#define VITRINE_TCG_TCG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/tlb.h"
#include "tcg/ir.h"
#include "util/addr.h"

typedef struct TcgCpu TcgCpu;
typedef struct TranslationBlock TranslationBlock;

/* Why generated code returned to the run loop (low 3 bits of the value; the rest is the TB or 0). */
typedef enum TbExit {
    TB_EXIT_SLOT0 = 0, /* 0..1: exit slot to be chained, TB pointer in the high bits */
    TB_EXIT_SLOT1 = 1,
    TB_EXIT_LOOKUP = 2,  /* env pc is set; no TB known for it yet */
    TB_EXIT_REQUEST = 3, /* exit_request was seen at a block entry, or the block has more
                            instructions than icount_left; env pc is set */
    /* The CPU's state changed (interrupts enabled, ...), or it spins and others may have a
     * turn: look again. */
    TB_EXIT_STATE = 4,
    TB_EXIT_HALT = 5,  /* wait for interrupt */
    TB_EXIT_DEBUG = 6, /* break or watch point, single step */
    TB_EXIT_MASK = 7,
} TbExit;

/* What the slow paths of generated code call. All run on the vCPU's own thread. */
typedef struct TcgCpuOps {
    /* One guest access. pc of the instruction is in env. aux as in the op (ir_mem_aux). Values of
     * loads come extended as memop says. False: a guest exception was delivered, env pc is the
     * handler's. */
    bool (*load)(TcgCpu *cpu, vaddr addr, unsigned aux, uint64_t *value);
    bool (*store)(TcgCpu *cpu, vaddr addr, unsigned aux, uint64_t value);
    bool (*rmw)(TcgCpu *cpu, vaddr addr, unsigned aux, IrRmw rmw, uint64_t value,
                uint64_t *old);
    bool (*cas)(TcgCpu *cpu, vaddr addr, unsigned aux, uint64_t expected,
                uint64_t desired, uint64_t *old);
    /* guest_probe that missed the first level: NULL if it is not plain memory. Never faults. */
    void *(*probe)(TcgCpu *cpu, vaddr addr, unsigned aux);
    /* Code for env's pc and flags if translated already, else NULL. Also fills the jump cache. */
    const void *(*lookup)(TcgCpu *cpu);
} TcgCpuOps;

enum { JUMP_CACHE_BITS = 12, JUMP_CACHE_SIZE = 1 << JUMP_CACHE_BITS };

/* An entry is right if pc and tag match: tag holds the block's flags and the address-space
 * generation, so that a flush is adding one to cpu->jump_tag.generation. */
typedef struct JumpCacheEntry {
    vaddr pc;
    uint64_t tag;
    const void *code; /* the block's checked entry */
    TranslationBlock *tb;
} JumpCacheEntry;

static inline unsigned jump_cache_index(vaddr pc) {
    return (unsigned)(pc >> 1) & (JUMP_CACHE_SIZE - 1);
}

/* The host's floating-point environment while generated code is not running. */
typedef struct FpEnv {
    uint32_t host; /* x86_64: an image of MXCSR. Others: see flags */
    /* RISC-V fflags order: valid after fp_get_flags(), and always for interp. */
    uint8_t flags;
    /* FP_MODE_*: the guest's dynamic rounding mode (RNE while RMM or invalid). */
    uint8_t round;
} FpEnv;

struct TcgCpu {
    CpuTlb tlb;
    JumpCacheEntry jump_cache[JUMP_CACHE_SIZE];
    const TcgCpuOps *ops;
    const struct Backend *backend;
    FpEnv fp;
    uint64_t saved_gpr[16]; /* back end scratch: host registers at a slow path */
    uint64_t saved_fpr[16];
    /* Set by the slow paths: the block they were called from. */
    TranslationBlock *current_tb;
    /* Back end scratch, for a signal handler on the vCPU's thread: where enter() keeps what place() needs.
     * NULL: the vCPU is not in generated code. */
    const void *volatile frame;
    /* Accesses to guest memory by blocks that are profiled; for the inspector. */
    uint64_t accesses;
    /* Hot. Keep last: nearest to env. */
    uint64_t reservation_addr, reservation_value; /* LR/SC; addr all ones: none */
    union {
        struct {
            uint32_t flags; /* of the block that would run now: TranslationBlock.flags */
            uint32_t generation; /* of the address space */
        };
        uint64_t word;
    } jump_tag;
    /* A helper delivered a guest exception; env pc is the handler's. */
    uint8_t fault_taken;
    /* Set by a store slow path: the running TB was changed under it; leave after this
     * instruction. */
    uint8_t stop_after;
    uint8_t icount_ahead;  /* set by slow paths and calls: instructions of the block that
                             are still to come */
    uint32_t exit_request; /* atomic; not 0: leave at the next block entry or back edge */
    int32_t icount_left;   /* BackendState.icount: instructions until generated code must
                              return */
    uint32_t spare;
};

/* From env to a field of TcgCpu, in bytes (negative). */
#define TCG_CPU_OFFSET(field) ((int32_t)offsetof(TcgCpu, field) - (int32_t)sizeof(TcgCpu))

static inline void *tcg_cpu_env(TcgCpu *cpu) {
    return cpu + 1;
}
static inline TcgCpu *tcg_cpu_of_env(void *env) {
    return (TcgCpu *)env - 1;
}

#endif
