/* SPDX-License-Identifier: MIT */
/*
 * TbCache: finds, keeps, chains, invalidates and evicts translation blocks.
 *
 *   hash of (phys, pc, flags) ----> TranslationBlock       page table: RAM page -> its blocks,
 *                                                           and per 64 bytes how many blocks cover it
 *
 * Locks: `lock` (tb_lock) guards all of it. Who evicts by tb_cache_next_region_locked() also has
 * every other vCPU outside generated code.
 */
#ifndef VITRINE_TCG_CACHE_H
#define VITRINE_TCG_CACHE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tcg/backend.h"
#include "tcg/biography.h"
#include "tcg/tb.h"
#include "tcg/tcg.h"
#include "util/error.h"
#include "util/trace.h"

enum {
    TB_REGIONS = 16,
    TB_HASH_BITS = 15,
    TB_GRANULE_BITS = 6, /* code coverage is counted per 64 bytes */
    TB_GRANULES = PAGE_SIZE >> TB_GRANULE_BITS,
};

/* What is known of a RAM page that holds, or held, code. */
typedef struct CodePage {
    /* Blocks by the granule where their part of this page begins; low bit of the pointers: which of
     * the block's two pages this is. */
    TranslationBlock *first[TB_GRANULES];
    /* +1 at each write to the page: a translation made meanwhile is stale. */
    uint32_t sequence;
    uint32_t count;                /* live blocks on the page */
    uint16_t covered[TB_GRANULES]; /* live blocks that cover the granule */
    uint8_t reach; /* a block that covers granule g begins at g - reach or later */
} CodePage;

typedef struct CodeRegion {
    const uint8_t *start, *end, *next; /* rx addresses */
    TranslationBlock *first;           /* its blocks, newest first */
    unsigned tb_count, alive;
    uint32_t generation; /* +1 each time it is emptied */
} CodeRegion;

typedef struct TbStats {
    uint64_t translated, guest_bytes, host_bytes, guest_insns;
    uint64_t chained, evictions, invalidated[TB_DEATH_COUNT];
    uint64_t lookups, lookup_hits; /* in the hash, after the jump cache had missed */
} TbStats;

typedef struct TbCache {
    pthread_mutex_t lock;
    const Backend *backend;
    BackendState bs;
    TranslationBlock *hash[1 << TB_HASH_BITS];
    CodePage ***pages; /* two levels: [page >> 12][page & 4095] */
    CodeRegion region[TB_REGIONS];
    unsigned making;          /* atomic: translations between their first fetch and their
                                 entry here */
    unsigned current;         /* region being filled */
    TranslationBlock *spare;  /* free TB structs */
    TranslationBlock *chunks; /* all allocations, for free() */
    TbStats stats;
    uint64_t sample_count; /* of all samples, in blocks or not */
    TbHeat heat;           /* of all of them */
    Trace *trace;          /* told of deaths; or NULL */
    TbBiography biography;
    TbCulprit culprit; /* of the deaths that follow; set by tb_cache_blame_locked() */
} TbCache;

/* `globals`: a context with the ISA's globals declared. icount: see BackendState. Errors: no memory for the code buffer. */
TbCache *tb_cache_new(const Backend *backend, uint64_t code_size, int32_t pc_offset,
                      const IrContext *globals, bool icount, Error **errp);
void tb_cache_free(TbCache *tc);

/* The live block for the key, or NULL. Locks: lock held. */
TranslationBlock *tb_cache_find_locked(TbCache *tc, ram_addr phys, vaddr pc,
                                       uint32_t flags);

/* The write sequence of a page, see CodePage. Locks: takes lock. */
uint32_t tb_cache_page_sequence(TbCache *tc, ram_addr page);

uint32_t tb_cache_page_sequence_locked(TbCache *tc, ram_addr page);

/* A blank block struct. Locks: lock held. */
TranslationBlock *tb_cache_alloc_locked(TbCache *tc);
void tb_cache_discard_locked(TbCache *tc, TranslationBlock *tb);

/* Generates host code for tb from ctx in the current region. False: the region is full (call
 * tb_cache_next_region). */
bool tb_cache_generate_locked(TbCache *tc, IrContext *ctx, TranslationBlock *tb);
/* Enters a generated block under its key and pages. */
void tb_cache_insert_locked(TbCache *tc, TranslationBlock *tb);

/* Moves to the next region, evicting what is there. True if it evicted blocks: every vCPU's jump
 * cache must be flushed. Locks: lock held and no vCPU in generated code. */
bool tb_cache_next_region_locked(TbCache *tc);
/* True if the next region is empty, so that moving there needs no exclusion. */
bool tb_cache_next_is_empty_locked(const TbCache *tc);

/* True if at least half of the current region is free. */
bool tb_cache_half_is_free_locked(const TbCache *tc);

/* Chains exit `slot` of `from` to `to`, if both are alive and the chain stays right while they are:
 * not to a block on two pages, the second of which may be mapped elsewhere by then. */
void tb_cache_chain_locked(TbCache *tc, TranslationBlock *from, unsigned slot,
                           TranslationBlock *to);

/* Says whose doing the deaths are that follow, until it is called with TB_NO_HART. */
static inline void tb_cache_blame_locked(TbCache *tc, int hart, vaddr pc) {
    tc->culprit = (TbCulprit){.hart = hart, .pc = pc};
}

/* True if bytes of a page with code may be written without the lock: no block lies in their granules, and
 * none is being made. Ask again behind the write and a full barrier. A block made in between is then
 * seen here; one begun later reads the new bytes. */
bool tb_cache_is_beside(const TbCache *tc, ram_addr start, unsigned len);
/* Kills every block that overlaps [start, start + len). Returns true if the page(s) hold no code any
 * more. `running`: set *hit_running if that block died. */
bool tb_cache_invalidate_locked(TbCache *tc, ram_addr start, uint64_t len, TbDeath cause,
                                const TranslationBlock *running, bool *hit_running);
/* The same with the lock taken, for DMA and loaders. */
void tb_cache_invalidate_range(TbCache *tc, ram_addr start, uint64_t len, TbDeath cause);
/* Kills everything. Locks: takes lock. */
void tb_cache_flush(TbCache *tc, TbDeath cause);
/* Kills the blocks that hold the instruction at a virtual address, in whatever address space. Locks:
 * takes lock. Cost: a look at every block. */
void tb_cache_kill_pc(TbCache *tc, vaddr pc, TbDeath cause);
/* Counts runs of all blocks from now on (or no more): kills those made the other way, a region at a
 * time. */
void tb_cache_set_profile(TbCache *tc, bool on);
/* The hottest blocks, alive or dead, of those that were not evicted, and what became of the rest; for
 * -d profile. Locks: takes lock. */
void tb_cache_print_profile(TbCache *tc, FILE *out);

#endif
