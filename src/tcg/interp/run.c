/* SPDX-License-Identifier: MIT */
/*
 * The interpreter's loop: takes one InterpOp after the other until a block leaves to the
 * run loop.
 *
 *   enter --> block --op, op, op--> goto_* --> next block ...  or  exit_tb --> return
 *                          |
 *                  guest access: first-level TLB --hit--> host memory
 *                                                --miss-> cpu->ops (env pc set first)
 *                                                           --fault--> lookup
 *
 * Deviates: a guest_rmw, guest_cas or helper that changes the running block's own code
 * does not stop the block after its instruction as a store does; the change is seen at the
 * next block entry.
 */

#include "mem/hostvalue.h"
#include "tcg/eval.h"
#include "tcg/eval_fp.h"
#include "tcg/interp/interp.h"

typedef struct Interp {
    TcgCpu *cpu;
    char *base[BASE_COUNT]; /* of operands */
    uint64_t *pc;           /* env's */
    const InterpBlock *block;
    const void *next; /* code to go on with */
    bool icount;
} Interp;

/* What a block's run returns when `next` is set; else it is the value for the run loop.
 */
#define GO_ON UINTPTR_MAX

static inline uint64_t *slot(const Interp *s, InterpOperand o) {
    return (uint64_t *)(s->base[o & ((1 << BASE_SHIFT) - 1)] + (o >> BASE_SHIFT));
}

static inline uint64_t get(const Interp *s, InterpOperand o) {
    return *slot(s, o);
}

/* --- leaving ---------------------------------------------------------------------- */

static uintptr_t go_to(Interp *s, const void *code) {
    s->next = code;
    return GO_ON;
}

/* Goes on at env's pc, by way of the TBs that exist. */
static uintptr_t go_lookup(Interp *s) {
    const void *code = s->cpu->ops->lookup(s->cpu);
    return code ? go_to(s, code) : TB_EXIT_LOOKUP;
}

static uintptr_t go_pc(Interp *s, vaddr pc) {
    const JumpCacheEntry *e = &s->cpu->jump_cache[jump_cache_index(pc)];
    if (e->pc == pc && e->tag == s->cpu->jump_tag.word && e->code) {
        return go_to(s, e->code);
    }
    *s->pc = pc;
    return go_lookup(s);
}

static uintptr_t go_slot(Interp *s, unsigned exit_slot, vaddr pc) {
    const void *code = __atomic_load_n(&s->block->jump[exit_slot], __ATOMIC_ACQUIRE);
    if (code) {
        return go_to(s, code);
    }
    *s->pc = pc;
    return (uintptr_t)s->block->tb | exit_slot;
}

/* Instructions of the block behind that of `op`. */
static uint8_t insns_ahead(const Interp *s, const InterpOp *op) {
    return (uint8_t)(s->block->insn_count - 1u - op->insn);
}

/* The block ends behind this instruction: those ahead were not executed. */
static void give_back(Interp *s) {
    if (s->icount) {
        s->cpu->icount_left += s->cpu->icount_ahead;
    }
}

/* An exception was delivered. */
static uintptr_t go_fault(Interp *s) {
    s->cpu->fault_taken = 0;
    give_back(s);
    return go_lookup(s);
}

/* --- guest memory ----------------------------------------------------------------- */

/* Before anything that may deliver a guest exception. */
static void prepare_slow(Interp *s, const InterpOp *op) {
    *s->pc = s->block->pcs[op->insn];
    s->cpu->current_tb = s->block->tb;
    s->cpu->icount_ahead = insns_ahead(s, op);
}

/* Host address of a guest access if the first level allows it, else NULL. A tag is
 * compared with the page of the last byte, and with the low bits that must be zero if
 * alignment is asked for, so an access that crosses a page or is misaligned never
 * matches. */
static inline void *tlb_host(Interp *s, vaddr addr, unsigned aux, bool store) {
    unsigned memop = ir_aux_memop((uint16_t)aux);
    unsigned size = MO_BYTES(memop);
    const TlbEntry *e = tlb_entry(&s->cpu->tlb, ir_aux_mmu_idx((uint16_t)aux), addr);
    uint64_t tag =
        __atomic_load_n(store ? &e->tag_store : &e->tag_load, __ATOMIC_RELAXED);
    uint64_t want = memop & MO_ALIGN ? addr & (PAGE_MASK | (size - 1))
                                     : (addr + size - 1) & PAGE_MASK;
    return tag == want ? (void *)(uintptr_t)(addr + e->addend) : NULL;
}

static inline uint64_t load_value(const void *host, unsigned memop) {
    return eval_extend(eval_byte_order(host_load(host, MO_BYTES(memop)), memop), memop);
}

static inline void store_value(void *host, unsigned memop, uint64_t v) {
    host_store(host, MO_BYTES(memop), eval_byte_order(v, memop));
}

/* False: an exception was delivered. `host` NULL: not known to be plain memory. */
static inline bool guest_load(Interp *s, const InterpOp *op, void *host) {
    vaddr addr = get(s, op->in[0]) + op->imm;
    uint64_t value;
    if (!host) {
        host = tlb_host(s, addr, op->aux, false);
    }
    if (host) {
        value = load_value(host, op->aux);
    } else {
        prepare_slow(s, op);
        if (!s->cpu->ops->load(s->cpu, addr, op->aux, &value)) {
            return false;
        }
    }
    *slot(s, op->out) = value;
    return true;
}

static inline bool guest_store(Interp *s, const InterpOp *op, void *host) {
    vaddr addr = get(s, op->in[0]) + op->imm;
    uint64_t value = get(s, op->in[1]);
    if (!host) {
        host = tlb_host(s, addr, op->aux, true);
    }
    if (host) {
        store_value(host, op->aux, value);
        return true;
    }
    prepare_slow(s, op);
    return s->cpu->ops->store(s->cpu, addr, op->aux, value);
}

/* After a store: was the running block's own code changed, with instructions of it still
 * to come? */
static inline bool must_stop(Interp *s, const InterpOp *op) {
    if (!s->cpu->stop_after) {
        return false;
    }
    s->cpu->stop_after = 0;
    if (op->insn + 1u >= s->block->insn_count) {
        return false; /* what is left ends the block */
    }
    *s->pc = s->block->pcs[op->insn + 1];
    give_back(s);
    return true;
}

static uint64_t guest_probe(Interp *s, const InterpOp *op) {
    vaddr a = get(s, op->in[0]);
    vaddr first = a + (uint64_t)(int64_t)ir_probe_lo(op->imm);
    vaddr last = first + ir_probe_len(op->imm) - 1;
    bool store = ir_aux_memop(op->aux) & MO_STORE;
    if ((first ^ last) & PAGE_MASK) {
        return 0;
    }
    const TlbEntry *e = tlb_entry(&s->cpu->tlb, ir_aux_mmu_idx(op->aux), first);
    uint64_t tag =
        __atomic_load_n(store ? &e->tag_store : &e->tag_load, __ATOMIC_RELAXED);
    if (tag == (first & PAGE_MASK)) {
        return a + e->addend;
    }
    uint64_t host = (uintptr_t)s->cpu->ops->probe(s->cpu, first, op->aux);
    return host ? host + (a - first) : 0;
}

/* host_cas() of values in the guest's byte order, zero-extended. */
static bool cas_value(void *host, unsigned memop, uint64_t *expected, uint64_t desired) {
    uint64_t seen = eval_byte_order(*expected, memop);
    bool done = host_cas(host, MO_BYTES(memop), &seen, eval_byte_order(desired, memop));
    *expected = eval_byte_order(seen, memop);
    return done;
}

static bool guest_rmw(Interp *s, const InterpOp *op) {
    vaddr addr = get(s, op->in[0]) + op->imm;
    uint64_t value = get(s, op->in[1]), old;
    unsigned memop = ir_aux_memop(op->aux) | MO_ALIGN;
    void *host = tlb_host(s, addr, op->aux | MO_ALIGN, true);
    if (host) {
        old = load_value(host, memop & ~(unsigned)MO_SIGN);
        while (
            !cas_value(host, memop, &old, eval_rmw((IrRmw)op->cond, memop, old, value))) {
        }
        old = eval_extend(old, memop);
    } else {
        prepare_slow(s, op);
        if (!s->cpu->ops->rmw(s->cpu, addr, op->aux, (IrRmw)op->cond, value, &old)) {
            return false;
        }
    }
    *slot(s, op->out) = old;
    return true;
}

static bool guest_cas(Interp *s, const InterpOp *op) {
    vaddr addr = get(s, op->in[0]) + op->imm;
    uint64_t expected = get(s, op->in[1]), desired = get(s, op->in[2]), old;
    unsigned memop = ir_aux_memop(op->aux) | MO_ALIGN;
    unsigned bits = 8 * MO_BYTES(memop);
    void *host = tlb_host(s, addr, op->aux | MO_ALIGN, true);
    if (host) {
        old = eval_zext(expected, bits);
        cas_value(host, memop, &old, eval_zext(desired, bits));
        old = eval_extend(old, memop);
    } else {
        prepare_slow(s, op);
        if (!s->cpu->ops->cas(s->cpu, addr, op->aux, expected, desired, &old)) {
            return false;
        }
    }
    *slot(s, op->out) = old;
    return true;
}

/* --- the CPU's own state ---------------------------------------------------------- */

static inline uint64_t env_load(const Interp *s, const InterpOp *op) {
    return load_value(s->base[BASE_ENV] + (int64_t)op->imm, op->aux);
}

static inline void env_store(Interp *s, const InterpOp *op) {
    store_value(s->base[BASE_ENV] + (int64_t)op->imm, op->aux, get(s, op->in[0]));
}

typedef uint64_t PureFn(uint64_t a, uint64_t b, uint64_t c, uint64_t d);
typedef uint64_t HelperFn(void *env, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/* False: the helper delivered an exception. */
static bool call_helper(Interp *s, const InterpOp *op) {
    const HelperInfo *helper = (const HelperInfo *)(uintptr_t)op->imm;
    uint64_t arg[4], result;
    for (unsigned i = 0; i < 4; i++) {
        arg[i] = i < helper->nargs ? get(s, op->in[i]) : 0;
    }
    if (helper->flags & HELPER_PURE) {
        result = ((PureFn *)(uintptr_t)helper->fn)(arg[0], arg[1], arg[2], arg[3]);
    } else {
        s->cpu->icount_ahead = insns_ahead(s, op);
        if (helper->flags & HELPER_FAULTS) {
            prepare_slow(s, op);
        }
        result = ((HelperFn *)(uintptr_t)helper->fn)(s->base[BASE_ENV], arg[0], arg[1],
                                                     arg[2], arg[3]);
        if (helper->flags & HELPER_FAULTS && s->cpu->fault_taken) {
            s->cpu->fault_taken = 0;
            return false;
        }
    }
    if (!(helper->flags & HELPER_NO_RETURN_VALUE)) {
        *slot(s, op->out) = result;
    }
    return true;
}

/* --- floating point --------------------------------------------------------------- */

static uint64_t fp_arith(Interp *s, const InterpOp *op) {
    unsigned round = op->aux == FP_MODE_DYN ? s->cpu->fp.round : op->aux;
    FpState st = {.round = (uint8_t)round, .flags = s->cpu->fp.flags};
    uint64_t in[3] = {0};
    for (unsigned i = 0; i < ir_op_defs[op->opcode].ins; i++) {
        in[i] = get(s, op->in[i]);
    }
    uint64_t out = eval_fp(&st, (IrOpcode)op->opcode, (IrType)op->type, (IrFcond)op->cond,
                           op->imm, in);
    s->cpu->fp.flags = st.flags;
    return out;
}

/* --- the loop --------------------------------------------------------------------- */

static uintptr_t run_block(Interp *s) {
    const InterpOp *op = s->block->ops;
    s->base[BASE_BLOCK] = (char *)s->block;
    for (;; op++) {
        bool wide = op->type == IR_I64;
#define IN(i)      get(s, op->in[i])
#define OUT(value) (*slot(s, op->out) = (value))
#define UNARY(id)                                                                        \
    case id:                                                                             \
        OUT(eval_unary(id, wide, IN(0), op->imm));                                       \
        break;
#define BINARY(id)                                                                       \
    case id:                                                                             \
        OUT(eval_binary(id, wide, IN(0), IN(1), op->imm));                               \
        break;
        switch ((IrOpcode)op->opcode) {
            UNARY(IR_mov)
            UNARY(IR_ext_s8)
            UNARY(IR_ext_s16)
            UNARY(IR_ext_s32)
            UNARY(IR_ext_u8)
            UNARY(IR_ext_u16)
            UNARY(IR_ext_u32)
            BINARY(IR_add)
            BINARY(IR_sub)
            BINARY(IR_mul)
            BINARY(IR_mulhs)
            BINARY(IR_mulhu)
            BINARY(IR_mulhsu)
            BINARY(IR_divs)
            BINARY(IR_divu)
            BINARY(IR_rems)
            BINARY(IR_remu)
            BINARY(IR_and)
            BINARY(IR_or)
            BINARY(IR_xor)
            BINARY(IR_andc)
            BINARY(IR_orc)
            BINARY(IR_eqv)
            BINARY(IR_shl)
            BINARY(IR_shr)
            BINARY(IR_sar)
            BINARY(IR_rotl)
            BINARY(IR_rotr)
            UNARY(IR_clz)
            UNARY(IR_ctz)
            UNARY(IR_popcnt)
            UNARY(IR_bswap)
            UNARY(IR_rotr_s32)
            UNARY(IR_extract)
            UNARY(IR_sextract)
            BINARY(IR_deposit)
        case IR_setcond:
            OUT(ir_cond_eval((IrCond)op->cond, (IrType)op->type, IN(0), IN(1)));
            break;
        case IR_movcond:
            OUT(ir_cond_eval((IrCond)op->cond, (IrType)op->type, IN(0), IN(1)) ? IN(2)
                                                                               : IN(3));
            break;
        case IR_label:
            break;
        case IR_insn_start:
            if (s->cpu->stop_after) {
                s->cpu->stop_after = 0;
                *s->pc = op->imm;
                give_back(s);
                return TB_EXIT_LOOKUP;
            }
            break;
        case IR_br:
            op = s->block->ops + op->imm - 1;
            break;
        case IR_brcond:
            if (ir_cond_eval((IrCond)op->cond, (IrType)op->type, IN(0), IN(1))) {
                op = s->block->ops + op->imm - 1;
            }
            break;
        case IR_env_ld:
            OUT(env_load(s, op));
            break;
        case IR_env_st:
            env_store(s, op);
            break;
        case IR_guest_ld:
        case IR_guest_ld_at: {
            uint64_t h = op->opcode == IR_guest_ld_at ? IN(1) : 0;
            if (!guest_load(s, op, h ? (void *)(uintptr_t)(h + op->imm) : NULL)) {
                return go_fault(s);
            }
            break;
        }
        case IR_guest_st:
        case IR_guest_st_at: {
            uint64_t h = op->opcode == IR_guest_st_at ? IN(2) : 0;
            if (!guest_store(s, op, h ? (void *)(uintptr_t)(h + op->imm) : NULL)) {
                return go_fault(s);
            }
            if (must_stop(s, op)) {
                return TB_EXIT_LOOKUP;
            }
            break;
        }
        case IR_guest_probe:
            OUT(guest_probe(s, op));
            break;
        case IR_guest_rmw:
            if (!guest_rmw(s, op)) {
                return go_fault(s);
            }
            break;
        case IR_guest_cas:
            if (!guest_cas(s, op)) {
                return go_fault(s);
            }
            break;
        case IR_fence:
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            break;
        case IR_fmov_i2f:
        case IR_fmov_f2i:
            OUT(IN(0));
            break;
        case IR_fbox:
            OUT(UINT64_C(0xffffffff00000000) | (uint32_t)IN(0));
            break;
        case IR_funbox:
            OUT(IN(0) >> 32 == UINT32_MAX ? (uint32_t)IN(0) : F32_CANONICAL_NAN);
            break;
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
            OUT(fp_arith(s, op));
            break;
        case IR_fp_save:
        case IR_fp_load:
            break; /* cpu->fp is the live state */
        case IR_call:
            if (!call_helper(s, op)) {
                return go_fault(s);
            }
            break;
        case IR_goto_tb:
            return go_slot(s, op->aux, op->imm);
        case IR_goto_pc:
            return go_pc(s, op->imm);
        case IR_goto_ptr:
            return go_pc(s, IN(0));
        case IR_exit_tb:
            s->cpu->icount_ahead = insns_ahead(s, op); /* it may be in the middle */
            give_back(s);
            return op->aux;
        case IR_OPCODE_COUNT:
            break;
        }
#undef IN
#undef OUT
#undef UNARY
#undef BINARY
    }
}

/* The checked entry: the value to return, or GO_ON. */
static uintptr_t check_entry(Interp *s) {
    uintptr_t why = GO_ON;
    if (__atomic_load_n(&s->block->dead, __ATOMIC_ACQUIRE)) {
        why = TB_EXIT_LOOKUP;
    } else if (__atomic_load_n(&s->cpu->exit_request, __ATOMIC_ACQUIRE)) {
        why = TB_EXIT_REQUEST;
    }
    if (why != GO_ON) {
        *s->pc = s->block->tb->pc;
    }
    return why;
}

/* The block's instructions from what is left: the value to return, or GO_ON. */
static uintptr_t take_icount(Interp *s) {
    int32_t insns = s->block->tb->insns;
    if (s->cpu->icount_left < insns) {
        *s->pc = s->block->tb->pc;
        return TB_EXIT_REQUEST;
    }
    s->cpu->icount_left -= insns;
    return GO_ON;
}

uintptr_t interp_enter(BackendState *bs, TcgCpu *cpu, const void *code) {
    uint64_t frame[FRAME_SLOTS]; /* not initialized: a block writes its locals before it
                                    reads */
    Interp s = {.cpu = cpu, .next = code, .icount = bs->icount};
    s.base[BASE_FRAME] = (char *)frame;
    s.base[BASE_ENV] = tcg_cpu_env(cpu);
    s.pc = (uint64_t *)(s.base[BASE_ENV] + bs->pc_offset);
    s.block = (const InterpBlock *)((uintptr_t)code & ~(uintptr_t)INTERP_FAST);
    __atomic_signal_fence(__ATOMIC_RELEASE);
    cpu->frame = &s;
    for (;;) {
        bool fast = (uintptr_t)s.next & INTERP_FAST;
        __atomic_store_n(
            &s.block, (const InterpBlock *)((uintptr_t)s.next & ~(uintptr_t)INTERP_FAST),
            __ATOMIC_RELAXED); /* seen by interp_place() */
        uintptr_t result = fast ? GO_ON : check_entry(&s);
        if (s.icount && result == GO_ON) {
            result = take_icount(&s);
        }
        if (result == GO_ON) {
            if (bs->profile) {
                s.block->tb->run_count++;
                cpu->accesses += s.block->tb->accesses;
            }
            result = run_block(&s);
        }
        if (result != GO_ON) {
            cpu->frame = NULL;
            return result;
        }
    }
}

const uint8_t *interp_place(const BackendState *bs, const TcgCpu *cpu, uintptr_t host_pc,
                            bool *helper) {
    (void)bs;
    (void)host_pc;
    *helper =
        false; /* all of it is C: what a block does itself is not told from what it calls */
    const Interp *s = cpu->frame;
    return s ? (const uint8_t *)__atomic_load_n(&s->block, __ATOMIC_RELAXED) : NULL;
}
