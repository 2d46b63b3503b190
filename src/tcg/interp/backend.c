/* SPDX-License-Identifier: MIT */
/*
 * The back end that runs IR as it is, on any host: the oracle of tests and the cold tier
 * of a browser.
 *
 *   ctx->ops --generate()--> InterpBlock --run.c--> effects on env and guest memory
 *              drops what was removed,
 *              resolves labels and operands
 *
 * Blocks lie in BackendState.code like host code does, so the TB cache evicts them in the
 * same way; the memory need not be executable.
 *
 * Threads: link(), unlink() and kill() write single words that a running vCPU reads
 * atomically.
 */
#include <assert.h>
#include <string.h>

#include "tcg/interp/interp.h"

static bool init(BackendState *bs, Error **errp) {
    (void)errp;
    bs->fixed_size = 0;
    bs->priv = NULL;
    return true;
}

static void destroy(BackendState *bs) {
    (void)bs;
}

/* --- generate --------------------------------------------------------------------- */

typedef struct Gen {
    IrContext *ctx;
    InterpOp *ops; /* written here */
    uint32_t count, room;
    bool full;
    bool icount;
    uint32_t slots;                    /* of the frame in use */
    InterpOperand place[IR_MAX_TEMPS]; /* PLACE_NONE: a local not met yet */
    uint32_t label_at[IR_MAX_LABELS];
} Gen;

enum { PLACE_NONE = -1 };

static InterpOperand operand(unsigned base, uint32_t offset) {
    return (InterpOperand)(offset << BASE_SHIFT | base);
}

static InterpOperand frame_slot(uint32_t slot) {
    return operand(BASE_FRAME, 8 * slot);
}

static InterpOp *append(Gen *g, IrOpcode opcode, IrType type) {
    static const InterpOp none;
    if (g->count == g->room) {
        g->full = true;
        return NULL;
    }
    InterpOp *op = &g->ops[g->count++];
    *op = none;
    op->opcode = (uint8_t)opcode;
    op->type = (uint8_t)type;
    return op;
}

static bool is_narrow_global(const IrTemp *temp) {
    return temp->kind == TEMP_GLOBAL && (temp->type == IR_I32 || temp->type == IR_F32);
}

static InterpOperand place(Gen *g, TempId t) {
    if (g->place[t] == PLACE_NONE) {
        g->place[t] = frame_slot(g->slots++);
    }
    return g->place[t];
}

/* Where in[i] is read: for a four-byte global, the frame slot that it is loaded to first.
 */
static InterpOperand input(Gen *g, TempId t, unsigned i) {
    const IrTemp *temp = &g->ctx->temps[t];
    if (!is_narrow_global(temp)) {
        return place(g, t);
    }
    InterpOp *ld = append(g, IR_env_ld, IR_I64);
    if (!ld) {
        return 0;
    }
    ld->aux = MO_32;
    ld->imm = (uint64_t)(int64_t)temp->env_offset;
    return ld->out = frame_slot(SLOT_IN + i);
}

static void store_narrow_global(Gen *g, TempId t, InterpOperand from) {
    const IrTemp *temp = &g->ctx->temps[t];
    InterpOp *st = append(g, IR_env_st, IR_I64);
    if (st) {
        st->aux = MO_32;
        st->imm = (uint64_t)(int64_t)temp->env_offset;
        st->in[0] = from;
    }
}

static void gen_op(Gen *g, const IrOp *op) {
    InterpOperand in[4] = {0}, out;
    for (unsigned i = 0; i < 4; i++) {
        if (op->in[i] != TEMP_NONE) {
            in[i] = input(g, op->in[i], i);
        }
    }
    if (op->out == TEMP_NONE || is_narrow_global(&g->ctx->temps[op->out])) {
        out = frame_slot(SLOT_OUT); /* also of a call whose result nobody wants */
    } else {
        out = place(g, op->out);
    }
    InterpOp *to = append(g, (IrOpcode)op->opcode, (IrType)op->type);
    if (!to) {
        return;
    }
    to->cond = op->cond;
    to->aux = op->aux;
    to->insn = op->insn;
    to->out = out;
    memcpy(to->in, in, sizeof(in));
    to->imm = op->imm;
    if (op->out != TEMP_NONE && is_narrow_global(&g->ctx->temps[op->out])) {
        store_narrow_global(g, op->out, out);
    }
}

static void resolve_labels(Gen *g) {
    for (uint32_t i = 0; i < g->count; i++) {
        if (ir_op_defs[g->ops[i].opcode].flags & OPF_BRANCH) {
            g->ops[i].imm = g->label_at[g->ops[i].imm];
        }
    }
}

/* Lays out pcs and constants behind the header and says where each temp lives; returns
 * the bytes used, 0 if they do not fit. */
static size_t gen_header(Gen *g, InterpBlock *block, size_t space) {
    const IrContext *ctx = g->ctx;
    size_t used = sizeof(*block) + ctx->insn_count * sizeof(uint64_t);
    for (unsigned t = 0; t < ctx->temp_count; t++) {
        const IrTemp *temp = &ctx->temps[t];
        if (temp->kind == TEMP_GLOBAL) {
            g->place[t] = operand(BASE_ENV, (uint32_t)temp->env_offset);
        } else if (temp->kind == TEMP_LOCAL) {
            g->place[t] = PLACE_NONE;
        } else {
            g->place[t] = operand(BASE_BLOCK, (uint32_t)used);
            used += sizeof(uint64_t);
        }
    }
    if (used > space) {
        return 0;
    }
    block->insn_count = ctx->insn_count;
    for (unsigned i = 0; i < ctx->insn_count; i++) {
        block->pcs[i] = ctx->insns[i].pc;
    }
    uint64_t *constant = block->pcs + ctx->insn_count;
    for (unsigned t = ctx->global_count; t < ctx->temp_count; t++) {
        if (ctx->temps[t].kind == TEMP_CONST) {
            *constant++ = ctx->temps[t].value;
        }
    }
    return used;
}

static bool gen_ops(Gen *g, size_t ops_at, OpRange *ranges, unsigned *range_count) {
    unsigned max_ranges = ranges ? *range_count : 0, n = 0;
    for (unsigned i = 0; i < g->ctx->op_count && !g->full; i++) {
        const IrOp *op = &g->ctx->ops[i];
        uint32_t begin = g->count;
        if (op->removed ||
            (op->opcode == IR_insn_start && !(g->icount && op->insn > 0))) {
            continue;
        }
        if (op->opcode == IR_label) {
            g->label_at[op->imm] = g->count;
            continue;
        }
        gen_op(g, op);
        if (n < max_ranges) {
            ranges[n++] =
                (OpRange){.op = (uint16_t)i,
                          .last = (uint16_t)i,
                          .begin = (uint32_t)(ops_at + begin * sizeof(InterpOp)),
                          .end = (uint32_t)(ops_at + g->count * sizeof(InterpOp))};
        }
    }
    if (ranges) {
        *range_count = n;
    }
    return !g->full;
}

static bool generate(BackendState *bs, IrContext *ctx, TranslationBlock *tb,
                     const uint8_t *at, size_t space, OpRange *ranges,
                     unsigned *range_count) {
    size_t pad = -(uintptr_t)at & (sizeof(uint64_t) - 1);
    if (space < pad + sizeof(InterpBlock)) {
        return false;
    }
    const uint8_t *code = at + pad;
    InterpBlock *block = (InterpBlock *)code_rw(&bs->code, code);
    space -= pad;
    Gen g;
    g.ctx = ctx;
    g.count = 0;
    g.full = false;
    g.icount = bs->icount;
    g.slots = SLOT_LOCALS;
    size_t ops_at = gen_header(&g, block, space);
    if (ops_at == 0) {
        return false;
    }
    g.ops = (InterpOp *)((uint8_t *)block + ops_at);
    g.room = (uint32_t)((space - ops_at) / sizeof(InterpOp));
    if (!gen_ops(&g, ops_at, ranges, range_count)) {
        return false;
    }
    resolve_labels(&g);
    block->tb = (TranslationBlock *)(uintptr_t)(bs->self ? bs->self : tb);
    block->dead = 0;
    block->ops = (const InterpOp *)(code + ops_at);
    tb->code = code;
    tb->code_fast = code + INTERP_FAST;
    tb->code_size = (uint32_t)(ops_at + g.count * sizeof(InterpOp));
    for (unsigned slot = 0; slot < TB_MAX_SLOTS; slot++) {
        block->jump[slot] = NULL;
        tb->jump[slot].used = false;
        tb->jump[slot].patch_offset = (uint32_t)offsetof(InterpBlock, jump[slot]);
        tb->jump[slot].reset_offset = 0;
    }
    for (uint32_t i = 0; i < g.count; i++) {
        if (g.ops[i].opcode == IR_goto_tb) {
            tb->jump[g.ops[i].aux].used = true;
        }
    }
    return true;
}

/* --- chaining --------------------------------------------------------------------- */

static InterpBlock *block_of(BackendState *bs, const TranslationBlock *tb) {
    return (InterpBlock *)code_rw(&bs->code, tb->code);
}

/* A chain that only goes forward ends by itself, so only the others need test for a
 * request. */
static void link_jump(BackendState *bs, TranslationBlock *from, unsigned slot,
                      const TranslationBlock *to) {
    const void *target = to->pc > from->pc ? to->code_fast : to->code;
    __atomic_store_n(&block_of(bs, from)->jump[slot], target, __ATOMIC_RELEASE);
}

static void unlink_jump(BackendState *bs, TranslationBlock *from, unsigned slot) {
    __atomic_store_n(&block_of(bs, from)->jump[slot], NULL, __ATOMIC_RELEASE);
}

static void kill(BackendState *bs, TranslationBlock *tb) {
    __atomic_store_n(&block_of(bs, tb)->dead, 1, __ATOMIC_RELEASE);
}

static unsigned patches(const TranslationBlock *tb, CodePatch patch[CODE_PATCHES]) {
    (void)tb;
    unsigned n = 0;
    patch[n++] = (CodePatch){offsetof(InterpBlock, dead), sizeof(uint32_t), -1};
    for (unsigned slot = 0; slot < TB_MAX_SLOTS; slot++) {
        patch[n++] = (CodePatch){(uint32_t)offsetof(InterpBlock, jump[slot]),
                                 sizeof(void *), (int)slot};
    }
    return n;
}

/* --- floating point: cpu->fp is the live state ------------------------------------ */

static unsigned fp_get_flags(const FpEnv *fp) {
    return fp->flags;
}

static void fp_set_flags(FpEnv *fp, unsigned flags) {
    fp->flags = (uint8_t)flags;
}

static void fp_set_round(FpEnv *fp, unsigned mode) {
    fp->round = (uint8_t)mode;
}

const Backend backend_interp = {
    .name = "interp",
    .init = init,
    .destroy = destroy,
    .generate = generate,
    .enter = interp_enter,
    .place = interp_place,
    .link = link_jump,
    .unlink = unlink_jump,
    .kill = kill,
    .fp_get_flags = fp_get_flags,
    .fp_set_flags = fp_set_flags,
    .fp_set_round = fp_set_round,
    .disassemble = interp_disassemble,
    .patches = patches,
    .needs_code_buffer = false,
};
