/* SPDX-License-Identifier: MIT */
/*
 * Signals: SIGINT, SIGTERM, SIGHUP, SIGTSTP and SIGCONT, taken by a thread of their own.
 *
 *   kill, closed terminal --> signal thread (sigwait) --handler(opaque, number)-->
 * machine_request_shutdown
 *
 * A thread and not a handler: it may call anything, and it needs no variable at file
 * scope.
 *
 * Threads: the handler runs on the signal thread.
 */
#ifndef VITRINE_CLI_SIGNALS_H
#define VITRINE_CLI_SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "util/error.h"

typedef struct SignalThread {
    void (*handler)(void *opaque, int number);
    void *opaque;
    pthread_t thread;
    sigset_t set;
} SignalThread;

/* Blocks the signals in the calling thread, and so in those it makes later, and starts
 * the thread. */
bool signals_start(SignalThread *st, void (*handler)(void *opaque, int number),
                   void *opaque, Error **errp);
void signals_stop(SignalThread *st);

#endif
