/* SPDX-License-Identifier: MIT */
/*
 * The optimizer: one walk from the first op to the last.
 *
 *   for each op:  inputs --copies--> what they are copies of
 *                 rules of its kind, until none applies    (optimize_int.c, _mem.c)
 *                 what is known of its result from now on  (optimize_facts.c)
 *   at the end:   shared TLB checks are put in             (optimize_mem.c)
 *
 *   op                     Fact of its result afterwards
 *   mov  sp, $0x80000000   sp: every bit known
 *   add  sp, sp, $0x30     both inputs known: it becomes mov sp, $0x80000030
 *   add  t0, a0, $8        t0: base a0, addend 8 (until a0 is written again)
 *   ld   a1, [t0 + 16]     becomes ld a1, [a0 + 24]
 *
 * Ops are changed in place or marked as removed, never moved, so that the inspector can
 * show the block before and after side by side. What became useless is left to liveness.
 *
 * Cost: linear, a few ns an op; no memory is taken or cleared per block.
 */
#include "tcg/optimize.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

IrOptimizer *ir_optimizer_new(void) {
    IrOptimizer *o = calloc(1, sizeof(*o));
    if (!o) {
        abort();
    }
    return o;
}

void ir_optimizer_free(IrOptimizer *o) {
    free(o);
}

/* --- facts ------------------------------------------------------------------------ */

static unsigned equal_top_bits(uint64_t v) {
    return (unsigned)__builtin_clrsbll((long long)v) + 1;
}

static void fact_reset(IrOptimizer *o, Fact *f, uint16_t def) {
    f->known = f->value = 0;
    f->addend = 0;
    f->stamp = o->stamp;
    f->def = def;
    f->base = TEMP_NONE;
    f->base_def = 0;
    f->sign = 1;
}

void opt_fact_init(IrOptimizer *o, TempId t, Fact *f) {
    const IrTemp *temp = &o->ctx->temps[t];
    fact_reset(o, f, temp->kind == TEMP_CONST ? 0 : o->start_def);
    if (temp->kind == TEMP_CONST) {
        f->known = opt_width_mask((IrType)temp->type);
        f->value = temp->value;
        f->sign = temp->type == IR_I64 ? (uint8_t)equal_top_bits(temp->value) : 1;
    }
}

/* A stretch begins here: what ran before is not known. */
static void forget_all(IrOptimizer *o, uint16_t def) {
    if (++o->stamp == 0) {
        memset(o->fact, 0, sizeof(o->fact));
        o->stamp = 1;
    }
    o->start_def = def;
    o->previous = -1;
    opt_env_forget(o);
    opt_groups_end(o);
}

static void forget_globals(IrOptimizer *o, uint16_t def) {
    for (unsigned t = 0; t < o->ctx->global_count; t++) {
        fact_reset(o, &o->fact[t], def);
    }
}

/* --- changing ops ----------------------------------------------------------------- */

bool opt_remove(IrOp *op, IrRuleId rule) {
    op->removed = 1;
    return opt_mark(op, rule);
}

bool opt_to_op1(IrOp *op, IrOpcode opcode, TempId t, uint64_t imm, IrRuleId rule) {
    op->opcode = (uint8_t)opcode;
    op->in[0] = t;
    op->in[1] = op->in[2] = op->in[3] = TEMP_NONE;
    op->cond = 0;
    op->aux = 0;
    op->imm = imm;
    return opt_mark(op, rule);
}

bool opt_to_mov(IrOptimizer *o, IrOp *op, TempId t, IrRuleId rule) {
    (void)o;
    return opt_to_op1(op, IR_mov, t, 0, rule);
}

bool opt_to_const(IrOptimizer *o, IrOp *op, uint64_t value, IrRuleId rule) {
    if (op->type == IR_I32) {
        value = (uint32_t)value;
    }
    op->type = o->ctx->temps[op->out].type;
    return opt_to_mov(o, op, ir_const(o->ctx, (IrType)op->type, value), rule);
}

bool opt_to_op2i(IrOptimizer *o, IrOp *op, IrOpcode opcode, uint64_t value,
                 IrRuleId rule) {
    op->opcode = (uint8_t)opcode;
    op->in[1] = ir_const(o->ctx, (IrType)op->type, value);
    op->imm = 0;
    return opt_mark(op, rule);
}

IrOp *opt_source(IrOptimizer *o, const IrOp *op, TempId t) {
    const Fact *f = opt_fact(o, t);
    if (f->def <= o->start_def) {
        return NULL;
    }
    unsigned at = f->def - 1u;
    IrOp *source = &o->ctx->ops[at];
    if (source->removed || source->out != t) {
        return NULL;
    }
    unsigned first = 0;
    if ((int)at == o->previous && op->out == t) {
        first = 1; /* nothing stands between them and op overwrites t: in[0] may have been
                      t */
    }
    for (unsigned i = first; i < 4 && source->in[i] != TEMP_NONE; i++) {
        if (opt_fact(o, source->in[i])->def > at) {
            return NULL;
        }
    }
    return source;
}

void opt_absorb(IrOptimizer *o, const IrOp *op, IrOp *source, IrRuleId rule) {
    if (source->out == op->out &&
        (unsigned)(source - o->ctx->ops) == (unsigned)o->previous) {
        opt_remove(source, rule);
        o->previous = -1;
        Fact *f = opt_fact(o, op->out);
        fact_reset(o, f, f->def);
    }
}

/* --- copies ----------------------------------------------------------------------- */

static bool is_full_width(const IrOptimizer *o, const IrOp *op) {
    const IrTemp *temps = o->ctx->temps;
    return temps[op->out].type == op->type && temps[op->in[0]].type == op->type;
}

static bool fits_imm32(const IrTemp *constant) {
    return constant->type == IR_I32 ||
           (int64_t)constant->value == (int32_t)constant->value;
}

/* What to read instead of t. A constant that is no immediate operand is no better than
 * the guest register that holds it; an address never is one. */
static TempId best_copy(IrOptimizer *o, TempId t, bool is_address) {
    const Fact *f = opt_fact(o, t);
    if (f->base == TEMP_NONE || f->addend != 0 || !opt_base_valid(o, f)) {
        return t;
    }
    const IrTemp *base = &o->ctx->temps[f->base];
    if (base->kind == TEMP_CONST) {
        return opt_is_local(o, t) || (!is_address && fits_imm32(base)) ? f->base : t;
    }
    return opt_prefer(o, f->base, t) ? f->base : t;
}

/* is_access: in[0] is an address. */
static void replace_copies(IrOptimizer *o, IrOp *op, bool is_access) {
    for (unsigned i = 0; i < 4 && op->in[i] != TEMP_NONE; i++) {
        TempId t = best_copy(o, op->in[i], is_access && i == 0);
        if (t != op->in[i]) {
            op->in[i] = t;
            op->rule = RULE_copy_propagation;
        }
    }
}

/* Does `out` hold the value of `t` already? */
static bool is_same_value(IrOptimizer *o, TempId out, TempId t) {
    if (out == t) {
        return true;
    }
    const Fact *f = opt_fact(o, out), *g = opt_fact(o, t);
    return (f->base == t && f->addend == 0 && opt_base_valid(o, f)) ||
           (g->base == out && g->addend == 0 && opt_base_valid(o, g));
}

static bool rules_mov(IrOptimizer *o, IrOp *op) {
    if (is_full_width(o, op) && is_same_value(o, op->out, op->in[0])) {
        return opt_remove(op, RULE_redundant_mov);
    }
    return false;
}

/* value(out) = value(t) + addend. Sets the base of out's new fact `f`, which is not in
 * place yet. */
static void record_base(IrOptimizer *o, IrOp *op, Fact *f, int64_t addend) {
    TempId t = op->in[0];
    const Fact *g = opt_fact(o, t);
    if (opt_base_valid(o, g) && g->base != op->out && opt_prefer(o, g->base, t)) {
        f->base = g->base;
        f->base_def = g->base_def;
        f->addend = (int64_t)((uint64_t)g->addend + (uint64_t)addend);
    } else if (t != op->out && opt_prefer(o, t, op->out)) {
        f->base = t;
        f->base_def = g->def;
        f->addend = addend;
    }
}

static void record_mov(IrOptimizer *o, IrOp *op, Fact *f) {
    TempId t = op->in[0];
    Fact *g = opt_fact(o, t);
    f->known = g->known;
    f->value = g->value;
    f->sign = g->sign;
    if (!is_full_width(o, op)) {
        f->known &= UINT32_MAX; /* of all float moves nothing is known anyway */
        f->value &= UINT32_MAX;
        f->sign = 1;
        return;
    }
    record_base(o, op, f, 0);
    if (opt_is_local(o, t) && !opt_is_local(o, op->out)) {
        /* From now on read the guest register, so that the local can die. */
        g->base = op->out;
        g->base_def = f->def;
        g->addend = 0;
    }
}

/* Every bit of the result is known, though not every bit of the inputs. */
static bool is_known_result(const IrOp *op, const Fact *f) {
    uint64_t mask = opt_width_mask((IrType)op->type);
    return (f->known & mask) == mask &&
           !(ir_op_defs[op->opcode].flags & (OPF_SIDE_EFFECT | OPF_MAY_FAULT));
}

/* Puts what is known of op's result in place. */
static void record(IrOptimizer *o, IrOp *op) {
    Fact f;
    fact_reset(o, &f, (uint16_t)(o->index + 1));
    if (op->opcode == IR_mov) {
        record_mov(o, op, &f);
    } else {
        opt_result_bits(o, op, &f);
        if (is_known_result(op, &f)) {
            opt_to_const(o, op, f.value, RULE_known_bits);
            record_mov(o, op, &f);
            if (o->ctx->on_rule) {
                o->ctx->on_rule(o->ctx, op, o->ctx->on_pass_opaque);
            }
        }
        uint64_t c;
        if ((op->opcode == IR_add || op->opcode == IR_sub) && is_full_width(o, op) &&
            opt_const(o, op->in[1], (IrType)op->type, &c)) {
            record_base(o, op, &f, (int64_t)(op->opcode == IR_add ? c : 0 - c));
        }
    }
    o->fact[op->out] = f;
}

/* --- the walk --------------------------------------------------------------------- */

/* Applies one rule; true if one applied. */
static bool apply_rules(IrOptimizer *o, IrOp *op) {
    switch ((IrOpcode)op->opcode) {
    case IR_mov:
        return rules_mov(o, op);
    case IR_ext_s8:
    case IR_ext_s16:
    case IR_ext_s32:
    case IR_ext_u8:
    case IR_ext_u16:
    case IR_ext_u32:
        return opt_rules_ext(o, op);
    case IR_add:
    case IR_sub:
    case IR_mul:
    case IR_mulhs:
    case IR_mulhu:
    case IR_mulhsu:
    case IR_divs:
    case IR_divu:
    case IR_rems:
    case IR_remu:
    case IR_and:
    case IR_or:
    case IR_xor:
    case IR_andc:
    case IR_orc:
    case IR_eqv:
    case IR_shl:
    case IR_shr:
    case IR_sar:
    case IR_rotl:
    case IR_rotr:
    case IR_deposit:
        return opt_rules_binary(o, op);
    case IR_clz:
    case IR_ctz:
    case IR_popcnt:
    case IR_bswap:
    case IR_rotr_s32:
    case IR_extract:
    case IR_sextract:
        return opt_rules_unary(o, op);
    case IR_setcond:
        return opt_rules_setcond(o, op);
    case IR_movcond:
        return opt_rules_movcond(o, op);
    case IR_brcond:
        return opt_rules_brcond(o, op);
    case IR_env_ld:
        return opt_rules_env_ld(o, op);
    case IR_env_st:
        return opt_rules_env_st(o, op);
    case IR_guest_ld:
    case IR_guest_st:
        return opt_rules_guest(o, op);
    case IR_fmov_i2f:
    case IR_fmov_f2i:
    case IR_fbox:
    case IR_funbox:
        return opt_rules_float_move(o, op);
    case IR_label:
    case IR_br:
    case IR_guest_probe:
    case IR_guest_ld_at:
    case IR_guest_st_at:
    case IR_guest_rmw:
    case IR_guest_cas:
    case IR_fence:
    case IR_fadd:
    case IR_fsub:
    case IR_fmul:
    case IR_fdiv:
    case IR_fsqrt:
    case IR_fmadd:
    case IR_fmin:
    case IR_fmax:
    case IR_fcmp:
    case IR_fcvt_f2i:
    case IR_fcvt_i2f:
    case IR_fcvt_f2f:
    case IR_fp_save:
    case IR_fp_load:
    case IR_call:
    case IR_insn_start:
    case IR_goto_tb:
    case IR_goto_pc:
    case IR_goto_ptr:
    case IR_exit_tb:
    case IR_OPCODE_COUNT:
        return false;
    }
    return false;
}

/* What an op other than through its result does to what is known. */
static void record_effects(IrOptimizer *o, const IrOp *op, uint32_t flags) {
    if (op->opcode == IR_env_st) {
        opt_env_stored(o, op);
    } else if (op->opcode == IR_guest_ld || op->opcode == IR_guest_st) {
        opt_env_forget(o); /* a device may be behind it, and the CPU's state may follow */
        opt_group_access(o, op);
    } else if (flags & OPF_LABEL) {
        forget_all(o, (uint16_t)(o->index + 1));
    } else if (flags & OPF_CALL) {
        uint32_t can = ir_call_helper(op)->flags;
        if (!(can & HELPER_PURE)) {
            opt_env_forget(o);
            opt_groups_end(o);
        }
        if (can & (HELPER_WRITES_GLOBALS | HELPER_FAULTS)) {
            forget_globals(o, (uint16_t)(o->index + 1));
        }
    } else if (flags & OPF_SIDE_EFFECT) {
        opt_env_forget(o);
        opt_groups_end(o);
    }
}

/* Each rule brings an op nearer to a normal form, in a few steps; the bound is for one
 * that does not. */
enum { MAX_RULES_AN_OP = 12 };

/* replace_copies() and one rule, and the rule's copies, until none applies. */
static void apply_all_rules(IrOptimizer *o, IrOp *op, bool is_access) {
    replace_copies(o, op, is_access);
    for (unsigned n = 0; n < MAX_RULES_AN_OP && apply_rules(o, op) && !op->removed; n++) {
        replace_copies(o, op, is_access);
    }
}

/* The same, telling explain of each. */
static void apply_rules_told(IrOptimizer *o, IrOp *op, bool is_access) {
    IrContext *ctx = o->ctx;
    for (unsigned n = 0; n <= MAX_RULES_AN_OP; n++) {
        IrOp before = *op;
        replace_copies(o, op, is_access);
        if (memcmp(before.in, op->in, sizeof(before.in)) != 0) {
            ctx->on_rule(ctx, op, ctx->on_pass_opaque);
        }
        if (n == MAX_RULES_AN_OP || !apply_rules(o, op)) {
            return;
        }
        ctx->on_rule(ctx, op, ctx->on_pass_opaque);
        if (op->removed) {
            return;
        }
    }
}

static void visit(IrOptimizer *o, IrOp *op) {
    uint32_t flags = ir_op_defs[op->opcode].flags;
    bool is_access = flags & OPF_MAY_FAULT;
    if (__builtin_expect(o->ctx->on_rule != NULL, 0)) {
        apply_rules_told(o, op, is_access);
    } else {
        apply_all_rules(o, op, is_access);
    }
    if (op->removed) {
        return;
    }
    if (op->opcode == IR_env_ld) {
        record(o, op);
        opt_env_loaded(o, op);
    } else {
        if (flags & (OPF_SIDE_EFFECT | OPF_LABEL)) {
            record_effects(o, op, flags);
        }
        if (op->out != TEMP_NONE) {
            record(o, op);
        }
    }
    o->previous = (int)o->index;
}

/* A branch to the label that comes next anyway. */
static void remove_empty_branch(IrOptimizer *o, const IrOp *label) {
    if (o->previous >= 0) {
        IrOp *br = &o->ctx->ops[o->previous];
        if (ir_op_defs[br->opcode].flags & OPF_BRANCH && br->imm == label->imm) {
            opt_remove(br, RULE_branch_to_next);
        }
    }
}

/* --- branches over one op --------------------------------------------------------- */

/* Takes a cycle, and nothing but its result tells that it ran. */
static bool is_cheap(IrOpcode opcode) {
    return opcode <= IR_sextract && opcode != IR_mul && opcode != IR_mulhs &&
           opcode != IR_mulhu && opcode != IR_mulhsu && opcode != IR_divs &&
           opcode != IR_divu && opcode != IR_rems && opcode != IR_remu;
}

/* The last op before `at` that does something, or NULL. */
static IrOp *op_before(IrContext *ctx, const IrOp *at) {
    for (IrOp *op = &ctx->ops[at - ctx->ops]; op-- > ctx->ops;) {
        if (!op->removed && op->opcode != IR_insn_start) {
            return op;
        }
    }
    return NULL;
}

static bool is_branched_to(const IrContext *ctx, uint64_t label) {
    for (unsigned i = 0; i < ctx->op_count; i++) {
        const IrOp *op = &ctx->ops[i];
        if (ir_op_defs[op->opcode].flags & OPF_BRANCH && !op->removed &&
            op->imm == label) {
            return true;
        }
    }
    return false;
}

static void tell(IrOptimizer *o, IrOp *op) {
    opt_mark(op, RULE_choose);
    if (o->ctx->on_rule) {
        o->ctx->on_rule(o->ctx, op, o->ctx->on_pass_opaque);
    }
}

/*   if a c b goto L              t = f(x)
 *   g = f(x)              -->    g = a c b ? g : t
 *   L:                           L: is gone, if nothing else goes there
 *
 * Whether such a branch is taken often depends on data that no host can foresee, and the
 * registers outlive it. A copy needs no t. */
static void choose_without_branch(IrOptimizer *o, IrOp *label) {
    IrContext *ctx = o->ctx;
    IrOp *op = o->previous < 0 ? NULL : &ctx->ops[o->previous];
    IrOp *br = op && is_cheap((IrOpcode)op->opcode) ? op_before(ctx, op) : NULL;
    if (!br || br->opcode != IR_brcond || br->imm != label->imm || br->type != IR_I64 ||
        opt_is_local(o, op->out) || ctx->temps[op->out].type != IR_I64) {
        return;
    }
    IrOp choice = *op;
    opt_to_op1(&choice, IR_movcond, br->in[0], 0, RULE_choose);
    choice.type = IR_I64;
    choice.cond = br->cond;
    choice.in[1] = br->in[1];
    choice.in[2] = op->out;
    if (op->opcode == IR_mov && is_full_width(o, op)) {
        choice.in[3] = op->in[0];
        br->removed = 1;
    } else {
        IrOp value = *op;
        value.insn = br->insn;
        value.id = br->id;
        value.out = choice.in[3] = ir_temp_new(ctx, IR_I64);
        *br = value;
    }
    *op = choice;
    tell(o, br);
    tell(o, op);
    if (!is_branched_to(ctx, label->imm)) {
        label->removed = 1;
        tell(o, label);
    }
}

/* Rules make constants, three for an op at the most: a block that might run out of temps
 * stays as it is.
 */
static bool has_room(const IrContext *ctx) {
    return ctx->temp_count + 3 * ctx->op_count + SHARED_GROUPS < IR_MAX_TEMPS;
}

static void walk(IrContext *ctx) {
    IrOptimizer *o = ctx->optimizer;
    bool reachable = true;
    o->ctx = ctx;
    o->open_count = o->open_next = o->shared_count = 0;
    forget_all(o, 0);
    const IrOp *end = ctx->ops + ctx->op_count;
    for (IrOp *op = ctx->ops; op < end; op++) {
        if (op->removed || op->opcode == IR_insn_start) {
            continue;
        }
        o->index = (unsigned)(op - ctx->ops);
        if (op->opcode == IR_label) {
            remove_empty_branch(o, op);
            choose_without_branch(o, op);
            reachable = true;
        }
        if (!reachable) {
            opt_remove(op, RULE_unreachable);
            continue;
        }
        if (op->removed) { /* a label that nothing goes to: the facts are of the branch */
            forget_all(o, (uint16_t)(o->index + 1));
            continue;
        }
        visit(o, op);
        if (!op->removed && ir_op_defs[op->opcode].flags & OPF_ENDS) {
            reachable = false;
        }
    }
    opt_groups_end(o);
}

static void end_of_pass(IrContext *ctx, const char *pass) {
    if (ctx->on_pass) {
        ctx->on_pass(ctx, pass, ctx->on_pass_opaque);
    }
}

void ir_optimize(IrContext *ctx) {
    bool room = has_room(ctx);
    if (room) {
        walk(ctx);
    }
    end_of_pass(ctx, "optimize");
    if (room && ctx->optimizer->shared_count) {
        opt_share_checks(ctx->optimizer);
    }
    end_of_pass(ctx, "share checks");
}
