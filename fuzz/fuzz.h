/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share: input bytes read one by one, and a machine to play with. */
#ifndef VITRINE_FUZZ_H
#define VITRINE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/machine/machine.h"
#include "hw/machine/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Bytes of the input; zeros when it has ended. */
typedef struct FuzzInput {
    const uint8_t *p, *end;
} FuzzInput;

static inline size_t fuzz_left(const FuzzInput *in) {
    return (size_t)(in->end - in->p);
}
static inline uint64_t fuzz_take(FuzzInput *in, unsigned bytes) {
    uint64_t v = 0;
    unsigned n = fuzz_left(in) < bytes ? (unsigned)fuzz_left(in) : bytes;
    memcpy(&v, in->p, n);
    in->p += n;
    return v;
}
static inline uint8_t fuzz_u8(FuzzInput *in) {
    return (uint8_t)fuzz_take(in, 1);
}
static inline uint32_t fuzz_u32(FuzzInput *in) {
    return (uint32_t)fuzz_take(in, 4);
}

/* A name for files or a folder: TMPDIR, or /tmp, and `name` behind it. Owns: the caller frees. */
static inline char *fuzz_tmp_name(const char *name) {
    const char *dir = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dir && dir[0] ? dir : "/tmp", name) < 0) {
        abort();
    }
    return path;
}

enum { FUZZ_RAM_BASE = 0x80000000, FUZZ_RAM_SIZE = 16 << 20, FUZZ_DISK_SIZE = 256 << 10 };

/* A file of FUZZ_DISK_SIZE bytes that nobody else sees; its name is /proc/self/fd/N. */
int fuzz_make_file(const void *data, size_t size);

/* Machine virt with every device it can have; its harts never run. */
Machine *fuzz_machine_new(bool legacy);
/* As after power-on, but RAM keeps what it holds. Pending work is done first. */
void fuzz_machine_reset(Machine *m);
/* One turn of the main loop. */
void fuzz_machine_turn(Machine *m);

#endif
