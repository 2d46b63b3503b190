/* SPDX-License-Identifier: MIT */
/*
 * Block: a disk image on the host as a device sees it.
 *
 *   virtio-blk --blk_read/write/flush()--> BlockBackend --+--> raw file
 *                                        with snapshot=on '--> overlay --> raw file
 *
 * Requests are done when the call returns. Errors are negative errno values for the
 * device to report to the guest in its own words; the first host error of each kind is
 * also told to options.report.
 * Locks: the machine lock.
 */
#ifndef VITRINE_BLOCK_BLOCK_H
#define VITRINE_BLOCK_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/error.h"

enum { SECTOR_SIZE = 512 };

typedef struct BlockBackend BlockBackend;

typedef struct BlockOptions {
    const char *id; /* may be NULL */
    const char *file;
    const char *format; /* "raw" or NULL */
    bool read_only;
    bool snapshot; /* writes go to a temporary overlay and are forgotten */
    bool discard;  /* discard=unmap: discards make holes in the file; else nothing */
    /* Where overlays are made ($TMPDIR); NULL: /var/tmp, else /tmp. */
    const char *tmp_dir;
    /* Told once for each kind of host error ("writing 'x.img': No space left on
     * device"). May be NULL. Called under the machine lock. */
    void (*report)(void *opaque, const char *message);
    void *report_opaque;
} BlockOptions;

/* Copies what it keeps of the options. Errors: cannot open, not a file or block
 * device, another format, in use by another process, no overlay. */
BlockBackend *blk_open(const BlockOptions *options, Error **errp);
void blk_close(BlockBackend *blk); /* flushes */
const char *blk_id(const BlockBackend *blk);
const char *blk_file(const BlockBackend *blk);
uint64_t blk_size(
    const BlockBackend *blk); /* bytes, rounded up to a sector: the rest reads as 0 */
bool blk_read_only(const BlockBackend *blk);
/* 0 or -errno. Offsets and lengths in bytes, any alignment; outside the image:
 * -EINVAL; a write to a read-only one: -EACCES. */
int blk_read(BlockBackend *blk, uint64_t offset, void *buf, uint64_t len);
int blk_write(BlockBackend *blk, uint64_t offset, const void *buf, uint64_t len);
int blk_readv(BlockBackend *blk, uint64_t offset, const struct iovec *iov,
              unsigned count);
int blk_writev(BlockBackend *blk, uint64_t offset, const struct iovec *iov,
               unsigned count);
int blk_flush(BlockBackend *blk); /* data are on the host's disk when it returns */
int blk_discard(BlockBackend *blk, uint64_t offset, uint64_t len);
int blk_write_zeroes(BlockBackend *blk, uint64_t offset, uint64_t len);

/* --- overlay.c's parts that snapshots need -------------------------------------------- */

enum { BLK_CLUSTER = 4096 };

/* The drive has snapshot=on: what the guest wrote is in an overlay. */
bool blk_has_overlay(const BlockBackend *blk);
/* What the image is: bytes, and when it was last changed on the host. */
void blk_identity(const BlockBackend *blk, uint64_t *size, int64_t *mtime_ns);
/* The first cluster of the overlay from `cluster` on; false: none. */
bool blk_overlay_next(const BlockBackend *blk, uint64_t *cluster);
/* Bytes of a cluster: BLK_CLUSTER but for the last of the disk. */
uint64_t blk_cluster_bytes(const BlockBackend *blk, uint64_t cluster);

/* A second overlay, filled cluster by cluster, that then takes the first one's place; history ends
 * with that. */
typedef struct BlockRestore BlockRestore;
BlockRestore *blk_restore_begin(BlockBackend *blk, Error **errp);
bool blk_restore_cluster(BlockRestore *r, uint64_t cluster, const void *bytes,
                         Error **errp);
void blk_restore_commit(BlockRestore *r); /* Owns: frees r. Cannot fail */
void blk_restore_abort(BlockRestore *r);  /* Owns: frees r; NULL: nothing */

/* See overlay.h; the drive has one. */
uint64_t blk_mark(BlockBackend *blk);
void blk_rewind(BlockBackend *blk, uint64_t mark);
void blk_forget(BlockBackend *blk, uint64_t mark);
uint64_t blk_history_bytes(const BlockBackend *blk);

#endif
