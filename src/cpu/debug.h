/* SPDX-License-Identifier: MIT */
/*
 * Debug: break and watch points, steps, and why they stopped the vCPUs.
 *
 *   debugger --add, plan--> CpuGroup.debug, CPUState.debug        (vCPUs are parked)
 *
 *   translator  --- ends the block before a break pc; the block there leaves at once
 *   TLB fill    --- TLB_WATCH on a watched page: the slow path looks at the watch points
 *   run loop    --- debug_before_block(), debug_after_block() while `busy`
 *                        '--> debug_claim(): the first one parks all others and tells the
 *                             machine, whose main loop makes it a stop (RUN_DEBUG)
 *
 * With no point set and no step under way, what this costs is a test of `busy` in the run
 * loop and of counts when a block is made and a TLB entry filled: nothing in generated code.
 *
 * A watched access stops before it happens; the instruction is then run alone with watch
 * points off, and the stop is told after it, with the old and the new value. Steps hold
 * interrupts off, if not asked otherwise, as gdb users expect; an exception ends a step at
 * the handler's first instruction, before it runs. A step over wfi does not wait.
 *
 * With -icount a run that is stepped is the same as one that is not: interrupts come when they come, no
 * hart is held while another steps (the step lasts until its turn), and wfi waits.
 *
 * A device's access (DMA) is told between two instructions, after it happened: debug_dma.c. It is compared
 * with where the watched bytes are in physical memory: with -icount at that moment, else as of when the
 * points changed or the machine went on, for then another thread has the page tables.
 *
 * Locks: points and plans change only while all vCPUs are parked and the machine lock is
 * held; so vCPUs read them freely. work_lock: claimed, stop.
 * Not modelled: a watch point sees what instructions and devices load and store; not page-table walks,
 * a device's reads of its rings, nor what a reset or a debugger writes. DMA to a point of more than
 * DEBUG_DMA_PAGES pages of virtual memory is seen in the first ones, and, without -icount, where those pages were
 * when points changed last or the machine went on. What the bytes were before a
 * device's write is not known.
 */
#ifndef VITRINE_CPU_DEBUG_H
#define VITRINE_CPU_DEBUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"
#include "util/error.h"

struct CPUState;
struct CpuGroup;

enum {
    DEBUG_MAX_POINTS = 256,
    DEBUG_MAX_CPUS = 8,
    DEBUG_DMA_PAGES = 16,
    DEBUG_MAX_SPANS = 1024,
    DEBUG_DEVICE_NAME = 40,
};

typedef enum DebugReason {
    DEBUG_NONE,
    DEBUG_BREAK, /* before the instruction at a break point */
    DEBUG_WATCH, /* after an instruction that accessed watched bytes */
    DEBUG_STEP,  /* the step, or the range of steps, that was asked for is done */
    DEBUG_BLOCK, /* one translation block was run */
    DEBUG_TRAP, /* before the first instruction of an interrupt's or exception's handler */
    DEBUG_COUNT, /* before the instruction that cpu_group_icount_limit() named */
} DebugReason;

/* Who set a point. Each removes its own only. */
typedef enum DebugOwner {
    DEBUG_OWNER_GDB,
    DEBUG_OWNER_INSPECT,
    DEBUG_OWNER_HISTORY,
} DebugOwner;

/* What a watch point looks for. */
enum { DEBUG_READ = 1, DEBUG_WRITE = 2, DEBUG_ACCESS = DEBUG_READ | DEBUG_WRITE };

typedef struct DebugPoint {
    unsigned id; /* not 0; not used again */
    DebugOwner owner;
    unsigned access; /* DEBUG_READ, DEBUG_WRITE; 0: a break point */
    bool physical;   /* a watch point on physical addresses, by whatever virtual ones */
    vaddr addr;      /* virtual, in whatever address space; or physical */
    uint64_t len;    /* watched bytes */
} DebugPoint;

/* An access of a device to memory. */
typedef struct DebugDma {
    char device
        [DEBUG_DEVICE_NAME]; /* device_unique_name(); "": it was no device's access */
    int queue;               /* -1: it has none */
    uint32_t descriptor;     /* the chain's head in the queue */
    const char *part; /* what the device has there: "buffer", "used index"; a constant */
    hwaddr addr;      /* physical */
    uint64_t len;     /* bytes */
} DebugDma;

/* Where watched bytes are in physical memory. */
typedef struct DebugSpan {
    unsigned point; /* index */
    vaddr addr;     /* as the point has it */
    hwaddr phys;
    uint64_t len;
} DebugSpan;

/* Why the vCPUs stopped. What does not belong to the reason is 0. */
typedef struct DebugStop {
    DebugReason reason;
    unsigned cpu;     /* index of the vCPU that stopped the others */
    vaddr pc;         /* of the instruction it would run next */
    unsigned point;   /* id of the break or watch point */
    DebugOwner owner; /* of the point */
    /* watch points */
    vaddr insn_pc;     /* of the instruction that made the access; 0: a device did */
    vaddr address;     /* first byte accessed (by a device: of those watched), as the
                         * point has it; of a physical point: virtual, by a device physical */
    hwaddr phys;       /* the same, physical */
    unsigned size;     /* bytes accessed */
    unsigned access;   /* DEBUG_READ or DEBUG_WRITE */
    unsigned watching; /* what the point looks for */
    vaddr watched;     /* where it begins */
    uint64_t
        old_value; /* of the accessed bytes, at most 8; 0 for a device's registers, and if a
                         * device wrote them */
    uint64_t new_value;
    DebugDma dma; /* who, if it was a device */
} DebugStop;

static inline bool debug_stop_is_dma(const DebugStop *stop) {
    return stop->reason == DEBUG_WATCH && stop->dma.device[0] != 0;
}

/* How a vCPU goes on. */
typedef enum DebugRun {
    DEBUG_GO,        /* up to a point */
    DEBUG_HOLD,      /* not at all */
    DEBUG_RUN_STEP,  /* one instruction; more while the pc is in range */
    DEBUG_RUN_BLOCK, /* one translation block */
    DEBUG_RUN_TRAP,  /* up to the next interrupt or exception */
} DebugRun;

typedef struct DebugPlan {
    DebugRun run[DEBUG_MAX_CPUS];
    vaddr range_start, range_end; /* of DEBUG_RUN_STEP; equal: one instruction */
    bool interrupts; /* steps take interrupts; they end at the handler, too */
} DebugPlan;

/* A watched access that is about to happen. */
typedef struct DebugWatchHit {
    enum { WATCH_NONE, WATCH_HIT, WATCH_STEPPING } state;
    DebugStop stop;
    const uint8_t *host; /* of the accessed bytes; NULL: a device */
} DebugWatchHit;

/* A vCPU's part. Own thread, or while it is parked. */
typedef struct CpuDebug {
    const struct GroupDebug *points; /* the group's; NULL: there is none */
    bool busy; /* the run loop has to ask debug_before_block() and debug_after_block() */
    DebugRun run;
    bool interrupts;
    vaddr range_start, range_end;
    bool told; /* its stop at over_pc was told, and it has not moved since */
    bool over; /* so it runs the instruction there whatever points there are */
    vaddr over_pc;
    bool trapped;             /* a trap was taken since this was cleared */
    bool one_insn, one_block; /* how blocks are made now: see CpuClass.debug_changed() */
    vaddr pc;                 /* before the block */
    DebugWatchHit watch;
} CpuDebug;

/* The group's part. */
typedef struct GroupDebug {
    DebugPoint point[DEBUG_MAX_POINTS];
    unsigned count, breaks, watches;
    unsigned last_id;
    /* machine lock */
    DebugSpan span[DEBUG_MAX_SPANS]; /* of the watch points */
    unsigned spans;
    /* work_lock */
    bool
        dma_pending; /* atomic: a device hit a watch point, and no vCPU was there yet to stop */
    DebugStop dma_stop;
    bool claimed; /* atomic: a vCPU has stopped all, and the machine has not heard yet */
    DebugStop stop;
    /* Asked before a stop is claimed: true swallows it, and the vCPU goes on. NULL: none is */
    bool (*swallow)(void *opaque, const DebugStop *stop);
    void *swallow_opaque;
    /* fixed; called by the vCPU that claimed, without locks */
    void (*notify)(void *opaque);
    void *notify_opaque;
} GroupDebug;

/* --- points ---------------------------------------------------------------------- */
/* Returns the point's id, 0 on failure. Errors: too many points; no bytes. */
unsigned debug_add_break(struct CpuGroup *g, DebugOwner owner, vaddr pc, Error **errp);
unsigned debug_add_watch(struct CpuGroup *g, DebugOwner owner, vaddr addr, uint64_t len,
                         unsigned access, Error **errp);
/* The same on physical addresses. */
unsigned debug_add_phys_watch(struct CpuGroup *g, DebugOwner owner, hwaddr addr,
                              uint64_t len, unsigned access, Error **errp);
/* False: the owner has no such point. */
bool debug_remove(struct CpuGroup *g, DebugOwner owner, unsigned id);
void debug_remove_all(struct CpuGroup *g, DebugOwner owner);
/* The first break point at pc, or NULL. For translators. d may be NULL. */
const DebugPoint *debug_find_break_slow(const GroupDebug *d, vaddr pc);
static inline const DebugPoint *debug_find_break(const GroupDebug *d, vaddr pc) {
    return d && d->breaks ? debug_find_break_slow(d, pc) : NULL;
}
/* True if a TLB entry for the page at `addr`, which is at `phys`, needs TLB_WATCH. */
bool debug_watches_page_slow(const GroupDebug *d, vaddr addr, hwaddr phys);
static inline bool debug_watches_page(const GroupDebug *d, vaddr addr, hwaddr phys) {
    return d && d->watches && debug_watches_page_slow(d, addr, phys);
}

/* --- going on and stopping ------------------------------------------------------- */
/* Prepares the parked vCPUs to go on; plan NULL: all go. From a place where they were told
 * to have stopped they go on without stopping there again. */
void debug_go(struct CpuGroup *g, const DebugPlan *plan);
/* The machine has stopped: takes the claimed stop, if any, and ends all plans. */
bool debug_take_stop(struct CpuGroup *g, DebugStop *stop);
/* Stops all vCPUs if nobody did before. True: it was this one. Own thread. */
bool debug_claim(struct CPUState *cpu, const DebugStop *stop);
/* It is somewhere else now: a point there counts as one it has not been told of. */
void debug_forget_stop(struct CPUState *cpu);
/* A vCPU has claimed and the machine has not heard yet. Threads: any. */
bool debug_is_claimed(const struct CpuGroup *g);

/* --- for the run loop, the slow path, the ISA ------------------------------------ */
/* Instead of taking interrupts. False: the vCPU is to leave the run loop. */
bool debug_before_block(struct CPUState *cpu);
/* After generated code returned. executed: at least one instruction was. debug_exit: by
 * TB_EXIT_DEBUG. True: the vCPU is to leave the run loop. */
bool debug_after_block(struct CPUState *cpu, bool executed, bool debug_exit);
/* A trap was taken. */
void debug_note_trap(struct CPUState *cpu);
/* An access to a TLB_WATCH page. True: it must not happen now; env pc stays at the
 * instruction. host: where the bytes are, NULL for a device. */
bool debug_check_watch(struct CPUState *cpu, vaddr addr, hwaddr phys, unsigned size,
                       unsigned access, const uint8_t *host);

/* --- devices (debug_dma.c) ------------------------------------------------------- */
/* A device has accessed memory. host: the bytes as they are now. Locks: machine lock. */
void debug_note_dma(struct CpuGroup *g, const DebugDma *dma, unsigned access,
                    const uint8_t *host);
/* If a device hit a watch point, stops all vCPUs for it. True: they are. Own thread, between two
 * instructions; with -icount, the machine lock. */
bool debug_take_dma(struct CPUState *cpu);
/* As debug_claim(); what there is to stop at the next instruction is not told by it. */
bool debug_claim_dma(struct CPUState *cpu, const DebugStop *stop);
/* Where the points' bytes are now. All vCPUs are parked, or this is the thread of all. Machine lock. */
void debug_find_spans(struct CpuGroup *g);

#endif
