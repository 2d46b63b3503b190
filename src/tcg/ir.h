/* SPDX-License-Identifier: MIT */
/*
 * IR: what a translation block is between guest and host code.
 *
 *   guest insn --front end--> ops[] --optimize--> ops[] --liveness--> ops[] + dead bits --> back end
 *
 * An IrContext holds one block at a time: an array of ops over temps. A temp is a *global* (a guest
 * register, at a fixed offset in env), a *local* or a *constant* (interned by value and type). The
 * form is not SSA: a temp may be written many times. Control flow is a line with labels; only
 * globals and constants live across a label.
 *
 * Every op knows the guest instruction it comes from (`insn`) and its number at birth (`id`); a pass
 * that changes or removes one says by which rule, so that the inspector can show it.
 *
 * Invariants: where an op may fault (OPF_MAY_FAULT, or a call with HELPER_FAULTS) the globals hold
 * the guest's state before that instruction's own result; front ends write results last.
 * Book: life-of-an-instruction.md, 3 to 5.
 */
#ifndef VITRINE_TCG_IR_H
#define VITRINE_TCG_IR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/addr.h"
#include "util/error.h"

typedef enum IrOpcode {
#define OP(id, text, outs, ins, flags, meaning) IR_##id,
#include "tcg/ops.def"
#undef OP
    IR_OPCODE_COUNT
} IrOpcode;

enum {
    OPF_COMMUTES = 1 << 0,    /* a and b may be swapped */
    OPF_SIDE_EFFECT = 1 << 1, /* not removable when its output is dead */
    OPF_MAY_FAULT = 1 << 2,   /* may leave the block with a guest exception */
    OPF_BRANCH = 1 << 3,      /* imm is a label */
    OPF_LABEL = 1 << 4,
    OPF_ENDS = 1 << 5, /* control does not go on to the next op */
    OPF_CALL = 1 << 6,
    OPF_FP =
        1
        << 7, /* reads the rounding mode, sets sticky flags: not removable, not foldable */
    /* Not mergeable across stores to env, calls and faulting ops. */
    OPF_READS_ENV = 1 << 8,
};

typedef enum IrType { IR_I32, IR_I64, IR_F32, IR_F64 } IrType;

typedef enum IrCond {
    COND_EQ,
    COND_NE,
    COND_LT,
    COND_GE,
    COND_LTU,
    COND_GEU,
    COND_LE,
    COND_GT,
    COND_LEU,
    COND_GTU,
    COND_COUNT
} IrCond;

/* EQ is quiet, LT and LE signal invalid on any NaN, the _Q forms are quiet. */
typedef enum IrFcond {
    FCOND_EQ,
    FCOND_LT,
    FCOND_LE,
    FCOND_LT_Q,
    FCOND_LE_Q,
    FCOND_COUNT
} IrFcond;

typedef enum IrRmw {
    RMW_XCHG,
    RMW_ADD,
    RMW_AND,
    RMW_OR,
    RMW_XOR,
    RMW_MIN,
    RMW_MAX,
    RMW_MINU,
    RMW_MAXU,
    RMW_COUNT
} IrRmw;

/* The size, sign and rules of a memory access; bits 7:0 of aux. */
enum {
    MO_8 = 0,
    MO_16 = 1,
    MO_32 = 2,
    MO_64 = 3,
    MO_SIZE = 3,       /* log2 of the bytes */
    MO_SIGN = 1 << 2,  /* loads sign-extend to 64 bits; without it they zero-extend */
    MO_BE = 1 << 3,    /* big endian */
    MO_ALIGN = 1 << 4, /* a misaligned address faults (LR/SC, AMO) */
    MO_STORE = 1 << 5, /* guest_probe: for stores; else for loads */
    MO_FP = 1 << 6,    /* the value temp is f32 or f64 */
};
#define MO_BYTES(memop) (1u << ((memop)&MO_SIZE))

/* memop: MO_* flags. mmu_idx: by which rights and translation the access goes, a number of the ISA's
 * choice below TLB_MMU_MODES; each has a first-level TLB of its own (RISC-V: MMU_U, MMU_S, ...). */
static inline uint16_t ir_mem_aux(unsigned memop, unsigned mmu_idx) {
    return (uint16_t)(memop | mmu_idx << 8);
}
static inline unsigned ir_aux_memop(uint16_t aux) {
    return aux & 0xff;
}
static inline unsigned ir_aux_mmu_idx(uint16_t aux) {
    return aux >> 8;
}

/* Rounding modes in aux of FP ops: RISC-V's numbers. */
enum { FP_MODE_RNE, FP_MODE_RTZ, FP_MODE_RDN, FP_MODE_RUP, FP_MODE_RMM, FP_MODE_DYN = 7 };

/* imm of extract, sextract and deposit. */
static inline uint64_t ir_field(unsigned pos, unsigned len) {
    return pos | len << 8;
}
static inline unsigned ir_field_pos(uint64_t imm) {
    return imm & 0xff;
}
static inline unsigned ir_field_len(uint64_t imm) {
    return (imm >> 8) & 0xff;
}

/* imm of guest_probe: the bytes [a + lo, a + lo + len). */
static inline uint64_t ir_probe_imm(int32_t lo, uint32_t len) {
    return (uint32_t)lo | (uint64_t)len << 32;
}
static inline int32_t ir_probe_lo(uint64_t imm) {
    return (int32_t)(uint32_t)imm;
}
static inline uint32_t ir_probe_len(uint64_t imm) {
    return (uint32_t)(imm >> 32);
}

/* imm of fcvt_f2i and fcvt_i2f: the integer side. */
enum { FCVT_I32 = 0, FCVT_U32 = 1, FCVT_I64 = 2, FCVT_U64 = 3 };

typedef uint16_t TempId;
#define TEMP_NONE 0xffff

typedef enum TempKind { TEMP_GLOBAL, TEMP_LOCAL, TEMP_CONST } TempKind;

typedef struct IrTemp {
    uint8_t kind; /* TempKind */
    uint8_t type; /* IrType */
    /* Globals: 1 is the first the back end should keep in a host register from block to
     * block, 2 the second, ...; 0: no wish. */
    uint8_t pin_rank;
    int32_t env_offset; /* globals: bytes from env */
    /* Constants; i32 constants are zero-extended. Locals: their number in dumps. */
    uint64_t value;
    const char *name; /* globals: "a0"; else NULL */
} IrTemp;

/* What a helper may do, so that passes and back ends keep no more than they must. */
enum {
    HELPER_PURE = 1 << 0, /* result depends on its arguments only: may be removed, merged;
                                     it gets no env: fn(a, b, c, d) */
    HELPER_READS_GLOBALS = 1 << 1,  /* globals must be in env */
    HELPER_WRITES_GLOBALS = 1 << 2, /* and are reloaded after */
    HELPER_FAULTS = 1 << 3, /* may deliver a guest exception: env pc is set to the current
                                     instruction before, cpu->fault_taken is tested after; implies
                                     both of the above */
    /* Reads or sets cpu->fp: fp_save before, fp_load after, by the back end. */
    HELPER_FP = 1 << 4,
    HELPER_NO_RETURN_VALUE = 1 << 5,
};

/* uint64_t fn(env, a, b, c, d) with all arguments as 64-bit words (floats as their bits). Bits 63:32
 * of an i32 or f32 argument are undefined, and so are those of the result for an i32 or f32 `out`. */
typedef struct HelperInfo {
    const char *name;
    void *fn;
    uint32_t flags;
    uint8_t nargs; /* 0 to 4, without env */
} HelperInfo;

typedef enum IrRuleId {
    RULE_NONE = 0,
#define RULE(id, text) RULE_##id,
#include "tcg/rules.def"
#undef RULE
    RULE_COUNT
} IrRuleId;

typedef struct IrOp {
    uint8_t opcode;  /* IrOpcode */
    uint8_t type;    /* IrType */
    uint8_t cond;    /* IrCond, IrFcond or IrRmw */
    uint8_t rule;    /* IrRuleId: the last rule that changed or removed it */
    uint8_t removed; /* 1: struck through; later passes and back ends skip it */
    /* Liveness: bit i: the value that in[i] has here is not used after this op. */
    uint8_t dead_in;
    uint8_t dead_out; /* liveness: 1: the output is never used */
    uint8_t pad;
    uint16_t insn; /* index in insns[] */
    uint16_t id;   /* number at birth */
    uint16_t aux;  /* memop and mmu index, rounding mode, exit slot: see ops.def */
    TempId out;
    TempId in[4];
    uint64_t imm;
} IrOp;

typedef struct IrInsn {
    vaddr pc;
    uint8_t bytes;     /* length */
    uint32_t first_op; /* index of its insn_start at birth */
} IrInsn;

enum {
    IR_MAX_OPS = 4096,
    IR_MAX_TEMPS = 6144, /* fewer than 2^15 */
    IR_MAX_GLOBALS = 256,
    IR_MAX_INSNS = 512,
    IR_MAX_LABELS = 512,
    IR_CONST_BUCKETS = 256,
};

typedef struct IrContext {
    IrOp ops[IR_MAX_OPS];
    unsigned op_count;
    IrTemp temps[IR_MAX_TEMPS];
    unsigned global_count; /* temps[0 .. global_count) */
    unsigned temp_count;
    unsigned local_count;
    IrInsn insns[IR_MAX_INSNS];
    unsigned insn_count;
    unsigned label_count;
    uint16_t next_id;
    uint16_t access_count; /* ir_liveness(): ops that access guest memory */
    /* An append did not fit: the block must be cut and translated again, shorter. */
    bool overflow;
    int32_t pc_offset;                     /* of the guest pc in env */
    TempId const_bucket[IR_CONST_BUCKETS]; /* chains through const_next */
    TempId const_next[IR_MAX_TEMPS];
    /* == block_stamp: the bucket is of this block. */
    uint32_t const_stamp[IR_CONST_BUCKETS];
    uint32_t block_stamp;
    /* Set by explain, else NULL: called with the ops after each pass ("optimize", ...), and with an
     * op after each rule that changed it. */
    void (*on_pass)(struct IrContext *ctx, const char *pass, void *opaque);
    void (*on_rule)(struct IrContext *ctx, const IrOp *op, void *opaque);
    void *on_pass_opaque;
    struct IrOptimizer *optimizer; /* what ir_optimize() knows of each temp */
} IrContext;

/* --- life of a context ------------------------------------------------------------------------ */
IrContext *ir_context_new(void); /* zeroed lazily; never fails */
void ir_context_free(IrContext *ctx);
/* Declares a guest register; before the first block only. `name` is borrowed. */
TempId ir_global_new(IrContext *ctx, IrType type, int32_t env_offset, const char *name,
                     unsigned pin_rank);
void ir_block_begin(
    IrContext *ctx); /* forgets ops, locals, constants, labels. Cost: O(1) */

/* --- temps ------------------------------------------------------------------------------------ */
TempId ir_temp_new(IrContext *ctx, IrType type);
TempId ir_const(IrContext *ctx, IrType type, uint64_t value);
static inline TempId ir_const_i64(IrContext *ctx, uint64_t value) {
    return ir_const(ctx, IR_I64, value);
}
static inline bool ir_is_const(const IrContext *ctx, TempId t) {
    return ctx->temps[t].kind == TEMP_CONST;
}
unsigned ir_label_new(IrContext *ctx);

/* --- building. Each appends one op and returns it (never NULL: on overflow a scratch op) --------- */
IrOp *ir_emit(IrContext *ctx, IrOpcode opcode, IrType type);
void ir_insn_start(IrContext *ctx, vaddr pc);
/* Must follow each instruction's decoding: its length, for the inspector. */
void ir_insn_length(IrContext *ctx, unsigned bytes);
void ir_op1(IrContext *ctx, IrOpcode opcode, IrType type, TempId out, TempId a);
void ir_op2(IrContext *ctx, IrOpcode opcode, IrType type, TempId out, TempId a, TempId b);
void ir_op2i(IrContext *ctx, IrOpcode opcode, IrType type, TempId out, TempId a,
             uint64_t b);
void ir_mov(IrContext *ctx, IrType type, TempId out, TempId a);
void ir_setcond(IrContext *ctx, IrType type, IrCond cond, TempId out, TempId a, TempId b);
void ir_movcond(IrContext *ctx, IrType type, IrCond cond, TempId out, TempId a, TempId b,
                TempId c, TempId d);
void ir_extract(IrContext *ctx, IrType type, TempId out, TempId a, unsigned pos,
                unsigned len);
void ir_sextract(IrContext *ctx, IrType type, TempId out, TempId a, unsigned pos,
                 unsigned len);
void ir_deposit(IrContext *ctx, IrType type, TempId out, TempId a, TempId b, unsigned pos,
                unsigned len);
void ir_label(IrContext *ctx, unsigned label);
void ir_br(IrContext *ctx, unsigned label);
void ir_brcond(IrContext *ctx, IrType type, IrCond cond, TempId a, TempId b,
               unsigned label);
void ir_env_ld(IrContext *ctx, IrType type, TempId out, int64_t offset, unsigned memop);
void ir_env_st(IrContext *ctx, TempId a, int64_t offset, unsigned memop);
void ir_guest_ld(IrContext *ctx, IrType type, TempId out, TempId addr, int32_t disp,
                 unsigned memop, unsigned mmu_idx);
void ir_guest_st(IrContext *ctx, IrType type, TempId value, TempId addr, int32_t disp,
                 unsigned memop, unsigned mmu_idx);
void ir_guest_rmw(IrContext *ctx, IrRmw rmw, TempId out, TempId addr, TempId value,
                  unsigned memop, unsigned mmu_idx);
void ir_guest_cas(IrContext *ctx, TempId out, TempId addr, TempId expected,
                  TempId desired, unsigned memop, unsigned mmu_idx);
void ir_fence(IrContext *ctx);
void ir_fp2(IrContext *ctx, IrOpcode opcode, IrType type, unsigned rm, TempId out,
            TempId a, TempId b);
void ir_call(IrContext *ctx, const HelperInfo *helper, TempId out, const TempId *args);
void ir_goto_tb(IrContext *ctx, unsigned slot, vaddr pc);
void ir_goto_pc(IrContext *ctx, vaddr pc);
void ir_goto_ptr(IrContext *ctx, TempId pc);
void ir_exit_tb(IrContext *ctx, unsigned reason);

/* --- op table --------------------------------------------------------------------------------- */
typedef struct IrOpDef {
    const char *name;
    uint8_t outs, ins;
    uint16_t flags;
    const char *meaning;
} IrOpDef;
extern const IrOpDef ir_op_defs[IR_OPCODE_COUNT];
extern const char *const ir_cond_names[COND_COUNT];
static inline const HelperInfo *ir_call_helper(const IrOp *op) {
    return (const HelperInfo *)(uintptr_t)op->imm;
}
/* As in the table, but for a call: as its helper allows. */
uint32_t ir_op_flags(const IrOp *op);
bool ir_cond_eval(IrCond cond, IrType type, uint64_t a, uint64_t b);
IrCond ir_cond_invert(IrCond cond); /* not (a c b) */
IrCond ir_cond_swap(IrCond cond);   /* b c' a */

/* Name and sentence of an optimizer rule. */
const char *ir_rule_name(IrRuleId rule);
const char *ir_rule_text(IrRuleId rule);

/* --- passes ----------------------------------------------------------------------------------- */
/* Folds, propagates and removes, by the rules of rules.def. */
void ir_optimize(IrContext *ctx);
/* Removes ops whose results are never used, fills dead_in and dead_out. Globals count as used at
 * every exit, label, op that may fault and helper that reads them. */
void ir_liveness(IrContext *ctx);
/* False and a message if an op breaks the rules above (types, counts, locals across labels). */
bool ir_validate(const IrContext *ctx, Error **errp);

/* --- text (dump.c, parse.c): the form of -d op, tests/ir and the console ------------------------ */
void ir_dump(const IrContext *ctx, FILE *out);
/* The op alone: no margin, no remark, no line end. */
void ir_print_op(const IrContext *ctx, const IrOp *op, FILE *out);
void ir_print_temp(const IrContext *ctx, TempId t, FILE *out);
/* Reads what ir_dump writes; helpers are looked up by name in `helpers` (NULL-terminated, or NULL).
 * Globals must have been declared. Errors: line number, what is wrong, what is expected. */
bool ir_parse(IrContext *ctx, const char *text, const HelperInfo *const *helpers,
              Error **errp);

#endif
