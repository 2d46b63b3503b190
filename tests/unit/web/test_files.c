/* SPDX-License-Identifier: MIT */
/* Names of files, and what a browser takes. What is served: tests/system/web.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "web/server_int.h"

static void only_plain_names_are_paths(void **state) {
    static const struct {
        const char *path;
        bool plain;
    } rows[] = {
        {"", true},
        {"index.html", true},
        {"lib/xterm.js", true},
        {"a-b_c.d/e", true},
        {"_x", true},
        {"..", false},
        {"../x", false},
        {"a/../b", false},
        {"a/..", false},
        {".", false},
        {".x", false},
        {"a/.x", false},
        {"/a", false},
        {"a//b", false},
        {"a/", false},
        {"a\\b", false},
        {"a b", false},
        {"a%2eb", false},
        {"\xc3\xa4.js", false},
        {"a\nb", false},
        {"-x", false},
        {"a/-x", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (web_path_is_plain(rows[i].path) != rows[i].plain) {
            fail_msg("'%s'", rows[i].path);
        }
    }
}

/* RFC 9110, 12.5.3; "*" is not gzip's name, and so not taken for it. */
static void gzip_is_sent_to_whom_takes_it(void **state) {
    static const struct {
        const char *list;
        bool takes;
    } rows[] = {
        {"gzip", true},
        {"deflate, gzip, br", true},
        {"br;q=1.0,gzip;q=0.8", true},
        {"GZip", true},
        {" \tgzip ;q=0.001", true},
        {"gzip;q=0", false},
        {"gzip; q=0.000, br", false},
        {"br, identity", false},
        {"xgzip", false},
        {"gzipx", false},
        {"", false},
        {",,;", false},
        {NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (web_takes_gzip(rows[i].list) != rows[i].takes) {
            fail_msg("'%s'", rows[i].list);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_plain_names_are_paths),
        cmocka_unit_test(gzip_is_sent_to_whom_takes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
