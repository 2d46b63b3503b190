/* SPDX-License-Identifier: MIT */
/* Physical memory protection: matching, rights, priority, locks, M mode, page-table accesses. */
#include "priv.h"
#define R 1
#define W 2
#define X 4
#define TOR 0x08
#define NA4 0x10
#define NAPOT 0x18
#define L 0x80

/* Sets entry 1 .. 7 with pmpaddr and a byte of pmpcfg0. */
.macro PMP entry, cfg, addr
    la t0, \addr
    srli t0, t0, 2
    csrw pmpaddr\entry, t0
    PMPCFG \entry, \cfg
.endm
.macro PMPCFG entry, cfg
    li t0, 0xff << (8 * \entry)
    csrc pmpcfg0, t0
    li t0, (\cfg) << (8 * \entry)
    csrs pmpcfg0, t0
.endm
.macro FENCE
    sfence.vma
.endm

main:
    /* Entry 0 is moved to 7, so that tests have the ones before it. */
    li t0, -1
    csrw pmpaddr7, t0
    li t0, (NAPOT | R | W | X) << 56
    csrw pmpcfg0, t0
    la a0, area
    li a1, 0x1122334455667788
    li a3, 0

    TEST 1 /* NA4 without rights: the 4 bytes fault for U and S, not for M */
    PMP 1, NA4, area + 8
    FENCE
    TRAPS PRV_U, CAUSE_LOAD_ACCESS, any, lw a2, 8(a0)
    addi a3, a0, 8
    CHECK_REGS s4, a3
    TRAPS PRV_S, CAUSE_STORE_ACCESS, any, sw a2, 8(a0)
    CHECK_REGS s4, a3
    RUNS PRV_U, lw a2, 4(a0)
    RUNS PRV_U, lw a2, 12(a0)
    RUNS PRV_M, lw a2, 8(a0)
    TEST 2 /* an access that matches in part fails, in M mode too only if it matches and fails */
    TRAPS PRV_U, CAUSE_LOAD_ACCESS, any, ld a2, 8(a0)
    TEST 3 /* rights one by one */
    PMPCFG 1, NA4 | R
    FENCE
    RUNS PRV_S, lw a2, 8(a0)
    TRAPS PRV_S, CAUSE_STORE_ACCESS, any, sw a2, 8(a0)
    PMPCFG 1, NA4 | R | W
    FENCE
    RUNS PRV_S, sw a2, 8(a0)
    TEST 4 /* R=0 W=1 is reserved: not kept */
    PMPCFG 1, 0
    beqz s1, 1f /* QEMU 7.2 keeps it */
    PMPCFG 1, NA4 | W
    csrr a2, pmpcfg0
    srli a2, a2, 8
    andi a2, a2, R | W
    CHECK_EQ a2, 0
1:
    TEST 5 /* NAPOT of 16 bytes */
    la t0, area + 32
    srli t0, t0, 2
    ori t0, t0, 1
    csrw pmpaddr1, t0
    PMPCFG 1, NAPOT | R
    FENCE
    RUNS PRV_U, ld a2, 32(a0)
    RUNS PRV_U, ld a2, 40(a0)
    TRAPS PRV_U, CAUSE_STORE_ACCESS, any, sd a2, 40(a0)
    RUNS PRV_U, sd a2, 24(a0)
    RUNS PRV_U, sd a2, 48(a0)
    TEST 6 /* TOR from the entry before it */
    PMP 1, 0, area + 64
    PMP 2, TOR | R, area + 128
    FENCE
    RUNS PRV_U, sd a2, 56(a0)
    TRAPS PRV_U, CAUSE_STORE_ACCESS, any, sd a2, 64(a0)
    TRAPS PRV_U, CAUSE_STORE_ACCESS, any, sd a2, 120(a0)
    RUNS PRV_U, sd a2, 128(a0)
    RUNS PRV_U, ld a2, 120(a0)
    TEST 7 /* an empty TOR range matches nothing */
    PMP 1, 0, area + 128
    FENCE
    RUNS PRV_U, sd a2, 64(a0)
    TEST 8 /* the lowest entry decides */
    PMP 1, NA4 | R | W, area + 64
    PMP 2, 0, area + 64
    PMP 3, TOR, area + 128
    FENCE
    RUNS PRV_U, sw a2, 64(a0)
    TRAPS PRV_U, CAUSE_STORE_ACCESS, any, sw a2, 68(a0)
    PMPCFG 1, 0
    PMPCFG 3, 0

    TEST 9 /* fetches: a page without X */
    PMP 1, 0, code
    PMP 2, TOR | R | W, code_end
    FENCE
    RESUME 1f
    ENTER PRV_U, code
1:
    CHECK_TRAP CAUSE_INSN_ACCESS, code
    CHECK_REGS s4, s3
    PMPCFG 2, TOR | X
    FENCE
    RESUME 1f
    ENTER PRV_U, code
1:
    CHECK_TRAP CAUSE_ECALL_U, code
    TEST 10 /* M mode may, without lock */
    PMPCFG 2, TOR
    FENCE
    RESUME 1f
    la t0, code
    jr t0
1:
    CHECK_TRAP CAUSE_ECALL_M, code
    PMPCFG 2, 0
    TEST 11 /* nothing matches: S and U fail */
    csrw pmpaddr7, zero
    li t0, 0xff << 56
    csrc pmpcfg0, t0
    PMP 1, 0, _start
    PMP 2, TOR | R | W | X, area
    FENCE
    TRAPS PRV_S, CAUSE_LOAD_ACCESS, any, ld a2, 0(a0)
    CHECK_REGS s4, a0
    TRAPS PRV_U, CAUSE_STORE_ACCESS, any, sd a2, 16(a0)
    RUNS PRV_M, sd a2, 16(a0)
    li t0, -1
    csrw pmpaddr7, t0
    li t0, (NAPOT | R | W | X) << 56
    csrs pmpcfg0, t0
    PMPCFG 2, 0
    TEST 12 /* MPRV: M's loads with MPP's rights */
    PMP 1, NA4, area + 8
    FENCE
    li a4, MSTATUS_MPRV
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li t0, PRV_S << 11
    csrs mstatus, t0
    RESUME 2f
    csrs mstatus, a4
1:
    lw a2, 8(a0)
2:
    csrc mstatus, a4
    CHECK_TRAP CAUSE_LOAD_ACCESS, 1b
    TEST 13 /* page tables are read with S rights: an access fault of the access's kind */
    PMPCFG 1, 0
    la t0, root
    srli t0, t0, 2
    ori t0, t0, 0x1ff /* the page */
    csrw pmpaddr1, t0
    PMPCFG 1, NAPOT | W | R
    la t1, root
    li t0, 0xcf | (0x80000000 >> 2) /* identity, S */
    sd t0, 16(t1)
    srli t1, t1, 12
    li t0, 8 << 60
    or t0, t0, t1
    csrw satp, t0
    FENCE
    RUNS PRV_S, ld a2, 0(a0)
    PMPCFG 1, NAPOT
    FENCE
    RESUME 1f
    ENTER PRV_S, code
1:
    CHECK_TRAP CAUSE_INSN_ACCESS, code
    CHECK_REGS s4, s3
    TEST 14
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li t0, PRV_S << 11
    csrs mstatus, t0
    RESUME 2f
    csrs mstatus, a4
1:
    sw a2, 8(a0)
2:
    csrc mstatus, a4
    CHECK_TRAP CAUSE_STORE_ACCESS, 1b
    CHECK_REGS s4, a3
    csrw satp, zero
    PMPCFG 1, 0

    /* --- locks, last since only reset opens them ------------------------------------------------- */
    TEST 20
    PMP 4, NA4 | R | L, area + 8
    FENCE
    RUNS PRV_M, lw a2, 8(a0)
    TRAPS PRV_M, CAUSE_STORE_ACCESS, any, sw a2, 8(a0)
    CHECK_REGS s4, a3
    TEST 21 /* neither cfg nor address changes */
    csrr a2, pmpaddr4
    csrw pmpaddr4, zero
    csrr a4, pmpaddr4
    CHECK_REGS a2, a4
    li t0, 0xff << 32
    csrc pmpcfg0, t0
    csrr a2, pmpcfg0
    srli a2, a2, 32
    andi a2, a2, 0xff
    CHECK_EQ a2, NA4 | R | L
    TEST 22 /* a partial match fails in M mode as well */
    TRAPS PRV_M, CAUSE_LOAD_ACCESS, any, ld a2, 8(a0)
    TEST 23 /* a locked TOR entry locks the address before it */
    PMP 5, 0, area + 64
    PMP 6, TOR | R | L, area + 128
    csrr a2, pmpaddr5
    csrw pmpaddr5, zero
    csrr a4, pmpaddr5
    CHECK_REGS a2, a4
    FENCE
    TRAPS PRV_M, CAUSE_STORE_ACCESS, any, sd a2, 64(a0)
    j pass

    .balign 4096
code:
    ecall
    .balign 4096
code_end:
    .data
    .balign 4096
area:
    .zero 4096
    .balign 4096
root:
    .zero 4096
