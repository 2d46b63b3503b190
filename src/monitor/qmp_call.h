/* SPDX-License-Identifier: MIT */
/* QmpCall: one QMP command as its handler sees it. Inside src/monitor. */
#ifndef VITRINE_MONITOR_QMP_CALL_H
#define VITRINE_MONITOR_QMP_CALL_H

#include <jansson.h>

#include "monitor/hmp.h"
#include "monitor/qmp.h"

typedef struct QmpCall {
    Machine *m;
    Inspector *inspector;
    Hmp *hmp;          /* of human-monitor-command */
    json_t *arguments; /* checked against the row; an object */
    bool *negotiated;  /* of this session */
    /* On failure: */
    const char *error_class;
    char *error; /* own */
} QmpCall;

/* A handler returns the value of "return" (the caller's from then on), or NULL after
 * qmp_fail(). */
typedef json_t *QmpHandler(QmpCall *call);

typedef struct QmpCommand {
    const char *name;
    QmpHandler *handler;
    const char *args, *returns, *help;
} QmpCommand;

/* Rows by number; NULL behind the last. */
const QmpCommand *qmp_command(unsigned index);

json_t *qmp_fail(QmpCall *call, const char *error_class, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The string argument, or NULL. */
const char *qmp_string(const QmpCall *call, const char *name);

/* Runs one parsed message: returns the whole answer. Owns: takes request; the caller has the
 * answer. For qmp.c and the fuzz target. */
json_t *qmp_dispatch(QmpCall *call, json_t *request);

/* --- qmp_event.c --- */
typedef struct QmpQueue QmpQueue;
/* A queue of events for one session; `wake` is called when there is one, under locks: it must
 * do no more than wake. */
QmpQueue *qmp_queue_new(QmpEvents *events, void (*wake)(void *opaque), void *opaque);
void qmp_queue_free(QmpQueue *queue);
/* The next event or NULL. Owns: the caller. */
json_t *qmp_queue_take(QmpQueue *queue);
void qmp_queue_clear(QmpQueue *queue);
Machine *qmp_events_machine(const QmpEvents *events);

#define QMP(name, handler, args, returns, help) json_t *handler(QmpCall *call);
#define TYPE(name, members)
#define ENUM(name, values)
#include "monitor/qmp.def"
#undef QMP
#undef TYPE
#undef ENUM

#endif
