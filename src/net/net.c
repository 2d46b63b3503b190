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
    net->attached = false;
    if (net->close != NULL) {
        net->close(net);
    }
    net_drop_queue(net);
    free(net->id);
    free(net);
}

const char *net_id(const NetBackend *net) {
    return net->id;
}

bool net_attach(NetBackend *net, const NetFrontend *fe) {
    if (net->attached) {
        return false;
    }
    net->fe = *fe;
    net->attached = true;
    return true;
}

void net_detach(NetBackend *net) {
    net->attached = false;
    net_drop_queue(net);
}

void net_send(NetBackend *net, const uint8_t *frame, size_t len) {
    net->send(net, frame, len);
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
    if (net->first == NULL && !net->delivering && net->fe.can_receive(net->fe.opaque)) {
        net->fe.receive(net->fe.opaque, frame, len);
    } else {
        net_enqueue(net, frame, len);
    }
}

void net_flush(NetBackend *net) {
    if (net->delivering || !net->attached) {
        return;
    }
    net->delivering = true;
    while (net->first != NULL && net->fe.can_receive(net->fe.opaque)) {
        NetFrame *f = net->first;
        net->first = f->next;
        if (net->first == NULL) {
            net->last = &net->first;
        }
        net->queued--;
        net->fe.receive(net->fe.opaque, f->bytes, f->len);
        free(f);
    }
    net->delivering = false;
}
