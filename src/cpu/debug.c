/* SPDX-License-Identifier: MIT */
/* Debug: points, steps and stops of vCPUs. See debug.h for the picture. */
#include "cpu/debug.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "cpu/exec.h"

_Static_assert((int)DEBUG_MAX_CPUS == (int)CPU_GROUP_MAX, "a plan names every vCPU");

/* --- points ---------------------------------------------------------------------- */

static void assert_parked(const CpuGroup *g) {
    assert(!g->started || __atomic_load_n(&g->stop_request, __ATOMIC_SEQ_CST) > 0);
    (void)g;
}

/* Blocks made before the change do not know of it; nor do TLB entries. */
static void points_changed(CpuGroup *g, const DebugPoint *p) {
    if (!p->access) {
        tb_cache_kill_pc(g->cache, p->addr, TB_DEATH_DEBUG);
        return;
    }
    for (unsigned i = 0; i < g->count; i++) {
        tlb_flush_first(&g->cpu[i]->tcg.tlb);
    }
    debug_find_spans(g);
}

static unsigned add_point(CpuGroup *g, DebugPoint point, Error **errp) {
    GroupDebug *d = &g->debug;
    assert_parked(g);
    if (d->count == DEBUG_MAX_POINTS) {
        error_set(errp, "there are %u break and watch points already; remove some",
                  (unsigned)DEBUG_MAX_POINTS);
        return 0;
    }
    point.id = ++d->last_id;
    d->point[d->count++] = point;
    d->breaks += !point.access;
    d->watches += point.access != 0;
    points_changed(g, &point);
    return point.id;
}

unsigned debug_add_break(CpuGroup *g, DebugOwner owner, vaddr pc, Error **errp) {
    return add_point(g, (DebugPoint){.owner = owner, .addr = pc}, errp);
}

static unsigned add_watch(CpuGroup *g, DebugPoint point, Error **errp) {
    if (point.len == 0 || point.addr + (point.len - 1) < point.addr) {
        error_set(errp, "%" PRIu64 " bytes from 0x%" PRIx64 " cannot be watched",
                  point.len, point.addr);
        return 0;
    }
    assert(point.access && !(point.access & ~(unsigned)DEBUG_ACCESS));
    return add_point(g, point, errp);
}

unsigned debug_add_watch(CpuGroup *g, DebugOwner owner, vaddr addr, uint64_t len,
                         unsigned access, Error **errp) {
    return add_watch(
        g, (DebugPoint){.owner = owner, .addr = addr, .len = len, .access = access},
        errp);
}

unsigned debug_add_phys_watch(CpuGroup *g, DebugOwner owner, hwaddr addr, uint64_t len,
                              unsigned access, Error **errp) {
    return add_watch(
        g,
        (DebugPoint){
            .owner = owner, .addr = addr, .len = len, .access = access, .physical = true},
        errp);
}

static void remove_at(CpuGroup *g, unsigned i) {
    GroupDebug *d = &g->debug;
    DebugPoint point = d->point[i];
    d->point[i] = d->point[--d->count];
    d->breaks -= !point.access;
    d->watches -= point.access != 0;
    points_changed(g, &point);
}

bool debug_remove(CpuGroup *g, DebugOwner owner, unsigned id) {
    assert_parked(g);
    for (unsigned i = 0; i < g->debug.count; i++) {
        if (g->debug.point[i].id == id && g->debug.point[i].owner == owner) {
            remove_at(g, i);
            return true;
        }
    }
    return false;
}

void debug_remove_all(CpuGroup *g, DebugOwner owner) {
    assert_parked(g);
    for (unsigned i = g->debug.count; i-- > 0;) {
        if (g->debug.point[i].owner == owner) {
            remove_at(g, i);
        }
    }
}

const DebugPoint *debug_find_break_slow(const GroupDebug *d, vaddr pc) {
    for (unsigned i = 0; i < d->count; i++) {
        if (!d->point[i].access && d->point[i].addr == pc) {
            return &d->point[i];
        }
    }
    return NULL;
}

/* True if [a, a + a_len) and [b, b + b_len), neither of which wraps, have a byte in common. */
static bool overlap(vaddr a, uint64_t a_len, vaddr b, uint64_t b_len) {
    return a <= b + (b_len - 1) && b <= a + (a_len - 1);
}

bool debug_watches_page_slow(const GroupDebug *d, vaddr addr, hwaddr phys) {
    for (unsigned i = 0; i < d->count; i++) {
        const DebugPoint *p = &d->point[i];
        vaddr page = (p->physical ? phys : addr) & PAGE_MASK;
        if (p->access && overlap(p->addr, p->len, page, PAGE_SIZE)) {
            return true;
        }
    }
    return false;
}

static const DebugPoint *find_watch(const CpuGroup *g, vaddr addr, hwaddr phys,
                                    unsigned size, unsigned access) {
    const GroupDebug *d = &g->debug;
    for (unsigned i = 0; d->watches && i < d->count; i++) {
        const DebugPoint *p = &d->point[i];
        vaddr at = p->physical ? phys : addr;
        if ((p->access & access) && overlap(p->addr, p->len, at, size)) {
            return p;
        }
    }
    return NULL;
}

/* --- going on -------------------------------------------------------------------- */

static void set_mode(CPUState *cpu, bool one_insn, bool one_block) {
    CpuDebug *d = &cpu->debug;
    if (d->one_insn != one_insn || d->one_block != one_block) {
        d->one_insn = one_insn;
        d->one_block = one_block;
        cpu->cls->debug_changed(cpu);
    }
}

static void look_whether_busy(CPUState *cpu) {
    CpuDebug *d = &cpu->debug;
    d->busy = d->run != DEBUG_GO || d->over || d->watch.state != WATCH_NONE;
    if (!d->busy) {
        set_mode(cpu, false, false);
    }
}

void debug_go(CpuGroup *g, const DebugPlan *plan) {
    assert_parked(g);
    for (unsigned i = 0; i < g->count; i++) {
        CPUState *cpu = g->cpu[i];
        CpuDebug *d = &cpu->debug;
        vaddr pc = cpu->cls->get_pc(cpu);
        d->run = plan ? plan->run[i] : DEBUG_GO;
        if (d->run == DEBUG_HOLD && cpu_group_icount_enabled(g)) {
            d->run = DEBUG_GO; /* whose turn it is belongs to the run */
        }
        d->told = d->told && d->over_pc == pc && debug_find_break(&g->debug, pc);
        d->over = d->told;
        d->trapped = false;
        d->watch.state = WATCH_NONE;
        if (plan) {
            d->interrupts = plan->interrupts;
            d->range_start = plan->range_start;
            d->range_end = plan->range_end;
        }
        look_whether_busy(cpu);
    }
    if (g->debug.watches) {
        debug_find_spans(g);
    }
}

/* --- stopping -------------------------------------------------------------------- */

static bool is_swallowed(const CPUState *cpu, const DebugStop *stop) {
    const GroupDebug *g = &cpu->group->debug;
    DebugStop whole = *stop;
    whole.cpu = cpu->index;
    whole.pc = cpu->cls->get_pc(cpu);
    return g->swallow && g->swallow(g->swallow_opaque, &whole);
}

/* As if the stop had been told and the vCPU had gone on from it. */
static void go_over(CPUState *cpu) {
    CpuDebug *d = &cpu->debug;
    d->over_pc = cpu->cls->get_pc(cpu);
    d->told = d->over = debug_find_break(&cpu->group->debug, d->over_pc) != NULL;
    look_whether_busy(cpu);
}

static bool claim(CPUState *cpu, const DebugStop *stop, bool told) {
    CpuGroup *g = cpu->group;
    pthread_mutex_lock(&g->work_lock);
    bool mine = !g->debug.claimed;
    if (mine) {
        __atomic_store_n(&g->debug.claimed, true, __ATOMIC_RELEASE);
        g->debug.stop = *stop;
        g->debug.stop.cpu = cpu->index;
        g->debug.stop.pc = cpu->cls->get_pc(cpu);
        if (told) {
            cpu->debug.told = true;
            cpu->debug.over_pc = g->debug.stop.pc;
        }
        cpu_group_hold_locked(g);
    }
    pthread_mutex_unlock(&g->work_lock);
    if (mine && g->debug.notify) {
        g->debug.notify(g->debug.notify_opaque);
    }
    return mine;
}

bool debug_claim(CPUState *cpu, const DebugStop *stop) {
    if (is_swallowed(cpu, stop)) {
        go_over(cpu);
        return false;
    }
    return claim(cpu, stop, true);
}

bool debug_claim_dma(CPUState *cpu, const DebugStop *stop) {
    return !is_swallowed(cpu, stop) && claim(cpu, stop, false);
}

void debug_forget_stop(CPUState *cpu) {
    cpu->debug.told = false;
    __atomic_store_n(&cpu->group->debug.dma_pending, false, __ATOMIC_RELEASE);
}

bool debug_is_claimed(const CpuGroup *g) {
    return __atomic_load_n(&g->debug.claimed, __ATOMIC_ACQUIRE);
}

bool debug_take_stop(CpuGroup *g, DebugStop *stop) {
    assert_parked(g);
    pthread_mutex_lock(&g->work_lock);
    bool claimed = g->debug.claimed;
    *stop = g->debug.stop;
    __atomic_store_n(&g->debug.claimed, false, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&g->work_lock);
    if (claimed) {
        cpu_group_resume(g); /* the caller's own hold is the one that counts now */
    }
    for (unsigned i = 0; i < g->count; i++) {
        CPUState *cpu = g->cpu[i];
        cpu->debug.run = DEBUG_GO;
        cpu->debug.over = false;
        cpu->debug.watch.state = WATCH_NONE;
        look_whether_busy(cpu);
    }
    return claimed;
}

static bool claim_reason(CPUState *cpu, DebugReason reason) {
    debug_claim(cpu, &(DebugStop){.reason = reason});
    return true;
}

static DebugReason reason_of(DebugRun run) {
    switch (run) {
    case DEBUG_RUN_STEP:
        return DEBUG_STEP;
    case DEBUG_RUN_BLOCK:
        return DEBUG_BLOCK;
    case DEBUG_RUN_TRAP:
        return DEBUG_TRAP;
    case DEBUG_GO:
    case DEBUG_HOLD:
        break;
    }
    return DEBUG_NONE;
}

/* --- around a block -------------------------------------------------------------- */

/* With -icount never: when an interrupt is taken is part of the run. */
static bool steps_without_interrupts(const CPUState *cpu) {
    const CpuDebug *d = &cpu->debug;
    if (cpu_group_icount_enabled(cpu->group)) {
        return false;
    }
    return d->over || d->watch.state != WATCH_NONE ||
           ((d->run == DEBUG_RUN_STEP || d->run == DEBUG_RUN_BLOCK) && !d->interrupts);
}

bool debug_before_block(CPUState *cpu) {
    CpuDebug *d = &cpu->debug;
    if (!steps_without_interrupts(cpu) && cpu->cls->take_interrupt(cpu)) {
        cpu->idle_spins = 0;
        d->trapped = false;
        if (d->run != DEBUG_GO) {
            claim_reason(cpu, reason_of(d->run));
            return false;
        }
    }
    bool alone = d->watch.state != WATCH_NONE;
    set_mode(cpu, alone || d->run == DEBUG_RUN_STEP || (d->over && !d->one_block),
             !alone && d->run == DEBUG_RUN_BLOCK);
    if (alone) {
        d->watch.state = WATCH_STEPPING;
    }
    d->pc = cpu->cls->get_pc(cpu);
    return true;
}

static uint64_t value_at(const uint8_t *host, unsigned size) {
    uint64_t value = 0;
    if (host) {
        memcpy(&value, host, size < sizeof(value) ? size : sizeof(value));
    }
    return value;
}

/* The instruction that a watch point stopped before is done, or trapped. */
static bool after_watched(CPUState *cpu, bool trapped) {
    CpuDebug *d = &cpu->debug;
    d->watch.state = WATCH_NONE;
    if (trapped) {
        return false; /* the access did not happen */
    }
    d->watch.stop.new_value = value_at(d->watch.host, d->watch.stop.size);
    debug_claim(cpu, &d->watch.stop);
    return true;
}

static bool in_range(const CpuDebug *d, vaddr pc) {
    return pc >= d->range_start && pc < d->range_end;
}

/* Something was executed: is the vCPU where it was to go? */
static bool has_arrived(const CPUState *cpu, bool trapped) {
    const CpuDebug *d = &cpu->debug;
    switch (d->run) {
    case DEBUG_RUN_STEP:
        return trapped || !in_range(d, cpu->cls->get_pc(cpu));
    case DEBUG_RUN_BLOCK:
        return true;
    case DEBUG_RUN_TRAP:
        return trapped;
    case DEBUG_GO:
    case DEBUG_HOLD:
        break;
    }
    return false;
}

static bool stop_at_break(CPUState *cpu) {
    const DebugPoint *p = debug_find_break(cpu->debug.points, cpu->cls->get_pc(cpu));
    if (!p) {
        return false; /* removed meanwhile */
    }
    debug_claim(cpu,
                &(DebugStop){.reason = DEBUG_BREAK, .point = p->id, .owner = p->owner});
    return true;
}

bool debug_after_block(CPUState *cpu, bool executed, bool debug_exit) {
    CpuDebug *d = &cpu->debug;
    bool trapped = d->trapped, stepped = d->one_insn || d->one_block;
    d->trapped = false;
    if (d->watch.state == WATCH_HIT) {
        return false; /* debug_before_block() sees to it */
    }
    bool left_by_break = debug_exit && !stepped;
    if (left_by_break) {
        return stop_at_break(cpu);
    }
    if (!executed && !trapped) {
        return false;
    }
    d->over = d->told = false;
    if (d->watch.state == WATCH_STEPPING && after_watched(cpu, trapped)) {
        return true;
    }
    if (has_arrived(cpu, trapped)) {
        return claim_reason(cpu, reason_of(d->run));
    }
    look_whether_busy(cpu);
    return false;
}

void debug_note_trap(CPUState *cpu) {
    cpu->debug.trapped = true;
    __atomic_store_n(&cpu->tcg.exit_request, 1, __ATOMIC_SEQ_CST);
}

bool debug_check_watch(CPUState *cpu, vaddr addr, hwaddr phys, unsigned size,
                       unsigned access, const uint8_t *host) {
    CpuDebug *d = &cpu->debug;
    const DebugPoint *p = find_watch(cpu->group, addr, phys, size, access);
    if (!p || d->watch.state == WATCH_STEPPING) {
        return false;
    }
    d->watch = (DebugWatchHit){.state = WATCH_HIT, .host = host};
    d->watch.stop = (DebugStop){.reason = DEBUG_WATCH,
                                .point = p->id,
                                .owner = p->owner,
                                .insn_pc = cpu->cls->get_pc(cpu),
                                .address = addr,
                                .phys = phys,
                                .size = size,
                                .access = access,
                                .watching = p->access,
                                .watched = p->addr,
                                .old_value = value_at(host, size)};
    d->busy = true;
    __atomic_store_n(&cpu->tcg.exit_request, 1, __ATOMIC_SEQ_CST);
    return true;
}
