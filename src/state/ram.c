/* SPDX-License-Identifier: MIT */
/*
 * RAM as pages that are not zero. See ram.h.
 *
 * Linux tells in /proc/self/pagemap which pages have memory or are swapped out (bits 63 and 62);
 * mincore() would take the swapped-out ones for missing. Without the file, and for memory that
 * others share, every page is looked at.
 */
#include "state/ram.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PAGEMAP_HAS_MEMORY_SHIFT = 62 };

bool ram_page_is_zero(const uint8_t *bytes) {
    uint64_t first;
    memcpy(&first, bytes, sizeof(first));
    return first == 0 && !memcmp(bytes, bytes + sizeof(first), PAGE_SIZE - sizeof(first));
}

void ram_scan_begin(RamScan *s, const RAMBlock *rb) {
    s->rb = rb;
    s->next = s->window = s->known = 0;
    s->pagemap_fd = rb->backing == RAM_ANONYMOUS && sysconf(_SC_PAGESIZE) == PAGE_SIZE
                        ? open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)
                        : -1;
}

void ram_scan_end(RamScan *s) {
    if (s->pagemap_fd >= 0) {
        close(s->pagemap_fd);
    }
}

static void read_window(RamScan *s) {
    uint64_t left = ram_pages(s->rb) - s->next;
    s->window = s->next;
    s->known = left < RAM_WINDOW_PAGES ? left : RAM_WINDOW_PAGES;
    size_t bytes = s->known * sizeof(s->present[0]);
    off_t at =
        (off_t)(((uintptr_t)s->rb->host / PAGE_SIZE + s->window) * sizeof(uint64_t));
    if (s->pagemap_fd < 0 ||
        pread(s->pagemap_fd, s->present, bytes, at) != (ssize_t)bytes) {
        memset(s->present, 0xff, bytes);
    }
}

bool ram_next_page(RamScan *s, uint64_t *page) {
    for (; s->next < ram_pages(s->rb); s->next++) {
        if (s->next >= s->window + s->known) {
            read_window(s);
        }
        if (s->present[s->next - s->window] >> PAGEMAP_HAS_MEMORY_SHIFT &&
            !ram_page_is_zero(ram_page(s->rb, s->next))) {
            *page = s->next++;
            return true;
        }
    }
    return false;
}

void ram_put_page(Machine *m, RAMBlock *rb, uint64_t page, const uint8_t *bytes) {
    uint8_t *to = ram_page(rb, page);
    if (bytes ? !memcmp(to, bytes, PAGE_SIZE) : ram_page_is_zero(to)) {
        return;
    }
    if (bytes) {
        memcpy(to, bytes, PAGE_SIZE);
    } else {
        memset(to, 0, PAGE_SIZE);
    }
    uint64_t offset = page * PAGE_SIZE;
    ramblock_set_dirty(rb, offset, PAGE_SIZE, DIRTY_ALL_CLIENTS & ~(1u << DIRTY_CODE));
    m->as.ram_written(m->as.ram_written_opaque, rb, offset, PAGE_SIZE);
}
