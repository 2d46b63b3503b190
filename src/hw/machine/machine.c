/* SPDX-License-Identifier: MIT */
/*
 * Machine: made from the command line, and unmade. How it runs is in run.c.
 *
 *   machine_new: lock, clock, loop -> memory -> back ends -> board (vCPUs, devices)
 *                -> -device -> firmware, kernel, device tree -> reset
 *   machine_free: the same backwards; also after a failure half-way
 */
#include "hw/machine/machine.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "hw/machine/backends.h"
#include "hw/machine/run.h"
#include "hw/machine/touch.h"
#include "hw/machine/virt.h"

static const MachineClass *const all_machines[] = {&virt_machine_class};

/* When a deterministic machine is switched on: 2026-01-01 00:00:00 UTC. */
#define NS_PER_SEC          INT64_C(1000000000)
#define ICOUNT_WALL_BASE_NS (1767225600 * NS_PER_SEC)

enum { MACHINE_COUNT = sizeof(all_machines) / sizeof(all_machines[0]) };

const MachineClass *const *machine_classes(unsigned *count) {
    *count = MACHINE_COUNT;
    return all_machines;
}

const MachineClass *machine_class_find(const char *name, unsigned xlen) {
    unsigned bit = xlen == 32 ? 1 : 2;
    for (unsigned i = 0; i < MACHINE_COUNT; i++) {
        const MachineClass *c = all_machines[i];
        if ((c->xlen_mask & bit) &&
            (!strcmp(c->name, name) || (c->alias && !strcmp(c->alias, name)))) {
            return c;
        }
    }
    return NULL;
}

/* --- checks ---------------------------------------------------------------------- */

static bool check_config(Machine *m, Error **errp) {
    const MachineConfig *c = &m->config;
    m->cls = machine_class_find(c->machine, c->xlen);
    if (!m->cls) {
        error_set(errp, "-M %s: unknown machine; see -M help", c->machine);
        return false;
    }
    if (c->cpus < 1 || c->cpus > m->cls->max_cpus || c->cpus > CPU_GROUP_MAX) {
        error_set(errp, "-smp %u: machine %s has 1 to %u vCPUs", c->cpus, m->cls->name,
                  m->cls->max_cpus);
        return false;
    }
    if (c->icount.on && c->multi_asked) {
        error_set(errp, "-icount: its harts take turns in one thread; leave thread=multi "
                        "out of -accel, or -icount");
        return false;
    }
    return true;
}

/* True if "CLASS.PROP=VALUE" names a property that there is. */
static bool check_global(const char *text, Error **errp) {
    char name[128];
    const char *dot = strchr(text, '.');
    const char *eq = dot ? strchr(dot, '=') : NULL;
    if (!eq || (size_t)(eq - text) >= sizeof(name)) {
        error_set(errp, "-global %s: write it as DEVICE.PROPERTY=VALUE", text);
        return false;
    }
    memcpy(name, text, (size_t)(eq - text));
    name[eq - text] = '\0';
    char *prop = name + (dot - text) + 1;
    prop[-1] = '\0';
    const DeviceClass *cls = device_class_find(name);
    if (!cls) {
        error_set(errp, "-global %s: there is no device %s; see -device help", text,
                  name);
        return false;
    }
    for (const DeviceProperty *p = cls->properties; p && p->name; p++) {
        if (!strcmp(p->name, prop)) {
            return true;
        }
    }
    error_set(errp, "-global %s: device %s has no property '%s'; see -device %s,help",
              text, name, prop, name);
    return false;
}

static bool check_globals(const OptionList *globals, Error **errp) {
    for (unsigned i = 0; i < globals->count; i++) {
        if (!check_global(globals->item[i], errp)) {
            return false;
        }
    }
    return true;
}

/* --- parts ----------------------------------------------------------------------- */

static void lock_machine(void *opaque) {
    machine_lock(opaque);
}

static void unlock_machine(void *opaque) {
    machine_unlock(opaque);
}

/* A device, or the loader, wrote RAM: code that was translated from there is void. */
static void invalidate_code(void *opaque, RAMBlock *rb, uint64_t offset, uint64_t len) {
    Machine *m = opaque;
    TbCache *tc = m->cpus ? m->cpus->cache : NULL;
    if (!tc) {
        ramblock_set_dirty(rb, offset, len, 1u << DIRTY_CODE);
        return;
    }
    pthread_mutex_lock(&tc->lock);
    for (uint64_t end = offset + len; offset < end;) {
        uint64_t page_end = (offset & PAGE_MASK) + PAGE_SIZE;
        uint64_t n = (end < page_end ? end : page_end) - offset;
        if (tb_cache_invalidate_locked(tc, rb->base + offset, n, TB_DEATH_DMA, NULL,
                                       NULL)) {
            ramblock_set_dirty(rb, offset, n, 1u << DIRTY_CODE);
        }
        offset += n;
    }
    pthread_mutex_unlock(&tc->lock);
}

/* The view changed: what the vCPUs remember of the old one must go, at the latest at
 * their next block; then the old view itself. */
static void flush_tlb(CPUState *cpu, void *arg) {
    (void)arg;
    cpu_tlb_flush(cpu);
}

static void reclaim_views(void *opaque) {
    Machine *m = opaque;
    unsigned depth = run_release_lock(m);
    /* With -icount who has the machine lock knows that no guest code runs; and the vCPUs'
     * thread, which has it, would wait for the exclusive one, and that one for it. */
    bool exclusive = !cpu_group_icount_enabled(m->cpus);
    if (exclusive) {
        cpu_group_exclusive_begin(m->cpus);
    }
    machine_lock(m);
    m->reclaim_pending = false;
    address_space_reclaim(&m->as);
    machine_unlock(m);
    if (exclusive) {
        cpu_group_exclusive_end(m->cpus);
    }
    run_retake_lock(m, depth);
}

static void view_changed(MemoryListener *l) {
    Machine *m = (Machine *)((char *)l - offsetof(Machine, memory_listener));
    for (unsigned i = 0; m->cpus && m->cpus->started && i < m->cpus->count; i++) {
        cpu_queue_work(m->cpus->cpu[i], flush_tlb, NULL);
    }
    if (m->cpus && m->cpus->started && !m->reclaim_pending) {
        m->reclaim_pending = true;
        loop_call(m->loop, reclaim_views, m);
    }
}

static void init_lock(Machine *m) {
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&m->lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

static void init_memory(Machine *m) {
    ram_list_init(&m->ram_list);
    memory_region_init(&m->system_memory, "system", UINT64_MAX);
    address_space_init(&m->as, &m->system_memory, "memory", m->log);
    m->as.lock_io = lock_machine;
    m->as.unlock_io = unlock_machine;
    m->as.lock_opaque = m;
    m->as.ram_written = invalidate_code;
    m->as.ram_written_opaque = m;
    m->memory_listener.commit = view_changed;
    address_space_add_listener(&m->as, &m->memory_listener);
}

static bool make_cpu_group(Machine *m, Error **errp) {
    const char *accel = m->config.accel ? m->config.accel : "tcg";
    const char *backend = NULL;
    if (!strcmp(accel, "tcg")) {
        backend = "x86_64";
    } else if (!strcmp(accel, "tcg-interp")) {
        backend = "interp";
    } else {
        error_set(errp, "-accel %s: unknown; use tcg or tcg-interp", accel);
        return false;
    }
    m->cpus = cpu_group_new(&m->as, &m->lock, m->config.multi_thread, backend,
                            m->config.tb_size, errp);
    if (m->cpus && m->config.icount.on) {
        cpu_group_set_icount(m->cpus, &m->config.icount, &m->clock, m->gate);
    }
    return m->cpus != NULL;
}

/* Who has events to tell knows where. */
static void connect_trace(Machine *m) {
    m->clock.trace = m->trace;
    m->cpus->cache->trace = m->trace;
    for (unsigned i = 0; i < m->cpus->count; i++) {
        m->cpus->cpu[i]->trace = m->trace;
    }
}

static uint64_t trace_count(void *opaque) {
    const Machine *m = opaque;
    return m->cpus ? cpu_group_icount(m->cpus) : 0;
}

static bool build(Machine *m, Error **errp) {
    m->trace = trace_new(&m->clock, trace_count, m);
    if (!m->trace) {
        error_set(errp, "no memory for a trace");
        return false;
    }
    /* With -icount timers fire at their instruction: the vCPUs' thread sees to them. */
    m->loop = loop_new(m->config.icount.on ? NULL : &m->clock, lock_machine,
                       unlock_machine, m, errp);
    if (!m->loop) {
        return false;
    }
    run_init(m);
    if (!backends_open(m, errp) || !make_cpu_group(m, errp)) {
        return false;
    }
    address_space_begin(&m->as);
    bool ok = m->cls->init(m, errp) && backends_add_devices(m, errp);
    address_space_commit(&m->as);
    address_space_reclaim(&m->as);
    if (!ok || !cpu_group_realize(m->cpus, errp)) {
        return false;
    }
    connect_trace(m);
    return m->cls->boot(m, errp);
}

/* Entropy is asked for, it does not come by itself. */
static void no_delivery(void *opaque, unsigned kind, const uint8_t *data, size_t len) {
    (void)opaque;
    (void)kind;
    (void)data;
    (void)len;
}

static int64_t host_wall_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

int64_t machine_wall_base_ns(const Machine *m) {
    const RtcConfig *rtc = &m->config.rtc;
    int64_t now = host_wall_ns();
    time_t seconds = (time_t)(now / NS_PER_SEC);
    struct tm local;
    if (rtc->base == RTC_BASE_DATE) {
        return rtc->date_ns;
    }
    if (rtc->base == RTC_BASE_LOCALTIME && localtime_r(&seconds, &local)) {
        now += local.tm_gmtoff * NS_PER_SEC;
    }
    return now;
}

/* The guest's date, as -rtc wishes; a deterministic machine without it always shows the same. */
static void init_wall(Machine *m) {
    Clock *c = &m->clock;
    const RtcConfig *rtc = &m->config.rtc;
    c->wall_base_ns = machine_wall_base_ns(m);
    c->wall_ahead_ns = rtc->base ? c->wall_base_ns - host_wall_ns() : 0;
    c->wall_is_virtual = rtc->clock == RTC_CLOCK_VM;
    if (m->config.icount.on && !rtc->base) {
        c->wall_base_ns = ICOUNT_WALL_BASE_NS;
    }
}

void machine_set_seed(Machine *m, bool seeded, uint64_t seed) {
    m->config.seeded = seeded;
    m->config.seed = m->entropy_state = seeded ? seed : 0;
}

Machine *machine_new(const MachineConfig *config, Log *log, const CharEscapes *escapes,
                     Error **errp) {
    Machine *m = calloc(1, sizeof(*m));
    if (!m) {
        error_set(errp, "no memory for a machine");
        return NULL;
    }
    m->config = *config;
    m->log = log;
    m->escapes = escapes;
    m->last_device = &m->first_device;
    if (!check_config(m, errp) || !check_globals(&config->globals, errp)) {
        free(m);
        return NULL;
    }
    init_lock(m);
    m->gate = gate_new();
    m->entropy_input = gate_port_new(m->gate, "entropy", no_delivery, NULL);
    m->touch_input = touch_port_new(m);
    clock_init(&m->clock);
    init_wall(m);
    machine_set_seed(m, config->seeded, config->seed);
    clock_stop(&m->clock); /* the guest's time begins with its first instruction */
    init_memory(m);
    machine_lock(m);
    bool ok = build(m, errp) && (config->dump_dtb || run_reset_locked(m, errp));
    machine_unlock(m);
    if (!ok) {
        machine_free(m);
        return NULL;
    }
    return m;
}

/* The newest first: a child before its transport. */
static void free_devices(Machine *m) {
    while (m->first_device) {
        Device *last = m->first_device;
        while (last->next) {
            last = last->next;
        }
        device_free(last);
    }
}

void machine_free(Machine *m) {
    if (!m) {
        return;
    }
    if (m->cpus) {
        cpu_group_quit(m->cpus);
    }
    machine_lock(m);
    free_devices(m);
    if (m->cls->exit) {
        m->cls->exit(m);
    }
    backends_close(m);
    machine_unlock(m);
    if (m->cpus) {
        cpu_group_free(m->cpus);
    }
    address_space_remove_listener(&m->as, &m->memory_listener);
    address_space_destroy(&m->as);
    memory_region_destroy(&m->system_memory);
    ram_list_destroy(&m->ram_list);
    if (m->loop) {
        run_exit(m);
        loop_free(m->loop);
    }
    gate_free(m->gate);
    trace_free(m->trace);
    error_free(m->error);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* --- look-up and the gates of time and entropy --------------------------------------------- */

Device *machine_find_device(Machine *m, const char *id) {
    for (Device *d = m->first_device; d; d = d->next) {
        if (d->id && !strcmp(d->id, id)) {
            return d;
        }
    }
    return NULL;
}

static void host_random(void *opaque, void *buf, size_t len) {
    (void)opaque;
    uint8_t *p = buf;
    while (len) {
        ssize_t n = getrandom(p, len, 0);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

/* SplitMix64 (Steele, Lea, Flood 2014): the same bytes in each run. */
static void seeded_random(void *opaque, void *buf, size_t len) {
    Machine *m = opaque;
    uint8_t *p = buf;
    for (size_t i = 0; i < len; i++) {
        uint64_t z = m->entropy_state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        p[i] = (uint8_t)(z ^ z >> 31);
    }
}

void machine_random(Machine *m, void *buf, size_t len) {
    if (m->config.seeded) { /* part of the machine: in a replay it gives the same again */
        seeded_random(m, buf, len);
        return;
    }
    bool same_each_time = m->config.icount.on && !gate_is_kept(m->gate);
    gate_pull(m->entropy_input, buf, len, same_each_time ? seeded_random : host_random,
              m);
}
