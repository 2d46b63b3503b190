/* SPDX-License-Identifier: MIT */
/*
 * Snapshot, read: three passes over a file in memory.
 *
 *   1. whole?   magic, version, XXH3-128 of everything, sections in order
 *   2. ours?    identity, drives, each field, each chunk uncompressed on trial
 *   3. load     overlays (beside the old ones), then RAM, then fields: what can fail comes first
 *
 * The hash finds damage, not malice: every length and number is checked as if there were none.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "state/fields.h"
#include "state/identity.h"
#include "state/ram.h"
#include "state/snapfile.h"
#include "state/snapshot.h"

enum { NAME_SIZE = SNAPSHOT_SECTION_NAME, WORD_BITS = 64 };

/* The sections, in the order of the file. */
typedef enum Part {
    PART_INFO,
    PART_IDENTITY,
    PART_CLOCK,
    PART_FIELDS,
    PART_DRIVES,
    PART_RAM,
    PART_DISK,
    PART_END,
    PART_UNKNOWN
} Part;

typedef struct Section {
    Part part;
    char name[NAME_SIZE];
    uint32_t number; /* of ram/N and disk/N */
    ByteReader bytes;
} Section;

/* A chunk of pages, uncompressed. */
typedef struct Chunk {
    uint32_t count;
    uint64_t page[SNAPSHOT_CHUNK_PAGES];
    uint8_t *bytes; /* SNAPSHOT_CHUNK_BYTES */
} Chunk;

typedef struct Loader {
    Machine *m;
    ByteReader sections; /* from the first one to behind the last */
    ByteReader clock, fields;
    Chunk chunk;
    ZSTD_DCtx *zstd;
    BlockRestore *restore[MACHINE_MAX_LIST];
    uint64_t **seen; /* of each RAM block: bit p: page p is in the file */
    unsigned block_count;
    RamScan scan;
} Loader;

/* --- sections ------------------------------------------------------------------------- */

static bool numbered(const char *name, const char *prefix, uint32_t *number) {
    size_t n = strlen(prefix);
    char *end;
    if (strncmp(name, prefix, n) || name[n] < '0' || name[n] > '9') {
        return false;
    }
    unsigned long value = strtoul(name + n, &end, 10);
    *number = (uint32_t)value;
    return *end == '\0' && value < MACHINE_MAX_LIST;
}

static Part part_of(const char *name, uint32_t *number) {
    static const char *const names[] = {
        [PART_INFO] = "info",     [PART_IDENTITY] = "identity", [PART_CLOCK] = "clock",
        [PART_FIELDS] = "fields", [PART_DRIVES] = "drives",     [PART_END] = "end"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i] && !strcmp(name, names[i])) {
            return (Part)i;
        }
    }
    return numbered(name, "ram/", number)    ? PART_RAM
           : numbered(name, "disk/", number) ? PART_DISK
                                             : PART_UNKNOWN;
}

static bool next_section(ByteReader *r, Section *s) {
    *s = (Section){.part = PART_UNKNOWN};
    reader_text(r, s->name, sizeof(s->name));
    s->bytes = reader_part(r, reader_number(r, sizeof(uint64_t)));
    if (r->failed) {
        return false;
    }
    s->part = part_of(s->name, &s->number);
    return true;
}

/* --- pass 1: whole? ------------------------------------------------------------------- */

static bool check_whole(ByteReader *sections, const uint8_t *data, size_t size,
                        Error **errp) {
    ByteReader r = {data, data + size, false};
    const uint8_t *magic = reader_take(&r, SNAPSHOT_MAGIC_BYTES);
    if (!magic || memcmp(magic, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_BYTES)) {
        error_set(errp, "it is not a snapshot");
        return false;
    }
    uint32_t version = (uint32_t)reader_number(&r, sizeof(uint32_t));
    if (r.failed || reader_left(&r) < SNAPSHOT_HASH_BYTES) {
        error_set(errp, "it is cut off");
        return false;
    }
    if (version != SNAPSHOT_VERSION) {
        error_set(errp, "it has format version %u; this program reads version %u",
                  version, SNAPSHOT_VERSION);
        return false;
    }
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(data, size - SNAPSHOT_HASH_BYTES));
    if (memcmp(hash.digest, data + size - SNAPSHOT_HASH_BYTES, SNAPSHOT_HASH_BYTES)) {
        error_set(errp, "it is damaged or cut off: its checksum is wrong");
        return false;
    }
    r.end -= SNAPSHOT_HASH_BYTES;
    *sections = r;
    return true;
}

/* --- pass 2: ours? -------------------------------------------------------------------- */

static bool make_no_sense(const Section *s, Error **errp) {
    error_set(errp, "its part '%s' makes no sense", s->name);
    return false;
}

/* Uncompresses a chunk of pages whose numbers are below `limit`; *last is the largest number so far
 * in this section's block, plus one. */
static bool read_chunk(Loader *l, Section *s, uint64_t limit, uint64_t *last) {
    Chunk *c = &l->chunk;
    ByteReader r = s->bytes;
    c->count = (uint32_t)reader_number(&r, sizeof(uint32_t));
    if (c->count == 0 || c->count > SNAPSHOT_CHUNK_PAGES) {
        return false;
    }
    for (uint32_t i = 0; i < c->count; i++) {
        c->page[i] = reader_number(&r, sizeof(uint64_t));
        if (r.failed || c->page[i] < *last || c->page[i] >= limit) {
            return false;
        }
        *last = c->page[i] + 1;
    }
    size_t want = (size_t)c->count * SNAPSHOT_PAGE;
    size_t got = ZSTD_decompressDCtx(l->zstd, c->bytes, want, r.p, reader_left(&r));
    return !ZSTD_isError(got) && got == want;
}

static bool check_drive(BlockBackend *blk, ByteReader *r, Error **errp) {
    uint64_t size;
    int64_t mtime_ns;
    unsigned kind = (unsigned)reader_number(r, sizeof(uint8_t));
    uint64_t saved_size = reader_number(r, sizeof(uint64_t));
    int64_t saved_mtime = (int64_t)reader_number(r, sizeof(uint64_t));
    blk_identity(blk, &size, &mtime_ns);
    const char *id = blk_id(blk) ? blk_id(blk) : blk_file(blk);
    bool overlay = blk_has_overlay(blk);
    if (!overlay && !blk_read_only(blk)) {
        error_set(
            errp,
            "drive '%s' is written in place, so nothing can be loaded into it; give "
            "its -drive snapshot=on",
            id);
        return false;
    }
    if (kind != (overlay ? SNAPSHOT_DRIVE_OVERLAY : SNAPSHOT_DRIVE_READ_ONLY)) {
        error_set(errp, "drive '%s' was %s when it was saved", id,
                  overlay ? "read-only" : "not read-only");
        return false;
    }
    if (saved_size != size || saved_mtime != mtime_ns) {
        error_set(errp, "the disk image of drive '%s' is not the one it was saved with",
                  id);
        return false;
    }
    return true;
}

static bool check_drives(Machine *m, const Section *s, Error **errp) {
    ByteReader r = s->bytes;
    uint32_t count = (uint32_t)reader_number(&r, sizeof(uint32_t));
    if (count != m->drive_count) {
        error_set(errp, "it is of a machine with %u drives, this one has %u", count,
                  m->drive_count);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!check_drive(m->drives[i].blk, &r, errp)) {
            return false;
        }
    }
    return !r.failed && !reader_left(&r) ? true : make_no_sense(s, errp);
}

static RAMBlock *ram_block(Machine *m, uint32_t number) {
    RAMBlock *rb = m->ram_list.first;
    while (rb && number--) {
        rb = rb->next;
    }
    return rb;
}

static bool check_pages(Loader *l, Section *s, uint64_t *last, Error **errp) {
    uint64_t limit;
    if (s->part == PART_RAM) {
        const RAMBlock *rb = ram_block(l->m, s->number);
        limit = rb ? ram_pages(rb) : 0;
    } else {
        bool there =
            s->number < l->m->drive_count && blk_has_overlay(l->m->drives[s->number].blk);
        limit = there ? (blk_size(l->m->drives[s->number].blk) + BLK_CLUSTER - 1) /
                            BLK_CLUSTER
                      : 0;
    }
    return read_chunk(l, s, limit, last) ? true : make_no_sense(s, errp);
}

static bool check_section(Loader *l, Section *s, uint64_t *last, Error **errp) {
    const uint8_t *p = s->bytes.p;
    size_t n = reader_left(&s->bytes);
    switch (s->part) {
    case PART_INFO:
        return true;
    case PART_IDENTITY:
        return identity_check(l->m, p, n, errp);
    case PART_CLOCK:
        l->clock = s->bytes;
        return fields_check_clock(l->m, p, n, errp);
    case PART_FIELDS:
        l->fields = s->bytes;
        return fields_check(l->m, p, n, errp);
    case PART_DRIVES:
        return check_drives(l->m, s, errp);
    case PART_RAM:
    case PART_DISK:
        return check_pages(l, s, last, errp);
    case PART_END:
        return n == 0 ? true : make_no_sense(s, errp);
    case PART_UNKNOWN:
        break;
    }
    error_set(errp, "it has a part '%s', which is unknown here", s->name);
    return false;
}

/* Each part once, in order, but for the chunks, which come as often as needed. */
static bool in_order(const Section *before, const Section *s) {
    if (s->part == before->part && (s->part == PART_RAM || s->part == PART_DISK)) {
        return s->number >= before->number;
    }
    return s->part == before->part + 1 ||
           (before->part >= PART_DRIVES && s->part > before->part);
}

static bool check_sections(Loader *l, Error **errp) {
    ByteReader r = l->sections;
    Section s, before = {.part = PART_UNKNOWN};
    uint64_t last = 0;
    do {
        if (!next_section(&r, &s)) {
            error_set(errp, "it ends in the middle of a part");
            return false;
        }
        bool first = before.part == PART_UNKNOWN;
        if (s.part != PART_UNKNOWN &&
            (first ? s.part != PART_INFO : !in_order(&before, &s))) {
            error_set(errp, "its part '%s' is in the wrong place", s.name);
            return false;
        }
        if (s.part != before.part || s.number != before.number) {
            last = 0;
        }
        if (!check_section(l, &s, &last, errp)) {
            return false;
        }
        before = s;
    } while (s.part != PART_END);
    if (reader_left(&r)) {
        error_set(errp, "there is something behind its end");
        return false;
    }
    return true;
}

/* --- pass 3: load --------------------------------------------------------------------- */

static bool load_disks(Loader *l, Error **errp) {
    Machine *m = l->m;
    for (unsigned i = 0; i < m->drive_count; i++) {
        BlockBackend *blk = m->drives[i].blk;
        if (blk_has_overlay(blk) && !(l->restore[i] = blk_restore_begin(blk, errp))) {
            return false;
        }
    }
    ByteReader r = l->sections;
    Section s;
    while (next_section(&r, &s) && s.part != PART_END) {
        uint64_t last = 0;
        if (s.part != PART_DISK) {
            continue;
        }
        read_chunk(l, &s, UINT64_MAX, &last);
        for (uint32_t i = 0; i < l->chunk.count; i++) {
            if (!blk_restore_cluster(l->restore[s.number], l->chunk.page[i],
                                     l->chunk.bytes + (size_t)i * SNAPSHOT_PAGE, errp)) {
                return false;
            }
        }
    }
    return true;
}

static void load_ram_chunk(Loader *l, Section *s) {
    RAMBlock *rb = ram_block(l->m, s->number);
    uint64_t *seen = l->seen[s->number];
    uint64_t last = 0;
    bool ok = read_chunk(l, s, ram_pages(rb), &last);
    assert(ok); /* it was tried before */
    for (uint32_t i = 0; ok && i < l->chunk.count; i++) {
        uint64_t p = l->chunk.page[i];
        seen[p / WORD_BITS] |= UINT64_C(1) << p % WORD_BITS;
        ram_put_page(l->m, rb, p, l->chunk.bytes + (size_t)i * SNAPSHOT_PAGE);
    }
}

/* What is not in the file is zero. */
static void clear_the_rest(Loader *l) {
    unsigned number = 0;
    for (RAMBlock *rb = l->m->ram_list.first; rb; rb = rb->next, number++) {
        const uint64_t *seen = l->seen[number];
        uint64_t p;
        ram_scan_begin(&l->scan, rb);
        while (ram_next_page(&l->scan, &p)) {
            if (!(seen[p / WORD_BITS] >> p % WORD_BITS & 1)) {
                ram_put_page(l->m, rb, p, NULL);
            }
        }
        ram_scan_end(&l->scan);
    }
}

/* While a recording is replayed its log goes on from where the snapshot was. Else the run begins anew
 * here, and what is in the log belongs to another one. */
static void go_on_with_input(Machine *m, uint64_t input) {
    Error *none = NULL;
    if (!m->gate->sealed) {
        gate_restart(m->gate, input);
    } else if (!gate_seek(m->gate, input, &none)) {
        gate_seek(m->gate, gate_end(m->gate), NULL); /* behind its end: no input comes */
        error_free(none);
    }
}

/* Cannot fail. */
static void load_all(Loader *l) {
    ByteReader r = l->sections;
    Section s;
    for (unsigned i = 0; i < l->m->drive_count; i++) {
        if (l->restore[i]) {
            blk_restore_commit(l->restore[i]);
            l->restore[i] = NULL;
        }
    }
    while (next_section(&r, &s) && s.part != PART_END) {
        if (s.part == PART_RAM) {
            load_ram_chunk(l, &s);
        }
    }
    clear_the_rest(l);
    fields_load(l->m, l->clock.p, reader_left(&l->clock), l->fields.p,
                reader_left(&l->fields));
    if (cpu_group_icount_enabled(l->m->cpus)) {
        go_on_with_input(l->m, fields_input(l->clock.p, reader_left(&l->clock)));
    }
}

/* --- the loader ----------------------------------------------------------------------- */

static void loader_destroy(Loader *l) {
    for (unsigned i = 0; i < MACHINE_MAX_LIST; i++) {
        blk_restore_abort(l->restore[i]);
    }
    for (unsigned i = 0; l->seen && i < l->block_count; i++) {
        free(l->seen[i]);
    }
    free(l->seen);
    free(l->chunk.bytes);
    ZSTD_freeDCtx(l->zstd);
    free(l);
}

static bool loader_allocate(Loader *l) {
    for (const RAMBlock *rb = l->m->ram_list.first; rb; rb = rb->next) {
        l->block_count++;
    }
    l->zstd = ZSTD_createDCtx();
    l->chunk.bytes = malloc(SNAPSHOT_CHUNK_BYTES);
    l->seen = calloc(l->block_count, sizeof(*l->seen));
    bool ok = l->zstd && l->chunk.bytes && l->seen;
    for (unsigned i = 0; ok && i < l->block_count; i++) {
        l->seen[i] =
            calloc(ram_pages(ram_block(l->m, i)) / WORD_BITS + 1, sizeof(uint64_t));
        ok = l->seen[i] != NULL;
    }
    return ok;
}

static bool load_locked(Loader *l, const uint8_t *data, size_t size, Error **errp) {
    if (!loader_allocate(l)) {
        error_set(errp, "there is no memory to read it");
        return false;
    }
    if (!check_whole(&l->sections, data, size, errp) || !check_sections(l, errp) ||
        !load_disks(l, errp)) {
        return false;
    }
    load_all(l);
    return true;
}

/* A file of what came in since the start says nothing of a run that jumps. */
static bool check_recording(const Machine *m, Error **errp) {
    if (gate_has_sink(m->gate)) {
        error_set(errp,
                  "this run is being recorded (-record), and has to go on; load it in "
                  "another emulator, with -replay too if it is of this recording");
        return false;
    }
    return true;
}

bool snapshot_load_bytes(Machine *m, const char *path, const uint8_t *data, size_t size,
                         Error **errp) {
    Loader *l = calloc(1, sizeof(*l));
    bool ok = false;
    if (!l) {
        error_set(errp, "there is no memory to read it");
    } else {
        l->m = m;
        machine_lock(m);
        ok = check_recording(m, errp) && load_locked(l, data, size, errp);
        machine_unlock(m);
        loader_destroy(l);
    }
    if (!ok) {
        error_prepend(errp, "snapshot '%s': ", path);
    }
    return ok;
}

/* No snapshot of this machine is larger: what is compressed may grow a little. */
static uint64_t largest_file(const Machine *m) {
    uint64_t bytes = UINT64_C(64) << 20;
    for (const RAMBlock *rb = m->ram_list.first; rb; rb = rb->next) {
        bytes += rb->size + rb->size / 64;
    }
    for (unsigned i = 0; i < m->drive_count; i++) {
        uint64_t size = blk_size(m->drives[i].blk);
        bytes += size + size / 64;
    }
    return bytes;
}

static bool read_file(int fd, uint8_t **data, size_t *size, uint64_t limit,
                      Error **errp) {
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > limit) {
        error_set(errp, "it is not a regular file, or larger than this machine can be");
        return false;
    }
    *size = (size_t)st.st_size;
    *data = malloc(*size + 1);
    size_t done = 0;
    while (*data && done < *size) {
        ssize_t n = read(fd, *data + done, *size - done);
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            error_set_errno(errp, n < 0 ? errno : EIO, "cannot read it");
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    if (!*data) {
        error_set(errp, "there is no memory to read it");
    }
    return *data != NULL;
}

bool snapshot_load(Machine *m, const char *path, Error **errp) {
    uint8_t *data = NULL;
    size_t size;
    bool ok = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        error_set_errno(errp, errno, "cannot open the snapshot '%s'", path);
        return false;
    }
    if (!read_file(fd, &data, &size, largest_file(m), errp)) {
        error_prepend(errp, "snapshot '%s': ", path);
    } else {
        ok = snapshot_load_bytes(m, path, data, size, errp);
    }
    close(fd);
    free(data);
    return ok;
}
