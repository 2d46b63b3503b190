/* SPDX-License-Identifier: MIT */
/* The block cache with a back end that only keeps count of what it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tcg/cache.h"

enum { FAKE_CODE = 96 }; /* bytes of "code" a block */

typedef struct Counts {
    unsigned links, unlinks, kills;
} Counts;

static bool fake_init(BackendState *bs, Error **errp) {
    (void)errp;
    bs->fixed_size = 64;
    bs->priv = calloc(1, sizeof(Counts));
    return true;
}
static void fake_destroy(BackendState *bs) {
    free(bs->priv);
}
static bool fake_generate(BackendState *bs, IrContext *ctx, TranslationBlock *tb,
                          const uint8_t *at, size_t space, OpRange *ranges,
                          unsigned *range_count) {
    (void)bs, (void)ctx, (void)ranges, (void)range_count;
    if (space < FAKE_CODE) {
        return false;
    }
    tb->code = tb->code_fast = at;
    tb->code_size = FAKE_CODE;
    tb->jump[0].used = tb->jump[1].used = true;
    return true;
}
static void fake_link(BackendState *bs, TranslationBlock *from, unsigned slot,
                      const TranslationBlock *to) {
    (void)from, (void)slot, (void)to;
    ((Counts *)bs->priv)->links++;
}
static void fake_unlink(BackendState *bs, TranslationBlock *from, unsigned slot) {
    (void)from, (void)slot;
    ((Counts *)bs->priv)->unlinks++;
}
static void fake_kill(BackendState *bs, TranslationBlock *tb) {
    (void)tb;
    ((Counts *)bs->priv)->kills++;
}
static const Backend fake = {
    .name = "fake",
    .init = fake_init,
    .destroy = fake_destroy,
    .generate = fake_generate,
    .link = fake_link,
    .unlink = fake_unlink,
    .kill = fake_kill,
};

static int setup(void **state) {
    *state = tb_cache_new(&fake, 0, 0, NULL, false, NULL);
    return *state ? 0 : -1;
}
static int teardown(void **state) {
    tb_cache_free(*state);
    return 0;
}

static TranslationBlock *add(TbCache *tc, ram_addr phys, unsigned size) {
    TranslationBlock *tb = tb_cache_alloc_locked(tc);
    tb->pc = 0x1000000 + phys;
    tb->phys = phys;
    tb->size = (uint16_t)size;
    if ((phys & PAGE_OFFSET_MASK) + size > PAGE_SIZE) {
        tb->phys2 = (phys & PAGE_MASK) + PAGE_SIZE;
    }
    while (!tb_cache_generate_locked(tc, NULL, tb)) {
        tb_cache_next_region_locked(tc);
    }
    tb_cache_insert_locked(tc, tb);
    return tb;
}

static TranslationBlock *find(TbCache *tc, ram_addr phys) {
    return tb_cache_find_locked(tc, phys, 0x1000000 + phys, 0);
}

static const Counts *counts(const TbCache *tc) {
    return tc->bs.priv;
}

static void key_is_address_pc_and_flags(void **state) {
    TbCache *tc = *state;
    TranslationBlock *tb = add(tc, 0x5000, 8);
    assert_ptr_equal(find(tc, 0x5000), tb);
    assert_null(tb_cache_find_locked(tc, 0x5000, 0x1005000, 1));
    assert_null(tb_cache_find_locked(tc, 0x5000, 0x2005000, 0));
    assert_null(tb_cache_find_locked(tc, 0x5008, 0x1005000, 0));
}

static void write_kills_the_blocks_it_overlaps_and_no_other(void **state) {
    TbCache *tc = *state;
    TranslationBlock *a = add(tc, 0x5000, 16), *b = add(tc, 0x5010, 16),
                     *c = add(tc, 0x5020, 4);
    assert_false(tb_cache_invalidate_locked(tc, 0x5018, 4, TB_DEATH_STORE, NULL, NULL));
    assert_int_equal(a->death, TB_ALIVE);
    assert_int_equal(b->death, TB_DEATH_STORE);
    assert_int_equal(c->death, TB_ALIVE);
    assert_null(find(tc, 0x5010));
    assert_ptr_equal(find(tc, 0x5000), a);
    /* The last byte of a and the first of b's old place. */
    assert_false(tb_cache_invalidate_locked(tc, 0x500f, 2, TB_DEATH_DMA, NULL, NULL));
    assert_int_equal(a->death, TB_DEATH_DMA);
    assert_true(tb_cache_invalidate_locked(tc, 0x5020, 1, TB_DEATH_STORE, NULL, NULL));
    assert_int_equal(tc->stats.invalidated[TB_DEATH_STORE], 2);
    assert_int_equal(counts(tc)->kills, 3);
}

static void write_to_either_page_kills_a_block_of_two_pages(void **state) {
    TbCache *tc = *state;
    TranslationBlock *a = add(tc, 0x5ffe, 4), *b = add(tc, 0x7ffe, 4);
    assert_true(tb_cache_invalidate_locked(tc, 0x6000, 1, TB_DEATH_STORE, NULL, NULL));
    assert_int_equal(a->death, TB_DEATH_STORE);
    assert_true(tb_cache_invalidate_locked(tc, 0x7fff, 1, TB_DEATH_STORE, NULL, NULL));
    assert_int_equal(b->death, TB_DEATH_STORE);
    assert_true(
        tb_cache_invalidate_locked(tc, 0x5000, 0x4000, TB_DEATH_STORE, NULL, NULL));
}

static void block_whose_two_pages_are_one_ram_page_dies_once(void **state) {
    TbCache *tc = *state;
    TranslationBlock *tb = tb_cache_alloc_locked(tc);
    tb->phys = 0x5ffe;
    tb->phys2 = 0x5000; /* two virtual pages show the same RAM */
    tb->size = 4;
    assert_true(tb_cache_generate_locked(tc, NULL, tb));
    tb_cache_insert_locked(tc, tb);
    TranslationBlock *other = add(tc, 0x5100, 4);
    assert_false(tb_cache_invalidate_locked(tc, 0x5000, 2, TB_DEATH_STORE, NULL, NULL));
    assert_int_equal(tb->death, TB_DEATH_STORE);
    assert_int_equal(other->death, TB_ALIVE);
    assert_int_equal(counts(tc)->kills, 1);
    assert_true(tb_cache_invalidate_locked(tc, 0x5000, 4096, TB_DEATH_STORE, NULL, NULL));
}

static void write_beside_all_blocks_needs_no_lock_unless_one_is_made(void **state) {
    TbCache *tc = *state;
    assert_false(tb_cache_is_beside(tc, 0x5040, 8)); /* no code: the mark is to go */
    add(tc, 0x5000, 16);
    assert_false(tb_cache_is_beside(tc, 0x5008, 8));
    assert_false(tb_cache_is_beside(tc, 0x5038, 8)); /* behind it, but in its granule */
    assert_false(tb_cache_is_beside(tc, 0x503e, 4));
    assert_true(tb_cache_is_beside(tc, 0x5040, 8));
    assert_true(tb_cache_is_beside(tc, 0x5ff8, 8));
    assert_false(tb_cache_is_beside(tc, 0x6000, 8));
    add(tc, 0x5ffe, 4);
    assert_false(tb_cache_is_beside(tc, 0x5ff8, 8));
    assert_false(tb_cache_is_beside(tc, 0x6000, 8));
    assert_true(tb_cache_is_beside(tc, 0x6040, 8));
    tc->making = 1;
    assert_false(tb_cache_is_beside(tc, 0x6040, 8));
    tc->making = 0;
    tb_cache_invalidate_locked(tc, 0x6000, 1, TB_DEATH_STORE, NULL, NULL);
    assert_false(tb_cache_is_beside(tc, 0x6040, 8));
    assert_true(tb_cache_is_beside(tc, 0x5ff8, 8));
}

static void running_block_is_reported_when_hit(void **state) {
    TbCache *tc = *state;
    TranslationBlock *a = add(tc, 0x5000, 16), *b = add(tc, 0x5100, 16);
    bool hit = false;
    tb_cache_invalidate_locked(tc, 0x5100, 4, TB_DEATH_STORE, a, &hit);
    assert_false(hit);
    assert_int_equal(b->death, TB_DEATH_STORE);
    tb_cache_invalidate_locked(tc, 0x5008, 4, TB_DEATH_STORE, a, &hit);
    assert_true(hit);
}

static void chains_that_may_become_wrong_are_not_made(void **state) {
    TbCache *tc = *state;
    TranslationBlock *a = add(tc, 0x5000, 16), *two = add(tc, 0x5ffe, 4);
    TranslationBlock *other = add(tc, 0x9010, 4);
    assert_int_equal(two->phys2, 0x6000);
    a->jump[0].used = a->jump[1].used = true;
    tb_cache_chain_locked(tc, a, 0, two);
    assert_null(a->jump[0].to);
    /* The same virtual page, but other memory. */
    tb_cache_invalidate_locked(tc, 0x9010, 4, TB_DEATH_STORE, NULL, NULL);
    other = tb_cache_alloc_locked(tc);
    other->pc = a->pc + 16;
    other->phys = 0x9010;
    other->size = 4;
    assert_true(tb_cache_generate_locked(tc, NULL, other));
    tb_cache_insert_locked(tc, other);
    tb_cache_chain_locked(tc, a, 1, other);
    assert_null(a->jump[1].to);
}

static void death_unchains_both_ways(void **state) {
    TbCache *tc = *state;
    TranslationBlock *a = add(tc, 0x5000, 16), *b = add(tc, 0x6000, 16),
                     *c = add(tc, 0x7000, 16);
    tb_cache_chain_locked(tc, a, 0, b);
    tb_cache_chain_locked(tc, c, 1, b);
    tb_cache_chain_locked(tc, b, 0, c);
    tb_cache_chain_locked(tc, b, 1, b); /* a loop of one block */
    assert_int_equal(counts(tc)->links, 4);
    tb_cache_invalidate_locked(tc, 0x6000, 4, TB_DEATH_STORE, NULL, NULL);
    assert_null(a->jump[0].to);
    assert_null(c->jump[1].to);
    assert_null(c->incoming);
    assert_null(b->incoming);
    assert_int_equal(counts(tc)->unlinks, 2); /* a and c; b's own jumps die with it */
    tb_cache_chain_locked(tc, a, 0, b);       /* a dead block is not chained to */
    assert_null(a->jump[0].to);
}

static void write_changes_the_page_sequence_even_without_blocks(void **state) {
    TbCache *tc = *state;
    uint32_t before = tb_cache_page_sequence(tc, 0x9000);
    tb_cache_invalidate_range(tc, 0x9ff8, 8, TB_DEATH_DMA);
    assert_int_not_equal(tb_cache_page_sequence(tc, 0x9000), before);
}

static void eviction_takes_the_oldest_region_only(void **state) {
    TbCache *tc = *state;
    ram_addr next = 0x100000;
    TranslationBlock *first = add(tc, next, 4);
    while (tc->stats.evictions == 0) {
        next += 64;
        add(tc, next, 4);
    }
    assert_null(find(tc, 0x100000));
    assert_int_equal(first->death, TB_DEATH_EVICT);
    unsigned alive = 0;
    for (ram_addr a = 0x100000; a <= next; a += 64) {
        alive += find(tc, a) != NULL;
    }
    uint64_t made = (next - 0x100000) / 64 + 1;
    assert_true(alive > made * (TB_REGIONS - 2) / TB_REGIONS);
    assert_true(alive < made);
}

static void flush_kills_everything(void **state) {
    TbCache *tc = *state;
    for (unsigned i = 0; i < 1000; i++) {
        add(tc, 0x100000 + i * 40, 8);
    }
    tb_cache_flush(tc, TB_DEATH_FLUSH);
    for (unsigned i = 0; i < 1000; i++) {
        assert_null(find(tc, 0x100000 + i * 40));
    }
    assert_int_equal(tc->stats.invalidated[TB_DEATH_FLUSH], 1000);
}

static void profile_lists_the_hottest_blocks_first(void **state) {
    TbCache *tc = *state;
    for (unsigned i = 0; i < 100; i++) {
        add(tc, 0x100000 + i * 64, 4)->run_count = i * 7919 % 100;
    }
    tb_cache_invalidate_range(tc, 0x100000, 4, TB_DEATH_STORE);
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    tb_cache_print_profile(tc, out);
    fclose(out);
    unsigned long long runs, last = 99, lines = 0;
    char *line = strchr(text, '\n') + 1; /* behind the heading */
    for (; sscanf(line, "%llu", &runs) == 1; line = strchr(line, '\n') + 1) {
        assert_int_equal(runs, last--);
        lines++;
    }
    assert_int_equal(lines, 20);
    assert_non_null(strstr(text, "blocks killed by a store: 1\n"));
    free(text);
}

/* A model that is too simple to be wrong: an array of intervals. */
static void random_writes_agree_with_a_list_of_intervals(void **state) {
    TbCache *tc = *state;
    enum { SLOTS = 300 };
    struct {
        ram_addr start;
        unsigned size;
        bool alive;
    } model[SLOTS] = {{0, 0, false}};
    uint64_t seed = 0x243f6a8885a308d3;
    printf("seed 0x%llx\n", (unsigned long long)seed);
    for (unsigned step = 0; step < 20000; step++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        unsigned i = (unsigned)(seed >> 20) % SLOTS;
        ram_addr start = 0x10000 + (seed >> 32) % 0x4000;
        if (seed & 1) {
            if (!model[i].alive && !find(tc, start)) {
                model[i].start = start;
                model[i].size = 2 + (unsigned)(seed >> 8) % 200;
                model[i].alive = true;
                add(tc, start, model[i].size);
            }
        } else {
            unsigned len = 1 + (unsigned)(seed >> 8) % 16;
            tb_cache_invalidate_range(tc, start, len, TB_DEATH_STORE);
            for (unsigned k = 0; k < SLOTS; k++) {
                if (model[k].alive && model[k].start < start + len &&
                    model[k].start + model[k].size > start) {
                    model[k].alive = false;
                }
            }
        }
        if (step % 64 == 0) {
            for (unsigned k = 0; k < SLOTS; k++) {
                bool found = model[k].alive ? find(tc, model[k].start) != NULL : false;
                assert_int_equal(found, model[k].alive);
            }
        }
    }
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(key_is_address_pc_and_flags),
        T(write_kills_the_blocks_it_overlaps_and_no_other),
        T(write_to_either_page_kills_a_block_of_two_pages),
        T(block_whose_two_pages_are_one_ram_page_dies_once),
        T(write_beside_all_blocks_needs_no_lock_unless_one_is_made),
        T(running_block_is_reported_when_hit),
        T(chains_that_may_become_wrong_are_not_made),
        T(death_unchains_both_ways),
        T(write_changes_the_page_sequence_even_without_blocks),
        T(eviction_takes_the_oldest_region_only),
        T(flush_kills_everything),
        T(profile_lists_the_hottest_blocks_first),
        T(random_writes_agree_with_a_list_of_intervals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
