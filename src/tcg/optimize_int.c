/* SPDX-License-Identifier: MIT */
/*
 * The optimizer's rules for integers, conditions and float moves: each is a law of
 * algebra, named as in rules.def. Within a law, k and c are constants; "x" is any temp.
 *
 *   op, Facts of its inputs --> does the law hold? --no--> false: the next law is tried
 *                                                  --yes-> op becomes the simpler one, true
 */
#include "tcg/eval.h"
#include "tcg/optimize.h"

/* --- all inputs known ------------------------------------------------------------- */

/* The op itself, computed now. The only place where an opcode is not known when this is
 * compiled. */
static uint64_t eval1(const IrOp *op, uint64_t a) {
    return eval_unary((IrOpcode)op->opcode, op->type == IR_I64, a, op->imm);
}

static uint64_t eval2(const IrOp *op, uint64_t a, uint64_t b) {
    return eval_binary((IrOpcode)op->opcode, op->type == IR_I64, a, b, op->imm);
}

static bool fold1(IrOptimizer *o, IrOp *op) {
    uint64_t a;
    IrType type = (IrType)o->ctx->temps[op->in[0]]
                      .type; /* of an i32 in an i64 ext_*: 32 bits will do */
    if (!opt_const(o, op->in[0], op->type == IR_I32 ? IR_I32 : type, &a)) {
        return false;
    }
    return opt_to_const(o, op, eval1(op, a), RULE_fold_constants);
}

/* --- extensions ------------------------------------------------------------------- */

static bool ext_is_signed(IrOpcode opcode) {
    return opcode == IR_ext_s8 || opcode == IR_ext_s16 || opcode == IR_ext_s32;
}

/* Bits that an extension reads; 0: not an extension. */
static unsigned ext_bits(IrOpcode opcode) {
    switch (opcode) {
    case IR_ext_s8:
    case IR_ext_u8:
        return 8;
    case IR_ext_s16:
    case IR_ext_u16:
        return 16;
    case IR_ext_s32:
    case IR_ext_u32:
        return 32;
    default:
        return 0;
    }
}

/* May `t` be copied by a mov of op's type? */
static bool can_mov(const IrOptimizer *o, const IrOp *op, TempId t) {
    unsigned type = o->ctx->temps[t].type;
    return type == op->type || (op->type == IR_I32 && type == IR_I64);
}

/* ext x = x, when x's upper bits are known to be so. */
static bool ext_known(IrOptimizer *o, IrOp *op) {
    unsigned bits = ext_bits((IrOpcode)op->opcode), w = op->type == IR_I64 ? 64 : 32;
    TempId x = op->in[0];
    if (!can_mov(o, op, x)) {
        return false;
    }
    const Fact *f = opt_fact(o, x);
    uint64_t upper = opt_width_mask((IrType)op->type) & ~eval_zext(UINT64_MAX, bits);
    bool same = bits == w || (ext_is_signed((IrOpcode)op->opcode)
                                  ? opt_sign_bits(o, x, (IrType)op->type) > w - bits
                                  : (f->known & ~f->value & upper) == upper);
    return same && opt_to_mov(o, op, x, RULE_extended_already);
}

/* Does `source` leave the low `bits` of its input as they are? */
static bool keeps_low_bits(IrOptimizer *o, const IrOp *source, unsigned bits) {
    uint64_t mask;
    if (source->opcode ==
        IR_mov) { /* of whole temps: that is copy propagation's business */
        return source->type == IR_I32 && o->ctx->temps[source->out].type == IR_I64;
    }
    if (source->opcode == IR_and) {
        return opt_const(o, source->in[1], (IrType)source->type, &mask) &&
               (~mask & eval_zext(UINT64_MAX, bits)) == 0;
    }
    return ext_bits((IrOpcode)source->opcode) >= bits;
}

/* ext (g x) = ext x, when g only changes bits that ext does not read. */
static bool ext_source(IrOptimizer *o, IrOp *op) {
    IrOp *source = opt_source(o, op, op->in[0]);
    if (!source || !keeps_low_bits(o, source, ext_bits((IrOpcode)op->opcode))) {
        return false;
    }
    op->in[0] = source->in[0];
    opt_absorb(o, op, source, RULE_low_bits);
    return opt_mark(op, RULE_low_bits);
}

/* A 32-bit right shift, extended: the field of 32 - n bits at n. Of x that is an extended
 * word anyway, the signed one is the 64-bit shift. */
static bool ext_word_shift(IrOptimizer *o, IrOp *op) {
    IrOp *source;
    uint64_t n;
    if (op->type != IR_I64 || ext_bits((IrOpcode)op->opcode) != 32 ||
        !(source = opt_source(o, op, op->in[0])) || source->type != IR_I32 ||
        (source->opcode != IR_shr && source->opcode != IR_sar) ||
        o->ctx->temps[source->in[0]].type != IR_I64 ||
        !opt_const(o, source->in[1], IR_I32, &n) || (n &= 31) == 0) {
        return false;
    }
    bool is_signed = source->opcode == IR_sar;
    if (is_signed && op->opcode != IR_ext_s32) {
        return false;
    }
    opt_to_op1(op, is_signed ? IR_sextract : IR_extract, source->in[0],
               ir_field((unsigned)n, 32 - (unsigned)n), RULE_word_shift);
    opt_absorb(o, op, source, RULE_word_shift);
    return true;
}

bool opt_rules_ext(IrOptimizer *o, IrOp *op) {
    return fold1(o, op) || ext_known(o, op) || ext_source(o, op) || ext_word_shift(o, op);
}

/* --- one input -------------------------------------------------------------------- */

/* A field that starts at bit 0 and ends where an extension does, or is everything. */
static bool extract_is_ext(IrOptimizer *o, IrOp *op) {
    bool is_signed = op->opcode == IR_sextract;
    if (ir_field_pos(op->imm) != 0) {
        return false;
    }
    switch (ir_field_len(op->imm)) {
    case 8:
        return opt_to_op1(op, is_signed ? IR_ext_s8 : IR_ext_u8, op->in[0], 0,
                          RULE_field_is_ext);
    case 16:
        return opt_to_op1(op, is_signed ? IR_ext_s16 : IR_ext_u16, op->in[0], 0,
                          RULE_field_is_ext);
    case 32:
        return opt_to_op1(op, is_signed ? IR_ext_s32 : IR_ext_u32, op->in[0], 0,
                          RULE_field_is_ext);
    case 64:
        return opt_to_mov(o, op, op->in[0], RULE_field_is_ext);
    default:
        return false;
    }
}

/* A field whose upper neighbours are as the extension makes them, up to the top: a right
 * shift. */
static bool extract_is_shift(IrOptimizer *o, IrOp *op) {
    unsigned pos = ir_field_pos(op->imm), end = pos + ir_field_len(op->imm);
    unsigned w = op->type == IR_I64 ? 64 : 32;
    const Fact *x = opt_fact(o, op->in[0]);
    uint64_t upper = end == w ? 0 : opt_width_mask((IrType)op->type) << end;
    upper &= opt_width_mask((IrType)op->type);
    if (op->opcode == IR_extract
            ? (x->known & ~x->value & upper) != upper
            : opt_sign_bits(o, op->in[0], (IrType)op->type) + end <= w) {
        return false;
    }
    return opt_to_op2i(o, op, op->opcode == IR_extract ? IR_shr : IR_sar, pos,
                       RULE_field_is_shift);
}

bool opt_rules_unary(IrOptimizer *o, IrOp *op) {
    if (fold1(o, op)) {
        return true;
    }
    if (op->opcode == IR_extract || op->opcode == IR_sextract) {
        return extract_is_ext(o, op) || extract_is_shift(o, op);
    }
    return false;
}

/* --- two inputs, the second constant: x op k -------------------------------------- */

/* x + 0 = x - 0 = x | 0 = x ^ 0 = x & ~0 = x << 0 = ... = x * 1 = x / 1 = x & -1 = x |
 * ~-1 = x */
static bool identity(IrOptimizer *o, IrOp *op, uint64_t k) {
    uint64_t ones = opt_width_mask((IrType)op->type);
    bool same = false;
    switch (op->opcode) {
    case IR_add:
    case IR_sub:
    case IR_or:
    case IR_xor:
    case IR_andc:
        same = k == 0;
        break;
    case IR_shl:
    case IR_shr:
    case IR_sar:
    case IR_rotl:
    case IR_rotr:
        same = (k & (op->type == IR_I64 ? 63 : 31)) == 0;
        break;
    case IR_mul:
    case IR_divs:
    case IR_divu:
        same = k == 1;
        break;
    case IR_and:
    case IR_orc:
    case IR_eqv:
        same = k == ones;
        break;
    case IR_rems:
    case IR_remu:
        same = k == 0;
        break;
    default:
        break;
    }
    return same && opt_to_mov(o, op, op->in[0], RULE_identity);
}

/* x & 0 = x * 0 = x % 1 = 0; x | -1 = x / 0 = -1 */
static bool absorb(IrOptimizer *o, IrOp *op, uint64_t k) {
    uint64_t ones = opt_width_mask((IrType)op->type);
    switch (op->opcode) {
    case IR_and:
    case IR_mul:
    case IR_mulhs:
    case IR_mulhu:
    case IR_mulhsu:
        return k == 0 && opt_to_const(o, op, 0, RULE_absorb);
    case IR_andc:
        return k == ones && opt_to_const(o, op, 0, RULE_absorb);
    case IR_rems:
    case IR_remu:
        return k == 1 && opt_to_const(o, op, 0, RULE_absorb);
    case IR_or:
        return k == ones && opt_to_const(o, op, ones, RULE_absorb);
    case IR_orc:
    case IR_divs:
    case IR_divu:
        return k == 0 && opt_to_const(o, op, ones, RULE_absorb);
    default:
        return false;
    }
}

/* x - k = x + -k; x & ~k, x | ~k and ~(x ^ k) = x ^ ~k: one op less for the rules below.
 */
static bool complement(IrOptimizer *o, IrOp *op, uint64_t k) {
    switch (op->opcode) {
    case IR_sub:
        return opt_to_op2i(o, op, IR_add, 0 - k, RULE_complement);
    case IR_andc:
        return opt_to_op2i(o, op, IR_and, ~k, RULE_complement);
    case IR_orc:
        return opt_to_op2i(o, op, IR_or, ~k, RULE_complement);
    case IR_eqv:
        return opt_to_op2i(o, op, IR_xor, ~k, RULE_complement);
    default:
        return false;
    }
}

/* x * 2^n = x << n; unsigned x / 2^n = x >> n; x % 2^n = x & (2^n - 1); high(x * 2^n) = x
 * >> (W - n) */
static bool power_of_two(IrOptimizer *o, IrOp *op, uint64_t k) {
    if (k < 2 || (k & (k - 1)) != 0) {
        return false;
    }
    unsigned n = (unsigned)__builtin_ctzll(k), w = op->type == IR_I64 ? 64 : 32;
    switch (op->opcode) {
    case IR_mul:
        return opt_to_op2i(o, op, IR_shl, n, RULE_power_of_two);
    case IR_divu:
        return opt_to_op2i(o, op, IR_shr, n, RULE_power_of_two);
    case IR_remu:
        return opt_to_op2i(o, op, IR_and, k - 1, RULE_power_of_two);
    case IR_mulhu:
        return opt_to_op2i(o, op, IR_shr, w - n, RULE_power_of_two);
    default:
        return false;
    }
}

/* x & k, when k only clears bits that are 0 already; x | k, when they are 1 already. */
static bool mask_known(IrOptimizer *o, IrOp *op, uint64_t k) {
    const Fact *x = opt_fact(o, op->in[0]);
    uint64_t ones = opt_width_mask((IrType)op->type);
    bool same = (op->opcode == IR_and && (~k & ones & ~(x->known & ~x->value)) == 0) ||
                (op->opcode == IR_or && (k & ~x->value) == 0);
    return same && opt_to_mov(o, op, op->in[0], RULE_mask_known);
}

/* x & 0xff = ext_u8 x, and so on. */
static bool mask_is_ext(IrOp *op, uint64_t k) {
    if (op->opcode != IR_and) {
        return false;
    }
    if (k == UINT8_MAX) {
        return opt_to_op1(op, IR_ext_u8, op->in[0], 0, RULE_mask_is_ext);
    }
    if (k == UINT16_MAX) {
        return opt_to_op1(op, IR_ext_u16, op->in[0], 0, RULE_mask_is_ext);
    }
    return k == UINT32_MAX && op->type == IR_I64 &&
           opt_to_op1(op, IR_ext_u32, op->in[0], 0, RULE_mask_is_ext);
}

/* x = y + c; x + k = y + (c + k) */
static bool add_chain(IrOptimizer *o, IrOp *op, uint64_t k) {
    const Fact *x = opt_fact(o, op->in[0]);
    unsigned type = op->type;
    if (op->opcode != IR_add || !opt_base_valid(o, x) ||
        o->ctx->temps[op->in[0]].type != type || !opt_prefer(o, x->base, op->in[0]) ||
        x->base == op->in[0]) {
        return false;
    }
    op->in[0] = x->base;
    return opt_to_op2i(o, op, IR_add, k + (uint64_t)x->addend, RULE_add_chain);
}

/* (x << c) >> k, k >= c: the field of W - k bits at k - c. */
static bool shift_pair(IrOptimizer *o, IrOp *op, uint64_t k) {
    unsigned w = op->type == IR_I64 ? 64 : 32;
    IrOp *source;
    uint64_t c;
    if ((op->opcode != IR_shr && op->opcode != IR_sar) ||
        !(source = opt_source(o, op, op->in[0])) || source->opcode != IR_shl ||
        source->type != op->type || !opt_const(o, source->in[1], (IrType)op->type, &c)) {
        return false;
    }
    k &= w - 1;
    c &= w - 1;
    if (k < c) {
        return false;
    }
    opt_to_op1(op, op->opcode == IR_sar ? IR_sextract : IR_extract, source->in[0],
               ir_field((unsigned)(k - c), (unsigned)(w - k)), RULE_shift_pair);
    opt_absorb(o, op, source, RULE_shift_pair);
    return true;
}

static bool binary_const(IrOptimizer *o, IrOp *op, uint64_t k) {
    uint64_t a;
    if (opt_const(o, op->in[0], (IrType)op->type, &a)) {
        return opt_to_const(o, op, eval2(op, a, k), RULE_fold_constants);
    }
    if (op->opcode == IR_deposit) {
        return false;
    }
    return identity(o, op, k) || absorb(o, op, k) || complement(o, op, k) ||
           power_of_two(o, op, k) || mask_known(o, op, k) || mask_is_ext(op, k) ||
           add_chain(o, op, k) || shift_pair(o, op, k);
}

/* --- two inputs ------------------------------------------------------------------- */

/* Is the next op the one that extends op's result to the same guest register that t is?
 * Then t's old value is not needed any more. */
static bool is_word_chain(const IrOptimizer *o, const IrOp *op, TempId t) {
    const IrOp *next = op + 1;
    return o->index + 1 < o->ctx->op_count && next->out == t && next->in[0] == op->out &&
           ext_bits((IrOpcode)next->opcode) == 32 && !next->removed;
}

/* i32 ops do not see what an extension made of the upper half. Only where the extended
 * value is about to be overwritten, else two temps would live where one did. */
static bool word_chain(IrOptimizer *o, IrOp *op) {
    for (unsigned i = 0; i < 2; i++) {
        IrOp *source = op->in[i] != op->out ? opt_source(o, op, op->in[i]) : NULL;
        if (source && ext_bits((IrOpcode)source->opcode) == 32 &&
            (opt_is_local(o, op->in[i]) || is_word_chain(o, op, op->in[i]))) {
            op->in[i] = source->in[0];
            return opt_mark(op, RULE_low_bits);
        }
    }
    return false;
}

/* x - x = x ^ x = x & ~x = 0; x & x = x | x = x; x | ~x = ~(x ^ x) = -1 */
static bool same_operands(IrOptimizer *o, IrOp *op) {
    switch (op->opcode) {
    case IR_sub:
    case IR_xor:
    case IR_andc:
        return opt_to_const(o, op, 0, RULE_same_operands);
    case IR_and:
    case IR_or:
        return opt_to_mov(o, op, op->in[0], RULE_same_operands);
    case IR_orc:
    case IR_eqv:
        return opt_to_const(o, op, UINT64_MAX, RULE_same_operands);
    default:
        return false;
    }
}

/* k op x, where order does not matter: x op k. */
static bool commute(IrOptimizer *o, IrOp *op) {
    uint64_t a;
    if (!(ir_op_defs[op->opcode].flags & OPF_COMMUTES) ||
        !opt_const(o, op->in[0], (IrType)op->type, &a)) {
        return false;
    }
    TempId t = op->in[0];
    op->in[0] = op->in[1];
    op->in[1] = t;
    return opt_mark(op, RULE_commute);
}

/* 0 << x = 0 >> x = 0 / x... = 0, for the ops whose first input rules alone. */
static bool zero_first(IrOptimizer *o, IrOp *op) {
    switch (op->opcode) {
    case IR_shl:
    case IR_shr:
    case IR_sar:
    case IR_rotl:
    case IR_rotr:
    case IR_rems:
    case IR_remu:
    case IR_andc:
        return opt_is_const(o, op->in[0], (IrType)op->type, 0) &&
               opt_to_const(o, op, 0, RULE_absorb);
    default:
        return false;
    }
}

/* A shift by a known count that leaves something, as a part of an `or`: of x, by n. Word: of x's low
 * half, to the right without sign, to the left with the sign of the result. */
typedef struct ShiftPart {
    TempId x;
    unsigned n;
    bool left, word;
} ShiftPart;

static bool shift_part(IrOptimizer *o, const IrOp *op, TempId t, ShiftPart *part) {
    const IrOp *source = opt_source(o, op, t);
    uint64_t n;
    if (source && source->opcode == IR_extract && source->type == IR_I64 &&
        ir_field_pos(source->imm) + ir_field_len(source->imm) == 32) {
        *part = (ShiftPart){source->in[0], ir_field_pos(source->imm), false, true};
        return part->n && part->x != t;
    }
    bool word = source && source->opcode == IR_ext_s32;
    if (word) {
        source = opt_source(o, op, source->in[0]);
    }
    if (!source || (source->opcode != IR_shl && (source->opcode != IR_shr || word)) ||
        source->type != (word ? IR_I32 : IR_I64) || source->in[0] == t ||
        o->ctx->temps[source->in[0]].type != IR_I64 ||
        !opt_const(o, source->in[1], (IrType)source->type, &n)) {
        return false;
    }
    *part = (ShiftPart){source->in[0], (unsigned)n & (word ? 31 : 63),
                        source->opcode == IR_shl, word};
    return part->n != 0;
}

/* x >> n | x << (w - n) is x rotated right by n. */
static bool rotate(IrOptimizer *o, IrOp *op) {
    ShiftPart a, b;
    if (op->opcode != IR_or || op->type != IR_I64 || !shift_part(o, op, op->in[0], &a) ||
        !shift_part(o, op, op->in[1], &b) || a.x != b.x || a.word != b.word ||
        a.left == b.left || a.n + b.n != (a.word ? 32 : 64)) {
        return false;
    }
    unsigned n = a.left ? b.n : a.n;
    if (a.word) {
        return opt_to_op1(op, IR_rotr_s32, a.x, n, RULE_rotate);
    }
    op->in[0] = a.x;
    return opt_to_op2i(o, op, IR_rotr, n, RULE_rotate);
}

bool opt_rules_binary(IrOptimizer *o, IrOp *op) {
    uint64_t k;
    if (op->type == IR_I32 && word_chain(o, op)) {
        return true;
    }
    if (opt_const(o, op->in[1], (IrType)op->type, &k)) {
        return binary_const(o, op, k);
    }
    if (op->in[0] == op->in[1] && op->opcode != IR_deposit) {
        return same_operands(o, op);
    }
    return commute(o, op) || zero_first(o, op) || rotate(o, op);
}

/* --- conditions ------------------------------------------------------------------- */

/* k c x = x c' k */
static bool cond_commute(IrOptimizer *o, IrOp *op) {
    uint64_t k, other;
    if (!opt_const(o, op->in[0], (IrType)op->type, &k) ||
        opt_const(o, op->in[1], (IrType)op->type, &other)) {
        return false;
    }
    TempId t = op->in[0];
    op->in[0] = op->in[1];
    op->in[1] = t;
    op->cond = (uint8_t)ir_cond_swap((IrCond)op->cond);
    return opt_mark(op, RULE_commute);
}

/* Is a c b decided? x c x is; so are two constants, and ranges that known bits keep
 * apart. */
static bool cond_decided(IrOptimizer *o, const IrOp *op, bool *holds) {
    IrType type = (IrType)op->type;
    IrCond cond = (IrCond)op->cond;
    uint64_t mask = opt_width_mask(type);
    const Fact *a = opt_fact(o, op->in[0]), *b = opt_fact(o, op->in[1]);
    uint64_t a_min = a->value & mask, a_max = (a->value | ~a->known) & mask;
    uint64_t b_min = b->value & mask, b_max = (b->value | ~b->known) & mask;
    if (op->in[0] == op->in[1]) {
        *holds = ir_cond_eval(cond, type, 0, 0);
        return true;
    }
    if (a_min == a_max && b_min == b_max) {
        *holds = ir_cond_eval(cond, type, a_min, b_min);
        return true;
    }
    if ((a->known & b->known & (a->value ^ b->value) & mask) &&
        (cond == COND_EQ || cond == COND_NE)) {
        *holds = cond == COND_NE;
        return true;
    }
    if ((cond == COND_LTU || cond == COND_GEU) && (a_max < b_min || a_min >= b_max)) {
        *holds = (a_max < b_min) == (cond == COND_LTU);
        return true;
    }
    return false;
}

static bool is_zero_test(IrOptimizer *o, const IrOp *op) {
    return (op->cond == COND_EQ || op->cond == COND_NE) &&
           opt_is_const(o, op->in[1], (IrType)op->type, 0);
}

/* (a c b) != 0 is a c b; (a c b) == 0 is its inverse. op keeps its own out, label,
 * values. */
static bool cond_fuse(IrOptimizer *o, IrOp *op) {
    IrOp *source;
    if (!is_zero_test(o, op) || !(source = opt_source(o, op, op->in[0])) ||
        source->opcode != IR_setcond || op->in[2] == op->in[0] ||
        op->in[3] == op->in[0]) {
        return false;
    }
    /* movcond compares and moves in one type */
    if (op->opcode == IR_movcond && source->type != op->type) {
        return false;
    }
    IrCond cond = (IrCond)source->cond;
    op->cond = (uint8_t)(op->cond == COND_NE ? cond : ir_cond_invert(cond));
    op->type = source->type;
    op->in[0] = source->in[0];
    op->in[1] = source->in[1];
    opt_absorb(o, op, source, RULE_cond_fuse);
    return opt_mark(op, RULE_cond_fuse);
}

/* (x ^ y) == 0 and (x - y) == 0 are x == y. */
static bool cond_difference(IrOptimizer *o, IrOp *op) {
    IrOp *source;
    if (!is_zero_test(o, op) || !(source = opt_source(o, op, op->in[0])) ||
        (source->opcode != IR_xor && source->opcode != IR_sub) ||
        source->type != op->type || op->in[2] == op->in[0] || op->in[3] == op->in[0]) {
        return false;
    }
    op->in[0] = source->in[0];
    op->in[1] = source->in[1];
    opt_absorb(o, op, source, RULE_cond_difference);
    return opt_mark(op, RULE_cond_difference);
}

/* Unsigned x < 1 is x == 0; x >= 1 is x != 0: so that the rules above see a test for
 * zero. */
static bool cond_unsigned_one(IrOptimizer *o, IrOp *op) {
    if ((op->cond != COND_LTU && op->cond != COND_GEU) ||
        !opt_is_const(o, op->in[1], (IrType)op->type, 1)) {
        return false;
    }
    op->cond = op->cond == COND_LTU ? COND_EQ : COND_NE;
    op->in[1] = ir_const(o->ctx, (IrType)op->type, 0);
    return opt_mark(op, RULE_cond_unsigned_one);
}

/* 0 < unsigned x is x != 0 */
static bool cond_unsigned_zero(IrOptimizer *o, IrOp *op) {
    if ((op->cond != COND_GTU && op->cond != COND_LEU) ||
        !opt_is_const(o, op->in[1], (IrType)op->type, 0)) {
        return false;
    }
    op->cond = op->cond == COND_GTU ? COND_NE : COND_EQ;
    return opt_mark(op, RULE_cond_unsigned_one);
}

static bool cond_rules(IrOptimizer *o, IrOp *op) {
    return cond_commute(o, op) || cond_unsigned_one(o, op) || cond_unsigned_zero(o, op) ||
           cond_fuse(o, op) || cond_difference(o, op);
}

/* (x != 0), when x can only be 0 or 1, is x; (x == 0) is x ^ 1. */
static bool setcond_bool(IrOptimizer *o, IrOp *op) {
    TempId x = op->in[0];
    const Fact *f = opt_fact(o, x);
    uint64_t upper = opt_width_mask((IrType)op->type) & ~UINT64_C(1);
    unsigned out_type = o->ctx->temps[op->out].type;
    if (!is_zero_test(o, op) || (f->known & ~f->value & upper) != upper ||
        out_type != op->type || o->ctx->temps[x].type != op->type) {
        return false;
    }
    if (op->cond == COND_NE) {
        return opt_to_mov(o, op, x, RULE_setcond_bool);
    }
    op->cond = 0;
    return opt_to_op2i(o, op, IR_xor, 1, RULE_setcond_bool);
}

bool opt_rules_setcond(IrOptimizer *o, IrOp *op) {
    bool holds;
    if (cond_decided(o, op, &holds)) {
        return opt_to_const(o, op, holds, RULE_cond_decided);
    }
    return cond_rules(o, op) || setcond_bool(o, op);
}

bool opt_rules_movcond(IrOptimizer *o, IrOp *op) {
    bool holds;
    if (cond_decided(o, op, &holds)) {
        return opt_to_mov(o, op, op->in[holds ? 2 : 3], RULE_cond_decided);
    }
    if (op->in[2] == op->in[3]) {
        return opt_to_mov(o, op, op->in[2], RULE_same_operands);
    }
    return cond_rules(o, op);
}

bool opt_rules_brcond(IrOptimizer *o, IrOp *op) {
    bool holds;
    if (!cond_decided(o, op, &holds)) {
        return cond_rules(o, op);
    }
    if (!holds) {
        return opt_remove(op, RULE_cond_decided);
    }
    op->opcode = IR_br;
    op->type = IR_I64;
    op->cond = 0;
    op->in[0] = op->in[1] = TEMP_NONE;
    return opt_mark(op, RULE_cond_decided);
}

/* --- float moves ------------------------------------------------------------------ */

static bool is_wide(unsigned type) {
    return type == IR_I64 || type == IR_F64;
}

/* f2i (i2f x) = x, i2f (f2i x) = x, funbox (fbox x) = x */
bool opt_rules_float_move(IrOptimizer *o, IrOp *op) {
    const IrOp *source = opt_source(o, op, op->in[0]);
    if (!source || source->out == op->out) {
        return false;
    }
    bool pair = (op->opcode == IR_fmov_f2i && source->opcode == IR_fmov_i2f) ||
                (op->opcode == IR_fmov_i2f && source->opcode == IR_fmov_f2i) ||
                (op->opcode == IR_funbox && source->opcode == IR_fbox);
    unsigned out_type = o->ctx->temps[op->out].type;
    if (!pair || out_type != o->ctx->temps[source->in[0]].type ||
        (op->opcode != IR_funbox && is_wide(op->type) != is_wide(source->type))) {
        return false;
    }
    op->type = (uint8_t)out_type;
    return opt_to_mov(o, op, source->in[0], RULE_float_round_trip);
}
