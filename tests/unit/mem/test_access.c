/* SPDX-License-Identifier: MIT */
/*
 * Loads, stores and DMA on an address space:
 *
 *   0000-1fff ram   2000-2fff rom   3000-3fff romd   4000-401f regs (I/O)   4020- hole
 */
#include "mem_fixture.h"

enum { RAM = 0x0000, ROM = 0x2000, ROMD = 0x3000, REGS = 0x4000, HOLE = 0x4020 };

typedef struct Board {
    Fixture f;
    MemoryRegion ram, rom, romd, regs;
    RAMBlock *rom_rb, *romd_rb;
    uint8_t registers[32];
    char calls[256]; /* callbacks of regs and romd, and the lock: "( w4@8 )" */
    int locked;
    char written[256]; /* calls of ram_written: "name@offset+len " */
} Board;

static void note(char *text, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    size_t used = strlen(text);
    vsnprintf(text + used, 256 - used, fmt, ap);
    va_end(ap);
}

static uint64_t regs_read(void *opaque, hwaddr offset, unsigned size) {
    Board *b = opaque;
    assert_int_equal(b->locked, 1);
    note(b->calls, "r%u@%x ", size, (unsigned)offset);
    uint64_t value = 0;
    memcpy(&value, b->registers + offset, size);
    return value;
}

static void regs_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    Board *b = opaque;
    assert_int_equal(b->locked, 1);
    note(b->calls, "w%u@%x ", size, (unsigned)offset);
    memcpy(b->registers + offset, &value, size);
}

/* The largest access is 4 bytes. */
static const MemoryRegionOps regs_ops = {
    .read = regs_read, .write = regs_write, .valid_max = 4};

static uint64_t romd_read(void *opaque, hwaddr offset, unsigned size) {
    note(((Board *)opaque)->calls, "R%u@%x ", size, (unsigned)offset);
    return 0x5a;
}

static void romd_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    note(((Board *)opaque)->calls, "W%u@%x=%x ", size, (unsigned)offset, (unsigned)value);
}

static const MemoryRegionOps romd_ops = {.read = romd_read, .write = romd_write};

static void board_lock(void *opaque) {
    ((Board *)opaque)->locked++;
}

static void board_unlock(void *opaque) {
    ((Board *)opaque)->locked--;
}

/* As a TB cache would: throw the code away, then say that there is none. */
static void board_ram_written(void *opaque, RAMBlock *rb, uint64_t offset, uint64_t len) {
    note(((Board *)opaque)->written, "%s@%llx+%llx ", rb->name,
         (unsigned long long)offset, (unsigned long long)len);
    assert_true(ramblock_any_clean(rb, offset, len, DIRTY_CODE));
    ramblock_set_dirty(rb, offset, len, 1u << DIRTY_CODE);
}

static int setup(void **state) {
    Board *b = calloc(1, sizeof(*b));
    *state = b;
    Fixture *f = &b->f;
    fixture_init(f, UINT64_MAX);
    b->rom_rb = ramblock_new(&f->list, "rom", 0x1000, RAM_ANONYMOUS, NULL, NULL);
    b->romd_rb = ramblock_new(&f->list, "romd", 0x1000, RAM_ANONYMOUS, NULL, NULL);
    memory_region_init_ram(&b->ram, f->rb, "ram", 0x2000);
    memory_region_init_rom(&b->rom, b->rom_rb, "rom", 0x1000);
    memory_region_init_rom_device(&b->romd, b->romd_rb, &romd_ops, b, "romd", 0x1000);
    memory_region_init_io(&b->regs, &regs_ops, b, "regs", 0x20);
    memory_region_add(&f->as, &f->root, RAM, &b->ram, 0);
    memory_region_add(&f->as, &f->root, ROM, &b->rom, 0);
    memory_region_add(&f->as, &f->root, ROMD, &b->romd, 0);
    memory_region_add(&f->as, &f->root, REGS, &b->regs, 0);
    f->as.lock_io = board_lock;
    f->as.unlock_io = board_unlock;
    f->as.lock_opaque = b;
    f->as.ram_written = board_ram_written;
    f->as.ram_written_opaque = b;
    for (unsigned c = 0; c < DIRTY_CLIENT_COUNT; c++) {
        ramblock_set_tracking(f->rb, c, true);
        ramblock_sync_dirty(f->rb, 0, f->rb->size / PAGE_SIZE, c, NULL);
    }
    return 0;
}

static int teardown(void **state) {
    Board *b = *state;
    assert_int_equal(b->locked, 0);
    fixture_destroy(&b->f);
    memory_region_destroy(&b->ram);
    memory_region_destroy(&b->rom);
    memory_region_destroy(&b->romd);
    memory_region_destroy(&b->regs);
    free(b);
    return 0;
}

static uint64_t load(Board *b, hwaddr addr, unsigned size) {
    uint64_t value = 0xdead;
    assert_int_equal(address_space_load(&b->f.as, addr, size, &value), MEMTX_OK);
    return value;
}

static void store(Board *b, hwaddr addr, unsigned size, uint64_t value) {
    assert_int_equal(address_space_store(&b->f.as, addr, size, value), MEMTX_OK);
}

static void loads_and_stores_of_ram_are_little_endian(void **state) {
    Board *b = *state;
    store(b, 0x100, 8, 0x1122334455667788);
    static const uint8_t bytes[] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
    assert_memory_equal(b->f.rb->host + 0x100, bytes, 8);
    assert_int_equal(load(b, 0x100, 8), 0x1122334455667788);
    assert_int_equal(load(b, 0x100, 4), 0x55667788);
    assert_int_equal(load(b, 0x106, 2), 0x1122);
    assert_int_equal(load(b, 0x103, 1), 0x55);
    store(b, 0x102, 2, 0xfffff0f1); /* only its low 16 bits */
    assert_int_equal(load(b, 0x100, 8), 0x11223344f0f17788);
    assert_string_equal(b->calls, "");
}

static void unaligned_access_to_ram_crosses_pages(void **state) {
    Board *b = *state;
    store(b, 0xffd, 8, 0x0807060504030201);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(b->f.rb->host[0xffd + i], i + 1);
    }
    assert_int_equal(load(b, 0xfff, 4), 0x06050403);
    assert_true(ramblock_is_dirty(b->f.rb, 0x0fff, DIRTY_DISPLAY));
    assert_true(ramblock_is_dirty(b->f.rb, 0x1000, DIRTY_DISPLAY));
}

static void store_marks_its_page_dirty_for_every_client(void **state) {
    Board *b = *state;
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x1000), DIRTY_ALL_CLIENTS);
    store(b, 0x1008, 4, 1);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x1000), 0);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x0000), DIRTY_ALL_CLIENTS);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x2000), DIRTY_ALL_CLIENTS);
    assert_string_equal(b->written, "fixture@1008+4 ");
}

/* DIRTY_CODE set means there is no code: nobody needs to be called. */
static void ram_written_is_called_only_where_there_may_be_code(void **state) {
    Board *b = *state;
    store(b, 0x1008, 4, 1);
    store(b, 0x100c, 4, 1);
    assert_string_equal(b->written, "fixture@1008+4 ");
    ramblock_clear_dirty(b->f.rb, 0x1000, DIRTY_CODE);
    uint8_t buf[0x800] = {0};
    address_space_write(&b->f.as, 0x0c00, buf, sizeof(buf));
    assert_string_equal(b->written, "fixture@1008+4 fixture@c00+800 ");
    address_space_write(&b->f.as, 0x0c00, buf, sizeof(buf));
    assert_string_equal(b->written, "fixture@1008+4 fixture@c00+800 ");
}

static void without_ram_written_a_store_marks_code_dirty_itself(void **state) {
    Board *b = *state;
    b->f.as.ram_written = NULL;
    store(b, 0x1008, 4, 1);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x1000), 0);
}

static void loads_mark_nothing(void **state) {
    Board *b = *state;
    uint8_t buf[64];
    load(b, 0x1008, 8);
    address_space_read(&b->f.as, 0x1000, buf, sizeof(buf));
    uint64_t len = 64;
    void *host = address_space_map(&b->f.as, 0x1000, &len, false);
    address_space_unmap(&b->f.as, host, len, false);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x1000), DIRTY_ALL_CLIENTS);
}

static void store_to_rom_is_dropped_with_a_guest_error(void **state) {
    Board *b = *state;
    b->rom_rb->host[0x10] = 0x42;
    assert_int_equal(load(b, ROM + 0x10, 1), 0x42);
    store(b, ROM + 0x10, 4, 0x12345678);
    assert_int_equal(load(b, ROM + 0x10, 4), 0x42);
    assert_int_equal(fixture_guest_errors(&b->f), 1);
    uint8_t buf[64] = {1}; /* a DMA is one error, however long */
    assert_int_equal(address_space_write(&b->f.as, ROM + 0x10, buf, 64), MEMTX_OK);
    assert_int_equal(load(b, ROM + 0x10, 8), 0x42);
    assert_int_equal(fixture_guest_errors(&b->f), 2);
}

static void rom_device_reads_memory_and_writes_to_its_callback(void **state) {
    Board *b = *state;
    b->romd_rb->host[4] = 0x77;
    assert_int_equal(load(b, ROMD + 4, 1), 0x77);
    assert_string_equal(b->calls, "");
    store(b, ROMD + 4, 4, 0x90);
    assert_string_equal(b->calls, "W4@4=90 ");
    assert_int_equal(load(b, ROMD + 4, 1), 0x77);
    memory_region_set_romd(&b->f.as, &b->romd, false); /* a flash chip in command mode */
    assert_int_equal(load(b, ROMD + 4, 1), 0x5a);
    assert_string_equal(b->calls, "W4@4=90 R1@4 ");
    memory_region_set_romd(&b->f.as, &b->romd, true);
    assert_int_equal(load(b, ROMD + 4, 1), 0x77);
}

static void io_access_is_one_call_under_the_lock(void **state) {
    Board *b = *state;
    store(b, REGS + 8, 4, 0xcafe);
    assert_int_equal(load(b, REGS + 8, 4), 0xcafe);
    assert_int_equal(load(b, REGS + 9, 1), 0xca);
    assert_string_equal(b->calls,
                        "w4@8 r4@8 r1@9 "); /* the lock is asserted in the callbacks */
}

static void hole_reads_zero_with_a_decode_error(void **state) {
    Board *b = *state;
    uint64_t value = 0xdead;
    assert_int_equal(address_space_load(&b->f.as, HOLE, 8, &value), MEMTX_DECODE_ERROR);
    assert_int_equal(value, 0);
    assert_int_equal(address_space_store(&b->f.as, HOLE, 8, 1), MEMTX_DECODE_ERROR);
    assert_int_equal(address_space_load(&b->f.as, UINT64_MAX, 1, &value),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(fixture_guest_errors(&b->f), 3);
}

static void refused_io_access_reads_zero_with_an_error(void **state) {
    Board *b = *state;
    uint64_t value = 0xdead;
    assert_int_equal(address_space_load(&b->f.as, REGS, 8, &value), MEMTX_ERROR);
    assert_int_equal(value, 0);
    assert_int_equal(address_space_store(&b->f.as, REGS + 2, 4, 1), MEMTX_ERROR);
    assert_string_equal(b->calls, "");
}

static void access_that_crosses_ranges_is_made_bytewise(void **state) {
    Board *b = *state;
    b->f.rb->host[0x1ffe] = 0x11;
    b->f.rb->host[0x1fff] = 0x22;
    b->rom_rb->host[0] = 0x33;
    b->rom_rb->host[1] = 0x44;
    assert_int_equal(load(b, ROM - 2, 4), 0x44332211);
    store(b, ROM - 2, 4, 0xd4d3d2d1); /* the ROM half is dropped */
    assert_int_equal(load(b, ROM - 2, 4), 0x4433d2d1);
    b->registers[0] = 0xee;
    b->romd_rb->host[0xfff] = 0xdd;
    assert_int_equal(load(b, REGS - 1, 2), 0xeedd);
    assert_string_equal(b->calls, "r1@0 ");
}

static void access_half_in_a_hole_does_the_other_half(void **state) {
    Board *b = *state;
    uint64_t value;
    b->registers[31] = 0x99;
    assert_int_equal(address_space_load(&b->f.as, HOLE - 1, 4, &value),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(value, 0x99);
    assert_int_equal(address_space_store(&b->f.as, HOLE - 1, 4, 0x77),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(b->registers[31], 0x77);
}

/* The bus has 64 address lines: past the last byte comes the first. */
static void access_at_the_top_wraps_around(void **state) {
    Board *b = *state;
    b->f.rb->host[0] = 0x66;
    uint64_t value;
    assert_int_equal(address_space_load(&b->f.as, UINT64_MAX, 2, &value),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(value, 0x6600);
    uint8_t buf[2] = {9, 9};
    assert_int_equal(address_space_read(&b->f.as, UINT64_MAX, buf, 2),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(buf[0], 0);
    assert_int_equal(buf[1], 0x66);
}

/* --- bulk --------------------------------------------------------------------------- */

static void dma_crosses_ram_rom_and_rom_device(void **state) {
    Board *b = *state;
    memset(b->f.rb->host + 0x1800, 1, 0x800);
    memset(b->rom_rb->host, 2, 0x1000);
    memset(b->romd_rb->host, 3, 0x1000);
    static uint8_t buf[0x2000];
    memset(buf, 0xff, sizeof(buf));
    assert_int_equal(address_space_read(&b->f.as, 0x1800, buf, 0x1c00), MEMTX_OK);
    for (unsigned i = 0; i < sizeof(buf); i++) {
        unsigned expected = i < 0x800 ? 1 : i < 0x1800 ? 2 : i < 0x1c00 ? 3 : 0xff;
        assert_int_equal(buf[i], expected);
    }
}

static void dma_write_marks_each_page_it_touches(void **state) {
    Board *b = *state;
    uint8_t buf[0x1002];
    memset(buf, 7, sizeof(buf));
    assert_int_equal(address_space_write(&b->f.as, 0x0fff, buf, sizeof(buf) - 1),
                     MEMTX_OK);
    assert_int_equal(b->f.rb->host[0x0ffe], 0);
    assert_int_equal(b->f.rb->host[0x0fff], 7);
    assert_int_equal(b->f.rb->host[0x1fff], 7);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x0000), 0);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x1000), 0);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x2000), DIRTY_ALL_CLIENTS);
    assert_string_equal(b->written, "fixture@fff+1001 ");
}

static void dma_to_io_uses_aligned_accesses_the_device_takes(void **state) {
    Board *b = *state;
    uint8_t buf[16];
    for (unsigned i = 0; i < sizeof(buf); i++) {
        buf[i] = (uint8_t)(i + 1);
    }
    assert_int_equal(address_space_write(&b->f.as, REGS + 1, buf, 14), MEMTX_OK);
    assert_string_equal(b->calls, "w1@1 w2@2 w4@4 w4@8 w2@c w1@e ");
    assert_memory_equal(b->registers + 1, buf, 14);
    uint8_t back[16] = {0};
    b->calls[0] = '\0';
    assert_int_equal(address_space_read(&b->f.as, REGS + 1, back, 14), MEMTX_OK);
    assert_string_equal(b->calls, "r1@1 r2@2 r4@4 r4@8 r2@c r1@e ");
    assert_memory_equal(back, buf, 14);
    b->calls[0] = '\0';
    assert_int_equal(address_space_read(&b->f.as, REGS, back, 16), MEMTX_OK);
    assert_string_equal(b->calls, "r4@0 r4@4 r4@8 r4@c ");
}

static void dma_returns_the_first_error_but_goes_on(void **state) {
    Board *b = *state;
    MemoryRegion far_ram;
    memory_region_init_ram(&far_ram, b->f.rb, "far", 0x1000);
    memory_region_add(&b->f.as, &b->f.root, 0x5000, &far_ram, 0);
    b->f.rb->host[0] = 0xab;
    uint8_t buf[0x1000];
    memset(buf, 0xff, sizeof(buf));
    assert_int_equal(address_space_read(&b->f.as, 0x5000 - 0x100, buf, 0x101),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(buf[0], 0);
    assert_int_equal(buf[0xff], 0);
    assert_int_equal(buf[0x100], 0xab);
    assert_int_equal(buf[0x101], 0xff);
    buf[0x100] = 0xcd;
    assert_int_equal(address_space_write(&b->f.as, 0x5000 - 0x100, buf, 0x101),
                     MEMTX_DECODE_ERROR);
    assert_int_equal(b->f.rb->host[0], 0xcd);
    assert_int_equal(address_space_read(&b->f.as, HOLE, buf, 0), MEMTX_OK);
    memory_region_del(&b->f.as, &far_ram);
    memory_region_destroy(&far_ram);
}

static void map_gives_the_contiguous_ram_only(void **state) {
    Board *b = *state;
    uint64_t len = 0x100;
    assert_ptr_equal(address_space_map(&b->f.as, 0x80, &len, true), b->f.rb->host + 0x80);
    assert_int_equal(len, 0x100);
    len = 0x10000;
    assert_ptr_equal(address_space_map(&b->f.as, 0x1f00, &len, true),
                     b->f.rb->host + 0x1f00);
    assert_int_equal(len, 0x100);
    len = 8;
    assert_ptr_equal(address_space_map(&b->f.as, ROM, &len, false), b->rom_rb->host);
    assert_null(address_space_map(&b->f.as, ROM, &len, true));
    assert_ptr_equal(address_space_map(&b->f.as, ROMD, &len, false), b->romd_rb->host);
    assert_null(address_space_map(&b->f.as, ROMD, &len, true));
    assert_null(address_space_map(&b->f.as, REGS, &len, false));
    assert_null(address_space_map(&b->f.as, HOLE, &len, false));
}

static void unmap_of_a_writer_marks_what_it_wrote(void **state) {
    Board *b = *state;
    uint64_t len = 0x2000;
    uint8_t *host = address_space_map(&b->f.as, 0, &len, true);
    address_space_unmap(&b->f.as, host + 0x1000, 0x10, true);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x0000), DIRTY_ALL_CLIENTS);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x1000), 0);
    assert_string_equal(b->written, "fixture@1000+10 ");
    address_space_unmap(&b->f.as, host, 0, true);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x0000), DIRTY_ALL_CLIENTS);
}

static void an_alias_marks_the_page_of_the_block_behind_it(void **state) {
    Board *b = *state;
    MemoryRegion window;
    memory_region_init_alias(&window, "window", &b->ram, 0x1000, 0x1000);
    memory_region_add(&b->f.as, &b->f.root, 0x80000000, &window, 0);
    store(b, 0x80000010, 4, 0xfeed);
    assert_int_equal(load(b, 0x1010, 4), 0xfeed);
    assert_int_equal(ramblock_clean_clients(b->f.rb, 0x1000), 0);
    assert_string_equal(b->written, "fixture@1010+4 ");
    memory_region_del(&b->f.as, &window);
    memory_region_destroy(&window);
}

static void write_rom_goes_through_to_rom_or_writes_nothing(void **state) {
    Board *b = *state;
    uint8_t buf[0x20];
    memset(buf, 0x5c, sizeof(buf));
    assert_true(address_space_write_rom(&b->f.as, ROM - 0x10, buf, 0x20));
    assert_int_equal(load(b, ROM - 1, 2), 0x5c5c);
    assert_string_equal(b->written, "fixture@1ff0+10 ");
    assert_true(address_space_write_rom(&b->f.as, ROMD, buf, 4));
    assert_int_equal(b->romd_rb->host[3], 0x5c);
    assert_string_equal(b->calls, "");
    assert_false(address_space_write_rom(&b->f.as, REGS - 8, buf, 16));
    assert_int_equal(b->romd_rb->host[0xff8], 0);
    assert_false(address_space_write_rom(&b->f.as, HOLE, buf, 1));
    assert_int_equal(fixture_guest_errors(&b->f), 0);
}

#define BOARD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        BOARD_TEST(loads_and_stores_of_ram_are_little_endian),
        BOARD_TEST(unaligned_access_to_ram_crosses_pages),
        BOARD_TEST(store_marks_its_page_dirty_for_every_client),
        BOARD_TEST(ram_written_is_called_only_where_there_may_be_code),
        BOARD_TEST(without_ram_written_a_store_marks_code_dirty_itself),
        BOARD_TEST(loads_mark_nothing),
        BOARD_TEST(store_to_rom_is_dropped_with_a_guest_error),
        BOARD_TEST(rom_device_reads_memory_and_writes_to_its_callback),
        BOARD_TEST(io_access_is_one_call_under_the_lock),
        BOARD_TEST(hole_reads_zero_with_a_decode_error),
        BOARD_TEST(refused_io_access_reads_zero_with_an_error),
        BOARD_TEST(access_that_crosses_ranges_is_made_bytewise),
        BOARD_TEST(access_half_in_a_hole_does_the_other_half),
        BOARD_TEST(access_at_the_top_wraps_around),
        BOARD_TEST(dma_crosses_ram_rom_and_rom_device),
        BOARD_TEST(dma_write_marks_each_page_it_touches),
        BOARD_TEST(dma_to_io_uses_aligned_accesses_the_device_takes),
        BOARD_TEST(dma_returns_the_first_error_but_goes_on),
        BOARD_TEST(map_gives_the_contiguous_ram_only),
        BOARD_TEST(unmap_of_a_writer_marks_what_it_wrote),
        BOARD_TEST(an_alias_marks_the_page_of_the_block_behind_it),
        BOARD_TEST(write_rom_goes_through_to_rom_or_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
