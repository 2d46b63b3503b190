/* SPDX-License-Identifier: MIT */
/*
 * Frame: bulk data for a client, behind a header of 32 bytes, little endian.
 *
 *   0       2       3      4        8          12      16        24       28      32
 *   | magic | vers. | kind | stream | sequence | epoch | icount  | length | flags | data ...
 *
 * A stream is what one client gets out of one source; its sequence grows by one with each frame, so
 * a gap shows. The count of instructions (0 without -icount) and the epoch (of the run: it grows with each
 * reset, snapshot loaded, and journey back) say which moment the data are of.
 */
#ifndef VITRINE_INSPECT_FRAME_H
#define VITRINE_INSPECT_FRAME_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_MAGIC = 0x4656, /* "VF" */
    FRAME_VERSION = 1,
    FRAME_HEADER_SIZE = 32,
    FRAME_MAX_DATA = 8 << 20,
};

/* What the data are. */
typedef enum FrameKind {
    FRAME_BYTES = 1, /* guest memory */
    FRAME_DIRTY = 2, /* dirty bitmap, see dirty.c */
} FrameKind;

typedef struct FrameHeader {
    uint16_t magic;
    uint8_t version;
    uint8_t kind;
    uint32_t stream;
    uint32_t sequence;
    uint32_t epoch;
    uint64_t icount;
    uint32_t length; /* bytes that follow */
    uint32_t flags;  /* the kind's own */
} FrameHeader;

static_assert(sizeof(FrameHeader) == FRAME_HEADER_SIZE, "the header has no padding");
static_assert(offsetof(FrameHeader, stream) == 4 && offsetof(FrameHeader, sequence) == 8,
              "stream and sequence");
static_assert(offsetof(FrameHeader, icount) == 16 && offsetof(FrameHeader, length) == 24,
              "count and length");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "the struct is the header as it is sent");

#endif
