/* SPDX-License-Identifier: MIT */
/* KeyVal: QEMU's option syntax (its manual: commas doubled, first key implied, flags). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/keyval.h"

static void first_item_is_the_implied_key(void **state) {
    (void)state;
    KeyVal kv;
    assert_true(keyval_parse(&kv, "stdio,id=c0,mux=on", "backend", NULL));
    assert_int_equal(kv.count, 3);
    assert_string_equal(keyval_get(&kv, "backend"), "stdio");
    assert_string_equal(keyval_get(&kv, "id"), "c0");
    assert_string_equal(keyval_get(&kv, "mux"), "on");
    assert_null(keyval_get(&kv, "path"));
    keyval_free(&kv);
}

static void doubled_comma_is_a_comma(void **state) {
    (void)state;
    KeyVal kv;
    assert_true(keyval_parse(&kv, "file=a,,b,id=x", NULL, NULL));
    assert_string_equal(keyval_get(&kv, "file"), "a,b");
    assert_string_equal(keyval_get(&kv, "id"), "x");
    keyval_free(&kv);
}

static void flags_are_on_and_no_flags_off(void **state) {
    (void)state;
    KeyVal kv;
    bool server = false, wait = true;
    assert_true(keyval_parse(&kv, "socket,server,nowait", "backend", NULL));
    assert_true(keyval_get_bool(&kv, "server", &server, NULL));
    assert_true(keyval_get_bool(&kv, "wait", &wait, NULL));
    assert_true(server);
    assert_false(wait);
    keyval_free(&kv);
}

static void last_of_a_repeated_key_counts_and_all_can_be_had(void **state) {
    (void)state;
    KeyVal kv;
    assert_true(keyval_parse(&kv, "hostfwd=a,x=1,hostfwd=b", NULL, NULL));
    assert_string_equal(keyval_get(&kv, "hostfwd"), "b");
    assert_string_equal(keyval_get_nth(&kv, "hostfwd", 0), "a");
    assert_string_equal(keyval_get_nth(&kv, "hostfwd", 1), "b");
    assert_null(keyval_get_nth(&kv, "hostfwd", 2));
    keyval_free(&kv);
}

static void wrong_values_are_errors(void **state) {
    (void)state;
    KeyVal kv;
    bool b = true;
    uint64_t n = 7;
    Error *err = NULL;
    assert_true(keyval_parse(&kv, "mux=maybe,port=12x,big=99999999999999999999,neg=-1",
                             NULL, NULL));
    assert_false(keyval_get_bool(&kv, "mux", &b, &err));
    assert_non_null(strstr(error_message(err), "mux=maybe"));
    error_free(err);
    assert_false(keyval_get_u64(&kv, "port", &n, NULL));
    assert_false(keyval_get_u64(&kv, "big", &n, NULL));
    assert_false(keyval_get_u64(&kv, "neg", &n, NULL));
    assert_true(keyval_get_u64(&kv, "absent", &n, NULL));
    assert_int_equal(n, 7);
    keyval_free(&kv);
}

static void unknown_and_empty_keys_are_errors(void **state) {
    (void)state;
    KeyVal kv;
    Error *err = NULL;
    assert_true(keyval_parse(&kv, "a=1,abc=2", NULL, NULL));
    assert_true(keyval_check(&kv, "x abc a", "here", NULL));
    assert_false(keyval_check(&kv, "ab abcd a", "here", &err)); /* whole words only */
    assert_non_null(strstr(error_message(err), "'abc'"));
    error_free(err);
    keyval_free(&kv);
    assert_false(keyval_parse(&kv, "a=1,=2", NULL, NULL));
    keyval_free(&kv);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_item_is_the_implied_key),
        cmocka_unit_test(doubled_comma_is_a_comma),
        cmocka_unit_test(flags_are_on_and_no_flags_off),
        cmocka_unit_test(last_of_a_repeated_key_counts_and_all_can_be_had),
        cmocka_unit_test(wrong_values_are_errors),
        cmocka_unit_test(unknown_and_empty_keys_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
