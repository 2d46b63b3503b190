/* SPDX-License-Identifier: MIT */
/*
 * The domain "trace": starts and stops the machine's Trace, reads it, and sends it to subscribers.
 *
 *   Trace ring --trace.read (cursor)--> a client that asks
 *        '------ pump thread, every 50 ms, while somebody subscribed --> trace.events
 *
 * Threads: the pump is made by the first trace.start and ended with the inspector. It reads the ring
 * and emits; it takes no lock of the machine.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inspect/device_names.h"
#include "inspect/trace_json.h"

enum { PUMP_INTERVAL_NS = 50000000, PUMP_EVENTS = 200, READ_SLICE = 128 };

/* --- events as JSON -------------------------------------------------------------- */

static json_t *event_json(Machine *m, const TraceEvent *e) {
    char text[TRACE_TEXT_MAX];
    trace_words(m, e, text);
    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:s}", "seq",
                     inspect_hex(e->seq), "count", inspect_hex(e->icount), "ns",
                     inspect_hex((uint64_t)e->ns), "hart",
                     e->hart < 0 ? json_null() : json_integer(e->hart), "kind",
                     trace_kind_info(e->kind)->name, "title", trace_title(e), "args",
                     trace_args_json(m, e), "text", text);
}

json_t *trace_events_json(Machine *m, const TraceEvent *events, unsigned n) {
    json_t *list = json_array();
    for (unsigned i = 0; i < n; i++) {
        json_array_append_new(list, event_json(m, &events[i]));
    }
    return list;
}

/* --- the pump -------------------------------------------------------------------- */

typedef struct TracePump {
    Inspector *ins;
    Machine *m;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool quit; /* lock */
    uint64_t cursor;
    TraceEvent events[PUMP_EVENTS];
} TracePump;

static const char pump_key = 0, cursor_key = 0;

static void pump_once(TracePump *p) {
    uint64_t lost, skipped = 0;
    unsigned n = trace_read(p->m->trace, &p->cursor, p->events, PUMP_EVENTS, &lost);
    TraceStats stats;
    trace_stats(p->m->trace, &stats);
    if (n == PUMP_EVENTS && stats.next > p->cursor) {
        skipped = stats.next - p->cursor; /* a sample, not the whole */
        p->cursor = stats.next;
    }
    if (n || lost) {
        inspect_emit(p->ins, "trace.events",
                     json_pack("{s:o, s:o, s:o}", "events",
                               trace_events_json(p->m, p->events, n), "lost",
                               inspect_hex(lost), "skipped", inspect_hex(skipped)));
    }
}

static void *pump_run(void *opaque) {
    TracePump *p = opaque;
    bool watched = false;
    pthread_mutex_lock(&p->lock);
    while (!p->quit) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += PUMP_INTERVAL_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&p->wake, &p->lock, &until);
        pthread_mutex_unlock(&p->lock);
        bool wanted = inspect_wants(p->ins, "trace.events");
        if (wanted && !watched) { /* a subscriber sees what comes, not what was */
            TraceStats stats;
            trace_stats(p->m->trace, &stats);
            p->cursor = stats.next;
        } else if (wanted) {
            pump_once(p);
        }
        watched = wanted;
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void pump_end(void *state, Machine *m) {
    TracePump *p = state;
    (void)m;
    if (!p->started) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->quit = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
}

static void pump_begin(InspectCall *call) {
    TracePump *p = inspect_state(call->inspector, &pump_key, sizeof(*p), pump_end);
    if (p->started) {
        return;
    }
    p->ins = call->inspector;
    p->m = call->m;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    p->started = pthread_create(&p->thread, NULL, pump_run, p) == 0;
}

/* --- start, stop, statistics ----------------------------------------------------- */

json_t *inspect_trace_kinds(InspectCall *call) {
    json_t *list = json_array();
    (void)call;
    for (unsigned k = 0; k < TRACE_KIND_COUNT; k++) {
        const TraceKindInfo *info = trace_kind_info((TraceKind)k);
        json_t *args = json_array();
        for (unsigned i = 0; i < TRACE_ARGS && *info->arg[i]; i++) {
            json_array_append_new(args, json_string(info->arg[i]));
        }
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:s?, s:s, s:s}", "name", info->name,
                            "group", info->group, "args", args, "address",
                            info->address >= 0 ? info->arg[info->address] : NULL, "text",
                            info->text, "meaning", info->meaning));
    }
    return json_pack("{s:o}", "kinds", list);
}

json_t *inspect_trace_stats(InspectCall *call) {
    TraceStats s;
    trace_stats(call->m->trace, &s);
    json_t *kinds = json_array(), *counts = json_object();
    for (unsigned k = 0; k < TRACE_KIND_COUNT; k++) {
        const char *name = trace_kind_info((TraceKind)k)->name;
        if (s.filter.kinds >> k & 1) {
            json_array_append_new(kinds, json_string(name));
        }
        if (s.count[k]) {
            json_object_set_new(counts, name, inspect_hex(s.count[k]));
        }
    }
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "running", s.running,
                     "capacity", inspect_hex(s.capacity), "kinds", kinds, "first",
                     inspect_hex(s.first), "next", inspect_hex(s.next), "overwritten",
                     inspect_hex(s.overwritten), "collisions", inspect_hex(s.collisions),
                     "counts", counts);
}

/* The parameter "kinds" as a mask; 0: the call has failed. */
static uint64_t kinds_of(InspectCall *call) {
    const json_t *list = inspect_json(call, "kinds");
    uint64_t kinds = list ? 0 : TRACE_ALL_KINDS;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        uint64_t mask = trace_kind_mask(name);
        if (!mask) {
            inspect_failf(call, INSPECT_BAD_PARAMS, "trace.kinds lists kinds and groups",
                          "there is no kind of event called '%s'", name);
            return 0;
        }
        kinds |= mask;
    }
    if (!kinds) {
        inspect_fail(call, INSPECT_BAD_PARAMS, "the list of kinds is empty",
                     "leave it out to trace all");
    }
    return kinds;
}

bool trace_filter_of(InspectCall *call, TraceFilter *filter) {
    *filter = (TraceFilter){.kinds = kinds_of(call), .last = UINT64_MAX};
    const json_t *harts = inspect_json(call, "harts");
    for (size_t i = 0; i < json_array_size(harts); i++) {
        filter->harts |= UINT32_C(1) << json_integer_value(json_array_get(harts, i));
    }
    filter->first = inspect_u64(call, "first");
    if (inspect_has(call, "last")) {
        filter->last = inspect_u64(call, "last");
    }
    return filter->kinds != 0;
}

json_t *inspect_trace_start(InspectCall *call) {
    TraceFilter filter;
    if (!trace_filter_of(call, &filter)) {
        return NULL;
    }
    Error *err = NULL;
    if (!trace_start(call->m->trace, &filter, (uint64_t)inspect_int(call, "capacity"),
                     &err)) {
        return inspect_fail_error(call, INSPECT_HOST, "try a smaller capacity", err);
    }
    pump_begin(call);
    return inspect_trace_stats(call);
}

json_t *inspect_trace_stop(InspectCall *call) {
    trace_stop(call->m->trace);
    return inspect_trace_stats(call);
}

/* --- trace.read ------------------------------------------------------------------ */

json_t *inspect_trace_read(InspectCall *call) {
    uint64_t none = 0, lost = 0;
    uint64_t *own = inspect_client_state(call, &cursor_key, sizeof(*own), NULL);
    uint64_t *cursor = own ? own : &none;
    if (inspect_has(call, "cursor")) {
        *cursor = inspect_u64(call, "cursor");
    }
    unsigned limit = (unsigned)inspect_int(call, "limit");
    TraceEvent events[READ_SLICE];
    json_t *list = json_array();
    unsigned n;
    do {
        uint64_t more = 0;
        n = trace_read(call->m->trace, cursor, events,
                       limit < READ_SLICE ? limit : READ_SLICE, &more);
        json_t *slice = trace_events_json(call->m, events, n);
        json_array_extend(list, slice);
        json_decref(slice);
        limit -= n;
        lost += more;
    } while (n && limit && !inspect_is_long(call));
    return json_pack("{s:o, s:o, s:o}", "events", list, "cursor", inspect_hex(*cursor),
                     "lost", inspect_hex(lost));
}
