/* SPDX-License-Identifier: MIT */
/*
 * MainLoop: the machine's I/O thread: host file descriptors, timers, and calls from other
 * threads.
 *
 *   poll(fds, until the clock's next deadline)
 *     --> lock --> calls, fd callbacks, clock_run_timers() --> unlock
 *
 * Threads: loop_run() in one thread; callbacks run there with the machine lock held.
 * loop_wake() and loop_call() from any.
 */
#ifndef VITRINE_UTIL_MAINLOOP_H
#define VITRINE_UTIL_MAINLOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "util/clock.h"
#include "util/error.h"

typedef struct MainLoop MainLoop;

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };
typedef void LoopFdFn(void *opaque, unsigned events);

/* lock/unlock take the machine lock around callbacks. A clock (may be NULL) without a
 * notify gets loop_wake(). Ignores SIGPIPE and SIGXFSZ, if nothing else was asked for:
 * a peer that goes away and a file that may not grow are errors where they are written
 * to, not the end of the process. */
MainLoop *loop_new(Clock *clock, void (*lock)(void *), void (*unlock)(void *),
                   void *lock_opaque, Error **errp);
void loop_free(MainLoop *loop);
/* Watches fd for LOOP_* events; replaces an earlier watch of the same fd. events 0:
 * stops watching. LOOP_HANGUP comes unasked and again and again until the watch ends.
 * Locks: the machine lock. */
void loop_watch(MainLoop *loop, int fd, unsigned events, LoopFdFn *fn, void *opaque);
/* For libraries with many descriptors (libslirp): called before and after each poll,
 * under the lock. prepare may add pollfds by loop_poll_add() and lower *timeout_ms
 * (UINT32_MAX: no limit). */
typedef struct LoopPoller {
    void (*prepare)(void *opaque, uint32_t *timeout_ms);
    void (*done)(void *opaque, bool poll_failed);
    void *opaque;
    struct LoopPoller *next;
} LoopPoller;
void loop_add_poller(MainLoop *loop, LoopPoller *p);
void loop_remove_poller(MainLoop *loop, LoopPoller *p);
int loop_poll_add(MainLoop *loop, int fd, short poll_events); /* returns an index... */
short loop_poll_revents(MainLoop *loop, int index); /* ...to ask after the poll */
/* The process's own terminal or pipe, stdin and stdout, can serve one owner. False:
 * taken. */
bool loop_claim_stdio(MainLoop *loop, const void *owner);
void loop_release_stdio(MainLoop *loop, const void *owner);
/* Makes the loop look again (a deadline moved, quit). Threads: any. */
void loop_wake(MainLoop *loop);
/* Runs fn(opaque) on the loop's thread under the lock, soon. Threads: any. */
void loop_call(MainLoop *loop, void (*fn)(void *opaque), void *opaque);
/* Turns until loop_quit(). */
void loop_run(MainLoop *loop);
void loop_quit(MainLoop *loop);

#endif
