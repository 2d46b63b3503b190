/* SPDX-License-Identifier: MIT */
/*
 * RV32I and RV64I: integer arithmetic, loads and stores, jumps and branches, fence.
 *
 * Spec: RISC-V Unprivileged ISA 20240411, chapters 2 (RV32I), 4 (RV64I), "Zihintpause".
 */
#include "cpu/riscv/translate.h"

/* --- arithmetic --------------------------------------------------------------------- */
/* x[rd] = x op y in 32 bits, sign-extended: the *W instructions and all of RV32. */
static bool arith_w(DisasContext *ctx, unsigned rd, IrOpcode op, TempId x, TempId y) {
    if (rd) {
        TempId t = new_i64(ctx);
        ir_op2(ctx->ir, op, IR_I32, t, x, y);
        gpr_set_s32(ctx, rd, t);
    }
    return true;
}

/* x[rd] = x op y in XLEN bits. */
static bool arith(DisasContext *ctx, unsigned rd, IrOpcode op, TempId x, TempId y) {
    if (ctx->rv32) {
        return arith_w(ctx, rd, op, x, y);
    }
    if (rd) {
        ir_op2(ctx->ir, op, IR_I64, gpr_dst(ctx, rd), x, y);
    }
    return true;
}

/* As arith(), where sign-extended operands give a sign-extended result anyway. */
static bool logic(DisasContext *ctx, unsigned rd, IrOpcode op, TempId x, TempId y) {
    if (rd) {
        ir_op2(ctx->ir, op, IR_I64, gpr_dst(ctx, rd), x, y);
    }
    return true;
}

static bool compare(DisasContext *ctx, unsigned rd, IrCond cond, TempId x, TempId y) {
    if (rd) {
        ir_setcond(ctx->ir, IR_I64, cond, gpr_dst(ctx, rd), x, y);
    }
    return true;
}

static TempId imm_src(DisasContext *ctx, const RiscvArgs *a) {
    return const_i64(ctx, (uint64_t)a->imm);
}

bool trans_lui(DisasContext *ctx, const RiscvArgs *a) {
    gpr_set_const(ctx, a->rd, (uint64_t)a->imm);
    return true;
}

bool trans_auipc(DisasContext *ctx, const RiscvArgs *a) {
    gpr_set_const(ctx, a->rd, ctx->pc + (uint64_t)a->imm);
    return true;
}

bool trans_addi(DisasContext *ctx, const RiscvArgs *a) {
    if (a->rs1 == 0) { /* li */
        gpr_set_const(ctx, a->rd, (uint64_t)a->imm);
        return true;
    }
    if (a->imm == 0) { /* mv; nop writes nothing */
        if (a->rd) {
            ir_mov(ctx->ir, IR_I64, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1));
        }
        return true;
    }
    return arith(ctx, a->rd, IR_add, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}

bool trans_slti(DisasContext *ctx, const RiscvArgs *a) {
    return compare(ctx, a->rd, COND_LT, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}
bool trans_sltiu(DisasContext *ctx, const RiscvArgs *a) {
    return compare(ctx, a->rd, COND_LTU, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}
bool trans_xori(DisasContext *ctx, const RiscvArgs *a) {
    return logic(ctx, a->rd, IR_xor, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}
bool trans_ori(DisasContext *ctx, const RiscvArgs *a) {
    return logic(ctx, a->rd, IR_or, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}
bool trans_andi(DisasContext *ctx, const RiscvArgs *a) {
    return logic(ctx, a->rd, IR_and, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}
bool trans_slli(DisasContext *ctx, const RiscvArgs *a) {
    return arith(ctx, a->rd, IR_shl, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}
bool trans_srli(DisasContext *ctx, const RiscvArgs *a) {
    return arith(ctx, a->rd, IR_shr, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}
bool trans_srai(DisasContext *ctx, const RiscvArgs *a) {
    return arith(ctx, a->rd, IR_sar, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}

bool trans_add(DisasContext *ctx, const RiscvArgs *a) {
    if (a->rd && (a->rs1 == 0 || a->rs2 == 0)) { /* c.mv */
        ir_mov(ctx->ir, IR_I64, gpr_dst(ctx, a->rd), gpr_src(ctx, a->rs1 | a->rs2));
        return true;
    }
    return arith(ctx, a->rd, IR_add, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_sub(DisasContext *ctx, const RiscvArgs *a) {
    return arith(ctx, a->rd, IR_sub, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_sll(DisasContext *ctx, const RiscvArgs *a) {
    return arith(ctx, a->rd, IR_shl, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_slt(DisasContext *ctx, const RiscvArgs *a) {
    return compare(ctx, a->rd, COND_LT, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_sltu(DisasContext *ctx, const RiscvArgs *a) {
    return compare(ctx, a->rd, COND_LTU, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_xor(DisasContext *ctx, const RiscvArgs *a) {
    return logic(ctx, a->rd, IR_xor, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_srl(DisasContext *ctx, const RiscvArgs *a) {
    return arith(ctx, a->rd, IR_shr, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_sra(DisasContext *ctx, const RiscvArgs *a) {
    return arith(ctx, a->rd, IR_sar, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_or(DisasContext *ctx, const RiscvArgs *a) {
    return logic(ctx, a->rd, IR_or, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_and(DisasContext *ctx, const RiscvArgs *a) {
    return logic(ctx, a->rd, IR_and, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}

bool trans_addiw(DisasContext *ctx, const RiscvArgs *a) {
    if (a->imm == 0) { /* sext.w */
        if (a->rd) {
            gpr_set_s32(ctx, a->rd, gpr_src(ctx, a->rs1));
        }
        return true;
    }
    return arith_w(ctx, a->rd, IR_add, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}
bool trans_slliw(DisasContext *ctx, const RiscvArgs *a) {
    return arith_w(ctx, a->rd, IR_shl, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}
bool trans_srliw(DisasContext *ctx, const RiscvArgs *a) {
    return arith_w(ctx, a->rd, IR_shr, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}
bool trans_sraiw(DisasContext *ctx, const RiscvArgs *a) {
    return arith_w(ctx, a->rd, IR_sar, gpr_src(ctx, a->rs1), imm_src(ctx, a));
}
bool trans_addw(DisasContext *ctx, const RiscvArgs *a) {
    return arith_w(ctx, a->rd, IR_add, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_subw(DisasContext *ctx, const RiscvArgs *a) {
    return arith_w(ctx, a->rd, IR_sub, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_sllw(DisasContext *ctx, const RiscvArgs *a) {
    return arith_w(ctx, a->rd, IR_shl, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_srlw(DisasContext *ctx, const RiscvArgs *a) {
    return arith_w(ctx, a->rd, IR_shr, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}
bool trans_sraw(DisasContext *ctx, const RiscvArgs *a) {
    return arith_w(ctx, a->rd, IR_sar, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2));
}

/* --- loads and stores --------------------------------------------------------------- */
/* A load that faults does not write its output, so it may be the register itself. */
static bool load(DisasContext *ctx, const RiscvArgs *a, unsigned memop) {
    RiscvAddress addr = guest_address(ctx, a->rs1, a->imm);
    ir_guest_ld(ctx->ir, IR_I64, gpr_dst(ctx, a->rd), addr.base, addr.disp,
                guest_memop(ctx, memop), ctx->mmu_idx);
    return true;
}

static bool store(DisasContext *ctx, const RiscvArgs *a, unsigned memop) {
    RiscvAddress addr = guest_address(ctx, a->rs1, a->imm);
    ir_guest_st(ctx->ir, IR_I64, gpr_src(ctx, a->rs2), addr.base, addr.disp,
                guest_memop(ctx, memop), ctx->mmu_idx);
    return true;
}

bool trans_lb(DisasContext *ctx, const RiscvArgs *a) {
    return load(ctx, a, MO_8 | MO_SIGN);
}
bool trans_lh(DisasContext *ctx, const RiscvArgs *a) {
    return load(ctx, a, MO_16 | MO_SIGN);
}
bool trans_lw(DisasContext *ctx, const RiscvArgs *a) {
    return load(ctx, a, MO_32 | MO_SIGN);
}
bool trans_ld(DisasContext *ctx, const RiscvArgs *a) {
    return load(ctx, a, MO_64);
}
bool trans_lbu(DisasContext *ctx, const RiscvArgs *a) {
    return load(ctx, a, MO_8);
}
bool trans_lhu(DisasContext *ctx, const RiscvArgs *a) {
    return load(ctx, a, MO_16);
}
bool trans_lwu(DisasContext *ctx, const RiscvArgs *a) {
    return load(ctx, a, MO_32);
}
bool trans_sb(DisasContext *ctx, const RiscvArgs *a) {
    return store(ctx, a, MO_8);
}
bool trans_sh(DisasContext *ctx, const RiscvArgs *a) {
    return store(ctx, a, MO_16);
}
bool trans_sw(DisasContext *ctx, const RiscvArgs *a) {
    return store(ctx, a, MO_32);
}
bool trans_sd(DisasContext *ctx, const RiscvArgs *a) {
    return store(ctx, a, MO_64);
}

/* --- jumps and branches ------------------------------------------------------------- */
/* Without C, a jump to an address that is not a multiple of four raises at the jump. */
static bool target_misaligned(const DisasContext *ctx, vaddr target) {
    return !ctx->cfg->c && (target & 2);
}

bool trans_jal(DisasContext *ctx, const RiscvArgs *a) {
    vaddr target = code_address(ctx, ctx->pc + (uint64_t)a->imm);
    if (target_misaligned(ctx, target)) {
        riscv_raise_insn(ctx, CAUSE_INSN_MISALIGNED, target);
        return true;
    }
    unsigned label;
    gpr_set_const(ctx, a->rd, ctx->next_pc);
    if (a->rd == 0 && riscv_forward_expected(ctx, ctx->next_pc) &&
        riscv_forward_label(ctx, target,
                            &label)) { /* over the else part, which comes next */
        ir_br(ctx->ir, label);
        ctx->done = true;
    } else {
        riscv_end_goto(ctx, target);
    }
    return true;
}

/* (x[rs1] + imm) & ~1 */
static TempId jalr_target(DisasContext *ctx, const RiscvArgs *a) {
    TempId t = new_i64(ctx);
    TempId base = gpr_src(ctx, a->rs1);
    if (a->imm) {
        ir_op2i(ctx->ir, IR_add, IR_I64, t, base, (uint64_t)a->imm);
        base = t;
    }
    ir_op2i(ctx->ir, IR_and, IR_I64, t, base, ctx->rv32 ? 0xfffffffeu : ~(uint64_t)1);
    return t;
}

bool trans_jalr(DisasContext *ctx, const RiscvArgs *a) {
    TempId target = jalr_target(ctx, a);
    if (!ctx->cfg->c) {
        unsigned aligned = ir_label_new(ctx->ir);
        TempId low = new_i64(ctx);
        ir_op2i(ctx->ir, IR_and, IR_I64, low, target, 2);
        ir_brcond(ctx->ir, IR_I64, COND_EQ, low, const_i64(ctx, 0), aligned);
        riscv_raise_inline(ctx, CAUSE_INSN_MISALIGNED, target);
        ir_label(ctx->ir, aligned);
        target = jalr_target(ctx, a);
    }
    gpr_set_const(ctx, a->rd, ctx->next_pc);
    riscv_end_goto_ptr(ctx, target);
    return true;
}

/* A near branch ahead becomes a label in the block; the code between follows. Any other
 * ends it. */
static bool branch(DisasContext *ctx, const RiscvArgs *a, IrCond cond) {
    vaddr target = code_address(ctx, ctx->pc + (uint64_t)a->imm);
    bool misaligned = target_misaligned(ctx, target);
    unsigned taken;
    bool inside = !misaligned && riscv_forward_label(ctx, target, &taken);
    if (!inside) {
        taken = ir_label_new(ctx->ir);
    }
    ir_brcond(ctx->ir, IR_I64, cond, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2), taken);
    if (inside) {
        return true;
    }
    riscv_end_goto(ctx, ctx->next_pc);
    ir_label(ctx->ir, taken);
    if (misaligned) {
        riscv_raise_insn(ctx, CAUSE_INSN_MISALIGNED, target);
    } else {
        riscv_end_goto(ctx, target);
    }
    return true;
}

bool trans_beq(DisasContext *ctx, const RiscvArgs *a) {
    return branch(ctx, a, COND_EQ);
}
bool trans_bne(DisasContext *ctx, const RiscvArgs *a) {
    return branch(ctx, a, COND_NE);
}
bool trans_blt(DisasContext *ctx, const RiscvArgs *a) {
    return branch(ctx, a, COND_LT);
}
bool trans_bge(DisasContext *ctx, const RiscvArgs *a) {
    return branch(ctx, a, COND_GE);
}
bool trans_bltu(DisasContext *ctx, const RiscvArgs *a) {
    return branch(ctx, a, COND_LTU);
}
bool trans_bgeu(DisasContext *ctx, const RiscvArgs *a) {
    return branch(ctx, a, COND_GEU);
}

/* --- fences ------------------------------------------------------------------------- */
enum {
    FENCE_PRED_W = 1 << 4,
    FENCE_PRED_O = 1 << 6,
    FENCE_SUCC_R = 1 << 1,
    FENCE_SUCC_I = 1 << 3,
    FENCE_TSO = 0x833,
};

/* Generated code keeps the host's order, and the hosts we make code for (and C11 in the
 * interpreter's accesses) keep all but write before read. So only a fence that orders
 * those costs something. */
bool trans_fence(DisasContext *ctx, const RiscvArgs *a) {
    bool writes_before = a->imm & (FENCE_PRED_W | FENCE_PRED_O);
    bool reads_after = a->imm & (FENCE_SUCC_R | FENCE_SUCC_I);
    if (writes_before && reads_after && a->imm != FENCE_TSO) {
        ir_fence(ctx->ir);
    }
    return true;
}

/* A spinning hart lets the others go on where they share a thread. */
bool trans_pause(DisasContext *ctx, const RiscvArgs *a) {
    (void)a;
    riscv_end_exit(ctx, ctx->next_pc, TB_EXIT_STATE);
    return true;
}
