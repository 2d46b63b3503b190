/* SPDX-License-Identifier: MIT */
/*
 * Net: where a guest's network card is plugged in on the host.
 *
 *   virtio-net --net_send()--> NetBackend (user: libslirp)
 *   virtio-net <--receive()--- [queue while it cannot] <--- backend
 *
 * Locks: the machine lock.
 */
#ifndef VITRINE_NET_NET_H
#define VITRINE_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"
#include "util/gate.h"
#include "util/mainloop.h"

typedef struct NetBackend NetBackend;

typedef struct NetFrontend {
    bool (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *frame,
                    size_t len); /* one Ethernet frame */
    void *opaque;
    InputGate *gate; /* frames come in through it, under this name; NULL: straight */
    const char *gate_name; /* copied */
} NetFrontend;

/* spec: the text of -netdev:
 * "user,id=n0[,hostfwd=tcp:[ADDR]:PORT-[ADDR]:PORT][,net=..][,restrict=on]".
 * Errors: unknown kind or option, an address that is none, a host port that is taken. */
NetBackend *net_new(MainLoop *loop, Clock *clock, const char *spec, Error **errp);
void net_free(NetBackend *net);
const char *net_id(const NetBackend *net); /* NULL: none */
/* False if it has a front end already, or the gate knows the name. */
bool net_attach(NetBackend *net, const NetFrontend *fe);
void net_detach(NetBackend *net);
/* Sends one frame; replies may come by receive() before it returns. While the past is run
 * again the frame goes nowhere: the network has seen it. */
void net_send(NetBackend *net, const uint8_t *frame, size_t len);
void net_flush(NetBackend *net); /* the front end can receive again */

#endif
