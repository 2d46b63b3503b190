/* SPDX-License-Identifier: MIT */
/* A machine whose harts never run, its inspector, and a client that keeps what it is sent. */
#ifndef VITRINE_TESTS_INSPECT_RIG_H
#define VITRINE_TESTS_INSPECT_RIG_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "hw/machine/machine.h"
#include "inspect/inspect_int.h"

typedef struct InspectRig {
    Log log;
    Machine *m;
    Inspector *ins;
    InspectClient *client;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    unsigned woken; /* lock */
} InspectRig;

static inline void rig_ready(void *opaque) {
    InspectRig *rig = opaque;
    pthread_mutex_lock(&rig->lock);
    rig->woken++;
    pthread_cond_signal(&rig->wake);
    pthread_mutex_unlock(&rig->lock);
}

static inline InspectClient *rig_client(InspectRig *rig, InspectRole role) {
    const InspectSink sink = {rig_ready, rig};
    return inspect_client_new(rig->ins, role, &sink);
}

static inline int rig_setup(void **state) {
    static const CharEscapes no_escapes = {NULL, NULL, NULL};
    InspectRig *rig = calloc(1, sizeof(*rig));
    MachineConfig config = {.machine = "virt",
                            .xlen = 64,
                            .ram_size = 16 << 20,
                            .cpus = 2,
                            .accel = "tcg-interp",
                            .bios = "none",
                            .nodefaults = true,
                            .display_none = true,
                            .serials = {{"null"}, 1}};
    pthread_mutex_init(&rig->lock, NULL);
    pthread_cond_init(&rig->wake, NULL);
    log_init(&rig->log);
    Error *err = NULL;
    rig->m = machine_new(&config, &rig->log, &no_escapes, &err);
    if (!rig->m) {
        fail_msg("%s", error_message(err));
    }
    rig->ins = inspector_new(rig->m, NULL);
    rig->client = rig_client(rig, INSPECT_OPERATOR);
    *state = rig;
    return 0;
}

static inline int rig_teardown(void **state) {
    InspectRig *rig = *state;
    inspect_client_free(rig->client);
    inspector_free(rig->ins);
    machine_free(rig->m);
    log_destroy(&rig->log);
    free(rig);
    return 0;
}

/* The next thing that is sent; NULL: nothing came in 10 s. */
static inline InspectOut *rig_take(InspectRig *rig, InspectClient *client) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    for (;;) {
        pthread_mutex_lock(&rig->lock);
        unsigned before = rig->woken;
        pthread_mutex_unlock(&rig->lock);
        InspectOut *out = inspect_client_take(client);
        if (out) {
            return out;
        }
        int err = 0;
        pthread_mutex_lock(&rig->lock);
        while (rig->woken == before && err == 0) {
            err = pthread_cond_timedwait(&rig->wake, &rig->lock, &until);
        }
        pthread_mutex_unlock(&rig->lock);
        if (err) {
            return NULL;
        }
    }
}

static inline json_t *rig_receive(InspectRig *rig, InspectClient *client) {
    InspectOut *out = rig_take(rig, client);
    assert_non_null(out);
    json_t *message = json_loads(out->data, 0, NULL);
    assert_non_null(message);
    free(out);
    return message;
}

static inline void rig_send(InspectClient *client, const char *text) {
    assert_true(inspect_client_message(client, text, strlen(text)));
}

/* The answer to a message, as text; the caller frees it. */
static inline char *rig_ask(InspectRig *rig, const char *text) {
    rig_send(rig->client, text);
    InspectOut *out = rig_take(rig, rig->client);
    assert_non_null(out);
    char *answer = strdup(out->data);
    free(out);
    return answer;
}

static inline int64_t number_at(const json_t *message, const char *a, const char *b) {
    return json_integer_value(json_object_get(json_object_get(message, a), b));
}

#endif
