/* SPDX-License-Identifier: MIT */
/*
 * GdbServer: where gdb connects: `-gdb`, `-s`.
 *
 *   tcp::1234, tcp:127.0.0.1:1234    this host only
 *   tcp:0.0.0.0:1234                 everybody: whoever connects owns the guest
 *   unix:PATH                        a socket file, mode 0600
 *
 * An empty host means this host, not all of them as elsewhere. One client at a time; others
 * wait until it is gone. The machine is not touched while nobody is connected.
 *
 * Threads: the server's own. It is not the inspector's, so that `monitor` may wait for that.
 */
#ifndef VITRINE_MONITOR_GDB_SERVER_H
#define VITRINE_MONITOR_GDB_SERVER_H

#include "monitor/gdb.h"

typedef struct GdbServer GdbServer;

#define GDB_DEFAULT "tcp::1234" /* of -s and `gdbserver` */

/* Looks at the text of -gdb without opening anything. */
bool gdb_server_check(const char *spec, Error **errp);
/* Errors: as above; the port or path is taken. */
GdbServer *gdb_server_new(Machine *m, const char *spec, const GdbHooks *hooks,
                          Error **errp);
/* Says good-bye to the client. Before machine_free(). */
void gdb_server_free(GdbServer *server);

#endif
