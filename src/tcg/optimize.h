/* SPDX-License-Identifier: MIT */
/*
 * What the optimizer knows while it walks a block from the first op to the last. Private
 * to src/tcg.
 *
 *   op --> inputs that are copies are replaced --> rules of its kind --> Fact of its output
 *
 * A Fact speaks of the value a temp holds now. Facts that name another temp (`base`) also
 * hold the number of that temp's definition, and are void once it has been written again:
 * so the form need not be SSA and nothing is ever searched for. A stamp voids all facts
 * at once at labels and at the start of a block.
 */
#ifndef VITRINE_TCG_OPTIMIZE_H
#define VITRINE_TCG_OPTIMIZE_H

#include "tcg/ir.h"

typedef struct IrOptimizer IrOptimizer;

IrOptimizer *ir_optimizer_new(void);
void ir_optimizer_free(IrOptimizer *opt);

/* Definitions are numbered: op index + 1; 0 is "before the block" (and constants). */
typedef struct Fact {
    uint64_t known;    /* bits whose value is known; of i32 temps and results of i32 ops:
                          31:0 only */
    uint64_t value;    /* those bits; 0 elsewhere */
    int64_t addend;    /* value == base + addend (all bits), */
    uint32_t stamp;    /* of the stretch of code this fact belongs to */
    uint16_t def;      /* the definition that made this value */
    TempId base;       /* ... TEMP_NONE: no such */
    uint16_t base_def; /* ... as long as base's def is this one */
    uint8_t sign;      /* how many top bits of 64 are equal for certain: at least 1 */
} Fact;

/* A field of env whose content a temp holds. */
typedef struct EnvField {
    int32_t offset;
    uint16_t def; /* of temp */
    TempId temp;
    /* MO_SIZE of the field; of loads also MO_SIGN: how temp was extended. */
    uint8_t memop;
    bool is_load;
} EnvField;

/* Accesses through one base value that could share one TLB check. */
typedef struct CheckGroup {
    int32_t lo, hi; /* displacements: [lo, hi) */
    TempId base;
    uint16_t base_def;
    uint16_t first, last; /* op indices; between: IrOptimizer.next_access */
    uint8_t mmu_idx;
    bool store;
    uint16_t count;
} CheckGroup;

enum {
    ENV_FIELDS = 8,
    OPEN_GROUPS = 4,
    SHARED_GROUPS = 256,
    /* A probe that crosses a page sends all its accesses the slow way, which happens to
     * span/4096 of all addresses: so keep it well below a page. */
    GROUP_MAX_SPAN = 512,
};

struct IrOptimizer {
    IrContext *ctx;
    unsigned index; /* of the op at hand */
    int previous; /* index of the last op before it that does something, -1: none in sight
                   */
    uint32_t stamp;
    uint16_t start_def; /* definition of what was there before the stretch */
    unsigned env_count, env_next;
    unsigned open_count, open_next;
    unsigned shared_count;
    EnvField env[ENV_FIELDS];
    CheckGroup open[OPEN_GROUPS];
    CheckGroup shared[SHARED_GROUPS]; /* of two accesses or more */
    uint16_t next_access[IR_MAX_OPS];
    Fact fact[IR_MAX_TEMPS];
};

/* --- facts ------------------------------------------------------------------------ */

void opt_fact_init(IrOptimizer *o, TempId t, Fact *f);

/* What is known of t's value now. */
static inline Fact *opt_fact(IrOptimizer *o, TempId t) {
    Fact *f = &o->fact[t];
    if (__builtin_expect(f->stamp != o->stamp, 0)) {
        opt_fact_init(o, t, f);
    }
    return f;
}

static inline uint64_t opt_width_mask(IrType type) {
    return type == IR_I32 ? UINT32_MAX : UINT64_MAX;
}

/* The value of t as an input of an op of `type`, if it is known whole. */
static inline bool opt_const(IrOptimizer *o, TempId t, IrType type, uint64_t *value) {
    const Fact *f = opt_fact(o, t);
    uint64_t mask = opt_width_mask(type);
    *value = f->value & mask;
    return (f->known & mask) == mask;
}

static inline bool opt_is_const(IrOptimizer *o, TempId t, IrType type, uint64_t want) {
    uint64_t value;
    return opt_const(o, t, type, &value) && value == (want & opt_width_mask(type));
}

static inline bool opt_base_valid(IrOptimizer *o, const Fact *f) {
    return f->base != TEMP_NONE && opt_fact(o, f->base)->def == f->base_def;
}

static inline bool opt_is_local(const IrOptimizer *o, TempId t) {
    return o->ctx->temps[t].kind == TEMP_LOCAL;
}

/* To read `base` instead of t is no loss: it does not make a local live longer for a
 * global's sake. */
static inline bool opt_prefer(const IrOptimizer *o, TempId base, TempId t) {
    return opt_is_local(o, t) || !opt_is_local(o, base);
}

/* At most so many of the top bits of t, as an operand of `type`, are equal for certain.
 */
unsigned opt_sign_bits(IrOptimizer *o, TempId t, IrType type);

/* --- changing ops ----------------------------------------------------------------- */

static inline bool opt_mark(IrOp *op, IrRuleId rule) {
    op->rule = (uint8_t)rule;
    return true;
}
/* op becomes out = t, or out = value. Return true, for rules to return. */
bool opt_to_mov(IrOptimizer *o, IrOp *op, TempId t, IrRuleId rule);
bool opt_to_const(IrOptimizer *o, IrOp *op, uint64_t value, IrRuleId rule);
/* op becomes out = in[0] opcode value. */
bool opt_to_op2i(IrOptimizer *o, IrOp *op, IrOpcode opcode, uint64_t value,
                 IrRuleId rule);
/* op becomes a one-input op on t. */
bool opt_to_op1(IrOp *op, IrOpcode opcode, TempId t, uint64_t imm, IrRuleId rule);
bool opt_remove(IrOp *op, IrRuleId rule);

/* The op that made input t of `op`, if what it read is still there to be read. It may be
 * the one just before, with its result overwritten by `op`: then it may have read t
 * itself, as in[0], and opt_absorb() must follow the change. */
IrOp *opt_source(IrOptimizer *o, const IrOp *op, TempId t);
/* Removes a source whose own input `op` now reads in its stead, where both write the same
 * temp. */
void opt_absorb(IrOptimizer *o, const IrOp *op, IrOp *source, IrRuleId rule);

/* --- the rules, by kind of op. True: op was changed, look again. ------------------ */

bool opt_rules_ext(IrOptimizer *o, IrOp *op);
bool opt_rules_unary(IrOptimizer *o, IrOp *op);
bool opt_rules_binary(IrOptimizer *o, IrOp *op);
bool opt_rules_setcond(IrOptimizer *o, IrOp *op);
bool opt_rules_movcond(IrOptimizer *o, IrOp *op);
bool opt_rules_brcond(IrOptimizer *o, IrOp *op);
bool opt_rules_env_ld(IrOptimizer *o, IrOp *op);
bool opt_rules_env_st(IrOptimizer *o, IrOp *op);
bool opt_rules_guest(IrOptimizer *o, IrOp *op);
bool opt_rules_float_move(IrOptimizer *o, IrOp *op);

/* What the result of an integer op is known to be (optimize_facts.c). */
void opt_result_bits(IrOptimizer *o, const IrOp *op, Fact *f);

/* Memory state across ops. */
void opt_env_forget(IrOptimizer *o);
void opt_env_loaded(IrOptimizer *o, const IrOp *op);
void opt_env_stored(IrOptimizer *o, const IrOp *op);
void opt_group_access(IrOptimizer *o, const IrOp *op);
void opt_groups_end(IrOptimizer *o);
/* Puts in the probes of o->shared[] and turns their accesses into guest_ld_at and
 * guest_st_at. */
void opt_share_checks(IrOptimizer *o);

#endif
