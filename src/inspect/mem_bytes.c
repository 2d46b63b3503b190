/* SPDX-License-Identifier: MIT */
/*
 * The domain "mem", continued: bytes.
 *
 *   mem.read, mem.write    --> as a device's DMA sees and does it; virtual addresses by the pages of
 *                              a hart as they are mapped now
 *   mem.search             --> RAM copied chunk by chunk under the lock, compared outside it
 *
 * RAM is read while the guest writes it: each byte is of some moment of the call.
 */
#include <stdlib.h>
#include <string.h>

#include "hw/machine/touch.h"
#include "inspect/inspect_call.h"

enum {
    READ_MAX = 1 << 20,   /* protocol.def says so, too */
    TEXT_MAX = 256 << 10, /* of it as text, which takes 50 times as long to make */
    WRITE_MAX = 64 << 10,
    DEVICE_ACCESS_MAX = 4096, /* bytes of device registers in one call */
    PIECES_MAX = READ_MAX / PAGE_SIZE + 1,
    PATTERN_MAX = 256,
    SEARCH_CHUNK = 64 << 10,  /* copied at a time */
    SEARCH_BUDGET = 64 << 20, /* bytes searched in one call */
};

/* --- where bytes are ------------------------------------------------------------------------- */

/* Physically contiguous bytes of a request. */
typedef struct Piece {
    hwaddr phys;
    uint64_t len;
} Piece;

typedef struct Pieces {
    Piece piece[PIECES_MAX];
    unsigned count;
    bool virtual; /* the vCPUs are paused; else just the machine lock is held */
} Pieces;

/* Splits a virtual range by the hart's pages, as a debugger does: rights do not count. */
static bool translate_pieces(InspectCall *call, CPUState *cpu, vaddr addr, uint64_t len,
                             Pieces *p) {
    while (len) {
        uint64_t n = PAGE_SIZE - (addr & PAGE_OFFSET_MASK);
        n = n < len ? n : len;
        hwaddr phys;
        if (!cpu->cls->debug_translate(cpu, addr, &phys)) {
            inspect_failf(call, INSPECT_GUEST, "mmu.walk tells why",
                          "the virtual address 0x%llx is not mapped on cpu %u now",
                          (unsigned long long)addr, cpu->index);
            return false;
        }
        p->piece[p->count++] = (Piece){phys, n};
        addr += n;
        len -= n;
    }
    return true;
}

/* Holds the machine and finds the bytes; NULL: the call has failed and nothing is held. */
static Pieces *pieces_begin(InspectCall *call, uint64_t len) {
    uint64_t addr = inspect_u64(call, "addr");
    CPUState *cpu = inspect_cpu(call);
    if (!cpu) {
        return NULL;
    }
    if (len - 1 > UINT64_MAX - addr) {
        inspect_fail(call, INSPECT_BAD_PARAMS, "the range goes past the last address",
                     "ask for fewer bytes");
        return NULL;
    }
    Pieces *p = malloc(sizeof(*p));
    if (!p) {
        inspect_fail(call, INSPECT_HOST, "no memory", "ask for fewer bytes");
        return NULL;
    }
    p->count = 0;
    p->virtual = strcmp(inspect_string(call, "space"), "virt") == 0;
    if (!p->virtual) {
        inspect_lock(call);
        p->piece[p->count++] = (Piece){addr, len};
        return p;
    }
    inspect_pause(call);
    if (!translate_pieces(call, cpu, addr, len, p)) {
        inspect_unpause(call);
        free(p);
        return NULL;
    }
    return p;
}

static void pieces_end(InspectCall *call, Pieces *p) {
    if (p->virtual) {
        inspect_unpause(call);
    } else {
        inspect_unlock(call);
    }
    free(p);
}

/* May a device's registers be touched? False: the call has failed. */
static bool device_allowed(InspectCall *call, const FlatRange *fr, hwaddr addr,
                           uint64_t *left) {
    const char *what = fr->mr->name;
    if (!inspect_bool(call, "side_effects")) {
        inspect_failf(call, INSPECT_GUEST,
                      "dev.regs shows values safely; side_effects=true insists",
                      "0x%llx belongs to the device %s, which an access may change",
                      (unsigned long long)addr, what);
        return false;
    }
    if (call->role < INSPECT_OPERATOR) {
        inspect_failf(call, INSPECT_FORBIDDEN, "connect as an operator",
                      "accesses with side effects on %s are for operators", what);
        return false;
    }
    if (*left == 0) {
        inspect_failf(call, INSPECT_LIMIT, "ask for fewer bytes",
                      "more than %d bytes of device registers", DEVICE_ACCESS_MAX);
        return false;
    }
    return true;
}

/* Calls `each` for every part that lies in one range. False: the call has failed. */
static bool for_each_part(InspectCall *call, const Pieces *p, uint8_t *buf,
                          bool (*each)(InspectCall *call, const FlatRange *fr,
                                       hwaddr addr, uint8_t *buf, uint64_t len,
                                       uint64_t *left)) {
    uint64_t left = DEVICE_ACCESS_MAX;
    for (unsigned i = 0; i < p->count; i++) {
        hwaddr addr = p->piece[i].phys;
        uint64_t len = p->piece[i].len;
        while (len) {
            const FlatRange *fr = address_space_find(&call->m->as, addr);
            if (!fr) {
                inspect_failf(call, INSPECT_GUEST, "mem.flatview lists what is there",
                              "nothing is at physical address 0x%llx",
                              (unsigned long long)addr);
                return false;
            }
            uint64_t n = flat_range_last(fr) - addr;
            n = n < len - 1 ? n + 1 : len;
            if (!each(call, fr, addr, buf, n, &left)) {
                return false;
            }
            buf += n;
            addr += n;
            len -= n;
        }
    }
    return true;
}

/* --- read, write ----------------------------------------------------------------------------- */

/* The guest may write meanwhile; each byte is of some moment. */
__attribute__((no_sanitize("thread"))) static void
copy_racy(uint8_t *to, const uint8_t *from, uint64_t len) {
    memcpy(to, from, len);
}

static bool read_part(InspectCall *call, const FlatRange *fr, hwaddr addr, uint8_t *buf,
                      uint64_t len, uint64_t *left) {
    if (fr->is_ram) {
        copy_racy(buf, fr->mr->ram->host + fr->mr_offset + (addr - fr->addr), len);
        return true;
    }
    *left = len > *left ? 0 : *left;
    if (!device_allowed(call, fr, addr, left) || !inspect_may_touch(call)) {
        return false;
    }
    *left -= len;
    if (touch_read_device(call->m, addr, buf, len) != MEMTX_OK) {
        inspect_failf(call, INSPECT_GUEST, "dev.regs tells its registers' sizes",
                      "the device %s refused the access at 0x%llx", fr->mr->name,
                      (unsigned long long)addr);
        return false;
    }
    return true;
}

static json_t *hex_text(const uint8_t *data, size_t len) {
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * len + 1);
    if (!text) {
        return json_null();
    }
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    json_t *o = json_stringn(text, 2 * len);
    free(text);
    return o;
}

static json_t *bytes_json(InspectCall *call, const uint8_t *data, size_t len) {
    const char *format = inspect_string(call, "format");
    json_t *o = json_pack("{s:o, s:o}", "addr", inspect_hex(inspect_u64(call, "addr")),
                          "len", inspect_hex(len));
    if (strcmp(format, "frame") == 0) {
        int64_t sequence = inspect_send_frame(call, FRAME_BYTES, 0, 0, data, len);
        if (sequence < 0) {
            json_decref(o);
            return inspect_fail(call, INSPECT_LIMIT,
                                "no frame can be sent to this client",
                                "take what waits, or use format=base64");
        }
        json_object_set_new(o, "frame", json_integer(sequence));
    } else {
        json_object_set_new(o, "data",
                            strcmp(format, "hex") == 0 ? hex_text(data, len)
                                                       : inspect_base64(data, len));
    }
    return o;
}

json_t *inspect_mem_read(InspectCall *call) {
    uint64_t len = (uint64_t)inspect_int(call, "len");
    if (len > TEXT_MAX && strcmp(inspect_string(call, "format"), "frame") != 0) {
        return inspect_failf(call, INSPECT_LIMIT, "use format=frame, or ask for less",
                             "more than %d bytes as text", TEXT_MAX);
    }
    uint8_t *buf = malloc(len);
    if (!buf) {
        return inspect_fail(call, INSPECT_HOST, "no memory", "ask for fewer bytes");
    }
    memset(buf, 0, len); /* the host gives its pages now, not while the guest waits */
    Pieces *p = pieces_begin(call, len);
    json_t *result = NULL;
    if (p) {
        bool ok = for_each_part(call, p, buf, read_part);
        pieces_end(call, p);
        result = ok ? bytes_json(call, buf, len) : NULL;
    }
    free(buf);
    return result;
}

/* Bytes from hexadecimal digits; -1: not such, or more than `max`. */
static int64_t parse_hex(const char *text, uint8_t *out, size_t max) {
    size_t n = strlen(text);
    if (n % 2 || n / 2 > max || strspn(text, "0123456789abcdefABCDEF") != n) {
        return -1;
    }
    for (size_t i = 0; i < n / 2; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return (int64_t)(n / 2);
}

/* Everything is looked at before the first byte is written. */
static bool check_part(InspectCall *call, const FlatRange *fr, hwaddr addr, uint8_t *buf,
                       uint64_t len, uint64_t *left) {
    (void)buf;
    if (flat_range_is_writable_ram(fr)) {
        return true;
    }
    if (fr->mr->kind == MR_ROM) {
        inspect_failf(call, INSPECT_GUEST, "choose an address in RAM",
                      "0x%llx is in the ROM %s", (unsigned long long)addr, fr->mr->name);
        return false;
    }
    *left = len > *left ? 0 : *left;
    if (!device_allowed(call, fr, addr, left)) {
        return false;
    }
    *left -= len;
    return true;
}

static bool write_part(InspectCall *call, const FlatRange *fr, hwaddr addr, uint8_t *buf,
                       uint64_t len, uint64_t *left) {
    (void)left;
    if (touch_write(call->m, addr, buf, len) == MEMTX_OK) {
        return true;
    }
    inspect_failf(call, INSPECT_GUEST, "dev.regs tells its registers' sizes",
                  "the device %s refused the write at 0x%llx", fr->mr->name,
                  (unsigned long long)addr);
    return false;
}

json_t *inspect_mem_write(InspectCall *call) {
    uint8_t *buf = malloc(WRITE_MAX);
    if (!buf) {
        return inspect_fail(call, INSPECT_HOST, "no memory", "write fewer bytes");
    }
    json_t *result = NULL;
    int64_t len = parse_hex(inspect_string(call, "data"), buf, WRITE_MAX);
    Pieces *p = NULL;
    if (len <= 0) {
        inspect_failf(call, INSPECT_BAD_PARAMS, "e.g. \"deadbeef\"",
                      "data must be 1 to %d bytes as pairs of hexadecimal digits",
                      WRITE_MAX);
    } else {
        p = pieces_begin(call, (uint64_t)len);
    }
    if (p) {
        bool ok = inspect_may_touch(call) && for_each_part(call, p, buf, check_part) &&
                  for_each_part(call, p, buf, write_part);
        pieces_end(call, p);
        result = ok ? json_pack("{s:o}", "written", inspect_hex((uint64_t)len)) : NULL;
    }
    free(buf);
    return result;
}

/* --- search ---------------------------------------------------------------------------------- */

typedef struct Search {
    uint8_t pattern[PATTERN_MAX];
    size_t pattern_len;
    hwaddr at, last; /* what is still to be searched, both included */
    bool done;
    uint64_t searched;
    unsigned found, limit;
    json_t *hits;
    uint8_t chunk[SEARCH_CHUNK];
} Search;

/* Copies the next bytes of RAM into the chunk. Returns how many; *base is the address of the first,
 * *next where to go on if the pattern is not in them. 0: nothing is left. */
static uint64_t search_copy(InspectCall *call, Search *s, hwaddr *base, hwaddr *next) {
    uint64_t len = 0;
    const uint8_t *from = NULL;
    inspect_lock(call);
    const FlatView *view = __atomic_load_n(&call->m->as.view, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < view->count && !len; i++) {
        const FlatRange *fr = &view->ranges[i];
        hwaddr last = flat_range_last(fr) < s->last ? flat_range_last(fr) : s->last;
        hwaddr first = fr->addr > s->at ? fr->addr : s->at;
        if (!fr->is_ram || first > last) {
            continue;
        }
        len = last - first < SEARCH_CHUNK ? last - first + 1 : SEARCH_CHUNK;
        from = fr->mr->ram->host + fr->mr_offset + (first - fr->addr);
        *base = first;
        *next = first + len;
        if (first + (len - 1) != last) {
            /* It may begin in this chunk and end in the next. */
            *next -= s->pattern_len - 1;
        }
    }
    inspect_unlock(call);
    if (len) {
        copy_racy(s->chunk, from, len); /* RAM stays where it is as long as the machine */
    }
    return len;
}

/* Notes the hits of a chunk; false: the limit was reached and s->at is behind the last one. */
static bool search_chunk(Search *s, hwaddr base, uint64_t len) {
    const uint8_t *p = s->chunk, *end = s->chunk + len;
    while ((p = memmem(p, (size_t)(end - p), s->pattern, s->pattern_len)) != NULL) {
        hwaddr hit = base + (uint64_t)(p - s->chunk);
        json_array_append_new(s->hits, inspect_hex(hit));
        p++;
        if (++s->found == s->limit) {
            s->at = hit + 1;
            s->done = hit >= s->last;
            return false;
        }
    }
    return true;
}

static void search_run(InspectCall *call, Search *s) {
    while (!s->done && s->searched < SEARCH_BUDGET) {
        hwaddr base, next;
        uint64_t len = search_copy(call, s, &base, &next);
        if (!len) {
            s->done = true;
            return;
        }
        s->searched += len;
        if (!search_chunk(s, base, len)) {
            return;
        }
        s->done = next == 0 || next > s->last;
        s->at = next;
    }
}

json_t *inspect_mem_search(InspectCall *call) {
    Search *s = calloc(1, sizeof(*s));
    if (!s) {
        return inspect_fail(call, INSPECT_HOST, "no memory", "try again later");
    }
    int64_t n = parse_hex(inspect_string(call, "pattern"), s->pattern, PATTERN_MAX);
    if (n <= 0) {
        free(s);
        return inspect_failf(
            call, INSPECT_BAD_PARAMS, "e.g. \"4c696e7578\"",
            "pattern must be 1 to %d bytes as pairs of hexadecimal digits", PATTERN_MAX);
    }
    hwaddr from = inspect_u64(call, "from");
    uint64_t len = inspect_has(call, "len") ? inspect_u64(call, "len") : UINT64_MAX;
    s->pattern_len = (size_t)n;
    s->at = inspect_has(call, "cursor") ? inspect_u64(call, "cursor") : from;
    s->last = len && len - 1 <= UINT64_MAX - from ? from + (len - 1) : UINT64_MAX;
    s->done = len == 0 || s->at < from || s->at > s->last;
    s->limit = (unsigned)inspect_int(call, "limit");
    s->hits = json_array();
    search_run(call, s);
    json_t *result = json_pack("{s:o, s:o, s:o}", "hits", s->hits, "searched",
                               inspect_hex(s->searched), "cursor",
                               s->done ? json_null() : inspect_hex(s->at));
    free(s);
    return result;
}
