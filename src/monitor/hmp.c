/* SPDX-License-Identifier: MIT */
/* HMP: from a line to a handler; see hmp.h. Messages read as QEMU's. */
#include "monitor/hmp.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/expr.h"
#include "monitor/hmp_call.h"
#include "util/nearest.h"

#define HMP(name, alias, args, params, handler, help)                                    \
    {name, alias, args, params, handler, help},
#define INFO(name, args, params, handler, help)
static const HmpCommand commands[] = {
#include "monitor/hmp.def"
};
#undef HMP
#undef INFO

#define HMP(name, alias, args, params, handler, help)
#define INFO(name, args, params, handler, help) {name, "", args, params, handler, help},
static const HmpCommand info_commands[] = {
#include "monitor/hmp.def"
};
#undef HMP
#undef INFO

enum {
    COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]),
    INFO_COUNT = sizeof(info_commands) / sizeof(info_commands[0]),
    MAX_NAME = 64,
};

const HmpCommand *hmp_command(unsigned index) {
    return index < COMMAND_COUNT ? &commands[index] : NULL;
}

const HmpCommand *hmp_info_command(unsigned index) {
    return index < INFO_COUNT ? &info_commands[index] : NULL;
}

void hmp_init(Hmp *hmp, Machine *m, Inspector *inspector, struct GdbPort *gdb) {
    *hmp = (Hmp){.m = m, .inspector = inspector, .gdb = gdb, .format = 'x', .size = 4};
}

/* --- values ---------------------------------------------------------------------------- */

static const HmpValue *find_value(const HmpCall *call, const char *name) {
    for (unsigned i = 0; i < call->value_count; i++) {
        if (!strcmp(call->values[i].name, name)) {
            return &call->values[i];
        }
    }
    return NULL;
}

bool hmp_has(const HmpCall *call, const char *name) {
    return find_value(call, name) != NULL;
}

int64_t hmp_number(const HmpCall *call, const char *name) {
    const HmpValue *v = find_value(call, name);
    return v ? v->number : 0;
}

const char *hmp_string(const HmpCall *call, const char *name) {
    const HmpValue *v = find_value(call, name);
    return v ? v->text : NULL;
}

CPUState *hmp_cpu(const HmpCall *call) {
    return call->m->cpus->cpu[call->hmp->cpu];
}

void hmp_error(HmpCall *call, Error *err) {
    fprintf(call->out, "Error: %s\n", err ? error_message(err) : "it failed");
    error_free(err);
}

void hmp_hold(HmpCall *call) {
    machine_pause(call->m);
    machine_lock(call->m);
}

void hmp_release(HmpCall *call) {
    machine_unlock(call->m);
    machine_unpause(call->m);
}

/* --- names ----------------------------------------------------------------------------- */

static const HmpCommand *find_row(const HmpCommand *rows, unsigned count,
                                  const char *name) {
    for (unsigned i = 0; i < count; i++) {
        if (!strcmp(rows[i].name, name) ||
            (rows[i].alias[0] && !strcmp(rows[i].alias, name))) {
            return &rows[i];
        }
    }
    return NULL;
}

static void say_unknown(FILE *out, const char *prefix, const char *name,
                        const HmpCommand *rows, unsigned count) {
    Nearest nearest;
    nearest_init(&nearest, name);
    for (unsigned i = 0; i < count; i++) {
        nearest_offer(&nearest, rows[i].name);
    }
    fprintf(out, "unknown command: '%s%s'", prefix, name);
    if (nearest.name) {
        fprintf(out, "; did you mean '%s%s'?", prefix, nearest.name);
    }
    fputc('\n', out);
}

/* Reads a command's name from the line on; it ends at white space or a slash. */
static const char *read_name(const char *p, char *name, size_t size) {
    size_t len = 0;
    while (isspace((unsigned char)*p)) {
        p++;
    }
    while (*p && *p != '/' && !isspace((unsigned char)*p)) {
        if (len < size - 1) {
            name[len++] = *p;
        }
        p++;
    }
    name[len] = '\0';
    return p;
}

/* --- arguments ------------------------------------------------------------------------- */

/* One "name:type?" of a row's args. */
typedef struct ArgSpec {
    char name[HMP_MAX_ARGS * 2];
    char type, flag;
    bool optional;
} ArgSpec;

/* Takes the first spec off the text; false at its end. */
static bool next_spec(const char **args, ArgSpec *spec) {
    const char *p = *args;
    if (!*p) {
        return false;
    }
    size_t len = strcspn(p, ":");
    assert(len < sizeof(spec->name));
    memcpy(spec->name, p, len);
    spec->name[len] = '\0';
    p += len + 1;
    spec->type = *p++;
    spec->flag = spec->type == '-' ? *p++ : '\0';
    spec->optional = spec->type == '-' || spec->type == '/' || *p == '?';
    p += *p == '?';
    p += *p == ',';
    *args = p;
    return true;
}

static HmpValue *add_value(HmpCall *call, const ArgSpec *spec) {
    assert(call->value_count < HMP_MAX_ARGS);
    HmpValue *v = &call->values[call->value_count++];
    *v = (HmpValue){.number = 1};
    memcpy(v->name, spec->name, sizeof(v->name));
    return v;
}

/* A word, or a text in double quotes with \" \\ \n in it. NULL: there is none, or no end. */
static char *read_word(const char **text) {
    const char *p = *text;
    char *word = malloc(strlen(p) + 1), *w = word;
    assert(word);
    bool quoted = *p == '"';
    for (p += quoted; *p && (quoted ? *p != '"' : !isspace((unsigned char)*p)); p++) {
        if (quoted && *p == '\\' && p[1]) {
            p++;
            *w++ = *p == 'n' ? '\n' : *p;
        } else {
            *w++ = *p;
        }
    }
    *w = '\0';
    if (quoted ? *p != '"' : w == word) {
        free(word);
        return NULL;
    }
    *text = p + quoted;
    return word;
}

static bool fail_arg(HmpCall *call, const char *what) {
    fprintf(call->out, "%s: %s\n", call->command, what);
    return false;
}

static bool parse_format_letters(HmpCall *call, const char **text) {
    HmpFormat *f = &call->format;
    const char *p = *text;
    for (; *p && !isspace((unsigned char)*p); p++) {
        static const char sizes[] = "bhwg", formats[] = "oduxic";
        const char *size = strchr(sizes, *p);
        if (size) {
            f->size = 1u << (size - sizes);
        } else if (strchr(formats, *p)) {
            f->format = *p;
        } else {
            fprintf(call->out, "invalid char in format: '%c'\n", *p);
            return false;
        }
    }
    *text = p;
    return true;
}

static bool parse_format(HmpCall *call, const char **text) {
    HmpFormat *f = &call->format;
    *f = (HmpFormat){1, call->hmp->format, call->hmp->size};
    if (**text != '/') {
        return true;
    }
    const char *p = *text + 1;
    if (isdigit((unsigned char)*p)) {
        char *end;
        f->count = strtoull(p, &end, 10);
        p = end;
    }
    if (!parse_format_letters(call, &p)) {
        return false;
    }
    call->hmp->size = f->size;
    call->hmp->format = f->format;
    *text = p;
    return true;
}

static bool parse_number(HmpCall *call, const ArgSpec *spec, const char **text) {
    Error *err = NULL;
    int64_t number;
    if (!expr_parse(text, hmp_expr_register, call, &number, &err)) {
        fprintf(call->out, "%s\n", error_message(err));
        error_free(err);
        return false;
    }
    if (spec->type == 'i' && (number < INT_MIN || number > UINT_MAX)) {
        return fail_arg(call, "integer is for 32-bit values");
    }
    add_value(call, spec)->number = number;
    return true;
}

static bool parse_switch(HmpCall *call, const ArgSpec *spec, const char **text) {
    char *word = read_word(text);
    bool on = word && !strcmp(word, "on"), off = word && !strcmp(word, "off");
    free(word);
    if (!on && !off) {
        return fail_arg(call, "Expected 'on' or 'off'");
    }
    add_value(call, spec)->number = on;
    return true;
}

static bool parse_text(HmpCall *call, const ArgSpec *spec, const char **text) {
    char *word;
    if (spec->type == 'S') {
        word = strdup(*text);
        assert(word);
        *text += strlen(*text);
    } else {
        word = read_word(text);
    }
    if (!word) {
        return fail_arg(call, strcmp(spec->name, "filename") ? "string expected"
                                                             : "filename expected");
    }
    add_value(call, spec)->text = word;
    return true;
}

/* "-a", alone or several as "-fo": takes the letter if it is there. */
static bool parse_flag(HmpCall *call, const ArgSpec *spec, const char **text) {
    const char *p = *text;
    if (p[0] != '-' || p[1] != spec->flag) {
        return true;
    }
    if (p[2] && !isspace((unsigned char)p[2])) {
        fprintf(call->out, "%s: unsupported option %.*s\n", call->command,
                (int)strcspn(p, " \t"), p);
        return false;
    }
    add_value(call, spec);
    *text = p + 2;
    return true;
}

static bool parse_arg(HmpCall *call, const ArgSpec *spec, const char **text) {
    if (spec->type == '/') {
        return parse_format(call, text);
    }
    while (isspace((unsigned char)**text)) {
        (*text)++;
    }
    if (spec->type == '-') {
        return parse_flag(call, spec, text);
    }
    if (spec->optional && !**text) {
        return true;
    }
    switch (spec->type) {
    case 'i':
    case 'l':
        return parse_number(call, spec, text);
    case 'b':
        return parse_switch(call, spec, text);
    default:
        return parse_text(call, spec, text);
    }
}

static bool parse_args(HmpCall *call, const HmpCommand *row, const char *text) {
    ArgSpec spec;
    for (const char *args = row->args; next_spec(&args, &spec);) {
        if (!parse_arg(call, &spec, &text)) {
            return false;
        }
    }
    while (isspace((unsigned char)*text)) {
        text++;
    }
    if (*text) {
        return fail_arg(call, "extraneous characters at the end of line");
    }
    return true;
}

/* --- a line ------------------------------------------------------------------------------ */

static void run_row(HmpCall *call, const HmpCommand *row, const char *text) {
    if (parse_args(call, row, text)) {
        row->handler(call);
    } else {
        fprintf(call->out, "Try \"help %s\" for more information\n", call->command);
    }
    for (unsigned i = 0; i < call->value_count; i++) {
        free(call->values[i].text);
    }
}

static void run_line(Hmp *hmp, const char *line, FILE *out) {
    char name[MAX_NAME], item[MAX_NAME] = "", full[2 * MAX_NAME];
    const char *rest = read_name(line, name, sizeof(name));
    if (!name[0]) {
        return;
    }
    const HmpCommand *row = find_row(commands, COMMAND_COUNT, name);
    if (!row) {
        say_unknown(out, "", name, commands, COMMAND_COUNT);
        return;
    }
    snprintf(full, sizeof(full), "%s", name);
    if (row->handler == hmp_info_help) {
        rest = read_name(rest, item, sizeof(item));
        snprintf(full, sizeof(full), "%s %s", name, item);
    }
    if (item[0]) {
        row = find_row(info_commands, INFO_COUNT, item);
    }
    if (!row) {
        say_unknown(out, "info ", item, info_commands, INFO_COUNT);
        return;
    }
    HmpCall call = {.hmp = hmp, .m = hmp->m, .out = out, .command = full};
    run_row(&call, row, rest);
}

char *hmp_execute(Hmp *hmp, const char *line) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert(out);
    if (strlen(line) > HMP_MAX_LINE) {
        fprintf(out, "the line is longer than %d characters\n", HMP_MAX_LINE);
    } else {
        run_line(hmp, line, out);
    }
    fclose(out);
    return text;
}

/* --- help -------------------------------------------------------------------------------- */

static void show_row(FILE *out, const char *prefix, const HmpCommand *row) {
    fprintf(out, "%s%s%s%s %s -- %s\n", prefix, row->name, row->alias[0] ? "|" : "",
            row->alias, row->params, row->help);
}

static void show_rows(FILE *out, const char *prefix, const HmpCommand *rows,
                      unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        show_row(out, prefix, &rows[i]);
    }
}

void hmp_info_help(HmpCall *call) {
    show_rows(call->out, "info ", info_commands, INFO_COUNT);
}

static void help_for(HmpCall *call, const char *name, const char *item) {
    const HmpCommand *row = find_row(commands, COMMAND_COUNT, name);
    bool info = row && row->handler == hmp_info_help;
    if (!row) {
        say_unknown(call->out, "", name, commands, COMMAND_COUNT);
    } else if (!info || !item[0]) {
        info ? hmp_info_help(call) : show_row(call->out, "", row);
    } else if ((row = find_row(info_commands, INFO_COUNT, item)) != NULL) {
        show_row(call->out, "info ", row);
    } else {
        say_unknown(call->out, "info ", item, info_commands, INFO_COUNT);
    }
}

void hmp_help(HmpCall *call) {
    char name[MAX_NAME], item[MAX_NAME];
    const char *text = hmp_string(call, "name");
    if (!text) {
        show_rows(call->out, "", commands, COMMAND_COUNT);
        return;
    }
    read_name(read_name(text, name, sizeof(name)), item, sizeof(item));
    help_for(call, name, item);
}
