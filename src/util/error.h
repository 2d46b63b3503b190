/* SPDX-License-Identifier: MIT */
/*
 * Error: what went wrong on the host side (an option, a file, an ioctl), in words for the
 * user.
 *
 * A function that can fail takes `Error **errp` last and returns false or NULL; only
 * main.c prints and exits. A message says what, where and what to try: "cannot open
 * 'x.img': No such file or directory; check the path after -drive file=".
 *
 * Invariants: *errp is NULL before a call; it is set exactly when the call fails. errp
 * itself may be NULL when the caller does not care.
 */
#ifndef VITRINE_UTIL_ERROR_H
#define VITRINE_UTIL_ERROR_H

#include <stdarg.h>

typedef struct Error Error;

/* Sets *errp to the formatted message. Does nothing if errp is NULL. */
void error_set(Error **errp, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Like error_set, and appends ": " and strerror(errnum). */
void error_set_errno(Error **errp, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts text in front of / behind the message, to add the where and the what-to-try. */
void error_prepend(Error **errp, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void error_append(Error **errp, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Hands a local error on to the caller's errp (or frees it). Owns: takes `local`. */
void error_propagate(Error **errp, Error *local);

const char *error_message(const Error *err);
void error_free(Error *err);

#endif
