/* SPDX-License-Identifier: MIT */
/* The text of -web and -api. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "web/config.h"

static bool is_text(const char *got, const char *wanted) {
    return wanted ? got && strcmp(got, wanted) == 0 : got == NULL;
}

static void places_are_understood(void **state) {
    static const struct {
        const char *text, *address, *unix_path;
        uint16_t port;
        bool or_next;
    } rows[] = {
        {"8088", NULL, NULL, 8088, false},
        {"8088+", NULL, NULL, 8088, true},
        {"0", NULL, NULL, 0, false},
        {":80", NULL, NULL, 80, false},
        {"localhost:1", "localhost", NULL, 1, false},
        {"0.0.0.0:65535", "0.0.0.0", NULL, 65535, false},
        {"[::1]:9+", "::1", NULL, 9, true},
        {"unix:/tmp/x", NULL, "/tmp/x", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        WebConfig config;
        char *store;
        assert_true(web_config_parse(&config, "-web", rows[i].text, &store, NULL));
        assert_true(is_text(config.address, rows[i].address));
        assert_true(is_text(config.unix_path, rows[i].unix_path));
        assert_int_equal(config.port, rows[i].port);
        assert_int_equal(config.or_next, rows[i].or_next);
        free(store);
    }
}

static void words_are_understood(void **state) {
    WebConfig config;
    char *store;
    (void)state;
    assert_true(web_config_parse(&config, "-web",
                                 "1,token=a,viewer-token=b,base=/x/y,host=h,host=i,"
                                 "frame-ancestors=https://c",
                                 &store, NULL));
    assert_string_equal(config.token, "a");
    assert_string_equal(config.viewer_token, "b");
    assert_string_equal(config.base, "/x/y");
    assert_string_equal(config.frame_ancestors, "https://c");
    assert_int_equal(config.host_count, 2);
    assert_string_equal(config.host[1], "i");
    free(store);
}

static void mistakes_are_told_with_the_option(void **state) {
    static const struct {
        const char *option, *text;
    } rows[] = {
        {"-web", ""},           {"-web", "x"},          {"-web", "-1"},
        {"-web", "65536"},      {"-web", "80x"},        {"-web", "80+ "},
        {"-web", "+"},          {"-web", "::1"},        {"-web", "1,token"},
        {"-web", "1,token="},   {"-web", "1,colour=x"}, {"-web", "1,base=x"},
        {"-web", "1,base=/x/"}, {"-web", "1,base=/"},   {"-web", "1,base=/a;b"},
        {"-api", "1,base=/x"},  {"-api", "1,,"},        {"-api", "1,frame-ancestors=x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        WebConfig config;
        char *store;
        Error *err = NULL;
        if (web_config_parse(&config, rows[i].option, rows[i].text, &store, &err)) {
            fail_msg("'%s' was taken", rows[i].text);
        }
        assert_memory_equal(error_message(err), rows[i].option, strlen(rows[i].option));
        error_free(err);
        free(store);
    }
}

static void other_machines_need_a_token(void **state) {
    static const struct {
        const char *text;
        bool loopback;
    } rows[] = {{"1", true},           {"127.0.0.1:1", true}, {"127.9.9.9:1", true},
                {"[::1]:1", true},     {"localhost:1", true}, {"0.0.0.0:1", false},
                {"10.0.0.1:1", false}, {"[::]:1", false},     {"name.example:1", false}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        WebConfig config;
        char *store;
        assert_true(web_config_parse(&config, "-api", rows[i].text, &store, NULL));
        assert_true(web_config_check_reach(&config, true, NULL));
        assert_int_equal(web_config_check_reach(&config, false, NULL), rows[i].loopback);
        free(store);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_understood),
        cmocka_unit_test(words_are_understood),
        cmocka_unit_test(mistakes_are_told_with_the_option),
        cmocka_unit_test(other_machines_need_a_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
