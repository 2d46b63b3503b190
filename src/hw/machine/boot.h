/* SPDX-License-Identifier: MIT */
/*
 * Boot: what a RISC-V board puts into memory before the first instruction.
 *
 *   boot ROM     reset vector: a0 = hart, a1 = device tree, a2 = &fw_dynamic_info,
 *                jump to `start`
 *   RAM + 0      firmware (OpenSBI)              [-bios]
 *   RAM + 2 MiB  kernel                          [-kernel]
 *     + 128 MiB  initrd, or half of RAM          [-initrd]
 *   top          device tree, 2 MiB aligned, below 3 GiB
 *
 * boot_open() finds, checks and places; boot_load() writes, at start and again at each
 * reset, from the files themselves (the guest may have overwritten its copies, and
 * keeping ours would cost their size).
 */
#ifndef VITRINE_HW_MACHINE_BOOT_H
#define VITRINE_HW_MACHINE_BOOT_H

#include "hw/machine/loader.h"
#include "hw/machine/machine.h"

typedef struct BootFile {
    char *path;
    ImageSource src;
    Image image;
    bool present;
} BootFile;

typedef struct Boot {
    /* set by the board before boot_open() */
    hwaddr rom_base;
    hwaddr ram_base;
    uint64_t ram_size;
    hwaddr flash_start; /* where to begin instead of in RAM: a flash with firmware; 0:
                           none */
    /* found */
    BootFile firmware, kernel, initrd;
    hwaddr start; /* where the reset vector jumps to */
    uint8_t *fdt; /* its totalsize includes room for what firmware adds */
    hwaddr fdt_addr;
    bool loaded; /* once already */
} Boot;

bool boot_open(Boot *b, Machine *m, Error **errp);
/* Takes the board's tree, or reads -dtb instead; adds what is known only now (bootargs,
 * initrd). Owns: takes fdt (malloc). */
bool boot_set_fdt(Boot *b, Machine *m, uint8_t *fdt, Error **errp);
bool boot_dump_fdt(const Boot *b, const char *path, Error **errp);
bool boot_load(Boot *b, Machine *m, Error **errp);
void boot_close(Boot *b);

#endif
