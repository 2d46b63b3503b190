/* SPDX-License-Identifier: MIT */
/*
 * The x86-64 back end's integer ops: random programs of every op, with operands in every
 * place an operand can be, against a plain reading of ops.def.
 */
#include "x86_64_rig.h"

/* --- what ops.def says -------------------------------------------------------- */

static uint64_t narrow(uint64_t v, IrType type) {
    return type == IR_I32 ? (uint32_t)v : v;
}
static int64_t as_signed(uint64_t v, IrType type) {
    return type == IR_I32 ? (int32_t)v : (int64_t)v;
}

static bool cond_holds(unsigned cond, IrType type, uint64_t a, uint64_t b) {
    uint64_t ua = narrow(a, type), ub = narrow(b, type);
    int64_t sa = as_signed(a, type), sb = as_signed(b, type);
    switch ((IrCond)cond) {
    case COND_EQ:
        return ua == ub;
    case COND_NE:
        return ua != ub;
    case COND_LT:
        return sa < sb;
    case COND_GE:
        return sa >= sb;
    case COND_LTU:
        return ua < ub;
    case COND_GEU:
        return ua >= ub;
    case COND_LE:
        return sa <= sb;
    case COND_GT:
        return sa > sb;
    case COND_LEU:
        return ua <= ub;
    case COND_GTU:
        return ua > ub;
    case COND_COUNT:
        break;
    }
    abort();
}

static uint64_t eval(const IrOp *op, const uint64_t in[4]) {
    IrType t = (IrType)op->type;
    unsigned w = t == IR_I32 ? 32 : 64;
    uint64_t a = narrow(in[0], t), b = narrow(in[1], t);
    int64_t sa = as_signed(a, t), sb = as_signed(b, t);
    uint64_t min = 1ull << (w - 1), ones = narrow(~0ull, t);
    unsigned s = (unsigned)b & (w - 1), pos = op->imm & 0xff, len = op->imm >> 8 & 0xff;
    uint64_t field = len == 64 ? ~0ull : (1ull << len) - 1;
    __int128 product;
    unsigned n = 0;
    switch ((IrOpcode)op->opcode) {
    case IR_mov:
        return a;
    case IR_ext_s8:
        return (uint64_t)(int8_t)in[0];
    case IR_ext_s16:
        return (uint64_t)(int16_t)in[0];
    case IR_ext_s32:
        return (uint64_t)(int32_t)in[0];
    case IR_ext_u8:
        return (uint8_t)in[0];
    case IR_ext_u16:
        return (uint16_t)in[0];
    case IR_ext_u32:
        return (uint32_t)in[0];
    case IR_add:
        return a + b;
    case IR_sub:
        return a - b;
    case IR_mul:
        return a * b;
    case IR_mulhs:
        product = (__int128)sa * sb;
        return (uint64_t)(product >> w);
    case IR_mulhu:
        return (uint64_t)(((unsigned __int128)a * b) >> w);
    case IR_mulhsu:
        product = (__int128)sa * (__int128)b;
        return (uint64_t)(product >> w);
    case IR_divs:
        return b == 0 ? ones : a == min && b == ones ? min : (uint64_t)(sa / sb);
    case IR_divu:
        return b == 0 ? ones : a / b;
    case IR_rems:
        return b == 0 ? a : b == ones ? 0 : (uint64_t)(sa % sb);
    case IR_remu:
        return b == 0 ? a : a % b;
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
        return a << s;
    case IR_shr:
        return a >> s;
    case IR_sar:
        return (uint64_t)(sa >> s);
    case IR_rotl:
        return s ? a << s | a >> (w - s) : a;
    case IR_rotr:
        return s ? a >> s | a << (w - s) : a;
    case IR_clz:
        while (n < w && !(a >> (w - 1 - n) & 1)) {
            n++;
        }
        return n;
    case IR_ctz:
        while (n < w && !(a >> n & 1)) {
            n++;
        }
        return n;
    case IR_popcnt:
        for (unsigned i = 0; i < w; i++) {
            n += a >> i & 1;
        }
        return n;
    case IR_bswap: {
        uint64_t r = 0;
        for (unsigned i = 0; i < w / 8; i++) {
            r = r << 8 | (a >> (8 * i) & 0xff);
        }
        return r;
    }
    case IR_rotr_s32: {
        uint32_t word = (uint32_t)a;
        return (uint64_t)(int64_t)(int32_t)(word >> op->imm | word << (32 - op->imm));
    }
    case IR_extract:
        return a >> pos & field;
    case IR_sextract: {
        uint64_t v = a >> pos & field;
        return v >> (len - 1) & 1 ? v | ~field : v;
    }
    case IR_deposit:
        return (a & ~(field << pos)) | (b & field) << pos;
    case IR_setcond:
        return cond_holds(op->cond, t, a, b);
    case IR_movcond:
        return cond_holds(op->cond, t, a, b) ? in[2] : in[3];
    default:
        abort();
    }
}

/* --- random programs ---------------------------------------------------------- */

enum { LOCALS = 10, STEPS = 24 };
static const uint8_t int_ops[] = {
    IR_mov,     IR_ext_s8,  IR_ext_s16, IR_ext_s32,  IR_ext_u8, IR_ext_u16, IR_ext_u32,
    IR_add,     IR_add,     IR_sub,     IR_mul,      IR_mulhs,  IR_mulhu,   IR_mulhsu,
    IR_divs,    IR_divu,    IR_rems,    IR_remu,     IR_and,    IR_or,      IR_xor,
    IR_andc,    IR_orc,     IR_eqv,     IR_shl,      IR_shr,    IR_sar,     IR_rotl,
    IR_rotr,    IR_clz,     IR_ctz,     IR_popcnt,   IR_bswap,  IR_extract, IR_sextract,
    IR_deposit, IR_setcond, IR_movcond, IR_rotr_s32,
};

typedef struct Model {
    uint64_t value[IR_MAX_TEMPS]; /* by temp */
    bool defined[IR_MAX_TEMPS];
    TempId pool[RIG_X + 2 * LOCALS];
    unsigned pool_size, globals;
} Model;

/* A temp that has a value: a global, a local that was written, or a constant. */
static TempId pick_input(Rig *r, Model *m, IrType type) {
    uint64_t dice = rig_random(r);
    if (dice % 5 == 0) {
        uint64_t v = rig_random_value(r);
        TempId t = ir_const(r->ctx, type, v);
        m->value[t] = narrow(v, type);
        return t;
    }
    for (unsigned tries = 0; tries < 20; tries++) {
        dice = rig_random(r);
        TempId t =
            m->pool[dice % 4 == 0 ? dice / 4 % m->globals : dice / 4 % m->pool_size];
        if (m->defined[t] && !(type == IR_I64 && r->ctx->temps[t].type == IR_I32)) {
            return t;
        }
    }
    return m->pool[0];
}

/* The bits of `t` that an op of `type` left undefined are made defined by an ext op. */
static void define(Rig *r, Model *m, IrType type, TempId t, uint64_t v) {
    if (type == IR_I32 && r->ctx->temps[t].type == IR_I64) {
        ir_op1(r->ctx, IR_ext_s32, IR_I64, t, t);
        v = (uint64_t)(int32_t)v;
    }
    m->value[t] = v;
    m->defined[t] = true;
}

static void add_random_op(Rig *r, Model *m) {
    IrContext *ctx = r->ctx;
    uint64_t dice = rig_random(r);
    IrOpcode opcode = (IrOpcode)int_ops[dice % sizeof(int_ops)];
    IrType type = dice >> 20 & 1 || opcode == IR_rotr_s32 ? IR_I64 : IR_I32;
    bool ext = opcode >= IR_ext_s8 && opcode <= IR_ext_u32;
    unsigned ins = ir_op_defs[opcode].ins;
    TempId in[4] = {TEMP_NONE, TEMP_NONE, TEMP_NONE, TEMP_NONE}, out;
    uint64_t v[4] = {0};
    for (unsigned i = 0; i < ins; i++) {
        in[i] =
            i && rig_random(r) % 8 == 0 ? in[0] : pick_input(r, m, ext ? IR_I32 : type);
        v[i] = m->value[in[i]];
    }
    do {
        out = m->pool[rig_random(r) % m->pool_size];
    } while (type == IR_I64 && ctx->temps[out].type == IR_I32);
    if (rig_random(r) % 4 == 0 && in[0] != TEMP_NONE && !ir_is_const(ctx, in[0]) &&
        !(type == IR_I64 && ctx->temps[in[0]].type == IR_I32)) {
        out = in[0];
    }
    IrOp *op = ir_emit(ctx, opcode, type);
    op->out = out;
    memcpy(op->in, in, sizeof(in));
    op->cond = (uint8_t)(rig_random(r) % COND_COUNT);
    if (opcode == IR_rotr_s32) {
        op->imm = 1 + rig_random(r) % 31;
    }
    if (opcode == IR_extract || opcode == IR_sextract || opcode == IR_deposit) {
        unsigned w = type == IR_I32 ? 32 : 64, pos = (unsigned)(rig_random(r) % w);
        op->imm = pos | (1 + rig_random(r) % (w - pos)) << 8;
    }
    IrOp copy = *op;
    define(r, m, type, out, eval(&copy, v));
}

static void random_program(Rig *r, Model *m, unsigned steps) {
    IrContext *ctx = rig_begin(r, RIG_PC);
    uint64_t start = r->seed;
    m->pool_size = 0;
    for (unsigned i = 0; i < RIG_X; i++) {
        r->env->x[i] = m->value[r->x[i]] = rig_random_value(r);
        m->defined[r->x[i]] = true;
        m->pool[m->pool_size++] = r->x[i];
    }
    m->globals = m->pool_size;
    for (unsigned i = 0; i < LOCALS; i++) {
        TempId t = ir_temp_new(ctx, i & 1 ? IR_I32 : IR_I64);
        m->defined[t] = false;
        m->pool[m->pool_size++] = t;
    }
    for (unsigned i = 0; i < steps; i++) {
        add_random_op(r, m);
    }
    ir_exit_tb(ctx, TB_EXIT_HALT);
    TranslationBlock *tb = rig_generate(r);
    uintptr_t exit = rig_enter(r, tb);
    bool ok = exit == TB_EXIT_HALT;
    for (unsigned i = 0; i < RIG_X; i++) {
        ok = ok && r->env->x[i] == m->value[r->x[i]];
    }
    if (!ok) {
        ir_dump(ctx, stderr);
        rig_disassemble(r, tb);
        for (unsigned i = 0; i < RIG_X; i++) {
            if (r->env->x[i] != m->value[r->x[i]]) {
                fprintf(stderr, "x%u (temp %u, reg %u): %#llx, expected %#llx\n", i,
                        r->x[i], ((X86Priv *)r->bs.priv)->initial[r->x[i]].reg,
                        (unsigned long long)r->env->x[i],
                        (unsigned long long)m->value[r->x[i]]);
            }
        }
        fail_msg("seed %#llx", (unsigned long long)start);
    }
    rig_reset(r);
}

static void run_random(uint32_t features, uint64_t seed, unsigned steps,
                       unsigned rounds) {
    Rig *r = rig_new(features);
    Model *m = calloc(1, sizeof(*m));
    r->seed = seed;
    printf("seed %#llx, host features %#x\n", (unsigned long long)seed, features);
    for (unsigned i = 0; i < rounds; i++) {
        random_program(r, m, steps);
    }
    free(m);
    rig_free(r);
}

static uint64_t seed_of_today(void) {
    return rig_seed(0x5eed);
}

static void single_ops_do_what_ops_def_says(void **state) {
    (void)state;
    run_random(~0u, seed_of_today(), 1, 20000);
}
static void programs_do_what_ops_def_says(void **state) {
    (void)state;
    run_random(~0u, seed_of_today() + 1, STEPS, 10000);
}
static void programs_run_without_host_extensions(void **state) {
    (void)state;
    run_random(0, seed_of_today() + 2, STEPS, 10000);
}

/* --- control ------------------------------------------------------------------ */

static void brcond_goes_where_the_condition_says(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    r->seed = seed_of_today();
    for (unsigned n = 0; n < 4000; n++) {
        IrContext *ctx = rig_begin(r, RIG_PC);
        uint64_t dice = rig_random(r);
        IrType type = dice & 1 ? IR_I32 : IR_I64;
        unsigned cond = (unsigned)(dice >> 8) % COND_COUNT;
        unsigned ia = 1 + (unsigned)(dice >> 16) % 31,
                 ib = 1 + (unsigned)(dice >> 24) % 31;
        uint64_t a = r->env->x[ia] = rig_random_value(r), b = rig_random_value(r);
        if (dice >> 32 & 1) {
            b = a ^ (dice >> 33 & 1);
        }
        TempId tb_ = r->x[ib];
        if (dice >> 40 & 1) {
            tb_ = ir_const(ctx, type, b);
        } else {
            r->env->x[ib] = b;
            a = r->env->x[ia];
        }
        /* something dirty in a register across the branch */
        r->env->x[30] = ia == 30 ? a : ib == 30 ? b : 5;
        uint64_t x30 = r->env->x[30];
        ir_op2i(ctx, IR_xor, IR_I64, r->x[30], r->x[30], 0x55);
        a ^= ia == 30 ? 0x55 : 0;
        b ^= ib == 30 && !ir_is_const(ctx, tb_) ? 0x55 : 0;
        unsigned label = ir_label_new(ctx);
        ir_brcond(ctx, type, (IrCond)cond, r->x[ia], tb_, label);
        if (dice >> 41 & 1) {
            ir_op2i(ctx, IR_add, IR_I64, r->x[30], r->x[30], 0);
        }
        ir_goto_tb(ctx, 0, 0x2000);
        ir_label(ctx, label);
        ir_goto_tb(ctx, 1, 0xffffffff80003000u);
        TranslationBlock *tb = rig_generate(r);
        uintptr_t exit = rig_enter(r, tb);
        bool taken = cond_holds(cond, type, a, b);
        assert_int_equal(exit, (uintptr_t)tb | taken);
        assert_int_equal(r->env->pc, taken ? 0xffffffff80003000u : 0x2000);
        assert_int_equal(r->env->x[30], x30 ^ 0x55);
        rig_reset(r);
    }
    rig_free(r);
}

static void branches_on_a_result_see_its_flags(void **state) {
    (void)state;
    static const uint8_t ops[] = {IR_add, IR_sub, IR_and, IR_or,  IR_xor,
                                  IR_shl, IR_shr, IR_sar, IR_rotr};
    Rig *r = rig_new(~0u);
    r->seed = seed_of_today();
    for (unsigned n = 0; n < 20000; n++) {
        uint64_t dice = rig_random(r);
        IrContext *ctx = rig_begin(r, RIG_PC);
        IrType type = dice & 1 ? IR_I32 : IR_I64, seen = dice >> 1 & 1 ? IR_I32 : IR_I64;
        unsigned ia = (unsigned)(dice >> 8) % RIG_X, ib = (unsigned)(dice >> 16) % RIG_X,
                 out = (unsigned)(dice >> 24) % RIG_X,
                 cond = (unsigned)(dice >> 32) % COND_COUNT;
        uint64_t in[4] = {0};
        r->env->x[ia] = in[0] = rig_random_value(r) & 15;
        r->env->x[ib] = in[1] = dice >> 40 & 1 ? in[0] : rig_random_value(r) & 15;
        in[0] = r->env->x[ia];
        TempId b = r->x[ib];
        if (dice >> 41 & 1) {
            b = ir_const(ctx, type, in[1]);
        }
        IrOp *op = ir_emit(ctx, (IrOpcode)ops[(dice >> 48) % sizeof(ops)], type);
        op->out = r->x[out];
        op->in[0] = r->x[ia];
        op->in[1] = b;
        IrOp copy = *op;
        uint64_t result = eval(&copy, in);
        if (type == IR_I32) {
            bool sign = dice >> 42 & 1;
            ir_op1(ctx, sign ? IR_ext_s32 : IR_ext_u32, IR_I64, r->x[out], r->x[out]);
            result = sign ? (uint64_t)(int32_t)result : (uint32_t)result;
        }
        unsigned label = ir_label_new(ctx);
        ir_brcond(ctx, seen, (IrCond)cond, r->x[out], ir_const(ctx, seen, 0), label);
        ir_goto_tb(ctx, 0, 0x2000);
        ir_label(ctx, label);
        ir_goto_tb(ctx, 1, 0x3000);
        TranslationBlock *tb = rig_generate(r);
        uintptr_t exit = rig_enter(r, tb);
        assert_int_equal(r->env->x[out], result);
        assert_int_equal(exit, (uintptr_t)tb | cond_holds(cond, seen, result, 0));
        rig_reset(r);
    }
    rig_free(r);
}

static void flags_are_not_trusted_behind_a_label(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    for (unsigned n = 0; n < 8; n++) {
        uint64_t x1 = n & 1, x4 = n >> 1 & 1, mask = n >> 2;
        r->env->x[1] = x1;
        r->env->x[4] = x4;
        IrContext *ctx = rig_begin(r, RIG_PC);
        unsigned join = ir_label_new(ctx), zero = ir_label_new(ctx);
        ir_brcond(ctx, IR_I64, COND_EQ, r->x[1], ir_const_i64(ctx, 0), join);
        ir_op2i(ctx, IR_and, IR_I64, r->x[4], r->x[4], mask);
        ir_label(ctx, join);
        ir_brcond(ctx, IR_I64, COND_EQ, r->x[4], ir_const_i64(ctx, 0), zero);
        ir_exit_tb(ctx, TB_EXIT_HALT);
        ir_label(ctx, zero);
        ir_exit_tb(ctx, TB_EXIT_STATE);
        assert_int_equal(rig_run(r),
                         (x1 ? x4 & mask : x4) ? TB_EXIT_HALT : TB_EXIT_STATE);
    }
    rig_free(r);
}

static void shifts_fused_with_adds_are_right(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    r->seed = seed_of_today();
    for (unsigned n = 0; n < 20000; n++) {
        uint64_t dice = rig_random(r);
        IrContext *ctx = rig_begin(r, RIG_PC);
        unsigned a = (unsigned)dice % RIG_X, b = (unsigned)(dice >> 8) % RIG_X,
                 x = (unsigned)(dice >> 16) % RIG_X, out = (unsigned)(dice >> 24) % RIG_X;
        out = dice >> 32 & 1 ? x : out;
        uint64_t want[RIG_X], count = dice >> 40 & 3;
        for (unsigned i = 0; i < RIG_X; i++) {
            want[i] = r->env->x[i] = rig_random_value(r);
        }
        if (dice >> 33 & 1) { /* all of them in registers, newer than env */
            ir_op2i(ctx, IR_add, IR_I64, r->x[a], r->x[a], 7);
            want[a] += 7;
            ir_op2i(ctx, IR_add, IR_I64, r->x[x], r->x[x], 9);
            want[x] += 9;
        }
        ir_op2i(ctx, IR_shl, IR_I64, r->x[x], r->x[a], count);
        want[x] = want[a] << count;
        ir_insn_start(ctx, RIG_PC + 4);
        TempId p = r->x[x], q = r->x[b];
        ir_op2(ctx, IR_add, IR_I64, r->x[out], dice >> 34 & 1 ? p : q,
               dice >> 34 & 1 ? q : p);
        want[out] = want[x] + want[b];
        if (dice >> 35 & 1) { /* the shift's own result is not needed */
            ir_mov(ctx, IR_I64, r->x[x], ir_const_i64(ctx, 5));
            want[x] = 5;
        }
        ir_exit_tb(ctx, TB_EXIT_HALT);
        rig_run(r);
        assert_memory_equal(r->env->x, want, sizeof(want));
    }
    rig_free(r);
}

static void a_loop_inside_a_block_counts(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    IrContext *ctx = rig_begin(r, RIG_PC);
    r->env->x[1] = r->env->x[3] = r->env->x[6] = 0;
    unsigned top = ir_label_new(ctx), out = ir_label_new(ctx);
    ir_label(ctx, top);
    ir_op2i(ctx, IR_add, IR_I64, r->x[1], r->x[1], 1); /* pinned */
    ir_op2i(ctx, IR_add, IR_I64, r->x[3], r->x[3], 2); /* not pinned */
    ir_op2(ctx, IR_add, IR_I64, r->x[6], r->x[6], r->x[3]);
    ir_brcond(ctx, IR_I64, COND_EQ, r->x[1], ir_const_i64(ctx, 100), out);
    ir_br(ctx, top);
    ir_label(ctx, out);
    ir_exit_tb(ctx, TB_EXIT_HALT);
    assert_int_equal(rig_run(r), TB_EXIT_HALT);
    assert_int_equal(r->env->x[1], 100);
    assert_int_equal(r->env->x[3], 200);
    assert_int_equal(r->env->x[6], 100 * 101);
    rig_free(r);
}

static TranslationBlock *counting_block(Rig *r, vaddr pc, vaddr next) {
    IrContext *ctx = rig_begin(r, pc);
    ir_op2i(ctx, IR_add, IR_I64, r->x[1], r->x[1], 1);
    ir_goto_tb(ctx, 0, next);
    return rig_generate(r);
}

static void chained_blocks_run_until_unlinked_or_killed(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    const Backend *be = &backend_x86_64;
    TranslationBlock *a = counting_block(r, 0x1000, 0x1004),
                     *b = counting_block(r, 0x1004, 0x1008);
    r->env->x[1] = 0;
    assert_int_equal(rig_enter(r, a), (uintptr_t)a);
    assert_int_equal(r->env->pc, 0x1004);
    be->link(&r->bs, a, 0, b);
    assert_int_equal(rig_enter(r, a), (uintptr_t)b);
    assert_int_equal(r->env->x[1], 3);
    be->kill(&r->bs,
             b); /* forward chains use the unchecked entry: they are unlinked apart */
    be->unlink(&r->bs, a, 0);
    assert_int_equal(rig_enter(r, a), (uintptr_t)a);
    assert_int_equal(r->env->x[1], 4);
    assert_int_equal(rig_enter(r, b), TB_EXIT_LOOKUP);
    assert_int_equal(r->env->pc, 0x1004);
    assert_int_equal(r->env->x[1], 4);
    rig_free(r);
}

static void a_backward_chain_sees_exit_request(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    TranslationBlock *a = counting_block(r, 0x1000, 0x1000);
    backend_x86_64.link(&r->bs, a, 0, a);
    r->cpu->tcg.exit_request = 1;
    assert_int_equal(rig_enter(r, a), TB_EXIT_REQUEST);
    assert_int_equal(r->env->pc, 0x1000);
    r->env->x[1] = 0;
    assert_int_equal(backend_x86_64.enter(&r->bs, &r->cpu->tcg, a->code_fast),
                     TB_EXIT_REQUEST);
    assert_int_equal(r->env->x[1], 1);
    rig_free(r);
}

static void goto_ptr_finds_blocks_in_the_jump_cache(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    TcgCpu *tcg = &r->cpu->tcg;
    IrContext *ctx = rig_begin(r, 0x1000);
    ir_goto_ptr(ctx, r->x[3]);
    TranslationBlock *a = rig_generate(r);
    ctx = rig_begin(r, 0x1100);
    ir_goto_pc(ctx, 0x81234566);
    TranslationBlock *b = rig_generate(r);
    ctx = rig_begin(r, 0x81234566);
    ir_exit_tb(ctx, TB_EXIT_HALT);
    TranslationBlock *c = rig_generate(r);
    r->env->x[3] = 0x81234566;
    const TranslationBlock *from[2] = {a, b};
    for (unsigned i = 0; i < 2; i++) {
        memset(tcg->jump_cache, 0xff, sizeof(tcg->jump_cache));
        tcg->jump_tag.flags = 7;
        tcg->jump_tag.generation = 9;
        r->lookup_answer = NULL;
        r->lookups = 0;
        assert_int_equal(rig_enter(r, from[i]), TB_EXIT_LOOKUP);
        assert_int_equal(r->env->pc, 0x81234566);
        assert_int_equal(r->lookups, 1);
        r->lookup_answer = c->code;
        assert_int_equal(rig_enter(r, from[i]), TB_EXIT_HALT);
        assert_int_equal(r->lookups, 2);
        JumpCacheEntry *e = &tcg->jump_cache[jump_cache_index(0x81234566)];
        *e = (JumpCacheEntry){
            .pc = 0x81234566, .tag = tcg->jump_tag.word, .code = c->code};
        assert_int_equal(rig_enter(r, from[i]), TB_EXIT_HALT);
        assert_int_equal(r->lookups, 2);
        tcg->jump_tag.generation++;
        assert_int_equal(rig_enter(r, from[i]), TB_EXIT_HALT);
        assert_int_equal(r->lookups, 3);
    }
    rig_free(r);
}

/* --- helpers ------------------------------------------------------------------ */

static uint64_t helper_mix(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    RigEnv *e = env;
    uint64_t sum = 0;
    for (unsigned i = 0; i < RIG_X; i++) {
        sum += e->x[i] * (i + 1);
        e->x[i] += i;
    }
    rig_scribble();
    return sum + a + 3 * b + 5 * c + 7 * d;
}
static uint64_t helper_sum(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    rig_scribble();
    return a + 3 * b + 5 * c + 7 * d;
}
static uint64_t helper_fault(void *env, uint64_t a) {
    RigEnv *e = env;
    RigCpu *cpu = (RigCpu *)(void *)((char *)env - offsetof(RigCpu, env));
    cpu->rig->seen = *e;
    if (a) {
        e->pc = RIG_HANDLER;
        e->x[1] = 99;
        cpu->tcg.fault_taken = 1;
    }
    rig_scribble();
    return 0;
}

static void calls_pass_arguments_and_globals(void **state) {
    (void)state;
    static const HelperInfo mix = {"mix", (void *)(uintptr_t)helper_mix,
                                   HELPER_READS_GLOBALS | HELPER_WRITES_GLOBALS, 4};
    static const HelperInfo sum = {"sum", (void *)(uintptr_t)helper_sum, HELPER_PURE, 4};
    Rig *r = rig_new(~0u);
    r->seed = seed_of_today();
    for (unsigned n = 0; n < 2000; n++) {
        IrContext *ctx = rig_begin(r, RIG_PC);
        uint64_t x[RIG_X], v[4];
        for (unsigned i = 0; i < RIG_X; i++) {
            x[i] = r->env->x[i] = rig_random_value(r);
        }
        /* all kinds of registers are taken before the call */
        TempId local = ir_temp_new(ctx, IR_I64), after = ir_temp_new(ctx, IR_I64),
               args[4];
        ir_op2(ctx, IR_add, IR_I64, local, r->x[3], r->x[6]);
        ir_op2(ctx, IR_sub, IR_I64, after, r->x[9], r->x[1]);
        ir_op2i(ctx, IR_add, IR_I64, r->x[9], r->x[9], 11);
        uint64_t vlocal = x[3] + x[6], vafter = x[9] - x[1];
        x[9] += 11;
        for (unsigned i = 0; i < 4; i++) {
            uint64_t dice = rig_random(r);
            unsigned g = (unsigned)(dice >> 8) % RIG_X;
            v[i] = dice % 4 == 0 ? vlocal : dice % 4 == 1 ? dice : x[g];
            args[i] = dice % 4 == 0   ? local
                      : dice % 4 == 1 ? ir_const_i64(ctx, dice)
                                      : r->x[g];
        }
        bool pure = n & 1;
        unsigned out = (unsigned)(rig_random(r) % RIG_X);
        ir_call(ctx, pure ? &sum : &mix, r->x[out], args);
        uint64_t result = v[0] + 3 * v[1] + 5 * v[2] + 7 * v[3];
        for (unsigned i = 0; i < RIG_X && !pure; i++) {
            result += x[i] * (i + 1);
            x[i] += i;
        }
        x[out] = result;
        ir_op2(ctx, IR_xor, IR_I64, r->x[12], after, local);
        x[12] = vafter ^ vlocal;
        ir_exit_tb(ctx, TB_EXIT_HALT);
        assert_int_equal(rig_run(r), TB_EXIT_HALT);
        for (unsigned i = 0; i < RIG_X; i++) {
            assert_int_equal(r->env->x[i], x[i]);
        }
    }
    rig_free(r);
}

static void a_faulting_helper_leaves_with_exact_state(void **state) {
    (void)state;
    static const HelperInfo fault = {"fault", (void *)(uintptr_t)helper_fault,
                                     HELPER_FAULTS | HELPER_NO_RETURN_VALUE, 1};
    Rig *r = rig_new(~0u);
    for (unsigned taken = 0; taken < 2; taken++) {
        memset(r->env, 0, sizeof(*r->env));
        IrContext *ctx = rig_begin(r, RIG_PC);
        ir_op2i(ctx, IR_add, IR_I64, r->x[1], r->x[1], 5);
        ir_op2i(ctx, IR_add, IR_I64, r->x[3], r->x[1], 6);
        ir_insn_start(ctx, RIG_PC + 4);
        TempId arg = ir_const_i64(ctx, taken);
        ir_call(ctx, &fault, TEMP_NONE, &arg);
        ir_op2i(ctx, IR_add, IR_I64, r->x[1], r->x[1], 100);
        ir_exit_tb(ctx, TB_EXIT_HALT);
        r->lookup_answer = NULL;
        assert_int_equal(rig_run(r), taken ? TB_EXIT_LOOKUP : TB_EXIT_HALT);
        assert_int_equal(r->seen.x[1], 5);
        assert_int_equal(r->seen.x[3], 11);
        assert_int_equal(r->env->x[1], taken ? 99 : 105);
        assert_int_equal(r->env->pc, taken ? RIG_HANDLER : RIG_PC + 4);
        assert_int_equal(r->cpu->tcg.fault_taken, 0);
    }
    rig_free(r);
}

/* --- the code buffer ---------------------------------------------------------- */

static void no_mapping_is_writable_and_executable(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned lines = 0;
    while (fgets(line, sizeof(line), maps)) {
        char perms[8];
        assert_int_equal(sscanf(line, "%*s %7s", perms), 1);
        assert_false(perms[1] == 'w' && perms[2] == 'x');
        lines += strstr(line, "vitrine-code") != NULL;
    }
    fclose(maps);
    assert_int_equal(lines, 2);
    rig_free(r);
}

static void generate_says_when_there_is_no_room(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    IrContext *ctx = rig_begin(r, RIG_PC);
    for (unsigned i = 0; i < 500; i++) {
        ir_op2i(ctx, IR_mul, IR_I64, r->x[1], r->x[1], 12345677);
    }
    ir_exit_tb(ctx, TB_EXIT_HALT);
    TranslationBlock tb = {.pc = RIG_PC, .size = 4};
    ir_liveness(ctx);
    uint8_t *end = code_rw(&r->bs.code, r->at) + 3000;
    memset(end, 0x5a, 100);
    assert_false(backend_x86_64.generate(&r->bs, ctx, &tb, r->at, 3000, NULL, NULL));
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(end[i], 0x5a);
    }
    assert_true(backend_x86_64.generate(&r->bs, ctx, &tb, r->at, 100000, NULL, NULL));
    rig_free(r);
}

static void ranges_tile_the_code_in_order(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    IrContext *ctx = rig_begin(r, RIG_PC);
    ir_op2(ctx, IR_divs, IR_I64, r->x[1], r->x[2], r->x[3]);
    ir_guest_ld(ctx, IR_I64, r->x[4], r->x[1], 8, MO_32, 0);
    ir_goto_tb(ctx, 0, 0x2000);
    TranslationBlock tb = {.pc = RIG_PC, .size = 4};
    ir_liveness(ctx);
    OpRange range[16];
    unsigned count = 16, cold = 0;
    assert_true(backend_x86_64.generate(&r->bs, ctx, &tb, r->at, 10000, range, &count));
    assert_int_equal(range[0].op, OP_RANGE_NONE);
    assert_int_equal(range[0].begin, 0);
    assert_int_equal(range[0].end, tb.code_fast - tb.code);
    uint32_t at = range[0].end;
    for (unsigned i = 1; i < count; i++) {
        assert_int_equal(range[i].begin, at);
        assert_true(range[i].end > at);
        assert_true(range[i].op < ctx->op_count || range[i].kind == CODE_REQUEST);
        cold += range[i].out_of_line;
        at = range[i].end;
    }
    assert_int_equal(at, tb.code_size);
    assert_int_equal(cold, 4); /* exit request, division, slow path, exit */
    rig_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_ops_do_what_ops_def_says),
        cmocka_unit_test(programs_do_what_ops_def_says),
        cmocka_unit_test(programs_run_without_host_extensions),
        cmocka_unit_test(brcond_goes_where_the_condition_says),
        cmocka_unit_test(branches_on_a_result_see_its_flags),
        cmocka_unit_test(flags_are_not_trusted_behind_a_label),
        cmocka_unit_test(shifts_fused_with_adds_are_right),
        cmocka_unit_test(a_loop_inside_a_block_counts),
        cmocka_unit_test(chained_blocks_run_until_unlinked_or_killed),
        cmocka_unit_test(a_backward_chain_sees_exit_request),
        cmocka_unit_test(goto_ptr_finds_blocks_in_the_jump_cache),
        cmocka_unit_test(calls_pass_arguments_and_globals),
        cmocka_unit_test(a_faulting_helper_leaves_with_exact_state),
        cmocka_unit_test(no_mapping_is_writable_and_executable),
        cmocka_unit_test(ranges_tile_the_code_in_order),
        cmocka_unit_test(generate_says_when_there_is_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
