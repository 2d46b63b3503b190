/* SPDX-License-Identifier: MIT */
/* GdbPort, see gdb_port.h. */
#include "monitor/gdb_port.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct GdbPort {
    Machine *m;
    GdbHooks hooks;
    pthread_mutex_t lock;
    GdbServer *server; /* lock; NULL: nobody listens */
};

GdbPort *gdb_port_new(Machine *m, const GdbHooks *hooks) {
    GdbPort *port = calloc(1, sizeof(*port));
    assert(port);
    port->m = m;
    if (hooks) {
        port->hooks = *hooks;
    }
    pthread_mutex_init(&port->lock, NULL);
    return port;
}

void gdb_port_free(GdbPort *port) {
    if (port) {
        gdb_server_free(port->server);
        pthread_mutex_destroy(&port->lock);
        free(port);
    }
}

bool gdb_port_open(GdbPort *port, const char *spec, Error **errp) {
    if (spec && !gdb_server_check(spec, errp)) {
        return false;
    }
    pthread_mutex_lock(&port->lock);
    gdb_server_free(port->server); /* first: the new one may be at the same place */
    port->server = spec ? gdb_server_new(port->m, spec, &port->hooks, errp) : NULL;
    bool ok = !spec || port->server;
    pthread_mutex_unlock(&port->lock);
    return ok;
}
