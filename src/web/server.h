/* SPDX-License-Identifier: MIT */
/*
 * WebServer: the console's page and its WebSocket, on one origin, from a thread of its own.
 *
 *   browser --GET /--> files of the page          (http.c)
 *           --POST login--> cookie                (http.c, auth.c)
 *           --WebSocket ws--> InspectClient       (ws.c): JSON texts and binary frames, both ways
 *
 *   inspector thread --ready()--> pending flag, lws_cancel_service() --> WRITEABLE --> client_take()
 *
 * The server knows nothing of what it carries. What is to be sent is taken from the inspector when
 * the browser's socket takes it: a slow browser holds up nobody.
 *
 * Threads: web_server_new() and _free() by the owner; all else happens on the server's thread.
 * Book: chapter "The console's door".
 */
#ifndef VITRINE_WEB_SERVER_H
#define VITRINE_WEB_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "inspect/inspect.h"
#include "util/error.h"
#include "web/auth.h"

enum { WEB_MAX_CLIENTS = 32, WEB_DEFAULT_PORT = 8088 };

typedef struct WebConfig {
    const char *address;   /* to listen on: NULL: loopback */
    uint16_t port;         /* 0: any free one */
    const char *unix_path; /* instead of address and port */
    const char *base;      /* path before all others behind a proxy: "/vm1", or NULL */
    const char *frame_ancestors; /* who may embed the page, for its CSP; NULL: nobody */
    const char *token, *viewer_token;
    const char *host[AUTH_MAX_HOSTS]; /* names it goes by besides the loopback's */
    unsigned host_count;
    const char *files; /* directory of the page */
    bool own_token;    /* the user chose `token` */
} WebConfig;

typedef struct WebServer WebServer;

/* Parses the text of -web: "[ADDR:]PORT|unix:FILE[,token=T][,viewer-token=T][,base=PATH][,host=NAME]
 * [,frame-ancestors=ORIGIN]" into *config, whose strings point into *store (free() it after use).
 * Errors: no port, an unknown option, an address other than loopback without a token. */
bool web_config_parse(WebConfig *config, const char *text, char **store, Error **errp);

/* Listens and starts the thread. Errors: the address is taken; no page in `files`. */
WebServer *web_server_new(Inspector *ins, const WebConfig *config, Error **errp);
void web_server_free(WebServer *ws);
/* "http://127.0.0.1:8088/#t=TOKEN", or for a unix socket the token alone behind its path. */
const char *web_server_url(const WebServer *ws);

#endif
