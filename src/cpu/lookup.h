/* SPDX-License-Identifier: MIT */
/* From a guest pc to a translation block: fetch translation, jump cache, hash, translation. */
#ifndef VITRINE_CPU_LOOKUP_H
#define VITRINE_CPU_LOOKUP_H

#include "cpu/cpu.h"

/* The live block for the vCPU's pc and flags, or NULL if there is none yet. Fills the jump cache.
 * Called with in_code raised, so that no block is evicted meanwhile. */
TranslationBlock *cpu_lookup_block(CPUState *cpu);
/* The same as TcgCpuOps.lookup: the block's code. */
const void *cpu_lookup_code(TcgCpu *tcg);
/* Makes the block for the vCPU's pc and flags. NULL: the fetch faulted; the exception was delivered.
 * Called with in_code raised, between blocks and without locks. */
TranslationBlock *cpu_translate_block(CPUState *cpu);
/* Front end and passes, for tb->pc and tb->flags, from the page `first`: the IR is in cpu->ir. False: the
 * fetch faulted and the exception was delivered. */
bool cpu_build_ir(CPUState *cpu, TranslationBlock *tb, const FetchPage *first,
                  unsigned max_insns);

/* The same for its first max_insns instructions, to be run once. */
TranslationBlock *cpu_translate_short_block(CPUState *cpu, unsigned max_insns);

#endif
