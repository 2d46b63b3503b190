/* SPDX-License-Identifier: MIT */
/* Error: the message, and who owns it when. asan proves that nothing leaks or is freed
 * twice. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/error.h"

static void expect(Error *err, const char *message) {
    assert_non_null(err);
    assert_string_equal(error_message(err), message);
    error_free(err);
}

static void error_holds_the_formatted_message(void **state) {
    (void)state;
    Error *err = NULL;
    error_set(&err, "cannot open '%s': line %d", "x.img", 7);
    expect(err, "cannot open 'x.img': line 7");
}

static void error_errno_appends_the_reason(void **state) {
    (void)state;
    Error *err = NULL;
    error_set_errno(&err, ENOENT, "cannot open '%s'", "x.img");
    expect(err, "cannot open 'x.img': No such file or directory");
}

static void errors_without_a_taker_are_dropped(void **state) {
    (void)state;
    error_set(NULL, "%d", 1);
    error_set_errno(NULL, EIO, "%d", 1);
    error_prepend(NULL, "%d", 1);
    error_append(NULL, "%d", 1);
    Error *local = NULL;
    error_set(&local, "dropped");
    error_propagate(NULL, local);
    error_propagate(NULL, NULL);
    error_free(NULL);
}

static void prepend_and_append_go_around_the_message(void **state) {
    (void)state;
    Error *err = NULL;
    error_prepend(&err, "nothing to prepend to");
    error_append(&err, "nothing to append to");
    assert_null(err);
    error_set(&err, "middle %%d");
    error_prepend(&err, "%s: ", "before %s");
    error_append(&err, "; %s", "after %n");
    expect(err, "before %s: middle %d; after %n");
}

static void propagate_moves_the_error(void **state) {
    (void)state;
    Error *err = NULL, *local = NULL;
    error_propagate(&err, NULL);
    assert_null(err);
    error_set(&local, "inner");
    error_propagate(&err, local);
    assert_ptr_equal(err, local);
    error_propagate(&err, NULL); /* does not take it back */
    expect(err, "inner");
}

static void long_messages_are_kept_whole(void **state) {
    (void)state;
    static char path[100001];
    memset(path, 'p', 100000);
    Error *err = NULL;
    error_set(&err, "<%s", path);
    error_append(&err, ">");
    assert_int_equal(strlen(error_message(err)), 100002);
    assert_int_equal(error_message(err)[100001], '>');
    error_free(err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_holds_the_formatted_message),
        cmocka_unit_test(error_errno_appends_the_reason),
        cmocka_unit_test(errors_without_a_taker_are_dropped),
        cmocka_unit_test(prepend_and_append_go_around_the_message),
        cmocka_unit_test(propagate_moves_the_error),
        cmocka_unit_test(long_messages_are_kept_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
