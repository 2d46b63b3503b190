/* SPDX-License-Identifier: MIT */
/*
 * A program to be debugged (tests/system/gdb.py): every hart works in turns for ever, until the
 * debugger sets `last_turn`, which ends the run.
 *
 * The test knows the functions, variables and what they are in which turn; not the lines.
 */
#include "../c/guest.h"

enum { HARTS = 4 };

struct place {
    int x, y;
};

volatile uint64_t turns[HARTS]; /* each hart its own */
volatile uint64_t total;        /* hart 0 only: grows by `step` each turn */
volatile int step = 3;
volatile int last_turn = -1;
volatile struct place place = {-1, 7};
const char greeting[] = "hello, gdb";

__attribute__((noinline)) int add(int a, int b) {
    int sum = a + b;
    return sum;
}

__attribute__((noinline)) static void work(unsigned long hart, int turn) {
    int sum = add(turn, 100);
    turns[hart]++;
    if (hart == 0) {
        total += (uint64_t)step;
        place.x = sum;
    }
}

void guest_main(unsigned long hart) {
    for (int turn = 0;; turn++) {
        work(hart, turn);
        if (hart == 0 && last_turn >= 0 && turn >= last_turn) {
            finish(0);
        }
    }
}
