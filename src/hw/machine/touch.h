/* SPDX-License-Identifier: MIT */
/*
 * Touch: what its user does to a machine past the guest's back.
 *
 *   inspector, monitors, gdb --touch_write(), ..--> memory, a register, a device, a reset
 *                                   '--> the gate's port "machine": with -icount it is input, with
 *                                        its count, and comes again in a replay
 *
 * RAM that is only read, and what dev.regs shows, changes nothing and does not come this way; reading a
 * device's register as a hart would may take a byte from it, and does.
 *
 * In the past nothing may be touched: the run would no longer be the one that was.
 *
 * Not modelled: a power button. Board virt has none that the guest could see (machine_powerdown()).
 * Locks: the machine lock; for registers the vCPUs are parked, too. touch_reset() takes the lock.
 * Book: going-back-in-time.md.
 */
#ifndef VITRINE_HW_MACHINE_TOUCH_H
#define VITRINE_HW_MACHINE_TOUCH_H

#include "hw/machine/machine.h"

enum { TOUCH_MAX_BYTES = 1 << 20 };

/* May it be touched now? Errors: a recording is replayed, or the past is run again; what to do. */
bool touch_allowed(Machine *m, Error **errp);
/* As a device's DMA does it. touch_allowed() was asked. */
MemTxResult touch_write(Machine *m, hwaddr addr, const void *buf, uint64_t len);
/* Reads device registers, with what that does to the device. */
MemTxResult touch_read_device(Machine *m, hwaddr addr, void *buf, uint64_t len);
/* Reads whatever is there: RAM at any time, devices if allowed (else MEMTX_ERROR). */
MemTxResult touch_read(Machine *m, hwaddr addr, void *buf, uint64_t len);
/* Writes a register as far as its own rules let it. */
void touch_register(Machine *m, CPUState *cpu, const CpuRegister *reg, uint64_t value);
/* Asks for a reset, which the main loop carries out. Errors: as touch_allowed(). */
bool touch_reset(Machine *m, Error **errp);
/* Makes now a moment of the log, if it is not one: what is before it is the past. */
void touch_mark(Machine *m);
/* Passes by the marks that are next. */
void touch_pass_mark(Machine *m);

/* --- for machine.c and run.c ---------------------------------------------------------- */
GatePort *touch_port_new(Machine *m);
/* A reset is about to be carried out; a user's is noted. False: he asked for it, but somebody went to the
 * past meanwhile, and it may not be. */
bool touch_note_reset(Machine *m, ShutdownCause cause);
/* In the past a user's reset follows, here where the guest has switched itself off: asks for it. False:
 * there is none. */
bool touch_reset_follows(Machine *m);

#endif
