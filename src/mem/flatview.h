/* SPDX-License-Identifier: MIT */
/*
 * FlatView: how a tree of regions becomes a sorted list of ranges (inside src/mem only;
 * others use address_space_find()).
 */
#ifndef VITRINE_MEM_FLATVIEW_H
#define VITRINE_MEM_FLATVIEW_H

#include "mem/memory.h"

/* Renders what `root` shows from address 0. Owns: the caller frees it. */
FlatView *flatview_render(MemoryRegion *root);
void flatview_free(FlatView *fv);

/* The range that holds `addr`, or NULL; then *hole_last is the last address of the
 * hole. */
const FlatRange *flatview_find(const FlatView *fv, hwaddr addr, hwaddr *hole_last);

/* True if the view has exactly this range. */
bool flatview_has(const FlatView *fv, const FlatRange *fr);
bool flatview_equal(const FlatView *a, const FlatView *b);

/* The view accesses are resolved in now. Threads: any. */
static inline const FlatView *address_space_view(const AddressSpace *as) {
    return __atomic_load_n(&as->view, __ATOMIC_ACQUIRE);
}

#endif
