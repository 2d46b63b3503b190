/* SPDX-License-Identifier: MIT */
/*
 * HTTP: the files of the page, and the door: login and logout.
 *
 *   GET  BASE/...       a file below `files`; "" is index.html
 *   POST BASE/login     body: the token; answers 204 and the cookie
 *   POST BASE/logout    ends the session
 *   GET  BASE/whoami    "operator", "viewer" or 401
 *
 * The files are no secret (they are in the source tree), so the page loads without a cookie and can
 * then take the token out of its URL's fragment.
 *
 * Invariants: a path is made of plain names only: nothing outside `files` has a name.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "web/server_int.h"

typedef struct MimeType {
    const char *extension, *type;
} MimeType;

static const MimeType mime_types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".wasm", "application/wasm"},
    {".txt", "text/plain; charset=utf-8"},
    {".woff2", "font/woff2"},
    {".map", "application/json"},
};

/* --- headers ------------------------------------------------------------------------ */

static const char *copy_header(struct lws *wsi, enum lws_token_indexes token, char *buf,
                               size_t size) {
    int n = lws_hdr_copy(wsi, buf, (int)size, token);
    return n > 0 ? buf : NULL; /* too long for us: as if it were not there */
}

AuthRequest web_request_headers(struct lws *wsi, WebHeaders *store) {
    return (AuthRequest){
        .host = copy_header(wsi, WSI_TOKEN_HOST, store->host, sizeof(store->host)),
        .origin =
            copy_header(wsi, WSI_TOKEN_ORIGIN, store->origin, sizeof(store->origin)),
        .cookie =
            copy_header(wsi, WSI_TOKEN_HTTP_COOKIE, store->cookie, sizeof(store->cookie)),
        .authorization = copy_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
                                     store->authorization, sizeof(store->authorization)),
    };
}

typedef struct Reply {
    unsigned char buf[LWS_PRE + 3072], *p, *end;
    bool failed;
} Reply;

static void reply_header(Reply *r, struct lws *wsi, const char *name, const char *value) {
    r->failed |= lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                             (const unsigned char *)value,
                                             (int)strlen(value), &r->p, r->end) != 0;
}

static void add_safety_headers(Reply *r, struct lws *wsi, const WebServer *ws) {
    reply_header(r, wsi, "content-security-policy:", ws->csp);
    reply_header(r, wsi, "x-content-type-options:", "nosniff");
    reply_header(r, wsi, "referrer-policy:", "no-referrer");
    reply_header(r, wsi, "cross-origin-opener-policy:", "same-origin");
}

/* A short answer of our own. Returns what the callback returns. */
static int reply_text(WebServer *ws, struct lws *wsi, unsigned status, const char *cookie,
                      const char *text) {
    Reply r = {.failed = false};
    size_t len = strlen(text);
    r.p = r.buf + LWS_PRE;
    r.end = r.buf + sizeof(r.buf);
    r.failed = lws_add_http_header_status(wsi, status, &r.p, r.end) != 0;
    reply_header(&r, wsi, "content-type:", "text/plain; charset=utf-8");
    reply_header(&r, wsi, "cache-control:", "no-store");
    add_safety_headers(&r, wsi, ws);
    if (cookie != NULL) {
        reply_header(&r, wsi, "set-cookie:", cookie);
    }
    r.failed |= lws_add_http_header_content_length(wsi, len, &r.p, r.end) != 0 ||
                lws_finalize_write_http_header(wsi, r.buf + LWS_PRE, &r.p, r.end) != 0;
    if (r.failed) {
        return -1;
    }
    if (len > 0) {
        unsigned char body[LWS_PRE + 512];
        len = len < 512 ? len : 512;
        memcpy(body + LWS_PRE, text, len);
        if (lws_write(wsi, body + LWS_PRE, len, LWS_WRITE_HTTP_FINAL) < 0) {
            return -1;
        }
    }
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static unsigned refusal_status(AuthRefusal why) {
    return why == AUTH_TOO_MANY_TRIES ? 429
           : why == AUTH_BAD_HOST     ? 421
           : why == AUTH_BAD_ORIGIN   ? 403
                                      : 401;
}

static int refuse(WebServer *ws, struct lws *wsi, AuthRefusal why) {
    return reply_text(ws, wsi, refusal_status(why), NULL, auth_refusal_text(why));
}

/* --- files -------------------------------------------------------------------------- */

/* Names of letters, digits, '-', '_', '.', none beginning with a dot, separated by single slashes. */
static bool path_is_plain(const char *path) {
    char before = '/';
    for (const char *p = path; *p != '\0'; p++) {
        bool starts = before == '/';
        if (!isalnum((unsigned char)*p) && strchr(starts ? "_" : "-_./", *p) == NULL) {
            return false;
        }
        before = *p;
    }
    return before != '/' || path[0] == '\0';
}

static const char *mime_type(const char *path) {
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof(mime_types) / sizeof(mime_types[0]);
         i++) {
        if (strcmp(dot, mime_types[i].extension) == 0) {
            return mime_types[i].type;
        }
    }
    return NULL;
}

static int serve_file(WebServer *ws, struct lws *wsi, const char *path) {
    char full[1024];
    struct stat st;
    if (path[0] == '\0') {
        path = "index.html";
    }
    int n = snprintf(full, sizeof(full), "%s/%s", ws->files, path);
    const char *type = mime_type(path);
    if (!path_is_plain(path) || type == NULL || n < 0 || (size_t)n >= sizeof(full) ||
        stat(full, &st) != 0 || !S_ISREG(st.st_mode)) {
        return reply_text(ws, wsi, 404, NULL, "there is no such page");
    }
    Reply r = {.failed = false};
    r.p = r.buf + LWS_PRE;
    r.end = r.buf + sizeof(r.buf);
    add_safety_headers(&r, wsi, ws);
    reply_header(&r, wsi, "cache-control:", "no-cache");
    if (r.failed) {
        return -1;
    }
    int served = lws_serve_http_file(wsi, full, type, (char *)r.buf + LWS_PRE,
                                     (int)(r.p - r.buf - LWS_PRE));
    return served < 0 || (served > 0 && lws_http_transaction_completed(wsi)) ? -1 : 0;
}

/* --- the door ----------------------------------------------------------------------- */

static int login(WebServer *ws, struct lws *wsi, WebRequest *req) {
    char cookie[160], header[320];
    AuthRefusal why;
    req->body[req->body_len] = '\0';
    AuthRole role =
        auth_login(ws->auth, req->body, web_now_ms(), cookie, sizeof(cookie), &why);
    memset(req->body, 0, sizeof(req->body));
    if (role == AUTH_NOBODY) {
        return refuse(ws, wsi, why);
    }
    snprintf(header, sizeof(header), "%s; Path=%s/; HttpOnly; SameSite=Strict", cookie,
             ws->base);
    return reply_text(ws, wsi, 200, header,
                      role == AUTH_OPERATOR ? "operator" : "viewer");
}

static int whoami(WebServer *ws, struct lws *wsi, const AuthRequest *request) {
    AuthRefusal why;
    AuthRole role = auth_check(ws->auth, request, web_now_ms(), &why);
    return role == AUTH_NOBODY
               ? refuse(ws, wsi, why)
               : reply_text(ws, wsi, 200, NULL,
                            role == AUTH_OPERATOR ? "operator" : "viewer");
}

/* The path below `base`, or NULL. */
static const char *below_base(const WebServer *ws, const char *path) {
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
    const char *path = below_base(ws, in);
    if (path == NULL) {
        return reply_text(ws, wsi, 404, NULL, "there is no such page");
    }
    if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0) {
        req->is_login = strcmp(path, "login") == 0;
        if (req->is_login) {
            return 0; /* its body follows */
        }
        if (strcmp(path, "logout") == 0) {
            auth_logout(ws->auth, request.cookie);
            return reply_text(ws, wsi, 200, NULL, "bye");
        }
        return reply_text(ws, wsi, 404, NULL, "there is no such page");
    }
    if (strcmp(path, "whoami") == 0) {
        return whoami(ws, wsi, &request);
    }
    return serve_file(ws, wsi, path);
}

static int add_body(WebServer *ws, struct lws *wsi, WebRequest *req, const void *in,
                    size_t len) {
    if (!req->is_login || req->body_len + len >= sizeof(req->body)) {
        return reply_text(ws, wsi, 413, NULL, "that is too long for a token") ? -1 : -1;
    }
    memcpy(req->body + req->body_len, in, len);
    req->body_len += len;
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
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        __atomic_store_n(&ws->wake_pending, false, __ATOMIC_SEQ_CST);
        web_ws_serve(ws);
        return 0;
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}
