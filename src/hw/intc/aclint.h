/* SPDX-License-Identifier: MIT */
/* ACLINT: how the board wires the machine timer and the software interrupts to the harts.
 */
#ifndef VITRINE_HW_INTC_ACLINT_H
#define VITRINE_HW_INTC_ACLINT_H

#include "hw/device.h"

enum {
    ACLINT_MAX_HARTS = 8,
    ACLINT_SWI_SIZE = 0x4000,
    ACLINT_MTIMER_SIZE = 0x8000,
    ACLINT_TIMEBASE_HZ = 10000000,
};

/* Connect the MSIP or MTIP of a hart; harts are those that were connected before realize.
 */
void aclint_swi_connect(Device *dev, unsigned hart, IrqLine line);
void aclint_mtimer_connect(Device *dev, unsigned hart, IrqLine line);
/* Called after the guest wrote mtime: deadlines that were made from it are void. */
void aclint_mtimer_on_time_change(Device *dev, void (*fn)(void *opaque), void *opaque);
/* mtime in ticks; opaque is the Device. Threads: any. */
uint64_t aclint_mtimer_read_time(void *opaque);

#endif
