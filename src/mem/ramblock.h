/* SPDX-License-Identifier: MIT */
/*
 * RAMBlock: one piece of guest RAM or ROM in host memory, with one dirty bitmap per
 * client.
 *
 *   host  ---> | page 0 | page 1 | page 2 | ...     mmap: anonymous, file or shared
 *   dirty[c]   |   1    |   0    |   1    | ...     one bit a page, for each client c
 *   clean[c] > |   0    |   1    |   0    | ...     inverted: zeroed memory says "all
 *                                                   dirty" and costs nothing
 *
 * A dirty bit is set by whoever writes the page (TCG's store slow path, DMA, KVM's dirty
 * log) and read-and-cleared by its client. For DIRTY_CODE the bit's meaning is "no
 * translated code here": a clear bit makes stores take the slow path, which invalidates
 * the blocks they hit.
 *
 * Threads: bitmap operations are atomic; the rest is set up before the guest runs.
 */
#ifndef VITRINE_MEM_RAMBLOCK_H
#define VITRINE_MEM_RAMBLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"
#include "util/error.h"

typedef enum DirtyClient {
    DIRTY_CODE,      /* translated code: cleared when a block is made from the page */
    DIRTY_DISPLAY,   /* frame buffers */
    DIRTY_MIGRATION, /* QEMU's name; the console's map of written pages */
    DIRTY_HISTORY,   /* moments to go back to: state/history.h */
    DIRTY_CLIENT_COUNT
} DirtyClient;

#define DIRTY_ALL_CLIENTS ((1u << DIRTY_CLIENT_COUNT) - 1)

typedef enum RamBacking { RAM_ANONYMOUS, RAM_FILE, RAM_SHARED } RamBacking;

typedef struct RAMBlock {
    char *name;
    uint8_t *host;
    uint64_t size; /* bytes, a multiple of PAGE_SIZE */
    ram_addr base; /* the machine-wide address of its first byte */
    RamBacking backing;
    int fd;                              /* RAM_FILE and RAM_SHARED, else -1 */
    uint64_t *clean[DIRTY_CLIENT_COUNT]; /* bit p: page p is clean; NULL: never tracked */
    uint32_t active_clients; /* bit c: client c tracks; others read as all dirty */
    struct RAMBlock *next;
} RAMBlock;

/* All RAM of one machine; hands out ram_addr space. */
typedef struct RamList {
    RAMBlock *first;
    ram_addr next_base;
} RamList;

void ram_list_init(RamList *list);
void ram_list_destroy(RamList *list); /* frees every block */

/* Makes a block of zeroed memory. `size` is rounded up to a page. `path` for RAM_FILE
 * only. Owns: the list. Errors: no memory, the file cannot be opened or grown. */
RAMBlock *ramblock_new(RamList *list, const char *name, uint64_t size, RamBacking backing,
                       const char *path, Error **errp);
RAMBlock *ram_list_find(const RamList *list, ram_addr addr); /* NULL if none */
/* The block that holds a host pointer, or NULL. */
RAMBlock *ram_list_find_host(const RamList *list, const void *host);

/* Marks pages dirty for every client in the mask (bit c = client c). Called after the
 * bytes are written: a client that clears the bit and then copies the page either sees
 * them or the bit again. */
void ramblock_set_dirty(RAMBlock *rb, uint64_t offset, uint64_t len, uint32_t clients);
/* True if the page of `offset` is dirty for the client (inactive clients: always). */
bool ramblock_is_dirty(const RAMBlock *rb, uint64_t offset, DirtyClient client);
/* True if any page of [offset, offset + len) is clean for the client: for DIRTY_CODE,
 * if there may be translated code. */
bool ramblock_any_clean(const RAMBlock *rb, uint64_t offset, uint64_t len,
                        DirtyClient client);
/* The clients (bit mask, active ones only) for which the page of `offset` is clean. 0:
 * a store may go straight to memory. */
uint32_t ramblock_clean_clients(const RAMBlock *rb, uint64_t offset);
/* Clears one page's bit; true if it was set. The caller resets softmmu TLBs
 * (tlb_reset_dirty) before it reads the page. An inactive client's bit stays set. */
bool ramblock_clear_dirty(RAMBlock *rb, uint64_t offset, DirtyClient client);
/* Reads and clears `pages` bits from page `first` into `out` (bit 0 of out[0] = first;
 * whole words are written, the rest of the last one zero; may be NULL). Returns how
 * many were set; for an inactive client all, and they stay so. */
uint64_t ramblock_sync_dirty(RAMBlock *rb, uint64_t first, uint64_t pages,
                             DirtyClient client, uint64_t *out);
/* The same without clearing anything. For an inactive client all are set. */
uint64_t ramblock_peek_dirty(const RAMBlock *rb, uint64_t first, uint64_t pages,
                             DirtyClient client, uint64_t *out);
/* Starts or stops tracking for a client; starting marks everything dirty. DIRTY_CODE
 * is always on. If the host has no memory for the bitmap the client stays inactive:
 * everything reads as dirty. */
void ramblock_set_tracking(RAMBlock *rb, DirtyClient client, bool on);

#endif
