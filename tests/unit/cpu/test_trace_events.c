/* SPDX-License-Identifier: MIT */
/* What a hart tells its Trace: traps, returns, lines, flushes; and that it counts interrupts. Meanings of
 * the causes: Privileged Architecture 20240411, table of mcause. */
#include "cpu/riscv_hart.h"

#include "util/trace.h"

enum { MAX_EVENTS = 64 };

typedef struct Rig {
    Hart *h;
    Trace *trace;
    uint64_t cursor;
    TraceEvent events[MAX_EVENTS];
} Rig;

static Rig rig_new(void) {
    Rig r = {.h = hart_new(64, "rv64")};
    r.trace = trace_new(&r.h->clock, NULL, NULL);
    r.h->cpu->parent.trace = r.trace;
    const TraceFilter all = {.kinds = TRACE_ALL_KINDS, .last = UINT64_MAX};
    assert_true(trace_start(r.trace, &all, MAX_EVENTS, NULL));
    return r;
}

static void rig_free(Rig *r) {
    hart_free(r->h);
    trace_free(r->trace);
}

/* The events since the last call. */
static unsigned take(Rig *r) {
    uint64_t lost;
    unsigned n = trace_read(r->trace, &r->cursor, r->events, MAX_EVENTS, &lost);
    assert_int_equal(lost, 0);
    return n;
}

static void assert_event(const TraceEvent *e, TraceKind kind, uint64_t a0, uint64_t a1) {
    assert_int_equal(e->kind, kind);
    assert_int_equal(e->hart, 0);
    assert_int_equal(e->arg[0], a0);
    assert_int_equal(e->arg[1], a1);
}

static void a_trap_and_its_return_are_two_events(void **state) {
    (void)state;
    Rig r = rig_new();
    hart_set_priv(r.h, PRV_U);
    take(&r);
    riscv_enter_trap(r.h->cpu, CAUSE_ECALL_U, 0, 0x80000100);
    assert_int_equal(take(&r), 1);
    assert_event(&r.events[0], TRACE_EXCEPTION, 8, 0x80000100);
    assert_int_equal(r.events[0].arg[3], PRV_U << 4 | PRV_M);
    riscv_mret(r.h->cpu);
    assert_int_equal(take(&r), 1);
    assert_event(&r.events[0], TRACE_RETURN, PRV_M, 0x80000100);
    assert_int_equal(r.events[0].arg[2], PRV_M << 4 | PRV_U);
    rig_free(&r);
}

static void a_line_counts_once_for_each_rise(void **state) {
    (void)state;
    Rig r = rig_new();
    take(&r);
    for (unsigned i = 0; i < 3; i++) {
        riscv_cpu_set_irq(r.h->cpu, IRQ_MTI, true);
        riscv_cpu_set_irq(r.h->cpu, IRQ_MTI, true); /* it is high: nothing happens */
        riscv_cpu_set_irq(r.h->cpu, IRQ_MTI, false);
        riscv_cpu_set_irq(r.h->cpu, IRQ_MTI, false);
    }
    assert_int_equal(take(&r), 6);
    assert_event(&r.events[0], TRACE_HART_LINE, 7, 1);
    assert_event(&r.events[1], TRACE_HART_LINE, 7, 0);
    assert_int_equal(r.h->cpu->interrupts_raised[7], 3);
    assert_int_equal(r.h->cpu->interrupts_taken[7], 0);
    rig_free(&r);
}

static void a_taken_interrupt_is_told_and_counted(void **state) {
    (void)state;
    Rig r = rig_new();
    r.h->cpu->env.mie = BIT64(IRQ_MTI);
    r.h->cpu->env.mstatus |= MSTATUS_MIE;
    r.h->cpu->env.pc = 0x80000200;
    r.h->cpu->env.mtvec = 0x80000400;
    riscv_cpu_set_irq(r.h->cpu, IRQ_MTI, true);
    take(&r);
    assert_true(riscv_take_interrupt(&r.h->cpu->parent));
    assert_int_equal(take(&r), 1);
    assert_event(&r.events[0], TRACE_INTERRUPT, 7, 0x80000200);
    assert_int_equal(r.events[0].arg[2], 0x80000400);
    assert_int_equal(r.h->cpu->interrupts_taken[7], 1);
    rig_free(&r);
}

static void flushes_tell_their_scope(void **state) {
    (void)state;
    Rig r = rig_new();
    take(&r);
    cpu_tlb_flush(&r.h->cpu->parent);
    cpu_tlb_flush_page(&r.h->cpu->parent, 0x5000);
    cpu_tlb_switch(&r.h->cpu->parent);
    assert_int_equal(take(&r), 3);
    assert_event(&r.events[0], TRACE_TLB_FLUSH, 0, 0);
    assert_event(&r.events[1], TRACE_TLB_FLUSH, 1, 0x5000);
    assert_event(&r.events[2], TRACE_TLB_FLUSH, 2, 0);
    rig_free(&r);
}

static void a_fill_tells_page_and_rights(void **state) {
    (void)state;
    Rig r = rig_new();
    take(&r);
    assert_true(riscv_tlb_fill(&r.h->cpu->parent, RAM_BASE + 0x1234, 4, ACCESS_LOAD,
                               MMU_M, false));
    assert_int_equal(take(&r), 1);
    assert_event(&r.events[0], TRACE_TLB_FILL, RAM_BASE + 0x1000, RAM_BASE + 0x1000);
    assert_int_equal(r.events[0].arg[2], PROT_R | PROT_W | PROT_X);
    rig_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trap_and_its_return_are_two_events),
        cmocka_unit_test(a_line_counts_once_for_each_rise),
        cmocka_unit_test(a_taken_interrupt_is_told_and_counted),
        cmocka_unit_test(flushes_tell_their_scope),
        cmocka_unit_test(a_fill_tells_page_and_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
