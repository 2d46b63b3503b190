/* SPDX-License-Identifier: MIT */
/* QMP's commands that change something. */
#include <stdlib.h>
#include <string.h>

#include "hw/machine/touch.h"
#include "monitor/describe.h"
#include "monitor/qmp_call.h"

static const char generic[] = "GenericError";

json_t *qmp_capabilities(QmpCall *call) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(call->arguments, "enable"), i, item) {
        const char *name = json_string_value(item);
        return qmp_fail(call, generic,
                        name ? "Capability '%s' is not available"
                             : "Invalid parameter type for 'enable', expected: "
                               "string%s",
                        name ? name : "");
    }
    *call->negotiated = true;
    return json_object();
}

json_t *qmp_stop(QmpCall *call) {
    machine_stop(call->m, RUN_PAUSED);
    return json_object();
}

json_t *qmp_cont(QmpCall *call) {
    Error *err = NULL;
    if (!machine_cont(call->m, &err)) {
        qmp_fail(call, generic, "%s",
                 err ? error_message(err) : "the guest cannot go on");
        error_free(err);
        return NULL;
    }
    return json_object();
}

json_t *qmp_system_reset(QmpCall *call) {
    Error *err = NULL;
    if (!touch_reset(call->m, &err)) {
        qmp_fail(call, generic, "%s", error_message(err));
        error_free(err);
        return NULL;
    }
    return json_object();
}

json_t *qmp_system_powerdown(QmpCall *call) {
    machine_powerdown(call->m);
    return json_object();
}

json_t *qmp_quit(QmpCall *call) {
    machine_request_shutdown(call->m, SHUTDOWN_USER, EXIT_SUCCESS);
    return json_object();
}

/* QEMU's lines end as a terminal's. Owns: takes text; the caller has the result. */
static json_t *terminal_text(char *text) {
    char *out = malloc(2 * strlen(text) + 1), *p = out;
    for (const char *t = text; out && *t; t++) {
        if (*t == '\n') {
            *p++ = '\r';
        }
        *p++ = *t;
    }
    json_t *value = NULL;
    if (out) {
        *p = '\0';
        value = json_string(out);
    }
    free(out);
    free(text);
    return value;
}

json_t *qmp_human(QmpCall *call) {
    const json_t *index = json_object_get(call->arguments, "cpu-index");
    json_int_t cpu = json_integer_value(index);
    if (index && (cpu < 0 || cpu >= call->m->cpus->count)) {
        return qmp_fail(call, generic, "Parameter 'cpu-index' expects a CPU number");
    }
    unsigned before = call->hmp->cpu;
    call->hmp->cpu = index ? (unsigned)cpu : before;
    json_t *value =
        terminal_text(hmp_execute(call->hmp, qmp_string(call, "command-line")));
    call->hmp->cpu = index ? before : call->hmp->cpu;
    return value ? value : qmp_fail(call, generic, "the answer is no text");
}

/* --- devices ---------------------------------------------------------------------------------- */

/* The bus where QEMU would put it: the first free seat, the newest transport first. */
static void find_bus(Machine *m, const DeviceClass *cls, char *name, size_t size) {
    snprintf(name, size, "%s", cls->bus ? cls->bus : "main-system-bus");
    for (const Device *d = m->first_device; cls->bus && d; d = d->next) {
        if (d->cls->offers_bus && !strcmp(d->cls->offers_bus, cls->bus) && !d->child &&
            d->bus_name) {
            snprintf(name, size, "%s", d->bus_name);
        }
    }
}

/* Board virt's seats are virtio-mmio transports and its own devices: nothing comes or goes
 * while the guest runs, in QEMU as here. */
json_t *qmp_device_add(QmpCall *call) {
    const char *driver = qmp_string(call, "driver"), *bus = qmp_string(call, "bus");
    const DeviceClass *cls = device_class_find(driver);
    if (!cls) {
        return qmp_fail(call, generic, "'%s' is not a valid device model name", driver);
    }
    if (!cls->user_creatable) {
        return qmp_fail(call, generic,
                        "Parameter 'driver' expects a pluggable device type");
    }
    char name[DESCRIBE_NAME_MAX];
    machine_lock(call->m);
    find_bus(call->m, cls, name, sizeof(name));
    machine_unlock(call->m);
    return qmp_fail(call, generic, "Bus '%s' does not support hotplugging",
                    bus ? bus : name);
}

json_t *qmp_device_del(QmpCall *call) {
    const char *id = qmp_string(call, "id");
    machine_lock(call->m);
    const Device *dev = machine_find_device(call->m, id);
    const char *bus = dev && dev->parent && dev->parent->bus_name ? dev->parent->bus_name
                                                                  : "main-system-bus";
    if (dev) {
        qmp_fail(call, generic, "Bus '%s' does not support hotplugging", bus);
    } else {
        qmp_fail(call, "DeviceNotFound", "Device '%s' not found", id);
    }
    machine_unlock(call->m);
    return NULL;
}
