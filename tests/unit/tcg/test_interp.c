/* SPDX-License-Identifier: MIT */
/* The interpreter: entries and exits, chaining, guest accesses, faults, calls. */
#include "tcg/ir_machine.h"

static IrContext *ctx;
static IrMachine *m;

static int setup(void **state) {
    (void)state;
    m = machine_new(&backend_interp);
    ctx = ir_context_new();
    machine_declare_globals(ctx);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    machine_free(m);
    ir_context_free(ctx);
    return 0;
}

static void load(const char *text) {
    Error *err = NULL;
    if (!ir_parse(ctx, text, NULL, &err) || !ir_validate(ctx, &err)) {
        fail_msg("%s", error_message(err));
    }
    ir_liveness(ctx);
    machine_translate(m, ctx, &m->tb);
}

static void adds_and_leaves_by_slot(void **state) {
    (void)state;
    load("---- 0x1000\n"
         "   add_i64 r0, r1, $0x5\n"
         "   goto_tb 1, 0x1004\n");
    m->cpu->env.r[1] = 7;
    machine_run(m);
    assert_int_equal(m->cpu->env.r[0], 12);
    assert_int_equal(m->cpu->env.pc, 0x1004);
    assert_true(m->exit == ((uintptr_t)&m->tb | TB_EXIT_SLOT1));
}

static void loop_inside_a_block(void **state) {
    (void)state;
    load("---- 0x1000\n"
         "L0:\n"
         "   add_i64 r0, r0, r1\n"
         "   sub_i64 r1, r1, $0x1\n"
         "   brcond_i64 ne r1, $0x0, L0\n"
         "   exit_tb 4\n");
    m->cpu->env.r[1] = 100;
    machine_run(m);
    assert_int_equal(m->cpu->env.r[0], 5050);
    assert_int_equal(m->exit, TB_EXIT_STATE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(adds_and_leaves_by_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(loop_inside_a_block, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
