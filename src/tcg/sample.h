/* SPDX-License-Identifier: MIT */
/*
 * Sample: places in generated code that vCPUs were found at, and the blocks that they belong to.
 *
 *   Backend.place() in a signal handler --> TbSample ... TbSample --tb_samples_credit()--> tb->samples
 *
 * A place is worth something only until its region of the code buffer is emptied. So a sample says how many
 * blocks there were: one that was born later cannot be it.
 *
 * Threads: any. Locks: tb_lock, for one region's blocks at a time.
 */
#ifndef VITRINE_TCG_SAMPLE_H
#define VITRINE_TCG_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "tcg/cache.h"

typedef struct TbSample {
    const uint8_t *place; /* rx, or NULL: in no block */
    uint64_t born_most;   /* TbStats.translated then */
    bool helper;
} TbSample;

/* How many samples were where. */
typedef struct TbSampleCounts {
    uint64_t code;   /* in a block's code */
    uint64_t helper; /* in C that a block called: slow paths, devices, floating point */
    uint64_t other;  /* in no block: look-ups, translation, interrupts */
    uint64_t gone;   /* in a block that was evicted before its samples were counted */
} TbSampleCounts;

/* The sum after sample number `now`. */
float tb_heat(const TbHeat *heat, uint64_t now);

/* Adds each sample to its block, and to `counts`. Sorts the array. */
void tb_samples_credit(TbCache *tc, TbSample *sample, unsigned count,
                       TbSampleCounts *counts);

#endif
