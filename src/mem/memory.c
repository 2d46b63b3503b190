/* SPDX-License-Identifier: MIT */
/*
 * Memory regions and address spaces: the tree, and the transactions that turn it into a
 * view.
 *
 *   begin --- add, del, enable, move ... --- commit --> render --> same as before? done
 *                                                          | no
 *             region_del, region_add to the listeners <----'
 *             swap the view; the old one is retired
 *             commit to the listeners: TLBs flush now that nobody refills from the old
 *
 * Invariants: siblings are sorted by priority, highest first, and among equals the one
 * added last comes first.
 */
#include "mem/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem/flatview.h"

/* --- regions ------------------------------------------------------------------------ */

static void memory_region_init_kind(MemoryRegion *mr, MemoryRegionKind kind,
                                    const char *name, uint64_t size) {
    *mr = (MemoryRegion){
        .name = strdup(name),
        .kind = kind,
        .size = size,
        .enabled = true,
    };
    assert(mr->name != NULL);
}

void memory_region_init(MemoryRegion *mr, const char *name, uint64_t size) {
    memory_region_init_kind(mr, MR_CONTAINER, name, size);
}

static bool access_size_valid(unsigned size) {
    return size <= 8 && (size & (size - 1)) == 0;
}

static void memory_region_set_ops(MemoryRegion *mr, const MemoryRegionOps *ops,
                                  void *opaque) {
    assert(access_size_valid(ops->valid_min) && access_size_valid(ops->valid_max));
    assert(access_size_valid(ops->impl_min) && access_size_valid(ops->impl_max));
    assert(ops->impl_max == 0 || ops->impl_min <= ops->impl_max);
    /* A widened access stays inside the region. */
    assert(ops->impl_min == 0 || mr->size == UINT64_MAX || mr->size % ops->impl_min == 0);
    mr->ops = ops;
    mr->opaque = opaque;
}

void memory_region_init_io(MemoryRegion *mr, const MemoryRegionOps *ops, void *opaque,
                           const char *name, uint64_t size) {
    memory_region_init_kind(mr, MR_IO, name, size);
    memory_region_set_ops(mr, ops, opaque);
}

static void memory_region_set_ram(MemoryRegion *mr, RAMBlock *rb) {
    assert(mr->size <= rb->size);
    mr->ram = rb;
}

void memory_region_init_ram(MemoryRegion *mr, RAMBlock *rb, const char *name,
                            uint64_t size) {
    memory_region_init_kind(mr, MR_RAM, name, size);
    memory_region_set_ram(mr, rb);
}

void memory_region_init_rom(MemoryRegion *mr, RAMBlock *rb, const char *name,
                            uint64_t size) {
    memory_region_init_kind(mr, MR_ROM, name, size);
    memory_region_set_ram(mr, rb);
}

void memory_region_init_rom_device(MemoryRegion *mr, RAMBlock *rb,
                                   const MemoryRegionOps *ops, void *opaque,
                                   const char *name, uint64_t size) {
    memory_region_init_kind(mr, MR_ROM_DEVICE, name, size);
    memory_region_set_ram(mr, rb);
    memory_region_set_ops(mr, ops, opaque);
    mr->romd_mode = true;
}

void memory_region_init_alias(MemoryRegion *mr, const char *name, MemoryRegion *target,
                              hwaddr offset, uint64_t size) {
    memory_region_init_kind(mr, MR_ALIAS, name, size);
    mr->alias = target;
    mr->alias_offset = offset;
}

void memory_region_destroy(MemoryRegion *mr) {
    assert(mr->container == NULL && mr->children == NULL);
    free(mr->name);
    *mr = (MemoryRegion){0};
}

/* --- the tree ----------------------------------------------------------------------- */

static void change_begin(AddressSpace *as) {
    if (as != NULL) {
        address_space_begin(as);
    }
}

static void change_commit(AddressSpace *as) {
    if (as != NULL) {
        as->pending = true;
        address_space_commit(as);
    }
}

void memory_region_add(AddressSpace *as, MemoryRegion *container, hwaddr addr,
                       MemoryRegion *mr, int priority) {
    assert(container->kind == MR_CONTAINER && mr->container == NULL);
    change_begin(as);
    mr->container = container;
    mr->addr = addr;
    mr->priority = priority;
    MemoryRegion **link = &container->children;
    while (*link != NULL && (*link)->priority > priority) {
        link = &(*link)->next_sibling;
    }
    mr->next_sibling = *link;
    *link = mr;
    change_commit(as);
}

void memory_region_del(AddressSpace *as, MemoryRegion *mr) {
    assert(mr->container != NULL);
    change_begin(as);
    MemoryRegion **link = &mr->container->children;
    while (*link != mr) {
        assert(*link != NULL);
        link = &(*link)->next_sibling;
    }
    *link = mr->next_sibling;
    mr->next_sibling = NULL;
    mr->container = NULL;
    change_commit(as);
}

void memory_region_set_enabled(AddressSpace *as, MemoryRegion *mr, bool enabled) {
    if (mr->enabled != enabled) {
        change_begin(as);
        mr->enabled = enabled;
        change_commit(as);
    }
}

void memory_region_set_address(AddressSpace *as, MemoryRegion *mr, hwaddr addr) {
    if (mr->addr != addr) {
        change_begin(as);
        mr->addr = addr;
        change_commit(as);
    }
}

void memory_region_set_romd(AddressSpace *as, MemoryRegion *mr, bool romd) {
    assert(mr->kind == MR_ROM_DEVICE);
    if (mr->romd_mode != romd) {
        change_begin(as);
        mr->romd_mode = romd;
        change_commit(as);
    }
}

/* --- address spaces ----------------------------------------------------------------- */

void address_space_init(AddressSpace *as, MemoryRegion *root, const char *name,
                        const Log *log) {
    *as = (AddressSpace){
        .name = strdup(name),
        .root = root,
        .view = flatview_render(root),
        .log = log,
    };
    assert(as->name != NULL);
}

void address_space_destroy(AddressSpace *as) {
    assert(as->transaction_depth == 0);
    address_space_reclaim(as);
    flatview_free(as->view);
    free(as->name);
    *as = (AddressSpace){0};
}

void address_space_begin(AddressSpace *as) {
    as->transaction_depth++;
}

/* Tells every listener, for each range of `from` that `other` does not have, by
 * region_del or region_add. */
static void listeners_notify_missing(AddressSpace *as, const FlatView *from,
                                     const FlatView *other, bool adding) {
    for (unsigned i = 0; i < from->count; i++) {
        const FlatRange *fr = &from->ranges[i];
        if (flatview_has(other, fr)) {
            continue;
        }
        for (MemoryListener *l = as->listeners; l != NULL; l = l->next) {
            void (*notify)(MemoryListener *, const FlatRange *) =
                adding ? l->region_add : l->region_del;
            if (notify != NULL) {
                notify(l, fr);
            }
        }
    }
}

static void address_space_retire(AddressSpace *as, FlatView *fv) {
    fv->retired_next = as->retired;
    as->retired = fv;
}

/* A retired view that shows the same, taken out of the list, or NULL. So a guest that switches a
 * flash chip between its modes for ever makes two views, not one a switch. */
static FlatView *address_space_unretire(AddressSpace *as, const FlatView *wanted) {
    for (FlatView **link = &as->retired; *link != NULL; link = &(*link)->retired_next) {
        FlatView *fv = *link;
        if (flatview_equal(fv, wanted)) {
            *link = fv->retired_next;
            fv->retired_next = NULL;
            return fv;
        }
    }
    return NULL;
}

void address_space_commit(AddressSpace *as) {
    assert(as->transaction_depth > 0);
    if (--as->transaction_depth > 0 || !as->pending) {
        return;
    }
    as->pending = false;
    FlatView *old_view = as->view, *new_view = flatview_render(as->root);
    if (flatview_equal(old_view, new_view)) {
        flatview_free(new_view);
        return;
    }
    FlatView *known = address_space_unretire(as, new_view);
    if (known != NULL) {
        flatview_free(new_view);
        new_view = known;
    }
    listeners_notify_missing(as, old_view, new_view, false);
    listeners_notify_missing(as, new_view, old_view, true);
    __atomic_store_n(&as->view, new_view, __ATOMIC_SEQ_CST);
    address_space_retire(as, old_view);
    for (MemoryListener *l = as->listeners; l != NULL; l = l->next) {
        if (l->commit != NULL) {
            l->commit(l);
        }
    }
}

void address_space_reclaim(AddressSpace *as) {
    while (as->retired != NULL) {
        FlatView *fv = as->retired;
        as->retired = fv->retired_next;
        flatview_free(fv);
    }
}

void address_space_add_listener(AddressSpace *as, MemoryListener *l) {
    assert(as->transaction_depth == 0);
    MemoryListener **link = &as->listeners;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    l->next = NULL;
    *link = l;
    for (unsigned i = 0; l->region_add != NULL && i < as->view->count; i++) {
        l->region_add(l, &as->view->ranges[i]);
    }
    if (l->commit != NULL) {
        l->commit(l);
    }
}

void address_space_remove_listener(AddressSpace *as, MemoryListener *l) {
    MemoryListener **link = &as->listeners;
    while (*link != l) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = l->next;
    l->next = NULL;
}

const FlatRange *address_space_find(const AddressSpace *as, hwaddr addr) {
    return flatview_find(address_space_view(as), addr, NULL);
}
