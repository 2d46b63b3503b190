/* SPDX-License-Identifier: MIT */
/*
 * GdbPort: the place where gdb may connect, if there is one now: `-gdb`, then `gdbserver` of the monitors.
 *
 *   gdb_port_open("tcp::1234") --> the server there was says good-bye --> another listens
 *   gdb_port_open(NULL)        --> it says good-bye
 *
 * Threads: any but a GdbServer's own, which would wait for itself.
 */
#ifndef VITRINE_MONITOR_GDB_PORT_H
#define VITRINE_MONITOR_GDB_PORT_H

#include "monitor/gdb_server.h"

typedef struct GdbPort GdbPort;

/* Nobody listens yet. Copies hooks (may be NULL). */
GdbPort *gdb_port_new(Machine *m, const GdbHooks *hooks);
/* Closes. Before machine_free(), after all who might open. */
void gdb_port_free(GdbPort *port);
/* Listens there instead; NULL: nowhere. Errors: as gdb_server_new(); if the place can be no place the server
 * there was goes on, if it is taken nobody listens. */
bool gdb_port_open(GdbPort *port, const char *spec, Error **errp);

#endif
