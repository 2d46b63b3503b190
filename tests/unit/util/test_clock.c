/* SPDX-License-Identifier: MIT */
/* Clock and timers, on a source the test turns by hand, and once on the host's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "util/clock.h"

typedef struct Hand {
    Clock clock;
    int64_t source_ns;
    unsigned notified;
    char fired[128]; /* letters of the timers that fired */
} Hand;

typedef struct Letter {
    Timer timer;
    Hand *hand;
    char letter;
    int64_t rearm_ns; /* arms itself again at this time; -1: not */
    Timer *victim;    /* deletes this one */
    Timer *other;     /* arms this one at other_ns */
    int64_t other_ns;
} Letter;

static int64_t hand_source(void *opaque) {
    return ((Hand *)opaque)->source_ns;
}

static void hand_notify(void *opaque) {
    ((Hand *)opaque)->notified++;
}

static void hand_init(Hand *h) {
    *h = (Hand){0};
    clock_init(&h->clock);
    h->clock.source = hand_source;
    h->clock.source_opaque = h;
    h->clock.notify = hand_notify;
    h->clock.notify_opaque = h;
}

static void letter_fire(void *opaque) {
    Letter *l = opaque;
    size_t used = strlen(l->hand->fired);
    assert_true(used < sizeof(l->hand->fired) - 1);
    l->hand->fired[used] = l->letter;
    l->hand->fired[used + 1] = '\0';
    assert_int_equal(l->timer.expires_ns, -1); /* not armed while it fires */
    if (l->rearm_ns >= 0) {
        timer_mod(&l->timer, l->rearm_ns);
    }
    if (l->victim != NULL) {
        timer_del(l->victim);
    }
    if (l->other != NULL) {
        timer_mod(l->other, l->other_ns);
    }
}

static void letter_init(Letter *l, Hand *h, char letter) {
    *l = (Letter){.hand = h, .letter = letter, .rearm_ns = -1};
    timer_init(&l->timer, &h->clock, letter_fire, l);
}

static void run_at(Hand *h, int64_t now, const char *fired) {
    h->source_ns = now;
    h->fired[0] = '\0';
    assert_int_equal(clock_run_timers(&h->clock), strlen(fired));
    assert_string_equal(h->fired, fired);
}

/* --- time --------------------------------------------------------------------------- */

static void virtual_time_is_the_sources(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    assert_int_equal(clock_now_ns(&h.clock), 0);
    h.source_ns = 12345;
    assert_int_equal(clock_now_ns(&h.clock), 12345);
}

static void stopped_time_stands_and_goes_on_from_there(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    h.source_ns = 100;
    clock_stop(&h.clock);
    h.source_ns = 500;
    assert_int_equal(clock_now_ns(&h.clock), 100);
    clock_stop(&h.clock); /* stopping twice is stopping once */
    assert_int_equal(clock_now_ns(&h.clock), 100);
    clock_resume(&h.clock);
    assert_int_equal(clock_now_ns(&h.clock), 100);
    h.source_ns = 510;
    assert_int_equal(clock_now_ns(&h.clock), 110);
    clock_resume(&h.clock); /* no effect while it runs */
    assert_int_equal(clock_now_ns(&h.clock), 110);
    clock_stop(&h.clock);
    h.source_ns = 1000;
    clock_resume(&h.clock);
    h.source_ns = 1001;
    assert_int_equal(clock_now_ns(&h.clock), 111);
}

static void host_time_starts_near_zero_and_does_not_go_back(void **state) {
    (void)state;
    Clock c;
    clock_init(&c);
    int64_t before = clock_now_ns(&c);
    assert_in_range(before, 0,
                    INT64_C(60000000000)); /* a minute: it is not the time since boot */
    struct timespec ms = {0, 1000000};
    nanosleep(&ms, NULL);
    assert_true(clock_now_ns(&c) - before >= 1000000);
    clock_stop(&c);
    int64_t stopped = clock_now_ns(&c);
    nanosleep(&ms, NULL);
    assert_int_equal(clock_now_ns(&c), stopped);
}

static void wall_time_is_the_hosts(void **state) {
    (void)state;
    Clock c;
    clock_init(&c);
    int64_t before = time(NULL), wall = clock_host_wall_ns(&c) / 1000000000,
            after = time(NULL);
    assert_true(wall >= before - 1 && wall <= after + 1);
}

static void wall_time_of_an_own_source_depends_on_it_alone(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    h.clock.wall_base_ns = 1000000;
    h.source_ns = 5;
    assert_int_equal(clock_host_wall_ns(&h.clock), 1000005);
    clock_stop(&h.clock);
    h.source_ns = 50;
    assert_int_equal(clock_host_wall_ns(&h.clock), 1000005);
}

/* --- timers ------------------------------------------------------------------------- */

static void timers_fire_in_order_of_time_then_of_arming(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    Letter l[5];
    static const int64_t at[5] = {30, 10, 20, 10, 30};
    for (int i = 0; i < 5; i++) {
        letter_init(&l[i], &h, (char)('a' + i));
        timer_mod(&l[i].timer, at[i]);
    }
    assert_int_equal(clock_deadline_ns(&h.clock), 10);
    run_at(&h, 9, "");
    run_at(&h, 10, "bd");
    assert_int_equal(clock_deadline_ns(&h.clock), 20);
    run_at(&h, 1000, "cae");
    assert_int_equal(clock_deadline_ns(&h.clock), -1);
    run_at(&h, 2000, "");
}

static void modified_timer_fires_once_at_its_last_time(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    Letter a;
    letter_init(&a, &h, 'a');
    timer_mod(&a.timer, 50);
    timer_mod(&a.timer, 10);
    timer_mod(&a.timer, 70);
    run_at(&h, 60, "");
    run_at(&h, 70, "a");
    run_at(&h, 100, "");
}

static void deleted_timer_does_not_fire(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    Letter l[3];
    for (int i = 0; i < 3; i++) {
        letter_init(&l[i], &h, (char)('a' + i));
        timer_mod(&l[i].timer, 10 * (i + 1));
    }
    timer_del(&l[1].timer);
    timer_del(&l[1].timer); /* harmless */
    run_at(&h, 100, "ac");
    timer_del(&l[0].timer);
    run_at(&h, 200, "");
}

static void negative_deadline_is_due_at_once(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    Letter a;
    letter_init(&a, &h, 'a');
    timer_mod(&a.timer, INT64_MIN);
    assert_int_equal(clock_deadline_ns(&h.clock), 0);
    run_at(&h, 0, "a");
}

static void callback_may_arm_its_own_timer_again(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    Letter a;
    letter_init(&a, &h, 'a');
    a.rearm_ns = 20;
    timer_mod(&a.timer, 10);
    run_at(&h, 10, "a");
    assert_int_equal(clock_deadline_ns(&h.clock), 20);
    a.rearm_ns = -1;
    run_at(&h, 20, "a");
}

static void callback_may_delete_another_that_is_due(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    Letter a, b, c;
    letter_init(&a, &h, 'a');
    letter_init(&b, &h, 'b');
    letter_init(&c, &h, 'c');
    a.victim = &b.timer;
    timer_mod(&a.timer, 10);
    timer_mod(&b.timer, 10);
    timer_mod(&c.timer, 10);
    run_at(&h, 10, "ac");
}

/* A guest that asks for a period of 0 must not hold the loop, nor keep others from
 * firing. */
static void timer_that_is_always_due_fires_once_a_run(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    Letter greedy, meek;
    letter_init(&greedy, &h, 'g');
    letter_init(&meek, &h, 'm');
    greedy.rearm_ns = 0;
    timer_mod(&greedy.timer, 0);
    timer_mod(&meek.timer, 5);
    run_at(&h, 10, "gm");
    assert_int_equal(clock_deadline_ns(&h.clock), 0);
    run_at(&h, 10, "g");
    run_at(&h, 10, "g");
}

static void timer_armed_in_a_callback_waits_for_the_next_run(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    Letter a, b;
    letter_init(&a, &h, 'a');
    letter_init(&b, &h, 'b');
    a.other = &b.timer;
    a.other_ns = 5;
    timer_mod(&a.timer, 10);
    run_at(&h, 10, "a");
    run_at(&h, 10, "b");
}

static void stopped_clock_fires_nothing_new(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    Letter a;
    letter_init(&a, &h, 'a');
    timer_mod(&a.timer, 100);
    clock_stop(&h.clock);
    run_at(&h, 200, "");
    clock_resume(&h.clock);
    run_at(&h, 299, "");
    run_at(&h, 300, "a");
}

static void notify_is_called_when_the_deadline_gets_earlier_only(void **state) {
    (void)state;
    Hand h;
    hand_init(&h);
    Letter a, b;
    letter_init(&a, &h, 'a');
    letter_init(&b, &h, 'b');
    timer_mod(&a.timer, 100);
    assert_int_equal(h.notified, 1);
    timer_mod(&b.timer, 200);
    assert_int_equal(h.notified, 1);
    timer_mod(&b.timer, 50);
    assert_int_equal(h.notified, 2);
    timer_mod(&b.timer, 60);
    timer_del(&b.timer);
    assert_int_equal(h.notified, 2);
    timer_mod(&a.timer, 99);
    assert_int_equal(h.notified, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(virtual_time_is_the_sources),
        cmocka_unit_test(stopped_time_stands_and_goes_on_from_there),
        cmocka_unit_test(host_time_starts_near_zero_and_does_not_go_back),
        cmocka_unit_test(wall_time_is_the_hosts),
        cmocka_unit_test(wall_time_of_an_own_source_depends_on_it_alone),
        cmocka_unit_test(timers_fire_in_order_of_time_then_of_arming),
        cmocka_unit_test(modified_timer_fires_once_at_its_last_time),
        cmocka_unit_test(deleted_timer_does_not_fire),
        cmocka_unit_test(negative_deadline_is_due_at_once),
        cmocka_unit_test(callback_may_arm_its_own_timer_again),
        cmocka_unit_test(callback_may_delete_another_that_is_due),
        cmocka_unit_test(timer_that_is_always_due_fires_once_a_run),
        cmocka_unit_test(timer_armed_in_a_callback_waits_for_the_next_run),
        cmocka_unit_test(stopped_clock_fires_nothing_new),
        cmocka_unit_test(notify_is_called_when_the_deadline_gets_earlier_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
