/* SPDX-License-Identifier: MIT */
/*
 * Snapshot, written.
 *
 *   RAM --pages that are not zero--> chunk of 256 --zstd--> file --every byte--> XXH3-128
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "state/fields.h"
#include "state/identity.h"
#include "state/ram.h"
#include "state/snapfile.h"
#include "state/snapshot.h"

/* Fast: a snapshot is taken while somebody waits. */
enum { ZSTD_LEVEL = 1 };

typedef struct Writer {
    FILE *file;
    int error; /* errno of the first failure, or 0 */
    XXH3_state_t *hash;
    ByteBuffer head;     /* of the chunk: the numbers of its pages */
    uint8_t *raw;        /* SNAPSHOT_CHUNK_BYTES */
    uint8_t *compressed; /* ZSTD_compressBound() of that */
    ZSTD_CCtx *zstd;
    unsigned pages; /* in the chunk */
    RamScan scan;
} Writer;

static void put(Writer *w, const void *data, size_t n) {
    if (!w->error && n && fwrite(data, 1, n, w->file) != n) {
        w->error = errno ? errno : EIO;
    }
    XXH3_128bits_update(w->hash, data, n);
}

static void put_section(Writer *w, const char *name, const ByteBuffer *a, const void *b,
                        size_t b_len) {
    ByteBuffer head = {0};
    buffer_add_text(&head, name);
    buffer_add_number(&head, a->len + b_len, sizeof(uint64_t));
    if (head.failed || a->failed) {
        w->error = w->error ? w->error : ENOMEM;
    } else {
        put(w, head.data, head.len);
        put(w, a->data, a->len);
        put(w, b, b_len);
    }
    buffer_free(&head);
}

/* --- chunks of pages ------------------------------------------------------------------ */

static void flush_chunk(Writer *w, const char *section) {
    if (!w->pages) {
        return;
    }
    size_t bytes = (size_t)w->pages * SNAPSHOT_PAGE;
    size_t n = ZSTD_compressCCtx(w->zstd, w->compressed, ZSTD_compressBound(bytes),
                                 w->raw, bytes, ZSTD_LEVEL);
    if (ZSTD_isError(n)) {
        w->error = w->error ? w->error : ENOMEM;
    } else {
        ByteBuffer count = {0};
        buffer_add_number(&count, w->pages, sizeof(uint32_t));
        buffer_add(&count, w->head.data, w->head.len);
        count.failed |= w->head.failed;
        put_section(w, section, &count, w->compressed, n);
        buffer_free(&count);
    }
    w->pages = 0;
    w->head.len = 0;
}

/* Where the next page goes; its number is noted. */
static uint8_t *next_in_chunk(Writer *w, const char *section, uint64_t page) {
    if (w->pages == SNAPSHOT_CHUNK_PAGES) {
        flush_chunk(w, section);
    }
    buffer_add_number(&w->head, page, sizeof(uint64_t));
    return w->raw + (size_t)w->pages++ * SNAPSHOT_PAGE;
}

static void put_ram(Writer *w, const RAMBlock *rb, unsigned number) {
    char section[SNAPSHOT_SECTION_NAME];
    uint64_t page;
    snprintf(section, sizeof(section), "ram/%u", number);
    ram_scan_begin(&w->scan, rb);
    while (ram_next_page(&w->scan, &page)) {
        memcpy(next_in_chunk(w, section, page), ram_page(rb, page), PAGE_SIZE);
    }
    ram_scan_end(&w->scan);
    flush_chunk(w, section);
}

static bool put_disk(Writer *w, BlockBackend *blk, unsigned number, Error **errp) {
    char section[SNAPSHOT_SECTION_NAME];
    snprintf(section, sizeof(section), "disk/%u", number);
    for (uint64_t c = 0; blk_overlay_next(blk, &c); c++) {
        uint8_t *to = next_in_chunk(w, section, c);
        uint64_t n = blk_cluster_bytes(blk, c);
        memset(to, 0, BLK_CLUSTER);
        int rc = blk_read(blk, c * BLK_CLUSTER, to, n);
        if (rc != 0) {
            error_set_errno(errp, -rc, "cannot read back the overlay of '%s'",
                            blk_file(blk));
            return false;
        }
    }
    flush_chunk(w, section);
    return true;
}

/* --- the file ------------------------------------------------------------------------- */

static bool check_drives(const Machine *m, Error **errp) {
    for (unsigned i = 0; i < m->drive_count; i++) {
        const BlockBackend *blk = m->drives[i].blk;
        if (!blk_has_overlay(blk) && !blk_read_only(blk)) {
            error_set(
                errp,
                "drive '%s' is written in place, so it could not be taken back; give "
                "its -drive snapshot=on or readonly=on",
                blk_id(blk) ? blk_id(blk) : blk_file(blk));
            return false;
        }
    }
    return true;
}

static void put_info(Writer *w, Machine *m, const char *name) {
    struct timespec now;
    ByteBuffer b = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    buffer_add_text(&b, name);
    buffer_add_number(&b, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
                      sizeof(uint64_t));
    buffer_add_number(&b, (uint64_t)clock_now_ns(&m->clock), sizeof(uint64_t));
    buffer_add_number(&b, cpu_group_icount(m->cpus), sizeof(uint64_t));
    put_section(w, "info", &b, NULL, 0);
    buffer_free(&b);
}

static void put_drives(Writer *w, const Machine *m) {
    ByteBuffer b = {0};
    buffer_add_number(&b, m->drive_count, sizeof(uint32_t));
    for (unsigned i = 0; i < m->drive_count; i++) {
        uint64_t size;
        int64_t mtime_ns;
        blk_identity(m->drives[i].blk, &size, &mtime_ns);
        buffer_add_number(&b,
                          blk_has_overlay(m->drives[i].blk) ? SNAPSHOT_DRIVE_OVERLAY
                                                            : SNAPSHOT_DRIVE_READ_ONLY,
                          sizeof(uint8_t));
        buffer_add_number(&b, size, sizeof(uint64_t));
        buffer_add_number(&b, (uint64_t)mtime_ns, sizeof(uint64_t));
    }
    put_section(w, "drives", &b, NULL, 0);
    buffer_free(&b);
}

static void put_buffer(Writer *w, Machine *m, const char *section,
                       void (*fill)(Machine *m, ByteBuffer *out)) {
    ByteBuffer b = {0};
    fill(m, &b);
    put_section(w, section, &b, NULL, 0);
    buffer_free(&b);
}

static bool put_machine(Writer *w, Machine *m, const char *name, Error **errp) {
    uint8_t version[sizeof(uint32_t)] = {SNAPSHOT_VERSION};
    const ByteBuffer nothing = {0};
    put(w, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_BYTES);
    put(w, version, sizeof(version));
    put_info(w, m, name);
    put_buffer(w, m, "identity", identity_describe);
    put_buffer(w, m, "clock", fields_save_clock);
    put_buffer(w, m, "fields", fields_save);
    put_drives(w, m);
    unsigned number = 0;
    for (const RAMBlock *rb = m->ram_list.first; rb; rb = rb->next) {
        put_ram(w, rb, number++);
    }
    for (unsigned i = 0; i < m->drive_count; i++) {
        BlockBackend *blk = m->drives[i].blk;
        if (blk_has_overlay(blk) && !put_disk(w, blk, i, errp)) {
            return false;
        }
    }
    put_section(w, "end", &nothing, NULL, 0);
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits_digest(w->hash));
    put(w, hash.digest, sizeof(hash.digest));
    return true;
}

static void writer_destroy(Writer *w) {
    XXH3_freeState(w->hash);
    ZSTD_freeCCtx(w->zstd);
    buffer_free(&w->head);
    free(w->raw);
    free(w->compressed);
    free(w);
}

static Writer *writer_new(Error **errp) {
    Writer *w = calloc(1, sizeof(*w));
    if (w) {
        w->hash = XXH3_createState();
        w->zstd = ZSTD_createCCtx();
        w->raw = malloc(SNAPSHOT_CHUNK_BYTES);
        w->compressed = malloc(ZSTD_compressBound(SNAPSHOT_CHUNK_BYTES));
    }
    if (!w || !w->hash || !w->zstd || !w->raw || !w->compressed) {
        error_set(errp, "no memory to write a snapshot");
        if (w) {
            writer_destroy(w);
        }
        return NULL;
    }
    XXH3_128bits_reset(w->hash);
    return w;
}

/* Makes a rename last through a power cut; a file system that cannot do it is no reason to fail. */
static void sync_directory(const char *path) {
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(copy);
}

/* Data to the disk, then the name. */
static bool finish(Writer *w, const char *temp, const char *path, Error **errp) {
    if (!w->error && (fflush(w->file) || fsync(fileno(w->file)))) {
        w->error = errno;
    }
    if (fclose(w->file) && !w->error) {
        w->error = errno;
    }
    w->file = NULL;
    if (!w->error && rename(temp, path)) {
        w->error = errno;
    }
    if (w->error) {
        error_set_errno(errp, w->error, "cannot write the snapshot '%s'", path);
        return false;
    }
    sync_directory(path);
    return true;
}

/* A file of its own beside `path`, which only the user can read: guests have secrets. */
static FILE *open_temporary(const char *path, char **temp, Error **errp) {
    if (asprintf(temp, "%s.XXXXXX", path) < 0) {
        *temp = NULL;
        error_set(errp, "no memory to write a snapshot");
        return NULL;
    }
    int fd = mkostemp(*temp, O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!file) {
        error_set_errno(errp, errno, "cannot make the snapshot '%s'", path);
        free(*temp);
        *temp = NULL;
    }
    return file;
}

bool snapshot_save(Machine *m, const char *path, const char *name, Error **errp) {
    char *temp = NULL;
    Writer *w = NULL;
    machine_lock(m);
    bool ok = check_drives(m, errp) && (w = writer_new(errp)) != NULL &&
              (w->file = open_temporary(path, &temp, errp)) != NULL &&
              put_machine(w, m, name, errp);
    machine_unlock(m);
    if (ok) {
        ok = finish(w, temp, path, errp);
    }
    if (!ok && temp) {
        unlink(temp);
    }
    if (w) {
        if (w->file) {
            fclose(w->file);
        }
        writer_destroy(w);
    }
    free(temp);
    return ok;
}
