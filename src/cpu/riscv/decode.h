/* SPDX-License-Identifier: MIT */
/*
 * Decoder: from instruction bits to a row of insn32.def or insn16.def and its operands.
 *
 *   bits --opcode--> bucket --first row with (bits & mask) == match--> row, RiscvArgs
 *
 * A decoder is made from the tables for one configuration: rows of extensions that the
 * hart does not have are not in it, so their encodings decode as illegal.
 *
 * Threads: immutable after riscv_decoder_new(); any.
 * Spec: RISC-V Unprivileged ISA 20240411, chapter "RV32/64G instruction set listings".
 */
#ifndef VITRINE_CPU_RISCV_DECODE_H
#define VITRINE_CPU_RISCV_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct RiscvConfig;
typedef struct RiscvDecoder RiscvDecoder;

/* The operand fields of an instruction. Fields that its format lacks hold whatever bits
 * stand there; compressed formats leave them 0. */
typedef struct RiscvArgs {
    uint8_t rd, rs1, rs2, rs3;
    uint8_t rm; /* rounding mode, FP_MODE_* or reserved */
    uint8_t aq, rl;
    uint16_t csr; /* CSR number */
    int64_t imm;  /* sign-extended; shift amount; fence: fm|pred|succ (zimm is rs1) */
} RiscvArgs;

/* Where a row's immediate (and in compressed rows its registers) come from. The drawing
 * in the row's pattern shows it; the decode test checks that both agree. */
typedef enum RiscvFormat {
    /* 32 bits: rd, rs1, rs2, rs3, rm, aq, rl and csr always at their places */
    FMT_R,
    FMT_I,
    FMT_S,
    FMT_B,
    FMT_U,
    FMT_J,
    FMT_SH, /* bits 25:20; a 0 is drawn at bit 25 where only five bits count */
    FMT_FENCE,
    /* 16 bits; named after the manual's "Compressed 16-bit RVC instruction formats" */
    FMT_CR_MV,
    FMT_CR_ADD,
    FMT_CR_JR,
    FMT_CR_JALR,
    FMT_CR_NONE,
    FMT_CI,
    FMT_CI_LI,
    FMT_CI_LUI,
    FMT_CI_16SP,
    FMT_CI_SH,
    FMT_CI_LWSP,
    FMT_CI_LDSP,
    FMT_CSS_SWSP,
    FMT_CSS_SDSP,
    FMT_CIW,
    FMT_CL_W,
    FMT_CL_D,
    FMT_CS_W,
    FMT_CS_D,
    FMT_CA,
    FMT_CB,
    FMT_CB_SH,
    FMT_CB_ANDI,
    FMT_CJ,
    FMT_CJAL,
    FMT_COUNT
} RiscvFormat;

typedef enum RiscvInsnId {
#define INSN(id, pattern, format, ext, xlen, trans, form) RISCV_INSN_##id,
#define SPEC                                              INSN
#include "cpu/riscv/insn32.def"
#undef INSN
#undef SPEC
    RISCV_INSN32_COUNT,
    RISCV_INSN16_FIRST = RISCV_INSN32_COUNT,
    RISCV_INSN16_BEFORE = RISCV_INSN16_FIRST - 1, /* the count continues */
#define INSN(id, pattern, format, ext, xlen, expands) RISCV_INSN_##id,
#define SPEC                                          INSN
#include "cpu/riscv/insn16.def"
#undef INSN
#undef SPEC
    RISCV_INSN_COUNT,
    RISCV_INSN_reserved = RISCV_INSN_COUNT, /* what reserved 16-bit rows expand to */
} RiscvInsnId;

/* A row as data. */
typedef struct RiscvInsnDef {
    const char *id;      /* "c_addi" */
    const char *pattern; /* as drawn */
    const char *form;    /* assembler form; 16-bit rows: NULL, see base */
    uint32_t ext;        /* RISCV_EXT_BIT(): all are needed */
    uint16_t base;       /* RiscvInsnId that it expands to; 32-bit rows: itself */
    uint8_t format;      /* RiscvFormat */
    uint8_t xlen;        /* 32, 64; 0: both */
    bool special;        /* a SPEC row: lies inside another row and goes before it */
} RiscvInsnDef;
extern const RiscvInsnDef riscv_insn_defs[RISCV_INSN_COUNT];

/* ABI names of the registers. */
extern const char *const riscv_gpr_names[32];
extern const char *const riscv_fpr_names[32];

enum {
#define RISCV_EXT(id, text, dflt) RISCV_EXT_INDEX_##id,
#include "cpu/riscv/ext.def"
#undef RISCV_EXT
    RISCV_EXT_INDEX_COUNT
};
#define RISCV_EXT_BIT(id) (1u << RISCV_EXT_INDEX_##id)

typedef struct RiscvInsn {
    RiscvInsnId id;   /* the row that matched */
    RiscvInsnId base; /* what it expands to: a row of insn32.def */
    unsigned length;  /* bytes: 2 or 4 */
    RiscvArgs args;
} RiscvInsn;

/* Builds the look-up for the rows that `cfg` has. Never fails. Cost: some 50 us. */
RiscvDecoder *riscv_decoder_new(const struct RiscvConfig *cfg);
void riscv_decoder_free(RiscvDecoder *decoder);

/* Bytes of the instruction that begins with these 16 bits: 2 or 4 (longer ones are
 * illegal). */
static inline unsigned riscv_insn_length(uint16_t low) {
    return (low & 3) == 3 ? 4 : 2;
}

/* Decodes one instruction (upper half 0 for a 16-bit one). False: no row matches, or a
 * reserved one does: illegal. Cost: about 10 ns. */
bool riscv_decode(const RiscvDecoder *decoder, uint32_t bits, RiscvInsn *insn);

/* The bits a pattern fixes, and their values. Returns how many bits are drawn. */
unsigned riscv_pattern_parse(const char *pattern, uint32_t *mask, uint32_t *match);

#endif
