/* SPDX-License-Identifier: MIT */
/*
 * Log: the categories of `-d`, written to stderr or to the file of `-D`.
 *
 * A Log belongs to a machine (a test, a server and a tab each hold several).
 * log_enabled() is one load and test, so callers guard expensive formatting with it.
 */
#ifndef VITRINE_UTIL_LOG_H
#define VITRINE_UTIL_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/addr.h"
#include "util/error.h"

/* X(enumerator, name after -d, help text); readers: the enum, the option parser, -d
 * help. */
#define LOG_CATEGORIES(X)                                                                \
    X(LOG_IN_ASM, "in_asm", "guest instructions of each translated block")               \
    X(LOG_OP, "op", "IR before optimization")                                            \
    X(LOG_OP_OPT, "op_opt", "IR after optimization")                                     \
    X(LOG_OUT_ASM, "out_asm", "host code of each translated block")                      \
    X(LOG_INT, "int", "exceptions and interrupts")                                       \
    X(LOG_EXEC, "exec", "each block entered from the run loop")                          \
    X(LOG_CPU, "cpu", "CPU registers before each block entered from the run loop")       \
    X(LOG_MMU, "mmu", "page-table walks and TLB fills")                                  \
    X(LOG_GUEST_ERRORS, "guest_errors", "what the guest does against a device's manual") \
    X(LOG_UNIMP, "unimp", "what the guest uses and Vitrine does not model")              \
    X(LOG_PROFILE, "profile", "count block runs; list the hottest blocks at the end")    \
    X(LOG_NOCHAIN, "nochain", "do not chain blocks, so that exec shows every one")       \
    X(LOG_WEB, "web", "whom -web and -api refuse, and viewers who want to drive")

#define LOG_ENUM(id, name, help) id##_BIT,
enum { LOG_CATEGORIES(LOG_ENUM) LOG_CATEGORY_COUNT };
#undef LOG_ENUM
#define LOG_ENUM(id, name, help) id = 1 << id##_BIT,
enum { LOG_CATEGORIES(LOG_ENUM) };
#undef LOG_ENUM

typedef struct LogRange {
    uint64_t first, last; /* both inclusive */
} LogRange;

typedef struct Log {
    uint32_t mask; /* enabled LOG_* categories. Atomic */
    FILE *file;    /* NULL: stderr */
    FILE *tee;     /* writes to file and to the tap; NULL: there is no tap */
    void (*tap)(void *opaque, const char *text, size_t len);
    void *tap_opaque;
    LogRange *ranges;
    unsigned range_count; /* 0: no -dfilter, every address passes */
} Log;

static inline bool log_enabled(const Log *log, uint32_t category) {
    return __builtin_expect(
        (__atomic_load_n(&log->mask, __ATOMIC_RELAXED) & category) != 0, 0);
}

void log_init(Log *log);
void log_destroy(Log *log);

/* Parses "in_asm,op"; "help" or "?" is the caller's to handle with log_help(). */
bool log_set_mask(Log *log, const char *items, Error **errp);
/* Opens the file of -D. */
bool log_set_file(Log *log, const char *path, Error **errp);
/* Parses -dfilter: "start..end", "start+size", "start-size", comma separated, hex. */
bool log_set_filter(Log *log, const char *ranges, Error **errp);
/* True if the address is inside the -dfilter ranges, or there are none. */
bool log_in_filter(const Log *log, uint64_t addr);
void log_help(FILE *out);
/* The name and help text of category number i; NULL behind the last. */
const char *log_item_name(unsigned i);
const char *log_item_help(unsigned i);

/* Shows what is written to one who looks on, too; NULL: no more. Not while others write; the
 * tap is called by who does, and must not log. Errors: no memory. */
bool log_set_tap(Log *log, void (*tap)(void *opaque, const char *text, size_t len),
                 void *opaque, Error **errp);

/* Where messages go, for those who write more than a line. */
FILE *log_stream(const Log *log);

/* Writes one message if the category is on. Threads: any (one stdio call a message). */
void log_printf(const Log *log, uint32_t category, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
