/* SPDX-License-Identifier: MIT */
/*
 * Kind "pty": a pseudo-terminal that another program (screen, minicom) opens by its path.
 *
 *   nobody has it open: the master says hang-up all the time, so it is not watched but
 *                       asked once a second and before output, which is dropped
 *   somebody has:       a descriptor as any other
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/chardev_int.h"

enum { ASK_MS = 1000, DRAIN_MS = 200 };

typedef struct PtyState {
    Chardev *chr;
    int master;
    bool connected;
    LoopPoller poller; /* in the loop while not connected */
} PtyState;

static void pty_ask(Chardev *chr) {
    PtyState *st = chr->kind;
    struct pollfd p = {.fd = st->master, .events = POLLOUT};
    if (st->connected || poll(&p, 1, 0) < 0 || (p.revents & POLLHUP)) {
        return;
    }
    st->connected = true;
    loop_remove_poller(chr->loop, &st->poller);
    chr->in_fd = chr->out_fd = st->master;
    char_update_watch(chr);
    mux_event(chr, CHR_OPENED);
}

static void pty_prepare(void *opaque, uint32_t *timeout_ms) {
    (void)opaque;
    if (*timeout_ms > ASK_MS) {
        *timeout_ms = ASK_MS;
    }
}

static void pty_done(void *opaque, bool poll_failed) {
    (void)poll_failed;
    PtyState *st = opaque;
    pty_ask(st->chr);
}

static void pty_hangup(Chardev *chr) {
    PtyState *st = chr->kind;
    if (!st->connected) {
        return;
    }
    loop_watch(chr->loop, st->master, 0, NULL, NULL);
    chr->in_fd = chr->out_fd = -1;
    chr->dropped += chr->out_len;
    chr->out_head = chr->out_len = 0;
    st->connected = false;
    loop_add_poller(chr->loop, &st->poller);
    mux_event(chr, CHR_CLOSED);
}

static void pty_close(Chardev *chr) {
    PtyState *st = chr->kind;
    char_drain(chr, DRAIN_MS);
    if (st->connected) {
        loop_watch(chr->loop, st->master, 0, NULL, NULL);
    } else {
        loop_remove_poller(chr->loop, &st->poller);
    }
    chr->in_fd = chr->out_fd = -1;
    close(st->master);
    free(st);
}

static const ChardevOps pty_ops = {
    .hangup = pty_hangup,
    .look_for_peer = pty_ask,
    .close = pty_close,
};

bool char_pty_open(Chardev *chr, const KeyVal *kv, Error **errp) {
    if (!keyval_check(kv, "backend id mux", "chardev pty", errp)) {
        return false;
    }
    int master, slave;
    char name[128];
    if (openpty(&master, &slave, NULL, NULL, NULL) != 0) {
        error_set_errno(errp, errno, "cannot make a pseudo-terminal");
        return false;
    }
    struct termios tio;
    if (tcgetattr(slave, &tio) == 0) {
        cfmakeraw(&tio);
        tcsetattr(slave, TCSAFLUSH, &tio);
    }
    int err = ptsname_r(master, name, sizeof(name));
    close(slave);
    PtyState *st = calloc(1, sizeof(*st));
    if (err != 0 || st == NULL) {
        error_set_errno(errp, err != 0 ? err : ENOMEM, "cannot name the pseudo-terminal");
        close(master);
        free(st);
        return false;
    }
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
    *st = (PtyState){.chr = chr, .master = master};
    st->poller = (LoopPoller){.prepare = pty_prepare, .done = pty_done, .opaque = st};
    loop_add_poller(chr->loop, &st->poller);
    chr->where = strdup(name);
    chr->ops = &pty_ops;
    chr->kind = st;
    return true;
}
