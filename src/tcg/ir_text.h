/* SPDX-License-Identifier: MIT */
/*
 * The text form of the IR: what dump.c writes and parse.c reads. Private to src/tcg.
 *
 *   ---- 0x80000000                      a guest instruction begins
 *      add_i64 a0, a0, $0x10             globals by name, constants after $
 *      guest_ld_i64 %1, [a0 + 0x8], s32, mmu 1
 *      brcond_i32 ltu %1, %2:i32, L0     locals are %number; i64 unless said otherwise
 *      mov_i64 a0, %1  ; identity last: %1
 *                                        rule that changed it, operands whose value is read
 *                                        for the last time (to the parser: a comment)
 *      call helper_x(a0, a1) -> %3
 *   L0:
 *      goto_tb 0, 0x80000008
 */
#ifndef VITRINE_TCG_IR_TEXT_H
#define VITRINE_TCG_IR_TEXT_H

#include "tcg/ir.h"

/*
 * How the operands of an op are written, one letter a field; commas and blanks stand for
 * themselves.
 *
 *   o  out                   0 1 2 3  in[0] to in[3]
 *   A  [in[0] + imm]         E        [env + imm]        P  [in[0] + lo], len
 *   m  memop                 u        mmu index          d  probe for: load, store
 *   c  condition             f        float condition    w  rmw      r  rounding mode
 *   p  position, length      i        FCVT_*             L  label
 *   X  imm in hex            k        aux in decimal     C  helper(arguments) -> out
 *   -  no type suffix (first letter only)
 */
extern const char *const ir_text_format[IR_OPCODE_COUNT];
extern const char *const ir_fcond_names[FCOND_COUNT];
extern const char *const ir_rmw_names[RMW_COUNT];
extern const char *const ir_round_names[8];
extern const char *const ir_fcvt_names[4];
extern const char *const ir_type_names[4];

#endif
