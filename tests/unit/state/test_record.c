/* SPDX-License-Identifier: MIT */
/* Recordings: what is written is read; what is cut off is good up to there; what is damaged is not
 * taken for good, wherever the damage is. Seeds are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "state/record.h"

enum { EVENTS = 300 };

typedef struct File {
    char path[64];
    uint8_t *data;
    size_t size;
} File;

static uint64_t next(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return *seed >> 33;
}

static GateEvent make_event(unsigned i, uint64_t *seed, uint8_t *data) {
    GateEvent ev = {.count = i * UINT64_C(1000000007),
                    .time_ns = (int64_t)(i * 31) - 40,
                    .pulled = i % 3 == 0,
                    .port = (uint8_t)(i % 7),
                    .kind = (uint8_t)(i % 4),
                    .len = (uint32_t)(next(seed) % 1500),
                    .data = data};
    for (unsigned k = 0; k < ev.len; k++) {
        data[k] = (uint8_t)next(seed);
    }
    return ev;
}

static void slurp(File *f) {
    FILE *in = fopen(f->path, "rb");
    assert_non_null(in);
    fseek(in, 0, SEEK_END);
    f->size = (size_t)ftell(in);
    rewind(in);
    f->data = malloc(f->size);
    assert_int_equal(fread(f->data, 1, f->size, in), f->size);
    fclose(in);
}

static int setup(void **state) {
    File *f = calloc(1, sizeof(*f));
    uint8_t data[2048];
    uint64_t seed = 1;
    strcpy(f->path, "/tmp/test-record-XXXXXX");
    close(mkstemp(f->path));
    RecordWriter *w = record_writer_new(f->path, "board=virt\ncpus=1\n", NULL);
    assert_non_null(w);
    for (unsigned i = 0; i < EVENTS; i++) {
        GateEvent ev = make_event(i, &seed, data);
        record_event(w, &ev);
        record_check(w, &(RecordCheck){ev.count + 5, ev.count * 3});
        if (i == 10) {
            record_flush(w);
        }
    }
    record_end(w, &(RecordEnd){.count = UINT64_C(1) << 60, .cause = 4, .status = 3});
    assert_true(record_close(w, NULL));
    slurp(f);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    File *f = *state;
    unlink(f->path);
    free(f->data);
    free(f);
    return 0;
}

static void compare(const Recording *rec, size_t events) {
    uint8_t data[2048];
    uint64_t seed = 1;
    assert_string_equal(rec->description, "board=virt\ncpus=1\n");
    for (unsigned i = 0; i < events; i++) {
        const GateEvent want = make_event(i, &seed, data), *got = &rec->event[i];
        assert_int_equal(got->count, want.count);
        assert_int_equal(got->time_ns, want.time_ns);
        assert_int_equal(got->pulled, want.pulled);
        assert_int_equal(got->port, want.port);
        assert_int_equal(got->kind, want.kind);
        assert_int_equal(got->len, want.len);
        assert_memory_equal(want.len ? got->data : data, data, want.len);
    }
}

static void what_was_written_is_read(void **state) {
    const File *f = *state;
    Recording *rec = recording_read(f->path, NULL);
    assert_non_null(rec);
    assert_int_equal(rec->event_count, EVENTS);
    assert_int_equal(rec->check_count, EVENTS);
    compare(rec, EVENTS);
    assert_int_equal(rec->check[7].count, 7 * UINT64_C(1000000007) + 5);
    assert_int_equal(rec->check[7].hash, 7 * UINT64_C(3000000021));
    assert_int_equal(rec->end.count, UINT64_C(1) << 60);
    assert_int_equal(rec->end.cause, 4);
    assert_int_equal(rec->end.status, 3);
    assert_false(rec->end.cut_off);
    recording_free(rec);
}

static void cut_off_it_is_good_up_to_there(void **state) {
    const File *f = *state;
    size_t good = 0, events = 0;
    for (size_t size = 0; size < f->size; size += size < 200 ? 1 : 97) {
        Error *err = NULL;
        Recording *rec = recording_parse("cut", f->data, size, &err);
        if (rec == NULL) {
            assert_true(good == 0);
            error_free(err);
            continue;
        }
        good++;
        assert_true(rec->end.cut_off);
        assert_true(rec->event_count >= events);
        events = rec->event_count;
        compare(rec, events);
        recording_free(rec);
    }
    assert_true(events > EVENTS / 2);
}

static void one_flipped_bit_is_noticed(void **state) {
    const File *f = *state;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < 2000; i++) {
        Error *err = NULL;
        size_t at = i < 400 ? i / 8 : next(&seed) % f->size;
        uint8_t bit = (uint8_t)(1 << i % 8);
        f->data[at] ^= bit;
        Recording *rec = recording_parse("flipped", f->data, f->size, &err);
        f->data[at] ^= bit;
        if (rec != NULL) { /* a length that now reaches beyond the end looks like a cut */
            assert_true(rec->end.cut_off);
            compare(rec, rec->event_count);
        } else {
            assert_non_null(strstr(error_message(err), "flipped"));
            error_free(err);
        }
        recording_free(rec);
    }
}

static void foreign_files_are_refused(void **state) {
    (void)state;
    Error *err = NULL;
    assert_null(recording_read("/nonexistent/recording", &err));
    assert_non_null(strstr(error_message(err), "/nonexistent/recording"));
    error_free(err);
    err = NULL;
    assert_null(recording_read("/bin/sh", &err));
    assert_non_null(strstr(error_message(err), "not a recording"));
    error_free(err);
    err = NULL;
    assert_null(recording_read("/dev", &err));
    error_free(err);
    err = NULL;
    assert_null(recording_parse("f", (const uint8_t *)"VITREC2\n", 8, &err));
    assert_non_null(strstr(error_message(err), "another version"));
    error_free(err);
}

static void a_full_disk_is_told_at_the_end(void **state) {
    (void)state;
    Error *err = NULL;
    RecordWriter *w = record_writer_new("/dev/full", "x=y\n", &err);
    assert_null(w);
    assert_non_null(strstr(error_message(err), "/dev/full"));
    error_free(err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(cut_off_it_is_good_up_to_there),
        cmocka_unit_test(one_flipped_bit_is_noticed),
        cmocka_unit_test(foreign_files_are_refused),
        cmocka_unit_test(a_full_disk_is_told_at_the_end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
