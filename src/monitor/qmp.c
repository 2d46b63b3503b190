/* SPDX-License-Identifier: MIT */
/* Qmp: sessions, and the way of a message from its checks to its answer. See qmp.h. */
#include "monitor/qmp.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/qmp_call.h"
#include "monitor/qmp_stream.h"
#include "monitor/session.h"

#define QMP(name, handler, args, returns, help) {name, handler, args, returns, help},
#define TYPE(name, members)
#define ENUM(name, values)
static const QmpCommand commands[] = {
#include "monitor/qmp.def"
};
#undef QMP
#undef TYPE
#undef ENUM

enum {
    COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]),
    READ_SIZE = 4096,
    MAX_MEMBER = 64,
    PRETTY_INDENT = 4,
};

struct Qmp {
    QmpEvents *events;
    Inspector *inspector;
    Session *session;
    QmpQueue *queue;
    bool pretty;
    /* session's thread */
    QmpStream stream;
    Hmp hmp;
    bool negotiated;
};

const QmpCommand *qmp_command(unsigned index) {
    return index < COMMAND_COUNT ? &commands[index] : NULL;
}

static const QmpCommand *find_command(const char *name) {
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        if (!strcmp(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

json_t *qmp_fail(QmpCall *call, const char *error_class, const char *fmt, ...) {
    va_list ap;
    free(call->error);
    call->error = NULL;
    call->error_class = error_class;
    va_start(ap, fmt);
    if (vasprintf(&call->error, fmt, ap) < 0) {
        call->error = NULL;
    }
    va_end(ap);
    return NULL;
}

const char *qmp_string(const QmpCall *call, const char *name) {
    return json_string_value(json_object_get(call->arguments, name));
}

/* --- checks ------------------------------------------------------------------------------------- */

static bool check_type(const json_t *value, const char *type, const char **wanted) {
    if (*type == '[') {
        *wanted = "array";
        return json_is_array(value);
    }
    if (!strncmp(type, "str", 3)) {
        *wanted = "string";
        return json_is_string(value);
    }
    if (!strncmp(type, "int", 3)) {
        *wanted = "integer";
        return json_is_integer(value);
    }
    *wanted = "boolean";
    return json_is_boolean(value);
}

/* One "name?:type" of a row's args; *p moves behind it. */
static bool check_argument(QmpCall *call, const char **p) {
    char name[MAX_MEMBER];
    size_t len = strcspn(*p, "?:");
    assert(len < sizeof(name));
    memcpy(name, *p, len);
    name[len] = '\0';
    bool optional = (*p)[len] == '?';
    const char *type = *p + len + optional + 1, *wanted;
    *p = type + strcspn(type, " ");
    *p += **p == ' ';
    const json_t *value = json_object_get(call->arguments, name);
    if (!value && !optional) {
        qmp_fail(call, "GenericError", "Parameter '%s' is missing", name);
        return false;
    }
    if (value && !check_type(value, type, &wanted)) {
        qmp_fail(call, "GenericError", "Invalid parameter type for '%s', expected: %s",
                 name, wanted);
        return false;
    }
    return true;
}

static bool names_argument(const char *args, const char *name) {
    size_t len = strlen(name);
    for (const char *p = args; *p;) {
        size_t n = strcspn(p, "?: ");
        if (*p == '*' || (n == len && !memcmp(p, name, len))) {
            return true;
        }
        p += strcspn(p, " ");
        p += *p == ' ';
    }
    return false;
}

static bool check_arguments(QmpCall *call, const QmpCommand *row) {
    const char *name;
    json_t *value;
    for (const char *p = row->args; *p && *p != '*';) {
        if (!check_argument(call, &p)) {
            return false;
        }
    }
    json_object_foreach(call->arguments, name, value) {
        if (!names_argument(row->args, name)) {
            qmp_fail(call, "GenericError", "Parameter '%s' is unexpected", name);
            return false;
        }
    }
    return true;
}

/* The command's name, or NULL after a failure. */
static const char *check_request(QmpCall *call, const json_t *request) {
    static const char generic[] = "GenericError";
    const char *name, *command = NULL;
    json_t *value;
    if (!json_is_object(request)) {
        qmp_fail(call, generic, "QMP input must be a JSON object");
        return NULL;
    }
    json_object_foreach((json_t *)request, name, value) {
        if (!strcmp(name, "execute")) {
            command = json_string_value(value);
            if (!command) {
                qmp_fail(call, generic, "QMP input member 'execute' must be a string");
                return NULL;
            }
        } else if (!strcmp(name, "arguments")) {
            if (!json_is_object(value)) {
                qmp_fail(call, generic, "QMP input member 'arguments' must be an object");
                return NULL;
            }
        } else if (strcmp(name, "id") != 0) {
            qmp_fail(call, generic, "QMP input member '%s' is unexpected", name);
            return NULL;
        }
    }
    if (!command) {
        qmp_fail(call, generic, "QMP input lacks member 'execute'");
    }
    return command;
}

static bool check_mode(QmpCall *call, const QmpCommand *row) {
    bool is_negotiation = row && row->handler == qmp_capabilities;
    if (is_negotiation && *call->negotiated) {
        qmp_fail(call, "CommandNotFound",
                 "Capabilities negotiation is already complete, command ignored");
        return false;
    }
    if (!is_negotiation && !*call->negotiated) {
        qmp_fail(call, "CommandNotFound",
                 "Expecting capabilities negotiation with 'qmp_capabilities'");
        return false;
    }
    return true;
}

static json_t *run_command(QmpCall *call, const json_t *request) {
    const char *name = check_request(call, request);
    if (!name) {
        return NULL;
    }
    const QmpCommand *row = find_command(name);
    if (!check_mode(call, row)) {
        return NULL;
    }
    if (!row) {
        return qmp_fail(call, "CommandNotFound", "The command %s has not been found",
                        name);
    }
    json_t *given = json_object_get(request, "arguments");
    call->arguments = given ? json_incref(given) : json_object();
    json_t *result = check_arguments(call, row) ? row->handler(call) : NULL;
    json_decref(call->arguments);
    call->arguments = NULL;
    return result;
}

static json_t *error_answer(const char *error_class, const char *what) {
    json_t *desc = json_string(what ? what : "it failed");
    return json_pack("{s:{s:s, s:o}}", "error", "class", error_class, "desc",
                     desc ? desc : json_string("it failed"));
}

json_t *qmp_dispatch(QmpCall *call, json_t *request) {
    json_t *result = run_command(call, request);
    json_t *answer = result ? json_pack("{s:o}", "return", result)
                            : error_answer(call->error_class, call->error);
    json_t *id = json_object_get(request, "id");
    if (id) {
        json_object_set(answer, "id", id);
    }
    free(call->error);
    call->error = NULL;
    json_decref(request);
    return answer;
}

/* --- a session ------------------------------------------------------------------------------------ */

/* Owns: takes value. */
static void send_json(Qmp *q, json_t *value) {
    char *text = json_dumps(value, q->pretty ? JSON_INDENT(PRETTY_INDENT) : 0);
    assert(text);
    size_t len = strlen(text);
    char *line = realloc(text, len + 3);
    assert(line);
    memcpy(line + len, "\r\n", 2);
    session_write(q->session, line, len + 2);
    free(line);
    json_decref(value);
}

static void send_events(Qmp *q) {
    json_t *event;
    if (!q->negotiated) {
        qmp_queue_clear(q->queue);
        return;
    }
    while ((event = qmp_queue_take(q->queue)) != NULL) {
        send_json(q, event);
    }
}

static void handle_message(void *opaque, json_t *request, const char *error) {
    Qmp *q = opaque;
    if (!request) {
        send_json(q, error_answer("GenericError", error));
        return;
    }
    QmpCall call = {.m = qmp_events_machine(q->events),
                    .inspector = q->inspector,
                    .hmp = &q->hmp,
                    .negotiated = &q->negotiated};
    json_t *answer = qmp_dispatch(&call, request);
    send_events(q); /* what the command caused is told before it is answered */
    send_json(q, answer);
}

static void greet(Qmp *q) {
    QmpCall call = {.m = qmp_events_machine(q->events)};
    send_json(q, json_pack("{s:{s:o, s:[]}}", "QMP", "version", qmp_query_version(&call),
                           "capabilities"));
}

static void serve(Qmp *q) {
    uint8_t buf[READ_SIZE];
    int n;
    q->negotiated = false;
    qmp_stream_reset(&q->stream);
    qmp_queue_clear(q->queue);
    greet(q);
    do {
        n = session_read(q->session, buf, sizeof(buf));
        send_events(q);
        if (n > 0) {
            qmp_stream_push(&q->stream, buf, (size_t)n);
        }
    } while (n > 0 || n == SESSION_POKE);
}

static void qmp_thread(Session *s, void *opaque) {
    while (session_wait_peer(s)) {
        serve(opaque);
    }
}

static void wake_session(void *opaque) {
    session_poke(opaque);
}

Qmp *qmp_new(QmpEvents *events, Inspector *ins, struct GdbPort *gdb, Chardev *chr,
             bool pretty, Error **errp) {
    Qmp *q = calloc(1, sizeof(*q));
    assert(q);
    *q = (Qmp){.events = events, .inspector = ins, .pretty = pretty};
    hmp_init(&q->hmp, qmp_events_machine(events), ins, gdb);
    qmp_stream_init(&q->stream, handle_message, q);
    q->session = session_new(qmp_events_machine(events), chr, errp);
    if (q->session) {
        q->queue = qmp_queue_new(events, wake_session, q->session);
        if (session_start(q->session, qmp_thread, q, errp)) {
            return q;
        }
    }
    qmp_free(q);
    return NULL;
}

void qmp_free(Qmp *q) {
    if (!q) {
        return;
    }
    /* The session's thread uses the queue, the queue wakes the session: the thread goes first. */
    session_stop(q->session);
    qmp_queue_free(q->queue);
    session_free(q->session);
    qmp_stream_destroy(&q->stream);
    free(q);
}
