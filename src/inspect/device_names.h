/* SPDX-License-Identifier: MIT */
/*
 * Device names: how devices are called in requests and answers.
 *
 *   its id          "disk0"                  if -device gave one
 *   class@base      "serial-mm@10000000"     if it is mapped
 *   parent/class    "virtio-mmio@10001000/virtio-net-device"
 *
 * Locks: the machine lock, but for device_of_pointer(): devices come and go only before the run.
 */
#ifndef VITRINE_INSPECT_DEVICE_NAMES_H
#define VITRINE_INSPECT_DEVICE_NAMES_H

#include "hw/virtio/virtio.h"
#include "inspect/inspect_call.h"

enum { DEVICE_PATH_MAX = 192 };

/* Writes the name; returns it. */
const char *device_path(const Device *dev, char path[DEVICE_PATH_MAX]);
/* The device that the parameter "dev" names. NULL: there is none, and the call has failed. */
Device *inspect_device(InspectCall *call);
/* The device whose struct an address lies in, or NULL. */
Device *device_of_pointer(Machine *m, uint64_t pointer);
/* The device of the class, or NULL. */
Device *device_of_class(Machine *m, const char *class_name);
/* Not NULL if the device (or the child of the transport it is) is a virtio device. */
VirtIODevice *device_virtio(Device *dev);

#endif
