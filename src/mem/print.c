/* SPDX-License-Identifier: MIT */
/*
 * Print: the region tree and the flat view as text, in the shape of QEMU's `info mtree`.
 *
 *   0000000000000000-ffffffffffffffff (prio 0, i/o): system
 *     0000000010000000-00000000100000ff (prio 0, i/o): uart
 *     0000000080000000-0000000087ffffff (prio 0, ram): ram
 *
 * A region that is shown by an alias only has a tree of its own below.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "mem/flatview.h"

/* Regions that aliases point at, to be printed as trees of their own. */
typedef struct RootList {
    const MemoryRegion **roots;
    unsigned count, capacity;
} RootList;

static void root_list_add(RootList *list, const MemoryRegion *mr) {
    for (unsigned i = 0; i < list->count; i++) {
        if (list->roots[i] == mr) {
            return;
        }
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity != 0 ? 2 * list->capacity : 8;
        list->roots = realloc(list->roots, list->capacity * sizeof(*list->roots));
        assert(list->roots != NULL);
    }
    list->roots[list->count++] = mr;
}

static const char *memory_region_type(const MemoryRegion *mr) {
    switch (mr->kind) {
    case MR_RAM:
        return "ram";
    case MR_ROM:
        return "rom";
    case MR_ROM_DEVICE:
        return mr->romd_mode ? "romd" : "i/o";
    case MR_ALIAS:
        return memory_region_type(mr->alias);
    case MR_CONTAINER:
    case MR_IO:
        break;
    }
    return "i/o";
}

static hwaddr last_address(hwaddr addr, uint64_t size) {
    if (size == UINT64_MAX) {
        return addr +
               UINT64_MAX; /* 2^64 bytes: wraps to just below, as QEMU's field does */
    }
    return size != 0 ? addr + size - 1 : addr;
}

static bool prints_before(const MemoryRegion *a, const MemoryRegion *b) {
    return a->addr != b->addr ? a->addr < b->addr : a->priority > b->priority;
}

/* The child to print after `previous` (NULL: the first), in order of address, then
 * priority; equals in the order of the tree. */
static const MemoryRegion *next_child(const MemoryRegion *mr,
                                      const MemoryRegion *previous) {
    const MemoryRegion *best = NULL;
    bool passed = false; /* `previous` is before `c` in the tree */
    for (const MemoryRegion *c = mr->children; c != NULL; c = c->next_sibling) {
        if (c == previous) {
            passed = true;
            continue;
        }
        bool later = previous == NULL || prints_before(previous, c) ||
                     (passed && !prints_before(c, previous));
        if (later && (best == NULL || prints_before(c, best))) {
            best = c;
        }
    }
    return best;
}

static const MemoryRegion *memory_region_top(const MemoryRegion *mr) {
    while (mr->container != NULL) {
        mr = mr->container;
    }
    return mr;
}

static void print_region(const MemoryRegion *mr, hwaddr base, int indent, RootList *roots,
                         FILE *out) {
    fprintf(out, "%*s%016" PRIx64 "-%016" PRIx64 " (prio %d, %s): ", indent, "", base,
            last_address(base, mr->size), mr->priority, memory_region_type(mr));
    if (mr->kind == MR_ALIAS) {
        fprintf(out, "alias %s @%s %016" PRIx64 "-%016" PRIx64, mr->name, mr->alias->name,
                mr->alias_offset, last_address(mr->alias_offset, mr->size));
        root_list_add(roots, memory_region_top(mr->alias));
    } else {
        fprintf(out, "%s", mr->name);
    }
    fprintf(out, "%s\n", mr->enabled ? "" : " [disabled]");
    for (const MemoryRegion *c = NULL; (c = next_child(mr, c)) != NULL;) {
        print_region(c, base + c->addr, indent + 2, roots, out);
    }
}

void memory_print_tree(const MemoryRegion *root, FILE *out) {
    RootList roots = {0};
    root_list_add(&roots, root);
    for (unsigned i = 0; i < roots.count; i++) { /* printing may add more */
        const MemoryRegion *mr = roots.roots[i];
        if (i > 0) {
            fprintf(out, "\nmemory-region: %s\n", mr->name);
        }
        print_region(mr, mr->addr, 2, &roots, out);
    }
    free(roots.roots);
}

void memory_print_flat(const AddressSpace *as, FILE *out) {
    const FlatView *fv = address_space_view(as);
    fprintf(out, " AS \"%s\", root: %s\n", as->name, as->root->name);
    fprintf(out, " Root memory region: %s\n", as->root->name);
    if (fv->count == 0) {
        fprintf(out, "  No rendered FlatView\n");
    }
    for (unsigned i = 0; i < fv->count; i++) {
        const FlatRange *fr = &fv->ranges[i];
        fprintf(out, "  %016" PRIx64 "-%016" PRIx64 " (prio %d, %s): %s", fr->addr,
                flat_range_last(fr), fr->mr->priority, memory_region_type(fr->mr),
                fr->mr->name);
        if (fr->mr_offset != 0) {
            fprintf(out, " @%016" PRIx64, fr->mr_offset);
        }
        fputc('\n', out);
    }
}
