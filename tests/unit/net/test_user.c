/* SPDX-License-Identifier: MIT */
/*
 * User networking, with frames made by hand from the RFCs: ARP (826), IPv4 (791), ICMP
 * (792), UDP (768), DHCP (2131), TCP (793). Addresses are those QEMU's manual promises:
 * network 10.0.2.0/24, gateway .2, DNS .3, first guest .15.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"

enum { FRAMES = 32, ETHER = 14, IP = 20, UDP = 8, DHCP_FIXED = 240 };

typedef struct Frame {
    uint8_t b[1600];
    size_t len;
} Frame;

typedef struct Rig {
    MainLoop *loop;
    Clock clock;
    NetBackend *net;
    bool ready;
    Frame got[FRAMES];
    unsigned got_count;
} Rig;

static const uint8_t guest_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
static const uint8_t everyone[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t gateway[4] = {10, 0, 2, 2}, guest[4] = {10, 0, 2, 15};

static void no_lock(void *opaque) {
    (void)opaque;
}

static bool fe_can_receive(void *opaque) {
    return ((Rig *)opaque)->ready;
}

static void fe_receive(void *opaque, const uint8_t *frame, size_t len) {
    Rig *r = opaque;
    assert_true(len <= sizeof(r->got[0].b));
    Frame *f = &r->got[r->got_count++ % FRAMES];
    memcpy(f->b, frame, len);
    f->len = len;
}

static void rig_open(Rig *r, const char *spec) {
    Error *err = NULL;
    clock_init(&r->clock);
    r->loop = loop_new(&r->clock, no_lock, no_lock, NULL, NULL);
    r->ready = true;
    r->net = net_new(r->loop, &r->clock, spec, &err);
    if (r->net == NULL) {
        print_error("%s\n", error_message(err));
    }
    assert_non_null(r->net);
    NetFrontend fe = {.can_receive = fe_can_receive, .receive = fe_receive, .opaque = r};
    assert_true(net_attach(r->net, &fe));
}

static void rig_close(Rig *r) {
    net_free(r->net);
    loop_free(r->loop);
    *r = (Rig){0};
}

static void stop_loop(void *opaque) {
    loop_quit(opaque);
}

static void turn(Rig *r) {
    loop_call(r->loop, stop_loop, r->loop);
    loop_run(r->loop);
}

/* --- frames ------------------------------------------------------------------------- */

static void put16(uint8_t *p, unsigned v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p) {
    return (unsigned)p[0] << 8 | p[1];
}

static unsigned checksum(const uint8_t *p, size_t len, unsigned sum) {
    for (size_t i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : (unsigned)p[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum & 0xffff;
}

static void put_ether(uint8_t *f, const uint8_t *to, unsigned type) {
    memcpy(f, to, 6);
    memcpy(f + 6, guest_mac, 6);
    put16(f + 12, type);
}

static void put_ip(uint8_t *f, const uint8_t *from, const uint8_t *to, unsigned proto,
                   size_t len) {
    uint8_t *ip = f + ETHER;
    put_ether(f, everyone, 0x0800);
    memset(ip, 0, IP);
    ip[0] = 0x45;
    put16(ip + 2, IP + (unsigned)len);
    ip[8] = 64;
    ip[9] = (uint8_t)proto;
    memcpy(ip + 12, from, 4);
    memcpy(ip + 16, to, 4);
    put16(ip + 10, checksum(ip, IP, 0));
}

static void send_arp(Rig *r, unsigned op, const uint8_t *target) {
    uint8_t f[60] = {0};
    put_ether(f, everyone, 0x0806);
    put16(f + 14, 1);
    put16(f + 16, 0x0800);
    f[18] = 6;
    f[19] = 4;
    put16(f + 20, op);
    memcpy(f + 22, guest_mac, 6);
    memcpy(f + 28, guest, 4);
    memcpy(f + 38, target, 4);
    net_send(r->net, f, sizeof(f));
}

/* DISCOVER (type 1) or REQUEST (3) for an address. */
static void send_dhcp(Rig *r, unsigned type, const uint8_t *want) {
    uint8_t f[400] = {0};
    static const uint8_t zero[4] = {0}, all[4] = {255, 255, 255, 255};
    size_t len = UDP + DHCP_FIXED + 16;
    uint8_t *udp = f + ETHER + IP, *d = udp + UDP, *o = d + DHCP_FIXED;
    put_ip(f, zero, all, 17, len);
    put16(udp, 68);
    put16(udp + 2, 67);
    put16(udp + 4, (unsigned)len);
    memcpy(d, (uint8_t[]){1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef}, 8);
    memcpy(d + 28, guest_mac, 6);
    memcpy(d + 236, (uint8_t[]){99, 130, 83, 99}, 4);
    memcpy(o, (uint8_t[]){53, 1, (uint8_t)type}, 3);
    memcpy(o + 3, (uint8_t[]){50, 4, want[0], want[1], want[2], want[3], 255}, 7);
    net_send(r->net, f, ETHER + IP + len);
}

/* The DHCP message in the frames that came, or NULL. */
static const uint8_t *find_dhcp(const Rig *r) {
    for (unsigned i = 0; i < r->got_count && i < FRAMES; i++) {
        const uint8_t *f = r->got[i].b;
        if (get16(f + 12) == 0x0800 && f[ETHER + 9] == 17 &&
            get16(f + ETHER + IP + 2) == 68) {
            return f + ETHER + IP + UDP;
        }
    }
    return NULL;
}

static const uint8_t *dhcp_option(const uint8_t *d, unsigned code) {
    for (const uint8_t *o = d + DHCP_FIXED; *o != 255; o += 2 + o[1]) {
        if (*o == code) {
            return o + 2;
        }
    }
    return NULL;
}

static void expect_lease(Rig *r, const uint8_t *ip, const uint8_t *router,
                         const uint8_t *dns) {
    for (unsigned type = 1; type <= 3; type += 2) { /* discover, request */
        r->got_count = 0;
        send_dhcp(r, type, ip);
        const uint8_t *d = find_dhcp(r);
        assert_non_null(d);
        assert_int_equal(dhcp_option(d, 53)[0], type == 1 ? 2 : 5); /* offer, ack */
        assert_memory_equal(d + 16, ip, 4);
        assert_memory_equal(dhcp_option(d, 3), router, 4);
        assert_memory_equal(dhcp_option(d, 6), dns, 4);
    }
}

/* --- tests -------------------------------------------------------------------------- */

static void dhcp_gives_the_address_of_the_manual(void **state) {
    (void)state;
    Rig r = {0};
    rig_open(&r, "user,id=n0");
    assert_string_equal(net_id(r.net), "n0");
    expect_lease(&r, guest, gateway, (uint8_t[]){10, 0, 2, 3});
    rig_close(&r);
}

static void net_host_dns_and_dhcpstart_are_options(void **state) {
    (void)state;
    Rig r = {0};
    rig_open(&r, "user,net=192.168.76.0/24,dhcpstart=192.168.76.9");
    expect_lease(&r, (uint8_t[]){192, 168, 76, 9}, (uint8_t[]){192, 168, 76, 2},
                 (uint8_t[]){192, 168, 76, 3});
    rig_close(&r);
    rig_open(&r, "user,net=10.1.2.0/255.255.255.0,host=10.1.2.200,dns=10.1.2.201");
    expect_lease(&r, (uint8_t[]){10, 1, 2, 15}, (uint8_t[]){10, 1, 2, 200},
                 (uint8_t[]){10, 1, 2, 201});
    rig_close(&r);
}

static void gateway_answers_arp_and_ping(void **state) {
    (void)state;
    Rig r = {0};
    rig_open(&r, "user");
    send_arp(&r, 1, gateway);
    assert_int_equal(r.got_count, 1);
    assert_int_equal(get16(r.got[0].b + 12), 0x0806);
    assert_int_equal(get16(r.got[0].b + 20), 2);
    assert_memory_equal(r.got[0].b + 28, gateway, 4);

    uint8_t f[ETHER + IP + 16] = {0}, *icmp = f + ETHER + IP;
    put_ip(f, guest, gateway, 1, 16);
    icmp[0] = 8; /* echo */
    put16(icmp + 4, 0x1234);
    memcpy(icmp + 8, "vitrine!", 8);
    put16(icmp + 2, checksum(icmp, 16, 0));
    r.got_count = 0;
    net_send(r.net, f, sizeof(f));
    for (unsigned i = 0; i < 100 && r.got_count == 0; i++) {
        turn(&r);
        usleep(1000);
    }
    assert_true(r.got_count > 0);
    const uint8_t *reply = r.got[0].b + ETHER + IP;
    assert_int_equal(reply[0], 0); /* echo reply */
    assert_memory_equal(reply + 8, "vitrine!", 8);
    rig_close(&r);
}

static void frames_wait_while_the_card_is_not_ready(void **state) {
    (void)state;
    Rig r = {0};
    rig_open(&r, "user");
    r.ready = false;
    send_arp(&r, 1, gateway);
    assert_int_equal(r.got_count, 0);
    r.ready = true;
    net_flush(r.net);
    assert_int_equal(r.got_count, 1);
    rig_close(&r);
}

static int free_port(int type) {
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof(addr);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, type, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    getsockname(fd, (struct sockaddr *)&addr, &len);
    close(fd);
    return ntohs(addr.sin_port);
}

/* A connection to the host's port becomes a SYN to the guest's. */
static void hostfwd_brings_connections_to_the_guest(void **state) {
    (void)state;
    Rig r = {0};
    char spec[128];
    int port = free_port(SOCK_STREAM), second = free_port(SOCK_STREAM);
    snprintf(spec, sizeof(spec),
             "user,hostfwd=tcp:127.0.0.1:%d-:23,hostfwd=tcp::%d-10.0.2.15:80", port,
             second);
    rig_open(&r, spec);
    send_arp(&r, 2, gateway); /* slirp learns who we are */
    unsigned ports[2] = {0};
    for (unsigned n = 0; n < 2; n++) {
        struct sockaddr_in addr = {.sin_family = AF_INET};
        addr.sin_port = htons((uint16_t)(n == 0 ? port : second));
        addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
        r.got_count = 0;
        for (unsigned i = 0; i < 2000 && ports[n] == 0; i++) {
            turn(&r);
            for (unsigned k = 0; k < r.got_count && k < FRAMES; k++) {
                const uint8_t *f = r.got[k].b;
                if (get16(f + 12) == 0x0806 && get16(f + 20) == 1) {
                    send_arp(&r, 2, gateway);
                } else if (get16(f + 12) == 0x0800 && f[ETHER + 9] == 6) {
                    assert_int_equal(f[ETHER + IP + 13] & 0x12, 0x02); /* SYN */
                    assert_memory_equal(f + ETHER + 16, guest, 4);
                    ports[n] = get16(f + ETHER + IP + 2);
                }
            }
            usleep(1000);
        }
        close(fd);
    }
    assert_int_equal(ports[0], 23);
    assert_int_equal(ports[1], 80);
    rig_close(&r);
}

static void expect_error(const char *spec, const char *a, const char *b) {
    Clock clock;
    Error *err = NULL;
    clock_init(&clock);
    MainLoop *loop = loop_new(&clock, no_lock, no_lock, NULL, NULL);
    assert_null(net_new(loop, &clock, spec, &err));
    if (strstr(error_message(err), a) == NULL || strstr(error_message(err), b) == NULL) {
        fail_msg("unexpected: %s", error_message(err));
    }
    error_free(err);
    loop_free(loop);
}

static void wrong_options_are_clear_errors(void **state) {
    (void)state;
    static const struct {
        const char *spec, *a, *b;
    } rows[] = {
        {"tap,id=n0", "tap", "user"},
        {"", "not supported", "user"},
        {"user,hostfw=x", "hostfw", "known are"},
        {"user,net=10.0.2", "net=10.0.2", "10.0.2.0/24"},
        {"user,net=10.0.2.0/33", "10.0.2.0/33", "not a network"},
        {"user,net=10.0.2.0/x", "10.0.2.0/x", "not a network"},
        {"user,host=10.0.2.300", "host=10.0.2.300", "IPv4"},
        {"user,dns=10.0.3.3", "10.0.3.3", "outside"},
        {"user,host=10.0.2.3", "host=", "differ"},
        {"user,restrict=maybe", "restrict=maybe", "on nor off"},
        {"user,hostfwd=tcp:2222-22", "tcp:2222-22", "write it as"},
        {"user,hostfwd=tcp::2222", "tcp::2222", "write it as"},
        {"user,hostfwd=tcp::99999-:22", "99999", "write it as"},
        {"user,hostfwd=tcp::-1-:22", "-1", "write it as"},
        {"user,hostfwd=tcp::22-:0", ":0", "write it as"},
        {"user,hostfwd=icmp::22-:22", "icmp", "write it as"},
        {"user,hostfwd=tcp:nowhere:22-:22", "nowhere", "write it as"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect_error(rows[i].spec, rows[i].a, rows[i].b);
    }
}

static void busy_port_is_a_clear_error(void **state) {
    (void)state;
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (unsigned i = 0; i < 2; i++) {
        struct sockaddr_in addr = {.sin_family = AF_INET};
        socklen_t len = sizeof(addr);
        char spec[128], port[16];
        addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, types[i], 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
        if (types[i] == SOCK_STREAM) {
            listen(fd, 1);
        }
        getsockname(fd, (struct sockaddr *)&addr, &len);
        snprintf(port, sizeof(port), "%d", ntohs(addr.sin_port));
        snprintf(spec, sizeof(spec), "user,hostfwd=%s:127.0.0.1:%s-:22",
                 i == 0 ? "tcp" : "udp", port);
        expect_error(spec, port, "in use");
        close(fd);
    }
}

static void nonsense_frames_do_no_harm(void **state) {
    (void)state;
    Rig r = {0};
    rig_open(&r, "user,restrict=on"); /* none of them may leave for the real network */
    uint8_t f[1600];
    uint32_t s = 12345; /* fixed: Knuth's LCG */
    for (unsigned i = 0; i < 20000; i++) {
        for (unsigned k = 0; k < 80; k++) {
            s = s * 1664525 + 1013904223;
            f[k] = (uint8_t)(s >> 24);
        }
        put_ether(f, everyone, i & 1 ? 0x0800 : i & 2 ? 0x0806 : 0x86dd);
        f[ETHER] = i & 1 ? 0x45 : f[ETHER];
        net_send(r.net, f, s % 80 + 1);
    }
    r.got_count = 0;
    send_arp(&r, 1, gateway);
    assert_true(r.got_count > 0);
    rig_close(&r);
}

int main(void) {
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dhcp_gives_the_address_of_the_manual),
        cmocka_unit_test(net_host_dns_and_dhcpstart_are_options),
        cmocka_unit_test(gateway_answers_arp_and_ping),
        cmocka_unit_test(frames_wait_while_the_card_is_not_ready),
        cmocka_unit_test(hostfwd_brings_connections_to_the_guest),
        cmocka_unit_test(wrong_options_are_clear_errors),
        cmocka_unit_test(busy_port_is_a_clear_error),
        cmocka_unit_test(nonsense_frames_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
