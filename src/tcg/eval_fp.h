/* SPDX-License-Identifier: MIT */
/*
 * What each floating-point op computes, by soft floats: as eval.h for integers. Read by the interpreter, and by
 * host code where the host's own instruction does not give the guest's answer.
 */
#ifndef VITRINE_TCG_EVAL_FP_H
#define VITRINE_TCG_EVAL_FP_H

#include "tcg/ir.h"
#include "tcg/softfloat.h"

/* fadd ... fcvt_f2f of type IR_F32 or IR_F64; cond and imm as in the op, `in`: its inputs. Rounds by st->round and
 * raises flags in st->flags. */
uint64_t eval_fp(FpState *st, IrOpcode opcode, IrType type, IrFcond cond, uint64_t imm,
                 const uint64_t in[3]);

#endif
