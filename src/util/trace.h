/* SPDX-License-Identifier: MIT */
/*
 * Trace: what the hardware does, event by event, in a bounded ring.
 *
 *   vCPU threads ----.                      head
 *   timers, devices --+--> slot[seq % capacity]...  --trace_read(cursor)--> inspector, tests
 *                          the oldest is overwritten: the reader is told how many it lost
 *
 * A Trace belongs to a machine. Who has something to say asks trace_on() first: while nothing is
 * recorded that is one load and one test, and none of the callers is in generated code's fast path:
 * traps, slow-path accesses, look-ups and translations are calls out of generated code anyway, so no
 * event happens unseen.
 *
 * Invariants: a slot whose `seq` is n + 1 holds event n whole; a writer owns a slot while BUSY is set
 * in it. A writer that meets a slot of a writer one lap behind gives its event up and counts it.
 *
 * Threads: any may emit and read. start and stop: one thread at a time.
 */
#ifndef VITRINE_UTIL_TRACE_H
#define VITRINE_UTIL_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

typedef struct Trace Trace;
struct Clock;

#define TRACE(id, name, group, address, a0, a1, a2, a3, text, meaning) id,
typedef enum TraceKind {
#include "util/trace.def"
    TRACE_KIND_COUNT
} TraceKind;
#undef TRACE

enum {
    TRACE_ARGS = 4,
    TRACE_NO_HART = -1,
    TRACE_CAPACITY_MIN = 64,
    TRACE_CAPACITY_MAX = 1 << 18, /* 16 MiB */
};
#define TRACE_ALL_KINDS ((UINT64_C(1) << TRACE_KIND_COUNT) - 1)

typedef struct TraceKindInfo {
    const char *name, *group;
    int address; /* the argument that is an address, or -1 */
    const char *arg[TRACE_ARGS];
    const char *text, *meaning;
} TraceKindInfo;

typedef struct TraceEvent {
    uint64_t seq;    /* counts all events since the machine was made */
    uint64_t icount; /* instructions executed, 0 without -icount */
    int64_t ns;      /* virtual time */
    TraceKind kind;
    int hart; /* TRACE_NO_HART: no hart did it */
    uint64_t arg[TRACE_ARGS];
} TraceEvent;

/* What is recorded. Zeroed fields but `kinds` and `last` let everything pass. */
typedef struct TraceFilter {
    uint64_t kinds;       /* 1 << TraceKind */
    uint32_t harts;       /* 1 << hart; 0: all, and what no hart did */
    uint64_t first, last; /* addresses, both inclusive; kinds without one pass */
} TraceFilter;

typedef struct TraceStats {
    bool running;
    uint64_t capacity;
    TraceFilter filter;
    uint64_t first, next; /* events that can be read: [first, next) */
    uint64_t overwritten; /* since the start */
    uint64_t collisions;  /* given up by a writer, see Invariants */
    uint64_t since_count; /* instructions executed before the start */
    int64_t since_ns;     /* virtual time of the start */
    uint64_t count[TRACE_KIND_COUNT];
} TraceStats;

/* The part that trace_on() looks at. */
typedef struct TraceSwitch {
    uint64_t mask; /* atomic: 1 << TraceKind */
} TraceSwitch;

const TraceKindInfo *trace_kind_info(TraceKind kind);
/* The mask of a kind's or a group's name, or of "all"; 0 if there is none of that name. */
uint64_t trace_kind_mask(const char *name);

/* `icount` may be NULL. */
Trace *trace_new(const struct Clock *clock, uint64_t (*icount)(void *opaque),
                 void *opaque);
void trace_free(Trace *t);

/* Forgets what was recorded and begins. capacity: events, rounded up to a power of two.
 * Errors: no memory; a capacity out of range; no kind. */
bool trace_start(Trace *t, const TraceFilter *filter, uint64_t capacity, Error **errp);
/* What was recorded stays to be read. */
void trace_stop(Trace *t);
/* Nothing is recorded between on and off, while the run's past is run again; and after it not what
 * happens at counts that were recorded when the run first came by. */
void trace_hold(Trace *t, bool on);
/* Forgets what was recorded and goes on: another state was loaded, its counts are another run's. */
void trace_forget(Trace *t);
void trace_stats(const Trace *t, TraceStats *stats);

/* Reads up to `max` events from *cursor on, and moves it. *lost: how many before or between those
 * were overwritten or given up. Returns the number read; 0: there are no more now. */
unsigned trace_read(const Trace *t, uint64_t *cursor, TraceEvent *events, unsigned max,
                    uint64_t *lost);

/* The event as one line, without time and hart. Returns as snprintf. */
int trace_format(const TraceEvent *e, char *text, size_t size);

/* True if events of the kind are recorded. Cost: a load and a test. */
static inline bool trace_on(const Trace *t, TraceKind kind) {
    const TraceSwitch *s = (const TraceSwitch *)t;
    return __builtin_expect(
        s != NULL && (__atomic_load_n(&s->mask, __ATOMIC_RELAXED) >> kind & 1), 0);
}

/* Records an event if it passes the filter. */
void trace_emit(Trace *t, TraceKind kind, int hart, uint64_t a0, uint64_t a1, uint64_t a2,
                uint64_t a3);

#endif
