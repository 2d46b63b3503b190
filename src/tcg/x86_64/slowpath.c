/* SPDX-License-Identifier: MIT */
/*
 * Slow paths: where generated code goes when the inline path does not apply.
 *
 *   cold stub         thunk                            C
 *   call thunk   -->  registers to memory         -->  x86_slow_path(cpu, descriptor)
 *   jmp back     <--  registers from memory, ret  <--  NULL
 *   descriptor        registers from memory, jmp  <--  an address: guest exception, or
 *                                                      the block changed
 *
 * The thunk put the pinned globals in env and the temp registers in saved_gpr/saved_fpr;
 * from there the descriptor's list says which still hold a global that env must get.
 * After that env is the guest's whole state, as an exception or a device may want it.
 */
#include <string.h>
#include <xmmintrin.h>

#include "tcg/x86_64/gen.h"

enum { MXCSR_ROUND_MASK = 0x6000, MXCSR_DEFAULT = 0x1f80 };

static uint8_t *reg_slot(TcgCpu *cpu, const X86Priv *priv, unsigned reg) {
    if (reg >= XMM0) {
        return (uint8_t *)&cpu->saved_fpr[reg - XMM0];
    }
    return (uint8_t *)cpu + priv->reg_offset[reg];
}

/* Two moves: for a count that is not constant compilers make a loop or a call. */
static inline void copy_4_or_8(void *to, const void *from, bool is32) {
    if (is32) {
        memcpy(to, from, 4);
    } else {
        memcpy(to, from, 8);
    }
}

static uint64_t reg_read(TcgCpu *cpu, const X86Priv *priv, unsigned reg) {
    uint64_t v = 0;
    copy_4_or_8(&v, reg_slot(cpu, priv, reg), reg < XMM0 && priv->reg_is32[reg]);
    return v;
}

static void reg_write(TcgCpu *cpu, const X86Priv *priv, unsigned reg, uint64_t v) {
    if (reg != REG_NONE) {
        copy_4_or_8(reg_slot(cpu, priv, reg), &v, reg < XMM0 && priv->reg_is32[reg]);
    }
}

/* Host address for a probe that missed; 0 if the span is not on one page of plain RAM. */
static uint64_t slow_probe(TcgCpu *cpu, vaddr base, const SlowDesc *d) {
    vaddr lo = base + (int64_t)d->disp;
    vaddr last = lo + (uint32_t)d->value - 1;
    if ((lo ^ last) & PAGE_MASK) {
        return 0;
    }
    void *host = cpu->ops->probe(cpu, lo, d->aux);
    return host ? (uint64_t)(uintptr_t)host - (uint64_t)(int64_t)d->disp : 0;
}

static bool slow_access(TcgCpu *cpu, const SlowDesc *d, const X86Priv *priv, vaddr base) {
    vaddr addr = base + (uint64_t)(int64_t)d->disp;
    uint64_t old = 0, value = d->value_reg == REG_NONE
                                  ? (uint64_t)(int64_t)d->value
                                  : reg_read(cpu, priv, d->value_reg);
    bool ok;
    switch ((SlowKind)d->kind) {
    case SLOW_LOAD:
        ok = cpu->ops->load(cpu, addr, d->aux, &old);
        break;
    case SLOW_STORE:
        return cpu->ops->store(cpu, addr, d->aux, value);
    case SLOW_RMW:
        ok = cpu->ops->rmw(cpu, addr, d->aux, (IrRmw)d->cond, value, &old);
        break;
    case SLOW_CAS:
        ok = cpu->ops->cas(cpu, addr, d->aux, value, reg_read(cpu, priv, d->value2_reg),
                           &old);
        break;
    case SLOW_PROBE:
        old = slow_probe(cpu, base, d);
        ok = true;
        break;
    case SLOW_FP:
    default:
        return true;
    }
    if (ok) {
        reg_write(cpu, priv, d->out_reg, old);
    }
    return ok;
}

static void slow_fp(TcgCpu *cpu, const SlowDesc *d, const X86Priv *priv) {
    const uint8_t regs[3] = {d->value_reg, d->value2_reg, d->value3_reg};
    uint64_t in[3] = {0};
    for (unsigned i = 0; i < 3; i++) {
        if (regs[i] != REG_NONE) {
            in[i] = reg_read(cpu, priv, regs[i]);
        }
    }
    reg_write(cpu, priv, d->out_reg, x86_soft_fp(d, in));
}

static const void *to_rx(const X86Priv *priv, const uint8_t *thunk) {
    return thunk + priv->rx_delta;
}

/* The block ends behind this instruction: those ahead were not executed. */
static void give_back(TcgCpu *cpu, const X86Priv *priv) {
    if (priv->icount) {
        cpu->icount_left += cpu->icount_ahead;
    }
}

const void *x86_slow_path(TcgCpu *cpu, const uint8_t *desc, const X86Priv *priv) {
    const SlowDesc *d = (const SlowDesc *)desc;
    if (d->kind == SLOW_FP) {
        slow_fp(cpu, d, priv);
        return NULL;
    }
    uint8_t *env = tcg_cpu_env(cpu);
    TranslationBlock *tb;
    memcpy(&tb, desc - d->tb_offset - sizeof(tb), sizeof(tb));
    cpu->current_tb = tb;
    cpu->icount_ahead = d->insns_ahead;
    vaddr pc = tb->pc + (vaddr)(int64_t)d->pc;
    memcpy(env + priv->pc_offset, &pc, sizeof(pc));
    for (unsigned i = 0; i < d->dirty_count; i++) {
        copy_4_or_8(env + d->dirty[i].offset, reg_slot(cpu, priv, d->dirty[i].reg),
                    d->dirty[i].bytes == 4);
    }
    /* Devices may use the host's FPU: it is theirs without the guest's rounding mode, and
     * flags they raise are not the guest's. */
    unsigned guest_csr = _mm_getcsr();
    if (guest_csr & MXCSR_ROUND_MASK) {
        _mm_setcsr(MXCSR_DEFAULT);
    }
    uint64_t base = reg_read(cpu, priv, d->addr_reg);
    bool ok = slow_access(cpu, d, priv, base);
    if (_mm_getcsr() != guest_csr) {
        _mm_setcsr(guest_csr);
    }
    if (!ok) {
        cpu->fault_taken = 0;
        give_back(cpu, priv);
        return to_rx(priv, priv->thunk.lookup);
    }
    if (cpu->stop_after && d->stop != STOP_LATER) {
        cpu->stop_after = 0;
        if (d->stop == STOP_HERE) {
            pc += d->insn_bytes;
            give_back(cpu, priv);
            memcpy(env + priv->pc_offset, &pc, sizeof(pc));
            return to_rx(priv, priv->thunk.exit_lookup);
        }
    }
    return NULL;
}
