/* SPDX-License-Identifier: MIT */
/*
 * Reads IR from its text form, by the format table that dump.c writes with; see
 * ir_text.h. Used by tests and by the console. What it accepts may still break the rules
 * of the IR: ir_validate() says.
 *
 * Not modelled: which op came from which rule, and what passes found out; they are
 * comments here.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tcg/ir_text.h"

typedef struct Parser {
    IrContext *ctx;
    const HelperInfo *const *helpers;
    const char *p;              /* next character */
    const char *line;           /* start of the line */
    unsigned number;            /* of the line, from 1 */
    const char *want;           /* what was expected where it went wrong, or NULL */
    TempId local[IR_MAX_TEMPS]; /* by number */
    bool typed[IR_MAX_TEMPS];   /* by number: met, so its type is known */
} Parser;

static void fail(Parser *s, const char *want) {
    if (!s->want) {
        s->want = want;
    }
}

static void skip_blanks(Parser *s) {
    while (*s->p == ' ' || *s->p == '\t' || *s->p == '\r') {
        s->p++;
    }
}

static bool at_end(Parser *s) {
    skip_blanks(s);
    return *s->p == '\0' || *s->p == '\n' || *s->p == ';';
}

static bool accept(Parser *s, const char *text) {
    skip_blanks(s);
    size_t n = strlen(text);
    if (strncmp(s->p, text, n) != 0) {
        return false;
    }
    s->p += n;
    return true;
}

static void expect(Parser *s, const char *text) {
    if (!accept(s, text)) {
        fail(s, text);
    }
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* Copies the word at the cursor, cut to fit; returns false if there is none. */
static bool word(Parser *s, char *buf, size_t size) {
    skip_blanks(s);
    size_t n = 0;
    while (is_word(*s->p)) {
        if (n + 1 < size) {
            buf[n++] = *s->p;
        }
        s->p++;
    }
    buf[n] = '\0';
    return n > 0;
}

static uint64_t number(Parser *s) {
    skip_blanks(s);
    if (!isdigit((unsigned char)*s->p)) {
        fail(s, "a number");
        return 0;
    }
    char *end;
    uint64_t v = strtoull(s->p, &end, 0);
    s->p = end;
    return v;
}

/* The index of the word at the cursor in a table of names. */
static unsigned name_in(Parser *s, const char *const *names, unsigned count,
                        const char *want) {
    char buf[32];
    word(s, buf, sizeof(buf));
    for (unsigned i = 0; i < count; i++) {
        if (names[i] && strcmp(names[i], buf) == 0) {
            return i;
        }
    }
    fail(s, want);
    return 0;
}

static IrType type_suffix(Parser *s) {
    if (!accept(s, ":")) {
        return IR_I64;
    }
    return (IrType)name_in(s, ir_type_names, 4, "a type: i32, i64, f32 or f64");
}

/* %number. Locals are made in the order of their numbers, so that a dump shows the same
 * ones. */
static TempId parse_local(Parser *s) {
    uint64_t n = number(s);
    IrType type = type_suffix(s);
    if (n >= IR_MAX_TEMPS) {
        fail(s, "a smaller local number");
    }
    while (!s->want && s->ctx->local_count <= n) {
        TempId t = ir_temp_new(s->ctx, IR_I64);
        if (s->ctx->overflow) {
            fail(s, "fewer temps");
            return 0;
        }
        s->local[s->ctx->local_count - 1] = t;
        s->typed[s->ctx->local_count - 1] = false;
    }
    if (s->want) {
        return 0;
    }
    TempId t = s->local[n];
    IrTemp *temp = &s->ctx->temps[t];
    if (!s->typed[n]) {
        s->typed[n] = true;
        temp->type = (uint8_t)type;
    } else if (temp->type != type) {
        fail(s, "the type that this local had before");
    }
    return t;
}

static TempId parse_temp(Parser *s) {
    skip_blanks(s);
    if (accept(s, "%")) {
        return parse_local(s);
    }
    if (accept(s, "$")) {
        uint64_t value = number(s);
        IrType type = type_suffix(s);
        return ir_const(s->ctx, type, value);
    }
    char buf[32];
    word(s, buf, sizeof(buf));
    for (unsigned t = 0; t < s->ctx->global_count; t++) {
        if (strcmp(s->ctx->temps[t].name, buf) == 0) {
            return (TempId)t;
        }
    }
    fail(s, "a temp: %number, $constant or the name of a guest register");
    return 0;
}

/* " + 0x10]" or "]" */
static int64_t parse_disp(Parser *s) {
    bool minus = accept(s, "-");
    int64_t disp = 0;
    if (minus || accept(s, "+")) {
        uint64_t size = number(s);
        disp = (int64_t)(minus ? 0 - size : size);
    }
    expect(s, "]");
    return disp;
}

static unsigned parse_memop(Parser *s) {
    static const char *const sizes[] = {"u8", "u16", "u32", "u64",
                                        "s8", "s16", "s32", "s64"};
    static const struct {
        const char *name;
        unsigned bit;
    } marks[] = {{"be", MO_BE}, {"align", MO_ALIGN}, {"fp", MO_FP}};
    char buf[48];
    word(s, buf, sizeof(buf));
    char *rest, *part = strtok_r(buf, ".", &rest);
    unsigned memop = 8;
    for (unsigned i = 0; part && i < 8; i++) {
        if (strcmp(part, sizes[i]) == 0) {
            memop = i; /* MO_SIZE and MO_SIGN, as the table is in their order */
        }
    }
    if (memop == 8) {
        fail(s, "a size: u8, s8, ... s64, with .be, .align, .fp");
        return 0;
    }
    while ((part = strtok_r(NULL, ".", &rest))) {
        unsigned bit = 0;
        for (unsigned i = 0; i < 3; i++) {
            bit |= strcmp(part, marks[i].name) == 0 ? marks[i].bit : 0;
        }
        if (!bit) {
            fail(s, ".be, .align or .fp");
        }
        memop |= bit;
    }
    return memop;
}

static void parse_call(Parser *s, IrOp *op) {
    char name[64];
    word(s, name, sizeof(name));
    const HelperInfo *helper = NULL;
    for (unsigned i = 0; s->helpers && s->helpers[i]; i++) {
        if (strcmp(s->helpers[i]->name, name) == 0) {
            helper = s->helpers[i];
        }
    }
    if (!helper) {
        fail(s, "the name of a helper");
        return;
    }
    op->imm = (uint64_t)(uintptr_t)helper;
    expect(s, "(");
    for (unsigned i = 0; i < helper->nargs; i++) {
        if (i) {
            expect(s, ",");
        }
        op->in[i] = parse_temp(s);
    }
    expect(s, ")");
    if (accept(s, "->")) {
        op->out = parse_temp(s);
        op->type = s->ctx->temps[op->out].type;
    }
}

static uint64_t parse_label(Parser *s) {
    expect(s, "L");
    uint64_t label = number(s);
    if (label >= IR_MAX_LABELS) {
        fail(s, "a smaller label number");
        return 0;
    }
    if (label >= s->ctx->label_count) {
        s->ctx->label_count = (unsigned)label + 1;
    }
    return label;
}

static void parse_field(Parser *s, IrOp *op, char field) {
    switch (field) {
    case 'o':
        op->out = parse_temp(s);
        break;
    case '0':
    case '1':
    case '2':
    case '3':
        op->in[field - '0'] = parse_temp(s);
        break;
    case 'c':
        op->cond = (uint8_t)name_in(s, ir_cond_names, COND_COUNT, "a condition");
        break;
    case 'f':
        op->cond =
            (uint8_t)name_in(s, ir_fcond_names, FCOND_COUNT, "eq, lt, le, lt_q or le_q");
        break;
    case 'w':
        op->cond = (uint8_t)name_in(s, ir_rmw_names, RMW_COUNT, "a read-modify-write");
        break;
    case 'r':
        op->aux = (uint16_t)name_in(s, ir_round_names, 8, "a rounding mode");
        break;
    case 'A':
        expect(s, "[");
        op->in[0] = parse_temp(s);
        op->imm = (uint64_t)parse_disp(s);
        break;
    case 'E':
        expect(s, "[");
        expect(s, "env");
        op->imm = (uint64_t)parse_disp(s);
        break;
    case 'P': {
        expect(s, "[");
        op->in[0] = parse_temp(s);
        int64_t lo = parse_disp(s);
        expect(s, ",");
        op->imm = ir_probe_imm((int32_t)lo, (uint32_t)number(s));
        break;
    }
    case 'm':
        op->aux = (uint16_t)((op->aux & ~0xff) | parse_memop(s));
        break;
    case 'd': {
        static const char *const names[2] = {"load", "store"};
        unsigned memop = name_in(s, names, 2, "load or store") ? MO_STORE : 0;
        op->aux = (uint16_t)((op->aux & ~0xff) | memop);
        break;
    }
    case 'u':
        expect(s, "mmu");
        op->aux = (uint16_t)((op->aux & 0xff) | (number(s) & 0xff) << 8);
        break;
    case 'p': {
        unsigned pos = (unsigned)(number(s) & 0xff);
        expect(s, ",");
        op->imm = ir_field(pos, (unsigned)(number(s) & 0xff));
        break;
    }
    case 'i':
        op->imm = name_in(s, ir_fcvt_names, 4, "i32, u32, i64 or u64");
        break;
    case 'L':
        op->imm = parse_label(s);
        break;
    case 'X':
        op->imm = number(s);
        break;
    case 'k':
        op->aux = (uint16_t)number(s);
        break;
    case 'C':
        parse_call(s, op);
        break;
    case ' ':
        break;
    default: {
        char text[2] = {field, '\0'};
        if (!accept(s, text)) {
            fail(s, "a comma");
        }
        break;
    }
    }
}

/* "add_i64" or "fence": the opcode, and the type if it has one. */
static bool parse_mnemonic(Parser *s, IrOpcode *opcode, IrType *type) {
    char buf[32];
    word(s, buf, sizeof(buf));
    *type = IR_I64;
    for (unsigned i = 0; i < IR_OPCODE_COUNT; i++) {
        const char *name = ir_op_defs[i].name;
        size_t n = strlen(name);
        *opcode = (IrOpcode)i;
        if (strncmp(buf, name, n) != 0 || i == IR_insn_start || i == IR_label) {
            continue;
        }
        if (buf[n] == '\0' && ir_text_format[i][0] == '-') {
            return true;
        }
        for (unsigned t = 0; buf[n] == '_' && t < 4; t++) {
            if (strcmp(buf + n + 1, ir_type_names[t]) == 0 &&
                ir_text_format[i][0] != '-') {
                *type = (IrType)t;
                return true;
            }
        }
    }
    fail(s, "an op, such as add_i64");
    return false;
}

static void parse_line(Parser *s) {
    if (at_end(s)) {
        return;
    }
    if (accept(s, "----")) {
        ir_insn_start(s->ctx, number(s));
        return;
    }
    if (*s->p == 'L') {
        ir_label(s->ctx, (unsigned)parse_label(s));
        expect(s, ":");
        return;
    }
    IrOpcode opcode;
    IrType type;
    if (!parse_mnemonic(s, &opcode, &type)) {
        return;
    }
    IrOp *op = ir_emit(s->ctx, opcode, type);
    const char *format = ir_text_format[opcode];
    for (format += *format == '-'; *format && !s->want; format++) {
        parse_field(s, op, *format);
    }
}

bool ir_parse(IrContext *ctx, const char *text, const HelperInfo *const *helpers,
              Error **errp) {
    Parser *s = malloc(sizeof(*s));
    if (!s) {
        error_set(errp, "out of memory");
        return false;
    }
    s->ctx = ctx;
    s->helpers = helpers;
    s->p = text;
    s->number = 0;
    s->want = NULL;
    ir_block_begin(ctx);
    while (*s->p && !s->want) {
        s->number++;
        s->line = s->p;
        parse_line(s);
        if (!s->want && !at_end(s)) {
            fail(s, "the end of the line");
        }
        if (ctx->overflow) {
            fail(s, "a smaller block");
        }
        if (!s->want) {
            s->p += strcspn(s->p, "\n");
            s->p += *s->p == '\n';
        }
    }
    bool ok = !s->want;
    if (!ok) {
        error_set(errp, "IR line %u, column %u: expected %s", s->number,
                  (unsigned)(s->p - s->line) + 1, s->want);
    }
    free(s);
    return ok;
}
