/* SPDX-License-Identifier: MIT */
/*
 * The domain "log": what -d asked for, changed at run time, and the last lines.
 *
 *   any thread: log_printf() --tap--> ring of lines --job, when somebody subscribed--> log.line
 *
 * Subscribers are told at most 200 lines every 5 ms: a log without end costs a twentieth of a processor and no more. Of what
 * the ring has lost meanwhile the numbers tell.
 *
 * A line's number counts the lines since the machine was made; the ring holds the last LOG_LINES, each cut
 * at LOG_LINE_SIZE bytes.
 *
 * Threads: taps run on any thread that logs, one at a time (the stream's own lock).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect_int.h"

#define TELL_NS INT64_C(5000000)
enum { LOG_LINES = 1024, LOG_LINE_SIZE = 240, LOG_EVENT_LINES = 200, MASK_TEXT = 600 };

typedef struct LogLines {
    pthread_mutex_t lock;        /* a leaf but for the inspector's */
    char (*line)[LOG_LINE_SIZE]; /* LOG_LINES; made when the first is written */
    uint64_t end;                /* number of the line that is being written */
    size_t column;
    uint64_t told;
    int64_t told_ns;
    bool job_queued;
} LogLines;

/* Lines [from, from + max) of those there are; moves *from up to them. */
static json_t *copy_locked(const LogLines *log, uint64_t *from, uint64_t max) {
    uint64_t first = log->end > LOG_LINES - 1 ? log->end - (LOG_LINES - 1) : 0;
    json_t *list = json_array();
    *from = *from < first ? first : *from;
    for (uint64_t n = *from; n < log->end && n - *from < max; n++) {
        const char *line = log->line[n % LOG_LINES];
        json_array_append_new(list, inspect_text(line, strlen(line)));
    }
    return list;
}

static void tell(void *opaque) {
    Inspector *ins = opaque;
    LogLines *log = ins->log;
    pthread_mutex_lock(&log->lock);
    uint64_t from = log->told;
    json_t *lines = copy_locked(log, &from, LOG_EVENT_LINES);
    log->told = from + json_array_size(lines);
    log->told_ns = inspect_now_ns();
    bool more = log->told < log->end;
    int64_t due_ns = log->told_ns + TELL_NS;
    log->job_queued = more;
    pthread_mutex_unlock(&log->lock);
    inspect_emit(ins, "log.line",
                 json_pack("{s:o, s:o}", "from", inspect_hex(from), "lines", lines));
    if (more) {
        inspector_run_at(ins, due_ns, tell, ins);
    }
}

static void add_char_locked(LogLines *log, char c) {
    char *line = log->line[log->end % LOG_LINES];
    if (c == '\n') {
        line[log->column] = '\0';
        log->column = 0;
        log->end++;
    } else if (log->column < LOG_LINE_SIZE - 1) {
        line[log->column++] = c;
    }
}

static void keep(void *opaque, const char *text, size_t len) {
    Inspector *ins = opaque;
    LogLines *log = ins->log;
    pthread_mutex_lock(&log->lock);
    if (!log->line) {
        log->line = calloc(LOG_LINES, sizeof(*log->line));
        assert(log->line);
    }
    for (size_t i = 0; i < len; i++) {
        add_char_locked(log, text[i]);
    }
    bool wanted = inspect_wants(ins, "log.line");
    bool queue = wanted && !log->job_queued && log->told < log->end;
    log->job_queued = log->job_queued || queue;
    log->told = wanted ? log->told : log->end;
    int64_t due_ns = log->told_ns + TELL_NS;
    pthread_mutex_unlock(&log->lock);
    if (queue) {
        inspector_run_at(ins, due_ns, tell, ins);
    }
}

void log_start(Inspector *ins) {
    ins->log = calloc(1, sizeof(*ins->log));
    assert(ins->log);
    pthread_mutex_init(&ins->log->lock, NULL);
    log_set_tap(ins->m->log, keep, ins, NULL);
}

void log_stop(Inspector *ins) {
    log_set_tap(ins->m->log, NULL, NULL, NULL);
}

void log_free(Inspector *ins) {
    free(ins->log->line);
    pthread_mutex_destroy(&ins->log->lock);
    free(ins->log);
}

/* --- methods --------------------------------------------------------------------------------- */

static json_t *items_json(const Log *log) {
    json_t *list = json_array();
    for (unsigned i = 0; i < LOG_CATEGORY_COUNT; i++) {
        json_array_append_new(list, json_pack("{s:s, s:b, s:s}", "name", log_item_name(i),
                                              "on", log_enabled(log, UINT32_C(1) << i),
                                              "help", log_item_help(i)));
    }
    return list;
}

json_t *inspect_log_get(InspectCall *call) {
    LogLines *log = call->inspector->log;
    uint64_t max = (uint64_t)inspect_int(call, "max");
    pthread_mutex_lock(&log->lock);
    uint64_t end = log->end, from = end > max ? end - max : 0;
    if (inspect_has(call, "from")) {
        from = inspect_u64(call, "from");
        from = from > end ? end : from;
    }
    json_t *lines = copy_locked(log, &from, max);
    pthread_mutex_unlock(&log->lock);
    return json_pack("{s:o, s:o, s:o, s:o}", "items", items_json(call->m->log), "from",
                     inspect_hex(from), "end", inspect_hex(end), "lines", lines);
}

/* The items as -d has them: "int,exec". */
static void join_items(const json_t *items, char text[MASK_TEXT]) {
    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(items); i++) {
        strcat(text, i ? "," : "");
        strcat(text, json_string_value(json_array_get(items, i)));
    }
}

json_t *inspect_log_set(InspectCall *call) {
    const json_t *items = inspect_json(call, "items");
    const char *filter = inspect_string(call, "filter");
    char text[MASK_TEXT]; /* 16 items of 32 bytes, and commas */
    Log *log = call->m->log;
    Error *err = NULL;
    join_items(items, text);
    inspect_pause(call); /* the filter is read without a lock */
    bool ok = !filter || log_set_filter(log, filter, &err);
    if (ok && json_array_size(items) == 0) {
        __atomic_store_n(&log->mask, 0, __ATOMIC_RELAXED);
    } else if (ok) {
        ok = log_set_mask(log, text, &err);
    }
    inspect_unpause(call);
    if (!ok) {
        return inspect_fail_error(call, INSPECT_BAD_PARAMS, "log.get lists the items",
                                  err);
    }
    return json_pack("{s:o}", "items", items_json(log));
}
