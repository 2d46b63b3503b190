/* SPDX-License-Identifier: MIT */
/*
 * Random trees against a resolution by brute force.
 *
 * The oracle looks each byte up by walking down from the root, children in order of
 * priority, and never makes a range; it keeps its own list of who was added where and
 * when. The flat view must say the same for each byte, and the deltas a listener hears
 * must add up to the view.
 *
 * VITRINE_SEED=n repeats one run.
 */
#include <stdio.h>
#include <time.h>

#include "mem/resolve.h"
#include "mem_fixture.h"

enum {
    REGIONS = 14, /* region 0 is the root */
    SPACE = 160,  /* bytes that are compared */
    TREES = 1500,
    CHANGES = 12, /* per tree */
    MODEL_RANGES = 512,
};

static const MemoryRegionOps no_ops;

/* What the oracle knows of a region. */
typedef struct ModelRegion {
    MemoryRegionKind kind;
    uint64_t addr, size;
    int priority;
    bool enabled;
    int container;  /* index, or -1 */
    uint64_t added; /* time of add: later wins among equal priorities */
    int alias;
    uint64_t alias_offset;
} ModelRegion;

typedef struct Model {
    uint64_t rng;
    uint64_t time;
    hwaddr base; /* of the compared bytes */
    ModelRegion regions[REGIONS];
    MemoryRegion mr[REGIONS];
    Fixture f;
    MemoryListener listener;
    FlatRange heard[MODEL_RANGES]; /* sum of the deltas */
    unsigned heard_count;
} Model;

/* xorshift64* (Vigna, 2016) */
static uint64_t model_random(Model *m, uint64_t below) {
    m->rng ^= m->rng >> 12;
    m->rng ^= m->rng << 25;
    m->rng ^= m->rng >> 27;
    return (m->rng * UINT64_C(2685821657736338717) >> 16) % below;
}

/* The byte of which leaf is at `offset` of region r? -1: none. */
static int model_resolve(const Model *m, int r, uint64_t offset, uint64_t *leaf_offset) {
    const ModelRegion *region = &m->regions[r];
    bool inside = region->size == UINT64_MAX || offset < region->size;
    if (!region->enabled || !inside) {
        return -1;
    }
    if (region->kind == MR_ALIAS) {
        uint64_t target = offset + region->alias_offset;
        if (target < offset) {
            return -1; /* past 2^64 of the target */
        }
        return model_resolve(m, region->alias, target, leaf_offset);
    }
    if (region->kind != MR_CONTAINER) {
        *leaf_offset = offset;
        return r;
    }
    bool tried[REGIONS] = {false};
    for (;;) {
        int best = -1;
        for (int c = 0; c < REGIONS; c++) {
            const ModelRegion *child = &m->regions[c];
            if (child->container != r || tried[c]) {
                continue;
            }
            const ModelRegion *b = best >= 0 ? &m->regions[best] : NULL;
            if (b == NULL || child->priority > b->priority ||
                (child->priority == b->priority && child->added > b->added)) {
                best = c;
            }
        }
        if (best < 0) {
            return -1;
        }
        tried[best] = true;
        if (offset >= m->regions[best].addr) {
            int leaf =
                model_resolve(m, best, offset - m->regions[best].addr, leaf_offset);
            if (leaf >= 0) {
                return leaf;
            }
        }
    }
}

static void heard_add(MemoryListener *l, const FlatRange *fr) {
    Model *m = (Model *)((char *)l - offsetof(Model, listener));
    assert_true(m->heard_count < MODEL_RANGES);
    m->heard[m->heard_count++] = *fr;
}

static void heard_del(MemoryListener *l, const FlatRange *fr) {
    Model *m = (Model *)((char *)l - offsetof(Model, listener));
    for (unsigned i = 0; i < m->heard_count; i++) {
        if (m->heard[i].addr == fr->addr) {
            assert_ptr_equal(m->heard[i].mr, fr->mr);
            assert_int_equal(m->heard[i].size, fr->size);
            assert_int_equal(m->heard[i].mr_offset, fr->mr_offset);
            m->heard[i] = m->heard[--m->heard_count];
            return;
        }
    }
    fail_msg("a range was deleted that had not been added");
}

/* Sorted, disjoint, merged; and the listener knows just these ranges. */
static void check_invariants(const Model *m) {
    const FlatView *fv = m->f.as.view;
    for (unsigned i = 1; i < fv->count; i++) {
        const FlatRange *a = &fv->ranges[i - 1], *b = &fv->ranges[i];
        assert_true(flat_range_last(a) < b->addr);
        bool joint = flat_range_last(a) + 1 == b->addr && a->mr == b->mr &&
                     a->mr_offset + (b->addr - a->addr) == b->mr_offset;
        assert_false(joint);
    }
    assert_int_equal(m->heard_count, fv->count);
    for (unsigned i = 0; i < m->heard_count; i++) {
        const FlatRange *fr = address_space_find(&m->f.as, m->heard[i].addr);
        assert_non_null(fr);
        assert_int_equal(fr->addr, m->heard[i].addr);
        assert_int_equal(fr->size, m->heard[i].size);
        assert_ptr_equal(fr->mr, m->heard[i].mr);
    }
}

static void check_bytes(const Model *m) {
    for (unsigned i = 0; i < SPACE; i++) {
        hwaddr addr = m->base + i;
        uint64_t offset = 0;
        int leaf = model_resolve(m, 0, addr, &offset);
        const FlatRange *fr = address_space_find(&m->f.as, addr);
        MemoryPath path;
        memory_resolve(&m->mr[0], addr, &path);
        assert_ptr_equal(path.mr, leaf < 0 ? NULL : &m->mr[leaf]);
        if (leaf < 0) {
            assert_null(fr);
            continue;
        }
        assert_int_equal(path.offset, offset);
        assert_non_null(fr);
        assert_ptr_equal(fr->mr, &m->mr[leaf]);
        assert_int_equal(fr->mr_offset + (addr - fr->addr), offset);
        assert_int_equal(fr->readonly, m->regions[leaf].kind == MR_ROM);
        assert_int_equal(fr->is_ram, m->regions[leaf].kind != MR_IO);
    }
}

static void model_add(Model *m, int r) {
    ModelRegion *region = &m->regions[r];
    /* A container has a smaller index than what is in it, an alias a smaller one than its
     * target: there is no cycle. */
    region->container = (int)model_random(m, (uint64_t)r);
    while (m->regions[region->container].kind != MR_CONTAINER) {
        region->container--;
    }
    region->addr = model_random(m, SPACE) + (region->container == 0 ? m->base : 0);
    region->priority = (int)model_random(m, 5) - 2;
    region->added = ++m->time;
    memory_region_add(&m->f.as, &m->mr[region->container], region->addr, &m->mr[r],
                      region->priority);
}

static void model_make_region(Model *m, int r) {
    ModelRegion *region = &m->regions[r];
    MemoryRegion *mr = &m->mr[r];
    *region =
        (ModelRegion){.enabled = true, .container = -1, .size = 1 + model_random(m, 90)};
    char name[16];
    snprintf(name, sizeof(name), "r%d", r);
    switch (model_random(m, r < REGIONS - 1 ? 6 : 3)) {
    case 0:
        region->kind = MR_RAM;
        memory_region_init_ram(mr, m->f.rb, name, region->size);
        break;
    case 1:
        region->kind = MR_ROM;
        memory_region_init_rom(mr, m->f.rb, name, region->size);
        break;
    case 2:
        region->kind = MR_IO;
        region->size = model_random(m, 8) == 0 ? UINT64_MAX : region->size;
        memory_region_init_io(mr, &no_ops, NULL, name, region->size);
        break;
    case 3:
        region->kind = MR_CONTAINER;
        region->size = model_random(m, 4) == 0 ? UINT64_MAX : region->size;
        memory_region_init(mr, name, region->size);
        break;
    default:
        region->kind = MR_ALIAS;
        region->alias = r + 1 + (int)model_random(m, (uint64_t)(REGIONS - 1 - r));
        region->alias_offset = model_random(m, 40);
        memory_region_init_alias(mr, name, &m->mr[region->alias], region->alias_offset,
                                 region->size);
        break;
    }
}

static void model_change(Model *m) {
    int r = 1 + (int)model_random(m, REGIONS - 1);
    ModelRegion *region = &m->regions[r];
    switch (model_random(m, 3)) {
    case 0:
        region->enabled = !region->enabled;
        memory_region_set_enabled(&m->f.as, &m->mr[r], region->enabled);
        break;
    case 1:
        if (region->container >= 0) {
            region->addr =
                model_random(m, SPACE) + (region->container == 0 ? m->base : 0);
            memory_region_set_address(&m->f.as, &m->mr[r], region->addr);
        }
        break;
    default:
        if (region->container >= 0) {
            region->container = -1;
            memory_region_del(&m->f.as, &m->mr[r]);
        } else {
            model_add(m, r);
        }
        break;
    }
}

static void one_tree(Model *m) {
    uint64_t rng = m->rng;
    *m = (Model){.rng = rng};
    m->base = model_random(m, 2) == 0 ? 0 : UINT64_MAX - (SPACE - 1);
    fixture_init(&m->f, UINT64_MAX);
    m->listener = (MemoryListener){.region_add = heard_add, .region_del = heard_del};
    address_space_add_listener(&m->f.as, &m->listener);
    m->regions[0] = (ModelRegion){
        .kind = MR_CONTAINER, .size = UINT64_MAX, .enabled = true, .container = -1};
    /* Region 0 of the model is the fixture's root, under its own name. */
    memory_region_destroy(&m->f.root);
    memory_region_init(&m->mr[0], "root", UINT64_MAX);
    m->f.as.root = &m->mr[0];
    for (int r = 1; r < REGIONS; r++) {
        model_make_region(m, r);
    }
    address_space_begin(&m->f.as);
    for (int r = 1; r < REGIONS; r++) {
        model_add(m, r);
    }
    address_space_commit(&m->f.as);
    check_invariants(m);
    check_bytes(m);
    for (int i = 0; i < CHANGES; i++) {
        address_space_begin(&m->f.as);
        for (uint64_t n = model_random(m, 3); n > 0; n--) {
            model_change(m);
        }
        model_change(m);
        address_space_commit(&m->f.as);
        check_invariants(m);
        check_bytes(m);
        if (model_random(m, 4) == 0) {
            address_space_reclaim(&m->f.as);
        }
    }
    for (int r = REGIONS - 1; r > 0; r--) {
        if (m->regions[r].container >= 0) {
            memory_region_del(NULL, &m->mr[r]);
        }
    }
    for (int r = 0; r < REGIONS; r++) {
        memory_region_destroy(&m->mr[r]);
    }
    memory_region_init(&m->f.root, "root", 1);
    fixture_destroy(&m->f);
}

static void flatview_agrees_with_brute_force_on_random_trees(void **state) {
    (void)state;
    const char *given = getenv("VITRINE_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("seed %llu (VITRINE_SEED=%llu repeats it)\n", (unsigned long long)seed,
                  (unsigned long long)seed);
    Model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    m->rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    for (int i = 0; i < TREES; i++) {
        one_tree(m);
    }
    free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flatview_agrees_with_brute_force_on_random_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
