/* SPDX-License-Identifier: MIT */
/*
 * Writes IR as text, by the format table that the parser reads too; see ir_text.h for the
 * form.
 */
#include <assert.h>
#include <inttypes.h>

#include "tcg/ir_text.h"

const char *const ir_text_format[IR_OPCODE_COUNT] = {
    [IR_mov] = "o, 0",
    [IR_ext_s8] = "o, 0",
    [IR_ext_s16] = "o, 0",
    [IR_ext_s32] = "o, 0",
    [IR_ext_u8] = "o, 0",
    [IR_ext_u16] = "o, 0",
    [IR_ext_u32] = "o, 0",
    [IR_add] = "o, 0, 1",
    [IR_sub] = "o, 0, 1",
    [IR_mul] = "o, 0, 1",
    [IR_mulhs] = "o, 0, 1",
    [IR_mulhu] = "o, 0, 1",
    [IR_mulhsu] = "o, 0, 1",
    [IR_divs] = "o, 0, 1",
    [IR_divu] = "o, 0, 1",
    [IR_rems] = "o, 0, 1",
    [IR_remu] = "o, 0, 1",
    [IR_and] = "o, 0, 1",
    [IR_or] = "o, 0, 1",
    [IR_xor] = "o, 0, 1",
    [IR_andc] = "o, 0, 1",
    [IR_orc] = "o, 0, 1",
    [IR_eqv] = "o, 0, 1",
    [IR_shl] = "o, 0, 1",
    [IR_shr] = "o, 0, 1",
    [IR_sar] = "o, 0, 1",
    [IR_rotl] = "o, 0, 1",
    [IR_rotr] = "o, 0, 1",
    [IR_clz] = "o, 0",
    [IR_ctz] = "o, 0",
    [IR_popcnt] = "o, 0",
    [IR_bswap] = "o, 0",
    [IR_rotr_s32] = "o, 0, X",
    [IR_extract] = "o, 0, p",
    [IR_sextract] = "o, 0, p",
    [IR_deposit] = "o, 0, 1, p",
    [IR_setcond] = "c o, 0, 1",
    [IR_movcond] = "c o, 0, 1, 2, 3",
    [IR_label] = "-L",
    [IR_br] = "-L",
    [IR_brcond] = "c 0, 1, L",
    [IR_env_ld] = "o, E, m",
    [IR_env_st] = "0, E, m",
    [IR_guest_ld] = "o, A, m, u",
    [IR_guest_st] = "1, A, m, u",
    [IR_guest_probe] = "o, P, d, u",
    [IR_guest_ld_at] = "o, A, 1, m, u",
    [IR_guest_st_at] = "1, A, 2, m, u",
    [IR_guest_rmw] = "w o, A, 1, m, u",
    [IR_guest_cas] = "o, A, 1, 2, m, u",
    [IR_fence] = "-",
    [IR_fmov_i2f] = "o, 0",
    [IR_fmov_f2i] = "o, 0",
    [IR_fbox] = "o, 0",
    [IR_funbox] = "o, 0",
    [IR_fadd] = "r o, 0, 1",
    [IR_fsub] = "r o, 0, 1",
    [IR_fmul] = "r o, 0, 1",
    [IR_fdiv] = "r o, 0, 1",
    [IR_fsqrt] = "r o, 0",
    [IR_fmadd] = "r o, 0, 1, 2, X",
    [IR_fmin] = "o, 0, 1",
    [IR_fmax] = "o, 0, 1",
    [IR_fcmp] = "f o, 0, 1",
    [IR_fcvt_f2i] = "r o, 0, i",
    [IR_fcvt_i2f] = "r o, 0, i",
    [IR_fcvt_f2f] = "r o, 0",
    [IR_fp_save] = "-",
    [IR_fp_load] = "-",
    [IR_call] = "-C",
    [IR_insn_start] = "-X",
    [IR_goto_tb] = "-k, X",
    [IR_goto_pc] = "-X",
    [IR_goto_ptr] = "-0",
    [IR_exit_tb] = "-k",
};

const char *const ir_fcond_names[FCOND_COUNT] = {
    [FCOND_EQ] = "eq",     [FCOND_LT] = "lt",     [FCOND_LE] = "le",
    [FCOND_LT_Q] = "lt_q", [FCOND_LE_Q] = "le_q",
};
const char *const ir_rmw_names[RMW_COUNT] = {
    [RMW_XCHG] = "xchg", [RMW_ADD] = "add",   [RMW_AND] = "and",
    [RMW_OR] = "or",     [RMW_XOR] = "xor",   [RMW_MIN] = "min",
    [RMW_MAX] = "max",   [RMW_MINU] = "minu", [RMW_MAXU] = "maxu",
};
const char *const ir_round_names[8] = {
    [FP_MODE_RNE] = "rne", [FP_MODE_RTZ] = "rtz", [FP_MODE_RDN] = "rdn",
    [FP_MODE_RUP] = "rup", [FP_MODE_RMM] = "rmm", [FP_MODE_DYN] = "dyn",
};
const char *const ir_fcvt_names[4] = {
    [FCVT_I32] = "i32",
    [FCVT_U32] = "u32",
    [FCVT_I64] = "i64",
    [FCVT_U64] = "u64",
};
const char *const ir_type_names[4] = {
    [IR_I32] = "i32",
    [IR_I64] = "i64",
    [IR_F32] = "f32",
    [IR_F64] = "f64",
};

static void dump_temp(const IrContext *ctx, TempId t, FILE *out) {
    if (t == TEMP_NONE) {
        fputs("none", out);
        return;
    }
    const IrTemp *temp = &ctx->temps[t];
    if (temp->kind == TEMP_GLOBAL) {
        fputs(temp->name, out);
        return;
    }
    fprintf(out, temp->kind == TEMP_CONST ? "$0x%" PRIx64 : "%%%" PRIu64, temp->value);
    if (temp->type != IR_I64) {
        fprintf(out, ":%s", ir_type_names[temp->type]);
    }
}

/* "[base + 0x10]"; the base is a temp, or env when TEMP_NONE. */
static void dump_address(const IrContext *ctx, TempId base, int64_t disp, FILE *out) {
    fputc('[', out);
    if (base == TEMP_NONE) {
        fputs("env", out);
    } else {
        dump_temp(ctx, base, out);
    }
    if (disp != 0) {
        uint64_t size = disp < 0 ? 0 - (uint64_t)disp : (uint64_t)disp;
        fprintf(out, " %c 0x%" PRIx64, disp < 0 ? '-' : '+', size);
    }
    fputc(']', out);
}

static void dump_memop(unsigned memop, FILE *out) {
    fprintf(out, "%c%u", memop & MO_SIGN ? 's' : 'u', 8 * MO_BYTES(memop));
    if (memop & MO_BE) {
        fputs(".be", out);
    }
    if (memop & MO_ALIGN) {
        fputs(".align", out);
    }
    if (memop & MO_FP) {
        fputs(".fp", out);
    }
}

static void dump_call(const IrContext *ctx, const IrOp *op, FILE *out) {
    const HelperInfo *helper = ir_call_helper(op);
    fprintf(out, "%s(", helper->name);
    for (unsigned i = 0; i < helper->nargs; i++) {
        fputs(i ? ", " : "", out);
        dump_temp(ctx, op->in[i], out);
    }
    fputc(')', out);
    if (op->out != TEMP_NONE) {
        fputs(" -> ", out);
        dump_temp(ctx, op->out, out);
    }
}

static void dump_field(const IrContext *ctx, const IrOp *op, char field, FILE *out) {
    switch (field) {
    case 'o':
        dump_temp(ctx, op->out, out);
        break;
    case '0':
    case '1':
    case '2':
    case '3':
        dump_temp(ctx, op->in[field - '0'], out);
        break;
    case 'c':
        fputs(ir_cond_names[op->cond], out);
        break;
    case 'f':
        fputs(ir_fcond_names[op->cond], out);
        break;
    case 'w':
        fputs(ir_rmw_names[op->cond], out);
        break;
    case 'r':
        fputs(ir_round_names[op->aux & 7] ? ir_round_names[op->aux & 7] : "?", out);
        break;
    case 'A':
        dump_address(ctx, op->in[0], (int64_t)op->imm, out);
        break;
    case 'E':
        dump_address(ctx, TEMP_NONE, (int64_t)op->imm, out);
        break;
    case 'P':
        dump_address(ctx, op->in[0], ir_probe_lo(op->imm), out);
        fprintf(out, ", %" PRIu32, ir_probe_len(op->imm));
        break;
    case 'm':
        dump_memop(ir_aux_memop(op->aux), out);
        break;
    case 'd':
        fputs(ir_aux_memop(op->aux) & MO_STORE ? "store" : "load", out);
        break;
    case 'u':
        fprintf(out, "mmu %u", ir_aux_mmu_idx(op->aux));
        break;
    case 'p':
        fprintf(out, "%u, %u", ir_field_pos(op->imm), ir_field_len(op->imm));
        break;
    case 'i':
        fputs(ir_fcvt_names[op->imm & 3], out);
        break;
    case 'L':
        fprintf(out, "L%" PRIu64, op->imm);
        break;
    case 'X':
        fprintf(out, "0x%" PRIx64, op->imm);
        break;
    case 'k':
        fprintf(out, "%u", op->aux);
        break;
    case 'C':
        dump_call(ctx, op, out);
        break;
    default:
        fputc(field, out); /* commas and blanks */
        break;
    }
}

/* What passes found out, as a comment: the rule, and which operands are read for the last
 * time. */
static void dump_remark(const IrContext *ctx, const IrOp *op, FILE *out) {
    const char *sep = "  ; ";
    if (op->rule) {
        fprintf(out, "%s%s", sep, ir_rule_name((IrRuleId)op->rule));
        sep = " ";
    }
    const char *last = "last: ";
    for (unsigned i = 0; i < 4; i++) {
        if (op->dead_in & 1u << i && !ir_is_const(ctx, op->in[i])) {
            fprintf(out, "%s%s", sep, last);
            dump_temp(ctx, op->in[i], out);
            sep = " ";
            last = "";
        }
    }
    if (op->dead_out) {
        fprintf(out, "%sunused result", sep);
    }
}

void ir_print_temp(const IrContext *ctx, TempId t, FILE *out) {
    dump_temp(ctx, t, out);
}

void ir_print_op(const IrContext *ctx, const IrOp *op, FILE *out) {
    const char *format = ir_text_format[op->opcode];
    if (op->opcode == IR_insn_start) {
        fprintf(out, "---- 0x%" PRIx64, op->imm);
        return;
    }
    if (op->opcode == IR_label) {
        fprintf(out, "L%" PRIu64 ":", op->imm);
        return;
    }
    fputs(ir_op_defs[op->opcode].name, out);
    if (*format == '-') {
        format++;
    } else {
        fprintf(out, "_%s", ir_type_names[op->type]);
    }
    if (*format) {
        fputc(' ', out);
    }
    for (; *format; format++) {
        dump_field(ctx, op, *format, out);
    }
}

static void dump_op(const IrContext *ctx, const IrOp *op, FILE *out) {
    if (op->opcode != IR_insn_start && op->opcode != IR_label) {
        fputs(op->removed ? " ~ " : "   ", out);
    }
    ir_print_op(ctx, op, out);
    dump_remark(ctx, op, out);
    fputc('\n', out);
}

void ir_dump(const IrContext *ctx, FILE *out) {
    for (unsigned i = 0; i < ctx->op_count; i++) {
        if (!ctx->ops[i].removed) {
            dump_op(ctx, &ctx->ops[i], out);
        }
    }
}
