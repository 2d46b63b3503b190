/* SPDX-License-Identifier: MIT */
/* QmpStream: see qmp_stream.h. jansson parses; here is found where a value ends. */
#include "monitor/qmp_stream.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPACE_END = 0x20, RESET_FIRST = 0xfe, MESSAGE_SIZE = 256, FIRST_CAP = 256 };

void qmp_stream_init(QmpStream *qs,
                     void (*deliver)(void *opaque, json_t *value, const char *error),
                     void *opaque) {
    *qs = (QmpStream){.deliver = deliver, .opaque = opaque};
}

void qmp_stream_destroy(QmpStream *qs) {
    free(qs->text);
    qs->text = NULL;
}

void qmp_stream_reset(QmpStream *qs) {
    qs->len = 0;
    qs->depth = 0;
    qs->quote = '\0';
    qs->escape = qs->recovering = false;
    qs->too_much = NULL;
}

/* --- errors ------------------------------------------------------------------------------------ */

static void fail(QmpStream *qs, const char *what) {
    qmp_stream_reset(qs);
    qs->deliver(qs->opaque, NULL, what);
}

static void fail_stray(QmpStream *qs, uint8_t c) {
    char message[MESSAGE_SIZE];
    const char *form =
        isprint(c) ? "JSON parse error, stray '%c'" : "JSON parse error, stray '\\x%02x'";
    snprintf(message, sizeof(message), form, c);
    fail(qs, message);
    qs->recovering = true;
}

/* The word in quotes at the end of jansson's "... near 'tru'"; false: there is no such. */
static bool find_word(const char *text, char *word, size_t size) {
    const char *near = strstr(text, "near '");
    size_t len = 0;
    if (!near) {
        return false;
    }
    for (near += strlen("near '"); isalnum((unsigned char)*near) && len < size - 1;
         near++) {
        word[len++] = *near;
    }
    word[len] = '\0';
    return *near == '\'' && len > 0 && isalpha((unsigned char)word[0]);
}

/* jansson's verdict in QEMU's words. */
static void explain(const json_error_t *error, char *message, size_t size) {
    char word[64];
    if (strstr(error->text, "invalid token") &&
        find_word(error->text, word, sizeof(word))) {
        snprintf(message, size, "JSON parse error, invalid keyword '%s'", word);
    } else if (strstr(error->text, "unexpected token") ||
               strstr(error->text, "expected near")) {
        snprintf(message, size, "JSON parse error, expecting value");
    } else if (strstr(error->text, "duplicate")) {
        snprintf(message, size, "JSON parse error, duplicate key");
    } else {
        snprintf(message, size, "JSON parse error, %s", error->text);
    }
    for (char *p = message; *p; p++) { /* it may quote bytes that are no UTF-8 */
        if (!isprint((unsigned char)*p)) {
            *p = '?';
        }
    }
}

/* --- values ------------------------------------------------------------------------------------ */

static void finish(QmpStream *qs) {
    json_error_t error;
    char message[MESSAGE_SIZE];
    if (qs->too_much) {
        fail(qs, qs->too_much);
        return;
    }
    json_t *value =
        json_loadb(qs->text, qs->len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (!value) {
        explain(&error, message, sizeof(message));
        fail(qs, message);
        return;
    }
    qmp_stream_reset(qs);
    qs->deliver(qs->opaque, value, NULL);
}

static void append(QmpStream *qs, char c) {
    if (qs->too_much) {
        return;
    }
    if (qs->len == QMP_MAX_MESSAGE) {
        qs->too_much = "JSON token size limit exceeded (1 MiB a message)";
        return;
    }
    if (qs->len == qs->cap) {
        qs->cap = qs->cap ? 2 * qs->cap : FIRST_CAP;
        qs->text = realloc(qs->text, qs->cap);
        assert(qs->text);
    }
    qs->text[qs->len++] = c;
}

/* In a string; one in single quotes is kept as one in double quotes. */
static void push_in_string(QmpStream *qs, uint8_t c) {
    if (c < SPACE_END) {
        fail_stray(qs, c);
    } else if (qs->escape) {
        qs->escape = false;
        if (c != '\'') {
            append(qs, '\\');
        }
        append(qs, (char)c);
    } else if (c == '\\') {
        qs->escape = true;
    } else if (c == (uint8_t)qs->quote) {
        qs->quote = '\0';
        append(qs, '"');
        if (qs->depth == 0) {
            finish(qs);
        }
    } else {
        if (c == '"') {
            append(qs, '\\');
        }
        append(qs, (char)c);
    }
}

static bool is_structural(uint8_t c) {
    return c && strchr("{}[],:", c);
}

static bool is_word(uint8_t c) {
    return isalnum(c) || c == '-' || c == '+' || c == '.' || c == '_';
}

static void push_open(QmpStream *qs, uint8_t c) {
    if (++qs->depth > QMP_MAX_DEPTH) {
        qs->too_much = "JSON nesting depth limit exceeded (1024)";
    }
    append(qs, (char)c);
}

static void push_close(QmpStream *qs, uint8_t c) {
    if (qs->depth == 0) {
        fail(qs, "JSON parse error, expecting value");
        return;
    }
    append(qs, (char)c);
    if (--qs->depth == 0) {
        finish(qs);
    }
}

static void push_outside(QmpStream *qs, uint8_t c) {
    if (c == '{' || c == '[') {
        push_open(qs, c);
    } else if (c == '}' || c == ']') {
        push_close(qs, c);
    } else if (c == '"' || c == '\'') {
        qs->quote = (char)c;
        append(qs, '"');
    } else if (isspace(c)) {
        if (qs->depth) {
            append(qs, ' ');
        }
    } else if (is_word(c) || (is_structural(c) && qs->depth)) {
        append(qs, (char)c);
    } else if (is_structural(c)) {
        fail(qs, "JSON parse error, expecting value");
    } else {
        fail_stray(qs, c);
    }
}

static void push_byte(QmpStream *qs, uint8_t c) {
    if (c >= RESET_FIRST) {
        fail_stray(qs, c);
        qs->recovering = false;
        return;
    }
    if (qs->recovering) {
        bool again = is_structural(c) || (c < SPACE_END && c != '\t');
        qs->recovering = !again;
        if (!again || c < SPACE_END) {
            return;
        }
    }
    if (qs->quote) {
        push_in_string(qs, c);
        return;
    }
    /* A number or a word outside any object ends where something else begins. */
    if (qs->depth == 0 && (qs->len || qs->too_much) && !is_word(c)) {
        finish(qs);
    }
    push_outside(qs, c);
}

void qmp_stream_push(QmpStream *qs, const void *bytes, size_t len) {
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++) {
        push_byte(qs, p[i]);
    }
}
