/* SPDX-License-Identifier: MIT */
/*
 * Loader: takes a program file apart (ELF, Linux Image, raw) and puts it into guest
 * memory.
 *
 *   file --ImageSource--> image_parse() --> Image: segments, entry
 *                                             '--image_load()--> AddressSpace
 *
 * Parsing reads through a callback and touches nothing else, so that a fuzzer can feed it
 * a buffer (image_source_buffer()) and a file of any size costs no memory. Files are not
 * trusted: every offset and size in them is checked before use.
 */
#ifndef VITRINE_HW_MACHINE_LOADER_H
#define VITRINE_HW_MACHINE_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/memory.h"
#include "util/error.h"

enum { IMAGE_MAX_SEGMENTS = 32 };

/* Where the bytes come from. */
typedef struct ImageSource {
    const char *name; /* of the file, for messages */
    uint64_t size;
    /* Copies [offset, offset + len), which is inside the file. Errors: the host cannot
     * read it. */
    bool (*read)(const struct ImageSource *src, uint64_t offset, void *buf, size_t len,
                 Error **errp);
    const void *data; /* of a buffer */
    int fd;           /* of a file */
} ImageSource;

typedef enum ImageKind { IMAGE_RAW, IMAGE_ELF, IMAGE_LINUX } ImageKind;

/* A piece of memory: file_size bytes of the file, then zeros up to mem_size. */
typedef struct ImageSegment {
    hwaddr addr;
    uint64_t offset, file_size, mem_size;
} ImageSegment;

typedef struct Image {
    ImageKind kind;
    hwaddr entry;
    hwaddr low, high; /* first byte and the one behind the last, of all segments */
    unsigned count;
    ImageSegment segment[IMAGE_MAX_SEGMENTS];
} Image;

/* Where an image goes that does not say so itself. */
typedef struct ImagePlace {
    unsigned xlen;    /* of the guest: 32 or 64 */
    hwaddr ram_base;  /* Linux: its text_offset counts from here... */
    hwaddr free_base; /* ...but is not below this; raw: here */
} ImagePlace;

ImageSource image_source_buffer(const char *name, const void *data, size_t size);
/* Opens a file; image_source_close() closes it. Errors: not there, not a regular file,
 * empty. */
bool image_source_open(ImageSource *src, const char *path, Error **errp);
void image_source_close(ImageSource *src);

/* Errors: a broken or foreign ELF file, a compressed kernel, a segment outside of all
 * reason. */
bool image_parse(const ImageSource *src, const ImagePlace *place, Image *image,
                 Error **errp);
/* The same for a file of bytes, whatever they are. */
bool image_parse_raw(const ImageSource *src, hwaddr addr, Image *image, Error **errp);
/* Writes the segments. `fresh`: memory was never used, so that zeros need not be written.
 * Errors: a segment is not all in RAM or ROM; the file shrank meanwhile. */
bool image_load(const ImageSource *src, const Image *image, AddressSpace *as, bool fresh,
                Error **errp);

#endif
