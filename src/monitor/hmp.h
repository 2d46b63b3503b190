/* SPDX-License-Identifier: MIT */
/*
 * HMP: the human monitor's commands, apart from any terminal.
 *
 *   "x/4xw $sp" --hmp_execute()--> row of hmp.def, arguments checked --> handler --> text
 *
 * Whoever carries lines (a terminal, QMP's human-monitor-command, gdb's `monitor`) has an Hmp
 * of its own: it remembers the chosen hart and the last format.
 *
 * Threads: one at a time, which holds no machine lock, is no vCPU's, the main loop's nor the
 * inspector's.
 */
#ifndef VITRINE_MONITOR_HMP_H
#define VITRINE_MONITOR_HMP_H

#include <stdio.h>

#include "hw/machine/machine.h"
#include "inspect/inspect.h"

enum { HMP_MAX_LINE = 4096, HMP_MAX_ARGS = 8, HMP_MAX_WORD = 1024 };

typedef struct Hmp {
    Machine *m;
    Inspector *inspector;
    struct GdbPort *gdb; /* what `gdbserver` opens; NULL: it may not */
    unsigned cpu;        /* that registers, x and $names mean */
    char format;         /* of the last x, xp or print */
    unsigned size;       /* bytes of an item, likewise */
} Hmp;

void hmp_init(Hmp *hmp, Machine *m, Inspector *inspector, struct GdbPort *gdb);
/* Carries out one line and returns what it has to say; lines end with "\n". Errors are text,
 * too. Owns: the caller frees. */
char *hmp_execute(Hmp *hmp, const char *line);

/* What may stand in place of the word that begins at `start` of the line and ends at `end`:
 * calls `offer` for each. */
void hmp_complete(Hmp *hmp, const char *line, size_t start, size_t end,
                  void (*offer)(void *opaque, const char *word), void *opaque);

#endif
