/* SPDX-License-Identifier: MIT */
/*
 * trace.window: a stretch of the trace as something that draws it wants it.
 *
 *   lanes    kind x hart    |  .:|. :||||||.   . |     events a bin, bins of equal width
 *   slices   hart           |  [timer irq [page fault] ]  handlers from trap to xRET, and wfi to wake
 *   events                     the events themselves, if there are few
 *
 * What a hart handles ends with its return to U at the latest, whoever's handler it is by then: an
 * operating system may switch tasks inside, and one that jumps by a trap never comes back.
 *
 * Invariants: each call reads the ring once, from its oldest event; what it holds is bounded by the ring's
 * capacity, MAX_BINS and MAX_SLICES. Handlers nest as the traps came; where the count goes back, since
 * the guest was taken to its past, nothing is open.
 *
 * Threads: the inspector's; no lock of the machine is taken.
 */
#include <stdlib.h>
#include <string.h>

#include "cpu/riscv/cpu.h"
#include "inspect/trace_json.h"

enum { MAX_BINS = 1000, MAX_SLICES = 500, MAX_OPEN = 16, BATCH = 512, MAX_EVENTS = 500 };
enum { HARTS = CPU_GROUP_MAX + 1 }; /* the last one: no hart */
/* util/trace.def: where a trap and a return have their modes, from << 4 | to. */
enum { TRAP_MODES = 3, RETURN_MODES = 2, MODES_FROM_SHIFT = 4, MODES_TO_MASK = 15 };

/* A handler that runs, or a sleep. */
typedef struct Slice {
    TraceEvent begin;
    uint64_t to; /* on the axis */
    unsigned depth;
    bool open;
} Slice;

typedef struct Hart {
    unsigned depth;
    TraceEvent handler[MAX_OPEN];
    TraceEvent sleep;
    bool sleeps;
    uint64_t count; /* of its last event */
} Hart;

typedef struct Window {
    bool by_ns;
    uint64_t from, to, width; /* [from, to) */
    TraceFilter filter;
    uint32_t *lane[TRACE_KIND_COUNT][HARTS];
    uint64_t total[TRACE_KIND_COUNT][HARTS];
    Hart hart[CPU_GROUP_MAX];
    Slice slices[MAX_SLICES];
    unsigned slice_count, short_slices, limit;
    TraceEvent events[MAX_EVENTS];
    uint64_t matches;
    TraceEvent now;   /* no event: count and time of the call */
    TraceEvent whole; /* no event: from here on nothing is missing */
    bool any, failed;
    TraceEvent oldest, newest; /* on the axis, of the kinds that pass */
} Window;

static uint64_t at(const Window *w, const TraceEvent *e) {
    return w->by_ns ? (uint64_t)e->ns : e->icount;
}

static unsigned bin_count(const Window *w) {
    return (unsigned)((w->to - w->from + w->width - 1) / w->width);
}

/* --- slices ---------------------------------------------------------------------- */

static void add_slice(Window *w, const TraceEvent *begin, uint64_t to, unsigned depth,
                      bool open) {
    uint64_t from = at(w, begin);
    if (from >= w->to || to < w->from) {
        return;
    }
    if (to - from < w->width && !open) {
        w->short_slices++; /* too thin to be seen */
    } else if (w->slice_count < MAX_SLICES) {
        w->slices[w->slice_count++] = (Slice){*begin, to, depth, open};
    } else {
        w->short_slices++;
    }
}

static void enter_handler(Hart *h, const TraceEvent *e) {
    bool from_user = e->arg[TRAP_MODES] >> MODES_FROM_SHIFT == PRV_U;
    h->depth = from_user ? 0 : h->depth;
    if (h->depth < MAX_OPEN) {
        h->handler[h->depth] = *e;
    }
    h->depth++;
}

static void leave_handlers(Window *w, Hart *h, const TraceEvent *e) {
    bool to_user = (e->arg[RETURN_MODES] & MODES_TO_MASK) == PRV_U;
    for (bool more = true; h->depth && more; more = to_user) {
        h->depth--;
        if (h->depth < MAX_OPEN) {
            add_slice(w, &h->handler[h->depth], at(w, e), h->depth, false);
        }
    }
}

static void follow_hart(Window *w, const TraceEvent *e) {
    if (e->hart < 0 || e->hart >= CPU_GROUP_MAX) {
        return;
    }
    Hart *h = &w->hart[e->hart];
    if (at(w, e) < h->count) {
        h->depth = 0;
        h->sleeps = false;
    }
    h->count = at(w, e);
    if (h->sleeps && e->kind != TRACE_HART_LINE) {
        h->sleeps = false;
        add_slice(w, &h->sleep, at(w, e), h->depth, false);
    }
    if (e->kind == TRACE_EXCEPTION || e->kind == TRACE_INTERRUPT) {
        enter_handler(h, e);
    } else if (e->kind == TRACE_RETURN) {
        leave_handlers(w, h, e);
    } else if (e->kind == TRACE_WFI && e->arg[1]) {
        h->sleep = *e;
        h->sleeps = true;
    }
}

static void end_slices(Window *w) {
    for (unsigned i = 0; i < CPU_GROUP_MAX; i++) {
        Hart *h = &w->hart[i];
        unsigned depth = h->depth < MAX_OPEN ? h->depth : MAX_OPEN;
        for (unsigned d = 0; d < depth; d++) {
            add_slice(w, &h->handler[d], h->count, d, true);
        }
        if (h->sleeps) {
            add_slice(w, &h->sleep, h->count, h->depth, true);
        }
    }
}

/* --- bins ------------------------------------------------------------------------ */

static bool passes(const TraceFilter *f, const TraceEvent *e) {
    int address = trace_kind_info(e->kind)->address;
    bool hart = !f->harts || (e->hart >= 0 && (f->harts >> e->hart & 1));
    return (f->kinds >> e->kind & 1) && hart &&
           (address < 0 || (e->arg[address] >= f->first && e->arg[address] <= f->last));
}

static void count_event(Window *w, const TraceEvent *e) {
    uint64_t where = at(w, e);
    if (!w->any || where < at(w, &w->oldest)) {
        w->oldest = *e;
    }
    if (!w->any || where >= at(w, &w->newest)) {
        w->newest = *e;
    }
    w->any = true;
    if (where < w->from || where >= w->to) {
        return;
    }
    unsigned hart =
        e->hart < 0 || e->hart >= CPU_GROUP_MAX ? CPU_GROUP_MAX : (unsigned)e->hart;
    uint32_t **lane = &w->lane[e->kind][hart];
    if (!*lane) {
        *lane = calloc(MAX_BINS, sizeof(**lane));
        w->failed |= !*lane;
    }
    if (*lane) {
        (*lane)[(where - w->from) / w->width]++;
    }
    w->total[e->kind][hart]++;
    if (w->matches < w->limit) {
        w->events[w->matches] = *e;
    }
    w->matches++;
}

/* One pass over the ring, as it is now. */
static void look(Window *w, const Trace *trace, uint64_t *lost) {
    TraceEvent batch[BATCH];
    TraceStats stats;
    trace_stats(trace, &stats);
    uint64_t cursor = stats.first, some;
    bool reading = false;
    w->whole = (TraceEvent){.icount = stats.since_count, .ns = stats.since_ns};
    *lost = 0;
    while (cursor < stats.next) {
        uint64_t left = stats.next - cursor;
        unsigned n = trace_read(trace, &cursor, batch,
                                left < BATCH ? (unsigned)left : BATCH, &some);
        *lost += some;
        if (n && !reading && stats.overwritten) {
            w->whole = batch[0];
        }
        reading |= n > 0;
        for (unsigned i = 0; i < n; i++) {
            follow_hart(w, &batch[i]);
            if (passes(&w->filter, &batch[i])) {
                count_event(w, &batch[i]);
            }
        }
        if (n == 0) {
            break; /* one is still being written */
        }
    }
    end_slices(w);
}

/* --- as JSON --------------------------------------------------------------------- */

static json_t *hart_json(int hart) {
    return hart < 0 ? json_null() : json_integer(hart);
}

static json_t *lane_json(const Window *w, unsigned kind, unsigned hart) {
    json_t *bins = json_array();
    for (unsigned b = 0; b < bin_count(w); b++) {
        if (w->lane[kind][hart][b]) {
            json_array_append_new(bins, json_integer(b));
            json_array_append_new(bins, json_integer(w->lane[kind][hart][b]));
        }
    }
    return json_pack("{s:s, s:s, s:o, s:I, s:o}", "kind",
                     trace_kind_info((TraceKind)kind)->name, "group",
                     trace_kind_info((TraceKind)kind)->group, "hart",
                     hart_json(hart == CPU_GROUP_MAX ? -1 : (int)hart), "total",
                     (json_int_t)w->total[kind][hart], "bins", bins);
}

static json_t *lanes_json(const Window *w) {
    json_t *lanes = json_array();
    for (unsigned k = 0; k < TRACE_KIND_COUNT; k++) {
        for (unsigned h = 0; h < HARTS; h++) {
            if (w->lane[k][h]) {
                json_array_append_new(lanes, lane_json(w, k, h));
            }
        }
    }
    return lanes;
}

static json_t *slices_json(const Window *w) {
    json_t *list = json_array();
    for (unsigned i = 0; i < w->slice_count; i++) {
        const Slice *s = &w->slices[i];
        json_array_append_new(
            list,
            json_pack("{s:i, s:i, s:o, s:o, s:o, s:b, s:s, s:s}", "hart", s->begin.hart,
                      "depth", (int)s->depth, "seq", inspect_hex(s->begin.seq), "from",
                      inspect_hex(at(w, &s->begin)), "to", inspect_hex(s->to), "open",
                      s->open, "kind", trace_kind_info(s->begin.kind)->name, "title",
                      trace_title(&s->begin)));
    }
    return list;
}

static json_t *moment_json(const TraceEvent *e) {
    return json_pack("{s:o, s:o}", "count", inspect_hex(e->icount), "ns",
                     inspect_hex((uint64_t)e->ns));
}

static json_t *picture_json(const Window *w, const TraceStats *stats) {
    json_t *out = json_pack(
        "{s:b, s:o, s:o, s:o, s:i, s:o, s:o, s:I, s:o, s:o, s:o}", "running",
        stats->running, "from", inspect_hex(w->from), "to", inspect_hex(w->to), "width",
        inspect_hex(w->width), "bins", (int)bin_count(w), "lanes", lanes_json(w),
        "slices", slices_json(w), "short_slices", (json_int_t)w->short_slices, "matches",
        inspect_hex(w->matches), "lost",
        inspect_hex(stats->overwritten + stats->collisions), "now", moment_json(&w->now));
    json_object_set_new(out, "whole_from",
                        stats->capacity ? moment_json(&w->whole) : json_null());
    json_object_set_new(out, "oldest", w->any ? moment_json(&w->oldest) : json_null());
    json_object_set_new(out, "newest", w->any ? moment_json(&w->newest) : json_null());
    return out;
}

/* --- the method ------------------------------------------------------------------ */

static void look_at_clock(InspectCall *call, TraceEvent *now) {
    inspect_lock(call); /* with -icount: no guest code runs */
    now->icount = cpu_group_icount(call->m->cpus);
    now->ns = clock_now_ns(&call->m->clock);
    inspect_unlock(call);
}

/* NULL: the call has failed. */
static Window *window_of(InspectCall *call) {
    Window *w = calloc(1, sizeof(*w));
    if (!w) {
        inspect_fail(call, INSPECT_HOST, "no memory", "try again later");
        return NULL;
    }
    w->by_ns = !strcmp(inspect_string(call, "axis"), "ns");
    w->limit = (unsigned)inspect_int(call, "limit");
    look_at_clock(call, &w->now);
    uint64_t end = at(w, &w->now) + 1, width = inspect_u64(call, "span");
    w->to = inspect_has(call, "to") ? inspect_u64(call, "to") : end;
    w->from = inspect_u64(call, "from");
    if (width) {
        w->from = width < w->to ? w->to - width : 0;
    }
    bool ok = trace_filter_of(call, &w->filter);
    if (ok && w->to <= w->from) {
        inspect_fail(call, INSPECT_BAD_PARAMS, "`to` is not behind `from`",
                     "the window is from `from` up to right before `to`");
        ok = false;
    }
    if (!ok) {
        free(w);
        return NULL;
    }
    uint64_t bins = (uint64_t)inspect_int(call, "bins"), span = w->to - w->from;
    w->width = span / bins + (span % bins != 0);
    return w;
}

static void window_free(Window *w) {
    for (unsigned k = 0; k < TRACE_KIND_COUNT; k++) {
        for (unsigned h = 0; h < HARTS; h++) {
            free(w->lane[k][h]);
        }
    }
    free(w);
}

json_t *inspect_trace_window(InspectCall *call) {
    Window *w = window_of(call);
    if (!w) {
        return NULL;
    }
    uint64_t lost;
    TraceStats stats;
    look(w, call->m->trace, &lost);
    trace_stats(call->m->trace, &stats);
    json_t *out =
        w->failed ? inspect_fail(call, INSPECT_HOST, "no memory", "ask for fewer kinds")
                  : picture_json(w, &stats);
    if (out && w->matches <= w->limit) {
        json_object_set_new(out, "events",
                            trace_events_json(call->m, w->events, (unsigned)w->matches));
    }
    window_free(w);
    return out;
}
