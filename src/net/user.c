/* SPDX-License-Identifier: MIT */
/*
 * Kind "user": a network inside the process, by libslirp. No rights on the host are
 * needed.
 *
 *   guest 10.0.2.15 --frames-- slirp: 10.0.2.2, DNS 10.0.2.3, DHCP -- sockets of the host
 *   host port --hostfwd--> guest port
 *
 * Its sockets are polled by the main loop (a LoopPoller), its timers are the machine's.
 *
 * Not modelled: guestfwd, smb, and the ipv6-* addresses (IPv6 is on with its defaults).
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_int.h"

#define NS_PER_MS INT64_C(1000000)

enum { DNS_SEARCH_MAX = 16 };

typedef struct NetUser {
    Slirp *slirp;
    LoopPoller poller;
    SlirpCb callbacks; /* slirp keeps a pointer to it */
} NetUser;

/* --- callbacks of slirp ------------------------------------------------------------- */

static ssize_t user_send_packet(const void *buf, size_t len, void *opaque) {
    net_deliver(opaque, buf, len);
    return (ssize_t)len;
}

static void user_guest_error(const char *msg, void *opaque) {
    (void)msg;
    (void)opaque;
}

static int64_t user_clock_get_ns(void *opaque) {
    const NetBackend *net = opaque;
    return clock_now_ns(net->clock);
}

static void *user_timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque) {
    NetBackend *net = opaque;
    Timer *t = calloc(1, sizeof(*t));
    if (t != NULL) {
        timer_init(t, net->clock, cb, cb_opaque);
    }
    return t;
}

static void user_timer_free(void *timer, void *opaque) {
    (void)opaque;
    if (timer != NULL) {
        timer_del(timer);
        free(timer);
    }
}

static void user_timer_mod(void *timer, int64_t expire_ms, void *opaque) {
    (void)opaque;
    if (timer != NULL) {
        timer_mod(timer, expire_ms * NS_PER_MS);
    }
}

static void user_no_poll_fd(int fd, void *opaque) {
    (void)fd;
    (void)opaque;
}

static void user_notify(void *opaque) {
    NetBackend *net = opaque;
    loop_wake(net->loop);
}

/* --- its descriptors in our poll ---------------------------------------------------- */

static const struct {
    int slirp;
    short poll;
} user_events[] = {
    {SLIRP_POLL_IN, POLLIN},   {SLIRP_POLL_OUT, POLLOUT}, {SLIRP_POLL_PRI, POLLPRI},
    {SLIRP_POLL_ERR, POLLERR}, {SLIRP_POLL_HUP, POLLHUP},
};
enum { USER_EVENTS = sizeof(user_events) / sizeof(user_events[0]) };

static int user_add_poll(int fd, int events, void *opaque) {
    NetBackend *net = opaque;
    short mask = 0;
    for (unsigned i = 0; i < USER_EVENTS; i++) {
        if (events & user_events[i].slirp) {
            mask |= user_events[i].poll;
        }
    }
    return loop_poll_add(net->loop, fd, mask);
}

static int user_get_revents(int index, void *opaque) {
    NetBackend *net = opaque;
    short revents = loop_poll_revents(net->loop, index);
    int events = 0;
    for (unsigned i = 0; i < USER_EVENTS; i++) {
        if (revents & user_events[i].poll) {
            events |= user_events[i].slirp;
        }
    }
    return events;
}

static void user_prepare(void *opaque, uint32_t *timeout_ms) {
    NetBackend *net = opaque;
    NetUser *u = net->kind;
    slirp_pollfds_fill(u->slirp, timeout_ms, user_add_poll, net);
}

static void user_done(void *opaque, bool poll_failed) {
    NetBackend *net = opaque;
    NetUser *u = net->kind;
    slirp_pollfds_poll(u->slirp, poll_failed, user_get_revents, net);
}

/* --- options ------------------------------------------------------------------------ */

static bool user_address(const KeyVal *kv, const char *key, struct in_addr *out,
                         Error **errp) {
    const char *text = keyval_get(kv, key);
    if (text != NULL && inet_pton(AF_INET, text, out) != 1) {
        error_set(errp, "%s=%s is not an IPv4 address", key, text);
        return false;
    }
    return true;
}

/* The mask where net= gives none: by the class of the address. */
static uint32_t user_class_mask(uint32_t addr) {
    unsigned top = addr >> 24;
    return top < 128 ? 0xff000000u : top < 192 ? 0xffff0000u : 0xffffff00u;
}

/* Parses net=ADDR[/BITS or /MASK]. */
static bool user_network(const KeyVal *kv, SlirpConfig *cfg, Error **errp) {
    const char *text = keyval_get(kv, "net");
    if (text == NULL) {
        return true;
    }
    char addr[64];
    const char *slash = strchr(text, '/');
    size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (n >= sizeof(addr)) {
        goto bad;
    }
    memcpy(addr, text, n);
    addr[n] = '\0';
    if (inet_pton(AF_INET, addr, &cfg->vnetwork) != 1) {
        goto bad;
    }
    uint32_t mask = user_class_mask(ntohl(cfg->vnetwork.s_addr));
    if (slash != NULL && inet_pton(AF_INET, slash + 1, &cfg->vnetmask) == 1) {
        mask = ntohl(cfg->vnetmask.s_addr);
    } else if (slash != NULL) {
        char *end;
        long bits = strtol(slash + 1, &end, 10);
        if (end == slash + 1 || *end != '\0' || bits < 4 || bits > 30) {
            goto bad;
        }
        mask = UINT32_MAX << (32 - bits);
    }
    cfg->vnetmask.s_addr = htonl(mask);
    cfg->vnetwork.s_addr &= cfg->vnetmask.s_addr;
    return true;

bad:
    error_set(errp, "net=%s is not a network; write it as 10.0.2.0/24", text);
    return false;
}

static bool user_addresses(const KeyVal *kv, SlirpConfig *cfg, Error **errp) {
    enum {
        HOST = 0x0202,
        DNS = 0x0203,
        DHCP = 0x020f
    }; /* inside the network, as in QEMU */
    cfg->vnetwork.s_addr = htonl(0x0a000200);
    cfg->vnetmask.s_addr = htonl(0xffffff00);
    if (!user_network(kv, cfg, errp)) {
        return false;
    }
    uint32_t net = cfg->vnetwork.s_addr, mask = cfg->vnetmask.s_addr;
    cfg->vhost.s_addr = net | (htonl(HOST) & ~mask);
    cfg->vnameserver.s_addr = net | (htonl(DNS) & ~mask);
    cfg->vdhcp_start.s_addr = net | (htonl(DHCP) & ~mask);
    const struct {
        const char *key;
        struct in_addr *addr;
    } rows[] = {{"host", &cfg->vhost},
                {"dns", &cfg->vnameserver},
                {"dhcpstart", &cfg->vdhcp_start}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!user_address(kv, rows[i].key, rows[i].addr, errp)) {
            return false;
        }
        if ((rows[i].addr->s_addr & mask) != net) {
            error_set(errp, "%s=%s lies outside the network of net=", rows[i].key,
                      inet_ntoa(*rows[i].addr));
            return false;
        }
    }
    if (cfg->vhost.s_addr == cfg->vnameserver.s_addr) {
        error_set(errp, "host= and dns= must differ");
        return false;
    }
    inet_pton(AF_INET6, "fec0::", &cfg->vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &cfg->vhost6);
    inet_pton(AF_INET6, "fec0::3", &cfg->vnameserver6);
    cfg->vprefix_len = 64;
    return true;
}

static bool user_parse_port(const char *text, size_t len, int *port) {
    char buf[8], *end;
    if (len == 0 || len >= sizeof(buf)) {
        return false;
    }
    memcpy(buf, text, len);
    buf[len] = '\0';
    long n = strtol(buf, &end, 10);
    *port = (int)n;
    return *end == '\0' && n >= 0 && n <= 65535;
}

/* Parses "[ADDR]:PORT"; an empty address leaves *addr. */
static bool user_parse_endpoint(const char *text, size_t len, struct in_addr *addr,
                                int *port) {
    char buf[64];
    const char *colon = memchr(text, ':', len);
    if (colon == NULL || (size_t)(colon - text) >= sizeof(buf)) {
        return false;
    }
    size_t n = (size_t)(colon - text);
    memcpy(buf, text, n);
    buf[n] = '\0';
    return (n == 0 || inet_pton(AF_INET, buf, addr) == 1) &&
           user_parse_port(colon + 1, len - n - 1, port);
}

/* "tcp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT" */
static bool user_add_hostfwd(NetUser *u, const char *rule, Error **errp) {
    struct in_addr host = {.s_addr = htonl(INADDR_ANY)}, guest = {.s_addr = 0};
    int host_port, guest_port;
    bool udp = strncmp(rule, "udp:", 4) == 0;
    const char *from = udp || strncmp(rule, "tcp:", 4) == 0 ? rule + 4
                       : *rule == ':'                       ? rule + 1
                                                            : NULL;
    const char *dash = from != NULL ? strchr(from, '-') : NULL;
    if (dash == NULL ||
        !user_parse_endpoint(from, (size_t)(dash - from), &host, &host_port) ||
        !user_parse_endpoint(dash + 1, strlen(dash + 1), &guest, &guest_port) ||
        guest_port == 0) {
        error_set(errp, "hostfwd=%s is not a rule; write it as tcp:127.0.0.1:2222-:22",
                  rule);
        return false;
    }
    errno = 0;
    if (slirp_add_hostfwd(u->slirp, udp, host, host_port, guest, guest_port) < 0) {
        error_set_errno(errp, errno != 0 ? errno : EADDRINUSE,
                        "hostfwd=%s: cannot listen on port %d of the host", rule,
                        host_port);
        error_append(errp, "; choose another host port");
        return false;
    }
    return true;
}

/* --- life --------------------------------------------------------------------------- */

static void user_send(NetBackend *net, const uint8_t *frame, size_t len) {
    NetUser *u = net->kind;
    if (len <= INT_MAX) {
        slirp_input(u->slirp, frame, (int)len);
        loop_wake(net->loop); /* there may be a new socket to poll */
    }
}

static void user_close(NetBackend *net) {
    NetUser *u = net->kind;
    if (u->slirp != NULL) {
        loop_remove_poller(net->loop, &u->poller);
        slirp_cleanup(u->slirp);
    }
    free(u);
}

static bool user_start(NetBackend *net, const KeyVal *kv, SlirpConfig *cfg,
                       Error **errp) {
    NetUser *u = net->kind;
    u->slirp = slirp_new(cfg, &u->callbacks, net);
    if (u->slirp == NULL) {
        error_set(errp, "libslirp does not start with these options");
        return false;
    }
    u->poller = (LoopPoller){.prepare = user_prepare, .done = user_done, .opaque = net};
    loop_add_poller(net->loop, &u->poller);
    const char *rule;
    for (unsigned i = 0; (rule = keyval_get_nth(kv, "hostfwd", i)) != NULL; i++) {
        if (!user_add_hostfwd(u, rule, errp)) {
            return false;
        }
    }
    return true;
}

bool net_user_open(NetBackend *net, const KeyVal *kv, Error **errp) {
    SlirpConfig cfg = {.version = 1, .in_enabled = true, .in6_enabled = true};
    bool restricted = false;
    const char *search[DNS_SEARCH_MAX + 1] = {NULL};
    if (!keyval_check(
            kv,
            "type id ipv4 ipv6 net host restrict hostname dhcpstart dns dnssearch "
            "domainname tftp tftp-server-name bootfile hostfwd",
            "netdev user", errp) ||
        !keyval_get_bool(kv, "ipv4", &cfg.in_enabled, errp) ||
        !keyval_get_bool(kv, "ipv6", &cfg.in6_enabled, errp) ||
        !keyval_get_bool(kv, "restrict", &restricted, errp) ||
        !user_addresses(kv, &cfg, errp)) {
        return false;
    }
    cfg.restricted = restricted;
    cfg.vhostname = keyval_get(kv, "hostname");
    cfg.tftp_server_name = keyval_get(kv, "tftp-server-name");
    cfg.tftp_path = keyval_get(kv, "tftp");
    cfg.bootfile = keyval_get(kv, "bootfile");
    cfg.vdomainname = keyval_get(kv, "domainname");
    for (unsigned i = 0; i < DNS_SEARCH_MAX; i++) {
        search[i] = keyval_get_nth(kv, "dnssearch", i);
    }
    cfg.vdnssearch = search[0] != NULL ? search : NULL;

    NetUser *u = calloc(1, sizeof(*u));
    if (u == NULL) {
        error_set(errp, "out of memory");
        return false;
    }
    u->callbacks = (SlirpCb){
        .send_packet = user_send_packet,
        .guest_error = user_guest_error,
        .clock_get_ns = user_clock_get_ns,
        .timer_new = user_timer_new,
        .timer_free = user_timer_free,
        .timer_mod = user_timer_mod,
        .register_poll_fd = user_no_poll_fd,
        .unregister_poll_fd = user_no_poll_fd,
        .notify = user_notify,
    };
    net->kind = u;
    net->send = user_send;
    net->close = user_close; /* from here on net_free() cleans up */
    return user_start(net, kv, &cfg, errp);
}
