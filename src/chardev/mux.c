/* SPDX-License-Identifier: MIT */
/*
 * Input side of a chardev: one ring a front end, and the Ctrl-A escapes of a multiplexed
 * terminal.
 *
 *   host --read--> [Ctrl-A filter] --> ring of the front end in focus --> receive()
 *
 * Invariants: escapes work while the guest takes no input: a terminal is read even when
 * the ring is full (its bytes are then lost); a pipe or socket waits instead, so a script
 * loses nothing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "chardev/chardev_int.h"

enum { CTRL_A = 1, TTY_CHUNK = 256 };

static const char mux_help[] = "\n"
                               "C-a h    print this help\n"
                               "C-a x    exit emulator\n"
                               "C-a b    send break\n"
                               "C-a c    switch between console and monitor\n"
                               "C-a C-a  sends C-a\n";

static CharPort *mux_focus(Chardev *chr) {
    return chr->port_count > 0 ? &chr->port[chr->focus] : NULL;
}

/* Kinds of input: data, or an event. */
enum { INPUT_DATA = 0, INPUT_EVENT = 1 };

static void deliver_input(void *opaque, unsigned kind, const uint8_t *data, size_t len) {
    const CharFrontend *fe = opaque;
    if (kind == INPUT_DATA) {
        fe->receive(fe->opaque, data, (unsigned)len);
    } else if (fe->event != NULL) {
        fe->event(fe->opaque, (int)(kind - INPUT_EVENT));
    }
}

static void port_input(CharPort *port, unsigned kind, const uint8_t *data, unsigned len) {
    if (port->gate != NULL) {
        gate_input(port->gate, kind, data, len);
    } else {
        deliver_input(port->fe, kind, data, len);
    }
}

static void port_event(CharPort *port, CharEvent event) {
    port_input(port, INPUT_EVENT + (unsigned)event, NULL, 0);
}

void mux_event(Chardev *chr, CharEvent event) {
    for (unsigned i = 0; i < chr->port_count; i++) {
        port_event(&chr->port[i], event);
    }
}

bool mux_is_busy(const Chardev *chr) {
    for (unsigned i = 0; i < chr->port_count; i++) {
        const CharFrontend *fe = chr->port[i].fe;
        if (fe->is_busy != NULL && (chr->port[i].len > 0 || fe->is_busy(fe->opaque))) {
            return true;
        }
    }
    return false;
}

unsigned mux_room(const Chardev *chr) {
    if (chr->mux && chr->in_is_tty) {
        return TTY_CHUNK;
    }
    if (chr->port_count == 0) {
        return chr->mux ? TTY_CHUNK : 0;
    }
    return CHAR_RING_SIZE - chr->port[chr->focus].len;
}

static void mux_push(Chardev *chr, uint8_t byte) {
    CharPort *port = mux_focus(chr);
    if (port != NULL && port->len < CHAR_RING_SIZE) {
        port->ring[(port->head + port->len) % CHAR_RING_SIZE] = byte;
        port->len++;
    }
}

/* Where input goes is the host's affair: the log of a guest's input does not have it. */
static void port_tell_focus(const CharPort *port, bool in) {
    if (port->fe->focus != NULL) {
        port->fe->focus(port->fe->opaque, in);
    }
}

static void mux_switch_focus(Chardev *chr) {
    if (chr->port_count > 1) {
        port_tell_focus(&chr->port[chr->focus], false);
        chr->focus = (chr->focus + 1) % chr->port_count;
        port_tell_focus(&chr->port[chr->focus], true);
    } else if (chr->escapes.switch_focus != NULL) {
        chr->escapes.switch_focus(chr->escapes.opaque);
    }
}

/* The key after Ctrl-A; any other key than these does nothing. */
static void mux_escape(Chardev *chr, uint8_t byte) {
    CharPort *port = mux_focus(chr);
    switch (byte) {
    case CTRL_A:
        mux_push(chr, byte);
        break;
    case 'x':
        if (chr->escapes.quit != NULL) {
            chr->escapes.quit(chr->escapes.opaque);
        }
        break;
    case 'c':
        mux_switch_focus(chr);
        break;
    case 'b':
        if (port != NULL) {
            port_event(port, CHR_BREAK);
        }
        break;
    case 'h':
    case '?':
        for (const char *p = mux_help; *p != '\0'; p++) {
            if (*p == '\n') {
                chardev_write_aside(chr, (const uint8_t *)"\r", 1);
            }
            chardev_write_aside(chr, (const uint8_t *)p, 1);
        }
        break;
    }
}

void mux_input(Chardev *chr, const uint8_t *buf, unsigned len) {
    for (unsigned i = 0; i < len; i++) {
        if (!chr->mux) {
            mux_push(chr, buf[i]);
        } else if (chr->in_escape) {
            chr->in_escape = false;
            mux_escape(chr, buf[i]);
        } else if (buf[i] == CTRL_A) {
            chr->in_escape = true;
        } else {
            mux_push(chr, buf[i]);
        }
    }
    mux_deliver(chr);
}

void mux_deliver(Chardev *chr) {
    if (chr->delivering) {
        return;
    }
    chr->delivering = true;
    for (unsigned i = 0; i < chr->port_count; i++) {
        CharPort *port = &chr->port[i];
        while (port->len > 0 && gate_is_open(port->gate)) {
            unsigned n = port->fe->can_receive(port->fe->opaque);
            unsigned straight = CHAR_RING_SIZE - port->head;
            n = n < port->len ? n : port->len;
            n = n < straight ? n : straight;
            if (n == 0) {
                break;
            }
            const uint8_t *bytes = port->ring + port->head;
            port->head = (port->head + n) % CHAR_RING_SIZE;
            port->len -= n;
            port_input(port, INPUT_DATA, bytes, n);
        }
    }
    chr->delivering = false;
}

/* The front end that is a guest's device; the others are monitors. */
static CharPort *device_port(Chardev *chr) {
    for (unsigned i = 0; i < chr->port_count; i++) {
        if (chr->port[i].gate != NULL) {
            return &chr->port[i];
        }
    }
    return chr->port_count > 0 ? &chr->port[0] : NULL;
}

unsigned chardev_inject(Chardev *chr, const uint8_t *buf, unsigned len) {
    CharPort *port = device_port(chr);
    unsigned n = 0;
    while (port != NULL && n < len && port->len < CHAR_RING_SIZE) {
        port->ring[(port->head + port->len++) % CHAR_RING_SIZE] = buf[n++];
    }
    mux_deliver(chr);
    char_update_watch(chr);
    return n;
}

void chardev_accept_input(Chardev *chr) {
    for (unsigned i = 0; i < chr->port_count; i++) {
        if (gate_is_busy(chr->port[i].gate)) {
            gate_ask(chr->port[i].gate); /* gate_opened() follows */
            return;
        }
    }
    mux_deliver(chr);
    if (!mux_is_busy(chr)) {
        char_end_input(chr);
    }
    char_update_watch(chr);
}

void char_port_free(CharPort *port) {
    gate_port_free(port->gate);
    free(port->fe);
    free(port->ring);
}

/* Between instructions: what the host sent meanwhile waits in the rings. */
static void gate_opened(void *opaque) {
    Chardev *chr = opaque;
    mux_deliver(chr);
    char_update_watch(chr);
}

static bool attach_port(Chardev *chr, const CharFrontend *fe, bool take_focus) {
    if (chr->port_count == (chr->mux ? CHAR_MAX_PORTS : 1)) {
        return false;
    }
    CharPort port = {.fe = malloc(sizeof(*fe)), .ring = malloc(CHAR_RING_SIZE)};
    if (port.fe != NULL) {
        *port.fe = *fe;
    }
    if (fe->gate != NULL && port.fe != NULL) {
        port.gate = gate_port_new(fe->gate, fe->gate_name, deliver_input, port.fe);
    }
    if (port.fe == NULL || port.ring == NULL || (fe->gate != NULL && port.gate == NULL)) {
        char_port_free(&port);
        return false;
    }
    if (port.gate != NULL) {
        gate_port_on_open(port.gate, gate_opened, chr);
    }
    if (take_focus || chr->port_count == 0) {
        chr->focus = chr->port_count;
    }
    chr->port[chr->port_count++] = port;
    char_update_watch(chr);
    CharPort *added = &chr->port[chr->port_count - 1];
    if (chr->out_fd >= 0) {
        port_event(added, CHR_OPENED);
    }
    port_tell_focus(added, mux_focus(chr) == added);
    return true;
}

bool chardev_attach(Chardev *chr, const CharFrontend *fe) {
    return attach_port(chr, fe, true);
}

bool chardev_attach_behind(Chardev *chr, const CharFrontend *fe) {
    return attach_port(chr, fe, false);
}

void chardev_drop_input(Chardev *chr, const void *fe_opaque) {
    for (unsigned i = 0; i < chr->port_count; i++) {
        if (chr->port[i].fe->opaque == fe_opaque) {
            chr->port[i].len = 0;
        }
    }
}

void chardev_detach(Chardev *chr, const void *fe_opaque) {
    for (unsigned i = 0; i < chr->port_count; i++) {
        if (chr->port[i].fe->opaque == fe_opaque) {
            char_port_free(&chr->port[i]);
            chr->port_count--;
            memmove(&chr->port[i], &chr->port[i + 1],
                    (chr->port_count - i) * sizeof(chr->port[0]));
            chr->focus = chr->port_count > 0 ? chr->port_count - 1 : 0;
            char_update_watch(chr);
            return;
        }
    }
}
