/* SPDX-License-Identifier: MIT */
/*
 * The state hash: one number for everything the guest could ever notice.
 *
 *   XXH3-128 over: virtual time | fields of vCPUs and devices | each RAM block:
 *                  name, then number and bytes of every page that is not zero
 *
 * The same on every host, back end and build: fields are little-endian, and a page of zeros does not
 * count whether it was touched or not. Not in it: disks, the host's side of devices.
 */
#ifndef VITRINE_STATE_HASH_H
#define VITRINE_STATE_HASH_H

#include <stdbool.h>

#include "hw/machine/machine.h"
#include "util/error.h"

enum { MACHINE_HASH_HEX = 33 };

/* Writes 32 hex digits. Errors: no memory. Locks: takes the machine lock; no vCPU runs
 * (machine_stop() or machine_pause()). Cost: reads all RAM that the guest has written. */
bool machine_hash(Machine *m, char hex[MACHINE_HASH_HEX], Error **errp);

#endif
