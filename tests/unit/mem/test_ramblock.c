/* SPDX-License-Identifier: MIT */
/* RAM blocks, what backs them, and their dirty bitmaps. Pages in these tests are counted
 * by hand. */
#include "mem_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static RAMBlock *new_block(RamList *list, uint64_t size) {
    RAMBlock *rb = ramblock_new(list, "test", size, RAM_ANONYMOUS, NULL, NULL);
    assert_non_null(rb);
    return rb;
}

static void sync_all(RAMBlock *rb, DirtyClient client) {
    ramblock_sync_dirty(rb, 0, rb->size / PAGE_SIZE, client, NULL);
}

static void expect_error(RAMBlock *rb, Error *err, const char *part) {
    assert_null(rb);
    assert_non_null(err);
    if (strstr(error_message(err), part) == NULL) {
        fail_msg("'%s' does not say '%s'", error_message(err), part);
    }
    error_free(err);
}

/* --- making blocks ------------------------------------------------------------------ */

static void blocks_get_disjoint_addresses_in_order(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *a = new_block(&list, 0x3000), *b = new_block(&list, 1),
             *c = new_block(&list, 4097);
    assert_int_equal(a->size, 0x3000);
    assert_int_equal(b->size, 0x1000); /* rounded up to a page */
    assert_int_equal(c->size, 0x2000);
    assert_int_equal(a->base, 0);
    assert_int_equal(b->base, 0x3000);
    assert_int_equal(c->base, 0x4000);
    assert_ptr_equal(ram_list_find(&list, 0x2fff), a);
    assert_ptr_equal(ram_list_find(&list, 0x3000), b);
    assert_ptr_equal(ram_list_find(&list, 0x5fff), c);
    assert_null(ram_list_find(&list, 0x6000));
    assert_null(ram_list_find(&list, RAM_ADDR_INVALID));
    ram_list_destroy(&list);
    assert_null(list.first);
}

static void block_is_found_by_host_pointer(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *a = new_block(&list, 0x3000), *b = new_block(&list, 0x1000);
    assert_ptr_equal(ram_list_find_host(&list, a->host), a);
    assert_ptr_equal(ram_list_find_host(&list, a->host + 0x2fff), a);
    assert_ptr_equal(ram_list_find_host(&list, b->host + 0x10), b);
    assert_null(ram_list_find_host(&list, &list));
    assert_null(ram_list_find_host(&list, NULL));
    ram_list_destroy(&list);
}

static void new_memory_is_zero_and_page_aligned(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, 0x4000);
    assert_int_equal((uintptr_t)rb->host % PAGE_SIZE, 0);
    for (unsigned i = 0; i < 0x4000; i++) {
        assert_int_equal(rb->host[i], 0);
    }
    assert_int_equal(rb->fd, -1);
    ram_list_destroy(&list);
}

/* 32 GiB of RAM and its bitmaps cost what is touched of them (mincore: pages that are
 * resident). */
static void big_block_costs_only_what_is_touched(void **state) {
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* its allocator touches what it clears */
#endif
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb =
        ramblock_new(&list, "big", UINT64_C(32) << 30, RAM_ANONYMOUS, NULL, NULL);
    if (rb == NULL) {
        ram_list_destroy(&list);
        skip(); /* a host that limits address space */
    }
    rb->host[UINT64_C(20) << 30] = 1;
    assert_true(ramblock_is_dirty(rb, UINT64_C(31) << 30, DIRTY_CODE));
    assert_true(ramblock_clear_dirty(rb, UINT64_C(31) << 30, DIRTY_CODE));
    assert_false(ramblock_is_dirty(rb, UINT64_C(31) << 30, DIRTY_CODE));

    uintptr_t bitmap = ((uintptr_t)rb->clean[DIRTY_CODE] + PAGE_OFFSET_MASK) & PAGE_MASK;
    static unsigned char resident[255]; /* of the 1 MiB bitmap, but for its two ends */
    assert_int_equal(mincore((void *)bitmap, 255 * PAGE_SIZE, resident), 0);
    unsigned count = 0;
    for (unsigned i = 0; i < 255; i++) {
        count += resident[i] & 1;
    }
    assert_in_range(count, 1, 8);
    ram_list_destroy(&list);
}

static void shared_block_is_seen_through_its_descriptor(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    Error *err = NULL;
    RAMBlock *rb = ramblock_new(&list, "shm", 0x2000, RAM_SHARED, NULL, &err);
    assert_non_null(rb);
    uint8_t *other = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, rb->fd, 0);
    assert_ptr_not_equal(other, MAP_FAILED);
    rb->host[0x1234] = 0x5a;
    assert_int_equal(other[0x1234], 0x5a);
    munmap(other, 0x2000);
    ram_list_destroy(&list);
}

/* --- files -------------------------------------------------------------------------- */

typedef struct TempFile {
    char path[64];
} TempFile;

static void temp_file(TempFile *t, const char *content) {
    strcpy(t->path, "/tmp/vitrine-ramblock-XXXXXX");
    int fd = mkstemp(t->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void file_block_shows_the_file_grows_it_and_keeps_what_is_written(void **state) {
    (void)state;
    TempFile t;
    temp_file(&t, "hello");
    RamList list;
    ram_list_init(&list);
    Error *err = NULL;
    RAMBlock *rb = ramblock_new(&list, "file", 0x2000, RAM_FILE, t.path, &err);
    assert_non_null(rb);
    assert_memory_equal(rb->host, "hello\0", 6);
    struct stat st;
    stat(t.path, &st);
    assert_int_equal(st.st_size, 0x2000);
    memcpy(rb->host + 0x1ffb, "world", 5);
    ram_list_destroy(&list);

    char tail[5];
    int fd = open(t.path, O_RDONLY);
    assert_int_equal(pread(fd, tail, 5, 0x1ffb), 5);
    assert_memory_equal(tail, "world", 5);
    close(fd);
    unlink(t.path);
}

static void file_block_does_not_cut_a_larger_file(void **state) {
    (void)state;
    TempFile t;
    temp_file(&t, "x");
    assert_int_equal(truncate(t.path, 0x9000), 0);
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = ramblock_new(&list, "file", 0x1000, RAM_FILE, t.path, NULL);
    assert_non_null(rb);
    assert_int_equal(rb->size, 0x1000);
    ram_list_destroy(&list);
    struct stat st;
    stat(t.path, &st);
    assert_int_equal(st.st_size, 0x9000);
    unlink(t.path);
}

static void impossible_blocks_are_errors_that_say_why(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    Error *err = NULL;
    RAMBlock *rb = ramblock_new(&list, "none", 0, RAM_ANONYMOUS, NULL, &err);
    expect_error(rb, err, "'none' cannot have 0 bytes");
    err = NULL;
    rb = ramblock_new(&list, "huge", UINT64_MAX, RAM_ANONYMOUS, NULL, &err);
    expect_error(rb, err, "'huge' cannot have 18446744073709551615 bytes");
    err = NULL;
    rb = ramblock_new(&list, "file", 1, RAM_FILE, "/nonexistent/file", &err);
    expect_error(rb, err, "'/nonexistent/file'");
    err = NULL;
    rb = ramblock_new(&list, "file", 1, RAM_FILE, "/dev/null", &err);
    expect_error(rb, err, "not a regular file");
    err = NULL;
    rb = ramblock_new(&list, "file", 1, RAM_FILE, "/tmp", &err);
    expect_error(rb, err, "/tmp");
    /* Larger than any file and address space. */
    err = NULL;
    rb = ramblock_new(&list, "shm", UINT64_C(1) << 62, RAM_SHARED, NULL, &err);
    expect_error(rb, err, "'shm'");
    assert_null(list.first);
    assert_int_equal(list.next_base, 0);
    ram_list_destroy(&list);
}

/* --- dirty bitmaps ------------------------------------------------------------------ */

static void code_is_tracked_from_the_start_and_all_is_dirty(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, 70 * PAGE_SIZE);
    assert_int_equal(rb->active_clients, 1u << DIRTY_CODE);
    for (unsigned page = 0; page < 70; page++) {
        for (unsigned c = 0; c < DIRTY_CLIENT_COUNT; c++) {
            assert_true(ramblock_is_dirty(rb, page * PAGE_SIZE, c));
        }
        assert_int_equal(ramblock_clean_clients(rb, page * PAGE_SIZE), 0);
    }
    ramblock_set_tracking(rb, DIRTY_CODE, false); /* has no effect */
    assert_true(ramblock_clear_dirty(rb, 0, DIRTY_CODE));
    assert_false(ramblock_is_dirty(rb, 0, DIRTY_CODE));
    ramblock_set_tracking(rb, DIRTY_CODE, true); /* nor has this: it was on */
    assert_false(ramblock_is_dirty(rb, 0, DIRTY_CODE));
    ram_list_destroy(&list);
}

static void clear_dirty_is_of_one_page_and_one_client(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, 130 * PAGE_SIZE);
    ramblock_set_tracking(rb, DIRTY_DISPLAY, true);
    assert_true(ramblock_clear_dirty(rb, 64 * PAGE_SIZE + 17, DIRTY_DISPLAY));
    assert_false(
        ramblock_clear_dirty(rb, 64 * PAGE_SIZE, DIRTY_DISPLAY)); /* not a second time */
    for (unsigned page = 0; page < 130; page++) {
        bool clean = page == 64;
        assert_int_equal(ramblock_is_dirty(rb, page * PAGE_SIZE + 4095, DIRTY_DISPLAY),
                         !clean);
        assert_true(ramblock_is_dirty(rb, page * PAGE_SIZE, DIRTY_CODE));
        assert_int_equal(ramblock_clean_clients(rb, page * PAGE_SIZE),
                         clean ? 1u << DIRTY_DISPLAY : 0);
    }
    ram_list_destroy(&list);
}

static void set_dirty_is_of_the_clients_in_the_mask(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, 4 * PAGE_SIZE);
    for (unsigned c = 0; c < DIRTY_CLIENT_COUNT; c++) {
        ramblock_set_tracking(rb, c, true);
        sync_all(rb, c);
    }
    ramblock_set_dirty(rb, PAGE_SIZE, 1, 1u << DIRTY_MIGRATION | 1u << DIRTY_HISTORY);
    assert_int_equal(ramblock_clean_clients(rb, PAGE_SIZE),
                     1u << DIRTY_CODE | 1u << DIRTY_DISPLAY);
    ramblock_set_dirty(rb, PAGE_SIZE, 0, DIRTY_ALL_CLIENTS); /* no bytes, no page */
    assert_int_equal(ramblock_clean_clients(rb, PAGE_SIZE),
                     1u << DIRTY_CODE | 1u << DIRTY_DISPLAY);
    ram_list_destroy(&list);
}

/* Every first and last byte around word borders: pages first to last, no page more. */
static void set_dirty_is_of_all_pages_the_bytes_touch(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, 200 * PAGE_SIZE);
    static const unsigned edges[] = {0, 1, 62, 63, 64, 65, 127, 128, 191, 192, 199};
    enum { EDGES = sizeof(edges) / sizeof(edges[0]) };
    for (unsigned i = 0; i < EDGES; i++) {
        for (unsigned j = i; j < EDGES; j++) {
            sync_all(rb, DIRTY_CODE);
            uint64_t first = edges[i] * PAGE_SIZE + 4095, end = edges[j] * PAGE_SIZE + 1;
            if (first >= end) {
                end = first + 1;
            }
            ramblock_set_dirty(rb, first, end - first, DIRTY_ALL_CLIENTS);
            for (unsigned page = 0; page < 200; page++) {
                bool touched = page >= edges[i] && page <= edges[j];
                assert_int_equal(ramblock_is_dirty(rb, page * PAGE_SIZE, DIRTY_CODE),
                                 touched);
            }
        }
    }
    ram_list_destroy(&list);
}

static void inactive_clients_read_as_dirty_and_cannot_be_cleared(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, 100 * PAGE_SIZE);
    assert_true(ramblock_clear_dirty(rb, 0, DIRTY_HISTORY));
    assert_true(ramblock_is_dirty(rb, 0, DIRTY_HISTORY));
    uint64_t out[2];
    assert_int_equal(ramblock_sync_dirty(rb, 3, 70, DIRTY_HISTORY, out), 70);
    assert_int_equal(out[0], UINT64_MAX);
    assert_int_equal(out[1], 0x3f);
    assert_true(ramblock_is_dirty(rb, 5 * PAGE_SIZE, DIRTY_HISTORY));
    assert_false(ramblock_any_clean(rb, 0, rb->size, DIRTY_HISTORY));
    ram_list_destroy(&list);
}

static void start_of_tracking_marks_everything_dirty(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, 100 * PAGE_SIZE);
    for (int round = 0; round < 2; round++) {
        ramblock_set_tracking(rb, DIRTY_MIGRATION, true);
        assert_int_equal(ramblock_sync_dirty(rb, 0, 100, DIRTY_MIGRATION, NULL), 100);
        assert_int_equal(ramblock_sync_dirty(rb, 0, 100, DIRTY_MIGRATION, NULL), 0);
        assert_int_equal(ramblock_clean_clients(rb, 0), 1u << DIRTY_MIGRATION);
        ramblock_set_tracking(rb, DIRTY_MIGRATION, false);
        assert_true(ramblock_is_dirty(rb, 0, DIRTY_MIGRATION));
        assert_int_equal(ramblock_clean_clients(rb, 0), 0);
    }
    ram_list_destroy(&list);
}

/* Against a plain array: random sets and syncs of random ranges. Prints its seed. */
static void sync_reads_and_clears_exactly_its_pages(void **state) {
    (void)state;
    enum { PAGES = 331 };
    unsigned seed = 20240607;
    print_message("seed %u\n", seed);
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, (uint64_t)PAGES * PAGE_SIZE);
    bool model[PAGES];
    memset(model, true, sizeof(model));
    for (int i = 0; i < 4000; i++) {
        unsigned first = (unsigned)rand_r(&seed) % PAGES;
        unsigned count = 1 + (unsigned)rand_r(&seed) % (PAGES - first);
        if (rand_r(&seed) % 2 == 0) {
            count = count > 5 ? 5 : count;
            ramblock_set_dirty(rb, (uint64_t)first * PAGE_SIZE,
                               (uint64_t)count * PAGE_SIZE, DIRTY_ALL_CLIENTS);
            memset(model + first, true, count);
            continue;
        }
        uint64_t out[PAGES / 64 + 2];
        memset(out, 0xaa, sizeof(out));
        unsigned words = (count + 63) / 64, expected = 0;
        uint64_t got = ramblock_sync_dirty(rb, first, count, DIRTY_CODE, out);
        for (unsigned p = 0; p < words * 64; p++) {
            bool dirty = p < count && model[first + p];
            assert_int_equal(out[p / 64] >> p % 64 & 1, dirty);
            expected += dirty;
        }
        assert_int_equal(got, expected);
        assert_int_equal(out[words], 0xaaaaaaaaaaaaaaaa);
        memset(model + first, false, count);
        for (unsigned p = 0; p < PAGES; p++) {
            assert_int_equal(ramblock_is_dirty(rb, (uint64_t)p * PAGE_SIZE, DIRTY_CODE),
                             model[p]);
        }
    }
    ram_list_destroy(&list);
}

static void any_clean_sees_one_clean_page_in_the_range_only(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, 200 * PAGE_SIZE);
    assert_false(ramblock_any_clean(rb, 0, rb->size, DIRTY_CODE));
    ramblock_clear_dirty(rb, 128 * PAGE_SIZE, DIRTY_CODE);
    assert_true(ramblock_any_clean(rb, 0, rb->size, DIRTY_CODE));
    assert_true(ramblock_any_clean(rb, 128 * PAGE_SIZE, 1, DIRTY_CODE));
    assert_true(ramblock_any_clean(rb, 128 * PAGE_SIZE - 1, 2, DIRTY_CODE));
    assert_true(ramblock_any_clean(rb, 129 * PAGE_SIZE - 1, 2, DIRTY_CODE));
    assert_false(ramblock_any_clean(rb, 0, 128 * PAGE_SIZE, DIRTY_CODE));
    assert_false(ramblock_any_clean(rb, 129 * PAGE_SIZE, 71 * PAGE_SIZE, DIRTY_CODE));
    assert_false(ramblock_any_clean(rb, 128 * PAGE_SIZE, 0, DIRTY_CODE));
    ram_list_destroy(&list);
}

/* --- threads ------------------------------------------------------------------------ */

/*
 * Two writers count up a number at the start of each page and mark the page; a client
 * syncs and copies the dirty pages all the while. When the writers are done and the
 * client has synced once more, its copy must be the memory: no write may be lost between
 * the bit and the bytes. The writers' pages are the two halves, which share bitmap words.
 */
enum { HAMMER_PAGES = 96, HAMMER_ROUNDS = 3000 };

typedef struct Hammer {
    RAMBlock *rb;
    unsigned parity; /* this writer's pages are of this parity */
} Hammer;

static void *hammer_writer(void *opaque) {
    Hammer *h = opaque;
    for (uint64_t round = 1; round <= HAMMER_ROUNDS; round++) {
        for (uint64_t page = h->parity; page < HAMMER_PAGES; page += 2) {
            uint64_t *value = (uint64_t *)(h->rb->host + page * PAGE_SIZE);
            __atomic_store_n(value, round, __ATOMIC_RELAXED);
            ramblock_set_dirty(h->rb, page * PAGE_SIZE, 8, DIRTY_ALL_CLIENTS);
        }
    }
    return NULL;
}

static void hammer_copy(RAMBlock *rb, DirtyClient client, uint64_t *copy) {
    uint64_t dirty[HAMMER_PAGES / 64 + 1];
    ramblock_sync_dirty(rb, 0, HAMMER_PAGES, client, dirty);
    for (uint64_t page = 0; page < HAMMER_PAGES; page++) {
        if ((dirty[page / 64] >> page % 64 & 1) != 0) {
            uint64_t *value = (uint64_t *)(rb->host + page * PAGE_SIZE);
            copy[page] = __atomic_load_n(value, __ATOMIC_RELAXED);
        }
    }
}

static void no_write_is_lost_between_two_writers_and_two_clients(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, HAMMER_PAGES * PAGE_SIZE);
    ramblock_set_tracking(rb, DIRTY_MIGRATION, true);
    ramblock_set_tracking(rb, DIRTY_HISTORY, true);
    static uint64_t migration[HAMMER_PAGES], history[HAMMER_PAGES];
    Hammer even = {rb, 0}, odd = {rb, 1};
    pthread_t a, b;
    assert_int_equal(pthread_create(&a, NULL, hammer_writer, &even), 0);
    assert_int_equal(pthread_create(&b, NULL, hammer_writer, &odd), 0);
    for (int i = 0; i < 500; i++) {
        hammer_copy(rb, DIRTY_MIGRATION, migration);
        hammer_copy(rb, DIRTY_HISTORY, history);
    }
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    hammer_copy(rb, DIRTY_MIGRATION, migration);
    hammer_copy(rb, DIRTY_HISTORY, history);
    for (unsigned page = 0; page < HAMMER_PAGES; page++) {
        assert_int_equal(migration[page], HAMMER_ROUNDS);
        assert_int_equal(history[page], HAMMER_ROUNDS);
    }
    ram_list_destroy(&list);
}

/* Each thread sets and clears the bit of a page of its own, in a word they all share, and
 * must find it as it left it. */
enum { NEIGHBOURS = 3, NEIGHBOUR_ROUNDS = 100000 };

typedef struct Neighbour {
    RAMBlock *rb;
    uint64_t offset, disturbed;
} Neighbour;

static void *keep_own_bit(void *opaque) {
    Neighbour *n = opaque;
    for (int i = 0; i < NEIGHBOUR_ROUNDS; i++) {
        if (i % 2 == 0) {
            n->disturbed += !ramblock_clear_dirty(n->rb, n->offset, DIRTY_CODE);
        } else {
            uint64_t page = n->offset / PAGE_SIZE;
            n->disturbed += !ramblock_sync_dirty(n->rb, page, 1, DIRTY_CODE, NULL);
        }
        n->disturbed += ramblock_is_dirty(n->rb, n->offset, DIRTY_CODE);
        ramblock_set_dirty(n->rb, n->offset, 1, 1u << DIRTY_CODE);
        n->disturbed += !ramblock_is_dirty(n->rb, n->offset, DIRTY_CODE);
    }
    return NULL;
}

static void bits_of_one_word_do_not_disturb_each_other(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, 64 * PAGE_SIZE);
    Neighbour neighbours[NEIGHBOURS];
    pthread_t threads[NEIGHBOURS];
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        neighbours[i] = (Neighbour){rb, 7 * i * PAGE_SIZE, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, keep_own_bit, &neighbours[i]),
                         0);
    }
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(neighbours[i].disturbed, 0);
    }
    ram_list_destroy(&list);
}

/* Each of four threads clears the bits of the same pages: every set bit is handed out
 * once. */
typedef struct Claimer {
    RAMBlock *rb;
    uint64_t claimed;
} Claimer;

static void *claim_pages(void *opaque) {
    Claimer *c = opaque;
    for (uint64_t page = 0; page < c->rb->size / PAGE_SIZE; page++) {
        if (page % 3 == 0) {
            c->claimed += ramblock_clear_dirty(c->rb, page * PAGE_SIZE, DIRTY_CODE);
        } else {
            c->claimed += ramblock_sync_dirty(c->rb, page, 1, DIRTY_CODE, NULL);
        }
    }
    return NULL;
}

static void each_dirty_bit_is_handed_out_once(void **state) {
    (void)state;
    RamList list;
    ram_list_init(&list);
    RAMBlock *rb = new_block(&list, 20000 * (uint64_t)PAGE_SIZE);
    Claimer claimers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        claimers[i] = (Claimer){rb, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, claim_pages, &claimers[i]), 0);
    }
    uint64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        sum += claimers[i].claimed;
    }
    assert_int_equal(sum, 20000);
    ram_list_destroy(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_get_disjoint_addresses_in_order),
        cmocka_unit_test(block_is_found_by_host_pointer),
        cmocka_unit_test(new_memory_is_zero_and_page_aligned),
        cmocka_unit_test(big_block_costs_only_what_is_touched),
        cmocka_unit_test(shared_block_is_seen_through_its_descriptor),
        cmocka_unit_test(file_block_shows_the_file_grows_it_and_keeps_what_is_written),
        cmocka_unit_test(file_block_does_not_cut_a_larger_file),
        cmocka_unit_test(impossible_blocks_are_errors_that_say_why),
        cmocka_unit_test(code_is_tracked_from_the_start_and_all_is_dirty),
        cmocka_unit_test(clear_dirty_is_of_one_page_and_one_client),
        cmocka_unit_test(set_dirty_is_of_the_clients_in_the_mask),
        cmocka_unit_test(set_dirty_is_of_all_pages_the_bytes_touch),
        cmocka_unit_test(inactive_clients_read_as_dirty_and_cannot_be_cleared),
        cmocka_unit_test(start_of_tracking_marks_everything_dirty),
        cmocka_unit_test(sync_reads_and_clears_exactly_its_pages),
        cmocka_unit_test(any_clean_sees_one_clean_page_in_the_range_only),
        cmocka_unit_test(no_write_is_lost_between_two_writers_and_two_clients),
        cmocka_unit_test(bits_of_one_word_do_not_disturb_each_other),
        cmocka_unit_test(each_dirty_bit_is_handed_out_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
