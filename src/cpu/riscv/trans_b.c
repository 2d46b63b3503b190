/* SPDX-License-Identifier: MIT */
/*
 * Bit manipulation: Zba (shift and add), Zbb (basic), Zbc (carry-less product), Zbs
 * (single bits), and Zicond (conditional zero).
 *
 * Spec: RISC-V Unprivileged ISA 20240411, chapters "B" and "Zicond".
 */
#include "cpu/riscv/translate.h"

/* x[rd] = op(x[rs1]) in 32 bits, sign-extended. */
static bool unary_w(DisasContext *ctx, const RiscvArgs *a, IrOpcode op) {
    TempId t = new_i64(ctx);
    ir_op1(ctx->ir, op, IR_I32, t, gpr_src(ctx, a->rs1));
    gpr_set_s32(ctx, a->rd, t);
    return true;
}

static bool unary(DisasContext *ctx, const RiscvArgs *a, IrOpcode op) {
    if (ctx->rv32) {
        return unary_w(ctx, a, op);
    }
    ir_op1(ctx->ir, op, IR_I64, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1));
    return true;
}

/* Right for both XLENs: a sign-extended operand gives a sign-extended result. */
static bool unary_same(DisasContext *ctx, const RiscvArgs *a, IrOpcode op) {
    ir_op1(ctx->ir, op, IR_I64, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1));
    return true;
}

static bool logic(DisasContext *ctx, const RiscvArgs *a, IrOpcode op) {
    ir_op2(ctx->ir, op, IR_I64, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1),
           gpr_src(ctx, a->rs2));
    return true;
}

/* --- Zba ---------------------------------------------------------------------------- */
/* x[rd] = (index << shift) + x[rs2] */
static bool shift_add(DisasContext *ctx, const RiscvArgs *a, TempId index,
                      unsigned shift) {
    TempId t = new_i64(ctx);
    ir_op2i(ctx->ir, IR_shl, IR_I64, t, index, shift);
    if (ctx->rv32) {
        ir_op2(ctx->ir, IR_add, IR_I32, t, t, gpr_src(ctx, a->rs2));
        gpr_set_s32(ctx, a->rd, t);
    } else {
        ir_op2(ctx->ir, IR_add, IR_I64, gpr_dst(ctx, a->rd), t, gpr_src(ctx, a->rs2));
    }
    return true;
}

static TempId low_word(DisasContext *ctx, unsigned r) {
    TempId t = new_i64(ctx);
    ir_op1(ctx->ir, IR_ext_u32, IR_I64, t, gpr_src(ctx, r));
    return t;
}

bool trans_sh1add(DisasContext *ctx, const RiscvArgs *a) {
    return shift_add(ctx, a, gpr_src(ctx, a->rs1), 1);
}
bool trans_sh2add(DisasContext *ctx, const RiscvArgs *a) {
    return shift_add(ctx, a, gpr_src(ctx, a->rs1), 2);
}
bool trans_sh3add(DisasContext *ctx, const RiscvArgs *a) {
    return shift_add(ctx, a, gpr_src(ctx, a->rs1), 3);
}
bool trans_sh1add_uw(DisasContext *ctx, const RiscvArgs *a) {
    return shift_add(ctx, a, low_word(ctx, a->rs1), 1);
}
bool trans_sh2add_uw(DisasContext *ctx, const RiscvArgs *a) {
    return shift_add(ctx, a, low_word(ctx, a->rs1), 2);
}
bool trans_sh3add_uw(DisasContext *ctx, const RiscvArgs *a) {
    return shift_add(ctx, a, low_word(ctx, a->rs1), 3);
}
bool trans_add_uw(DisasContext *ctx, const RiscvArgs *a) {
    if (a->rs2 == 0) { /* zext.w */
        ir_op1(ctx->ir, IR_ext_u32, IR_I64, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1));
        return true;
    }
    TempId t = low_word(ctx, a->rs1);
    ir_op2(ctx->ir, IR_add, IR_I64, gpr_dst(ctx, a->rd), t, gpr_src(ctx, a->rs2));
    return true;
}
bool trans_slli_uw(DisasContext *ctx, const RiscvArgs *a) {
    TempId t = low_word(ctx, a->rs1);
    ir_op2i(ctx->ir, IR_shl, IR_I64, gpr_dst(ctx, a->rd), t, (uint64_t)a->imm);
    return true;
}

/* --- Zbb ---------------------------------------------------------------------------- */
bool trans_andn(DisasContext *ctx, const RiscvArgs *a) {
    return logic(ctx, a, IR_andc);
}
bool trans_orn(DisasContext *ctx, const RiscvArgs *a) {
    return logic(ctx, a, IR_orc);
}
bool trans_xnor(DisasContext *ctx, const RiscvArgs *a) {
    return logic(ctx, a, IR_eqv);
}
bool trans_clz(DisasContext *ctx, const RiscvArgs *a) {
    return unary(ctx, a, IR_clz);
}
bool trans_ctz(DisasContext *ctx, const RiscvArgs *a) {
    return unary(ctx, a, IR_ctz);
}
bool trans_cpop(DisasContext *ctx, const RiscvArgs *a) {
    return unary(ctx, a, IR_popcnt);
}
bool trans_clzw(DisasContext *ctx, const RiscvArgs *a) {
    return unary_w(ctx, a, IR_clz);
}
bool trans_ctzw(DisasContext *ctx, const RiscvArgs *a) {
    return unary_w(ctx, a, IR_ctz);
}
bool trans_cpopw(DisasContext *ctx, const RiscvArgs *a) {
    return unary_w(ctx, a, IR_popcnt);
}
bool trans_sext_b(DisasContext *ctx, const RiscvArgs *a) {
    return unary_same(ctx, a, IR_ext_s8);
}
bool trans_sext_h(DisasContext *ctx, const RiscvArgs *a) {
    return unary_same(ctx, a, IR_ext_s16);
}
bool trans_zext_h(DisasContext *ctx, const RiscvArgs *a) {
    return unary_same(ctx, a, IR_ext_u16);
}
bool trans_rev8(DisasContext *ctx, const RiscvArgs *a) {
    return unary(ctx, a, IR_bswap);
}

/* x[rd] = x[rs1] cond x[rs2] ? x[rs1] : x[rs2]; sign extension keeps both orders. */
static bool choose(DisasContext *ctx, const RiscvArgs *a, IrCond cond) {
    TempId x = gpr_src(ctx, a->rs1), y = gpr_src(ctx, a->rs2);
    ir_movcond(ctx->ir, IR_I64, cond, gpr_dst(ctx, a->rd), x, y, x, y);
    return true;
}
bool trans_min(DisasContext *ctx, const RiscvArgs *a) {
    return choose(ctx, a, COND_LT);
}
bool trans_minu(DisasContext *ctx, const RiscvArgs *a) {
    return choose(ctx, a, COND_LTU);
}
bool trans_max(DisasContext *ctx, const RiscvArgs *a) {
    return choose(ctx, a, COND_GT);
}
bool trans_maxu(DisasContext *ctx, const RiscvArgs *a) {
    return choose(ctx, a, COND_GTU);
}

static bool rotate_w(DisasContext *ctx, const RiscvArgs *a, IrOpcode op, TempId count) {
    TempId t = new_i64(ctx);
    ir_op2(ctx->ir, op, IR_I32, t, gpr_src(ctx, a->rs1), count);
    gpr_set_s32(ctx, a->rd, t);
    return true;
}
static bool rotate(DisasContext *ctx, const RiscvArgs *a, IrOpcode op, TempId count) {
    if (ctx->rv32) {
        return rotate_w(ctx, a, op, count);
    }
    ir_op2(ctx->ir, op, IR_I64, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1), count);
    return true;
}
bool trans_rol(DisasContext *ctx, const RiscvArgs *a) {
    return rotate(ctx, a, IR_rotl, gpr_src(ctx, a->rs2));
}
bool trans_ror(DisasContext *ctx, const RiscvArgs *a) {
    return rotate(ctx, a, IR_rotr, gpr_src(ctx, a->rs2));
}
bool trans_rori(DisasContext *ctx, const RiscvArgs *a) {
    return rotate(ctx, a, IR_rotr, const_i64(ctx, (uint64_t)a->imm));
}
bool trans_rolw(DisasContext *ctx, const RiscvArgs *a) {
    return rotate_w(ctx, a, IR_rotl, gpr_src(ctx, a->rs2));
}
bool trans_rorw(DisasContext *ctx, const RiscvArgs *a) {
    return rotate_w(ctx, a, IR_rotr, gpr_src(ctx, a->rs2));
}
bool trans_roriw(DisasContext *ctx, const RiscvArgs *a) {
    return rotate_w(ctx, a, IR_rotr, const_i64(ctx, (uint64_t)a->imm));
}

/* Each byte that is not 0 becomes 0xff: adding 0x7f to its low seven bits carries into
 * bit 7 unless they are 0, bit 7 itself is or-ed in; the bits 7 brought down and times
 * 255 fill the bytes. */
bool trans_orc_b(DisasContext *ctx, const RiscvArgs *a) {
    const uint64_t low7 = 0x7f7f7f7f7f7f7f7f, ones = 0x0101010101010101;
    TempId x = gpr_src(ctx, a->rs1), t = new_i64(ctx);
    ir_op2i(ctx->ir, IR_and, IR_I64, t, x, low7);
    ir_op2i(ctx->ir, IR_add, IR_I64, t, t, low7);
    ir_op2(ctx->ir, IR_or, IR_I64, t, t, x);
    ir_op2i(ctx->ir, IR_shr, IR_I64, t, t, 7);
    ir_op2i(ctx->ir, IR_and, IR_I64, t, t, ones);
    ir_op2i(ctx->ir, IR_mul, IR_I64, t, t, 255);
    gpr_set(ctx, a->rd, t);
    return true;
}

/* --- Zbc ---------------------------------------------------------------------------- */
static uint64_t helper_clmul(uint64_t a, uint64_t b) {
    uint64_t sum = 0;
    for (; b; b >>= 1, a <<= 1) {
        sum ^= b & 1 ? a : 0;
    }
    return sum;
}

/* Bits 126:63 of the 127-bit product. */
static uint64_t helper_clmulr(uint64_t a, uint64_t b) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < 64; i++) {
        sum ^= b >> i & 1 ? a >> (63 - i) : 0;
    }
    return sum;
}

static const HelperInfo clmul_info = {"clmul", (void *)helper_clmul, HELPER_PURE, 2};
static const HelperInfo clmulr_info = {"clmulr", (void *)helper_clmulr, HELPER_PURE, 2};

/* RV32: bits of the 64-bit product of the low words, from `shift` on. */
static bool clmul_rv32(DisasContext *ctx, const RiscvArgs *a, unsigned shift) {
    TempId t = new_i64(ctx);
    call_helper(ctx, &clmul_info, t, low_word(ctx, a->rs1), low_word(ctx, a->rs2),
                TEMP_NONE, TEMP_NONE);
    ir_op2i(ctx->ir, IR_shr, IR_I64, t, t, shift);
    gpr_set_s32(ctx, a->rd, t);
    return true;
}

bool trans_clmul(DisasContext *ctx, const RiscvArgs *a) {
    if (ctx->rv32) {
        return clmul_rv32(ctx, a, 0);
    }
    call_helper(ctx, &clmul_info, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1),
                gpr_src(ctx, a->rs2), TEMP_NONE, TEMP_NONE);
    return true;
}
bool trans_clmulr(DisasContext *ctx, const RiscvArgs *a) {
    if (ctx->rv32) {
        return clmul_rv32(ctx, a, 31);
    }
    call_helper(ctx, &clmulr_info, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1),
                gpr_src(ctx, a->rs2), TEMP_NONE, TEMP_NONE);
    return true;
}
bool trans_clmulh(DisasContext *ctx, const RiscvArgs *a) {
    if (ctx->rv32) {
        return clmul_rv32(ctx, a, 32);
    }
    TempId t = new_i64(ctx);
    call_helper(ctx, &clmulr_info, t, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2),
                TEMP_NONE, TEMP_NONE);
    ir_op2i(ctx->ir, IR_shr, IR_I64, gpr_dst(ctx, a->rd), t, 1);
    return true;
}

/* --- Zbs ---------------------------------------------------------------------------- */
/* 1 << (index mod XLEN); RV32: sign-extended. */
static TempId single_bit(DisasContext *ctx, TempId index) {
    TempId t = new_i64(ctx);
    if (ctx->rv32) {
        ir_op2(ctx->ir, IR_shl, IR_I32, t, const_i64(ctx, 1), index);
        ir_op1(ctx->ir, IR_ext_s32, IR_I64, t, t);
    } else {
        ir_op2(ctx->ir, IR_shl, IR_I64, t, const_i64(ctx, 1), index);
    }
    return t;
}

static bool single_bit_op(DisasContext *ctx, const RiscvArgs *a, IrOpcode op,
                          TempId index) {
    TempId bit = single_bit(ctx, index);
    ir_op2(ctx->ir, op, IR_I64, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1), bit);
    return true;
}

static TempId imm_index(DisasContext *ctx, const RiscvArgs *a) {
    return const_i64(ctx, (uint64_t)a->imm);
}

bool trans_bclr(DisasContext *ctx, const RiscvArgs *a) {
    return single_bit_op(ctx, a, IR_andc, gpr_src(ctx, a->rs2));
}
bool trans_binv(DisasContext *ctx, const RiscvArgs *a) {
    return single_bit_op(ctx, a, IR_xor, gpr_src(ctx, a->rs2));
}
bool trans_bset(DisasContext *ctx, const RiscvArgs *a) {
    return single_bit_op(ctx, a, IR_or, gpr_src(ctx, a->rs2));
}
bool trans_bclri(DisasContext *ctx, const RiscvArgs *a) {
    return single_bit_op(ctx, a, IR_andc, imm_index(ctx, a));
}
bool trans_binvi(DisasContext *ctx, const RiscvArgs *a) {
    return single_bit_op(ctx, a, IR_xor, imm_index(ctx, a));
}
bool trans_bseti(DisasContext *ctx, const RiscvArgs *a) {
    return single_bit_op(ctx, a, IR_or, imm_index(ctx, a));
}
bool trans_bext(DisasContext *ctx, const RiscvArgs *a) {
    TempId t = new_i64(ctx);
    ir_op2(ctx->ir, IR_shr, ctx->rv32 ? IR_I32 : IR_I64, t, gpr_src(ctx, a->rs1),
           gpr_src(ctx, a->rs2));
    ir_op2i(ctx->ir, IR_and, IR_I64, gpr_dst(ctx, a->rd), t, 1);
    return true;
}
bool trans_bexti(DisasContext *ctx, const RiscvArgs *a) {
    ir_extract(ctx->ir, IR_I64, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1),
               (unsigned)a->imm, 1);
    return true;
}

/* --- Zicond ------------------------------------------------------------------------- */
static bool conditional_zero(DisasContext *ctx, const RiscvArgs *a, IrCond cond) {
    TempId zero = const_i64(ctx, 0);
    ir_movcond(ctx->ir, IR_I64, cond, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs2), zero,
               zero, gpr_src(ctx, a->rs1));
    return true;
}
bool trans_czero_eqz(DisasContext *ctx, const RiscvArgs *a) {
    return conditional_zero(ctx, a, COND_EQ);
}
bool trans_czero_nez(DisasContext *ctx, const RiscvArgs *a) {
    return conditional_zero(ctx, a, COND_NE);
}
