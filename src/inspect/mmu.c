/* SPDX-License-Identifier: MIT */
/*
 * The domain "mmu": why an address goes where it goes; what is mapped; what the TLBs hold.
 *
 *   mmu.walk       riscv_explain(): the guest's own walker tells its steps
 *   mmu.mappings   the same walker, from one mapping to the next, a bounded number at a time
 *   mmu.tlb        a copy of the entries, in mmu_tlb.c
 */
#include <stdlib.h>
#include <string.h>

#include "cpu/riscv/bits.h"
#include "cpu/riscv/walk.h"
#include "inspect/inspect_call.h"

enum {
    WALKS_A_PAUSE = 2000, /* of mmu.mappings */
    WALKS_A_CALL = 400000,
    PTE_TEXT = 96,
};

static json_t *rights_json(unsigned prot) {
    char text[] = "rwx";
    text[0] = prot & PROT_R ? 'r' : '-';
    text[1] = prot & PROT_W ? 'w' : '-';
    text[2] = prot & PROT_X ? 'x' : '-';
    return json_string(text);
}

static const char *mmu_idx_name(unsigned mmu_idx) {
    static const char *const names[] = {
        [MMU_U] = "U", [MMU_S] = "S", [MMU_S_SUM] = "S+SUM", [MMU_M] = "M"};
    return names[mmu_idx];
}

static json_t *mode_json(const RiscvWalkRecord *rec) {
    if (!rec->paged) {
        return json_string("bare");
    }
    return json_sprintf("Sv%u", rec->index_bits == 10 ? 32 : 12 + 9 * rec->levels);
}

/* --- walk ------------------------------------------------------------------------------------ */

static json_t *pmp_json(int entry) {
    return entry == RISCV_PMP_NONE ? json_null() : json_integer(entry);
}

static json_t *step_json(const RiscvWalkStep *s, bool wide) {
    json_t *o =
        json_pack("{s:i, s:i, s:o, s:o, s:s, s:s}", "level", (int)s->level, "index",
                  (int)s->index, "pte_addr", inspect_hex(s->pte_addr), "pmp_entry",
                  pmp_json(s->pmp_entry), "verdict", riscv_walk_reason_word(s->reason),
                  "why", riscv_walk_reason_text(s->reason));
    if (s->read) {
        char text[PTE_TEXT];
        riscv_pte_text(s->pte, wide, text, sizeof(text));
        json_object_set_new(o, "pte", inspect_hex(s->pte));
        json_object_set_new(o, "bits", json_string(text));
    }
    return o;
}

static const char *page_size_name(unsigned page_bits) {
    switch (page_bits) {
    case PAGE_BITS:
        return "page";
    case 16:
        return "64 KiB NAPOT";
    case 21:
        return "2 MiB superpage";
    case 22:
        return "4 MiB superpage";
    case 30:
        return "1 GiB superpage";
    case 39:
        return "512 GiB superpage";
    default:
        return "256 TiB superpage";
    }
}

/* What is at the result; region is a copy of its name or NULL. */
typedef struct Target {
    char *region;
    const char *kind;
    uint64_t offset;
} Target;

static Target find_target(const Machine *m, hwaddr phys) {
    const FlatRange *fr = address_space_find(&m->as, phys);
    if (!fr) {
        return (Target){NULL, "nothing", 0};
    }
    const char *kind = flat_range_is_writable_ram(fr) ? "ram"
                       : fr->is_ram                   ? "rom"
                                                      : "device";
    return (Target){strdup(fr->mr->name), kind, fr->mr_offset + (phys - fr->addr)};
}

static void add_result(json_t *o, const RiscvWalkRecord *rec, const Target *t) {
    json_object_update_new(
        o, json_pack("{s:o, s:o, s:s, s:b}", "phys", inspect_hex(rec->phys), "rights",
                     rights_json(rec->prot), "size", page_size_name(rec->page_bits),
                     "global", rec->global));
    json_object_set_new(o, "region",
                        json_pack("{s:s?, s:s, s:o}", "name", t->region, "kind", t->kind,
                                  "offset", inspect_hex(t->offset)));
    if (rec->pmp_asked) {
        json_object_set_new(o, "pmp",
                            json_pack("{s:o, s:o}", "entry", pmp_json(rec->pmp_entry),
                                      "rights", rights_json(rec->pmp_prot)));
    }
    if (rec->would_set) {
        char text[PTE_TEXT];
        riscv_pte_text(rec->would_set, false, text, sizeof(text));
        text[2] = '\0'; /* D and A */
        json_object_set_new(o, "would_set", json_string(text));
    }
}

static json_t *walk_json(const RiscvWalkRecord *rec, vaddr addr, unsigned mmu_idx,
                         const Target *t) {
    json_t *levels = json_array();
    for (unsigned i = 0; i < rec->count; i++) {
        json_array_append_new(levels, step_json(&rec->step[i], rec->index_bits == 9));
    }
    json_t *o =
        json_pack("{s:o, s:o, s:s, s:o, s:b, s:s, s:s}", "addr", inspect_hex(addr),
                  "mode", mode_json(rec), "as", mmu_idx_name(mmu_idx), "levels", levels,
                  "ok", rec->ok, "reason", riscv_walk_reason_word(rec->reason), "why",
                  riscv_walk_reason_text(rec->reason));
    if (rec->paged) {
        json_object_set_new(o, "root", inspect_hex(rec->root));
    }
    if (rec->translated) {
        add_result(o, rec, t);
    }
    if (!rec->ok) {
        json_object_set_new(o, "fault",
                            json_pack("{s:i, s:s}", "cause", (int)rec->fault, "name",
                                      riscv_cause_name(rec->fault)));
    }
    return o;
}

static AccessKind access_kind(const InspectCall *call) {
    const char *word = inspect_string(call, "access");
    return strcmp(word, "read") == 0    ? ACCESS_LOAD
           : strcmp(word, "write") == 0 ? ACCESS_STORE
                                        : ACCESS_FETCH;
}

static unsigned asked_priv(const InspectCall *call, const RiscvCPU *cpu) {
    const char *word = inspect_string(call, "priv");
    if (!word || strcmp(word, "now") == 0) {
        return (unsigned)cpu->env.priv;
    }
    return word[0] == 'U' ? PRV_U : word[0] == 'S' ? PRV_S : PRV_M;
}

static vaddr canonical_of_xlen(const RiscvCPU *cpu, uint64_t addr) {
    return riscv_is_rv32(cpu) ? (uint32_t)addr : addr;
}

json_t *inspect_mmu_walk(InspectCall *call) {
    CPUState *cs = inspect_cpu(call);
    if (!cs) {
        return NULL;
    }
    RiscvCPU *cpu = riscv_cpu(cs);
    vaddr addr = canonical_of_xlen(cpu, inspect_u64(call, "addr"));
    AccessKind kind = access_kind(call);
    RiscvWalkRecord rec;
    Target target = {0};
    inspect_pause(call);
    unsigned mmu_idx = riscv_mmu_idx_of(cpu, asked_priv(call, cpu), kind);
    riscv_explain(cpu, addr, 1, kind, mmu_idx, &rec);
    if (rec.translated) {
        target = find_target(call->m, rec.phys);
    }
    inspect_unpause(call);
    json_t *result = walk_json(&rec, addr, mmu_idx, &target);
    free(target.region);
    return result;
}

/* --- mappings -------------------------------------------------------------------------------- */

enum { RUN_BITS = PTE_R | PTE_W | PTE_X | PTE_U | PTE_G | PTE_A | PTE_D };

/* Neighbouring mappings with equal bits and consecutive physical addresses. */
typedef struct Run {
    vaddr first, last;
    hwaddr phys;
    uint64_t bits; /* RUN_BITS of the leaves, PTE_G of any level */
    uint64_t leaves;
} Run;

typedef struct Mappings {
    uint64_t satp;
    vaddr at;
    bool done;
    Run *run;
    unsigned count, limit;
    unsigned walks;
    RiscvWalkRecord rec; /* the last walk */
} Mappings;

/* log2 of what the last walk decided about: a mapping, or the reach of the entry that ended it. */
static unsigned reach_bits(const RiscvWalkRecord *rec) {
    if (rec->translated) {
        return rec->page_bits;
    }
    return rec->count ? PAGE_BITS + rec->step[rec->count - 1].level * rec->index_bits
                      : PAGE_BITS;
}

/* Adds a mapping; false: it would be a run more than the limit. */
static bool add_mapping(Mappings *m, vaddr first, vaddr last) {
    const RiscvWalkRecord *rec = &m->rec;
    hwaddr phys = rec->phys - (m->at - first);
    uint64_t bits = rec->step[rec->count - 1].pte & RUN_BITS;
    bits |= rec->global ? PTE_G : 0;
    Run *run = m->count ? &m->run[m->count - 1] : NULL;
    if (run && run->bits == bits && run->last + 1 == first &&
        run->phys + (first - run->first) == phys) {
        run->last = last;
        run->leaves++;
        return true;
    }
    if (m->count == m->limit) {
        return false;
    }
    m->run[m->count++] = (Run){first, last, phys, bits, 1};
    return true;
}

/* The first address after `addr` that the mode can translate, if addr is not canonical. */
static vaddr next_canonical(const RiscvWalkRecord *rec) {
    unsigned bits = PAGE_BITS + rec->levels * rec->index_bits;
    return ~(vaddr)0 << (bits - 1);
}

/* One walk. False: the end of the address space, or the limit. */
static bool mapping_step(RiscvCPU *cpu, Mappings *m, vaddr end) {
    m->walks++;
    if (!riscv_explain_mapping(cpu, m->at, &m->rec) &&
        m->rec.reason == WALK_NOT_CANONICAL) {
        m->at = next_canonical(&m->rec);
        return true;
    }
    vaddr within = ((vaddr)1 << reach_bits(&m->rec)) - 1;
    vaddr first = m->at & ~within, last = m->at | within;
    if (m->rec.translated && !add_mapping(m, first, last)) {
        return false;
    }
    if (last >= end) {
        m->done = true;
        return false;
    }
    m->at = last + 1;
    return true;
}

static void mappings_run(InspectCall *call, RiscvCPU *cpu, Mappings *m, vaddr end) {
    bool more = true;
    while (more && m->walks < WALKS_A_CALL) {
        inspect_pause(call);
        /* The guest may have switched since the last pause. */
        uint64_t own = cpu->env.satp;
        cpu->env.satp = m->satp;
        for (unsigned i = 0; more && i < WALKS_A_PAUSE; i++) {
            more = mapping_step(cpu, m, end);
        }
        cpu->env.satp = own;
        inspect_unpause(call);
    }
}

static json_t *runs_json(const Mappings *m, bool wide) {
    json_t *runs = json_array();
    for (unsigned i = 0; i < m->count; i++) {
        const Run *r = &m->run[i];
        char text[PTE_TEXT];
        riscv_pte_text(r->bits | PTE_V, wide, text, sizeof(text));
        text[7] = '\0'; /* without V */
        json_array_append_new(runs, json_pack("{s:o, s:o, s:o, s:s, s:o}", "first",
                                              inspect_hex(r->first), "size",
                                              inspect_hex(r->last - r->first + 1), "phys",
                                              inspect_hex(r->phys), "bits", text,
                                              "leaves", inspect_hex(r->leaves)));
    }
    return runs;
}

/* Is the value one that satp can hold on this hart, with paging on? */
static bool satp_is_paged(const RiscvCPU *cpu, uint64_t satp) {
    if (riscv_is_rv32(cpu)) {
        return (uint32_t)satp >> SATP32_MODE_SHIFT == SATP_SV32 && satp <= UINT32_MAX;
    }
    uint64_t mode = satp >> SATP64_MODE_SHIFT;
    return mode >= SATP_SV39 && mode <= cpu->cfg.satp_max;
}

json_t *inspect_mmu_mappings(InspectCall *call) {
    CPUState *cs = inspect_cpu(call);
    if (!cs) {
        return NULL;
    }
    RiscvCPU *cpu = riscv_cpu(cs);
    Mappings m = {.limit = (unsigned)inspect_int(call, "limit")};
    inspect_pause(call);
    m.satp = inspect_has(call, "satp") ? inspect_u64(call, "satp") : cpu->env.satp;
    inspect_unpause(call);
    if (!satp_is_paged(cpu, m.satp)) {
        return inspect_failf(call, INSPECT_BAD_STATE, "cpu.regs shows satp",
                             "satp 0x%llx is bare or no mode of this hart",
                             (unsigned long long)m.satp);
    }
    m.at = inspect_u64(call, inspect_has(call, "cursor") ? "cursor" : "from");
    m.at = canonical_of_xlen(cpu, m.at) & PAGE_MASK;
    vaddr end = inspect_has(call, "to") ? inspect_u64(call, "to") : UINT64_MAX;
    end = riscv_is_rv32(cpu) && end > UINT32_MAX ? UINT32_MAX : end;
    m.run = calloc(m.limit, sizeof(*m.run));
    if (!m.run) {
        return inspect_fail(call, INSPECT_HOST, "no memory", "ask for a lower limit");
    }
    m.done = m.at > end;
    if (!m.done) {
        mappings_run(call, cpu, &m, end);
    }
    json_t *result =
        json_pack("{s:o, s:o, s:o, s:o, s:i, s:o}", "satp", inspect_hex(m.satp), "mode",
                  m.walks ? mode_json(&m.rec) : json_null(), "runs",
                  runs_json(&m, !riscv_is_rv32(cpu)), "cursor",
                  m.done ? json_null() : inspect_hex(m.at), "walks", (int)m.walks, "root",
                  inspect_hex(m.rec.root));
    free(m.run);
    return result;
}
