/* SPDX-License-Identifier: MIT */
/* Exceptions: cause, epc and tval of each; the interrupt-enable stack; delegation; xRET. */
#include "priv.h"
#define HOLE 0x50000

main:
    /* --- environment calls ------------------------------------------------------------------ */
    TEST 1
    TRAPS PRV_M, CAUSE_ECALL_M, 0, ecall
    TEST 2
    TRAPS PRV_S, CAUSE_ECALL_S, 0, ecall
    TEST 3
    TRAPS PRV_U, CAUSE_ECALL_U, 0, ecall

    /* --- break point and illegal instructions: tval ------------------------------------------ */
    /* tval of ebreak may be its address or zero (3.1.16); QEMU 7.2 gives zero. */
    TEST 4
    TRAPS PRV_S, CAUSE_BREAKPOINT, any, ebreak
    beqz s4, 1f
    CHECK_REGS s4, s3
1:
    TEST 5
    TRAPS PRV_U, CAUSE_ILLEGAL, 0, .2byte 0
    TEST 6
    TRAPS PRV_U, CAUSE_ILLEGAL, 0x0000707f, .4byte 0x0000707f
    TEST 7
    TRAPS PRV_U, CAUSE_ILLEGAL, 0x30200073, mret
    TEST 8
    TRAPS PRV_S, CAUSE_ILLEGAL, 0x30200073, mret
    TEST 9
    TRAPS PRV_U, CAUSE_ILLEGAL, 0x10200073, sret
    TEST 10
    TRAPS PRV_S, CAUSE_ILLEGAL, 0x30002573, csrr a0, mstatus

    /* --- access faults ------------------------------------------------------------------------ */
    li a0, HOLE
    TEST 11
    TRAPS PRV_M, CAUSE_LOAD_ACCESS, HOLE + 8, ld a1, 8(a0)
    TEST 12
    TRAPS PRV_U, CAUSE_LOAD_ACCESS, HOLE + 3, lbu a1, 3(a0)
    TEST 13
    TRAPS PRV_S, CAUSE_STORE_ACCESS, HOLE + 4, sw a1, 4(a0)
    TEST 14
    beqz s1, 1f /* QEMU 7.2: a load access fault */
    TRAPS PRV_M, CAUSE_STORE_ACCESS, HOLE, amoadd.w a1, a1, (a0)
1:
    TEST 15
    RESUME 1f
    jr a0
1:
    CHECK_EQ s2, CAUSE_INSN_ACCESS
    CHECK_REGS s3, a0
    CHECK_REGS s4, a0

    /* --- misaligned atomics ---------------------------------------------------------------------- */
    la a0, scratch
    addi a0, a0, 2
    TEST 16
    beqz s1, 1f /* QEMU 7.2 with one hart: a misaligned load */
    TRAPS PRV_M, CAUSE_STORE_MISALIGNED, any, amoadd.w a1, a1, (a0)
    CHECK_REGS s4, a0
1:
    TEST 17
    TRAPS PRV_M, CAUSE_LOAD_MISALIGNED, any, lr.w a1, (a0)
    CHECK_REGS s4, a0
    /* plain accesses may be misaligned */
    TEST 18
    li a1, 0x12345678
    RUNS PRV_U, sw a1, 0(a0)
    RUNS PRV_S, lhu a2, 1(a0)
    CHECK_EQ a2, 0x3456

    /* --- what a trap does to mstatus ----------------------------------------------------------- */
    TEST 20
    li t0, MSTATUS_MIE
    csrs mstatus, t0
    RESUME 1f
    ecall
1:
    CHECK_BITS s5, MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP, MSTATUS_MPIE | MSTATUS_MPP
    TEST 21
    li t0, MSTATUS_MPIE
    csrc mstatus, t0
    TRAPS PRV_U, CAUSE_ECALL_U, 0, ecall
    CHECK_BITS s5, MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP, 0
    /* mret: MIE = MPIE, MPIE = 1, MPP = U, MPRV = 0 if the new mode is not M */
    TEST 22
    li t0, MSTATUS_MPIE | MSTATUS_MPRV
    csrs mstatus, t0
    li t0, MSTATUS_MIE
    csrc mstatus, t0
    li t0, MSTATUS_MPP
    csrs mstatus, t0
    la t0, 1f
    csrw mepc, t0
    mret
1:
    csrr a0, mstatus
    CHECK_BITS a0, MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP | MSTATUS_MPRV, MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPRV
    TEST 23
    RESUME 2f
    ENTER PRV_S, 1f
1:
    ecall
2:
    beqz s1, 3f /* QEMU 7.2 keeps MPRV */
    CHECK_BITS s5, MSTATUS_MPRV, 0
3:
    li t0, MSTATUS_MIE | MSTATUS_MPRV
    csrc mstatus, t0
    li t0, MSTATUS_MIE
    csrc mstatus, t0

    /* --- delegation --------------------------------------------------------------------------------- */
    TEST 30
    li t0, (1 << CAUSE_ECALL_U) | (1 << CAUSE_ILLEGAL) | (1 << CAUSE_LOAD_ACCESS)
    csrw medeleg, t0
    li t0, MSTATUS_SIE
    csrs mstatus, t0
    RESUME 2f
    ENTER PRV_U, 1f
1:
    ecall
2:
    CHECK_EQ s2, CAUSE_ECALL_S
    CHECK_EQ s8, CAUSE_ECALL_U
    CHECK_ADDR s9, 1b
    CHECK_EQ s10, 0
    CHECK_BITS s11, MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP, MSTATUS_SPIE
    /* from S itself: SPP = 1 */
    TEST 31
    li t0, MSTATUS_SIE
    csrc mstatus, t0
    RESUME 2f
    ENTER PRV_S, 1f
1:
    .4byte 0x0000707f
2:
    CHECK_EQ s8, CAUSE_ILLEGAL
    CHECK_EQ s10, 0x0000707f
    CHECK_ADDR s9, 1b
    CHECK_BITS s11, MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP, MSTATUS_SPP
    TEST 32
    li a0, HOLE
    RESUME 2f
    ENTER PRV_U, 1f
1:
    ld a1, 16(a0)
2:
    CHECK_EQ s8, CAUSE_LOAD_ACCESS
    CHECK_EQ s10, HOLE + 16
    /* what M mode does itself is never delegated */
    TEST 33
    TRAPS PRV_M, CAUSE_ILLEGAL, 0x0000707f, .4byte 0x0000707f
    CHECK_EQ s8, -1
    /* sret: SIE = SPIE, SPIE = 1, SPP = U, and to the mode in SPP */
    TEST 34
    csrw medeleg, zero
    RESUME 3f
    ENTER PRV_S, 1f
1:
    li t0, MSTATUS_SPP
    csrc sstatus, t0
    li t0, MSTATUS_SPIE
    csrs sstatus, t0
    la t0, 2f
    csrw sepc, t0
    sret
2:
    ecall
3:
    CHECK_TRAP CAUSE_ECALL_U, 2b
    CHECK_BITS s5, MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP, MSTATUS_SIE | MSTATUS_SPIE
    li t0, MSTATUS_SIE
    csrc mstatus, t0

    /* --- sepc, mepc: bit 0 is zero -------------------------------------------------------------------- */
    TEST 35
    beqz s1, 1f /* QEMU 7.2 keeps it as written */
    la a0, 1f
    ori a1, a0, 1
    csrw mepc, a1
    csrr a2, mepc
    CHECK_REGS a0, a2
    csrw sepc, a1
    csrr a2, sepc
    CHECK_REGS a0, a2
1:

    /* --- vectored mode: exceptions go to the base --------------------------------------------------- */
    TEST 36
    csrr t0, mtvec
    ori t0, t0, 1
    csrw mtvec, t0
    TRAPS PRV_U, CAUSE_ECALL_U, 0, ecall
    j pass

    .data
    .balign 8
scratch:
    .8byte 0, 0
