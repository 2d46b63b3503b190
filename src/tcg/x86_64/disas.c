/* SPDX-License-Identifier: MIT */
/*
 * Host code as text, by capstone.
 *
 * The library is loaded when the first instruction is asked for and stays: its tables are
 * 3 MB of relocations that a machine nobody looks into should not pay for at its start.
 *
 *   call slow thunk
 *   jmp  back
 *   ; slow path: load u64 [rbx + 0x8] -> r8; at pc + 0x4; a5 in rcx     the SlowDesc here
 */
#include <capstone/capstone.h>
#include <dlfcn.h>
#include <stdarg.h>

#include "tcg/ir_text.h"
#include "tcg/x86_64/gen.h"

/* The functions of capstone that are used. */
typedef struct Capstone {
    cs_err (*open)(cs_arch arch, cs_mode mode, csh *handle);
    size_t (*disasm)(csh handle, const uint8_t *code, size_t size, uint64_t address,
                     size_t count, cs_insn **insn);
    void (*free)(cs_insn *insn, size_t count);
    cs_err (*close)(csh *handle);
} Capstone;

static bool capstone_load(Capstone *cs) {
    /* Again: only counted. */
    void *library = dlopen("libcapstone.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        return false;
    }
    /* POSIX lets a function pointer be read from what dlsym() returns. */
    *(void **)&cs->open = dlsym(library, "cs_open");
    *(void **)&cs->disasm = dlsym(library, "cs_disasm");
    *(void **)&cs->free = dlsym(library, "cs_free");
    *(void **)&cs->close = dlsym(library, "cs_close");
    return cs->open && cs->disasm && cs->free && cs->close;
}

/* --- descriptors of slow paths ------------------------------------------------ */

enum { DESC_BACK = 2 * SLOW_SKIP, OPC_CALL = 0xe8, OPC_JMP = 0xe9 };

static const char *const reg_names[HOST_REGS] = {
    "rax",  "rcx",  "rdx",   "rbx",   "rsp",   "rbp",   "rsi",   "rdi",
    "r8",   "r9",   "r10",   "r11",   "r12",   "r13",   "r14",   "r15",
    "xmm0", "xmm1", "xmm2",  "xmm3",  "xmm4",  "xmm5",  "xmm6",  "xmm7",
    "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
};

const char *x86_reg_name(unsigned reg) {
    return reg < HOST_REGS ? reg_names[reg] : "?";
}

/* A line being written; what does not fit is cut off. */
typedef struct Line {
    char *text;
    size_t used, size;
} Line;

static void put(Line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(Line *l, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->text + l->used, l->size - l->used, format, args);
    va_end(args);
    l->used += n > 0 ? (size_t)n : 0;
    l->used = l->used < l->size ? l->used : l->size - 1;
}

static void put_reg(Line *l, const char *before, unsigned reg) {
    if (reg < HOST_REGS) {
        put(l, "%s%s", before, reg_names[reg]);
    }
}

static void put_disp(Line *l, int64_t disp) {
    if (disp) {
        put(l, " %c 0x%llx", disp < 0 ? '-' : '+',
            (unsigned long long)(disp < 0 ? -disp : disp));
    }
}

static void put_value(Line *l, const SlowDesc *d) {
    if (d->value_reg == REG_NONE) {
        put(l, ", 0x%llx", (unsigned long long)(int64_t)d->value);
    }
    put_reg(l, ", ", d->value_reg);
}

/* "load u64 [rbx + 0x8]" */
static void put_access(Line *l, const char *verb, const SlowDesc *d) {
    unsigned memop = ir_aux_memop(d->aux);
    put(l, "%s ", verb);
    if (d->kind == SLOW_RMW) {
        put(l, "%s ", ir_rmw_names[d->cond]);
    }
    if (d->kind == SLOW_PROBE) {
        put(l, "for %s", memop & MO_STORE ? "store" : "load");
    } else {
        put(l, "%c%u%s", memop & MO_SIGN ? 's' : 'u', 8 * MO_BYTES(memop),
            memop & MO_BE ? ".be" : "");
    }
    put_reg(l, " [", d->addr_reg);
    put_disp(l, d->disp);
    put(l, "]");
}

static void put_fp(Line *l, const SlowDesc *d) {
    put(l, "%s_%s", ir_op_defs[d->opcode].name, ir_type_names[d->type]);
    put_reg(l, " ", d->value_reg);
    put_reg(l, ", ", d->value2_reg);
    put_reg(l, ", ", d->value3_reg);
}

/* The globals that are newer in a register than in env. */
static void put_dirty(Line *l, const BackendState *bs, const SlowDesc *d) {
    for (unsigned i = 0; i < d->dirty_count; i++) {
        const char *name = "?";
        for (unsigned t = 0; t < bs->globals->global_count; t++) {
            if (bs->globals->temps[t].env_offset == d->dirty[i].offset) {
                name = bs->globals->temps[t].name;
            }
        }
        put(l, "%s%s in %s", i ? ", " : "; ", name, reg_names[d->dirty[i].reg]);
    }
}

static void put_desc(Line *l, const BackendState *bs, const SlowDesc *d) {
    put(l, "; slow path: ");
    switch ((SlowKind)d->kind) {
    case SLOW_LOAD:
        put_access(l, "load", d);
        break;
    case SLOW_STORE:
        put_access(l, "store", d);
        put_value(l, d);
        break;
    case SLOW_RMW:
        put_access(l, "rmw", d);
        put_value(l, d);
        break;
    case SLOW_CAS:
        put_access(l, "cas", d);
        put_value(l, d);
        put_reg(l, ", ", d->value2_reg);
        break;
    case SLOW_PROBE:
        put_access(l, "probe", d);
        put(l, ", %d", (int)d->value);
        break;
    case SLOW_FP:
        put_fp(l, d);
        break;
    }
    put_reg(l, " -> ", d->out_reg);
    if (d->kind != SLOW_FP) {
        put(l, "; at pc");
        put_disp(l, d->pc);
        put_dirty(l, bs, d);
    }
}

/* The descriptor at p, which a call of a slow thunk and a jump precede; its length, or 0.
 * What lies before p is readable: code, or the thunks. */
static unsigned descriptor(const BackendState *bs, const uint8_t *p, const uint8_t *end,
                           SlowDesc *d) {
    const X86Priv *priv = bs->priv;
    const size_t fixed = offsetof(SlowDesc, dirty);
    const uint8_t *call = p - DESC_BACK;
    if (call < bs->code.rx_base + bs->fixed_size || (size_t)(end - p) < fixed ||
        call[0] != OPC_CALL || p[-SLOW_SKIP] != OPC_JMP) {
        return 0;
    }
    int32_t rel;
    memcpy(&rel, call + 1, sizeof(rel));
    const uint8_t *target =
        call + SLOW_SKIP + rel - (bs->code.rx_base - bs->code.rw_base);
    if (target != priv->thunk.slow && target != priv->thunk.slow_xmm) {
        return 0;
    }
    memcpy(d, p, fixed);
    size_t size = fixed + d->dirty_count * sizeof(d->dirty[0]);
    if (d->dirty_count > HOST_REGS || (size_t)(end - p) < size) {
        return 0;
    }
    memcpy(d, p, size);
    return (unsigned)size;
}

/* --- one line ----------------------------------------------------------------- */

unsigned x86_disassemble(const BackendState *bs, const uint8_t *p, const uint8_t *end,
                         uint64_t address, char *text, size_t text_size) {
    SlowDesc d;
    unsigned len = descriptor(bs, p, end, &d);
    if (len) {
        put_desc(&(Line){text, 0, text_size}, bs, &d);
        return len;
    }
    Capstone capstone;
    csh handle;
    cs_insn *insn;
    len = 1;
    snprintf(text, text_size, ".byte 0x%02x", *p);
    if (!capstone_load(&capstone) ||
        capstone.open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) {
        return len;
    }
    if (capstone.disasm(handle, p, (size_t)(end - p), address, 1, &insn) == 1) {
        snprintf(text, text_size, "%s %s", insn->mnemonic, insn->op_str);
        len = insn->size;
        capstone.free(insn, 1);
    }
    capstone.close(&handle);
    return len;
}
