/* SPDX-License-Identifier: MIT */
/*
 * InputGate: the one way by which anything from outside enters a deterministic machine.
 *
 *   host: terminal, network, entropy, user's reset
 *        |
 *        v           live      to the device, and (while kept) to the log: count, time, port, bytes
 *   gate_input() ----+
 *                    replay    nothing of the host's passes; the log's events do, each at its count
 *
 *   log:  | e0 | e1 | e2 | e3 |        `position` == event_count: live; before it: the past
 *                     ^ position       is being run again, up to the moment the log ends
 *
 * An event enters *between* two instructions, while no guest code runs, or *inside* one: the guest
 * reads the UART's last byte and the next one moves up, or sends a frame that libslirp answers at
 * once. The first kind is delivered by the run loop (gate_next(), gate_replay_due()), the second by
 * the call it happened in (gate_enter()), known by its number among the calls of that instruction.
 *
 * Without -icount there are no counts to name a moment by: nothing is kept and everything passes.
 *
 * Invariants: counts of the log never decrease. A delivered event is never delivered again unless
 * gate_seek() goes back.
 * Threads: the machine lock.
 * Book: chapter "Going back in time".
 */
#ifndef VITRINE_UTIL_GATE_H
#define VITRINE_UTIL_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

typedef struct InputGate InputGate;
typedef struct GatePort GatePort;

enum { GATE_MAX_PORTS = 64, GATE_MAX_DATA = 1 << 20 };
#define GATE_PULLED UINT32_MAX /* the guest or its reset asked for it */

/* Brings an event to its device. `kind` is the port's own affair. */
typedef void GateDeliver(void *opaque, unsigned kind, const uint8_t *data, size_t len);

typedef struct GateEvent {
    uint64_t count;  /* instructions executed before it */
    int64_t time_ns; /* virtual time */
    uint32_t
        call; /* 0: between instructions; GATE_PULLED; else: inside this call, from 1 */
    uint8_t port, kind;
    uint32_t len;
    uint8_t *data; /* malloc */
} GateEvent;

/* What the gate asks the run loop, and tells the one who keeps a file. */
typedef struct GateHooks {
    uint64_t (*count)(void *opaque); /* exact, also in the middle of a block */
    int64_t (*time_ns)(void *opaque);
    bool (*in_guest)(void *opaque); /* is a guest instruction being executed now? */
    /* The run is no longer what was recorded. Told once. */
    void (*diverged)(void *opaque, const char *message);
    void *opaque;
} GateHooks;

InputGate *gate_new(void);
void gate_free(InputGate *g);
/* Without hooks (no -icount) the gate is open and stays so. */
void gate_set_hooks(InputGate *g, const GateHooks *hooks);

/* A way in. `name` ("serial0") is what a recording knows it by; copied. NULL: the name is taken, or
 * there are GATE_MAX_PORTS. Gone with the gate, or by gate_port_free(). */
GatePort *gate_port_new(InputGate *g, const char *name, GateDeliver *deliver,
                        void *opaque);
void gate_port_free(GatePort *port);
/* Called between two instructions when the past was run through and the host's input is wanted
 * again. */
void gate_port_on_open(GatePort *port, void (*opened)(void *opaque), void *opaque);
/* Number and name of a port for files; -1 and NULL if there is none. */
int gate_port_find(const InputGate *g, const char *name);
const char *gate_port_name(const InputGate *g, unsigned number);

/* --- for devices and their back ends ---------------------------------------------------------- */

/* True if input from the host is wanted now. While the past is run again it is not: the back end
 * keeps what it has and asks again. A NULL port is always open. */
bool gate_is_open(const GatePort *port);
/* Input: keeps it if the log is kept, and delivers it. Not while the gate is closed: it is dropped,
 * and that is false. */
bool gate_input(GatePort *port, unsigned kind, const void *data, size_t len);
/* To be called at the start of each call by the guest in which input may come in. */
void gate_enter(GatePort *port);
/* A value the guest asks for: fill() makes it, or the log has it. */
void gate_pull(GatePort *port, void *data, size_t len,
               void (*fill)(void *opaque, void *data, size_t len), void *opaque);

/* --- for who keeps the log -------------------------------------------------------------------- */

/* Starts or stops keeping events. `sink` (may be NULL) is shown each new one. */
void gate_keep(InputGate *g, bool on, void (*sink)(void *opaque, const GateEvent *ev),
               void *opaque);
bool gate_is_kept(const InputGate *g);
/* Appends an event read from a file. Owns: takes ev->data. Errors: an unknown port, a count below
 * the last one's. */
bool gate_append(InputGate *g, const GateEvent *ev, Error **errp);
/* After the last event of a recording the host does not take over: gate_input() stays shut. */
void gate_seal(InputGate *g);
/* Events are numbered from the start of the run; those below gate_first() were forgotten. */
uint64_t gate_first(const InputGate *g);
uint64_t gate_end(const InputGate *g);
uint64_t gate_position(const InputGate *g);
const GateEvent *gate_event(const InputGate *g,
                            uint64_t number); /* NULL: not in the log */
/* Goes to event `number`: the next to be delivered. Errors: forgotten, or not yet there. */
bool gate_seek(InputGate *g, uint64_t number, Error **errp);
/* Forgets the events before `number`: no snapshot needs them any more. */
void gate_forget(InputGate *g, uint64_t number);

/* --- for the run loop ------------------------------------------------------------------------- */

/* True if the past is run again: *count and *time_ns say when the next event is due that enters
 * between instructions, or if there is none, no later than which count to ask again. */
bool gate_next(const InputGate *g, uint64_t *count, int64_t *time_ns);
/* Delivers what is due now, between instructions, and tells the ports when the past is over. Returns
 * the number of events. To be called each time around. */
unsigned gate_replay_due(InputGate *g);

/* The first difference to the recording, or NULL. */
const char *gate_divergence(const InputGate *g);

struct InputGate {
    GateHooks hooks;
    bool has_hooks;
    GatePort *port[GATE_MAX_PORTS];
    unsigned port_count;
    bool kept, sealed;
    bool was_past; /* the ports are to be told when it is over */
    void (*sink)(void *opaque, const GateEvent *ev);
    void *sink_opaque;
    GateEvent *event; /* ring of nothing: event[0] is number `first` */
    uint64_t first, position;
    size_t event_count, event_cap;
    char *divergence;
};

struct GatePort {
    InputGate *gate;
    char *name;
    GateDeliver *deliver;
    void *opaque;
    void (*opened)(void *opaque); /* may be NULL */
    void *opened_opaque;
    uint8_t number;
    bool
        delivering; /* the device is being given an event: its own calls are not numbered */
    uint32_t call;       /* how many calls at `call_count` */
    uint64_t call_count; /* the instruction they belong to */
};

static inline bool gate_has_hooks(const InputGate *g) {
    return g->has_hooks;
}

#endif
