/* SPDX-License-Identifier: MIT */
/*
 * Registers: what a vCPU has, as tables, for those who look: the inspector, the monitor.
 *
 *   cls->registers->get(cpu, i)  --> name, group, bits       until it says false
 *                  ->read / ->write                          while the vCPU is parked
 *                  ->field(cpu, reg, n)                      bit fields, with words for values
 */
#ifndef VITRINE_CPU_REGS_H
#define VITRINE_CPU_REGS_H

#include <stdbool.h>
#include <stdint.h>

struct CPUState;

enum { CPU_REGISTER_NAME = 16 };
#define CPU_NO_CSR (~0u)

typedef enum CpuRegisterGroup {
    CPU_REGS_GENERAL,    /* integer registers and the pc */
    CPU_REGS_FP,         /* floating point and its status */
    CPU_REGS_CSR,        /* control and status registers of user programs */
    CPU_REGS_PRIVILEGED, /* those of kernels and firmware */
} CpuRegisterGroup;

typedef struct CpuRegister {
    char name[CPU_REGISTER_NAME];  /* "a0" */
    char alias[CPU_REGISTER_NAME]; /* "x10", or "" */
    CpuRegisterGroup group;
    unsigned bits; /* 0: this vCPU has not got it */
    bool writable;
    bool is_live;    /* differs each time one looks: clocks, counters */
    unsigned index;  /* what get() was asked for */
    unsigned number; /* of a CSR, else CPU_NO_CSR */
} CpuRegister;

/* One bit field of a register. */
typedef struct CpuField {
    const char *name;
    uint8_t high, low;
    const char *words; /* "Off|Initial|Clean|Dirty": of values 0, 1, ..; "" if a number */
    const char *text;
} CpuField;

/* What an ISA provides. Threads: any, while the vCPU is parked and under the machine lock. */
typedef struct CpuRegisters {
    /* The register of index 0, 1, ..; false behind the last. Always the same of one vCPU. */
    bool (*get)(const struct CPUState *cpu, unsigned index, CpuRegister *reg);
    uint64_t (*read)(struct CPUState *cpu, const CpuRegister *reg);
    /* Writes as far as the register's own rules let it. */
    void (*write)(struct CPUState *cpu, const CpuRegister *reg, uint64_t value);
    /* The n-th field of a register, the highest first; NULL behind the last. */
    const CpuField *(*field)(const struct CPUState *cpu, const CpuRegister *reg,
                             unsigned n);
    /* A field's value in words where that depends on more than the field ("Code" of a cause);
     * NULL: see words. `value` is the whole register. */
    const char *(*word)(const struct CPUState *cpu, const CpuRegister *reg,
                        const CpuField *field, uint64_t value);
} CpuRegisters;

#endif
