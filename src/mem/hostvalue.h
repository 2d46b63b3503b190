/* SPDX-License-Identifier: MIT */
/*
 * Host value: a value of 1, 2, 4 or 8 bytes in host memory that other threads use, too.
 *
 * An aligned one is read and written whole, as the ISA asks of guest memory: another vCPU sees all of it or
 * nothing. One that is not aligned may be seen in parts. The order of bytes is the host's.
 */
#ifndef VITRINE_MEM_HOSTVALUE_H
#define VITRINE_MEM_HOSTVALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t host_load(const void *host, unsigned size) {
    uint64_t value = 0;
    if ((uintptr_t)host & (size - 1)) {
        memcpy(&value, host, size);
        return value;
    }
    switch (size) {
    case 1:
        return __atomic_load_n((const uint8_t *)host, __ATOMIC_RELAXED);
    case 2:
        return __atomic_load_n((const uint16_t *)host, __ATOMIC_RELAXED);
    case 4:
        return __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
    default:
        return __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED);
    }
}

static inline void host_store(void *host, unsigned size, uint64_t value) {
    if ((uintptr_t)host & (size - 1)) {
        memcpy(host, &value, size);
        return;
    }
    switch (size) {
    case 1:
        __atomic_store_n((uint8_t *)host, (uint8_t)value, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((uint16_t *)host, (uint16_t)value, __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((uint32_t *)host, (uint32_t)value, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)host, value, __ATOMIC_RELAXED);
        break;
    }
}

/* Stores `desired` if the value is *expected (both: their low bytes), in one step; else *expected becomes
 * what it is. `host` is aligned. Returns whether it was stored. */
static inline bool host_cas(void *host, unsigned size, uint64_t *expected,
                            uint64_t desired) {
    bool done;
#define HOST_CAS(type)                                                                   \
    {                                                                                    \
        type seen = (type)*expected;                                                     \
        done = __atomic_compare_exchange_n((type *)host, &seen, (type)desired, false,    \
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);          \
        *expected = seen;                                                                \
    }
    if (size == 1) {
        HOST_CAS(uint8_t)
    } else if (size == 2) {
        HOST_CAS(uint16_t)
    } else if (size == 4) {
        HOST_CAS(uint32_t)
    } else {
        HOST_CAS(uint64_t)
    }
#undef HOST_CAS
    return done;
}

#endif
