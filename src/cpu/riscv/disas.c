/* SPDX-License-Identifier: MIT */
/*
 * Disassembler: one instruction as GNU objdump writes it.
 *
 *   riscv_decode() -> row -> its form, or that of the first alias that holds (alias.def)
 *                  -> the form's letters replaced by operands: "xori d,s,j" "not\ta0,a1"
 *
 * A tab follows the mnemonic. Branch and jump targets are absolute addresses
 * ("0x80000000").
 *
 * Not modelled: objdump's comments ("# 0x1000" after lui and addi), which follow register
 * values over several instructions, and symbols.
 *
 * Spec: RISC-V Assembly Programmer's Manual; checked against binutils 2.40.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cpu/riscv/cpu.h"
#include "cpu/riscv/csr.h"
#include "cpu/riscv/decode.h"

typedef struct Text {
    char *buf;
    size_t size, used; /* used counts what did not fit, too */
} Text;

static void put(Text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(Text *text, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    size_t room = text->used < text->size ? text->size - text->used : 0;
    int n = vsnprintf(room ? text->buf + text->used : NULL, room, format, ap);
    va_end(ap);
    text->used += n > 0 ? (size_t)n : 0;
}

/* --- names -------------------------------------------------------------------------- */
typedef struct CsrName {
    uint16_t first, last;
    const char *name;
    int index;
    const char *suffix;
} CsrName;

static const CsrName csr_names[] = {
#define CSR_NAME(first, last, name, index, suffix) {first, last, name, index, suffix},
#include "cpu/riscv/csr_names.def"
#undef CSR_NAME
};

void riscv_csr_name(unsigned csr, char *text, size_t size) {
    for (size_t i = 0; i < sizeof(csr_names) / sizeof(csr_names[0]); i++) {
        const CsrName *n = &csr_names[i];
        if (csr < n->first || csr > n->last) {
            continue;
        }
        if (n->index < 0) {
            snprintf(text, size, "%s", n->name);
        } else {
            snprintf(text, size, "%s%u%s", n->name, (unsigned)n->index + csr - n->first,
                     n->suffix);
        }
        return;
    }
    snprintf(text, size, "0x%x", csr);
}

static void put_csr(Text *text, unsigned csr) {
    char name[24];
    riscv_csr_name(csr, name, sizeof(name));
    put(text, "%s", name);
}

static const char *const rounding_names[8] = {"rne", "rtz",     "rdn",     "rup",
                                              "rmm", "unknown", "unknown", "dyn"};

/* fli's constants; "min" is the smallest normal number of the type. */
static const char *const fli_names[32] = {
    "-0x1p+0",  "min",      "0x1p-16",  "0x1p-15",  "0x1p-8",   "0x1p-7",   "0x1p-4",
    "0x1p-3",   "0x1p-2",   "0x1.4p-2", "0x1.8p-2", "0x1.cp-2", "0x1p-1",   "0x1.4p-1",
    "0x1.8p-1", "0x1.cp-1", "0x1p+0",   "0x1.4p+0", "0x1.8p+0", "0x1.cp+0", "0x1p+1",
    "0x1.4p+1", "0x1.8p+1", "0x1p+2",   "0x1p+3",   "0x1p+4",   "0x1p+7",   "0x1p+8",
    "0x1p+15",  "0x1p+16",  "inf",      "nan",
};

static void put_fence_set(Text *text, unsigned set) {
    if (!set) {
        put(text, "unknown");
    }
    for (unsigned i = 0; i < 4; i++) {
        if (set & 8 >> i) {
            put(text, "%c", "iorw"[i]);
        }
    }
}

/* --- forms -------------------------------------------------------------------------- */
static const char *shown_form(const RiscvInsn *insn, bool rv32) {
    const RiscvArgs *a = &insn->args;
#define ALIAS(name, condition, form)                                                     \
    if ((insn->id == RISCV_INSN_##name || insn->base == RISCV_INSN_##name) &&            \
        (condition)) {                                                                   \
        return form;                                                                     \
    }
#include "cpu/riscv/alias.def"
#undef ALIAS
    return riscv_insn_defs[insn->base].form;
}

static void put_operand(Text *text, char letter, const RiscvArgs *a, vaddr pc,
                        bool rv32) {
    vaddr target = pc + (uint64_t)a->imm;
    switch (letter) {
    case 'd':
        put(text, "%s", riscv_gpr_names[a->rd]);
        break;
    case 's':
        put(text, "%s", riscv_gpr_names[a->rs1]);
        break;
    case 't':
        put(text, "%s", riscv_gpr_names[a->rs2]);
        break;
    case 'D':
        put(text, "%s", riscv_fpr_names[a->rd]);
        break;
    case 'S':
        put(text, "%s", riscv_fpr_names[a->rs1]);
        break;
    case 'T':
        put(text, "%s", riscv_fpr_names[a->rs2]);
        break;
    case 'U':
        put(text, "%s", riscv_fpr_names[a->rs3]);
        break;
    case 'j':
    case 'o':
        put(text, "%" PRId64, a->imm);
        break;
    case 'h':
        put(text, "0x%" PRIx64, (uint64_t)a->imm);
        break;
    case 'u':
        put(text, "0x%" PRIx64, (uint64_t)a->imm >> 12 & 0xfffff);
        break;
    case 'a':
        put(text, "0x%" PRIx64, rv32 ? (uint32_t)target : target);
        break;
    case 'z':
        put(text, "%u", a->rs1);
        break;
    case 'c':
        put_csr(text, a->csr);
        break;
    case 'm':
    case 'M':
        put(text, "%s", rounding_names[a->rm]);
        break;
    case 'P':
        put_fence_set(text, (unsigned)a->imm >> 4 & 15);
        break;
    case 'Q':
        put_fence_set(text, (unsigned)a->imm & 15);
        break;
    case 'v':
        put(text, "%s", fli_names[a->rs1]);
        break;
    default:
        put(text, "%c", letter);
        break;
    }
}

/* Whether a form's last ",m" or ",M" is left out. */
static bool rounding_hidden(char letter, const RiscvArgs *a) {
    return (letter == 'm' && a->rm == FP_MODE_DYN) ||
           (letter == 'M' && a->rm == FP_MODE_RNE);
}

static void put_form(Text *text, const char *form, const RiscvArgs *a, vaddr pc,
                     bool rv32) {
    const char *p = form;
    for (; *p && *p != ' '; p++) {
        if (*p == '!') {
            put(text, "%s%s%s", a->aq || a->rl ? "." : "", a->aq ? "aq" : "",
                a->rl ? "rl" : "");
        } else {
            put(text, "%c", *p);
        }
    }
    if (!*p) {
        return;
    }
    put(text, "\t");
    for (p++; *p; p++) {
        if (*p == ',' && rounding_hidden(p[1], a)) {
            return;
        }
        if (strncmp(p, "rtz", 3) == 0) { /* fcvtmod's fixed mode is spelled out */
            put(text, "rtz");
            return;
        }
        put_operand(text, *p, a, pc, rv32);
    }
}

unsigned riscv_disassemble(const CPUState *cpu, vaddr pc, const uint8_t *bytes,
                           unsigned len, char *text, size_t text_size) {
    const RiscvCPU *rcpu = (const RiscvCPU *)cpu;
    if (len < 2) {
        return 0;
    }
    uint32_t bits = bytes[0] | (uint32_t)bytes[1] << 8;
    unsigned length = riscv_insn_length((uint16_t)bits);
    if (len < length) {
        return 0;
    }
    if (length == 4) {
        bits |= (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    }
    Text out = {text, text_size, 0};
    RiscvInsn insn;
    if (riscv_decode(rcpu->decoder, bits, &insn)) {
        bool rv32 = rcpu->cfg.xlen == 32;
        put_form(&out, shown_form(&insn, rv32), &insn.args, pc, rv32);
    } else if (length == 2) {
        put(&out, ".2byte\t0x%" PRIx32, bits);
    } else {
        put(&out, ".4byte\t0x%" PRIx32, bits);
    }
    return length;
}

bool riscv_branch_target(const CPUState *cpu, vaddr pc, const uint8_t *bytes,
                         unsigned len, vaddr *target) {
    const RiscvCPU *rcpu = (const RiscvCPU *)cpu;
    RiscvInsn insn;
    uint32_t bits = 0;
    if (len < 2) {
        return false;
    }
    unsigned length = riscv_insn_length((uint16_t)(bytes[0] | bytes[1] << 8));
    if (len < length) {
        return false;
    }
    memcpy(&bits, bytes, length);
    if (!riscv_decode(rcpu->decoder, bits, &insn)) {
        return false;
    }
    uint8_t format = riscv_insn_defs[insn.base].format;
    if (format != FMT_B && format != FMT_J) {
        return false;
    }
    vaddr to = pc + (uint64_t)insn.args.imm;
    *target = rcpu->cfg.xlen == 32 ? (uint32_t)to : to;
    return true;
}
