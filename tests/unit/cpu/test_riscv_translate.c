/* SPDX-License-Identifier: MIT */
/*
 * The RISC-V front end: each integer instruction does what the manual's formula says,
 * with edge values and random ones, RV64 and RV32, on every back end of this build; and
 * blocks begin, end and fault where they should.
 *
 * Expected values: the manual's formulas (Unprivileged ISA 20240411), written out in C in
 * riscv_formulas.def and computed by the host.
 */
#include "riscv_rig.h"

#include <time.h>

static uint64_t next_random(uint64_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static const char *const backend_names[] = {"interp", "x86_64"};
enum { BACKENDS = 2 };

/* NULL: not in this build. */
static const Backend *backend_at(unsigned i) {
    const Backend *b = tcg_backend_find(backend_names[i]);
    if (!b) {
        print_message("SKIPPED: this build has no back end %s\n", backend_names[i]);
    }
    return b;
}

/* --- formulas ----------------------------------------------------------------------- */
/* x, y: operands as the register holds them; y is the immediate where there is one.
 * L: XLEN; SX, SY, UX, UY: as signed and unsigned XLEN-bit numbers. */
typedef struct Operands {
    uint64_t x, y;
    unsigned L;
    int64_t SX, SY;
    uint64_t UX, UY;
} Operands;

typedef __int128 int128;
typedef unsigned __int128 uint128;

static uint128 carryless(uint64_t x, uint64_t y) {
    uint128 sum = 0;
    for (unsigned i = 0; i < 64; i++) {
        sum ^= y >> i & 1 ? (uint128)x << i : 0;
    }
    return sum;
}
static int64_t min_of(unsigned L) {
    return L == 64 ? INT64_MIN : INT32_MIN;
}
static int64_t divide(int64_t x, int64_t y, unsigned L) {
    return y == 0 ? -1 : x == min_of(L) && y == -1 ? x : x / y;
}
static int64_t remainder_of(int64_t x, int64_t y, unsigned L) {
    return y == 0 ? x : x == min_of(L) && y == -1 ? 0 : x % y;
}
static uint64_t count_bits(uint64_t x, unsigned L, bool leading, bool all) {
    uint64_t n = 0;
    for (unsigned i = 0; i < L; i++) {
        bool set = x >> (leading ? L - 1 - i : i) & 1;
        if (set && !all) {
            return n;
        }
        n += all ? set : 1;
    }
    return n;
}
static uint64_t bytes_reversed(uint64_t x, unsigned L) {
    uint64_t r = 0;
    for (unsigned i = 0; i < L; i += 8) {
        r |= (x >> i & 0xff) << (L - 8 - i);
    }
    return r;
}
static uint64_t bytes_filled(uint64_t x, unsigned L) {
    uint64_t r = 0;
    for (unsigned i = 0; i < L; i += 8) {
        r |= x >> i & 0xff ? UINT64_C(0xff) << i : 0;
    }
    return r;
}
static uint64_t rotate_right(uint64_t x, unsigned n, unsigned L) {
    return n % L ? x >> n % L | x << (L - n % L) : x;
}
static uint64_t word(uint64_t x) { /* sign-extended */
    return (uint64_t)(int64_t)(int32_t)x;
}

#define FORMULA(name, formula)                                                           \
    static uint64_t formula_##name(const Operands *o) {                                  \
        const uint64_t x = o->x, y = o->y, UX = o->UX, UY = o->UY;                       \
        const int64_t SX = o->SX, SY = o->SY;                                            \
        const unsigned L = o->L;                                                         \
        (void)x, (void)y, (void)UX, (void)UY, (void)SX, (void)SY, (void)L;               \
        return (uint64_t)(formula);                                                      \
    }
#include "riscv_formulas.def"
#undef FORMULA

typedef struct Formula {
    RiscvInsnId id;
    uint64_t (*fn)(const Operands *o);
} Formula;

static const Formula formulas[] = {
#define FORMULA(name, formula) {RISCV_INSN_##name, formula_##name},
#include "riscv_formulas.def"
#undef FORMULA
};

static const uint64_t edges[] = {
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x7fffffffffffffff,
    0x8000000000000000,
    0xffffffffffffffff,
    0xfffffffffffffffe,
    0xffffffff80000000,
    0xffffffff7fffffff,
    0x0123456789abcdef,
    0x00ff00ff00ff00ff,
};
enum { EDGES = sizeof(edges) / sizeof(edges[0]) };

static uint64_t operand(unsigned n, uint64_t *seed, unsigned L) {
    uint64_t v = n < EDGES ? edges[n] : next_random(seed) >> next_random(seed) % 64;
    return L == 32 ? word(v) : v;
}

/* Registers of an encoding: rd, rs1, rs2; equal ones and x0 included. */
static const uint8_t register_sets[][3] = {
    {10, 11, 12}, {10, 10, 12}, {10, 11, 10}, {10, 11, 11}, {10, 10, 10},
    {10, 0, 12},  {10, 11, 0},  {0, 11, 12},  {31, 30, 29},
};
enum { REGISTER_SETS = sizeof(register_sets) / sizeof(register_sets[0]) };

static bool has_letter(const RiscvInsnDef *def, char letter) {
    return strchr(def->pattern, letter) != NULL;
}

typedef struct Try {
    const RiscvInsnDef *def;
    uint32_t bits;
    Operands o;
    unsigned rd;
} Try;

/* Encodes def with registers r and a random immediate; puts the operands' values in
 * registers. */
static Try make_try(Rig *rig, const RiscvInsnDef *def, const uint8_t r[3], uint64_t x,
                    uint64_t y, uint64_t *seed) {
    unsigned L = rig->cpu->cfg.xlen;
    uint32_t mask, match;
    riscv_pattern_parse(def->pattern, &mask, &match);
    Try t = {.def = def,
             .bits = match | (uint32_t)r[0] << 7 | (uint32_t)r[1] << 15,
             .rd = r[0]};
    uint64_t *gpr = rig->cpu->env.gpr;
    for (unsigned i = 1; i < 32; i++) {
        gpr[i] = L == 32 ? word(next_random(seed)) : next_random(seed);
    }
    gpr[r[2]] = y;
    gpr[r[1]] = x;
    gpr[0] = 0;
    if (has_letter(def, 'i')) {
        uint32_t imm =
            (uint32_t)(next_random(seed) % 4 ? next_random(seed) : -(y & 1)) & 0xfff;
        t.bits |= imm << 20;
        y = (uint64_t)((int64_t)((uint64_t)imm << 52) >> 52);
    } else if (has_letter(def, 'h')) {
        unsigned places = 0;
        for (const char *p = def->pattern; *p; p++) {
            places += *p == 'h';
        }
        y &= (1u << places) - 1;
        t.bits |= (uint32_t)y << 20;
    } else {
        t.bits |= has_letter(def, 't') ? (uint32_t)r[2] << 20 : 0;
        y = gpr[r[2]];
    }
    x = gpr[r[1]];
    t.o = (Operands){.x = x,
                     .y = y,
                     .L = L,
                     .SX = (int64_t)x,
                     .SY = (int64_t)y,
                     .UX = L == 32 ? (uint32_t)x : x,
                     .UY = L == 32 ? (uint32_t)y : y};
    return t;
}

static void check_try(Rig *rig, const Formula *f, const Try *t) {
    uint64_t before[32];
    memcpy(before, rig->cpu->env.gpr, sizeof(before));
    uint64_t want = f->fn(&t->o);
    before[t->rd] = t->o.L == 32 ? word(want) : want;
    before[0] = 0;
    rig_put(rig, CODE_BASE, &t->bits, 1);
    assert_true(rig_translate(rig, CODE_BASE, RIG_FLAGS, 1));
    rig_run(rig);
    if (memcmp(before, rig->cpu->env.gpr, sizeof(before)) != 0) {
        fail_msg("%s, RV%u, %s %08x: x %llx y %llx: %llx, want %llx", rig->backend->name,
                 t->o.L, t->def->id, t->bits, (unsigned long long)t->o.x,
                 (unsigned long long)t->o.y, (unsigned long long)rig->cpu->env.gpr[t->rd],
                 (unsigned long long)before[t->rd]);
    }
    assert_int_equal(rig->cpu->env.pc, CODE_BASE + 4);
    assert_int_equal(rig->exit, TB_EXIT_SLOT0);
}

static void run_formulas(Rig *rig, uint64_t seed) {
    unsigned L = rig->cpu->cfg.xlen;
    for (size_t i = 0; i < sizeof(formulas) / sizeof(formulas[0]); i++) {
        const RiscvInsnDef *def = &riscv_insn_defs[formulas[i].id];
        if (def->xlen && def->xlen != L) {
            continue;
        }
        for (unsigned n = 0; n < EDGES * EDGES + 40; n++) {
            uint64_t x = operand(n < EDGES * EDGES ? n % EDGES : EDGES, &seed, L);
            uint64_t y = operand(n < EDGES * EDGES ? n / EDGES : EDGES, &seed, L);
            const uint8_t *r = register_sets[n % 3 ? 0 : n / 3 % REGISTER_SETS];
            Try t = make_try(rig, def, r, x, y, &seed);
            check_try(rig, &formulas[i], &t);
        }
    }
}

static void arithmetic_follows_the_manuals_formulas(void **state) {
    (void)state;
    uint64_t seed = (uint64_t)time(NULL) * 2654435761u | 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < BACKENDS; i++) {
        const Backend *b = backend_at(i);
        for (unsigned xlen = 32; b && xlen <= 64; xlen += 32) {
            Rig *rig = rig_new(xlen, b);
            run_formulas(rig, seed);
            rig_free(rig);
        }
    }
}

/* --- helpers of the tests below ----------------------------------------------------- */
enum { ZERO, RA, SP, A0 = 10, A1, A2, A3 };

static void run_words(Rig *rig, uint32_t flags, const uint32_t *words, unsigned count) {
    rig_put(rig, CODE_BASE, words, count);
    assert_true(rig_translate(rig, CODE_BASE, flags, count));
    rig_run(rig);
}
#define RUN(rig, flags, ...)                                                             \
    run_words(rig, flags, (const uint32_t[]){__VA_ARGS__},                               \
              sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* Runs a test body on each back end and XLEN. */
typedef void Body(Rig *rig);
static void on_each(Body *body, unsigned xlens) {
    for (unsigned i = 0; i < BACKENDS; i++) {
        const Backend *b = backend_at(i);
        for (unsigned xlen = 32; b && xlen <= 64; xlen += 32) {
            if (xlens & xlen) {
                Rig *rig = rig_new(xlen, b);
                body(rig);
                rig_free(rig);
            }
        }
    }
}
enum { RV32 = 32, RV64 = 64, BOTH = 96 };

/* --- loads and stores --------------------------------------------------------------- */
static void loads_body(Rig *rig) {
    RiscvEnv *env = &rig->cpu->env;
    for (unsigned i = 0; i < PAGE_SIZE; i++) {
        rig->ram[i] = (uint8_t)(0x81 + i * 3);
    }
    const uint64_t at = DATA_BASE + 64;
    /* lb, lh, lw, lbu, lhu a0,-8(a1): bytes there are 0x81 + 56 * 3 = 0x29, 2c, 2f, 32,
     * ... */
    env->gpr[A1] = at;
    RUN(rig, RIG_FLAGS, 0xff858503);
    assert_int_equal(env->gpr[A0], 0x29);
    rig->ram[57] = 0xac;
    rig->ram[59] = 0xb2;
    rig->ram[56] = 0xa9;
    RUN(rig, RIG_FLAGS, 0xff858503);
    assert_int_equal(env->gpr[A0], 0xffffffffffffffa9);
    RUN(rig, RIG_FLAGS, 0xff859503);
    assert_int_equal(env->gpr[A0], 0xffffffffffffaca9);
    RUN(rig, RIG_FLAGS, 0xff85a503);
    assert_int_equal(env->gpr[A0], 0xffffffffb22faca9);
    RUN(rig, RIG_FLAGS, 0xff85c503);
    assert_int_equal(env->gpr[A0], 0xa9);
    RUN(rig, RIG_FLAGS, 0xff85d503);
    assert_int_equal(env->gpr[A0], 0xaca9);
    /* lw a1,-8(a1): the base is overwritten */
    RUN(rig, RIG_FLAGS, 0xff85a583);
    assert_int_equal(env->gpr[A1], 0xffffffffb22faca9);
    /* sb, sh, sw a0,1(a1) */
    env->gpr[A1] = at;
    env->gpr[A0] = 0x1122334455667788;
    RUN(rig, RIG_FLAGS, 0x00a580a3);
    assert_int_equal(rig->ram[65], 0x88);
    assert_int_equal(rig->ram[66], (uint8_t)(0x81 + 66 * 3));
    RUN(rig, RIG_FLAGS, 0x00a590a3);
    assert_memory_equal(rig->ram + 65, "\x88\x77", 2);
    RUN(rig, RIG_FLAGS, 0x00a5a0a3);
    assert_memory_equal(rig->ram + 65, "\x88\x77\x66\x55", 4);
}

static void loads_extend_and_stores_truncate(void **state) {
    (void)state;
    on_each(loads_body, BOTH);
}

static void loads64_body(Rig *rig) {
    RiscvEnv *env = &rig->cpu->env;
    memcpy(rig->ram, "\x01\x02\x03\x84\x05\x06\x07\x88", 8);
    env->gpr[A1] = DATA_BASE;
    RUN(rig, RIG_FLAGS, 0x0005b503); /* ld a0,0(a1) */
    assert_int_equal(env->gpr[A0], 0x8807060584030201);
    RUN(rig, RIG_FLAGS, 0x0005e503); /* lwu a0,0(a1) */
    assert_int_equal(env->gpr[A0], 0x84030201);
    RUN(rig, RIG_FLAGS, 0x02b5b423); /* sd a1,40(a1) */
    uint64_t v;
    memcpy(&v, rig->ram + 40, 8);
    assert_int_equal(v, DATA_BASE);
}

static void rv64_loads_and_stores_doublewords(void **state) {
    (void)state;
    on_each(loads64_body, RV64);
}

static void faults_body(Rig *rig) {
    RiscvEnv *env = &rig->cpu->env;
    /* addi a2,a2,1; lw a0,4(a1); addi a2,a2,1 with a bad address */
    env->gpr[A0] = 77;
    env->gpr[A1] = 0x500;
    env->gpr[A2] = 0;
    RUN(rig, RIG_FLAGS, 0x00160613, 0x0045a503, 0x00160613);
    assert_int_equal(env->gpr[A0], 77);
    assert_int_equal(env->gpr[A2], 1);
    assert_int_equal(env->mcause, CAUSE_LOAD_ACCESS);
    assert_int_equal(env->mtval, 0x504);
    assert_int_equal(env->mepc,
                     rig->cpu->cfg.xlen == 32 ? word(CODE_BASE + 4) : CODE_BASE + 4);
    assert_int_equal(env->pc, HANDLER);
    /* sw a0,2(a1), misaligned: allowed, or a fault where the configuration says so */
    env->gpr[A1] = DATA_BASE;
    RUN(rig, RIG_FLAGS, 0x00a5a123);
    assert_int_equal(env->pc, CODE_BASE + 4);
    RUN(rig, RIG_FLAGS | TBF_ALIGN, 0x00a5a123);
    assert_int_equal(env->mcause, CAUSE_STORE_MISALIGNED);
    assert_int_equal(env->mtval, DATA_BASE + 2);
}

static void faults_keep_what_came_before_and_nothing_after(void **state) {
    (void)state;
    on_each(faults_body, BOTH);
}

static void rv32_wrap_body(Rig *rig) {
    RiscvEnv *env = &rig->cpu->env;
    env->gpr[A1] = word(0xfffffffc);
    env->gpr[A0] = 0;
    RUN(rig, RIG_FLAGS, 0x0085a503); /* lw a0,8(a1) */
    assert_int_equal(env->mtval, 4);
    env->gpr[A1] = word(0x80000000);
    RUN(rig, RIG_FLAGS, 0x0085a503);
    assert_int_equal((uint32_t)env->mtval, 0x80000008);
}

static void rv32_addresses_wrap_at_4gib(void **state) {
    (void)state;
    on_each(rv32_wrap_body, RV32);
}

/* --- A ------------------------------------------------------------------------------ */
static void lrsc_body(Rig *rig) {
    RiscvEnv *env = &rig->cpu->env;
    const uint32_t lr = 0x1005a52f /* lr.w a0,(a1) */,
                   sc = 0x18c5a6af /* sc.w a3,a2,(a1) */;
    const uint32_t initial = 0x80000001;
    memcpy(rig->ram + 16, &initial, 4);
    env->gpr[A1] = DATA_BASE + 16;
    env->gpr[A2] = 0x55;
    RUN(rig, RIG_FLAGS, lr, sc, sc);
    uint32_t now;
    memcpy(&now, rig->ram + 16, 4);
    assert_int_equal(now, 0x55);
    assert_int_equal(env->gpr[A0], word(initial));
    assert_int_equal(env->gpr[A3], 1); /* the second one has no reservation */
    RUN(rig, RIG_FLAGS, lr, sc);
    assert_int_equal(env->gpr[A3], 0);
    /* another address, and a value changed in between */
    RUN(rig, RIG_FLAGS, lr);
    env->gpr[A1] += 4;
    RUN(rig, RIG_FLAGS, sc);
    assert_int_equal(env->gpr[A3], 1);
    env->gpr[A1] -= 4;
    RUN(rig, RIG_FLAGS, lr);
    rig->ram[16] ^= 1;
    RUN(rig, RIG_FLAGS, sc);
    assert_int_equal(env->gpr[A3], 1);
    /* misaligned, with and without reservation: mcause and no result */
    env->gpr[A1] += 2;
    env->gpr[A3] = 99;
    env->mcause = 0;
    RUN(rig, RIG_FLAGS, sc);
    assert_int_equal(env->mcause, CAUSE_STORE_MISALIGNED);
    assert_int_equal(env->mtval, DATA_BASE + 18);
    assert_int_equal(env->gpr[A3], 99);
    RUN(rig, RIG_FLAGS, lr);
    assert_int_equal(env->mcause, CAUSE_LOAD_MISALIGNED);
    /* lr.w a1,(a1): rd is the address */
    env->gpr[A1] = DATA_BASE + 16;
    RUN(rig, RIG_FLAGS, 0x1005a5af);
    assert_int_equal(rig->cpu->parent.tcg.reservation_addr, DATA_BASE + 16);
}

static void sc_succeeds_once_after_lr(void **state) {
    (void)state;
    on_each(lrsc_body, BOTH);
}

typedef struct AmoCase {
    uint32_t bits; /* amoX.w a0,a2,(a1) */
    uint32_t want; /* memory after, from 0x80000000 and 0x7fffffff */
} AmoCase;

static void amo_body(Rig *rig) {
    static const AmoCase cases[] = {
        {0x08c5a52f, 0x7fffffff}, {0x00c5a52f, 0xffffffff}, {0x20c5a52f, 0xffffffff},
        {0x60c5a52f, 0x00000000}, {0x40c5a52f, 0xffffffff}, {0x80c5a52f, 0x80000000},
        {0xa0c5a52f, 0x7fffffff}, {0xc0c5a52f, 0x7fffffff}, {0xe0c5a52f, 0x80000000},
    };
    RiscvEnv *env = &rig->cpu->env;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint32_t memory = 0x80000000;
        uint32_t now;
        memcpy(rig->ram + 8, &memory, 4);
        env->gpr[A1] = DATA_BASE + 8;
        env->gpr[A2] = 0x7fffffff;
        RUN(rig, RIG_FLAGS, cases[i].bits);
        memcpy(&now, rig->ram + 8, 4);
        assert_int_equal(now, cases[i].want);
        assert_int_equal(env->gpr[A0], word(memory));
        env->gpr[A1] = DATA_BASE + 9;
        RUN(rig, RIG_FLAGS, cases[i].bits);
        assert_int_equal(env->mcause, CAUSE_STORE_MISALIGNED);
    }
}

static void amos_return_the_old_word_sign_extended(void **state) {
    (void)state;
    on_each(amo_body, BOTH);
}

/* --- jumps and branches ------------------------------------------------------------- */
static void branches_body(Rig *rig) {
    static const uint32_t branch[] = {0x04b50063, 0x04b51063, 0x04b54063,
                                      0x04b55063, 0x04b56063, 0x04b57063};
    RiscvEnv *env = &rig->cpu->env;
    bool rv32 = rig->cpu->cfg.xlen == 32;
    for (unsigned i = 0; i < EDGES; i++) {
        for (unsigned j = 0; j < EDGES; j++) {
            uint64_t a = rv32 ? word(edges[i]) : edges[i],
                     b = rv32 ? word(edges[j]) : edges[j];
            const bool taken[] = {
                a == b, a != b, (int64_t)a < (int64_t)b, (int64_t)a >= (int64_t)b,
                a < b,  a >= b};
            for (unsigned k = 0; k < 6; k++) {
                env->gpr[A0] = a;
                env->gpr[A1] = b;
                RUN(rig, RIG_FLAGS, branch[k]);
                assert_int_equal(env->pc, CODE_BASE + (taken[k] ? 64 : 4));
                assert_int_equal(rig->exit, taken[k] ? TB_EXIT_SLOT1 : TB_EXIT_SLOT0);
            }
        }
    }
}

static void branches_go_where_the_condition_says(void **state) {
    (void)state;
    on_each(branches_body, BOTH);
}

static void jumps_body(Rig *rig) {
    RiscvEnv *env = &rig->cpu->env;
    bool rv32 = rig->cpu->cfg.xlen == 32;
    uint64_t link = rv32 ? word(CODE_BASE + 4) : CODE_BASE + 4;
    RUN(rig, RIG_FLAGS, 0x040000ef); /* jal ra,.+64 */
    assert_int_equal(env->gpr[RA], link);
    assert_int_equal(env->pc, CODE_BASE + 64);
    assert_int_equal(rig->exit, TB_EXIT_SLOT0);
    env->gpr[RA] = 0x80001001;
    RUN(rig, RIG_FLAGS,
        0x004080e7); /* jalr ra,4(ra): bit 0 is cleared, the old ra counts */
    assert_int_equal(env->pc, 0x80001004);
    assert_int_equal(env->gpr[RA], link);
    assert_int_equal(rig->exit, TB_EXIT_LOOKUP);
    env->gpr[RA] = UINT64_MAX;
    RUN(rig, RIG_FLAGS, 0x00108067); /* jalr zero,1(ra): wraps to 0 */
    assert_int_equal(env->pc, 0);
    /* auipc a0,0x80000 and lui a0,0x80000 */
    RUN(rig, RIG_FLAGS, 0x80000517);
    assert_int_equal(env->gpr[A0], rv32 ? 0 : 0x80000000 + 0xffffffff80000000u);
    RUN(rig, RIG_FLAGS, 0x80000537);
    assert_int_equal(env->gpr[A0], 0xffffffff80000000);
}

static void jumps_link_and_clear_bit_0(void **state) {
    (void)state;
    on_each(jumps_body, BOTH);
}

static void misaligned_jumps_body(Rig *rig) {
    RiscvEnv *env = &rig->cpu->env;
    rig->cpu->cfg.c = false;
    env->gpr[RA] = 5;
    RUN(rig, RIG_FLAGS, 0x042000ef); /* jal ra,.+66 */
    assert_int_equal(env->mcause, CAUSE_INSN_MISALIGNED);
    assert_int_equal((uint32_t)env->mtval, CODE_BASE + 66);
    assert_int_equal(env->gpr[RA], 5);
    env->mcause = 99;
    env->gpr[A0] = 1;
    env->gpr[A1] = 1;
    RUN(rig, RIG_FLAGS, 0x04b50163); /* beq a0,a1,.+66 */
    assert_int_equal(env->mcause, CAUSE_INSN_MISALIGNED);
    env->mcause = 99;
    env->gpr[A1] = 2;
    RUN(rig, RIG_FLAGS, 0x04b50163);
    assert_int_equal(env->mcause, 99);
    assert_int_equal(env->pc, CODE_BASE + 4);
    env->gpr[A0] = 0x80000102;
    RUN(rig, RIG_FLAGS, 0x000500e7); /* jalr ra,0(a0) */
    assert_int_equal(env->mcause, CAUSE_INSN_MISALIGNED);
    assert_int_equal((uint32_t)env->mtval, 0x80000102);
    assert_int_equal(env->gpr[RA], 5);
    env->mcause = 99;
    RUN(rig, RIG_FLAGS, 0x002500e7); /* jalr ra,2(a0) */
    assert_int_equal(env->mcause, 99);
    assert_int_equal(env->pc, 0x80000104);
}

static void without_c_jumps_to_odd_halfwords_raise(void **state) {
    (void)state;
    on_each(misaligned_jumps_body, BOTH);
}

/* --- blocks ------------------------------------------------------------------------- */
static const uint32_t nop = 0x00000013, c_nop = 0x0001;

static void block_ends_body(Rig *rig) {
    RiscvEnv *env = &rig->cpu->env;
    /* max_insns */
    const uint32_t five[] = {nop, c_nop, nop, c_nop, nop};
    rig_put(rig, CODE_BASE, five, 5);
    assert_true(rig_translate(rig, CODE_BASE, RIG_FLAGS, 4));
    assert_int_equal(rig->tb.insns, 4);
    assert_int_equal(rig->tb.size, 12);
    rig_run(rig);
    assert_int_equal(env->pc, CODE_BASE + 12);
    /* the page's end: an instruction that would cross it is left out unless it is the
     * first */
    const uint32_t edge[] = {c_nop, nop, c_nop};
    vaddr end = CODE_BASE + PAGE_SIZE;
    rig_put(rig, end - 4, edge, 3);
    assert_true(rig_translate(rig, end - 4, RIG_FLAGS, 100));
    assert_int_equal(rig->tb.insns, 1);
    assert_int_equal(rig->tb.size, 2);
    /* a block that fills its page to the last byte */
    const uint32_t full[] = {nop, c_nop, c_nop};
    rig_put(rig, end - 8, full, 3);
    assert_true(rig_translate(rig, end - 8, RIG_FLAGS | TBF_PAGED, 100));
    assert_int_equal(rig->tb.insns, 3);
    assert_int_equal(rig->tb.size, 8);
    rig_run(rig);
    assert_int_equal(env->pc, end);
    assert_int_equal(rig->exit,
                     TB_EXIT_LOOKUP); /* not chained: the next page may be remapped */
    assert_true(rig_translate(rig, end - 8, RIG_FLAGS, 100));
    rig_run(rig);
    assert_int_equal(rig->exit, TB_EXIT_SLOT0);
}

static void blocks_end_at_max_insns_and_page_ends(void **state) {
    (void)state;
    on_each(block_ends_body, BOTH);
}

static void long_blocks_body(Rig *rig) {
    for (unsigned i = 0; i < PAGE_SIZE;
         i += 4) { /* sc.w: the instruction with the most ops */
        const uint32_t sc = 0x18c5a6af;
        memcpy(rig->code + i, &sc, 4);
    }
    assert_true(rig_translate(rig, CODE_BASE, RIG_FLAGS, 100000));
    assert_false(rig->ir->overflow);
    assert_true(rig->tb.insns > 100);
    assert_int_equal(rig->tb.size, rig->tb.insns * 4);
}

static void blocks_end_before_the_ir_overflows(void **state) {
    (void)state;
    on_each(long_blocks_body, BOTH);
}

static void step_body(Rig *rig) {
    RiscvEnv *env = &rig->cpu->env;
    const uint32_t insns[] = {nop, 0x040000ef /* jal ra,.+64 */,
                              0x04b50063 /* beq a0,a1,.+64 */, 0x00008067 /* ret */};
    const vaddr next[] = {CODE_BASE + 4, CODE_BASE + 64, CODE_BASE + 64, 0x80000100};
    for (unsigned i = 0; i < 4; i++) {
        env->gpr[A0] = env->gpr[A1] = 3;
        env->gpr[RA] = i == 3 ? 0x80000100 : 0;
        rig_put(rig, CODE_BASE, &insns[i], 1);
        rig_put(rig, CODE_BASE + 4, &nop, 1);
        assert_true(rig_translate(rig, CODE_BASE, RIG_FLAGS | TBF_STEP, 100));
        rig_run(rig);
        assert_int_equal(rig->tb.insns, 1);
        assert_int_equal(rig->exit, TB_EXIT_DEBUG);
        assert_int_equal(env->pc, next[i]);
    }
}

static void step_flag_makes_blocks_of_one_instruction(void **state) {
    (void)state;
    on_each(step_body, BOTH);
}

/* A diamond with an early way out, seen from both sides:
 *   beq a0,x0,else; addi a1,a1,1; j end; else: addi a1,a1,2; end: bne a2,x0,out; addi
 * a1,a1,4; ret out: (beyond the block) */
static void forward_body(Rig *rig) {
    static const uint32_t code[] = {
        0x00050663, /* beq a0,zero,.+12 */
        0x00158593, /* addi a1,a1,1 */
        0x0080006f, /* j .+8 */
        0x00258593, /* addi a1,a1,2 */
        0x00061663, /* bne a2,zero,.+12 */
        0x00458593, /* addi a1,a1,4 */
        0x00008067, /* ret */
    };
    const unsigned count = sizeof(code) / sizeof(code[0]);
    RiscvEnv *env = &rig->cpu->env;
    for (unsigned which = 0; which < 4; which++) {
        env->gpr[A0] = which & 1;
        env->gpr[A1] = 0;
        env->gpr[A2] = which >> 1;
        env->gpr[RA] = 0x80000800;
        rig_put(rig, CODE_BASE, code, count);
        assert_true(rig_translate(rig, CODE_BASE, RIG_FLAGS, count));
        assert_int_equal(rig->tb.insns, RISCV_FORWARD_REACH ? count : 1);
        assert_int_equal(rig->tb.size, 4 * rig->tb.insns);
        rig_run(rig);
        assert_int_equal(env->gpr[A1], (which & 1 ? 1 : 2) + (which & 2 ? 0 : 4));
        assert_int_equal(env->pc, which & 2 ? CODE_BASE + 28 : 0x80000800);
        assert_int_equal(rig->exit, which & 2 ? TB_EXIT_SLOT0 : TB_EXIT_LOOKUP);
    }
}

static void near_branches_ahead_stay_in_the_block(void **state) {
    (void)state;
    on_each(forward_body, BOTH);
}

/* Four branches to four places beyond the block: two exit slots, the others by the jump
 * cache. */
static void many_exits_body(Rig *rig) {
    static const uint32_t code[] = {
        0x02a58063, /* beq a1,a0,.+32 */
        0x04c58063, /* beq a1,a2,.+64 */
        0x06d58063, /* beq a1,a3,.+96 */
    };
    const vaddr want[] = {CODE_BASE + 32, CODE_BASE + 4 + 64, CODE_BASE + 8 + 96,
                          CODE_BASE + 12};
    RiscvEnv *env = &rig->cpu->env;
    for (unsigned which = 0; which < 4; which++) {
        for (unsigned i = 0; i < 3; i++) {
            env->gpr[i == 0 ? A0 : A1 + i] = i == which;
        }
        env->gpr[A1] = 1;
        run_words(rig, RIG_FLAGS, code, 3);
        assert_int_equal(rig->tb.insns, 3);
        assert_int_equal(env->pc, want[which]);
    }
}

static void exits_beyond_the_slots_go_where_they_should(void **state) {
    (void)state;
    on_each(many_exits_body, BOTH);
}

static void illegal_body(Rig *rig) {
    RiscvEnv *env = &rig->cpu->env;
    RUN(rig, RIG_FLAGS, nop, 0xffffffff);
    assert_int_equal(env->mcause, CAUSE_ILLEGAL);
    assert_int_equal((uint32_t)env->mtval, 0xffffffff);
    assert_int_equal((uint32_t)env->mepc, CODE_BASE + 4);
    assert_int_equal(env->pc, HANDLER);
    RUN(rig, RIG_FLAGS, c_nop, 0x0000);
    assert_int_equal(env->mcause, CAUSE_ILLEGAL);
    assert_int_equal(env->mtval, 0);
    RUN(rig, RIG_FLAGS, 0x8002); /* c.jr x0: reserved */
    assert_int_equal(env->mtval, 0x8002);
    assert_int_equal(rig->tb.size, 2);
}

static void illegal_instructions_raise_with_their_bits(void **state) {
    (void)state;
    on_each(illegal_body, BOTH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_follows_the_manuals_formulas),
        cmocka_unit_test(loads_extend_and_stores_truncate),
        cmocka_unit_test(rv64_loads_and_stores_doublewords),
        cmocka_unit_test(faults_keep_what_came_before_and_nothing_after),
        cmocka_unit_test(rv32_addresses_wrap_at_4gib),
        cmocka_unit_test(sc_succeeds_once_after_lr),
        cmocka_unit_test(amos_return_the_old_word_sign_extended),
        cmocka_unit_test(branches_go_where_the_condition_says),
        cmocka_unit_test(jumps_link_and_clear_bit_0),
        cmocka_unit_test(without_c_jumps_to_odd_halfwords_raise),
        cmocka_unit_test(blocks_end_at_max_insns_and_page_ends),
        cmocka_unit_test(blocks_end_before_the_ir_overflows),
        cmocka_unit_test(step_flag_makes_blocks_of_one_instruction),
        cmocka_unit_test(near_branches_ahead_stay_in_the_block),
        cmocka_unit_test(exits_beyond_the_slots_go_where_they_should),
        cmocka_unit_test(illegal_instructions_raise_with_their_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
