/* SPDX-License-Identifier: MIT */
/* Run state: stop, go on, pause and the events, of machines whose harts count in memory. */
#include "run_rig.h"

enum { STRESS_TURNS = 300, MAX_EVENTS = 16 };

/* --- stop ------------------------------------------------------------------------ */

static void assert_stands(Machine *m) {
    uint64_t before[4];
    for (unsigned i = 0; i < m->cpus->count; i++) {
        before[i] = run_count(m, i);
    }
    usleep(5000);
    for (unsigned i = 0; i < m->cpus->count; i++) {
        assert_int_equal(run_count(m, i), before[i]);
    }
}

static void assert_runs(Machine *m) {
    for (unsigned i = 0; i < m->cpus->count; i++) {
        assert_true(run_counts(m, i));
    }
}

static void stop_parks_all_harts_and_time_stands(void **state) {
    RunTest *t = *state;
    RunThread r;
    t->config.cpus = 4;
    for (int multi = 0; multi < 2; multi++) {
        t->config.multi_thread = multi;
        Machine *m = run_make(t, run_counting, sizeof(run_counting));
        assert_int_equal(machine_run_state(m), RUN_PRELAUNCH);
        run_begin(&r, m);
        assert_runs(m);
        machine_stop(m, RUN_PAUSED);
        assert_int_equal(machine_run_state(m), RUN_PAUSED);
        int64_t time = clock_now_ns(&m->clock);
        assert_stands(m);
        assert_int_equal(clock_now_ns(&m->clock), time);
        assert_true(machine_cont(m, NULL));
        assert_int_equal(machine_run_state(m), RUN_RUNNING);
        assert_runs(m);
        assert_true(clock_now_ns(&m->clock) > time);
        run_end(&r);
    }
}

static void machine_can_be_started_by_another_thread(void **state) {
    RunTest *t = *state;
    RunThread r;
    t->config.start_stopped = true;
    Machine *m = run_make(t, run_counting, sizeof(run_counting));
    run_begin(&r, m);
    assert_stands(m);
    assert_true(machine_cont(m, NULL));
    assert_true(machine_cont(m, NULL)); /* runs already */
    assert_runs(m);
    run_end(&r);
}

static void request_under_the_machine_lock_stops(void **state) {
    RunTest *t = *state;
    RunThread r;
    Machine *m = run_make(t, run_counting, sizeof(run_counting));
    run_begin(&r, m);
    assert_runs(m);
    assert_false(machine_wait_stopped(m, 1));
    machine_lock(m);
    machine_request_stop(m, RUN_PAUSED);
    machine_unlock(m);
    assert_true(machine_wait_stopped(m, 10000));
    assert_int_equal(machine_run_state(m), RUN_PAUSED);
    assert_stands(m);
    run_end(&r);
}

/* --- pause ----------------------------------------------------------------------- */

static void pause_parks_the_harts_but_not_time(void **state) {
    RunTest *t = *state;
    RunThread r;
    t->config.cpus = 2;
    Machine *m = run_make(t, run_counting, sizeof(run_counting));
    run_begin(&r, m);
    assert_runs(m);
    machine_pause(m);
    int64_t time = clock_now_ns(&m->clock);
    assert_int_equal(machine_run_state(m), RUN_RUNNING);
    assert_stands(m);
    assert_true(clock_now_ns(&m->clock) > time);
    machine_unpause(m);
    assert_runs(m);
    run_end(&r);
}

static void pauses_and_stops_nest_either_way(void **state) {
    RunTest *t = *state;
    RunThread r;
    Machine *m = run_make(t, run_counting, sizeof(run_counting));
    run_begin(&r, m);
    assert_runs(m);
    machine_pause(m);
    machine_pause(m);
    machine_stop(m, RUN_PAUSED);
    machine_unpause(m);
    assert_stands(m);
    assert_true(machine_cont(m, NULL)); /* one pause is left */
    assert_stands(m);
    machine_unpause(m);
    assert_runs(m);
    machine_stop(m, RUN_PAUSED);
    machine_pause(m);
    machine_unpause(m);
    assert_stands(m);
    assert_true(machine_cont(m, NULL));
    assert_runs(m);
    run_end(&r);
}

typedef struct Pauser {
    Machine *m;
    unsigned moved; /* how often a hart counted during a pause */
} Pauser;

static void *pause_again_and_again(void *opaque) {
    Pauser *p = opaque;
    for (unsigned i = 0; i < STRESS_TURNS; i++) {
        unsigned hart = i % p->m->cpus->count;
        machine_pause(p->m);
        uint64_t before = run_count(p->m, hart);
        usleep(i % 50);
        p->moved += run_count(p->m, hart) != before;
        machine_unpause(p->m);
    }
    return NULL;
}

static void two_threads_pause_while_a_third_stops(void **state) {
    RunTest *t = *state;
    RunThread r;
    t->config.cpus = 4;
    for (int multi = 0; multi < 2; multi++) {
        t->config.multi_thread = multi;
        Machine *m = run_make(t, run_counting, sizeof(run_counting));
        Pauser p[2] = {{m, 0}, {m, 0}};
        pthread_t thread[2];
        run_begin(&r, m);
        assert_true(run_counts(m, 0));
        for (unsigned i = 0; i < 2; i++) {
            pthread_create(&thread[i], NULL, pause_again_and_again, &p[i]);
        }
        for (unsigned i = 0; i < STRESS_TURNS; i++) {
            machine_stop(m, RUN_PAUSED);
            uint64_t before = run_count(m, 1);
            usleep(i % 30);
            assert_int_equal(run_count(m, 1), before);
            assert_true(machine_cont(m, NULL));
        }
        for (unsigned i = 0; i < 2; i++) {
            pthread_join(thread[i], NULL);
            assert_int_equal(p[i].moved, 0);
        }
        assert_runs(m);
        run_end(&r);
    }
}

/* --- reset, shutdown, events ----------------------------------------------------- */

typedef struct Events {
    unsigned count; /* atomic */
    MachineEventKind kind[MAX_EVENTS];
    RunState state[MAX_EVENTS];
    ShutdownCause cause[MAX_EVENTS];
} Events;

static void note_event(void *opaque, const MachineEvent *ev) {
    Events *e = opaque;
    unsigned i = e->count;
    if (i < MAX_EVENTS) {
        e->kind[i] = ev->kind;
        e->state[i] = ev->state;
        e->cause[i] = ev->cause;
        __atomic_store_n(&e->count, i + 1, __ATOMIC_RELEASE);
    }
}

static void wait_events(const Events *e, unsigned count) {
    for (unsigned ms = 0; ms < 10000; ms++) {
        if (__atomic_load_n(&e->count, __ATOMIC_ACQUIRE) >= count) {
            return;
        }
        usleep(1000);
    }
    fail_msg("%u events of %u", e->count, count);
}

static void listeners_hear_what_happens_in_order(void **state) {
    RunTest *t = *state;
    RunThread r;
    Events e = {0}, gone = {0};
    MachineListener listener = {note_event, &e, NULL},
                    removed = {note_event, &gone, NULL};
    Machine *m = run_make(t, run_counting, sizeof(run_counting));
    machine_add_listener(m, &listener);
    machine_add_listener(m, &removed);
    machine_remove_listener(m, &removed);
    run_begin(&r, m);
    wait_events(&e, 1);
    machine_stop(m, RUN_PAUSED);
    machine_stop(m, RUN_PAUSED); /* nothing happens */
    machine_powerdown(m);
    assert_true(machine_cont(m, NULL));
    machine_request_reset(m, SHUTDOWN_GUEST_RESET);
    wait_events(&e, 5);
    machine_request_shutdown(m, SHUTDOWN_USER, 0);
    pthread_join(r.thread, NULL);
    const MachineEventKind kinds[] = {MEV_RESUME, MEV_STOP,  MEV_POWERDOWN,
                                      MEV_RESUME, MEV_RESET, MEV_SHUTDOWN};
    const RunState states[] = {RUN_RUNNING, RUN_PAUSED,  RUN_PAUSED,
                               RUN_RUNNING, RUN_RUNNING, RUN_SHUTDOWN};
    assert_int_equal(e.count, 6);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(e.kind[i], kinds[i]);
        assert_int_equal(e.state[i], states[i]);
    }
    assert_int_equal(e.cause[5], SHUTDOWN_USER);
    assert_int_equal(gone.count, 0);
    Error *err = NULL;
    assert_false(machine_cont(m, &err)); /* it has ended */
    error_free(err);
    machine_free(m);
}

static void reset_of_a_stopped_machine_leaves_it_stopped(void **state) {
    RunTest *t = *state;
    RunThread r;
    Events e = {0};
    MachineListener listener = {note_event, &e, NULL};
    Machine *m = run_make(t, run_counting, sizeof(run_counting));
    run_begin(&r, m);
    assert_runs(m);
    machine_stop(m, RUN_PAUSED);
    machine_add_listener(m, &listener);
    machine_request_reset(m, SHUTDOWN_GUEST_RESET);
    wait_events(&e, 1);
    assert_int_equal(e.kind[0], MEV_RESET);
    assert_int_equal(machine_run_state(m), RUN_PRELAUNCH);
    assert_stands(m);
    assert_true(machine_cont(m, NULL));
    assert_runs(m);
    machine_remove_listener(m, &listener);
    run_end(&r);
}

/* li t4, 0x5555; lui t2, 0x100; sw t4, 0(t2): the test finisher's "pass" */
static const uint32_t switch_off[] = {0x001003b7, 0x00005eb7, 0x555e8e93, 0x01d3a023,
                                      0x0000006f};

static void a_guest_that_is_off_goes_on_only_after_a_reset(void **state) {
    RunTest *t = *state;
    RunThread r;
    Error *err = NULL;
    t->config.no_shutdown = true;
    Machine *m = run_make(t, switch_off, sizeof(switch_off));
    Events e = {0};
    MachineListener listener = {note_event, &e, NULL};
    machine_add_listener(m, &listener);
    run_begin(&r, m);
    wait_events(&e, 3); /* resume, stop, shutdown */
    assert_int_equal(e.state[1], RUN_SHUTDOWN);
    assert_int_equal(e.cause[2], SHUTDOWN_GUEST);
    assert_int_equal(machine_run_state(m), RUN_SHUTDOWN);
    assert_false(machine_cont(m, &err));
    assert_non_null(strstr(error_message(err), "reset"));
    error_free(err);
    machine_request_reset(m, SHUTDOWN_GUEST_RESET);
    wait_events(&e, 4);
    assert_true(machine_cont(m, NULL));
    wait_events(&e, 7); /* and the same again */
    assert_int_equal(e.cause[6], SHUTDOWN_GUEST);
    run_end(&r);
}

static void nothing_goes_on_while_a_snapshot_is_loaded(void **state) {
    RunTest *t = *state;
    RunThread r;
    Error *err = NULL;
    Machine *m = run_make(t, run_counting, sizeof(run_counting));
    run_begin(&r, m);
    assert_runs(m);
    machine_stop(m, RUN_RESTORE);
    assert_false(machine_cont(m, &err));
    error_free(err);
    machine_stop(m, RUN_DEBUG); /* too late to be the reason */
    assert_int_equal(machine_run_state(m), RUN_RESTORE);
    machine_stop(m, RUN_PAUSED);
    assert_true(machine_cont(m, NULL));
    assert_runs(m);
    run_end(&r);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)
    const struct CMUnitTest tests[] = {
        T(stop_parks_all_harts_and_time_stands),
        T(machine_can_be_started_by_another_thread),
        T(request_under_the_machine_lock_stops),
        T(pause_parks_the_harts_but_not_time),
        T(pauses_and_stops_nest_either_way),
        T(two_threads_pause_while_a_third_stops),
        T(listeners_hear_what_happens_in_order),
        T(reset_of_a_stopped_machine_leaves_it_stopped),
        T(a_guest_that_is_off_goes_on_only_after_a_reset),
        T(nothing_goes_on_while_a_snapshot_is_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
