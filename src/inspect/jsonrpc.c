/* SPDX-License-Identifier: MIT */
/*
 * JSON-RPC: from a message's text to calls, and from their results to the answer's text.
 *
 *   text --size, depth, parse--> request | batch of requests --> inspect_dispatch() --> answer(s)
 *
 * A batch takes a turn for each of its requests, so that others are answered in between.
 *
 * Spec: JSON-RPC 2.0 (2013-01-04). A request without id is a notification: it is executed and never
 * answered, not even with an error.
 * Deviates: an answer has a member "held_ns" if the guest was held up for it.
 * Threads: the inspector's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect_int.h"

enum { RPC_PARSE_ERROR = -32700, RPC_INVALID_REQUEST = -32600, RPC_LIMIT = -32004 };

/* Owns: takes id and body. */
static json_t *answer(json_t *id, const char *key, json_t *body) {
    return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", key, body, "id",
                     id ? id : json_null());
}

static json_t *invalid(const json_t *id, const char *what, const char *advice) {
    return answer(json_deep_copy(id), "error",
                  inspect_error_object(RPC_INVALID_REQUEST, "Invalid Request",
                                       "invalid-request", what, advice));
}

static bool is_id(const json_t *id) {
    return json_is_string(id) || json_is_number(id) || json_is_null(id);
}

/* Calls, and returns the answer; NULL if there is no id. */
static json_t *call_method(InspectClient *client, const char *method,
                           const json_t *params, const json_t *id) {
    json_t *error = NULL;
    InspectSpent before = client->ins->spent;
    json_t *result =
        inspect_dispatch(client->ins, client, client->role, method, params, &error);
    if (!id) {
        json_decref(result);
        json_decref(error);
        return NULL;
    }
    json_t *whole =
        answer(json_deep_copy(id), result ? "result" : "error", result ? result : error);
    int64_t held_ns = inspect_held_ns(client->ins, &before);
    if (held_ns > 0) {
        json_object_set_new(whole, "held_ns", json_integer(held_ns));
    }
    return whole;
}

/* The answer to one request, or NULL if it is a notification. */
static json_t *handle_request(InspectClient *client, const json_t *request) {
    const json_t *id = json_object_get(request, "id");
    const json_t *params = json_object_get(request, "params");
    const char *version = json_string_value(json_object_get(request, "jsonrpc"));
    const char *method = json_string_value(json_object_get(request, "method"));
    client->ins->spent.ns[BUDGET_ASKED] += BUDGET_NS_PER_REQUEST;
    if (!json_is_object(request)) {
        return invalid(NULL, "a request is a JSON object",
                       "write {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"...\"}");
    }
    if (id && !is_id(id)) {
        return invalid(NULL, "id is neither a string nor a number", "use \"id\": 1");
    }
    if (!version || strcmp(version, "2.0") != 0) {
        return invalid(id, "jsonrpc is not \"2.0\"", "add \"jsonrpc\": \"2.0\"");
    }
    if (!method) {
        return invalid(id, "there is no method, or it is not a string",
                       "add \"method\": \"machine.methods\"");
    }
    if (params && !json_is_object(params) && !json_is_array(params)) {
        return invalid(id, "params is neither an object nor an array",
                       "give parameters by name, as an object");
    }
    return call_method(client, method, params, id);
}

void jsonrpc_batch_free(JsonBatch *batch) {
    json_decref(batch->requests);
    json_decref(batch->answers);
    *batch = (JsonBatch){0};
}

/* Executes the next request; the answers after the last. */
static json_t *go_on_with_batch(InspectClient *client) {
    JsonBatch *batch = &client->batch;
    json_t *one = handle_request(client, json_array_get(batch->requests, batch->next++));
    if (one) {
        json_array_append_new(batch->answers, one);
    }
    if (batch->next < json_array_size(batch->requests)) {
        return NULL;
    }
    json_t *answers =
        json_array_size(batch->answers) ? json_incref(batch->answers) : NULL;
    jsonrpc_batch_free(batch);
    return answers;
}

static json_t *begin_batch(InspectClient *client, json_t *requests) {
    size_t n = json_array_size(requests);
    if (n == 0) {
        return invalid(NULL, "an empty batch", "send one request at least");
    }
    if (n > INSPECT_MAX_BATCH) {
        char what[64];
        snprintf(what, sizeof(what), "a batch of %zu requests; the limit is %d", n,
                 INSPECT_MAX_BATCH);
        return answer(NULL, "error",
                      inspect_error_object(RPC_LIMIT, "Limit", "limit", what,
                                           "send them one by one"));
    }
    client->batch = (JsonBatch){json_incref(requests), json_array(), 0};
    return go_on_with_batch(client);
}

/* How deep brackets nest outside strings: the parser recurses as deep. */
static unsigned depth_of(const char *text, size_t len) {
    unsigned depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        }
    }
    return deepest;
}

static json_t *unreadable(const char *text) {
    return answer(NULL, "error",
                  inspect_error_object(RPC_PARSE_ERROR, "Parse error", "parse-error",
                                       text, "send one JSON text a line"));
}

static json_t *handle_text(InspectClient *client, const InspectMessage *msg) {
    json_error_t where;
    char what[JSON_ERROR_TEXT_LENGTH + 64];
    if (msg->too_long) {
        snprintf(what, sizeof(what), "a message of more than %d bytes, the limit",
                 INSPECT_MAX_MESSAGE);
        return answer(NULL, "error",
                      inspect_error_object(RPC_LIMIT, "Limit", "limit", what,
                                           "ask for less at a time"));
    }
    if (depth_of(msg->text, msg->len) > INSPECT_MAX_DEPTH) {
        snprintf(what, sizeof(what), "nested deeper than %d, the limit",
                 INSPECT_MAX_DEPTH);
        return answer(NULL, "error",
                      inspect_error_object(RPC_LIMIT, "Limit", "limit", what,
                                           "no request needs so deep a text"));
    }
    json_t *root = json_loadb(msg->text, msg->len, JSON_REJECT_DUPLICATES, &where);
    if (!root) {
        snprintf(what, sizeof(what), "%s (line %d, column %d)", where.text, where.line,
                 where.column);
        return unreadable(what);
    }
    json_t *result =
        json_is_array(root) ? begin_batch(client, root) : handle_request(client, root);
    json_decref(root);
    return result;
}

bool jsonrpc_is_light(const InspectMessage *msg) {
    json_t *root = msg->too_long || depth_of(msg->text, msg->len) > INSPECT_MAX_DEPTH
                       ? NULL
                       : json_loadb(msg->text, msg->len, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(root, "method"));
    const InspectMethod *method = name ? protocol_find_method(name) : NULL;
    bool light = method && protocol_method_is_light(method);
    json_decref(root);
    return light;
}

char *jsonrpc_handle(InspectClient *client, const InspectMessage *msg) {
    json_t *result = msg ? handle_text(client, msg) : go_on_with_batch(client);
    if (!result) {
        return NULL;
    }
    char *text = json_dumps(result, JSON_COMPACT);
    if (!text || strlen(text) > INSPECT_MAX_ANSWER) {
        char what[64];
        snprintf(what, sizeof(what), "the answer has more than %d bytes, the limit",
                 INSPECT_MAX_ANSWER);
        json_t *id =
            json_is_object(result) ? json_deep_copy(json_object_get(result, "id")) : NULL;
        json_decref(result);
        free(text);
        result = answer(id, "error",
                        inspect_error_object(RPC_LIMIT, "Limit", "limit", what,
                                             "ask for less at a time"));
        text = json_dumps(result, JSON_COMPACT);
    }
    json_decref(result);
    return text;
}
