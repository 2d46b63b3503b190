/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share: the Chardev itself, its descriptors, its kinds.
 *
 *   chardev.c  kinds and options          mux.c   front ends, input rings, Ctrl-A
 *   fd.c       reading, buffered writing  stdio.c file.c pty.c socket.c  one kind each
 */
#ifndef VITRINE_CHARDEV_CHARDEV_INT_H
#define VITRINE_CHARDEV_CHARDEV_INT_H

#include "chardev/chardev.h"
#include "util/keyval.h"

enum {
    CHAR_MAX_PORTS = 4,
    CHAR_RING_SIZE = 64 * 1024, /* input read ahead of the guest */
    /* Output the host has not taken; beyond it is dropped. */
    CHAR_OUT_LIMIT = 1024 * 1024,
    CHAR_OUT_BUSY = 16 * 1024, /* from here on devices are asked to hold back */
};

/* One front end and the input that waits for it. */
typedef struct CharPort {
    CharFrontend *fe; /* own; what the gate's deliver function gets */
    GatePort *gate;   /* NULL: input goes straight to it */
    uint8_t *ring;    /* CHAR_RING_SIZE bytes */
    unsigned head, len;
} CharPort;

/* A kind's own part. */
typedef struct ChardevOps {
    /* Input ended or failed, or the output's reader is gone: in_fd / out_fd are the
     * kind's to close. May be NULL: the descriptors are left alone and no longer used. */
    void (*hangup)(Chardev *chr);
    /* Before output when there is no out_fd: a chance to find a peer. May be NULL. */
    void (*look_for_peer)(Chardev *chr);
    void (*close)(Chardev *chr); /* may be NULL */
} ChardevOps;

struct Chardev {
    const ChardevOps *ops;
    MainLoop *loop;
    char *id, *where;
    const char *kind_name;  /* "stdio", "socket", ... */
    bool is_server, is_tcp; /* of kind socket */
    CharEscapes escapes;
    bool mux;

    CharPort port[CHAR_MAX_PORTS];
    unsigned port_count, focus;
    bool in_escape; /* the last byte was Ctrl-A */

    int in_fd, out_fd; /* -1: none now. May be the same */
    bool in_is_tty;
    bool in_ended;   /* the peer sends no more, but waits for answers */
    bool delivering; /* in mux_deliver(): receive() may call chardev_accept_input() */

    uint8_t *out; /* what the host did not take: out_len bytes from out_head on */
    size_t out_head, out_len, out_cap;
    bool told_busy; /* chardev_writable() was false: CHR_WRITABLE is owed */
    uint64_t dropped;

    void (*tap)(void *opaque, const uint8_t *buf, unsigned len); /* or NULL */
    void *tap_opaque;

    void *kind; /* the kind's own state */
};

/* --- fd.c: */
void char_update_watch(Chardev *chr); /* after any change of fds, rings or buffer */
void char_end_input(Chardev *chr);    /* at in_ended, when nobody is busy: hangs up */
void char_close_fds(Chardev *chr);    /* stops watching and closes; drops the buffer */
bool char_flush(Chardev *chr); /* writes what the host takes now; false: output is gone */
/* Writes the buffer with waiting, at most `timeout_ms` without progress. */
void char_drain(Chardev *chr, int timeout_ms);

/* --- mux.c: */
void mux_input(Chardev *chr, const uint8_t *buf, unsigned len);
void mux_deliver(Chardev *chr);
unsigned mux_room(const Chardev *chr);         /* bytes of input to read now */
void mux_event(Chardev *chr, CharEvent event); /* to all front ends */
bool mux_is_busy(const Chardev *chr);          /* a front end has an answer to give */
void char_port_free(CharPort *port);           /* what it owns */

/* --- kinds: set chr->ops, kind and descriptors. */
bool char_stdio_open(Chardev *chr, const KeyVal *kv, Error **errp);
bool char_file_open(Chardev *chr, const KeyVal *kv, Error **errp);
bool char_null_open(Chardev *chr, const KeyVal *kv, Error **errp);
bool char_pty_open(Chardev *chr, const KeyVal *kv, Error **errp);
bool char_socket_open(Chardev *chr, const KeyVal *kv, Error **errp);

#endif
