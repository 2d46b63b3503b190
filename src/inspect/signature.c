/* SPDX-License-Identifier: MIT */
/*
 * Signature: parse the text, check a request against it, describe it.
 *
 *   "limit?:int(1..1000)=50" --parse--> SigParam --check--> value, default, or a complaint
 *                                           '-----schema--> {"type":"integer","minimum":1,...}
 */
#include "inspect/signature.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/nearest.h"

enum { HEX_DIGITS = 16, HEX_BASE = 16, DEC_BASE = 10 };

/* --- parsing the signature ------------------------------------------------------------------- */

static bool take(const char **p, const char *word) {
    size_t len = strlen(word);
    if (strncmp(*p, word, len) != 0) {
        return false;
    }
    *p += len;
    return true;
}

static bool take_int(const char **p, int64_t *value) {
    char *end;
    errno = 0;
    *value = strtoll(*p, &end, DEC_BASE);
    bool ok = end != *p && errno == 0;
    *p = end;
    return ok;
}

/* "(max)"; false if there is none. */
static bool take_max(const char **p, size_t *max) {
    int64_t value;
    if (!take(p, "(") || !take_int(p, &value) || value < 1 || !take(p, ")")) {
        return false;
    }
    *max = (size_t)value;
    return true;
}

static bool parse_type(const char **p, SigType *type);

static bool parse_int_type(const char **p, SigType *type) {
    type->kind = SIG_INT;
    type->lo = INT64_MIN;
    type->hi = INT64_MAX;
    if (!take(p, "(")) {
        return true;
    }
    return take_int(p, &type->lo) && take(p, "..") && take_int(p, &type->hi) &&
           type->lo <= type->hi && take(p, ")");
}

static bool parse_enum_type(const char **p, SigType *type) {
    const char *end = strchr(*p, ')');
    if (!end || end == *p) {
        return false;
    }
    type->kind = SIG_ENUM;
    type->choices = *p;
    type->choices_len = (size_t)(end - *p);
    *p = end + 1;
    return true;
}

static bool parse_list_type(const char **p, SigType *type) {
    int64_t max;
    SigType element = {0};
    if (!parse_type(p, &element) || element.kind == SIG_LIST ||
        element.kind == SIG_OBJECT || !take(p, ",") || !take_int(p, &max) || max < 1 ||
        !take(p, ")")) {
        return false;
    }
    *type = element;
    type->element = element.kind;
    type->element_max = element.max;
    type->kind = SIG_LIST;
    type->max = (size_t)max;
    return true;
}

static bool parse_type(const char **p, SigType *type) {
    if (take(p, "hex")) {
        return type->kind = SIG_HEX, true;
    }
    if (take(p, "bool")) {
        return type->kind = SIG_BOOL, true;
    }
    if (take(p, "object")) {
        return type->kind = SIG_OBJECT, true;
    }
    if (take(p, "string")) {
        return type->kind = SIG_STRING, take_max(p, &type->max);
    }
    if (take(p, "int")) {
        return parse_int_type(p, type);
    }
    if (take(p, "enum(")) {
        return parse_enum_type(p, type);
    }
    return take(p, "list(") && parse_list_type(p, type);
}

static bool parse_param(const char **p, SigParam *param) {
    size_t len = 0;
    *param = (SigParam){0};
    while ((islower((unsigned char)(*p)[len]) || isdigit((unsigned char)(*p)[len]) ||
            (*p)[len] == '_') &&
           len + 1 < sizeof(param->name)) {
        param->name[len] = (*p)[len];
        len++;
    }
    *p += len;
    param->optional = take(p, "?");
    if (len == 0 || !take(p, ":") || !parse_type(p, &param->type)) {
        return false;
    }
    if (take(p, "=")) {
        len = strcspn(*p, " ");
        if (!param->optional || len == 0 || len >= sizeof(param->dflt)) {
            return false;
        }
        memcpy(param->dflt, *p, len);
        *p += len;
    }
    return true;
}

bool signature_parse(Signature *sig, const char *text) {
    sig->count = 0;
    for (const char *p = text; *p;) {
        if (sig->count == SIGNATURE_MAX_PARAMS ||
            !parse_param(&p, &sig->param[sig->count++])) {
            return false;
        }
        if (*p != '\0' && !(take(&p, " ") && *p != '\0')) {
            return false;
        }
    }
    return true;
}

/* --- words ----------------------------------------------------------------------------------- */

void signature_describe(const SigType *type, char *text, size_t size) {
    char element[128];
    SigType inner = *type;
    switch (type->kind) {
    case SIG_HEX:
        snprintf(text, size, "a hexadecimal string of at most %d digits", HEX_DIGITS);
        return;
    case SIG_INT:
        if (type->lo == INT64_MIN && type->hi == INT64_MAX) {
            snprintf(text, size, "a whole number");
        } else {
            snprintf(text, size, "a whole number from %" PRId64 " to %" PRId64, type->lo,
                     type->hi);
        }
        return;
    case SIG_STRING:
        snprintf(text, size, "a string of at most %zu bytes", type->max);
        return;
    case SIG_BOOL:
        snprintf(text, size, "true or false");
        return;
    case SIG_ENUM:
        snprintf(text, size, "one of %.*s", (int)type->choices_len, type->choices);
        return;
    case SIG_LIST:
        inner.kind = type->element;
        inner.max = type->element_max;
        signature_describe(&inner, element, sizeof(element));
        snprintf(text, size, "an array of at most %zu, each %s", type->max, element);
        return;
    case SIG_OBJECT:
        snprintf(text, size, "an object");
        return;
    }
}

void signature_example(const SigType *type, char *text, size_t size) {
    char element[64];
    SigType inner = *type;
    switch (type->kind) {
    case SIG_HEX:
        snprintf(text, size, "\"0x80000000\"");
        return;
    case SIG_INT:
        snprintf(text, size, "%" PRId64, type->lo == INT64_MIN ? 1 : type->lo);
        return;
    case SIG_STRING:
        snprintf(text, size, "\"text\"");
        return;
    case SIG_BOOL:
        snprintf(text, size, "true");
        return;
    case SIG_ENUM:
        snprintf(text, size, "\"%.*s\"", (int)strcspn(type->choices, "|)"),
                 type->choices);
        return;
    case SIG_LIST:
        inner.kind = type->element;
        signature_example(&inner, element, sizeof(element));
        snprintf(text, size, "[%s]", element);
        return;
    case SIG_OBJECT:
        snprintf(text, size, "{}");
        return;
    }
}

/* --- checking a request ---------------------------------------------------------------------- */

bool signature_parse_hex(const char *text, uint64_t *value) {
    if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X')) {
        return false;
    }
    size_t len = strlen(text + 2);
    if (len == 0 || len > HEX_DIGITS ||
        strspn(text + 2, "0123456789abcdefABCDEF") != len) {
        return false;
    }
    *value = strtoull(text + 2, NULL, HEX_BASE);
    return true;
}

static bool is_choice(const SigType *type, const char *value) {
    size_t len = strlen(value);
    const char *end = type->choices + type->choices_len;
    for (const char *p = type->choices; p < end;) {
        size_t n = strcspn(p, "|)");
        if (n == len && memcmp(p, value, len) == 0) {
            return true;
        }
        p += n + 1;
    }
    return false;
}

static bool fits(const SigType *type, const json_t *value) {
    uint64_t number;
    SigType inner = *type;
    switch (type->kind) {
    case SIG_HEX:
        return json_is_string(value) &&
               signature_parse_hex(json_string_value(value), &number);
    case SIG_INT:
        return json_is_integer(value) && json_integer_value(value) >= type->lo &&
               json_integer_value(value) <= type->hi;
    case SIG_STRING:
        return json_is_string(value) && json_string_length(value) <= type->max;
    case SIG_BOOL:
        return json_is_boolean(value);
    case SIG_ENUM:
        return json_is_string(value) && is_choice(type, json_string_value(value));
    case SIG_OBJECT:
        return json_is_object(value);
    case SIG_LIST:
        break;
    }
    if (!json_is_array(value) || json_array_size(value) > type->max) {
        return false;
    }
    inner.kind = type->element;
    inner.max = type->element_max;
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!fits(&inner, json_array_get(value, i))) {
            return false;
        }
    }
    return true;
}

/* A number as far as the text is one; else a string, which does not fit and is complained about. */
static json_t *integer_of_text(const char *text) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, DEC_BASE);
    return end == text || *end != '\0' || errno ? json_string(text) : json_integer(value);
}

static json_t *bool_of_text(const char *text) {
    bool is_true = strcmp(text, "true") == 0;
    return is_true || strcmp(text, "false") == 0 ? json_boolean(is_true)
                                                 : json_string(text);
}

/* "a,b,c"; "" is the empty list. */
static json_t *list_of_text(const SigType *type, const char *text) {
    json_t *list = json_array();
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, ",");
        char *one = strndup(p, len);
        const SigType element = {.kind = type->element};
        json_array_append_new(list, signature_value_of_text(&element, one));
        free(one);
        p += len + (p[len] == ',');
    }
    return list;
}

json_t *signature_value_of_text(const SigType *type, const char *text) {
    json_t *object;
    switch (type->kind) {
    case SIG_INT:
        return integer_of_text(text);
    case SIG_BOOL:
        return bool_of_text(text);
    case SIG_LIST:
        return list_of_text(type, text);
    case SIG_OBJECT:
        object = text[0] ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : json_object();
        return object ? object : json_string(text);
    case SIG_HEX:
    case SIG_STRING:
    case SIG_ENUM:
        break;
    }
    return json_string(text);
}

static void complain_type(const SigParam *param, const json_t *value,
                          SigComplaint *complaint) {
    char wanted[160], example[96];
    char *given = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    signature_describe(&param->type, wanted, sizeof(wanted));
    signature_example(&param->type, example, sizeof(example));
    snprintf(complaint->what, sizeof(complaint->what), "parameter '%s' is %.60s, not %s",
             param->name, given ? given : "?", wanted);
    snprintf(complaint->advice, sizeof(complaint->advice), "write it as \"%s\": %s",
             param->name, example);
    free(given);
}

static void complain_unknown(const Signature *sig, const char *name,
                             SigComplaint *complaint) {
    Nearest nearest;
    nearest_init(&nearest, name);
    size_t used = 0;
    char names[200] = "";
    for (unsigned i = 0; i < sig->count; i++) {
        nearest_offer(&nearest, sig->param[i].name);
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
                                 i ? ", " : "", sig->param[i].name);
        used = used < sizeof(names) ? used : sizeof(names) - 1;
    }
    snprintf(complaint->what, sizeof(complaint->what), "there is no parameter '%.60s'",
             name);
    if (nearest.name) {
        snprintf(complaint->advice, sizeof(complaint->advice), "did you mean '%s'?",
                 nearest.name);
    } else if (sig->count) {
        snprintf(complaint->advice, sizeof(complaint->advice), "it takes %s", names);
    } else {
        snprintf(complaint->advice, sizeof(complaint->advice), "it takes no parameters");
    }
}

static const SigParam *find_param(const Signature *sig, const char *name) {
    for (unsigned i = 0; i < sig->count; i++) {
        if (strcmp(sig->param[i].name, name) == 0) {
            return &sig->param[i];
        }
    }
    return NULL;
}

static bool check_given(const Signature *sig, json_t *given, SigComplaint *complaint) {
    const char *name;
    json_t *value;
    json_object_foreach(given, name, value) {
        const SigParam *param = find_param(sig, name);
        if (!param) {
            complain_unknown(sig, name, complaint);
            return false;
        }
        if (!fits(&param->type, value)) {
            complain_type(param, value, complaint);
            return false;
        }
    }
    return true;
}

/* Parameters by position as parameters by name; NULL: too many. */
static json_t *by_name(const Signature *sig, const json_t *array,
                       SigComplaint *complaint) {
    size_t n = json_array_size(array);
    if (n > sig->count) {
        snprintf(complaint->what, sizeof(complaint->what),
                 "%zu parameters were given by position, and there are %u", n,
                 sig->count);
        snprintf(complaint->advice, sizeof(complaint->advice),
                 "give them by name, as an object");
        return NULL;
    }
    json_t *object = json_object();
    for (size_t i = 0; i < n; i++) {
        json_object_set(object, sig->param[i].name, json_array_get(array, i));
    }
    return object;
}

static bool add_missing(const Signature *sig, json_t *given, SigComplaint *complaint) {
    for (unsigned i = 0; i < sig->count; i++) {
        const SigParam *param = &sig->param[i];
        if (json_object_get(given, param->name)) {
            continue;
        }
        if (param->dflt[0]) {
            json_object_set_new(given, param->name,
                                signature_value_of_text(&param->type, param->dflt));
        } else if (!param->optional) {
            char wanted[160], example[96];
            signature_describe(&param->type, wanted, sizeof(wanted));
            signature_example(&param->type, example, sizeof(example));
            snprintf(complaint->what, sizeof(complaint->what),
                     "parameter '%s' is missing: %s", param->name, wanted);
            snprintf(complaint->advice, sizeof(complaint->advice), "add \"%s\": %s",
                     param->name, example);
            return false;
        }
    }
    return true;
}

json_t *signature_check(const Signature *sig, const json_t *params,
                        SigComplaint *complaint) {
    json_t *given = NULL;
    if (!params) {
        given = json_object();
    } else if (json_is_array(params)) {
        given = by_name(sig, params, complaint);
    } else if (json_is_object(params)) {
        given = json_copy((json_t *)params);
    } else {
        snprintf(complaint->what, sizeof(complaint->what),
                 "params is neither an object nor an array");
        snprintf(complaint->advice, sizeof(complaint->advice),
                 "give parameters by name, as an object");
    }
    if (given && check_given(sig, given, complaint) &&
        add_missing(sig, given, complaint)) {
        return given;
    }
    json_decref(given);
    return NULL;
}

/* --- JSON Schema ----------------------------------------------------------------------------- */

static json_t *choices_array(const SigType *type) {
    json_t *list = json_array();
    const char *end = type->choices + type->choices_len;
    for (const char *p = type->choices; p < end;) {
        size_t n = strcspn(p, "|)");
        json_array_append_new(list, json_stringn(p, n));
        p += n + 1;
    }
    return list;
}

static json_t *type_schema(const SigType *type) {
    SigType inner = *type;
    switch (type->kind) {
    case SIG_HEX:
        return json_pack("{s:s, s:s}", "type", "string", "pattern",
                         "^0[xX][0-9a-fA-F]{1,16}$");
    case SIG_INT:
        return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
                         (json_int_t)type->lo, "maximum", (json_int_t)type->hi);
    case SIG_STRING:
        return json_pack("{s:s, s:I}", "type", "string", "maxLength",
                         (json_int_t)type->max);
    case SIG_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case SIG_ENUM:
        return json_pack("{s:s, s:o}", "type", "string", "enum", choices_array(type));
    case SIG_OBJECT:
        return json_pack("{s:s}", "type", "object");
    case SIG_LIST:
        break;
    }
    inner.kind = type->element;
    inner.max = type->element_max;
    return json_pack("{s:s, s:o, s:I}", "type", "array", "items", type_schema(&inner),
                     "maxItems", (json_int_t)type->max);
}

json_t *signature_schema(const Signature *sig) {
    json_t *properties = json_object(), *required = json_array();
    for (unsigned i = 0; i < sig->count; i++) {
        const SigParam *param = &sig->param[i];
        json_t *schema = type_schema(&param->type);
        if (param->dflt[0]) {
            json_object_set_new(schema, "default",
                                signature_value_of_text(&param->type, param->dflt));
        }
        json_object_set_new(properties, param->name, schema);
        if (!param->optional) {
            json_array_append_new(required, json_string(param->name));
        }
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties,
                     "required", required, "additionalProperties", 0);
}
