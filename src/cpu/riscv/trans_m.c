/* SPDX-License-Identifier: MIT */
/*
 * M: multiplication and division. The IR's divisions are defined as the manual's (by zero
 * and overflow included), so each instruction is one op, or one and a sign extension.
 *
 * Spec: RISC-V Unprivileged ISA 20240411, chapter "M".
 */
#include "cpu/riscv/translate.h"

static bool mul_div_w(DisasContext *ctx, const RiscvArgs *a, IrOpcode op) {
    if (a->rd) {
        TempId t = new_i64(ctx);
        ir_op2(ctx->ir, op, IR_I32, t, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
        gpr_set_s32(ctx, a->rd, t);
    }
    return true;
}

static bool mul_div(DisasContext *ctx, const RiscvArgs *a, IrOpcode op) {
    if (ctx->rv32) {
        return mul_div_w(ctx, a, op);
    }
    if (a->rd) {
        ir_op2(ctx->ir, op, IR_I64, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1),
               gpr_src(ctx, a->rs2));
    }
    return true;
}

bool trans_mul(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div(ctx, a, IR_mul);
}
bool trans_mulh(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div(ctx, a, IR_mulhs);
}
bool trans_mulhsu(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div(ctx, a, IR_mulhsu);
}
bool trans_mulhu(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div(ctx, a, IR_mulhu);
}
bool trans_div(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div(ctx, a, IR_divs);
}
bool trans_divu(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div(ctx, a, IR_divu);
}
bool trans_rem(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div(ctx, a, IR_rems);
}
bool trans_remu(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div(ctx, a, IR_remu);
}
bool trans_mulw(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div_w(ctx, a, IR_mul);
}
bool trans_divw(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div_w(ctx, a, IR_divs);
}
bool trans_divuw(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div_w(ctx, a, IR_divu);
}
bool trans_remw(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div_w(ctx, a, IR_rems);
}
bool trans_remuw(DisasContext *ctx, const RiscvArgs *a) {
    return mul_div_w(ctx, a, IR_remu);
}
