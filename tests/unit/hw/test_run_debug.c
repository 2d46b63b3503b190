/* SPDX-License-Identifier: MIT */
/*
 * Break points, watch points and steps of whole machines: on both back ends, one and four
 * harts, one thread a hart and one for all. Where a guest must be after how many
 * instructions follows from its listing (objdump's text beside each word).
 */
#include "run_rig.h"

#include "cpu/riscv/cpu.h"

enum { CODE = 0x80000000, DATA = 0x80001000, WAIT_MS = 10000 };
/* Places in run_counting. */
#define LOAD  UINT64_C(0x80000018)
#define ADD   UINT64_C(0x8000001c)
#define STORE UINT64_C(0x80000020)
#define JUMP  UINT64_C(0x80000024)

enum { T1 = 6, T2 = 7, T3 = 28, T4 = 29 };

typedef struct Kind {
    const char *accel;
    unsigned cpus;
    bool multi;
} Kind;

static const Kind kinds[] = {
    {"tcg", 1, true},  {"tcg-interp", 1, true},  {"tcg", 4, true},
    {"tcg", 4, false}, {"tcg-interp", 4, false},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), KINDS_OF_ONE_HART = 2 };

static Machine *begin(RunTest *t, RunThread *r, const Kind *k, const uint32_t *code,
                      size_t size) {
    t->config.accel = k->accel;
    t->config.cpus = k->cpus;
    t->config.multi_thread = k->multi;
    t->config.start_stopped = true;
    Machine *m = run_make(t, code, size);
    run_begin(r, m);
    return m;
}

/* Goes on by the plan (NULL: freely) up to the next stop. */
static DebugStop go(Machine *m, const DebugPlan *plan) {
    Error *err = NULL;
    bool ok = plan ? machine_debug_cont(m, plan, &err) : machine_cont(m, &err);
    if (!ok) {
        fail_msg("%s", error_message(err));
    }
    assert_true(machine_wait_stopped(m, WAIT_MS));
    assert_int_equal(machine_run_state(m), RUN_DEBUG);
    return machine_debug_stop(m);
}

/* Hart `cpu` by `how`, the others not at all. */
static DebugStop go_alone(Machine *m, unsigned cpu, DebugRun how) {
    DebugPlan plan = {.interrupts = false};
    for (unsigned i = 0; i < DEBUG_MAX_CPUS; i++) {
        plan.run[i] = i == cpu ? how : DEBUG_HOLD;
    }
    return go(m, &plan);
}

static uint64_t reg(const Machine *m, unsigned cpu, unsigned n) {
    return riscv_cpu(m->cpus->cpu[cpu])->env.gpr[n];
}

static uint64_t pc_of(const Machine *m, unsigned cpu) {
    return riscv_cpu(m->cpus->cpu[cpu])->env.pc;
}

static void assert_all_stand(Machine *m) {
    uint64_t before[4] = {0};
    for (unsigned i = 0; i < m->cpus->count; i++) {
        before[i] = run_count(m, i);
    }
    usleep(2000);
    for (unsigned i = 0; i < m->cpus->count; i++) {
        assert_int_equal(run_count(m, i), before[i]);
    }
}

/* --- break points ---------------------------------------------------------------- */

static void break_stops_all_harts_and_each_turn_of_a_loop(void **state) {
    RunTest *t = *state;
    for (unsigned k = 0; k < KINDS; k++) {
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k], run_counting, sizeof(run_counting));
        uint64_t turns[4] = {0};
        /* In the middle of what is a block already. */
        assert_true(machine_cont(m, NULL));
        assert_true(run_counts(m, 0));
        machine_stop(m, RUN_PAUSED);
        unsigned id = machine_add_break(m, DEBUG_OWNER_INSPECT, ADD, NULL);
        assert_true(id > 0);
        for (unsigned n = 0; n < 20; n++) {
            DebugStop stop = go(m, NULL);
            assert_int_equal(stop.reason, DEBUG_BREAK);
            assert_int_equal(stop.point, id);
            assert_int_equal(stop.owner, DEBUG_OWNER_INSPECT);
            assert_int_equal(stop.pc, ADD);
            assert_int_equal(pc_of(m, stop.cpu), ADD);
            assert_all_stand(m);
            /* The load before it has run, the addition not: and once each turn. */
            uint64_t count = run_count(m, stop.cpu);
            assert_int_equal(reg(m, stop.cpu, T2), count);
            assert_true(!turns[stop.cpu] || count == turns[stop.cpu] + 1);
            turns[stop.cpu] = count;
        }
        assert_false(machine_remove_point(m, DEBUG_OWNER_GDB, id)); /* not its own */
        assert_true(machine_remove_point(m, DEBUG_OWNER_INSPECT, id));
        assert_true(machine_cont(m, NULL));
        for (unsigned i = 0; i < m->cpus->count; i++) {
            assert_true(run_counts(m, i));
        }
        assert_int_equal(machine_run_state(m), RUN_RUNNING);
        run_end(&r);
    }
}

static void breaks_at_neighbours_and_at_the_first_instruction(void **state) {
    RunTest *t = *state;
    for (unsigned k = 0; k < KINDS_OF_ONE_HART; k++) {
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k], run_counting, sizeof(run_counting));
        const vaddr at[] = {CODE, CODE + 4, LOAD, ADD, STORE, JUMP, LOAD, ADD};
        for (unsigned i = 0; i < 6; i++) {
            assert_true(machine_add_break(m, DEBUG_OWNER_GDB, at[i], NULL) > 0);
        }
        for (unsigned i = 0; i < 8; i++) {
            assert_int_equal(go(m, NULL).pc, at[i]);
        }
        machine_remove_points(m, DEBUG_OWNER_GDB);
        DebugPoint none;
        assert_int_equal(machine_list_points(m, &none, 1), 0);
        assert_true(machine_cont(m, NULL));
        assert_true(run_counts(m, 0));
        run_end(&r);
    }
}

static void points_can_be_set_while_the_guest_runs_and_are_limited(void **state) {
    RunTest *t = *state;
    RunThread r;
    Error *err = NULL;
    Machine *m = begin(t, &r, &kinds[2], run_counting, sizeof(run_counting));
    assert_true(machine_cont(m, NULL));
    assert_true(run_counts(m, 3));
    for (unsigned i = 0; i < DEBUG_MAX_POINTS - 1; i++) {
        assert_true(machine_add_break(m, DEBUG_OWNER_GDB, DATA + 4 * i, NULL) > 0);
    }
    assert_true(run_counts(m, 3));
    assert_true(machine_add_break(m, DEBUG_OWNER_GDB, STORE, NULL) > 0);
    assert_true(machine_wait_stopped(m, WAIT_MS));
    assert_int_equal(machine_debug_stop(m).pc, STORE);
    assert_int_equal(machine_add_break(m, DEBUG_OWNER_GDB, CODE, &err), 0);
    error_free(err);
    run_end(&r);
}

/* --- steps ----------------------------------------------------------------------- */

static void step_runs_one_instruction_of_one_hart(void **state) {
    RunTest *t = *state;
    for (unsigned k = 0; k < KINDS; k++) {
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k], run_counting, sizeof(run_counting));
        unsigned last = kinds[k].cpus - 1;
        /* The boot ROM first, up to where the loop begins. */
        machine_add_break(m, DEBUG_OWNER_GDB, LOAD, NULL);
        while (go(m, NULL).cpu != last) {
        }
        uint64_t others = run_count(m, 0), own = run_count(m, last);
        for (unsigned n = 0; n < 3; n++) {
            static const vaddr next[] = {ADD, STORE, JUMP, LOAD};
            for (unsigned i = 0; i < 4; i++) {
                DebugStop stop = go_alone(m, last, DEBUG_RUN_STEP);
                assert_int_equal(stop.reason, DEBUG_STEP);
                assert_int_equal(stop.cpu, last);
                assert_int_equal(stop.pc, next[i]);
            }
        }
        assert_int_equal(run_count(m, last), own + 3);
        assert_true(last == 0 || run_count(m, 0) == others);
        run_end(&r);
    }
}

static void range_and_block_steps(void **state) {
    RunTest *t = *state;
    for (unsigned k = 0; k < KINDS_OF_ONE_HART; k++) {
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k], run_counting, sizeof(run_counting));
        machine_add_break(m, DEBUG_OWNER_GDB, LOAD, NULL);
        go(m, NULL);
        machine_remove_points(m, DEBUG_OWNER_GDB);
        DebugPlan range = {
            .run = {DEBUG_RUN_STEP}, .range_start = LOAD, .range_end = JUMP};
        DebugStop stop = go(m, &range);
        assert_int_equal(stop.reason, DEBUG_STEP);
        assert_int_equal(stop.pc, JUMP);
        stop = go_alone(m, 0, DEBUG_RUN_BLOCK);
        assert_int_equal(stop.reason, DEBUG_BLOCK);
        assert_int_equal(stop.pc, LOAD);
        uint64_t before = run_count(m, 0);
        stop = go_alone(m, 0, DEBUG_RUN_BLOCK); /* the jump ends it */
        assert_int_equal(stop.pc, LOAD);
        assert_int_equal(run_count(m, 0), before + 1);
        Error *err = NULL;
        assert_true(machine_cont(m, NULL));
        assert_false(machine_debug_cont(m, &range, &err)); /* it runs */
        error_free(err);
        assert_true(run_counts(m, 0));
        run_end(&r);
    }
}

static const uint32_t traps[] = {
    0x00000297, /* 00 auipc t0, 0 */
    0x02028293, /* 04 addi  t0, t0, 32 */
    0x30529073, /* 08 csrw  mtvec, t0 */
    0x00500e13, /* 0c li    t3, 5 */
    0x00000073, /* 10 ecall */
    0x001e0e13, /* 14 addi  t3, t3, 1 */
    0x0000006f, /* 18 j     . */
    0x00000013, /* 1c nop */
    0x010e0e13, /* 20 addi  t3, t3, 16 */
    0x34102ef3, /* 24 csrr  t4, mepc */
    0x004e8e93, /* 28 addi  t4, t4, 4 */
    0x341e9073, /* 2c csrw  mepc, t4 */
    0x30200073, /* 30 mret */
};

static void exception_ends_a_step_before_the_handler_runs(void **state) {
    RunTest *t = *state;
    for (unsigned k = 0; k < KINDS_OF_ONE_HART; k++) {
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k], traps, sizeof(traps));
        machine_add_break(m, DEBUG_OWNER_GDB, CODE, NULL);
        go(m, NULL);
        static const unsigned next[] = {0x04, 0x08, 0x0c, 0x10, 0x20, 0x24,
                                        0x28, 0x2c, 0x30, 0x14, 0x18, 0x18};
        for (unsigned i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
            DebugStop stop = go_alone(m, 0, DEBUG_RUN_STEP);
            assert_int_equal(stop.pc, CODE + next[i]);
            if (next[i] == 0x20) {
                assert_int_equal(reg(m, 0, T3), 5);
            }
        }
        assert_int_equal(reg(m, 0, T3), 22);
        run_end(&r);
    }
}

static void run_to_the_next_trap(void **state) {
    RunTest *t = *state;
    for (unsigned k = 0; k < KINDS_OF_ONE_HART; k++) {
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k], traps, sizeof(traps));
        DebugStop stop = go_alone(m, 0, DEBUG_RUN_TRAP);
        assert_int_equal(stop.reason, DEBUG_TRAP);
        assert_int_equal(stop.pc, CODE + 0x20);
        assert_int_equal(reg(m, 0, T3), 5);
        run_end(&r);
    }
}

static const uint32_t interrupts_itself[] = {
    0x00000297, /* 00 auipc t0, 0 */
    0x02828293, /* 04 addi  t0, t0, 40 */
    0x30529073, /* 08 csrw  mtvec, t0 */
    0x30445073, /* 0c csrwi mie, MSIE */
    0x00100313, /* 10 li    t1, 1 */
    0x020003b7, /* 14 lui   t2, 0x2000: msip of hart 0 */
    0x30045073, /* 18 csrwi mstatus, MIE */
    0x0063a023, /* 1c sw    t1, 0(t2) */
    0x00100e13, /* 20 li    t3, 1 */
    0xffdff06f, /* 24 j     20 */
    0x001e8e93, /* 28 addi  t4, t4, 1 */
    0x0000006f, /* 2c j     . */
};

static void steps_hold_interrupts_off_unless_asked(void **state) {
    RunTest *t = *state;
    for (unsigned k = 0; k < KINDS_OF_ONE_HART; k++) {
        RunThread r;
        Machine *m =
            begin(t, &r, &kinds[k], interrupts_itself, sizeof(interrupts_itself));
        unsigned id = machine_add_break(m, DEBUG_OWNER_GDB, CODE + 0x1c, NULL);
        go(m, NULL);
        machine_remove_point(m, DEBUG_OWNER_GDB, id);
        static const unsigned next[] = {0x20, 0x24, 0x20, 0x24};
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(go_alone(m, 0, DEBUG_RUN_STEP).pc, CODE + next[i]);
        }
        DebugStop stop = go(m, &(DebugPlan){.run = {DEBUG_RUN_STEP}, .interrupts = true});
        assert_int_equal(stop.reason, DEBUG_STEP);
        assert_int_equal(stop.pc, CODE + 0x28);
        assert_int_equal(reg(m, 0, T4), 0); /* the handler has not begun */
        run_end(&r);

        m = begin(t, &r, &kinds[k], interrupts_itself, sizeof(interrupts_itself));
        stop = go_alone(m, 0, DEBUG_RUN_TRAP);
        assert_int_equal(stop.reason, DEBUG_TRAP);
        assert_int_equal(stop.pc, CODE + 0x28);
        assert_int_equal(reg(m, 0, T4), 0);
        run_end(&r);
    }
}

/* --- watch points ---------------------------------------------------------------- */

static void watch_tells_the_access_and_both_values(void **state) {
    RunTest *t = *state;
    for (unsigned k = 0; k < KINDS; k++) {
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k], run_counting, sizeof(run_counting));
        assert_true(machine_cont(m, NULL));
        assert_true(run_counts(m, 0));
        machine_stop(m, RUN_PAUSED);
        unsigned id = machine_add_watch(m, DEBUG_OWNER_GDB, DATA, 1, DEBUG_WRITE, NULL);
        for (unsigned n = 0; n < 5; n++) {
            DebugStop stop = go(m, NULL);
            assert_int_equal(stop.reason, DEBUG_WATCH);
            assert_int_equal(stop.cpu, 0); /* the others write elsewhere on the page */
            assert_int_equal(stop.point, id);
            assert_int_equal(stop.insn_pc, STORE);
            assert_int_equal(stop.pc, JUMP);
            assert_int_equal(stop.address, DATA);
            assert_int_equal(stop.size, 8);
            assert_int_equal(stop.access, DEBUG_WRITE);
            assert_int_equal(stop.new_value, stop.old_value + 1);
            assert_int_equal(stop.new_value, run_count(m, 0));
            assert_all_stand(m);
        }
        machine_remove_point(m, DEBUG_OWNER_GDB, id);
        machine_add_watch(m, DEBUG_OWNER_GDB, DATA, 8, DEBUG_READ, NULL);
        DebugStop stop = go(m, NULL);
        assert_int_equal(stop.insn_pc, LOAD);
        assert_int_equal(stop.pc, ADD);
        assert_int_equal(stop.access, DEBUG_READ);
        assert_int_equal(stop.old_value, stop.new_value);
        assert_int_equal(reg(m, 0, T2), stop.new_value);
        machine_remove_points(m, DEBUG_OWNER_GDB);
        machine_add_watch(m, DEBUG_OWNER_GDB, DATA, 8, DEBUG_ACCESS, NULL);
        assert_int_equal(go(m, NULL).insn_pc, STORE);
        assert_int_equal(go(m, NULL).insn_pc, LOAD);
        machine_remove_points(m, DEBUG_OWNER_GDB);
        assert_true(machine_cont(m, NULL));
        for (unsigned i = 0; i < m->cpus->count; i++) {
            assert_true(run_counts(m, i));
        }
        run_end(&r);
    }
}

static void watch_beside_the_data_never_stops(void **state) {
    RunTest *t = *state;
    for (unsigned k = 0; k < KINDS_OF_ONE_HART; k++) {
        RunThread r;
        Error *err = NULL;
        Machine *m = begin(t, &r, &kinds[k], run_counting, sizeof(run_counting));
        machine_add_watch(m, DEBUG_OWNER_GDB, DATA + 8, 56, DEBUG_ACCESS, NULL);
        machine_add_watch(m, DEBUG_OWNER_GDB, DATA - 8, 8, DEBUG_ACCESS, NULL);
        machine_add_watch(m, DEBUG_OWNER_GDB, DATA, 8, DEBUG_READ, NULL);
        machine_remove_point(m, DEBUG_OWNER_GDB, 3);
        assert_int_equal(machine_add_watch(m, DEBUG_OWNER_GDB, DATA, 0, DEBUG_READ, &err),
                         0);
        error_free(err);
        assert_true(machine_cont(m, NULL));
        for (unsigned n = 0; n < 5; n++) {
            assert_true(run_counts(m, 0));
        }
        assert_int_equal(machine_run_state(m), RUN_RUNNING);
        run_end(&r);
    }
}

static const uint32_t atomics[] = {
    0x800012b7, /* 00 lui   t0, 0x80001 */
    0x02029293, /* 04 slli  t0, t0, 32 */
    0x0202d293, /* 08 srli  t0, t0, 32 */
    0x1002b32f, /* 0c lr.d  t1, (t0) */
    0x00130313, /* 10 addi  t1, t1, 1 */
    0x1862b3af, /* 14 sc.d  t2, t1, (t0) */
    0xfe039ae3, /* 18 bnez  t2, 0c */
    0x001e0e13, /* 1c addi  t3, t3, 1 */
    0x01c2beaf, /* 20 amoadd.d t4, t3, (t0) */
    0x05c2b023, /* 24 sd    t3, 64(t0) */
    0xfe5ff06f, /* 28 j     0c */
};

static void watched_atomics_happen_once(void **state) {
    RunTest *t = *state;
    for (unsigned k = 0; k < KINDS_OF_ONE_HART; k++) {
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k], atomics, sizeof(atomics));
        machine_add_watch(m, DEBUG_OWNER_GDB, DATA, 8, DEBUG_WRITE, NULL);
        uint64_t value = 0;
        for (uint64_t n = 1; n < 5; n++) {
            DebugStop stop = go(m, NULL);
            assert_int_equal(stop.pc, CODE + 0x18);
            assert_int_equal(reg(m, 0, T2), 0); /* the sc succeeded */
            assert_int_equal(stop.old_value, value);
            assert_int_equal(stop.new_value, ++value);
            stop = go(m, NULL);
            assert_int_equal(stop.pc, CODE + 0x24);
            assert_int_equal(reg(m, 0, T4), value);
            value += n;
            assert_int_equal(stop.new_value, value);
        }
        run_end(&r);
    }
}

static void reset_forgets_a_stop_but_not_the_points(void **state) {
    RunTest *t = *state;
    RunThread r;
    Machine *m = begin(t, &r, &kinds[2], run_counting, sizeof(run_counting));
    machine_add_break(m, DEBUG_OWNER_GDB, CODE, NULL);
    go(m, NULL);
    machine_request_reset(m, SHUTDOWN_GUEST_RESET);
    while (machine_run_state(m) != RUN_PRELAUNCH) {
        usleep(1000);
    }
    assert_int_equal(machine_debug_stop(m).reason, DEBUG_NONE);
    assert_int_equal(go(m, NULL).pc, CODE);
    run_end(&r);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)
    const struct CMUnitTest tests[] = {
        T(break_stops_all_harts_and_each_turn_of_a_loop),
        T(breaks_at_neighbours_and_at_the_first_instruction),
        T(points_can_be_set_while_the_guest_runs_and_are_limited),
        T(step_runs_one_instruction_of_one_hart),
        T(range_and_block_steps),
        T(exception_ends_a_step_before_the_handler_runs),
        T(run_to_the_next_trap),
        T(steps_hold_interrupts_off_unless_asked),
        T(watch_tells_the_access_and_both_values),
        T(watch_beside_the_data_never_stops),
        T(watched_atomics_happen_once),
        T(reset_forgets_a_stop_but_not_the_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
