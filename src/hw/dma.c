/* SPDX-License-Identifier: MIT */
/* DMA: names and addresses of a device's access. See dma.h. */
#include "hw/dma.h"

#include <stdio.h>
#include <stdlib.h>

void dma_note_slow(const Device *dev, DmaAccess access, const void *host, uint64_t len) {
    Machine *m = dev->machine;
    DebugDma dma = {.queue = access.queue,
                    .descriptor = access.descriptor,
                    .part = access.part,
                    .len = len};
    if (!address_space_find_host(&m->as, host, &dma.addr)) {
        return;
    }
    char *name = device_unique_name(dev);
    snprintf(dma.device, sizeof(dma.device), "%s", name);
    free(name);
    debug_note_dma(m->cpus, &dma, access.access, host);
}

void dma_note_at(const Device *dev, DmaAccess access, hwaddr addr, uint64_t len) {
    if (dev->machine->as.dma_watched) {
        uint64_t got = len;
        const void *host = address_space_map(&dev->machine->as, addr, &got, false);
        if (host) {
            dma_note_slow(dev, access, host, got);
        }
    }
}
