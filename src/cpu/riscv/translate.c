/* SPDX-License-Identifier: MIT */
/*
 * RISC-V front end: the loop that turns guest code into the IR of one block.
 *
 *   fetch 16 or 32 bits -> decode -> trans_NAME() -> ... until the block ends:
 *
 *     jump or branch             goto_tb / goto_pc / goto_ptr
 *     trap, xRET, state change   call + exit_tb
 *     page end, max_insns        goto_tb to the next instruction
 *
 * A branch to a place a little further on does not end it: the code between is
 * translated, too, and the branch goes to a label in the block, or to an exit behind it
 * if the block ends before it gets there:
 *
 *     brcond L; then part; L: rest; goto_tb        brcond L; rest; goto_tb; L: goto_tb
 *
 * Invariants: a block's instructions begin in one page; only the first may reach into the
 * next. Each exit slot is used once; exits beyond TB_MAX_SLOTS go through the jump cache.
 *
 * Threads: the vCPU's own.
 * Spec: RISC-V Unprivileged ISA 20240411.
 */
#include "cpu/riscv/translate.h"

#include "cpu/exec.h"

enum {
    /* more than any instruction makes, with the exits behind the block */
    OPS_PER_INSN = 128,
    TEMPS_PER_INSN = 64,
    LABELS_PER_INSN = 8,
};

typedef bool TransFn(DisasContext *ctx, const RiscvArgs *a);

static TransFn *const trans_fns[RISCV_INSN32_COUNT] = {
#define INSN(id, pattern, format, ext, xlen, trans, form)                                \
    [RISCV_INSN_##id] = trans_##trans,
#define SPEC INSN
#include "cpu/riscv/insn32.def"
#undef INSN
#undef SPEC
};

/* --- guest registers ---------------------------------------------------------------- */
/* In order of how often compiled code uses them: the first ones get host registers. */
static const uint8_t pin_order[] = {15, 14, 10, 13, 2,  8,  11, 12, 9, 1,  16,
                                    17, 18, 19, 20, 21, 22, 23, 24, 6, 28, 7,
                                    29, 25, 5,  30, 31, 26, 27, 4,  3};

_Static_assert(sizeof(pin_order) == 31, "every register but x0 has a rank");

void riscv_declare_globals(const CPUState *cpu, IrContext *ir) {
    (void)cpu;
    unsigned rank[32] = {0};
    for (unsigned i = 0; i < sizeof(pin_order); i++) {
        rank[pin_order[i]] = i + 1;
    }
    for (unsigned r = 1; r < 32; r++) {
        ir_global_new(ir, IR_I64, (int32_t)(offsetof(RiscvEnv, gpr) + 8 * r),
                      riscv_gpr_names[r], rank[r]);
    }
    for (unsigned r = 0; r < 32; r++) {
        ir_global_new(ir, IR_F64, (int32_t)(offsetof(RiscvEnv, fpr) + 8 * r),
                      riscv_fpr_names[r], 0);
    }
}

/* --- exceptions --------------------------------------------------------------------- */
static uint64_t helper_raise(RiscvEnv *env, uint64_t cause, uint64_t tval) {
    riscv_raise(riscv_cpu_of_env(env), (RiscvCause)cause, tval);
    return 0;
}

static const HelperInfo raise_info = {"raise", (void *)helper_raise,
                                      HELPER_FAULTS | HELPER_NO_RETURN_VALUE, 2};

void riscv_raise_inline(DisasContext *ctx, RiscvCause cause, TempId tval) {
    call_helper(ctx, &raise_info, TEMP_NONE, const_i64(ctx, cause), tval, TEMP_NONE,
                TEMP_NONE);
}

void riscv_raise_insn(DisasContext *ctx, RiscvCause cause, uint64_t tval) {
    riscv_raise_inline(ctx, cause, const_i64(ctx, tval));
    riscv_end_exit_pc_stored(ctx, TB_EXIT_STATE);
}

/* An armed execute trigger may want to stop before this instruction. */
static uint64_t helper_check_triggers(RiscvEnv *env, uint64_t pc, uint64_t size) {
    CPUState *cpu = cpu_of_env(env);
    if (cpu->cls->check_watch) {
        cpu->cls->check_watch(cpu, pc, (unsigned)size, ACCESS_FETCH);
    }
    return 0;
}

static const HelperInfo check_triggers_info = {"check_triggers",
                                               (void *)helper_check_triggers,
                                               HELPER_FAULTS | HELPER_NO_RETURN_VALUE, 2};

/* --- ends of a block ---------------------------------------------------------------- */
static bool same_page(vaddr a, vaddr b) {
    return ((a ^ b) >> PAGE_BITS) == 0;
}

void riscv_end_exit_pc_stored(DisasContext *ctx, TbExit reason) {
    ir_exit_tb(ctx->ir, reason);
    ctx->done = true;
}

void riscv_end_exit(DisasContext *ctx, vaddr pc, TbExit reason) {
    env_store_u64(ctx, const_i64(ctx, code_address(ctx, pc)), ENV_OFFSET(pc));
    riscv_end_exit_pc_stored(ctx, reason);
}

void riscv_end_goto(DisasContext *ctx, vaddr pc) {
    pc = code_address(ctx, pc);
    bool remappable = (ctx->flags & TBF_PAGED) && !same_page(pc, ctx->tb->pc);
    /* An instruction there may reach into a page that can be remapped: never chained to. */
    remappable |= (pc & PAGE_OFFSET_MASK) == PAGE_SIZE - 2;
    if (ctx->flags & TBF_TO_DEBUGGER) {
        riscv_end_exit(ctx, pc, TB_EXIT_DEBUG);
    } else if (remappable || ctx->slots == TB_MAX_SLOTS) {
        ir_goto_pc(ctx->ir, pc);
    } else {
        ir_goto_tb(ctx->ir, ctx->slots++, pc);
    }
    ctx->done = true;
}

void riscv_end_goto_ptr(DisasContext *ctx, TempId pc) {
    if (ctx->flags & TBF_TO_DEBUGGER) {
        env_store_u64(ctx, pc, ENV_OFFSET(pc));
        riscv_end_exit_pc_stored(ctx, TB_EXIT_DEBUG);
    } else {
        ir_goto_ptr(ctx->ir, pc);
    }
    ctx->done = true;
}

/* --- branches inside the block ------------------------------------------------------ */
static ForwardTarget *find_forward(const DisasContext *ctx, vaddr pc) {
    for (unsigned i = 0; i < ctx->forward_count; i++) {
        if (ctx->forward[i].pc == pc) {
            return (ForwardTarget *)&ctx->forward[i];
        }
    }
    return NULL;
}

bool riscv_forward_expected(const DisasContext *ctx, vaddr pc) {
    return find_forward(ctx, pc) != NULL;
}

bool riscv_forward_label(DisasContext *ctx, vaddr target, unsigned *label) {
    bool near = target >= ctx->next_pc && target - ctx->pc <= RISCV_FORWARD_REACH &&
                same_page(target, ctx->tb->pc);
    /* With -icount all instructions of a block are executed, or it ends. */
    if (!near || ctx->flags & (TBF_STEP | TBF_TRIGGERS) ||
        cpu_group_icount_enabled(ctx->cpu->group)) {
        return false;
    }
    ForwardTarget *f = find_forward(ctx, target);
    if (!f) {
        if (ctx->forward_count == RISCV_FORWARD_MAX) {
            return false;
        }
        f = &ctx->forward[ctx->forward_count++];
        *f = (ForwardTarget){target, ir_label_new(ctx->ir)};
    }
    *label = f->label;
    return true;
}

/* Before the instruction at ctx->pc: the branches that go there arrive. */
static void join_forward(DisasContext *ctx) {
    ForwardTarget *f = find_forward(ctx, ctx->pc);
    if (f) {
        ir_label(ctx->ir, f->label);
        *f = ctx->forward[--ctx->forward_count];
        ctx->fs_dirty = false;
        ctx->done = false;
    }
}

/* Targets that the block did not reach are left for by exits behind it. */
static void exit_forward(DisasContext *ctx) {
    for (unsigned i = 0; i < ctx->forward_count; i++) {
        ir_label(ctx->ir, ctx->forward[i].label);
        riscv_end_goto(ctx, ctx->forward[i].pc);
    }
}

/* --- the loop ----------------------------------------------------------------------- */
static bool ir_has_room(const IrContext *ir) {
    return ir->op_count + OPS_PER_INSN <= IR_MAX_OPS &&
           ir->temp_count + TEMPS_PER_INSN <= IR_MAX_TEMPS &&
           ir->label_count + LABELS_PER_INSN <= IR_MAX_LABELS &&
           ir->insn_count < IR_MAX_INSNS;
}

/* The instruction at ctx->pc: its bits, 16 or 32 of them. False: it cannot be fetched, or
 * it leaves the page and is not the block's first. */
static bool fetch_insn(DisasContext *ctx) {
    uint16_t low, high = 0;
    bool first = ctx->tb->insns == 0;
    if (!cpu_fetch16(ctx->cpu, ctx->tb, ctx->pc, &low)) {
        return false;
    }
    if (riscv_insn_length(low) == 4) {
        vaddr second = code_address(ctx, ctx->pc + 2);
        if (!first && !same_page(ctx->pc, second)) {
            return false;
        }
        if (!cpu_fetch16(ctx->cpu, ctx->tb, second, &high)) {
            return false;
        }
    }
    ctx->insn = low | (uint32_t)high << 16;
    return true;
}

static void translate_insn(DisasContext *ctx) {
    RiscvInsn insn;
    unsigned length = riscv_insn_length((uint16_t)ctx->insn);
    ctx->next_pc = code_address(ctx, ctx->pc + length);
    ir_insn_start(ctx->ir, ctx->pc);
    bool legal = riscv_decode(ctx->decoder, ctx->insn, &insn);
    ir_insn_length(ctx->ir, length);
    if (ctx->flags & TBF_TRIGGERS) {
        call_helper(ctx, &check_triggers_info, TEMP_NONE, const_i64(ctx, ctx->pc),
                    const_i64(ctx, length), TEMP_NONE, TEMP_NONE);
    }
    if (!legal || !trans_fns[insn.base](ctx, &insn.args)) {
        riscv_raise_insn(ctx, CAUSE_ILLEGAL, ctx->insn);
    }
    ctx->tb->insns++;
    ctx->tb->size = (uint16_t)(ctx->tb->size + length);
    ctx->pc = ctx->next_pc;
}

/* A block of no instruction, for a break point. */
static void translate_break(DisasContext *ctx) {
    enum { LEAST_INSN_BYTES = 2 };
    ir_insn_start(ctx->ir, ctx->pc);
    ir_insn_length(ctx->ir, LEAST_INSN_BYTES);
    ctx->tb->size = LEAST_INSN_BYTES;
    riscv_end_exit(ctx, ctx->pc, TB_EXIT_DEBUG);
}

bool riscv_translate(CPUState *cpu, IrContext *ir, TranslationBlock *tb,
                     unsigned max_insns) {
    RiscvCPU *rcpu = riscv_cpu(cpu);
    DisasContext ctx = {
        .cpu = cpu,
        .cfg = &rcpu->cfg,
        .decoder = rcpu->decoder,
        .ir = ir,
        .tb = tb,
        .flags = tb->flags,
        .pc = tb->pc,
        .mmu_idx = tb->flags >> TBF_MMU_SHIFT & 3,
        .rv32 = rcpu->cfg.xlen == 32,
    };
    if (tb->flags & (TBF_STEP | TBF_TRIGGERS)) {
        max_insns = 1;
    }
    tb->insns = 0;
    tb->size = 0;
    if (!(tb->flags & TBF_TO_DEBUGGER) && debug_find_break(cpu->debug.points, tb->pc)) {
        translate_break(&ctx);
        return true;
    }
    do {
        bool more = tb->insns < max_insns && same_page(ctx.pc, tb->pc) &&
                    ir_has_room(ir) &&
                    !(tb->insns && debug_find_break(cpu->debug.points, ctx.pc));
        if (more && fetch_insn(&ctx)) {
            join_forward(&ctx);
            translate_insn(&ctx);
        } else if (tb->insns == 0) {
            return false;
        } else {
            join_forward(&ctx);
            if (!ctx.done) {
                riscv_end_goto(&ctx, ctx.pc);
            }
            break;
        }
    } while (!ctx.done || riscv_forward_expected(&ctx, ctx.pc));
    exit_forward(&ctx);
    return true;
}
