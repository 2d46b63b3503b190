/* SPDX-License-Identifier: MIT */
/*
 * Watch points and devices: a small guest lets fw_cfg write to its memory by DMA, again and again. What
 * stops it, and where, follows from its listing and from QEMU's docs/specs/fw_cfg.rst: item 0 is "QEMU".
 */
#include "run_rig.h"

#include "cpu/riscv/cpu.h"

enum { CODE = 0x80000000, DESCRIPTOR = 0x80001000, BUFFER = 0x80001100, WAIT_MS = 10000 };
enum { COUNTER = DESCRIPTOR + 0x40, AFTER_START = CODE + 0x58, T3 = 28 };

static const uint32_t reader[] = {
    0xf14022f3, /* 00 csrr  t0, mhartid */
    0x00029063, /* 04 bnez  t0, 04 */
    0x000802b7, /* 08 lui   t0, 0x80 */
    0x0012829b, /* 0c addiw t0, t0, 1 */
    0x00c29293, /* 10 slli  t0, t0, 12 */
    0x101003b7, /* 14 lui   t2, 0x10100 */
    0x0103839b, /* 18 addiw t2, t2, 16: the DMA register */
    0x00100e9b, /* 1c li    t4, 1 */
    0x021e9e93, /* 20 slli  t4, t4, 33 */
    0x005e8e93, /* 24 addi  t4, t4, 5 */
    0x019e9e93, /* 28 slli  t4, t4, 25: select item 0 and read, 4 bytes */
    0x00002f37, /* 2c lui   t5, 2 */
    0x201f0f1b, /* 30 addiw t5, t5, 513 */
    0x027f1f13, /* 34 slli  t5, t5, 39: to BUFFER */
    0x00002fb7, /* 38 lui   t6, 2 */
    0x001f8f9b, /* 3c addiw t6, t6, 1 */
    0x027f9f93, /* 40 slli  t6, t6, 39: by DESCRIPTOR */
    0x001e0e13, /* 44 addi  t3, t3, 1 */
    0x05c2b023, /* 48 sd    t3, 64(t0) */
    0x01d2b023, /* 4c sd    t4, 0(t0) */
    0x01e2b423, /* 50 sd    t5, 8(t0) */
    0x01f3b023, /* 54 sd    t6, 0(t2) */
    0x001e0e13, /* 58 addi  t3, t3, 1 */
    0xfe9ff06f, /* 5c j     44 */
};

typedef struct Kind {
    const char *accel;
    unsigned cpus;
    bool multi, icount;
} Kind;

static const Kind kinds[] = {
    {"tcg", 1, true, false},         {"tcg-interp", 1, true, false},
    {"tcg", 4, true, false},         {"tcg", 4, false, false},
    {"tcg-interp", 4, false, false}, {"tcg", 1, true, true},
    {"tcg-interp", 1, true, true},   {"tcg", 4, true, true},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static Machine *begin(RunTest *t, RunThread *r, const Kind *k) {
    t->config.accel = k->accel;
    t->config.cpus = k->cpus;
    t->config.multi_thread = k->multi;
    t->config.icount = (CpuIcountConfig){.on = k->icount};
    t->config.start_stopped = true;
    Machine *m = run_make(t, reader, sizeof(reader));
    run_begin(r, m);
    return m;
}

static DebugStop go(Machine *m) {
    Error *err = NULL;
    if (!machine_cont(m, &err)) {
        fail_msg("%s", error_message(err));
    }
    assert_true(machine_wait_stopped(m, WAIT_MS));
    assert_int_equal(machine_run_state(m), RUN_DEBUG);
    return machine_debug_stop(m);
}

static void assert_by_device(const DebugStop *stop, hwaddr addr, unsigned size) {
    assert_int_equal(stop->reason, DEBUG_WATCH);
    assert_true(debug_stop_is_dma(stop));
    assert_string_equal(stop->dma.device, "fw_cfg_mmio.0");
    assert_int_equal(stop->dma.queue, -1);
    assert_int_equal(stop->address, addr);
    assert_int_equal(stop->phys, addr);
    assert_int_equal(stop->size, size);
    assert_int_equal(stop->insn_pc, 0);
    assert_int_equal(stop->cpu, 0);
    assert_int_equal(stop->pc, AFTER_START);
}

/* Each time round once, right behind the store that starts it. */
static void a_device_write_stops_behind_the_store_that_caused_it(void **state) {
    for (unsigned k = 0; k < KINDS; k++) {
        RunTest *t = *state;
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k]);
        unsigned id =
            machine_add_watch(m, DEBUG_OWNER_GDB, BUFFER + 1, 2, DEBUG_WRITE, NULL);
        for (unsigned n = 0; n < 4; n++) {
            DebugStop stop = go(m);
            assert_by_device(&stop, BUFFER + 1, 2);
            assert_int_equal(stop.point, id);
            assert_int_equal(stop.access, DEBUG_WRITE);
            assert_int_equal(stop.watching, DEBUG_WRITE);
            assert_string_equal(stop.dma.part, "buffer");
            assert_int_equal(stop.dma.addr, BUFFER);
            assert_int_equal(stop.dma.len, 4);
            assert_int_equal(stop.new_value, 'E' | 'M' << 8);
            assert_int_equal(riscv_cpu(m->cpus->cpu[0])->env.gpr[T3], 2 * n + 1);
        }
        machine_remove_points(m, DEBUG_OWNER_GDB);
        assert_false(m->as.dma_watched);
        run_end(&r);
    }
}

static void a_device_read_stops_who_watches_reads(void **state) {
    for (unsigned k = 0; k < KINDS; k++) {
        RunTest *t = *state;
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k]);
        machine_add_watch(m, DEBUG_OWNER_GDB, DESCRIPTOR + 8, 8, DEBUG_READ, NULL);
        machine_add_watch(m, DEBUG_OWNER_GDB, BUFFER, 4, DEBUG_READ, NULL);
        machine_add_watch(m, DEBUG_OWNER_GDB, BUFFER + 4, 4, DEBUG_ACCESS, NULL);
        DebugStop stop = go(m);
        assert_by_device(&stop, DESCRIPTOR + 8, 8);
        assert_int_equal(stop.access, DEBUG_READ);
        assert_string_equal(stop.dma.part, "descriptor");
        assert_int_equal(stop.old_value, stop.new_value);
        run_end(&r);
    }
}

static void physical_points_see_devices_and_harts(void **state) {
    for (unsigned k = 0; k < KINDS; k++) {
        RunTest *t = *state;
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k]);
        machine_add_phys_watch(m, DEBUG_OWNER_GDB, BUFFER, 4, DEBUG_WRITE, NULL);
        machine_add_phys_watch(m, DEBUG_OWNER_GDB, COUNTER, 8, DEBUG_WRITE, NULL);
        DebugStop stop = go(m);
        assert_false(debug_stop_is_dma(&stop));
        assert_int_equal(stop.phys, COUNTER);
        assert_int_equal(stop.insn_pc, CODE + 0x48);
        stop = go(m);
        assert_by_device(&stop, BUFFER, 4);
        run_end(&r);
    }
}

/* The stop of the watch point is no stop of the break point behind it. */
static void a_break_point_behind_it_stops_as_well(void **state) {
    for (unsigned k = 0; k < KINDS; k++) {
        RunTest *t = *state;
        RunThread r;
        Machine *m = begin(t, &r, &kinds[k]);
        machine_add_watch(m, DEBUG_OWNER_GDB, BUFFER, 4, DEBUG_WRITE, NULL);
        machine_add_break(m, DEBUG_OWNER_GDB, AFTER_START, NULL);
        for (unsigned n = 0; n < 3; n++) {
            DebugStop stop = go(m);
            assert_by_device(&stop, BUFFER, 4);
            stop = go(m);
            assert_int_equal(stop.reason, DEBUG_BREAK);
            assert_int_equal(stop.pc, AFTER_START);
        }
        run_end(&r);
    }
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)
    const struct CMUnitTest tests[] = {
        T(a_device_write_stops_behind_the_store_that_caused_it),
        T(a_device_read_stops_who_watches_reads),
        T(physical_points_see_devices_and_harts),
        T(a_break_point_behind_it_stops_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
