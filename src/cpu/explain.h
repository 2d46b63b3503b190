/* SPDX-License-Identifier: MIT */
/*
 * Explain: how one translation block came to be, by making it once more with everything written down.
 *
 *   block: key, guest bytes, host bytes --copied under tb_lock--> explainer: a vCPU that never runs
 *                                                                    |  front end, passes, back end
 *                      host bytes of the block <--equal?-- host bytes made at "the same address"
 *
 * The second block is written to private memory at the first one's offset in a private code buffer, so
 * all distances, and with the block's own address in its place all addresses, are the same. If every byte
 * is the same (but for those that chaining and death have written) then what was written down is how it
 * came to be.
 *
 * Threads: one at a time; guests may run. Locks: takes tb_lock while it copies.
 */
#ifndef VITRINE_CPU_EXPLAIN_H
#define VITRINE_CPU_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/exec.h"
#include "mem/ramblock.h"
#include "tcg/census.h"
#include "tcg/stages.h"
#include "util/error.h"

typedef struct CpuExplainer CpuExplainer;

/* For the blocks of `g`, made from `rams`; both outlive it. Some MiB of address space. */
CpuExplainer *cpu_explainer_new(CpuGroup *g, const RamList *rams, Error **errp);
void cpu_explainer_free(CpuExplainer *ex);

enum { EXPLAIN_INSN_BYTES = 16 };

typedef struct ExplainInsn {
    vaddr pc;
    uint8_t length;
    uint8_t bytes[EXPLAIN_INSN_BYTES];
} ExplainInsn;

/* Bytes that are not compared, and why: they are written while the block lives. */
typedef struct ExplainMask {
    CodePatch patch;
    uint64_t to; /* born of the block that the exit is chained to; 0: none */
} ExplainMask;

typedef struct Explanation {
    TbRecord tb;
    bool identical;
    bool size_differs;         /* not identical, already in length */
    uint32_t first_difference; /* not identical: from tb->code */
    unsigned different_bytes;
    const char *doubt; /* not identical: why that may be; a sentence */
    ExplainMask mask[CODE_PATCHES];
    unsigned mask_count;
    ExplainInsn *insn;
    unsigned insn_count;
    IrStages stages;
    uint8_t *code; /* as generated: no exit chained */
    uint32_t code_size;
    OpRange *range; /* in order of `begin`; op is an index of the last stage */
    unsigned range_count;
    RegNote *note;
    unsigned note_count;
} Explanation;

/* Explains the block that was born as number `born`, alive or dead. Errors: there is no such block any
 * more; it was not made from RAM; its bytes are others by now and do not make a block. Owns: the caller
 * calls explanation_free(). */
Explanation *cpu_explain(CpuExplainer *ex, uint64_t born, Error **errp);
void explanation_free(Explanation *e);

/* The guest instruction's text; returns its length. */
unsigned explain_guest_text(const CpuExplainer *ex, const ExplainInsn *insn, char *text,
                            size_t size);
/* Its fields; returns how many. */
unsigned explain_guest_fields(const CpuExplainer *ex, const ExplainInsn *insn,
                              InsnField *field, unsigned max);
/* The name of its row in the decode table, or NULL. */
const char *explain_guest_row(const CpuExplainer *ex, const ExplainInsn *insn);
/* The host instruction (or the descriptor, or interpreted op) at `offset` of e->code, not beyond `end`:
 * returns its length. */
unsigned explain_host_text(const CpuExplainer *ex, const Explanation *e, uint32_t offset,
                           uint32_t end, char *text, size_t size);
const char *explain_reg_name(const CpuExplainer *ex, unsigned reg);

/* "main", "slow path", ... */
const char *explain_code_kind(CodeKind kind);
const char *explain_reg_event(RegEvent event);

#endif
