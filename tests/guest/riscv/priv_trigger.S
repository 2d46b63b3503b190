/* SPDX-License-Identifier: MIT */
/* Debug triggers: execute, load and store break points set by M mode for S and U mode. */
#include "priv.h"
#define TYPE2 (2 << 60)
#define TYPE6 (6 << 60)
#define HOLE 0x50000 /* nothing is there */
#define LOAD 1
#define STORE 2
#define EXECUTE 4
#define MODE_U 8
#define MODE_S 16
#define MODE_M 64

/* Writing 0 would do, but not on QEMU 7.2. */
.macro DISARM
    li t0, TYPE2
    csrw tdata1, t0
.endm
.macro TRIGGER bits, addr
    DISARM
    la t0, \addr
    csrw tdata2, t0
    li t0, \bits
    csrw tdata1, t0
.endm
.macro BREAKS mode, insn:vararg
    TRAPS \mode, CAUSE_BREAKPOINT, any, \insn
.endm

/* QEMU 7.2 leaves tval zero. */
.macro CHECK_TVAL reg
    beqz s1, 904f
    CHECK_REGS s4, \reg
904:
.endm

main:
    csrw tselect, zero
    la a0, data
    TEST 1 /* nothing armed */
    csrr a1, tselect
    CHECK_EQ a1, 0
    RUNS PRV_U, ld a1, 0(a0)
    TEST 2 /* a load */
    TRIGGER TYPE2 | LOAD | MODE_U, data
    BREAKS PRV_U, ld a1, 0(a0)
    CHECK_TVAL a0
    TEST 3 /* not a store, not another mode, not another address */
    RUNS PRV_U, sd a1, 0(a0)
    RUNS PRV_S, ld a1, 0(a0)
    RUNS PRV_U, ld a1, 8(a0)
    RUNS PRV_M, ld a1, 0(a0)
    TEST 4 /* a store; memory is as it was */
    li a2, 0x55
    sd a2, 0(a0)
    TRIGGER TYPE2 | STORE | MODE_S | MODE_U, data
    li a3, 0x66
    BREAKS PRV_S, sd a3, 0(a0)
    BREAKS PRV_U, sw a3, 0(a0)
    ld a1, 0(a0)
    CHECK_REGS a1, a2
    RUNS PRV_U, ld a1, 0(a0)
    TEST 17 /* an atomic operation loads and stores, sc only stores; memory is as it was */
    TRIGGER TYPE2 | LOAD | MODE_U, data + 8
    addi a2, a0, 8
    li a1, 1
    ld a3, 8(a0)
    BREAKS PRV_U, amoadd.d a1, a1, (a2)
    ld a4, 8(a0)
    CHECK_REGS a3, a4
    CHECK_EQ a1, 1
    BREAKS PRV_U, lr.d a1, (a2)
    beqz s1, 1f /* QEMU 7.2 does a load for sc */
    lr.d a1, (a2)
    RUNS PRV_U, sc.d a1, a3, (a2)
    CHECK_EQ a1, 0
1:
    TRIGGER TYPE2 | STORE | MODE_U, data + 8
    BREAKS PRV_U, amoadd.d a1, a1, (a2)
    DISARM
    TEST 5 /* both */
    TRIGGER TYPE2 | LOAD | STORE | MODE_U, data
    BREAKS PRV_U, lbu a1, 0(a0)
    BREAKS PRV_U, sb a1, 0(a0)
    TEST 6 /* switched off */
    DISARM
    RUNS PRV_U, ld a1, 0(a0)
    RUNS PRV_U, sd a1, 0(a0)
    TEST 7 /* an instruction: before it runs */
    TRIGGER TYPE2 | EXECUTE | MODE_S, 2f
    li a1, 5
    RESUME 3f
    ENTER PRV_S, 1f
1:
    addi a1, a1, 1
2:
    addi a1, a1, 1
    ecall
3:
    CHECK_TRAP CAUSE_BREAKPOINT, 2b
    CHECK_TVAL s3
    CHECK_EQ a1, 6
    TEST 8 /* in U it is not watched */
    li a1, 5
    RESUME 3f
    ENTER PRV_U, 1b
3:
    CHECK_EQ s2, CAUSE_ECALL_U
    CHECK_EQ a1, 7
    DISARM
    TEST 9 /* two at once */
    TRIGGER TYPE2 | LOAD | MODE_U, data
    csrwi tselect, 1
    csrr a1, tselect
    CHECK_EQ a1, 1
    TRIGGER TYPE2 | STORE | MODE_U, data + 8
    BREAKS PRV_U, ld a1, 0(a0)
    BREAKS PRV_U, sd a1, 8(a0)
    RUNS PRV_U, sd a1, 0(a0)
    DISARM
    csrwi tselect, 0
    DISARM
    TEST 10 /* type 6 */
    TRIGGER TYPE6 | LOAD | MODE_U, data
    BREAKS PRV_U, ld a1, 0(a0)
    DISARM
    TEST 11
    beqz s1, 1f /* QEMU 7.2 lacks tcontrol, and fires in M mode always */
    TRIGGER TYPE2 | LOAD | MODE_M, data
    RUNS PRV_M, ld a1, 0(a0)
    csrwi tcontrol, 8
    RESUME 3f
2:
    ld a1, 0(a0)
3:
    CHECK_TRAP CAUSE_BREAKPOINT, 2b
    csrr a1, tcontrol /* the handler runs with MTE off */
    li t0, 0x80
    CHECK_REGS a1, t0
    DISARM
    TEST 14 /* mret: MTE = MPTE, be that set or not */
    csrwi tcontrol, 8
    ENTER PRV_M, 3f
3:
    csrr a1, tcontrol
    CHECK_EQ a1, 0
    li a1, 0x80
    csrw tcontrol, a1
    ENTER PRV_M, 3f
3:
    csrr a1, tcontrol
    CHECK_EQ a1, 0x88
    csrw tcontrol, zero
    TEST 15 /* a watch point goes before a fault of the same access, and a misaligned address */
    li a2, HOLE
    TRIGGER TYPE2 | LOAD | STORE | MODE_U, HOLE + 8
    BREAKS PRV_U, lw a1, 8(a2)
    CHECK_EQ s4, HOLE + 8
    BREAKS PRV_U, sw a1, 8(a2)
    TRAPS PRV_U, CAUSE_LOAD_ACCESS, HOLE + 12, lw a1, 12(a2)
    TRIGGER TYPE2 | STORE | MODE_U, data + 1
    addi a2, a0, 1
    BREAKS PRV_U, amoadd.w a1, a1, (a2)
    TEST 16 /* so does an execute trigger where the fetch fails */
    csrw pmpcfg0, zero
    TRIGGER TYPE2 | EXECUTE | MODE_U, data
    RESUME 3f
    ENTER PRV_U, data
3:
    CHECK_TRAP CAUSE_BREAKPOINT, data
    DISARM
    RESUME 3f
    ENTER PRV_U, data
3:
    CHECK_TRAP CAUSE_INSN_ACCESS, data
    li t0, 0x1f
    csrw pmpcfg0, t0
    TEST 12 /* unsupported types read back as disabled */
    li t0, 5 << 60
    csrw tdata1, t0
    csrr a1, tdata1
    srli a1, a1, 60
    CHECK_EQ a1, 15
    TEST 13 /* greater or equal */
    TRIGGER TYPE2 | LOAD | MODE_U | 2 << 7, data + 16
    RUNS PRV_U, ld a1, 8(a0)
    BREAKS PRV_U, ld a1, 16(a0)
    BREAKS PRV_U, ld a1, 24(a0)
    DISARM
1:
    j pass

    .data
    .balign 64
data:
    .zero 64
