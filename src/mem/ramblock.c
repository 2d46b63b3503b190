/* SPDX-License-Identifier: MIT */
/*
 * RAMBlock: host memory for guest RAM, and bitmaps of which pages are clean for whom.
 *
 *   writer                                client (display, migration, ...)
 *     stores the bytes                      1. sets the clean bit
 *     clears the clean bit                  2. resets the softmmu TLBs
 *                                           3. copies the page
 *
 * Both touch the bit by an atomic read-modify-write, even when it has its value already,
 * and those on one word are ordered: either the client's comes second and the copy sees
 * the bytes, or the writer's does and the page is dirty the next time. A plain look at
 * the bit could be made before the bytes are visible, and lose them.
 *
 * Threads: bitmap functions may be called by any thread; making and freeing blocks may
 * not overlap with anything else on the list.
 * Not modelled: a file block is grown sparsely, so a host disk that fills up later, or a
 * file that is truncated by others, is a SIGBUS at the access.
 */
#include "mem/ramblock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/hostmem.h"

#define WORD_BITS 64u

void ram_list_init(RamList *list) {
    *list = (RamList){0};
}

static void ramblock_free(RAMBlock *rb) {
    if (rb->host != NULL) {
        munmap(rb->host, rb->size);
    }
    if (rb->fd >= 0) {
        close(rb->fd);
    }
    for (unsigned c = 0; c < DIRTY_CLIENT_COUNT; c++) {
        free(rb->clean[c]);
    }
    free(rb->name);
    free(rb);
}

void ram_list_destroy(RamList *list) {
    RAMBlock *next;
    for (RAMBlock *rb = list->first; rb != NULL; rb = next) {
        next = rb->next;
        ramblock_free(rb);
    }
    ram_list_init(list);
}

/* Opens the file of a RAM_FILE block, made or grown to the block's size. */
static bool ramblock_open_file(RAMBlock *rb, const char *path, Error **errp) {
    rb->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    struct stat st;
    if (rb->fd < 0 || fstat(rb->fd, &st) < 0) {
        error_set_errno(errp, errno, "cannot open '%s' as the memory '%s'", path,
                        rb->name);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        error_set(errp, "'%s' cannot be the memory '%s': it is not a regular file", path,
                  rb->name);
        return false;
    }
    if ((uint64_t)st.st_size < rb->size && ftruncate(rb->fd, (off_t)rb->size) < 0) {
        error_set_errno(errp, errno,
                        "cannot grow '%s' to the %llu bytes of the memory '%s'", path,
                        (unsigned long long)rb->size, rb->name);
        return false;
    }
    return true;
}

static bool ramblock_open_shared(RAMBlock *rb, Error **errp) {
    rb->fd = memfd_create(rb->name, MFD_CLOEXEC);
    if (rb->fd < 0 || ftruncate(rb->fd, (off_t)rb->size) < 0) {
        error_set_errno(errp, errno, "cannot make %llu bytes of shared memory for '%s'",
                        (unsigned long long)rb->size, rb->name);
        return false;
    }
    return true;
}

static bool ramblock_map(RAMBlock *rb, Error **errp) {
    void *host;
    if (rb->backing == RAM_ANONYMOUS) {
        host = hostmem_alloc(rb->size);
    } else {
        host = mmap(NULL, rb->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                    rb->fd, 0);
        host = host == MAP_FAILED ? NULL : host;
    }
    if (!host) {
        error_set_errno(errp, errno, "cannot map %llu bytes for the memory '%s'",
                        (unsigned long long)rb->size, rb->name);
        return false;
    }
    rb->host = host;
    return true;
}

static uint64_t ramblock_pages(const RAMBlock *rb) {
    return rb->size >> PAGE_BITS;
}

/* Has a bitmap that says "all dirty"; its memory is the host's zero page until it is
 * written. */
static bool ramblock_new_bitmap(RAMBlock *rb, DirtyClient client) {
    uint64_t words = (ramblock_pages(rb) + WORD_BITS - 1) / WORD_BITS;
    uint64_t *bitmap = calloc(words, sizeof(*bitmap));
    __atomic_store_n(&rb->clean[client], bitmap, __ATOMIC_RELEASE);
    return bitmap != NULL;
}

static void ram_list_append(RamList *list, RAMBlock *rb) {
    RAMBlock **link = &list->first;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = rb;
    rb->base = list->next_base;
    list->next_base += rb->size;
}

RAMBlock *ramblock_new(RamList *list, const char *name, uint64_t size, RamBacking backing,
                       const char *path, Error **errp) {
    assert((backing == RAM_FILE) == (path != NULL));
    uint64_t rounded = (size + PAGE_OFFSET_MASK) & PAGE_MASK;
    if (size == 0 || rounded == 0 || rounded > INT64_MAX - list->next_base) {
        error_set(errp, "the memory '%s' cannot have %llu bytes", name,
                  (unsigned long long)size);
        return NULL;
    }
    RAMBlock *rb = calloc(1, sizeof(*rb));
    if (rb == NULL) {
        error_set(errp, "no memory to describe the memory '%s'", name);
        return NULL;
    }
    rb->fd = -1;
    rb->size = rounded;
    rb->backing = backing;
    rb->active_clients = 1u << DIRTY_CODE;
    rb->name = strdup(name);
    if (rb->name == NULL) {
        error_set(errp, "no memory to describe the memory '%s'", name);
        goto out_free;
    }
    if (backing == RAM_FILE && !ramblock_open_file(rb, path, errp)) {
        goto out_free;
    }
    if (backing == RAM_SHARED && !ramblock_open_shared(rb, errp)) {
        goto out_free;
    }
    if (!ramblock_map(rb, errp)) {
        goto out_free;
    }
    if (!ramblock_new_bitmap(rb, DIRTY_CODE)) {
        error_set(errp, "no memory for the dirty bitmap of the memory '%s'", name);
        goto out_free;
    }
    ram_list_append(list, rb);
    return rb;

out_free:
    ramblock_free(rb);
    return NULL;
}

RAMBlock *ram_list_find(const RamList *list, ram_addr addr) {
    for (RAMBlock *rb = list->first; rb != NULL; rb = rb->next) {
        if (addr - rb->base < rb->size) {
            return rb;
        }
    }
    return NULL;
}

RAMBlock *ram_list_find_host(const RamList *list, const void *host) {
    for (RAMBlock *rb = list->first; rb != NULL; rb = rb->next) {
        if ((uintptr_t)host - (uintptr_t)rb->host < rb->size) {
            return rb;
        }
    }
    return NULL;
}

/* --- dirty bitmaps ------------------------------------------------------------------ */

/* The client's bitmap, or NULL while it is inactive. */
static uint64_t *ramblock_bitmap(const RAMBlock *rb, DirtyClient client) {
    uint32_t active = __atomic_load_n(&rb->active_clients, __ATOMIC_ACQUIRE);
    if ((active & (1u << client)) == 0) {
        return NULL;
    }
    return __atomic_load_n(&rb->clean[client], __ATOMIC_RELAXED);
}

/* The bits of word `word` that belong to pages first to last. */
static uint64_t word_mask(uint64_t word, uint64_t first, uint64_t last) {
    uint64_t mask = UINT64_MAX;
    if (word == first / WORD_BITS) {
        mask <<= first % WORD_BITS;
    }
    if (word == last / WORD_BITS) {
        mask &= UINT64_MAX >> (WORD_BITS - 1 - last % WORD_BITS);
    }
    return mask;
}

static bool ramblock_page_clean(const RAMBlock *rb, uint64_t page, DirtyClient client) {
    const uint64_t *clean = ramblock_bitmap(rb, client);
    if (clean == NULL) {
        return false;
    }
    uint64_t word = __atomic_load_n(&clean[page / WORD_BITS], __ATOMIC_RELAXED);
    return (word >> (page % WORD_BITS) & 1) != 0;
}

void ramblock_set_dirty(RAMBlock *rb, uint64_t offset, uint64_t len, uint32_t clients) {
    if (len == 0) {
        return;
    }
    assert(offset < rb->size && len <= rb->size - offset);
    uint64_t first = offset >> PAGE_BITS, last = (offset + len - 1) >> PAGE_BITS;
    for (unsigned c = 0; c < DIRTY_CLIENT_COUNT; c++) {
        uint64_t *clean = ramblock_bitmap(rb, c);
        if ((clients & (1u << c)) == 0 || clean == NULL) {
            continue;
        }
        for (uint64_t w = first / WORD_BITS; w <= last / WORD_BITS; w++) {
            /* Also when the bits are clear already: see the head of this file. */
            __atomic_fetch_and(&clean[w], ~word_mask(w, first, last), __ATOMIC_SEQ_CST);
        }
    }
}

bool ramblock_is_dirty(const RAMBlock *rb, uint64_t offset, DirtyClient client) {
    assert(offset < rb->size);
    return !ramblock_page_clean(rb, offset >> PAGE_BITS, client);
}

bool ramblock_any_clean(const RAMBlock *rb, uint64_t offset, uint64_t len,
                        DirtyClient client) {
    uint64_t *clean = ramblock_bitmap(rb, client);
    if (clean == NULL || len == 0) {
        return false;
    }
    assert(offset < rb->size && len <= rb->size - offset);
    uint64_t first = offset >> PAGE_BITS, last = (offset + len - 1) >> PAGE_BITS;
    for (uint64_t w = first / WORD_BITS; w <= last / WORD_BITS; w++) {
        uint64_t word = __atomic_fetch_or(&clean[w], 0, __ATOMIC_SEQ_CST);
        if ((word & word_mask(w, first, last)) != 0) {
            return true;
        }
    }
    return false;
}

uint32_t ramblock_clean_clients(const RAMBlock *rb, uint64_t offset) {
    assert(offset < rb->size);
    uint32_t clients = 0;
    uint32_t active = __atomic_load_n(&rb->active_clients, __ATOMIC_ACQUIRE);
    for (; active; active &= active - 1) {
        unsigned c = (unsigned)__builtin_ctz(active);
        if (ramblock_page_clean(rb, offset >> PAGE_BITS, c)) {
            clients |= 1u << c;
        }
    }
    return clients;
}

bool ramblock_clear_dirty(RAMBlock *rb, uint64_t offset, DirtyClient client) {
    assert(offset < rb->size);
    uint64_t *clean = ramblock_bitmap(rb, client);
    if (clean == NULL) {
        return true;
    }
    uint64_t page = offset >> PAGE_BITS;
    uint64_t bit = UINT64_C(1) << (page % WORD_BITS);
    uint64_t old = __atomic_fetch_or(&clean[page / WORD_BITS], bit, __ATOMIC_SEQ_CST);
    return (old & bit) == 0;
}

/* Places `bits`, dirty pages of bitmap word `word`, in a bitmap that starts at page
 * `first`. */
static void sync_out(uint64_t *out, uint64_t first, uint64_t word, uint64_t bits) {
    unsigned shift = first % WORD_BITS;
    uint64_t i = word - first / WORD_BITS;
    if (i > 0 && shift != 0 && bits << (WORD_BITS - shift) != 0) {
        out[i - 1] |= bits << (WORD_BITS - shift);
    }
    if (bits >> shift != 0) {
        out[i] |= bits >> shift;
    }
}

/* Both ways of reading pages' bits. */
static uint64_t read_dirty(const RAMBlock *rb, uint64_t first, uint64_t pages,
                           DirtyClient client, bool clear, uint64_t *out) {
    if (pages == 0) {
        return 0;
    }
    assert(first < ramblock_pages(rb) && pages <= ramblock_pages(rb) - first);
    if (out != NULL) {
        memset(out, 0, (pages + WORD_BITS - 1) / WORD_BITS * sizeof(*out));
    }
    uint64_t *clean = ramblock_bitmap(rb, client);
    uint64_t last = first + pages - 1, count = 0;
    for (uint64_t w = first / WORD_BITS; w <= last / WORD_BITS; w++) {
        uint64_t mask = word_mask(w, first, last);
        uint64_t dirty = mask;
        if (clean != NULL) {
            dirty &= ~__atomic_load_n(&clean[w], __ATOMIC_RELAXED);
            if (clear && dirty != 0) {
                dirty = mask & ~__atomic_fetch_or(&clean[w], mask, __ATOMIC_SEQ_CST);
            }
        }
        count += (uint64_t)__builtin_popcountll(dirty);
        if (out != NULL) {
            sync_out(out, first, w, dirty);
        }
    }
    return count;
}

uint64_t ramblock_sync_dirty(RAMBlock *rb, uint64_t first, uint64_t pages,
                             DirtyClient client, uint64_t *out) {
    return read_dirty(rb, first, pages, client, true, out);
}

uint64_t ramblock_peek_dirty(const RAMBlock *rb, uint64_t first, uint64_t pages,
                             DirtyClient client, uint64_t *out) {
    return read_dirty(rb, first, pages, client, false, out);
}

void ramblock_set_tracking(RAMBlock *rb, DirtyClient client, bool on) {
    uint32_t bit = 1u << client;
    bool was_on = (__atomic_load_n(&rb->active_clients, __ATOMIC_RELAXED) & bit) != 0;
    if (client == DIRTY_CODE || on == was_on) {
        return;
    }
    if (!on) {
        /* The bitmap stays: another thread may be about to use it. */
        __atomic_fetch_and(&rb->active_clients, ~bit, __ATOMIC_SEQ_CST);
        return;
    }
    if (rb->clean[client] == NULL) {
        if (!ramblock_new_bitmap(rb, client)) {
            return;
        }
    } else {
        for (uint64_t w = 0; w < (ramblock_pages(rb) + WORD_BITS - 1) / WORD_BITS; w++) {
            __atomic_store_n(&rb->clean[client][w], 0, __ATOMIC_RELAXED);
        }
    }
    __atomic_fetch_or(&rb->active_clients, bit, __ATOMIC_SEQ_CST);
}
