/* SPDX-License-Identifier: MIT */
/* Budget: three accounts that fill as time goes by. */
#include "inspect/budget.h"

#define NS_PER_MS         INT64_C(1000000)
#define NS_PER_S          INT64_C(1000000000)
#define PPM               INT64_C(1000000)
#define ELAPSED_MAX       (1000 * NS_PER_S) /* times PPM it fits an int64_t */
#define NEWCOMER_WAITS_NS (NS_PER_S / 2)

static const struct {
    int64_t client_ppm, all_ppm; /* of the time that goes by */
    int64_t saved_ns;            /* at most, of a client */
} limits[BUDGET_KINDS] = {
    [BUDGET_HELD] = {10000, 20000, 20 * NS_PER_MS},
    [BUDGET_COMPUTED] = {50000, 100000, 3 * NS_PER_S},
    [BUDGET_ASKED] = {1000000, 2000000, 200 * (int64_t)BUDGET_NS_PER_REQUEST},
};

static int64_t most(BudgetKind kind, unsigned clients) {
    return limits[kind].saved_ns * clients;
}

/* What one of `sharers` gets of the time, in millionths. */
static int64_t share_ppm(BudgetKind kind, unsigned sharers) {
    int64_t part = limits[kind].all_ppm / (sharers ? sharers : 1);
    return part < limits[kind].client_ppm ? part : limits[kind].client_ppm;
}

Budget budget_full(unsigned clients) {
    Budget b = {.clients = clients};
    for (unsigned k = 0; k < BUDGET_KINDS; k++) {
        b.left[k] = most(k, clients);
    }
    return b;
}

int64_t budget_price_of_hold(int64_t held_ns, int64_t computed_ns) {
    int64_t most = computed_ns + BUDGET_HOLD_WAITS_NS;
    return held_ns < most ? held_ns : most;
}

void budget_charge(Budget *b, BudgetKind kind, int64_t ns) {
    b->left[kind] -= ns;
}

bool budget_in_debt(const Budget *b) {
    for (unsigned k = 0; k < BUDGET_KINDS; k++) {
        if (b->left[k] < 0) {
            return true;
        }
    }
    return false;
}

void budget_count_sharer(const Budget *b, BudgetSharers *sharers) {
    for (unsigned k = 0; k < BUDGET_KINDS; k++) {
        sharers->count[k] += b->left[k] < most(k, b->clients);
    }
}

void budget_refill(Budget *b, int64_t elapsed_ns, const BudgetSharers *sharers) {
    int64_t ns = elapsed_ns < ELAPSED_MAX ? elapsed_ns : ELAPSED_MAX;
    for (unsigned k = 0; k < BUDGET_KINDS; k++) {
        int64_t left = b->left[k] + ns * share_ppm(k, sharers->count[k]) / PPM;
        b->left[k] = left < most(k, b->clients) ? left : most(k, b->clients);
    }
}

int64_t budget_wait_ns(const Budget *b, const BudgetSharers *sharers) {
    int64_t longest = 0;
    for (unsigned k = 0; k < BUDGET_KINDS; k++) {
        int64_t share = share_ppm(k, sharers->count[k]);
        int64_t ns = b->left[k] < 0 ? (-b->left[k] * PPM + share - 1) / share : 0;
        longest = ns > longest ? ns : longest;
    }
    return longest;
}

Budget budget_take(Budget *pool) {
    Budget b = {.clients = 1};
    for (unsigned k = 0; k < BUDGET_KINDS; k++) {
        int64_t there = pool->left[k] < most(k, 1) ? pool->left[k] : most(k, 1);
        b.left[k] = there > 0 ? there : -limits[k].client_ppm * NEWCOMER_WAITS_NS / PPM;
        pool->left[k] -= there > 0 ? there : 0;
    }
    return b;
}

void budget_return(Budget *pool, const Budget *b) {
    for (unsigned k = 0; k < BUDGET_KINDS; k++) {
        int64_t left = pool->left[k] + b->left[k];
        left = left < most(k, pool->clients) ? left : most(k, pool->clients);
        pool->left[k] = left > -most(k, 1) ? left : -most(k, 1);
    }
}
