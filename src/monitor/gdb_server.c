/* SPDX-License-Identifier: MIT */
/*
 * GdbServer: a listening socket, one client, one thread.
 *
 *   poll(listener or client, wake) --bytes--> session --bytes--> client
 *               ^
 *   machine's listener: stopped, ended --eventfd--'
 *
 * A client is read only when all that it was sent is gone, so one that asks and never
 * listens keeps nobody busy and grows nothing.
 */
#include "monitor/gdb_server.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/unix_file.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

enum { READ_SIZE = 4096, BACKLOG = 4, GOODBYE_MS = 200 };

struct GdbServer {
    Machine *m;
    GdbHooks hooks;
    UnixFile socket_file;
    int listen_fd, wake_fd;
    pthread_t thread;
    MachineListener listener;
    bool ended, quit; /* atomic */
    /* own thread */
    int fd; /* the client's, or -1 */
    GdbSession *session;
};

/* --- the address ----------------------------------------------------------------- */

typedef struct GdbAddress {
    char host[256]; /* tcp */
    char port[16];
    struct sockaddr_un sun; /* unix: */
    bool is_unix;
} GdbAddress;

static bool bad_spec(const char *spec, Error **errp) {
    error_set(errp, "-gdb %s: write it as tcp::PORT, tcp:HOST:PORT or unix:PATH", spec);
    return false;
}

/* What QEMU lets follow, and what is so anyway. */
static bool only_server_options(const char *comma) {
    static const char *const options[] = {",server=on", ",wait=off", ",server", ",nowait",
                                          ",nodelay"};
    while (*comma) {
        bool known = false;
        for (unsigned i = 0; !known && i < sizeof(options) / sizeof(options[0]); i++) {
            known = gdb_take_text(&comma, options[i]);
        }
        if (!known) {
            return false;
        }
    }
    return true;
}

static bool parse_tcp(const char *spec, const char *text, size_t len, GdbAddress *to,
                      Error **errp) {
    const char *colon = memrchr(text, ':', len);
    if (!colon) {
        return bad_spec(spec, errp);
    }
    size_t host_len = (size_t)(colon - text), port_len = len - host_len - 1;
    if (host_len >= sizeof(to->host) || port_len == 0 || port_len > 5 ||
        strspn(colon + 1, "0123456789") < port_len) {
        return bad_spec(spec, errp);
    }
    memcpy(to->host, text, host_len);
    memcpy(to->port, colon + 1, port_len);
    if (strtoul(to->port, NULL, 10) > UINT16_MAX) {
        return bad_spec(spec, errp);
    }
    if (!host_len) {
        strcpy(to->host, "127.0.0.1");
    }
    return true;
}

static bool parse(const char *spec, GdbAddress *to, Error **errp) {
    const char *text = spec;
    *to = (GdbAddress){.is_unix = false};
    bool tcp = gdb_take_text(&text, "tcp:");
    to->is_unix = !tcp && gdb_take_text(&text, "unix:");
    size_t len = strcspn(text, ",");
    if ((!tcp && !to->is_unix) || !only_server_options(text + len)) {
        return bad_spec(spec, errp);
    }
    if (tcp) {
        return parse_tcp(spec, text, len, to, errp);
    }
    if (!len || len >= sizeof(to->sun.sun_path)) {
        error_set(errp, "-gdb %s: the path of a socket has 1 to %zu bytes", spec,
                  sizeof(to->sun.sun_path) - 1);
        return false;
    }
    to->sun.sun_family = AF_UNIX;
    memcpy(to->sun.sun_path, text, len);
    return true;
}

bool gdb_server_check(const char *spec, Error **errp) {
    GdbAddress address;
    return parse(spec, &address, errp);
}

/* --- listening ------------------------------------------------------------------- */

static bool listen_tcp(GdbServer *g, const GdbAddress *a, const char *spec,
                       Error **errp) {
    const struct addrinfo hints = {
        .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int one = 1, err = getaddrinfo(a->host, a->port, &hints, &found);
    if (err) {
        error_set(errp, "-gdb %s: %s", spec, gai_strerror(err));
        return false;
    }
    g->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(g->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    bool ok = g->listen_fd >= 0 &&
              bind(g->listen_fd, found->ai_addr, found->ai_addrlen) == 0 &&
              listen(g->listen_fd, BACKLOG) == 0;
    freeaddrinfo(found);
    if (!ok) {
        error_set_errno(errp, errno, "-gdb %s: cannot listen there", spec);
        return false;
    }
    return true;
}

static bool listen_unix(GdbServer *g, const GdbAddress *a, const char *spec,
                        Error **errp) {
    if (!unix_file_clear(a->sun.sun_path, errp)) {
        error_prepend(errp, "-gdb %s: ", spec);
        return false;
    }
    g->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (g->listen_fd < 0 ||
        bind(g->listen_fd, (const struct sockaddr *)&a->sun, sizeof(a->sun)) != 0) {
        error_set_errno(errp, errno, "-gdb %s: cannot listen there", spec);
        return false;
    }
    if (!unix_file_keep(&g->socket_file, a->sun.sun_path, errp)) {
        return false;
    }
    if (listen(g->listen_fd, BACKLOG) != 0) {
        error_set_errno(errp, errno, "-gdb %s: cannot listen there", spec);
        return false;
    }
    return true;
}

/* --- the client ------------------------------------------------------------------ */

static void accept_client(GdbServer *g) {
    int one = 1, fd = accept4(g->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
               sizeof(one)); /* not of a unix socket */
    g->fd = fd;
    g->session = gdb_session_new(g->m, &g->hooks);
}

static void drop_client(GdbServer *g) {
    gdb_session_free(g->session);
    close(g->fd);
    g->session = NULL;
    g->fd = -1;
}

/* False: the client is gone. */
static bool send_output(GdbServer *g) {
    size_t len;
    const char *data = gdb_session_output(g->session, &len);
    while (len) {
        ssize_t n = send(g->fd, data, len, MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        gdb_session_sent(g->session, (size_t)n);
        data = gdb_session_output(g->session, &len);
    }
    return true;
}

static bool read_input(GdbServer *g) {
    uint8_t buf[READ_SIZE];
    ssize_t n = recv(g->fd, buf, sizeof(buf), 0);
    if (n > 0) {
        gdb_session_input(g->session, buf, (size_t)n);
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void serve_client(GdbServer *g, short events) {
    bool alive = true;
    size_t waiting;
    if (events & (POLLIN | POLLHUP | POLLERR)) {
        alive = read_input(g);
    }
    if (alive) {
        gdb_session_notice(g->session, __atomic_load_n(&g->ended, __ATOMIC_ACQUIRE));
        alive = send_output(g);
    }
    gdb_session_output(g->session, &waiting);
    if (!alive || (gdb_session_is_over(g->session) && !waiting)) {
        drop_client(g);
    }
}

/* --- the thread ------------------------------------------------------------------ */

static short events_wanted(const GdbServer *g) {
    size_t waiting;
    gdb_session_output(g->session, &waiting);
    return waiting ? POLLOUT : POLLIN;
}

static void drain(int fd) {
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof(count));
    (void)n;
}

static void *serve(void *opaque) {
    GdbServer *g = opaque;
    while (!__atomic_load_n(&g->quit, __ATOMIC_ACQUIRE)) {
        bool client = g->session != NULL;
        struct pollfd fds[] = {
            {g->wake_fd, POLLIN, 0},
            {client ? g->fd : g->listen_fd, client ? events_wanted(g) : POLLIN, 0}};
        if (poll(fds, 2, -1) < 0) {
            continue;
        }
        if (fds[0].revents) {
            drain(g->wake_fd);
        }
        if (client) {
            serve_client(g, fds[1].revents);
        } else if (fds[1].revents) {
            accept_client(g);
        }
    }
    if (g->session) { /* a client that waits learns how it ended */
        struct pollfd out = {g->fd, POLLOUT, 0};
        gdb_session_notice(g->session, true);
        if (poll(&out, 1, GOODBYE_MS) > 0) {
            send_output(g);
        }
        drop_client(g);
    }
    return NULL;
}

static void wake(GdbServer *g) {
    uint64_t one = 1;
    ssize_t n = write(g->wake_fd, &one, sizeof(one));
    (void)n; /* full: it is awake */
}

static void on_event(void *opaque, const MachineEvent *ev) {
    GdbServer *g = opaque;
    if (ev->kind == MEV_SHUTDOWN && g->m->run.ended) {
        __atomic_store_n(&g->ended, true, __ATOMIC_RELEASE);
    }
    wake(g);
}

/* --- life ------------------------------------------------------------------------ */

static void free_parts(GdbServer *g) {
    unix_file_remove(&g->socket_file);
    if (g->listen_fd >= 0) {
        close(g->listen_fd);
    }
    if (g->wake_fd >= 0) {
        close(g->wake_fd);
    }
    free(g);
}

GdbServer *gdb_server_new(Machine *m, const char *spec, const GdbHooks *hooks,
                          Error **errp) {
    GdbAddress address;
    if (!parse(spec, &address, errp)) {
        return NULL;
    }
    GdbServer *g = calloc(1, sizeof(*g));
    assert(g);
    g->m = m;
    g->fd = g->listen_fd = -1;
    if (hooks) {
        g->hooks = *hooks;
    }
    g->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    bool ok = address.is_unix ? listen_unix(g, &address, spec, errp)
                              : listen_tcp(g, &address, spec, errp);
    if (!ok) {
        free_parts(g);
        return NULL;
    }
    g->listener = (MachineListener){.event = on_event, .opaque = g};
    machine_add_listener(m, &g->listener);
    int err = pthread_create(&g->thread, NULL, serve, g);
    if (err) {
        error_set_errno(errp, err, "-gdb %s: cannot start its thread", spec);
        machine_remove_listener(m, &g->listener);
        free_parts(g);
        return NULL;
    }
    return g;
}

void gdb_server_free(GdbServer *g) {
    if (!g) {
        return;
    }
    __atomic_store_n(&g->quit, true, __ATOMIC_RELEASE);
    wake(g);
    pthread_join(g->thread, NULL);
    machine_remove_listener(g->m, &g->listener);
    free_parts(g);
}
