/* SPDX-License-Identifier: MIT */
/*
 * The interpreter as a back end: entries and exits, chaining, killing, the jump cache,
 * what a store to the running block's own code does, what does not fit. What ops compute
 * is in tests/ir, run by test_ir_text.c.
 */
#include "tcg/ir_random.h"

typedef struct Fixture {
    IrContext *ctx;
    IrMachine *m;
    TranslationBlock other;
} Fixture;

static void load_as(Fixture *f, TranslationBlock *tb, const char *text) {
    Error *err = NULL;
    if (!ir_parse(f->ctx, text, test_helpers, &err) || !ir_validate(f->ctx, &err)) {
        fail_msg("%s", error_message(err));
    }
    ir_liveness(f->ctx);
    machine_translate(f->m, f->ctx, tb);
}

static void load(Fixture *f, const char *text) {
    load_as(f, &f->m->tb, text);
}

#define COUNTING_BLOCK                                                                   \
    "---- 0x1000\n"                                                                      \
    "   add_i64 r0, r0, $0x1\n"                                                          \
    "   brcond_i64 eq r0, $0x64, L0\n"                                                   \
    "   goto_tb 0, 0x1000\n"                                                             \
    "L0:\n"                                                                              \
    "   goto_tb 1, 0x2000\n"

static void unchained_exit_names_its_block_and_slot(void **state) {
    Fixture *f = *state;
    load(f, COUNTING_BLOCK);
    machine_run(f->m);
    assert_true(f->m->exit == ((uintptr_t)&f->m->tb | TB_EXIT_SLOT0));
    assert_int_equal(f->m->cpu->env.pc, 0x1000);
    assert_int_equal(f->m->cpu->env.r[0], 1);
    assert_true(f->m->tb.jump[0].used && f->m->tb.jump[1].used);
}

static void chained_block_runs_until_it_leaves(void **state) {
    Fixture *f = *state;
    load(f, COUNTING_BLOCK);
    f->m->backend->link(&f->m->bs, &f->m->tb, 0, &f->m->tb);
    machine_run(f->m);
    assert_true(f->m->exit == ((uintptr_t)&f->m->tb | TB_EXIT_SLOT1));
    assert_int_equal(f->m->cpu->env.r[0], 100);
    f->m->backend->unlink(&f->m->bs, &f->m->tb, 0);
    f->m->cpu->env.r[0] = 0;
    machine_run(f->m);
    assert_int_equal(f->m->cpu->env.r[0], 1);
}

static void request_is_seen_at_a_back_edge(void **state) {
    Fixture *f = *state;
    load(f, COUNTING_BLOCK);
    f->m->backend->link(&f->m->bs, &f->m->tb, 0, &f->m->tb);
    f->m->cpu->tcg.exit_request = 1;
    /* The first round by the unchecked entry; the chain comes back by the checked one. */
    f->m->exit = f->m->backend->enter(&f->m->bs, &f->m->cpu->tcg, f->m->tb.code_fast);
    assert_int_equal(f->m->exit, TB_EXIT_REQUEST);
    assert_int_equal(f->m->cpu->env.pc, 0x1000);
    assert_int_equal(f->m->cpu->env.r[0], 1);
}

static void forward_chain_takes_the_unchecked_entry(void **state) {
    Fixture *f = *state;
    load(f, "---- 0x1000\n   goto_tb 0, 0x2000\n");
    load_as(f, &f->other, "---- 0x2000\n   mov_i64 r1, $0x9\n   exit_tb 5\n");
    f->m->backend->link(&f->m->bs, &f->m->tb, 0, &f->other);
    f->m->cpu->tcg.exit_request = 1;
    f->m->exit = f->m->backend->enter(&f->m->bs, &f->m->cpu->tcg, f->m->tb.code_fast);
    assert_int_equal(f->m->exit, TB_EXIT_HALT);
    assert_int_equal(f->m->cpu->env.r[1], 9);
}

static void killed_block_leads_to_lookup(void **state) {
    Fixture *f = *state;
    load(f, COUNTING_BLOCK);
    f->m->backend->kill(&f->m->bs, &f->m->tb);
    machine_run(f->m);
    assert_int_equal(f->m->exit, TB_EXIT_LOOKUP);
    assert_int_equal(f->m->cpu->env.pc, 0x1000);
    assert_int_equal(f->m->cpu->env.r[0], 0);
}

static void jump_cache_is_used_when_pc_and_tag_match(void **state) {
    Fixture *f = *state;
    load(f, "---- 0x1000\n   goto_ptr r2\n");
    load_as(f, &f->other, "---- 0x3000\n   mov_i64 r1, $0x9\n   exit_tb 5\n");
    f->m->cpu->env.r[2] = 0x3000;
    f->m->cpu->tcg.jump_tag.flags = 7;
    f->m->cpu->tcg.jump_tag.generation = 3;
    f->m->cpu->tcg.jump_cache[jump_cache_index(0x3000)] =
        (JumpCacheEntry){.pc = 0x3000,
                         .tag = f->m->cpu->tcg.jump_tag.word,
                         .code = f->other.code,
                         .tb = &f->other};
    machine_run(f->m);
    assert_int_equal(f->m->exit, TB_EXIT_HALT);
    assert_int_equal(f->m->cpu->env.r[1], 9);
    f->m->cpu->tcg.jump_tag.generation = 4;
    machine_run(f->m);
    assert_int_equal(f->m->exit, TB_EXIT_LOOKUP);
    assert_int_equal(f->m->cpu->env.pc, 0x3000);
}

/* A store slow path that says that the running block was changed. */
static bool store_and_stop(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t value) {
    tcg->stop_after = 1;
    return machine_store(tcg, addr, aux, value);
}

static void store_to_own_code_stops_after_its_instruction(void **state) {
    Fixture *f = *state;
    TcgCpuOps ops = machine_ops;
    ops.store = store_and_stop;
    f->m->cpu->tcg.ops = &ops;
    load(f, "---- 0x1000\n"
            "   guest_st_i64 r1, [r7], u64, mmu 0\n"
            "---- 0x1004\n"
            "   mov_i64 r0, $0x1\n"
            "   goto_tb 0, 0x1008\n");
    f->m->cpu->env.r[7] = SLOW_BASE;
    f->m->cpu->env.r[1] = 5;
    machine_run(f->m);
    assert_int_equal(f->m->exit, TB_EXIT_LOOKUP);
    assert_int_equal(f->m->cpu->env.pc, 0x1004);
    assert_int_equal(f->m->cpu->env.r[0], 0);
    assert_int_equal(f->m->ram[RAM_SIZE], 5);
    assert_int_equal(f->m->cpu->tcg.stop_after, 0);
    f->m->cpu->tcg.ops = &machine_ops;
}

static void store_in_the_last_instruction_just_goes_on(void **state) {
    Fixture *f = *state;
    TcgCpuOps ops = machine_ops;
    ops.store = store_and_stop;
    f->m->cpu->tcg.ops = &ops;
    load(f, "---- 0x1000\n"
            "   guest_st_i64 r1, [r7], u64, mmu 0\n"
            "   goto_tb 0, 0x1004\n");
    f->m->cpu->env.r[7] = SLOW_BASE;
    machine_run(f->m);
    assert_true(f->m->exit == ((uintptr_t)&f->m->tb | TB_EXIT_SLOT0));
    assert_int_equal(f->m->cpu->env.pc, 0x1004);
    assert_int_equal(f->m->cpu->tcg.stop_after, 0);
    f->m->cpu->tcg.ops = &machine_ops;
}

static bool load_notes_pc(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t *value) {
    (void)addr;
    (void)aux;
    *value = machine_of(tcg)->cpu->env.pc;
    return tcg->current_tb == &machine_of(tcg)->tb;
}

static void slow_path_knows_instruction_and_block(void **state) {
    Fixture *f = *state;
    TcgCpuOps ops = machine_ops;
    ops.load = load_notes_pc;
    f->m->cpu->tcg.ops = &ops;
    load(f, "---- 0x1000\n"
            "   mov_i64 r0, $0x1\n"
            "---- 0x1002\n"
            "   guest_ld_i64 r1, [r7], u64, mmu 0\n"
            "   exit_tb 4\n");
    machine_run(f->m);
    assert_int_equal(f->m->exit, TB_EXIT_STATE);
    assert_int_equal(f->m->cpu->env.r[1], 0x1002);
    f->m->cpu->tcg.ops = &machine_ops;
}

static void second_access_to_a_page_does_not_ask(void **state) {
    Fixture *f = *state;
    load(f, "---- 0x1000\n"
            "   guest_ld_i64 r0, [r7], u64, mmu 1\n"
            "   guest_ld_i64 r1, [r7 + 0x8], u64, mmu 1\n"
            "   guest_st_i64 r1, [r7 + 0x10], u64, mmu 1\n"
            "   guest_ld_i64 r2, [r7 + 0xffc], u64, mmu 1\n"
            "   exit_tb 4\n");
    f->m->cpu->env.r[7] = RAM_BASE;
    machine_run(f->m);
    assert_int_equal(f->m->slow_loads, 2); /* the first, and the one across two pages */
    assert_int_equal(f->m->slow_stores, 0);
}

static void code_that_does_not_fit_changes_nothing(void **state) {
    Fixture *f = *state;
    Error *err = NULL;
    assert_true(ir_parse(f->ctx, COUNTING_BLOCK, NULL, &err));
    ir_liveness(f->ctx);
    const uint8_t *at = f->m->bs.code.rx_base + 64;
    f->m->bs.code.rw_base[64 + 1000] = 0x5a;
    size_t need = 0;
    for (size_t space = 0; space < 1000 && !need; space += 8) {
        if (f->m->backend->generate(&f->m->bs, f->ctx, &f->m->tb, at, space, NULL,
                                    NULL)) {
            need = space;
        }
    }
    assert_true(need > 0);
    assert_true(f->m->tb.code_size <= need);
    assert_int_equal(f->m->bs.code.rw_base[64 + 1000], 0x5a);
    machine_run(f->m);
    assert_int_equal(f->m->cpu->env.r[0], 1);
}

static void ranges_name_each_op_that_is_left(void **state) {
    Fixture *f = *state;
    Error *err = NULL;
    OpRange ranges[16];
    unsigned count = 16;
    assert_true(ir_parse(f->ctx, COUNTING_BLOCK, NULL, &err));
    ir_liveness(f->ctx);
    assert_true(f->m->backend->generate(
        &f->m->bs, f->ctx, &f->m->tb, f->m->bs.code.rx_base, CODE_SIZE, ranges, &count));
    assert_int_equal(count, 4);
    assert_int_equal(f->ctx->ops[ranges[1].op].opcode, IR_brcond);
    for (unsigned i = 1; i < count; i++) {
        assert_int_equal(ranges[i].begin, ranges[i - 1].end);
    }
    assert_int_equal(ranges[count - 1].end, f->m->tb.code_size);
}

static int setup(void **state) {
    Fixture *f = calloc(1, sizeof(*f));
    f->m = machine_new(&backend_interp);
    f->ctx = ir_context_new();
    machine_declare_globals(f->ctx);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    Fixture *f = *state;
    machine_free(f->m);
    ir_context_free(f->ctx);
    free(f);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(unchained_exit_names_its_block_and_slot),
        TEST(chained_block_runs_until_it_leaves),
        TEST(request_is_seen_at_a_back_edge),
        TEST(forward_chain_takes_the_unchecked_entry),
        TEST(killed_block_leads_to_lookup),
        TEST(jump_cache_is_used_when_pc_and_tag_match),
        TEST(store_to_own_code_stops_after_its_instruction),
        TEST(store_in_the_last_instruction_just_goes_on),
        TEST(slow_path_knows_instruction_and_block),
        TEST(second_access_to_a_page_does_not_ask),
        TEST(code_that_does_not_fit_changes_nothing),
        TEST(ranges_name_each_op_that_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
