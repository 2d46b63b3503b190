/* SPDX-License-Identifier: MIT */
/* Device names, both ways. See device_names.h. */
#include "inspect/device_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *device_path(const Device *dev, char path[DEVICE_PATH_MAX]) {
    if (dev->id) {
        snprintf(path, DEVICE_PATH_MAX, "%s", dev->id);
    } else if (dev->mapped) {
        snprintf(path, DEVICE_PATH_MAX, "%s@%" PRIx64, dev->cls->name,
                 (uint64_t)dev->base);
    } else if (dev->parent) {
        char parent[DEVICE_PATH_MAX];
        device_path(dev->parent, parent);
        snprintf(path, DEVICE_PATH_MAX, "%.*s/%s", DEVICE_PATH_MAX / 2, parent,
                 dev->cls->name);
    } else {
        snprintf(path, DEVICE_PATH_MAX, "%s", dev->cls->name);
    }
    return path;
}

Device *device_of_class(Machine *m, const char *class_name) {
    for (Device *d = m->first_device; d; d = d->next) {
        if (!strcmp(d->cls->name, class_name)) {
            return d;
        }
    }
    return NULL;
}

/* By name, or by the class if only one device has it; NULL: there is none. */
static Device *device_find(Machine *m, const char *name) {
    Device *of_class = NULL;
    unsigned count = 0;
    for (Device *d = m->first_device; d; d = d->next) {
        char path[DEVICE_PATH_MAX];
        if (!strcmp(device_path(d, path), name)) {
            return d;
        }
        if (!strcmp(d->cls->name, name)) {
            of_class = d;
            count++;
        }
    }
    return count == 1 ? of_class : NULL;
}

Device *inspect_device(InspectCall *call) {
    const char *name = inspect_string(call, "dev");
    inspect_lock(call);
    Device *dev = device_find(call->m, name);
    inspect_unlock(call);
    if (!dev) {
        inspect_failf(call, INSPECT_NOT_FOUND, "dev.list has the paths of all devices",
                      "no device, or more than one, is called '%s'", name);
    }
    return dev;
}

Device *device_of_pointer(Machine *m, uint64_t pointer) {
    for (Device *d = m->first_device; d; d = d->next) {
        uint64_t start = (uintptr_t)d;
        if (pointer >= start && pointer < start + d->cls->size) {
            return d;
        }
    }
    return NULL;
}

VirtIODevice *device_virtio(Device *dev) {
    if (dev->cls->offers_bus && !strcmp(dev->cls->offers_bus, "virtio-bus")) {
        dev = dev->child;
    }
    bool is_virtio = dev && dev->cls->bus && !strcmp(dev->cls->bus, "virtio-bus");
    return is_virtio ? (VirtIODevice *)dev : NULL;
}
