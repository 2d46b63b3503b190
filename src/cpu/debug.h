/* SPDX-License-Identifier: MIT */
/*
 * Debug: why a debugger's interest stopped the vCPUs.
 */
#ifndef VITRINE_CPU_DEBUG_H
#define VITRINE_CPU_DEBUG_H

#include <stdbool.h>
#include <stdint.h>

#include "util/addr.h"

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

/* Why the vCPUs stopped. What does not belong to the reason is 0. */
typedef struct DebugStop {
    DebugReason reason;
    unsigned cpu;     /* index of the vCPU that stopped the others */
    vaddr pc;         /* of the instruction it would run next */
    unsigned point;   /* id of the break or watch point */
    DebugOwner owner; /* of the point */
    /* watch points */
    vaddr insn_pc;      /* of the instruction that made the access */
    vaddr address;      /* first byte accessed */
    unsigned size;      /* bytes accessed */
    unsigned access;    /* DEBUG_READ or DEBUG_WRITE, or both of an atomic */
    uint64_t old_value; /* of the accessed bytes, little endian, as at most 8 */
    uint64_t new_value;
} DebugStop;

#endif
