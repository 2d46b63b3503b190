/* SPDX-License-Identifier: MIT */
/*
 * InspectClient: one peer's queues. A peer that is slow, stalls or vanishes costs what is written here
 * and no more.
 *
 *   in:  at most INSPECT_MAX_QUEUE messages; one more is answered "limit". Messages wait while more than
 *        INSPECT_MAX_BACKLOG bytes of answers do, and while the client's budget is in debt.
 *   out: answers       never dropped; at most the backlog and one answer
 *        ALL events    nothing is lost: a client that has no room for one has its subscription ended,
 *                      and is told so
 *        LATEST        a newer one takes the place of one that waits
 *        SAMPLED       dropped and counted
 *
 * A client that takes nothing for INSPECT_STALL_SECONDS while something waits is dropped.
 *
 * Threads: any; everything under the inspector's lock.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect_int.h"

#define NS_PER_S INT64_C(1000000000)

InspectOut *inspect_out_new(const void *data, size_t len, bool frame) {
    InspectOut *out = malloc(sizeof(*out) + len + 1);
    assert(out);
    out->frame = frame;
    out->len = len;
    memcpy(out->data, data, len);
    out->data[len] = '\0';
    return out;
}

static void tell_carrier_locked(InspectClient *client) {
    if (!client->gone && client->sink.ready) {
        client->sink.ready(client->sink.opaque);
    }
}

/* --- life ------------------------------------------------------------------------------------ */

InspectClient *inspect_client_new(Inspector *ins, InspectRole role,
                                  const InspectSink *sink) {
    InspectClient *client = calloc(1, sizeof(*client));
    assert(client);
    client->ins = ins;
    client->role = role;
    client->sink = *sink;
    client->in_last = &client->in_first;
    client->out_last = &client->out_first;
    pthread_mutex_lock(&ins->lock);
    bool room = ins->client_count < INSPECT_MAX_CLIENTS;
    if (room) {
        ins->client_count++;
        client->budget = budget_take(&ins->pool);
        client->next = ins->clients;
        ins->clients = client;
    }
    pthread_mutex_unlock(&ins->lock);
    if (!room) {
        free(client);
        return NULL;
    }
    return client;
}

static void drop_input_locked(InspectClient *client) {
    while (client->in_first) {
        free(client_next_message_locked(client));
    }
}

/* Takes one item out of the queue; *at is where it hangs. */
static InspectOut *unlink_item_locked(InspectClient *client, OutItem **at) {
    OutItem *item = *at;
    InspectOut *out = item->out;
    *at = item->next;
    if (client->out_last == &item->next) {
        client->out_last = at;
    }
    client->out_bytes -= out->len;
    client->out_events -= item->sub != NULL;
    free(item);
    return out;
}

static void drop_output_locked(InspectClient *client) {
    while (client->out_first) {
        free(unlink_item_locked(client, &client->out_first));
    }
}

void client_free_locked(InspectClient *client) {
    InspectClient **p = &client->ins->clients;
    while (*p != client) {
        p = &(*p)->next;
    }
    *p = client->next;
    client->ins->client_count--;
    budget_return(&client->ins->pool, &client->budget);
    drop_input_locked(client);
    jsonrpc_batch_free(&client->batch);
    while (client->subs) {
        client_remove_sub_locked(client, client->subs);
    }
    drop_output_locked(client);
    free(client);
}

void inspect_client_free(InspectClient *client) {
    if (!client) {
        return;
    }
    Inspector *ins = client->ins;
    pthread_mutex_lock(&ins->lock);
    client->gone = true;
    pthread_cond_signal(&ins->wake); /* states are destroyed on the thread */
    pthread_mutex_unlock(&ins->lock);
}

/* --- in -------------------------------------------------------------------------------------- */

static bool has_room_locked(const InspectClient *client) {
    return client->in_count < INSPECT_MAX_QUEUE &&
           client->in_bytes < INSPECT_MAX_QUEUE_BYTES;
}

static void push_message_locked(InspectClient *client, InspectMessage *msg) {
    msg->next = NULL;
    *client->in_last = msg;
    client->in_last = &msg->next;
    client->in_count++;
    client->in_bytes += msg->len;
    pthread_cond_signal(&client->ins->wake);
}

static InspectMessage *message_new(const char *text, size_t len) {
    InspectMessage *msg = malloc(sizeof(*msg) + len + 1);
    assert(msg);
    *msg = (InspectMessage){.len = len, .too_long = text == NULL};
    if (text) {
        memcpy(msg->text, text, len);
    }
    msg->text[len] = '\0';
    return msg;
}

/* Too many requests wait; the answer cannot name the id, since nobody has read it. */
static void refuse_locked(InspectClient *client) {
    if (client->out_bytes > INSPECT_MAX_BACKLOG) {
        client->dropped = true; /* it floods and does not read */
        tell_carrier_locked(client);
        return;
    }
    char what[96];
    snprintf(what, sizeof(what), "%d requests (%d MiB) wait already, the limit",
             INSPECT_MAX_QUEUE, INSPECT_MAX_QUEUE_BYTES >> 20);
    json_t *error = inspect_error_object(-32004, "Busy", "limit", what,
                                         "wait for answers before asking more");
    json_t *answer = json_pack("{s:s, s:o, s:n}", "jsonrpc", "2.0", "error", error, "id");
    char *text = json_dumps(answer, JSON_COMPACT);
    client_push_locked(client, inspect_out_new(text, strlen(text), false));
    free(text);
    json_decref(answer);
}

static bool add_message(InspectClient *client, const char *text, size_t len) {
    Inspector *ins = client->ins;
    pthread_mutex_lock(&ins->lock);
    if (!client->dropped) {
        if (has_room_locked(client)) {
            push_message_locked(client, message_new(text, len));
        } else {
            refuse_locked(client);
        }
    }
    bool alive = !client->dropped;
    pthread_mutex_unlock(&ins->lock);
    return alive;
}

bool inspect_client_message(InspectClient *client, const char *text, size_t len) {
    return len > INSPECT_MAX_MESSAGE ? add_message(client, NULL, 0)
                                     : add_message(client, text, len);
}

void inspect_client_too_long(InspectClient *client) {
    add_message(client, NULL, 0);
}

bool inspect_client_has_room(const InspectClient *client) {
    pthread_mutex_lock(&client->ins->lock);
    bool room = has_room_locked(client);
    pthread_mutex_unlock(&client->ins->lock);
    return room;
}

bool client_is_runnable_locked(const InspectClient *client) {
    return (client->in_first || client->in_batch) && !client->gone && !client->dropped &&
           client->out_bytes <= INSPECT_MAX_BACKLOG && !budget_in_debt(&client->budget);
}

void client_charge_locked(InspectClient *client, const InspectSpent *before) {
    const Inspector *ins = client->ins;
    if (machine_run_state(ins->m) ==
        RUN_RUNNING) { /* a guest that stands loses nothing */
        for (unsigned k = 0; k < BUDGET_KINDS; k++) {
            budget_charge(&client->budget, k, ins->spent.ns[k] - before->ns[k]);
        }
    }
}

InspectMessage *client_next_message_locked(InspectClient *client) {
    InspectMessage *msg = client->in_first;
    bool was_full = !has_room_locked(client);
    client->in_first = msg->next;
    if (!client->in_first) {
        client->in_last = &client->in_first;
    }
    client->in_count--;
    client->in_bytes -= msg->len;
    if (was_full) {
        tell_carrier_locked(client);
    }
    return msg;
}

/* --- out ------------------------------------------------------------------------------------- */

static void push_item_locked(InspectClient *client, OutItem *item) {
    item->next = NULL;
    *client->out_last = item;
    client->out_last = &item->next;
    client->out_bytes += item->out->len;
    client->out_events += item->sub != NULL;
    if (!client->stalled_since_ns) {
        client->stalled_since_ns = inspect_now_ns();
    }
    tell_carrier_locked(client);
}

void client_push_locked(InspectClient *client, InspectOut *out) {
    OutItem *item = calloc(1, sizeof(*item));
    assert(item);
    item->out = out;
    push_item_locked(client, item);
}

static bool may_go(const OutItem *item, int64_t now_ns) {
    return !item->sub || (item->sub->credit != 0 && item->not_before_ns <= now_ns);
}

InspectOut *inspect_client_take(InspectClient *client) {
    Inspector *ins = client->ins;
    InspectOut *out = NULL;
    pthread_mutex_lock(&ins->lock);
    int64_t now_ns = inspect_now_ns();
    OutItem **at = &client->out_first;
    while (*at && !may_go(*at, now_ns)) {
        at = &(*at)->next;
    }
    if (*at) {
        InspectSub *sub = (*at)->sub;
        if (sub) {
            sub->sent++;
            sub->credit -= sub->credit > 0;
        }
        out = unlink_item_locked(client, at);
        pthread_cond_signal(&ins->wake); /* there may be room for an answer again */
    }
    client->stalled_since_ns = client->out_first && out ? now_ns : 0;
    pthread_mutex_unlock(&ins->lock);
    return out;
}

bool inspect_client_is_idle(const InspectClient *client) {
    pthread_mutex_lock(&client->ins->lock);
    bool idle =
        !client->in_first && !client->in_batch && !client->out_first && !client->users;
    pthread_mutex_unlock(&client->ins->lock);
    return idle;
}

bool inspect_client_is_dropped(const InspectClient *client) {
    pthread_mutex_lock(&client->ins->lock);
    bool dropped = client->dropped;
    pthread_mutex_unlock(&client->ins->lock);
    return dropped;
}

int64_t client_housekeeping_locked(InspectClient *client, int64_t now_ns) {
    const int64_t patience_ns = INSPECT_STALL_SECONDS * NS_PER_S;
    int64_t next_ns = INT64_MAX;
    bool due = false;
    for (OutItem *item = client->out_first; item; item = item->next) {
        if (item->not_before_ns > now_ns) {
            next_ns = item->not_before_ns < next_ns ? item->not_before_ns : next_ns;
        } else if (item->not_before_ns) {
            item->not_before_ns = 0;
            due = true;
        }
    }
    if (due) {
        tell_carrier_locked(client);
    }
    if (client->stalled_since_ns && !client->dropped && !client->gone) {
        int64_t end_ns = client->stalled_since_ns + patience_ns;
        if (end_ns <= now_ns) {
            client->dropped = true;
            tell_carrier_locked(client);
        } else {
            next_ns = end_ns < next_ns ? end_ns : next_ns;
        }
    }
    return next_ns;
}

/* --- events ---------------------------------------------------------------------------------- */

InspectSub *client_find_sub_locked(InspectClient *client, uint32_t id) {
    InspectSub *sub = client->subs;
    while (sub && sub->id != id) {
        sub = sub->next;
    }
    return sub;
}

void client_remove_sub_locked(InspectClient *client, InspectSub *sub) {
    InspectSub **p = &client->subs;
    while (*p != sub) {
        p = &(*p)->next;
    }
    *p = sub->next;
    client->sub_count--;
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        if (sub->events[i / 64] >> (i % 64) & 1) {
            __atomic_sub_fetch(&client->ins->wanted[i], 1, __ATOMIC_RELAXED);
        }
    }
    for (OutItem **at = &client->out_first; *at;) {
        if ((*at)->sub == sub) {
            free(unlink_item_locked(client, at));
        } else {
            at = &(*at)->next;
        }
    }
    json_decref(sub->params);
    free(sub->last_result);
    free(sub);
}

/* What was dropped since subscribers were last told. */
static uint64_t untold(InspectSub *sub) {
    uint64_t n = sub->dropped - sub->dropped_told;
    sub->dropped_told = sub->dropped;
    return n;
}

/* What its calls held the guest since subscribers were last told. */
static int64_t untold_held(InspectSub *sub) {
    int64_t ns = sub->held_ns;
    sub->held_ns = 0;
    return ns;
}

static InspectOut *event_text(InspectSub *sub, int event, const char *data,
                              uint64_t dropped, int64_t held_ns) {
    const InspectEvent *row = protocol_event((unsigned)event);
    char *text = NULL, held[48] = "";
    if (held_ns > 0) {
        snprintf(held, sizeof(held), ",\"held_ns\":%" PRId64, held_ns);
    }
    int len =
        asprintf(&text,
                 "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"event\":"
                 "\"%s.%s\",\"subscription\":%" PRIu32 ",\"seq\":%" PRIu32
                 ",\"dropped\":%" PRIu64 "%s,\"data\":%s}}",
                 row->domain, row->name, sub->id, sub->sequence++, dropped, held, data);
    assert(len >= 0);
    InspectOut *out = inspect_out_new(text, (size_t)len, false);
    free(text);
    return out;
}

static bool has_event_room_locked(const InspectClient *client) {
    return client->out_bytes < INSPECT_MAX_BACKLOG &&
           client->out_events < INSPECT_MAX_EVENTS;
}

/* The client did not take a nothing-is-lost event: it learns that this is the end of them. */
static void overrun_locked(InspectClient *client, InspectSub *sub, int event) {
    const InspectEvent *row = protocol_event((unsigned)event);
    char data[160];
    snprintf(data, sizeof(data),
             "{\"subscription\":%" PRIu32 ",\"event\":\"%s.%s\",\"lost\":1,"
             "\"limit\":%d}",
             sub->id, row->domain, row->name, INSPECT_MAX_EVENTS);
    InspectOut *out =
        event_text(sub, EVENT_events_overrun, data, untold(sub), untold_held(sub));
    client_remove_sub_locked(client, sub);
    client_push_locked(client, out);
}

static OutItem *find_waiting_locked(InspectClient *client, const InspectSub *sub,
                                    int event) {
    OutItem *item = client->out_first;
    while (item && !(item->sub == sub && item->event == event)) {
        item = item->next;
    }
    return item;
}

bool client_event_waits_locked(const InspectClient *client, const InspectSub *sub) {
    const OutItem *item = client->out_first;
    while (item && item->sub != sub) {
        item = item->next;
    }
    return item != NULL;
}

void client_event_locked(InspectClient *client, InspectSub *sub, int event,
                         const char *text) {
    EventKind kind = protocol_event((unsigned)event)->kind;
    int64_t now_ns = inspect_now_ns();
    int64_t due_ns = sub->last_ns[event] + sub->interval_ns;
    bool early = sub->interval_ns && sub->last_ns[event] && due_ns > now_ns;
    OutItem *waiting =
        kind == EVENT_LATEST ? find_waiting_locked(client, sub, event) : NULL;
    if (waiting) {
        sub->dropped++;
        waiting->dropped += untold(sub);
        waiting->held_ns += untold_held(sub);
        client->out_bytes -= waiting->out->len;
        free(waiting->out);
        waiting->out = event_text(sub, event, text, waiting->dropped, waiting->held_ns);
        client->out_bytes += waiting->out->len;
        return;
    }
    if (kind == EVENT_ALL && !has_event_room_locked(client)) {
        overrun_locked(client, sub, event);
        return;
    }
    if ((kind == EVENT_SAMPLED && early) || !has_event_room_locked(client)) {
        sub->dropped++;
        return;
    }
    OutItem *item = calloc(1, sizeof(*item));
    assert(item);
    item->sub = sub;
    item->event = event;
    item->not_before_ns = kind == EVENT_LATEST && early ? due_ns : 0;
    item->dropped = untold(sub);
    item->held_ns = untold_held(sub);
    item->out = event_text(sub, event, text, item->dropped, item->held_ns);
    sub->last_ns[event] = item->not_before_ns ? due_ns : now_ns;
    push_item_locked(client, item);
    if (item->not_before_ns) {
        pthread_cond_signal(&client->ins->wake);
    }
}
