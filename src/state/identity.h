/* SPDX-License-Identifier: MIT */
/*
 * Identity: what two machines must have in common for one to take the other's state, as text.
 *
 *   board=virt
 *   harts=2
 *   isa=rv64imafdc_...
 *   memory=ram 0x20000000
 *   device=virtio-blk-device virtio-blk-device.0 on virtio-mmio-bus.7 indirect_desc=1 ...
 *
 * A line a fact, in an order that is the same in every machine of the same command line, so that the
 * first line that differs names the difference.
 */
#ifndef VITRINE_STATE_IDENTITY_H
#define VITRINE_STATE_IDENTITY_H

#include "hw/machine/machine.h"
#include "state/bytes.h"

/* Appends the text, without a NUL. Locks: the machine lock. */
void identity_describe(Machine *m, ByteBuffer *out);
/* True if `data` is this machine's text. Errors: the first line that differs, as it is in both. */
bool identity_check(Machine *m, const uint8_t *data, size_t len, Error **errp);

#endif
