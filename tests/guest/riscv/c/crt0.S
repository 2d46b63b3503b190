/* SPDX-License-Identifier: MIT */
/* Start of a bare C program: every hart gets a stack and calls guest_main(hartid) once hart 0 has
 * cleared .bss; a trap nobody expects ends the run with status 99. */
    .section .text.start,"ax"
    .globl _start
_start:
    csrr a0, mhartid
    la t0, unexpected_trap
    csrw mtvec, t0
    li t0, 0x6000           /* mstatus.FS = dirty */
    csrs mstatus, t0
    la sp, __stack_top
    slli t0, a0, 14
    sub sp, sp, t0
    bnez a0, 3f
    la t0, __bss_start
    la t1, __bss_end
1:  bgeu t0, t1, 2f
    sd zero, 0(t0)
    addi t0, t0, 8
    j 1b
2:  la t0, bss_ready
    li t1, 1
    fence w, w
    sw t1, 0(t0)
    j 4f
3:  la t0, bss_ready
    lw t1, 0(t0)
    beqz t1, 3b
    fence r, rw
4:  call guest_main
5:  wfi
    j 5b

    .balign 4
unexpected_trap:
    li t0, 0x100000
    li t1, (99 << 16) | 0x3333
    sw t1, 0(t0)
    j unexpected_trap

    .section .data
    .balign 4
bss_ready: .word 0
