/* SPDX-License-Identifier: MIT */
/*
 * Commands that are the inspector's methods, and their results as text.
 *
 *   monitor's thread --inspector_run()--> inspector's thread: inspect_call()
 *        waits <----------------------------- result
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/ask.h"
#include "monitor/hmp_call.h"

enum { MAX_COLUMNS = 24, MAX_WIDTH = 40, MAX_INDENT = 8 };

json_t *hmp_ask(HmpCall *call, const char *method, json_t *params) {
    json_t *error = NULL;
    json_t *result = monitor_ask(call->hmp->inspector, method, params, &error);
    json_decref(params);
    if (!result) {
        const json_t *data = json_object_get(error, "data");
        const char *what = json_string_value(json_object_get(error, "message"));
        const char *advice = json_string_value(json_object_get(data, "try"));
        const char *detail = json_string_value(json_object_get(data, "what"));
        fprintf(call->out, "Error: %s", detail ? detail : what ? what : "it failed");
        fprintf(call->out, advice && *advice ? "; %s\n" : "\n", advice);
        json_decref(error);
    }
    return result;
}

void hmp_inspect(HmpCall *call, const char *method, json_t *params) {
    json_t *result = hmp_ask(call, method, params);
    if (result) {
        hmp_print_json(call->out, result);
        json_decref(result);
    }
}

/* --- values ----------------------------------------------------------------------------------- */

/* Owns: the caller. */
static char *scalar_text(const json_t *value) {
    char *text = NULL;
    if (json_is_string(value)) {
        text = strdup(json_string_value(value));
    } else if (value && !json_is_null(value)) {
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    }
    return text ? text : strdup("-");
}

static bool is_scalar(const json_t *value) {
    return !json_is_object(value) && !json_is_array(value);
}

/* A list of nothing but numbers, words and the like, not long: fits on a line. */
static bool is_plain_list(const json_t *list) {
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        if (!is_scalar(item)) {
            return false;
        }
    }
    return true;
}

/* A table's cell: what does not fit on a line is counted. Owns: the caller. */
static char *cell_text(const json_t *value) {
    char *text = NULL;
    if (json_is_object(value) || (json_is_array(value) && !is_plain_list(value))) {
        size_t n =
            json_is_object(value) ? json_object_size(value) : json_array_size(value);
        return asprintf(&text, "(%zu)", n) < 0 ? strdup("-") : text;
    }
    return scalar_text(value);
}

/* --- tables ----------------------------------------------------------------------------------- */

typedef struct Table {
    const char *column[MAX_COLUMNS];
    int width[MAX_COLUMNS];
    unsigned count;
} Table;

static void widen(Table *t, const char *key, const json_t *value) {
    unsigned i = 0;
    while (i < t->count && strcmp(t->column[i], key) != 0) {
        i++;
    }
    if (i == MAX_COLUMNS) {
        return;
    }
    if (i == t->count) {
        t->column[t->count] = key;
        t->width[t->count++] = (int)strlen(key);
    }
    char *text = cell_text(value);
    int len = (int)strlen(text);
    len = len < MAX_WIDTH ? len : MAX_WIDTH;
    t->width[i] = len > t->width[i] ? len : t->width[i];
    free(text);
}

static void print_row(FILE *out, const Table *t, const json_t *row, int indent) {
    fprintf(out, "%*s", indent, "");
    for (unsigned i = 0; i < t->count; i++) {
        char *text =
            row ? cell_text(json_object_get(row, t->column[i])) : strdup(t->column[i]);
        bool last = i + 1 == t->count;
        fprintf(out, "%-*s%s", last ? 0 : t->width[i], text, last ? "\n" : "  ");
        free(text);
    }
}

static void print_table(FILE *out, const json_t *rows, int indent) {
    Table t = {.count = 0};
    size_t i;
    json_t *row, *value;
    const char *key;
    json_array_foreach(rows, i, row) {
        json_object_foreach(row, key, value) {
            widen(&t, key, value);
        }
    }
    print_row(out, &t, NULL, indent);
    json_array_foreach(rows, i, row) {
        print_row(out, &t, row, indent);
    }
}

static void print_value(FILE *out, const json_t *value, int indent);

static void print_list(FILE *out, const json_t *list, int indent) {
    size_t i;
    json_t *item;
    if (json_array_size(list) > 0 && json_is_object(json_array_get(list, 0))) {
        print_table(out, list, indent);
        return;
    }
    json_array_foreach(list, i, item) {
        print_value(out, item, indent);
    }
}

static void print_member(FILE *out, const char *key, const json_t *value, int width,
                         int indent) {
    bool inline_list = json_is_array(value) && is_plain_list(value);
    if (is_scalar(value) || inline_list) {
        char *text = scalar_text(value);
        fprintf(out, "%*s%-*s  %s\n", indent, "", width, key, text);
        free(text);
        return;
    }
    fprintf(out, "%*s%s:\n", indent, "", key);
    print_value(out, value, indent < 2 * MAX_INDENT ? indent + 2 : indent);
}

static void print_object(FILE *out, const json_t *object, int indent) {
    const char *key;
    json_t *value;
    int width = 0;
    json_object_foreach((json_t *)object, key, value) {
        int len = (int)strlen(key);
        width = len > width && is_scalar(value) ? len : width;
    }
    json_object_foreach((json_t *)object, key, value) {
        print_member(out, key, value, width, indent);
    }
}

static void print_value(FILE *out, const json_t *value, int indent) {
    if (json_is_object(value)) {
        print_object(out, value, indent);
    } else if (json_is_array(value)) {
        print_list(out, value, indent);
    } else {
        char *text = scalar_text(value);
        fprintf(out, "%*s%s\n", indent, "", text);
        free(text);
    }
}

void hmp_print_json(FILE *out, const json_t *value) {
    print_value(out, value, 0);
}

/* --- inspect -------------------------------------------------------------------------------- */

void hmp_inspect_any(HmpCall *call) {
    const char *text = hmp_string(call, "params");
    json_t *params = NULL;
    json_error_t error;
    if (text && !(params = json_loads(text, 0, &error))) {
        fprintf(call->out, "Error: the parameters are no JSON object: %s\n", error.text);
        return;
    }
    hmp_inspect(call, hmp_string(call, "method"), params);
}
