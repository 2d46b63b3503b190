/* SPDX-License-Identifier: MIT */
/*
 * What the files of -api share.
 *
 *   api.c          connections, who may come, which way a request goes
 *   api_call.c     an InspectClient for a connection; answers as HTTP has them
 *   api_rest.c     api/v1/DOMAIN/VERB, the index
 *   api_metrics.c  metrics
 *   api_files.c    snapshots and images
 */
#ifndef VITRINE_WEB_API_INT_H
#define VITRINE_WEB_API_INT_H

#include <microhttpd.h>
#include <pthread.h>

#include "util/unix_file.h"
#include "web/api.h"

/* A connection. */
typedef struct ApiPeer {
    ApiServer *server;
    struct ApiPeer *next;
    int fd;
    char address[48]; /* "": a unix socket's */
    /* server's lock */
    bool busy; /* a request is under way, its headers read and found good */
    int64_t quiet_since_ms;
    uint32_t woken; /* counts what the inspector told */
    /* the connection's thread */
    InspectClient *client; /* made when first needed */
    AuthRole client_role;
    unsigned next_id;
} ApiPeer;

typedef enum ApiVerb { API_GET, API_POST, API_PUT, API_DELETE, API_OTHER } ApiVerb;

/* A file that comes in. */
typedef struct ApiUpload {
    int fd;
    char *path, *temporary; /* NULL: there is none */
    uint64_t bytes;
    int status; /* not 0: what went wrong; the rest is thrown away */
    char what[160];
} ApiUpload;

/* A request. */
typedef struct ApiRequest {
    ApiPeer *peer;
    struct MHD_Connection *connection;
    ApiVerb verb;
    const char *path; /* decoded, begins with a slash */
    AuthRole role;
    char *body;
    size_t body_len;
    bool too_long;
    ApiUpload upload;
} ApiRequest;

struct ApiServer {
    Inspector *ins;
    Auth *auth, *own_auth;
    WebServer *web;
    struct MHD_Daemon *daemon;
    int listen_fd;
    char *url;
    UnixFile socket_file;
    pthread_mutex_t lock; /* a leaf: the inspector's may be held when it is taken */
    pthread_cond_t wake;
    /* lock */
    bool quit;
    bool uploading; /* one file at a time */
    ApiPeer *peers;
    unsigned peer_count;
};

typedef enum MHD_Result ApiResult;

/* --- api_call.c --- */
/* Calls a method for the request's peer. Returns {result or error, held_ns?, frames?}; NULL: no
 * answer came, and 503 or 504 is to be sent. Owns: takes params; the caller has the answer. */
json_t *api_call(ApiRequest *req, AuthRole role, const char *method, json_t *params);
/* The same for its result alone; NULL: there is none. */
json_t *api_query(ApiRequest *req, const char *method, json_t *params);
/* Sends it with the status of its error, if it has one. Owns: takes answer (may be NULL). */
ApiResult api_send_answer(ApiRequest *req, json_t *answer);
/* Owns: takes json. */
ApiResult api_send_json(ApiRequest *req, unsigned status, json_t *json);
ApiResult api_send_error(ApiRequest *req, unsigned status, const char *cls,
                         const char *what, const char *advice);
/* Queues a response with the headers that all have. Owns: takes response. */
ApiResult api_send(ApiRequest *req, unsigned status, const char *type,
                   struct MHD_Response *response);
int64_t api_now_ms(void);

/* --- the ways; `path` is what follows the way's own words --- */
ApiResult api_metrics(ApiRequest *req);
ApiResult api_index(ApiRequest *req);
ApiResult api_rest(ApiRequest *req, const char *path);
/* Does the path lead to a file, or a list of them? */
bool api_is_file(const char *path);
ApiResult api_files(ApiRequest *req, const char *path);
/* An upload begins, before its bytes; adds some; and is given up unless it was ended. */
void api_upload_begin(ApiRequest *req, const char *path);
void api_upload_add(ApiRequest *req, const void *data, size_t len);
void api_upload_drop(ApiRequest *req);

#endif
