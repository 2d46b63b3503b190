/* SPDX-License-Identifier: MIT */
/*
 * Device: one piece of hardware: a class (a row in devices.def), registers behind a
 * MemoryRegion, an interrupt line, and a table that names every field of its state.
 *
 * Life: device_new() by the board or -device, properties set, realize() once, reset() at
 * start and at each system reset, unrealize() at the end.
 *
 *   virtio-mmio "virtio-mmio-bus.0"  (a transport: offers one seat on a bus)
 *        '-- child: virtio-blk-device    (cls->bus == the transport's cls->offers_bus)
 *
 * The state table has three readers: snapshots, the console, and the comparison of two
 * moments. What is not in it is either derived in post_load() or belongs to the host
 * side.
 *
 * Locks: all callbacks run under the machine lock.
 */
#ifndef VITRINE_HW_DEVICE_H
#define VITRINE_HW_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "hw/registers.h"
#include "mem/memory.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/gate.h"
#include "util/log.h"
#include "util/state.h"

typedef struct Device Device;
typedef struct Machine Machine;

/* An output pin: set() is the input it is wired to. */
typedef struct IrqLine {
    void (*set)(void *opaque, int n, int level);
    void *opaque;
    int n;
} IrqLine;

static inline void irq_set(const IrqLine *irq, int level) {
    if (irq->set) {
        irq->set(irq->opaque, irq->n, level);
    }
}

typedef enum PropType {
    PROP_STRING,  /* char *, owned by the device */
    PROP_U64,     /* uint64_t */
    PROP_BOOL,    /* bool; on/off, true/false, yes/no */
    PROP_DRIVE,   /* BlockBackend *, by its -drive id */
    PROP_CHARDEV, /* Chardev *, by its -chardev id */
    PROP_NETDEV,  /* NetBackend *, by its -netdev id */
    PROP_MAC,     /* uint8_t[6] */
} PropType;

/* A property of -device NAME,prop=value (and -global NAME.prop=value). Every device has
 * `id` and, if its class sits on a bus, `bus` besides those of its table. */
typedef struct DeviceProperty {
    const char *name;
    PropType type;
    size_t offset;    /* in the device struct */
    const char *dflt; /* as text, or NULL: stays zero */
    const char *help;
} DeviceProperty;

typedef struct DeviceClass {
    const char *name;        /* QEMU's name: "virtio-blk-device" */
    const char *description; /* one line for -device help */
    const char *bus;         /* kind of bus it must sit on ("virtio-bus"), or NULL */
    const char *offers_bus;  /* kind of bus it has one seat of, or NULL */
    bool user_creatable;     /* by -device */
    size_t size;             /* of the device struct; its first member is Device */
    const DeviceProperty *properties; /* ends with name NULL; may be NULL */
    const StateField *state;          /* ends with STATE_END; may be NULL */
    unsigned state_version;
    const RegisterDesc *registers; /* ends with REGISTERS_END; may be NULL */
    /* The register at the offset without side effects; false: it has no value to show (it can only
     * be written, or is not there in this configuration). May be NULL: none has. */
    bool (*peek)(const Device *dev, const RegisterDesc *reg, hwaddr offset,
                 uint64_t *value);
    bool (*realize)(Device *dev,
                    Error **errp);  /* may be NULL; frees what it made if it fails */
    void (*unrealize)(Device *dev); /* may be NULL; only after a successful realize */
    void (*reset)(Device *dev);     /* may be NULL */
    void (*post_load)(Device *dev); /* after a snapshot was loaded; may be NULL */
} DeviceClass;

struct Device {
    const DeviceClass *cls;
    char *id; /* or NULL */
    Machine *machine;
    MemoryRegion mmio; /* the device's registers, if it has any: set up by realize() */
    hwaddr base;       /* where the board mapped them */
    bool mapped;
    IrqLine irq;    /* wired by the board */
    Device *parent; /* of a bus child: the transport, set before realize() */
    Device *child;  /* of a transport: who has the seat, or NULL */
    char *bus_name; /* of a transport: "virtio-mmio-bus.0", given by the board */
    bool realized;
    Device *next; /* in the machine's list, in order of creation */
};

/* All classes: the rows of devices.def. NULL if unknown. */
const DeviceClass *device_class_find(const char *name);
const DeviceClass *const *device_classes(unsigned *count);
/* Writes what `-device help` shows. */
void device_list_help(FILE *out);
/* ... and `-device NAME,help`; false if there is no such class. */
bool device_class_help(const char *name, FILE *out);

/* Allocates a device with default properties, then those of -global, and adds it to the
 * machine. Errors: the id is taken; a -global value does not fit. */
Device *device_new(Machine *m, const DeviceClass *cls, const char *id, Error **errp);
bool device_set_property(Device *dev, const char *name, const char *value, Error **errp);
/* The board's way to set a PROP_DRIVE, PROP_CHARDEV or PROP_NETDEV property. */
void device_set_reference(Device *dev, const char *name, void *object);
/* Makes a device from the text of -device: "NAME[,id=..][,bus=..][,prop=value]...", and
 * realizes it. */
Device *device_new_from_text(Machine *m, const char *text, Error **errp);
/* Gives a bus child its seat (the first free one, as QEMU counts: the newest transport
 * first) unless `bus=` chose one, then realizes. */
bool device_realize(Device *dev, Error **errp);
/* Maps dev->mmio into the machine's system memory. */
void device_map(Device *dev, hwaddr base);
/* Unmaps, unrealizes, takes out of the machine's list and frees. */
void device_free(Device *dev);

/* Logs what a guest did against the device's manual (-d guest_errors), with the device's
 * name. */
void device_guest_error(const Device *dev, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Logs what a guest uses and the device does not model (-d unimp). */
void device_unimplemented(const Device *dev, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A name that is the same in every machine of the same command line: the id, or
 * "CLASS.N" for the N-th device of its class, from 0. Owns: the caller frees. */
char *device_unique_name(const Device *dev);
/* Where a device finds its machine's input gate; NULL in a machine without one. */
InputGate *device_gate(const Device *dev);
/* Where a device finds its machine's clock; kept here so that devices need not know
 * Machine. */
Clock *device_clock(const Device *dev);

#endif
