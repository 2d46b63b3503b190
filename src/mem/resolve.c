/* SPDX-License-Identifier: MIT */
/* Resolving an address by the tree, see resolve.h. */
#include "mem/resolve.h"

enum { RESOLVE_DEPTH_MAX = 64 }; /* deeper is a cycle of aliases, as in flatview.c */

const char *resolve_verdict_name(ResolveVerdict verdict) {
    static const char *const names[] = {"passed", "taken", "hidden", "empty", "disabled"};
    return names[verdict];
}

static bool region_contains(const MemoryRegion *mr, uint64_t offset) {
    return mr->size == UINT64_MAX || offset < mr->size;
}

/* Returns the step's index, or MEMORY_PATH_MAX when there is no room. */
static unsigned add_step(MemoryPath *path, const MemoryRegion *mr, uint64_t offset,
                         unsigned depth, ResolveVerdict verdict) {
    if (path->count == MEMORY_PATH_MAX) {
        path->truncated = true;
        return MEMORY_PATH_MAX;
    }
    path->step[path->count] =
        (ResolveStep){.mr = mr, .depth = depth, .offset = offset, .verdict = verdict};
    return path->count++;
}

static void set_verdict(MemoryPath *path, unsigned step, ResolveVerdict verdict,
                        unsigned winner) {
    if (step < MEMORY_PATH_MAX) {
        path->step[step].verdict = verdict;
        path->step[step].winner = winner;
    }
}

/* True if something in mr has the offset. When path->mr is set already, a better sibling has
 * it: then only mr itself is noted. */
static bool resolve_in(MemoryPath *path, const MemoryRegion *mr, uint64_t offset,
                       unsigned depth, unsigned *winner) {
    unsigned step = add_step(path, mr, offset, depth, RESOLVE_PASSED);
    if (!mr->enabled) {
        set_verdict(path, step, RESOLVE_DISABLED, 0);
        return false;
    }
    if (path->mr) {
        set_verdict(path, step, RESOLVE_HIDDEN, *winner);
        return false;
    }
    if (mr->kind != MR_CONTAINER && mr->kind != MR_ALIAS) {
        path->mr = mr;
        path->offset = offset;
        *winner = step;
        set_verdict(path, step, RESOLVE_TAKEN, step);
        return true;
    }
    bool found = false;
    if (depth < RESOLVE_DEPTH_MAX && mr->kind == MR_ALIAS) {
        uint64_t inside = offset + mr->alias_offset;
        found = inside >= offset && region_contains(mr->alias, inside) &&
                resolve_in(path, mr->alias, inside, depth + 1, winner);
    } else if (depth < RESOLVE_DEPTH_MAX) {
        for (const MemoryRegion *c = mr->children; c; c = c->next_sibling) {
            if (offset >= c->addr && region_contains(c, offset - c->addr)) {
                found |= resolve_in(path, c, offset - c->addr, depth + 1, winner);
            }
        }
    }
    if (!found) {
        set_verdict(path, step, RESOLVE_EMPTY, 0);
    }
    return found;
}

void memory_resolve(const MemoryRegion *root, hwaddr addr, MemoryPath *path) {
    unsigned winner = 0;
    *path = (MemoryPath){0};
    if (region_contains(root, addr)) {
        resolve_in(path, root, addr, 0, &winner);
    }
}
