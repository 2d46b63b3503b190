/* SPDX-License-Identifier: MIT */
/* Log: -d, -D and -dfilter. The notation of ranges is that of QEMU's manual page,
 * -dfilter. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/log.h"

static void mask_is_the_union_of_the_items(void **state) {
    (void)state;
    Log log;
    log_init(&log);
    assert_true(log_set_mask(&log, "in_asm,guest_errors,op", NULL));
    assert_int_equal(log.mask, LOG_IN_ASM | LOG_GUEST_ERRORS | LOG_OP);
    assert_true(log_enabled(&log, LOG_OP));
    assert_false(log_enabled(&log, LOG_OP_OPT));
    assert_true(log_set_mask(&log, "exec", NULL)); /* the last -d counts */
    assert_int_equal(log.mask, LOG_EXEC);
    assert_true(log_set_mask(&log, "all", NULL));
    assert_true(log_enabled(&log, LOG_IN_ASM) && log_enabled(&log, LOG_NOCHAIN));
    log_destroy(&log);
}

static void unknown_item_is_named_and_changes_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {
        "op,nonsense,int", "nonsense", "op,", "", ",op", "o", "opt", "OP"};
    Log log;
    log_init(&log);
    log.mask = LOG_INT;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        Error *err = NULL;
        assert_false(log_set_mask(&log, bad[i], &err));
        assert_non_null(err);
        assert_int_equal(log.mask, LOG_INT);
        if (i < 2) {
            assert_non_null(strstr(error_message(err), "'nonsense'"));
        }
        error_free(err);
    }
    log_destroy(&log);
}

static void filter_of_nothing_passes_everything(void **state) {
    (void)state;
    Log log;
    log_init(&log);
    assert_true(log_in_filter(&log, 0));
    assert_true(log_in_filter(&log, UINT64_MAX));
    log_destroy(&log);
}

static void filter_passes_its_ranges_both_ends_included(void **state) {
    (void)state;
    Log log;
    log_init(&log);
    assert_true(
        log_set_filter(&log, "0x8000..0x8fff,0xffffffc000080000+0x200,a000-100", NULL));
    assert_int_equal(log.range_count, 3);
    static const struct {
        uint64_t addr;
        bool passes;
    } cases[] = {
        {0x7fff, false},
        {0x8000, true},
        {0x8fff, true},
        {0x9000, false},
        {0xffffffc00007ffff, false},
        {0xffffffc000080000, true},
        {0xffffffc0000801ff, true},
        {0xffffffc000080200, false},
        {0x9f00, false}, /* start-size ends at start: 9f01 to a000 */
        {0x9f01, true},
        {0xa000, true},
        {0xa001, false},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(log_in_filter(&log, cases[i].addr), cases[i].passes);
    }
    assert_true(
        log_set_filter(&log, "0..ffffffffffffffff", NULL)); /* replaces the former */
    assert_int_equal(log.range_count, 1);
    assert_true(log_in_filter(&log, UINT64_MAX));
    log_destroy(&log);
}

static void bad_filter_is_refused_and_changes_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "1000",
        "1000+",
        "+1000",
        "1000..",
        "1000.2000",
        "2000..1000",
        "1000+0",
        "0+0",
        "1000-0",
        "ffffffffffffffff-0",
        "ffffffffffffffff+2",
        "10-20",
        "1000+10,",
        ",1000+10",
        "1000+10 ",
        " 1000+10",
        "10000000000000000+1",
        "-5+1",
        "0x+1",
        "1000+10;2000+10",
        "g..h",
        "1000+10+10",
    };
    Log log;
    log_init(&log);
    assert_true(log_set_filter(&log, "42+1", NULL));
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        Error *err = NULL;
        if (log_set_filter(&log, bad[i], &err)) {
            fail_msg("'%s' was taken", bad[i]);
        }
        assert_non_null(err);
        error_free(err);
        assert_int_equal(log.range_count, 1);
        assert_true(log_in_filter(&log, 0x42));
    }
    log_destroy(&log);
}

static void help_names_every_item(void **state) {
    (void)state;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    log_help(out);
    fclose(out);
#define ROW(id, name, help) assert_non_null(strstr(text, name " "));
    LOG_CATEGORIES(ROW)
#undef ROW
    free(text);
}

static void messages_go_to_the_file_when_their_category_is_on(void **state) {
    (void)state;
    char path[] = "/tmp/vitrine-log-XXXXXX";
    close(mkstemp(path));
    Log log;
    log_init(&log);
    assert_true(log_set_file(&log, path, NULL));
    log.mask = LOG_INT;
    log_printf(&log, LOG_INT, "trap %d\n", 5);
    log_printf(&log, LOG_EXEC, "not this\n");
    log_destroy(&log);
    char text[64] = "";
    FILE *in = fopen(path, "r");
    assert_int_equal(fread(text, 1, sizeof(text) - 1, in), 7);
    assert_string_equal(text, "trap 5\n");
    fclose(in);
    unlink(path);
}

static void file_that_cannot_be_written_is_an_error(void **state) {
    (void)state;
    Log log;
    log_init(&log);
    Error *err = NULL;
    assert_false(log_set_file(&log, "/nonexistent/log", &err));
    assert_string_equal(error_message(err),
                        "-D /nonexistent/log: cannot write the log file: "
                        "No such file or directory");
    error_free(err);
    assert_null(log.file);
    log_destroy(&log);
}

enum { LINES = 2000 };

static void *log_lines(void *opaque) {
    for (int i = 0; i < LINES; i++) {
        log_printf(opaque, LOG_INT, "%s %d %s\n", "one line of", i, "one message");
    }
    return NULL;
}

static void messages_of_two_threads_do_not_mix(void **state) {
    (void)state;
    char path[] = "/tmp/vitrine-log-XXXXXX";
    close(mkstemp(path));
    Log log;
    log_init(&log);
    log.mask = LOG_INT;
    assert_true(log_set_file(&log, path, NULL));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, log_lines, &log), 0);
    log_lines(&log);
    pthread_join(thread, NULL);
    log_destroy(&log);
    unsigned lines = 0;
    char line[128];
    FILE *in = fopen(path, "r");
    while (fgets(line, sizeof(line), in) != NULL) {
        int number, end = 0;
        sscanf(line, "one line of %d one message%n", &number, &end);
        assert_int_equal(end, strlen(line) - 1);
        lines++;
    }
    assert_int_equal(lines, 2 * LINES);
    fclose(in);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mask_is_the_union_of_the_items),
        cmocka_unit_test(unknown_item_is_named_and_changes_nothing),
        cmocka_unit_test(filter_of_nothing_passes_everything),
        cmocka_unit_test(filter_passes_its_ranges_both_ends_included),
        cmocka_unit_test(bad_filter_is_refused_and_changes_nothing),
        cmocka_unit_test(help_names_every_item),
        cmocka_unit_test(messages_go_to_the_file_when_their_category_is_on),
        cmocka_unit_test(file_that_cannot_be_written_is_an_error),
        cmocka_unit_test(messages_of_two_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
