/* SPDX-License-Identifier: MIT */
/*
 * The interpreter's form of a block. Private to src/tcg/interp.
 *
 *   InterpBlock | pc of each guest instruction | constants | InterpOp ops[] |
 *
 * An operand is an offset from one of three bases, so that reading one is a load of the
 * base and a load of the value, without a branch: locals in a frame, globals in env,
 * constants in the block. i32 and f32 globals take four bytes in env: generate() copies
 * them through the frame by env_ld and env_st.
 *
 * Code pointers: the block's address is the checked entry, that address | INTERP_FAST the
 * unchecked.
 */
#ifndef VITRINE_TCG_INTERP_H
#define VITRINE_TCG_INTERP_H

#include "tcg/backend.h"
#include "tcg/tb.h"

enum { INTERP_FAST = 1 };

enum { BASE_FRAME = 0, BASE_ENV = 1, BASE_BLOCK = 2, BASE_COUNT = 3, BASE_SHIFT = 2 };

/* The frame, in words: first the passage for narrow globals, then the block's locals. */
enum {
    SLOT_IN = 0,
    SLOT_OUT = 4,
    SLOT_LOCALS = 5,
    FRAME_SLOTS = SLOT_LOCALS + IR_MAX_TEMPS
};

typedef int32_t InterpOperand; /* offset << BASE_SHIFT | base */

typedef struct InterpOp {
    uint8_t opcode; /* IrOpcode; never label; insn_start only with icount */
    uint8_t type;
    uint8_t cond;
    uint8_t pad;
    uint16_t aux;
    uint16_t insn; /* index in the block's pcs */
    InterpOperand out;
    InterpOperand in[4];
    uint64_t imm; /* branches: index of the target in ops[] */
} InterpOp;

typedef struct InterpBlock {
    TranslationBlock *tb;
    uint32_t dead; /* atomic; 1: kill() was called, the checked entry leaves */
    uint32_t insn_count;
    const InterpOp *ops;
    /* Atomic; where goto_tb goes, NULL: to the run loop. */
    const void *jump[TB_MAX_SLOTS];
    uint64_t pcs[]; /* insn_count of them */
} InterpBlock;

/* One op as text. p: an InterpOp. */
unsigned interp_disassemble(const BackendState *bs, const uint8_t *p, const uint8_t *end,
                            uint64_t address, char *text, size_t text_size);
uintptr_t interp_enter(BackendState *bs, TcgCpu *cpu, const void *code);
const uint8_t *interp_place(const BackendState *bs, const TcgCpu *cpu, uintptr_t host_pc,
                            bool *helper);

#endif
