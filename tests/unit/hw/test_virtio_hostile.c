/* SPDX-License-Identifier: MIT */
/*
 * What a hostile guest may put into rings and registers. Every case must leave the device
 * waiting for a reset (2.1.2: DEVICE_NEEDS_RESET, with a configuration change interrupt)
 * or just go on; after the reset it must work. Run under asan, the cases also show that
 * nothing outside RAM is touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <time.h>

#include "hw/virtio_driver.h"

enum { NUM = 16, NEEDS_RESET = 64, ISR_CONFIG = 2 };
#define RAM_END (DRV_RAM_BASE + DRV_RAM_SIZE)

static Drv *rng_new(uint64_t features) {
    Drv *d = drv_new(false);
    drv_plug(d, "virtio-rng-device");
    drv_init(d, features | DRV_VERSION_1, 1, NUM);
    return d;
}

/* A device that was told of half the table: good descriptors lie beyond its end too. */
static Drv *rng_with_half_table(void) {
    Drv *d = drv_new(false);
    DrvQueue *q = &d->q[0];
    drv_plug(d, "virtio-rng-device");
    drv_negotiate(d, DRV_VERSION_1);
    drv_layout(d, q, NUM);
    q->num = NUM / 2;
    drv_set_queue(d, 0);
    drv_start(d);
    uint64_t buf = drv_alloc(d, 64, 16);
    for (unsigned i = 0; i < NUM; i++) {
        q->desc[i] = (DrvDesc){buf, 8, DRV_WRITE, 0};
    }
    return d;
}

static bool works(Drv *d) {
    DrvQueue *q = &d->q[0];
    uint64_t buf = drv_alloc(d, 64, 16);
    uint8_t *p = drv_host(d, buf), zeros[64] = {0};
    memset(p, 0, 64);
    drv_offer(q, drv_desc(q, -1, buf, 64, DRV_WRITE));
    drv_kick(d, 0);
    return drv_take(q, NULL, NULL) && memcmp(p, zeros, 64) != 0;
}

/* After the kick: the device asks for a reset, stays silent, and works after one. */
static void expect_needs_reset(Drv *d) {
    drv_kick(d, 0);
    assert_int_equal(drv_read(d, 0x070) & NEEDS_RESET, NEEDS_RESET);
    assert_int_equal(drv_read(d, 0x060) & ISR_CONFIG, ISR_CONFIG);
    assert_int_equal(d->irq_level, 1);
    uint16_t used = drv_used_idx(&d->q[0]);
    drv_kick(d, 0);
    assert_int_equal(drv_used_idx(&d->q[0]), used);
    drv_init(d, DRV_VERSION_1, 1, NUM);
    assert_int_equal(drv_read(d, 0x070), 15);
    assert_true(works(d));
    drv_free(d);
}

static void head_beyond_the_table(void **state) {
    (void)state;
    Drv *d = rng_with_half_table();
    drv_offer(&d->q[0], NUM / 2);
    expect_needs_reset(d);
}

static void next_beyond_the_table(void **state) {
    (void)state;
    Drv *d = rng_with_half_table();
    DrvQueue *q = &d->q[0];
    q->desc[0].flags |= DRV_NEXT;
    q->desc[0].next = NUM / 2;
    drv_offer(q, 0);
    expect_needs_reset(d);
}

static void chain_that_is_a_loop(void **state) {
    (void)state;
    Drv *d = rng_new(0);
    DrvQueue *q = &d->q[0];
    uint64_t buf = drv_alloc(d, 64, 16);
    q->desc[0] = (DrvDesc){buf, 8, DRV_NEXT | DRV_WRITE, 1};
    q->desc[1] = (DrvDesc){buf, 8, DRV_NEXT | DRV_WRITE, 0};
    drv_offer(q, 0);
    expect_needs_reset(d);
}

static void descriptor_that_points_to_itself(void **state) {
    (void)state;
    Drv *d = rng_new(0);
    d->q[0].desc[3] = (DrvDesc){drv_alloc(d, 64, 16), 8, DRV_NEXT | DRV_WRITE, 3};
    drv_offer(&d->q[0], 3);
    expect_needs_reset(d);
}

static void readable_behind_writable(void **state) {
    (void)state;
    Drv *d = rng_new(0);
    DrvQueue *q = &d->q[0];
    uint64_t buf = drv_alloc(d, 64, 16);
    int first = drv_desc(q, -1, buf, 8, DRV_WRITE);
    drv_desc(q, first, buf + 8, 8, 0);
    drv_offer(q, first);
    expect_needs_reset(d);
}

static void length_of_zero(void **state) {
    (void)state;
    Drv *d = rng_new(0);
    drv_offer(&d->q[0], drv_desc(&d->q[0], -1, drv_alloc(d, 8, 8), 0, DRV_WRITE));
    expect_needs_reset(d);
}

static void buffers_outside_ram(void **state) {
    (void)state;
    static const struct {
        uint64_t addr;
        uint32_t len;
    } rows[] = {
        {0, 64},           /* a hole */
        {DRV_SEAT, 64},    /* the device's own registers */
        {RAM_END - 8, 16}, /* over the end */
        {RAM_END, 1},
        {UINT64_MAX, 1},
        {UINT64_MAX - 7, 64},       /* wraps */
        {DRV_RAM_BASE, UINT32_MAX}, /* 4 GiB from a good start */
        {DRV_RAM_BASE - 8, 16},     /* from below */
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Drv *d = rng_new(0);
        drv_offer(&d->q[0], drv_desc(&d->q[0], -1, rows[i].addr, rows[i].len, DRV_WRITE));
        expect_needs_reset(d);
    }
}

static void avail_index_jumps(void **state) {
    (void)state;
    Drv *d = rng_with_half_table(); /* its descriptors are good */
    d->q[0].avail[1] = NUM / 2 + 1;
    expect_needs_reset(d);
}

static void bad_indirect_tables(void **state) {
    (void)state;
    enum {
        OUTSIDE,
        ODD_LENGTH,
        EMPTY,
        CHAINED,
        NESTED,
        NEXT_OUT,
        LOOP,
        HUGE_TABLE,
        CASES
    };
    for (int c = 0; c < CASES; c++) {
        Drv *d = rng_new(DRV_INDIRECT);
        DrvQueue *q = &d->q[0];
        uint64_t buf = drv_alloc(d, 64, 16), table = drv_alloc(d, 64, 16);
        DrvDesc *t = drv_host(d, table);
        t[0] = (DrvDesc){buf, 8, DRV_WRITE, 0};
        t[1] = (DrvDesc){buf, 8, DRV_WRITE, 0};
        uint64_t addr = c == OUTSIDE ? RAM_END - 8 : table;
        uint32_t len = c == ODD_LENGTH ? 17 : c == EMPTY ? 0 : 32;
        if (c == NESTED) {
            t[0] = (DrvDesc){table, 32, DRV_INDIRECT_FLAG, 0};
        } else if (c == NEXT_OUT) {
            t[0].flags |= DRV_NEXT;
            t[0].next = 2;
        } else if (c == LOOP) {
            t[0].flags |= DRV_NEXT;
        } else if (c == HUGE_TABLE) { /* zeroed RAM is descriptors of length 0 */
            len = 0xfffffff0;
        }
        int head = drv_desc(q, -1, addr, len, DRV_INDIRECT_FLAG);
        if (c == CHAINED) {
            drv_desc(q, head, buf, 8, DRV_WRITE);
        }
        drv_offer(q, head);
        expect_needs_reset(d);
    }
}

static void rings_outside_ram_or_misaligned(void **state) {
    (void)state;
    static const uint64_t bad[] = {
        0, DRV_SEAT, RAM_END, RAM_END - 4, UINT64_MAX & ~UINT64_C(15), DRV_RAM_BASE + 1};
    for (unsigned which = 0; which < 3; which++) {
        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            Drv *d = drv_new(false);
            drv_plug(d, "virtio-rng-device");
            drv_negotiate(d, DRV_VERSION_1);
            drv_layout(d, &d->q[0], NUM);
            *(which == 0   ? &d->q[0].desc_addr
              : which == 1 ? &d->q[0].avail_addr
                           : &d->q[0].used_addr) = bad[i];
            drv_set_queue(d, 0);
            drv_start(d);
            expect_needs_reset(d);
        }
    }
}

/* Not an error: the guest gets what it asked for, in its own memory only. */
static void buffer_over_the_rings_hurts_the_guest_alone(void **state) {
    (void)state;
    Drv *d = rng_new(0);
    DrvQueue *q = &d->q[0];
    drv_offer(q, drv_desc(q, -1, q->desc_addr, 4096 * 2, DRV_WRITE));
    drv_kick(d, 0);
    drv_write(d, 0x070, 0);
    drv_init(d, DRV_VERSION_1, 1, NUM);
    assert_true(works(d));
    drv_free(d);
}

static void queue_sizes_out_of_range_are_refused(void **state) {
    (void)state;
    Drv *d = rng_new(0);
    drv_write(d, 0x070, 0);
    drv_negotiate(d, DRV_VERSION_1);
    drv_write(d, 0x030, 0);
    drv_write(d, 0x038, 0);
    drv_write(d, 0x038, 1025);
    drv_write(d, 0x038, UINT32_MAX);
    drv_layout(d, &d->q[0], NUM);
    drv_set_queue(d, 0);
    drv_start(d);
    assert_true(works(d));
    for (unsigned i = 0; i < 4; i++) { /* notifications of queues that are not there */
        drv_kick(d, 1u << (8 * i));
    }
    assert_true(works(d));
    drv_free(d);
}

static void legacy_device_breaks_silently_and_recovers(void **state) {
    (void)state;
    Drv *d = drv_new(true);
    drv_plug(d, "virtio-rng-device");
    drv_init(d, 0, 1, NUM);
    drv_offer(&d->q[0], NUM);
    drv_kick(d, 0);
    assert_int_equal(drv_read(d, 0x070), 7); /* the bit is unknown there */
    assert_int_equal(drv_used_idx(&d->q[0]), 0);
    drv_init(d, 0, 1, NUM);
    assert_true(works(d));
    drv_free(d);
}

static void legacy_placement_with_any_page_size_and_alignment(void **state) {
    (void)state;
    for (uint32_t size = 0; size < 40; size++) {
        Drv *d = drv_new(true);
        drv_plug(d, "virtio-rng-device");
        drv_write(d, 0x070, 3);
        drv_write(d, 0x028, size < 32 ? UINT32_C(1) << size : size - 32);
        drv_write(d, 0x030, 0);
        drv_write(d, 0x038, 1024);
        drv_write(d, 0x03c, size % 3 == 0 ? 0 : UINT32_MAX - size);
        drv_write(d, 0x040, UINT32_MAX - size);
        drv_write(d, 0x070, 7);
        drv_kick(d, 0);
        drv_init(d, 0, 1, NUM);
        assert_true(works(d));
        drv_free(d);
    }
}

/* A ring that always looks full, kicked once: the work of one turn is bounded. */
static void endless_ring_takes_a_bounded_turn(void **state) {
    (void)state;
    Drv *d = rng_new(0);
    DrvQueue *q = &d->q[0];
    uint64_t buf = drv_alloc(d, 1024 * 1024, 4096);
    for (unsigned i = 0; i < NUM; i++) {
        q->desc[i] = (DrvDesc){buf, 1024 * 1024, DRV_WRITE, 0};
        q->avail[2 + i] = (uint16_t)i;
    }
    q->avail[1] = NUM;
    drv_kick(d, 0);
    assert_true(drv_used_idx(q) <= NUM);
    drv_run_until(d, NUM);
    drv_free(d);
}

/* --- at random ---------------------------------------------------------------------- */

static uint64_t random_next(uint64_t *s) { /* xorshift64* (Vigna 2016) */
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * UINT64_C(2685821657736338717);
}

static uint64_t random_address(Drv *d, uint64_t *s) {
    switch (random_next(s) % 6) {
    case 0:
        return random_next(s);
    case 1:
        return RAM_END - random_next(s) % 64;
    case 2:
        return d->q[0].desc_addr + random_next(s) % 8192;
    default:
        return DRV_RAM_BASE + random_next(s) % DRV_RAM_SIZE;
    }
}

static void scribble(Drv *d, unsigned queues, uint64_t *s) {
    DrvQueue *q = &d->q[random_next(s) % queues];
    switch (random_next(s) % 8) {
    case 0:
        drv_write(d, (unsigned)(random_next(s) % 0x120) & ~3u, (uint32_t)random_next(s));
        break;
    case 1:
        address_space_store(&d->m.as, DRV_SEAT + random_next(s) % 0x200,
                            1u << random_next(s) % 4, random_next(s));
        break;
    case 2:
        q->avail[random_next(s) % (q->num + 3)] = (uint16_t)random_next(s);
        break;
    case 3:
        drv_init(d, (random_next(s) & 0x30000000) | (d->legacy ? 0 : DRV_VERSION_1),
                 queues, NUM);
        d->brk = DRV_RAM_BASE + 0x10000;
        break;
    case 4:
        drv_offer(q, (int)(random_next(s) % (q->num + 1)));
        break;
    default: {
        uint64_t r = random_next(s);
        q->desc[r % q->num] = (DrvDesc){
            random_address(d, s), (uint32_t)(r >> 8) >> (r >> 40 & 31),
            (uint16_t)(random_next(s) & 7), (uint16_t)(random_next(s) % (q->num + 2))};
        drv_offer(q, (int)(r % q->num));
        drv_kick(d, (uint32_t)(q - d->q));
        break;
    }
    }
}

static void random_guest_cannot_hurt_any_device(void **state) {
    (void)state;
    const char *given = getenv("VITRINE_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("VITRINE_SEED=%llu\n", (unsigned long long)seed);
    uint64_t s = seed * 2 + 1;
    char path[] = "/tmp/test-virtio-hostile-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(ftruncate(fd, 1024 * 1024), 0);
    static const char *const devices[] = {"virtio-rng-device",
                                          "virtio-blk-device,drive=d0",
                                          "virtio-net-device", "virtio-serial-device"};
    for (unsigned i = 0; i < 8; i++) {
        Drv *d = drv_new(i & 1);
        BlockOptions options = {.id = "d0", .file = path, .snapshot = i & 4};
        d->m.drives[0].blk = blk_open(&options, NULL);
        d->m.drive_count = 1;
        drv_plug(d, devices[i / 2]);
        unsigned queues = i / 2 < 2 ? 1 : 2;
        drv_init(d, d->legacy ? 0 : DRV_VERSION_1, queues, NUM);
        for (unsigned n = 0; n < 5000; n++) {
            scribble(d, queues, &s);
        }
        assert_int_equal(drv_read(d, 0x000), 0x74726976);
        BlockBackend *blk = d->m.drives[0].blk;
        drv_free(d);
        blk_close(blk);
    }
    close(fd);
    unlink(path);
}

int main(void) {
    alarm(240);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_beyond_the_table),
        cmocka_unit_test(next_beyond_the_table),
        cmocka_unit_test(chain_that_is_a_loop),
        cmocka_unit_test(descriptor_that_points_to_itself),
        cmocka_unit_test(readable_behind_writable),
        cmocka_unit_test(length_of_zero),
        cmocka_unit_test(buffers_outside_ram),
        cmocka_unit_test(avail_index_jumps),
        cmocka_unit_test(bad_indirect_tables),
        cmocka_unit_test(rings_outside_ram_or_misaligned),
        cmocka_unit_test(buffer_over_the_rings_hurts_the_guest_alone),
        cmocka_unit_test(queue_sizes_out_of_range_are_refused),
        cmocka_unit_test(legacy_device_breaks_silently_and_recovers),
        cmocka_unit_test(legacy_placement_with_any_page_size_and_alignment),
        cmocka_unit_test(endless_ring_takes_a_bounded_turn),
        cmocka_unit_test(random_guest_cannot_hurt_any_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
