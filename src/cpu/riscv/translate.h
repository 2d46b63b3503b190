/* SPDX-License-Identifier: MIT */
/*
 * RISC-V front end: what the trans_*.c files share.
 *
 *   riscv_translate(), per instruction: fetch -> riscv_decode() -> trans_NAME() -> IR ops
 *
 * A trans function returns false for an encoding that is illegal in this configuration or
 * state; the caller then emits the exception. It must not have emitted anything before.
 *
 * Invariants: the result goes to the global as the last op of an instruction (or at least
 * after every op that may fault). Locals do not live across labels: load again what is
 * needed after one.
 * RV32: gprs hold sign-extended values; addresses are zero-extended.
 */
#ifndef VITRINE_CPU_RISCV_TRANSLATE_H
#define VITRINE_CPU_RISCV_TRANSLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/riscv/cpu.h"
#include "cpu/riscv/decode.h"
#include "tcg/ir.h"

enum {
    /* How far ahead (bytes) a branch may go without ending its block; 0: all end it. */
    RISCV_FORWARD_REACH = 256,
    RISCV_FORWARD_MAX = 8, /* targets ahead that a block waits for at a time */
};

/* A place further on in the block that a branch before it goes to. */
typedef struct ForwardTarget {
    vaddr pc;
    unsigned label;
} ForwardTarget;

typedef struct DisasContext {
    CPUState *cpu;
    const RiscvConfig *cfg;
    const RiscvDecoder *decoder;
    IrContext *ir;
    TranslationBlock *tb;
    uint32_t flags;   /* TBF_*, == tb->flags */
    vaddr pc;         /* of the current instruction; RV32: zero-extended */
    vaddr next_pc;    /* after it */
    uint32_t insn;    /* its bits */
    unsigned mmu_idx; /* of loads and stores */
    bool rv32;
    bool done;      /* the block has ended: an OPF_ENDS op was the last */
    bool fs_dirty;  /* mstatus.FS is known to be dirty; forgotten where branches join */
    unsigned slots; /* exit slots given out */
    ForwardTarget forward[RISCV_FORWARD_MAX];
    unsigned forward_count;
} DisasContext;

/* One prototype a row (rows may share a function). */
#define INSN(id, pattern, format, ext, xlen, trans, form)                                \
    bool trans_##trans(DisasContext *ctx, const RiscvArgs *a);
#define SPEC INSN
#include "cpu/riscv/insn32.def"
#undef INSN
#undef SPEC

/* --- registers ---------------------------------------------------------------------- */
/* TempIds of the globals; the same in every context (riscv_declare_globals). */
enum { RISCV_GLOBAL_GPR1 = 0, RISCV_GLOBAL_FPR0 = 31 };

/* Value of x[r]; x0 is the constant 0. */
static inline TempId gpr_src(DisasContext *ctx, unsigned r) {
    return r ? (TempId)(RISCV_GLOBAL_GPR1 + r - 1) : ir_const_i64(ctx->ir, 0);
}

/* Where to write x[r]; for x0 a temp that nobody reads. */
static inline TempId gpr_dst(DisasContext *ctx, unsigned r) {
    return r ? (TempId)(RISCV_GLOBAL_GPR1 + r - 1) : ir_temp_new(ctx->ir, IR_I64);
}

/* The f64 global of f[r]; f32 values in it are NaN-boxed. */
static inline TempId fpr_global(unsigned r) {
    return (TempId)(RISCV_GLOBAL_FPR0 + r);
}

/* x[r] = a 64-bit constant; RV32: of which the low half counts. */
static inline void gpr_set_const(DisasContext *ctx, unsigned r, uint64_t value) {
    if (r) {
        value = ctx->rv32 ? (uint64_t)(int64_t)(int32_t)value : value;
        ir_mov(ctx->ir, IR_I64, gpr_dst(ctx, r), ir_const_i64(ctx->ir, value));
    }
}

/* x[r] = value; RV32: its low half, sign-extended. */
static inline void gpr_set(DisasContext *ctx, unsigned r, TempId value) {
    if (!r) {
        return;
    }
    if (ctx->rv32) {
        ir_op1(ctx->ir, IR_ext_s32, IR_I64, gpr_dst(ctx, r), value);
    } else {
        ir_mov(ctx->ir, IR_I64, gpr_dst(ctx, r), value);
    }
}

/* x[r] = value[31:0], sign-extended. */
static inline void gpr_set_s32(DisasContext *ctx, unsigned r, TempId value) {
    ir_op1(ctx->ir, IR_ext_s32, IR_I64, gpr_dst(ctx, r), value);
}

static inline TempId new_i64(DisasContext *ctx) {
    return ir_temp_new(ctx->ir, IR_I64);
}
static inline TempId const_i64(DisasContext *ctx, uint64_t value) {
    return ir_const_i64(ctx->ir, value);
}

/* --- fields of RiscvEnv that are not globals ---------------------------------------- */
#define ENV_OFFSET(field) ((int64_t)offsetof(RiscvEnv, field))

static inline TempId env_load_u64(DisasContext *ctx, int64_t offset) {
    TempId t = new_i64(ctx);
    ir_env_ld(ctx->ir, IR_I64, t, offset, MO_64);
    return t;
}
static inline void env_store_u64(DisasContext *ctx, TempId value, int64_t offset) {
    ir_env_st(ctx->ir, value, offset, MO_64);
}

/* --- addresses ---------------------------------------------------------------------- */
typedef struct RiscvAddress {
    TempId base;
    int32_t disp;
} RiscvAddress;

/* x[rs1] + imm for guest_ld and guest_st. */
static inline RiscvAddress guest_address(DisasContext *ctx, unsigned rs1, int64_t imm) {
    if (!ctx->rv32) {
        return (RiscvAddress){gpr_src(ctx, rs1), (int32_t)imm};
    }
    TempId t = new_i64(ctx);
    if (imm) {
        ir_op2i(ctx->ir, IR_add, IR_I64, t, gpr_src(ctx, rs1), (uint64_t)imm);
        ir_op1(ctx->ir, IR_ext_u32, IR_I64, t, t);
    } else {
        ir_op1(ctx->ir, IR_ext_u32, IR_I64, t, gpr_src(ctx, rs1));
    }
    return (RiscvAddress){t, 0};
}

/* memop plus what the configuration asks of plain loads and stores. */
static inline unsigned guest_memop(const DisasContext *ctx, unsigned memop) {
    return memop | (ctx->flags & TBF_ALIGN ? MO_ALIGN : 0);
}

/* A code address as the guest sees it: RV32 wraps at 4 GiB. */
static inline vaddr code_address(const DisasContext *ctx, vaddr pc) {
    return ctx->rv32 ? (uint32_t)pc : pc;
}

/* --- calls -------------------------------------------------------------------------- */
/* helper(env, a, b, c, d); pass TEMP_NONE for what it does not take, and as out if it
 * returns nothing. */
static inline void call_helper(DisasContext *ctx, const HelperInfo *helper, TempId out,
                               TempId a, TempId b, TempId c, TempId d) {
    const TempId args[4] = {a, b, c, d};
    ir_call(ctx->ir, helper, out, args);
}

/* --- ways to end the block; each sets ctx->done ------------------------------------- */
/* Continue at a known pc: by the next free exit slot, or through the jump cache. */
void riscv_end_goto(DisasContext *ctx, vaddr pc);
/* Continue at a computed pc (even; RV32: zero-extended). */
void riscv_end_goto_ptr(DisasContext *ctx, TempId pc);
/* Stores `pc` and returns to the run loop: TB_EXIT_STATE after a CSR write that changed
 * how code runs, TB_EXIT_HALT for wfi. */
void riscv_end_exit(DisasContext *ctx, vaddr pc, TbExit reason);
/* As above for a pc that a helper has stored in env (xRET). */
void riscv_end_exit_pc_stored(DisasContext *ctx, TbExit reason);
/* The instruction raises an exception. */
void riscv_raise_insn(DisasContext *ctx, RiscvCause cause, uint64_t tval);
/* The same in the middle of an instruction's ops: the code after it runs on where a label
 * leads to; tval is a temp. Does not end the block. */
void riscv_raise_inline(DisasContext *ctx, RiscvCause cause, TempId tval);

/* --- branches inside the block ------------------------------------------------------ */
/* A label for the instruction at `target`, if that is near enough ahead to wait for:
 * *label is where a branch goes. False: the branch ends the block. */
bool riscv_forward_label(DisasContext *ctx, vaddr target, unsigned *label);
/* Whether some branch before waits for `pc`. */
bool riscv_forward_expected(const DisasContext *ctx, vaddr pc);

/* Declares x1..x31 and f0..f31: CpuClass.declare_globals. */
void riscv_declare_globals(const CPUState *cpu, IrContext *ir);

#endif
