/* SPDX-License-Identifier: MIT */
/*
 * Auth: who may look, who may drive. The one answer for the page's server and the scripts' server.
 *
 *   http://127.0.0.1:8088/#t=TOKEN     the fragment never leaves the browser by itself
 *        page --POST login {token}--> auth_login() --> cookie: HttpOnly, SameSite=Strict
 *        page --WebSocket + cookie--> auth_check() --> role
 *      script --Authorization: Bearer TOKEN--> auth_check() --> role
 *
 * What each check stands against:
 *   Host      a foreign name that was pointed at this address (DNS rebinding)
 *   Origin    a foreign page that calls us from the user's browser
 *   token     everybody else on this host or network; compared in constant time
 *   tries     load and noise of those who guess: nobody guesses 256 bits
 *
 * Invariants: a token that is right gets in, however many wrong ones came from the same address: behind a
 * proxy and on the loopback all have one. A viewer ends no operator's session.
 * Threads: any; it has a lock of its own.
 * Book: consoles-door.md.
 */
#ifndef VITRINE_WEB_AUTH_H
#define VITRINE_WEB_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"
#include "util/log.h"

enum {
    AUTH_TOKEN_BYTES = 32,
    AUTH_TOKEN_TEXT = 2 * AUTH_TOKEN_BYTES + 1, /* hexadecimal, with the NUL */
    AUTH_MIN_TOKEN = 16,                        /* characters of a token of one's own */
    AUTH_MAX_HOSTS = 8,
    /* Of a role; the one that was used longest ago makes room for another of its role. */
    AUTH_MAX_SESSIONS = 32,
    AUTH_TRIES_PER_MINUTE = 60, /* wrong tokens of an address */
    AUTH_MAX_SOURCES = 64,      /* addresses that are remembered for it */
    AUTH_LOGGED_PER_MINUTE = 240,
};

typedef enum AuthRole { AUTH_NOBODY, AUTH_VIEWER, AUTH_OPERATOR } AuthRole;

typedef struct AuthConfig {
    const char *token;        /* operator's; NULL: one is made */
    const char *viewer_token; /* NULL: there are no viewers */
    uint16_t port;            /* names the cookie: browsers keep one jar for all ports */
    /* Host names besides 127.0.0.1, ::1 and localhost; the address that is listened on is one. */
    const char *host[AUTH_MAX_HOSTS];
    unsigned host_count;
} AuthConfig;

/* What came with a request; each may be NULL. */
typedef struct AuthRequest {
    const char *host, *origin, *cookie;
    const char *authorization; /* "Bearer ..." */
    const char *peer;          /* its address; NULL: a unix socket's */
} AuthRequest;

typedef enum AuthRefusal {
    AUTH_OK,
    AUTH_BAD_HOST,
    AUTH_BAD_ORIGIN,
    AUTH_NO_TOKEN,
    AUTH_BAD_TOKEN,
    AUTH_TOO_MANY_TRIES,
} AuthRefusal;

typedef struct Auth Auth;

/* Errors: a token too short or with other characters than letters, digits, '-', '_', '.'; both
 * tokens equal; no entropy. */
Auth *auth_new(const AuthConfig *config, Error **errp);
void auth_free(Auth *auth);
/* One more name that requests may be for; false: there are AUTH_MAX_HOSTS. */
bool auth_add_host(Auth *auth, const char *host);
const char *auth_token(const Auth *auth); /* the operator's, for the printed URL */

/* The role of a request, by its cookie or its bearer token. *why (may be NULL) tells why it is
 * AUTH_NOBODY. `now_ms`: any clock that does not go back. */
AuthRole auth_check(Auth *auth, const AuthRequest *request, int64_t now_ms,
                    AuthRefusal *why);
/* Host and Origin alone: what a request must have before anything of it is looked at. */
AuthRefusal auth_check_source(Auth *auth, const AuthRequest *request);
/* Takes a token for a cookie: "NAME=VALUE" for Set-Cookie, without its attributes. Of the request only
 * `peer` is looked at. */
AuthRole auth_login(Auth *auth, const AuthRequest *request, const char *token,
                    int64_t now_ms, char *cookie, size_t size, AuthRefusal *why);
/* The number of this cookie header's session; 0: it has none. */
uint64_t auth_session(Auth *auth, const char *cookie);
/* Ends that session, and returns its number. */
uint64_t auth_logout(Auth *auth, const char *cookie);
/* A sentence for the user or the log. */
const char *auth_refusal_text(AuthRefusal why);
unsigned auth_refusal_status(AuthRefusal why); /* of HTTP */
/* For -d web: what a door ("-web") refused to whom (may be NULL), and why. More than AUTH_LOGGED_PER_MINUTE are
 * not logged: who is refused without end does not fill the disk. */
void auth_log_refusal(Auth *auth, const Log *log, int64_t now_ms, const char *door,
                      const char *peer, const char *why);

#endif
