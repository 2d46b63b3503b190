/* SPDX-License-Identifier: MIT */
/* State tables: fields as little-endian bytes. See state.h. */
#include "util/state.h"

#include <string.h>

#include "util/clock.h"

size_t state_element_bytes(StateType type) {
    switch (type) {
    case STATE_U8:
    case STATE_BOOL:
    case STATE_BYTES:
        return 1;
    case STATE_U16:
        return 2;
    case STATE_U32:
        return 4;
    case STATE_U64:
    case STATE_TIMER:
        return 8;
    case STATE_TYPE_COUNT:
        break;
    }
    return 0;
}

/* The element's distance to the next in the object. */
static size_t element_stride(StateType type) {
    return type == STATE_TIMER ? sizeof(Timer) : state_element_bytes(type);
}

static uint64_t load_element(StateType type, const uint8_t *p) {
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (type) {
    case STATE_U16:
        memcpy(&u16, p, sizeof(u16));
        return u16;
    case STATE_U32:
        memcpy(&u32, p, sizeof(u32));
        return u32;
    case STATE_U64:
        memcpy(&u64, p, sizeof(u64));
        return u64;
    case STATE_TIMER: {
        const Timer *t = (const Timer *)(const void *)p;
        return t->clock != NULL ? (uint64_t)t->expires_ns : UINT64_MAX;
    }
    default:
        return *p;
    }
}

static void set_timer(Timer *t, int64_t expires_ns) {
    if (t->clock == NULL) {
        return;
    }
    if (expires_ns < 0) {
        timer_del(t);
    } else {
        timer_mod(t, expires_ns);
    }
}

static void store_element(StateType type, uint8_t *p, uint64_t value) {
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;
    bool flag = value != 0;
    switch (type) {
    case STATE_U16:
        memcpy(p, &u16, sizeof(u16));
        break;
    case STATE_U32:
        memcpy(p, &u32, sizeof(u32));
        break;
    case STATE_U64:
        memcpy(p, &value, sizeof(value));
        break;
    case STATE_BOOL:
        memcpy(p, &flag, sizeof(flag));
        break;
    case STATE_TIMER:
        set_timer((Timer *)(void *)p, (int64_t)value);
        break;
    default:
        *p = (uint8_t)value;
    }
}

void state_field_get(const StateField *f, const void *object, uint8_t *bytes) {
    const uint8_t *p = (const uint8_t *)object + f->offset;
    size_t size = state_element_bytes(f->type);
    for (size_t i = 0; i < f->count; i++, p += element_stride(f->type)) {
        uint64_t value = load_element(f->type, p);
        for (size_t b = 0; b < size; b++) {
            *bytes++ = (uint8_t)(value >> 8 * b);
        }
    }
}

void state_field_set(const StateField *f, void *object, const uint8_t *bytes) {
    uint8_t *p = (uint8_t *)object + f->offset;
    size_t size = state_element_bytes(f->type);
    for (size_t i = 0; i < f->count; i++, p += element_stride(f->type)) {
        uint64_t value = 0;
        for (size_t b = 0; b < size; b++) {
            value |= (uint64_t)*bytes++ << 8 * b;
        }
        store_element(f->type, p, value);
    }
}
