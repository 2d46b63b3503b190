/* SPDX-License-Identifier: MIT */
/* The ring of obituaries; see biography.h. */
#include "tcg/biography.h"

#include <assert.h>
#include <stdlib.h>

void tb_biography_init(TbBiography *b) {
    /* Fresh zero pages: what is not used does not become resident. */
    b->ring = calloc(OBITUARY_COUNT, sizeof(*b->ring));
    b->bucket = calloc(OBITUARY_COUNT, sizeof(*b->bucket));
    assert(b->ring && b->bucket);
    b->count = 0;
}

void tb_biography_destroy(TbBiography *b) {
    free(b->ring);
    free(b->bucket);
}

static unsigned bucket_of(ram_addr phys, vaddr pc, uint32_t flags) {
    uint64_t h =
        ((phys >> 1) ^ (pc >> 13) ^ (uint64_t)flags << 17) * 0x9e3779b97f4a7c15ull;
    return (unsigned)(h >> (64 - OBITUARY_BITS));
}

/* Entry number `plus_one` - 1 if it is still in the ring. */
static TbObituary *entry(const TbBiography *b, uint64_t plus_one) {
    if (plus_one == 0 || b->count - (plus_one - 1) > OBITUARY_COUNT) {
        return NULL;
    }
    return &b->ring[(plus_one - 1) % OBITUARY_COUNT];
}

void tb_biography_died(TbBiography *b, const TranslationBlock *tb, uint64_t translated,
                       const TbCulprit *by) {
    uint64_t *bucket = &b->bucket[bucket_of(tb->phys, tb->pc, tb->flags)];
    TbObituary *o = &b->ring[b->count % OBITUARY_COUNT];
    *o = (TbObituary){
        .born = tb->born,
        .parent = tb->parent,
        .died = translated,
        .run_count = tb->run_count,
        .pc = tb->pc,
        .phys = tb->phys,
        .flags = tb->flags,
        .code_size = tb->code_size,
        .size = tb->size,
        .insns = tb->insns,
        .birth = tb->birth,
        .death = tb->death,
        .profiled = tb->profiled,
        .by = *by,
        .before = *bucket,
    };
    *bucket = ++b->count;
}

const TbObituary *tb_biography_find(const TbBiography *b, ram_addr phys, vaddr pc,
                                    uint32_t flags) {
    const TbObituary *o = entry(b, b->bucket[bucket_of(phys, pc, flags)]);
    while (o && !(o->phys == phys && o->pc == pc && o->flags == flags)) {
        o = entry(b, o->before);
    }
    return o;
}

const TbObituary *tb_biography_of(const TbBiography *b, uint64_t born) {
    uint64_t first = b->count > OBITUARY_COUNT ? b->count - OBITUARY_COUNT : 0;
    for (uint64_t n = b->count; n > first; n--) {
        const TbObituary *o = &b->ring[(n - 1) % OBITUARY_COUNT];
        if (o->born == born) {
            return o;
        }
    }
    return NULL;
}

typedef struct Words {
    const char *name, *text;
} Words;

static const Words deaths[TB_DEATH_COUNT] = {
    [TB_ALIVE] = {"alive", "it lives"},
    [TB_DEATH_STORE] = {"store", "a guest store changed its bytes"},
    [TB_DEATH_DMA] = {"dma", "a device or the loader wrote its bytes"},
    [TB_DEATH_FLUSH] = {"flush", "everything was flushed"},
    [TB_DEATH_EVICT] = {"evict", "its region of the code buffer was wanted for new code"},
    [TB_DEATH_DEBUG] = {"debug", "a break point was set or removed"},
    [TB_DEATH_PROFILE] = {"profile", "counting of runs was switched on or off"},
};

static const Words births[TB_BIRTH_COUNT] = {
    [TB_BIRTH_FIRST] = {"first", "nothing is remembered of a block here"},
    [TB_BIRTH_AGAIN] = {"again", "the block before it, its parent, had died"},
    [TB_BIRTH_FLAGS] = {"flags",
                        "its parent is the same code for another state of the CPU"},
    [TB_BIRTH_ALIAS] = {"alias",
                        "its parent is the same memory at another virtual address"},
    [TB_BIRTH_ONCE] = {"once", "not from RAM, or changed while it was made: it ran once"},
};

const char *tb_death_name(TbDeath death) {
    return deaths[death].name;
}
const char *tb_death_text(TbDeath death) {
    return deaths[death].text;
}
const char *tb_birth_name(TbBirth birth) {
    return births[birth].name;
}
const char *tb_birth_text(TbBirth birth) {
    return births[birth].text;
}
