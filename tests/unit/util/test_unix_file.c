/* SPDX-License-Identifier: MIT */
/* Whose socket file may be taken away, and whose not. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/unix_file.h"

typedef struct Place {
    char dir[64], path[96];
} Place;

static int setup(void **state) {
    Place *p = calloc(1, sizeof(*p));
    strcpy(p->dir, "/tmp/test_unix_file-XXXXXX");
    if (!mkdtemp(p->dir)) {
        return -1;
    }
    snprintf(p->path, sizeof(p->path), "%s/socket", p->dir);
    *state = p;
    return 0;
}

static int teardown(void **state) {
    Place *p = *state;
    unlink(p->path);
    rmdir(p->dir);
    free(p);
    return 0;
}

static int bind_socket(const char *path, int backlog) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(at.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static bool exists(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

static void check_refused(const char *path, const char *text) {
    Error *err = NULL;
    assert_false(unix_file_clear(path, &err));
    assert_non_null(strstr(error_message(err), text));
    error_free(err);
    assert_true(exists(path));
}

static void one_that_was_left_behind_is_taken_over(void **state) {
    const Place *p = *state;
    assert_true(unix_file_clear(p->path, NULL)); /* there is none */
    close(bind_socket(p->path, 1));
    assert_true(exists(p->path));
    assert_true(unix_file_clear(p->path, NULL));
    assert_false(exists(p->path));
}

static void a_live_one_stays_even_if_its_queue_is_full(void **state) {
    const Place *p = *state;
    int fd = bind_socket(p->path, 0), client[8];
    check_refused(p->path, "somebody listens");
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, p->path);
    for (unsigned i = 0; i < 8; i++) {
        client[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int rc = connect(client[i], (struct sockaddr *)&at, sizeof(at));
        (void)rc; /* the later ones wait */
    }
    check_refused(p->path, "somebody listens");
    for (unsigned i = 0; i < 8; i++) {
        close(client[i]);
    }
    close(fd);
}

static void what_is_no_socket_stays(void **state) {
    const Place *p = *state;
    close(open(p->path, O_CREAT | O_WRONLY, 0600));
    check_refused(p->path, "no socket");
    unlink(p->path);
    assert_int_equal(symlink("/dev/null", p->path), 0);
    check_refused(p->path, "no socket");
}

static void a_path_that_is_too_long_is_refused(void **state) {
    (void)state;
    char path[200];
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    Error *err = NULL;
    assert_false(unix_file_clear(path, &err));
    assert_non_null(strstr(error_message(err), "bytes"));
    error_free(err);
    assert_false(unix_file_clear("", NULL));
}

static void ones_own_is_removed_and_a_successors_is_not(void **state) {
    const Place *p = *state;
    UnixFile mine = {0}, again = {0};
    struct stat st;
    int fd = bind_socket(p->path, 1);
    assert_true(unix_file_keep(&mine, p->path, NULL));
    assert_int_equal(lstat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(p->path);
    int other = bind_socket(p->path, 1);
    unix_file_remove(&mine);
    assert_true(exists(p->path));
    assert_true(unix_file_keep(&again, p->path, NULL));
    unix_file_remove(&again);
    assert_false(exists(p->path));
    unix_file_remove(&again); /* does nothing */
    close(fd);
    close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_was_left_behind_is_taken_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_live_one_stays_even_if_its_queue_is_full, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_no_socket_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_path_that_is_too_long_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ones_own_is_removed_and_a_successors_is_not,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
