/* SPDX-License-Identifier: MIT */
/* Ask: a monitor's way to the inspector's methods. */
#ifndef VITRINE_MONITOR_ASK_H
#define VITRINE_MONITOR_ASK_H

#include "inspect/inspect.h"

/* Calls a method as an operator and waits for its end. NULL: *error is the JSON-RPC error.
 * Threads: any but the inspector's; holds no lock. Owns: the caller has the result, or *error;
 * params stays the caller's. */
json_t *monitor_ask(Inspector *ins, const char *method, const json_t *params,
                    json_t **error);

#endif
