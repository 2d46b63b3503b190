/* SPDX-License-Identifier: MIT */
/*
 * PMP: physical memory protection, 16 entries, granularity 4 bytes.
 *
 *   pmpcfg, pmpaddr --riscv_pmp_update()--> [first, last] of each entry
 *   address --the lowest-numbered entry that matches decides--> rights, and the interval
 *                                                               around the address with
 *                                                               the same answer: remembered
 *
 * An access that leaves its interval fails: past the end some entry matches a part of it
 * and not all, which fails "irrespective of the L, R, W, and X bits", so in M mode too.
 *
 * An S or U access that no entry matches fails.
 *
 * Invariants: env->pmp_first/last are those of pmpcfg and pmpaddr; a change flushes the
 * TLB.
 * Spec: Privileged Architecture 20240411, 3.7.
 */
#include "cpu/riscv/bits.h"
#include "cpu/riscv/cpu.h"

enum { PMPADDR_SHIFT = 2, CSR_PMPCFG0 = 0x3a0, CSR_PMPADDR0 = 0x3b0, CFG_BITS = 8 };
#define PMPADDR_MASK_64 ((UINT64_C(1) << 54) - 1)
#define PMPADDR_MASK_32 UINT64_C(0xffffffff)

_Static_assert((int)PMP_R == (int)PROT_R && (int)PMP_W == (int)PROT_W &&
                   (int)PMP_X == (int)PROT_X,
               "pmpcfg's rights are PROT_*");

static unsigned pmp_mode(uint8_t cfg) {
    return (cfg & PMP_A) >> PMP_A_SHIFT;
}

static void entry_update(RiscvEnv *env, unsigned i) {
    hwaddr end = env->pmpaddr[i] << PMPADDR_SHIFT;
    hwaddr first = 1, last = 0; /* nothing */
    switch (pmp_mode(env->pmpcfg[i])) {
    case PMP_TOR: {
        hwaddr begin = i ? env->pmpaddr[i - 1] << PMPADDR_SHIFT : 0;
        if (begin < end) {
            first = begin;
            last = end - 1;
        }
        break;
    }
    case PMP_NA4:
        first = end;
        last = end + 3;
        break;
    case PMP_NAPOT: {
        /* n trailing ones: 2^(n+3) bytes */
        hwaddr ones = env->pmpaddr[i] ^ (env->pmpaddr[i] + 1);
        first = (env->pmpaddr[i] & ~ones) << PMPADDR_SHIFT;
        last = first + (ones << PMPADDR_SHIFT) + 3;
        break;
    }
    default: /* PMP_OFF */
        break;
    }
    env->pmp_first[i] = first;
    env->pmp_last[i] = last;
}

void riscv_pmp_update(RiscvCPU *cpu) {
    RiscvEnv *env = &cpu->env;
    env->pmp_active = env->pmp_locked = 0;
    for (unsigned i = 0; i < RISCV_PMP_COUNT; i++) {
        entry_update(env, i);
        if (pmp_mode(env->pmpcfg[i]) != PMP_OFF) {
            env->pmp_active++;
            env->pmp_locked += env->pmpcfg[i] & PMP_L ? 1 : 0;
        }
    }
    for (unsigned m = 0; m < 2; m++) {
        cpu->mmu.pmp_first[m] = 1;
        cpu->mmu.pmp_last[m] = 0;
    }
    riscv_tlb_flush_all(cpu);
    riscv_update_flags(
        cpu); /* TBF_PAGED: chains may not outlive the rights of the next page */
}

/* Finds the interval around `addr` with the same rights, and these. */
static void pmp_search(RiscvCPU *cpu, hwaddr addr, bool machine) {
    const RiscvEnv *env = &cpu->env;
    hwaddr low = 0, high = UINT64_MAX;
    unsigned prot = machine ? PROT_R | PROT_W | PROT_X : 0; /* if no entry matches */
    int entry = -1;
    for (unsigned i = 0; i < RISCV_PMP_COUNT; i++) {
        hwaddr first = env->pmp_first[i], last = env->pmp_last[i];
        if (first > last) {
            continue;
        }
        if (last < addr) {
            low = last >= low ? last + 1 : low;
        } else if (first > addr) {
            high = first <= high ? first - 1 : high;
        } else {
            low = first > low ? first : low;
            high = last < high ? last : high;
            entry = (int)i;
            if (!machine || env->pmpcfg[i] & PMP_L) {
                prot = env->pmpcfg[i] & (PROT_R | PROT_W | PROT_X);
            }
            break;
        }
    }
    cpu->mmu.pmp_first[machine] = low;
    cpu->mmu.pmp_last[machine] = high;
    cpu->mmu.pmp_prot[machine] = (uint8_t)prot;
    cpu->mmu.pmp_entry[machine] = (int8_t)entry;
}

unsigned riscv_pmp_check(RiscvCPU *cpu, hwaddr addr, unsigned size, unsigned priv,
                         bool *whole_page) {
    bool machine = priv == PRV_M;
    const RiscvMmuCache *mmu = &cpu->mmu;
    if (addr < mmu->pmp_first[machine] || addr > mmu->pmp_last[machine]) {
        pmp_search(cpu, addr, machine);
    }
    hwaddr page = addr & PAGE_MASK, last = mmu->pmp_last[machine];
    *whole_page = mmu->pmp_first[machine] <= page && last >= (page | PAGE_OFFSET_MASK);
    return last - addr >= size - 1 ? mmu->pmp_prot[machine] : 0;
}

/* --- the registers ------------------------------------------------------------------ */
/* pmpcfg registers hold 4 entries each on RV32; RV64 has the even ones, of 8. */
static unsigned cfg_entries(const RiscvCPU *cpu) {
    return riscv_is_rv32(cpu) ? 4 : 8;
}

uint64_t riscv_pmp_read(RiscvCPU *cpu, unsigned csr) {
    const RiscvEnv *env = &cpu->env;
    uint64_t value = 0;
    if (csr >= CSR_PMPADDR0) {
        value = env->pmpaddr[csr - CSR_PMPADDR0];
    } else {
        unsigned first = (csr - CSR_PMPCFG0) * 4;
        for (unsigned i = 0; i < cfg_entries(cpu); i++) {
            value |= (uint64_t)env->pmpcfg[first + i] << (i * CFG_BITS);
        }
    }
    return riscv_is_rv32(cpu) ? (uint64_t)(int64_t)(int32_t)value : value;
}

static void cfg_write(RiscvEnv *env, unsigned i, uint8_t value) {
    if (env->pmpcfg[i] & PMP_L) {
        return;
    }
    value &= PMP_CFG_WRITABLE;
    if (!(value & PMP_R)) {
        value &= (uint8_t)~PMP_W; /* W without R is reserved */
    }
    env->pmpcfg[i] = value;
}

/* An address is locked by its own entry, and by the next if that is TOR and locked. */
static bool addr_locked(const RiscvEnv *env, unsigned i) {
    if (env->pmpcfg[i] & PMP_L) {
        return true;
    }
    return i + 1 < RISCV_PMP_COUNT && (env->pmpcfg[i + 1] & PMP_L) &&
           pmp_mode(env->pmpcfg[i + 1]) == PMP_TOR;
}

void riscv_pmp_write(RiscvCPU *cpu, unsigned csr, uint64_t value) {
    RiscvEnv *env = &cpu->env;
    if (csr >= CSR_PMPADDR0) {
        unsigned i = csr - CSR_PMPADDR0;
        if (!addr_locked(env, i)) {
            env->pmpaddr[i] =
                value & (riscv_is_rv32(cpu) ? PMPADDR_MASK_32 : PMPADDR_MASK_64);
        }
    } else {
        unsigned first = (csr - CSR_PMPCFG0) * 4;
        for (unsigned i = 0; i < cfg_entries(cpu); i++) {
            cfg_write(env, first + i, (uint8_t)(value >> (i * CFG_BITS)));
        }
    }
    riscv_pmp_update(cpu);
}
