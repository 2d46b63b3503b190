/* SPDX-License-Identifier: MIT */
/* What the files of this folder share. */
#ifndef VITRINE_WEB_SERVER_INT_H
#define VITRINE_WEB_SERVER_INT_H

#include <libwebsockets.h>
#include <pthread.h>

#include "web/server.h"

enum { WEB_HEADER_MAX = 512, WEB_LOGIN_MAX = 512 };

/* One WebSocket. */
typedef struct WebSession {
    WebServer *server;
    struct lws *wsi;
    InspectClient *client;
    AuthRole role;
    char *text; /* the message that comes in, in pieces */
    size_t text_len;
    bool too_long; /* its rest is thrown away */
    bool held;     /* reads nothing until the inspector has room */
    struct WebSession *next;
} WebSession;

/* One HTTP request. */
typedef struct WebRequest {
    char body[WEB_LOGIN_MAX];
    size_t body_len;
    bool is_login;
} WebRequest;

struct WebServer {
    Inspector *ins;
    Auth *auth;
    struct lws_context *context;
    char *base, *files, *url, *csp;
    pthread_t thread;
    bool thread_started, own_token;
    uint16_t taken_port;
    /* atomic */
    bool quit;
    bool
        wake_pending; /* lws_cancel_service() is under way: libwebsockets may be asked too often */
    /* server thread */
    WebSession *sessions;
    unsigned session_count; /* atomic: others read it */
};

/* Wakes the server's thread. Threads: any. */
void web_server_wake(WebServer *ws);
int64_t web_now_ms(void);
/* For -d web. */
void web_log_refusal(const WebServer *ws, struct lws *wsi, const char *why);
/* The headers that say who asks. Owned by `store`. */
typedef struct WebHeaders {
    char host[WEB_HEADER_MAX], origin[WEB_HEADER_MAX], cookie[WEB_HEADER_MAX * 4],
        authorization[WEB_HEADER_MAX];
} WebHeaders;
AuthRequest web_request_headers(struct lws *wsi, WebHeaders *store);
/* A header's text in `buf`; NULL: there is none, or it is longer. */
const char *web_copy_header(struct lws *wsi, enum lws_token_indexes token, char *buf,
                            size_t size);

/* --- answers; what an int returns is for libwebsockets' callback to return --- */
typedef struct WebReply {
    unsigned char buf[LWS_PRE + 3072], *p, *end;
    bool failed;
} WebReply;
/* `name` ends with a colon. */
void web_reply_header(WebReply *r, struct lws *wsi, const char *name, const char *value);
void web_add_safety_headers(WebReply *r, struct lws *wsi, const WebServer *ws);
/* A short answer of our own; `cookie` may be NULL. */
int web_reply_text(WebServer *ws, struct lws *wsi, unsigned status, const char *cookie,
                   const char *text);
/* A file of the page, or 404. */
int web_serve_file(WebServer *ws, struct lws *wsi, const char *path);
/* Names of letters, digits, '-', '_', '.', none beginning with a dot, separated by single slashes. */
bool web_path_is_plain(const char *path);
/* Does a list such as "br;q=1.0, gzip;q=0.8" of Accept-Encoding (may be NULL) allow gzip? */
bool web_takes_gzip(const char *list);

/* libwebsockets' callbacks. */
int web_http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                      void *in, size_t len);
int web_ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                    void *in, size_t len);
/* The inspector has something for somebody. */
void web_ws_serve(WebServer *ws);

#endif
