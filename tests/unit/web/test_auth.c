/* SPDX-License-Identifier: MIT */
/* Who gets in, and who does not: tokens, cookies, hosts, origins, guessing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "web/auth.h"

#define OPERATOR "operator-operator-1"
#define VIEWER   "viewer-viewer-viewer"

static Auth *make(void) {
    const AuthConfig config = {.token = OPERATOR,
                               .viewer_token = VIEWER,
                               .port = 8088,
                               .host = {"lab.example"},
                               .host_count = 1};
    Auth *auth = auth_new(&config, NULL);
    assert_non_null(auth);
    return auth;
}

static AuthRole ask(Auth *auth, const char *host, const char *origin, const char *cookie,
                    const char *bearer, AuthRefusal *why) {
    const AuthRequest request = {host, origin, cookie, bearer};
    return auth_check(auth, &request, 0, why);
}

static void made_tokens_are_long_and_differ(void **state) {
    (void)state;
    const AuthConfig config = {.port = 1};
    Auth *a = auth_new(&config, NULL), *b = auth_new(&config, NULL);
    assert_int_equal(strlen(auth_token(a)), 64);
    assert_string_not_equal(auth_token(a), auth_token(b));
    auth_free(a);
    auth_free(b);
}

static void poor_tokens_are_refused(void **state) {
    (void)state;
    static const AuthConfig poor[] = {
        {.token = "short"},
        {.token = "has a space in it, and commas"},
        {.token = OPERATOR, .viewer_token = "short"},
        {.token = OPERATOR, .viewer_token = OPERATOR},
    };
    for (unsigned i = 0; i < sizeof(poor) / sizeof(poor[0]); i++) {
        Error *err = NULL;
        assert_null(auth_new(&poor[i], &err));
        assert_non_null(strstr(error_message(err), "token="));
        error_free(err);
    }
}

static void a_token_gives_its_role(void **state) {
    (void)state;
    Auth *auth = make();
    AuthRefusal why;
    const char *h = "127.0.0.1:8088";
    assert_int_equal(ask(auth, h, NULL, NULL, "Bearer " OPERATOR, &why), AUTH_OPERATOR);
    assert_int_equal(ask(auth, h, NULL, NULL, "bearer " VIEWER, &why), AUTH_VIEWER);
    assert_int_equal(ask(auth, h, NULL, NULL, NULL, &why), AUTH_NOBODY);
    assert_int_equal(why, AUTH_NO_TOKEN);
    static const char *const wrong[] = {
        "Bearer " OPERATOR "x",
        "Bearer operator-operator-",
        "Bearer ",
        "Bearer",
        "Basic " OPERATOR,
        OPERATOR,
    };
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(ask(auth, h, NULL, NULL, wrong[i], &why), AUTH_NOBODY);
    }
    auth_free(auth);
}

static void a_cookie_stands_for_its_session_until_logout(void **state) {
    (void)state;
    Auth *auth = make();
    AuthRefusal why;
    char cookie[128], other[128], header[400];
    assert_int_equal(auth_login(auth, VIEWER, 0, cookie, sizeof(cookie), &why),
                     AUTH_VIEWER);
    assert_int_equal(auth_login(auth, OPERATOR, 0, other, sizeof(other), &why),
                     AUTH_OPERATOR);
    assert_null(strstr(other, OPERATOR));
    snprintf(header, sizeof(header), "theme=dark; %s; x-vitrine-8088=1", cookie);
    assert_int_equal(
        ask(auth, "localhost:8088", "http://localhost:8088", header, NULL, &why),
        AUTH_VIEWER);
    auth_logout(auth, header);
    assert_int_equal(ask(auth, "localhost:8088", NULL, header, NULL, &why), AUTH_NOBODY);
    assert_int_equal(ask(auth, "localhost:8088", NULL, other, NULL, &why), AUTH_OPERATOR);
    other[strlen(other) - 1] ^= 1;
    assert_int_equal(ask(auth, "localhost:8088", NULL, other, NULL, &why), AUTH_NOBODY);
    assert_int_equal(ask(auth, "localhost:8088", NULL, "vitrine-8088=", NULL, &why),
                     AUTH_NOBODY);
    auth_free(auth);
}

static void foreign_hosts_and_origins_are_refused_with_the_right_token(void **state) {
    (void)state;
    Auth *auth = make();
    static const struct {
        const char *host, *origin;
        AuthRefusal why;
    } row[] = {
        {"127.0.0.1:8088", NULL, AUTH_OK},
        {"[::1]:8088", "http://[::1]:8088", AUTH_OK},
        {"LAB.example", "https://lab.example", AUTH_OK},
        {NULL, NULL, AUTH_BAD_HOST},
        {"", NULL, AUTH_BAD_HOST},
        {"evil.example:8088", NULL, AUTH_BAD_HOST},
        {"127.0.0.1.evil.example", NULL, AUTH_BAD_HOST},
        {"[::1]evil.example", NULL, AUTH_BAD_HOST},
        {"[::1", NULL, AUTH_BAD_HOST},
        {"127.0.0.1:8088", "http://evil.example", AUTH_BAD_ORIGIN},
        {"127.0.0.1:8088", "http://127.0.0.1:9000", AUTH_BAD_ORIGIN},
        {"127.0.0.1:8088", "http://127.0.0.1:8088.evil.example", AUTH_BAD_ORIGIN},
        {"127.0.0.1:8088", "null", AUTH_BAD_ORIGIN},
        {"127.0.0.1:8088", "", AUTH_BAD_ORIGIN},
        {"127.0.0.1:8088", "file://127.0.0.1:8088", AUTH_BAD_ORIGIN},
    };
    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        AuthRefusal why;
        AuthRole role =
            ask(auth, row[i].host, row[i].origin, NULL, "Bearer " OPERATOR, &why);
        if (why != row[i].why) {
            fail_msg("row %u: %s", i, auth_refusal_text(why));
        }
        assert_int_equal(role, row[i].why == AUTH_OK ? AUTH_OPERATOR : AUTH_NOBODY);
    }
    auth_free(auth);
}

static void guessing_ends_after_a_few_tries_a_minute(void **state) {
    (void)state;
    Auth *auth = make();
    AuthRefusal why;
    char cookie[128];
    for (unsigned i = 0; i < AUTH_TRIES_PER_MINUTE; i++) {
        assert_int_equal(auth_login(auth, "wrong", 100, cookie, sizeof(cookie), &why),
                         AUTH_NOBODY);
        assert_int_equal(why, AUTH_BAD_TOKEN);
    }
    assert_int_equal(auth_login(auth, OPERATOR, 200, cookie, sizeof(cookie), &why),
                     AUTH_NOBODY);
    assert_int_equal(why, AUTH_TOO_MANY_TRIES);
    assert_int_equal(auth_login(auth, OPERATOR, 61000, cookie, sizeof(cookie), &why),
                     AUTH_OPERATOR);
    auth_free(auth);
}

static void the_session_used_longest_ago_makes_room(void **state) {
    (void)state;
    Auth *auth = make();
    char first[128], second[128], more[128];
    auth_login(auth, OPERATOR, 0, first, sizeof(first), NULL);
    auth_login(auth, OPERATOR, 0, second, sizeof(second), NULL);
    assert_int_equal(ask(auth, "localhost", NULL, first, NULL, NULL), AUTH_OPERATOR);
    for (unsigned i = 2; i < AUTH_MAX_SESSIONS + 1; i++) {
        auth_login(auth, VIEWER, 0, more, sizeof(more), NULL);
    }
    assert_int_equal(ask(auth, "localhost", NULL, first, NULL, NULL), AUTH_OPERATOR);
    assert_int_equal(ask(auth, "localhost", NULL, second, NULL, NULL), AUTH_NOBODY);
    auth_free(auth);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_tokens_are_long_and_differ),
        cmocka_unit_test(poor_tokens_are_refused),
        cmocka_unit_test(a_token_gives_its_role),
        cmocka_unit_test(a_cookie_stands_for_its_session_until_logout),
        cmocka_unit_test(foreign_hosts_and_origins_are_refused_with_the_right_token),
        cmocka_unit_test(guessing_ends_after_a_few_tries_a_minute),
        cmocka_unit_test(the_session_used_longest_ago_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
