/* SPDX-License-Identifier: MIT */
/*
 * A bench for the x86-64 back end: 31 integer globals, the first nine of them pinned, 32
 * floating ones, and slow paths that only record what they were asked.
 *
 *   guest address   RIG_RAM    RIG_RAM_PAGES of plain memory
 *                   RIG_SLOW   memory that is never in the TLB
 *                   elsewhere  a fault: env's pc becomes RIG_HANDLER
 */
#ifndef VITRINE_TESTS_X86_64_RIG_H
#define VITRINE_TESTS_X86_64_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tcg/backend.h"
#include "tcg/ir.h"
#include "tcg/tb.h"
#include "tcg/tcg.h"
#include "tcg/x86_64/gen.h"

enum {
    RIG_X = 32,
    RIG_F = 32,
    RIG_RAM = 0x40000,
    RIG_RAM_PAGES = 4,
    RIG_SLOW = 0x80000,
    RIG_HANDLER = 0x7770,
    RIG_PC = 0x1000,
    RIG_CODE = 1 << 20,
};

typedef struct RigEnv {
    uint64_t x[RIG_X];
    uint64_t f[RIG_F];
    uint64_t pc;
    uint64_t field[8];
} RigEnv;

typedef struct RigCpu {
    struct Rig *rig;
    TcgCpu tcg;
    RigEnv env;
} RigCpu;

typedef struct Rig {
    RigCpu *cpu;
    RigEnv *env;
    BackendState bs;
    IrContext *ctx;
    TempId x[RIG_X], f[RIG_F];
    const uint8_t *at;
    TranslationBlock tb[16];
    unsigned tb_count;
    uint8_t ram[RIG_RAM_PAGES * PAGE_SIZE], slow_ram[2 * PAGE_SIZE];
    /* what the slow paths saw */
    unsigned loads, stores, rmws, probes, lookups;
    RigEnv seen; /* env at the last slow access */
    vaddr seen_addr;
    bool no_fill;    /* loads do not fill the TLB */
    bool stop_after; /* the next store sets stop_after */
    const void *lookup_answer;
    uint64_t seed;
} Rig;

static inline Rig *rig_of(TcgCpu *tcg) {
    return ((RigCpu *)(void *)((char *)tcg - offsetof(RigCpu, tcg)))->rig;
}

static inline uint64_t rig_random(Rig *r) {
    uint64_t x = r->seed += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline uint64_t rig_random_value(Rig *r) {
    static const uint64_t edges[] = {
        0,
        1,
        2,
        7,
        8,
        31,
        32,
        63,
        64,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffff,
        0x80000000u,
        0xffffffffu,
        0x100000000u,
        0x7fffffffffffffffu,
        0x8000000000000000u,
        0xffffffffffffffffu,
        0xffffffff80000000u,
        0xfffffffffffffffeu,
        0xffffffff7fffffffu,
    };
    uint64_t v = rig_random(r);
    switch (v & 3) {
    case 0:
        return edges[(v >> 8) % (sizeof(edges) / sizeof(edges[0]))];
    case 1:
        return (uint64_t)((int64_t)v >> (v >> 4 & 63));
    default:
        return v ^ v << 17;
    }
}

/* --- slow paths --------------------------------------------------------------- */

static inline uint8_t *rig_host(Rig *r, vaddr addr, unsigned size) {
    if (addr >= RIG_RAM && addr + size <= RIG_RAM + sizeof(r->ram)) {
        return r->ram + (addr - RIG_RAM);
    }
    if (addr >= RIG_SLOW && addr + size <= RIG_SLOW + sizeof(r->slow_ram)) {
        return r->slow_ram + (addr - RIG_SLOW);
    }
    return NULL;
}

static inline void rig_fill(Rig *r, vaddr addr, unsigned mmu_idx) {
    if (!r->no_fill && addr >= RIG_RAM && addr < RIG_RAM + sizeof(r->ram)) {
        TlbEntry *e = tlb_entry(&r->cpu->tcg.tlb, mmu_idx, addr);
        e->tag_load = e->tag_store = addr & PAGE_MASK;
        e->addend = (uint64_t)(uintptr_t)r->ram - RIG_RAM;
    }
}

static inline uint64_t rig_extend(uint64_t v, unsigned memop) {
    unsigned bits = 8u << (memop & MO_SIZE);
    if (bits == 64) {
        return v;
    }
    v &= (1ull << bits) - 1;
    return memop & MO_SIGN ? (uint64_t)((int64_t)(v << (64 - bits)) >> (64 - bits)) : v;
}

static inline uint64_t rig_swap(uint64_t v, unsigned memop) {
    return memop & MO_BE ? __builtin_bswap64(v) >> (64 - (8u << (memop & MO_SIZE))) : v;
}

static inline uint8_t *rig_access(Rig *r, vaddr addr, unsigned aux) {
    unsigned memop = ir_aux_memop((uint16_t)aux), size = MO_BYTES(memop);
    r->seen = *r->env;
    r->seen_addr = addr;
    uint8_t *p = rig_host(r, addr, size);
    if (!p || (memop & MO_ALIGN && addr & (size - 1))) {
        r->env->pc = RIG_HANDLER;
        return NULL;
    }
    rig_fill(r, addr, ir_aux_mmu_idx((uint16_t)aux));
    return p;
}

/* Ruins what a C function may ruin, so that code relying on it fails. */
static inline void rig_scribble(void) {
    __asm__ volatile(
        "mov $-1, %%rax\n mov %%rax, %%rcx\n mov %%rax, %%rdx\n mov %%rax, %%rsi\n"
        "mov %%rax, %%rdi\n mov %%rax, %%r8\n mov %%rax, %%r9\n mov %%rax, %%r10\n"
        "mov %%rax, %%r11\n pcmpeqd %%xmm0, %%xmm0\n movaps %%xmm0, %%xmm1\n"
        "movaps %%xmm0, %%xmm2\n movaps %%xmm0, %%xmm3\n movaps %%xmm0, %%xmm4\n"
        "movaps %%xmm0, %%xmm5\n movaps %%xmm0, %%xmm6\n movaps %%xmm0, %%xmm7\n"
        "movaps %%xmm0, %%xmm8\n movaps %%xmm0, %%xmm9\n movaps %%xmm0, %%xmm15\n"
        :
        :
        : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm1",
          "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm15");
}

static bool rig_load(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t *value) {
    Rig *r = rig_of(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux);
    r->loads++;
    uint8_t *p = rig_access(r, addr, aux);
    if (!p) {
        return false;
    }
    uint64_t v = 0;
    memcpy(&v, p, MO_BYTES(memop));
    *value = rig_extend(rig_swap(v, memop), memop);
    rig_scribble();
    return true;
}

static bool rig_store(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t value) {
    Rig *r = rig_of(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux);
    r->stores++;
    uint8_t *p = rig_access(r, addr, aux);
    if (!p) {
        return false;
    }
    value = rig_swap(rig_extend(value, memop & ~(unsigned)MO_SIGN), memop);
    memcpy(p, &value, MO_BYTES(memop));
    if (r->stop_after) {
        r->stop_after = false;
        tcg->stop_after = 1;
    }
    rig_scribble();
    return true;
}

static inline uint64_t rig_rmw_value(IrRmw rmw, uint64_t old, uint64_t v,
                                     unsigned memop) {
    int64_t so = (int64_t)rig_extend(old, memop | MO_SIGN),
            sv = (int64_t)rig_extend(v, memop | MO_SIGN);
    uint64_t uo = rig_extend(old, memop & MO_SIZE), uv = rig_extend(v, memop & MO_SIZE);
    switch (rmw) {
    case RMW_XCHG:
        return v;
    case RMW_ADD:
        return old + v;
    case RMW_AND:
        return old & v;
    case RMW_OR:
        return old | v;
    case RMW_XOR:
        return old ^ v;
    case RMW_MIN:
        return so < sv ? old : v;
    case RMW_MAX:
        return so > sv ? old : v;
    case RMW_MINU:
        return uo < uv ? old : v;
    case RMW_MAXU:
        return uo > uv ? old : v;
    case RMW_COUNT:
        break;
    }
    abort();
}

static bool rig_rmw(TcgCpu *tcg, vaddr addr, unsigned aux, IrRmw rmw, uint64_t value,
                    uint64_t *old) {
    Rig *r = rig_of(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux);
    r->rmws++;
    uint8_t *p = rig_access(r, addr, aux | MO_ALIGN);
    if (!p) {
        return false;
    }
    uint64_t v = 0;
    memcpy(&v, p, MO_BYTES(memop));
    *old = rig_extend(v, memop);
    v = rig_rmw_value(rmw, v, value, memop);
    memcpy(p, &v, MO_BYTES(memop));
    rig_scribble();
    return true;
}

static bool rig_cas(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t expected,
                    uint64_t desired, uint64_t *old) {
    Rig *r = rig_of(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux);
    r->rmws++;
    uint8_t *p = rig_access(r, addr, aux | MO_ALIGN);
    if (!p) {
        return false;
    }
    uint64_t v = 0;
    memcpy(&v, p, MO_BYTES(memop));
    *old = rig_extend(v, memop);
    if (v == rig_extend(expected, memop & MO_SIZE)) {
        memcpy(p, &desired, MO_BYTES(memop));
    }
    rig_scribble();
    return true;
}

static void *rig_probe(TcgCpu *tcg, vaddr addr, unsigned aux) {
    Rig *r = rig_of(tcg);
    r->probes++;
    if (addr >= RIG_RAM && addr < RIG_RAM + sizeof(r->ram)) {
        rig_fill(r, addr, ir_aux_mmu_idx((uint16_t)aux));
        rig_scribble();
        return rig_host(r, addr, 1);
    }
    return NULL;
}

static const void *rig_lookup(TcgCpu *tcg) {
    Rig *r = rig_of(tcg);
    r->lookups++;
    rig_scribble();
    return r->lookup_answer;
}

static const TcgCpuOps rig_ops = {rig_load, rig_store, rig_rmw,
                                  rig_cas,  rig_probe, rig_lookup};

/* --- life --------------------------------------------------------------------- */

static inline void rig_tlb_flush(Rig *r) {
    for (unsigned m = 0; m < TLB_MMU_MODES; m++) {
        for (unsigned i = 0; i < TLB_SIZE; i++) {
            TlbEntry *e = &r->cpu->tcg.tlb.entry[m][i];
            e->tag_load = e->tag_store = TLB_INVALID;
            e->addend = 0xdead000000000000u;
        }
    }
}

static inline Rig *rig_new(uint32_t features) {
    Rig *r = calloc(1, sizeof(*r));
    r->cpu = aligned_alloc(64, (sizeof(RigCpu) + 63) & ~(size_t)63);
    memset(r->cpu, 0, sizeof(*r->cpu));
    r->cpu->rig = r;
    r->env = &r->cpu->env;
    assert_ptr_equal(r->env, tcg_cpu_env(&r->cpu->tcg));
    r->cpu->tcg.ops = &rig_ops;
    r->cpu->tcg.backend = &backend_x86_64;
    backend_x86_64.fp_set_flags(&r->cpu->tcg.fp, 0);
    backend_x86_64.fp_set_round(&r->cpu->tcg.fp, FP_MODE_RNE);
    r->ctx = ir_context_new();
    for (unsigned i = 0; i < RIG_X; i++) {
        /* x0 stands last so that pinned and other globals mix */
        unsigned rank = i % 3 == 1 ? i : i % 3 == 2 ? i + 20 : 0;
        r->x[i] = ir_global_new(r->ctx, IR_I64, (int32_t)(offsetof(RigEnv, x) + 8 * i),
                                "x", rank);
    }
    for (unsigned i = 0; i < RIG_F; i++) {
        r->f[i] =
            ir_global_new(r->ctx, IR_F64, (int32_t)(offsetof(RigEnv, f) + 8 * i), "f", 0);
    }
    r->bs.globals = r->ctx;
    r->bs.pc_offset = offsetof(RigEnv, pc);
    r->ctx->pc_offset = offsetof(RigEnv, pc);
    Error *err = NULL;
    assert_true(code_buffer_init(&r->bs.code, RIG_CODE, &err));
    assert_true(x86_64_init_features(&r->bs, features, &err));
    r->at = r->bs.code.rx_base + r->bs.fixed_size;
    rig_tlb_flush(r);
    return r;
}

static inline void rig_free(Rig *r) {
    backend_x86_64.destroy(&r->bs);
    code_buffer_destroy(&r->bs.code);
    ir_context_free(r->ctx);
    free(r->cpu);
    free(r);
}

/* --- one block ---------------------------------------------------------------- */

static inline IrContext *rig_begin(Rig *r, vaddr pc) {
    ir_block_begin(r->ctx);
    ir_insn_start(r->ctx, pc);
    return r->ctx;
}

/* Forgets the blocks made so far. */
static inline void rig_reset(Rig *r) {
    r->at = r->bs.code.rx_base + r->bs.fixed_size;
    r->tb_count = 0;
}

static inline TranslationBlock *rig_generate(Rig *r) {
    TranslationBlock *tb = &r->tb[r->tb_count++];
    assert_true(r->tb_count <= 16);
    memset(tb, 0, sizeof(*tb));
    tb->pc = r->ctx->insns[0].pc;
    tb->size = (uint16_t)(4 * r->ctx->insn_count);
    Error *err = NULL;
    if (!ir_validate(r->ctx, &err)) {
        ir_dump(r->ctx, stderr);
        fail_msg("%s", error_message(err));
    }
    ir_liveness(r->ctx);
    size_t space = (size_t)(r->bs.code.rx_base + RIG_CODE - r->at);
    assert_true(backend_x86_64.generate(&r->bs, r->ctx, tb, r->at, space, NULL, NULL));
    r->at = tb->code + tb->code_size;
    return tb;
}

static inline uintptr_t rig_enter(Rig *r, const TranslationBlock *tb) {
    return backend_x86_64.enter(&r->bs, &r->cpu->tcg, tb->code);
}

static inline void rig_disassemble(const Rig *r, const TranslationBlock *tb) {
    char text[128];
    for (const uint8_t *p = tb->code, *end = p + tb->code_size; p < end;) {
        unsigned n =
            x86_disassemble(&r->bs, p, end, (uint64_t)(uintptr_t)p, text, sizeof(text));
        fprintf(stderr, "  %p  %s\n", (const void *)p, text);
        p += n;
    }
}

/* Generates, runs, forgets. */
static inline uintptr_t rig_run(Rig *r) {
    TranslationBlock *tb = rig_generate(r);
    uintptr_t exit = rig_enter(r, tb);
    rig_reset(r);
    return exit;
}

/* VITRINE_SEED=n in the environment runs another set. */
static inline uint64_t rig_seed(uint64_t usual) {
    const char *text = getenv("VITRINE_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : usual;
    printf("VITRINE_SEED=%#llx\n", (unsigned long long)seed);
    return seed;
}

#endif
