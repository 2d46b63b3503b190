/* SPDX-License-Identifier: MIT */
/*
 * The domain "mmu", continued: what a hart's TLBs hold.
 *
 *   first level    the entries its journal names     --copied while the vCPUs are parked-->  formatted
 *   second level   all entries with a valid key      --'
 *   mmu.tlb_map    a byte a slot: for a picture of all of them
 *
 * Hits of the first level are counted while tb.profile counts: each block then adds its accesses to a sum,
 * and what was not a fill was a hit. Otherwise generated code compares and goes on, at no cost.
 *
 * Not modelled: a block that is left in its middle (a fault, a branch out) is counted as if it were not.
 */
#include <stdlib.h>
#include <string.h>

#include "cpu/riscv/walk.h"
#include "inspect/tb_int.h"
#include "util/counter.h"

/* One entry of either level, as it was copied. */
typedef struct TlbRow {
    bool second;
    unsigned mmu_idx, slot;
    TlbEntry e;   /* first level */
    TlbEntry2 e2; /* second level */
    RiscvStamp stamp;
} TlbRow;

typedef struct TlbCopy {
    TlbRow *row;
    unsigned count, limit;
    unsigned total; /* that match, copied or not */
    uint64_t fills, second_hits, flushes, walks;
    bool counting; /* accesses */
    uint64_t accesses, fills_meanwhile;
    vaddr filter_first, filter_last;
    int64_t filter_slot; /* -1: any */
} TlbCopy;

static vaddr first_level_page(const TlbEntry *e) {
    uint64_t tag = e->tag_load & TLB_INVALID ? e->tag_store : e->tag_load;
    return tag & PAGE_MASK;
}

static void copy_row(TlbCopy *copy, const TlbRow *row, vaddr page) {
    bool wanted = copy->filter_slot < 0 || copy->filter_slot == row->slot;
    if (!wanted || page < copy->filter_first || page > copy->filter_last) {
        return;
    }
    copy->total++;
    if (copy->count < copy->limit) {
        copy->row[copy->count++] = *row;
    }
}

/* An index may be in the journal more than once: `seen` has a bit for each. */
static void copy_first(TlbCopy *copy, const CpuTlb *tlb, unsigned mmu_idx) {
    uint64_t seen[TLB_SIZE / 64] = {0};
    for (uint32_t i = 0; i < tlb->journal_count[mmu_idx]; i++) {
        unsigned slot = tlb->journal[mmu_idx][i];
        const TlbEntry *e = &tlb->entry[mmu_idx][slot];
        bool again = seen[slot / 64] >> (slot % 64) & 1;
        seen[slot / 64] |= UINT64_C(1) << (slot % 64);
        if (!again && !(e->tag_load & e->tag_store & TLB_INVALID)) {
            TlbRow row = {.mmu_idx = mmu_idx, .slot = slot, .e = *e};
            copy_row(copy, &row, first_level_page(e));
        }
    }
}

static void copy_second(TlbCopy *copy, const RiscvCPU *cpu, unsigned mmu_idx,
                        bool stale) {
    const CpuTlb *tlb = &cpu->parent.tcg.tlb;
    for (unsigned slot = 0; slot < TLB2_SIZE; slot++) {
        TlbKey key = tlb_second_key_read(tlb->second[slot].key);
        if (!key.valid || key.mmu_idx != mmu_idx) {
            continue;
        }
        TlbRow row = {
            .second = true, .mmu_idx = mmu_idx, .slot = slot, .e2 = tlb->second[slot]};
        row.stamp = riscv_stamp_read(cpu, row.e2.stamp, mmu_idx);
        if (row.stamp.live || stale) {
            copy_row(copy, &row, key.page);
        }
    }
}

static json_t *flags_json(uint64_t tag) {
    json_t *flags = json_array();
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = {{TLB_NOTDIRTY, "notdirty"}, {TLB_MMIO, "mmio"}, {TLB_WATCH, "watch"}};
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (tag & words[i].bit) {
            json_array_append_new(flags, json_string(words[i].word));
        }
    }
    return flags;
}

static json_t *row_json(const TlbRow *r) {
    char rights[] = "---";
    if (!r->second) {
        rights[0] = r->e.tag_load & TLB_INVALID ? '-' : 'r';
        rights[1] = r->e.tag_store & TLB_INVALID ? '-' : 'w';
        uint64_t flags = (r->e.tag_load & TLB_INVALID ? 0 : r->e.tag_load) |
                         (r->e.tag_store & TLB_INVALID ? 0 : r->e.tag_store);
        return json_pack("{s:i, s:i, s:o, s:o, s:s, s:o}", "level", 1, "slot",
                         (int)r->slot, "page", inspect_hex(first_level_page(&r->e)),
                         "phys", inspect_hex(r->e.phys), "rights", rights, "flags",
                         flags_json(flags));
    }
    rights[0] = r->e2.phys & PROT_R ? 'r' : '-';
    rights[1] = r->e2.phys & PROT_W ? 'w' : '-';
    rights[2] = r->e2.phys & PROT_X ? 'x' : '-';
    return json_pack(
        "{s:i, s:i, s:o, s:o, s:s, s:b, s:b, s:i, s:b}", "level", 2, "slot", (int)r->slot,
        "page", inspect_hex(tlb_second_key_read(r->e2.key).page), "phys",
        inspect_hex(r->e2.phys & PAGE_MASK), "rights", rights, "live", r->stamp.live,
        "global", r->stamp.global, "asid", (int)r->stamp.asid, "ram", r->e2.ram != NULL);
}

static unsigned asked_mmu_idx(const InspectCall *call, const RiscvCPU *cpu) {
    const char *word = inspect_string(call, "mode");
    if (strcmp(word, "now") == 0) {
        return riscv_mmu_idx_of(cpu, (unsigned)cpu->env.priv, ACCESS_LOAD);
    }
    return word[0] == 'U'           ? MMU_U
           : word[0] == 'M'         ? MMU_M
           : strcmp(word, "S") == 0 ? MMU_S
                                    : MMU_S_SUM;
}

static const char *mode_name(unsigned mmu_idx) {
    static const char *const modes[] = {
        [MMU_U] = "U", [MMU_S] = "S", [MMU_S_SUM] = "S+SUM", [MMU_M] = "M"};
    return modes[mmu_idx];
}

/* Where each hart's counts stood when tb.profile began. */
typedef struct CountingSince {
    uint64_t accesses[CPU_GROUP_MAX], fills[CPU_GROUP_MAX];
} CountingSince;

static const char since_key = 0;

void tlb_begin_counting(InspectCall *call) {
    CountingSince *since =
        inspect_state(call->inspector, &since_key, sizeof(*since), NULL);
    const CpuGroup *g = call->m->cpus;
    for (unsigned i = 0; i < g->count; i++) {
        since->accesses[i] = counter_read(&g->cpu[i]->tcg.accesses);
        since->fills[i] = counter_read(&g->cpu[i]->tcg.tlb.fills);
    }
}

/* With the vCPUs parked. */
static void copy_counts(InspectCall *call, TlbCopy *copy, const CPUState *cpu) {
    const CountingSince *since =
        inspect_state(call->inspector, &since_key, sizeof(*since), NULL);
    const CpuTlb *tlb = &cpu->tcg.tlb;
    copy->fills = tlb->fills;
    copy->second_hits = tlb->second_hits;
    copy->flushes = tlb->flushes;
    copy->walks = tlb->walks;
    copy->counting = tb_cache_of(call)->bs.profile;
    copy->accesses = cpu->tcg.accesses - since->accesses[cpu->index];
    copy->fills_meanwhile = tlb->fills - since->fills[cpu->index];
}

static json_t *counts_json(const TlbCopy *copy) {
    /* An access that crosses pages may fill twice. */
    uint64_t fills =
        copy->fills_meanwhile < copy->accesses ? copy->fills_meanwhile : copy->accesses;
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:s}", "fills",
        inspect_hex(copy->fills), "misses", inspect_hex(copy->second_hits + copy->walks),
        "second_hits", inspect_hex(copy->second_hits), "walks", inspect_hex(copy->walks),
        "flushes", inspect_hex(copy->flushes), "misses_are",
        "slow-path look-ups of data and fetches: second_hits + walks", "accesses",
        copy->counting ? inspect_hex(copy->accesses) : json_null(), "hits",
        copy->counting ? inspect_hex(copy->accesses - fills) : json_null(), "hits_are",
        copy->counting ? "of the first level since tb.profile began, by whole blocks: "
                         "accesses less fills since then"
                       : "not counted; tb.profile on=true counts them from then on");
}

static json_t *copy_json(const InspectCall *call, const TlbCopy *copy, unsigned mmu_idx) {
    json_t *rows = json_array();
    unsigned shown = 0;
    while (shown < copy->count && inspect_may_add_row(call, shown)) {
        json_array_append_new(rows, row_json(&copy->row[shown++]));
    }
    return json_pack("{s:s, s:o, s:i, s:b, s:o}", "mode", mode_name(mmu_idx), "entries",
                     rows, "matching", (int)copy->total, "truncated", copy->total > shown,
                     "counts", counts_json(copy));
}

json_t *inspect_mmu_tlb(InspectCall *call) {
    CPUState *cs = inspect_cpu(call);
    if (!cs) {
        return NULL;
    }
    RiscvCPU *cpu = riscv_cpu(cs);
    const CpuTlb *tlb = &cs->tcg.tlb;
    TlbCopy copy = {
        .limit = (unsigned)inspect_int(call, "limit"),
        .filter_first = inspect_u64(call, "from") & PAGE_MASK,
        .filter_last = inspect_has(call, "to") ? inspect_u64(call, "to") : UINT64_MAX,
        .filter_slot = inspect_has(call, "slot") ? inspect_int(call, "slot") : -1};
    int64_t level = inspect_int(call, "level");
    copy.row = calloc(copy.limit, sizeof(*copy.row));
    if (!copy.row) {
        return inspect_fail(call, INSPECT_HOST, "no memory", "ask for a lower limit");
    }
    inspect_pause(call);
    unsigned mmu_idx = asked_mmu_idx(call, cpu);
    if (level != 2) {
        copy_first(&copy, tlb, mmu_idx);
    }
    if (level != 1) {
        copy_second(&copy, cpu, mmu_idx, inspect_bool(call, "stale"));
    }
    copy_counts(call, &copy, cs);
    inspect_unpause(call);
    json_t *result = copy_json(call, &copy, mmu_idx);
    free(copy.row);
    return result;
}

/* --- slot by slot ---------------------------------------------------------------------------- */

enum {
    SLOT_USED = 1,
    SLOT_LIVE = 2,
    SLOT_GLOBAL = 4,
    SLOT_PROT_SHIFT = 3, /* PROT_R, PROT_W, PROT_X */
    SLOT_NOTDIRTY = 64,
    SLOT_SLOW = 128,
    SLOTS_MAX = TLB_SIZE > TLB2_SIZE ? (int)TLB_SIZE : (int)TLB2_SIZE,
};

/* The first level has no stale entries: a change of address space empties it. */
static void map_first(const CpuTlb *tlb, unsigned mmu_idx, uint8_t *map) {
    for (uint32_t i = 0; i < tlb->journal_count[mmu_idx]; i++) {
        unsigned slot = tlb->journal[mmu_idx][i];
        const TlbEntry *e = &tlb->entry[mmu_idx][slot];
        uint64_t load = e->tag_load & TLB_INVALID ? 0 : e->tag_load;
        uint64_t store = e->tag_store & TLB_INVALID ? 0 : e->tag_store;
        bool load_ok = !(e->tag_load & TLB_INVALID);
        bool store_ok = !(e->tag_store & TLB_INVALID);
        if (load_ok || store_ok) {
            unsigned prot = (load_ok ? PROT_R : 0) | (store_ok ? PROT_W : 0);
            uint64_t flags = load | store;
            map[slot] = (uint8_t)(SLOT_USED | SLOT_LIVE | prot << SLOT_PROT_SHIFT |
                                  (flags & TLB_NOTDIRTY ? SLOT_NOTDIRTY : 0) |
                                  (flags & (TLB_MMIO | TLB_WATCH) ? SLOT_SLOW : 0));
        }
    }
}

static void map_second(const RiscvCPU *cpu, unsigned mmu_idx, uint8_t *map) {
    const CpuTlb *tlb = &cpu->parent.tcg.tlb;
    for (unsigned slot = 0; slot < TLB2_SIZE; slot++) {
        const TlbEntry2 *e = &tlb->second[slot];
        TlbKey key = tlb_second_key_read(e->key);
        if (!key.valid || key.mmu_idx != mmu_idx) {
            continue;
        }
        RiscvStamp stamp = riscv_stamp_read(cpu, e->stamp, mmu_idx);
        unsigned prot = (unsigned)(e->phys & (PROT_R | PROT_W | PROT_X));
        map[slot] = (uint8_t)(SLOT_USED | (stamp.live ? SLOT_LIVE : 0) |
                              (stamp.global ? SLOT_GLOBAL : 0) | prot << SLOT_PROT_SHIFT |
                              (e->ram ? 0 : SLOT_SLOW));
    }
}

json_t *inspect_mmu_tlb_map(InspectCall *call) {
    CPUState *cs = inspect_cpu(call);
    if (!cs) {
        return NULL;
    }
    RiscvCPU *cpu = riscv_cpu(cs);
    bool second = inspect_int(call, "level") == 2;
    unsigned slots = second ? TLB2_SIZE : TLB_SIZE;
    uint8_t *map = calloc(1, SLOTS_MAX);
    if (!map) {
        return inspect_fail(call, INSPECT_HOST, "no memory", "try again later");
    }
    TlbCopy copy = {0};
    inspect_pause(call);
    unsigned mmu_idx = asked_mmu_idx(call, cpu);
    if (second) {
        map_second(cpu, mmu_idx, map);
    } else {
        map_first(&cs->tcg.tlb, mmu_idx, map);
    }
    copy_counts(call, &copy, cs);
    inspect_unpause(call);
    int used = 0, live = 0;
    for (unsigned slot = 0; slot < slots; slot++) {
        used += (map[slot] & SLOT_USED) != 0;
        live += (map[slot] & SLOT_LIVE) != 0;
    }
    json_t *result = json_pack(
        "{s:s, s:i, s:i, s:i, s:i, s:i, s:o, s:o}", "mode", mode_name(mmu_idx), "level",
        second ? 2 : 1, "slots", (int)slots, "used", used, "live", live, "stale",
        used - live, "map", inspect_base64(map, slots), "counts", counts_json(&copy));
    free(map);
    return result;
}
