/* SPDX-License-Identifier: MIT */
/*
 * DirtyMap: samples say which pages were written between them, and nobody else notices.
 *
 * Expected values: pages written by the test itself, by the same calls that devices and the store slow
 * path make; run lengths checked by a decoder written from the LEB128 definition (DWARF 5, 7.6).
 */
#include "inspect/dirty_map.h"

#include "cpu/softmmu.h"

#include "cpu/riscv_hart.h"

#define MS INT64_C(1000000)

typedef struct Rig {
    Hart *h;
    DirtyTracker t;
    int64_t now;
} Rig;

static void rig_init(Rig *r) {
    *r = (Rig){.h = hart_new(64, NULL), .now = 1000 * MS};
    Error *err = NULL;
    assert_true(dirty_tracker_ref(&r->t, &r->h->rams, r->h->group, r->now, &err));
}
static void rig_free(Rig *r) {
    dirty_tracker_unref(&r->t);
    hart_free(r->h);
}
static void sample(Rig *r) {
    r->now += 100 * MS;
    dirty_tracker_sample(&r->t, r->now);
}
static void dma(Rig *r, uint64_t page) {
    uint64_t value = page;
    address_space_write(&r->h->as, RAM_BASE + page * PAGE_SIZE, &value, sizeof(value));
}
static uint64_t since(Rig *r, uint32_t number, uint64_t *bits) {
    return dirty_map_since(&r->t.map[0], number, 0, RAM_BYTES / PAGE_SIZE, bits);
}

static void a_sample_has_exactly_the_pages_written_since_the_last(void **state) {
    (void)state;
    Rig r;
    uint64_t bits[RAM_BYTES / PAGE_SIZE / 64];
    rig_init(&r);
    sample(&r);
    assert_int_equal(since(&r, 0, bits), 0); /* all dirty at the start says nothing */
    dma(&r, 3);
    dma(&r, 200);
    dma(&r, 3);
    sample(&r);
    assert_int_equal(since(&r, 1, bits), 2);
    assert_int_equal(bits[0], 1 << 3);
    assert_int_equal(bits[3], UINT64_C(1) << (200 - 192));
    dma(&r, 4);
    sample(&r);
    assert_int_equal(since(&r, 2, bits), 1);
    assert_int_equal(since(&r, 1, bits), 3); /* a slower viewer misses nothing */
    assert_int_equal(since(&r, 3, bits), 0);
    assert_int_equal(dirty_map_since(&r.t.map[0], 1, 200, 10, bits), 1);
    assert_int_equal(bits[0], 1);
    assert_int_equal(r.t.map[0].history[3], 2); /* in the last sample but one */
    rig_free(&r);
}

static void a_fast_store_is_noted_after_each_sample(void **state) {
    (void)state;
    Rig r;
    uint64_t bits[RAM_BYTES / PAGE_SIZE / 64];
    rig_init(&r);
    CpuTlb *tlb = &r.h->cpu->parent.tcg.tlb;
    hwaddr addr = RAM_BASE + 5 * PAGE_SIZE;
    for (unsigned round = 0; round < 3; round++) {
        assert_true(softmmu_store(&r.h->cpu->parent.tcg, addr,
                                  ir_mem_aux(MO_64 | MO_STORE, MMU_M), round));
        assert_int_equal(tlb_entry(tlb, MMU_M, addr)->tag_store,
                         addr); /* fast from now on */
        sample(&r);
        assert_int_equal(since(&r, round, bits), 1);
        assert_int_equal(bits[0], 1 << 5);
        assert_true(tlb_entry(tlb, MMU_M, addr)->tag_store & TLB_NOTDIRTY);
    }
    rig_free(&r);
}

static void other_clients_notice_nothing(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    RAMBlock *rb = r.h->ram;
    ramblock_set_tracking(rb, DIRTY_HISTORY, true);
    ramblock_sync_dirty(rb, 0, RAM_BYTES / PAGE_SIZE, DIRTY_HISTORY, NULL);
    ramblock_clear_dirty(rb, 9 * PAGE_SIZE, DIRTY_CODE); /* code there */
    dma(&r, 7);
    for (unsigned i = 0; i < 3; i++) {
        sample(&r);
    }
    assert_true(ramblock_is_dirty(rb, 7 * PAGE_SIZE, DIRTY_HISTORY));
    assert_int_equal(
        ramblock_peek_dirty(rb, 0, RAM_BYTES / PAGE_SIZE, DIRTY_HISTORY, NULL), 1);
    assert_false(ramblock_is_dirty(rb, 9 * PAGE_SIZE, DIRTY_CODE));
    rig_free(&r);
}

static void tracking_ends_with_the_last_user(void **state) {
    (void)state;
    Rig r;
    Error *err = NULL;
    rig_init(&r);
    RAMBlock *rb = r.h->ram;
    assert_true(dirty_tracker_ref(&r.t, &r.h->rams, r.h->group, r.now, &err));
    dirty_tracker_unref(&r.t);
    assert_true(rb->active_clients & 1u << DIRTY_MIGRATION);
    dirty_tracker_unref(&r.t);
    assert_false(rb->active_clients & 1u << DIRTY_MIGRATION);
    assert_true(dirty_tracker_ref(&r.t, &r.h->rams, r.h->group, r.now, &err));
    rig_free(&r);
}

static void samples_are_not_taken_too_often(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    sample(&r);
    dirty_tracker_sample(&r.t, r.now + DIRTY_MIN_INTERVAL_NS - 1);
    assert_int_equal(r.t.sample, 1);
    dirty_tracker_sample(&r.t, r.now + DIRTY_MIN_INTERVAL_NS);
    assert_int_equal(r.t.sample, 2);
    rig_free(&r);
}

static void the_span_is_of_the_newest_samples(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    unsigned n = 4;
    assert_int_equal(dirty_tracker_span(&r.t, &n), 0);
    assert_int_equal(n, 0);
    for (unsigned i = 0; i < 100; i++) {
        sample(&r);
    }
    n = 4;
    assert_int_equal(dirty_tracker_span(&r.t, &n), 400 * MS);
    n = 32;
    assert_int_equal(dirty_tracker_span(&r.t, &n), 3200 * MS);
    assert_int_equal(n, 32);
    rig_free(&r);
}

/* --- run lengths -------------------------------------------------------------------- */

static uint64_t get_leb(const uint8_t **p) {
    uint64_t value = 0;
    unsigned shift = 0;
    do {
        value |= (uint64_t)(**p & 0x7f) << shift;
        shift += 7;
    } while (*(*p)++ & 0x80);
    return value;
}

static void run_lengths_decode_to_the_bits(void **state) {
    (void)state;
    uint64_t s = random_seed();
    for (unsigned round = 0; round < 3000; round++) {
        uint64_t bits[8] = {0}, back[8] = {0};
        uint8_t code[1024];
        unsigned count = 1 + random_next(&s) % 512, density = random_next(&s) % 64;
        for (unsigned i = 0; i < count; i++) {
            uint64_t copy_previous = i && random_next(&s) % 64 > density;
            uint64_t bit = copy_previous ? bits[(i - 1) / 64] >> (i - 1) % 64 & 1
                                         : random_next(&s) & 1;
            bits[i / 64] |= bit << i % 64;
        }
        size_t n = dirty_encode(bits, count, code, sizeof(code));
        assert_true(n > 0);
        const uint8_t *p = code;
        unsigned at = 0;
        for (uint64_t value = 0; p < code + n; value ^= 1) {
            for (uint64_t run = get_leb(&p); run; run--, at++) {
                assert_true(at < count);
                back[at / 64] |= value << at % 64;
            }
        }
        assert_int_equal(at, count);
        assert_memory_equal(bits, back, sizeof(bits));
        assert_int_equal(dirty_encode(bits, count, code, n - 1), 0); /* no room */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_has_exactly_the_pages_written_since_the_last),
        cmocka_unit_test(a_fast_store_is_noted_after_each_sample),
        cmocka_unit_test(other_clients_notice_nothing),
        cmocka_unit_test(tracking_ends_with_the_last_user),
        cmocka_unit_test(samples_are_not_taken_too_often),
        cmocka_unit_test(the_span_is_of_the_newest_samples),
        cmocka_unit_test(run_lengths_decode_to_the_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
