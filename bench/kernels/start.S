/* SPDX-License-Identifier: MIT */
/* From reset to bench_main, on hart 0; and the ways between M and S mode. */
#define MSTATUS_FS_DIRTY 0x6000
#define MSTATUS_MPP 0x1800
#define MSTATUS_MPP_S 0x0800
#define PMP_NAPOT_RWX 0x1f

    .section .text.start, "ax"
    .globl _start
_start:
    csrr t0, mhartid
other_harts:
    bnez t0, other_harts
    la sp, __stack_top
    li t0, MSTATUS_FS_DIRTY
    csrs mstatus, t0
    csrw mie, zero
    li t0, -1                   /* S and U mode may reach all of memory, and read the counters */
    csrw pmpaddr0, t0
    csrw mcounteren, t0
    csrw scounteren, t0
    li t0, PMP_NAPOT_RWX
    csrw pmpcfg0, t0
    la t0, __bss_start
    la t1, __bss_end
clear_bss:
    bgeu t0, t1, run
    sd zero, 0(t0)
    addi t0, t0, 8
    j clear_bss
run:
    call bench_main
    j .

/* void bench_run_supervisor(void (*fn)(void), uint64_t satp) */
    .text
    .globl bench_run_supervisor
bench_run_supervisor:
    addi sp, sp, -16
    sd ra, 0(sp)
    csrr t0, mtvec
    sd t0, 8(sp)
    la t0, back_in_machine_mode
    csrw mtvec, t0
    csrw satp, a1
    sfence.vma
    li t0, MSTATUS_MPP
    csrc mstatus, t0
    li t0, MSTATUS_MPP_S
    csrs mstatus, t0
    la t0, supervisor
    csrw mepc, t0
    mret
supervisor:
    jalr a0
    ecall
    .balign 4
back_in_machine_mode:
    csrw satp, zero
    sfence.vma
    ld t0, 8(sp)
    csrw mtvec, t0
    ld ra, 0(sp)
    addi sp, sp, 16
    ret
