/* SPDX-License-Identifier: MIT */
/*
 * Trace: the ring, see trace.h.
 *
 *   slot.seq:   0 (never written) | n + 1 (holds event n) | BUSY | n + 1 (is being written)
 *
 * The memory for the largest ring is reserved at the first start and kept, so that a writer that still
 * uses an older capacity writes into a slot that is there; it is found under no number then.
 */
#include "util/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

typedef struct TraceSlot {
    uint64_t seq; /* atomic, as all of it */
    uint64_t icount;
    uint64_t ns;
    uint64_t what; /* kind << 32 | (uint32_t)hart */
    uint64_t arg[TRACE_ARGS];
} TraceSlot;
_Static_assert(sizeof(TraceSlot) == 64, "a slot is a cache line");

enum { WHAT_KIND_SHIFT = 32 };
#define SEQ_BUSY (UINT64_C(1) << 63)
/* How far behind the newest event one that is still not there is given up. */
#define READ_PATIENCE 1024

struct Trace {
    TraceSwitch on; /* first: trace_on() looks at it */
    const Clock *clock;
    uint64_t (*icount)(void *opaque);
    void *opaque;
    /* atomic, all of them */
    TraceSlot *slots; /* TRACE_CAPACITY_MAX, or NULL before the first start */
    uint64_t capacity;
    uint64_t kinds; /* chosen; on.mask is 0 while held */
    uint64_t held;
    uint64_t since_ns;                /* of the start */
    uint64_t known_first, known_last; /* counts: what happened then is recorded already */
    uint64_t harts, first_addr, last_addr;
    uint64_t begin; /* the first event since start */
    uint64_t head;  /* the next event's number */
    uint64_t collisions;
    uint64_t count[TRACE_KIND_COUNT];
};

#define TRACE(id, name, group, address, a0, a1, a2, a3, text, meaning)                   \
    {name, group, address, {a0, a1, a2, a3}, text, meaning},
static const TraceKindInfo kinds[] = {
#include "util/trace.def"
};
#undef TRACE
_Static_assert(TRACE_KIND_COUNT < 64, "a mask has a bit a kind");

static uint64_t load(const uint64_t *p) {
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store(uint64_t *p, uint64_t value) {
    __atomic_store_n(p, value, __ATOMIC_RELAXED);
}

const TraceKindInfo *trace_kind_info(TraceKind kind) {
    return &kinds[kind];
}

uint64_t trace_kind_mask(const char *name) {
    uint64_t mask = strcmp(name, "all") ? 0 : TRACE_ALL_KINDS;
    for (unsigned k = 0; k < TRACE_KIND_COUNT; k++) {
        if (!strcmp(kinds[k].name, name) || !strcmp(kinds[k].group, name)) {
            mask |= UINT64_C(1) << k;
        }
    }
    return mask;
}

/* --- life --------------------------------------------------------------------------- */

Trace *trace_new(const Clock *clock, uint64_t (*icount)(void *opaque), void *opaque) {
    Trace *t = calloc(1, sizeof(*t));
    if (t) {
        t->clock = clock;
        t->icount = icount;
        t->opaque = opaque;
        t->last_addr = UINT64_MAX;
    }
    return t;
}

void trace_free(Trace *t) {
    if (t) {
        free(t->slots);
        free(t);
    }
}

static uint64_t count_now(const Trace *t) {
    return t->icount ? t->icount(t->opaque) : 0;
}

static void note_start(Trace *t) {
    store(&t->known_first, count_now(t));
    store(&t->known_last, 0);
    store(&t->since_ns, (uint64_t)clock_now_ns(t->clock));
}

static void set_mask(Trace *t) {
    __atomic_store_n(&t->on.mask, load(&t->held) ? 0 : load(&t->kinds), __ATOMIC_SEQ_CST);
}

bool trace_start(Trace *t, const TraceFilter *filter, uint64_t capacity, Error **errp) {
    if (!(filter->kinds & TRACE_ALL_KINDS)) {
        error_set(errp, "no kind of event is chosen");
        return false;
    }
    if (capacity < TRACE_CAPACITY_MIN || capacity > TRACE_CAPACITY_MAX) {
        error_set(errp, "a trace holds %d to %d events", TRACE_CAPACITY_MIN,
                  TRACE_CAPACITY_MAX);
        return false;
    }
    trace_stop(t);
    if (!t->slots) {
        TraceSlot *slots = calloc(TRACE_CAPACITY_MAX, sizeof(*slots));
        if (!slots) {
            error_set(errp, "no memory for %d events", TRACE_CAPACITY_MAX);
            return false;
        }
        __atomic_store_n(&t->slots, slots, __ATOMIC_RELEASE);
    }
    uint64_t rounded = TRACE_CAPACITY_MIN;
    while (rounded < capacity) {
        rounded *= 2;
    }
    store(&t->capacity, rounded);
    store(&t->harts, filter->harts);
    store(&t->first_addr, filter->first);
    store(&t->last_addr, filter->last);
    store(&t->begin, load(&t->head));
    store(&t->collisions, 0);
    for (unsigned k = 0; k < TRACE_KIND_COUNT; k++) {
        store(&t->count[k], 0);
    }
    note_start(t);
    store(&t->kinds, filter->kinds & TRACE_ALL_KINDS);
    set_mask(t);
    return true;
}

void trace_stop(Trace *t) {
    store(&t->kinds, 0);
    set_mask(t);
}

void trace_hold(Trace *t, bool on) {
    uint64_t now = count_now(t);
    if (on && load(&t->kinds) && now > load(&t->known_last)) {
        store(&t->known_last, now);
    }
    store(&t->held, on);
    set_mask(t);
}

void trace_forget(Trace *t) {
    store(&t->begin, load(&t->head));
    note_start(t);
}

/* The oldest event that can still be there when `head` is the next one. */
static uint64_t oldest(const Trace *t, uint64_t head) {
    uint64_t begin = load(&t->begin), capacity = load(&t->capacity);
    return head - begin > capacity ? head - capacity : begin;
}

void trace_stats(const Trace *t, TraceStats *stats) {
    uint64_t mask = load(&t->kinds);
    uint64_t head = __atomic_load_n(&t->head, __ATOMIC_ACQUIRE);
    *stats = (TraceStats){
        .running = mask != 0,
        .capacity = load(&t->capacity),
        .filter = {mask, (uint32_t)load(&t->harts), load(&t->first_addr),
                   load(&t->last_addr)},
        .first = oldest(t, head),
        .next = head,
        .overwritten = oldest(t, head) - load(&t->begin),
        .collisions = load(&t->collisions),
        .since_count = load(&t->known_first),
        .since_ns = (int64_t)load(&t->since_ns),
    };
    for (unsigned k = 0; k < TRACE_KIND_COUNT; k++) {
        stats->count[k] = load(&t->count[k]);
    }
}

/* --- writing ------------------------------------------------------------------------ */

static bool passes(const Trace *t, TraceKind kind, int hart, const uint64_t *arg) {
    uint64_t harts = load(&t->harts);
    if (harts && (hart < 0 || !(harts >> hart & 1))) {
        return false;
    }
    int address = kinds[kind].address;
    return address < 0 ||
           (arg[address] >= load(&t->first_addr) && arg[address] <= load(&t->last_addr));
}

void trace_emit(Trace *t, TraceKind kind, int hart, uint64_t a0, uint64_t a1, uint64_t a2,
                uint64_t a3) {
    const uint64_t arg[TRACE_ARGS] = {a0, a1, a2, a3};
    TraceSlot *slots = __atomic_load_n(&t->slots, __ATOMIC_ACQUIRE);
    uint64_t count = count_now(t);
    bool known = count >= load(&t->known_first) && count < load(&t->known_last);
    if (!slots || known || !passes(t, kind, hart, arg)) {
        return;
    }
    uint64_t seq = __atomic_fetch_add(&t->head, 1, __ATOMIC_ACQ_REL);
    TraceSlot *slot = &slots[seq & (load(&t->capacity) - 1)];
    uint64_t was = load(&slot->seq);
    if ((was & SEQ_BUSY) || was > seq ||
        !__atomic_compare_exchange_n(&slot->seq, &was, SEQ_BUSY | (seq + 1), false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        __atomic_fetch_add(&t->collisions, 1, __ATOMIC_RELAXED);
        return;
    }
    store(&slot->icount, count);
    store(&slot->ns, (uint64_t)clock_now_ns(t->clock));
    store(&slot->what, (uint64_t)kind << WHAT_KIND_SHIFT | (uint32_t)hart);
    for (unsigned i = 0; i < TRACE_ARGS; i++) {
        store(&slot->arg[i], arg[i]);
    }
    __atomic_store_n(&slot->seq, seq + 1, __ATOMIC_RELEASE);
    __atomic_fetch_add(&t->count[kind], 1, __ATOMIC_RELAXED);
}

/* --- reading ------------------------------------------------------------------------ */

typedef enum SlotResult { SLOT_READ, SLOT_GONE, SLOT_NOT_YET } SlotResult;

static uint64_t load_acquire(const uint64_t *p) {
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* Copies event `seq`. The loads after the first of slot->seq are each acquire, so that the second look
 * at it comes after them. */
static SlotResult read_slot(const TraceSlot *slot, uint64_t seq, TraceEvent *e) {
    uint64_t state = load_acquire(&slot->seq);
    if (state != seq + 1) {
        return (state & ~SEQ_BUSY) > seq + 1 ? SLOT_GONE : SLOT_NOT_YET;
    }
    uint64_t what = load_acquire(&slot->what);
    e->seq = seq;
    e->icount = load_acquire(&slot->icount);
    e->ns = (int64_t)load_acquire(&slot->ns);
    for (unsigned i = 0; i < TRACE_ARGS; i++) {
        e->arg[i] = load_acquire(&slot->arg[i]);
    }
    e->kind = (TraceKind)(what >> WHAT_KIND_SHIFT);
    e->hart = (int32_t)(uint32_t)what;
    return load(&slot->seq) == state ? SLOT_READ : SLOT_GONE;
}

unsigned trace_read(const Trace *t, uint64_t *cursor, TraceEvent *events, unsigned max,
                    uint64_t *lost) {
    *lost = 0;
    const TraceSlot *slots = __atomic_load_n(&t->slots, __ATOMIC_ACQUIRE);
    if (!slots) {
        return 0;
    }
    uint64_t head = load_acquire(&t->head), first = oldest(t, head);
    if (*cursor > head) {
        *cursor = head;
    }
    if (*cursor < first) {
        /* What another start forgot was not lost to this reader. */
        uint64_t begin = load(&t->begin), from = *cursor > begin ? *cursor : begin;
        *lost = first - from;
        *cursor = first;
    }
    unsigned done = 0;
    while (done < max && *cursor < head) {
        const TraceSlot *slot = &slots[*cursor & (load(&t->capacity) - 1)];
        SlotResult result = read_slot(slot, *cursor, &events[done]);
        bool hurry = head - *cursor > READ_PATIENCE || !load(&t->on.mask);
        if (result == SLOT_NOT_YET && !hurry) {
            break;
        }
        done += result == SLOT_READ;
        *lost += result != SLOT_READ;
        ++*cursor;
    }
    return done;
}

/* --- text --------------------------------------------------------------------------- */

int trace_format(const TraceEvent *e, char *text, size_t size) {
    size_t used = 0;
    char number[32];
    for (const char *p = kinds[e->kind].text; *p; p++) {
        const char *piece = number;
        if ((*p == '$' || *p == '#') && p[1] >= '0' && p[1] < '0' + TRACE_ARGS) {
            uint64_t value = e->arg[p[1] - '0'];
            snprintf(number, sizeof(number), *p == '$' ? "0x%" PRIx64 : "%" PRIu64,
                     value);
            p++;
        } else {
            number[0] = *p;
            number[1] = '\0';
        }
        for (; *piece; piece++, used++) {
            if (used + 1 < size) {
                text[used] = *piece;
            }
        }
    }
    if (size) {
        text[used + 1 < size ? used : size - 1] = '\0';
    }
    return (int)used;
}
