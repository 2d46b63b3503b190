/* SPDX-License-Identifier: MIT */
/* Virtio-mmio's registers against VIRTIO 1.2, 4.2.2 and 4.2.4, with an rng device in
 * the seat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hw/virtio_driver.h"

static void empty_seat_has_device_id_0_and_ignores_writes(void **state) {
    (void)state;
    for (int legacy = 0; legacy < 2; legacy++) {
        Drv *d = drv_new(legacy);
        assert_int_equal(drv_read(d, 0x000), 0x74726976);
        assert_int_equal(drv_read(d, 0x004), legacy ? 1 : 2);
        assert_int_equal(drv_read(d, 0x008), 0);
        for (unsigned reg = 0; reg < 0x200; reg += 4) {
            drv_write(d, reg, 0xffffffff);
        }
        assert_int_equal(drv_read(d, 0x008), 0);
        assert_int_equal(drv_read(d, 0x070), 0);
        drv_free(d);
    }
}

static void identity_registers_name_the_device(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned id; /* section 5 */
    } rows[] = {
        {"virtio-rng-device", 4}, {"virtio-serial-device", 3}, {"virtio-net-device", 1}};
    for (unsigned i = 0; i < 3; i++) {
        for (int legacy = 0; legacy < 2; legacy++) {
            Drv *d = drv_new(legacy);
            drv_plug(d, rows[i].text);
            assert_int_equal(drv_read(d, 0x000), 0x74726976);
            assert_int_equal(drv_read(d, 0x004), legacy ? 1 : 2);
            assert_int_equal(drv_read(d, 0x008), rows[i].id);
            assert_int_equal(drv_read(d, 0x00c), 0x554d4551);
            drv_free(d);
        }
    }
}

static void version_1_is_offered_by_version_2_only(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    drv_plug(d, "virtio-rng-device");
    assert_true(drv_features(d) & DRV_VERSION_1);
    drv_write(d, 0x014, 2);
    assert_int_equal(drv_read(d, 0x010), 0); /* no bits 64 to 95 */
    drv_free(d);
    d = drv_new(true);
    drv_plug(d, "virtio-rng-device");
    assert_int_equal(drv_features(d) >> 32, 0);
    assert_true(drv_features(d) & DRV_INDIRECT);
    drv_free(d);
}

static void ring_features_can_be_switched_off(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    drv_plug(d, "virtio-rng-device,event_idx=off,indirect_desc=off");
    assert_false(drv_features(d) & (DRV_EVENT_IDX | DRV_INDIRECT));
    drv_free(d);
}

static void features_ok_is_refused_for_what_was_not_offered(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    drv_plug(d, "virtio-rng-device");
    drv_negotiate(d, DRV_VERSION_1 | UINT64_C(1) << 40);
    assert_int_equal(drv_read(d, 0x070) & 8, 0);
    drv_negotiate(d, DRV_VERSION_1);
    assert_int_equal(drv_read(d, 0x070) & 8, 8);
    drv_negotiate(d, 0); /* an old driver on the new registers, as xv6's */
    assert_int_equal(drv_read(d, 0x070) & 8, 8);
    drv_free(d);
}

static void features_are_frozen_by_features_ok(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    drv_plug(d, "virtio-rng-device");
    drv_negotiate(d, DRV_VERSION_1);
    drv_write(d, 0x024, 0);
    drv_write(d, 0x020, 0xffffffff);
    drv_write(d, 0x070, 15);
    assert_int_equal(drv_read(d, 0x070), 15); /* still a legal set */
    drv_free(d);
}

static void queue_registers_of_version_2(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    drv_plug(d, "virtio-rng-device");
    drv_write(d, 0x030, 0);
    assert_true(drv_read(d, 0x034) >= 2);
    assert_int_equal(drv_read(d, 0x044), 0);
    drv_write(d, 0x030, 1); /* a queue that is not there */
    assert_int_equal(drv_read(d, 0x034), 0);
    drv_write(d, 0x044, 1);
    assert_int_equal(drv_read(d, 0x044), 0);
    drv_init(d, DRV_VERSION_1, 1, 8);
    assert_int_equal(drv_read(d, 0x044), 1);
    drv_write(d, 0x044, 0);
    assert_int_equal(drv_read(d, 0x044), 0);
    drv_write(d, 0x070, 0);
    assert_int_equal(drv_read(d, 0x070), 0);
    drv_free(d);
}

static void legacy_queue_pfn_reads_back_and_zero_resets(void **state) {
    (void)state;
    Drv *d = drv_new(true);
    drv_plug(d, "virtio-rng-device");
    drv_init(d, 0, 1, 8);
    assert_int_equal(drv_read(d, 0x040), d->q[0].desc_addr / 4096);
    assert_int_equal(drv_read(d, 0x070), 7);
    drv_write(d, 0x040, 0);
    assert_int_equal(drv_read(d, 0x040), 0);
    drv_free(d);
}

/* Asks for 16 random bytes; returns the number of those that are not 0xAA any more. */
static unsigned rng_request(Drv *d, uint32_t *len) {
    DrvQueue *q = &d->q[0];
    uint64_t addr = drv_alloc(d, 16, 16);
    uint8_t *p = drv_host(d, addr);
    memset(p, 0xaa, 16);
    drv_offer(q, drv_desc(q, -1, addr, 16, DRV_WRITE));
    drv_kick(d, 0);
    assert_true(drv_take(q, NULL, len));
    unsigned changed = 0;
    for (unsigned i = 0; i < 16; i++) {
        changed += p[i] != 0xaa;
    }
    return changed;
}

static void chain_is_used_and_interrupts_until_acknowledged(void **state) {
    (void)state;
    for (int legacy = 0; legacy < 2; legacy++) {
        Drv *d = drv_new(legacy);
        uint32_t len = 0;
        drv_plug(d, "virtio-rng-device");
        drv_init(d, legacy ? 0 : DRV_VERSION_1, 1, 8);
        assert_int_equal(d->irq_level, 0);
        assert_true(rng_request(d, &len) > 8);
        assert_int_equal(len, 16);
        assert_int_equal(drv_read(d, 0x060), 1);
        assert_int_equal(d->irq_level, 1);
        drv_write(d, 0x064, 1);
        assert_int_equal(drv_read(d, 0x060), 0);
        assert_int_equal(d->irq_level, 0);
        rng_request(d, &len);
        drv_write(d, 0x070, 0); /* a reset lowers the line too */
        assert_int_equal(d->irq_level, 0);
        drv_free(d);
    }
}

static void nothing_is_used_before_driver_ok(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    drv_plug(d, "virtio-rng-device");
    drv_negotiate(d, DRV_VERSION_1);
    drv_layout(d, &d->q[0], 8);
    drv_set_queue(d, 0);
    uint64_t addr = drv_alloc(d, 16, 16);
    drv_offer(&d->q[0], drv_desc(&d->q[0], -1, addr, 16, DRV_WRITE));
    drv_kick(d, 0);
    assert_false(drv_take(&d->q[0], NULL, NULL));
    drv_start(d);
    assert_true(drv_take(&d->q[0], NULL, NULL));
    drv_free(d);
}

static void avail_flag_suppresses_the_interrupt(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    uint32_t len;
    drv_plug(d, "virtio-rng-device");
    drv_init(d, DRV_VERSION_1, 1, 8);
    drv_suppress_interrupts(&d->q[0], true);
    rng_request(d, &len);
    assert_int_equal(d->irq_edges, 0);
    drv_suppress_interrupts(&d->q[0], false);
    rng_request(d, &len);
    assert_int_equal(d->irq_edges, 1);
    drv_free(d);
}

/* 2.7.7.2: an interrupt when used.idx steps over used_event, none otherwise. */
static void used_event_names_the_chain_that_interrupts(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    uint32_t len;
    drv_plug(d, "virtio-rng-device");
    drv_init(d, DRV_VERSION_1 | DRV_EVENT_IDX, 1, 8);
    drv_set_used_event(&d->q[0], 2);
    for (unsigned i = 0; i < 6; i++) {
        rng_request(d, &len);
        drv_write(d, 0x064, 3);
        assert_int_equal(d->irq_edges, i >= 2 ? 1 : 0); /* entry 2 is the third */
    }
    assert_int_equal(drv_avail_event(&d->q[0]), 6); /* notify us about the next one */
    drv_free(d);
}

static void used_event_works_across_the_wrap_of_the_index(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    uint32_t len;
    drv_plug(d, "virtio-rng-device");
    drv_init(d, DRV_VERSION_1 | DRV_EVENT_IDX, 1, 8);
    drv_set_used_event(&d->q[0], 65535);
    uint64_t start = d->brk;
    for (unsigned i = 0; i < 65540; i++) {
        d->brk = start;
        rng_request(d, &len);
        assert_int_equal(d->irq_edges, i >= 65535);
        drv_write(d, 0x064, 3);
    }
    drv_free(d);
}

static void wrong_sizes_are_ignored(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    uint64_t value = 0;
    drv_plug(d, "virtio-rng-device");
    address_space_load(&d->m.as, DRV_SEAT + 8, 1, &value);
    assert_int_equal(value, 0);
    address_space_store(&d->m.as, DRV_SEAT + 0x70, 1, 1);
    assert_int_equal(drv_read(d, 0x70), 0);
    drv_free(d);
}

static void config_space_is_read_by_bytes_and_words(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    uint64_t value = 0;
    drv_plug(d, "virtio-net-device,mac=52:54:00:ab:cd:ef");
    const uint8_t mac[6] = {0x52, 0x54, 0x00, 0xab, 0xcd, 0xef};
    for (unsigned i = 0; i < 6; i++) {
        address_space_load(&d->m.as, DRV_SEAT + 0x100 + i, 1, &value);
        assert_int_equal(value, mac[i]);
    }
    assert_int_equal(drv_read(d, 0x100), 0xab005452);
    assert_int_equal(drv_read(d, 0x1f0), 0xffffffff); /* past its end, as QEMU answers */
    drv_free(d);
}

static void two_cards_have_different_default_addresses(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    drv_plug(d, "virtio-net-device");
    uint64_t value = 0;
    address_space_load(&d->m.as, DRV_SEAT + 0x105, 1, &value);
    assert_int_equal(value, 0x56); /* QEMU: 52:54:00:12:34:56 */
    Error *err = NULL;
    assert_null(
        device_new_from_text(&d->m, "virtio-net-device", &err)); /* one seat only */
    error_free(err);
    drv_free(d);
}

static void machine_reset_is_a_device_reset(void **state) {
    (void)state;
    Drv *d = drv_new(true);
    uint32_t len;
    drv_plug(d, "virtio-rng-device");
    drv_init(d, 0, 1, 8);
    rng_request(d, &len);
    for (Device *dev = d->m.first_device; dev != NULL; dev = dev->next) {
        dev->cls->reset(dev);
    }
    assert_int_equal(drv_read(d, 0x070), 0);
    assert_int_equal(drv_read(d, 0x060), 0);
    assert_int_equal(d->irq_level, 0);
    assert_int_equal(drv_read(d, 0x040), 0);
    drv_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_seat_has_device_id_0_and_ignores_writes),
        cmocka_unit_test(identity_registers_name_the_device),
        cmocka_unit_test(version_1_is_offered_by_version_2_only),
        cmocka_unit_test(ring_features_can_be_switched_off),
        cmocka_unit_test(features_ok_is_refused_for_what_was_not_offered),
        cmocka_unit_test(features_are_frozen_by_features_ok),
        cmocka_unit_test(queue_registers_of_version_2),
        cmocka_unit_test(legacy_queue_pfn_reads_back_and_zero_resets),
        cmocka_unit_test(chain_is_used_and_interrupts_until_acknowledged),
        cmocka_unit_test(nothing_is_used_before_driver_ok),
        cmocka_unit_test(avail_flag_suppresses_the_interrupt),
        cmocka_unit_test(used_event_names_the_chain_that_interrupts),
        cmocka_unit_test(used_event_works_across_the_wrap_of_the_index),
        cmocka_unit_test(wrong_sizes_are_ignored),
        cmocka_unit_test(config_space_is_read_by_bytes_and_words),
        cmocka_unit_test(two_cards_have_different_default_addresses),
        cmocka_unit_test(machine_reset_is_a_device_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
