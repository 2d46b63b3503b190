/* SPDX-License-Identifier: MIT */
/*
 * InspectCall: one request as its handler sees it; this is the domains' side.
 *
 *   json_t *inspect_tb_get(InspectCall *call) {
 *       uint64_t id = inspect_u64(call, "id");        checked and defaulted by protocol.def
 *       inspect_pause(call);                          vCPUs parked, machine lock held: copy, be quick
 *       ...
 *       inspect_unpause(call);                        and let go before anything is formatted
 *       return found ? json_pack(...) : inspect_fail(call, INSPECT_NOT_FOUND, "...", "...");
 *   }
 *
 * Threads: the inspector's. Locks: a handler is called with none.
 */
#ifndef VITRINE_INSPECT_INSPECT_CALL_H
#define VITRINE_INSPECT_INSPECT_CALL_H

#include "inspect/frame.h"
#include "inspect/inspect.h"
#include "util/addr.h"

/* What kind of failure; its word stands in error.data.class. */
#define INSPECT_CLASSES(X)                                                               \
    X(INSPECT_BAD_PARAMS, "bad-params", -32602)                                          \
    X(INSPECT_NOT_FOUND, "not-found", -32001)                                            \
    X(INSPECT_BAD_STATE, "bad-state", -32002) /* not while it runs, or not stopped */    \
    X(INSPECT_FORBIDDEN, "forbidden", -32003) /* the role */                             \
    X(INSPECT_LIMIT, "limit", -32004)                                                    \
    X(INSPECT_UNSUPPORTED, "unsupported", -32005) /* this machine cannot */              \
    X(INSPECT_GUEST, "guest", -32006)             /* the guest's page tables, devices */ \
    X(INSPECT_HOST, "host", -32007)               /* a file, memory */

#define INSPECT_CLASS_ENUM(id, word, code) id,
typedef enum InspectClass { INSPECT_CLASSES(INSPECT_CLASS_ENUM) } InspectClass;
#undef INSPECT_CLASS_ENUM

typedef struct InspectCall InspectCall;

typedef struct InspectMethod {
    const char *domain, *verb;
    InspectRole role;
    const char *params, *returns, *text;
    json_t *(*handler)(InspectCall *call);
} InspectMethod;

struct InspectCall {
    Machine *m;
    Inspector *inspector;
    InspectClient *client; /* NULL: HMP, QMP */
    InspectRole role;
    const InspectMethod *method;
    json_t *params;       /* checked, defaults filled in */
    json_t *error;        /* set by inspect_fail() */
    unsigned pause_depth; /* inspect_pause() without inspect_unpause() */
    bool pause_locked;    /* the outermost is inspect_lock() */
    int64_t pause_start, pause_cpu_start, pause_parking_ns;
    int64_t own_start; /* inspect_own_ns() at its begin */
    bool was_held;     /* the machine, in this call ... */
    uint64_t icount;   /* ... last at this count of instructions */
};

/* The handlers. */
#define METHOD(domain, verb, role, params, returns, text)                                \
    json_t *inspect_##domain##_##verb(InspectCall *call);
#define EVENT(domain, name, kind, fields, text)
#include "inspect/protocol.def"
#undef METHOD
#undef EVENT

/* --- parameters: of the type that protocol.def says --- */
bool inspect_has(const InspectCall *call, const char *name);
uint64_t inspect_u64(const InspectCall *call, const char *name); /* hex; 0 if left out */
int64_t inspect_int(const InspectCall *call, const char *name);  /* 0 if left out */
bool inspect_bool(const InspectCall *call, const char *name);
const char *inspect_string(const InspectCall *call,
                           const char *name); /* enum, too; NULL if left out */
const json_t *inspect_json(const InspectCall *call, const char *name); /* list, object */
/* The vCPU of the parameter "cpu"; NULL: there is none, and the call has failed. */
CPUState *inspect_cpu(InspectCall *call);

/* --- failure: returns NULL, for `return inspect_fail(...)` --- */
json_t *inspect_fail(InspectCall *call, InspectClass cls, const char *what,
                     const char *advice);
json_t *inspect_failf(InspectCall *call, InspectClass cls, const char *advice,
                      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Owns: takes err. */
json_t *inspect_fail_error(InspectCall *call, InspectClass cls, const char *advice,
                           Error *err);

/* --- the machine, held still --- */
/* Parks the vCPUs and takes the machine lock, so that env, TLBs and devices may be read; nests. How
 * long is measured (machine.pauses); keep it below INSPECT_PAUSE_LIMIT_NS. */
void inspect_pause(InspectCall *call);
void inspect_unpause(InspectCall *call);
/* As above with the machine lock only: enough for devices, the memory tree, back ends. */
void inspect_lock(InspectCall *call);
void inspect_unlock(InspectCall *call);
enum { INSPECT_PAUSE_LIMIT_NS = 2000000 };

/* True if the call has computed for INSPECT_SLICE_NS: one that can be gone on with answers with what it
 * has, for other clients wait meanwhile. */
bool inspect_is_long(const InspectCall *call);
/* The same of a long list, of which so many rows are made already: writing it as text takes as long again. */
bool inspect_may_add_row(const InspectCall *call, unsigned rows);
enum { INSPECT_SLICE_NS = 8000000, INSPECT_ROWS_AT_LEAST = 16 };

/* May the machine be touched now (hw/machine/touch.h)? False: the call has failed. Held still. */
bool inspect_may_touch(InspectCall *call);

/* --- results --- */
json_t *inspect_hex(uint64_t value); /* "0x1f" */
/* Text that somebody else wrote: what is no UTF-8 is replaced. */
json_t *inspect_text(const void *data, size_t len);
/* Bytes as text for JSON: base64. */
json_t *inspect_base64(const void *data, size_t len);
/* Sends a frame to the caller, before the answer; header.length, icount and sequence are filled in.
 * Returns the sequence number. Errors: -1: no client, more than FRAME_MAX_DATA, or too much waits. */
int64_t inspect_send_frame(InspectCall *call, FrameKind kind, uint32_t stream,
                           uint32_t flags, const void *data, size_t len);

/* --- a domain's own memory --- */
/* The inspector's state under `key` (a static's address), zeroed when first asked for. `destroy` (may
 * be NULL) is called at the end, before it is freed. */
void *inspect_state(Inspector *ins, const void *key, size_t size,
                    void (*destroy)(void *state, Machine *m));
/* The same of one client; gone when it goes. destroy runs on the inspector's thread. NULL: the call
 * has no client. */
void *inspect_client_state(InspectCall *call, const void *key, size_t size,
                           void (*destroy)(void *state, Machine *m));

/* Who accessed what at a watch point: an instruction, or a device ("dma"). */
void inspect_put_access(json_t *out, const DebugStop *stop);

#endif
