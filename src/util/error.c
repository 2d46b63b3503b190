/* SPDX-License-Identifier: MIT */
/*
 * Error: one heap block that holds the message.
 *
 * Invariants: an Error is never changed once made; prepend and append make a new one.
 */
#include "util/error.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct Error {
    const char *message;
    char text[]; /* where `message` points, except in error_no_memory */
};

/* What is reported when the host cannot even hold the message. */
static const Error error_no_memory = {.message = "out of memory"};

/* Makes an error of `before`, the formatted text and `after`. */
static __attribute__((format(printf, 2, 0))) Error *
error_make(const char *before, const char *fmt, va_list ap, const char *after) {
    va_list measure;
    va_copy(measure, ap);
    int formatted = vsnprintf(NULL, 0, fmt, measure);
    va_end(measure);
    assert(formatted >= 0);

    size_t before_len = strlen(before), after_len = strlen(after);
    size_t total = before_len + (size_t)formatted + after_len + 1;
    Error *err = malloc(sizeof(*err) + total);
    if (err == NULL) {
        return (Error *)&error_no_memory;
    }
    char *p = err->text;
    memcpy(p, before, before_len);
    vsnprintf(p + before_len, (size_t)formatted + 1, fmt, ap);
    memcpy(p + before_len + formatted, after, after_len + 1);
    err->message = err->text;
    return err;
}

void error_set(Error **errp, const char *fmt, ...) {
    if (errp == NULL) {
        return;
    }
    assert(*errp == NULL);
    va_list ap;
    va_start(ap, fmt);
    *errp = error_make("", fmt, ap, "");
    va_end(ap);
}

void error_set_errno(Error **errp, int errnum, const char *fmt, ...) {
    if (errp == NULL) {
        return;
    }
    assert(*errp == NULL);
    char reason[256];
    snprintf(reason, sizeof(reason), ": %s", strerror(errnum));
    va_list ap;
    va_start(ap, fmt);
    *errp = error_make("", fmt, ap, reason);
    va_end(ap);
}

static __attribute__((format(printf, 3, 0))) void error_add(Error **errp, bool in_front,
                                                            const char *fmt, va_list ap) {
    if (errp != NULL && *errp != NULL) {
        Error *old = *errp;
        *errp = in_front ? error_make("", fmt, ap, old->message)
                         : error_make(old->message, fmt, ap, "");
        error_free(old);
    }
}

void error_prepend(Error **errp, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    error_add(errp, true, fmt, ap);
    va_end(ap);
}

void error_append(Error **errp, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    error_add(errp, false, fmt, ap);
    va_end(ap);
}

void error_propagate(Error **errp, Error *local) {
    if (errp == NULL) {
        error_free(local);
        return;
    }
    if (local != NULL) {
        assert(*errp == NULL);
        *errp = local;
    }
}

const char *error_message(const Error *err) {
    return err->message;
}

void error_free(Error *err) {
    if (err != &error_no_memory) {
        free(err);
    }
}
