/* SPDX-License-Identifier: MIT */
/* Making a block once more, and comparing; see explain.h. */
#include "cpu/explain.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/lookup.h"

enum {
    SHADOW_SLACK = 64 << 10, /* behind the private code buffer */
    EXTRA_SPACE = 16 << 10,  /* that generate() wants beyond what it uses */
    RANGES_MAX = 2 * IR_MAX_OPS,
    NOTES_MAX = 4 * IR_MAX_OPS,
};

struct CpuExplainer {
    CpuGroup *group;
    const RamList *rams;
    const Backend *backend;
    CpuClass cls;  /* the ISA's, but nothing is walked or delivered */
    CPUState *cpu; /* never runs */
    Log quiet;
    IrContext *ir;
    BackendState bs;      /* code.rx_base is the real one's, rw_base is private */
    GroupDebug stop_here; /* the point of a block that only stops at a break point */
    uint8_t page[2][PAGE_SIZE];
};

/* What is copied of a block while it cannot change. */
typedef struct Original {
    const TranslationBlock *self;
    TbRecord tb;
    TbJump jump[TB_MAX_SLOTS];
    uint8_t *code;
} Original;

/* --- the vCPU that never runs ----------------------------------------------------------------------- */

static bool refuse_fill(CPUState *cpu, vaddr addr, unsigned size, AccessKind kind,
                        unsigned mmu_idx, bool probe) {
    (void)cpu, (void)addr, (void)size, (void)kind, (void)mmu_idx, (void)probe;
    return false;
}

static void deliver_nothing(CPUState *cpu, vaddr addr, AccessKind kind) {
    (void)cpu, (void)addr, (void)kind;
}

static void make_cpu(CpuExplainer *ex) {
    const CPUState *like = ex->group->cpu[0];
    ex->cls = *like->cls;
    ex->cls.tlb_fill = refuse_fill;
    ex->cls.bus_error = deliver_nothing;
    ex->cpu = like->cls->new_like(like);
    CPUState *cpu = ex->cpu;
    cpu->cls = &ex->cls;
    cpu->group = ex->group;
    cpu->as = like->as;
    cpu->log = &ex->quiet;
    cpu->clock = like->clock;
    cpu->explainer = true;
    cpu->tcg.backend = ex->backend;
    for (unsigned i = 0; i < FETCH_CACHE_SIZE; i++) {
        cpu->fetch_cache[i].page = FETCH_NO_PAGE;
    }
    ex->ir = ir_context_new();
    cpu->ir = ex->ir;
    cpu->cls->declare_globals(cpu, ex->ir);
    ex->ir->pc_offset = cpu->cls->pc_offset;
}

CpuExplainer *cpu_explainer_new(CpuGroup *g, const RamList *rams, Error **errp) {
    const BackendState *real = &g->cache->bs;
    CpuExplainer *ex = calloc(1, sizeof(*ex));
    assert(ex);
    ex->group = g;
    ex->rams = rams;
    ex->backend = g->cache->backend;
    make_cpu(ex);
    void *shadow = mmap(NULL, real->code.size + SHADOW_SLACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shadow == MAP_FAILED) {
        error_set(errp, "no %zu bytes of address space to explain blocks in",
                  real->code.size);
        ex->bs.code.rw_base = NULL;
        goto out_free;
    }
    ex->bs = *real; /* whatever code depends on */
    ex->bs.code.rw_base = shadow;
    ex->bs.globals = ex->ir;
    if (!ex->backend->init(&ex->bs, errp)) {
        goto out_unmap;
    }
    return ex;
out_unmap:
    munmap(shadow, real->code.size + SHADOW_SLACK);
out_free:
    ir_context_free(ex->ir);
    ex->group->cpu[0]->cls->free(ex->cpu);
    free(ex);
    return NULL;
}

void cpu_explainer_free(CpuExplainer *ex) {
    if (!ex) {
        return;
    }
    ex->backend->destroy(&ex->bs);
    munmap(ex->bs.code.rw_base, ex->bs.code.size + SHADOW_SLACK);
    ir_context_free(ex->ir);
    ex->group->cpu[0]->cls->free(ex->cpu);
    free(ex);
}

/* --- copying ---------------------------------------------------------------------------------------- */

static bool copy_guest_page(CpuExplainer *ex, unsigned n, ram_addr from, unsigned len) {
    const RAMBlock *rb = ram_list_find(ex->rams, from);
    memset(ex->page[n], 0, PAGE_SIZE);
    if (!rb || from - rb->base + len > rb->size) {
        return false;
    }
    memcpy(ex->page[n] + (from & PAGE_OFFSET_MASK), rb->host + (from - rb->base), len);
    return true;
}

static bool copy_guest_locked(CpuExplainer *ex, const TbRecord *tb) {
    unsigned first = PAGE_SIZE - (unsigned)(tb->phys & PAGE_OFFSET_MASK);
    unsigned head = tb->size < first ? tb->size : first;
    memset(ex->page[1], 0, PAGE_SIZE);
    if (tb->phys == RAM_ADDR_INVALID || !copy_guest_page(ex, 0, tb->phys, head)) {
        return false;
    }
    return tb->size == head || (tb->phys2 != RAM_ADDR_INVALID &&
                                copy_guest_page(ex, 1, tb->phys2, tb->size - head));
}

static bool copy_original(CpuExplainer *ex, uint64_t born, Original *o, Error **errp) {
    TbCache *tc = ex->group->cache;
    bool ok = false;
    pthread_mutex_lock(&tc->lock);
    const TranslationBlock *tb = tb_find_born_locked(tc, born);
    if (!tb) {
        error_set(errp, "block %" PRIu64 " does not exist any more", born);
        goto out_unlock;
    }
    o->self = tb;
    tb_record_fill_locked(tc, tb, &o->tb);
    memcpy(o->jump, tb->jump, sizeof(o->jump));
    if (!copy_guest_locked(ex, &o->tb)) {
        error_set(errp, "block %" PRIu64 " was not made from RAM or ROM", born);
        goto out_unlock;
    }
    o->code = malloc(tb->code_size + 1u);
    assert(o->code);
    memcpy(o->code, tb->code, tb->code_size);
    ok = true;
out_unlock:
    pthread_mutex_unlock(&tc->lock);
    return ok;
}

/* --- once more -------------------------------------------------------------------------------------- */

/* Where the second page would be looked for: behind the first, which may wrap at 32 bits. */
static void preset_fetch(CpuExplainer *ex, const TbRecord *tb, FetchPage *first) {
    CPUState *cpu = ex->cpu;
    cpu->tcg.jump_tag.flags = tb->flags;
    cpu->tcg.jump_tag.generation++;
    uint64_t tag =
        (uint64_t)cpu->tcg.jump_tag.generation << 8 | cpu->cls->fetch_mmu_idx(cpu);
    *first = (FetchPage){.page = tb->pc & PAGE_MASK,
                         .tag = tag,
                         .host = ex->page[0],
                         .ram = tb->phys & PAGE_MASK};
    vaddr next = cpu->cls->next_page(cpu, tb->pc);
    cpu->fetch_cache[next >> PAGE_BITS & (FETCH_CACHE_SIZE - 1)] = (FetchPage){
        .page = next,
        .tag = tag,
        .host = ex->page[1],
        .ram = tb->phys2 != RAM_ADDR_INVALID ? tb->phys2 : tb->phys & PAGE_MASK,
    };
}

static bool build(CpuExplainer *ex, const Original *o, TranslationBlock *draft,
                  IrStages *stages, Error **errp) {
    FetchPage first;
    preset_fetch(ex, &o->tb, &first);
    /* Points elsewhere ended the block; that is in its count of instructions. */
    ex->stop_here = (GroupDebug){.point = {{.addr = o->tb.pc}}, .count = 1, .breaks = 1};
    ex->cpu->debug.points = o->tb.insns ? NULL : &ex->stop_here;
    *draft = (TranslationBlock){.pc = o->tb.pc, .phys = o->tb.phys, .flags = o->tb.flags};
    ir_stages_begin(stages, ex->ir);
    bool ok = cpu_build_ir(ex->cpu, draft, &first, o->tb.insns);
    ir_stages_end(stages, ex->ir);
    if (!ok) {
        error_set(errp,
                  "the bytes that block %" PRIu64 " was made from are others by now",
                  o->tb.born);
    }
    return ok;
}

static bool generate(CpuExplainer *ex, const Original *o, TranslationBlock *draft,
                     Explanation *e, Error **errp) {
    const uint8_t *code = ex->bs.code.rx_base + o->tb.code_at;
    const uint8_t *at = code - ex->backend->code_header;
    RegNote *note = malloc(NOTES_MAX * sizeof(*note));
    OpRange *range = malloc(RANGES_MAX * sizeof(*range));
    assert(note && range);
    GenRecord record = {note, 0, NOTES_MAX};
    unsigned range_count = RANGES_MAX;
    ex->bs.self = o->self;
    ex->bs.record = &record;
    ex->bs.profile = o->tb.profiled;
    bool ok =
        ex->backend->generate(&ex->bs, ex->ir, draft, at,
                              o->tb.code_size + (size_t)EXTRA_SPACE, range, &range_count);
    e->note = realloc(note, (record.count + 1) * sizeof(*note));
    e->range = realloc(range, (range_count + 1) * sizeof(*range));
    e->note_count = record.count;
    e->range_count = range_count;
    if (!ok) {
        error_set(errp,
                  "the bytes that block %" PRIu64 " was made from are others by now",
                  o->tb.born);
        return false;
    }
    e->code_size = draft->code_size;
    e->code = malloc(draft->code_size + 1u);
    assert(e->code && e->note && e->range);
    memcpy(e->code, code_rw(&ex->bs.code, draft->code), draft->code_size);
    return true;
}

/* --- comparing -------------------------------------------------------------------------------------- */

static bool is_masked(const Explanation *e, uint32_t at) {
    for (unsigned i = 0; i < e->mask_count; i++) {
        if (at - e->mask[i].patch.offset < e->mask[i].patch.size) {
            return true;
        }
    }
    return false;
}

static void find_masks(const CpuExplainer *ex, const Original *o, Explanation *e) {
    TranslationBlock tb = {0};
    CodePatch patch[CODE_PATCHES];
    memcpy(tb.jump, o->jump, sizeof(tb.jump));
    unsigned count = ex->backend->patches(&tb, patch);
    for (unsigned i = 0; i < count; i++) {
        if (patch[i].slot < 0 && !o->tb.death) {
            continue; /* it lives: its entry is as it was made */
        }
        uint64_t to = patch[i].slot < 0 ? 0 : o->tb.to[patch[i].slot];
        if (patch[i].slot < 0 || to || o->tb.death) {
            e->mask[e->mask_count++] = (ExplainMask){patch[i], to};
        }
    }
}

static bool same_exits(const Original *o, const TranslationBlock *draft) {
    for (unsigned i = 0; i < TB_MAX_SLOTS; i++) {
        const TbJump *a = &o->jump[i], *b = &draft->jump[i];
        if (a->used != b->used || (a->used && (a->patch_offset != b->patch_offset ||
                                               a->reset_offset != b->reset_offset))) {
            return false;
        }
    }
    return true;
}

static void compare(const CpuExplainer *ex, const Original *o,
                    const TranslationBlock *draft, Explanation *e) {
    find_masks(ex, o, e);
    uint32_t size = o->tb.code_size < e->code_size ? o->tb.code_size : e->code_size;
    e->size_differs = o->tb.code_size != e->code_size;
    e->first_difference = size;
    for (uint32_t i = size; i-- > 0;) {
        if (o->code[i] != e->code[i] && !is_masked(e, i)) {
            e->first_difference = i;
            e->different_bytes++;
        }
    }
    e->identical = !e->different_bytes && !e->size_differs && same_exits(o, draft) &&
                   draft->insns == o->tb.insns && draft->size == o->tb.size;
    if (!e->identical) {
        e->doubt =
            o->tb.death
                ? "the block is dead and its guest bytes were written since: this is "
                  "what they would make now"
            : o->tb.one_shot
                ? "the block's guest bytes changed while it was made: this is what "
                  "they would make now"
                : "what runs was made in another way: please report this";
    }
}

/* --- one block -------------------------------------------------------------------------------------- */

static void list_insns(const CpuExplainer *ex, Explanation *e) {
    const IrContext *ir = ex->ir;
    e->insn_count = ir->insn_count;
    e->insn = calloc(ir->insn_count + 1u, sizeof(*e->insn));
    assert(e->insn);
    for (unsigned i = 0; i < ir->insn_count; i++) {
        ExplainInsn *insn = &e->insn[i];
        insn->pc = ir->insns[i].pc;
        insn->length = ir->insns[i].bytes;
        assert(insn->length <= EXPLAIN_INSN_BYTES);
        for (unsigned k = 0; k < insn->length; k++) {
            unsigned at = (unsigned)(insn->pc & PAGE_OFFSET_MASK) + k;
            bool second = at >= PAGE_SIZE;
            insn->bytes[k] = ex->page[second][at & PAGE_OFFSET_MASK];
        }
    }
}

static int by_begin(const void *a, const void *b) {
    const OpRange *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* What was written to private memory goes back to the host. */
static void settle(CpuExplainer *ex, const Original *o) {
    const uintptr_t page = 4096;
    uint8_t *at = ex->bs.code.rw_base + o->tb.code_at;
    uintptr_t begin = ((uintptr_t)at + page - 1) & -page;
    uintptr_t end = ((uintptr_t)at + o->tb.code_size + EXTRA_SPACE) & -page;
    if (end > begin) {
        madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
}

Explanation *cpu_explain(CpuExplainer *ex, uint64_t born, Error **errp) {
    Original o = {0};
    TranslationBlock draft;
    if (!copy_original(ex, born, &o, errp)) {
        return NULL;
    }
    Explanation *e = calloc(1, sizeof(*e));
    assert(e);
    e->tb = o.tb;
    bool ok =
        build(ex, &o, &draft, &e->stages, errp) && generate(ex, &o, &draft, e, errp);
    if (ok) {
        qsort(e->range, e->range_count, sizeof(*e->range), by_begin);
        list_insns(ex, e);
        compare(ex, &o, &draft, e);
    } else {
        explanation_free(e);
        e = NULL;
    }
    settle(ex, &o);
    free(o.code);
    return e;
}

void explanation_free(Explanation *e) {
    if (e) {
        ir_stages_free(&e->stages);
        free(e->insn);
        free(e->code);
        free(e->range);
        free(e->note);
        free(e);
    }
}

/* --- text ------------------------------------------------------------------------------------------- */

unsigned explain_guest_text(const CpuExplainer *ex, const ExplainInsn *insn, char *text,
                            size_t size) {
    return ex->cls.disassemble(ex->cpu, insn->pc, insn->bytes, insn->length, text, size);
}

unsigned explain_guest_fields(const CpuExplainer *ex, const ExplainInsn *insn,
                              InsnField *field, unsigned max) {
    const char *row;
    return ex->cls.decode_fields(ex->cpu, insn->bytes, insn->length, field, max, &row);
}

const char *explain_guest_row(const CpuExplainer *ex, const ExplainInsn *insn) {
    const char *row = NULL;
    ex->cls.decode_fields(ex->cpu, insn->bytes, insn->length, NULL, 0, &row);
    return row;
}

unsigned explain_host_text(const CpuExplainer *ex, const Explanation *e, uint32_t offset,
                           uint32_t end, char *text, size_t size) {
    /* The copy, as if it were where it runs: thunks are found by their distance. */
    BackendState view = ex->bs;
    view.code.rx_base = view.code.rw_base;
    uint8_t *code = view.code.rw_base + e->tb.code_at;
    memcpy(code, e->code, e->code_size);
    uint64_t address = (uint64_t)(uintptr_t)ex->bs.code.rx_base + e->tb.code_at + offset;
    unsigned len =
        ex->backend->disassemble(&view, code + offset, code + end, address, text, size);
    if (!len) {
        snprintf(text, size, "%u bytes", end - offset);
    }
    return len ? len : end - offset;
}

const char *explain_reg_name(const CpuExplainer *ex, unsigned reg) {
    return ex->backend->reg_name ? ex->backend->reg_name(reg) : NULL;
}

const char *explain_code_kind(CodeKind kind) {
    static const char *const names[CODE_KIND_COUNT] = {
        [CODE_MAIN] = "main",      [CODE_ENTRY] = "entry",     [CODE_SLOW] = "slow path",
        [CODE_EXIT] = "exit",      [CODE_REQUEST] = "request", [CODE_STOP] = "stop",
        [CODE_RARE] = "rare case", [CODE_DATA] = "data",
    };
    return names[kind];
}

const char *explain_reg_event(RegEvent event) {
    static const char *const names[REG_EVENT_COUNT] = {
        [REG_HOLDS] = "holds",         [REG_STORED] = "stored", [REG_SPILLED] = "spilled",
        [REG_HOME] = "home",           [REG_MOVED] = "moved",   [REG_DEAD] = "dead",
        [REG_FORGOTTEN] = "forgotten",
    };
    return names[event];
}
