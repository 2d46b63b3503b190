/* SPDX-License-Identifier: MIT */
/* GdbPacket: envelope, numbers, buffers. See gdb_packet.h. */
#include "monitor/gdb_packet.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ESCAPE = '}', ESCAPE_XOR = 0x20, INTERRUPT = 0x03, FIRST_ROOM = 256 };

static int digit_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* --- what comes in --------------------------------------------------------------- */

static GdbInput take_outside(GdbParser *p, uint8_t byte) {
    switch (byte) {
    case '$':
        p->state = GDB_PAYLOAD;
        p->sum = 0;
        p->len = 0;
        p->too_long = false;
        return GDB_NOTHING;
    case '+':
        return GDB_ACK;
    case '-':
        return GDB_NACK;
    case INTERRUPT:
        return GDB_INTERRUPT;
    default:
        return GDB_NOTHING; /* noise */
    }
}

static void take_payload(GdbParser *p, uint8_t byte) {
    p->sum = (uint8_t)(p->sum + byte);
    if (p->state == GDB_ESCAPED) {
        byte ^= ESCAPE_XOR;
        p->state = GDB_PAYLOAD;
    } else if (byte == ESCAPE) {
        p->state = GDB_ESCAPED;
        return;
    }
    if (p->len == GDB_MAX_PACKET) {
        p->too_long = true;
        return;
    }
    p->payload[p->len++] = byte;
}

static GdbInput take_sum_low(GdbParser *p, uint8_t byte) {
    int high = digit_value((char)p->sum_high), low = digit_value((char)byte);
    p->state = GDB_OUTSIDE;
    p->payload[p->len] = 0;
    if (high < 0 || low < 0 || (high << 4 | low) != p->sum) {
        return GDB_DAMAGED;
    }
    return p->too_long ? GDB_TOO_LONG : GDB_PACKET;
}

GdbInput gdb_parser_take(GdbParser *p, uint8_t byte) {
    switch (p->state) {
    case GDB_OUTSIDE:
        return take_outside(p, byte);
    case GDB_PAYLOAD:
        if (byte == '#') {
            p->state = GDB_SUM_HIGH;
            return GDB_NOTHING;
        }
        if (byte == '$') { /* the one before was cut off */
            return take_outside(p, byte);
        }
        take_payload(p, byte);
        return GDB_NOTHING;
    case GDB_ESCAPED:
        take_payload(p, byte);
        return GDB_NOTHING;
    case GDB_SUM_HIGH:
        p->sum_high = byte;
        p->state = GDB_SUM_LOW;
        return GDB_NOTHING;
    case GDB_SUM_LOW:
        return take_sum_low(p, byte);
    }
    return GDB_NOTHING;
}

/* --- what goes out --------------------------------------------------------------- */

void gdb_buffer_init(GdbBuffer *b, size_t limit) {
    *b = (GdbBuffer){.limit = limit};
}

void gdb_buffer_destroy(GdbBuffer *b) {
    free(b->data);
    *b = (GdbBuffer){.limit = b->limit};
}

static bool make_room(GdbBuffer *b, size_t more) {
    if (more > b->limit - b->len) {
        b->full = true;
        return false;
    }
    if (b->len + more + 1 > b->room) {
        size_t room = b->room ? b->room : FIRST_ROOM;
        while (room < b->len + more + 1) {
            room *= 2;
        }
        b->data = realloc(b->data, room);
        assert(b->data);
        b->room = room;
    }
    return true;
}

void gdb_put_bytes(GdbBuffer *b, const void *data, size_t len) {
    if (len && make_room(b, len)) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
        b->data[b->len] = '\0';
    }
}

void gdb_put(GdbBuffer *b, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < sizeof(text));
    gdb_put_bytes(b, text, (size_t)n);
}

void gdb_put_hex(GdbBuffer *b, const void *data, size_t len) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    if (!len || !make_room(b, 2 * len)) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        b->data[b->len++] = digits[bytes[i] >> 4];
        b->data[b->len++] = digits[bytes[i] & 15];
    }
    b->data[b->len] = '\0';
}

void gdb_put_escaped(GdbBuffer *b, const void *data, size_t len) {
    const char *bytes = data;
    for (size_t i = 0; i < len; i++) {
        if (strchr("$#}*", bytes[i]) && bytes[i]) {
            const char pair[2] = {ESCAPE, (char)(bytes[i] ^ ESCAPE_XOR)};
            gdb_put_bytes(b, pair, sizeof(pair));
        } else {
            gdb_put_bytes(b, &bytes[i], 1);
        }
    }
}

void gdb_put_packet(GdbBuffer *b, const char *payload, size_t len) {
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum = (uint8_t)(sum + (uint8_t)payload[i]);
    }
    gdb_put_bytes(b, "$", 1);
    gdb_put_bytes(b, payload, len);
    gdb_put(b, "#%02x", sum);
}

/* --- texts of commands ----------------------------------------------------------- */

bool gdb_take_number(const char **text, uint64_t *value) {
    enum { MAX_DIGITS = 16 };
    unsigned count = 0;
    *value = 0;
    while (digit_value(**text) >= 0) {
        if (count++ == MAX_DIGITS) {
            return false;
        }
        *value = *value << 4 | (unsigned)digit_value(**text);
        (*text)++;
    }
    return count > 0;
}

bool gdb_take_bytes(const char **text, void *data, size_t size) {
    uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        int high = digit_value((*text)[0]);
        int low = high < 0 ? -1 : digit_value((*text)[1]);
        if (low < 0) {
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
        *text += 2;
    }
    return true;
}

bool gdb_take_text(const char **text, const char *what) {
    size_t len = strlen(what);
    if (strncmp(*text, what, len) != 0) {
        return false;
    }
    *text += len;
    return true;
}
