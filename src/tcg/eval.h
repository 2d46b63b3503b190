/* SPDX-License-Identifier: MIT */
/*
 * What each integer op computes: the "meaning" column of ops.def in C. Read by the
 * interpreter (with a constant opcode, so that the switch folds away), by constant
 * folding, and by the slow path of guest accesses.
 *
 * `wide`: the op's type is i64. Otherwise only the low 32 bits of inputs count and only
 * the low 32 bits of the result are defined.
 */
#ifndef VITRINE_TCG_EVAL_H
#define VITRINE_TCG_EVAL_H

#include "tcg/ir.h"

#define EVAL_INLINE static inline __attribute__((always_inline))

/* The low `bits` (1..64) of v, extended to 64. */
EVAL_INLINE uint64_t eval_sext(uint64_t v, unsigned bits) {
    return (uint64_t)((int64_t)(v << (64 - bits)) >> (64 - bits));
}
EVAL_INLINE uint64_t eval_zext(uint64_t v, unsigned bits) {
    return v << (64 - bits) >> (64 - bits);
}

/* A value of memop's size, as loads extend it. */
EVAL_INLINE uint64_t eval_extend(uint64_t v, unsigned memop) {
    unsigned bits = 8 * MO_BYTES(memop);
    return memop & MO_SIGN ? eval_sext(v, bits) : eval_zext(v, bits);
}

/* From the host's order of bytes to the guest's, or back. */
EVAL_INLINE uint64_t eval_byte_order(uint64_t v, unsigned memop) {
    return memop & MO_BE ? __builtin_bswap64(v) >> (64 - 8 * MO_BYTES(memop)) : v;
}

/* What a guest_rmw puts in old's place; only the low MO_BYTES(memop) of it count. */
static inline uint64_t eval_rmw(IrRmw rmw, unsigned memop, uint64_t old, uint64_t value) {
    unsigned bits = 8 * MO_BYTES(memop);
    uint64_t a = eval_zext(old, bits), b = eval_zext(value, bits);
    int64_t sa = (int64_t)eval_sext(old, bits), sb = (int64_t)eval_sext(value, bits);
    switch (rmw) {
    case RMW_XCHG:
        return b;
    case RMW_ADD:
        return a + b;
    case RMW_AND:
        return a & b;
    case RMW_OR:
        return a | b;
    case RMW_XOR:
        return a ^ b;
    case RMW_MIN:
        return sa < sb ? a : b;
    case RMW_MAX:
        return sa > sb ? a : b;
    case RMW_MINU:
        return a < b ? a : b;
    case RMW_MAXU:
        return a > b ? a : b;
    case RMW_COUNT:
        break;
    }
    return b;
}

EVAL_INLINE uint64_t eval_mulh(IrOpcode opcode, bool wide, uint64_t a, uint64_t b) {
    if (wide) {
        unsigned __int128 p = (unsigned __int128)a * b;
        uint64_t high = (uint64_t)(p >> 64);
        if (opcode != IR_mulhu && (int64_t)a < 0) {
            high -= b;
        }
        if (opcode == IR_mulhs && (int64_t)b < 0) {
            high -= a;
        }
        return high;
    }
    uint64_t x = opcode == IR_mulhu ? (uint32_t)a : eval_sext(a, 32);
    uint64_t y = opcode == IR_mulhs ? eval_sext(b, 32) : (uint32_t)b;
    return (x * y) >> 32;
}

EVAL_INLINE uint64_t eval_div(IrOpcode opcode, bool wide, uint64_t a, uint64_t b) {
    bool is_signed = opcode == IR_divs || opcode == IR_rems;
    bool is_div = opcode == IR_divs || opcode == IR_divu;
    if (!wide) {
        a = is_signed ? eval_sext(a, 32) : (uint32_t)a;
        b = is_signed ? eval_sext(b, 32) : (uint32_t)b;
    }
    if (b == 0) {
        return is_div ? UINT64_MAX : a;
    }
    if (!is_signed) {
        return is_div ? a / b : a % b;
    }
    if ((int64_t)b == -1) { /* MIN / -1 does not fit: negate without it */
        return is_div ? 0 - a : 0;
    }
    return (uint64_t)(is_div ? (int64_t)a / (int64_t)b : (int64_t)a % (int64_t)b);
}

EVAL_INLINE uint64_t eval_shift(IrOpcode opcode, bool wide, uint64_t a, uint64_t b) {
    unsigned w = wide ? 64 : 32;
    unsigned n = (unsigned)b & (w - 1);
    if (opcode == IR_shl) {
        return a << n;
    }
    if (opcode == IR_sar) {
        return (uint64_t)((int64_t)(wide ? a : eval_sext(a, 32)) >> n);
    }
    if (!wide) {
        a = (uint32_t)a;
    }
    if (opcode == IR_shr) {
        return a >> n;
    }
    if (opcode == IR_rotr) {
        n = (w - n) & (w - 1);
    }
    return n == 0 ? a : (a << n | a >> (w - n));
}

EVAL_INLINE uint64_t eval_count(IrOpcode opcode, bool wide, uint64_t a) {
    if (!wide) {
        a = (uint32_t)a;
    }
    if (opcode == IR_popcnt) {
        return (uint64_t)__builtin_popcountll(a);
    }
    if (a == 0) {
        return wide ? 64 : 32;
    }
    if (opcode == IR_ctz) {
        return (uint64_t)__builtin_ctzll(a);
    }
    return (uint64_t)__builtin_clzll(a) - (wide ? 0 : 32);
}

EVAL_INLINE uint64_t eval_deposit(uint64_t a, uint64_t b, uint64_t imm) {
    unsigned pos = ir_field_pos(imm);
    uint64_t mask = eval_zext(UINT64_MAX, ir_field_len(imm)) << pos;
    return (a & ~mask) | (b << pos & mask);
}

/* An op with one input (mov, ext_*, clz, ctz, popcnt, bswap, rotr_s32, extract, sextract). */
EVAL_INLINE uint64_t eval_unary(IrOpcode opcode, bool wide, uint64_t a, uint64_t imm) {
    switch (opcode) {
    case IR_mov:
        return a;
    case IR_ext_s8:
        return eval_sext(a, 8);
    case IR_ext_s16:
        return eval_sext(a, 16);
    case IR_ext_s32:
        return eval_sext(a, 32);
    case IR_ext_u8:
        return (uint8_t)a;
    case IR_ext_u16:
        return (uint16_t)a;
    case IR_ext_u32:
        return (uint32_t)a;
    case IR_clz:
    case IR_ctz:
    case IR_popcnt:
        return eval_count(opcode, wide, a);
    case IR_bswap:
        return wide ? __builtin_bswap64(a) : __builtin_bswap32((uint32_t)a);
    case IR_rotr_s32:
        return eval_sext((uint32_t)a >> imm | a << (32 - imm), 32);
    case IR_extract:
        return eval_zext(a >> ir_field_pos(imm), ir_field_len(imm));
    case IR_sextract:
        return eval_sext(a >> ir_field_pos(imm), ir_field_len(imm));
    default:
        __builtin_unreachable();
    }
}

/* An op with two inputs (add .. rotr, deposit). */
EVAL_INLINE uint64_t eval_binary(IrOpcode opcode, bool wide, uint64_t a, uint64_t b,
                                 uint64_t imm) {
    switch (opcode) {
    case IR_add:
        return a + b;
    case IR_sub:
        return a - b;
    case IR_mul:
        return a * b;
    case IR_mulhs:
    case IR_mulhu:
    case IR_mulhsu:
        return eval_mulh(opcode, wide, a, b);
    case IR_divs:
    case IR_divu:
    case IR_rems:
    case IR_remu:
        return eval_div(opcode, wide, a, b);
    case IR_and:
        return a & b;
    case IR_or:
        return a | b;
    case IR_xor:
        return a ^ b;
    case IR_andc:
        return a & ~b;
    case IR_orc:
        return a | ~b;
    case IR_eqv:
        return ~(a ^ b);
    case IR_shl:
    case IR_shr:
    case IR_sar:
    case IR_rotl:
    case IR_rotr:
        return eval_shift(opcode, wide, a, b);
    case IR_deposit:
        return eval_deposit(a, b, imm);
    default:
        __builtin_unreachable();
    }
}

#endif
