/* SPDX-License-Identifier: MIT */
/* The entries of trap.c: user to supervisor by ecall, anything to machine by the timer. */
#define CAUSE_ECALL_U 8
#define MSTATUS_MPP 0x1800
#define MIE_MTIE 0x80
#define CALL_END 1 /* in a7: the user program has ended */

/* What C may change: saved by both entries in a frame of 128 bytes. */
    .macro save_caller_saved
    addi sp, sp, -128
    sd ra, 0(sp)
    sd t0, 8(sp)
    sd t1, 16(sp)
    sd t2, 24(sp)
    sd t3, 32(sp)
    sd t4, 40(sp)
    sd t5, 48(sp)
    sd t6, 56(sp)
    sd a2, 64(sp)
    sd a3, 72(sp)
    sd a4, 80(sp)
    sd a5, 88(sp)
    sd a6, 96(sp)
    sd a7, 104(sp)
    sd a1, 112(sp)
    .endm
    .macro restore_caller_saved
    ld ra, 0(sp)
    ld t0, 8(sp)
    ld t1, 16(sp)
    ld t2, 24(sp)
    ld t3, 32(sp)
    ld t4, 40(sp)
    ld t5, 48(sp)
    ld t6, 56(sp)
    ld a2, 64(sp)
    ld a3, 72(sp)
    ld a4, 80(sp)
    ld a5, 88(sp)
    ld a6, 96(sp)
    ld a7, 104(sp)
    ld a1, 112(sp)
    addi sp, sp, 128
    .endm

    .text
    .globl run_user
/* void run_user(void (*fn)(void), void *user_stack, void *supervisor_stack) */
run_user:
    addi sp, sp, -112
    sd ra, 0(sp)
    sd s0, 8(sp)
    sd s1, 16(sp)
    sd s2, 24(sp)
    sd s3, 32(sp)
    sd s4, 40(sp)
    sd s5, 48(sp)
    sd s6, 56(sp)
    sd s7, 64(sp)
    sd s8, 72(sp)
    sd s9, 80(sp)
    sd s10, 88(sp)
    sd s11, 96(sp)
    csrw mscratch, sp
    csrw sscratch, a2
    la t0, machine_entry
    csrw mtvec, t0
    la t0, supervisor_entry
    csrw stvec, t0
    li t0, 1 << CAUSE_ECALL_U
    csrw medeleg, t0
    li t0, MIE_MTIE             /* taken in U and S mode whatever mstatus.MIE says */
    csrw mie, t0
    li t0, MSTATUS_MPP
    csrc mstatus, t0            /* to U mode */
    la t0, user_start
    csrw mepc, t0
    mv sp, a1
    mret

user_start:
    jalr a0
    li a7, CALL_END
    ecall

    .globl system_call
/* uint64_t system_call(uint64_t a, uint64_t b) */
system_call:
    li a7, 0
    ecall
    ret

    .balign 4
supervisor_entry:
    csrrw sp, sscratch, sp
    save_caller_saved
    bnez a7, user_has_ended
    csrr t0, sepc
    addi t0, t0, 4
    csrw sepc, t0
    call handle_system_call
    restore_caller_saved
    csrrw sp, sscratch, sp
    sret
user_has_ended:
    ecall                       /* from S mode: not delegated */

    .balign 4
machine_entry:
    csrrw sp, mscratch, sp
    save_caller_saved
    sd a0, 120(sp)
    csrr t0, mcause
    bgez t0, leave_user         /* an exception: S mode's ecall */
    call handle_timer
    ld a0, 120(sp)
    restore_caller_saved
    csrrw sp, mscratch, sp
    mret
leave_user:
    addi sp, sp, 128
    csrw mie, zero
    csrw medeleg, zero
    ld ra, 0(sp)
    ld s0, 8(sp)
    ld s1, 16(sp)
    ld s2, 24(sp)
    ld s3, 32(sp)
    ld s4, 40(sp)
    ld s5, 48(sp)
    ld s6, 56(sp)
    ld s7, 64(sp)
    ld s8, 72(sp)
    ld s9, 80(sp)
    ld s10, 88(sp)
    ld s11, 96(sp)
    addi sp, sp, 112
    ret
