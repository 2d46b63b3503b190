/* SPDX-License-Identifier: MIT */
/*
 * RiscvCPU: a RISC-V hart's registers, in the order of the privileged manual.
 *
 * RV32 keeps every register sign-extended to 64 bits, so the same tables and the same IR serve both:
 * an RV32 `add` is RV64's `addw`; addresses are zero-extended when used.
 *
 * Spec: RISC-V Unprivileged ISA 20240411, Privileged Architecture 20240411, Debug 1.0 (triggers).
 */
#ifndef VITRINE_CPU_RISCV_CPU_H
#define VITRINE_CPU_RISCV_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/cpu.h"

enum { PRV_U = 0, PRV_S = 1, PRV_M = 3 };

/* mmu indices: the TLB's modes. */
enum { MMU_U = 0, MMU_S = 1, MMU_S_SUM = 2, MMU_M = 3 };

enum {
    RISCV_PMP_COUNT = 16,
    RISCV_TRIGGER_COUNT = 4,
    RISCV_HPM_COUNT = 29,
    RISCV_ASID_SETS = 64
};

/* TranslationBlock.flags: everything a block's code depends on besides its bytes. */
enum {
    TBF_PRIV_SHIFT = 0,    /* 2 bits: PRV_* */
    TBF_MMU_SHIFT = 2,     /* 2 bits: mmu index of loads and stores (MPRV, SUM) */
    TBF_FS_SHIFT = 4,      /* 2 bits: mstatus.FS */
    TBF_FRM_SOFT = 1 << 6, /* frm is RMM: dynamic rounding by the exact software path */
    /* frm is reserved: dynamic rounding is an illegal instruction. */
    TBF_FRM_BAD = 1 << 7,
    TBF_PAGED = 1 << 8, /* fetches are translated: chains may not leave the page */
    /* An execute trigger is armed: one instruction a block, checked. */
    TBF_TRIGGERS = 1 << 9,
    TBF_STEP = 1 << 10,  /* single step */
    TBF_BLOCK = 1 << 20, /* leave after the block */
    TBF_TO_DEBUGGER = TBF_STEP | TBF_BLOCK,
    TBF_TVM = 1 << 11,
    TBF_TW = 1 << 12,
    TBF_TSR = 1 << 13,
    TBF_ALIGN = 1 << 14, /* misaligned accesses fault (cfg.misaligned == false) */
    TBF_CBO_SHIFT = 15,  /* 3 bits: cbo.inval, cbo.clean/flush, cbo.zero allowed here */
    /* cycle/time/instret readable here without further checks. */
    TBF_CSR_COUNTERS = 1 << 18,
};

/* Which extensions a hart has. One bool an extension, named as in the ISA string. */
typedef struct RiscvConfig {
    unsigned xlen; /* 32 or 64 */
#define RISCV_EXT(id, text, dflt) bool id;
#include "cpu/riscv/ext.def"
#undef RISCV_EXT
    bool misaligned; /* loads and stores may be misaligned */
    /* Deepest paging mode: 0 bare, 8 Sv39, 9 Sv48, 10 Sv57; RV32: 1 Sv32. */
    unsigned satp_max;
} RiscvConfig;

typedef struct RiscvEnv {
    uint64_t gpr[32]; /* gpr[0] is never written; RV32: sign-extended */
    vaddr pc;
    uint64_t fpr[32]; /* f32 values are NaN-boxed */
    uint64_t priv;    /* PRV_* */

    /* machine level; names as in csr.def */
    uint64_t mstatus, misa, medeleg, mideleg, mie, mtvec, mcounteren, mcountinhibit;
    uint64_t mscratch, mepc, mcause, mtval, menvcfg, mseccfg;
    uint64_t mip; /* atomic: devices set their bits from other threads */
    /* SEIP as the interrupt controller drives it (the OR of 3.1.9). */
    uint64_t mip_external_seip;
    /* supervisor level */
    uint64_t stvec, scounteren, sscratch, sepc, scause, stval, senvcfg, satp, stimecmp;
    /* floating point: frm as written; flags live in cpu->tcg.fp while running */
    uint64_t frm;
    /* counters: offsets from the clock (no -icount) so that writes work */
    uint64_t mcycle_offset, minstret_offset;
    uint64_t mhpmcounter[RISCV_HPM_COUNT], mhpmevent[RISCV_HPM_COUNT];
    /* physical memory protection */
    uint8_t pmpcfg[RISCV_PMP_COUNT];
    uint64_t pmpaddr[RISCV_PMP_COUNT];
    unsigned pmp_active; /* entries that are not OFF */
    unsigned pmp_locked; /* of these, the ones with L: they bind M mode too */
    hwaddr pmp_first[RISCV_PMP_COUNT],
        pmp_last[RISCV_PMP_COUNT]; /* bytes matched; first > last: none */
    /* debug triggers */
    uint64_t tselect, tdata1[RISCV_TRIGGER_COUNT], tdata2[RISCV_TRIGGER_COUNT];
    uint64_t tcontrol;
    uint32_t triggers_armed; /* 1 << AccessKind for each kind some trigger watches */
    /* The part of TBF_* that is the same from trap to trap, for each PRV_* */
    uint32_t flags_base[4];
    /* part of the second-level TLB's stamps, see mmu.c: grows when an ASID of the set is flushed */
    uint64_t asid_generation[RISCV_ASID_SETS];
} RiscvEnv;

/* What the page-table walker remembers so that it need not search for each PTE. */
typedef struct RiscvMmuCache {
    /* the RAM range the last look-up found; valid for one FlatView and one tlb_epoch */
    const FlatView *view;
    uint64_t epoch;
    bool ram_writable;
    hwaddr ram_first, ram_last;
    uint8_t *ram_host; /* of ram_first */
    RAMBlock *ram;
    /* an interval of the same PMP rights: [0] for S and U, [1] for M; first > last: none */
    hwaddr pmp_first[2], pmp_last[2];
    uint8_t pmp_prot[2];
    int8_t pmp_entry[2]; /* which entry gave them; -1: none */
    /* all superpages entered since the last full flush lie in these: [0] user half, [1] upper half */
    vaddr large_first[2], large_last[2];
} RiscvMmuCache;

typedef struct RiscvCPU {
    CPUState parent; /* env follows without a gap */
    RiscvEnv env;
    RiscvConfig cfg;
    /* riscv_decoder_new(&cfg); riscv_decoder_free(). */
    const struct RiscvDecoder *decoder;
    uint64_t hartid;
    vaddr reset_pc;
    RiscvMmuCache mmu;
    /* set by the timer device: mtime in ticks. Threads: any */
    uint64_t (*read_time)(void *opaque);
    void *read_time_opaque;
    uint64_t timebase_hz;
    Timer stimer; /* Sstc */
    /* For the inspector, by interrupt number, since the machine was made. A line counts when it
     * goes high (atomic), an interrupt when the hart enters its handler. */
    uint64_t interrupts_raised[64], interrupts_taken[64];
} RiscvCPU;

_Static_assert(offsetof(RiscvCPU, env) == sizeof(CPUState), "env must follow CPUState");

static inline RiscvCPU *riscv_cpu(CPUState *cpu) {
    return (RiscvCPU *)cpu;
}
static inline RiscvCPU *riscv_cpu_of_env(RiscvEnv *env) {
    return (RiscvCPU *)cpu_of_env(env);
}

/* Interrupt numbers in mip/mie. */
enum { IRQ_SSI = 1, IRQ_MSI = 3, IRQ_STI = 5, IRQ_MTI = 7, IRQ_SEI = 9, IRQ_MEI = 11 };

/* Exception causes (privileged manual, table "mcause values after trap"). */
typedef enum RiscvCause {
    CAUSE_INSN_MISALIGNED = 0,
    CAUSE_INSN_ACCESS = 1,
    CAUSE_ILLEGAL = 2,
    CAUSE_BREAKPOINT = 3,
    CAUSE_LOAD_MISALIGNED = 4,
    CAUSE_LOAD_ACCESS = 5,
    CAUSE_STORE_MISALIGNED = 6,
    CAUSE_STORE_ACCESS = 7,
    CAUSE_ECALL_U = 8,
    CAUSE_ECALL_S = 9,
    CAUSE_ECALL_M = 11,
    CAUSE_INSN_PAGE = 12,
    CAUSE_LOAD_PAGE = 13,
    CAUSE_STORE_PAGE = 15,
} RiscvCause;

/* --- cpu.c ------------------------------------------------------------------------------------ */
extern const CpuClass riscv_cpu_class;
extern const CpuStateClass riscv_state_class; /* state.c */
/* Parses -cpu: "rv64", "rv64,zba=off,sv48=on", "max". Errors: unknown model or property. */
bool riscv_config_parse(RiscvConfig *cfg, unsigned xlen, const char *model, Error **errp);
void riscv_config_help(FILE *out, unsigned xlen);
/* ISA string for the device tree: "rv64imafdc_zicbom_...". Returns bytes needed, as snprintf. */
int riscv_isa_string(const RiscvConfig *cfg, char *text, size_t size);
/* Allocates a hart (zeroed, cache-line aligned; free with free()) with its config; the group, the
 * address space, log and clock are set by cpu_group_add(). */
RiscvCPU *riscv_cpu_new(const RiscvConfig *cfg, uint64_t hartid);

/* Sets or clears an interrupt line (IRQ_*). Threads: any. */
void riscv_cpu_set_irq(RiscvCPU *cpu, unsigned irq, bool level);

static inline bool riscv_is_rv32(const RiscvCPU *cpu) {
    return cpu->cfg.xlen == 32;
}

/* --- trap.c ----------------------------------------------------------------------------------- */
/* Delivers an exception for the instruction at env->pc: sets the CSRs and env->pc, recomputes flags,
 * sets tcg.fault_taken. */
void riscv_raise(RiscvCPU *cpu, RiscvCause cause, uint64_t tval);
/* "load page fault"; of an interrupt: "S timer". As kept in env->mcause. */
const char *riscv_cause_name(uint64_t cause);
bool riscv_take_interrupt(CPUState *cpu);
/* The highest-priority pending and enabled interrupt, or -1. */
int riscv_pending_interrupt(const RiscvCPU *cpu);
/* Recomputes tcg.jump_tag.flags from the CSRs; call after changing any that TBF_* depend on. */
void riscv_update_flags(RiscvCPU *cpu);
/* As above when nothing but priv, mstatus and frm changed. Cost: a few instructions. */
void riscv_switch_flags(RiscvCPU *cpu);
/* The trap itself: as riscv_raise() for the instruction at `epc`, but leaves fault_taken alone. */
void riscv_enter_trap(RiscvCPU *cpu, uint64_t cause, uint64_t tval, vaddr epc);
void riscv_mret(RiscvCPU *cpu);
void riscv_sret(RiscvCPU *cpu);
/* Bits of mepc and sepc that may be set. */
static inline uint64_t riscv_pc_mask(const RiscvConfig *cfg) {
    return cfg->c ? ~UINT64_C(1) : ~UINT64_C(3);
}
/* Makes the run loop look again at the next block entry if an interrupt can be taken now. */
void riscv_poll_interrupts(RiscvCPU *cpu);
bool riscv_has_work(const CPUState *cpu);

/* --- regs.c ----------------------------------------------------------------------------------- */
extern const CpuRegisters riscv_registers;

/* --- csr.c ------------------------------------------------------------------------------------ */
/* Reads or writes as an instruction in the current privilege does; false: illegal. */
bool riscv_csr_read(RiscvCPU *cpu, unsigned csr, uint64_t *value);
bool riscv_csr_write(RiscvCPU *cpu, unsigned csr, uint64_t value);
/* mip as software reads it, with the SEIP line in. */
uint64_t riscv_mip(const RiscvCPU *cpu);
void riscv_stimer_fire(void *opaque); /* the hart; Locks: the machine lock */

/* --- trigger.c -------------------------------------------------------------------------------- */
void riscv_trigger_reset(RiscvCPU *cpu);
/* After a change of tdata1: what is armed, and the flags. */
void riscv_trigger_update(RiscvCPU *cpu);
uint64_t riscv_trigger_read(const RiscvCPU *cpu, unsigned csr);
void riscv_trigger_write(RiscvCPU *cpu, unsigned csr, uint64_t value);
/* True if a trigger fires for the access: the breakpoint exception was delivered. */
bool riscv_trigger_check(CPUState *cpu, vaddr addr, unsigned size, AccessKind kind);
/* True if a trigger watches loads or stores of the page at `addr`. */
bool riscv_trigger_on_page(const RiscvCPU *cpu, vaddr addr);

/* --- mmu.c ------------------------------------------------------------------------------------ */
typedef struct RiscvWalk {
    hwaddr phys;   /* page-aligned */
    unsigned prot; /* PROT_* that this mode has now (W only if D is set) */
    bool global;   /* G bit at any level */
    /* log2 of the mapping's size: more than PAGE_BITS for superpages. */
    uint8_t page_bits;
    RiscvCause fault; /* valid if the walk failed */
    uint8_t reason;   /* as well: a RiscvWalkReason, see walk.h */
} RiscvWalk;
/* Walks for `addr` (Sv32/39/48/57), updating A/D if allowed (Svadu) and !debug. */
bool riscv_walk(RiscvCPU *cpu, vaddr addr, AccessKind kind, unsigned mmu_idx, bool debug,
                RiscvWalk *walk);
/* --- pmp.c ------------------------------------------------------------------------------------ */
/* PMP permissions (PROT_*) of [addr, addr+size) in a privilege; *whole_page: they hold for the whole
 * page, so that the TLB may keep them. */
unsigned riscv_pmp_check(RiscvCPU *cpu, hwaddr addr, unsigned size, unsigned priv,
                         bool *whole_page);
void riscv_pmp_update(RiscvCPU *cpu); /* after a change of pmpcfg or pmpaddr */
uint64_t riscv_pmp_read(RiscvCPU *cpu, unsigned csr);
void riscv_pmp_write(RiscvCPU *cpu, unsigned csr, uint64_t value);

/* --- mmu.c, continued ------------------------------------------------------------------------- */
/* sfence.vma and its kin: which translations to forget. */
void riscv_tlb_flush_all(RiscvCPU *cpu);
void riscv_tlb_flush_asid(RiscvCPU *cpu, unsigned asid);
void riscv_tlb_flush_page(RiscvCPU *cpu, vaddr addr);
/* satp was written: switches the address space. */
void riscv_satp_changed(RiscvCPU *cpu, uint64_t old);
unsigned riscv_fetch_mmu_idx(const CPUState *cpu);
bool riscv_debug_translate(CPUState *cpu, vaddr addr, hwaddr *phys);
void riscv_bus_error(CPUState *cpu, vaddr addr, AccessKind kind);
void riscv_misaligned(CPUState *cpu, vaddr addr, AccessKind kind);
bool riscv_tlb_fill(CPUState *cpu, vaddr addr, unsigned size, AccessKind kind,
                    unsigned mmu_idx, bool probe);

/* --- decode.c, disas.c, translate.c -------------------------------------------------------------- */
bool riscv_translate(CPUState *cpu, IrContext *ctx, TranslationBlock *tb,
                     unsigned max_insns);
unsigned riscv_decode_fields(const CPUState *cpu, const uint8_t *bytes, unsigned len,
                             InsnField *field, unsigned max, const char **row);
unsigned riscv_disassemble(const CPUState *cpu, vaddr pc, const uint8_t *bytes,
                           unsigned len, char *text, size_t text_size);
bool riscv_branch_target(const CPUState *cpu, vaddr pc, const uint8_t *bytes,
                         unsigned len, vaddr *target);

#endif
