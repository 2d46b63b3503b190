/* SPDX-License-Identifier: MIT */
/* Access: what access.c and dispatch.c share (inside src/mem only). */
#ifndef VITRINE_MEM_ACCESS_H
#define VITRINE_MEM_ACCESS_H

#include "mem/memory.h"

/* A value of 1, 2, 4 or 8 bytes in host memory, in one access when it is aligned. */
uint64_t host_load(const uint8_t *host, unsigned size);
void host_store(uint8_t *host, unsigned size, uint64_t value);

/* The widest access the region's bus takes, for bulk transfers. */
unsigned memory_region_max_access(const MemoryRegion *mr);

void memory_guest_error(const Log *log, const char *what, const char *name, hwaddr addr,
                        unsigned size);

#endif
