/* SPDX-License-Identifier: MIT */
/*
 * The fields of an instruction, as its row in insn32.def or insn16.def draws them.
 *
 *   "iiiiiiiiiiii sssss 000 ddddd 0010011"     addi a0, a0, -16
 *    31        20 19    14  11    6      0
 *    imm -16      rs1 a0    rd a0 opcode
 *
 * A space in the drawing ends a field, so does another letter.
 *
 * Spec: RISC-V Unprivileged ISA 20240411, "Instruction set listings".
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cpu/riscv/cpu.h"
#include "cpu/riscv/decode.h"

enum { OPCODE_BITS = 7, QUADRANT_BITS = 2, FUNCT3_BIT = 12 };

static bool is_fixed(char c) {
    return c == '0' || c == '1';
}

static const char *name_of(char letter, unsigned lo, unsigned width, unsigned length) {
    switch (letter) {
    case 'd':
        return "rd";
    case 's':
        return "rs1";
    case 't':
        return "rs2";
    case 'u':
        return "rs3";
    case 'i':
        return "imm";
    case 'h':
        return "shamt";
    case 'm':
        return "rm";
    case 'c':
        return "csr";
    case 'a':
        return "aq";
    case 'l':
        return "rl";
    case 'f':
        return "fm";
    case 'p':
        return "pred";
    case 'q':
        return "succ";
    case '-':
        return "ignored";
    default:
        break;
    }
    if (lo == 0 && width <= (length == 4 ? OPCODE_BITS : QUADRANT_BITS)) {
        return length == 4 ? "opcode" : "op";
    }
    return lo == FUNCT3_BIT && length == 4 ? "funct3" : "funct";
}

/* The register file that operand `letter` of the assembler form is of: upper case is float. */
static bool is_float(const RiscvInsn *insn, char letter) {
    const char *form = riscv_insn_defs[insn->base].form;
    const char *operands = form ? strchr(form, ' ') : NULL;
    char upper = (char)(letter - 'a' + 'A');
    return operands && strchr(operands, upper) && !strchr(operands, letter);
}

static void put_value(InsnField *f, char letter, const RiscvInsn *insn) {
    const RiscvArgs *a = &insn->args;
    unsigned reg = letter == 'd'   ? a->rd
                   : letter == 's' ? a->rs1
                   : letter == 't' ? a->rs2
                                   : a->rs3;
    switch (letter) {
    case 'd':
    case 's':
    case 't':
    case 'u':
        snprintf(f->value, sizeof(f->value), "%s",
                 is_float(insn, letter) ? riscv_fpr_names[reg & 31]
                                        : riscv_gpr_names[reg & 31]);
        break;
    case 'i':
    case 'h':
        snprintf(f->value, sizeof(f->value), "%" PRId64, a->imm);
        break;
    case 'c':
        snprintf(f->value, sizeof(f->value), "0x%x", a->csr);
        break;
    default:
        snprintf(f->value, sizeof(f->value), "%" PRIu32, f->bits);
        break;
    }
}

unsigned riscv_decode_fields(const CPUState *cpu, const uint8_t *bytes, unsigned len,
                             InsnField *field, unsigned max, const char **row) {
    RiscvInsn insn;
    uint32_t bits = 0;
    *row = NULL;
    if (len != 2 && len != 4) {
        return 0;
    }
    memcpy(&bits, bytes, len);
    if (!riscv_decode(((const RiscvCPU *)cpu)->decoder, bits, &insn)) {
        return 0;
    }
    const RiscvInsnDef *def = &riscv_insn_defs[insn.id];
    *row = def->id;
    unsigned count = 0, hi = 8 * len;
    for (const char *p = def->pattern; *p && count < max;) {
        if (*p == ' ') {
            p++;
            continue;
        }
        unsigned width = 1;
        while (p[width] == *p || (is_fixed(p[width]) && is_fixed(*p))) {
            width++;
        }
        unsigned lo = hi - width;
        InsnField *f = &field[count++];
        *f = (InsnField){
            .hi = (uint8_t)(hi - 1), .lo = (uint8_t)lo, .fixed = is_fixed(*p)};
        f->bits = bits >> lo & (uint32_t)((UINT64_C(1) << width) - 1);
        f->name = name_of(*p, lo, width, len);
        put_value(f, *p, &insn);
        hi = lo;
        p += width;
    }
    return count;
}
