/* SPDX-License-Identifier: MIT */
/*
 * Log: parsing of -d, -D and -dfilter, and the one place that writes.
 *
 *   -d in_asm,op --> mask      -D file --> file      -dfilter 80000000+1000 --> ranges
 */
#include "util/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct LogCategory {
    const char *name;
    const char *help;
    uint32_t mask;
} LogCategory;

#define LOG_ROW(id, name, help) {name, help, id},
static const LogCategory log_categories[] = {LOG_CATEGORIES(LOG_ROW)};
#undef LOG_ROW

#define LOG_ALL ((1u << LOG_CATEGORY_COUNT) - 1)

void log_init(Log *log) {
    *log = (Log){0};
}

void log_destroy(Log *log) {
    log_set_tap(log, NULL, NULL, NULL);
    if (log->file != NULL) {
        fclose(log->file);
    }
    free(log->ranges);
    log_init(log);
}

/* The mask of one item of -d, or 0 if there is none of that name. */
static uint32_t log_item_mask(const char *item, size_t len) {
    if (len == 3 && memcmp(item, "all", 3) == 0) {
        return LOG_ALL;
    }
    for (unsigned i = 0; i < LOG_CATEGORY_COUNT; i++) {
        const char *name = log_categories[i].name;
        if (strlen(name) == len && memcmp(name, item, len) == 0) {
            return log_categories[i].mask;
        }
    }
    return 0;
}

bool log_set_mask(Log *log, const char *items, Error **errp) {
    uint32_t mask = 0;
    for (const char *item = items;;) {
        size_t len = strcspn(item, ",");
        uint32_t bits = log_item_mask(item, len);
        if (bits == 0) {
            error_set(errp, "-d %s: there is no log item '%.*s'; -d help lists them",
                      items, (int)len, item);
            return false;
        }
        mask |= bits;
        if (item[len] == '\0') {
            break;
        }
        item += len + 1;
    }
    __atomic_store_n(&log->mask, mask, __ATOMIC_RELAXED);
    return true;
}

bool log_set_file(Log *log, const char *path, Error **errp) {
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        error_set_errno(errp, errno, "-D %s: cannot write the log file", path);
        return false;
    }
    setvbuf(file, NULL, _IOLBF, BUFSIZ); /* a crash loses no finished line */
    if (log->file != NULL) {
        fclose(log->file);
    }
    log->file = file;
    return true;
}

/* Reads one hexadecimal number and moves *p behind it. */
static bool parse_hex(const char **p, uint64_t *value) {
    const char *digits = *p;
    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
        digits += 2;
    }
    size_t count = strspn(digits, "0123456789abcdefABCDEF");
    if (count == 0) {
        return false;
    }
    errno = 0;
    *value = strtoull(digits, NULL, 16);
    *p = digits + count;
    return errno == 0;
}

/* Reads one range of -dfilter and moves *p behind it. */
static bool parse_range(const char **p, LogRange *range) {
    uint64_t start, other;
    if (!parse_hex(p, &start)) {
        return false;
    }
    char op = **p;
    if (op == '.' && (*p)[1] == '.') {
        *p += 2;
    } else if (op == '+' || op == '-') {
        *p += 1;
    } else {
        return false;
    }
    if (!parse_hex(p, &other)) {
        return false;
    }
    switch (op) {
    case '+':
        *range = (LogRange){start, start + (other - 1)};
        break;
    case '-':
        *range = (LogRange){start - (other - 1), start};
        break;
    default:
        *range = (LogRange){start, other};
        break;
    }
    bool empty = op != '.' && other == 0;
    return !empty && range->first <= range->last; /* not past either end */
}

bool log_set_filter(Log *log, const char *ranges, Error **errp) {
    unsigned count = 1;
    for (const char *p = ranges; *p != '\0'; p++) {
        count += *p == ',';
    }
    LogRange *parsed = calloc(count, sizeof(*parsed));
    if (parsed == NULL) {
        error_set(errp, "-dfilter %s: no memory for %u ranges", ranges, count);
        return false;
    }
    const char *p = ranges;
    for (unsigned i = 0; i < count; i++) {
        const char *item = p;
        bool ok = parse_range(&p, &parsed[i]);
        if (!ok || (*p != '\0' && *p != ',')) {
            error_set(errp,
                      "-dfilter %s: '%.*s' is no range; try start..end, start+size or "
                      "start-size in hexadecimal",
                      ranges, (int)strcspn(item, ","), item);
            free(parsed);
            return false;
        }
        p++;
    }
    free(log->ranges);
    log->ranges = parsed;
    log->range_count = count;
    return true;
}

bool log_in_filter(const Log *log, uint64_t addr) {
    if (log->range_count == 0) {
        return true;
    }
    for (unsigned i = 0; i < log->range_count; i++) {
        if (addr >= log->ranges[i].first && addr <= log->ranges[i].last) {
            return true;
        }
    }
    return false;
}

void log_help(FILE *out) {
    fprintf(out, "Log items (comma separated):\n");
    for (unsigned i = 0; i < LOG_CATEGORY_COUNT; i++) {
        fprintf(out, "%-15s %s\n", log_categories[i].name, log_categories[i].help);
    }
    fprintf(out, "%-15s %s\n", "all", "every item above");
}

const char *log_item_name(unsigned i) {
    return i < LOG_CATEGORY_COUNT ? log_categories[i].name : NULL;
}

const char *log_item_help(unsigned i) {
    return i < LOG_CATEGORY_COUNT ? log_categories[i].help : NULL;
}

/* --- the tap ------------------------------------------------------------------------ */

static ssize_t write_tee(void *opaque, const char *text, size_t len) {
    Log *log = opaque;
    fwrite(text, 1, len, log->file != NULL ? log->file : stderr);
    log->tap(log->tap_opaque, text, len);
    return (ssize_t)len;
}

bool log_set_tap(Log *log, void (*tap)(void *opaque, const char *text, size_t len),
                 void *opaque, Error **errp) {
    if (log->tee != NULL) {
        fclose(log->tee); /* what is in it still goes to the old tap */
        log->tee = NULL;
    }
    log->tap = tap;
    log->tap_opaque = opaque;
    if (tap == NULL) {
        return true;
    }
    log->tee = fopencookie(log, "w", (cookie_io_functions_t){.write = write_tee});
    if (log->tee == NULL) {
        error_set(errp, "no memory for the log's tap");
        return false;
    }
    setvbuf(log->tee, NULL, _IOLBF, BUFSIZ);
    return true;
}

FILE *log_stream(const Log *log) {
    if (log->tee != NULL) {
        return log->tee;
    }
    return log->file != NULL ? log->file : stderr;
}

void log_printf(const Log *log, uint32_t category, const char *fmt, ...) {
    if (!log_enabled(log, category)) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    vfprintf(log_stream(log), fmt, ap);
    va_end(ap);
}
