/* SPDX-License-Identifier: MIT */
/*
 * Looking at virtqueues from outside: what the driver put there is shown, nothing changes, and rings of
 * any nonsense stay bounded (run under asan, also: nothing outside RAM is read).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hw/virtio/virtio.h"
#include "hw/virtio_driver.h"

enum { NUM = 16, MAX = 8 };

static Drv *rng_new(uint64_t features) {
    Drv *d = drv_new(false);
    drv_plug(d, "virtio-rng-device");
    drv_init(d, features | DRV_VERSION_1, 1, NUM);
    return d;
}

static VirtIODevice *device(Drv *d) {
    return (VirtIODevice *)d->dev;
}

static void an_offered_chain_is_shown_as_it_lies(void **state) {
    (void)state;
    Drv *d = rng_new(0);
    DrvQueue *q = &d->q[0];
    uint64_t a = drv_alloc(d, 64, 16), b = drv_alloc(d, 64, 16);
    q->desc[3] = (DrvDesc){a, 24, DRV_NEXT, 7};
    q->desc[7] = (DrvDesc){b, 40, DRV_WRITE, 0};
    drv_offer(q, 3);
    const VirtQueue *vq = &device(d)->vq[0];
    VirtQueueInfo info = virtqueue_look(vq);
    assert_true(info.in_ram);
    assert_int_equal(info.avail_idx, 1);
    assert_int_equal(info.used_idx, 0);
    VirtDescInfo descs[MAX];
    const char *problem;
    assert_int_equal(virtqueue_look_chain(vq, 0, descs, MAX, &problem), 2);
    assert_null(problem);
    assert_int_equal(descs[0].index, 3);
    assert_int_equal(descs[0].addr, a);
    assert_int_equal(descs[0].len, 24);
    assert_true(descs[0].next && !descs[0].write);
    assert_int_equal(descs[1].index, 7);
    assert_int_equal(descs[1].addr, b);
    assert_true(descs[1].write && !descs[1].next);
    drv_free(d);
}

static void a_used_entry_is_shown(void **state) {
    (void)state;
    Drv *d = rng_new(0);
    DrvQueue *q = &d->q[0];
    int head = drv_desc(q, -1, drv_alloc(d, 64, 16), 48, DRV_WRITE);
    drv_offer(q, head);
    drv_kick(d, 0);
    const VirtQueue *vq = &device(d)->vq[0];
    uint32_t id = 99, written = 0;
    assert_int_equal(virtqueue_look(vq).used_idx, 1);
    assert_true(virtqueue_look_used(vq, 0, &id, &written));
    assert_int_equal(id, head);
    assert_int_equal(written, 48);
    drv_free(d);
}

static void an_indirect_table_is_followed_once(void **state) {
    (void)state;
    Drv *d = rng_new(DRV_INDIRECT);
    DrvQueue *q = &d->q[0];
    uint64_t table = drv_alloc(d, 2 * sizeof(DrvDesc), 16), buf = drv_alloc(d, 64, 16);
    DrvDesc *t = drv_host(d, table);
    t[0] = (DrvDesc){buf, 8, DRV_NEXT | DRV_WRITE, 1};
    t[1] = (DrvDesc){buf, 8, DRV_WRITE, 0};
    q->desc[0] = (DrvDesc){table, 2 * sizeof(DrvDesc), DRV_INDIRECT_FLAG, 0};
    drv_offer(q, 0);
    VirtDescInfo descs[MAX];
    const char *problem;
    const VirtQueue *vq = &device(d)->vq[0];
    assert_int_equal(virtqueue_look_chain(vq, 0, descs, MAX, &problem), 3);
    assert_null(problem);
    assert_true(descs[0].table && !descs[0].indirect);
    assert_true(descs[1].indirect && descs[2].indirect);
    t[1].flags = DRV_INDIRECT_FLAG; /* nested */
    t[1].addr = table;
    t[1].len = sizeof(DrvDesc);
    assert_int_equal(virtqueue_look_chain(vq, 0, descs, MAX, &problem), 3);
    assert_non_null(problem);
    drv_free(d);
}

static void nonsense_is_shown_as_far_as_it_goes(void **state) {
    (void)state;
    Drv *d = rng_new(0);
    DrvQueue *q = &d->q[0];
    VirtDescInfo descs[MAX];
    const char *problem;
    const VirtQueue *vq = &device(d)->vq[0];
    q->desc[0] = (DrvDesc){DRV_RAM_BASE, 8, DRV_NEXT, 0}; /* a loop */
    q->avail[2] = 0;
    assert_int_equal(virtqueue_look_chain(vq, 0, descs, MAX, &problem), MAX);
    assert_non_null(problem);
    q->avail[2] = NUM; /* head beyond the table */
    assert_int_equal(virtqueue_look_chain(vq, 0, descs, MAX, &problem), 0);
    assert_non_null(problem);
    device(d)->vq[0].used_addr = 0x1000; /* no RAM there */
    assert_false(virtqueue_look(vq).in_ram);
    assert_int_equal(virtqueue_look_chain(vq, 0, descs, MAX, &problem), 0);
    uint32_t id, written;
    assert_false(virtqueue_look_used(vq, 0, &id, &written));
    drv_free(d);
}

static uint64_t next_random(uint64_t *x) {
    *x = *x * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *x >> 16;
}

/* Random bytes in the rings: looking stays bounded and leaves device and RAM as they were. */
static void looking_at_random_rings_changes_nothing(void **state) {
    (void)state;
    Drv *d = rng_new(DRV_INDIRECT);
    DrvQueue *q = &d->q[0];
    uint64_t x = 20240411;
    print_message("seed %llu\n", (unsigned long long)x);
    VirtIODevice *before = malloc(sizeof(*before));
    uint8_t *ram = malloc(1 << 17);
    uint8_t *low = drv_host(d, DRV_RAM_BASE);
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < NUM; i++) {
            uint64_t r = next_random(&x);
            uint64_t addr = r & 1 ? DRV_RAM_BASE + r % DRV_RAM_SIZE : r;
            q->desc[i] = (DrvDesc){addr, (uint32_t)(r & 2 ? r & 0x70 : r),
                                   (uint16_t)(next_random(&x) & 7),
                                   (uint16_t)(next_random(&x) % (NUM + 2))};
            q->avail[2 + i] = (uint16_t)(next_random(&x) % (NUM + 2));
        }
        q->avail[1] = (uint16_t)next_random(&x);
        memcpy(before, device(d), sizeof(*before));
        memcpy(ram, low, 1 << 17);
        VirtQueueInfo info = virtqueue_look(&device(d)->vq[0]);
        assert_int_equal(info.avail_idx, q->avail[1]);
        for (unsigned i = 0; i < NUM; i++) {
            VirtDescInfo descs[MAX];
            const char *problem = NULL;
            unsigned n = virtqueue_look_chain(&device(d)->vq[0], (uint16_t)i, descs, MAX,
                                              &problem);
            assert_true(n <= MAX && (problem || n >= 1));
        }
        assert_memory_equal(before, device(d), sizeof(*before));
        assert_memory_equal(ram, low, 1 << 17);
    }
    free(before);
    free(ram);
    drv_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offered_chain_is_shown_as_it_lies),
        cmocka_unit_test(a_used_entry_is_shown),
        cmocka_unit_test(an_indirect_table_is_followed_once),
        cmocka_unit_test(nonsense_is_shown_as_far_as_it_goes),
        cmocka_unit_test(looking_at_random_rings_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
