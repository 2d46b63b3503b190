/* SPDX-License-Identifier: MIT */
/*
 * RAM as pages that are not zero: what the hash, snapshot files and history look at.
 *
 *   RAMBlock   | 0 | A | 0 | 0 | . | . | . | B |     0: zeros, . : never touched
 *   ram_next_page():     1                   7
 *
 * A page that the host never gave memory to is known to be zero without being read, so looking at
 * a machine does not make it larger.
 *
 * Threads: the machine lock is held and no vCPU runs.
 */
#ifndef VITRINE_STATE_RAM_H
#define VITRINE_STATE_RAM_H

#include "hw/machine/machine.h"

enum { RAM_WINDOW_PAGES = 4096 };

typedef struct RamScan {
    const RAMBlock *rb;
    uint64_t next;          /* page to look at */
    uint64_t window, known; /* first page and number of pages of `present` */
    int pagemap_fd;         /* -1: every page is looked at */
    uint64_t present[RAM_WINDOW_PAGES];
} RamScan;

void ram_scan_begin(RamScan *s, const RAMBlock *rb);
/* The next page that has a byte other than zero; false: no more. */
bool ram_next_page(RamScan *s, uint64_t *page);
void ram_scan_end(RamScan *s);

bool ram_page_is_zero(const uint8_t *bytes);
static inline uint8_t *ram_page(const RAMBlock *rb, uint64_t page) {
    return rb->host + page * PAGE_SIZE;
}
static inline uint64_t ram_pages(const RAMBlock *rb) {
    return rb->size >> PAGE_BITS;
}
/* Gives a page these bytes (NULL: zeros): code made from it is void, its dirty bits are set. Does
 * nothing if it has them. */
void ram_put_page(Machine *m, RAMBlock *rb, uint64_t page, const uint8_t *bytes);

#endif
