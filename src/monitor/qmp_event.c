/* SPDX-License-Identifier: MIT */
/*
 * Events: from the machine's listeners to the queue of each session.
 *
 *   MachineListener (any thread, under the run lock) --> JSON --> queues --wake--> sessions
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "monitor/qmp_call.h"

enum { MAX_EVENTS = 1024 }; /* that wait for a client; beyond it the oldest is dropped */

struct QmpQueue {
    QmpEvents *events;
    void (*wake)(void *opaque);
    void *opaque;
    QmpQueue *next;
    /* events->lock */
    json_t *list; /* of those that wait */
};

struct QmpEvents {
    Machine *m;
    MachineListener listener;
    pthread_mutex_t lock; /* inside the run lock, outside a session's */
    /* lock */
    QmpQueue *first;
};

static json_t *cause_data(ShutdownCause cause) {
    static const struct {
        const char *reason;
        bool guest;
    } causes[] = {
        [SHUTDOWN_NONE] = {"none", false},
        [SHUTDOWN_GUEST] = {"guest-shutdown", true},
        [SHUTDOWN_GUEST_RESET] = {"guest-reset", true},
        [SHUTDOWN_HOST_RESET] = {"host-qmp-system-reset", false},
        [SHUTDOWN_GUEST_ERROR] = {"guest-panic", true},
        [SHUTDOWN_USER] = {"host-qmp-quit", false},
        [SHUTDOWN_SIGNAL] = {"host-signal", false},
        [SHUTDOWN_HOST_ERROR] = {"host-error", false},
    };
    return json_pack("{s:b, s:s}", "guest", causes[cause].guest, "reason",
                     causes[cause].reason);
}

/* Under the lock: QEMU's name of the event and its data, which may be NULL. */
static const char *event_name(const MachineEvent *ev, json_t **data) {
    *data = NULL;
    switch (ev->kind) {
    case MEV_STOP:
        return "STOP";
    case MEV_RESUME:
        return "RESUME";
    case MEV_RESET:
        *data = cause_data(ev->cause);
        return "RESET";
    case MEV_SHUTDOWN:
        *data = cause_data(ev->cause);
        return "SHUTDOWN";
    case MEV_POWERDOWN:
        return "POWERDOWN";
    }
    return NULL;
}

static json_t *make_event(const char *name, json_t *data) {
    struct timeval now;
    gettimeofday(&now, NULL);
    json_t *event =
        json_pack("{s:{s:I, s:I}, s:s}", "timestamp", "seconds", (json_int_t)now.tv_sec,
                  "microseconds", (json_int_t)now.tv_usec, "event", name);
    if (data) {
        json_object_set_new(event, "data", data);
    }
    return event;
}

static void machine_event(void *opaque, const MachineEvent *ev) {
    QmpEvents *events = opaque;
    json_t *data;
    pthread_mutex_lock(&events->lock);
    const char *name = event_name(ev, &data);
    json_t *event = name ? make_event(name, data) : NULL;
    for (QmpQueue *q = events->first; event && q; q = q->next) {
        if (json_array_size(q->list) == MAX_EVENTS) {
            json_array_remove(q->list, 0);
        }
        json_array_append_new(q->list, json_deep_copy(event)); /* no shared counts */
        q->wake(q->opaque);
    }
    json_decref(event);
    pthread_mutex_unlock(&events->lock);
}

QmpEvents *qmp_events_new(Machine *m) {
    QmpEvents *events = calloc(1, sizeof(*events));
    assert(events);
    events->m = m;
    pthread_mutex_init(&events->lock, NULL);
    events->listener = (MachineListener){.event = machine_event, .opaque = events};
    machine_add_listener(m, &events->listener);
    return events;
}

void qmp_events_free(QmpEvents *events) {
    if (events) {
        machine_remove_listener(events->m, &events->listener);
        assert(!events->first);
        pthread_mutex_destroy(&events->lock);
        free(events);
    }
}

Machine *qmp_events_machine(const QmpEvents *events) {
    return events->m;
}

/* --- queues -------------------------------------------------------------------------------------- */

QmpQueue *qmp_queue_new(QmpEvents *events, void (*wake)(void *opaque), void *opaque) {
    QmpQueue *q = calloc(1, sizeof(*q));
    assert(q);
    *q = (QmpQueue){
        .events = events, .wake = wake, .opaque = opaque, .list = json_array()};
    pthread_mutex_lock(&events->lock);
    q->next = events->first;
    events->first = q;
    pthread_mutex_unlock(&events->lock);
    return q;
}

void qmp_queue_free(QmpQueue *queue) {
    if (!queue) {
        return;
    }
    pthread_mutex_lock(&queue->events->lock);
    QmpQueue **at = &queue->events->first;
    while (*at != queue) {
        at = &(*at)->next;
    }
    *at = queue->next;
    pthread_mutex_unlock(&queue->events->lock);
    json_decref(queue->list);
    free(queue);
}

json_t *qmp_queue_take(QmpQueue *queue) {
    pthread_mutex_lock(&queue->events->lock);
    json_t *event = json_incref(json_array_get(queue->list, 0));
    json_array_remove(queue->list, 0);
    pthread_mutex_unlock(&queue->events->lock);
    return event;
}

void qmp_queue_clear(QmpQueue *queue) {
    pthread_mutex_lock(&queue->events->lock);
    json_array_clear(queue->list);
    pthread_mutex_unlock(&queue->events->lock);
}
