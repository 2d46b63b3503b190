/* SPDX-License-Identifier: MIT */
/*
 * The domain "events": subscriptions, and calls that are repeated.
 *
 *   events.subscribe ["serial.output"] --> every serial.output goes to this client, too
 *   events.every 100 ms cpu.regs       --> called again and again; its result is events.result
 *
 * A repeated call makes a stream of any method that only looks, so a domain that has a method has a
 * stream. A call that sends frames is not made again while its last result waits: frames follow each
 * other, and a client that is slow gets fewer of them, not late ones.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect_int.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/* A new subscription of the caller's; NULL: the call has failed. */
static InspectSub *sub_new(InspectCall *call) {
    InspectClient *client = call->client;
    if (!client) {
        inspect_fail(call, INSPECT_UNSUPPORTED, "events go to clients of -rpc only",
                     "connect to -rpc");
        return NULL;
    }
    if (client->sub_count >= INSPECT_MAX_SUBSCRIPTIONS) {
        inspect_failf(call, INSPECT_LIMIT, "end one by events.unsubscribe",
                      "%d subscriptions, the limit of a client",
                      INSPECT_MAX_SUBSCRIPTIONS);
        return NULL;
    }
    InspectSub *sub = calloc(1, sizeof(*sub));
    assert(sub);
    sub->credit = -1;
    return sub;
}

static json_t *sub_add(InspectCall *call, InspectSub *sub) {
    InspectClient *client = call->client;
    Inspector *ins = call->inspector;
    pthread_mutex_lock(&ins->lock);
    sub->id = ++ins->next_sub;
    sub->next = client->subs;
    client->subs = sub;
    client->sub_count++;
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        if (sub->events[i / 64] >> (i % 64) & 1) {
            __atomic_add_fetch(&ins->wanted[i], 1, __ATOMIC_RELAXED);
        }
    }
    pthread_mutex_unlock(&ins->lock);
    return json_pack("{s:I}", "subscription", (json_int_t)sub->id);
}

static json_t *unknown_event(InspectCall *call, const char *name) {
    char nearest[PROTOCOL_NAME_MAX];
    if (protocol_nearest_event(name, nearest)) {
        char advice[128];
        snprintf(advice, sizeof(advice), "did you mean %s?", nearest);
        return inspect_failf(call, INSPECT_NOT_FOUND, advice, "there is no event '%s'",
                             name);
    }
    return inspect_failf(call, INSPECT_NOT_FOUND, "machine.methods lists them",
                         "there is no event '%s'", name);
}

json_t *inspect_events_subscribe(InspectCall *call) {
    const json_t *names = inspect_json(call, "events");
    InspectSub *sub = sub_new(call);
    if (!sub) {
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        int event = protocol_find_event(name);
        if (event < 0) {
            free(sub);
            return unknown_event(call, name);
        }
        sub->events[event / 64] |= UINT64_C(1) << (event % 64);
    }
    if (inspect_has(call, "rate")) {
        sub->interval_ns = NS_PER_S / inspect_int(call, "rate");
    }
    if (inspect_has(call, "credit")) {
        sub->credit = inspect_int(call, "credit");
    }
    return sub_add(call, sub);
}

/* The caller's subscription, under the lock; NULL: the call has failed, the lock is free. */
static InspectSub *lock_sub(InspectCall *call) {
    InspectClient *client = call->client;
    int64_t id = inspect_int(call, "subscription");
    InspectSub *sub = NULL;
    pthread_mutex_lock(&call->inspector->lock);
    if (client) {
        sub = client_find_sub_locked(client, (uint32_t)id);
    }
    if (!sub) {
        pthread_mutex_unlock(&call->inspector->lock);
        inspect_failf(call, INSPECT_NOT_FOUND, "events.subscribe returned its number",
                      "there is no subscription %" PRId64, id);
    }
    return sub;
}

json_t *inspect_events_credit(InspectCall *call) {
    InspectSub *sub = lock_sub(call);
    if (!sub) {
        return NULL;
    }
    const int64_t most = 1000000;
    if (sub->credit >= 0) {
        sub->credit += inspect_int(call, "more");
        sub->credit = sub->credit > most ? most : sub->credit;
    }
    int64_t credit = sub->credit;
    pthread_mutex_unlock(&call->inspector->lock); /* the answer wakes the carrier */
    return json_pack("{s:I}", "credit", (json_int_t)credit);
}

json_t *inspect_events_unsubscribe(InspectCall *call) {
    InspectSub *sub = lock_sub(call);
    if (!sub) {
        return NULL;
    }
    uint64_t sent = sub->sent, dropped = sub->dropped;
    client_remove_sub_locked(call->client, sub);
    pthread_mutex_unlock(&call->inspector->lock);
    return json_pack("{s:I, s:I}", "sent", (json_int_t)sent, "dropped",
                     (json_int_t)dropped);
}

/* --- repeated calls -------------------------------------------------------------------------- */

/* The parameters of the call to be repeated, checked; NULL: the call has failed. */
static json_t *check_repeated(InspectCall *call, const InspectMethod *method) {
    Signature sig;
    SigComplaint complaint;
    if (method->role != INSPECT_VIEWER || strcmp(method->domain, "events") == 0) {
        inspect_failf(call, INSPECT_FORBIDDEN, "repeat one that only looks",
                      "%s.%s cannot be repeated", method->domain, method->verb);
        return NULL;
    }
    json_t *params = signature_parse(&sig, method->params)
                         ? signature_check(&sig, inspect_json(call, "params"), &complaint)
                         : NULL;
    if (!params) {
        inspect_fail(call, INSPECT_BAD_PARAMS, complaint.what, complaint.advice);
    }
    return params;
}

json_t *inspect_events_every(InspectCall *call) {
    const char *name = inspect_string(call, "method");
    const InspectMethod *method = protocol_find_method(name);
    if (!method) {
        return inspect_failf(call, INSPECT_NOT_FOUND, "machine.methods lists them",
                             "there is no method '%s'", name);
    }
    json_t *params = check_repeated(call, method);
    InspectSub *sub = params ? sub_new(call) : NULL;
    if (!sub) {
        json_decref(params);
        return NULL;
    }
    sub->method = method;
    sub->params = params;
    sub->only_changed = inspect_bool(call, "changed");
    sub->interval_ns = inspect_int(call, "ms") * NS_PER_MS;
    sub->due_ns = inspect_now_ns();
    return sub_add(call, sub);
}

void events_run_periodic(InspectClient *client, uint32_t sub_id) {
    Inspector *ins = client->ins;
    pthread_mutex_lock(&ins->lock);
    InspectSub *sub = client_find_sub_locked(client, sub_id);
    bool room = sub && client->out_bytes < INSPECT_MAX_BACKLOG &&
                !(sub->sends_frames && client_event_waits_locked(client, sub));
    json_t *params = room ? json_incref(sub->params) : NULL;
    char name[PROTOCOL_NAME_MAX] = "";
    if (room) {
        snprintf(name, sizeof(name), "%s.%s", sub->method->domain, sub->method->verb);
    } else if (sub) {
        sub->dropped++;
    }
    pthread_mutex_unlock(&ins->lock);
    if (!room) {
        return;
    }
    json_t *error = NULL;
    uint32_t frames = client->frame_sequence;
    InspectSpent before = ins->spent;
    json_t *result = inspect_dispatch(ins, client, client->role, name, params, &error);
    json_t *data = json_pack("{s:s, s:o}", "method", name, result ? "result" : "error",
                             result ? result : error);
    char *text = json_dumps(data, JSON_COMPACT);
    json_decref(data);
    json_decref(params);
    pthread_mutex_lock(&ins->lock);
    sub = client_find_sub_locked(client, sub_id); /* it may have ended itself */
    if (sub) {
        sub->sends_frames = client->frame_sequence != frames;
        sub->held_ns += inspect_held_ns(ins, &before);
    }
    if (sub && text &&
        !(sub->only_changed && sub->last_result && !strcmp(text, sub->last_result))) {
        client_event_locked(client, sub, EVENT_events_result, text);
        free(sub->last_result);
        sub->last_result = text;
        text = NULL;
    }
    pthread_mutex_unlock(&ins->lock);
    free(text);
}
