/* SPDX-License-Identifier: MIT */
/* Chardevs on real files, sockets and pseudo-terminals; stdio in a child process of
 * its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/chardev.h"

typedef struct Rig {
    MainLoop *loop;
    Clock clock;
    unsigned room; /* what the front end takes now */
    char got[8192];
    unsigned got_len;
    char events[64]; /* digits, a CharEvent each */
    unsigned event_count;
    unsigned quits, switches;
    char dir[32], path[64];
} Rig;

static void no_lock(void *opaque) {
    (void)opaque;
}

static unsigned fe_can_receive(void *opaque) {
    return ((Rig *)opaque)->room;
}

static void fe_receive(void *opaque, const uint8_t *buf, unsigned len) {
    Rig *r = opaque;
    assert_true(len <= r->room);
    r->room -= len;
    memcpy(r->got + r->got_len, buf, len);
    r->got_len += len;
}

static void fe_event(void *opaque, int event) {
    Rig *r = opaque;
    r->events[r->event_count++ % (sizeof(r->events) - 1)] = (char)('0' + event);
}

static void key_quit(void *opaque) {
    ((Rig *)opaque)->quits++;
}

static void key_switch(void *opaque) {
    ((Rig *)opaque)->switches++;
}

static int rig_setup(void **state) {
    Rig *r = calloc(1, sizeof(*r));
    clock_init(&r->clock);
    r->loop = loop_new(&r->clock, no_lock, no_lock, NULL, NULL);
    r->room = 4096;
    strcpy(r->dir, "/tmp/test-chardev-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->path, sizeof(r->path), "%s/line", r->dir);
    *state = r;
    return 0;
}

static int rig_teardown(void **state) {
    Rig *r = *state;
    loop_free(r->loop);
    unlink(r->path);
    assert_int_equal(rmdir(r->dir), 0);
    free(r);
    return 0;
}

static const CharFrontend *frontend(Rig *r, CharFrontend *fe) {
    *fe = (CharFrontend){.can_receive = fe_can_receive,
                         .receive = fe_receive,
                         .event = fe_event,
                         .opaque = r};
    return fe;
}

static Chardev *open_line(Rig *r, const char *spec) {
    Error *err = NULL;
    CharEscapes escapes = {key_quit, key_switch, r};
    CharFrontend fe;
    Chardev *chr = chardev_new(r->loop, spec, &escapes, &err);
    if (chr == NULL) {
        print_error("%s\n", error_message(err));
    }
    assert_non_null(chr);
    assert_true(chardev_attach(chr, frontend(r, &fe)));
    return chr;
}

static void expect_error(Rig *r, const char *spec, const char *a, const char *b) {
    Error *err = NULL;
    assert_null(chardev_new(r->loop, spec, NULL, &err));
    if (strstr(error_message(err), a) == NULL || strstr(error_message(err), b) == NULL) {
        fail_msg("unexpected: %s", error_message(err));
    }
    error_free(err);
}

static void stop_loop(void *opaque) {
    loop_quit(opaque);
}

static void turn(Rig *r) {
    for (unsigned i = 0; i < 4; i++) {
        loop_call(r->loop, stop_loop, r->loop);
        loop_run(r->loop);
    }
}

/* Turns until `len` bytes came in; hangs if they do not. */
static void turn_until(Rig *r, unsigned len) {
    while (r->got_len < len) {
        turn(r);
        usleep(1000);
    }
}

static void write_text(Chardev *chr, const char *text) {
    chardev_write(chr, (const uint8_t *)text, (unsigned)strlen(text));
}

/* Reads up to size bytes, waiting for the first. */
static ssize_t read_some(int fd, char *buf, size_t size) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    memset(buf, 0, size);
    return poll(&p, 1, 10000) > 0 ? read(fd, buf, size - 1) : -1;
}

/* --- specifications ----------------------------------------------------------------- */

static void wrong_specifications_are_clear_errors(void **state) {
    Rig *r = *state;
    char spec[128];
    expect_error(r, "sdtio", "sdtio", "try stdio");
    expect_error(r, "", "not a character device", "try");
    expect_error(r, "file", "path", "file:PATH");
    expect_error(r, "file,path=/nonexistent/x", "/nonexistent/x", "No such file");
    expect_error(r, "null,size=3", "size", "known are");
    expect_error(r, "socket,id=c", "path", "tcp:HOST:PORT");
    expect_error(r, "tcp:127.0.0.1:1", "127.0.0.1:1", "refused");
    expect_error(r, "tcp:no.such.host.invalid:80", "no.such.host.invalid", "resolve");
    expect_error(r, "unix:/nonexistent/sock", "/nonexistent/sock", "No such file");
    expect_error(r, "unix:/nonexistent/sock,server=on,wait=off", "/nonexistent/sock",
                 "No such");
    expect_error(r, "stdio,mux=perhaps", "mux=perhaps", "on nor off");
    memset(spec, 0, sizeof(spec));
    strcpy(spec, "unix:/");
    memset(spec + 6, 'x', 110);
    expect_error(r, spec, "too long", "107");
}

static void id_and_mux_are_read(void **state) {
    Rig *r = *state;
    Chardev *chr = open_line(r, "null,id=c7,mux=on");
    assert_string_equal(chardev_id(chr), "c7");
    assert_true(chardev_is_mux(chr));
    chardev_free(chr);
    chr = open_line(r, "null");
    assert_null(chardev_id(chr));
    assert_false(chardev_is_mux(chr));
    chardev_free(chr);
}

static void second_front_end_needs_mux(void **state) {
    Rig *r = *state;
    CharFrontend fe;
    Chardev *chr = open_line(r, "null");
    assert_false(chardev_attach(chr, frontend(r, &fe)));
    chardev_detach(chr, r);
    assert_true(chardev_attach(chr, &fe));
    chardev_free(chr);
    chr = open_line(r, "mon:null");
    assert_true(chardev_attach(chr, &fe));
    chardev_free(chr);
}

/* --- file, null --------------------------------------------------------------------- */

static void file_takes_output_whatever_its_name(void **state) {
    Rig *r = *state;
    char spec[128], buf[64];
    snprintf(r->path, sizeof(r->path), "%s/a,b=c", r->dir);
    snprintf(spec, sizeof(spec), "file:%s", r->path);
    for (int i = 0; i < 2; i++) { /* the second time truncates */
        Chardev *chr = open_line(r, spec);
        write_text(chr, "one\n");
        write_text(chr, "two\n");
        chardev_free(chr);
    }
    int fd = open(r->path, O_RDONLY);
    assert_int_equal(read(fd, buf, sizeof(buf)), 8);
    assert_memory_equal(buf, "one\ntwo\n", 8);
    close(fd);
}

static void full_device_drops_and_goes_on(void **state) {
    Rig *r = *state;
    Chardev *chr = open_line(r, "file:/dev/full");
    write_text(chr, "lost");
    assert_int_equal(chardev_dropped(chr), 4);
    assert_true(chardev_writable(chr));
    chardev_free(chr);
}

/* --- sockets ------------------------------------------------------------------------ */

static int connect_unix(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static Chardev *open_unix_server(Rig *r) {
    char spec[128];
    snprintf(spec, sizeof(spec), "unix:%s,server=on,wait=off", r->path);
    return open_line(r, spec);
}

static void server_serves_one_client_after_the_other(void **state) {
    Rig *r = *state;
    char buf[64];
    Chardev *chr = open_unix_server(r);
    write_text(chr, "nobody hears this");
    for (unsigned i = 0; i < 2; i++) {
        int fd = connect_unix(r->path);
        turn(r);
        write_text(chr, "hello");
        assert_int_equal(read_some(fd, buf, sizeof(buf)), 5);
        assert_string_equal(buf, "hello");
        assert_int_equal(write(fd, "abc", 3), 3);
        turn_until(r, 3 * (i + 1));
        close(fd);
        turn(r);
    }
    assert_string_equal(r->events, "1010"); /* opened, closed */
    assert_memory_equal(r->got, "abcabc", 6);
    chardev_free(chr);
    assert_int_equal(access(r->path, F_OK), -1); /* it cleans up */
}

static void live_socket_file_is_not_taken_over_but_a_dead_one_is(void **state) {
    Rig *r = *state;
    char spec[128];
    struct stat sb;
    snprintf(spec, sizeof(spec), "unix:%s,server=on,wait=off", r->path);
    Chardev *chr = open_unix_server(r);
    expect_error(r, spec, r->path, "in use");
    chardev_free(chr);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, r->path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd); /* what a crash leaves behind */
    assert_int_equal(stat(r->path, &sb), 0);
    chardev_free(open_unix_server(r));
    fd = open(r->path, O_CREAT | O_WRONLY, 0600); /* somebody's file: never removed */
    close(fd);
    expect_error(r, spec, r->path, "in use");
    assert_int_equal(stat(r->path, &sb), 0);
}

static void client_talks_to_a_server(void **state) {
    Rig *r = *state;
    char spec[128], buf[64];
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, r->path);
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(server, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(server, 1), 0);
    snprintf(spec, sizeof(spec), "unix:%s", r->path);
    Chardev *chr = open_line(r, spec);
    int fd = accept(server, NULL, NULL);
    write_text(chr, "hi");
    assert_int_equal(read_some(fd, buf, sizeof(buf)), 2);
    close(fd);
    turn(r);
    write_text(chr, "gone"); /* no SIGPIPE, no error: dropped */
    assert_string_equal(r->events, "10");
    assert_int_equal(chardev_dropped(chr), 4);
    chardev_free(chr);
    close(server);
}

static void tcp_server_and_busy_port(void **state) {
    Rig *r = *state;
    char spec[128], buf[64];
    Chardev *chr = open_line(r, "tcp:127.0.0.1:0,server=on,wait=off,nodelay=on");
    const char *where = chardev_where(chr);
    assert_int_equal(strncmp(where, "127.0.0.1:", 10), 0);
    int port = atoi(where + 10);
    snprintf(spec, sizeof(spec), "tcp:127.0.0.1:%d,server,nowait", port);
    expect_error(r, spec, where, "in use");
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    turn(r);
    write_text(chr, "tcp");
    assert_int_equal(read_some(fd, buf, sizeof(buf)), 3);
    assert_int_equal(write(fd, "in", 2), 2);
    turn_until(r, 2);
    close(fd);
    chardev_free(chr);
}

static void slow_reader_loses_nothing_within_the_limit(void **state) {
    Rig *r = *state;
    enum { TOTAL = 900 * 1000 };
    Chardev *chr = open_unix_server(r);
    int fd = connect_unix(r->path);
    turn(r);
    for (unsigned i = 0; i < TOTAL; i += 1000) {
        uint8_t block[1000];
        memset(block, (int)(i / 1000), sizeof(block));
        chardev_write(chr, block, sizeof(block));
    }
    assert_false(chardev_writable(chr));
    assert_int_equal(chardev_dropped(chr), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    unsigned got = 0;
    while (got < TOTAL) {
        uint8_t buf[5000];
        ssize_t n;
        while ((n = read(fd, buf, sizeof(buf))) > 0) {
            for (ssize_t i = 0; i < n; i++, got++) {
                assert_int_equal(buf[i], (uint8_t)(got / 1000));
            }
        }
        turn(r);
    }
    assert_true(chardev_writable(chr));
    assert_string_equal(r->events, "13"); /* opened; writable again, once */
    close(fd);
    chardev_free(chr);
}

static void reader_that_never_reads_costs_bounded_memory(void **state) {
    Rig *r = *state;
    static uint8_t block[64 * 1024];
    Chardev *chr = open_unix_server(r);
    int fd = connect_unix(r->path);
    turn(r);
    for (unsigned i = 0; i < 512; i++) { /* 32 MiB */
        chardev_write(chr, block, sizeof(block));
    }
    assert_true(chardev_dropped(chr) > 30u * 1024 * 1024);
    chardev_free(chr); /* and does not wait for it for long */
    close(fd);
}

static void input_waits_until_the_device_has_room(void **state) {
    Rig *r = *state;
    Chardev *chr = open_unix_server(r);
    int fd = connect_unix(r->path);
    turn(r);
    r->room = 4;
    assert_int_equal(write(fd, "0123456789", 10), 10);
    turn(r);
    assert_int_equal(r->got_len, 4);
    r->room = 3;
    chardev_accept_input(chr);
    assert_int_equal(r->got_len, 7);
    r->room = 100;
    chardev_accept_input(chr);
    turn_until(r, 10);
    assert_memory_equal(r->got, "0123456789", 10);
    close(fd);
    chardev_free(chr);
}

static void input_beyond_the_ring_is_left_with_the_sender(void **state) {
    Rig *r = *state;
    static char block[4096];
    Chardev *chr = open_unix_server(r);
    int fd = connect_unix(r->path);
    turn(r);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    r->room = 0;
    unsigned sent = 0, taken = 0;
    for (unsigned i = 0; i < 2000; i++) {
        ssize_t n = write(fd, block, sizeof(block));
        sent += n > 0 ? (unsigned)n : 0;
        turn(r);
    }
    assert_true(sent < 2000 * sizeof(block)); /* the sender was held up */
    while (taken < sent) {                    /* and nothing is missing */
        r->got_len = 0;
        r->room = sizeof(r->got);
        chardev_accept_input(chr);
        turn(r);
        taken += r->got_len;
    }
    assert_int_equal(taken, sent);
    close(fd);
    chardev_free(chr);
}

/* --- escapes ------------------------------------------------------------------------ */

static void escapes_of_a_multiplexed_line(void **state) {
    Rig *r = *state;
    char spec[128], buf[512];
    snprintf(spec, sizeof(spec), "mon:unix:%s,server=on,wait=off", r->path);
    Chardev *chr = open_line(r, spec);
    int fd = connect_unix(r->path);
    turn(r);
    assert_int_equal(write(fd, "a\001\001b\001zc\001b\001c\001x", 13), 13);
    turn_until(r, 4);
    assert_memory_equal(r->got, "a\001bc", 4); /* C-a C-a is C-a; C-a z is nothing */
    assert_string_equal(r->events, "12");      /* opened, break */
    assert_int_equal(r->switches, 1);
    assert_int_equal(r->quits, 1);
    assert_int_equal(write(fd, "\001", 1), 1); /* an escape in two reads */
    turn(r);
    assert_int_equal(write(fd, "h", 1), 1);
    turn(r);
    assert_true(read_some(fd, buf, sizeof(buf)) > 0);
    assert_non_null(strstr(buf, "C-a x"));
    close(fd);
    chardev_free(chr);
}

static void plain_line_passes_control_a_on(void **state) {
    Rig *r = *state;
    Chardev *chr = open_unix_server(r);
    int fd = connect_unix(r->path);
    turn(r);
    assert_int_equal(write(fd, "\001x", 2), 2);
    turn_until(r, 2);
    assert_memory_equal(r->got, "\001x", 2);
    assert_int_equal(r->quits, 0);
    close(fd);
    chardev_free(chr);
}

static void focus_goes_round_between_front_ends(void **state) {
    Rig *r = *state;
    Rig other = {.room = 4096};
    CharFrontend fe;
    char spec[128];
    snprintf(spec, sizeof(spec), "mon:unix:%s,server=on,wait=off", r->path);
    Chardev *chr = open_line(r, spec);
    assert_true(
        chardev_attach(chr, frontend(&other, &fe))); /* the latest has the focus */
    int fd = connect_unix(r->path);
    turn(r);
    assert_int_equal(write(fd, "1\001c2\001c3", 7), 7);
    turn_until(r, 1);
    assert_memory_equal(r->got, "2", 1);
    assert_int_equal(other.got_len, 2);
    assert_memory_equal(other.got, "13", 2);
    assert_int_equal(r->switches, 0);
    close(fd);
    chardev_free(chr);
}

/* --- pty ---------------------------------------------------------------------------- */

static void pty_can_be_opened_closed_and_opened_again(void **state) {
    Rig *r = *state;
    char buf[64];
    Chardev *chr = open_line(r, "pty");
    write_text(chr, "nobody hears this");
    for (unsigned i = 0; i < 2; i++) {
        int fd = open(chardev_where(chr), O_RDWR | O_NOCTTY);
        assert_true(fd >= 0);
        write_text(chr, "hello\n"); /* notices the peer at once */
        assert_int_equal(read_some(fd, buf, sizeof(buf)), 6);
        assert_string_equal(buf, "hello\n"); /* raw: no \r was added */
        assert_int_equal(write(fd, "in\n", 3), 3);
        turn_until(r, 3 * (i + 1));
        close(fd);
        turn(r);
    }
    assert_memory_equal(r->got, "in\nin\n", 6);
    assert_string_equal(r->events, "1010");
    chardev_free(chr);
}

/* --- stdio, in a child process ------------------------------------------------------ */

/* What the child does: echoes input with a mark until it sees 'Q'; Ctrl-A x ends it
 * with 7. */
typedef struct Echo {
    MainLoop *loop;
    Chardev *chr;
    bool quit_key;
    unsigned turns;
} Echo;

static unsigned echo_can_receive(void *opaque) {
    (void)opaque;
    return 16;
}

static void echo_receive(void *opaque, const uint8_t *buf, unsigned len) {
    Echo *e = opaque;
    for (unsigned i = 0; i < len; i++) {
        uint8_t text[3] = {'<', buf[i], '>'};
        chardev_write(e->chr, text, 3);
        if (buf[i] == 'Q') {
            loop_quit(e->loop);
        }
    }
}

static void echo_quit(void *opaque) {
    Echo *e = opaque;
    e->quit_key = true;
    loop_quit(e->loop);
}

static void echo_prepare(void *opaque, uint32_t *timeout_ms) {
    (void)timeout_ms;
    ((Echo *)opaque)->turns++;
}

static void echo_done(void *opaque, bool failed) {
    (void)opaque;
    (void)failed;
}

static void echo_timeout(void *opaque) {
    loop_quit(opaque);
}

static int echo_main(const char *spec, int64_t for_ms) {
    Echo e = {0};
    Clock clock;
    Timer end;
    clock_init(&clock);
    e.loop = loop_new(&clock, no_lock, no_lock, NULL, NULL);
    CharEscapes escapes = {.quit = echo_quit, .opaque = &e};
    CharFrontend fe = {
        .can_receive = echo_can_receive, .receive = echo_receive, .opaque = &e};
    LoopPoller poller = {echo_prepare, echo_done, &e, NULL};
    e.chr = chardev_new(e.loop, spec, &escapes, NULL);
    if (e.chr == NULL || !chardev_attach(e.chr, &fe) ||
        chardev_new(e.loop, "stdio", NULL, NULL) != NULL) { /* stdio has one owner */
        return 90;
    }
    chardev_write(e.chr, (const uint8_t *)"ready\n", 6);
    loop_add_poller(e.loop, &poller);
    timer_init(&end, &clock, echo_timeout, e.loop);
    timer_mod(&end, clock_now_ns(&clock) + for_ms * 1000000);
    loop_run(e.loop);
    chardev_free(e.chr);
    loop_free(e.loop);
    return e.turns > 100 ? 91 : e.quit_key ? 7 : 0; /* 91: it spins */
}

static pid_t start_echo(const char *spec, int in, int out, int64_t for_ms) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in, 0);
        dup2(out, 1);
        _exit(echo_main(spec, for_ms));
    }
    return pid;
}

static int end_of(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

/* Reads until the text has come; false if it does not. */
static bool wait_for(int fd, const char *text) {
    char all[4096] = {0}, buf[256];
    size_t len = 0;
    while (strstr(all, text) == NULL) {
        ssize_t n = read_some(fd, buf, sizeof(buf));
        if (n <= 0 || len + (size_t)n >= sizeof(all)) {
            return false;
        }
        memcpy(all + len, buf, (size_t)n);
        len += (size_t)n;
    }
    return true;
}

static void stdio_on_a_terminal_is_raw_and_restored(void **state) {
    (void)state;
    int master, slave;
    struct termios before, during, after;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    tcgetattr(slave, &before);
    pid_t pid = start_echo("mon:stdio", slave, slave, 20000);
    assert_true(wait_for(master, "ready"));
    tcgetattr(slave, &during);
    assert_int_equal(during.c_lflag & (ICANON | ECHO | ISIG), 0);
    assert_true(during.c_oflag & OPOST);
    assert_int_equal(write(master, "\003k", 2), 2); /* Ctrl-C goes to the guest */
    assert_true(wait_for(master, "<\003><k>"));
    assert_int_equal(write(master, "\001x", 2), 2);
    assert_int_equal(end_of(pid), 7);
    tcgetattr(slave, &after);
    assert_int_equal(after.c_lflag, before.c_lflag);
    assert_int_equal(after.c_iflag, before.c_iflag);
    assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK,
                     0); /* the shell's own description */
    close(master);
    close(slave);
}

static void plain_stdio_keeps_the_interrupt_key(void **state) {
    (void)state;
    int master, slave;
    struct termios during;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    pid_t pid = start_echo("stdio", slave, slave, 20000);
    assert_true(wait_for(master, "ready"));
    tcgetattr(slave, &during);
    assert_true(during.c_lflag & ISIG);
    assert_int_equal(write(master, "\001xQ", 3), 3); /* no escapes */
    assert_true(wait_for(master, "<\001><x><Q>"));
    assert_int_equal(end_of(pid), 0);
    close(master);
    close(slave);
}

static void end_of_stdin_neither_ends_nor_spins(void **state) {
    (void)state;
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    pid_t pid = start_echo("mon:stdio", in[0], out[1], 300);
    close(in[0]);
    assert_int_equal(write(in[1], "a", 1), 1);
    close(in[1]);
    assert_true(wait_for(out[0], "<a>"));
    assert_int_equal(end_of(pid), 0); /* by its timer; 91 if it spun */
    close(out[0]);
    close(out[1]);
    int null = open("/dev/null", O_RDWR);
    assert_int_equal(end_of(start_echo("mon:stdio", null, null, 100)), 0);
    close(null);
}

static void closed_stdout_does_not_kill(void **state) {
    (void)state;
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    pid_t pid = start_echo("mon:stdio", in[0], out[1], 20000);
    close(out[1]);
    assert_true(wait_for(out[0], "ready"));
    close(out[0]);
    assert_int_equal(write(in[1], "abcQ", 4), 4);
    assert_int_equal(end_of(pid), 0);
    close(in[0]);
    close(in[1]);
}

static void full_stdout_does_not_block(void **state) {
    (void)state;
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    pid_t pid = start_echo("mon:stdio", in[0], out[1], 20000);
    static char block[200000]; /* more than a pipe holds, and it comes back threefold */
    memset(block, 'm', sizeof(block));
    for (size_t done = 0;
         done < sizeof(block);) { /* would hang if the child stopped reading */
        ssize_t n = write(in[1], block + done, sizeof(block) - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_int_equal(write(in[1], "\001x", 2), 2);
    unsigned marks = 0;
    int status = -1;
    char buf[4096];
    close(out[1]);
    ssize_t n;
    while ((n = read(out[0], buf, sizeof(buf))) > 0) { /* slow, but all of it comes */
        for (ssize_t i = 0; i < n; i++) {
            marks += buf[i] == 'm';
        }
    }
    status = end_of(pid);
    assert_int_equal(status, 7);
    assert_int_equal(marks, sizeof(block));
    close(in[0]);
    close(in[1]);
    close(out[0]);
}

/* --- the gate ----------------------------------------------------------------------- */

static uint64_t gate_count(void *opaque) {
    (void)opaque;
    return 7;
}
static int64_t gate_time(void *opaque) {
    (void)opaque;
    return 70;
}
static bool gate_outside(void *opaque) {
    (void)opaque;
    return false;
}

static void input_passes_the_gate_and_waits_while_the_past_is_run_again(void **state) {
    Rig *r = *state;
    const GateHooks hooks = {
        .count = gate_count, .time_ns = gate_time, .in_guest = gate_outside};
    InputGate *gate = gate_new();
    Chardev *chr = open_unix_server(r);
    CharFrontend fe;
    frontend(r, &fe);
    chardev_detach(chr, r);
    fe.gate = gate;
    fe.gate_name = "serial";
    gate_set_hooks(gate, &hooks);
    gate_keep(gate, true, NULL, NULL);
    assert_true(chardev_attach(chr, &fe));
    int fd = connect_unix(r->path);
    turn(r); /* the peer comes: an event */
    assert_int_equal(write(fd, "abc", 3), 3);
    turn_until(r, 3);
    assert_int_equal(gate_end(gate), 2);
    assert_int_equal(gate_event(gate, 1)->count, 7);
    assert_memory_equal(gate_event(gate, 1)->data, "abc", 3);

    assert_true(gate_seek(gate, 0, NULL));
    assert_int_equal(write(fd, "def", 3), 3);
    turn(r);
    assert_int_equal(r->got_len, 3); /* held back */
    gate_replay(gate, UINT64_MAX);
    gate_call_ports(gate); /* the past, and at its end what waited */
    assert_int_equal(r->got_len, 9);
    assert_memory_equal(r->got, "abcabcdef", 9);
    assert_string_equal(r->events, "11");
    assert_int_equal(gate_end(gate), 3);
    close(fd);
    chardev_free(chr);
    gate_free(gate);
}

int main(void) {
    alarm(120);
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(wrong_specifications_are_clear_errors),
        T(id_and_mux_are_read),
        T(second_front_end_needs_mux),
        T(file_takes_output_whatever_its_name),
        T(full_device_drops_and_goes_on),
        T(server_serves_one_client_after_the_other),
        T(live_socket_file_is_not_taken_over_but_a_dead_one_is),
        T(client_talks_to_a_server),
        T(tcp_server_and_busy_port),
        T(slow_reader_loses_nothing_within_the_limit),
        T(reader_that_never_reads_costs_bounded_memory),
        T(input_waits_until_the_device_has_room),
        T(input_beyond_the_ring_is_left_with_the_sender),
        T(escapes_of_a_multiplexed_line),
        T(plain_line_passes_control_a_on),
        T(focus_goes_round_between_front_ends),
        T(pty_can_be_opened_closed_and_opened_again),
        T(stdio_on_a_terminal_is_raw_and_restored),
        T(plain_stdio_keeps_the_interrupt_key),
        T(end_of_stdin_neither_ends_nor_spins),
        T(closed_stdout_does_not_kill),
        T(full_stdout_does_not_block),
        T(input_passes_the_gate_and_waits_while_the_past_is_run_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
