/* SPDX-License-Identifier: MIT */
/* TbCache: the hash, the code pages, chaining and eviction; see cache.h and tb.h for the pictures. */
#include "tcg/cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_L2_BITS = 12,
    PAGE_L2_SIZE = 1 << PAGE_L2_BITS,
    PAGE_L1_SIZE = 1 << 16, /* 2^(16 + 12 + 12) = 1 TiB of RAM */
    TB_CHUNK = 128,         /* block structs per allocation */
    REGION_RESERVE = 64,    /* bytes kept free at the end of a region */
};
/* The kernel, busybox and what they need while booting fit without evicting what is hot; a larger
 * buffer boots no faster. -accel tcg,tb-size= is for guests that run more. */
#define DEFAULT_CODE_SIZE (8ull << 20)
#define MINIMUM_CODE_SIZE (256ull << 10)

/* --- code pages -------------------------------------------------------------------------------- */

static CodePage *page_find(const TbCache *tc, ram_addr addr) {
    uint64_t page = addr >> PAGE_BITS;
    CodePage **l2 = __atomic_load_n(
        &tc->pages[(page >> PAGE_L2_BITS) & (PAGE_L1_SIZE - 1)], __ATOMIC_ACQUIRE);
    return l2 ? __atomic_load_n(&l2[page & (PAGE_L2_SIZE - 1)], __ATOMIC_ACQUIRE) : NULL;
}

/* Zeroed memory at *slot, for page_find() to see whole. */
static void *fill_slot(void **slot, size_t count, size_t size) {
    if (!*slot) {
        void *fresh = calloc(count, size);
        assert(fresh);
        __atomic_store_n(slot, fresh, __ATOMIC_RELEASE);
    }
    return *slot;
}

static CodePage *page_get(TbCache *tc, ram_addr addr) {
    uint64_t page = addr >> PAGE_BITS;
    void **l1 = (void **)&tc->pages[(page >> PAGE_L2_BITS) & (PAGE_L1_SIZE - 1)];
    CodePage **l2 = fill_slot(l1, PAGE_L2_SIZE, sizeof(*l2));
    return fill_slot((void **)&l2[page & (PAGE_L2_SIZE - 1)], 1, sizeof(CodePage));
}

/* Adds `n` to what tb_cache_is_beside() reads without the lock. */
static void count_add(uint32_t *count, int n) {
    __atomic_store_n(count, *count + (uint32_t)n, __ATOMIC_RELEASE);
}
static void covered_add(uint16_t *covered, int n) {
    __atomic_store_n(covered, (uint16_t)(*covered + n), __ATOMIC_RELEASE);
}

uint32_t tb_cache_page_sequence_locked(TbCache *tc, ram_addr page) {
    return page_get(tc, page)->sequence;
}

uint32_t tb_cache_page_sequence(TbCache *tc, ram_addr page) {
    pthread_mutex_lock(&tc->lock);
    uint32_t sequence = tb_cache_page_sequence_locked(tc, page);
    pthread_mutex_unlock(&tc->lock);
    return sequence;
}

/* The part of tb in its page n (0 or 1), as offsets in that page. */
static void tb_extent(const TranslationBlock *tb, unsigned n, unsigned *first,
                      unsigned *last) {
    unsigned start = (unsigned)(tb->phys & PAGE_OFFSET_MASK);
    unsigned end = start + (tb->size ? tb->size : 1) - 1;
    if (n == 0) {
        *first = start;
        *last = end < PAGE_SIZE ? end : PAGE_SIZE - 1;
    } else {
        *first = 0;
        *last = end - PAGE_SIZE;
    }
}

static ram_addr tb_page(const TranslationBlock *tb, unsigned n) {
    return n == 0 ? tb->phys & PAGE_MASK : tb->phys2;
}

static unsigned tb_page_count(const TranslationBlock *tb) {
    return tb->phys2 == RAM_ADDR_INVALID ? 1 : 2;
}

static TranslationBlock *tag_pointer(TranslationBlock *tb, unsigned n) {
    return (TranslationBlock *)((uintptr_t)tb | n);
}
static TranslationBlock *untag_pointer(TranslationBlock *tagged, unsigned *n) {
    *n = (unsigned)((uintptr_t)tagged & 1);
    return (TranslationBlock *)((uintptr_t)tagged & ~(uintptr_t)1);
}

static void page_link(TbCache *tc, TranslationBlock *tb, unsigned n) {
    CodePage *page = page_get(tc, tb_page(tb, n));
    unsigned first, last;
    tb_extent(tb, n, &first, &last);
    first >>= TB_GRANULE_BITS;
    last >>= TB_GRANULE_BITS;
    for (unsigned g = first; g <= last; g++) {
        covered_add(&page->covered[g], 1);
    }
    if (last - first > page->reach) {
        page->reach = (uint8_t)(last - first);
    }
    count_add(&page->count, 1);
    tb->page_next[n] = page->first[first];
    page->first[first] = tag_pointer(tb, n);
}

static void page_unlink(TbCache *tc, TranslationBlock *tb, unsigned n) {
    CodePage *page = page_find(tc, tb_page(tb, n));
    unsigned first, last;
    tb_extent(tb, n, &first, &last);
    first >>= TB_GRANULE_BITS;
    last >>= TB_GRANULE_BITS;
    for (unsigned g = first; g <= last; g++) {
        covered_add(&page->covered[g], -1);
    }
    count_add(&page->count, -1);
    if (page->count == 0) {
        page->reach = 0;
    }
    TranslationBlock **link = &page->first[first];
    for (;;) {
        unsigned i;
        TranslationBlock *other = untag_pointer(*link, &i);
        if (other == tb && i == n) {
            *link = tb->page_next[n];
            return;
        }
        link = &other->page_next[i];
    }
}

/* --- hash -------------------------------------------------------------------------------------- */

static unsigned hash_index(ram_addr phys, vaddr pc, uint32_t flags) {
    uint64_t h = (phys >> 1) ^ (pc >> 13) * 0x9e3779b97f4a7c15ull ^ (uint64_t)flags << 7;
    return (unsigned)((h ^ h >> TB_HASH_BITS) & ((1u << TB_HASH_BITS) - 1));
}

TranslationBlock *tb_cache_find_locked(TbCache *tc, ram_addr phys, vaddr pc,
                                       uint32_t flags) {
    TranslationBlock *tb = tc->hash[hash_index(phys, pc, flags)];
    while (tb && !(tb->phys == phys && tb->pc == pc && tb->flags == flags)) {
        tb = tb->hash_next;
    }
    return tb;
}

static void hash_unlink(TbCache *tc, TranslationBlock *tb) {
    TranslationBlock **link = &tc->hash[hash_index(tb->phys, tb->pc, tb->flags)];
    while (*link != tb) {
        link = &(*link)->hash_next;
    }
    *link = tb->hash_next;
}

/* --- chaining ---------------------------------------------------------------------------------- */

void tb_cache_chain_locked(TbCache *tc, TranslationBlock *from, unsigned slot,
                           TranslationBlock *to) {
    TbJump *jump = &from->jump[slot];
    if (from->death || to->death || to->one_shot || jump->to || !jump->used ||
        to->phys2 != RAM_ADDR_INVALID) {
        return;
    }
    if (!((from->pc ^ to->pc) & PAGE_MASK) && (from->phys ^ to->phys) & PAGE_MASK) {
        return; /* the page was remapped between the two: another address space may see it whole */
    }
    jump->to = to;
    jump->next = to->incoming;
    jump->next_slot = to->incoming_slot;
    to->incoming = from;
    to->incoming_slot = (uint8_t)slot;
    tc->backend->link(&tc->bs, from, slot, to);
    tc->stats.chained++;
}

/* Takes exit `slot` of `from` out of its target's incoming list. */
static void incoming_remove(TranslationBlock *from, unsigned slot) {
    TranslationBlock *to = from->jump[slot].to;
    TranslationBlock **tb = &to->incoming;
    uint8_t *tb_slot = &to->incoming_slot;
    while (!(*tb == from && *tb_slot == slot)) {
        TbJump *jump = &(*tb)->jump[*tb_slot];
        tb = &jump->next;
        tb_slot = &jump->next_slot;
    }
    *tb = from->jump[slot].next;
    *tb_slot = from->jump[slot].next_slot;
    from->jump[slot].to = NULL;
}

static void unchain(TbCache *tc, TranslationBlock *tb) {
    for (unsigned slot = 0; slot < TB_MAX_SLOTS; slot++) {
        if (tb->jump[slot].to) {
            incoming_remove(tb, slot);
        }
    }
    while (tb->incoming) {
        TranslationBlock *from = tb->incoming;
        unsigned slot = tb->incoming_slot;
        tc->backend->unlink(&tc->bs, from, slot);
        incoming_remove(from, slot);
    }
}

/* --- death ------------------------------------------------------------------------------------- */

static void tb_die(TbCache *tc, TranslationBlock *tb, TbDeath cause) {
    hash_unlink(tc, tb);
    for (unsigned n = 0; n < tb_page_count(tb); n++) {
        page_unlink(tc, tb, n);
    }
    unchain(tc, tb);
    __atomic_store_n(&tb->death, (uint8_t)cause,
                     __ATOMIC_RELAXED); /* jump caches look at it */
    tc->stats.invalidated[cause]++;
    if (trace_on(tc->trace, TRACE_TB_DIED)) {
        trace_emit(tc->trace, TRACE_TB_DIED, TRACE_NO_HART, tb->pc, tb->phys, cause,
                   tb->insns);
    }
    tc->region[tb->region].alive--;
    static const TbCulprit nobody = {.hart = TB_NO_HART};
    bool written = cause == TB_DEATH_STORE || cause == TB_DEATH_DMA;
    tb_biography_died(&tc->biography, tb, tc->stats.translated,
                      written ? &tc->culprit : &nobody);
    if (cause != TB_DEATH_EVICT) {
        tc->backend->kill(&tc->bs, tb);
    }
}

/* A block on the page that begins in granule g and overlaps offsets [first, last], or NULL. */
static TranslationBlock *find_overlap(const CodePage *page, unsigned g, unsigned first,
                                      unsigned last) {
    TranslationBlock *tagged = page->first[g];
    while (tagged) {
        unsigned n, begin, end;
        TranslationBlock *tb = untag_pointer(tagged, &n);
        tb_extent(tb, n, &begin, &end);
        if (begin <= last && end >= first) {
            return tb;
        }
        tagged = tb->page_next[n];
    }
    return NULL;
}

/* Kills what overlaps offsets [first, last] of one page. True if no code is left on it. */
static bool invalidate_in_page(TbCache *tc, ram_addr page_addr, unsigned first,
                               unsigned last, TbDeath cause,
                               const TranslationBlock *running, bool *hit_running) {
    CodePage *page = page_find(tc, page_addr);
    if (!page) {
        return true;
    }
    page->sequence++;
    unsigned low = first >> TB_GRANULE_BITS, high = last >> TB_GRANULE_BITS;
    unsigned covered = 0;
    for (unsigned g = low; g <= high; g++) {
        covered |= page->covered[g];
    }
    if (covered) {
        tc->culprit.addr = page_addr + first;
        tc->culprit.len = last - first + 1;
        low = low > page->reach ? low - page->reach : 0;
        for (unsigned g = low; g <= high; g++) {
            TranslationBlock *tb;
            while ((tb = find_overlap(page, g, first, last)) != NULL) {
                if (tb == running && hit_running) {
                    *hit_running = true;
                }
                tb_die(tc, tb, cause);
            }
        }
    }
    return page->count == 0;
}

bool tb_cache_is_beside(const TbCache *tc, ram_addr start, unsigned len) {
    const CodePage *page = page_find(tc, start);
    unsigned first = (unsigned)(start & PAGE_OFFSET_MASK);
    unsigned low = first >> TB_GRANULE_BITS, high = (first + len - 1) >> TB_GRANULE_BITS;
    return __atomic_load_n(&tc->making, __ATOMIC_ACQUIRE) == 0 && page &&
           __atomic_load_n(&page->count, __ATOMIC_RELAXED) > 0 &&
           __atomic_load_n(&page->covered[low], __ATOMIC_RELAXED) == 0 &&
           __atomic_load_n(&page->covered[high], __ATOMIC_RELAXED) == 0;
}

bool tb_cache_invalidate_locked(TbCache *tc, ram_addr start, uint64_t len, TbDeath cause,
                                const TranslationBlock *running, bool *hit_running) {
    bool empty = true;
    ram_addr end = start + len;
    while (start < end) {
        ram_addr page = start & PAGE_MASK;
        ram_addr page_end = page + PAGE_SIZE;
        unsigned last = (unsigned)((end < page_end ? end : page_end) - page - 1);
        empty &= invalidate_in_page(tc, page, (unsigned)(start - page), last, cause,
                                    running, hit_running);
        start = page_end;
    }
    return empty;
}

void tb_cache_invalidate_range(TbCache *tc, ram_addr start, uint64_t len, TbDeath cause) {
    pthread_mutex_lock(&tc->lock);
    tb_cache_invalidate_locked(tc, start, len, cause, NULL, NULL);
    pthread_mutex_unlock(&tc->lock);
}

void tb_cache_set_profile(TbCache *tc, bool on) {
    pthread_mutex_lock(&tc->lock);
    tc->bs.profile = on;
    pthread_mutex_unlock(&tc->lock);
    for (unsigned i = 0; i < TB_REGIONS; i++) {
        pthread_mutex_lock(&tc->lock);
        for (TranslationBlock *tb = tc->region[i].first; tb; tb = tb->region_next) {
            if (!tb->death && tb->profiled != on) {
                tb_die(tc, tb, TB_DEATH_PROFILE);
            }
        }
        pthread_mutex_unlock(&tc->lock);
    }
}

void tb_cache_flush(TbCache *tc, TbDeath cause) {
    pthread_mutex_lock(&tc->lock);
    for (unsigned i = 0; i < TB_REGIONS; i++) {
        for (TranslationBlock *tb = tc->region[i].first; tb; tb = tb->region_next) {
            if (!tb->death) {
                tb_die(tc, tb, cause);
            }
        }
    }
    pthread_mutex_unlock(&tc->lock);
}

void tb_cache_kill_pc(TbCache *tc, vaddr pc, TbDeath cause) {
    pthread_mutex_lock(&tc->lock);
    for (unsigned i = 0; i < TB_REGIONS; i++) {
        for (TranslationBlock *tb = tc->region[i].first; tb; tb = tb->region_next) {
            if (!tb->death && pc - tb->pc < tb->size) {
                tb_die(tc, tb, cause);
            }
        }
    }
    pthread_mutex_unlock(&tc->lock);
}

/* --- regions and blocks ------------------------------------------------------------------------ */

bool tb_cache_next_is_empty_locked(const TbCache *tc) {
    return !tc->region[(tc->current + 1) % TB_REGIONS].first;
}

bool tb_cache_half_is_free_locked(const TbCache *tc) {
    const CodeRegion *r = &tc->region[tc->current];
    return r->end - r->next >= (r->end - r->start) / 2;
}

bool tb_cache_next_region_locked(TbCache *tc) {
    if (tc->backend->needs_code_buffer) {
        /* All of it: chaining has touched the older regions, too. */
        code_buffer_settle(&tc->bs.code, tc->bs.code.rx_base, tc->bs.code.size);
    }
    tc->current = (tc->current + 1) % TB_REGIONS;
    CodeRegion *region = &tc->region[tc->current];
    bool evicted = region->first != NULL;
    while (region->first) {
        TranslationBlock *tb = region->first;
        region->first = tb->region_next;
        if (!tb->death) {
            tb_die(tc, tb, TB_DEATH_EVICT);
        }
        tb->region_next = tc->spare;
        tc->spare = tb;
    }
    if (tc->backend->needs_code_buffer) {
        code_buffer_prepare(&tc->bs.code, region->start,
                            (size_t)(region->end - region->start));
    }
    region->next = region->start;
    region->tb_count = 0;
    region->generation++;
    tc->stats.evictions += evicted;
    return evicted;
}

TranslationBlock *tb_cache_alloc_locked(TbCache *tc) {
    if (!tc->spare) {
        TranslationBlock *chunk = calloc(TB_CHUNK, sizeof(*chunk));
        assert(chunk);
        chunk[0].region_next = tc->chunks; /* element 0 links the allocations */
        tc->chunks = chunk;
        for (unsigned i = TB_CHUNK - 1; i > 0; i--) {
            chunk[i].region_next = tc->spare;
            tc->spare = &chunk[i];
        }
    }
    TranslationBlock *tb = tc->spare;
    tc->spare = tb->region_next;
    memset(tb, 0, sizeof(*tb));
    tb->phys2 = RAM_ADDR_INVALID;
    return tb;
}

void tb_cache_discard_locked(TbCache *tc, TranslationBlock *tb) {
    tb->region_next = tc->spare;
    tc->spare = tb;
}

bool tb_cache_generate_locked(TbCache *tc, IrContext *ctx, TranslationBlock *tb) {
    CodeRegion *region = &tc->region[tc->current];
    size_t space = (size_t)(region->end - region->next);
    if (space < REGION_RESERVE ||
        !tc->backend->generate(&tc->bs, ctx, tb, region->next, space - REGION_RESERVE,
                               NULL, NULL)) {
        return false;
    }
    region->next =
        (const uint8_t *)(((uintptr_t)tb->code + tb->code_size + 15) & ~(uintptr_t)15);
    tb->region = (uint8_t)tc->current;
    tb->region_next = region->first;
    region->first = tb;
    region->tb_count++;
    tb->born = tc->stats.translated + 1;
    __atomic_store_n(&tc->stats.translated, tb->born,
                     __ATOMIC_RELAXED); /* samplers look */
    tb->profiled = tc->bs.profile;
    tb->birth = TB_BIRTH_ONCE; /* until it is inserted */
    tc->stats.guest_bytes += tb->size;
    tc->stats.guest_insns += tb->insns;
    tc->stats.host_bytes += tb->code_size;
    return true;
}

/* Why tb is made: a dead one of its key, or a live one of the same bytes, which begins in the same
 * granule. */
static void note_birth(TbCache *tc, TranslationBlock *tb) {
    const TbObituary *before =
        tb_biography_find(&tc->biography, tb->phys, tb->pc, tb->flags);
    tb->birth = before ? TB_BIRTH_AGAIN : TB_BIRTH_FIRST;
    tb->parent = before ? before->born : 0;
    const CodePage *page = page_find(tc, tb->phys);
    if (before || !page) {
        return;
    }
    unsigned granule = (unsigned)(tb->phys & PAGE_OFFSET_MASK) >> TB_GRANULE_BITS;
    TranslationBlock *tagged = page->first[granule];
    while (tagged) {
        unsigned n;
        const TranslationBlock *other = untag_pointer(tagged, &n);
        if (other->phys == tb->phys) {
            tb->birth = other->pc == tb->pc ? TB_BIRTH_FLAGS : TB_BIRTH_ALIAS;
            tb->parent = other->born;
            return;
        }
        tagged = other->page_next[n];
    }
}

void tb_cache_insert_locked(TbCache *tc, TranslationBlock *tb) {
    note_birth(tc, tb);
    tc->region[tb->region].alive++;
    unsigned h = hash_index(tb->phys, tb->pc, tb->flags);
    tb->hash_next = tc->hash[h];
    tc->hash[h] = tb;
    for (unsigned n = 0; n < tb_page_count(tb); n++) {
        page_link(tc, tb, n);
    }
}

/* --- life -------------------------------------------------------------------------------------- */

TbCache *tb_cache_new(const Backend *backend, uint64_t code_size, int32_t pc_offset,
                      const IrContext *globals, bool icount, Error **errp) {
    TbCache *tc = calloc(1, sizeof(*tc));
    assert(tc);
    pthread_mutex_init(&tc->lock, NULL);
    tc->backend = backend;
    tc->bs.pc_offset = pc_offset;
    tc->bs.globals = globals;
    tb_cache_blame_locked(tc, TB_NO_HART, 0);
    tb_biography_init(&tc->biography);
    tc->bs.icount = icount;
    tc->pages = calloc(PAGE_L1_SIZE, sizeof(*tc->pages));
    assert(tc->pages);
    if (code_size == 0) {
        code_size = DEFAULT_CODE_SIZE;
    }
    if (code_size < MINIMUM_CODE_SIZE) {
        code_size = MINIMUM_CODE_SIZE;
    }
    if (!code_buffer_init(&tc->bs.code, code_size, errp)) {
        goto out_free;
    }
    if (!backend->init(&tc->bs, errp)) {
        goto out_buffer;
    }
    const uint8_t *at = tc->bs.code.rx_base + ((tc->bs.fixed_size + 63) & ~(size_t)63);
    size_t each =
        (size_t)(tc->bs.code.rx_base + tc->bs.code.size - at) / TB_REGIONS & ~(size_t)63;
    for (unsigned i = 0; i < TB_REGIONS; i++) {
        CodeRegion *r = &tc->region[i];
        r->start = r->next = at + i * each;
        r->end = r->start + each;
    }
    return tc;

out_buffer:
    code_buffer_destroy(&tc->bs.code);
out_free:
    tb_biography_destroy(&tc->biography);
    free(tc->pages);
    pthread_mutex_destroy(&tc->lock);
    free(tc);
    return NULL;
}

void tb_cache_free(TbCache *tc) {
    if (!tc) {
        return;
    }
    tc->backend->destroy(&tc->bs);
    code_buffer_destroy(&tc->bs.code);
    while (tc->chunks) {
        TranslationBlock *chunk = tc->chunks;
        tc->chunks = chunk[0].region_next;
        free(chunk);
    }
    for (unsigned i = 0; i < PAGE_L1_SIZE; i++) {
        if (tc->pages[i]) {
            for (unsigned j = 0; j < PAGE_L2_SIZE; j++) {
                free(tc->pages[i][j]);
            }
            free(tc->pages[i]);
        }
    }
    tb_biography_destroy(&tc->biography);
    free(tc->pages);
    pthread_mutex_destroy(&tc->lock);
    free(tc);
}
