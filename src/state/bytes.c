/* SPDX-License-Identifier: MIT */
/* Bytes: see bytes.h. */
#include "state/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 1024 };

void buffer_free(ByteBuffer *b) {
    free(b->data);
    *b = (ByteBuffer){0};
}

uint8_t *buffer_extend(ByteBuffer *b, size_t n) {
    if (b->failed || n > SIZE_MAX / 4 - b->len) {
        b->failed = true;
        return NULL;
    }
    if (b->len + n > b->cap) {
        size_t cap = b->cap ? b->cap : FIRST_CAPACITY;
        while (cap < b->len + n) {
            cap *= 2;
        }
        uint8_t *data = realloc(b->data, cap);
        if (!data) {
            b->failed = true;
            return NULL;
        }
        b->data = data;
        b->cap = cap;
    }
    b->len += n;
    return b->data + b->len - n;
}

void buffer_add(ByteBuffer *b, const void *data, size_t n) {
    uint8_t *to = buffer_extend(b, n);
    if (to && n) {
        memcpy(to, data, n);
    }
}

static void put_number(uint8_t *p, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(value >> 8 * i);
    }
}

void buffer_add_number(ByteBuffer *b, uint64_t value, unsigned bytes) {
    uint8_t *to = buffer_extend(b, bytes);
    if (to) {
        put_number(to, value, bytes);
    }
}

void buffer_add_text(ByteBuffer *b, const char *text) {
    size_t n = strlen(text);
    b->failed |= n > UINT16_MAX;
    buffer_add_number(b, n, sizeof(uint16_t));
    buffer_add(b, text, n);
}

void buffer_patch(ByteBuffer *b, size_t at, uint64_t value, unsigned bytes) {
    if (!b->failed) {
        put_number(b->data + at, value, bytes);
    }
}

const uint8_t *reader_take(ByteReader *r, uint64_t n) {
    if (r->failed || n > reader_left(r)) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}

uint64_t reader_number(ByteReader *r, unsigned bytes) {
    const uint8_t *p = reader_take(r, bytes);
    uint64_t value = 0;
    for (unsigned i = 0; p && i < bytes; i++) {
        value |= (uint64_t)p[i] << 8 * i;
    }
    return value;
}

bool reader_text(ByteReader *r, char *text, size_t size) {
    uint64_t n = reader_number(r, sizeof(uint16_t));
    const uint8_t *p = reader_take(r, n);
    if (!p || memchr(p, '\0', n)) {
        r->failed = true;
        text[0] = '\0';
        return false;
    }
    size_t kept = n < size ? n : size - 1;
    memcpy(text, p, kept);
    text[kept] = '\0';
    return true;
}

ByteReader reader_part(ByteReader *r, uint64_t n) {
    const uint8_t *p = reader_take(r, n);
    return p ? (ByteReader){p, p + n, false} : (ByteReader){NULL, NULL, true};
}
