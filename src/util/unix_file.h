/* SPDX-License-Identifier: MIT */
/*
 * UnixFile: the file of a unix socket that we listen on.
 *
 *   unix_file_clear() --> bind() --> unix_file_keep() ... unix_file_remove()
 *
 * A process that was killed leaves its file: nobody answers there, and the next one takes it over. A file
 * that is no socket, or on which somebody listens, stays.
 */
#ifndef VITRINE_UTIL_UNIX_FILE_H
#define VITRINE_UTIL_UNIX_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/error.h"

typedef struct UnixFile {
    char *path; /* NULL: there is none */
    dev_t dev;
    ino_t ino;
} UnixFile;

/* Makes room for a socket at `path`. Errors: its name is too long; somebody listens there; something else
 * has that name. */
bool unix_file_clear(const char *path, Error **errp);
/* It was made: nobody but its owner may connect. */
bool unix_file_keep(UnixFile *f, const char *path, Error **errp);
/* Removes it, unless another has taken its place. Again: does nothing. */
void unix_file_remove(UnixFile *f);

#endif
