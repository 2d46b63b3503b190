/* SPDX-License-Identifier: MIT */
/*
 * History: versions of pages. See history.h.
 *
 * Invariants: latest[p] is the newest version of page p, or NULL: zeros since the base. A version's
 * entry number is not below the base's; only the base's versions have no `older`, or one that a
 * merge has freed. A page without a dirty bit has its newest version's bytes.
 */
#include "state/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "state/bytes.h"
#include "state/fields.h"
#include "state/ram.h"

enum { WORD_BITS = 64 };

/* What a page had at an entry. */
typedef struct PageVersion {
    struct PageVersion *older;
    struct PageVersion *next; /* in the entry's list */
    uint64_t page;            /* of all blocks, counted through */
    uint64_t entry;           /* number */
    bool zero;                /* no bytes */
    uint8_t bytes[];
} PageVersion;

typedef struct Entry {
    HistoryEntry info;
    PageVersion *pages;
    ByteBuffer clock, fields;
    uint64_t mark[MACHINE_MAX_LIST]; /* of drives with an overlay */
} Entry;

struct History {
    Machine *m;
    uint64_t budget, used; /* bytes */
    uint64_t page_count;
    PageVersion **latest;
    uint64_t *dirty; /* bitmap of one block, while it is looked at */
    Entry entry[HISTORY_MAX_ENTRIES];
    unsigned count;
    uint64_t next_number;
    RamScan scan;
};

/* --- dirty pages ---------------------------------------------------------------------- */

static size_t version_bytes(const PageVersion *v) {
    return sizeof(*v) + (v->zero ? 0 : PAGE_SIZE);
}

/* Reads and clears the bits of a block into h->dirty; stores are caught again from here on. */
static void read_dirty(History *h, RAMBlock *rb) {
    ramblock_sync_dirty(rb, 0, ram_pages(rb), DIRTY_HISTORY, h->dirty);
    for (unsigned i = 0; i < h->m->cpus->count; i++) {
        tlb_reset_dirty(&h->m->cpus->cpu[i]->tcg.tlb, rb->host, rb->size);
    }
}

/* The next page from *p on with its bit set. */
static bool next_dirty(const History *h, const RAMBlock *rb, uint64_t *p) {
    while (*p < ram_pages(rb)) {
        uint64_t word = h->dirty[*p / WORD_BITS] >> *p % WORD_BITS;
        if (word) {
            *p += (unsigned)__builtin_ctzll(word);
            return *p < ram_pages(rb);
        }
        *p = (*p / WORD_BITS + 1) * WORD_BITS;
    }
    return false;
}

/* --- versions ------------------------------------------------------------------------- */

static bool is_unchanged(const PageVersion *v, const uint8_t *host, bool zero) {
    if (!v || v->zero || zero) {
        return (!v || v->zero) && zero;
    }
    return !memcmp(v->bytes, host, PAGE_SIZE);
}

/* Keeps what page `p` of a block has now, if that is news. */
static bool keep_page(History *h, Entry *e, const RAMBlock *rb, uint64_t first,
                      uint64_t p) {
    const uint8_t *host = ram_page(rb, p);
    bool zero = ram_page_is_zero(host);
    PageVersion **latest = &h->latest[first + p];
    if (is_unchanged(*latest, host, zero)) {
        return true;
    }
    PageVersion *v = malloc(sizeof(*v) + (zero ? 0 : PAGE_SIZE));
    if (!v) {
        return false;
    }
    *v = (PageVersion){.older = *latest,
                       .next = e->pages,
                       .page = first + p,
                       .entry = e->info.number,
                       .zero = zero};
    if (!zero) {
        memcpy(v->bytes, host, PAGE_SIZE);
    }
    e->pages = *latest = v;
    e->info.changed++;
    e->info.bytes += version_bytes(v);
    return true;
}

static bool keep_dirty_pages(History *h, Entry *e) {
    uint64_t first = 0;
    bool ok = true;
    for (RAMBlock *rb = h->m->ram_list.first; rb; rb = rb->next) {
        read_dirty(h, rb);
        for (uint64_t p = 0; next_dirty(h, rb, &p); p++) {
            ok = ok && keep_page(h, e, rb, first, p);
            if (!ok) { /* not lost: the next one takes it */
                ramblock_set_dirty(rb, p * PAGE_SIZE, PAGE_SIZE, 1u << DIRTY_HISTORY);
            }
        }
        first += ram_pages(rb);
    }
    return ok;
}

/* The base has all pages that are not zero, and finds these without touching the rest. */
static bool keep_all_pages(History *h, Entry *e) {
    uint64_t first = 0, p;
    bool ok = true;
    for (RAMBlock *rb = h->m->ram_list.first; rb && ok; rb = rb->next) {
        read_dirty(h, rb);
        ram_scan_begin(&h->scan, rb);
        while (ok && ram_next_page(&h->scan, &p)) {
            ok = keep_page(h, e, rb, first, p);
        }
        ram_scan_end(&h->scan);
        first += ram_pages(rb);
    }
    return ok;
}

/* Takes an entry's versions back; it is the youngest. */
static void drop_pages(History *h, Entry *e) {
    for (PageVersion *v = e->pages, *next; v; v = next) {
        next = v->next;
        assert(h->latest[v->page] == v);
        h->latest[v->page] = v->older;
        free(v);
    }
    e->pages = NULL;
}

static void entry_destroy(Entry *e) {
    buffer_free(&e->clock);
    buffer_free(&e->fields);
}

/* --- taking --------------------------------------------------------------------------- */

static uint64_t overlay_bytes(const History *h) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < h->m->drive_count; i++) {
        const BlockBackend *blk = h->m->drives[i].blk;
        bytes += blk_has_overlay(blk) ? blk_history_bytes(blk) : 0;
    }
    return bytes;
}

uint64_t history_bytes(const History *h) {
    return h->used + overlay_bytes(h);
}

/* The second entry becomes the base. */
static void merge_oldest(History *h) {
    Entry *base = &h->entry[0], *next = &h->entry[1];
    PageVersion *last = NULL;
    for (PageVersion *v = next->pages; v; v = v->next) {
        if (v->older) {
            assert(v->older->entry <= base->info.number);
            v->older->page = UINT64_MAX; /* freed below, out of the base's list */
            v->older = NULL;
        }
        last = v;
    }
    PageVersion **link = last ? &last->next : &next->pages;
    for (PageVersion *v = base->pages, *after; v; v = after) {
        after = v->next;
        if (v->page == UINT64_MAX) {
            h->used -= version_bytes(v);
            free(v);
        } else {
            *link = v;
            link = &v->next;
        }
    }
    *link = NULL;
    h->used -= base->clock.cap + base->fields.cap;
    entry_destroy(base);
    memmove(h->entry, h->entry + 1, (h->count - 1) * sizeof(*h->entry));
    h->count--;
    for (unsigned i = 0; i < h->m->drive_count; i++) {
        if (blk_has_overlay(h->m->drives[i].blk)) {
            blk_forget(h->m->drives[i].blk, h->entry[0].mark[i]);
        }
    }
}

static bool take_locked(History *h, Error **errp) {
    Machine *m = h->m;
    if (h->count == HISTORY_MAX_ENTRIES) {
        merge_oldest(h);
    }
    Entry *e = &h->entry[h->count];
    *e = (Entry){.info = {.number = h->next_number,
                          .time_ns = clock_now_ns(&m->clock),
                          .count = cpu_group_icount(m->cpus),
                          .input = m->gate ? gate_position(m->gate) : 0}};
    fields_save_clock(m, &e->clock);
    fields_save(m, &e->fields);
    bool ok = !e->clock.failed && !e->fields.failed;
    ok = ok && (h->count ? keep_dirty_pages(h, e) : keep_all_pages(h, e));
    if (!ok) {
        for (const PageVersion *v = e->pages; v; v = v->next) {
            RAMBlock *rb = ram_list_find(&m->ram_list, v->page * PAGE_SIZE);
            ramblock_set_dirty(rb, v->page * PAGE_SIZE - rb->base, PAGE_SIZE,
                               1u << DIRTY_HISTORY);
        }
        drop_pages(h, e);
        entry_destroy(e);
        error_set(errp, "no memory for another entry of the history");
        return false;
    }
    for (unsigned i = 0; i < m->drive_count; i++) {
        BlockBackend *blk = m->drives[i].blk;
        e->mark[i] = blk_has_overlay(blk) ? blk_mark(blk) : 0;
    }
    e->info.bytes += e->clock.cap + e->fields.cap;
    h->used += e->info.bytes;
    h->count++;
    h->next_number++;
    while (h->count > 2 && history_bytes(h) > h->budget) {
        merge_oldest(h);
    }
    return true;
}

bool history_take(History *h, Error **errp) {
    machine_lock(h->m);
    bool ok = take_locked(h, errp);
    machine_unlock(h->m);
    return ok;
}

/* --- going back ----------------------------------------------------------------------- */

static void restore_page(History *h, RAMBlock *rb, uint64_t first, uint64_t p) {
    const PageVersion *v = h->latest[first + p];
    ram_put_page(h->m, rb, p, v && !v->zero ? v->bytes : NULL);
}

/* Pages of void entries count as dirty, then every dirty page gets its newest version. */
static void restore_ram(History *h, unsigned i) {
    while (h->count > i + 1) {
        Entry *e = &h->entry[--h->count];
        for (const PageVersion *v = e->pages; v; v = v->next) {
            RAMBlock *rb = ram_list_find(&h->m->ram_list, v->page * PAGE_SIZE);
            ramblock_set_dirty(rb, v->page * PAGE_SIZE - rb->base, PAGE_SIZE,
                               1u << DIRTY_HISTORY);
        }
        h->used -= e->info.bytes;
        drop_pages(h, e);
        entry_destroy(e);
    }
    uint64_t first = 0;
    for (RAMBlock *rb = h->m->ram_list.first; rb; rb = rb->next) {
        read_dirty(h, rb);
        for (uint64_t p = 0; next_dirty(h, rb, &p); p++) {
            restore_page(h, rb, first, p);
        }
        read_dirty(h, rb); /* our own writes */
        first += ram_pages(rb);
    }
}

void history_restore(History *h, unsigned i) {
    Machine *m = h->m;
    assert(i < h->count);
    machine_lock(m);
    const Entry *e = &h->entry[i];
    for (unsigned d = 0; d < m->drive_count; d++) {
        if (blk_has_overlay(m->drives[d].blk)) {
            blk_rewind(m->drives[d].blk, e->mark[d]);
        }
    }
    restore_ram(h, i);
    fields_load(m, e->clock.data, e->clock.len, e->fields.data, e->fields.len);
    if (cpu_group_icount_enabled(m->cpus)) {
        bool kept = gate_seek(m->gate, e->info.input, NULL);
        assert(kept); /* nobody forgets what an entry needs */
        (void)kept;
    }
    machine_unlock(m);
}

/* --- life and looks ------------------------------------------------------------------- */

static void set_tracking(Machine *m, bool on) {
    for (RAMBlock *rb = m->ram_list.first; rb; rb = rb->next) {
        ramblock_set_tracking(rb, DIRTY_HISTORY, on);
    }
}

static bool check_drives(const Machine *m, Error **errp) {
    for (unsigned i = 0; i < m->drive_count; i++) {
        const BlockBackend *blk = m->drives[i].blk;
        if (!blk_has_overlay(blk) && !blk_read_only(blk)) {
            error_set(errp,
                      "drive '%s' is written in place, so there is no way back; give its "
                      "-drive snapshot=on",
                      blk_id(blk) ? blk_id(blk) : blk_file(blk));
            return false;
        }
    }
    return true;
}

static bool allocate(History *h) {
    uint64_t largest = 0;
    for (const RAMBlock *rb = h->m->ram_list.first; rb; rb = rb->next) {
        largest = ram_pages(rb) > largest ? ram_pages(rb) : largest;
        h->page_count += ram_pages(rb);
    }
    h->latest = calloc(h->page_count, sizeof(*h->latest));
    h->dirty = calloc(largest / WORD_BITS + 1, sizeof(*h->dirty));
    return h->latest && h->dirty;
}

History *history_new(Machine *m, uint64_t budget, Error **errp) {
    if (!check_drives(m, errp)) {
        return NULL;
    }
    History *h = calloc(1, sizeof(*h));
    if (!h) {
        error_set(errp, "no memory for a history");
        return NULL;
    }
    h->m = m;
    h->budget = budget;
    machine_lock(m);
    bool ok = allocate(h);
    if (!ok) {
        error_set(errp, "no memory for a history");
    } else {
        set_tracking(m, true);
        ok = take_locked(h, errp);
    }
    machine_unlock(m);
    if (!ok) {
        history_free(h);
        return NULL;
    }
    return h;
}

static void forget_all_locked(History *h) {
    for (unsigned i = 0; i < h->m->drive_count; i++) {
        if (blk_has_overlay(h->m->drives[i].blk)) {
            blk_forget(h->m->drives[i].blk, UINT64_MAX);
        }
    }
    while (h->count) {
        Entry *e = &h->entry[--h->count];
        drop_pages(h, e);
        entry_destroy(e);
    }
    h->used = 0;
}

bool history_restart(History *h, Error **errp) {
    machine_lock(h->m);
    forget_all_locked(h);
    bool ok = take_locked(h, errp);
    machine_unlock(h->m);
    return ok;
}

void history_free(History *h) {
    if (!h) {
        return;
    }
    machine_lock(h->m);
    set_tracking(h->m, false);
    forget_all_locked(h);
    machine_unlock(h->m);
    free(h->latest);
    free(h->dirty);
    free(h);
}

unsigned history_count(const History *h) {
    return h->count;
}

HistoryEntry history_entry(const History *h, unsigned i) {
    return h->entry[i].info;
}
