/* SPDX-License-Identifier: MIT */
/* Protocol: protocol.def as tables, look-up by name, and the schema made of them. */
#include "inspect/protocol.h"

#include <stdio.h>
#include <string.h>

#include "util/nearest.h"

#define METHOD(domain, verb, role, params, returns, text)                                \
    {#domain, #verb, INSPECT_##role, params, returns, text, inspect_##domain##_##verb},
#define EVENT(domain, name, kind, fields, text)
static const InspectMethod methods[] = {
#include "inspect/protocol.def"
};
#undef METHOD
#undef EVENT

#define METHOD(domain, verb, role, params, returns, text)
#define EVENT(domain, name, kind, fields, text)                                          \
    {#domain, #name, EVENT_##kind, fields, text},
static const InspectEvent events[] = {
#include "inspect/protocol.def"
};
#undef METHOD
#undef EVENT

enum { METHOD_COUNT = sizeof(methods) / sizeof(methods[0]) };

const InspectMethod *protocol_method(unsigned index) {
    return index < METHOD_COUNT ? &methods[index] : NULL;
}

const InspectEvent *protocol_event(unsigned index) {
    return index < EVENT_COUNT ? &events[index] : NULL;
}

static bool is_named(const char *name, const char *domain, const char *verb) {
    size_t len = strlen(domain);
    return strncmp(name, domain, len) == 0 && name[len] == '.' &&
           strcmp(name + len + 1, verb) == 0;
}

const InspectMethod *protocol_find_method(const char *name) {
    for (unsigned i = 0; i < METHOD_COUNT; i++) {
        if (is_named(name, methods[i].domain, methods[i].verb)) {
            return &methods[i];
        }
    }
    return NULL;
}

bool protocol_method_is_light(const InspectMethod *method) {
    static const char *const names[] = {
        "machine.status", "machine.version",  "machine.methods",    "machine.pauses",
        "machine.quit",   "events.subscribe", "events.unsubscribe", "log.get",
        "serial.list",    "serial.tail",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (is_named(names[i], method->domain, method->verb)) {
            return true;
        }
    }
    return false;
}

int protocol_find_event(const char *name) {
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        if (is_named(name, events[i].domain, events[i].name)) {
            return (int)i;
        }
    }
    return -1;
}

/* Offers "domain.name"; if it is the nearest so far it stands in `text` from here on. */
static void offer(Nearest *nearest, const char *domain, const char *verb,
                  char text[PROTOCOL_NAME_MAX]) {
    char name[PROTOCOL_NAME_MAX];
    unsigned before = nearest->best;
    snprintf(name, sizeof(name), "%s.%s", domain, verb);
    nearest_offer(nearest, name);
    if (nearest->best < before) {
        memcpy(text, name, sizeof(name));
    }
}

bool protocol_nearest_method(const char *written, char text[PROTOCOL_NAME_MAX]) {
    Nearest nearest;
    nearest_init(&nearest, written);
    for (unsigned i = 0; i < METHOD_COUNT; i++) {
        offer(&nearest, methods[i].domain, methods[i].verb, text);
    }
    return nearest.name != NULL;
}

bool protocol_nearest_event(const char *written, char text[PROTOCOL_NAME_MAX]) {
    Nearest nearest;
    nearest_init(&nearest, written);
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        offer(&nearest, events[i].domain, events[i].name, text);
    }
    return nearest.name != NULL;
}

const char *protocol_role_name(InspectRole role) {
    return role == INSPECT_VIEWER ? "viewer" : "operator";
}

const char *protocol_kind_name(EventKind kind) {
    static const char *const names[] = {"all", "latest", "sampled"};
    return names[kind];
}

json_t *protocol_schema(void) {
    json_t *requests = json_array();
    for (unsigned i = 0; i < METHOD_COUNT; i++) {
        Signature sig;
        char name[PROTOCOL_NAME_MAX];
        if (!signature_parse(&sig, methods[i].params)) {
            continue;
        }
        snprintf(name, sizeof(name), "%s.%s", methods[i].domain, methods[i].verb);
        json_array_append_new(
            requests,
            json_pack("{s:s, s:s, s:s, s:{s:{s:s}, s:{s:s}, s:o}, s:[s,s]}", "title",
                      name, "description", methods[i].text, "role",
                      protocol_role_name(methods[i].role), "properties", "jsonrpc",
                      "const", "2.0", "method", "const", name, "params",
                      signature_schema(&sig), "required", "jsonrpc", "method"));
    }
    return json_pack("{s:s, s:s, s:s, s:o}", "$schema",
                     "https://json-schema.org/draft/2020-12/schema", "title",
                     "Requests of Vitrine's inspector", "version", PROTOCOL_VERSION,
                     "oneOf", requests);
}
