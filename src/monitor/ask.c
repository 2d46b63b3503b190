/* SPDX-License-Identifier: MIT */
/* Ask: see ask.h. */
#include "monitor/ask.h"

#include <pthread.h>

typedef struct Question {
    Inspector *ins;
    const char *method;
    const json_t *params;
    json_t *result, *error;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done; /* lock */
} Question;

static void answer(void *opaque) {
    Question *q = opaque;
    q->result = inspect_call(q->ins, INSPECT_OPERATOR, q->method, q->params, &q->error);
    pthread_mutex_lock(&q->lock);
    q->done = true;
    pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&q->lock);
}

json_t *monitor_ask(Inspector *ins, const char *method, const json_t *params,
                    json_t **error) {
    Question q = {.ins = ins, .method = method, .params = params};
    pthread_mutex_init(&q.lock, NULL);
    pthread_cond_init(&q.answered, NULL);
    inspector_run(ins, answer, &q);
    pthread_mutex_lock(&q.lock);
    while (!q.done) {
        pthread_cond_wait(&q.answered, &q.lock);
    }
    pthread_mutex_unlock(&q.lock);
    pthread_cond_destroy(&q.answered);
    pthread_mutex_destroy(&q.lock);
    *error = q.error;
    return q.result;
}
