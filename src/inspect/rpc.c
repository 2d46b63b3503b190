/* SPDX-License-Identifier: MIT */
/*
 * Rpc: stdio, a Unix socket or a port of this host, carrying lines.
 *
 *   poll(listener, wake pipe, each peer) --> read: lines --> inspect_client_message()
 *                                       '--> write: inspect_client_take()
 *
 * A peer is read only while its queue has room, so one that asks faster than it is answered waits in
 * its own socket. After its end of file it still gets its answers.
 *
 * Invariants: a line in the making has at most INSPECT_MAX_MESSAGE bytes; of a longer one the rest is
 * skipped and an error answered.
 * Threads: the carrier's own; rpc_new() and rpc_free() from another.
 */
#include "inspect/rpc.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "util/unix_file.h"

enum {
    READ_SIZE = 64 * 1024,
    LINE_START = 4096,
    PIPE_CHUNK = 4096, /* a pipe that polls writable takes this much at once */
    FLUSH_MS = 200,    /* patience at the end */
    ACCEPT_MS = 10,    /* between two connections, on the average ... */
    ACCEPT_BURST = 32, /* ... of so many */
    SOCKET_MODE = 0600,
};

typedef struct RpcPeer {
    InspectClient *client; /* NULL: the slot is free */
    int in_fd, out_fd;
    bool ended;    /* end of file: answers are still due */
    bool failed;   /* nothing can be sent any more */
    bool skipping; /* inside a line that is too long */
    char *input; /* READ_SIZE bytes; what was read and not looked at: from input_at on */
    size_t input_at, input_len;
    char *line;
    size_t line_len, line_cap;
    InspectOut *out; /* being sent */
    char prefix[24]; /* "#LEN\n" before a frame */
    size_t prefix_len, prefix_sent, sent;
    bool newline_due; /* after a text */
} RpcPeer;

struct Rpc {
    Inspector *ins;
    UnixFile socket_file;
    bool stdio;
    int listen_fd, wake_fd;
    int64_t accept_ms; /* the last connection would have come then at an even pace */
    pthread_t thread;
    bool thread_started;
    bool quit; /* atomic */
    RpcPeer peer[RPC_MAX_CLIENTS];
};

/* --- the address ----------------------------------------------------------------------------- */

typedef enum RpcKind { RPC_BAD, RPC_STDIO, RPC_UNIX, RPC_TCP } RpcKind;

static bool is_loopback(const char *host, size_t len, struct in_addr *addr) {
    char text[INET_ADDRSTRLEN];
    if (len == 0 || (len == 9 && strncmp(host, "localhost", len) == 0)) {
        addr->s_addr = htonl(INADDR_LOOPBACK);
        return true;
    }
    if (len >= sizeof(text)) {
        return false;
    }
    memcpy(text, host, len);
    text[len] = '\0';
    return inet_pton(AF_INET, text, addr) == 1 &&
           ntohl(addr->s_addr) >> 24 == IN_LOOPBACKNET;
}

static bool parse_tcp(const char *spec, struct sockaddr_in *sin, Error **errp) {
    const char *host = spec + strlen("tcp:");
    const char *colon = strrchr(host, ':');
    char *end = NULL;
    errno = 0;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (!colon || end == colon + 1 || *end != '\0' || port > UINT16_MAX) {
        error_set(errp, "-rpc %s: write it as tcp:HOST:PORT, such as tcp:127.0.0.1:4444",
                  spec);
        return false;
    }
    *sin = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (!is_loopback(host, (size_t)(colon - host), &sin->sin_addr)) {
        error_set(errp,
                  "-rpc %s: whoever connects may drive the machine, so only this host is "
                  "let in; use 127.0.0.1 or unix:PATH, and an ssh tunnel from elsewhere",
                  spec);
        return false;
    }
    return true;
}

static RpcKind parse_spec(const char *spec, struct sockaddr_in *sin,
                          struct sockaddr_un *sun, Error **errp) {
    if (strcmp(spec, "stdio") == 0) {
        return RPC_STDIO;
    }
    if (strncmp(spec, "unix:", 5) == 0) {
        size_t len = strlen(spec + 5);
        if (len == 0 || len >= sizeof(sun->sun_path)) {
            error_set(errp, "-rpc %s: the path of a socket has 1 to %zu bytes", spec,
                      sizeof(sun->sun_path) - 1);
            return RPC_BAD;
        }
        *sun = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(sun->sun_path, spec + 5, len + 1);
        return RPC_UNIX;
    }
    if (strncmp(spec, "tcp:", 4) == 0) {
        return parse_tcp(spec, sin, errp) ? RPC_TCP : RPC_BAD;
    }
    error_set(errp, "-rpc %s: unknown; use stdio, unix:PATH or tcp:HOST:PORT", spec);
    return RPC_BAD;
}

bool rpc_check(const char *spec, Error **errp) {
    struct sockaddr_in sin;
    struct sockaddr_un sun;
    return parse_spec(spec, &sin, &sun, errp) != RPC_BAD;
}

/* --- peers ----------------------------------------------------------------------------------- */

static void wake(void *opaque) {
    Rpc *rpc = opaque;
    uint64_t one = 1;
    ssize_t n = write(rpc->wake_fd, &one, sizeof(one)); /* full: it is awake */
    (void)n;
}

static void close_peer(RpcPeer *peer) {
    inspect_client_free(peer->client);
    if (peer->in_fd > STDERR_FILENO) {
        close(peer->in_fd);
    }
    free(peer->input);
    free(peer->line);
    free(peer->out);
    *peer = (RpcPeer){0};
}

static bool open_peer(Rpc *rpc, int in_fd, int out_fd) {
    for (unsigned i = 0; i < RPC_MAX_CLIENTS; i++) {
        RpcPeer *peer = &rpc->peer[i];
        if (!peer->client) {
            const InspectSink sink = {wake, rpc};
            *peer = (RpcPeer){.in_fd = in_fd, .out_fd = out_fd};
            peer->client = inspect_client_new(rpc->ins, INSPECT_OPERATOR, &sink);
            return peer->client != NULL;
        }
    }
    return false;
}

static int64_t now_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* Milliseconds until a connection is taken again; 0: now. Who hangs up and connects without end keeps nobody
 * busy. */
static int accept_wait_ms(const Rpc *rpc) {
    int64_t ms = rpc->accept_ms - ACCEPT_BURST * ACCEPT_MS - now_ms();
    return ms > 0 ? (int)ms : 0;
}

static void accept_peer(Rpc *rpc) {
    static const char full[] =
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32004,\"message\":"
        "\"Limit\",\"data\":{\"class\":\"limit\",\"what\":\"too many "
        "clients\",\"try\":\"close one\"}},\"id\":null}\n";
    int64_t now = now_ms();
    rpc->accept_ms = (rpc->accept_ms > now ? rpc->accept_ms : now) + ACCEPT_MS;
    int fd = accept4(rpc->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && !open_peer(rpc, fd, fd)) {
        ssize_t n = send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL);
        (void)n;
        close(fd);
    }
}

/* --- reading --------------------------------------------------------------------------------- */

static void add_to_line(RpcPeer *peer, const char *data, size_t len) {
    if (peer->skipping) {
        return;
    }
    if (peer->line_len + len > INSPECT_MAX_MESSAGE) {
        peer->skipping = true;
        return;
    }
    if (peer->line_len + len > peer->line_cap) {
        size_t cap = peer->line_cap ? peer->line_cap : LINE_START;
        while (cap < peer->line_len + len) {
            cap *= 2;
        }
        peer->line = realloc(peer->line, cap);
        assert(peer->line);
        peer->line_cap = cap;
    }
    memcpy(peer->line + peer->line_len, data, len);
    peer->line_len += len;
}

static bool is_blank(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') {
            return false;
        }
    }
    return true;
}

static void end_line(RpcPeer *peer) {
    if (peer->skipping) {
        inspect_client_too_long(peer->client);
    } else if (!is_blank(peer->line, peer->line_len)) {
        inspect_client_message(peer->client, peer->line, peer->line_len);
    }
    peer->skipping = false;
    peer->line_len = 0;
}

static bool has_input(const RpcPeer *peer) {
    return peer->input_at < peer->input_len;
}

static void read_peer(RpcPeer *peer) {
    if (!peer->input) {
        peer->input = malloc(READ_SIZE);
        assert(peer->input);
    }
    ssize_t n = read(peer->in_fd, peer->input, READ_SIZE);
    if (n > 0) {
        peer->input_at = 0;
        peer->input_len = (size_t)n;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        peer->ended = true;
        if (peer->line_len) {
            end_line(peer); /* the last line had no end */
        }
    }
}

/* Hands lines on while there is room; the rest stays. */
static void take_lines(RpcPeer *peer) {
    while (has_input(peer) && inspect_client_has_room(peer->client)) {
        char *p = peer->input + peer->input_at;
        size_t left = peer->input_len - peer->input_at;
        char *newline = memchr(p, '\n', left);
        size_t len = newline ? (size_t)(newline - p) : left;
        add_to_line(peer, p, len);
        peer->input_at += newline ? len + 1 : len;
        if (newline) {
            end_line(peer);
        }
    }
}

/* --- writing --------------------------------------------------------------------------------- */

static bool next_out(RpcPeer *peer) {
    if (!peer->out) {
        peer->out = inspect_client_take(peer->client);
        peer->sent = peer->prefix_sent = peer->prefix_len = 0;
        if (peer->out && peer->out->frame) {
            peer->prefix_len = (size_t)snprintf(peer->prefix, sizeof(peer->prefix),
                                                "#%zu\n", peer->out->len);
        } else if (peer->out) {
            peer->out->data[peer->out->len++] = '\n'; /* in place of the zero */
        }
    }
    return peer->out != NULL;
}

/* Sends some bytes; false if the peer takes none now (or never). */
static bool send_some(RpcPeer *peer, const char *data, size_t len, size_t *sent) {
    bool is_pipe = peer->out_fd != peer->in_fd;
    size_t n = is_pipe && len > PIPE_CHUNK ? PIPE_CHUNK : len;
    ssize_t done = is_pipe ? write(peer->out_fd, data, n)
                           : send(peer->out_fd, data, n, MSG_NOSIGNAL);
    if (done < 0) {
        peer->failed = errno != EAGAIN && errno != EINTR;
        return false;
    }
    *sent += (size_t)done;
    return !is_pipe; /* a pipe: ask poll() again, it may block */
}

static void write_peer(RpcPeer *peer) {
    bool more = true;
    while (more && !peer->failed && next_out(peer)) {
        if (peer->prefix_sent < peer->prefix_len) {
            more = send_some(peer, peer->prefix + peer->prefix_sent,
                             peer->prefix_len - peer->prefix_sent, &peer->prefix_sent);
            continue;
        }
        more = send_some(peer, peer->out->data + peer->sent, peer->out->len - peer->sent,
                         &peer->sent);
        if (peer->sent == peer->out->len) {
            free(peer->out);
            peer->out = NULL;
        }
    }
}

/* --- the thread ------------------------------------------------------------------------------ */

enum { POLL_WAKE, POLL_LISTEN, POLL_PEERS, POLL_PER_PEER = 2 };
enum { POLL_COUNT = POLL_PEERS + RPC_MAX_CLIENTS * POLL_PER_PEER };

static void prepare(Rpc *rpc, struct pollfd *fds, bool reading) {
    fds[POLL_WAKE] = (struct pollfd){rpc->wake_fd, POLLIN, 0};
    bool accepting = reading && accept_wait_ms(rpc) == 0;
    fds[POLL_LISTEN] = (struct pollfd){accepting ? rpc->listen_fd : -1, POLLIN, 0};
    for (unsigned i = 0; i < RPC_MAX_CLIENTS; i++) {
        RpcPeer *peer = &rpc->peer[i];
        struct pollfd *in = &fds[POLL_PEERS + i * POLL_PER_PEER], *out = in + 1;
        *in = *out = (struct pollfd){-1, 0, 0};
        if (!peer->client) {
            continue;
        }
        if (reading && !peer->ended && !has_input(peer)) {
            *in = (struct pollfd){peer->in_fd, POLLIN, 0};
        }
        if (next_out(peer)) {
            *out = (struct pollfd){peer->out_fd, POLLOUT, 0};
        }
    }
}

static bool is_over(RpcPeer *peer) {
    return peer->failed || inspect_client_is_dropped(peer->client) ||
           (peer->ended && !has_input(peer) && inspect_client_is_idle(peer->client) &&
            !peer->out);
}

static void serve(Rpc *rpc, const struct pollfd *fds) {
    if (fds[POLL_WAKE].revents) {
        uint64_t count;
        ssize_t n = read(rpc->wake_fd, &count, sizeof(count));
        (void)n;
    }
    if (fds[POLL_LISTEN].revents & POLLIN) {
        accept_peer(rpc);
    }
    for (unsigned i = 0; i < RPC_MAX_CLIENTS; i++) {
        RpcPeer *peer = &rpc->peer[i];
        const struct pollfd *in = &fds[POLL_PEERS + i * POLL_PER_PEER], *out = in + 1;
        if (!peer->client) {
            continue;
        }
        if (in->fd >= 0 && in->revents) {
            read_peer(peer);
        }
        take_lines(peer);
        if (out->fd >= 0 && out->revents) {
            write_peer(peer);
        }
        if (is_over(peer)) {
            close_peer(peer);
        }
    }
}

/* At the end: what is answered still goes out, to those who take it. */
static void flush(Rpc *rpc) {
    struct pollfd fds[POLL_COUNT];
    const int64_t end_ms = now_ms() + FLUSH_MS;
    while (now_ms() < end_ms) {
        bool waits = false;
        prepare(rpc, fds, false);
        for (unsigned i = POLL_PEERS; i < POLL_COUNT; i++) {
            waits = waits || fds[i].fd >= 0;
        }
        for (unsigned i = 0; i < RPC_MAX_CLIENTS; i++) {
            RpcPeer *peer = &rpc->peer[i];
            waits = waits || (peer->client && !inspect_client_is_idle(peer->client));
        }
        if (!waits || poll(fds, POLL_COUNT, 1) < 0) {
            return;
        }
        serve(rpc, fds);
    }
}

static void *thread_main(void *opaque) {
    Rpc *rpc = opaque;
    struct pollfd fds[POLL_COUNT];
    while (!__atomic_load_n(&rpc->quit, __ATOMIC_ACQUIRE)) {
        int wait_ms = accept_wait_ms(rpc); /* before it is decided who is polled */
        prepare(rpc, fds, true);
        if (poll(fds, POLL_COUNT, wait_ms ? wait_ms : -1) >= 0) {
            serve(rpc, fds);
        }
    }
    flush(rpc);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------ */

static bool listen_on(Rpc *rpc, const char *spec, const struct sockaddr *addr,
                      socklen_t len, Error **errp) {
    rpc->listen_fd =
        socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (rpc->listen_fd < 0) {
        error_set_errno(errp, errno, "-rpc %s: cannot make a socket", spec);
        return false;
    }
    if (addr->sa_family == AF_INET) {
        int on = 1;
        setsockopt(rpc->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    } else {
        fchmod(rpc->listen_fd, SOCKET_MODE); /* bind() makes the file so */
    }
    if (bind(rpc->listen_fd, addr, len) < 0 ||
        listen(rpc->listen_fd, RPC_MAX_CLIENTS) < 0) {
        error_set_errno(errp, errno, "-rpc %s: cannot listen there", spec);
        return false;
    }
    return true;
}

static bool open_unix(Rpc *rpc, const char *spec, const struct sockaddr_un *sun,
                      Error **errp) {
    if (!unix_file_clear(sun->sun_path, errp)) {
        error_prepend(errp, "-rpc %s: ", spec);
        return false;
    }
    if (!listen_on(rpc, spec, (const struct sockaddr *)sun, sizeof(*sun), errp)) {
        return false;
    }
    return unix_file_keep(&rpc->socket_file, sun->sun_path, errp);
}

static bool open_tcp(Rpc *rpc, const char *spec, const struct sockaddr_in *sin,
                     Error **errp) {
    return listen_on(rpc, spec, (const struct sockaddr *)sin, sizeof(*sin), errp);
}

static bool open_stdio(Rpc *rpc, Error **errp) {
    if (!loop_claim_stdio(inspector_machine(rpc->ins)->loop, rpc)) {
        error_set(errp, "-rpc stdio: a serial line has the terminal; add -serial none or "
                        "-serial file:FILE, or use -rpc unix:PATH");
        return false;
    }
    rpc->stdio = true;
    return open_peer(rpc, STDIN_FILENO, STDOUT_FILENO);
}

static bool open_spec(Rpc *rpc, const char *spec, Error **errp) {
    struct sockaddr_in sin;
    struct sockaddr_un sun;
    switch (parse_spec(spec, &sin, &sun, errp)) {
    case RPC_BAD:
        return false;
    case RPC_STDIO:
        return open_stdio(rpc, errp);
    case RPC_UNIX:
        return open_unix(rpc, spec, &sun, errp);
    case RPC_TCP:
        return open_tcp(rpc, spec, &sin, errp);
    }
    return false;
}

Rpc *rpc_new(Inspector *ins, const char *spec, Error **errp) {
    Rpc *rpc = calloc(1, sizeof(*rpc));
    assert(rpc);
    rpc->ins = ins;
    rpc->listen_fd = -1;
    rpc->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (rpc->wake_fd < 0) {
        error_set_errno(errp, errno, "-rpc %s: cannot make an event", spec);
        rpc_free(rpc);
        return NULL;
    }
    if (!open_spec(rpc, spec, errp)) {
        rpc_free(rpc);
        return NULL;
    }
    int err = pthread_create(&rpc->thread, NULL, thread_main, rpc);
    if (err) {
        error_set_errno(errp, err, "-rpc %s: cannot start its thread", spec);
        rpc_free(rpc);
        return NULL;
    }
    rpc->thread_started = true;
    return rpc;
}

void rpc_end(Rpc *rpc) {
    __atomic_store_n(&rpc->quit, true, __ATOMIC_RELEASE);
    wake(rpc);
}

void rpc_free(Rpc *rpc) {
    if (!rpc) {
        return;
    }
    if (rpc->thread_started) {
        rpc_end(rpc);
        pthread_join(rpc->thread, NULL);
    }
    for (unsigned i = 0; i < RPC_MAX_CLIENTS; i++) {
        if (rpc->peer[i].client) {
            close_peer(&rpc->peer[i]);
        }
    }
    if (rpc->listen_fd >= 0) {
        close(rpc->listen_fd);
    }
    unix_file_remove(&rpc->socket_file);
    if (rpc->wake_fd >= 0) {
        close(rpc->wake_fd);
    }
    if (rpc->stdio) {
        loop_release_stdio(inspector_machine(rpc->ins)->loop, rpc);
    }
    free(rpc);
}
