/* SPDX-License-Identifier: MIT */
/*
 * Census: which blocks there are, for those who look at them while guests run.
 *
 *   tb_lock: | 256 blocks | ...     | 256 blocks | ...     copied out step by step, sorted and
 *            '--> TbRecord[]        '--> TbRecord[]        printed outside
 *
 * A block is named by the number of its translation (`born`), which is never used again; a pointer to
 * it is worth nothing once the lock is let go.
 *
 * Threads: any. Locks: each function takes tb_lock, for less than 100 us.
 */
#ifndef VITRINE_TCG_CENSUS_H
#define VITRINE_TCG_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "tcg/cache.h"

/* One block as it was when it was looked at. */
typedef struct TbRecord {
    uint64_t born, parent, run_count, samples;
    vaddr pc;
    ram_addr phys, phys2;
    uint32_t flags;
    uint32_t code_at; /* of its code in the code buffer */
    uint32_t code_size;
    uint16_t size, insns;
    uint8_t birth, death, region;
    bool one_shot, profiled;
    float share;                       /* of the samples of late, 0 to 1 */
    uint8_t slots_used, slots_chained; /* bit i: exit i */
    uint64_t to[TB_MAX_SLOTS];         /* born of what exit i is chained to, or 0 */
} TbRecord;

enum { TB_WALK_STEP = 256 };

/* Where a walk over all blocks, region by region, newest first, stands. Zeroed: at the start. */
typedef struct TbWalk {
    unsigned region;
    bool begun;
    uint32_t generation; /* of the region: another one means that `next` is gone */
    const TranslationBlock *next;
} TbWalk;

/* Copies the next blocks, at most `max` <= TB_WALK_STEP of them; dead ones, too. Returns how many; 0: that
 * was all. Blocks that are born meanwhile may be missed; none is seen twice. */
unsigned tb_walk_next(TbCache *tc, TbWalk *walk, TbRecord *out, unsigned max);

/* The block of that name. False: it is not there any more, see tb_obituary(). *incoming (may be NULL): as
 * many as `*incoming_count` says, and back how many there are in all. */
bool tb_record_get(TbCache *tc, uint64_t born, TbRecord *out, uint64_t *incoming,
                   unsigned *incoming_count);
/* The same with the block itself. Valid until the lock is let go. Locks: lock held. */
TranslationBlock *tb_find_born_locked(TbCache *tc, uint64_t born);
void tb_record_fill_locked(const TbCache *tc, const TranslationBlock *tb, TbRecord *out);

/* What is remembered of a dead block. */
bool tb_obituary(TbCache *tc, uint64_t born, TbObituary *out);
/* Copies obituaries, newest first, beginning with the `skip`th; returns how many. */
unsigned tb_obituaries(TbCache *tc, uint64_t skip, TbObituary *out, unsigned max);

typedef struct TbRegionRecord {
    uint32_t start, used, size; /* in the code buffer */
    unsigned blocks, alive;
    uint32_t generation; /* how many times it was emptied */
    bool current;
} TbRegionRecord;
void tb_regions_get(TbCache *tc, TbRegionRecord out[TB_REGIONS]);

#endif
