/* SPDX-License-Identifier: MIT */
/* The monitors' input: QMP's stream and its checks, and lines of the human monitor. Input: a byte of
 * options, then the bytes or the line. Commands that end the machine or write files are left out. */
#include "fuzz.h"
#include "monitor/hmp.h"
#include "monitor/qmp_call.h"
#include "monitor/qmp_stream.h"

typedef struct Target {
    Machine *m;
    Inspector *inspector;
    QmpEvents *events;
    Hmp hmp;
    bool negotiated;
} Target;

static bool is_left_out(const char *text) {
    static const char *const words[] = {"logfile", "savevm", "delvm", "loadvm",
                                        "inspect"};
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(text, words[i])) {
            return true;
        }
    }
    return false;
}

static void answer(void *opaque, json_t *request, const char *error) {
    Target *t = opaque;
    if (!request) {
        if (!error || !*error) {
            abort(); /* a failure without a message */
        }
        return;
    }
    const char *line = json_string_value(
        json_object_get(json_object_get(request, "arguments"), "command-line"));
    if (line && is_left_out(line)) {
        json_decref(request);
        return;
    }
    QmpCall call = {.m = t->m,
                    .inspector = t->inspector,
                    .hmp = &t->hmp,
                    .negotiated = &t->negotiated};
    json_t *reply = qmp_dispatch(&call, request);
    char *text = json_dumps(reply, 0);
    if (!text) {
        abort(); /* an answer that cannot be sent */
    }
    free(text);
    json_decref(reply);
}

static Target *target_new(void) {
    Target *t = calloc(1, sizeof(*t));
    t->m = fuzz_machine_new(false);
    t->inspector = inspector_new(t->m, NULL);
    t->events = qmp_events_new(t->m);
    hmp_init(&t->hmp, t->m, t->inspector, NULL);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static Target *t;
    if (!t) {
        t = target_new();
    }
    FuzzInput in = {data, data + size};
    uint8_t options = fuzz_u8(&in);
    t->negotiated = options & 2;
    t->hmp.cpu = 0;
    if (options & 1) {
        QmpStream qs;
        qmp_stream_init(&qs, answer, t);
        qmp_stream_push(&qs, in.p, fuzz_left(&in));
        qmp_stream_destroy(&qs);
        return 0;
    }
    char *line = strndup((const char *)in.p, fuzz_left(&in));
    if (!is_left_out(line)) {
        free(hmp_execute(&t->hmp, line));
    }
    free(line);
    return 0;
}
