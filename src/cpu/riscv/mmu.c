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

/* A stamp: bits 15:0 the ASID, then these flags, from STAMP_SHIFT on epoch + generation. */
enum {
    STAMP_PAGED = 1 << 16,
    STAMP_GLOBAL = 1 << 17,
    STAMP_MXR = 1 << 18,
    STAMP_SHIFT = 20
};
enum { NAPOT_64K_BITS = 4 }; /* the only Svnapot size: 16 pages */

/* What a walk may do. */
typedef enum WalkMode {
    WALK_ACCESS, /* for an access: A and D are updated */
    WALK_PROBE,  /* would fail where an update is due */
    WALK_DEBUG,  /* for a debugger: no update, no permissions */
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

/* False: an access fault. Implicit accesses are made with S privilege; page tables in
 * devices are not supported (a PMA of this machine). */
static bool pte_load(RiscvCPU *cpu, PteRef *pte) {
    unsigned size = pte->wide ? 8 : 4;
    bool whole;
    if (!(riscv_pmp_check(cpu, pte->addr, size, PRV_S, &whole) & PROT_R)) {
        return false;
    }
    pte->host = host_at(cpu, pte->addr, size);
    if (!pte->host) {
        return false;
    }
    if (pte->wide) {
        pte->value =
            __atomic_load_n((const uint64_t *)(const void *)pte->host, __ATOMIC_ACQUIRE);
    } else {
        pte->value =
            __atomic_load_n((const uint32_t *)(const void *)pte->host, __ATOMIC_ACQUIRE);
    }
    return true;
}

typedef enum PteUpdate {
    PTE_UPDATED,
    PTE_CHANGED_MEANWHILE,
    PTE_NOT_WRITABLE, /* an access fault */
    PTE_NOT_ALLOWED,  /* a page fault: software is to do it */
} PteUpdate;

/* Sets bits of a PTE in memory, if it is still what was read. */
static PteUpdate pte_set(RiscvCPU *cpu, const PteRef *pte, uint64_t bits) {
    unsigned size = pte->wide ? 8 : 4;
    bool whole;
    if (!(riscv_pmp_check(cpu, pte->addr, size, PRV_S, &whole) & PROT_W) ||
        !cpu->mmu.ram_writable) {
        return PTE_NOT_WRITABLE;
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

/* True if the entry is invalid or has bits set that are reserved. */
static bool pte_is_bad(const RiscvCPU *cpu, const PteRef *pte, unsigned level) {
    uint64_t v = pte->value;
    bool leaf = v & (PTE_R | PTE_X);
    if (!(v & PTE_V) || (v & (PTE_R | PTE_W)) == PTE_W) {
        return true;
    }
    if (!leaf && v & (PTE_A | PTE_D | PTE_U)) {
        return true;
    }
    if (!pte->wide) {
        return false;
    }
    if (v & PTE_RESERVED) {
        return true;
    }
    if (v & PTE_PBMT) {
        bool on = cpu->cfg.svpbmt && (cpu->env.menvcfg & ENVCFG_PBMTE);
        if (!on || !leaf || (v & PTE_PBMT) == PTE_PBMT) {
            return true;
        }
    }
    if (v & PTE_N) {
        uint64_t low = v >> PTE_PPN_SHIFT & ((1 << NAPOT_64K_BITS) - 1);
        return !cpu->cfg.svnapot || !leaf || level || low != 1 << (NAPOT_64K_BITS - 1);
    }
    return false;
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

/* --- the walk ----------------------------------------------------------------------- */
static bool walk_page_fault(RiscvWalk *walk, AccessKind kind) {
    static const uint8_t causes[] = {[ACCESS_LOAD] = CAUSE_LOAD_PAGE,
                                     [ACCESS_STORE] = CAUSE_STORE_PAGE,
                                     [ACCESS_FETCH] = CAUSE_INSN_PAGE};
    walk->fault = causes[kind];
    return false;
}

static bool walk_access_fault(RiscvWalk *walk, AccessKind kind) {
    static const uint8_t causes[] = {[ACCESS_LOAD] = CAUSE_LOAD_ACCESS,
                                     [ACCESS_STORE] = CAUSE_STORE_ACCESS,
                                     [ACCESS_FETCH] = CAUSE_INSN_ACCESS};
    walk->fault = causes[kind];
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
    PteUpdate update = pte_set(cpu, pte, missing);
    if (update == PTE_UPDATED) {
        pte->value |= missing;
    }
    return update;
}

static bool walk_tables(RiscvCPU *cpu, vaddr addr, AccessKind kind, unsigned mmu_idx,
                        WalkMode mode, RiscvWalk *walk) {
    Paging paging;
    PteRef pte;
restart:
    if (!paging_of(cpu, addr, &paging)) {
        return walk_page_fault(walk, kind);
    }
    walk->global = false;
    hwaddr table = paging.root;
    unsigned level = paging.levels;
    pte.wide = paging.wide;
    do {
        level--;
        unsigned shift = PAGE_BITS + level * paging.index_bits;
        uint64_t index = addr >> shift & ((1u << paging.index_bits) - 1);
        pte.addr = table + (paging.wide ? index * 8 : index * 4);
        if (!pte_load(cpu, &pte)) {
            return walk_access_fault(walk, kind);
        }
        if (__builtin_expect(pte_is_bad(cpu, &pte, level), 0)) {
            return walk_page_fault(walk, kind);
        }
        walk->global |= (pte.value & PTE_G) != 0;
        uint64_t ppn =
            pte.value >> PTE_PPN_SHIFT & (pte.wide ? SATP64_PPN_MASK : SATP32_PPN_MASK);
        table = ppn << PAGE_BITS;
    } while (!(pte.value & (PTE_R | PTE_X)) && level);
    if (!(pte.value & (PTE_R | PTE_X))) {
        return walk_page_fault(walk, kind); /* a pointer where there is no next level */
    }
    walk->prot = leaf_rights(cpu, pte.value, mmu_idx);
    if (!leaf_result(&paging, pte.value, level, addr, walk)) {
        return walk_page_fault(walk, kind);
    }
    if (mode == WALK_DEBUG) {
        return true;
    }
    if (!(walk->prot & prot_needed(kind))) {
        return walk_page_fault(walk, kind);
    }
    switch (leaf_touch(cpu, &pte, kind, mode)) {
    case PTE_UPDATED:
        break;
    case PTE_CHANGED_MEANWHILE:
        goto restart;
    case PTE_NOT_WRITABLE:
        return walk_access_fault(walk, kind);
    case PTE_NOT_ALLOWED:
        return walk_page_fault(walk, kind);
    }
    if (!(pte.value & PTE_D)) {
        walk->prot &= ~(unsigned)PROT_W;
    }
    return true;
}

static bool walk_any(RiscvCPU *cpu, vaddr addr, AccessKind kind, unsigned mmu_idx,
                     WalkMode mode, RiscvWalk *walk) {
    if (is_bare(cpu, mmu_idx)) {
        walk->phys = addr & PAGE_MASK;
        walk->prot = PROT_R | PROT_W | PROT_X;
        walk->global = true;
        walk->page_bits = PAGE_BITS;
        return true;
    }
    return walk_tables(cpu, addr, kind, mmu_idx, mode, walk);
}

bool riscv_walk(RiscvCPU *cpu, vaddr addr, AccessKind kind, unsigned mmu_idx, bool debug,
                RiscvWalk *walk) {
    return walk_any(cpu, addr, kind, mmu_idx, debug ? WALK_DEBUG : WALK_ACCESS, walk);
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
    tlb->second_hits++;
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
    tlb->walks++;
    RiscvWalk walk;
    Page page;
    bool ok = walk_any(cpu, addr, kind, mmu_idx, probe ? WALK_PROBE : WALK_ACCESS, &walk);
    if (ok && !page_attributes(cpu, addr, size, kind, mmu_idx, &walk, &page)) {
        ok = walk_access_fault(&walk, kind);
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
