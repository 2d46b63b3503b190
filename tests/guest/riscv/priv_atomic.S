/* SPDX-License-Identifier: MIT */
/* Reservations, accesses whose result goes to x0, and what MPRV does to them. */
#include "priv.h"
#define HOLE 0x50000

/* sc.w a2 of a1 to (reg): must fail and leave memory alone. */
.macro SC_FAILS reg
    lw a4, 0(\reg)
    not a1, a4
    sc.w a2, a1, (\reg)
    beqz a2, fail
    lw a3, 0(\reg)
    bne a3, a4, fail
.endm
.macro SC_WORKS reg
    lw a4, 0(\reg)
    not a1, a4
    sc.w a2, a1, (\reg)
    bnez a2, fail
    lw a3, 0(\reg)
    bne a3, a1, fail
.endm

main:
    la a0, data
    addi a5, a0, 64
    TEST 1 /* no reservation */
    SC_FAILS a0
    TEST 2
    lr.w a1, (a0)
    SC_WORKS a0
    TEST 3 /* an sc ends it, whether it worked or not */
    SC_FAILS a0
    lr.w a1, (a0)
    SC_FAILS a5
    SC_FAILS a0
    TEST 4 /* a second lr replaces the first */
    lr.w a1, (a0)
    lr.w a1, (a5)
    SC_FAILS a0
    lr.w a1, (a5)
    lr.w a1, (a0)
    SC_WORKS a0
    TEST 5 /* values are sign-extended, and compared as words */
    li a1, 0x80000001
    sw a1, 0(a0)
    lr.w a2, (a0)
    CHECK_EQ a2, 0xffffffff80000001
    li a1, -2
    sc.w a2, a1, (a0)
    bnez a2, fail
    lwu a2, 0(a0)
    CHECK_EQ a2, 0xfffffffe
    TEST 6 /* rd and rs1 the same */
    mv a1, a0
    lr.w a1, (a1)
    CHECK_EQ a1, -2
    mv a1, a0
    sc.w a1, a5, (a1)
    bnez a1, fail
    TEST 7 /* lr to x0 reserves, too */
    lr.d x0, (a0)
    sc.d x0, a5, (a0)
    ld a1, 0(a0)
    CHECK_REGS a1, a5
    TEST 8 /* a misaligned sc raises, reservation or not */
    beqz s1, 1f /* QEMU 7.2: not without a reservation */
    addi a1, a0, 2
    TRAPS PRV_U, CAUSE_STORE_MISALIGNED, any, sc.w a2, a2, (a1)
    CHECK_REGS s4, a1
    lr.w a2, (a0)
    TRAPS PRV_U, CAUSE_STORE_MISALIGNED, any, sc.w a2, a2, (a1)
1:

    /* --- what goes to x0 is an access all the same ------------------------------------------------- */
    TEST 20
    li a1, HOLE
    TRAPS PRV_M, CAUSE_LOAD_ACCESS, HOLE, lw x0, 0(a1)
    TRAPS PRV_U, CAUSE_LOAD_ACCESS, HOLE, lb x0, 0(a1)
    TRAPS PRV_S, CAUSE_LOAD_ACCESS, HOLE, lr.w x0, (a1)
    beqz s1, 1f /* QEMU 7.2: a load access fault */
    TRAPS PRV_S, CAUSE_STORE_ACCESS, HOLE, amoadd.w x0, x0, (a1)
1:
    TEST 21
    li a1, 7
    sd a1, 0(a0)
    amoadd.d x0, a1, (a0)
    ld a2, 0(a0)
    CHECK_EQ a2, 14
    TEST 22 /* a CSR that may not be read traps, though the value goes to x0 */
    csrw mcounteren, zero
    TRAPS PRV_U, CAUSE_ILLEGAL, any, csrrs x0, cycle, x0

    /* --- words ------------------------------------------------------------------------------------- */
    TEST 30 /* signed and unsigned order of words; the upper halves of operands do not count */
    li a1, 0x80000000
    sw a1, 0(a0)
    li a2, 0x1234567800000001
    amomin.w a3, a2, (a0)
    CHECK_EQ a3, 0xffffffff80000000
    lwu a3, 0(a0)
    CHECK_EQ a3, 0x80000000
    amominu.w a3, a2, (a0)
    lwu a3, 0(a0)
    CHECK_EQ a3, 1
    li a2, 0x00000000ffffffff
    amomax.w a3, a2, (a0)
    CHECK_EQ a3, 1
    amomaxu.w a3, a2, (a0)
    CHECK_EQ a3, 1
    lwu a3, 0(a0)
    CHECK_EQ a3, 0xffffffff

    /* --- MPRV ---------------------------------------------------------------------------------------- */
    TEST 40 /* atomics with MPP's rights; sret from M ends it */
    csrw pmpcfg0, zero
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li a4, MSTATUS_MPRV
    RESUME 2f
    csrs mstatus, a4
1:
    amoadd.w a1, a1, (a0)
2:
    csrc mstatus, a4
    li a1, CAUSE_STORE_ACCESS
    bnez s1, 3f
    mv a1, s2 /* QEMU 7.2: a load access fault */
3:
    CHECK_REGS s2, a1
    CHECK_ADDR s3, 1b
    CHECK_BITS s5, MSTATUS_MPP | MSTATUS_MPRV, MSTATUS_MPP | MSTATUS_MPRV
    TEST 41 /* with MPP = M it changes nothing */
    csrs mstatus, a4
    lw a1, 0(a0)
    csrc mstatus, a4
    TEST 42
    li t0, 0x1f
    csrw pmpcfg0, t0
    li t0, MSTATUS_SPP | MSTATUS_SIE
    csrc mstatus, t0
    li t0, MSTATUS_SPIE
    csrs mstatus, t0
    RESUME 3f
    la t0, 2f
    csrw sepc, t0
    csrs mstatus, a4
    sret
2:
    ecall
3:
    CHECK_TRAP CAUSE_ECALL_U, 2b
    CHECK_BITS s5, MSTATUS_SPP | MSTATUS_SIE | MSTATUS_SPIE, MSTATUS_SIE | MSTATUS_SPIE
    beqz s1, 4f /* QEMU 7.2 keeps MPRV */
    CHECK_BITS s5, MSTATUS_MPRV, 0
4:
    csrc mstatus, a4
    j pass

    .data
    .balign 64
data:
    .zero 128
