/* SPDX-License-Identifier: MIT */
/*
 * Control: the way into a block, labels and branches in it, the ways out of it, and
 * calls.
 *
 *   code:       cmp dword [exit_request], 0    in one aligned word: kill() patches it
 *               jne cold ------------------------> pc = tb->pc, return TB_EXIT_REQUEST
 *   code_fast:  ...
 *               jmp rel32                      a slot: link() patches the displacement;
 *                  at first it leads to cold ----> pc = imm, return TB | slot
 *
 * A conditional branch over one exit to another becomes a patchable jcc and a patchable
 * jmp.
 */
#include "tcg/x86_64/gen.h"

/* --- entry -------------------------------------------------------------------- */

void gen_entry(X86Gen *g) {
    emit_alu_mem_imm(&g->e, 0, ALU_CMP, RBP, CPU_DISP(exit_request), 0);
    cold_new(g, COLD_REQUEST, emit_jcc_later(&g->e, CC_NE));
    g->tb->code_fast = g->tb->code + (g->e.p - g->code);
    if (g->bs->icount) {
        emit_alu_mem_imm(&g->e, 0, ALU_SUB, RBP, CPU_DISP(icount_left), g->tb->insns);
        cold_new(g, COLD_ICOUNT, emit_jcc_later(&g->e, CC_S));
    }
    if (g->bs->profile) { /* no temp register is taken yet */
        emit_mov_imm_keep(&g->e, RAX, (uintptr_t)&g->self->run_count);
        emit_rm(&g->e, 0xff | X_W, 0, RAX, 0); /* inc */
        emit_alu_mem_imm(&g->e, X_W, ALU_ADD, RBP, CPU_DISP(accesses), g->tb->accesses);
    }
}

static void emit_set_pc(Emit *e, const X86Priv *priv, uint64_t pc) {
    int32_t disp = env_disp(priv->pc_offset);
    if ((int64_t)pc == (int32_t)pc) {
        emit_rm(e, 0xc7 | X_W, 0, RBP, disp);
        emit32(e, (uint32_t)pc);
    } else {
        emit_mov_imm_keep(e, RAX, pc);
        emit_rm(e, X_MOV_MR | X_W, RAX, RBP, disp);
    }
}

/* --- exits -------------------------------------------------------------------- */

/* A word that is patched while others run it must not straddle an aligned eight bytes. */
static unsigned patch_padding(const uint8_t *disp) {
    unsigned at = (uintptr_t)disp & 7;
    return at > 4 ? 8 - at : 0;
}

static void note_slot(X86Gen *g, unsigned slot, uint8_t *disp, uint64_t pc) {
    TbJump *j = &g->tb->jump[slot];
    j->used = true;
    j->patch_offset = (uint32_t)(disp - g->code);
    Cold *c = cold_new(g, COLD_EXIT, disp);
    c->a = (uint8_t)slot;
    c->imm = pc;
}

static void gen_goto_tb(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    ra_sync(g);
    unsigned pad = patch_padding(e->p + 1);
    if (pad) {
        emit_nop(e, pad);
    }
    note_slot(g, op->aux, emit_jmp_later(e), op->imm);
}

/* Compares the guest pc in rax (index: its jump cache entry's offset in rcx, or constant)
 * and goes to the code if the entry is right. */
static void emit_jump_cache(X86Gen *g, bool constant, int32_t entry) {
    Emit *e = &g->e;
    const uint8_t *miss = g->priv->thunk.lookup_rax;
    int32_t base = CPU_DISP(jump_cache) + entry;
    struct {
        uint32_t opc;
        uint8_t reg;
        uint8_t field;
    } step[4] = {
        {0x3b | X_W, RAX, offsetof(JumpCacheEntry, pc)},
        {0, 0, 0},
        {0x3b | X_W, RDX, offsetof(JumpCacheEntry, tag)},
        {0xff, 4, offsetof(JumpCacheEntry, code)},
    };
    for (unsigned i = 0; i < 4; i++) {
        if (i == 1) {
            emit_rm(e, X_MOV_RM | X_W, RDX, RBP, CPU_DISP(jump_tag));
            continue;
        }
        if (constant) {
            emit_rm(e, step[i].opc, step[i].reg, RBP, base + step[i].field);
        } else {
            emit_rx(e, step[i].opc, step[i].reg, RBP, RCX, 0, base + step[i].field);
        }
        if (i != 3) {
            emit_jcc(e, CC_NE, miss);
        }
    }
}

static void gen_goto_pc(X86Gen *g, const IrOp *op) {
    ra_sync(g);
    emit_mov_imm_keep(&g->e, RAX, op->imm);
    emit_jump_cache(g, true,
                    (int32_t)(jump_cache_index(op->imm) * sizeof(JumpCacheEntry)));
}

static void gen_goto_ptr(X86Gen *g, const IrOp *op) {
    _Static_assert(sizeof(JumpCacheEntry) == 32, "the index is scaled by a shift");
    Emit *e = &g->e;
    ra_sync(g);
    bool narrow = g->temps[op->in[0]].type == IR_I32;
    if (ra_reg(g, op->in[0]) != RAX || narrow) {
        unsigned from = ra_reg(g, op->in[0]);
        if (narrow && from != REG_NONE) {
            emit_mov(e, 0, RAX, from);
        } else {
            ra_load(g, RAX, op->in[0]);
            if (narrow) {
                emit_mov(e, 0, RAX, RAX);
            }
        }
    }
    emit_mov(e, 0, RCX, RAX);
    emit_alu_imm(e, 0, ALU_AND, RCX, (JUMP_CACHE_SIZE - 1) << 1);
    emit_shift_imm(e, 0, SHIFT_SHL, RCX, 4);
    emit_jump_cache(g, false, 0);
}

static void gen_exit_tb(X86Gen *g, const IrOp *op) {
    unsigned ahead = gen_insns_ahead(g, op);
    ra_sync(g);
    if (g->bs->icount &&
        ahead) { /* in the middle of the block: those were not executed */
        emit_alu_mem_imm(&g->e, 0, ALU_ADD, RBP, CPU_DISP(icount_left), (int32_t)ahead);
    }
    emit_mov_imm(&g->e, RAX, op->aux);
    emit_jmp(&g->e, g->priv->thunk.epilogue);
}

/* --- labels ------------------------------------------------------------------- */

static void label_reference(X86Gen *g, uint8_t *disp, uint64_t label) {
    if (g->label[label]) {
        patch_rel32(disp, g->label[label]);
    } else if (g->fixup_count == FIXUP_MAX) {
        g->failed = true;
    } else {
        g->fixup[g->fixup_count].at = disp;
        g->fixup[g->fixup_count++].label = (uint16_t)label;
    }
}

static void gen_label(X86Gen *g, const IrOp *op) {
    ra_sync(g); /* reached by falling through */
    ra_forget_all(g);
    g->label[op->imm] = g->e.p;
    g->flags_end = NULL; /* who comes from elsewhere brings other flags */
}

static unsigned next_op(const X86Gen *g, unsigned i) {
    do {
        i++;
    } while (i < g->ctx->op_count && g->ctx->ops[i].removed);
    return i;
}

static bool slot_free(const X86Gen *g, const IrOp *op) {
    return op->aux < TB_MAX_SLOTS && !g->tb->jump[op->aux].used;
}

/* The second goto_tb of "brcond L; goto_tb; label L; goto_tb" if nothing else goes to L;
 * or NULL. */
static const IrOp *taken_exit(const X86Gen *g, const IrOp *op) {
    const IrOp *ops = g->ctx->ops;
    unsigned count = g->ctx->op_count;
    unsigned i1 = next_op(g, g->op_index), i2 = i1 < count ? next_op(g, i1) : count;
    unsigned i3 = i2 < count ? next_op(g, i2) : count;
    if (i3 >= count || ops[i1].opcode != IR_goto_tb || ops[i2].opcode != IR_label ||
        ops[i2].imm != op->imm || ops[i3].opcode != IR_goto_tb ||
        ops[i3].aux == ops[i1].aux || g->label_refs[op->imm] != 1 ||
        !slot_free(g, &ops[i3])) {
        return NULL;
    }
    return &ops[i3];
}

static void gen_brcond(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    /* First env is made complete, lest what the comparison loads is dropped by that. */
    ra_sync(g);
    const IrOp *taken = taken_exit(g, op);
    uint8_t *start = e->p;
    HostCond cc = gen_compare(g, op);
    if (!taken) {
        label_reference(g, emit_jcc_later(e, cc), op->imm);
        return;
    }
    unsigned pad = patch_padding(e->p + 2);
    if (pad) { /* in front, so that compare and jump stay together */
        memmove(start + pad, start, (size_t)(e->p - start));
        uint8_t *end = e->p + pad;
        e->p = start;
        emit_nop(e, pad);
        e->p = end;
    }
    note_slot(g, taken->aux, emit_jcc_later(e, cc), taken->imm);
    g->skip_from = next_op(g, next_op(g, g->op_index));
    g->skip_to = (unsigned)(taken - g->ctx->ops) + 1;
}

static void gen_insn_start(X86Gen *g, const IrOp *op) {
    if (!g->stop_check) {
        return;
    }
    g->stop_check = false;
    ra_sync(g);
    emit_rm(&g->e, 0x80, ALU_CMP, RBP, CPU_DISP(stop_after));
    emit8(&g->e, 0);
    cold_new(g, COLD_STOP, emit_jcc_later(&g->e, CC_NE))->imm = op->imm;
}

/* --- calls -------------------------------------------------------------------- */

static void call_arguments(X86Gen *g, const IrOp *op, const HelperInfo *h) {
    static const uint8_t env_regs[4] = {RSI, RDX, RCX, RDI};
    static const uint8_t pure_regs[4] = {RDI, RSI, RDX, RCX};
    const uint8_t *regs = h->flags & HELPER_PURE ? pure_regs : env_regs;
    for (unsigned i = 0; i < h->nargs; i++) {
        TempId t = op->in[i];
        const IrTemp *temp = &g->temps[t];
        if (temp->kind == TEMP_CONST) {
            emit_mov_imm(&g->e, regs[i], temp->value);
        } else if (type_is_fp(temp->type)) {
            /* Its register was emptied but still holds the value's home in memory. */
            uint32_t w = temp->type == IR_F64 ? X_W : 0;
            int32_t slot = g->ts[t].slot * 8;
            bool global = temp->kind == TEMP_GLOBAL;
            emit_rm(&g->e, X_MOV_RM | w, regs[i], global ? RBP : RSP,
                    global ? env_disp(temp->env_offset) : slot);
        } else {
            ra_load(g, regs[i], t);
        }
    }
}

static void gen_call(X86Gen *g, const IrOp *op) {
    const HelperInfo *h = (const HelperInfo *)(uintptr_t)op->imm;
    const Thunks *t = &g->priv->thunk;
    Emit *e = &g->e;
    uint32_t flags = h->flags;
    if (flags & HELPER_FAULTS) {
        flags |= HELPER_READS_GLOBALS | HELPER_WRITES_GLOBALS;
    }
    ra_spill_all(g);
    if (flags & HELPER_FAULTS) {
        emit_set_pc(e, g->priv, g->ctx->insns[op->insn].pc);
    }
    if (g->bs->icount && !(flags & HELPER_PURE)) {
        emit_rm(e, 0xc6, 0, RBP, CPU_DISP(icount_ahead));
        emit8(e, (uint8_t)gen_insns_ahead(g, op));
    }
    call_arguments(g, op, h);
    emit_mov_imm_keep(e, RAX, (uint64_t)(uintptr_t)h->fn);
    if (flags & HELPER_FP) {
        emit_rm(e, 0xae | X_0F, 3, RBP, CPU_DISP(fp.host));
    }
    emit_call(e, flags & HELPER_PURE             ? t->helper_pure
                 : flags & HELPER_WRITES_GLOBALS ? t->helper_full
                 : flags & HELPER_READS_GLOBALS  ? t->helper_read
                                                 : t->helper_light);
    if (flags & HELPER_FP) {
        emit_rm(e, 0xae | X_0F, 2, RBP, CPU_DISP(fp.host));
    }
    if (flags & HELPER_FAULTS) {
        emit_rm(e, 0x80, ALU_CMP, RBP, CPU_DISP(fault_taken));
        emit8(e, 0);
        emit_jcc(e, CC_NE, t->fault);
    }
    if ((flags & HELPER_FAULTS || (g->bs->icount && !(flags & HELPER_PURE))) &&
        op->insn + 1u < g->ctx->insn_count) {
        g->stop_check = true; /* it may have stored, or set a timer */
    }
    if (op->out == TEMP_NONE || flags & HELPER_NO_RETURN_VALUE) {
        return;
    }
    if (type_is_fp(g->temps[op->out].type)) {
        unsigned x = ra_alloc(g, (uint32_t)XMM_TEMPS);
        emit_rr(e, 0x6e | X_66 | X_0F | X_W, x, RAX);
        ra_set_out(g, op, x);
    } else {
        ra_set_out(g, op, RAX);
    }
}

bool gen_control_op(X86Gen *g, const IrOp *op) {
    switch ((IrOpcode)op->opcode) {
    case IR_label:
        gen_label(g, op);
        return true;
    case IR_br:
        ra_sync(g);
        label_reference(g, emit_jmp_later(&g->e), op->imm);
        return true;
    case IR_brcond:
        gen_brcond(g, op);
        return true;
    case IR_insn_start:
        gen_insn_start(g, op);
        return true;
    case IR_goto_tb:
        if (slot_free(g, op)) {
            gen_goto_tb(g, op);
        } else {
            gen_goto_pc(g, op);
        }
        return true;
    case IR_goto_pc:
        gen_goto_pc(g, op);
        return true;
    case IR_goto_ptr:
        gen_goto_ptr(g, op);
        return true;
    case IR_exit_tb:
        gen_exit_tb(g, op);
        return true;
    case IR_call:
        gen_call(g, op);
        return true;
    default:
        return false;
    }
}

/* --- behind the block --------------------------------------------------------- */

void gen_control_cold(X86Gen *g, const Cold *c) {
    Emit *e = &g->e;
    const Thunks *t = &g->priv->thunk;
    switch ((ColdKind)c->kind) {
    case COLD_REQUEST:
        emit_set_pc(e, g->priv, g->tb->pc);
        emit_mov_imm(e, RAX, TB_EXIT_REQUEST);
        emit_jmp(e, t->epilogue);
        break;
    case COLD_ICOUNT:
        emit_alu_mem_imm(e, 0, ALU_ADD, RBP, CPU_DISP(icount_left), g->tb->insns);
        emit_set_pc(e, g->priv, g->tb->pc);
        emit_mov_imm(e, RAX, TB_EXIT_REQUEST);
        emit_jmp(e, t->epilogue);
        break;
    case COLD_EXIT:
        g->tb->jump[c->a].reset_offset = (uint32_t)(e->p - g->code);
        emit_set_pc(e, g->priv, c->imm);
        emit_mov_imm_keep(e, RAX, (uint64_t)(uintptr_t)g->self | c->a);
        emit_jmp(e, t->epilogue);
        break;
    case COLD_STOP:
        if (g->bs->icount) {
            emit_rm(e, 0xc6, 0, RBP, CPU_DISP(icount_ahead));
            emit8(e, (uint8_t)(g->tb->insns - g->ctx->ops[c->op].insn));
        }
        emit_set_pc(e, g->priv, c->imm);
        emit_jmp(e, t->stopped);
        break;
    case COLD_SLOW:
        emit_call(e, c->xmm ? t->slow_xmm : t->slow);
        emit_jmp(e, c->back);
        {
            uint32_t offset = (uint32_t)(e->p - g->code);
            memcpy(e->p, g->cold_data + c->data, c->data_len);
            memcpy(e->p + offsetof(SlowDesc, tb_offset), &offset, sizeof(offset));
            e->p += c->data_len;
        }
        break;
    case COLD_DIV:
    case COLD_NAN:
        break;
    }
}
