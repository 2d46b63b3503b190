/* SPDX-License-Identifier: MIT */
/* Registers as the inspector sees them, and csr_fields.def against the drawings of the manual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/riscv/cpu.h"
#include "cpu/riscv/csr.h"

static RiscvCPU *new_hart(unsigned xlen) {
    RiscvConfig cfg;
    assert_true(riscv_config_parse(&cfg, xlen, xlen == 32 ? "rv32" : "rv64", NULL));
    RiscvCPU *cpu = riscv_cpu_new(&cfg, 0);
    cpu->parent.cls = &riscv_cpu_class;
    return cpu;
}

static void free_hart(RiscvCPU *cpu) {
    riscv_cpu_class.free(&cpu->parent);
}

static bool find(RiscvCPU *cpu, const char *name, CpuRegister *reg) {
    for (unsigned i = 0; riscv_registers.get(&cpu->parent, i, reg); i++) {
        if (strcmp(reg->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void every_csr_of_the_hart_is_listed_once(void **state) {
    (void)state;
    static bool seen[0x1000];
    RiscvCPU *cpu = new_hart(64);
    CpuRegister reg;
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; riscv_registers.get(&cpu->parent, i, &reg); i++) {
        if (reg.number != CPU_NO_CSR) {
            assert_false(seen[reg.number]);
            seen[reg.number] = true;
        }
    }
    for (unsigned csr = 0; csr < 0x1000; csr++) {
        assert_int_equal(seen[csr], riscv_csr_get(cpu, csr) != NULL);
    }
    free_hart(cpu);
}

/* The manual draws fields from the highest bit down, beside each other. */
static void fields_do_not_overlap(unsigned xlen) {
    RiscvCPU *cpu = new_hart(xlen);
    CpuRegister reg;
    for (unsigned i = 0; riscv_registers.get(&cpu->parent, i, &reg); i++) {
        int above = (int)xlen;
        const CpuField *f;
        for (unsigned n = 0; (f = riscv_registers.field(&cpu->parent, &reg, n)); n++) {
            if (!(f->high < above && f->low <= f->high)) {
                fail_msg("RV%u %s: %s", xlen, reg.name, f->name);
            }
            above = f->low;
        }
    }
    free_hart(cpu);
}

static void fields_do_not_overlap_in_rv64(void **state) {
    (void)state;
    fields_do_not_overlap(64);
}

static void fields_do_not_overlap_in_rv32(void **state) {
    (void)state;
    fields_do_not_overlap(32);
}

/* Registers that are one value in the manual: addresses, counters, numbers. All others have fields. */
static bool is_plain(const char *name) {
    static const char *const stems[] = {
        "sscratch", "mscratch", "sepc",        "mepc",
        "stval",    "mtval",    "stimecmp",    "mhpmevent",
        "pmpaddr",  "tselect",  "tdata2",      "tdata3",
        "mcycle",   "minstret", "mhpmcounter", "cycle",
        "time",     "instret",  "hpmcounter",  "marchid",
        "mimpid",   "mhartid",  "mconfigptr",  "0x312" /* medelegh */,
    };
    for (size_t i = 0; i < sizeof(stems) / sizeof(stems[0]); i++) {
        if (strncmp(name, stems[i], strlen(stems[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void every_csr_with_a_layout_has_fields(void **state) {
    (void)state;
    for (unsigned xlen = 32; xlen <= 64; xlen += 32) {
        RiscvCPU *cpu = new_hart(xlen);
        CpuRegister reg;
        for (unsigned i = 0; riscv_registers.get(&cpu->parent, i, &reg); i++) {
            bool has = riscv_registers.field(&cpu->parent, &reg, 0) != NULL;
            if (reg.number != CPU_NO_CSR && has == is_plain(reg.name)) {
                fail_msg("RV%u %s", xlen, reg.name);
            }
        }
        free_hart(cpu);
    }
}

/* Figures of the privileged manual: mstatus of RV64 and RV32, satp, mcause. */
static void fields_are_where_the_manual_has_them(void **state) {
    (void)state;
    static const struct {
        unsigned xlen;
        const char *csr, *field;
        uint8_t high, low;
    } manual[] = {
        {64, "mstatus", "SD", 63, 63},    {32, "mstatus", "SD", 31, 31},
        {64, "mstatus", "SXL", 35, 34},   {64, "mstatus", "MPP", 12, 11},
        {64, "mstatus", "FS", 14, 13},    {64, "mstatus", "TSR", 22, 22},
        {64, "satp", "MODE", 63, 60},     {64, "satp", "ASID", 59, 44},
        {32, "satp", "MODE", 31, 31},     {32, "satp", "ASID", 30, 22},
        {32, "satp", "PPN", 21, 0},       {64, "mcause", "Code", 62, 0},
        {64, "mie", "MEIE", 11, 11},      {64, "menvcfg", "STCE", 63, 63},
        {32, "menvcfgh", "STCE", 31, 31}, {64, "fcsr", "FRM", 7, 5},
        {64, "pmpcfg0", "A5", 44, 43},    {64, "medeleg", "LoadPage", 13, 13},
    };
    for (size_t i = 0; i < sizeof(manual) / sizeof(manual[0]); i++) {
        RiscvCPU *cpu = new_hart(manual[i].xlen);
        CpuRegister reg;
        const CpuField *f;
        unsigned n = 0;
        assert_true(find(cpu, manual[i].csr, &reg));
        while ((f = riscv_registers.field(&cpu->parent, &reg, n++)) &&
               strcmp(f->name, manual[i].field) != 0) {
        }
        assert_non_null(f);
        assert_int_equal(f->high, manual[i].high);
        assert_int_equal(f->low, manual[i].low);
        free_hart(cpu);
    }
}

static void rv32_values_have_32_bits(void **state) {
    (void)state;
    RiscvCPU *cpu = new_hart(32);
    CpuRegister a0, zero;
    assert_true(find(cpu, "a0", &a0) && find(cpu, "zero", &zero));
    riscv_registers.write(&cpu->parent, &a0, 0x87654321);
    assert_int_equal(riscv_registers.read(&cpu->parent, &a0), 0x87654321);
    assert_true(cpu->env.gpr[10] == UINT64_C(0xffffffff87654321)); /* kept extended */
    riscv_registers.write(&cpu->parent, &zero, 5);
    assert_int_equal(cpu->env.gpr[0], 0);
    free_hart(cpu);
}

static void a_cause_is_told_in_words(void **state) {
    (void)state;
    RiscvCPU *cpu = new_hart(64);
    CpuRegister reg;
    assert_true(find(cpu, "scause", &reg));
    const CpuField *code = riscv_registers.field(&cpu->parent, &reg, 1);
    /* Table "scause values after trap". */
    assert_string_equal(
        riscv_registers.word(&cpu->parent, &reg, code, UINT64_C(5) | UINT64_C(1) << 63),
        "S timer");
    assert_string_equal(riscv_registers.word(&cpu->parent, &reg, code, 13),
                        "load page fault");
    free_hart(cpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_csr_of_the_hart_is_listed_once),
        cmocka_unit_test(fields_do_not_overlap_in_rv64),
        cmocka_unit_test(fields_do_not_overlap_in_rv32),
        cmocka_unit_test(every_csr_with_a_layout_has_fields),
        cmocka_unit_test(fields_are_where_the_manual_has_them),
        cmocka_unit_test(rv32_values_have_32_bits),
        cmocka_unit_test(a_cause_is_told_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
