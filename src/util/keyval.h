/* SPDX-License-Identifier: MIT */
/*
 * KeyVal: the "a,key=value,flag" texts of the command line, in QEMU's spelling.
 *
 *   "stdio,id=c0,mux,path=a,,b"  with first key "backend"
 *     -> backend=stdio  id=c0  mux=on  path=a,b
 *
 * A key without "=" is a flag: on, or off if it begins with "no" ("nowait" is
 * "wait=off"). Where a key is given twice the last one counts.
 */
#ifndef VITRINE_UTIL_KEYVAL_H
#define VITRINE_UTIL_KEYVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct KeyValItem {
    char *key, *value;
} KeyValItem;

typedef struct KeyVal {
    KeyValItem *items;
    unsigned count;
} KeyVal;

/* Parses text; the first item, if it has no "=", is the value of first_key (which may
 * be NULL). The result is to be freed even if this fails. Errors: an empty key. */
bool keyval_parse(KeyVal *kv, const char *text, const char *first_key, Error **errp);
void keyval_free(KeyVal *kv);
const char *keyval_get(const KeyVal *kv, const char *key); /* NULL if absent */
/* The i-th value of a key that may be repeated (hostfwd=), or NULL. */
const char *keyval_get_nth(const KeyVal *kv, const char *key, unsigned i);
/* These leave *out alone if the key is absent. Errors: not a boolean (on, off, yes,
 * no, true, false) or not a number. */
bool keyval_get_bool(const KeyVal *kv, const char *key, bool *out, Error **errp);
bool keyval_get_u64(const KeyVal *kv, const char *key, uint64_t *out, Error **errp);
/* Errors: a key that is not among the space-separated names in `known`. */
bool keyval_check(const KeyVal *kv, const char *known, const char *where, Error **errp);

#endif
