/* SPDX-License-Identifier: MIT */
/*
 * Gdb: one debugger's session, apart from any socket.
 *
 *   bytes --gdb_session_input()--> packet --> command --> reply --gdb_session_output()--> bytes
 *                                               |
 *                machine_debug_cont(), points --'      stop --gdb_session_notice()--> reply
 *
 * All stop: when a hart stops, all do; a thread of gdb is a hart, numbered from 1. What
 * gdb does in between its stops is a row of commands, each of which pauses the vCPUs for
 * itself, so a machine that somebody else sets going meanwhile does no harm.
 *
 * A session begins by stopping the machine and ends, however it ends, by taking its points
 * away and letting the machine go on.
 *
 * Spec: GDB manual, appendix E.
 * Not modelled: non-stop mode, multi-process, extended mode but R, tracepoints, files.
 * Threads: one, which holds no machine lock and is neither a vCPU's nor the main loop's.
 */
#ifndef VITRINE_MONITOR_GDB_H
#define VITRINE_MONITOR_GDB_H

#include "hw/machine/machine.h"
#include "monitor/gdb_packet.h"

typedef struct GdbSession GdbSession;

/* What others do for gdb. Each may be NULL. */
typedef struct GdbHooks {
    /* `monitor TEXT`. Owns: the caller frees the answer. */
    char *(*monitor)(void *opaque, const char *text);
    /* reverse-stepi and reverse-continue: returns with the machine stopped there; *stop
     * says why, DEBUG_NONE: the history begins there. Errors: no history. */
    bool (*reverse)(void *opaque, unsigned cpu, bool step, DebugStop *stop, Error **errp);
    void *opaque;
} GdbHooks;

/* Stops the machine. `hooks` is copied; NULL: none. */
GdbSession *gdb_session_new(Machine *m, const GdbHooks *hooks);
void gdb_session_free(GdbSession *s);
void gdb_session_input(GdbSession *s, const uint8_t *bytes, size_t len);
/* The machine may have stopped, or ended: tells gdb if it waits for that. */
void gdb_session_notice(GdbSession *s, bool machine_ended);
/* What is to be sent: `len` bytes; drop them by gdb_session_sent(). */
const char *gdb_session_output(const GdbSession *s, size_t *len);
void gdb_session_sent(GdbSession *s, size_t len);
/* Nothing more is to come: hang up when all is sent. */
bool gdb_session_is_over(const GdbSession *s);

#endif
