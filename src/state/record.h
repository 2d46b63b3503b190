/* SPDX-License-Identifier: MIT */
/*
 * Recording: the log of a machine's input as a file, and a file as the log of a machine.
 *
 *   "VITREC1\n" | size, hash, description | size, hash, records | size, hash, records | ...
 *                 ^ text, KEY=VALUE lines   ^ a chunk is written whole: a recording that was
 *                   that the replaying        cut off is good up to its last chunk
 *                   machine must match
 *
 *   record:  EVENT  what came in, when, by which port         (util/gate.h)
 *            CHECK  the hash of all vCPUs' registers, every so often: a replay that goes another
 *                   way is found out there, not minutes later
 *            END    why and where it ended
 *
 * Numbers are little-endian; those in records are LEB128, counts and times as differences. A file is
 * not trusted: every length is checked, and nothing of it reaches the machine before the chunk it
 * is in was found whole.
 *
 * Threads: the machine lock.
 * Book: going-back-in-time.md.
 */
#ifndef VITRINE_STATE_RECORD_H
#define VITRINE_STATE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"
#include "util/gate.h"

enum { RECORD_MAX_DESCRIPTION = 64 * 1024, RECORD_MAX_CHUNK = 4 * 1024 * 1024 };

typedef struct RecordCheck {
    uint64_t count, hash;
} RecordCheck;

typedef struct RecordEnd {
    uint64_t count;
    uint8_t cause; /* a ShutdownCause */
    uint8_t status;
    bool cut_off; /* the file has no END: count is that of the last thing in it */
} RecordEnd;

/* --- writing ---------------------------------------------------------------------------------- */

typedef struct RecordWriter RecordWriter;

/* Creates the file (or empties it). Errors: it cannot be written. */
RecordWriter *record_writer_new(const char *path, const char *description, Error **errp);
/* A chunk is written when it is large enough, or at record_flush(). The first error of the host
 * sticks: nothing more is written, and record_close() tells it. */
void record_event(RecordWriter *w, const GateEvent *ev);
void record_check(RecordWriter *w, const RecordCheck *check);
void record_end(RecordWriter *w, const RecordEnd *end);
void record_flush(RecordWriter *w);
/* The error that sticks, or NULL. */
const char *record_error(const RecordWriter *w);
/* Owns: frees w. */
bool record_close(RecordWriter *w, Error **errp);

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct Recording {
    char *description;
    GateEvent *event; /* their data is the recording's until somebody takes it */
    size_t event_count;
    RecordCheck *check;
    size_t check_count;
    RecordEnd end;
} Recording;

/* Reads a whole file. Errors: not there, not a recording, of another version, damaged at a place
 * that is not just its end. */
Recording *recording_read(const char *path, Error **errp);
/* The same from memory; `name` for messages. */
Recording *recording_parse(const char *name, const uint8_t *data, size_t size,
                           Error **errp);
void recording_free(Recording *r);

#endif
