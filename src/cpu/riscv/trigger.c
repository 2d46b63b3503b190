/* SPDX-License-Identifier: MIT */
/*
 * Triggers: break and watch points that the guest sets for itself (Sdtrig).
 *
 *   tselect --> tdata1: type, modes, execute/store/load, match   tdata2: the address
 *
 *   execute: blocks of one instruction that ask before it runs (TBF_TRIGGERS)
 *   load, store: TLB_WATCH on the page sends its accesses down the slow path, which asks
 *
 * A trigger that fires raises a breakpoint exception before the instruction, tval = the
 * address. Types 2 (mcontrol) and 6 (mcontrol6) differ in fields that are zero here.
 *
 * Spec: Debug 1.0, chapter 5. In M mode triggers wait for tcontrol.mte, so that a handler
 * cannot trip over its own (5.4). Not modelled: action other than breakpoint, chains,
 * data compare, NAPOT match, sizes, icount, itrigger, etrigger, tdata3 (reads as zero).
 */
#include "cpu/riscv/bits.h"
#include "cpu/riscv/cpu.h"

enum { CSR_TSELECT = 0x7a0, CSR_TDATA1, CSR_TDATA2, CSR_TDATA3, CSR_TINFO, CSR_TCONTROL };
enum { TYPE_MCONTROL = 2, TYPE_MCONTROL6 = 6, TYPE_DISABLED = 15 };
enum {
    TD1_LOAD = 1 << 0,
    TD1_STORE = 1 << 1,
    TD1_EXECUTE = 1 << 2,
    TD1_U = 1 << 3,
    TD1_S = 1 << 4,
    TD1_M = 1 << 6,
    TD1_MATCH_SHIFT = 7,
    TD1_MATCH = 15 << TD1_MATCH_SHIFT,
    TD1_WRITABLE = TD1_LOAD | TD1_STORE | TD1_EXECUTE | TD1_U | TD1_S | TD1_M,
};
enum { MATCH_EQUAL = 0, MATCH_GREATER_EQUAL = 2, MATCH_LESS = 3 };
enum { TCONTROL_MTE = 1 << 3, TCONTROL_MPTE = 1 << 7 };

static unsigned type_shift(const RiscvCPU *cpu) {
    return cpu->cfg.xlen - 4;
}

static unsigned trigger_type(const RiscvCPU *cpu, unsigned i) {
    return cpu->env.tdata1[i] >> type_shift(cpu) & 15;
}

static unsigned trigger_match(uint64_t tdata1) {
    return (tdata1 & TD1_MATCH) >> TD1_MATCH_SHIFT;
}

/* The kinds of access it watches, 1 << AccessKind each. */
static uint32_t trigger_kinds(const RiscvCPU *cpu, unsigned i) {
    uint64_t t = cpu->env.tdata1[i];
    if (trigger_type(cpu, i) == TYPE_DISABLED || !(t & (TD1_U | TD1_S | TD1_M))) {
        return 0;
    }
    return (t & TD1_LOAD ? 1u << ACCESS_LOAD : 0) |
           (t & TD1_STORE ? 1u << ACCESS_STORE : 0) |
           (t & TD1_EXECUTE ? 1u << ACCESS_FETCH : 0);
}

void riscv_trigger_update(RiscvCPU *cpu) {
    uint32_t armed = 0;
    for (unsigned i = 0; i < RISCV_TRIGGER_COUNT; i++) {
        armed |= trigger_kinds(cpu, i);
    }
    bool were = cpu->env.triggers_armed;
    cpu->env.triggers_armed = armed;
    if (armed || were) {
        cpu_tlb_switch(&cpu->parent); /* which pages carry TLB_WATCH has changed */
    }
    riscv_update_flags(cpu);
}

void riscv_trigger_reset(RiscvCPU *cpu) {
    for (unsigned i = 0; i < RISCV_TRIGGER_COUNT; i++) {
        cpu->env.tdata1[i] = (uint64_t)TYPE_DISABLED << type_shift(cpu);
        cpu->env.tdata2[i] = 0;
    }
    cpu->env.tselect = 0;
    cpu->env.tcontrol = 0;
    riscv_trigger_update(cpu);
}

uint64_t riscv_trigger_read(const RiscvCPU *cpu, unsigned csr) {
    const RiscvEnv *env = &cpu->env;
    uint64_t value = 0;
    switch (csr) {
    case CSR_TSELECT:
        value = env->tselect;
        break;
    case CSR_TDATA1:
        value = env->tdata1[env->tselect];
        break;
    case CSR_TDATA2:
        value = env->tdata2[env->tselect];
        break;
    case CSR_TINFO:
        value = 1 << TYPE_MCONTROL | 1 << TYPE_MCONTROL6 | 1 << TYPE_DISABLED;
        break;
    case CSR_TCONTROL:
        value = env->tcontrol;
        break;
    default: /* tdata3 */
        break;
    }
    return riscv_is_rv32(cpu) ? (uint64_t)(int64_t)(int32_t)value : value;
}

static uint64_t tdata1_legalize(const RiscvCPU *cpu, uint64_t value) {
    unsigned shift = type_shift(cpu);
    unsigned type = value >> shift & 15;
    if (type != TYPE_MCONTROL && type != TYPE_MCONTROL6) {
        return (uint64_t)TYPE_DISABLED << shift;
    }
    unsigned match = trigger_match(value);
    if (match != MATCH_EQUAL && match != MATCH_GREATER_EQUAL && match != MATCH_LESS) {
        match = MATCH_EQUAL;
    }
    uint64_t writable = TD1_WRITABLE;
    writable &= ~(uint64_t)(cpu->cfg.u ? 0 : TD1_U) & ~(uint64_t)(cpu->cfg.s ? 0 : TD1_S);
    return (uint64_t)type << shift | (uint64_t)match << TD1_MATCH_SHIFT |
           (value & writable);
}

void riscv_trigger_write(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    RiscvEnv *env = &cpu->env;
    switch (csr) {
    case CSR_TSELECT:
        if (value < RISCV_TRIGGER_COUNT) {
            env->tselect = value;
        }
        return;
    case CSR_TDATA1:
        env->tdata1[env->tselect] = tdata1_legalize(cpu, value);
        break;
    case CSR_TDATA2:
        env->tdata2[env->tselect] = riscv_is_rv32(cpu) ? (uint32_t)value : value;
        break;
    case CSR_TCONTROL:
        env->tcontrol = value & (TCONTROL_MTE | TCONTROL_MPTE);
        return;
    default: /* tdata3 */
        return;
    }
    riscv_trigger_update(cpu);
}

/* --- firing ------------------------------------------------------------------------- */
static bool mode_matches(const RiscvEnv *env, uint64_t tdata1) {
    switch (env->priv) {
    case PRV_U:
        return tdata1 & TD1_U;
    case PRV_S:
        return tdata1 & TD1_S;
    default:
        return tdata1 & TD1_M && env->tcontrol & TCONTROL_MTE;
    }
}

static bool address_matches(const RiscvEnv *env, unsigned i, vaddr addr, unsigned size) {
    uint64_t at = env->tdata2[i];
    switch (trigger_match(env->tdata1[i])) {
    case MATCH_GREATER_EQUAL:
        return addr + (size - 1) >= at;
    case MATCH_LESS:
        return addr < at;
    default: /* MATCH_EQUAL */
        return at - addr < size;
    }
}

bool riscv_trigger_check(CPUState *cs, vaddr addr, unsigned size, AccessKind kind) {
    RiscvCPU *cpu = riscv_cpu(cs);
    const RiscvEnv *env = &cpu->env;
    /* An instruction's address is its first byte. */
    unsigned bytes = kind == ACCESS_FETCH ? 1 : size;
    for (unsigned i = 0; i < RISCV_TRIGGER_COUNT; i++) {
        if ((trigger_kinds(cpu, i) & 1u << kind) && mode_matches(env, env->tdata1[i]) &&
            address_matches(env, i, addr, bytes)) {
            riscv_raise(cpu, CAUSE_BREAKPOINT, addr);
            return true;
        }
    }
    return false;
}

bool riscv_trigger_on_page(const RiscvCPU *cpu, vaddr addr) {
    const uint32_t data = 1u << ACCESS_LOAD | 1u << ACCESS_STORE;
    for (unsigned i = 0; i < RISCV_TRIGGER_COUNT; i++) {
        if ((trigger_kinds(cpu, i) & data) &&
            address_matches(&cpu->env, i, addr & PAGE_MASK, PAGE_SIZE)) {
            return true;
        }
    }
    return false;
}
