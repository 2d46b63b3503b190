/* SPDX-License-Identifier: MIT */
/*
 * DirtyMap: which pages of RAM the guest writes, seen as a series of samples.
 *
 *   guest stores --> DIRTY_MIGRATION bitmap --sample: read, clear, reset TLBs--> last[page], history[page]
 *
 *   last[page]     number of the last sample that found the page dirty (0: none)
 *   history[page]  one bit a sample, the newest in bit 0: 1 = dirty
 *
 * Only the client DIRTY_MIGRATION is touched: code, display and snapshots see nothing of it. Between
 * two samples the first store to a page takes the slow path; that is all it costs the guest.
 *
 * Threads: one (the inspector's); the guest may run. Takes no lock.
 */
#ifndef VITRINE_INSPECT_DIRTY_MAP_H
#define VITRINE_INSPECT_DIRTY_MAP_H

#include "cpu/exec.h"
#include "mem/ramblock.h"
#include "util/error.h"

enum {
    DIRTY_HISTORY_SAMPLES = 32,
    DIRTY_MAX_BLOCKS = 64,
    DIRTY_MAX_PAGES = 1 << 22, /* of a block: 16 GiB */
    DIRTY_MIN_INTERVAL_NS = 20 * 1000 * 1000,
};

typedef struct DirtyMap {
    RAMBlock *rb;
    uint64_t pages;
    uint32_t *last, *history;
    uint64_t *bits;  /* of the newest sample */
    uint32_t newest; /* its number */
} DirtyMap;

typedef struct DirtyTracker {
    unsigned users; /* tracking goes on while there are any */
    CpuGroup *group;
    DirtyMap map[DIRTY_MAX_BLOCKS];
    unsigned count;
    uint32_t sample;                            /* number of the newest; the first is 1 */
    int64_t time_ns[DIRTY_HISTORY_SAMPLES + 1]; /* of sample s: [s % size] */
} DirtyTracker;

/* Begins for one more user. Errors: no memory, a block of more than DIRTY_MAX_PAGES. */
bool dirty_tracker_ref(DirtyTracker *t, RamList *rams, CpuGroup *group, int64_t now_ns,
                       Error **errp);
/* Ends with the last user. */
void dirty_tracker_unref(DirtyTracker *t);
/* Takes a sample, if the last one is DIRTY_MIN_INTERVAL_NS old. */
void dirty_tracker_sample(DirtyTracker *t, int64_t now_ns);
/* The time the newest `samples` samples cover (fewer if there are no more), and how many those are. */
int64_t dirty_tracker_span(const DirtyTracker *t, unsigned *samples);

/* The pages [first, first + pages) that samples after number `sample` found dirty, as bits (bit 0 of
 * out[0] = first). Returns how many. */
uint64_t dirty_map_since(const DirtyMap *map, uint32_t sample, uint64_t first,
                         uint64_t pages, uint64_t *out);

/* Run lengths of the first `count` bits, clear ones first: LEB128 numbers. Returns the bytes used, 0 if
 * they are more than `size`. */
size_t dirty_encode(const uint64_t *bits, uint64_t count, uint8_t *out, size_t size);

#endif
