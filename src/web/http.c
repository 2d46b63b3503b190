/* SPDX-License-Identifier: MIT */
/*
 * HTTP: the door: who may ask at all, login and logout.
 *
 *   GET  BASE/...       a file of the page (files.c)
 *   POST BASE/login     body: the token; answers 204 and the cookie
 *   POST BASE/logout    ends the session, and its WebSockets
 *   GET  BASE/whoami    "operator", "viewer" or 401
 *   GET  BASE/ws        a WebSocket (ws.c), or in words why not
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "web/server_int.h"

enum { TEXT_MAX = 512 };

/* --- headers ------------------------------------------------------------------------ */

const char *web_copy_header(struct lws *wsi, enum lws_token_indexes token, char *buf,
                            size_t size) {
    int n = lws_hdr_copy(wsi, buf, (int)size, token);
    return n > 0 ? buf : NULL; /* too long for us: as if it were not there */
}

AuthRequest web_request_headers(struct lws *wsi, WebHeaders *store) {
    store->peer[0] = '\0';
    lws_get_peer_simple(wsi, store->peer, sizeof(store->peer));
    return (AuthRequest){
        .peer = store->peer[0] ? store->peer : NULL,
        .host = web_copy_header(wsi, WSI_TOKEN_HOST, store->host, sizeof(store->host)),
        .origin =
            lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) >= (int)sizeof(store->origin)
                ? "too long"
                : web_copy_header(wsi, WSI_TOKEN_ORIGIN, store->origin,
                                  sizeof(store->origin)),
        .cookie = web_copy_header(wsi, WSI_TOKEN_HTTP_COOKIE, store->cookie,
                                  sizeof(store->cookie)),
        .authorization =
            web_copy_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, store->authorization,
                            sizeof(store->authorization)),
    };
}

void web_reply_header(WebReply *r, struct lws *wsi, const char *name, const char *value) {
    r->failed |= lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                             (const unsigned char *)value,
                                             (int)strlen(value), &r->p, r->end) != 0;
}

void web_add_safety_headers(WebReply *r, struct lws *wsi, const WebServer *ws) {
    web_reply_header(r, wsi, "content-security-policy:", ws->csp);
    web_reply_header(r, wsi, "x-content-type-options:", "nosniff");
    web_reply_header(r, wsi, "referrer-policy:", "no-referrer");
    web_reply_header(r, wsi, "cross-origin-opener-policy:", "same-origin");
}

int web_send_text(WebServer *ws, struct lws *wsi, unsigned status, const WebHeader *more,
                  const char *text) {
    WebReply r = {.failed = false};
    size_t len = strlen(text);
    r.p = r.buf + LWS_PRE;
    r.end = r.buf + sizeof(r.buf);
    r.failed = lws_add_http_header_status(wsi, status, &r.p, r.end) != 0;
    web_reply_header(&r, wsi, "content-type:", "text/plain; charset=utf-8");
    web_reply_header(&r, wsi, "cache-control:", "no-store");
    web_add_safety_headers(&r, wsi, ws);
    if (more != NULL) {
        web_reply_header(&r, wsi, more->name, more->value);
    }
    r.failed |= lws_add_http_header_content_length(wsi, len, &r.p, r.end) != 0 ||
                lws_finalize_write_http_header(wsi, r.buf + LWS_PRE, &r.p, r.end) != 0;
    if (r.failed) {
        return -1;
    }
    if (len > 0 && lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) == 0) {
        unsigned char body[LWS_PRE + TEXT_MAX];
        len = len < TEXT_MAX ? len : TEXT_MAX;
        memcpy(body + LWS_PRE, text, len);
        if (lws_write(wsi, body + LWS_PRE, len, LWS_WRITE_HTTP_FINAL) < 0) {
            return -1;
        }
    }
    return 0;
}

int web_reply_text(WebServer *ws, struct lws *wsi, unsigned status, const WebHeader *more,
                   const char *text) {
    return web_send_text(ws, wsi, status, more, text) < 0 ||
                   lws_http_transaction_completed(wsi)
               ? -1
               : 0;
}

static int refuse(WebServer *ws, struct lws *wsi, AuthRefusal why) {
    web_log_refusal(ws, wsi, auth_refusal_text(why));
    return web_reply_text(ws, wsi, auth_refusal_status(why), NULL,
                          auth_refusal_text(why));
}

/* --- the door ----------------------------------------------------------------------- */

static int login(WebServer *ws, struct lws *wsi, WebRequest *req) {
    char cookie[160], header[320];
    AuthRefusal why;
    WebHeaders store;
    const AuthRequest request = web_request_headers(wsi, &store);
    req->body[req->body_len] = '\0';
    AuthRole role = auth_login(ws->auth, &request, req->body, web_now_ms(), cookie,
                               sizeof(cookie), &why);
    memset(req->body, 0, sizeof(req->body));
    if (role == AUTH_NOBODY) {
        return refuse(ws, wsi, why);
    }
    bool tls = request.origin != NULL && strncasecmp(request.origin, "https:", 6) == 0;
    snprintf(header, sizeof(header), "%s; Path=%s/; HttpOnly; SameSite=Strict%s", cookie,
             ws->base, tls ? "; Secure" : "");
    return web_reply_text(ws, wsi, 200, &(WebHeader){"set-cookie:", header},
                          role == AUTH_OPERATOR ? "operator" : "viewer");
}

static int whoami(WebServer *ws, struct lws *wsi, const AuthRequest *request) {
    AuthRefusal why;
    AuthRole role = auth_check(ws->auth, request, web_now_ms(), &why);
    return role == AUTH_NOBODY
               ? refuse(ws, wsi, why)
               : web_reply_text(ws, wsi, 200, NULL,
                                role == AUTH_OPERATOR ? "operator" : "viewer");
}

const char *web_below_base(const WebServer *ws, const char *path) {
    size_t n = strlen(ws->base);
    if (strncmp(path, ws->base, n) != 0 || path[n] != '/') {
        return NULL;
    }
    return path + n + 1;
}

static int begin_request(WebServer *ws, struct lws *wsi, WebRequest *req,
                         const char *in) {
    WebHeaders store;
    const AuthRequest request = web_request_headers(wsi, &store);
    AuthRefusal why = auth_check_source(ws->auth, &request);
    memset(req, 0, sizeof(*req));
    if (why != AUTH_OK) {
        return refuse(ws, wsi, why);
    }
    const char *path = web_below_base(ws, in);
    if (path == NULL) {
        return web_reply_text(ws, wsi, 404, NULL, "there is no such page");
    }
    if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0) {
        req->is_login = strcmp(path, "login") == 0;
        if (req->is_login) {
            return 0; /* its body follows */
        }
        if (strcmp(path, "logout") == 0) {
            web_ws_log_out(ws, auth_logout(ws->auth, request.cookie));
            return web_reply_text(ws, wsi, 200, NULL, "bye");
        }
        return web_reply_text(ws, wsi, 404, NULL, "there is no such page");
    }
    if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) == 0 &&
        lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) == 0) {
        return web_reply_text(ws, wsi, 405, &(WebHeader){"allow:", "GET, HEAD, POST"},
                              "GET and HEAD, and POST to login and logout");
    }
    if (strcmp(path, "whoami") == 0) {
        return whoami(ws, wsi, &request);
    }
    return strcmp(path, "ws") == 0 ? web_ws_refuse(ws, wsi, &request)
                                   : web_serve_file(ws, wsi, path);
}

static int add_body(WebServer *ws, struct lws *wsi, WebRequest *req, const void *in,
                    size_t len) {
    if (!req->is_login || req->body_len + len >= sizeof(req->body)) {
        web_log_refusal(ws, wsi, "a body that is too long for a token");
        web_reply_text(ws, wsi, 413, NULL, "that is too long for a token");
        return -1;
    }
    if (len > 0) { /* else `in` may be NULL */
        memcpy(req->body + req->body_len, in, len);
        req->body_len += len;
    }
    return 0;
}

int web_http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                      void *in, size_t len) {
    WebServer *ws = lws_context_user(lws_get_context(wsi));
    WebRequest *req = user;
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return begin_request(ws, wsi, req, in);
    case LWS_CALLBACK_HTTP_BODY:
        return add_body(ws, wsi, req, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return login(ws, wsi, req);
    case LWS_CALLBACK_HTTP_FILE_COMPLETION:
        return lws_http_transaction_completed(wsi) ? -1 : 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return web_ws_confirm(ws, wsi);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: /* a WebSocket without our protocol */
    case LWS_CALLBACK_RAW_ADOPT:                  /* CONNECT */
    case LWS_CALLBACK_RAW_RX:
        return -1;
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}
