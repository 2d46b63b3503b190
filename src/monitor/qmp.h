/* SPDX-License-Identifier: MIT */
/*
 * Qmp: the monitor for programs, in QEMU's protocol.
 *
 *   session --bytes--> QmpStream --JSON object--> checks --> row of qmp.def --> {"return": ...}
 *   MachineListener --QmpEvents--> queue of each Qmp --> {"event": ...}
 *
 * Threads: new and free on the main thread; a Qmp has the session's thread.
 * Spec: QEMU Machine Protocol, docs/interop/qmp-spec.txt of QEMU 7.2.
 * Not modelled: out-of-band commands.
 */
#ifndef VITRINE_MONITOR_QMP_H
#define VITRINE_MONITOR_QMP_H

#include "hw/machine/machine.h"
#include "inspect/inspect.h"

typedef struct Qmp Qmp;
typedef struct QmpEvents QmpEvents;

/* What all QMP monitors of a machine share: who is told of its events. */
QmpEvents *qmp_events_new(Machine *m);
void qmp_events_free(QmpEvents *events); /* after the monitors */

struct GdbPort;
/* gdb is for the human monitor's commands, see hmp.h. */
Qmp *qmp_new(QmpEvents *events, Inspector *ins, struct GdbPort *gdb, Chardev *chr,
             bool pretty, Error **errp);
void qmp_free(Qmp *qmp);

#endif
