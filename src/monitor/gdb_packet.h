/* SPDX-License-Identifier: MIT */
/*
 * GdbPacket: the envelope of gdb's remote protocol.
 *
 *   $ payload # c1 c2        c1c2: sum of the payload's bytes, modulo 256, in hex
 *   +  -                     taken; send it again
 *   0x03                     between packets: stop the machine
 *   } x                      in a payload: the byte x ^ 0x20
 *
 * Spec: GDB manual, appendix E "GDB Remote Serial Protocol", E.1.
 * Not modelled: run-length encoding of what is sent; sequence numbers; notifications.
 */
#ifndef VITRINE_MONITOR_GDB_PACKET_H
#define VITRINE_MONITOR_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GDB_MAX_PACKET = 0x4000 }; /* bytes of a payload, either way; told to gdb */

typedef enum GdbInput {
    GDB_NOTHING, /* goes on */
    GDB_PACKET,  /* payload[0..len) is whole, and ends with a zero that is not counted */
    GDB_DAMAGED, /* the checksum is wrong */
    GDB_TOO_LONG,
    GDB_INTERRUPT,
    GDB_ACK,
    GDB_NACK,
} GdbInput;

typedef struct GdbParser {
    enum { GDB_OUTSIDE, GDB_PAYLOAD, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW } state;
    uint8_t sum, sum_high;
    bool too_long;
    size_t len;
    uint8_t payload[GDB_MAX_PACKET + 1];
} GdbParser;

/* Takes one byte; says what it completed. */
GdbInput gdb_parser_take(GdbParser *p, uint8_t byte);

/* A growing text or payload that is never longer than `limit`. */
typedef struct GdbBuffer {
    char *data; /* ends with a zero that is not counted */
    size_t len, room, limit;
    bool full; /* something did not fit and was left out */
} GdbBuffer;

void gdb_buffer_init(GdbBuffer *b, size_t limit);
void gdb_buffer_destroy(GdbBuffer *b);
void gdb_put_bytes(GdbBuffer *b, const void *data, size_t len);
void gdb_put(GdbBuffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gdb_put_hex(GdbBuffer *b, const void *data, size_t len);
/* With } before bytes that may not stand in a payload. */
void gdb_put_escaped(GdbBuffer *b, const void *data, size_t len);
/* Appends $payload#sum; the payload is escaped already. */
void gdb_put_packet(GdbBuffer *b, const char *payload, size_t len);

/* A hex number of 1 to 16 digits at *text, which is moved behind it. */
bool gdb_take_number(const char **text, uint64_t *value);
/* 2 * size digits. False: there are not as many. */
bool gdb_take_bytes(const char **text, void *data, size_t size);
/* Moves *text behind `what` if it begins so. */
bool gdb_take_text(const char **text, const char *what);

#endif
