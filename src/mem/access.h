/* SPDX-License-Identifier: MIT */
/* Access: what access.c and dispatch.c share (inside src/mem only). */
#ifndef VITRINE_MEM_ACCESS_H
#define VITRINE_MEM_ACCESS_H

#include "mem/hostvalue.h"
#include "mem/memory.h"

/* The widest access the region's bus takes, for bulk transfers. */
unsigned memory_region_max_access(const MemoryRegion *mr);

void memory_guest_error(const Log *log, const char *what, const char *name, hwaddr addr,
                        unsigned size);

#endif
