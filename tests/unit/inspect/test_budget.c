/* SPDX-License-Identifier: MIT */
/* Budgets: the shares are those of the table in budget.h, whatever clients do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "inspect/budget.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

enum { STEP_NS = 1000000, CLIENTS_MAX = 64 };

typedef struct Crowd {
    Budget pool, client[CLIENTS_MAX];
    unsigned count;
    int64_t spent[CLIENTS_MAX];
} Crowd;

/* Time goes by, step by step; each client asks whenever it may, and that costs cost[i]. */
static void let_time_pass(Crowd *c, int64_t ns, BudgetKind kind, const int64_t *cost) {
    for (int64_t t = 0; t < ns; t += STEP_NS) {
        BudgetSharers sharers = {{0}};
        budget_count_sharer(&c->pool, &sharers);
        for (unsigned i = 0; i < c->count; i++) {
            budget_count_sharer(&c->client[i], &sharers);
        }
        budget_refill(&c->pool, STEP_NS, &sharers);
        for (unsigned i = 0; i < c->count; i++) {
            budget_refill(&c->client[i], STEP_NS, &sharers);
            if (cost[i] && !budget_in_debt(&c->client[i])) {
                budget_charge(&c->client[i], kind, cost[i]);
                c->spent[i] += cost[i];
            }
        }
    }
}

static Crowd crowd_new(unsigned count) {
    Crowd c = {.pool = budget_full(BUDGET_POOL_CLIENTS), .count = count};
    for (unsigned i = 0; i < count; i++) {
        c.client[i] = budget_full(1);
    }
    return c;
}

/* From the table in budget.h: 10 ms of waiting at most, and all that was computed. */
static void of_a_hold_no_more_is_charged_than_was_computed_and_a_little(void **state) {
    (void)state;
    static const struct {
        int64_t held_ms, computed_ms, price_ms;
    } row[] = {
        {0, 0, 0},    {3, 1, 3},    {10, 0, 10},    {11, 0, 10},        {11, 1, 11},
        {100, 0, 10}, {100, 5, 15}, {100, 95, 100}, {1000, 1000, 1000},
    };
    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        assert_int_equal(budget_price_of_hold(row[i].held_ms * NS_PER_MS,
                                              row[i].computed_ms * NS_PER_MS),
                         row[i].price_ms * NS_PER_MS);
    }
}

static void one_request_may_cost_much_and_the_next_waits(void **state) {
    (void)state;
    Budget b = budget_full(1);
    const BudgetSharers alone = {{1, 1, 1}};
    assert_false(budget_in_debt(&b));
    assert_int_equal(budget_wait_ns(&b, &alone), 0);
    budget_charge(&b, BUDGET_HELD, 30 * NS_PER_MS); /* 20 ms were saved up */
    assert_true(budget_in_debt(&b));
    assert_int_equal(budget_wait_ns(&b, &alone), NS_PER_S); /* 10 ms at 1 % */
    budget_refill(&b, NS_PER_S - 100, &alone);
    assert_true(budget_in_debt(&b));
    budget_refill(&b, 100, &alone);
    assert_false(budget_in_debt(&b));
}

static void what_is_saved_up_is_limited(void **state) {
    (void)state;
    Budget b = budget_full(1);
    const BudgetSharers alone = {{1, 1, 1}};
    budget_charge(&b, BUDGET_HELD, 1);
    budget_refill(&b, INT64_MAX, &alone);
    assert_int_equal(b.left[BUDGET_HELD], 20 * NS_PER_MS);
    assert_int_equal(b.left[BUDGET_COMPUTED], 3 * NS_PER_S);
    assert_int_equal(b.left[BUDGET_ASKED], 200 * (int64_t)BUDGET_NS_PER_REQUEST);
}

static void a_flood_holds_the_guest_for_one_percent(void **state) {
    (void)state;
    const int64_t cost[] = {100000};
    Crowd c = crowd_new(1);
    let_time_pass(&c, 100 * NS_PER_S, BUDGET_HELD, cost);
    assert_in_range(c.spent[0], NS_PER_S, NS_PER_S + 20 * NS_PER_MS + cost[0]);
}

static void a_flood_is_a_thousand_requests_a_second(void **state) {
    (void)state;
    const int64_t cost[] = {10 * (int64_t)BUDGET_NS_PER_REQUEST};
    Crowd c = crowd_new(1);
    let_time_pass(&c, 10 * NS_PER_S, BUDGET_ASKED, cost);
    int64_t requests = c.spent[0] / BUDGET_NS_PER_REQUEST;
    assert_in_range(requests, 10000, 10210);
}

static void many_floods_cost_as_much_as_two(void **state) {
    (void)state;
    int64_t cost[CLIENTS_MAX], sum = 0;
    Crowd c = crowd_new(CLIENTS_MAX);
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        cost[i] = 100000;
    }
    let_time_pass(&c, 100 * NS_PER_S, BUDGET_HELD, cost);
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        sum += c.spent[i];
    }
    int64_t saved_up = CLIENTS_MAX * (20 * NS_PER_MS + cost[0]);
    assert_in_range(sum, 19 * NS_PER_S / 10, 2 * NS_PER_S + saved_up);
}

static void one_that_asks_little_never_waits_for_floods(void **state) {
    (void)state;
    int64_t flood[CLIENTS_MAX] = {0}, nothing[CLIENTS_MAX] = {0};
    Crowd c = crowd_new(CLIENTS_MAX);
    for (unsigned i = 1; i < CLIENTS_MAX; i++) {
        flood[i] = 100000;
    }
    for (unsigned i = 0; i < 1000; i++) { /* a request of 20 us, ten times a second */
        let_time_pass(&c, 100 * NS_PER_MS, BUDGET_HELD, flood);
        assert_false(budget_in_debt(&c.client[0]));
        budget_charge(&c.client[0], BUDGET_HELD, 20000);
    }
    assert_true(budget_in_debt(&c.client[1]));
    let_time_pass(&c, 20 * NS_PER_S, BUDGET_HELD, nothing);
    assert_false(budget_in_debt(&c.client[1])); /* and floods are forgiven */
}

static void connecting_again_brings_nothing(void **state) {
    (void)state;
    Budget pool = budget_full(BUDGET_POOL_CLIENTS);
    const BudgetSharers alone = {{1, 1, 1}};
    int64_t spent = 0;
    for (unsigned i = 0; i < 10000; i++) { /* in no time */
        Budget b = budget_take(&pool);
        while (!budget_in_debt(&b)) {
            budget_charge(&b, BUDGET_HELD, 100000);
            spent += 100000;
        }
        budget_return(&pool, &b);
    }
    assert_in_range(spent, 0, (BUDGET_POOL_CLIENTS + 1) * 20 * NS_PER_MS);
    Budget newcomer = budget_take(&pool);
    assert_in_range(budget_wait_ns(&newcomer, &alone), 1, NS_PER_S / 2);
}

static void who_goes_leaves_what_is_left(void **state) {
    (void)state;
    Budget pool = budget_full(BUDGET_POOL_CLIENTS);
    for (unsigned i = 0; i < 1000; i++) {
        Budget b = budget_take(&pool);
        budget_return(&pool, &b);
    }
    const Budget full = budget_full(BUDGET_POOL_CLIENTS);
    for (unsigned k = 0; k < BUDGET_KINDS; k++) {
        assert_int_equal(pool.left[k], full.left[k]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_hold_no_more_is_charged_than_was_computed_and_a_little),
        cmocka_unit_test(one_request_may_cost_much_and_the_next_waits),
        cmocka_unit_test(what_is_saved_up_is_limited),
        cmocka_unit_test(a_flood_holds_the_guest_for_one_percent),
        cmocka_unit_test(a_flood_is_a_thousand_requests_a_second),
        cmocka_unit_test(many_floods_cost_as_much_as_two),
        cmocka_unit_test(one_that_asks_little_never_waits_for_floods),
        cmocka_unit_test(connecting_again_brings_nothing),
        cmocka_unit_test(who_goes_leaves_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
