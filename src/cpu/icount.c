/* SPDX-License-Identifier: MIT */
/*
 * Icount: the thread that runs all harts, slice by slice. See icount.h for the picture.
 *
 *   parked? -> lock -> [work, timers, limit?, input] -> whose turn? -> slice, timers, hooks, limit? -> unlock -> ...
 *                                                          '-- nobody's: sleep or jump
 */
#include "cpu/icount.h"

#include <assert.h>
#include <sched.h>
#include <time.h>

#include "cpu/exec.h"

enum { SLICE_MAX = ICOUNT_EPOCH };
#define NS_PER_SEC INT64_C(1000000000)

static int64_t host_now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

/* --- count and time ----------------------------------------------------------------------------- */

bool cpu_group_icount_enabled(const CpuGroup *g) {
    return g->icount.cfg.on;
}

uint64_t cpu_group_icount(const CpuGroup *g) {
    const CpuIcount *ic = &g->icount;
    const CPUState *cpu = ic->running;
    if (!cpu) {
        return ic->count;
    }
    /* Asked inside an instruction: its block was counted whole, it and the rest are to come. */
    int32_t ahead = ic->in_code ? cpu->tcg.icount_ahead + 1 : 0;
    return ic->count + (uint64_t)(ic->granted - cpu->tcg.icount_left - ahead);
}

static int64_t icount_time(void *opaque) {
    const CpuGroup *g = opaque;
    return (int64_t)(cpu_group_icount(g) << g->icount.cfg.shift) +
           __atomic_load_n(&g->icount.warp_ns, __ATOMIC_RELAXED);
}

/* --- what happens inside an instruction --------------------------------------------------------- */

static bool on_own_thread(const CpuGroup *g) {
    return g->single_started && pthread_equal(g->single_id, pthread_self());
}

void cpu_icount_leave(CpuGroup *g) {
    if (g->icount.cfg.on && on_own_thread(g) && g->icount.in_code) {
        CPUState *cpu = g->icount.running;
        cpu->tcg.stop_after = 1;
        __atomic_store_n(&cpu->tcg.exit_request, 1, __ATOMIC_SEQ_CST);
    }
}

static void clock_notify(void *opaque) {
    CpuGroup *g = opaque;
    if (on_own_thread(g)) {
        cpu_icount_leave(g);
    } else {
        cpu_kick(g->cpu[0]); /* it may sleep to a later deadline */
    }
}

static uint64_t gate_count(void *opaque) {
    return cpu_group_icount(opaque);
}

static int64_t gate_time(void *opaque) {
    const CpuGroup *g = opaque;
    return clock_now_ns(g->icount.clock);
}

static bool gate_in_guest(void *opaque) {
    const CpuGroup *g = opaque;
    return g->icount.in_code && on_own_thread(g);
}

static void gate_leave(void *opaque) {
    cpu_icount_leave(opaque);
}

/* --- set-up -------------------------------------------------------------------------------------- */

void cpu_group_set_icount(CpuGroup *g, const CpuIcountConfig *cfg, Clock *clock,
                          InputGate *gate) {
    assert(!g->cache && cfg->on);
    g->icount = (CpuIcount){.cfg = *cfg,
                            .clock = clock,
                            .gate = gate,
                            .limit = {.count = ICOUNT_NEVER},
                            .end = {.count = ICOUNT_NEVER},
                            .next_epoch = ICOUNT_EPOCH,
                            .turn_left = ICOUNT_TURN};
    clock->offset_ns = 0;
    clock->stopped_at_ns = clock->stopped_at_ns >= 0 ? 0 : -1;
    clock->source = icount_time;
    clock->source_opaque = g;
    clock->notify = clock_notify;
    clock->notify_opaque = g;
    const GateHooks hooks = {.count = gate_count,
                             .time_ns = gate_time,
                             .in_guest = gate_in_guest,
                             .leave = gate_leave,
                             .opaque = g};
    gate_set_hooks(gate, &hooks);
}

void cpu_group_icount_limit(CpuGroup *g, CpuMoment moment) {
    g->icount.limit = moment;
    cpu_kick(g->cpu[0]);
}

void cpu_group_icount_end(CpuGroup *g, CpuMoment moment) {
    g->icount.end = moment;
    cpu_kick(g->cpu[0]);
}

void cpu_group_icount_hold(CpuGroup *g) {
    if (g->icount.cfg.on) {
        __atomic_store_n(&g->icount.held, true, __ATOMIC_SEQ_CST);
        if (on_own_thread(g)) {
            gate_stand(g->icount.gate, true);
            cpu_icount_leave(g);
        } else {
            cpu_kick(g->cpu[__atomic_load_n(&g->turn, __ATOMIC_RELAXED)]);
        }
    }
}

void cpu_group_icount_add_hook(CpuGroup *g, CpuIcountHook *hook) {
    hook->next = (cpu_group_icount(g) / hook->interval + 1) * hook->interval;
    hook->link = g->icount.hooks;
    g->icount.hooks = hook;
}

void cpu_group_icount_remove_hook(CpuGroup *g, CpuIcountHook *hook) {
    for (CpuIcountHook **p = &g->icount.hooks; *p; p = &(*p)->link) {
        if (*p == hook) {
            *p = hook->link;
            return;
        }
    }
}

CpuIcountState cpu_group_icount_state(const CpuGroup *g) {
    assert(!g->icount.running);
    return (CpuIcountState){.count = g->icount.count,
                            .warp_ns = g->icount.warp_ns,
                            .turn = g->turn,
                            .turn_left = g->icount.turn_left};
}

void cpu_group_icount_set_state(CpuGroup *g, const CpuIcountState *state) {
    CpuIcount *ic = &g->icount;
    assert(!ic->running);
    ic->count = state->count;
    ic->warp_ns = state->warp_ns;
    ic->turn_left = state->turn_left;
    ic->next_epoch = (ic->count / ICOUNT_EPOCH + 1) * ICOUNT_EPOCH;
    __atomic_store_n(&g->turn, state->turn % g->count, __ATOMIC_RELAXED);
    for (CpuIcountHook *h = ic->hooks; h; h = h->link) {
        h->next = (ic->count / h->interval + 1) * h->interval;
    }
    cpu_group_icount_flush(g);
}

void cpu_group_icount_flush(CpuGroup *g) {
    for (unsigned i = 0; i < g->count; i++) {
        cpu_tlb_flush(g->cpu[i]);
    }
}

/* --- a slice ------------------------------------------------------------------------------------ */

/* Work that others left for the harts. */
static void do_work(CpuGroup *g) {
    for (unsigned i = 0; i < g->count; i++) {
        CPUState *cpu = g->cpu[i];
        if (__atomic_exchange_n(&cpu->tcg.exit_request, 0, __ATOMIC_SEQ_CST)) {
            cpu_run_work(cpu);
        }
    }
}

/* What is due is done before the lock is given up, so that of a timer and input at the same moment the
 * timer always comes first. */
static void run_timers(CpuGroup *g) {
    Clock *clock = g->icount.clock;
    int64_t deadline = clock_deadline_ns(clock);
    if (deadline >= 0 && deadline <= clock_now_ns(clock)) {
        clock_run_timers(clock);
    }
}

static void run_hooks(CpuGroup *g) {
    CpuIcount *ic = &g->icount;
    if (ic->count >= ic->next_epoch) {
        ic->next_epoch = (ic->count / ICOUNT_EPOCH + 1) * ICOUNT_EPOCH;
        cpu_group_icount_flush(g);
    }
    for (CpuIcountHook *h = ic->hooks, *next; h; h = next) {
        next = h->link; /* it may remove itself */
        if (ic->count >= h->next) {
            h->next = (ic->count / h->interval + 1) * h->interval;
            h->fn(h->opaque, ic->count);
        }
    }
}

static bool is_held(const CpuGroup *g) {
    return __atomic_load_n(&g->icount.held, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&g->stop_request, __ATOMIC_ACQUIRE);
}

static bool is_reached(const CpuIcount *ic, CpuMoment m) {
    return ic->count > m.count ||
           (ic->count == m.count && gate_position(ic->gate) >= m.inputs);
}

/* True: nothing may be executed now. */
static bool stop_if_asked(CpuGroup *g) {
    CpuIcount *ic = &g->icount;
    CPUState *cpu = g->cpu[__atomic_load_n(&g->turn, __ATOMIC_RELAXED)];
    if (is_held(g)) {
        return true;
    }
    if (debug_take_dma(cpu)) {
        gate_stand(ic->gate, true);
        return true;
    }
    if (!is_reached(ic, ic->limit) && !is_reached(ic, ic->end)) {
        return false;
    }
    gate_stand(ic->gate, true); /* until the machine has heard of it */
    debug_claim(cpu, &(DebugStop){.reason = DEBUG_COUNT});
    return true;
}

/* What comes in at this moment: of the past not more than a limit at this count wants. */
static void take_past_input(CpuGroup *g) {
    CpuIcount *ic = &g->icount;
    uint64_t end = UINT64_MAX;
    if (ic->count == ic->limit.count) {
        end = ic->limit.inputs;
    } else if (ic->count == ic->end.count) {
        end = ic->end.inputs;
    }
    gate_replay(ic->gate, end);
}

static bool can_run(CPUState *cpu) {
    if (cpu->halted && cpu->cls->has_work(cpu)) {
        cpu->halted = false;
    }
    return !cpu->halted;
}

/* The hart to go on with. NULL: all wait; then whose turn it is does not change, for how often this
 * is asked depends on the host. */
static CPUState *choose(CpuGroup *g) {
    CpuIcount *ic = &g->icount;
    unsigned turn = __atomic_load_n(&g->turn, __ATOMIC_RELAXED);
    for (unsigned i = ic->turn_left == 0; i <= g->count; i++) {
        unsigned next = (turn + i) % g->count;
        if (can_run(g->cpu[next])) {
            ic->turn_left = i ? ICOUNT_TURN : ic->turn_left;
            __atomic_store_n(&g->turn, next, __ATOMIC_RELAXED);
            return g->cpu[next];
        }
    }
    return NULL;
}

static uint64_t min_u64(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Instructions until virtual time `deadline`, at least one. */
static uint64_t insns_until(const CpuIcount *ic, int64_t deadline) {
    int64_t left = deadline - clock_now_ns(ic->clock);
    uint64_t round = (UINT64_C(1) << ic->cfg.shift) - 1;
    return left <= 0 ? 1 : ((uint64_t)left + round) >> ic->cfg.shift;
}

/* The count at which to stop for a moment. One at this very count waits for input, which no instruction brings. */
static uint64_t next_count(const CpuIcount *ic, CpuMoment m) {
    return m.count > ic->count ? m.count : ICOUNT_NEVER;
}

static uint64_t slice_length(const CpuGroup *g) {
    const CpuIcount *ic = &g->icount;
    uint64_t until = min_u64(next_count(ic, ic->limit), next_count(ic, ic->end));
    uint64_t event;
    until = min_u64(until, ic->next_epoch);
    int64_t event_time, deadline = clock_deadline_ns(ic->clock);
    for (const CpuIcountHook *h = ic->hooks; h; h = h->link) {
        until = min_u64(until, h->next);
    }
    if (gate_next(ic->gate, &event, &event_time) && event > ic->count) {
        until = min_u64(until, event);
    }
    uint64_t n = min_u64(until - ic->count, g->count > 1 ? ic->turn_left : SLICE_MAX);
    if (deadline >= 0) {
        n = min_u64(n, insns_until(ic, deadline));
    }
    return min_u64(n, SLICE_MAX);
}

static void run_slice(CpuGroup *g, CPUState *cpu) {
    CpuIcount *ic = &g->icount;
    ic->granted = cpu->tcg.icount_left = (int32_t)slice_length(g);
    ic->running = cpu;
    bool turn_over = cpu_run_counted(cpu);
    uint32_t done = (uint32_t)(ic->granted - cpu->tcg.icount_left);
    ic->running = NULL;
    ic->count += done;
    if (g->count > 1) {
        ic->turn_left = turn_over ? 0 : ic->turn_left - done;
    }
    cpu->tcg.icount_left = 0;
    run_timers(g);
    run_hooks(g);
}

/* Every hart waits: true if time could jump; else *wait_ns is how long to sleep, -1: for ever. */
static bool skip_time(CpuGroup *g, int64_t *wait_ns) {
    CpuIcount *ic = &g->icount;
    int64_t now = clock_now_ns(ic->clock), target = clock_deadline_ns(ic->clock), when;
    uint64_t event;
    bool replay = gate_next(ic->gate, &event, &when);
    if (replay && event == ic->count && (target < 0 || when < target)) {
        target = when;
    }
    if (target >= 0 && (replay || !ic->cfg.sleep)) {
        ic->warp_ns += target > now ? target - now : 0;
        return true;
    }
    *wait_ns = target < 0 ? -1 : target > now ? target - now : 0;
    ic->idle = true;
    ic->idle_since = host_now_ns();
    ic->idle_target = target < 0 ? INT64_MAX : target;
    return false;
}

/* One step. False: sleep for *wait_ns. Machine lock. */
static bool step_locked(CpuGroup *g, int64_t *wait_ns) {
    *wait_ns = -1;
    do_work(g);
    if (stop_if_asked(g)) {
        return false;
    }
    run_timers(g);
    take_past_input(g);
    if (stop_if_asked(g)) {
        return false;
    }
    gate_call_ports(g->icount.gate);
    if (__atomic_load_n(&g->debug.dma_pending, __ATOMIC_RELAXED)) {
        return true; /* told before anything else happens */
    }
    CPUState *cpu = choose(g);
    if (!cpu) {
        return skip_time(g, wait_ns);
    }
    run_slice(g, cpu);
    return !stop_if_asked(g);
}

/* --- the thread --------------------------------------------------------------------------------- */

static void set_sleeping_locked(CpuGroup *g, bool on) {
    for (unsigned i = 0; i < g->count; i++) {
        __atomic_store_n(&g->cpu[i]->sleeping, on, __ATOMIC_SEQ_CST);
    }
}

/* Waits while parked. False: quit. */
static bool wait_unparked(CpuGroup *g) {
    pthread_mutex_lock(&g->work_lock);
    while (g->stop_request && !g->quit) {
        set_sleeping_locked(g, true);
        for (unsigned i = 0; i < g->count; i++) {
            g->cpu[i]->stopped = true;
        }
        pthread_cond_broadcast(&g->changed);
        pthread_cond_wait(&g->single_wake, &g->work_lock);
    }
    for (unsigned i = 0; i < g->count; i++) {
        g->cpu[i]->stopped = false;
    }
    set_sleeping_locked(g, false);
    bool go = !g->quit;
    pthread_mutex_unlock(&g->work_lock);
    return go;
}

static bool anything_new_locked(const CpuGroup *g) {
    bool any = g->quit || g->stop_request;
    for (unsigned i = 0; i < g->count; i++) {
        any |= __atomic_load_n(&g->cpu[i]->tcg.exit_request, __ATOMIC_SEQ_CST) != 0;
    }
    return any;
}

/* Sleeps for ns host nanoseconds (-1: for ever) or until something happens. True: all of it. */
static bool sleep_until_kicked(CpuGroup *g, int64_t ns) {
    int64_t end = ns < 0 ? 0 : host_now_ns() + ns;
    struct timespec until = {.tv_sec = end / NS_PER_SEC, .tv_nsec = end % NS_PER_SEC};
    int err = 0;
    pthread_mutex_lock(&g->work_lock);
    set_sleeping_locked(g, true);
    while (!anything_new_locked(g) && !err) {
        err = ns < 0 ? pthread_cond_wait(&g->single_wake, &g->work_lock)
                     : pthread_cond_timedwait(&g->single_wake, &g->work_lock, &until);
    }
    bool all = !anything_new_locked(g);
    set_sleeping_locked(g, false);
    pthread_mutex_unlock(&g->work_lock);
    return all;
}

/* Since the sleep began nothing came that ends it, or makes it another one: then what goes on is time.
 * Otherwise time stands until this thread has looked, however late it comes to that; in a replay it
 * looks at once. */
static bool still_waits(CpuGroup *g) {
    for (unsigned i = 0; i < g->count; i++) {
        CPUState *cpu = g->cpu[i];
        if (!cpu->halted || cpu->cls->has_work(cpu)) {
            return false;
        }
    }
    int64_t deadline = clock_deadline_ns(g->icount.clock);
    return (deadline < 0 ? INT64_MAX : deadline) == g->icount.idle_target;
}

/* Virtual time of a wait that goes on: what passed on the host, not beyond the target. */
static void warp_locked(CpuGroup *g, int64_t elapsed) {
    CpuIcount *ic = &g->icount;
    /* Up to the deadline, but not to it: its timers would be due. */
    int64_t room = ic->idle_target - 1 - clock_now_ns(ic->clock);
    int64_t step = elapsed < room ? elapsed : room;
    if (step > 0) {
        __atomic_add_fetch(&ic->warp_ns, step, __ATOMIC_RELAXED);
    }
}

static void end_wait(CpuGroup *g, bool all) {
    CpuIcount *ic = &g->icount;
    pthread_mutex_lock(g->machine_lock);
    if (ic->idle && all && ic->idle_target != INT64_MAX && still_waits(g)) {
        int64_t now = clock_now_ns(ic->clock);
        ic->warp_ns += ic->idle_target > now ? ic->idle_target - now : 0;
        run_timers(g);
    }
    ic->idle = false;
    pthread_mutex_unlock(g->machine_lock);
}

void cpu_icount_lock_wanted(CpuGroup *g) {
    __atomic_add_fetch(&g->icount.lock_waiters, 1, __ATOMIC_SEQ_CST);
    CPUState *cpu = g->cpu[__atomic_load_n(&g->turn, __ATOMIC_RELAXED)];
    if (cpu) {
        __atomic_store_n(&cpu->tcg.exit_request, 1, __ATOMIC_SEQ_CST);
    }
}

void cpu_icount_lock_got(CpuGroup *g) {
    __atomic_sub_fetch(&g->icount.lock_waiters, 1, __ATOMIC_SEQ_CST);
}

void cpu_icount_note_time(CpuGroup *g) {
    CpuIcount *ic = &g->icount;
    if (ic->idle && still_waits(g)) {
        int64_t now = host_now_ns();
        warp_locked(g, now - ic->idle_since);
        ic->idle_since = now;
    }
}

/* A mutex is not fair: those who wait for it go first. */
static void let_others(CpuGroup *g) {
    while (__atomic_load_n(&g->icount.lock_waiters, __ATOMIC_SEQ_CST)) {
        sched_yield();
    }
}

void *cpu_icount_thread(void *group) {
    CpuGroup *g = group;
    while (wait_unparked(g)) {
        int64_t wait_ns;
        let_others(g);
        pthread_mutex_lock(g->machine_lock);
        bool ran = step_locked(g, &wait_ns);
        pthread_mutex_unlock(g->machine_lock);
        if (!ran) {
            end_wait(g, sleep_until_kicked(g, wait_ns));
        }
    }
    return NULL;
}
