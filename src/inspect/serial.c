/* SPDX-License-Identifier: MIT */
/*
 * The domain "serial": what the guest writes, kept; and typing.
 *
 *   vCPU: chardev_write() --tap--> ring of the line --job, when somebody subscribed--> serial.output
 *   serial.write --> chardev_inject() --input gate--> UART
 *
 * A position is the number of bytes written before it since the machine was made; the ring holds the last
 * SERIAL_RING of them.
 *
 * Threads: taps run under the machine lock, on whose thread the device is.
 */
#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect_int.h"

/* Subscribers are told no more often: a guest that never stops writing is not to wake this thread with
 * every byte. */
#define TELL_NS INT64_C(5000000)
enum { SERIAL_RING = 64 * 1024, SERIAL_MAX_LINES = 2 * MACHINE_MAX_LIST, NAME_SIZE = 64 };

typedef struct SerialLine {
    Inspector *ins;
    Chardev *chr;
    char name[NAME_SIZE];
    /* SerialLines.lock */
    uint8_t *ring; /* made when the first byte is written */
    uint64_t end;  /* position of the next byte */
    uint64_t told; /* up to here subscribers know */
    int64_t told_ns;
    bool job_queued;
} SerialLine;

typedef struct SerialLines {
    pthread_mutex_t lock; /* a leaf but for the inspector's */
    SerialLine line[SERIAL_MAX_LINES];
    unsigned count;
} SerialLines;

/* --- what the guest writes ------------------------------------------------------------------- */

/* The bytes of [from, from + len) that the ring still has; moves *from up to them. */
static uint8_t *copy_locked(const SerialLine *line, uint64_t *from, size_t *len) {
    uint64_t first = line->end > SERIAL_RING ? line->end - SERIAL_RING : 0;
    uint64_t end = *from + *len < line->end ? *from + *len : line->end;
    *from = *from < first ? first : *from;
    *len = end > *from ? (size_t)(end - *from) : 0;
    uint8_t *copy = malloc(*len + 1);
    assert(copy);
    for (size_t i = 0; i < *len; i++) {
        copy[i] = line->ring[(*from + i) % SERIAL_RING];
    }
    return copy;
}

static json_t *bytes_json(const SerialLine *line, uint64_t from, const uint8_t *bytes,
                          size_t len) {
    return json_pack("{s:s, s:o, s:o, s:o}", "line", line->name, "from",
                     inspect_hex(from), "text", inspect_text(bytes, len), "data",
                     inspect_base64(bytes, len));
}

/* A job: tells of all that came since the last time. */
static void tell(void *opaque) {
    SerialLine *line = opaque;
    SerialLines *lines = line->ins->serial;
    pthread_mutex_lock(&lines->lock);
    uint64_t told = line->told, from = told;
    size_t len = (size_t)(line->end - told);
    uint8_t *bytes = copy_locked(line, &from, &len);
    line->told = line->end;
    line->told_ns = inspect_now_ns();
    line->job_queued = false;
    pthread_mutex_unlock(&lines->lock);
    json_t *data = bytes_json(line, from, bytes, len);
    json_object_set_new(data, "skipped", inspect_hex(from - told));
    inspect_emit(line->ins, "serial.output", data);
    free(bytes);
}

static void keep(void *opaque, const uint8_t *buf, unsigned len) {
    SerialLine *line = opaque;
    SerialLines *lines = line->ins->serial;
    pthread_mutex_lock(&lines->lock);
    if (!line->ring) {
        line->ring = malloc(SERIAL_RING);
        assert(line->ring);
    }
    for (unsigned i = 0; i < len; i++) {
        line->ring[line->end++ % SERIAL_RING] = buf[i];
    }
    bool wanted = inspect_wants(line->ins, "serial.output");
    bool queue = wanted && !line->job_queued;
    line->job_queued = line->job_queued || queue;
    line->told = wanted ? line->told : line->end;
    int64_t due_ns = line->told_ns + TELL_NS;
    pthread_mutex_unlock(&lines->lock);
    if (queue) {
        inspector_run_at(line->ins, due_ns, tell, line);
    }
}

/* --- life ------------------------------------------------------------------------------------ */

static void add_line(Inspector *ins, Chardev *chr, const char *name) {
    SerialLines *lines = ins->serial;
    SerialLine *line = &lines->line[lines->count++];
    line->ins = ins;
    line->chr = chr;
    snprintf(line->name, sizeof(line->name), "%s", name);
    chardev_set_tap(chr, keep, line);
}

void serial_start(Inspector *ins) {
    Machine *m = ins->m;
    char name[NAME_SIZE];
    ins->serial = calloc(1, sizeof(*ins->serial));
    assert(ins->serial);
    pthread_mutex_init(&ins->serial->lock, NULL);
    machine_lock(m);
    for (unsigned i = 0; i < m->serial_count; i++) {
        if (m->serials[i]) {
            snprintf(name, sizeof(name), "serial%u", i);
            add_line(ins, m->serials[i], name);
        }
    }
    for (unsigned i = 0; i < m->chardev_count; i++) {
        add_line(ins, m->chardevs[i], chardev_id(m->chardevs[i]));
    }
    machine_unlock(m);
}

void serial_stop(Inspector *ins) {
    SerialLines *lines = ins->serial;
    machine_lock(ins->m);
    for (unsigned i = 0; i < lines->count; i++) {
        chardev_set_tap(lines->line[i].chr, NULL, NULL);
    }
    machine_unlock(ins->m);
}

void serial_free(Inspector *ins) {
    SerialLines *lines = ins->serial;
    for (unsigned i = 0; i < lines->count; i++) {
        free(lines->line[i].ring);
    }
    pthread_mutex_destroy(&lines->lock);
    free(lines);
}

/* --- methods --------------------------------------------------------------------------------- */

static SerialLine *find_line(InspectCall *call) {
    SerialLines *lines = call->inspector->serial;
    const char *name = inspect_string(call, "line");
    for (unsigned i = 0; i < lines->count; i++) {
        if (strcmp(lines->line[i].name, name) == 0) {
            return &lines->line[i];
        }
    }
    inspect_failf(call, INSPECT_NOT_FOUND, "serial.list lists them",
                  "there is no line '%s'", name);
    return NULL;
}

json_t *inspect_serial_list(InspectCall *call) {
    SerialLines *lines = call->inspector->serial;
    json_t *list = json_array();
    for (unsigned i = 0; i < lines->count; i++) {
        SerialLine *line = &lines->line[i];
        inspect_lock(call);
        uint64_t dropped = chardev_dropped(line->chr), written = line->end;
        const char *where = chardev_where(line->chr); /* as long as the machine */
        inspect_unlock(call);
        json_array_append_new(list,
                              json_pack("{s:s, s:s?, s:o, s:o}", "name", line->name,
                                        "where", where, "dropped", inspect_hex(dropped),
                                        "written", inspect_hex(written)));
    }
    return json_pack("{s:o}", "lines", list);
}

static int hex_digit(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *p =
        isxdigit((unsigned char)c) ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return p ? (int)(p - digits) : -1;
}

/* Pairs of hex digits in place; returns the number of bytes, or -1. */
static ssize_t parse_bytes(char *text) {
    size_t len = strlen(text);
    for (size_t i = 0; i + 1 < len; i += 2) {
        int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0) {
            return -1;
        }
        text[i / 2] = (char)(high << 4 | low);
    }
    return len % 2 ? -1 : (ssize_t)(len / 2);
}

json_t *inspect_serial_write(InspectCall *call) {
    SerialLine *line = find_line(call);
    bool as_text = inspect_has(call, "text");
    if (!line) {
        return NULL;
    }
    if (as_text == inspect_has(call, "hex")) {
        return inspect_fail(call, INSPECT_BAD_PARAMS, "there is not one of text and hex",
                            "give one of them");
    }
    char *bytes = strdup(inspect_string(call, as_text ? "text" : "hex"));
    assert(bytes);
    ssize_t len = as_text ? (ssize_t)strlen(bytes) : parse_bytes(bytes);
    if (len < 0) {
        free(bytes);
        return inspect_fail(call, INSPECT_BAD_PARAMS, "hex is not pairs of hex digits",
                            "write bytes as \"0d0a\"");
    }
    inspect_lock(call);
    unsigned accepted = chardev_inject(line->chr, (const uint8_t *)bytes, (unsigned)len);
    inspect_unlock(call);
    free(bytes);
    return json_pack("{s:i}", "accepted", (int)accepted);
}

json_t *inspect_serial_tail(InspectCall *call) {
    SerialLine *line = find_line(call);
    if (!line) {
        return NULL;
    }
    SerialLines *lines = call->inspector->serial;
    size_t len = (size_t)inspect_int(call, "max");
    pthread_mutex_lock(&lines->lock);
    uint64_t end = line->end, from = end > len ? end - len : 0;
    if (inspect_has(call, "from")) {
        from = inspect_u64(call, "from");
        from = from > end ? end : from;
    }
    uint8_t *bytes = copy_locked(line, &from, &len);
    pthread_mutex_unlock(&lines->lock);
    json_t *result = bytes_json(line, from, bytes, len);
    json_object_set_new(result, "end", inspect_hex(end));
    free(bytes);
    return result;
}
