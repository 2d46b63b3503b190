/* SPDX-License-Identifier: MIT */
/*
 * CSRs: what reading and writing each row of csr.def does.
 *
 *   csrrw ... --legal?--> row of csr.def --+--> a field of env, and a mask
 *     privilege, read-only,                '--> functions here
 *     FS, TVM, counter enables
 *
 * Values are 64 bits; RV32's are kept and given sign-extended, and registers of 64 bits
 * that RV32 sees in two halves are kept whole.
 *
 * Threads: the hart's own; mip and the SEIP line are atomic.
 * Spec: Privileged Architecture 20240411, chapters "Machine-Level ISA" and
 * "Supervisor-Level ISA".
 * Deviates: cycle and instret count nanoseconds of virtual time: counting retired
 * instructions would cost every block an addition. With -icount that is paid for, and they
 * count the instructions of all harts.
 * Not modelled: events of mhpmcounter3-31; they hold what is written
 * and do not count.
 */
#include "cpu/riscv/csr.h"

#include "cpu/exec.h"
#include "cpu/riscv/bits.h"
#include "tcg/backend.h"

#define LOW32      UINT64_C(0xffffffff)
#define NS_PER_SEC INT64_C(1000000000)

enum { FRM_SHIFT = 5, FFLAGS_MASK = 31, FRM_MASK = 7 };

/* Exceptions that may be delegated: all but those from M mode itself. */
#define MEDELEG_MASK                                                                     \
    (BIT64(CAUSE_INSN_MISALIGNED) | BIT64(CAUSE_INSN_ACCESS) | BIT64(CAUSE_ILLEGAL) |    \
     BIT64(CAUSE_BREAKPOINT) | BIT64(CAUSE_LOAD_MISALIGNED) | BIT64(CAUSE_LOAD_ACCESS) | \
     BIT64(CAUSE_STORE_MISALIGNED) | BIT64(CAUSE_STORE_ACCESS) | BIT64(CAUSE_ECALL_U) |  \
     BIT64(CAUSE_ECALL_S) | BIT64(CAUSE_INSN_PAGE) | BIT64(CAUSE_LOAD_PAGE) |            \
     BIT64(CAUSE_STORE_PAGE))

static uint64_t sext32(uint64_t v) {
    return (uint64_t)(int64_t)(int32_t)v;
}

/* The half of a 64-bit register that a CSR of this hart shows, and its replacement. */
static uint64_t low_part(const RiscvCPU *cpu, uint64_t v) {
    return riscv_is_rv32(cpu) ? sext32(v) : v;
}
static uint64_t high_part(uint64_t v) {
    return sext32(v >> 32);
}
static uint64_t with_low(const RiscvCPU *cpu, uint64_t old, uint64_t v) {
    return riscv_is_rv32(cpu) ? (old & ~LOW32) | (v & LOW32) : v;
}
static uint64_t with_high(uint64_t old, uint64_t v) {
    return (old & LOW32) | v << 32;
}

static uint64_t csr_read_zero(RiscvCPU *cpu, unsigned csr) {
    (void)cpu;
    (void)csr;
    return 0;
}

static uint64_t csr_read_mhartid(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return cpu->hartid;
}

/* --- floating point ----------------------------------------------------------------- */
static void fp_state_written(RiscvCPU *cpu) {
    cpu->env.mstatus |= MSTATUS_FS; /* dirty */
    riscv_switch_flags(cpu);
}

static uint64_t csr_read_fflags(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    TcgCpu *tcg = &cpu->parent.tcg;
    return tcg->backend ? tcg->backend->fp_get_flags(&tcg->fp) : tcg->fp.flags;
}

static void csr_write_fflags(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    TcgCpu *tcg = &cpu->parent.tcg;
    tcg->fp.flags = value & FFLAGS_MASK;
    if (tcg->backend) {
        tcg->backend->fp_set_flags(&tcg->fp, value & FFLAGS_MASK);
    }
    fp_state_written(cpu);
}

static void csr_write_frm(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    TcgCpu *tcg = &cpu->parent.tcg;
    cpu->env.frm = value & FRM_MASK;
    /* RMM and the reserved modes never reach the host's rounding: TBF_FRM_SOFT,
     * TBF_FRM_BAD. */
    unsigned round = cpu->env.frm <= FP_MODE_RUP ? (unsigned)cpu->env.frm : FP_MODE_RNE;
    tcg->fp.round = (uint8_t)round;
    if (tcg->backend) {
        tcg->backend->fp_set_round(&tcg->fp, round);
    }
    fp_state_written(cpu);
}

static uint64_t csr_read_fcsr(RiscvCPU *cpu, unsigned csr) {
    return cpu->env.frm << FRM_SHIFT | csr_read_fflags(cpu, csr);
}

static void csr_write_fcsr(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    csr_write_fflags(cpu, csr, value);
    csr_write_frm(cpu, csr, value >> FRM_SHIFT);
}

/* --- status ------------------------------------------------------------------------- */
static uint64_t status_view(const RiscvCPU *cpu, uint64_t mask) {
    uint64_t m = cpu->env.mstatus;
    bool dirty = (m & MSTATUS_FS) == MSTATUS_FS;
    uint64_t v = m & mask;
    if (riscv_is_rv32(cpu)) {
        return sext32(v | (dirty ? MSTATUS32_SD : 0));
    }
    return v | (dirty ? MSTATUS64_SD : 0);
}

uint64_t riscv_sstatus_mask(const RiscvConfig *cfg) {
    return MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM |
           MSTATUS_MXR | (cfg->xlen == 64 ? MSTATUS_UXL : 0);
}

/* Bits that this hart's mstatus has and software may write. */
static uint64_t mstatus_writable(const RiscvConfig *cfg) {
    uint64_t mask = MSTATUS_MIE | MSTATUS_MPIE;
    if (cfg->u) {
        mask |= MSTATUS_MPP | MSTATUS_MPRV | MSTATUS_TW;
    }
    if (cfg->s) {
        mask |= MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_SUM | MSTATUS_MXR |
                MSTATUS_TVM | MSTATUS_TSR;
    }
    if (cfg->f) {
        mask |= MSTATUS_FS;
    }
    return mask;
}

static bool mpp_legal(const RiscvConfig *cfg, uint64_t mstatus) {
    switch ((mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT) {
    case PRV_U:
        return cfg->u;
    case PRV_S:
        return cfg->s;
    case PRV_M:
        return true;
    default:
        return false;
    }
}

static void status_write(RiscvCPU *cpu, uint64_t value, uint64_t mask) {
    RiscvEnv *env = &cpu->env;
    uint64_t old = env->mstatus;
    uint64_t now = (old & ~mask) | (value & mask);
    if (!mpp_legal(&cpu->cfg, now)) {
        now = (now & ~MSTATUS_MPP) | (old & MSTATUS_MPP);
    }
    env->mstatus = now;
    uint64_t diff = old ^ now;
    if (diff & MSTATUS_MXR) {
        cpu_tlb_switch(&cpu->parent); /* MXR is part of the stamps */
    }
    if (diff & (MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR)) {
        riscv_update_flags(cpu);
    } else {
        riscv_switch_flags(cpu);
    }
}

static uint64_t csr_read_mstatus(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return status_view(cpu, ~UINT64_C(0));
}

static void csr_write_mstatus(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    status_write(cpu, value, mstatus_writable(&cpu->cfg));
}

static uint64_t csr_read_sstatus(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return status_view(cpu, riscv_sstatus_mask(&cpu->cfg));
}

static void csr_write_sstatus(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    status_write(cpu, value, riscv_sstatus_mask(&cpu->cfg) & mstatus_writable(&cpu->cfg));
}

/* --- interrupts --------------------------------------------------------------------- */
uint64_t riscv_mip(const RiscvCPU *cpu) {
    return __atomic_load_n(&cpu->env.mip, __ATOMIC_ACQUIRE) |
           __atomic_load_n(&cpu->env.mip_external_seip, __ATOMIC_ACQUIRE);
}

/* Only the bits of `mask` change; devices may be setting others at the same time. */
static void mip_write(RiscvCPU *cpu, uint64_t value, uint64_t mask) {
    __atomic_fetch_or(&cpu->env.mip, value & mask, __ATOMIC_SEQ_CST);
    __atomic_fetch_and(&cpu->env.mip, value | ~mask, __ATOMIC_SEQ_CST);
}

static uint64_t mip_writable(const RiscvCPU *cpu) {
    if (!cpu->cfg.s) {
        return 0;
    }
    /* With Sstc on, STIP is the comparator's. */
    return MIP_SSIP | MIP_SEIP | (cpu->env.menvcfg & ENVCFG_STCE ? 0 : MIP_STIP);
}

static uint64_t sip_writable(const RiscvCPU *cpu) {
    return MIP_SSIP & cpu->env.mideleg;
}

static uint64_t csr_read_mip(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return riscv_mip(cpu);
}

static void csr_write_mip(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    mip_write(cpu, value, mip_writable(cpu));
}

static uint64_t csr_read_sip(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return riscv_mip(cpu) & cpu->env.mideleg;
}

static void csr_write_sip(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    mip_write(cpu, value, sip_writable(cpu));
}

static void csr_write_mie(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    cpu->env.mie = value & (cpu->cfg.s ? MIP_ALL : MIP_ALL & ~MIP_S_BITS);
}

static uint64_t csr_read_sie(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return cpu->env.mie & cpu->env.mideleg;
}

static void csr_write_sie(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    uint64_t mask = cpu->env.mideleg;
    cpu->env.mie = (cpu->env.mie & ~mask) | (value & mask);
}

/* Modes 2 and 3 are reserved: such a write is ignored, base and all. */
static void tvec_write(uint64_t *tvec, uint64_t value) {
    if (!(value & 2)) {
        *tvec = value;
    }
}

static void csr_write_mtvec(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    tvec_write(&cpu->env.mtvec, value);
}

static void csr_write_stvec(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    tvec_write(&cpu->env.stvec, value);
}

/* --- counters ----------------------------------------------------------------------- */
static uint64_t counters_mask(const RiscvCPU *cpu) {
    return cpu->cfg.zihpm ? LOW32 : COUNTER_CY | COUNTER_TM | COUNTER_IR;
}

static void csr_write_mcounteren(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    cpu->env.mcounteren = low_part(cpu, value & counters_mask(cpu));
    riscv_update_flags(cpu);
}

static void csr_write_scounteren(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    cpu->env.scounteren = low_part(cpu, value & counters_mask(cpu));
    riscv_update_flags(cpu);
}

/* A counter is its offset while inhibited, else offset + virtual time, or with -icount the
 * instructions of all harts: they share one thread as if they shared one pipeline. */
static uint64_t counter_base(const RiscvCPU *cpu, uint64_t inhibit_bit) {
    const CPUState *cs = &cpu->parent;
    if (cpu->env.mcountinhibit & inhibit_bit) {
        return 0;
    }
    return cpu_group_icount_enabled(cs->group) ? cpu_group_icount(cs->group)
                                               : (uint64_t)clock_now_ns(cs->clock);
}

static void csr_write_mcountinhibit(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    RiscvEnv *env = &cpu->env;
    uint64_t cycle = env->mcycle_offset + counter_base(cpu, COUNTER_CY);
    uint64_t instret = env->minstret_offset + counter_base(cpu, COUNTER_IR);
    env->mcountinhibit = low_part(cpu, value & counters_mask(cpu) & ~COUNTER_TM);
    env->mcycle_offset = cycle - counter_base(cpu, COUNTER_CY);
    env->minstret_offset = instret - counter_base(cpu, COUNTER_IR);
}

static uint64_t cycle_now(const RiscvCPU *cpu) {
    return cpu->env.mcycle_offset + counter_base(cpu, COUNTER_CY);
}
static uint64_t instret_now(const RiscvCPU *cpu) {
    return cpu->env.minstret_offset + counter_base(cpu, COUNTER_IR);
}

static uint64_t csr_read_mcycle(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return low_part(cpu, cycle_now(cpu));
}
static uint64_t csr_read_mcycleh(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return high_part(cycle_now(cpu));
}
static uint64_t csr_read_minstret(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return low_part(cpu, instret_now(cpu));
}
static uint64_t csr_read_minstreth(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return high_part(instret_now(cpu));
}

static void csr_write_mcycle(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    uint64_t now = with_low(cpu, cycle_now(cpu), value);
    cpu->env.mcycle_offset = now - counter_base(cpu, COUNTER_CY);
}
static void csr_write_mcycleh(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    uint64_t now = with_high(cycle_now(cpu), value);
    cpu->env.mcycle_offset = now - counter_base(cpu, COUNTER_CY);
}
static void csr_write_minstret(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    uint64_t now = with_low(cpu, instret_now(cpu), value);
    cpu->env.minstret_offset = now - counter_base(cpu, COUNTER_IR);
}
static void csr_write_minstreth(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    uint64_t now = with_high(instret_now(cpu), value);
    cpu->env.minstret_offset = now - counter_base(cpu, COUNTER_IR);
}

enum { COUNTER_NUMBER_MASK = 31, FIRST_HPM = 3 };

static uint64_t *hpm_counter(RiscvCPU *cpu, unsigned csr) {
    return &cpu->env.mhpmcounter[(csr & COUNTER_NUMBER_MASK) - FIRST_HPM];
}
static uint64_t csr_read_hpmcounter(RiscvCPU *cpu, unsigned csr) {
    return low_part(cpu, *hpm_counter(cpu, csr));
}
static uint64_t csr_read_hpmcounterh(RiscvCPU *cpu, unsigned csr) {
    return high_part(*hpm_counter(cpu, csr));
}
static void csr_write_hpmcounter(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    *hpm_counter(cpu, csr) = with_low(cpu, *hpm_counter(cpu, csr), value);
}
static void csr_write_hpmcounterh(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    *hpm_counter(cpu, csr) = with_high(*hpm_counter(cpu, csr), value);
}

/* --- time --------------------------------------------------------------------------- */
static uint64_t read_time(const RiscvCPU *cpu) {
    if (cpu->read_time) {
        return cpu->read_time(cpu->read_time_opaque);
    }
    unsigned __int128 ns = (unsigned __int128)clock_now_ns(cpu->parent.clock);
    return (uint64_t)(ns * cpu->timebase_hz / NS_PER_SEC);
}

static uint64_t csr_read_time(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return low_part(cpu, read_time(cpu));
}
static uint64_t csr_read_timeh(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return high_part(read_time(cpu));
}

/* Sets STIP if time has come, else arms the timer for when it will. Locks: the machine
 * lock. */
static void stimer_update_locked(RiscvCPU *cpu) {
    if (!(cpu->env.menvcfg & ENVCFG_STCE)) {
        timer_del(&cpu->stimer);
        return;
    }
    uint64_t now = read_time(cpu), at = cpu->env.stimecmp;
    riscv_cpu_set_irq(cpu, IRQ_STI, now >= at);
    if (now >= at) {
        timer_del(&cpu->stimer);
        return;
    }
    /* Rounded up, so that the tick has come when the timer fires. */
    unsigned __int128 ns =
        ((unsigned __int128)(at - now) * NS_PER_SEC + cpu->timebase_hz - 1) /
        cpu->timebase_hz;
    int64_t start = clock_now_ns(cpu->parent.clock);
    bool never = ns > (unsigned __int128)(INT64_MAX - start);
    timer_mod(&cpu->stimer, never ? INT64_MAX : start + (int64_t)ns);
}

void riscv_stimer_fire(void *opaque) {
    stimer_update_locked(opaque);
}

static void stimer_update(RiscvCPU *cpu) {
    cpu_group_lock(cpu->parent.group);
    stimer_update_locked(cpu);
    cpu_group_unlock(cpu->parent.group);
}

static void stimecmp_set(RiscvCPU *cpu, uint64_t value) {
    cpu_group_lock(cpu->parent.group);
    cpu->env.stimecmp = value;
    stimer_update_locked(cpu);
    cpu_group_unlock(cpu->parent.group);
}

static uint64_t csr_read_stimecmp(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return low_part(cpu, cpu->env.stimecmp);
}
static uint64_t csr_read_stimecmph(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return high_part(cpu->env.stimecmp);
}
static void csr_write_stimecmp(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    stimecmp_set(cpu, with_low(cpu, cpu->env.stimecmp, value));
}
static void csr_write_stimecmph(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    stimecmp_set(cpu, with_high(cpu->env.stimecmp, value));
}

/* --- environment configuration ------------------------------------------------------ */
static uint64_t envcfg_legalize(const RiscvCPU *cpu, uint64_t old, uint64_t value,
                                bool machine) {
    const RiscvConfig *cfg = &cpu->cfg;
    uint64_t mask = cfg->s ? ENVCFG_FIOM : 0;
    mask |= cfg->zicbom ? ENVCFG_CBIE | ENVCFG_CBCFE : 0;
    mask |= cfg->zicboz ? ENVCFG_CBZE : 0;
    if (machine) {
        mask |= cfg->svadu ? ENVCFG_ADUE : 0;
        mask |= cfg->svpbmt ? ENVCFG_PBMTE : 0;
        mask |= cfg->sstc ? ENVCFG_STCE : 0;
    }
    uint64_t now = (old & ~mask) | (value & mask);
    if ((now & ENVCFG_CBIE) >> ENVCFG_CBIE_SHIFT == CBIE_RESERVED) {
        now = (now & ~ENVCFG_CBIE) | (old & ENVCFG_CBIE);
    }
    return now;
}

static void menvcfg_set(RiscvCPU *cpu, uint64_t value) {
    uint64_t old = cpu->env.menvcfg;
    uint64_t now = envcfg_legalize(cpu, old, value, true);
    cpu->env.menvcfg = now;
    uint64_t diff = old ^ now;
    if (diff & (ENVCFG_ADUE | ENVCFG_PBMTE)) {
        riscv_tlb_flush_all(cpu);
    }
    if (diff & ENVCFG_STCE) {
        stimer_update(cpu);
        if (!(now & ENVCFG_STCE)) { /* no timer sets it from now on */
            mip_write(cpu, 0, MIP_STIP);
        }
    }
    riscv_update_flags(cpu);
}

static uint64_t csr_read_menvcfg(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return low_part(cpu, cpu->env.menvcfg);
}
static uint64_t csr_read_menvcfgh(RiscvCPU *cpu, unsigned csr) {
    (void)csr;
    return high_part(cpu->env.menvcfg);
}
static void csr_write_menvcfg(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    menvcfg_set(cpu, with_low(cpu, cpu->env.menvcfg, value));
}
static void csr_write_menvcfgh(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    menvcfg_set(cpu, with_high(cpu->env.menvcfg, value));
}
static void csr_write_senvcfg(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    cpu->env.senvcfg = envcfg_legalize(cpu, cpu->env.senvcfg, value, false);
    riscv_update_flags(cpu);
}

/* --- address translation ------------------------------------------------------------ */
static bool satp_mode_legal(const RiscvConfig *cfg, unsigned mode) {
    if (mode == SATP_BARE) {
        return true;
    }
    unsigned first = cfg->xlen == 32 ? SATP_SV32 : SATP_SV39;
    return mode >= first && mode <= cfg->satp_max;
}

/* "If satp is written with an unsupported MODE, the entire write has no effect." */
static void csr_write_satp(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)csr;
    bool rv32 = riscv_is_rv32(cpu);
    unsigned mode = rv32 ? (unsigned)(value >> SATP32_MODE_SHIFT & 1)
                         : (unsigned)(value >> SATP64_MODE_SHIFT);
    uint64_t old = cpu->env.satp;
    if (!satp_mode_legal(&cpu->cfg, mode)) {
        return;
    }
    cpu->env.satp = rv32 ? sext32(value) : value;
    if (cpu->env.satp != old) {
        riscv_satp_changed(cpu, old);
        riscv_update_flags(cpu);
    }
}

static uint64_t csr_read_pmp(RiscvCPU *cpu, unsigned csr) {
    return riscv_pmp_read(cpu, csr);
}
static void csr_write_pmp(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    riscv_pmp_write(cpu, csr, value);
}
static uint64_t csr_read_trigger(RiscvCPU *cpu, unsigned csr) {
    return riscv_trigger_read(cpu, csr);
}
static void csr_write_trigger(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    riscv_trigger_write(cpu, csr, value);
}

/* --- the table ---------------------------------------------------------------------- */
/* The plain ways have no function. */
#define csr_read_field  NULL
#define csr_write_field NULL

static void csr_write_none(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    (void)cpu;
    (void)csr;
    (void)value;
}

static const CsrDef csr_defs[] = {
#define CSR(first, last, name, ext, field, mask, read, write, flags)                     \
    {first,                                                                              \
     last,                                                                               \
     name,                                                                               \
     offsetof(RiscvConfig, ext),                                                         \
     offsetof(RiscvEnv, field),                                                          \
     flags,                                                                              \
     mask,                                                                               \
     csr_read_##read,                                                                    \
     csr_write_##write},
#include "cpu/riscv/csr.def"
#undef CSR
};
enum { CSR_ROWS = sizeof(csr_defs) / sizeof(csr_defs[0]) };

const CsrDef *riscv_csr_row(unsigned index) {
    return index < CSR_ROWS ? &csr_defs[index] : NULL;
}

unsigned riscv_csr_row_index(const CsrDef *def) {
    return (unsigned)(def - csr_defs);
}

const CsrDef *riscv_csr_find(unsigned csr) {
    unsigned low = 0, high = CSR_ROWS;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (csr > csr_defs[mid].last) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < CSR_ROWS && csr >= csr_defs[low].first ? &csr_defs[low] : NULL;
}

const CsrDef *riscv_csr_get(const RiscvCPU *cpu, unsigned csr) {
    const CsrDef *def = riscv_csr_find(csr);
    if (!def || !*((const bool *)&cpu->cfg + def->ext)) {
        return NULL;
    }
    bool rv32_only = def->flags & CSRF_RV32 || (def->flags & CSRF_EVEN64 && csr & 1);
    return rv32_only && !riscv_is_rv32(cpu) ? NULL : def;
}

/* --- access ------------------------------------------------------------------------- */
static bool counter_readable(const RiscvCPU *cpu, uint64_t bit) {
    const RiscvEnv *env = &cpu->env;
    if (env->priv < PRV_M && !(env->mcounteren & bit)) {
        return false;
    }
    return env->priv != PRV_U || !cpu->cfg.s || (env->scounteren & bit);
}

bool riscv_csr_check(const RiscvCPU *cpu, unsigned csr) {
    if (riscv_csr_is_readonly(csr)) {
        return counter_readable(cpu, BIT64(csr & COUNTER_NUMBER_MASK));
    }
    /* stimecmp */
    return cpu->env.priv == PRV_M ||
           ((cpu->env.mcounteren & COUNTER_TM) && (cpu->env.menvcfg & ENVCFG_STCE));
}

uint64_t riscv_csr_load(RiscvCPU *cpu, const CsrDef *def, unsigned csr) {
    if (def->read) {
        return def->read(cpu, csr);
    }
    return *(const uint64_t *)((const char *)&cpu->env + def->field);
}

void riscv_csr_store(RiscvCPU *cpu, const CsrDef *def, unsigned csr, uint64_t value) {
    if (def->write) {
        def->write(cpu, csr, value);
    } else {
        uint64_t mask = def->flags & CSRF_PC ? riscv_pc_mask(&cpu->cfg) : def->mask;
        uint64_t *field = (uint64_t *)((char *)&cpu->env + def->field);
        *field = (*field & ~mask) | (value & mask);
    }
    if (def->flags & CSRF_STATE) {
        riscv_poll_interrupts(cpu);
    }
}

uint64_t riscv_csr_modify(RiscvCPU *cpu, const CsrDef *def, unsigned csr, RiscvCsrOp op,
                          uint64_t value) {
    uint64_t old = riscv_csr_load(cpu, def, csr);
    if (op == CSR_OP_WRITE) {
        riscv_csr_store(cpu, def, csr, value);
    } else if (!(def->flags & CSRF_ATOMIC)) {
        riscv_csr_store(cpu, def, csr, op == CSR_OP_SET ? old | value : old & ~value);
    } else {
        /* mip, sip: bits that the operand does not name stay as devices and SEIP's own
         * latch have them, whatever the read returned. */
        value &= def->write == csr_write_mip ? mip_writable(cpu) : sip_writable(cpu);
        if (op == CSR_OP_SET) {
            __atomic_fetch_or(&cpu->env.mip, value, __ATOMIC_SEQ_CST);
        } else {
            __atomic_fetch_and(&cpu->env.mip, ~value, __ATOMIC_SEQ_CST);
        }
        riscv_poll_interrupts(cpu);
    }
    return old;
}

/* The row if the access is legal here and now, else NULL. */
static const CsrDef *csr_legal(const RiscvCPU *cpu, unsigned csr, bool write) {
    const RiscvEnv *env = &cpu->env;
    const CsrDef *def = riscv_csr_get(cpu, csr);
    if (!def || env->priv < riscv_csr_min_priv(csr) ||
        (write && riscv_csr_is_readonly(csr))) {
        return NULL;
    }
    if (def->flags & CSRF_FP && !(env->mstatus & MSTATUS_FS)) {
        return NULL;
    }
    if (def->field == offsetof(RiscvEnv, satp) && env->priv == PRV_S &&
        (env->mstatus & MSTATUS_TVM)) {
        return NULL;
    }
    return def->flags & CSRF_CHECK && !riscv_csr_check(cpu, csr) ? NULL : def;
}

bool riscv_csr_read(RiscvCPU *cpu, unsigned csr, uint64_t *value) {
    const CsrDef *def = csr_legal(cpu, csr, false);
    if (def) {
        *value = riscv_csr_load(cpu, def, csr);
    }
    return def;
}

bool riscv_csr_write(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    const CsrDef *def = csr_legal(cpu, csr, true);
    if (def) {
        riscv_csr_store(cpu, def, csr, value);
    }
    return def;
}
