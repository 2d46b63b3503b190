/* SPDX-License-Identifier: MIT */
/* Describe: see describe.h. */
#include "monitor/describe.h"

#include <inttypes.h>
#include <stdlib.h>

static bool is_listed(const Machine *m, const Chardev *chr, unsigned serials) {
    for (unsigned i = 0; i < m->chardev_count; i++) {
        if (m->chardevs[i] == chr) {
            return true;
        }
    }
    for (unsigned i = 0; i < serials; i++) {
        if (m->serials[i] == chr) {
            return true;
        }
    }
    return false;
}

void describe_each_chardev(Machine *m,
                           void (*fn)(void *opaque, const char *label, Chardev *chr),
                           void *opaque) {
    for (unsigned i = 0; i < m->chardev_count; i++) {
        const char *id = chardev_id(m->chardevs[i]);
        fn(opaque, id ? id : "", m->chardevs[i]);
    }
    for (unsigned i = 0; i < m->serial_count; i++) {
        char label[DESCRIBE_NAME_MAX];
        if (m->serials[i] && !is_listed(m, m->serials[i], i)) {
            snprintf(label, sizeof(label), "serial%u", i);
            fn(opaque, label, m->serials[i]);
        }
    }
}

void describe_device(const Device *dev, char *text, size_t size) {
    char *name = device_unique_name(dev);
    snprintf(text, size, "%s", name ? name : "");
    free(name);
}

static const void *property_at(const Device *dev, const DeviceProperty *p) {
    return (const char *)dev + p->offset;
}

static const char *reference_id(const DeviceProperty *p, const void *object) {
    const char *id = NULL;
    if (object) {
        id = p->type == PROP_DRIVE     ? blk_id(object)
             : p->type == PROP_CHARDEV ? chardev_id(object)
                                       : net_id(object);
    }
    return id ? id : "";
}

void describe_property(const Device *dev, const DeviceProperty *p, char *text,
                       size_t size) {
    const void *at = property_at(dev, p);
    const uint8_t *mac = at;
    switch (p->type) {
    case PROP_STRING: {
        const char *string = *(char *const *)at;
        snprintf(text, size, "\"%s\"", string ? string : "");
        break;
    }
    case PROP_U64: {
        uint64_t n = *(const uint64_t *)at;
        snprintf(text, size, "%" PRIu64 " (0x%" PRIx64 ")", n, n);
        break;
    }
    case PROP_BOOL:
        snprintf(text, size, "%s", *(const bool *)at ? "true" : "false");
        break;
    case PROP_DRIVE:
    case PROP_CHARDEV:
    case PROP_NETDEV:
        snprintf(text, size, "\"%s\"", reference_id(p, *(void *const *)at));
        break;
    case PROP_MAC:
        snprintf(text, size, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                 mac[3], mac[4], mac[5]);
        break;
    }
}

static const DeviceProperty *find_type(const Device *dev, PropType type) {
    for (const DeviceProperty *p = dev->cls->properties; p && p->name; p++) {
        if (p->type == type) {
            return p;
        }
    }
    return NULL;
}

bool describe_property_of_type(const Device *dev, PropType type, char *text,
                               size_t size) {
    const DeviceProperty *p = find_type(dev, type);
    if (p) {
        describe_property(dev, p, text, size);
    }
    return p != NULL;
}

void *describe_reference(const Device *dev, PropType type) {
    const DeviceProperty *p = find_type(dev, type);
    return p ? *(void *const *)property_at(dev, p) : NULL;
}

const Device *describe_drive_user(Machine *m, const BlockBackend *blk) {
    for (const Device *d = m->first_device; d; d = d->next) {
        if (describe_reference(d, PROP_DRIVE) == blk) {
            return d;
        }
    }
    return NULL;
}
