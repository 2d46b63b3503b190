/* SPDX-License-Identifier: MIT */
/*
 * Explain: blocks of random programs are made once more and must come out byte for byte; what is written
 * down on the way must fit together; biographies name who did it.
 *
 *   random words from insn32.def and insn16.def --run--> blocks, chained, killed, evicted --explain each-->
 */
#include "riscv_hart.h"

#include "cpu/debug.h"
#include "cpu/explain.h"
#include "cpu/riscv/decode.h"
#include "cpu/softmmu.h"

typedef struct Param {
    unsigned xlen;
    const char *backend;
} Param;

enum {
    A0 = 10,
    WFI = 0x10500073,
    ENOUGH = 1000,
    FEW = 30,
    CODE_BYTES = 64 << 10,
    BUFFER_KIB = 256,
    HANDLER_AT = 0x100000,
};
#define ADDI(rd, imm)      ((uint32_t)((imm) << 20 | (rd) << 15 | (rd) << 7 | 0x13))
#define JAL0(offset)       ((uint32_t)(((offset)&0x7fe) << 20 | 0x6f))
#define CODE_AT(h, offset) ((uint32_t *)(void *)((h)->ram->host + (offset)))

static Hart *new_hart(void **state) {
    const Param *p = *state;
    return hart_new_on(p->xlen, p->xlen == 64 ? "rv64" : "rv32", p->backend,
                       BUFFER_KIB << 10);
}

static CpuExplainer *new_explainer(Hart *h) {
    Error *err = NULL;
    CpuExplainer *ex = cpu_explainer_new(h->group, &h->rams, &err);
    assert_non_null(ex);
    return ex;
}

static void run_from(Hart *h, vaddr pc, unsigned budget) {
    h->cpu->env.pc = pc;
    h->cpu->parent.halted = false;
    cpu_run(&h->cpu->parent, budget);
}

/* A register that points there: RV32 keeps them sign-extended. */
static uint64_t ram_pointer(const Hart *h, uint64_t offset) {
    uint64_t addr = RAM_BASE + offset;
    return h->cpu->cfg.xlen == 64 ? addr : (uint64_t)(int64_t)(int32_t)addr;
}

/* The name of the newest live block at pc. */
static uint64_t block_at(Hart *h, vaddr pc) {
    TbRecord step[TB_WALK_STEP];
    TbWalk walk = {0};
    uint64_t born = 0;
    unsigned n;
    while ((n = tb_walk_next(h->group->cache, &walk, step, TB_WALK_STEP)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            if (step[i].pc == pc && !step[i].death && step[i].born > born) {
                born = step[i].born;
            }
        }
    }
    return born;
}

/* --- every block is identical ----------------------------------------------------------- */

/* Every host byte is of one range; ops, notes and live ranges name what there is. */
static void check_parts(const Explanation *e) {
    uint32_t at = e->range_count ? e->range[0].begin : 0;
    unsigned ops = ir_stages_last(&e->stages)->count;
    for (unsigned i = 0; i < e->range_count; i++) {
        assert_int_equal(e->range[i].begin, at);
        assert_true(e->range[i].op < ops || e->range[i].op == OP_RANGE_NONE);
        at = e->range[i].end;
    }
    assert_int_equal(at, e->code_size);
    for (unsigned i = 0; i < e->note_count; i++) {
        assert_true(e->note[i].op < ops || e->note[i].op == OP_RANGE_NONE);
        assert_non_null(e->stages.temp[e->note[i].temp]);
    }
    for (unsigned i = 0; i < e->stages.live_count; i++) {
        const IrLiveRange *l = &e->stages.live[i];
        assert_true(l->from <= l->to && l->to < ops);
        assert_non_null(e->stages.temp[l->temp]);
    }
    for (unsigned i = 0; i < e->stages.op_count; i++) {
        assert_true(e->stages.op[i].insn < e->insn_count);
    }
}

static unsigned explain_all(Hart *h, CpuExplainer *ex) {
    TbRecord step[TB_WALK_STEP];
    TbWalk walk = {0};
    unsigned n, explained = 0;
    while ((n = tb_walk_next(h->group->cache, &walk, step, TB_WALK_STEP)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            if (step[i].death) {
                continue;
            }
            Error *err = NULL;
            Explanation *e = cpu_explain(ex, step[i].born, &err);
            if (!e) {
                fail_msg("%s", error_message(err));
            }
            if (!e->identical) {
                fail_msg("block at 0x%llx differs at byte %u of %u (now %u)",
                         (unsigned long long)e->tb.pc, e->first_difference,
                         e->tb.code_size, e->code_size);
            }
            check_parts(e);
            explained++;
            explanation_free(e);
        }
    }
    return explained;
}

static uint32_t random_insn(uint64_t *seed, unsigned xlen, unsigned *length) {
    for (;;) {
        const RiscvInsnDef *def = &riscv_insn_defs[random_next(seed) % RISCV_INSN_COUNT];
        uint32_t mask, match;
        *length = riscv_pattern_parse(def->pattern, &mask, &match) / 8;
        if (!def->xlen || def->xlen == xlen) {
            return match | ((uint32_t)random_next(seed) & ~mask);
        }
    }
}

static void fill_with_code(Hart *h, uint64_t *seed) {
    for (unsigned at = 0; at < CODE_BYTES;) {
        unsigned length;
        uint32_t insn = random_insn(seed, h->cpu->cfg.xlen, &length);
        memcpy(h->ram->host + at, &insn, length);
        at += length;
    }
    CODE_AT(h, HANDLER_AT)[0] = WFI;
    CODE_AT(h, HANDLER_AT)[1] = JAL0(-4);
}

/* Random programs loop: their vCPU is told to look up from time to time. */
typedef struct Kicker {
    Hart *h;
    bool stop; /* atomic */
    pthread_t thread;
} Kicker;

static void *kick_often(void *opaque) {
    Kicker *k = opaque;
    while (!__atomic_load_n(&k->stop, __ATOMIC_ACQUIRE)) {
        cpu_kick(&k->h->cpu->parent);
        nanosleep(&(struct timespec){0, 50000}, NULL);
    }
    return NULL;
}

static void start_anywhere(Hart *h, uint64_t *seed) {
    h->cpu->env.mtvec = RAM_BASE + HANDLER_AT;
    for (unsigned i = 1; i < 32; i++) {
        h->cpu->env.gpr[i] = ram_pointer(h, CODE_BYTES) + random_next(seed) % CODE_BYTES;
    }
    run_from(h, RAM_BASE + (random_next(seed) % CODE_BYTES & ~UINT64_C(1)), FEW);
}

static void blocks_of_random_programs_are_identical(void **state) {
    Hart *h = new_hart(state);
    CpuExplainer *ex = new_explainer(h);
    uint64_t seed = random_seed();
    const char *rounds = getenv("VITRINE_ROUNDS");
    unsigned explained = 0;
    Kicker kicker = {h, false, 0};
    pthread_create(&kicker.thread, NULL, kick_often, &kicker);
    for (unsigned round = 0; round < (rounds ? strtoul(rounds, NULL, 0) : 8); round++) {
        fill_with_code(h, &seed);
        tb_cache_flush(h->group->cache, TB_DEATH_FLUSH);
        h->cpu->parent.cls->reset(&h->cpu->parent);
        hart_open_pmp(h);
        h->cpu->env.mstatus |= (round & 1) ? MSTATUS_FS : 0;
        tb_cache_set_profile(h->group->cache, round & 2);
        for (unsigned i = 0; i < 300; i++) {
            hart_set_priv(h, i % 3 == 0 ? PRV_M : i % 3 == 1 ? PRV_S : PRV_U);
            start_anywhere(h, &seed);
        }
        explained += explain_all(h, ex);
    }
    __atomic_store_n(&kicker.stop, true, __ATOMIC_RELEASE);
    pthread_join(kicker.thread, NULL);
    print_message("%u blocks explained\n", explained);
    assert_true(explained > 1000);
    tb_cache_set_profile(h->group->cache, false);
    cpu_explainer_free(ex);
    hart_free(h);
}

/* --- what is written down --------------------------------------------------------------------- */

static const IrStageOp *find_op(const Explanation *e, unsigned stage, uint16_t id) {
    const IrStage *s = &e->stages.stage[stage];
    for (unsigned i = 0; i < s->count; i++) {
        if (e->stages.op[s->first + i].id == id) {
            return &e->stages.op[s->first + i];
        }
    }
    return NULL;
}

/* a0 += 8; ld a1, 16(a0): by the rule "displacement" the load adds both. addi's fields are those of the
 * manual's I-type drawing. */
static void rules_and_fields_are_named(void **state) {
    Hart *h = new_hart(state);
    CODE_AT(h, 0)[0] = 0x00850593; /* addi a1, a0, 8 */
    CODE_AT(h, 0)[1] = 0x0105a603; /* lw a2, 16(a1) */
    CODE_AT(h, 0)[2] = 0xff058593; /* addi a1, a1, -16 */
    CODE_AT(h, 0)[3] = WFI;
    h->cpu->env.gpr[A0] = ram_pointer(h, 0x1000);
    run_from(h, RAM_BASE, ENOUGH);
    CpuExplainer *ex = new_explainer(h);
    Error *err = NULL;
    Explanation *e = cpu_explain(ex, block_at(h, RAM_BASE), &err);
    assert_non_null(e);
    assert_true(e->identical);
    assert_int_equal(e->insn_count, 4);
    assert_string_equal(e->stages.stage[0].name, "front end");
    assert_string_equal(ir_stages_last(&e->stages)->name, "liveness");
    InsnField field[8];
    assert_int_equal(explain_guest_fields(ex, &e->insn[2], field, 8), 5);
    assert_string_equal(explain_guest_row(ex, &e->insn[2]), "addi");
    assert_string_equal(field[0].name, "imm");
    assert_string_equal(field[0].value, "-16");
    assert_int_equal(field[0].hi, 31);
    assert_int_equal(field[0].lo, 20);
    assert_string_equal(field[1].value, "a1");
    assert_string_equal(field[3].name, "rd");
    assert_int_equal(field[4].bits, 0x13);
    bool displaced = false;
    for (unsigned i = 0; i < e->stages.step_count; i++) {
        const IrRuleStep *s = &e->stages.step[i];
        displaced |= s->rule == RULE_displacement &&
                     strstr(e->stages.text + s->text, "[a0 + 0x18]") &&
                     find_op(e, 0, s->id)->insn == 1;
    }
    if (h->cpu->cfg.xlen == 64) { /* RV32 wraps the sum first */
        assert_true(displaced);
    }
    explanation_free(e);
    cpu_explainer_free(ex);
    hart_free(h);
}

static void changed_bytes_are_not_called_identical(void **state) {
    Hart *h = new_hart(state);
    CODE_AT(h, 0)[0] = ADDI(A0, 1);
    CODE_AT(h, 0)[1] = WFI;
    run_from(h, RAM_BASE, ENOUGH);
    uint64_t born = block_at(h, RAM_BASE);
    CpuExplainer *ex = new_explainer(h);
    Error *err = NULL;
    CODE_AT(h, 0)[0] = ADDI(A0, 2); /* behind everybody's back */
    Explanation *e = cpu_explain(ex, born, &err);
    assert_non_null(e);
    assert_false(e->identical);
    assert_true(e->different_bytes >= 1);
    assert_non_null(e->doubt);
    explanation_free(e);
    assert_null(cpu_explain(ex, 1000000, &err));
    assert_non_null(strstr(error_message(err), "1000000"));
    error_free(err);
    cpu_explainer_free(ex);
    hart_free(h);
}

/* A break point makes a block that only stops, and ends the one before it. */
static void blocks_around_a_break_point_are_identical(void **state) {
    Hart *h = new_hart(state);
    Error *err = NULL;
    for (unsigned i = 0; i < 4; i++) {
        CODE_AT(h, 0)[i] = ADDI(A0, 1);
    }
    CODE_AT(h, 0)[4] = WFI;
    assert_int_not_equal(debug_add_break(h->group, DEBUG_OWNER_GDB, RAM_BASE + 8, &err),
                         0);
    run_from(h, RAM_BASE, ENOUGH);
    assert_int_equal(h->cpu->env.pc, RAM_BASE + 8);
    CpuExplainer *ex = new_explainer(h);
    Explanation *e = cpu_explain(ex, block_at(h, RAM_BASE), &err);
    assert_non_null(e);
    assert_int_equal(e->tb.insns, 2);
    assert_true(e->identical);
    explanation_free(e);
    e = cpu_explain(ex, block_at(h, RAM_BASE + 8), &err);
    assert_non_null(e);
    assert_int_equal(e->tb.insns, 0);
    assert_true(e->identical);
    explanation_free(e);
    cpu_explainer_free(ex);
    hart_free(h);
}

/* --- biography ------------------------------------------------------------------------------------- */

static void biography_names_the_store_and_the_heir(void **state) {
    Hart *h = new_hart(state);
    TbCache *tc = h->group->cache;
    const uint32_t store = 0x00b52023; /* sw a1, 0(a0) */
    CODE_AT(h, 0)[0] = ADDI(A0, 1);
    CODE_AT(h, 0)[1] = WFI;
    CODE_AT(h, 0x2000)[0] = ADDI(9, 0);
    CODE_AT(h, 0x2000)[1] = store;
    CODE_AT(h, 0x2000)[2] = WFI;
    run_from(h, RAM_BASE, ENOUGH);
    uint64_t first = block_at(h, RAM_BASE);
    h->cpu->env.gpr[A0] = ram_pointer(h, 0);
    h->cpu->env.gpr[A0 + 1] = ADDI(A0, 3);
    run_from(h, RAM_BASE + 0x2000, ENOUGH);
    TbObituary o;
    assert_true(tb_obituary(tc, first, &o));
    assert_int_equal(o.death, TB_DEATH_STORE);
    assert_int_equal(o.birth, TB_BIRTH_FIRST);
    assert_int_equal(o.by.hart, 0);
    assert_int_equal(o.by.pc, RAM_BASE + 0x2004);
    assert_int_equal(o.by.addr, h->ram->base);
    assert_int_equal(o.by.len, 4);
    run_from(h, RAM_BASE, ENOUGH);
    TbRecord heir;
    assert_true(tb_record_get(tc, block_at(h, RAM_BASE), &heir, NULL, NULL));
    assert_int_equal(heir.birth, TB_BIRTH_AGAIN);
    assert_int_equal(heir.parent, first);
    hart_set_priv(h, PRV_S); /* the same bytes for another privilege */
    hart_open_pmp(h);
    run_from(h, RAM_BASE, ENOUGH);
    TbRecord other;
    assert_true(tb_record_get(tc, block_at(h, RAM_BASE), &other, NULL, NULL));
    assert_int_equal(other.birth, TB_BIRTH_FLAGS);
    assert_int_equal(other.parent, heir.born);
    hart_free(h);
}

static void profile_counts_blocks_from_the_switch_on(void **state) {
    enum { TIMES = 5 };
    Hart *h = new_hart(state);
    TbCache *tc = h->group->cache;
    CODE_AT(h, 0)[0] = ADDI(A0, 1);
    CODE_AT(h, 0)[1] = WFI;
    run_from(h, RAM_BASE, ENOUGH);
    uint64_t before = block_at(h, RAM_BASE);
    tb_cache_set_profile(tc, true);
    TbObituary o;
    assert_true(tb_obituary(tc, before, &o));
    assert_int_equal(o.death, TB_DEATH_PROFILE);
    for (unsigned i = 0; i < TIMES; i++) {
        run_from(h, RAM_BASE, ENOUGH);
    }
    TbRecord r;
    assert_true(tb_record_get(tc, block_at(h, RAM_BASE), &r, NULL, NULL));
    assert_true(r.profiled);
    assert_int_equal(r.run_count, TIMES);
    tb_cache_set_profile(tc, false);
    hart_free(h);
}

static void profile_counts_accesses_of_blocks(void **state) {
    enum { TIMES = 5, ACCESSES = 3 };
    Hart *h = new_hart(state);
    TbCache *tc = h->group->cache;
    const uint64_t *accesses = &h->cpu->parent.tcg.accesses;
    CODE_AT(h, 0)[0] = 0x00000517; /* auipc a0, 0 */
    CODE_AT(h, 0)[1] = 0x10052583; /* lw a1, 256(a0) */
    CODE_AT(h, 0)[2] = 0x10b52423; /* sw a1, 264(a0) */
    CODE_AT(h, 0)[3] = 0x00058613; /* addi a2, a1, 0 */
    CODE_AT(h, 0)[4] = 0x10054683; /* lbu a3, 256(a0) */
    CODE_AT(h, 0)[5] = WFI;
    run_from(h, RAM_BASE, ENOUGH);
    assert_int_equal(*accesses, 0); /* nobody asked */
    tb_cache_set_profile(tc, true);
    for (unsigned i = 0; i < TIMES; i++) {
        run_from(h, RAM_BASE, ENOUGH);
    }
    assert_int_equal(*accesses, TIMES * ACCESSES);
    tb_cache_set_profile(tc, false);
    run_from(h, RAM_BASE, ENOUGH);
    assert_int_equal(*accesses, TIMES * ACCESSES);
    hart_free(h);
}

static void a_walk_sees_each_block_once_and_chains_by_name(void **state) {
    enum { PIECES = 600, STEP = 64 };
    Hart *h = new_hart(state);
    for (unsigned i = 0; i < PIECES; i++) {
        CODE_AT(h, i * STEP)[0] = ADDI(A0, 1);
        CODE_AT(h, i * STEP)[1] = JAL0(STEP - 4);
    }
    CODE_AT(h, PIECES * STEP)[0] = WFI;
    run_from(h, RAM_BASE, ENOUGH);
    run_from(h, RAM_BASE, ENOUGH);
    static uint8_t seen[4 * PIECES];
    memset(seen, 0, sizeof(seen));
    TbRecord step[7];
    TbWalk walk = {0};
    unsigned n, total = 0;
    while ((n = tb_walk_next(h->group->cache, &walk, step, 7)) > 0) {
        assert_true(n <= 7);
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(seen[step[i].born]++, 0);
            total++;
        }
    }
    assert_true(total > PIECES);
    uint64_t second = block_at(h, RAM_BASE + STEP), incoming[4];
    unsigned count = 4;
    TbRecord first;
    assert_true(
        tb_record_get(h->group->cache, block_at(h, RAM_BASE), &first, NULL, NULL));
    assert_true(first.slots_chained);
    assert_true(first.to[0] == second || first.to[1] == second);
    TbRecord r;
    assert_true(tb_record_get(h->group->cache, second, &r, incoming, &count));
    assert_int_equal(count, 1);
    assert_int_equal(incoming[0], first.born);
    hart_free(h);
}

#define ON(test, xlen, backend)                                                          \
    {                                                                                    \
#test " rv" #xlen " " backend, test, NULL, NULL, &(Param) {                      \
            xlen, backend                                                                \
        }                                                                                \
    }
#define ON_ALL(test)                                                                     \
    ON(test, 64, "x86_64"), ON(test, 32, "x86_64"), ON(test, 64, "interp"),              \
        ON(test, 32, "interp")

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_ALL(blocks_of_random_programs_are_identical),
        ON_ALL(rules_and_fields_are_named),
        ON_ALL(changed_bytes_are_not_called_identical),
        ON_ALL(blocks_around_a_break_point_are_identical),
        ON_ALL(biography_names_the_store_and_the_heir),
        ON_ALL(profile_counts_blocks_from_the_switch_on),
        ON_ALL(profile_counts_accesses_of_blocks),
        ON_ALL(a_walk_sees_each_block_once_and_chains_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
