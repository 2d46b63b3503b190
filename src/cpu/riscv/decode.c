/* SPDX-License-Identifier: MIT */
/*
 * Decoder: the tables of insn32.def and insn16.def, made quick to search.
 *
 *   bits --length, opcode--> class --(bits >> shift) & mask--> bucket: (mask, match) rows
 *
 * Each class picks the field (funct3, funct5 or funct7) that leaves the shortest buckets.
 * A row whose own drawing leaves that field open stands in several buckets.
 *
 * Threads: immutable after riscv_decoder_new(); any.
 * Spec: RISC-V Unprivileged ISA 20240411, chapters "RV32I", "C" and "Instruction set
 * listings".
 */
#include "cpu/riscv/decode.h"

#include <assert.h>
#include <stdlib.h>

#include "cpu/riscv/cpu.h"

#define BASE  0
#define X(id) RISCV_EXT_BIT(id)

const RiscvInsnDef riscv_insn_defs[RISCV_INSN_COUNT] = {
#define ROW32(id, pattern, format, ext, xlen, form, special)                             \
    {#id, pattern, form, ext, RISCV_INSN_##id, FMT_##format, xlen, special},
#define INSN(id, pattern, format, ext, xlen, trans, form)                                \
    ROW32(id, pattern, format, ext, xlen, form, false)
#define SPEC(id, pattern, format, ext, xlen, trans, form)                                \
    ROW32(id, pattern, format, ext, xlen, form, true)
#include "cpu/riscv/insn32.def"
#undef INSN
#undef SPEC
#define ROW16(id, pattern, format, ext, xlen, expands, special)                          \
    {#id, pattern, NULL, ext, RISCV_INSN_##expands, FMT_##format, xlen, special},
#define INSN(id, pattern, format, ext, xlen, expands)                                    \
    ROW16(id, pattern, format, ext, xlen, expands, false)
#define SPEC(id, pattern, format, ext, xlen, expands)                                    \
    ROW16(id, pattern, format, ext, xlen, expands, true)
#include "cpu/riscv/insn16.def"
#undef INSN
#undef SPEC
};

const char *const riscv_gpr_names[32] = {
    "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
    "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
    "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};
const char *const riscv_fpr_names[32] = {
    "ft0", "ft1", "ft2", "ft3", "ft4",  "ft5",  "ft6", "ft7", "fs0",  "fs1",  "fa0",
    "fa1", "fa2", "fa3", "fa4", "fa5",  "fa6",  "fa7", "fs2", "fs3",  "fs4",  "fs5",
    "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
};

/* --- building ----------------------------------------------------------------------- */
enum {
    CLASSES_32 = 32,          /* by bits 6:2 */
    CLASSES = CLASSES_32 + 3, /* and the three compressed quadrants */
    BUCKETS_MAX = CLASSES * 8 + 256,
    ENTRIES_MAX = 1024,
    CLASS_ROWS_MAX = 128,
};

typedef struct DecodeEntry {
    uint32_t mask, match;
    uint16_t id, base;
    uint8_t format;
} DecodeEntry;

typedef struct DecodeClass {
    uint8_t shift;
    uint8_t mask;
    uint16_t first_bucket;
} DecodeClass;

struct RiscvDecoder {
    DecodeClass class[CLASSES];
    uint16_t bucket[BUCKETS_MAX + 1]; /* first entry; it ends where the next one begins */
    DecodeEntry entry[ENTRIES_MAX];
};

typedef struct KeyField {
    uint8_t shift, bits;
} KeyField;

static const KeyField key_fields_32[] = {{12, 3}, {27, 5}, {25, 7}};
static const KeyField key_fields_16[] = {{13, 3}};

unsigned riscv_pattern_parse(const char *pattern, uint32_t *mask, uint32_t *match) {
    unsigned drawn = 0;
    *mask = 0;
    *match = 0;
    for (const char *p = pattern; *p; p++) {
        if (*p == ' ') {
            continue;
        }
        *mask = *mask << 1 | (*p == '0' || *p == '1');
        *match = *match << 1 | (*p == '1');
        drawn++;
    }
    return drawn;
}

static unsigned class_of(uint32_t bits) {
    return (bits & 3) == 3 ? bits >> 2 & 31 : CLASSES_32 + (bits & 3);
}

static uint32_t config_extensions(const RiscvConfig *cfg) {
    uint32_t ext = 0;
#define RISCV_EXT(id, text, dflt) ext |= cfg->id ? RISCV_EXT_BIT(id) : 0;
#include "cpu/riscv/ext.def"
#undef RISCV_EXT
    return ext;
}

static bool may_match(const DecodeEntry *row, KeyField key, unsigned value) {
    uint32_t field = ((1u << key.bits) - 1) << key.shift;
    return ((value << key.shift ^ row->match) & row->mask & field) == 0;
}

static unsigned longest_bucket(const DecodeEntry *rows, unsigned count, KeyField key) {
    unsigned longest = 0;
    for (unsigned value = 0; value < 1u << key.bits; value++) {
        unsigned length = 0;
        for (unsigned i = 0; i < count; i++) {
            length += may_match(&rows[i], key, value);
        }
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* Rows that fix more bits go first, so that a SPEC row comes before the one it lies in.
 */
static void insert_by_mask(DecodeEntry *rows, unsigned count, DecodeEntry row) {
    unsigned i = count;
    while (i > 0 && __builtin_popcount(rows[i - 1].mask) < __builtin_popcount(row.mask)) {
        rows[i] = rows[i - 1];
        i--;
    }
    rows[i] = row;
}

typedef struct Builder {
    RiscvDecoder *decoder;
    unsigned buckets, entries;
    DecodeEntry rows[CLASSES][CLASS_ROWS_MAX];
    unsigned row_count[CLASSES];
} Builder;

static void collect_rows(Builder *b, const RiscvConfig *cfg) {
    uint32_t have = config_extensions(cfg);
    for (unsigned id = 0; id < RISCV_INSN_COUNT; id++) {
        const RiscvInsnDef *def = &riscv_insn_defs[id];
        if ((def->ext & ~have) || (def->xlen && def->xlen != cfg->xlen)) {
            continue;
        }
        DecodeEntry row = {.id = (uint16_t)id, .base = def->base, .format = def->format};
        riscv_pattern_parse(def->pattern, &row.mask, &row.match);
        unsigned class = class_of(row.match);
        assert(b->row_count[class] < CLASS_ROWS_MAX);
        insert_by_mask(b->rows[class], b->row_count[class]++, row);
    }
}

static void build_class(Builder *b, unsigned class) {
    const DecodeEntry *rows = b->rows[class];
    unsigned count = b->row_count[class];
    const KeyField *fields = class < CLASSES_32 ? key_fields_32 : key_fields_16;
    unsigned nr_fields =
        class < CLASSES_32 ? sizeof(key_fields_32) / sizeof(KeyField) : 1;
    KeyField key = fields[0];
    unsigned best = longest_bucket(rows, count, key);
    for (unsigned i = 1; i < nr_fields && best > 1; i++) {
        unsigned longest = longest_bucket(rows, count, fields[i]);
        if (longest * 2 < best) { /* a wider key must earn its buckets */
            key = fields[i];
            best = longest;
        }
    }
    RiscvDecoder *d = b->decoder;
    d->class[class] =
        (DecodeClass){key.shift, (uint8_t)((1u << key.bits) - 1), (uint16_t)b->buckets};
    for (unsigned value = 0; value < 1u << key.bits; value++) {
        assert(b->buckets < BUCKETS_MAX);
        d->bucket[b->buckets++] = (uint16_t)b->entries;
        for (unsigned i = 0; i < count; i++) {
            if (may_match(&rows[i], key, value)) {
                assert(b->entries < ENTRIES_MAX);
                d->entry[b->entries++] = rows[i];
            }
        }
    }
    d->bucket[b->buckets] = (uint16_t)b->entries;
}

RiscvDecoder *riscv_decoder_new(const struct RiscvConfig *cfg) {
    Builder *b = calloc(1, sizeof(*b));
    RiscvDecoder *decoder = calloc(1, sizeof(*decoder));
    assert(b && decoder);
    b->decoder = decoder;
    collect_rows(b, cfg);
    for (unsigned class = 0; class < CLASSES; class ++) {
        build_class(b, class);
    }
    free(b);
    return decoder;
}

void riscv_decoder_free(RiscvDecoder *decoder) {
    free(decoder);
}

/* --- operands ----------------------------------------------------------------------- */
static inline uint32_t field(uint32_t bits, unsigned pos, unsigned len) {
    return bits >> pos & ((1u << len) - 1);
}

/* Bit `from` of the instruction as bit `to` of a value. */
static inline uint32_t bit(uint32_t bits, unsigned from, unsigned to) {
    return (bits >> from & 1) << to;
}

static inline int64_t sign_extend(uint32_t value, unsigned len) {
    return (int32_t)(value << (32 - len)) >> (32 - len);
}

/* The fields of 32-bit instructions that always stand in the same places. */
static inline void fields_32(uint32_t bits, RiscvArgs *a, int64_t imm) {
    a->rd = (uint8_t)field(bits, 7, 5);
    a->rs1 = (uint8_t)field(bits, 15, 5);
    a->rs2 = (uint8_t)field(bits, 20, 5);
    a->rs3 = (uint8_t)field(bits, 27, 5);
    a->rm = (uint8_t)field(bits, 12, 3);
    a->aq = (uint8_t)field(bits, 26, 1);
    a->rl = (uint8_t)field(bits, 25, 1);
    a->csr = (uint16_t)field(bits, 20, 12);
    a->imm = imm;
}

static inline int64_t imm_s(uint32_t bits) {
    return ((int32_t)bits >> 25) * 32 + (int32_t)field(bits, 7, 5);
}
static inline int64_t imm_b(uint32_t bits) {
    return sign_extend(bit(bits, 31, 12) | bit(bits, 7, 11) | field(bits, 25, 6) << 5 |
                           field(bits, 8, 4) << 1,
                       13);
}
static inline int64_t imm_j(uint32_t bits) {
    return sign_extend(bit(bits, 31, 20) | field(bits, 12, 8) << 12 | bit(bits, 20, 11) |
                           field(bits, 21, 10) << 1,
                       21);
}

static inline uint8_t reg(uint32_t bits, unsigned pos) {
    return (uint8_t)field(bits, pos, 5);
}
/* A three-bit register field: x8 to x15. */
static inline uint8_t creg(uint32_t bits, unsigned pos) {
    return (uint8_t)(8 + field(bits, pos, 3));
}
static inline int64_t imm_ci(uint32_t bits) {
    return sign_extend(bit(bits, 12, 5) | field(bits, 2, 5), 6);
}
static inline int64_t imm_cl_w(uint32_t bits) {
    return bit(bits, 5, 6) | field(bits, 10, 3) << 3 | bit(bits, 6, 2);
}
static inline int64_t imm_cl_d(uint32_t bits) {
    return field(bits, 5, 2) << 6 | field(bits, 10, 3) << 3;
}
static int64_t imm_cj(uint32_t bits) {
    return sign_extend(bit(bits, 12, 11) | bit(bits, 11, 4) | field(bits, 9, 2) << 8 |
                           bit(bits, 8, 10) | bit(bits, 7, 6) | bit(bits, 6, 7) |
                           field(bits, 3, 3) << 1 | bit(bits, 2, 5),
                       12);
}

enum { X_RA = 1, X_SP = 2 };

static inline void operands(uint32_t bits, RiscvFormat format, RiscvArgs *a) {
    *a = (RiscvArgs){0};
    switch (format) {
    case FMT_R:
        fields_32(bits, a, 0);
        break;
    case FMT_I:
        fields_32(bits, a, (int32_t)bits >> 20);
        break;
    case FMT_S:
        fields_32(bits, a, imm_s(bits));
        break;
    case FMT_B:
        fields_32(bits, a, imm_b(bits));
        break;
    case FMT_U:
        fields_32(bits, a, (int32_t)(bits & ~0xfffu));
        break;
    case FMT_J:
        fields_32(bits, a, imm_j(bits));
        break;
    case FMT_SH:
        fields_32(bits, a, field(bits, 20, 6));
        break;
    case FMT_FENCE:
        fields_32(bits, a, field(bits, 20, 12));
        break;
    case FMT_CR_MV:
        a->rd = reg(bits, 7), a->rs2 = reg(bits, 2);
        break;
    case FMT_CR_ADD:
        a->rd = a->rs1 = reg(bits, 7), a->rs2 = reg(bits, 2);
        break;
    case FMT_CR_JR:
        a->rs1 = reg(bits, 7);
        break;
    case FMT_CR_JALR:
        a->rd = X_RA, a->rs1 = reg(bits, 7);
        break;
    case FMT_CI:
        a->rd = a->rs1 = reg(bits, 7), a->imm = imm_ci(bits);
        break;
    case FMT_CI_LI:
        a->rd = reg(bits, 7), a->imm = imm_ci(bits);
        break;
    case FMT_CI_LUI:
        a->rd = reg(bits, 7), a->imm = imm_ci(bits) * 4096;
        break;
    case FMT_CI_16SP:
        a->rd = a->rs1 = X_SP;
        a->imm = sign_extend(bit(bits, 12, 9) | field(bits, 3, 2) << 7 | bit(bits, 5, 6) |
                                 bit(bits, 2, 5) | bit(bits, 6, 4),
                             10);
        break;
    case FMT_CI_SH:
        a->rd = a->rs1 = reg(bits, 7), a->imm = imm_ci(bits) & 63;
        break;
    case FMT_CI_LWSP:
        a->rd = reg(bits, 7), a->rs1 = X_SP;
        a->imm = field(bits, 2, 2) << 6 | bit(bits, 12, 5) | field(bits, 4, 3) << 2;
        break;
    case FMT_CI_LDSP:
        a->rd = reg(bits, 7), a->rs1 = X_SP;
        a->imm = field(bits, 2, 3) << 6 | bit(bits, 12, 5) | field(bits, 5, 2) << 3;
        break;
    case FMT_CSS_SWSP:
        a->rs2 = reg(bits, 2), a->rs1 = X_SP;
        a->imm = field(bits, 7, 2) << 6 | field(bits, 9, 4) << 2;
        break;
    case FMT_CSS_SDSP:
        a->rs2 = reg(bits, 2), a->rs1 = X_SP;
        a->imm = field(bits, 7, 3) << 6 | field(bits, 10, 3) << 3;
        break;
    case FMT_CIW:
        a->rd = creg(bits, 2), a->rs1 = X_SP;
        a->imm = field(bits, 7, 4) << 6 | field(bits, 11, 2) << 4 | bit(bits, 5, 3) |
                 bit(bits, 6, 2);
        break;
    case FMT_CL_W:
        a->rd = creg(bits, 2), a->rs1 = creg(bits, 7), a->imm = imm_cl_w(bits);
        break;
    case FMT_CL_D:
        a->rd = creg(bits, 2), a->rs1 = creg(bits, 7), a->imm = imm_cl_d(bits);
        break;
    case FMT_CS_W:
        a->rs2 = creg(bits, 2), a->rs1 = creg(bits, 7), a->imm = imm_cl_w(bits);
        break;
    case FMT_CS_D:
        a->rs2 = creg(bits, 2), a->rs1 = creg(bits, 7), a->imm = imm_cl_d(bits);
        break;
    case FMT_CA:
        a->rd = a->rs1 = creg(bits, 7), a->rs2 = creg(bits, 2);
        break;
    case FMT_CB:
        a->rs1 = creg(bits, 7);
        a->imm = sign_extend(bit(bits, 12, 8) | field(bits, 5, 2) << 6 | bit(bits, 2, 5) |
                                 field(bits, 10, 2) << 3 | field(bits, 3, 2) << 1,
                             9);
        break;
    case FMT_CB_SH:
        a->rd = a->rs1 = creg(bits, 7), a->imm = imm_ci(bits) & 63;
        break;
    case FMT_CB_ANDI:
        a->rd = a->rs1 = creg(bits, 7), a->imm = imm_ci(bits);
        break;
    case FMT_CJ:
        a->imm = imm_cj(bits);
        break;
    case FMT_CJAL:
        a->rd = X_RA, a->imm = imm_cj(bits);
        break;
    case FMT_CR_NONE:
    case FMT_COUNT:
        break;
    }
}

bool riscv_decode(const RiscvDecoder *decoder, uint32_t bits, RiscvInsn *insn) {
    const DecodeClass *class = &decoder->class[class_of(bits)];
    unsigned bucket = class->first_bucket + (bits >> class->shift & class->mask);
    const DecodeEntry *row = &decoder->entry[decoder->bucket[bucket]];
    const DecodeEntry *end = &decoder->entry[decoder->bucket[bucket + 1]];
    for (; row < end; row++) {
        if ((bits & row->mask) == row->match) {
            insn->id = (RiscvInsnId)row->id;
            insn->base = (RiscvInsnId)row->base;
            insn->length = riscv_insn_length((uint16_t)bits);
            operands(bits, (RiscvFormat)row->format, &insn->args);
            return insn->base != RISCV_INSN_reserved;
        }
    }
    return false;
}
