/* SPDX-License-Identifier: MIT */
/*
 * WebServer: the thread and the address.
 */
#include "web/server.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "web/server_int.h"

enum {
    WS_RX_BUFFER = 64 * 1024,
    HEADER_TIMEOUT_S = 10,
    MAX_SOCKETS = 160,
    OWNER_UMASK = 0177,
    PING_S = 30,
    HANGUP_S = 60
};
/* At the end those who read get what is theirs; who does not read waits in vain. */
#define END_HURRY_US (100 * LWS_US_PER_MS)
#define END_QUIT_US  (200 * LWS_US_PER_MS)

int64_t web_now_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void web_server_wake(WebServer *ws) {
    if (!__atomic_exchange_n(&ws->wake_pending, true, __ATOMIC_SEQ_CST)) {
        lws_cancel_service(ws->context);
    }
}

void web_log_refusal(const WebServer *ws, struct lws *wsi, const char *why) {
    char peer[48] = "";
    lws_get_peer_simple(wsi, peer, sizeof(peer));
    auth_log_refusal(ws->auth, inspector_machine(ws->ins)->log, web_now_ms(), "-web",
                     peer[0] ? peer : NULL, why);
}

/* --- the end ------------------------------------------------------------------------ */

static void hurry_up(lws_sorted_usec_list_t *timer) {
    WebServer *ws = lws_container_of(timer, WebServer, timer);
    if (ws->hurry) {
        ws->quit = true;
        lws_cancel_service(ws->context); /* timers run before it waits, not instead */
        return;
    }
    ws->hurry = true;
    web_ws_serve(ws);
    lws_sul_schedule(ws->context, 0, &ws->timer, hurry_up, END_QUIT_US - END_HURRY_US);
}

/* Something else than a socket woke the thread. */
static void woken(WebServer *ws) {
    __atomic_store_n(&ws->wake_pending, false, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&ws->end, __ATOMIC_SEQ_CST) && !ws->ending) {
        ws->ending = true;
        lws_sul_schedule(ws->context, 0, &ws->timer, hurry_up, END_HURRY_US);
    }
    web_ws_serve(ws);
}

/* --- life --------------------------------------------------------------------------- */

/* What belongs to no connection is the thread's. */
static int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                         void *in, size_t len) {
    if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED) {
        woken(lws_context_user(lws_get_context(wsi)));
        return 0;
    }
    return web_http_callback(wsi, reason, user, in, len);
}

static const struct lws_protocols protocols[] = {
    {.name = "http",
     .callback = http_callback,
     .per_session_data_size = sizeof(WebRequest)},
    {.name = "vitrine",
     .callback = web_ws_callback,
     .per_session_data_size = sizeof(WebSession),
     .rx_buffer_size = WS_RX_BUFFER},
    {.name = NULL},
};

static void *serve(void *arg) {
    WebServer *ws = arg;
    while (!ws->quit && !(ws->ending && ws->sessions == NULL)) {
        if (lws_service(ws->context, 0) < 0) {
            break;
        }
    }
    lws_sul_schedule(ws->context, 0, &ws->timer, hurry_up, LWS_SET_TIMER_USEC_CANCEL);
    return NULL;
}

static char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *format(const char *fmt, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    assert(n >= 0);
    return text;
}

static char *make_csp(const WebConfig *config) {
    return format(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self' ws: wss:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors %s",
        config->frame_ancestors ? config->frame_ancestors : "'none'");
}

static int listening_port(const WebServer *ws) {
    return lws_get_vhost_listen_port(lws_get_vhost_by_name(ws->context, "default"));
}

static void make_url(WebServer *ws, const WebConfig *config) {
    const char *token = auth_token(ws->auth);
    if (config->unix_path != NULL) {
        ws->url = format("unix:%s (token %s)", config->unix_path, token);
        return;
    }
    const char *host = config->address ? config->address : "127.0.0.1";
    bool v6 = strchr(host, ':') != NULL;
    ws->url = format("http://%s%s%s:%d%s/#t=%s", v6 ? "[" : "", host, v6 ? "]" : "",
                     listening_port(ws), ws->base, token);
}

static bool listen_on(WebServer *ws, const WebConfig *config, Error **errp) {
    static const lws_retry_bo_t idle = {.secs_since_valid_ping = PING_S,
                                        .secs_since_valid_hangup = HANGUP_S};
    struct lws_context_creation_info info = {
        .port = config->unix_path ? 0 : config->port,
        .iface = config->unix_path ? config->unix_path
                 : config->address ? config->address
                                   : "127.0.0.1",
        .protocols = protocols,
        .user = ws,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
                   LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   (config->unix_path ? LWS_SERVER_OPTION_UNIX_SOCK : 0),
        .timeout_secs = HEADER_TIMEOUT_S,
        .retry_and_idle_policy = &idle,
        .vhost_name = "default",
        .max_http_header_data = 8192,
        .fd_limit_per_thread = MAX_SOCKETS, /* more wait to be accepted */
    };
    if (config->unix_path != NULL && !unix_file_clear(config->unix_path, errp)) {
        error_prepend(errp, "-web: ");
        return false;
    }
    mode_t mask = config->unix_path ? umask(OWNER_UMASK) : 0;
    ws->context = lws_create_context(&info);
    if (config->unix_path != NULL) {
        umask(mask);
    }
    for (unsigned i = 0; ws->context == NULL && config->or_next && i < WEB_NEXT_PORTS;
         i++) {
        info.port++;
        ws->context = lws_create_context(&info);
    }
    if (ws->context == NULL) {
        error_set(errp,
                  "-web: cannot listen on %s%s%u: it is in use, or not an address of "
                  "this machine; choose another port",
                  info.iface, config->unix_path ? " " : " port ", config->port);
        return false;
    }
    if (config->unix_path != NULL &&
        !unix_file_keep(&ws->socket_file, config->unix_path, errp)) {
        error_prepend(errp, "-web: ");
        return false;
    }
    return true;
}

static bool has_page(const char *files, Error **errp) {
    char path[1024];
    snprintf(path, sizeof(path), "%s/index.html", files);
    if (access(path, R_OK) != 0) {
        error_set(errp, "-web: the console's page is not at '%s'; build it with 'make'",
                  path);
        return false;
    }
    return true;
}

static Auth *make_auth(const WebServer *ws, const WebConfig *config, Error **errp) {
    AuthConfig auth = {.token = config->token,
                       .viewer_token = config->viewer_token,
                       .port = (uint16_t)listening_port(ws)};
    memcpy(auth.host, config->host, sizeof(auth.host));
    auth.host_count = config->host_count;
    if (config->address != NULL && auth.host_count < AUTH_MAX_HOSTS) {
        auth.host[auth.host_count++] = config->address;
    }
    return auth_new(&auth, errp);
}

WebServer *web_server_new(Inspector *ins, const WebConfig *config, const char *files,
                          Error **errp) {
    if (!has_page(files, errp) ||
        !web_config_check_reach(config, config->token != NULL, errp)) {
        return NULL;
    }
    WebServer *ws = calloc(1, sizeof(*ws));
    assert(ws != NULL);
    ws->ins = ins;
    ws->base = strdup(config->base ? config->base : "");
    ws->files = strdup(files);
    ws->own_token = config->token != NULL;
    ws->csp = make_csp(config);
    lws_set_log_level(0, NULL);
    ws->auth = listen_on(ws, config, errp) ? make_auth(ws, config, errp) : NULL;
    if (ws->auth == NULL) {
        web_server_free(ws);
        return NULL;
    }
    if (config->or_next && listening_port(ws) != config->port) {
        ws->taken_port = config->port;
    }
    make_url(ws, config);
    int err = pthread_create(&ws->thread, NULL, serve, ws);
    if (err != 0) {
        error_set_errno(errp, err, "-web: cannot start a thread");
        web_server_free(ws);
        return NULL;
    }
    ws->thread_started = true;
    return ws;
}

void web_server_end(WebServer *ws) {
    __atomic_store_n(&ws->end, true, __ATOMIC_SEQ_CST);
    lws_cancel_service(ws->context);
}

void web_server_free(WebServer *ws) {
    if (ws == NULL) {
        return;
    }
    if (ws->thread_started) {
        web_server_end(ws);
        pthread_join(ws->thread, NULL);
    }
    web_ws_close_all(ws); /* or one would be woken while the context goes */
    if (ws->context != NULL) {
        lws_context_destroy(ws->context); /* closes what is open */
    }
    unix_file_remove(&ws->socket_file);
    auth_free(ws->auth);
    free(ws->url);
    free(ws->csp);
    free(ws->files);
    free(ws->base);
    free(ws);
}

const char *web_server_url(const WebServer *ws) {
    return ws->url;
}

Auth *web_server_auth(const WebServer *ws) {
    return ws->auth;
}

bool web_server_has_own_token(const WebServer *ws) {
    return ws->own_token;
}

unsigned web_server_client_count(const WebServer *ws) {
    return __atomic_load_n(&ws->session_count, __ATOMIC_RELAXED);
}

uint16_t web_server_taken_port(const WebServer *ws) {
    return ws->taken_port;
}
