/* SPDX-License-Identifier: MIT */
/*
 * Snapshot files: what was saved is what is loaded, and what is not a whole file of this machine
 * changes nothing.
 *
 * That two machines are equal is read off their tables, RAM and disks directly; the tables
 * themselves are held against the structs in hw/test_device.c.
 */
#include "state_fixture.h"

#include <xxhash.h>

static char *save(StateFixture *f, Machine *m) {
    Error *err = NULL;
    char *path = NULL;
    assert_true(asprintf(&path, "%s/a.vsnap", f->dir) > 0);
    if (!snapshot_save(m, path, "a", &err)) {
        fail_msg("%s", error_message(err));
    }
    return path;
}

static void assert_same_ram(Machine *a, Machine *b) {
    const RAMBlock *rb = b->ram_list.first;
    for (const RAMBlock *ra = a->ram_list.first; ra; ra = ra->next, rb = rb->next) {
        assert_string_equal(ra->name, rb->name);
        assert_memory_equal(ra->host, rb->host, ra->size);
    }
}

static void assert_same_fields(Machine *a, Machine *b) {
    ByteBuffer fa = {0}, fb = {0};
    machine_lock(a);
    fields_save(a, &fa);
    machine_unlock(a);
    machine_lock(b);
    fields_save(b, &fb);
    machine_unlock(b);
    assert_int_equal(fa.len, fb.len);
    for (size_t i = 0; i < fa.len; i++) {
        if (fa.data[i] != fb.data[i]) {
            size_t from = i > 60 ? i - 60 : 0;
            fail_msg("byte %zu differs: behind '%.60s'", i, (char *)fa.data + from);
        }
    }
    buffer_free(&fa);
    buffer_free(&fb);
}

static void assert_same_disk(Machine *a, Machine *b) {
    for (unsigned d = 0; d < 2; d++) {
        uint64_t size = blk_size(a->drives[d].blk);
        uint8_t *x = malloc(size), *y = malloc(size);
        assert_int_equal(blk_read(a->drives[d].blk, 0, x, size), 0);
        assert_int_equal(blk_read(b->drives[d].blk, 0, y, size), 0);
        assert_memory_equal(x, y, size);
        free(x);
        free(y);
    }
}

static void fresh_machine_becomes_the_saved_one(void **state) {
    StateFixture *f = *state;
    for (unsigned round = 0; round < 6; round++) {
        char ha[MACHINE_HASH_HEX], hb[MACHINE_HASH_HEX];
        Error *err = NULL;
        f->config.globals.count = round % 2; /* legacy and not */
        Machine *a = fixture_machine(f), *b = fixture_machine(f);
        fixture_scribble(f, a);
        if (round >= 4) {
            fixture_scribble(f, b); /* what it had goes */
        }
        fixture_hash(a, ha);
        char *path = save(f, a);
        if (!snapshot_load(b, path, &err)) {
            fail_msg("%s", error_message(err));
        }
        fixture_hash(b, hb);
        assert_same_fields(a, b);
        assert_same_ram(a, b);
        assert_same_disk(a, b);
        assert_string_equal(ha, hb);
        machine_free(a);
        machine_free(b);
        free(path);
    }
}

static void everything_counts_in_the_hash(void **state) {
    StateFixture *f = *state;
    char was[MACHINE_HASH_HEX], is[MACHINE_HASH_HEX];
    Machine *m = fixture_machine(f);
    RiscvCPU *cpu = riscv_cpu(m->cpus->cpu[1]);
    fixture_hash(m, was);
    uint8_t *last = m->ram_list.first->host + m->ram_list.first->size - 1;
    uint8_t old = *last;
    *last ^= 1;
    fixture_hash(m, is);
    assert_string_not_equal(was, is);
    *last = 0; /* touched, but as zero as before */
    assert_int_equal(old, 0);
    fixture_hash(m, is);
    assert_string_equal(was, is);
    cpu->env.fpr[31] ^= 1;
    fixture_hash(m, is);
    assert_string_not_equal(was, is);
    cpu->env.fpr[31] ^= 1;
    address_space_store(&m->as, 0x10000007, 1, 0x5a); /* the UART's scratch register */
    fixture_hash(m, is);
    assert_string_not_equal(was, is);
    machine_free(m);
}

/* Where the sections of a file begin, by its own description in snapshot.h. */
static unsigned boundaries(const uint8_t *data, size_t size, size_t *at, unsigned max) {
    unsigned n = 0;
    size_t p = 12;
    while (p + 26 <= size && n < max) {
        at[n++] = p;
        uint64_t len;
        uint16_t name;
        memcpy(&name, data + p, 2);
        memcpy(&len, data + p + 2 + name, 8);
        p += 2 + name + 8 + len;
    }
    at[n++] = p;
    return n;
}

static void expect_refusal(Machine *m, const uint8_t *data, size_t size,
                           const char *what) {
    Error *err = NULL;
    char was[MACHINE_HASH_HEX], is[MACHINE_HASH_HEX];
    fixture_hash(m, was);
    if (snapshot_load_bytes(m, "x", data, size, &err)) {
        fail_msg("a file that is %s was loaded", what);
    }
    assert_non_null(strstr(error_message(err), "snapshot 'x': "));
    error_free(err);
    fixture_hash(m, is);
    assert_string_equal(was, is);
}

static void damaged_file_is_refused_and_changes_nothing(void **state) {
    StateFixture *f = *state;
    Machine *a = fixture_machine(f), *b = fixture_machine(f);
    size_t size, at[256];
    fixture_scribble(f, a);
    char *path = save(f, a);
    uint8_t *data = fixture_read(path, &size);
    unsigned n = boundaries(data, size, at, 255);
    assert_true(n > 8);
    for (unsigned i = 0; i < n; i++) {
        for (int d = -1; d <= 1; d++) {
            expect_refusal(b, data, at[i] + (size_t)d, "cut off");
            data[at[i] + (size_t)d] ^= 0x10;
            expect_refusal(b, data, size, "altered");
            data[at[i] + (size_t)d] ^= 0x10;
        }
    }
    for (unsigned i = 0; i < 200; i++) {
        size_t where = fixture_random(f) % size;
        uint8_t bit = (uint8_t)(1 << fixture_random(f) % 8);
        data[where] ^= bit;
        expect_refusal(b, data, size, "altered");
        data[where] ^= bit;
        expect_refusal(b, data, where, "cut off");
    }
    expect_refusal(b, data, 0, "empty");
    expect_refusal(b, (const uint8_t *)"hello, this is no snapshot at all", 33,
                   "foreign");
    free(data);
    free(path);
    machine_free(a);
    machine_free(b);
}

/* Whoever alters a file can put the right checksum on it. */
static void altered_file_with_a_right_checksum_loads_whole_or_not_at_all(void **state) {
    StateFixture *f = *state;
    Machine *a = fixture_machine(f), *b = fixture_machine(f);
    size_t size;
    unsigned refused = 0;
    fixture_scribble(f, a);
    char *path = save(f, a);
    uint8_t *data = fixture_read(path, &size);
    for (unsigned i = 0; i < 1500; i++) {
        Error *err = NULL;
        char was[MACHINE_HASH_HEX], is[MACHINE_HASH_HEX];
        /* most of them near the front, where the structure is */
        size_t where = i % 4 ? 12 + fixture_random(f) % 16000 : fixture_random(f) % size;
        where = where < size - 16 ? where : size - 17;
        uint8_t old = data[where];
        data[where] ^= (uint8_t)(1 << fixture_random(f) % 8);
        XXH128_canonical_t hash;
        XXH128_canonicalFromHash(&hash, XXH3_128bits(data, size - 16));
        memcpy(data + size - 16, hash.digest, 16);
        fixture_hash(b, was);
        if (!snapshot_load_bytes(b, "x", data, size, &err)) {
            fixture_hash(b, is);
            assert_string_equal(was, is);
            error_free(err);
            refused++;
        }
        data[where] = old;
    }
    assert_true(refused > 200);
    free(data);
    free(path);
    machine_free(a);
    machine_free(b);
}

static void expect_foreign(Machine *m, const char *path, const char *difference) {
    Error *err = NULL;
    char was[MACHINE_HASH_HEX], is[MACHINE_HASH_HEX];
    fixture_hash(m, was);
    assert_false(snapshot_load(m, path, &err));
    if (!strstr(error_message(err), difference)) {
        fail_msg("'%s' does not say '%s'", error_message(err), difference);
    }
    error_free(err);
    fixture_hash(m, is);
    assert_string_equal(was, is);
    machine_free(m);
}

static void file_of_another_machine_is_refused_and_the_difference_named(void **state) {
    StateFixture *f = *state;
    Machine *a = fixture_machine(f);
    char *path = save(f, a);
    machine_free(a);
    MachineConfig same = f->config;
    f->config.cpus = 1;
    expect_foreign(fixture_machine(f), path, "harts=");
    f->config = same;
    f->config.ram_size *= 2;
    expect_foreign(fixture_machine(f), path, "memory=");
    f->config = same;
    f->config.cpu = "rv64,zba=off";
    expect_foreign(fixture_machine(f), path, "isa=");
    f->config = same;
    f->config.globals.count = 0;
    expect_foreign(fixture_machine(f), path, "force-legacy=");
    f->config = same;
    f->config.devices.count = 3;
    expect_foreign(fixture_machine(f), path, "virtio-net-device");
    f->config = same;
    fixture_file(f->rom, 64 * 512, 3);
    expect_foreign(fixture_machine(f), path, "drive 'r' is not the one");
    free(path);
}

static void drive_that_is_written_in_place_prevents_saving(void **state) {
    StateFixture *f = *state;
    Error *err = NULL;
    char path[128];
    snprintf(path, sizeof(path), "%s/b.vsnap", f->dir);
    *strstr(f->drive, ",snapshot=on") = '\0';
    Machine *m = fixture_machine(f);
    assert_false(snapshot_save(m, path, "b", &err));
    assert_non_null(strstr(error_message(err), "snapshot=on"));
    error_free(err);
    assert_int_not_equal(access(path, F_OK), 0);
    machine_free(m);
}

static void directory_lists_and_deletes_by_name(void **state) {
    StateFixture *f = *state;
    static const char *const bad[] = {"",    ".",       "..",  "../x",
                                      "a/b", ".hidden", "a b", "ä"};
    Error *err = NULL;
    SnapshotInfo *list;
    unsigned count;
    char dir[128];
    snprintf(dir, sizeof(dir), "%s/snaps", f->dir);
    Machine *m = fixture_machine(f);
    assert_true(snapshot_list(dir, &list, &count, NULL));
    assert_int_equal(count, 0);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err = NULL;
        assert_false(snapshot_save_named(m, dir, bad[i], &err));
        assert_non_null(strstr(error_message(err), "cannot name a snapshot"));
        error_free(err);
    }
    assert_true(snapshot_save_named(m, dir, "two", NULL));
    assert_true(snapshot_save_named(m, dir, "one", NULL));
    assert_true(snapshot_save_named(m, dir, "one", NULL)); /* again: the newer one */
    assert_true(snapshot_list(dir, &list, &count, NULL));
    assert_int_equal(count, 2);
    assert_string_equal(list[0].name, "one");
    assert_string_equal(list[1].name, "two");
    assert_true(list[0].bytes > 100 && list[0].date_ns > 0);
    free(list);
    assert_true(snapshot_load_named(m, dir, "two", NULL));
    assert_true(snapshot_delete(dir, "two", NULL));
    err = NULL;
    assert_false(snapshot_delete(dir, "two", &err));
    error_free(err);
    assert_true(snapshot_list(dir, &list, &count, NULL));
    assert_int_equal(count, 1);
    free(list);
    machine_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, state_setup, state_teardown)
        T(fresh_machine_becomes_the_saved_one),
        T(everything_counts_in_the_hash),
        T(damaged_file_is_refused_and_changes_nothing),
        T(altered_file_with_a_right_checksum_loads_whole_or_not_at_all),
        T(file_of_another_machine_is_refused_and_the_difference_named),
        T(drive_that_is_written_in_place_prevents_saving),
        T(directory_lists_and_deletes_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
