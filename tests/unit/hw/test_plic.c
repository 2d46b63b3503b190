/* SPDX-License-Identifier: MIT */
/* PLIC. Expected values: RISC-V Platform-Level Interrupt Controller Specification 1.0.0.
 */
#include "hw_fixture.h"

#include "hw/intc/plic.h"

enum { PLIC = 0xc000000, CTX = 2 };
enum {
    PRIORITY = PLIC,
    PENDING = PLIC + 0x1000,
    ENABLE = PLIC + 0x2000,
    CONTEXT = PLIC + 0x200000
};

typedef struct PlicTest {
    Fixture *f;
    Device *plic;
    int out[CTX];
} PlicTest;

static void set_out(void *opaque, int n, int level) {
    ((PlicTest *)opaque)->out[n] = level;
}

static int setup(void **state) {
    PlicTest *t = calloc(1, sizeof(*t));
    Error *err = NULL;
    t->f = fixture_new();
    t->plic = device_new(&t->f->m, device_class_find("riscv.sifive.plic"), NULL, &err);
    for (int c = 0; c < CTX; c++) {
        plic_connect(t->plic, (unsigned)c,
                     (IrqLine){.set = set_out, .opaque = t, .n = c});
    }
    assert_true(device_realize(t->plic, &err));
    device_map(t->plic, PLIC);
    t->plic->cls->reset(t->plic);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    PlicTest *t = *state;
    fixture_free(t->f);
    free(t);
    return 0;
}

static void line(PlicTest *t, unsigned source, int level) {
    IrqLine in = plic_input(t->plic, source);
    irq_set(&in, level);
}

static void set_priority(PlicTest *t, unsigned source, unsigned priority) {
    wr(t->f, PRIORITY + 4 * source, 4, priority);
}

static void set_enable(PlicTest *t, unsigned ctx, unsigned source, bool on) {
    hwaddr addr = ENABLE + 0x80 * ctx + source / 32 * 4;
    uint64_t bit = UINT64_C(1) << source % 32;
    uint64_t old = rd(t->f, addr, 4);
    wr(t->f, addr, 4, on ? old | bit : old & ~bit);
}

static void set_threshold(PlicTest *t, unsigned ctx, unsigned value) {
    wr(t->f, CONTEXT + 0x1000 * ctx, 4, value);
}

static uint64_t claim(PlicTest *t, unsigned ctx) {
    return rd(t->f, CONTEXT + 0x1000 * ctx + 4, 4);
}

static void complete(PlicTest *t, unsigned ctx, uint64_t source) {
    wr(t->f, CONTEXT + 0x1000 * ctx + 4, 4, source);
}

static bool is_pending(PlicTest *t, unsigned source) {
    return rd(t->f, PENDING + source / 32 * 4, 4) >> source % 32 & 1;
}

static void plic_interrupts_only_above_the_threshold(void **state) {
    PlicTest *t = *state;
    set_priority(t, 10, 3);
    set_enable(t, 0, 10, true);
    set_threshold(t, 0, 3);
    line(t, 10, 1);
    assert_true(is_pending(t, 10));
    assert_int_equal(t->out[0], 0);
    set_threshold(t, 0, 2);
    assert_int_equal(t->out[0], 1);
    assert_int_equal(t->out[1], 0);
}

static void plic_claims_the_highest_priority_then_the_lowest_id(void **state) {
    PlicTest *t = *state;
    const unsigned sources[] = {40, 7, 96, 8}, priority[] = {2, 5, 5, 1};
    for (unsigned i = 0; i < 4; i++) {
        set_priority(t, sources[i], priority[i]);
        set_enable(t, 1, sources[i], true);
        line(t, sources[i], 1);
    }
    assert_int_equal(claim(t, 1), 7);
    assert_int_equal(claim(t, 1), 96);
    assert_int_equal(claim(t, 1), 40);
    assert_int_equal(claim(t, 1), 8);
    assert_int_equal(t->out[1], 0);
    assert_int_equal(claim(t, 1), 0);
}

static void plic_claim_is_not_affected_by_the_threshold(void **state) {
    PlicTest *t = *state;
    set_priority(t, 3, 1);
    set_enable(t, 0, 3, true);
    set_threshold(t, 0, 7);
    line(t, 3, 1);
    assert_int_equal(t->out[0], 0);
    assert_int_equal(claim(t, 0), 3);
}

static void plic_claim_returns_only_what_the_context_enabled(void **state) {
    PlicTest *t = *state;
    set_priority(t, 3, 1);
    set_enable(t, 0, 3, true);
    line(t, 3, 1);
    assert_int_equal(claim(t, 1), 0);
    assert_int_equal(claim(t, 0), 3);
}

static void plic_priority_zero_never_interrupts(void **state) {
    PlicTest *t = *state;
    set_enable(t, 0, 5, true);
    line(t, 5, 1);
    assert_true(is_pending(t, 5));
    assert_int_equal(t->out[0], 0);
    assert_int_equal(claim(t, 0), 0);
}

static void plic_gateway_forwards_one_request_until_completion(void **state) {
    PlicTest *t = *state;
    set_priority(t, 5, 1);
    set_enable(t, 0, 5, true);
    line(t, 5, 1);
    assert_int_equal(claim(t, 0), 5);
    assert_false(is_pending(t, 5));
    line(t, 5, 0);
    line(t, 5, 1);
    assert_false(is_pending(t, 5));
    assert_int_equal(t->out[0], 0);
    complete(t, 0, 5);
    assert_true(is_pending(t, 5));
    assert_int_equal(t->out[0], 1);
}

static void plic_lowered_line_is_quiet_after_completion(void **state) {
    PlicTest *t = *state;
    set_priority(t, 5, 1);
    set_enable(t, 0, 5, true);
    line(t, 5, 1);
    assert_int_equal(claim(t, 0), 5);
    line(t, 5, 0);
    complete(t, 0, 5);
    assert_false(is_pending(t, 5));
    assert_int_equal(t->out[0], 0);
}

static void plic_request_stays_though_the_line_falls(void **state) {
    PlicTest *t = *state;
    set_priority(t, 5, 1);
    set_enable(t, 0, 5, true);
    line(t, 5, 1);
    line(t, 5, 0);
    assert_int_equal(t->out[0], 1);
    assert_int_equal(claim(t, 0), 5);
}

static void plic_ignores_completion_of_a_source_that_is_not_enabled(void **state) {
    PlicTest *t = *state;
    set_priority(t, 5, 1);
    set_enable(t, 0, 5, true);
    line(t, 5, 1);
    assert_int_equal(claim(t, 0), 5);
    set_enable(t, 0, 5, false);
    complete(t, 0, 5);
    assert_false(is_pending(t, 5));
    set_enable(t, 0, 5, true);
    complete(t, 0, 5);
    assert_true(is_pending(t, 5));
}

static void plic_hardwires_what_is_not_there_to_zero(void **state) {
    PlicTest *t = *state;
    wr(t->f, PRIORITY, 4, 7);
    assert_int_equal(rd(t->f, PRIORITY, 4), 0);
    for (unsigned w = 0; w < 4; w++) {
        wr(t->f, ENABLE + 4 * w, 4, UINT32_MAX);
    }
    assert_int_equal(rd(t->f, ENABLE, 4), 0xfffffffe);
    assert_int_equal(rd(t->f, ENABLE + 12, 4), 1); /* source 96 is the last */
    wr(t->f, PENDING, 4, UINT32_MAX);
    assert_int_equal(rd(t->f, PENDING, 4), 0);
}

static void plic_reset_forgets_everything(void **state) {
    PlicTest *t = *state;
    set_priority(t, 5, 7);
    set_enable(t, 0, 5, true);
    set_threshold(t, 0, 1);
    line(t, 5, 1);
    t->plic->cls->reset(t->plic);
    assert_int_equal(t->out[0], 0);
    assert_int_equal(rd(t->f, PRIORITY + 20, 4), 0);
    assert_int_equal(rd(t->f, ENABLE, 4), 0);
    assert_int_equal(rd(t->f, CONTEXT, 4), 0);
    assert_false(is_pending(t, 5));
}

static void plic_survives_scribbling(void **state) {
    PlicTest *t = *state;
    for (unsigned s = 1; s <= PLIC_SOURCES; s += 3) {
        line(t, s, 1);
    }
    fixture_scribble(t->f, PLIC, 0x4000, 50000);
    fixture_scribble(t->f, CONTEXT, 0x4000, 50000);
    t->plic->cls->reset(t->plic);
    assert_int_equal(t->out[0], 0);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(plic_interrupts_only_above_the_threshold),
        T(plic_claims_the_highest_priority_then_the_lowest_id),
        T(plic_claim_is_not_affected_by_the_threshold),
        T(plic_claim_returns_only_what_the_context_enabled),
        T(plic_priority_zero_never_interrupts),
        T(plic_gateway_forwards_one_request_until_completion),
        T(plic_lowered_line_is_quiet_after_completion),
        T(plic_request_stays_though_the_line_falls),
        T(plic_ignores_completion_of_a_source_that_is_not_enabled),
        T(plic_hardwires_what_is_not_there_to_zero),
        T(plic_reset_forgets_everything),
        T(plic_survives_scribbling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
