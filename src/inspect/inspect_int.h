/* SPDX-License-Identifier: MIT */
/*
 * What the core of the inspector shares: the inspector, its clients, their queues.
 *
 *   Inspector --> clients: [in: messages] [out: answers, events, frames] [subscriptions]
 *             '-> jobs, domains' states, the record of pauses
 *
 *   inspector.c  the thread        client.c  queues, subscriptions' delivery
 *   jsonrpc.c    text <-> calls    call.c    what handlers use     events.c  the domain "events"
 */
#ifndef VITRINE_INSPECT_INSPECT_INT_H
#define VITRINE_INSPECT_INSPECT_INT_H

#include <pthread.h>

#include "hw/machine/runstate.h"
#include "inspect/budget.h"
#include "inspect/inspect_call.h"
#include "inspect/protocol.h"

typedef struct InspectState {
    const void *key;
    void (*destroy)(void *state, Machine *m);
    struct InspectState *next;
    /* the domain's memory follows */
} InspectState;

typedef struct InspectMessage {
    struct InspectMessage *next;
    size_t len;
    bool too_long; /* what came was longer than allowed; no text */
    bool peeked;   /* `light` is known: */
    bool light;    /* it asks for what can be had during a journey */
    char text[];
} InspectMessage;

/* A batch under way: a request of it a turn. */
typedef struct JsonBatch {
    json_t *requests, *answers; /* NULL: none is */
    size_t next;
} JsonBatch;

typedef struct InspectJob {
    struct InspectJob *next;
    int64_t due_ns; /* not before */
    void (*fn)(void *opaque);
    void *opaque;
} InspectJob;

/* A subscription: some events, or a call that is repeated. */
typedef struct InspectSub {
    struct InspectSub *next;
    uint32_t id;
    uint64_t events[(EVENT_COUNT + 63) / 64]; /* bit set */
    int64_t interval_ns; /* least time between two; of events: of the same kind */
    int64_t last_ns[EVENT_COUNT];
    int64_t credit; /* events that may yet be sent; -1: any number */
    uint32_t sequence;
    uint64_t sent, dropped, dropped_told;
    int64_t held_ns; /* what its calls held the guest, since the client was last told */
    /* events.every: NULL if it is none */
    const InspectMethod *method;
    json_t *params;
    bool only_changed;
    int64_t due_ns;
    char *last_result;
    bool sends_frames; /* its last call sent one */
} InspectSub;

/* What waits to be taken. */
typedef struct OutItem {
    struct OutItem *next;
    InspectSub *sub; /* of an event; NULL: an answer or a frame of one */
    int event;
    int64_t not_before_ns;
    uint64_t dropped; /* as its text says ... */
    int64_t held_ns;  /* ... likewise */
    InspectOut *out;
} OutItem;

struct InspectClient {
    Inspector *ins;
    InspectRole role;
    /* ins->lock */
    InspectClient *next;
    InspectSink sink;
    unsigned users; /* the thread works for it */
    bool gone;      /* the carrier freed it; the thread does as soon as it is not used */
    bool dropped;
    InspectMessage *in_first, **in_last;
    unsigned in_count;
    size_t in_bytes;
    bool in_batch; /* `batch` is not empty */
    OutItem *out_first, **out_last;
    size_t out_bytes;
    unsigned out_events;
    /* Something waits and nothing was taken since; 0: nothing waits. */
    int64_t stalled_since_ns;
    InspectSub *subs;
    unsigned sub_count;
    Budget budget;
    int64_t waits_since_ns; /* a request of its, for lack of budget; 0: none does */
    int64_t waited_ns;      /* all of them */
    /* inspector thread */
    JsonBatch batch;
    uint32_t frame_sequence;
    InspectState *states;
};

/* What requests have cost so far. */
typedef struct InspectSpent {
    int64_t ns[BUDGET_KINDS]; /* as it is charged */
    int64_t held_ns;          /* as it was */
} InspectSpent;

/* How long looking held the guest up. */
typedef struct PauseRecord {
    int64_t ns; /* from the wish to the release */
    /* Of it the inspector's own computing: the rest is waiting and the host. */
    int64_t cpu_ns;
    const InspectMethod *method;
} PauseRecord;

enum { PAUSES_RECENT = 32 };

typedef struct PauseLog {
    PauseRecord longest, longest_cpu, recent[PAUSES_RECENT];
    uint64_t count, over_limit, over_limit_cpu;
    int64_t total_ns;
    struct {
        uint64_t count;
        int64_t total_ns, longest_ns;
    } tb_steps; /* looks at the blocks: with tb_lock, nothing stands still */
} PauseLog;

struct Inspector {
    Machine *m;
    pthread_t thread;
    int64_t start_ns;
    MachineListener listener;
    struct Travel *travel;
    struct SerialLines *serial;
    struct LogLines *log;
    struct CpuViews *cpus;
    pthread_mutex_t lock;
    pthread_cond_t wake, settled;
    /* lock */
    bool quit;
    bool settling; /* jobs do not wait for their time */
    bool in_job;
    InspectClient *clients;
    unsigned client_count;
    InspectJob *job_first, **job_last;
    uint32_t next_sub;
    uint32_t wanted[EVENT_COUNT]; /* subscriptions of each event; read without the lock */
    Budget pool;                  /* newcomers' */
    BudgetSharers sharers;        /* at the last refill ... */
    int64_t refilled_ns;          /* ... which was then */
    /* inspector thread */
    int64_t journey_ns; /* a journey through the history began then; 0: there is none */
    InspectSpent spent;
    PauseLog pauses;
    InspectState *states;
};

int64_t inspect_now_ns(void); /* host, monotonic */
int64_t inspect_own_ns(void); /* computed by the calling thread */

/* --- client.c; _locked: ins->lock --- */
/* All but its states. */
void client_free_locked(InspectClient *client);
InspectMessage *client_next_message_locked(InspectClient *client);
bool client_is_runnable_locked(const InspectClient *client);
/* Charges what was spent since `before`, if it was the guest's time. Threads: the inspector's. */
void client_charge_locked(InspectClient *client, const InspectSpent *before);
/* Queues an answer or a frame. Owns: takes out. */
void client_push_locked(InspectClient *client, InspectOut *out);
/* Queues an event for one subscription; text is the JSON of its data. */
void client_event_locked(InspectClient *client, InspectSub *sub, int event,
                         const char *text);
/* Does an event of this subscription wait to be taken? */
bool client_event_waits_locked(const InspectClient *client, const InspectSub *sub);
/* Drops clients that stall; wakes those whose held events are due; returns when to look again. */
int64_t client_housekeeping_locked(InspectClient *client, int64_t now_ns);
InspectSub *client_find_sub_locked(InspectClient *client, uint32_t id);
/* Takes the subscription away with what waits of it, and frees it. */
void client_remove_sub_locked(InspectClient *client, InspectSub *sub);
InspectOut *inspect_out_new(const void *data, size_t len, bool frame);

/* --- jsonrpc.c: inspector thread --- */
/* Executes a message, or the first request of the batch in it; msg NULL: the next of the client's batch.
 * Returns what is to be answered (malloc), or NULL: nothing, or nothing yet (client->batch). */
char *jsonrpc_handle(InspectClient *client, const InspectMessage *msg);
void jsonrpc_batch_free(JsonBatch *batch);
/* Does it ask for something that needs no look at the machine? */
bool jsonrpc_is_light(const InspectMessage *msg);

/* --- call.c --- */
/* Calls a method: result, or NULL and *error. Checks role and parameters. */
json_t *inspect_dispatch(Inspector *ins, InspectClient *client, InspectRole role,
                         const char *name, const json_t *params, json_t **error);
json_t *inspect_error_object(int code, const char *message, const char *cls,
                             const char *what, const char *advice);
void inspect_states_free(InspectState *first, Machine *m);
/* How long a running guest was held since `before`. Threads: the inspector's. */
int64_t inspect_held_ns(const Inspector *ins, const InspectSpent *before);

/* --- machine.c --- */
/* Tells subscribers what the run state does: a MachineListener. */
void inspect_machine_event(void *opaque, const MachineEvent *ev);
json_t *inspect_debug_stop_json(const DebugStop *stop);

/* --- inspector.c --- */
/* As inspector_run(), but not before that time; what is queued later may then run earlier. */
void inspector_run_at(Inspector *ins, int64_t due_ns, void (*fn)(void *opaque),
                      void *opaque);
int64_t inspector_uptime_ns(const Inspector *ins);
/* A call of the thread's waits for long while the machine is not to be touched: until _end() _meanwhile() serves
 * others. What can be had is answered at once; what cannot waits, and after JOURNEY_PATIENCE_NS is refused as
 * busy. Threads: the inspector's; _meanwhile() on another does nothing. */
void inspector_journey_begin(Inspector *ins);
void inspector_journey_end(Inspector *ins);
void inspector_meanwhile(void *ins);
#define JOURNEY_PATIENCE_NS INT64_C(300000000)

/* --- serial.c, log.c: begin and end to keep what is written --- */
void serial_start(Inspector *ins);
void serial_stop(Inspector *ins);
void serial_free(Inspector *ins);
void log_start(Inspector *ins);
void log_stop(Inspector *ins);
void log_free(Inspector *ins);

/* --- cpu.c --- */
void cpu_views_new(Inspector *ins);
void cpu_views_free(Inspector *ins);
/* The machine stopped: remembers the registers. Threads: a MachineListener's. */
void cpu_views_stopped(Inspector *ins);

/* --- cpu_code.c --- */
/* Copies code of a parked vCPU's address space, as far as it is RAM or ROM. Returns how many bytes.
 * Locks: the machine lock. */
unsigned cpu_read_code_locked(CPUState *cpu, vaddr pc, uint8_t *bytes, unsigned len);

/* --- events.c: inspector thread --- */
/* Carries out a repeated call. */
void events_run_periodic(InspectClient *client, uint32_t sub_id);

#endif
