/* SPDX-License-Identifier: MIT */
/* Protocol: the rows of protocol.def as data. For src/inspect, and for who makes something else of them. */
#ifndef VITRINE_INSPECT_PROTOCOL_H
#define VITRINE_INSPECT_PROTOCOL_H

#include "inspect/inspect_call.h"
#include "inspect/signature.h"

/* The vocabulary's version: the first number grows when something is taken away or changed. */
#define PROTOCOL_VERSION "1.0"

typedef enum EventKind { EVENT_ALL, EVENT_LATEST, EVENT_SAMPLED } EventKind;

typedef struct InspectEvent {
    const char *domain, *name;
    EventKind kind;
    const char *fields, *text;
} InspectEvent;

enum { PROTOCOL_NAME_MAX = 64 };

/* Rows by number; NULL behind the last. */
const InspectMethod *protocol_method(unsigned index);
const InspectEvent *protocol_event(unsigned index);
/* By "domain.name"; NULL: unknown. */
const InspectMethod *protocol_find_method(const char *name);
/* Looks at no guest and changes none: may be called in the middle of a journey through the history. */
bool protocol_method_is_light(const InspectMethod *method);
/* The event's number, or -1. */
int protocol_find_event(const char *name);
/* The known name nearest to what was written, in `text`; false: none is near. */
bool protocol_nearest_method(const char *written, char text[PROTOCOL_NAME_MAX]);
bool protocol_nearest_event(const char *written, char text[PROTOCOL_NAME_MAX]);
const char *protocol_role_name(InspectRole role);
const char *protocol_kind_name(EventKind kind);
/* JSON Schema of all requests. Owns: the caller. */
json_t *protocol_schema(void);

enum {
#define METHOD(domain, verb, role, params, returns, text)
#define EVENT(domain, name, kind, fields, text) EVENT_##domain##_##name,
#include "inspect/protocol.def"
#undef METHOD
#undef EVENT
    EVENT_COUNT
};

#endif
