/* SPDX-License-Identifier: MIT */
/*
 * RunState: stop, go on, pause, and tell the listeners. See runstate.h for the picture.
 *
 * Invariants: a stop holds one count of cpu_group_stop() while `holding`, each pause one
 * of its own; time runs exactly in RUN_RUNNING.
 */
#include "hw/machine/runstate.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "hw/machine/machine.h"
#include "hw/machine/run.h"
#include "hw/machine/touch.h"

enum { MS_PER_SEC = 1000, NS_PER_MS = 1000000, NS_PER_SEC = 1000000000 };

void runstate_init(Machine *m) {
    RunControl *run = &m->run;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&run->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&run->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void runstate_destroy(Machine *m) {
    pthread_cond_destroy(&m->run.changed);
    pthread_mutex_destroy(&m->run.lock);
}

/* --- the state ------------------------------------------------------------------- */

RunState machine_run_state(const Machine *m) {
    return __atomic_load_n(&m->run.state, __ATOMIC_ACQUIRE);
}

const char *machine_shutdown_cause_name(ShutdownCause cause) {
    switch (cause) {
    case SHUTDOWN_NONE:
        return "none";
    case SHUTDOWN_GUEST:
        return "guest";
    case SHUTDOWN_GUEST_RESET:
        return "guest-reset";
    case SHUTDOWN_HOST_RESET:
        return "host-reset";
    case SHUTDOWN_GUEST_ERROR:
        return "guest-error";
    case SHUTDOWN_USER:
        return "user";
    case SHUTDOWN_SIGNAL:
        return "signal";
    case SHUTDOWN_HOST_ERROR:
        return "host-error";
    }
    return "none";
}

const char *machine_run_state_name(RunState state) {
    switch (state) {
    case RUN_PRELAUNCH:
        return "prelaunch";
    case RUN_RUNNING:
        return "running";
    case RUN_PAUSED:
        return "paused";
    case RUN_DEBUG:
        return "debug";
    case RUN_SHUTDOWN:
        return "shutdown";
    case RUN_RESTORE:
        return "restore-vm";
    }
    return "unknown";
}

static void set_state_locked(Machine *m, RunState state) {
    __atomic_store_n(&m->run.state, state, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&m->run.changed);
}

/* Who waits for the vCPUs must not be one, nor have what they may wait for. */
static void run_lock(Machine *m) {
    assert(!run_holds_lock(m));
    int err = pthread_mutex_lock(&m->run.lock);
    assert(!err); /* a listener changed the state */
    (void)err;
}

static void run_unlock(Machine *m) {
    pthread_mutex_unlock(&m->run.lock);
}

static void tell_locked(Machine *m, MachineEvent ev) {
    ev.state = m->run.state;
    if (m->run.quiet) {
        return;
    }
    for (MachineListener *l = m->run.first_listener; l; l = l->next) {
        l->event(l->opaque, &ev);
    }
}

/* --- stop and go ----------------------------------------------------------------- */

static void set_time_running(Machine *m, bool on) {
    machine_lock(m);
    if (on) {
        clock_resume(&m->clock);
    } else {
        clock_stop(&m->clock);
    }
    gate_stand(m->gate, !on);
    machine_unlock(m);
}

static void hold_locked(Machine *m) {
    if (!m->run.holding) {
        cpu_group_stop(m->cpus);
        m->run.holding = true;
    }
}

static void release_locked(Machine *m) {
    if (m->run.holding) {
        m->run.holding = false;
        cpu_group_resume(m->cpus);
    }
}

static void stop_locked(Machine *m, RunState why) {
    if (m->run.state != RUN_RUNNING) {
        if (why != RUN_DEBUG) {
            set_state_locked(m, why);
        }
        return;
    }
    if (why == RUN_DEBUG && !debug_is_claimed(m->cpus)) {
        return; /* somebody was told of it meanwhile */
    }
    hold_locked(m);
    set_time_running(m, false);
    machine_lock(m);
    bool debug = debug_take_stop(m->cpus, &m->run.debug_stop);
    machine_unlock(m);
    if (!debug) {
        m->run.debug_stop = (DebugStop){.reason = DEBUG_NONE};
    } else if (why == RUN_PAUSED) {
        why = RUN_DEBUG;
    }
    set_state_locked(m, why);
    tell_locked(
        m, (MachineEvent){.kind = MEV_STOP, .stop = debug ? &m->run.debug_stop : NULL});
}

void machine_stop(Machine *m, RunState why) {
    assert(why != RUN_RUNNING && why != RUN_PRELAUNCH);
    run_lock(m);
    stop_locked(m, why);
    run_unlock(m);
}

static bool may_go_on(const Machine *m, Error **errp) {
    if (m->run.ended) {
        error_set(errp, "the machine has ended");
        return false;
    }
    if (m->run.state == RUN_SHUTDOWN) {
        error_set(errp, "the guest has switched itself off; reset the machine first");
        return false;
    }
    if (m->run.state == RUN_RESTORE) {
        error_set(errp, "a snapshot is being loaded; try again when that is done");
        return false;
    }
    return true;
}

/* A vCPU claimed a stop. */
static void debug_stopped(void *opaque) {
    machine_request_stop(opaque, RUN_DEBUG);
}

/* Makes the vCPUs' threads, held. */
static bool start_locked(Machine *m, Error **errp) {
    hold_locked(m);
    m->cpus->debug.notify = debug_stopped;
    m->cpus->debug.notify_opaque = m;
    bool ok = m->cpus->started || cpu_group_start(m->cpus, errp);
    m->run.ended = !ok;
    return ok;
}

static void set_limit(Machine *m, CpuMoment until) {
    machine_lock(m);
    cpu_group_icount_limit(m->cpus, until);
    machine_unlock(m);
}

static bool cont_locked(Machine *m, const DebugPlan *plan, CpuMoment until,
                        Error **errp) {
    if (m->run.state == RUN_RUNNING) {
        if (plan) {
            error_set(errp, "the machine runs; stop it first");
        }
        return !plan;
    }
    if (!may_go_on(m, errp) || !start_locked(m, errp)) {
        return false;
    }
    set_limit(m, until);
    machine_lock(m);
    debug_go(m->cpus, plan);
    machine_unlock(m);
    set_time_running(m, true);
    set_state_locked(m, RUN_RUNNING);
    tell_locked(m, (MachineEvent){.kind = MEV_RESUME});
    release_locked(m);
    loop_wake(m->loop);
    return true;
}

static const CpuMoment no_limit = {.count = ICOUNT_NEVER};

bool machine_cont(Machine *m, Error **errp) {
    run_lock(m);
    bool ok = cont_locked(m, NULL, no_limit, errp);
    run_unlock(m);
    return ok;
}

bool machine_cont_until(Machine *m, CpuMoment until, Error **errp) {
    run_lock(m);
    if (m->run.state == RUN_RUNNING) {
        set_limit(m, until);
    }
    bool ok = cont_locked(m, NULL, until, errp);
    run_unlock(m);
    return ok;
}

bool machine_debug_cont(Machine *m, const DebugPlan *plan, Error **errp) {
    run_lock(m);
    bool ok = cont_locked(m, plan, no_limit, errp);
    run_unlock(m);
    return ok;
}

DebugStop machine_debug_stop(Machine *m) {
    run_lock(m);
    DebugStop stop = m->run.debug_stop;
    run_unlock(m);
    return stop;
}

void machine_set_quiet(Machine *m, bool on) {
    run_lock(m);
    __atomic_store_n(&m->run.quiet, on, __ATOMIC_RELAXED); /* no vCPU runs */
    run_unlock(m);
}

bool machine_is_quiet(const Machine *m) {
    return m && __atomic_load_n(&m->run.quiet, __ATOMIC_RELAXED);
}

void machine_tell_stop(Machine *m, const DebugStop *stop) {
    run_lock(m);
    m->run.debug_stop = *stop;
    if (m->run.state !=
        RUN_SHUTDOWN) { /* where the guest had switched itself off it is off */
        set_state_locked(m, RUN_DEBUG);
    }
    tell_locked(m, (MachineEvent){.kind = MEV_STOP, .stop = &m->run.debug_stop});
    run_unlock(m);
}

void machine_pause(Machine *m) {
    assert(!run_holds_lock(m));
    cpu_group_stop(m->cpus);
}

void machine_unpause(Machine *m) {
    cpu_group_resume(m->cpus);
}

bool machine_wait_stopped(Machine *m, unsigned timeout_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / MS_PER_SEC;
    until.tv_nsec += (long)(timeout_ms % MS_PER_SEC) * NS_PER_MS;
    if (until.tv_nsec >= NS_PER_SEC) {
        until.tv_nsec -= NS_PER_SEC;
        until.tv_sec++;
    }
    int err = 0;
    run_lock(m);
    while (m->run.state == RUN_RUNNING && err != ETIMEDOUT) {
        err = pthread_cond_timedwait(&m->run.changed, &m->run.lock, &until);
    }
    bool stopped = m->run.state != RUN_RUNNING;
    run_unlock(m);
    return stopped;
}

/* --- listeners ------------------------------------------------------------------- */

void machine_add_listener(Machine *m, MachineListener *l) {
    run_lock(m);
    l->next = m->run.first_listener;
    m->run.first_listener = l;
    run_unlock(m);
}

void machine_remove_listener(Machine *m, MachineListener *l) {
    run_lock(m);
    MachineListener **link = &m->run.first_listener;
    while (*link && *link != l) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = l->next;
    }
    run_unlock(m);
}

/* --- reset, power button, the end ------------------------------------------------ */

bool runstate_reset(Machine *m, ShutdownCause cause, Error **errp) {
    run_lock(m);
    bool running = m->run.state == RUN_RUNNING;
    cpu_group_stop(m->cpus);
    if (running) {
        set_time_running(m, false);
    }
    machine_lock(m);
    debug_take_stop(m->cpus, &m->run.debug_stop);
    m->run.debug_stop = (DebugStop){.reason = DEBUG_NONE};
    bool may = touch_note_reset(m, cause);
    bool ok = !may || run_reset_locked(m, errp);
    __atomic_add_fetch(&m->epoch, may, __ATOMIC_RELAXED);
    machine_unlock(m);
    if (running) {
        set_time_running(m, true);
    } else if (may && m->run.state != RUN_RESTORE) {
        set_state_locked(m, RUN_PRELAUNCH);
    }
    if (may) {
        tell_locked(m, (MachineEvent){.kind = MEV_RESET, .cause = cause});
    }
    cpu_group_resume(m->cpus);
    run_unlock(m);
    return ok;
}

void machine_powerdown(Machine *m) {
    run_lock(m);
    tell_locked(m, (MachineEvent){.kind = MEV_POWERDOWN});
    run_unlock(m);
}

void runstate_tell_shutdown(Machine *m, ShutdownCause cause) {
    run_lock(m);
    tell_locked(m, (MachineEvent){.kind = MEV_SHUTDOWN, .cause = cause});
    run_unlock(m);
}

void runstate_end(Machine *m) {
    run_lock(m);
    hold_locked(m);
    set_time_running(m, false);
    m->run.ended = true;
    set_state_locked(m, RUN_SHUTDOWN);
    run_unlock(m);
    cpu_group_quit(m->cpus);
}
