/* SPDX-License-Identifier: MIT */
/*
 * Session: a chardev as a monitor's own thread sees it: bytes to wait for and to write.
 *
 *   main loop: receive(), event() --> [input, state] --> the session's thread: session_read()
 *   chardev_write() under the machine lock <------------ session_write() waits for room
 *
 * What a peer sent before it hung up is still read; what is written for it then goes nowhere,
 * and never to the next peer.
 *
 * Threads: the callbacks under the machine lock; read and write on the session's thread, which
 * holds no lock.
 */
#ifndef VITRINE_MONITOR_SESSION_H
#define VITRINE_MONITOR_SESSION_H

#include "hw/machine/machine.h"

typedef struct Session Session;

enum {
    SESSION_INPUT_SIZE = 16 * 1024, /* bytes read ahead of the thread */
    /* What session_read() returns besides a number of bytes. */
    SESSION_END = -1,    /* the monitor is to end */
    SESSION_HANGUP = -2, /* the peer is gone; told once for each */
    SESSION_POKE = -3,   /* session_poke(), or the focus came */
};

/* Attaches to the chardev (behind a guest's device, if it is shared). Nothing runs yet.
 * Errors: another front end has it; no memory. Locks: takes the machine lock. */
Session *session_new(Machine *m, Chardev *chr, Error **errp);
/* Starts the thread. */
bool session_start(Session *s, void (*run)(Session *s, void *opaque), void *opaque,
                   Error **errp);
/* Ends the thread and waits for it. */
void session_stop(Session *s);
/* Stops and detaches. */
void session_free(Session *s);

/* --- the session's thread --- */
/* Waits for a peer, in focus if the chardev is shared. False: the monitor is to end. */
bool session_wait_peer(Session *s);
/* Waits for bytes. Returns how many, or SESSION_*. */
int session_read(Session *s, uint8_t *buf, unsigned size);
/* Waits until all is written, or the peer is gone, or the monitor is to end. */
void session_write(Session *s, const void *data, size_t len);
/* True once after the focus came (see SESSION_POKE). */
bool session_took_focus(Session *s);

/* Has session_read() return SESSION_POKE. Threads: any; takes a leaf lock only. */
void session_poke(Session *s);

#endif
