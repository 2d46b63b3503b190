/* SPDX-License-Identifier: MIT */
/*
 * What the result of an integer op is known to be: bits that are certain, and how many of
 * the top bits are equal.
 *
 *   a & 0xff     bits 63:8 are 0                a << 4       bits 3:0 are 0
 *   load s32     bits 63:31 are equal           a cond b     bits 63:1 are 0
 */
#include "tcg/eval.h"
#include "tcg/optimize.h"

static unsigned min_u(unsigned a, unsigned b) {
    return a < b ? a : b;
}

static unsigned max_u(unsigned a, unsigned b) {
    return a > b ? a : b;
}

/* Length of the run of known and equal bits from `top` (63 or 31) down; 1 if none is
 * known. */
static unsigned known_run(uint64_t known, uint64_t value, unsigned top) {
    uint64_t sign = 0 - (value >> top & 1);
    uint64_t other = (~known | (value ^ sign)) << (63 - top);
    unsigned run = other == 0 ? 64 : (unsigned)__builtin_clzll(other);
    return max_u(1, min_u(run, top + 1));
}

unsigned opt_sign_bits(IrOptimizer *o, TempId t, IrType type) {
    const Fact *f = opt_fact(o, t);
    if (type == IR_I32) {
        unsigned of_64 = f->sign > 32 ? f->sign - 32u : 1;
        return max_u(of_64, known_run(f->known, f->value, 31));
    }
    return max_u(f->sign, known_run(f->known, f->value, 63));
}

static void set(Fact *f, uint64_t known, uint64_t value) {
    f->known = known;
    f->value = value & known;
}

static void bits_logic(Fact *f, IrOpcode opcode, const Fact *a, const Fact *b) {
    uint64_t vb = b->value;
    if (opcode == IR_andc || opcode == IR_orc || opcode == IR_eqv) {
        vb = ~vb & b->known;
    }
    uint64_t both = a->known & b->known;
    f->sign = (uint8_t)min_u(a->sign, b->sign);
    if (opcode == IR_and || opcode == IR_andc) {
        set(f, both | (a->known & ~a->value) | (b->known & ~vb), a->value & vb);
    } else if (opcode == IR_or || opcode == IR_orc) {
        set(f, both | a->value | vb, a->value | vb);
    } else {
        set(f, both, a->value ^ vb);
    }
}

static void bits_shift(Fact *f, const IrOp *op, const Fact *a, uint64_t n) {
    bool wide = op->type == IR_I64;
    unsigned w = wide ? 64 : 32;
    n &= w - 1;
    if (op->opcode == IR_shl) {
        set(f, a->known << n | (((uint64_t)1 << n) - 1), a->value << n);
        f->sign = (uint8_t)(a->sign > n ? a->sign - n : 1);
    } else if (op->opcode == IR_shr) {
        uint64_t mask = opt_width_mask((IrType)op->type);
        set(f, (a->known & mask) >> n | ~(mask >> n), (a->value & mask) >> n);
        f->sign = n ? (uint8_t)n : a->sign;
    } else if (op->opcode == IR_sar && wide) {
        set(f, (uint64_t)((int64_t)a->known >> n), (uint64_t)((int64_t)a->value >> n));
        f->sign = (uint8_t)min_u(64, a->sign + (unsigned)n);
    }
}

/* The low `bits` of a >> pos, extended. */
static void bits_extend(Fact *f, const Fact *a, unsigned pos, unsigned bits,
                        bool is_signed) {
    uint64_t known = a->known >> pos, value = a->value >> pos;
    if (is_signed) {
        set(f, eval_sext(known, bits), eval_sext(value, bits));
        unsigned of_field = a->sign + pos > 64 - bits ? a->sign + pos - (64 - bits) : 1;
        f->sign = (uint8_t)(64 - bits + min_u(of_field, bits));
        if (pos) {
            f->sign = (uint8_t)(64 - bits + 1);
        }
    } else {
        set(f, eval_zext(known, bits) | ~eval_zext(UINT64_MAX, bits),
            eval_zext(value, bits));
    }
}

static void bits_load(Fact *f, unsigned memop) {
    unsigned bits = 8 * MO_BYTES(memop);
    if (memop & MO_SIGN) {
        f->sign = (uint8_t)(64 - bits + 1);
    } else {
        set(f, ~eval_zext(UINT64_MAX, bits), 0);
    }
}

static void bits_deposit(Fact *f, const IrOp *op, const Fact *a, const Fact *b) {
    unsigned pos = ir_field_pos(op->imm);
    uint64_t mask = eval_zext(UINT64_MAX, ir_field_len(op->imm)) << pos;
    set(f, (a->known & ~mask) | (b->known << pos & mask),
        (a->value & ~mask) | (b->value << pos & mask));
}

static void result_bits(IrOptimizer *o, const IrOp *op, Fact *f) {
    const Fact *a = op->in[0] != TEMP_NONE ? opt_fact(o, op->in[0]) : NULL;
    const Fact *b = op->in[1] != TEMP_NONE ? opt_fact(o, op->in[1]) : NULL;
    uint64_t c;
    switch (op->opcode) {
    case IR_ext_s8:
    case IR_ext_u8:
        bits_extend(f, a, 0, 8, op->opcode == IR_ext_s8);
        break;
    case IR_ext_s16:
    case IR_ext_u16:
        bits_extend(f, a, 0, 16, op->opcode == IR_ext_s16);
        break;
    case IR_ext_s32:
    case IR_ext_u32:
        bits_extend(f, a, 0, 32, op->opcode == IR_ext_s32);
        break;
    case IR_extract:
    case IR_sextract:
        bits_extend(f, a, ir_field_pos(op->imm), ir_field_len(op->imm),
                    op->opcode == IR_sextract);
        break;
    case IR_deposit:
        bits_deposit(f, op, a, b);
        break;
    case IR_and:
    case IR_or:
    case IR_xor:
    case IR_andc:
    case IR_orc:
    case IR_eqv:
        bits_logic(f, (IrOpcode)op->opcode, a, b);
        break;
    case IR_shl:
    case IR_shr:
    case IR_sar:
        if (opt_const(o, op->in[1], (IrType)op->type, &c)) {
            bits_shift(f, op, a, c);
        }
        break;
    case IR_add:
    case IR_sub:
        f->sign = (uint8_t)max_u(1, min_u(a->sign, b->sign) - 1u);
        break;
    case IR_rotr_s32:
        f->sign = 33;
        break;
    case IR_setcond:
        set(f, ~UINT64_C(1), 0);
        break;
    case IR_movcond: {
        const Fact *x = opt_fact(o, op->in[2]), *y = opt_fact(o, op->in[3]);
        set(f, x->known & y->known & ~(x->value ^ y->value), x->value);
        f->sign = (uint8_t)min_u(x->sign, y->sign);
        break;
    }
    case IR_clz:
    case IR_ctz:
    case IR_popcnt:
        set(f, ~UINT64_C(0x7f), 0);
        break;
    case IR_env_ld:
    case IR_guest_ld:
    case IR_guest_ld_at:
        if (op->type == IR_I64 || op->type == IR_I32) {
            bits_load(f, op->aux);
        }
        break;
    default: /* nothing is known: f says so already */
        break;
    }
}

void opt_result_bits(IrOptimizer *o, const IrOp *op, Fact *f) {
    result_bits(o, op, f);
    bool defines_all = op->type == IR_I64 || op->opcode == IR_setcond;
    if (!defines_all || o->ctx->temps[op->out].type != IR_I64) {
        f->known &= UINT32_MAX;
        f->value &= UINT32_MAX;
        f->sign = 1;
    }
}
