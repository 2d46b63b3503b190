/* SPDX-License-Identifier: MIT */
/*
 * Replay: -record and -replay: a machine's input to a file, and a machine run by such a file.
 *
 *   -record F   reset, with the host's entropy and date --> every event of the gate --> F
 *   -replay F   the same machine, the same start? --> events of F --> the gate; the host's own input
 *               stays outside. At F's end the run ends, or stands (-no-shutdown).
 *
 * Both want -icount, whose shift is the same, and disks that are the same each time: read-only, or with
 * snapshot=on. The files of kernel, firmware, ... are compared by what they make of the machine's
 * memory (the state hash at the start).
 *
 * Threads: set up and ended by the owner of the machine while no vCPU runs.
 * Book: going-back-in-time.md.
 */
#ifndef VITRINE_STATE_REPLAY_H
#define VITRINE_STATE_REPLAY_H

#include "hw/machine/machine.h"
#include "util/error.h"

typedef struct Replay Replay;

/* Every so many instructions the registers of all vCPUs are compared. */
enum { REPLAY_CHECK_INSNS = 1 << 20 };

/* Before the machine's first instruction. Errors: no -icount; a drive that is written in place; the
 * file cannot be written. */
Replay *replay_record(Machine *m, const char *path, Error **errp);
/* The same. Errors: not a recording, damaged; of another machine, of another start: what differs. */
Replay *replay_play(Machine *m, const char *path, Error **errp);
/* After the machine's run: writes the end. Errors: the file could not be written whole; the replay went
 * another way. Owns: frees r; NULL is done already. */
bool replay_finish(Replay *r, Error **errp);

#endif
