/* SPDX-License-Identifier: MIT */
/* Machines virt with every device they can have, for tests of what is saved. Nothing runs unless the
 * test starts it. */
#ifndef VITRINE_TESTS_STATE_FIXTURE_H
#define VITRINE_TESTS_STATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cpu/riscv/cpu.h"
#include "hw/machine/machine.h"
#include "state/fields.h"
#include "state/hash.h"
#include "state/ram.h"
#include "state/snapshot.h"

enum { FIXTURE_DISK = 300 * 1024 + 512, FIXTURE_RAM = 4 << 20 };
#define FIXTURE_RAM_BASE UINT64_C(0x80000000)

typedef struct StateFixture {
    Log log;
    char dir[64], disk[96], rom[96], drive[200], rom_drive[200];
    MachineConfig config;
    uint64_t random;
} StateFixture;

static inline void fixture_file(const char *path, size_t size, uint8_t seed) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (size_t i = 0; i < size; i++) {
        fputc((int)(uint8_t)(i * 7 + i / 512 + seed), f);
    }
    fclose(f);
}

static inline int state_setup(void **state) {
    StateFixture *f = calloc(1, sizeof(*f));
    log_init(&f->log);
    f->random = 20260101;
    snprintf(f->dir, sizeof(f->dir), "/tmp/vitrine-state-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->disk, sizeof(f->disk), "%s/disk.img", f->dir);
    snprintf(f->rom, sizeof(f->rom), "%s/rom.img", f->dir);
    fixture_file(f->disk, FIXTURE_DISK, 1);
    fixture_file(f->rom, 64 * 512, 2);
    snprintf(f->drive, sizeof(f->drive), "file=%s,if=none,format=raw,id=d,snapshot=on",
             f->disk);
    snprintf(f->rom_drive, sizeof(f->rom_drive),
             "file=%s,if=none,format=raw,id=r,readonly=on", f->rom);
    f->config = (MachineConfig){
        .machine = "virt",
        .xlen = 64,
        .ram_size = FIXTURE_RAM,
        .cpus = 2,
        .accel = "tcg-interp",
        .bios = "none",
        .nodefaults = true,
        .display_none = true,
        .drives = {{f->drive, f->rom_drive}, 2},
        .devices = {{"virtio-blk-device,drive=d", "virtio-blk-device,drive=r",
                     "virtio-rng-device", "virtio-net-device,netdev=n",
                     "virtio-serial-device", "virtconsole,chardev=c"},
                    6},
        .netdevs = {{"user,id=n,restrict=on"}, 1},
        .chardevs = {{"null,id=c"}, 1},
        .serials = {{"null"}, 1},
        .globals = {{"virtio-mmio.force-legacy=false"}, 1},
    };
    *state = f;
    return 0;
}

static inline int state_teardown(void **state) {
    StateFixture *f = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
    log_destroy(&f->log);
    free(f);
    return 0;
}

static inline Machine *fixture_machine(StateFixture *f) {
    Error *err = NULL;
    Machine *m = machine_new(&f->config, &f->log, NULL, &err);
    if (!m) {
        fail_msg("%s", error_message(err));
    }
    return m;
}

static inline uint64_t fixture_random(StateFixture *f) {
    uint64_t z = f->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Stores all over the devices, RAM here and there, the disk's overlay, the registers. Not the test
 * finisher, and not the clock's far future. */
static inline void fixture_scribble(StateFixture *f, Machine *m) {
    static const struct {
        hwaddr base;
        uint32_t size;
    } window[] = {{0x101000, 0x24},         {0x2000000, 0x8},    {0x2004000, 0x10},
                  {0xc000000, 0x180},       {0xc002000, 0x200},  {0xc200000, 0x4000},
                  {0x10000000, 0x8},        {0x10001000, 0x100}, {0x10002000, 0x100},
                  {0x10003000, 0x100},      {0x10004000, 0x100}, {0x10005000, 0x100},
                  {0x10008000, 0x100},      {0x10100000, 0x18},  {0x22000000, 0x1000},
                  {0x80000000, FIXTURE_RAM}};
    machine_lock(m);
    for (unsigned i = 0; i < 4000; i++) {
        unsigned w = (unsigned)(fixture_random(f) % (sizeof(window) / sizeof(window[0])));
        unsigned size = 1u << fixture_random(f) % 4;
        hwaddr at = window[w].base + (fixture_random(f) % window[w].size & ~(uint64_t)7);
        at += size < 8 ? fixture_random(f) % (8 / size) * size : 0;
        uint64_t value;
        if (fixture_random(f) % 4) {
            address_space_store(&m->as, at, size, fixture_random(f));
        } else {
            address_space_load(&m->as, at, size, &value);
        }
    }
    for (unsigned i = 0; i < m->cpus->count; i++) {
        RiscvCPU *cpu = riscv_cpu(m->cpus->cpu[i]);
        for (unsigned r = 1; r < 32; r++) {
            cpu->env.gpr[r] = fixture_random(f);
            cpu->env.fpr[r] = fixture_random(f);
        }
        cpu->env.pc = FIXTURE_RAM_BASE + (fixture_random(f) & 0xffe);
        cpu->env.priv = PRV_S;
        riscv_csr_write(cpu, 0x141, fixture_random(f)); /* sepc */
        cpu->env.priv = PRV_M;
        cpu->env.mstatus |= UINT64_C(3) << 13;          /* FS */
        riscv_csr_write(cpu, 0x003, 0x21 + i);          /* fcsr: RTZ or RDN, NX */
        riscv_csr_write(cpu, 0x3b0, fixture_random(f)); /* pmpaddr0 */
        riscv_csr_write(cpu, 0x3a0, 0x0f);              /* pmpcfg0: TOR, RWX */
        riscv_csr_write(cpu, 0x14d, 1000 + i);          /* stimecmp */
        cpu->parent.tcg.reservation_addr = fixture_random(f);
        cpu->parent.halted = i == 1;
    }
    uint8_t sector[512];
    for (unsigned i = 0; i < 40; i++) {
        memset(sector, (int)i + 1, sizeof(sector));
        assert_int_equal(blk_write(m->drives[0].blk,
                                   fixture_random(f) % (FIXTURE_DISK / 512) * 512, sector,
                                   sizeof(sector)),
                         0);
    }
    machine_unlock(m);
}

static inline void fixture_hash(Machine *m, char hex[MACHINE_HASH_HEX]) {
    Error *err = NULL;
    if (!machine_hash(m, hex, &err)) {
        fail_msg("%s", error_message(err));
    }
}

static inline uint8_t *fixture_read(const char *path, size_t *size) {
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    fseek(in, 0, SEEK_END);
    *size = (size_t)ftell(in);
    rewind(in);
    uint8_t *data = malloc(*size + 1);
    assert_int_equal(fread(data, 1, *size, in), *size);
    fclose(in);
    return data;
}

#endif
