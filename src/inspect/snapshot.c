/* SPDX-License-Identifier: MIT */
/* The domain "snapshot", and machine.hash: the state as a number and as files. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "hw/machine/runstate.h"
#include "inspect/inspect_int.h"
#include "state/hash.h"
#include "state/snapshot.h"
#include "state/travel.h"
#include "util/trace.h"

#define NS_PER_SEC INT64_C(1000000000)

json_t *inspect_machine_hash(InspectCall *call) {
    Error *err = NULL;
    char hex[MACHINE_HASH_HEX];
    if (machine_run_state(call->m) == RUN_RUNNING) {
        return inspect_fail(call, INSPECT_BAD_STATE, "the machine is running",
                            "machine.stop first");
    }
    if (!machine_hash(call->m, hex, &err)) {
        return inspect_fail_error(call, INSPECT_HOST, "free some memory", err);
    }
    return json_pack("{s:s}", "hash", hex);
}

static json_t *describe(const SnapshotInfo *info) {
    char date[32] = "";
    time_t seconds = (time_t)(info->date_ns / NS_PER_SEC);
    struct tm tm;
    if (gmtime_r(&seconds, &tm)) {
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    return json_pack("{s:s, s:o, s:s, s:o, s:o}", "name", info->name, "bytes",
                     inspect_hex(info->bytes), "date", date, "virtual_ns",
                     inspect_hex((uint64_t)info->virtual_ns), "count",
                     inspect_hex(info->count));
}

json_t *inspect_snapshot_list(InspectCall *call) {
    Error *err = NULL;
    SnapshotInfo *list;
    unsigned count;
    const char *dir = snapshot_dir(call->m);
    if (!snapshot_list(dir, &list, &count, &err)) {
        return inspect_fail_error(call, INSPECT_HOST, "choose another -snapdir", err);
    }
    json_t *all = json_array();
    for (unsigned i = 0; i < count; i++) {
        json_array_append_new(all, describe(&list[i]));
    }
    free(list);
    return json_pack("{s:s, s:o}", "directory", dir, "snapshots", all);
}

json_t *inspect_snapshot_save(InspectCall *call) {
    Machine *m = call->m;
    Error *err = NULL;
    char hex[MACHINE_HASH_HEX];
    const char *name = inspect_string(call, "name");
    bool was_running = machine_run_state(m) == RUN_RUNNING;
    if (was_running) {
        machine_stop(m, RUN_PAUSED);
    }
    bool ok =
        snapshot_save_named(m, snapshot_dir(m), name, &err) && machine_hash(m, hex, &err);
    if (was_running) {
        machine_cont(m, ok ? &err : NULL);
    }
    if (err) {
        return inspect_fail_error(call, INSPECT_HOST, "see the drives' options", err);
    }
    char *path = snapshot_path(snapshot_dir(m), name, NULL);
    json_t *result = json_pack("{s:s, s:s}", "path", path, "hash", hex);
    free(path);
    return result;
}

json_t *inspect_snapshot_load(InspectCall *call) {
    Machine *m = call->m;
    Error *err = NULL;
    char hex[MACHINE_HASH_HEX];
    RunState was = machine_run_state(m);
    machine_stop(m, RUN_RESTORE);
    bool ok = snapshot_load_named(m, snapshot_dir(m), inspect_string(call, "name"), &err);
    Travel *travel = inspector_travel(call->inspector);
    if (ok) {
        trace_forget(m->trace);
    }
    ok = ok && (!travel || travel_restart(travel, &err));
    bool hashed = ok && machine_hash(m, hex, &err);
    bool prelaunch = was == RUN_PRELAUNCH;
    machine_stop(m, ok || was == RUN_RUNNING || prelaunch ? RUN_PAUSED : was);
    if (was == RUN_RUNNING && !machine_cont(m, err ? NULL : &err)) {
        ok = false;
    }
    if (!ok || !hashed) {
        return inspect_fail_error(call, INSPECT_HOST,
                                  "snapshot.list shows what there is; start the emulator "
                                  "with the options it was saved with",
                                  err);
    }
    json_t *result = inspect_machine_status(call);
    json_object_set_new(result, "hash", json_string(hex));
    return result;
}

json_t *inspect_snapshot_delete(InspectCall *call) {
    Error *err = NULL;
    if (!snapshot_delete(snapshot_dir(call->m), inspect_string(call, "name"), &err)) {
        return inspect_fail_error(call, INSPECT_NOT_FOUND,
                                  "snapshot.list shows what there is", err);
    }
    return json_object();
}
