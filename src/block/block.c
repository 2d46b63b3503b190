/* SPDX-License-Identifier: MIT */
/*
 * BlockBackend: checks the range, passes the request to the file or the overlay, reports
 * errors.
 *
 * Not modelled: formats other than raw; aio, cache modes (writes go to the host's page
 * cache, flush is fdatasync: QEMU's cache=writeback); throttling; werror and rerror
 * (errors go to the guest).
 */
#include "block/block.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "block/overlay.h"
#include "block/raw.h"

typedef enum BlockAction {
    BLOCK_READ,
    BLOCK_WRITE,
    BLOCK_FLUSH,
    BLOCK_ACTION_COUNT
} BlockAction;

struct BlockBackend {
    char *id, *file, *tmp_dir;
    RawFile raw;
    Overlay overlay;
    bool snapshot, read_only, discard;
    uint64_t size;
    void (*report)(void *opaque, const char *message);
    void *report_opaque;
    int reported
        [BLOCK_ACTION_COUNT]; /* the error that was told last, so that it is told once */
};

/* Tells about a host error, once as long as it stays the same one. Returns rc. */
static int blk_result(BlockBackend *blk, BlockAction action, int rc) {
    static const char *const words[BLOCK_ACTION_COUNT] = {"reading", "writing",
                                                          "flushing"};
    if (rc == 0 || blk->reported[action] == rc) {
        return rc;
    }
    blk->reported[action] = rc;
    if (blk->report != NULL) {
        char text[512];
        snprintf(text, sizeof(text),
                 "%s disk image '%s': %s; the guest sees an I/O error", words[action],
                 blk->file, strerror(-rc));
        blk->report(blk->report_opaque, text);
    }
    return rc;
}

/* Refuses what is not raw; a qcow2 file given without format= is surely a mistake. */
static bool blk_check_format(const BlockOptions *o, RawFile *raw, Error **errp) {
    if (o->format != NULL && strcmp(o->format, "raw") != 0) {
        error_set(
            errp,
            "image format '%s' of '%s' is not supported; 'qemu-img convert -O raw' makes "
            "a raw image",
            o->format, o->file);
        return false;
    }
    static const char qcow_magic[4] = "QFI\xfb";
    char magic[4];
    if (o->format == NULL && raw->length >= sizeof(magic) &&
        raw_read(raw, 0, magic, sizeof(magic)) == 0 &&
        memcmp(magic, qcow_magic, 4) == 0) {
        error_set(
            errp,
            "'%s' is a qcow2 image, which is not supported; 'qemu-img convert -O raw' "
            "makes a raw image, format=raw takes it as it is",
            o->file);
        return false;
    }
    return true;
}

BlockBackend *blk_open(const BlockOptions *o, Error **errp) {
    BlockBackend *blk = calloc(1, sizeof(*blk));
    if (blk == NULL) {
        error_set(errp, "out of memory");
        return NULL;
    }
    blk->id = o->id != NULL ? strdup(o->id) : NULL;
    blk->file = strdup(o->file != NULL ? o->file : "");
    blk->read_only = o->read_only;
    blk->discard = o->discard;
    blk->report = o->report;
    blk->report_opaque = o->report_opaque;
    blk->raw.fd = -1;
    if (!raw_open(&blk->raw, blk->file, o->read_only || o->snapshot, errp)) {
        goto out_free;
    }
    if (!blk_check_format(o, &blk->raw, errp)) {
        goto out_close;
    }
    blk->size = (blk->raw.length + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
    if (o->snapshot) {
        if (!overlay_open(&blk->overlay, &blk->raw, blk->size, o->tmp_dir, errp)) {
            goto out_close;
        }
        blk->snapshot = true;
        blk->tmp_dir = o->tmp_dir != NULL ? strdup(o->tmp_dir) : NULL;
    }
    return blk;

out_close:
    raw_close(&blk->raw);
out_free:
    free(blk->id);
    free(blk->file);
    free(blk);
    return NULL;
}

void blk_close(BlockBackend *blk) {
    if (blk == NULL) {
        return;
    }
    if (blk->snapshot) {
        overlay_close(&blk->overlay);
    } else if (!blk->read_only) {
        blk_flush(blk);
    }
    raw_close(&blk->raw);
    free(blk->tmp_dir);
    free(blk->id);
    free(blk->file);
    free(blk);
}

const char *blk_id(const BlockBackend *blk) {
    return blk->id;
}

const char *blk_file(const BlockBackend *blk) {
    return blk->file;
}

uint64_t blk_size(const BlockBackend *blk) {
    return blk->size;
}

bool blk_read_only(const BlockBackend *blk) {
    return blk->read_only;
}

static bool blk_in_range(const BlockBackend *blk, uint64_t offset, uint64_t len) {
    return offset <= blk->size && len <= blk->size - offset;
}

/* The sum of the lengths; false if it is more than the disk could hold. */
static bool iov_length(const BlockBackend *blk, const struct iovec *iov, unsigned count,
                       uint64_t *len) {
    *len = 0;
    for (unsigned i = 0; i < count; i++) {
        if (iov[i].iov_len > blk->size - *len) {
            return false;
        }
        *len += iov[i].iov_len;
    }
    return true;
}

typedef int RawVectorFn(RawFile *raw, uint64_t offset, struct iovec *iov, unsigned count);

/* Hands the raw functions a copy of the vector, in pieces, since they use it up. */
static int blk_raw_vector(BlockBackend *blk, RawVectorFn *fn, uint64_t offset,
                          const struct iovec *iov, unsigned count) {
    enum { PIECE = 64 };
    while (count > 0) {
        struct iovec piece[PIECE];
        unsigned n = count < PIECE ? count : PIECE;
        uint64_t len = 0;
        for (unsigned i = 0; i < n; i++) {
            piece[i] = iov[i];
            len += iov[i].iov_len;
        }
        int rc = fn(&blk->raw, offset, piece, n);
        if (rc != 0) {
            return rc;
        }
        offset += len;
        iov += n;
        count -= n;
    }
    return 0;
}

int blk_readv(BlockBackend *blk, uint64_t offset, const struct iovec *iov,
              unsigned count) {
    uint64_t len;
    if (!iov_length(blk, iov, count, &len) || !blk_in_range(blk, offset, len)) {
        return -EINVAL;
    }
    int rc = 0;
    if (blk->snapshot) {
        for (unsigned i = 0; i < count && rc == 0; i++) {
            rc = overlay_read(&blk->overlay, offset, iov[i].iov_base, iov[i].iov_len);
            offset += iov[i].iov_len;
        }
    } else {
        rc = blk_raw_vector(blk, raw_readv, offset, iov, count);
    }
    return blk_result(blk, BLOCK_READ, rc);
}

int blk_writev(BlockBackend *blk, uint64_t offset, const struct iovec *iov,
               unsigned count) {
    uint64_t len;
    if (!iov_length(blk, iov, count, &len) || !blk_in_range(blk, offset, len)) {
        return -EINVAL;
    }
    if (blk->read_only) {
        return -EACCES;
    }
    int rc = 0;
    if (blk->snapshot) {
        for (unsigned i = 0; i < count && rc == 0; i++) {
            rc = overlay_write(&blk->overlay, offset, iov[i].iov_base, iov[i].iov_len);
            offset += iov[i].iov_len;
        }
    } else {
        rc = blk_raw_vector(blk, raw_writev, offset, iov, count);
    }
    return blk_result(blk, BLOCK_WRITE, rc);
}

int blk_read(BlockBackend *blk, uint64_t offset, void *buf, uint64_t len) {
    struct iovec iov = {buf, len};
    return blk_readv(blk, offset, &iov, 1);
}

int blk_write(BlockBackend *blk, uint64_t offset, const void *buf, uint64_t len) {
    struct iovec iov = {(void *)buf, len};
    return blk_writev(blk, offset, &iov, 1);
}

int blk_flush(BlockBackend *blk) {
    if (blk->snapshot || blk->read_only) {
        return 0;
    }
    return blk_result(blk, BLOCK_FLUSH, raw_flush(&blk->raw));
}

int blk_discard(BlockBackend *blk, uint64_t offset, uint64_t len) {
    if (!blk_in_range(blk, offset, len)) {
        return -EINVAL;
    }
    if (blk->read_only) {
        return -EACCES;
    }
    if (!blk->discard || blk->snapshot || len == 0) {
        return 0;
    }
    return blk_result(blk, BLOCK_WRITE, raw_punch(&blk->raw, offset, len));
}

int blk_write_zeroes(BlockBackend *blk, uint64_t offset, uint64_t len) {
    if (!blk_in_range(blk, offset, len)) {
        return -EINVAL;
    }
    if (blk->read_only) {
        return -EACCES;
    }
    int rc = blk->snapshot ? overlay_write_zeroes(&blk->overlay, offset, len)
                           : raw_write_zeroes(&blk->raw, offset, len);
    return blk_result(blk, BLOCK_WRITE, rc);
}

/* --- snapshots ------------------------------------------------------------------------ */

_Static_assert((int)BLK_CLUSTER == (int)OVERLAY_CLUSTER, "the overlay's clusters");

struct BlockRestore {
    BlockBackend *blk;
    Overlay overlay;
};

bool blk_has_overlay(const BlockBackend *blk) {
    return blk->snapshot;
}

void blk_identity(const BlockBackend *blk, uint64_t *size, int64_t *mtime_ns) {
    struct stat st;
    *size = blk->size;
    *mtime_ns = fstat(blk->raw.fd, &st) == 0
                    ? (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec
                    : 0;
}

bool blk_overlay_next(const BlockBackend *blk, uint64_t *cluster) {
    uint64_t end = overlay_clusters(&blk->overlay);
    while (*cluster < end && !overlay_has(&blk->overlay, *cluster)) {
        (*cluster)++;
    }
    return *cluster < end;
}

uint64_t blk_cluster_bytes(const BlockBackend *blk, uint64_t cluster) {
    uint64_t start = cluster * BLK_CLUSTER;
    if (start >= blk->size) {
        return 0;
    }
    return blk->size - start < BLK_CLUSTER ? blk->size - start : BLK_CLUSTER;
}

BlockRestore *blk_restore_begin(BlockBackend *blk, Error **errp) {
    BlockRestore *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        error_set(errp, "out of memory");
        return NULL;
    }
    r->blk = blk;
    if (!overlay_open(&r->overlay, &blk->raw, blk->size, blk->tmp_dir, errp)) {
        free(r);
        return NULL;
    }
    return r;
}

bool blk_restore_cluster(BlockRestore *r, uint64_t cluster, const void *bytes,
                         Error **errp) {
    int rc = overlay_write(&r->overlay, cluster * BLK_CLUSTER, bytes,
                           blk_cluster_bytes(r->blk, cluster));
    if (rc != 0) {
        error_set_errno(errp, -rc, "cannot write the overlay of disk image '%s'",
                        r->blk->file);
    }
    return rc == 0;
}

void blk_restore_commit(BlockRestore *r) {
    overlay_close(&r->blk->overlay);
    r->blk->overlay = r->overlay;
    free(r);
}

void blk_restore_abort(BlockRestore *r) {
    if (r != NULL) {
        overlay_close(&r->overlay);
        free(r);
    }
}

uint64_t blk_mark(BlockBackend *blk) {
    return overlay_mark(&blk->overlay);
}

void blk_rewind(BlockBackend *blk, uint64_t mark) {
    overlay_rewind(&blk->overlay, mark);
}

void blk_forget(BlockBackend *blk, uint64_t mark) {
    overlay_forget(&blk->overlay, mark);
}

uint64_t blk_history_bytes(const BlockBackend *blk) {
    return overlay_history_bytes(&blk->overlay);
}
