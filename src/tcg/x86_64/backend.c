/* SPDX-License-Identifier: MIT */
/*
 * The x86-64 back end: from a block of IR to host code in one pass.
 *
 *   ops[] --backward--> next uses --forward--> registers + bytes --> labels patched
 *                                                                --> cold stubs
 *
 *   | TB * | entry check | main path              | cold: slow paths, exits |
 *          ^ code        ^ code_fast                                        ^ code_size
 *
 * Threads: generate() keeps its state on the stack and needs only that `at` is its own;
 * link(), unlink() and kill() are called under tb_lock and patch by atomic stores, so
 * they may race with vCPUs that run the code.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tcg/x86_64/gen.h"

/* --- one block ---------------------------------------------------------------- */

Cold *cold_new(X86Gen *g, ColdKind kind, uint8_t *jump) {
    if (g->cold_count == COLD_MAX) {
        g->failed = true;
        g->cold_count--;
    }
    Cold *c = &g->cold[g->cold_count++];
    *c = (Cold){.kind = (uint8_t)kind, .op = (uint16_t)g->op_index, .jump = jump};
    return c;
}

static bool between(const IrOp *op, IrOpcode first, IrOpcode last) {
    return op->opcode >= first && op->opcode <= last;
}

static void gen_op(X86Gen *g, const IrOp *op) {
    bool done;
    ra_op_begin(g, op, g->op_index);
    if (between(op, IR_mulhs, IR_remu)) {
        done = gen_div_op(g, op);
    } else if (op->opcode < IR_label || between(op, IR_env_ld, IR_env_st)) {
        done = gen_int_op(g, op);
    } else if (between(op, IR_guest_ld, IR_fence)) {
        done = gen_mem_op(g, op);
    } else if (between(op, IR_fmov_i2f, IR_fp_load)) {
        done = gen_fp_op(g, op);
    } else {
        done = gen_control_op(g, op);
    }
    assert(done);
    (void)done;
    ra_op_end(g, op);
}

typedef struct Ranges {
    OpRange *list;
    unsigned count, max;
} Ranges;

/* Notes that ops [op, last] became the bytes from `begin` on. */
static void note_range(Ranges *r, const X86Gen *g, unsigned op, unsigned last,
                       const uint8_t *begin, CodeKind kind) {
    if (r->count < r->max && g->e.p != begin) {
        r->list[r->count++] = (OpRange){
            .op = (uint16_t)op,
            .last = (uint16_t)last,
            .begin = (uint32_t)(begin - g->code),
            .end = (uint32_t)(g->e.p - g->code),
            .out_of_line = kind != CODE_MAIN && kind != CODE_ENTRY,
            .kind = (uint8_t)kind,
        };
    }
}

static const uint8_t kind_of_cold[] = {
    [COLD_SLOW] = CODE_SLOW,      [COLD_REQUEST] = CODE_REQUEST, [COLD_EXIT] = CODE_EXIT,
    [COLD_ICOUNT] = CODE_REQUEST, [COLD_STOP] = CODE_STOP,       [COLD_DIV] = CODE_RARE,
    [COLD_NAN] = CODE_RARE,
};

static bool gen_cold(X86Gen *g, Ranges *ranges) {
    for (unsigned i = 0; i < g->cold_count; i++) {
        const Cold *c = &g->cold[i];
        uint8_t *begin = g->e.p;
        if (begin >= g->limit) {
            return false;
        }
        if (c->jump) {
            patch_rel32(c->jump, begin);
        }
        if (c->kind == COLD_DIV) {
            gen_div_cold(g, c);
        } else if (c->kind == COLD_NAN) {
            gen_fp_cold(g, c);
        } else {
            gen_control_cold(g, c);
        }
        bool entry = c->kind == COLD_REQUEST || c->kind == COLD_ICOUNT;
        unsigned op = entry ? (unsigned)OP_RANGE_NONE : c->op;
        note_range(ranges, g, op, op, begin, (CodeKind)kind_of_cold[c->kind]);
    }
    return !g->failed;
}

static bool gen_block(X86Gen *g, Ranges *ranges) {
    IrContext *ctx = g->ctx;
    memset(g->label, 0, ctx->label_count * sizeof(g->label[0]));
    ra_begin(g);
    gen_entry(g);
    note_range(ranges, g, OP_RANGE_NONE, OP_RANGE_NONE, g->code, CODE_ENTRY);
    RegRecorder recorder;
    reg_record_begin(&recorder, g);
    for (unsigned i = 0; i < ctx->op_count; i++) {
        if (i == g->skip_from) {
            i = g->skip_to - 1;
            g->skip_from = UINT32_MAX;
            ra_forget_all(g);
            continue;
        }
        const IrOp *op = &ctx->ops[i];
        if (op->removed || (op->opcode == IR_insn_start && !g->stop_check)) {
            continue;
        }
        uint8_t *begin = g->e.p;
        if (begin >= g->limit || g->failed) {
            return false;
        }
        g->op_index = i;
        unsigned last = gen_fused(g, i);
        if (!last) {
            gen_op(g, op);
            last = i;
        }
        note_range(ranges, g, i, last, begin, CODE_MAIN);
        if (__builtin_expect(recorder.to != NULL, 0)) {
            reg_record_op(&recorder, g, last);
        }
        i = last;
    }
    for (unsigned i = 0; i < g->fixup_count; i++) {
        uint8_t *target = g->label[g->fixup[i].label];
        assert(target);
        patch_rel32(g->fixup[i].at, target);
    }
    return gen_cold(g, ranges);
}

static bool x86_generate(BackendState *bs, IrContext *ctx, TranslationBlock *tb,
                         const uint8_t *at, size_t space, OpRange *range_list,
                         unsigned *range_count) {
    X86Priv *priv = bs->priv;
    const TranslationBlock *self = bs->self ? bs->self : tb;
    /* The TB's address lies in the eight bytes before the 16-byte aligned entry. */
    size_t skip = (((uintptr_t)at + sizeof(tb) + 15) & ~(uintptr_t)15) - (uintptr_t)at;
    if (space < skip + 2 * OP_BYTES_MAX) {
        return false;
    }
    X86Gen g;
    uint8_t *start = code_rw(&bs->code, at);
    g.code = start + skip;
    g.e.p = g.code;
    g.limit = start + space - OP_BYTES_MAX;
    g.priv = priv;
    g.host = priv->host;
    g.bs = bs;
    g.ctx = ctx;
    g.temps = ctx->temps;
    g.tb = tb;
    g.self = self;
    g.failed = g.stop_check = false;
    g.in_place = true;
    g.flags_end = NULL;
    g.op_index = 0;
    g.cold_count = g.cold_data_used = g.fixup_count = 0;
    g.skip_from = UINT32_MAX;
    tb->code = at + skip;
    for (unsigned i = 0; i < TB_MAX_SLOTS; i++) {
        tb->jump[i].used = false;
    }
    memcpy(g.code - sizeof(self), &self, sizeof(self));
    Ranges ranges = {range_list, 0, range_list ? *range_count : 0};
    bool ok = gen_block(&g, &ranges);
    if (range_count) {
        *range_count = ranges.count;
    }
    tb->code_size = (uint32_t)(g.e.p - g.code);
    return ok;
}

/* --- running, chaining -------------------------------------------------------- */

static uintptr_t x86_enter(BackendState *bs, TcgCpu *cpu, const void *code) {
    const X86Priv *priv = bs->priv;
    uintptr_t (*enter)(void *env, const void *code);
    enter = (uintptr_t(*)(void *, const void *))(uintptr_t)(priv->thunk.enter +
                                                            priv->rx_delta);
    return enter(tcg_cpu_env(cpu), code);
}

/* Generated code runs with rsp = frame all the way. A call pushes its return address right below that, so in C
 * that a block called it is found there:
 *
 *   frame --> | spill slots             |
 *             | return into the block   |  call thunk
 *             | alignment, return, ...  |  what the thunk calls
 *
 * Before thunk.slow lie enter, epilogue and lookup, which no block is in. */
static const uint8_t *x86_place(const BackendState *bs, const TcgCpu *cpu,
                                uintptr_t host_pc, bool *helper) {
    const X86Priv *priv = bs->priv;
    uintptr_t base = (uintptr_t)bs->code.rx_base;
    const void *frame = cpu->frame;
    *helper = false;
    if (!frame) {
        return NULL;
    }
    if (host_pc - base < bs->code.size) {
        if (host_pc - base >= bs->fixed_size) {
            return (const uint8_t *)host_pc;
        }
        if (host_pc < (uintptr_t)(priv->thunk.slow + priv->rx_delta)) {
            return NULL;
        }
    }
    uintptr_t called_from;
    memcpy(&called_from, (const char *)frame - sizeof(called_from), sizeof(called_from));
    if (called_from - base <= bs->fixed_size || called_from - base > bs->code.size) {
        return NULL; /* the lookup thunk called */
    }
    *helper = true;
    return (const uint8_t *)called_from -
           1; /* in the call, which may be a block's last */
}

/* Replaces `count` bytes at p, which lie in one aligned word, by one atomic store.
 * Patches of the same word do not race with each other: tb_lock. */
static void patch_atomic(uint8_t *p, const void *bytes, unsigned count) {
    uint64_t *word = (uint64_t *)((uintptr_t)p & ~(uintptr_t)7);
    unsigned at = (uintptr_t)p & 7;
    assert(at + count <= 8);
    uint64_t new = *word;
    memcpy((uint8_t *)&new + at, bytes, count);
    __atomic_store_n(word, new, __ATOMIC_RELEASE);
}

static void patch_jump(BackendState *bs, const TranslationBlock *from, unsigned slot,
                       const uint8_t *target) {
    const uint8_t *at = from->code + from->jump[slot].patch_offset;
    int32_t rel = (int32_t)(target - (at + 4));
    patch_atomic(code_rw(&bs->code, at), &rel, sizeof(rel));
}

static void x86_link(BackendState *bs, TranslationBlock *from, unsigned slot,
                     const TranslationBlock *to) {
    /* Every loop goes back somewhere: there, exit_request is tested. */
    bool forward = !bs->icount && to->pc > from->pc + from->size - 1;
    patch_jump(bs, from, slot, forward ? to->code_fast : to->code);
}

static void x86_unlink(BackendState *bs, TranslationBlock *from, unsigned slot) {
    patch_jump(bs, from, slot, from->code + from->jump[slot].reset_offset);
}

static void x86_kill(BackendState *bs, TranslationBlock *tb) {
    const X86Priv *priv = bs->priv;
    uint8_t *p = code_rw(&bs->code, tb->code);
    uint8_t call[5] = {0xe8};
    int32_t rel = (int32_t)(priv->thunk.killed - (p + 5));
    memcpy(call + 1, &rel, sizeof(rel));
    patch_atomic(p, call, sizeof(call));
}

static unsigned x86_patches(const TranslationBlock *tb, CodePatch patch[CODE_PATCHES]) {
    enum { KILL_BYTES = 5, DISPLACEMENT_BYTES = 4 };
    unsigned n = 0;
    patch[n++] = (CodePatch){0, KILL_BYTES, -1};
    for (unsigned slot = 0; slot < TB_MAX_SLOTS; slot++) {
        if (tb->jump[slot].used) {
            patch[n++] =
                (CodePatch){tb->jump[slot].patch_offset, DISPLACEMENT_BYTES, (int)slot};
        }
    }
    return n;
}

/* --- floating-point environment ----------------------------------------------- */

enum { MXCSR_MASKED = 0x1f80, MXCSR_RC_SHIFT = 13, MXCSR_RC = 3 << MXCSR_RC_SHIFT };

/* MXCSR: IE DE ZE OE UE PE in bits 0..5. RISC-V: NX UF OF DZ NV in bits 0..4. */
static unsigned x86_fp_get_flags(const FpEnv *fp) {
    uint32_t m = fp->host;
    return (m >> 5 & 1) | (m >> 4 & 1) << 1 | (m >> 3 & 1) << 2 | (m >> 2 & 1) << 3 |
           (m & 1) << 4;
}

static void x86_fp_set_flags(FpEnv *fp, unsigned flags) {
    uint32_t m = (flags & 1) << 5 | (flags >> 1 & 1) << 4 | (flags >> 2 & 1) << 3 |
                 (flags >> 3 & 1) << 2 | (flags >> 4 & 1);
    fp->host = (fp->host & MXCSR_RC) | MXCSR_MASKED | m;
    fp->flags = (uint8_t)flags;
}

static void x86_fp_set_round(FpEnv *fp, unsigned mode) {
    /* RNE RTZ RDN RUP */
    static const uint8_t rc[4] = {0, 3, 1, 2};
    fp->host =
        (fp->host & 0x3f) | MXCSR_MASKED | (uint32_t)rc[mode & 3] << MXCSR_RC_SHIFT;
    fp->round = (uint8_t)mode;
}

/* --- life --------------------------------------------------------------------- */

/* Chooses the pinned globals: those of lowest rank above 0, integers only. */
static bool choose_pinned(X86Priv *priv, const IrContext *ctx, Error **errp) {
    for (unsigned i = 0; i < 16; i++) {
        priv->reg_offset[i] = (int32_t)(offsetof(TcgCpu, saved_gpr) + i * 8);
    }
    for (unsigned t = 0; t < ctx->global_count; t++) {
        const IrTemp *temp = &ctx->temps[t];
        if (temp->env_offset != (int16_t)temp->env_offset) {
            error_set(errp,
                      "the x86_64 back end reaches registers within 32 KiB of env only");
            return false;
        }
        priv->initial[t] = (TempState){.reg = REG_NONE, .next = NEXT_NEVER, .slot = -1};
        if (temp->pin_rank == 0 || type_is_fp(temp->type)) {
            continue;
        }
        unsigned at = priv->pinned_count;
        while (at > 0 && ctx->temps[priv->pinned[at - 1]].pin_rank > temp->pin_rank) {
            at--;
        }
        if (at == PINNED_MAX) {
            continue;
        }
        unsigned last =
            priv->pinned_count < PINNED_MAX ? priv->pinned_count++ : PINNED_MAX - 1;
        memmove(&priv->pinned[at + 1], &priv->pinned[at],
                (last - at) * sizeof(priv->pinned[0]));
        priv->pinned[at] = (TempId)t;
    }
    for (unsigned i = 0; i < priv->pinned_count; i++) {
        unsigned reg = pinned_regs[i];
        const IrTemp *temp = &ctx->temps[priv->pinned[i]];
        priv->initial[priv->pinned[i]].reg = (uint8_t)reg;
        priv->reg_offset[reg] = (int32_t)sizeof(TcgCpu) + temp->env_offset;
        priv->reg_is32[reg] = temp->type == IR_I32;
    }
    return true;
}

bool x86_64_init_features(BackendState *bs, uint32_t mask, Error **errp) {
    X86Priv *priv = calloc(1, sizeof(*priv));
    unsigned count = bs->globals->global_count;
    TempState *initial = calloc(count + 1, sizeof(*initial));
    if (!priv || !initial) {
        error_set(errp, "out of memory for the x86_64 back end");
        goto out_free;
    }
    priv->initial = initial;
    priv->global_count = count;
    priv->host = host_features() & mask;
    priv->pc_offset = bs->pc_offset;
    priv->icount = bs->icount;
    priv->rx_delta = bs->code.rx_base - bs->code.rw_base;
    if (!choose_pinned(priv, bs->globals, errp)) {
        goto out_free;
    }
    Emit e = {bs->code.rw_base};
    thunks_emit(&e, bs, priv);
    bs->fixed_size = ((size_t)(e.p - bs->code.rw_base) + 63) & ~(size_t)63;
    bs->priv = priv;
    return true;
out_free:
    free(initial);
    free(priv);
    return false;
}

static bool x86_init(BackendState *bs, Error **errp) {
    return x86_64_init_features(bs, ~0u, errp);
}

static void x86_destroy(BackendState *bs) {
    X86Priv *priv = bs->priv;
    free(priv->initial);
    free(priv);
    bs->priv = NULL;
}

const Backend backend_x86_64 = {
    .name = "x86_64",
    .init = x86_init,
    .destroy = x86_destroy,
    .generate = x86_generate,
    .enter = x86_enter,
    .place = x86_place,
    .link = x86_link,
    .unlink = x86_unlink,
    .kill = x86_kill,
    .fp_get_flags = x86_fp_get_flags,
    .fp_set_flags = x86_fp_set_flags,
    .fp_set_round = x86_fp_set_round,
    .disassemble = x86_disassemble,
    .patches = x86_patches,
    .reg_name = x86_reg_name,
    .code_header = sizeof(TranslationBlock *),
    .needs_code_buffer = true,
};
