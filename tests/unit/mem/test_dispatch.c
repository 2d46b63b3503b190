/* SPDX-License-Identifier: MIT */
/*
 * One access to one device: what its callbacks see.
 *
 * The device is eight bytes of memory 10 11 12 13 14 15 16 17 repeated, read in its own
 * order, and it writes down each call as "r4@8 ". Expected values: byte lanes worked by
 * hand.
 */
#include "mem_fixture.h"

typedef struct Bytes {
    MemoryRegionOps ops;
    MemoryRegion mr;
    uint8_t memory[64];
    char calls[256];
    uint64_t garbage; /* or'ed into what read returns, above `size` bytes */
} Bytes;

static void bytes_note(Bytes *b, char what, hwaddr offset, unsigned size) {
    size_t used = strlen(b->calls);
    snprintf(b->calls + used, sizeof(b->calls) - used, "%c%u@%llx ", what, size,
             (unsigned long long)offset);
}

static unsigned lane(const Bytes *b, unsigned k, unsigned size) {
    return 8 * (b->ops.endian == MEM_BIG_ENDIAN ? size - 1 - k : k);
}

static uint64_t bytes_read(void *opaque, hwaddr offset, unsigned size) {
    Bytes *b = opaque;
    bytes_note(b, 'r', offset, size);
    uint64_t value = size < 8 ? b->garbage << 8 * size : 0;
    for (unsigned k = 0; k < size; k++) {
        value |= (uint64_t)b->memory[offset + k] << lane(b, k, size);
    }
    return value;
}

static void bytes_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    Bytes *b = opaque;
    bytes_note(b, 'w', offset, size);
    if (size < 8) {
        assert_int_equal(value >> 8 * size, 0);
    }
    for (unsigned k = 0; k < size; k++) {
        b->memory[offset + k] = (uint8_t)(value >> lane(b, k, size));
    }
}

static void bytes_init(Bytes *b, MemoryRegionOps limits) {
    *b = (Bytes){.ops = limits, .garbage = UINT64_MAX};
    b->ops.read = bytes_read;
    b->ops.write = bytes_write;
    for (unsigned i = 0; i < sizeof(b->memory); i++) {
        b->memory[i] = (uint8_t)(0x10 + i % 8);
    }
    memory_region_init_io(&b->mr, &b->ops, b, "bytes", sizeof(b->memory));
}

static void expect_read(Bytes *b, hwaddr offset, unsigned size, uint64_t value,
                        const char *calls) {
    uint64_t got = 0xdead;
    b->calls[0] = '\0';
    assert_int_equal(memory_region_dispatch_read(&b->mr, offset, size, &got, NULL),
                     MEMTX_OK);
    assert_int_equal(got, value);
    assert_string_equal(b->calls, calls);
}

/* `bytes`: the memory's bytes from `offset` & ~7 on afterwards. */
static void expect_write(Bytes *b, hwaddr offset, unsigned size, uint64_t value,
                         const char *calls, const char *bytes) {
    b->calls[0] = '\0';
    assert_int_equal(memory_region_dispatch_write(&b->mr, offset, size, value, NULL),
                     MEMTX_OK);
    assert_string_equal(b->calls, calls);
    char text[64] = "";
    for (unsigned i = 0; i < 8; i++) {
        sprintf(text + strlen(text), "%02x", b->memory[(offset & ~(hwaddr)7) + i]);
    }
    assert_string_equal(text, bytes);
}

static void expect_refused(Bytes *b, hwaddr offset, unsigned size, MemTxResult result) {
    uint64_t got = 0xdead;
    b->calls[0] = '\0';
    assert_int_equal(memory_region_dispatch_read(&b->mr, offset, size, &got, NULL),
                     result);
    assert_int_equal(got, 0);
    assert_int_equal(memory_region_dispatch_write(&b->mr, offset, size, 1, NULL), result);
    assert_string_equal(b->calls, "");
}

static void access_of_implemented_size_is_one_call(void **state) {
    (void)state;
    Bytes b;
    bytes_init(&b, (MemoryRegionOps){0});
    expect_read(&b, 3, 1, 0x13, "r1@3 ");
    expect_read(&b, 2, 2, 0x1312, "r2@2 ");
    expect_read(&b, 4, 4, 0x17161514, "r4@4 ");
    expect_read(&b, 8, 8, 0x1716151413121110, "r8@8 ");
    expect_write(&b, 8, 8, 0x8877665544332211, "w8@8 ", "1122334455667788");
    expect_write(&b, 12, 4, 0xa4a3a2a1, "w4@c ", "11223344a1a2a3a4");
    memory_region_destroy(&b.mr);
}

static void access_drops_bits_above_its_size(void **state) {
    (void)state;
    Bytes b;
    bytes_init(&b, (MemoryRegionOps){.impl_max = 4});
    expect_read(&b, 0, 2, 0x1110, "r2@0 "); /* the device returned garbage above */
    expect_read(&b, 0, 8, 0x1716151413121110, "r4@0 r4@4 ");
    expect_write(&b, 0, 1, 0xffff, "w1@0 ",
                 "ff11121314151617"); /* asserted in bytes_write */
    memory_region_destroy(&b.mr);
}

static void wide_access_is_split_lowest_offset_first(void **state) {
    (void)state;
    Bytes b;
    bytes_init(&b, (MemoryRegionOps){.impl_min = 1, .impl_max = 2});
    expect_read(&b, 8, 8, 0x1716151413121110, "r2@8 r2@a r2@c r2@e ");
    expect_read(&b, 4, 4, 0x17161514, "r2@4 r2@6 ");
    expect_write(&b, 0, 4, 0x44332211, "w2@0 w2@2 ", "1122334414151617");
    memory_region_destroy(&b.mr);
}

static void narrow_read_takes_its_bytes_out_of_the_whole(void **state) {
    (void)state;
    Bytes b;
    bytes_init(&b, (MemoryRegionOps){.impl_min = 4, .impl_max = 4});
    expect_read(&b, 6, 2, 0x1716, "r4@4 ");
    expect_read(&b, 5, 1, 0x15, "r4@4 ");
    expect_read(&b, 0, 8, 0x1716151413121110, "r4@0 r4@4 ");
    memory_region_destroy(&b.mr);
}

static void narrow_write_is_put_among_zeros_without_a_read(void **state) {
    (void)state;
    Bytes b;
    bytes_init(&b, (MemoryRegionOps){.impl_min = 4, .impl_max = 4});
    expect_write(&b, 0, 1, 0xee, "w4@0 ", "ee00000014151617");
    expect_write(&b, 6, 2, 0xddcc, "w4@4 ", "ee0000000000ccdd");
    memory_region_destroy(&b.mr);
}

/* A little-endian CPU reads the bytes in memory order, whatever the device calls them. */
static void big_endian_device_sees_values_in_its_own_order(void **state) {
    (void)state;
    Bytes b;
    bytes_init(&b,
               (MemoryRegionOps){.endian = MEM_BIG_ENDIAN, .impl_min = 2, .impl_max = 4});
    expect_read(&b, 4, 4, 0x17161514, "r4@4 ");
    expect_read(&b, 0, 8, 0x1716151413121110, "r4@0 r4@4 ");
    expect_read(&b, 5, 1, 0x15, "r2@4 ");
    expect_write(&b, 2, 2, 0xbbaa, "w2@2 ", "1011aabb14151617");
    expect_write(&b, 5, 1, 0xcc, "w2@4 ", "1011aabb00cc1617");
    memory_region_destroy(&b.mr);
}

/* The value itself, not only the bytes: a 32-bit register 0x10111213 on a big-endian
 * device. */
static void big_endian_register_is_byte_swapped_for_the_cpu(void **state) {
    (void)state;
    Bytes b;
    bytes_init(&b, (MemoryRegionOps){.endian = MEM_BIG_ENDIAN});
    assert_int_equal(bytes_read(&b, 0, 4) & UINT32_MAX, 0x10111213);
    expect_read(&b, 0, 4, __builtin_bswap32(0x10111213), "r4@0 ");
    memory_region_destroy(&b.mr);
}

static void unaligned_access_is_made_of_aligned_pieces(void **state) {
    (void)state;
    Bytes b;
    bytes_init(&b, (MemoryRegionOps){.valid_unaligned = true, .impl_max = 4});
    expect_read(&b, 1, 4, 0x14131211, "r1@1 r2@2 r1@4 ");
    expect_read(&b, 2, 8, 0x1110171615141312, "r2@2 r4@4 r2@8 ");
    expect_read(&b, 3, 2, 0x1413, "r1@3 r1@4 ");
    expect_write(&b, 3, 4, 0xd4d3d2d1, "w1@3 w2@4 w1@6 ", "101112d1d2d3d417");
    memory_region_destroy(&b.mr);

    bytes_init(&b,
               (MemoryRegionOps){.valid_unaligned = true, .impl_min = 4, .impl_max = 4});
    expect_read(&b, 3, 2, 0x1413, "r4@0 r4@4 ");
    memory_region_destroy(&b.mr);
}

static void invalid_size_or_alignment_is_refused_without_a_call(void **state) {
    (void)state;
    Bytes b;
    bytes_init(&b, (MemoryRegionOps){.valid_min = 2, .valid_max = 4});
    expect_refused(&b, 0, 1, MEMTX_ERROR);
    expect_refused(&b, 0, 8, MEMTX_ERROR);
    expect_refused(&b, 2, 4, MEMTX_ERROR);
    expect_refused(&b, 1, 2, MEMTX_ERROR);
    expect_read(&b, 2, 2, 0x1312, "r2@2 ");
    expect_read(&b, 4, 4, 0x17161514, "r4@4 ");
    memory_region_destroy(&b.mr);
}

static void access_past_the_end_of_the_region_is_refused(void **state) {
    (void)state;
    Bytes b;
    bytes_init(&b, (MemoryRegionOps){.valid_unaligned = true});
    expect_refused(&b, 64, 1, MEMTX_DECODE_ERROR);
    expect_refused(&b, 61, 4, MEMTX_DECODE_ERROR);
    expect_refused(&b, UINT64_MAX, 1, MEMTX_DECODE_ERROR);
    expect_refused(&b, UINT64_MAX - 3, 8, MEMTX_DECODE_ERROR);
    expect_read(&b, 63, 1, 0x17, "r1@3f ");
    memory_region_destroy(&b.mr);
}

static void missing_callback_is_an_error(void **state) {
    (void)state;
    Bytes b;
    bytes_init(&b, (MemoryRegionOps){0});
    b.ops.read = NULL;
    b.ops.write = NULL;
    expect_refused(&b, 0, 4, MEMTX_ERROR);
    memory_region_destroy(&b.mr);
}

static void refusals_are_logged_as_guest_errors(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, UINT64_MAX);
    Bytes b;
    bytes_init(&b, (MemoryRegionOps){.valid_max = 4});
    uint64_t value;
    memory_region_dispatch_read(&b.mr, 4, 4, &value, &f.log);
    assert_int_equal(fixture_guest_errors(&f), 0);
    memory_region_dispatch_read(&b.mr, 8, 8, &value, &f.log);
    assert_int_equal(fixture_guest_errors(&f), 1);
    assert_string_equal(f.log_text, "invalid read: 'bytes' at 0x8, 8 bytes\n");
    f.log.mask = 0;
    memory_region_dispatch_write(&b.mr, 8, 8, 1, &f.log);
    assert_int_equal(fixture_guest_errors(&f), 1);
    memory_region_destroy(&b.mr);
    fixture_destroy(&f);
}

/* --- a device whose DMA hits its own registers -------------------------------------- */

typedef struct Snake {
    Fixture f;
    MemoryRegion head, tail;
    unsigned head_calls, tail_calls;
    MemTxResult bite; /* what its own access to itself came to */
    bool through_tail;
} Snake;

static void head_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    (void)offset;
    (void)size;
    Snake *s = opaque;
    s->head_calls++;
    s->bite = address_space_write(&s->f.as, s->through_tail ? 0x2000 : 0x1000, &value, 4);
}

static void tail_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    (void)offset;
    (void)size;
    Snake *s = opaque;
    s->tail_calls++;
    s->bite = address_space_write(&s->f.as, 0x1000, &value, 4);
}

static const MemoryRegionOps head_ops = {.write = head_write};
static const MemoryRegionOps tail_ops = {.write = tail_write};

static void device_is_not_entered_again_by_its_own_dma(void **state) {
    (void)state;
    Snake s = {0};
    fixture_init(&s.f, UINT64_MAX);
    memory_region_init_io(&s.head, &head_ops, &s, "head", 0x1000);
    memory_region_init_io(&s.tail, &tail_ops, &s, "tail", 0x1000);
    memory_region_add(&s.f.as, &s.f.root, 0x1000, &s.head, 0);
    memory_region_add(&s.f.as, &s.f.root, 0x2000, &s.tail, 0);
    /* The callback itself ran, so the guest's store is fine; what it did to itself is
     * not. */
    assert_int_equal(address_space_store(&s.f.as, 0x1000, 4, 1), MEMTX_OK);
    assert_int_equal(s.head_calls, 1);
    assert_int_equal(s.bite, MEMTX_ERROR);
    /* Through another device it is a cycle as well, one step longer. */
    s.through_tail = true;
    assert_int_equal(address_space_store(&s.f.as, 0x1000, 4, 1), MEMTX_OK);
    assert_int_equal(s.head_calls, 2);
    assert_int_equal(s.tail_calls, 1);
    assert_int_equal(fixture_guest_errors(&s.f), 2);
    /* And afterwards it is open again. */
    assert_int_equal(address_space_store(&s.f.as, 0x1000, 4, 1), MEMTX_OK);
    assert_int_equal(s.head_calls, 3);
    fixture_destroy(&s.f);
    memory_region_destroy(&s.head);
    memory_region_destroy(&s.tail);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_of_implemented_size_is_one_call),
        cmocka_unit_test(access_drops_bits_above_its_size),
        cmocka_unit_test(wide_access_is_split_lowest_offset_first),
        cmocka_unit_test(narrow_read_takes_its_bytes_out_of_the_whole),
        cmocka_unit_test(narrow_write_is_put_among_zeros_without_a_read),
        cmocka_unit_test(big_endian_device_sees_values_in_its_own_order),
        cmocka_unit_test(big_endian_register_is_byte_swapped_for_the_cpu),
        cmocka_unit_test(unaligned_access_is_made_of_aligned_pieces),
        cmocka_unit_test(invalid_size_or_alignment_is_refused_without_a_call),
        cmocka_unit_test(access_past_the_end_of_the_region_is_refused),
        cmocka_unit_test(missing_callback_is_an_error),
        cmocka_unit_test(refusals_are_logged_as_guest_errors),
        cmocka_unit_test(device_is_not_entered_again_by_its_own_dma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
