/* SPDX-License-Identifier: MIT */
/*
 * Boot: see boot.h. Addresses are QEMU's (7.2), so that what was linked or written for it
 * runs here.
 *
 * Spec: OpenSBI, docs/firmware/fw_dynamic.md; Linux Documentation/arch/riscv/boot.rst.
 * Deviates: QEMU always begins at the base of RAM without firmware; a kernel that puts
 * nothing there begins at its entry point here. It enters an ELF kernel at its lowest
 * address; here at its entry.
 */
#include "hw/machine/boot.h"

#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define KERNEL_ALIGN(xlen) ((xlen) == 32 ? 4 * MIB : 2 * MIB) /* a large page */
#define INITRD_DISTANCE    (128 * MIB)
#define FDT_ALIGN          (2 * MIB)
#define FDT_TOP            (3 * GIB)   /* a 32-bit kernel can map it */
#define FDT_ROOM           (64 * 1024) /* for what firmware adds in place */
#define FDT_MAX            (1 * MIB)

enum { RNG_SEED_SIZE = 32 };

static uint64_t align_up(uint64_t value, uint64_t to) {
    return (value + to - 1) & ~(to - 1);
}

static uint64_t align_down(uint64_t value, uint64_t to) {
    return value & ~(to - 1);
}

static hwaddr ram_end(const Boot *b) {
    return b->ram_base + b->ram_size;
}

/* --- firmware: where is it? ------------------------------------------------------ */

static const char *const firmware_dirs64[] = {
    "/usr/share/opensbi", "/usr/lib/riscv64-linux-gnu/opensbi/generic", "/usr/share/qemu",
    NULL};
static const char *const firmware_names64[] = {"opensbi-riscv64-generic-fw_dynamic.bin",
                                               "fw_dynamic.bin", NULL};
/* fw_dynamic.bin says nothing of its width, so for RV32 only the long name counts
 * elsewhere. */
static const char *const firmware_dirs32[] = {
    "/usr/share/opensbi", "/usr/lib/riscv32-linux-gnu/opensbi/generic", "/usr/share/qemu",
    NULL};
static const char *const firmware_names32[] = {"opensbi-riscv32-generic-fw_dynamic.bin",
                                               NULL};

static char *copy_path(const char *path, Error **errp) {
    char *copy = strdup(path);
    if (!copy) {
        error_set(errp, "no memory for a path");
    }
    return copy;
}

static char *path_join(const char *dir, size_t dir_len, const char *name) {
    char *path = malloc(dir_len + strlen(name) + 2);
    if (path) {
        memcpy(path, dir, dir_len);
        path[dir_len] = '/';
        strcpy(path + dir_len + 1, name);
    }
    return path;
}

/* DIR/NAME for the first name that can be read there, or NULL. */
static char *find_in_dir(const char *dir, size_t dir_len, const char *const *names) {
    for (; *names; names++) {
        char *path = path_join(dir, dir_len, *names);
        if (path && access(path, R_OK) == 0) {
            return path;
        }
        free(path);
    }
    return NULL;
}

/* Looks through the colon-separated list, then through the fixed directories. */
static char *find_in_dirs(const char *list, const char *const *dirs,
                          const char *const *names) {
    while (list && *list) {
        size_t n = strcspn(list, ":");
        char *path = n ? find_in_dir(list, n, names) : NULL;
        if (path) {
            return path;
        }
        list += n + (list[n] == ':');
    }
    for (; dirs && *dirs; dirs++) {
        char *path = find_in_dir(*dirs, strlen(*dirs), names);
        if (path) {
            return path;
        }
    }
    return NULL;
}

static char *find_default_firmware(const MachineConfig *c, Error **errp) {
    bool rv32 = c->xlen == 32;
    const char *const *dirs = rv32 ? firmware_dirs32 : firmware_dirs64;
    const char *const *names = rv32 ? firmware_names32 : firmware_names64;
    char *path = find_in_dirs(c->data_dirs, dirs, names);
    if (!path) {
        error_set(errp, "no OpenSBI firmware for RV%u found: no %s%s in ", c->xlen,
                  names[0], names[1] ? " or fw_dynamic.bin" : "");
        for (unsigned i = 0; dirs[i]; i++) {
            error_append(errp, i ? ", %s" : "%s", dirs[i]);
        }
        error_append(
            errp, rv32
                      ? "; name one with -bios FILE, or use -bios none"
                      : "; install the package opensbi, name one with -bios FILE, or use "
                        "-bios none");
    }
    return path;
}

/* The file of -bios: as named, or by that name in a data directory. */
static char *find_firmware(const MachineConfig *c, Error **errp) {
    if (!c->bios || !strcmp(c->bios, "default")) {
        return find_default_firmware(c, errp);
    }
    const char *const names[] = {c->bios, NULL};
    char *path = NULL;
    if (access(c->bios, R_OK) != 0 && !strchr(c->bios, '/')) {
        path = find_in_dirs(c->data_dirs,
                            c->xlen == 32 ? firmware_dirs32 : firmware_dirs64, names);
    }
    return path ? path : copy_path(c->bios, errp);
}

/* --- files ----------------------------------------------------------------------- */

/* Owns: takes path. */
static bool file_open(BootFile *f, char *path, Error **errp) {
    f->path = path;
    f->present = path && image_source_open(&f->src, path, errp);
    return f->present;
}

static void file_close(BootFile *f) {
    if (f->present) {
        image_source_close(&f->src);
    }
    free(f->path);
    *f = (BootFile){0};
}

static bool open_firmware(Boot *b, const MachineConfig *c, Error **errp) {
    BootFile *f = &b->firmware;
    if (c->bios && !strcmp(c->bios, "none")) {
        return true;
    }
    const ImagePlace place = {c->xlen, b->ram_base, b->ram_base};
    if (!file_open(f, find_firmware(c, errp), errp) ||
        !image_parse(&f->src, &place, &f->image, errp)) {
        error_prepend(errp, "-bios: ");
        return false;
    }
    return f->image.kind != IMAGE_LINUX ||
           image_parse_raw(&f->src, b->ram_base, &f->image, errp);
}

/* True if a segment of the image holds a byte of [addr, addr + size). */
static bool image_touches(const BootFile *f, hwaddr addr, uint64_t size) {
    for (unsigned i = 0; f->present && i < f->image.count; i++) {
        const ImageSegment *s = &f->image.segment[i];
        if (s->addr < addr + size && addr < s->addr + s->mem_size) {
            return true;
        }
    }
    return false;
}

static bool open_kernel(Boot *b, const MachineConfig *c, Error **errp) {
    BootFile *f = &b->kernel;
    hwaddr free_base = b->ram_base;
    if (b->firmware.present && b->firmware.image.high < ram_end(b) &&
        b->firmware.image.high > b->ram_base) {
        free_base = align_up(b->firmware.image.high, KERNEL_ALIGN(c->xlen));
    }
    const ImagePlace place = {c->xlen, b->ram_base, free_base};
    if (!file_open(f, copy_path(c->kernel, errp), errp) ||
        !image_parse(&f->src, &place, &f->image, errp)) {
        error_prepend(errp, "-kernel: ");
        return false;
    }
    for (unsigned i = 0; i < f->image.count; i++) {
        const ImageSegment *s = &f->image.segment[i];
        if (image_touches(&b->firmware, s->addr, s->mem_size)) {
            error_set(errp,
                      "-kernel: '%s' wants 0x%" PRIx64
                      ", where the firmware is; use -bios none if "
                      "it runs in machine mode, or link it for 0x%" PRIx64,
                      c->kernel, s->addr, free_base);
            return false;
        }
    }
    return true;
}

bool boot_open(Boot *b, Machine *m, Error **errp) {
    const MachineConfig *c = &m->config;
    if (!c->kernel && (c->initrd || (c->append && *c->append))) {
        error_set(errp, "%s needs a -kernel to use it",
                  c->initrd ? "-initrd" : "-append");
        return false;
    }
    if (!open_firmware(b, c, errp) || (c->kernel && !open_kernel(b, c, errp))) {
        return false;
    }
    if (c->initrd && !file_open(&b->initrd, copy_path(c->initrd, errp), errp)) {
        error_prepend(errp, "-initrd: ");
        return false;
    }
    b->start = b->ram_base;
    if (b->flash_start) {
        b->start = b->flash_start;
    } else if (b->firmware.present) {
        b->start = b->firmware.image.entry;
    } else if (b->kernel.present && !image_touches(&b->kernel, b->ram_base, 1)) {
        b->start = b->kernel.image.entry;
    }
    return true;
}

/* --- device tree and initrd ------------------------------------------------------ */

static bool place_fdt(Boot *b, uint64_t size, Error **errp) {
    hwaddr top = ram_end(b);
    if (b->ram_base < FDT_TOP && top > FDT_TOP) {
        top = FDT_TOP;
    }
    hwaddr addr = size < b->ram_size ? align_down(top - size, FDT_ALIGN) : 0;
    if (addr < b->ram_base || image_touches(&b->firmware, addr, size) ||
        image_touches(&b->kernel, addr, size)) {
        addr = size < b->ram_size ? align_down(top - size, PAGE_SIZE) : 0;
    }
    if (addr < b->ram_base || image_touches(&b->firmware, addr, size) ||
        image_touches(&b->kernel, addr, size)) {
        error_set(errp,
                  "the device tree does not fit into %" PRIu64 " KiB of RAM beside the "
                  "kernel; give more with -m",
                  b->ram_size / 1024);
        return false;
    }
    b->fdt_addr = addr;
    return true;
}

/* QEMU's place: far enough above the kernel for it to unpack itself, low enough for small
 * RAM. If it does not fit there, as high as it can be. */
static bool place_initrd(Boot *b, Error **errp) {
    uint64_t size = b->initrd.src.size, half = b->ram_size / 2;
    hwaddr free_base = align_up(b->kernel.image.high, PAGE_SIZE);
    hwaddr addr =
        b->kernel.image.entry + (half < INITRD_DISTANCE ? half : INITRD_DISTANCE);
    addr = align_down(addr, PAGE_SIZE);
    addr = addr > free_base ? addr : free_base;
    if (size > b->fdt_addr || addr > b->fdt_addr - size) {
        addr = size > b->fdt_addr ? 0 : align_down(b->fdt_addr - size, PAGE_SIZE);
    }
    if (addr < free_base) {
        error_set(errp,
                  "-initrd: '%s' (%" PRIu64
                  " MiB) does not fit into RAM between kernel and "
                  "device tree; give more with -m",
                  b->initrd.path, size / MIB);
        return false;
    }
    return image_parse_raw(&b->initrd.src, addr, &b->initrd.image, errp);
}

static int set_chosen(const Boot *b, const char *append) {
    int node = fdt_path_offset(b->fdt, "/chosen");
    if (node == -FDT_ERR_NOTFOUND) {
        node = fdt_add_subnode(b->fdt, 0, "chosen");
    }
    int err = node < 0 ? node : 0;
    if (!err && append && *append) {
        err = fdt_setprop_string(b->fdt, node, "bootargs", append);
    }
    if (!err && b->initrd.present) {
        err = fdt_setprop_u32(b->fdt, node, "linux,initrd-start",
                              (uint32_t)b->initrd.image.low);
    }
    if (!err && b->initrd.present) {
        err = fdt_setprop_u32(b->fdt, node, "linux,initrd-end",
                              (uint32_t)b->initrd.image.high);
    }
    return err;
}

/* The blob of -dtb, checked. */
static uint8_t *read_dtb(const char *path, Error **errp) {
    ImageSource src;
    uint8_t *fdt = NULL;
    if (!image_source_open(&src, path, errp)) {
        error_prepend(errp, "-dtb: ");
        return NULL;
    }
    size_t size = (size_t)src.size;
    if (src.size > FDT_MAX - FDT_ROOM) {
        error_set(errp, "-dtb: '%s' is larger than %u KiB", path,
                  (unsigned)((FDT_MAX - FDT_ROOM) / 1024));
        goto out;
    }
    fdt = malloc(size);
    if (!fdt || !src.read(&src, 0, fdt, size, errp)) {
        goto out_free;
    }
    int err =
        size < sizeof(struct fdt_header) ? -FDT_ERR_TRUNCATED : fdt_check_full(fdt, size);
    if (err) {
        error_set(errp, "-dtb: '%s' is not a device tree blob (%s); make one with dtc",
                  path, fdt_strerror(err));
        goto out_free;
    }
    goto out;

out_free:
    free(fdt);
    fdt = NULL;
out:
    image_source_close(&src);
    return fdt;
}

bool boot_set_fdt(Boot *b, Machine *m, uint8_t *fdt, Error **errp) {
    const MachineConfig *c = &m->config;
    if (c->dtb) {
        free(fdt);
        fdt = read_dtb(c->dtb, errp);
        if (!fdt) {
            return false;
        }
    }
    size_t append_len = c->append ? strlen(c->append) : 0;
    size_t size = align_up(fdt_totalsize(fdt) + append_len + FDT_ROOM, PAGE_SIZE);
    b->fdt = calloc(1, size);
    int err = b->fdt ? fdt_open_into(fdt, b->fdt, (int)size) : -FDT_ERR_NOSPACE;
    free(fdt);
    if (!err) {
        if (!place_fdt(b, size, errp) || (b->initrd.present && !place_initrd(b, errp))) {
            return false;
        }
        err = set_chosen(b, c->append);
    }
    if (err) {
        error_set(errp, "cannot complete the device tree: %s", fdt_strerror(err));
    }
    return !err;
}

bool boot_dump_fdt(const Boot *b, const char *path, Error **errp) {
    size_t size = fdt_totalsize(b->fdt);
    uint8_t *packed = malloc(size);
    if (!packed) {
        error_set(errp, "no memory for the device tree");
        return false;
    }
    memcpy(packed, b->fdt, size);
    fdt_pack(packed);
    size = fdt_totalsize(packed);
    FILE *out = fopen(path, "wb");
    bool ok = out && fwrite(packed, 1, size, out) == size;
    int problem = errno;
    if (out && fclose(out) != 0) {
        problem = errno;
        ok = false;
    }
    if (!ok) {
        error_set_errno(errp, problem, "cannot write the device tree to '%s'", path);
    }
    free(packed);
    return ok;
}

/* A new seed for each boot: the kernel mixes it into its random numbers. */
static void renew_seed(Boot *b, Machine *m) {
    uint8_t seed[RNG_SEED_SIZE];
    int node = fdt_path_offset(b->fdt, "/chosen");
    int len = 0;
    if (node >= 0 && fdt_getprop(b->fdt, node, "rng-seed", &len) &&
        len == RNG_SEED_SIZE) {
        machine_random(m, seed, sizeof(seed));
        fdt_setprop_inplace(b->fdt, node, "rng-seed", seed, sizeof(seed));
    }
}

/* --- into memory ----------------------------------------------------------------- */

enum {
    RESET_CODE_WORDS = 6,
    RESET_VECTOR_SIZE = 40, /* code, then start and fdt as two 64-bit words */
    FW_DYNAMIC_WORDS = 6,
    FW_DYNAMIC_VERSION = 2,
    FW_DYNAMIC_NEXT_MODE_S = 1,
};
#define FW_DYNAMIC_MAGIC UINT64_C(0x4942534f) /* "OSBI" */

static void put_le(uint8_t *p, uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; i++) {
        p[i] = (uint8_t)(value >> 8 * i);
    }
}

/* The boot ROM: the reset vector and, behind it, what OpenSBI's fw_dynamic wants to know.
 */
static bool write_boot_rom(const Boot *b, Machine *m, Error **errp) {
    bool rv32 = m->config.xlen == 32;
    const uint32_t code[RESET_CODE_WORDS] = {
        0x00000297,                     /* auipc t0, 0 */
        0x02828613,                     /* addi  a2, t0, 40      fw_dynamic info */
        0xf1402573,                     /* csrr  a0, mhartid */
        rv32 ? 0x0202a583 : 0x0202b583, /* lw/ld a1, 32(t0)      device tree */
        rv32 ? 0x0182a283 : 0x0182b283, /* lw/ld t0, 24(t0)      start */
        0x00028067,                     /* jr    t0 */
    };
    const uint64_t info[FW_DYNAMIC_WORDS] = {
        FW_DYNAMIC_MAGIC,
        FW_DYNAMIC_VERSION,
        b->kernel.present ? b->kernel.image.entry : 0,
        FW_DYNAMIC_NEXT_MODE_S,
        0, /* options */
        0, /* preferred boot hart */
    };
    uint8_t rom[RESET_VECTOR_SIZE + FW_DYNAMIC_WORDS * 8] = {0};
    unsigned word = rv32 ? 4 : 8;
    for (unsigned i = 0; i < RESET_CODE_WORDS; i++) {
        put_le(rom + 4 * i, code[i], 4);
    }
    put_le(rom + 4 * RESET_CODE_WORDS, b->start, 8);
    put_le(rom + 4 * RESET_CODE_WORDS + 8, b->fdt_addr, 8);
    for (unsigned i = 0; i < FW_DYNAMIC_WORDS; i++) {
        put_le(rom + RESET_VECTOR_SIZE + word * i, info[i], word);
    }
    if (!address_space_write_rom(&m->as, b->rom_base, rom, sizeof(rom))) {
        error_set(errp, "the boot ROM is not mapped at 0x%" PRIx64, b->rom_base);
        return false;
    }
    return true;
}

static bool load_file(const BootFile *f, const char *option, AddressSpace *as, bool fresh,
                      Error **errp) {
    if (f->present && !image_load(&f->src, &f->image, as, fresh, errp)) {
        error_prepend(errp, "%s: ", option);
        return false;
    }
    return true;
}

bool boot_load(Boot *b, Machine *m, Error **errp) {
    bool fresh = !b->loaded;
    if (!load_file(&b->firmware, "-bios", &m->as, fresh, errp) ||
        !load_file(&b->kernel, "-kernel", &m->as, fresh, errp) ||
        !load_file(&b->initrd, "-initrd", &m->as, fresh, errp)) {
        return false;
    }
    renew_seed(b, m);
    if (address_space_write(&m->as, b->fdt_addr, b->fdt, fdt_totalsize(b->fdt)) !=
        MEMTX_OK) {
        error_set(errp, "cannot write the device tree to RAM at 0x%" PRIx64, b->fdt_addr);
        return false;
    }
    b->loaded = true;
    return write_boot_rom(b, m, errp);
}

void boot_close(Boot *b) {
    file_close(&b->firmware);
    file_close(&b->kernel);
    file_close(&b->initrd);
    free(b->fdt);
    b->fdt = NULL;
}
