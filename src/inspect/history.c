/* SPDX-License-Identifier: MIT */
/*
 * The history domain: to other moments of a deterministic run. The work is state/travel.h's.
 */
#include <stdlib.h>

#include "inspect/inspect_int.h"
#include "state/history.h"
#include "state/travel.h"

static Travel *find_travel(InspectCall *call) {
    Travel *t = inspector_travel(call->inspector);
    if (!t) {
        inspect_fail(call, INSPECT_UNSUPPORTED, "this machine keeps no history",
                     "start it with -icount shift=0 -history on");
    }
    return t;
}

static json_t *describe_stop(const DebugStop *stop) {
    static const char *const reasons[] = {
        [DEBUG_NONE] = "begin",  [DEBUG_BREAK] = "break", [DEBUG_WATCH] = "watch",
        [DEBUG_STEP] = "step",   [DEBUG_BLOCK] = "block", [DEBUG_TRAP] = "trap",
        [DEBUG_COUNT] = "count",
    };
    json_t *out = json_object();
    json_object_set_new(out, "reason", json_string(reasons[stop->reason]));
    json_object_set_new(out, "cpu", json_integer(stop->cpu));
    json_object_set_new(out, "pc", inspect_hex(stop->pc));
    if (stop->reason == DEBUG_WATCH) {
        inspect_put_access(out, stop);
        if (!debug_stop_is_dma(stop)) {
            json_object_set_new(out, "old_value", inspect_hex(stop->old_value));
        }
        json_object_set_new(out, "new_value", inspect_hex(stop->new_value));
    }
    return out;
}

static json_t *describe_range(Travel *t) {
    const TravelRange r = travel_range(t);
    json_t *out = json_object();
    json_object_set_new(out, "first", inspect_hex(r.first));
    json_object_set_new(out, "count", inspect_hex(r.now));
    json_object_set_new(out, "seen", inspect_hex(r.seen));
    json_object_set_new(out, "entries", json_integer(r.entries));
    json_object_set_new(out, "bytes", inspect_hex(r.bytes));
    json_object_set_new(out, "budget", inspect_hex(r.budget));
    return out;
}

static json_t *describe_moments(Travel *t) {
    HistoryEntry *moments = calloc(HISTORY_MAX_ENTRIES, sizeof(*moments));
    unsigned n = moments ? travel_moments(t, moments, HISTORY_MAX_ENTRIES) : 0;
    json_t *list = json_array();
    for (unsigned i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "count",
                                              inspect_hex(moments[i].count), "ns",
                                              inspect_hex((uint64_t)moments[i].time_ns),
                                              "bytes", inspect_hex(moments[i].bytes)));
    }
    free(moments);
    return list;
}

/* Where a journey ended. Owns: takes err, which is NULL unless it failed. */
static json_t *arrived(InspectCall *call, Travel *t, bool ok, const DebugStop *stop,
                       Error *err) {
    inspector_journey_end(call->inspector);
    if (!ok) {
        return inspect_fail_error(call, INSPECT_BAD_STATE,
                                  "history.status says what can be gone to", err);
    }
    json_t *out = describe_range(t);
    const DebugStop last = machine_debug_stop(call->m);
    json_object_set_new(out, "stop", describe_stop(stop ? stop : &last));
    return out;
}

/* A journey; meanwhile others are served. */
static void begin(InspectCall *call) {
    machine_stop(call->m, RUN_PAUSED);
    inspector_journey_begin(call->inspector);
}

json_t *inspect_history_status(InspectCall *call) {
    Travel *t = find_travel(call);
    json_t *out = t ? describe_range(t) : NULL;
    if (out && inspect_bool(call, "moments")) {
        json_object_set_new(out, "moments", describe_moments(t));
    }
    return out;
}

json_t *inspect_history_go(InspectCall *call) {
    Travel *t = find_travel(call);
    Error *err = NULL;
    if (!t) {
        return NULL;
    }
    begin(call);
    const CpuMoment to = {inspect_u64(call, "count"), inspect_u64(call, "inputs")};
    bool ok = travel_go(t, to, &err);
    return arrived(call, t, ok, NULL, err);
}

json_t *inspect_history_back(InspectCall *call) {
    Travel *t = find_travel(call);
    Error *err = NULL;
    if (!t) {
        return NULL;
    }
    begin(call);
    bool ok = travel_back(t, inspect_u64(call, "insns"), &err);
    return arrived(call, t, ok, NULL, err);
}

json_t *inspect_history_back_to_point(InspectCall *call) {
    Travel *t = find_travel(call);
    Error *err = NULL;
    DebugStop stop;
    if (!t) {
        return NULL;
    }
    begin(call);
    bool ok = travel_back_to_point(t, &stop, &err);
    return arrived(call, t, ok, &stop, err);
}

json_t *inspect_history_cut(InspectCall *call) {
    Travel *t = find_travel(call);
    Error *err = NULL;
    if (!t) {
        return NULL;
    }
    machine_stop(call->m, RUN_PAUSED);
    bool ok = travel_cut(t, &err);
    return arrived(call, t, ok, NULL, err);
}

json_t *inspect_history_last_write(InspectCall *call) {
    Travel *t = find_travel(call);
    Error *err = NULL;
    TravelWrite write;
    if (!t) {
        return NULL;
    }
    const TravelQuestion q = {.addr = inspect_u64(call, "addr"),
                              .physical = inspect_string(call, "space")[0] == 'p',
                              .len = (uint64_t)inspect_int(call, "len"),
                              .before = inspect_u64(call, "before"),
                              .within = inspect_u64(call, "within")};
    begin(call);
    bool ok = travel_last_write(t, &q, &write, &err);
    inspector_journey_end(call->inspector);
    if (!ok) {
        return inspect_fail_error(call, INSPECT_BAD_STATE,
                                  "history.status says how far back it looks", err);
    }
    json_t *out = json_object();
    json_object_set_new(out, "found", json_boolean(write.found));
    json_object_set_new(out, "from", inspect_hex(write.from));
    if (write.found) {
        json_object_set_new(out, "count", inspect_hex(write.count));
        json_object_set_new(out, "stop", describe_stop(&write.stop));
    }
    return out;
}
