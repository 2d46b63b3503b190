/* SPDX-License-Identifier: MIT */
/*
 * The run loop, block look-up and slow paths, with a RISC-V hart on both back ends.
 *
 * Expected values: what the instructions say (Unprivileged ISA 20240411), that memory is as it was
 * after a fault, and counters of the block cache.
 */
#include "riscv_hart.h"

#include "cpu/lookup.h"
#include "cpu/softmmu.h"

#define CODE_AT(h, offset) ((uint32_t *)(void *)((h)->ram->host + (offset)))
#define ADDI(rd, n)        (0x13u | (rd) << 7 | (rd) << 15 | (uint32_t)(n) << 20)
#define JAL0(offset)                                                                     \
    (0x6fu | (((uint32_t)(offset) >> 12 & 0xff) << 12) |                                 \
     (((uint32_t)(offset) >> 11 & 1) << 20) |                                            \
     (((uint32_t)(offset) >> 1 & 0x3ff) << 21) | (((uint32_t)(offset) >> 20 & 1) << 31))
#define WFI         0x10500073u
#define CBO_ZERO_A0 0x0045200fu
#define A0          10
#define A1          11

enum { CODE_KIB = 256, ENOUGH = 1 << 20 };

typedef struct Param {
    const char *backend;
} Param;

static const Param params[] = {{"interp"}, {"x86_64"}};

static Hart *new_hart(void **state) {
    const Param *p = *state;
    return hart_new_on(64, "rv64", p->backend, CODE_KIB << 10);
}

/* Runs from pc until wfi. */
static void run_from(Hart *h, vaddr pc) {
    CPUState *cpu = &h->cpu->parent;
    h->cpu->env.pc = pc;
    cpu->halted = false;
    cpu_run(cpu, ENOUGH);
    assert_true(cpu->halted);
}

static bool store(Hart *h, vaddr addr, unsigned memop, unsigned mmu_idx, uint64_t value) {
    return softmmu_store(&h->cpu->parent.tcg, addr, ir_mem_aux(memop, mmu_idx), value);
}
static bool load(Hart *h, vaddr addr, unsigned memop, unsigned mmu_idx, uint64_t *value) {
    return softmmu_load(&h->cpu->parent.tcg, addr, ir_mem_aux(memop, mmu_idx), value);
}

/* --- slow paths --------------------------------------------------------------------- */
static void access_across_pages(void **state) {
    Hart *h = new_hart(state);
    const vaddr at = RAM_BASE + 2 * PAGE_SIZE - 3;
    uint64_t value = 0;
    assert_true(store(h, at, MO_64, MMU_M, UINT64_C(0x1122334455667788)));
    static const uint8_t expected[] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
    assert_memory_equal(h->ram->host + 2 * PAGE_SIZE - 3, expected, 8);
    assert_true(load(h, at, MO_64, MMU_M, &value));
    assert_int_equal(value, UINT64_C(0x1122334455667788));
    assert_true(load(h, at + 1, MO_32 | MO_SIGN, MMU_M, &value));
    assert_int_equal(value, 0x44556677);
    assert_true(load(h, at + 2, MO_16 | MO_SIGN, MMU_M, &value));
    assert_int_equal(value, 0x5566);
    hart_free(h);
}

/* S mode may not touch the second page: nothing is written, tval is where that page begins. */
static void fault_on_the_second_page_changes_nothing(void **state) {
    Hart *h = new_hart(state);
    const vaddr second = RAM_BASE + 5 * PAGE_SIZE;
    h->cpu->env.pmpaddr[0] = second >> 2 | ((PAGE_SIZE >> 3) - 1);
    h->cpu->env.pmpcfg[0] = PMP_R | PMP_NAPOT << PMP_A_SHIFT;
    hart_open_pmp(h);
    hart_set_priv(h, PRV_S);
    memset(h->ram->host + 4 * PAGE_SIZE, 0xab, 2 * PAGE_SIZE);
    assert_false(store(h, second - 4, MO_64, MMU_S, 0));
    assert_int_equal(h->cpu->env.mcause, CAUSE_STORE_ACCESS);
    assert_int_equal(h->cpu->env.mtval, second);
    for (unsigned i = 0; i < 2 * PAGE_SIZE; i++) {
        assert_int_equal(h->ram->host[4 * PAGE_SIZE + i], 0xab);
    }
    uint64_t value;
    assert_true(load(h, second - 4, MO_64, MMU_S, &value)); /* reading it is allowed */
    assert_int_equal(value, UINT64_C(0xabababababababab));
    hart_free(h);
}

static void store_takes_the_fast_path_once_nobody_watches(void **state) {
    Hart *h = new_hart(state);
    const vaddr at = RAM_BASE + 7 * PAGE_SIZE + 8;
    ramblock_clear_dirty(h->ram, 7 * PAGE_SIZE, DIRTY_CODE);
    uint64_t value;
    assert_true(load(h, at, MO_64, MMU_M, &value));
    const TlbEntry *e = tlb_entry(&h->cpu->parent.tcg.tlb, MMU_M, at);
    assert_true(e->tag_store & TLB_NOTDIRTY);
    assert_true(store(h, at, MO_64, MMU_M, 1)); /* there is no code to invalidate */
    assert_true(ramblock_is_dirty(h->ram, 7 * PAGE_SIZE, DIRTY_CODE));
    assert_int_equal(e->tag_store, at & PAGE_MASK);
    hart_free(h);
}

/* --- code that is written ----------------------------------------------------------- */
static uint64_t deaths(const Hart *h) {
    return h->group->cache->stats.invalidated[TB_DEATH_STORE];
}

static void only_stores_that_change_code_invalidate(void **state) {
    Hart *h = new_hart(state);
    uint64_t old;
    CODE_AT(h, 0)[0] = ADDI(A0, 1);
    CODE_AT(h, 0)[1] = WFI;
    run_from(h, RAM_BASE);
    run_from(h, RAM_BASE);
    assert_int_equal(h->cpu->env.gpr[A0], 2);
    assert_int_equal(deaths(h), 0);
    TcgCpu *tcg = &h->cpu->parent.tcg;
    uint16_t word = ir_mem_aux(MO_32, MMU_M);
    assert_true(store(h, RAM_BASE, MO_32, MMU_M, ADDI(A0, 1)));
    assert_true(softmmu_rmw(tcg, RAM_BASE, word, RMW_OR, ADDI(A0, 1), &old));
    assert_true(
        softmmu_cas(tcg, RAM_BASE, word, 0, 5, &old));     /* does not compare equal */
    assert_true(store(h, RAM_BASE + 64, MO_32, MMU_M, 1)); /* beside it */
    assert_int_equal(deaths(h), 0);
    assert_true(store(h, RAM_BASE, MO_32, MMU_M, ADDI(A0, 10)));
    assert_int_equal(deaths(h), 1);
    run_from(h, RAM_BASE);
    assert_int_equal(h->cpu->env.gpr[A0], 12);
    assert_true(softmmu_rmw(tcg, RAM_BASE, word, RMW_XCHG, ADDI(A0, 100), &old));
    assert_int_equal(old, ADDI(A0, 10));
    run_from(h, RAM_BASE);
    assert_int_equal(h->cpu->env.gpr[A0], 112);
    assert_true(softmmu_cas(tcg, RAM_BASE, word, ADDI(A0, 100), ADDI(A0, 1000), &old));
    run_from(h, RAM_BASE);
    assert_int_equal(h->cpu->env.gpr[A0], 1112);
    assert_int_equal(deaths(h), 3);
    hart_free(h);
}

/* Another vCPU that is between its fetch and the block's entry would not see a store that is not
 * counted. */
static void store_beside_code_counts_while_a_block_is_made(void **state) {
    Hart *h = new_hart(state);
    TbCache *tc = h->group->cache;
    CODE_AT(h, 0)[0] = WFI;
    run_from(h, RAM_BASE);
    uint32_t sequence = tb_cache_page_sequence(tc, h->ram->base);
    assert_true(store(h, RAM_BASE + 64, MO_32, MMU_M, 0x1234));
    assert_int_equal(tb_cache_page_sequence(tc, h->ram->base), sequence);
    tc->making = 1;
    assert_true(store(h, RAM_BASE + 68, MO_32, MMU_M, 0x5678));
    tc->making = 0;
    assert_int_equal(tb_cache_page_sequence(tc, h->ram->base), sequence + 1);
    assert_int_equal(CODE_AT(h, 0)[16], 0x1234);
    assert_int_equal(CODE_AT(h, 0)[17], 0x5678);
    assert_int_equal(deaths(h), 0);
    hart_free(h);
}

/* --- eviction ----------------------------------------------------------------------- */
/* More code than the buffer holds: each 64 bytes add one to a0 and jump on. */
static void more_code_than_fits_runs_right(void **state) {
    enum { PIECES = 8192, STEP = 64 };
    Hart *h = new_hart(state);
    for (unsigned i = 0; i < PIECES; i++) {
        CODE_AT(h, i * STEP)[0] = ADDI(A0, 1);
        CODE_AT(h, i * STEP)[1] = JAL0(STEP - 4);
    }
    CODE_AT(h, PIECES * STEP)[0] = WFI;
    for (unsigned round = 1; round <= 3; round++) {
        run_from(h, RAM_BASE);
        assert_int_equal(h->cpu->env.gpr[A0], round * PIECES);
    }
    assert_true(h->group->cache->stats.evictions > 10);
    /* Behind the guest's back nothing is left of blocks that died by eviction. */
    assert_true(store(h, RAM_BASE + 100 * STEP, MO_32, MMU_M, ADDI(A0, 3)));
    run_from(h, RAM_BASE);
    assert_int_equal(h->cpu->env.gpr[A0], 4 * PIECES + 2);
    hart_free(h);
}

/* 160 instructions of eight stores each are more than a back end takes in one block. */
static void block_that_is_too_much_is_made_shorter(void **state) {
    enum { COUNT = 300 };
    Hart *h = new_hart(state);
    for (unsigned i = 0; i < COUNT; i++) {
        CODE_AT(h, 0)[i] = CBO_ZERO_A0;
    }
    CODE_AT(h, 0)[COUNT] = WFI;
    memset(h->ram->host + 0x10000, 0xff, 256);
    h->cpu->env.gpr[A0] = RAM_BASE + 0x10040;
    run_from(h, RAM_BASE);
    assert_int_equal(h->ram->host[0x1003f], 0xff);
    assert_int_equal(h->ram->host[0x10040], 0);
    assert_int_equal(h->ram->host[0x1007f], 0);
    assert_int_equal(h->ram->host[0x10080], 0xff);
    hart_free(h);
}

/* --- a block on two pages ------------------------------------------------------------ */
/* An instruction lies half on page P, half on Q. Q is mapped elsewhere: the next run, which comes
 * from another block of P, must take the new half. */
static void remapped_second_page_is_seen(void **state) {
    enum {
        ROOT = 0x10000,
        L1 = 0x11000,
        L0 = 0x12000,
        P = 0x20000,
        Q1 = 0x21000,
        Q2 = 0x22000
    };
    const vaddr va = 0x400000;
    Hart *h = new_hart(state);
    uint8_t *ram = h->ram->host;
    uint64_t pte = PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D;
#define PTE_AT(table, index) ((uint64_t *)(void *)(ram + (table)))[index]
#define PPN(offset)          ((RAM_BASE + (offset)) >> 12 << PTE_PPN_SHIFT)
    PTE_AT(ROOT, 0) = PPN(L1) | PTE_V;
    PTE_AT(L1, 2) = PPN(L0) | PTE_V;
    PTE_AT(L0, 0) = PPN(P) | pte;
    PTE_AT(L0, 1) = PPN(Q1) | pte;
    CODE_AT(h, P + 0xf00)[0] = JAL0(0xf8); /* to 0xff8 */
    CODE_AT(h, P + 0xff8)[0] = ADDI(A0, 1);
    uint16_t *end = (uint16_t *)(void *)(ram + P + 0xffc);
    end[0] = 0x0001; /* c.nop */
    end[1] = (uint16_t)ADDI(A1, 1);
    uint32_t rest[] = {ADDI(A1, 1), ADDI(A1, 100)};
    const unsigned pages[] = {Q1, Q2};
    for (unsigned i = 0; i < 2; i++) {
        uint16_t *q = (uint16_t *)(void *)(ram + pages[i]);
        q[0] = (uint16_t)(rest[i] >> 16);
        q[1] = (uint16_t)WFI;
        q[2] = (uint16_t)(WFI >> 16);
    }
    hart_open_pmp(h);
    h->cpu->env.satp = (uint64_t)SATP_SV39 << SATP64_MODE_SHIFT | (RAM_BASE + ROOT) >> 12;
    hart_set_priv(h, PRV_S);
    riscv_tlb_flush_all(h->cpu);
    for (unsigned i = 1; i <= 4; i++) { /* so that what can be chained is */
        run_from(h, va + 0xf00);
        assert_int_equal(h->cpu->env.gpr[A0], i);
        assert_int_equal(h->cpu->env.gpr[A1], i);
    }
    PTE_AT(L0, 1) = PPN(Q2) | pte;
    riscv_tlb_flush_page(h->cpu, va + 0x1000);
    run_from(h, va + 0xf00);
    assert_int_equal(h->cpu->env.gpr[A1], 104);
    hart_free(h);
}

/* --- stepping, budget ---------------------------------------------------------------- */
static void single_step_stops_after_each_instruction(void **state) {
    Hart *h = new_hart(state);
    CPUState *cpu = &h->cpu->parent;
    CODE_AT(h, 0)[0] = ADDI(A0, 1);
    CODE_AT(h, 0)[1] = ADDI(A0, 1);
    CODE_AT(h, 0)[2] = JAL0(8);
    CODE_AT(h, 0)[4] = ADDI(A0, 1);
    CODE_AT(h, 0)[5] = WFI;
    run_from(h, RAM_BASE); /* as whole blocks first: those must not be used */
    h->cpu->env.gpr[A0] = 0;
    h->cpu->env.pc = RAM_BASE;
    cpu->halted = false;
    static const struct { unsigned pc, a0; } steps[] = {{4, 1}, {8, 2}, {16, 2}, {20, 3}};
    for (unsigned i = 0; i < 4; i++) {
        DebugStop stop;
        debug_go(h->group, &(DebugPlan){.run = {DEBUG_RUN_STEP}});
        cpu_run(cpu, ENOUGH);
        assert_true(debug_take_stop(h->group, &stop));
        assert_int_equal(stop.reason, DEBUG_STEP);
        assert_int_equal(h->cpu->env.pc, RAM_BASE + steps[i].pc);
        assert_int_equal(h->cpu->env.gpr[A0], steps[i].a0);
    }
    hart_free(h);
}

/* Generations are counted in 32 bits; an entry of an old one must not be taken for a new one. */
static void generation_does_not_wrap_onto_old_entries(void **state) {
    Hart *h = new_hart(state);
    CPUState *cpu = &h->cpu->parent;
    CODE_AT(h, 0)[0] = WFI;
    run_from(h, RAM_BASE);
    uint32_t first = cpu->tcg.jump_tag.generation;
    const JumpCacheEntry *e = &cpu->tcg.jump_cache[jump_cache_index(RAM_BASE)];
    assert_int_equal(e->pc, RAM_BASE);
    cpu->tcg.jump_tag.generation = UINT32_MAX - 2;
    for (unsigned i = 0; i < 3 + first; i++) {
        cpu_tlb_switch(cpu);
        assert_true(e->pc != RAM_BASE || e->tag != cpu->tcg.jump_tag.word);
    }
    hart_free(h);
}

/* A wait that a masked interrupt ends at once goes on at the next instruction, however often; each
 * is counted, because a loop of them naps. A real wait and a taken interrupt end the count. */
static void waits_on_a_masked_interrupt_return_and_are_counted(void **state) {
    Hart *h = new_hart(state);
    CPUState *cpu = &h->cpu->parent;
    RiscvEnv *env = &h->cpu->env;
    enum { ROUNDS = 40 }; /* more than are tolerated without a nap */
    uint32_t *code = CODE_AT(h, 0);
    code[0] = ADDI(A0, 1);
    code[1] = WFI;
    code[2] = JAL0(-8);
    env->mie = 1u << IRQ_MSI; /* mstatus.MIE is off */
    riscv_cpu_set_irq(h->cpu, IRQ_MSI, true);
    env->pc = RAM_BASE;
    for (unsigned i = 0; env->gpr[A0] < ROUNDS; i++) {
        assert_true(i < ENOUGH);
        cpu_run(cpu, 1);
    }
    assert_false(cpu->halted);
    assert_in_range(cpu->idle_spins, ROUNDS - 1, ROUNDS);

    env->mtvec = RAM_BASE + 0x100;
    *CODE_AT(h, 0x100) = WFI;
    env->mstatus |= MSTATUS_MIE;
    cpu_run(cpu, 1); /* taken; the handler waits with its interrupt still pending */
    assert_int_equal(env->mcause & 0xff, IRQ_MSI);
    assert_in_range(cpu->idle_spins, 0, 1);

    riscv_cpu_set_irq(h->cpu, IRQ_MSI, false);
    cpu->idle_spins = 7;
    run_from(h, RAM_BASE + 4);
    assert_int_equal(cpu->idle_spins, 0);
    hart_free(h);
}

/* What follows a fault is executed once: the fault is not taken for that of the next helper. */
static void handler_of_a_fault_runs_once(void **state) {
    static const uint32_t load_from_nowhere = 0x00003583u; /* ld a1, 0(zero) */
    for (unsigned i = 0; i < 2; i++) {
        Hart *h = new_hart(state);
        RiscvEnv *env = &h->cpu->env;
        hart_open_pmp(h);
        hart_set_priv(h, PRV_S); /* in M mode this CSR needs no helper that may fault */
        env->menvcfg |= ENVCFG_STCE;
        env->mcounteren = UINT32_MAX;
        env->medeleg = 1u << CAUSE_LOAD_ACCESS | 1u << CAUSE_INSN_ACCESS;
        env->stvec = RAM_BASE + 0x100;
        env->stimecmp = 7;
        env->gpr[A0] = 5;
        *CODE_AT(h, 0) = load_from_nowhere;
        *CODE_AT(h, 0x100) = 0x14d51573u; /* csrrw a0, stimecmp, a0 */
        *CODE_AT(h, 0x104) = WFI;
        run_from(h, i ? RAM_BASE : 0x10); /* where nothing can be fetched */
        assert_int_equal(env->scause, i ? CAUSE_LOAD_ACCESS : CAUSE_INSN_ACCESS);
        assert_int_equal(env->gpr[A0], 7);
        assert_int_equal(env->stimecmp, 5);
        hart_free(h);
    }
}

/* Software may send an IPI while the last one is still pending: the second one kicks, too. */
static void second_software_interrupt_kicks_as_the_first(void **state) {
    Hart *h = new_hart(state);
    CPUState *cpu = &h->cpu->parent;
    for (unsigned i = 0; i < 2; i++) {
        __atomic_store_n(&cpu->tcg.exit_request, 0, __ATOMIC_RELAXED);
        riscv_cpu_set_irq(h->cpu, IRQ_MSI, true);
        assert_int_equal(cpu->tcg.exit_request, 1);
    }
    hart_free(h);
}

int main(void) {
#define T(fn)                                                                            \
    {#fn " (interp)", fn, NULL, NULL, (void *)(uintptr_t)&params[0]}, {                  \
#fn " (x86_64)", fn, NULL, NULL, (void *)(uintptr_t)&params[1]                   \
    }
    const struct CMUnitTest tests[] = {
        T(access_across_pages),
        T(fault_on_the_second_page_changes_nothing),
        T(store_takes_the_fast_path_once_nobody_watches),
        T(only_stores_that_change_code_invalidate),
        T(store_beside_code_counts_while_a_block_is_made),
        T(more_code_than_fits_runs_right),
        T(block_that_is_too_much_is_made_shorter),
        T(remapped_second_page_is_seen),
        T(single_step_stops_after_each_instruction),
        T(generation_does_not_wrap_onto_old_entries),
        T(waits_on_a_masked_interrupt_return_and_are_counted),
        T(second_software_interrupt_kicks_as_the_first),
        T(handler_of_a_fault_runs_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
