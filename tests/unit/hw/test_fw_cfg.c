/* SPDX-License-Identifier: MIT */
/* fw_cfg. Expected values: QEMU, docs/specs/fw_cfg.rst. */
#include "hw_fixture.h"

enum { FW = 0x10100000, RAM = 0x80000000, RAM_SIZE = 0x10000 };

typedef struct FwCfgTest {
    Fixture *f;
    MemoryRegion ram;
    RAMBlock *rb;
} FwCfgTest;

static int setup(void **state) {
    FwCfgTest *t = calloc(1, sizeof(*t));
    Error *err = NULL;
    t->f = fixture_new();
    t->f->m.config.ram_size = 0x123456000;
    t->f->m.config.cpus = 3;
    t->rb = ramblock_new(&t->f->m.ram_list, "ram", RAM_SIZE, RAM_ANONYMOUS, NULL, &err);
    memory_region_init_ram(&t->ram, t->rb, "ram", RAM_SIZE);
    memory_region_add(&t->f->m.as, &t->f->m.system_memory, RAM, &t->ram, 0);
    fixture_device(t->f, "fw_cfg_mmio", FW);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    FwCfgTest *t = *state;
    memory_region_del(&t->f->m.as, &t->ram);
    address_space_reclaim(&t->f->m.as);
    memory_region_destroy(&t->ram);
    fixture_free(t->f);
    free(t);
    return 0;
}

/* The selector is big-endian. */
static void choose(FwCfgTest *t, uint16_t key) {
    wr(t->f, FW + 8, 2, (uint16_t)(key >> 8 | key << 8));
}

static void signature_reads_qemu(void **state) {
    FwCfgTest *t = *state;
    choose(t, 0);
    assert_int_equal(rd(t->f, FW, 1), 'Q');
    assert_int_equal(rd(t->f, FW, 1), 'E');
    assert_int_equal(rd(t->f, FW, 1), 'M');
    assert_int_equal(rd(t->f, FW, 1), 'U');
    assert_int_equal(rd(t->f, FW, 1), 0);
}

static void wide_reads_return_bytes_in_memory_order(void **state) {
    FwCfgTest *t = *state;
    choose(t, 0);
    assert_int_equal(rd(t->f, FW, 8),
                     0x554d4551); /* "QEMU\0\0\0\0" as a little-endian load */
    choose(t, 3);
    assert_int_equal(rd(t->f, FW, 8), 0x123456000);
    choose(t, 5);
    assert_int_equal(rd(t->f, FW, 2), 3);
}

static void selecting_starts_from_the_first_byte(void **state) {
    FwCfgTest *t = *state;
    choose(t, 0);
    rd(t->f, FW, 2);
    choose(t, 0);
    assert_int_equal(rd(t->f, FW, 1), 'Q');
}

static void unknown_items_read_as_zero(void **state) {
    FwCfgTest *t = *state;
    choose(t, 0x1234);
    assert_int_equal(rd(t->f, FW, 8), 0);
}

static void interface_version_has_dma_and_its_signature(void **state) {
    FwCfgTest *t = *state;
    choose(t, 1);
    assert_int_equal(rd(t->f, FW, 4), 3);
    assert_int_equal(rd(t->f, FW + 16, 8), __builtin_bswap64(0x51454d5520434647));
    assert_int_equal(rd(t->f, FW + 20, 4), __builtin_bswap32(0x20434647));
}

static void put_descriptor(FwCfgTest *t, uint32_t control, uint32_t length,
                           uint64_t address) {
    uint32_t be[4] = {__builtin_bswap32(control), __builtin_bswap32(length),
                      __builtin_bswap32((uint32_t)(address >> 32)),
                      __builtin_bswap32((uint32_t)address)};
    memcpy(t->rb->host + 0x100, be, sizeof(be));
}

static uint32_t run_dma(FwCfgTest *t) {
    uint32_t control;
    wr(t->f, FW + 16, 8, __builtin_bswap64(RAM + 0x100));
    memcpy(&control, t->rb->host + 0x100, 4);
    return __builtin_bswap32(control);
}

static void dma_selects_and_reads(void **state) {
    FwCfgTest *t = *state;
    memset(t->rb->host + 0x200, 0xee, 16);
    put_descriptor(t, 0 << 16 | 8 | 2, 6, RAM + 0x200);
    assert_int_equal(run_dma(t), 0);
    assert_memory_equal(t->rb->host + 0x200, "QEMU\0\0\xee", 7);
}

static void dma_starts_with_the_low_half(void **state) {
    FwCfgTest *t = *state;
    put_descriptor(t, 8 | 2, 4, RAM + 0x200);
    wr(t->f, FW + 16, 4, 0);
    assert_memory_not_equal(t->rb->host + 0x200, "QEMU", 4);
    wr(t->f, FW + 20, 4, __builtin_bswap32(RAM + 0x100));
    assert_memory_equal(t->rb->host + 0x200, "QEMU", 4);
}

static void dma_skip_moves_the_offset(void **state) {
    FwCfgTest *t = *state;
    put_descriptor(t, 8 | 4, 2, 0);
    assert_int_equal(run_dma(t), 0);
    assert_int_equal(rd(t->f, FW, 1), 'M');
}

static void dma_write_and_bad_addresses_report_an_error(void **state) {
    FwCfgTest *t = *state;
    put_descriptor(t, 8 | 16, 4, RAM + 0x200);
    assert_int_equal(run_dma(t), 1);
    put_descriptor(t, 8 | 2, 0xffffffff, RAM + 0x200);
    assert_int_equal(run_dma(t), 1);
    put_descriptor(t, 8 | 2, 64, 0x1000);
    assert_int_equal(run_dma(t), 1);
}

static void dma_onto_itself_is_harmless(void **state) {
    FwCfgTest *t = *state;
    put_descriptor(t, 8 | 2, 64, FW);
    run_dma(t);
    wr(t->f, FW + 16, 8, __builtin_bswap64(FW));
    wr(t->f, FW + 16, 8, UINT64_MAX);
    choose(t, 0);
    assert_int_equal(rd(t->f, FW, 1), 'Q');
}

static void fw_cfg_survives_scribbling(void **state) {
    FwCfgTest *t = *state;
    fixture_scribble(t->f, FW, 0x18, 50000);
    choose(t, 0);
    assert_int_equal(rd(t->f, FW, 4), 0x554d4551);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(signature_reads_qemu),
        T(wide_reads_return_bytes_in_memory_order),
        T(selecting_starts_from_the_first_byte),
        T(unknown_items_read_as_zero),
        T(interface_version_has_dma_and_its_signature),
        T(dma_selects_and_reads),
        T(dma_starts_with_the_low_half),
        T(dma_skip_moves_the_offset),
        T(dma_write_and_bad_addresses_report_an_error),
        T(dma_onto_itself_is_harmless),
        T(fw_cfg_survives_scribbling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
