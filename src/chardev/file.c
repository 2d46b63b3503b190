/* SPDX-License-Identifier: MIT */
/*
 * Kinds "file" (output only, truncated first unless append=on) and "null".
 *
 * Not modelled: `input-path` of file.
 */
#include <errno.h>
#include <fcntl.h>

#include "chardev/chardev_int.h"

static const ChardevOps file_ops = {.hangup = char_close_fds, .close = char_close_fds};

bool char_file_open(Chardev *chr, const KeyVal *kv, Error **errp) {
    bool append = false;
    const char *path = keyval_get(kv, "path");
    if (!keyval_check(kv, "backend id mux path append", "chardev file", errp) ||
        !keyval_get_bool(kv, "append", &append, errp)) {
        return false;
    }
    if (path == NULL || *path == '\0') {
        error_set(errp, "chardev file: no path; write file:PATH or file,id=ID,path=PATH");
        return false;
    }
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd = open(path, flags | (append ? O_APPEND : O_TRUNC), 0666);
    if (fd < 0) {
        error_set_errno(errp, errno, "cannot open '%s' for the output of a serial line",
                        path);
        return false;
    }
    chr->ops = &file_ops;
    chr->out_fd = fd;
    return true;
}

static const ChardevOps null_ops = {0};

bool char_null_open(Chardev *chr, const KeyVal *kv, Error **errp) {
    if (!keyval_check(kv, "backend id mux", "chardev null", errp)) {
        return false;
    }
    chr->ops = &null_ops;
    return true;
}
