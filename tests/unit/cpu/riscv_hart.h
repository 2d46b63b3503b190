/* SPDX-License-Identifier: MIT */
/*
 * A hart with memory around it, for the tests of the privileged architecture.
 *
 *   0x00001000  a device register that remembers nothing
 *   0x20000000  ROM, 64 KiB
 *   0x80000000  RAM, 2 MiB
 *   elsewhere   nothing
 *
 * Time is test_ns, moved by the test. No guest code runs: the functions under test are
 * called.
 */
#ifndef VITRINE_TESTS_RISCV_HART_H
#define VITRINE_TESTS_RISCV_HART_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cpu/exec.h"
#include "cpu/riscv/bits.h"
#include "cpu/riscv/cpu.h"
#include "cpu/riscv/csr.h"
#include "mem/memory.h"

enum { DEVICE_BASE = 0x1000, ROM_BASE = 0x20000000, ROM_SIZE = 0x10000 };
#define RAM_BASE  UINT64_C(0x80000000)
#define RAM_BYTES UINT64_C(0x200000)

typedef struct Hart {
    RiscvCPU *cpu;
    CpuGroup *group;
    Clock clock;
    int64_t test_ns;
    Log log;
    RamList rams;
    RAMBlock *ram, *rom;
    MemoryRegion system, ram_mr, rom_mr, device_mr;
    AddressSpace as;
    pthread_mutex_t lock;
    unsigned ram_written; /* calls of the address space's hook */
} Hart;

static inline int64_t hart_time(void *opaque) {
    return ((Hart *)opaque)->test_ns;
}
static inline uint64_t device_read(void *opaque, hwaddr offset, unsigned size) {
    (void)opaque, (void)offset, (void)size;
    return 0;
}
static inline void device_write(void *opaque, hwaddr offset, uint64_t value,
                                unsigned size) {
    (void)opaque, (void)offset, (void)value, (void)size;
}
static const MemoryRegionOps device_ops = {.read = device_read, .write = device_write};

static inline void hart_ram_written(void *opaque, RAMBlock *rb, uint64_t offset,
                                    uint64_t len) {
    ((Hart *)opaque)->ram_written++;
    ramblock_set_dirty(rb, offset, len, 1u << DIRTY_CODE);
}

/* What makes a hart count its instructions. */
typedef struct HartIcount {
    CpuIcountConfig cfg;
    InputGate *gate;
} HartIcount;

/* icount: NULL: time is test_ns. */
static inline Hart *hart_make(unsigned xlen, const char *model, const char *backend,
                              uint64_t tb_size, const MemoryRegionOps *ops,
                              void *ops_opaque, const HartIcount *icount) {
    Hart *h = calloc(1, sizeof(*h));
    Error *err = NULL;
    RiscvConfig cfg;
    assert_true(riscv_config_parse(&cfg, xlen, model, &err));
    log_init(&h->log);
    clock_init(&h->clock);
    h->clock.source = hart_time;
    h->clock.source_opaque = h;
    ram_list_init(&h->rams);
    memory_region_init(&h->system, "system", UINT64_MAX);
    address_space_init(&h->as, &h->system, "memory", &h->log);
    h->ram = ramblock_new(&h->rams, "ram", RAM_BYTES, RAM_ANONYMOUS, NULL, &err);
    h->rom = ramblock_new(&h->rams, "rom", ROM_SIZE, RAM_ANONYMOUS, NULL, &err);
    assert_non_null(h->ram);
    assert_non_null(h->rom);
    memory_region_init_ram(&h->ram_mr, h->ram, "ram", RAM_BYTES);
    memory_region_init_rom(&h->rom_mr, h->rom, "rom", ROM_SIZE);
    memory_region_init_io(&h->device_mr, ops, ops_opaque, "device", 0x1000);
    memory_region_add(&h->as, &h->system, RAM_BASE, &h->ram_mr, 0);
    memory_region_add(&h->as, &h->system, ROM_BASE, &h->rom_mr, 0);
    memory_region_add(&h->as, &h->system, DEVICE_BASE, &h->device_mr, 0);
    h->as.ram_written = hart_ram_written;
    h->as.ram_written_opaque = h;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&h->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    h->group = cpu_group_new(&h->as, &h->lock, false, backend, tb_size, &err);
    assert_non_null(h->group);
    if (icount) {
        cpu_group_set_icount(h->group, &icount->cfg, &h->clock, icount->gate);
    }
    h->cpu = riscv_cpu_new(&cfg, 3);
    h->cpu->reset_pc = RAM_BASE;
    cpu_group_add(h->group, &h->cpu->parent, &riscv_cpu_class, &h->log, &h->clock);
    assert_true(cpu_group_realize(h->group, &err));
    return h;
}

static inline Hart *hart_new_on(unsigned xlen, const char *model, const char *backend,
                                uint64_t tb_size) {
    return hart_make(xlen, model, backend, tb_size, &device_ops, NULL, NULL);
}

static inline Hart *hart_new(unsigned xlen, const char *model) {
    return hart_new_on(xlen, model, "interp", 0);
}

static inline void hart_free(Hart *h) {
    cpu_group_free(h->group);
    memory_region_del(&h->as, &h->ram_mr);
    memory_region_del(&h->as, &h->rom_mr);
    memory_region_del(&h->as, &h->device_mr);
    address_space_destroy(&h->as);
    memory_region_destroy(&h->ram_mr);
    memory_region_destroy(&h->rom_mr);
    memory_region_destroy(&h->device_mr);
    memory_region_destroy(&h->system);
    ram_list_destroy(&h->rams);
    pthread_mutex_destroy(&h->lock);
    log_destroy(&h->log);
    free(h);
}

static inline void hart_set_priv(Hart *h, unsigned priv) {
    h->cpu->env.priv = priv;
    riscv_update_flags(h->cpu);
}

/* All of memory for S and U. */
static inline void hart_open_pmp(Hart *h) {
    h->cpu->env.pmpaddr[15] = ~UINT64_C(0) >> 10;
    h->cpu->env.pmpcfg[15] = PMP_R | PMP_W | PMP_X | PMP_NAPOT << PMP_A_SHIFT;
    riscv_pmp_update(h->cpu);
}

/* A CSR access that must be legal. */
static inline uint64_t hart_read(Hart *h, unsigned csr) {
    uint64_t value = 0;
    if (!riscv_csr_read(h->cpu, csr, &value)) {
        fail_msg("read of CSR 0x%x is illegal", csr);
    }
    return value;
}
static inline void hart_write(Hart *h, unsigned csr, uint64_t value) {
    if (!riscv_csr_write(h->cpu, csr, value)) {
        fail_msg("write of CSR 0x%x is illegal", csr);
    }
}
static inline bool hart_may_read(Hart *h, unsigned csr) {
    uint64_t value;
    return riscv_csr_read(h->cpu, csr, &value);
}

/* xorshift64*; the seed is printed so that a failure can be repeated. */
static inline uint64_t random_seed(void) {
    const char *fixed = getenv("VITRINE_SEED");
    uint64_t seed = fixed ? strtoull(fixed, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;
    print_message("VITRINE_SEED=0x%llx\n", (unsigned long long)seed);
    return seed ? seed : 1;
}
static inline uint64_t random_next(uint64_t *s) {
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * UINT64_C(2685821657736338717);
}

#endif
