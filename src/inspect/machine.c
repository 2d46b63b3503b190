/* SPDX-License-Identifier: MIT */
/* The domain "machine": what it is, whether it runs, and the vocabulary itself. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hw/machine/runstate.h"
#include "hw/machine/touch.h"
#include "inspect/inspect_int.h"
#include "util/version.h"

json_t *inspect_machine_status(InspectCall *call) {
    Machine *m = call->m;
    const MachineConfig *config = &m->config;
    bool travelling = call->inspector->journey_ns != 0; /* then it runs, but only again */
    RunState state = travelling ? RUN_PAUSED : machine_run_state(m);
    machine_lock(m); /* with -icount: no guest code runs */
    uint64_t count = cpu_group_icount(m->cpus), inputs = gate_position(m->gate);
    int64_t now = clock_now_ns(&m->clock);
    machine_unlock(m);
    return json_pack(
        "{s:s, s:b, s:b, s:s, s:s?, s:i, s:o, s:s, s:s, s:b, s:o, s:o, s:o, s:o}",
        "state", machine_run_state_name(state), "running", state == RUN_RUNNING,
        "travelling", travelling, "machine", m->cls->name, "name", config->name, "cpus",
        (int)m->cpus->count, "ram", inspect_hex(config->ram_size), "accel",
        config->accel ? config->accel : "tcg", "backend", m->cpus->backend->name,
        "icount", cpu_group_icount_enabled(m->cpus), "count", inspect_hex(count),
        "inputs", inspect_hex(inputs), "time_ns", inspect_hex((uint64_t)now), "uptime_ns",
        inspect_hex((uint64_t)inspector_uptime_ns(call->inspector)));
}

json_t *inspect_machine_version(InspectCall *call) {
    (void)call;
    return json_pack("{s:s, s:s}", "version", VITRINE_VERSION, "protocol",
                     PROTOCOL_VERSION);
}

static json_t *describe_methods(const char *domain) {
    json_t *list = json_array();
    const InspectMethod *row;
    for (unsigned i = 0; (row = protocol_method(i)) != NULL; i++) {
        if (!domain || strcmp(domain, row->domain) == 0) {
            json_array_append_new(
                list, json_pack("{s:o, s:s, s:s, s:s, s:s}", "name",
                                json_sprintf("%s.%s", row->domain, row->verb), "role",
                                protocol_role_name(row->role), "params", row->params,
                                "returns", row->returns, "text", row->text));
        }
    }
    return list;
}

static json_t *describe_events(const char *domain) {
    json_t *list = json_array();
    const InspectEvent *row;
    for (unsigned i = 0; (row = protocol_event(i)) != NULL; i++) {
        if (!domain || strcmp(domain, row->domain) == 0) {
            json_array_append_new(list,
                                  json_pack("{s:o, s:s, s:s, s:s}", "name",
                                            json_sprintf("%s.%s", row->domain, row->name),
                                            "kind", protocol_kind_name(row->kind),
                                            "fields", row->fields, "text", row->text));
        }
    }
    return list;
}

json_t *inspect_machine_methods(InspectCall *call) {
    const char *domain = inspect_string(call, "domain");
    return json_pack("{s:o, s:o}", "methods", describe_methods(domain), "events",
                     describe_events(domain));
}

static json_t *pause_json(const PauseRecord *rec) {
    return json_pack("{s:o, s:o, s:o}", "ns", inspect_hex((uint64_t)rec->ns), "cpu_ns",
                     inspect_hex((uint64_t)rec->cpu_ns), "method",
                     rec->method
                         ? json_sprintf("%s.%s", rec->method->domain, rec->method->verb)
                         : json_null());
}

/* What the caller may still cost the guest (budget.h), and how long it waited for that. */
static void add_budget(const InspectCall *call, json_t *result) {
    if (!call->client) {
        return;
    }
    pthread_mutex_lock(&call->inspector->lock);
    const int64_t *left = call->client->budget.left;
    json_t *budget =
        json_pack("{s:I, s:I, s:I, s:o}", "held_ns", (json_int_t)left[BUDGET_HELD],
                  "computed_ns", (json_int_t)left[BUDGET_COMPUTED], "requests",
                  (json_int_t)(left[BUDGET_ASKED] / BUDGET_NS_PER_REQUEST), "waited_ns",
                  inspect_hex((uint64_t)call->client->waited_ns));
    pthread_mutex_unlock(&call->inspector->lock);
    json_object_set_new(result, "budget", budget);
}

json_t *inspect_machine_pauses(InspectCall *call) {
    PauseLog *log = &call->inspector->pauses;
    json_t *recent = json_array();
    uint64_t first = log->count > PAUSES_RECENT ? log->count - PAUSES_RECENT : 0;
    for (uint64_t i = first; i < log->count; i++) {
        json_array_append_new(recent, pause_json(&log->recent[i % PAUSES_RECENT]));
    }
    json_t *steps =
        json_pack("{s:o, s:o, s:o}", "count", inspect_hex(log->tb_steps.count),
                  "longest_ns", inspect_hex((uint64_t)log->tb_steps.longest_ns),
                  "total_ns", inspect_hex((uint64_t)log->tb_steps.total_ns));
    json_t *result = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "longest", pause_json(&log->longest),
        "longest_cpu", pause_json(&log->longest_cpu), "count", inspect_hex(log->count),
        "over_limit", inspect_hex(log->over_limit), "over_limit_cpu",
        inspect_hex(log->over_limit_cpu), "total_ns",
        inspect_hex((uint64_t)log->total_ns), "recent", recent, "tb_steps", steps);
    add_budget(call, result);
    if (inspect_bool(call, "clear")) {
        *log = (PauseLog){0};
    }
    return result;
}

json_t *inspect_machine_stop(InspectCall *call) {
    machine_stop(call->m, RUN_PAUSED);
    return inspect_machine_status(call);
}

json_t *inspect_machine_cont(InspectCall *call) {
    Error *err = NULL;
    CpuMoment until = {.count = ICOUNT_NEVER};
    if (inspect_has(call, "until")) {
        until.count = inspect_u64(call, "until");
    }
    if (until.count != ICOUNT_NEVER && !cpu_group_icount_enabled(call->m->cpus)) {
        return inspect_fail(call, INSPECT_BAD_STATE, "instructions are not counted",
                            "start the emulator with -icount shift=0");
    }
    if (!machine_cont_until(call->m, until, &err)) {
        return inspect_fail_error(call, INSPECT_BAD_STATE, "machine.reset starts it anew",
                                  err);
    }
    return inspect_machine_status(call);
}

json_t *inspect_machine_powerdown(InspectCall *call) {
    machine_powerdown(call->m);
    return json_object();
}

json_t *inspect_machine_reset(InspectCall *call) {
    Error *err = NULL;
    if (!touch_reset(call->m, &err)) {
        return inspect_fail_error(call, INSPECT_BAD_STATE,
                                  "go to the present (history.status), or make this "
                                  "moment it: history.cut",
                                  err);
    }
    return json_object();
}

json_t *inspect_machine_quit(InspectCall *call) {
    machine_request_shutdown(call->m, SHUTDOWN_USER, (int)inspect_int(call, "status"));
    return json_object();
}

/* --- events ---------------------------------------------------------------------- */

static const char *debug_reason_name(DebugReason reason) {
    static const char *const names[] = {
        [DEBUG_NONE] = "none",   [DEBUG_BREAK] = "break", [DEBUG_WATCH] = "watch",
        [DEBUG_STEP] = "step",   [DEBUG_BLOCK] = "block", [DEBUG_TRAP] = "trap",
        [DEBUG_COUNT] = "count",
    };
    return names[reason];
}

void inspect_put_access(json_t *out, const DebugStop *stop) {
    if (debug_stop_is_dma(stop)) {
        const DebugDma *dma = &stop->dma;
        json_t *who =
            json_pack("{s:s, s:s, s:o, s:o}", "device", dma->device, "part", dma->part,
                      "addr", inspect_hex(dma->addr), "len", inspect_hex(dma->len));
        if (dma->queue >= 0) {
            json_object_set_new(who, "queue", json_integer(dma->queue));
            json_object_set_new(who, "descriptor", json_integer(dma->descriptor));
        }
        json_object_set_new(out, "dma", who);
    } else {
        json_object_set_new(out, "insn_pc", inspect_hex(stop->insn_pc));
    }
    json_object_set_new(out, "address", inspect_hex(stop->address));
    json_object_set_new(out, "phys", inspect_hex(stop->phys));
    json_object_set_new(out, "size", json_integer(stop->size));
}

json_t *inspect_debug_stop_json(const DebugStop *stop) {
    json_t *data = json_pack("{s:s, s:i, s:o}", "reason", debug_reason_name(stop->reason),
                             "cpu", (int)stop->cpu, "pc", inspect_hex(stop->pc));
    if (stop->reason == DEBUG_BREAK || stop->reason == DEBUG_WATCH) {
        json_object_set_new(data, "point", json_integer(stop->point));
    }
    if (stop->reason == DEBUG_WATCH) {
        inspect_put_access(data, stop);
        json_object_set_new(data, "access",
                            json_string(stop->access == DEBUG_ACCESS  ? "access"
                                        : stop->access == DEBUG_WRITE ? "write"
                                                                      : "read"));
        if (!debug_stop_is_dma(stop)) {
            json_object_set_new(data, "old", inspect_hex(stop->old_value));
        }
        json_object_set_new(data, "new", inspect_hex(stop->new_value));
    }
    return data;
}

static void emit_stopped(Inspector *ins, const MachineEvent *ev) {
    if (inspect_wants(ins, "machine.stopped")) {
        json_t *data = json_pack("{s:s}", "state", machine_run_state_name(ev->state));
        if (ev->stop) {
            json_object_set_new(data, "stop", inspect_debug_stop_json(ev->stop));
        }
        inspect_emit(ins, "machine.stopped", data);
    }
}

void inspect_machine_event(void *opaque, const MachineEvent *ev) {
    Inspector *ins = opaque;
    switch (ev->kind) {
    case MEV_STOP:
        cpu_views_stopped(ins);
        emit_stopped(ins, ev);
        return;
    case MEV_RESUME:
        inspect_emit(ins, "machine.resumed", json_object());
        return;
    case MEV_RESET:
        inspect_emit(ins, "machine.reset",
                     json_pack("{s:s}", "cause", machine_shutdown_cause_name(ev->cause)));
        return;
    case MEV_SHUTDOWN:
        inspect_emit(ins, "machine.shutdown",
                     json_pack("{s:s}", "cause", machine_shutdown_cause_name(ev->cause)));
        return;
    case MEV_POWERDOWN:
        inspect_emit(ins, "machine.powerdown", json_object());
        return;
    }
}
