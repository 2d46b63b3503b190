/* SPDX-License-Identifier: MIT */
/* Softmmu TLB, see tlb.h for the picture. */
#include "mem/tlb.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "util/counter.h"

_Static_assert(sizeof(TlbEntry) == 1 << TLB_ENTRY_BITS, "generated code scales by this");

/* TlbEntry2.key: virtual page number << 8 | TLB2_VALID | mmu index */
enum { TLB2_VALID = 1 << 7, TLB2_VPN_SHIFT = 8 };

static void entry_clear(TlbEntry *e) {
    /* Atomic because tlb_reset_dirty() of another thread may OR a flag in meanwhile. */
    __atomic_store_n(&e->tag_load, TLB_INVALID, __ATOMIC_RELAXED);
    __atomic_store_n(&e->tag_store, TLB_INVALID, __ATOMIC_RELAXED);
}

/* Empty, or good for a single access only: then it is entered in the journal (again). */
static bool entry_is_empty(const TlbEntry *e) {
    uint64_t store = __atomic_load_n(&e->tag_store, __ATOMIC_RELAXED);
    return (e->tag_load == 0 || (e->tag_load & TLB_INVALID)) &&
           (store == 0 || (store & TLB_INVALID));
}

void tlb_init(CpuTlb *tlb) {
    for (unsigned m = 0; m < TLB_MMU_MODES; m++) {
        tlb->journal_count[m] = 0;
        entry_clear(&tlb->entry[m][0]);
        entry_clear(&tlb->entry[m][TLB_SIZE - 1]);
    }
    tlb->second = calloc(TLB2_SIZE, sizeof(*tlb->second));
    assert(tlb->second);
}

void tlb_destroy(CpuTlb *tlb) {
    free(tlb->second);
    tlb->second = NULL;
}

void tlb_flush_first(CpuTlb *tlb) {
    counter_up(&tlb->flushes);
    for (unsigned m = 0; m < TLB_MMU_MODES; m++) {
        unsigned n = tlb->journal_count[m];
        for (unsigned i = 0; i < n; i++) {
            entry_clear(&tlb->entry[m][tlb->journal[m][i]]);
        }
        __atomic_store_n(&tlb->journal_count[m], 0, __ATOMIC_RELAXED);
    }
}

void tlb_flush_first_page(CpuTlb *tlb, vaddr addr) {
    for (unsigned m = 0; m < TLB_MMU_MODES; m++) {
        TlbEntry *e = tlb_entry(tlb, m, addr);
        vaddr page = addr & PAGE_MASK;
        uint64_t store = __atomic_load_n(&e->tag_store, __ATOMIC_RELAXED);
        if ((e->tag_load & PAGE_MASK) == page || (store & PAGE_MASK) == page) {
            entry_clear(e); /* its journal line stays: clearing twice does no harm */
        }
    }
}

static uint64_t second_key(vaddr addr, unsigned mmu_idx) {
    return (addr >> PAGE_BITS) << TLB2_VPN_SHIFT | TLB2_VALID | mmu_idx;
}

TlbKey tlb_second_key_read(uint64_t key) {
    return (TlbKey){.valid = key & TLB2_VALID,
                    .mmu_idx = (unsigned)key & (TLB2_VALID - 1),
                    .page = key >> TLB2_VPN_SHIFT << PAGE_BITS};
}

static TlbEntry2 *second_entry(const CpuTlb *tlb, vaddr addr, unsigned mmu_idx) {
    uint64_t vpn = addr >> PAGE_BITS;
    return &tlb->second[(vpn ^ vpn >> TLB2_BITS ^ (uint64_t)mmu_idx << 12) &
                        (TLB2_SIZE - 1)];
}

const TlbEntry2 *tlb_second_find(const CpuTlb *tlb, vaddr addr, unsigned mmu_idx,
                                 uint64_t stamp, uint64_t global_stamp) {
    const TlbEntry2 *e = second_entry(tlb, addr, mmu_idx);
    if (e->key == second_key(addr, mmu_idx) &&
        (e->stamp == stamp || e->stamp == global_stamp)) {
        return e;
    }
    return NULL;
}

void tlb_second_fill(CpuTlb *tlb, vaddr addr, unsigned mmu_idx, uint64_t stamp,
                     hwaddr phys, unsigned prot, RAMBlock *rb, uint8_t *host) {
    TlbEntry2 *e = second_entry(tlb, addr, mmu_idx);
    e->key = second_key(addr, mmu_idx);
    e->stamp = stamp;
    e->phys = (phys & PAGE_MASK) | prot;
    e->host = host;
    e->ram = rb;
}

void tlb_second_flush_page(CpuTlb *tlb, vaddr addr) {
    for (unsigned m = 0; m < TLB_MMU_MODES; m++) {
        TlbEntry2 *e = second_entry(tlb, addr, m);
        if (e->key == second_key(addr, m)) {
            e->key = 0;
        }
    }
}

TlbEntry *tlb_fill(CpuTlb *tlb, vaddr addr, unsigned mmu_idx, hwaddr phys, unsigned prot,
                   uint8_t *host, RAMBlock *rb, unsigned flags) {
    vaddr page = addr & PAGE_MASK;
    unsigned index = tlb_index(addr);
    TlbEntry *e = &tlb->entry[mmu_idx][index];
    if (entry_is_empty(e)) {
        uint32_t n = tlb->journal_count[mmu_idx];
        if (n == TLB_SIZE) {
            tlb_flush_first(tlb);
            n = 0;
        }
        __atomic_store_n(&tlb->journal[mmu_idx][n], (uint16_t)index, __ATOMIC_RELAXED);
        __atomic_store_n(&tlb->journal_count[mmu_idx], n + 1, __ATOMIC_RELEASE);
    }
    uint64_t load = prot & PROT_R ? page | flags : TLB_INVALID | page;
    uint64_t store = prot & PROT_W ? page | flags : TLB_INVALID | page;
    if (!host) {
        load |= TLB_MMIO;
        store |= TLB_MMIO;
    }
    __atomic_store_n(&e->addend, (uint64_t)(uintptr_t)host - page, __ATOMIC_RELAXED);
    e->phys = phys & PAGE_MASK;
    __atomic_store_n(&e->tag_load, load, __ATOMIC_RELAXED);
    /* The tag is visible before the dirty bits are read, so a concurrent tlb_reset_dirty() either
     * sees this entry or happened before and its cleared bit is seen here. */
    __atomic_store_n(&e->tag_store, store, __ATOMIC_SEQ_CST);
    if (host && rb && (prot & PROT_W) &&
        ramblock_clean_clients(rb, (uint64_t)(host - rb->host))) {
        __atomic_or_fetch(&e->tag_store, TLB_NOTDIRTY, __ATOMIC_RELAXED);
    }
    counter_up(&tlb->fills);
    return e;
}

void tlb_reset_dirty(CpuTlb *tlb, const uint8_t *host, uint64_t len) {
    /* The dirty bit was cleared before. A fill that this scan misses appended to the journal after
     * the count was read here, so it reads the cleared bit itself (both sides are seq_cst). */
    for (unsigned m = 0; m < TLB_MMU_MODES; m++) {
        uint32_t n = __atomic_load_n(&tlb->journal_count[m], __ATOMIC_SEQ_CST);
        for (uint32_t i = 0; i < n; i++) {
            uint16_t index = __atomic_load_n(&tlb->journal[m][i], __ATOMIC_RELAXED);
            TlbEntry *e = &tlb->entry[m][index];
            uint64_t tag = __atomic_load_n(&e->tag_store, __ATOMIC_SEQ_CST);
            if (tag & (TLB_INVALID | TLB_MMIO | TLB_NOTDIRTY)) {
                continue; /* not TLB_WATCH: its slow path looks at TLB_NOTDIRTY */
            }
            uint64_t addend = __atomic_load_n(&e->addend, __ATOMIC_RELAXED);
            uintptr_t page = (uintptr_t)((tag & PAGE_MASK) + addend);
            if (page + PAGE_SIZE > (uintptr_t)host && page < (uintptr_t)host + len) {
                __atomic_or_fetch(&e->tag_store, TLB_NOTDIRTY, __ATOMIC_RELAXED);
            }
        }
    }
}
