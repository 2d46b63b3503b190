/* SPDX-License-Identifier: MIT */
/* What net.c and the kinds of back ends share. */
#ifndef VITRINE_NET_NET_INT_H
#define VITRINE_NET_NET_INT_H

#include "net/net.h"
#include "util/keyval.h"

typedef struct NetFrame {
    struct NetFrame *next;
    size_t len;
    uint8_t bytes[];
} NetFrame;

struct NetBackend {
    char *id;
    MainLoop *loop;
    Clock *clock;
    NetFrontend fe;
    GatePort *gate;
    bool attached;
    bool delivering;
    NetFrame *first, **last; /* wait until the front end can receive */
    unsigned queued;
    uint64_t dropped;
    void *kind; /* the kind's own state */
    void (*send)(NetBackend *net, const uint8_t *frame, size_t len);
    void (*close)(NetBackend *net);
};

/* A frame for the guest: delivered, queued, or dropped if too many wait. */
void net_deliver(NetBackend *net, const uint8_t *frame, size_t len);

bool net_user_open(NetBackend *net, const KeyVal *kv, Error **errp);

#endif
