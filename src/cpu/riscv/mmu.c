/* SPDX-License-Identifier: MIT */
/*
 * MMU: page-table walks and what they put in the TLB.
 *
 *   satp --> table --vpn[2]--> table --vpn[1]--> table --vpn[0]--> leaf PTE
 *                                                                  page, R W X U G A D
 *                                                                     |
 *   both levels of the TLB <--- page, rights that this mode has <--- PMP, PMA
 *                                                                  (RAM, ROM, device)
 *
 * PTEs are read through host pointers: the RAM range the last one was found in, and the
 * interval of equal PMP rights, are remembered, so a level costs two compares and a load.
 *
 * Second-level entries carry a stamp; one that is not made of the present values misses:
 *
 *   epoch + generation of the ASID's set | MXR | global | paged | ASID
 *
 * so sfence.vma for an address space or for all is one addition, and a change of ASID,
 * MXR or of bare mode is a change of stamp.
 *
 * Invariants: a TLB entry has W only if the PTE's D is set, so that the first store walks
 * again.
 * Threads: the hart's own; PTEs are read and updated atomically.
 * Spec: Privileged Architecture 20240411, 4.3.2 (the algorithm), 4.4-4.6, chapters
 * "Svnapot", "Svpbmt", "Svinval", "Svadu".
 * Deviates: a write of satp that keeps the ASID but moves the root table also forgets that
 * ASID's translations; the manual leaves it to sfence.vma.
 */
#include "cpu/riscv/bits.h"
#include "cpu/riscv/cpu.h"
#include "cpu/riscv/walk.h"
#include "util/counter.h"

/* A stamp: bits 15:0 the ASID, then these flags, from STAMP_SHIFT on epoch + generation. */
enum {
    STAMP_PAGED = 1 << 16,
    STAMP_GLOBAL = 1 << 17,
    STAMP_MXR = 1 << 18,
    STAMP_SHIFT = 20
};
#define ALWAYS_INLINE inline __attribute__((always_inline))
enum { NAPOT_64K_BITS = 4 }; /* the only Svnapot size: 16 pages */

/* What a walk may do. */
typedef enum WalkMode {
    WALK_ACCESS,  /* for an access: A and D are updated */
    WALK_PROBE,   /* would fail where an update is due */
    WALK_DEBUG,   /* for a debugger: no update, no permissions */
    WALK_EXPLAIN, /* as ACCESS, but A and D stay in memory as they are */
} WalkMode;

static bool is_bare(const RiscvCPU *cpu, unsigned mmu_idx) {
    unsigned shift = riscv_is_rv32(cpu) ? SATP32_MODE_SHIFT : SATP64_MODE_SHIFT;
    uint64_t satp = riscv_is_rv32(cpu) ? (uint32_t)cpu->env.satp : cpu->env.satp;
    return mmu_idx == MMU_M || satp >> shift == SATP_BARE;
}

static unsigned satp_asid(const RiscvCPU *cpu, uint64_t satp) {
    return riscv_is_rv32(cpu) ? satp >> SATP32_ASID_SHIFT & SATP32_ASID_MASK
                              : satp >> SATP64_ASID_SHIFT & SATP64_ASID_MASK;
}

/* --- stamps and flushes ------------------------------------------------------------- */
typedef struct Stamps {
    uint64_t own, global;
} Stamps;

static Stamps stamps_now(const RiscvCPU *cpu, unsigned mmu_idx) {
    uint64_t epoch = cpu->parent.tlb_epoch;
    if (is_bare(cpu, mmu_idx)) {
        return (Stamps){epoch << STAMP_SHIFT, epoch << STAMP_SHIFT};
    }
    unsigned asid = satp_asid(cpu, cpu->env.satp);
    uint64_t mxr = cpu->env.mstatus & MSTATUS_MXR ? STAMP_MXR : 0;
    /* Both only grow, so no sum comes twice. */
    uint64_t generation = epoch + cpu->env.asid_generation[asid % RISCV_ASID_SETS];
    return (Stamps){.own = generation << STAMP_SHIFT | mxr | STAMP_PAGED | asid,
                    .global = epoch << STAMP_SHIFT | mxr | STAMP_PAGED | STAMP_GLOBAL};
}

/* The two halves of the address space: user and kernel, in practice. */
static unsigned half_of(const RiscvCPU *cpu, vaddr addr) {
    return addr >> (riscv_is_rv32(cpu) ? 31 : 63) & 1;
}

void riscv_tlb_flush_all(RiscvCPU *cpu) {
    for (unsigned half = 0; half < 2; half++) {
        cpu->mmu.large_first[half] = 1;
        cpu->mmu.large_last[half] = 0;
    }
    cpu_tlb_flush(&cpu->parent);
}

void riscv_tlb_flush_asid(RiscvCPU *cpu, unsigned asid) {
    cpu->env.asid_generation[asid % RISCV_ASID_SETS]++;
    if (asid % RISCV_ASID_SETS == satp_asid(cpu, cpu->env.satp) % RISCV_ASID_SETS) {
        cpu_tlb_switch(&cpu->parent);
    }
}

void riscv_tlb_flush_page(RiscvCPU *cpu, vaddr addr) {
    if (riscv_is_rv32(cpu)) {
        addr = (uint32_t)addr;
    }
    unsigned half = half_of(cpu, addr);
    if (addr >= cpu->mmu.large_first[half] && addr <= cpu->mmu.large_last[half]) {
        riscv_tlb_flush_all(cpu); /* maybe in a superpage, whose pages are many entries */
    } else {
        cpu_tlb_flush_page(&cpu->parent, addr);
    }
}

static void note_superpage(RiscvCPU *cpu, vaddr addr, unsigned page_bits) {
    unsigned half = half_of(cpu, addr);
    RiscvMmuCache *mmu = &cpu->mmu;
    vaddr mask = ((vaddr)1 << page_bits) - 1;
    vaddr first = addr & ~mask, last = addr | mask;
    if (mmu->large_first[half] > mmu->large_last[half]) {
        mmu->large_first[half] = first;
        mmu->large_last[half] = last;
        return;
    }
    mmu->large_first[half] =
        first < mmu->large_first[half] ? first : mmu->large_first[half];
    mmu->large_last[half] = last > mmu->large_last[half] ? last : mmu->large_last[half];
}

void riscv_satp_changed(RiscvCPU *cpu, uint64_t old) {
    unsigned asid = satp_asid(cpu, cpu->env.satp);
    if (asid == satp_asid(cpu, old)) {
        cpu->env.asid_generation[asid % RISCV_ASID_SETS]++;
    }
    cpu_tlb_switch(&cpu->parent);
}

/* --- physical memory ---------------------------------------------------------------- */
/* Host pointer to the RAM or ROM at `addr` if its naturally aligned `size` bytes are in
 * one range, else NULL; cpu->mmu tells which block and whether it is ROM. */
static uint8_t *host_at(RiscvCPU *cpu, hwaddr addr, unsigned size) {
    RiscvMmuCache *mmu = &cpu->mmu;
    const AddressSpace *as = cpu->parent.as;
    const FlatView *view = __atomic_load_n(&as->view, __ATOMIC_ACQUIRE);
    if (view != mmu->view || mmu->epoch != cpu->parent.tlb_epoch ||
        addr < mmu->ram_first || addr > mmu->ram_last) {
        const FlatRange *fr = address_space_find(as, addr);
        if (!fr || !fr->is_ram) {
            return NULL;
        }
        mmu->view = view;
        mmu->epoch = cpu->parent.tlb_epoch;
        mmu->ram = fr->mr->ram;
        mmu->ram_writable = flat_range_is_writable_ram(fr);
        mmu->ram_first = fr->addr;
        mmu->ram_last = flat_range_last(fr);
        mmu->ram_host = fr->mr->ram->host + fr->mr_offset;
    }
    if (addr & (size - 1) || mmu->ram_last - addr < size - 1) {
        return NULL;
    }
    return mmu->ram_host + (addr - mmu->ram_first);
}

/* --- page-table entries ------------------------------------------------------------- */
typedef struct PteRef {
    hwaddr addr;
    uint8_t *host;
    uint64_t value;
    bool wide; /* 8 bytes; Sv32: 4 */
} PteRef;

/* Other than WALK_ALLOWED: an access fault. Implicit accesses are made with S privilege; page
 * tables in devices are not supported (a PMA of this machine). */
static inline RiscvWalkReason pte_load(RiscvCPU *cpu, PteRef *pte) {
    unsigned size = pte->wide ? 8 : 4;
    bool whole;
    if (!(riscv_pmp_check(cpu, pte->addr, size, PRV_S, &whole) & PROT_R)) {
        return WALK_PTE_PMP;
    }
    pte->host = host_at(cpu, pte->addr, size);
    if (!pte->host) {
        return WALK_PTE_NOT_RAM;
    }
    if (pte->wide) {
        pte->value =
            __atomic_load_n((const uint64_t *)(const void *)pte->host, __ATOMIC_ACQUIRE);
    } else {
        pte->value =
            __atomic_load_n((const uint32_t *)(const void *)pte->host, __ATOMIC_ACQUIRE);
    }
    return WALK_ALLOWED;
}

typedef enum PteUpdate {
    PTE_UPDATED,
    PTE_CHANGED_MEANWHILE,
    PTE_NOT_WRITABLE, /* an access fault */
    PTE_NOT_ALLOWED,  /* a page fault: software is to do it */
} PteUpdate;

/* Sets bits of a PTE in memory, if it is still what was read; `dry`: tells what would
 * happen. */
static PteUpdate pte_set(RiscvCPU *cpu, const PteRef *pte, uint64_t bits, bool dry) {
    unsigned size = pte->wide ? 8 : 4;
    bool whole;
    if (!(riscv_pmp_check(cpu, pte->addr, size, PRV_S, &whole) & PROT_W) ||
        !cpu->mmu.ram_writable) {
        return PTE_NOT_WRITABLE;
    }
    if (dry) {
        return PTE_UPDATED;
    }
    bool done;
    if (pte->wide) {
        uint64_t expected = pte->value;
        done = __atomic_compare_exchange_n((uint64_t *)(void *)pte->host, &expected,
                                           pte->value | bits, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    } else {
        uint32_t expected = (uint32_t)pte->value;
        done = __atomic_compare_exchange_n((uint32_t *)(void *)pte->host, &expected,
                                           (uint32_t)(pte->value | bits), false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    if (!done) {
        return PTE_CHANGED_MEANWHILE;
    }
    uint64_t offset = (uint64_t)(pte->host - cpu->mmu.ram->host);
    if (ramblock_clean_clients(cpu->mmu.ram, offset)) {
        /* As a device's DMA: tells the dirty clients, and drops code made from the page.
         */
        address_space_unmap(cpu->parent.as, pte->host, size, true);
    }
    return PTE_UPDATED;
}

/* What makes the entry invalid, or which bits are set that are reserved; else
 * WALK_ALLOWED. */
static inline RiscvWalkReason pte_fault(const RiscvCPU *cpu, const PteRef *pte,
                                        unsigned level) {
    uint64_t v = pte->value;
    bool leaf = v & (PTE_R | PTE_X);
    if (!(v & PTE_V)) {
        return WALK_NOT_VALID;
    }
    if ((v & (PTE_R | PTE_W)) == PTE_W) {
        return WALK_W_WITHOUT_R;
    }
    if (!leaf && v & (PTE_A | PTE_D | PTE_U)) {
        return WALK_POINTER_BITS;
    }
    if (!pte->wide || !(v & (PTE_RESERVED | PTE_PBMT | PTE_N))) {
        return WALK_ALLOWED;
    }
    if (v & PTE_RESERVED) {
        return WALK_RESERVED;
    }
    if (v & PTE_PBMT) {
        bool on = cpu->cfg.svpbmt && (cpu->env.menvcfg & ENVCFG_PBMTE);
        if (!on || !leaf || (v & PTE_PBMT) == PTE_PBMT) {
            return !on ? WALK_PBMT_OFF : !leaf ? WALK_PBMT_POINTER : WALK_PBMT_RESERVED;
        }
    }
    if (v & PTE_N) {
        uint64_t low = v >> PTE_PPN_SHIFT & ((1 << NAPOT_64K_BITS) - 1);
        if (!cpu->cfg.svnapot || !leaf) {
            return leaf ? WALK_NAPOT_OFF : WALK_NAPOT_POINTER;
        }
        if (level || low != 1 << (NAPOT_64K_BITS - 1)) {
            return level ? WALK_NAPOT_LEVEL : WALK_NAPOT_SIZE;
        }
    }
    return WALK_ALLOWED;
}

/* PROT_* that a leaf gives to the mode, A and D aside. */
static unsigned leaf_rights(const RiscvCPU *cpu, uint64_t pte, unsigned mmu_idx) {
    unsigned prot = (pte & PTE_R ? PROT_R : 0) | (pte & PTE_W ? PROT_W : 0) |
                    (pte & PTE_X ? PROT_X : 0);
    if (prot & PROT_X && cpu->env.mstatus & MSTATUS_MXR) {
        prot |= PROT_R;
    }
    if (mmu_idx == MMU_U) {
        return pte & PTE_U ? prot : 0;
    }
    if (pte & PTE_U) {
        return mmu_idx == MMU_S_SUM ? prot & ~(unsigned)PROT_X : 0;
    }
    return prot;
}

static unsigned prot_needed(AccessKind kind) {
    static const uint8_t needed[] = {
        [ACCESS_LOAD] = PROT_R, [ACCESS_STORE] = PROT_W, [ACCESS_FETCH] = PROT_X};
    return needed[kind];
}

/* Why leaf_rights() does not give what the access needs. */
static RiscvWalkReason rights_reason(uint64_t pte, AccessKind kind, unsigned mmu_idx) {
    static const uint8_t clear[] = {[ACCESS_LOAD] = WALK_NOT_READABLE,
                                    [ACCESS_STORE] = WALK_NOT_WRITABLE,
                                    [ACCESS_FETCH] = WALK_NOT_EXECUTABLE};
    if (mmu_idx == MMU_U && !(pte & PTE_U)) {
        return WALK_SUPERVISOR_PAGE;
    }
    if (mmu_idx != MMU_U && pte & PTE_U) {
        if (kind == ACCESS_FETCH) {
            return WALK_USER_FETCH;
        }
        if (mmu_idx != MMU_S_SUM) {
            return WALK_USER_PAGE;
        }
    }
    return (RiscvWalkReason)clear[kind];
}

/* --- the walk ----------------------------------------------------------------------- */
static bool walk_page_fault(RiscvWalk *walk, AccessKind kind, RiscvWalkReason reason) {
    static const uint8_t causes[] = {[ACCESS_LOAD] = CAUSE_LOAD_PAGE,
                                     [ACCESS_STORE] = CAUSE_STORE_PAGE,
                                     [ACCESS_FETCH] = CAUSE_INSN_PAGE};
    walk->fault = causes[kind];
    walk->reason = (uint8_t)reason;
    return false;
}

static bool walk_access_fault(RiscvWalk *walk, AccessKind kind, RiscvWalkReason reason) {
    static const uint8_t causes[] = {[ACCESS_LOAD] = CAUSE_LOAD_ACCESS,
                                     [ACCESS_STORE] = CAUSE_STORE_ACCESS,
                                     [ACCESS_FETCH] = CAUSE_INSN_ACCESS};
    walk->fault = causes[kind];
    walk->reason = (uint8_t)reason;
    return false;
}

/* The shape of the tables. */
typedef struct Paging {
    unsigned levels, index_bits;
    hwaddr root;
    bool wide;
} Paging;

/* False: the address is not canonical. */
static bool paging_of(const RiscvCPU *cpu, vaddr addr, Paging *p) {
    uint64_t satp = cpu->env.satp;
    if (riscv_is_rv32(cpu)) {
        *p = (Paging){2, 10, (satp & SATP32_PPN_MASK) << PAGE_BITS, false};
        return true;
    }
    p->levels = (unsigned)(satp >> SATP64_MODE_SHIFT) - SATP_SV39 + 3;
    p->index_bits = 9;
    p->root = (satp & SATP64_PPN_MASK) << PAGE_BITS;
    p->wide = true;
    unsigned unused = 64 - (PAGE_BITS + p->levels * p->index_bits);
    return (vaddr)((int64_t)(addr << unused) >> unused) == addr;
}

/* Makes the result from a leaf at `level`. False: misaligned superpage. */
static bool leaf_result(const Paging *p, uint64_t pte, unsigned level, vaddr addr,
                        RiscvWalk *walk) {
    uint64_t ppn = pte >> PTE_PPN_SHIFT & (p->wide ? SATP64_PPN_MASK : SATP32_PPN_MASK);
    uint64_t within = ((uint64_t)1 << (level * p->index_bits)) - 1;
    if (ppn & within) {
        return false;
    }
    if (p->wide && pte & PTE_N) {
        within = (1 << NAPOT_64K_BITS) - 1;
        walk->page_bits = PAGE_BITS + NAPOT_64K_BITS;
    } else {
        walk->page_bits = (uint8_t)(PAGE_BITS + level * p->index_bits);
    }
    walk->phys = ((ppn & ~within) | (addr >> PAGE_BITS & within)) << PAGE_BITS;
    return true;
}

/* Sees to it that A is set, and D for a store. */
static PteUpdate leaf_touch(RiscvCPU *cpu, PteRef *pte, AccessKind kind, WalkMode mode) {
    uint64_t missing = (kind == ACCESS_STORE ? PTE_A | PTE_D : PTE_A) & ~pte->value;
    if (!missing) {
        return PTE_UPDATED;
    }
    bool hardware = cpu->cfg.svadu && (cpu->env.menvcfg & ENVCFG_ADUE);
    if (!hardware || mode == WALK_PROBE) {
        return PTE_NOT_ALLOWED;
    }
    PteUpdate update = pte_set(cpu, pte, missing, mode == WALK_EXPLAIN);
    if (update == PTE_UPDATED) {
        pte->value |= missing;
    }
    return update;
}

/* Notes one level. */
static void record_step(const RiscvCPU *cpu, RiscvWalkRecord *rec, const PteRef *pte,
                        unsigned level, unsigned index, RiscvWalkReason reason) {
    bool read = reason != WALK_PTE_PMP && reason != WALK_PTE_NOT_RAM;
    bool pointer = read && !(pte->value & (PTE_R | PTE_X));
    rec->step[rec->count++] = (RiscvWalkStep){
        .level = level,
        .index = index,
        .pte_addr = pte->addr,
        .read = read,
        .pte = read ? pte->value : 0,
        .pmp_entry = cpu->mmu.pmp_entry[0],
        .reason = reason != WALK_ALLOWED || !pointer ? reason : WALK_POINTER,
    };
}

/* Goes down to the leaf: *pte and its level. False: a fault. `rec` is NULL on the hot path;
 * inlined there, so that asking costs nothing. */
static ALWAYS_INLINE bool walk_levels(RiscvCPU *cpu, vaddr addr, AccessKind kind,
                                      const Paging *paging, RiscvWalk *walk, PteRef *pte,
                                      unsigned *leaf_level, RiscvWalkRecord *rec) {
    hwaddr table = paging->root;
    unsigned level = paging->levels;
    pte->wide = paging->wide;
    walk->global = false;
    do {
        level--;
        unsigned shift = PAGE_BITS + level * paging->index_bits;
        uint64_t index = addr >> shift & ((1u << paging->index_bits) - 1);
        pte->addr = table + (paging->wide ? index * 8 : index * 4);
        RiscvWalkReason reason = pte_load(cpu, pte);
        if (reason != WALK_ALLOWED) {
            if (rec) {
                record_step(cpu, rec, pte, level, (unsigned)index, reason);
            }
            return walk_access_fault(walk, kind, reason);
        }
        reason = pte_fault(cpu, pte, level);
        if (rec) {
            record_step(cpu, rec, pte, level, (unsigned)index, reason);
        }
        if (__builtin_expect(reason != WALK_ALLOWED, 0)) {
            return walk_page_fault(walk, kind, reason);
        }
        walk->global |= (pte->value & PTE_G) != 0;
        uint64_t ppn =
            pte->value >> PTE_PPN_SHIFT & (pte->wide ? SATP64_PPN_MASK : SATP32_PPN_MASK);
        table = ppn << PAGE_BITS;
    } while (!(pte->value & (PTE_R | PTE_X)) && level);
    *leaf_level = level;
    if (!(pte->value & (PTE_R | PTE_X))) {
        return walk_page_fault(walk, kind, WALK_NO_LEAF);
    }
    return true;
}

static ALWAYS_INLINE bool walk_tables(RiscvCPU *cpu, vaddr addr, AccessKind kind,
                                      unsigned mmu_idx, WalkMode mode, RiscvWalk *walk,
                                      RiscvWalkRecord *rec) {
    Paging paging;
    PteRef pte;
    unsigned level;
restart:
    if (!paging_of(cpu, addr, &paging)) {
        return walk_page_fault(walk, kind, WALK_NOT_CANONICAL);
    }
    if (!walk_levels(cpu, addr, kind, &paging, walk, &pte, &level, rec)) {
        return false;
    }
    walk->prot = leaf_rights(cpu, pte.value, mmu_idx);
    if (!leaf_result(&paging, pte.value, level, addr, walk)) {
        return walk_page_fault(walk, kind, WALK_MISALIGNED);
    }
    if (mode == WALK_DEBUG) {
        return true;
    }
    if (!(walk->prot & prot_needed(kind))) {
        return walk_page_fault(walk, kind, rights_reason(pte.value, kind, mmu_idx));
    }
    switch (leaf_touch(cpu, &pte, kind, mode)) {
    case PTE_UPDATED:
        break;
    case PTE_CHANGED_MEANWHILE:
        goto restart;
    case PTE_NOT_WRITABLE:
        return walk_access_fault(walk, kind, WALK_PTE_NOT_WRITABLE);
    case PTE_NOT_ALLOWED:
        return walk_page_fault(walk, kind,
                               pte.value & PTE_A ? WALK_D_CLEAR : WALK_A_CLEAR);
    }
    if (rec) {
        rec->would_set = pte.value & ~rec->step[rec->count - 1].pte;
    }
    if (!(pte.value & PTE_D)) {
        walk->prot &= ~(unsigned)PROT_W;
    }
    return true;
}

static ALWAYS_INLINE bool walk_any(RiscvCPU *cpu, vaddr addr, AccessKind kind,
                                   unsigned mmu_idx, WalkMode mode, RiscvWalk *walk,
                                   RiscvWalkRecord *rec) {
    if (is_bare(cpu, mmu_idx)) {
        walk->phys = addr & PAGE_MASK;
        walk->prot = PROT_R | PROT_W | PROT_X;
        walk->global = true;
        walk->page_bits = PAGE_BITS;
        return true;
    }
    return walk_tables(cpu, addr, kind, mmu_idx, mode, walk, rec);
}

bool riscv_walk(RiscvCPU *cpu, vaddr addr, AccessKind kind, unsigned mmu_idx, bool debug,
                RiscvWalk *walk) {
    return walk_any(cpu, addr, kind, mmu_idx, debug ? WALK_DEBUG : WALK_ACCESS, walk,
                    NULL);
}

unsigned riscv_fetch_mmu_idx(const CPUState *cs) {
    const RiscvCPU *cpu = (const RiscvCPU *)cs;
    switch (cpu->env.priv) {
    case PRV_U:
        return MMU_U;
    case PRV_S:
        return MMU_S; /* SUM does not let S mode run user pages */
    default:
        return MMU_M;
    }
}

bool riscv_debug_translate(CPUState *cs, vaddr addr, hwaddr *phys) {
    RiscvWalk walk;
    if (!riscv_walk(riscv_cpu(cs), addr, ACCESS_LOAD, riscv_fetch_mmu_idx(cs), true,
                    &walk)) {
        return false;
    }
    *phys = walk.phys | (addr & PAGE_OFFSET_MASK);
    return true;
}

/* --- filling the TLB ---------------------------------------------------------------- */
/* What is to be entered for a page. */
typedef struct Page {
    hwaddr phys;
    unsigned prot;
    uint8_t *host; /* NULL: not RAM or ROM */
    RAMBlock *ram;
    unsigned flags; /* TLB_* */
} Page;

static void enter_first(RiscvCPU *cpu, vaddr addr, AccessKind kind, unsigned mmu_idx,
                        const Page *page) {
    CPUState *cs = &cpu->parent;
    unsigned flags = page->flags;
    if (trace_on(cs->trace, TRACE_TLB_FILL)) {
        trace_emit(cs->trace, TRACE_TLB_FILL, (int)cs->index, addr & PAGE_MASK,
                   page->phys, page->prot, mmu_idx);
    }
    if (kind == ACCESS_FETCH) {
        cpu_set_fetch(cs, addr, page->phys, page->host ? page->ram : NULL, page->host,
                      flags & TLB_INVALID);
        return;
    }
    if (cpu->env.triggers_armed && riscv_trigger_on_page(cpu, addr)) {
        flags |= TLB_WATCH;
    }
    if (debug_watches_page(cs->debug.points, addr, page->phys)) {
        flags |= TLB_WATCH;
    }
    tlb_fill(&cs->tcg.tlb, addr, mmu_idx, page->phys, page->prot, page->host, page->ram,
             flags);
}

static bool fill_from_second(RiscvCPU *cpu, vaddr addr, AccessKind kind, unsigned mmu_idx,
                             Stamps stamps) {
    CpuTlb *tlb = &cpu->parent.tcg.tlb;
    const TlbEntry2 *e = tlb_second_find(tlb, addr, mmu_idx, stamps.own, stamps.global);
    if (!e || !(e->phys & prot_needed(kind))) {
        return false;
    }
    counter_up(&tlb->second_hits);
    Page page = {.phys = e->phys & PAGE_MASK,
                 .prot = e->phys & PAGE_OFFSET_MASK,
                 .host = e->host,
                 .ram = e->ram};
    enter_first(cpu, addr, kind, mmu_idx, &page);
    return true;
}

/* Physical memory's side of a page: PMP, and what is there. False: an access fault. */
static bool page_attributes(RiscvCPU *cpu, vaddr addr, unsigned size, AccessKind kind,
                            unsigned mmu_idx, const RiscvWalk *walk, Page *page) {
    hwaddr offset = addr & PAGE_OFFSET_MASK;
    size = size > PAGE_SIZE - offset ? PAGE_SIZE - (unsigned)offset : size;
    bool whole;
    unsigned pmp = riscv_pmp_check(cpu, walk->phys | offset, size,
                                   mmu_idx == MMU_M ? PRV_M : PRV_S, &whole);
    if (!(pmp & prot_needed(kind))) {
        return false;
    }
    *page = (Page){
        .phys = walk->phys, .prot = walk->prot & pmp, .flags = whole ? 0 : TLB_INVALID};
    page->host = host_at(cpu, walk->phys, PAGE_SIZE);
    page->ram = page->host ? cpu->mmu.ram : NULL;
    if (page->host && !cpu->mmu.ram_writable) {
        if (kind == ACCESS_STORE) {
            /* To ROM: this one access goes to the bus, which drops it or asks the device.
             */
            page->host = NULL;
            page->ram = NULL;
            page->flags = TLB_INVALID;
        } else {
            page->prot &= ~(unsigned)PROT_W;
        }
    }
    return true;
}

/* A trigger goes before the fault (3.1.15, table of priorities); for a fetch it compares the
 * instruction's address, not that of its half which cannot be fetched. */
static void raise_fault(RiscvCPU *cpu, RiscvCause cause, vaddr addr, unsigned size,
                        AccessKind kind) {
    vaddr at = kind == ACCESS_FETCH ? cpu->env.pc : addr;
    if (!(cpu->env.triggers_armed & 1u << kind) ||
        !riscv_trigger_check(&cpu->parent, at, size, kind)) {
        riscv_raise(cpu, cause, addr);
    }
}

bool riscv_tlb_fill(CPUState *cs, vaddr addr, unsigned size, AccessKind kind,
                    unsigned mmu_idx, bool probe) {
    RiscvCPU *cpu = riscv_cpu(cs);
    CpuTlb *tlb = &cs->tcg.tlb;
    Stamps stamps = stamps_now(cpu, mmu_idx);
    if (fill_from_second(cpu, addr, kind, mmu_idx, stamps)) {
        return true;
    }
    counter_up(&tlb->walks);
    RiscvWalk walk;
    Page page;
    bool ok =
        walk_any(cpu, addr, kind, mmu_idx, probe ? WALK_PROBE : WALK_ACCESS, &walk, NULL);
    if (ok && !page_attributes(cpu, addr, size, kind, mmu_idx, &walk, &page)) {
        ok = walk_access_fault(&walk, kind, WALK_PMP_DENIED);
    }
    if (!ok) {
        if (!probe) {
            raise_fault(cpu, walk.fault, addr, size, kind);
        }
        return false;
    }
    if (walk.page_bits > PAGE_BITS) {
        note_superpage(cpu, addr, walk.page_bits);
    }
    if (!page.flags) {
        tlb_second_fill(tlb, addr, mmu_idx, walk.global ? stamps.global : stamps.own,
                        page.phys, page.prot, page.ram, page.host);
    }
    enter_first(cpu, addr, kind, mmu_idx, &page);
    return true;
}

/* --- explaining it ------------------------------------------------------------------- */
static void record_result(RiscvWalkRecord *rec, const RiscvWalk *walk, vaddr addr) {
    rec->translated = true;
    rec->phys = walk->phys | (addr & PAGE_OFFSET_MASK);
    rec->prot = walk->prot;
    rec->page_bits = walk->page_bits;
    rec->global = walk->global;
}

static bool record_verdict(RiscvWalkRecord *rec, bool ok, const RiscvWalk *walk) {
    rec->ok = ok;
    rec->reason = ok ? WALK_ALLOWED : (RiscvWalkReason)walk->reason;
    rec->fault = ok ? 0 : walk->fault;
    RiscvWalkStep *last = rec->count ? &rec->step[rec->count - 1] : NULL;
    if (!rec->pmp_asked && last && last->reason == WALK_ALLOWED) {
        last->reason = rec->reason; /* the leaf's rights */
    }
    if (last && rec->reason == WALK_NO_LEAF) {
        last->reason = WALK_NO_LEAF;
    }
    return ok;
}

static void record_begin(const RiscvCPU *cpu, vaddr addr, unsigned mmu_idx,
                         RiscvWalkRecord *rec) {
    Paging paging;
    *rec = (RiscvWalkRecord){.paged = !is_bare(cpu, mmu_idx)};
    if (rec->paged) {
        paging_of(cpu, addr, &paging);
        rec->levels = paging.levels;
        rec->index_bits = paging.index_bits;
        rec->root = paging.root;
    }
}

bool riscv_explain(RiscvCPU *cpu, vaddr addr, unsigned size, AccessKind kind,
                   unsigned mmu_idx, RiscvWalkRecord *rec) {
    RiscvWalk walk;
    Page page;
    record_begin(cpu, addr, mmu_idx, rec);
    if (!walk_any(cpu, addr, kind, mmu_idx, WALK_EXPLAIN, &walk, rec)) {
        return record_verdict(rec, false, &walk);
    }
    record_result(rec, &walk, addr);
    bool ok = page_attributes(cpu, addr, size, kind, mmu_idx, &walk, &page);
    bool machine = mmu_idx == MMU_M;
    rec->pmp_asked = true;
    rec->pmp_prot = cpu->mmu.pmp_prot[machine];
    rec->pmp_entry = cpu->mmu.pmp_entry[machine];
    if (!ok) {
        walk_access_fault(&walk, kind, WALK_PMP_DENIED);
    } else if (!address_space_find(cpu->parent.as, rec->phys)) {
        ok = walk_access_fault(&walk, kind, WALK_NOTHING_THERE); /* the bus error */
    } else {
        rec->prot &= rec->pmp_prot;
    }
    return record_verdict(rec, ok, &walk);
}

bool riscv_explain_mapping(RiscvCPU *cpu, vaddr addr, RiscvWalkRecord *rec) {
    RiscvWalk walk;
    record_begin(cpu, addr, MMU_S, rec);
    bool ok = walk_any(cpu, addr, ACCESS_LOAD, MMU_S, WALK_DEBUG, &walk, rec);
    if (ok) {
        record_result(rec, &walk, addr);
    }
    return record_verdict(rec, ok, &walk);
}

RiscvStamp riscv_stamp_read(const RiscvCPU *cpu, uint64_t stamp, unsigned mmu_idx) {
    Stamps now = stamps_now(cpu, mmu_idx);
    return (RiscvStamp){.paged = stamp & STAMP_PAGED,
                        .global = stamp & STAMP_GLOBAL,
                        .mxr = stamp & STAMP_MXR,
                        .live = stamp == now.own || stamp == now.global,
                        .asid = stamp & SATP64_ASID_MASK};
}
