/* SPDX-License-Identifier: MIT */
/*
 * A small stack machine whose instructions are functions, called through a table.
 *
 * Costs: an indirect call and a return for every few instructions; where an emulator goes
 * through a look-up in a helper, most of the time is there.
 */
#include "bench.h"

enum { PROGRAM = 64, RUNS = 600000, STACK = 16 };

typedef struct Vm {
    uint64_t stack[STACK];
    unsigned top; /* modulo STACK: a program may do what it likes */
} Vm;

typedef void Instruction(Vm *vm);

static uint64_t *place(Vm *vm, unsigned below_top) {
    return &vm->stack[(vm->top - below_top) % STACK];
}

static void push_one(Vm *vm) {
    vm->top++;
    *place(vm, 0) = 1;
}

static void add(Vm *vm) {
    *place(vm, 1) += *place(vm, 0);
    vm->top--;
}

static void subtract(Vm *vm) {
    *place(vm, 1) -= *place(vm, 0);
    vm->top--;
}

static void exclusive_or(Vm *vm) {
    *place(vm, 1) ^= *place(vm, 0);
}

static void shift_left(Vm *vm) {
    *place(vm, 0) <<= 1;
}

static void swap(Vm *vm) {
    uint64_t kept = *place(vm, 0);
    *place(vm, 0) = *place(vm, 1);
    *place(vm, 1) = kept;
}

static void duplicate(Vm *vm) {
    vm->top++;
    *place(vm, 0) = *place(vm, 1);
}

static void invert(Vm *vm) {
    *place(vm, 0) = ~*place(vm, 0);
}

static Instruction *const instructions[] = {push_one,   add,  subtract,  exclusive_or,
                                            shift_left, swap, duplicate, invert};

enum { INSTRUCTIONS = sizeof(instructions) / sizeof(instructions[0]) };

uint64_t bench_run(void) {
    Instruction *program[PROGRAM];
    uint64_t random = 0xc0ffee;
    for (unsigned i = 0; i < PROGRAM; i++) {
        program[i] = instructions[random_next(&random) % INSTRUCTIONS];
    }
    Vm vm = {.top = STACK};
    for (unsigned run = 0; run < RUNS; run++) {
        for (unsigned pc = 0; pc < PROGRAM; pc++) {
            program[pc](&vm);
        }
    }
    uint64_t sum = 0;
    for (unsigned i = 0; i < STACK; i++) {
        sum = mix(sum, vm.stack[i]);
    }
    return sum;
}
