/* SPDX-License-Identifier: MIT */
/*
 * cpu.trap: the last trap into M mode and into S mode, told in words.
 *
 *   what happened    xcause, xtval          "page fault of a store", "to 0x1000"
 *   where            xepc                   the instruction, and its text
 *   who handles it   xtvec                  the handler's first instruction
 *   and then         mstatus.xPP, xPIE      "mret goes on at xepc in U mode, interrupts on"
 *
 * The CSRs keep what was last written there, by a trap or by software; a hart does not remember whether
 * a handler still runs. `state` says only what follows from mode and pc.
 *
 * Spec: RISC-V Privileged Architecture 20240411, 3.1.6 (stack of modes), 3.1.15 (mcause), 3.1.16 (mtval).
 */
#include <inttypes.h>
#include <stdio.h>

#include "cpu/riscv/bits.h"
#include "cpu/riscv/cpu.h"
#include "inspect/inspect_int.h"

enum {
    INSN_BYTES = 4,
    INSN_TEXT = 96,
    WORDS_MAX = 256,
    CODE_MASK = 63,
    TVEC_MODE = 3,
    TVEC_VECTORED = 1,
};

typedef struct CauseText {
    const char *meaning, *tval;
} CauseText;

static const char no_tval[] = "nothing to add for this cause";

static const CauseText exception_texts[] = {
    [CAUSE_INSN_MISALIGNED] = {"a jump or taken branch went to an address where no "
                               "instruction may begin",
                               "the address it went to"},
    [CAUSE_INSN_ACCESS] = {"an instruction was to be fetched from where nothing can be "
                           "run: no memory there, or PMP forbids it",
                           "the address of the fetch"},
    [CAUSE_ILLEGAL] = {"the instruction is unknown, switched off, or not allowed in this "
                       "mode",
                       "the bits of the instruction"},
    [CAUSE_BREAKPOINT] = {"an ebreak was run, or a debug trigger of the hart fired",
                          "the address of the ebreak, or of what the trigger watched"},
    [CAUSE_LOAD_MISALIGNED] = {"a load from an address that is no multiple of its size",
                               "the address of the load"},
    [CAUSE_LOAD_ACCESS] = {"a load from where nothing can be read: no memory or device "
                           "there, or PMP forbids it",
                           "the address of the load"},
    [CAUSE_STORE_MISALIGNED] = {"a store or atomic access to an address that is no "
                                "multiple of its size",
                                "the address of the store"},
    [CAUSE_STORE_ACCESS] = {"a store to where nothing can be written: no memory or "
                            "device there, or PMP forbids it",
                            "the address of the store"},
    [CAUSE_ECALL_U] = {"a user program called its kernel (ecall): a system call",
                       no_tval},
    [CAUSE_ECALL_S] = {"the kernel called the firmware (ecall): an SBI call", no_tval},
    [CAUSE_ECALL_M] = {"the firmware made an ecall itself", no_tval},
    [CAUSE_INSN_PAGE] = {"the page tables let no instruction be fetched here",
                         "the virtual address of the fetch"},
    [CAUSE_LOAD_PAGE] = {"the page tables do not let this address be read",
                         "the virtual address of the load"},
    [CAUSE_STORE_PAGE] = {"the page tables do not let this address be written",
                          "the virtual address of the store"},
};

static const CauseText interrupt_texts[] = {
    [IRQ_SSI] = {"supervisor software interrupt: another hart, or the firmware, wants "
                 "this kernel's attention",
                 no_tval},
    [IRQ_MSI] = {"machine software interrupt: another hart wrote this hart's word of the "
                 "ACLINT",
                 no_tval},
    [IRQ_STI] =
        {"supervisor timer interrupt: the time that the kernel asked for has come",
         no_tval},
    [IRQ_MTI] = {"machine timer interrupt: mtime has reached mtimecmp", no_tval},
    [IRQ_SEI] = {"supervisor external interrupt: the PLIC has a device's interrupt for "
                 "the kernel",
                 no_tval},
    [IRQ_MEI] = {"machine external interrupt: the PLIC has a device's interrupt for the "
                 "firmware",
                 no_tval},
};

static const CauseText unknown_text = {"a cause that the manual reserves or leaves to "
                                       "the platform",
                                       no_tval};

/* The CSRs of traps into one mode. */
typedef struct TrapCopy {
    unsigned to, before; /* modes: of the handler; the one it interrupted */
    bool interrupts;     /* they will be on after the return */
    uint64_t cause, epc, tval, tvec;
    uint8_t code[INSN_BYTES];
    unsigned code_len;
} TrapCopy;

typedef struct HartTraps {
    const CPUState *cpu;
    unsigned priv;
    uint64_t pc;
    bool rv32, halted;
    int next;
    TrapCopy m, s;
} HartTraps;

static uint64_t shown(const HartTraps *h, uint64_t value) {
    return h->rv32 ? (uint32_t)value : value;
}

/* The instruction at epc. */
static void copy_code_locked(const HartTraps *h, RiscvCPU *cpu, TrapCopy *t) {
    t->code_len =
        cpu_read_code_locked(&cpu->parent, shown(h, t->epc), t->code, INSN_BYTES);
}

static void copy_locked(RiscvCPU *cpu, HartTraps *h) {
    const RiscvEnv *env = &cpu->env;
    uint64_t status = env->mstatus;
    *h = (HartTraps){.cpu = &cpu->parent,
                     .priv = (unsigned)env->priv,
                     .pc = env->pc,
                     .rv32 = riscv_is_rv32(cpu),
                     .halted = cpu->parent.halted,
                     .next = riscv_pending_interrupt(cpu)};
    h->m = (TrapCopy){.to = PRV_M,
                      .before = (unsigned)((status & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT),
                      .interrupts = status & MSTATUS_MPIE,
                      .cause = env->mcause,
                      .epc = env->mepc,
                      .tval = env->mtval,
                      .tvec = env->mtvec};
    h->s = (TrapCopy){.to = PRV_S,
                      .before = status & MSTATUS_SPP ? PRV_S : PRV_U,
                      .interrupts = status & MSTATUS_SPIE,
                      .cause = env->scause,
                      .epc = env->sepc,
                      .tval = env->stval,
                      .tvec = env->stvec};
    copy_code_locked(h, cpu, &h->m);
    copy_code_locked(h, cpu, &h->s);
}

static const char *mode_name(unsigned priv) {
    return priv == PRV_M ? "M" : priv == PRV_S ? "S" : "U";
}

static bool is_interrupt(const TrapCopy *t) {
    return t->cause & CAUSE_INTERRUPT_64;
}

static const CauseText *text_of(const TrapCopy *t) {
    const CauseText *texts = is_interrupt(t) ? interrupt_texts : exception_texts;
    size_t count = is_interrupt(t) ? sizeof(interrupt_texts) / sizeof(*interrupt_texts)
                                   : sizeof(exception_texts) / sizeof(*exception_texts);
    uint64_t code = t->cause & CODE_MASK;
    return code < count && texts[code].meaning ? &texts[code] : &unknown_text;
}

static uint64_t handler_of(const HartTraps *h, const TrapCopy *t) {
    uint64_t base = t->tvec & ~(uint64_t)TVEC_MODE;
    bool vectored = is_interrupt(t) && (t->tvec & TVEC_MODE) == TVEC_VECTORED;
    return shown(h, vectored ? base + INSN_BYTES * (t->cause & CODE_MASK) : base);
}

/* What can be known about the handler. */
static const char *state_of(const HartTraps *h, const TrapCopy *t) {
    if (!t->cause && !t->epc && !t->tval) {
        return "none";
    }
    if (h->priv == t->to && h->pc == handler_of(h, t)) {
        return "entered";
    }
    return h->priv == t->to ? "perhaps" : h->priv < t->to ? "left" : "below";
}

static const char *state_words(const char *state) {
    switch (state[0]) {
    case 'n':
        return "the registers are as after reset: no trap into this mode was seen";
    case 'e':
        return "it has just happened: the handler's first instruction comes next";
    case 'l':
        return "the hart is in a lower mode: the handler has returned";
    case 'b':
        return "the hart is in a higher mode now: the handler may be held up by that";
    default:
        return "the hart is in the handler's mode: in the handler, or in what it went on "
               "to; the registers do not tell";
    }
}

static json_t *return_json(const HartTraps *h, const TrapCopy *t, const char *state) {
    char words[WORDS_MAX];
    if (state[0] == 'l' || state[0] == 'n') {
        return json_null(); /* xPP and xPIE have been used up */
    }
    const char *insn = t->to == PRV_M ? "mret" : "sret";
    bool call = !is_interrupt(t) && (t->cause & CODE_MASK) >= CAUSE_ECALL_U &&
                (t->cause & CODE_MASK) <= CAUSE_ECALL_M;
    snprintf(words, sizeof(words),
             "%s, if it were run now, would go on at 0x%" PRIx64 " in %s mode, %s-mode "
             "interrupts %s%s",
             insn, shown(h, t->epc), mode_name(t->before), mode_name(t->to),
             t->interrupts ? "on" : "off",
             is_interrupt(t) ? ": the instruction that was next"
             : call ? "; the handler adds 4 first, or the ecall would be run again"
                    : ": the same instruction again, if the handler leaves epc");
    return json_pack("{s:o, s:s, s:b, s:s}", "pc", inspect_hex(shown(h, t->epc)), "mode",
                     mode_name(t->before), "interrupts", t->interrupts, "words", words);
}

static json_t *trap_json(const HartTraps *h, const TrapCopy *t) {
    char insn[INSN_TEXT] = "";
    const char *state = state_of(h, t);
    const CauseText *text = text_of(t);
    if (t->code_len) {
        h->cpu->cls->disassemble(h->cpu, shown(h, t->epc), t->code, t->code_len, insn,
                                 sizeof(insn));
    }
    uint64_t top = is_interrupt(t) ? UINT64_C(1) << (h->rv32 ? 31 : 63) : 0;
    return json_pack(
        "{s:s, s:s, s:s, s:b, s:i, s:o, s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:o}", "to",
        mode_name(t->to), "state", state, "words", state_words(state), "interrupt",
        is_interrupt(t), "code", (int)(t->cause & CODE_MASK), "cause",
        inspect_hex(top | (t->cause & CODE_MASK)), "name", riscv_cause_name(t->cause),
        "meaning", text->meaning, "epc", inspect_hex(shown(h, t->epc)), "epc_text",
        insn[0] ? json_string(insn) : json_null(), "tval", inspect_hex(shown(h, t->tval)),
        "tval_words", text->tval, "handler", inspect_hex(handler_of(h, t)), "returns",
        return_json(h, t, state));
}

json_t *inspect_cpu_trap(InspectCall *call) {
    CPUState *cpu = inspect_cpu(call);
    HartTraps h;
    if (!cpu) {
        return NULL;
    }
    inspect_pause(call);
    copy_locked(riscv_cpu(cpu), &h);
    inspect_unpause(call);
    bool m_first = h.priv == PRV_M;
    json_t *traps = json_pack("[o, o]", trap_json(&h, m_first ? &h.m : &h.s),
                              trap_json(&h, m_first ? &h.s : &h.m));
    json_t *next =
        h.next < 0 ? json_null()
                   : json_pack("{s:i, s:s}", "number", h.next, "name",
                               riscv_cause_name(CAUSE_INTERRUPT_64 | (unsigned)h.next));
    return json_pack("{s:i, s:s, s:o, s:b, s:o, s:o}", "cpu", (int)cpu->index, "mode",
                     mode_name(h.priv), "pc", inspect_hex(h.pc), "halted", h.halted,
                     "next", next, "traps", traps);
}
