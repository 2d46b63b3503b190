/* SPDX-License-Identifier: MIT */
/*
 * ApiServer: -api, HTTP for scripts, on a port of its own.
 *
 *   curl -H "Authorization: Bearer TOKEN" http://127.0.0.1:9090/...
 *     health                    is the server there? (needs no token)
 *     metrics                   numbers, as Prometheus reads them
 *     api/v1                    what there is
 *     api/v1/cpu/regs?cpu=0     GET: a method that only looks; POST with a JSON object: any method
 *     api/v1/snapshots/NAME     GET, PUT, DELETE: files of -snapdir; images/NAME likewise
 *
 *   connection = thread = InspectClient: what a script costs the guest is charged to it alone
 *
 * Threads: api_server_new() and _free() by the owner; a connection's own thread for all else.
 * Book: consoles-door.md.
 */
#ifndef VITRINE_WEB_API_H
#define VITRINE_WEB_API_H

#include "inspect/inspect.h"
#include "util/error.h"
#include "web/config.h"
#include "web/server.h"

enum {
    API_MAX_CLIENTS = 16, /* one more takes the place of the one that is quiet longest */
    API_QUIET_SECONDS = 20,    /* a connection without a byte for so long is closed */
    API_PATIENCE_SECONDS = 60, /* for an answer of the inspector's */
};
#define API_MAX_UPLOAD (UINT64_C(16) << 30)

typedef struct ApiServer ApiServer;

/* Listens and starts the threads. With `web` (may be NULL) both let in the same; else tokens are made as
 * the config says. Errors: the address is taken, or reached from other machines without a token of
 * the user's; tokens here and there. */
ApiServer *api_server_new(Inspector *ins, const WebConfig *config, WebServer *web,
                          Error **errp);
void api_server_free(ApiServer *api);
/* "http://127.0.0.1:9090", or "unix:FILE". */
const char *api_server_url(const ApiServer *api);
/* The token, if it is not that of -web; else NULL. */
const char *api_server_token(const ApiServer *api);

#endif
