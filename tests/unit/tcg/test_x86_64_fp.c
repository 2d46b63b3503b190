/* SPDX-License-Identifier: MIT */
/*
 * The x86-64 back end's floating point against soft floats: random programs, results and
 * sticky flags bit by bit, in every rounding mode, with and without AVX and FMA.
 */
#include "tcg/softfloat.h"
#include "x86_64_rig.h"

static uint64_t seed_of_today(void) {
    return rig_seed(0xf10a7);
}

static uint64_t random_f64(Rig *r) {
    static const uint64_t edges[] = {
        0,
        1,
        0x000fffffffffffffu,
        0x0010000000000000u,
        0x3ff0000000000000u,
        0x3fefffffffffffffu,
        0x3fe0000000000000u,
        0x4000000000000000u,
        0x41dfffffffc00000u,
        0x41e0000000000000u,
        0x41efffffffe00000u,
        0x41f0000000000000u,
        0x43dfffffffffffffu,
        0x43e0000000000000u,
        0x43efffffffffffffu,
        0x43f0000000000000u,
        0x7fefffffffffffffu,
        0x7ff0000000000000u,
        0x7ff0000000000001u,
        0x7ff8000000000000u,
        0x7ff8000000001234u,
        0x41dfffffffe00000u,
        0x41effffffff00000u,
        0x3810000000000000u,
        0x36a0000000000000u,
        0x47efffffe0000000u,
    };
    uint64_t v = rig_random(r), sign = v << 63;
    switch (v >> 8 & 3) {
    case 0:
        return edges[(v >> 16) % (sizeof(edges) / sizeof(edges[0]))] | sign;
    case 1:
        return rig_random(r);
    case 2:
        return (0x3ffull - 40 + (v >> 16) % 110) << 52 | (rig_random(r) >> 12) | sign;
    default:
        return (0x3ffull - 4 + (v >> 16) % 40) << 52 | (rig_random(r) >> 40 << 28) | sign;
    }
}

static uint32_t random_f32(Rig *r) {
    static const uint32_t edges[] = {
        0,          1,          0x007fffff, 0x00800000, 0x3f800000,
        0x3f000000, 0x40000000, 0x4effffff, 0x4f000000, 0x4f7fffff,
        0x4f800000, 0x5effffff, 0x5f000000, 0x5f7fffff, 0x5f800000,
        0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fc01234,
    };
    uint64_t v = rig_random(r);
    uint32_t sign = (uint32_t)v << 31;
    switch (v >> 8 & 3) {
    case 0:
        return edges[(v >> 16) % (sizeof(edges) / sizeof(edges[0]))] | sign;
    case 1:
        return (uint32_t)rig_random(r);
    default:
        return (127 - 10 + (uint32_t)(v >> 16) % 45) << 23 | (uint32_t)(v >> 41) | sign;
    }
}

/* --- the model ---------------------------------------------------------------- */
/* A reading of ops.def of its own: the back end's cold paths use eval_fp(). */

static uint64_t eval32(FpState *st, const IrOp *op, const uint64_t in[3]) {
    uint32_t a = (uint32_t)in[0], b = (uint32_t)in[1], c = (uint32_t)in[2],
             sign = 1u << 31;
    switch ((IrOpcode)op->opcode) {
    case IR_fadd:
        return f32_add(st, a, b);
    case IR_fsub:
        return f32_sub(st, a, b);
    case IR_fmul:
        return f32_mul(st, a, b);
    case IR_fdiv:
        return f32_div(st, a, b);
    case IR_fsqrt:
        return f32_sqrt(st, a);
    case IR_fmin:
        return f32_min(st, a, b);
    case IR_fmax:
        return f32_max(st, a, b);
    case IR_fmadd:
        return f32_muladd(st, op->imm & 1 ? a ^ sign : a, b, op->imm & 2 ? c ^ sign : c);
    case IR_fcmp:
        switch ((IrFcond)op->cond) {
        case FCOND_EQ:
            return f32_eq(st, a, b);
        case FCOND_LT:
            return f32_lt(st, a, b);
        case FCOND_LE:
            return f32_le(st, a, b);
        case FCOND_LT_Q:
            return f32_lt_quiet(st, a, b);
        default:
            return f32_le_quiet(st, a, b);
        }
    case IR_fcvt_f2i:
        switch (op->imm) {
        case FCVT_I32:
            return (uint64_t)f32_to_i32(st, a);
        case FCVT_U32:
            return f32_to_u32(st, a);
        case FCVT_I64:
            return (uint64_t)f32_to_i64(st, a);
        default:
            return f32_to_u64(st, a);
        }
    case IR_fcvt_i2f:
        switch (op->imm) {
        case FCVT_I32:
            return i32_to_f32(st, (int32_t)in[0]);
        case FCVT_U32:
            return u32_to_f32(st, (uint32_t)in[0]);
        case FCVT_I64:
            return i64_to_f32(st, (int64_t)in[0]);
        default:
            return u64_to_f32(st, in[0]);
        }
    case IR_fcvt_f2f:
        return f64_to_f32(st, in[0]);
    default:
        abort();
    }
}

static uint64_t eval64(FpState *st, const IrOp *op, const uint64_t in[3]) {
    uint64_t a = in[0], b = in[1], c = in[2], sign = 1ull << 63;
    switch ((IrOpcode)op->opcode) {
    case IR_fadd:
        return f64_add(st, a, b);
    case IR_fsub:
        return f64_sub(st, a, b);
    case IR_fmul:
        return f64_mul(st, a, b);
    case IR_fdiv:
        return f64_div(st, a, b);
    case IR_fsqrt:
        return f64_sqrt(st, a);
    case IR_fmin:
        return f64_min(st, a, b);
    case IR_fmax:
        return f64_max(st, a, b);
    case IR_fmadd:
        return f64_muladd(st, op->imm & 1 ? a ^ sign : a, b, op->imm & 2 ? c ^ sign : c);
    case IR_fcmp:
        switch ((IrFcond)op->cond) {
        case FCOND_EQ:
            return f64_eq(st, a, b);
        case FCOND_LT:
            return f64_lt(st, a, b);
        case FCOND_LE:
            return f64_le(st, a, b);
        case FCOND_LT_Q:
            return f64_lt_quiet(st, a, b);
        default:
            return f64_le_quiet(st, a, b);
        }
    case IR_fcvt_f2i:
        switch (op->imm) {
        case FCVT_I32:
            return (uint64_t)f64_to_i32(st, a);
        case FCVT_U32:
            return f64_to_u32(st, a);
        case FCVT_I64:
            return (uint64_t)f64_to_i64(st, a);
        default:
            return f64_to_u64(st, a);
        }
    case IR_fcvt_i2f:
        switch (op->imm) {
        case FCVT_I32:
            return i32_to_f64(st, (int32_t)in[0]);
        case FCVT_U32:
            return u32_to_f64(st, (uint32_t)in[0]);
        case FCVT_I64:
            return i64_to_f64(st, (int64_t)in[0]);
        default:
            return u64_to_f64(st, in[0]);
        }
    case IR_fcvt_f2f:
        return f32_to_f64(st, (uint32_t)a);
    default:
        abort();
    }
}

/* --- random programs ---------------------------------------------------------- */

enum { POOL = 28, STEPS = 60 };

static uint32_t unboxed(uint64_t v) {
    return v >> 32 == 0xffffffff ? (uint32_t)v : F32_CANONICAL_NAN;
}

static TempId float_input(Rig *r, RigEnv *m, IrType type, uint64_t *v) {
    uint64_t dice = rig_random(r);
    if (dice % 10 == 0) {
        TempId c = ir_temp_new(r->ctx, type);
        *v = type == IR_F64 ? random_f64(r) : random_f32(r);
        ir_op1(r->ctx, IR_fmov_i2f, type, c, ir_const_i64(r->ctx, *v));
        return c;
    }
    unsigned i = (unsigned)(dice >> 8) % POOL;
    if (type == IR_F64) {
        *v = m->f[i];
        return r->f[i];
    }
    TempId t = ir_temp_new(r->ctx, IR_F32);
    ir_op1(r->ctx, IR_funbox, IR_F32, t, r->f[i]);
    *v = unboxed(m->f[i]);
    return t;
}

static void add_op(Rig *r, RigEnv *m, unsigned round, uint8_t *flags) {
    static const uint8_t ops[] = {IR_fadd,     IR_fadd,     IR_fsub,    IR_fmul,
                                  IR_fmul,     IR_fdiv,     IR_fsqrt,   IR_fmadd,
                                  IR_fmin,     IR_fmax,     IR_fcmp,    IR_fcmp,
                                  IR_fcvt_f2i, IR_fcvt_i2f, IR_fcvt_f2f};
    IrContext *ctx = r->ctx;
    uint64_t dice = rig_random(r), v[3] = {0};
    IrOpcode opcode = (IrOpcode)ops[dice % sizeof(ops)];
    IrType type = dice >> 8 & 1 ? IR_F64 : IR_F32;
    unsigned reg = (unsigned)(dice >> 16) % POOL, xreg = (unsigned)(dice >> 24) % RIG_X;
    bool has_mode = opcode != IR_fmin && opcode != IR_fmax && opcode != IR_fcmp;
    unsigned mode =
        has_mode && (dice >> 32 & 3) == 0 ? (unsigned)(dice >> 34) % 5 : FP_MODE_DYN;
    TempId in[3] = {TEMP_NONE, TEMP_NONE, TEMP_NONE};
    if (opcode == IR_fcvt_i2f) {
        v[0] = m->x[xreg];
        in[0] = r->x[xreg];
    } else {
        IrType from = opcode == IR_fcvt_f2f ? (type == IR_F64 ? IR_F32 : IR_F64) : type;
        for (unsigned i = 0; i < ir_op_defs[opcode].ins; i++) {
            in[i] = float_input(r, m, from, &v[i]);
        }
    }
    bool to_int = opcode == IR_fcmp || opcode == IR_fcvt_f2i;
    TempId out = to_int           ? r->x[xreg]
                 : type == IR_F64 ? r->f[reg]
                                  : ir_temp_new(ctx, IR_F32);
    IrOp *op = ir_emit(ctx, opcode, type);
    op->out = out;
    memcpy(op->in, in, sizeof(in));
    op->aux = (uint16_t)mode;
    op->cond = (uint8_t)(opcode == IR_fcmp ? (dice >> 40) % FCOND_COUNT : 0);
    op->imm = opcode == IR_fmadd || opcode == IR_fcvt_f2i || opcode == IR_fcvt_i2f
                  ? dice >> 48 & 3
                  : 0;
    IrOp copy = *op;
    FpState st = {.round = (uint8_t)(mode == FP_MODE_DYN ? round : mode),
                  .flags = *flags};
    uint64_t result = type == IR_F64 ? eval64(&st, &copy, v) : eval32(&st, &copy, v);
    *flags = st.flags;
    if (opcode == IR_fcvt_f2i && copy.imm < FCVT_I64) {
        ir_op1(ctx, IR_ext_s32, IR_I64, out, out);
        result = (uint64_t)(int32_t)result;
    }
    if (to_int) {
        m->x[xreg] = result;
    } else if (type == IR_F64) {
        m->f[reg] = result;
    } else {
        ir_op1(ctx, IR_fbox, IR_F64, r->f[reg], out);
        m->f[reg] = result | 0xffffffff00000000u;
    }
}

static void run_fp(uint32_t features, unsigned steps, unsigned rounds) {
    Rig *r = rig_new(features);
    const Backend *be = &backend_x86_64;
    r->seed = seed_of_today() + features + steps;
    printf("seed %#llx\n", (unsigned long long)r->seed);
    for (unsigned n = 0; n < rounds; n++) {
        uint64_t seed = r->seed;
        RigEnv m = {0};
        for (unsigned i = 0; i < RIG_X; i++) {
            m.x[i] = rig_random_value(r);
        }
        for (unsigned i = 0; i < RIG_F; i++) {
            uint64_t dice = rig_random(r);
            m.f[i] = dice & 1 ? random_f64(r) : random_f32(r) | 0xffffffff00000000u;
        }
        *r->env = m;
        unsigned round = n % 4;
        uint8_t flags = (uint8_t)(rig_random(r) & rig_random(r) & 31);
        be->fp_set_round(&r->cpu->tcg.fp, round);
        be->fp_set_flags(&r->cpu->tcg.fp, flags);
        rig_begin(r, RIG_PC);
        for (unsigned i = 0; i < steps; i++) {
            add_op(r, &m, round, &flags);
        }
        ir_exit_tb(r->ctx, TB_EXIT_HALT);
        TranslationBlock *tb = rig_generate(r);
        rig_enter(r, tb);
        unsigned got = be->fp_get_flags(&r->cpu->tcg.fp);
        if (memcmp(m.x, r->env->x, sizeof(m.x)) || memcmp(m.f, r->env->f, sizeof(m.f)) ||
            got != flags) {
            ir_dump(r->ctx, stderr);
            rig_disassemble(r, tb);
            for (unsigned i = 0; i < RIG_X; i++) {
                if (m.x[i] != r->env->x[i] || m.f[i] != r->env->f[i]) {
                    fprintf(stderr,
                            "%u: x %#llx, expected %#llx; f %#llx, expected %#llx\n", i,
                            (unsigned long long)r->env->x[i], (unsigned long long)m.x[i],
                            (unsigned long long)r->env->f[i], (unsigned long long)m.f[i]);
                }
            }
            fail_msg("flags %#x, expected %#x, round %u; seed %#llx", got, flags, round,
                     (unsigned long long)seed);
        }
        rig_reset(r);
    }
    rig_free(r);
}

static void single_ops_are_exact(void **state) {
    (void)state;
    run_fp(~0u, 1, 150000);
}
static void programs_are_exact(void **state) {
    (void)state;
    run_fp(~0u, STEPS, 15000);
}
static void single_ops_on_plain_sse2_are_exact(void **state) {
    (void)state;
    run_fp(0, 1, 50000);
}
static void programs_on_plain_sse2_are_exact(void **state) {
    (void)state;
    run_fp(0, STEPS, 10000);
}

static void the_hosts_environment_is_restored(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    unsigned before;
    __asm__ volatile("stmxcsr %0" : "=m"(before));
    backend_x86_64.fp_set_round(&r->cpu->tcg.fp, FP_MODE_RUP);
    backend_x86_64.fp_set_flags(&r->cpu->tcg.fp, FP_DIVZERO);
    IrContext *ctx = rig_begin(r, RIG_PC);
    r->env->f[1] = 0x3ff0000000000000u;
    r->env->f[2] = 0x4008000000000000u;
    ir_fp2(ctx, IR_fdiv, IR_F64, FP_MODE_DYN, r->f[0], r->f[1], r->f[2]);
    ir_exit_tb(ctx, TB_EXIT_HALT);
    rig_run(r);
    unsigned after;
    __asm__ volatile("stmxcsr %0" : "=m"(after));
    assert_int_equal(after, before);
    assert_int_equal(r->env->f[0], 0x3fd5555555555556u); /* 1/3 rounded up */
    assert_int_equal(backend_x86_64.fp_get_flags(&r->cpu->tcg.fp),
                     FP_DIVZERO | FP_INEXACT);
    rig_free(r);
}

static uint64_t helper_flags(void *env) {
    TcgCpu *cpu = tcg_cpu_of_env(env);
    unsigned flags = backend_x86_64.fp_get_flags(&cpu->fp);
    backend_x86_64.fp_set_flags(&cpu->fp, FP_OVERFLOW);
    return flags;
}

static void helpers_see_and_set_the_flags(void **state) {
    (void)state;
    static const HelperInfo info = {"flags", (void *)(uintptr_t)helper_flags, HELPER_FP,
                                    0};
    Rig *r = rig_new(~0u);
    IrContext *ctx = rig_begin(r, RIG_PC);
    r->env->f[1] = 0x3ff0000000000000u;
    r->env->f[2] = 0;
    ir_fp2(ctx, IR_fdiv, IR_F64, FP_MODE_DYN, r->f[0], r->f[1], r->f[2]);
    ir_call(ctx, &info, r->x[5], NULL);
    ir_fp2(ctx, IR_fadd, IR_F64, FP_MODE_DYN, r->f[3], r->f[0], r->f[1]);
    ir_exit_tb(ctx, TB_EXIT_HALT);
    rig_run(r);
    assert_int_equal(r->env->x[5], FP_DIVZERO);
    assert_int_equal(r->env->f[3], 0x7ff0000000000000u);
    assert_int_equal(backend_x86_64.fp_get_flags(&r->cpu->tcg.fp), FP_OVERFLOW);
    rig_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_ops_are_exact),
        cmocka_unit_test(programs_are_exact),
        cmocka_unit_test(single_ops_on_plain_sse2_are_exact),
        cmocka_unit_test(programs_on_plain_sse2_are_exact),
        cmocka_unit_test(the_hosts_environment_is_restored),
        cmocka_unit_test(helpers_see_and_set_the_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
