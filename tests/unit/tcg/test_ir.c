/* SPDX-License-Identifier: MIT */
/* The builders, interned constants, the laws of conditions, what validation and the
 * parser refuse. */
#include "tcg/ir_random.h"

typedef struct Fixture {
    IrContext *ctx;
} Fixture;

static void constants_are_interned_by_type_and_value(void **state) {
    IrContext *ctx = ((Fixture *)*state)->ctx;
    ir_block_begin(ctx);
    TempId a = ir_const_i64(ctx, 5);
    assert_int_equal(a, ir_const_i64(ctx, 5));
    assert_int_not_equal(a, ir_const(ctx, IR_I32, 5));
    assert_int_not_equal(a, ir_const_i64(ctx, 6));
    TempId minus = ir_const(ctx, IR_I32, UINT64_MAX);
    assert_int_equal(minus, ir_const(ctx, IR_I32, UINT32_MAX));
    assert_true(ctx->temps[minus].value == UINT32_MAX);
    for (unsigned i = 0; i < 2000; i++) {
        TempId t = ir_const_i64(ctx, i * UINT64_C(0x123456789));
        assert_int_equal(t, ir_const_i64(ctx, i * UINT64_C(0x123456789)));
        assert_true(ctx->temps[t].value == i * UINT64_C(0x123456789));
    }
}

static void new_block_forgets_the_old_ones_constants(void **state) {
    IrContext *ctx = ((Fixture *)*state)->ctx;
    ir_block_begin(ctx);
    ir_const_i64(ctx, 1);
    TempId old = ir_const_i64(ctx, 77);
    ir_block_begin(ctx);
    ir_const_i64(ctx, 77);
    TempId t = ir_const_i64(ctx, 2);
    assert_int_equal(t, old); /* the number is given out again */
    assert_true(ctx->temps[t].value == 2);
    assert_int_equal(ctx->temp_count, ctx->global_count + 2);
}

static void full_context_says_so_and_stays_inside(void **state) {
    IrContext *ctx = ((Fixture *)*state)->ctx;
    ir_block_begin(ctx);
    for (unsigned i = 0; i < 2 * IR_MAX_OPS; i++) {
        ir_op2(ctx, IR_add, IR_I64, 0, 1, 2);
    }
    assert_true(ctx->overflow);
    assert_true(ctx->op_count < IR_MAX_OPS);
    ir_block_begin(ctx);
    assert_false(ctx->overflow);
    for (unsigned i = 0; i < 2 * IR_MAX_TEMPS; i++) {
        assert_true(ir_temp_new(ctx, IR_I64) < IR_MAX_TEMPS);
        assert_true(ir_const_i64(ctx, i) < IR_MAX_TEMPS);
    }
    assert_true(ctx->overflow);
    assert_false(ir_validate(ctx, NULL));
    ir_block_begin(ctx);
    for (unsigned i = 0; i < 2 * IR_MAX_LABELS; i++) {
        assert_true(ir_label_new(ctx) < IR_MAX_LABELS);
    }
    assert_true(ctx->overflow);
    ir_block_begin(ctx);
    for (unsigned i = 0; i < 2 * IR_MAX_INSNS; i++) {
        ir_insn_start(ctx, i);
    }
    assert_true(ctx->overflow);
}

/* Rules that make constants must not run out of temps, whatever the size of the block. */
static void blocks_of_any_size_survive_the_optimizer(void **state) {
    IrContext *ctx = ((Fixture *)*state)->ctx;
    for (unsigned size = 100; size < IR_MAX_OPS - 2; size += 150) {
        ir_block_begin(ctx);
        for (unsigned i = 0; i < size; i++) {
            if (i % 3) {
                ir_op2i(ctx, IR_sub, IR_I64, i % 8, (i + 1) % 8, 1000 + i);
            } else {
                ir_guest_ld(ctx, IR_I64, 0, i % 5, 8 * (int32_t)(i % 9), MO_64,
                            i / 9 % 4);
            }
        }
        ir_exit_tb(ctx, TB_EXIT_STATE);
        assert_true(ir_validate(ctx, NULL));
        ir_optimize(ctx);
        ir_liveness(ctx);
        assert_true(ir_validate(ctx, NULL));
    }
}

static void ops_know_their_instruction_and_number(void **state) {
    IrContext *ctx = ((Fixture *)*state)->ctx;
    ir_block_begin(ctx);
    ir_insn_start(ctx, 0x1000);
    ir_insn_length(ctx, 2);
    ir_op2i(ctx, IR_add, IR_I64, 0, 0, 1);
    ir_insn_start(ctx, 0x1002);
    ir_insn_length(ctx, 4);
    ir_op2i(ctx, IR_add, IR_I64, 1, 1, 1);
    assert_int_equal(ctx->ops[1].insn, 0);
    assert_int_equal(ctx->ops[3].insn, 1);
    assert_int_equal(ctx->ops[3].id, 3);
    assert_int_equal(ctx->insns[1].first_op, 2);
    assert_int_equal(ctx->insns[0].bytes, 2);
    assert_int_equal(ctx->insns[1].bytes, 4);
}

static void conditions_keep_their_laws(void **state) {
    IrRandom r = {.state = test_seed()};
    (void)state;
    printf("VITRINE_SEED=%llu\n", (unsigned long long)r.state);
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t a = rnd_value(&r), b = rnd(&r, 4) ? rnd_value(&r) : a;
        for (unsigned c = 0; c < COND_COUNT; c++) {
            for (unsigned type = IR_I32; type <= IR_I64; type++) {
                bool holds = ir_cond_eval((IrCond)c, (IrType)type, a, b);
                assert_int_equal(
                    ir_cond_eval(ir_cond_invert((IrCond)c), (IrType)type, a, b), !holds);
                assert_int_equal(
                    ir_cond_eval(ir_cond_swap((IrCond)c), (IrType)type, b, a), holds);
            }
        }
        assert_int_equal(ir_cond_eval(COND_LT, IR_I64, a, b), (int64_t)a < (int64_t)b);
        assert_int_equal(ir_cond_eval(COND_LTU, IR_I64, a, b), a < b);
        assert_int_equal(ir_cond_eval(COND_LE, IR_I32, a, b), (int32_t)a <= (int32_t)b);
        assert_int_equal(ir_cond_eval(COND_GTU, IR_I32, a, b), (uint32_t)a > (uint32_t)b);
    }
}

static void calls_have_the_flags_of_their_helper(void **state) {
    IrContext *ctx = ((Fixture *)*state)->ctx;
    TempId args[4] = {0, 1};
    ir_block_begin(ctx);
    ir_call(ctx, &info_mix, 0, args);
    ir_call(ctx, &info_fault, 0, args);
    assert_false(ir_op_flags(&ctx->ops[0]) & OPF_SIDE_EFFECT);
    assert_true(ir_op_flags(&ctx->ops[1]) & OPF_SIDE_EFFECT);
    assert_true(ir_op_flags(&ctx->ops[1]) & OPF_MAY_FAULT);
    assert_int_equal(ctx->ops[0].in[1], 1);
    assert_int_equal(ctx->ops[0].in[2], TEMP_NONE);
    assert_int_equal(ctx->ops[1].in[1], TEMP_NONE);
}

/* Each block breaks one rule; the message must name it. */
static void validation_refuses_what_breaks_a_rule(void **state) {
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"   add_i64 r0, r1, w0\n   exit_tb 4\n", "wrong type"},
        {"   add_i64 w0, r1, r2\n   exit_tb 4\n", "wrong type"},
        {"   add_f64 f0, f1, f2\n   exit_tb 4\n", "i32 or i64"},
        {"   fadd_f64 rne f0, s1, f2\n   exit_tb 4\n", "wrong type"},
        {"   fadd_i64 rne r0, r1, r2\n   exit_tb 4\n", "f32 or f64"},
        {"   mov_i64 $0x1, r0\n   exit_tb 4\n", "constant is written"},
        {"   mov_i64 r0, %0\n   exit_tb 4\n", "before it is written"},
        {"   mov_i64 %0, r0\nL0:\n   mov_i64 r1, %0\n   exit_tb 4\n",
         "before it is written"},
        {"   br L0\n   exit_tb 4\n", "stands nowhere"},
        {"L0:\nL0:\n   exit_tb 4\n", "stands twice"},
        {"   mov_i64 r0, r1\n", "runs off the end"},
        {"   goto_tb 2, 0x0\n", "two exit slots"},
        {"   brcond_i64 eq r0, r1, L0\n   goto_tb 0, 0x0\nL0:\n   goto_tb 0, 0x0\n",
         "used twice"},
        {"   guest_ld_i64 r0, [w0], u64, mmu 0\n   exit_tb 4\n", "wrong type"},
        {"   guest_ld_i64 r0, [r1 + 0x80000000], u64, mmu 0\n   exit_tb 4\n",
         "displacement"},
        {"   guest_ld_i32 w0, [r1], u64, mmu 0\n   exit_tb 4\n", "8 bytes"},
        {"   guest_ld_f64 f0, [r1], u64, mmu 0\n   exit_tb 4\n", "MO_FP"},
        {"   guest_ld_f64 f0, [r1], u32.fp, mmu 0\n   exit_tb 4\n", "another size"},
        {"   env_ld_i64 r0, [env + 0xc], u32\n   exit_tb 4\n", "global's slot"},
        {"   extract_i32 w0, w1, 24, 9\n   exit_tb 4\n", "field"},
        {"   extract_i64 r0, r1, 3, 0\n   exit_tb 4\n", "field"},
        {"   fbox_f32 s0, s1\n   exit_tb 4\n", "fbox"},
        {"   fmov_i2f_f64 f0, w0\n   exit_tb 4\n", "wrong type"},
        {"   fcvt_f2i_f64 rtz w0, f0, i64\n   exit_tb 4\n", "wrong type"},
    };
    IrContext *ctx = ((Fixture *)*state)->ctx;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Error *err = NULL;
        if (!ir_parse(ctx, rows[i].text, test_helpers, &err)) {
            fail_msg("row %u does not parse: %s", i, error_message(err));
        }
        if (ir_validate(ctx, &err)) {
            fail_msg("accepted:\n%s", rows[i].text);
        }
        if (!strstr(error_message(err), rows[i].why)) {
            fail_msg("'%s' for\n%s", error_message(err), rows[i].text);
        }
        error_free(err);
    }
}

static void parser_names_line_and_what_it_wants(void **state) {
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"   nonsense r0\n", "line 1, column 12: expected an op"},
        {"\n   add_i64 r0, r9, r1\n", "line 2"},
        {"   add_i64 r0 r1, r2\n", "expected a comma"},
        {"   add_i64 r0, r1, r2 r3\n", "the end of the line"},
        {"   add_i64 r0, r1, $\n", "a number"},
        {"   setcond_i64 less r0, r1, r2\n", "a condition"},
        {"   guest_ld_i64 r0, [r1 + 8, u64, mmu 0\n", "expected ]"},
        {"   guest_ld_i64 r0, [r1], u24, mmu 0\n", "a size"},
        {"   guest_ld_i64 r0, [r1], u32.odd, mmu 0\n", ".be"},
        {"   guest_ld_i64 r0, [r1], u32.store, mmu 0\n", ".be"},
        {"   guest_probe_i64 r0, [r1], 8, u64, mmu 0\n", "load or store"},
        {"   call nobody(r0)\n", "a helper"},
        {"   mov_i64 %0, r0\n   mov_i64 r1, %0:i32\n", "had before"},
        {"   mov_i64 %99999, r0\n", "smaller local"},
        {"   br L99999\n", "smaller label"},
        {"   add r0, r1, r2\n", "an op"},
        {"   fence_i64\n", "an op"},
    };
    IrContext *ctx = ((Fixture *)*state)->ctx;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Error *err = NULL;
        if (ir_parse(ctx, rows[i].text, test_helpers, &err)) {
            fail_msg("accepted: %s", rows[i].text);
        }
        if (!strstr(error_message(err), rows[i].why)) {
            fail_msg("'%s' for\n%s", error_message(err), rows[i].text);
        }
        error_free(err);
    }
}

/* Whatever the text, the parser and validation answer. */
static void parser_survives_damaged_text(void **state) {
    static const char good[] = "---- 0x1000\n"
                               "   guest_ld_i64 %0, [r0 + 0x8], s32.be, mmu 1  ; rule\n"
                               "   call helper_mix(r0, %0) -> %1\n"
                               "   brcond_i32 ltu %1, %2:i32, L3\n"
                               "   fmadd_f64 dyn f0, f1, f2, f3, 0x3\n"
                               "L3:\n"
                               "   deposit_i64 r1, r2, $0xff:i32, 8, 16\n"
                               "   goto_tb 0, 0x2000\n";
    IrContext *ctx = ((Fixture *)*state)->ctx;
    IrRandom r = {.state = test_seed()};
    unsigned refused = 0;
    for (unsigned i = 0; i < 20000; i++) {
        char text[sizeof(good)];
        memcpy(text, good, sizeof(good));
        for (unsigned n = 1 + rnd(&r, 4); n; n--) {
            char other =
                rnd(&r, 3) ? good[rnd(&r, sizeof(good) - 1)] : (char)rnd(&r, 256);
            text[rnd(&r, sizeof(good) - 1)] = other;
        }
        if (ir_parse(ctx, text, test_helpers, NULL) && ir_validate(ctx, NULL)) {
            ir_optimize(ctx);
            ir_liveness(ctx);
            assert_true(ir_validate(ctx, NULL));
        } else {
            refused++;
        }
    }
    assert_true(refused > 10000);
}

static void every_op_has_a_row_for_its_text(void **state) {
    (void)state;
    for (unsigned i = 0; i < IR_OPCODE_COUNT; i++) {
        assert_non_null(ir_op_defs[i].name);
        assert_non_null(ir_op_defs[i].meaning);
    }
    for (unsigned i = 1; i < RULE_COUNT; i++) {
        assert_true(strlen(ir_rule_name((IrRuleId)i)) > 0);
        assert_true(strlen(ir_rule_text((IrRuleId)i)) > 10);
    }
}

static int setup(void **state) {
    Fixture *f = calloc(1, sizeof(*f));
    f->ctx = ir_context_new();
    machine_declare_globals(f->ctx);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    Fixture *f = *state;
    ir_context_free(f->ctx);
    free(f);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_are_interned_by_type_and_value),
        cmocka_unit_test(new_block_forgets_the_old_ones_constants),
        cmocka_unit_test(full_context_says_so_and_stays_inside),
        cmocka_unit_test(blocks_of_any_size_survive_the_optimizer),
        cmocka_unit_test(ops_know_their_instruction_and_number),
        cmocka_unit_test(conditions_keep_their_laws),
        cmocka_unit_test(calls_have_the_flags_of_their_helper),
        cmocka_unit_test(validation_refuses_what_breaks_a_rule),
        cmocka_unit_test(parser_names_line_and_what_it_wants),
        cmocka_unit_test(parser_survives_damaged_text),
        cmocka_unit_test(every_op_has_a_row_for_its_text),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
