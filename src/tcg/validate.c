/* SPDX-License-Identifier: MIT */
/*
 * Checks a block of IR against the rules of ir.h and ops.def, op by op: what a front end
 * or a pass must never produce. For tests, the parser and debugging; translation itself
 * does not call it.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tcg/ir.h"

/*
 * The kinds of temps an op takes: the output, then the inputs.
 *   -  none                                t  of the op's type, integer or float
 *   n  integer of the op's type            i  any integer
 *   l  i64                                 a  i64 (an address)
 *   f  float of the op's type              x  the other float type
 *   s  f32, d  f64
 * Where an i32 is wanted an i64 may stand, but not the other way round.
 */
static const char *const signatures[IR_OPCODE_COUNT] = {
    [IR_mov] = "tt",         [IR_ext_s8] = "ni",       [IR_ext_s16] = "ni",
    [IR_ext_s32] = "ni",     [IR_ext_u8] = "ni",       [IR_ext_u16] = "ni",
    [IR_ext_u32] = "ni",     [IR_add] = "nnn",         [IR_sub] = "nnn",
    [IR_mul] = "nnn",        [IR_mulhs] = "nnn",       [IR_mulhu] = "nnn",
    [IR_mulhsu] = "nnn",     [IR_divs] = "nnn",        [IR_divu] = "nnn",
    [IR_rems] = "nnn",       [IR_remu] = "nnn",        [IR_and] = "nnn",
    [IR_or] = "nnn",         [IR_xor] = "nnn",         [IR_andc] = "nnn",
    [IR_orc] = "nnn",        [IR_eqv] = "nnn",         [IR_shl] = "nnn",
    [IR_shr] = "nnn",        [IR_sar] = "nnn",         [IR_rotl] = "nnn",
    [IR_rotr] = "nnn",       [IR_clz] = "nn",          [IR_ctz] = "nn",
    [IR_popcnt] = "nn",      [IR_bswap] = "nn",        [IR_rotr_s32] = "nn",
    [IR_extract] = "nn",     [IR_sextract] = "nn",     [IR_deposit] = "nnn",
    [IR_setcond] = "inn",    [IR_movcond] = "nnnnn",   [IR_label] = "-",
    [IR_br] = "-",           [IR_brcond] = "-nn",      [IR_env_ld] = "t",
    [IR_env_st] = "-t",      [IR_guest_ld] = "ta",     [IR_guest_st] = "-at",
    [IR_guest_probe] = "la", [IR_guest_ld_at] = "tal", [IR_guest_st_at] = "-atl",
    [IR_guest_rmw] = "nan",  [IR_guest_cas] = "nann",  [IR_fence] = "-",
    [IR_fmov_i2f] = "fi",    [IR_fmov_f2i] = "if",     [IR_fbox] = "ds",
    [IR_funbox] = "sd",      [IR_fadd] = "fff",        [IR_fsub] = "fff",
    [IR_fmul] = "fff",       [IR_fdiv] = "fff",        [IR_fsqrt] = "ff",
    [IR_fmadd] = "ffff",     [IR_fmin] = "fff",        [IR_fmax] = "fff",
    [IR_fcmp] = "iff",       [IR_fcvt_f2i] = "if",     [IR_fcvt_i2f] = "fi",
    [IR_fcvt_f2f] = "fx",    [IR_fp_save] = "-",       [IR_fp_load] = "-",
    [IR_call] = "",          [IR_insn_start] = "-",    [IR_goto_tb] = "-",
    [IR_goto_pc] = "-",      [IR_goto_ptr] = "-a",     [IR_exit_tb] = "-",
};

typedef struct Validator {
    const IrContext *ctx;
    uint8_t written[IR_MAX_TEMPS]; /* locals that hold a value here */
    uint8_t label_seen[IR_MAX_LABELS], label_used[IR_MAX_LABELS];
    uint8_t slot_used[8];
} Validator;

static bool is_int(unsigned type) {
    return type == IR_I32 || type == IR_I64;
}

static bool is_wide(unsigned type) {
    return type == IR_I64 || type == IR_F64;
}

static bool is_bit_move(const IrOp *op) {
    return op->opcode == IR_fmov_i2f || op->opcode == IR_fmov_f2i;
}

/* Is the integer side of a float op 64 bits? */
static bool is_wide_int_op(const IrOp *op) {
    bool converts = op->opcode == IR_fcvt_f2i || op->opcode == IR_fcvt_i2f;
    return (is_bit_move(op) && is_wide(op->type)) || (converts && op->imm >= FCVT_I64);
}

static bool kind_fits(const IrOp *op, char kind, unsigned type) {
    switch (kind) {
    case 't':
        return is_int(op->type)
                   ? type == op->type || (op->type == IR_I32 && type == IR_I64)
                   : type == op->type;
    case 'n':
        return type == op->type || (op->type == IR_I32 && type == IR_I64);
    case 'i':
        return is_wide_int_op(op) ? type == IR_I64 : is_int(type);
    case 'l':
    case 'a':
        return type == IR_I64;
    case 'f':
        return is_bit_move(op) ? !is_int(type) && is_wide(type) == is_wide(op->type)
                               : type == op->type;
    case 'x':
        return type == (op->type == IR_F32 ? IR_F64 : IR_F32);
    case 's':
        return type == IR_F32;
    case 'd':
        return type == IR_F64;
    default:
        return false;
    }
}

static const char *check_temp(Validator *v, const IrOp *op, char kind, TempId t,
                              bool out) {
    if (t >= v->ctx->temp_count) {
        return t == TEMP_NONE ? "an operand is missing" : "no such temp";
    }
    const IrTemp *temp = &v->ctx->temps[t];
    if (kind && !kind_fits(op, kind, temp->type)) {
        return "an operand has the wrong type";
    }
    if (temp->kind == TEMP_CONST && (out || !is_int(temp->type))) {
        return out ? "a constant is written"
                   : "float constants do not exist; use fmov_i2f";
    }
    if (temp->kind == TEMP_LOCAL && !out && !v->written[t]) {
        return "a local is read before it is written since the last label";
    }
    return NULL;
}

static const char *check_operands(Validator *v, const IrOp *op) {
    const char *sig = signatures[op->opcode];
    char args[6] = "-";
    if (op->opcode == IR_call) {
        const HelperInfo *helper = ir_call_helper(op);
        if (!helper || helper->nargs > 4) {
            return "a call needs a helper of at most 4 arguments";
        }
        bool has_result = !(helper->flags & HELPER_NO_RETURN_VALUE);
        if (op->out != TEMP_NONE && !has_result) {
            return "the helper returns nothing";
        }
        args[0] = op->out != TEMP_NONE ? 't' : '-';
        memset(args + 1, '*', helper->nargs);
        sig = args;
    }
    for (unsigned i = 0; i < 4; i++) {
        char kind = i + 1 < strlen(sig) ? sig[i + 1] : '-';
        if (kind == '-' && op->in[i] != TEMP_NONE) {
            return "too many inputs";
        }
        const char *why =
            kind == '-' ? NULL
                        : check_temp(v, op, kind == '*' ? 0 : kind, op->in[i], false);
        if (why) {
            return why;
        }
    }
    if (sig[0] == '-') {
        return op->out != TEMP_NONE ? "this op has no output" : NULL;
    }
    return check_temp(v, op, sig[0], op->out, true);
}

/* The type of an op must suit it: floats for floating point, integers for the rest. */
static const char *check_type(const IrOp *op) {
    const char *sig = signatures[op->opcode];
    if (op->type > IR_F64) {
        return "no such type";
    }
    if (is_bit_move(op)) {
        return NULL;
    }
    if ((strpbrk(sig, "fx") || op->opcode == IR_fbox || op->opcode == IR_funbox) &&
        is_int(op->type)) {
        return "the type must be f32 or f64";
    }
    if ((op->opcode == IR_fbox && op->type != IR_F64) ||
        (op->opcode == IR_funbox && op->type != IR_F32)) {
        return "fbox is of type f64, funbox of f32";
    }
    if (strchr(sig, 'n') && !is_int(op->type)) {
        return "the type must be i32 or i64";
    }
    return NULL;
}

static const char *check_memory(const IrOp *op) {
    unsigned memop = ir_aux_memop(op->aux), size = memop & MO_SIZE;
    switch (op->opcode) {
    case IR_guest_ld:
    case IR_guest_st:
    case IR_guest_ld_at:
    case IR_guest_st_at:
    case IR_env_ld:
    case IR_env_st:
        if (memop & MO_BE && (op->opcode == IR_env_ld || op->opcode == IR_env_st)) {
            return "env is in host byte order";
        }
        if (!is_int(op->type) && size != (op->type == IR_F64 ? MO_64 : MO_32)) {
            return "a float is accessed in another size";
        }
        if (op->type == IR_I32 && size == MO_64) {
            return "an i32 access of 8 bytes";
        }
        break;
    default:
        break;
    }
    switch (op->opcode) {
    case IR_guest_ld:
    case IR_guest_st:
    case IR_guest_ld_at:
    case IR_guest_st_at:
    case IR_guest_rmw:
    case IR_guest_cas:
        if (!is_int(op->type) != !!(memop & MO_FP)) {
            return "MO_FP must be set for float values and only then";
        }
        if ((int64_t)op->imm != (int32_t)op->imm) {
            return "the displacement does not fit 32 bits";
        }
        break;
    case IR_guest_probe:
        if (memop & ~(unsigned)MO_STORE) {
            return "a probe is for loads or stores, of its own length";
        }
        return ir_probe_len(op->imm) == 0 ? "an empty probe" : NULL;
    default:
        break;
    }
    return NULL;
}

static const char *check_field(const IrOp *op) {
    if (op->opcode == IR_rotr_s32 &&
        (op->type != IR_I64 || op->imm == 0 || op->imm > 31)) {
        return "rotr_s32 is i64 and rotates by 1 to 31";
    }
    if (op->opcode != IR_extract && op->opcode != IR_sextract &&
        op->opcode != IR_deposit) {
        return NULL;
    }
    unsigned pos = ir_field_pos(op->imm), len = ir_field_len(op->imm);
    return len == 0 || pos + len > (op->type == IR_I64 ? 64 : 32)
               ? "the field is not inside the value"
               : NULL;
}

static const char *check_enums(const IrOp *op) {
    switch (op->opcode) {
    case IR_setcond:
    case IR_movcond:
    case IR_brcond:
        return op->cond >= COND_COUNT ? "no such condition" : NULL;
    case IR_fcmp:
        return op->cond >= FCOND_COUNT ? "no such condition" : NULL;
    case IR_guest_rmw:
        return op->cond >= RMW_COUNT ? "no such read-modify-write" : NULL;
    case IR_fadd:
    case IR_fsub:
    case IR_fmul:
    case IR_fdiv:
    case IR_fsqrt:
    case IR_fmadd:
        return op->aux > FP_MODE_RMM && op->aux != FP_MODE_DYN ? "no such rounding mode"
                                                               : NULL;
    case IR_fcvt_f2i:
    case IR_fcvt_i2f:
        return op->imm > FCVT_U64 ? "no such conversion" : NULL;
    case IR_goto_tb:
        return op->aux > 1 ? "a block has two exit slots" : NULL;
    default:
        return NULL;
    }
}

/* An env field may not lie in a global: passes would not see that it changes. */
static const char *check_env(const Validator *v, const IrOp *op) {
    if (op->opcode != IR_env_ld && op->opcode != IR_env_st) {
        return NULL;
    }
    int64_t first = (int64_t)op->imm, end = first + MO_BYTES(op->aux);
    for (unsigned t = 0; t < v->ctx->global_count; t++) {
        const IrTemp *temp = &v->ctx->temps[t];
        int64_t at = temp->env_offset,
                size = temp->type == IR_I32 || temp->type == IR_F32 ? 4 : 8;
        if (first < at + size && at < end) {
            return "an env access hits a global's slot";
        }
    }
    return NULL;
}

static const char *check_flow(Validator *v, const IrOp *op) {
    uint16_t flags = ir_op_defs[op->opcode].flags;
    if (flags & (OPF_BRANCH | OPF_LABEL)) {
        if (op->imm >= v->ctx->label_count) {
            return "no such label";
        }
        if (flags & OPF_BRANCH) {
            v->label_used[op->imm] = 1;
        } else if (v->label_seen[op->imm]++) {
            return "a label stands twice";
        } else {
            memset(v->written, 0, v->ctx->temp_count);
        }
    }
    if (op->opcode == IR_goto_tb && v->slot_used[op->aux]++) {
        return "an exit slot is used twice";
    }
    return NULL;
}

static const char *check_op(Validator *v, const IrOp *op) {
    if (op->opcode >= IR_OPCODE_COUNT) {
        return "no such op";
    }
    const char *why = check_type(op);
    why = why ? why : check_enums(op);
    why = why ? why : check_flow(v, op);
    why = why ? why : check_operands(v, op);
    why = why ? why : check_memory(op);
    why = why ? why : check_field(op);
    why = why ? why : check_env(v, op);
    if (!why && op->out != TEMP_NONE) {
        v->written[op->out] = 1;
    }
    return why;
}

bool ir_validate(const IrContext *ctx, Error **errp) {
    Validator *v = calloc(1, sizeof(*v));
    const char *why = v ? NULL : "out of memory";
    unsigned i = 0;
    bool ended = false;
    if (!why && ctx->overflow) {
        why = "the block overflowed its context";
    }
    for (; v && i < ctx->op_count && !why; i++) {
        const IrOp *op = &ctx->ops[i];
        if (!op->removed) {
            v->ctx = ctx;
            why = check_op(v, op);
            if (op->opcode != IR_insn_start) { /* which makes no code */
                ended = op->opcode < IR_OPCODE_COUNT &&
                        ir_op_defs[op->opcode].flags & OPF_ENDS;
            }
        }
    }
    if (why) {
        const char *name = i && ctx->ops[i - 1].opcode < IR_OPCODE_COUNT
                               ? ir_op_defs[ctx->ops[i - 1].opcode].name
                               : "?";
        error_set(errp, "IR op %u (%s): %s", i ? i - 1 : 0, name, why);
    } else if (!ended) {
        why = "no end";
        error_set(
            errp,
            "IR: control runs off the end of the block; end it with goto_* or exit_tb");
    }
    for (unsigned label = 0; !why && label < ctx->label_count; label++) {
        if (v->label_used[label] && !v->label_seen[label]) {
            why = "label";
            error_set(errp, "IR: label L%u is branched to but stands nowhere", label);
        }
    }
    free(v);
    return !why;
}
