/* SPDX-License-Identifier: MIT */
/*
 * HmpCall: one command as its handler sees it. Inside src/monitor.
 *
 * A handler writes its answer to call->out, which is memory: it may do so under any lock.
 */
#ifndef VITRINE_MONITOR_HMP_CALL_H
#define VITRINE_MONITOR_HMP_CALL_H

#include "monitor/hmp.h"

/* A value by the name it has in hmp.def's `args`. */
typedef struct HmpValue {
    char name[HMP_MAX_ARGS * 2];
    char *text;     /* types s, S; own */
    int64_t number; /* types i, l; flags and b: 1 */
} HmpValue;

/* What stands behind the slash of "x/4xw". */
typedef struct HmpFormat {
    uint64_t count;
    char format;   /* x d u o c i */
    unsigned size; /* bytes */
} HmpFormat;

typedef struct HmpCall {
    Hmp *hmp;
    Machine *m;
    FILE *out;
    const char *command; /* as it was written: "info tlb" */
    HmpFormat format;    /* commands with "/" in their args */
    HmpValue values[HMP_MAX_ARGS];
    unsigned value_count;
} HmpCall;

bool hmp_has(const HmpCall *call, const char *name);
int64_t hmp_number(const HmpCall *call, const char *name);     /* 0 if left out */
const char *hmp_string(const HmpCall *call, const char *name); /* NULL if left out */
/* The hart that the commands mean. */
CPUState *hmp_cpu(const HmpCall *call);
/* Prints an Error as "Error: ..." and frees it. */
void hmp_error(HmpCall *call, Error *err);

/* One row of hmp.def. */
typedef void HmpHandler(HmpCall *call);
typedef struct HmpCommand {
    const char *name, *alias, *args, *params;
    HmpHandler *handler;
    const char *help;
} HmpCommand;
/* Rows by number; NULL behind the last. */
const HmpCommand *hmp_command(unsigned index);
const HmpCommand *hmp_info_command(unsigned index);

/* --- registers: hmp_regs.c --- */
/* Names by number; NULL behind the last. */
const char *hmp_register_name(unsigned index, char *text, size_t size);
/* For expr_parse(): opaque is the HmpCall. Holds the machine still for a moment. */
bool hmp_expr_register(void *opaque, const char *name, int64_t *value);

/* The vCPUs parked and the machine lock held, so that all of the machine may be read. */
void hmp_hold(HmpCall *call);
void hmp_release(HmpCall *call);

/* --- the inspector: hmp_inspect.c --- */
/* Calls a method and prints its result, or what went wrong. Owns: takes params (may be NULL). */
void hmp_inspect(HmpCall *call, const char *method, json_t *params);
/* Calls a method; NULL: the error was printed. Owns: takes params; the caller has the result. */
json_t *hmp_ask(HmpCall *call, const char *method, json_t *params);
/* Prints any JSON value: objects as "name value" lines, lists of objects as a table. */
void hmp_print_json(FILE *out, const json_t *value);

/* Parts of `info mtree`: hmp_look.c. */
void hmp_mtree_owners(HmpCall *call);
void hmp_mtree_ranges(HmpCall *call);

#define HMP(name, alias, args, params, handler, help) void handler(HmpCall *call);
#define INFO(name, args, params, handler, help)       void handler(HmpCall *call);
#include "monitor/hmp.def"
#undef HMP
#undef INFO

#endif
