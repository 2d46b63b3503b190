/* SPDX-License-Identifier: MIT */
/* PLIC: how the board wires devices to the interrupt controller, and it to the harts. */
#ifndef VITRINE_HW_INTC_PLIC_H
#define VITRINE_HW_INTC_PLIC_H

#include "hw/device.h"

enum {
    PLIC_SOURCES = 96, /* 1 to 96; 0 means "none" */
    PLIC_MAX_CONTEXTS = 16,
    PLIC_SIZE = 0x600000,
};

/* Connects the output of a context; contexts are those that were connected before
 * realize. */
void plic_connect(Device *dev, unsigned context, IrqLine line);
/* The input a device's interrupt line is wired to. */
IrqLine plic_input(Device *dev, unsigned source);

#endif
