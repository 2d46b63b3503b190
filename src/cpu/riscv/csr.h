/* SPDX-License-Identifier: MIT */
/* Csr: the rows of csr.def as data, for generated code and the disassembler. */
#ifndef VITRINE_CPU_RISCV_CSR_H
#define VITRINE_CPU_RISCV_CSR_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/riscv/cpu.h"

enum {
    CSRF_INLINE = 1 << 0,
    CSRF_PC = 1 << 1,
    CSRF_CHECK = 1 << 2,
    CSRF_STATE = 1 << 3,
    CSRF_FP = 1 << 4,
    CSRF_ATOMIC = 1 << 5,
    CSRF_RV32 = 1 << 6,
    CSRF_EVEN64 = 1 << 7,
};

typedef struct CsrDef {
    uint16_t first, last;
    const char *name;
    uint16_t ext;   /* offset of the bool in RiscvConfig */
    uint16_t field; /* offset in RiscvEnv */
    uint16_t flags; /* CSRF_* */
    uint64_t mask;
    uint64_t (*read)(RiscvCPU *cpu, unsigned csr); /* NULL: the field */
    void (*write)(RiscvCPU *cpu, unsigned csr,
                  uint64_t value); /* NULL: the field's mask bits */
} CsrDef;

/* Whether the number says that it cannot be written, and who may use it at all. */
static inline bool riscv_csr_is_readonly(unsigned csr) {
    return csr >> 10 == 3;
}
static inline unsigned riscv_csr_min_priv(unsigned csr) {
    return csr >> 8 & 3;
}

/* The row of a number, or NULL; the second form: only if this hart has it. Cost: a binary
 * search. */
const CsrDef *riscv_csr_find(unsigned csr);
const CsrDef *riscv_csr_get(const RiscvCPU *cpu, unsigned csr);
/* The rows by index, for tests; NULL at the end. */
const CsrDef *riscv_csr_row(unsigned index);
unsigned riscv_csr_row_index(const CsrDef *def);

/* The parts of an access: what is left to check when CSRF_CHECK is set; and the access
 * itself. */
bool riscv_csr_check(const RiscvCPU *cpu, unsigned csr);
uint64_t riscv_csr_load(RiscvCPU *cpu, const CsrDef *def, unsigned csr);
void riscv_csr_store(RiscvCPU *cpu, const CsrDef *def, unsigned csr, uint64_t value);
/* csrrw, csrrs, csrrc: returns the value read. */
typedef enum RiscvCsrOp { CSR_OP_WRITE, CSR_OP_SET, CSR_OP_CLEAR } RiscvCsrOp;
uint64_t riscv_csr_modify(RiscvCPU *cpu, const CsrDef *def, unsigned csr, RiscvCsrOp op,
                          uint64_t value);

/* The register's name as the disassembler writes it (disas.c). */
void riscv_csr_name(unsigned csr, char *text, size_t size);

/* The value of sstatus out of mstatus, without SD. */
uint64_t riscv_sstatus_mask(const RiscvConfig *cfg);

#endif
