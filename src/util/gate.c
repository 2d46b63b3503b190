/* SPDX-License-Identifier: MIT */
/*
 * InputGate: the log of what came in, and the switch between the host's input and the log's.
 *
 * Invariants: event[position - first] is the next to be replayed; position == first + event_count
 * means live.
 */
#include "util/gate.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

InputGate *gate_new(void) {
    InputGate *g = calloc(1, sizeof(*g));
    assert(g != NULL);
    return g;
}

void gate_free(InputGate *g) {
    if (g == NULL) {
        return;
    }
    while (g->port_count > 0) {
        gate_port_free(g->port[g->port_count - 1]);
    }
    for (size_t i = 0; i < g->event_count; i++) {
        free(g->event[i].data);
    }
    free(g->event);
    free(g->divergence);
    free(g);
}

void gate_set_hooks(InputGate *g, const GateHooks *hooks) {
    g->hooks = *hooks;
    g->has_hooks = true;
}

/* --- ports -------------------------------------------------------------------------- */

int gate_port_find(const InputGate *g, const char *name) {
    for (unsigned i = 0; i < g->port_count; i++) {
        if (g->port[i] != NULL && strcmp(g->port[i]->name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

const char *gate_port_name(const InputGate *g, unsigned number) {
    return number < g->port_count && g->port[number] ? g->port[number]->name : NULL;
}

GatePort *gate_port_new(InputGate *g, const char *name, GateDeliver *deliver,
                        void *opaque) {
    if (g->port_count == GATE_MAX_PORTS || gate_port_find(g, name) >= 0) {
        return NULL;
    }
    GatePort *port = calloc(1, sizeof(*port));
    assert(port != NULL);
    *port = (GatePort){.gate = g,
                       .name = strdup(name),
                       .deliver = deliver,
                       .opaque = opaque,
                       .number = (uint8_t)g->port_count};
    g->port[g->port_count++] = port;
    return port;
}

void gate_port_free(GatePort *port) {
    if (port == NULL) {
        return;
    }
    InputGate *g = port->gate;
    g->port[port->number] = NULL; /* its number is not given away again */
    while (g->port_count > 0 && g->port[g->port_count - 1] == NULL) {
        g->port_count--;
    }
    free(port->name);
    free(port);
}

void gate_port_on_open(GatePort *port, void (*opened)(void *opaque), void *opaque) {
    port->opened = opened;
    port->opened_opaque = opaque;
}

/* --- the log ------------------------------------------------------------------------ */

static bool in_the_past(const InputGate *g) {
    return g->position < gate_end(g);
}

uint64_t gate_first(const InputGate *g) {
    return g->first;
}

uint64_t gate_end(const InputGate *g) {
    return g->first + g->event_count;
}

uint64_t gate_position(const InputGate *g) {
    return g->position;
}

const GateEvent *gate_event(const InputGate *g, uint64_t number) {
    return number >= g->first && number < gate_end(g) ? &g->event[number - g->first]
                                                      : NULL;
}

static void log_append(InputGate *g, const GateEvent *ev) {
    if (g->event_count == g->event_cap) {
        g->event_cap = g->event_cap ? 2 * g->event_cap : 256;
        g->event = realloc(g->event, g->event_cap * sizeof(*g->event));
        assert(g->event != NULL);
    }
    g->event[g->event_count++] = *ev;
}

void gate_keep(InputGate *g, bool on, void (*sink)(void *opaque, const GateEvent *ev),
               void *opaque) {
    g->kept = on;
    g->sink = sink;
    g->sink_opaque = opaque;
}

bool gate_is_kept(const InputGate *g) {
    return g->kept;
}

bool gate_append(InputGate *g, const GateEvent *ev, Error **errp) {
    if (gate_port_name(g, ev->port) == NULL) {
        error_set(errp, "an event is for input number %u, which this machine has not",
                  ev->port);
        return false;
    }
    if (g->event_count > 0 && ev->count < g->event[g->event_count - 1].count) {
        error_set(errp, "an event at count %" PRIu64 " follows one at %" PRIu64,
                  ev->count, g->event[g->event_count - 1].count);
        return false;
    }
    log_append(g, ev);
    g->was_shut = true;
    return true;
}

void gate_seal(InputGate *g, uint64_t count) {
    g->sealed_at = count;
    g->sealed = true;
}

bool gate_seek(InputGate *g, uint64_t number, Error **errp) {
    if (number < g->first || number > gate_end(g)) {
        error_set(errp,
                  "input number %" PRIu64 " is not kept (there are %" PRIu64
                  " to %" PRIu64 "); go to a later moment",
                  number, g->first, gate_end(g));
        return false;
    }
    g->position = number;
    g->was_shut |= in_the_past(g);
    return true;
}

static void free_events(InputGate *g, size_t from) {
    for (size_t i = from; i < g->event_count; i++) {
        free(g->event[i].data);
    }
    g->event_count = from;
}

void gate_restart(InputGate *g, uint64_t number) {
    assert(!g->sealed);
    free_events(g, 0);
    g->first = g->position = number;
    g->run++;
    g->was_shut = true;
}

void gate_cut(InputGate *g) {
    assert(!g->sealed);
    free_events(g, (size_t)(g->position - g->first));
    g->was_shut = true;
}

void gate_forget(InputGate *g, uint64_t number) {
    uint64_t limit = number < g->position ? number : g->position;
    if (limit <= g->first) {
        return;
    }
    size_t n = (size_t)(limit - g->first);
    for (size_t i = 0; i < n; i++) {
        free(g->event[i].data);
    }
    g->event_count -= n;
    memmove(g->event, g->event + n, g->event_count * sizeof(*g->event));
    g->first = limit;
}

/* --- divergence --------------------------------------------------------------------- */

const char *gate_divergence(const InputGate *g) {
    return g->divergence;
}

static void diverge(InputGate *g, const char *what, uint64_t now) {
    if (g->divergence != NULL) {
        return;
    }
    const GateEvent *ev = gate_event(g, g->position);
    const char *name = ev ? gate_port_name(g, ev->port) : NULL;
    char text[256];
    snprintf(text, sizeof(text),
             "%s at count %" PRIu64 "; the recording has input number %" PRIu64
             " (%s) at count %" PRIu64,
             what, now, g->position, name ? name : "none", ev ? ev->count : UINT64_MAX);
    g->divergence = strdup(text);
    if (g->hooks.diverged != NULL) {
        g->hooks.diverged(g->hooks.diverged_opaque, text);
    }
}

/* --- input -------------------------------------------------------------------------- */

bool gate_is_live(const InputGate *g) {
    return !in_the_past(g) && !g->sealed;
}

bool gate_is_open(const GatePort *port) {
    return port == NULL || (gate_is_live(port->gate) && !port->gate->standing);
}

void gate_stand(InputGate *g, bool on) {
    g->standing = on && g->has_hooks;
    g->was_shut |= on;
}

static bool in_guest(const InputGate *g) {
    return g->hooks.in_guest(g->hooks.opaque);
}

static uint64_t now_count(const InputGate *g) {
    return g->hooks.count(g->hooks.opaque);
}

static void keep_event(GatePort *port, bool pulled, unsigned kind, const void *data,
                       size_t len) {
    InputGate *g = port->gate;
    assert(len <= GATE_MAX_DATA && kind <= UINT8_MAX);
    GateEvent ev = {.count = now_count(g),
                    .time_ns = g->hooks.time_ns(g->hooks.opaque),
                    .pulled = pulled,
                    .port = port->number,
                    .kind = (uint8_t)kind,
                    .len = (uint32_t)len};
    if (len > 0) {
        ev.data = malloc(len);
        assert(ev.data != NULL);
        memcpy(ev.data, data, len);
    }
    log_append(g, &ev);
    g->position = gate_end(g);
    if (g->sink != NULL) {
        g->sink(g->sink_opaque, &ev);
    }
}

void gate_note(GatePort *port, unsigned kind, const void *data, size_t len) {
    assert(gate_is_live(port->gate));
    if (port->gate->kept && port->gate->has_hooks) {
        assert(!in_guest(port->gate));
        keep_event(port, false, kind, data, len);
    }
}

bool gate_input(GatePort *port, unsigned kind, const void *data, size_t len) {
    if (!gate_is_live(port->gate)) {
        return false;
    }
    gate_note(port, kind, data, len);
    port->deliver(port->opaque, kind, data, len);
    return true;
}

/* Takes the next event out of the log and delivers it. */
static void replay_one(InputGate *g) {
    const GateEvent *ev = gate_event(g, g->position);
    GatePort *port = g->port[ev->port];
    g->position++;
    if (port != NULL) {
        port->deliver(port->opaque, ev->kind, ev->data, ev->len);
    }
}

bool gate_is_busy(const GatePort *port) {
    return port != NULL && port->gate->has_hooks && in_guest(port->gate);
}

void gate_ask(GatePort *port) {
    port->asked = true;
    port->gate->asked = true;
    port->gate->hooks.leave(port->gate->hooks.opaque);
}

void gate_pull(GatePort *port, void *data, size_t len,
               void (*fill)(void *opaque, void *data, size_t len), void *opaque) {
    InputGate *g = port ? port->gate : NULL;
    if (g == NULL || !g->has_hooks || (!g->kept && gate_is_live(g))) {
        fill(opaque, data, len);
        return;
    }
    uint64_t now = now_count(g);
    if (gate_is_live(g)) {
        fill(opaque, data, len);
        keep_event(port, true, 0, data, len);
        return;
    }
    const GateEvent *ev = gate_event(g, g->position);
    if (ev == NULL || ev->port != port->number || !ev->pulled || ev->count != now ||
        ev->len != len) {
        diverge(g, "the guest asks for a value", now);
        memset(data, 0, len);
        return;
    }
    memcpy(data, ev->data, len);
    g->position++;
}

/* --- replay ------------------------------------------------------------------------- */

bool gate_next(const InputGate *g, uint64_t *count, int64_t *time_ns) {
    if (!in_the_past(g)) {
        return false;
    }
    const GateEvent *ev = gate_event(g, g->position);
    if (!ev->pulled) {
        *count = ev->count;
        *time_ns = ev->time_ns;
    } else {
        *count = ev->count + 1;
        *time_ns = INT64_MAX;
    }
    return true;
}

bool gate_skip(GatePort *port, unsigned kind) {
    InputGate *g = port->gate;
    const GateEvent *ev = gate_event(g, g->position);
    if (ev == NULL || ev->port != port->number || ev->kind != kind ||
        ev->count != now_count(g)) {
        return false;
    }
    g->position++;
    return true;
}

unsigned gate_replay(InputGate *g, uint64_t end) {
    unsigned delivered = 0;
    /* One of them may have the guest stand. */
    while (g->position < end && in_the_past(g) && !g->standing && g->divergence == NULL) {
        const GateEvent *ev = gate_event(g, g->position);
        uint64_t now = now_count(g);
        if (ev->count < now) {
            diverge(g, "the guest did not ask for its input", now);
            break;
        }
        if (ev->pulled || ev->count > now ||
            ev->time_ns > g->hooks.time_ns(g->hooks.opaque)) {
            break;
        }
        replay_one(g);
        delivered++;
    }
    return delivered;
}

/* Calls the ports that asked, or all. */
static void call_ports(InputGate *g, bool all) {
    g->asked = false;
    for (unsigned i = 0; i < g->port_count; i++) {
        GatePort *port = g->port[i];
        if (port != NULL && (all || port->asked)) {
            port->asked = false;
            if (port->opened != NULL) {
                port->opened(port->opened_opaque);
            }
        }
    }
}

void gate_call_ports(InputGate *g) {
    if (gate_is_live(g) && !g->standing && (g->was_shut || g->asked)) {
        bool all = g->was_shut;
        g->was_shut = false;
        call_ports(g, all);
    }
}
