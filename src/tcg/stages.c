/* SPDX-License-Identifier: MIT */
/* Listening to the passes; see stages.h. */
#include "tcg/stages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ID_COUNT = 1 << 16, NOT_LIVE = 0xffff };

/* Makes room for one more element. */
static void *grow(void *list, unsigned count, unsigned *room, size_t size) {
    if (count < *room) {
        return list;
    }
    *room = *room ? 2 * *room : 64;
    list = realloc(list, *room * size);
    assert(list);
    return list;
}

/* --- text ------------------------------------------------------------------------- */

static uint32_t write_op(IrStages *s, const IrContext *ctx, const IrOp *op) {
    uint32_t at = (uint32_t)ftello(s->out);
    ir_print_op(ctx, op, s->out);
    fputc(0, s->out);
    return at;
}

static bool same_text(IrStages *s, uint32_t a, uint32_t b) {
    fflush(s->out);
    return strcmp(s->text + a, s->text + b) == 0;
}

/* --- listening -------------------------------------------------------------------- */

static void add_op(IrStages *s, const IrContext *ctx, const IrOp *op, bool first_stage) {
    s->op = grow(s->op, s->op_count, &s->op_room, sizeof(*s->op));
    uint32_t text = write_op(s, ctx, op), before = s->seen[op->id];
    bool changed = !first_stage && (!before || !same_text(s, before - 1, text) ||
                                    s->gone[op->id] != op->removed);
    s->op[s->op_count++] = (IrStageOp){
        .id = op->id,
        .insn = op->insn,
        .rule = changed ? op->rule : (uint8_t)RULE_NONE,
        .changed = changed,
        .removed = op->removed,
        .opcode = op->opcode,
        .text = text,
    };
    s->seen[op->id] = text + 1;
    s->gone[op->id] = op->removed;
}

static void on_pass(IrContext *ctx, const char *pass, void *opaque) {
    IrStages *s = opaque;
    if (strcmp(pass, "front end") == 0) { /* also: once more, because it was too long */
        s->stage_count = s->op_count = s->step_count = 0;
    }
    assert(s->stage_count < IR_STAGES_MAX);
    IrStage *stage = &s->stage[s->stage_count++];
    *stage = (IrStage){pass, s->op_count, ctx->op_count};
    for (unsigned i = 0; i < ctx->op_count; i++) {
        add_op(s, ctx, &ctx->ops[i], s->stage_count == 1);
    }
}

static void on_rule(IrContext *ctx, const IrOp *op, void *opaque) {
    IrStages *s = opaque;
    s->step = grow(s->step, s->step_count, &s->step_room, sizeof(*s->step));
    s->step[s->step_count++] =
        (IrRuleStep){op->id, op->rule, op->removed, write_op(s, ctx, op)};
}

void ir_stages_begin(IrStages *s, IrContext *ctx) {
    *s = (IrStages){0};
    s->out = open_memstream(&s->text, &s->text_size);
    s->seen = calloc(ID_COUNT, sizeof(*s->seen));
    s->gone = calloc(ID_COUNT, sizeof(*s->gone));
    assert(s->out && s->seen && s->gone);
    ctx->on_pass = on_pass;
    ctx->on_rule = on_rule;
    ctx->on_pass_opaque = s;
}

/* --- what the last stage tells ---------------------------------------------------- */

typedef struct LiveWalk {
    IrStages *s;
    const IrContext *ctx;
    /* Op index + 1 of the value's birth, 0: entry; NOT_LIVE. */
    uint16_t from[IR_MAX_TEMPS];
    uint16_t last[IR_MAX_TEMPS]; /* op index of its last reader so far */
} LiveWalk;

static void live_add(LiveWalk *w, TempId t, uint16_t to, bool to_exit) {
    IrStages *s = w->s;
    s->live = grow(s->live, s->live_count, &s->live_room, sizeof(*s->live));
    s->live[s->live_count++] = (IrLiveRange){
        .temp = t,
        .from = w->from[t] ? (uint16_t)(w->from[t] - 1) : 0,
        .to = to,
        .from_entry = w->from[t] == 0,
        .to_exit = to_exit,
    };
}

static void live_visit(LiveWalk *w, const IrOp *op, uint16_t index) {
    for (unsigned i = 0; i < 4; i++) {
        TempId t = op->in[i];
        if (t == TEMP_NONE || w->ctx->temps[t].kind == TEMP_CONST) {
            continue;
        }
        if (w->from[t] == NOT_LIVE) {
            w->from[t] = 0;
        }
        w->last[t] = index;
        if (op->dead_in >> i & 1) {
            live_add(w, t, index, false);
            w->from[t] = NOT_LIVE;
        }
    }
    if (op->out == TEMP_NONE) {
        return;
    }
    if (w->from[op->out] !=
        NOT_LIVE) { /* not dead_in: somebody may look at it until here */
        live_add(w, op->out, index, false);
    }
    w->from[op->out] = op->dead_out ? (uint16_t)NOT_LIVE : (uint16_t)(index + 1);
}

static void find_live_ranges(IrStages *s, const IrContext *ctx) {
    LiveWalk *w = malloc(sizeof(*w));
    assert(w);
    w->s = s;
    w->ctx = ctx;
    memset(w->from, 0xff, sizeof(w->from));
    for (unsigned i = 0; i < ctx->op_count; i++) {
        if (!ctx->ops[i].removed) {
            live_visit(w, &ctx->ops[i], (uint16_t)i);
        }
    }
    for (unsigned t = 0; t < ctx->temp_count; t++) {
        bool global = t < ctx->global_count;
        if (w->from[t] != NOT_LIVE) {
            live_add(w, (TempId)t, global ? (uint16_t)(ctx->op_count - 1) : w->last[t],
                     global);
        }
    }
    free(w);
}

static void find_exits(IrStages *s, const IrContext *ctx) {
    for (unsigned i = 0; i < ctx->op_count; i++) {
        const IrOp *op = &ctx->ops[i];
        bool leaves = op->opcode == IR_goto_tb || op->opcode == IR_goto_pc ||
                      op->opcode == IR_goto_ptr || op->opcode == IR_exit_tb;
        if (!leaves || op->removed) {
            continue;
        }
        s->exit = grow(s->exit, s->exit_count, &s->exit_room, sizeof(*s->exit));
        s->exit[s->exit_count++] =
            (IrExitTo){(uint16_t)i, op->opcode, (uint8_t)op->aux, op->imm};
    }
}

static void name_temp(IrStages *s, const IrContext *ctx, TempId t) {
    if (t == TEMP_NONE || s->temp[t]) {
        return;
    }
    size_t size;
    FILE *out = open_memstream(&s->temp[t], &size);
    assert(out);
    ir_print_temp(ctx, t, out);
    fclose(out);
}

void ir_stages_end(IrStages *s, IrContext *ctx) {
    ctx->on_pass = NULL;
    ctx->on_rule = NULL;
    ctx->on_pass_opaque = NULL;
    fclose(s->out);
    s->out = NULL;
    s->temp_count = ctx->temp_count;
    s->temp = calloc(ctx->temp_count + 1, sizeof(*s->temp));
    assert(s->temp);
    for (unsigned i = 0; i < ctx->op_count; i++) {
        const IrOp *op = &ctx->ops[i];
        name_temp(s, ctx, op->out);
        for (unsigned k = 0; k < 4; k++) {
            name_temp(s, ctx, op->in[k]);
        }
    }
    for (unsigned t = 0; t < ctx->global_count; t++) { /* pinned registers name any */
        name_temp(s, ctx, (TempId)t);
    }
    find_live_ranges(s, ctx);
    find_exits(s, ctx);
}

void ir_stages_free(IrStages *s) {
    if (s->out) {
        fclose(s->out);
    }
    for (unsigned i = 0; s->temp && i < s->temp_count; i++) {
        free(s->temp[i]);
    }
    free(s->temp);
    free(s->op);
    free(s->step);
    free(s->live);
    free(s->exit);
    free(s->seen);
    free(s->gone);
    free(s->text);
    *s = (IrStages){0};
}
