/* SPDX-License-Identifier: MIT */
/*
 * Backend: how IR becomes something that runs. x86_64 makes host code, interp interprets the ops.
 *
 * Life: init() once a machine (fixed code such as the prologue goes to the head of the code buffer),
 * generate() for each block, enter() from the run loop, link()/unlink()/kill() as blocks come and go.
 */
#ifndef VITRINE_TCG_BACKEND_H
#define VITRINE_TCG_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tcg/ir.h"
#include "tcg/tcg.h"
#include "util/error.h"

/* Code memory, mapped twice: written through rw, run through rx = rw + (rx_base - rw_base). No page is
 * writable and executable in one mapping. */
typedef struct CodeBuffer {
    uint8_t *rw_base;
    const uint8_t *rx_base;
    size_t size;
} CodeBuffer;

bool code_buffer_init(CodeBuffer *cb, size_t size, Error **errp);
void code_buffer_destroy(CodeBuffer *cb);
/* [rx, rx + size) will rarely be written from now on: its pages leave the rw mapping, so that the
 * process does not count them twice. They come back when they are written. */
void code_buffer_settle(const CodeBuffer *cb, const uint8_t *rx, size_t size);
/* Makes the pages that will be written resident at once, instead of by a fault each. */
void code_buffer_prepare(const CodeBuffer *cb, const uint8_t *rx, size_t size);
static inline uint8_t *code_rw(const CodeBuffer *cb, const void *rx) {
    return cb->rw_base + ((const uint8_t *)rx - cb->rx_base);
}

/* What a back end needs to know of the machine, and where it keeps what it made at init. */
typedef struct BackendState {
    CodeBuffer code;
    size_t fixed_size; /* bytes at the head of `code` taken by init(): prologue, thunks */
    int32_t pc_offset; /* of the guest pc in env */
    /* A context whose globals are declared; the same in all contexts. */
    const IrContext *globals;
    bool profile; /* blocks count their runs in tb->run_count, and TcgCpu.accesses */
    /* Blocks take their instructions from icount_left, or return TB_EXIT_REQUEST if those
     * are too many; an instruction that ends a block early gives the rest back. Every
     * entry then tests exit_request. Set before init(). */
    bool icount;
    void *priv; /* the back end's own, from init */
    /* Explain only, else NULL. self: the block whose address the code is to carry instead of that of
     * the one being filled. record: what is noted on the way. */
    const TranslationBlock *self;
    struct GenRecord *record;
} BackendState;

/* Explain: what a piece of host code is for. */
typedef enum CodeKind {
    CODE_MAIN,    /* the op itself */
    CODE_ENTRY,   /* the test of exit_request; counting */
    CODE_SLOW,    /* call of a slow path, and its descriptor */
    CODE_EXIT,    /* an exit slot that is not chained */
    CODE_REQUEST, /* the entry saw exit_request */
    CODE_STOP,    /* the block's own bytes were written: leave */
    CODE_RARE,    /* a rare case: division by 0 or -1, a NaN */
    CODE_DATA,    /* not code: pcs and constants */
    CODE_KIND_COUNT
} CodeKind;

/* Explain: which host bytes an op became. */
typedef struct OpRange {
    uint16_t op;         /* index in ctx->ops; OP_RANGE_NONE: of none of them */
    uint16_t last;       /* made together with `op`, or the same */
    uint32_t begin, end; /* bytes from tb->code */
    bool out_of_line;    /* behind the block */
    uint8_t kind;        /* CodeKind */
} OpRange;
enum { OP_RANGE_NONE = 0xffff };

/* Explain: what becomes of a value in a host register. */
typedef enum RegEvent {
    REG_HOLDS,     /* reg holds temp from here on */
    REG_STORED,    /* it was stored to env and stays in reg */
    REG_SPILLED,   /* it is in the stack slot `slot` from here on, no more in reg */
    REG_HOME,      /* it is in env from here on, no more in reg */
    REG_MOVED,     /* it is in another register from here on */
    REG_DEAD,      /* it is not needed any more, or another value took its place */
    REG_FORGOTTEN, /* a label: where it is differs by the way there */
    REG_EVENT_COUNT
} RegEvent;

typedef struct RegNote {
    uint16_t op; /* index in ctx->ops, after which this holds; OP_RANGE_NONE: at entry */
    TempId temp;
    uint8_t reg;
    uint8_t event; /* RegEvent */
    int16_t slot;
} RegNote;

typedef struct GenRecord {
    RegNote *note;
    unsigned count, max;
} GenRecord;

/* Bytes of a block's code that are written after it was made. */
typedef struct CodePatch {
    uint32_t offset, size;
    int slot; /* exit slot; -1: the entry of a dead block */
} CodePatch;
enum { CODE_PATCHES = 3 };

typedef struct Backend {
    const char *name;
    /* Makes the fixed code; sets fixed_size and priv. */
    bool (*init)(BackendState *bs, Error **errp);
    void (*destroy)(BackendState *bs);
    /* Translates ctx (optimized, with liveness) into at most `space` bytes at rx address `at`. Fills
     * tb->code, code_fast, code_size and jump[].{used,patch_offset,reset_offset}. Returns false if it
     * did not fit (nothing is lost: the caller makes room and calls again). `ranges` (may be NULL)
     * receives up to *range_count entries. */
    bool (*generate)(BackendState *bs, IrContext *ctx, TranslationBlock *tb,
                     const uint8_t *at, size_t space, OpRange *ranges,
                     unsigned *range_count);
    /* Runs from `code` until generated code returns: a TbExit, with the TB for SLOT0/1 in the high
     * bits. env must be complete, and is on return. Swaps the host's FP environment. */
    uintptr_t (*enter)(BackendState *bs, TcgCpu *cpu, const void *code);
    /* Which code a vCPU's thread is at, given its host pc: an address in a block's code, or NULL if it is in
     * none. *helper: it is in C that the block called. Signal handlers may call it, on that thread. */
    const uint8_t *(*place)(const BackendState *bs, const TcgCpu *cpu, uintptr_t host_pc,
                            bool *helper);
    /* Patches exit `slot` of `from` to go to `to`, or back to the run loop. Atomic. */
    void (*link)(BackendState *bs, TranslationBlock *from, unsigned slot,
                 const TranslationBlock *to);
    void (*unlink)(BackendState *bs, TranslationBlock *from, unsigned slot);
    /* Makes the checked entry return TB_EXIT_LOOKUP with env pc = tb->pc. Atomic. */
    void (*kill)(BackendState *bs, TranslationBlock *tb);
    /* The guest's dynamic rounding mode and sticky flags in cpu->fp, between fp_save and fp_load or
     * outside generated code. Flags in RISC-V fflags order. */
    unsigned (*fp_get_flags)(const FpEnv *fp);
    void (*fp_set_flags)(FpEnv *fp, unsigned flags);
    void (*fp_set_round)(FpEnv *fp, unsigned mode); /* FP_MODE_RNE .. FP_MODE_RUP */
    /* One host instruction at p as text, or data among instructions as a line that starts with
     * "; "; returns its length. p: in a block's code, rx; or rw, given a copy of *bs that calls that
     * rx, too. interp: one of its ops. 0: that is none. */
    unsigned (*disassemble)(const BackendState *bs, const uint8_t *p, const uint8_t *end,
                            uint64_t address, char *text, size_t text_size);
    /* Which bytes link(), unlink() and kill() write; returns how many entries. */
    unsigned (*patches)(const TranslationBlock *tb, CodePatch patch[CODE_PATCHES]);
    /* NULL: temps do not live in registers. */
    const char *(*reg_name)(unsigned reg);
    uint8_t code_header; /* generate() at `tb->code - code_header` gives tb->code again */
    bool needs_code_buffer; /* executable memory; interp keeps its ops in plain memory */
} Backend;

extern const Backend backend_x86_64;
extern const Backend backend_interp;

/* "x86_64" or "interp"; NULL: unknown or not in this build. */
const Backend *tcg_backend_find(const char *name);

#endif
