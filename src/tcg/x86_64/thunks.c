/* SPDX-License-Identifier: MIT */
/*
 * Fixed code at the head of the code buffer: the way in, the way out, and what blocks
 * share.
 *
 *   enter ----> block ----> block ----> epilogue
 *                 |  ^
 *                 v  |
 *               slow       TLB miss, MMIO, soft FP
 *               lookup     indirect jump
 *               helper_*   calls of C
 */
#include <cpuid.h>

#include "tcg/x86_64/gen.h"

/* The spill slots lie at [rsp, SPILL_SLOTS * 8); above them the host's MXCSR. */
enum {
    FRAME_MXCSR = SPILL_SLOTS * 8,
    /* With six pushes and the return address: 16-byte aligned. */
    FRAME_SIZE = SPILL_SLOTS * 8 + 8,
    OP_STMXCSR = 3,
    OP_LDMXCSR = 2,
};
static const uint8_t callee_saved[] = {RBP, RBX, R12, R13, R14, R15};
static const uint8_t gpr_temps[] = {RAX, RCX, RDX, RSI, RDI};

enum { EACH_STORE, EACH_LOAD };

static void move_pinned(Emit *e, const X86Priv *priv, int what, bool caller_saved_only) {
    for (unsigned i = 0; i < priv->pinned_count; i++) {
        unsigned reg = pinned_regs[i];
        if (caller_saved_only && !(reg >= R8 && reg <= R11)) {
            continue;
        }
        uint32_t w = priv->reg_is32[reg] ? 0 : X_W;
        int32_t disp = priv->reg_offset[reg] - (int32_t)sizeof(TcgCpu) - ENV_BIAS;
        emit_rm(e, (what == EACH_STORE ? X_MOV_MR : X_MOV_RM) | w, reg, RBP, disp);
    }
}

static void move_temps(Emit *e, int what) {
    for (unsigned i = 0; i < sizeof(gpr_temps); i++) {
        emit_rm(e, (what == EACH_STORE ? X_MOV_MR : X_MOV_RM) | X_W, gpr_temps[i], RBP,
                CPU_DISP(saved_gpr) + gpr_temps[i] * 8);
    }
}

static void move_xmm(Emit *e, int what) {
    for (unsigned i = 0; i < 16; i++) {
        emit_rm(e, what == EACH_STORE ? 0xd6 | X_66 | X_0F : 0x7e | X_F3 | X_0F, XMM0 + i,
                RBP, CPU_DISP(saved_fpr) + (int)i * 8);
    }
}

static void emit_mxcsr(Emit *e, unsigned op, unsigned base, int32_t disp) {
    emit_rm(e, 0xae | X_0F, op, base, disp);
}

static void emit_call_abs(Emit *e, const void *fn) {
    emit_mov_imm_keep(e, RAX, (uint64_t)(uintptr_t)fn);
    emit_rr(e, 0xff, 2, RAX);
}

static void emit_lea_cpu(Emit *e, unsigned reg) {
    emit_rm(e, X_LEA | X_W, reg, RBP, -(int32_t)sizeof(TcgCpu) - ENV_BIAS);
}

static void align(Emit *e) {
    while ((uintptr_t)e->p & 15) {
        emit8(e, 0xcc);
    }
}

/* --- in and out --------------------------------------------------------------- */

/* uintptr_t enter(void *env, const void *code) */
static void emit_enter(Emit *e, X86Priv *priv) {
    priv->thunk.enter = e->p;
    for (unsigned i = 0; i < sizeof(callee_saved); i++) {
        if (callee_saved[i] >= R8) {
            emit8(e, 0x41);
        }
        emit8(e, 0x50 | (callee_saved[i] & 7));
    }
    emit_alu_imm(e, X_W, ALU_SUB, RSP, FRAME_SIZE);
    emit_rm(e, X_LEA | X_W, RBP, RDI, ENV_BIAS);
    emit_mxcsr(e, OP_STMXCSR, RSP, FRAME_MXCSR);
    emit_mxcsr(e, OP_LDMXCSR, RBP, CPU_DISP(fp.host));
    move_pinned(e, priv, EACH_LOAD, false);
    emit_rm(e, X_MOV_MR | X_W, RSP, RBP, CPU_DISP(frame));
    emit_rr(e, 0xff, 4, RSI); /* jmp rsi */

    align(e);
    priv->thunk.exit_lookup = e->p;
    emit_mov_imm(e, RAX, TB_EXIT_LOOKUP);
    priv->thunk.epilogue = e->p;
    emit_rm(e, 0xc7 | X_W, 0, RBP, CPU_DISP(frame)); /* mov qword [frame], 0 */
    emit32(e, 0);
    move_pinned(e, priv, EACH_STORE, false);
    emit_mxcsr(e, OP_STMXCSR, RBP, CPU_DISP(fp.host));
    emit_mxcsr(e, OP_LDMXCSR, RSP, FRAME_MXCSR);
    emit_alu_imm(e, X_W, ALU_ADD, RSP, FRAME_SIZE);
    for (unsigned i = sizeof(callee_saved); i-- > 0;) {
        if (callee_saved[i] >= R8) {
            emit8(e, 0x41);
        }
        emit8(e, 0x58 | (callee_saved[i] & 7));
    }
    emit8(e, 0xc3);
}

/* --- continue elsewhere ------------------------------------------------------- */

/* See give_back() in slowpath.c. Everything is in env: rax is free. */
static void emit_give_back(Emit *e, const X86Priv *priv) {
    if (priv->icount) {
        emit_rm(e, 0xb6 | X_0F, RAX, RBP, CPU_DISP(icount_ahead)); /* movzx */
        emit_rm(e, 0x01, RAX, RBP, CPU_DISP(icount_left));         /* add */
    }
}

static void emit_lookup(Emit *e, X86Priv *priv) {
    Thunks *t = &priv->thunk;
    align(e);
    t->lookup_rax = e->p;
    emit_rm(e, X_MOV_MR | X_W, RAX, RBP, env_disp(priv->pc_offset));
    t->lookup = e->p;
    move_pinned(e, priv, EACH_STORE, false);
    emit_lea_cpu(e, RDI);
    emit_rm(e, X_MOV_RM | X_W, RAX, RBP, CPU_DISP(ops));
    emit_rm(e, 0xff, 2, RAX, offsetof(TcgCpuOps, lookup));
    move_pinned(e, priv, EACH_LOAD, false);
    emit_rr(e, X_TEST | X_W, RAX, RAX);
    emit_jcc(e, CC_E, t->exit_lookup);
    emit_rr(e, 0xff, 4, RAX);

    align(e);
    t->fault = e->p;
    emit_give_back(e, priv);
    emit_rm(e, 0xc6, 0, RBP, CPU_DISP(fault_taken));
    emit8(e, 0);
    emit_jmp(e, t->lookup);

    align(e);
    t->stopped = e->p;
    emit_give_back(e, priv);
    emit_rm(e, 0xc6, 0, RBP, CPU_DISP(stop_after));
    emit8(e, 0);
    emit_jmp(e, t->exit_lookup);

    /* Called by 5 bytes at a dead block's entry, with the TB pointer in front of them. */
    align(e);
    t->killed = e->p;
    emit8(e, 0x58); /* pop rax */
    emit_rm(e, X_MOV_RM | X_W, RAX, RAX, -5 - 8);
    emit_rm(e, X_MOV_RM | X_W, RAX, RAX, offsetof(TranslationBlock, pc));
    emit_rm(e, X_MOV_MR | X_W, RAX, RBP, env_disp(priv->pc_offset));
    emit_jmp(e, t->exit_lookup);
}

/* --- slow paths --------------------------------------------------------------- */

/* Called from a cold stub: call thunk; jmp back; descriptor. Registers are where
 * x86_slow_path() finds and changes them: pinned globals in env, the rest in saved_gpr
 * and saved_fpr. */
static const uint8_t *emit_slow(Emit *e, X86Priv *priv, bool xmm) {
    align(e);
    const uint8_t *start = e->p;
    move_temps(e, EACH_STORE);
    move_pinned(e, priv, EACH_STORE, false);
    if (xmm) {
        move_xmm(e, EACH_STORE);
    }
    emit_rm(e, X_MOV_RM | X_W, RSI, RSP, 0);
    emit_alu_imm(e, X_W, ALU_ADD, RSI, SLOW_SKIP);
    emit_lea_cpu(e, RDI);
    emit_mov_imm_keep(e, RDX, (uint64_t)(uintptr_t)priv);
    emit_alu_imm(e, X_W, ALU_SUB, RSP, 8);
    emit_call_abs(e, (const void *)(uintptr_t)x86_slow_path);
    emit_alu_imm(e, X_W, ALU_ADD, RSP, 8);
    emit_rr(e, X_TEST | X_W, RAX, RAX);
    uint8_t *away = emit_jcc_later(e, CC_NE);
    if (xmm) {
        move_xmm(e, EACH_LOAD);
    }
    move_pinned(e, priv, EACH_LOAD, false);
    move_temps(e, EACH_LOAD);
    emit8(e, 0xc3);
    patch_rel32(away, e->p);
    move_pinned(e, priv, EACH_LOAD, false);
    emit_alu_imm(e, X_W, ALU_ADD, RSP, 8);
    emit_rr(e, 0xff, 4, RAX);
    return start;
}

/* --- helpers ------------------------------------------------------------------ */

static const uint8_t *emit_helper(Emit *e, X86Priv *priv, bool save_all, bool load_all,
                                  bool env) {
    align(e);
    const uint8_t *start = e->p;
    move_pinned(e, priv, EACH_STORE, !save_all);
    if (env) {
        emit_mov(e, X_W, R8, RDI);
        emit_rm(e, X_LEA | X_W, RDI, RBP, -ENV_BIAS);
    }
    emit_alu_imm(e, X_W, ALU_SUB, RSP, 8);
    emit_rr(e, 0xff, 2, RAX);
    emit_alu_imm(e, X_W, ALU_ADD, RSP, 8);
    move_pinned(e, priv, EACH_LOAD, !load_all);
    emit8(e, 0xc3);
    return start;
}

void thunks_emit(Emit *e, BackendState *bs, X86Priv *priv) {
    (void)bs;
    static const uint64_t constants[2 * FP_CONSTANTS] = {
        [2 * FP_CONST_NAN] = 0x7fc00000u,
        [2 * FP_CONST_NAN + 1] = 0x7ff8000000000000u,
        [2 * FP_CONST_U32_MAX] = 0x4f7fffffu,
        [2 * FP_CONST_U32_MAX + 1] = 0x41efffffffe00000u,
        [2 * FP_CONST_2_63] = 0x5f000000u,
        [2 * FP_CONST_2_63 + 1] = 0x43e0000000000000u,
    };
    Thunks *t = &priv->thunk;
    align(e);
    t->constants = e->p;
    for (unsigned i = 0; i < 2 * FP_CONSTANTS; i++) {
        emit64(e, constants[i]);
    }
    emit_enter(e, priv);
    emit_lookup(e, priv);
    t->slow = emit_slow(e, priv, false);
    t->slow_xmm = emit_slow(e, priv, true);
    t->helper_full = emit_helper(e, priv, true, true, true);
    t->helper_read = emit_helper(e, priv, true, false, true);
    t->helper_light = emit_helper(e, priv, false, false, true);
    t->helper_pure = emit_helper(e, priv, false, false, false);
}

/* --- the host ----------------------------------------------------------------- */

static uint64_t xgetbv0(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

uint32_t host_features(void) {
    unsigned a, b, c, d;
    uint32_t host = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) {
        return 0;
    }
    host |= c & bit_POPCNT ? HOST_POPCNT : 0;
    /* AVX registers are usable only if the OS saves them (XCR0 bits 1 and 2). */
    bool avx = c & bit_AVX && c & bit_OSXSAVE && (xgetbv0() & 6) == 6;
    host |= avx ? HOST_AVX : 0;
    host |= avx && c & bit_FMA ? HOST_FMA : 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        host |= avx && b & bit_BMI ? HOST_BMI1 : 0;
        host |= avx && b & bit_BMI2 ? HOST_BMI2 : 0;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
        host |= c & bit_LZCNT ? HOST_LZCNT : 0;
    }
    return host;
}
