/* SPDX-License-Identifier: MIT */
/* ApiCall: a question of a script to the inspector, and how its answer looks in HTTP. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inspect/inspect_call.h"
#include "web/api_int.h"

#define NS_PER_MS INT64_C(1000000)

int64_t api_now_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / NS_PER_MS;
}

/* --- asking ------------------------------------------------------------------------- */

/* With the inspector's lock held. */
static void client_ready(void *opaque) {
    ApiPeer *peer = opaque;
    pthread_mutex_lock(&peer->server->lock);
    peer->woken++;
    pthread_cond_broadcast(&peer->server->wake);
    pthread_mutex_unlock(&peer->server->lock);
}

static InspectClient *get_client(ApiPeer *peer, AuthRole role) {
    if (peer->client != NULL && peer->client_role != role) {
        inspect_client_free(peer->client);
        peer->client = NULL;
    }
    if (peer->client == NULL) {
        peer->client = inspect_client_new(
            peer->server->ins, role == AUTH_OPERATOR ? INSPECT_OPERATOR : INSPECT_VIEWER,
            &(InspectSink){client_ready, peer});
        peer->client_role = role;
    }
    return peer->client;
}

static uint32_t woken(ApiPeer *peer) {
    pthread_mutex_lock(&peer->server->lock);
    uint32_t n = peer->woken;
    pthread_mutex_unlock(&peer->server->lock);
    return n;
}

/* Until more was told than `before`. False: the server ends, or patience does. */
static bool wait_for_more(ApiPeer *peer, uint32_t before, int64_t end_ms) {
    ApiServer *api = peer->server;
    const struct timespec end = {end_ms / 1000, end_ms % 1000 * NS_PER_MS};
    int err = 0;
    pthread_mutex_lock(&api->lock);
    while (peer->woken == before && !api->quit && err == 0) {
        err = pthread_cond_timedwait(&api->wake, &api->lock, &end);
    }
    bool more = peer->woken != before && !api->quit;
    pthread_mutex_unlock(&api->lock);
    return more;
}

/* A frame as an object: it comes before its answer. */
static void add_frame(json_t *frames, const InspectOut *out) {
    FrameHeader header;
    memcpy(&header, out->data, sizeof(header));
    json_array_append_new(
        frames,
        json_pack("{s:i, s:I, s:I, s:I, s:o, s:I, s:o}", "kind", (int)header.kind,
                  "stream", (json_int_t)header.stream, "sequence",
                  (json_int_t)header.sequence, "epoch", (json_int_t)header.epoch,
                  "icount", inspect_hex(header.icount), "flags", (json_int_t)header.flags,
                  "data", inspect_base64(out->data + sizeof(header), header.length)));
}

static json_t *take_answer(ApiPeer *peer, InspectClient *client) {
    const int64_t end_ms = api_now_ms() + API_PATIENCE_SECONDS * 1000;
    json_t *frames = json_array(), *answer = NULL;
    while (answer == NULL) {
        uint32_t before = woken(peer);
        InspectOut *out = inspect_client_take(client);
        if (out == NULL && !wait_for_more(peer, before, end_ms)) {
            break;
        }
        if (out != NULL && out->frame) {
            add_frame(frames, out);
        } else if (out != NULL) {
            answer = json_loadb(out->data, out->len, 0, NULL);
        }
        free(out);
    }
    if (answer != NULL && json_array_size(frames) > 0) {
        json_object_set(answer, "frames", frames);
    }
    json_decref(frames);
    return answer;
}

json_t *api_call(ApiRequest *req, AuthRole role, const char *method, json_t *params) {
    ApiPeer *peer = req->peer;
    InspectClient *client = get_client(peer, role);
    json_t *request = json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id",
                                (json_int_t)++peer->next_id, "method", method, "params",
                                params ? params : json_object());
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_t *answer = NULL;
    if (client != NULL && text != NULL &&
        inspect_client_message(client, text, strlen(text))) {
        answer = take_answer(peer, client);
    }
    if (answer == NULL && client != NULL) {
        inspect_client_free(client); /* what comes late is not for the next question */
        peer->client = NULL;
    }
    json_object_del(answer, "jsonrpc");
    json_object_del(answer, "id");
    free(text);
    json_decref(request);
    return answer;
}

json_t *api_query(ApiRequest *req, const char *method, json_t *params) {
    json_t *answer = api_call(req, req->role, method, params);
    json_t *result = json_incref(json_object_get(answer, "result"));
    json_decref(answer);
    return result;
}

/* --- answering ---------------------------------------------------------------------- */

static void log_refusal(const ApiRequest *req, const char *why) {
    const ApiPeer *peer = req->peer;
    auth_log_refusal(peer->server->auth, inspector_machine(peer->server->ins)->log,
                     api_now_ms(), "-api", peer->address[0] ? peer->address : NULL, why);
}

ApiResult api_send(ApiRequest *req, unsigned status, const char *type,
                   struct MHD_Response *response) {
    if (response == NULL) {
        return MHD_NO;
    }
    MHD_add_response_header(response, "content-type", type);
    MHD_add_response_header(response, "cache-control", "no-store");
    MHD_add_response_header(response, "x-content-type-options", "nosniff");
    MHD_add_response_header(response, "content-security-policy",
                            "default-src 'none'; frame-ancestors 'none'");
    if (status == MHD_HTTP_UNAUTHORIZED) {
        MHD_add_response_header(response, "www-authenticate", "Bearer");
    } else if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, "allow", "GET, HEAD, POST, PUT, DELETE");
    }
    ApiResult ok = MHD_queue_response(req->connection, status, response);
    MHD_destroy_response(response);
    return ok;
}

ApiResult api_send_json(ApiRequest *req, unsigned status, json_t *json) {
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (text == NULL) {
        return MHD_NO;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
    }
    return api_send(req, status, "application/json", response);
}

ApiResult api_send_error(ApiRequest *req, unsigned status, const char *cls,
                         const char *what, const char *advice) {
    log_refusal(req, what);
    return api_send_json(req, status,
                         json_pack("{s:{s:s, s:s, s:s}}", "error", "class", cls, "what",
                                   what, "try", advice));
}

static unsigned status_of_class(const char *cls) {
    static const struct {
        const char *cls;
        unsigned status;
    } rows[] = {
        {"bad-params", MHD_HTTP_BAD_REQUEST},
        {"not-found", MHD_HTTP_NOT_FOUND},
        {"bad-state", MHD_HTTP_CONFLICT},
        {"forbidden", MHD_HTTP_FORBIDDEN},
        {"limit", MHD_HTTP_TOO_MANY_REQUESTS},
        {"unsupported", MHD_HTTP_NOT_IMPLEMENTED},
        {"guest", MHD_HTTP_UNPROCESSABLE_CONTENT},
        {"host", MHD_HTTP_INTERNAL_SERVER_ERROR},
    };
    for (size_t i = 0; cls != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(cls, rows[i].cls) == 0) {
            return rows[i].status;
        }
    }
    return MHD_HTTP_BAD_REQUEST;
}

ApiResult api_send_answer(ApiRequest *req, json_t *answer) {
    if (answer == NULL) {
        return api_send_error(req, MHD_HTTP_SERVICE_UNAVAILABLE, "limit",
                              "the inspector has no room or no time for this",
                              "ask less, or later");
    }
    const json_t *error = json_object_get(answer, "error");
    if (error == NULL) {
        return api_send_json(req, MHD_HTTP_OK, answer);
    }
    json_t *data = json_incref(json_object_get(error, "data"));
    json_decref(answer);
    unsigned status = status_of_class(json_string_value(json_object_get(data, "class")));
    return api_send_json(req, status, json_pack("{s:o}", "error", data));
}
