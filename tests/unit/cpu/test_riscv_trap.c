/* SPDX-License-Identifier: MIT */
/*
 * Traps: where they go, what they leave in the CSRs, which interrupt is taken, xRET, and
 * the flags that code depends on.
 *
 * Expected values: Privileged Architecture 20240411, 3.1.6 to 3.1.9, 3.3.2, written out
 * as a reference for random states.
 */
#include "riscv_hart.h"

enum { M_HANDLER = 0x80001000, S_HANDLER = 0x80002000 };

static Hart *trap_hart(unsigned xlen) {
    Hart *h = hart_new(xlen, NULL);
    h->cpu->env.mtvec = M_HANDLER;
    h->cpu->env.stvec = S_HANDLER;
    return h;
}

/* --- which interrupt ---------------------------------------------------------------- */
/* 3.1.9: an interrupt i traps to M if (a) the mode is M and MIE is set, or the mode has
 * less privilege than M; (b) bit i is set in mip and mie; (c) it is not set in mideleg.
 * To S likewise with SIE. Priority: MEI, MSI, MTI, SEI, SSI, STI; those for M first. */
static int reference_interrupt(const RiscvEnv *env, uint64_t mip, bool *to_s) {
    static const int order[] = {11, 3, 7, 9, 1, 5};
    for (int level = 0; level < 2; level++) {
        bool s = level == 1;
        bool enabled = s ? env->priv < 1 || (env->priv == 1 && (env->mstatus & 2))
                         : env->priv < 3 || (env->mstatus & 8);
        for (int i = 0; enabled && i < 6; i++) {
            uint64_t bit = UINT64_C(1) << order[i];
            if ((mip & env->mie & bit) && !!(env->mideleg & bit) == s) {
                *to_s = s;
                return order[i];
            }
        }
    }
    return -1;
}

static void random_states_take_the_interrupt_of_the_manual(void **state) {
    (void)state;
    static const unsigned privs[] = {PRV_U, PRV_S, PRV_M};
    uint64_t s = random_seed();
    Hart *h = trap_hart(64);
    RiscvEnv *env = &h->cpu->env;
    unsigned taken = 0;
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t r = random_next(&s);
        env->mip = r & 0xaaa & random_next(&s);
        env->mie = r >> 16 & 0xaaa;
        env->mideleg = r >> 32 & 0x222;
        env->mstatus = (r >> 48 & 0xaa) | UINT64_C(0xa00000000);
        env->priv = privs[(r >> 60) % 3];
        env->pc = 0x80000100;
        env->mcause = env->scause = 0;
        RiscvEnv before = *env;
        bool to_s = false;
        int irq = reference_interrupt(&before, before.mip, &to_s);
        bool took = riscv_take_interrupt(&h->cpu->parent);
        assert_int_equal(took, irq >= 0);
        if (irq < 0) {
            assert_int_equal(env->pc, before.pc);
            assert_int_equal(env->priv, before.priv);
            continue;
        }
        taken++;
        uint64_t cause = UINT64_C(1) << 63 | (unsigned)irq;
        assert_int_equal(to_s ? env->scause : env->mcause, cause);
        assert_int_equal(to_s ? env->sepc : env->mepc, before.pc);
        assert_int_equal(to_s ? env->stval : env->mtval, 0);
        assert_int_equal(env->priv, to_s ? PRV_S : PRV_M);
        assert_int_equal(env->pc, to_s ? S_HANDLER : M_HANDLER);
    }
    assert_true(taken > 1000);
    hart_free(h);
}

static void line_of_the_controller_alone_is_enough(void **state) {
    (void)state;
    Hart *h = trap_hart(64);
    h->cpu->env.mie = MIP_SEIP;
    hart_set_priv(h, PRV_U);
    assert_int_equal(riscv_pending_interrupt(h->cpu), -1);
    assert_false(riscv_has_work(&h->cpu->parent));
    h->cpu->parent.tcg.exit_request = 0;
    riscv_cpu_set_irq(h->cpu, IRQ_SEI, true);
    assert_int_equal(h->cpu->parent.tcg.exit_request, 1); /* the hart was kicked */
    assert_int_equal(riscv_pending_interrupt(h->cpu), IRQ_SEI);
    assert_true(riscv_has_work(&h->cpu->parent));
    hart_free(h);
}

static void a_write_that_makes_an_interrupt_deliverable_stops_the_code(void **state) {
    (void)state;
    Hart *h = trap_hart(64);
    TcgCpu *tcg = &h->cpu->parent.tcg;
    riscv_cpu_set_irq(h->cpu, IRQ_MTI, true);
    tcg->exit_request = 0;
    hart_write(h, 0x304, MIP_MTIP);
    assert_int_equal(tcg->exit_request, 0); /* mie, but not MIE */
    hart_write(h, 0x300, MSTATUS_MIE);
    assert_int_equal(tcg->exit_request, 1);
    tcg->exit_request = 0;
    hart_write(h, 0x300, 0);
    h->cpu->env.mstatus |= MSTATUS_MPIE | MSTATUS_MPP;
    assert_int_equal(tcg->exit_request, 0);
    riscv_mret(h->cpu);
    assert_int_equal(tcg->exit_request, 1);
    hart_free(h);
}

/* --- entry and return --------------------------------------------------------------- */
static void exceptions_are_delegated_bit_by_bit(void **state) {
    (void)state;
    static const unsigned privs[] = {PRV_U, PRV_S, PRV_M};
    static const unsigned causes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15};
    for (unsigned p = 0; p < 3; p++) {
        for (unsigned i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
            for (unsigned deleg = 0; deleg < 2; deleg++) {
                Hart *h = trap_hart(64);
                RiscvEnv *env = &h->cpu->env;
                hart_write(h, 0x302,
                           deleg ? UINT64_C(1) << causes[i]
                                 : ~(UINT64_C(1) << causes[i]));
                bool to_s = privs[p] != PRV_M && deleg && causes[i] != 11;
                hart_set_priv(h, privs[p]);
                env->pc = 0x80000444;
                riscv_raise(h->cpu, (RiscvCause)causes[i], 0x1234);
                assert_int_equal(env->priv, to_s ? PRV_S : PRV_M);
                assert_int_equal(to_s ? env->scause : env->mcause, causes[i]);
                assert_int_equal(to_s ? env->sepc : env->mepc, 0x80000444);
                assert_int_equal(to_s ? env->stval : env->mtval, 0x1234);
                assert_int_equal(h->cpu->parent.tcg.fault_taken, 1);
                uint64_t pp = to_s ? env->mstatus >> 8 & 1 : env->mstatus >> 11 & 3;
                assert_int_equal(pp, privs[p]);
                hart_free(h);
            }
        }
    }
}

static void the_enable_stack_is_two_deep(void **state) {
    (void)state;
    for (unsigned ie = 0; ie < 2; ie++) {
        Hart *h = trap_hart(64);
        RiscvEnv *env = &h->cpu->env;
        hart_write(h, 0x302, 1u << CAUSE_ECALL_U);
        env->mstatus |= ie ? MSTATUS_SIE : 0;
        hart_set_priv(h, PRV_U);
        riscv_enter_trap(h->cpu, CAUSE_ECALL_U, 0, 0x80000100);
        assert_false(env->mstatus & MSTATUS_SIE);
        assert_int_equal(!!(env->mstatus & MSTATUS_SPIE), ie);
        env->sepc = 0x80000104;
        riscv_sret(h->cpu);
        assert_int_equal(env->priv, PRV_U);
        assert_int_equal(env->pc, 0x80000104);
        assert_int_equal(!!(env->mstatus & MSTATUS_SIE), ie);
        assert_true(env->mstatus & MSTATUS_SPIE);
        assert_false(env->mstatus & MSTATUS_SPP);
        hart_free(h);
    }
}

static void mret_and_sret_clear_mprv_when_they_leave_m_mode(void **state) {
    (void)state;
    Hart *h = trap_hart(64);
    RiscvEnv *env = &h->cpu->env;
    env->mstatus |= MSTATUS_MPRV | MSTATUS_MPP;
    riscv_mret(h->cpu);
    assert_int_equal(env->priv, PRV_M);
    assert_true(env->mstatus & MSTATUS_MPRV);
    assert_int_equal(env->mstatus & MSTATUS_MPP, 0); /* the least privileged mode */
    env->mstatus |= UINT64_C(1) << MSTATUS_MPP_SHIFT;
    riscv_mret(h->cpu);
    assert_int_equal(env->priv, PRV_S);
    assert_false(env->mstatus & MSTATUS_MPRV);
    hart_free(h);
}

static void vectors_are_for_interrupts_only(void **state) {
    (void)state;
    Hart *h = trap_hart(64);
    RiscvEnv *env = &h->cpu->env;
    env->mtvec = M_HANDLER | 1;
    riscv_enter_trap(h->cpu, CAUSE_ILLEGAL, 0, 0);
    assert_int_equal(env->pc, M_HANDLER);
    riscv_enter_trap(h->cpu, CAUSE_INTERRUPT_64 | IRQ_MTI, 0, 0);
    assert_int_equal(env->pc, M_HANDLER + 4 * 7);
    hart_free(h);
}

static void rv32_causes_have_bit_31(void **state) {
    (void)state;
    Hart *h = trap_hart(32);
    RiscvEnv *env = &h->cpu->env;
    env->mtvec = UINT64_C(0xffffffff80001001);
    env->mie = MIP_MTIP;
    env->mstatus |= MSTATUS_MIE;
    env->pc = 0x80000100;
    riscv_cpu_set_irq(h->cpu, IRQ_MTI, true);
    assert_true(riscv_take_interrupt(&h->cpu->parent));
    assert_int_equal((uint32_t)env->mcause, 0x80000007);
    assert_int_equal(env->pc, 0x80001000 + 4 * 7); /* addresses are zero-extended */
    assert_int_equal(env->mepc,
                     UINT64_C(0xffffffff80000100)); /* registers sign-extended */
    riscv_mret(h->cpu);
    assert_int_equal(env->pc, 0x80000100);
    hart_free(h);
}

/* --- flags -------------------------------------------------------------------------- */
static uint32_t flags_of(Hart *h) {
    return h->cpu->parent.tcg.jump_tag.flags;
}

static void flags_follow_mode_and_status(void **state) {
    (void)state;
    Hart *h = trap_hart(64);
    static const struct {
        unsigned priv;
        uint64_t mstatus;
        unsigned mmu_idx;
    } rows[] = {
        {PRV_M, 0, MMU_M},
        {PRV_M, MSTATUS_MPRV, MMU_U},
        {PRV_M, MSTATUS_MPRV | 1 << 11, MMU_S},
        {PRV_M, MSTATUS_MPRV | MSTATUS_SUM | 1 << 11, MMU_S_SUM},
        {PRV_M, MSTATUS_MPRV | MSTATUS_MPP, MMU_M},
        {PRV_S, 0, MMU_S},
        {PRV_S, MSTATUS_SUM, MMU_S_SUM},
        {PRV_S, MSTATUS_MPRV, MMU_S}, /* MPRV is for M mode */
        {PRV_U, MSTATUS_SUM, MMU_U},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        h->cpu->env.priv = PRV_M;
        hart_write(h, 0x300, rows[i].mstatus);
        h->cpu->env.priv = rows[i].priv;
        riscv_switch_flags(h->cpu);
        assert_int_equal(flags_of(h) >> TBF_MMU_SHIFT & 3, rows[i].mmu_idx);
        assert_int_equal(flags_of(h) >> TBF_PRIV_SHIFT & 3, rows[i].priv);
    }
    hart_free(h);
}

static void quick_flags_are_the_full_ones(void **state) {
    (void)state;
    static const unsigned privs[] = {PRV_U, PRV_S, PRV_M};
    uint64_t s = random_seed();
    Hart *h = trap_hart(64);
    RiscvEnv *env = &h->cpu->env;
    for (unsigned round = 0; round < 5000; round++) {
        uint64_t r = random_next(&s);
        env->priv = PRV_M;
        hart_write(h, 0x300, r);
        hart_write(h, 0x306, r >> 8);
        hart_write(h, 0x106, r >> 11);
        hart_write(h, 0x30a, r >> 3);
        hart_write(h, 0x10a, r >> 5);
        hart_write(h, 0x180, r & 1 ? UINT64_C(8) << 60 : 0);
        env->mstatus |= MSTATUS_FS;
        hart_write(h, 2, r >> 50);
        env->priv = privs[r % 3];
        env->pc = 0x80000000;
        riscv_enter_trap(h->cpu, CAUSE_ILLEGAL, 0, 0);
        uint32_t quick = flags_of(h);
        riscv_update_flags(h->cpu);
        assert_int_equal(quick, flags_of(h));
        riscv_mret(h->cpu);
        quick = flags_of(h);
        riscv_update_flags(h->cpu);
        assert_int_equal(quick, flags_of(h));
    }
    hart_free(h);
}

static void rounding_modes_show_in_the_flags(void **state) {
    (void)state;
    Hart *h = trap_hart(64);
    h->cpu->env.mstatus |= MSTATUS_FS;
    for (unsigned frm = 0; frm < 8; frm++) {
        hart_write(h, 2, frm);
        assert_int_equal(!!(flags_of(h) & TBF_FRM_SOFT), frm == 4);
        assert_int_equal(!!(flags_of(h) & TBF_FRM_BAD), frm > 4);
        assert_int_equal(h->cpu->parent.tcg.fp.round, frm < 4 ? frm : 0);
    }
    hart_free(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_states_take_the_interrupt_of_the_manual),
        cmocka_unit_test(line_of_the_controller_alone_is_enough),
        cmocka_unit_test(a_write_that_makes_an_interrupt_deliverable_stops_the_code),
        cmocka_unit_test(exceptions_are_delegated_bit_by_bit),
        cmocka_unit_test(the_enable_stack_is_two_deep),
        cmocka_unit_test(mret_and_sret_clear_mprv_when_they_leave_m_mode),
        cmocka_unit_test(vectors_are_for_interrupts_only),
        cmocka_unit_test(rv32_causes_have_bit_31),
        cmocka_unit_test(flags_follow_mode_and_status),
        cmocka_unit_test(quick_flags_are_the_full_ones),
        cmocka_unit_test(rounding_modes_show_in_the_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
