/* SPDX-License-Identifier: MIT */
/*
 * MMU: walks of random page tables, and what the TLB keeps and forgets.
 *
 * Expected values: a reference below that follows "Virtual Address Translation Process"
 * (Privileged Architecture 20240411, 4.3.2) step by step on a copy of memory, with
 * Svnapot, Svpbmt and Svadu.
 */
#include "riscv_tables.h"

enum { PTES = 512 };

/* --- the reference ------------------------------------------------------------------ */
typedef struct Outcome {
    bool ok, access_fault;
    hwaddr phys;
    hwaddr pte_addr; /* changed to pte, if `updated` */
    uint64_t pte;
    bool updated;
} Outcome;

typedef struct Machine {
    const uint8_t *ram; /* a copy */
    uint64_t satp, mstatus, menvcfg;
    bool rv32;
} Machine;

static bool read_pte(const Machine *m, hwaddr a, uint64_t *pte) {
    unsigned size = m->rv32 ? 4 : 8;
    if (a < RAM_BASE || a + size > RAM_BASE + RAM_BYTES) {
        return false;
    }
    *pte = 0;
    memcpy(pte, m->ram + (a - RAM_BASE), size);
    return true;
}

static uint64_t bits(uint64_t v, unsigned high, unsigned low) {
    return v >> low & (~UINT64_C(0) >> (63 - (high - low)));
}

static Outcome reference_walk(const Machine *m, vaddr va, AccessKind kind,
                              unsigned mmu_idx) {
    Outcome fault = {0}, access = {.access_fault = true}, out = {0};
    unsigned levels, vpn_bits = 9, pte_size = 8, ppn_top = 53;
    if (m->rv32) {
        levels = 2, vpn_bits = 10, pte_size = 4, ppn_top = 31;
    } else {
        levels = (unsigned)bits(m->satp, 63, 60) - 5; /* 8: 3, 9: 4, 10: 5 */
        unsigned top = 12 + 9 * levels - 1;
        uint64_t sign = bits(va, 63, top);
        if (sign != 0 && sign != bits(~UINT64_C(0), 63, top)) {
            return fault;
        }
    }
    uint64_t ppn = m->rv32 ? bits(m->satp, 21, 0) : bits(m->satp, 43, 0);
    hwaddr a = ppn * 4096; /* step 1 */
    int i = (int)levels - 1;
    uint64_t pte;
    for (;;) {
        unsigned low = 12 + (unsigned)i * vpn_bits;
        hwaddr pa = a + bits(va, low + vpn_bits - 1, low) * pte_size;
        if (!read_pte(m, pa, &pte)) { /* step 2 */
            return access;
        }
        out.pte_addr = pa;
        bool v = pte & 1, r = pte & 2, w = pte & 4, x = pte & 8;
        if (!v || (!r && w)) { /* step 3 */
            return fault;
        }
        bool leaf = r || x;
        if (!m->rv32) {
            bool pbmte = m->menvcfg >> 62 & 1;
            uint64_t pbmt = bits(pte, 62, 61);
            if (bits(pte, 60, 54) || (pbmt && (!pbmte || !leaf)) || pbmt == 3) {
                return fault;
            }
            if (pte >> 63 && (!leaf || i != 0 || bits(pte, 13, 10) != 8)) {
                return fault;
            }
        }
        if (leaf) {
            break;
        }
        if (pte & 0xd0) { /* D, A, U of a pointer are reserved */
            return fault;
        }
        if (--i < 0) { /* step 4 */
            return fault;
        }
        a = bits(pte, ppn_top, 10) * 4096;
    }
    /* step 5 */
    bool u = pte & 16, mxr = m->mstatus >> 19 & 1;
    if (mmu_idx == MMU_U ? !u : u && (mmu_idx != MMU_S_SUM || kind == ACCESS_FETCH)) {
        return fault;
    }
    bool allowed = kind == ACCESS_LOAD    ? (pte & 2) || (mxr && (pte & 8))
                   : kind == ACCESS_STORE ? (pte & 4) != 0
                                          : (pte & 8) != 0;
    if (!allowed) {
        return fault;
    }
    /* step 6 */
    unsigned low_bits = (unsigned)i * vpn_bits;
    ppn = bits(pte, ppn_top, 10);
    if (i > 0 && bits(ppn, low_bits - 1, 0)) {
        return fault;
    }
    /* step 7 */
    uint64_t want = kind == ACCESS_STORE ? 0xc0 : 0x40;
    if ((pte & want) != want) {
        if (!(m->menvcfg >> 61 & 1)) {
            return fault;
        }
        out.updated = true;
        out.pte = pte | want;
    }
    /* step 8 */
    if (pte >> 63 && !m->rv32) {
        low_bits = 4;
    }
    uint64_t mask = (UINT64_C(1) << low_bits) - 1;
    out.phys = ((ppn & ~mask) | (va >> 12 & mask)) * 4096;
    out.ok = true;
    return out;
}

/* --- random walks ------------------------------------------------------------------- */
static void compare_walk(Hart *h, uint8_t *copy, uint64_t *s, unsigned va_bits) {
    static const RiscvCause page[] = {CAUSE_LOAD_PAGE, CAUSE_STORE_PAGE, CAUSE_INSN_PAGE};
    static const RiscvCause access[] = {CAUSE_LOAD_ACCESS, CAUSE_STORE_ACCESS,
                                        CAUSE_INSN_ACCESS};
    RiscvCPU *cpu = h->cpu;
    vaddr va = random_address(s, va_bits);
    AccessKind kind = (AccessKind)(random_next(s) % 3);
    unsigned mmu_idx = random_next(s) % 3;
    memcpy(copy, h->ram->host, TABLES * PAGE_SIZE);
    Machine m = {copy, cpu->env.satp, cpu->env.mstatus, cpu->env.menvcfg,
                 riscv_is_rv32(cpu)};
    Outcome want = reference_walk(&m, va, kind, mmu_idx);
    RiscvWalk got;
    bool ok = riscv_walk(cpu, va, kind, mmu_idx, false, &got);
    if (ok != want.ok || (ok && got.phys != want.phys) ||
        (!ok && got.fault != (want.access_fault ? access : page)[kind])) {
        fail_msg("va 0x%llx kind %u idx %u satp 0x%llx: ok %u phys 0x%llx fault %u; "
                 "reference ok "
                 "%u phys 0x%llx access %u",
                 (unsigned long long)va, kind, mmu_idx, (unsigned long long)cpu->env.satp,
                 ok, (unsigned long long)got.phys, got.fault, want.ok,
                 (unsigned long long)want.phys, want.access_fault);
    }
    if (want.ok && want.updated) {
        memcpy(copy + (want.pte_addr - RAM_BASE), &want.pte, m.rv32 ? 4 : 8);
    }
    assert_memory_equal(copy, h->ram->host, TABLES * PAGE_SIZE);
    if (ok) {
        bool d = false;
        uint64_t pte = 0;
        Machine after = m;
        after.ram = h->ram->host;
        assert_true(read_pte(&after, want.pte_addr, &pte));
        d = pte & 0x80;
        assert_true(d || !(got.prot & PROT_W)); /* W only with D */
    }
}

static void walk_random_tables(unsigned xlen, unsigned mode, unsigned va_bits) {
    uint64_t s = random_seed();
    Hart *h = hart_new(xlen, NULL);
    hart_open_pmp(h);
    uint8_t *copy = malloc(RAM_BYTES);
    memset(copy, 0, RAM_BYTES);
    unsigned size = xlen == 32 ? 4 : 8;
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < TABLES * PAGE_SIZE / size; i++) {
            uint64_t pte = random_pte(&s, xlen == 32);
            memcpy(h->ram->host + i * size, &pte, size);
        }
        uint64_t root = (RAM_BASE >> 12) + random_next(&s) % TABLES;
        hart_write(h, 0x180,
                   xlen == 32 ? UINT64_C(1) << 31 | root : (uint64_t)mode << 60 | root);
        h->cpu->env.mstatus = (h->cpu->env.mstatus & ~MSTATUS_MXR) |
                              (random_next(&s) & 1 ? MSTATUS_MXR : 0);
        h->cpu->env.menvcfg = random_next(&s) & (ENVCFG_ADUE | ENVCFG_PBMTE);
        if (xlen == 32) {
            h->cpu->env.menvcfg &= ENVCFG_ADUE;
        }
        for (unsigned k = 0; k < 1000; k++) {
            compare_walk(h, copy, &s, va_bits);
        }
    }
    free(copy);
    hart_free(h);
}

static void random_walks_sv39(void **state) {
    (void)state;
    walk_random_tables(64, 8, 39);
}
static void random_walks_sv48(void **state) {
    (void)state;
    walk_random_tables(64, 9, 48);
}
static void random_walks_sv57(void **state) {
    (void)state;
    walk_random_tables(64, 10, 57);
}
static void random_walks_sv32(void **state) {
    (void)state;
    walk_random_tables(32, 1, 32);
}

/* --- TLB ---------------------------------------------------------------------------- */
#define VA     UINT64_C(0x40000000)
#define PAGE_A (RAM_BASE + 0x100000)
#define PAGE_B (RAM_BASE + 0x101000)

/* Sv39: root at page 0, level 1 at page 1, level 0 at page 2; VA is its first page. */
static uint64_t *pte_at(Hart *h, unsigned table, unsigned slot) {
    return (uint64_t *)(void *)(h->ram->host + table * PAGE_SIZE) + slot;
}
static Hart *paged_hart(void) {
    Hart *h = hart_new(64, NULL);
    hart_open_pmp(h);
    *pte_at(h, 0, 1) = (RAM_BASE + PAGE_SIZE) >> 2 | PTE_V;
    *pte_at(h, 1, 0) = (RAM_BASE + 2 * PAGE_SIZE) >> 2 | PTE_V;
    hart_write(h, 0x180, UINT64_C(8) << 60 | RAM_BASE >> 12);
    hart_set_priv(h, PRV_S);
    return h;
}
static void map(Hart *h, unsigned slot, hwaddr page, uint64_t pte_bits) {
    *pte_at(h, 2, slot) = page >> 2 | PTE_V | pte_bits;
}
#define RWAD (PTE_R | PTE_W | PTE_A | PTE_D)

/* The physical page that an access reaches, or -1. */
static int64_t reach(Hart *h, vaddr addr, AccessKind kind, unsigned mmu_idx) {
    CpuTlb *tlb = &h->cpu->parent.tcg.tlb;
    if (!riscv_tlb_fill(&h->cpu->parent, addr, 1, kind, mmu_idx, true)) {
        return -1;
    }
    return (int64_t)tlb_entry(tlb, mmu_idx, addr)->phys;
}

static bool first_level_has(Hart *h, vaddr addr, AccessKind kind, unsigned mmu_idx) {
    const TlbEntry *e = tlb_entry(&h->cpu->parent.tcg.tlb, mmu_idx, addr);
    return (kind == ACCESS_STORE ? e->tag_store : e->tag_load) == (addr & PAGE_MASK);
}

static void second_level_answers_without_a_walk(void **state) {
    (void)state;
    Hart *h = paged_hart();
    CpuTlb *tlb = &h->cpu->parent.tcg.tlb;
    map(h, 0, PAGE_A, RWAD);
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), PAGE_A);
    uint64_t walks = tlb->walks;
    tlb_flush_first(tlb);
    assert_int_equal(reach(h, VA + 8, ACCESS_STORE, MMU_S), PAGE_A);
    assert_int_equal(tlb->walks, walks);
    /* the two halves of a mode change: another index walks for itself */
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S_SUM), PAGE_A);
    assert_int_equal(tlb->walks, walks + 1);
    hart_free(h);
}

static void a_load_does_not_open_a_clean_page_to_stores(void **state) {
    (void)state;
    Hart *h = paged_hart();
    map(h, 0, PAGE_A, PTE_R | PTE_W | PTE_A);
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), PAGE_A);
    assert_true(first_level_has(h, VA, ACCESS_LOAD, MMU_S));
    assert_false(first_level_has(h, VA, ACCESS_STORE, MMU_S));
    assert_true(riscv_tlb_fill(&h->cpu->parent, VA, 1, ACCESS_STORE, MMU_S, false));
    assert_true(*pte_at(h, 2, 0) & PTE_D);
    assert_true(first_level_has(h, VA, ACCESS_STORE, MMU_S));
    hart_free(h);
}

static void a_probe_changes_nothing(void **state) {
    (void)state;
    Hart *h = paged_hart();
    map(h, 0, PAGE_A, PTE_R | PTE_W);
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), -1);
    assert_int_equal(reach(h, VA + PAGE_SIZE, ACCESS_LOAD, MMU_S), -1);
    assert_false(*pte_at(h, 2, 0) & PTE_A);
    assert_int_equal(h->cpu->env.scause, 0);
    assert_int_equal(h->cpu->env.mcause, 0);
    assert_int_equal(h->cpu->parent.tcg.fault_taken, 0);
    hart_free(h);
}

static void faults_carry_the_address_and_the_kind(void **state) {
    (void)state;
    static const unsigned causes[] = {CAUSE_LOAD_PAGE, CAUSE_STORE_PAGE, CAUSE_INSN_PAGE};
    Hart *h = paged_hart();
    for (unsigned kind = 0; kind < 3; kind++) {
        hart_set_priv(h, PRV_S);
        h->cpu->env.pc = 0x1230;
        assert_false(riscv_tlb_fill(&h->cpu->parent, VA + 0x123, 1, (AccessKind)kind,
                                    MMU_S, false));
        assert_int_equal(h->cpu->env.mcause, causes[kind]);
        assert_int_equal(h->cpu->env.mtval, VA + 0x123);
        assert_int_equal(h->cpu->env.mepc, 0x1230);
    }
    hart_free(h);
}

static void each_fence_forgets_what_it_names(void **state) {
    (void)state;
    for (unsigned form = 0; form < 3; form++) {
        Hart *h = paged_hart();
        map(h, 0, PAGE_A, RWAD);
        assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), PAGE_A);
        map(h, 0, PAGE_B, RWAD);
        assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), PAGE_A); /* cached */
        if (form == 0) {
            riscv_tlb_flush_all(h->cpu);
        } else if (form == 1) {
            riscv_tlb_flush_page(h->cpu, VA + 5);
        } else {
            riscv_tlb_flush_asid(h->cpu, 0);
        }
        assert_false(first_level_has(h, VA, ACCESS_LOAD, MMU_S));
        assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), PAGE_B);
        hart_free(h);
    }
}

static void a_fence_of_one_address_drops_its_whole_superpage(void **state) {
    (void)state;
    Hart *h = paged_hart();
    *pte_at(h, 1, 0) = RAM_BASE >> 2 | PTE_V | RWAD; /* a megapage */
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), RAM_BASE);
    assert_int_equal(reach(h, VA + 0x5000, ACCESS_LOAD, MMU_S), RAM_BASE + 0x5000);
    *pte_at(h, 1, 0) = 0;
    riscv_tlb_flush_page(h->cpu, VA);
    assert_int_equal(reach(h, VA + 0x5000, ACCESS_LOAD, MMU_S), -1);
    hart_free(h);
}

static void asids_keep_their_pages_and_share_global_ones(void **state) {
    (void)state;
    Hart *h = paged_hart();
    CpuTlb *tlb = &h->cpu->parent.tcg.tlb;
    uint64_t satp = UINT64_C(8) << 60 | RAM_BASE >> 12;
    map(h, 0, PAGE_A, RWAD);
    map(h, 1, PAGE_B, RWAD | PTE_G);
    hart_write(h, 0x180, satp | UINT64_C(1) << 44);
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), PAGE_A);
    assert_int_equal(reach(h, VA + PAGE_SIZE, ACCESS_LOAD, MMU_S), PAGE_B);
    hart_write(h, 0x180, satp | UINT64_C(2) << 44);
    assert_false(first_level_has(h, VA, ACCESS_LOAD, MMU_S));
    uint64_t walks = tlb->walks;
    assert_int_equal(reach(h, VA + PAGE_SIZE, ACCESS_LOAD, MMU_S), PAGE_B);
    assert_int_equal(tlb->walks, walks); /* global: known */
    hart_write(h, 0x180, satp | UINT64_C(1) << 44);
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), PAGE_A);
    assert_int_equal(tlb->walks, walks); /* its own, still there */
    riscv_tlb_flush_asid(h->cpu, 1);
    assert_int_equal(reach(h, VA + PAGE_SIZE, ACCESS_LOAD, MMU_S), PAGE_B);
    assert_int_equal(tlb->walks, walks); /* "except for global mappings" */
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), PAGE_A);
    assert_int_equal(tlb->walks, walks + 1);
    hart_free(h);
}

static void mxr_is_seen_at_once(void **state) {
    (void)state;
    Hart *h = paged_hart();
    map(h, 0, PAGE_A, PTE_X | PTE_A);
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), -1);
    hart_write(h, 0x100, MSTATUS_MXR);
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), PAGE_A);
    hart_write(h, 0x100, 0);
    assert_false(first_level_has(h, VA, ACCESS_LOAD, MMU_S));
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), -1);
    hart_free(h);
}

static void a_pte_update_is_seen_by_dirty_clients_and_code(void **state) {
    (void)state;
    Hart *h = paged_hart();
    map(h, 0, PAGE_A, PTE_R | PTE_W);
    ramblock_set_tracking(h->ram, DIRTY_MIGRATION, true);
    ramblock_clear_dirty(h->ram, 2 * PAGE_SIZE, DIRTY_MIGRATION);
    ramblock_clear_dirty(h->ram, 2 * PAGE_SIZE, DIRTY_CODE);
    assert_true(riscv_tlb_fill(&h->cpu->parent, VA, 1, ACCESS_STORE, MMU_S, false));
    assert_true(ramblock_is_dirty(h->ram, 2 * PAGE_SIZE, DIRTY_MIGRATION));
    assert_int_equal(h->ram_written, 1);
    hart_free(h);
}

static void rom_is_read_directly_and_stored_to_by_the_bus(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    assert_true(riscv_tlb_fill(&h->cpu->parent, ROM_BASE, 1, ACCESS_LOAD, MMU_M, false));
    assert_true(first_level_has(h, ROM_BASE, ACCESS_LOAD, MMU_M));
    assert_false(first_level_has(h, ROM_BASE, ACCESS_STORE, MMU_M));
    assert_true(riscv_tlb_fill(&h->cpu->parent, ROM_BASE, 1, ACCESS_STORE, MMU_M, false));
    const TlbEntry *e = tlb_entry(&h->cpu->parent.tcg.tlb, MMU_M, ROM_BASE);
    assert_true(e->tag_store & TLB_MMIO);
    assert_true(e->tag_store & TLB_INVALID);
    assert_int_equal(e->phys, ROM_BASE);
    hart_free(h);
}

static void a_page_that_pmp_splits_is_not_kept(void **state) {
    (void)state;
    Hart *h = paged_hart();
    map(h, 0, PAGE_A, RWAD);
    h->cpu->env.pmpaddr[0] = (PAGE_A + 0x800) >> 2;
    h->cpu->env.pmpcfg[0] = PMP_R | PMP_NA4 << PMP_A_SHIFT;
    riscv_pmp_update(h->cpu);
    assert_int_equal(reach(h, VA, ACCESS_STORE, MMU_S), PAGE_A);
    assert_false(first_level_has(h, VA, ACCESS_STORE, MMU_S));
    assert_int_equal(reach(h, VA + 0x800, ACCESS_STORE, MMU_S), -1);
    assert_int_equal(reach(h, VA + 0x800, ACCESS_LOAD, MMU_S), PAGE_A);
    assert_int_equal(reach(h, VA + 0x804, ACCESS_STORE, MMU_S), PAGE_A);
    hart_free(h);
}

static void fetches_tell_their_page(void **state) {
    (void)state;
    Hart *h = paged_hart();
    CPUState *cs = &h->cpu->parent;
    map(h, 0, PAGE_A, PTE_X | PTE_A);
    assert_true(riscv_tlb_fill(cs, VA + 6, 2, ACCESS_FETCH, MMU_S, false));
    assert_int_equal(cs->fetch.page, VA);
    assert_int_equal(cs->fetch.phys, PAGE_A);
    assert_ptr_equal(cs->fetch.host, h->ram->host + (PAGE_A - RAM_BASE));
    assert_false(cs->fetch.partial);
    hart_free(h);
}

static void a_changed_memory_map_is_noticed(void **state) {
    (void)state;
    Hart *h = paged_hart();
    map(h, 0, PAGE_A, RWAD);
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), PAGE_A);
    memory_region_set_enabled(&h->as, &h->ram_mr, false);
    cpu_tlb_flush(&h->cpu->parent); /* what the listener asks for */
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), -1);
    memory_region_set_enabled(&h->as, &h->ram_mr, true);
    cpu_tlb_flush(&h->cpu->parent);
    assert_int_equal(reach(h, VA, ACCESS_LOAD, MMU_S), PAGE_A);
    hart_free(h);
}

static void debuggers_see_through_permissions_and_leave_no_trace(void **state) {
    (void)state;
    Hart *h = paged_hart();
    hwaddr phys;
    map(h, 0, PAGE_A, PTE_X | PTE_U);
    assert_true(riscv_debug_translate(&h->cpu->parent, VA + 0x33, &phys));
    assert_int_equal(phys, PAGE_A + 0x33);
    assert_false(*pte_at(h, 2, 0) & PTE_A);
    assert_false(riscv_debug_translate(&h->cpu->parent, VA + PAGE_SIZE, &phys));
    hart_free(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_walks_sv39),
        cmocka_unit_test(random_walks_sv48),
        cmocka_unit_test(random_walks_sv57),
        cmocka_unit_test(random_walks_sv32),
        cmocka_unit_test(second_level_answers_without_a_walk),
        cmocka_unit_test(a_load_does_not_open_a_clean_page_to_stores),
        cmocka_unit_test(a_probe_changes_nothing),
        cmocka_unit_test(faults_carry_the_address_and_the_kind),
        cmocka_unit_test(each_fence_forgets_what_it_names),
        cmocka_unit_test(a_fence_of_one_address_drops_its_whole_superpage),
        cmocka_unit_test(asids_keep_their_pages_and_share_global_ones),
        cmocka_unit_test(mxr_is_seen_at_once),
        cmocka_unit_test(a_pte_update_is_seen_by_dirty_clients_and_code),
        cmocka_unit_test(rom_is_read_directly_and_stored_to_by_the_bus),
        cmocka_unit_test(a_page_that_pmp_splits_is_not_kept),
        cmocka_unit_test(fetches_tell_their_page),
        cmocka_unit_test(a_changed_memory_map_is_noticed),
        cmocka_unit_test(debuggers_see_through_permissions_and_leave_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
