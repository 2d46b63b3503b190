/* SPDX-License-Identifier: MIT */
/*
 * IR: the op table, the builders that front ends call, and the laws of conditions.
 *
 *   front end --ir_op2(), ir_guest_ld(), ...--> ctx->ops[]
 *
 * Constants are interned: one temp for each (type, value) of a block, found through a
 * hash table whose buckets carry the number of the block they belong to, so that a new
 * block costs nothing.
 */
#include "tcg/ir.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tcg/optimize.h"

const IrOpDef ir_op_defs[IR_OPCODE_COUNT] = {
#define OP(id, text, outs, ins, flags, meaning)                                          \
    [IR_##id] = {text, outs, ins, flags, meaning},
#include "tcg/ops.def"
#undef OP
};

const char *const ir_cond_names[COND_COUNT] = {
    [COND_EQ] = "eq",   [COND_NE] = "ne",   [COND_LT] = "lt", [COND_GE] = "ge",
    [COND_LTU] = "ltu", [COND_GEU] = "geu", [COND_LE] = "le", [COND_GT] = "gt",
    [COND_LEU] = "leu", [COND_GTU] = "gtu",
};

static const struct {
    const char *name, *text;
} rules[RULE_COUNT] = {
    [RULE_NONE] = {"", ""},
#define RULE(id, sentence) [RULE_##id] = {#id, sentence},
#include "tcg/rules.def"
#undef RULE
};

const char *ir_rule_name(IrRuleId rule) {
    return rules[rule].name;
}

const char *ir_rule_text(IrRuleId rule) {
    return rules[rule].text;
}

/* --- life of a context ------------------------------------------------------------ */

IrContext *ir_context_new(void) {
    /* calloc of this size maps fresh zero pages: only what is used becomes resident. */
    IrContext *ctx = calloc(1, sizeof(*ctx));
    if (!ctx) {
        abort();
    }
    ctx->optimizer = ir_optimizer_new();
    ctx->block_stamp = 1;
    return ctx;
}

void ir_context_free(IrContext *ctx) {
    if (ctx) {
        ir_optimizer_free(ctx->optimizer);
        free(ctx);
    }
}

TempId ir_global_new(IrContext *ctx, IrType type, int32_t env_offset, const char *name,
                     unsigned pin_rank) {
    assert(ctx->temp_count == ctx->global_count && ctx->op_count == 0);
    assert(ctx->global_count < IR_MAX_GLOBALS);
    TempId id = (TempId)ctx->temp_count++;
    ctx->global_count = ctx->temp_count;
    ctx->temps[id] = (IrTemp){.kind = TEMP_GLOBAL,
                              .type = (uint8_t)type,
                              .pin_rank = (uint8_t)pin_rank,
                              .env_offset = env_offset,
                              .name = name};
    return id;
}

void ir_block_begin(IrContext *ctx) {
    ctx->op_count = 0;
    ctx->temp_count = ctx->global_count;
    ctx->local_count = 0;
    ctx->insn_count = 0;
    ctx->label_count = 0;
    ctx->next_id = 0;
    ctx->overflow = false;
    if (++ctx->block_stamp == 0) { /* after 2^32 blocks old stamps could look fresh */
        memset(ctx->const_stamp, 0, sizeof(ctx->const_stamp));
        ctx->block_stamp = 1;
    }
}

/* --- temps ------------------------------------------------------------------------ */

/* The last temp is never handed out by count: it is what a full context returns. */
static TempId temp_append(IrContext *ctx) {
    if (ctx->temp_count >= IR_MAX_TEMPS - 1) {
        ctx->overflow = true;
        return IR_MAX_TEMPS - 1;
    }
    return (TempId)ctx->temp_count++;
}

TempId ir_temp_new(IrContext *ctx, IrType type) {
    TempId id = temp_append(ctx);
    IrTemp *temp = &ctx->temps[id];
    temp->kind = TEMP_LOCAL;
    temp->type = (uint8_t)type;
    temp->pin_rank = 0;
    temp->value = ctx->local_count++;
    temp->name = NULL;
    return id;
}

static unsigned const_hash(IrType type, uint64_t value) {
    uint64_t h = (value + (uint64_t)type) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)(h >> 56) % IR_CONST_BUCKETS;
}

TempId ir_const(IrContext *ctx, IrType type, uint64_t value) {
    if (type == IR_I32 || type == IR_F32) {
        value = (uint32_t)value;
    }
    unsigned bucket = const_hash(type, value);
    TempId first = TEMP_NONE;
    if (ctx->const_stamp[bucket] == ctx->block_stamp) {
        first = ctx->const_bucket[bucket];
        for (TempId t = first; t != TEMP_NONE; t = ctx->const_next[t]) {
            if (ctx->temps[t].value == value && ctx->temps[t].type == type) {
                return t;
            }
        }
    }
    TempId id = temp_append(ctx);
    if (ctx->overflow) {
        return id;
    }
    IrTemp *temp = &ctx->temps[id];
    temp->kind = TEMP_CONST;
    temp->type = (uint8_t)type;
    temp->pin_rank = 0;
    temp->value = value;
    temp->name = NULL;
    ctx->const_next[id] = first;
    ctx->const_bucket[bucket] = id;
    ctx->const_stamp[bucket] = ctx->block_stamp;
    return id;
}

unsigned ir_label_new(IrContext *ctx) {
    if (ctx->label_count >= IR_MAX_LABELS) {
        ctx->overflow = true;
        return IR_MAX_LABELS - 1;
    }
    return ctx->label_count++;
}

/* --- building --------------------------------------------------------------------- */

IrOp *ir_emit(IrContext *ctx, IrOpcode opcode, IrType type) {
    IrOp *op;
    if (ctx->op_count >= IR_MAX_OPS - 1) { /* the last op is the scratch op */
        ctx->overflow = true;
        op = &ctx->ops[IR_MAX_OPS - 1];
    } else {
        op = &ctx->ops[ctx->op_count++];
    }
    *op = (IrOp){
        .opcode = (uint8_t)opcode,
        .type = (uint8_t)type,
        .insn = (uint16_t)(ctx->insn_count ? ctx->insn_count - 1 : 0),
        .id = ctx->next_id++,
        .out = TEMP_NONE,
        .in = {TEMP_NONE, TEMP_NONE, TEMP_NONE, TEMP_NONE},
    };
    return op;
}

void ir_insn_start(IrContext *ctx, vaddr pc) {
    if (ctx->insn_count >= IR_MAX_INSNS) {
        ctx->overflow = true;
        return;
    }
    IrInsn *insn = &ctx->insns[ctx->insn_count++];
    insn->pc = pc;
    insn->bytes = 0;
    insn->first_op = ctx->op_count;
    ir_emit(ctx, IR_insn_start, IR_I64)->imm = pc;
}

void ir_insn_length(IrContext *ctx, unsigned bytes) {
    if (ctx->insn_count) {
        ctx->insns[ctx->insn_count - 1].bytes = (uint8_t)bytes;
    }
}

void ir_op1(IrContext *ctx, IrOpcode opcode, IrType type, TempId out, TempId a) {
    IrOp *op = ir_emit(ctx, opcode, type);
    op->out = out;
    op->in[0] = a;
}

void ir_op2(IrContext *ctx, IrOpcode opcode, IrType type, TempId out, TempId a,
            TempId b) {
    IrOp *op = ir_emit(ctx, opcode, type);
    op->out = out;
    op->in[0] = a;
    op->in[1] = b;
}

void ir_op2i(IrContext *ctx, IrOpcode opcode, IrType type, TempId out, TempId a,
             uint64_t b) {
    ir_op2(ctx, opcode, type, out, a, ir_const(ctx, type, b));
}

void ir_mov(IrContext *ctx, IrType type, TempId out, TempId a) {
    ir_op1(ctx, IR_mov, type, out, a);
}

void ir_setcond(IrContext *ctx, IrType type, IrCond cond, TempId out, TempId a,
                TempId b) {
    IrOp *op = ir_emit(ctx, IR_setcond, type);
    op->cond = (uint8_t)cond;
    op->out = out;
    op->in[0] = a;
    op->in[1] = b;
}

void ir_movcond(IrContext *ctx, IrType type, IrCond cond, TempId out, TempId a, TempId b,
                TempId c, TempId d) {
    IrOp *op = ir_emit(ctx, IR_movcond, type);
    op->cond = (uint8_t)cond;
    op->out = out;
    op->in[0] = a;
    op->in[1] = b;
    op->in[2] = c;
    op->in[3] = d;
}

void ir_extract(IrContext *ctx, IrType type, TempId out, TempId a, unsigned pos,
                unsigned len) {
    IrOp *op = ir_emit(ctx, IR_extract, type);
    op->out = out;
    op->in[0] = a;
    op->imm = ir_field(pos, len);
}

void ir_sextract(IrContext *ctx, IrType type, TempId out, TempId a, unsigned pos,
                 unsigned len) {
    IrOp *op = ir_emit(ctx, IR_sextract, type);
    op->out = out;
    op->in[0] = a;
    op->imm = ir_field(pos, len);
}

void ir_deposit(IrContext *ctx, IrType type, TempId out, TempId a, TempId b, unsigned pos,
                unsigned len) {
    IrOp *op = ir_emit(ctx, IR_deposit, type);
    op->out = out;
    op->in[0] = a;
    op->in[1] = b;
    op->imm = ir_field(pos, len);
}

void ir_label(IrContext *ctx, unsigned label) {
    ir_emit(ctx, IR_label, IR_I64)->imm = label;
}

void ir_br(IrContext *ctx, unsigned label) {
    ir_emit(ctx, IR_br, IR_I64)->imm = label;
}

void ir_brcond(IrContext *ctx, IrType type, IrCond cond, TempId a, TempId b,
               unsigned label) {
    IrOp *op = ir_emit(ctx, IR_brcond, type);
    op->cond = (uint8_t)cond;
    op->in[0] = a;
    op->in[1] = b;
    op->imm = label;
}

void ir_env_ld(IrContext *ctx, IrType type, TempId out, int64_t offset, unsigned memop) {
    IrOp *op = ir_emit(ctx, IR_env_ld, type);
    op->out = out;
    op->aux = (uint16_t)memop;
    op->imm = (uint64_t)offset;
}

void ir_env_st(IrContext *ctx, TempId a, int64_t offset, unsigned memop) {
    IrOp *op = ir_emit(ctx, IR_env_st, (IrType)ctx->temps[a].type);
    op->in[0] = a;
    op->aux = (uint16_t)memop;
    op->imm = (uint64_t)offset;
}

static uint64_t disp_imm(int32_t disp) {
    return (uint64_t)(int64_t)disp;
}

void ir_guest_ld(IrContext *ctx, IrType type, TempId out, TempId addr, int32_t disp,
                 unsigned memop, unsigned mmu_idx) {
    IrOp *op = ir_emit(ctx, IR_guest_ld, type);
    op->out = out;
    op->in[0] = addr;
    op->aux = ir_mem_aux(memop, mmu_idx);
    op->imm = disp_imm(disp);
}

void ir_guest_st(IrContext *ctx, IrType type, TempId value, TempId addr, int32_t disp,
                 unsigned memop, unsigned mmu_idx) {
    IrOp *op = ir_emit(ctx, IR_guest_st, type);
    op->in[0] = addr;
    op->in[1] = value;
    op->aux = ir_mem_aux(memop, mmu_idx);
    op->imm = disp_imm(disp);
}

void ir_guest_rmw(IrContext *ctx, IrRmw rmw, TempId out, TempId addr, TempId value,
                  unsigned memop, unsigned mmu_idx) {
    IrOp *op = ir_emit(ctx, IR_guest_rmw, IR_I64);
    op->cond = (uint8_t)rmw;
    op->out = out;
    op->in[0] = addr;
    op->in[1] = value;
    op->aux = ir_mem_aux(memop | MO_ALIGN, mmu_idx);
}

void ir_guest_cas(IrContext *ctx, TempId out, TempId addr, TempId expected,
                  TempId desired, unsigned memop, unsigned mmu_idx) {
    IrOp *op = ir_emit(ctx, IR_guest_cas, IR_I64);
    op->out = out;
    op->in[0] = addr;
    op->in[1] = expected;
    op->in[2] = desired;
    op->aux = ir_mem_aux(memop | MO_ALIGN, mmu_idx);
}

void ir_fence(IrContext *ctx) {
    ir_emit(ctx, IR_fence, IR_I64);
}

void ir_fp2(IrContext *ctx, IrOpcode opcode, IrType type, unsigned rm, TempId out,
            TempId a, TempId b) {
    IrOp *op = ir_emit(ctx, opcode, type);
    op->aux = (uint16_t)rm;
    op->out = out;
    op->in[0] = a;
    op->in[1] = b;
}

void ir_call(IrContext *ctx, const HelperInfo *helper, TempId out, const TempId *args) {
    IrType type = out == TEMP_NONE ? IR_I64 : (IrType)ctx->temps[out].type;
    IrOp *op = ir_emit(ctx, IR_call, type);
    op->out = out;
    for (unsigned i = 0; i < helper->nargs; i++) {
        op->in[i] = args[i];
    }
    op->imm = (uint64_t)(uintptr_t)helper;
}

void ir_goto_tb(IrContext *ctx, unsigned slot, vaddr pc) {
    IrOp *op = ir_emit(ctx, IR_goto_tb, IR_I64);
    op->aux = (uint16_t)slot;
    op->imm = pc;
}

void ir_goto_pc(IrContext *ctx, vaddr pc) {
    ir_emit(ctx, IR_goto_pc, IR_I64)->imm = pc;
}

void ir_goto_ptr(IrContext *ctx, TempId pc) {
    ir_emit(ctx, IR_goto_ptr, IR_I64)->in[0] = pc;
}

void ir_exit_tb(IrContext *ctx, unsigned reason) {
    ir_emit(ctx, IR_exit_tb, IR_I64)->aux = (uint16_t)reason;
}

/* --- op table --------------------------------------------------------------------- */

uint32_t ir_op_flags(const IrOp *op) {
    uint32_t flags = ir_op_defs[op->opcode].flags;
    if (op->opcode == IR_call) {
        const HelperInfo *helper = ir_call_helper(op);
        if (helper->flags & HELPER_PURE) {
            flags &= ~(uint32_t)OPF_SIDE_EFFECT;
        }
        if (helper->flags & HELPER_FAULTS) {
            flags |= OPF_MAY_FAULT;
        }
    }
    return flags;
}

bool ir_cond_eval(IrCond cond, IrType type, uint64_t a, uint64_t b) {
    int64_t sa = (int64_t)a, sb = (int64_t)b;
    if (type == IR_I32) {
        a = (uint32_t)a;
        b = (uint32_t)b;
        sa = (int32_t)a;
        sb = (int32_t)b;
    }
    switch (cond) {
    case COND_EQ:
        return a == b;
    case COND_NE:
        return a != b;
    case COND_LT:
        return sa < sb;
    case COND_GE:
        return sa >= sb;
    case COND_LTU:
        return a < b;
    case COND_GEU:
        return a >= b;
    case COND_LE:
        return sa <= sb;
    case COND_GT:
        return sa > sb;
    case COND_LEU:
        return a <= b;
    case COND_GTU:
        return a > b;
    case COND_COUNT:
        break;
    }
    assert(!"no such condition");
    return false;
}

IrCond ir_cond_invert(IrCond cond) {
    static const uint8_t inverse[COND_COUNT] = {
        [COND_EQ] = COND_NE,   [COND_NE] = COND_EQ,   [COND_LT] = COND_GE,
        [COND_GE] = COND_LT,   [COND_LTU] = COND_GEU, [COND_GEU] = COND_LTU,
        [COND_LE] = COND_GT,   [COND_GT] = COND_LE,   [COND_LEU] = COND_GTU,
        [COND_GTU] = COND_LEU,
    };
    return (IrCond)inverse[cond];
}

IrCond ir_cond_swap(IrCond cond) {
    static const uint8_t swapped[COND_COUNT] = {
        [COND_EQ] = COND_EQ,   [COND_NE] = COND_NE,   [COND_LT] = COND_GT,
        [COND_GE] = COND_LE,   [COND_LTU] = COND_GTU, [COND_GEU] = COND_LEU,
        [COND_LE] = COND_GE,   [COND_GT] = COND_LT,   [COND_LEU] = COND_GEU,
        [COND_GTU] = COND_LTU,
    };
    return (IrCond)swapped[cond];
}
