/* SPDX-License-Identifier: MIT */
/*
 * IrStages: a block's IR after each pass as text, the rules that made it so, and how long values live.
 *
 *   front end            optimize                        share checks   liveness
 *   #4 add %0, a0, $8    #4 add %0, a0, $8                              #4 ~ dead_code
 *   #5 ld  a1, [%0]      #5 ld a1, [a0 + 8] displacement                #5 ld a1, [a0 + 8]
 *
 * An op keeps its id through all passes, so the columns line up.
 *
 * Threads: those of the context.
 */
#ifndef VITRINE_TCG_STAGES_H
#define VITRINE_TCG_STAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tcg/ir.h"

enum { IR_STAGES_MAX = 8 };

typedef struct IrStageOp {
    uint16_t id, insn;
    uint8_t rule; /* IrRuleId, if this pass changed or removed it */
    bool changed; /* by this pass; also: put in by it */
    bool removed;
    uint8_t opcode;
    uint32_t text; /* offset in IrStages.text */
} IrStageOp;

typedef struct IrStage {
    const char *name;
    unsigned first, count; /* in IrStages.op */
} IrStage;

/* One rule applied to one op, in the order of the optimizer's work. */
typedef struct IrRuleStep {
    uint16_t id;
    uint8_t rule;
    bool removed;
    uint32_t text; /* the op afterwards */
} IrRuleStep;

/* A temp holds a value that somebody reads, from op index `from` to `to` of the last stage. */
typedef struct IrLiveRange {
    TempId temp;
    uint16_t from, to;
    bool from_entry, to_exit; /* a guest register: held before, and after */
} IrLiveRange;

typedef struct IrExitTo {
    uint16_t op; /* index in the last stage */
    uint8_t opcode, slot;
    vaddr pc; /* goto_tb, goto_pc */
} IrExitTo;

typedef struct IrStages {
    IrStage stage[IR_STAGES_MAX];
    unsigned stage_count;
    IrStageOp *op;
    unsigned op_count, op_room;
    IrRuleStep *step;
    unsigned step_count, step_room;
    IrLiveRange *live;
    unsigned live_count, live_room;
    IrExitTo *exit;
    unsigned exit_count, exit_room;
    char **temp; /* names, by TempId; NULL: not in the block any more */
    unsigned temp_count;
    char *text;
    size_t text_size;
    FILE *out;      /* writes text; NULL when finished */
    uint32_t *seen; /* by id: its text after the pass before, + 1 */
    uint8_t *gone;  /* by id: it was removed in the pass before */
} IrStages;

/* Listens to what happens to ctx from now on. */
void ir_stages_begin(IrStages *s, IrContext *ctx);
/* Stops listening, completes live ranges, exits and names. */
void ir_stages_end(IrStages *s, IrContext *ctx);
void ir_stages_free(IrStages *s);

static inline const IrStage *ir_stages_last(const IrStages *s) {
    return &s->stage[s->stage_count - 1];
}
/* The op at index i of the last stage, as OpRange and RegNote name ops. */
static inline const IrStageOp *ir_stages_final(const IrStages *s, unsigned i) {
    return &s->op[ir_stages_last(s)->first + i];
}

#endif
