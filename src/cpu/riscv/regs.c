/* SPDX-License-Identifier: MIT */
/*
 * The registers of a hart, numbered through for those who look, and the fields of its CSRs.
 *
 *   0..31 x   32 pc   33..64 f   65 priv   66.. CSRs that this hart has, by number
 *
 * Invariants: reading changes nothing, not even what a CSR instruction would (none has side effects here).
 * Deviates: access ignores privilege and mstatus.FS; a debugger may read all.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "cpu/riscv/bits.h"
#include "cpu/riscv/cpu.h"
#include "cpu/riscv/csr.h"
#include "cpu/riscv/decode.h"

enum {
    REG_X = 0,
    REG_PC = 32,
    REG_F = 33,
    REG_PRIV = 65,
    REG_CSR = 66,
    CSR_CYCLE_FIRST = 0xc00,
    CSR_USER_LAST = 0x0ff,
    CSR_FP_LAST = 0x003,
    CSR_SCAUSE = 0x142,
    CSR_MCAUSE = 0x342,
    CSR_PMPCFG_FIRST = 0x3a0,
    CSR_PMPCFG_LAST = 0x3af,
};

typedef struct CsrFieldRow {
    uint16_t csr;
    uint8_t xlen;
    CpuField field;
} CsrFieldRow;

#define CSR_FIELD(csr, xlen, name, high, low, words, text)                               \
    {csr, xlen, {#name, high, low, words, text}},
static const CsrFieldRow csr_fields[] = {
#include "cpu/riscv/csr_fields.def"
};
#undef CSR_FIELD

enum { CSR_FIELD_COUNT = sizeof(csr_fields) / sizeof(csr_fields[0]) };

/* --- numbering ------------------------------------------------------------------------------- */

/* The number of the n-th CSR that this hart has, and its row; false behind the last. */
static bool nth_csr(const RiscvCPU *cpu, unsigned n, unsigned *csr, const CsrDef **def) {
    const CsrDef *row;
    for (unsigned i = 0; (row = riscv_csr_row(i)) != NULL; i++) {
        for (unsigned number = row->first; number <= row->last; number++) {
            if (riscv_csr_get(cpu, number) && n-- == 0) {
                *csr = number;
                *def = row;
                return true;
            }
        }
    }
    return false;
}

static void csr_register(const RiscvCPU *cpu, unsigned csr, const CsrDef *def,
                         CpuRegister *reg) {
    riscv_csr_name(csr, reg->name, sizeof(reg->name));
    snprintf(reg->alias, sizeof(reg->alias), "csr0x%03x", csr);
    reg->number = csr;
    reg->bits = cpu->cfg.xlen;
    reg->writable = !riscv_csr_is_readonly(csr);
    bool counter = (csr & 0xf00) == 0xb00 || (csr & 0xf00) == CSR_CYCLE_FIRST;
    reg->is_live = counter;
    reg->group = def->flags & CSRF_FP && csr <= CSR_FP_LAST    ? CPU_REGS_FP
                 : csr <= CSR_USER_LAST || (csr >> 8 & 3) == 0 ? CPU_REGS_CSR
                                                               : CPU_REGS_PRIVILEGED;
}

static bool get_register(const CPUState *cs, unsigned index, CpuRegister *reg) {
    const RiscvCPU *cpu = (const RiscvCPU *)cs;
    *reg = (CpuRegister){
        .bits = cpu->cfg.xlen, .writable = true, .index = index, .number = CPU_NO_CSR};
    if (index < REG_PC) {
        snprintf(reg->name, sizeof(reg->name), "%s", riscv_gpr_names[index]);
        snprintf(reg->alias, sizeof(reg->alias), "x%u", index);
        reg->writable = index != 0;
    } else if (index == REG_PC) {
        snprintf(reg->name, sizeof(reg->name), "pc");
    } else if (index < REG_PRIV) {
        reg->group = CPU_REGS_FP;
        reg->bits = !cpu->cfg.f ? 0 : cpu->cfg.d ? 64 : 32;
        snprintf(reg->name, sizeof(reg->name), "%s", riscv_fpr_names[index - REG_F]);
        snprintf(reg->alias, sizeof(reg->alias), "f%u", index - REG_F);
    } else if (index == REG_PRIV) {
        reg->group = CPU_REGS_PRIVILEGED;
        reg->bits = 2;
        snprintf(reg->name, sizeof(reg->name), "priv");
    } else {
        unsigned csr;
        const CsrDef *def;
        if (!nth_csr(cpu, index - REG_CSR, &csr, &def)) {
            return false;
        }
        csr_register(cpu, csr, def, reg);
    }
    return true;
}

/* --- values ---------------------------------------------------------------------------------- */

static uint64_t truncate(const RiscvCPU *cpu, uint64_t value) {
    return riscv_is_rv32(cpu) ? (uint32_t)value : value;
}

static uint64_t read_register(CPUState *cs, const CpuRegister *reg) {
    RiscvCPU *cpu = riscv_cpu(cs);
    if (reg->number != CPU_NO_CSR) {
        const CsrDef *def = riscv_csr_get(cpu, reg->number);
        return truncate(cpu, riscv_csr_load(cpu, def, reg->number));
    }
    if (reg->index < REG_PC) {
        return truncate(cpu, cpu->env.gpr[reg->index]);
    }
    if (reg->index == REG_PC) {
        return truncate(cpu, cpu->env.pc);
    }
    if (reg->index == REG_PRIV) {
        return cpu->env.priv;
    }
    uint64_t value = cpu->env.fpr[reg->index - REG_F];
    return cpu->cfg.d ? value : (uint32_t)value;
}

/* To a mode that this hart has; another one is not taken. */
static void write_priv(RiscvCPU *cpu, uint64_t value) {
    if (value == PRV_M || (value == PRV_S && cpu->cfg.s) ||
        (value == PRV_U && cpu->cfg.u)) {
        cpu->env.priv = value;
        cpu_tlb_switch(&cpu->parent);
        riscv_update_flags(cpu);
    }
}

static void write_register(CPUState *cs, const CpuRegister *reg, uint64_t value) {
    RiscvCPU *cpu = riscv_cpu(cs);
    const uint64_t nan_box = UINT64_C(0xffffffff00000000);
    uint64_t kept = riscv_is_rv32(cpu) ? (uint64_t)(int64_t)(int32_t)value : value;
    if (!reg->writable) {
        return;
    }
    if (reg->number != CPU_NO_CSR) {
        riscv_csr_store(cpu, riscv_csr_get(cpu, reg->number), reg->number, kept);
        riscv_update_flags(cpu);
    } else if (reg->index < REG_PC) {
        cpu->env.gpr[reg->index] = kept;
    } else if (reg->index == REG_PC) {
        cpu->env.pc = truncate(cpu, value) & riscv_pc_mask(&cpu->cfg);
        cs->halted = false; /* it goes on from there, it does not wait on */
    } else if (reg->index == REG_PRIV) {
        write_priv(cpu, value);
    } else {
        cpu->env.fpr[reg->index - REG_F] = cpu->cfg.d ? value : value | nan_box;
    }
}

/* --- fields ---------------------------------------------------------------------------------- */

static const CpuField *nth_field(const CPUState *cs, const CpuRegister *reg, unsigned n) {
    const RiscvCPU *cpu = (const RiscvCPU *)cs;
    unsigned csr = reg->number;
    if (csr > CSR_PMPCFG_FIRST && csr <= CSR_PMPCFG_LAST) {
        csr = CSR_PMPCFG_FIRST;
    }
    for (unsigned i = 0; i < CSR_FIELD_COUNT; i++) {
        const CsrFieldRow *row = &csr_fields[i];
        if (row->csr == csr && (row->xlen == 0 || row->xlen == cpu->cfg.xlen) &&
            n-- == 0) {
            return &row->field;
        }
    }
    return NULL;
}

static const char *field_word(const CPUState *cs, const CpuRegister *reg,
                              const CpuField *field, uint64_t value) {
    const RiscvCPU *cpu = (const RiscvCPU *)cs;
    if ((reg->number != CSR_SCAUSE && reg->number != CSR_MCAUSE) || field->low != 0) {
        return NULL;
    }
    return riscv_cause_name(riscv_is_rv32(cpu) ? (uint64_t)(int64_t)(int32_t)value
                                               : value);
}

const CpuRegisters riscv_registers = {get_register, read_register, write_register,
                                      nth_field, field_word};
