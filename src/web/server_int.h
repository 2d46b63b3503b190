/* SPDX-License-Identifier: MIT */
/* What the files of this folder share. */
#ifndef VITRINE_WEB_SERVER_INT_H
#define VITRINE_WEB_SERVER_INT_H

#include <libwebsockets.h>
#include <pthread.h>

#include "util/unix_file.h"
#include "web/server.h"

enum { WEB_HEADER_MAX = 512, WEB_LOGIN_MAX = 512 };

/* One WebSocket. */
typedef struct WebSession {
    WebServer *server;
    struct lws *wsi;
    InspectClient *client;
    AuthRole role;
    uint64_t login; /* the session of its cookie; 0: it came by token */
    char *text;     /* the message that comes in, in pieces */
    size_t text_len;
    bool too_long;   /* its rest is thrown away */
    bool held;       /* reads nothing until the inspector has room */
    bool logged_out; /* ... and nothing more is sent or read */
    bool closing;    /* was told that this is the end */
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
    UnixFile socket_file;
    /* atomic */
    bool end; /* asked for by the owner */
    /* lws_cancel_service() is under way: libwebsockets may be asked too often. */
    bool wake_pending;
    /* server thread */
    bool ending; /* all are told so, in a hurry ... */
    bool hurry;  /* ... who has not taken what was for him, too ... */
    bool quit;   /* ... and that was it */
    lws_sorted_usec_list_t timer;
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
    char peer[48], host[WEB_HEADER_MAX], origin[WEB_HEADER_MAX],
        cookie[WEB_HEADER_MAX * 4], authorization[WEB_HEADER_MAX];
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
typedef struct WebHeader {
    const char *name, *value; /* the name ends with a colon */
} WebHeader;
/* A short answer of our own, with one header more (may be NULL). */
int web_reply_text(WebServer *ws, struct lws *wsi, unsigned status, const WebHeader *more,
                   const char *text);
/* The same without the end of the transaction, which the caller of the callback brings about. */
int web_send_text(WebServer *ws, struct lws *wsi, unsigned status, const WebHeader *more,
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
/* The path below `base`, or NULL. */
const char *web_below_base(const WebServer *ws, const char *path);
/* Answers a request for a WebSocket that is none, or may not be one. */
int web_ws_refuse(WebServer *ws, struct lws *wsi, const AuthRequest *request);
/* May this upgrade go on? What the callback returns; if not 0 it was answered. */
int web_ws_confirm(WebServer *ws, struct lws *wsi);
/* The inspector has something for somebody. */
void web_ws_serve(WebServer *ws);
/* Hangs up on those of a session that was ended. */
void web_ws_log_out(WebServer *ws, uint64_t login);
/* The thread has ended: the inspector is to wake nobody any more. */
void web_ws_close_all(WebServer *ws);

#endif
