/* SPDX-License-Identifier: MIT */
/* Backends: opens what -chardev, -serial, -drive, -netdev and -nic name. Inside
 * src/hw/machine. */
#ifndef VITRINE_HW_MACHINE_BACKENDS_H
#define VITRINE_HW_MACHINE_BACKENDS_H

#include "hw/machine/machine.h"

/* Before the board's devices are made. What was opened before a failure is closed by
 * backends_close(). */
bool backends_open(Machine *m, Error **errp);
/* After them: devices of -device, of -nic and of -drive if=virtio. */
bool backends_add_devices(Machine *m, Error **errp);
void backends_close(Machine *m);

#endif
