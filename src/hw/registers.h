/* SPDX-License-Identifier: MIT */
/*
 * RegisterDesc: a device's registers as its manual lists them, for those who look from outside.
 *
 *   DeviceClass.registers: name, offset, access, meaning, fields (by the masks the device uses itself)
 *   DeviceClass.peek():    the value a register has now, taken from the device's state
 *
 * Invariants: peek() changes nothing: no latch, no claim, no cleared status, no log line. Where a guest's
 * read has no side effect it gives the same value.
 */
#ifndef VITRINE_HW_REGISTERS_H
#define VITRINE_HW_REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"

typedef struct RegisterField {
    const char *name;
    uint64_t mask; /* of contiguous bits */
    const char *meaning;
    const char *values; /* words for values: "0=5 bits|1=6 bits"; or NULL */
} RegisterField;
#define REGISTER_FIELDS_END                                                              \
    { NULL, 0, NULL, NULL }

typedef enum RegisterAccess { REG_READ = 1, REG_WRITE = 2, REG_BOTH = 3 } RegisterAccess;

/* A register, or an array of `rows` times `count` of them (0 stands for 1). */
typedef struct RegisterDesc {
    const char *name;
    hwaddr offset; /* of the first one, in the device's region */
    unsigned size; /* bytes */
    RegisterAccess access;
    const char *meaning;
    const RegisterField *fields; /* ends with REGISTER_FIELDS_END; or NULL */
    unsigned count, stride;      /* bytes from one to the next */
    unsigned rows, row_stride;
} RegisterDesc;
/* What follows the meaning: .fields = ..., .count = ... */
#define REGISTER(reg_name, at, bytes, how, text, ...)                                    \
    {                                                                                    \
        .name = reg_name, .offset = at, .size = bytes, .access = how, .meaning = text,   \
        __VA_ARGS__                                                                      \
    }
#define REGISTERS_END                                                                    \
    { .name = NULL }

static inline unsigned register_count(const RegisterDesc *reg) {
    return reg->count ? reg->count : 1;
}
static inline unsigned register_rows(const RegisterDesc *reg) {
    return reg->rows ? reg->rows : 1;
}
static inline hwaddr register_offset(const RegisterDesc *reg, unsigned row,
                                     unsigned index) {
    return reg->offset + (hwaddr)row * reg->row_stride + (hwaddr)index * reg->stride;
}

uint64_t register_field_get(const RegisterField *field, uint64_t value);
/* The words for the field's value, or NULL; *len is their length (they are part of a longer text). */
const char *register_field_words(const RegisterField *field, uint64_t value, size_t *len);

#endif
