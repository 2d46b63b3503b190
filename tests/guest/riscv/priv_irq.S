/* SPDX-License-Identifier: MIT */
/* Interrupts: causes, enables, priorities, delegation, vectors, wfi, SEIP, the S timer (Sstc). */
#include "priv.h"
#define SSI 1
#define MSI 3
#define STI 5
#define MTI 7
#define SEI 9
#define MEI 11
#define STCE (1 << 63)

/* Raises or clears the hart's MSIP. */
.macro SET_MSIP value
    li t0, CLINT_MSIP
    li t1, \value
    sw t1, 0(t0)
.endm
/* Waits until the bits are in mip (a device's line may take a moment). */
.macro WAIT_MIP bits
901:
    csrr t0, mip
    li t1, \bits
    and t0, t0, t1
    beqz t0, 901b
.endm
.macro DISABLE
    csrw mie, zero
    csrci mstatus, MSTATUS_MIE | MSTATUS_SIE
.endm

main:
    li t0, CLINT_MTIMECMP
    li t1, -1
    sd t1, 0(t0)
    DISABLE

    /* --- one interrupt in M mode ------------------------------------------------------------------- */
    TEST 1
    SET_MSIP 1
    WAIT_MIP 1 << MSI
    csrwi mie, 1 << MSI
    RESUME 1f
    csrsi mstatus, MSTATUS_MIE
2:  /* taken before this instruction */
    j fail
1:
    CHECK_TRAP (INTERRUPT | MSI), 2b
    CHECK_EQ s4, 0
    CHECK_BITS s5, MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP, MSTATUS_MPIE | MSTATUS_MPP
    TEST 2 /* by a register, and by mie */
    li a0, MSTATUS_MIE
    RESUME 1f
    csrs mstatus, a0
2:
    j fail
1:
    CHECK_TRAP (INTERRUPT | MSI), 2b
    csrw mie, zero
    csrsi mstatus, MSTATUS_MIE
    RESUME 1f
    csrsi mie, 1 << MSI
2:
    j fail
1:
    CHECK_TRAP (INTERRUPT | MSI), 2b
    TEST 3 /* not with MIE off */
    csrci mstatus, MSTATUS_MIE
    RESUME 1f
    nop
    nop
    ecall
1:
    CHECK_EQ s2, CAUSE_ECALL_M
    TEST 4 /* by mret: before the first instruction there */
    li t0, MSTATUS_MPIE | MSTATUS_MPP
    csrs mstatus, t0
    la t0, 2f
    csrw mepc, t0
    RESUME 1f
    mret
2:
    j fail
1:
    CHECK_TRAP (INTERRUPT | MSI), 2b
    TEST 5 /* in S and U whatever MIE is */
    csrci mstatus, MSTATUS_MIE
    li t0, MSTATUS_MPIE
    csrc mstatus, t0
    RESUME 1f
    ENTER PRV_S, 2f
2:
    j fail
1:
    CHECK_TRAP (INTERRUPT | MSI), 2b
    CHECK_BITS s5, MSTATUS_MPP, PRV_S << 11
    RESUME 1f
    ENTER PRV_U, 2f
2:
    j fail
1:
    CHECK_TRAP (INTERRUPT | MSI), 2b
    CHECK_BITS s5, MSTATUS_MPP, 0
    SET_MSIP 0
    DISABLE

    /* --- the machine timer -------------------------------------------------------------------------- */
    TEST 6
    li t0, CLINT_MTIME
    ld t1, 0(t0)
    li t0, CLINT_MTIMECMP
    addi t1, t1, 1000
    sd t1, 0(t0)
    li t0, 1 << MTI
    csrw mie, t0
    RESUME 1f
    csrsi mstatus, MSTATUS_MIE
2:
    wfi
    j 2b
1:
    CHECK_EQ s2, INTERRUPT | MTI
    li t0, CLINT_MTIMECMP
    li t1, -1
    sd t1, 0(t0)
    DISABLE
    TEST 7 /* wfi ends with a pending interrupt that is not enabled globally */
    li t0, CLINT_MTIME
    ld t1, 0(t0)
    li t0, CLINT_MTIMECMP
    addi t1, t1, 1000
    sd t1, 0(t0)
    li t0, 1 << MTI
    csrw mie, t0
    wfi
    csrr a0, mip
    CHECK_BITS a0, 1 << MTI, 1 << MTI
    li t0, CLINT_MTIMECMP
    li t1, -1
    sd t1, 0(t0)
    DISABLE

    /* --- priorities: MEI MSI MTI SEI SSI STI -------------------------------------------------------- */
    TEST 10
    beqz s1, after_priorities /* QEMU 7.2 takes the lowest number first */
    SET_MSIP 1
    li t0, CLINT_MTIMECMP
    sd zero, 0(t0)
    WAIT_MIP 1 << MSI
    WAIT_MIP 1 << MTI
    li t0, 1 << SSI | 1 << STI | 1 << SEI
    csrs mip, t0
    li t0, 0xaaa
    csrw mie, t0
    RESUME 1f
    csrsi mstatus, MSTATUS_MIE
1:
    CHECK_EQ s2, INTERRUPT | MSI
    SET_MSIP 0
    RESUME 1f
    csrsi mstatus, MSTATUS_MIE
1:
    CHECK_EQ s2, INTERRUPT | MTI
    li t0, CLINT_MTIMECMP
    li t1, -1
    sd t1, 0(t0)
2:
    csrr t0, mip
    andi t0, t0, 1 << MTI
    bnez t0, 2b
    RESUME 1f
    csrsi mstatus, MSTATUS_MIE
1:
    CHECK_EQ s2, INTERRUPT | SEI
    li t0, 1 << SEI
    csrc mip, t0
    RESUME 1f
    csrsi mstatus, MSTATUS_MIE
1:
    CHECK_EQ s2, INTERRUPT | SSI
    csrci mip, 1 << SSI
    RESUME 1f
    csrsi mstatus, MSTATUS_MIE
1:
    CHECK_EQ s2, INTERRUPT | STI
    csrw mip, zero
    DISABLE

after_priorities:
    /* --- delegation ---------------------------------------------------------------------------------------- */
    TEST 20 /* to S from U, and from S when SIE is set */
    li t0, 1 << SSI | 1 << SEI
    csrw mideleg, t0
    csrw mie, t0
    csrsi mip, 1 << SSI
    RESUME 1f
    ENTER PRV_U, 2f
2:
    j fail
1:
    CHECK_EQ s2, CAUSE_ECALL_S
    CHECK_EQ s8, INTERRUPT | SSI
    CHECK_ADDR s9, 2b
    CHECK_EQ s10, 0
    CHECK_BITS s11, MSTATUS_SPP | MSTATUS_SIE, 0
    TEST 21 /* not in S with SIE off, not in M */
    RUNS PRV_S, nop
    CHECK_EQ s8, -1
    csrsi mstatus, MSTATUS_MIE
    nop
    csrci mstatus, MSTATUS_MIE
    CHECK_EQ s8, -1
    TEST 22 /* S sets SIE */
    RESUME 1f
    ENTER PRV_S, 2f
2:
    csrsi sstatus, MSTATUS_SIE
3:
    j 3b
1:
    CHECK_EQ s8, INTERRUPT | SSI
    CHECK_ADDR s9, 3b
    CHECK_BITS s11, MSTATUS_SPP | MSTATUS_SIE | MSTATUS_SPIE, MSTATUS_SPP | MSTATUS_SPIE
    TEST 23 /* as Linux restores it, by a register */
    csrci mstatus, MSTATUS_SIE
    li a0, MSTATUS_SIE
    RESUME 1f
    ENTER PRV_S, 2f
2:
    csrs sstatus, a0
3:
    j 3b
1:
    CHECK_EQ s8, INTERRUPT | SSI
    CHECK_ADDR s9, 3b
    TEST 24 /* by sret: SPIE becomes SIE */
    csrci mstatus, MSTATUS_SIE
    RESUME 1f
    ENTER PRV_S, 2f
2:
    li t0, MSTATUS_SPIE | MSTATUS_SPP
    csrs sstatus, t0
    la t0, 3f
    csrw sepc, t0
    sret
3:
    j 3b
1:
    CHECK_EQ s8, INTERRUPT | SSI
    CHECK_ADDR s9, 3b
    TEST 25 /* S clears its own SSIP; the interrupt that M did not delegate comes first */
    csrci mstatus, MSTATUS_SIE
    RUNS PRV_S, csrci sip, 1 << SSI
    csrr a0, mip
    CHECK_BITS a0, 1 << SSI, 0
    csrsi mip, 1 << SSI
    li t0, 1 << MSI | 1 << SSI
    csrw mie, t0
    SET_MSIP 1
    WAIT_MIP 1 << MSI
    RESUME 1f
    ENTER PRV_U, 2f
2:
    j fail
1:
    CHECK_TRAP (INTERRUPT | MSI), 2b
    CHECK_EQ s8, -1
    SET_MSIP 0
    csrw mip, zero
    DISABLE
    TEST 26 /* SEIP: reads give the latch here, since the line is down; rmw touches the latch alone */
    li t0, 1 << SEI
    csrs mip, t0
    csrr a0, mip
    CHECK_BITS a0, 1 << SEI, 1 << SEI
    csrrc a0, mip, t0
    csrr a0, mip
    CHECK_BITS a0, 1 << SEI, 0

    /* --- vectored ---------------------------------------------------------------------------------------------- */
    TEST 30
    csrw mideleg, zero
    la t0, vectors
    ori t0, t0, 1
    csrw mtvec, t0
    csrsi mip, 1 << SSI
    csrwi mie, 1 << SSI
    li a0, 0
    RESUME 1f
    csrsi mstatus, MSTATUS_MIE
    nop
1:
    CHECK_EQ a0, 1
    CHECK_EQ s2, INTERRUPT | SSI
    csrw mip, zero
    DISABLE
    SET_MSIP 1
    WAIT_MIP 1 << MSI
    csrwi mie, 1 << MSI
    li a0, 0
    RESUME 1f
    csrsi mstatus, MSTATUS_MIE
    nop
1:
    CHECK_EQ a0, 3
    SET_MSIP 0
    DISABLE
    li a0, 0
    RESUME 1f
    ecall
1:
    CHECK_EQ a0, 100 /* an exception: the base */
    la t0, m_handler
    csrw mtvec, t0

    /* --- Sstc ---------------------------------------------------------------------------------------------------- */
    TEST 40
    li t0, STCE
    csrc menvcfg, t0
    csrwi mcounteren, 7
    TRAPS PRV_S, CAUSE_ILLEGAL, 0x14d02573, csrr a0, 0x14d
    li t0, STCE
    csrs menvcfg, t0
    RUNS PRV_S, csrr a0, 0x14d
    csrwi mcounteren, 0
    TRAPS PRV_S, CAUSE_ILLEGAL, 0x14d02573, csrr a0, 0x14d
    csrwi mcounteren, 7
    TEST 41 /* STIP is time >= stimecmp */
    li t0, -1
    csrw 0x14d, t0
    csrr a0, mip
    CHECK_BITS a0, 1 << STI, 0
    csrw 0x14d, zero
    csrr a0, mip
    CHECK_BITS a0, 1 << STI, 1 << STI
    li t0, 1 << STI
    csrc mip, t0 /* read-only now */
    csrr a0, mip
    CHECK_BITS a0, 1 << STI, 1 << STI
    li t0, -1
    csrw 0x14d, t0
    csrr a0, mip
    CHECK_BITS a0, 1 << STI, 0
    TEST 42 /* it fires */
    li t0, 1 << STI
    csrw mideleg, t0
    csrw mie, t0
    RESUME 1f
    ENTER PRV_S, 2f
2:
    rdtime t0
    addi t0, t0, 1000
    csrw 0x14d, t0
    csrsi sstatus, MSTATUS_SIE
3:
    wfi
    j 3b
1:
    CHECK_EQ s8, INTERRUPT | STI
    li t0, -1
    csrw 0x14d, t0
    j pass

    .balign 256
vectors:
    .option push
    .option norvc
    j vector0
    j vector1
    j fail
    j vector3
    .rept 12
    j fail
    .endr
    .option pop
vector0:
    li a0, 100
    j m_handler
vector1:
    li a0, 1
    j m_handler
vector3:
    li a0, 3
    j m_handler
