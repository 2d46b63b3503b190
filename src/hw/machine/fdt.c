/* SPDX-License-Identifier: MIT */
/* Fdt: see fdt.h. */
#include "hw/machine/fdt.h"

#include <libfdt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FDT_START_SIZE = 16 * 1024,
    FDT_LIMIT = 1024 * 1024,
    CELLS_MAX = 64,
    NODE_NAME_MAX = 64
};

/* Notes an error; true if the last call is to be made again, since there is more room
 * now. */
static bool must_retry(FdtBuilder *b, int err) {
    if (err != -FDT_ERR_NOSPACE || b->size >= FDT_LIMIT) {
        b->err = b->err ? b->err : err;
        return false;
    }
    uint8_t *grown = calloc(1, 2 * b->size);
    int moved = grown ? fdt_resize(b->blob, grown, (int)(2 * b->size)) : err;
    if (moved) {
        free(grown);
        b->err = moved;
        return false;
    }
    free(b->blob);
    b->blob = grown;
    b->size *= 2;
    return true;
}

void fdt_builder_begin(FdtBuilder *b) {
    *b = (FdtBuilder){.blob = calloc(1, FDT_START_SIZE), .size = FDT_START_SIZE};
    b->err = b->blob ? fdt_create(b->blob, FDT_START_SIZE) : -FDT_ERR_NOSPACE;
    if (!b->err) {
        b->err = fdt_finish_reservemap(b->blob);
    }
    fdt_node_begin(b, "%s", "");
}

uint8_t *fdt_builder_finish(FdtBuilder *b, Error **errp) {
    fdt_node_end(b);
    while (!b->err && must_retry(b, fdt_finish(b->blob))) {
    }
    if (b->err) {
        error_set(errp, "cannot build the device tree: %s", fdt_strerror(b->err));
        free(b->blob);
        b->blob = NULL;
    }
    return b->blob;
}

void fdt_node_begin(FdtBuilder *b, const char *fmt, ...) {
    char name[NODE_NAME_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);
    while (!b->err && must_retry(b, fdt_begin_node(b->blob, name))) {
    }
}

void fdt_node_end(FdtBuilder *b) {
    while (!b->err && must_retry(b, fdt_end_node(b->blob))) {
    }
}

void fdt_prop_text(FdtBuilder *b, const char *name, const char *text, size_t size) {
    while (!b->err && must_retry(b, fdt_property(b->blob, name, text, (int)size))) {
    }
}

void fdt_prop_flag(FdtBuilder *b, const char *name) {
    fdt_prop_text(b, name, "", 0);
}

void fdt_prop_string(FdtBuilder *b, const char *name, const char *text) {
    fdt_prop_text(b, name, text, strlen(text) + 1);
}

void fdt_prop_cells(FdtBuilder *b, const char *name, const uint32_t *cells,
                    unsigned count) {
    fdt32_t big_endian[CELLS_MAX];
    if (count > CELLS_MAX) {
        b->err = b->err ? b->err : -FDT_ERR_NOSPACE;
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        big_endian[i] = cpu_to_fdt32(cells[i]);
    }
    fdt_prop_text(b, name, (const char *)big_endian, count * sizeof(big_endian[0]));
}

void fdt_prop_u32(FdtBuilder *b, const char *name, uint32_t value) {
    fdt_prop_cells(b, name, &value, 1);
}

void fdt_prop_reg(FdtBuilder *b, uint64_t base, uint64_t size) {
    const uint32_t cells[] = {(uint32_t)(base >> 32), (uint32_t)base,
                              (uint32_t)(size >> 32), (uint32_t)size};
    fdt_prop_cells(b, "reg", cells, 4);
}
