/* SPDX-License-Identifier: MIT */
/*
 * Budget: what a client's looking may cost a guest that runs.
 *
 *   cost          a client     all        saved up      measured as
 *   HELD          1 %          2 %        20 ms         vCPUs parked, on their way there and back, or
 *                                                       machine lock held; by the clock
 *   COMPUTED      5 %          10 %       3 s           the inspector's thread, of one core
 *   ASKED         1000/s       2000/s     200           requests, 1 ms each
 *
 *          refilled: the share of the time that went by
 *                 |
 *     full [======v=====|          ] 0 [ debt ]         a request runs if no kind is in debt, and may
 *                       '-- charged -->                 then cost what it costs
 *
 * A request that is alone is answered at once; one that was expensive makes the next wait, not fail. Those
 * whose budget is not full share what all may have, so sixty-four that flood cost the guest as much as
 * two, and one that asks little never waits for one that floods.
 *
 * Without a budget: a monitor's command (HMP, QMP, gdb's `monitor`). Each monitor asks one thing at a time and waits for the
 * answer, the inspector serves others in between, and whoever may use one may stop the guest altogether. What the
 * guest writes (serial.output, log.line) is nobody's request: it is told at most every 5 ms.
 *
 * Threads: the inspector's lock.
 */
#ifndef VITRINE_INSPECT_BUDGET_H
#define VITRINE_INSPECT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

typedef enum BudgetKind {
    BUDGET_HELD,
    BUDGET_COMPUTED,
    BUDGET_ASKED,
    BUDGET_KINDS
} BudgetKind;

enum { BUDGET_NS_PER_REQUEST = 1000000 };
/* Of a hold so much is charged at most besides what the inspector computed: on a busy host a vCPU or the inspector
 * may be without a processor for 100 ms in the middle of it, and ten seconds of silence is no answer to that. What a
 * client is told (held_ns) is all of it. */
#define BUDGET_HOLD_WAITS_NS (10 * INT64_C(1000000))

/* Costs in nanoseconds. */
typedef struct Budget {
    int64_t left[BUDGET_KINDS]; /* below 0: in debt */
    unsigned clients;           /* it saves up as much as so many; of a client: 1 */
} Budget;

/* How many budgets are not full, by kind: among so many what all may have is divided. */
typedef struct BudgetSharers {
    unsigned count[BUDGET_KINDS];
} BudgetSharers;

Budget budget_full(unsigned clients);
/* What is charged for a guest that was held up for so long, of which the inspector computed so much. */
int64_t budget_price_of_hold(int64_t held_ns, int64_t computed_ns);
void budget_charge(Budget *b, BudgetKind kind, int64_t ns);
bool budget_in_debt(const Budget *b);
/* Counts b in; when all are, budget_refill() each. */
void budget_count_sharer(const Budget *b, BudgetSharers *sharers);
void budget_refill(Budget *b, int64_t elapsed_ns, const BudgetSharers *sharers);
/* Nanoseconds until b is out of debt if nothing changes; 0: it is not in debt. */
int64_t budget_wait_ns(const Budget *b, const BudgetSharers *sharers);

/* The pool is a budget of BUDGET_POOL_CLIENTS from which newcomers' come and to which they return:
 * nobody gets a full one by hanging up and connecting again. */
enum { BUDGET_POOL_CLIENTS = 8 };
/* A newcomer's: a full one, or what there is; from an empty pool a debt of half a second. */
Budget budget_take(Budget *pool);
void budget_return(Budget *pool, const Budget *b);

#endif
