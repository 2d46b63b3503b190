/* SPDX-License-Identifier: MIT */
/*
 * Virt: the board "RISC-V VirtIO board", made of what is convenient to emulate; and its
 * memory map, from which both the devices and the device tree are made.
 */
#ifndef VITRINE_HW_MACHINE_VIRT_H
#define VITRINE_HW_MACHINE_VIRT_H

#include "cpu/riscv/cpu.h"
#include "hw/machine/boot.h"
#include "hw/machine/machine.h"

/* A row of the memory map. */
typedef struct VirtPart {
    const char *node; /* of the device tree, without the address; NULL: none of its own */
    hwaddr base;
    uint64_t size;          /* of one; the device may answer in less */
    unsigned irq;           /* PLIC source of the first, 0: none */
    unsigned count;         /* so many, one after the other */
    const char *compatible; /* several are separated by NUL */
    size_t compatible_size;
} VirtPart;

enum {
    VIRT_DEBUG,
    VIRT_MROM,
    VIRT_TEST,
    VIRT_RTC,
    VIRT_CLINT,
    VIRT_PLIC,
    VIRT_UART0,
    VIRT_VIRTIO,
    VIRT_FW_CFG,
    VIRT_FLASH,
    VIRT_DRAM,
    VIRT_PART_COUNT
};

extern const VirtPart virt_memmap[VIRT_PART_COUNT];
extern const MachineClass virt_machine_class;

typedef struct VirtBoard {
    RiscvConfig cpu_config;
    Boot boot;
} VirtBoard;

/* The device tree of the board. Owns: the caller frees it. Source: the bindings named by
 * each node's `compatible`; node names and property values are QEMU's. */
uint8_t *virt_make_fdt(const Machine *m, Error **errp);

#endif
