/* SPDX-License-Identifier: MIT */
/*
 * The domain "tb": which translation blocks there are, and what became of them.
 *
 *   tb_walk_step(): 256 blocks a lock --> filter --> the best `limit` of them --> JSON
 *
 * A block is named by the number of its translation; a name is never used again.
 *
 * Locks: tb_lock alone, in the functions of tcg/census.h, for less than 100 us at a time.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu/riscv/bits.h"
#include "cpu/riscv/cpu.h"
#include "inspect/inspect_int.h"
#include "inspect/tb_int.h"

static const char *privilege(uint32_t flags) {
    static const char *const names[] = {
        [PRV_U] = "u", [PRV_S] = "s", [2] = "?", [PRV_M] = "m"};
    return names[flags >> TBF_PRIV_SHIFT & 3];
}

/* --- records as JSON --------------------------------------------------------------------------- */

static json_t *name_or_null(uint64_t born) {
    return born ? inspect_hex(born) : json_null();
}

static json_t *exits_json(const TbRecord *r) {
    json_t *list = json_array();
    for (unsigned slot = 0; slot < TB_MAX_SLOTS; slot++) {
        if (r->slots_used >> slot & 1) {
            json_array_append_new(list, json_pack("{s:i, s:o}", "slot", (int)slot, "to",
                                                  name_or_null(r->to[slot])));
        }
    }
    return list;
}

json_t *tb_record_json(const TbRecord *r) {
    json_t *j = json_pack(
        "{s:o, s:o, s:o, s:s, s:b, s:s, s:s, s:o, s:i, s:i, s:i, s:o, s:i, s:o}", "id",
        inspect_hex(r->born), "pc", inspect_hex(r->pc), "flags", inspect_hex(r->flags),
        "priv", privilege(r->flags), "alive", !r->death, "birth",
        tb_birth_name((TbBirth)r->birth), "state", tb_death_name((TbDeath)r->death),
        "parent", name_or_null(r->parent), "size", (int)r->size, "insns", (int)r->insns,
        "host_size", (int)r->code_size, "host_offset", inspect_hex(r->code_at), "region",
        (int)r->region, "exits", exits_json(r));
    if (r->phys != RAM_ADDR_INVALID) {
        json_object_set_new(j, "ram", inspect_hex(r->phys));
    }
    if (r->phys2 != RAM_ADDR_INVALID) {
        json_object_set_new(j, "ram2", inspect_hex(r->phys2));
    }
    json_object_set_new(j, "runs", r->profiled ? inspect_hex(r->run_count) : json_null());
    json_object_set_new(j, "samples", inspect_hex(r->samples));
    json_object_set_new(j, "share", json_real((double)r->share));
    return j;
}

static json_t *obituary_json(const TbObituary *o) {
    json_t *j = json_pack(
        "{s:o, s:o, s:o, s:s, s:s, s:o, s:s, s:s, s:i, s:i, s:i, s:o, s:o}", "id",
        inspect_hex(o->born), "pc", inspect_hex(o->pc), "flags", inspect_hex(o->flags),
        "priv", privilege(o->flags), "birth", tb_birth_name((TbBirth)o->birth), "parent",
        name_or_null(o->parent), "death", tb_death_name((TbDeath)o->death), "reason",
        tb_death_text((TbDeath)o->death), "size", (int)o->size, "insns", (int)o->insns,
        "host_size", (int)o->code_size, "died", inspect_hex(o->died), "ram",
        inspect_hex(o->phys));
    json_object_set_new(j, "runs", o->profiled ? inspect_hex(o->run_count) : json_null());
    bool written = o->death == TB_DEATH_STORE || o->death == TB_DEATH_DMA;
    json_t *by = json_object();
    if (written) {
        json_object_set_new(by, "ram", inspect_hex(o->by.addr));
        json_object_set_new(by, "length", json_integer(o->by.len));
    }
    if (o->by.hart != TB_NO_HART) {
        json_object_set_new(by, "cpu", json_integer(o->by.hart));
        json_object_set_new(by, "pc", inspect_hex(o->by.pc));
    }
    json_object_set_new(j, "by", by);
    return j;
}

/* --- the best of many -------------------------------------------------------------------------- */

void tb_top_init(TbTop *top, unsigned limit) {
    *top = (TbTop){.limit = limit};
    top->item = malloc(2u * limit * sizeof(*top->item));
    if (!top->item) {
        abort();
    }
}

static int by_rank(const void *a, const void *b) {
    const struct TbRanked *x = a, *y = b;
    if (x->key != y->key) {
        return x->key > y->key ? -1 : 1;
    }
    return x->r.born > y->r.born ? -1 : x->r.born < y->r.born;
}

void tb_top_finish(TbTop *top) {
    qsort(top->item, top->count, sizeof(*top->item), by_rank);
    top->count = top->count < top->limit ? top->count : top->limit;
}

void tb_top_offer(TbTop *top, uint64_t key, const TbRecord *r) {
    top->total++;
    top->item[top->count++] = (struct TbRanked){key, *r};
    if (top->count == 2 * top->limit) {
        tb_top_finish(top);
    }
}

void tb_top_free(TbTop *top) {
    free(top->item);
}

/* --- how often blocks of a key died ------------------------------------------------------------ */

typedef struct Key {
    ram_addr phys;
    vaddr pc;
    uint32_t flags;
} Key;

typedef struct Deaths {
    Key *key; /* sorted */
    unsigned count;
} Deaths;

static int by_key(const void *a, const void *b) {
    const Key *x = a, *y = b;
    if (x->phys != y->phys) {
        return x->phys < y->phys ? -1 : 1;
    }
    if (x->pc != y->pc) {
        return x->pc < y->pc ? -1 : 1;
    }
    return x->flags < y->flags ? -1 : x->flags > y->flags;
}

static void deaths_get(TbCache *tc, Deaths *d) {
    enum { STEP = 128 };
    TbObituary step[STEP];
    unsigned n;
    *d = (Deaths){calloc(OBITUARY_COUNT, sizeof(*d->key)), 0};
    while (d->key && d->count + STEP <= OBITUARY_COUNT &&
           (n = tb_obituaries(tc, d->count, step, STEP)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            d->key[d->count++] = (Key){step[i].phys, step[i].pc, step[i].flags};
        }
    }
    qsort(d->key, d->count, sizeof(*d->key), by_key);
}

static unsigned deaths_of(const Deaths *d, const TbRecord *r) {
    const Key key = {r->phys, r->pc, r->flags};
    const Key *hit = bsearch(&key, d->key, d->count, sizeof(key), by_key);
    if (!hit) {
        return 0;
    }
    const Key *first = hit, *last = hit, *end = d->key + d->count;
    while (first > d->key && by_key(first - 1, &key) == 0) {
        first--;
    }
    while (last + 1 < end && by_key(last + 1, &key) == 0) {
        last++;
    }
    return (unsigned)(last - first) + 1;
}

unsigned tb_walk_step(InspectCall *call, TbWalk *walk, TbRecord step[TB_WALK_STEP]) {
    PauseLog *log = &call->inspector->pauses;
    int64_t begin_ns = inspect_now_ns(); /* the wait for the lock counts, too */
    unsigned n = tb_walk_next(tb_cache_of(call), walk, step, TB_WALK_STEP);
    int64_t ns = inspect_now_ns() - begin_ns;
    log->tb_steps.count++;
    log->tb_steps.total_ns += ns;
    if (ns > log->tb_steps.longest_ns) {
        log->tb_steps.longest_ns = ns;
    }
    return n;
}

/* --- samples ----------------------------------------------------------------------------------- */

/* A client's wish that samples be taken: it ends with the client. */
typedef struct SamplerHold {
    bool on;
} SamplerHold;

static const char sampler_key;

static void sampler_let_go(void *state, Machine *m) {
    SamplerHold *hold = state;
    if (hold->on) {
        cpu_sampler_release(m->cpus);
        hold->on = false;
    }
}

static json_t *sampling_json(InspectCall *call) {
    CpuSamples s;
    cpu_sampler_get(call->m->cpus, &s);
    return json_pack("{s:b, s:i, s:o, s:o, s:o, s:o, s:o}", "on", s.on, "per_s",
                     CPU_SAMPLES_PER_S, "code", inspect_hex(s.counts.code), "helper",
                     inspect_hex(s.counts.helper), "other", inspect_hex(s.counts.other),
                     "gone", inspect_hex(s.counts.gone), "dropped",
                     inspect_hex(s.dropped));
}

json_t *inspect_tb_sample(InspectCall *call) {
    bool on = inspect_bool(call, "on");
    SamplerHold *hold =
        inspect_client_state(call, &sampler_key, sizeof(SamplerHold), sampler_let_go);
    if (!hold) {
        return inspect_fail(call, INSPECT_BAD_STATE,
                            "samples are taken while the client that wants them is there",
                            "ask over a connection that stays: -rpc, or the console's");
    }
    if (!on) {
        sampler_let_go(hold, call->m);
    } else if (!hold->on) {
        Error *err = NULL;
        if (!cpu_sampler_hold(call->m->cpus, &err)) {
            json_t *failed = inspect_failf(call, INSPECT_HOST, "raise the host's limits",
                                           "%s", error_message(err));
            error_free(err);
            return failed;
        }
        hold->on = true;
    }
    return json_pack("{s:o}", "sampling", sampling_json(call));
}

/* --- list -------------------------------------------------------------------------------------- */

typedef struct ListFilter {
    vaddr from, to;
    const char *priv;
    bool dead;
    bool resume; /* behind (key, born) */
    uint64_t key, born;
} ListFilter;

static uint64_t sort_key(const char *sort, const TbRecord *r, const Deaths *deaths) {
    switch (sort[0]) {
    case 'r':
        return r->run_count;
    case 's':
        return strcmp(sort, "samples") == 0 ? (uint64_t)((double)r->share * (1ull << 40))
                                            : r->size;
    case 'h':
        return r->code_size;
    case 'i':
        return strcmp(sort, "insns") == 0 ? r->insns : deaths_of(deaths, r);
    default:
        return r->born; /* age */
    }
}

static bool passes(const ListFilter *f, const TbRecord *r, uint64_t key) {
    if (r->death && !f->dead) {
        return false;
    }
    if (r->pc > f->to || r->pc + (r->size ? r->size - 1u : 0) < f->from) {
        return false;
    }
    if (f->priv && strcmp(f->priv, privilege(r->flags)) != 0) {
        return false;
    }
    return !f->resume || key < f->key || (key == f->key && r->born < f->born);
}

static bool read_filter(InspectCall *call, ListFilter *f) {
    *f = (ListFilter){
        .from = inspect_u64(call, "from"),
        .to = inspect_has(call, "to") ? inspect_u64(call, "to") : UINT64_MAX,
        .priv = inspect_string(call, "priv"),
        .dead = inspect_bool(call, "dead"),
    };
    const char *cursor = inspect_string(call, "cursor");
    if (!cursor) {
        return true;
    }
    f->resume = true;
    char rest;
    if (sscanf(cursor, "%" SCNx64 "-%" SCNx64 "%c", &f->key, &f->born, &rest) != 2) {
        inspect_fail(call, INSPECT_BAD_PARAMS, "the cursor is not one that tb.list gave",
                     "pass \"cursor\" of the answer before, or leave it out");
        return false;
    }
    return true;
}

json_t *inspect_tb_list(InspectCall *call) {
    TbCache *tc = tb_cache_of(call);
    ListFilter filter;
    if (!read_filter(call, &filter)) {
        return NULL;
    }
    const char *sort = inspect_string(call, "sort");
    json_t *sampling = sampling_json(call); /* first: it counts what was found so far */
    Deaths deaths;
    deaths_get(tc, &deaths);
    TbTop top;
    tb_top_init(&top, (unsigned)inspect_int(call, "limit"));
    TbRecord step[TB_WALK_STEP];
    TbWalk walk = {0};
    unsigned n;
    while ((n = tb_walk_step(call, &walk, step)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            uint64_t key = sort_key(sort, &step[i], &deaths);
            if (passes(&filter, &step[i], key)) {
                tb_top_offer(&top, key, &step[i]);
            }
        }
    }
    tb_top_finish(&top);
    json_t *blocks = json_array();
    unsigned shown = 0;
    while (shown < top.count && inspect_may_add_row(call, shown)) {
        const TbRecord *r = &top.item[shown++].r;
        json_t *j = tb_record_json(r);
        json_object_set_new(j, "deaths", json_integer(deaths_of(&deaths, r)));
        json_array_append_new(blocks, j);
    }
    bool more = top.total > shown;
    json_t *cursor = more && shown > 0
                         ? json_sprintf("%" PRIx64 "-%" PRIx64, top.item[shown - 1].key,
                                        top.item[shown - 1].r.born)
                         : json_null();
    json_t *result = json_pack("{s:o, s:o, s:o, s:b, s:o}", "blocks", blocks, "matches",
                               inspect_hex(top.total), "cursor", cursor, "counting",
                               __atomic_load_n(&tc->bs.profile, __ATOMIC_RELAXED),
                               "sampling", sampling);
    tb_top_free(&top);
    free(deaths.key);
    return result;
}

/* --- one --------------------------------------------------------------------------------------- */

static uint64_t find_by_pc(InspectCall *call, vaddr pc) {
    TbRecord step[TB_WALK_STEP];
    TbWalk walk = {0};
    uint64_t best = 0;
    bool exact = false;
    unsigned n;
    while ((n = tb_walk_step(call, &walk, step)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            const TbRecord *r = &step[i];
            bool begins = r->pc == pc;
            if (r->death || pc - r->pc >= r->size || (exact && !begins)) {
                continue;
            }
            if (r->born > best || (begins && !exact)) {
                best = r->born;
                exact = begins;
            }
        }
    }
    return best;
}

bool tb_resolve(InspectCall *call, uint64_t *born) {
    if (inspect_has(call, "id")) {
        *born = inspect_u64(call, "id");
        return true;
    }
    if (!inspect_has(call, "pc")) {
        inspect_fail(call, INSPECT_BAD_PARAMS, "neither \"id\" nor \"pc\" was given",
                     "name the block, as in tb.list, or an address in it");
        return false;
    }
    vaddr pc = inspect_u64(call, "pc");
    *born = find_by_pc(call, pc);
    if (!*born) {
        inspect_failf(call, INSPECT_NOT_FOUND, "see tb.list for the blocks there are",
                      "no live block holds the address 0x%" PRIx64, pc);
        return false;
    }
    return true;
}

/* What is remembered of a block that is not in the cache any more. */
static json_t *get_dead(InspectCall *call, uint64_t born) {
    TbObituary o;
    if (!tb_obituary(tb_cache_of(call), born, &o)) {
        return inspect_failf(
            call, INSPECT_NOT_FOUND,
            "see tb.list for the blocks there are, tb.history for the dead",
            "nothing is known of a block 0x%" PRIx64, born);
    }
    return json_pack("{s:n, s:[], s:i, s:o}", "block", "incoming", "incoming_count", 0,
                     "death", obituary_json(&o));
}

json_t *inspect_tb_get(InspectCall *call) {
    enum { INCOMING_MAX = 64 };
    TbCache *tc = tb_cache_of(call);
    uint64_t born, incoming[INCOMING_MAX];
    unsigned count = INCOMING_MAX;
    TbRecord r;
    if (!tb_resolve(call, &born)) {
        return NULL;
    }
    if (!tb_record_get(tc, born, &r, incoming, &count)) {
        return get_dead(call, born);
    }
    json_t *from = json_array();
    for (unsigned i = 0; i < count && i < INCOMING_MAX; i++) {
        json_array_append_new(from, inspect_hex(incoming[i]));
    }
    TbObituary o;
    json_t *death =
        r.death && tb_obituary(tc, born, &o) ? obituary_json(&o) : json_null();
    return json_pack("{s:o, s:o, s:i, s:o, s:s}", "block", tb_record_json(&r), "incoming",
                     from, "incoming_count", (int)count, "death", death, "why_born",
                     tb_birth_text((TbBirth)r.birth));
}

/* --- biography --------------------------------------------------------------------------------- */

/* A block, the one before it at its key (or of which it is the other form), and so on. */
static json_t *ancestry(InspectCall *call, uint64_t born) {
    TbCache *tc = tb_cache_of(call);
    json_t *list = json_array();
    int64_t limit = inspect_int(call, "limit");
    for (int64_t i = 0; born && i < limit; i++) {
        TbRecord r;
        TbObituary o;
        json_t *entry = json_object();
        bool there = tb_record_get(tc, born, &r, NULL, NULL);
        bool dead = tb_obituary(tc, born, &o);
        if (!there && !dead) {
            json_decref(entry);
            break;
        }
        TbBirth birth = (TbBirth)(there ? r.birth : o.birth);
        json_object_set_new(entry, "id", inspect_hex(born));
        json_object_set_new(entry, "birth", json_string(tb_birth_name(birth)));
        json_object_set_new(entry, "why", json_string(tb_birth_text(birth)));
        json_object_set_new(entry, "block", there ? tb_record_json(&r) : json_null());
        json_object_set_new(entry, "death", dead ? obituary_json(&o) : json_null());
        json_array_append_new(list, entry);
        born = there ? r.parent : o.parent;
    }
    return list;
}

static json_t *recent_deaths(InspectCall *call) {
    enum { STEP = 128 };
    TbCache *tc = tb_cache_of(call);
    const char *cause = inspect_string(call, "cause");
    uint64_t limit = (uint64_t)inspect_int(call, "limit"), at = 0;
    json_t *list = json_array();
    TbObituary step[STEP];
    unsigned n;
    while (at < OBITUARY_COUNT && (n = tb_obituaries(tc, at, step, STEP)) > 0) {
        for (unsigned i = 0; i < n && json_array_size(list) < limit; i++) {
            if (!cause || strcmp(cause, tb_death_name((TbDeath)step[i].death)) == 0) {
                json_array_append_new(list, obituary_json(&step[i]));
            }
        }
        at += n;
        if (json_array_size(list) == limit) {
            break;
        }
    }
    return list;
}

json_t *inspect_tb_history(InspectCall *call) {
    uint64_t born;
    if (!inspect_has(call, "id") && !inspect_has(call, "pc")) {
        return json_pack("{s:o}", "deaths", recent_deaths(call));
    }
    if (!tb_resolve(call, &born)) {
        return NULL;
    }
    return json_pack("{s:o}", "lives", ancestry(call, born));
}

/* --- the whole --------------------------------------------------------------------------------- */

/* Of the call before, for rates. */
typedef struct StatsState {
    int64_t time_ns;
    uint64_t translated;
} StatsState;

static const char stats_key;

static int64_t host_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Translations a second since the call before (at least 10 ms ago); null at first. */
static json_t *rate_json(InspectCall *call, uint64_t translated) {
    enum { LEAST_NS = 10000000 };
    StatsState *s = inspect_state(call->inspector, &stats_key, sizeof(StatsState), NULL);
    int64_t now = host_ns(), passed = now - s->time_ns;
    if (!s->time_ns || passed < LEAST_NS) {
        if (!s->time_ns) {
            *s = (StatsState){now, translated};
        }
        return json_null();
    }
    double rate = (double)(translated - s->translated) * 1e9 / (double)passed;
    *s = (StatsState){now, translated};
    return json_real(rate);
}

static json_t *deaths_json(const TbStats *s) {
    json_t *j = json_object();
    for (unsigned d = TB_ALIVE + 1; d < TB_DEATH_COUNT; d++) {
        json_object_set_new(j, tb_death_name((TbDeath)d), inspect_hex(s->invalidated[d]));
    }
    return j;
}

static double ratio(uint64_t a, uint64_t b) {
    return b ? (double)a / (double)b : 0;
}

json_t *inspect_tb_stats(InspectCall *call) {
    TbCache *tc = tb_cache_of(call);
    TbRegionRecord region[TB_REGIONS];
    tb_regions_get(tc, region);
    pthread_mutex_lock(&tc->lock);
    TbStats s = tc->stats;
    bool counting = tc->bs.profile;
    pthread_mutex_unlock(&tc->lock);
    uint64_t used = 0, size = 0, alive = 0, blocks = 0, slots = 0, chained = 0;
    for (unsigned i = 0; i < TB_REGIONS; i++) {
        used += region[i].used;
        size += region[i].size;
        alive += region[i].alive;
        blocks += region[i].blocks;
    }
    TbRecord step[TB_WALK_STEP];
    TbWalk walk = {0};
    unsigned n;
    while ((n = tb_walk_step(call, &walk, step)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            slots += step[i].death ? 0 : (unsigned)__builtin_popcount(step[i].slots_used);
            chained += (unsigned)__builtin_popcount(step[i].slots_chained);
        }
    }
    return json_pack(
        "{s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:f, s:o, s:o, s:f, "
        "s:o, s:o, s:o, s:o, s:o}",
        "backend", tc->backend->name, "counting", counting, "alive", inspect_hex(alive),
        "in_buffer", inspect_hex(blocks), "translated", inspect_hex(s.translated),
        "guest_insns", inspect_hex(s.guest_insns), "guest_bytes",
        inspect_hex(s.guest_bytes), "host_bytes", inspect_hex(s.host_bytes), "expansion",
        ratio(s.host_bytes, s.guest_bytes), "buffer_used", inspect_hex(used),
        "buffer_size", inspect_hex(size), "fill", ratio(used, size), "exits",
        inspect_hex(slots), "chained", inspect_hex(chained), "chained_share",
        ratio(chained, slots), "lookups", inspect_hex(s.lookups), "lookup_misses",
        inspect_hex(s.lookups - s.lookup_hits), "evictions", inspect_hex(s.evictions),
        "deaths", deaths_json(&s), "translations_per_s", rate_json(call, s.translated));
}

json_t *inspect_tb_profile(InspectCall *call) {
    bool on = inspect_bool(call, "on");
    if (on && !tb_cache_of(call)->bs.profile) {
        tlb_begin_counting(call);
    }
    tb_cache_set_profile(tb_cache_of(call), on);
    return json_pack("{s:b}", "counting", on);
}
