/* SPDX-License-Identifier: MIT */
/* Signals: see signals.h. SIGUSR1, sent to the thread itself, ends it. */
#include "cli/signals.h"

static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT};

enum { TAKEN_COUNT = sizeof(taken) / sizeof(taken[0]) };

static void *wait_for_signals(void *opaque) {
    SignalThread *st = opaque;
    int number = 0;
    while (sigwait(&st->set, &number) != 0 || number != SIGUSR1) {
        st->handler(st->opaque, number);
    }
    return NULL;
}

bool signals_start(SignalThread *st, void (*handler)(void *opaque, int number),
                   void *opaque, Error **errp) {
    st->handler = handler;
    st->opaque = opaque;
    sigemptyset(&st->set);
    for (unsigned i = 0; i < TAKEN_COUNT; i++) {
        sigaddset(&st->set, taken[i]);
    }
    sigaddset(&st->set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &st->set, NULL);
    int rc = pthread_create(&st->thread, NULL, wait_for_signals, st);
    if (rc) {
        error_set_errno(errp, rc, "cannot start the signal thread");
        pthread_sigmask(SIG_UNBLOCK, &st->set, NULL);
        return false;
    }
    return true;
}

void signals_stop(SignalThread *st) {
    pthread_kill(st->thread, SIGUSR1);
    pthread_join(st->thread, NULL);
}
