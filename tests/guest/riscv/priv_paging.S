/* SPDX-License-Identifier: MIT */
/*
 * Page tables: rights, U/SUM/MXR/MPRV, A and D, superpages, reserved encodings, every page fault's
 * cause and tval, page crossings, sfence.vma, Sv39, Sv48 and Sv57.
 *
 *   Sv39   0x80000000  gigapage, S RWX, identity: this program
 *         0x100000000  gigapage, U RWX, onto 0x80000000: this program as U mode sees it
 *          0x40000000  l1 -> 0x40000000 l0: pages under test (VA), 0x40200000: a megapage under test
 */
#include "priv.h"
#define V 1
#define R 2
#define W 4
#define X 8
#define U 16
#define G 32
#define A 64
#define D 128
#define VA 0x40000000
#define MEGA 0x40200000
#define ALIAS 0x80000000 /* added to an address: where U mode sees it */

/* slot of l0 = page | bits */
.macro PTE slot, page, bits:vararg
    la t1, \page
    srli t1, t1, 2
    li t0, \bits
    or t0, t0, t1
    la t1, l0
    sd t0, 8 * \slot(t1)
    sfence.vma
.endm
.macro GET_PTE reg, slot
    la t1, l0
    ld \reg, 8 * \slot(t1)
.endm
/* As ENTER, but U mode runs at the alias. */
.macro ENTER_U label
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    la t0, \label
    li t1, ALIAS
    add t0, t0, t1
    csrw mepc, t0
    mret
.endm
/* An instruction in U mode at the alias; cause and tval as in TRAPS. */
.macro U_TRAPS cause, tval, insn:vararg
    RESUME 902f
    ENTER_U 901f
901:
    \insn
    ecall
902:
    CHECK_EQ s2, \cause
    CHECK_EQ s4, \tval
.endm
.macro U_RUNS insn:vararg
    RESUME 902f
    ENTER_U 901f
901:
    \insn
    ecall
902:
    CHECK_EQ s2, CAUSE_ECALL_U
.endm
.macro LOADS cause
    TRAPS PRV_S, \cause, VA, ld a1, 0(a0)
.endm
.macro SATP mode, table
    la t1, \table
    srli t1, t1, 12
    li t0, \mode << 60
    or t0, t0, t1
    csrw satp, t0
    sfence.vma
.endm

main:
    la t2, root
    li t0, (0x80000000 >> 2) | V | R | W | X | A | D
    sd t0, 16(t2)
    li t0, (0x80000000 >> 2) | V | R | W | X | U | A | D
    sd t0, 32(t2)
    la t1, l1
    srli t0, t1, 2
    ori t0, t0, V
    sd t0, 8(t2)
    la t2, l0
    srli t0, t2, 2
    ori t0, t0, V
    sd t0, 0(t1)
    SATP 8, root
    li a0, VA
    la a2, page0

    /* --- rights of S pages --------------------------------------------------------------------------- */
    TEST 1
    PTE 0, page0, V | R | W | X | A | D
    li a3, 0x1234
    RUNS PRV_S, sd a3, 8(a0)
    ld a4, 8(a2)
    CHECK_REGS a4, a3
    RUNS PRV_S, ld a4, 8(a0)
    CHECK_REGS a4, a3
    TEST 2
    PTE 0, page0, V | R | A | D
    RUNS PRV_S, ld a4, 8(a0)
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA + 16, sd a4, 16(a0)
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA + 16, sb a4, 16(a0)
    addi a5, a0, 16
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA + 16, amoadd.w a4, a4, (a5)
    TEST 3
    PTE 0, page0, V | X | A | D
    TRAPS PRV_S, CAUSE_LOAD_PAGE, VA + 7, lbu a4, 7(a0)
    TEST 4 /* MXR: X pages can be read */
    li t0, MSTATUS_MXR
    csrs mstatus, t0
    RUNS PRV_S, ld a4, 8(a0)
    CHECK_REGS a4, a3
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA + 8, sd a4, 8(a0)
    li t0, MSTATUS_MXR
    csrc mstatus, t0
    TRAPS PRV_S, CAUSE_LOAD_PAGE, VA + 8, ld a4, 8(a0)
    TEST 5 /* no X: the fetch faults at the jump's target */
    PTE 0, page0, V | R | W | A | D
    RESUME 1f
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li t0, PRV_S << 11
    csrs mstatus, t0
    csrw mepc, a0
    mret
1:
    CHECK_EQ s2, CAUSE_INSN_PAGE
    CHECK_REGS s3, a0
    CHECK_REGS s4, a0

    /* --- invalid and reserved encodings ---------------------------------------------------------------- */
    TEST 10
    PTE 0, page0, 0
    LOADS CAUSE_LOAD_PAGE
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA, sd a1, 0(a0)
    PTE 0, page0, R | W | X | A | D
    LOADS CAUSE_LOAD_PAGE
    TEST 11 /* W without R */
    PTE 0, page0, V | W | A | D
    LOADS CAUSE_LOAD_PAGE
    PTE 0, page0, V | W | X | A | D
    LOADS CAUSE_LOAD_PAGE
    TEST 12 /* a pointer at the last level */
    PTE 0, page0, V
    LOADS CAUSE_LOAD_PAGE
    TEST 13 /* reserved bits 60:54 */
    PTE 0, page0, V | R | W | A | D | 1 << 54
    LOADS CAUSE_LOAD_PAGE
    PTE 0, page0, V | R | W | A | D | 1 << 60
    LOADS CAUSE_LOAD_PAGE
    TEST 14 /* A, D, U in a pointer are reserved */
    PTE 0, page0, V | R | W | A | D
    la t1, l1
    ld a5, 0(t1)
    ori t0, a5, A
    sd t0, 0(t1)
    sfence.vma
    LOADS CAUSE_LOAD_PAGE
    la t1, l1
    ori t0, a5, U
    sd t0, 0(t1)
    sfence.vma
    LOADS CAUSE_LOAD_PAGE
    la t1, l1
    sd a5, 0(t1)
    sfence.vma
    RUNS PRV_S, ld a1, 0(a0)
    TEST 15 /* addresses must be sign-extended from bit 38 */
    li a5, 1 << 39
    TRAPS PRV_S, CAUSE_LOAD_PAGE, 1 << 39, ld a1, 0(a5)
    li a5, VA | 1 << 63
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA | 1 << 63, sd a1, 0(a5)
    TEST 16 /* a table where there is no memory: an access fault */
    beqz s1, 1f /* QEMU 7.2: a page fault */
    la t1, root
    li t0, (0x50000 >> 2) | V
    sd t0, 24(t1)
    sfence.vma
    li a5, 0xc0000000
    TRAPS PRV_S, CAUSE_LOAD_ACCESS, 0xc0000000, ld a1, 0(a5)
    TRAPS PRV_S, CAUSE_STORE_ACCESS, 0xc0000000, sd a1, 0(a5)
1:
    TEST 17 /* a page where there is no memory */
    li t0, (0x50000 >> 2) | V | R | W | X | A | D
    la t1, l0
    sd t0, 0(t1)
    sfence.vma
    TRAPS PRV_S, CAUSE_LOAD_ACCESS, VA + 24, ld a1, 24(a0)

    /* --- U pages ------------------------------------------------------------------------------------------ */
    TEST 20
    PTE 0, page0, V | R | W | X | U | A | D
    U_RUNS ld a4, 8(a0)
    CHECK_REGS a4, a3
    TRAPS PRV_S, CAUSE_LOAD_PAGE, VA + 8, ld a4, 8(a0)
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA + 8, sd a4, 8(a0)
    TEST 21 /* SUM: S may load and store, not fetch */
    li t0, MSTATUS_SUM
    csrs mstatus, t0
    RUNS PRV_S, ld a4, 8(a0)
    CHECK_REGS a4, a3
    RUNS PRV_S, sd a4, 8(a0)
    RESUME 1f
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li t0, PRV_S << 11
    csrs mstatus, t0
    csrw mepc, a0
    mret
1:
    CHECK_EQ s2, CAUSE_INSN_PAGE
    CHECK_REGS s4, a0
    li t0, MSTATUS_SUM
    csrc mstatus, t0
    TRAPS PRV_S, CAUSE_LOAD_PAGE, VA + 8, ld a4, 8(a0)
    TEST 22 /* U mode and S pages */
    PTE 0, page0, V | R | W | X | A | D
    U_TRAPS CAUSE_LOAD_PAGE, VA, ld a4, 0(a0)
    U_TRAPS CAUSE_STORE_PAGE, VA + 1, sb a4, 1(a0)
    RESUME 1f
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    csrw mepc, a0
    mret
1:
    CHECK_EQ s2, CAUSE_INSN_PAGE
    CHECK_REGS s4, a0
    TEST 23 /* MPRV: M loads as the mode in MPP; fetches are not translated */
    PTE 0, page0, V | R | W | U | A | D
    li a5, MSTATUS_MPRV
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    csrs mstatus, a5
    ld a4, 8(a0)
    csrc mstatus, a5
    CHECK_REGS a4, a3
    li t0, PRV_S << 11
    csrs mstatus, t0
    RESUME 2f
    csrs mstatus, a5
1:
    ld a4, 8(a0)
2:
    csrc mstatus, a5
    CHECK_TRAP CAUSE_LOAD_PAGE, 1b
    CHECK_EQ s4, VA + 8

    /* --- accessed and dirty -------------------------------------------------------------------------------- */
    TEST 30 /* by hardware: QEMU 7.2 always, else as menvcfg.ADUE says */
    PTE 0, page0, V | R | W
    RUNS PRV_S, ld a4, 8(a0)
    GET_PTE a4, 0
    CHECK_BITS a4, A | D, A
    RUNS PRV_S, sd a3, 8(a0)
    GET_PTE a4, 0
    CHECK_BITS a4, A | D, A | D
    TEST 31 /* a store sets both at once */
    PTE 0, page0, V | R | W
    RUNS PRV_S, sd a3, 8(a0)
    GET_PTE a4, 0
    CHECK_BITS a4, A | D, A | D
    TEST 32 /* nothing is set by what faults */
    PTE 0, page0, V | R
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA + 8, sd a3, 8(a0)
    GET_PTE a4, 0
    CHECK_BITS a4, A | D, 0
    TEST 33 /* a load's entry does not let a store pass that must set D */
    PTE 0, page0, V | R | W | A
    RESUME 2f
    ENTER PRV_S, 1f
1:
    ld a4, 8(a0)
    ld a4, 16(a0)
    sd a3, 16(a0)
    ecall
2:
    CHECK_EQ s2, CAUSE_ECALL_S
    GET_PTE a4, 0
    CHECK_BITS a4, A | D, A | D
    TEST 34 /* by software */
    beqz s1, 1f /* QEMU 7.2 lacks Svadu */
    li t0, 1 << 61
    csrc menvcfg, t0
    PTE 0, page0, V | R | W
    TRAPS PRV_S, CAUSE_LOAD_PAGE, VA + 8, ld a4, 8(a0)
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA + 8, sd a4, 8(a0)
    GET_PTE a4, 0
    CHECK_BITS a4, A | D, 0
    PTE 0, page0, V | R | W | A
    RUNS PRV_S, ld a4, 8(a0)
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA + 8, sd a4, 8(a0)
    PTE 0, page0, V | R | W | D
    TRAPS PRV_S, CAUSE_STORE_PAGE, VA + 8, sd a4, 8(a0)
    li t0, 1 << 61
    csrs menvcfg, t0
1:

    /* --- superpages ----------------------------------------------------------------------------------------- */
    TEST 40
    la t1, l1
    li t0, (0x80000000 >> 2) | V | R | W | A | D
    sd t0, 8(t1)
    sfence.vma
    li a5, MEGA
    la a6, page0
    li t0, 0x80000000
    sub a6, a6, t0
    add a5, a5, a6
    RUNS PRV_S, ld a4, 8(a5)
    CHECK_REGS a4, a3
    TEST 41 /* misaligned */
    la t1, l1
    li t0, ((0x80000000 + 0x1000) >> 2) | V | R | W | A | D
    sd t0, 8(t1)
    sfence.vma
    li a5, MEGA
    TRAPS PRV_S, CAUSE_LOAD_PAGE, MEGA, ld a4, 0(a5)
    TRAPS PRV_S, CAUSE_STORE_PAGE, MEGA + 8, sd a4, 8(a5)
    TEST 42
    la t1, root
    li t0, ((0x80000000 + 0x200000) >> 2) | V | R | W | X | A | D
    sd t0, 24(t1)
    sfence.vma
    li a5, 0xc0000000
    TRAPS PRV_S, CAUSE_LOAD_PAGE, 0xc0000000, ld a4, 0(a5)
    RESUME 1f
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li t0, PRV_S << 11
    csrs mstatus, t0
    csrw mepc, a5
    mret
1:
    CHECK_EQ s2, CAUSE_INSN_PAGE
    CHECK_REGS s4, a5

    /* --- page crossings -------------------------------------------------------------------------------------- */
    TEST 50 /* tval is the address on the page that faults */
    PTE 0, page0, V | R | W | A | D
    PTE 1, page1, 0
    li a5, VA + 0xffc
    TRAPS PRV_S, CAUSE_LOAD_PAGE, any, ld a4, 0(a5)
    /* "the portion of the instruction's access that faulted"; QEMU 7.2 agrees */
    CHECK_EQ s4, VA + 0x1000
    la t1, page0
    li t0, 0xffc
    add t1, t1, t0
    li t0, 0x5a5a5a5a
    sw t0, 0(t1)
    TRAPS PRV_S, CAUSE_STORE_PAGE, any, sd a4, 0(a5)
    CHECK_EQ s4, VA + 0x1000
    la t1, page0
    li t0, 0xffc
    add t1, t1, t0
    lwu a4, 0(t1)
    CHECK_EQ a4, 0x5a5a5a5a /* no part of it was stored */
    TEST 51
    PTE 1, page1, V | R | W | A | D
    li a4, 0x0123456789abcdef
    RUNS PRV_S, sd a4, 0(a5)
    RUNS PRV_S, ld a6, 0(a5)
    CHECK_REGS a6, a4
    la t1, page1
    lwu a6, 0(t1)
    CHECK_EQ a6, 0x01234567
    TEST 52 /* an instruction over two pages, the second of which is not there */
    li t0, 0x0013
    la t1, page0
    li t2, 0xffe
    add t1, t1, t2
    sh t0, 0(t1)
    PTE 0, page0, V | R | W | X | A | D
    PTE 1, page1, 0
    fence.i
    RESUME 1f
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li t0, PRV_S << 11
    csrs mstatus, t0
    li a5, VA + 0xffe
    csrw mepc, a5
    mret
1:
    CHECK_EQ s2, CAUSE_INSN_PAGE
    CHECK_REGS s3, a5
    CHECK_EQ s4, VA + 0x1000

    /* --- sfence.vma -------------------------------------------------------------------------------------------- */
    TEST 60 /* each form sees the new page */
    la t0, page1
    li t1, 0x77
    sd t1, 8(t0)
    la t0, page0
    sd a3, 8(t0)
.macro REMAP fence:vararg
    PTE 0, page0, V | R | W | A | D
    RUNS PRV_S, ld a4, 8(a0)
    CHECK_REGS a4, a3
    la t1, page1
    srli t1, t1, 2
    ori t0, t1, V | R | W | A | D
    la t1, l0
    sd t0, 0(t1)
    RESUME 902f
    ENTER PRV_S, 901f
901:
    \fence
    ld a4, 8(a0)
    ecall
902:
    CHECK_EQ a4, 0x77
.endm
    REMAP sfence.vma
    REMAP sfence.vma a0
    REMAP sfence.vma x0, x0
    REMAP sfence.vma a0, x0
    li a5, 0
    REMAP sfence.vma x0, a5
    REMAP sfence.vma a0, a5
    TEST 61 /* a page of a superpage */
    la t1, l1
    li t0, (0x80000000 >> 2) | V | R | W | A | D
    sd t0, 8(t1)
    sfence.vma
    li a5, MEGA
    RUNS PRV_S, ld a4, 0(a5)
    li a6, MEGA + 0x1000
    RUNS PRV_S, ld a4, 0(a6)
    la t1, l1
    sd zero, 8(t1)
    sfence.vma a5
    TRAPS PRV_S, CAUSE_LOAD_PAGE, MEGA + 0x1000, ld a4, 0(a6)

    /* --- ASIDs and global pages ---------------------------------------------------------------------------------- */
    TEST 65
    PTE 0, page0, V | R | W | A | D
    csrr a5, satp
    li t0, 1 << 44
    or a6, a5, t0
    RUNS PRV_S, ld a4, 8(a0)
    CHECK_REGS a4, a3
    csrw satp, a6 /* another ASID with tables of its own */
    la t1, root2
    la t2, root
    ld t0, 16(t2)
    sd t0, 16(t1)
    srli t1, t1, 12
    li t0, 8 << 60 | 2 << 44
    or t0, t0, t1
    csrw satp, t0
    TRAPS PRV_S, CAUSE_LOAD_PAGE, VA + 8, ld a4, 8(a0)
    csrw satp, a5
    RUNS PRV_S, ld a4, 8(a0)
    CHECK_REGS a4, a3

    /* --- deeper trees -------------------------------------------------------------------------------------------- */
    TEST 70 /* Sv48: root3 -> root; the upper half faults, the canonical hole too */
    la t1, root3
    la t0, root
    srli t0, t0, 2
    ori t0, t0, V
    sd t0, 0(t1)
    SATP 9, root3
    csrr a5, satp
    srli a5, a5, 60
    CHECK_EQ a5, 9
    RUNS PRV_S, ld a4, 8(a0)
    CHECK_REGS a4, a3
    li a5, 1 << 47
    TRAPS PRV_S, CAUSE_LOAD_PAGE, 1 << 47, ld a4, 0(a5)
    li a5, 1 << 39
    TRAPS PRV_S, CAUSE_LOAD_PAGE, 1 << 39, ld a4, 0(a5)
    TEST 71 /* a terapage of 512 GB, aligned or not */
    la t1, root3
    li t0, V | R | W | A | D
    sd t0, 8(t1)
    sfence.vma
    li a5, 1 << 39
    la t0, page0
    add a5, a5, t0
    RUNS PRV_S, ld a4, 8(a5)
    CHECK_REGS a4, a3
    la t1, root3
    li t0, (0x80000000 >> 2) | V | R | W | A | D
    sd t0, 8(t1)
    sfence.vma
    RESUME 2f
    ENTER PRV_S, 1f
1:
    ld a4, 8(a5)
2:
    CHECK_TRAP CAUSE_LOAD_PAGE, 1b
    TEST 72 /* Sv57 */
    la t1, root4
    la t0, root3
    srli t0, t0, 2
    ori t0, t0, V
    sd t0, 0(t1)
    SATP 10, root4
    csrr a5, satp
    srli a5, a5, 60
    CHECK_EQ a5, 10
    RUNS PRV_S, ld a4, 8(a0)
    CHECK_REGS a4, a3
    SATP 8, root

    /* --- Svnapot, Svpbmt: QEMU 7.2 has them off in rv64 ------------------------------------------------------- */
    TEST 80
    beqz s1, 2f
    la t1, page0
    srli t1, t1, 2
    li t0, ~(15 << 10)
    and t1, t1, t0
    li t0, V | R | W | A | D | 1 << 63 | 8 << 10
    or t0, t0, t1
    la t1, l0
    sd t0, 0(t1)
    sfence.vma
    la a5, page0 /* 64 KB: VA's page is the one at the same offset */
    li t0, 0xf000
    and a5, a5, t0
    or a5, a5, a0
    la t1, l0
    ld t0, 0(t1)
    srli t2, a5, 9
    andi t2, t2, 0x78
    add t1, t1, t2
    sd t0, 0(t1)
    sfence.vma
    RUNS PRV_S, ld a4, 8(a5)
    CHECK_REGS a4, a3
    TEST 81 /* other sizes are reserved */
    PTE 0, page0_64k, V | R | W | A | D | 1 << 63 | 4 << 10
    LOADS CAUSE_LOAD_PAGE
    TEST 82 /* memory types: 1 and 2 with menvcfg.PBMTE, 3 never */
    li a5, 1 << 62
    csrs menvcfg, a5
    PTE 0, page0, V | R | W | A | D | 1 << 61
    RUNS PRV_S, ld a4, 8(a0)
    PTE 0, page0, V | R | W | A | D | 2 << 61
    RUNS PRV_S, ld a4, 8(a0)
    PTE 0, page0, V | R | W | A | D | 3 << 61
    TRAPS PRV_S, CAUSE_LOAD_PAGE, VA + 8, ld a4, 8(a0)
    csrc menvcfg, a5
    PTE 0, page0, V | R | W | A | D | 1 << 61
    TRAPS PRV_S, CAUSE_LOAD_PAGE, VA + 8, ld a4, 8(a0)
2:
    j pass

    .data
    .balign 4096
root:
    .zero 4096
root2:
    .zero 4096
root3:
    .zero 4096
root4:
    .zero 4096
l1:
    .zero 4096
l0:
    .zero 4096
page0:
    .zero 4096
page1:
    .zero 4096
    .balign 65536
page0_64k:
    .zero 4096
