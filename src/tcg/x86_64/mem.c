/* SPDX-License-Identifier: MIT */
/*
 * Guest memory: the softmmu TLB check in line, everything else by a slow path.
 *
 *   63         PAGE_BITS + TLB_BITS   PAGE_BITS         0
 *   |    ...   |   index of the entry |  in the page    |   addr
 *                                                           in registers
 *   t1 = addr >> TLB_SHIFT & TLB_MASK    index * 32         rorx, and
 *   t2 = (addr + size - 1) & PAGE_MASK   page of the end    lea, and
 *   t2 == entry[t1].tag ?                else cold          cmp t2, [rbp + t1 + tag]; jne
 *   t1 = entry[t1].addend                host - guest       mov t1, [rbp + t1 + addend]
 *   value at addr + t1                                      mov value, [t1 + addr]
 *
 * An access that crosses into the next page has that one's address in t2, which is never
 * the tag of the page where it begins: no test of its own. With MO_ALIGN t2 keeps the low
 * bits of addr instead, and a misaligned access misses for them.
 *
 * rorx (BMI2) copies and shifts at once; what it turns in at the top, TLB_MASK clears. It
 * serves where the index comes from addr as it is, or from a sum that t2 needs too. Where
 * the sum is the index's alone, lea puts it in t1 and shr shifts it there: a rorx would
 * save nothing. Without BMI2 it is mov or lea, then shr, always.
 *
 * Nothing is stored to env for the sake of a possible fault: the slow path's descriptor
 * says which registers are newer than env.
 */
#include <assert.h>

#include "tcg/x86_64/gen.h"

/* addr >> TLB_SHIFT & TLB_MASK is the byte offset of addr's entry in its mode's table. */
enum {
    TLB_SHIFT = PAGE_BITS - TLB_ENTRY_BITS,
    TLB_MASK = (TLB_SIZE - 1) << TLB_ENTRY_BITS,
};
_Static_assert(sizeof(TlbEntry) == 1 << TLB_ENTRY_BITS, "the index is scaled by a shift");

/* An access being generated. */
typedef struct Access {
    const IrOp *op;
    unsigned memop, mmu_idx;
    unsigned addr; /* register */
    int32_t disp;
    unsigned t1, t2; /* scratch; t1 becomes the addend */
    uint8_t *miss;   /* the jump to the slow path */
} Access;

/* --- descriptors -------------------------------------------------------------- */

static SlowStop stop_kind(X86Gen *g, const IrOp *op) {
    const IrContext *ctx = g->ctx;
    if (op->insn + 1u >= ctx->insn_count) {
        return STOP_CLEAR;
    }
    if (op->opcode == IR_guest_st || op->opcode == IR_guest_st_at) {
        unsigned i = g->op_index + 1;
        while (i < ctx->op_count && ctx->ops[i].removed) {
            i++;
        }
        if (i < ctx->op_count && ctx->ops[i].opcode == IR_insn_start) {
            return STOP_HERE;
        }
    }
    g->stop_check = true;
    return STOP_LATER;
}

/* Notes the slow path of `a`. */
static Cold *slow_new(X86Gen *g, const Access *a, SlowKind kind, SlowDesc *d) {
    const IrContext *ctx = g->ctx;
    const IrInsn *insn = &ctx->insns[a->op->insn];
    d->pc = (int32_t)(insn->pc - g->tb->pc);
    d->insns_ahead = (uint8_t)gen_insns_ahead(g, a->op);
    d->disp = a->disp;
    d->aux = a->op->aux;
    d->kind = (uint8_t)kind;
    d->addr_reg = (uint8_t)a->addr;
    d->stop = STOP_LATER;
    if (kind != SLOW_LOAD && kind != SLOW_PROBE) {
        d->stop = (uint8_t)stop_kind(g, a->op);
        if (d->stop == STOP_HERE) {
            d->insn_bytes = (uint8_t)(ctx->insns[a->op->insn + 1].pc - insn->pc);
        }
    }
    return slow_cold_new(g, d, a->miss);
}

Cold *slow_cold_new(X86Gen *g, SlowDesc *d, uint8_t *jump) {
    unsigned n = 0;
    for (uint32_t m = d->kind == SLOW_FP ? 0 : g->dirty; m; m &= m - 1) {
        unsigned reg = (unsigned)__builtin_ctz(m);
        const IrTemp *t = &g->temps[g->reg_temp[reg]];
        if (t->kind == TEMP_GLOBAL) {
            d->dirty[n].offset = (int16_t)t->env_offset;
            d->dirty[n].reg = (uint8_t)reg;
            d->dirty[n].bytes = t->type == IR_I32 || t->type == IR_F32 ? 4 : 8;
            n++;
        }
    }
    d->dirty_count = (uint8_t)n;
    unsigned len = (unsigned)(offsetof(SlowDesc, dirty) + n * sizeof(d->dirty[0]));
    Cold *c = cold_new(g, COLD_SLOW, jump);
    if (g->cold_data_used + len > COLD_DATA) {
        g->failed = true;
        return c;
    }
    c->xmm = d->kind == SLOW_FP || ((g->used | g->locked) & (uint32_t)XMM_TEMPS) != 0;
    c->data = (uint16_t)g->cold_data_used;
    c->data_len = (uint16_t)len;
    memcpy(g->cold_data + g->cold_data_used, d, len);
    g->cold_data_used += len;
    return c;
}

static void slow_desc_init(SlowDesc *d) {
    memset(d, 0, offsetof(SlowDesc, dirty));
    d->value_reg = d->value2_reg = d->value3_reg = d->out_reg = REG_NONE;
}

/* --- the check ---------------------------------------------------------------- */

/* Address register and displacement; wide displacements are added up first. */
static void access_begin(X86Gen *g, Access *a, const IrOp *op, int64_t disp,
                         uint32_t set) {
    a->op = op;
    a->memop = ir_aux_memop(op->aux);
    a->mmu_idx = ir_aux_mmu_idx(op->aux);
    a->addr = set == GPR_TEMPS ? ra_use(g, op->in[0]) : ra_use_in(g, op->in[0], set);
    a->disp = (int32_t)disp;
    a->miss = NULL;
    if (disp > INT32_MAX - (int)PAGE_SIZE || disp < INT32_MIN) {
        unsigned ea = ra_alloc(g, set & GPR_TEMPS);
        emit_mov_imm_keep(&g->e, ea, (uint64_t)disp);
        emit_alu_rr(&g->e, X_W, ALU_ADD, ea, a->addr);
        if (!(g->used & bit(a->addr))) {
            g->locked &= ~bit(a->addr); /* a constant's copy, or pinned */
        }
        a->addr = ea;
        a->disp = 0;
    }
}

/* Emits the check of [lo, lo + bytes) from the address; afterwards t1 is the addend. */
static void access_check(X86Gen *g, Access *a, int32_t lo, unsigned bytes, bool store) {
    Emit *e = &g->e;
    unsigned align = a->memop & MO_ALIGN ? MO_BYTES(a->memop) - 1 : 0;
    int32_t last = align ? lo : lo + (int32_t)bytes - 1;
    int32_t table =
        CPU_DISP(tlb.entry) + (int32_t)(a->mmu_idx * sizeof(TlbEntry[TLB_SIZE]));
    int32_t tag = table + (int32_t)(store ? offsetof(TlbEntry, tag_store)
                                          : offsetof(TlbEntry, tag_load));
    bool rotate = g->host & HOST_BMI2;
    unsigned index_from = a->addr;
    if (lo && rotate && lo == last) { /* one sum for both */
        emit_rm(e, X_LEA | X_W, a->t2, a->addr, lo);
        index_from = a->t2;
    }
    if (rotate && (lo == 0 || index_from == a->t2)) {
        emit_vex_rr(e, 0xf0 | X_0F3A | X_F2 | X_W, a->t1, 0, index_from);
        emit8(e, TLB_SHIFT);
    } else {
        if (lo) {
            emit_rm(e, X_LEA | X_W, a->t1, a->addr, lo);
        } else {
            emit_mov(e, X_W, a->t1, a->addr);
        }
        emit_shift_imm(e, X_W, SHIFT_SHR, a->t1, TLB_SHIFT);
    }
    emit_alu_imm(e, 0, ALU_AND, a->t1, TLB_MASK);
    if (index_from == a->t2) {
        /* it is there */
    } else if (last) {
        emit_rm(e, X_LEA | X_W, a->t2, a->addr, last);
    } else {
        emit_mov(e, X_W, a->t2, a->addr);
    }
    emit_alu_imm(e, X_W, ALU_AND, a->t2, (int32_t)(~PAGE_OFFSET_MASK | align));
    emit_rx(e, 0x3b | X_W, a->t2, RBP, a->t1, 0, tag);
    a->miss = emit_jcc_later(e, CC_NE);
    emit_rx(e, X_MOV_RM | X_W, a->t1, RBP, a->t1, 0,
            table + (int32_t)offsetof(TlbEntry, addend));
}

/* --- moving the value --------------------------------------------------------- */

/* dst = [base + index + disp] as memop says; index REG_NONE: none. */
static void emit_load(X86Gen *g, unsigned memop, unsigned dst, unsigned base,
                      unsigned index, int32_t disp) {
    static const uint32_t opcodes[8] = {
        X_MOVZX8,       X_MOVZX16,       X_MOV_RM, X_MOV_RM | X_W,
        X_MOVSX8 | X_W, X_MOVSX16 | X_W, X_MOVSXD, X_MOV_RM | X_W,
    };
    Emit *e = &g->e;
    unsigned size = memop & MO_SIZE;
    bool swap = memop & MO_BE && size != MO_8;
    uint32_t opc = dst >= XMM0 ? (size == MO_64 ? 0x7e : 0x10) | X_F3 | X_0F
                               : opcodes[memop & (MO_SIZE | (swap ? 0 : MO_SIGN))];
    if (index == REG_NONE) {
        emit_rm(e, opc, dst, base, disp);
    } else {
        emit_rx(e, opc, dst, base, index, 0, disp);
    }
    if (!swap) {
        return;
    }
    uint32_t w = size == MO_64 ? X_W : 0;
    uint8_t *p = e->p;
    if (w || dst & 8) {
        *p++ = (uint8_t)(0x40 | (w ? 8 : 0) | (dst & 8) >> 3);
    }
    *p++ = 0x0f;
    *p++ = (uint8_t)(0xc8 | (dst & 7));
    e->p = p;
    if (size == MO_16) {
        emit_shift_imm(e, 0, memop & MO_SIGN ? SHIFT_SAR : SHIFT_SHR, dst, 16);
    }
    if (memop & MO_SIGN && size != MO_64) {
        emit_rr(e, X_MOVSXD, dst, dst);
    }
}

static void emit_bswap(Emit *e, uint32_t w, unsigned r) {
    unsigned rex = (w ? 8 : 0) | (r & 8) >> 3;
    if (rex) {
        emit8(e, 0x40 | rex);
    }
    emit8(e, 0x0f);
    emit8(e, 0xc8 | (r & 7));
}

/* [base + index + disp] = value; scratch may be changed. */
static void emit_store(X86Gen *g, unsigned memop, Opnd value, unsigned base,
                       unsigned index, int32_t disp, unsigned scratch) {
    Emit *e = &g->e;
    unsigned size = memop & MO_SIZE;
    uint32_t w = (size == MO_64 ? X_W : 0) | (size == MO_16 ? X_66 : 0);
    unsigned reg = value.kind == OPND_IMM ? 0 : value.reg;
    uint32_t opc;
    if (value.kind == OPND_IMM) {
        opc = size == MO_8 ? 0xc6 : 0xc7 | w;
    } else if (reg >= XMM0) {
        opc = size == MO_64 ? 0xd6 | X_66 | X_0F : 0x11 | X_F3 | X_0F;
    } else {
        opc = size == MO_8 ? 0x88 | X_R8 : X_MOV_MR | w;
    }
    if (memop & MO_BE && size != MO_8) {
        if (reg >= XMM0) {
            emit_rr(e, 0x7e | X_66 | X_0F | X_W, reg, scratch);
        } else {
            emit_mov(e, X_W, scratch, reg);
        }
        emit_bswap(e, size == MO_64 ? X_W : 0, scratch);
        if (size == MO_16) {
            emit_shift_imm(e, 0, SHIFT_SHR, scratch, 16);
        }
        reg = scratch;
        opc = X_MOV_MR | w;
    }
    if (index == REG_NONE) {
        emit_rm(e, opc, reg, base, disp);
    } else {
        emit_rx(e, opc, reg, base, index, 0, disp);
    }
    if (value.kind == OPND_IMM) {
        if (size == MO_8) {
            emit8(e, (uint8_t)value.val);
        } else if (size == MO_16) {
            emit16(e, (uint16_t)value.val);
        } else {
            emit32(e, (uint32_t)value.val);
        }
    }
}

/* Extends `src` in place as a load would have. */
static void emit_extend(Emit *e, unsigned memop, unsigned dst, unsigned src) {
    static const uint32_t opcodes[8] = {
        X_MOVZX8 | X_M8,       X_MOVZX16,       X_MOV_RM, X_MOV_RM | X_W,
        X_MOVSX8 | X_W | X_M8, X_MOVSX16 | X_W, X_MOVSXD, X_MOV_RM | X_W,
    };
    emit_rr(e, opcodes[memop & (MO_SIZE | MO_SIGN)], dst, src);
}

/* --- loads and stores --------------------------------------------------------- */

/* The value of a store: an immediate where the instruction has one. */
static Opnd store_value(X86Gen *g, TempId t, unsigned memop) {
    const IrTemp *temp = &g->temps[t];
    if (temp->kind == TEMP_CONST && !type_is_fp(temp->type) && !(memop & MO_BE)) {
        if ((memop & MO_SIZE) != MO_64 || (int64_t)temp->value == (int32_t)temp->value) {
            return (Opnd){OPND_IMM, 0, (int32_t)temp->value};
        }
    }
    return (Opnd){OPND_REG, (uint8_t)ra_use(g, t), 0};
}

static void desc_value(SlowDesc *d, Opnd v) {
    if (v.kind == OPND_IMM) {
        d->value = v.val;
    } else {
        d->value_reg = v.reg;
    }
}

static bool is_pinned(const X86Gen *g, TempId t) {
    unsigned r = ra_reg(g, t);
    return r != REG_NONE && !(g->used & bit(r));
}

static void gen_guest_ld(X86Gen *g, const IrOp *op) {
    Access a;
    SlowDesc d;
    access_begin(g, &a, op, (int64_t)op->imm, GPR_TEMPS);
    a.t1 = ra_alloc(g, GPR_TEMPS);
    a.t2 = ra_alloc(g, GPR_TEMPS);
    unsigned dst = a.t2;
    if (type_is_fp(op->type)) {
        dst = ra_alloc(g, (uint32_t)XMM_TEMPS);
    } else if (is_pinned(g, op->out)) {
        dst = ra_reg(g, op->out);
    }
    access_check(g, &a, a.disp, MO_BYTES(a.memop), false);
    slow_desc_init(&d);
    d.out_reg = (uint8_t)dst;
    Cold *c = slow_new(g, &a, SLOW_LOAD, &d);
    if (dst >= XMM0 && a.memop & MO_BE) {
        emit_load(g, a.memop & ~(unsigned)MO_SIGN, a.t2, a.t1, a.addr, a.disp);
        emit_rr(&g->e, 0x6e | X_66 | X_0F | X_W, dst, a.t2);
    } else {
        emit_load(g, a.memop, dst, a.t1, a.addr, a.disp);
    }
    c->back = g->e.p;
    ra_set_out(g, op, dst);
}

static void gen_guest_st(X86Gen *g, const IrOp *op) {
    Access a;
    SlowDesc d;
    access_begin(g, &a, op, (int64_t)op->imm, GPR_TEMPS);
    Opnd v = store_value(g, op->in[1], a.memop);
    a.t1 = ra_alloc(g, GPR_TEMPS);
    a.t2 = ra_alloc(g, GPR_TEMPS);
    access_check(g, &a, a.disp, MO_BYTES(a.memop), true);
    slow_desc_init(&d);
    desc_value(&d, v);
    Cold *c = slow_new(g, &a, SLOW_STORE, &d);
    emit_store(g, a.memop, v, a.t1, a.addr, a.disp, a.t2);
    c->back = g->e.p;
}

/* --- accesses that share a check ---------------------------------------------- */

static void gen_guest_probe(X86Gen *g, const IrOp *op) {
    Access a;
    SlowDesc d;
    int32_t lo = (int32_t)op->imm;
    uint32_t len = (uint32_t)(op->imm >> 32);
    access_begin(g, &a, op, 0, GPR_TEMPS);
    a.memop &= ~(unsigned)MO_ALIGN;
    a.t1 = ra_alloc(g, GPR_TEMPS);
    a.t2 = ra_alloc(g, GPR_TEMPS);
    access_check(g, &a, lo, len, a.memop & MO_STORE);
    slow_desc_init(&d);
    d.value = (int32_t)len;
    d.out_reg = (uint8_t)a.t1;
    a.disp = lo;
    Cold *c = slow_new(g, &a, SLOW_PROBE, &d);
    emit_alu_rr(&g->e, X_W, ALU_ADD, a.t1, a.addr);
    c->back = g->e.p;
    ra_set_out(g, op, a.t1);
}

static bool fits_disp(const IrOp *op) {
    return (int64_t)op->imm == (int32_t)op->imm;
}

static void gen_guest_ld_at(X86Gen *g, const IrOp *op) {
    unsigned memop = ir_aux_memop(op->aux);
    if (memop & MO_ALIGN || !fits_disp(op) || (memop & MO_BE && type_is_fp(op->type))) {
        gen_guest_ld(g, op);
        return;
    }
    Access a;
    SlowDesc d;
    unsigned h = ra_use(g, op->in[1]);
    access_begin(g, &a, op, (int64_t)op->imm, GPR_TEMPS);
    unsigned dst = ra_out(g, op, 0);
    emit_rr(&g->e, X_TEST | X_W, h, h);
    a.miss = emit_jcc_later(&g->e, CC_E);
    slow_desc_init(&d);
    d.out_reg = (uint8_t)dst;
    Cold *c = slow_new(g, &a, SLOW_LOAD, &d);
    emit_load(g, memop, dst, h, REG_NONE, (int32_t)op->imm);
    c->back = g->e.p;
    ra_set_out(g, op, dst);
}

static void gen_guest_st_at(X86Gen *g, const IrOp *op) {
    unsigned memop = ir_aux_memop(op->aux);
    if (memop & MO_ALIGN || !fits_disp(op)) {
        gen_guest_st(g, op);
        return;
    }
    Access a;
    SlowDesc d;
    unsigned h = ra_use(g, op->in[2]);
    access_begin(g, &a, op, (int64_t)op->imm, GPR_TEMPS);
    Opnd v = store_value(g, op->in[1], memop);
    unsigned scratch = memop & MO_BE ? ra_alloc(g, GPR_TEMPS) : 0;
    emit_rr(&g->e, X_TEST | X_W, h, h);
    a.miss = emit_jcc_later(&g->e, CC_E);
    slow_desc_init(&d);
    desc_value(&d, v);
    Cold *c = slow_new(g, &a, SLOW_STORE, &d);
    emit_store(g, memop, v, h, REG_NONE, (int32_t)op->imm, scratch);
    c->back = g->e.p;
}

/* --- atomics ------------------------------------------------------------------ */

static uint32_t size_bits(unsigned memop) {
    unsigned size = memop & MO_SIZE;
    return (size == MO_64 ? X_W : 0) | (size == MO_16 ? X_66 : 0);
}
/* The byte form of an opcode is the word form with bit 0 clear. */
static uint32_t sized(uint32_t opc, unsigned memop) {
    return (memop & MO_SIZE) == MO_8 ? (opc & ~1u) | X_R8 : opc | size_bits(memop);
}

/* [t1] op= value by compare and exchange; rax gets the old value. */
static void emit_rmw_loop(X86Gen *g, const Access *a, IrRmw rmw, unsigned value) {
    static const uint8_t alu[RMW_COUNT] = {
        [RMW_AND] = ALU_AND, [RMW_OR] = ALU_OR, [RMW_XOR] = ALU_XOR};
    static const uint8_t take_value[RMW_COUNT] = {
        [RMW_MIN] = CC_G,
        [RMW_MAX] = CC_L,
        [RMW_MINU] = CC_A,
        [RMW_MAXU] = CC_B,
    };
    Emit *e = &g->e;
    unsigned size = a->memop & MO_SIZE;
    emit_load(g, size, RAX, a->t1, REG_NONE, 0);
    uint8_t *again = e->p;
    if (rmw >= RMW_MIN) {
        emit_rr(e, (sized(0x3b, a->memop) | (size == MO_8 ? X_M8 : 0)), RAX, value);
        emit_mov(e, X_W, a->t2, RAX);
        emit_rr(e, (0x40u | take_value[rmw]) | X_0F | X_W, a->t2, value);
    } else {
        emit_mov(e, X_W, a->t2, RAX);
        emit_alu_rr(e, X_W, (AluOp)alu[rmw], a->t2, value);
    }
    emit8(e, 0xf0);
    emit_rm(e, sized(X_CMPXCHG, a->memop), a->t2, a->t1, 0);
    emit_jcc(e, CC_NE, again);
}

/* Of an atomic access: it is aligned, and a big-endian one is made out of line. */
static void atomic_check(X86Gen *g, Access *a, uint32_t set) {
    a->t1 = ra_alloc(g, set);
    a->t2 = ra_alloc(g, set);
    if (a->memop & MO_BE) {
        a->miss = emit_jmp_later(&g->e);
    } else {
        a->memop |= MO_ALIGN;
        access_check(g, a, a->disp, MO_BYTES(a->memop), true);
    }
}

static void gen_guest_rmw(X86Gen *g, const IrOp *op) {
    static const uint8_t alu[RMW_COUNT] = {
        [RMW_AND] = ALU_AND, [RMW_OR] = ALU_OR, [RMW_XOR] = ALU_XOR};
    Emit *e = &g->e;
    Access a;
    SlowDesc d;
    IrRmw rmw = (IrRmw)op->cond;
    uint32_t set = GPR_TEMPS & ~bit(RAX);
    uint32_t pinned = ~(uint32_t)(GPR_TEMPS | XMM_TEMPS);
    access_begin(g, &a, op, (int64_t)op->imm, set | pinned);
    unsigned value = ra_use_in(g, op->in[1], set | pinned);
    ra_take(g, RAX);
    atomic_check(g, &a, set);
    slow_desc_init(&d);
    d.value_reg = (uint8_t)value;
    d.out_reg = RAX;
    d.cond = op->cond;
    Cold *c = slow_new(g, &a, SLOW_RMW, &d);
    if (a.memop & MO_BE) {
        /* out of line only */
    } else if (rmw == RMW_XCHG || rmw == RMW_ADD) {
        emit_mov(e, X_W, RAX, value);
        if (rmw == RMW_ADD) {
            emit8(e, 0xf0);
        }
        emit_rx(e, sized(rmw == RMW_ADD ? X_XADD : X_XCHG, a.memop), RAX, a.t1, a.addr, 0,
                a.disp);
        emit_extend(e, a.memop, RAX, RAX);
    } else if (op->dead_out && rmw <= RMW_XOR) {
        emit8(e, 0xf0);
        emit_rx(e, sized((unsigned)alu[rmw] << 3 | 1, a.memop), value, a.t1, a.addr, 0,
                a.disp);
    } else {
        emit_rx(e, X_LEA | X_W, a.t1, a.t1, a.addr, 0, a.disp);
        emit_rmw_loop(g, &a, rmw, value);
        emit_extend(e, a.memop, RAX, RAX);
    }
    c->back = e->p;
    ra_set_out(g, op, RAX);
}

static void gen_guest_cas(X86Gen *g, const IrOp *op) {
    Emit *e = &g->e;
    Access a;
    SlowDesc d;
    uint32_t set = GPR_TEMPS & ~bit(RAX);
    uint32_t pinned = ~(uint32_t)(GPR_TEMPS | XMM_TEMPS);
    access_begin(g, &a, op, (int64_t)op->imm, set | pinned);
    unsigned desired = ra_use_in(g, op->in[2], set | pinned);
    ra_take(g, RAX);
    ra_load(g, RAX, op->in[1]);
    atomic_check(g, &a, set);
    slow_desc_init(&d);
    d.value_reg = RAX;
    d.value2_reg = (uint8_t)desired;
    d.out_reg = RAX;
    Cold *c = slow_new(g, &a, SLOW_CAS, &d);
    if (!(a.memop & MO_BE)) {
        emit8(e, 0xf0);
        emit_rx(e, sized(X_CMPXCHG, a.memop), desired, a.t1, a.addr, 0, a.disp);
        emit_extend(e, a.memop, RAX, RAX);
    }
    c->back = e->p;
    ra_set_out(g, op, RAX);
}

bool gen_mem_op(X86Gen *g, const IrOp *op) {
    switch ((IrOpcode)op->opcode) {
    case IR_guest_ld:
        gen_guest_ld(g, op);
        return true;
    case IR_guest_st:
        gen_guest_st(g, op);
        return true;
    case IR_guest_probe:
        gen_guest_probe(g, op);
        return true;
    case IR_guest_ld_at:
        gen_guest_ld_at(g, op);
        return true;
    case IR_guest_st_at:
        gen_guest_st_at(g, op);
        return true;
    case IR_guest_rmw:
        gen_guest_rmw(g, op);
        return true;
    case IR_guest_cas:
        gen_guest_cas(g, op);
        return true;
    case IR_fence:
        /* lock or dword [rsp], 0: cheaper than mfence */
        emit8(&g->e, 0xf0);
        emit_alu_mem_imm(&g->e, 0, ALU_OR, RSP, -64, 0);
        return true;
    default:
        return false;
    }
}
