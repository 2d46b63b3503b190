/* SPDX-License-Identifier: MIT */
/*
 * Registers of a hart by name, for expressions and completion: pc, x0 to x31 and f0 to f31 and
 * their ABI names, and the CSRs that the hart has.
 */
#include <stdlib.h>
#include <string.h>

#include "cpu/riscv/csr.h"
#include "cpu/riscv/decode.h"
#include "monitor/hmp_call.h"

enum { REG_COUNT = 32 };

/* "x7": 7; -1: not of that form. */
static int register_number(const char *name, char letter) {
    char *end;
    if (name[0] != letter || name[1] < '0' || name[1] > '9') {
        return -1;
    }
    unsigned long n = strtoul(name + 1, &end, 10);
    return *end == '\0' && n < REG_COUNT ? (int)n : -1;
}

static int find_name(const char *const *names, const char *name) {
    for (int i = 0; i < REG_COUNT; i++) {
        if (!strcmp(names[i], name)) {
            return i;
        }
    }
    return -1;
}

static int find_register(const char *const *names, const char *name, char letter) {
    int n = register_number(name, letter);
    return n >= 0 ? n : find_name(names, name);
}

static bool read_csr(RiscvCPU *cpu, const char *name, uint64_t *value) {
    const CsrDef *def;
    for (unsigned i = 0; (def = riscv_csr_row(i)) != NULL; i++) {
        if (def->first == def->last && !strcmp(def->name, name) &&
            riscv_csr_get(cpu, def->first)) {
            *value = riscv_csr_load(cpu, def, def->first);
            return true;
        }
    }
    return false;
}

/* The value of a register of the hart: pc, x5, t0, fa0, mstatus ... It is held still. */
static bool read_register(CPUState *cs, const char *name, uint64_t *value) {
    RiscvCPU *cpu = riscv_cpu(cs);
    int n;
    if (!strcmp(name, "pc")) {
        *value = cs->cls->get_pc(cs);
    } else if (!strcmp(name, "fp")) {
        const int s0 = 8;
        *value = cpu->env.gpr[s0];
    } else if ((n = find_register(riscv_gpr_names, name, 'x')) >= 0) {
        *value = cpu->env.gpr[n];
    } else if ((n = find_register(riscv_fpr_names, name, 'f')) >= 0) {
        *value = cpu->env.fpr[n];
    } else {
        return read_csr(cpu, name, value);
    }
    return true;
}

const char *hmp_register_name(unsigned index, char *text, size_t size) {
    if (index == 0) {
        snprintf(text, size, "pc");
        return text;
    }
    index--;
    if (index < 2 * REG_COUNT) {
        bool fp = index >= REG_COUNT;
        snprintf(text, size, "%s",
                 (fp ? riscv_fpr_names : riscv_gpr_names)[index % REG_COUNT]);
        return text;
    }
    const CsrDef *def = riscv_csr_row(index - 2 * REG_COUNT);
    if (!def) {
        return NULL;
    }
    snprintf(text, size, "%s", def->first == def->last ? def->name : "");
    return text;
}

bool hmp_expr_register(void *opaque, const char *name, int64_t *value) {
    HmpCall *call = opaque;
    uint64_t v = 0;
    hmp_hold(call);
    bool ok = read_register(hmp_cpu(call), name, &v);
    hmp_release(call);
    *value = (int64_t)v;
    return ok;
}
