/* SPDX-License-Identifier: MIT */
/* CSRs: who may access which, WARL fields, views, counter enables, TVM, TW, TSR, FS. */
#include "priv.h"
#define ILL CAUSE_ILLEGAL

main:
    /* --- privilege and existence ---------------------------------------------------------------- */
    TEST 1
    TRAPS PRV_S, ILL, 0x30002573, csrr a0, mstatus
    TRAPS PRV_U, ILL, 0x10002573, csrr a0, sstatus
    TRAPS PRV_U, ILL, 0x30001073, csrw mstatus, x0
    TEST 2
    TRAPS PRV_M, ILL, 0xf1401073, csrw mhartid, x0
    li a0, 1 /* with zero in it QEMU 7.2 takes the write for a read */
    TRAPS PRV_M, ILL, any, csrs mvendorid, a0
    RUNS PRV_M, csrrs a0, mvendorid, x0
    TRAPS PRV_M, ILL, any, csrrw a0, cycle, x0
    TEST 3
    TRAPS PRV_M, ILL, any, csrr a0, 0x123
    TRAPS PRV_M, ILL, any, csrw 0x7ff, a0
    TRAPS PRV_M, ILL, any, csrr a0, pmpcfg1 /* odd: of RV32 only */
    TEST 4
    RUNS PRV_S, csrr a0, sstatus
    RUNS PRV_S, csrw sscratch, a0
    RUNS PRV_M, csrr a0, mhartid
    CHECK_EQ a0, 0

    /* --- plain registers -------------------------------------------------------------------------- */
    TEST 5
    li a0, 0x123456789abcdef0
    csrw mscratch, a0
    li a1, 0xff
    csrrs a2, mscratch, a1
    CHECK_REGS a2, a0
    csrrc a2, mscratch, a1
    CHECK_EQ a2, 0x123456789abcdeff
    csrrwi a2, mscratch, 21
    CHECK_EQ a2, 0x123456789abcde00
    csrrsi a2, mscratch, 10
    CHECK_EQ a2, 21
    csrrci a2, mscratch, 1
    CHECK_EQ a2, 31
    csrr a2, mscratch
    CHECK_EQ a2, 30
    TEST 6 /* rd == rs1: the old value comes back, the new one is written */
    li a0, 77
    csrw sscratch, a0
    li sp, 99
    csrrw sp, sscratch, sp
    CHECK_EQ sp, 77
    csrr a0, sscratch
    CHECK_EQ a0, 99

    /* --- WARL ---------------------------------------------------------------------------------------- */
    TEST 10 /* medeleg: an ecall from M cannot be delegated */
    beqz s1, 1f /* QEMU 7.2 lets bit 11 be set */
    li t0, -1
    csrw medeleg, t0
    csrr a0, medeleg
    CHECK_BITS a0, 0xffff, 0xb3ff
1:
    csrw medeleg, zero
    TEST 11 /* mideleg: S interrupts only */
    li t0, -1
    csrw mideleg, t0
    csrr a0, mideleg
    CHECK_BITS a0, 0xaaa, 0x222
    csrw mideleg, zero
    TEST 12 /* satp: an unsupported mode changes nothing */
    li a0, 8 << 60 | 5 << 44 | 0x123
    csrw satp, a0
    li t0, 3 << 60 | 7 << 44 | 0x456
    csrw satp, t0
    csrr a1, satp
    CHECK_REGS a1, a0
    csrw satp, zero
    TEST 13 /* MPP = 2 does not exist */
    li t0, MSTATUS_MPP
    csrs mstatus, t0
    li t0, 1 << 11
    csrc mstatus, t0
    csrr a0, mstatus
    li t0, MSTATUS_MPP
    and a0, a0, t0
    li t0, 2 << 11
    beqz s1, 1f /* QEMU 7.2 keeps it */
    beq a0, t0, fail
1:
    li t0, MSTATUS_MPP
    csrs mstatus, t0
    TEST 14 /* mtvec: reserved modes are not kept */
    csrr a0, mtvec
    ori t0, a0, 2
    csrw mtvec, t0
    csrr a1, mtvec
    andi a1, a1, 2
    CHECK_EQ a1, 0
    csrw mtvec, a0
    TEST 15
    csrr a0, misa
    li t0, 0x141129 /* A D F I M S U; C may be there */
    and a1, a0, t0
    CHECK_REGS a1, t0
    srli a1, a0, 62
    CHECK_EQ a1, 2
    TEST 16 /* SXL, UXL: 64 */
    csrr a0, mstatus
    srli a0, a0, 32
    andi a0, a0, 15
    CHECK_EQ a0, 10

    /* --- sstatus is a view of mstatus -------------------------------------------------------------- */
    TEST 20
    li t0, MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_SUM | MSTATUS_MXR | MSTATUS_MIE | MSTATUS_MPIE
    csrc mstatus, t0
    li t0, ~(3 << 32) /* UXL as it is: QEMU 7.2 takes the reserved 3 */
    csrw sstatus, t0
    csrr a0, mstatus
    CHECK_BITS a0, MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_SUM | MSTATUS_MXR | MSTATUS_MIE | MSTATUS_MPIE, MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_SUM | MSTATUS_MXR
    csrr a0, sstatus
    CHECK_BITS a0, MSTATUS_MPP | MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_TSR, 0
    csrw sstatus, zero
    csrr a0, mstatus
    CHECK_BITS a0, MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_SUM | MSTATUS_MXR | MSTATUS_MPP, MSTATUS_MPP
    TEST 21 /* single bits, the old value read */
    csrrsi a0, sstatus, 2
    CHECK_BITS a0, 2, 0
    csrrci a0, sstatus, 2
    CHECK_BITS a0, 2, 2
    csrr a0, sstatus
    CHECK_BITS a0, 2, 0
    li a1, 2
    csrrs a0, sstatus, a1
    CHECK_BITS a0, 2, 0
    csrrc a0, sstatus, a1
    CHECK_BITS a0, 2, 2
    li a1, MSTATUS_SUM | 2
    csrrs a0, sstatus, a1
    CHECK_BITS a0, MSTATUS_SUM | 2, 0
    csrrc a0, sstatus, a1
    CHECK_BITS a0, MSTATUS_SUM | 2, MSTATUS_SUM | 2
    csrr a0, mstatus
    CHECK_BITS a0, MSTATUS_SUM | 2, 0
    TEST 22
    csrrsi a0, mstatus, 8
    CHECK_BITS a0, 8, 0
    csrrci a0, mstatus, 8
    CHECK_BITS a0, 8, 8
    csrr a0, mstatus
    CHECK_BITS a0, 8, 0

    /* --- sie and sip are views by mideleg ---------------------------------------------------------- */
    TEST 23
    li t0, 0x222
    csrw mie, t0
    csrw mideleg, zero
    csrr a0, sie
    CHECK_EQ a0, 0
    li t0, 0x20
    csrw mideleg, t0
    csrr a0, sie
    CHECK_EQ a0, 0x20
    csrw sie, zero
    csrr a0, mie
    CHECK_EQ a0, 0x202
    csrw mie, zero
    TEST 24 /* mip: SSIP, STIP, SEIP from M; of these S writes SSIP alone */
    li t0, 0x222
    csrw mideleg, t0
    csrw mip, t0
    csrr a0, mip
    CHECK_BITS a0, 0x222, 0x222
    csrw sip, zero
    csrr a0, mip
    CHECK_BITS a0, 0x222, 0x220
    csrw mip, zero
    csrr a0, mip
    CHECK_BITS a0, 0x222, 0
    csrw mideleg, zero
    csrw sip, t0
    csrr a0, mip
    CHECK_BITS a0, 0x222, 0

    /* --- counter enables ----------------------------------------------------------------------------- */
    TEST 30
    csrw mcounteren, zero
    csrw scounteren, zero
    RUNS PRV_M, csrr a0, cycle
    TRAPS PRV_S, ILL, 0xc0002573, csrr a0, cycle
    TRAPS PRV_U, ILL, 0xc0002573, csrr a0, cycle
    TEST 31
    li t0, 5 /* cycle and instret, not time */
    csrw mcounteren, t0
    RUNS PRV_S, csrr a0, cycle
    RUNS PRV_S, csrr a0, instret
    TRAPS PRV_S, ILL, 0xc0102573, csrr a0, time
    TRAPS PRV_U, ILL, 0xc0002573, csrr a0, cycle
    TEST 32
    li t0, 4
    csrw scounteren, t0
    RUNS PRV_U, csrr a0, instret
    TRAPS PRV_U, ILL, 0xc0002573, csrr a0, cycle
    TEST 33
    li t0, 7
    csrw mcounteren, t0
    csrw scounteren, t0
    RUNS PRV_U, csrr a0, time
    RUNS PRV_U, csrr a0, cycle
    TEST 34 /* they count, and can be written */
    rdtime a0
1:
    rdtime a1
    beq a0, a1, 1b
    bltu a1, a0, fail
    li a0, 1 << 60
    csrw mcycle, a0
    csrr a1, mcycle
    bltu a1, a0, fail
    rdcycle a2
    bltu a2, a1, fail
    csrw minstret, a0
    rdinstret a1
    bltu a1, a0, fail
    csrw mcycle, zero
    TEST 35 /* mcountinhibit stops them */
    li t0, 5
    csrw mcountinhibit, t0
    csrr a0, mcycle
    csrr a1, minstret
    csrr a2, mcycle
    csrr a3, minstret
    beqz s1, 1f /* QEMU 7.2 lets them run on between the write and the read */
    CHECK_REGS a0, a2
    CHECK_REGS a1, a3
1:
    csrw mcountinhibit, zero

    /* --- TVM, TW, TSR --------------------------------------------------------------------------------- */
    TEST 40
    li t0, MSTATUS_TVM
    csrs mstatus, t0
    TRAPS PRV_S, ILL, 0x18002573, csrr a0, satp
    TRAPS PRV_S, ILL, 0x18051073, csrw satp, a0
    TRAPS PRV_S, ILL, 0x12000073, sfence.vma
    RUNS PRV_M, csrr a0, satp
    li t0, MSTATUS_TVM
    csrc mstatus, t0
    RUNS PRV_S, csrr a0, satp
    RUNS PRV_S, sfence.vma
    TRAPS PRV_U, ILL, 0x12000073, sfence.vma
    TEST 41
    li t0, MSTATUS_TSR
    csrs mstatus, t0
    TRAPS PRV_S, ILL, 0x10200073, sret
    li t0, MSTATUS_TSR
    csrc mstatus, t0
    TEST 42
    li t0, MSTATUS_TW
    csrs mstatus, t0
    TRAPS PRV_S, ILL, 0x10500073, wfi
    li t0, MSTATUS_TW
    csrc mstatus, t0
    TRAPS PRV_U, ILL, 0x10500073, wfi

    /* --- floating point: FS, fcsr ---------------------------------------------------------------------- */
    TEST 50
    li t0, MSTATUS_FS
    csrc mstatus, t0
    TRAPS PRV_M, ILL, 0x00302573, csrr a0, fcsr
    TRAPS PRV_U, ILL, any, csrw frm, x0
    TRAPS PRV_S, ILL, any, fadd.d fa0, fa0, fa0
    csrr a0, mstatus
    bltz a0, fail
    TEST 51
    li t0, 1 << 13 /* initial */
    csrs mstatus, t0
    RUNS PRV_U, csrr a0, fcsr
    csrr a0, mstatus
    bltz a0, fail
    RUNS PRV_U, fmv.d.x fa0, x0
    csrr a0, mstatus
    bgez a0, fail
    CHECK_BITS a0, MSTATUS_FS, MSTATUS_FS
    csrr a0, sstatus
    bgez a0, fail
    TEST 52
    li t0, MSTATUS_FS
    csrc mstatus, t0
    li t0, 2 << 13 /* clean */
    csrs mstatus, t0
    csrwi fflags, 0
    csrr a0, mstatus
    bgez a0, fail
    TEST 53
    li t0, 0x1ff
    csrw fcsr, t0
    csrr a0, fcsr
    CHECK_EQ a0, 0xff
    csrr a0, frm
    CHECK_EQ a0, 7
    csrr a0, fflags
    CHECK_EQ a0, 31
    TEST 54 /* a reserved rounding mode makes dynamic rounding illegal */
    csrwi frm, 5
    TRAPS PRV_U, ILL, any, fadd.d fa0, fa0, fa0
    RUNS PRV_U, fadd.d fa0, fa0, fa0, rtz
    csrwi frm, 0
    TEST 55 /* flags accumulate: 1/3 is inexact, 1/0 divides by zero */
    csrwi fflags, 0
    li a0, 1
    li a1, 3
    fcvt.d.l fa0, a0
    fcvt.d.l fa1, a1
    fdiv.d fa2, fa0, fa1
    csrr a0, fflags
    CHECK_EQ a0, 1
    fmv.d.x fa1, x0
    fdiv.d fa2, fa0, fa1
    csrrwi a0, fflags, 0
    CHECK_EQ a0, 9
    csrr a0, fflags
    CHECK_EQ a0, 0

    /* --- environment configuration ---------------------------------------------------------------------- */
    TEST 60
    beqz s1, 1f /* QEMU 7.2: CBIE and the like are writable without Zicbom */
    li t0, -1
    csrw senvcfg, t0
    csrr a0, senvcfg
    CHECK_EQ a0, 0xf1
    csrw senvcfg, zero
1:
    j pass
