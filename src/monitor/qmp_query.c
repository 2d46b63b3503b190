/* SPDX-License-Identifier: MIT */
/* QMP's questions. What they return has the shape of QEMU's answers. */
#include <stdlib.h>
#include <string.h>

#include "monitor/describe.h"
#include "monitor/qmp_call.h"
#include "util/version.h"

/* QMP's clients look at the version of QEMU whose protocol this is. */
enum { QEMU_MAJOR = 7, QEMU_MINOR = 2, QEMU_MICRO = 0 };

json_t *qmp_query_version(QmpCall *call) {
    (void)call;
    return json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "micro", QEMU_MICRO, "minor",
                     QEMU_MINOR, "major", QEMU_MAJOR, "package",
                     "Vitrine " VITRINE_VERSION);
}

json_t *qmp_query_commands(QmpCall *call) {
    const QmpCommand *row;
    json_t *list = json_array();
    (void)call;
    for (unsigned i = 0; (row = qmp_command(i)) != NULL; i++) {
        json_array_append_new(list, json_pack("{s:s}", "name", row->name));
    }
    return list;
}

json_t *qmp_query_status(QmpCall *call) {
    RunState state = machine_run_state(call->m);
    return json_pack("{s:s, s:b, s:b}", "status", machine_run_state_name(state),
                     "singlestep", 0, "running", state == RUN_RUNNING);
}

json_t *qmp_query_name(QmpCall *call) {
    const char *name = call->m->config.name;
    return name ? json_pack("{s:s}", "name", name) : json_object();
}

json_t *qmp_query_uuid(QmpCall *call) {
    (void)call;
    return json_pack("{s:s}", "UUID", "00000000-0000-0000-0000-000000000000");
}

static const char *target(const QmpCall *call) {
    return call->m->config.xlen == 32 ? "riscv32" : "riscv64";
}

json_t *qmp_query_target(QmpCall *call) {
    return json_pack("{s:s}", "arch", target(call));
}

json_t *qmp_query_kvm(QmpCall *call) {
    (void)call;
    return json_pack("{s:b, s:b}", "enabled", 0, "present", 0);
}

json_t *qmp_query_none(QmpCall *call) {
    (void)call;
    return json_array();
}

json_t *qmp_query_machines(QmpCall *call) {
    unsigned count;
    const MachineClass *const *classes = machine_classes(&count);
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++) {
        const MachineClass *cls = classes[i];
        json_t *m = json_pack("{s:b, s:s, s:b, s:i, s:b}", "hotpluggable-cpus", 0, "name",
                              cls->name, "numa-mem-supported", 0, "cpu-max",
                              (int)cls->max_cpus, "deprecated", 0);
        if (cls == call->m->cls) {
            json_object_set_new(m, "is-default", json_true());
        }
        if (cls->alias) {
            json_object_set_new(m, "alias", json_string(cls->alias));
        }
        json_array_append_new(list, m);
    }
    return list;
}

json_t *qmp_query_cpus(QmpCall *call) {
    json_t *list = json_array();
    const CpuGroup *group = call->m->cpus;
    for (unsigned i = 0; i < group->count; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/machine/soc0/harts[%u]", i);
        int tid = __atomic_load_n(&group->cpu[i]->host_tid, __ATOMIC_RELAXED);
        json_array_append_new(list,
                              json_pack("{s:i, s:{s:i}, s:s, s:i, s:s}", "thread-id", tid,
                                        "props", "core-id", (int)i, "qom-path", path,
                                        "cpu-index", (int)i, "target", target(call)));
    }
    return list;
}

json_t *qmp_query_memory(QmpCall *call) {
    return json_pack("{s:I}", "base-memory", (json_int_t)call->m->config.ram_size);
}

/* --- back ends ------------------------------------------------------------------------------ */

static json_t *drive_inserted(const BlockBackend *blk) {
    static const char *const zero[] = {
        "iops",   "iops_rd", "iops_wr",         "bps",
        "bps_rd", "bps_wr",  "write_threshold", "backing_file_depth"};
    json_t *in = json_pack(
        "{s:s, s:s, s:b, s:b, s:s, s:{s:b, s:b, s:b}, s:{s:s, s:s, s:I, s:b}}", "file",
        blk_file(blk), "drv", "raw", "ro", blk_read_only(blk), "encrypted", 0,
        "detect_zeroes", "off", "cache", "writeback", 1, "direct", 0, "no-flush", 0,
        "image", "filename", blk_file(blk), "format", "raw", "virtual-size",
        (json_int_t)blk_size(blk), "dirty-flag", 0);
    for (unsigned i = 0; in && i < sizeof(zero) / sizeof(zero[0]); i++) {
        json_object_set_new(in, zero[i], json_integer(0));
    }
    return in;
}

static json_t *drive_info(Machine *m, const BlockBackend *blk) {
    const char *id = blk_id(blk);
    json_t *info = json_pack("{s:s, s:b, s:b, s:s}", "device", id ? id : "", "locked", 0,
                             "removable", 0, "type", "unknown");
    json_t *inserted = drive_inserted(blk); /* NULL: a file name that is no UTF-8 */
    if (inserted) {
        json_object_set_new(info, "inserted", inserted);
    }
    const Device *dev = describe_drive_user(m, blk);
    if (dev) {
        char name[DESCRIBE_NAME_MAX];
        describe_device(dev, name, sizeof(name));
        json_object_set_new(info, "qdev", json_string(name));
    }
    return info;
}

json_t *qmp_query_block(QmpCall *call) {
    json_t *list = json_array();
    machine_lock(call->m);
    for (unsigned i = 0; i < call->m->drive_count; i++) {
        json_array_append_new(list, drive_info(call->m, call->m->drives[i].blk));
    }
    machine_unlock(call->m);
    return list;
}

static void add_chardev(void *opaque, const char *label, Chardev *chr) {
    char name[CHARDEV_NAME_MAX];
    chardev_describe(chr, name, sizeof(name));
    json_t *item = json_pack("{s:b, s:s, s:s}", "frontend-open", chardev_is_attached(chr),
                             "filename", name, "label", label);
    if (item) {
        json_array_append_new(opaque, item);
    }
}

json_t *qmp_query_chardev(QmpCall *call) {
    json_t *list = json_array();
    machine_lock(call->m);
    describe_each_chardev(call->m, add_chardev, list);
    machine_unlock(call->m);
    return list;
}

/* --- types ------------------------------------------------------------------------------------ */

static void add_type(json_t *list, const char *name, const char *suffix,
                     const char *parent) {
    char full[DESCRIBE_NAME_MAX];
    snprintf(full, sizeof(full), "%s%s", name, suffix);
    json_array_append_new(list, json_pack("{s:s, s:s}", "name", full, "parent", parent));
}

json_t *qmp_list_types(QmpCall *call) {
    const char *of = qmp_string(call, "implements");
    json_t *list = json_array();
    unsigned count;
    if (!of || !strcmp(of, "machine")) {
        const MachineClass *const *machines = machine_classes(&count);
        for (unsigned i = 0; i < count; i++) {
            add_type(list, machines[i]->name, "-machine", "machine");
        }
    }
    const DeviceClass *const *devices = device_classes(&count);
    for (unsigned i = 0; i < count; i++) {
        const char *name = devices[i]->name;
        if (!of || !strcmp(of, "device") || !strcmp(of, name)) {
            add_type(list, name, "", "device");
        }
    }
    return list;
}
