/* SPDX-License-Identifier: MIT */
/*
 * RawFile: a file or host block device whose bytes are the disk's bytes.
 *
 * A file may end inside its last sector: what is missing reads as zeros, and a write
 * there makes the file grow. A file that became shorter since it was opened is an error
 * where it is missing, so that a truncated image is not taken for zeros.
 */
#ifndef VITRINE_BLOCK_RAW_H
#define VITRINE_BLOCK_RAW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/error.h"

typedef struct RawFile {
    int fd;
    uint64_t length; /* bytes the file had when it was opened, grown by our writes */
} RawFile;

/* Opens and locks, so that no other emulator (QEMU takes the same locks) writes at the
 * same time. */
bool raw_open(RawFile *raw, const char *path, bool read_only, Error **errp);
/* A nameless temporary file in dir (NULL: /var/tmp, else /tmp). */
bool raw_open_temporary(RawFile *raw, const char *dir, Error **errp);
void raw_close(RawFile *raw);
/* All transfer `len` bytes or return -errno. iov is used up (changed). */
int raw_readv(RawFile *raw, uint64_t offset, struct iovec *iov, unsigned count);
int raw_writev(RawFile *raw, uint64_t offset, struct iovec *iov, unsigned count);
int raw_read(RawFile *raw, uint64_t offset, void *buf, uint64_t len);
int raw_write(RawFile *raw, uint64_t offset, const void *buf, uint64_t len);
int raw_flush(RawFile *raw);
int raw_punch(RawFile *raw, uint64_t offset, uint64_t len); /* may do nothing */
int raw_write_zeroes(RawFile *raw, uint64_t offset, uint64_t len);

#endif
