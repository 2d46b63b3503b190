/* SPDX-License-Identifier: MIT */
/*
 * Monitor: the machine's faces for people (HMP) and programs (QMP), from the command line's
 * -monitor, -qmp and -mon.
 *
 *   -monitor, mon:..., default --> HmpLine (hmp_line.h)
 *   -qmp, -mon mode=control   --> Qmp     (qmp.h)
 *
 * Threads: the main thread. A monitor has a thread of its own.
 */
#ifndef VITRINE_MONITOR_MONITOR_H
#define VITRINE_MONITOR_MONITOR_H

#include "hw/machine/machine.h"
#include "inspect/inspect.h"

typedef enum MonitorOption {
    MONITOR_OPTION_MONITOR,
    MONITOR_OPTION_QMP,
    MONITOR_OPTION_QMP_PRETTY,
    MONITOR_OPTION_MON,
} MonitorOption;

/* The options, in order. Borrowed. */
typedef struct MonitorOptions {
    MonitorOption option[MACHINE_MAX_LIST];
    const char *text[MACHINE_MAX_LIST];
    unsigned count;
} MonitorOptions;

typedef struct Monitors Monitors;

/* Looks at one option without opening anything. Errors: not a place for a monitor; a network
 * address that is not loopback, since a monitor asks for no password. */
bool monitor_option_check(MonitorOption option, const char *text, Error **errp);
/* Adds it. Errors: as above; too many. */
bool monitor_options_add(MonitorOptions *o, MonitorOption option, const char *text,
                         Error **errp);
/* True if one of them is on the process's own terminal. */
bool monitor_options_take_terminal(const MonitorOptions *o);

/* Opens all monitors, those of mon: serial lines too. The machine, the inspector and the place
 * for gdb (may be NULL) outlive them. */
struct GdbPort;
Monitors *monitors_new(Machine *m, Inspector *ins, struct GdbPort *gdb,
                       const MonitorOptions *options, Error **errp);
void monitors_free(Monitors *monitors);

#endif
