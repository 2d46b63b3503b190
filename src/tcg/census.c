/* SPDX-License-Identifier: MIT */
/* Looking at all blocks a few at a time; see census.h. */
#include "tcg/census.h"

#include "tcg/sample.h"

void tb_record_fill_locked(const TbCache *tc, const TranslationBlock *tb, TbRecord *out) {
    *out = (TbRecord){
        .born = tb->born,
        .parent = tb->parent,
        .run_count = tb->run_count,
        .samples = tb->samples,
        .pc = tb->pc,
        .phys = tb->phys,
        .phys2 = tb->phys2,
        .flags = tb->flags,
        .code_at = (uint32_t)(tb->code - tc->bs.code.rx_base),
        .code_size = tb->code_size,
        .size = tb->size,
        .insns = tb->insns,
        .birth = tb->birth,
        .death = tb->death,
        .region = tb->region,
        .one_shot = tb->one_shot,
        .profiled = tb->profiled,
    };
    if (tb->samples) {
        out->share =
            tb_heat(&tb->heat, tc->sample_count) / tb_heat(&tc->heat, tc->sample_count);
    }
    for (unsigned slot = 0; slot < TB_MAX_SLOTS; slot++) {
        out->slots_used |= (uint8_t)(tb->jump[slot].used << slot);
        if (tb->jump[slot].to) {
            out->slots_chained |= (uint8_t)(1u << slot);
            out->to[slot] = tb->jump[slot].to->born;
        }
    }
}

/* Where the walk goes on; NULL: at the end. A region that was emptied meanwhile is left. */
static const TranslationBlock *walk_position(const TbCache *tc, TbWalk *walk) {
    while (walk->region < TB_REGIONS) {
        const CodeRegion *r = &tc->region[walk->region];
        const TranslationBlock *tb = NULL;
        if (!walk->begun) {
            tb = r->first;
            walk->begun = true;
            walk->generation = r->generation;
        } else if (walk->generation == r->generation) {
            tb = walk->next;
        }
        if (tb) {
            return tb;
        }
        walk->region++;
        walk->begun = false;
    }
    return NULL;
}

unsigned tb_walk_next(TbCache *tc, TbWalk *walk, TbRecord *out, unsigned max) {
    unsigned count = 0;
    const TranslationBlock *tb;
    pthread_mutex_lock(&tc->lock);
    while (count < max && (tb = walk_position(tc, walk)) != NULL) {
        tb_record_fill_locked(tc, tb, &out[count++]);
        walk->next = tb->region_next;
    }
    pthread_mutex_unlock(&tc->lock);
    return count;
}

/* A region's blocks are born one after another, newest first: so only one list is searched. */
TranslationBlock *tb_find_born_locked(TbCache *tc, uint64_t born) {
    TranslationBlock *best = NULL;
    for (unsigned i = 0; i < TB_REGIONS; i++) {
        TranslationBlock *first = tc->region[i].first;
        if (first && first->born >= born && (!best || first->born < best->born)) {
            best = first;
        }
    }
    while (best && best->born > born) {
        best = best->region_next;
    }
    return best && best->born == born ? best : NULL;
}

bool tb_record_get(TbCache *tc, uint64_t born, TbRecord *out, uint64_t *incoming,
                   unsigned *incoming_count) {
    pthread_mutex_lock(&tc->lock);
    const TranslationBlock *tb = tb_find_born_locked(tc, born);
    if (tb) {
        tb_record_fill_locked(tc, tb, out);
    }
    if (tb && incoming) {
        unsigned n = 0;
        const TranslationBlock *from = tb->incoming;
        for (unsigned slot = tb->incoming_slot; from; n++) {
            if (n < *incoming_count) {
                incoming[n] = from->born;
            }
            const TbJump *jump = &from->jump[slot];
            from = jump->next;
            slot = jump->next_slot;
        }
        *incoming_count = n;
    }
    pthread_mutex_unlock(&tc->lock);
    return tb != NULL;
}

bool tb_obituary(TbCache *tc, uint64_t born, TbObituary *out) {
    pthread_mutex_lock(&tc->lock);
    const TbObituary *o = tb_biography_of(&tc->biography, born);
    if (o) {
        *out = *o;
    }
    pthread_mutex_unlock(&tc->lock);
    return o != NULL;
}

unsigned tb_obituaries(TbCache *tc, uint64_t skip, TbObituary *out, unsigned max) {
    unsigned n = 0;
    pthread_mutex_lock(&tc->lock);
    const TbBiography *b = &tc->biography;
    uint64_t kept = b->count < OBITUARY_COUNT ? b->count : OBITUARY_COUNT;
    for (; n < max && skip + n < kept; n++) {
        out[n] = b->ring[(b->count - 1 - skip - n) % OBITUARY_COUNT];
    }
    pthread_mutex_unlock(&tc->lock);
    return n;
}

void tb_regions_get(TbCache *tc, TbRegionRecord out[TB_REGIONS]) {
    pthread_mutex_lock(&tc->lock);
    for (unsigned i = 0; i < TB_REGIONS; i++) {
        const CodeRegion *r = &tc->region[i];
        out[i] = (TbRegionRecord){
            .start = (uint32_t)(r->start - tc->bs.code.rx_base),
            .used = (uint32_t)(r->next - r->start),
            .size = (uint32_t)(r->end - r->start),
            .blocks = r->tb_count,
            .alive = r->alive,
            .generation = r->generation,
            .current = i == tc->current,
        };
    }
    pthread_mutex_unlock(&tc->lock);
}
