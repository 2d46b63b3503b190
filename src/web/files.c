/* SPDX-License-Identifier: MIT */
/*
 * Files: the page, from the directory that `make page` fills.
 *
 *   GET BASE/app.js --> FILES/app.js.gz if the browser takes gzip and it is not older, else FILES/app.js
 *                   --> 304 if the browser has it: its tag is size, time of the last change, coding
 *
 * They are no secret (they are in the source tree), so the page loads without a cookie and can then
 * take the token out of its URL's fragment.
 *
 * Invariants: a path is made of plain names only: nothing outside `files` has a name.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "web/server_int.h"

enum { PATH_SIZE = 1024, TAG_SIZE = 64, ENCODINGS_SIZE = 256, TAGS_SIZE = 512 };
#define NS_PER_S INT64_C(1000000000)

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

/* A file that was found. */
typedef struct PageFile {
    char path[PATH_SIZE];
    const char *type;
    bool gzipped;
    char tag[TAG_SIZE]; /* with its quotes */
} PageFile;

bool web_path_is_plain(const char *path) {
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

bool web_takes_gzip(const char *list) {
    static const char name[] = "gzip";
    while (list != NULL && *list != '\0') {
        list += strspn(list, " \t,");
        size_t len = strcspn(list, " \t,;");
        const char *rest = list + len;
        size_t rest_len = strcspn(rest, ",");
        if (len == strlen(name) && strncasecmp(list, name, len) == 0) {
            const char *q = memchr(rest, '=', rest_len);
            return q == NULL || strtod(q + 1, NULL) > 0;
        }
        list = rest + rest_len;
    }
    return false;
}

static int64_t changed_ns(const struct stat *st) {
    return st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
}

static bool is_file(const char *path, struct stat *st) {
    return stat(path, st) == 0 && S_ISREG(st->st_mode);
}

/* False: there is no such file for anybody. */
static bool find_file(const WebServer *ws, const char *path, bool gzip, PageFile *file) {
    struct stat st, packed;
    int n = snprintf(file->path, sizeof(file->path), "%s/%s", ws->files,
                     path[0] ? path : "index.html");
    const size_t room = sizeof(file->path) - sizeof(".gz");
    file->type = mime_type(file->path);
    if (!web_path_is_plain(path) || file->type == NULL || n < 0 || (size_t)n > room ||
        !is_file(file->path, &st)) {
        return false;
    }
    strcpy(file->path + n, ".gz");
    file->gzipped =
        gzip && is_file(file->path, &packed) && changed_ns(&packed) >= changed_ns(&st);
    if (!file->gzipped) {
        file->path[n] = '\0';
    }
    snprintf(file->tag, sizeof(file->tag), "\"%" PRIx64 "-%" PRIx64 "%s\"",
             (uint64_t)st.st_size, (uint64_t)changed_ns(&st), file->gzipped ? "-gz" : "");
    return true;
}

static void add_file_headers(WebReply *r, struct lws *wsi, const WebServer *ws,
                             const PageFile *file) {
    web_add_safety_headers(r, wsi, ws);
    web_reply_header(r, wsi, "cache-control:", "no-cache"); /* ask again, by the tag */
    web_reply_header(r, wsi, "vary:", "accept-encoding");
    web_reply_header(r, wsi, "etag:", file->tag);
}

static int reply_unchanged(const WebServer *ws, struct lws *wsi, const PageFile *file) {
    WebReply r = {.failed = false};
    r.p = r.buf + LWS_PRE;
    r.end = r.buf + sizeof(r.buf);
    r.failed =
        lws_add_http_header_status(wsi, HTTP_STATUS_NOT_MODIFIED, &r.p, r.end) != 0;
    add_file_headers(&r, wsi, ws, file);
    r.failed |= lws_finalize_write_http_header(wsi, r.buf + LWS_PRE, &r.p, r.end) != 0;
    return r.failed || lws_http_transaction_completed(wsi) ? -1 : 0;
}

int web_serve_file(WebServer *ws, struct lws *wsi, const char *path) {
    char encodings[ENCODINGS_SIZE], tags[TAGS_SIZE];
    PageFile file;
    bool gzip = web_takes_gzip(web_copy_header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING,
                                               encodings, sizeof(encodings)));
    if (!find_file(ws, path, gzip, &file)) {
        return web_reply_text(ws, wsi, 404, NULL, "there is no such page");
    }
    const char *known =
        web_copy_header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, tags, sizeof(tags));
    if (known != NULL && strstr(known, file.tag) != NULL) {
        return reply_unchanged(ws, wsi, &file);
    }
    WebReply r = {.failed = false};
    r.p = r.buf + LWS_PRE;
    r.end = r.buf + sizeof(r.buf) - 1; /* a text for lws_serve_http_file() */
    add_file_headers(&r, wsi, ws, &file);
    if (file.gzipped) {
        web_reply_header(&r, wsi, "content-encoding:", "gzip");
    }
    if (r.failed) {
        return -1;
    }
    int served = lws_serve_http_file(wsi, file.path, file.type, (char *)r.buf + LWS_PRE,
                                     (int)(r.p - r.buf - LWS_PRE));
    return served < 0 || (served > 0 && lws_http_transaction_completed(wsi)) ? -1 : 0;
}
