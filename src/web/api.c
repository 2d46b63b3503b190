/* SPDX-License-Identifier: MIT */
/*
 * ApiServer: connections, who may come, which way a request goes.
 *
 *   accept --> room? --> headers --> Host, Origin, token? --> body --> way --> answer
 *                '-- a quiet connection makes room: half-open ones cannot keep others out
 *
 * Threads: libmicrohttpd's, one a connection, and one that accepts. Only a bearer token lets in: a
 * cookie would come from any page that is open in the user's browser.
 */
#include "web/api.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "web/api_int.h"

enum { CONNECTION_MEMORY = 64 * 1024, BACKLOG = 16, SOCKET_MODE = 0600 };

/* --- connections -------------------------------------------------------------------- */

/* Has the connection that is quiet longest end. False: all are at work. */
static bool make_room_locked(ApiServer *api) {
    ApiPeer *quiet = NULL;
    for (ApiPeer *p = api->peers; p != NULL; p = p->next) {
        if (!p->busy && (quiet == NULL || p->quiet_since_ms < quiet->quiet_since_ms)) {
            quiet = p;
        }
    }
    if (quiet == NULL) {
        return false;
    }
    shutdown(quiet->fd, SHUT_RDWR);
    quiet->quiet_since_ms = INT64_MAX; /* it goes already: another one next time */
    return true;
}

static ApiResult may_connect(void *opaque, const struct sockaddr *addr, socklen_t len) {
    ApiServer *api = opaque;
    (void)addr;
    (void)len;
    pthread_mutex_lock(&api->lock);
    bool room = api->peer_count < API_MAX_CLIENTS || make_room_locked(api);
    pthread_mutex_unlock(&api->lock);
    if (!room) {
        auth_log_refusal(api->auth, inspector_machine(api->ins)->log, api_now_ms(),
                         "-api", NULL, "there are too many clients");
    }
    return room ? MHD_YES : MHD_NO;
}

static void note_address(ApiPeer *peer, struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *at = info ? info->client_addr : NULL;
    const void *address = NULL;
    if (at != NULL && at->sa_family == AF_INET) {
        address = &((const struct sockaddr_in *)at)->sin_addr;
    } else if (at != NULL && at->sa_family == AF_INET6) {
        address = &((const struct sockaddr_in6 *)at)->sin6_addr;
    }
    if (address != NULL) {
        inet_ntop(at->sa_family, address, peer->address, sizeof(peer->address));
    }
}

static void open_peer(ApiServer *api, struct MHD_Connection *connection, void **where) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    ApiPeer *peer = calloc(1, sizeof(*peer));
    assert(peer != NULL);
    peer->server = api;
    peer->fd = info->connect_fd;
    note_address(peer, connection);
    peer->quiet_since_ms = api_now_ms();
    pthread_mutex_lock(&api->lock);
    peer->next = api->peers;
    api->peers = peer;
    api->peer_count++;
    pthread_mutex_unlock(&api->lock);
    *where = peer;
}

static void close_peer(ApiServer *api, ApiPeer *peer) {
    if (peer == NULL) {
        return;
    }
    inspect_client_free(peer->client); /* after that it wakes nobody */
    pthread_mutex_lock(&api->lock);
    ApiPeer **p = &api->peers;
    while (*p != peer) {
        p = &(*p)->next;
    }
    *p = peer->next;
    api->peer_count--;
    pthread_mutex_unlock(&api->lock);
    free(peer);
}

static void connection_changed(void *opaque, struct MHD_Connection *connection,
                               void **where, enum MHD_ConnectionNotificationCode what) {
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        open_peer(opaque, connection, where);
    } else {
        close_peer(opaque, *where);
        *where = NULL;
    }
}

static void set_busy(ApiPeer *peer, bool busy) {
    pthread_mutex_lock(&peer->server->lock);
    peer->busy = busy;
    peer->quiet_since_ms = api_now_ms();
    pthread_mutex_unlock(&peer->server->lock);
}

/* --- requests ----------------------------------------------------------------------- */

static ApiVerb verb_of(const char *method) {
    static const struct {
        const char *name;
        ApiVerb verb;
    } rows[] = {{"GET", API_GET},
                {"HEAD", API_GET},
                {"POST", API_POST},
                {"PUT", API_PUT},
                {"DELETE", API_DELETE}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(method, rows[i].name) == 0) {
            return rows[i].verb;
        }
    }
    return API_OTHER;
}

static const char *header(const ApiRequest *req, const char *name) {
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

static AuthRefusal check(ApiRequest *req) {
    const char *peer = req->peer->address[0] ? req->peer->address : NULL;
    const AuthRequest request = {.peer = peer,
                                 .host = header(req, "Host"),
                                 .origin = header(req, "Origin"),
                                 .authorization = header(req, "Authorization")};
    AuthRefusal why;
    req->role = auth_check(req->peer->server->auth, &request, api_now_ms(), &why);
    bool open_to_all = strcmp(req->path, "/health") == 0 && req->verb == API_GET;
    return why == AUTH_NO_TOKEN && open_to_all ? AUTH_OK : why;
}

static ApiResult refuse(ApiRequest *req, AuthRefusal why) {
    return api_send_error(req, auth_refusal_status(why), "forbidden",
                          auth_refusal_text(why),
                          "send the header Authorization: Bearer TOKEN with the token "
                          "that the emulator printed, or that token= gave");
}

static ApiResult health(ApiRequest *req) {
    json_t *answer = json_pack("{s:s}", "status", "ok");
    json_t *machine =
        req->role == AUTH_NOBODY ? NULL : api_query(req, "machine.status", NULL);
    if (machine != NULL) {
        json_object_set_new(answer, "machine", machine);
    }
    return api_send_json(req, MHD_HTTP_OK, answer);
}

static ApiResult go(ApiRequest *req) {
    static const char api_v1[] = "/api/v1";
    if (strcmp(req->path, "/health") == 0 && req->verb == API_GET) {
        return health(req);
    }
    if (strcmp(req->path, "/metrics") == 0 && req->verb == API_GET) {
        return api_metrics(req);
    }
    size_t n = strlen(api_v1);
    if (strncmp(req->path, api_v1, n) != 0 ||
        (req->path[n] != '\0' && req->path[n] != '/')) {
        return api_send_error(req, MHD_HTTP_NOT_FOUND, "not-found",
                              "there is nothing of that name",
                              "GET /health, /metrics or /api/v1");
    }
    const char *rest = req->path + n;
    rest += rest[0] == '/';
    if (rest[0] == '\0') {
        return api_index(req);
    }
    return api_is_file(rest) ? api_files(req, rest) : api_rest(req, rest);
}

static bool add_body(ApiRequest *req, const char *data, size_t len) {
    if (req->body_len + len > INSPECT_MAX_MESSAGE) {
        req->too_long = true; /* the rest is thrown away, up to a limit */
        req->body_len += len;
        return req->body_len <= 2 * INSPECT_MAX_MESSAGE;
    }
    char *body = realloc(req->body, req->body_len + len);
    if (body == NULL) {
        return false;
    }
    req->body = body;
    memcpy(req->body + req->body_len, data, len);
    req->body_len += len;
    return true;
}

/* The headers are there. */
static ApiResult begin_request(ApiServer *api, struct MHD_Connection *connection,
                               const char *path, const char *method, void **where) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    ApiRequest *req = calloc(1, sizeof(*req));
    (void)api;
    if (req == NULL) {
        return MHD_NO;
    }
    *where = req;
    req->peer = info->socket_context;
    req->connection = connection;
    req->verb = verb_of(method);
    req->path = path;
    req->upload.fd = -1;
    AuthRefusal why = check(req);
    if (why != AUTH_OK) {
        return refuse(req, why);
    }
    set_busy(req->peer, true);
    if (req->verb == API_PUT) {
        api_upload_begin(req, path);
        if (req->upload.status != 0) {
            return go(req); /* says so without the bytes */
        }
    }
    return MHD_YES;
}

static ApiResult handle(void *opaque, struct MHD_Connection *connection, const char *path,
                        const char *method, const char *version, const char *data,
                        size_t *data_len, void **where) {
    ApiRequest *req = *where;
    (void)version;
    if (req == NULL) {
        return begin_request(opaque, connection, path, method, where);
    }
    req->path = path;
    if (*data_len > 0) {
        bool ok = true;
        if (req->verb == API_PUT) {
            api_upload_add(req, data, *data_len);
        } else {
            ok = add_body(req, data, *data_len);
        }
        *data_len = 0;
        return ok ? MHD_YES : MHD_NO;
    }
    if (req->too_long) {
        return api_send_error(req, MHD_HTTP_CONTENT_TOO_LARGE, "limit",
                              "a body of more than 1 MiB, the limit",
                              "ask for less at a time");
    }
    return go(req);
}

static void request_ended(void *opaque, struct MHD_Connection *connection, void **where,
                          enum MHD_RequestTerminationCode why) {
    ApiRequest *req = *where;
    (void)opaque;
    (void)connection;
    (void)why;
    if (req == NULL) {
        return;
    }
    api_upload_drop(req);
    set_busy(req->peer, false);
    free(req->body);
    free(req);
    *where = NULL;
}

/* --- life --------------------------------------------------------------------------- */

static int open_unix(ApiServer *api, const WebConfig *config, Error **errp) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (!unix_file_clear(config->unix_path, errp)) {
        return -1;
    }
    strcpy(at.sun_path, config->unix_path); /* it was looked at, how long it is */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && fchmod(fd, SOCKET_MODE) == 0 && /* bind() makes the file so */
              bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;
    if (!ok) {
        error_set_errno(errp, errno, "cannot listen on %s", config->unix_path);
    }
    ok = ok && unix_file_keep(&api->socket_file, config->unix_path, errp);
    if (ok && listen(fd, BACKLOG) < 0) {
        error_set_errno(errp, errno, "cannot listen on %s", config->unix_path);
        ok = false;
    }
    if (!ok && fd >= 0) {
        close(fd);
    }
    return ok ? fd : -1;
}

/* Address and port as a socket address; its length, or 0. */
static socklen_t socket_address(const WebConfig *config, uint16_t port,
                                struct sockaddr_storage *at) {
    const char *text = config->address && strcmp(config->address, "localhost") != 0
                           ? config->address
                           : "127.0.0.1";
    struct sockaddr_in *v4 = (struct sockaddr_in *)at;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)at;
    memset(at, 0, sizeof(*at));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof(*v4);
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        return sizeof(*v6);
    }
    return 0;
}

static int try_port(const WebConfig *config, uint16_t port) {
    struct sockaddr_storage at;
    socklen_t len = socket_address(config, port, &at);
    int on = 1, fd = len ? socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&at, len) < 0 || listen(fd, BACKLOG) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_port(const WebConfig *config, Error **errp) {
    int fd = try_port(config, config->port);
    for (unsigned i = 1; fd < 0 && config->or_next && i <= WEB_NEXT_PORTS; i++) {
        fd = try_port(config, (uint16_t)(config->port + i));
    }
    if (fd < 0) {
        error_set(errp,
                  "-api: cannot listen on %s port %u: it is in use, or not an address of "
                  "this machine; choose another port",
                  config->address ? config->address : "127.0.0.1", config->port);
    }
    return fd;
}

static bool make_url(ApiServer *api, const WebConfig *config) {
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof(at);
    if (config->unix_path != NULL) {
        return asprintf(&api->url, "unix:%s", config->unix_path) > 0;
    }
    getsockname(api->listen_fd, (struct sockaddr *)&at, &len);
    unsigned port =
        ntohs(at.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&at)->sin6_port
                                       : ((const struct sockaddr_in *)&at)->sin_port);
    const char *host = config->address ? config->address : "127.0.0.1";
    bool v6 = strchr(host, ':') != NULL;
    return asprintf(&api->url, "http://%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "",
                    port) > 0;
}

static bool make_auth(ApiServer *api, const WebConfig *config, Error **errp) {
    bool tokens = config->token != NULL || config->viewer_token != NULL;
    if (api->web != NULL && tokens) {
        error_set(errp, "-api: -web and -api let in the same; give tokens to -web");
        return false;
    }
    AuthConfig auth = {.token = config->token, .viewer_token = config->viewer_token};
    if (api->web == NULL) {
        api->own_auth = auth_new(&auth, errp);
        if (api->own_auth == NULL) {
            return false;
        }
    }
    api->auth = api->own_auth ? api->own_auth : web_server_auth(api->web);
    bool own_token = api->web ? web_server_has_own_token(api->web) : tokens;
    bool ok = web_config_check_reach(config, own_token, errp);
    for (unsigned i = 0; ok && i < config->host_count; i++) {
        auth_add_host(api->auth, config->host[i]);
    }
    if (ok && config->address != NULL) {
        auth_add_host(api->auth, config->address);
    }
    return ok;
}

static bool start(ApiServer *api, Error **errp) {
    const unsigned flags = MHD_USE_THREAD_PER_CONNECTION |
                           MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC;
    api->daemon = MHD_start_daemon(
        flags, 0, may_connect, api, handle, api, MHD_OPTION_LISTEN_SOCKET, api->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, 2u * API_MAX_CLIENTS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)API_QUIET_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changed, api,
        MHD_OPTION_NOTIFY_COMPLETED, request_ended, api, MHD_OPTION_END);
    if (api->daemon == NULL) {
        error_set(errp, "-api: cannot start its threads");
        return false;
    }
    return true;
}

ApiServer *api_server_new(Inspector *ins, const WebConfig *config, WebServer *web,
                          Error **errp) {
    ApiServer *api = calloc(1, sizeof(*api));
    pthread_condattr_t attr;
    assert(api != NULL);
    api->ins = ins;
    api->web = web;
    api->listen_fd = -1;
    pthread_mutex_init(&api->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&api->wake, &attr);
    pthread_condattr_destroy(&attr);
    bool ok = make_auth(api, config, errp);
    if (ok) {
        api->listen_fd =
            config->unix_path ? open_unix(api, config, errp) : open_port(config, errp);
        ok = api->listen_fd >= 0;
        if (!ok && config->unix_path != NULL) {
            error_prepend(errp, "-api: ");
        }
    }
    if (!ok || !make_url(api, config) || !start(api, errp)) {
        api_server_free(api);
        return NULL;
    }
    return api;
}

void api_server_free(ApiServer *api) {
    if (api == NULL) {
        return;
    }
    pthread_mutex_lock(&api->lock);
    api->quit = true;
    pthread_cond_broadcast(&api->wake);
    pthread_mutex_unlock(&api->lock);
    if (api->daemon != NULL) {
        MHD_stop_daemon(api->daemon); /* closes the socket, too */
    } else if (api->listen_fd >= 0) {
        close(api->listen_fd);
    }
    unix_file_remove(&api->socket_file);
    auth_free(api->own_auth);
    pthread_cond_destroy(&api->wake);
    pthread_mutex_destroy(&api->lock);
    free(api->url);
    free(api);
}

const char *api_server_url(const ApiServer *api) {
    return api->url;
}

const char *api_server_token(const ApiServer *api) {
    return api->own_auth ? auth_token(api->own_auth) : NULL;
}
