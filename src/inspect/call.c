/* SPDX-License-Identifier: MIT */
/*
 * InspectCall: dispatch of one call, and what handlers use.
 *
 *   name --protocol_find--> role? --signature_check--> handler --> result | error {class, what, try}
 *
 * Threads: the inspector's.
 */
#include "inspect/inspect_call.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/machine/runstate.h"
#include "hw/machine/touch.h"
#include "inspect/inspect_int.h"

enum {
    RPC_METHOD_NOT_FOUND = -32601,
    RPC_INVALID_PARAMS = -32602,
    RPC_INTERNAL = -32603
};

/* --- dispatch -------------------------------------------------------------------------------- */

json_t *inspect_error_object(int code, const char *message, const char *cls,
                             const char *what, const char *advice) {
    /* What a guest or a client wrote may stand in `what`. */
    return json_pack("{s:i, s:s, s:{s:s, s:o, s:s}}", "code", code, "message", message,
                     "data", "class", cls, "what", inspect_text(what, strlen(what)),
                     "try", advice);
}

static json_t *unknown_method(const char *name) {
    char nearest[PROTOCOL_NAME_MAX], what[128], advice[128];
    snprintf(what, sizeof(what), "there is no method '%.64s'", name);
    if (protocol_nearest_method(name, nearest)) {
        snprintf(advice, sizeof(advice), "did you mean %s?", nearest);
    } else {
        snprintf(advice, sizeof(advice), "machine.methods lists them");
    }
    return inspect_error_object(RPC_METHOD_NOT_FOUND, "Method not found",
                                "unknown-method", what, advice);
}

static json_t *forbidden(const Inspector *ins, const InspectMethod *method) {
    char what[128];
    snprintf(what, sizeof(what),
             "%s.%s changes the machine, and this client may look only", method->domain,
             method->verb);
    log_printf(ins->m->log, LOG_WEB, "inspect: refused: %s\n", what);
    return inspect_error_object(-32003, "Forbidden", "forbidden", what,
                                "connect as operator");
}

static json_t *busy(const InspectMethod *method) {
    char what[160];
    snprintf(what, sizeof(what),
             "busy: the machine is on a journey through its history, and %s.%s cannot be "
             "answered on the way",
             method->domain, method->verb);
    return inspect_error_object(-32002, "Busy", "bad-state", what,
                                "ask again when machine.status says it is over");
}

static json_t *run_handler(InspectCall *call) {
    json_t *result = call->method->handler(call);
    assert(call->pause_depth == 0); /* the handler forgot inspect_unpause() */
    if (result && call->error) {
        json_decref(result);
        result = NULL;
    }
    if (!result && !call->error) {
        call->error = inspect_error_object(RPC_INTERNAL, "Internal error", "internal",
                                           "the result cannot be written as JSON",
                                           "report this request");
    }
    return result;
}

json_t *inspect_dispatch(Inspector *ins, InspectClient *client, InspectRole role,
                         const char *name, const json_t *params, json_t **error) {
    Signature sig;
    SigComplaint complaint;
    const InspectMethod *method = protocol_find_method(name);
    if (!method) {
        *error = unknown_method(name);
        return NULL;
    }
    if (method->role > role) {
        *error = forbidden(ins, method);
        return NULL;
    }
    if (ins->journey_ns && !protocol_method_is_light(method)) {
        *error = busy(method);
        return NULL;
    }
    if (!signature_parse(&sig, method->params)) {
        assert(!"protocol.def has a signature that is not well formed");
    }
    json_t *checked = signature_check(&sig, params, &complaint);
    if (!checked) {
        *error = inspect_error_object(RPC_INVALID_PARAMS, "Invalid params", "bad-params",
                                      complaint.what, complaint.advice);
        return NULL;
    }
    InspectCall call = {.m = ins->m,
                        .inspector = ins,
                        .client = client,
                        .role = role,
                        .method = method,
                        .params = checked,
                        .own_start = inspect_own_ns()};
    json_t *result = run_handler(&call);
    json_decref(checked);
    *error = call.error;
    return result;
}

json_t *inspect_call(Inspector *ins, InspectRole role, const char *method,
                     const json_t *params, json_t **error) {
    assert(pthread_equal(pthread_self(), ins->thread));
    return inspect_dispatch(ins, NULL, role, method, params, error);
}

/* --- parameters ------------------------------------------------------------------------------ */

static const json_t *param(const InspectCall *call, const char *name) {
    return json_object_get(call->params, name);
}

bool inspect_has(const InspectCall *call, const char *name) {
    return param(call, name) != NULL;
}

uint64_t inspect_u64(const InspectCall *call, const char *name) {
    uint64_t value = 0;
    const char *text = json_string_value(param(call, name));
    return text && signature_parse_hex(text, &value) ? value : 0;
}

int64_t inspect_int(const InspectCall *call, const char *name) {
    return json_integer_value(param(call, name));
}

bool inspect_bool(const InspectCall *call, const char *name) {
    return json_is_true(param(call, name));
}

const char *inspect_string(const InspectCall *call, const char *name) {
    return json_string_value(param(call, name));
}

const json_t *inspect_json(const InspectCall *call, const char *name) {
    return param(call, name);
}

CPUState *inspect_cpu(InspectCall *call) {
    int64_t index = inspect_int(call, "cpu");
    unsigned count = call->m->cpus->count;
    if (index < 0 || index >= count) {
        char advice[64];
        snprintf(advice, sizeof(advice), "it has cpu 0 to %u", count - 1);
        inspect_failf(call, INSPECT_NOT_FOUND, advice, "there is no cpu %" PRId64, index);
        return NULL;
    }
    return call->m->cpus->cpu[index];
}

/* --- failure --------------------------------------------------------------------------------- */

json_t *inspect_fail(InspectCall *call, InspectClass cls, const char *what,
                     const char *advice) {
    static const struct {
        const char *word;
        int code;
    } classes[] = {
#define CLASS_ROW(id, word, code) {word, code},
        INSPECT_CLASSES(CLASS_ROW)
#undef CLASS_ROW
    };
    json_decref(call->error);
    call->error =
        inspect_error_object(classes[cls].code, what, classes[cls].word, what, advice);
    return NULL;
}

json_t *inspect_failf(InspectCall *call, InspectClass cls, const char *advice,
                      const char *fmt, ...) {
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return inspect_fail(call, cls, what, advice);
}

json_t *inspect_fail_error(InspectCall *call, InspectClass cls, const char *advice,
                           Error *err) {
    inspect_fail(call, cls, err ? error_message(err) : "it failed", advice);
    error_free(err);
    return NULL;
}

bool inspect_may_touch(InspectCall *call) {
    Error *err = NULL;
    if (touch_allowed(call->m, &err)) {
        return true;
    }
    inspect_fail_error(call, INSPECT_BAD_STATE,
                       "look without changing anything, go to the present "
                       "(history.status), or make this moment it: history.cut",
                       err);
    return false;
}

/* --- the machine, held still ----------------------------------------------------------------- */

/* A hold begins; what was done before does not count. */
static void begin_hold(InspectCall *call, bool locked) {
    call->pause_start = inspect_now_ns();
    /* Other threads of a busy host do not count. */
    call->pause_cpu_start = inspect_own_ns();
    call->pause_parking_ns = 0;
    call->pause_locked = locked;
}

/* Threads: machine lock. */
static void note_count(InspectCall *call) {
    call->icount = cpu_group_icount(call->m->cpus);
    call->was_held = true;
}

static void record_pause(InspectCall *call) {
    PauseLog *log = &call->inspector->pauses;
    PauseRecord rec = {.ns = inspect_now_ns() - call->pause_start,
                       .cpu_ns = inspect_own_ns() - call->pause_cpu_start,
                       .method = call->method};
    log->recent[log->count++ % PAUSES_RECENT] = rec;
    log->total_ns += rec.ns;
    /* Parked vCPUs take about as long to go on as they took to stop. */
    const int64_t held_ns = rec.ns + call->pause_parking_ns;
    InspectSpent *spent = &call->inspector->spent;
    spent->held_ns += held_ns;
    spent->ns[BUDGET_HELD] += budget_price_of_hold(held_ns, rec.cpu_ns);
    log->over_limit += rec.ns > INSPECT_PAUSE_LIMIT_NS;
    log->over_limit_cpu += rec.cpu_ns > INSPECT_PAUSE_LIMIT_NS;
    if (rec.ns > log->longest.ns) {
        log->longest = rec;
    }
    if (rec.cpu_ns > log->longest_cpu.cpu_ns) {
        log->longest_cpu = rec;
    }
}

void inspect_pause(InspectCall *call) {
    if (call->pause_depth++ == 0) {
        begin_hold(call, false);
        machine_pause(call->m);
        call->pause_parking_ns = inspect_now_ns() - call->pause_start;
    }
    assert(!call->pause_locked); /* vCPUs cannot be parked by one who has the lock */
    machine_lock(call->m);
    note_count(call);
}

void inspect_unpause(InspectCall *call) {
    assert(call->pause_depth > 0 && !call->pause_locked);
    machine_unlock(call->m);
    if (--call->pause_depth == 0) {
        machine_unpause(call->m);
        record_pause(call);
    }
}

void inspect_lock(InspectCall *call) {
    machine_lock(call->m);
    if (call->pause_depth++ == 0) {
        begin_hold(call, true); /* others wait from here on */
    }
    note_count(call);
}

void inspect_unlock(InspectCall *call) {
    assert(call->pause_depth > 0);
    machine_unlock(call->m);
    if (--call->pause_depth == 0) {
        record_pause(call);
    }
}

int64_t inspect_held_ns(const Inspector *ins, const InspectSpent *before) {
    bool runs = machine_run_state(ins->m) == RUN_RUNNING; /* else it loses nothing */
    return runs ? ins->spent.held_ns - before->held_ns : 0;
}

bool inspect_is_long(const InspectCall *call) {
    return inspect_own_ns() - call->own_start > INSPECT_SLICE_NS;
}

bool inspect_may_add_row(const InspectCall *call, unsigned rows) {
    return rows < INSPECT_ROWS_AT_LEAST ||
           inspect_own_ns() - call->own_start < INSPECT_SLICE_NS / 2;
}

/* --- results --------------------------------------------------------------------------------- */

json_t *inspect_hex(uint64_t value) {
    return json_sprintf("0x%" PRIx64, value);
}

json_t *inspect_text(const void *data, size_t len) {
    static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
    json_t *text = json_stringn(data, len);
    if (text) {
        return text;
    }
    const unsigned char *p = data;
    char *copy = malloc(len * 3 + 1), *out = copy;
    assert(copy);
    for (size_t i = 0; i < len; i++) {
        if (p[i] < 0x80) {
            *out++ = (char)p[i];
        } else {
            out = stpcpy(out, replacement);
        }
    }
    text = json_stringn(copy, (size_t)(out - copy));
    free(copy);
    return text;
}

json_t *inspect_base64(const void *data, size_t len) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = data;
    size_t size = (len + 2) / 3 * 4;
    char *text = malloc(size + 1), *out = text;
    assert(text);
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i;
        uint32_t bits = (uint32_t)p[i] << 16 | (uint32_t)(n > 1 ? p[i + 1] : 0) << 8 |
                        (n > 2 ? p[i + 2] : 0);
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = n > 1 ? digits[bits >> 6 & 63] : '=';
        *out++ = n > 2 ? digits[bits & 63] : '=';
    }
    json_t *result = json_stringn(text, size);
    free(text);
    return result;
}

/* The count of what was copied; of now, if the machine was not held for it. */
static uint64_t frame_count(const InspectCall *call) {
    const CpuGroup *cpus = call->m->cpus;
    if (call->was_held || !cpu_group_icount_enabled(cpus)) {
        return call->icount;
    }
    machine_lock(call->m);
    uint64_t count = cpu_group_icount(cpus);
    machine_unlock(call->m);
    return count;
}

int64_t inspect_send_frame(InspectCall *call, FrameKind kind, uint32_t stream,
                           uint32_t flags, const void *data, size_t len) {
    InspectClient *client = call->client;
    if (!client || len > FRAME_MAX_DATA) {
        return -1;
    }
    FrameHeader header = {.magic = FRAME_MAGIC,
                          .version = FRAME_VERSION,
                          .kind = (uint8_t)kind,
                          .stream = stream,
                          .sequence = client->frame_sequence,
                          .epoch = __atomic_load_n(&call->m->epoch, __ATOMIC_RELAXED),
                          .icount = frame_count(call),
                          .length = (uint32_t)len,
                          .flags = flags};
    InspectOut *out = malloc(sizeof(*out) + sizeof(header) + len + 1);
    if (!out) {
        return -1;
    }
    out->frame = true;
    out->len = sizeof(header) + len;
    memcpy(out->data, &header, sizeof(header));
    memcpy(out->data + sizeof(header), data, len);
    out->data[out->len] = '\0';
    pthread_mutex_lock(&client->ins->lock);
    bool room = client->out_bytes + out->len <= INSPECT_MAX_BACKLOG + FRAME_MAX_DATA;
    if (room) {
        client_push_locked(client, out);
    }
    pthread_mutex_unlock(&client->ins->lock);
    if (!room) {
        free(out);
        return -1;
    }
    return client->frame_sequence++;
}

/* --- domains' memory ------------------------------------------------------------------------- */

static void *find_state(InspectState **list, const void *key, size_t size,
                        void (*destroy)(void *state, Machine *m)) {
    for (InspectState *s = *list; s; s = s->next) {
        if (s->key == key) {
            return s + 1;
        }
    }
    InspectState *s = calloc(1, sizeof(*s) + size);
    assert(s);
    *s = (InspectState){key, destroy, *list};
    *list = s;
    return s + 1;
}

void *inspect_state(Inspector *ins, const void *key, size_t size,
                    void (*destroy)(void *state, Machine *m)) {
    return find_state(&ins->states, key, size, destroy);
}

void *inspect_client_state(InspectCall *call, const void *key, size_t size,
                           void (*destroy)(void *state, Machine *m)) {
    return call->client ? find_state(&call->client->states, key, size, destroy) : NULL;
}

void inspect_states_free(InspectState *first, Machine *m) {
    while (first) {
        InspectState *next = first->next;
        if (first->destroy) {
            first->destroy(first + 1, m);
        }
        free(first);
        first = next;
    }
}
