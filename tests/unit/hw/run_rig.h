/* SPDX-License-Identifier: MIT */
/* Whole machines with a guest of a few instructions, for tests of how they run. */
#ifndef VITRINE_TESTS_RUN_RIG_H
#define VITRINE_TESTS_RUN_RIG_H

#include "hw_fixture.h"

#include <unistd.h>

typedef struct RunTest {
    Log log;
    MachineConfig config;
    char kernel[64], serial[80];
} RunTest;

static inline int run_setup(void **state) {
    RunTest *t = calloc(1, sizeof(*t));
    log_init(&t->log);
    snprintf(t->kernel, sizeof(t->kernel), "/tmp/vitrine-run-%d", (int)getpid());
    t->config = (MachineConfig){.machine = "virt",
                                .xlen = 64,
                                .ram_size = 16 << 20,
                                .cpus = 1,
                                .accel = "tcg",
                                .multi_thread = true,
                                .bios = "none",
                                .kernel = t->kernel,
                                .nodefaults = true,
                                .display_none = true};
    *state = t;
    return 0;
}

static inline int run_teardown(void **state) {
    RunTest *t = *state;
    unlink(t->kernel);
    log_destroy(&t->log);
    free(t);
    return 0;
}

static inline Machine *run_make(RunTest *t, const uint32_t *code, size_t size) {
    Error *err = NULL;
    FILE *out = fopen(t->kernel, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(code, 1, size, out), size);
    fclose(out);
    Machine *m = machine_new(&t->config, &t->log, NULL, &err);
    if (!m) {
        fail_msg("%s", error_message(err));
    }
    return m;
}

/* machine_run() on a thread of its own. */
typedef struct RunThread {
    pthread_t thread;
    Machine *m;
    int status;
} RunThread;

static inline void *run_thread(void *opaque) {
    RunThread *r = opaque;
    r->status = machine_run(r->m);
    return NULL;
}

static inline void run_begin(RunThread *r, Machine *m) {
    r->m = m;
    assert_int_equal(pthread_create(&r->thread, NULL, run_thread, r), 0);
}

static inline void run_end(RunThread *r) {
    machine_request_shutdown(r->m, SHUTDOWN_USER, 0);
    pthread_join(r->thread, NULL);
    machine_free(r->m);
}

/* Each hart counts for ever, at 0x80001000 + 64 * mhartid. */
static const uint32_t run_counting[] = {
    0xf1402373, /* csrr  t1, mhartid */
    0x00631313, /* slli  t1, t1, 6 */
    0x800012b7, /* lui   t0, 0x80001 */
    0x02029293, /* slli  t0, t0, 32 */
    0x0202d293, /* srli  t0, t0, 32 */
    0x006282b3, /* add   t0, t0, t1 */
    0x0002b383, /* 1: ld t2, 0(t0) */
    0x00138393, /* addi  t2, t2, 1 */
    0x0072b023, /* sd    t2, 0(t0) */
    0xff5ff06f, /* j     1b */
};

static inline uint64_t run_count(Machine *m, unsigned hart) {
    uint64_t value = 0;
    machine_lock(m);
    address_space_load(&m->as, 0x80001000 + 64 * hart, 8, &value);
    machine_unlock(m);
    return value;
}

/* Waits until the hart counts; false: it does not in 10 s. */
static inline bool run_counts(Machine *m, unsigned hart) {
    uint64_t before = run_count(m, hart);
    for (unsigned ms = 0; ms < 10000; ms++) {
        if (run_count(m, hart) != before) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

#endif
