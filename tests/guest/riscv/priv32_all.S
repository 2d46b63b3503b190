/* SPDX-License-Identifier: MIT */
/* RV32: traps, CSR halves, Sv32 with its 4 MiB superpages and A/D, 32-bit wrap-around. */
#include "priv.h"
#define V 1
#define R 2
#define W 4
#define X 8
#define U 16
#define A 64
#define D 128
#define VA 0x40000000
#define MEGA 0x40400000
#define HOLE 0x50000

.macro PTE slot, page, bits:vararg
    la t1, \page
    srli t1, t1, 2
    ori t1, t1, \bits
    la t0, l0
    sw t1, 4 * \slot(t0)
    sfence.vma
.endm
.macro SET table, slot, value:vararg
    la t0, \table
    li t1, \value
    li t2, 4 * \slot
    add t0, t0, t2
    sw t1, 0(t0)
    sfence.vma
.endm

main:
    /* --- traps ---------------------------------------------------------------------------------- */
    TEST 1
    TRAPS PRV_U, CAUSE_ECALL_U, 0, ecall
    TRAPS PRV_S, CAUSE_ECALL_S, 0, ecall
    TRAPS PRV_M, CAUSE_ECALL_M, 0, ecall
    TEST 2
    li a0, HOLE
    TRAPS PRV_M, CAUSE_LOAD_ACCESS, HOLE + 4, lw a1, 4(a0)
    TRAPS PRV_U, CAUSE_STORE_ACCESS, HOLE + 8, sh a1, 8(a0)
    TEST 3 /* ld and other instructions of RV64 do not exist */
    TRAPS PRV_M, CAUSE_ILLEGAL, 0x00053583, .4byte 0x00053583
    TRAPS PRV_M, CAUSE_ILLEGAL, 0x0005059b, .4byte 0x0005059b
    TEST 4 /* interrupts have bit 31 */
    li t0, CLINT_MSIP
    li t1, 1
    sw t1, 0(t0)
1:
    csrr t0, mip
    andi t0, t0, 8
    beqz t0, 1b
    csrwi mie, 8
    RESUME 2f
    csrsi mstatus, MSTATUS_MIE
1:
    j fail
2:
    CHECK_TRAP (INTERRUPT | 3), 1b
    li t0, CLINT_MSIP
    sw zero, 0(t0)
    csrci mstatus, MSTATUS_MIE
    csrw mie, zero

    /* --- CSRs --------------------------------------------------------------------------------------- */
    TEST 10 /* misa: MXL is 1; mstatus.SD is bit 31 */
    csrr a0, misa
    srli a0, a0, 30
    CHECK_EQ a0, 1
    li t0, MSTATUS_FS
    csrs mstatus, t0
    csrr a0, mstatus
    bgez a0, fail
    csrc mstatus, t0
    csrr a0, mstatus
    bltz a0, fail
    TEST 11 /* counters in halves */
    li a0, 0x1234
    csrw mcycleh, a0
    csrw mcycle, zero
    csrr a1, mcycleh
    CHECK_REGS a0, a1
    csrr a0, timeh
    csrr a0, 0x310 /* mstatush */
    CHECK_EQ a0, 0
    TEST 12 /* RV64 has no halves, RV32 has all pmpcfg */
    csrr a0, pmpcfg1
    CHECK_EQ a0, 0
    TEST 13 /* pmpaddr: all 32 bits */
    li a0, 0x87654321
    csrw pmpaddr3, a0
    csrr a1, pmpaddr3
    CHECK_REGS a0, a1
    csrw pmpaddr3, zero

    /* --- arithmetic at the edge ------------------------------------------------------------------------ */
    TEST 20
    li a0, 0x7fffffff
    addi a0, a0, 1
    bgez a0, fail
    li a1, 0x80000000
    CHECK_REGS a0, a1
    sltu a2, zero, a0
    CHECK_EQ a2, 1
    srli a2, a0, 31
    CHECK_EQ a2, 1
    srai a2, a0, 31
    CHECK_EQ a2, -1
    TEST 21 /* addresses wrap at 4 GiB: HOLE = 0xfffffff0 + ... */
    li a0, -16
    li t0, HOLE + 16
    add a0, a0, t0
    TRAPS PRV_M, CAUSE_LOAD_ACCESS, HOLE, lw a1, 0(a0)

    /* --- Sv32 --------------------------------------------------------------------------------------------- */
    SET root, 0x200, (0x80000000 >> 2) | V | R | W | X | A | D
    la t1, l0
    srli t1, t1, 2
    ori t1, t1, V
    la t0, root
    li t2, 4 * 0x100
    add t0, t0, t2
    sw t1, 0(t0)
    la t1, root
    srli t1, t1, 12
    li t0, 1 << 31
    or t0, t0, t1
    csrw satp, t0
    sfence.vma
    csrr a0, satp
    CHECK_REGS a0, t0
    la a2, page0
    li a0, VA
    li a3, 0x5678
    TEST 30
    PTE 0, page0, V | R | W | A | D
    RUNS PRV_S, sw a3, 4(a0)
    lw a4, 4(a2)
    CHECK_REGS a4, a3
    TRAPS PRV_U, CAUSE_INSN_PAGE, any, nop
    TEST 31
    PTE 0, page0, V | R | A
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA + 4, sw a3, 4(a0)
    PTE 0, page0, V | W | A | D
    TRAPS PRV_S, CAUSE_LOAD_PAGE, VA + 4, lw a3, 4(a0)
    PTE 0, page0, V | R | W | U | A | D
    TRAPS PRV_S, CAUSE_LOAD_PAGE, VA + 4, lw a3, 4(a0)
    li t0, MSTATUS_SUM
    csrs mstatus, t0
    RUNS PRV_S, lw a4, 4(a0)
    CHECK_REGS a4, a3
    li t0, MSTATUS_SUM
    csrc mstatus, t0
    TEST 32 /* A and D */
    PTE 0, page0, V | R | W
    RUNS PRV_S, lw a4, 4(a0)
    la t1, l0
    lw a4, 0(t1)
    CHECK_BITS a4, A | D, A
    RUNS PRV_S, sw a3, 4(a0)
    la t1, l0
    lw a4, 0(t1)
    CHECK_BITS a4, A | D, A | D
    TEST 33 /* a superpage of 4 MiB, and a misaligned one */
    SET root, 0x101, (0x80000000 >> 2) | V | R | A
    li a5, MEGA
    li t0, 0x80000000
    sub t0, a2, t0
    add a5, a5, t0
    RUNS PRV_S, lw a4, 4(a5)
    CHECK_REGS a4, a3
    SET root, 0x101, ((0x80000000 + 0x1000) >> 2) | V | R | A
    li a5, MEGA
    TRAPS PRV_S, CAUSE_LOAD_PAGE, MEGA, lw a4, 0(a5)
    TEST 34 /* the last page of the address space */
    SET root, 0x3ff, (0x80000000 >> 2) | V | R | A
    li a5, -4
    RUNS PRV_S, lw a4, 0(a5)
    TEST 35 /* an instruction whose second half is at address 0: a fault there, or it runs */
    SET root, 0, 0
    li t0, 0x0013 /* the low half of a nop */
    lui t1, 1
    add t1, t1, a2
    sh t0, -2(t1)
    SET l0, 0x3ff, 0
    la t1, page0
    srli t1, t1, 2
    ori t1, t1, V | X | R | A
    la t0, l0 + 4 * 0x3ff
    sw t1, 0(t0)
    la t1, l0
    srli t1, t1, 2
    ori t1, t1, V
    la t0, root + 4 * 0x3ff
    sw t1, 0(t0)
    sfence.vma
    la s7, 1f
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li t0, PRV_S << 11
    csrs mstatus, t0
    li t0, -2
    csrw mepc, t0
    mret
1:
    CHECK_EQ s2, CAUSE_INSN_PAGE
    CHECK_EQ s3, -2
    CHECK_EQ s4, 0
    j pass

    .data
    .balign 4096
root:
    .zero 4096
l0:
    .zero 4096
page0:
    .zero 4096
