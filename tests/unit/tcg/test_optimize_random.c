/* SPDX-License-Identifier: MIT */
/*
 * Random equivalence: the interpreter gives the same registers, fields, memory, I/O,
 * faults and exit for a block before and after the optimizer and liveness. Once over
 * random programs at large, and once for each rule, with a snippet in the middle that the
 * rule is made for; there the rule must have fired.
 *
 * VITRINE_SEED=n runs another set; VITRINE_ROUNDS=n makes it longer.
 */
#include "tcg/ir_random.h"

typedef struct Fixture {
    IrContext *ctx;
    IrMachine *machine;
    Outcome before, after;
    unsigned fired[RULE_COUNT];
    unsigned rounds;
    uint64_t seed;
} Fixture;

static void run(Fixture *f, uint64_t seed, Outcome *out) {
    random_run(f->machine, f->ctx, seed, out);
}

static void validate(Fixture *f, uint64_t seed, const char *when) {
    Error *err = NULL;
    if (!ir_validate(f->ctx, &err)) {
        ir_dump(f->ctx, stderr);
        fail_msg("seed %llu, %s: %s", (unsigned long long)seed, when, error_message(err));
    }
}

/* Ops keep their rule when they are removed, so the last rule of each op is what is
 * counted; liveness may write over an optimizer's rule, so both are counted. */
static void count_rules(Fixture *f, uint8_t *seen) {
    for (unsigned i = 0; i < f->ctx->op_count; i++) {
        seen[f->ctx->ops[i].rule] = 1;
    }
}

typedef void Snippet(IrRandom *r);

static void build(Fixture *f, uint64_t seed, Snippet *snippet) {
    IrRandom r;
    random_begin(&r, f->ctx, seed);
    r.floats = true;
    random_ops(&r, rnd(&r, snippet ? 6 : 24));
    if (snippet) {
        next_insn(&r);
        snippet(&r);
        random_ops(&r, rnd(&r, 6));
    }
    random_end(&r);
    assert_false(f->ctx->overflow);
}

static void compare(Fixture *f, uint64_t seed, Snippet *snippet, const char *what) {
    if (memcmp(&f->before, &f->after, sizeof(f->before)) == 0) {
        return;
    }
    fprintf(stderr, "--- %s, seed %llu: after\n", what, (unsigned long long)seed);
    ir_dump(f->ctx, stderr);
    outcome_print_difference(&f->before, &f->after);
    build(f, seed, snippet);
    fprintf(stderr, "--- before\n");
    ir_dump(f->ctx, stderr);
    fail_msg("%s: seed %llu: the block does something else", what,
             (unsigned long long)seed);
}

static void check_one(Fixture *f, uint64_t seed, Snippet *snippet, uint8_t *seen) {
    build(f, seed, snippet);
    validate(f, seed, "before");
    run(f, seed, &f->before);
    ir_optimize(f->ctx);
    count_rules(f, seen);
    validate(f, seed, "after optimize");
    run(f, seed, &f->after);
    compare(f, seed, snippet, "optimize");
    ir_liveness(f->ctx);
    count_rules(f, seen);
    validate(f, seed, "after liveness");
    run(f, seed, &f->after);
    compare(f, seed, snippet, "optimize and liveness");
    build(f, seed, snippet);
    ir_liveness(f->ctx);
    validate(f, seed, "after liveness alone");
    run(f, seed, &f->after);
    compare(f, seed, snippet, "liveness alone");
}

static void random_programs_do_the_same(void **state) {
    Fixture *f = *state;
    for (unsigned i = 0; i < f->rounds * 20; i++) {
        uint8_t seen[RULE_COUNT] = {0};
        check_one(f, f->seed + i, NULL, seen);
    }
}

/* --- snippets: one for each rule ---------------------------------------------- */

static uint64_t rnd_const(IrRandom *r) {
    return rnd_value(r);
}

static TempId kc(IrRandom *r, IrType type, uint64_t v) {
    return ir_const(r->ctx, type, v);
}

static TempId fresh(IrRandom *r) {
    return ir_temp_new(r->ctx, IR_I64);
}

/* An i64 that the optimizer knows nothing of. */
static TempId unknown64(IrRandom *r) {
    TempId t = rnd(r, 2) ? r_global(r) : fresh(r);
    ir_env_ld(r->ctx, IR_I64, t, FIELD_OFFSET + 8 * rnd(r, 4), MO_64);
    return t;
}

/* A local with value v, of which the optimizer knows nothing. */
static TempId hidden(IrRandom *r, uint64_t v) {
    TempId a = rnd(r, 2) ? r_global(r) : fresh(r);
    TempId zero = kc(r, IR_I64, 0);
    ir_env_st(r->ctx, kc(r, IR_I64, v), FIELD_OFFSET + 8, MO_64);
    ir_call(r->ctx, &info_note, fresh(r), &zero);
    ir_env_ld(r->ctx, IR_I64, a, FIELD_OFFSET + 8, MO_64);
    return a;
}

static void s_copy_propagation(IrRandom *r) {
    TempId x = unknown64(r), t = fresh(r);
    ir_mov(r->ctx, IR_I64, t, x);
    ir_op2(r->ctx, IR_xor, IR_I64, r_global(r), t, in64(r));
    ir_op2(r->ctx, IR_add, IR_I64, r_global(r), t, x);
}

static void s_redundant_mov(IrRandom *r) {
    TempId x = unknown64(r), g = r_global(r);
    ir_mov(r->ctx, IR_I64, g, x);
    ir_op2i(r->ctx, IR_add, IR_I64, fresh(r), g, 1);
    ir_mov(r->ctx, IR_I64, g, x);
}

static void s_dead_code(IrRandom *r) {
    ir_op2(r->ctx, IR_mul, IR_I64, fresh(r), in64(r), in64(r));
}

static void s_retarget(IrRandom *r) {
    TempId t = fresh(r);
    ir_op2(r->ctx, IR_sub, IR_I64, t, r_global(r), r_global(r));
    ir_mov(r->ctx, IR_I64, r_global(r), t);
}

static void s_unreachable(IrRandom *r) {
    unsigned label = ir_label_new(r->ctx);
    ir_br(r->ctx, label);
    ir_op2(r->ctx, IR_add, IR_I64, r_global(r), r_global(r), r_global(r));
    ir_label(r->ctx, label);
    forget_locals(r);
}

static void s_fold_constants(IrRandom *r) {
    static const uint8_t two[] = {
        IR_add,  IR_sub,  IR_mul,  IR_mulhs, IR_mulhu, IR_mulhsu, IR_divs,
        IR_divu, IR_rems, IR_remu, IR_and,   IR_or,    IR_xor,    IR_andc,
        IR_orc,  IR_eqv,  IR_shl,  IR_shr,   IR_sar,   IR_rotl,   IR_rotr};
    IrType type = int_type(r);
    for (unsigned i = 0; i < 4; i++) {
        ir_op2(r->ctx, (IrOpcode)two[rnd(r, sizeof(two))], type,
               type == IR_I64 ? r_global(r) : w_global(r), kc(r, type, rnd_const(r)),
               kc(r, type, rnd_const(r)));
    }
    ir_op1(r->ctx, (IrOpcode)(IR_clz + rnd(r, 4)), type,
           type == IR_I64 ? r_global(r) : w_global(r), kc(r, type, rnd_const(r)));
}

static void s_known_bits(IrRandom *r) {
    TempId t = fresh(r);
    ir_op2i(r->ctx, IR_shl, IR_I64, t, unknown64(r), 1 + rnd(r, 63));
    ir_op2i(r->ctx, IR_and, IR_I64, r_global(r), t, 1);
    ir_op2i(r->ctx, IR_or, IR_I64, t, unknown64(r), 0xff00);
    ir_extract(r->ctx, IR_I64, r_global(r), t, 8, 1 + rnd(r, 8));
}

static void s_commute(IrRandom *r) {
    static const uint8_t ops[] = {IR_add, IR_mul, IR_and,   IR_or,
                                  IR_xor, IR_eqv, IR_mulhu, IR_mulhs};
    TempId x = unknown64(r), k = kc(r, IR_I64, rnd_const(r));
    ir_op2(r->ctx, (IrOpcode)ops[rnd(r, 8)], IR_I64, r_global(r), k, x);
    ir_op2(r->ctx, IR_mulhs, IR_I64, r_global(r), kc(r, IR_I64, 12345), x);
}

static void s_identity(IrRandom *r) {
    static const struct {
        uint8_t op;
        uint64_t k;
    } rows[] = {{IR_add, 0},          {IR_sub, 0},          {IR_or, 0},
                {IR_xor, 0},          {IR_andc, 0},         {IR_shl, 64},
                {IR_shr, 0},          {IR_sar, 0},          {IR_rotl, 0},
                {IR_rotr, 64},        {IR_mul, 1},          {IR_divs, 1},
                {IR_divu, 1},         {IR_and, UINT64_MAX}, {IR_orc, UINT64_MAX},
                {IR_eqv, UINT64_MAX}, {IR_rems, 0},         {IR_remu, 0}};
    unsigned i = rnd(r, sizeof(rows) / sizeof(rows[0]));
    bool wide = rnd(r, 2);
    TempId x = wide ? unknown64(r) : w_global(r);
    ir_op2i(r->ctx, (IrOpcode)rows[i].op, wide ? IR_I64 : IR_I32,
            wide ? r_global(r) : w_global(r), x, rows[i].k);
}

static void s_absorb(IrRandom *r) {
    static const struct {
        uint8_t op;
        uint64_t k;
    } rows[] = {{IR_and, 0},    {IR_mul, 0},  {IR_mulhs, 0},         {IR_mulhu, 0},
                {IR_mulhsu, 0}, {IR_rems, 1}, {IR_remu, 1},          {IR_or, UINT64_MAX},
                {IR_divs, 0},   {IR_divu, 0}, {IR_andc, UINT64_MAX}, {IR_orc, 0}};
    unsigned i = rnd(r, sizeof(rows) / sizeof(rows[0]));
    bool wide = rnd(r, 2);
    IrType type = wide ? IR_I64 : IR_I32;
    TempId x = wide ? unknown64(r) : w_global(r), out = wide ? r_global(r) : w_global(r);
    if (rnd(r, 2)) {
        ir_op2i(r->ctx, (IrOpcode)rows[i].op, type, out, x, rows[i].k);
    } else {
        static const uint8_t zero_first[] = {IR_shl,  IR_shr,  IR_sar,  IR_rotl,
                                             IR_rotr, IR_rems, IR_remu, IR_andc};
        ir_op2(r->ctx, (IrOpcode)zero_first[rnd(r, 8)], type, out, kc(r, type, 0), x);
    }
}

static void s_same_operands(IrRandom *r) {
    static const uint8_t ops[] = {IR_sub, IR_xor, IR_andc, IR_and, IR_or, IR_orc, IR_eqv};
    TempId x = rnd(r, 2) ? unknown64(r) : r_global(r);
    ir_op2(r->ctx, (IrOpcode)ops[rnd(r, 7)], IR_I64, r_global(r), x, x);
    TempId y = unknown64(r);
    ir_movcond(r->ctx, IR_I64, (IrCond)rnd(r, COND_COUNT), r_global(r), y,
               kc(r, IR_I64, 77), y, y);
}

static void s_complement(IrRandom *r) {
    static const uint8_t ops[] = {IR_sub, IR_andc, IR_orc, IR_eqv};
    bool wide = rnd(r, 2);
    ir_op2i(r->ctx, (IrOpcode)ops[rnd(r, 4)], wide ? IR_I64 : IR_I32,
            wide ? r_global(r) : w_global(r), wide ? unknown64(r) : w_global(r),
            2 + rnd(r, 1000));
}

static void s_power_of_two(IrRandom *r) {
    static const uint8_t ops[] = {IR_mul, IR_divu, IR_remu, IR_mulhu};
    bool wide = rnd(r, 2);
    ir_op2i(r->ctx, (IrOpcode)ops[rnd(r, 4)], wide ? IR_I64 : IR_I32,
            wide ? r_global(r) : w_global(r), wide ? unknown64(r) : w_global(r),
            UINT64_C(1) << (1 + rnd(r, wide ? 63 : 31)));
}

static void s_mask_known(IrRandom *r) {
    TempId x = fresh(r);
    ir_op1(r->ctx, IR_ext_u8, IR_I64, x, unknown64(r));
    ir_op2i(r->ctx, IR_and, IR_I64, r_global(r), x, 0x1ff | rnd_value(r));
    ir_op2i(r->ctx, IR_and, IR_I64, fresh(r), x, 0x1ff);
    ir_op2i(r->ctx, IR_or, IR_I64, x, unknown64(r), 0xf0);
    ir_op2i(r->ctx, IR_or, IR_I64, r_global(r), x, 0x30);
}

static void s_mask_is_ext(IrRandom *r) {
    static const uint64_t masks[] = {0xff, 0xffff, 0xffffffff};
    ir_op2i(r->ctx, IR_and, IR_I64, r_global(r), unknown64(r), masks[rnd(r, 3)]);
    ir_op2i(r->ctx, IR_and, IR_I32, w_global(r), w_global(r), masks[rnd(r, 2)]);
}

static void s_add_chain(IrRandom *r) {
    TempId x = unknown64(r), t = fresh(r);
    ir_op2i(r->ctx, rnd(r, 2) ? IR_add : IR_sub, IR_I64, t, x, rnd_const(r) | 1);
    ir_op2i(r->ctx, IR_add, IR_I64, rnd(r, 2) ? x : r_global(r), t, rnd_const(r) | 2);
}

static void s_shift_pair(IrRandom *r) {
    bool wide = rnd(r, 2);
    IrType type = wide ? IR_I64 : IR_I32;
    unsigned w = wide ? 64 : 32, c = 1 + rnd(r, w - 1), k = c + rnd(r, w - c);
    TempId x = wide ? unknown64(r) : w_global(r);
    TempId t = rnd(r, 2) ? x : wide ? fresh(r) : ir_temp_new(r->ctx, IR_I32);
    TempId out = rnd(r, 2) || t == x ? t : wide ? r_global(r) : w_global(r);
    ir_op2i(r->ctx, IR_shl, type, t, x, c);
    next_insn(r);
    ir_op2i(r->ctx, rnd(r, 2) ? IR_shr : IR_sar, type, out, t, k);
}

static void s_field_is_ext(IrRandom *r) {
    static const uint8_t len[] = {8, 16, 32, 64};
    if (rnd(r, 2)) {
        ir_extract(r->ctx, IR_I64, r_global(r), unknown64(r), 0, len[rnd(r, 4)]);
    } else {
        ir_sextract(r->ctx, IR_I64, r_global(r), unknown64(r), 0, len[rnd(r, 4)]);
    }
    ir_sextract(r->ctx, IR_I32, w_global(r), w_global(r), 0, len[rnd(r, 3)]);
}

static void s_field_is_shift(IrRandom *r) {
    unsigned pos = 1 + rnd(r, 40);
    TempId x = fresh(r);
    if (rnd(r, 2)) {
        ir_op1(r->ctx, IR_ext_s32, IR_I64, x, hidden(r, rnd_value(r)));
        pos = 1 + rnd(r, 30);
        ir_sextract(r->ctx, IR_I64, r_global(r), x, pos, 31 + rnd(r, 2) - pos);
    } else {
        ir_extract(r->ctx, IR_I64, r_global(r), hidden(r, rnd_value(r)), pos, 64 - pos);
        ir_op1(r->ctx, IR_ext_u16, IR_I64, x, hidden(r, rnd_value(r)));
        ir_extract(r->ctx, IR_I64, r_global(r), x, 3, 12 + rnd(r, 2));
    }
}

static void s_word_shift(IrRandom *r) {
    TempId t = fresh(r), x = hidden(r, rnd_value(r)), out = rnd(r, 3) ? r_global(r) : x;
    ir_op2i(r->ctx, rnd(r, 2) ? IR_shr : IR_sar, IR_I32, t, x,
            rnd(r, 8) ? 1 + rnd(r, 31) : rnd(r, 64));
    ir_op1(r->ctx, rnd(r, 5) ? IR_ext_s32 : IR_ext_u32, IR_I64, rnd(r, 3) ? out : t, t);
}

/* Sometimes nearly: another count, other values, a result over its own input. */
static void s_rotate(IrRandom *r) {
    TempId x = hidden(r, rnd_value(r)), y = rnd(r, 8) ? x : r_global(r);
    TempId a = rnd(r, 4) ? r_global(r) : x, b = rnd(r, 4) ? r_global(r) : x;
    bool word = rnd(r, 2), order = rnd(r, 2);
    unsigned w = word ? 32 : 64, n = 1 + rnd(r, w - 1), m = rnd(r, 8) ? w - n : rnd(r, w);
    for (unsigned i = 0; i < 2; i++) {
        bool left = (i == 0) == order;
        TempId out = left ? a : b, from = left ? x : y;
        if (word) {
            TempId t = fresh(r);
            ir_op2i(r->ctx, left ? IR_shl : IR_shr, IR_I32, t, from, left ? m : n);
            ir_op1(r->ctx, IR_ext_s32, IR_I64, out, t);
        } else {
            ir_op2i(r->ctx, left ? IR_shl : IR_shr, IR_I64, out, from, left ? m : n);
        }
    }
    TempId first = rnd(r, 2) ? a : b, second = first == a ? b : a;
    ir_op2(r->ctx, IR_or, IR_I64, rnd(r, 3) ? r_global(r) : x, first, second);
}

static void s_extended_already(IrRandom *r) {
    TempId a = fresh(r), x = fresh(r);
    ir_mov(r->ctx, IR_I64, a, kc(r, IR_I64, RAM_BASE));
    unsigned size = rnd(r, 3);
    bool sign = rnd(r, 2);
    ir_guest_ld(r->ctx, IR_I64, x, a, (int32_t)rnd(r, 64), size | (sign ? MO_SIGN : 0),
                0);
    static const IrOpcode ext[2][3] = {{IR_ext_u8, IR_ext_u16, IR_ext_u32},
                                       {IR_ext_s8, IR_ext_s16, IR_ext_s32}};
    ir_op1(r->ctx, ext[sign][size + rnd(r, 3 - size)], IR_I64, r_global(r), x);
    ir_op2i(r->ctx, IR_add, IR_I64, x, x,
            (UINT64_C(1) << (8u << size)) / (rnd(r, 2) ? 2 : 4) - 1);
    ir_op1(r->ctx, ext[1][size], IR_I64, r_global(r), x);
    /* Just enough equal bits at the top, or one too few. */
    unsigned bits = 8u << rnd(r, 3);
    TempId z = fresh(r);
    ir_op2i(r->ctx, IR_sar, IR_I64, z, hidden(r, rnd_value(r)), 64 - bits - rnd(r, 2));
    ir_op1(r->ctx, ext[1][rnd(r, 3)], IR_I64, r_global(r), z);
    ir_op1(r->ctx, ext[1][rnd(r, 3)], IR_I64, z, hidden(r, rnd_value(r)));
    ir_op2i(r->ctx, IR_add, IR_I64, z, z, rnd(r, 2) ? 1 : 0x7f);
    ir_op1(r->ctx, ext[1][rnd(r, 3)], IR_I64, r_global(r), z);
    ir_sextract(r->ctx, IR_I64, z, hidden(r, rnd_value(r)), rnd(r, 3), bits - rnd(r, 2));
    ir_op1(r->ctx, ext[1][rnd(r, 3)], IR_I64, r_global(r), z);
}

static void s_low_bits(IrRandom *r) {
    TempId x = unknown64(r), t = rnd(r, 2) ? fresh(r) : x;
    static const uint8_t wide_ext[] = {IR_ext_s32, IR_ext_u32, IR_ext_s16, IR_ext_u16};
    static const uint8_t ext[] = {IR_ext_s8, IR_ext_u8, IR_ext_s16, IR_ext_u16};
    ir_op1(r->ctx, (IrOpcode)wide_ext[rnd(r, 4)], IR_I64, t, x);
    ir_op1(r->ctx, (IrOpcode)ext[rnd(r, 4)], IR_I64, rnd(r, 2) ? t : r_global(r), t);
    /* A chain of additions of words in one register. */
    TempId g = r_global(r), h = r_global(r);
    for (unsigned i = 2 + rnd(r, 2); i; i--) {
        TempId s = rnd(r, 3) ? fresh(r) : ir_temp_new(r->ctx, IR_I32);
        ir_op2(r->ctx, rnd(r, 2) ? IR_add : IR_mul, IR_I32, s, g,
               rnd(r, 2) ? h : in32(r));
        ir_op1(r->ctx, rnd(r, 4) ? IR_ext_s32 : IR_ext_u32, IR_I64, rnd(r, 6) ? g : h, s);
    }
    TempId y = unknown64(r), u = fresh(r);
    ir_op1(r->ctx, (IrOpcode)wide_ext[rnd(r, 2)], IR_I64, u, y);
    ir_env_st(r->ctx, u, FIELD_OFFSET + 8, MO_8 + rnd(r, 4));
    ir_op1(r->ctx, (IrOpcode)wide_ext[rnd(r, 4)], IR_I64, u, y);
    ir_guest_st(r->ctx, IR_I64, u, kc(r, IR_I64, RAM_BASE), 8 * (int32_t)rnd(r, 8),
                MO_8 + rnd(r, 4), 0);
}

/* A branch over something that can be seen. */
static void branch_over(IrRandom *r, IrType type, IrCond cond, TempId a, TempId b) {
    unsigned label = ir_label_new(r->ctx);
    ir_brcond(r->ctx, type, cond, a, b, label);
    ir_op2i(r->ctx, IR_xor, IR_I64, (TempId)rnd(r, REG_COUNT), (TempId)rnd(r, REG_COUNT),
            0x55);
    ir_label(r->ctx, label);
    forget_locals(r);
}

static void s_cond_decided(IrRandom *r) {
    TempId x = unknown64(r), t = fresh(r);
    IrCond cond = (IrCond)rnd(r, COND_COUNT);
    ir_op1(r->ctx, IR_ext_u16, IR_I64, t, x);
    ir_setcond(r->ctx, IR_I64, rnd(r, 2) ? COND_LTU : COND_GEU, r_global(r), t,
               kc(r, IR_I64, 0xfff0 + rnd_value(r) % 32));
    ir_setcond(r->ctx, IR_I64, cond, r_global(r), x, x);
    ir_movcond(r->ctx, IR_I64, cond, r_global(r), kc(r, IR_I64, rnd_value(r)),
               kc(r, IR_I64, rnd_value(r)), r_global(r), r_global(r));
    branch_over(r, IR_I64, cond, kc(r, IR_I64, rnd_value(r)),
                kc(r, IR_I64, rnd_value(r)));
}

static void s_cond_fuse(IrRandom *r) {
    IrType type = int_type(r);
    TempId a = type == IR_I64 ? unknown64(r) : w_global(r);
    TempId b = type == IR_I64 ? in64(r) : w_global(r),
           t = rnd(r, 3) ? fresh(r) : r_global(r);
    ir_setcond(r->ctx, type, (IrCond)rnd(r, COND_COUNT), t, a, b);
    IrCond test = rnd(r, 2) ? COND_EQ : COND_NE;
    TempId zero = kc(r, IR_I64, 0);
    switch (rnd(r, 3)) {
    case 0:
        branch_over(r, IR_I64, test, t, zero);
        break;
    case 1:
        ir_setcond(r->ctx, IR_I64, test, rnd(r, 2) ? t : r_global(r), t, zero);
        break;
    default:
        ir_movcond(r->ctx, IR_I64, test, rnd(r, 2) ? t : r_global(r), t, zero,
                   r_global(r), in64(r));
        break;
    }
}

static void s_cond_difference(IrRandom *r) {
    TempId t = fresh(r), x = unknown64(r);
    TempId y = rnd(r, 2) ? unknown64(r) : r_global(r);
    ir_op2(r->ctx, rnd(r, 2) ? IR_xor : IR_sub, IR_I64, t, x, y);
    ir_setcond(r->ctx, IR_I64, rnd(r, 2) ? COND_EQ : COND_NE, rnd(r, 2) ? t : r_global(r),
               t, kc(r, IR_I64, 0));
}

static void s_cond_unsigned_one(IrRandom *r) {
    static const struct {
        uint8_t cond, k;
    } rows[] = {{COND_LTU, 1}, {COND_GEU, 1}, {COND_GTU, 0}, {COND_LEU, 0}};
    unsigned i = rnd(r, 4);
    ir_setcond(r->ctx, IR_I64, (IrCond)rows[i].cond, r_global(r), unknown64(r),
               kc(r, IR_I64, rows[i].k));
}

static void s_setcond_bool(IrRandom *r) {
    TempId t = fresh(r);
    ir_op2i(r->ctx, IR_and, IR_I64, t, unknown64(r), 1);
    ir_setcond(r->ctx, IR_I64, rnd(r, 2) ? COND_EQ : COND_NE, r_global(r), t,
               kc(r, IR_I64, 0));
}

static void s_branch_to_next(IrRandom *r) {
    unsigned label = ir_label_new(r->ctx);
    if (rnd(r, 2)) {
        ir_br(r->ctx, label);
    } else {
        ir_brcond(r->ctx, IR_I64, COND_LT, unknown64(r), kc(r, IR_I64, 9), label);
    }
    ir_label(r->ctx, label);
    forget_locals(r);
}

/* Also with the branch's own operands as what is written, and with a second branch there. */
static void s_choose(IrRandom *r) {
    unsigned label = ir_label_new(r->ctx);
    TempId g = r_global(r), a = unknown64(r), b = rnd(r, 2) ? g : unknown64(r);
    if (rnd(r, 4) == 0) {
        ir_brcond(r->ctx, IR_I64, COND_EQ, unknown64(r), kc(r, IR_I64, 3), label);
        ir_op2(r->ctx, IR_mul, IR_I64, r_global(r), a, b);
    }
    ir_brcond(r->ctx, IR_I64, (IrCond)rnd(r, COND_COUNT), b, a, label);
    if (rnd(r, 2)) {
        ir_mov(r->ctx, IR_I64, g, rnd(r, 2) ? a : kc(r, IR_I64, 6));
    } else {
        ir_op2(r->ctx, rnd(r, 2) ? IR_add : IR_xor, IR_I64, g, rnd(r, 2) ? g : a, b);
    }
    ir_label(r->ctx, label);
    forget_locals(r);
}

static void s_env_forward(IrRandom *r) {
    int64_t at = FIELD_OFFSET + 8 * rnd(r, 4);
    unsigned memop = rnd(r, 4) | (rnd(r, 2) ? MO_SIGN : 0);
    if (rnd(r, 2)) {
        ir_env_st(r->ctx, in64(r), at, memop & MO_SIZE);
    } else {
        ir_env_ld(r->ctx, IR_I64, r_global(r), at, memop);
    }
    if (rnd(r, 2)) {
        ir_env_st(r->ctx, in64(r), at + (int64_t)rnd(r, 8), rnd(r, 2));
    } else if (!rnd(r, 3)) { /* counts in the first field */
        ir_guest_ld(r->ctx, IR_I64, fresh(r), kc(r, IR_I64, IO_BASE), 0, MO_64, 0);
    }
    ir_env_ld(r->ctx, IR_I64, r_global(r), at,
              (memop & MO_SIZE) | (rnd(r, 2) ? MO_SIGN : 0));
}

static void s_env_same(IrRandom *r) {
    TempId x = unknown64(r);
    int64_t at = FIELD_OFFSET + 8 * rnd(r, 4);
    ir_env_st(r->ctx, x, at, MO_64);
    if (rnd(r, 3) == 0) {
        ir_env_st(r->ctx, in64(r), at + 2, MO_16);
    }
    ir_env_st(r->ctx, x, at, MO_64);
}

static void s_displacement(IrRandom *r) {
    uint64_t c = rnd(r, 2) ? rnd(r, 5000) - 2500u : rnd_value(r);
    TempId a = hidden(r, rnd_address(r) - c), t = rnd(r, 3) ? fresh(r) : r_global(r);
    ir_op2i(r->ctx, IR_add, IR_I64, t, a, c);
    if (rnd(r, 2)) {
        ir_guest_ld(r->ctx, IR_I64, r_global(r), t, -8, MO_32, 0);
    } else {
        ir_guest_st(r->ctx, IR_I64, in64(r), t, 8, MO_64, 0);
    }
}

static void s_share_check(IrRandom *r) {
    TempId a = hidden(r, rnd_address(r));
    for (unsigned i = 2 + rnd(r, 5); i; i--) {
        int32_t disp = 8 * (int32_t)rnd(r, 40) - 100;
        unsigned memop = rnd(r, 4);
        if (rnd(r, 2)) {
            ir_guest_st(r->ctx, IR_I64, in64(r), a, disp, memop, 0);
        } else {
            TempId out = rnd(r, 6) ? (TempId)(a == 7 ? 6 : 7) : r_global(r);
            ir_guest_ld(r->ctx, IR_I64, out, a, disp, memop, rnd(r, 4) == 0);
        }
        if (!rnd(r, 4)) {
            next_insn(r);
            random_int_op(r);
        }
    }
}

static void s_float_round_trip(IrRandom *r) {
    TempId x = in_f(r, IR_F32), t = ir_temp_new(r->ctx, IR_F64),
           u = ir_temp_new(r->ctx, IR_F32);
    ir_op1(r->ctx, IR_fbox, IR_F64, t, x);
    ir_op1(r->ctx, IR_funbox, IR_F32, u, t);
    ir_mov(r->ctx, IR_F32, f32_global(r), u);
    TempId i = fresh(r);
    ir_op1(r->ctx, IR_fmov_f2i, IR_F64, i, f64_global(r));
    ir_op1(r->ctx, IR_fmov_i2f, IR_F64, f64_global(r), i);
}

static const struct {
    IrRuleId rule;
    Snippet *snippet;
} rules[] = {
    {RULE_copy_propagation, s_copy_propagation},
    {RULE_redundant_mov, s_redundant_mov},
    {RULE_dead_code, s_dead_code},
    {RULE_retarget, s_retarget},
    {RULE_unreachable, s_unreachable},
    {RULE_fold_constants, s_fold_constants},
    {RULE_known_bits, s_known_bits},
    {RULE_commute, s_commute},
    {RULE_identity, s_identity},
    {RULE_absorb, s_absorb},
    {RULE_same_operands, s_same_operands},
    {RULE_complement, s_complement},
    {RULE_power_of_two, s_power_of_two},
    {RULE_mask_known, s_mask_known},
    {RULE_mask_is_ext, s_mask_is_ext},
    {RULE_add_chain, s_add_chain},
    {RULE_shift_pair, s_shift_pair},
    {RULE_field_is_ext, s_field_is_ext},
    {RULE_field_is_shift, s_field_is_shift},
    {RULE_word_shift, s_word_shift},
    {RULE_rotate, s_rotate},
    {RULE_extended_already, s_extended_already},
    {RULE_low_bits, s_low_bits},
    {RULE_cond_decided, s_cond_decided},
    {RULE_cond_fuse, s_cond_fuse},
    {RULE_cond_difference, s_cond_difference},
    {RULE_cond_unsigned_one, s_cond_unsigned_one},
    {RULE_setcond_bool, s_setcond_bool},
    {RULE_branch_to_next, s_branch_to_next},
    {RULE_choose, s_choose},
    {RULE_env_forward, s_env_forward},
    {RULE_env_same, s_env_same},
    {RULE_displacement, s_displacement},
    {RULE_share_check, s_share_check},
    {RULE_float_round_trip, s_float_round_trip},
};

static void every_rule_has_a_snippet(void **state) {
    (void)state;
    for (unsigned rule = 1; rule < RULE_COUNT; rule++) {
        bool found = false;
        for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
            found |= rules[i].rule == (IrRuleId)rule;
        }
        if (!found) {
            fail_msg("rule %s has no random test", ir_rule_name((IrRuleId)rule));
        }
    }
}

static void every_rule_fires_and_changes_nothing(void **state) {
    Fixture *f = *state;
    for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        unsigned fired = 0;
        for (unsigned n = 0; n < f->rounds; n++) {
            uint8_t seen[RULE_COUNT] = {0};
            check_one(f, f->seed + 1000000 * (i + 1) + n, rules[i].snippet, seen);
            fired += seen[rules[i].rule];
        }
        if (fired * 4 < f->rounds) {
            fail_msg("rule %s fired in %u of %u programs only",
                     ir_rule_name(rules[i].rule), fired, f->rounds);
        }
    }
}

static int setup(void **state) {
    Fixture *f = calloc(1, sizeof(*f));
    const char *rounds = getenv("VITRINE_ROUNDS");
    f->ctx = ir_context_new();
    machine_declare_globals(f->ctx);
    f->machine = machine_new(&backend_interp);
    f->seed = test_seed();
    f->rounds = rounds ? (unsigned)strtoul(rounds, NULL, 0) : 100;
    printf("VITRINE_SEED=%llu VITRINE_ROUNDS=%u\n", (unsigned long long)f->seed,
           f->rounds);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    Fixture *f = *state;
    machine_free(f->machine);
    ir_context_free(f->ctx);
    free(f);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_programs_do_the_same),
        cmocka_unit_test(every_rule_has_a_snippet),
        cmocka_unit_test(every_rule_fires_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
