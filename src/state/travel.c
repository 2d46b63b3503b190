/* SPDX-License-Identifier: MIT */
/*
 * Travel: restore, run up to a count, and remember what was hit on the way. See travel.h.
 *
 * Invariants: entry i of the history has count `entry.count`; of the input log everything from the
 * oldest entry on is kept.
 */
#include "state/travel.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "state/history.h"
#include "util/keyval.h"
#include "util/trace.h"

enum { DEFAULT_BUDGET = 256 << 20, WAIT_MS = 60000, LOOK_MS = 1000 };

/* What a run up to a count looks for. */
typedef struct Search {
    bool any; /* every point; else only stores to these bytes, whoever watches them */
    vaddr addr;
    uint64_t len;
    bool at_end; /* what happens right at the end of the run counts, too */
    bool found;
    uint64_t count;
    DebugStop stop;
} Search;

struct Travel {
    Machine *m;
    History *history;
    uint64_t budget; /* bytes */
    CpuIcountHook hook;
    bool was_kept; /* the log was kept before, for a recording */
    Search search;
    uint64_t target; /* of the run under way */
    uint64_t seen;   /* the run has been up to here */
    char *trouble;   /* an entry could not be taken */
};

bool travel_config_parse(TravelConfig *config, const char *text, Error **errp) {
    KeyVal kv;
    *config = (TravelConfig){0};
    bool ok = keyval_parse(&kv, text, "mode", errp) &&
              keyval_check(&kv, "mode every mem", "-history", errp);
    const char *mode = ok ? keyval_get(&kv, "mode") : NULL;
    const char *every = ok ? keyval_get(&kv, "every") : NULL;
    const char *mem = ok ? keyval_get(&kv, "mem") : NULL;
    char *end = NULL;
    if (ok && mode && strcmp(mode, "on")) {
        error_set(errp, "-history: '%s' is unknown; use on[,every=N][,mem=MIB]", mode);
        ok = false;
    }
    if (ok && every) {
        config->every = strtoull(every, &end, 0);
        if (*end || config->every == 0 || config->every % ICOUNT_EPOCH) {
            error_set(errp, "every=%s: use a multiple of %" PRIu64 " instructions", every,
                      (uint64_t)ICOUNT_EPOCH);
            ok = false;
        }
    }
    if (ok && mem) {
        config->budget = strtoull(mem, &end, 0) << 20;
        if (*end || config->budget == 0) {
            error_set(errp, "mem=%s: use a number of MiB, such as 256", mem);
            ok = false;
        }
    }
    keyval_free(&kv);
    return ok;
}

/* --- entries -------------------------------------------------------------------------- */

/* Between two instructions, the machine lock held, TLBs empty: that is what an epoch begins with. */
static void take_entry(void *opaque, uint64_t count) {
    Travel *t = opaque;
    Error *err = NULL;
    unsigned n = history_count(t->history);
    if (n && history_entry(t->history, n - 1).count >= count) {
        return;
    }
    if (!history_take(t->history, &err) && !t->trouble) {
        t->trouble = strdup(error_message(err));
    }
    error_free(err);
    if (!t->was_kept && history_count(t->history)) {
        gate_forget(t->m->gate, history_entry(t->history, 0).input);
    }
}

Travel *travel_new(Machine *m, const TravelConfig *config, Error **errp) {
    if (!cpu_group_icount_enabled(m->cpus)) {
        error_set(errp, "going back in time needs -icount, such as -icount shift=2");
        return NULL;
    }
    Travel *t = calloc(1, sizeof(*t));
    assert(t);
    t->m = m;
    machine_lock(m);
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
    free(t->trouble);
    free(t);
}

static uint64_t now(const Travel *t) {
    return cpu_group_icount(t->m->cpus);
}

/* Where the history begins. */
static uint64_t first(const Travel *t) {
    return history_count(t->history) ? history_entry(t->history, 0).count : now(t);
}

bool travel_restart(Travel *t, Error **errp) {
    machine_lock(t->m);
    if (!t->was_kept) {
        gate_cut(t->m->gate);
    }
    cpu_group_icount_flush(t->m->cpus);
    machine_unlock(t->m);
    if (!history_restart(t->history, errp)) {
        return false;
    }
    t->seen = now(t);
    return true;
}

TravelRange travel_range(Travel *t) {
    machine_lock(t->m);
    TravelRange r = {.first = first(t),
                     .now = now(t),
                     .seen = now(t) > t->seen ? now(t) : t->seen,
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

/* --- running up to a count ------------------------------------------------------------ */

static bool is_store_to(const DebugStop *stop, vaddr addr, uint64_t len) {
    return stop->reason == DEBUG_WATCH && (stop->access & DEBUG_WRITE) &&
           stop->address < addr + len && addr < stop->address + stop->size;
}

/* Every hit of a point on the way. True: it is no reason to stop. */
static bool note_hit(void *opaque, const DebugStop *stop) {
    Travel *t = opaque;
    if (stop->reason != DEBUG_BREAK && stop->reason != DEBUG_WATCH) {
        return false;
    }
    bool wanted = t->search.any || is_store_to(stop, t->search.addr, t->search.len);
    bool before = now(t) < t->target || (t->search.at_end && now(t) == t->target);
    if (wanted && before) {
        t->search.found = true;
        t->search.count = now(t);
        t->search.stop = *stop;
    }
    return true;
}

/* Until it stops by itself; a guest that waits for something, as only one that was not there before can,
 * is stopped. */
static void wait_stopped(Travel *t) {
    uint64_t last = ICOUNT_NEVER;
    for (unsigned waited = 0; waited < WAIT_MS; waited += LOOK_MS) {
        if (machine_wait_stopped(t->m, LOOK_MS)) {
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

/* The machine is stopped before `count`: runs up to it. */
static bool run_to(Travel *t, uint64_t count, Error **errp) {
    Machine *m = t->m;
    if (now(t) == count) {
        return true;
    }
    machine_lock(m);
    t->target = count;
    m->cpus->debug.swallow = note_hit;
    m->cpus->debug.swallow_opaque = t;
    cpu_group_icount_limit(m->cpus, count);
    cpu_group_icount_known(m->cpus, t->seen);
    machine_unlock(m);
    bool ok = machine_cont(m, errp);
    if (ok) {
        wait_stopped(t);
    }
    machine_lock(m);
    m->cpus->debug.swallow = NULL;
    cpu_group_icount_limit(m->cpus, ICOUNT_NEVER);
    cpu_group_icount_known(m->cpus, 0);
    machine_unlock(m);
    if (ok && gate_divergence(m->gate)) {
        error_set(errp, "the past did not come out the same: %s",
                  gate_divergence(m->gate));
        ok = false;
    } else if (ok && now(t) != count) {
        error_set(errp,
                  "the run ended at count %" PRIu64 ", before %" PRIu64
                  "; the guest waits, or was stopped",
                  now(t), count);
        ok = false;
    }
    return ok;
}

/* The last entry with a count not above `count`; -1: there is none. */
static int entry_at(const Travel *t, uint64_t count) {
    int i = (int)history_count(t->history) - 1;
    while (i >= 0 && history_entry(t->history, (unsigned)i).count > count) {
        i--;
    }
    return i;
}

static void restore(Travel *t, unsigned i) {
    history_restore(t->history, i);
    machine_stop(t->m, RUN_PAUSED); /* also a guest that had switched itself off */
}

static bool go_silently(Travel *t, uint64_t count, Error **errp) {
    if (count < now(t)) {
        int i = entry_at(t, count);
        if (i < 0) {
            error_set(errp,
                      "count %" PRIu64 " is before the history, which begins at %" PRIu64
                      "; go there, or give more memory: -history mem=MIB",
                      count, first(t));
            return false;
        }
        restore(t, (unsigned)i);
    }
    return run_to(t, count, errp);
}

/* --- one journey ---------------------------------------------------------------------- */

static bool begin(Travel *t, Error **errp) {
    if (machine_run_state(t->m) == RUN_RUNNING) {
        error_set(errp, "the machine runs; stop it first");
        return false;
    }
    t->search = (Search){0};
    uint64_t here = now(t);
    t->seen = here > t->seen ? here : t->seen;
    trace_hold(t->m->trace, true);
    machine_set_quiet(t->m, true);
    return true;
}

/* Tells where it ended. */
static void end(Travel *t, const DebugStop *stop) {
    machine_set_quiet(t->m, false);
    trace_hold(t->m->trace, false);
    machine_tell_stop(t->m, stop);
}

static DebugStop count_stop(const Travel *t) {
    const CPUState *cpu = t->m->cpus->cpu[t->m->cpus->turn];
    return (DebugStop){
        .reason = DEBUG_COUNT, .cpu = cpu->index, .pc = cpu->cls->get_pc(cpu)};
}

bool travel_go(Travel *t, uint64_t count, Error **errp) {
    if (!begin(t, errp)) {
        return false;
    }
    bool news = count > t->seen, ok = !news || go_silently(t, t->seen, errp);
    if (news) {
        trace_hold(t->m->trace, false);
    }
    ok = ok && go_silently(t, count, errp);
    const DebugStop stop = count_stop(t);
    end(t, &stop);
    return ok;
}

bool travel_back(Travel *t, uint64_t n, Error **errp) {
    uint64_t here = now(t);
    return travel_go(t, n < here ? here - n : 0, errp);
}

/* Looks for the last hit before `limit` (at_end: or right at it), entry by entry, not further back than
 * the entry at `floor`. The machine ends up anywhere; *from: the search went back to there. */
static bool search_back(Travel *t, uint64_t limit, bool at_end, uint64_t floor,
                        uint64_t *from, Error **errp) {
    *from = limit;
    t->search.at_end = at_end;
    for (int i = entry_at(t, limit ? limit - 1 : 0); i >= 0 && *from > floor; i--) {
        *from = history_entry(t->history, (unsigned)i).count;
        t->search.found = false;
        restore(t, (unsigned)i);
        if (!run_to(t, limit, errp)) {
            return false;
        }
        if (t->search.found) {
            return true;
        }
        limit = *from;
        t->search.at_end = true; /* what is right there was not in the later run */
    }
    return true;
}

bool travel_back_to_point(Travel *t, DebugStop *stop, Error **errp) {
    if (!begin(t, errp)) {
        return false;
    }
    uint64_t here = now(t), begin_count = first(t);
    t->search.any = true;
    bool ok = search_back(t, here, false, 0, &(uint64_t){0}, errp);
    bool found = t->search.found;
    uint64_t target = !ok ? here : found ? t->search.count : begin_count;
    DebugStop hit = t->search.stop;
    ok = go_silently(t, target, ok ? errp : NULL) && ok;
    *stop = count_stop(t);
    if (ok && found) {
        *stop = hit;
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
    uint64_t here = now(t), before = q->before && q->before <= here ? q->before : here;
    uint64_t floor = q->within && q->within < before ? before - q->within : 0;
    t->search.addr = q->addr;
    t->search.len = q->len;
    machine_lock(t->m);
    unsigned id = debug_add_watch(t->m->cpus, DEBUG_OWNER_HISTORY, q->addr, q->len,
                                  DEBUG_WRITE, errp);
    machine_unlock(t->m);
    bool ok = id && search_back(t, before, !q->before, floor, &write->from, errp);
    if (ok && t->search.found) {
        write->found = true;
        write->count = t->search.count;
        write->stop = t->search.stop;
    }
    machine_lock(t->m);
    debug_remove_all(t->m->cpus, DEBUG_OWNER_HISTORY);
    machine_unlock(t->m);
    ok = go_silently(t, here, ok ? errp : NULL) && ok;
    const DebugStop stop = count_stop(t);
    end(t, &stop);
    return ok;
}
