/* SPDX-License-Identifier: MIT */
/*
 * Traps: how a hart enters a handler, how it comes back, and which interrupt goes first.
 *
 *              ecall, fault, interrupt                    xRET
 *   U, S, M ---------------------------> handler in S ----------> mode in SPP
 *            '-- not delegated --------> handler in M ----------> mode in MPP
 *                 (medeleg, mideleg)
 *
 * Code depends on the mode through TBF_*: the flags word is composed of a part that
 * rarely changes (flags_base, one a mode) and a few bits of mstatus, so that a trap costs
 * no more than its CSRs. No TLB is flushed: each mode has its mmu index.
 *
 * Spec: Privileged Architecture 20240411, 3.1.6 (mstatus), 3.1.8 (delegation), 3.1.9
 * (mip, mie), 3.3.2 (xRET), 4.1.1; Debug 1.0, 5.7.4 (tcontrol).
 */
#include "cpu/exec.h"
#include "cpu/riscv/bits.h"
#include "cpu/riscv/cpu.h"
#include "util/counter.h"

enum { TVEC_VECTORED = 1, TVEC_MODE_MASK = 3, VECTOR_BYTES = 4, CAUSE_CODE_MASK = 63 };
enum { TCONTROL_MTE = 1 << 3, TCONTROL_MPTE = 1 << 7 };
enum { FRM_RMM = 4 };

static bool is_interrupt(uint64_t cause) {
    return (int64_t)cause < 0;
}

/* --- flags -------------------------------------------------------------------------- */
static bool paging_on(const RiscvCPU *cpu) {
    unsigned shift = riscv_is_rv32(cpu) ? SATP32_MODE_SHIFT : SATP64_MODE_SHIFT;
    return cpu->env.satp >> shift != SATP_BARE;
}

static uint32_t cbo_flags(const RiscvCPU *cpu, unsigned priv) {
    uint64_t cfg = ~UINT64_C(0);
    if (priv < PRV_M) {
        cfg &= cpu->env.menvcfg;
    }
    bool inval = cfg & ENVCFG_CBIE;
    if (priv == PRV_U && cpu->cfg.s) {
        cfg &= cpu->env.senvcfg;
        inval = inval && (cpu->env.senvcfg & ENVCFG_CBIE);
    }
    return (inval ? CBO_INVAL_OK : 0) | (cfg & ENVCFG_CBCFE ? CBO_CLEAN_OK : 0) |
           (cfg & ENVCFG_CBZE ? CBO_ZERO_OK : 0);
}

static bool counters_open(const RiscvCPU *cpu, unsigned priv) {
    const uint64_t all = COUNTER_CY | COUNTER_TM | COUNTER_IR;
    if (priv < PRV_M && (cpu->env.mcounteren & all) != all) {
        return false;
    }
    return priv != PRV_U || !cpu->cfg.s || (cpu->env.scounteren & all) == all;
}

static uint32_t flags_of_priv(const RiscvCPU *cpu, unsigned priv) {
    const RiscvEnv *env = &cpu->env;
    uint32_t flags = priv << TBF_PRIV_SHIFT | cbo_flags(cpu, priv) << TBF_CBO_SHIFT;
    flags |= counters_open(cpu, priv) ? TBF_CSR_COUNTERS : 0;
    flags |= cpu->cfg.misaligned ? 0 : TBF_ALIGN;
    flags |= cpu->parent.debug.one_insn ? TBF_STEP : 0;
    flags |= cpu->parent.debug.one_block ? TBF_BLOCK : 0;
    flags |= env->triggers_armed & 1u << ACCESS_FETCH ? TBF_TRIGGERS : 0;
    /* Rights to run the next page may be withdrawn by PMP as well as by page tables. */
    bool checked = priv == PRV_M ? env->pmp_locked : paging_on(cpu) || env->pmp_active;
    flags |= checked ? TBF_PAGED : 0;
    if (priv < PRV_M) {
        flags |= env->mstatus & MSTATUS_TW ? TBF_TW : 0;
    }
    if (priv == PRV_S) {
        flags |= env->mstatus & MSTATUS_TVM ? TBF_TVM : 0;
        flags |= env->mstatus & MSTATUS_TSR ? TBF_TSR : 0;
    }
    return flags;
}

static unsigned data_mmu_idx(const RiscvEnv *env) {
    unsigned priv = (unsigned)env->priv;
    if (priv == PRV_M && (env->mstatus & MSTATUS_MPRV)) {
        priv = (unsigned)((env->mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT);
    }
    if (priv == PRV_S) {
        return env->mstatus & MSTATUS_SUM ? MMU_S_SUM : MMU_S;
    }
    return priv == PRV_U ? MMU_U : MMU_M;
}

void riscv_switch_flags(RiscvCPU *cpu) {
    const RiscvEnv *env = &cpu->env;
    uint32_t flags = env->flags_base[env->priv];
    flags |= data_mmu_idx(env) << TBF_MMU_SHIFT;
    flags |= (uint32_t)((env->mstatus & MSTATUS_FS) >> MSTATUS_FS_SHIFT) << TBF_FS_SHIFT;
    if (env->frm >= FRM_RMM) {
        flags |= env->frm == FRM_RMM ? TBF_FRM_SOFT : TBF_FRM_BAD;
    }
    cpu->parent.tcg.jump_tag.flags = flags;
}

void riscv_update_flags(RiscvCPU *cpu) {
    for (unsigned priv = PRV_U; priv <= PRV_M; priv++) {
        cpu->env.flags_base[priv] = flags_of_priv(cpu, priv);
    }
    riscv_switch_flags(cpu);
}

/* --- entering a handler ------------------------------------------------------------- */
const char *riscv_cause_name(uint64_t cause) {
    static const char *const exceptions[] = {
        "misaligned fetch", "fetch access fault", "illegal instruction",
        "breakpoint",       "misaligned load",    "load access fault",
        "misaligned store", "store access fault", "ecall from U",
        "ecall from S",     "reserved",           "ecall from M",
        "fetch page fault", "load page fault",    "reserved",
        "store page fault",
    };
    static const char *const interrupts[] = {
        "reserved", "S software", "reserved", "M software", "reserved", "S timer",
        "reserved", "M timer",    "reserved", "S external", "reserved", "M external",
    };
    unsigned code = cause & CAUSE_CODE_MASK;
    if (is_interrupt(cause)) {
        return code < sizeof(interrupts) / sizeof(interrupts[0]) ? interrupts[code]
                                                                 : "reserved";
    }
    return code < sizeof(exceptions) / sizeof(exceptions[0]) ? exceptions[code]
                                                             : "reserved";
}

static vaddr handler(const RiscvCPU *cpu, uint64_t tvec, uint64_t cause) {
    vaddr pc = tvec & ~(uint64_t)TVEC_MODE_MASK;
    if (is_interrupt(cause) && (tvec & TVEC_MODE_MASK) == TVEC_VECTORED) {
        pc += VECTOR_BYTES * (cause & CAUSE_CODE_MASK);
    }
    return riscv_is_rv32(cpu) ? (uint32_t)pc : pc;
}

static void log_trap(const RiscvCPU *cpu, uint64_t cause, uint64_t tval, vaddr epc,
                     bool to_s) {
    log_printf(
        cpu->parent.log, LOG_INT,
        "trap: hart:%u, %s, cause:%u (%s), epc:0x%llx, tval:0x%llx, from:%u, to:%c\n",
        cpu->parent.index, is_interrupt(cause) ? "interrupt" : "exception",
        (unsigned)(cause & CAUSE_CODE_MASK), riscv_cause_name(cause),
        (unsigned long long)epc, (unsigned long long)tval, (unsigned)cpu->env.priv,
        to_s ? 'S' : 'M');
}

static void trap_to_s(RiscvCPU *cpu, uint64_t cause, uint64_t tval, vaddr epc) {
    RiscvEnv *env = &cpu->env;
    uint64_t m = env->mstatus;
    uint64_t spie = m & MSTATUS_SIE ? MSTATUS_SPIE : 0;
    env->mstatus = (m & ~(MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP)) | spie |
                   env->priv << MSTATUS_SPP_SHIFT;
    env->scause = cause;
    env->sepc = epc;
    env->stval = tval;
    env->priv = PRV_S;
    env->pc = handler(cpu, env->stvec, cause);
}

static void trap_to_m(RiscvCPU *cpu, uint64_t cause, uint64_t tval, vaddr epc) {
    RiscvEnv *env = &cpu->env;
    uint64_t m = env->mstatus;
    uint64_t mpie = m & MSTATUS_MIE ? MSTATUS_MPIE : 0;
    env->mstatus = (m & ~(MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP)) | mpie |
                   env->priv << MSTATUS_MPP_SHIFT;
    env->mcause = cause;
    env->mepc = epc;
    env->mtval = tval;
    env->priv = PRV_M;
    env->pc = handler(cpu, env->mtvec, cause);
    env->tcontrol = env->tcontrol & TCONTROL_MTE ? TCONTROL_MPTE : 0;
}

/* After the registers are those of the handler. */
static void trace_trap(RiscvCPU *cpu, uint64_t cause, uint64_t tval, vaddr epc,
                       uint64_t from) {
    Trace *t = cpu->parent.trace;
    TraceKind kind = is_interrupt(cause) ? TRACE_INTERRUPT : TRACE_EXCEPTION;
    if (trace_on(t, kind)) {
        trace_emit(t, kind, (int)cpu->parent.index, cause & CAUSE_CODE_MASK, epc,
                   is_interrupt(cause) ? cpu->env.pc : tval, from << 4 | cpu->env.priv);
    }
}

static void count_trap(CpuCounters *c, uint64_t cause) {
    if (is_interrupt(cause)) {
        counter_up(&c->interrupts);
        return;
    }
    counter_up(&c->exceptions);
    if (cause == CAUSE_ECALL_U) {
        counter_up(&c->calls);
    } else if (cause == CAUSE_INSN_PAGE || cause == CAUSE_LOAD_PAGE ||
               cause == CAUSE_STORE_PAGE) {
        counter_up(&c->page_faults);
    }
}

static void trace_return(RiscvCPU *cpu, unsigned level) {
    Trace *t = cpu->parent.trace;
    if (trace_on(t, TRACE_RETURN)) {
        trace_emit(t, TRACE_RETURN, (int)cpu->parent.index, level, cpu->env.pc,
                   (uint64_t)level << 4 | cpu->env.priv, 0);
    }
}

void riscv_enter_trap(RiscvCPU *cpu, uint64_t cause, uint64_t tval, vaddr epc) {
    RiscvEnv *env = &cpu->env;
    uint64_t delegated = is_interrupt(cause) ? env->mideleg : env->medeleg;
    bool to_s = env->priv <= PRV_S && (delegated >> (cause & CAUSE_CODE_MASK) & 1);
    if (cpu->parent.log && log_enabled(cpu->parent.log, LOG_INT)) {
        log_trap(cpu, cause, tval, epc, to_s);
    }
    if (riscv_is_rv32(cpu)) {
        tval = (uint64_t)(int64_t)(int32_t)tval;
        epc = (uint64_t)(int64_t)(int32_t)epc;
    }
    uint64_t from = env->priv;
    if (to_s) {
        trap_to_s(cpu, cause, tval, epc);
    } else {
        trap_to_m(cpu, cause, tval, epc);
    }
    cpu->interrupts_taken[cause & CAUSE_CODE_MASK] += is_interrupt(cause);
    count_trap(&cpu->parent.counters, cause);
    trace_trap(cpu, cause, tval, epc, from);
    riscv_switch_flags(cpu);
    if (__builtin_expect(cpu->parent.debug.busy, 0)) {
        debug_note_trap(&cpu->parent);
    }
}

void riscv_raise(RiscvCPU *cpu, RiscvCause cause, uint64_t tval) {
    riscv_enter_trap(cpu, cause, tval, cpu->env.pc);
    cpu->parent.tcg.fault_taken = 1;
}

void riscv_bus_error(CPUState *cs, vaddr addr, AccessKind kind) {
    static const RiscvCause causes[] = {CAUSE_LOAD_ACCESS, CAUSE_STORE_ACCESS,
                                        CAUSE_INSN_ACCESS};
    riscv_raise(riscv_cpu(cs), causes[kind], addr);
}

void riscv_misaligned(CPUState *cs, vaddr addr, AccessKind kind) {
    static const RiscvCause causes[] = {CAUSE_LOAD_MISALIGNED, CAUSE_STORE_MISALIGNED,
                                        CAUSE_INSN_MISALIGNED};
    RiscvCPU *cpu = riscv_cpu(cs);
    bool watched = cpu->env.triggers_armed & 1u << kind;
    if (!watched || !riscv_trigger_check(cs, addr, 1, kind)) { /* it goes before */
        riscv_raise(cpu, causes[kind], addr);
    }
}

/* --- coming back -------------------------------------------------------------------- */
static vaddr return_pc(const RiscvCPU *cpu, uint64_t epc) {
    vaddr pc = epc & riscv_pc_mask(&cpu->cfg);
    return riscv_is_rv32(cpu) ? (uint32_t)pc : pc;
}

void riscv_mret(RiscvCPU *cpu) {
    RiscvEnv *env = &cpu->env;
    uint64_t m = env->mstatus;
    uint64_t mie = m & MSTATUS_MPIE ? MSTATUS_MIE : 0;
    unsigned to = (unsigned)((m & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT);
    unsigned least = cpu->cfg.u ? PRV_U : PRV_M;
    uint64_t clear = MSTATUS_MIE | MSTATUS_MPP | (to == PRV_M ? 0 : MSTATUS_MPRV);
    env->mstatus =
        (m & ~clear) | mie | MSTATUS_MPIE | (uint64_t)least << MSTATUS_MPP_SHIFT;
    env->priv = to;
    env->pc = return_pc(cpu, env->mepc);
    uint64_t mpte = env->tcontrol & TCONTROL_MPTE;
    env->tcontrol = mpte ? TCONTROL_MPTE | TCONTROL_MTE : 0;
    trace_return(cpu, PRV_M);
    riscv_switch_flags(cpu);
    riscv_poll_interrupts(cpu);
}

void riscv_sret(RiscvCPU *cpu) {
    RiscvEnv *env = &cpu->env;
    uint64_t m = env->mstatus;
    uint64_t sie = m & MSTATUS_SPIE ? MSTATUS_SIE : 0;
    unsigned to = m & MSTATUS_SPP ? PRV_S : PRV_U;
    uint64_t clear = MSTATUS_SIE | MSTATUS_SPP | MSTATUS_MPRV;
    env->mstatus = (m & ~clear) | sie | MSTATUS_SPIE;
    env->priv = to;
    env->pc = return_pc(cpu, env->sepc);
    trace_return(cpu, PRV_S);
    riscv_switch_flags(cpu);
    riscv_poll_interrupts(cpu);
}

/* --- interrupts --------------------------------------------------------------------- */
int riscv_pending_interrupt(const RiscvCPU *cpu) {
    const RiscvEnv *env = &cpu->env;
    uint64_t pending = riscv_mip(cpu) & env->mie;
    if (!pending) {
        return -1;
    }
    uint64_t m = 0, s = 0;
    if (env->priv < PRV_M || (env->mstatus & MSTATUS_MIE)) {
        m = pending & ~env->mideleg;
    }
    if (env->priv < PRV_S || (env->priv == PRV_S && (env->mstatus & MSTATUS_SIE))) {
        s = pending & env->mideleg;
    }
    uint64_t ready = m ? m : s; /* those for M mode go first */
    static const uint8_t order[] = {IRQ_MEI, IRQ_MSI, IRQ_MTI, IRQ_SEI, IRQ_SSI, IRQ_STI};
    for (unsigned i = 0; i < sizeof(order); i++) {
        if (ready >> order[i] & 1) {
            return order[i];
        }
    }
    return -1;
}

bool riscv_take_interrupt(CPUState *cs) {
    RiscvCPU *cpu = riscv_cpu(cs);
    int irq = riscv_pending_interrupt(cpu);
    if (irq < 0) {
        return false;
    }
    uint64_t bit = riscv_is_rv32(cpu) ? CAUSE_INTERRUPT_32 : CAUSE_INTERRUPT_64;
    riscv_enter_trap(cpu, bit | (unsigned)irq, 0, cpu->env.pc);
    return true;
}

bool riscv_has_work(const CPUState *cs) {
    const RiscvCPU *cpu = (const RiscvCPU *)cs;
    return riscv_mip(cpu) & cpu->env.mie;
}

void riscv_poll_interrupts(RiscvCPU *cpu) {
    if (riscv_pending_interrupt(cpu) >= 0) {
        __atomic_store_n(&cpu->parent.tcg.exit_request, 1, __ATOMIC_RELEASE);
        cpu_icount_leave(cpu->parent.group);
    }
}

void riscv_cpu_set_irq(RiscvCPU *cpu, unsigned irq, bool level) {
    uint64_t bit = BIT64(irq);
    /* The controller's SEIP line is not the bit that software may write. */
    uint64_t *word = irq == IRQ_SEI ? &cpu->env.mip_external_seip : &cpu->env.mip;
    uint64_t was = level ? __atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST)
                         : __atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
    bool changed = !(was & bit) == level;
    if (changed && level) {
        __atomic_fetch_add(&cpu->interrupts_raised[irq], 1, __ATOMIC_RELAXED);
    }
    if (changed && trace_on(cpu->parent.trace, TRACE_HART_LINE)) {
        trace_emit(cpu->parent.trace, TRACE_HART_LINE, (int)cpu->parent.index, irq, level,
                   0, 0);
    }
    if (level && (changed || irq == IRQ_MSI)) {
        /* Software sends an IPI again to say something new: that ends a nap (exec.c, halt()). */
        cpu_kick(&cpu->parent);
    }
}
