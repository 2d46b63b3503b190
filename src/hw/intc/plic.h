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

/* --- for the inspector; Locks: the machine lock --- */

typedef struct PlicSource {
    bool level, pending, in_service;
    uint32_t priority;
    uint64_t raised, claimed; /* how often since the machine was made */
} PlicSource;

/* One context, as it concerns one source. */
typedef struct PlicContext {
    bool enabled; /* the source, here */
    uint32_t threshold;
    unsigned best; /* the source a claim would return, 0: none */
    bool output;   /* the line to the hart ... */
    IrqLine line;  /* ... which leads here */
} PlicContext;

/* False: there is no such source or context. */
bool plic_source_info(const Device *dev, unsigned source, PlicSource *info);
bool plic_context_info(const Device *dev, unsigned context, unsigned source,
                       PlicContext *info);
/* The input a line leads to, or 0 if it does not lead to this PLIC. */
unsigned plic_source_of(const Device *dev, const IrqLine *line);

#endif
