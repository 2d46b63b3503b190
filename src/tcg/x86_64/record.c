/* SPDX-License-Identifier: MIT */
/*
 * Records for explain which host register holds which temp.
 *
 *   ra_*() of one op  -->  reg_temp[], used, dirty  --compared with before-->  RegNote[]
 *
 * The allocator is not asked to tell: its state after each op is compared with that before, so a block
 * that nobody looks at pays one test an op.
 *
 * Not modelled: registers that are taken and given up inside one op.
 */
#include "tcg/x86_64/gen.h"

static void note(RegRecorder *r, unsigned op, TempId t, unsigned reg, RegEvent event,
                 int slot) {
    GenRecord *to = r->to;
    if (to->count < to->max) {
        to->note[to->count++] = (RegNote){.op = (uint16_t)op,
                                          .temp = t,
                                          .reg = (uint8_t)reg,
                                          .event = (uint8_t)event,
                                          .slot = (int16_t)slot};
    }
}

static void snapshot(RegRecorder *r, const X86Gen *g) {
    r->used = g->used;
    r->dirty = g->dirty;
    memcpy(r->temp, g->reg_temp, sizeof(r->temp));
}

void reg_record_begin(RegRecorder *r, const X86Gen *g) {
    r->to = g->bs->record;
    if (!r->to) {
        return;
    }
    snapshot(r, g);
    for (unsigned i = 0; i < g->priv->pinned_count; i++) {
        note(r, OP_RANGE_NONE, g->priv->pinned[i], pinned_regs[i], REG_HOLDS, -1);
    }
}

/* Why `reg` does not hold t any more. */
static RegEvent why_left(const X86Gen *g, const IrOp *op, TempId t) {
    if (g->ts[t].reg != REG_NONE) {
        return REG_MOVED;
    }
    if (op->opcode == IR_label) {
        return REG_FORGOTTEN;
    }
    if (g->temps[t].kind == TEMP_GLOBAL) {
        return REG_HOME;
    }
    return g->ts[t].slot >= 0 ? REG_SPILLED : REG_DEAD;
}

void reg_record_op(RegRecorder *r, const X86Gen *g, unsigned index) {
    const IrOp *op = &g->ctx->ops[index];
    for (uint32_t m = r->used | g->used; m; m &= m - 1) {
        unsigned reg = (unsigned)__builtin_ctz(m);
        bool had = r->used >> reg & 1, has = g->used >> reg & 1;
        if (had && has && r->temp[reg] == g->reg_temp[reg]) {
            if ((r->dirty & ~g->dirty) >> reg & 1) {
                note(r, index, r->temp[reg], reg, REG_STORED, -1);
            }
            continue;
        }
        if (had) {
            TempId t = r->temp[reg];
            note(r, index, t, reg, why_left(g, op, t), g->ts[t].slot);
        }
        if (has) {
            note(r, index, g->reg_temp[reg], reg, REG_HOLDS, -1);
        }
    }
    snapshot(r, g);
}
