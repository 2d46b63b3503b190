/* SPDX-License-Identifier: MIT */
/*
 * Snapshot files: the input alters a good one here and there, or is the file itself; the checksum is
 * put right, so that everything behind it is reached. What is refused must leave the machine as it was.
 * Input: a byte of kind; then the file, or again and again 3 bytes of place and a value.
 */
#include <unistd.h>
#include <xxhash.h>

#include "fuzz.h"
#include "state/hash.h"
#include "state/snapshot.h"

enum { MAGIC_AND_VERSION = 12, HASH_BYTES = 16 };

static uint8_t *good_file(Machine *m, size_t *size) {
    Error *err = NULL;
    char *path = fuzz_tmp_name("fuzz-snapshot-XXXXXX");
    close(mkstemp(path));
    if (!snapshot_save(m, path, "fuzz", &err)) {
        fprintf(stderr, "%s\n", error_message(err));
        abort();
    }
    FILE *in = fopen(path, "rb");
    fseek(in, 0, SEEK_END);
    *size = (size_t)ftell(in);
    rewind(in);
    uint8_t *data = malloc(*size);
    if (fread(data, 1, *size, in) != *size) {
        abort();
    }
    fclose(in);
    unlink(path);
    free(path);
    return data;
}

static void seal(uint8_t *data, size_t size) {
    XXH128_canonical_t hash;
    if (size >= MAGIC_AND_VERSION + HASH_BYTES) {
        XXH128_canonicalFromHash(&hash, XXH3_128bits(data, size - HASH_BYTES));
        memcpy(data + size - HASH_BYTES, hash.digest, HASH_BYTES);
    }
}

static void load(Machine *m, const uint8_t *data, size_t size) {
    char before[MACHINE_HASH_HEX], after[MACHINE_HASH_HEX];
    Error *err = NULL;
    machine_hash(m, before, NULL);
    if (!snapshot_load_bytes(m, "fuzz", data, size, &err)) {
        machine_hash(m, after, NULL);
        if (strcmp(before, after)) {
            abort();
        }
        error_free(err);
    }
    fuzz_machine_turn(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static Machine *m;
    static uint8_t *good;
    static size_t good_size;
    if (!m) {
        m = fuzz_machine_new(false);
        fuzz_machine_turn(m);
        machine_lock(m);
        clock_stop(&m->clock);
        machine_unlock(m);
        good = good_file(m, &good_size);
    }
    FuzzInput in = {data, data + size};
    bool whole = fuzz_u8(&in) & 1;
    size_t n = whole ? MAGIC_AND_VERSION + fuzz_left(&in) + HASH_BYTES : good_size;
    uint8_t *file = malloc(n);
    memcpy(file, good, whole ? MAGIC_AND_VERSION : n);
    if (whole) {
        memcpy(file + MAGIC_AND_VERSION, in.p, fuzz_left(&in));
    }
    while (!whole && fuzz_left(&in)) {
        size_t where = fuzz_take(&in, 3) % (n - MAGIC_AND_VERSION);
        file[MAGIC_AND_VERSION + where] = fuzz_u8(&in);
    }
    seal(file, n);
    load(m, file, n);
    free(file);
    return 0;
}
