/* SPDX-License-Identifier: MIT */
/*
 * Overlay: a cluster is marked written only after its bytes are in the temporary file, so
 * that a failed write leaves the old contents.
 */
#include "block/overlay.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64 };

static bool overlay_has(const Overlay *ov, uint64_t cluster) {
    return ov->written[cluster / WORD_BITS] >> (cluster % WORD_BITS) & 1;
}

static void overlay_mark(Overlay *ov, uint64_t offset, uint64_t len) {
    for (uint64_t c = offset / OVERLAY_CLUSTER; c * OVERLAY_CLUSTER < offset + len; c++) {
        ov->written[c / WORD_BITS] |= UINT64_C(1) << (c % WORD_BITS);
    }
}

bool overlay_open(Overlay *ov, RawFile *base, uint64_t size, const char *tmp_dir,
                  Error **errp) {
    uint64_t clusters = (size + OVERLAY_CLUSTER - 1) / OVERLAY_CLUSTER;
    *ov = (Overlay){.base = base, .size = size, .temp.fd = -1};
    ov->written = calloc(clusters / WORD_BITS + 1, sizeof(uint64_t));
    if (ov->written == NULL) {
        error_set(errp, "no memory for the snapshot overlay of a disk of %llu bytes",
                  (unsigned long long)size);
        return false;
    }
    if (!raw_open_temporary(&ov->temp, tmp_dir, errp)) {
        free(ov->written);
        ov->written = NULL;
        return false;
    }
    return true;
}

void overlay_close(Overlay *ov) {
    if (ov->written != NULL) {
        raw_close(&ov->temp);
        free(ov->written);
    }
}

int overlay_read(Overlay *ov, uint64_t offset, void *buf, uint64_t len) {
    char *out = buf;
    while (len > 0) {
        /* A run of clusters that are all in one place. */
        uint64_t c = offset / OVERLAY_CLUSTER;
        bool in_temp = overlay_has(ov, c);
        uint64_t end = (c + 1) * OVERLAY_CLUSTER;
        while (end - offset < len && overlay_has(ov, end / OVERLAY_CLUSTER) == in_temp) {
            end += OVERLAY_CLUSTER;
        }
        uint64_t n = end - offset < len ? end - offset : len;
        int rc = raw_read(in_temp ? &ov->temp : ov->base, offset, out, n);
        if (rc != 0) {
            return rc;
        }
        out += n;
        offset += n;
        len -= n;
    }
    return 0;
}

/* Copies the cluster around `offset` to the temporary file if it is not there yet. */
static int overlay_copy_up(Overlay *ov, uint64_t offset) {
    uint8_t cluster[OVERLAY_CLUSTER];
    uint64_t start = offset - offset % OVERLAY_CLUSTER;
    if (overlay_has(ov, start / OVERLAY_CLUSTER)) {
        return 0;
    }
    uint64_t n = ov->size - start < OVERLAY_CLUSTER ? ov->size - start : OVERLAY_CLUSTER;
    int rc = raw_read(ov->base, start, cluster, n);
    if (rc == 0) {
        rc = raw_write(&ov->temp, start, cluster, n);
    }
    if (rc == 0) {
        overlay_mark(ov, start, n);
    }
    return rc;
}

/* Makes the clusters that a write covers in part ready for it. */
static int overlay_prepare(Overlay *ov, uint64_t offset, uint64_t len) {
    int rc = 0;
    uint64_t end = offset + len;
    if (offset % OVERLAY_CLUSTER != 0) {
        rc = overlay_copy_up(ov, offset);
    }
    if (rc == 0 && end % OVERLAY_CLUSTER != 0) {
        rc = overlay_copy_up(ov, end);
    }
    return rc;
}

int overlay_write(Overlay *ov, uint64_t offset, const void *buf, uint64_t len) {
    if (len == 0) {
        return 0;
    }
    int rc = overlay_prepare(ov, offset, len);
    if (rc == 0) {
        rc = raw_write(&ov->temp, offset, buf, len);
    }
    if (rc == 0) {
        overlay_mark(ov, offset, len);
    }
    return rc;
}

int overlay_write_zeroes(Overlay *ov, uint64_t offset, uint64_t len) {
    if (len == 0) {
        return 0;
    }
    int rc = overlay_prepare(ov, offset, len);
    if (rc == 0) {
        rc = raw_write_zeroes(&ov->temp, offset, len);
    }
    if (rc == 0) {
        overlay_mark(ov, offset, len);
    }
    return rc;
}
