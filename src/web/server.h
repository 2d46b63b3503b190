/* SPDX-License-Identifier: MIT */
/*
 * WebServer: the console's page and its WebSocket, on one origin, from a thread of its own.
 *
 *   browser --GET /--> files of the page          (http.c)
 *           --POST login--> cookie                (http.c, auth.c)
 *           --WebSocket ws--> InspectClient       (ws.c): JSON texts and binary frames, both ways
 *
 *   inspector thread --ready()--> pending flag, lws_cancel_service() --> WRITEABLE --> send_one() of ws.c
 *
 * The server knows nothing of what it carries. What is to be sent is taken from the inspector when
 * the browser's socket takes it: a slow browser holds up nobody.
 *
 * Threads: web_server_new() and _free() by the owner; all else happens on the server's thread.
 * Book: consoles-door.md.
 */
#ifndef VITRINE_WEB_SERVER_H
#define VITRINE_WEB_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "inspect/inspect.h"
#include "util/error.h"
#include "web/auth.h"
#include "web/config.h"

enum { WEB_MAX_CLIENTS = 32 };

typedef struct WebServer WebServer;

/* Listens and starts the thread. Errors: the address is taken, or reached from other machines without
 * a token of the user's; no page in `files`. */
WebServer *web_server_new(Inspector *ins, const WebConfig *config, const char *files,
                          Error **errp);
/* The machine has ended: all get what waits for them, and a Close that says why. web_server_free() waits for
 * that, 200 ms at the most. */
void web_server_end(WebServer *ws);
void web_server_free(WebServer *ws);
/* "http://127.0.0.1:8088/#t=TOKEN", or for a unix socket the token alone behind its path. */
const char *web_server_url(const WebServer *ws);
/* The first port that PORT+ named if that was taken; else 0. */
uint16_t web_server_taken_port(const WebServer *ws);
/* Of whom it lets in; as long as the server lives. */
Auth *web_server_auth(const WebServer *ws);
/* The user chose its token. */
bool web_server_has_own_token(const WebServer *ws);
/* WebSockets that are open. Threads: any. */
unsigned web_server_client_count(const WebServer *ws);

#endif
