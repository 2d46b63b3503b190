/* SPDX-License-Identifier: MIT */
/* What liveness removes, what it must keep, and the dead bits it gives to back ends. */
#include "tcg/ir_random.h"

typedef struct Fixture {
    IrContext *ctx;
} Fixture;

static IrOp *load(void **state, const char *text) {
    IrContext *ctx = ((Fixture *)*state)->ctx;
    Error *err = NULL;
    if (!ir_parse(ctx, text, test_helpers, &err) || !ir_validate(ctx, &err)) {
        fail_msg("%s", error_message(err));
    }
    ir_liveness(ctx);
    return ctx->ops;
}

static void overwritten_global_is_removed(void **state) {
    IrOp *ops = load(state, "   add_i64 r0, r1, r2\n"
                            "   mov_i64 r0, r3\n"
                            "   exit_tb 4\n");
    assert_true(ops[0].removed);
    assert_int_equal(ops[0].rule, RULE_dead_code);
    assert_false(ops[1].removed);
}

static void global_before_a_fault_is_kept(void **state) {
    static const char *const between[] = {
        "   guest_ld_i64 r5, [r6], u64, mmu 0\n",
        "   guest_st_i64 r5, [r6], u64, mmu 0\n",
        "   call helper_fault_if_odd(r7) -> r5\n",
        "   call helper_bump(r7) -> r5\n",
        "   brcond_i64 eq r6, r7, L0\n",
        "L1:\n",
        "   guest_rmw_i64 add r5, [r6], r7, u64.align, mmu 0\n",
    };
    for (unsigned i = 0; i < sizeof(between) / sizeof(between[0]); i++) {
        char text[300];
        snprintf(text, sizeof(text),
                 "   add_i64 r0, r1, r2\n%s   mov_i64 r0, r3\nL0:\n   exit_tb 4\n",
                 between[i]);
        IrOp *ops = load(state, text);
        if (ops[0].removed) {
            fail_msg("removed before\n%s", between[i]);
        }
    }
}

static void global_before_a_harmless_call_is_removed(void **state) {
    IrOp *ops = load(state, "   add_i64 r0, r1, r2\n"
                            "   call helper_mix(r4, r5) -> r6\n"
                            "   call helper_note(r4) -> r7\n"
                            "   mov_i64 r0, r3\n"
                            "   exit_tb 4\n");
    assert_true(ops[0].removed);
    assert_false(ops[1].removed || ops[2].removed);
}

static void unused_pure_call_goes_and_unused_load_stays(void **state) {
    IrOp *ops = load(state, "   call helper_mix(r4, r5) -> %0\n"
                            "   guest_ld_i64 %1, [r0], u64, mmu 0\n"
                            "   env_ld_i64 %2, [env + 0x78], u64\n"
                            "   guest_probe_i64 %3, [r0], 8, load, mmu 0\n"
                            "   fadd_f64 dyn %4:f64, f0, f1\n"
                            "   call helper_note(r4) -> %5\n"
                            "   exit_tb 4\n");
    assert_true(ops[0].removed);
    assert_false(ops[1].removed);
    assert_int_equal(ops[1].dead_out, 1);
    assert_true(ops[2].removed && ops[3].removed);
    assert_false(ops[4].removed); /* it may set sticky flags */
    assert_false(ops[5].removed);
}

static void chains_of_unused_results_go_together(void **state) {
    IrOp *ops = load(state, "   add_i64 %0, r1, r2\n"
                            "   mul_i64 %1, %0, r2\n"
                            "   xor_i64 %2, %1, %0\n"
                            "   exit_tb 4\n");
    assert_true(ops[0].removed && ops[1].removed && ops[2].removed);
}

static void last_read_is_marked_on_every_operand(void **state) {
    IrOp *ops = load(state, "   add_i64 %0, r1, r2\n"
                            "   mul_i64 r0, %0, %0\n"
                            "   add_i64 r1, r1, r2\n"
                            "   exit_tb 4\n");
    assert_int_equal(ops[0].dead_in, 0);
    assert_int_equal(ops[1].dead_in, 3);
    assert_int_equal(ops[2].dead_in, 1); /* r1 is written here; r2 lives on */
}

static void operand_that_a_fault_must_restore_is_not_dead(void **state) {
    IrOp *ops = load(state, "   guest_ld_i64 r0, [r0], u64, mmu 0\n"
                            "   exit_tb 4\n");
    assert_int_equal(ops[0].dead_in, 0);
    assert_int_equal(ops[0].dead_out, 0);
}

static void copy_of_a_last_read_is_written_in_place(void **state) {
    IrOp *ops = load(state, "   guest_ld_i64 %0, [r1], u64, mmu 0\n"
                            "   mov_i64 r0, %0\n"
                            "   add_i64 %1, r1, r2\n"
                            "   mov_i64 r3, %1\n"
                            "   xor_i64 r4, %1, r3\n"
                            "   exit_tb 4\n");
    assert_int_equal(ops[0].out, 0);
    assert_true(ops[1].removed);
    assert_int_equal(ops[1].rule, RULE_retarget);
    assert_false(ops[3].removed); /* %1 is read again */
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
        cmocka_unit_test(overwritten_global_is_removed),
        cmocka_unit_test(global_before_a_fault_is_kept),
        cmocka_unit_test(global_before_a_harmless_call_is_removed),
        cmocka_unit_test(unused_pure_call_goes_and_unused_load_stays),
        cmocka_unit_test(chains_of_unused_results_go_together),
        cmocka_unit_test(last_read_is_marked_on_every_operand),
        cmocka_unit_test(operand_that_a_fault_must_restore_is_not_dead),
        cmocka_unit_test(copy_of_a_last_read_is_written_in_place),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
