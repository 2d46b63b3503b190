/* SPDX-License-Identifier: MIT */
/*
 * Overlay: a cluster gets its slot only after its bytes are there, so that a failed write leaves
 * the old contents.
 *
 * Spec: none; the layout of the temporary file is nobody else's.
 */
#include "block/overlay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64, RUN_CLUSTERS = 256 };

static const uint8_t zeros[OVERLAY_CLUSTER];

uint64_t overlay_clusters(const Overlay *ov) {
    return (ov->size + OVERLAY_CLUSTER - 1) / OVERLAY_CLUSTER;
}

bool overlay_has(const Overlay *ov, uint64_t cluster) {
    return ov->slot[cluster] != 0;
}

static uint64_t slot_offset(uint32_t slot) {
    return (uint64_t)(slot - 1) * OVERLAY_CLUSTER;
}

static bool is_fresh(const Overlay *ov, uint64_t c) {
    return ov->fresh[c / WORD_BITS] >> (c % WORD_BITS) & 1;
}

static void set_fresh(Overlay *ov, uint64_t c, bool on) {
    uint64_t bit = UINT64_C(1) << (c % WORD_BITS);
    uint64_t *word = &ov->fresh[c / WORD_BITS];
    *word = on ? *word | bit : *word & ~bit;
}

bool overlay_open(Overlay *ov, RawFile *base, uint64_t size, const char *tmp_dir,
                  Error **errp) {
    *ov = (Overlay){.base = base, .size = size, .temp.fd = -1};
    uint64_t clusters = overlay_clusters(ov);
    if (clusters < UINT32_MAX) {
        ov->slot = calloc(clusters + 1, sizeof(*ov->slot));
        ov->fresh = calloc(clusters / WORD_BITS + 1, sizeof(*ov->fresh));
    }
    if (ov->slot == NULL || ov->fresh == NULL) {
        error_set(errp, "no memory for the snapshot overlay of a disk of %llu bytes",
                  (unsigned long long)size);
        goto out_free;
    }
    if (!raw_open_temporary(&ov->temp, tmp_dir, errp)) {
        goto out_free;
    }
    return true;

out_free:
    free(ov->slot);
    free(ov->fresh);
    *ov = (Overlay){.temp.fd = -1};
    return false;
}

void overlay_close(Overlay *ov) {
    if (ov->slot != NULL) {
        raw_close(&ov->temp);
        free(ov->slot);
        free(ov->fresh);
        free(ov->free_slot);
        free(ov->journal);
    }
}

/* --- reading -------------------------------------------------------------------------- */

/* How many clusters from c on, at most `max`, lie behind each other where c does. */
static uint64_t run_length(const Overlay *ov, uint64_t c, uint64_t max) {
    uint32_t first = ov->slot[c];
    uint64_t n = 1;
    while (n < max && ov->slot[c + n] == (first ? first + (uint32_t)n : 0)) {
        n++;
    }
    return n;
}

int overlay_read(Overlay *ov, uint64_t offset, void *buf, uint64_t len) {
    char *out = buf;
    while (len > 0) {
        uint64_t c = offset / OVERLAY_CLUSTER, skip = offset % OVERLAY_CLUSTER;
        uint64_t run =
            run_length(ov, c, (skip + len + OVERLAY_CLUSTER - 1) / OVERLAY_CLUSTER);
        uint64_t n = run * OVERLAY_CLUSTER - skip;
        n = n < len ? n : len;
        int rc = ov->slot[c]
                     ? raw_read(&ov->temp, slot_offset(ov->slot[c]) + skip, out, n)
                     : raw_read(ov->base, offset, out, n);
        if (rc != 0) {
            return rc;
        }
        out += n;
        offset += n;
        len -= n;
    }
    return 0;
}

/* --- slots ---------------------------------------------------------------------------- */

static bool grow(void **array, size_t *cap, size_t count, size_t element) {
    if (count < *cap) {
        return true;
    }
    size_t more = *cap ? *cap * 2 : 64;
    void *p = realloc(*array, more * element);
    if (p == NULL) {
        return false;
    }
    *array = p;
    *cap = more;
    return true;
}

/* Room for one more record and for all slots there may be on the free list, so that going back
 * cannot fail. */
static bool reserve(Overlay *ov) {
    return grow((void **)&ov->journal, &ov->journal_cap, ov->journal_count,
                sizeof(*ov->journal)) &&
           grow((void **)&ov->free_slot, &ov->free_cap, (size_t)ov->slot_count + 1,
                sizeof(*ov->free_slot));
}

static void release_slot(Overlay *ov, uint32_t slot) {
    if (slot != 0) {
        assert(ov->free_count < ov->free_cap);
        ov->free_slot[ov->free_count++] = slot;
    }
}

/* Moves a cluster to a slot that holds its bytes. reserve() was called. */
static void assign(Overlay *ov, uint64_t c, uint32_t slot) {
    if (ov->history) {
        ov->journal[ov->journal_count++] = (OverlayRecord){(uint32_t)c, ov->slot[c]};
        set_fresh(ov, c, true);
    }
    ov->slot[c] = slot;
}

/* A write may go where the cluster is. */
static bool in_place(const Overlay *ov, uint64_t c) {
    return ov->slot[c] != 0 && (!ov->history || is_fresh(ov, c));
}

/* --- writing -------------------------------------------------------------------------- */

/* The bytes of a write: a buffer's, or zeros. */
static int write_temp(Overlay *ov, uint64_t at, const uint8_t *buf, uint64_t len) {
    return buf ? raw_write(&ov->temp, at, buf, len)
               : raw_write_zeroes(&ov->temp, at, len);
}

/* A whole cluster, or the part [skip, skip + len) of it, to a new slot. */
static int write_new(Overlay *ov, uint64_t c, uint64_t skip, const uint8_t *buf,
                     uint64_t len) {
    uint8_t cluster[OVERLAY_CLUSTER];
    uint64_t start = c * OVERLAY_CLUSTER;
    uint64_t whole =
        ov->size - start < OVERLAY_CLUSTER ? ov->size - start : OVERLAY_CLUSTER;
    if (!reserve(ov)) {
        return -ENOMEM;
    }
    if (len < whole) {
        int rc = overlay_read(ov, start, cluster, whole);
        if (rc != 0) {
            return rc;
        }
        memcpy(cluster + skip, buf ? buf : zeros, len);
        buf = cluster;
    }
    bool reused = ov->free_count > 0;
    uint32_t slot = reused ? ov->free_slot[ov->free_count - 1] : ov->slot_count + 1;
    int rc = write_temp(ov, slot_offset(slot), buf, whole);
    if (rc == 0) {
        ov->free_count -= reused;
        ov->slot_count += !reused;
        assign(ov, c, slot);
    }
    return rc;
}

/* As many whole clusters as can go to new slots behind each other; *done: bytes. */
static int write_new_run(Overlay *ov, uint64_t c, const uint8_t *buf, uint64_t len,
                         uint64_t *done) {
    uint64_t max = len / OVERLAY_CLUSTER, n = 1;
    max = max < RUN_CLUSTERS ? max : RUN_CLUSTERS;
    while (n < max && !in_place(ov, c + n)) {
        n++;
    }
    *done = n * OVERLAY_CLUSTER;
    int rc = write_temp(ov, slot_offset(ov->slot_count + 1), buf, *done);
    for (uint64_t i = 0; i < n && rc == 0; i++) {
        if (!reserve(ov)) {
            return -ENOMEM;
        }
        assign(ov, c + i, ++ov->slot_count);
    }
    return rc;
}

static int write_piece(Overlay *ov, uint64_t offset, const uint8_t *buf, uint64_t len,
                       uint64_t *done) {
    uint64_t c = offset / OVERLAY_CLUSTER, skip = offset % OVERLAY_CLUSTER;
    *done = OVERLAY_CLUSTER - skip < len ? OVERLAY_CLUSTER - skip : len;
    if (in_place(ov, c)) {
        uint64_t run =
            run_length(ov, c, (skip + len + OVERLAY_CLUSTER - 1) / OVERLAY_CLUSTER);
        for (uint64_t i = 1; i < run; i++) {
            run = in_place(ov, c + i) ? run : i;
        }
        uint64_t n = run * OVERLAY_CLUSTER - skip;
        *done = n < len ? n : len;
        return write_temp(ov, slot_offset(ov->slot[c]) + skip, buf, *done);
    }
    if (skip == 0 && len >= 2 * OVERLAY_CLUSTER && ov->free_count == 0) {
        return write_new_run(ov, c, buf, len, done);
    }
    return write_new(ov, c, skip, buf, *done);
}

/* buf NULL: zeros. */
static int write_all(Overlay *ov, uint64_t offset, const uint8_t *buf, uint64_t len) {
    while (len > 0) {
        uint64_t done;
        int rc = write_piece(ov, offset, buf, len, &done);
        if (rc != 0) {
            return rc;
        }
        offset += done;
        len -= done;
        buf = buf ? buf + done : NULL;
    }
    return 0;
}

int overlay_write(Overlay *ov, uint64_t offset, const void *buf, uint64_t len) {
    return write_all(ov, offset, buf, len);
}

int overlay_write_zeroes(Overlay *ov, uint64_t offset, uint64_t len) {
    return write_all(ov, offset, NULL, len);
}

/* --- history -------------------------------------------------------------------------- */

uint64_t overlay_mark(Overlay *ov) {
    uint64_t last = ov->journal_count;
    ov->history = true;
    while (last > 0 && is_fresh(ov, ov->journal[last - 1].cluster)) {
        set_fresh(ov, ov->journal[--last].cluster, false);
    }
    return ov->journal_first + ov->journal_count;
}

void overlay_rewind(Overlay *ov, uint64_t mark) {
    assert(ov->history && mark >= ov->journal_first);
    while (ov->journal_first + ov->journal_count > mark) {
        const OverlayRecord *r = &ov->journal[--ov->journal_count];
        release_slot(ov, ov->slot[r->cluster]);
        ov->slot[r->cluster] = r->slot;
        set_fresh(ov, r->cluster, false);
    }
}

void overlay_forget(Overlay *ov, uint64_t mark) {
    uint64_t end = ov->journal_first + ov->journal_count;
    size_t n = (size_t)((mark < end ? mark : end) - ov->journal_first);
    for (size_t i = 0; i < n; i++) {
        release_slot(ov, ov->journal[i].slot);
    }
    if (n) {
        memmove(ov->journal, ov->journal + n,
                (ov->journal_count - n) * sizeof(*ov->journal));
    }
    ov->journal_count -= n;
    ov->journal_first += n;
    if (mark == UINT64_MAX) {
        ov->history = false;
        memset(ov->fresh, 0, (overlay_clusters(ov) / WORD_BITS + 1) * sizeof(*ov->fresh));
    }
}

uint64_t overlay_history_bytes(const Overlay *ov) {
    uint64_t bytes = ov->journal_count * sizeof(*ov->journal);
    for (size_t i = 0; i < ov->journal_count; i++) {
        bytes += ov->journal[i].slot ? OVERLAY_CLUSTER : 0;
    }
    return bytes;
}
