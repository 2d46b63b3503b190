/* SPDX-License-Identifier: MIT */
/* Host memory, see hostmem.h. */
#include "util/hostmem.h"

#include <stddef.h>
#include <sys/mman.h>

#define HUGE_PAGE  ((uint64_t)2 << 20)
#define SMALL_PAGE ((uint64_t)4096)

static uint64_t whole_pages(uint64_t size) {
    return (size + SMALL_PAGE - 1) & ~(SMALL_PAGE - 1);
}

void *hostmem_alloc(uint64_t size) {
    size = whole_pages(size);
    uint8_t *area = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        return NULL;
    }
    /* Cut off what lies before and behind the aligned part. */
    uint64_t head = -(uintptr_t)area & (HUGE_PAGE - 1);
    if (head) {
        munmap(area, head);
    }
    munmap(area + head + size, HUGE_PAGE - head);
    madvise(area + head, size, MADV_HUGEPAGE);
    return area + head;
}

void hostmem_free(void *memory, uint64_t size) {
    munmap(memory, whole_pages(size));
}
