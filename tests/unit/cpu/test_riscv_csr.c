/* SPDX-License-Identifier: MIT */
/*
 * CSRs: who may access which, what a write leaves behind, counters, the S timer; -cpu.
 *
 * Expected values: Privileged Architecture 20240411. The list of registers per mode is
 * written out below from its tables 3 to 7, not taken from csr.def.
 */
#include "riscv_hart.h"

enum {
    SSTATUS = 0x100,
    SIE = 0x104,
    STVEC = 0x105,
    SCOUNTEREN = 0x106,
    SENVCFG = 0x10a,
    SEPC = 0x141,
    SIP = 0x144,
    STIMECMP = 0x14d,
    STIMECMPH = 0x15d,
    SATP = 0x180,
    MSTATUS = 0x300,
    MISA = 0x301,
    MEDELEG = 0x302,
    MIDELEG = 0x303,
    MIE = 0x304,
    MTVEC = 0x305,
    MCOUNTEREN = 0x306,
    MENVCFG = 0x30a,
    MENVCFGH = 0x31a,
    MCOUNTINHIBIT = 0x320,
    MEPC = 0x341,
    MIP = 0x344,
    MCYCLE = 0xb00,
    MCYCLEH = 0xb80,
    MHPMCOUNTER3 = 0xb03,
    MHPMCOUNTER3H = 0xb83,
    CYCLE = 0xc00,
    TIME = 0xc01,
    INSTRET = 0xc02,
    TIMEH = 0xc81,
    MHARTID = 0xf14,
};

/* --- existence ---------------------------------------------------------------------- */
typedef struct Run {
    uint16_t first, last;
    uint8_t xlen; /* 0: both */
} Run;

static const Run manual[] = {
    {0x001, 0x003, 0},  {0xc00, 0xc1f, 0},  {0xc80, 0xc9f, 32}, /* counters */
    {0x100, 0x100, 0},  {0x104, 0x106, 0},  {0x10a, 0x10a, 0},  {0x140, 0x144, 0},
    {0x14d, 0x14d, 0},  {0x15d, 0x15d, 32}, {0x180, 0x180, 0},  {0xf11, 0xf15, 0},
    {0x300, 0x306, 0},  {0x30a, 0x30a, 0},  {0x310, 0x310, 32}, {0x312, 0x312, 32},
    {0x31a, 0x31a, 32}, {0x340, 0x344, 0},  {0x3a0, 0x3a0, 0},  {0x3a1, 0x3a1, 32},
    {0x3a2, 0x3a2, 0},  {0x3a3, 0x3a3, 32}, {0x3b0, 0x3bf, 0},  {0xb00, 0xb00, 0},
    {0xb02, 0xb1f, 0},  {0xb80, 0xb80, 32}, {0xb82, 0xb9f, 32}, {0x320, 0x320, 0},
    {0x323, 0x33f, 0},  {0x7a0, 0x7a5, 0},
};

static bool exists(unsigned csr, unsigned xlen) {
    for (unsigned i = 0; i < sizeof(manual) / sizeof(manual[0]); i++) {
        const Run *r = &manual[i];
        if (csr >= r->first && csr <= r->last && (r->xlen == 0 || r->xlen == xlen)) {
            return true;
        }
    }
    return false;
}

static void every_number_is_legal_as_the_manual_says(void **state) {
    (void)state;
    static const unsigned xlens[] = {32, 64}, privs[] = {PRV_U, PRV_S, PRV_M};
    for (unsigned x = 0; x < 2; x++) {
        Hart *h = hart_new(xlens[x], NULL);
        hart_write(h, MCOUNTEREN, UINT32_MAX);
        hart_write(h, SCOUNTEREN, UINT32_MAX);
        h->cpu->env.menvcfg |= ENVCFG_STCE;
        h->cpu->env.mstatus |= MSTATUS_FS;
        for (unsigned p = 0; p < 3; p++) {
            hart_set_priv(h, privs[p]);
            for (unsigned csr = 0; csr < 4096; csr++) {
                bool readable = exists(csr, xlens[x]) && privs[p] >= (csr >> 8 & 3);
                if (hart_may_read(h, csr) != readable) {
                    fail_msg("rv%u mode %u CSR 0x%x: read is %s", xlens[x], privs[p], csr,
                             readable ? "illegal" : "legal");
                }
                const CsrDef *def = riscv_csr_get(h->cpu, csr);
                if (readable && csr >> 10 == 3) {
                    assert_non_null(def);
                    assert_false(riscv_csr_write(h->cpu, csr, 0));
                }
            }
        }
        hart_free(h);
    }
}

static void rows_are_sorted_and_disjoint(void **state) {
    (void)state;
    unsigned next = 0;
    for (unsigned i = 0; riscv_csr_row(i); i++) {
        const CsrDef *d = riscv_csr_row(i);
        assert_true(d->first >= next && d->last >= d->first && d->last < 4096);
        next = d->last + 1u;
        assert_ptr_equal(riscv_csr_find(d->first), d);
        assert_ptr_equal(riscv_csr_find(d->last), d);
        assert_int_equal(riscv_csr_row_index(d), i);
        /* What generated code stores by itself must have no function. */
        assert_false((d->flags & CSRF_INLINE) && (d->read || d->write));
    }
}

static void registers_go_with_their_extension(void **state) {
    (void)state;
    Hart *h = hart_new(64, "rv64,s=off,f=off,zihpm=off,sdtrig=off");
    static const unsigned gone[] = {1,       2,        3,     SSTATUS, SATP,
                                    MEDELEG, STIMECMP, 0xc03, 0x7a0};
    for (unsigned i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        assert_false(hart_may_read(h, gone[i]));
    }
    assert_true(hart_may_read(h, MENVCFG));
    hart_write(h, MSTATUS, ~UINT64_C(0));
    /* no S, no F: MIE, MPIE, MPP, MPRV, TW remain; UXL is 64 bits wide */
    assert_int_equal(hart_read(h, MSTATUS), UINT64_C(0x200221888));
    hart_free(h);
}

/* --- legal values ------------------------------------------------------------------- */
static void delegation_is_limited_to_what_can_be_delegated(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    hart_write(h, MEDELEG, ~UINT64_C(0));
    assert_int_equal(hart_read(h, MEDELEG),
                     0xb3ff); /* 11 (M ecall) and reserved ones not */
    hart_write(h, MIDELEG, ~UINT64_C(0));
    assert_int_equal(hart_read(h, MIDELEG), 0x222);
    hart_write(h, MIE, ~UINT64_C(0));
    assert_int_equal(hart_read(h, MIE), 0xaaa);
    assert_int_equal(hart_read(h, SIE), 0x222);
    hart_free(h);
}

static void satp_of_an_unsupported_mode_is_not_written(void **state) {
    (void)state;
    Hart *h = hart_new(64, "rv64,sv57=off");
    for (unsigned mode = 0; mode < 16; mode++) {
        bool legal = mode == 0 || mode == 8 || mode == 9;
        hart_write(h, SATP, 0);
        hart_write(h, SATP, (uint64_t)mode << 60 | UINT64_C(0xffff) << 44 | 0x1234);
        uint64_t now = hart_read(h, SATP);
        assert_int_equal(
            now, legal ? (uint64_t)mode << 60 | UINT64_C(0xffff) << 44 | 0x1234 : 0);
    }
    hart_free(h);
}

static void mstatus_keeps_mpp_when_the_new_one_is_reserved(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    static const unsigned legal[] = {PRV_U, PRV_S, PRV_M};
    for (unsigned i = 0; i < 3; i++) {
        hart_write(h, MSTATUS, (uint64_t)legal[i] << 11);
        hart_write(h, MSTATUS, UINT64_C(2) << 11);
        assert_int_equal(hart_read(h, MSTATUS) >> 11 & 3, legal[i]);
    }
    hart_free(h);
}

static void sd_is_set_exactly_while_fs_is_dirty(void **state) {
    (void)state;
    for (unsigned xlen = 32; xlen <= 64; xlen += 32) {
        Hart *h = hart_new(xlen, NULL);
        for (unsigned fs = 0; fs < 4; fs++) {
            hart_write(h, MSTATUS, (uint64_t)fs << 13);
            uint64_t m = hart_read(h, MSTATUS);
            assert_int_equal(m >> (xlen - 1) & 1, fs == 3);
            assert_int_equal(hart_read(h, SSTATUS) >> (xlen - 1) & 1, fs == 3);
            assert_int_equal(m >> 13 & 3, fs);
        }
        hart_free(h);
    }
}

static void epc_low_bits_follow_the_instruction_alignment(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    hart_write(h, MEPC, ~UINT64_C(0));
    assert_int_equal(hart_read(h, MEPC), ~UINT64_C(1));
    hart_free(h);
    h = hart_new(64, "rv64,c=off");
    hart_write(h, SEPC, ~UINT64_C(0));
    assert_int_equal(hart_read(h, SEPC), ~UINT64_C(3));
    hart_free(h);
}

static void tvec_ignores_reserved_modes(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    hart_write(h, MTVEC, 0x80001001);
    hart_write(h, MTVEC, 0x80002002);
    assert_int_equal(hart_read(h, MTVEC), 0x80001001);
    hart_write(h, STVEC, 0x80003003);
    assert_int_equal(hart_read(h, STVEC), 0);
    hart_free(h);
}

static void envcfg_keeps_what_exists(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    hart_write(h, MENVCFG, 0);
    hart_write(h, MENVCFG, ~UINT64_C(0));
    assert_int_equal(hart_read(h, MENVCFG), UINT64_C(0xe0000000000000f1));
    hart_write(h, SENVCFG, ~UINT64_C(0));
    assert_int_equal(hart_read(h, SENVCFG), 0xf1);
    hart_write(h, SENVCFG,
               0x20); /* CBIE = 2 is reserved: the field stays, the rest is written */
    assert_int_equal(hart_read(h, SENVCFG), 0x30);
    hart_free(h);
    h = hart_new(64, "rv64,zicbom=off,zicboz=off,svadu=off,svpbmt=off,sstc=off");
    hart_write(h, MENVCFG, ~UINT64_C(0));
    assert_int_equal(hart_read(h, MENVCFG), 1);
    hart_free(h);
}

static void misa_names_the_letters(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    assert_int_equal(hart_read(h, MISA), UINT64_C(0x800000000014112d)); /* ACDFIMSU */
    hart_write(h, MISA, 0);
    assert_int_equal(hart_read(h, MISA), UINT64_C(0x800000000014112d));
    hart_free(h);
    h = hart_new(32, "rv32,c=off,f=off");
    assert_int_equal(hart_read(h, MISA), UINT64_C(0x40141101));
    hart_free(h);
}

/* --- gates -------------------------------------------------------------------------- */
static void counters_open_mode_by_mode(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    for (unsigned m = 0; m < 8; m++) {
        for (unsigned s = 0; s < 8; s++) {
            hart_set_priv(h, PRV_M);
            hart_write(h, MCOUNTEREN, m);
            hart_write(h, SCOUNTEREN, s);
            for (unsigned bit = 0; bit < 3; bit++) {
                hart_set_priv(h, PRV_M);
                assert_true(hart_may_read(h, CYCLE + bit));
                hart_set_priv(h, PRV_S);
                assert_int_equal(hart_may_read(h, CYCLE + bit), m >> bit & 1);
                hart_set_priv(h, PRV_U);
                assert_int_equal(hart_may_read(h, CYCLE + bit), m >> bit & s >> bit & 1);
            }
        }
    }
    hart_free(h);
}

static void tvm_closes_satp_to_s_mode_only(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    hart_write(h, MSTATUS, MSTATUS_TVM);
    assert_true(hart_may_read(h, SATP));
    hart_set_priv(h, PRV_S);
    assert_false(hart_may_read(h, SATP));
    assert_false(riscv_csr_write(h->cpu, SATP, 0));
    hart_free(h);
}

static void fp_registers_need_fs_and_make_it_dirty(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    for (unsigned csr = 1; csr <= 3; csr++) {
        hart_write(h, MSTATUS, 0);
        assert_false(hart_may_read(h, csr));
        assert_false(riscv_csr_write(h->cpu, csr, 0));
        hart_write(h, MSTATUS, UINT64_C(1) << 13);
        assert_true(hart_may_read(h, csr));
        assert_int_equal(hart_read(h, MSTATUS) >> 13 & 3, FS_INITIAL);
        hart_write(h, csr, 0);
        assert_int_equal(hart_read(h, MSTATUS) >> 13 & 3, FS_DIRTY);
    }
    hart_write(h, 3, 0xffff);
    assert_int_equal(hart_read(h, 3), 0xff);
    assert_int_equal(hart_read(h, 2), 7);
    assert_int_equal(hart_read(h, 1), 31);
    hart_free(h);
}

/* --- interrupts --------------------------------------------------------------------- */
static uint64_t modify(Hart *h, unsigned csr, RiscvCsrOp op, uint64_t value) {
    return riscv_csr_modify(h->cpu, riscv_csr_find(csr), csr, op, value);
}

/* 3.1.9: "the value returned ... is the logical-OR of the software-writable bit and the
 * signal from the interrupt controller, but the signal is not used to calculate the value
 * written to SEIP". */
static void seip_reads_as_the_or_of_line_and_latch(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    riscv_cpu_set_irq(h->cpu, IRQ_SEI, true);
    assert_int_equal(modify(h, MIP, CSR_OP_SET, MIP_SSIP), MIP_SEIP);
    riscv_cpu_set_irq(h->cpu, IRQ_SEI, false);
    assert_int_equal(hart_read(h, MIP),
                     MIP_SSIP); /* the line was not copied to the latch */
    hart_write(h, MIP, MIP_SEIP);
    riscv_cpu_set_irq(h->cpu, IRQ_SEI, true);
    modify(h, MIP, CSR_OP_CLEAR, MIP_SEIP);
    assert_int_equal(hart_read(h, MIP), MIP_SEIP); /* the line is still up */
    riscv_cpu_set_irq(h->cpu, IRQ_SEI, false);
    assert_int_equal(hart_read(h, MIP), 0);
    hart_free(h);
}

static void machine_bits_of_mip_belong_to_devices(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    hart_write(h, MIP, ~UINT64_C(0));
    assert_int_equal(hart_read(h, MIP), MIP_S_BITS);
    riscv_cpu_set_irq(h->cpu, IRQ_MSI, true);
    riscv_cpu_set_irq(h->cpu, IRQ_MTI, true);
    riscv_cpu_set_irq(h->cpu, IRQ_MEI, true);
    hart_write(h, MIP, 0);
    assert_int_equal(hart_read(h, MIP), MIP_MSIP | MIP_MTIP | MIP_MEIP);
    hart_free(h);
}

static void sip_writes_ssip_alone_if_delegated(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    hart_write(h, SIP, ~UINT64_C(0));
    assert_int_equal(hart_read(h, MIP), 0);
    hart_write(h, MIDELEG, MIP_S_BITS);
    hart_write(h, SIP, ~UINT64_C(0));
    assert_int_equal(hart_read(h, MIP), MIP_SSIP);
    hart_write(h, MIDELEG, MIP_STIP);
    assert_int_equal(hart_read(h, SIP), 0);
    hart_free(h);
}

/* --- counters and time -------------------------------------------------------------- */
static void counters_run_with_time_and_stop_when_inhibited(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    h->test_ns = 1000;
    hart_write(h, MCYCLE, 5);
    h->test_ns += 70;
    assert_int_equal(hart_read(h, MCYCLE), 75);
    assert_int_equal(hart_read(h, CYCLE), 75);
    hart_write(h, MCOUNTINHIBIT, COUNTER_CY | COUNTER_TM);
    assert_int_equal(hart_read(h, MCOUNTINHIBIT),
                     COUNTER_CY); /* time cannot be stopped */
    h->test_ns += 1000;
    assert_int_equal(hart_read(h, MCYCLE), 75);
    hart_write(h, MCYCLE, 100);
    hart_write(h, MCOUNTINHIBIT, 0);
    h->test_ns += 11;
    assert_int_equal(hart_read(h, MCYCLE), 111);
    hart_write(h, MHPMCOUNTER3, 42);
    assert_int_equal(hart_read(h, 0xc03), 42);
    hart_free(h);
}

static void rv32_sees_wide_registers_in_halves(void **state) {
    (void)state;
    Hart *h = hart_new(32, NULL);
    hart_write(h, MCYCLEH, 0x12345678);
    hart_write(h, MCYCLE, UINT64_C(0xffffffff9abcdef0));
    assert_int_equal(hart_read(h, MCYCLE), UINT64_C(0xffffffff9abcdef0));
    assert_int_equal(hart_read(h, MCYCLEH), 0x12345678);
    hart_write(h, MHPMCOUNTER3H, 7);
    hart_write(h, MHPMCOUNTER3, 8);
    assert_int_equal(h->cpu->env.mhpmcounter[0], UINT64_C(0x700000008));
    hart_write(h, MENVCFGH, UINT64_C(0xffffffff80000000));
    assert_int_equal(hart_read(h, MENVCFGH) & 0xffffffff, 0x80000000);
    hart_write(h, STIMECMP, UINT64_C(0xffffffffdddddddd));
    hart_write(h, STIMECMPH, 0x11111111);
    assert_int_equal(h->cpu->env.stimecmp, UINT64_C(0x11111111dddddddd));
    h->test_ns = INT64_C(100) << 34; /* 10 MHz: a tick is 100 ns */
    assert_int_equal(hart_read(h, TIME), 0);
    assert_int_equal(hart_read(h, TIMEH), 4);
    hart_write(h, 0x3b0, UINT64_C(0xffffffff87654321));
    assert_int_equal(hart_read(h, 0x3b0), UINT64_C(0xffffffff87654321));
    assert_int_equal(h->cpu->env.pmpaddr[0],
                     0x87654321); /* 34-bit addresses, not signed ones */
    hart_free(h);
}

static void stimer_sets_stip_when_its_time_has_come(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    hart_write(h, MENVCFG, ENVCFG_STCE);
    assert_int_equal(hart_read(h, MIP), 0); /* stimecmp is all ones after reset */
    h->test_ns = 1000;                      /* tick 10 */
    hart_write(h, STIMECMP, 25);
    assert_int_equal(clock_deadline_ns(&h->clock), 2500);
    h->test_ns = 2499;
    assert_int_equal(clock_run_timers(&h->clock), 0);
    assert_int_equal(hart_read(h, MIP), 0);
    h->test_ns = 2500;
    assert_int_equal(clock_run_timers(&h->clock), 1);
    assert_int_equal(hart_read(h, MIP), MIP_STIP);
    hart_write(h, MIP, 0);
    assert_int_equal(hart_read(h, MIP), MIP_STIP); /* not software's while STCE is set */
    hart_write(h, STIMECMP, ~UINT64_C(0));
    assert_int_equal(hart_read(h, MIP), 0);
    hart_write(h, STIMECMP, 0);
    assert_int_equal(hart_read(h, MIP), MIP_STIP);
    hart_write(h, MENVCFG, 0);
    assert_int_equal(hart_read(h, MIP), 0);
    assert_int_equal(clock_deadline_ns(&h->clock), -1);
    hart_free(h);
}

/* --- -cpu --------------------------------------------------------------------------- */
static void expect_error(unsigned xlen, const char *model, const char *words) {
    RiscvConfig cfg;
    Error *err = NULL;
    assert_false(riscv_config_parse(&cfg, xlen, model, &err));
    if (!strstr(error_message(err), words)) {
        fail_msg("-cpu %s: '%s' lacks '%s'", model, error_message(err), words);
    }
    error_free(err);
}

static void config_errors_say_what_to_try(void **state) {
    (void)state;
    expect_error(64, "rv65", "use rv64 or max");
    expect_error(64, "rv32", "use rv64");
    expect_error(64, "rv64,zbx=on", "did you mean 'zb");
    expect_error(64, "rv64,zcibom=off", "did you mean 'zicbom'");
    expect_error(64, "rv64,nonsense=off", "-cpu help");
    expect_error(64, "rv64,zba=maybe", "use on or off");
    expect_error(64, "rv64,f=off,d=on", "'d' needs 'f'");
    expect_error(32, "rv32,sv39=on", "unknown");
    expect_error(32, "rv32,svnapot=on", "unknown");
    expect_error(64, "rv64,,zba=on", "unknown");
}

static void config_switches_dependents_off_with_their_base(void **state) {
    (void)state;
    RiscvConfig cfg;
    Error *err = NULL;
    assert_true(riscv_config_parse(&cfg, 64, "rv64,f=off", &err));
    assert_false(cfg.f || cfg.d || cfg.zfa);
    assert_true(riscv_config_parse(&cfg, 64, "RV64,U=false", &err));
    assert_false(cfg.u || cfg.s || cfg.sstc || cfg.svpbmt);
    assert_int_equal(cfg.satp_max, 0);
    assert_true(riscv_config_parse(&cfg, 64, "rv64,sv48=off", &err));
    assert_int_equal(cfg.satp_max, 8);
    assert_true(riscv_config_parse(&cfg, 64, "max,sv57=off,misaligned=off", &err));
    assert_int_equal(cfg.satp_max, 9);
    assert_false(cfg.misaligned);
    assert_true(riscv_config_parse(&cfg, 64, NULL, &err));
    assert_int_equal(cfg.satp_max, 10);
    assert_true(riscv_config_parse(&cfg, 32, "rv32", &err));
    assert_int_equal(cfg.satp_max, 1);
    assert_false(cfg.svnapot || cfg.svpbmt);
}

/* Order as in the manual's "ISA Extension Naming Conventions", which Linux' parser wants.
 */
static void isa_string_is_in_canonical_order(void **state) {
    (void)state;
    RiscvConfig cfg;
    Error *err = NULL;
    char text[256];
    assert_true(riscv_config_parse(&cfg, 64, NULL, &err));
    static const char expected[] = "rv64imafdc_zicbom_zicboz_zicntr_zicond_zicsr_"
                                   "zifencei_zihintpause_zihpm_zawrs_zfa_zba_"
                                   "zbb_zbc_zbs_sstc_svadu_svinval_svnapot_svpbmt";
    assert_in_range(riscv_isa_string(&cfg, text, sizeof(text)), sizeof(expected) - 1,
                    255);
    assert_memory_equal(text, expected, sizeof(expected) - 1);
    int full = (int)strlen(text);
    assert_int_equal(riscv_isa_string(&cfg, NULL, 0), full);
    assert_int_equal(riscv_isa_string(&cfg, text, 10), full);
    assert_string_equal(text, "rv64imafd");
    assert_true(riscv_config_parse(&cfg, 32, "rv32,a=off,c=off,zba=off", &err));
    riscv_isa_string(&cfg, text, sizeof(text));
    assert_memory_equal(text, "rv32imfd_zicbom", 15);
    assert_null(strstr(text, "zba"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_legal_as_the_manual_says),
        cmocka_unit_test(rows_are_sorted_and_disjoint),
        cmocka_unit_test(registers_go_with_their_extension),
        cmocka_unit_test(delegation_is_limited_to_what_can_be_delegated),
        cmocka_unit_test(satp_of_an_unsupported_mode_is_not_written),
        cmocka_unit_test(mstatus_keeps_mpp_when_the_new_one_is_reserved),
        cmocka_unit_test(sd_is_set_exactly_while_fs_is_dirty),
        cmocka_unit_test(epc_low_bits_follow_the_instruction_alignment),
        cmocka_unit_test(tvec_ignores_reserved_modes),
        cmocka_unit_test(envcfg_keeps_what_exists),
        cmocka_unit_test(misa_names_the_letters),
        cmocka_unit_test(counters_open_mode_by_mode),
        cmocka_unit_test(tvm_closes_satp_to_s_mode_only),
        cmocka_unit_test(fp_registers_need_fs_and_make_it_dirty),
        cmocka_unit_test(seip_reads_as_the_or_of_line_and_latch),
        cmocka_unit_test(machine_bits_of_mip_belong_to_devices),
        cmocka_unit_test(sip_writes_ssip_alone_if_delegated),
        cmocka_unit_test(counters_run_with_time_and_stop_when_inhibited),
        cmocka_unit_test(rv32_sees_wide_registers_in_halves),
        cmocka_unit_test(stimer_sets_stip_when_its_time_has_come),
        cmocka_unit_test(config_errors_say_what_to_try),
        cmocka_unit_test(config_switches_dependents_off_with_their_base),
        cmocka_unit_test(isa_string_is_in_canonical_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
