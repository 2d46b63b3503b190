/* SPDX-License-Identifier: MIT */
/* The slow paths of guest accesses: the functions behind TcgCpuOps. */
#ifndef VITRINE_CPU_SOFTMMU_H
#define VITRINE_CPU_SOFTMMU_H

#include "cpu/cpu.h"

bool softmmu_load(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t *value);
bool softmmu_store(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t value);
bool softmmu_rmw(TcgCpu *tcg, vaddr addr, unsigned aux, IrRmw rmw, uint64_t value,
                 uint64_t *old);
bool softmmu_cas(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t expected,
                 uint64_t desired, uint64_t *old);
void *softmmu_probe(TcgCpu *tcg, vaddr addr, unsigned aux);

#endif
