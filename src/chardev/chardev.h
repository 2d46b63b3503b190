/* SPDX-License-Identifier: MIT */
/*
 * Chardev: where a serial line ends on the host: terminal, file, pty, socket, nothing.
 *
 *   UART --chardev_write()--> [buffer] --> host descriptor (stdio, file, pty, socket)
 *   UART <----receive()------ can_receive() bytes at a time <-- host (main loop)
 *
 * A multiplexed chardev ("mon:stdio", mux=on) may have several front ends; input goes to
 * the one in focus, and Ctrl-A begins an escape: x quit, c next focus, b break, h help,
 * Ctrl-A itself.
 *
 * Locks: everything here runs under the machine lock.
 */
#ifndef VITRINE_CHARDEV_CHARDEV_H
#define VITRINE_CHARDEV_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"
#include "util/gate.h"
#include "util/mainloop.h"

typedef struct Chardev Chardev;

typedef enum CharEvent {
    CHR_CLOSED = 0, /* the peer went away (socket, pty) */
    CHR_OPENED = 1, /* there is a peer; told at attach too if there is one already */
    CHR_BREAK,      /* Ctrl-A b */
    CHR_WRITABLE,   /* chardev_writable() became true again */
} CharEvent;

/* The device side: what a UART gives to the chardev. */
typedef struct CharFrontend {
    unsigned (*can_receive)(void *opaque); /* how many bytes it takes now */
    void (*receive)(void *opaque, const uint8_t *buf, unsigned len);
    void (*event)(void *opaque, int event); /* a CharEvent; may be NULL */
    /* True while an answer to what was received is still to come: a peer that has only ended
     * its sending is kept until chardev_accept_input() finds this false. May be NULL. */
    bool (*is_busy)(void *opaque);
    /* Input comes here from now on, or no longer; told at attach, too. May be NULL. */
    void (*focus)(void *opaque, bool in);
    void *opaque;
    /* A guest's device takes its input through the gate, under this name; a monitor
     * leaves both NULL. */
    InputGate *gate;
    const char *gate_name; /* copied */
} CharFrontend;

/* What Ctrl-A keys of a mon:stdio or -nographic terminal do; set by main. */
typedef struct CharEscapes {
    void (*quit)(void *opaque);         /* Ctrl-A x */
    void (*switch_focus)(void *opaque); /* Ctrl-A c, where there is one front end only */
    void *opaque;
} CharEscapes;

/* Makes a chardev from the text of -serial or -chardev ("stdio", "mon:stdio", "null",
 * "file:PATH", "pty", "unix:PATH[,server=on][,wait=off]",
 * "tcp:HOST:PORT[,server=on][,wait=off]", or -chardev form "stdio,id=c0,mux=on").
 * `escapes` is copied and may be NULL. A server without wait=off waits here for its
 * first client.
 * Errors: unknown kind or option, cannot open, port busy. */
Chardev *chardev_new(MainLoop *loop, const char *spec, const CharEscapes *escapes,
                     Error **errp);
void chardev_free(
    Chardev *chr); /* flushes; restores the terminal; removes a server's socket file */
const char *chardev_id(const Chardev *chr); /* NULL: none */
bool chardev_is_mux(const Chardev *chr);
bool chardev_is_attached(const Chardev *chr); /* it has a front end */
/* Where a pty or a server can be reached ("/dev/pts/3", "127.0.0.1:4444"), or NULL. */
const char *chardev_where(const Chardev *chr);
/* In QEMU's words: "stdio", "unix:PATH,server=on", with "disconnected:" before it while a
 * socket has no peer. */
void chardev_describe(const Chardev *chr, char *text, size_t size);
/* False (and nothing changes) if it has a front end already and no mux, or no slot
 * left. */
bool chardev_attach(Chardev *chr, const CharFrontend *fe);
/* As chardev_attach(), but leaves the focus where it is if anybody has it. */
bool chardev_attach_behind(Chardev *chr, const CharFrontend *fe);
/* Forgets what was read for a front end and not taken yet. */
void chardev_drop_input(Chardev *chr, const void *fe_opaque);
/* Takes a front end off again, named by its opaque pointer. */
void chardev_detach(Chardev *chr, const void *fe_opaque);
/* Writes all of buf (buffers what the host does not take now, up to a limit, then
 * drops and counts). */
void chardev_write(Chardev *chr, const uint8_t *buf, unsigned len);
/* The same of what is not the guest's: a monitor's text. */
void chardev_write_aside(Chardev *chr, const uint8_t *buf, unsigned len);
/* Shows all that the guest writes, too, to one who looks on; it must not wait. NULL: no more. */
void chardev_set_tap(Chardev *chr,
                     void (*tap)(void *opaque, const uint8_t *buf, unsigned len),
                     void *opaque);
/* Input for the guest's device as if the host's side had sent it, but that Ctrl-A means
 * nothing. Returns how many bytes there was room for. */
unsigned chardev_inject(Chardev *chr, const uint8_t *buf, unsigned len);
/* False while so much waits in the buffer that a device should hold back; CHR_WRITABLE
 * follows. Always true in a deterministic machine, whose guest must not see how fast the
 * host is: there, what is too much is dropped. */
bool chardev_writable(Chardev *chr);
uint64_t chardev_dropped(const Chardev *chr); /* bytes */
/* The front end has room again. */
void chardev_accept_input(Chardev *chr);
/* Gives the terminal its settings back / takes it raw again (around SIGCONT, in
 * handlers of fatal signals). Does nothing if the chardev has no terminal. Threads:
 * any, and signal handlers. */
void chardev_restore_terminal(const Chardev *chr);
void chardev_raw_terminal(const Chardev *chr);

#endif
