/* SPDX-License-Identifier: MIT */
/*
 * Random IR programs over the globals of ir_machine.h: valid by construction, always end,
 * and touch RAM, the slow page, the I/O page and addresses that fault.
 *
 * What an op leaves undefined is never looked at: an i64 that an i32 op wrote goes on the
 * list `dirty`, from which only i32 ops and extensions read.
 */
#ifndef VITRINE_TESTS_IR_RANDOM_H
#define VITRINE_TESTS_IR_RANDOM_H

#include "tcg/ir_machine.h"

enum { POOL_SIZE = 12 };

typedef struct Pool {
    TempId temp[POOL_SIZE];
    unsigned count;
} Pool;

typedef struct IrRandom {
    uint64_t state;
    IrContext *ctx;
    Pool wide, dirty, narrow, f64, f32; /* locals that hold a value here */
    unsigned labels_open;
    unsigned label[4];
    vaddr pc;
    bool floats;
} IrRandom;

static inline uint64_t rnd64(IrRandom *r) {
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline unsigned rnd(IrRandom *r, unsigned n) {
    return (unsigned)(rnd64(r) >> 32) % n;
}

/* Numbers at which arithmetic goes wrong. */
static inline uint64_t rnd_value(IrRandom *r) {
    static const uint64_t edge[] = {
        0,
        1,
        2,
        3,
        7,
        8,
        0x7f,
        0x80,
        0xff,
        0x100,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        UINT64_C(0x100000000),
        UINT64_C(0x7fffffffffffffff),
        UINT64_C(0x8000000000000000),
        UINT64_C(0xffffffff80000000),
        UINT64_C(0xffffffff7fffffff),
        UINT64_MAX,
        UINT64_MAX - 1,
        UINT64_C(0xffffffff00000000),
        31,
        32,
        63,
        64,
    };
    switch (rnd(r, 4)) {
    case 0:
        return rnd64(r);
    case 1:
        return UINT64_C(1) << rnd(r, 64);
    case 2:
        return rnd64(r) >> rnd(r, 64);
    default:
        return edge[rnd(r, sizeof(edge) / sizeof(edge[0]))];
    }
}

/* Mostly RAM, sometimes another kind of memory, at times a page's end or misaligned. */
static inline uint64_t rnd_address(IrRandom *r) {
    static const uint64_t base[] = {
        RAM_BASE,  RAM_BASE, RAM_BASE, RAM_BASE + 0x1000,          RAM_BASE + 0x2000,
        SLOW_BASE, IO_BASE,  0x40000,  RAM_BASE + RAM_SIZE - 0x100};
    uint64_t b = base[rnd(r, 9)];
    uint64_t off = rnd(r, 3) == 0 ? PAGE_SIZE - 16 + rnd(r, 24) : rnd(r, 500) * 8;
    return b + off;
}

static inline void pool_add(IrRandom *r, Pool *p, TempId t) {
    if (p->count < POOL_SIZE) {
        p->temp[p->count++] = t;
    } else {
        p->temp[rnd(r, POOL_SIZE)] = t;
    }
}

static inline TempId pool_pick(IrRandom *r, const Pool *p) {
    return p->temp[rnd(r, p->count)];
}

static inline void pool_drop(Pool *p, TempId t) {
    unsigned n = 0;
    for (unsigned i = 0; i < p->count; i++) {
        if (p->temp[i] != t) {
            p->temp[n++] = p->temp[i];
        }
    }
    p->count = n;
}

/* --- operands ----------------------------------------------------------------- */

static inline TempId r_global(IrRandom *r) {
    return (TempId)rnd(r, REG_COUNT);
}
static inline TempId f64_global(IrRandom *r) {
    return (TempId)(REG_COUNT + rnd(r, FREG_COUNT));
}
static inline TempId w_global(IrRandom *r) {
    return (TempId)(REG_COUNT + FREG_COUNT + rnd(r, NARROW_COUNT));
}
static inline TempId f32_global(IrRandom *r) {
    return (TempId)(REG_COUNT + FREG_COUNT + NARROW_COUNT + rnd(r, NARROW_COUNT));
}

static inline TempId in64(IrRandom *r) {
    unsigned k = rnd(r, 10);
    if (k < 4 && r->wide.count) {
        return pool_pick(r, &r->wide);
    }
    return k < 7 ? r_global(r) : ir_const(r->ctx, IR_I64, rnd_value(r));
}

static inline TempId in32(IrRandom *r) {
    unsigned k = rnd(r, 12);
    if (k < 3 && r->narrow.count) {
        return pool_pick(r, &r->narrow);
    }
    if (k < 5 && r->dirty.count) {
        return pool_pick(r, &r->dirty);
    }
    if (k < 7) {
        return w_global(r);
    }
    return k < 9 ? ir_const(r->ctx, IR_I32, rnd_value(r)) : in64(r);
}

static inline TempId in_f(IrRandom *r, IrType type) {
    Pool *p = type == IR_F64 ? &r->f64 : &r->f32;
    if (p->count && rnd(r, 2)) {
        return pool_pick(r, p);
    }
    return type == IR_F64 ? f64_global(r) : f32_global(r);
}

static inline TempId in_any(IrRandom *r, IrType type) {
    return type == IR_I64 ? in64(r) : type == IR_I32 ? in32(r) : in_f(r, type);
}

/* Outputs are taken after the inputs, as a new local joins the pool only with its op. */
static inline TempId out64(IrRandom *r) {
    if (rnd(r, 2)) {
        return r_global(r);
    }
    TempId t = rnd(r, 3) == 0 && r->wide.count ? pool_pick(r, &r->wide)
                                               : ir_temp_new(r->ctx, IR_I64);
    pool_drop(&r->wide, t);
    pool_add(r, &r->wide, t);
    return t;
}

/* For an op of type i32: an i32, or an i64 whose upper half is then undefined. */
static inline TempId out32(IrRandom *r) {
    switch (rnd(r, 4)) {
    case 0:
        return w_global(r);
    case 1: {
        TempId t = ir_temp_new(r->ctx, IR_I64);
        pool_add(r, &r->dirty, t);
        return t;
    }
    default: {
        TempId t = rnd(r, 2) && r->narrow.count ? pool_pick(r, &r->narrow)
                                                : ir_temp_new(r->ctx, IR_I32);
        pool_drop(&r->narrow, t);
        pool_add(r, &r->narrow, t);
        return t;
    }
    }
}

static inline TempId out_f(IrRandom *r, IrType type) {
    if (rnd(r, 2)) {
        return type == IR_F64 ? f64_global(r) : f32_global(r);
    }
    TempId t = ir_temp_new(r->ctx, type);
    pool_add(r, type == IR_F64 ? &r->f64 : &r->f32, t);
    return t;
}

static inline TempId out_any(IrRandom *r, IrType type) {
    return type == IR_I64 ? out64(r) : type == IR_I32 ? out32(r) : out_f(r, type);
}

static inline IrType int_type(IrRandom *r) {
    return rnd(r, 3) ? IR_I64 : IR_I32;
}

/* A local with an address in it. */
static inline TempId address_temp(IrRandom *r) {
    TempId t = rnd(r, 2) ? r_global(r) : ir_temp_new(r->ctx, IR_I64);
    ir_mov(r->ctx, IR_I64, t, ir_const(r->ctx, IR_I64, rnd_address(r)));
    if (!rnd(r, 4)) { /* through a field, so that it is not a constant to the optimizer */
        ir_env_st(r->ctx, t, FIELD_OFFSET + 48, MO_64);
    }
    return t;
}

/* --- helpers that programs call ----------------------------------------------- */

static inline uint64_t helper_mix(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    (void)c;
    (void)d;
    return a * 3 + b;
}
static inline uint64_t helper_bump(void *env, uint64_t a, uint64_t b, uint64_t c,
                                   uint64_t d) {
    (void)b;
    (void)c;
    (void)d;
    ((TestEnv *)env)->r[3] += a;
    ((TestEnv *)env)->field[8]++;
    return ((TestEnv *)env)->r[2];
}
static inline uint64_t helper_note(void *env, uint64_t a, uint64_t b, uint64_t c,
                                   uint64_t d) {
    (void)b;
    (void)c;
    (void)d;
    ((TestEnv *)env)->field[16] ^= (uint8_t)a;
    return a + 1;
}
static inline uint64_t helper_fault_if_odd(void *env, uint64_t a, uint64_t b, uint64_t c,
                                           uint64_t d) {
    (void)b;
    (void)c;
    (void)d;
    if (a & 1) {
        ((TestEnv *)env)->pc = HANDLER_PC;
        tcg_cpu_of_env(env)->fault_taken = 1;
    }
    return a;
}

static const HelperInfo info_mix = {"helper_mix", (void *)(uintptr_t)helper_mix,
                                    HELPER_PURE, 2};
static const HelperInfo info_bump = {"helper_bump", (void *)(uintptr_t)helper_bump,
                                     HELPER_READS_GLOBALS | HELPER_WRITES_GLOBALS, 1};
static const HelperInfo info_note = {"helper_note", (void *)(uintptr_t)helper_note, 0, 1};
static const HelperInfo info_fault = {
    "helper_fault_if_odd", (void *)(uintptr_t)helper_fault_if_odd, HELPER_FAULTS, 1};
static const HelperInfo *const test_helpers[] = {&info_mix, &info_bump, &info_note,
                                                 &info_fault, NULL};

/* --- ops ---------------------------------------------------------------------- */

static inline void random_int_op(IrRandom *r) {
    static const uint8_t two[] = {IR_add,    IR_sub,  IR_mul,  IR_mulhs, IR_mulhu,
                                  IR_mulhsu, IR_divs, IR_divu, IR_rems,  IR_remu,
                                  IR_and,    IR_or,   IR_xor,  IR_andc,  IR_orc,
                                  IR_eqv,    IR_shl,  IR_shr,  IR_sar,   IR_rotl,
                                  IR_rotr,   IR_add,  IR_and,  IR_shl,   IR_shr};
    static const uint8_t one[] = {IR_mov, IR_mov, IR_clz, IR_ctz, IR_popcnt, IR_bswap};
    static const uint8_t ext[] = {IR_ext_s8, IR_ext_s16, IR_ext_s32,
                                  IR_ext_u8, IR_ext_u16, IR_ext_u32};
    IrType type = int_type(r);
    unsigned w = type == IR_I64 ? 64 : 32;
    unsigned pos = rnd(r, w), len = 1 + rnd(r, w - pos);
    TempId a = in_any(r, type), b = in_any(r, type);
    switch (rnd(r, 13)) {
    case 0:
        ir_op1(r->ctx, (IrOpcode)one[rnd(r, 6)], type, out_any(r, type), a);
        break;
    case 1:
    case 2:
        a = in32(r);
        ir_op1(r->ctx, (IrOpcode)ext[rnd(r, 6)], type, out_any(r, type), a);
        break;
    case 3:
        ir_extract(r->ctx, type, out_any(r, type), a, pos, len);
        break;
    case 12: {
        IrOp *op = ir_emit(r->ctx, IR_rotr_s32, IR_I64);
        op->in[0] = in_any(r, IR_I64);
        op->imm = 1 + rnd(r, 31);
        op->out = out64(r);
        break;
    }
    case 4:
        ir_sextract(r->ctx, type, out_any(r, type), a, pos, len);
        break;
    case 5:
        ir_deposit(r->ctx, type, out_any(r, type), a, b, pos, len);
        break;
    case 6:
        ir_setcond(r->ctx, type, (IrCond)rnd(r, COND_COUNT), out64(r), a, b);
        break;
    case 7: {
        TempId c = in_any(r, type), d = in_any(r, type);
        ir_movcond(r->ctx, type, (IrCond)rnd(r, COND_COUNT), out_any(r, type), a, b, c,
                   d);
        break;
    }
    default:
        ir_op2(r->ctx, (IrOpcode)two[rnd(r, sizeof(two))], type, out_any(r, type), a, b);
        break;
    }
}

static inline unsigned random_memop(IrRandom *r, unsigned max_size) {
    unsigned memop = rnd(r, max_size + 1) | (rnd(r, 2) ? MO_SIGN : 0);
    if (!rnd(r, 8)) {
        memop |= MO_BE;
    }
    return rnd(r, 16) ? memop : memop | MO_ALIGN;
}

static inline void random_guest_op(IrRandom *r) {
    TempId addr = address_temp(r);
    unsigned n = 1 + rnd(r, 4), mmu = rnd(r, 2);
    for (unsigned i = 0; i < n; i++) {
        int32_t disp = (int32_t)rnd(r, 64) * 4 - 64;
        unsigned memop = random_memop(r, MO_64);
        if (rnd(r, 2)) {
            TempId v = in64(r);
            ir_guest_st(r->ctx, IR_I64, v, addr, disp, memop & ~(unsigned)MO_SIGN, mmu);
        } else {
            ir_guest_ld(r->ctx, IR_I64, out64(r), addr, disp, memop, mmu);
        }
    }
    if (addr >= r->ctx->global_count) {
        pool_add(r, &r->wide, addr);
    }
}

static inline void random_atomic(IrRandom *r) {
    TempId addr = address_temp(r), a = in64(r), b = in64(r);
    unsigned memop = (MO_32 + rnd(r, 2)) | (rnd(r, 2) ? MO_SIGN : 0);
    if (rnd(r, 2)) {
        ir_guest_rmw(r->ctx, (IrRmw)rnd(r, RMW_COUNT), out64(r), addr, a, memop, 0);
    } else {
        ir_guest_cas(r->ctx, out64(r), addr, a, b, memop, 0);
    }
}

static inline void random_env_op(IrRandom *r) {
    unsigned memop = rnd(r, 4) | (rnd(r, 2) ? MO_SIGN : 0);
    int64_t at = FIELD_OFFSET + 8 * rnd(r, 4) + (rnd(r, 4) ? 0 : 4 * rnd(r, 2));
    if (rnd(r, 2)) {
        ir_env_ld(r->ctx, IR_I64, out64(r), at, memop);
    } else {
        ir_env_st(r->ctx, in64(r), at, memop & MO_SIZE);
    }
}

static inline void random_call(IrRandom *r) {
    TempId args[4] = {in64(r), in64(r)};
    const HelperInfo *helper = test_helpers[rnd(r, 4)];
    ir_call(r->ctx, helper, out64(r), args);
}

static inline void random_float_op(IrRandom *r) {
    IrType type = rnd(r, 2) ? IR_F64 : IR_F32;
    TempId a = in_f(r, type), b = in_f(r, type);
    unsigned rm = rnd(r, 5) == 4 ? FP_MODE_DYN : rnd(r, 5);
    switch (rnd(r, 8)) {
    case 0:
        a = type == IR_F64 ? in64(r) : in32(r);
        ir_op1(r->ctx, IR_fmov_i2f, type, out_f(r, type), a);
        break;
    case 1:
        ir_op1(r->ctx, IR_fmov_f2i, type, type == IR_F64 ? out64(r) : out32(r), a);
        break;
    case 2:
        a = in_f(r, IR_F32);
        ir_op1(r->ctx, IR_fbox, IR_F64, out_f(r, IR_F64), a);
        break;
    case 3:
        a = in_f(r, IR_F64);
        ir_op1(r->ctx, IR_funbox, IR_F32, out_f(r, IR_F32), a);
        break;
    case 4:
        ir_op1(r->ctx, IR_mov, type, out_f(r, type), a);
        break;
    case 5:
        ir_emit(r->ctx, IR_fcmp, type);
        {
            IrOp *op = &r->ctx->ops[r->ctx->op_count - 1];
            op->cond = (uint8_t)rnd(r, FCOND_COUNT);
            op->in[0] = a;
            op->in[1] = b;
            op->out = out64(r);
        }
        break;
    default: {
        static const uint8_t ops[] = {IR_fadd, IR_fsub, IR_fmul, IR_fdiv};
        ir_fp2(r->ctx, (IrOpcode)ops[rnd(r, 4)], type, rm, out_f(r, type), a, b);
        break;
    }
    }
}

static inline void forget_locals(IrRandom *r) {
    r->wide.count = r->dirty.count = r->narrow.count = r->f64.count = r->f32.count = 0;
}

static inline void random_branch(IrRandom *r) {
    IrType type = int_type(r);
    TempId a = in_any(r, type), b = in_any(r, type);
    if (r->labels_open < 4) {
        r->label[r->labels_open] = ir_label_new(r->ctx);
        ir_brcond(r->ctx, type, (IrCond)rnd(r, COND_COUNT), a, b,
                  r->label[r->labels_open++]);
    }
}

static inline void close_label(IrRandom *r) {
    if (r->labels_open) {
        ir_label(r->ctx, r->label[--r->labels_open]);
        forget_locals(r);
    }
}

static inline void next_insn(IrRandom *r) {
    ir_insn_start(r->ctx, r->pc);
    r->pc += 4;
}

static inline void random_op(IrRandom *r) {
    switch (rnd(r, 24)) {
    case 0:
    case 1:
    case 2:
        random_guest_op(r);
        break;
    case 3:
    case 4:
        random_env_op(r);
        break;
    case 5:
        random_call(r);
        break;
    case 6:
        random_branch(r);
        break;
    case 7:
        close_label(r);
        break;
    case 8:
        random_atomic(r);
        break;
    case 9:
    case 10:
        if (r->floats) {
            random_float_op(r);
            break;
        }
        /* fall through */
    default:
        random_int_op(r);
        break;
    }
}

static inline void random_ops(IrRandom *r, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        next_insn(r);
        for (unsigned n = 1 + rnd(r, 3); n; n--) {
            random_op(r);
        }
    }
}

static inline void random_begin(IrRandom *r, IrContext *ctx, uint64_t seed) {
    memset(r, 0, sizeof(*r));
    r->state = seed;
    r->ctx = ctx;
    r->pc = BLOCK_PC;
    ir_block_begin(ctx);
}

/* Writes what is live to globals, so that nothing computed is lost, and ends. */
static inline void random_end(IrRandom *r) {
    while (r->labels_open) {
        close_label(r);
    }
    next_insn(r);
    switch (rnd(r, 4)) {
    case 0:
        ir_goto_pc(r->ctx, 0x7000);
        break;
    case 1:
        ir_goto_ptr(r->ctx, in64(r));
        break;
    case 2:
        ir_env_st(r->ctx, ir_const_i64(r->ctx, r->pc), offsetof(TestEnv, pc), MO_64);
        ir_exit_tb(r->ctx, TB_EXIT_STATE);
        break;
    default:
        ir_goto_tb(r->ctx, 0, r->pc);
        break;
    }
}

/* Registers and fields with values that matter. */
static inline void random_registers(IrRandom *r, IrMachine *m) {
    for (unsigned i = 0; i < REG_COUNT; i++) {
        m->cpu->env.r[i] = rnd(r, 3) ? rnd_value(r) : rnd_address(r);
    }
    for (unsigned i = 0; i < FREG_COUNT; i++) {
        m->cpu->env.f[i] =
            rnd(r, 3) ? rnd_value(r) : UINT64_C(0xffffffff00000000) | rnd64(r) >> 32;
    }
    for (unsigned i = 0; i < NARROW_COUNT; i++) {
        m->cpu->env.w[i] = (uint32_t)rnd_value(r);
        m->cpu->env.s[i] = (uint32_t)rnd_value(r);
    }
    for (unsigned i = 0; i < FIELD_BYTES; i += 8) {
        uint64_t v = rnd_value(r);
        memcpy(m->cpu->env.field + i, &v, 8);
    }
    m->backend->fp_set_round(&m->cpu->tcg.fp, rnd(r, 4));
    m->backend->fp_set_flags(&m->cpu->tcg.fp, 0);
}

/* --- running ------------------------------------------------------------------ */

/* All that a block can have done. */
typedef struct Outcome {
    TestEnv env;
    uint8_t ram[RAM_SIZE + PAGE_SIZE];
    uint64_t io_loads;
    unsigned io_stores, faults, flags;
    vaddr io_addr[IO_LOG_SIZE];
    uint64_t io_value[IO_LOG_SIZE];
    uintptr_t exit; /* a TbExit; the TB is taken out */
} Outcome;

/* Runs the block in ctx on m, from registers that `seed` chooses. */
static inline void random_run(IrMachine *m, IrContext *ctx, uint64_t seed, Outcome *out) {
    IrRandom r = {.state = ~seed};
    machine_reset(m);
    random_registers(&r, m);
    machine_translate(m, ctx, &m->tb);
    machine_run(m);
    memset(out, 0, sizeof(*out));
    out->env = m->cpu->env;
    memcpy(out->ram, m->ram, sizeof(out->ram));
    out->io_loads = m->io_loads;
    out->io_stores = m->io_stores;
    out->faults = m->faults;
    out->flags = m->backend->fp_get_flags(&m->cpu->tcg.fp);
    for (unsigned i = 0; i < IO_LOG_SIZE; i++) {
        out->io_addr[i] = m->io_log[i].addr;
        out->io_value[i] = m->io_log[i].value;
    }
    out->exit = m->exit & TB_EXIT_MASK;
}

static inline void outcome_print_difference(const Outcome *a, const Outcome *b) {
    for (unsigned i = 0; i < sizeof(TestEnv) / 8; i++) {
        uint64_t x, y;
        memcpy(&x, (const char *)&a->env + 8 * i, 8);
        memcpy(&y, (const char *)&b->env + 8 * i, 8);
        if (x != y) {
            fprintf(stderr, "env word %u: %llx, now %llx\n", i, (unsigned long long)x,
                    (unsigned long long)y);
        }
    }
    for (unsigned i = 0; i < sizeof(a->ram); i++) {
        if (a->ram[i] != b->ram[i]) {
            fprintf(stderr, "ram byte %#x: %02x, now %02x\n", i, a->ram[i], b->ram[i]);
        }
    }
    fprintf(
        stderr,
        "exit %u, now %u; faults %u, now %u; flags %#x, now %#x; io stores %u, now %u\n",
        (unsigned)a->exit, (unsigned)b->exit, a->faults, b->faults, a->flags, b->flags,
        a->io_stores, b->io_stores);
}

static inline uint64_t test_seed(void) {
    const char *text = getenv("VITRINE_SEED");
    return text ? strtoull(text, NULL, 0) : 20240607;
}

#endif
