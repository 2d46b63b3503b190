/* SPDX-License-Identifier: MIT */
/*
 * Clock: the one gate through which time enters the machine, and the timers that fire on
 * it.
 *
 *   device --timer_mod(t, ns)--> TimerList (sorted) --clock_run_timers()--> callback
 *                                     ^
 *   host clock, or instruction count with -icount: only clock_now_ns() asks
 *
 * Invariants: armed timers are sorted by deadline, those of equal deadline in the order
 * they were armed. A timer that is armed while clock_run_timers() runs waits for its next
 * call, however long it is overdue: a guest that asks for a period of zero cannot hold
 * the loop.
 * Threads: timers are changed and run under the machine lock; clock_now_ns() may be
 * called by any thread. `notify` is called (under the lock) when the earliest deadline
 * becomes earlier.
 */
#ifndef VITRINE_UTIL_CLOCK_H
#define VITRINE_UTIL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Clock Clock;
typedef struct Timer Timer;

struct Timer {
    Clock *clock;
    void (*fire)(void *opaque);
    void *opaque;
    int64_t expires_ns;   /* -1: not armed */
    uint64_t armed_round; /* clock->round when it was armed */
    Timer *next;
};

struct Clock {
    int64_t offset_ns;     /* added to the source; grows by every pause. Atomic */
    int64_t stopped_at_ns; /* >= 0: the machine is stopped and time stands. Atomic */
    int64_t host_start_ns; /* the host's monotonic clock at clock_init() */
    int64_t wall_base_ns;  /* wall time at virtual time 0, if it goes with virtual time */
    int64_t wall_ahead_ns; /* of the host's, if it goes with that one */
    bool wall_is_virtual;  /* wall time goes with virtual time (-rtc clock=vm) */
    uint64_t round;        /* calls of clock_run_timers() so far */
    /* Source of virtual time, from 0. NULL: the host's monotonic clock since
     * clock_init(). Set it before time is first asked for. */
    int64_t (*source)(void *opaque);
    void *source_opaque;
    Timer *first; /* armed timers, earliest first */
    void (*notify)(void *opaque);
    void *notify_opaque;
    struct Trace *trace; /* told of timers; or NULL */
};

void clock_init(Clock *c);
int64_t clock_now_ns(const Clock *c); /* virtual time */
/* Wall time for RTCs, ns since 1970: that of the host, or wall_base_ns + virtual time if that was
 * wished for, or with a source of one's own: a deterministic run sees the same date each time. */
int64_t clock_host_wall_ns(const Clock *c);
bool clock_wall_is_virtual(const Clock *c);
void clock_stop(Clock *c); /* time stands from here; stopping twice is stopping once */
/* Sets the virtual time of a clock that stands. Armed timers keep their deadlines. */
void clock_set_ns(Clock *c, int64_t now_ns);
void clock_resume(Clock *c); /* time goes on from where it stood */

void timer_init(Timer *t, Clock *c, void (*fire)(void *opaque), void *opaque);
void timer_mod(Timer *t, int64_t expires_ns); /* (re)arms; a negative time counts as 0 */
void timer_del(Timer *t);                     /* disarms; harmless if not armed */
/* Virtual time of the earliest timer, or -1. */
int64_t clock_deadline_ns(const Clock *c);
/* Fires what is due, earliest first; a callback may arm and delete any timer, its own
 * as well. Returns the number fired. Locks: the machine lock. */
unsigned clock_run_timers(Clock *c);

#endif
