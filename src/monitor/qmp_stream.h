/* SPDX-License-Identifier: MIT */
/*
 * QmpStream: JSON values out of a stream of bytes, in whatever pieces it comes.
 *
 *   {"execute":"stop"}{"exec | ute":"cont"} | @#! {"execute":"quit"}
 *   '----- value ----''----- value -------'  error  '--- value ---'
 *
 * After an error the stream goes on at the next structural character or end of line; the bytes
 * 0xFE and 0xFF abandon what was begun. Strings may stand in single quotes, as QEMU allows.
 */
#ifndef VITRINE_MONITOR_QMP_STREAM_H
#define VITRINE_MONITOR_QMP_STREAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QMP_MAX_MESSAGE = 1 << 20, QMP_MAX_DEPTH = 1024 };

typedef struct QmpStream {
    /* Each value, or why there is none (value NULL). Owns: the callee has the value. */
    void (*deliver)(void *opaque, json_t *value, const char *error);
    void *opaque;
    char *text; /* of the value so far */
    size_t len, cap;
    uint64_t depth;
    char quote;           /* in a string that this ends, else 0 */
    bool escape;          /* after a backslash */
    bool recovering;      /* after an error */
    const char *too_much; /* the limit that the value broke: the rest of it is skipped */
} QmpStream;

void qmp_stream_init(QmpStream *qs,
                     void (*deliver)(void *opaque, json_t *value, const char *error),
                     void *opaque);
void qmp_stream_destroy(QmpStream *qs);
void qmp_stream_push(QmpStream *qs, const void *bytes, size_t len);
/* Forgets what was begun. */
void qmp_stream_reset(QmpStream *qs);

#endif
