/* SPDX-License-Identifier: MIT */
/* Device: look-up of classes, properties, seats on buses, life and death. See device.h.
 */
#include "hw/device.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "hw/machine/machine.h"
#include "util/keyval.h"

#define DEVICE(cls) extern const DeviceClass cls;
#include "hw/devices.def"
#undef DEVICE

static const DeviceClass *const all_classes[] = {
#define DEVICE(cls) &cls,
#include "hw/devices.def"
#undef DEVICE
};

enum { CLASS_COUNT = sizeof(all_classes) / sizeof(all_classes[0]) };

const DeviceClass *device_class_find(const char *name) {
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        if (!strcmp(all_classes[i]->name, name)) {
            return all_classes[i];
        }
    }
    return NULL;
}

const DeviceClass *const *device_classes(unsigned *count) {
    *count = CLASS_COUNT;
    return all_classes;
}

void device_list_help(FILE *out) {
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        const DeviceClass *c = all_classes[i];
        if (c->user_creatable) {
            fprintf(out, "name \"%s\", bus %s, desc \"%s\"\n", c->name,
                    c->bus ? c->bus : "System", c->description);
        }
    }
}

static const char *prop_type_name(PropType type) {
    switch (type) {
    case PROP_STRING:
        return "str";
    case PROP_U64:
        return "uint64";
    case PROP_BOOL:
        return "bool";
    case PROP_DRIVE:
        return "drive id";
    case PROP_CHARDEV:
        return "chardev id";
    case PROP_NETDEV:
        return "netdev id";
    case PROP_MAC:
        return "MAC address";
    }
    return "";
}

bool device_class_help(const char *name, FILE *out) {
    const DeviceClass *c = device_class_find(name);
    if (!c) {
        return false;
    }
    fprintf(out, "%s options:\n", name);
    if (c->bus) {
        fprintf(out, "  bus=<bus name> - where it sits (default: the first free seat)\n");
    }
    for (const DeviceProperty *p = c->properties; p && p->name; p++) {
        fprintf(out, "  %s=<%s> - %s", p->name, prop_type_name(p->type), p->help);
        fprintf(out, p->dflt ? " (default: %s)\n" : "\n", p->dflt);
    }
    return true;
}

/* --- properties ------------------------------------------------------------------ */

static bool parse_mac(const char *text, uint8_t mac[6], Error **errp) {
    unsigned b[6];
    int used = 0;
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4],
               &b[5], &used) != 6 ||
        text[used]) {
        error_set(errp, "'%s' is not a MAC address; write it as 52:54:00:12:34:56", text);
        return false;
    }
    for (unsigned i = 0; i < 6; i++) {
        mac[i] = (uint8_t)b[i];
    }
    return true;
}

static bool set_reference(void **field, void *found, const char *option, const char *id,
                          Error **errp) {
    if (!found) {
        error_set(errp, "there is no %s with id=%s; add one or correct the name", option,
                  id);
        return false;
    }
    *field = found;
    return true;
}

static bool take_drive(Machine *m, const BlockBackend *blk, Error **errp) {
    for (unsigned i = 0; i < m->drive_count; i++) {
        MachineDrive *d = &m->drives[i];
        if (d->blk == blk && d->taken) {
            error_set(errp, "drive %s is already in use; give each device its own",
                      blk_id(blk));
            return false;
        }
        d->taken |= d->blk == blk;
    }
    return true;
}

static bool set_value(Device *dev, const DeviceProperty *p, const char *value,
                      Error **errp) {
    void *field = (char *)dev + p->offset;
    Machine *m = dev->machine;
    KeyValItem item = {.key = (char *)p->name, .value = (char *)value};
    const KeyVal one = {.items = &item, .count = 1};
    switch (p->type) {
    case PROP_STRING: {
        char *copy = strdup(value);
        if (!copy) {
            error_set(errp, "no memory");
            return false;
        }
        free(*(char **)field);
        *(char **)field = copy;
        return true;
    }
    case PROP_U64:
        return keyval_get_u64(&one, p->name, field, errp);
    case PROP_BOOL:
        return keyval_get_bool(&one, p->name, field, errp);
    case PROP_MAC:
        return parse_mac(value, field, errp);
    case PROP_DRIVE:
        return set_reference(field, machine_find_drive(m, value), "-drive", value,
                             errp) &&
               take_drive(m, *(BlockBackend **)field, errp);
    case PROP_CHARDEV:
        return set_reference(field, machine_find_chardev(m, value), "-chardev", value,
                             errp);
    case PROP_NETDEV:
        return set_reference(field, machine_find_netdev(m, value), "-netdev", value,
                             errp);
    }
    return false;
}

static bool sit_on_named_bus(Device *dev, const char *name, Error **errp) {
    for (Device *t = dev->machine->first_device; t; t = t->next) {
        if (!t->bus_name || strcmp(t->bus_name, name)) {
            continue;
        }
        if (strcmp(t->cls->offers_bus, dev->cls->bus)) {
            error_set(errp, "%s does not fit on bus %s, which is a %s", dev->cls->name,
                      name, t->cls->offers_bus);
            return false;
        }
        if (t->child && t->child != dev) {
            error_set(errp, "bus %s already has a %s; choose another bus=", name,
                      t->child->cls->name);
            return false;
        }
        if (dev->parent) {
            dev->parent->child = NULL;
        }
        dev->parent = t;
        t->child = dev;
        return true;
    }
    error_set(errp, "there is no bus '%s' for %s; leave bus= out to take a free one",
              name, dev->cls->name);
    return false;
}

bool device_set_property(Device *dev, const char *name, const char *value, Error **errp) {
    assert(!dev->realized);
    if (dev->cls->bus && !strcmp(name, "bus")) {
        return sit_on_named_bus(dev, value, errp);
    }
    for (const DeviceProperty *p = dev->cls->properties; p && p->name; p++) {
        if (!strcmp(p->name, name)) {
            if (!set_value(dev, p, value, errp)) {
                error_prepend(errp, "%s.%s: ", dev->cls->name, name);
                return false;
            }
            return true;
        }
    }
    error_set(errp, "device %s has no property '%s'; see -device %s,help", dev->cls->name,
              name, dev->cls->name);
    return false;
}

void device_set_reference(Device *dev, const char *name, void *object) {
    for (const DeviceProperty *p = dev->cls->properties; p && p->name; p++) {
        if (!strcmp(p->name, name)) {
            assert(p->type == PROP_DRIVE || p->type == PROP_CHARDEV ||
                   p->type == PROP_NETDEV);
            *(void **)((char *)dev + p->offset) = object;
            return;
        }
    }
    assert(!"the board sets a property that its device has not");
}

/* "CLASS.PROP=VALUE": true if it is about this class; then the parts are in *prop and
 * *value. */
static bool global_is_for(const char *text, const char *class_name, char prop[64],
                          const char **value) {
    size_t n = strlen(class_name);
    if (strncmp(text, class_name, n) || text[n] != '.') {
        return false;
    }
    const char *eq = strchr(text + n, '=');
    if (!eq || (size_t)(eq - (text + n + 1)) >= 64) {
        return false;
    }
    memcpy(prop, text + n + 1, (size_t)(eq - (text + n + 1)));
    prop[eq - (text + n + 1)] = '\0';
    *value = eq + 1;
    return true;
}

static bool set_initial_properties(Device *dev, Error **errp) {
    for (const DeviceProperty *p = dev->cls->properties; p && p->name; p++) {
        if (p->dflt && !set_value(dev, p, p->dflt, errp)) {
            return false;
        }
    }
    const OptionList *globals = &dev->machine->config.globals;
    for (unsigned i = 0; i < globals->count; i++) {
        char prop[64];
        const char *value;
        if (global_is_for(globals->item[i], dev->cls->name, prop, &value) &&
            !device_set_property(dev, prop, value, errp)) {
            error_prepend(errp, "-global %s: ", globals->item[i]);
            return false;
        }
    }
    return true;
}

/* --- life ------------------------------------------------------------------------ */

Device *device_new(Machine *m, const DeviceClass *cls, const char *id, Error **errp) {
    if (id && machine_find_device(m, id)) {
        error_set(errp, "two devices have id=%s; ids must differ", id);
        return NULL;
    }
    Device *dev = calloc(1, cls->size);
    if (!dev) {
        error_set(errp, "no memory for a %s", cls->name);
        return NULL;
    }
    dev->cls = cls;
    dev->machine = m;
    *m->last_device = dev;
    m->last_device = &dev->next;
    if (id && !(dev->id = strdup(id))) {
        error_set(errp, "no memory for a %s", cls->name);
        goto out_free;
    }
    if (!set_initial_properties(dev, errp)) {
        goto out_free;
    }
    return dev;

out_free:
    device_free(dev);
    return NULL;
}

Device *device_new_from_text(Machine *m, const char *text, Error **errp) {
    KeyVal kv;
    Device *dev = NULL;
    if (!keyval_parse(&kv, text, "driver", errp)) {
        error_prepend(errp, "-device: ");
        goto out_options;
    }
    const char *name = keyval_get(&kv, "driver");
    const DeviceClass *cls = name ? device_class_find(name) : NULL;
    if (!cls || !cls->user_creatable) {
        error_set(errp,
                  cls ? "-device %s: the board makes this device itself"
                      : "-device %s: unknown device; see -device help",
                  name ? name : text);
        goto out_options;
    }
    dev = device_new(m, cls, keyval_get(&kv, "id"), errp);
    if (!dev) {
        goto out_options;
    }
    for (unsigned i = 0; i < kv.count; i++) {
        const KeyValItem *it = &kv.items[i];
        bool done = !strcmp(it->key, "driver") || !strcmp(it->key, "id");
        if (!done && !device_set_property(dev, it->key, it->value, errp)) {
            goto out_device;
        }
    }
    if (!device_realize(dev, errp)) {
        goto out_device;
    }
    keyval_free(&kv);
    return dev;

out_device:
    device_free(dev);
    error_prepend(errp, "-device %s: ", text);
out_options:
    keyval_free(&kv);
    return NULL;
}

static bool take_free_seat(Device *dev, Error **errp) {
    Device *seat = NULL;
    for (Device *t = dev->machine->first_device; t; t = t->next) {
        if (t->cls->offers_bus && !strcmp(t->cls->offers_bus, dev->cls->bus) &&
            !t->child && t->realized) {
            seat = t;
        }
    }
    if (!seat) {
        error_set(errp, "no free %s is left for a %s; use fewer devices", dev->cls->bus,
                  dev->cls->name);
        return false;
    }
    dev->parent = seat;
    seat->child = dev;
    return true;
}

bool device_realize(Device *dev, Error **errp) {
    assert(!dev->realized);
    if (dev->cls->bus && !dev->parent && !take_free_seat(dev, errp)) {
        return false;
    }
    if (dev->cls->realize && !dev->cls->realize(dev, errp)) {
        return false;
    }
    dev->realized = true;
    return true;
}

void device_map(Device *dev, hwaddr base) {
    Machine *m = dev->machine;
    dev->base = base;
    dev->mapped = true;
    dev->mmio.owner = dev->cls->name;
    memory_region_add(&m->as, &m->system_memory, base, &dev->mmio, 0);
}

static void unlink_device(Device *dev) {
    Machine *m = dev->machine;
    for (Device **d = &m->first_device; *d; d = &(*d)->next) {
        if (*d == dev) {
            *d = dev->next;
            if (m->last_device == &dev->next) {
                m->last_device = d;
            }
            return;
        }
    }
}

void device_free(Device *dev) {
    if (!dev) {
        return;
    }
    if (dev->mapped) {
        memory_region_del(&dev->machine->as, &dev->mmio);
        address_space_reclaim(&dev->machine->as);
    }
    if (dev->realized && dev->cls->unrealize) {
        dev->cls->unrealize(dev);
    }
    if (dev->mmio.name) {
        memory_region_destroy(&dev->mmio);
    }
    if (dev->parent) {
        dev->parent->child = NULL;
    }
    if (dev->child) {
        dev->child->parent = NULL;
    }
    unlink_device(dev);
    for (const DeviceProperty *p = dev->cls->properties; p && p->name; p++) {
        if (p->type == PROP_STRING) {
            free(*(char **)((char *)dev + p->offset));
        }
    }
    free(dev->bus_name);
    free(dev->id);
    free(dev);
}

/* --- what devices ask for -------------------------------------------------------- */

char *device_unique_name(const Device *dev) {
    if (dev->id != NULL) {
        return strdup(dev->id);
    }
    unsigned n = 0;
    for (const Device *d = dev->machine->first_device; d != dev; d = d->next) {
        n += d->cls == dev->cls;
    }
    size_t size = strlen(dev->cls->name) + 16;
    char *name = malloc(size);
    if (name != NULL) {
        snprintf(name, size, "%s.%u", dev->cls->name, n);
    }
    return name;
}

InputGate *device_gate(const Device *dev) {
    return dev->machine->gate;
}

Clock *device_clock(const Device *dev) {
    return &dev->machine->clock;
}

static void log_message(const Device *dev, uint32_t category, const char *fmt,
                        va_list args) {
    char text[256];
    vsnprintf(text, sizeof(text), fmt, args);
    log_printf(dev->machine->log, category, "%s: %s\n", dev->cls->name, text);
}

void device_guest_error(const Device *dev, const char *fmt, ...) {
    if (dev->machine->log && log_enabled(dev->machine->log, LOG_GUEST_ERRORS)) {
        va_list args;
        va_start(args, fmt);
        log_message(dev, LOG_GUEST_ERRORS, fmt, args);
        va_end(args);
    }
}

void device_unimplemented(const Device *dev, const char *fmt, ...) {
    if (dev->machine->log && log_enabled(dev->machine->log, LOG_UNIMP)) {
        va_list args;
        va_start(args, fmt);
        log_message(dev, LOG_UNIMP, fmt, args);
        va_end(args);
    }
}
