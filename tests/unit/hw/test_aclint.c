/* SPDX-License-Identifier: MIT */
/* ACLINT. Expected values: RISC-V ACLINT Specification 1.0-rc4; addresses: SiFive CLINT.
 */
#include "hw_fixture.h"

#include "hw/intc/aclint.h"

enum { SWI = 0x2000000, MTIMER = 0x2004000, MTIME = 0x200bff8, HARTS = 2, TICK = 100 };

typedef struct AclintTest {
    Fixture *f;
    Device *swi, *mtimer;
    int msip[HARTS], mtip[HARTS];
    unsigned jumps;
} AclintTest;

static void set_line(void *opaque, int n, int level) {
    ((int *)opaque)[n] = level;
}

static void time_jumped(void *opaque) {
    ((AclintTest *)opaque)->jumps++;
}

static int setup(void **state) {
    AclintTest *t = calloc(1, sizeof(*t));
    Error *err = NULL;
    t->f = fixture_new();
    t->swi = device_new(&t->f->m, device_class_find("riscv.aclint.swi"), NULL, &err);
    t->mtimer =
        device_new(&t->f->m, device_class_find("riscv.aclint.mtimer"), NULL, &err);
    for (int i = 0; i < HARTS; i++) {
        aclint_swi_connect(t->swi, (unsigned)i, (IrqLine){set_line, t->msip, i});
        aclint_mtimer_connect(t->mtimer, (unsigned)i, (IrqLine){set_line, t->mtip, i});
    }
    assert_true(device_realize(t->swi, &err) && device_realize(t->mtimer, &err));
    device_map(t->swi, SWI);
    device_map(t->mtimer, MTIMER);
    t->swi->cls->reset(t->swi);
    t->mtimer->cls->reset(t->mtimer);
    aclint_mtimer_on_time_change(t->mtimer, time_jumped, t);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    AclintTest *t = *state;
    fixture_free(t->f);
    free(t);
    return 0;
}

static void msip_bit_0_is_the_line_of_its_hart(void **state) {
    AclintTest *t = *state;
    wr(t->f, SWI + 4, 4, 0xffffffff);
    assert_int_equal(rd(t->f, SWI + 4, 4), 1);
    assert_int_equal(t->msip[1], 1);
    assert_int_equal(t->msip[0], 0);
    wr(t->f, SWI + 4, 4, 2);
    assert_int_equal(t->msip[1], 0);
}

static void mtime_counts_10_mhz(void **state) {
    AclintTest *t = *state;
    assert_int_equal(rd(t->f, MTIME, 8), 0);
    fixture_pass(t->f, 1000000000);
    assert_int_equal(rd(t->f, MTIME, 8), 10000000);
    assert_int_equal(aclint_mtimer_read_time(t->mtimer), 10000000);
}

static void mtip_is_high_while_mtime_has_reached_mtimecmp(void **state) {
    AclintTest *t = *state;
    wr(t->f, MTIMER + 8, 8, 50);
    fixture_pass(t->f, 49 * TICK + 99);
    assert_int_equal(t->mtip[1], 0);
    fixture_pass(t->f, 1);
    assert_int_equal(t->mtip[1], 1);
    assert_int_equal(t->mtip[0], 0);
    wr(t->f, MTIMER + 8, 8, 51);
    assert_int_equal(t->mtip[1], 0);
    wr(t->f, MTIMER + 8, 8, 50);
    assert_int_equal(t->mtip[1], 1);
}

static void mtimecmp_can_be_written_by_halves(void **state) {
    AclintTest *t = *state;
    wr(t->f, MTIMER, 4, 0xffffffff);
    wr(t->f, MTIMER + 4, 4, 1);
    wr(t->f, MTIMER, 4, 5);
    assert_int_equal(rd(t->f, MTIMER, 8), 0x100000005);
    assert_int_equal(rd(t->f, MTIMER + 4, 4), 1);
}

static void written_mtime_moves_deadlines(void **state) {
    AclintTest *t = *state;
    wr(t->f, MTIMER, 8, 1000);
    wr(t->f, MTIME, 8, 990);
    assert_int_equal(t->jumps, 1);
    assert_int_equal(t->mtip[0], 0);
    fixture_pass(t->f, 10 * TICK);
    assert_int_equal(t->mtip[0], 1);
    wr(t->f, MTIME, 4, 0);
    assert_int_equal(t->mtip[0], 0);
}

static void deadlines_beyond_the_end_of_time_are_harmless(void **state) {
    AclintTest *t = *state;
    wr(t->f, MTIMER, 8, UINT64_MAX);
    wr(t->f, MTIMER + 8, 8, INT64_MAX);
    assert_int_equal(clock_deadline_ns(&t->f->m.clock), -1);
    fixture_pass(t->f, INT64_C(1) << 60);
    assert_int_equal(t->mtip[0], 0);
    assert_int_equal(t->mtip[1], 0);
    /* mtime counts modulo 2^64: at its last value it has reached every mtimecmp, then
     * none but 0. */
    wr(t->f, MTIME, 8, UINT64_MAX);
    assert_int_equal(t->mtip[0], 1);
    assert_int_equal(t->mtip[1], 1);
}

static void harts_that_are_not_there_read_as_zero(void **state) {
    AclintTest *t = *state;
    wr(t->f, SWI + 4 * HARTS, 4, 1);
    wr(t->f, MTIMER + 8 * HARTS, 8, 1);
    assert_int_equal(rd(t->f, SWI + 4 * HARTS, 4), 0);
    assert_int_equal(rd(t->f, MTIMER + 8 * HARTS, 8), 0);
}

static void aclint_survives_scribbling(void **state) {
    AclintTest *t = *state;
    fixture_scribble(t->f, SWI, ACLINT_SWI_SIZE + ACLINT_MTIMER_SIZE, 50000);
    fixture_scribble(t->f, MTIMER, 0x20, 20000);
    fixture_scribble(t->f, MTIME, 8, 20000);
    t->mtimer->cls->reset(t->mtimer);
    assert_int_equal(rd(t->f, MTIME, 8), 0);
    assert_int_equal(t->mtip[0], 0);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(msip_bit_0_is_the_line_of_its_hart),
        T(mtime_counts_10_mhz),
        T(mtip_is_high_while_mtime_has_reached_mtimecmp),
        T(mtimecmp_can_be_written_by_halves),
        T(written_mtime_moves_deadlines),
        T(deadlines_beyond_the_end_of_time_are_harmless),
        T(harts_that_are_not_there_read_as_zero),
        T(aclint_survives_scribbling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
