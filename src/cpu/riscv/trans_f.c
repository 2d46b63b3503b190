/* SPDX-License-Identifier: MIT */
/*
 * F, D and Zfa: floating-point instructions to IR.
 *
 *   f register (f64 global, f32 values NaN-boxed) --funbox--> f32 --fadd...--> f32 --fbox--> f register
 *
 * The IR's float ops have RISC-V's semantics, so most rows are one op. What depends on the rounding
 * mode passes it in aux: FP_MODE_DYN is the mode frm holds at run time. Where frm is RMM, which no
 * host instruction offers, TBF_FRM_SOFT makes the block ask for FP_MODE_RMM by name.
 *
 * Writing an f register or a flag makes mstatus.FS dirty. That changes the flags word blocks are
 * keyed by, so it is done once per block, and never in blocks that know it is dirty already.
 *
 * Spec: Unprivileged ISA 20240411, chapters 20 (F), 21 (D), 29 (Zfa).
 */
#include "cpu/riscv/bits.h"
#include "cpu/riscv/translate.h"
#include "tcg/softfloat.h"

#define F32_SIGN UINT64_C(0x80000000)
#define F64_SIGN UINT64_C(0x8000000000000000)

/* --- state ------------------------------------------------------------------------------------- */

static unsigned fs_field(const DisasContext *ctx) {
    return ctx->flags >> TBF_FS_SHIFT & 3;
}

static bool fp_is_off(const DisasContext *ctx) {
    return fs_field(ctx) == 0;
}

static void mark_fs_dirty(DisasContext *ctx) {
    if (fs_field(ctx) == 3 || ctx->fs_dirty) {
        return;
    }
    ctx->fs_dirty = true;
    TempId t = env_load_u64(ctx, ENV_OFFSET(mstatus));
    ir_op2i(ctx->ir, IR_or, IR_I64, t, t, MSTATUS_FS);
    env_store_u64(ctx, t, ENV_OFFSET(mstatus));
    ir_env_st(ctx->ir, const_i64(ctx, ctx->flags | 3u << TBF_FS_SHIFT),
              TCG_CPU_OFFSET(jump_tag), MO_32);
}

/* The rounding mode to put in aux; false: reserved, an illegal instruction. */
static bool rounding(const DisasContext *ctx, const RiscvArgs *a, unsigned *rm) {
    *rm = a->rm;
    if (a->rm == FP_MODE_DYN) {
        if (ctx->flags & TBF_FRM_BAD) {
            return false;
        }
        *rm = ctx->flags & TBF_FRM_SOFT ? FP_MODE_RMM : FP_MODE_DYN;
    }
    return *rm <= FP_MODE_RMM || *rm == FP_MODE_DYN;
}

/* The value of f[r] as an operand of `type`. */
static TempId fpr_src(DisasContext *ctx, IrType type, unsigned r) {
    if (type == IR_F64) {
        return fpr_global(r);
    }
    TempId t = ir_temp_new(ctx->ir, IR_F32);
    ir_op1(ctx->ir, IR_funbox, IR_F32, t, fpr_global(r));
    return t;
}

/* Where an op of `type` puts a result for f[r]; fpr_done() completes it. */
static TempId fpr_dst(DisasContext *ctx, IrType type, unsigned r) {
    return type == IR_F64 ? fpr_global(r) : ir_temp_new(ctx->ir, IR_F32);
}

static void fpr_done(DisasContext *ctx, IrType type, unsigned r, TempId t) {
    if (type == IR_F32) {
        ir_op1(ctx->ir, IR_fbox, IR_F64, fpr_global(r), t);
    }
    mark_fs_dirty(ctx);
}

/* --- loads and stores ---------------------------------------------------------------------------- */

static bool fp_load(DisasContext *ctx, const RiscvArgs *a, IrType type) {
    if (fp_is_off(ctx)) {
        return false;
    }
    RiscvAddress at = guest_address(ctx, a->rs1, a->imm);
    TempId t = fpr_dst(ctx, type, a->rd);
    unsigned size = type == IR_F64 ? MO_64 : MO_32;
    ir_guest_ld(ctx->ir, type, t, at.base, at.disp, guest_memop(ctx, size | MO_FP),
                ctx->mmu_idx);
    fpr_done(ctx, type, a->rd, t);
    return true;
}

bool trans_flw(DisasContext *ctx, const RiscvArgs *a) {
    return fp_load(ctx, a, IR_F32);
}

bool trans_fld(DisasContext *ctx, const RiscvArgs *a) {
    return fp_load(ctx, a, IR_F64);
}

bool trans_fsw(DisasContext *ctx, const RiscvArgs *a) {
    if (fp_is_off(ctx)) {
        return false;
    }
    /* The low half as it is: a store does not look at the boxing. */
    RiscvAddress at = guest_address(ctx, a->rs1, a->imm);
    TempId bits = new_i64(ctx);
    ir_op1(ctx->ir, IR_fmov_f2i, IR_I64, bits, fpr_global(a->rs2));
    ir_guest_st(ctx->ir, IR_I64, bits, at.base, at.disp, guest_memop(ctx, MO_32),
                ctx->mmu_idx);
    return true;
}

bool trans_fsd(DisasContext *ctx, const RiscvArgs *a) {
    if (fp_is_off(ctx)) {
        return false;
    }
    RiscvAddress at = guest_address(ctx, a->rs1, a->imm);
    ir_guest_st(ctx->ir, IR_F64, fpr_global(a->rs2), at.base, at.disp,
                guest_memop(ctx, MO_64 | MO_FP), ctx->mmu_idx);
    return true;
}

/* --- arithmetic ---------------------------------------------------------------------------------- */

static bool fp_binary(DisasContext *ctx, const RiscvArgs *a, IrOpcode op, IrType type) {
    unsigned rm;
    if (fp_is_off(ctx) || !rounding(ctx, a, &rm)) {
        return false;
    }
    TempId x = fpr_src(ctx, type, a->rs1), y = fpr_src(ctx, type, a->rs2);
    TempId t = fpr_dst(ctx, type, a->rd);
    ir_fp2(ctx->ir, op, type, rm, t, x, y);
    fpr_done(ctx, type, a->rd, t);
    return true;
}

static bool fp_sqrt(DisasContext *ctx, const RiscvArgs *a, IrType type) {
    unsigned rm;
    if (fp_is_off(ctx) || !rounding(ctx, a, &rm)) {
        return false;
    }
    TempId x = fpr_src(ctx, type, a->rs1), t = fpr_dst(ctx, type, a->rd);
    IrOp *op = ir_emit(ctx->ir, IR_fsqrt, type);
    op->out = t;
    op->in[0] = x;
    op->aux = (uint16_t)rm;
    fpr_done(ctx, type, a->rd, t);
    return true;
}

enum { NEG_PRODUCT = 1, NEG_ADDEND = 2 }; /* imm of fmadd */

static bool fp_fused(DisasContext *ctx, const RiscvArgs *a, IrType type, unsigned neg) {
    unsigned rm;
    if (fp_is_off(ctx) || !rounding(ctx, a, &rm)) {
        return false;
    }
    TempId x = fpr_src(ctx, type, a->rs1), y = fpr_src(ctx, type, a->rs2);
    TempId z = fpr_src(ctx, type, a->rs3), t = fpr_dst(ctx, type, a->rd);
    IrOp *op = ir_emit(ctx->ir, IR_fmadd, type);
    op->out = t;
    op->in[0] = x;
    op->in[1] = y;
    op->in[2] = z;
    op->imm = neg;
    op->aux = (uint16_t)rm;
    fpr_done(ctx, type, a->rd, t);
    return true;
}

/* fmin and fmax keep funct3 in the place of rm: nothing to check. */
static bool fp_minmax(DisasContext *ctx, const RiscvArgs *a, IrOpcode op, IrType type) {
    if (fp_is_off(ctx)) {
        return false;
    }
    TempId x = fpr_src(ctx, type, a->rs1), y = fpr_src(ctx, type, a->rs2);
    TempId t = fpr_dst(ctx, type, a->rd);
    ir_fp2(ctx->ir, op, type, FP_MODE_DYN, t, x, y);
    fpr_done(ctx, type, a->rd, t);
    return true;
}

static bool fp_compare(DisasContext *ctx, const RiscvArgs *a, IrFcond cond, IrType type) {
    if (fp_is_off(ctx)) {
        return false;
    }
    TempId x = fpr_src(ctx, type, a->rs1), y = fpr_src(ctx, type, a->rs2);
    IrOp *op = ir_emit(ctx->ir, IR_fcmp, type);
    op->out = gpr_dst(ctx, a->rd);
    op->in[0] = x;
    op->in[1] = y;
    op->cond = (uint8_t)cond;
    mark_fs_dirty(ctx);
    return true;
}

/* The same rows for both formats. */
#define BOTH(name, body_s, body_d)                                                       \
    bool trans_##name##_s(DisasContext *ctx, const RiscvArgs *a) {                       \
        return body_s;                                                                   \
    }                                                                                    \
    bool trans_##name##_d(DisasContext *ctx, const RiscvArgs *a) {                       \
        return body_d;                                                                   \
    }
#define BINARY(name, op)                                                                 \
    BOTH(name, fp_binary(ctx, a, op, IR_F32), fp_binary(ctx, a, op, IR_F64))
#define FUSED(name, neg)                                                                 \
    BOTH(name, fp_fused(ctx, a, IR_F32, neg), fp_fused(ctx, a, IR_F64, neg))
#define MINMAX(name, op)                                                                 \
    BOTH(name, fp_minmax(ctx, a, op, IR_F32), fp_minmax(ctx, a, op, IR_F64))
#define COMPARE(name, cond)                                                              \
    BOTH(name, fp_compare(ctx, a, cond, IR_F32), fp_compare(ctx, a, cond, IR_F64))

BINARY(fadd, IR_fadd)
BINARY(fsub, IR_fsub)
BINARY(fmul, IR_fmul)
BINARY(fdiv, IR_fdiv)
BOTH(fsqrt, fp_sqrt(ctx, a, IR_F32), fp_sqrt(ctx, a, IR_F64))
FUSED(fmadd, 0)
FUSED(fmsub, NEG_ADDEND)
FUSED(fnmsub, NEG_PRODUCT)
FUSED(fnmadd, NEG_PRODUCT | NEG_ADDEND)
MINMAX(fmin, IR_fmin)
MINMAX(fmax, IR_fmax)
COMPARE(feq, FCOND_EQ)
COMPARE(flt, FCOND_LT)
COMPARE(fle, FCOND_LE)
COMPARE(fltq, FCOND_LT_Q)
COMPARE(fleq, FCOND_LE_Q)

/* --- signs --------------------------------------------------------------------------------------- */

typedef enum SignKind { SIGN_COPY, SIGN_NEGATE, SIGN_XOR } SignKind;

/* The sign of y, treated as `kind` says, in front of the rest of x. All are IR_I64 words whose upper
 * half does not matter for f32. */
static void sign_inject(DisasContext *ctx, TempId out, TempId x, TempId y, SignKind kind,
                        uint64_t sign) {
    IrContext *ir = ctx->ir;
    TempId s = new_i64(ctx);
    if (x == y && kind == SIGN_NEGATE) {
        ir_op2i(ir, IR_xor, IR_I64, out, x, sign);
    } else if (x == y && kind == SIGN_XOR) {
        ir_op2i(ir, IR_and, IR_I64, out, x, ~sign);
    } else if (kind == SIGN_XOR) {
        ir_op2i(ir, IR_and, IR_I64, s, y, sign);
        ir_op2(ir, IR_xor, IR_I64, out, x, s);
    } else {
        TempId magnitude = new_i64(ctx);
        if (kind == SIGN_NEGATE) {
            ir_op2i(ir, IR_xor, IR_I64, s, y, sign);
            ir_op2i(ir, IR_and, IR_I64, s, s, sign);
        } else {
            ir_op2i(ir, IR_and, IR_I64, s, y, sign);
        }
        ir_op2i(ir, IR_and, IR_I64, magnitude, x, ~sign);
        ir_op2(ir, IR_or, IR_I64, out, magnitude, s);
    }
}

static bool fp_sign(DisasContext *ctx, const RiscvArgs *a, SignKind kind, IrType type) {
    if (fp_is_off(ctx)) {
        return false;
    }
    IrContext *ir = ctx->ir;
    if (kind == SIGN_COPY && a->rs1 == a->rs2 && type == IR_F64) { /* fmv.d */
        ir_mov(ir, IR_F64, fpr_global(a->rd), fpr_global(a->rs1));
        mark_fs_dirty(ctx);
        return true;
    }
    IrType word = type == IR_F64 ? IR_I64 : IR_I32;
    TempId x = new_i64(ctx), y = x, out = new_i64(ctx);
    ir_op1(ir, IR_fmov_f2i, word, x, fpr_src(ctx, type, a->rs1));
    if (a->rs1 != a->rs2) {
        y = new_i64(ctx);
        ir_op1(ir, IR_fmov_f2i, word, y, fpr_src(ctx, type, a->rs2));
    }
    if (kind == SIGN_COPY && x == y) { /* fmv.s */
        out = x;
    } else {
        sign_inject(ctx, out, x, y, kind, type == IR_F64 ? F64_SIGN : F32_SIGN);
    }
    TempId t = fpr_dst(ctx, type, a->rd);
    ir_op1(ir, IR_fmov_i2f, type, t, out);
    fpr_done(ctx, type, a->rd, t);
    return true;
}

#define SIGN(name, kind)                                                                 \
    BOTH(name, fp_sign(ctx, a, kind, IR_F32), fp_sign(ctx, a, kind, IR_F64))
SIGN(fsgnj, SIGN_COPY)
SIGN(fsgnjn, SIGN_NEGATE)
SIGN(fsgnjx, SIGN_XOR)

/* --- conversions and moves ----------------------------------------------------------------------- */

static bool fp_to_int(DisasContext *ctx, const RiscvArgs *a, IrType type, unsigned fcvt) {
    unsigned rm;
    if (fp_is_off(ctx) || !rounding(ctx, a, &rm)) {
        return false;
    }
    bool word = fcvt == FCVT_I32 || fcvt == FCVT_U32;
    TempId x = fpr_src(ctx, type, a->rs1);
    TempId t = word ? new_i64(ctx) : gpr_dst(ctx, a->rd);
    IrOp *op = ir_emit(ctx->ir, IR_fcvt_f2i, type);
    op->out = t;
    op->in[0] = x;
    op->imm = fcvt;
    op->aux = (uint16_t)rm;
    if (word) { /* unsigned words are sign-extended too */
        gpr_set_s32(ctx, a->rd, t);
    }
    mark_fs_dirty(ctx);
    return true;
}

static bool int_to_fp(DisasContext *ctx, const RiscvArgs *a, IrType type, unsigned fcvt) {
    unsigned rm;
    if (fp_is_off(ctx) || !rounding(ctx, a, &rm)) {
        return false;
    }
    if (type == IR_F64 && (fcvt == FCVT_I32 || fcvt == FCVT_U32)) {
        rm = FP_MODE_DYN; /* exact */
    }
    TempId t = fpr_dst(ctx, type, a->rd);
    IrOp *op = ir_emit(ctx->ir, IR_fcvt_i2f, type);
    op->out = t;
    op->in[0] = gpr_src(ctx, a->rs1);
    op->imm = fcvt;
    op->aux = (uint16_t)rm;
    fpr_done(ctx, type, a->rd, t);
    return true;
}

#define TO_INT(name, fcvt)                                                               \
    BOTH(name, fp_to_int(ctx, a, IR_F32, fcvt), fp_to_int(ctx, a, IR_F64, fcvt))
TO_INT(fcvt_w, FCVT_I32)
TO_INT(fcvt_wu, FCVT_U32)
TO_INT(fcvt_l, FCVT_I64)
TO_INT(fcvt_lu, FCVT_U64)

#define FROM_INT(type, ir_type)                                                          \
    bool trans_fcvt_##type##_w(DisasContext *ctx, const RiscvArgs *a) {                  \
        return int_to_fp(ctx, a, ir_type, FCVT_I32);                                     \
    }                                                                                    \
    bool trans_fcvt_##type##_wu(DisasContext *ctx, const RiscvArgs *a) {                 \
        return int_to_fp(ctx, a, ir_type, FCVT_U32);                                     \
    }                                                                                    \
    bool trans_fcvt_##type##_l(DisasContext *ctx, const RiscvArgs *a) {                  \
        return int_to_fp(ctx, a, ir_type, FCVT_I64);                                     \
    }                                                                                    \
    bool trans_fcvt_##type##_lu(DisasContext *ctx, const RiscvArgs *a) {                 \
        return int_to_fp(ctx, a, ir_type, FCVT_U64);                                     \
    }
FROM_INT(s, IR_F32)
FROM_INT(d, IR_F64)

static bool fp_to_fp(DisasContext *ctx, const RiscvArgs *a, IrType from, IrType to) {
    unsigned rm;
    if (fp_is_off(ctx) || !rounding(ctx, a, &rm)) {
        return false;
    }
    TempId x = fpr_src(ctx, from, a->rs1), t = fpr_dst(ctx, to, a->rd);
    IrOp *op = ir_emit(ctx->ir, IR_fcvt_f2f, to);
    op->out = t;
    op->in[0] = x;
    op->aux = (uint16_t)(to == IR_F64 ? FP_MODE_DYN : rm); /* widening is exact */
    fpr_done(ctx, to, a->rd, t);
    return true;
}

bool trans_fcvt_s_d(DisasContext *ctx, const RiscvArgs *a) {
    return fp_to_fp(ctx, a, IR_F64, IR_F32);
}

bool trans_fcvt_d_s(DisasContext *ctx, const RiscvArgs *a) {
    return fp_to_fp(ctx, a, IR_F32, IR_F64);
}

bool trans_fmv_x_w(DisasContext *ctx, const RiscvArgs *a) {
    if (fp_is_off(ctx)) {
        return false;
    }
    TempId t = new_i64(ctx);
    ir_op1(ctx->ir, IR_fmov_f2i, IR_I64, t, fpr_global(a->rs1));
    gpr_set_s32(ctx, a->rd, t);
    return true;
}

bool trans_fmv_x_d(DisasContext *ctx, const RiscvArgs *a) {
    if (fp_is_off(ctx)) {
        return false;
    }
    ir_op1(ctx->ir, IR_fmov_f2i, IR_I64, gpr_dst(ctx, a->rd), fpr_global(a->rs1));
    return true;
}

bool trans_fmv_w_x(DisasContext *ctx, const RiscvArgs *a) {
    if (fp_is_off(ctx)) {
        return false;
    }
    TempId t = ir_temp_new(ctx->ir, IR_F32);
    ir_op1(ctx->ir, IR_fmov_i2f, IR_F32, t, gpr_src(ctx, a->rs1));
    fpr_done(ctx, IR_F32, a->rd, t);
    return true;
}

bool trans_fmv_d_x(DisasContext *ctx, const RiscvArgs *a) {
    if (fp_is_off(ctx)) {
        return false;
    }
    ir_op1(ctx->ir, IR_fmov_i2f, IR_F64, fpr_global(a->rd), gpr_src(ctx, a->rs1));
    mark_fs_dirty(ctx);
    return true;
}

/* --- by helper: what is rare -------------------------------------------------------------------- */

static uint64_t helper_fclass_s(uint64_t bits) {
    return f32_classify((uint32_t)bits);
}

static const HelperInfo fclass_s_info = {
    .name = "fclass_s", .fn = (void *)helper_fclass_s, .flags = HELPER_PURE, .nargs = 1};
static const HelperInfo fclass_d_info = {
    .name = "fclass_d", .fn = (void *)f64_classify, .flags = HELPER_PURE, .nargs = 1};

/* The integer word of f[r]; f32: after unboxing. */
static TempId fpr_bits(DisasContext *ctx, IrType type, unsigned r) {
    TempId t = new_i64(ctx);
    ir_op1(ctx->ir, IR_fmov_f2i, type == IR_F64 ? IR_I64 : IR_I32, t,
           fpr_src(ctx, type, r));
    if (type == IR_F32) {
        ir_op1(ctx->ir, IR_ext_u32, IR_I64, t, t);
    }
    return t;
}

static bool fp_class(DisasContext *ctx, const RiscvArgs *a, IrType type) {
    if (fp_is_off(ctx)) {
        return false;
    }
    call_helper(ctx, type == IR_F64 ? &fclass_d_info : &fclass_s_info,
                gpr_dst(ctx, a->rd), fpr_bits(ctx, type, a->rs1), TEMP_NONE, TEMP_NONE,
                TEMP_NONE);
    return true;
}
BOTH(fclass, fp_class(ctx, a, IR_F32), fp_class(ctx, a, IR_F64))

/* Runs a soft operation on the guest's flags. */
#define WITH_FP_STATE(env, mode, expression)                                             \
    TcgCpu *tcg = tcg_cpu_of_env(env);                                                   \
    FpState st = {.round = (uint8_t)(mode)};                                             \
    uint64_t result = (expression);                                                      \
    tcg->backend->fp_set_flags(&tcg->fp,                                                 \
                               tcg->backend->fp_get_flags(&tcg->fp) | st.flags);         \
    return result

/* rm of the instruction, FP_MODE_DYN being the mode that is live in cpu->fp. */
static unsigned live_round(void *env, uint64_t rm) {
    return rm == FP_MODE_DYN ? tcg_cpu_of_env(env)->fp.round : (unsigned)rm;
}

static uint64_t helper_fround_s(void *env, uint64_t a, uint64_t rm, uint64_t exact) {
    WITH_FP_STATE(env, live_round(env, rm), f32_round_int(&st, (uint32_t)a, exact != 0));
}
static uint64_t helper_fround_d(void *env, uint64_t a, uint64_t rm, uint64_t exact) {
    WITH_FP_STATE(env, live_round(env, rm), f64_round_int(&st, a, exact != 0));
}
static uint64_t helper_fminm_s(void *env, uint64_t a, uint64_t b) {
    WITH_FP_STATE(env, FP_RNE, f32_minm(&st, (uint32_t)a, (uint32_t)b));
}
static uint64_t helper_fminm_d(void *env, uint64_t a, uint64_t b) {
    WITH_FP_STATE(env, FP_RNE, f64_minm(&st, a, b));
}
static uint64_t helper_fmaxm_s(void *env, uint64_t a, uint64_t b) {
    WITH_FP_STATE(env, FP_RNE, f32_maxm(&st, (uint32_t)a, (uint32_t)b));
}
static uint64_t helper_fmaxm_d(void *env, uint64_t a, uint64_t b) {
    WITH_FP_STATE(env, FP_RNE, f64_maxm(&st, a, b));
}
static uint64_t helper_fcvtmod_w_d(void *env, uint64_t a) {
    WITH_FP_STATE(env, FP_RTZ, (uint64_t)(int64_t)f64_to_i32_mod(&st, a));
}

#define FP_HELPER(fn_name, count)                                                        \
    static const HelperInfo fn_name##_info = {.name = #fn_name,                          \
                                              .fn = (void *)helper_##fn_name,            \
                                              .flags = HELPER_FP,                        \
                                              .nargs = count}
FP_HELPER(fround_s, 3);
FP_HELPER(fround_d, 3);
FP_HELPER(fminm_s, 2);
FP_HELPER(fminm_d, 2);
FP_HELPER(fmaxm_s, 2);
FP_HELPER(fmaxm_d, 2);
FP_HELPER(fcvtmod_w_d, 1);

/* f[rd] = a helper's result. */
static void fpr_set_bits(DisasContext *ctx, IrType type, unsigned r, TempId bits) {
    TempId t = fpr_dst(ctx, type, r);
    ir_op1(ctx->ir, IR_fmov_i2f, type, t, bits);
    fpr_done(ctx, type, r, t);
}

static bool fp_minmax_m(DisasContext *ctx, const RiscvArgs *a, IrType type,
                        const HelperInfo *helper) {
    if (fp_is_off(ctx)) {
        return false;
    }
    TempId x = fpr_bits(ctx, type, a->rs1), y = fpr_bits(ctx, type, a->rs2);
    TempId t = new_i64(ctx);
    call_helper(ctx, helper, t, x, y, TEMP_NONE, TEMP_NONE);
    fpr_set_bits(ctx, type, a->rd, t);
    return true;
}
BOTH(fminm, fp_minmax_m(ctx, a, IR_F32, &fminm_s_info),
     fp_minmax_m(ctx, a, IR_F64, &fminm_d_info))
BOTH(fmaxm, fp_minmax_m(ctx, a, IR_F32, &fmaxm_s_info),
     fp_minmax_m(ctx, a, IR_F64, &fmaxm_d_info))

static bool fp_round(DisasContext *ctx, const RiscvArgs *a, IrType type, bool exact) {
    unsigned rm;
    if (fp_is_off(ctx) || !rounding(ctx, a, &rm)) {
        return false;
    }
    TempId x = fpr_bits(ctx, type, a->rs1), t = new_i64(ctx);
    call_helper(ctx, type == IR_F64 ? &fround_d_info : &fround_s_info, t, x,
                const_i64(ctx, rm), const_i64(ctx, exact), TEMP_NONE);
    fpr_set_bits(ctx, type, a->rd, t);
    return true;
}
BOTH(fround, fp_round(ctx, a, IR_F32, false), fp_round(ctx, a, IR_F64, false))
BOTH(froundnx, fp_round(ctx, a, IR_F32, true), fp_round(ctx, a, IR_F64, true))

static bool fp_load_immediate(DisasContext *ctx, const RiscvArgs *a, IrType type) {
    if (fp_is_off(ctx)) {
        return false;
    }
    uint64_t bits =
        type == IR_F64 ? f64_load_immediate[a->rs1] : f32_load_immediate[a->rs1];
    fpr_set_bits(ctx, type, a->rd, const_i64(ctx, bits));
    return true;
}
BOTH(fli, fp_load_immediate(ctx, a, IR_F32), fp_load_immediate(ctx, a, IR_F64))

bool trans_fcvtmod_w_d(DisasContext *ctx, const RiscvArgs *a) {
    if (fp_is_off(ctx)) {
        return false;
    }
    TempId t = new_i64(ctx);
    call_helper(ctx, &fcvtmod_w_d_info, t, fpr_bits(ctx, IR_F64, a->rs1), TEMP_NONE,
                TEMP_NONE, TEMP_NONE);
    gpr_set_s32(ctx, a->rd, t);
    mark_fs_dirty(ctx);
    return true;
}

/* RV32 only: the halves of a double. */
bool trans_fmvh_x_d(DisasContext *ctx, const RiscvArgs *a) {
    if (fp_is_off(ctx)) {
        return false;
    }
    TempId t = new_i64(ctx);
    ir_op1(ctx->ir, IR_fmov_f2i, IR_I64, t, fpr_global(a->rs1));
    ir_op2i(ctx->ir, IR_sar, IR_I64, gpr_dst(ctx, a->rd), t, 32);
    return true;
}

bool trans_fmvp_d_x(DisasContext *ctx, const RiscvArgs *a) {
    if (fp_is_off(ctx)) {
        return false;
    }
    TempId t = new_i64(ctx);
    ir_deposit(ctx->ir, IR_I64, t, gpr_src(ctx, a->rs1), gpr_src(ctx, a->rs2), 32, 32);
    ir_op1(ctx->ir, IR_fmov_i2f, IR_F64, fpr_global(a->rd), t);
    mark_fs_dirty(ctx);
    return true;
}
