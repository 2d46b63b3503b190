/* SPDX-License-Identifier: MIT */
/*
 * NetBackend: kinds, and the queue between a back end and a card that is not ready.
 *
 * Invariants: frames reach the card in order; at most NET_QUEUE_MAX wait, later ones are
 * dropped, as on a real wire.
 * Not modelled: kinds tap, socket, bridge, vde, hubport; several peers on one network.
 */
#include "net/net.h"

#include <stdlib.h>
#include <string.h>

#include "net/net_int.h"

enum { NET_QUEUE_MAX = 256 };

static bool net_open(NetBackend *net, const KeyVal *kv, const char *spec, Error **errp) {
    const char *id = keyval_get(kv, "id"), *kind = keyval_get(kv, "type");
    if (id != NULL) {
        net->id = strdup(id);
    }
    if (kind == NULL || strcmp(kind, "user") != 0) {
        error_set(errp, "'%s': network kind '%s' is not supported; use user,id=ID", spec,
                  kind != NULL ? kind : "");
        return false;
    }
    return net_user_open(net, kv, errp);
}

NetBackend *net_new(MainLoop *loop, Clock *clock, const char *spec, Error **errp) {
    NetBackend *net = calloc(1, sizeof(*net));
    if (net == NULL) {
        error_set(errp, "out of memory");
        return NULL;
    }
    net->loop = loop;
    net->clock = clock;
    net->last = &net->first;
    KeyVal kv;
    bool ok = keyval_parse(&kv, spec, "type", errp) && net_open(net, &kv, spec, errp);
    keyval_free(&kv);
    if (!ok) {
        net_free(net);
        return NULL;
    }
    return net;
}

static void net_drop_queue(NetBackend *net) {
    while (net->first != NULL) {
        NetFrame *f = net->first;
        net->first = f->next;
        free(f);
    }
    net->last = &net->first;
    net->queued = 0;
}

void net_free(NetBackend *net) {
    if (net == NULL) {
        return;
    }
    net_detach(net);
    if (net->close != NULL) {
        net->close(net);
    }
    free(net->id);
    free(net);
}

const char *net_id(const NetBackend *net) {
    return net->id;
}

static void input_frame(void *opaque, unsigned kind, const uint8_t *frame, size_t len) {
    NetBackend *net = opaque;
    (void)kind;
    net->fe.receive(net->fe.opaque, frame, len);
}

static void give_frame(NetBackend *net, const uint8_t *frame, size_t len) {
    if (net->gate != NULL) {
        gate_input(net->gate, 0, frame, len);
    } else {
        input_frame(net, 0, frame, len);
    }
}

static bool wants_frame(const NetBackend *net) {
    return gate_is_open(net->gate) && !gate_is_busy(net->gate) &&
           net->fe.can_receive(net->fe.opaque);
}

void net_send(NetBackend *net, const uint8_t *frame, size_t len) {
    if (gate_is_open(net->gate)) {
        net->send(net, frame, len);
    }
}

static void net_enqueue(NetBackend *net, const uint8_t *frame, size_t len) {
    NetFrame *f = net->queued < NET_QUEUE_MAX ? malloc(sizeof(*f) + len) : NULL;
    if (f == NULL) {
        net->dropped++;
        return;
    }
    f->next = NULL;
    f->len = len;
    memcpy(f->bytes, frame, len);
    *net->last = f;
    net->last = &f->next;
    net->queued++;
}

void net_deliver(NetBackend *net, const uint8_t *frame, size_t len) {
    if (!net->attached) {
        return;
    }
    if (net->first == NULL && !net->delivering && wants_frame(net)) {
        give_frame(net, frame, len);
    } else {
        net_enqueue(net, frame, len);
        if (gate_is_busy(net->gate)) {
            gate_ask(net->gate); /* gate_opened() follows */
        }
    }
}

static void flush_queue(NetBackend *net) {
    if (net->delivering || !net->attached) {
        return;
    }
    net->delivering = true;
    while (net->first != NULL && wants_frame(net)) {
        NetFrame *f = net->first;
        net->first = f->next;
        if (net->first == NULL) {
            net->last = &net->first;
        }
        net->queued--;
        give_frame(net, f->bytes, f->len);
        free(f);
    }
    net->delivering = false;
}

void net_flush(NetBackend *net) {
    if (gate_is_busy(net->gate)) {
        gate_ask(net->gate);
    } else {
        flush_queue(net);
    }
}

static void gate_opened(void *opaque) {
    flush_queue(opaque);
}

bool net_attach(NetBackend *net, const NetFrontend *fe) {
    if (net->attached) {
        return false;
    }
    if (fe->gate != NULL) {
        net->gate = gate_port_new(fe->gate, fe->gate_name, input_frame, net);
        if (net->gate == NULL) {
            return false;
        }
        gate_port_on_open(net->gate, gate_opened, net);
    }
    net->fe = *fe;
    net->attached = true;
    return true;
}

void net_detach(NetBackend *net) {
    net->attached = false;
    gate_port_free(net->gate);
    net->gate = NULL;
    net_drop_queue(net);
}
