/* SPDX-License-Identifier: MIT */
/*
 * Guest code, whatever its bytes: decoder, translator, passes and both back ends. Blocks that call no
 * helper with effects are run, too, and must leave the same state under both.
 *
 * Input: mode, registers' seed, then code.
 */
#include "fuzz.h"

/* The rig checks with cmocka's assertions, which end the process here. */
#include "cpu/riscv_rig.h"

enum { MAX_INSNS = 80, BACKENDS = 2 };

static Rig *rigs[2][BACKENDS]; /* by XLEN, back end */

static void make_rigs(void) {
    static const Backend *const backends[BACKENDS] = {&backend_interp, &backend_x86_64};
    for (unsigned x = 0; x < 2; x++) {
        for (unsigned b = 0; b < BACKENDS; b++) {
            rigs[x][b] = rig_new(x ? 32 : 64, backends[b]);
        }
    }
}

static void generate(Rig *rig) {
    ir_optimize(rig->ir);
    ir_liveness(rig->ir);
    const uint8_t *at = rig->bs.code.rx_base + ((rig->bs.fixed_size + 63) & ~(size_t)63);
    size_t space = rig->bs.code.size - (size_t)(at - rig->bs.code.rx_base);
    assert_true(
        rig->backend->generate(&rig->bs, rig->ir, &rig->tb, at, space, NULL, NULL));
}

static bool may_run(const IrContext *ir) {
    for (unsigned i = 0; i < ir->op_count; i++) {
        const IrOp *op = &ir->ops[i];
        if (op->opcode == IR_call && !(ir_call_helper(op)->flags & HELPER_PURE)) {
            return false;
        }
    }
    return true;
}

/* The same state in both: integers that are often addresses in the rig's RAM, floats of all kinds. */
static void fill_state(Rig *rig, uint64_t seed) {
    RiscvEnv *env = &rig->cpu->env;
    for (unsigned i = 0; i < 64; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t v =
            seed >> 40 & 1 ? DATA_BASE + (seed >> 50 & 0xfff) : seed >> (seed & 63);
        if (i < 32) {
            env->gpr[i] = i == 0                     ? 0
                          : rig->cpu->cfg.xlen == 32 ? (uint64_t)(int32_t)v
                                                     : v;
        } else {
            env->fpr[i - 32] = seed & 3 ? v | 0xffffffff00000000 : v << (seed >> 8 & 63);
        }
    }
    for (unsigned i = 0; i < PAGE_SIZE; i++) {
        rig->ram[i] = (uint8_t)(i * 7 + seed);
    }
    rig->backend->fp_set_flags(&rig->cpu->parent.tcg.fp, seed & 31);
    rig->backend->fp_set_round(&rig->cpu->parent.tcg.fp, (unsigned)(seed >> 8) % 4);
    env->frm = (seed >> 8) % 4;
    rig->cpu->parent.tcg.reservation_addr = UINT64_MAX;
    CpuTlb *tlb = &rig->cpu->parent.tcg.tlb;
    tlb_flush_first(tlb);
    if (seed >> 20 & 1) { /* the inline path of loads and stores, too */
        tlb_fill(tlb, DATA_BASE, MMU_M, DATA_BASE, PROT_R | PROT_W, rig->ram, NULL, 0);
    }
}

static void compare(Rig *a, Rig *b, IrContext *ir) {
    const RiscvEnv *x = &a->cpu->env, *y = &b->cpu->env;
    unsigned fa = a->backend->fp_get_flags(&a->cpu->parent.tcg.fp);
    unsigned fb = b->backend->fp_get_flags(&b->cpu->parent.tcg.fp);
    if (memcmp(x->gpr, y->gpr, sizeof(x->gpr)) ||
        memcmp(x->fpr, y->fpr, sizeof(x->fpr)) || x->pc != y->pc ||
        memcmp(a->ram, b->ram, sizeof(a->ram)) || fa != fb || a->exit != b->exit) {
        for (unsigned i = 0; i < 32; i++) {
            fprintf(stderr, "x%u %016llx %016llx  f%u %016llx %016llx\n", i,
                    (unsigned long long)x->gpr[i], (unsigned long long)y->gpr[i], i,
                    (unsigned long long)x->fpr[i], (unsigned long long)y->fpr[i]);
        }
        fprintf(stderr, "pc %llx %llx flags %x %x exit %d %d\n",
                (unsigned long long)x->pc, (unsigned long long)y->pc, fa, fb, a->exit,
                b->exit);
        ir_dump(ir, stderr);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!rigs[0][0]) {
        make_rigs();
    }
    FuzzInput in = {data, data + size};
    uint8_t mode = fuzz_u8(&in);
    uint64_t seed = fuzz_take(&in, 4);
    unsigned fs = mode >> 1 & 3;
    uint32_t flags = (RIG_FLAGS & ~(uint32_t)(3 << TBF_FS_SHIFT)) | fs << TBF_FS_SHIFT;
    vaddr pc = CODE_BASE + PAGE_SIZE - 2 * (vaddr)(mode >> 4) * 8;
    size_t n = fuzz_left(&in) < 1024 ? fuzz_left(&in) : 1024;
    bool run = true;
    for (unsigned b = 0; b < BACKENDS; b++) {
        Rig *rig = rigs[mode & 1][b];
        memset(rig->code, 0, sizeof(rig->code));
        memcpy(rig->code + (pc - CODE_BASE), in.p, n);
        unsigned max = MAX_INSNS;
        bool fetched;
        do {
            fetched = rig_translate(rig, pc, flags, max);
            max /= 2;
        } while (fetched && rig->ir->overflow && max);
        if (!fetched) {
            return 0;
        }
        run = run && fs && may_run(rig->ir);
        fill_state(rig, seed);
        rig->cpu->env.pc = pc;
        if (run) {
            rig_run(rig);
        } else {
            generate(rig);
        }
    }
    if (run) {
        compare(rigs[mode & 1][0], rigs[mode & 1][1], rigs[mode & 1][1]->ir);
    }
    return 0;
}
