/* SPDX-License-Identifier: MIT */
/*
 * State tables: each field of a device or a vCPU by name, type and place, and how a field becomes
 * bytes.
 *
 *   struct Uart { uint8_t ier; ... Timer timeout; }
 *      '-- { "ier", STATE_U8, offsetof, 1, 1 }, ..., { "timeout", STATE_TIMER, ... }
 *                 '--> little-endian bytes, the same on every host
 *
 * Readers: snapshots, the state hash, the console, the comparison of two moments.
 */
#ifndef VITRINE_UTIL_STATE_H
#define VITRINE_UTIL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum StateType {
    STATE_U8,
    STATE_U16,
    STATE_U32,
    STATE_U64,
    STATE_BOOL,
    STATE_BYTES,
    STATE_TIMER, /* a Timer; its state is expires_ns */
    STATE_TYPE_COUNT
} StateType;

/* One field of an object's state. */
typedef struct StateField {
    const char *name;
    StateType type;
    size_t offset;  /* in the object */
    size_t count;   /* elements; 1 for scalars; bytes for STATE_BYTES */
    unsigned since; /* version of the table it appeared in */
} StateField;
#define STATE(struct_type, field, state_type)                                            \
    { #field, state_type, offsetof(struct_type, field), 1, 1 }
#define STATE_ARRAY(struct_type, field, state_type, n)                                   \
    { #field, state_type, offsetof(struct_type, field), n, 1 }
#define STATE_END                                                                        \
    { NULL, STATE_U8, 0, 0, 0 }

/* Bytes of one element outside the object. */
size_t state_element_bytes(StateType type);
static inline size_t state_field_bytes(const StateField *f) {
    return f->count * state_element_bytes(f->type);
}
/* Copies a field to or from its bytes, state_field_bytes() of them. A timer that was never
 * initialized reads as disarmed and stays so. Locks: that of the object; for timers the machine
 * lock. */
void state_field_get(const StateField *f, const void *object, uint8_t *bytes);
void state_field_set(const StateField *f, void *object, const uint8_t *bytes);

#endif
