/* SPDX-License-Identifier: MIT */
/*
 * A hart to run single blocks on, for the tests of the RISC-V front end.
 *
 *   code[] --riscv_translate--> IR --validate, passes--> back end --> env, ram[]
 *
 *   CODE_BASE  two pages of code, fetched without a TLB
 *   DATA_BASE  one page of RAM behind the slow path; elsewhere accesses fault
 *
 * Without a machine around it: blocks leave at their first exit, interrupts do not exist.
 */
#ifndef VITRINE_TESTS_RISCV_RIG_H
#define VITRINE_TESTS_RISCV_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/exec.h"
#include "cpu/riscv/cpu.h"
#include "cpu/riscv/decode.h"
#include "cpu/riscv/translate.h"
#include "tcg/backend.h"

enum {
    CODE_BASE = 0x80000000,
    DATA_BASE = 0x10000,
    HANDLER = 0x2000,
    CODE_BUFFER = 1 << 20,
};
#define RIG_FLAGS (PRV_M << TBF_PRIV_SHIFT | MMU_M << TBF_MMU_SHIFT | 3 << TBF_FS_SHIFT)

typedef struct Rig {
    CpuGroup group; /* first: the hart's, with nothing switched on */
    RiscvCPU *cpu;
    IrContext *ir;
    const Backend *backend;
    BackendState bs;
    TranslationBlock tb;
    TbExit exit;
    uint8_t code[2 * PAGE_SIZE];
    uint8_t ram[PAGE_SIZE];
    CpuClass cls;
    unsigned accesses;
} Rig;

/* The rig of the running test: slow paths have no room for an opaque pointer. */
static inline Rig *rig_of(TcgCpu *tcg) {
    return (Rig *)cpu_of_tcg(tcg)->group;
}

static inline bool rig_fault(TcgCpu *tcg, RiscvCause cause, vaddr addr) {
    riscv_raise(riscv_cpu(cpu_of_tcg(tcg)), cause, addr);
    tcg->fault_taken = 0;
    return false;
}

static inline uint8_t *rig_host(Rig *rig, vaddr addr, unsigned size) {
    bool inside = addr >= DATA_BASE && addr - DATA_BASE <= PAGE_SIZE - size;
    return inside ? rig->ram + (addr - DATA_BASE) : NULL;
}

static inline uint64_t rig_extend(uint64_t value, unsigned memop) {
    unsigned unused = 64 - 8 * MO_BYTES(memop);
    return memop & MO_SIGN ? (uint64_t)((int64_t)(value << unused) >> unused)
                           : value << unused >> unused;
}

static inline bool rig_load(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t *value) {
    Rig *rig = rig_of(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux), size = MO_BYTES(memop);
    rig->accesses++;
    if (memop & MO_ALIGN && addr % size) {
        return rig_fault(tcg, CAUSE_LOAD_MISALIGNED, addr);
    }
    uint8_t *host = rig_host(rig, addr, size);
    if (!host) {
        return rig_fault(tcg, CAUSE_LOAD_ACCESS, addr);
    }
    uint64_t v = 0;
    memcpy(&v, host, size);
    *value = rig_extend(v, memop);
    return true;
}

static inline bool rig_store(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t value) {
    Rig *rig = rig_of(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux), size = MO_BYTES(memop);
    rig->accesses++;
    uint8_t *host = rig_host(rig, addr, size);
    if (memop & MO_ALIGN && addr % size) {
        return rig_fault(tcg, CAUSE_STORE_MISALIGNED, addr);
    }
    if (!host) {
        return rig_fault(tcg, CAUSE_STORE_ACCESS, addr);
    }
    memcpy(host, &value, size);
    return true;
}

static inline bool rig_cas(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t expected,
                           uint64_t desired, uint64_t *old) {
    Rig *rig = rig_of(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux), size = MO_BYTES(memop);
    uint64_t now = 0;
    rig->accesses++;
    uint8_t *host = rig_host(rig, addr, size);
    if (addr % size) {
        return rig_fault(tcg, CAUSE_STORE_MISALIGNED, addr);
    }
    if (!host) {
        return rig_fault(tcg, CAUSE_STORE_ACCESS, addr);
    }
    memcpy(&now, host, size);
    if (now == rig_extend(expected, memop & ~(unsigned)MO_SIGN)) {
        memcpy(host, &desired, size);
    }
    *old = rig_extend(now, memop);
    return true;
}

static inline uint64_t rig_rmw_value(IrRmw rmw, uint64_t a, uint64_t b) {
    switch (rmw) {
    case RMW_XCHG:
        return b;
    case RMW_ADD:
        return a + b;
    case RMW_AND:
        return a & b;
    case RMW_OR:
        return a | b;
    case RMW_XOR:
        return a ^ b;
    case RMW_MIN:
        return (int64_t)a < (int64_t)b ? a : b;
    case RMW_MAX:
        return (int64_t)a > (int64_t)b ? a : b;
    case RMW_MINU:
        return a < b ? a : b;
    case RMW_MAXU:
        return a > b ? a : b;
    case RMW_COUNT:
        break;
    }
    return 0;
}

static inline bool rig_rmw(TcgCpu *tcg, vaddr addr, unsigned aux, IrRmw rmw,
                           uint64_t value, uint64_t *old) {
    unsigned memop = ir_aux_memop((uint16_t)aux);
    uint64_t now;
    if (addr % MO_BYTES(memop)) {
        return rig_fault(tcg, CAUSE_STORE_MISALIGNED, addr);
    }
    if (!rig_host(rig_of(tcg), addr, MO_BYTES(memop))) {
        return rig_fault(tcg, CAUSE_STORE_ACCESS, addr);
    }
    rig_load(tcg, addr, aux, &now);
    *old = now;
    bool is_signed = rmw == RMW_MIN || rmw == RMW_MAX;
    unsigned as = is_signed ? memop | MO_SIGN : memop & ~(unsigned)MO_SIGN;
    return rig_store(tcg, addr, aux,
                     rig_rmw_value(rmw, rig_extend(now, as), rig_extend(value, as)));
}

static inline void *rig_probe(TcgCpu *tcg, vaddr addr, unsigned aux) {
    (void)tcg, (void)addr, (void)aux;
    return NULL;
}
static inline const void *rig_lookup(TcgCpu *tcg) {
    (void)tcg;
    return NULL;
}

static const TcgCpuOps rig_ops = {rig_load, rig_store, rig_rmw,
                                  rig_cas,  rig_probe, rig_lookup};

/* A hart with all extensions. Owns: rig_free(). */
static inline Rig *rig_new(unsigned xlen, const Backend *backend) {
    Rig *rig = calloc(1, sizeof(*rig));
    RiscvCPU *cpu = aligned_alloc(64, (sizeof(RiscvCPU) + 63) & ~(size_t)63);
    memset(cpu, 0, sizeof(*cpu));
    cpu->cfg.xlen = xlen;
    cpu->cfg.misaligned = true;
#define RISCV_EXT(id, text, dflt) cpu->cfg.id = true;
#include "cpu/riscv/ext.def"
#undef RISCV_EXT
    cpu->decoder = riscv_decoder_new(&cpu->cfg);
    cpu->parent.group = &rig->group;
    cpu->parent.cls = &rig->cls;
    tlb_init(&cpu->parent.tcg.tlb);
    cpu->parent.tcg.ops = &rig_ops;
    cpu->parent.tcg.backend = backend;
    cpu->parent.tcg.reservation_addr = UINT64_MAX;
    cpu->env.priv = PRV_M;
    cpu->env.mtvec = HANDLER;
    rig->cpu = cpu;
    rig->ir = ir_context_new();
    rig->ir->pc_offset = (int32_t)offsetof(RiscvEnv, pc);
    riscv_declare_globals(&cpu->parent, rig->ir);
    rig->backend = backend;
    rig->bs.pc_offset = rig->ir->pc_offset;
    rig->bs.globals = rig->ir;
    Error *err = NULL;
    if (backend->needs_code_buffer) {
        assert_true(code_buffer_init(&rig->bs.code, CODE_BUFFER, &err));
    } else {
        rig->bs.code = (CodeBuffer){aligned_alloc(64, CODE_BUFFER), NULL, CODE_BUFFER};
        rig->bs.code.rx_base = rig->bs.code.rw_base;
    }
    assert_true(backend->init(&rig->bs, &err));
    cpu->parent.tcg.fp = (FpEnv){0};
    backend->fp_set_flags(&cpu->parent.tcg.fp, 0);
    backend->fp_set_round(&cpu->parent.tcg.fp, FP_MODE_RNE);
    return rig;
}

static inline void rig_free(Rig *rig) {
    rig->backend->destroy(&rig->bs);
    if (rig->backend->needs_code_buffer) {
        code_buffer_destroy(&rig->bs.code);
    } else {
        free(rig->bs.code.rw_base);
    }
    ir_context_free(rig->ir);
    tlb_destroy(&rig->cpu->parent.tcg.tlb);
    riscv_decoder_free((RiscvDecoder *)rig->cpu->decoder);
    free(rig->cpu);
    free(rig);
}

/* Translates the block at `pc` (in code[]); false: the first fetch failed. */
static inline bool rig_translate(Rig *rig, vaddr pc, uint32_t flags, unsigned max_insns) {
    CPUState *cpu = &rig->cpu->parent;
    cpu->fetch = (FetchPage){.page = pc & PAGE_MASK, .ram = RAM_ADDR_INVALID};
    cpu->fetch.host = rig->code + (cpu->fetch.page - CODE_BASE);
    cpu->tcg.jump_tag.flags = flags;
    rig->tb = (TranslationBlock){.pc = pc, .flags = flags, .phys2 = RAM_ADDR_INVALID};
    rig->cpu->env.pc = pc;
    ir_block_begin(rig->ir);
    if (!riscv_translate(cpu, rig->ir, &rig->tb, max_insns)) {
        return false;
    }
    Error *err = NULL;
    if (!ir_validate(rig->ir, &err)) {
        ir_dump(rig->ir, stderr);
        fail_msg("invalid IR: %s", error_message(err));
    }
    return true;
}

/* Runs what was translated. */
static inline void rig_run(Rig *rig) {
    ir_optimize(rig->ir);
    ir_liveness(rig->ir);
    const uint8_t *at = rig->bs.code.rx_base + ((rig->bs.fixed_size + 63) & ~(size_t)63);
    size_t space = rig->bs.code.size - (size_t)(at - rig->bs.code.rx_base);
    assert_true(
        rig->backend->generate(&rig->bs, rig->ir, &rig->tb, at, space, NULL, NULL));
    rig->exit =
        (TbExit)(rig->backend->enter(&rig->bs, &rig->cpu->parent.tcg, rig->tb.code) &
                 TB_EXIT_MASK);
    rig->cpu->parent.tcg.fault_taken = 0;
}

static inline void rig_put(Rig *rig, vaddr pc, const uint32_t *words, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        unsigned size = (words[i] & 3) == 3 ? 4 : 2;
        memcpy(rig->code + (pc - CODE_BASE), &words[i], size);
        pc += size;
    }
}

#endif
