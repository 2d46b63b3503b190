/* SPDX-License-Identifier: MIT */
/*
 * DMA: who accesses guest memory past the harts, told to watch points (cpu/debug.h).
 *
 *   device --dma_note()--> nobody watches: nothing
 *                '-------> which physical addresses, whose --> debug_note_dma()
 *
 * Invariants: a write is told after the bytes are there, a read before the device has used them.
 * Locks: the machine lock.
 */
#ifndef VITRINE_HW_DMA_H
#define VITRINE_HW_DMA_H

#include "hw/machine/machine.h"

typedef struct DmaAccess {
    unsigned access;     /* DEBUG_READ or DEBUG_WRITE, by the device */
    int queue;           /* -1: the device has none */
    uint32_t descriptor; /* the chain's head; 0 without a chain */
    const char *part;    /* as DebugDma.part */
} DmaAccess;

void dma_note_slow(const Device *dev, DmaAccess access, const void *host, uint64_t len);
/* host: bytes of guest RAM. Cost: one test while nobody watches. */
static inline void dma_note(const Device *dev, DmaAccess access, const void *host,
                            uint64_t len) {
    if (__builtin_expect(dev->machine->as.dma_watched, 0)) {
        dma_note_slow(dev, access, host, len);
    }
}
/* The same of bytes at a guest address, as far as they are in one piece of RAM. */
void dma_note_at(const Device *dev, DmaAccess access, hwaddr addr, uint64_t len);

#endif
