/* SPDX-License-Identifier: MIT */
/*
 * RawFile: preadv and pwritev until all is done; open-file-description locks on bytes 100
 * to 203.
 *
 * The locks are those that QEMU takes: who has a permission holds a read lock on byte 100
 * + its number, who does not share one with others holds byte 200 + its number; a
 * conflict is found by asking who would stand in the way of a write lock on the opposite
 * byte. So one writer excludes all others, and readers share.
 *
 * Source: QEMU, docs/system/qemu-block-drivers (image locking), observed with lslocks.
 */
#include "block/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_PERM_BASE = 100, LOCK_UNSHARED_BASE = 200 };
enum { PERM_READ = 0, PERM_WRITE = 1, PERM_RESIZE = 3 };

static bool lock_byte(int fd, off_t byte) {
    struct flock fl = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &fl) == 0;
}

/* True if another open file holds a lock on the byte. */
static bool lock_is_held(int fd, off_t byte) {
    struct flock fl = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

/* Where the file system has no such locks we go on without, as QEMU does. */
static bool raw_lock(int fd, const char *path, bool read_only, Error **errp) {
    static const int unshared[] = {PERM_WRITE, PERM_RESIZE};
    bool ok = lock_byte(fd, LOCK_PERM_BASE + PERM_READ);
    if (!read_only) {
        ok = ok && lock_byte(fd, LOCK_PERM_BASE + PERM_WRITE);
        ok = ok && lock_byte(fd, LOCK_PERM_BASE + PERM_RESIZE);
    }
    bool conflict = false;
    for (unsigned i = 0; ok && i < sizeof(unshared) / sizeof(unshared[0]); i++) {
        ok = lock_byte(fd, LOCK_UNSHARED_BASE + unshared[i]);
        conflict = conflict || lock_is_held(fd, LOCK_PERM_BASE + unshared[i]);
        conflict = conflict ||
                   (!read_only && lock_is_held(fd, LOCK_UNSHARED_BASE + unshared[i]));
    }
    conflict = conflict || lock_is_held(fd, LOCK_UNSHARED_BASE + PERM_READ);
    if (conflict) {
        error_set(errp,
                  "'%s' is in use by another process%s; stop that one, or copy the image",
                  path, read_only ? " that writes to it" : "");
        return false;
    }
    return true;
}

bool raw_open(RawFile *raw, const char *path, bool read_only, Error **errp) {
    /* O_NONBLOCK: a FIFO must not hold us here before we see that it is one. */
    int fd =
        open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int err = errno;
        error_set_errno(errp, err, "cannot open disk image '%s'%s", path,
                        read_only ? "" : " for writing");
        if (!read_only && (err == EACCES || err == EROFS || err == EPERM)) {
            error_append(errp, "; readonly=on or snapshot=on do without");
        } else if (err == ENOENT) {
            error_append(errp, "; check the path after file=");
        }
        return false;
    }
    struct stat sb;
    if (fstat(fd, &sb) != 0 || (!S_ISREG(sb.st_mode) && !S_ISBLK(sb.st_mode))) {
        error_set(errp, "'%s' is neither a file nor a block device", path);
        goto out_close;
    }
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0) {
        error_set_errno(errp, errno, "cannot find the size of '%s'", path);
        goto out_close;
    }
    if (!raw_lock(fd, path, read_only, errp)) {
        goto out_close;
    }
    *raw = (RawFile){.fd = fd, .length = (uint64_t)end};
    return true;

out_close:
    close(fd);
    return false;
}

bool raw_open_temporary(RawFile *raw, const char *dir, Error **errp) {
    const char *dirs[] = {dir != NULL ? dir : "/var/tmp", dir != NULL ? NULL : "/tmp"};
    int err = ENOENT;
    for (unsigned i = 0; i < 2 && dirs[i] != NULL; i++) {
        char name[PATH_MAX];
        snprintf(name, sizeof(name), "%s/vitrine-XXXXXX", dirs[i]);
        int fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0) {
            unlink(name); /* from the directory; from the disk when it is closed */
            *raw = (RawFile){.fd = fd};
            return true;
        }
        err = errno;
    }
    error_set_errno(errp, err,
                    "cannot make a temporary file in '%s' for the snapshot overlay",
                    dirs[0]);
    error_append(errp, "; set TMPDIR to a directory with room");
    return false;
}

void raw_close(RawFile *raw) {
    if (raw->fd >= 0) {
        close(raw->fd);
    }
    raw->fd = -1;
}

/* Steps over n transferred bytes. */
static void iov_skip(struct iovec **iov, unsigned *count, size_t n) {
    while (*count > 0 && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    if (n > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

static int iov_batch(unsigned count) {
    return count < IOV_MAX ? (int)count : IOV_MAX;
}

int raw_readv(RawFile *raw, uint64_t offset, struct iovec *iov, unsigned count) {
    iov_skip(&iov, &count, 0);
    while (count > 0) {
        ssize_t n = preadv(raw->fd, iov, iov_batch(count), (off_t)offset);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        if (n == 0) {
            if (offset < raw->length) {
                return -EIO; /* the image was truncated behind our back */
            }
            for (; count > 0; iov++, count--) {
                memset(iov->iov_base, 0, iov->iov_len);
            }
            return 0;
        }
        offset += (uint64_t)n;
        iov_skip(&iov, &count, (size_t)n);
    }
    return 0;
}

int raw_writev(RawFile *raw, uint64_t offset, struct iovec *iov, unsigned count) {
    iov_skip(&iov, &count, 0);
    while (count > 0) {
        ssize_t n = pwritev(raw->fd, iov, iov_batch(count), (off_t)offset);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        if (n == 0) {
            return -ENOSPC;
        }
        offset += (uint64_t)n;
        if (offset > raw->length) {
            raw->length = offset;
        }
        iov_skip(&iov, &count, (size_t)n);
    }
    return 0;
}

int raw_read(RawFile *raw, uint64_t offset, void *buf, uint64_t len) {
    struct iovec iov = {buf, len};
    return raw_readv(raw, offset, &iov, 1);
}

int raw_write(RawFile *raw, uint64_t offset, const void *buf, uint64_t len) {
    struct iovec iov = {(void *)buf, len};
    return raw_writev(raw, offset, &iov, 1);
}

int raw_flush(RawFile *raw) {
    return fdatasync(raw->fd) == 0 ? 0 : -errno;
}

int raw_punch(RawFile *raw, uint64_t offset, uint64_t len) {
    int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (fallocate(raw->fd, mode, (off_t)offset, (off_t)len) != 0 && errno == EIO) {
        return -EIO;
    }
    return 0; /* a discard is a hint: whoever cannot follow it has done nothing wrong */
}

int raw_write_zeroes(RawFile *raw, uint64_t offset, uint64_t len) {
    static const uint8_t zeros[64 * 1024];
    if (len > 0 &&
        fallocate(raw->fd, FALLOC_FL_ZERO_RANGE, (off_t)offset, (off_t)len) == 0) {
        if (offset + len > raw->length) {
            raw->length = offset + len;
        }
        return 0;
    }
    while (len > 0) {
        uint64_t n = len < sizeof(zeros) ? len : sizeof(zeros);
        int rc = raw_write(raw, offset, zeros, n);
        if (rc != 0) {
            return rc;
        }
        offset += n;
        len -= n;
    }
    return 0;
}
