/* SPDX-License-Identifier: MIT */
/*
 * Faces: those who look into a machine and drive it, as the command line asked for them.
 *
 *   faces --> inspector (one thread) <-- -rpc, -monitor, -qmp, -web, -api
 *        '--> gdb port                 '--> travel (-history)
 *
 * Threads: the one that runs the machine.
 */
#ifndef VITRINE_CLI_FACES_H
#define VITRINE_CLI_FACES_H

#include "cli/options.h"
#include "inspect/inspect.h"
#include "inspect/rpc.h"
#include "monitor/gdb_port.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "state/travel.h"
#include "web/api.h"
#include "web/server.h"

typedef struct Faces {
    Inspector *inspector;
    Rpc *rpc[MACHINE_MAX_LIST];
    unsigned rpc_count;
    Monitors *monitors;
    GdbPort *gdb;
    Hmp gdb_hmp; /* of its `monitor` */
    Travel *travel;
    WebServer *web;
    ApiServer *api; /* lets in whom `web` does */
} Faces;

/* Opens what the command line asks for. */
bool faces_open(Faces *f, const CommandLine *cl, Machine *m, Error **errp);
/* Closes all; again: does nothing. Before the machine is freed. */
void faces_close(Faces *f);

#endif
