/* SPDX-License-Identifier: MIT */
/* What the files of the domain "tb" share. */
#ifndef VITRINE_INSPECT_TB_INT_H
#define VITRINE_INSPECT_TB_INT_H

#include "cpu/explain.h"
#include "inspect/inspect_call.h"
#include "tcg/census.h"

static inline TbCache *tb_cache_of(const InspectCall *call) {
    return call->m->cpus->cache;
}

/* The block of the parameters "id" or "pc" (the newest live one that holds the address; one that begins
 * there is preferred). False: the call has failed. */
bool tb_resolve(InspectCall *call, uint64_t *born);

/* tb_walk_next() of TB_WALK_STEP blocks, noted for machine.pauses. */
unsigned tb_walk_step(InspectCall *call, TbWalk *walk, TbRecord step[TB_WALK_STEP]);

/* Hits of the TLBs are counted from now on: mmu_tlb.c. */
void tlb_begin_counting(InspectCall *call);

/* Name, key, sizes, birth, exits. */
json_t *tb_record_json(const TbRecord *r);

/* A list of at most `limit` records with the largest keys, from any number of them. */
typedef struct TbTop {
    struct TbRanked {
        uint64_t key;
        TbRecord r;
    } * item;
    unsigned count, limit;
    uint64_t total; /* how many were offered */
} TbTop;
void tb_top_init(TbTop *top, unsigned limit);
void tb_top_offer(TbTop *top, uint64_t key, const TbRecord *r);
void tb_top_finish(TbTop *top); /* sorts: largest key first, then newest */
void tb_top_free(TbTop *top);

#endif
