/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions and CSR accesses as IR.
 *
 *   plain CSR (sscratch, sepc, ...)  load, modify, store of env; stays in the block
 *   sstatus.SIE, mstatus.MIE         the same; leaves if an interrupt can come now
 *   other CSR                        one call; the block ends if it may change how code runs
 *   ecall, ebreak, xRET              one call that moves pc, then by the jump cache
 *
 * What is legal is decided here from the flags the block was made for (privilege, TVM,
 * TW, TSR, FS, counter enables); only rows marked CHECK decide at run time.
 *
 * Invariants: nothing here leaves generated code unless an interrupt is to be taken or
 * the hart waits. A call that may make one deliverable sets exit_request, which the next
 * block's entry sees.
 *
 * Spec: Unprivileged ISA 20240411, chapters "Zicsr", "Zifencei", "Zawrs", "CMO";
 * Privileged Architecture 20240411, 3.3 and 4.2.
 */
#include "cpu/riscv/bits.h"
#include "cpu/riscv/csr.h"
#include "cpu/riscv/translate.h"

enum { CBO_BLOCK_BYTES = 64 };

static unsigned priv_of(const DisasContext *ctx) {
    return ctx->flags >> TBF_PRIV_SHIFT & 3;
}

/* Goes on after this instruction through the jump cache: flags or mapping may have
 * changed. */
static void end_after_change(DisasContext *ctx) {
    vaddr pc = code_address(ctx, ctx->next_pc);
    if (ctx->flags & TBF_TO_DEBUGGER) {
        riscv_end_exit(ctx, pc, TB_EXIT_STATE);
        return;
    }
    ir_goto_pc(ctx->ir, pc);
    ctx->done = true;
}

/* --- CSRs: helpers ------------------------------------------------------------------ */
/* How generated code names an access: the number, the row so that it need not be
 * searched, and what to do. */
enum { SEL_OP_SHIFT = 12, SEL_ROW_SHIFT = 16, SEL_CSR_MASK = 0xfff, SEL_OP_MASK = 3 };

static uint64_t csr_select(const CsrDef *def, unsigned csr, RiscvCsrOp op) {
    return csr | (uint64_t)op << SEL_OP_SHIFT |
           (uint64_t)riscv_csr_row_index(def) << SEL_ROW_SHIFT;
}

static uint64_t helper_csr_read(RiscvEnv *env, uint64_t sel) {
    return riscv_csr_load(riscv_cpu_of_env(env),
                          riscv_csr_row((unsigned)(sel >> SEL_ROW_SHIFT)),
                          sel & SEL_CSR_MASK);
}

static uint64_t helper_csr_modify(RiscvEnv *env, uint64_t sel, uint64_t value) {
    return riscv_csr_modify(
        riscv_cpu_of_env(env), riscv_csr_row((unsigned)(sel >> SEL_ROW_SHIFT)),
        sel & SEL_CSR_MASK, (RiscvCsrOp)(sel >> SEL_OP_SHIFT & SEL_OP_MASK), value);
}

static uint64_t helper_csr_read_check(RiscvEnv *env, uint64_t sel, uint64_t insn) {
    RiscvCPU *cpu = riscv_cpu_of_env(env);
    if (!riscv_csr_check(cpu, sel & SEL_CSR_MASK)) {
        riscv_raise(cpu, CAUSE_ILLEGAL, insn);
        return 0;
    }
    return helper_csr_read(env, sel);
}

static uint64_t helper_csr_modify_check(RiscvEnv *env, uint64_t sel, uint64_t value,
                                        uint64_t insn) {
    RiscvCPU *cpu = riscv_cpu_of_env(env);
    if (!riscv_csr_check(cpu, sel & SEL_CSR_MASK)) {
        riscv_raise(cpu, CAUSE_ILLEGAL, insn);
        return 0;
    }
    return helper_csr_modify(env, sel, value);
}

static const HelperInfo csr_read_info = {"csr_read", (void *)helper_csr_read, 0, 1};
static const HelperInfo csr_read_fp_info = {"csr_read_fp", (void *)helper_csr_read,
                                            HELPER_FP, 1};
static const HelperInfo csr_read_check_info = {
    "csr_read_check", (void *)helper_csr_read_check, HELPER_FAULTS, 2};
static const HelperInfo csr_modify_info = {"csr_modify", (void *)helper_csr_modify, 0, 2};
static const HelperInfo csr_modify_fp_info = {"csr_modify_fp", (void *)helper_csr_modify,
                                              HELPER_FP, 2};
static const HelperInfo csr_modify_check_info = {
    "csr_modify_check", (void *)helper_csr_modify_check, HELPER_FAULTS, 3};

/* --- CSRs: which way an access goes ------------------------------------------------- */
typedef struct CsrAccess {
    const CsrDef *def;
    unsigned csr;
    unsigned rd;
    RiscvCsrOp op;
    bool writes;
    TempId operand; /* if it writes */
    bool is_small;  /* the operand is the constant `small` */
    unsigned small;
} CsrAccess;

/* The row if the access is legal in the mode of this block, as far as is known before it
 * runs. */
static const CsrDef *csr_legal_here(const DisasContext *ctx, unsigned csr, bool writes) {
    const CsrDef *def = riscv_csr_get((const RiscvCPU *)ctx->cpu, csr);
    if (!def || priv_of(ctx) < riscv_csr_min_priv(csr) ||
        (writes && riscv_csr_is_readonly(csr))) {
        return NULL;
    }
    if (def->flags & CSRF_FP && !(ctx->flags >> TBF_FS_SHIFT & 3)) {
        return NULL;
    }
    bool satp = def->field == offsetof(RiscvEnv, satp);
    return satp && ctx->flags & TBF_TVM ? NULL : def;
}

static bool needs_check(const DisasContext *ctx, const CsrAccess *c) {
    if (!(c->def->flags & CSRF_CHECK) || priv_of(ctx) == PRV_M) {
        return false;
    }
    bool basic = c->def->ext == offsetof(RiscvConfig, zicntr);
    return !(basic && ctx->flags & TBF_CSR_COUNTERS);
}

static bool is_status(const CsrDef *def) {
    return def->field == offsetof(RiscvEnv, mstatus) && def->read &&
           !(def->flags & CSRF_RV32);
}

static bool is_sstatus(const CsrAccess *c) {
    return riscv_csr_min_priv(c->csr) == PRV_S;
}

/* What a read of mstatus or sstatus gives for the register's value m; FS dirty shows as
 * SD. */
static TempId status_view(DisasContext *ctx, const CsrAccess *c, TempId m) {
    IrContext *ir = ctx->ir;
    unsigned sd = ctx->rv32 ? 31 : 63;
    TempId fs1 = new_i64(ctx), fs0 = new_i64(ctx), v = m;
    ir_op2i(ir, IR_shl, IR_I64, fs1, m, sd - (MSTATUS_FS_SHIFT + 1));
    ir_op2i(ir, IR_shl, IR_I64, fs0, m, sd - MSTATUS_FS_SHIFT);
    ir_op2(ir, IR_and, IR_I64, fs1, fs1, fs0);
    ir_op2i(ir, IR_and, IR_I64, fs1, fs1, BIT64(sd));
    if (is_sstatus(c)) {
        v = new_i64(ctx);
        ir_op2i(ir, IR_and, IR_I64, v, m, riscv_sstatus_mask(ctx->cfg));
    }
    ir_op2(ir, IR_or, IR_I64, fs1, fs1, v);
    return fs1; /* gpr_set() extends RV32's */
}

/* Leaves for the run loop if `pending` is not zero: an interrupt may be due before the
 * next instruction. Locals end here. */
static void leave_if(DisasContext *ctx, TempId pending) {
    IrContext *ir = ctx->ir;
    unsigned skip = ir_label_new(ir);
    ir_brcond(ir, IR_I64, COND_EQ, pending, const_i64(ctx, 0), skip);
    env_store_u64(ctx, const_i64(ctx, code_address(ctx, ctx->next_pc)), ENV_OFFSET(pc));
    ir_exit_tb(ir, TB_EXIT_STATE);
    ir_label(ir, skip);
}

static TempId pending_and_enabled(DisasContext *ctx) {
    TempId p = env_load_u64(ctx, ENV_OFFSET(mip));
    ir_op2(ctx->ir, IR_or, IR_I64, p, p,
           env_load_u64(ctx, ENV_OFFSET(mip_external_seip)));
    ir_op2(ctx->ir, IR_and, IR_I64, p, p, env_load_u64(ctx, ENV_OFFSET(mie)));
    return p;
}

/* csrrs/csrrc of the interrupt enable alone, which is what kernels do all day. `operand`
 * has no other bit. */
static void status_set_ie(DisasContext *ctx, const CsrAccess *c, uint64_t ie) {
    IrContext *ir = ctx->ir;
    TempId old = env_load_u64(ctx, ENV_OFFSET(mstatus)), now = new_i64(ctx);
    TempId pending = TEMP_NONE;
    if (c->op == CSR_OP_CLEAR) {
        ir_op2(ir, IR_andc, IR_I64, now, old, c->operand);
    } else {
        ir_op2(ir, IR_or, IR_I64, now, old, c->operand);
        TempId bit = new_i64(ctx);
        ir_op2i(ir, IR_and, IR_I64, bit, c->operand, ie);
        pending = pending_and_enabled(ctx);
        ir_movcond(ir, IR_I64, COND_EQ, pending, bit, const_i64(ctx, 0), bit, pending);
    }
    env_store_u64(ctx, now, ENV_OFFSET(mstatus));
    if (c->rd) {
        gpr_set(ctx, c->rd, status_view(ctx, c, old));
    }
    if (pending != TEMP_NONE) {
        leave_if(ctx, pending);
    }
}

static void csr_modify_by_call(DisasContext *ctx, const CsrAccess *c) {
    const CsrDef *def = c->def;
    bool check = needs_check(ctx, c);
    TempId t = new_i64(ctx);
    const HelperInfo *info = check                  ? &csr_modify_check_info
                             : def->flags & CSRF_FP ? &csr_modify_fp_info
                                                    : &csr_modify_info;
    call_helper(ctx, info, t, const_i64(ctx, csr_select(def, c->csr, c->op)), c->operand,
                check ? const_i64(ctx, ctx->insn) : TEMP_NONE, TEMP_NONE);
    gpr_set(ctx, c->rd, t);
}

/* csrrs, csrrc of sstatus or mstatus with a register: nearly always the interrupt enable
 * that was saved before. */
static void status_change(DisasContext *ctx, const CsrAccess *c) {
    uint64_t ie = is_sstatus(c) ? MSTATUS_SIE : MSTATUS_MIE;
    if (c->is_small) {
        if (c->small == ie) {
            status_set_ie(ctx, c, ie);
        } else {
            csr_modify_by_call(ctx, c);
            end_after_change(ctx);
        }
        return;
    }
    IrContext *ir = ctx->ir;
    unsigned fast = ir_label_new(ir);
    TempId others = new_i64(ctx);
    ir_op2i(ir, IR_and, IR_I64, others, c->operand, ~ie);
    ir_brcond(ir, IR_I64, COND_EQ, others, const_i64(ctx, 0), fast);
    csr_modify_by_call(ctx, c);
    end_after_change(ctx);
    ctx->done = false;
    ir_label(ir, fast);
    status_set_ie(ctx, c, ie);
}

static void csr_read_only(DisasContext *ctx, const CsrAccess *c) {
    const CsrDef *def = c->def;
    TempId t = new_i64(ctx);
    if (is_status(def)) {
        gpr_set(ctx, c->rd, status_view(ctx, c, env_load_u64(ctx, ENV_OFFSET(mstatus))));
        return;
    }
    if (needs_check(ctx, c)) {
        call_helper(ctx, &csr_read_check_info, t,
                    const_i64(ctx, csr_select(def, c->csr, c->op)),
                    const_i64(ctx, ctx->insn), TEMP_NONE, TEMP_NONE);
    } else if (!def->read) {
        ir_env_ld(ctx->ir, IR_I64, t, def->field, MO_64);
    } else {
        call_helper(ctx, def->flags & CSRF_FP ? &csr_read_fp_info : &csr_read_info, t,
                    const_i64(ctx, csr_select(def, c->csr, c->op)), TEMP_NONE, TEMP_NONE,
                    TEMP_NONE);
    }
    gpr_set(ctx, c->rd, t);
}

/* A register without side effects: field = (old op operand) & mask. */
static void csr_modify_inline(DisasContext *ctx, const CsrAccess *c) {
    IrContext *ir = ctx->ir;
    const CsrDef *def = c->def;
    uint64_t mask = def->flags & CSRF_PC ? riscv_pc_mask(ctx->cfg) : def->mask;
    TempId old = TEMP_NONE, now = c->operand;
    if (c->rd || c->op != CSR_OP_WRITE) {
        old = new_i64(ctx);
        ir_env_ld(ir, IR_I64, old, def->field, MO_64);
    }
    if (c->op != CSR_OP_WRITE) {
        now = new_i64(ctx);
        ir_op2(ir, c->op == CSR_OP_SET ? IR_or : IR_andc, IR_I64, now, old, c->operand);
    }
    if (mask != ~UINT64_C(0)) {
        TempId masked = new_i64(ctx);
        ir_op2i(ir, IR_and, IR_I64, masked, now, mask);
        now = masked;
    }
    ir_env_st(ir, now, def->field, MO_64);
    if (c->rd) {
        gpr_set(ctx, c->rd, old);
    }
}

static bool csr_access(DisasContext *ctx, const CsrAccess *request) {
    CsrAccess c = *request;
    c.def = csr_legal_here(ctx, c.csr, c.writes);
    if (!c.def) {
        return false;
    }
    if (!c.writes) {
        csr_read_only(ctx, &c);
    } else if (c.def->flags & CSRF_INLINE) {
        csr_modify_inline(ctx, &c);
    } else if (is_status(c.def) && c.op != CSR_OP_WRITE) {
        status_change(ctx, &c);
    } else {
        csr_modify_by_call(ctx, &c);
        if (c.def->flags & CSRF_STATE) {
            end_after_change(ctx);
        } else if (c.def->flags & CSRF_FP) {
            ctx->fs_dirty = true;
        }
    }
    return true;
}

static bool csr_register(DisasContext *ctx, const RiscvArgs *a, RiscvCsrOp op) {
    return csr_access(ctx, &(CsrAccess){.csr = a->csr,
                                        .rd = a->rd,
                                        .op = op,
                                        .writes = op == CSR_OP_WRITE || a->rs1,
                                        .operand = gpr_src(ctx, a->rs1),
                                        .is_small = a->rs1 == 0});
}

static bool csr_immediate(DisasContext *ctx, const RiscvArgs *a, RiscvCsrOp op) {
    return csr_access(ctx, &(CsrAccess){.csr = a->csr,
                                        .rd = a->rd,
                                        .op = op,
                                        .writes = op == CSR_OP_WRITE || a->rs1,
                                        .operand = const_i64(ctx, a->rs1),
                                        .is_small = true,
                                        .small = a->rs1});
}

bool trans_csrrw(DisasContext *ctx, const RiscvArgs *a) {
    return csr_register(ctx, a, CSR_OP_WRITE);
}
bool trans_csrrs(DisasContext *ctx, const RiscvArgs *a) {
    return csr_register(ctx, a, CSR_OP_SET);
}
bool trans_csrrc(DisasContext *ctx, const RiscvArgs *a) {
    return csr_register(ctx, a, CSR_OP_CLEAR);
}
bool trans_csrrwi(DisasContext *ctx, const RiscvArgs *a) {
    return csr_immediate(ctx, a, CSR_OP_WRITE);
}
bool trans_csrrsi(DisasContext *ctx, const RiscvArgs *a) {
    return csr_immediate(ctx, a, CSR_OP_SET);
}
bool trans_csrrci(DisasContext *ctx, const RiscvArgs *a) {
    return csr_immediate(ctx, a, CSR_OP_CLEAR);
}

/* --- traps and returns: a call that returns the new pc ------------------------------ */
static uint64_t helper_ecall(RiscvEnv *env, uint64_t pc) {
    riscv_enter_trap(riscv_cpu_of_env(env), CAUSE_ECALL_U + env->priv, 0, pc);
    return env->pc;
}

static uint64_t helper_ebreak(RiscvEnv *env, uint64_t pc) {
    riscv_enter_trap(riscv_cpu_of_env(env), CAUSE_BREAKPOINT, pc, pc);
    return env->pc;
}

static uint64_t helper_mret(RiscvEnv *env) {
    riscv_mret(riscv_cpu_of_env(env));
    return env->pc;
}

static uint64_t helper_sret(RiscvEnv *env) {
    riscv_sret(riscv_cpu_of_env(env));
    return env->pc;
}

static const HelperInfo ecall_info = {"ecall", (void *)helper_ecall, 0, 1};
static const HelperInfo ebreak_info = {"ebreak", (void *)helper_ebreak, 0, 1};
static const HelperInfo mret_info = {"mret", (void *)helper_mret, 0, 0};
static const HelperInfo sret_info = {"sret", (void *)helper_sret, 0, 0};

static void end_by_helper(DisasContext *ctx, const HelperInfo *helper) {
    TempId pc = new_i64(ctx);
    call_helper(ctx, helper, pc, helper->nargs ? const_i64(ctx, ctx->pc) : TEMP_NONE,
                TEMP_NONE, TEMP_NONE, TEMP_NONE);
    riscv_end_goto_ptr(ctx, pc);
}

bool trans_ecall(DisasContext *ctx, const RiscvArgs *a) {
    (void)a;
    end_by_helper(ctx, &ecall_info);
    return true;
}

bool trans_ebreak(DisasContext *ctx, const RiscvArgs *a) {
    (void)a;
    end_by_helper(ctx, &ebreak_info);
    return true;
}

bool trans_mret(DisasContext *ctx, const RiscvArgs *a) {
    (void)a;
    if (priv_of(ctx) < PRV_M) {
        return false;
    }
    end_by_helper(ctx, &mret_info);
    return true;
}

bool trans_sret(DisasContext *ctx, const RiscvArgs *a) {
    (void)a;
    if (priv_of(ctx) < PRV_S || ctx->flags & TBF_TSR) {
        return false;
    }
    end_by_helper(ctx, &sret_info);
    return true;
}

/* --- waiting ------------------------------------------------------------------------ */
/* The time a wait in a lower mode may last under TW is zero here. */
bool trans_wfi(DisasContext *ctx, const RiscvArgs *a) {
    (void)a;
    if (ctx->flags & TBF_TW || (priv_of(ctx) == PRV_U && ctx->cfg->s)) {
        return false;
    }
    riscv_end_exit(ctx, ctx->next_pc, TB_EXIT_HALT);
    return true;
}

/* A wait for the reservation set that ends at once, as it may; the run loop gives others
 * a turn. */
bool trans_wrs_nto(DisasContext *ctx, const RiscvArgs *a) {
    (void)a;
    riscv_end_exit(ctx, ctx->next_pc, TB_EXIT_STATE);
    return true;
}

bool trans_wrs_sto(DisasContext *ctx, const RiscvArgs *a) {
    return trans_wrs_nto(ctx, a);
}

/* --- fences ------------------------------------------------------------------------- */
enum { FENCE_HAS_ADDR = 1, FENCE_HAS_ASID = 2 };

/* With both an address and an ASID the page is dropped for every ASID: more than asked,
 * never less. An address alone covers global pages too. */
static uint64_t helper_sfence_vma(RiscvEnv *env, uint64_t addr, uint64_t asid,
                                  uint64_t has) {
    RiscvCPU *cpu = riscv_cpu_of_env(env);
    if (has & FENCE_HAS_ADDR) {
        riscv_tlb_flush_page(cpu, addr);
    } else if (has & FENCE_HAS_ASID) {
        uint64_t mask = cpu->cfg.xlen == 32 ? SATP32_ASID_MASK : SATP64_ASID_MASK;
        riscv_tlb_flush_asid(cpu, (unsigned)(asid & mask));
    } else {
        riscv_tlb_flush_all(cpu);
    }
    return 0;
}

static const HelperInfo sfence_vma_info = {"sfence_vma", (void *)helper_sfence_vma,
                                           HELPER_NO_RETURN_VALUE, 3};

bool trans_sfence_vma(DisasContext *ctx, const RiscvArgs *a) {
    if (priv_of(ctx) < PRV_S || ctx->flags & TBF_TVM) {
        return false;
    }
    uint64_t has = (a->rs1 ? FENCE_HAS_ADDR : 0) | (a->rs2 ? FENCE_HAS_ASID : 0);
    call_helper(ctx, &sfence_vma_info, TEMP_NONE, gpr_src(ctx, a->rs1),
                gpr_src(ctx, a->rs2), const_i64(ctx, has), TEMP_NONE);
    end_after_change(ctx);
    return true;
}

bool trans_sinval_vma(DisasContext *ctx, const RiscvArgs *a) {
    return trans_sfence_vma(ctx, a);
}

/* The ordering around sinval.vma, which is immediate here. */
bool trans_sfence_w_inval(DisasContext *ctx, const RiscvArgs *a) {
    (void)a;
    return priv_of(ctx) >= PRV_S;
}

bool trans_sfence_inval_ir(DisasContext *ctx, const RiscvArgs *a) {
    return trans_sfence_w_inval(ctx, a);
}

/* Stores drop what was translated from their bytes, so only the rest of this block is
 * old. */
bool trans_fence_i(DisasContext *ctx, const RiscvArgs *a) {
    (void)a;
    riscv_end_goto(ctx, ctx->next_pc);
    return true;
}

/* --- cache blocks ------------------------------------------------------------------- */
static bool cbo_allowed(const DisasContext *ctx, uint32_t bit) {
    return ctx->flags >> TBF_CBO_SHIFT & bit;
}

/* There are no caches to manage; what is left is the permission: a load or a store must
 * be possible, else a store fault (CMO 19.3.1). */
static uint64_t helper_cbo_check(RiscvEnv *env, uint64_t addr, uint64_t mmu_idx) {
    RiscvCPU *cpu = riscv_cpu_of_env(env);
    unsigned idx = (unsigned)mmu_idx;
    RiscvWalk walk;
    if (!riscv_walk(cpu, addr, ACCESS_LOAD, idx, false, &walk) &&
        !riscv_walk(cpu, addr, ACCESS_STORE, idx, false, &walk)) {
        riscv_raise(cpu, walk.fault, addr);
        return 0;
    }
    bool whole;
    hwaddr block =
        walk.phys | (addr & PAGE_OFFSET_MASK & ~(uint64_t)(CBO_BLOCK_BYTES - 1));
    unsigned priv = idx == MMU_M ? PRV_M : PRV_S;
    if (!(riscv_pmp_check(cpu, block, CBO_BLOCK_BYTES, priv, &whole) &
          (PROT_R | PROT_W))) {
        riscv_raise(cpu, CAUSE_STORE_ACCESS, addr);
    }
    return 0;
}

static const HelperInfo cbo_check_info = {"cbo_check", (void *)helper_cbo_check,
                                          HELPER_FAULTS | HELPER_NO_RETURN_VALUE, 2};

static bool cbo_manage(DisasContext *ctx, const RiscvArgs *a, uint32_t bit) {
    if (!cbo_allowed(ctx, bit)) {
        return false;
    }
    RiscvAddress at = guest_address(ctx, a->rs1, 0);
    call_helper(ctx, &cbo_check_info, TEMP_NONE, at.base, const_i64(ctx, ctx->mmu_idx),
                TEMP_NONE, TEMP_NONE);
    return true;
}

bool trans_cbo_inval(DisasContext *ctx, const RiscvArgs *a) {
    return cbo_manage(ctx, a, CBO_INVAL_OK);
}
bool trans_cbo_clean(DisasContext *ctx, const RiscvArgs *a) {
    return cbo_manage(ctx, a, CBO_CLEAN_OK);
}
bool trans_cbo_flush(DisasContext *ctx, const RiscvArgs *a) {
    return cbo_manage(ctx, a, CBO_CLEAN_OK);
}

bool trans_cbo_zero(DisasContext *ctx, const RiscvArgs *a) {
    if (!cbo_allowed(ctx, CBO_ZERO_OK)) {
        return false;
    }
    RiscvAddress at = guest_address(ctx, a->rs1, 0);
    TempId block = new_i64(ctx);
    ir_op2i(ctx->ir, IR_and, IR_I64, block, at.base, ~(uint64_t)(CBO_BLOCK_BYTES - 1));
    for (int32_t i = 0; i < CBO_BLOCK_BYTES; i += 8) {
        ir_guest_st(ctx->ir, IR_I64, const_i64(ctx, 0), block, i, MO_64, ctx->mmu_idx);
    }
    return true;
}
