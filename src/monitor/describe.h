/* SPDX-License-Identifier: MIT */
/*
 * Describe: names and values of a machine's parts, as both monitors show them.
 *
 * Locks: the machine lock is held.
 */
#ifndef VITRINE_MONITOR_DESCRIBE_H
#define VITRINE_MONITOR_DESCRIBE_H

#include "hw/machine/machine.h"

enum { CHARDEV_NAME_MAX = 512, DESCRIBE_NAME_MAX = 128, DESCRIBE_VALUE_MAX = 256 };

/* Each chardev once, with its label: its id, or "serialN". */
void describe_each_chardev(Machine *m,
                           void (*fn)(void *opaque, const char *label, Chardev *chr),
                           void *opaque);
/* The id, or "CLASS.N". */
void describe_device(const Device *dev, char *text, size_t size);
/* A property's value as text; strings in quotes. */
void describe_property(const Device *dev, const DeviceProperty *p, char *text,
                       size_t size);
/* The first property of that type as text; false: the device has none. */
bool describe_property_of_type(const Device *dev, PropType type, char *text, size_t size);
/* What the device's property of that type (PROP_DRIVE, ...) refers to, or NULL. */
void *describe_reference(const Device *dev, PropType type);
/* The device that has the drive, or NULL. */
const Device *describe_drive_user(Machine *m, const BlockBackend *blk);

#endif
