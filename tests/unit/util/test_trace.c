/* SPDX-License-Identifier: MIT */
/* The trace ring: filters, laps, many writers at once, text. Every writer's events carry a checksum, so
 * that a torn one shows. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/clock.h"
#include "util/trace.h"

typedef struct Rig {
    Clock clock;
    int64_t now;
    uint64_t icount;
    Trace *trace;
    uint64_t cursor, lost;
    TraceEvent events[512];
} Rig;

static int64_t rig_time(void *opaque) {
    return ((Rig *)opaque)->now;
}

static uint64_t rig_icount(void *opaque) {
    return ((Rig *)opaque)->icount;
}

static void rig_init(Rig *r) {
    *r = (Rig){0};
    clock_init(&r->clock);
    r->clock.source = rig_time;
    r->clock.source_opaque = r;
    r->trace = trace_new(&r->clock, rig_icount, r);
    assert_non_null(r->trace);
}

static void start(Rig *r, TraceFilter filter, uint64_t capacity) {
    assert_true(trace_start(r->trace, &filter, capacity, NULL));
}

static TraceFilter everything(void) {
    return (TraceFilter){.kinds = TRACE_ALL_KINDS, .last = UINT64_MAX};
}

static unsigned read_some(Rig *r, unsigned max) {
    return trace_read(r->trace, &r->cursor, r->events, max, &r->lost);
}

static void emit(Rig *r, TraceKind kind, int hart, uint64_t a0, uint64_t a1) {
    if (trace_on(r->trace, kind)) {
        trace_emit(r->trace, kind, hart, a0, a1, 0, 0);
    }
}

static void nothing_is_recorded_before_start_and_after_stop(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    emit(&r, TRACE_WFI, 0, 1, 0);
    assert_int_equal(read_some(&r, 512), 0);
    start(&r, everything(), 64);
    emit(&r, TRACE_WFI, 0, 2, 0);
    trace_stop(r.trace);
    emit(&r, TRACE_WFI, 0, 3, 0);
    assert_int_equal(read_some(&r, 512), 1);
    assert_int_equal(r.events[0].arg[0], 2);
    assert_int_equal(r.lost, 0);
    trace_free(r.trace);
}

static void an_event_has_its_time_count_and_hart(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    start(&r, everything(), 64);
    r.now = 12345;
    r.icount = 678;
    trace_emit(r.trace, TRACE_MMIO_WRITE, 3, 0x10000000, 1, 0x83, 0x80000000);
    assert_int_equal(read_some(&r, 1), 1);
    const TraceEvent *e = &r.events[0];
    assert_int_equal(e->ns, 12345);
    assert_int_equal(e->icount, 678);
    assert_int_equal(e->hart, 3);
    assert_int_equal(e->kind, TRACE_MMIO_WRITE);
    char text[128];
    int n = trace_format(e, text, sizeof(text));
    assert_string_equal(text, "write 1 bytes at 0x10000000: 0x83, by 0x80000000");
    assert_int_equal(n, strlen(text));
    char cut[8];
    assert_int_equal(trace_format(e, cut, sizeof(cut)), n);
    assert_string_equal(cut, "write 1");
    trace_free(r.trace);
}

static void filters_select_kinds_harts_and_addresses(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    TraceFilter f = {.kinds = trace_kind_mask("mmio") | trace_kind_mask("irq_line"),
                     .first = 0x1000,
                     .last = 0x1fff};
    start(&r, f, 64);
    emit(&r, TRACE_MMIO_READ, 0, 0xfff, 1);
    emit(&r, TRACE_MMIO_READ, 0, 0x1000, 1);
    emit(&r, TRACE_MMIO_WRITE, 1, 0x1fff, 1);
    emit(&r, TRACE_MMIO_WRITE, 1, 0x2000, 1);
    emit(&r, TRACE_WFI, 0, 0x1000, 1);               /* not a chosen kind */
    emit(&r, TRACE_IRQ_LINE, TRACE_NO_HART, 7, 0x5); /* has no address: passes */
    assert_int_equal(read_some(&r, 512), 3);
    assert_int_equal(r.events[0].arg[0], 0x1000);
    assert_int_equal(r.events[1].arg[0], 0x1fff);
    assert_int_equal(r.events[2].kind, TRACE_IRQ_LINE);
    f.harts = 1u << 1;
    start(&r, f, 64);
    emit(&r, TRACE_MMIO_READ, 0, 0x1000, 1);
    emit(&r, TRACE_MMIO_READ, 1, 0x1001, 1);
    emit(&r, TRACE_IRQ_LINE, TRACE_NO_HART, 7, 0x5);
    assert_int_equal(read_some(&r, 512), 1);
    assert_int_equal(r.events[0].arg[0], 0x1001);
    trace_free(r.trace);
}

static void names_and_groups_are_masks(void **state) {
    (void)state;
    assert_int_equal(trace_kind_mask("wfi"), UINT64_C(1) << TRACE_WFI);
    assert_int_equal(trace_kind_mask("tlb"),
                     UINT64_C(1) << TRACE_TLB_FILL | UINT64_C(1) << TRACE_TLB_FLUSH);
    assert_int_equal(trace_kind_mask("all"), TRACE_ALL_KINDS);
    assert_int_equal(trace_kind_mask("nonsense"), 0);
}

static void a_slow_reader_is_told_how_many_it_lost(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    start(&r, everything(), 64);
    for (unsigned i = 0; i < 200; i++) {
        emit(&r, TRACE_WFI, 0, i, 0);
    }
    assert_int_equal(read_some(&r, 10), 10);
    assert_int_equal(r.lost, 200 - 64);
    assert_int_equal(r.events[0].arg[0], 200 - 64);
    assert_int_equal(read_some(&r, 512), 54);
    assert_int_equal(r.lost, 0);
    assert_int_equal(r.events[53].arg[0], 199);
    TraceStats stats;
    trace_stats(r.trace, &stats);
    assert_int_equal(stats.count[TRACE_WFI], 200);
    assert_int_equal(stats.next - stats.first, 64);
    trace_free(r.trace);
}

static void a_new_start_forgets_but_loses_nothing(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    start(&r, everything(), 256);
    for (unsigned i = 0; i < 100; i++) {
        emit(&r, TRACE_WFI, 0, i, 0);
    }
    start(&r, everything(), 64); /* a smaller ring, with old events under its slots */
    emit(&r, TRACE_WAKE, 0, 777, 0);
    assert_int_equal(read_some(&r, 512), 1);
    assert_int_equal(r.lost, 0);
    assert_int_equal(r.events[0].arg[0], 777);
    r.cursor = UINT64_MAX; /* a reader's nonsense */
    assert_int_equal(read_some(&r, 512), 0);
    trace_free(r.trace);
}

static void bad_starts_are_refused_and_change_nothing(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    start(&r, everything(), 64);
    TraceFilter none = {.last = UINT64_MAX}, all = everything();
    Error *err = NULL;
    assert_false(trace_start(r.trace, &none, 64, &err));
    assert_non_null(err);
    error_free(err);
    assert_false(trace_start(r.trace, &all, TRACE_CAPACITY_MAX + 1, NULL));
    assert_false(trace_start(r.trace, &all, 0, NULL));
    assert_true(trace_on(r.trace, TRACE_WFI));
    trace_free(r.trace);
}

static void the_past_that_is_run_again_is_not_recorded_twice(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    r.icount = 100;
    r.now = 7;
    start(&r, everything(), 64);
    emit(&r, TRACE_WFI, 0, 1, 0);
    r.icount = 200;
    trace_hold(r.trace, true); /* a journey from count 200 to 50 */
    r.icount = 120;
    emit(&r, TRACE_WFI, 0, 2, 0);
    r.icount = 50;
    TraceStats stats;
    trace_stats(r.trace, &stats);
    assert_true(stats.running);
    assert_int_equal(stats.since_count, 100);
    assert_int_equal(stats.since_ns, 7);
    trace_hold(r.trace, false);
    emit(&r, TRACE_WFI, 0, 3, 0); /* before the trace began: news */
    r.icount = 199;
    emit(&r, TRACE_WFI, 0, 4, 0);
    r.icount = 200;
    emit(&r, TRACE_WFI, 0, 5, 0);
    assert_int_equal(read_some(&r, 512), 3);
    assert_int_equal(r.events[0].arg[0], 1);
    assert_int_equal(r.events[1].arg[0], 3);
    assert_int_equal(r.events[2].arg[0], 5);
    r.icount = 150;
    trace_forget(r.trace);
    emit(&r, TRACE_WFI, 0, 6, 0);
    assert_int_equal(read_some(&r, 512), 1);
    assert_int_equal(r.events[0].arg[0], 6);
    assert_int_equal(r.lost, 0);
    trace_hold(r.trace, true);
    trace_stop(r.trace);
    trace_hold(r.trace, false); /* does not start it */
    assert_false(trace_on(r.trace, TRACE_WFI));
    trace_free(r.trace);
}

static void do_nothing(void *opaque) {
    (void)opaque;
}

static void timers_tell_when_they_are_armed_and_fire(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    r.clock.trace = r.trace;
    Timer t;
    timer_init(&t, &r.clock, do_nothing, &r);
    start(&r, everything(), 64);
    timer_mod(&t, 50);
    r.now = 60;
    assert_int_equal(clock_run_timers(&r.clock), 1);
    assert_int_equal(read_some(&r, 512), 2);
    assert_int_equal(r.events[0].kind, TRACE_TIMER_ARMED);
    assert_int_equal(r.events[0].arg[1], 50);
    assert_int_equal(r.events[1].kind, TRACE_TIMER_FIRED);
    assert_int_equal(r.events[1].ns, 60);
    trace_free(r.trace);
}

/* --- many writers ------------------------------------------------------------------- */

enum { WRITERS = 4, EACH = 20000 };

typedef struct Writer {
    Rig *rig;
    unsigned index;
} Writer;

static uint64_t checksum(uint64_t writer, uint64_t i) {
    return (writer << 32 | i) * UINT64_C(0x9e3779b97f4a7c15);
}

static void *write_many(void *opaque) {
    const Writer *w = opaque;
    for (uint64_t i = 0; i < EACH; i++) {
        trace_emit(w->rig->trace, TRACE_MMIO_READ, (int)w->index, w->index, i,
                   checksum(w->index, i), i);
    }
    return NULL;
}

/* Takes what there is; returns events read and lost together. */
static uint64_t check_batch(Rig *r, int64_t *last) {
    unsigned n = read_some(r, 512);
    for (unsigned i = 0; i < n; i++) {
        const TraceEvent *e = &r->events[i];
        assert_int_equal(e->arg[0], e->hart);
        assert_int_equal(e->arg[1], e->arg[3]);
        assert_int_equal(e->arg[2], checksum(e->arg[0], e->arg[1]));
        assert_true((int64_t)e->arg[1] >
                    last[e->hart]); /* a writer's events are in order */
        last[e->hart] = (int64_t)e->arg[1];
    }
    return n + r->lost;
}

static void concurrent_writers_tear_no_event_and_lose_none_uncounted(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    start(&r, everything(), 256);
    pthread_t thread[WRITERS];
    Writer writer[WRITERS];
    int64_t last[WRITERS] = {-1, -1, -1, -1};
    for (unsigned i = 0; i < WRITERS; i++) {
        writer[i] = (Writer){&r, i};
        assert_int_equal(pthread_create(&thread[i], NULL, write_many, &writer[i]), 0);
    }
    uint64_t seen = 0;
    TraceStats stats;
    do {
        seen += check_batch(&r, last);
        trace_stats(r.trace, &stats);
    } while (stats.next < WRITERS * EACH);
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(thread[i], NULL);
    }
    trace_stop(r.trace);
    uint64_t more;
    do {
        more = check_batch(&r, last);
        seen += more;
    } while (more);
    assert_int_equal(seen, WRITERS * EACH);
    trace_stats(r.trace, &stats);
    assert_int_equal(stats.count[TRACE_MMIO_READ] + stats.collisions, WRITERS * EACH);
    trace_free(r.trace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_recorded_before_start_and_after_stop),
        cmocka_unit_test(an_event_has_its_time_count_and_hart),
        cmocka_unit_test(filters_select_kinds_harts_and_addresses),
        cmocka_unit_test(names_and_groups_are_masks),
        cmocka_unit_test(a_slow_reader_is_told_how_many_it_lost),
        cmocka_unit_test(a_new_start_forgets_but_loses_nothing),
        cmocka_unit_test(bad_starts_are_refused_and_change_nothing),
        cmocka_unit_test(the_past_that_is_run_again_is_not_recorded_twice),
        cmocka_unit_test(timers_tell_when_they_are_armed_and_fire),
        cmocka_unit_test(concurrent_writers_tear_no_event_and_lose_none_uncounted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
