/* SPDX-License-Identifier: MIT */
/*
 * Debug, continued: watch points and what devices do to memory. See debug.h.
 *
 *   device --debug_note_dma()--> span? --> dma_stop --debug_take_dma()--> claimed
 *                                  ^                   between two instructions of a vCPU
 *   points --debug_find_spans()----'
 *
 * A device may work while a vCPU is inside an instruction, or while all are stopped; so the stop waits for
 * the next place between two instructions. Of several at one place the last is told, but history's
 * (DEBUG_OWNER_HISTORY) before others'.
 */
#include <string.h>

#include "cpu/exec.h"

/* --- where the points' bytes are ------------------------------------------------- */

static void add_span(GroupDebug *d, DebugSpan span) {
    if (d->spans < DEBUG_MAX_SPANS) {
        d->span[d->spans++] = span;
    }
}

/* What harts have at a page of a point's addresses; the same place once. */
static void add_page(CpuGroup *g, unsigned point, vaddr addr, uint64_t len) {
    GroupDebug *d = &g->debug;
    unsigned first = d->spans;
    for (unsigned i = 0; i < g->count; i++) {
        hwaddr phys;
        bool known = !g->cpu[i]->cls->debug_translate(g->cpu[i], addr, &phys);
        for (unsigned s = first; s < d->spans && !known; s++) {
            known = d->span[s].phys == phys;
        }
        if (!known) {
            add_span(d, (DebugSpan){point, addr, phys, len});
        }
    }
}

static void add_spans_of(CpuGroup *g, unsigned point) {
    const DebugPoint *p = &g->debug.point[point];
    if (p->physical) {
        add_span(&g->debug, (DebugSpan){point, p->addr, p->addr, p->len});
        return;
    }
    uint64_t left = p->len;
    vaddr addr = p->addr;
    for (unsigned page = 0; left && page < DEBUG_DMA_PAGES; page++) {
        uint64_t room = PAGE_SIZE - (addr & PAGE_OFFSET_MASK);
        uint64_t n = left < room ? left : room;
        add_page(g, point, addr, n);
        addr += n;
        left -= n;
    }
}

void debug_find_spans(CpuGroup *g) {
    g->debug.spans = 0;
    for (unsigned i = 0; i < g->debug.count; i++) {
        if (g->debug.point[i].access) {
            add_spans_of(g, i);
        }
    }
    if (g->count && g->cpu[0]->as) {
        g->cpu[0]->as->dma_watched = g->debug.watches != 0;
    }
}

/* --- a hit ----------------------------------------------------------------------- */

/* This thread's vCPU, which is inside an instruction; or NULL. */
static CPUState *current_cpu(const CpuGroup *g) {
    if (g->single) {
        bool own = g->single_started && pthread_equal(g->single_id, pthread_self());
        CPUState *cpu = g->cpu[__atomic_load_n(&g->turn, __ATOMIC_RELAXED)];
        return own && cpu->in_code ? cpu : NULL;
    }
    for (unsigned i = 0; i < g->count; i++) {
        CPUState *cpu = g->cpu[i];
        if (cpu->thread_started && pthread_equal(cpu->thread, pthread_self())) {
            return cpu->in_code ? cpu : NULL;
        }
    }
    return NULL;
}

/* Another's; one that the debugger holds would not come to it. */
static CPUState *any_cpu(const CpuGroup *g) {
    for (unsigned i = 0; i < g->count; i++) {
        if (g->cpu[i]->debug.run != DEBUG_HOLD) {
            return g->cpu[i];
        }
    }
    return g->cpu[0];
}

static void take_queued(CPUState *cpu, void *arg) {
    (void)arg;
    debug_take_dma(cpu);
}

static void leave_code(CpuGroup *g) {
    CPUState *cpu = current_cpu(g);
    if (cpu_group_icount_enabled(g)) {
        cpu_icount_leave(g);
        cpu_kick(g->cpu[__atomic_load_n(&g->turn, __ATOMIC_RELAXED)]);
        return;
    }
    if (cpu) {
        cpu->tcg.stop_after = 1;
    }
    cpu_queue_work(cpu ? cpu : any_cpu(g), take_queued, NULL);
}

static void keep(CpuGroup *g, const DebugStop *stop) {
    GroupDebug *d = &g->debug;
    pthread_mutex_lock(&g->work_lock);
    bool pending = d->dma_pending;
    if (!pending || d->dma_stop.owner != DEBUG_OWNER_HISTORY ||
        stop->owner == DEBUG_OWNER_HISTORY) {
        d->dma_stop = *stop;
    }
    __atomic_store_n(&d->dma_pending, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&g->work_lock);
    if (!pending) {
        leave_code(g);
    }
}

/* The bytes of a span that were accessed. */
static DebugStop describe(const DebugSpan *span, const DebugPoint *p, const DebugDma *dma,
                          unsigned access, const uint8_t *host) {
    hwaddr from = span->phys > dma->addr ? span->phys : dma->addr;
    hwaddr span_last = span->phys + (span->len - 1), last = dma->addr + (dma->len - 1);
    uint64_t size = (span_last < last ? span_last : last) - from + 1;
    DebugStop stop = {.reason = DEBUG_WATCH,
                      .point = p->id,
                      .owner = p->owner,
                      .address = span->addr + (from - span->phys),
                      .phys = from,
                      .size = size < UINT32_MAX ? (unsigned)size : UINT32_MAX,
                      .access = access,
                      .watching = p->access,
                      .watched = p->addr,
                      .dma = *dma};
    size = size < sizeof(stop.new_value) ? size : sizeof(stop.new_value);
    memcpy(&stop.new_value, host + (from - dma->addr), size);
    if (access == DEBUG_READ) {
        stop.old_value = stop.new_value;
    }
    return stop;
}

void debug_note_dma(CpuGroup *g, const DebugDma *dma, unsigned access,
                    const uint8_t *host) {
    GroupDebug *d = &g->debug;
    if (!d->watches || !dma->len) {
        return;
    }
    if (cpu_group_icount_enabled(g)) {
        debug_find_spans(g); /* no hart runs, or this thread's does */
    }
    for (unsigned i = 0; i < d->spans; i++) {
        const DebugSpan *span = &d->span[i];
        const DebugPoint *p = &d->point[span->point];
        if ((p->access & access) && span->phys <= dma->addr + (dma->len - 1) &&
            dma->addr <= span->phys + (span->len - 1)) {
            DebugStop stop = describe(span, p, dma, access, host);
            keep(g, &stop);
        }
    }
}

/* --- the stop -------------------------------------------------------------------- */

static bool is_point(const CpuGroup *g, unsigned id) {
    for (unsigned i = 0; i < g->debug.count; i++) {
        if (g->debug.point[i].id == id) {
            return true;
        }
    }
    return false;
}

bool debug_take_dma(CPUState *cpu) {
    CpuGroup *g = cpu->group;
    GroupDebug *d = &g->debug;
    if (!__atomic_load_n(&d->dma_pending, __ATOMIC_ACQUIRE)) {
        return false;
    }
    pthread_mutex_lock(&g->work_lock);
    bool pending = d->dma_pending;
    DebugStop stop = d->dma_stop;
    __atomic_store_n(&d->dma_pending, false, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&g->work_lock);
    return pending && is_point(g, stop.point) && debug_claim_dma(cpu, &stop);
}
