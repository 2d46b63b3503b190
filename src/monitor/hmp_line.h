/* SPDX-License-Identifier: MIT */
/*
 * HmpLine: the human monitor on a chardev, with line editing, history and completion.
 *
 *   session --bytes--> libedit --line--> hmp_execute() --text--> session
 *
 * libedit wants a terminal for its settings; it gets a pseudo terminal that nobody reads, and
 * keys and output go by way of the session. It draws as on a dumb terminal, so any will do, and a
 * peer without one just sends lines.
 *
 * Threads: new and free on the main thread (libedit's look-up of terminals is not made for
 * threads); the rest on the session's.
 */
#ifndef VITRINE_MONITOR_HMP_LINE_H
#define VITRINE_MONITOR_HMP_LINE_H

#include "monitor/hmp.h"

typedef struct HmpLine HmpLine;

/* Serves whoever comes to the chardev. Errors: the chardev is taken; no pseudo terminal. */
HmpLine *hmp_line_new(Machine *m, Inspector *ins, struct GdbPort *gdb, Chardev *chr,
                      Error **errp);
void hmp_line_free(HmpLine *line);

#endif
