/* SPDX-License-Identifier: MIT */
/*
 * The domain "machine", continued: machine.counters, what happened so far in numbers.
 *
 *   vCPU threads: counter_up() --> CpuCounters, CpuTlb, TbStats --counter_read()--> one sum each
 *
 * Threads: nobody is stopped. Each number may be an event late, and they are not of one moment.
 */
#include <pthread.h>
#include <time.h>

#include "inspect/inspect_int.h"
#include "inspect/tb_int.h"
#include "util/counter.h"

#define NS_PER_S INT64_C(1000000000)

typedef struct Sums {
    CpuCounters cpu;
    uint64_t fills, second_hits, walks, flushes;
} Sums;

static void add(uint64_t *sum, const uint64_t *counter) {
    *sum += counter_read(counter);
}

static void add_cpu(Sums *s, const CPUState *cpu) {
    const CpuCounters *c = &cpu->counters;
    const CpuTlb *tlb = &cpu->tcg.tlb;
    add(&s->cpu.interrupts, &c->interrupts);
    add(&s->cpu.exceptions, &c->exceptions);
    add(&s->cpu.calls, &c->calls);
    add(&s->cpu.page_faults, &c->page_faults);
    add(&s->cpu.device_reads, &c->device_reads);
    add(&s->cpu.device_writes, &c->device_writes);
    add(&s->fills, &tlb->fills);
    add(&s->second_hits, &tlb->second_hits);
    add(&s->walks, &tlb->walks);
    add(&s->flushes, &tlb->flushes);
}

static int64_t clock_ns(clockid_t id) {
    struct timespec ts;
    return clock_gettime(id, &ts) == 0 ? (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec : 0;
}

static int64_t thread_busy_ns(pthread_t thread, bool started) {
    clockid_t id;
    return started && pthread_getcpuclockid(thread, &id) == 0 ? clock_ns(id) : 0;
}

/* What the threads that run the vCPUs took of the host's processors. */
static int64_t busy_ns(const CpuGroup *g) {
    int64_t sum = thread_busy_ns(g->single_id, g->single_started);
    for (unsigned i = 0; i < g->count; i++) {
        sum += thread_busy_ns(g->cpu[i]->thread, g->cpu[i]->thread_started);
    }
    return sum;
}

static json_t *cpu_json(const Sums *s) {
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "interrupts",
        inspect_hex(s->cpu.interrupts), "exceptions", inspect_hex(s->cpu.exceptions),
        "calls", inspect_hex(s->cpu.calls), "page_faults",
        inspect_hex(s->cpu.page_faults), "device_reads", inspect_hex(s->cpu.device_reads),
        "device_writes", inspect_hex(s->cpu.device_writes), "tlb_misses",
        inspect_hex(s->second_hits + s->walks), "tlb_walks", inspect_hex(s->walks),
        "tlb_fills", inspect_hex(s->fills), "tlb_flushes", inspect_hex(s->flushes));
}

/* Null: nobody counts. */
static json_t *instructions_json(Machine *m) {
    if (!cpu_group_icount_enabled(m->cpus)) {
        return json_null();
    }
    machine_lock(m); /* with -icount: no guest code runs */
    uint64_t count = cpu_group_icount(m->cpus);
    machine_unlock(m);
    return inspect_hex(count);
}

json_t *inspect_machine_counters(InspectCall *call) {
    Machine *m = call->m;
    Sums sums = {0};
    for (unsigned i = 0; i < m->cpus->count; i++) {
        add_cpu(&sums, m->cpus->cpu[i]);
    }
    TbCache *tc = tb_cache_of(call);
    pthread_mutex_lock(&tc->lock);
    const TbStats tb = tc->stats;
    pthread_mutex_unlock(&tc->lock);
    json_t *counters = cpu_json(&sums);
    json_object_set_new(counters, "instructions", instructions_json(m));
    json_object_set_new(counters, "busy_ns", inspect_hex((uint64_t)busy_ns(m->cpus)));
    json_object_set_new(counters, "translations", inspect_hex(tb.translated));
    json_object_set_new(counters, "translated_bytes", inspect_hex(tb.guest_bytes));
    json_object_set_new(counters, "lookups", inspect_hex(tb.lookups));
    return json_pack("{s:o, s:b, s:b, s:o}", "ns",
                     inspect_hex((uint64_t)clock_ns(CLOCK_MONOTONIC)), "running",
                     machine_run_state(m) == RUN_RUNNING, "icount",
                     cpu_group_icount_enabled(m->cpus), "counters", counters);
}
