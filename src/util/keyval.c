/* SPDX-License-Identifier: MIT */
/* KeyVal: one pass over the text; ",," stands for a comma inside a value. */
#include "util/keyval.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Copies up to the next single comma, undoubling; *pos ends behind that comma or at
 * the end. */
static char *keyval_next_item(const char **pos) {
    const char *p = *pos;
    char *item = malloc(strlen(p) + 1);
    assert(item != NULL);
    size_t n = 0;
    while (*p != '\0') {
        if (*p == ',') {
            p++;
            if (*p != ',') {
                break;
            }
        }
        item[n++] = *p++;
    }
    item[n] = '\0';
    *pos = p;
    return item;
}

static char *keyval_dup(const char *text) {
    char *copy = strdup(text);
    assert(copy != NULL);
    return copy;
}

bool keyval_parse(KeyVal *kv, const char *text, const char *first_key, Error **errp) {
    *kv = (KeyVal){0};
    const char *pos = text;
    bool first = true;
    while (*pos != '\0') {
        char *item = keyval_next_item(&pos);
        char *equals = strchr(item, '=');
        const char *key = item, *value = "on";
        if (equals != NULL) {
            *equals = '\0';
            value = equals + 1;
        } else if (first && first_key != NULL) {
            key = first_key;
            value = item;
        } else if (strncmp(item, "no", 2) == 0 && item[2] != '\0') {
            key = item + 2;
            value = "off";
        }
        first = false;
        if (*key == '\0') {
            error_set(
                errp,
                "'%s' has an empty option; write key=value, separated by single commas",
                text);
            free(item);
            return false;
        }
        KeyValItem *items = realloc(kv->items, (kv->count + 1) * sizeof(*items));
        assert(items != NULL);
        kv->items = items;
        kv->items[kv->count].key = keyval_dup(key);
        kv->items[kv->count].value = keyval_dup(value);
        kv->count++;
        free(item);
    }
    return true;
}

void keyval_free(KeyVal *kv) {
    for (unsigned i = 0; i < kv->count; i++) {
        free(kv->items[i].key);
        free(kv->items[i].value);
    }
    free(kv->items);
    *kv = (KeyVal){0};
}

const char *keyval_get(const KeyVal *kv, const char *key) {
    for (unsigned i = kv->count; i-- > 0;) {
        if (strcmp(kv->items[i].key, key) == 0) {
            return kv->items[i].value;
        }
    }
    return NULL;
}

const char *keyval_get_nth(const KeyVal *kv, const char *key, unsigned nth) {
    for (unsigned i = 0; i < kv->count; i++) {
        if (strcmp(kv->items[i].key, key) == 0 && nth-- == 0) {
            return kv->items[i].value;
        }
    }
    return NULL;
}

bool keyval_get_bool(const KeyVal *kv, const char *key, bool *out, Error **errp) {
    const char *v = keyval_get(kv, key);
    if (v == NULL) {
        return true;
    }
    if (strcmp(v, "on") == 0 || strcmp(v, "yes") == 0 || strcmp(v, "true") == 0) {
        *out = true;
        return true;
    }
    if (strcmp(v, "off") == 0 || strcmp(v, "no") == 0 || strcmp(v, "false") == 0) {
        *out = false;
        return true;
    }
    error_set(errp, "%s=%s is neither on nor off", key, v);
    return false;
}

bool keyval_get_u64(const KeyVal *kv, const char *key, uint64_t *out, Error **errp) {
    const char *v = keyval_get(kv, key);
    if (v == NULL) {
        return true;
    }
    char *end;
    errno = 0;
    unsigned long long n = strtoull(v, &end, 0);
    if (!isdigit((unsigned char)v[0]) || *end != '\0' || errno != 0) {
        error_set(errp, "%s=%s is not a number", key, v);
        return false;
    }
    *out = n;
    return true;
}

/* True if `word` is one of the space-separated words of `list`. */
static bool word_in_list(const char *word, const char *list) {
    size_t len = strlen(word);
    for (const char *p = list; *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (n == len && memcmp(p, word, n) == 0) {
            return true;
        }
        p += n;
        p += strspn(p, " ");
    }
    return false;
}

bool keyval_check(const KeyVal *kv, const char *known, const char *where, Error **errp) {
    for (unsigned i = 0; i < kv->count; i++) {
        if (!word_in_list(kv->items[i].key, known)) {
            error_set(errp, "%s: unknown option '%s'; known are: %s", where,
                      kv->items[i].key, known);
            return false;
        }
    }
    return true;
}
