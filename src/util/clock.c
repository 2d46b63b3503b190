/* SPDX-License-Identifier: MIT */
/*
 * Clock: virtual time is the source plus an offset that swallows the pauses.
 *
 *   source   0----1----2----3----4----5----6          stop at 2, resume at 4:
 *   virtual  0----1----2 . . . . 2----3----4          offset becomes -2
 *
 * Threads: clock_resume() publishes the offset before it ends the stop, so a reader on
 * another thread that finds the clock running uses the new offset.
 */
#include "util/clock.h"

#include <assert.h>
#include <stddef.h>
#include <time.h>

#include "util/trace.h"

#define NS_PER_SEC INT64_C(1000000000)

static int64_t host_ns(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static int64_t clock_source_ns(const Clock *c) {
    if (c->source != NULL) {
        return c->source(c->source_opaque);
    }
    return host_ns(CLOCK_MONOTONIC) - c->host_start_ns;
}

void clock_init(Clock *c) {
    *c = (Clock){
        .stopped_at_ns = -1,
        .host_start_ns = host_ns(CLOCK_MONOTONIC),
        .wall_base_ns = host_ns(CLOCK_REALTIME),
    };
}

int64_t clock_now_ns(const Clock *c) {
    int64_t stopped = __atomic_load_n(&c->stopped_at_ns, __ATOMIC_ACQUIRE);
    if (stopped >= 0) {
        return stopped;
    }
    return clock_source_ns(c) + __atomic_load_n(&c->offset_ns, __ATOMIC_RELAXED);
}

bool clock_wall_is_virtual(const Clock *c) {
    return c->source != NULL || c->wall_is_virtual;
}

int64_t clock_host_wall_ns(const Clock *c) {
    if (clock_wall_is_virtual(c)) {
        return c->wall_base_ns + clock_now_ns(c);
    }
    return host_ns(CLOCK_REALTIME) + c->wall_ahead_ns;
}

void clock_stop(Clock *c) {
    __atomic_store_n(&c->stopped_at_ns, clock_now_ns(c), __ATOMIC_RELEASE);
}

void clock_set_ns(Clock *c, int64_t now_ns) {
    assert(c->stopped_at_ns >= 0);
    __atomic_store_n(&c->stopped_at_ns, now_ns, __ATOMIC_RELEASE);
}

void clock_resume(Clock *c) {
    if (c->stopped_at_ns >= 0) {
        int64_t offset = c->stopped_at_ns - clock_source_ns(c);
        __atomic_store_n(&c->offset_ns, offset, __ATOMIC_RELAXED);
        __atomic_store_n(&c->stopped_at_ns, -1, __ATOMIC_RELEASE);
    }
}

void timer_init(Timer *t, Clock *c, void (*fire)(void *opaque), void *opaque) {
    *t = (Timer){.clock = c, .fire = fire, .opaque = opaque, .expires_ns = -1};
}

void timer_del(Timer *t) {
    if (t->expires_ns < 0) {
        return;
    }
    Timer **link = &t->clock->first;
    while (*link != t) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = t->next;
    t->next = NULL;
    t->expires_ns = -1;
}

void timer_mod(Timer *t, int64_t expires_ns) {
    Clock *c = t->clock;
    int64_t old_deadline = clock_deadline_ns(c);
    timer_del(t);
    t->expires_ns = expires_ns < 0 ? 0 : expires_ns;
    t->armed_round = c->round;

    Timer **link = &c->first;
    while (*link != NULL && (*link)->expires_ns <= t->expires_ns) {
        link = &(*link)->next;
    }
    t->next = *link;
    *link = t;

    if (trace_on(c->trace, TRACE_TIMER_ARMED)) {
        trace_emit(c->trace, TRACE_TIMER_ARMED, TRACE_NO_HART, (uintptr_t)t,
                   (uint64_t)t->expires_ns, 0, 0);
    }
    bool earlier = old_deadline < 0 || t->expires_ns < old_deadline;
    if (earlier && c->notify != NULL) {
        c->notify(c->notify_opaque);
    }
}

int64_t clock_deadline_ns(const Clock *c) {
    return c->first != NULL ? c->first->expires_ns : -1;
}

/* The earliest timer that is due and was armed before this round, or NULL. */
static Timer *clock_next_due(const Clock *c, int64_t now, uint64_t round) {
    for (Timer *t = c->first; t != NULL && t->expires_ns <= now; t = t->next) {
        if (t->armed_round < round) {
            return t;
        }
    }
    return NULL;
}

unsigned clock_run_timers(Clock *c) {
    unsigned fired = 0;
    int64_t now = clock_now_ns(c);
    uint64_t round = ++c->round;
    Timer *t;
    while ((t = clock_next_due(c, now, round)) != NULL) {
        if (trace_on(c->trace, TRACE_TIMER_FIRED)) {
            trace_emit(c->trace, TRACE_TIMER_FIRED, TRACE_NO_HART, (uintptr_t)t,
                       (uint64_t)t->expires_ns, 0, 0);
        }
        timer_del(t);
        t->fire(t->opaque);
        fired++;
    }
    return fired;
}
