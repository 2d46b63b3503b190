/* SPDX-License-Identifier: MIT */
/* Samples of written pages, see dirty_map.h. */
#include "inspect/dirty_map.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64, LEB_BITS = 7, LEB_MORE = 0x80 };

static void map_free(DirtyMap *map) {
    free(map->last);
    free(map->history);
    free(map->bits);
    *map = (DirtyMap){0};
}

static bool map_init(DirtyMap *map, RAMBlock *rb, Error **errp) {
    map->rb = rb;
    map->pages = rb->size >> PAGE_BITS;
    if (map->pages > DIRTY_MAX_PAGES) {
        error_set(errp, "the memory '%s' has more than %d pages, the limit", rb->name,
                  DIRTY_MAX_PAGES);
        return false;
    }
    map->last = calloc(map->pages, sizeof(*map->last));
    map->history = calloc(map->pages, sizeof(*map->history));
    map->bits = calloc((map->pages + WORD_BITS - 1) / WORD_BITS, sizeof(*map->bits));
    if (!map->last || !map->history || !map->bits) {
        error_set(errp, "no memory to follow the pages of '%s'", rb->name);
        return false;
    }
    return true;
}

/* Reads and clears the block's bits; from then on the guest's stores are noted anew. */
static void map_collect(DirtyTracker *t, DirtyMap *map) {
    RAMBlock *rb = map->rb;
    if (ramblock_sync_dirty(rb, 0, map->pages, DIRTY_MIGRATION, map->bits) == 0) {
        return; /* nothing was cleared */
    }
    for (unsigned i = 0; i < t->group->count; i++) {
        tlb_reset_dirty(&t->group->cpu[i]->tcg.tlb, rb->host, rb->size);
    }
}

static void tracker_stop(DirtyTracker *t) {
    for (unsigned i = 0; i < t->count; i++) {
        ramblock_set_tracking(t->map[i].rb, DIRTY_MIGRATION, false);
        map_free(&t->map[i]);
    }
    t->count = 0;
    t->sample = 0;
}

static bool tracker_start(DirtyTracker *t, RamList *rams, CpuGroup *group, int64_t now_ns,
                          Error **errp) {
    t->group = group;
    for (RAMBlock *rb = rams->first; rb && t->count < DIRTY_MAX_BLOCKS; rb = rb->next) {
        if (!map_init(&t->map[t->count++], rb, errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < t->count; i++) {
        ramblock_set_tracking(t->map[i].rb, DIRTY_MIGRATION, true);
        map_collect(t, &t->map[i]); /* all dirty, by definition: says nothing */
        memset(t->map[i].bits, 0, (t->map[i].pages + WORD_BITS - 1) / WORD_BITS * 8);
    }
    t->time_ns[0] = now_ns;
    return true;
}

bool dirty_tracker_ref(DirtyTracker *t, RamList *rams, CpuGroup *group, int64_t now_ns,
                       Error **errp) {
    if (t->users == 0 && !tracker_start(t, rams, group, now_ns, errp)) {
        tracker_stop(t);
        return false;
    }
    t->users++;
    return true;
}

void dirty_tracker_unref(DirtyTracker *t) {
    if (--t->users == 0) {
        tracker_stop(t);
    }
}

static void map_note(DirtyMap *map, uint32_t sample) {
    map->newest = sample;
    for (uint64_t p = 0; p < map->pages; p++) {
        map->history[p] <<= 1;
    }
    for (uint64_t w = 0; w < (map->pages + WORD_BITS - 1) / WORD_BITS; w++) {
        for (uint64_t bits = map->bits[w]; bits; bits &= bits - 1) {
            uint64_t page = w * WORD_BITS + (unsigned)__builtin_ctzll(bits);
            map->last[page] = sample;
            map->history[page] |= 1;
        }
    }
}

static unsigned time_slot(uint32_t sample) {
    return sample % (DIRTY_HISTORY_SAMPLES + 1);
}

void dirty_tracker_sample(DirtyTracker *t, int64_t now_ns) {
    if (t->users == 0 ||
        now_ns - t->time_ns[time_slot(t->sample)] < DIRTY_MIN_INTERVAL_NS) {
        return;
    }
    t->sample++;
    t->time_ns[time_slot(t->sample)] = now_ns;
    for (unsigned i = 0; i < t->count; i++) {
        map_collect(t, &t->map[i]);
        map_note(&t->map[i], t->sample);
    }
}

int64_t dirty_tracker_span(const DirtyTracker *t, unsigned *samples) {
    if (*samples > t->sample) {
        *samples = t->sample;
    }
    return t->time_ns[time_slot(t->sample)] - t->time_ns[time_slot(t->sample - *samples)];
}

/* Who looks at each sample needs its bits only, not a comparison for each page. */
static uint64_t copy_newest(const DirtyMap *map, uint64_t first, uint64_t pages,
                            uint64_t *out) {
    uint64_t words = (pages + WORD_BITS - 1) / WORD_BITS, count = 0;
    memcpy(out, map->bits + first / WORD_BITS, words * sizeof(*out));
    if (pages % WORD_BITS) {
        out[words - 1] &= UINT64_MAX >> (WORD_BITS - pages % WORD_BITS);
    }
    for (uint64_t w = 0; w < words; w++) {
        count += (unsigned)__builtin_popcountll(out[w]);
    }
    return count;
}

uint64_t dirty_map_since(const DirtyMap *map, uint32_t sample, uint64_t first,
                         uint64_t pages, uint64_t *out) {
    if (sample + 1 == map->newest && first % WORD_BITS == 0) {
        return copy_newest(map, first, pages, out);
    }
    uint64_t count = 0;
    memset(out, 0, (pages + WORD_BITS - 1) / WORD_BITS * sizeof(*out));
    for (uint64_t i = 0; i < pages; i++) {
        if (map->last[first + i] > sample) {
            out[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
            count++;
        }
    }
    return count;
}

/* How many bits from `at` on are equal to the first of them. */
static uint64_t run_length(const uint64_t *bits, uint64_t at, uint64_t count) {
    bool value = bits[at / WORD_BITS] >> at % WORD_BITS & 1;
    uint64_t begin = at;
    while (at < count) {
        uint64_t word = bits[at / WORD_BITS] ^ (value ? UINT64_MAX : 0);
        word >>= at % WORD_BITS; /* bits that differ */
        uint64_t left = WORD_BITS - at % WORD_BITS;
        if (word) {
            at += (unsigned)__builtin_ctzll(word);
            break;
        }
        at += left;
    }
    return (at < count ? at : count) - begin;
}

static size_t put_leb(uint8_t *out, size_t size, uint64_t value) {
    size_t n = 0;
    do {
        if (n == size) {
            return 0;
        }
        uint8_t byte = value & (LEB_MORE - 1);
        value >>= LEB_BITS;
        out[n++] = byte | (value ? LEB_MORE : 0);
    } while (value);
    return n;
}

size_t dirty_encode(const uint64_t *bits, uint64_t count, uint8_t *out, size_t size) {
    size_t used = 0;
    uint64_t at = 0;
    bool value = false;
    while (at < count) {
        bool is = bits[at / WORD_BITS] >> at % WORD_BITS & 1;
        uint64_t run = is == value ? run_length(bits, at, count) : 0;
        size_t n = put_leb(out + used, size - used, run);
        if (n == 0) {
            return 0;
        }
        used += n;
        at += run;
        value = !value;
    }
    return used;
}
