/* SPDX-License-Identifier: MIT */
/*
 * Integer ops but multiplication's high halves and division (div.c).
 *
 * The shape of most: get the second operand (register, memory or immediate), get the
 * output register holding the first, one instruction between them. An output that is a
 * pinned global is computed right in its host register.
 */
#include "tcg/x86_64/gen.h"

/* --- helpers ------------------------------------------------------------------ */

void gen_rm(X86Gen *g, uint32_t opc, unsigned reg, Opnd o) {
    if (o.kind == OPND_MEM) {
        emit_rm(&g->e, opc, reg, o.reg, o.val);
    } else {
        emit_rr(&g->e, opc, reg, o.reg);
    }
}

static void note_flags(X86Gen *g, uint32_t w, unsigned reg) {
    g->flags_end = g->e.p;
    g->flags_reg = (uint8_t)reg;
    g->flags_type = w ? IR_I64 : IR_I32;
}

void gen_alu(X86Gen *g, uint32_t w, AluOp alu, unsigned dst, Opnd o) {
    if (o.kind == OPND_IMM && o.val == -1 && alu == ALU_XOR) {
        emit_rr(&g->e, X_GRP3 | w, 2, dst); /* not */
    } else if (o.kind == OPND_IMM) {
        emit_alu_imm(&g->e, w, alu, dst, o.val);
    } else {
        gen_rm(g, (unsigned)alu << 3 | 3 | w, dst, o);
    }
}

void gen_mov(X86Gen *g, uint32_t w, unsigned dst, Opnd o) {
    if (o.kind == OPND_IMM) {
        emit_mov_imm_keep(&g->e, dst, w ? (uint64_t)(int64_t)o.val : (uint32_t)o.val);
    } else if (o.kind == OPND_MEM || o.reg != dst) {
        gen_rm(g, X_MOV_RM | w, dst, o);
    }
}

static uint32_t opnd_bits(Opnd o) {
    return o.kind == OPND_REG ? bit(o.reg) : 0;
}

/* True if the op's output is an unpinned global whose only copy is in memory and that is
 * not read again in this block: then it may be changed in place. */
static bool out_in_memory(const X86Gen *g, const IrOp *op) {
    return g->in_place && g->temps[op->out].kind == TEMP_GLOBAL &&
           ra_reg(g, op->out) == REG_NONE && g->next[g->op_index].out == NEXT_NEVER;
}

static Opnd out_memory(const X86Gen *g, const IrOp *op) {
    return (Opnd){OPND_MEM, RBP, env_disp(g->temps[op->out].env_offset)};
}

/* --- copies ------------------------------------------------------------------- */

static void gen_mov_op(X86Gen *g, const IrOp *op) {
    TempId a = op->in[0];
    if (type_is_fp(op->type)) {
        unsigned src = ra_use(g, a), dst = ra_out(g, op, 0);
        if (src != dst) {
            emit_rr(&g->e, 0x28 | X_0F, dst, src);
        }
        ra_set_out(g, op, dst);
        return;
    }
    uint32_t w = type_w(op->type);
    if (is_const(g, a) && g->temps[op->out].kind == TEMP_GLOBAL) {
        uint64_t v = g->temps[a].value;
        unsigned type = g->temps[op->out].type;
        if (out_in_memory(g, op) && (type == IR_I32 || (int64_t)v == (int32_t)v)) {
            Opnd m = out_memory(g, op);
            emit_rm(&g->e, 0xc7 | type_w(type), 0, m.reg, m.val);
            emit32(&g->e, (uint32_t)v);
            return;
        }
    }
    if (is_const(g, a)) {
        unsigned dst = ra_out(g, op, 0);
        emit_mov_imm(&g->e, dst, g->temps[a].value);
        ra_set_out(g, op, dst);
        return;
    }
    Opnd o = ra_operand(g, a, op->type);
    unsigned dst = ra_out(g, op, 0);
    gen_mov(g, w, dst, o);
    ra_set_out(g, op, dst);
}

static void gen_ext(X86Gen *g, const IrOp *op) {
    static const uint32_t opcodes[] = {
        [IR_ext_s8] = X_MOVSX8 | X_M8, [IR_ext_s16] = X_MOVSX16, [IR_ext_s32] = X_MOVSXD,
        [IR_ext_u8] = X_MOVZX8 | X_M8, [IR_ext_u16] = X_MOVZX16, [IR_ext_u32] = X_MOV_RM,
    };
    uint32_t opc = opcodes[op->opcode];
    if (op->opcode == IR_ext_s8 || op->opcode == IR_ext_s16) {
        opc |= type_w(op->type);
    }
    Opnd o = ra_operand(g, op->in[0], IR_I32);
    if (o.kind == OPND_IMM) {
        o = (Opnd){OPND_REG, (uint8_t)ra_use(g, op->in[0]), 0};
    }
    unsigned dst = ra_out(g, op, 0);
    gen_rm(g, opc, dst, o);
    ra_set_out(g, op, dst);
}

/* --- arithmetic and logic ----------------------------------------------------- */

/* True if a commutative op is better with its inputs swapped: constants second, the input
 * that dies or is replaced first. */
static bool better_swapped(const X86Gen *g, const IrOp *op) {
    TempId a = op->in[0], b = op->in[1];
    unsigned b_reg = ra_reg(g, b), out_reg = ra_reg(g, op->out);
    return is_const(g, a) || (b == op->out && a != op->out) ||
           (b_reg != REG_NONE && b_reg == out_reg && ra_reg(g, a) != out_reg) ||
           (in_dies(op, 1) && !in_dies(op, 0) && !is_const(g, b) && a != op->out);
}

/* The output is where it was, in memory. */
static void gen_in_place(X86Gen *g, const IrOp *op, AluOp alu, Opnd b) {
    uint32_t w = type_w(op->type);
    Opnd m = out_memory(g, op);
    if (b.kind == OPND_IMM) {
        emit_alu_mem_imm(&g->e, w, alu, m.reg, m.val, b.val);
    } else {
        emit_rm(&g->e, (unsigned)alu << 3 | 1 | w, b.reg, m.reg, m.val);
    }
}

/* a + b, or a - b where b is an immediate, a in a register: by lea if the output is a
 * third one. */
static void gen_add_regs(X86Gen *g, const IrOp *op, AluOp alu, unsigned a, Opnd b) {
    uint32_t w = type_w(op->type);
    g->locked |= bit(a);
    unsigned dst = ra_out(g, op, 0);
    if (dst == a) {
        gen_alu(g, w, alu, dst, b);
        note_flags(g, w, dst);
    } else if (b.kind == OPND_IMM) {
        emit_rm(&g->e, X_LEA | w, dst, a, alu == ALU_SUB ? -b.val : b.val);
    } else if (b.reg == dst) {
        emit_alu_rr(&g->e, w, alu, dst, a);
        note_flags(g, w, dst);
    } else {
        emit_rx(&g->e, X_LEA | w, dst, a, b.reg, 0, 0);
    }
    ra_set_out(g, op, dst);
}

/* out = a alu b. */
static void gen_binary(X86Gen *g, const IrOp *op, AluOp alu) {
    IrOp swapped;
    if (alu != ALU_SUB && better_swapped(g, op)) {
        swapped = *op;
        swapped.in[0] = op->in[1];
        swapped.in[1] = op->in[0];
        swapped.dead_in = (uint8_t)((op->dead_in & 1) << 1 | (op->dead_in >> 1 & 1));
        op = &swapped;
    }
    uint32_t w = type_w(op->type);
    TempId in0 = op->in[0];
    Opnd b = ra_operand(g, op->in[1], op->type);
    if (in0 == op->out && b.kind != OPND_MEM && out_in_memory(g, op) &&
        (w == 0 || g->temps[op->out].type == IR_I64)) {
        gen_in_place(g, op, alu, b);
        return;
    }
    if (b.kind != OPND_MEM && (alu == ALU_ADD || (alu == ALU_SUB && b.kind == OPND_IMM &&
                                                  b.val != INT32_MIN))) {
        unsigned a = ra_reg(g, in0);
        if (a == REG_NONE && g->ts[in0].next != NEXT_NEVER) {
            a = ra_use(g, in0);
        }
        if (a != REG_NONE) {
            gen_add_regs(g, op, alu, a, b);
            return;
        }
    }
    if (alu == ALU_SUB && b.kind == OPND_REG && b.reg == ra_reg(g, op->out) &&
        in0 != op->in[1]) {
        /* b = a - b as -b + a */
        Opnd a = ra_operand(g, in0, op->type);
        emit_rr(&g->e, X_GRP3 | w, 3, b.reg);
        gen_alu(g, w, ALU_ADD, b.reg, a);
        ra_set_out(g, op, b.reg);
        return;
    }
    unsigned dst = ra_out_copy(g, op, in0 == op->in[1] ? 0 : opnd_bits(b));
    gen_alu(g, w, alu, dst, b);
    if (alu != ALU_XOR) { /* which may have become a not */
        note_flags(g, w, dst);
    }
    ra_set_out(g, op, dst);
}

static void gen_sub(X86Gen *g, const IrOp *op) {
    const IrTemp *a = &g->temps[op->in[0]];
    if (a->kind == TEMP_CONST && a->value == 0) {
        IrOp neg = *op;
        neg.in[0] = op->in[1];
        neg.dead_in = op->dead_in >> 1 & 1;
        unsigned dst = ra_out_copy(g, &neg, 0);
        emit_rr(&g->e, X_GRP3 | type_w(op->type), 3, dst);
        ra_set_out(g, op, dst);
        return;
    }
    gen_binary(g, op, ALU_SUB);
}

static void gen_and(X86Gen *g, const IrOp *op) {
    unsigned c = is_const(g, op->in[1]) ? 1 : is_const(g, op->in[0]) ? 0 : 2;
    if (c < 2) {
        uint64_t mask = g->temps[op->in[c]].value;
        IrOp ext = *op;
        ext.in[0] = op->in[1 - c];
        ext.dead_in = op->dead_in >> (1 - c) & 1;
        ext.in[1] = TEMP_NONE;
        ext.opcode = mask == 0xff         ? IR_ext_u8
                     : mask == 0xffff     ? IR_ext_u16
                     : mask == 0xffffffff ? IR_ext_u32
                                          : IR_and;
        if (ext.opcode != IR_and && !is_const(g, ext.in[0])) {
            gen_ext(g, &ext);
            return;
        }
    }
    gen_binary(g, op, ALU_AND);
}

/* andc, orc, eqv: the second operand's complement. */
static void gen_complement(X86Gen *g, const IrOp *op) {
    uint32_t w = type_w(op->type);
    if (op->opcode == IR_andc && g->host & HOST_BMI1) {
        unsigned b = ra_use(g, op->in[1]);
        Opnd a = ra_operand(g, op->in[0], op->type);
        if (a.kind == OPND_IMM) {
            a = (Opnd){OPND_REG, (uint8_t)ra_use(g, op->in[0]), 0};
        }
        unsigned dst = ra_out(g, op, 0);
        if (a.kind == OPND_MEM) {
            emit_vex_rm(&g->e, 0xf2 | X_0F38 | w, dst, b, a.reg, a.val);
        } else {
            emit_vex_rr(&g->e, 0xf2 | X_0F38 | w, dst, b, a.reg);
        }
        ra_set_out(g, op, dst);
        return;
    }
    unsigned n = ra_alloc(g, GPR_TEMPS);
    ra_load(g, n, op->in[1]);
    emit_rr(&g->e, X_GRP3 | w, 2, n);
    AluOp alu = op->opcode == IR_andc ? ALU_AND : op->opcode == IR_orc ? ALU_OR : ALU_XOR;
    unsigned dst = ra_out_copy(g, op, 0);
    emit_alu_rr(&g->e, w, alu, dst, n);
    ra_set_out(g, op, dst);
}

static void gen_mul(X86Gen *g, const IrOp *op0) {
    IrOp swapped = *op0;
    const IrOp *op = op0;
    if (is_const(g, op->in[0])) {
        swapped.in[0] = op->in[1];
        swapped.in[1] = op->in[0];
        swapped.dead_in = (uint8_t)((op->dead_in & 1) << 1 | (op->dead_in >> 1 & 1));
        op = &swapped;
    }
    uint32_t w = type_w(op->type);
    Opnd b = ra_operand(g, op->in[1], op->type);
    if (b.kind == OPND_IMM) {
        Opnd a = ra_operand(g, op->in[0], op->type);
        if (a.kind == OPND_IMM) {
            a = (Opnd){OPND_REG, (uint8_t)ra_use(g, op->in[0]), 0};
        }
        unsigned dst = ra_out(g, op, 0);
        bool small = b.val == (int8_t)b.val;
        gen_rm(g, (small ? 0x6b : 0x69) | w, dst, a);
        if (small) {
            emit8(&g->e, (uint8_t)b.val);
        } else {
            emit32(&g->e, (uint32_t)b.val);
        }
        ra_set_out(g, op, dst);
        return;
    }
    unsigned dst = ra_out_copy(g, op, op->in[0] == op->in[1] ? 0 : opnd_bits(b));
    gen_rm(g, X_IMUL | w, dst, b);
    ra_set_out(g, op, dst);
}

/* --- shifts ------------------------------------------------------------------- */

static void gen_shift(X86Gen *g, const IrOp *op, ShiftOp shift) {
    uint32_t w = type_w(op->type);
    if (is_const(g, op->in[1])) {
        unsigned count = (unsigned)g->temps[op->in[1]].value & (w ? 63 : 31);
        if (shift == SHIFT_ROL) {
            shift = SHIFT_ROR;
            count = (0 - count) & (w ? 63 : 31);
        }
        unsigned a = ra_reg(g, op->in[0]);
        if (shift == SHIFT_SHL && count == 1 && a != REG_NONE) {
            g->locked |= bit(a);
            unsigned dst = ra_out(g, op, 0);
            emit_rx(&g->e, X_LEA | w, dst, a, a, 0, 0);
            ra_set_out(g, op, dst);
            return;
        }
        if (shift == SHIFT_ROR && count && g->host & HOST_BMI2 &&
            !is_const(g, op->in[0])) {
            Opnd o = ra_operand(g, op->in[0], op->type);
            unsigned dst = ra_out(g, op, 0);
            if (o.kind == OPND_MEM) {
                emit_vex_rm(&g->e, 0xf0 | X_0F3A | X_F2 | w, dst, 0, o.reg, o.val);
            } else {
                emit_vex_rr(&g->e, 0xf0 | X_0F3A | X_F2 | w, dst, 0, o.reg);
            }
            emit8(&g->e, count);
            ra_set_out(g, op, dst);
            return;
        }
        unsigned dst = ra_out_copy(g, op, 0);
        if (count) {
            emit_shift_imm(&g->e, w, shift, dst, count);
            if (shift != SHIFT_ROR) {
                note_flags(g, w, dst);
            }
        }
        ra_set_out(g, op, dst);
        return;
    }
    if (g->host & HOST_BMI2 && shift != SHIFT_ROL && shift != SHIFT_ROR) {
        uint32_t prefix = shift == SHIFT_SHL ? X_66 : shift == SHIFT_SHR ? X_F2 : X_F3;
        unsigned count = ra_use(g, op->in[1]);
        Opnd o = ra_operand(g, op->in[0], op->type);
        if (o.kind == OPND_IMM) {
            o = (Opnd){OPND_REG, (uint8_t)ra_use(g, op->in[0]), 0};
        }
        unsigned dst = ra_out(g, op, 0);
        if (o.kind == OPND_MEM) {
            emit_vex_rm(&g->e, 0xf7 | X_0F38 | prefix | w, dst, count, o.reg, o.val);
        } else {
            emit_vex_rr(&g->e, 0xf7 | X_0F38 | prefix | w, dst, count, o.reg);
        }
        ra_set_out(g, op, dst);
        return;
    }
    unsigned count = ra_use_in(g, op->in[1], bit(RCX));
    unsigned dst = ra_out_copy(g, op, bit(count));
    emit_rr(&g->e, 0xd3 | w, shift, dst);
    ra_set_out(g, op, dst);
}

/* --- bits --------------------------------------------------------------------- */

static void gen_count_zeros(X86Gen *g, const IrOp *op) {
    uint32_t w = type_w(op->type);
    bool leading = op->opcode == IR_clz;
    unsigned a = ra_use(g, op->in[0]);
    if (g->host & (leading ? HOST_LZCNT : HOST_BMI1)) {
        unsigned dst = ra_out(g, op, 0);
        emit_rr(&g->e, (leading ? X_LZCNT : X_TZCNT) | w, dst, a);
        ra_set_out(g, op, dst);
        return;
    }
    /* bsf and bsr leave their output alone when the input is 0. */
    unsigned width = w ? 64 : 32, t = ra_alloc(g, GPR_TEMPS), dst = ra_out(g, op, bit(a));
    emit_mov_imm_keep(&g->e, t, leading ? 2 * width - 1 : width);
    emit_rr(&g->e, (leading ? X_BSR : X_BSF) | w, dst, a);
    emit_rr(&g->e, 0x44 | X_0F | w, dst, t); /* cmove */
    if (leading) {
        emit_alu_imm(&g->e, w, ALU_XOR, dst, (int32_t)width - 1);
    }
    ra_set_out(g, op, dst);
}

static void gen_popcnt(X86Gen *g, const IrOp *op) {
    uint32_t w = type_w(op->type);
    if (g->host & HOST_POPCNT) {
        unsigned a = ra_use(g, op->in[0]), dst = ra_out(g, op, 0);
        emit_rr(&g->e, X_POPCNT | w, dst, a);
        ra_set_out(g, op, dst);
        return;
    }
    /* Sums of pairs, nibbles, bytes; then all bytes into the top one. */
    unsigned m = ra_alloc(g, GPR_TEMPS), t = ra_alloc(g, GPR_TEMPS);
    unsigned dst = ra_out_copy(g, op, 0);
    Emit *e = &g->e;
    if (!w) {
        emit_mov(e, 0, dst, dst);
    }
    emit_mov(e, X_W, t, dst);
    emit_shift_imm(e, X_W, SHIFT_SHR, t, 1);
    emit_mov_imm_keep(e, m, 0x5555555555555555u);
    emit_alu_rr(e, X_W, ALU_AND, t, m);
    emit_alu_rr(e, X_W, ALU_SUB, dst, t);
    emit_mov_imm_keep(e, m, 0x3333333333333333u);
    emit_mov(e, X_W, t, dst);
    emit_alu_rr(e, X_W, ALU_AND, dst, m);
    emit_shift_imm(e, X_W, SHIFT_SHR, t, 2);
    emit_alu_rr(e, X_W, ALU_AND, t, m);
    emit_alu_rr(e, X_W, ALU_ADD, dst, t);
    emit_mov(e, X_W, t, dst);
    emit_shift_imm(e, X_W, SHIFT_SHR, t, 4);
    emit_alu_rr(e, X_W, ALU_ADD, dst, t);
    emit_mov_imm_keep(e, m, 0x0f0f0f0f0f0f0f0fu);
    emit_alu_rr(e, X_W, ALU_AND, dst, m);
    emit_mov_imm_keep(e, m, 0x0101010101010101u);
    emit_rr(e, X_IMUL | X_W, dst, m);
    emit_shift_imm(e, X_W, SHIFT_SHR, dst, 56);
    ra_set_out(g, op, dst);
}

static void gen_bswap(X86Gen *g, const IrOp *op) {
    unsigned dst = ra_out_copy(g, op, 0);
    unsigned rex = (op->type == IR_I64 ? 8 : 0) | (dst & 8) >> 3;
    if (rex) {
        emit8(&g->e, 0x40 | rex);
    }
    emit8(&g->e, 0x0f);
    emit8(&g->e, 0xc8 | (dst & 7));
    ra_set_out(g, op, dst);
}

static void gen_rotr_s32(X86Gen *g, const IrOp *op) {
    unsigned dst;
    if (g->host & HOST_BMI2 && !is_const(g, op->in[0])) {
        unsigned a = ra_use(g, op->in[0]);
        dst = ra_out(g, op, 0);
        emit_vex_rr(&g->e, 0xf0 | X_0F3A | X_F2, dst, 0, a);
        emit8(&g->e, (unsigned)op->imm);
    } else {
        dst = ra_out_copy(g, op, 0);
        emit_shift_imm(&g->e, 0, SHIFT_ROR, dst, (unsigned)op->imm);
    }
    emit_rr(&g->e, X_MOVSXD, dst, dst);
    ra_set_out(g, op, dst);
}

/* extract, sextract */
static void gen_extract(X86Gen *g, const IrOp *op) {
    bool sign = op->opcode == IR_sextract;
    unsigned width = op->type == IR_I64 ? 64 : 32, pos = op->imm & 0xff,
             len = op->imm >> 8 & 0xff;
    uint32_t w = type_w(op->type);
    if (pos == 0 && (len == 8 || len == 16 || len == 32) && !is_const(g, op->in[0])) {
        IrOp ext = *op;
        ext.opcode = len == 8 ? IR_ext_u8 : len == 16 ? IR_ext_u16 : IR_ext_u32;
        ext.opcode = (uint8_t)(sign ? ext.opcode - IR_ext_u8 + IR_ext_s8 : ext.opcode);
        gen_ext(g, &ext);
        return;
    }
    unsigned dst = ra_out_copy(g, op, 0);
    if (!sign && pos + len == 32) {
        emit_shift_imm(&g->e, 0, SHIFT_SHR, dst,
                       pos); /* of 32 bits: clears the upper half */
    } else if (!sign && len < 32 && pos + len < width) {
        if (pos) {
            emit_shift_imm(&g->e, w, SHIFT_SHR, dst, pos);
        }
        emit_alu_imm(&g->e, 0, ALU_AND, dst, (int32_t)((1u << len) - 1));
    } else {
        unsigned left = width - pos - len, right = width - len;
        if (left) {
            emit_shift_imm(&g->e, w, SHIFT_SHL, dst, left);
        }
        if (right) {
            emit_shift_imm(&g->e, w, sign ? SHIFT_SAR : SHIFT_SHR, dst, right);
        }
    }
    ra_set_out(g, op, dst);
}

static void gen_deposit(X86Gen *g, const IrOp *op) {
    unsigned width = op->type == IR_I64 ? 64 : 32, pos = op->imm & 0xff,
             len = op->imm >> 8 & 0xff;
    uint32_t w = type_w(op->type);
    uint64_t ones = len == 64 ? ~0ull : (1ull << len) - 1;
    uint64_t mask = ones << pos;
    Emit *e = &g->e;
    unsigned t = ra_alloc(g, GPR_TEMPS);
    ra_load(g, t, op->in[1]);
    if (len < width) {
        emit_shift_imm(e, w, SHIFT_SHL, t, width - len);
        if (width - len - pos) {
            emit_shift_imm(e, w, SHIFT_SHR, t, width - len - pos);
        }
    }
    unsigned dst;
    if (len == width) {
        dst = ra_out(g, op, 0);
        emit_mov(e, w, dst, t);
    } else {
        uint64_t keep = ~mask;
        bool fits = width == 32 || (int64_t)keep == (int32_t)keep;
        unsigned m = fits ? 0 : ra_alloc(g, GPR_TEMPS);
        dst = ra_out_copy(g, op, 0);
        if (fits) {
            emit_alu_imm(e, w, ALU_AND, dst, (int32_t)keep);
        } else {
            emit_mov_imm_keep(e, m, keep);
            emit_alu_rr(e, w, ALU_AND, dst, m);
        }
        emit_alu_rr(e, w, ALU_OR, dst, t);
    }
    ra_set_out(g, op, dst);
}

/* --- comparisons -------------------------------------------------------------- */

static const uint8_t host_cond[COND_COUNT] = {
    [COND_EQ] = CC_E,   [COND_NE] = CC_NE,  [COND_LT] = CC_L,  [COND_GE] = CC_GE,
    [COND_LTU] = CC_B,  [COND_GEU] = CC_AE, [COND_LE] = CC_LE, [COND_GT] = CC_G,
    [COND_LEU] = CC_BE, [COND_GTU] = CC_A,
};
/* The condition of the swapped operands. */
static const uint8_t host_cond_swapped[COND_COUNT] = {
    [COND_EQ] = CC_E,   [COND_NE] = CC_NE,  [COND_LT] = CC_G,  [COND_GE] = CC_LE,
    [COND_LTU] = CC_A,  [COND_GEU] = CC_BE, [COND_LE] = CC_GE, [COND_GT] = CC_L,
    [COND_LEU] = CC_AE, [COND_GTU] = CC_B,
};

HostCond gen_compare(X86Gen *g, const IrOp *op) {
    uint32_t w = type_w(op->type);
    TempId a = op->in[0], b = op->in[1];
    const uint8_t *table = host_cond;
    if (is_const(g, a) && !is_const(g, b)) {
        TempId t = a;
        a = b;
        b = t;
        table = host_cond_swapped;
    }
    HostCond cc = (HostCond)table[op->cond];
    Opnd ob = ra_operand(g, b, op->type);
    if (ob.kind == OPND_IMM && !is_const(g, a)) {
        Opnd oa = ra_operand(g, a, op->type);
        if (oa.kind == OPND_MEM) {
            emit_alu_mem_imm(&g->e, w, ALU_CMP, oa.reg, oa.val, ob.val);
        } else if (ob.val == 0 && g->flags_end == g->e.p && g->flags_reg == oa.reg &&
                   g->flags_type == op->type &&
                   (op->cond == COND_EQ || op->cond == COND_NE)) {
            /* the last instruction said it */
        } else if (ob.val == 0) {
            emit_rr(&g->e, X_TEST | w, oa.reg, oa.reg);
        } else {
            emit_alu_imm(&g->e, w, ALU_CMP, oa.reg, ob.val);
        }
        return cc;
    }
    gen_alu(g, w, ALU_CMP, ra_use(g, a), ob);
    return cc;
}

static uint32_t inputs_mask(const X86Gen *g, const IrOp *op, unsigned from, unsigned to) {
    uint32_t m = 0;
    for (unsigned i = from; i < to; i++) {
        unsigned r = ra_reg(g, op->in[i]);
        m |= r != REG_NONE ? bit(r) : 0;
    }
    return m;
}

static void gen_setcond(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    const IrTemp *b = &g->temps[op->in[1]];
    if (b->kind == TEMP_CONST && b->value == 0 && op->cond == COND_LT) {
        unsigned dst = ra_out_copy(g, op, 0);
        emit_shift_imm(e, type_w(op->type), SHIFT_SHR, dst, op->type == IR_I64 ? 63 : 31);
        ra_set_out(g, op, dst);
        return;
    }
    /* Operands are loaded first, so that the output can be cleared before the compare. */
    uint32_t inputs = inputs_mask(g, op, 0, 2);
    g->locked |= inputs;
    unsigned out = ra_reg(g, op->out);
    bool pinned = out != REG_NONE && !(g->used & bit(out));
    if (pinned && inputs & bit(out)) {
        unsigned t = ra_alloc(g, GPR_TEMPS);
        HostCond cc = gen_compare(g, op);
        emit_rr(e, (0x90u | (unsigned)cc) | X_0F | X_M8, 0, t);
        emit_rr(e, X_MOVZX8 | X_M8, out, t);
        return;
    }
    unsigned dst = pinned ? out : ra_alloc(g, GPR_TEMPS);
    emit_rr(e, 0x33, dst, dst);
    HostCond cc = gen_compare(g, op);
    emit_rr(e, (0x90u | (unsigned)cc) | X_0F | X_M8, 0, dst);
    ra_set_out(g, op, dst);
}

static void gen_movcond(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    uint32_t w = type_w(op->type);
    uint32_t inputs = inputs_mask(g, op, 0, 4);
    g->locked |= inputs;
    unsigned out = ra_reg(g, op->out);
    bool pinned = out != REG_NONE && !(g->used & bit(out));
    HostCond cc;
    TempId yes = op->in[2], no = op->in[3];
    if (pinned && ra_reg(g, yes) == out) { /* out = cond ? out : d */
        unsigned d = ra_use(g, no);
        cc = gen_compare(g, op);
        emit_rr(e, (0x40u | ((unsigned)cc ^ 1)) | X_0F | w, out, d);
        return;
    }
    unsigned c = ra_use(g, yes);
    /* The compare reads its operands first; mov and cmov keep flags; c is read last. */
    if (pinned && out != c) {
        cc = gen_compare(g, op);
        if (ra_reg(g, no) != out) {
            ra_load(g, out, no);
        }
        emit_rr(e, (0x40u | (unsigned)cc) | X_0F | w, out, c);
        return;
    }
    unsigned dst = ra_alloc(g, GPR_TEMPS);
    ra_load(g, dst, no);
    cc = gen_compare(g, op);
    emit_rr(e, (0x40u | (unsigned)cc) | X_0F | w, dst, c);
    ra_set_out(g, op, dst);
}

/* --- the CPU's own state ------------------------------------------------------ */

static void gen_env_ld(X86Gen *g, const IrOp *op) {
    static const uint32_t opcodes[8] = {
        X_MOVZX8,       X_MOVZX16,       X_MOV_RM, X_MOV_RM | X_W,
        X_MOVSX8 | X_W, X_MOVSX16 | X_W, X_MOVSXD, X_MOV_RM | X_W,
    };
    unsigned memop = ir_aux_memop(op->aux);
    int32_t disp = env_disp((int64_t)op->imm);
    unsigned dst = ra_out(g, op, 0);
    if (type_is_fp(op->type)) {
        emit_rm(&g->e, (op->type == IR_F64 ? 0x7e : 0x10) | X_F3 | X_0F, dst, RBP, disp);
    } else {
        emit_rm(&g->e, opcodes[memop & (MO_SIZE | MO_SIGN)], dst, RBP, disp);
    }
    ra_set_out(g, op, dst);
}

static void gen_env_st(X86Gen *g, const IrOp *op) {
    unsigned size = op->aux & MO_SIZE;
    int32_t disp = env_disp((int64_t)op->imm);
    uint32_t w = (size == MO_64 ? X_W : 0) | (size == MO_16 ? X_66 : 0);
    const IrTemp *a = &g->temps[op->in[0]];
    if (type_is_fp(a->type)) {
        unsigned x = ra_use(g, op->in[0]);
        emit_rm(&g->e, size == MO_64 ? 0xd6 | X_66 | X_0F : 0x11 | X_F3 | X_0F, x, RBP,
                disp);
        return;
    }
    Opnd o = ra_operand(g, op->in[0], size == MO_64 ? IR_I64 : IR_I32);
    if (o.kind == OPND_IMM) {
        emit_rm(&g->e, (size == MO_8 ? 0xc6 : 0xc7) | w, 0, RBP, disp);
        if (size == MO_8) {
            emit8(&g->e, (uint8_t)o.val);
        } else if (size == MO_16) {
            emit16(&g->e, (uint16_t)o.val);
        } else {
            emit32(&g->e, (uint32_t)o.val);
        }
        return;
    }
    unsigned r = o.kind == OPND_REG ? o.reg : ra_use(g, op->in[0]);
    emit_rm(&g->e, size == MO_8 ? 0x88 | X_R8 : X_MOV_MR | w, r, RBP, disp);
}

bool gen_int_op(X86Gen *g, const IrOp *op) {
    switch ((IrOpcode)op->opcode) {
    case IR_mov:
        gen_mov_op(g, op);
        return true;
    case IR_ext_s8:
    case IR_ext_s16:
    case IR_ext_s32:
    case IR_ext_u8:
    case IR_ext_u16:
    case IR_ext_u32:
        gen_ext(g, op);
        return true;
    case IR_add:
        gen_binary(g, op, ALU_ADD);
        return true;
    case IR_sub:
        gen_sub(g, op);
        return true;
    case IR_and:
        gen_and(g, op);
        return true;
    case IR_or:
        gen_binary(g, op, ALU_OR);
        return true;
    case IR_xor:
        gen_binary(g, op, ALU_XOR);
        return true;
    case IR_andc:
    case IR_orc:
    case IR_eqv:
        gen_complement(g, op);
        return true;
    case IR_mul:
        gen_mul(g, op);
        return true;
    case IR_shl:
        gen_shift(g, op, SHIFT_SHL);
        return true;
    case IR_shr:
        gen_shift(g, op, SHIFT_SHR);
        return true;
    case IR_sar:
        gen_shift(g, op, SHIFT_SAR);
        return true;
    case IR_rotl:
        gen_shift(g, op, SHIFT_ROL);
        return true;
    case IR_rotr:
        gen_shift(g, op, SHIFT_ROR);
        return true;
    case IR_clz:
    case IR_ctz:
        gen_count_zeros(g, op);
        return true;
    case IR_popcnt:
        gen_popcnt(g, op);
        return true;
    case IR_bswap:
        gen_bswap(g, op);
        return true;
    case IR_rotr_s32:
        gen_rotr_s32(g, op);
        return true;
    case IR_extract:
    case IR_sextract:
        gen_extract(g, op);
        return true;
    case IR_deposit:
        gen_deposit(g, op);
        return true;
    case IR_setcond:
        gen_setcond(g, op);
        return true;
    case IR_movcond:
        gen_movcond(g, op);
        return true;
    case IR_env_ld:
        gen_env_ld(g, op);
        return true;
    case IR_env_st:
        gen_env_st(g, op);
        return true;
    default:
        return false;
    }
}
