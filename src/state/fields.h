/* SPDX-License-Identifier: MIT */
/*
 * Fields: everything of a machine that is not RAM or a disk, as bytes: clock, vCPUs, devices.
 *
 *   object:  "cpu/0" | table version | field count | "env.gpr" type count bytes | "env.pc" ... |
 *            "device/virtio-blk-device.0" | ...
 *
 * Fields are found by name, so that a table may grow: a field that is younger than the writer's
 * version of the table (`since`) keeps the value it has after a reset; any other that is missing, of
 * another type or size, or unknown is an error.
 *
 * Threads: the machine lock is held and no vCPU runs.
 */
#ifndef VITRINE_STATE_FIELDS_H
#define VITRINE_STATE_FIELDS_H

#include "hw/machine/machine.h"
#include "state/bytes.h"
#include "util/error.h"

/* Appends all objects, in an order that is the same in every machine of the same command line. */
void fields_save(Machine *m, ByteBuffer *out);
/* Appends the virtual clock, with -icount the count, whose turn it is and how many inputs were delivered;
 * all but the last fields_load() sets again. */
void fields_save_clock(Machine *m, ByteBuffer *out);

/* How many inputs had been delivered: a position of the gate's log. */
uint64_t fields_input(const uint8_t *clock, size_t len);

/* True if the bytes are whole and fit this machine; then fields_load() cannot fail. */
bool fields_check(Machine *m, const uint8_t *data, size_t len, Error **errp);
bool fields_check_clock(const Machine *m, const uint8_t *data, size_t len, Error **errp);
/* Puts checked bytes into the machine. `clock` first, then all fields, then what follows from them;
 * RAM must hold its contents by then. The clock must stand. */
void fields_load(Machine *m, const uint8_t *clock, size_t clock_len, const uint8_t *data,
                 size_t len);

#endif
