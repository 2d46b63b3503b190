/* SPDX-License-Identifier: MIT */
/*
 * Kind "stdio": the process's own stdin and stdout; a terminal is taken raw while we have
 * it.
 *
 * Output must not block the machine, yet O_NONBLOCK on fd 1 would be seen by every
 * process that shares it (the shell, the other end of `| tee`). So a terminal or pipe is
 * opened anew through /proc/self/fd, which makes a file description of our own; where
 * that is refused the flag is set and taken back at the end. A regular file never blocks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/chardev_int.h"

enum { DRAIN_MS = 200 };

typedef struct StdioState {
    struct termios cooked; /* as we found it */
    struct termios raw;
    bool has_terminal;
    int own_out;      /* the new description of stdout, or -1 */
    int flags_before; /* of stdout if O_NONBLOCK was set on it, or -1 */
} StdioState;

static void stdio_close(Chardev *chr) {
    StdioState *st = chr->kind;
    char_drain(chr, DRAIN_MS);
    if (chr->in_fd >= 0) {
        loop_watch(chr->loop, chr->in_fd, 0, NULL, NULL);
    }
    if (chr->out_fd >= 0) {
        loop_watch(chr->loop, chr->out_fd, 0, NULL, NULL);
    }
    chr->in_fd = chr->out_fd = -1;
    chardev_restore_terminal(chr);
    if (st->own_out >= 0) {
        close(st->own_out);
    }
    if (st->flags_before >= 0) {
        fcntl(STDOUT_FILENO, F_SETFL, st->flags_before);
    }
    loop_release_stdio(chr->loop, chr);
    free(st);
}

static const ChardevOps stdio_ops = {.close = stdio_close};

void chardev_restore_terminal(const Chardev *chr) {
    if (chr != NULL && chr->ops == &stdio_ops) {
        const StdioState *st = chr->kind;
        if (st->has_terminal) {
            tcsetattr(STDIN_FILENO, TCSANOW, &st->cooked);
        }
    }
}

void chardev_raw_terminal(const Chardev *chr) {
    if (chr != NULL && chr->ops == &stdio_ops) {
        const StdioState *st = chr->kind;
        if (st->has_terminal) {
            tcsetattr(STDIN_FILENO, TCSANOW, &st->raw);
        }
    }
}

/* Raw for input; output keeps its post-processing so that messages to stderr still
 * look right. */
static void stdio_make_raw(StdioState *st, bool signals) {
    st->raw = st->cooked;
    st->raw.c_iflag &=
        ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    st->raw.c_oflag |= OPOST;
    st->raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
    if (!signals) {
        st->raw.c_lflag &= ~(tcflag_t)ISIG;
    }
    st->raw.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    st->raw.c_cflag |= CS8;
    st->raw.c_cc[VMIN] = 1;
    st->raw.c_cc[VTIME] = 0;
}

static int stdio_open_output(StdioState *st) {
    st->own_out = st->flags_before = -1;
    struct stat sb;
    if (fstat(STDOUT_FILENO, &sb) != 0) {
        return -1; /* stdout is closed: output is dropped */
    }
    if (S_ISREG(sb.st_mode)) {
        return STDOUT_FILENO;
    }
    if (S_ISCHR(sb.st_mode) || S_ISFIFO(sb.st_mode)) {
        st->own_out =
            open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (st->own_out >= 0) {
            return st->own_out;
        }
    }
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK) &&
        fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK) == 0) {
        st->flags_before = flags;
    }
    return STDOUT_FILENO;
}

bool char_stdio_open(Chardev *chr, const KeyVal *kv, Error **errp) {
    /* As in QEMU: Ctrl-C ends the emulator with plain stdio and goes to the guest with
     * mon:stdio. */
    bool signals = !chr->mux;
    if (!keyval_check(kv, "backend id mux signal", "chardev stdio", errp) ||
        !keyval_get_bool(kv, "signal", &signals, errp)) {
        return false;
    }
    if (!loop_claim_stdio(chr->loop, chr)) {
        error_set(
            errp,
            "stdio is in use by another character device; use mux=on to share it, or "
            "pty, file:PATH or null for one of them");
        return false;
    }
    StdioState *st = calloc(1, sizeof(*st));
    if (st == NULL) {
        error_set(errp, "out of memory");
        loop_release_stdio(chr->loop, chr);
        return false;
    }
    chr->ops = &stdio_ops;
    chr->kind = st;
    chr->out_fd = stdio_open_output(st);
    if (fcntl(STDIN_FILENO, F_GETFL) >= 0) {
        chr->in_fd = STDIN_FILENO;
    }
    if (isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &st->cooked) == 0) {
        chr->in_is_tty = true;
        stdio_make_raw(st, signals);
        st->has_terminal = tcsetattr(STDIN_FILENO, TCSANOW, &st->raw) == 0;
    }
    return true;
}
