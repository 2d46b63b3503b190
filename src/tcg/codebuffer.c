/* SPDX-License-Identifier: MIT */
/*
 * CodeBuffer: memory for generated code, one file of memory mapped twice.
 *
 *   memfd --+--> rw_base: the translator writes here   (never executable)
 *           '--> rx_base: vCPUs run here               (never writable)
 *
 * Both mappings are made with their final protection; none is ever changed.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tcg/backend.h"

bool code_buffer_init(CodeBuffer *cb, size_t size, Error **errp) {
    *cb = (CodeBuffer){0};
    int fd = memfd_create("vitrine-code", MFD_CLOEXEC);
    if (fd < 0) {
        error_set_errno(errp, errno, "cannot make a memory file for generated code");
        return false;
    }
    if (ftruncate(fd, (off_t)size) < 0) {
        error_set_errno(errp, errno, "cannot make a code buffer of %zu bytes", size);
        goto out_close;
    }
    void *rw =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (rw == MAP_FAILED) {
        error_set_errno(errp, errno, "cannot map a code buffer of %zu bytes", size);
        goto out_close;
    }
    void *rx = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (rx == MAP_FAILED) {
        error_set_errno(errp, errno, "cannot map the code buffer executable");
        munmap(rw, size);
        goto out_close;
    }
    close(fd);
    *cb = (CodeBuffer){.rw_base = rw, .rx_base = rx, .size = size};
    return true;
out_close:
    close(fd);
    return false;
}

void code_buffer_settle(const CodeBuffer *cb, const uint8_t *rx, size_t size) {
    uint8_t *rw = code_rw(cb, rx);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)rw + page - 1) & -page;
    uintptr_t end = ((uintptr_t)rw + size) & -page;
    if (end > start) {
        /* A shared mapping: the contents stay in the memory file. */
        madvise((void *)start, end - start, MADV_DONTNEED);
    }
}

void code_buffer_prepare(const CodeBuffer *cb, const uint8_t *rx, size_t size) {
    uint8_t *rw = code_rw(cb, rx);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)rw & -page;
    /* Older kernels do not know it (EINVAL): there each page faults. */
    madvise((void *)start, (uintptr_t)rw + size - start, MADV_POPULATE_WRITE);
}

void code_buffer_destroy(CodeBuffer *cb) {
    if (cb->size) {
        munmap(cb->rw_base, cb->size);
        munmap((void *)(uintptr_t)cb->rx_base, cb->size);
    }
    *cb = (CodeBuffer){0};
}
