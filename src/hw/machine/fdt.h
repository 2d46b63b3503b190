/* SPDX-License-Identifier: MIT */
/*
 * Fdt: writes a flattened device tree from front to back with libfdt's sequential calls.
 *
 * The first error sticks and the calls after it do nothing, so that a board describes
 * itself without a check in every line and asks once, in fdt_builder_finish().
 */
#ifndef VITRINE_HW_MACHINE_FDT_H
#define VITRINE_HW_MACHINE_FDT_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

typedef struct FdtBuilder {
    uint8_t *blob;
    size_t size;
    int err; /* libfdt's, or 0 */
} FdtBuilder;

void fdt_builder_begin(FdtBuilder *b); /* opens the root node */
/* Closes the root node. Owns: the caller frees the blob. NULL if something went wrong. */
uint8_t *fdt_builder_finish(FdtBuilder *b, Error **errp);

void fdt_node_begin(FdtBuilder *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void fdt_node_end(FdtBuilder *b);
void fdt_prop_flag(FdtBuilder *b, const char *name); /* a property without a value */
void fdt_prop_u32(FdtBuilder *b, const char *name, uint32_t value);
void fdt_prop_cells(FdtBuilder *b, const char *name, const uint32_t *cells,
                    unsigned count);
/* A string, or several separated by NUL: `size` counts the last NUL too. */
void fdt_prop_text(FdtBuilder *b, const char *name, const char *text, size_t size);
void fdt_prop_string(FdtBuilder *b, const char *name, const char *text);
/* `reg` of one range with two cells each for address and size. */
void fdt_prop_reg(FdtBuilder *b, uint64_t base, uint64_t size);

#endif
