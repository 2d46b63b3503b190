/* SPDX-License-Identifier: MIT */
/*
 * tb.regions: the code buffer as it lies in memory.
 *
 *   region | block block block (dead) ....free.... |
 *   cells  |  A  |  A  | A D |  D  |  .  |  .  |     bytes of live and of dead code in each
 *
 * Locks: tb_lock alone, in the functions of tcg/census.h.
 */
#include <stdlib.h>

#include "inspect/inspect_call.h"
#include "inspect/tb_int.h"

enum { CELLS_MAX = 256 };

typedef struct Cells {
    uint32_t bytes[TB_REGIONS][CELLS_MAX][2]; /* live, dead */
} Cells;

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Gives each cell its part of one block's code. */
static void add_block(Cells *c, unsigned count, const TbRegionRecord *region,
                      const TbRecord *r) {
    uint64_t size = region[r->region].size, start = region[r->region].start;
    if (r->code_at < start || r->code_at - start >= size) {
        return;
    }
    uint64_t at = r->code_at - start, end = smaller(at + r->code_size, size);
    while (at < end) {
        unsigned cell = (unsigned)(at * count / size);
        /* the first byte of the cell behind */
        uint64_t next = smaller(((cell + 1) * size + count - 1) / count, end);
        c->bytes[r->region][cell][r->death ? 1 : 0] += (uint32_t)(next - at);
        at = next;
    }
}

static void cells_get(InspectCall *call, Cells *c, unsigned count,
                      const TbRegionRecord *region) {
    TbRecord step[TB_WALK_STEP];
    TbWalk walk = {0};
    unsigned n;
    while ((n = tb_walk_step(call, &walk, step)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            add_block(c, count, region, &step[i]);
        }
    }
}

static json_t *cells_json(const uint32_t bytes[][2], unsigned count) {
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++) {
        json_array_append_new(list,
                              json_pack("[i, i]", (int)bytes[i][0], (int)bytes[i][1]));
    }
    return list;
}

json_t *inspect_tb_regions(InspectCall *call) {
    TbCache *tc = tb_cache_of(call);
    TbRegionRecord region[TB_REGIONS];
    unsigned count = (unsigned)inspect_int(call, "cells");
    Cells *cells = calloc(1, sizeof(*cells));
    if (!cells) {
        abort();
    }
    tb_regions_get(tc, region);
    if (count) {
        cells_get(call, cells, count, region);
    }
    json_t *list = json_array();
    for (unsigned i = 0; i < TB_REGIONS; i++) {
        const TbRegionRecord *r = &region[i];
        json_t *j = json_pack(
            "{s:i, s:o, s:o, s:o, s:i, s:i, s:o, s:b}", "region", (int)i, "offset",
            inspect_hex(r->start), "size", inspect_hex(r->size), "used",
            inspect_hex(r->used), "blocks", (int)r->blocks, "alive", (int)r->alive,
            "generation", inspect_hex(r->generation), "filling", r->current);
        if (count) {
            json_object_set_new(j, "cells", cells_json(cells->bytes[i], count));
        }
        json_array_append_new(list, j);
    }
    free(cells);
    return json_pack("{s:o}", "regions", list);
}
