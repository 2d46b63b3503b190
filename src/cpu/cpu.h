/* SPDX-License-Identifier: MIT */
/*
 * CPUState: one vCPU as every ISA shares it, and the functions an ISA gives to the run loop.
 *
 *   machine thread / I/O thread                     vCPU thread: cpu_run()
 *        | cpu_kick()                    ------>  exit_request --> leaves generated code
 *        | cpu_queue_work()              ------>  work list    --> runs it between blocks
 *
 * A vCPU's registers, TLB and jump cache belong to its own thread; everybody else asks through
 * cpu_queue_work() or stops the vCPU first.
 *
 * Book: life-of-an-instruction.md, 1 and 8.
 */
#ifndef VITRINE_CPU_CPU_H
#define VITRINE_CPU_CPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cpu/debug.h"
#include "cpu/regs.h"
#include "mem/memory.h"
#include "tcg/ir.h"
#include "tcg/tb.h"
#include "tcg/tcg.h"
#include "util/addr.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/log.h"
#include "util/state.h"
#include "util/trace.h"

typedef struct CPUState CPUState;
typedef struct CpuClass CpuClass;
typedef struct CpuGroup CpuGroup;
typedef struct CpuWork CpuWork;

/* A vCPU's state for snapshots. Locks: the machine lock; the vCPU is parked. */
typedef struct CpuStateClass {
    const StateField *fields; /* of the ISA's struct, which begins with CPUState */
    unsigned version;
    void (*pre_save)(CPUState *cpu);  /* brings fields up to date */
    void (*post_load)(CPUState *cpu); /* recomputes what follows from them */
} CpuStateClass;

typedef enum AccessKind { ACCESS_LOAD, ACCESS_STORE, ACCESS_FETCH } AccessKind;

/* A field of an instruction, for the inspector: bits [lo, hi] of the encoding. */
typedef struct InsnField {
    uint8_t hi, lo;
    bool fixed;       /* part of what tells this instruction from others */
    uint32_t bits;    /* as they stand there */
    const char *name; /* "rd", "imm", "opcode" */
    char value[24];   /* what it means: "a0", "-16" */
} InsnField;

/* What happened on a vCPU since it was made, for the inspector (util/counter.h); not the guest's. */
typedef struct CpuCounters {
    uint64_t interrupts, exceptions; /* taken; a system call is an exception */
    uint64_t calls; /* of user mode into the system: RISC-V's ecall from U */
    uint64_t page_faults;
    uint64_t device_reads, device_writes;
} CpuCounters;

/* What an ISA provides. All run on the vCPU's own thread unless said otherwise. */
struct CpuClass {
    const char *name;
    /* Declares the guest registers of the ISA in a translator's context. */
    void (*declare_globals)(const CPUState *cpu, IrContext *ctx);
    int32_t pc_offset; /* of the pc in env */
    vaddr (*get_pc)(const CPUState *cpu);
    void (*set_pc)(CPUState *cpu, vaddr pc);
    /* Builds the IR of the block at tb->pc for tb->flags, at most max_insns instructions, not past the
     * end of the page after the first; sets tb->size and tb->insns. Fetches by cpu_fetch16().
     * A fetch that faults at the first instruction: false, the exception was delivered. */
    bool (*translate)(CPUState *cpu, IrContext *ctx, TranslationBlock *tb,
                      unsigned max_insns);
    /* Translates one page for an access and fills the TLB (tlb_fill, tlb_second_fill). `addr` is the
     * access's own address (for tval). !probe: on a fault delivers the exception and returns false;
     * probe: just returns false. Fills *phys/... through the TLB. */
    bool (*tlb_fill)(CPUState *cpu, vaddr addr, unsigned size, AccessKind kind,
                     unsigned mmu_idx, bool probe);
    /* Physical address of a virtual one for debuggers, without side effects. */
    bool (*debug_translate)(CPUState *cpu, vaddr addr, hwaddr *phys);
    /* mmu index instruction fetches use now. */
    unsigned (*fetch_mmu_idx)(const CPUState *cpu);
    /* Delivers exceptions that the slow path found: a misaligned access or AMO, a bus error. */
    void (*misaligned)(CPUState *cpu, vaddr addr, AccessKind kind);
    void (*bus_error)(CPUState *cpu, vaddr addr, AccessKind kind);
    /* True if misaligned plain accesses are to fault instead of being split. */
    bool (*wants_alignment)(const CPUState *cpu);
    /* Takes a pending and enabled interrupt; true if one was taken (pc changed). */
    bool (*take_interrupt)(CPUState *cpu);
    /* True if a halted vCPU has something to wake for. Threads: own. */
    bool (*has_work)(const CPUState *cpu);
    /* Called when a TLB_WATCH page is hit: true if an exception was delivered instead. */
    bool (*check_watch)(CPUState *cpu, vaddr addr, unsigned size, AccessKind kind);
    /* debug.one_insn or debug.one_block changed: recomputes tcg.jump_tag.flags. Threads: own, or
     * any while parked. */
    void (*debug_changed)(CPUState *cpu);
    void (*reset)(CPUState *cpu);
    void (*dump)(const CPUState *cpu, FILE *out);
    /* One instruction as text; returns its length in bytes (0: not enough bytes). Threads: any. */
    unsigned (*disassemble)(const CPUState *cpu, vaddr pc, const uint8_t *bytes,
                            unsigned len, char *text, size_t text_size);
    void (*free)(CPUState *cpu); /* NULL: free() */
    /* A vCPU of the same configuration that is in no group and never runs: for explain. Freed by
     * free(). Threads: any. */
    CPUState *(*new_like)(const CPUState *cpu);
    /* The page behind that of addr. Threads: any. */
    vaddr (*next_page)(const CPUState *cpu, vaddr addr);
    /* The fields of an instruction, from the highest bit to the lowest; returns how many (0: it is not
     * legal), at most `max`. *row: the name of its row in the decode table, or NULL. Threads: any. */
    unsigned (*decode_fields)(const CPUState *cpu, const uint8_t *bytes, unsigned len,
                              InsnField *field, unsigned max, const char **row);
    /* Where a branch or jump at pc goes if it is taken and the instruction itself says where; false: it
     * does not. Threads: any. */
    bool (*branch_target)(const CPUState *cpu, vaddr pc, const uint8_t *bytes,
                          unsigned len, vaddr *target);
    const CpuStateClass *state;
    const CpuRegisters *registers; /* for those who look; may be NULL in tests */
};

/* One virtual page instructions are fetched from. */
typedef struct FetchPage {
    vaddr page;
    uint64_t tag;        /* address-space generation << 8 | mmu index */
    const uint8_t *host; /* NULL: not RAM, fetched by loads */
    ram_addr ram;        /* of the page; RAM_ADDR_INVALID if not RAM */
    hwaddr phys;
    /* Permissions hold for the access only, not for the page (PMP): ask each time. */
    bool partial;
} FetchPage;
enum { FETCH_CACHE_SIZE = 256, FETCH_NO_PAGE = 1 };

struct CPUState {
    const CpuClass *cls;
    CpuGroup *group; /* the vCPUs of the machine, the lock, the TB cache */
    unsigned index;  /* 0 .. nr_cpus-1 */
    AddressSpace *as;
    const Log *log;
    Trace *trace; /* or NULL */
    Clock *clock;
    IrContext *ir; /* this vCPU's translator */
    /* own thread */
    bool halted;    /* waits for an interrupt */
    bool explainer; /* fixed: translates for explain alone, marks no page as code */
    /* group->work_lock */
    CpuWork *work_first, **work_last;
    bool stopped;        /* parked: not inside guest code, until resumed */
    pthread_cond_t wake; /* with group->work_lock */
    pthread_t thread;
    bool thread_started;
    int host_tid; /* atomic: the thread's number on the host; 0: none yet */
    /* own thread: where instructions come from */
    FetchPage fetch; /* set by tlb_fill(ACCESS_FETCH) through cpu_set_fetch() */
    FetchPage fetch_cache[FETCH_CACHE_SIZE];
    RAMBlock *ram_hint;  /* the block the last slow store hit */
    bool in_code;        /* atomic: inside generated code, or making it (see exec.h) */
    uint32_t code_exits; /* atomic: how many times it was left */
    /* CodePage.sequence of the pages of the block being made. */
    uint32_t fetch_sequence[2];
    unsigned idle_spins; /* wfi that returned at once since an interrupt was taken */
    bool sleeping;       /* atomic: waits on `wake` (halted or parked) */
    /* Grows with cpu_tlb_flush(); the ISA's second-level stamps have it in them. */
    uint64_t tlb_epoch;
    CpuCounters counters; /* own thread counts */
    bool alone;           /* own thread; -icount: the next block is of one instruction */
    CpuDebug debug;       /* own thread, or while parked */
    TcgCpu tcg;           /* last: env follows */
};

static inline void *cpu_env(CPUState *cpu) {
    return cpu + 1;
}
static inline CPUState *cpu_of_env(void *env) {
    return (CPUState *)env - 1;
}
static inline CPUState *cpu_of_tcg(TcgCpu *tcg) {
    return (CPUState *)((char *)tcg - offsetof(CPUState, tcg));
}

/* Called by the ISA's tlb_fill() for a successful ACCESS_FETCH. rb and host are NULL if the page is
 * not RAM or ROM. */
void cpu_set_fetch(CPUState *cpu, vaddr addr, hwaddr phys, RAMBlock *rb,
                   const uint8_t *host, bool partial);

/* The way of cpu_fetch16() out of the page that was fetched from last. */
bool cpu_fetch16_slow(CPUState *cpu, TranslationBlock *tb, vaddr pc, uint16_t *bits);

/* Two bytes of guest code at pc for translate(); crossing into the block's second page is noted in
 * the TB. False: the fetch faulted; the exception was delivered if it was for the block's first
 * instruction. */
static inline bool cpu_fetch16(CPUState *cpu, TranslationBlock *tb, vaddr pc,
                               uint16_t *bits) {
    const FetchPage *page = &cpu->fetch;
    if (__builtin_expect((pc & PAGE_MASK) == page->page && page->host && !page->partial,
                         1)) {
        __builtin_memcpy(bits, page->host + (pc & PAGE_OFFSET_MASK), sizeof(*bits));
        return true;
    }
    return cpu_fetch16_slow(cpu, tb, pc, bits);
}

/* Asks the vCPU to leave generated code soon and look for interrupts and work. Threads: any. */
void cpu_kick(CPUState *cpu);

/* Runs fn(cpu, arg) on the vCPU's own thread between two blocks. Threads: any. */
void cpu_queue_work(CPUState *cpu, void (*fn)(CPUState *cpu, void *arg), void *arg);

/* Runs what was queued; drops it at the end. Own thread. */
void cpu_run_work(CPUState *cpu);
void cpu_drop_work(CPUState *cpu);

/* The CPU state that code depends on changed: the ISA recomputes tcg.jump_tag.flags itself; these
 * drop translations of addresses. Own thread only. */
void cpu_tlb_flush(CPUState *cpu); /* everything: first level, second via generation */
void cpu_tlb_flush_page(CPUState *cpu, vaddr addr);
/* The address space changed to one whose second-level entries carry their own stamp (ASID switch):
 * empties the first level and the jump cache only. */
void cpu_tlb_switch(CPUState *cpu);

#endif
