/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of a chardev: reads when the front end has room, writes what the host
 * takes.
 *
 *   chardev_write --> write(2) now --EAGAIN--> out buffer --when writable--> write(2)
 *                                              full: dropped and counted
 *
 * Invariants: the buffer is empty whenever out_fd is -1; the watch of a descriptor is
 * always what char_update_watch() says.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chardev/chardev_int.h"

enum { READ_CHUNK = 4096 };

static void char_out_clear(Chardev *chr) {
    chr->dropped += chr->out_len;
    chr->out_head = chr->out_len = 0;
}

/* The output's reader is gone, or the input ended: told to the kind, or just no longer
 * used. */
static void char_hangup(Chardev *chr) {
    if (chr->ops->hangup != NULL) {
        chr->ops->hangup(chr);
        return;
    }
    char_out_clear(chr);
    loop_watch(chr->loop, chr->out_fd, 0, NULL, NULL);
    chr->out_fd = -1;
}

/* Tells devices that hold back that they may go on. */
static void char_tell_writable(Chardev *chr) {
    if (chr->told_busy && chardev_writable(chr)) {
        chr->told_busy = false;
        mux_event(chr, CHR_WRITABLE);
    }
}

bool char_flush(Chardev *chr) {
    while (chr->out_len > 0) {
        ssize_t n = write(chr->out_fd, chr->out + chr->out_head, chr->out_len);
        if (n > 0) {
            chr->out_head += (size_t)n;
            chr->out_len -= (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno == EAGAIN) {
            return true;
        } else if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
            char_out_clear(chr); /* a full disk: what comes later may fit again */
        } else {
            return false;
        }
    }
    chr->out_head = 0;
    return true;
}

void char_drain(Chardev *chr, int timeout_ms) {
    while (chr->out_fd >= 0 && chr->out_len > 0) {
        struct pollfd p = {.fd = chr->out_fd, .events = POLLOUT};
        if (poll(&p, 1, timeout_ms) <= 0 || !char_flush(chr)) {
            return;
        }
    }
}

/* Reads once; false at the end of input. */
static bool char_read(Chardev *chr) {
    uint8_t buf[READ_CHUNK];
    unsigned room = mux_room(chr);
    if (room == 0) {
        return true;
    }
    ssize_t n = read(chr->in_fd, buf, room < sizeof(buf) ? room : sizeof(buf));
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (n > 0) {
        mux_input(chr, buf, (unsigned)n);
    }
    return n > 0;
}

void char_end_input(Chardev *chr) {
    if (!chr->in_ended || chr->in_fd < 0) {
        return;
    }
    chr->in_ended = false;
    if (chr->ops->hangup != NULL) {
        chr->ops->hangup(chr);
    } else { /* the end of stdin ends the input, not the guest */
        loop_watch(chr->loop, chr->in_fd, 0, NULL, NULL);
        chr->in_fd = -1;
    }
}

static void char_fd_event(void *opaque, unsigned events) {
    Chardev *chr = opaque;
    if ((events & (LOOP_WRITE | LOOP_HANGUP)) && chr->out_fd >= 0 && chr->out_len > 0) {
        if (!char_flush(chr)) {
            char_hangup(chr);
        }
        char_tell_writable(chr);
    }
    if ((events & (LOOP_READ | LOOP_HANGUP)) && chr->in_fd >= 0 && !char_read(chr)) {
        chr->in_ended = true;
    }
    if ((events & LOOP_HANGUP) || !mux_is_busy(chr)) {
        char_end_input(chr);
    }
    char_update_watch(chr);
}

void char_update_watch(Chardev *chr) {
    bool reads = chr->in_fd >= 0 && !chr->in_ended && mux_room(chr) > 0;
    unsigned in = reads ? LOOP_READ : 0;
    unsigned out = chr->out_fd >= 0 && chr->out_len > 0 ? LOOP_WRITE : 0;
    if (chr->in_fd >= 0 && chr->in_fd == chr->out_fd) {
        loop_watch(chr->loop, chr->in_fd, in | out, char_fd_event, chr);
        return;
    }
    if (chr->in_fd >= 0) {
        loop_watch(chr->loop, chr->in_fd, in, char_fd_event, chr);
    }
    if (chr->out_fd >= 0) {
        loop_watch(chr->loop, chr->out_fd, out, char_fd_event, chr);
    }
}

void char_close_fds(Chardev *chr) {
    char_out_clear(chr);
    int in_fd = chr->in_fd, out_fd = chr->out_fd;
    chr->in_fd = chr->out_fd = -1;
    chr->in_ended = false;
    if (in_fd >= 0) {
        loop_watch(chr->loop, in_fd, 0, NULL, NULL);
        close(in_fd);
    }
    if (out_fd >= 0 && out_fd != in_fd) {
        loop_watch(chr->loop, out_fd, 0, NULL, NULL);
        close(out_fd);
    }
    char_tell_writable(chr);
}

/* Appends to the buffer; what does not fit is dropped. */
static void char_out_append(Chardev *chr, const uint8_t *buf, size_t len) {
    size_t room = CHAR_OUT_LIMIT - chr->out_len;
    if (len > room) {
        chr->dropped += len - room;
        len = room;
    }
    if (chr->out_head > 0) {
        memmove(chr->out, chr->out + chr->out_head, chr->out_len);
        chr->out_head = 0;
    }
    if (chr->out_len + len > chr->out_cap) {
        size_t cap = chr->out_cap != 0 ? chr->out_cap : READ_CHUNK;
        while (cap < chr->out_len + len) {
            cap *= 2;
        }
        uint8_t *grown = realloc(chr->out, cap);
        if (grown == NULL) {
            chr->dropped += len;
            return;
        }
        chr->out = grown;
        chr->out_cap = cap;
    }
    memcpy(chr->out + chr->out_len, buf, len);
    chr->out_len += len;
}

void chardev_write(Chardev *chr, const uint8_t *buf, unsigned len) {
    if (chr->tap != NULL) {
        chr->tap(chr->tap_opaque, buf, len);
    }
    chardev_write_aside(chr, buf, len);
}

void chardev_write_aside(Chardev *chr, const uint8_t *buf, unsigned len) {
    if (chr->out_fd < 0 && chr->ops->look_for_peer != NULL) {
        chr->ops->look_for_peer(chr);
    }
    if (chr->out_fd < 0 || len == 0) {
        chr->dropped += len;
        return;
    }
    bool waiting = chr->out_len > 0;
    if (!waiting) { /* the usual case needs no copy */
        ssize_t n;
        do {
            n = write(chr->out_fd, buf, len);
        } while (n < 0 && errno == EINTR);
        if (n == (ssize_t)len) {
            return;
        }
        if (n > 0) {
            buf += n;
            len -= (unsigned)n;
        }
    }
    char_out_append(chr, buf, len);
    if (!waiting && !char_flush(chr)) {
        char_hangup(chr);
    }
    char_update_watch(chr);
}

/* True if a front end's guest must not see how fast the host takes its output. */
static bool is_deterministic(const Chardev *chr) {
    for (unsigned i = 0; i < chr->port_count; i++) {
        if (chr->port[i].gate != NULL && gate_has_hooks(chr->port[i].gate->gate)) {
            return true;
        }
    }
    return false;
}

bool chardev_writable(Chardev *chr) {
    if (is_deterministic(chr)) {
        return true;
    }
    if (chr->out_fd >= 0 && chr->out_len >= CHAR_OUT_BUSY) {
        chr->told_busy = true;
        return false;
    }
    return true;
}
