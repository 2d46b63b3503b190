/* SPDX-License-Identifier: MIT */
/*
 * Biography: what is remembered of blocks that died, and what a new block has to do with them.
 *
 *   tb_die()  --> obituary --> ring of the last 4096 ---by key (phys, pc, flags)---.
 *   insert()  <-- "again, after block 17 that the store at pc 0x80000010 killed" <-'
 *
 * Written at each death, so it is a copy of some words and nothing else; nothing is written while
 * blocks run.
 *
 * Threads: tb_lock guards it.
 */
#ifndef VITRINE_TCG_BIOGRAPHY_H
#define VITRINE_TCG_BIOGRAPHY_H

#include <stdbool.h>
#include <stdint.h>

#include "tcg/tb.h"

enum {
    OBITUARY_BITS = 12,
    OBITUARY_COUNT = 1 << OBITUARY_BITS,
    TB_NO_HART = -1,
};

/* Who did it, as far as it is known. */
typedef struct TbCulprit {
    int hart;      /* index of the vCPU, TB_NO_HART: none */
    vaddr pc;      /* hart: of its instruction */
    ram_addr addr; /* STORE and DMA: the first byte written on the block's page */
    uint32_t len;
} TbCulprit;

typedef struct TbObituary {
    uint64_t born, parent;
    uint64_t died; /* how many translations there had been */
    uint64_t run_count;
    vaddr pc;
    ram_addr phys;
    uint32_t flags, code_size;
    uint16_t size, insns;
    uint8_t birth; /* TbBirth */
    uint8_t death; /* TbDeath */
    bool profiled;
    TbCulprit by;
    /* Of the chain of its hash bucket: the number of the one before + 1, or 0. */
    uint64_t before;
} TbObituary;

typedef struct TbBiography {
    TbObituary *
        ring; /* entry n is ring[n % OBITUARY_COUNT]; the last OBITUARY_COUNT are there */
    uint64_t count;   /* deaths so far */
    uint64_t *bucket; /* number of the newest one + 1, or 0 */
} TbBiography;

void tb_biography_init(TbBiography *b);
void tb_biography_destroy(TbBiography *b);
void tb_biography_died(TbBiography *b, const TranslationBlock *tb, uint64_t translated,
                       const TbCulprit *by);
/* The last one that died at this key, or NULL. Valid until the lock is let go. */
const TbObituary *tb_biography_find(const TbBiography *b, ram_addr phys, vaddr pc,
                                    uint32_t flags);
/* That of the block born as number `born`, or NULL. Cost: looks at all. */
const TbObituary *tb_biography_of(const TbBiography *b, uint64_t born);

/* "store", "first", ... for the inspector; and a sentence. */
const char *tb_death_name(TbDeath death);
const char *tb_death_text(TbDeath death);
const char *tb_birth_name(TbBirth birth);
const char *tb_birth_text(TbBirth birth);

#endif
