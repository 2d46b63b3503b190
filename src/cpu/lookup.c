/* SPDX-License-Identifier: MIT */
/*
 * Lookup: from a guest pc to a translation block.
 *
 *   pc --fetch cache--> RAM address --hash--> block? --no--> front end, passes, back end --> insert
 *
 * A block is made without tb_lock up to code generation. The pages it is made from are marked "code"
 * first, so stores from then on count in CodePage.sequence; if that moved by the time the block is to
 * be entered in the cache, the bytes may be stale: the block runs once, as what was fetched, and is
 * not entered. Stores beside all blocks are counted only while TbCache.making is not zero.
 */
#include "cpu/lookup.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "cpu/exec.h"

/* A longer run of instructions becomes several blocks, chained. */
enum { TB_MAX_INSNS = 160, MARK_TRIES = 3 };

/* --- fetch ------------------------------------------------------------------------------------- */

/* Translates the page of pc for fetching. False: no translation (delivered unless probe). */
static bool fetch_page(CPUState *cpu, vaddr pc, bool probe, FetchPage *out) {
    uint64_t tag =
        (uint64_t)cpu->tcg.jump_tag.generation << 8 | cpu->cls->fetch_mmu_idx(cpu);
    FetchPage *slot = &cpu->fetch_cache[(pc >> PAGE_BITS) & (FETCH_CACHE_SIZE - 1)];
    if (slot->page == (pc & PAGE_MASK) && slot->tag == tag) {
        *out = *slot;
        return true;
    }
    if (!cpu->cls->tlb_fill(cpu, pc, 2, ACCESS_FETCH, cpu->cls->fetch_mmu_idx(cpu),
                            probe)) {
        return false;
    }
    cpu->fetch.tag = tag;
    *out = cpu->fetch;
    if (!cpu->fetch.partial) {
        *slot = cpu->fetch;
    }
    return true;
}

static RAMBlock *block_of_page(CPUState *cpu, ram_addr page) {
    RAMBlock *rb = cpu->ram_hint;
    if (!rb || page < rb->base || page >= rb->base + rb->size) {
        rb = address_space_find(cpu->as, cpu->fetch.phys)->mr->ram;
        cpu->ram_hint = rb;
    }
    return rb;
}

/* Makes stores to the page take the slow path. Another vCPU may be between the look at its TLB and
 * the store itself, so this is complete when each has left generated code once. */
static void mark_now(CPUState *cpu, RAMBlock *rb, uint64_t offset) {
    CpuGroup *g = cpu->group;
    cpu_code_leave(cpu);
    pthread_mutex_lock(&g->mark_lock);
    __atomic_store_n(&g->marking, true, __ATOMIC_SEQ_CST);
    if (ramblock_clear_dirty(rb, offset, DIRTY_CODE)) {
        for (unsigned i = 0; i < g->count; i++) {
            tlb_reset_dirty(&g->cpu[i]->tcg.tlb, rb->host + offset, PAGE_SIZE);
        }
        cpu_group_quiesce(g);
    }
    __atomic_store_n(&g->marking, false, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&g->mark_lock);
    cpu_code_enter(cpu);
}

/* From *sequence on stores to the page are counted. False: somebody writes to it all the time, and
 * with no code on it yet each store takes the mark away again. */
static bool mark_code(CPUState *cpu, ram_addr page, uint32_t *sequence) {
    RAMBlock *rb = block_of_page(cpu, page);
    for (unsigned tries = 0; tries < MARK_TRIES; tries++) {
        /* In this order: who takes the mark away after the look at it has changed the sequence. */
        *sequence = tb_cache_page_sequence(cpu->group->cache, page);
        if (!ramblock_is_dirty(rb, page - rb->base, DIRTY_CODE) &&
            !__atomic_load_n(&cpu->group->marking, __ATOMIC_ACQUIRE)) {
            return true;
        }
        mark_now(cpu, rb, page - rb->base);
    }
    return false;
}

bool cpu_fetch16_slow(CPUState *cpu, TranslationBlock *tb, vaddr pc, uint16_t *bits) {
    if ((pc & PAGE_MASK) != cpu->fetch.page || cpu->fetch.partial) {
        /* The second page, or a page whose permissions hold byte by byte. An exception is
         * delivered only for the block's first instruction. */
        bool probe = tb->insns > 0;
        FetchPage page;
        if (!fetch_page(cpu, pc, probe, &page)) {
            return false;
        }
        cpu->fetch = page;
        if ((pc & PAGE_MASK) != (tb->pc & PAGE_MASK)) {
            if (page.ram == RAM_ADDR_INVALID) {
                tb->one_shot = true;
            } else if (tb->phys2 == RAM_ADDR_INVALID) {
                tb->one_shot |=
                    !cpu->explainer && !mark_code(cpu, page.ram, &cpu->fetch_sequence[1]);
                tb->phys2 = page.ram;
            }
        }
    }
    if (cpu->fetch.host) {
        memcpy(bits, cpu->fetch.host + (pc & PAGE_OFFSET_MASK), 2);
        return true;
    }
    uint64_t value;
    tb->one_shot = true;
    if (address_space_load(cpu->as, cpu->fetch.phys | (pc & PAGE_OFFSET_MASK), 2,
                           &value) != MEMTX_OK) {
        if (tb->insns == 0) {
            cpu->cls->bus_error(cpu, pc, ACCESS_FETCH);
        }
        return false;
    }
    if (trace_on(cpu->trace, TRACE_MMIO_READ)) {
        trace_emit(cpu->trace, TRACE_MMIO_READ, (int)cpu->index,
                   cpu->fetch.phys | (pc & PAGE_OFFSET_MASK), 2, value, pc);
    }
    *bits = (uint16_t)value;
    return true;
}

/* --- look-up ----------------------------------------------------------------------------------- */

TranslationBlock *cpu_lookup_block(CPUState *cpu) {
    TcgCpu *tcg = &cpu->tcg;
    vaddr pc = cpu->cls->get_pc(cpu);
    JumpCacheEntry *e = &tcg->jump_cache[jump_cache_index(pc)];
    if (e->pc == pc && e->tag == tcg->jump_tag.word &&
        !__atomic_load_n(&e->tb->death, __ATOMIC_RELAXED)) {
        return e->tb;
    }
    FetchPage page;
    if (!fetch_page(cpu, pc, true, &page) || page.ram == RAM_ADDR_INVALID ||
        page.partial) {
        return NULL;
    }
    TbCache *tc = cpu->group->cache;
    pthread_mutex_lock(&tc->lock);
    TranslationBlock *tb = tb_cache_find_locked(tc, page.ram | (pc & PAGE_OFFSET_MASK),
                                                pc, tcg->jump_tag.flags);
    tc->stats.lookups++;
    tc->stats.lookup_hits += tb != NULL;
    pthread_mutex_unlock(&tc->lock);
    if (!tb) {
        return NULL;
    }
    if (tb->phys2 != RAM_ADDR_INVALID) {
        /* Its second page may be mapped elsewhere now. */
        FetchPage second;
        if (!fetch_page(cpu, (pc | PAGE_OFFSET_MASK) + 1, true, &second) ||
            second.ram != tb->phys2) {
            return NULL;
        }
    }
    *e =
        (JumpCacheEntry){.pc = pc, .tag = tcg->jump_tag.word, .code = tb->code, .tb = tb};
    return tb;
}

const void *cpu_lookup_code(TcgCpu *tcg) {
    CPUState *cpu = cpu_of_tcg(tcg);
    if (cpu->log->mask & (LOG_EXEC | LOG_CPU | LOG_NOCHAIN)) {
        return NULL; /* every block is to be seen by the run loop */
    }
    TranslationBlock *tb = cpu_lookup_block(cpu);
    return tb ? tb->code : NULL;
}

/* --- translation ------------------------------------------------------------------------------- */

static void log_block(CPUState *cpu, const TranslationBlock *tb, uint32_t category,
                      const char *title) {
    const Log *log = cpu->log;
    if (!log_enabled(log, category) || !log_in_filter(log, tb->pc)) {
        return;
    }
    const Backend *b = cpu->group->backend;
    if (category == LOG_OUT_ASM && !b->needs_code_buffer) {
        return;
    }
    FILE *out = log_stream(log);
    flockfile(out);
    fprintf(out, "%s\n", title);
    if (category == LOG_OUT_ASM) {
        const uint8_t *p = tb->code, *end = tb->code + tb->code_size;
        char text[128];
        while (p < end) {
            unsigned n = b->disassemble(&cpu->group->cache->bs, p, end,
                                        (uint64_t)(uintptr_t)p, text, sizeof(text));
            fprintf(out, "0x%012" PRIx64 ":  %s\n", (uint64_t)(uintptr_t)p, text);
            p += n ? n : 1;
        }
    } else if (category == LOG_IN_ASM) {
        for (unsigned i = 0; i < cpu->ir->insn_count; i++) {
            const IrInsn *insn = &cpu->ir->insns[i];
            uint8_t bytes[16];
            char text[128];
            hwaddr phys;
            unsigned n = 0;
            while (n < insn->bytes && n < sizeof(bytes) &&
                   cpu->cls->debug_translate(cpu, insn->pc + n, &phys)) {
                address_space_read(cpu->as, phys, &bytes[n], 1);
                n++;
            }
            cpu->cls->disassemble(cpu, insn->pc, bytes, n, text, sizeof(text));
            fprintf(out, "0x%08" PRIx64 ":  ", insn->pc);
            for (unsigned k = n; k > 0; k--) {
                fprintf(out, "%02x", bytes[k - 1]);
            }
            fprintf(out, "%*s %s\n", (int)(16 - 2 * n), "", text);
        }
    } else {
        ir_dump(cpu->ir, out);
    }
    fprintf(out, "\n");
    funlockfile(out);
}

bool cpu_build_ir(CPUState *cpu, TranslationBlock *tb, const FetchPage *first,
                  unsigned max_insns) {
    IrContext *ir = cpu->ir;
    do {
        cpu->fetch = *first;
        tb->one_shot = first->ram == RAM_ADDR_INVALID || first->partial;
        tb->phys2 = RAM_ADDR_INVALID;
        ir_block_begin(ir);
        if (!cpu->cls->translate(cpu, ir, tb, tb->one_shot ? 1 : max_insns)) {
            return false;
        }
        max_insns /= 2;
    } while (ir->overflow && max_insns);
    assert(!ir->overflow);
    if (cpu->log->mask) {
        log_block(cpu, tb, LOG_IN_ASM, "----------------\nIN:");
        log_block(cpu, tb, LOG_OP, "OP:");
    }
    if (ir->on_pass) {
        ir->on_pass(ir, "front end", ir->on_pass_opaque);
    }
    ir_optimize(ir);
    ir_liveness(ir);
    tb->accesses = ir->access_count;
    if (cpu->log->mask) {
        log_block(cpu, tb, LOG_OP_OPT, "OP after optimization:");
    }
    return true;
}

/* Makes room in the code buffer. Called and returns with the lock held and in_code raised. */
static void make_room_locked(CPUState *cpu) {
    CpuGroup *g = cpu->group;
    TbCache *tc = g->cache;
    if (tb_cache_next_is_empty_locked(tc)) {
        tb_cache_next_region_locked(tc);
        return;
    }
    unsigned full = tc->current;
    pthread_mutex_unlock(&tc->lock);
    cpu_code_leave(cpu);
    cpu_group_exclusive_begin(g);
    pthread_mutex_lock(&tc->lock);
    if (tc->current == full) { /* nobody else did it meanwhile */
        tb_cache_next_region_locked(tc);
        for (unsigned i = 0; i < g->count; i++) {
            __atomic_add_fetch(&g->cpu[i]->tcg.jump_tag.generation, 1, __ATOMIC_SEQ_CST);
        }
    }
    pthread_mutex_unlock(&tc->lock);
    cpu_group_exclusive_end(g);
    cpu_code_enter(cpu);
    pthread_mutex_lock(&tc->lock);
}

/* False: it is too much for a back end, or for half a region. */
static bool generate_locked(CPUState *cpu, TranslationBlock *tb) {
    TbCache *tc = cpu->group->cache;
    while (!tb_cache_generate_locked(tc, cpu->ir, tb)) {
        if (tb_cache_half_is_free_locked(tc)) {
            return false;
        }
        make_room_locked(cpu);
    }
    return true;
}

static bool is_stale_locked(CPUState *cpu, const TranslationBlock *tb) {
    TbCache *tc = cpu->group->cache;
    return tb_cache_page_sequence_locked(tc, tb->phys & PAGE_MASK) !=
               cpu->fetch_sequence[0] ||
           (tb->phys2 != RAM_ADDR_INVALID &&
            tb_cache_page_sequence_locked(tc, tb->phys2) != cpu->fetch_sequence[1]);
}

/* The IR of the block, in cpu->ir. False: the fetch faulted and the exception was delivered. */
static bool draft_block(CPUState *cpu, TranslationBlock *draft, unsigned max_insns) {
    vaddr pc = cpu->cls->get_pc(cpu);
    FetchPage first;
    bool restless = false;
    if (!fetch_page(cpu, pc, false, &first)) {
        return false;
    }
    *draft = (TranslationBlock){.pc = pc, .flags = cpu->tcg.jump_tag.flags};
    draft->phys = RAM_ADDR_INVALID;
    if (first.ram != RAM_ADDR_INVALID) {
        draft->phys = first.ram | (pc & PAGE_OFFSET_MASK);
        cpu->fetch = first;
        restless = !mark_code(cpu, first.ram, &cpu->fetch_sequence[0]);
    }
    if (!cpu_build_ir(cpu, draft, &first, max_insns)) {
        return false;
    }
    draft->one_shot |= restless;
    return true;
}

/* A block that is to run once dies at birth: it is never found again. */
static void trace_birth(CPUState *cpu, const TranslationBlock *tb) {
    if (trace_on(cpu->trace, TRACE_TB_BORN)) {
        trace_emit(cpu->trace, TRACE_TB_BORN, (int)cpu->index, tb->pc, tb->phys,
                   tb->insns, tb->code_size);
    }
    if (tb->one_shot && trace_on(cpu->trace, TRACE_TB_DIED)) {
        trace_emit(cpu->trace, TRACE_TB_DIED, (int)cpu->index, tb->pc, tb->phys,
                   TB_DEATH_FLUSH, tb->insns);
    }
}

static TranslationBlock *make_block(CPUState *cpu, unsigned max_insns, bool one_shot) {
    TbCache *tc = cpu->group->cache;
    TranslationBlock *tb = NULL, draft;
    do {
        if (!draft_block(cpu, &draft, max_insns)) {
            cpu->tcg.fault_taken = 0; /* that is for generated code */
            return NULL;
        }
        pthread_mutex_lock(&tc->lock);
        tb = tb_cache_alloc_locked(tc);
        *tb = draft;
        tb->one_shot |= one_shot;
        if (!generate_locked(cpu, tb)) {
            tb_cache_discard_locked(tc, tb);
            pthread_mutex_unlock(&tc->lock);
            max_insns = draft.insns / 2;
            assert(max_insns);
            tb = NULL;
        }
    } while (!tb);
    if (tb->one_shot || is_stale_locked(cpu, tb)) {
        tb->one_shot = true;
        tb->death = TB_DEATH_FLUSH; /* never found, chained or invalidated */
        pthread_mutex_unlock(&tc->lock);
    } else {
        tb_cache_insert_locked(tc, tb);
        pthread_mutex_unlock(&tc->lock);
        cpu->tcg.jump_cache[jump_cache_index(tb->pc)] = (JumpCacheEntry){
            .pc = tb->pc, .tag = cpu->tcg.jump_tag.word, .code = tb->code, .tb = tb};
    }
    trace_birth(cpu, tb);
    if (cpu->log->mask) {
        log_block(cpu, tb, LOG_OUT_ASM, "OUT:");
    }
    return tb;
}

static TranslationBlock *translate_block(CPUState *cpu, unsigned max_insns,
                                         bool one_shot) {
    unsigned *making = &cpu->group->cache->making;
    __atomic_add_fetch(making, 1, __ATOMIC_SEQ_CST);
    /* Fetches come after it: pairs with the fence of code_store(). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    TranslationBlock *tb = make_block(cpu, max_insns, one_shot);
    __atomic_sub_fetch(making, 1, __ATOMIC_SEQ_CST);
    return tb;
}

TranslationBlock *cpu_translate_block(CPUState *cpu) {
    return translate_block(cpu, TB_MAX_INSNS, false);
}

TranslationBlock *cpu_translate_short_block(CPUState *cpu, unsigned max_insns) {
    return translate_block(cpu, max_insns < TB_MAX_INSNS ? max_insns : TB_MAX_INSNS,
                           true);
}
