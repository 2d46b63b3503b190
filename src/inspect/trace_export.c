/* SPDX-License-Identifier: MIT */
/*
 * trace.export: the trace as a file for Perfetto or chrome://tracing, or as lines of text.
 *
 *   piece 0  {"displayTimeUnit":"ns","traceEvents":[ names of the tracks, events ...
 *   piece 1  , events ...
 *   last     , events ..., handlers that were not left ]}
 *
 * A trap and the xRET that ends it become one slice ("ph":"X") on the hart's track, nested as the traps
 * were; everything else is an instant. Time is virtual time in microseconds.
 *
 * Invariants: a piece is at most `limit` events, and what fits in the call's time; an export ends where the trace was when it began, so
 * a running trace does not keep it from ending. What waits from piece to piece is the client's
 * ExportState, with at most MAX_DEPTH handlers a hart.
 *
 * Spec: "Trace Event Format" (Google), JSON object format.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/trace_json.h"

enum { MAX_DEPTH = 32, SLICE_EVENTS = 128, PID = 1, TID_DEVICES = 100 };

/* A trap whose handler runs. */
typedef struct Handler {
    TraceEvent entry;
} Handler;

typedef struct ExportState {
    bool under_way, comma;
    uint64_t cursor, end;
    int64_t last_ns;
    unsigned depth[CPU_GROUP_MAX];
    Handler handler[CPU_GROUP_MAX][MAX_DEPTH];
} ExportState;

static const char export_key = 0;

/* A text that grows. */
typedef struct Text {
    char *data;
    size_t len, size;
    bool failed;
} Text;

static void text_add(Text *t, const char *piece) {
    size_t n = strlen(piece);
    if (t->failed) {
        return;
    }
    if (t->len + n + 1 > t->size) {
        size_t size = (t->len + n + 1) * 2;
        char *data = realloc(t->data, size);
        if (!data) {
            t->failed = true;
            return;
        }
        t->data = data;
        t->size = size;
    }
    memcpy(t->data + t->len, piece, n + 1);
    t->len += n;
}

/* --- Perfetto -------------------------------------------------------------------- */

static void add_object(Text *t, ExportState *s, json_t *object) {
    char *line =
        object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(object);
    if (!line) {
        t->failed = true;
        return;
    }
    text_add(t, s->comma ? ",\n" : "\n");
    text_add(t, line);
    s->comma = true;
    free(line);
}

static void name_track(Text *t, ExportState *s, int tid, const char *what, json_t *name) {
    add_object(t, s,
               json_pack("{s:s, s:s, s:i, s:i, s:{s:o}}", "name", what, "ph", "M", "pid",
                         PID, "tid", tid, "args", "name", name));
}

static void begin_perfetto(Text *t, ExportState *s, Machine *m) {
    text_add(t, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
    name_track(t, s, 0, "process_name", json_sprintf("machine %s", m->cls->name));
    for (unsigned i = 0; i < m->cpus->count; i++) {
        name_track(t, s, (int)i + 1, "thread_name", json_sprintf("hart %u", i));
    }
    name_track(t, s, TID_DEVICES, "thread_name", json_string("devices"));
}

static double microseconds(int64_t ns) {
    return (double)ns / 1000.0;
}

static json_t *args_of(Machine *m, const TraceEvent *e) {
    json_t *args = trace_args_json(m, e);
    char text[TRACE_TEXT_MAX];
    trace_words(m, e, text);
    json_object_set_new(args, "text", json_string(text));
    json_object_set_new(args, "seq", inspect_hex(e->seq));
    json_object_set_new(args, "count", inspect_hex(e->icount));
    return args;
}

static int track_of(const TraceEvent *e) {
    return e->hart < 0 ? TID_DEVICES : e->hart + 1;
}

static void add_slice(Text *t, ExportState *s, Machine *m, const TraceEvent *entry,
                      int64_t end_ns) {
    add_object(t, s,
               json_pack("{s:s, s:s, s:s, s:f, s:f, s:i, s:i, s:o}", "name",
                         trace_title(entry), "cat", trace_kind_info(entry->kind)->group,
                         "ph", "X", "ts", microseconds(entry->ns), "dur",
                         microseconds(end_ns - entry->ns), "pid", PID, "tid",
                         track_of(entry), "args", args_of(m, entry)));
}

static void add_instant(Text *t, ExportState *s, Machine *m, const TraceEvent *e) {
    add_object(t, s,
               json_pack("{s:s, s:s, s:s, s:s, s:f, s:i, s:i, s:o}", "name",
                         trace_title(e), "cat", trace_kind_info(e->kind)->group, "ph",
                         "i", "s", "t", "ts", microseconds(e->ns), "pid", PID, "tid",
                         track_of(e), "args", args_of(m, e)));
}

/* A trap opens a handler, an xRET closes the innermost one; a return without one (the trace began
 * inside, or software made the frame itself) is an instant. */
static void add_perfetto(Text *t, ExportState *s, Machine *m, const TraceEvent *e) {
    bool on_hart = e->hart >= 0 && e->hart < CPU_GROUP_MAX;
    bool enters = e->kind == TRACE_EXCEPTION || e->kind == TRACE_INTERRUPT;
    unsigned *depth = on_hart ? &s->depth[e->hart] : NULL;
    if (on_hart && enters && *depth < MAX_DEPTH) {
        s->handler[e->hart][(*depth)++].entry = *e;
    } else if (on_hart && e->kind == TRACE_RETURN && *depth) {
        add_slice(t, s, m, &s->handler[e->hart][--*depth].entry, e->ns);
    } else {
        add_instant(t, s, m, e);
    }
}

static void end_perfetto(Text *t, ExportState *s, Machine *m) {
    for (unsigned h = 0; h < CPU_GROUP_MAX; h++) {
        while (s->depth[h]) {
            add_slice(t, s, m, &s->handler[h][--s->depth[h]].entry, s->last_ns);
        }
    }
    text_add(t, "\n]}\n");
}

/* --- text ------------------------------------------------------------------------ */

static void add_line(Text *t, Machine *m, const TraceEvent *e) {
    char words[TRACE_TEXT_MAX], line[TRACE_TEXT_MAX + 96], who[16] = "device";
    trace_words(m, e, words);
    if (e->hart >= 0) {
        snprintf(who, sizeof(who), "hart %d", e->hart);
    }
    snprintf(line, sizeof(line), "%8" PRIu64 " %14.3f us %12" PRIu64 " %-7s %-11s %s\n",
             e->seq, microseconds(e->ns), e->icount, who, trace_kind_info(e->kind)->name,
             words);
    text_add(t, line);
}

/* --- the method ------------------------------------------------------------------ */

static bool begin_or_go_on(InspectCall *call, ExportState *s) {
    if (inspect_has(call, "cursor")) {
        if (!s->under_way || inspect_u64(call, "cursor") != s->cursor) {
            inspect_fail(call, INSPECT_BAD_PARAMS,
                         "the cursor is not where this client's export goes on",
                         "begin anew without a cursor");
            return false;
        }
        return true;
    }
    TraceStats stats;
    trace_stats(call->m->trace, &stats);
    *s = (ExportState){.under_way = true, .cursor = stats.first, .end = stats.next};
    return true;
}

/* Adds at most `limit` <= SLICE_EVENTS events; returns how many. *lost: how many were lost. */
static unsigned add_slice_of_events(Text *t, ExportState *s, Machine *m,
                                    TraceEvent *events, unsigned limit, bool perfetto,
                                    uint64_t *lost) {
    uint64_t left = s->end - s->cursor;
    unsigned n = trace_read(m->trace, &s->cursor, events,
                            left < limit ? (unsigned)left : limit, lost);
    for (unsigned i = 0; i < n; i++) {
        s->last_ns = events[i].ns > s->last_ns ? events[i].ns : s->last_ns;
        if (perfetto) {
            add_perfetto(t, s, m, &events[i]);
        } else {
            add_line(t, m, &events[i]);
        }
    }
    if (n == 0) { /* an event is still being written, or a new start forgot the rest */
        s->cursor = s->end;
    }
    return n;
}

/* Adds at most as many events as were asked for, or fit in the call's time; returns how many were lost. */
static uint64_t add_events(InspectCall *call, Text *t, ExportState *s, bool perfetto) {
    TraceEvent events[SLICE_EVENTS];
    unsigned left = (unsigned)inspect_int(call, "limit");
    uint64_t lost = 0;
    do {
        uint64_t more = 0;
        left -= add_slice_of_events(t, s, call->m, events,
                                    left < SLICE_EVENTS ? left : SLICE_EVENTS, perfetto,
                                    &more);
        lost += more;
    } while (left && s->cursor < s->end && !inspect_is_long(call));
    return lost;
}

json_t *inspect_trace_export(InspectCall *call) {
    Machine *m = call->m;
    ExportState *s = inspect_client_state(call, &export_key, sizeof(*s), NULL);
    if (!s) {
        s = inspect_state(call->inspector, &export_key, sizeof(*s), NULL);
    }
    bool first = !inspect_has(call, "cursor");
    bool perfetto = !strcmp(inspect_string(call, "format"), "perfetto");
    if (!begin_or_go_on(call, s)) {
        return NULL;
    }
    Text t = {0};
    text_add(&t, "");
    if (t.failed) {
        return inspect_fail(call, INSPECT_HOST, "no memory", "ask for a smaller piece");
    }
    if (perfetto && first) {
        begin_perfetto(&t, s, m);
    }
    uint64_t lost = add_events(call, &t, s, perfetto);
    bool done = s->cursor >= s->end;
    if (done && perfetto) {
        end_perfetto(&t, s, m);
    }
    s->under_way = !done;
    json_t *result =
        t.failed
            ? inspect_fail(call, INSPECT_HOST, "no memory", "ask for a smaller piece")
            : json_pack("{s:s%, s:o, s:b, s:o}", "text", t.data, t.len, "cursor",
                        inspect_hex(s->cursor), "done", done, "lost", inspect_hex(lost));
    free(t.data);
    return result;
}
