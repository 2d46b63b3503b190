/* SPDX-License-Identifier: MIT */
/*
 * A RISC-V hart: its class for the run loop, life, reset and dump. Its configuration is
 * in config.c.
 *
 * Reset follows the manual (3.4) where it says something and QEMU elsewhere: menvcfg
 * begins with ADUE and PBMTE on, so that a supervisor without firmware under it finds A
 * and D bits updated by hardware.
 */
#include "cpu/riscv/cpu.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/riscv/bits.h"
#include "cpu/riscv/csr.h"
#include "cpu/riscv/decode.h"
#include "tcg/backend.h"
#include "util/hostmem.h"

enum { DEFAULT_TIMEBASE_HZ = 10000000 };

/* --- life --------------------------------------------------------------------------- */
RiscvCPU *riscv_cpu_new(const RiscvConfig *cfg, uint64_t hartid) {
    RiscvCPU *cpu = hostmem_alloc(sizeof(*cpu)); /* the TLB is most of it */
    assert(cpu);
    cpu->cfg = *cfg;
    cpu->hartid = hartid;
    cpu->timebase_hz = DEFAULT_TIMEBASE_HZ;
    cpu->decoder = riscv_decoder_new(&cpu->cfg);
    return cpu;
}

static void riscv_cpu_free(CPUState *cs) {
    RiscvCPU *cpu = riscv_cpu(cs);
    if (cpu->stimer.clock) {
        timer_del(&cpu->stimer);
    }
    riscv_decoder_free((RiscvDecoder *)cpu->decoder);
    hostmem_free(cpu, sizeof(*cpu));
}

static uint64_t misa_of(const RiscvConfig *cfg) {
    const struct {
        bool on;
        char letter;
    } letters[] = {{cfg->a, 'A'}, {cfg->c, 'C'}, {cfg->d, 'D'}, {cfg->f, 'F'},
                   {true, 'I'},   {cfg->m, 'M'}, {cfg->s, 'S'}, {cfg->u, 'U'}};
    uint64_t misa =
        cfg->xlen == 32 ? (uint64_t)(int64_t)(int32_t)(UINT32_C(1) << 30) : BIT64(63);
    for (unsigned i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        misa |= letters[i].on ? BIT64(letters[i].letter - 'A') : 0;
    }
    return misa;
}

static void reset_mstatus(RiscvCPU *cpu) {
    RiscvEnv *env = &cpu->env;
    env->mstatus = 0;
    if (cpu->cfg.xlen == 64) {
        const uint64_t xl64 = 2;
        env->mstatus |= cpu->cfg.u ? xl64 << MSTATUS_UXL_SHIFT : 0;
        env->mstatus |= cpu->cfg.s ? xl64 << MSTATUS_SXL_SHIFT : 0;
    }
    if (!cpu->cfg.u) {
        env->mstatus |= MSTATUS_MPP; /* M, the only mode */
    }
}

static void riscv_cpu_reset(CPUState *cs) {
    RiscvCPU *cpu = riscv_cpu(cs);
    RiscvEnv *env = &cpu->env;
    TcgCpu *tcg = &cs->tcg;
    if (!cpu->stimer.clock) {
        timer_init(&cpu->stimer, cs->clock, riscv_stimer_fire, cpu);
    }
    timer_del(&cpu->stimer);
    /* Lines that devices drive keep their level. */
    uint64_t lines =
        __atomic_load_n(&env->mip, __ATOMIC_ACQUIRE) & (MIP_MSIP | MIP_MTIP | MIP_MEIP);
    uint64_t seip = __atomic_load_n(&env->mip_external_seip, __ATOMIC_ACQUIRE);
    memset(env, 0, sizeof(*env));
    env->mip = lines;
    env->mip_external_seip = seip;
    env->pc = cpu->reset_pc;
    env->priv = PRV_M;
    env->misa = misa_of(&cpu->cfg);
    reset_mstatus(cpu);
    env->menvcfg =
        (cpu->cfg.svadu ? ENVCFG_ADUE : 0) | (cpu->cfg.svpbmt ? ENVCFG_PBMTE : 0);
    env->stimecmp = UINT64_MAX;
    tcg->reservation_addr = UINT64_MAX;
    tcg->fault_taken = 0;
    if (tcg->backend) {
        tcg->backend->fp_set_flags(&tcg->fp, 0);
        tcg->backend->fp_set_round(&tcg->fp, FP_MODE_RNE);
    }
    cs->halted = false;
    riscv_trigger_reset(cpu);
    riscv_pmp_update(cpu); /* flushes the TLB and computes the flags */
}

/* --- dump --------------------------------------------------------------------------- */
static void dump_word(const RiscvCPU *cpu, FILE *out, uint64_t value) {
    if (riscv_is_rv32(cpu)) {
        fprintf(out, "%08" PRIx32, (uint32_t)value);
    } else {
        fprintf(out, "%016" PRIx64, value);
    }
}

static void dump_line(const RiscvCPU *cpu, FILE *out, const char *name, uint64_t value) {
    fprintf(out, " %-8s ", name);
    dump_word(cpu, out, value);
    fputc('\n', out);
}

static void dump_registers(const RiscvCPU *cpu, FILE *out, char letter,
                           const uint64_t *reg, const char *const *abi) {
    for (unsigned i = 0; i < 32; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%c%u/%s", letter, i, abi[i]);
        fprintf(out, " %-8s ", name);
        if (letter == 'f') {
            fprintf(out, "%016" PRIx64, reg[i]);
        } else {
            dump_word(cpu, out, reg[i]);
        }
        fputs(i % 4 == 3 ? "\n" : "", out);
    }
}

static void riscv_cpu_dump(const CPUState *cs, FILE *out) {
    const RiscvCPU *cpu = (const RiscvCPU *)cs;
    const RiscvEnv *env = &cpu->env;
    const bool dirty = (env->mstatus & MSTATUS_FS) == MSTATUS_FS;
    const uint64_t sd = riscv_is_rv32(cpu) ? MSTATUS32_SD : MSTATUS64_SD;
    const struct {
        const char *name;
        uint64_t value;
    } lines[] = {
        {"pc", env->pc},
        {"mhartid", cpu->hartid},
        {"mstatus", env->mstatus | (dirty ? sd : 0)},
        {"mip", riscv_mip(cpu)},
        {"mie", env->mie},
        {"mideleg", env->mideleg},
        {"medeleg", env->medeleg},
        {"mtvec", env->mtvec},
        {"stvec", env->stvec},
        {"mepc", env->mepc},
        {"sepc", env->sepc},
        {"mcause", env->mcause},
        {"scause", env->scause},
        {"mtval", env->mtval},
        {"stval", env->stval},
        {"mscratch", env->mscratch},
        {"sscratch", env->sscratch},
        {"satp", env->satp},
    };
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        dump_line(cpu, out, lines[i].name, lines[i].value);
    }
    dump_registers(cpu, out, 'x', env->gpr, riscv_gpr_names);
    if (cpu->cfg.f) {
        dump_registers(cpu, out, 'f', env->fpr, riscv_fpr_names);
    }
}

/* --- the class ---------------------------------------------------------------------- */
void riscv_declare_globals(const CPUState *cpu, IrContext *ir);

static vaddr riscv_get_pc(const CPUState *cs) {
    return ((const RiscvCPU *)cs)->env.pc;
}

static void riscv_set_pc(CPUState *cs, vaddr pc) {
    riscv_cpu(cs)->env.pc = pc;
}

static void riscv_debug_changed(CPUState *cs) {
    riscv_update_flags(riscv_cpu(cs));
}

static bool riscv_wants_alignment(const CPUState *cs) {
    return !((const RiscvCPU *)cs)->cfg.misaligned;
}

static CPUState *riscv_new_like(const CPUState *cs) {
    const RiscvCPU *cpu = (const RiscvCPU *)cs;
    return &riscv_cpu_new(&cpu->cfg, cpu->hartid)->parent;
}

static vaddr riscv_next_page(const CPUState *cs, vaddr addr) {
    vaddr next = (addr | PAGE_OFFSET_MASK) + 1;
    return riscv_is_rv32((const RiscvCPU *)cs) ? (uint32_t)next : next;
}

const CpuClass riscv_cpu_class = {
    .name = "riscv",
    .declare_globals = riscv_declare_globals,
    .pc_offset = offsetof(RiscvEnv, pc),
    .get_pc = riscv_get_pc,
    .set_pc = riscv_set_pc,
    .translate = riscv_translate,
    .tlb_fill = riscv_tlb_fill,
    .debug_translate = riscv_debug_translate,
    .fetch_mmu_idx = riscv_fetch_mmu_idx,
    .misaligned = riscv_misaligned,
    .bus_error = riscv_bus_error,
    .wants_alignment = riscv_wants_alignment,
    .take_interrupt = riscv_take_interrupt,
    .has_work = riscv_has_work,
    .check_watch = riscv_trigger_check,
    .debug_changed = riscv_debug_changed,
    .reset = riscv_cpu_reset,
    .dump = riscv_cpu_dump,
    .disassemble = riscv_disassemble,
    .registers = &riscv_registers,
    .free = riscv_cpu_free,
    .new_like = riscv_new_like,
    .next_page = riscv_next_page,
    .decode_fields = riscv_decode_fields,
    .branch_target = riscv_branch_target,
    .state = &riscv_state_class,
};
