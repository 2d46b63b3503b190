/* SPDX-License-Identifier: MIT */
/* RISC-V instructions as numbers, for the kernels that write code. */
#ifndef BENCH_CODE_H
#define BENCH_CODE_H

#include "bench.h"

enum { REG_RA = 1, REG_A0 = 10, REG_A1 = 11 };

static inline uint32_t insn_addi(uint32_t rd, uint32_t rs, uint32_t imm12) {
    return (imm12 & 0xfff) << 20 | rs << 15 | rd << 7 | 0x13;
}

/* funct: funct7 << 25 | funct3 << 12 of an instruction of opcode OP. */
static inline uint32_t insn_op(uint32_t funct, uint32_t rd, uint32_t rs1, uint32_t rs2) {
    return funct | rs2 << 20 | rs1 << 15 | rd << 7 | 0x33;
}

static inline uint32_t insn_ret(void) {
    return REG_RA << 15 | 0x67;
}

/* Calls what was written to `code`, which takes and returns a number. */
static inline uint64_t call_code(const uint32_t *code, uint64_t argument) {
    return ((uint64_t(*)(uint64_t))(uintptr_t)code)(argument);
}

#endif
