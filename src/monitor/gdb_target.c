/* SPDX-License-Identifier: MIT */
/* GdbTarget: registers and their description. See gdb_target.h. */
#include "monitor/gdb_target.h"

#include <string.h>

#include "cpu/riscv/cpu.h"
#include "cpu/riscv/csr.h"
#include "cpu/riscv/decode.h"
#include "hw/machine/touch.h"

enum { CSR_FFLAGS = 1, CSR_FCSR = 3, BITS = 8 };

static const RiscvCPU *hart(const CPUState *cpu) {
    return (const RiscvCPU *)cpu;
}

static unsigned xlen_bytes(const CPUState *cpu) {
    return hart(cpu)->cfg.xlen / BITS;
}

/* The row of a CSR that the hart has, or NULL. */
static const CsrDef *find_csr(const CPUState *cpu, unsigned n, char *name, size_t size) {
    unsigned csr = n - GDB_REG_CSR0;
    if (n < GDB_REG_CSR0 || csr >= GDB_CSR_COUNT) {
        return NULL;
    }
    riscv_csr_name(csr, name, size);
    return riscv_csr_get(hart(cpu), csr);
}

unsigned gdb_target_reg_size(const CPUState *cpu, unsigned n) {
    char name[32];
    if (n <= GDB_REG_PC || n == GDB_REG_PRIV) {
        return xlen_bytes(cpu);
    }
    if (n < GDB_REG_CSR0) {
        return hart(cpu)->cfg.d ? 8 : hart(cpu)->cfg.f ? 4 : 0;
    }
    return find_csr(cpu, n, name, sizeof(name)) ? xlen_bytes(cpu) : 0;
}

/* --- description ----------------------------------------------------------------- */

static void describe_reg(GdbBuffer *out, const char *name, unsigned bits,
                         const char *type, unsigned number) {
    gdb_put(out, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"/>\n", name,
            bits, type, number);
}

static void describe_fpu(const CPUState *cpu, GdbBuffer *out) {
    bool d = hart(cpu)->cfg.d;
    gdb_put(out, "<feature name=\"org.gnu.gdb.riscv.fpu\">\n");
    if (d) {
        gdb_put(out, "<union id=\"riscv_double\">\n"
                     "<field name=\"float\" type=\"ieee_single\"/>\n"
                     "<field name=\"double\" type=\"ieee_double\"/>\n</union>\n");
    }
    for (unsigned i = 0; i < 32; i++) {
        describe_reg(out, riscv_fpr_names[i], d ? 64 : 32,
                     d ? "riscv_double" : "ieee_single", GDB_REG_FPR0 + i);
    }
    for (unsigned csr = CSR_FFLAGS; csr <= CSR_FCSR; csr++) {
        char name[32];
        riscv_csr_name(csr, name, sizeof(name));
        describe_reg(out, name, hart(cpu)->cfg.xlen, "int", GDB_REG_CSR0 + csr);
    }
    gdb_put(out, "</feature>\n");
}

void gdb_target_describe(const CPUState *cpu, GdbBuffer *out) {
    unsigned xlen = hart(cpu)->cfg.xlen;
    gdb_put(out,
            "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
            "<target>\n<architecture>riscv:rv%u</architecture>\n"
            "<feature name=\"org.gnu.gdb.riscv.cpu\">\n",
            xlen);
    for (unsigned i = 0; i < 32; i++) {
        bool code = i == 1, data = i == 2 || i == 3 || i == 4 || i == 8;
        describe_reg(out, i == 8 ? "fp" : riscv_gpr_names[i], xlen,
                     code   ? "code_ptr"
                     : data ? "data_ptr"
                            : "int",
                     i);
    }
    describe_reg(out, "pc", xlen, "code_ptr", GDB_REG_PC);
    gdb_put(out, "</feature>\n");
    if (hart(cpu)->cfg.f) {
        describe_fpu(cpu, out);
    }
    gdb_put(out, "<feature name=\"org.gnu.gdb.riscv.csr\">\n");
    for (unsigned csr = CSR_FCSR + 1; csr < GDB_CSR_COUNT; csr++) {
        char name[32];
        if (find_csr(cpu, GDB_REG_CSR0 + csr, name, sizeof(name))) {
            describe_reg(out, name, xlen, "int", GDB_REG_CSR0 + csr);
        }
    }
    gdb_put(out, "</feature>\n<feature name=\"org.gnu.gdb.riscv.virtual\">\n");
    describe_reg(out, "priv", xlen, "int", GDB_REG_PRIV);
    gdb_put(out, "</feature>\n</target>\n");
}

/* --- values ---------------------------------------------------------------------- */

bool gdb_target_read_reg(CPUState *cs, unsigned n, uint64_t *value) {
    RiscvCPU *cpu = riscv_cpu(cs);
    char name[32];
    if (n < 32) {
        *value = cpu->env.gpr[n];
    } else if (n == GDB_REG_PC) {
        *value = cpu->env.pc;
    } else if (n < GDB_REG_CSR0 && cpu->cfg.f) {
        *value = cpu->env.fpr[n - GDB_REG_FPR0];
    } else if (n == GDB_REG_PRIV) {
        *value = cpu->env.priv;
    } else {
        const CsrDef *def = find_csr(cs, n, name, sizeof(name));
        if (!def) {
            return false;
        }
        *value = riscv_csr_load(cpu, def, n - GDB_REG_CSR0);
    }
    return true;
}

/* The register as others know it. False: there is none. */
static bool find_register(CPUState *cpu, unsigned n, CpuRegister *reg) {
    const CpuRegisters *all = cpu->cls->registers;
    if (n < GDB_REG_CSR0) {
        return all->get(cpu, n, reg); /* x, pc and f have the same numbers there */
    }
    for (unsigned i = GDB_REG_CSR0; all->get(cpu, i, reg); i++) {
        bool priv = n == GDB_REG_PRIV && !strcmp(reg->name, "priv");
        if (priv || reg->number == n - GDB_REG_CSR0) {
            return true;
        }
    }
    return false;
}

bool gdb_target_write_reg(Machine *m, CPUState *cs, unsigned n, uint64_t value) {
    CpuRegister reg;
    if (!touch_allowed(m, NULL) || !find_register(cs, n, &reg) || !reg.bits) {
        return false;
    }
    if (n == 0) {
        return true; /* gdb writes all of them back */
    }
    if (!reg.writable) {
        return false;
    }
    touch_register(m, cs, &reg, value);
    return n != GDB_REG_PRIV || cs->cls->registers->read(cs, &reg) == value;
}

void gdb_target_describe_state(const CPUState *cpu, GdbBuffer *out) {
    static const char modes[] = "US?M";
    gdb_put(out, "%c-mode%s", modes[hart(cpu)->env.priv & 3],
            cpu->halted ? ", waits for an interrupt" : "");
}

vaddr gdb_target_address(const CPUState *cpu, uint64_t addr) {
    return riscv_is_rv32(hart(cpu)) ? (uint32_t)addr : addr;
}
