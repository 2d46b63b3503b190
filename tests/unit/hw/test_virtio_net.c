/* SPDX-License-Identifier: MIT */
/* Virtio-net against VIRTIO 1.2, 5.1: headers, buffers and merging, on a fake network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hw/virtio_driver.h"
#include "net/net_int.h"

enum { RX = 0, TX = 1, NUM = 16 };
#define F_MRG (UINT64_C(1) << 15)

/* A network that keeps what was sent last and answers with what the test says. */
typedef struct Wire {
    NetBackend net;
    uint8_t sent[70000];
    size_t sent_len;
    unsigned sent_count;
    const uint8_t *reply; /* sent back from inside net_send(), as slirp does */
    size_t reply_len;
} Wire;

typedef struct Card {
    Drv *d;
    Wire *wire;
} Card;

static void wire_send(NetBackend *net, const uint8_t *frame, size_t len) {
    Wire *w = (Wire *)net;
    memcpy(w->sent, frame, len);
    w->sent_len = len;
    w->sent_count++;
    if (w->reply != NULL) {
        net_deliver(net, w->reply, w->reply_len);
    }
}

static Card card_new(bool legacy, uint64_t features) {
    Card c = {drv_new(legacy), calloc(1, sizeof(Wire))};
    c.wire->net =
        (NetBackend){.id = strdup("n0"), .loop = c.d->m.loop, .send = wire_send};
    c.wire->net.last = &c.wire->net.first;
    c.d->m.netdevs[0] = &c.wire->net;
    c.d->m.netdev_count = 1;
    drv_plug(c.d, "virtio-net-device,netdev=n0");
    drv_init(c.d, legacy ? features : features | DRV_VERSION_1, 2, NUM);
    return c;
}

static void card_free(Card c) {
    drv_free(c.d);
    free(c.wire->net.id);
    free(c.wire);
}

static uint8_t *offer_rx(Card c, uint32_t len) {
    uint64_t buf = drv_alloc(c.d, len, 16);
    memset(drv_host(c.d, buf), 0xcc, len);
    drv_offer(&c.d->q[RX], drv_desc(&c.d->q[RX], -1, buf, len, DRV_WRITE));
    return drv_host(c.d, buf);
}

static void make_frame(uint8_t *frame, size_t len) {
    for (size_t i = 0; i < len; i++) {
        frame[i] = (uint8_t)(i * 31 + len);
    }
}

/* 5.1.6: 10 bytes for an old driver, 12 with VERSION_1. */
static void header_is_taken_off_what_is_sent(void **state) {
    (void)state;
    for (int legacy = 0; legacy < 2; legacy++) {
        Card c = card_new(legacy, 0);
        unsigned header = legacy ? 10 : 12;
        uint8_t frame[60];
        make_frame(frame, sizeof(frame));
        uint64_t buf = drv_alloc(c.d, 100, 16);
        memset(drv_host(c.d, buf), 0, header);
        memcpy((uint8_t *)drv_host(c.d, buf) + header, frame, sizeof(frame));
        drv_offer(&c.d->q[TX], drv_desc(&c.d->q[TX], -1, buf, header + 60, 0));
        drv_kick(c.d, TX);
        assert_true(drv_take(&c.d->q[TX], NULL, NULL));
        assert_int_equal(c.wire->sent_len, 60);
        assert_memory_equal(c.wire->sent, frame, 60);
        card_free(c);
    }
}

static void received_frame_lies_behind_a_header_of_zeros(void **state) {
    (void)state;
    for (int legacy = 0; legacy < 2; legacy++) {
        Card c = card_new(legacy, 0);
        unsigned header = legacy ? 10 : 12;
        uint8_t frame[60], zeros[12] = {0};
        uint32_t len;
        make_frame(frame, sizeof(frame));
        uint8_t *buf = offer_rx(c, 2048);
        net_deliver(&c.wire->net, frame, sizeof(frame));
        assert_true(drv_take(&c.d->q[RX], NULL, &len));
        assert_int_equal(len, header + 60);
        assert_memory_equal(buf, zeros, 10);
        if (!legacy) {
            assert_int_equal(buf[10] | buf[11] << 8, 1); /* num_buffers */
        }
        assert_memory_equal(buf + header, frame, 60);
        assert_int_equal(buf[header + 60], 0xcc);
        assert_int_equal(c.d->irq_level, 1);
        card_free(c);
    }
}

static void frame_waits_until_there_is_a_buffer(void **state) {
    (void)state;
    Card c = card_new(false, 0);
    uint8_t frame[60];
    make_frame(frame, sizeof(frame));
    net_deliver(&c.wire->net, frame, sizeof(frame));
    assert_false(drv_take(&c.d->q[RX], NULL, NULL));
    uint8_t *buf = offer_rx(c, 2048);
    drv_kick(c.d, RX);
    assert_true(drv_take(&c.d->q[RX], NULL, NULL));
    assert_memory_equal(buf + 12, frame, 60);
    card_free(c);
}

/* 5.1.6.4: with MRG_RXBUF a frame may span buffers; the first header says how many. */
static void merged_buffers_are_counted(void **state) {
    (void)state;
    Card c = card_new(false, F_MRG);
    uint8_t frame[1000], seen[1000];
    uint8_t *buf[4];
    uint32_t len;
    make_frame(frame, sizeof(frame));
    for (unsigned i = 0; i < 4; i++) {
        buf[i] = offer_rx(c, 400);
    }
    net_deliver(&c.wire->net, frame, sizeof(frame));
    static const uint32_t expected[3] = {400, 400, 212}; /* 12 + 1000 */
    for (unsigned i = 0; i < 3; i++) {
        assert_true(drv_take(&c.d->q[RX], NULL, &len));
        assert_int_equal(len, expected[i]);
    }
    assert_false(drv_take(&c.d->q[RX], NULL, NULL));
    assert_int_equal(buf[0][10] | buf[0][11] << 8, 3);
    memcpy(seen, buf[0] + 12, 388);
    memcpy(seen + 388, buf[1], 400);
    memcpy(seen + 788, buf[2], 212);
    assert_memory_equal(seen, frame, sizeof(frame));
    assert_int_equal(buf[3][0], 0xcc);
    card_free(c);
}

/* The header's count cut in two, one byte a descriptor. */
static void count_may_lie_in_two_pieces(void **state) {
    (void)state;
    Card c = card_new(false, F_MRG);
    DrvQueue *q = &c.d->q[RX];
    uint8_t frame[60];
    make_frame(frame, sizeof(frame));
    uint64_t buf = drv_alloc(c.d, 4096, 4096);
    int first = drv_desc(q, -1, buf, 11, DRV_WRITE);
    drv_desc(q, first, buf + 100, 200, DRV_WRITE);
    drv_offer(q, first);
    net_deliver(&c.wire->net, frame, sizeof(frame));
    uint8_t *p = drv_host(c.d, buf);
    assert_int_equal(p[10], 1);
    assert_int_equal(p[100], 0);
    assert_memory_equal(p + 101, frame, 60);
    card_free(c);
}

/* Not enough buffers: nothing is used, the buffers are still there for the next frame. */
static void frame_too_large_for_all_buffers_uses_none(void **state) {
    (void)state;
    Card c = card_new(false, F_MRG);
    uint8_t frame[1000];
    make_frame(frame, sizeof(frame));
    uint8_t *buf = offer_rx(c, 100);
    offer_rx(c, 100);
    net_deliver(&c.wire->net, frame, sizeof(frame));
    assert_false(drv_take(&c.d->q[RX], NULL, NULL));
    net_deliver(&c.wire->net, frame, 60);
    assert_true(drv_take(&c.d->q[RX], NULL, NULL));
    assert_int_equal(buf[10], 1);
    card_free(c);
}

static void buffer_too_small_without_merging_breaks_the_device(void **state) {
    (void)state;
    Card c = card_new(false, 0);
    uint8_t frame[60];
    make_frame(frame, sizeof(frame));
    offer_rx(c, 40);
    net_deliver(&c.wire->net, frame, sizeof(frame));
    assert_false(drv_take(&c.d->q[RX], NULL, NULL));
    assert_int_equal(drv_read(c.d, 0x070) & 64, 64);
    card_free(c);
}

static void reply_from_inside_send_is_received(void **state) {
    (void)state;
    Card c = card_new(false, 0);
    uint8_t frame[60];
    make_frame(frame, sizeof(frame));
    c.wire->reply = frame;
    c.wire->reply_len = sizeof(frame);
    uint8_t *rx = offer_rx(c, 2048);
    uint64_t buf = drv_alloc(c.d, 72, 16);
    memset(drv_host(c.d, buf), 0x11, 72);
    c.d->q[TX].next_desc = 5; /* not the receive chain's number */
    drv_offer(&c.d->q[TX], drv_desc(&c.d->q[TX], -1, buf, 72, 0));
    drv_kick(c.d, TX);
    uint32_t head;
    assert_true(drv_take(&c.d->q[TX], &head, NULL));
    assert_int_equal(head, 5);
    assert_true(drv_take(&c.d->q[RX], NULL, NULL));
    assert_memory_equal(rx + 12, frame, 60);
    assert_int_equal(c.wire->sent[0], 0x11);
    card_free(c);
}

static void frames_of_impossible_size_are_dropped(void **state) {
    (void)state;
    Card c = card_new(false, 0);
    DrvQueue *q = &c.d->q[TX];
    uint64_t buf = drv_alloc(c.d, 1024 * 1024, 4096);
    static const uint32_t sizes[] = {1, 11, 12, 25, 12 + 65537, 1024 * 1024};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        drv_offer(q, drv_desc(q, -1, buf, sizes[i], 0));
        drv_kick(c.d, TX);
        assert_true(drv_take(q, NULL, NULL)); /* used, so the driver goes on */
    }
    assert_int_equal(c.wire->sent_count, 0);
    drv_offer(q, drv_desc(q, -1, buf, 12 + 65536, 0));
    drv_kick(c.d, TX);
    assert_int_equal(c.wire->sent_len, 65536);
    card_free(c);
}

static void queue_of_waiting_frames_is_bounded(void **state) {
    (void)state;
    Card c = card_new(false, 0);
    uint8_t frame[60] = {0};
    for (unsigned i = 0; i < 100000; i++) {
        net_deliver(&c.wire->net, frame, sizeof(frame));
    }
    assert_true(c.wire->net.queued < 1000);
    assert_int_equal(c.wire->net.queued + c.wire->net.dropped, 100000);
    card_free(c);
}

static void second_card_on_a_network_is_an_error(void **state) {
    (void)state;
    Card c = card_new(false, 0);
    NetFrontend fe = {0};
    assert_false(net_attach(&c.wire->net, &fe));
    card_free(c);
}

static void address_can_be_changed_by_an_old_driver_only(void **state) {
    (void)state;
    for (int legacy = 0; legacy < 2; legacy++) {
        Card c = card_new(legacy, 0);
        uint64_t value = 0;
        address_space_store(&c.d->m.as, DRV_SEAT + 0x105, 1, 0x99);
        address_space_load(&c.d->m.as, DRV_SEAT + 0x105, 1, &value);
        assert_int_equal(value, legacy ? 0x99 : 0x56);
        address_space_store(&c.d->m.as, DRV_SEAT + 0x106, 2,
                            0); /* status is the device's */
        address_space_load(&c.d->m.as, DRV_SEAT + 0x106, 2, &value);
        assert_int_equal(value, 1);
        card_free(c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_is_taken_off_what_is_sent),
        cmocka_unit_test(received_frame_lies_behind_a_header_of_zeros),
        cmocka_unit_test(frame_waits_until_there_is_a_buffer),
        cmocka_unit_test(merged_buffers_are_counted),
        cmocka_unit_test(count_may_lie_in_two_pieces),
        cmocka_unit_test(frame_too_large_for_all_buffers_uses_none),
        cmocka_unit_test(buffer_too_small_without_merging_breaks_the_device),
        cmocka_unit_test(reply_from_inside_send_is_received),
        cmocka_unit_test(frames_of_impossible_size_are_dropped),
        cmocka_unit_test(queue_of_waiting_frames_is_bounded),
        cmocka_unit_test(second_card_on_a_network_is_an_error),
        cmocka_unit_test(address_can_be_changed_by_an_old_driver_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
