/* SPDX-License-Identifier: MIT */
/*
 * Profile: which blocks ran most, and how blocks ended; the text of -d profile.
 *
 *         runs      guest pc  flags  insns  guest  host  state
 *     87654321      80000366  7c00f     18     56   240  alive
 */
#include <inttypes.h>
#include <string.h>

#include "tcg/cache.h"

enum { PROFILE_LINES = 20 };

static const char *const death_names[] = {
    [TB_ALIVE] = "alive",
    [TB_DEATH_STORE] = "killed by a store",
    [TB_DEATH_DMA] = "killed by DMA",
    [TB_DEATH_FLUSH] = "flushed",
    [TB_DEATH_EVICT] = "evicted",
    [TB_DEATH_DEBUG] = "killed by a break point",
    [TB_DEATH_PROFILE] = "killed to be counted",
};

/* Keeps top[] sorted, hottest first. */
static void insert_sorted(const TranslationBlock *top[PROFILE_LINES], unsigned *count,
                          const TranslationBlock *tb) {
    unsigned at = *count;
    while (at > 0 && top[at - 1]->run_count < tb->run_count) {
        at--;
    }
    if (at == PROFILE_LINES) {
        return;
    }
    unsigned moved = (*count < PROFILE_LINES ? *count : PROFILE_LINES - 1) - at;
    memmove(&top[at + 1], &top[at], moved * sizeof(top[0]));
    top[at] = tb;
    *count += *count < PROFILE_LINES;
}

void tb_cache_print_profile(TbCache *tc, FILE *out) {
    const TranslationBlock *top[PROFILE_LINES];
    unsigned count = 0;
    pthread_mutex_lock(&tc->lock);
    for (unsigned i = 0; i < TB_REGIONS; i++) {
        for (const TranslationBlock *tb = tc->region[i].first; tb; tb = tb->region_next) {
            insert_sorted(top, &count, tb);
        }
    }
    fprintf(out, "%12s  %16s  %5s  %5s  %5s  %5s  %s\n", "runs", "guest pc", "flags",
            "insns", "guest", "host", "state");
    for (unsigned i = 0; i < count; i++) {
        const TranslationBlock *tb = top[i];
        fprintf(out, "%12" PRIu64 "  %16" PRIx64 "  %5x  %5u  %5u  %5u  %s\n",
                tb->run_count, tb->pc, tb->flags, tb->insns, tb->size, tb->code_size,
                death_names[tb->death]);
    }
    const TbStats *s = &tc->stats;
    fprintf(out,
            "blocks: %" PRIu64 " made from %" PRIu64 " instructions (%" PRIu64
            " bytes), %" PRIu64 " bytes of host code; %" PRIu64 " exits chained; %" PRIu64
            " regions evicted\n",
            s->translated, s->guest_insns, s->guest_bytes, s->host_bytes, s->chained,
            s->evictions);
    for (unsigned d = TB_DEATH_STORE; d < TB_DEATH_COUNT; d++) {
        if (s->invalidated[d]) {
            fprintf(out, "blocks %s: %" PRIu64 "\n", death_names[d], s->invalidated[d]);
        }
    }
    pthread_mutex_unlock(&tc->lock);
}
