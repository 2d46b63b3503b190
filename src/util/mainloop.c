/* SPDX-License-Identifier: MIT */
/*
 * MainLoop: one poll(2) at a time, with the machine lock released only while it sleeps.
 *
 *   locked    [ collect fds, deadline ]         [ calls, fds, pollers, timers ]
 *   unlocked                           [ ppoll ]
 *   loop_wake(): wake_pending = 1; an eventfd write only if the loop is in or near ppoll
 *
 * Invariants: a watch that was replaced or removed by an earlier callback of the same
 * turn is not called with the old descriptor's events (serial).
 * Threads: everything but loop_wake, loop_call and loop_quit runs under the machine lock.
 */
#include "util/mainloop.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS  INT64_C(1000000)
#define NS_PER_SEC INT64_C(1000000000)

/* While virtual time stands a deadline never comes nearer: do not spin on it. */
#define STOPPED_POLL_NS (100 * NS_PER_MS)

typedef struct Watch {
    int fd;
    unsigned events;
    LoopFdFn *fn;
    void *opaque;
    uint64_t serial;
} Watch;

typedef struct Call {
    void (*fn)(void *opaque);
    void *opaque;
    struct Call *next;
} Call;

struct MainLoop {
    Clock *clock;
    void (*lock)(void *);
    void (*unlock)(void *);
    void *lock_opaque;
    int wake_fd;

    /* machine lock */
    Watch *watches;
    unsigned watch_count, watch_cap;
    uint64_t next_serial;
    LoopPoller *pollers;
    struct pollfd *fds; /* [0] wake_fd, [1..watched] watches, then the pollers' */
    uint64_t *fd_serial;
    unsigned fd_count, fd_cap;
    const void *stdio_owner;

    /* atomic */
    bool polling;
    bool wake_pending;
    bool quit;

    /* call_lock */
    pthread_mutex_t call_lock;
    Call *first_call, **last_call;
};

static void loop_clock_notify(void *opaque) {
    loop_wake(opaque);
}

/* Ignores a signal that would end the process, unless something else was asked for. */
static void loop_ignore_signal(int number) {
    struct sigaction old;
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_DFL) {
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        sigaction(number, &ignore, NULL);
    }
}

MainLoop *loop_new(Clock *clock, void (*lock)(void *), void (*unlock)(void *),
                   void *lock_opaque, Error **errp) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
        error_set_errno(errp, errno, "cannot make the main loop's eventfd");
        return NULL;
    }
    MainLoop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        error_set(errp, "out of memory");
        close(fd);
        return NULL;
    }
    loop->clock = clock;
    loop->lock = lock;
    loop->unlock = unlock;
    loop->lock_opaque = lock_opaque;
    loop->wake_fd = fd;
    loop->last_call = &loop->first_call;
    pthread_mutex_init(&loop->call_lock, NULL);
    if (clock != NULL && clock->notify == NULL) {
        clock->notify = loop_clock_notify;
        clock->notify_opaque = loop;
    }
    loop_ignore_signal(SIGPIPE);
    loop_ignore_signal(SIGXFSZ);
    return loop;
}

void loop_free(MainLoop *loop) {
    if (loop == NULL) {
        return;
    }
    if (loop->clock != NULL && loop->clock->notify_opaque == loop) {
        loop->clock->notify = NULL;
        loop->clock->notify_opaque = NULL;
    }
    while (loop->first_call != NULL) {
        Call *call = loop->first_call;
        loop->first_call = call->next;
        free(call);
    }
    pthread_mutex_destroy(&loop->call_lock);
    close(loop->wake_fd);
    free(loop->watches);
    free(loop->fds);
    free(loop->fd_serial);
    free(loop);
}

/* --- watches ------------------------------------------------------------------------ */

static Watch *loop_find_watch(MainLoop *loop, int fd) {
    for (unsigned i = 0; i < loop->watch_count; i++) {
        if (loop->watches[i].fd == fd) {
            return &loop->watches[i];
        }
    }
    return NULL;
}

/* Grows an array to hold `need` elements; host memory for a few bookkeeping words does
 * not fail. */
static void *loop_grow(void *array, unsigned *cap, unsigned need, size_t size) {
    unsigned n = *cap != 0 ? *cap : 16;
    while (n < need) {
        n *= 2;
    }
    void *grown = realloc(array, n * size);
    assert(grown != NULL);
    *cap = n;
    return grown;
}

void loop_watch(MainLoop *loop, int fd, unsigned events, LoopFdFn *fn, void *opaque) {
    Watch *w = loop_find_watch(loop, fd);
    if (events == 0) {
        if (w != NULL) {
            *w = loop->watches[--loop->watch_count];
            loop_wake(loop);
        }
        return;
    }
    if (w == NULL) {
        if (loop->watch_count == loop->watch_cap) {
            loop->watches = loop_grow(loop->watches, &loop->watch_cap,
                                      loop->watch_count + 1, sizeof(Watch));
        }
        w = &loop->watches[loop->watch_count++];
        *w = (Watch){.fd = fd};
    } else if (w->events == events && w->fn == fn && w->opaque == opaque) {
        return;
    }
    *w = (Watch){fd, events, fn, opaque, ++loop->next_serial};
    loop_wake(loop);
}

void loop_add_poller(MainLoop *loop, LoopPoller *p) {
    p->next = loop->pollers;
    loop->pollers = p;
    loop_wake(loop);
}

void loop_remove_poller(MainLoop *loop, LoopPoller *p) {
    for (LoopPoller **link = &loop->pollers; *link != NULL; link = &(*link)->next) {
        if (*link == p) {
            *link = p->next;
            return;
        }
    }
}

static int loop_add_fd(MainLoop *loop, int fd, short poll_events, uint64_t serial) {
    if (loop->fd_count == loop->fd_cap) {
        unsigned cap = loop->fd_cap;
        loop->fds = loop_grow(loop->fds, &cap, loop->fd_count + 1, sizeof(struct pollfd));
        loop->fd_serial = loop_grow(loop->fd_serial, &loop->fd_cap, loop->fd_count + 1,
                                    sizeof(uint64_t));
        assert(cap == loop->fd_cap);
    }
    loop->fds[loop->fd_count] = (struct pollfd){.fd = fd, .events = poll_events};
    loop->fd_serial[loop->fd_count] = serial;
    return (int)loop->fd_count++;
}

int loop_poll_add(MainLoop *loop, int fd, short poll_events) {
    return loop_add_fd(loop, fd, poll_events, 0);
}

short loop_poll_revents(MainLoop *loop, int index) {
    return index >= 0 && (unsigned)index < loop->fd_count ? loop->fds[index].revents : 0;
}

bool loop_claim_stdio(MainLoop *loop, const void *owner) {
    if (loop->stdio_owner != NULL) {
        return false;
    }
    loop->stdio_owner = owner;
    return true;
}

void loop_release_stdio(MainLoop *loop, const void *owner) {
    if (loop->stdio_owner == owner) {
        loop->stdio_owner = NULL;
    }
}

/* --- calls from other threads ------------------------------------------------------- */

void loop_wake(MainLoop *loop) {
    /* With loop_sleep(): either the loop sees wake_pending before it sleeps, or we see
     * it polling. */
    if (!__atomic_exchange_n(&loop->wake_pending, true, __ATOMIC_SEQ_CST) &&
        __atomic_load_n(&loop->polling, __ATOMIC_SEQ_CST)) {
        uint64_t one = 1;
        ssize_t n = write(loop->wake_fd, &one, sizeof(one));
        (void)n; /* EAGAIN: the counter is full, so the loop wakes anyway */
    }
}

void loop_call(MainLoop *loop, void (*fn)(void *opaque), void *opaque) {
    Call *call = malloc(sizeof(*call));
    assert(call != NULL);
    *call = (Call){fn, opaque, NULL};
    pthread_mutex_lock(&loop->call_lock);
    *loop->last_call = call;
    loop->last_call = &call->next;
    pthread_mutex_unlock(&loop->call_lock);
    loop_wake(loop);
}

void loop_quit(MainLoop *loop) {
    __atomic_store_n(&loop->quit, true, __ATOMIC_SEQ_CST);
    loop_wake(loop);
}

/* Runs the calls queued so far; one that queues another waits for the next turn. */
static void loop_run_calls(MainLoop *loop) {
    pthread_mutex_lock(&loop->call_lock);
    Call *call = loop->first_call;
    loop->first_call = NULL;
    loop->last_call = &loop->first_call;
    pthread_mutex_unlock(&loop->call_lock);
    while (call != NULL) {
        Call *next = call->next;
        call->fn(call->opaque);
        free(call);
        call = next;
    }
}

/* --- one turn ----------------------------------------------------------------------- */

/* How long to sleep in ns; -1: until something happens. */
static int64_t loop_timeout_ns(MainLoop *loop) {
    int64_t timeout = -1;
    if (loop->clock != NULL) {
        int64_t deadline = clock_deadline_ns(loop->clock);
        if (deadline >= 0) {
            int64_t left = deadline - clock_now_ns(loop->clock);
            timeout = left > 0 ? left : 0;
            bool stands =
                __atomic_load_n(&loop->clock->stopped_at_ns, __ATOMIC_RELAXED) >= 0;
            if (stands && timeout > 0 && timeout < STOPPED_POLL_NS) {
                timeout = STOPPED_POLL_NS;
            }
        }
    }
    uint32_t poller_ms = UINT32_MAX;
    for (LoopPoller *p = loop->pollers, *next; p != NULL; p = next) {
        next = p->next;
        p->prepare(p->opaque, &poller_ms);
    }
    if (poller_ms != UINT32_MAX) {
        int64_t ns = (int64_t)poller_ms * NS_PER_MS;
        timeout = timeout < 0 || ns < timeout ? ns : timeout;
    }
    return timeout;
}

static void loop_collect_fds(MainLoop *loop) {
    loop->fd_count = 0;
    loop_add_fd(loop, loop->wake_fd, POLLIN, 0);
    for (unsigned i = 0; i < loop->watch_count; i++) {
        const Watch *w = &loop->watches[i];
        short events = 0;
        if (w->events & LOOP_READ) {
            events |= POLLIN;
        }
        if (w->events & LOOP_WRITE) {
            events |= POLLOUT;
        }
        loop_add_fd(loop, w->fd, events, w->serial);
    }
}

/* Returns ppoll's result. Called and returns with the machine lock held. */
static int loop_sleep(MainLoop *loop, int64_t timeout_ns) {
    __atomic_store_n(&loop->polling, true, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&loop->wake_pending, __ATOMIC_SEQ_CST)) {
        timeout_ns = 0;
    }
    struct timespec ts = {timeout_ns / NS_PER_SEC, timeout_ns % NS_PER_SEC};
    loop->unlock(loop->lock_opaque);
    int n = ppoll(loop->fds, loop->fd_count, timeout_ns >= 0 ? &ts : NULL, NULL);
    loop->lock(loop->lock_opaque);
    __atomic_store_n(&loop->polling, false, __ATOMIC_SEQ_CST);
    if (n > 0 && loop->fds[0].revents != 0) {
        uint64_t count;
        ssize_t got = read(loop->wake_fd, &count, sizeof(count));
        (void)got;
    }
    __atomic_store_n(&loop->wake_pending, false, __ATOMIC_SEQ_CST);
    return n;
}

static void loop_dispatch_fds(MainLoop *loop, unsigned watched) {
    for (unsigned i = 1; i <= watched; i++) {
        short revents = loop->fds[i].revents;
        if (revents == 0) {
            continue;
        }
        Watch *w = loop_find_watch(loop, loop->fds[i].fd);
        if (w == NULL || w->serial != loop->fd_serial[i]) {
            continue;
        }
        unsigned events = 0;
        if (revents & POLLIN) {
            events |= LOOP_READ;
        }
        if (revents & POLLOUT) {
            events |= LOOP_WRITE;
        }
        if (revents & (POLLHUP | POLLERR | POLLNVAL)) {
            events |= LOOP_HANGUP;
        }
        w->fn(w->opaque, events);
    }
}

void loop_run(MainLoop *loop) {
    loop->lock(loop->lock_opaque);
    while (!__atomic_load_n(&loop->quit, __ATOMIC_SEQ_CST)) {
        loop_collect_fds(loop);
        unsigned watched = loop->fd_count - 1;
        int64_t timeout = loop_timeout_ns(loop);
        int n = loop_sleep(loop, timeout);
        if (n < 0) {
            for (unsigned i = 0; i < loop->fd_count; i++) {
                loop->fds[i].revents = 0;
            }
        }
        loop_run_calls(loop);
        loop_dispatch_fds(loop, watched);
        for (LoopPoller *p = loop->pollers, *next; p != NULL; p = next) {
            next = p->next;
            p->done(p->opaque, n < 0);
        }
        if (loop->clock != NULL) {
            clock_run_timers(loop->clock);
        }
    }
    __atomic_store_n(&loop->quit, false, __ATOMIC_SEQ_CST);
    loop->unlock(loop->lock_opaque);
}
