/* SPDX-License-Identifier: MIT */
/*
 * Threads: how vCPUs are driven natively: one thread each, or one thread that gives turns.
 *
 *   thread=multi    vCPU thread: cpu_run() ... sleep on `wake` while halted or parked
 *   thread=single   one thread: cpu 0, cpu 1, ... each for a turn, ended by a ticker, by wfi, or
 *                   when another one is kicked
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cpu/exec.h"

enum { ENTRIES_PER_RUN = 1 << 20 };
#define TURN_NS 1000000 /* of thread=single, and how often its ticker looks */

/* Not held by the debugger, and not halted with nothing to do. */
static bool can_run(const CPUState *cpu) {
    return cpu->debug.run != DEBUG_HOLD &&
           (__atomic_load_n(&cpu->tcg.exit_request, __ATOMIC_SEQ_CST) || !cpu->halted ||
            cpu->cls->has_work(cpu));
}

/* Sleeps while parked, or halted with nothing to do. False: quit. */
static bool wait_for_work(CPUState *cpu) {
    CpuGroup *g = cpu->group;
    bool go = true;
    pthread_mutex_lock(&g->work_lock);
    __atomic_store_n(&cpu->sleeping, true, __ATOMIC_SEQ_CST);
    for (;;) {
        if (g->quit) {
            go = false;
            break;
        }
        if (g->stop_request) {
            if (!cpu->stopped) {
                cpu->stopped = true;
                pthread_cond_broadcast(&g->changed);
            }
        } else if (can_run(cpu)) {
            cpu->stopped = false;
            break;
        }
        pthread_cond_wait(&cpu->wake, &g->work_lock);
    }
    __atomic_store_n(&cpu->sleeping, false, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&g->work_lock);
    return go;
}

void cpu_nap(CPUState *cpu, long ns) {
    CpuGroup *g = cpu->group;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ns;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&g->work_lock);
    __atomic_store_n(&cpu->sleeping, true, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&cpu->tcg.exit_request, __ATOMIC_SEQ_CST)) {
        pthread_cond_timedwait(&cpu->wake, &g->work_lock, &until);
    }
    __atomic_store_n(&cpu->sleeping, false, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&g->work_lock);
}

static void *vcpu_thread(void *arg) {
    CPUState *cpu = arg;
    __atomic_store_n(&cpu->host_tid, gettid(), __ATOMIC_RELAXED);
    while (wait_for_work(cpu)) {
        cpu_run(cpu, ENTRIES_PER_RUN);
    }
    return NULL;
}

/* --- thread=single ----------------------------------------------------------------------------- */

static bool anyone_can_run(const CpuGroup *g) {
    for (unsigned i = 0; i < g->count; i++) {
        if (can_run(g->cpu[i])) {
            return true;
        }
    }
    return false;
}

/* All vCPUs share group->single_wake. */
static bool wait_for_work_single(CpuGroup *g) {
    bool go = true, slept = false;
    pthread_mutex_lock(&g->work_lock);
    for (unsigned i = 0; i < g->count; i++) {
        __atomic_store_n(&g->cpu[i]->sleeping, true, __ATOMIC_SEQ_CST);
    }
    for (;;) {
        if (g->quit) {
            go = false;
            break;
        }
        if (g->stop_request) {
            for (unsigned i = 0; i < g->count; i++) {
                g->cpu[i]->stopped = true;
            }
            pthread_cond_broadcast(&g->changed);
        } else if (anyone_can_run(g)) {
            break;
        }
        pthread_cond_wait(&g->single_wake, &g->work_lock);
        slept = true;
    }
    if (slept) {
        pthread_cond_broadcast(&g->ticker_wake);
    }
    for (unsigned i = 0; i < g->count; i++) {
        g->cpu[i]->stopped = false;
        __atomic_store_n(&g->cpu[i]->sleeping, false, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&g->work_lock);
    return go;
}

static void *single_thread(void *arg) {
    CpuGroup *g = arg;
    /* Also after a stop, so that one that stops all does not starve others. */
    unsigned next = 0;
    while (wait_for_work_single(g)) {
        for (unsigned n = 0; n < g->count; n++) {
            if (__atomic_load_n(&g->stop_request, __ATOMIC_ACQUIRE)) {
                break;
            }
            CPUState *cpu = g->cpu[next];
            __atomic_store_n(&g->turn, next, __ATOMIC_RELAXED);
            next = (next + 1) % g->count;
            /* A turn ends when turn_count moves: its end kicks, so generated code returns. */
            if (can_run(cpu)) {
                cpu_run(cpu, ENTRIES_PER_RUN);
            }
        }
    }
    return NULL;
}

/* A hart that waits for another one's answer would waste its turn: a kick ends it, too. */
void cpu_group_end_turn(CpuGroup *g, const CPUState *to) {
    CPUState *cpu = g->cpu[__atomic_load_n(&g->turn, __ATOMIC_RELAXED)];
    if (cpu != to) {
        __atomic_add_fetch(&g->turn_count, 1, __ATOMIC_RELAXED);
        if (!__atomic_load_n(&cpu->sleeping, __ATOMIC_RELAXED)) {
            __atomic_store_n(&cpu->tcg.exit_request, 1, __ATOMIC_SEQ_CST);
        }
    }
}

/* Ends the turn of the vCPU that runs. */
static void *ticker_thread(void *arg) {
    CpuGroup *g = arg;
    pthread_mutex_lock(&g->work_lock);
    while (!g->quit) {
        if (g->cpu[0]->sleeping) { /* as all of them */
            pthread_cond_wait(&g->ticker_wake, &g->work_lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TURN_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&g->ticker_wake, &g->work_lock, &until);
        cpu_group_end_turn(g, NULL);
    }
    pthread_mutex_unlock(&g->work_lock);
    return NULL;
}

/* --- start, stop, quit ------------------------------------------------------------------------- */

static bool start_thread(CpuGroup *g, pthread_t *thread, bool *started,
                         void *(*fn)(void *), void *arg, Error **errp) {
    pthread_mutex_lock(&g->work_lock);
    int err = pthread_create(thread, NULL, fn, arg);
    *started = !err;
    pthread_mutex_unlock(&g->work_lock);
    if (err) {
        error_set_errno(errp, err,
                        "cannot start a vCPU thread; lower -smp or raise ulimit -u");
        return false;
    }
    return true;
}

bool cpu_group_start(CpuGroup *g, Error **errp) {
    assert(!g->started);
    g->started = true;
    if (g->icount.cfg.on) {
        g->single = true;
        return start_thread(g, &g->single_id, &g->single_started, cpu_icount_thread, g,
                            errp);
    }
    if (g->multi_thread || g->count == 1) {
        for (unsigned i = 0; i < g->count; i++) {
            CPUState *cpu = g->cpu[i];
            if (!start_thread(g, &cpu->thread, &cpu->thread_started, vcpu_thread, cpu,
                              errp)) {
                return false;
            }
        }
        return true;
    }
    g->single = true;
    return start_thread(g, &g->single_id, &g->single_started, single_thread, g, errp) &&
           start_thread(g, &g->ticker_id, &g->ticker_started, ticker_thread, g, errp);
}

static void wake_all_locked(CpuGroup *g) {
    for (unsigned i = 0; i < g->count; i++) {
        __atomic_store_n(&g->cpu[i]->tcg.exit_request, 1, __ATOMIC_SEQ_CST);
        pthread_cond_broadcast(&g->cpu[i]->wake);
    }
    pthread_cond_broadcast(&g->single_wake);
    pthread_cond_broadcast(&g->ticker_wake);
    pthread_cond_broadcast(&g->changed);
}

static bool all_stopped_locked(const CpuGroup *g) {
    for (unsigned i = 0; i < g->count; i++) {
        const CPUState *cpu = g->cpu[i];
        if (!cpu->stopped && (cpu->thread_started || g->single_started)) {
            return false;
        }
    }
    return true;
}

void cpu_group_hold_locked(CpuGroup *g) {
    __atomic_add_fetch(&g->stop_request, 1, __ATOMIC_SEQ_CST);
    wake_all_locked(g);
}

void cpu_group_stop(CpuGroup *g) {
    pthread_mutex_lock(&g->work_lock);
    cpu_group_hold_locked(g);
    while (!all_stopped_locked(g)) {
        pthread_cond_wait(&g->changed, &g->work_lock);
    }
    pthread_mutex_unlock(&g->work_lock);
}

void cpu_group_resume(CpuGroup *g) {
    pthread_mutex_lock(&g->work_lock);
    assert(g->stop_request > 0);
    if (__atomic_sub_fetch(&g->stop_request, 1, __ATOMIC_SEQ_CST) == 0) {
        __atomic_store_n(&g->icount.held, false, __ATOMIC_SEQ_CST);
        wake_all_locked(g);
    }
    pthread_mutex_unlock(&g->work_lock);
}

static void join(CpuGroup *g, pthread_t thread, bool *started) {
    if (*started) {
        pthread_join(thread, NULL);
        pthread_mutex_lock(&g->work_lock);
        *started = false;
        pthread_mutex_unlock(&g->work_lock);
    }
}

void cpu_group_quit(CpuGroup *g) {
    cpu_sampler_end(g);
    pthread_mutex_lock(&g->work_lock);
    g->quit = true;
    cpu_group_hold_locked(g);
    pthread_mutex_unlock(&g->work_lock);
    for (unsigned i = 0; i < g->count; i++) {
        join(g, g->cpu[i]->thread, &g->cpu[i]->thread_started);
    }
    join(g, g->single_id, &g->single_started);
    join(g, g->ticker_id, &g->ticker_started);
}
