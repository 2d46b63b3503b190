/* SPDX-License-Identifier: MIT */
/*
 * Frame of the privilege tests: bare-metal programs that check themselves on machine `virt`.
 *
 *   CHECK_* fails: finisher gets test number << 16 | 0x3333 (exit status: the number)
 *   end:           finisher gets 0x5555 (exit status 0)
 *
 * Every trap to M mode is recorded in registers, and the program goes on in M mode at `resume` (s7):
 *
 *   s2 mcause   s3 mepc   s4 mtval   s5 mstatus   s6 counts traps to M
 *   s8 scause   s9 sepc   s10 stval  s11 sstatus  (a delegated trap; it then does an ecall to M)
 *
 * s1 is 0 on QEMU 7.2 (known by menvcfg.ADUE being read-only) for what it does otherwise.
 * gp holds the number of the running test. t0-t2 belong to the macros. Expected values are those of
 * the manual; the programs pass on QEMU 7.2 too, where a file does not say otherwise.
 */
#define FINISHER       0x100000
#define CLINT_MSIP     0x2000000
#define CLINT_MTIMECMP 0x2004000
#define CLINT_MTIME    0x200bff8

#define MSTATUS_SIE  (1 << 1)
#define MSTATUS_MIE  (1 << 3)
#define MSTATUS_SPIE (1 << 5)
#define MSTATUS_MPIE (1 << 7)
#define MSTATUS_SPP  (1 << 8)
#define MSTATUS_MPP  (3 << 11)
#define MSTATUS_FS   (3 << 13)
#define MSTATUS_MPRV (1 << 17)
#define MSTATUS_SUM  (1 << 18)
#define MSTATUS_MXR  (1 << 19)
#define MSTATUS_TVM  (1 << 20)
#define MSTATUS_TW   (1 << 21)
#define MSTATUS_TSR  (1 << 22)
#define PRV_U        0
#define PRV_S        1
#define PRV_M        3

#define CAUSE_INSN_ACCESS      1
#define CAUSE_ILLEGAL          2
#define CAUSE_BREAKPOINT       3
#define CAUSE_LOAD_MISALIGNED  4
#define CAUSE_LOAD_ACCESS      5
#define CAUSE_STORE_MISALIGNED 6
#define CAUSE_STORE_ACCESS     7
#define CAUSE_ECALL_U          8
#define CAUSE_ECALL_S          9
#define CAUSE_ECALL_M          11
#define CAUSE_INSN_PAGE        12
#define CAUSE_LOAD_PAGE        13
#define CAUSE_STORE_PAGE       15
#define INTERRUPT              (1 << (__riscv_xlen - 1))

.macro TEST number
    li gp, \number
    li s2, -1
    li s8, -1
.endm

/* The register must hold the value. */
.macro CHECK_EQ reg, value:vararg
    li t0, \value
    bne \reg, t0, fail
.endm
.macro CHECK_REGS reg, other
    bne \reg, \other, fail
.endm
.macro CHECK_ADDR reg, symbol:vararg
    la t0, \symbol
    bne \reg, t0, fail
.endm
/* (reg & mask) must be value. */
.macro CHECK_BITS reg, mask, value
    li t0, \mask
    and t1, \reg, t0
    li t0, \value
    bne t1, t0, fail
.endm

/* The trap to M that was recorded: cause, and epc by label. */
.macro CHECK_TRAP cause, epc
    CHECK_EQ s2, \cause
    CHECK_ADDR s3, \epc
.endm
.macro CHECK_TRAP_TVAL cause, epc, tval:vararg
    CHECK_TRAP \cause, \epc
    CHECK_EQ s4, \tval
.endm

/* Goes on after the next trap to M at `label`. */
.macro RESUME label
    la s7, \label
.endm

/* Continues at `label` in a mode; interrupts as MPIE says. */
.macro ENTER mode, label
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li t0, \mode << 11
    csrs mstatus, t0
    la t0, \label
    csrw mepc, t0
    mret
.endm

/* One instruction in a mode: it must trap to M with the cause; tval unless it is "any". */
.macro TRAPS mode, cause, tval, insn:vararg
    RESUME 902f
    ENTER \mode, 901f
901:
    \insn
    ecall
902:
    CHECK_TRAP \cause, 901b
    .ifnc \tval,any
    CHECK_EQ s4, \tval
    .endif
.endm

/* One instruction in a mode that must not trap. */
.macro RUNS mode, insn:vararg
    RESUME 902f
    ENTER \mode, 901f
901:
    \insn
903:
    ecall
902:
    .if \mode == PRV_M
    CHECK_TRAP CAUSE_ECALL_M, 903b
    .else
    CHECK_TRAP CAUSE_ECALL_U + \mode, 903b
    .endif
.endm

    .option norelax
    .section .text.start, "ax"
    .globl _start
_start:
    csrr t0, mhartid
    bnez t0, park
    li gp, 0
    li s6, 0
    la s7, fail
    la t0, m_handler
    csrw mtvec, t0
    la t0, s_handler
    csrw stvec, t0
    /* all memory for S and U */
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
#if __riscv_xlen == 32
    li t0, 1 << 29
    csrs 0x31a, t0 /* menvcfgh */
    csrr t1, 0x31a
#else
    li t0, 1 << 61
    csrs menvcfg, t0
    csrr t1, menvcfg
#endif
    and t1, t1, t0
    snez s1, t1
    j main

    .balign 256
m_handler:
    csrr s2, mcause
    csrr s3, mepc
    csrr s4, mtval
    csrr s5, mstatus
    addi s6, s6, 1
    jr s7

    .balign 256
s_handler:
    csrr s8, scause
    csrr s9, sepc
    csrr s10, stval
    csrr s11, sstatus
    ecall

fail:
    li t0, MSTATUS_MPRV
    csrc mstatus, t0
    csrw satp, zero
    slli t0, gp, 16
    li t1, 0x3333
    or t0, t0, t1
    j finish
pass:
    li t0, MSTATUS_MPRV
    csrc mstatus, t0
    csrw satp, zero
    li t0, 0x5555
finish:
    li t1, FINISHER
    sw t0, 0(t1)
park:
    wfi
    j park
