/* SPDX-License-Identifier: MIT */
/*
 * A directory of snapshots: DIR/NAME.vsnap, for savevm, loadvm, delvm and their list.
 *
 * QEMU keeps them in the disk image; here disks are raw files that have no room for such things.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/snapfile.h"
#include "state/snapshot.h"

#define SUFFIX ".vsnap"
enum { HEAD_BYTES = 1024, SUFFIX_LENGTH = sizeof(SUFFIX) - 1, MAX_LISTED = 4096 };

static bool name_is_good(const char *name) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t n = strlen(name);
    return n > 0 && n <= SNAPSHOT_NAME_MAX && name[0] != '.' &&
           strspn(name, letters) == n;
}

const char *snapshot_dir(const Machine *m) {
    return m->config.snapshot_dir ? m->config.snapshot_dir : SNAPSHOT_DIR;
}

char *snapshot_path(const char *dir, const char *name, Error **errp) {
    char *path = NULL;
    if (!name_is_good(name)) {
        error_set(
            errp,
            "'%.80s' cannot name a snapshot: up to %d letters, digits, '-', '_' and "
            "'.', no '.' in front",
            name, SNAPSHOT_NAME_MAX);
        return NULL;
    }
    if (asprintf(&path, "%s/%s" SUFFIX, dir, name) < 0) {
        error_set(errp, "no memory for a file name");
        return NULL;
    }
    return path;
}

static bool parse_head(const uint8_t *data, size_t size, SnapshotInfo *info) {
    char section[SNAPSHOT_SECTION_NAME];
    ByteReader r = {data, data + size, false};
    const uint8_t *magic = reader_take(&r, SNAPSHOT_MAGIC_BYTES);
    if (!magic || memcmp(magic, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_BYTES) ||
        reader_number(&r, sizeof(uint32_t)) != SNAPSHOT_VERSION ||
        !reader_text(&r, section, sizeof(section)) || strcmp(section, "info")) {
        return false;
    }
    ByteReader part = reader_part(&r, reader_number(&r, sizeof(uint64_t)));
    reader_text(&part, info->name, sizeof(info->name));
    info->date_ns = (int64_t)reader_number(&part, sizeof(uint64_t));
    info->virtual_ns = (int64_t)reader_number(&part, sizeof(uint64_t));
    bool ok = !part.failed;
    info->count = reader_number(&part, sizeof(uint64_t)); /* 0: an older file has none */
    return ok;
}

bool snapshot_info(const char *path, SnapshotInfo *info, Error **errp) {
    uint8_t head[HEAD_BYTES];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st)) {
        error_set_errno(errp, errno, "cannot open the snapshot '%s'", path);
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    ssize_t n = S_ISREG(st.st_mode) ? read(fd, head, sizeof(head)) : -1;
    close(fd);
    if (n < 0 || !parse_head(head, (size_t)n, info)) {
        error_set(errp, "'%s' is not a snapshot of this version", path);
        return false;
    }
    info->bytes = (uint64_t)st.st_size;
    return true;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const SnapshotInfo *)a)->name, ((const SnapshotInfo *)b)->name);
}

/* The file's name is what counts: the one inside may be older than a renaming. */
static bool list_one(const char *dir, const char *file, SnapshotInfo *info) {
    size_t n = strlen(file);
    if (n <= SUFFIX_LENGTH || n - SUFFIX_LENGTH > SNAPSHOT_NAME_MAX ||
        strcmp(file + n - SUFFIX_LENGTH, SUFFIX)) {
        return false;
    }
    char name[SNAPSHOT_NAME_MAX + 1];
    memcpy(name, file, n - SUFFIX_LENGTH);
    name[n - SUFFIX_LENGTH] = '\0';
    char *path = snapshot_path(dir, name, NULL);
    bool ok = path && snapshot_info(path, info, NULL);
    memcpy(info->name, name, sizeof(name));
    free(path);
    return ok;
}

bool snapshot_list(const char *dir, SnapshotInfo **list, unsigned *count, Error **errp) {
    *list = NULL;
    *count = 0;
    DIR *d = opendir(dir);
    if (!d) {
        if (errno != ENOENT) {
            error_set_errno(errp, errno, "cannot read the directory '%s'", dir);
            return false;
        }
        return true;
    }
    for (struct dirent *e; *count < MAX_LISTED && (e = readdir(d)) != NULL;) {
        SnapshotInfo info = {0};
        if (!list_one(dir, e->d_name, &info)) {
            continue;
        }
        SnapshotInfo *more = realloc(*list, (*count + 1) * sizeof(info));
        if (!more) {
            break;
        }
        *list = more;
        more[(*count)++] = info;
    }
    closedir(d);
    if (*count) {
        qsort(*list, *count, sizeof(**list), compare_names);
    }
    return true;
}

bool snapshot_delete(const char *dir, const char *name, Error **errp) {
    char *path = snapshot_path(dir, name, errp);
    bool ok = path && unlink(path) == 0;
    if (path && !ok) {
        error_set_errno(errp, errno, "cannot delete the snapshot '%s'", path);
    }
    free(path);
    return ok;
}

bool snapshot_save_named(Machine *m, const char *dir, const char *name, Error **errp) {
    char *path = snapshot_path(dir, name, errp);
    bool ok = false;
    if (path && mkdir(dir, 0777) && errno != EEXIST) {
        error_set_errno(errp, errno, "cannot make the directory '%s'", dir);
    } else if (path) {
        ok = snapshot_save(m, path, name, errp);
    }
    free(path);
    return ok;
}

bool snapshot_load_named(Machine *m, const char *dir, const char *name, Error **errp) {
    char *path = snapshot_path(dir, name, errp);
    bool ok = path && snapshot_load(m, path, errp);
    free(path);
    return ok;
}
