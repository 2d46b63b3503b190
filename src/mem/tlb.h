/* SPDX-License-Identifier: MIT */
/*
 * softmmu TLB: what generated code asks before each guest access.
 *
 *   address --+-- bits 25:12 --> entry[mmu_idx][i] --tag == page? --> host = address + addend
 *             |                      | no
 *             |                      v
 *             |                 second level (16 Ki entries, all modes and ASIDs) -- hit: copy up
 *             |                      | no
 *             '------------------> page-table walk, PMP, PMA --> fill both
 *
 * First level: direct mapped, no ASID, read by generated code; changing ASID or flushing empties it
 * through a journal of what was filled, so the cost is in proportion to the fills. Second level:
 * the result of the walk with its ASID and generation; flushing it is adding one to a generation.
 *
 * A tag is the page address, or has a flag below PAGE_BITS set, which never compares equal: then
 * the slow path decides. One tag each for loads and stores; fetches use the second level only.
 *
 * Invariants: an entry of zeroed memory matches no address, except entry 0 (page 0) and the last one
 * (an access that wraps around to page 0 is looked up by its first byte and compared by its last);
 * tlb_init() makes both invalid; so a mode that is not used costs little memory.
 * Threads: a vCPU's TLB is touched by its own thread; others ask by work items. The exception is
 * tlb_reset_dirty(), which sets TLB_NOTDIRTY flags atomically.
 */
#ifndef VITRINE_MEM_TLB_H
#define VITRINE_MEM_TLB_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/memory.h"
#include "util/addr.h"

enum {
    TLB_BITS = 14,
    TLB_SIZE = 1 << TLB_BITS,
    TLB_MMU_MODES = 4,
    TLB2_BITS = 14,
    TLB2_SIZE = 1 << TLB2_BITS,
    TLB_ENTRY_BITS = 5, /* log2(sizeof(TlbEntry)), hard-coded in generated code */
};

enum {
    /* Never matches; under a page address: good for one access only. */
    TLB_INVALID = 1 << 11,
    /* Stores: a dirty client wants to know (or there is code here). */
    TLB_NOTDIRTY = 1 << 10,
    TLB_MMIO = 1 << 9,  /* not plain RAM */
    TLB_WATCH = 1 << 8, /* a watch point is on this page */
    TLB_FLAGS = TLB_INVALID | TLB_NOTDIRTY | TLB_MMIO | TLB_WATCH,
};

typedef struct TlbEntry {
    uint64_t tag_load;  /* page address | flags */
    uint64_t tag_store; /* page address | flags */
    uint64_t addend;    /* host address - guest virtual address; RAM pages only */
    hwaddr phys;        /* physical page of the virtual page */
} TlbEntry;

enum { PROT_R = 1, PROT_W = 2, PROT_X = 4 };

/* Second level: what a walk found out, for one page. */
typedef struct TlbEntry2 {
    /* Virtual page number << 8 | mmu_idx; 0 is impossible (TLB2_VALID is set). */
    uint64_t key;
    uint64_t stamp; /* generation of its ASID (global pages: of all) */
    hwaddr phys;    /* physical page | PROT_* */
    uint8_t *host;  /* host address of the page, NULL if not RAM */
    RAMBlock *ram;  /* for dirty tracking and code look-up, NULL if not RAM */
} TlbEntry2;

typedef struct CpuTlb {
    TlbEntry entry[TLB_MMU_MODES][TLB_SIZE];
    uint16_t journal[TLB_MMU_MODES]
                    [TLB_SIZE];            /* indices filled since the mode was emptied */
    uint32_t journal_count[TLB_MMU_MODES]; /* atomic: tlb_reset_dirty() reads it */
    TlbEntry2 *second;                     /* TLB2_SIZE entries */
    uint64_t fills, second_hits, flushes, walks; /* for the inspector: util/counter.h */
} CpuTlb;

void tlb_init(CpuTlb *tlb);
void tlb_destroy(CpuTlb *tlb);

static inline unsigned tlb_index(vaddr addr) {
    return (unsigned)(addr >> PAGE_BITS) & (TLB_SIZE - 1);
}
static inline TlbEntry *tlb_entry(CpuTlb *tlb, unsigned mmu_idx, vaddr addr) {
    return &tlb->entry[mmu_idx][tlb_index(addr)];
}

/* Empties the first level. Cost: in proportion to the entries filled since the last time. */
void tlb_flush_first(CpuTlb *tlb);
/* Drops one page from the first level in every mode. */
void tlb_flush_first_page(CpuTlb *tlb, vaddr addr);

/* Second level. `stamp` is made by the CPU from ASID and generation; a stale stamp misses. */
const TlbEntry2 *tlb_second_find(const CpuTlb *tlb, vaddr addr, unsigned mmu_idx,
                                 uint64_t stamp, uint64_t global_stamp);
void tlb_second_fill(CpuTlb *tlb, vaddr addr, unsigned mmu_idx, uint64_t stamp,
                     hwaddr phys, unsigned prot, RAMBlock *rb, uint8_t *host);
void tlb_second_flush_page(CpuTlb *tlb, vaddr addr);
/* What TlbEntry2.key says; for the inspector. */
typedef struct TlbKey {
    bool valid;
    unsigned mmu_idx;
    vaddr page;
} TlbKey;
TlbKey tlb_second_key_read(uint64_t key);

/* Puts a page in the first level: the last step of the ISA's CpuClass.tlb_fill(), which finds out what
 * the page is. prot: PROT_*; host NULL: MMIO; flags: TLB_* for both tags. */
TlbEntry *tlb_fill(CpuTlb *tlb, vaddr addr, unsigned mmu_idx, hwaddr phys, unsigned prot,
                   uint8_t *host, RAMBlock *rb, unsigned flags);

/* Makes stores to the RAM page at `host` take the slow path again (its dirty bit was cleared).
 * Threads: any. */
void tlb_reset_dirty(CpuTlb *tlb, const uint8_t *host, uint64_t len);

#endif
