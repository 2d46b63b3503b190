/* SPDX-License-Identifier: MIT */
/*
 * Bytes: a buffer that grows at its end, and a reader that never goes past its own.
 *
 * Numbers are little-endian. Both remember the first failure (no memory; too short) and do nothing
 * more after it, so that a caller asks once.
 */
#ifndef VITRINE_STATE_BYTES_H
#define VITRINE_STATE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ByteBuffer {
    uint8_t *data;
    size_t len, cap;
    bool failed;
} ByteBuffer;

void buffer_free(ByteBuffer *b);
/* Room for n more bytes, counted as written; NULL: no memory. */
uint8_t *buffer_extend(ByteBuffer *b, size_t n);
void buffer_add(ByteBuffer *b, const void *data, size_t n);
void buffer_add_number(ByteBuffer *b, uint64_t value, unsigned bytes);
void buffer_add_text(ByteBuffer *b, const char *text); /* 16 bits of length, text */
/* Writes a number again that was written before. */
void buffer_patch(ByteBuffer *b, size_t at, uint64_t value, unsigned bytes);

typedef struct ByteReader {
    const uint8_t *p, *end;
    bool failed;
} ByteReader;

static inline size_t reader_left(const ByteReader *r) {
    return (size_t)(r->end - r->p);
}
/* The next n bytes; NULL (and failed) if there are fewer. */
const uint8_t *reader_take(ByteReader *r, uint64_t n);
uint64_t reader_number(ByteReader *r, unsigned bytes); /* 0 if it failed */
/* A text of buffer_add_text(), cut off to fit; false if there is none or it has a NUL in it. */
bool reader_text(ByteReader *r, char *text, size_t size);
/* The next n bytes as a reader of their own. */
ByteReader reader_part(ByteReader *r, uint64_t n);

#endif
