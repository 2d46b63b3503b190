/* SPDX-License-Identifier: MIT */
/*
 * Inspector: answers questions about a running machine; this is the carriers' side.
 *
 *   carrier thread              inspector thread                     handler
 *   inspect_client_message() --queue--> parse, check, dispatch ----> inspect_tb_list() ...
 *   inspect_client_take() <---queue---- answer, events, frames <-----'
 *        ^-- sink.ready(): there is something to take
 *
 * One thread a machine executes the requests of all carriers one after another, each client in its
 * turn. A carrier pulls what is to be sent when its peer takes it, so a slow peer fills a queue here
 * and nothing else; what happens to a full queue is the client's affair (client.c). Requests whose
 * client has had its share of a running guest's time wait in their queue (budget.h).
 *
 * Threads: any, unless said otherwise. Locks: the inspector's own lock is a leaf; no function here
 * waits for the machine.
 * Book: protocol.md.
 */
#ifndef VITRINE_INSPECT_INSPECT_H
#define VITRINE_INSPECT_INSPECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/machine/machine.h"
#include "util/error.h"

typedef struct Inspector Inspector;
typedef struct InspectClient InspectClient;

typedef enum InspectRole {
    INSPECT_VIEWER,   /* may look */
    INSPECT_OPERATOR, /* may also change the machine */
} InspectRole;

/* Limits; each is named in the error or event that it causes. */
enum {
    INSPECT_MAX_MESSAGE = 1 << 20, /* bytes of a request */
    INSPECT_MAX_DEPTH = 32,        /* nesting of its JSON */
    INSPECT_MAX_BATCH = 32,        /* requests in an array */
    INSPECT_MAX_QUEUE = 64,        /* requests of a client that wait */
    INSPECT_MAX_QUEUE_BYTES = 4 << 20,
    INSPECT_MAX_ANSWER = 8 << 20, /* bytes of an answer */
    /* Bytes that wait to be taken before requests wait, too. */
    INSPECT_MAX_BACKLOG = 1 << 20,
    INSPECT_MAX_EVENTS = 4096,      /* events of a client that wait to be taken */
    INSPECT_MAX_SUBSCRIPTIONS = 32, /* of a client */
    INSPECT_MAX_CLIENTS = 64,
    INSPECT_STALL_SECONDS = 60, /* a client that takes nothing for so long is dropped */
};

/* Something to send: a JSON text, or a frame (frame.h) with its header. */
typedef struct InspectOut {
    bool frame;
    size_t len;
    char data[]; /* and a terminating zero that is not counted */
} InspectOut;

/* The carrier's end. */
typedef struct InspectSink {
    /* There is something to take, room in the queue again, or the client was dropped. Called with the
     * inspector's lock held: wakes the carrier and does nothing else. */
    void (*ready)(void *opaque);
    void *opaque;
} InspectSink;

/* Starts the inspector of a machine; the machine outlives it. */
Inspector *inspector_new(Machine *m, Error **errp);
/* The machine has ended: what it wrote last is told to subscribers. Returns then, or after so many
 * milliseconds. */
void inspector_settle(Inspector *ins, unsigned ms);
/* Ends the thread: requests that wait are dropped, jobs are run. Clients were freed before. */
void inspector_free(Inspector *ins);
Machine *inspector_machine(const Inspector *ins);
/* The machine's way back in time, which outlives the inspector; NULL (at first): there is none. Set
 * before there are clients. */
struct Travel;
void inspector_set_travel(Inspector *ins, struct Travel *travel);
struct Travel *inspector_travel(const Inspector *ins);

/* A client; NULL if there are INSPECT_MAX_CLIENTS. */
InspectClient *inspect_client_new(Inspector *ins, InspectRole role,
                                  const InspectSink *sink);
/* The peer is gone: what waits is dropped, sink.ready is not called any more. */
void inspect_client_free(InspectClient *client);
/* A message came in: JSON-RPC 2.0, one request or a batch. Copies text. False: the client was
 * dropped. */
bool inspect_client_message(InspectClient *client, const char *text, size_t len);
/* Answers in the place of a message that the carrier itself could not take (longer than
 * INSPECT_MAX_MESSAGE). */
void inspect_client_too_long(InspectClient *client);
/* True if one more message would not be refused for lack of room; sink.ready tells when that
 * changed. A carrier with flow control reads on only then. */
bool inspect_client_has_room(const InspectClient *client);
/* The next thing to send, or NULL. Owns: the caller frees it with free(). */
InspectOut *inspect_client_take(InspectClient *client);
/* True if nothing of the client's waits or is under way, in or out. */
bool inspect_client_is_idle(const InspectClient *client);
/* True if the carrier is to hang up: the client took nothing for too long. */
bool inspect_client_is_dropped(const InspectClient *client);

/* Runs fn(opaque) on the inspector's thread, soon and in order; it may use inspect_call(). */
void inspector_run(Inspector *ins, void (*fn)(void *opaque), void *opaque);
/* Calls a method, as a client of that role; for HMP and QMP. On the inspector's thread only. NULL:
 * *error is the JSON-RPC error object {code, message, data: {class, what, try}}. `params` may be
 * NULL and stays the caller's. Owns: the caller has the result, or *error. */
json_t *inspect_call(Inspector *ins, InspectRole role, const char *method,
                     const json_t *params, json_t **error);

/* True if somebody subscribed the event "domain.name"; else there is no need to make its data. Cost:
 * a load. */
bool inspect_wants(const Inspector *ins, const char *event);
/* Sends an event to its subscribers. Owns: takes data. */
void inspect_emit(Inspector *ins, const char *event, json_t *data);

#endif
