/* SPDX-License-Identifier: MIT */
/* Who gets in, and who does not: tokens, cookies, hosts, origins, guessing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    const AuthRequest request = {
        .host = host, .origin = origin, .cookie = cookie, .authorization = bearer};
    return auth_check(auth, &request, 0, why);
}

/* From an address; NULL: a unix socket. */
static AuthRole login(Auth *auth, const char *peer, const char *token, int64_t now_ms,
                      char cookie[128], AuthRefusal *why) {
    return auth_login(auth, &(AuthRequest){.peer = peer}, token, now_ms, cookie, 128,
                      why);
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
    assert_int_equal(login(auth, NULL, VIEWER, 0, cookie, &why), AUTH_VIEWER);
    assert_int_equal(login(auth, NULL, OPERATOR, 0, other, &why), AUTH_OPERATOR);
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

static void guess(Auth *auth, const char *peer, int64_t now_ms, AuthRefusal wanted) {
    AuthRefusal why;
    char cookie[128];
    assert_int_equal(login(auth, peer, "wrong", now_ms, cookie, &why), AUTH_NOBODY);
    assert_int_equal(why, wanted);
}

static void who_guesses_is_told_so_after_a_few_tries_a_minute(void **state) {
    (void)state;
    Auth *auth = make();
    for (unsigned i = 0; i < AUTH_TRIES_PER_MINUTE; i++) {
        guess(auth, "127.0.0.1", 100, AUTH_BAD_TOKEN);
    }
    guess(auth, "127.0.0.1", 200, AUTH_TOO_MANY_TRIES);
    guess(auth, "127.0.0.1", 60000, AUTH_TOO_MANY_TRIES);
    guess(auth, "127.0.0.1", 60100, AUTH_BAD_TOKEN);
    auth_free(auth);
}

static void a_right_token_gets_in_however_many_were_wrong(void **state) {
    (void)state;
    static const char *const peers[] = {"127.0.0.1", NULL, "2001:db8::1"};
    for (unsigned p = 0; p < 3; p++) {
        Auth *auth = make();
        AuthRefusal why;
        char cookie[128];
        for (unsigned i = 0; i < 3 * AUTH_TRIES_PER_MINUTE; i++) {
            login(auth, peers[p], "wrong", 100, cookie, &why);
        }
        assert_int_equal(login(auth, peers[p], VIEWER, 200, cookie, &why), AUTH_VIEWER);
        assert_int_equal(why, AUTH_OK);
        const AuthRequest request = {
            .host = "localhost", .authorization = "Bearer " OPERATOR, .peer = peers[p]};
        assert_int_equal(auth_check(auth, &request, 200, &why), AUTH_OPERATOR);
        auth_free(auth);
    }
}

static void who_guesses_elsewhere_is_another(void **state) {
    (void)state;
    static const struct {
        const char *one, *other;
        bool same;
    } row[] = {
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"2001:db8:0:1::1", "2001:db8:0:1:ffff::9", true}, /* a network is one user's */
        {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
        {NULL, "127.0.0.1", false},
        {"::1", "127.0.0.1", false},
    };
    for (unsigned r = 0; r < sizeof(row) / sizeof(row[0]); r++) {
        Auth *auth = make();
        for (unsigned i = 0; i < AUTH_TRIES_PER_MINUTE; i++) {
            guess(auth, row[r].one, 100, AUTH_BAD_TOKEN);
        }
        guess(auth, row[r].one, 100, AUTH_TOO_MANY_TRIES);
        guess(auth, row[r].other, 100,
              row[r].same ? AUTH_TOO_MANY_TRIES : AUTH_BAD_TOKEN);
        auth_free(auth);
    }
}

static void more_guessers_than_are_remembered_do_no_harm(void **state) {
    (void)state;
    Auth *auth = make();
    for (unsigned i = 0; i < 10 * AUTH_MAX_SOURCES; i++) {
        char peer[32];
        snprintf(peer, sizeof(peer), "10.0.%u.%u", i / 256, i % 256);
        guess(auth, peer, 100 + i, AUTH_BAD_TOKEN);
    }
    assert_int_equal(ask(auth, "localhost", NULL, NULL, "Bearer " OPERATOR, NULL),
                     AUTH_OPERATOR);
    auth_free(auth);
}

static void the_session_used_longest_ago_makes_room(void **state) {
    (void)state;
    Auth *auth = make();
    char first[128], second[128], more[128];
    login(auth, NULL, OPERATOR, 0, first, NULL);
    login(auth, NULL, OPERATOR, 0, second, NULL);
    assert_int_equal(ask(auth, "localhost", NULL, first, NULL, NULL), AUTH_OPERATOR);
    for (unsigned i = 2; i < AUTH_MAX_SESSIONS + 1; i++) {
        login(auth, NULL, OPERATOR, 0, more, NULL);
    }
    assert_int_equal(ask(auth, "localhost", NULL, first, NULL, NULL), AUTH_OPERATOR);
    assert_int_equal(ask(auth, "localhost", NULL, second, NULL, NULL), AUTH_NOBODY);
    auth_free(auth);
}

static void a_viewer_ends_no_session_of_an_operator(void **state) {
    (void)state;
    Auth *auth = make();
    char operator[128], viewer[128];
    login(auth, NULL, OPERATOR, 0, operator, NULL);
    for (unsigned i = 0; i < 3 * AUTH_MAX_SESSIONS; i++) {
        login(auth, NULL, VIEWER, 0, viewer, NULL);
    }
    assert_int_equal(ask(auth, "localhost", NULL, operator, NULL, NULL), AUTH_OPERATOR);
    assert_int_equal(ask(auth, "localhost", NULL, viewer, NULL, NULL), AUTH_VIEWER);
    auth_free(auth);
}

static void refusals_without_end_are_not_logged_without_end(void **state) {
    (void)state;
    Auth *auth = make();
    Log log;
    char path[] = "/tmp/test_auth-XXXXXX", line[256];
    int fd = mkstemp(path);
    unsigned lines = 0;
    bool told = false;
    assert_true(fd >= 0);
    log_init(&log);
    assert_true(log_set_file(&log, path, NULL) && log_set_mask(&log, "web", NULL));
    for (unsigned i = 0; i < 10 * AUTH_LOGGED_PER_MINUTE; i++) {
        auth_log_refusal(auth, &log, 100, "-web", "127.0.0.1", "no");
    }
    log_destroy(&log);
    FILE *f = fdopen(fd, "r");
    while (fgets(line, sizeof(line), f)) {
        lines++;
        told = strstr(line, "is not logged") != NULL;
    }
    fclose(f);
    unlink(path);
    assert_int_equal(lines, AUTH_LOGGED_PER_MINUTE);
    assert_true(told); /* the last line */
    auth_free(auth);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_tokens_are_long_and_differ),
        cmocka_unit_test(poor_tokens_are_refused),
        cmocka_unit_test(a_token_gives_its_role),
        cmocka_unit_test(a_cookie_stands_for_its_session_until_logout),
        cmocka_unit_test(foreign_hosts_and_origins_are_refused_with_the_right_token),
        cmocka_unit_test(who_guesses_is_told_so_after_a_few_tries_a_minute),
        cmocka_unit_test(a_right_token_gets_in_however_many_were_wrong),
        cmocka_unit_test(who_guesses_elsewhere_is_another),
        cmocka_unit_test(more_guessers_than_are_remembered_do_no_harm),
        cmocka_unit_test(the_session_used_longest_ago_makes_room),
        cmocka_unit_test(a_viewer_ends_no_session_of_an_operator),
        cmocka_unit_test(refusals_without_end_are_not_logged_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
