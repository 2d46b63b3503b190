/* SPDX-License-Identifier: MIT */
/*
 * A hart's state as a table: everything an instruction can see, and nothing that follows from the
 * rest.
 *
 *   saved     registers, CSRs, reservation, wait for interrupt, timer of stimecmp
 *   derived   TBF_* flags, PMP intervals, armed triggers, TLBs, rounding: riscv_post_load()
 *   fixed     misa's letters, hart id: the machine's identity
 *
 * The rounding mode follows from frm; the sticky flags live in the host's form while the hart runs
 * and are fetched by riscv_pre_save().
 *
 * Threads: the hart is parked, the machine lock held.
 */
#include "cpu/riscv/bits.h"
#include "cpu/riscv/cpu.h"
#include "tcg/backend.h"

enum { FRM_MASK = 7, FFLAGS_ALL = 31 };

static const StateField riscv_state[] = {
    STATE_ARRAY(RiscvCPU, env.gpr, STATE_U64, 32),
    STATE(RiscvCPU, env.pc, STATE_U64),
    STATE_ARRAY(RiscvCPU, env.fpr, STATE_U64, 32),
    STATE(RiscvCPU, env.priv, STATE_U64),
    STATE(RiscvCPU, env.mstatus, STATE_U64),
    STATE(RiscvCPU, env.misa, STATE_U64),
    STATE(RiscvCPU, env.medeleg, STATE_U64),
    STATE(RiscvCPU, env.mideleg, STATE_U64),
    STATE(RiscvCPU, env.mie, STATE_U64),
    STATE(RiscvCPU, env.mtvec, STATE_U64),
    STATE(RiscvCPU, env.mcounteren, STATE_U64),
    STATE(RiscvCPU, env.mcountinhibit, STATE_U64),
    STATE(RiscvCPU, env.mscratch, STATE_U64),
    STATE(RiscvCPU, env.mepc, STATE_U64),
    STATE(RiscvCPU, env.mcause, STATE_U64),
    STATE(RiscvCPU, env.mtval, STATE_U64),
    STATE(RiscvCPU, env.menvcfg, STATE_U64),
    STATE(RiscvCPU, env.mseccfg, STATE_U64),
    STATE(RiscvCPU, env.mip, STATE_U64),
    STATE(RiscvCPU, env.mip_external_seip, STATE_U64),
    STATE(RiscvCPU, env.stvec, STATE_U64),
    STATE(RiscvCPU, env.scounteren, STATE_U64),
    STATE(RiscvCPU, env.sscratch, STATE_U64),
    STATE(RiscvCPU, env.sepc, STATE_U64),
    STATE(RiscvCPU, env.scause, STATE_U64),
    STATE(RiscvCPU, env.stval, STATE_U64),
    STATE(RiscvCPU, env.senvcfg, STATE_U64),
    STATE(RiscvCPU, env.satp, STATE_U64),
    STATE(RiscvCPU, env.stimecmp, STATE_U64),
    STATE(RiscvCPU, env.frm, STATE_U64),
    STATE(RiscvCPU, parent.tcg.fp.flags, STATE_U8),
    STATE(RiscvCPU, env.mcycle_offset, STATE_U64),
    STATE(RiscvCPU, env.minstret_offset, STATE_U64),
    STATE_ARRAY(RiscvCPU, env.mhpmcounter, STATE_U64, RISCV_HPM_COUNT),
    STATE_ARRAY(RiscvCPU, env.mhpmevent, STATE_U64, RISCV_HPM_COUNT),
    STATE_ARRAY(RiscvCPU, env.pmpcfg, STATE_U8, RISCV_PMP_COUNT),
    STATE_ARRAY(RiscvCPU, env.pmpaddr, STATE_U64, RISCV_PMP_COUNT),
    STATE(RiscvCPU, env.tselect, STATE_U64),
    STATE_ARRAY(RiscvCPU, env.tdata1, STATE_U64, RISCV_TRIGGER_COUNT),
    STATE_ARRAY(RiscvCPU, env.tdata2, STATE_U64, RISCV_TRIGGER_COUNT),
    STATE(RiscvCPU, env.tcontrol, STATE_U64),
    STATE(RiscvCPU, parent.tcg.reservation_addr, STATE_U64),
    STATE(RiscvCPU, parent.tcg.reservation_value, STATE_U64),
    STATE(RiscvCPU, parent.halted, STATE_BOOL),
    STATE(RiscvCPU, stimer, STATE_TIMER),
    STATE_END,
};

static void riscv_pre_save(CPUState *cs) {
    TcgCpu *tcg = &cs->tcg;
    if (tcg->backend) {
        tcg->fp.flags = (uint8_t)tcg->backend->fp_get_flags(&tcg->fp);
    }
}

/* What indexes a table here must be in range whatever a file says. */
static void legalize(RiscvCPU *cpu) {
    RiscvEnv *env = &cpu->env;
    env->gpr[0] = 0;
    if (env->priv != PRV_U && env->priv != PRV_S) {
        env->priv = PRV_M;
    }
    if ((env->mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT == 2) {
        env->mstatus &= ~(uint64_t)MSTATUS_MPP;
    }
    if (cpu->cfg.xlen == 64) {
        unsigned mode = (unsigned)(env->satp >> SATP64_MODE_SHIFT);
        bool known =
            mode == SATP_BARE || (mode >= SATP_SV39 && mode <= cpu->cfg.satp_max);
        env->satp = known ? env->satp : 0;
    }
    env->tselect %= RISCV_TRIGGER_COUNT;
    env->frm &= FRM_MASK;
    cpu->parent.tcg.fp.flags &= FFLAGS_ALL;
}

static void riscv_post_load(CPUState *cs) {
    RiscvCPU *cpu = riscv_cpu(cs);
    TcgCpu *tcg = &cs->tcg;
    legalize(cpu);
    unsigned round =
        cpu->env.frm <= FP_MODE_RUP ? (unsigned)cpu->env.frm : (unsigned)FP_MODE_RNE;
    tcg->fp.round = (uint8_t)round;
    if (tcg->backend) {
        tcg->backend->fp_set_flags(&tcg->fp, tcg->fp.flags);
        tcg->backend->fp_set_round(&tcg->fp, round);
    }
    tcg->fault_taken = 0;
    cs->idle_spins = 0;
    riscv_trigger_update(cpu);
    riscv_pmp_update(cpu); /* flushes the TLB and computes the flags */
    __atomic_store_n(&tcg->exit_request, 1, __ATOMIC_SEQ_CST); /* look for interrupts */
}

const CpuStateClass riscv_state_class = {
    .fields = riscv_state,
    .version = 1,
    .pre_save = riscv_pre_save,
    .post_load = riscv_post_load,
};
