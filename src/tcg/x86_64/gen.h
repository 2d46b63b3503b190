/* SPDX-License-Identifier: MIT */
/*
 * Gen: what the files of this back end share while they turn one block into host code.
 *
 *   rbp                   env + ENV_BIAS: one-byte displacements reach env's first 256
 *                         bytes
 *   rbx r8-r15            pinned globals, always; while generated code runs, their slots
 *                         in env are stale
 *   rax rcx rdx rsi rdi,  what the current block needs: locals, copies of other globals
 *   xmm0-15
 *   rsp                   16-byte aligned; the locals' spill slots lie from there up
 *
 * Not part of the back end's interface: only this folder and its tests include it.
 */
#ifndef VITRINE_TCG_X86_64_GEN_H
#define VITRINE_TCG_X86_64_GEN_H

#include "tcg/backend.h"
#include "tcg/ir.h"
#include "tcg/tb.h"
#include "tcg/tcg.h"
#include "tcg/x86_64/emit.h"

enum {
    ENV_BIAS = 128,
    PINNED_MAX = 9,
    SPILL_SLOTS = 512,
    GPR_TEMPS = 1u << RAX | 1u << RCX | 1u << RDX | 1u << RSI | 1u << RDI,
    XMM_TEMPS = (int)0xffff0000u,
    NEXT_NEVER = 0xffff, /* not read again before it is written or lost */
    COLD_MAX = 1024,
    COLD_DATA = 48 * 1024,
    FIXUP_MAX = 1024,
    OP_BYTES_MAX = 640, /* no op emits more, out-of-line part excluded */
};

/* What the host can do beyond the baseline. */
enum {
    HOST_BMI1 = 1 << 0, /* andn, tzcnt */
    HOST_BMI2 = 1 << 1, /* shlx, shrx, sarx, rorx */
    HOST_LZCNT = 1 << 2,
    HOST_POPCNT = 1 << 3,
    HOST_AVX = 1 << 5,
    HOST_FMA = 1 << 6,
};

/* Floating-point constants that instructions refer to. */
typedef enum FpConstant {
    FP_CONST_NAN,     /* canonical */
    FP_CONST_U32_MAX, /* the largest number not above 2^32 - 1 */
    FP_CONST_2_63,
    FP_CONSTANTS
} FpConstant;

/* Fixed code: addresses in the rw mapping (a distance is the same in both). */
typedef struct Thunks {
    const uint8_t *enter;
    const uint8_t *epilogue;    /* rax = what enter() returns */
    const uint8_t *exit_lookup; /* returns TB_EXIT_LOOKUP */
    const uint8_t *lookup_rax;  /* continue at guest pc rax */
    const uint8_t *lookup;      /* continue at env's pc */
    const uint8_t *fault;       /* clear fault_taken, then lookup */
    const uint8_t *stopped;     /* clear stop_after, return TB_EXIT_LOOKUP */
    const uint8_t *killed;      /* called from a dead block's entry */
    const uint8_t *slow;        /* call of x86_slow_path: no xmm register is live */
    const uint8_t *slow_xmm;    /* the same, saving and restoring xmm registers too */
    /* rax(env, rsi, rdx, rcx, rdi): all globals in env, then reloaded. */
    const uint8_t *helper_full;
    const uint8_t *helper_read; /* the same, only the caller-saved globals are reloaded */
    const uint8_t *helper_light; /* the same, globals are merely preserved */
    const uint8_t *helper_pure;  /* rax(rdi, rsi, rdx, rcx): globals are preserved */
    const uint8_t *constants;    /* FpConstant: as f32 and as f64, eight bytes each */
} Thunks;

typedef struct TempState {
    uint8_t reg;   /* the register it is in, or REG_NONE */
    uint16_t next; /* op that reads it next, or NEXT_NEVER */
    int16_t slot;  /* locals: spill slot, or -1 */
} TempState;

typedef struct X86Priv {
    uint32_t host; /* HOST_* in use */
    unsigned pinned_count;
    TempId pinned[PINNED_MAX]; /* temps, in the order of pinned_regs */
    int32_t reg_offset[16];    /* from TcgCpu to where the slow thunks save a register */
    bool reg_is32[16];         /* ... as four bytes */
    TempState *initial;        /* of the globals, at block start */
    unsigned global_count;
    int32_t pc_offset;
    bool icount;
    ptrdiff_t rx_delta; /* from the rw mapping to the rx mapping */
    Thunks thunk;
} X86Priv;

extern const uint8_t pinned_regs[PINNED_MAX];
extern const uint8_t op_in_count[IR_OPCODE_COUNT];

typedef enum ColdKind {
    COLD_SLOW,    /* call a slow thunk with data as descriptor */
    COLD_REQUEST, /* the block's entry saw exit_request */
    COLD_ICOUNT,  /* or more instructions than icount_left */
    COLD_EXIT,    /* unchained goto_tb: return TB | slot */
    COLD_STOP,    /* stop_after was set: leave before the instruction at imm */
    COLD_DIV,     /* division by 0 or -1 */
    COLD_NAN,     /* make the result canonical */
} ColdKind;

/* Something to be emitted behind the block. */
typedef struct Cold {
    uint8_t kind;
    uint8_t a, b; /* by kind */
    bool xmm;     /* SLOW: xmm registers are live */
    uint16_t op;
    uint16_t data, data_len; /* SLOW: in cold_data */
    uint8_t *jump;           /* displacement of the jump that leads here, NULL: none */
    uint8_t *back;
    uint64_t imm;
} Cold;

typedef struct NextUse {
    uint16_t in[4], out;
} NextUse;

typedef struct X86Gen {
    Emit e;         /* first: most calls want it */
    uint8_t *limit; /* an op must begin below */
    const X86Priv *priv;
    BackendState *bs;
    IrContext *ctx;
    const IrTemp *temps;
    TranslationBlock *tb;
    const TranslationBlock *self; /* tb, as the code is to name it */
    uint8_t *code;                /* of the block, rw */
    uint32_t host;
    bool failed;
    bool stop_check; /* at the next instruction: leave if stop_after */
    bool in_place;   /* outputs may be changed in memory (not while two ops are fused) */
    /* The instruction that ended at flags_end set ZF and SF by flags_reg. */
    const uint8_t *flags_end;
    uint8_t flags_reg, flags_type;
    /* registers, as bit sets */
    uint32_t used;   /* temp registers that hold a temp */
    uint32_t dirty;  /* ... whose home is older */
    uint32_t locked; /* operands of the current op: not to be evicted */
    TempId reg_temp[HOST_REGS];
    uint64_t slots[SPILL_SLOTS / 64]; /* taken */
    unsigned op_index;
    unsigned cold_count, cold_data_used, fixup_count;
    struct {
        uint8_t *at;
        uint16_t label;
    } fixup[FIXUP_MAX];
    uint8_t *label[IR_MAX_LABELS];
    uint16_t label_refs[IR_MAX_LABELS];
    unsigned skip_from, skip_to; /* ops that a fused branch made superfluous */
    Cold cold[COLD_MAX];
    uint8_t cold_data[COLD_DATA];
    TempState ts[IR_MAX_TEMPS];
    NextUse next[IR_MAX_OPS];
} X86Gen;

/* --- operands ----------------------------------------------------------------- */

typedef enum OpndKind { OPND_REG, OPND_MEM, OPND_IMM } OpndKind;
typedef struct Opnd {
    uint8_t kind;
    uint8_t reg; /* REG; MEM: base */
    int32_t val; /* IMM; MEM: displacement */
} Opnd;

static inline uint32_t bit(unsigned reg) {
    return 1u << reg;
}
static inline uint32_t type_w(unsigned type) {
    return type == IR_I64 ? X_W : 0;
}
static inline bool type_is_fp(unsigned type) {
    return type >= IR_F32;
}
/* Same as ir_is_const, without the context. */
static inline bool is_const(const X86Gen *g, TempId t) {
    return g->temps[t].kind == TEMP_CONST;
}
static inline bool in_dies(const IrOp *op, unsigned i) {
    return op->dead_in >> i & 1;
}
/* Displacement from rbp of a field of TcgCpu / of env. */
#define CPU_DISP(field) (TCG_CPU_OFFSET(field) - ENV_BIAS)
static inline int32_t env_disp(int64_t offset) {
    return (int32_t)(offset - ENV_BIAS);
}

unsigned x86_disassemble(const BackendState *bs, const uint8_t *p, const uint8_t *end,
                         uint64_t address, char *text, size_t text_size);

/* --- regalloc.c --------------------------------------------------------------- */

void ra_begin(X86Gen *g);
/* A free register of `set`, evicting if need be; locked until the op's end. */
unsigned ra_alloc(X86Gen *g, uint32_t set);
/* Makes one register free and locks it. */
void ra_take(X86Gen *g, unsigned reg);
/* The same, and it holds a copy of in[i]. */
void ra_take_copy(X86Gen *g, const IrOp *op, unsigned i, unsigned reg);
/* The value of a temp in a register not to be changed; locked. */
unsigned ra_use(X86Gen *g, TempId t);
/* ... in one of `set`, which may be a copy. */
unsigned ra_use_in(X86Gen *g, TempId t, uint32_t set);
/* As ra_use, but memory if it is not read again, and constants that fit 32 bits stay
 * constants. */
Opnd ra_operand(X86Gen *g, TempId t, unsigned type);
/* Loads a temp into a register that is not bound to it. */
void ra_load(X86Gen *g, unsigned reg, TempId t);
/* Where the temp is now, if that is a register; else REG_NONE. */
static inline unsigned ra_reg(const X86Gen *g, TempId t) {
    return g->ts[t].reg;
}
/* The register for op's output. Registers in `avoid` are read after it is written. The
 * output is bound by ra_set_out(), which must follow; the register may be that of an
 * input that dies. */
unsigned ra_out(X86Gen *g, const IrOp *op, uint32_t avoid);
/* The same, holding a copy of in[0]. */
unsigned ra_out_copy(X86Gen *g, const IrOp *op, uint32_t avoid);
void ra_set_out(X86Gen *g, const IrOp *op, unsigned reg);
/* Notes for each input of op `i` what reads it next. */
static inline void ra_op_begin(X86Gen *g, const IrOp *op, unsigned index) {
    const NextUse *n = &g->next[index];
    for (unsigned i = 0, ins = op_in_count[op->opcode]; i < ins; i++) {
        if (op->in[i] != TEMP_NONE) {
            g->ts[op->in[i]].next = n->in[i];
        }
    }
}
/* Frees what dies at this op. */
void ra_op_end(X86Gen *g, const IrOp *op);
/* Stores what env does not have yet; registers stay valid. Flags are kept. */
void ra_sync(X86Gen *g);
/* Empty the temp registers: globals go to env, locals to their slots; or, at a label, all
 * are forgotten. */
void ra_spill_all(X86Gen *g);
void ra_forget_all(X86Gen *g);

/* --- record.c ----------------------------------------------------------------- */

/* For explain: what the temp registers held after the op before. */
typedef struct RegRecorder {
    GenRecord *to; /* NULL: nobody asked */
    uint32_t used, dirty;
    TempId temp[HOST_REGS];
} RegRecorder;

/* At the block's entry. */
void reg_record_begin(RegRecorder *r, const X86Gen *g);
/* After op `index`: notes what changed. Only if r->to. */
void reg_record_op(RegRecorder *r, const X86Gen *g, unsigned index);
const char *x86_reg_name(unsigned reg);

/* --- emission helpers (int.c) ------------------------------------------------- */

/* add, sub, cmp ... dst, o; mov dst, o: o is a register, memory or a constant. w: X_W or 0. */
void gen_alu(X86Gen *g, uint32_t w, AluOp alu, unsigned dst, Opnd o);
void gen_mov(X86Gen *g, uint32_t w, unsigned dst, Opnd o);
/* op reg, o: a register or memory. */
void gen_rm(X86Gen *g, uint32_t opc, unsigned reg, Opnd o);
/* Compares two temps; returns the condition to test (operands may have been swapped). */
HostCond gen_compare(X86Gen *g, const IrOp *op);
bool gen_int_op(X86Gen *g, const IrOp *op); /* false: not an op of int.c */

/* Emits op `i` together with the next one if that makes better code; returns the index of
 * the last op done, or 0. */
unsigned gen_fused(X86Gen *g, unsigned i);

/* --- the others --------------------------------------------------------------- */

bool gen_div_op(X86Gen *g, const IrOp *op);
void gen_div_cold(X86Gen *g, const Cold *c);
bool gen_mem_op(X86Gen *g, const IrOp *op);
bool gen_fp_op(X86Gen *g, const IrOp *op);
void gen_fp_cold(X86Gen *g, const Cold *c);
void gen_entry(X86Gen *g);
/* How many instructions of the block are behind that of `op`. */
static inline unsigned gen_insns_ahead(const X86Gen *g, const IrOp *op) {
    return g->tb->insns - 1u - op->insn;
}
bool gen_control_op(X86Gen *g, const IrOp *op);
void gen_control_cold(X86Gen *g, const Cold *c);
Cold *cold_new(X86Gen *g, ColdKind kind, uint8_t *jump);
/* Makes the fixed code at e->p. */
void thunks_emit(Emit *e, BackendState *bs, X86Priv *priv);
/* HOST_*: what this processor has. */
uint32_t host_features(void);
/* The back end with fewer host features; for tests. */
bool x86_64_init_features(BackendState *bs, uint32_t mask, Error **errp);

/* --- slow paths (slowpath.c) -------------------------------------------------- */

typedef enum SlowKind {
    SLOW_LOAD,
    SLOW_STORE,
    SLOW_RMW,
    SLOW_CAS,
    SLOW_PROBE,
    SLOW_FP
} SlowKind;

/* What to do about stop_after when a store set it. */
typedef enum SlowStop {
    STOP_LATER, /* code further on tests it, or the block ends: leave it set */
    STOP_HERE,  /* the next instruction begins right after: leave before it */
    STOP_CLEAR, /* this was the last instruction */
} SlowStop;

/* Lies in the code, behind the call of the thunk and the jump back (SLOW_SKIP bytes).
 * Packed so that it is written with one copy; `dirty` has dirty_count entries. */
typedef struct __attribute__((packed)) SlowDesc {
    uint32_t tb_offset; /* from tb->code to this */
    int32_t pc;         /* of the instruction, from tb->pc */
    int32_t disp;       /* added to the address; probe: lo */
    int32_t value; /* store: the value if value_reg is REG_NONE; probe: len; FP: imm */
    uint16_t aux;
    uint8_t kind;
    uint8_t addr_reg;
    uint8_t opcode, type; /* FP */
    uint8_t value_reg;    /* FP: first input */
    uint8_t value2_reg;
    uint8_t value3_reg;
    uint8_t out_reg;     /* REG_NONE: dropped */
    uint8_t cond;        /* IrRmw */
    uint8_t stop;        /* SlowStop */
    uint8_t insn_bytes;  /* STOP_HERE: to the next instruction */
    uint8_t insns_ahead; /* of the block, behind this one */
    uint8_t dirty_count;
    struct __attribute__((packed)) {
        int16_t offset; /* in env */
        uint8_t reg;
        uint8_t bytes;
    } dirty[HOST_REGS];
} SlowDesc;
enum { SLOW_SKIP = 5 };

/* Notes a slow path reached by `jump`; d's dirty list is filled here, from the registers
 * as they are now. Where it comes back to must be set by the caller. */
Cold *slow_cold_new(X86Gen *g, SlowDesc *d, uint8_t *jump);
/* Returns NULL to go on, or the address where to go instead. */
const void *x86_slow_path(TcgCpu *cpu, const uint8_t *desc, const X86Priv *priv);
/* The op of a SLOW_FP descriptor; flags go to MXCSR. */
uint64_t x86_soft_fp(const SlowDesc *d, const uint64_t in[3]);

#endif
