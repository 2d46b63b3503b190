/* SPDX-License-Identifier: MIT */
/* The ring of moments: after going back the state hash and the disk are what they were when the
 * entry was taken. Both are computed without the history. */
#include "state_fixture.h"

#include "state/history.h"
#include <xxhash.h>

enum { MOMENTS = 24 };

static uint64_t disk_hash(Machine *m) {
    uint64_t size = blk_size(m->drives[0].blk);
    uint8_t *data = malloc(size);
    assert_int_equal(blk_read(m->drives[0].blk, 0, data, size), 0);
    uint64_t hash = XXH3_64bits(data, size);
    free(data);
    return hash;
}

typedef struct Moment {
    char hash[MACHINE_HASH_HEX];
    uint64_t disk, number;
} Moment;

static void note(Machine *m, const History *h, Moment *out) {
    fixture_hash(m, out->hash);
    out->disk = disk_hash(m);
    out->number = history_entry(h, history_count(h) - 1).number;
}

static void check(Machine *m, const Moment *want) {
    char is[MACHINE_HASH_HEX];
    fixture_hash(m, is);
    assert_string_equal(is, want->hash);
    assert_true(disk_hash(m) == want->disk);
}

static int index_of(const History *h, uint64_t number) {
    for (unsigned i = 0; i < history_count(h); i++) {
        if (history_entry(h, i).number == number) {
            return (int)i;
        }
    }
    return -1;
}

static void every_entry_can_be_gone_back_to(void **state) {
    StateFixture *f = *state;
    Machine *m = fixture_machine(f);
    Moment moment[MOMENTS];
    History *h = history_new(m, UINT64_MAX, NULL);
    assert_non_null(h);
    note(m, h, &moment[0]);
    for (unsigned i = 1; i < MOMENTS; i++) {
        fixture_scribble(f, m);
        assert_true(history_take(h, NULL));
        note(m, h, &moment[i]);
    }
    assert_int_equal(history_count(h), MOMENTS);
    fixture_scribble(f, m);
    for (int i = MOMENTS - 1; i >= 0; i -= 3) {
        history_restore(h, (unsigned)i);
        check(m, &moment[i]);
        assert_int_equal(history_count(h), i + 1);
        fixture_scribble(f, m);
        history_restore(h, (unsigned)i); /* again, from elsewhere */
        check(m, &moment[i]);
    }
    history_free(h);
    machine_free(m);
}

static void oldest_entries_are_merged_and_the_rest_stays_right(void **state) {
    StateFixture *f = *state;
    Machine *m = fixture_machine(f);
    Moment moment[MOMENTS * 4];
    unsigned known = 0;
    History *h = history_new(m, 9 << 20, NULL);
    assert_non_null(h);
    for (unsigned round = 0; round < MOMENTS * 4; round++) {
        fixture_scribble(f, m);
        if (round % 7 == 6 && history_count(h) > 3) {
            unsigned back = (unsigned)(fixture_random(f) % history_count(h));
            uint64_t number = history_entry(h, back).number;
            history_restore(h, back);
            unsigned at = 0;
            while (at < known && moment[at].number != number) {
                at++;
            }
            if (at < known) {
                check(m, &moment[at]);
            }
        }
        assert_true(history_take(h, NULL));
        note(m, h, &moment[known++]);
        assert_true(history_count(h) <= 2 || history_bytes(h) <= 9 << 20);
    }
    assert_true(history_count(h) >= 2);
    assert_true(index_of(h, 0) < 0); /* something was merged */
    history_restore(h, 0);
    for (unsigned i = 0; i < known; i++) {
        if (moment[i].number == history_entry(h, 0).number) {
            check(m, &moment[i]);
        }
    }
    history_free(h);
    machine_free(m);
}

static void only_what_changed_is_kept(void **state) {
    StateFixture *f = *state;
    Machine *m = fixture_machine(f);
    History *h = history_new(m, UINT64_MAX, NULL);
    assert_true(history_take(h, NULL));
    assert_int_equal(history_entry(h, 1).changed, 0);
    address_space_store(&m->as, FIXTURE_RAM_BASE + 0x5008, 8, 1);
    address_space_store(&m->as, FIXTURE_RAM_BASE + 0x9000, 8, 0); /* as it was */
    assert_true(history_take(h, NULL));
    assert_int_equal(history_entry(h, 2).changed, 1);
    history_free(h);
    machine_free(m);
}

/* j . -- counts in a0 for ever and stores it: addi a0,a0,1; auipc t0,1; sd a0,0(t0); j -12 */
static const uint32_t counter[] = {0x00150513, 0x00001297, 0x00a2b023, 0xff5ff06f};

static void *run_machine(void *m) {
    machine_run(m);
    return NULL;
}

/* Stores of a hart between two entries are caught by the dirty bits, also those through a TLB entry
 * that was made before. */
static void running_harts_are_taken_and_brought_back(void **state) {
    StateFixture *f = *state;
    pthread_t thread;
    Moment moment[8];
    f->config.accel = "tcg";
    f->config.multi_thread = true;
    Machine *m = fixture_machine(f);
    machine_lock(m);
    assert_int_equal(
        address_space_write(&m->as, FIXTURE_RAM_BASE, counter, sizeof(counter)),
        MEMTX_OK);
    machine_unlock(m);
    assert_int_equal(pthread_create(&thread, NULL, run_machine, m), 0);
    while (machine_run_state(m) != RUN_RUNNING) {
        usleep(1000);
    }
    usleep(20000);
    machine_stop(m, RUN_PAUSED);
    History *h = history_new(m, UINT64_MAX, NULL);
    note(m, h, &moment[0]);
    for (unsigned i = 1; i < 8; i++) {
        assert_true(machine_cont(m, NULL));
        usleep(5000);
        machine_stop(m, RUN_PAUSED);
        assert_true(history_take(h, NULL));
        note(m, h, &moment[i]);
        assert_string_not_equal(moment[i].hash, moment[i - 1].hash);
        assert_true(history_entry(h, i).changed > 0);
    }
    for (int i = 7; i >= 0; i -= 2) {
        assert_true(machine_cont(m, NULL));
        usleep(2000);
        machine_stop(m, RUN_PAUSED);
        history_restore(h, (unsigned)i);
        check(m, &moment[i]);
    }
    history_free(h);
    machine_request_shutdown(m, SHUTDOWN_USER, 0);
    pthread_join(thread, NULL);
    machine_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, state_setup, state_teardown)
        T(every_entry_can_be_gone_back_to),
        T(oldest_entries_are_merged_and_the_rest_stays_right),
        T(only_what_changed_is_kept),
        T(running_harts_are_taken_and_brought_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
