/* SPDX-License-Identifier: MIT */
/* Trace events as JSON, for the domain "trace" and its exports. */
#ifndef VITRINE_INSPECT_TRACE_JSON_H
#define VITRINE_INSPECT_TRACE_JSON_H

#include "inspect/inspect_call.h"
#include "util/trace.h"

enum { TRACE_TEXT_MAX = 320 };

/* The arguments by name: hex strings; devices and timers by name. */
json_t *trace_args_json(Machine *m, const TraceEvent *e);
/* As trace.read answers them. */
json_t *trace_events_json(Machine *m, const TraceEvent *events, unsigned n);
/* What the parameters kinds, harts, first and last let pass; false: the call has failed. */
bool trace_filter_of(InspectCall *call, TraceFilter *filter);
/* The event in words: trace_format() and what its numbers mean. */
void trace_words(Machine *m, const TraceEvent *e, char text[TRACE_TEXT_MAX]);
/* "timer interrupt", "ecall from U", ...: what a trap is about; else the kind's name. */
const char *trace_title(const TraceEvent *e);

#endif
