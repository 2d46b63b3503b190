/* SPDX-License-Identifier: MIT */
/* Test finisher. Expected values: what QEMU 7.2 does with the same writes, except where
 * said. */
#include "hw_fixture.h"

enum { FINISHER = 0x100000 };

static int setup(void **state) {
    Fixture *f = fixture_new();
    fixture_device(f, "riscv.sifive.test", FINISHER);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture_free(*state);
    return 0;
}

static void expect(Fixture *f, ShutdownCause cause, int status) {
    assert_int_equal(f->m.shutdown_requested & 0xff, cause);
    assert_int_equal(f->m.shutdown_requested >> 8, status);
}

static void pass_ends_with_status_0(void **state) {
    wr(*state, FINISHER, 4, 0x5555);
    expect(*state, SHUTDOWN_GUEST, 0);
}

static void fail_ends_with_its_code(void **state) {
    wr(*state, FINISHER, 4, 0x3333 | 7 << 16);
    expect(*state, SHUTDOWN_GUEST_ERROR, 7);
}

/* Ours, not QEMU's: a failure is never status 0. */
static void fail_with_code_0_still_fails(void **state) {
    wr(*state, FINISHER, 4, 0x3333);
    expect(*state, SHUTDOWN_GUEST_ERROR, 1);
}

static void reset_asks_for_a_reset(void **state) {
    Fixture *f = *state;
    wr(f, FINISHER, 4, 0x7777);
    assert_true(f->m.reset_requested);
    expect(f, SHUTDOWN_NONE, 0);
}

static void first_result_counts(void **state) {
    wr(*state, FINISHER, 4, 0x3333 | 9 << 16);
    wr(*state, FINISHER, 4, 0x5555);
    expect(*state, SHUTDOWN_GUEST_ERROR, 9);
}

static void half_words_are_taken(void **state) {
    wr(*state, FINISHER, 2, 0x5555);
    expect(*state, SHUTDOWN_GUEST, 0);
}

static void other_values_and_places_do_nothing(void **state) {
    Fixture *f = *state;
    wr(f, FINISHER, 4, 0x1234);
    wr(f, FINISHER + 4, 4, 0x5555);
    assert_int_equal(rd(f, FINISHER, 4), 0);
    assert_false(f->m.reset_requested);
    expect(f, SHUTDOWN_NONE, 0);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(pass_ends_with_status_0),
        T(fail_ends_with_its_code),
        T(fail_with_code_0_still_fails),
        T(reset_asks_for_a_reset),
        T(first_result_counts),
        T(half_words_are_taken),
        T(other_values_and_places_do_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
