/* SPDX-License-Identifier: MIT */
/*
 * The domain "mem": the region tree, where an address leads, blocks of RAM.
 *
 *   mem.resolve 0x10000005 --> system --> uart (serial@10000000) --> register LSR
 *
 * Bytes are in mem_bytes.c.
 */
#include <string.h>
#include <sys/mman.h>

#include "inspect/inspect_call.h"
#include "mem/resolve.h"

enum {
    TREE_MAX_NODES = 2000,
    RESIDENT_CHUNK = 16384, /* pages asked about at a time */
};

static const char *kind_name(const MemoryRegion *mr) {
    static const char *const names[] = {
        [MR_CONTAINER] = "container",   [MR_RAM] = "ram", [MR_ROM] = "rom",
        [MR_ROM_DEVICE] = "rom-device", [MR_IO] = "io",   [MR_ALIAS] = "alias"};
    return names[mr->kind];
}

/* "0x10000000000000000" for all of the address space: the one size that 64 bits do not hold. */
static json_t *size_json(uint64_t size) {
    return size == UINT64_MAX ? json_string("0x10000000000000000") : inspect_hex(size);
}

static json_t *region_json(const MemoryRegion *mr) {
    json_t *o = json_pack("{s:s, s:s, s:o, s:i, s:b, s:s?}", "name", mr->name, "kind",
                          kind_name(mr), "size", size_json(mr->size), "priority",
                          mr->priority, "enabled", mr->enabled, "owner", mr->owner);
    if (mr->kind == MR_ALIAS) {
        json_object_set_new(o, "target",
                            json_pack("{s:s, s:o}", "name", mr->alias->name, "offset",
                                      inspect_hex(mr->alias_offset)));
    }
    if (mr->kind == MR_ROM_DEVICE) {
        json_object_set_new(o, "reads", json_string(mr->romd_mode ? "memory" : "device"));
    }
    if (mr->ram) {
        json_object_set_new(o, "block", json_string(mr->ram->name));
    }
    return o;
}

/* --- tree, flat view ------------------------------------------------------------------------- */

typedef struct TreeWriter {
    unsigned nodes, max_depth;
    bool truncated;
} TreeWriter;

static json_t *tree_json(TreeWriter *w, const MemoryRegion *mr, hwaddr base,
                         unsigned depth) {
    json_t *o = region_json(mr);
    json_object_set_new(o, "addr", inspect_hex(base));
    w->nodes++;
    if (!mr->children) {
        return o;
    }
    if (depth >= w->max_depth) {
        w->truncated = true;
        return o;
    }
    json_t *children = json_array();
    for (const MemoryRegion *c = mr->children; c; c = c->next_sibling) {
        if (w->nodes >= TREE_MAX_NODES) {
            w->truncated = true;
            break;
        }
        json_array_append_new(children, tree_json(w, c, base + c->addr, depth + 1));
    }
    json_object_set_new(o, "children", children);
    return o;
}

json_t *inspect_mem_tree(InspectCall *call) {
    TreeWriter w = {.max_depth = (unsigned)inspect_int(call, "depth")};
    inspect_lock(call);
    json_t *tree = tree_json(&w, call->m->as.root, 0, 0);
    inspect_unlock(call);
    return json_pack("{s:s, s:o, s:i, s:b}", "space", call->m->as.name, "tree", tree,
                     "regions", (int)w.nodes, "truncated", w.truncated);
}

static json_t *range_json(const FlatRange *fr) {
    return json_pack("{s:o, s:o, s:s, s:s?, s:s, s:o, s:b, s:b}", "first",
                     inspect_hex(fr->addr), "last", inspect_hex(flat_range_last(fr)),
                     "region", fr->mr->name, "owner", fr->mr->owner, "kind",
                     kind_name(fr->mr), "offset", inspect_hex(fr->mr_offset), "readonly",
                     fr->readonly, "ram", fr->is_ram);
}

json_t *inspect_mem_flatview(InspectCall *call) {
    json_t *ranges = json_array();
    inspect_lock(call);
    const FlatView *view = __atomic_load_n(&call->m->as.view, __ATOMIC_ACQUIRE);
    unsigned count = view->count;
    for (unsigned i = 0; i < count && i < TREE_MAX_NODES; i++) {
        json_array_append_new(ranges, range_json(&view->ranges[i]));
    }
    inspect_unlock(call);
    return json_pack("{s:s, s:i, s:o}", "space", call->m->as.name, "count", (int)count,
                     "ranges", ranges);
}

/* --- resolve --------------------------------------------------------------------------------- */

static json_t *verdict_text(const MemoryPath *path, const ResolveStep *s) {
    const MemoryRegion *won;
    switch (s->verdict) {
    case RESOLVE_PASSED:
        return json_string(s->mr->kind == MR_ALIAS ? "shows a window of its target"
                                                   : "contains who has the address");
    case RESOLVE_TAKEN:
        return json_string("has the address");
    case RESOLVE_EMPTY:
        return json_string("has nothing at this offset: what is below shows through");
    case RESOLVE_DISABLED:
        return json_string("is disabled, with all below it");
    case RESOLVE_HIDDEN:
        break;
    }
    won = path->step[s->winner].mr;
    if (won->container == s->mr->container) {
        return json_sprintf("hidden by %s: %s", won->name,
                            won->priority > s->mr->priority
                                ? "its priority is higher"
                                : "of equal priority, it was added later");
    }
    return json_sprintf("hidden by %s, in a sibling that is asked before", won->name);
}

static json_t *path_json(const MemoryPath *path) {
    json_t *steps = json_array();
    for (unsigned i = 0; i < path->count; i++) {
        const ResolveStep *s = &path->step[i];
        json_t *o = region_json(s->mr);
        json_object_update_new(
            o, json_pack("{s:i, s:o, s:s, s:o}", "depth", (int)s->depth, "offset",
                         inspect_hex(s->offset), "verdict",
                         resolve_verdict_name(s->verdict), "why", verdict_text(path, s)));
        json_array_append_new(steps, o);
    }
    return steps;
}

static const Device *device_of_region(const Machine *m, const MemoryRegion *mr) {
    for (const Device *d = m->first_device; d; d = d->next) {
        if (&d->mmio == mr) {
            return d;
        }
    }
    return NULL;
}

static bool register_holds(const RegisterDesc *reg, uint64_t offset) {
    for (unsigned row = 0; row < register_rows(reg); row++) {
        for (unsigned i = 0; i < register_count(reg); i++) {
            if (offset - register_offset(reg, row, i) < reg->size) {
                return true;
            }
        }
    }
    return false;
}

/* The device behind the offset and its register there. */
static json_t *device_json(const Machine *m, const MemoryRegion *mr, uint64_t offset) {
    const Device *dev = device_of_region(m, mr);
    if (!dev) {
        return json_pack("{s:s?}", "class", mr->owner);
    }
    json_t *o = json_pack("{s:s, s:s?}", "class", dev->cls->name, "id", dev->id);
    const RegisterDesc *reg = dev->cls->registers;
    while (reg && reg->name && !register_holds(reg, offset)) {
        reg++;
    }
    if (reg && reg->name) {
        json_object_set_new(o, "register",
                            json_pack("{s:s, s:o, s:s}", "name", reg->name, "offset",
                                      inspect_hex(reg->offset), "meaning", reg->meaning));
    }
    return o;
}

json_t *inspect_mem_resolve(InspectCall *call) {
    hwaddr addr = inspect_u64(call, "addr");
    MemoryPath path;
    inspect_lock(call);
    memory_resolve(call->m->as.root, addr, &path);
    const FlatRange *fr = address_space_find(&call->m->as, addr);
    json_t *result =
        json_pack("{s:o, s:b, s:o, s:b}", "addr", inspect_hex(addr), "mapped", fr != NULL,
                  "path", path_json(&path), "truncated", path.truncated);
    if (fr) {
        uint64_t offset = fr->mr_offset + (addr - fr->addr);
        json_object_update_new(result, json_pack("{s:o, s:o}", "range", range_json(fr),
                                                 "offset", inspect_hex(offset)));
        if (fr->mr->ram) {
            json_object_set_new(result, "ram",
                                json_pack("{s:s, s:o, s:o}", "block", fr->mr->ram->name,
                                          "offset", inspect_hex(offset), "ram_addr",
                                          inspect_hex(fr->mr->ram->base + offset)));
        }
        if (fr->mr->ops) {
            json_object_set_new(result, "device", device_json(call->m, fr->mr, offset));
        }
    }
    inspect_unlock(call);
    return result;
}

/* --- blocks ---------------------------------------------------------------------------------- */

/* Bytes of the block that the host has in memory; -1: it does not say. */
static int64_t resident_bytes(const RAMBlock *rb) {
    unsigned char present[RESIDENT_CHUNK];
    int64_t pages = 0;
    for (uint64_t at = 0; at < rb->size; at += (uint64_t)RESIDENT_CHUNK * PAGE_SIZE) {
        uint64_t left = rb->size - at, chunk = (uint64_t)RESIDENT_CHUNK * PAGE_SIZE;
        uint64_t len = left < chunk ? left : chunk;
        if (mincore(rb->host + at, len, present) != 0) {
            return -1;
        }
        for (uint64_t i = 0; i < len / PAGE_SIZE; i++) {
            pages += present[i] & 1;
        }
    }
    return pages * PAGE_SIZE;
}

json_t *inspect_mem_blocks(InspectCall *call) {
    static const char *const backings[] = {
        [RAM_ANONYMOUS] = "anonymous", [RAM_FILE] = "file", [RAM_SHARED] = "shared"};
    json_t *blocks = json_array();
    /* The list is complete before the guest runs and lives as long as the machine. */
    for (const RAMBlock *rb = call->m->ram_list.first; rb; rb = rb->next) {
        int64_t resident = resident_bytes(rb);
        json_array_append_new(
            blocks,
            json_pack("{s:s, s:o, s:o, s:s, s:o}", "name", rb->name, "size",
                      inspect_hex(rb->size), "ram_addr", inspect_hex(rb->base), "backing",
                      backings[rb->backing], "resident",
                      resident < 0 ? json_null() : inspect_hex((uint64_t)resident)));
    }
    return json_pack("{s:o}", "blocks", blocks);
}
