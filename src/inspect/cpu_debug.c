/* SPDX-License-Identifier: MIT */
/*
 * The domain "cpu", continued: break and watch points, and steps.
 *
 *   cpu.step --> machine_debug_cont(plan) --> the vCPU runs --> machine.stopped
 *        '------ waits at most wait_ms, so that a script need not --------'
 */
#include <inttypes.h>

#include "inspect/inspect_int.h"

json_t *inspect_cpu_break_add(InspectCall *call) {
    Error *err = NULL;
    unsigned id =
        machine_add_break(call->m, DEBUG_OWNER_INSPECT, inspect_u64(call, "addr"), &err);
    if (!id) {
        return inspect_fail_error(call, INSPECT_LIMIT, "cpu.point_remove removes one",
                                  err);
    }
    return json_pack("{s:I}", "point", (json_int_t)id);
}

json_t *inspect_cpu_watch_add(InspectCall *call) {
    const char *access = inspect_string(call, "access");
    Error *err = NULL;
    unsigned what = access[0] == 'r'   ? DEBUG_READ
                    : access[0] == 'w' ? DEBUG_WRITE
                                       : DEBUG_ACCESS;
    uint64_t addr = inspect_u64(call, "addr"), len = (uint64_t)inspect_int(call, "len");
    bool physical = inspect_string(call, "space")[0] == 'p';
    unsigned id = (physical ? machine_add_phys_watch : machine_add_watch)(
        call->m, DEBUG_OWNER_INSPECT, addr, len, what, &err);
    if (!id) {
        return inspect_fail_error(call, INSPECT_LIMIT, "cpu.point_remove removes one",
                                  err);
    }
    return json_pack("{s:I}", "point", (json_int_t)id);
}

json_t *inspect_cpu_point_remove(InspectCall *call) {
    DebugPoint points[DEBUG_MAX_POINTS];
    unsigned count = machine_list_points(call->m, points, DEBUG_MAX_POINTS);
    unsigned only = (unsigned)inspect_int(call, "point"), removed = 0;
    for (unsigned i = 0; i < count && i < DEBUG_MAX_POINTS; i++) {
        if (points[i].owner == DEBUG_OWNER_INSPECT && (!only || points[i].id == only)) {
            removed += machine_remove_point(call->m, DEBUG_OWNER_INSPECT, points[i].id);
        }
    }
    if (only && !removed) {
        return inspect_failf(call, INSPECT_NOT_FOUND, "cpu.points lists them",
                             "the inspector has no point %u", only);
    }
    return json_pack("{s:i}", "removed", (int)removed);
}

static json_t *point_json(const DebugPoint *p) {
    static const char *const kinds[] = {"break", "read", "write", "access"};
    static const char *const owners[] = {
        [DEBUG_OWNER_GDB] = "gdb",
        [DEBUG_OWNER_INSPECT] = "inspect",
        [DEBUG_OWNER_HISTORY] = "history",
    };
    return json_pack("{s:I, s:s, s:o, s:I, s:s, s:s}", "point", (json_int_t)p->id, "kind",
                     kinds[p->access & DEBUG_ACCESS], "addr", inspect_hex(p->addr), "len",
                     (json_int_t)p->len, "owner", owners[p->owner], "space",
                     p->physical ? "phys" : "virt");
}

json_t *inspect_cpu_points(InspectCall *call) {
    DebugPoint points[DEBUG_MAX_POINTS];
    unsigned count = machine_list_points(call->m, points, DEBUG_MAX_POINTS);
    DebugStop stop = machine_debug_stop(call->m);
    json_t *list = json_array();
    for (unsigned i = 0; i < count && i < DEBUG_MAX_POINTS; i++) {
        json_array_append_new(list, point_json(&points[i]));
    }
    return json_pack("{s:o, s:o}", "points", list, "stop",
                     stop.reason == DEBUG_NONE ? json_null()
                                               : inspect_debug_stop_json(&stop));
}

/* The others are held while one steps; up to a trap all run. */
static DebugPlan plan_of(const InspectCall *call, unsigned cpu) {
    DebugPlan plan = {.interrupts = inspect_bool(call, "interrupts")};
    const char *unit = inspect_string(call, "unit");
    for (unsigned i = 0; i < DEBUG_MAX_CPUS; i++) {
        if (unit[0] == 't') {
            plan.run[i] = i == cpu ? DEBUG_RUN_TRAP : DEBUG_GO;
        } else if (i == cpu) {
            plan.run[i] = unit[0] == 'b' ? DEBUG_RUN_BLOCK : DEBUG_RUN_STEP;
        } else {
            plan.run[i] = DEBUG_HOLD;
        }
    }
    plan.interrupts = plan.interrupts || unit[0] == 't';
    return plan;
}

json_t *inspect_cpu_step(InspectCall *call) {
    Machine *m = call->m;
    CPUState *cpu = inspect_cpu(call);
    Error *err = NULL;
    if (!cpu) {
        return NULL;
    }
    DebugPlan plan = plan_of(call, cpu->index);
    if (!machine_debug_cont(m, &plan, &err)) {
        return inspect_fail_error(call, INSPECT_BAD_STATE, "machine.stop stops it", err);
    }
    machine_wait_stopped(m, (unsigned)inspect_int(call, "wait_ms"));
    RunState state = machine_run_state(m);
    DebugStop stop = machine_debug_stop(m);
    return json_pack("{s:s, s:o}", "state", machine_run_state_name(state), "stop",
                     state == RUN_DEBUG ? inspect_debug_stop_json(&stop) : json_null());
}
