/* SPDX-License-Identifier: MIT */
/* Run: parts of machine_run() that machine_new() and machine_free() need. Inside
 * src/hw/machine. */
#ifndef VITRINE_HW_MACHINE_RUN_H
#define VITRINE_HW_MACHINE_RUN_H

#include "hw/machine/machine.h"

void run_init(Machine *m); /* hooks requests into the main loop */
void run_exit(Machine *m);
bool run_holds_lock(Machine *m); /* this thread has the machine lock */
/* Gives up the machine lock however often this thread holds it; returns how often. */
unsigned run_release_lock(Machine *m);
void run_retake_lock(Machine *m, unsigned depth);
/* Resets devices and vCPUs and reloads the boot state. The vCPUs are parked. */
bool run_reset_locked(Machine *m, Error **errp);

#endif
