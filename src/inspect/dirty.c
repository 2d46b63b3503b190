/* SPDX-License-Identifier: MIT */
/*
 * The domain "dirty": which pages were written, and who wants to know.
 *
 *   dirty.track on --> dirty.read console (again and again, or by events.every) --> frames
 *
 * A FRAME_DIRTY holds DirtyFrame and then the bits, one a page: as run lengths (dirty_encode()), or as
 * 64-bit words where those would be longer (DIRTY_FRAME_WORDS). With DIRTY_FRAME_XOR they are the
 * difference to the frame `base`: the one the client said it has, or with `delta`, for repeated calls
 * whose parameters stay the same, the last one of the same pages that it was sent.
 *
 * The console's bits are the pages written since this client's last look; the others' are the
 * bitmaps as they are. Looking changes none of them.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inspect/dirty_map.h"
#include "inspect/inspect_call.h"

enum { WORD_BITS = 64, DIRTY_FRAME_XOR = 1, DIRTY_FRAME_WORDS = 2 };
#define NS_PER_S 1000000000.0

typedef struct DirtyFrame {
    uint32_t block, from, pages, base, sample, reserved;
} DirtyFrame;
_Static_assert(sizeof(DirtyFrame) == 24, "it is sent as it is");

/* What a client was sent last, for each dirty client. */
typedef struct Sent {
    bool valid;
    int64_t sequence;
    unsigned block;
    uint64_t from, pages;
    uint64_t *bits;
} Sent;

typedef struct DirtyViewer {
    DirtyTracker *tracker;             /* NULL: does not track */
    uint32_t sample[DIRTY_MAX_BLOCKS]; /* newest sample it has seen */
    Sent sent[DIRTY_CLIENT_COUNT];
} DirtyViewer;

/* Addresses of these are the keys of the inspector's memory for this domain. */
static const char tracker_key, viewer_key;

static int64_t host_now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void tracker_destroy(void *state, Machine *m) {
    DirtyTracker *t = state;
    (void)m;
    if (t->users) { /* none: viewers go first */
        t->users = 1;
        dirty_tracker_unref(t);
    }
}

static DirtyTracker *tracker_of(InspectCall *call) {
    return inspect_state(call->inspector, &tracker_key, sizeof(DirtyTracker),
                         tracker_destroy);
}

static void viewer_destroy(void *state, Machine *m) {
    DirtyViewer *v = state;
    (void)m;
    if (v->tracker) {
        dirty_tracker_unref(v->tracker);
    }
    for (unsigned c = 0; c < DIRTY_CLIENT_COUNT; c++) {
        free(v->sent[c].bits);
    }
}

static DirtyViewer *viewer_of(InspectCall *call) {
    return inspect_client_state(call, &viewer_key, sizeof(DirtyViewer), viewer_destroy);
}

/* --- clients, track -------------------------------------------------------------------------- */

static const struct {
    const char *name, *text;
} clients[DIRTY_CLIENT_COUNT] = {
    [DIRTY_CODE] = {"code", "pages with translated code: stores to them are watched"},
    [DIRTY_DISPLAY] = {"display", "frame buffers that are shown"},
    [DIRTY_MIGRATION] = {"console", "the heat map: dirty.track, dirty.read, dirty.rate"},
    [DIRTY_HISTORY] = {"history", "snapshots and stepping back"},
};

json_t *inspect_dirty_clients(InspectCall *call) {
    json_t *list = json_array();
    for (unsigned c = 0; c < DIRTY_CLIENT_COUNT; c++) {
        json_t *blocks = json_array();
        for (RAMBlock *rb = call->m->ram_list.first; rb; rb = rb->next) {
            bool on = __atomic_load_n(&rb->active_clients, __ATOMIC_RELAXED) & 1u << c;
            uint64_t pages = rb->size >> PAGE_BITS;
            uint64_t dirty = on ? ramblock_peek_dirty(rb, 0, pages, c, NULL) : pages;
            json_array_append_new(
                blocks, json_pack("{s:s, s:b, s:o, s:o}", "block", rb->name, "tracked",
                                  on, "pages", inspect_hex(pages), "dirty",
                                  on ? inspect_hex(dirty) : json_null()));
        }
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:o}", "client", clients[c].name,
                                        "text", clients[c].text, "blocks", blocks));
    }
    const DirtyTracker *t = tracker_of(call);
    return json_pack("{s:o, s:i, s:o}", "clients", list, "trackers", (int)t->users,
                     "samples", inspect_hex(t->sample));
}

json_t *inspect_dirty_track(InspectCall *call) {
    DirtyViewer *v = viewer_of(call);
    DirtyTracker *t = tracker_of(call);
    if (!v) {
        return inspect_fail(call, INSPECT_UNSUPPORTED,
                            "tracking lasts as long as its client's connection",
                            "connect to -rpc");
    }
    bool on = inspect_bool(call, "on");
    if (on && !v->tracker) {
        Error *err = NULL;
        if (!dirty_tracker_ref(t, &call->m->ram_list, call->m->cpus, host_now_ns(),
                               &err)) {
            return inspect_fail_error(call, INSPECT_LIMIT, "use a machine with less RAM",
                                      err);
        }
        v->tracker = t;
        for (unsigned i = 0; i < DIRTY_MAX_BLOCKS; i++) {
            v->sample[i] = t->sample;
        }
    } else if (!on && v->tracker) {
        v->tracker = NULL;
        dirty_tracker_unref(t);
    }
    return json_pack("{s:b, s:i}", "tracking", v->tracker != NULL, "trackers",
                     (int)t->users);
}

/* --- read ------------------------------------------------------------------------------------ */

/* A range of pages of a block, and their bits. */
typedef struct Range {
    DirtyClient client;
    unsigned block;
    RAMBlock *rb;
    uint64_t from, pages, set;
    uint64_t *bits;
    uint32_t sample;
} Range;

static uint64_t range_words(const Range *r) {
    return (r->pages + WORD_BITS - 1) / WORD_BITS;
}

static bool find_client(const char *name, DirtyClient *client) {
    for (unsigned c = 0; c < DIRTY_CLIENT_COUNT; c++) {
        if (strcmp(clients[c].name, name) == 0) {
            *client = c;
            return true;
        }
    }
    return false;
}

/* The block and pages of the request; false: the call has failed. */
static bool range_of_call(InspectCall *call, Range *r) {
    *r = (Range){.block = (unsigned)inspect_int(call, "block")};
    r->rb = call->m->ram_list.first;
    for (unsigned i = 0; i < r->block && r->rb; i++) {
        r->rb = r->rb->next;
    }
    if (!r->rb) {
        inspect_failf(call, INSPECT_NOT_FOUND, "mem.blocks lists them, the first is 0",
                      "there is no block %u", r->block);
        return false;
    }
    uint64_t all = r->rb->size >> PAGE_BITS;
    r->from = (uint64_t)inspect_int(call, "from");
    if (r->from >= all) {
        inspect_failf(call, INSPECT_BAD_PARAMS, "ask for pages it has",
                      "the block %s has 0x%llx pages", r->rb->name,
                      (unsigned long long)all);
        return false;
    }
    r->pages = inspect_has(call, "pages") ? (uint64_t)inspect_int(call, "pages") : all;
    r->pages = r->pages < all - r->from ? r->pages : all - r->from;
    r->pages = r->pages < DIRTY_MAX_PAGES ? r->pages : DIRTY_MAX_PAGES;
    return true;
}

/* Fills in the console's bits: what was written since the viewer's last look. */
static bool read_console(InspectCall *call, DirtyViewer *v, Range *r) {
    DirtyTracker *t = v ? v->tracker : NULL;
    if (!t) {
        inspect_fail(call, INSPECT_BAD_STATE, "this client does not track",
                     "call dirty.track first");
        return false;
    }
    dirty_tracker_sample(t, host_now_ns());
    r->sample = t->sample;
    r->set = dirty_map_since(&t->map[r->block], v->sample[r->block], r->from, r->pages,
                             r->bits);
    v->sample[r->block] = t->sample;
    return true;
}

static bool read_bitmap(InspectCall *call, Range *r) {
    if (!(__atomic_load_n(&r->rb->active_clients, __ATOMIC_RELAXED) & 1u << r->client)) {
        inspect_failf(call, INSPECT_BAD_STATE, "dirty.clients tells who tracks",
                      "nobody tracks for %s now", clients[r->client].name);
        return false;
    }
    r->set = ramblock_peek_dirty(r->rb, r->from, r->pages, r->client, r->bits);
    if (r->client == DIRTY_CODE) { /* what is of interest is the clean ones */
        r->set = r->pages - r->set;
        for (uint64_t w = 0; w < range_words(r); w++) {
            r->bits[w] = ~r->bits[w];
        }
        if (r->pages % WORD_BITS) {
            r->bits[range_words(r) - 1] &=
                UINT64_MAX >> (WORD_BITS - r->pages % WORD_BITS);
        }
    }
    return true;
}

static json_t *runs_json(const Range *r, unsigned limit, bool *truncated) {
    json_t *runs = json_array();
    uint64_t first = 0, len = 0;
    if (limit == 0) {
        *truncated = r->set != 0;
        return runs;
    }
    for (uint64_t i = 0; i <= r->pages; i++) {
        bool set = i < r->pages && (r->bits[i / WORD_BITS] >> i % WORD_BITS & 1);
        if (set) {
            first = len ? first : i;
            len++;
        } else if (len) {
            if (json_array_size(runs) == limit) {
                *truncated = true;
                break;
            }
            json_array_append_new(runs, json_pack("[I, I]", (json_int_t)(r->from + first),
                                                  (json_int_t)len));
            len = 0;
        }
    }
    return runs;
}

/* Encodes header and bits into a new buffer. */
static uint8_t *encode_frame(const Range *r, const uint64_t *bits, uint32_t base,
                             size_t *len, uint32_t *flags) {
    size_t raw = range_words(r) * sizeof(*bits);
    uint8_t *data = malloc(sizeof(DirtyFrame) + raw);
    if (!data) {
        return NULL;
    }
    DirtyFrame head = {.block = r->block,
                       .from = (uint32_t)r->from,
                       .pages = (uint32_t)r->pages,
                       .base = base,
                       .sample = r->sample};
    memcpy(data, &head, sizeof(head));
    size_t n = dirty_encode(bits, r->pages, data + sizeof(head), raw);
    if (n == 0) {
        memcpy(data + sizeof(head), bits, raw);
        *flags |= DIRTY_FRAME_WORDS;
        n = raw;
    }
    *len = sizeof(head) + n;
    return data;
}

/* Sends the frame and remembers it; takes r->bits over. Adds to the answer. */
static bool send_range(InspectCall *call, DirtyViewer *v, Range *r, json_t *answer) {
    Sent *sent = &v->sent[r->client];
    bool asked =
        inspect_bool(call, "delta") ||
        (inspect_has(call, "since") && inspect_int(call, "since") == sent->sequence);
    bool same = asked && sent->valid && sent->block == r->block &&
                sent->from == r->from && sent->pages == r->pages;
    uint32_t base = same ? (uint32_t)sent->sequence : UINT32_MAX;
    uint32_t flags = same ? DIRTY_FRAME_XOR : 0;
    size_t len;
    if (same) {
        for (uint64_t w = 0; w < range_words(r); w++) {
            sent->bits[w] ^= r->bits[w];
        }
    }
    uint8_t *data = encode_frame(r, same ? sent->bits : r->bits, base, &len, &flags);
    int64_t sequence =
        data ? inspect_send_frame(call, FRAME_DIRTY, r->client, flags, data, len) : -1;
    free(data);
    free(sent->bits);
    *sent = (Sent){sequence >= 0, sequence, r->block, r->from, r->pages, r->bits};
    r->bits = NULL;
    if (sequence < 0) {
        inspect_fail(call, INSPECT_LIMIT, "no frame can be sent to this client",
                     "take what waits, or use frame=false");
        return false;
    }
    json_object_update_new(answer,
                           json_pack("{s:I, s:b, s:I}", "frame", (json_int_t)sequence,
                                     "xor", same, "bytes", (json_int_t)len));
    return true;
}

json_t *inspect_dirty_read(InspectCall *call) {
    DirtyViewer *v = viewer_of(call);
    Range r;
    if (!range_of_call(call, &r)) {
        return NULL;
    }
    find_client(inspect_string(call, "client"), &r.client);
    r.bits = calloc(range_words(&r), sizeof(*r.bits));
    if (!r.bits) {
        return inspect_fail(call, INSPECT_HOST, "no memory", "ask for fewer pages");
    }
    bool ok =
        r.client == DIRTY_MIGRATION ? read_console(call, v, &r) : read_bitmap(call, &r);
    json_t *result = NULL;
    if (ok) {
        bool truncated = false;
        json_t *runs = runs_json(&r, (unsigned)inspect_int(call, "limit"), &truncated);
        result = json_pack("{s:s, s:s, s:I, s:I, s:o, s:o, s:b, s:o}", "client",
                           clients[r.client].name, "block", r.rb->name, "from",
                           (json_int_t)r.from, "pages", (json_int_t)r.pages, "set",
                           inspect_hex(r.set), "runs", runs, "truncated", truncated,
                           "sample", inspect_hex(r.sample));
        if (v && inspect_bool(call, "frame") && !send_range(call, v, &r, result)) {
            json_decref(result);
            result = NULL;
        }
    }
    free(r.bits);
    return result;
}

/* --- rate ------------------------------------------------------------------------------------ */

enum { TOP_MAX = 256 };

typedef struct HotPage {
    uint64_t page;
    unsigned hits;
} HotPage;

/* Puts a page among the hottest, kept in order. */
static void note_hot(HotPage *top, unsigned *count, unsigned limit, HotPage hot) {
    if (*count == limit && top[limit - 1].hits >= hot.hits) {
        return;
    }
    unsigned i = *count < limit ? (*count)++ : limit - 1;
    for (; i > 0 && top[i - 1].hits < hot.hits; i--) {
        top[i] = top[i - 1];
    }
    top[i] = hot;
}

static json_t *hot_json(const HotPage *top, unsigned count, double seconds) {
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("{s:I, s:i, s:f}", "page",
                                              (json_int_t)top[i].page, "hits",
                                              (int)top[i].hits, "per_second",
                                              seconds > 0 ? top[i].hits / seconds : 0.0));
    }
    return list;
}

json_t *inspect_dirty_rate(InspectCall *call) {
    DirtyTracker *t = tracker_of(call);
    Range r;
    if (!range_of_call(call, &r)) {
        return NULL;
    }
    if (t->users == 0) {
        return inspect_fail(call, INSPECT_BAD_STATE, "nobody tracks",
                            "call dirty.track first");
    }
    dirty_tracker_sample(t, host_now_ns());
    unsigned samples = (unsigned)inspect_int(call, "samples");
    double seconds = (double)dirty_tracker_span(t, &samples) / NS_PER_S;
    uint32_t mask = samples ? UINT32_MAX >> (DIRTY_HISTORY_SAMPLES - samples) : 0;
    HotPage top[TOP_MAX];
    unsigned count = 0, limit = (unsigned)inspect_int(call, "top");
    json_int_t with_hits[DIRTY_HISTORY_SAMPLES + 1] = {0}, total = 0;
    for (uint64_t p = r.from; p < r.from + r.pages; p++) {
        unsigned hits = (unsigned)__builtin_popcount(t->map[r.block].history[p] & mask);
        with_hits[hits]++;
        total += hits;
        if (hits) {
            note_hot(top, &count, limit, (HotPage){p, hits});
        }
    }
    json_t *histogram = json_array();
    for (unsigned i = 0; i <= samples; i++) {
        json_array_append_new(histogram, json_integer(with_hits[i]));
    }
    return json_pack("{s:s, s:i, s:f, s:f, s:o, s:o}", "block", r.rb->name, "samples",
                     (int)samples, "seconds", seconds, "pages_per_second",
                     seconds > 0 ? (double)total / seconds : 0.0, "histogram", histogram,
                     "hot", hot_json(top, count, seconds));
}
