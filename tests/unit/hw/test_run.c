/* SPDX-License-Identifier: MIT */
/*
 * machine_run() with guests of a few instructions, assembled with GNU as (the text beside
 * each word is objdump's). What they must do follows from the RISC-V manuals and the test
 * finisher's protocol.
 */
#include "run_rig.h"

static int run(RunTest *t, const uint32_t *code, size_t size) {
    Machine *m = run_make(t, code, size);
    int status = machine_run(m);
    machine_free(m);
    return status;
}

/* Counts its starts at 0x80001000, resets after the first, then fails with the count as
 * its code. */
static const uint32_t reset_once[] = {
    0x800012b7, /* lui   t0, 0x80001 */
    0x02029293, /* slli  t0, t0, 32 */
    0x0202d293, /* srli  t0, t0, 32 */
    0x0002a303, /* lw    t1, 0(t0) */
    0x00130313, /* addi  t1, t1, 1 */
    0x0062a023, /* sw    t1, 0(t0) */
    0x001003b7, /* lui   t2, 0x100 */
    0x00100e13, /* addi  t3, zero, 1 */
    0x01c31a63, /* bne   t1, t3, 1f */
    0x00007eb7, /* lui   t4, 7 */
    0x777e8e93, /* addi  t4, t4, 0x777 */
    0x01d3a023, /* sw    t4, 0(t2) */
    0x0000006f, /* j     . */
    0x01031313, /* 1: slli t1, t1, 16 */
    0x00003eb7, /* lui   t4, 3 */
    0x333e8e93, /* addi  t4, t4, 0x333 */
    0x006eeeb3, /* or    t4, t4, t1 */
    0x01d3a023, /* sw    t4, 0(t2) */
    0x0000006f, /* j     . */
};

/* Writes "ok" to the UART and passes. */
static const uint32_t print_ok[] = {
    0x100002b7, /* lui   t0, 0x10000 */
    0x06f00313, /* addi  t1, zero, 'o' */
    0x00628023, /* sb    t1, 0(t0) */
    0x06b00313, /* addi  t1, zero, 'k' */
    0x00628023, /* sb    t1, 0(t0) */
    0x001003b7, /* lui   t2, 0x100 */
    0x00005eb7, /* lui   t4, 5 */
    0x555e8e93, /* addi  t4, t4, 0x555 */
    0x01d3a023, /* sw    t4, 0(t2) */
    0x0000006f, /* j     . */
};

/* Sets mtimecmp 100 us ahead, waits with wfi and fails with mip.MTIP (128) as its code.
 */
static const uint32_t wait_for_timer[] = {
    0x0200c2b7, /* lui   t0, 0x200c */
    0xff82b303, /* ld    t1, -8(t0) */
    0x3e830313, /* addi  t1, t1, 1000 */
    0x02004e37, /* lui   t3, 0x2004 */
    0x006e3023, /* sd    t1, 0(t3) */
    0x08000f13, /* addi  t5, zero, 128 */
    0x304f1073, /* csrrw zero, mie, t5 */
    0x10500073, /* wfi */
    0x34402ff3, /* csrrs t6, mip, zero */
    0x01efffb3, /* and   t6, t6, t5 */
    0x001003b7, /* lui   t2, 0x100 */
    0x010f9f93, /* slli  t6, t6, 16 */
    0x00003eb7, /* lui   t4, 3 */
    0x333e8e93, /* addi  t4, t4, 0x333 */
    0x01feeeb3, /* or    t4, t4, t6 */
    0x01d3a023, /* sw    t4, 0(t2) */
    0x0000006f, /* j     . */
};

static const uint32_t for_ever[] = {0x0000006f /* j . */};

static void guest_output_and_status_reach_the_host(void **state) {
    RunTest *t = *state;
    char text[8] = {0};
    snprintf(t->serial, sizeof(t->serial), "file:%s.out", t->kernel);
    t->config.serials.item[0] = t->serial;
    t->config.serials.count = 1;
    assert_int_equal(run(t, print_ok, sizeof(print_ok)), 0);
    FILE *in = fopen(t->serial + 5, "rb");
    assert_non_null(in);
    assert_int_equal(fread(text, 1, sizeof(text), in), 2);
    fclose(in);
    unlink(t->serial + 5);
    assert_string_equal(text, "ok");
}

static void machine_begins_in_a_flash_that_has_a_drive(void **state) {
    RunTest *t = *state;
    char drive[128];
    snprintf(drive, sizeof(drive), "if=pflash,format=raw,readonly=on,file=%s", t->kernel);
    FILE *out = fopen(t->kernel, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(wait_for_timer, 1, sizeof(wait_for_timer), out),
                     sizeof(wait_for_timer));
    fclose(out);
    assert_int_equal(truncate(t->kernel, 32 << 20), 0);
    t->config.kernel = NULL;
    t->config.drives.item[0] = drive;
    t->config.drives.count = 1;
    Error *err = NULL;
    Machine *m = machine_new(&t->config, &t->log, NULL, &err);
    assert_non_null(m);
    assert_int_equal(machine_run(m), 128);
    machine_free(m);
}

static void guest_runs_on_the_interpreter_too(void **state) {
    RunTest *t = *state;
    t->config.accel = "tcg-interp";
    assert_int_equal(run(t, reset_once, sizeof(reset_once)), 2);
}

static void reset_starts_again_and_keeps_ram(void **state) {
    RunTest *t = *state;
    assert_int_equal(run(t, reset_once, sizeof(reset_once)), 2);
}

static void no_reboot_makes_a_reset_the_end(void **state) {
    RunTest *t = *state;
    t->config.no_reboot = true;
    Machine *m = run_make(t, reset_once, sizeof(reset_once));
    assert_int_equal(machine_run(m), 0);
    assert_int_equal(m->shutdown, SHUTDOWN_GUEST_RESET);
    machine_free(m);
}

static void timer_wakes_a_waiting_hart(void **state) {
    RunTest *t = *state;
    assert_int_equal(run(t, wait_for_timer, sizeof(wait_for_timer)), 128);
}

static void rv32_guest_runs(void **state) {
    RunTest *t = *state;
    t->config.xlen = 32;
    assert_int_equal(run(t, print_ok, sizeof(print_ok)), 0);
}

static void *ask_for_shutdown(void *opaque) {
    usleep(30000);
    machine_request_shutdown(opaque, SHUTDOWN_SIGNAL, 3);
    return NULL;
}

static void shutdown_request_ends_an_endless_guest(void **state) {
    RunTest *t = *state;
    pthread_t thread;
    t->config.cpus = 2;
    Machine *m = run_make(t, for_ever, sizeof(for_ever));
    assert_int_equal(pthread_create(&thread, NULL, ask_for_shutdown, m), 0);
    assert_int_equal(machine_run(m), 3);
    assert_int_equal(m->shutdown, SHUTDOWN_SIGNAL);
    pthread_join(thread, NULL);
    machine_free(m);
}

/* What another thread saw of a stopped machine; cmocka's asserts belong to the test's
 * thread. */
typedef struct Watcher {
    Machine *m;
    int64_t time_ns;
    uint64_t count;
} Watcher;

static void *watch(void *opaque) {
    Watcher *w = opaque;
    usleep(30000);
    machine_lock(w->m);
    address_space_load(&w->m->as, 0x80001000, 4, &w->count);
    w->time_ns = clock_now_ns(&w->m->clock);
    machine_unlock(w->m);
    machine_request_shutdown(w->m, SHUTDOWN_USER, 0);
    return NULL;
}

static void machine_that_starts_stopped_does_nothing(void **state) {
    RunTest *t = *state;
    pthread_t thread;
    t->config.start_stopped = true;
    Machine *m = run_make(t, reset_once, sizeof(reset_once));
    Watcher w = {.m = m, .count = 99};
    int64_t before = clock_now_ns(&m->clock);
    assert_int_equal(pthread_create(&thread, NULL, watch, &w), 0);
    assert_int_equal(machine_run(m), 0);
    pthread_join(thread, NULL);
    assert_int_equal(w.count, 0);
    assert_int_equal(w.time_ns, before);
    machine_free(m);
}

static void no_shutdown_keeps_a_machine_that_switched_itself_off(void **state) {
    RunTest *t = *state;
    pthread_t thread;
    t->config.no_shutdown = true;
    Machine *m = run_make(t, print_ok, sizeof(print_ok));
    assert_int_equal(pthread_create(&thread, NULL, ask_for_shutdown, m), 0);
    assert_int_equal(machine_run(m), 3);
    assert_int_equal(m->run.state, RUN_SHUTDOWN);
    pthread_join(thread, NULL);
    machine_free(m);
}

/* The generator's first numbers from this seed are known: 599ed017fb08fc85, 2c73f08458540fa5,
 * 883ebce5a3f27c77, 3fbef740e9177b3f, e3b8346708cb5ecd (Rosetta Code, "Pseudo-random numbers/Splitmix64"). */
static void a_seed_makes_its_generators_numbers(void **state) {
    static const uint8_t wanted[] = {0x85, 0xa5, 0x77, 0x3f, 0xcd};
    RunTest *t = *state;
    uint8_t first[sizeof(wanted)], again[sizeof(wanted)];
    t->config.seeded = true;
    t->config.seed = 1234567;
    Machine *m = run_make(t, run_counting, sizeof(run_counting));
    machine_set_seed(m, true, t->config.seed);
    machine_random(m, first, sizeof(first));
    assert_memory_equal(first, wanted, sizeof(wanted));
    machine_set_seed(m, false, 0); /* the host's */
    machine_random(m, first, sizeof(first));
    machine_set_seed(m, false, 0);
    machine_random(m, again, sizeof(again));
    assert_memory_not_equal(first, again, sizeof(first));
    machine_free(m);
}

static int64_t seconds_to_host(const Machine *m) {
    return clock_host_wall_ns(&m->clock) / 1000000000 - (int64_t)time(NULL);
}

/* A machine that stands: the host's clock goes on, the guest's own does not. */
static void rtc_has_the_date_that_was_asked_for(void **state) {
    RunTest *t = *state;
    Machine *m = run_make(t, run_counting, sizeof(run_counting));
    assert_in_range(seconds_to_host(m) + 2, 0, 4);
    machine_free(m);
    t->config.rtc =
        (RtcConfig){RTC_BASE_DATE, INT64_C(1150560081) * 1000000000, RTC_CLOCK_HOST};
    m = run_make(t, run_counting, sizeof(run_counting));
    assert_in_range(seconds_to_host(m) + (int64_t)time(NULL), 1150560081, 1150560090);
    int64_t before = clock_host_wall_ns(&m->clock);
    usleep(2000);
    assert_true(clock_host_wall_ns(&m->clock) - before >= 2000000);
    machine_free(m);
    t->config.rtc.clock = RTC_CLOCK_VM;
    m = run_make(t, run_counting, sizeof(run_counting));
    before = clock_host_wall_ns(&m->clock);
    usleep(2000);
    assert_int_equal(clock_host_wall_ns(&m->clock), before);
    assert_int_equal(before - t->config.rtc.date_ns, clock_now_ns(&m->clock));
    machine_free(m);
    assert_int_equal(setenv("TZ", "XYZ-03:30", 1), 0); /* east of Greenwich */
    t->config.rtc = (RtcConfig){.base = RTC_BASE_LOCALTIME};
    m = run_make(t, run_counting, sizeof(run_counting));
    assert_in_range(seconds_to_host(m) + 2, 12600, 12604);
    machine_free(m);
    unsetenv("TZ");
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)
    const struct CMUnitTest tests[] = {
        T(guest_output_and_status_reach_the_host),
        T(machine_begins_in_a_flash_that_has_a_drive),
        T(guest_runs_on_the_interpreter_too),
        T(reset_starts_again_and_keeps_ram),
        T(no_reboot_makes_a_reset_the_end),
        T(timer_wakes_a_waiting_hart),
        T(rv32_guest_runs),
        T(shutdown_request_ends_an_endless_guest),
        T(machine_that_starts_stopped_does_nothing),
        T(no_shutdown_keeps_a_machine_that_switched_itself_off),
        T(a_seed_makes_its_generators_numbers),
        T(rtc_has_the_date_that_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
