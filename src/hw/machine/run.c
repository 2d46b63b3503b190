/* SPDX-License-Identifier: MIT */
/*
 * Run: the machine's life between start and shutdown.
 *
 *   any thread, signal handler: machine_request_x() --flag, loop_wake()--.
 *                                                                        v
 *   machine_run: loop_run() ... request_poller sees the flag, quits the loop
 *                   ^                     |
 *                   '---- reset, stop ----'---- shutdown: vCPU threads end, exit status
 *                     (runstate.c)
 *
 * A request only sets a flag, so that a device may make it from a vCPU thread under the
 * machine lock: parking vCPUs needs that lock free.
 *
 * Threads: machine_run() is the main loop's thread.
 */
#include "hw/machine/run.h"

#include <assert.h>

#include "hw/machine/touch.h"

/* --- the machine lock ------------------------------------------------------------ */

/* With -icount the vCPUs' thread has the lock while guest code runs: it is asked for it. */
static void acquire(Machine *m) {
    if (!m->cpus || !cpu_group_icount_enabled(m->cpus)) {
        pthread_mutex_lock(&m->lock);
        return;
    }
    if (pthread_mutex_trylock(&m->lock) != 0) {
        cpu_icount_lock_wanted(m->cpus);
        pthread_mutex_lock(&m->lock);
        cpu_icount_lock_got(m->cpus);
    }
    cpu_icount_note_time(m->cpus);
}

void machine_lock(Machine *m) {
    acquire(m);
    if (m->lock_depth++ == 0) {
        m->lock_owner = pthread_self();
    }
}

void machine_unlock(Machine *m) {
    assert(m->lock_depth > 0);
    m->lock_depth--;
    pthread_mutex_unlock(&m->lock);
}

bool run_holds_lock(Machine *m) {
    acquire(m);
    bool held = m->lock_depth && pthread_equal(m->lock_owner, pthread_self());
    pthread_mutex_unlock(&m->lock);
    return held;
}

unsigned run_release_lock(Machine *m) {
    unsigned depth = 0;
    acquire(m);
    if (m->lock_depth && pthread_equal(m->lock_owner, pthread_self())) {
        depth = m->lock_depth;
    }
    pthread_mutex_unlock(&m->lock);
    for (unsigned i = 0; i < depth; i++) {
        machine_unlock(m);
    }
    return depth;
}

void run_retake_lock(Machine *m, unsigned depth) {
    for (unsigned i = 0; i < depth; i++) {
        machine_lock(m);
    }
}

/* --- requests -------------------------------------------------------------------- */

/* A deterministic guest executes nothing between its request and what comes of it. */
static void hold_guest(Machine *m) {
    if (m->cpus && m->cpus->started) {
        cpu_group_icount_hold(m->cpus);
    }
}

void machine_request_reset(Machine *m, ShutdownCause cause) {
    int none = SHUTDOWN_NONE;
    if (cause == SHUTDOWN_GUEST_RESET) {
        __atomic_store_n(&m->reset_requested, (int)cause, __ATOMIC_RELEASE);
    } else {
        __atomic_compare_exchange_n(&m->reset_requested, &none, (int)cause, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    hold_guest(m);
    loop_wake(m->loop);
}

void machine_request_shutdown(Machine *m, ShutdownCause cause, int exit_status) {
    int none = SHUTDOWN_NONE;
    __atomic_compare_exchange_n(&m->shutdown_requested, &none,
                                (int)cause | exit_status << 8, false, __ATOMIC_ACQ_REL,
                                __ATOMIC_ACQUIRE);
    hold_guest(m);
    loop_wake(m->loop);
}

void machine_request_stop(Machine *m, RunState why) {
    __atomic_store_n(&m->stop_requested, (int)why + 1, __ATOMIC_RELEASE);
    loop_wake(m->loop);
}

static ShutdownCause shutdown_cause(const Machine *m) {
    return (ShutdownCause)(__atomic_load_n(&m->shutdown_requested, __ATOMIC_ACQUIRE) &
                           0xff);
}

static bool is_requested(const Machine *m) {
    return shutdown_cause(m) != SHUTDOWN_NONE ||
           __atomic_load_n(&m->stop_requested, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&m->reset_requested, __ATOMIC_ACQUIRE);
}

static void look_for_requests(void *opaque, uint32_t *timeout_ms) {
    Machine *m = opaque;
    if (is_requested(m)) {
        *timeout_ms = 0;
        loop_quit(m->loop);
    }
}

static void after_poll(void *opaque, bool poll_failed) {
    (void)opaque;
    (void)poll_failed;
}

void run_init(Machine *m) {
    runstate_init(m);
    m->request_poller =
        (LoopPoller){.prepare = look_for_requests, .done = after_poll, .opaque = m};
    loop_add_poller(m->loop, &m->request_poller);
}

void run_exit(Machine *m) {
    loop_remove_poller(m->loop, &m->request_poller);
    runstate_destroy(m);
}

/* --- reset ----------------------------------------------------------------------- */

bool run_reset_locked(Machine *m, Error **errp) {
    if (trace_on(m->trace, TRACE_RESET)) {
        trace_emit(m->trace, TRACE_RESET, TRACE_NO_HART, 0, 0, 0, 0);
    }
    for (Device *d = m->first_device; d; d = d->next) {
        if (d->cls->reset) {
            d->cls->reset(d);
        }
    }
    for (unsigned i = 0; i < m->cpus->count; i++) {
        CPUState *cpu = m->cpus->cpu[i];
        cpu->cls->reset(cpu);
        cpu->halted = false;
    }
    return m->cls->reset(m, errp);
}

/* --- run ------------------------------------------------------------------------- */

static void stop_if_asked(Machine *m) {
    int asked = __atomic_exchange_n(&m->stop_requested, 0, __ATOMIC_ACQ_REL);
    if (asked) {
        machine_stop(m, (RunState)(asked - 1));
    }
}

/* True if the guest's power-off only stops it; or not even that, since in the past that is run again
 * its user reset it there. */
static bool keep_after_shutdown(Machine *m) {
    if (shutdown_cause(m) != SHUTDOWN_GUEST) {
        return false;
    }
    if (touch_reset_follows(m)) {
        __atomic_store_n(&m->shutdown_requested, SHUTDOWN_NONE, __ATOMIC_RELEASE);
        return true;
    }
    if (!m->config.no_shutdown) {
        return false;
    }
    machine_stop(m, RUN_SHUTDOWN);
    __atomic_store_n(&m->shutdown_requested, SHUTDOWN_NONE, __ATOMIC_RELEASE);
    runstate_tell_shutdown(m, SHUTDOWN_GUEST);
    return true;
}

/* True if the run goes on after the requests were carried out. */
static bool carry_out_requests(Machine *m) {
    stop_if_asked(m);
    if (shutdown_cause(m) != SHUTDOWN_NONE && !keep_after_shutdown(m)) {
        return false;
    }
    ShutdownCause reset = (ShutdownCause)__atomic_exchange_n(
        &m->reset_requested, SHUTDOWN_NONE, __ATOMIC_ACQ_REL);
    if (reset == SHUTDOWN_NONE) {
        return true;
    }
    if (m->config.no_reboot) {
        machine_request_shutdown(m, reset, 0);
        return false;
    }
    if (!runstate_reset(m, reset, &m->error)) {
        machine_request_shutdown(m, SHUTDOWN_HOST_ERROR, 1);
        return false;
    }
    return true;
}

int machine_run(Machine *m) {
    if (!m->config.start_stopped && !machine_cont(m, &m->error)) {
        m->shutdown = SHUTDOWN_HOST_ERROR;
        return 1;
    }
    do {
        loop_run(m->loop);
    } while (carry_out_requests(m));
    m->shutdown = shutdown_cause(m);
    runstate_end(m);
    runstate_tell_shutdown(m, m->shutdown);
    return __atomic_load_n(&m->shutdown_requested, __ATOMIC_ACQUIRE) >> 8;
}
