/* SPDX-License-Identifier: MIT */
/* The softmmu TLB: what hits, what misses, and what a flush leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mem/tlb.h"

typedef struct Fixture {
    CpuTlb *tlb;
    RamList list;
    RAMBlock *rb;
} Fixture;

static int setup(void **state) {
    Fixture *f = calloc(1, sizeof(*f));
    f->tlb = calloc(1, sizeof(*f->tlb));
    tlb_init(f->tlb);
    ram_list_init(&f->list);
    f->rb = ramblock_new(&f->list, "ram", 64 * PAGE_SIZE, RAM_ANONYMOUS, NULL, NULL);
    assert_non_null(f->rb);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    Fixture *f = *state;
    tlb_destroy(f->tlb);
    ram_list_destroy(&f->list);
    free(f->tlb);
    free(f);
    return 0;
}

/* What generated code does: compare the tag with the page of the access's last byte. */
static int hits(Fixture *f, unsigned mode, vaddr addr, unsigned size, int store) {
    const TlbEntry *e = tlb_entry(f->tlb, mode, addr);
    return (store ? e->tag_store : e->tag_load) == ((addr + size - 1) & PAGE_MASK);
}

static void fill(Fixture *f, unsigned mode, vaddr addr, unsigned page, unsigned prot) {
    tlb_fill(f->tlb, addr, mode, 0x80000000 + page * PAGE_SIZE, prot,
             f->rb->host + page * PAGE_SIZE, f->rb, 0);
}

static void zeroed_tlb_matches_no_address(void **state) {
    Fixture *f = *state;
    const vaddr tries[] = {0, 8, 0xfff, 0x1000, 0x80000000, UINT64_MAX - 7};
    for (unsigned m = 0; m < TLB_MMU_MODES; m++) {
        for (unsigned i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
            assert_false(hits(f, m, tries[i], 1, 0));
            assert_false(hits(f, m, tries[i], 1, 1));
        }
    }
}

static void access_that_wraps_around_to_page_0_misses(void **state) {
    Fixture *f = *state;
    for (unsigned mode = 0; mode < TLB_MMU_MODES; mode++) {
        assert_false(hits(f, mode, UINT64_MAX - 1, 4, 0));
        assert_false(hits(f, mode, UINT64_MAX - 1, 4, 1));
        fill(f, mode, UINT64_MAX & PAGE_MASK, 1, PROT_R | PROT_W);
        assert_true(hits(f, mode, UINT64_MAX - 3, 4, 0));
        assert_false(hits(f, mode, UINT64_MAX - 1, 4, 0));
        tlb_flush_first(f->tlb);
        assert_false(hits(f, mode, UINT64_MAX - 1, 4, 1));
    }
}

static void filled_page_hits_in_its_mode_only(void **state) {
    Fixture *f = *state;
    fill(f, 1, 0x7000123, 3, PROT_R | PROT_W);
    assert_true(hits(f, 1, 0x7000ff8, 8, 0));
    assert_true(hits(f, 1, 0x7000000, 1, 1));
    assert_false(hits(f, 0, 0x7000000, 1, 0));
    const TlbEntry *e = tlb_entry(f->tlb, 1, 0x7000010);
    assert_ptr_equal((uint8_t *)(uintptr_t)(0x7000010 + e->addend),
                     f->rb->host + 3 * PAGE_SIZE + 0x10);
}

static void access_that_crosses_the_page_misses(void **state) {
    Fixture *f = *state;
    fill(f, 0, 0x5000, 0, PROT_R | PROT_W);
    assert_true(hits(f, 0, 0x5ffc, 4, 0));
    assert_false(hits(f, 0, 0x5ffd, 4, 0));
}

static void permission_that_is_missing_misses(void **state) {
    Fixture *f = *state;
    fill(f, 0, 0x5000, 0, PROT_R);
    assert_true(hits(f, 0, 0x5000, 4, 0));
    assert_false(hits(f, 0, 0x5000, 4, 1));
    fill(f, 0, 0x6000, 0, PROT_X);
    assert_false(hits(f, 0, 0x6000, 4, 0));
}

static void flush_empties_every_mode_and_costs_what_was_filled(void **state) {
    Fixture *f = *state;
    for (unsigned i = 0; i < 100; i++) {
        fill(f, i & 3, 0x100000 + i * PAGE_SIZE, i % 64, PROT_R | PROT_W);
    }
    assert_int_equal(f->tlb->journal_count[0] + f->tlb->journal_count[1] +
                         f->tlb->journal_count[2] + f->tlb->journal_count[3],
                     100);
    tlb_flush_first(f->tlb);
    for (unsigned i = 0; i < 100; i++) {
        assert_false(hits(f, i & 3, 0x100000 + i * PAGE_SIZE, 1, 0));
    }
    assert_int_equal(f->tlb->journal_count[1], 0);
}

static void journal_survives_more_fills_than_it_has_lines(void **state) {
    Fixture *f = *state;
    for (unsigned i = 0; i < 5 * TLB_SIZE; i++) {
        fill(f, 2, 0x40000000ull + (uint64_t)i * PAGE_SIZE, i % 64, PROT_R);
        if (i % 3 == 0) {
            tlb_flush_first_page(f->tlb, 0x40000000ull + (uint64_t)i * PAGE_SIZE);
        }
    }
    tlb_flush_first(f->tlb);
    for (unsigned i = 0; i < TLB_SIZE; i++) {
        const TlbEntry *e = &f->tlb->entry[2][i];
        assert_true(e->tag_load == 0 || (e->tag_load & TLB_INVALID));
    }
}

static void page_flush_drops_that_page_only(void **state) {
    Fixture *f = *state;
    fill(f, 0, 0x5000, 1, PROT_R);
    fill(f, 1, 0x5000, 1, PROT_R);
    fill(f, 0, 0x6000, 2, PROT_R);
    tlb_flush_first_page(f->tlb, 0x5123);
    assert_false(hits(f, 0, 0x5000, 1, 0));
    assert_false(hits(f, 1, 0x5000, 1, 0));
    assert_true(hits(f, 0, 0x6000, 1, 0));
}

static void store_to_clean_page_misses_until_it_is_dirty(void **state) {
    Fixture *f = *state;
    ramblock_clear_dirty(f->rb, 5 * PAGE_SIZE, DIRTY_CODE);
    fill(f, 0, 0x9000, 5, PROT_R | PROT_W);
    assert_true(hits(f, 0, 0x9000, 4, 0));
    assert_false(hits(f, 0, 0x9000, 4, 1));
    ramblock_set_dirty(f->rb, 5 * PAGE_SIZE, 1, 1u << DIRTY_CODE);
    fill(f, 0, 0x9000, 5, PROT_R | PROT_W);
    assert_true(hits(f, 0, 0x9000, 4, 1));
}

static void reset_dirty_makes_stores_of_that_page_miss_under_every_alias(void **state) {
    Fixture *f = *state;
    fill(f, 0, 0x9000, 5, PROT_R | PROT_W);
    fill(f, 1, 0xa000, 5, PROT_R | PROT_W);
    fill(f, 0, 0xb000, 6, PROT_R | PROT_W);
    tlb_reset_dirty(f->tlb, f->rb->host + 5 * PAGE_SIZE, PAGE_SIZE);
    assert_false(hits(f, 0, 0x9000, 1, 1));
    assert_false(hits(f, 1, 0xa000, 1, 1));
    assert_true(hits(f, 0, 0x9000, 1, 0));
    assert_true(hits(f, 0, 0xb000, 1, 1));
}

static void mmio_page_never_hits(void **state) {
    Fixture *f = *state;
    tlb_fill(f->tlb, 0x10000000, 3, 0x10000000, PROT_R | PROT_W, NULL, NULL, 0);
    assert_false(hits(f, 3, 0x10000000, 4, 0));
    assert_false(hits(f, 3, 0x10000000, 4, 1));
    const TlbEntry *e = tlb_entry(f->tlb, 3, 0x10000000);
    assert_int_equal(e->tag_load, 0x10000000 | TLB_MMIO);
    assert_int_equal(e->phys, 0x10000000);
}

/* A store to a watched page takes the slow path anyway, which must find out that there is code. */
static void reset_dirty_reaches_watched_pages(void **state) {
    Fixture *f = *state;
    uint8_t *host = f->rb->host + 3 * PAGE_SIZE;
    tlb_fill(f->tlb, 0x7000, 1, 0x80003000, PROT_R | PROT_W, host, f->rb, TLB_WATCH);
    assert_int_equal(tlb_entry(f->tlb, 1, 0x7000)->tag_store, 0x7000 | TLB_WATCH);
    ramblock_clear_dirty(f->rb, 3 * PAGE_SIZE, DIRTY_CODE);
    tlb_reset_dirty(f->tlb, host, PAGE_SIZE);
    assert_int_equal(tlb_entry(f->tlb, 1, 0x7000)->tag_store,
                     0x7000 | TLB_WATCH | TLB_NOTDIRTY);
}

static void second_level_needs_page_mode_and_stamp(void **state) {
    Fixture *f = *state;
    tlb_second_fill(f->tlb, 0x123456789000, 1, 7, 0x80005000, PROT_R, f->rb, f->rb->host);
    const TlbEntry2 *e = tlb_second_find(f->tlb, 0x123456789abc, 1, 7, 99);
    assert_non_null(e);
    assert_int_equal(e->phys, 0x80005000 | PROT_R);
    assert_null(tlb_second_find(f->tlb, 0x123456789abc, 0, 7, 99));
    assert_null(tlb_second_find(f->tlb, 0x123456789abc, 1, 8, 99));
    assert_non_null(
        tlb_second_find(f->tlb, 0x123456789abc, 1, 8, 7)); /* as a global page */
    tlb_second_flush_page(f->tlb, 0x123456789fff);
    assert_null(tlb_second_find(f->tlb, 0x123456789abc, 1, 7, 99));
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(zeroed_tlb_matches_no_address),
        T(access_that_wraps_around_to_page_0_misses),
        T(filled_page_hits_in_its_mode_only),
        T(access_that_crosses_the_page_misses),
        T(permission_that_is_missing_misses),
        T(flush_empties_every_mode_and_costs_what_was_filled),
        T(journal_survives_more_fills_than_it_has_lines),
        T(page_flush_drops_that_page_only),
        T(store_to_clean_page_misses_until_it_is_dirty),
        T(reset_dirty_makes_stores_of_that_page_miss_under_every_alias),
        T(reset_dirty_reaches_watched_pages),
        T(mmio_page_never_hits),
        T(second_level_needs_page_mode_and_stamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
