/* SPDX-License-Identifier: MIT */
/* The layout of a snapshot file, for the one who writes and the one who reads. Inside src/state. */
#ifndef VITRINE_STATE_SNAPFILE_H
#define VITRINE_STATE_SNAPFILE_H

#include <stdint.h>

#include "state/bytes.h"

#define SNAPSHOT_MAGIC "VITSNAP\n"

enum {
    SNAPSHOT_MAGIC_BYTES = 8,
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_HASH_BYTES = 16,
    SNAPSHOT_CHUNK_PAGES = 256,
    SNAPSHOT_PAGE = 4096,
    SNAPSHOT_CHUNK_BYTES = SNAPSHOT_CHUNK_PAGES * SNAPSHOT_PAGE,
    SNAPSHOT_SECTION_NAME = 32,
};

/* A drive's kind in the section `drives`. */
enum { SNAPSHOT_DRIVE_OVERLAY = 1, SNAPSHOT_DRIVE_READ_ONLY = 2 };

#endif
