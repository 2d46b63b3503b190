/* SPDX-License-Identifier: MIT */
/* A machine without vCPUs for tests of single devices: memory, a clock that the test
 * turns, a loop. */
#ifndef VITRINE_TESTS_HW_FIXTURE_H
#define VITRINE_TESTS_HW_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hw/machine/machine.h"

typedef struct Fixture {
    Machine m;
    Log log;
    int64_t now_ns;
    int irq_level; /* of the last fixture_irq() */
    unsigned irq_changes;
    uint64_t random; /* state of fixture_scribble() */
} Fixture;

#define FIXTURE_SEED UINT64_C(20240411)

static inline int64_t fixture_time(void *opaque) {
    return ((Fixture *)opaque)->now_ns;
}

static inline void fixture_lock(void *opaque) {
    (void)opaque;
}

static inline Fixture *fixture_new(void) {
    Fixture *f = calloc(1, sizeof(*f));
    Error *err = NULL;
    log_init(&f->log);
    Machine *m = &f->m;
    m->log = &f->log;
    m->config.cpus = 1;
    m->config.xlen = 64;
    m->config.ram_size = 1 << 20;
    m->last_device = &m->first_device;
    pthread_mutex_init(&m->lock, NULL);
    clock_init(&m->clock);
    m->clock.source = fixture_time;
    m->clock.source_opaque = f;
    ram_list_init(&m->ram_list);
    memory_region_init(&m->system_memory, "system", UINT64_MAX);
    address_space_init(&m->as, &m->system_memory, "memory", m->log);
    m->loop = loop_new(&m->clock, fixture_lock, fixture_lock, NULL, &err);
    assert_non_null(m->loop);
    return f;
}

static inline void fixture_free(Fixture *f) {
    Machine *m = &f->m;
    while (m->first_device) {
        device_free(m->first_device);
    }
    address_space_destroy(&m->as);
    memory_region_destroy(&m->system_memory);
    ram_list_destroy(&m->ram_list);
    loop_free(m->loop);
    log_destroy(&f->log);
    pthread_mutex_destroy(&m->lock);
    free(f);
}

static inline void fixture_set_irq(void *opaque, int n, int level) {
    Fixture *f = opaque;
    (void)n;
    f->irq_changes += f->irq_level != level;
    f->irq_level = level;
}

static inline IrqLine fixture_irq(Fixture *f) {
    return (IrqLine){.set = fixture_set_irq, .opaque = f};
}

/* Makes a device of the class, wired to fixture_irq() and mapped at `base`. */
static inline Device *fixture_device(Fixture *f, const char *class_name, hwaddr base) {
    Error *err = NULL;
    Device *dev = device_new(&f->m, device_class_find(class_name), NULL, &err);
    assert_non_null(dev);
    dev->irq = fixture_irq(f);
    assert_true(device_realize(dev, &err));
    device_map(dev, base);
    if (dev->cls->reset) {
        dev->cls->reset(dev);
    }
    return dev;
}

static inline void fixture_pass(Fixture *f, int64_t ns) {
    f->now_ns += ns;
    clock_run_timers(&f->m.clock);
}

static inline uint64_t rd(Fixture *f, hwaddr addr, unsigned size) {
    uint64_t value = 0;
    assert_int_equal(address_space_load(&f->m.as, addr, size, &value), MEMTX_OK);
    return value;
}

static inline void wr(Fixture *f, hwaddr addr, unsigned size, uint64_t value) {
    assert_int_equal(address_space_store(&f->m.as, addr, size, value), MEMTX_OK);
}

/* Reads and writes all over [base, base + size) at random; only the host's health is at
 * stake. */
static inline void fixture_scribble(Fixture *f, hwaddr base, uint64_t size,
                                    unsigned rounds) {
    if (!f->random) {
        f->random = FIXTURE_SEED;
        print_message("scribble seed %llu\n", (unsigned long long)f->random);
    }
    uint64_t x = f->random;
    for (unsigned i = 0; i < rounds; i++) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
        unsigned width = 1u << (x >> 60 & 3);
        hwaddr addr = base + (x >> 20) % size;
        uint64_t value = 0;
        if (x >> 59 & 1) {
            address_space_store(&f->m.as, addr, width, x * 0x9e3779b97f4a7c15);
        } else {
            address_space_load(&f->m.as, addr, width, &value);
        }
        if (i % 64 == 0) {
            fixture_pass(f, (int64_t)(x >> 40));
        }
    }
    f->random = x;
}

#endif
