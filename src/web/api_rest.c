/* SPDX-License-Identifier: MIT */
/*
 * REST: each row of protocol.def as a URL.
 *
 *   GET  api/v1/mem/read?addr=0x80000000&len=16   rows for viewers; the row says what each text means
 *   POST api/v1/cpu/set   {"name":"a0","value":"0x1"}   any row
 *
 * Not modelled: the domain "events": an answer is not a stream; use -web or -rpc.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/protocol.h"
#include "web/api_int.h"

static bool is_served(const InspectMethod *row) {
    return strcmp(row->domain, "events") != 0;
}

ApiResult api_index(ApiRequest *req) {
    const InspectMethod *row;
    json_t *methods = json_array();
    for (unsigned i = 0; (row = protocol_method(i)) != NULL; i++) {
        if (is_served(row)) {
            json_array_append_new(
                methods,
                json_pack("{s:o, s:s, s:s, s:s, s:s, s:s}", "path",
                          json_sprintf("/api/v1/%s/%s", row->domain, row->verb), "http",
                          row->role == INSPECT_VIEWER ? "GET, POST" : "POST", "role",
                          protocol_role_name(row->role), "params", row->params, "returns",
                          row->returns, "text", row->text));
        }
    }
    return api_send_json(req, MHD_HTTP_OK,
                         json_pack("{s:s, s:[s,s], s:o}", "version", PROTOCOL_VERSION,
                                   "files", "/api/v1/snapshots", "/api/v1/images",
                                   "methods", methods));
}

/* "cpu/regs" as "cpu.regs". */
static const InspectMethod *find_row(const char *path) {
    char name[PROTOCOL_NAME_MAX];
    const char *slash = strchr(path, '/');
    if (slash == NULL || strlen(path) >= sizeof(name)) {
        return NULL;
    }
    strcpy(name, path);
    name[slash - path] = '.';
    const InspectMethod *row = protocol_find_method(name);
    return row != NULL && is_served(row) ? row : NULL;
}

typedef struct Query {
    Signature sig;
    json_t *params;
} Query;

/* One NAME=VALUE of the URL; a name the row does not know is left for the inspector to complain
 * about. */
static ApiResult add_param(void *opaque, enum MHD_ValueKind kind, const char *name,
                           const char *text) {
    Query *query = opaque;
    static const SigType unknown = {.kind = SIG_STRING};
    const SigType *type = &unknown;
    (void)kind;
    for (unsigned i = 0; i < query->sig.count; i++) {
        if (strcmp(query->sig.param[i].name, name) == 0) {
            type = &query->sig.param[i].type;
        }
    }
    json_t *value = signature_value_of_text(type, text ? text : "");
    json_object_set_new(query->params, name, value ? value : json_null());
    return MHD_YES;
}

static json_t *params_of_url(ApiRequest *req, const InspectMethod *row) {
    Query query = {.params = json_object()};
    if (signature_parse(&query.sig, row->params)) {
        MHD_get_connection_values(req->connection, MHD_GET_ARGUMENT_KIND, add_param,
                                  &query);
    }
    return query.params;
}

/* NULL: it is none. */
static json_t *params_of_body(const ApiRequest *req) {
    if (req->body_len == 0) {
        return json_object();
    }
    json_t *params = json_loadb(req->body, req->body_len, JSON_REJECT_DUPLICATES, NULL);
    if (params != NULL && !json_is_object(params)) {
        json_decref(params);
        params = NULL;
    }
    return params;
}

ApiResult api_rest(ApiRequest *req, const char *path) {
    char name[PROTOCOL_NAME_MAX];
    const InspectMethod *row = find_row(path);
    if (row == NULL) {
        return api_send_error(req, MHD_HTTP_NOT_FOUND, "not-found",
                              "there is nothing of that name",
                              "GET /api/v1 lists what there is");
    }
    if (req->verb != API_POST && (req->verb != API_GET || row->role != INSPECT_VIEWER)) {
        return api_send_error(
            req, MHD_HTTP_METHOD_NOT_ALLOWED, "bad-params",
            "that is not asked with this HTTP method",
            "GET for what only looks, POST with a JSON object for anything");
    }
    json_t *params = req->verb == API_GET ? params_of_url(req, row) : params_of_body(req);
    if (params == NULL) {
        return api_send_error(req, MHD_HTTP_BAD_REQUEST, "parse-error",
                              "the body is no JSON object",
                              "send the parameters by name: {\"cpu\": 0}");
    }
    snprintf(name, sizeof(name), "%s.%s", row->domain, row->verb);
    return api_send_answer(req, api_call(req, req->role, name, params));
}
