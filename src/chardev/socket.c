/* SPDX-License-Identifier: MIT */
/*
 * Kind "socket": a unix or TCP connection, as client or as server for one client at a
 * time.
 *
 *   server:  listen --accept--> connected --peer closes--> listen ...
 *   client:  connected at start; when the peer closes it stays closed
 *
 * Not modelled: reconnect, telnet, tls, websocket, passing of descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "chardev/chardev_int.h"

enum { DRAIN_MS = 200 };

typedef struct SocketState {
    int listen_fd; /* -1: a client */
    bool nodelay, tcp;
    char *unlink_path; /* the socket file that a unix server made */
} SocketState;

static void socket_connected(Chardev *chr, int fd) {
    SocketState *st = chr->kind;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (st->tcp && st->nodelay) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    chr->in_fd = chr->out_fd = fd;
    char_update_watch(chr);
    mux_event(chr, CHR_OPENED);
}

static void socket_accept(void *opaque, unsigned events) {
    (void)events;
    Chardev *chr = opaque;
    SocketState *st = chr->kind;
    int fd = accept(st->listen_fd, NULL, NULL);
    if (fd >= 0) {
        loop_watch(chr->loop, st->listen_fd, 0, NULL,
                   NULL); /* later clients wait in the backlog */
        socket_connected(chr, fd);
    }
}

static void socket_hangup(Chardev *chr) {
    SocketState *st = chr->kind;
    if (chr->in_fd < 0) {
        return;
    }
    char_close_fds(chr);
    if (st->listen_fd >= 0) {
        loop_watch(chr->loop, st->listen_fd, LOOP_READ, socket_accept, chr);
    }
    mux_event(chr, CHR_CLOSED);
}

static void socket_close(Chardev *chr) {
    SocketState *st = chr->kind;
    char_drain(chr, DRAIN_MS);
    char_close_fds(chr);
    if (st->listen_fd >= 0) {
        loop_watch(chr->loop, st->listen_fd, 0, NULL, NULL);
        close(st->listen_fd);
    }
    if (st->unlink_path != NULL) {
        unlink(st->unlink_path);
        free(st->unlink_path);
    }
    free(st);
}

static const ChardevOps socket_ops = {.hangup = socket_hangup, .close = socket_close};

/* Removes a socket file that nobody listens on any more. Errors: somebody does. */
static bool socket_clear_stale(const struct sockaddr_un *addr, Error **errp) {
    struct stat sb;
    if (lstat(addr->sun_path, &sb) != 0 || !S_ISSOCK(sb.st_mode)) {
        return true; /* bind() will say what is wrong */
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool alive =
        fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (alive) {
        error_set(errp,
                  "'%s' is in use: another process listens on it; choose another path",
                  addr->sun_path);
        return false;
    }
    unlink(addr->sun_path);
    return true;
}

static int socket_open_unix(Chardev *chr, const char *path, bool server, Error **errp) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(addr.sun_path)) {
        error_set(errp, "socket path '%s' is too long; at most %zu bytes", path,
                  sizeof(addr.sun_path) - 1);
        return -1;
    }
    strcpy(addr.sun_path, path);
    if (server && !socket_clear_stale(&addr, errp)) {
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *sa = (const struct sockaddr *)&addr;
    if (fd < 0 ||
        (server ? bind(fd, sa, sizeof(addr)) : connect(fd, sa, sizeof(addr))) != 0) {
        error_set_errno(errp, errno,
                        server ? "cannot make the socket '%s'" : "cannot connect to '%s'",
                        path);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    if (server) {
        SocketState *st = chr->kind;
        st->unlink_path = strdup(path);
    }
    chr->where = strdup(path);
    return fd;
}

/* Notes "host:port" as it came out (port 0: the one the host chose). */
static void socket_note_where(Chardev *chr, int fd, bool server) {
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    char host[128], port[16], text[160];
    int got = server ? getsockname(fd, (struct sockaddr *)&ss, &len)
                     : getpeername(fd, (struct sockaddr *)&ss, &len);
    if (got == 0 && getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port,
                                sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        snprintf(text, sizeof(text), strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s",
                 host, port);
        chr->where = strdup(text);
    }
}

static int socket_open_tcp(Chardev *chr, const char *host, const char *port, bool server,
                           Error **errp) {
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = server ? AI_PASSIVE : 0,
    };
    struct addrinfo *list;
    const char *name = host != NULL && *host != '\0' ? host : NULL;
    const char *shown = name != NULL ? name : "";
    int rc = getaddrinfo(name, port, &hints, &list);
    if (rc != 0) {
        error_set(errp, "cannot resolve '%s:%s': %s", shown, port, gai_strerror(rc));
        return -1;
    }
    int fd = -1, saved = 0;
    for (struct addrinfo *ai = list; ai != NULL && fd < 0; ai = ai->ai_next) {
        fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
        if (fd < 0) {
            saved = errno;
            continue;
        }
        int one = 1;
        if (server) {
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        }
        rc = server ? bind(fd, ai->ai_addr, ai->ai_addrlen)
                    : connect(fd, ai->ai_addr, ai->ai_addrlen);
        if (rc != 0) {
            saved = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        error_set_errno(errp, saved,
                        server ? "cannot listen on '%s:%s'" : "cannot connect to '%s:%s'",
                        shown, port);
        return -1;
    }
    socket_note_where(chr, fd, server);
    return fd;
}

/* Starts to listen; with `wait` does not return before there is a client. */
static bool socket_listen(Chardev *chr, int fd, bool wait, Error **errp) {
    SocketState *st = chr->kind;
    st->listen_fd = fd;
    if (listen(fd, 1) != 0) {
        error_set_errno(errp, errno, "cannot listen on '%s'",
                        chr->where != NULL ? chr->where : "");
        return false;
    }
    if (wait) {
        int client = accept(fd, NULL, NULL);
        if (client < 0) {
            error_set_errno(errp, errno, "waiting for a client on '%s'",
                            chr->where != NULL ? chr->where : "");
            return false;
        }
        fcntl(fd, F_SETFL, O_NONBLOCK);
        socket_connected(chr, client);
        return true;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    loop_watch(chr->loop, fd, LOOP_READ, socket_accept, chr);
    return true;
}

bool char_socket_open(Chardev *chr, const KeyVal *kv, Error **errp) {
    bool server = false, wait = true, delay = true, nodelay = false;
    if (!keyval_check(kv,
                      "backend id mux path host port server wait delay nodelay ipv4 ipv6",
                      "chardev socket", errp) ||
        !keyval_get_bool(kv, "server", &server, errp) ||
        !keyval_get_bool(kv, "wait", &wait, errp) ||
        !keyval_get_bool(kv, "delay", &delay, errp) ||
        !keyval_get_bool(kv, "nodelay", &nodelay, errp)) {
        return false;
    }
    const char *path = keyval_get(kv, "path");
    const char *port = keyval_get(kv, "port");
    if ((path == NULL || *path == '\0') && (port == NULL || *port == '\0')) {
        error_set(
            errp,
            "chardev socket: neither path nor port; write unix:PATH or tcp:HOST:PORT");
        return false;
    }
    SocketState *st = calloc(1, sizeof(*st));
    if (st == NULL) {
        error_set(errp, "out of memory");
        return false;
    }
    *st =
        (SocketState){.listen_fd = -1, .nodelay = nodelay || !delay, .tcp = path == NULL};
    chr->kind = st;
    chr->is_server = server;
    chr->is_tcp = st->tcp;
    chr->ops = &socket_ops; /* from here on chardev_free() cleans up */
    int fd = path != NULL
                 ? socket_open_unix(chr, path, server, errp)
                 : socket_open_tcp(chr, keyval_get(kv, "host"), port, server, errp);
    if (fd < 0) {
        return false;
    }
    if (server) {
        return socket_listen(chr, fd, wait, errp);
    }
    socket_connected(chr, fd);
    return true;
}
