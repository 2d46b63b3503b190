/* SPDX-License-Identifier: MIT */
/* Pflash. Expected values: Intel StrataFlash J3 data sheet, CFI (JESD68.01); geometry as
 * in QEMU's virt
 * (`info qtree` of 7.2: 128 blocks of 256 KiB, two 16-bit chips). */
#include "hw_fixture.h"

#include <unistd.h>

#include "hw/block/pflash.h"

enum { FLASH = 0x20000000, BLOCK = 256 * 1024 };

typedef struct PflashTest {
    Fixture *f;
    Device *dev;
    BlockBackend *blk;
    char path[64];
} PflashTest;

static PflashTest *make(bool read_only) {
    PflashTest *t = calloc(1, sizeof(*t));
    Error *err = NULL;
    t->f = fixture_new();
    snprintf(t->path, sizeof(t->path), "/tmp/vitrine-pflash-%d", (int)getpid());
    FILE *out = fopen(t->path, "wb");
    assert_non_null(out);
    fputs("boot code", out);
    fclose(out);
    assert_int_equal(truncate(t->path, PFLASH_SIZE), 0);
    const BlockOptions o = {.file = t->path, .format = "raw", .read_only = read_only};
    t->blk = blk_open(&o, &err);
    assert_non_null(t->blk);
    t->dev = device_new(&t->f->m, device_class_find("cfi.pflash01"), NULL, &err);
    device_set_reference(t->dev, "drive", t->blk);
    assert_true(device_realize(t->dev, &err));
    device_map(t->dev, FLASH);
    t->dev->cls->reset(t->dev);
    return t;
}

static int setup(void **state) {
    *state = make(false);
    return 0;
}

static int setup_read_only(void **state) {
    *state = make(true);
    return 0;
}

static int teardown(void **state) {
    PflashTest *t = *state;
    device_free(t->dev);
    blk_close(t->blk);
    fixture_free(t->f);
    unlink(t->path);
    free(t);
    return 0;
}

static uint32_t get(PflashTest *t, uint32_t offset) {
    return (uint32_t)rd(t->f, FLASH + offset, 4);
}

/* Commands go to both chips. */
static void cmd(PflashTest *t, uint32_t offset, uint8_t command) {
    wr(t->f, FLASH + offset, 4, command | (uint32_t)command << 16);
}

static void erase(PflashTest *t, uint32_t offset) {
    cmd(t, offset, 0x20);
    cmd(t, offset, 0xd0);
}

static void flash_reads_its_drive(void **state) {
    PflashTest *t = *state;
    assert_int_equal(get(t, 0), 0x746f6f62); /* "boot" */
    assert_true(pflash_has_drive(t->dev));
}

static void cfi_query_answers_from_both_chips(void **state) {
    PflashTest *t = *state;
    cmd(t, 0x55 * 4, 0x98);
    assert_int_equal(get(t, 0x10 * 4), 'Q' | 'Q' << 16);
    assert_int_equal(get(t, 0x11 * 4), 'R' | 'R' << 16);
    assert_int_equal(get(t, 0x12 * 4), 'Y' | 'Y' << 16);
    assert_int_equal(get(t, 0x13 * 4), 0x00010001); /* Intel's command set */
    assert_int_equal(get(t, 0x27 * 4), 24 | 24 << 16);
    assert_int_equal(get(t, 0x2d * 4) & 0xff, 127); /* blocks - 1 */
    assert_int_equal((get(t, 0x2f * 4) & 0xff) | (get(t, 0x30 * 4) & 0xff) << 8,
                     BLOCK / 2 / 256);
    assert_int_equal(rd(t->f, FLASH + 0x11 * 4 + 2, 2), 'R');
    cmd(t, 0, 0xff);
    assert_int_equal(get(t, 0), 0x746f6f62);
}

static void identifiers_are_intels(void **state) {
    PflashTest *t = *state;
    cmd(t, 0, 0x90);
    assert_int_equal(get(t, 0), 0x00890089);
    assert_int_equal(get(t, 4), 0x00180018);
    assert_int_equal(get(t, BLOCK + 8), 0); /* block is not locked */
}

static void erase_sets_all_bits_of_its_block_alone(void **state) {
    PflashTest *t = *state;
    erase(t, BLOCK + 0x1234);
    assert_int_equal(get(t, BLOCK), 0x00800080); /* status: ready, no error */
    cmd(t, 0, 0xff);
    assert_int_equal(get(t, BLOCK), 0xffffffff);
    assert_int_equal(get(t, 2 * BLOCK - 4), 0xffffffff);
    assert_int_equal(get(t, 2 * BLOCK), 0);
    assert_int_equal(get(t, BLOCK - 4), 0);
}

static void programming_only_clears_bits(void **state) {
    PflashTest *t = *state;
    erase(t, 0);
    cmd(t, 8, 0x40);
    wr(t->f, FLASH + 8, 4, 0xfff0ff0f);
    cmd(t, 8, 0x10);
    wr(t->f, FLASH + 8, 4, 0x0fffffff);
    cmd(t, 0, 0xff);
    assert_int_equal(get(t, 8), 0x0ff0ff0f);
}

static void buffered_programming_writes_when_confirmed(void **state) {
    PflashTest *t = *state;
    erase(t, 0);
    cmd(t, 0x400, 0xe8);
    assert_int_equal(get(t, 0x400) & 0x80, 0x80);
    cmd(t, 0x400, 3); /* four writes */
    for (uint32_t i = 0; i < 4; i++) {
        wr(t->f, FLASH + 0x400 + 4 * i, 4, 0x11111111 * (i + 1));
    }
    cmd(t, 0x400, 0xd0);
    assert_int_equal(get(t, 0), 0x00800080);
    cmd(t, 0, 0xff);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(get(t, 0x400 + 4 * i), 0x11111111 * (i + 1));
    }
    assert_int_equal(get(t, 0x410), 0xffffffff);
}

static void unconfirmed_buffer_is_an_error_and_changes_nothing(void **state) {
    PflashTest *t = *state;
    erase(t, 0);
    cmd(t, 0, 0xe8);
    cmd(t, 0, 0);
    wr(t->f, FLASH, 4, 0);
    cmd(t, 0, 0xff);
    assert_int_equal(get(t, 0) & 0x30, 0x30);
    cmd(t, 0, 0x50);
    cmd(t, 0, 0x70);
    assert_int_equal(get(t, 0), 0x00800080);
    cmd(t, 0, 0xff);
    assert_int_equal(get(t, 0), 0xffffffff);
}

static void too_large_or_stray_buffers_are_errors(void **state) {
    PflashTest *t = *state;
    cmd(t, 0, 0xe8);
    wr(t->f, FLASH, 4, 0xffff);
    assert_int_equal(get(t, 0) & 0x10, 0x10);
    cmd(t, 0, 0x50);
    cmd(t, 0, 0xe8);
    cmd(t, 0, 1);
    wr(t->f, FLASH + 0x100000, 4, 0);
    assert_int_equal(get(t, 0) & 0x10, 0x10);
}

static void what_was_written_is_on_the_drive(void **state) {
    PflashTest *t = *state;
    uint32_t word = 0;
    erase(t, 0);
    cmd(t, 12, 0x40);
    wr(t->f, FLASH + 12, 4, 0xcafef00d);
    FILE *in = fopen(t->path, "rb");
    assert_non_null(in);
    assert_int_equal(fseek(in, 12, SEEK_SET), 0);
    assert_int_equal(fread(&word, 4, 1, in), 1);
    fclose(in);
    assert_int_equal(word, 0xcafef00d);
}

static void read_only_drive_reports_a_locked_block(void **state) {
    PflashTest *t = *state;
    erase(t, 0);
    assert_int_equal(get(t, 0) & 0xff, 0x80 | 0x20 | 0x02);
    cmd(t, 0, 0x50);
    cmd(t, 0, 0x40);
    wr(t->f, FLASH, 4, 0);
    assert_int_equal(get(t, 0) & 0xff, 0x80 | 0x10 | 0x02);
    cmd(t, 0, 0xff);
    assert_int_equal(get(t, 0), 0x746f6f62);
}

static void flash_survives_scribbling(void **state) {
    PflashTest *t = *state;
    fixture_scribble(t->f, FLASH, 0x1000, 20000);
    t->dev->cls->reset(t->dev);
    address_space_reclaim(&t->f->m.as);
    erase(t, 0);
    cmd(t, 0, 0xff);
    assert_int_equal(get(t, 0), 0xffffffff);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(flash_reads_its_drive),
        T(cfi_query_answers_from_both_chips),
        T(identifiers_are_intels),
        T(erase_sets_all_bits_of_its_block_alone),
        T(programming_only_clears_bits),
        T(buffered_programming_writes_when_confirmed),
        T(unconfirmed_buffer_is_an_error_and_changes_nothing),
        T(too_large_or_stray_buffers_are_errors),
        T(what_was_written_is_on_the_drive),
        cmocka_unit_test_setup_teardown(read_only_drive_reports_a_locked_block,
                                        setup_read_only, teardown),
        T(flash_survives_scribbling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
