/* SPDX-License-Identifier: MIT */
/*
 * Exec: the run loop of a vCPU, see exec.h; threads are in threads.c, block look-up in lookup.c.
 *
 * Exclusion: code memory is reused only when no vCPU is inside generated code. A vCPU raises in_code
 * before it enters and looks whether somebody wants exclusion; who wants it raises `exclusive`, kicks
 * the others and waits until their in_code is down. From the look-up of a block to its exit in_code
 * stays up, so a block that was found, or made, is there when it runs.
 */
#include "cpu/exec.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/lookup.h"
#include "cpu/softmmu.h"

/* How long a wfi loop is tolerated before it naps, and how the naps grow. */
enum { IDLE_SPINS = 32, NAP_STEP_NS = 100000, NAP_MAX_NS = 50000000 };

/* --- exclusion --------------------------------------------------------------------------------- */

void cpu_code_enter(CPUState *cpu) {
    CpuGroup *g = cpu->group;
    __atomic_store_n(&cpu->in_code, true, __ATOMIC_SEQ_CST);
    while (__builtin_expect(__atomic_load_n(&g->exclusive, __ATOMIC_SEQ_CST), 0)) {
        pthread_mutex_lock(&g->work_lock);
        __atomic_store_n(&cpu->in_code, false, __ATOMIC_SEQ_CST);
        pthread_cond_broadcast(&g->changed);
        while (g->exclusive) {
            pthread_cond_wait(&g->changed, &g->work_lock);
        }
        __atomic_store_n(&cpu->in_code, true, __ATOMIC_SEQ_CST);
        pthread_mutex_unlock(&g->work_lock);
    }
}

void cpu_code_leave(CPUState *cpu) {
    CpuGroup *g = cpu->group;
    __atomic_store_n(&cpu->code_exits, cpu->code_exits + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&cpu->in_code, false, __ATOMIC_SEQ_CST);
    if (__builtin_expect(__atomic_load_n(&g->watchers, __ATOMIC_SEQ_CST), 0)) {
        pthread_mutex_lock(&g->work_lock);
        pthread_cond_broadcast(&g->changed);
        pthread_mutex_unlock(&g->work_lock);
    }
}

/* Waits until each vCPU was outside at some time since `exits` was noted, or is now. */
static void wait_outside_locked(CpuGroup *g, const uint32_t *exits) {
    for (unsigned i = 0; i < g->count; i++) {
        CPUState *cpu = g->cpu[i];
        while (
            (!exits || __atomic_load_n(&cpu->code_exits, __ATOMIC_ACQUIRE) == exits[i]) &&
            __atomic_load_n(&cpu->in_code, __ATOMIC_SEQ_CST)) {
            __atomic_store_n(&cpu->tcg.exit_request, 1, __ATOMIC_SEQ_CST);
            pthread_cond_wait(&g->changed, &g->work_lock);
        }
    }
}

void cpu_group_exclusive_begin(CpuGroup *g) {
    pthread_mutex_lock(&g->work_lock);
    while (g->exclusive) {
        pthread_cond_wait(&g->changed, &g->work_lock);
    }
    __atomic_store_n(&g->exclusive, true, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&g->watchers, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < g->count; i++) { /* all at once, then wait for each */
        __atomic_store_n(&g->cpu[i]->tcg.exit_request, 1, __ATOMIC_SEQ_CST);
    }
    wait_outside_locked(g, NULL);
    __atomic_sub_fetch(&g->watchers, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&g->work_lock);
}

void cpu_group_quiesce(CpuGroup *g) {
    uint32_t exits[CPU_GROUP_MAX];
    bool anyone = false;
    for (unsigned i = 0; i < g->count; i++) {
        exits[i] = __atomic_load_n(&g->cpu[i]->code_exits, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&g->cpu[i]->in_code, __ATOMIC_SEQ_CST)) {
            __atomic_store_n(&g->cpu[i]->tcg.exit_request, 1, __ATOMIC_SEQ_CST);
            anyone = true;
        }
    }
    if (!anyone) {
        return;
    }
    pthread_mutex_lock(&g->work_lock);
    __atomic_add_fetch(&g->watchers, 1, __ATOMIC_SEQ_CST);
    wait_outside_locked(g, exits);
    __atomic_sub_fetch(&g->watchers, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&g->work_lock);
}

void cpu_group_exclusive_end(CpuGroup *g) {
    pthread_mutex_lock(&g->work_lock);
    __atomic_store_n(&g->exclusive, false, __ATOMIC_SEQ_CST);
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->work_lock);
}

/* --- one entry into generated code ------------------------------------------------------------- */

static void log_entry(const CPUState *cpu, const TranslationBlock *tb) {
    if (log_enabled(cpu->log, LOG_EXEC) && log_in_filter(cpu->log, tb->pc)) {
        log_printf(cpu->log, LOG_EXEC,
                   "Trace %u: %p [%08" PRIx64 "/%016" PRIx64 "/%08x]\n", cpu->index,
                   (const void *)tb->code, (uint64_t)tb->phys, tb->pc, tb->flags);
    }
    if (log_enabled(cpu->log, LOG_CPU) && log_in_filter(cpu->log, tb->pc)) {
        cpu->cls->dump(cpu, log_stream(cpu->log));
    }
}

/* The exit of a block that the run loop is to chain to the next one. */
typedef struct LastExit {
    TranslationBlock *tb; /* NULL: nothing to chain */
    unsigned slot;
    uint32_t generation; /* the vCPU's, at the exit */
} LastExit;

static void chain(CPUState *cpu, const LastExit *last, TranslationBlock *tb) {
    /* An eviction counts as a generation, so in the same one last->tb is still what it was. */
    if (!last->tb || log_enabled(cpu->log, LOG_NOCHAIN) ||
        last->generation != cpu->tcg.jump_tag.generation) {
        return;
    }
    TbCache *tc = cpu->group->cache;
    pthread_mutex_lock(&tc->lock);
    uint64_t before = tc->stats.chained;
    if (last->tb->flags == tb->flags) {
        tb_cache_chain_locked(tc, last->tb, last->slot, tb);
    }
    if (trace_on(cpu->trace, TRACE_TB_CHAINED) && tc->stats.chained != before) {
        trace_emit(cpu->trace, TRACE_TB_CHAINED, (int)cpu->index, last->tb->pc, tb->pc,
                   last->slot, 0);
    }
    pthread_mutex_unlock(&tc->lock);
}

/* The block to run next, with in_code raised so that it cannot be evicted. NULL (in_code is down): a
 * fetch faulted. */
static TranslationBlock *enter_next_block(CPUState *cpu) {
    cpu_code_enter(cpu);
    TranslationBlock *tb = cpu_lookup_block(cpu);
    if (!tb) {
        tb = cpu_translate_block(cpu);
    }
    if (!tb) {
        cpu_code_leave(cpu);
    }
    return tb;
}

/* Interrupts, work items, halts. False: the vCPU has nothing to run now. */
static bool between_blocks(CPUState *cpu) {
    if (__atomic_load_n(&cpu->tcg.exit_request, __ATOMIC_RELAXED)) {
        __atomic_exchange_n(&cpu->tcg.exit_request, 0, __ATOMIC_SEQ_CST);
        cpu_run_work(cpu);
        if (__atomic_load_n(&cpu->group->stop_request, __ATOMIC_ACQUIRE)) {
            cpu_kick(cpu);
            return false;
        }
    }
    if (cpu->halted) {
        if (!cpu->cls->has_work(cpu)) {
            return false;
        }
        cpu->halted = false;
        if (trace_on(cpu->trace, TRACE_WAKE)) {
            trace_emit(cpu->trace, TRACE_WAKE, (int)cpu->index, cpu->cls->get_pc(cpu), 0,
                       0, 0);
        }
    }
    if (__builtin_expect(cpu->debug.busy, 0)) {
        return debug_before_block(cpu);
    }
    if (cpu->cls->take_interrupt(cpu)) {
        cpu->idle_spins = 0;
    }
    return true;
}

/* A block returned, or could not be fetched (LOOKUP). True: the debugger wants a stop. */
static bool wants_stop(CPUState *cpu, TbExit why) {
    if (__builtin_expect(!cpu->debug.busy && why != TB_EXIT_DEBUG, 1)) {
        return false;
    }
    /* LOOKUP at the same pc: the block was killed just before it was entered. */
    bool executed = why != TB_EXIT_REQUEST &&
                    !(why == TB_EXIT_LOOKUP && cpu->cls->get_pc(cpu) == cpu->debug.pc);
    return debug_after_block(cpu, executed, why == TB_EXIT_DEBUG);
}

/* A vCPU waits for an interrupt. One that is pending but masked ends the wait at once (RISC-V
 * privileged manual, 3.3.3), which is right where the guest looks at it next. But OpenSBI 1.1 parks
 * harts in a loop of such waits, and its hart_start() says "start" before it says where: the parked
 * hart is expected to sleep until the IPI that follows. So a loop of waits becomes one of naps, which
 * every kick ends; or else three spinning harts would keep the one that starts them from a host CPU
 * just there. */
static void halt(CPUState *cpu) {
    /* Asked here, not only between blocks: the budget may end now, and nobody kicks for what is
     * pending. */
    cpu->halted = !cpu->cls->has_work(cpu);
    if (trace_on(cpu->trace, TRACE_WFI)) {
        trace_emit(cpu->trace, TRACE_WFI, (int)cpu->index, cpu->cls->get_pc(cpu),
                   cpu->halted, 0, 0);
    }
    if (cpu->halted || cpu->cls->take_interrupt(cpu)) {
        cpu->idle_spins = 0;
    } else if (++cpu->idle_spins > IDLE_SPINS && !cpu->group->single) {
        unsigned steps = cpu->idle_spins - IDLE_SPINS;
        cpu_nap(cpu, steps < NAP_MAX_NS / NAP_STEP_NS ? (long)steps * NAP_STEP_NS
                                                      : NAP_MAX_NS);
    }
}

/* Chains the last exit to a block that was entered, and runs it and those it is chained to. counted: with
 * -icount. */
static inline TbExit run_block(CPUState *cpu, TranslationBlock *tb, LastExit *last,
                               bool counted) {
    CpuGroup *g = cpu->group;
    chain(cpu, last, tb);
    last->tb = NULL;
    if (cpu->log->mask) {
        log_entry(cpu, tb);
    }
    if (counted) {
        g->icount.in_code = true;
    }
    uintptr_t ret = g->cache->backend->enter(&g->cache->bs, &cpu->tcg, tb->code);
    if (counted) {
        g->icount.in_code = false;
        cpu->tcg.stop_after = 0;
    }
    TbExit why = (TbExit)(ret & TB_EXIT_MASK);
    if (why == TB_EXIT_SLOT0 || why == TB_EXIT_SLOT1) {
        last->tb = (TranslationBlock *)(ret & ~(uintptr_t)TB_EXIT_MASK);
        last->slot = why;
        last->generation = cpu->tcg.jump_tag.generation;
    }
    cpu_code_leave(cpu);
    /* A debugger's step over wfi does not wait; but with -icount it is a step of the run. */
    if (why == TB_EXIT_HALT &&
        (counted || !(cpu->debug.one_insn || cpu->debug.one_block))) {
        halt(cpu);
    }
    return why;
}

void cpu_run(CPUState *cpu, unsigned budget) {
    const CpuGroup *g = cpu->group;
    LastExit last = {NULL, 0, 0};
    unsigned turn = __atomic_load_n(&g->turn_count, __ATOMIC_RELAXED);
    for (; budget; budget--) {
        /* An unchained exit that nothing interrupted needs no look at interrupts: those raise
         * exit_request. */
        if (!last.tb || __atomic_load_n(&cpu->tcg.exit_request, __ATOMIC_RELAXED)) {
            last.tb = NULL;
            if (!between_blocks(cpu)) {
                return;
            }
        }
        TranslationBlock *tb = enter_next_block(cpu);
        if (!tb) {
            last.tb = NULL;
            if (wants_stop(cpu, TB_EXIT_LOOKUP)) {
                return;
            }
            continue;
        }
        TbExit why = run_block(cpu, tb, &last, false);
        if (wants_stop(cpu, why)) {
            return;
        }
        if (g->single) {
            /* STATE: maybe it spins (pause, wrs.nto), and what it waits for needs this thread. */
            if (why == TB_EXIT_STATE || why == TB_EXIT_HALT ||
                turn != __atomic_load_n(&g->turn_count, __ATOMIC_RELAXED)) {
                return;
            }
        }
    }
}

/* The block to run next, or as much of it as is left. */
static TranslationBlock *enter_counted_block(CPUState *cpu) {
    unsigned most = cpu->alone ? 1 : (unsigned)cpu->tcg.icount_left;
    cpu->alone = false;
    TranslationBlock *tb = enter_next_block(cpu);
    if (tb && tb->insns > most) {
        tb = cpu_translate_short_block(cpu, most);
        if (!tb) {
            cpu_code_leave(cpu);
        }
    }
    return tb;
}

/* Interrupts, or what the debugger has instead. False: the vCPU is to leave the run loop. */
static bool before_counted_block(CPUState *cpu) {
    if (__builtin_expect(cpu->debug.busy, 0)) {
        return debug_before_block(cpu);
    }
    cpu->cls->take_interrupt(cpu);
    return true;
}

bool cpu_run_counted(CPUState *cpu) {
    LastExit last = {NULL, 0, 0};
    bool go = before_counted_block(cpu);
    while (go && cpu->tcg.icount_left > 0 &&
           !__atomic_load_n(&cpu->tcg.exit_request, __ATOMIC_RELAXED)) {
        TranslationBlock *tb = enter_counted_block(cpu);
        if (!tb) {
            cpu->tcg.icount_left--; /* the instruction that could not be fetched */
            last.tb = NULL;
            go = !wants_stop(cpu, TB_EXIT_LOOKUP);
            continue;
        }
        TbExit why = run_block(cpu, tb, &last, true);
        bool turn_over = why == TB_EXIT_HALT || why == TB_EXIT_STATE;
        if (wants_stop(cpu, why) || turn_over) {
            return turn_over; /* a stop does not change whose turn it is */
        }
        go = !cpu->debug.busy || before_counted_block(cpu);
    }
    return false;
}

/* --- the group --------------------------------------------------------------------------------- */

static const TcgCpuOps softmmu_ops = {
    .load = softmmu_load,
    .store = softmmu_store,
    .rmw = softmmu_rmw,
    .cas = softmmu_cas,
    .probe = softmmu_probe,
    .lookup = cpu_lookup_code,
};

CpuGroup *cpu_group_new(AddressSpace *as, pthread_mutex_t *machine_lock,
                        bool multi_thread, const char *backend, uint64_t tb_size,
                        Error **errp) {
    CpuGroup *g = calloc(1, sizeof(*g));
    assert(g);
    g->backend = tcg_backend_find(backend);
    if (!g->backend) {
        error_set(errp, "translator back end '%s' is unknown; use x86_64 or interp",
                  backend);
        free(g);
        return NULL;
    }
    g->as = as;
    g->machine_lock = machine_lock;
    g->multi_thread = multi_thread;
    g->tb_size = tb_size;
    pthread_mutex_init(&g->work_lock, NULL);
    pthread_mutex_init(&g->mark_lock, NULL);
    pthread_cond_init(&g->changed, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&g->ticker_wake, &monotonic);
    pthread_cond_init(&g->single_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    g->sampler = cpu_sampler_new(g);
    return g;
}

void cpu_group_add(CpuGroup *group, CPUState *cpu, const CpuClass *cls, const Log *log,
                   Clock *clock) {
    assert(group->count < CPU_GROUP_MAX);
    cpu->cls = cls;
    cpu->group = group;
    cpu->index = group->count;
    cpu->as = group->as;
    cpu->debug.points = &group->debug;
    cpu->log = log;
    cpu->clock = clock;
    cpu->work_last = &cpu->work_first;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&cpu->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    tlb_init(&cpu->tcg.tlb);
    for (unsigned i = 0; i < FETCH_CACHE_SIZE; i++) {
        cpu->fetch_cache[i].page = FETCH_NO_PAGE;
    }
    /* No pc is odd, so an entry of zeroed memory could only match pc 0 in generation 0. */
    cpu->tcg.jump_tag.generation = 1;
    cpu->tcg.ops = &softmmu_ops;
    cpu->tcg.backend = group->backend;
    cpu->tcg.reservation_addr = UINT64_MAX;
    cpu->ir = ir_context_new();
    cls->declare_globals(cpu, cpu->ir);
    cpu->ir->pc_offset = cls->pc_offset;
    group->cpu[group->count++] = cpu;
}

bool cpu_group_realize(CpuGroup *group, Error **errp) {
    assert(group->count > 0);
    group->cache =
        tb_cache_new(group->backend, group->tb_size, group->cpu[0]->cls->pc_offset,
                     group->cpu[0]->ir, group->icount.cfg.on, errp);
    if (!group->cache) {
        return false;
    }
    group->cache->bs.profile = log_enabled(group->cpu[0]->log, LOG_PROFILE);
    for (unsigned i = 0; i < group->count; i++) {
        CPUState *cpu = group->cpu[i];
        group->backend->fp_set_round(&cpu->tcg.fp, FP_MODE_RNE);
        group->backend->fp_set_flags(&cpu->tcg.fp, 0);
        cpu->cls->reset(cpu);
    }
    return true;
}

void cpu_group_free(CpuGroup *group) {
    if (!group) {
        return;
    }
    if (group->cache && group->cache->bs.profile) {
        tb_cache_print_profile(group->cache, log_stream(group->cpu[0]->log));
    }
    for (unsigned i = 0; i < group->count; i++) {
        CPUState *cpu = group->cpu[i];
        cpu_drop_work(cpu);
        tlb_destroy(&cpu->tcg.tlb);
        ir_context_free(cpu->ir);
        pthread_cond_destroy(&cpu->wake);
        if (cpu->cls->free) {
            cpu->cls->free(cpu);
        } else {
            free(cpu);
        }
    }
    cpu_sampler_free(group->sampler);
    tb_cache_free(group->cache);
    pthread_cond_destroy(&group->ticker_wake);
    pthread_cond_destroy(&group->single_wake);
    pthread_cond_destroy(&group->changed);
    pthread_mutex_destroy(&group->mark_lock);
    pthread_mutex_destroy(&group->work_lock);
    free(group);
}

void cpu_group_lock(CpuGroup *group) {
    pthread_mutex_lock(group->machine_lock);
}

void cpu_group_unlock(CpuGroup *group) {
    pthread_mutex_unlock(group->machine_lock);
}
