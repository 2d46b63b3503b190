/* SPDX-License-Identifier: MIT */
/*
 * Overlay: snapshot=on. Writes go to a temporary file, the image stays as it is.
 *
 *   cluster   0    1    2    3    4    a read takes each cluster from the newest place;
 *   image     a    b    c    d    e    a write of a part copies the rest of it first
 *   slot      0    2    1    0    0    0: in the image
 *   temp           C    B              slot n is the n-th cluster of the temporary file
 *
 * History: after overlay_mark() a cluster's first write goes to a new slot, and the journal keeps
 * which slot it had. To go back to a mark is to undo the journal from its end; when the oldest mark
 * is dropped the slots of its records are free again.
 *
 *   journal   | c1: 2 | c3: 0 | c1: 5 | c0: 0 |
 *             ^ mark 0        ^ mark 1         ^ now
 *
 * Invariants: `fresh` has a cluster's bit exactly if the journal has a record of it since the last
 * mark. A slot is the place of one cluster, in one record, or on the free list.
 */
#ifndef VITRINE_BLOCK_OVERLAY_H
#define VITRINE_BLOCK_OVERLAY_H

#include "block/raw.h"

enum { OVERLAY_CLUSTER = 4096 };

typedef struct OverlayRecord {
    uint32_t cluster, slot; /* the one it had before */
} OverlayRecord;

typedef struct Overlay {
    RawFile temp;
    RawFile *base;  /* borrowed */
    uint64_t size;  /* bytes of the disk */
    uint32_t *slot; /* of each cluster; 0: in the image */
    uint32_t slot_count;
    uint32_t *free_slot; /* stack */
    size_t free_count, free_cap;
    bool history;    /* there is a mark */
    uint64_t *fresh; /* bit c: cluster c has its slot since the last mark */
    OverlayRecord *journal;
    size_t journal_count, journal_cap;
    uint64_t journal_first; /* number of journal[0] */
} Overlay;

bool overlay_open(Overlay *ov, RawFile *base, uint64_t size, const char *tmp_dir,
                  Error **errp);
void overlay_close(Overlay *ov);
uint64_t overlay_clusters(const Overlay *ov);
/* True if the cluster is not the image's. */
bool overlay_has(const Overlay *ov, uint64_t cluster);
/* 0 or -errno; the range lies inside the disk. */
int overlay_read(Overlay *ov, uint64_t offset, void *buf, uint64_t len);
int overlay_write(Overlay *ov, uint64_t offset, const void *buf, uint64_t len);
int overlay_write_zeroes(Overlay *ov, uint64_t offset, uint64_t len);

/* The contents of now, to go back to: a number for the two below. */
uint64_t overlay_mark(Overlay *ov);
/* Back to the contents of a mark, which stays; later ones are void. Cannot fail. */
void overlay_rewind(Overlay *ov, uint64_t mark);
/* Marks before this one are void; UINT64_MAX: all of them, history ends. */
void overlay_forget(Overlay *ov, uint64_t mark);
/* What the marks cost: bytes of memory and of the temporary file. */
uint64_t overlay_history_bytes(const Overlay *ov);

#endif
