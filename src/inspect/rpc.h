/* SPDX-License-Identifier: MIT */
/*
 * Rpc: the carrier of `-rpc`: JSON-RPC 2.0 for scripts and tests, one message a line.
 *
 *   client --> {"jsonrpc":"2.0","id":1,"method":"machine.status"}\n
 *   client <-- {"jsonrpc":"2.0","result":{...},"id":1}\n
 *   client <-- #1056\n and 1056 bytes: a frame (frame.h), header included
 *
 * Each carrier has a thread of its own around poll(): a client that floods keeps that busy, not the
 * machine.
 */
#ifndef VITRINE_INSPECT_RPC_H
#define VITRINE_INSPECT_RPC_H

#include "inspect/inspect.h"

typedef struct Rpc Rpc;

enum { RPC_MAX_CLIENTS = 16 };

/* Looks at "stdio", "unix:PATH" or "tcp:HOST:PORT" without opening it. Errors: another kind, a host
 * that is not this one: there is no password here. */
bool rpc_check(const char *spec, Error **errp);
/* Opens it and serves it. A socket file has mode 0600; an old one without a server is replaced.
 * Errors: as above; the port or path is taken; stdin and stdout belong to a serial line. */
Rpc *rpc_new(Inspector *ins, const char *spec, Error **errp);
/* The machine has ended: sends what waits, as far as peers take it in 200 ms. rpc_free() waits for that. */
void rpc_end(Rpc *rpc);
void rpc_free(Rpc *rpc);

#endif
