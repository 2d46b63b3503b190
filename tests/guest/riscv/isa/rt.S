/* SPDX-License-Identifier: MIT */
/*
 * Runs the instances that gen_isa.py made, and prints a hash a row (or the state of every run).
 *
 *   row --> instance --> run: fill registers, FPRs and the scratch window by the instance's seed,
 *                             overrides, mret to the code; it comes back by `jr x31` or by ebreak;
 *                             fold x1..x31, f0..f31, fcsr, the traps and the window into the hash
 *
 * Traps on the way are logged (the first four), and the instruction that trapped is skipped. The
 * layout of the blob and of `ctx` is known to gen_isa.py too.
 */
#if __riscv_xlen == 64
#define LX ld
#define SX sd
#define LWU lwu
#else
#define LX lw
#define SX sw
#define LWU lw
#endif

#define UART 0x10000000
#define FINISHER 0x100000
#define MSIP 0x2000000

/* ctx: 8 bytes a slot */
#define C_GPR 0
#define C_FPR 256
#define C_FCSR 512
#define C_TRAPS 520
#define C_TRAP 528 /* four of (cause, epc, tval) */
#define C_HASHED 624
#define C_HASH 624
#define C_ROW 632
#define C_INST 640
#define C_RUN 648
#define C_RNG 656
#define C_MODE 664
#define C_INDEX 672
#define C_SIZE 680

/* blob header */
#define B_MODE 0
#define B_FIRST 8
#define B_POOL 16
/* row */
#define R_NEXT 0
#define R_INST 8
#define R_NAME 16
/* instance */
#define I_NEXT 0
#define I_ENTRY 8
#define I_END 16
#define I_SEED 24
#define I_RUNS 32
#define I_FPOOL 40
#define I_FCSR 48
#define I_MSTATUS 56
#define I_MIE 64
#define I_COUNT 72
#define I_OVERRIDES 80

#define WINDOW 0x80004f80
#define WINDOW_SIZE 256
#define MODE_ROWS 0
#define MODE_RUNS 1
#define MODE_STATE 2

    .option norvc
    .section .text
    .globl _start
_start:
    csrr a0, mhartid
    bnez a0, park
    la t0, trap
    csrw mtvec, t0
    li t0, 0x6000
    csrs mstatus, t0
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    li t0, MSIP /* wfi finds an interrupt pending that is not taken */
    li t1, 1
    sw t1, 0(t0)
    la s0, ctx
    la s1, blob
    LX t0, B_MODE(s1)
    SX t0, C_MODE(s0)
    LX s2, B_FIRST(s1)

next_row: /* s2: row */
    beqz s2, all_done
    SX s2, C_ROW(s0)
    SX zero, C_HASH(s0)
    SX zero, C_INDEX(s0)
    LX s3, R_INST(s2)
next_instance: /* s3: instance */
    beqz s3, row_done
    SX s3, C_INST(s0)
    SX zero, C_RUN(s0)
    LX t0, I_SEED(s3)
    SX t0, C_RNG(s0)
    j run

row_done:
    LX t0, C_MODE(s0)
    bnez t0, 1f
    addi a0, s2, R_NAME
    call put_text
    LX a0, C_HASH(s0)
    call put_hex
    call put_newline
1:  LX s2, R_NEXT(s2)
    j next_row

all_done:
    la a0, text_done
    call put_text
    call put_newline
    li t0, FINISHER
    li t1, 0x5555
    sw t1, 0(t0)
park:
    wfi
    j park

/* --- one run ---------------------------------------------------------------------------------- */
.macro RANDOM reg, tmp /* xorshift32 */
    slli \tmp, \reg, 13
    xor \reg, \reg, \tmp
#if __riscv_xlen == 64
    slli \reg, \reg, 32
    srli \reg, \reg, 32
#endif
    srli \tmp, \reg, 17
    xor \reg, \reg, \tmp
    slli \tmp, \reg, 5
    xor \reg, \reg, \tmp
#if __riscv_xlen == 64
    slli \reg, \reg, 32
    srli \reg, \reg, 32
#endif
.endm

run: /* s0 ctx, s3 instance */
    LX s4, C_RNG(s0)
    li t0, WINDOW
    addi t1, t0, WINDOW_SIZE
1:  RANDOM s4, t2
    sw s4, 0(t0)
    addi t0, t0, 4
    bne t0, t1, 1b
    /* clear what is hashed; then registers from the pools */
    mv t0, s0
    addi t1, s0, C_HASHED
1:  SX zero, 0(t0)
#if __riscv_xlen == 32
    sw zero, 4(t0)
    addi t0, t0, 8
#else
    addi t0, t0, 8
#endif
    bne t0, t1, 1b
    la t3, blob + B_POOL
    addi t0, s0, 8
    addi t1, s0, C_FPR
1:  RANDOM s4, t2
    srli t2, s4, 8
    andi t2, t2, 255
    slli t2, t2, 3
    add t2, t2, t3
    LX t2, 0(t2)
    SX t2, 0(t0)
    addi t0, t0, 8
    bne t0, t1, 1b
    LX t3, I_FPOOL(s3)
    addi t1, s0, C_FCSR
1:  RANDOM s4, t2
    srli t2, s4, 8
    andi t2, t2, 255
    slli t2, t2, 3
    add t2, t2, t3
    lw t4, 0(t2)
    sw t4, 0(t0)
    lw t4, 4(t2)
    sw t4, 4(t0)
    addi t0, t0, 8
    bne t0, t1, 1b
    SX s4, C_RNG(s0)
    /* overrides: slot, value */
    LX t0, I_COUNT(s3)
    addi t1, s3, I_OVERRIDES
1:  beqz t0, 2f
    LX t2, 0(t1)
    slli t2, t2, 3
    add t2, t2, s0
    LX t3, 8(t1)
    SX t3, 0(t2)
#if __riscv_xlen == 32
    lw t4, 0(t1)
    li t5, 32
    blt t4, t5, 3f
    lw t3, 12(t1)
    sw t3, 4(t2)
3:
#endif
    addi t1, t1, 16
    addi t0, t0, -1
    j 1b
2:  LX t0, I_FCSR(s3)
    SX t0, C_FCSR(s0)
    LX t0, C_MODE(s0)
    li t1, MODE_STATE
    bne t0, t1, 1f
    la a0, text_before
    call put_state
1:  la t0, trap
    csrw mtvec, t0
    csrw mscratch, s0
    LX t0, I_ENTRY(s3)
    csrw mepc, t0
    LX t0, I_MIE(s3)
    csrw mie, t0
    addi t0, s0, C_HASHED /* a failing sc drops the reservation */
    sc.w t0, zero, (t0)
    li t0, 0x6000
    csrs mstatus, t0
.altmacro
.macro LOAD_FPR n
    fld f\n, C_FPR + 8 * \n(s0)
.endm
.macro SAVE_FPR n
    fsd f\n, C_FPR + 8 * \n(s0)
.endm
.macro LOAD_GPR n
    LX x\n, C_GPR + 8 * \n(x31)
.endm
.macro SAVE_GPR n
    SX x\n, C_GPR + 8 * \n(x31)
.endm
.macro EACH what, from, to
    .set i, \from
    .rept \to - \from + 1
    \what %i
    .set i, i + 1
    .endr
.endm
    EACH LOAD_FPR 0 31
    LX t0, C_FCSR(s0)
    csrw fcsr, t0
    LX t0, I_MSTATUS(s3)
    csrw mstatus, t0
    mv x31, s0
    EACH LOAD_GPR 1 30
    LX x31, C_GPR + 8 * 31(x31)
    mret

    .section .end,"ax" /* insns' code knows its address */
run_end: /* the code came back by x31 */
    csrrw x31, mscratch, x31
    EACH SAVE_GPR 1 30
    csrrw t0, mscratch, x31
    SX t0, C_GPR + 8 * 31(x31)
    mv s0, x31
    j collect

    .text
    .balign 4
trap:
    csrrw x31, mscratch, x31
    EACH SAVE_GPR 1 30
    csrrw t0, mscratch, x31
    SX t0, C_GPR + 8 * 31(x31)
    mv s0, x31
    LX s3, C_INST(s0)
    csrr t0, mcause
    csrr t1, mepc
    csrr t2, mtval
    li t3, 3
    bne t0, t3, 1f
    li t2, 0 /* tval of a breakpoint may be 0 or the address */
    LX t3, I_END(s3)
    beq t1, t3, collect
1:  LX t3, C_TRAPS(s0)
    addi t4, t3, 1
    SX t4, C_TRAPS(s0)
    li t4, 4
    bgeu t3, t4, 2f
    slli t4, t3, 4
    slli t5, t3, 3
    add t4, t4, t5
    add t4, t4, s0
    SX t0, C_TRAP(t4)
    SX t1, C_TRAP + 8(t4)
    SX t2, C_TRAP + 16(t4)
2:  li t4, 32
    bgeu t3, t4, collect
    li t4, 2 /* not a fetch: skip the instruction */
    bltu t0, t4, collect
    li t4, 12
    beq t0, t4, collect
    bltz t0, collect
    lhu t2, 0(t1)
    andi t2, t2, 3
    addi t1, t1, 2
    li t3, 3
    bne t2, t3, 3f
    addi t1, t1, 2
3:  csrw mepc, t1
    mv x31, s0
    EACH LOAD_GPR 1 30
    LX x31, C_GPR + 8 * 31(x31)
    mret

collect: /* s0 ctx */
    csrw mscratch, s0
    li t0, 0x6000
    csrs mstatus, t0
    EACH SAVE_FPR 0 31
    csrr t0, fcsr
    SX t0, C_FCSR(s0)
    LX s3, C_INST(s0)
    LX s2, C_ROW(s0)
    LX a0, C_HASH(s0)
    mv t0, s0
    addi t1, s0, C_HASHED
    call fold
    li t0, WINDOW
    addi t1, t0, WINDOW_SIZE
    call fold
    SX a0, C_HASH(s0)
    LX t0, C_MODE(s0)
    beqz t0, 2f
    li t1, MODE_STATE
    bne t0, t1, 1f
    la a0, text_after
    call put_state
    j 2f
1:  addi a0, s2, R_NAME
    call put_text
    LX a0, C_INDEX(s0)
    call put_hex
    LX a0, C_RUN(s0)
    call put_hex
    LX a0, C_HASH(s0)
    call put_hex
    call put_newline
2:  LX t0, C_RUN(s0)
    addi t0, t0, 1
    SX t0, C_RUN(s0)
    LX t1, I_RUNS(s3)
    bne t0, t1, run
    LX t0, C_INDEX(s0)
    addi t0, t0, 1
    SX t0, C_INDEX(s0)
    LX s3, I_NEXT(s3)
    j next_instance

/* a0 = hash of a0 and the 32-bit words [t0, t1) */
fold:
    li t3, 0x9e3779b1
1:  lw t2, 0(t0)
    xor a0, a0, t2
#if __riscv_xlen == 64
    slli a0, a0, 32
    srli a0, a0, 32
    mul a0, a0, t3
    slli a0, a0, 32
    srli a0, a0, 32
#else
    mul a0, a0, t3
#endif
    srli t2, a0, 15
    xor a0, a0, t2
    addi t0, t0, 4
    bne t0, t1, 1b
    ret

/* --- output ----------------------------------------------------------------------------------- */
put_text: /* a0: text; a blank follows */
    li t0, UART
1:  lbu t1, 0(a0)
    beqz t1, 2f
    sb t1, 0(t0)
    addi a0, a0, 1
    j 1b
2:  li t1, ' '
    sb t1, 0(t0)
    ret

put_newline:
    li t0, UART
    li t1, 10
    sb t1, 0(t0)
    ret

put_hex: /* a0: 32 bits; a blank follows */
    li t0, UART
    li t1, 28
1:  srl t2, a0, t1
    andi t2, t2, 15
    addi t2, t2, '0'
    li t3, '9'
    ble t2, t3, 2f
    addi t2, t2, 'a' - '0' - 10
2:  sb t2, 0(t0)
    addi t1, t1, -4
    bgez t1, 1b
    li t1, ' '
    sb t1, 0(t0)
    ret

/* Label a0, row, index, run, then the words of ctx and the window, high half first. */
put_state:
    mv s8, ra
    call put_text
    LX s2, C_ROW(s0)
    addi a0, s2, R_NAME
    call put_text
    LX a0, C_INDEX(s0)
    call put_hex
    LX a0, C_RUN(s0)
    call put_hex
    mv s9, s0
    addi s10, s0, C_HASHED
    call put_words
    li s9, WINDOW
    addi s10, s9, WINDOW_SIZE
    call put_words
    mv ra, s8
    j put_newline
put_words:
    mv s11, ra
1:  lw a0, 4(s9)
    call put_hex
    lw a0, 0(s9)
    call put_hex
    addi s9, s9, 8
    bne s9, s10, 1b
    mv ra, s11
    ret

    .section .data
    .balign 64
ctx: .zero C_SIZE
text_before: .asciz "before"
text_after: .asciz "after"
text_done: .asciz "done"

    .section .scratch,"aw",@nobits
    .zero 0x2000

    .section .blob,"awx",@progbits
    .globl blob
blob:
    .incbin BLOB
