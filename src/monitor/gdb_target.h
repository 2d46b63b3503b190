/* SPDX-License-Identifier: MIT */
/*
 * GdbTarget: a RISC-V hart as gdb numbers it.
 *
 *   0..31 x0..x31   32 pc   33..64 f0..f31   65 + n  CSR n   4161 priv
 *
 * The numbers are those that gdb gives on its own, so that a gdb that ignores target
 * descriptions gets along, too.
 *
 * Spec: GDB manual, appendix G.5.9 "RISC-V Features".
 * Locks: the vCPUs are parked and the machine lock is held.
 */
#ifndef VITRINE_MONITOR_GDB_TARGET_H
#define VITRINE_MONITOR_GDB_TARGET_H

#include "hw/machine/machine.h"
#include "monitor/gdb_packet.h"

enum {
    GDB_REG_PC = 32,
    GDB_REG_FPR0 = 33,
    GDB_REG_CSR0 = 65,
    GDB_CSR_COUNT = 4096,
    GDB_REG_PRIV = GDB_REG_CSR0 + GDB_CSR_COUNT,
    /* What a `g` packet holds; gdb asks for the others by `p`. */
    GDB_REGS_OF_G = GDB_REG_PC + 1,
};

/* target.xml */
void gdb_target_describe(const CPUState *cpu, GdbBuffer *out);
/* Bytes of a register; 0: there is none of this number. */
unsigned gdb_target_reg_size(const CPUState *cpu, unsigned n);
/* Little endian. False: no such register; it cannot be written, or not now (hw/machine/touch.h). */
bool gdb_target_read_reg(CPUState *cpu, unsigned n, uint64_t *value);
bool gdb_target_write_reg(Machine *m, CPUState *cpu, unsigned n, uint64_t value);
/* "M-mode, waits for an interrupt" */
void gdb_target_describe_state(const CPUState *cpu, GdbBuffer *out);
/* Addresses as the hart has them: RV32 has no upper half. */
vaddr gdb_target_address(const CPUState *cpu, uint64_t addr);

#endif
