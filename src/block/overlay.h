/* SPDX-License-Identifier: MIT */
/*
 * Overlay: snapshot=on. Writes go to a temporary file of the same layout, the image stays
 * as it is.
 *
 *   cluster   0    1    2    3    4    a read takes each cluster from the newest place;
 *   image     a    b    c    d    e    a write of a part copies the rest of it first
 *   written   0    1    1    0    0
 *   temp      .    B    C    .    .    (sparse)
 */
#ifndef VITRINE_BLOCK_OVERLAY_H
#define VITRINE_BLOCK_OVERLAY_H

#include "block/raw.h"

enum { OVERLAY_CLUSTER = 4096 };

typedef struct Overlay {
    RawFile temp;
    RawFile *base;     /* borrowed */
    uint64_t size;     /* bytes of the disk */
    uint64_t *written; /* bit c: cluster c is in temp */
} Overlay;

bool overlay_open(Overlay *ov, RawFile *base, uint64_t size, const char *tmp_dir,
                  Error **errp);
void overlay_close(Overlay *ov);
/* 0 or -errno; the range lies inside the disk. */
int overlay_read(Overlay *ov, uint64_t offset, void *buf, uint64_t len);
int overlay_write(Overlay *ov, uint64_t offset, const void *buf, uint64_t len);
int overlay_write_zeroes(Overlay *ov, uint64_t offset, uint64_t len);

#endif
