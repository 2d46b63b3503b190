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
 * An event enters between two instructions, when no guest code runs. Where the guest itself opens the
 * way for it (it took the UART's last byte, it sent a frame that libslirp answers at once) the back end
 * asks by gate_ask() to be called back there. Only what the guest waits for, a value, comes inside an
 * instruction: gate_pull().
 *
 * A guest that stands (stopped, or waiting for the reset it asked for) takes no input: it stays with the
 * host until the guest goes on. So what a moment is does not depend on how long one looks at it.
 *
 * Without -icount there are no counts to name a moment by: nothing is kept and everything passes.
 *
 * Invariants: counts of the log never decrease. A delivered event is never delivered again unless
 * gate_seek() goes back.
 * Threads: the machine lock.
 * Book: going-back-in-time.md.
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

/* Brings an event to its device. `kind` is the port's own affair. */
typedef void GateDeliver(void *opaque, unsigned kind, const uint8_t *data, size_t len);

typedef struct GateEvent {
    uint64_t count;  /* instructions executed before it */
    int64_t time_ns; /* virtual time */
    bool pulled; /* inside the instruction: the guest, or its reset, asked for a value */
    uint8_t port, kind;
    uint32_t len;
    uint8_t *data; /* malloc */
} GateEvent;

/* What the gate asks the run loop, and tells the one who keeps a file. */
typedef struct GateHooks {
    uint64_t (*count)(void *opaque); /* exact, also in the middle of a block */
    int64_t (*time_ns)(void *opaque);
    bool (*in_guest)(void *opaque); /* is a guest instruction being executed now? */
    void (*leave)(void *opaque);    /* gate_call_ports() is wanted soon */
    /* The run is no longer what was recorded. Told once. */
    void (*diverged)(void *opaque, const char *message);
    void *diverged_opaque;
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
/* What is called between two instructions after gate_ask(), and when the past was run through: then the
 * host's input is wanted again. */
void gate_port_on_open(GatePort *port, void (*opened)(void *opaque), void *opaque);
/* Number and name of a port for files; -1 and NULL if there is none. */
int gate_port_find(const InputGate *g, const char *name);
const char *gate_port_name(const InputGate *g, unsigned number);

/* --- for devices and their back ends ---------------------------------------------------------- */

/* True if input from the host is wanted now. While the past is run again, or the guest stands, it is
 * not: the back end keeps what it has, and is called when that is over. A NULL port is always open. */
bool gate_is_open(const GatePort *port);
/* True if it is not the past that is run: what comes in now changes the run. */
bool gate_is_live(const InputGate *g);
/* Input: keeps it if the log is kept, and delivers it. Not in the past: it is dropped, and that is
 * false. */
bool gate_input(GatePort *port, unsigned kind, const void *data, size_t len);
/* True inside an instruction of a deterministic guest: no input may be delivered now, gate_ask(). */
bool gate_is_busy(const GatePort *port);
/* Keeps an event that its owner carries out itself; only a replay has it delivered. Live only. */
void gate_note(GatePort *port, unsigned kind, const void *data, size_t len);
/* Has the port's opened() called between instructions, soon. */
void gate_ask(GatePort *port);
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
/* After the last event of a recording, which ends at `count`, the host does not take over: the gate stays
 * shut. */
void gate_seal(InputGate *g, uint64_t count);
/* Events are numbered from the start of the run; those below gate_first() were forgotten. */
uint64_t gate_first(const InputGate *g);
uint64_t gate_end(const InputGate *g);
uint64_t gate_position(const InputGate *g);
const GateEvent *gate_event(const InputGate *g,
                            uint64_t number); /* NULL: not in the log */
/* Goes to event `number`: the next to be delivered. Errors: forgotten, or not yet there. */
bool gate_seek(InputGate *g, uint64_t number, Error **errp);
/* Another run begins: the log is empty, and its next event gets this number. */
void gate_restart(InputGate *g, uint64_t number);
/* The past ends here: forgets the events from the position on. */
void gate_cut(InputGate *g);
/* Forgets the events before `number`: no snapshot needs them any more. */
void gate_forget(InputGate *g, uint64_t number);

/* --- for the run loop ------------------------------------------------------------------------- */

/* True if the past is run again: *count and *time_ns say when the next event is due. One that will be
 * pulled counts as due just behind its instruction, when it must be gone. */
bool gate_next(const InputGate *g, uint64_t *count, int64_t *time_ns);
/* Between instructions, each time around: delivers what of the log is due now, up to event number `end`
 * (UINT64_MAX: all). Returns how many. */
unsigned gate_replay(InputGate *g, uint64_t end);
/* Behind it: calls the ports that asked; all, if the gate has just opened. */
void gate_call_ports(InputGate *g);
/* No input is taken until this is called with false. Without hooks: no effect. */
void gate_stand(InputGate *g, bool on);
/* If the next event is this port's, of this kind, at this count: passes it by. */
bool gate_skip(GatePort *port, unsigned kind);

/* The first difference to the recording, or NULL. */
const char *gate_divergence(const InputGate *g);

struct InputGate {
    GateHooks hooks;
    bool has_hooks;
    GatePort *port[GATE_MAX_PORTS];
    unsigned port_count;
    bool kept, sealed;
    uint64_t sealed_at; /* count */
    bool standing;
    bool was_shut; /* the ports are to be told when it is open again */
    bool asked;    /* some port did */
    void (*sink)(void *opaque, const GateEvent *ev);
    void *sink_opaque;
    GateEvent *event; /* ring of nothing: event[0] is number `first` */
    uint64_t first, position;
    size_t event_count, event_cap;
    uint32_t run; /* how often gate_restart() was called */
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
    bool asked;
};

/* Somebody keeps a file of all that comes in. */
static inline bool gate_has_sink(const InputGate *g) {
    return g->sink != NULL;
}

static inline bool gate_has_hooks(const InputGate *g) {
    return g->has_hooks;
}

#endif
