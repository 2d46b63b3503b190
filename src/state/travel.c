/* SPDX-License-Identifier: MIT */
/*
 * Travel: restore, run up to a moment, and remember what was hit on the way. See travel.h.
 *
 *   begin: mark the present in the log --> restore an entry --> run, points swallowed --> end: tell
 *
 * Invariants: of the input log everything from the oldest entry on is kept. During a journey the present
 * is an event of the log: all that is run again is the past, where nothing of the host's comes in, and
 * waiting takes no time.
 */
#include "state/travel.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hw/machine/touch.h"
#include "state/history.h"
#include "util/keyval.h"
#include "util/trace.h"

enum { DEFAULT_BUDGET = 256 << 20, WAIT_MS = 60000, LOOK_MS = 1000, MEANWHILE_MS = 5 };
/* More of either is a slip of the finger: 16 TiB; and counts are never near 2^64. */
#define MAX_BUDGET_MIB (UINT64_C(1) << 24)
#define MAX_EVERY      (ICOUNT_EPOCH << 32)

/* A hit of a break or watch point. */
typedef struct Hit {
    bool found;
    uint64_t count;
    DebugStop stop;
} Hit;

/* What a run up to a moment looks for. */
typedef struct Search {
    bool any; /* every point; else only stores to these bytes, whoever watches them */
    vaddr addr;
    bool physical;
    uint64_t len;
    uint64_t before; /* hits at smaller counts */
    bool at_end;     /* and right there */
    Hit last;
    const Hit *stop_at; /* or NULL: no hit stops */
} Search;

struct Travel {
    Machine *m;
    History *history;
    uint64_t budget; /* bytes */
    CpuIcountHook hook;
    bool was_kept; /* the log was kept before, for a recording */
    uint32_t run;  /* of the gate: another one is another run, without a past */
    bool told;     /* that an entry could not be taken */
    void (*meanwhile)(void *opaque);
    void *meanwhile_opaque;
    pthread_mutex_t journey;
    /* journey */
    Search search;
};

bool travel_config_parse(TravelConfig *config, const char *text, Error **errp) {
    KeyVal kv;
    *config = (TravelConfig){0};
    bool ok = keyval_parse(&kv, text, "mode", errp) &&
              keyval_check(&kv, "mode every mem", "-history", errp);
    const char *mode = ok ? keyval_get(&kv, "mode") : NULL;
    uint64_t mib = 0;
    if (ok && mode && strcmp(mode, "on")) {
        error_set(errp, "'%s' is unknown; use on[,every=N][,mem=MIB]", mode);
        ok = false;
    }
    ok = ok && keyval_get_u64(&kv, "every", &config->every, errp) &&
         keyval_get_u64(&kv, "mem", &mib, errp);
    if (ok && keyval_get(&kv, "every") &&
        (config->every == 0 || config->every % ICOUNT_EPOCH ||
         config->every > MAX_EVERY)) {
        error_set(errp,
                  "every=%s: use a multiple of %" PRIu64
                  " instructions, at most %" PRIu64,
                  keyval_get(&kv, "every"), (uint64_t)ICOUNT_EPOCH, MAX_EVERY);
        ok = false;
    }
    if (ok && keyval_get(&kv, "mem") && (mib == 0 || mib > MAX_BUDGET_MIB)) {
        error_set(errp, "mem=%s: use a number of MiB from 1 to %" PRIu64 ", such as 256",
                  keyval_get(&kv, "mem"), MAX_BUDGET_MIB);
        ok = false;
    }
    config->budget = mib << 20;
    if (!ok) {
        error_prepend(errp, "-history %s: ", text);
    }
    keyval_free(&kv);
    return ok;
}

/* --- entries -------------------------------------------------------------------------- */

static void tell_trouble(Travel *t, Error *err) {
    const MachineConfig *config = &t->m->config;
    if (err && !t->told && config->report) {
        config->report(config->report_opaque, error_message(err));
    }
    t->told = true;
    error_free(err);
}

/* A snapshot was loaded: what was before it is not this run's past. Machine lock. */
static bool follow_run(Travel *t, Error **errp) {
    uint32_t run = t->m->gate->run;
    bool ok = run == t->run || history_restart(t->history, errp);
    t->run = ok ? run : t->run;
    return ok;
}

/* Between two instructions, the machine lock held, TLBs empty: that is what an epoch begins with. */
static void take_entry(void *opaque, uint64_t count) {
    Travel *t = opaque;
    Error *err = NULL;
    bool ok = follow_run(t, &err);
    unsigned n = history_count(t->history);
    if (ok && n && history_entry(t->history, n - 1).count >= count) {
        return;
    }
    if (!ok || !history_take(t->history, &err)) {
        tell_trouble(t, err);
    }
    if (!t->was_kept && history_count(t->history)) {
        gate_forget(t->m->gate, history_entry(t->history, 0).input);
    }
}

Travel *travel_new(Machine *m, const TravelConfig *config, Error **errp) {
    if (!cpu_group_icount_enabled(m->cpus)) {
        error_set(errp, "going back in time needs -icount, such as -icount shift=0");
        return NULL;
    }
    Travel *t = calloc(1, sizeof(*t));
    assert(t);
    t->m = m;
    pthread_mutex_init(&t->journey, NULL);
    machine_lock(m);
    t->run = m->gate->run;
    t->was_kept = gate_is_kept(m->gate);
    if (!t->was_kept) {
        gate_keep(m->gate, true, NULL, NULL);
    }
    cpu_group_icount_flush(m->cpus);
    machine_unlock(m);
    t->budget = config->budget ? config->budget : DEFAULT_BUDGET;
    t->history = history_new(m, t->budget, errp);
    if (!t->history) {
        travel_free(t);
        return NULL;
    }
    t->hook = (CpuIcountHook){.interval = config->every ? config->every : ICOUNT_EPOCH,
                              .fn = take_entry,
                              .opaque = t};
    machine_lock(m);
    cpu_group_icount_add_hook(m->cpus, &t->hook);
    machine_unlock(m);
    return t;
}

void travel_free(Travel *t) {
    if (!t) {
        return;
    }
    machine_lock(t->m);
    cpu_group_icount_remove_hook(t->m->cpus, &t->hook);
    if (!t->was_kept) {
        gate_keep(t->m->gate, false, NULL, NULL);
    }
    machine_unlock(t->m);
    history_free(t->history);
    pthread_mutex_destroy(&t->journey);
    free(t);
}

void travel_set_meanwhile(Travel *t, void (*fn)(void *opaque), void *opaque) {
    t->meanwhile = fn;
    t->meanwhile_opaque = opaque;
}

static uint64_t now(const Travel *t) {
    return cpu_group_icount(t->m->cpus);
}

static CpuMoment here(const Travel *t) {
    return (CpuMoment){now(t), gate_position(t->m->gate)};
}

/* The first that can be gone to; the present if there is no entry. */
static CpuMoment first_moment(const Travel *t) {
    if (history_count(t->history) == 0) {
        return here(t);
    }
    const HistoryEntry e = history_entry(t->history, 0);
    return (CpuMoment){e.count, e.input};
}

/* The last count that is known to be reached: that of the recording's end, of the last event of the
 * past, or of now. */
static uint64_t present(const Travel *t) {
    const InputGate *g = t->m->gate;
    if (g->sealed) {
        return g->sealed_at;
    }
    return gate_is_live(g) ? now(t) : gate_event(g, gate_end(g) - 1)->count;
}

TravelRange travel_range(Travel *t) {
    machine_lock(t->m);
    TravelRange r = {.first = first_moment(t).count,
                     .now = now(t),
                     .seen = present(t),
                     .entries = history_count(t->history),
                     .bytes = history_bytes(t->history),
                     .budget = t->budget};
    machine_unlock(t->m);
    return r;
}

unsigned travel_moments(Travel *t, HistoryEntry *moments, unsigned max) {
    machine_lock(t->m);
    unsigned n = history_count(t->history);
    n = n < max ? n : max;
    for (unsigned i = 0; i < n; i++) {
        moments[i] = history_entry(t->history, i);
    }
    machine_unlock(t->m);
    return n;
}

bool travel_restart(Travel *t, Error **errp) {
    machine_lock(t->m);
    bool ok = follow_run(t, errp);
    machine_unlock(t->m);
    return ok;
}

/* --- running up to a moment ------------------------------------------------------------ */

/* A device's is told of the search's own point before others'. */
static bool is_store_to(const DebugStop *stop, const Search *s) {
    if (stop->reason != DEBUG_WATCH || !(stop->access & DEBUG_WRITE)) {
        return false;
    }
    if (debug_stop_is_dma(stop)) {
        return stop->owner == DEBUG_OWNER_HISTORY;
    }
    vaddr at = s->physical ? stop->phys : stop->address;
    return at < s->addr + s->len && s->addr < at + stop->size;
}

/* Every hit of a point on the way. True: it is no reason to stop. */
static bool note_hit(void *opaque, const DebugStop *stop) {
    Travel *t = opaque;
    Search *s = &t->search;
    if (stop->reason != DEBUG_BREAK && stop->reason != DEBUG_WATCH) {
        return false;
    }
    if (s->stop_at) {
        const Hit *want = s->stop_at;
        return now(t) != want->count || stop->point != want->stop.point ||
               stop->cpu != want->stop.cpu;
    }
    bool wanted = s->any || is_store_to(stop, s);
    if (wanted && (now(t) < s->before || (s->at_end && now(t) == s->before))) {
        s->last = (Hit){.found = true, .count = now(t), .stop = *stop};
    }
    return true;
}

static bool check_arrival(const Travel *t, uint64_t count, Error **errp) {
    const char *divergence = gate_divergence(t->m->gate);
    if (divergence) {
        error_set(errp, "the past did not come out the same: %s", divergence);
    } else if (now(t) != count) {
        error_set(errp,
                  "the run ended at count %" PRIu64 ", not at %" PRIu64
                  "; somebody stopped it, or the guest waits for what does not come",
                  now(t), count);
    }
    return !divergence && now(t) == count;
}

/* True: it stopped. */
static bool wait_and_see(Travel *t) {
    bool stopped = false;
    for (unsigned waited = 0; !stopped && waited < LOOK_MS; waited += MEANWHILE_MS) {
        stopped = machine_wait_stopped(t->m, MEANWHILE_MS);
        if (!stopped && t->meanwhile) {
            t->meanwhile(t->meanwhile_opaque);
        }
    }
    return stopped;
}

/* Until it stops by itself; a guest that waits for something, as only one that was not there before can,
 * is stopped. */
static void wait_stopped(Travel *t) {
    uint64_t last = ICOUNT_NEVER;
    for (unsigned waited = 0; waited < WAIT_MS; waited += LOOK_MS) {
        if (wait_and_see(t)) {
            return;
        }
        machine_lock(t->m);
        uint64_t count = now(t);
        machine_unlock(t->m);
        if (count == last) {
            break;
        }
        last = count;
    }
    machine_stop(t->m, RUN_PAUSED);
}

/* The machine is stopped before the moment: runs up to it. */
static bool run_to(Travel *t, CpuMoment to, Error **errp) {
    Machine *m = t->m;
    machine_lock(m);
    t->search.before = to.count;
    m->cpus->debug.swallow = note_hit;
    m->cpus->debug.swallow_opaque = t;
    machine_unlock(m);
    bool ok = machine_cont_until(m, to, errp);
    if (ok) {
        wait_stopped(t);
    }
    machine_lock(m);
    m->cpus->debug.swallow = NULL;
    if (ok && now(t) == to.count && gate_position(m->gate) < to.inputs) {
        touch_pass_mark(m); /* the guest switched itself off right here: it takes none */
    }
    machine_unlock(m);
    return ok;
}

/* The last entry not behind a count; -1: there is none. */
static int entry_at(const Travel *t, uint64_t count) {
    int i = (int)history_count(t->history) - 1;
    while (i >= 0 && history_entry(t->history, (unsigned)i).count > count) {
        i--;
    }
    return i;
}

static void restore(Travel *t, int entry) {
    machine_stop(t->m,
                 RUN_PAUSED); /* somebody let it go on; or it has switched itself off */
    history_restore(t->history, (unsigned)entry);
}

static bool go_silently(Travel *t, CpuMoment to, Error **errp) {
    const CpuMoment at = here(t);
    if (at.count == to.count && at.inputs == to.inputs) {
        return true;
    }
    if (to.count <= at.count) {
        int entry = entry_at(t, to.count);
        if (entry < 0) {
            error_set(errp,
                      "count %" PRIu64 " is before the history, which begins at %" PRIu64
                      "; go there, or give more memory: -history mem=MIB",
                      to.count, first_moment(t).count);
            return false;
        }
        restore(t, entry);
    }
    return run_to(t, to, errp) && check_arrival(t, to.count, errp);
}

/* To where the point was hit, as if the run had just been stopped by it. */
static bool go_to_hit(Travel *t, const Hit *hit, Error **errp) {
    restore(t, entry_at(t, hit->count));
    t->search.stop_at = hit;
    bool ok = run_to(t, (CpuMoment){.count = hit->count + 1}, errp);
    t->search.stop_at = NULL;
    return ok && check_arrival(t, hit->count, errp);
}

/* --- one journey ---------------------------------------------------------------------- */

static bool may_begin(Travel *t, Error **errp) {
    if (machine_run_state(t->m) == RUN_RUNNING) {
        error_set(errp, "the machine runs; stop it first");
        return false;
    }
    machine_lock(t->m);
    bool ok = follow_run(t, errp);
    if (ok) {
        touch_mark(t->m);
    }
    machine_unlock(t->m);
    return ok;
}

static bool begin(Travel *t, Error **errp) {
    if (pthread_mutex_trylock(&t->journey)) {
        error_set(errp, "somebody else is on a journey; try again when it is over");
        return false;
    }
    if (!may_begin(t, errp)) {
        pthread_mutex_unlock(&t->journey);
        return false;
    }
    t->search = (Search){0};
    trace_hold(t->m->trace, true);
    machine_set_quiet(t->m, true);
    return true;
}

/* Tells where it ended. */
static void end(Travel *t, const DebugStop *stop) {
    machine_set_quiet(t->m, false);
    trace_hold(t->m->trace, false);
    machine_tell_stop(t->m, stop);
    pthread_mutex_unlock(&t->journey);
}

static DebugStop count_stop(const Travel *t) {
    const CPUState *cpu = t->m->cpus->cpu[t->m->cpus->turn];
    return (DebugStop){
        .reason = DEBUG_COUNT, .cpu = cpu->index, .pc = cpu->cls->get_pc(cpu)};
}

/* To the present; what comes behind it is news, and nobody is kept from hearing of it. */
static bool go_to_present(Travel *t, Error **errp) {
    const InputGate *g = t->m->gate;
    const CpuMoment to = {present(t), gate_end(g)};
    if (g->sealed) {
        error_set(errp, "the recording ends at count %" PRIu64, to.count);
        return false;
    }
    bool ok = go_silently(t, to, errp);
    trace_hold(t->m->trace, false);
    machine_set_quiet(t->m, false);
    return ok;
}

static bool travel_to(Travel *t, CpuMoment to, Error **errp) {
    bool ok = to.count <= present(t) || go_to_present(t, errp);
    ok = ok && go_silently(t, to, errp);
    const DebugStop stop = count_stop(t);
    end(t, &stop);
    return ok;
}

bool travel_go(Travel *t, CpuMoment to, Error **errp) {
    return begin(t, errp) && travel_to(t, to, errp);
}

bool travel_back(Travel *t, uint64_t n, Error **errp) {
    if (!begin(t, errp)) {
        return false;
    }
    uint64_t at = now(t);
    return travel_to(t, (CpuMoment){.count = n < at ? at - n : 0}, errp);
}

/* Looks for the last hit before `limit` (at_end: or right at it), entry by entry, not further back than
 * the entry at `floor`. The machine ends up anywhere; *looked: the search went back to there. */
static bool search_back(Travel *t, CpuMoment limit, bool at_end, uint64_t floor,
                        uint64_t *looked, Error **errp) {
    *looked = limit.count;
    t->search.at_end = at_end;
    for (int i = limit.count ? entry_at(t, limit.count - 1) : -1;
         i >= 0 && *looked > floor; i--) {
        const HistoryEntry from = history_entry(t->history, (unsigned)i);
        *looked = from.count;
        restore(t, i);
        if (!run_to(t, limit, errp) || !check_arrival(t, limit.count, errp)) {
            return false;
        }
        if (t->search.last.found) {
            return true;
        }
        limit = (CpuMoment){from.count, from.input};
        t->search.at_end = true; /* a store right before it was not in the later run */
    }
    return true;
}

bool travel_back_to_point(Travel *t, DebugStop *stop, Error **errp) {
    *stop = (DebugStop){.reason = DEBUG_NONE};
    if (!begin(t, errp)) {
        return false;
    }
    const CpuMoment start = here(t), first = first_moment(t);
    t->search.any = true;
    bool ok = search_back(t, start, false, 0, &(uint64_t){0}, errp);
    const Hit hit = t->search.last;
    if (!ok) {
        go_silently(t, start, NULL);
    } else if (hit.found) {
        ok = go_to_hit(t, &hit, errp);
    } else {
        ok = go_silently(t, first, errp);
    }
    *stop = count_stop(t);
    if (ok && hit.found) {
        *stop = hit.stop;
    } else if (ok) {
        stop->reason = DEBUG_NONE;
    }
    end(t, stop);
    return ok;
}

bool travel_last_write(Travel *t, const TravelQuestion *q, TravelWrite *write,
                       Error **errp) {
    *write = (TravelWrite){.found = false};
    if (!begin(t, errp)) {
        return false;
    }
    const CpuMoment start = here(t);
    bool past = q->before && q->before <= start.count;
    const CpuMoment before = past ? (CpuMoment){.count = q->before} : start;
    uint64_t floor = q->within && q->within < before.count ? before.count - q->within : 0;
    t->search.addr = q->addr;
    t->search.len = q->len;
    t->search.physical = q->physical;
    machine_lock(t->m);
    unsigned id = (q->physical ? debug_add_phys_watch : debug_add_watch)(
        t->m->cpus, DEBUG_OWNER_HISTORY, q->addr, q->len, DEBUG_WRITE, errp);
    machine_unlock(t->m);
    bool ok = id && search_back(t, before, !q->before, floor, &write->from, errp);
    const Hit hit = t->search.last;
    if (ok && hit.found) {
        write->found = true;
        write->count = hit.count;
        write->stop = hit.stop;
    }
    machine_stop(t->m, RUN_PAUSED);
    machine_lock(t->m);
    debug_remove_all(t->m->cpus, DEBUG_OWNER_HISTORY);
    machine_unlock(t->m);
    ok = go_silently(t, start, ok ? errp : NULL) && ok;
    const DebugStop stop = count_stop(t);
    end(t, &stop);
    return ok;
}

bool travel_cut(Travel *t, Error **errp) {
    const InputGate *g = t->m->gate;
    if (g->sealed || gate_has_sink(g)) {
        error_set(errp, g->sealed
                            ? "a recording is replayed; it cannot have another future"
                            : "the future is in the file of -record already");
        return false;
    }
    if (!begin(t, errp)) {
        return false;
    }
    machine_lock(t->m);
    gate_cut(t->m->gate);
    machine_unlock(t->m);
    const DebugStop stop = count_stop(t);
    end(t, &stop);
    return true;
}
