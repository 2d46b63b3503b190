/* SPDX-License-Identifier: MIT */
/*
 * A: load-reserved and store-conditional, atomic memory operations.
 *
 *   lr   value = guest[addr]; reservation = (addr, value)
 *   sc   addr is reserved and cas(addr, value, new) == value ? 0 : 1; forgets it
 *
 * Deviates: a reservation compares the value instead of watching stores, so an sc
 * succeeds where the word was changed and changed back in between (as in QEMU), and where
 * the same address was mapped to another page.
 *
 * Each AMO is one host atomic, which is a full barrier on the hosts we make code for: aq
 * and rl ask for nothing more.
 *
 * Spec: RISC-V Unprivileged ISA 20240411, chapter "A".
 */
#include "cpu/riscv/translate.h"

enum { NO_RESERVATION = -1 };

static bool load_reserved(DisasContext *ctx, const RiscvArgs *a, unsigned memop) {
    RiscvAddress addr = guest_address(ctx, a->rs1, 0);
    TempId value = new_i64(ctx);
    if (a->rl) { /* earlier writes come before this read */
        ir_fence(ctx->ir);
    }
    ir_guest_ld(ctx->ir, IR_I64, value, addr.base, addr.disp, memop | MO_ALIGN,
                ctx->mmu_idx);
    env_store_u64(ctx, addr.base, TCG_CPU_OFFSET(reservation_addr));
    env_store_u64(ctx, value, TCG_CPU_OFFSET(reservation_value));
    gpr_set(ctx, a->rd, value);
    return true;
}

/* The manual wants the misaligned exception whether or not the reservation holds. */
static void check_aligned(DisasContext *ctx, const RiscvArgs *a, unsigned memop) {
    unsigned aligned = ir_label_new(ctx->ir);
    TempId low = new_i64(ctx);
    ir_op2i(ctx->ir, IR_and, IR_I64, low, gpr_src(ctx, a->rs1), MO_BYTES(memop) - 1);
    ir_brcond(ctx->ir, IR_I64, COND_EQ, low, const_i64(ctx, 0), aligned);
    riscv_raise_inline(ctx, CAUSE_STORE_MISALIGNED, guest_address(ctx, a->rs1, 0).base);
    ir_label(ctx->ir, aligned);
}

static bool store_conditional(DisasContext *ctx, const RiscvArgs *a, unsigned memop) {
    unsigned fail = ir_label_new(ctx->ir);
    unsigned end = ir_label_new(ctx->ir);
    TempId addr = guest_address(ctx, a->rs1, 0).base;
    TempId reserved = env_load_u64(ctx, TCG_CPU_OFFSET(reservation_addr));
    ir_brcond(ctx->ir, IR_I64, COND_NE, addr, reserved, fail);

    TempId expected = env_load_u64(ctx, TCG_CPU_OFFSET(reservation_value));
    TempId old = new_i64(ctx);
    ir_guest_cas(ctx->ir, old, addr, expected, gpr_src(ctx, a->rs2), memop | MO_ALIGN,
                 ctx->mmu_idx);
    ir_setcond(ctx->ir, IR_I64, COND_NE, gpr_dst(ctx, a->rd), old, expected);
    ir_br(ctx->ir, end);

    ir_label(ctx->ir, fail);
    check_aligned(ctx, a, memop);
    gpr_set_const(ctx, a->rd, 1);

    ir_label(ctx->ir, end);
    env_store_u64(ctx, const_i64(ctx, (uint64_t)NO_RESERVATION),
                  TCG_CPU_OFFSET(reservation_addr));
    return true;
}

static bool amo(DisasContext *ctx, const RiscvArgs *a, IrRmw rmw, unsigned memop) {
    ir_guest_rmw(ctx->ir, rmw, gpr_dst(ctx, a->rd), guest_address(ctx, a->rs1, 0).base,
                 gpr_src(ctx, a->rs2), memop | MO_ALIGN, ctx->mmu_idx);
    return true;
}

enum { MO_W = MO_32 | MO_SIGN, MO_D = MO_64 };

bool trans_lr_w(DisasContext *ctx, const RiscvArgs *a) {
    return load_reserved(ctx, a, MO_W);
}
bool trans_lr_d(DisasContext *ctx, const RiscvArgs *a) {
    return load_reserved(ctx, a, MO_D);
}
bool trans_sc_w(DisasContext *ctx, const RiscvArgs *a) {
    return store_conditional(ctx, a, MO_W);
}
bool trans_sc_d(DisasContext *ctx, const RiscvArgs *a) {
    return store_conditional(ctx, a, MO_D);
}

#define AMO(name, rmw)                                                                   \
    bool trans_##name##_w(DisasContext *ctx, const RiscvArgs *a) {                       \
        return amo(ctx, a, rmw, MO_W);                                                   \
    }                                                                                    \
    bool trans_##name##_d(DisasContext *ctx, const RiscvArgs *a) {                       \
        return amo(ctx, a, rmw, MO_D);                                                   \
    }
AMO(amoswap, RMW_XCHG)
AMO(amoadd, RMW_ADD)
AMO(amoxor, RMW_XOR)
AMO(amoand, RMW_AND)
AMO(amoor, RMW_OR)
AMO(amomin, RMW_MIN)
AMO(amomax, RMW_MAX)
AMO(amominu, RMW_MINU)
AMO(amomaxu, RMW_MAXU)
