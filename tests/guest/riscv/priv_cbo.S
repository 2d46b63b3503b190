/* SPDX-License-Identifier: MIT */
/* Cache-block instructions: who may use them (menvcfg, senvcfg), cbo.zero, permissions. QEMU 7.2
 * lacks Zicbom and Zicboz: the program passes at once there. */
#include "priv.h"
#define CBIE_FLUSH (1 << 4)
#define CBIE (3 << 4)
#define CBCFE (1 << 6)
#define CBZE (1 << 7)
#define ILL CAUSE_ILLEGAL

main:
    beqz s1, pass
    la a0, block
    TEST 1 /* M mode always may */
    csrw menvcfg, zero
    RUNS PRV_M, cbo.inval 0(a0)
    RUNS PRV_M, cbo.clean 0(a0)
    RUNS PRV_M, cbo.flush 0(a0)
    RUNS PRV_M, cbo.zero 0(a0)
    TEST 2 /* S and U by menvcfg */
    TRAPS PRV_S, ILL, 0x0005200f, cbo.inval 0(a0)
    TRAPS PRV_S, ILL, 0x0015200f, cbo.clean 0(a0)
    TRAPS PRV_S, ILL, 0x0025200f, cbo.flush 0(a0)
    TRAPS PRV_S, ILL, 0x0045200f, cbo.zero 0(a0)
    TRAPS PRV_U, ILL, 0x0045200f, cbo.zero 0(a0)
    TEST 3 /* each has its bit */
    li t0, CBZE
    csrw menvcfg, t0
    RUNS PRV_S, cbo.zero 0(a0)
    TRAPS PRV_S, ILL, any, cbo.flush 0(a0)
    li t0, CBCFE
    csrw menvcfg, t0
    RUNS PRV_S, cbo.clean 0(a0)
    RUNS PRV_S, cbo.flush 0(a0)
    TRAPS PRV_S, ILL, any, cbo.inval 0(a0)
    li t0, CBIE_FLUSH
    csrw menvcfg, t0
    RUNS PRV_S, cbo.inval 0(a0)
    TRAPS PRV_S, ILL, any, cbo.zero 0(a0)
    TEST 4 /* U needs senvcfg as well */
    li t0, CBIE | CBCFE | CBZE
    csrw menvcfg, t0
    csrw senvcfg, zero
    RUNS PRV_S, cbo.inval 0(a0)
    TRAPS PRV_U, ILL, any, cbo.inval 0(a0)
    TRAPS PRV_U, ILL, any, cbo.clean 0(a0)
    TRAPS PRV_U, ILL, any, cbo.zero 0(a0)
    csrw senvcfg, t0
    li t0, CBIE | CBCFE | CBZE
    csrw senvcfg, t0
    RUNS PRV_U, cbo.inval 0(a0)
    RUNS PRV_U, cbo.clean 0(a0)
    RUNS PRV_U, cbo.zero 0(a0)
    TEST 5 /* CBIE = 2 is reserved: not kept */
    li t0, 2 << 4
    csrw senvcfg, t0
    csrr a1, senvcfg
    srli a1, a1, 4
    andi a1, a1, 3
    li t0, 2
    beq a1, t0, fail
    li t0, CBIE | CBCFE | CBZE
    csrw senvcfg, t0

    TEST 10 /* 64 bytes, whatever byte of the block is named */
    li a2, -1
    addi a3, a0, -64
    addi a4, a0, 128
1:
    sd a2, 0(a3)
    addi a3, a3, 8
    bne a3, a4, 1b
    addi a3, a0, 37
    RUNS PRV_U, cbo.zero 0(a3)
    ld a1, -8(a0)
    CHECK_REGS a1, a2
    ld a1, 64(a0)
    CHECK_REGS a1, a2
    li a5, 0
    addi a3, a0, 64
    mv a4, a0
1:
    ld a1, 0(a4)
    or a5, a5, a1
    addi a4, a4, 8
    bne a4, a3, 1b
    CHECK_EQ a5, 0

    TEST 20 /* permissions: management needs a load or a store, zero a store */
    la t1, root
    li t0, (0x80000000 >> 2) | 0xcf
    sd t0, 16(t1)
    la t2, l1
    srli t0, t2, 2
    ori t0, t0, 1
    sd t0, 8(t1)
    la t0, l0
    srli t0, t0, 2
    ori t0, t0, 1
    sd t0, 0(t2)
    srli t1, t1, 12
    li t0, 8 << 60
    or t0, t0, t1
    csrw satp, t0
    li a1, 0x40000040
.macro PTE bits
    la t1, block
    srli t1, t1, 12
    slli t1, t1, 10
    ori t0, t1, \bits
    la t1, l0
    sd t0, 0(t1)
    sfence.vma
.endm
    PTE 0xc3 /* R */
    RUNS PRV_S, cbo.flush 0(a1)
    RUNS PRV_S, cbo.inval 0(a1)
    TRAPS PRV_S, CAUSE_STORE_PAGE, 0x40000040, cbo.zero 0(a1)
    TEST 21
    PTE 0xc7 /* RW */
    RUNS PRV_S, cbo.flush 0(a1)
    RUNS PRV_S, cbo.zero 0(a1)
    TEST 22
    PTE 0
    TRAPS PRV_S, CAUSE_STORE_PAGE, 0x40000040, cbo.flush 0(a1)
    TRAPS PRV_S, CAUSE_STORE_PAGE, 0x40000040, cbo.clean 0(a1)
    TRAPS PRV_S, CAUSE_STORE_PAGE, 0x40000040, cbo.inval 0(a1)
    TRAPS PRV_S, CAUSE_STORE_PAGE, 0x40000040, cbo.zero 0(a1)
    TEST 23 /* PMP: an access fault */
    csrw satp, zero
    la t0, block
    srli t0, t0, 2
    ori t0, t0, 7 /* 64 bytes */
    csrw pmpaddr1, t0
    li t0, -1
    csrw pmpaddr2, t0
    li t0, 0x1f1800
    csrw pmpcfg0, t0
    sfence.vma
    TRAPS PRV_S, CAUSE_STORE_ACCESS, any, cbo.flush 0(a0)
    CHECK_REGS s4, a0
    TRAPS PRV_U, CAUSE_STORE_ACCESS, any, cbo.zero 0(a0)
    li t0, 0x1f1900 /* R is enough to flush */
    csrw pmpcfg0, t0
    sfence.vma
    RUNS PRV_S, cbo.flush 0(a0)
    j pass

    .data
    .balign 4096
root:
    .zero 4096
l1:
    .zero 4096
l0:
    .zero 4096
    .zero 64
    .balign 4096
    .zero 64
block:
    .zero 4096
