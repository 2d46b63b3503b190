/* SPDX-License-Identifier: MIT */
/* A RAM list, a root and an address space for the memory tests, and their flat view as
 * text. */
#ifndef VITRINE_TESTS_MEM_FIXTURE_H
#define VITRINE_TESTS_MEM_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem/memory.h"

typedef struct Fixture {
    RamList list;
    RAMBlock *rb; /* 1 MiB of RAM */
    MemoryRegion root;
    AddressSpace as;
    Log log; /* guest errors go to log_text */
    char *log_text;
    size_t log_size;
} Fixture;

static inline void fixture_init(Fixture *f, uint64_t root_size) {
    *f = (Fixture){0};
    ram_list_init(&f->list);
    Error *err = NULL;
    f->rb = ramblock_new(&f->list, "fixture", 1 << 20, RAM_ANONYMOUS, NULL, &err);
    assert_non_null(f->rb);
    log_init(&f->log);
    f->log.mask = LOG_GUEST_ERRORS;
    f->log.file = open_memstream(&f->log_text, &f->log_size);
    memory_region_init(&f->root, "root", root_size);
    address_space_init(&f->as, &f->root, "memory", &f->log);
}

static inline void fixture_destroy(Fixture *f) {
    while (f->root.children != NULL) {
        memory_region_del(NULL, f->root.children);
    }
    address_space_destroy(&f->as);
    memory_region_destroy(&f->root);
    ram_list_destroy(&f->list);
    log_destroy(&f->log);
    free(f->log_text);
}

/* How many guest-error lines were logged so far. */
static inline unsigned fixture_guest_errors(Fixture *f) {
    fflush(f->log.file);
    unsigned lines = 0;
    for (size_t i = 0; i < f->log_size; i++) {
        lines += f->log_text[i] == '\n';
    }
    return lines;
}

/* "first-last name+offset, ..." in hexadecimal, with " ro" behind ROM. Owns: the caller
 * frees. */
static inline char *view_text(const AddressSpace *as) {
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (unsigned i = 0; i < as->view->count; i++) {
        const FlatRange *fr = &as->view->ranges[i];
        fprintf(out, "%s%llx-%llx %s+%llx%s", i > 0 ? ", " : "",
                (unsigned long long)fr->addr, (unsigned long long)flat_range_last(fr),
                fr->mr->name, (unsigned long long)fr->mr_offset,
                fr->readonly ? " ro" : "");
    }
    fclose(out);
    return text;
}

static inline void assert_view(const AddressSpace *as, const char *expected) {
    char *text = view_text(as);
    assert_string_equal(text, expected);
    free(text);
}

#endif
