/* SPDX-License-Identifier: MIT */
/*
 * query-qmp-schema: the rows of qmp.def as SchemaInfo objects.
 *
 *   QMP(...)  --> meta-type command, and an object for its arguments ("stop-args")
 *   TYPE(...) --> meta-type object;  ENUM(...) --> enum;  events --> meta-type event
 *   [type]    --> meta-type array
 *
 * Names of types are not masked, as they are in QEMU: by its documents they mean nothing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/qmp_call.h"

enum { MAX_NAME = 64 };

static const char empty_type[] = "q_empty";

static const struct {
    const char *name, *members;
} types[] = {
#define QMP(name, handler, args, returns, help)
#define TYPE(name, members) {#name, members},
#define ENUM(name, values)
#include "monitor/qmp.def"
#undef TYPE
#undef ENUM
};

static const struct {
    const char *name, *values;
} enums[] = {
#define TYPE(name, members)
#define ENUM(name, values) {#name, values},
#include "monitor/qmp.def"
#undef TYPE
#undef ENUM
#undef QMP
};

static const char *const events[] = {"SHUTDOWN", "RESET", "STOP", "RESUME", "POWERDOWN"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void add(json_t *list, json_t *item) {
    assert(item);
    json_array_append_new(list, item);
}

static bool is_listed(const json_t *list, const char *name) {
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        if (!strcmp(json_string_value(json_object_get(item, "name")), name)) {
            return true;
        }
    }
    return false;
}

/* "[str]" is a type that must be described, too. */
static void add_array_type(json_t *list, const char *type) {
    char element[MAX_NAME];
    size_t len = strlen(type);
    if (type[0] != '[' || is_listed(list, type)) {
        return;
    }
    assert(len < sizeof(element));
    memcpy(element, type + 1, len - 2);
    element[len - 2] = '\0';
    add(list, json_pack("{s:s, s:s, s:s}", "name", type, "element-type", element,
                        "meta-type", "array"));
}

/* "name?:type other:type" as members of an object. */
static void add_object(json_t *list, const char *name, const char *text) {
    json_t *members = json_array();
    char *copy = strdup(text), *rest = NULL;
    assert(copy);
    for (char *m = strtok_r(copy, " ", &rest); m; m = strtok_r(NULL, " ", &rest)) {
        char *type = strchr(m, ':');
        if (!type) {
            continue; /* "*" */
        }
        bool optional = type > m && type[-1] == '?';
        *type++ = '\0';
        m[strcspn(m, "?")] = '\0';
        json_t *member = json_pack("{s:s, s:s}", "name", m, "type", type);
        if (optional) {
            json_object_set_new(member, "default", json_null());
        }
        add(members, member);
        add_array_type(list, type);
    }
    free(copy);
    add(list, json_pack("{s:s, s:o, s:s}", "name", name, "members", members, "meta-type",
                        "object"));
}

static void add_command(json_t *list, const QmpCommand *row) {
    char args[MAX_NAME];
    const char *returns = row->returns[0] ? row->returns : empty_type;
    snprintf(args, sizeof(args), "%s-args", row->name);
    const char *arg_type = row->args[0] ? args : empty_type;
    add(list, json_pack("{s:s, s:s, s:s, s:s}", "name", row->name, "ret-type", returns,
                        "meta-type", "command", "arg-type", arg_type));
    if (row->args[0]) {
        add_object(list, args, row->args);
    }
    add_array_type(list, returns);
}

static void add_enum(json_t *list, const char *name, const char *text) {
    json_t *values = json_array(), *members = json_array();
    char *copy = strdup(text), *rest = NULL;
    assert(copy);
    for (char *v = strtok_r(copy, " ", &rest); v; v = strtok_r(NULL, " ", &rest)) {
        add(values, json_string(v));
        add(members, json_pack("{s:s}", "name", v));
    }
    free(copy);
    add(list, json_pack("{s:s, s:o, s:o, s:s}", "name", name, "values", values, "members",
                        members, "meta-type", "enum"));
}

static void add_builtin(json_t *list, const char *name, const char *json_type) {
    add(list, json_pack("{s:s, s:s, s:s}", "name", name, "json-type", json_type,
                        "meta-type", "builtin"));
}

/* A type with an event's name is the event's data. */
static bool is_event(const char *name) {
    for (unsigned i = 0; i < COUNT(events); i++) {
        if (!strcmp(events[i], name)) {
            return true;
        }
    }
    return false;
}

static bool has_data(const char *event) {
    for (unsigned i = 0; i < COUNT(types); i++) {
        if (!strcmp(types[i].name, event)) {
            return true;
        }
    }
    return false;
}

json_t *qmp_query_schema(QmpCall *call) {
    json_t *list = json_array();
    (void)call;
    for (unsigned i = 0; qmp_command(i); i++) {
        add_command(list, qmp_command(i));
    }
    for (unsigned i = 0; i < COUNT(types); i++) {
        char name[MAX_NAME];
        snprintf(name, sizeof(name), "%s%s", types[i].name,
                 is_event(types[i].name) ? "-data" : "");
        add_object(list, name, types[i].members);
    }
    for (unsigned i = 0; i < COUNT(enums); i++) {
        add_enum(list, enums[i].name, enums[i].values);
    }
    for (unsigned i = 0; i < COUNT(events); i++) {
        char data[MAX_NAME];
        snprintf(data, sizeof(data), "%s-data", events[i]);
        add(list, json_pack("{s:s, s:s, s:s}", "name", events[i], "meta-type", "event",
                            "arg-type", has_data(events[i]) ? data : empty_type));
    }
    add_object(list, empty_type, "");
    add_builtin(list, "str", "string");
    add_builtin(list, "int", "int");
    add_builtin(list, "bool", "boolean");
    add_builtin(list, "any", "value");
    return list;
}
