/* SPDX-License-Identifier: MIT */
/* Virtio-blk against VIRTIO 1.2, 5.2: what ends up in the image and in the guest's
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "hw/virtio_driver.h"

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK = 0, IOERR = 1, UNSUPP = 2, UNTOUCHED = 0xee };
enum { SECTORS = 256 };

typedef struct Disk {
    Drv *d;
    char path[64];
    int fd; /* the image, seen from outside */
} Disk;

static uint8_t pattern(unsigned sector, unsigned byte) {
    return (uint8_t)(sector * 7 + byte * 13 + 1);
}

static Disk *disk_new(bool legacy, BlockOptions options, const char *text) {
    Disk *k = calloc(1, sizeof(*k));
    Error *err = NULL;
    strcpy(k->path, "/tmp/test-virtio-blk-XXXXXX");
    k->fd = mkstemp(k->path);
    assert_true(k->fd >= 0);
    for (unsigned s = 0; s < SECTORS; s++) {
        uint8_t buf[512];
        for (unsigned i = 0; i < sizeof(buf); i++) {
            buf[i] = pattern(s, i);
        }
        assert_int_equal(pwrite(k->fd, buf, sizeof(buf), s * 512), 512);
    }
    k->d = drv_new(legacy);
    options.id = "d0";
    options.file = k->path;
    options.format = "raw";
    k->d->m.drives[0].blk = blk_open(&options, &err);
    assert_non_null(k->d->m.drives[0].blk);
    k->d->m.drive_count = 1;
    drv_plug(k->d, text);
    return k;
}

static Disk *disk_started(bool legacy, uint64_t features) {
    Disk *k =
        disk_new(legacy, (BlockOptions){0}, "virtio-blk-device,drive=d0,serial=SN-42");
    drv_init(k->d, legacy ? features : features | DRV_VERSION_1, 1, 16);
    return k;
}

static void disk_free(Disk *k) {
    BlockBackend *blk = k->d->m.drives[0].blk;
    drv_free(k->d);
    blk_close(blk);
    close(k->fd);
    unlink(k->path);
    free(k);
}

static uint64_t put_header(Drv *d, uint32_t type, uint64_t sector) {
    uint64_t addr = drv_alloc(d, 16, 16);
    memcpy(drv_host(d, addr),
           (uint32_t[]){type, 0, (uint32_t)sector, (uint32_t)(sector >> 32)}, 16);
    return addr;
}

/* One request in three descriptors; returns the status byte. `data` is copied in or
 * out. */
static uint8_t request(Disk *k, uint32_t type, uint64_t sector, void *data, uint32_t len,
                       uint32_t *used_len) {
    Drv *d = k->d;
    DrvQueue *q = &d->q[0];
    bool to_guest = type == IN || type == GET_ID;
    uint64_t header = put_header(d, type, sector);
    uint64_t buf = drv_alloc(d, len + 1, 16);
    uint8_t *status = drv_host(d, drv_alloc(d, 1, 1));
    uint32_t head, length = 0;
    *status = UNTOUCHED;
    memcpy(drv_host(d, buf), data, len);
    int first = drv_desc(q, -1, header, 16, 0);
    int last = first;
    if (len > 0) {
        last = drv_desc(q, last, buf, len, to_guest ? DRV_WRITE : 0);
    }
    drv_desc(q, last, DRV_RAM_BASE + (uint64_t)(status - d->rb->host), 1, DRV_WRITE);
    drv_offer(q, first);
    drv_kick(d, 0);
    assert_true(drv_take(q, &head, &length));
    assert_int_equal(head, first);
    if (used_len != NULL) {
        *used_len = length;
    }
    if (to_guest) {
        memcpy(data, drv_host(d, buf), len);
    }
    return *status;
}

static void check_sector(const uint8_t *buf, unsigned sector) {
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(buf[i], pattern(sector, i));
    }
}

static void read_returns_the_image(void **state) {
    (void)state;
    for (int legacy = 0; legacy < 2; legacy++) {
        Disk *k = disk_started(legacy, 0);
        uint8_t buf[1024] = {0};
        uint32_t len;
        assert_int_equal(request(k, IN, 17, buf, sizeof(buf), &len), OK);
        check_sector(buf, 17);
        check_sector(buf + 512, 18);
        assert_int_equal(len, 1025); /* data and status */
        disk_free(k);
    }
}

static void write_changes_the_image_and_nothing_around_it(void **state) {
    (void)state;
    Disk *k = disk_started(false, 0);
    uint8_t buf[512], seen[3 * 512];
    memset(buf, 0x5a, sizeof(buf));
    assert_int_equal(request(k, OUT, 5, buf, sizeof(buf), NULL), OK);
    assert_int_equal(request(k, FLUSH, 0, buf, 0, NULL), OK);
    assert_int_equal(pread(k->fd, seen, sizeof(seen), 4 * 512), (int)sizeof(seen));
    check_sector(seen, 4);
    assert_memory_equal(seen + 512, buf, 512);
    check_sector(seen + 1024, 6);
    disk_free(k);
}

static void capacity_is_in_sectors(void **state) {
    (void)state;
    Disk *k = disk_started(false, 0);
    assert_int_equal(drv_read(k->d, 0x100), SECTORS);
    assert_int_equal(drv_read(k->d, 0x104), 0);
    assert_int_equal(drv_read(k->d, 0x114), 512); /* blk_size */
    disk_free(k);
}

static void serial_is_20_bytes_padded(void **state) {
    (void)state;
    Disk *k = disk_started(false, 0);
    char id[20];
    memset(id, 'x', sizeof(id));
    assert_int_equal(request(k, GET_ID, 0, id, sizeof(id), NULL), OK);
    assert_memory_equal(id, "SN-42\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    disk_free(k);
}

static void outside_the_disk_is_an_error_and_changes_nothing(void **state) {
    (void)state;
    Disk *k = disk_started(false, 0);
    uint8_t buf[1024];
    memset(buf, 0x77, sizeof(buf));
    assert_int_equal(request(k, IN, SECTORS, buf, 512, NULL), IOERR);
    assert_int_equal(request(k, OUT, SECTORS - 1, buf, 1024, NULL), IOERR);
    assert_int_equal(request(k, OUT, UINT64_MAX / 512, buf, 512, NULL), IOERR);
    assert_int_equal(request(k, OUT, UINT64_MAX, buf, 512, NULL), IOERR);
    assert_int_equal(request(k, IN, 0, buf, 100, NULL), IOERR); /* not a whole sector */
    struct stat sb;
    fstat(k->fd, &sb);
    assert_int_equal(sb.st_size, SECTORS * 512);
    assert_int_equal(pread(k->fd, buf, 512, (SECTORS - 1) * 512), 512);
    check_sector(buf, SECTORS - 1);
    disk_free(k);
}

static void unknown_request_is_unsupported(void **state) {
    (void)state;
    Disk *k = disk_started(false, 0);
    uint8_t buf[512] = {0};
    assert_int_equal(request(k, 99, 0, buf, 512, NULL), UNSUPP);
    disk_free(k);
}

static void read_only_disk_refuses_writes_and_says_so(void **state) {
    (void)state;
    Disk *k =
        disk_new(false, (BlockOptions){.read_only = true}, "virtio-blk-device,drive=d0");
    uint8_t buf[512] = {0};
    assert_true(drv_features(k->d) & 1 << 5); /* VIRTIO_BLK_F_RO */
    drv_init(k->d, DRV_VERSION_1 | 1 << 5, 1, 16);
    assert_int_equal(request(k, OUT, 0, buf, 512, NULL), IOERR);
    assert_int_equal(request(k, IN, 0, buf, 512, NULL), OK);
    check_sector(buf, 0);
    disk_free(k);
}

static void snapshot_keeps_writes_from_the_image(void **state) {
    (void)state;
    Disk *k =
        disk_new(false, (BlockOptions){.snapshot = true}, "virtio-blk-device,drive=d0");
    uint8_t buf[512], seen[512];
    memset(buf, 0x33, sizeof(buf));
    drv_init(k->d, DRV_VERSION_1, 1, 16);
    assert_int_equal(request(k, OUT, 9, buf, 512, NULL), OK);
    assert_int_equal(request(k, IN, 9, seen, 512, NULL), OK);
    assert_memory_equal(seen, buf, 512);
    assert_int_equal(request(k, IN, 10, seen, 512, NULL),
                     OK); /* same cluster: copied up */
    check_sector(seen, 10);
    assert_int_equal(pread(k->fd, seen, 512, 9 * 512), 512);
    check_sector(seen, 9);
    disk_free(k);
}

static void write_zeroes_and_discard(void **state) {
    (void)state;
    Disk *k = disk_started(false, 0);
    uint32_t seg[4] = {3, 0, 2, 0}; /* sector 3 (64 bits), 2 sectors, flags */
    uint8_t seen[4 * 512], zeros[1024] = {0};
    assert_int_equal(request(k, WRITE_ZEROES, 0, seg, sizeof(seg), NULL), OK);
    assert_int_equal(pread(k->fd, seen, sizeof(seen), 2 * 512), (int)sizeof(seen));
    check_sector(seen, 2);
    assert_memory_equal(seen + 512, zeros, 1024);
    check_sector(seen + 3 * 512, 5);
    assert_int_equal(request(k, DISCARD, 0, seg, sizeof(seg), NULL), OK);
    seg[3] = 2; /* reserved flag */
    assert_int_equal(request(k, WRITE_ZEROES, 0, seg, sizeof(seg), NULL), UNSUPP);
    seg[3] = 1; /* unmap is for write zeroes only */
    assert_int_equal(request(k, DISCARD, 0, seg, sizeof(seg), NULL), UNSUPP);
    seg[0] = SECTORS - 1;
    assert_int_equal(request(k, WRITE_ZEROES, 0, seg, sizeof(seg), NULL), IOERR);
    disk_free(k);
}

/* 2.7.4: the driver may cut header, data and status as it likes. */
static void layout_of_a_chain_does_not_matter(void **state) {
    (void)state;
    Disk *k = disk_started(false, 0);
    Drv *d = k->d;
    DrvQueue *q = &d->q[0];
    uint64_t header = put_header(d, IN, 40);
    uint64_t buf = drv_alloc(d, 4096, 4096);
    int first = drv_desc(q, -1, header, 3, 0);
    int last = drv_desc(q, first, header + 3, 13, 0);
    last = drv_desc(q, last, buf, 100, DRV_WRITE);
    drv_desc(q, last, buf + 1000, 413, DRV_WRITE); /* 412 of data, 1 of status */
    uint8_t *p = drv_host(d, buf);
    p[1412] = UNTOUCHED;
    drv_offer(q, first);
    drv_kick(d, 0);
    assert_true(drv_take(q, NULL, NULL));
    assert_int_equal(p[1412], OK);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(p[i < 100 ? i : 900 + i], pattern(40, i));
    }
    disk_free(k);
}

/* 2.7.5.3: a table of descriptors elsewhere; also behind direct ones (2.7.5.3.2). */
static void indirect_descriptors(void **state) {
    (void)state;
    for (int behind = 0; behind < 2; behind++) {
        Disk *k = disk_started(false, DRV_INDIRECT);
        Drv *d = k->d;
        DrvQueue *q = &d->q[0];
        uint64_t header = put_header(d, IN, 50);
        uint64_t buf = drv_alloc(d, 513, 16), table = drv_alloc(d, 48, 1);
        DrvDesc entry[3] = {{header, 16, DRV_NEXT, 1},
                            {buf, 512, DRV_NEXT | DRV_WRITE, 2},
                            {buf + 512, 1, DRV_WRITE, 0}};
        uint8_t *p = drv_host(d, buf);
        p[512] = UNTOUCHED;
        int first;
        if (behind) {
            entry[1].next = 1;
            memcpy(drv_host(d, table), entry + 1, 32);
            first = drv_desc(q, -1, header, 16, 0);
            drv_desc(q, first, table, 32, DRV_INDIRECT_FLAG);
        } else {
            memcpy(drv_host(d, table), entry, 48);
            first = drv_desc(q, -1, table, 48, DRV_INDIRECT_FLAG);
        }
        drv_offer(q, first);
        drv_kick(d, 0);
        assert_true(drv_take(q, NULL, NULL));
        assert_int_equal(p[512], OK);
        check_sector(p, 50);
        disk_free(k);
    }
}

static void several_requests_in_one_notification(void **state) {
    (void)state;
    Disk *k = disk_started(false, 0);
    Drv *d = k->d;
    DrvQueue *q = &d->q[0];
    uint8_t *data[5];
    for (unsigned i = 0; i < 5; i++) {
        uint64_t buf = drv_alloc(d, 513, 16);
        data[i] = drv_host(d, buf);
        data[i][512] = UNTOUCHED;
        int first = drv_desc(q, -1, put_header(d, IN, 60 + i), 16, 0);
        drv_desc(q, drv_desc(q, first, buf, 512, DRV_WRITE), buf + 512, 1, DRV_WRITE);
        drv_offer(q, first);
    }
    drv_kick(d, 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(drv_take(q, NULL, NULL));
        assert_int_equal(data[i][512], OK);
        check_sector(data[i], 60 + i);
    }
    assert_int_equal(d->irq_edges, 1);
    disk_free(k);
}

/* More than one turn's budget: the rest is done from the main loop. */
static void long_queue_is_finished_by_the_main_loop(void **state) {
    (void)state;
    Disk *k = disk_new(false, (BlockOptions){0}, "virtio-blk-device,drive=d0");
    Drv *d = k->d;
    DrvQueue *q = &d->q[0];
    drv_init(d, DRV_VERSION_1, 1, 1024);
    uint64_t header = put_header(d, FLUSH, 0), status = drv_alloc(d, 1, 1);
    enum { COUNT = 500 }; /* two descriptors each */
    for (unsigned i = 0; i < COUNT; i++) {
        int first = drv_desc(q, -1, header, 16, 0);
        drv_desc(q, first, status, 1, DRV_WRITE);
        drv_offer(q, first);
    }
    drv_kick(d, 0);
    assert_true(drv_used_idx(q) < COUNT);
    drv_run_until(d, COUNT); /* hangs if the rest is forgotten */
    assert_int_equal(drv_used_idx(q), COUNT);
    disk_free(k);
}

static void truncated_image_is_an_error_not_zeros(void **state) {
    (void)state;
    Disk *k = disk_started(false, 0);
    uint8_t buf[512];
    assert_int_equal(ftruncate(k->fd, 10 * 512), 0);
    assert_int_equal(request(k, IN, 9, buf, 512, NULL), OK);
    check_sector(buf, 9);
    assert_int_equal(request(k, IN, 10, buf, 512, NULL), IOERR);
    disk_free(k);
}

/* Code that was translated from a page a disk read overwrites is void: the page is
 * marked. */
static void read_marks_the_pages_dirty(void **state) {
    (void)state;
    Disk *k = disk_started(false, 0);
    Drv *d = k->d;
    uint8_t buf[512];
    ramblock_set_tracking(d->rb, DIRTY_MIGRATION, true);
    d->brk = DRV_RAM_BASE + 0x100000 - 16; /* header before, data on a page of its own */
    uint64_t page = 0x100000;
    for (uint64_t p = 0; p < DRV_RAM_SIZE; p += 4096) {
        ramblock_clear_dirty(d->rb, p, DIRTY_MIGRATION);
    }
    assert_int_equal(request(k, IN, 3, buf, 512, NULL), OK);
    assert_true(ramblock_is_dirty(d->rb, page, DIRTY_MIGRATION));
    assert_false(ramblock_is_dirty(d->rb, page + 4096, DIRTY_MIGRATION));
    assert_true(
        ramblock_is_dirty(d->rb, d->q[0].used_addr - DRV_RAM_BASE, DIRTY_MIGRATION));
    disk_free(k);
}

static void device_without_drive_is_a_clear_error(void **state) {
    (void)state;
    Drv *d = drv_new(false);
    Error *err = NULL;
    assert_null(device_new_from_text(&d->m, "virtio-blk-device", &err));
    assert_non_null(strstr(error_message(err), "drive="));
    error_free(err);
    drv_free(d);
}

int main(void) {
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_returns_the_image),
        cmocka_unit_test(write_changes_the_image_and_nothing_around_it),
        cmocka_unit_test(capacity_is_in_sectors),
        cmocka_unit_test(serial_is_20_bytes_padded),
        cmocka_unit_test(outside_the_disk_is_an_error_and_changes_nothing),
        cmocka_unit_test(unknown_request_is_unsupported),
        cmocka_unit_test(read_only_disk_refuses_writes_and_says_so),
        cmocka_unit_test(snapshot_keeps_writes_from_the_image),
        cmocka_unit_test(write_zeroes_and_discard),
        cmocka_unit_test(layout_of_a_chain_does_not_matter),
        cmocka_unit_test(indirect_descriptors),
        cmocka_unit_test(several_requests_in_one_notification),
        cmocka_unit_test(long_queue_is_finished_by_the_main_loop),
        cmocka_unit_test(truncated_image_is_an_error_not_zeros),
        cmocka_unit_test(read_marks_the_pages_dirty),
        cmocka_unit_test(device_without_drive_is_a_clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
