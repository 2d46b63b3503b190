/* SPDX-License-Identifier: MIT */
/* JSON out of a stream. What is an error, and its words, were recorded from QEMU 7.2's -qmp. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "monitor/qmp_stream.h"

typedef struct Got {
    char text[4096]; /* values compact, errors behind "!", each with ";" */
} Got;

static void note(void *opaque, json_t *value, const char *error) {
    Got *got = opaque;
    char *dump = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    size_t len = strlen(got->text);
    snprintf(got->text + len, sizeof(got->text) - len, "%s%s;", value ? "" : "!",
             value ? dump : error);
    free(dump);
    json_decref(value);
}

/* Pushes the bytes in pieces of `piece`. */
static const char *read_all(Got *got, const char *bytes, size_t len, size_t piece) {
    QmpStream qs;
    memset(got, 0, sizeof(*got));
    qmp_stream_init(&qs, note, got);
    for (size_t at = 0; at < len; at += piece) {
        qmp_stream_push(&qs, bytes + at, len - at < piece ? len - at : piece);
    }
    qmp_stream_destroy(&qs);
    return got->text;
}

static void expect(const char *bytes, const char *wanted) {
    Got got;
    for (size_t piece = 1; piece < 12; piece += 5) {
        assert_string_equal(read_all(&got, bytes, strlen(bytes), piece), wanted);
    }
}

static void values_come_in_any_pieces(void **state) {
    (void)state;
    expect("{\"a\":1}{\"b\" : [2, {\"c\":\"}\"}]}\r\n {}",
           "{\"a\":1};{\"b\":[2,{\"c\":\"}\"}]};{};");
    expect("{\"a\":\"\\\"}\\\\\"}", "{\"a\":\"\\\"}\\\\\"};");
    expect("{\"a\":", "");
}

static void single_quotes_are_quotes(void **state) {
    (void)state;
    expect("{'a':'x\"y'}", "{\"a\":\"x\\\"y\"};");
    expect("{'a':'it\\'s'}", "{\"a\":\"it's\"};");
}

static void values_that_are_no_object_are_delivered_too(void **state) {
    (void)state;
    expect("1 ", "1;");
    expect("\"x\"[]", "\"x\";[];");
    expect("true\n", "true;");
}

static void garbage_is_an_error_and_the_stream_goes_on(void **state) {
    (void)state;
    expect("}", "!JSON parse error, expecting value;");
    expect("]{}", "!JSON parse error, expecting value;{};");
    expect("foo {}", "!JSON parse error, invalid keyword 'foo';{};");
    expect("\\ {}", "!JSON parse error, stray '\\';{};");
    expect("@#$%\n{}", "!JSON parse error, stray '@';{};");
    expect("{\"execute\": }{}", "!JSON parse error, expecting value;{};");
    expect("{\"execute\":\"query-status\",}", "!JSON parse error, expecting value;");
    expect("{\"a\":tru }", "!JSON parse error, invalid keyword 'tru';");
    expect("{\"a\":\"x\ty\"}\n{}",
           "!JSON parse error, stray '\\x09';!JSON parse error, expecting value;{};");
}

static void a_byte_that_is_no_text_abandons_what_was_begun(void **state) {
    (void)state;
    expect("{\"a\":[\xff{\"b\":1}", "!JSON parse error, stray '\\xff';{\"b\":1};");
    expect("{\"a\":\"half\xfe{}", "!JSON parse error, stray '\\xfe';{};");
}

static void a_deep_value_is_refused_as_a_whole(void **state) {
    (void)state;
    enum { DEPTH = QMP_MAX_DEPTH + 10 };
    char text[2 * DEPTH + 8];
    Got got;
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    strcpy(text + 2 * DEPTH, "{}");
    assert_string_equal(read_all(&got, text, strlen(text), 100),
                        "!JSON nesting depth limit exceeded (1024);{};");
}

static void a_long_value_is_refused_as_a_whole(void **state) {
    (void)state;
    const size_t len = QMP_MAX_MESSAGE + 100;
    char *text = malloc(len + 64);
    Got got;
    assert_non_null(text);
    strcpy(text, "{\"a\":\"");
    memset(text + 6, 'x', len);
    strcpy(text + 6 + len, "\",\"b\":{\"execute\":\"quit\"}}{}");
    assert_string_equal(read_all(&got, text, strlen(text), 4096),
                        "!JSON token size limit exceeded (1 MiB a message);{};");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_in_any_pieces),
        cmocka_unit_test(single_quotes_are_quotes),
        cmocka_unit_test(values_that_are_no_object_are_delivered_too),
        cmocka_unit_test(garbage_is_an_error_and_the_stream_goes_on),
        cmocka_unit_test(a_byte_that_is_no_text_abandons_what_was_begun),
        cmocka_unit_test(a_deep_value_is_refused_as_a_whole),
        cmocka_unit_test(a_long_value_is_refused_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
