/* SPDX-License-Identifier: MIT */
/*
 * Resolve: the way of an address down the region tree, and why one region got it.
 *
 *   system            goes on    holds the address
 *    |- flash  prio 1  empty     a container without anything at this offset: shows what is below
 *    |- uart   prio 0  taken     the first in the order of priority that has something there
 *    '- ram    prio 0  hidden    would have had it, were it not for uart
 *
 * Threads: under the machine lock.
 */
#ifndef VITRINE_MEM_RESOLVE_H
#define VITRINE_MEM_RESOLVE_H

#include "mem/memory.h"

enum { MEMORY_PATH_MAX = 64 };

typedef enum ResolveVerdict {
    RESOLVE_PASSED,   /* a container or alias the way leads through */
    RESOLVE_TAKEN,    /* has the address */
    RESOLVE_HIDDEN,   /* a sibling of higher priority (step `winner`) has it */
    RESOLVE_EMPTY,    /* a container or alias with nothing there */
    RESOLVE_DISABLED, /* switched off, with all below it */
} ResolveVerdict;

typedef struct ResolveStep {
    const MemoryRegion *mr;
    unsigned depth;
    uint64_t offset; /* of the address in mr */
    ResolveVerdict verdict;
    unsigned winner; /* RESOLVE_HIDDEN: index of the step that has it */
} ResolveStep;

/* The regions that contain the address, in the order they are asked. */
typedef struct MemoryPath {
    ResolveStep step[MEMORY_PATH_MAX];
    unsigned count;
    bool truncated;         /* more than MEMORY_PATH_MAX; found is right all the same */
    const MemoryRegion *mr; /* who has it, or NULL */
    uint64_t offset;        /* of the address in it */
} MemoryPath;

/* Agrees with address_space_find() on the view of `root` outside transactions. */
void memory_resolve(const MemoryRegion *root, hwaddr addr, MemoryPath *path);
const char *resolve_verdict_name(ResolveVerdict verdict);

#endif
