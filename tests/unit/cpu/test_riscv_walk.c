/* SPDX-License-Identifier: MIT */
/*
 * Walk: the explanation of a walk says what the access then really does, and why.
 *
 * Expected values: the verdicts come from riscv_tlb_fill() and the bus (what the guest gets),
 * which test_riscv_mmu.c holds against the manual; the reasons from the manual's list
 * (Privileged Architecture 20240411, 4.3.1 and 4.3.2) with one table entry each.
 */
#include "cpu/riscv/walk.h"
#include "riscv_tables.h"

/* Leaves of these tables also point to ROM, a device, nothing. */
static uint64_t random_leaf_place(uint64_t *s, uint64_t pte, bool rv32) {
    static const hwaddr places[] = {ROM_BASE, DEVICE_BASE, 0x4000000};
    uint64_t r = random_next(s);
    if (!(pte & (PTE_R | PTE_X)) || r & 7) {
        return pte;
    }
    uint64_t ppn = places[(r >> 8) % 3] >> PAGE_BITS;
    uint64_t flags = pte & (rv32 ? 0x3ff : ~(SATP64_PPN_MASK << PTE_PPN_SHIFT));
    return flags | ppn << PTE_PPN_SHIFT;
}

static void random_pmp(Hart *h, uint64_t *s) {
    RiscvEnv *env = &h->cpu->env;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t r = random_next(s);
        env->pmpcfg[i] =
            (uint8_t)((r & 7) | (r & 16 ? PMP_NAPOT : PMP_OFF) << PMP_A_SHIFT);
        if (!(env->pmpcfg[i] & PMP_R)) {
            env->pmpcfg[i] &= (uint8_t)~PMP_W;
        }
        env->pmpaddr[i] =
            (RAM_BASE + (r >> 8 & 0x1f000)) >> 2 | (r >> 32 & 1 ? 1 : 0x1ff);
    }
    riscv_pmp_update(h->cpu);
}

/* What the access does: the cause it raises, or -1; *phys where it went. */
static int real_access(Hart *h, vaddr va, AccessKind kind, unsigned mmu_idx,
                       hwaddr *phys) {
    static const RiscvCause access[] = {CAUSE_LOAD_ACCESS, CAUSE_STORE_ACCESS,
                                        CAUSE_INSN_ACCESS};
    RiscvCPU *cpu = h->cpu;
    riscv_tlb_flush_all(cpu);
    uint64_t mstatus = cpu->env.mstatus, priv = cpu->env.priv;
    cpu->env.mcause = 99;
    bool ok = riscv_tlb_fill(&cpu->parent, va, 1, kind, mmu_idx, false);
    int cause = (int)cpu->env.mcause;
    cpu->env.mstatus = mstatus;
    cpu->env.priv = priv;
    cpu->parent.tcg.fault_taken = 0;
    if (!ok) {
        return cause;
    }
    *phys = (kind == ACCESS_FETCH ? cpu->parent.fetch.phys
                                  : tlb_entry(&cpu->parent.tcg.tlb, mmu_idx, va)->phys) |
            (va & PAGE_OFFSET_MASK);
    uint64_t value;
    return address_space_load(&h->as, *phys, 1, &value) == MEMTX_OK ? -1
                                                                    : (int)access[kind];
}

static void compare_explanation(Hart *h, uint8_t *copy, uint64_t *s, unsigned va_bits,
                                unsigned *seen) {
    vaddr va = random_address(s, va_bits);
    AccessKind kind = (AccessKind)(random_next(s) % 3);
    unsigned mmu_idx = random_next(s) % 4; /* M mode: bare */
    if (mmu_idx == MMU_M && random_next(s) & 1) {
        va = RAM_BASE + va % RAM_BYTES;
    }
    uint64_t tables = TABLES * PAGE_SIZE;
    memcpy(copy, h->ram->host, tables);
    RiscvWalkRecord rec;
    bool ok = riscv_explain(h->cpu, va, 1, kind, mmu_idx, &rec);
    assert_memory_equal(copy, h->ram->host, tables); /* A and D stay */
    hwaddr phys = 0;
    int cause = real_access(h, va, kind, mmu_idx, &phys);
    if (ok != (cause < 0) || (ok && phys != rec.phys) ||
        (!ok && cause != (int)rec.fault)) {
        fail_msg(
            "va 0x%llx kind %u idx %u: explained %s 0x%llx cause %u, got 0x%llx cause %d",
            (unsigned long long)va, kind, mmu_idx, riscv_walk_reason_word(rec.reason),
            (unsigned long long)rec.phys, rec.fault, (unsigned long long)phys, cause);
    }
    assert_int_equal(ok, rec.reason == WALK_ALLOWED);
    seen[rec.reason]++;
    const RiscvWalkStep *last = rec.count ? &rec.step[rec.count - 1] : NULL;
    if (last && last->read) { /* what was said to be set is set, and nothing else */
        uint64_t pte = 0;
        unsigned size = riscv_is_rv32(h->cpu) ? 4 : 8;
        memcpy(&pte, h->ram->host + (last->pte_addr - RAM_BASE), size);
        assert_int_equal(pte, last->pte | rec.would_set);
        memcpy(copy + (last->pte_addr - RAM_BASE), &pte, size);
    }
    assert_memory_equal(copy, h->ram->host, tables);
}

static void explain_random_tables(unsigned xlen, unsigned mode, unsigned va_bits) {
    uint64_t s = random_seed();
    Hart *h = hart_new(xlen, NULL);
    hart_open_pmp(h);
    uint8_t *copy = malloc(RAM_BYTES);
    unsigned seen[64] = {0}, size = xlen == 32 ? 4 : 8;
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < TABLES * PAGE_SIZE / size; i++) {
            uint64_t pte = random_leaf_place(&s, random_pte(&s, xlen == 32), xlen == 32);
            memcpy(h->ram->host + i * size, &pte, size);
        }
        uint64_t root = (RAM_BASE >> 12) + random_next(&s) % TABLES;
        hart_write(h, 0x180,
                   xlen == 32 ? UINT64_C(1) << 31 | root : (uint64_t)mode << 60 | root);
        h->cpu->env.mstatus = (h->cpu->env.mstatus & ~MSTATUS_MXR) |
                              (random_next(&s) & 1 ? MSTATUS_MXR : 0);
        h->cpu->env.menvcfg = random_next(&s) & (ENVCFG_ADUE | ENVCFG_PBMTE) &
                              (xlen == 32 ? ENVCFG_ADUE : UINT64_MAX);
        if (round % 3 == 0) {
            random_pmp(h, &s);
        }
        for (unsigned k = 0; k < 500; k++) {
            compare_explanation(h, copy, &s, va_bits, seen);
        }
    }
    assert_true(seen[WALK_ALLOWED] && seen[WALK_NOT_VALID] &&
                seen[WALK_PTE_PMP] + seen[WALK_PMP_DENIED] && seen[WALK_NOTHING_THERE] &&
                seen[WALK_A_CLEAR]);
    free(copy);
    hart_free(h);
}

static void explanation_agrees_with_access_sv39(void **state) {
    (void)state;
    explain_random_tables(64, SATP_SV39, 39);
}
static void explanation_agrees_with_access_sv48(void **state) {
    (void)state;
    explain_random_tables(64, SATP_SV48, 48);
}
static void explanation_agrees_with_access_sv57(void **state) {
    (void)state;
    explain_random_tables(64, SATP_SV57, 57);
}
static void explanation_agrees_with_access_sv32(void **state) {
    (void)state;
    explain_random_tables(32, SATP_SV32, 32);
}

/* --- each reason -------------------------------------------------------------------- */
#define VA     UINT64_C(0x40000000)
#define PAGE_A (RAM_BASE + 0x100000)
#define RWAD   (PTE_R | PTE_W | PTE_A | PTE_D)

typedef struct Case {
    unsigned level; /* of the table the entry is in */
    uint64_t bits;  /* of the entry; its PPN is PAGE_A */
    AccessKind kind;
    unsigned mmu_idx;
    RiscvWalkReason reason;
} Case;

static const Case cases[] = {
    {0, PTE_V | RWAD, ACCESS_LOAD, MMU_S, WALK_ALLOWED},
    {0, RWAD, ACCESS_LOAD, MMU_S, WALK_NOT_VALID},
    {0, PTE_V | PTE_W | PTE_A, ACCESS_LOAD, MMU_S, WALK_W_WITHOUT_R},
    {1, PTE_V | PTE_A, ACCESS_LOAD, MMU_S, WALK_POINTER_BITS},
    {0, PTE_V | RWAD | BIT64(60), ACCESS_LOAD, MMU_S, WALK_RESERVED},
    {0, PTE_V | RWAD | BIT64(61), ACCESS_LOAD, MMU_S, WALK_PBMT_OFF},
    {0, PTE_V | RWAD | PTE_N, ACCESS_LOAD, MMU_S, WALK_NAPOT_SIZE},
    {1, PTE_V | RWAD | PTE_N, ACCESS_LOAD, MMU_S, WALK_NAPOT_LEVEL},
    {1, PTE_V | PTE_N, ACCESS_LOAD, MMU_S, WALK_NAPOT_POINTER},
    {0, PTE_V, ACCESS_LOAD, MMU_S, WALK_NO_LEAF},
    {1, PTE_V | RWAD, ACCESS_LOAD, MMU_S, WALK_MISALIGNED},
    {0, PTE_V | PTE_X | PTE_A, ACCESS_LOAD, MMU_S, WALK_NOT_READABLE},
    {0, PTE_V | PTE_R | PTE_A, ACCESS_STORE, MMU_S, WALK_NOT_WRITABLE},
    {0, PTE_V | RWAD, ACCESS_FETCH, MMU_S, WALK_NOT_EXECUTABLE},
    {0, PTE_V | RWAD | PTE_U, ACCESS_LOAD, MMU_S, WALK_USER_PAGE},
    {0, PTE_V | RWAD | PTE_U, ACCESS_LOAD, MMU_S_SUM, WALK_ALLOWED},
    {0, PTE_V | RWAD | PTE_X | PTE_U, ACCESS_FETCH, MMU_S, WALK_USER_FETCH},
    {0, PTE_V | RWAD, ACCESS_LOAD, MMU_U, WALK_SUPERVISOR_PAGE},
    {0, PTE_V | PTE_R | PTE_W, ACCESS_LOAD, MMU_S, WALK_A_CLEAR},
    {0, PTE_V | PTE_R | PTE_W | PTE_A, ACCESS_STORE, MMU_S, WALK_D_CLEAR},
};

static Hart *paged_hart(void) {
    Hart *h = hart_new(64, NULL);
    uint64_t *ram = (uint64_t *)(void *)h->ram->host;
    hart_open_pmp(h);
    ram[1] = (RAM_BASE + PAGE_SIZE) >> 2 | PTE_V; /* of VA in the root */
    ram[PAGE_SIZE / 8] = (RAM_BASE + 2 * PAGE_SIZE) >> 2 | PTE_V;
    hart_write(h, 0x180, UINT64_C(8) << 60 | RAM_BASE >> 12);
    hart_set_priv(h, PRV_S);
    return h;
}

static void each_refusal_has_its_reason(void **state) {
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const Case *c = &cases[i];
        Hart *h = paged_hart();
        h->cpu->env.menvcfg = 0;
        uint64_t *ram = (uint64_t *)(void *)h->ram->host;
        ram[(2 - c->level) * PAGE_SIZE / 8] = PAGE_A >> 2 | c->bits;
        RiscvWalkRecord rec;
        riscv_explain(h->cpu, VA + 5, 1, c->kind, c->mmu_idx, &rec);
        if (rec.reason != c->reason) {
            fail_msg("case %u: %s, expected %s", i, riscv_walk_reason_word(rec.reason),
                     riscv_walk_reason_word(c->reason));
        }
        const RiscvWalkStep *last = &rec.step[rec.count - 1];
        assert_int_equal(rec.step[0].reason, WALK_POINTER);
        assert_int_equal(rec.step[0].pte_addr, RAM_BASE + 8);
        assert_int_equal(last->level, c->level);
        assert_int_equal(last->pte, PAGE_A >> 2 | c->bits);
        assert_int_equal(last->reason, c->reason);
        assert_int_equal(last->pmp_entry, 15);
        hart_free(h);
    }
}

static void ends_outside_the_tables_are_explained(void **state) {
    (void)state;
    Hart *h = paged_hart();
    RiscvWalkRecord rec;
    assert_false(riscv_explain(h->cpu, VA | BIT64(50), 1, ACCESS_LOAD, MMU_S, &rec));
    assert_int_equal(rec.reason, WALK_NOT_CANONICAL);
    assert_int_equal(rec.count, 0);
    hart_write(h, 0x180, UINT64_C(8) << 60 | DEVICE_BASE >> 12);
    assert_false(riscv_explain(h->cpu, VA, 1, ACCESS_STORE, MMU_S, &rec));
    assert_int_equal(rec.reason, WALK_PTE_NOT_RAM);
    assert_int_equal(rec.fault, CAUSE_STORE_ACCESS);
    h->cpu->env.pmpcfg[15] = 0;
    riscv_pmp_update(h->cpu);
    assert_false(riscv_explain(h->cpu, VA, 1, ACCESS_FETCH, MMU_S, &rec));
    assert_int_equal(rec.reason, WALK_PTE_PMP);
    assert_int_equal(rec.step[0].pmp_entry, RISCV_PMP_NONE);
    assert_int_equal(rec.fault, CAUSE_INSN_ACCESS);
    assert_true(riscv_explain(h->cpu, RAM_BASE + 7, 1, ACCESS_FETCH, MMU_M, &rec));
    assert_false(rec.paged);
    assert_int_equal(rec.phys, RAM_BASE + 7);
    hart_free(h);
}

static void a_mapping_is_told_whoever_may_use_it(void **state) {
    (void)state;
    Hart *h = paged_hart();
    RiscvWalkRecord rec;
    uint64_t *ram = (uint64_t *)(void *)h->ram->host;
    ram[PAGE_SIZE / 8 + 1] =
        RAM_BASE >> 2 | PTE_V | PTE_X | PTE_U; /* a megapage, A clear */
    vaddr va = VA + 0x200000 + 0x12345;
    assert_true(riscv_explain_mapping(h->cpu, va, &rec));
    assert_int_equal(rec.page_bits, 21);
    assert_int_equal(rec.phys, RAM_BASE + 0x12345);
    assert_false(riscv_explain_mapping(h->cpu, VA + 0x400000, &rec));
    assert_int_equal(rec.step[rec.count - 1].level, 1);
    hart_free(h);
}

static void mmu_index_follows_mprv_and_sum(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    RiscvEnv *env = &h->cpu->env;
    env->priv = PRV_M;
    env->mstatus = MSTATUS_MPRV | (uint64_t)PRV_S << MSTATUS_MPP_SHIFT;
    assert_int_equal(riscv_mmu_idx_of(h->cpu, PRV_M, ACCESS_LOAD), MMU_S);
    assert_int_equal(riscv_mmu_idx_of(h->cpu, PRV_M, ACCESS_FETCH), MMU_M);
    env->mstatus |= MSTATUS_SUM;
    assert_int_equal(riscv_mmu_idx_of(h->cpu, PRV_M, ACCESS_STORE), MMU_S_SUM);
    assert_int_equal(riscv_mmu_idx_of(h->cpu, PRV_S, ACCESS_FETCH), MMU_S);
    assert_int_equal(riscv_mmu_idx_of(h->cpu, PRV_U, ACCESS_LOAD), MMU_U);
    hart_free(h);
}

static void pte_text_draws_the_bits(void **state) {
    (void)state;
    char text[64];
    riscv_pte_text(UINT64_C(0x20080) << 10 | PTE_V | PTE_R | PTE_X | PTE_A | BIT64(8),
                   true, text, sizeof(text));
    assert_string_equal(text, "-A--X-RV RSW=1 PPN=0x20080");
    riscv_pte_text(BIT64(62) | PTE_N | PTE_V | PTE_D, true, text, sizeof(text));
    assert_string_equal(text, "D------V RSW=0 PPN=0x0 PBMT=IO N (64 KiB)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explanation_agrees_with_access_sv39),
        cmocka_unit_test(explanation_agrees_with_access_sv48),
        cmocka_unit_test(explanation_agrees_with_access_sv57),
        cmocka_unit_test(explanation_agrees_with_access_sv32),
        cmocka_unit_test(each_refusal_has_its_reason),
        cmocka_unit_test(ends_outside_the_tables_are_explained),
        cmocka_unit_test(a_mapping_is_told_whoever_may_use_it),
        cmocka_unit_test(mmu_index_follows_mprv_and_sum),
        cmocka_unit_test(pte_text_draws_the_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
