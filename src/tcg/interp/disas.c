/* SPDX-License-Identifier: MIT */
/*
 * The interpreter's ops as text: what an op of the IR became.
 *
 *   add_i64 env[0x50], env[0x50], block[0x38]      a0 = a0 + a constant of the block
 *   env_ld_i64 frame[0x0]; 0xfffffffffffffff8
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tcg/interp/interp.h"
#include "tcg/ir_text.h"

/* Writes behind what is there; what does not fit is cut off. */
static size_t put_operand(char *text, size_t used, size_t size, const char *sep,
                          InterpOperand operand) {
    static const char *const bases[] = {
        [BASE_FRAME] = "frame", [BASE_ENV] = "env", [BASE_BLOCK] = "block", [3] = "?"};
    int n = snprintf(text + used, size - used, "%s%s[0x%x]", sep,
                     bases[operand & ((1 << BASE_SHIFT) - 1)],
                     (unsigned)(operand >> BASE_SHIFT));
    used += n > 0 ? (size_t)n : 0;
    return used < size ? used : size - 1;
}

unsigned interp_disassemble(const BackendState *bs, const uint8_t *p, const uint8_t *end,
                            uint64_t address, char *text, size_t text_size) {
    (void)bs, (void)address;
    InterpOp op;
    if ((size_t)(end - p) < sizeof(op)) {
        return 0;
    }
    memcpy(&op, p, sizeof(op));
    if (op.opcode >= IR_OPCODE_COUNT) {
        return 0;
    }
    const IrOpDef *def = &ir_op_defs[op.opcode];
    int n = snprintf(text, text_size, "%s_%s", def->name, ir_type_names[op.type & 3]);
    size_t used = n > 0 && (size_t)n < text_size ? (size_t)n : text_size - 1;
    const char *sep = " ";
    if (def->outs) {
        used = put_operand(text, used, text_size, sep, op.out);
        sep = ", ";
    }
    for (unsigned i = 0; i < def->ins; i++) {
        used = put_operand(text, used, text_size, sep, op.in[i]);
        sep = ", ";
    }
    if (op.imm) {
        snprintf(text + used, text_size - used, "; 0x%" PRIx64, op.imm);
    }
    return sizeof(op);
}
