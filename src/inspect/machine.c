/* SPDX-License-Identifier: MIT */
/* The domain "machine": what it is, whether it runs, and the vocabulary itself. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect_int.h"
#include "util/version.h"

json_t *inspect_machine_status(InspectCall *call) {
    Machine *m = call->m;
    const MachineConfig *config = &m->config;
    inspect_lock(call);
    bool running = m->running;
    int64_t time_ns = clock_now_ns(&m->clock);
    inspect_unlock(call);
    return json_pack(
        "{s:s, s:b, s:s, s:s?, s:i, s:o, s:s, s:s, s:o, s:o}", "state",
        running ? "running" : "paused", "running", running, "machine", m->cls->name,
        "name", config->name, "cpus", (int)m->cpus->count, "ram",
        inspect_hex(config->ram_size), "accel", config->accel, "backend",
        m->cpus->backend ? m->cpus->backend->name : "none", "time_ns",
        inspect_hex((uint64_t)time_ns), "uptime_ns",
        inspect_hex((uint64_t)(inspect_now_ns() - call->inspector->start_ns)));
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
    return json_pack("{s:o, s:o}", "ns", inspect_hex((uint64_t)rec->ns), "method",
                     rec->method
                         ? json_sprintf("%s.%s", rec->method->domain, rec->method->verb)
                         : json_null());
}

json_t *inspect_machine_pauses(InspectCall *call) {
    PauseLog *log = &call->inspector->pauses;
    json_t *recent = json_array();
    uint64_t first = log->count > PAUSES_RECENT ? log->count - PAUSES_RECENT : 0;
    for (uint64_t i = first; i < log->count; i++) {
        json_array_append_new(recent, pause_json(&log->recent[i % PAUSES_RECENT]));
    }
    json_t *result = json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "longest", pause_json(&log->longest), "count",
        inspect_hex(log->count), "over_limit", inspect_hex(log->over_limit), "total_ns",
        inspect_hex((uint64_t)log->total_ns), "recent", recent);
    if (inspect_bool(call, "clear")) {
        *log = (PauseLog){0};
    }
    return result;
}

json_t *inspect_machine_reset(InspectCall *call) {
    machine_request_reset(call->m);
    return json_object();
}

json_t *inspect_machine_quit(InspectCall *call) {
    machine_request_shutdown(call->m, SHUTDOWN_USER, (int)inspect_int(call, "status"));
    return json_object();
}
