/* SPDX-License-Identifier: MIT */
/*
 * Inspector: the thread that executes everything that is asked.
 *
 *   wait --> a job --> one message of the next client that has one --> a call that is due --> wait
 *
 * Clients take turns, a message each, so that one that floods delays another by one request. A client whose
 * budget is in debt has no turn.
 *
 * Threads: the inspector's, but for what inspect.h offers to all.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inspect/inspect_int.h"
#include "state/travel.h"

#define NS_PER_S INT64_C(1000000000)
enum { MEANWHILE_ROUNDS = 16 }; /* then whoever waits looks again */

static int64_t read_clock_ns(clockid_t clock) {
    struct timespec ts;
    clock_gettime(clock, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t inspect_now_ns(void) {
    return read_clock_ns(CLOCK_MONOTONIC);
}

int64_t inspect_own_ns(void) {
    return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t inspector_uptime_ns(const Inspector *ins) {
    return inspect_now_ns() - ins->start_ns;
}

void inspector_set_travel(Inspector *ins, struct Travel *travel) {
    ins->travel = travel;
    if (travel) {
        travel_set_meanwhile(travel, inspector_meanwhile, ins);
    }
}

struct Travel *inspector_travel(const Inspector *ins) {
    return ins->travel;
}

Machine *inspector_machine(const Inspector *ins) {
    return ins->m;
}

/* --- what the thread does -------------------------------------------------------------------- */

/* The first that is due; at the end all are. */
static bool run_job_locked(Inspector *ins, int64_t now_ns) {
    InspectJob **at = &ins->job_first;
    while (*at && (*at)->due_ns > now_ns && !ins->quit && !ins->settling) {
        at = &(*at)->next;
    }
    InspectJob *job = *at;
    if (!job) {
        return false;
    }
    *at = job->next;
    if (!job->next) {
        ins->job_last = at;
    }
    ins->in_job = true;
    pthread_mutex_unlock(&ins->lock);
    job->fn(job->opaque);
    free(job);
    pthread_mutex_lock(&ins->lock);
    ins->in_job = false;
    pthread_cond_broadcast(&ins->settled);
    return true;
}

/* What domains keep for it goes without the lock: they may want the machine. */
static void free_client_locked(InspectClient *client) {
    Inspector *ins = client->ins;
    InspectState *states = client->states;
    client_free_locked(client);
    pthread_mutex_unlock(&ins->lock);
    inspect_states_free(states, ins->m);
    pthread_mutex_lock(&ins->lock);
}

static bool free_gone_locked(Inspector *ins) {
    for (InspectClient *c = ins->clients; c; c = c->next) {
        if (c->gone && !c->users) {
            free_client_locked(c);
            return true;
        }
    }
    return false;
}

/* Puts a client behind the others: its turn is over. */
static void move_to_end_locked(Inspector *ins, InspectClient *client) {
    InspectClient **p = &ins->clients;
    while (*p != client) {
        p = &(*p)->next;
    }
    *p = client->next;
    while (*p) {
        p = &(*p)->next;
    }
    *p = client;
    client->next = NULL;
}

/* --- budgets --- */

static void refill_locked(Inspector *ins, int64_t now_ns) {
    int64_t elapsed_ns = now_ns - ins->refilled_ns;
    ins->refilled_ns = now_ns;
    ins->sharers = (BudgetSharers){0};
    budget_count_sharer(&ins->pool, &ins->sharers);
    for (InspectClient *c = ins->clients; c; c = c->next) {
        budget_count_sharer(&c->budget, &ins->sharers);
    }
    budget_refill(&ins->pool, elapsed_ns, &ins->sharers);
    for (InspectClient *c = ins->clients; c; c = c->next) {
        budget_refill(&c->budget, elapsed_ns, &ins->sharers);
        if (c->waits_since_ns && !budget_in_debt(&c->budget)) {
            c->waited_ns += now_ns - c->waits_since_ns;
            c->waits_since_ns = 0;
        } else if (!c->waits_since_ns && (c->in_first || c->in_batch) &&
                   budget_in_debt(&c->budget)) {
            c->waits_since_ns = now_ns;
        }
    }
}

/* The thread works for a client: begins and ends what is charged. */
static InspectSpent begin_work_locked(InspectClient *client) {
    InspectSpent before = client->ins->spent;
    before.ns[BUDGET_COMPUTED] = inspect_own_ns();
    client->users++;
    pthread_mutex_unlock(&client->ins->lock);
    return before;
}

static void end_work_locked(InspectClient *client, const InspectSpent *before) {
    client->ins->spent.ns[BUDGET_COMPUTED] = inspect_own_ns();
    pthread_mutex_lock(&client->ins->lock);
    client->users--;
    client_charge_locked(client, before);
}

/* --- requests --- */

/* May a client's request be served on a journey? Whoever began it waits for its end. */
static bool fits_journey_locked(const Inspector *ins, const InspectClient *client,
                                int64_t now_ns) {
    InspectMessage *msg = client->in_first;
    if (client->users) {
        return false;
    }
    if (now_ns - ins->journey_ns > JOURNEY_PATIENCE_NS) {
        return true; /* if it does not fit it is told so */
    }
    if (client->in_batch) {
        return false;
    }
    if (!msg->peeked) {
        msg->light = jsonrpc_is_light(msg);
        msg->peeked = true;
    }
    return msg->light;
}

static bool run_message_locked(Inspector *ins, int64_t now_ns) {
    InspectClient *client = ins->clients;
    while (client && !(client_is_runnable_locked(client) &&
                       (!ins->journey_ns || fits_journey_locked(ins, client, now_ns)))) {
        client = client->next;
    }
    if (!client) {
        return false;
    }
    InspectMessage *msg = client->in_batch ? NULL : client_next_message_locked(client);
    InspectSpent before = begin_work_locked(client);
    char *answer = jsonrpc_handle(client, msg);
    free(msg);
    end_work_locked(client, &before);
    client->in_batch = client->batch.requests != NULL;
    if (answer && !client->gone) {
        client_push_locked(client, inspect_out_new(answer, strlen(answer), false));
    } else if (!client->gone && client->sink.ready) {
        client->sink.ready(client->sink.opaque); /* it may be idle now */
    }
    move_to_end_locked(ins, client);
    free(answer);
    return true;
}

static bool run_periodic_locked(Inspector *ins, int64_t now_ns) {
    for (InspectClient *c = ins->clients; c; c = c->next) {
        for (InspectSub *sub = c->subs; sub && !c->gone; sub = sub->next) {
            if (!sub->method || sub->due_ns > now_ns || budget_in_debt(&c->budget) ||
                (ins->journey_ns && !protocol_method_is_light(sub->method))) {
                continue;
            }
            uint32_t id = sub->id;
            sub->due_ns = now_ns + sub->interval_ns;
            InspectSpent before = begin_work_locked(c);
            events_run_periodic(c, id);
            end_work_locked(c, &before);
            return true;
        }
    }
    return false;
}

/* When the thread must look again though nobody wakes it. */
static int64_t next_deadline_locked(Inspector *ins, int64_t now_ns) {
    int64_t next_ns = now_ns + NS_PER_S;
    for (const InspectJob *job = ins->job_first; job; job = job->next) {
        next_ns = job->due_ns < next_ns ? job->due_ns : next_ns;
    }
    for (InspectClient *c = ins->clients; c; c = c->next) {
        int64_t ns = client_housekeeping_locked(c, now_ns);
        int64_t rich_ns = now_ns + budget_wait_ns(&c->budget, &ins->sharers);
        next_ns = ns < next_ns ? ns : next_ns;
        bool asks = c->in_first || c->in_batch;
        next_ns = asks && rich_ns > now_ns && rich_ns < next_ns ? rich_ns : next_ns;
        for (InspectSub *sub = c->subs; sub; sub = sub->next) {
            ns = sub->due_ns > rich_ns ? sub->due_ns : rich_ns;
            next_ns = sub->method && ns < next_ns ? ns : next_ns;
        }
    }
    return next_ns;
}

void inspector_journey_begin(Inspector *ins) {
    ins->journey_ns = inspect_now_ns();
}

void inspector_journey_end(Inspector *ins) {
    ins->journey_ns = 0;
}

void inspector_meanwhile(void *opaque) {
    Inspector *ins = opaque;
    if (!pthread_equal(pthread_self(), ins->thread) || !ins->journey_ns) {
        return; /* gdb's thread travels */
    }
    pthread_mutex_lock(&ins->lock);
    bool worked = true;
    for (unsigned i = 0; worked && i < MEANWHILE_ROUNDS; i++) {
        int64_t now_ns = inspect_now_ns();
        refill_locked(ins, now_ns);
        worked = run_message_locked(ins, now_ns);
        worked = run_periodic_locked(ins, now_ns) || worked;
    }
    pthread_mutex_unlock(&ins->lock);
}

static void *thread_main(void *opaque) {
    Inspector *ins = opaque;
    pthread_mutex_lock(&ins->lock);
    while (!ins->quit || ins->job_first) {
        int64_t now_ns = inspect_now_ns();
        refill_locked(ins, now_ns);
        /* Each has its turn: jobs may come without end, when much is logged, and clients that are gone would
         * take the room of new ones. */
        bool worked = run_job_locked(ins, now_ns);
        worked = free_gone_locked(ins) || worked;
        if (ins->quit) {
            continue;
        }
        worked = run_message_locked(ins, now_ns) || worked;
        worked = run_periodic_locked(ins, now_ns) || worked;
        if (worked) {
            continue;
        }
        int64_t next_ns = next_deadline_locked(ins, now_ns);
        if (ins->clients || ins->job_first) {
            struct timespec ts = {next_ns / NS_PER_S, next_ns % NS_PER_S};
            pthread_cond_timedwait(&ins->wake, &ins->lock, &ts);
        } else {
            pthread_cond_wait(&ins->wake, &ins->lock);
        }
    }
    while (ins->clients) {
        free_client_locked(ins->clients);
    }
    pthread_mutex_unlock(&ins->lock);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------ */

Inspector *inspector_new(Machine *m, Error **errp) {
    Inspector *ins = calloc(1, sizeof(*ins));
    if (!ins) {
        error_set(errp, "no memory for the inspector");
        return NULL;
    }
    pthread_condattr_t attr;
    ins->m = m;
    ins->start_ns = inspect_now_ns();
    ins->refilled_ns = ins->start_ns;
    ins->pool = budget_full(BUDGET_POOL_CLIENTS);
    ins->job_last = &ins->job_first;
    pthread_mutex_init(&ins->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ins->wake, &attr);
    pthread_cond_init(&ins->settled, &attr);
    pthread_condattr_destroy(&attr);
    int err = pthread_create(&ins->thread, NULL, thread_main, ins);
    if (err) {
        error_set_errno(errp, err, "cannot start the inspector's thread");
        pthread_cond_destroy(&ins->settled);
        pthread_cond_destroy(&ins->wake);
        pthread_mutex_destroy(&ins->lock);
        free(ins);
        return NULL;
    }
    ins->listener = (MachineListener){inspect_machine_event, ins, NULL};
    cpu_views_new(ins);
    machine_add_listener(m, &ins->listener);
    serial_start(ins);
    log_start(ins);
    return ins;
}

void inspector_settle(Inspector *ins, unsigned ms) {
    const int64_t end_ns = inspect_now_ns() + ms * (NS_PER_S / 1000);
    const struct timespec end = {end_ns / NS_PER_S, end_ns % NS_PER_S};
    int err = 0;
    pthread_mutex_lock(&ins->lock);
    ins->settling = true;
    pthread_cond_signal(&ins->wake);
    while ((ins->job_first || ins->in_job) && err == 0) {
        err = pthread_cond_timedwait(&ins->settled, &ins->lock, &end);
    }
    pthread_mutex_unlock(&ins->lock);
}

void inspector_free(Inspector *ins) {
    if (!ins) {
        return;
    }
    machine_remove_listener(ins->m, &ins->listener);
    serial_stop(ins);
    log_stop(ins);
    pthread_mutex_lock(&ins->lock);
    ins->quit = true;
    pthread_cond_signal(&ins->wake);
    pthread_mutex_unlock(&ins->lock);
    pthread_join(ins->thread, NULL);
    inspect_states_free(ins->states, ins->m);
    cpu_views_free(ins);
    serial_free(ins);
    log_free(ins);
    pthread_cond_destroy(&ins->settled);
    pthread_cond_destroy(&ins->wake);
    pthread_mutex_destroy(&ins->lock);
    free(ins);
}

/* --- from other threads ---------------------------------------------------------------------- */

void inspector_run(Inspector *ins, void (*fn)(void *opaque), void *opaque) {
    inspector_run_at(ins, 0, fn, opaque);
}

void inspector_run_at(Inspector *ins, int64_t due_ns, void (*fn)(void *opaque),
                      void *opaque) {
    InspectJob *job = calloc(1, sizeof(*job));
    assert(job);
    job->fn = fn;
    job->opaque = opaque;
    job->due_ns = due_ns;
    pthread_mutex_lock(&ins->lock);
    *ins->job_last = job;
    ins->job_last = &job->next;
    pthread_cond_signal(&ins->wake);
    pthread_mutex_unlock(&ins->lock);
}

bool inspect_wants(const Inspector *ins, const char *event) {
    int number = protocol_find_event(event);
    return number >= 0 && __atomic_load_n(&ins->wanted[number], __ATOMIC_RELAXED) != 0;
}

static bool has_event(const InspectSub *sub, int event) {
    return sub->events[event / 64] >> (event % 64) & 1;
}

void inspect_emit(Inspector *ins, const char *event, json_t *data) {
    int number = protocol_find_event(event);
    assert(number >= 0); /* a row of protocol.def */
    if (!__atomic_load_n(&ins->wanted[number], __ATOMIC_RELAXED)) {
        json_decref(data);
        return;
    }
    char *text = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(data);
    pthread_mutex_lock(&ins->lock);
    for (InspectClient *c = ins->clients; c && text; c = c->next) {
        for (InspectSub *sub = c->subs, *next; sub && !c->gone; sub = next) {
            next = sub->next;
            if (has_event(sub, number)) {
                client_event_locked(c, sub, number, text);
            }
        }
    }
    pthread_mutex_unlock(&ins->lock);
    free(text);
}
