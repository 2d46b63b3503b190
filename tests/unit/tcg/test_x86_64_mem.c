/* SPDX-License-Identifier: MIT */
/*
 * The x86-64 back end's guest memory ops: hits, misses, page crossings, faults with exact
 * state, stores that change the running block, probes, atomics.
 */
#include "x86_64_rig.h"

static uint64_t seed_of_today(void) {
    return rig_seed(0xacce55);
}

typedef struct State {
    RigEnv env;
    uint8_t ram[sizeof(((Rig *)0)->ram)], slow_ram[sizeof(((Rig *)0)->slow_ram)];
} State;

static void expect_state(Rig *r, const State *s, const TranslationBlock *tb,
                         uint64_t seed) {
    bool ok = !memcmp(r->env->x, s->env.x, sizeof(s->env.x)) &&
              !memcmp(r->env->f, s->env.f, sizeof(s->env.f)) &&
              !memcmp(r->ram, s->ram, sizeof(s->ram)) &&
              !memcmp(r->slow_ram, s->slow_ram, sizeof(s->slow_ram));
    if (ok) {
        return;
    }
    ir_dump(r->ctx, stderr);
    rig_disassemble(r, tb);
    for (unsigned i = 0; i < RIG_X; i++) {
        if (r->env->x[i] != s->env.x[i] || r->env->f[i] != s->env.f[i]) {
            fprintf(stderr, "%u: x %#llx, expected %#llx; f %#llx, expected %#llx\n", i,
                    (unsigned long long)r->env->x[i], (unsigned long long)s->env.x[i],
                    (unsigned long long)r->env->f[i], (unsigned long long)s->env.f[i]);
        }
    }
    for (unsigned i = 0; i < sizeof(s->ram); i++) {
        if (r->ram[i] != s->ram[i]) {
            fprintf(stderr, "ram[%#x] = %#x, expected %#x\n", i, r->ram[i], s->ram[i]);
        }
    }
    fail_msg("seed %#llx", (unsigned long long)seed);
}

/* Guest memory of the model. */
static uint8_t *model_host(State *s, vaddr addr, unsigned size) {
    if (addr >= RIG_RAM && addr + size <= RIG_RAM + sizeof(s->ram)) {
        return s->ram + (addr - RIG_RAM);
    }
    if (addr >= RIG_SLOW && addr + size <= RIG_SLOW + sizeof(s->slow_ram)) {
        return s->slow_ram + (addr - RIG_SLOW);
    }
    return NULL;
}

static vaddr random_address(Rig *r) {
    uint64_t dice = rig_random(r);
    switch (dice % 8) {
    case 0:
        return RIG_SLOW + 64 + (dice >> 8) % 3900;
    case 1:
        return RIG_RAM + PAGE_SIZE - 9 + (dice >> 8) % 12; /* at a page's end */
    default:
        return RIG_RAM + 64 + (dice >> 8) % (sizeof(r->ram) - 128);
    }
}

enum { X_ADDR = 12 }; /* x12..x19 hold addresses */

/* One instruction: perhaps an add, then an access. Returns false if it faults. */
static bool random_access(Rig *r, State *s, vaddr pc, bool may_fault) {
    IrContext *ctx = r->ctx;
    ir_insn_start(ctx, pc);
    ir_insn_length(ctx, 4);
    uint64_t dice = rig_random(r);
    unsigned reg = (unsigned)(dice >> 8) % X_ADDR,
             base = X_ADDR + (unsigned)(dice >> 16) % 8;
    if (dice & 1) {
        ir_op2i(ctx, IR_add, IR_I64, r->x[reg], r->x[reg], 0x1234567);
        s->env.x[reg] += 0x1234567;
    }
    if (dice & 2) { /* a floating global that is newer than env */
        ir_mov(ctx, IR_F64, r->f[reg], r->f[reg + 1]);
        s->env.f[reg] = s->env.f[reg + 1];
    }
    unsigned size = (unsigned)(dice >> 24) & 3;
    unsigned memop = size | (dice >> 26 & 1 ? MO_SIGN : 0) | (dice >> 27 & 3 ? 0 : MO_BE);
    bool fp = size >= MO_32 && (dice >> 30 & 3) == 0, store = dice >> 32 & 1;
    vaddr addr = s->env.x[base];
    int32_t disp = dice >> 33 & 1 ? 0 : (int32_t)(dice >> 34 & 63) - 32;
    if (may_fault && (dice >> 40) % 16 == 0) {
        disp += 0x200000;
    }
    unsigned bytes = 1u << size;
    uint8_t *p = model_host(s, addr + (uint64_t)(int64_t)disp, bytes);
    IrType type = fp ? size == MO_64 ? IR_F64 : IR_F32 : IR_I64;
    if (fp) {
        memop |= MO_FP;
        memop &= ~(unsigned)MO_SIGN;
    }
    TempId a = r->x[base];
    if (dice >> 50 & 1) {
        a = ir_const_i64(ctx, addr);
    }
    uint64_t v = 0;
    if (store) {
        TempId t;
        if (fp) {
            v = s->env.f[reg];
            t = r->f[reg];
            if (type == IR_F32) {
                t = ir_temp_new(ctx, IR_F32);
                TempId i = ir_temp_new(ctx, IR_I64);
                ir_op1(ctx, IR_fmov_f2i, IR_I64, i, r->f[reg]);
                ir_op1(ctx, IR_fmov_i2f, IR_F32, t, i);
            }
        } else if (dice >> 51 & 1) {
            v = rig_random_value(r);
            t = ir_const_i64(ctx, v);
        } else {
            v = s->env.x[reg];
            t = r->x[reg];
        }
        ir_guest_st(ctx, type, t, a, disp, memop, dice >> 52 & 3);
        if (!p) {
            return false;
        }
        v = rig_swap(rig_extend(v, size), memop);
        memcpy(p, &v, bytes);
        return true;
    }
    TempId out = fp ? r->f[reg] : r->x[reg];
    if (type == IR_F32) {
        out = ir_temp_new(ctx, IR_F32);
    }
    ir_guest_ld(ctx, type, out, a, disp, memop, dice >> 52 & 3);
    if (type == IR_F32) {
        ir_op1(ctx, IR_fbox, IR_F64, r->f[reg], out);
    }
    if (!p) {
        return false;
    }
    memcpy(&v, p, bytes);
    v = rig_extend(rig_swap(v, memop), memop);
    if (fp) {
        s->env.f[reg] = type == IR_F32 ? v | 0xffffffff00000000u : v;
    } else {
        s->env.x[reg] = v;
    }
    return true;
}

static void run_accesses(uint32_t features, bool no_fill, unsigned rounds) {
    Rig *r = rig_new(features);
    State *s = malloc(sizeof(*s));
    r->seed = seed_of_today();
    r->no_fill = no_fill;
    printf("seed %#llx\n", (unsigned long long)r->seed);
    for (unsigned n = 0; n < rounds; n++) {
        uint64_t seed = r->seed;
        if (n % 7 == 0) {
            rig_tlb_flush(r);
        }
        for (unsigned i = 0; i < RIG_X; i++) {
            r->env->x[i] = rig_random_value(r);
            r->env->f[i] = rig_random_value(r);
        }
        for (unsigned i = X_ADDR; i < X_ADDR + 8; i++) {
            r->env->x[i] = random_address(r);
        }
        for (unsigned i = 0; i < sizeof(r->ram); i += 8) {
            uint64_t v = rig_random(r);
            memcpy(r->ram + i, &v, 8);
        }
        s->env = *r->env;
        memcpy(s->ram, r->ram, sizeof(s->ram));
        memcpy(s->slow_ram, r->slow_ram, sizeof(s->slow_ram));
        ir_block_begin(r->ctx);
        unsigned i = 0;
        bool ok = true;
        for (; i < 12 && ok; i++) {
            ok = random_access(r, s, RIG_PC + 4 * i, true);
        }
        ir_exit_tb(r->ctx, TB_EXIT_HALT);
        TranslationBlock *tb = rig_generate(r);
        r->env->pc = 0;
        uintptr_t exit = rig_enter(r, tb);
        assert_int_equal(exit, ok ? TB_EXIT_HALT : TB_EXIT_LOOKUP);
        expect_state(r, s, tb, seed);
        if (!ok) {
            assert_int_equal(r->env->pc, RIG_HANDLER);
            assert_int_equal(r->seen.pc, RIG_PC + 4 * (i - 1));
            assert_memory_equal(r->seen.x, s->env.x, sizeof(s->env.x));
            assert_memory_equal(r->seen.f, s->env.f, sizeof(s->env.f));
        }
        rig_reset(r);
    }
    assert_true(r->loads + r->stores < rounds * 13);
    free(s);
    rig_free(r);
}

static void accesses_do_what_ops_def_says(void **state) {
    (void)state;
    run_accesses(~0u, false, 6000);
}
static void accesses_by_slow_paths_do_the_same(void **state) {
    (void)state;
    run_accesses(~0u, true, 3000);
}
static void accesses_without_host_extensions_do_the_same(void **state) {
    (void)state;
    run_accesses(0, false, 3000);
}

static void a_hit_takes_no_slow_path(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    IrContext *ctx = rig_begin(r, RIG_PC);
    ir_guest_ld(ctx, IR_I64, r->x[1], r->x[2], 8, MO_64, 0);
    ir_guest_st(ctx, IR_I64, r->x[1], r->x[2], 16, MO_32, 0);
    ir_exit_tb(ctx, TB_EXIT_HALT);
    TranslationBlock *tb = rig_generate(r);
    r->env->x[2] = RIG_RAM + 0x100;
    memset(r->ram + 0x108, 0x42, 8);
    rig_enter(r, tb);
    assert_int_equal(r->loads + r->stores, 1);
    rig_enter(r, tb);
    assert_int_equal(r->loads + r->stores, 1);
    assert_int_equal(r->ram[0x113], 0x42);
    assert_int_equal(r->ram[0x114], 0);
    rig_free(r);
}

static void a_store_into_the_running_block_stops_after_its_instruction(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    for (unsigned last = 0; last < 2; last++) {
        IrContext *ctx = rig_begin(r, RIG_PC);
        ir_op2i(ctx, IR_add, IR_I64, r->x[3], r->x[3], 1);
        ir_insn_start(ctx, RIG_PC + 2);
        ir_insn_length(ctx, 4);
        ir_guest_st(ctx, IR_I64, r->x[3], r->x[2], 0, MO_64, 0);
        if (!last) {
            ir_insn_start(ctx, RIG_PC + 6);
            ir_op2i(ctx, IR_add, IR_I64, r->x[3], r->x[3], 100);
        }
        ir_goto_tb(ctx, 0, 0x4000);
        memset(r->env, 0, sizeof(*r->env));
        r->env->x[2] = RIG_RAM;
        r->stop_after = true;
        rig_tlb_flush(r);
        TranslationBlock *tb = rig_generate(r);
        uintptr_t exit = rig_enter(r, tb);
        rig_reset(r);
        assert_int_equal(exit, last ? (uintptr_t)tb : TB_EXIT_LOOKUP);
        assert_int_equal(r->env->pc, last ? 0x4000 : RIG_PC + 6);
        assert_int_equal(r->env->x[3], 1);
        assert_int_equal(r->ram[0], 1);
        assert_int_equal(r->cpu->tcg.stop_after, 0);
    }
    rig_free(r);
}

static void a_stop_waits_for_the_instruction_to_complete(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    IrContext *ctx = rig_begin(r, RIG_PC);
    ir_insn_length(ctx, 4);
    ir_guest_st(ctx, IR_I64, r->x[3], r->x[2], 0, MO_64, 0);
    ir_op2i(ctx, IR_add, IR_I64, r->x[6], r->x[6], 7); /* still the same instruction */
    ir_insn_start(ctx, RIG_PC + 4);
    ir_op2i(ctx, IR_add, IR_I64, r->x[6], r->x[6], 100);
    ir_goto_tb(ctx, 0, 0x4000);
    r->env->x[2] = RIG_RAM;
    r->stop_after = true;
    assert_int_equal(rig_run(r), TB_EXIT_LOOKUP);
    assert_int_equal(r->env->pc, RIG_PC + 4);
    assert_int_equal(r->env->x[6], 7);
    assert_int_equal(r->cpu->tcg.stop_after, 0);
    rig_free(r);
}

static void probes_are_shared(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    r->seed = seed_of_today();
    for (unsigned n = 0; n < 4000; n++) {
        uint64_t dice = rig_random(r);
        unsigned base = 1 + (unsigned)dice % 8, value = 10 + (unsigned)(dice >> 8) % 8,
                 out = 20 + (unsigned)(dice >> 16) % 8;
        int32_t lo = (int32_t)(dice >> 24 & 63) - 32;
        if (n % 5 == 0) {
            rig_tlb_flush(r);
        }
        IrContext *ctx = rig_begin(r, RIG_PC);
        TempId h = ir_temp_new(ctx, IR_I64);
        IrOp *op = ir_emit(ctx, IR_guest_probe, IR_I64);
        op->out = h;
        op->in[0] = r->x[base];
        op->imm = (uint32_t)lo | (uint64_t)24 << 32;
        op->aux = ir_mem_aux(MO_STORE, 1);
        op = ir_emit(ctx, IR_guest_st_at, IR_I64);
        op->in[0] = r->x[base];
        op->in[1] = r->x[value];
        op->in[2] = h;
        op->imm = (uint64_t)(int64_t)lo;
        op->aux = ir_mem_aux(MO_64, 1);
        op = ir_emit(ctx, IR_guest_st_at, IR_I64);
        op->in[0] = r->x[base];
        op->in[1] = ir_const_i64(ctx, 0x77);
        op->in[2] = h;
        op->imm = (uint64_t)(int64_t)(lo + 8);
        op->aux = ir_mem_aux(MO_8, 1);
        op = ir_emit(ctx, IR_guest_ld_at, IR_I64);
        op->out = r->x[out];
        op->in[0] = r->x[base];
        op->in[1] = h;
        op->imm = (uint64_t)(int64_t)(lo + 4);
        op->aux = ir_mem_aux(MO_32 | MO_SIGN, 1);
        ir_exit_tb(ctx, TB_EXIT_HALT);
        vaddr a = random_address(r);
        uint64_t v = rig_random(r);
        r->env->x[base] = a;
        r->env->x[value] = v;
        unsigned probes = r->probes, slow = r->loads + r->stores;
        rig_run(r);
        uint8_t *p = rig_host(r, a + (uint64_t)(int64_t)lo, 16);
        bool one_page = ((a + (uint64_t)(int64_t)lo) ^
                         (a + (uint64_t)(int64_t)(lo + 23))) < PAGE_SIZE;
        assert_memory_equal(p, &v, 8);
        assert_int_equal(p[8], 0x77);
        assert_int_equal(r->env->x[out], (uint64_t)(int32_t)(v >> 32));
        assert_int_equal(r->loads + r->stores - slow, a < RIG_SLOW && one_page ? 0 : 3);
        assert_true(r->probes - probes <= 1);
    }
    rig_free(r);
}

static void atomics_do_what_ops_def_says(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    r->seed = seed_of_today();
    unsigned fast = 0;
    for (unsigned n = 0; n < 20000; n++) {
        uint64_t dice = rig_random(r);
        unsigned memop = dice & (MO_SIZE | MO_SIGN), size = 1u << (memop & MO_SIZE);
        unsigned base = (unsigned)(dice >> 8) % RIG_X,
                 value = (unsigned)(dice >> 16) % RIG_X,
                 want = (unsigned)(dice >> 24) % RIG_X,
                 out = (unsigned)(dice >> 32) % RIG_X;
        if (base == value || base == want) {
            continue;
        }
        bool cas = dice >> 40 & 1, drop = dice >> 41 & 1, in_slow = (dice >> 42) % 8 == 0;
        IrRmw rmw = (IrRmw)((dice >> 48) % RMW_COUNT);
        vaddr a = (in_slow ? RIG_SLOW : RIG_RAM) + (dice >> 52) % 64 * 8;
        uint8_t *p = rig_host(r, a, 8);
        uint64_t old = rig_random_value(r), before, after;
        memcpy(p, &old, 8);
        before = old;
        for (unsigned i = 0; i < RIG_X; i++) {
            r->env->x[i] = rig_random_value(r);
        }
        if (dice >> 60 & 1) {
            r->env->x[want] = old;
        }
        r->env->x[base] = a;
        uint64_t v = r->env->x[value], e = r->env->x[want];
        IrContext *ctx = rig_begin(r, RIG_PC);
        /* both values changed in this block: they come from registers */
        if (dice >> 61 & 1) {
            ir_op2i(ctx, IR_add, IR_I64, r->x[value], r->x[value], 1);
            v++;
            e += want == value;
        }
        TempId o = drop ? ir_temp_new(ctx, IR_I64) : r->x[out];
        if (cas) {
            ir_guest_cas(ctx, o, r->x[base], r->x[want], r->x[value], memop, 0);
        } else {
            ir_guest_rmw(ctx, rmw, o, r->x[base], r->x[value], memop, 0);
        }
        ir_exit_tb(ctx, TB_EXIT_HALT);
        unsigned slow = r->rmws;
        RigEnv env = *r->env;
        assert_int_equal(rig_run(r), TB_EXIT_HALT);
        fast += r->rmws == slow;
        if (cas) {
            after = rig_extend(old, memop & MO_SIZE) == rig_extend(e, memop & MO_SIZE)
                        ? v
                        : old;
        } else {
            after = rig_rmw_value(rmw, old, v, memop);
        }
        memcpy(&before, &after, size);
        memcpy(&after, p, 8);
        assert_int_equal(after, before);
        env.x[value] = v;
        if (!drop) {
            env.x[out] = rig_extend(old, memop);
        }
        assert_memory_equal(r->env->x, env.x, sizeof(env.x));
    }
    assert_true(fast > 15000);
    rig_free(r);
}

static void a_misaligned_atomic_faults(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    IrContext *ctx = rig_begin(r, RIG_PC);
    r->env->x[2] = RIG_RAM + 2;
    r->env->x[1] = 5;
    TempId warm = ir_const_i64(ctx, RIG_RAM);
    ir_guest_ld(ctx, IR_I64, r->x[3], warm, 0, MO_64, 0);
    ir_insn_start(ctx, RIG_PC + 4);
    ir_guest_rmw(ctx, RMW_ADD, r->x[1], r->x[2], r->x[1], MO_32, 0);
    ir_exit_tb(ctx, TB_EXIT_HALT);
    assert_int_equal(rig_run(r), TB_EXIT_LOOKUP);
    assert_int_equal(r->env->pc, RIG_HANDLER);
    assert_int_equal(r->seen.pc, RIG_PC + 4);
    assert_int_equal(r->env->x[1], 5);
    rig_free(r);
}

static void env_fields_are_loaded_and_stored(void **state) {
    (void)state;
    Rig *r = rig_new(~0u);
    r->seed = seed_of_today();
    for (unsigned n = 0; n < 3000; n++) {
        uint64_t dice = rig_random(r);
        unsigned memop = dice & (MO_SIZE | MO_SIGN), reg = (unsigned)(dice >> 8) % RIG_X,
                 out = (unsigned)(dice >> 16) % RIG_X;
        uint64_t v = r->env->x[reg] = rig_random_value(r);
        memset(r->env->field, 0xa5, sizeof(r->env->field));
        IrContext *ctx = rig_begin(r, RIG_PC);
        int64_t at = (int64_t)offsetof(RigEnv, field) + 8;
        ir_env_st(ctx, dice >> 24 & 1 ? ir_const_i64(ctx, v) : r->x[reg], at,
                  memop & MO_SIZE);
        ir_env_ld(ctx, IR_I64, r->x[out], at, memop);
        ir_exit_tb(ctx, TB_EXIT_HALT);
        rig_run(r);
        assert_int_equal(r->env->x[out], rig_extend(v, memop));
        uint64_t want = 0xa5a5a5a5a5a5a5a5u;
        assert_int_equal(r->env->field[0], want);
        memcpy(&want, &v, MO_BYTES(memop));
        assert_int_equal(r->env->field[1], want);
    }
    rig_free(r);
}

/* One line a descriptor, and the lines together are the block: were a descriptor taken for
 * instructions, the lines behind it would not be those of the next stub. */
static void slow_paths_are_disassembled_as_one_line(void **state) {
    static const char *const want[] = {
        "; slow path: load s32 [rbx + 0x8] -> r8; at pc",
        "; slow path: store u16.be [rbx - 0x2], r9; at pc + 0x4",
        "; slow path: store u8 [rbx], 0x7; at pc + 0x8",
        "; slow path: rmw add u64 [rbx], r9 -> rax; at pc + 0xc",
    };
    (void)state;
    Rig *r = rig_new(~0u); /* pins x1, x4 and x7 to rbx, r8 and r9 */
    IrContext *ctx = rig_begin(r, RIG_PC);
    ir_guest_ld(ctx, IR_I64, r->x[4], r->x[1], 8, MO_32 | MO_SIGN, 0);
    ir_insn_start(ctx, RIG_PC + 4);
    ir_guest_st(ctx, IR_I64, r->x[7], r->x[1], -2, MO_16 | MO_BE, 0);
    ir_insn_start(ctx, RIG_PC + 8);
    ir_guest_st(ctx, IR_I64, ir_const_i64(ctx, 7), r->x[1], 0, MO_8, 0);
    ir_insn_start(ctx, RIG_PC + 12);
    ir_guest_rmw(ctx, RMW_ADD, r->x[20], r->x[1], r->x[7], MO_64, 0);
    ir_exit_tb(ctx, TB_EXIT_HALT);
    const TranslationBlock *tb = rig_generate(r);
    const uint8_t *p = tb->code, *end = p + tb->code_size;
    unsigned found = 0, calls = 0;
    while (p < end) {
        char text[128];
        p += x86_disassemble(&r->bs, p, end, (uint64_t)(uintptr_t)p, text, sizeof(text));
        calls += strncmp(text, "call ", 5) == 0;
        if (text[0] == ';') {
            assert_true(found < sizeof(want) / sizeof(want[0]));
            assert_string_equal(text, want[found]);
            assert_int_equal(calls, ++found);
        } else if (strncmp(text, ".byte", 5) == 0) {
            fail_msg("%s", text);
        }
    }
    assert_ptr_equal(p, end);
    assert_int_equal(found, sizeof(want) / sizeof(want[0]));
    rig_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hit_takes_no_slow_path),
        cmocka_unit_test(accesses_do_what_ops_def_says),
        cmocka_unit_test(accesses_by_slow_paths_do_the_same),
        cmocka_unit_test(accesses_without_host_extensions_do_the_same),
        cmocka_unit_test(a_store_into_the_running_block_stops_after_its_instruction),
        cmocka_unit_test(a_stop_waits_for_the_instruction_to_complete),
        cmocka_unit_test(probes_are_shared),
        cmocka_unit_test(atomics_do_what_ops_def_says),
        cmocka_unit_test(a_misaligned_atomic_faults),
        cmocka_unit_test(env_fields_are_loaded_and_stored),
        cmocka_unit_test(slow_paths_are_disassembled_as_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
