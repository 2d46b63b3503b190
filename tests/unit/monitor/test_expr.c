/* SPDX-License-Identifier: MIT */
/* Expressions of the monitor. Values are those that QEMU 7.2's `print` gives for the same text,
 * or follow from 64-bit arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "monitor/expr.h"

static bool lookup(void *opaque, const char *name, int64_t *value) {
    (void)opaque;
    *value = 0x1000;
    return strcmp(name, "sp") == 0;
}

static int64_t value_of(const char *text) {
    int64_t value;
    Error *err = NULL;
    if (!expr_parse(&text, lookup, NULL, &value, &err)) {
        fail_msg("%s", error_message(err));
    }
    assert_string_equal(text, "");
    return value;
}

static void fails(const char *text, const char *message) {
    int64_t value;
    Error *err = NULL;
    assert_false(expr_parse(&text, lookup, NULL, &value, &err));
    assert_non_null(strstr(error_message(err), message));
    error_free(err);
}

static void operators_bind_as_in_qemu(void **state) {
    (void)state;
    assert_int_equal(value_of("1+2*3"), 7);
    assert_int_equal(value_of("(1+2)*3"), 9);
    assert_int_equal(value_of("07+0x10"), 23);
    assert_int_equal(value_of("1+3&2"), 3); /* & binds more than + there */
    assert_int_equal(value_of("10 % 4 - -1"), 3);
    assert_int_equal(value_of("~1"), -2);
    assert_int_equal(value_of("'A'+1"), 66);
    assert_int_equal(value_of("$sp - 8"), 0xff8);
}

static void values_wrap_around(void **state) {
    (void)state;
    assert_int_equal(value_of("0xffffffffffffffff + 2"), 1);
    assert_true(value_of("0x8000000000000000 / -1") == INT64_MIN);
    assert_int_equal(value_of("0x8000000000000000 % -1"), 0);
}

static void parsing_stops_behind_the_expression(void **state) {
    (void)state;
    const char *text = "4 + 4  rest";
    int64_t value;
    assert_true(expr_parse(&text, lookup, NULL, &value, NULL));
    assert_int_equal(value, 8);
    assert_string_equal(text, "rest");
}

static void mistakes_are_named(void **state) {
    (void)state;
    fails("", "unexpected end of expression");
    fails("(1", "')' expected");
    fails("5/0", "division by zero");
    fails("5%(1-1)", "division by zero");
    fails("$nix", "unknown register '$nix'");
    fails("%", "invalid char '%'");
    fails("0x10000000000000000", "number too large");
    fails("'A", "missing terminating");
}

static void depth_is_limited(void **state) {
    (void)state;
    char text[1000];
    memset(text, '(', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    fails(text, "nested");
    memset(text, '-', sizeof(text) - 1);
    fails(text, "nested");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_bind_as_in_qemu),
        cmocka_unit_test(values_wrap_around),
        cmocka_unit_test(parsing_stops_behind_the_expression),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(depth_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
