/* SPDX-License-Identifier: MIT */
/*
 * The RISC-V instruction tables: every bit drawn and accounted for, no undeclared
 * overlap, and the decoder finds the row and the operands that the manual says.
 *
 * Expected encodings and operands: RISC-V Unprivileged ISA 20240411, tables "RV32I",
 * "RV64I", "C"; words as GNU as (binutils 2.40) assembles the text beside them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cpu/riscv/cpu.h"
#include "cpu/riscv/decode.h"

static RiscvConfig config_all(unsigned xlen) {
    RiscvConfig cfg = {.xlen = xlen};
#define RISCV_EXT(id, text, dflt) cfg.id = true;
#include "cpu/riscv/ext.def"
#undef RISCV_EXT
    return cfg;
}

static unsigned row_bits(unsigned id) {
    return id < RISCV_INSN32_COUNT ? 32 : 16;
}

/* --- drawings ----------------------------------------------------------------------- */
static void every_row_draws_all_its_bits(void **state) {
    (void)state;
    for (unsigned id = 0; id < RISCV_INSN_COUNT; id++) {
        uint32_t mask, match;
        const RiscvInsnDef *def = &riscv_insn_defs[id];
        if (riscv_pattern_parse(def->pattern, &mask, &match) != row_bits(id)) {
            fail_msg("%s: \"%s\" does not draw %u bits", def->id, def->pattern,
                     row_bits(id));
        }
        assert_int_equal((match & 3) == 3, row_bits(id) == 32);
        assert_int_equal(mask & 3, 3);
        assert_true(def->base == id || row_bits(id) == 16);
    }
}

/* Where a letter may stand in 32-bit rows, from the manual's instruction formats. */
typedef struct LetterPlace {
    char letter;
    unsigned low, high;
} LetterPlace;

static const LetterPlace places[] = {
    {'d', 7, 11},  {'s', 15, 19}, {'t', 20, 24}, {'u', 27, 31},
    {'m', 12, 14}, {'c', 20, 31}, {'a', 26, 26}, {'l', 25, 25},
    {'f', 28, 31}, {'p', 24, 27}, {'q', 20, 23},
};

/* Bits that a format's immediate or shift amount takes, from the same table. */
static uint32_t immediate_bits(unsigned format) {
    switch (format) {
    case FMT_I:
        return 0xfff00000;
    case FMT_S:
    case FMT_B:
        return 0xfe000f80;
    case FMT_U:
    case FMT_J:
        return 0xfffff000;
    case FMT_SH:
        return 0x03f00000;
    default:
        return 0;
    }
}

static uint32_t letter_bits(const char *pattern, const char *letters) {
    uint32_t bits = 0;
    for (const char *p = pattern; *p; p++) {
        if (*p != ' ') {
            bits = bits << 1 | (strchr(letters, *p) != NULL);
        }
    }
    return bits;
}

static void letters_of_32_bit_rows_stand_where_the_formats_have_them(void **state) {
    (void)state;
    for (unsigned id = 0; id < RISCV_INSN32_COUNT; id++) {
        const RiscvInsnDef *def = &riscv_insn_defs[id];
        uint32_t known = letter_bits(def->pattern, "01-ih");
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            const char letter[2] = {places[i].letter, 0};
            uint32_t field = (uint32_t)(((uint64_t)2 << places[i].high) -
                                        ((uint64_t)1 << places[i].low));
            uint32_t bits = letter_bits(def->pattern, letter);
            if (bits && bits != field) {
                fail_msg("%s: letter %s is misplaced", def->id, letter);
            }
            known |= bits;
        }
        if (known != UINT32_MAX) {
            fail_msg("%s: unknown letter", def->id);
        }
        uint32_t imm = letter_bits(def->pattern, "ih");
        uint32_t fixed_shift =
            letter_bits(def->pattern, "0") & 1u << 25; /* five-bit shifts */
        uint32_t want = immediate_bits(def->format);
        if (imm != want && !(def->format == FMT_SH && (imm | fixed_shift) == want)) {
            fail_msg("%s: immediate bits %08x, format has %08x", def->id, imm, want);
        }
    }
}

/* Each operand that the assembler form names is drawn, and each drawn operand is named.
 */
static void forms_name_what_is_drawn(void **state) {
    (void)state;
    static const char *const pairs[] = {"d:dD", "s:sSzv", "t:tT",  "u:U",
                                        "c:c",  "h:h",    "i:joau"};
    for (unsigned id = 0; id < RISCV_INSN32_COUNT; id++) {
        const RiscvInsnDef *def = &riscv_insn_defs[id];
        const char *operands = strchr(def->form, ' ');
        char named[64] = "";
        snprintf(named, sizeof(named), "%s", operands ? operands : "");
        char *fixed = strstr(named, "rtz"); /* fcvtmod spells its mode out */
        if (fixed) {
            *fixed = 0;
        }
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
            const char drawn[2] = {pairs[i][0], 0};
            bool is_drawn = letter_bits(def->pattern, drawn) != 0;
            bool is_named = strpbrk(named, pairs[i] + 2) != NULL;
            if (is_drawn != is_named) {
                fail_msg("%s: %s drawn %d, named %d", def->id, drawn, is_drawn, is_named);
            }
        }
        bool has_rm = letter_bits(def->pattern, "m") != 0;
        assert_int_equal(has_rm, strpbrk(named, "mM") != NULL);
    }
}

/* --- overlap ------------------------------------------------------------------------ */
typedef struct Row {
    uint32_t mask, match;
} Row;

static bool overlap(Row a, Row b) {
    return ((a.match ^ b.match) & a.mask & b.mask) == 0;
}
static bool inside(Row inner, Row outer) {
    return overlap(inner, outer) && (inner.mask & outer.mask) == outer.mask &&
           inner.mask != outer.mask;
}
static bool same_hart(unsigned i, unsigned j) {
    unsigned a = riscv_insn_defs[i].xlen, b = riscv_insn_defs[j].xlen;
    return row_bits(i) == row_bits(j) && (!a || !b || a == b);
}

static void rows_overlap_only_as_declared(void **state) {
    (void)state;
    static Row rows[RISCV_INSN_COUNT];
    bool needed[RISCV_INSN_COUNT] = {false};
    for (unsigned i = 0; i < RISCV_INSN_COUNT; i++) {
        riscv_pattern_parse(riscv_insn_defs[i].pattern, &rows[i].mask, &rows[i].match);
    }
    for (unsigned i = 0; i < RISCV_INSN_COUNT; i++) {
        for (unsigned j = i + 1; j < RISCV_INSN_COUNT; j++) {
            if (!same_hart(i, j) || !overlap(rows[i], rows[j])) {
                continue;
            }
            const RiscvInsnDef *a = &riscv_insn_defs[i], *b = &riscv_insn_defs[j];
            bool declared = (inside(rows[i], rows[j]) && a->special) ||
                            (inside(rows[j], rows[i]) && b->special);
            needed[inside(rows[i], rows[j]) ? i : j] = true;
            /* two special rows that cross: a third covers what they share */
            Row shared = {rows[i].mask | rows[j].mask, rows[i].match | rows[j].match};
            for (unsigned k = 0; k < RISCV_INSN_COUNT && !declared; k++) {
                declared = riscv_insn_defs[k].special && rows[k].mask == shared.mask &&
                           rows[k].match == shared.match;
            }
            if (!declared) {
                fail_msg("%s and %s overlap", a->id, b->id);
            }
        }
    }
    for (unsigned i = 0; i < RISCV_INSN_COUNT; i++) {
        if (riscv_insn_defs[i].special && !needed[i]) {
            fail_msg("%s is declared special but lies in no other row",
                     riscv_insn_defs[i].id);
        }
    }
}

/* --- the decoder against the drawings ----------------------------------------------- */
static uint64_t next_random(uint64_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* The row with the most fixed bits that matches, by looking at all. */
static int slow_decode(const Row *rows, unsigned xlen, uint32_t bits) {
    int best = -1;
    for (unsigned i = 0; i < RISCV_INSN_COUNT; i++) {
        const RiscvInsnDef *def = &riscv_insn_defs[i];
        bool fits =
            ((bits & 3) == 3) == (row_bits(i) == 32) && (!def->xlen || def->xlen == xlen);
        if (fits && (bits & rows[i].mask) == rows[i].match &&
            (best < 0 ||
             __builtin_popcount(rows[i].mask) > __builtin_popcount(rows[best].mask))) {
            best = (int)i;
        }
    }
    return best;
}

static void decoder_finds_what_a_search_of_all_rows_finds(void **state) {
    (void)state;
    static Row rows[RISCV_INSN_COUNT];
    for (unsigned i = 0; i < RISCV_INSN_COUNT; i++) {
        riscv_pattern_parse(riscv_insn_defs[i].pattern, &rows[i].mask, &rows[i].match);
    }
    uint64_t seed = (uint64_t)time(NULL) | 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned xlen = 32; xlen <= 64; xlen += 32) {
        RiscvConfig cfg = config_all(xlen);
        RiscvDecoder *decoder = riscv_decoder_new(&cfg);
        unsigned legal = 0;
        for (unsigned n = 0; n < 65536 + 400000; n++) {
            uint32_t bits = n < 65536 ? n : (uint32_t)next_random(&seed);
            if (n < 65536 && (bits & 3) == 3) {
                continue; /* every 16-bit word; then random ones around the rows */
            }
            if (n >= 65536 && n % 2) {
                const Row *r = &rows[next_random(&seed) % RISCV_INSN32_COUNT];
                bits = (bits & ~r->mask) | r->match;
            } else if ((bits & 3) != 3) {
                bits &= 0xffff;
            }
            RiscvInsn insn;
            bool ok = riscv_decode(decoder, bits, &insn);
            int want = slow_decode(rows, xlen, bits);
            bool want_ok = want >= 0 && riscv_insn_defs[want].base != RISCV_INSN_reserved;
            if (ok != want_ok || (ok && (int)insn.id != want)) {
                fail_msg("%08x: decoded %d as row %d, want %d", bits, ok,
                         ok ? (int)insn.id : -1, want);
            }
            legal += ok;
        }
        assert_true(legal > 100000);
        riscv_decoder_free(decoder);
    }
}

/* --- operands ----------------------------------------------------------------------- */
typedef struct Example {
    const char *text;
    uint32_t bits;
    RiscvInsnId base;
    int rd, rs1, rs2; /* -1: not looked at */
    int64_t imm;
} Example;

static const Example examples[] = {
    {"lui a0,0xfffff", 0xfffff537, RISCV_INSN_lui, 10, -1, -1, -4096},
    {"auipc t0,0x1", 0x00001297, RISCV_INSN_auipc, 5, -1, -1, 4096},
    {"jal ra,.-2", 0xfffff0ef, RISCV_INSN_jal, 1, -1, -1, -2},
    {"jal zero,.+0xffffe", 0x7ffff06f, RISCV_INSN_jal, 0, -1, -1, 0xffffe},
    {"jal zero,.-0x100000", 0x8000006f, RISCV_INSN_jal, 0, -1, -1, -0x100000},
    {"jal zero,.+0x800", 0x0010006f, RISCV_INSN_jal, 0, -1, -1, 0x800},
    {"jalr ra,-1(a5)", 0xfff780e7, RISCV_INSN_jalr, 1, 15, -1, -1},
    {"beq a0,a1,.-4096", 0x80b50063, RISCV_INSN_beq, -1, 10, 11, -4096},
    {"bne a0,a1,.+4094", 0x7eb51fe3, RISCV_INSN_bne, -1, 10, 11, 4094},
    {"bltu a0,a1,.+2048", 0x00b560e3, RISCV_INSN_bltu, -1, 10, 11, 2048},
    {"ld s0,2047(sp)", 0x7ff13403, RISCV_INSN_ld, 8, 2, -1, 2047},
    {"sd s0,-2048(sp)", 0x80813023, RISCV_INSN_sd, -1, 2, 8, -2048},
    {"sb s0,31(sp)", 0x00810fa3, RISCV_INSN_sb, -1, 2, 8, 31},
    {"srai a0,a1,63", 0x43f5d513, RISCV_INSN_srai, 10, 11, -1, 63},
    {"sraiw a0,a1,31", 0x41f5d51b, RISCV_INSN_sraiw, 10, 11, -1, 31},
    {"fence rw,w", 0x0310000f, RISCV_INSN_fence, -1, -1, -1, 0x031},
    /* compressed */
    {"c.addi4spn s0,sp,4", 0x0040, RISCV_INSN_addi, 8, 2, -1, 4},
    {"c.addi4spn a5,sp,1020", 0x1ffc, RISCV_INSN_addi, 15, 2, -1, 1020},
    {"c.addi4spn a0,sp,8", 0x0028, RISCV_INSN_addi, 10, 2, -1, 8},
    {"c.addi4spn a0,sp,64", 0x0088, RISCV_INSN_addi, 10, 2, -1, 64},
    {"c.lw a0,64(a1)", 0x41a8, RISCV_INSN_lw, 10, 11, -1, 64},
    {"c.lw a0,4(a1)", 0x41c8, RISCV_INSN_lw, 10, 11, -1, 4},
    {"c.ld a0,248(a1)", 0x7de8, RISCV_INSN_ld, 10, 11, -1, 248},
    {"c.sw a0,124(a1)", 0xdde8, RISCV_INSN_sw, -1, 11, 10, 124},
    {"c.sd a0,8(a1)", 0xe588, RISCV_INSN_sd, -1, 11, 10, 8},
    {"c.fld fa0,64(a1)", 0x21a8, RISCV_INSN_fld, 10, 11, -1, 64},
    {"c.addi s1,-32", 0x1481, RISCV_INSN_addi, 9, 9, -1, -32},
    {"c.addiw a0,31", 0x257d, RISCV_INSN_addiw, 10, 10, -1, 31},
    {"c.li t6,-1", 0x5ffd, RISCV_INSN_addi, 31, 0, -1, -1},
    {"c.addi16sp sp,-512", 0x7101, RISCV_INSN_addi, 2, 2, -1, -512},
    {"c.addi16sp sp,16", 0x6141, RISCV_INSN_addi, 2, 2, -1, 16},
    {"c.addi16sp sp,496", 0x617d, RISCV_INSN_addi, 2, 2, -1, 496},
    {"c.lui a0,0xfffe0", 0x7501, RISCV_INSN_lui, 10, -1, -1, -0x20000},
    {"c.lui a0,1", 0x6505, RISCV_INSN_lui, 10, -1, -1, 0x1000},
    {"c.srli a0,33", 0x9105, RISCV_INSN_srli, 10, 10, -1, 33},
    {"c.srai a0,1", 0x8505, RISCV_INSN_srai, 10, 10, -1, 1},
    {"c.andi a0,-1", 0x997d, RISCV_INSN_andi, 10, 10, -1, -1},
    {"c.sub s0,a5", 0x8c1d, RISCV_INSN_sub, 8, 8, 15, 0},
    {"c.addw s0,a5", 0x9c3d, RISCV_INSN_addw, 8, 8, 15, 0},
    {"c.j .+2046", 0xaffd, RISCV_INSN_jal, 0, -1, -1, 2046},
    {"c.j .-2048", 0xb001, RISCV_INSN_jal, 0, -1, -1, -2048},
    {"c.beqz s0,.-256", 0xd001, RISCV_INSN_beq, -1, 8, 0, -256},
    {"c.bnez a5,.+254", 0xeffd, RISCV_INSN_bne, -1, 15, 0, 254},
    {"c.slli ra,63", 0x10fe, RISCV_INSN_slli, 1, 1, -1, 63},
    {"c.lwsp ra,252(sp)", 0x50fe, RISCV_INSN_lw, 1, 2, -1, 252},
    {"c.ldsp ra,504(sp)", 0x70fe, RISCV_INSN_ld, 1, 2, -1, 504},
    {"c.jr ra", 0x8082, RISCV_INSN_jalr, 0, 1, -1, 0},
    {"c.jalr t0", 0x9282, RISCV_INSN_jalr, 1, 5, -1, 0},
    {"c.mv a0,a1", 0x852e, RISCV_INSN_add, 10, 0, 11, 0},
    {"c.add a0,a1", 0x952e, RISCV_INSN_add, 10, 10, 11, 0},
    {"c.ebreak", 0x9002, RISCV_INSN_ebreak, -1, -1, -1, 0},
    {"c.swsp ra,252(sp)", 0xdf86, RISCV_INSN_sw, -1, 2, 1, 252},
    {"c.sdsp ra,504(sp)", 0xff86, RISCV_INSN_sd, -1, 2, 1, 504},
};

static void operands_are_the_manuals(void **state) {
    (void)state;
    RiscvConfig cfg = config_all(64);
    RiscvDecoder *decoder = riscv_decoder_new(&cfg);
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        const Example *e = &examples[i];
        RiscvInsn insn;
        if (!riscv_decode(decoder, e->bits, &insn) || insn.base != e->base) {
            fail_msg("%s: not decoded", e->text);
        }
        const RiscvArgs *a = &insn.args;
        if ((e->rd >= 0 && a->rd != e->rd) || (e->rs1 >= 0 && a->rs1 != e->rs1) ||
            (e->rs2 >= 0 && a->rs2 != e->rs2) || a->imm != e->imm) {
            fail_msg("%s: rd %u rs1 %u rs2 %u imm %lld", e->text, a->rd, a->rs1, a->rs2,
                     (long long)a->imm);
        }
    }
    riscv_decoder_free(decoder);
}

static void xlen_and_extensions_choose_rows(void **state) {
    (void)state;
    RiscvConfig rv32 = config_all(32), rv64 = config_all(64), no_c = config_all(64);
    no_c.c = false;
    no_c.zbb = false;
    RiscvDecoder *d32 = riscv_decoder_new(&rv32), *d64 = riscv_decoder_new(&rv64);
    RiscvDecoder *dnc = riscv_decoder_new(&no_c);
    RiscvInsn insn;
    assert_true(riscv_decode(d32, 0x2001, &insn)); /* c.jal / c.addiw x0: reserved */
    assert_int_equal(insn.base, RISCV_INSN_jal);
    assert_int_equal(insn.args.rd, 1);
    assert_false(riscv_decode(d64, 0x2001, &insn));
    assert_true(riscv_decode(d32, 0x6188, &insn)); /* c.flw / c.ld */
    assert_int_equal(insn.base, RISCV_INSN_flw);
    assert_true(riscv_decode(d64, 0x6188, &insn));
    assert_int_equal(insn.base, RISCV_INSN_ld);
    assert_false(riscv_decode(d32, 0x9105, &insn));     /* c.srli by 33 */
    assert_false(riscv_decode(d32, 0x03f59513, &insn)); /* slli by 63 */
    assert_true(riscv_decode(d64, 0x03f59513, &insn));
    assert_false(riscv_decode(d32, 0x6b85d513, &insn)); /* rev8 of the other XLEN */
    assert_true(riscv_decode(d64, 0x6b85d513, &insn));
    assert_false(riscv_decode(dnc, 0x6b85d513, &insn));
    assert_false(riscv_decode(dnc, 0x8082, &insn));
    assert_true(riscv_decode(d64, 0x8082, &insn));
    assert_false(riscv_decode(d64, 0x0000, &insn)); /* defined illegal */
    assert_false(riscv_decode(d64, 0xffffffff, &insn));
    riscv_decoder_free(d32);
    riscv_decoder_free(d64);
    riscv_decoder_free(dnc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_draws_all_its_bits),
        cmocka_unit_test(letters_of_32_bit_rows_stand_where_the_formats_have_them),
        cmocka_unit_test(forms_name_what_is_drawn),
        cmocka_unit_test(rows_overlap_only_as_declared),
        cmocka_unit_test(decoder_finds_what_a_search_of_all_rows_finds),
        cmocka_unit_test(operands_are_the_manuals),
        cmocka_unit_test(xlen_and_extensions_choose_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
