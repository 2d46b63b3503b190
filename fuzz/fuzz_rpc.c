/* SPDX-License-Identifier: MIT */
/*
 * Messages for the inspector, as a client may send them: text that is parsed, dispatched and answered.
 * Input: lines; of each the first byte chooses whether the rest is a whole message, or the method's number and
 * the text of its parameters.
 */
#include "fuzz.h"

#include <semaphore.h>

#include "inspect/inspect_int.h"

enum { MAX_LINES = 16, TEXT_SIZE = 8192 };

static void no_ready(void *opaque) {
    (void)opaque;
}

/* Executes one message as the inspector's thread does. */
static void execute(InspectClient *client, const char *text, size_t len) {
    InspectMessage *msg = malloc(sizeof(*msg) + len + 1);
    msg->len = len;
    msg->too_long = false;
    memcpy(msg->text, text, len);
    msg->text[len] = '\0';
    char *answer = jsonrpc_handle(client, msg);
    while (client->batch.requests) {
        answer = jsonrpc_handle(client, NULL); /* it was NULL: not answered yet */
    }
    json_t *parsed = answer ? json_loads(answer, 0, NULL) : NULL;
    if (answer && !parsed) {
        abort(); /* whatever is asked, the answer is JSON */
    }
    json_decref(parsed);
    free(answer);
    free(msg);
}

/* What would run the guest, or end it, is not what this is about. */
static bool may_run(const InspectMethod *row) {
    return strcmp(row->domain, "snapshot") != 0 && strcmp(row->verb, "cont") != 0 &&
           strcmp(row->verb, "step") != 0 && strcmp(row->verb, "quit") != 0 &&
           strcmp(row->verb, "reset") != 0;
}

static void one_line(InspectClient *client, const uint8_t *p, size_t len) {
    char text[TEXT_SIZE];
    unsigned count = 0;
    if (len < 2) {
        return;
    }
    if (p[0] & 1) {
        if (memmem(p, len, "machine.", 8) || memmem(p, len, "snapshot", 8) ||
            memmem(p, len, "step", 4) || memmem(p, len, "\\u", 2)) {
            return;
        }
        execute(client, (const char *)p + 1, len - 1);
        return;
    }
    while (protocol_method(count)) {
        count++;
    }
    const InspectMethod *row = protocol_method(p[1] % count);
    if (may_run(row)) {
        int n = snprintf(
            text, sizeof(text),
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s.%s\",\"params\":{%.*s}}",
            row->domain, row->verb, (int)(len - 2), (const char *)p + 2);
        execute(client, text, (size_t)n);
    }
}

/* One input, on the inspector's thread: handlers and the end of earlier clients take turns there. */
typedef struct Input {
    Inspector *ins;
    const uint8_t *data;
    size_t size;
    sem_t done;
} Input;

static void run_input(void *opaque) {
    Input *in = opaque;
    const InspectSink sink = {no_ready, NULL};
    const uint8_t *data = in->data;
    size_t size = in->size;
    InspectClient *client = inspect_client_new(in->ins, INSPECT_OPERATOR, &sink);
    for (unsigned i = 0; client && i < MAX_LINES && size; i++) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t len = end ? (size_t)(end - data) : size;
        one_line(client, data, len);
        data += end ? len + 1 : len;
        size -= end ? len + 1 : len;
    }
    if (!client) {
        abort(); /* the thread frees each before it takes the next input */
    }
    inspect_client_free(client);
    sem_post(&in->done);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static Inspector *ins;
    if (!ins) {
        ins = inspector_new(fuzz_machine_new(false), NULL);
    }
    Input in = {.ins = ins, .data = data, .size = size};
    sem_init(&in.done, 0, 0);
    inspector_run(ins, run_input, &in);
    while (sem_wait(&in.done)) {
    }
    sem_destroy(&in.done);
    return 0;
}
