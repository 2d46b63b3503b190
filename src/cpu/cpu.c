/* SPDX-License-Identifier: MIT */
/* What every vCPU can be asked by others: kicks, work items, flushes. */
#include "cpu/cpu.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/exec.h"

struct CpuWork {
    void (*fn)(CPUState *cpu, void *arg);
    void *arg;
    CpuWork *next;
};

void cpu_kick(CPUState *cpu) {
    CpuGroup *g = cpu->group;
    __atomic_store_n(&cpu->tcg.exit_request, 1, __ATOMIC_SEQ_CST);
    if (g->icount.cfg.on) {
        if (cpu == g->icount.running) {
            cpu_icount_leave(g);
        }
    } else if (g->single) {
        cpu_group_end_turn(g, cpu);
    }
    /* Only a vCPU that sleeps needs the condition; it set `sleeping` before it looked at
     * exit_request for the last time. */
    if (__atomic_load_n(&cpu->sleeping, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&g->work_lock);
        pthread_cond_broadcast(g->single ? &g->single_wake : &cpu->wake);
        pthread_mutex_unlock(&g->work_lock);
    }
}

void cpu_queue_work(CPUState *cpu, void (*fn)(CPUState *cpu, void *arg), void *arg) {
    CpuWork *work = malloc(sizeof(*work));
    assert(work);
    *work = (CpuWork){.fn = fn, .arg = arg};
    pthread_mutex_lock(&cpu->group->work_lock);
    __atomic_store_n(cpu->work_last, work, __ATOMIC_RELEASE);
    cpu->work_last = &work->next;
    pthread_mutex_unlock(&cpu->group->work_lock);
    cpu_kick(cpu);
}

void cpu_run_work(CPUState *cpu) {
    if (!__atomic_load_n(&cpu->work_first, __ATOMIC_ACQUIRE)) {
        return;
    }
    pthread_mutex_lock(&cpu->group->work_lock);
    while (cpu->work_first) {
        CpuWork *work = cpu->work_first;
        __atomic_store_n(&cpu->work_first, work->next, __ATOMIC_RELAXED);
        if (!work->next) {
            cpu->work_last = &cpu->work_first;
        }
        pthread_mutex_unlock(&cpu->group->work_lock);
        work->fn(cpu, work->arg);
        free(work);
        pthread_mutex_lock(&cpu->group->work_lock);
    }
    pthread_mutex_unlock(&cpu->group->work_lock);
}

void cpu_drop_work(CPUState *cpu) {
    while (cpu->work_first) {
        CpuWork *work = cpu->work_first;
        cpu->work_first = work->next;
        free(work);
    }
    cpu->work_last = &cpu->work_first;
}

/* Forgets what pc led to which block or page. Atomic: who evicts blocks adds one, too. Long before
 * the count wraps it starts again, with nothing left that carries an old one. */
static void next_generation(CPUState *cpu) {
    const uint32_t limit = UINT32_MAX - (1u << 24);
    uint32_t *generation = &cpu->tcg.jump_tag.generation;
    if (__atomic_add_fetch(generation, 1, __ATOMIC_RELAXED) > limit) {
        memset(cpu->tcg.jump_cache, 0, sizeof(cpu->tcg.jump_cache));
        for (unsigned i = 0; i < FETCH_CACHE_SIZE; i++) {
            cpu->fetch_cache[i].page = FETCH_NO_PAGE;
        }
        __atomic_store_n(generation, 1, __ATOMIC_RELAXED);
    }
}

/* What a TLB flush was for, as trace.def numbers it. */
enum { FLUSH_ALL, FLUSH_PAGE, FLUSH_SWITCH };

static void trace_flush(CPUState *cpu, unsigned scope, vaddr addr) {
    if (trace_on(cpu->trace, TRACE_TLB_FLUSH)) {
        trace_emit(cpu->trace, TRACE_TLB_FLUSH, (int)cpu->index, scope, addr, 0, 0);
    }
}

static void empty_first(CPUState *cpu) {
    tlb_flush_first(&cpu->tcg.tlb);
    next_generation(cpu);
}

void cpu_tlb_switch(CPUState *cpu) {
    trace_flush(cpu, FLUSH_SWITCH, 0);
    empty_first(cpu);
}

void cpu_tlb_flush(CPUState *cpu) {
    trace_flush(cpu, FLUSH_ALL, 0);
    cpu->tlb_epoch++;
    empty_first(cpu);
}

void cpu_tlb_flush_page(CPUState *cpu, vaddr addr) {
    trace_flush(cpu, FLUSH_PAGE, addr);
    tlb_flush_first_page(&cpu->tcg.tlb, addr);
    tlb_second_flush_page(&cpu->tcg.tlb, addr);
    next_generation(cpu);
}

void cpu_set_fetch(CPUState *cpu, vaddr addr, hwaddr phys, RAMBlock *rb,
                   const uint8_t *host, bool partial) {
    cpu->fetch = (FetchPage){
        .page = addr & PAGE_MASK,
        .host = host,
        .ram = rb ? rb->base + (uint64_t)(host - rb->host) : RAM_ADDR_INVALID,
        .phys = phys & PAGE_MASK,
        .partial = partial,
    };
}
