/* SPDX-License-Identifier: MIT */
/*
 * Loads and stores of any size anywhere below RAM, as a hart makes them, with turns of the main loop
 * in between. Input: a byte of what to do, a window, an offset, a value; again and again.
 */
#include "fuzz.h"

typedef struct Window {
    hwaddr base;
    uint32_t size;
} Window;

static const Window windows[] = {
    {0x0, 0x40000000},    {0x1000, 0xf000},        {0x100000, 0x1000},
    {0x101000, 0x1000},   {0x2000000, 0x10000},    {0xc000000, 0x600000},
    {0x10000000, 0x100},  {0x10001000, 0x1000},    {0x10002000, 0x1000},
    {0x10003000, 0x1000}, {0x10004000, 0x1000},    {0x10005000, 0x1000},
    {0x10006000, 0x1000}, {0x10007000, 0x1000},    {0x10008000, 0x1000},
    {0x10100000, 0x20},   {0x20000000, 0x4000000},
};
enum { WINDOWS = sizeof(windows) / sizeof(windows[0]), MAX_ACCESSES = 400 };

static void one_access(Machine *m, FuzzInput *in) {
    unsigned what = fuzz_u8(in);
    const Window *w = &windows[fuzz_u8(in) % WINDOWS];
    unsigned size = 1u << (what & 3);
    uint64_t offset = what & 4 ? fuzz_take(in, 3) : fuzz_take(in, 1) * 4;
    hwaddr addr = w->base + offset % w->size;
    if (what & 8) {
        addr &= ~(hwaddr)(size - 1);
    }
    if ((what & 0xf0) == 0xf0) {
        fuzz_machine_turn(m);
    } else if (what & 0x10) {
        uint64_t value;
        address_space_load(&m->as, addr, size, &value);
    } else {
        address_space_store(&m->as, addr, size, fuzz_take(in, what & 0x20 ? size : 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static Machine *machines[2];
    FuzzInput in = {data, data + size};
    unsigned legacy = fuzz_u8(&in) & 1;
    if (!machines[legacy]) {
        machines[legacy] = fuzz_machine_new(legacy);
    }
    Machine *m = machines[legacy];
    for (unsigned i = 0; i < MAX_ACCESSES && fuzz_left(&in); i++) {
        one_access(m, &in);
    }
    fuzz_machine_reset(m);
    return 0;
}
