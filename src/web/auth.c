/* SPDX-License-Identifier: MIT */
/*
 * Auth: tokens, sessions, and where requests may come from.
 *
 * Invariants: a secret is compared with all of the other one's length, whatever is equal; of a
 * session only the cookie's value is kept, never the token it was got for.
 */
#include "web/auth.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

enum { MINUTE_MS = 60000, COOKIE_NAME_SIZE = 32, HOST_SIZE = 256 };
enum { ADDRESS_BYTES = 16, NETWORK_BYTES = 8 }; /* of IPv6; a network is one user's */

typedef struct Session {
    char value[AUTH_TOKEN_TEXT];
    AuthRole role; /* AUTH_NOBODY: free */
    uint64_t number, used;
} Session;

/* What came of a kind since a minute began. */
typedef struct Minute {
    int64_t start_ms;
    unsigned count;
} Minute;

/* Those who sent wrong tokens. */
typedef struct Source {
    uint8_t address[ADDRESS_BYTES]; /* 0: unix sockets */
    Minute wrong;                   /* count 0: free */
} Source;

struct Auth {
    char *token, *viewer_token;
    char cookie_name[COOKIE_NAME_SIZE];
    pthread_mutex_t lock;
    /* lock */
    char *host[AUTH_MAX_HOSTS];
    unsigned host_count;
    Session viewers[AUTH_MAX_SESSIONS], operators[AUTH_MAX_SESSIONS];
    uint64_t use_count;
    Source source[AUTH_MAX_SOURCES];
    Minute logged;
};

/* --- secrets ------------------------------------------------------------------------ */

static bool random_text(char text[AUTH_TOKEN_TEXT]) {
    uint8_t bytes[AUTH_TOKEN_BYTES];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        sprintf(text + 2 * i, "%02x", bytes[i]);
    }
    return true;
}

/* Takes as long for every guess of the same length. */
static bool secret_equal(const char *secret, const char *guess, size_t guess_len) {
    size_t len = strlen(secret);
    volatile uint8_t difference = len != guess_len;
    for (size_t i = 0; i < guess_len; i++) {
        difference |= (uint8_t)(guess[i] ^ secret[len ? i % len : 0]);
    }
    return difference == 0;
}

static bool check_token(const char *token, const char *what, Error **errp) {
    size_t len = strlen(token);
    if (len < AUTH_MIN_TOKEN) {
        error_set(
            errp,
            "%s has %zu characters; take at least %d, or leave it out: then one is made",
            what, len, AUTH_MIN_TOKEN);
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)token[i]) && strchr("-_.", token[i]) == NULL) {
            error_set(errp, "%s may have letters, digits, '-', '_' and '.' only", what);
            return false;
        }
    }
    return true;
}

Auth *auth_new(const AuthConfig *config, Error **errp) {
    char made[AUTH_TOKEN_TEXT];
    const char *token = config->token;
    if (token == NULL) {
        if (!random_text(made)) {
            error_set_errno(errp, errno, "cannot make a token");
            return NULL;
        }
        token = made;
    }
    if (!check_token(token, "token=", errp) ||
        (config->viewer_token != NULL &&
         !check_token(config->viewer_token, "viewer-token=", errp))) {
        return NULL;
    }
    if (config->viewer_token != NULL && strcmp(token, config->viewer_token) == 0) {
        error_set(errp,
                  "token= and viewer-token= are the same; a viewer would be an operator");
        return NULL;
    }
    Auth *auth = calloc(1, sizeof(*auth));
    assert(auth != NULL);
    auth->token = strdup(token);
    auth->viewer_token = config->viewer_token ? strdup(config->viewer_token) : NULL;
    for (unsigned i = 0; i < config->host_count; i++) {
        auth->host[auth->host_count++] = strdup(config->host[i]);
    }
    snprintf(auth->cookie_name, sizeof(auth->cookie_name), "vitrine-%u", config->port);
    pthread_mutex_init(&auth->lock, NULL);
    return auth;
}

void auth_free(Auth *auth) {
    if (auth == NULL) {
        return;
    }
    for (unsigned i = 0; i < auth->host_count; i++) {
        free(auth->host[i]);
    }
    free(auth->token);
    free(auth->viewer_token);
    pthread_mutex_destroy(&auth->lock);
    free(auth);
}

const char *auth_token(const Auth *auth) {
    return auth->token;
}

static AuthRole role_of_token(const Auth *auth, const char *token, size_t len) {
    bool is_operator = secret_equal(auth->token, token, len);
    bool is_viewer =
        auth->viewer_token != NULL && secret_equal(auth->viewer_token, token, len);
    return is_operator ? AUTH_OPERATOR : is_viewer ? AUTH_VIEWER : AUTH_NOBODY;
}

/* Counts one more; returns how many there were in this minute. */
static unsigned count_in_minute(Minute *m, int64_t now_ms) {
    if (m->count == 0 || now_ms - m->start_ms >= MINUTE_MS) {
        *m = (Minute){.start_ms = now_ms};
    }
    m->count += m->count < UINT_MAX;
    return m->count;
}

/* What the limit is for: an address of IPv4, or an IPv6 network. */
static void source_address(const char *peer, uint8_t address[ADDRESS_BYTES]) {
    memset(address, 0, ADDRESS_BYTES);
    if (peer == NULL) {
        return;
    }
    if (inet_pton(AF_INET6, peer, address) == 1) {
        if (!IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)address)) {
            memset(address + NETWORK_BYTES, 0, ADDRESS_BYTES - NETWORK_BYTES);
        }
    } else {
        char mapped[INET6_ADDRSTRLEN + 8];
        snprintf(mapped, sizeof(mapped), "::ffff:%.40s", peer);
        inet_pton(AF_INET6, mapped, address); /* else as a unix socket */
    }
}

/* That of an address, or the one that began longest ago. */
static Source *find_source_locked(Auth *auth, const char *peer) {
    uint8_t address[ADDRESS_BYTES];
    Source *oldest = &auth->source[0];
    source_address(peer, address);
    for (unsigned i = 0; i < AUTH_MAX_SOURCES; i++) {
        Source *s = &auth->source[i];
        if (s->wrong.count > 0 && memcmp(s->address, address, ADDRESS_BYTES) == 0) {
            return s;
        }
        if (oldest->wrong.count > 0 &&
            (s->wrong.count == 0 || s->wrong.start_ms < oldest->wrong.start_ms)) {
            oldest = s;
        }
    }
    *oldest = (Source){.wrong = {0}};
    memcpy(oldest->address, address, ADDRESS_BYTES);
    return oldest;
}

static AuthRole try_token_locked(Auth *auth, const char *token, const char *peer,
                                 int64_t now_ms, AuthRefusal *why) {
    AuthRole role = role_of_token(auth, token, strlen(token));
    if (role == AUTH_NOBODY) {
        Source *source = find_source_locked(auth, peer);
        unsigned wrong = count_in_minute(&source->wrong, now_ms);
        *why = wrong > AUTH_TRIES_PER_MINUTE ? AUTH_TOO_MANY_TRIES : AUTH_BAD_TOKEN;
    }
    return role;
}

/* --- host and origin ---------------------------------------------------------------- */

/* "Name:port" without the port, lower case, without the brackets of an IPv6 address. */
static bool split_host(const char *text, size_t len, char name[HOST_SIZE]) {
    if (len > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', len);
        if (close == NULL || (close + 1 < text + len && close[1] != ':')) {
            return false;
        }
        text++;
        len = (size_t)(close - text);
    } else {
        const char *colon = memchr(text, ':', len);
        len = colon ? (size_t)(colon - text) : len;
    }
    if (len == 0 || len >= HOST_SIZE) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        name[i] = (char)tolower((unsigned char)text[i]);
    }
    name[len] = '\0';
    return true;
}

static bool host_is_known_locked(const Auth *auth, const char *text, size_t len) {
    static const char *const loopback[] = {"127.0.0.1", "localhost", "::1"};
    char name[HOST_SIZE];
    if (!split_host(text, len, name)) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
        if (strcmp(name, loopback[i]) == 0) {
            return true;
        }
    }
    for (unsigned i = 0; i < auth->host_count; i++) {
        if (strcasecmp(name, auth->host[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A page of ours has the origin of the host it asks, port included: another port of this machine is
 * another's page. A proxy may have made https of it. */
static bool origin_is_own(const char *origin, const char *host) {
    if (strncasecmp(origin, "http://", 7) == 0) {
        origin += 7;
    } else if (strncasecmp(origin, "https://", 8) == 0) {
        origin += 8;
    } else {
        return false; /* "null": a file, a sandboxed frame */
    }
    return strcasecmp(origin, host) == 0;
}

bool auth_add_host(Auth *auth, const char *host) {
    pthread_mutex_lock(&auth->lock);
    bool room = auth->host_count < AUTH_MAX_HOSTS;
    if (room) {
        auth->host[auth->host_count++] = strdup(host);
    }
    pthread_mutex_unlock(&auth->lock);
    return room;
}

AuthRefusal auth_check_source(Auth *auth, const AuthRequest *request) {
    pthread_mutex_lock(&auth->lock);
    bool known = request->host != NULL &&
                 host_is_known_locked(auth, request->host, strlen(request->host));
    pthread_mutex_unlock(&auth->lock);
    if (!known) {
        return AUTH_BAD_HOST;
    }
    if (request->origin != NULL && !origin_is_own(request->origin, request->host)) {
        return AUTH_BAD_ORIGIN;
    }
    return AUTH_OK;
}

/* --- sessions ----------------------------------------------------------------------- */

/* The value of our cookie in a Cookie header "a=1; b=2", or NULL. */
static const char *find_cookie(const Auth *auth, const char *header, size_t *len) {
    size_t name_len = strlen(auth->cookie_name);
    while (header != NULL && *header != '\0') {
        header += strspn(header, " ;");
        size_t pair = strcspn(header, ";");
        if (pair > name_len && strncmp(header, auth->cookie_name, name_len) == 0 &&
            header[name_len] == '=') {
            *len = pair - name_len - 1;
            return header + name_len + 1;
        }
        header += pair;
    }
    return NULL;
}

static Session *find_session_locked(Auth *auth, const char *cookie) {
    size_t len = 0;
    Session *found = NULL;
    const char *value = find_cookie(auth, cookie, &len);
    for (unsigned i = 0; value != NULL && i < AUTH_MAX_SESSIONS; i++) {
        Session *each[] = {&auth->viewers[i], &auth->operators[i]};
        for (unsigned k = 0; k < 2; k++) {
            if (each[k]->role != AUTH_NOBODY &&
                secret_equal(each[k]->value, value, len)) {
                found = each[k];
            }
        }
    }
    return found;
}

static Session *new_session_locked(Auth *auth, AuthRole role) {
    Session *all = role == AUTH_OPERATOR ? auth->operators : auth->viewers;
    Session *oldest = &all[0];
    for (unsigned i = 0; i < AUTH_MAX_SESSIONS; i++) {
        Session *s = &all[i];
        if (s->role == AUTH_NOBODY) {
            return s;
        }
        if (s->used < oldest->used) {
            oldest = s;
        }
    }
    return oldest;
}

AuthRole auth_login(Auth *auth, const AuthRequest *request, const char *token,
                    int64_t now_ms, char *cookie, size_t size, AuthRefusal *why) {
    AuthRefusal unused;
    why = why ? why : &unused;
    *why = AUTH_OK;
    pthread_mutex_lock(&auth->lock);
    AuthRole role = try_token_locked(auth, token, request->peer, now_ms, why);
    char value[AUTH_TOKEN_TEXT];
    if (role != AUTH_NOBODY && !random_text(value)) {
        role = AUTH_NOBODY;
        *why = AUTH_NO_TOKEN;
    }
    if (role != AUTH_NOBODY) {
        Session *s = new_session_locked(auth, role);
        s->role = role;
        s->number = s->used = ++auth->use_count;
        memcpy(s->value, value, sizeof(s->value));
        snprintf(cookie, size, "%s=%s", auth->cookie_name, s->value);
    }
    pthread_mutex_unlock(&auth->lock);
    return role;
}

uint64_t auth_session(Auth *auth, const char *cookie) {
    pthread_mutex_lock(&auth->lock);
    const Session *s = find_session_locked(auth, cookie);
    uint64_t number = s != NULL ? s->number : 0;
    pthread_mutex_unlock(&auth->lock);
    return number;
}

uint64_t auth_logout(Auth *auth, const char *cookie) {
    pthread_mutex_lock(&auth->lock);
    Session *s = find_session_locked(auth, cookie);
    uint64_t number = s != NULL ? s->number : 0;
    if (s != NULL) {
        memset(s, 0, sizeof(*s));
    }
    pthread_mutex_unlock(&auth->lock);
    return number;
}

AuthRole auth_check(Auth *auth, const AuthRequest *request, int64_t now_ms,
                    AuthRefusal *why) {
    static const char bearer[] = "Bearer ";
    AuthRefusal unused;
    why = why ? why : &unused;
    *why = auth_check_source(auth, request);
    if (*why != AUTH_OK) {
        return AUTH_NOBODY;
    }
    AuthRole role = AUTH_NOBODY;
    *why = AUTH_NO_TOKEN;
    pthread_mutex_lock(&auth->lock);
    Session *s = find_session_locked(auth, request->cookie);
    if (s != NULL) {
        s->used = ++auth->use_count;
        role = s->role;
    } else if (request->authorization != NULL &&
               strncasecmp(request->authorization, bearer, sizeof(bearer) - 1) == 0) {
        role = try_token_locked(auth, request->authorization + sizeof(bearer) - 1,
                                request->peer, now_ms, why);
    }
    pthread_mutex_unlock(&auth->lock);
    if (role != AUTH_NOBODY) {
        *why = AUTH_OK;
    }
    return role;
}

const char *auth_refusal_text(AuthRefusal why) {
    switch (why) {
    case AUTH_OK:
        return "welcome";
    case AUTH_BAD_HOST:
        return "this server does not go by that host name; open the URL it printed, or "
               "add host=NAME";
    case AUTH_BAD_ORIGIN:
        return "the request comes from a page of another origin";
    case AUTH_NO_TOKEN:
        return "a token is needed; open the URL the server printed";
    case AUTH_BAD_TOKEN:
        return "the token is wrong; open the URL the server printed";
    case AUTH_TOO_MANY_TRIES:
        return "too many wrong tokens; wait a minute";
    }
    return "";
}

unsigned auth_refusal_status(AuthRefusal why) {
    switch (why) {
    case AUTH_OK:
        return 200; /* OK */
    case AUTH_BAD_HOST:
        return 421; /* Misdirected Request */
    case AUTH_BAD_ORIGIN:
        return 403; /* Forbidden */
    case AUTH_NO_TOKEN:
    case AUTH_BAD_TOKEN:
        return 401; /* Unauthorized */
    case AUTH_TOO_MANY_TRIES:
        return 429; /* Too Many Requests */
    }
    return 500;
}

void auth_log_refusal(Auth *auth, const Log *log, int64_t now_ms, const char *door,
                      const char *peer, const char *why) {
    pthread_mutex_lock(&auth->lock);
    unsigned count = count_in_minute(&auth->logged, now_ms);
    pthread_mutex_unlock(&auth->lock);
    if (count <= AUTH_LOGGED_PER_MINUTE) {
        log_printf(log, LOG_WEB, "%s: %s: refused: %s%s\n", door, peer ? peer : "unix",
                   why,
                   count == AUTH_LOGGED_PER_MINUTE
                       ? " (and what else this minute brings is not logged)"
                       : "");
    }
}
