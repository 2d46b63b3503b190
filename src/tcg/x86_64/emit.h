/* SPDX-License-Identifier: MIT */
/*
 * Emit: x86-64 instructions as bytes.
 *
 *   [66|F2|F3] [REX] [0F [38|3A]] opcode ModRM [SIB] [disp] [imm]   legacy forms
 *   C4|C5 ...                     opcode ModRM [SIB] [disp] [imm]   VEX: BMI, AVX, FMA
 *
 * An opcode is a number whose low byte is the opcode byte and whose X_ bits are the
 * prefixes it takes. Registers are numbered as in the encoding; xmm n is XMM0 + n.
 *
 * Invariants: the caller made sure that there is room; nothing here checks.
 * Spec: Intel SDM volume 2.
 */
#ifndef VITRINE_TCG_X86_64_EMIT_H
#define VITRINE_TCG_X86_64_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef enum HostReg {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    XMM0,
    HOST_REGS = 32,
    REG_NONE = 0xff,
} HostReg;

typedef struct Emit {
    uint8_t *p; /* where the next byte goes (writable mapping) */
} Emit;

enum {
    X_0F = 1 << 8,
    X_0F38 = 1 << 9,
    X_0F3A = 1 << 10,
    X_66 = 1 << 11,
    X_F3 = 1 << 12,
    X_F2 = 1 << 13,
    X_W = 1 << 14,  /* 64-bit operand */
    X_R8 = 1 << 15, /* the reg field is a byte register */
    X_M8 = 1 << 16, /* the rm field, when a register, is a byte register */
};

/* The /n of the group-1 opcodes. */
typedef enum AluOp {
    ALU_ADD,
    ALU_OR,
    ALU_ADC,
    ALU_SBB,
    ALU_AND,
    ALU_SUB,
    ALU_XOR,
    ALU_CMP
} AluOp;
/* The /n of the shift group. */
typedef enum ShiftOp {
    SHIFT_ROL = 0,
    SHIFT_ROR = 1,
    SHIFT_SHL = 4,
    SHIFT_SHR = 5,
    SHIFT_SAR = 7
} ShiftOp;

/* Condition codes, as in the low bits of jcc, setcc and cmovcc. */
typedef enum HostCond {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G
} HostCond;

enum {
    X_MOV_RM = 0x8b, /* reg <- rm */
    X_MOV_MR = 0x89, /* rm <- reg */
    X_LEA = 0x8d,
    X_TEST = 0x85,
    X_MOVSXD = 0x63 | X_W,
    X_MOVZX8 = 0xb6 | X_0F,
    X_MOVZX16 = 0xb7 | X_0F,
    X_MOVSX8 = 0xbe | X_0F,
    X_MOVSX16 = 0xbf | X_0F,
    X_IMUL = 0xaf | X_0F,
    X_XCHG = 0x87,
    X_GRP3 = 0xf7, /* /2 not, /3 neg, /4 mul, /5 imul, /6 div, /7 idiv */
    X_CMPXCHG = 0xb1 | X_0F,
    X_XADD = 0xc1 | X_0F,
    X_POPCNT = 0xb8 | X_0F | X_F3,
    X_LZCNT = 0xbd | X_0F | X_F3,
    X_TZCNT = 0xbc | X_0F | X_F3,
    X_BSF = 0xbc | X_0F,
    X_BSR = 0xbd | X_0F,
};

/* --- bytes -------------------------------------------------------------------- */

static inline void emit8(Emit *e, unsigned v) {
    *e->p++ = (uint8_t)v;
}
static inline void emit16(Emit *e, uint16_t v) {
    memcpy(e->p, &v, 2);
    e->p += 2;
}
static inline void emit32(Emit *e, uint32_t v) {
    memcpy(e->p, &v, 4);
    e->p += 4;
}
static inline void emit64(Emit *e, uint64_t v) {
    memcpy(e->p, &v, 8);
    e->p += 8;
}

/* --- opcode, ModRM, SIB ------------------------------------------------------- */

static inline uint8_t *emit_opcode(uint8_t *p, uint32_t opc, unsigned r, unsigned x,
                                   unsigned b) {
    if (opc & (X_66 | X_F2 | X_F3)) {
        *p++ = opc & X_66 ? 0x66 : opc & X_F2 ? 0xf2 : 0xf3;
    }
    unsigned rex = (opc & X_W ? 8 : 0) | (r & 8) >> 1 | (x & 8) >> 2 | (b & 8) >> 3;
    if ((opc & X_R8 && (r & 15) >= 4) || (opc & X_M8 && (b & 15) >= 4)) {
        rex |= 0x40;
    }
    if (rex) {
        *p++ = (uint8_t)(0x40 | rex);
    }
    if (opc & (X_0F | X_0F38 | X_0F3A)) {
        *p++ = 0x0f;
        if (opc & X_0F38) {
            *p++ = 0x38;
        } else if (opc & X_0F3A) {
            *p++ = 0x3a;
        }
    }
    *p++ = (uint8_t)opc;
    return p;
}

static inline uint8_t *emit_modrm_mem(uint8_t *p, unsigned r, unsigned base,
                                      int32_t disp) {
    unsigned reg = (r & 7) << 3, b = base & 7;
    unsigned mod = disp == 0 && b != RBP ? 0 : disp == (int8_t)disp ? 0x40 : 0x80;
    *p++ = (uint8_t)(mod | reg | b);
    if (b == RSP) {
        *p++ = 0x24;
    }
    if (mod == 0x40) {
        *p++ = (uint8_t)disp;
    } else if (mod == 0x80) {
        memcpy(p, &disp, 4);
        p += 4;
    }
    return p;
}

static inline uint8_t *emit_modrm_index(uint8_t *p, unsigned r, unsigned base,
                                        unsigned index, unsigned scale, int32_t disp) {
    unsigned reg = (r & 7) << 3, b = base & 7;
    unsigned mod = disp == 0 && b != RBP ? 0 : disp == (int8_t)disp ? 0x40 : 0x80;
    *p++ = (uint8_t)(mod | reg | 4);
    *p++ = (uint8_t)(scale << 6 | (index & 7) << 3 | b);
    if (mod == 0x40) {
        *p++ = (uint8_t)disp;
    } else if (mod == 0x80) {
        memcpy(p, &disp, 4);
        p += 4;
    }
    return p;
}

/* op reg, rm */
static inline void emit_rr(Emit *e, uint32_t opc, unsigned reg, unsigned rm) {
    uint8_t *p = emit_opcode(e->p, opc, reg, 0, rm);
    *p++ = (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7));
    e->p = p;
}
/* op reg, [base + disp] */
static inline void emit_rm(Emit *e, uint32_t opc, unsigned reg, unsigned base,
                           int32_t disp) {
    e->p = emit_modrm_mem(emit_opcode(e->p, opc, reg, 0, base), reg, base, disp);
}
/* op reg, [base + index << scale + disp] */
static inline void emit_rx(Emit *e, uint32_t opc, unsigned reg, unsigned base,
                           unsigned index, unsigned scale, int32_t disp) {
    e->p = emit_modrm_index(emit_opcode(e->p, opc, reg, index, base), reg, base, index,
                            scale, disp);
}

/* --- VEX ---------------------------------------------------------------------- */

static inline uint8_t *emit_vex_opcode(uint8_t *p, uint32_t opc, unsigned r, unsigned v,
                                       unsigned x, unsigned b) {
    unsigned pp = opc & X_66 ? 1 : opc & X_F3 ? 2 : opc & X_F2 ? 3 : 0;
    unsigned tail = (~v & 15) << 3 | pp;
    if (opc & X_0F && !(opc & X_W) && !(x & 8) && !(b & 8)) {
        *p++ = 0xc5;
        *p++ = (uint8_t)((~r & 8) << 4 | tail);
    } else {
        unsigned map = opc & X_0F ? 1 : opc & X_0F38 ? 2 : 3;
        *p++ = 0xc4;
        *p++ = (uint8_t)((~r & 8) << 4 | (~x & 8) << 3 | (~b & 8) << 2 | map);
        *p++ = (uint8_t)((opc & X_W ? 0x80 : 0) | tail);
    }
    *p++ = (uint8_t)opc;
    return p;
}
/* op reg, v, rm */
static inline void emit_vex_rr(Emit *e, uint32_t opc, unsigned reg, unsigned v,
                               unsigned rm) {
    uint8_t *p = emit_vex_opcode(e->p, opc, reg, v, 0, rm);
    *p++ = (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7));
    e->p = p;
}
static inline void emit_vex_rm(Emit *e, uint32_t opc, unsigned reg, unsigned v,
                               unsigned base, int32_t disp) {
    e->p = emit_modrm_mem(emit_vex_opcode(e->p, opc, reg, v, 0, base), reg, base, disp);
}

/* --- the common instructions. w: X_W or 0 ------------------------------------- */

static inline void emit_mov(Emit *e, uint32_t w, unsigned dst, unsigned src) {
    emit_rr(e, X_MOV_RM | w, dst, src);
}
/* Keeps the flags. */
static inline void emit_mov_imm_keep(Emit *e, unsigned r, uint64_t v) {
    if (v == (uint32_t)v) {
        if (r & 8) {
            emit8(e, 0x41);
        }
        emit8(e, 0xb8 | (r & 7));
        emit32(e, (uint32_t)v);
    } else if (v == (uint64_t)(int32_t)v) {
        emit_rr(e, 0xc7 | X_W, 0, r);
        emit32(e, (uint32_t)v);
    } else {
        emit8(e, 0x48 | (r >> 3 & 1));
        emit8(e, 0xb8 | (r & 7));
        emit64(e, v);
    }
}
static inline void emit_mov_imm(Emit *e, unsigned r, uint64_t v) {
    if (v == 0) {
        emit_rr(e, 0x33, r, r);
    } else {
        emit_mov_imm_keep(e, r, v);
    }
}
static inline void emit_alu_rr(Emit *e, uint32_t w, AluOp op, unsigned dst,
                               unsigned src) {
    emit_rr(e, (unsigned)op << 3 | 3 | w, dst, src);
}
static inline void emit_alu_imm(Emit *e, uint32_t w, AluOp op, unsigned dst,
                                int32_t imm) {
    if (imm == (int8_t)imm) {
        emit_rr(e, 0x83 | w, op, dst);
        emit8(e, (uint8_t)imm);
    } else {
        emit_rr(e, 0x81 | w, op, dst);
        emit32(e, (uint32_t)imm);
    }
}
static inline void emit_alu_mem_imm(Emit *e, uint32_t w, AluOp op, unsigned base,
                                    int32_t disp, int32_t imm) {
    if (imm == (int8_t)imm) {
        emit_rm(e, 0x83 | w, op, base, disp);
        emit8(e, (uint8_t)imm);
    } else {
        emit_rm(e, 0x81 | w, op, base, disp);
        emit32(e, (uint32_t)imm);
    }
}
static inline void emit_shift_imm(Emit *e, uint32_t w, ShiftOp op, unsigned dst,
                                  unsigned count) {
    if (count == 1) {
        emit_rr(e, 0xd1 | w, op, dst);
    } else {
        emit_rr(e, 0xc1 | w, op, dst);
        emit8(e, count);
    }
}
static inline void emit_rel32(Emit *e, const uint8_t *target) {
    emit32(e, (uint32_t)(target - (e->p + 4)));
}
/* Jumps within the writable mapping's addresses: distances are the same in the other
 * mapping. */
static inline void emit_jmp(Emit *e, const uint8_t *target) {
    emit8(e, 0xe9);
    emit_rel32(e, target);
}
static inline void emit_call(Emit *e, const uint8_t *target) {
    emit8(e, 0xe8);
    emit_rel32(e, target);
}
static inline void emit_jcc(Emit *e, HostCond cc, const uint8_t *target) {
    emit8(e, 0x0f);
    emit8(e, 0x80u | (unsigned)cc);
    emit_rel32(e, target);
}
/* A conditional jump to be completed by patch_rel32() at the returned place. */
static inline uint8_t *emit_jcc_later(Emit *e, HostCond cc) {
    emit8(e, 0x0f);
    emit8(e, 0x80u | (unsigned)cc);
    e->p += 4;
    return e->p - 4;
}
static inline uint8_t *emit_jmp_later(Emit *e) {
    emit8(e, 0xe9);
    e->p += 4;
    return e->p - 4;
}
static inline void patch_rel32(uint8_t *at, const uint8_t *target) {
    int32_t rel = (int32_t)(target - (at + 4));
    memcpy(at, &rel, 4);
}
/* `count` bytes (at most 9) that do nothing, as one instruction. */
void emit_nop(Emit *e, unsigned count);

#endif
