/* SPDX-License-Identifier: MIT */
/*
 * FlatView: renders the region tree from the highest priority down; who comes first keeps
 * its place.
 *
 *   tree, in order of priority         after each step
 *     rom   prio 1  [4,8)              ....RRRR........
 *     uart  prio 0  [6,10)             ....RRRRuu......       only the holes are filled
 *     ram   prio 0  [0,16)             rrrrRRRRuurrrrrr
 *
 * An alias renders its target moved by a window: base' = base - alias_offset, clipped to
 * the alias. So a base may be negative and an end may be 2^64: addresses here are 128
 * bits wide and signed.
 *
 * Invariants: ranges are sorted, disjoint and not empty, also between the steps.
 */
#include "mem/flatview.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef __int128 wide; /* an address or the end of a range, before clipping */

#define ADDRESS_END        ((wide)1 << 64)
#define FLATVIEW_DEPTH_MAX 64 /* deeper is a cycle of aliases */

/* A half-open piece of the address space. */
typedef struct Span {
    wide start, end;
} Span;

/* A FlatView under construction: there is room for `capacity` ranges. */
typedef struct Renderer {
    FlatView *fv;
    unsigned capacity;
} Renderer;

static wide wide_size(uint64_t size) {
    return size == UINT64_MAX ? ADDRESS_END : (wide)size;
}

static Span span_intersect(Span a, Span b) {
    return (Span){a.start > b.start ? a.start : b.start, a.end < b.end ? a.end : b.end};
}

static Span flat_range_span(const FlatRange *fr) {
    wide end = (wide)fr->addr + wide_size(fr->size);
    return (Span){fr->addr, end < ADDRESS_END ? end : ADDRESS_END};
}

/* Puts a range in at index i. */
static void renderer_insert(Renderer *r, unsigned i, FlatRange fr) {
    FlatView *fv = r->fv;
    if (fv->count == r->capacity) {
        unsigned capacity = r->capacity != 0 ? 2 * r->capacity : 16;
        FlatRange *ranges = realloc(fv->ranges, capacity * sizeof(*ranges));
        assert(ranges != NULL);
        fv->ranges = ranges;
        r->capacity = capacity;
    }
    memmove(&fv->ranges[i + 1], &fv->ranges[i], (fv->count - i) * sizeof(*fv->ranges));
    fv->ranges[i] = fr;
    fv->count++;
}

/* Puts in the piece `span` of mr, whose offset 0 is at `base`, at index i. Returns the
 * next index. */
static unsigned renderer_insert_piece(Renderer *r, unsigned i, MemoryRegion *mr,
                                      wide base, Span span) {
    wide size = span.end - span.start;
    if (size == UINT64_MAX && span.start == 0) {
        /* All but the last byte has no size of its own: UINT64_MAX means all. Make it
         * two. */
        Span first = {0, PAGE_SIZE};
        i = renderer_insert_piece(r, i, mr, base, first);
        span.start = PAGE_SIZE;
        size -= PAGE_SIZE;
    }
    FlatRange fr = {
        .addr = (hwaddr)span.start,
        .size = size >= UINT64_MAX ? UINT64_MAX : (uint64_t)size,
        .mr = mr,
        .mr_offset = (hwaddr)(span.start - base),
        .readonly = mr->kind == MR_ROM,
        .is_ram = mr->kind == MR_RAM || mr->kind == MR_ROM ||
                  (mr->kind == MR_ROM_DEVICE && mr->romd_mode),
    };
    renderer_insert(r, i, fr);
    return i + 1;
}

/* Fills the holes inside `span` with mr, whose offset 0 is at `base`. */
static void renderer_fill(Renderer *r, MemoryRegion *mr, wide base, Span span) {
    for (unsigned i = 0; i < r->fv->count && span.start < span.end; i++) {
        Span taken = flat_range_span(&r->fv->ranges[i]);
        if (taken.end <= span.start) {
            continue;
        }
        if (taken.start > span.start) {
            wide end = taken.start < span.end ? taken.start : span.end;
            i = renderer_insert_piece(r, i, mr, base, (Span){span.start, end});
        }
        span.start = taken.end;
    }
    if (span.start < span.end) {
        renderer_insert_piece(r, r->fv->count, mr, base, span);
    }
}

/* Renders mr, whose offset 0 is at `base`, as far as it is inside `clip`. */
static void renderer_render(Renderer *r, MemoryRegion *mr, wide base, Span clip,
                            unsigned depth) {
    assert(depth < FLATVIEW_DEPTH_MAX);
    if (!mr->enabled) {
        return;
    }
    Span span = span_intersect(clip, (Span){base, base + wide_size(mr->size)});
    if (span.start >= span.end) {
        return;
    }
    switch (mr->kind) {
    case MR_CONTAINER:
        for (MemoryRegion *child = mr->children; child; child = child->next_sibling) {
            renderer_render(r, child, base + child->addr, span, depth + 1);
        }
        break;
    case MR_ALIAS:
        renderer_render(r, mr->alias, base - mr->alias_offset, span, depth + 1);
        break;
    case MR_RAM:
    case MR_ROM:
    case MR_ROM_DEVICE:
    case MR_IO:
        renderer_fill(r, mr, base, span);
        break;
    }
}

/* True if b goes on where a ends, in the address space and in the region. */
static bool flat_range_continues(const FlatRange *a, const FlatRange *b) {
    wide size = wide_size(a->size) + wide_size(b->size);
    bool has_size = size != UINT64_MAX || a->addr != 0; /* see renderer_insert_piece() */
    return has_size && flat_range_span(a).end == b->addr && a->mr == b->mr &&
           (wide)a->mr_offset + wide_size(a->size) == b->mr_offset;
}

/* Joins neighbours that a sibling, gone or of lower priority, has cut in two. */
static void flatview_merge(FlatView *fv) {
    unsigned kept = 0;
    for (unsigned i = 1; i < fv->count; i++) {
        FlatRange *a = &fv->ranges[kept], *b = &fv->ranges[i];
        if (flat_range_continues(a, b)) {
            wide size = wide_size(a->size) + wide_size(b->size);
            a->size = size >= UINT64_MAX ? UINT64_MAX : (uint64_t)size;
        } else {
            fv->ranges[++kept] = *b;
        }
    }
    if (fv->count > 0) {
        fv->count = kept + 1;
    }
}

FlatView *flatview_render(MemoryRegion *root) {
    Renderer r = {.fv = calloc(1, sizeof(FlatView))};
    assert(r.fv != NULL);
    renderer_render(&r, root, 0, (Span){0, ADDRESS_END}, 0);
    flatview_merge(r.fv);
    return r.fv;
}

void flatview_free(FlatView *fv) {
    if (fv != NULL) {
        free(fv->ranges);
        free(fv);
    }
}

const FlatRange *flatview_find(const FlatView *fv, hwaddr addr, hwaddr *hole_last) {
    unsigned low = 0, high = fv->count; /* ranges below `low` end before addr */
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        if (flat_range_last(&fv->ranges[mid]) < addr) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low < fv->count && fv->ranges[low].addr <= addr) {
        return &fv->ranges[low];
    }
    if (hole_last != NULL) {
        *hole_last = low < fv->count ? fv->ranges[low].addr - 1 : UINT64_MAX;
    }
    return NULL;
}

static bool flat_range_equal(const FlatRange *a, const FlatRange *b) {
    return a->addr == b->addr && a->size == b->size && a->mr == b->mr &&
           a->mr_offset == b->mr_offset && a->readonly == b->readonly &&
           a->is_ram == b->is_ram;
}

bool flatview_has(const FlatView *fv, const FlatRange *fr) {
    const FlatRange *found = flatview_find(fv, fr->addr, NULL);
    return found != NULL && flat_range_equal(found, fr);
}

bool flatview_equal(const FlatView *a, const FlatView *b) {
    if (a->count != b->count) {
        return false;
    }
    for (unsigned i = 0; i < a->count; i++) {
        if (!flat_range_equal(&a->ranges[i], &b->ranges[i])) {
            return false;
        }
    }
    return true;
}
