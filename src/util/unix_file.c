/* SPDX-License-Identifier: MIT */
/* UnixFile: see unix_file.h. */
#include "util/unix_file.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { OWNER_ONLY = 0600 };

/* Does not wait: a server whose queue is full is a server, too. */
static bool is_abandoned(const struct sockaddr_un *at) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 &&
                   errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    return refused;
}

bool unix_file_clear(const char *path, Error **errp) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(at.sun_path)) {
        error_set(errp, "the path of a socket has 1 to %zu bytes",
                  sizeof(at.sun_path) - 1);
        return false;
    }
    memcpy(at.sun_path, path, len + 1);
    if (lstat(path, &st) < 0) {
        return true; /* bind() will say what is wrong, if anything is */
    }
    if (!S_ISSOCK(st.st_mode)) {
        error_set(errp, "'%s' is there and is no socket; remove it first", path);
        return false;
    }
    if (!is_abandoned(&at)) {
        error_set(errp, "'%s' is in use: somebody listens on it; choose another path",
                  path);
        return false;
    }
    if (unlink(path) < 0) {
        error_set_errno(errp, errno, "'%s' was left behind and cannot be removed", path);
        return false;
    }
    return true;
}

bool unix_file_keep(UnixFile *f, const char *path, Error **errp) {
    struct stat st;
    if (chmod(path, OWNER_ONLY) < 0 || lstat(path, &st) < 0) {
        error_set_errno(errp, errno, "cannot keep others out of '%s'", path);
        return false;
    }
    *f = (UnixFile){strdup(path), st.st_dev, st.st_ino};
    assert(f->path);
    return true;
}

void unix_file_remove(UnixFile *f) {
    struct stat st;
    if (f->path && lstat(f->path, &st) == 0 && st.st_dev == f->dev &&
        st.st_ino == f->ino) {
        unlink(f->path);
    }
    free(f->path);
    *f = (UnixFile){0};
}
