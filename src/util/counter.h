/* SPDX-License-Identifier: MIT */
/*
 * Counter: a number of events that one thread counts up and others look at.
 *
 * Threads: counter_up() the owner's, counter_read() any. A look may be an event late, never torn.
 */
#ifndef VITRINE_UTIL_COUNTER_H
#define VITRINE_UTIL_COUNTER_H

#include <stdint.h>

/* Cost: an increment in memory, without a lock. */
static inline void counter_up(uint64_t *counter) {
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static inline uint64_t counter_read(const uint64_t *counter) {
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
