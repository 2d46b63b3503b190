/* SPDX-License-Identifier: MIT */
/* MainLoop: descriptors, timers, pollers and calls, on pipes and real threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "util/mainloop.h"

typedef struct Rig {
    MainLoop *loop;
    Clock clock;
    pthread_mutex_t mutex;
    int locked; /* guarded by mutex: 1 while somebody has it */
    int pipe[2], other[2];
    unsigned calls, other_calls, events;
    char text[64];
    size_t text_len;
    pthread_t loop_thread;
    bool on_loop_thread, had_lock;
    LoopPoller poller;
    int poll_index;
    int64_t fired_at;
    Timer timer;
} Rig;

static void rig_lock(void *opaque) {
    Rig *r = opaque;
    pthread_mutex_lock(&r->mutex);
    r->locked = 1;
}

static void rig_unlock(void *opaque) {
    Rig *r = opaque;
    r->locked = 0;
    pthread_mutex_unlock(&r->mutex);
}

static int rig_setup(void **state) {
    Rig *r = calloc(1, sizeof(*r));
    pthread_mutex_init(&r->mutex, NULL);
    clock_init(&r->clock);
    r->loop = loop_new(&r->clock, rig_lock, rig_unlock, r, NULL);
    assert_non_null(r->loop);
    assert_int_equal(pipe(r->pipe), 0);
    assert_int_equal(pipe(r->other), 0);
    *state = r;
    return 0;
}

static int rig_teardown(void **state) {
    Rig *r = *state;
    loop_free(r->loop);
    for (int i = 0; i < 2; i++) {
        close(r->pipe[i]);
        close(r->other[i]);
    }
    free(r);
    return 0;
}

static void read_and_quit(void *opaque, unsigned events) {
    Rig *r = opaque;
    r->calls++;
    r->events |= events;
    r->had_lock = r->locked;
    ssize_t n = read(r->pipe[0], r->text + r->text_len, sizeof(r->text) - r->text_len);
    if (n > 0) {
        r->text_len += (size_t)n;
    }
    loop_quit(r->loop);
}

static void readable_descriptor_is_called_under_the_lock(void **state) {
    Rig *r = *state;
    loop_watch(r->loop, r->pipe[0], LOOP_READ, read_and_quit, r);
    assert_int_equal(write(r->pipe[1], "abc", 3), 3);
    loop_run(r->loop);
    assert_int_equal(r->calls, 1);
    assert_int_equal(r->events, LOOP_READ);
    assert_true(r->had_lock);
    assert_memory_equal(r->text, "abc", 3);
}

static void closed_writer_is_a_hangup(void **state) {
    Rig *r = *state;
    loop_watch(r->loop, r->pipe[0], LOOP_READ, read_and_quit, r);
    close(r->pipe[1]);
    r->pipe[1] = dup(r->other[1]);
    loop_run(r->loop);
    assert_int_equal(r->events & LOOP_HANGUP, LOOP_HANGUP);
}

static void writable_descriptor_is_called(void **state) {
    Rig *r = *state;
    loop_watch(r->loop, r->pipe[1], LOOP_WRITE, read_and_quit, r);
    assert_int_equal(write(r->pipe[1], "x", 1), 1); /* for the read in the callback */
    loop_run(r->loop);
    assert_int_equal(r->events, LOOP_WRITE);
}

static void count_other(void *opaque, unsigned events) {
    (void)events;
    ((Rig *)opaque)->other_calls++;
}

/* Both descriptors are ready; the first callback takes the second watch away. */
static void remove_other(void *opaque, unsigned events) {
    Rig *r = opaque;
    read_and_quit(r, events);
    loop_watch(r->loop, r->other[0], 0, NULL, NULL);
}

static void watch_removed_by_an_earlier_callback_is_not_called(void **state) {
    Rig *r = *state;
    loop_watch(r->loop, r->pipe[0], LOOP_READ, remove_other, r);
    loop_watch(r->loop, r->other[0], LOOP_READ, count_other, r);
    assert_int_equal(write(r->pipe[1], "a", 1), 1);
    assert_int_equal(write(r->other[1], "b", 1), 1);
    loop_run(r->loop);
    assert_int_equal(r->calls, 1);
    assert_int_equal(r->other_calls, 0);
}

static void replace_other(void *opaque, unsigned events) {
    Rig *r = opaque;
    read_and_quit(r, events);
    loop_watch(r->loop, r->other[0], LOOP_WRITE, count_other, r);
}

static void watch_replaced_by_an_earlier_callback_gets_no_old_events(void **state) {
    Rig *r = *state;
    loop_watch(r->loop, r->pipe[0], LOOP_READ, replace_other, r);
    loop_watch(r->loop, r->other[0], LOOP_READ, count_other, r);
    assert_int_equal(write(r->pipe[1], "a", 1), 1);
    assert_int_equal(write(r->other[1], "b", 1), 1);
    loop_run(r->loop);
    assert_int_equal(r->other_calls, 0);
}

static void note_call(void *opaque) {
    Rig *r = opaque;
    r->calls++;
    r->had_lock = r->locked;
    r->on_loop_thread = pthread_equal(pthread_self(), r->loop_thread);
    loop_quit(r->loop);
}

static void *call_from_thread(void *opaque) {
    Rig *r = opaque;
    usleep(20 * 1000); /* the loop is asleep by now, mostly */
    loop_call(r->loop, note_call, r);
    return NULL;
}

static void call_from_another_thread_runs_in_the_loop(void **state) {
    Rig *r = *state;
    pthread_t t;
    r->loop_thread = pthread_self();
    pthread_create(&t, NULL, call_from_thread, r);
    loop_run(r->loop);
    pthread_join(t, NULL);
    assert_int_equal(r->calls, 1);
    assert_true(r->on_loop_thread);
    assert_true(r->had_lock);
}

enum { STORM_THREADS = 3, STORM_CALLS = 2000 };

static void storm_call(void *opaque) {
    Rig *r = opaque;
    if (++r->calls == STORM_THREADS * STORM_CALLS) {
        loop_quit(r->loop);
    }
}

static void *storm(void *opaque) {
    Rig *r = opaque;
    for (int i = 0; i < STORM_CALLS; i++) {
        loop_call(r->loop, storm_call, r);
    }
    return NULL;
}

static void no_call_is_lost_in_a_storm(void **state) {
    Rig *r = *state;
    pthread_t t[STORM_THREADS];
    for (int i = 0; i < STORM_THREADS; i++) {
        pthread_create(&t[i], NULL, storm, r);
    }
    loop_run(r->loop); /* hangs if a wake-up is lost */
    for (int i = 0; i < STORM_THREADS; i++) {
        pthread_join(t[i], NULL);
    }
    assert_int_equal(r->calls, STORM_THREADS * STORM_CALLS);
}

static void fire(void *opaque) {
    Rig *r = opaque;
    r->fired_at = clock_now_ns(&r->clock);
    r->had_lock = r->locked;
    loop_quit(r->loop);
}

static void timer_fires_after_its_deadline(void **state) {
    Rig *r = *state;
    int64_t deadline = clock_now_ns(&r->clock) + 5 * 1000 * 1000;
    timer_init(&r->timer, &r->clock, fire, r);
    timer_mod(&r->timer, deadline);
    loop_run(r->loop);
    assert_true(r->fired_at >= deadline);
    assert_true(r->had_lock);
}

static void *arm_from_thread(void *opaque) {
    Rig *r = opaque;
    usleep(20 * 1000);
    rig_lock(r);
    timer_mod(&r->timer, clock_now_ns(&r->clock) + 1000 * 1000);
    rig_unlock(r);
    return NULL;
}

static void timer_armed_by_another_thread_wakes_the_loop(void **state) {
    Rig *r = *state;
    pthread_t t;
    timer_init(&r->timer, &r->clock, fire, r);
    pthread_create(&t, NULL, arm_from_thread, r);
    loop_run(r->loop); /* hangs if the loop sleeps on */
    pthread_join(t, NULL);
    assert_true(r->fired_at > 0);
}

static void poller_prepare(void *opaque, uint32_t *timeout_ms) {
    Rig *r = opaque;
    assert_int_equal(*timeout_ms, UINT32_MAX);
    r->poll_index = loop_poll_add(r->loop, r->pipe[0], POLLIN);
}

static void poller_done(void *opaque, bool failed) {
    Rig *r = opaque;
    assert_false(failed);
    if (loop_poll_revents(r->loop, r->poll_index) & POLLIN) {
        r->calls++;
        loop_quit(r->loop);
    }
}

static void poller_sees_its_own_descriptors(void **state) {
    Rig *r = *state;
    r->poller = (LoopPoller){poller_prepare, poller_done, r, NULL};
    loop_add_poller(r->loop, &r->poller);
    assert_int_equal(write(r->pipe[1], "a", 1), 1);
    loop_run(r->loop);
    assert_int_equal(r->calls, 1);
    loop_remove_poller(r->loop, &r->poller);
    loop_quit(r->loop);
    loop_run(r->loop);
    assert_int_equal(r->calls, 1);
}

static void short_prepare(void *opaque, uint32_t *timeout_ms) {
    (void)opaque;
    *timeout_ms = 1;
}

static void count_and_quit(void *opaque, bool failed) {
    (void)failed;
    Rig *r = opaque;
    if (++r->calls == 3) {
        loop_quit(r->loop);
    }
}

static void poller_can_shorten_the_sleep(void **state) {
    Rig *r = *state;
    r->poller = (LoopPoller){short_prepare, count_and_quit, r, NULL};
    loop_add_poller(r->loop, &r->poller);
    loop_run(r->loop); /* hangs if the timeout is ignored */
    assert_int_equal(r->calls, 3);
}

static void stdio_has_one_owner(void **state) {
    Rig *r = *state;
    int a = 0, b = 0;
    assert_true(loop_claim_stdio(r->loop, &a));
    assert_false(loop_claim_stdio(r->loop, &b));
    loop_release_stdio(r->loop, &b); /* not the owner */
    assert_false(loop_claim_stdio(r->loop, &b));
    loop_release_stdio(r->loop, &a);
    assert_true(loop_claim_stdio(r->loop, &b));
}

static void write_to_a_closed_pipe_is_epipe(void **state) {
    Rig *r = *state;
    close(r->pipe[0]);
    r->pipe[0] = dup(r->other[0]);
    assert_int_equal(write(r->pipe[1], "a", 1), -1);
    assert_int_equal(errno, EPIPE);
}

int main(void) {
    alarm(60); /* several of these hang when they fail */
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(readable_descriptor_is_called_under_the_lock),
        T(closed_writer_is_a_hangup),
        T(writable_descriptor_is_called),
        T(watch_removed_by_an_earlier_callback_is_not_called),
        T(watch_replaced_by_an_earlier_callback_gets_no_old_events),
        T(call_from_another_thread_runs_in_the_loop),
        T(no_call_is_lost_in_a_storm),
        T(timer_fires_after_its_deadline),
        T(timer_armed_by_another_thread_wakes_the_loop),
        T(poller_sees_its_own_descriptors),
        T(poller_can_shorten_the_sleep),
        T(stdio_has_one_owner),
        T(write_to_a_closed_pipe_is_epipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
