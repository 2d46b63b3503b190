/* SPDX-License-Identifier: MIT */
/*
 * Loader: see loader.h.
 *
 * Spec: System V ABI (gABI), chapter 4 "ELF Header" and 5 "Program Header"; RISC-V psABI;
 * Linux Documentation/arch/riscv/boot-image-header.rst.
 *
 * Not modelled: compressed kernels (gzip, EFI zboot), U-Boot's uImage; each is named in
 * the error.
 */
#include "hw/machine/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_CHUNK = 64 * 1024 };

/* --- sources --------------------------------------------------------------------- */

static bool buffer_read(const ImageSource *src, uint64_t offset, void *buf, size_t len,
                        Error **errp) {
    (void)errp;
    memcpy(buf, (const uint8_t *)src->data + offset, len);
    return true;
}

ImageSource image_source_buffer(const char *name, const void *data, size_t size) {
    return (ImageSource){
        .name = name, .size = size, .read = buffer_read, .data = data, .fd = -1};
}

static bool file_read(const ImageSource *src, uint64_t offset, void *buf, size_t len,
                      Error **errp) {
    uint8_t *p = buf;
    while (len) {
        ssize_t n = pread(src->fd, p, len, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            error_set_errno(errp, errno, "cannot read '%s'", src->name);
            return false;
        }
        if (n == 0) {
            error_set(errp, "'%s' became shorter while it was read", src->name);
            return false;
        }
        p += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

bool image_source_open(ImageSource *src, const char *path, Error **errp) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_set_errno(errp, errno, "cannot open '%s'", path);
        goto out_close;
    }
    if (!S_ISREG(st.st_mode)) {
        error_set(errp, "'%s' is not a regular file", path);
        goto out_close;
    }
    if (st.st_size == 0) {
        error_set(errp, "'%s' is empty", path);
        goto out_close;
    }
    *src = (ImageSource){
        .name = path, .size = (uint64_t)st.st_size, .read = file_read, .fd = fd};
    return true;

out_close:
    if (fd >= 0) {
        close(fd);
    }
    return false;
}

void image_source_close(ImageSource *src) {
    if (src->read == file_read) {
        close(src->fd);
    }
    *src = (ImageSource){.fd = -1};
}

/* --- helpers --------------------------------------------------------------------- */

/* A little-endian number of `size` bytes. */
static uint64_t get_le(const uint8_t *p, unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)p[i] << 8 * i;
    }
    return value;
}

static bool add_segment(const ImageSource *src, Image *image, const ImageSegment *s,
                        Error **errp) {
    if (s->file_size > src->size || s->offset > src->size - s->file_size) {
        error_set(errp,
                  "'%s' is truncated: a segment for 0x%" PRIx64 " ends behind the file",
                  src->name, s->addr);
        return false;
    }
    if (s->file_size > s->mem_size || s->mem_size > UINT64_MAX - s->addr) {
        error_set(errp,
                  "'%s' is broken: the segment for 0x%" PRIx64 " has an impossible size",
                  src->name, s->addr);
        return false;
    }
    for (unsigned i = 0; i < image->count; i++) {
        const ImageSegment *o = &image->segment[i];
        if (s->addr < o->addr + o->mem_size && o->addr < s->addr + s->mem_size) {
            error_set(errp, "'%s' is broken: two segments overlap at 0x%" PRIx64,
                      src->name, s->addr > o->addr ? s->addr : o->addr);
            return false;
        }
    }
    if (image->count == IMAGE_MAX_SEGMENTS) {
        error_set(errp, "'%s' has more than %d segments to load", src->name,
                  IMAGE_MAX_SEGMENTS);
        return false;
    }
    if (image->count == 0 || s->addr < image->low) {
        image->low = s->addr;
    }
    if (s->addr + s->mem_size > image->high) {
        image->high = s->addr + s->mem_size;
    }
    image->segment[image->count++] = *s;
    return true;
}

bool image_parse_raw(const ImageSource *src, hwaddr addr, Image *image, Error **errp) {
    *image = (Image){.kind = IMAGE_RAW, .entry = addr};
    return add_segment(
        src, image,
        &(ImageSegment){.addr = addr, .file_size = src->size, .mem_size = src->size},
        errp);
}

/* --- ELF ------------------------------------------------------------------------- */

enum {
    ELF_IDENT_CLASS = 4,
    ELF_IDENT_DATA = 5,
    ELF_CLASS_32 = 1,
    ELF_CLASS_64 = 2,
    ELF_DATA_LSB = 1,
    ELF_TYPE = 16,
    ELF_TYPE_EXEC = 2,
    ELF_TYPE_DYN = 3,
    ELF_MACHINE = 18,
    ELF_MACHINE_RISCV = 243,
    ELF_HEADER_MAX = 64,
    ELF_PHDR_MAX = 56,
    ELF_PT_LOAD = 1,
    ELF_PHNUM_MAX = 512,
};

/* Where the fields are that ELF32 and ELF64 have in different places, and how wide words
 * are. */
typedef struct ElfLayout {
    unsigned word;
    unsigned header_size, entry, phoff, phentsize, phnum;
    unsigned phdr_size, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz;
} ElfLayout;

static const ElfLayout elf32 = {4, 52, 24, 28, 42, 44, 32, 4, 8, 12, 16, 20};
static const ElfLayout elf64 = {8, 64, 24, 32, 54, 56, 56, 8, 16, 24, 32, 40};

static const ElfLayout *elf_check_header(const ImageSource *src, const uint8_t *h,
                                         unsigned xlen, Error **errp) {
    const ElfLayout *l = h[ELF_IDENT_CLASS] == ELF_CLASS_64 ? &elf64 : &elf32;
    if (h[ELF_IDENT_CLASS] != ELF_CLASS_64 && h[ELF_IDENT_CLASS] != ELF_CLASS_32) {
        error_set(errp, "'%s' is a broken ELF file: unknown class", src->name);
        return NULL;
    }
    uint64_t machine = get_le(h + ELF_MACHINE, 2);
    if (h[ELF_IDENT_DATA] != ELF_DATA_LSB || machine != ELF_MACHINE_RISCV) {
        error_set(errp,
                  "'%s' is an ELF file for another processor (machine %" PRIu64
                  "); it must be RISC-V, little-endian",
                  src->name, machine);
        return NULL;
    }
    if (l->word * 8 != xlen) {
        error_set(errp, "'%s' is for RV%u; use vitrine-system-riscv%u", src->name,
                  l->word * 8, l->word * 8);
        return NULL;
    }
    uint64_t type = get_le(h + ELF_TYPE, 2);
    if (type != ELF_TYPE_EXEC && type != ELF_TYPE_DYN) {
        error_set(errp, "'%s' is an ELF file but not a program; link it first",
                  src->name);
        return NULL;
    }
    return l;
}

/* e_entry is a virtual address; the hart begins at the physical one. */
static void elf_translate_entry(const ElfLayout *l, const uint8_t *ph, uint64_t e_entry,
                                Image *image) {
    uint64_t v = get_le(ph + l->p_vaddr, l->word), p = get_le(ph + l->p_paddr, l->word);
    if (e_entry >= v && e_entry - v < get_le(ph + l->p_memsz, l->word)) {
        image->entry = p + (e_entry - v);
    }
}

static bool elf_parse(const ImageSource *src, const ImagePlace *place, Image *image,
                      Error **errp) {
    uint8_t h[ELF_HEADER_MAX] = {0}, ph[ELF_PHDR_MAX];
    *image = (Image){.kind = IMAGE_ELF};
    if (!src->read(src, 0, h, src->size < sizeof(h) ? (size_t)src->size : sizeof(h),
                   errp)) {
        return false;
    }
    const ElfLayout *l = elf_check_header(src, h, place->xlen, errp);
    if (!l) {
        return false;
    }
    uint64_t phoff = get_le(h + l->phoff, l->word), phnum = get_le(h + l->phnum, 2);
    uint64_t table = phnum * l->phdr_size;
    if (src->size < l->header_size || get_le(h + l->phentsize, 2) != l->phdr_size ||
        !phnum || phnum > ELF_PHNUM_MAX || table > src->size ||
        phoff > src->size - table) {
        error_set(errp,
                  "'%s' is a broken or truncated ELF file: no usable program headers",
                  src->name);
        return false;
    }
    uint64_t e_entry = get_le(h + l->entry, l->word);
    image->entry = UINT64_MAX;
    for (uint64_t i = 0; i < phnum; i++) {
        if (!src->read(src, phoff + i * l->phdr_size, ph, l->phdr_size, errp)) {
            return false;
        }
        const ImageSegment s = {.addr = get_le(ph + l->p_paddr, l->word),
                                .offset = get_le(ph + l->p_offset, l->word),
                                .file_size = get_le(ph + l->p_filesz, l->word),
                                .mem_size = get_le(ph + l->p_memsz, l->word)};
        if (get_le(ph, 4) != ELF_PT_LOAD || s.mem_size == 0) {
            continue;
        }
        if (!add_segment(src, image, &s, errp)) {
            return false;
        }
        elf_translate_entry(l, ph, e_entry, image);
    }
    if (!image->count) {
        error_set(errp, "'%s' has nothing to load: no PT_LOAD program header", src->name);
        return false;
    }
    if (image->entry == UINT64_MAX) {
        /* An entry outside of the program: begin at its first byte. */
        image->entry = image->low;
    }
    return true;
}

/* --- Linux Image ----------------------------------------------------------------- */

enum {
    LINUX_TEXT_OFFSET = 8,
    LINUX_IMAGE_SIZE = 16,
    LINUX_FLAGS = 24,
    LINUX_FLAG_BIG_ENDIAN = 1,
    LINUX_MAGIC2 = 56,
    LINUX_HEADER_SIZE = 64,
};

static bool linux_parse(const ImageSource *src, const uint8_t *h, const ImagePlace *place,
                        Image *image, Error **errp) {
    uint64_t text_offset = get_le(h + LINUX_TEXT_OFFSET, 8);
    uint64_t image_size = get_le(h + LINUX_IMAGE_SIZE, 8);
    if (get_le(h + LINUX_FLAGS, 8) & LINUX_FLAG_BIG_ENDIAN) {
        error_set(errp, "'%s' is a big-endian kernel; only little-endian ones run",
                  src->name);
        return false;
    }
    if ((text_offset & PAGE_OFFSET_MASK) || text_offset > UINT64_MAX - place->ram_base) {
        error_set(errp,
                  "'%s' is broken: text_offset 0x%" PRIx64 " in its header is impossible",
                  src->name, text_offset);
        return false;
    }
    hwaddr addr = place->ram_base + text_offset;
    addr = addr > place->free_base ? addr : place->free_base;
    *image = (Image){.kind = IMAGE_LINUX, .entry = addr};
    const ImageSegment s = {.addr = addr,
                            .file_size = src->size,
                            .mem_size = image_size > src->size ? image_size : src->size};
    return add_segment(src, image, &s, errp);
}

/* --- what kind is it? ------------------------------------------------------------ */

static bool check_unsupported(const ImageSource *src, const uint8_t *h, Error **errp) {
    if (h[0] == 0x1f && h[1] == 0x8b) {
        error_set(errp, "'%s' is compressed with gzip; unpack it first (gzip -dc)",
                  src->name);
        return false;
    }
    if (!memcmp(h, "MZ", 2) && !memcmp(h + 4, "zimg", 4)) {
        error_set(errp, "'%s' is a compressed EFI kernel; use the plain Image",
                  src->name);
        return false;
    }
    if (!memcmp(h, "\x27\x05\x19\x56", 4)) {
        error_set(errp, "'%s' is a uImage; use the plain Image or ELF file", src->name);
        return false;
    }
    return true;
}

bool image_parse(const ImageSource *src, const ImagePlace *place, Image *image,
                 Error **errp) {
    uint8_t h[LINUX_HEADER_SIZE] = {0};
    size_t n = src->size < sizeof(h) ? (size_t)src->size : sizeof(h);
    if (!src->read(src, 0, h, n, errp) || !check_unsupported(src, h, errp)) {
        return false;
    }
    if (!memcmp(h, "\177ELF", 4)) {
        return elf_parse(src, place, image, errp);
    }
    if (!memcmp(h + LINUX_MAGIC2, "RSC\x05", 4)) {
        return linux_parse(src, h, place, image, errp);
    }
    return image_parse_raw(src, place->free_base, image, errp);
}

/* --- into memory ----------------------------------------------------------------- */

static bool no_memory_there(const ImageSource *src, hwaddr addr, Error **errp) {
    error_set(errp,
              "'%s' does not fit: there is no memory at 0x%" PRIx64
              "; give more with -m, or link it for RAM",
              src->name, addr);
    return false;
}

/* Copies file bytes, or zeros if src is NULL, to RAM in place and to ROM through a small
 * buffer. */
static bool write_bytes(const ImageSource *src, const char *name, uint64_t offset,
                        AddressSpace *as, hwaddr addr, uint64_t len, Error **errp) {
    while (len) {
        uint8_t chunk[COPY_CHUNK];
        uint64_t n = len;
        uint8_t *host = address_space_map(as, addr, &n, true);
        if (!host) {
            n = len < sizeof(chunk) ? len : sizeof(chunk);
        }
        uint8_t *to = host ? host : chunk;
        bool ok = true;
        if (src) {
            ok = src->read(src, offset, to, n, errp);
        } else {
            memset(to, 0, n);
        }
        if (host) {
            address_space_unmap(as, host, n, true);
        } else if (ok && !address_space_write_rom(as, addr, chunk, n)) {
            return no_memory_there(&(ImageSource){.name = name}, addr, errp);
        }
        if (!ok) {
            return false;
        }
        addr += n;
        offset += n;
        len -= n;
    }
    return true;
}

/* True if there is RAM or ROM all over [addr, addr + size). */
static bool is_memory(AddressSpace *as, hwaddr addr, uint64_t size, hwaddr *hole) {
    while (size) {
        const FlatRange *fr = address_space_find(as, addr);
        if (!fr || !fr->is_ram) {
            *hole = addr;
            return false;
        }
        uint64_t n = flat_range_last(fr) - addr + 1;
        if (n >= size) {
            return true;
        }
        addr += n;
        size -= n;
    }
    return true;
}

bool image_load(const ImageSource *src, const Image *image, AddressSpace *as, bool fresh,
                Error **errp) {
    for (unsigned i = 0; i < image->count; i++) {
        const ImageSegment *s = &image->segment[i];
        hwaddr hole;
        if (!is_memory(as, s->addr, s->mem_size, &hole)) {
            return no_memory_there(src, hole, errp);
        }
        if (!write_bytes(src, src->name, s->offset, as, s->addr, s->file_size, errp)) {
            return false;
        }
        if (!fresh && !write_bytes(NULL, src->name, 0, as, s->addr + s->file_size,
                                   s->mem_size - s->file_size, errp)) {
            return false;
        }
    }
    return true;
}
