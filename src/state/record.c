/* SPDX-License-Identifier: MIT */
/*
 * Recording: chunks and records, out and in.
 *
 *   record_event() -> pending chunk -> write(): size, hash, bytes
 */
#include "state/record.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static const char magic[8] = {'V', 'I', 'T', 'R', 'E', 'C', '1', '\n'};

enum {
    RECORD_EVENT = 1,
    RECORD_CHECK = 2,
    RECORD_END = 3,
    CHUNK_HEAD = 12,        /* u32 size, u64 hash */
    CHUNK_FULL = 64 * 1024, /* written at this size */
    VARINT_MAX = 10,        /* bytes */
};

static void put_le(uint8_t *p, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(value >> 8 * i);
    }
}

static uint64_t get_le(const uint8_t *p, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)p[i] << 8 * i;
    }
    return value;
}

/* --- writing ------------------------------------------------------------------------ */

struct RecordWriter {
    int fd;
    char *path;
    uint8_t *chunk; /* CHUNK_HEAD bytes, then records */
    size_t len, cap;
    uint64_t last_count;
    int64_t last_time;
    char *error;
};

static void writer_fail(RecordWriter *w, int err) {
    if (w->error == NULL) {
        Error *e = NULL;
        error_set_errno(&e, err, "cannot write the recording '%s'", w->path);
        w->error = strdup(error_message(e));
        error_free(e);
    }
}

static void write_all(RecordWriter *w, const uint8_t *data, size_t len) {
    while (len > 0 && w->error == NULL) {
        ssize_t n = write(w->fd, data, len);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            writer_fail(w, n == 0 ? ENOSPC : errno);
        }
    }
}

static void reserve(RecordWriter *w, size_t more) {
    if (w->len + more > w->cap) {
        w->cap = 2 * (w->len + more);
        w->chunk = realloc(w->chunk, w->cap);
        assert(w->chunk != NULL);
    }
}

static void put_varint(RecordWriter *w, uint64_t value) {
    reserve(w, VARINT_MAX);
    while (value >= 0x80) {
        w->chunk[w->len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    w->chunk[w->len++] = (uint8_t)value;
}

/* Small numbers of either sign are short: 0, -1, 1, -2, ... */
static uint64_t zigzag(int64_t value) {
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static int64_t unzigzag(uint64_t value) {
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

static void put_bytes(RecordWriter *w, const void *data, size_t len) {
    reserve(w, len);
    if (len > 0) {
        memcpy(w->chunk + w->len, data, len);
    }
    w->len += len;
}

static void put_moment(RecordWriter *w, unsigned type, uint64_t count) {
    const uint8_t byte = (uint8_t)type;
    put_bytes(w, &byte, 1);
    put_varint(w, count - w->last_count);
    w->last_count = count;
}

RecordWriter *record_writer_new(const char *path, const char *description, Error **errp) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        error_set_errno(errp, errno, "cannot write the recording '%s'", path);
        return NULL;
    }
    RecordWriter *w = calloc(1, sizeof(*w));
    assert(w != NULL);
    w->fd = fd;
    w->path = strdup(path);
    w->len = CHUNK_HEAD;
    write_all(w, (const uint8_t *)magic, sizeof(magic));
    put_bytes(w, description, strlen(description));
    record_flush(w);
    if (w->error != NULL) {
        record_close(w, errp);
        return NULL;
    }
    return w;
}

void record_flush(RecordWriter *w) {
    if (w->len == CHUNK_HEAD) {
        return;
    }
    reserve(w, 0);
    size_t payload = w->len - CHUNK_HEAD;
    put_le(w->chunk, payload, 4);
    put_le(w->chunk + 4, XXH3_64bits(w->chunk + CHUNK_HEAD, payload), 8);
    write_all(w, w->chunk, w->len);
    w->len = CHUNK_HEAD;
}

static void flush_if_full(RecordWriter *w) {
    if (w->len >= CHUNK_FULL) {
        record_flush(w);
    }
}

void record_event(RecordWriter *w, const GateEvent *ev) {
    put_moment(w, RECORD_EVENT, ev->count);
    put_varint(w, zigzag(ev->time_ns - w->last_time));
    w->last_time = ev->time_ns;
    put_varint(w, ev->pulled);
    put_varint(w, ev->port);
    put_varint(w, ev->kind);
    put_varint(w, ev->len);
    put_bytes(w, ev->data, ev->len);
    flush_if_full(w);
}

void record_check(RecordWriter *w, const RecordCheck *check) {
    uint8_t hash[8];
    put_le(hash, check->hash, sizeof(hash));
    put_moment(w, RECORD_CHECK, check->count);
    put_bytes(w, hash, sizeof(hash));
    flush_if_full(w);
}

void record_end(RecordWriter *w, const RecordEnd *end) {
    put_moment(w, RECORD_END, end->count);
    put_varint(w, end->cause);
    put_varint(w, end->status);
    record_flush(w);
}

const char *record_error(const RecordWriter *w) {
    return w->error;
}

bool record_close(RecordWriter *w, Error **errp) {
    record_flush(w);
    if (close(w->fd) < 0) {
        writer_fail(w, errno);
    }
    bool ok = w->error == NULL;
    if (!ok) {
        error_set(errp, "%s", w->error);
    }
    free(w->error);
    free(w->chunk);
    free(w->path);
    free(w);
    return ok;
}

/* --- reading ------------------------------------------------------------------------ */

typedef struct Reader {
    const uint8_t *p, *end; /* of the chunk */
    uint64_t count;
    int64_t time_ns;
    bool bad;
    bool ended;
    size_t event_cap, check_cap;
} Reader;

static uint64_t get_varint(Reader *r) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->p == r->end) {
            break;
        }
        uint8_t byte = *r->p++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return value;
        }
    }
    r->bad = true;
    return 0;
}

static uint64_t get_small(Reader *r, uint64_t limit) {
    uint64_t value = get_varint(r);
    r->bad |= value > limit;
    return value;
}

static const uint8_t *get_bytes(Reader *r, size_t len) {
    if ((size_t)(r->end - r->p) < len) {
        r->bad = true;
        return NULL;
    }
    r->p += len;
    return r->p - len;
}

static void *grow(void *array, size_t count, size_t *cap, size_t size) {
    if (count == *cap) {
        *cap = *cap ? 2 * *cap : 256;
        array = realloc(array, *cap * size);
        assert(array != NULL);
    }
    return array;
}

static void read_event(Recording *rec, Reader *r) {
    GateEvent ev = {.count = r->count};
    r->time_ns = (int64_t)((uint64_t)r->time_ns + (uint64_t)unzigzag(get_varint(r)));
    ev.time_ns = r->time_ns;
    ev.pulled = get_small(r, 1) != 0;
    ev.port = (uint8_t)get_small(r, GATE_MAX_PORTS - 1);
    ev.kind = (uint8_t)get_small(r, UINT8_MAX);
    ev.len = (uint32_t)get_small(r, GATE_MAX_DATA);
    const uint8_t *data = r->bad ? NULL : get_bytes(r, ev.len);
    if (r->bad) {
        return;
    }
    if (ev.len > 0) {
        ev.data = malloc(ev.len);
        assert(ev.data != NULL);
        memcpy(ev.data, data, ev.len);
    }
    rec->event = grow(rec->event, rec->event_count, &r->event_cap, sizeof(ev));
    rec->event[rec->event_count++] = ev;
}

static void read_check(Recording *rec, Reader *r) {
    const uint8_t *hash = get_bytes(r, 8);
    if (hash != NULL) {
        rec->check =
            grow(rec->check, rec->check_count, &r->check_cap, sizeof(RecordCheck));
        rec->check[rec->check_count++] = (RecordCheck){r->count, get_le(hash, 8)};
    }
}

static void read_records(Recording *rec, Reader *r) {
    while (r->p < r->end && !r->bad) {
        unsigned type = *r->p++;
        uint64_t step = get_varint(r);
        r->bad |= r->ended || step > UINT64_MAX - r->count;
        r->count += step;
        if (type == RECORD_EVENT) {
            read_event(rec, r);
        } else if (type == RECORD_CHECK) {
            read_check(rec, r);
        } else if (type == RECORD_END) {
            rec->end.cause = (uint8_t)get_small(r, UINT8_MAX);
            rec->end.status = (uint8_t)get_small(r, UINT8_MAX);
            r->ended = true;
        } else {
            r->bad = true;
        }
    }
}

/* The chunk at data: its payload, or NULL. *whole: it is all there, but damaged. */
static const uint8_t *find_chunk(const uint8_t *data, size_t size, size_t *len,
                                 bool *whole) {
    *whole = false;
    if (size < CHUNK_HEAD) {
        return NULL;
    }
    uint64_t payload = get_le(data, 4);
    if (payload > RECORD_MAX_CHUNK) {
        *whole = true;
        return NULL;
    }
    if (payload > size - CHUNK_HEAD) {
        return NULL;
    }
    *whole = true;
    if (XXH3_64bits(data + CHUNK_HEAD, payload) != get_le(data + 4, 8)) {
        return NULL;
    }
    *len = payload;
    return data + CHUNK_HEAD;
}

static bool read_description(Recording *rec, const char *name, const uint8_t **data,
                             size_t *size, Error **errp) {
    size_t len = 0;
    bool whole;
    if (*size < sizeof(magic) || memcmp(*data, magic, sizeof(magic) - 2) != 0) {
        error_set(errp, "'%s' is not a recording; -record FILE makes one", name);
        return false;
    }
    if (memcmp(*data, magic, sizeof(magic)) != 0) {
        error_set(errp, "'%s' is a recording of another version; record it again", name);
        return false;
    }
    const uint8_t *text =
        find_chunk(*data + sizeof(magic), *size - sizeof(magic), &len, &whole);
    if (text == NULL || len > RECORD_MAX_DESCRIPTION || memchr(text, '\0', len)) {
        error_set(errp, "'%s' is damaged in its first part; there is nothing to replay",
                  name);
        return false;
    }
    rec->description = strndup((const char *)text, len);
    *size -= (size_t)(text + len - *data);
    *data = text + len;
    return true;
}

Recording *recording_parse(const char *name, const uint8_t *data, size_t size,
                           Error **errp) {
    Recording *rec = calloc(1, sizeof(*rec));
    assert(rec != NULL);
    const uint8_t *start = data;
    if (!read_description(rec, name, &data, &size, errp)) {
        recording_free(rec);
        return NULL;
    }
    Reader r = {0};
    while (size > 0) {
        size_t len = 0;
        bool whole;
        r.p = find_chunk(data, size, &len, &whole);
        if (r.p == NULL && !whole) {
            break; /* cut off here */
        }
        r.end = r.p + len;
        if (r.p != NULL) {
            read_records(rec, &r);
        }
        if (r.p == NULL || r.bad) {
            error_set(
                errp,
                "'%s' is damaged in the part at byte %zu; its end cannot be replayed",
                name, (size_t)(data - start));
            recording_free(rec);
            return NULL;
        }
        size -= (size_t)(r.end - data);
        data = r.end;
    }
    rec->end.count = r.count;
    rec->end.cut_off = !r.ended;
    return rec;
}

static uint8_t *read_file(const char *path, size_t *size, Error **errp) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_set_errno(errp, errno, "cannot read the recording '%s'", path);
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    uint8_t *data = S_ISREG(st.st_mode) ? malloc((size_t)st.st_size + 1) : NULL;
    *size = 0;
    while (data != NULL && *size < (size_t)st.st_size) {
        ssize_t n = read(fd, data + *size, (size_t)st.st_size - *size);
        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            free(data);
            data = NULL;
        } else if (n > 0) {
            *size += (size_t)n;
        }
    }
    if (data == NULL) {
        error_set_errno(errp, S_ISREG(st.st_mode) ? errno : EINVAL,
                        "cannot read the recording '%s'", path);
    }
    close(fd);
    return data;
}

Recording *recording_read(const char *path, Error **errp) {
    size_t size;
    uint8_t *data = read_file(path, &size, errp);
    Recording *rec = data ? recording_parse(path, data, size, errp) : NULL;
    free(data);
    return rec;
}

void recording_free(Recording *r) {
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->event_count; i++) {
        free(r->event[i].data);
    }
    free(r->event);
    free(r->check);
    free(r->description);
    free(r);
}
