/* SPDX-License-Identifier: MIT */
/* Goldfish RTC. Expected values: "Goldfish virtual hardware" (Android emulator), section
 * RTC. */
#include "hw_fixture.h"

enum { RTC = 0x101000 };
enum {
    TIME_LOW = RTC,
    TIME_HIGH = RTC + 4,
    ALARM_LOW = RTC + 8,
    ALARM_HIGH = RTC + 12,
    IRQ_ENABLED = RTC + 16,
    CLEAR_ALARM = RTC + 20,
    ALARM_STATUS = RTC + 24,
    CLEAR_INTERRUPT = RTC + 28
};

static int setup(void **state) {
    Fixture *f = fixture_new();
    f->m.clock.wall_base_ns = INT64_C(1700000000123456789);
    fixture_device(f, "goldfish_rtc", RTC);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture_free(*state);
    return 0;
}

static uint64_t now(Fixture *f) {
    uint64_t low = rd(f, TIME_LOW, 4);
    return rd(f, TIME_HIGH, 4) << 32 | low;
}

static void set_alarm(Fixture *f, uint64_t at) {
    wr(f, ALARM_HIGH, 4, at >> 32);
    wr(f, ALARM_LOW, 4, at & 0xffffffff);
}

static void rtc_counts_nanoseconds_since_1970(void **state) {
    Fixture *f = *state;
    assert_int_equal(now(f), INT64_C(1700000000123456789));
    f->now_ns += 5;
    assert_int_equal(now(f), INT64_C(1700000000123456794));
}

static void rtc_high_word_is_the_one_latched_by_the_low_word(void **state) {
    Fixture *f = *state;
    f->m.clock.wall_base_ns = 0x1ffffffff;
    assert_int_equal(rd(f, TIME_LOW, 4), 0xffffffff);
    f->now_ns += 1;
    assert_int_equal(rd(f, TIME_HIGH, 4), 1);
    assert_int_equal(now(f), 0x200000000);
}

static void rtc_time_can_be_set(void **state) {
    Fixture *f = *state;
    wr(f, TIME_HIGH, 4, 0x12345678);
    wr(f, TIME_LOW, 4, 0x9abcdef0);
    assert_int_equal(now(f), 0x123456789abcdef0);
    f->now_ns += 16;
    assert_int_equal(now(f), 0x123456789abcdf00);
}

static void rtc_alarm_interrupts_when_due(void **state) {
    Fixture *f = *state;
    wr(f, IRQ_ENABLED, 4, 1);
    set_alarm(f, now(f) + 1000);
    assert_int_equal(rd(f, ALARM_STATUS, 4), 1);
    fixture_pass(f, 999);
    assert_int_equal(f->irq_level, 0);
    fixture_pass(f, 1);
    assert_int_equal(f->irq_level, 1);
    assert_int_equal(rd(f, ALARM_STATUS, 4), 0);
    wr(f, CLEAR_INTERRUPT, 4, 1);
    assert_int_equal(f->irq_level, 0);
}

static void rtc_alarm_in_the_past_fires_at_once(void **state) {
    Fixture *f = *state;
    wr(f, IRQ_ENABLED, 4, 1);
    set_alarm(f, now(f) - 1);
    assert_int_equal(f->irq_level, 1);
}

static void rtc_masked_interrupt_appears_when_enabled(void **state) {
    Fixture *f = *state;
    set_alarm(f, now(f) + 10);
    fixture_pass(f, 10);
    assert_int_equal(f->irq_level, 0);
    wr(f, IRQ_ENABLED, 4, 1);
    assert_int_equal(f->irq_level, 1);
}

static void rtc_cleared_alarm_does_not_fire(void **state) {
    Fixture *f = *state;
    wr(f, IRQ_ENABLED, 4, 1);
    set_alarm(f, now(f) + 10);
    wr(f, CLEAR_ALARM, 4, 1);
    fixture_pass(f, 100);
    assert_int_equal(f->irq_level, 0);
}

static void rtc_set_time_moves_a_running_alarm(void **state) {
    Fixture *f = *state;
    wr(f, IRQ_ENABLED, 4, 1);
    set_alarm(f, UINT64_C(0x7fffffffffffffff));
    wr(f, TIME_HIGH, 4, 0x7fffffff);
    assert_int_equal(f->irq_level, 0);
    wr(f, TIME_LOW, 4, 0xffffff00);
    fixture_pass(f, 0xff);
    assert_int_equal(f->irq_level, 1);
}

static void rtc_survives_scribbling(void **state) {
    Fixture *f = *state;
    fixture_scribble(f, RTC, 0x24, 50000);
    Device *dev = f->m.first_device;
    dev->cls->reset(dev);
    assert_int_equal(f->irq_level, 0);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(rtc_counts_nanoseconds_since_1970),
        T(rtc_high_word_is_the_one_latched_by_the_low_word),
        T(rtc_time_can_be_set),
        T(rtc_alarm_interrupts_when_due),
        T(rtc_alarm_in_the_past_fires_at_once),
        T(rtc_masked_interrupt_appears_when_enabled),
        T(rtc_cleared_alarm_does_not_fire),
        T(rtc_set_time_moves_a_running_alarm),
        T(rtc_survives_scribbling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
