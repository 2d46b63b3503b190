/* SPDX-License-Identifier: MIT */
/*
 * TranslationBlock: a run of guest instructions and the host code made from it; and the cache of them.
 *
 *   (phys pc, pc, flags) --hash--> TB --jump[slot].to--> TB ...      chaining: jumps patched in place
 *                                  ^                     |
 *                                  '----incoming list----'           to unlink when the target dies
 *
 *   code buffer:  | region 0 | region 1 | ... | region 15 |  filled in turn; when all are full the
 *                  oldest region is evicted with all its blocks, not everything (generations)
 *
 * A block dies when its guest bytes are written (stores, DMA), when its region is evicted, or when
 * everything is flushed; the cause is recorded. A dead block's entry is patched so that stale jump
 * cache entries lead to the run loop; its memory is reused only by eviction.
 *
 * Threads: tb_lock guards everything but jump[] patching of code, which is one aligned store.
 */
#ifndef VITRINE_TCG_TB_H
#define VITRINE_TCG_TB_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "mem/ramblock.h"
#include "tcg/backend.h"
#include "tcg/ir.h"
#include "tcg/tcg.h"
#include "util/log.h"

typedef enum TbDeath {
    TB_ALIVE,
    TB_DEATH_STORE,   /* a guest store hit its bytes */
    TB_DEATH_DMA,     /* a device wrote its bytes */
    TB_DEATH_FLUSH,   /* everything was flushed */
    TB_DEATH_EVICT,   /* its region of the code buffer was reused */
    TB_DEATH_DEBUG,   /* a break point was set or removed */
    TB_DEATH_PROFILE, /* counting of runs was switched on or off */
    TB_DEATH_COUNT
} TbDeath;

/* Why a block was made. */
typedef enum TbBirth {
    TB_BIRTH_FIRST, /* nothing is remembered of its key */
    TB_BIRTH_AGAIN, /* the one before it at this key died: `parent` */
    TB_BIRTH_FLAGS, /* `parent` is made of the same bytes for other flags */
    TB_BIRTH_ALIAS, /* `parent` is made of the same bytes at another virtual address */
    TB_BIRTH_ONCE,  /* see one_shot */
    TB_BIRTH_COUNT
} TbBirth;

enum { TB_MAX_SLOTS = 2 };

/* One direct exit. */
typedef struct TbJump {
    TranslationBlock *to; /* chained to, or NULL */
    /* Next block whose jump to the same target is in its incoming list... */
    TranslationBlock *next;
    uint8_t next_slot;     /* ... and which of its slots */
    bool used;             /* the block has this exit */
    uint32_t patch_offset; /* back end: where in the code the jump is patched */
    uint32_t reset_offset; /* back end: where it leads while unchained */
} TbJump;

/* A sum of samples in which each is worth half as much after TB_HEAT_HALF more were taken: of a machine that goes on
 * changing, the last two seconds or so. */
typedef struct TbHeat {
    float sum;
    uint64_t at; /* number of the sample it was brought up to */
} TbHeat;
enum { TB_HEAT_HALF = 512 };

struct TranslationBlock {
    /* key */
    vaddr pc;
    ram_addr phys;  /* of its first byte */
    uint32_t flags; /* the CPU state the code was made for (jump_tag.flags) */
    /* what it is */
    uint16_t size;  /* guest bytes */
    uint16_t insns; /* guest instructions */
    ram_addr phys2; /* of its second page's first byte, or RAM_ADDR_INVALID */
    uint8_t death;  /* TbDeath */
    uint8_t region; /* of the code buffer */
    /* Not from RAM, or written while it was made: runs once, is never found. */
    bool one_shot;
    uint8_t birth;     /* TbBirth */
    bool profiled;     /* its code counts run_count and TcgCpu.accesses */
    uint16_t accesses; /* of its code to guest memory, from its beginning to its end */
    /* host code */
    const uint8_t *code;      /* the checked entry: tests exit_request first */
    const uint8_t *code_fast; /* the unchecked entry, for chains that go forward */
    uint32_t code_size;
    TbJump jump[TB_MAX_SLOTS];
    /* Blocks that chain to this one: list through their jump[]. */
    TranslationBlock *incoming;
    uint8_t incoming_slot;
    /* membership */
    TranslationBlock *hash_next;
    TranslationBlock *page_next[2]; /* blocks that touch the same page(s) */
    TranslationBlock *region_next;
    /* BackendState.profile: not atomic, so near enough with several vCPUs. */
    uint64_t run_count;
    uint64_t samples; /* how often a sampler found a vCPU in it, see cpu/sampler.h */
    TbHeat heat;      /* the same, of late */
    uint64_t born;    /* number of the translation: its name for the inspector */
    uint64_t parent;  /* born of the block that `birth` speaks of; 0: none */
};

#endif
