/* SPDX-License-Identifier: MIT */
/*
 * A small machine to run IR on, for the tests of passes and back ends.
 *
 *   env      pc | r0..r7 i64 | f0..f3 f64 | w0 w1 i32 | s0 s1 f32 | 64 bytes of fields
 *
 *   memory   RAM_BASE    4 pages of RAM, in the TLB from the first access on; to mmu
 *                        index 1 each two neighbours are swapped
 *            SLOW_BASE   1 page of RAM that never enters the TLB
 *            IO_BASE     1 page: a load gives a count and adds one to the first field of
 *                        env, a store is remembered
 *            elsewhere   a fault: env's pc becomes HANDLER_PC
 *
 * What a run did is all in IrMachine: registers, fields, memory, the list of I/O stores.
 */
#ifndef VITRINE_TESTS_IR_MACHINE_H
#define VITRINE_TESTS_IR_MACHINE_H

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

enum {
    RAM_BASE = 0x10000,
    RAM_SIZE = 4 * 4096,
    SLOW_BASE = 0x20000,
    IO_BASE = 0x30000,
    HANDLER_PC = 0x5a5a0,
    BLOCK_PC = 0x1000,
    REG_COUNT = 8,
    FREG_COUNT = 4,
    NARROW_COUNT = 2,
    FIELD_BYTES = 64,
    IO_LOG_SIZE = 64,
    CODE_SIZE = 4 << 20,
};

typedef struct TestEnv {
    uint64_t pc;
    uint64_t r[REG_COUNT];
    uint64_t f[FREG_COUNT];
    uint32_t w[NARROW_COUNT];
    uint32_t s[NARROW_COUNT];
    uint8_t field[FIELD_BYTES];
} TestEnv;

#define FIELD_OFFSET ((int64_t)offsetof(TestEnv, field))

typedef struct TestCpu {
    struct IrMachine *machine;
    TcgCpu tcg; /* env follows */
    TestEnv env;
} TestCpu;

typedef struct IrMachine {
    TestCpu *cpu;
    const Backend *backend;
    BackendState bs;
    IrContext *globals; /* only its globals matter */
    TranslationBlock tb;
    size_t code_used;
    uint8_t ram[RAM_SIZE + PAGE_SIZE]; /* RAM, then the slow page */
    uint64_t io_loads;
    struct {
        vaddr addr;
        uint64_t value;
    } io_log[IO_LOG_SIZE];
    unsigned io_stores;
    unsigned faults;
    uint64_t slow_loads, slow_stores, probes; /* how often the slow path was asked */
    uintptr_t exit;
} IrMachine;

static inline IrMachine *machine_of(TcgCpu *tcg) {
    return ((TestCpu *)(void *)((char *)tcg - offsetof(TestCpu, tcg)))->machine;
}

static inline void machine_declare_globals(IrContext *ctx) {
    static const char *const r[] = {"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"};
    static const char *const f[] = {"f0", "f1", "f2", "f3"};
    static const char *const w[] = {"w0", "w1"}, *const s[] = {"s0", "s1"};
    for (unsigned i = 0; i < REG_COUNT; i++) {
        ir_global_new(ctx, IR_I64, (int32_t)(offsetof(TestEnv, r) + 8 * i), r[i],
                      i < 4 ? i + 1 : 0);
    }
    for (unsigned i = 0; i < FREG_COUNT; i++) {
        ir_global_new(ctx, IR_F64, (int32_t)(offsetof(TestEnv, f) + 8 * i), f[i], 0);
    }
    for (unsigned i = 0; i < NARROW_COUNT; i++) {
        ir_global_new(ctx, IR_I32, (int32_t)(offsetof(TestEnv, w) + 4 * i), w[i], 0);
    }
    for (unsigned i = 0; i < NARROW_COUNT; i++) {
        ir_global_new(ctx, IR_F32, (int32_t)(offsetof(TestEnv, s) + 4 * i), s[i], 0);
    }
}

/* --- slow paths --------------------------------------------------------------- */

/* The host byte of a guest address in RAM or the slow page, else NULL. */
static inline uint8_t *machine_byte(IrMachine *m, vaddr addr, unsigned mmu_idx) {
    if (addr >= RAM_BASE && addr < RAM_BASE + RAM_SIZE) {
        return m->ram + ((addr - RAM_BASE) ^ (mmu_idx == 1 ? PAGE_SIZE : 0));
    }
    if (addr >= SLOW_BASE && addr < SLOW_BASE + PAGE_SIZE) {
        return m->ram + RAM_SIZE + (addr - SLOW_BASE);
    }
    return NULL;
}

/* Copies between *value and guest memory; false if some byte of it is not there. */
static inline bool machine_copy(IrMachine *m, vaddr addr, unsigned size, unsigned mmu_idx,
                                uint64_t *value, bool store) {
    uint8_t bytes[8] = {0};
    if (!machine_byte(m, addr, mmu_idx) || !machine_byte(m, addr + size - 1, mmu_idx)) {
        return false;
    }
    memcpy(bytes, value, sizeof(bytes));
    for (unsigned i = 0; i < size; i++) {
        uint8_t *host = machine_byte(m, addr + i, mmu_idx);
        if (store) {
            *host = bytes[i];
        } else {
            bytes[i] = *host;
        }
    }
    if (!store) {
        memcpy(value, bytes, sizeof(bytes));
    }
    return true;
}

static inline void machine_tlb_fill(IrMachine *m, vaddr addr, unsigned mmu_idx) {
    if (addr >= RAM_BASE && addr < RAM_BASE + RAM_SIZE) {
        TlbEntry *e = tlb_entry(&m->cpu->tcg.tlb, mmu_idx, addr);
        e->tag_load = e->tag_store = addr & PAGE_MASK;
        e->addend = (uint64_t)(uintptr_t)machine_byte(m, addr, mmu_idx) - addr;
    }
}

static inline uint64_t machine_extend(uint64_t v, unsigned memop) {
    unsigned shift = 64 - 8 * MO_BYTES(memop);
    v <<= shift;
    return memop & MO_SIGN ? (uint64_t)((int64_t)v >> shift) : v >> shift;
}

static inline uint64_t machine_swap(uint64_t v, unsigned memop) {
    return memop & MO_BE ? __builtin_bswap64(v) >> (64 - 8 * MO_BYTES(memop)) : v;
}

static inline bool machine_fault(IrMachine *m) {
    m->faults++;
    m->cpu->env.pc = HANDLER_PC;
    return false;
}

static inline bool machine_load(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t *value) {
    IrMachine *m = machine_of(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux), size = MO_BYTES(memop);
    m->slow_loads++;
    if (memop & MO_ALIGN && addr % size) {
        return machine_fault(m);
    }
    if (addr >= IO_BASE && addr + size <= IO_BASE + PAGE_SIZE) {
        m->cpu->env.field[0]++;
        *value = machine_extend(0x8081828384858687u + m->io_loads++, memop);
        return true;
    }
    uint64_t v = 0;
    if (!machine_copy(m, addr, size, ir_aux_mmu_idx((uint16_t)aux), &v, false)) {
        return machine_fault(m);
    }
    machine_tlb_fill(m, addr, ir_aux_mmu_idx((uint16_t)aux));
    *value = machine_extend(machine_swap(v, memop), memop);
    return true;
}

static inline bool machine_store(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t value) {
    IrMachine *m = machine_of(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux), size = MO_BYTES(memop);
    m->slow_stores++;
    if (memop & MO_ALIGN && addr % size) {
        return machine_fault(m);
    }
    if (addr >= IO_BASE && addr + size <= IO_BASE + PAGE_SIZE) {
        if (m->io_stores < IO_LOG_SIZE) {
            m->io_log[m->io_stores].addr = addr;
            m->io_log[m->io_stores].value = machine_extend(value, memop & MO_SIZE);
        }
        m->io_stores++;
        return true;
    }
    value = machine_swap(value, memop);
    if (!machine_copy(m, addr, size, ir_aux_mmu_idx((uint16_t)aux), &value, true)) {
        return machine_fault(m);
    }
    machine_tlb_fill(m, addr, ir_aux_mmu_idx((uint16_t)aux));
    return true;
}

static inline uint64_t machine_rmw_value(IrRmw rmw, unsigned memop, uint64_t old,
                                         uint64_t v) {
    uint64_t a = machine_extend(old, memop & MO_SIZE),
             b = machine_extend(v, memop & MO_SIZE);
    int64_t sa = (int64_t)machine_extend(old, memop | MO_SIGN);
    int64_t sb = (int64_t)machine_extend(v, memop | MO_SIGN);
    uint64_t r[RMW_COUNT] = {
        [RMW_XCHG] = b,
        [RMW_ADD] = a + b,
        [RMW_AND] = a & b,
        [RMW_OR] = a | b,
        [RMW_XOR] = a ^ b,
        [RMW_MIN] = sa < sb ? a : b,
        [RMW_MAX] = sa > sb ? a : b,
        [RMW_MINU] = a < b ? a : b,
        [RMW_MAXU] = a > b ? a : b,
    };
    return r[rmw];
}

static inline bool machine_rmw(TcgCpu *tcg, vaddr addr, unsigned aux, IrRmw rmw,
                               uint64_t value, uint64_t *old) {
    unsigned memop = ir_aux_memop((uint16_t)aux);
    return machine_load(tcg, addr, aux | MO_ALIGN, old) &&
           machine_store(tcg, addr, aux | MO_ALIGN,
                         machine_rmw_value(rmw, memop, *old, value));
}

static inline bool machine_cas(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t expected,
                               uint64_t desired, uint64_t *old) {
    unsigned memop = ir_aux_memop((uint16_t)aux) & MO_SIZE;
    if (!machine_load(tcg, addr, aux | MO_ALIGN, old)) {
        return false;
    }
    bool equal = machine_extend(*old, memop) == machine_extend(expected, memop);
    return !equal || machine_store(tcg, addr, aux | MO_ALIGN, desired);
}

static inline void *machine_probe(TcgCpu *tcg, vaddr addr, unsigned aux) {
    IrMachine *m = machine_of(tcg);
    m->probes++;
    if (addr < RAM_BASE || addr >= RAM_BASE + RAM_SIZE) {
        return NULL;
    }
    machine_tlb_fill(m, addr, ir_aux_mmu_idx((uint16_t)aux));
    return machine_byte(m, addr, ir_aux_mmu_idx((uint16_t)aux));
}

static inline const void *machine_lookup(TcgCpu *tcg) {
    (void)tcg;
    return NULL;
}

static const TcgCpuOps machine_ops = {
    .load = machine_load,
    .store = machine_store,
    .rmw = machine_rmw,
    .cas = machine_cas,
    .probe = machine_probe,
    .lookup = machine_lookup,
};

/* --- life --------------------------------------------------------------------- */

static inline void machine_flush_tlb(IrMachine *m) {
    for (unsigned mode = 0; mode < TLB_MMU_MODES; mode++) {
        for (unsigned i = 0; i < TLB_SIZE; i++) {
            TlbEntry *e = &m->cpu->tcg.tlb.entry[mode][i];
            e->tag_load = e->tag_store = TLB_INVALID;
        }
    }
}

/* Registers, fields, memory and logs as at birth; RAM holds a pattern. */
static inline void machine_reset(IrMachine *m) {
    memset(&m->cpu->env, 0, sizeof(m->cpu->env));
    for (unsigned i = 0; i < sizeof(m->ram); i++) {
        m->ram[i] = (uint8_t)(i * 167 + (i >> 8));
    }
    m->io_loads = m->io_stores = m->faults = 0;
    m->slow_loads = m->slow_stores = m->probes = 0;
    m->cpu->tcg.fp = (FpEnv){.host = 0x1f80};
    m->cpu->tcg.fault_taken = m->cpu->tcg.stop_after = 0;
    m->cpu->tcg.exit_request = 0;
    memset(m->io_log, 0, sizeof(m->io_log));
    machine_flush_tlb(m);
}

static inline IrMachine *machine_new(const Backend *backend) {
    IrMachine *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    m->cpu = calloc(1, sizeof(*m->cpu));
    assert_non_null(m->cpu);
    m->globals = ir_context_new();
    machine_declare_globals(m->globals);
    m->backend = backend;
    m->cpu->tcg.ops = &machine_ops;
    for (unsigned i = 0; i < JUMP_CACHE_SIZE; i++) {
        m->cpu->tcg.jump_cache[i].tag = UINT64_MAX; /* of no block */
    }
    m->cpu->tcg.backend = backend;
    m->cpu->machine = m;
    m->bs.pc_offset = (int32_t)offsetof(TestEnv, pc);
    m->bs.globals = m->globals;
    if (backend->needs_code_buffer) {
        assert_true(code_buffer_init(&m->bs.code, CODE_SIZE, NULL));
    } else {
        m->bs.code.rw_base = calloc(1, CODE_SIZE);
        m->bs.code.rx_base = m->bs.code.rw_base;
        m->bs.code.size = CODE_SIZE;
    }
    assert_true(backend->init(&m->bs, NULL));
    m->code_used = m->bs.fixed_size;
    machine_reset(m);
    return m;
}

static inline void machine_free(IrMachine *m) {
    m->backend->destroy(&m->bs);
    if (m->backend->needs_code_buffer) {
        code_buffer_destroy(&m->bs.code);
    } else {
        free(m->bs.code.rw_base);
    }
    ir_context_free(m->globals);
    free(m->cpu);
    free(m);
}

/* Makes code of a block that has been through liveness. */
static inline void machine_translate(IrMachine *m, IrContext *ctx, TranslationBlock *tb) {
    if (CODE_SIZE - m->code_used < CODE_SIZE / 2) {
        m->code_used = m->bs.fixed_size;
    }
    const uint8_t *at = m->bs.code.rx_base + m->code_used;
    memset(tb, 0, sizeof(*tb));
    tb->pc = ctx->insn_count ? ctx->insns[0].pc : BLOCK_PC;
    bool fits =
        m->backend->generate(&m->bs, ctx, tb, at, CODE_SIZE - m->code_used, NULL, NULL);
    assert_true(fits);
    m->code_used = (size_t)(tb->code - m->bs.code.rx_base) + tb->code_size;
    m->code_used = (m->code_used + 15) & ~(size_t)15;
}

/* Runs the machine's own TB until it returns; the reason is in m->exit. */
static inline void machine_run(IrMachine *m) {
    m->exit = m->backend->enter(&m->bs, &m->cpu->tcg, m->tb.code);
}

#endif
