/* SPDX-License-Identifier: MIT */
/*
 * PMP: what matches, which entry decides, locks, the registers.
 *
 * Expected values: the manual's table of NAPOT encodings (3.7.1), and a reference that
 * asks the manual's question byte by byte, for random entries.
 */
#include "riscv_hart.h"

enum { PMPCFG0 = 0x3a0, PMPADDR0 = 0x3b0 };

static void set_entry(Hart *h, unsigned i, unsigned mode, unsigned rights,
                      uint64_t pmpaddr) {
    h->cpu->env.pmpcfg[i] = (uint8_t)(mode << PMP_A_SHIFT | rights);
    h->cpu->env.pmpaddr[i] = pmpaddr;
}

static unsigned check(Hart *h, hwaddr addr, unsigned size, unsigned priv) {
    bool whole;
    return riscv_pmp_check(h->cpu, addr, size, priv, &whole);
}

/* --- matching ----------------------------------------------------------------------- */
static void napot_ranges_are_those_of_the_table(void **state) {
    (void)state;
    /* pmpaddr, first byte, last byte */
    static const uint64_t rows[][3] = {
        {0x20000000, 0x80000000, 0x80000007}, /* yyyy...yyy0: 8 bytes */
        {0x20000001, 0x80000000, 0x8000000f}, /* yyyy...yy01: 16 */
        {0x20000003, 0x80000000, 0x8000001f}, /* yyyy...y011: 32 */
        {0x200001ff, 0x80000000, 0x80000fff}, /* 4 KiB */
        {UINT64_C(0x003fffffffffffff), 0, (UINT64_C(1) << 57) - 1}, /* all ones */
    };
    Hart *h = hart_new(64, NULL);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_entry(h, 0, PMP_NAPOT, PMP_R, rows[i][0]);
        riscv_pmp_update(h->cpu);
        assert_int_equal(check(h, rows[i][1], 1, PRV_U), PMP_R);
        assert_int_equal(check(h, rows[i][2], 1, PRV_U), PMP_R);
        assert_int_equal(check(h, rows[i][2] + 1, 1, PRV_U), 0);
        if (rows[i][1]) {
            assert_int_equal(check(h, rows[i][1] - 1, 1, PRV_U), 0);
        }
    }
    hart_free(h);
}

/* The manual, one byte at a time: which entry matches it, -1 if none. */
static int entry_of_byte(const RiscvEnv *env, hwaddr byte) {
    for (int i = 0; i < RISCV_PMP_COUNT; i++) {
        hwaddr base = env->pmpaddr[i] << 2, size = 4;
        switch (env->pmpcfg[i] >> 3 & 3) {
        case 1: {
            hwaddr from = i ? env->pmpaddr[i - 1] << 2 : 0;
            if (byte >= from && byte < base) {
                return i;
            }
            break;
        }
        case 3:
            for (uint64_t a = env->pmpaddr[i], bit = 1; a & bit; bit <<= 1) {
                base &= ~(bit << 2);
                size *= 2;
            }
            size *= 2;
            base &= ~(size - 1);
            /* fall through */
        case 2:
            if (byte >= base && byte - base < size) {
                return i;
            }
            break;
        default:
            break;
        }
    }
    return -1;
}

static unsigned reference(const RiscvEnv *env, hwaddr addr, unsigned size,
                          unsigned priv) {
    /* The lowest-numbered entry that matches any byte decides, and must match all. */
    int lowest = RISCV_PMP_COUNT;
    bool any_unmatched = false;
    for (unsigned i = 0; i < size; i++) {
        int e = entry_of_byte(env, addr + i);
        any_unmatched |= e != lowest && lowest != RISCV_PMP_COUNT;
        if (e >= 0 && e < lowest) {
            any_unmatched |= i > 0;
            lowest = e;
        }
    }
    if (lowest == RISCV_PMP_COUNT) {
        return priv == PRV_M ? 7 : 0;
    }
    if (any_unmatched) {
        return 0;
    }
    bool binds = priv != PRV_M || env->pmpcfg[lowest] & 0x80;
    return binds ? env->pmpcfg[lowest] & 7 : 7;
}

static void random_entries_match_as_the_reference(void **state) {
    (void)state;
    uint64_t s = random_seed();
    Hart *h = hart_new(64, NULL);
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < RISCV_PMP_COUNT; i++) {
            uint64_t r = random_next(&s);
            /* a few hundred words, so that entries overlap */
            uint64_t addr = 0x20000000 + (r & 0x1ff);
            if (r & 0x10000) {
                addr |= (1u << (r >> 20 & 7)) - 1;
            }
            set_entry(h, i, r >> 32 & 3, (r >> 40 & 7) | ((r >> 44 & 3) ? 0 : PMP_L),
                      addr);
        }
        riscv_pmp_update(h->cpu);
        for (unsigned k = 0; k < 100; k++) {
            uint64_t r = random_next(&s);
            unsigned size = 1u << (r >> 60 & 3);
            hwaddr addr = 0x80000000 - 16 + (r & 0x8ff);
            unsigned priv = r & 0x1000000 ? PRV_M : PRV_U;
            unsigned expected = reference(&h->cpu->env, addr, size, priv);
            if (check(h, addr, size, priv) != expected) {
                fail_msg("round %u addr 0x%llx size %u priv %u: %u, expected %u", round,
                         (unsigned long long)addr, size, priv, check(h, addr, size, priv),
                         expected);
            }
        }
    }
    hart_free(h);
}

static void whole_page_is_said_only_of_whole_pages(void **state) {
    (void)state;
    uint64_t s = random_seed();
    Hart *h = hart_new(64, NULL);
    for (unsigned round = 0; round < 300; round++) {
        for (unsigned i = 0; i < 4; i++) {
            uint64_t r = random_next(&s);
            uint64_t page = 0x20000000 + (r & 3) * 0x400,
                     within = r & 4 ? r >> 8 & 0x3ff : 0;
            set_entry(h, i, PMP_TOR, r >> 40 & 7, page + within);
        }
        riscv_pmp_update(h->cpu);
        for (hwaddr page = 0x80000000; page < 0x80004000; page += PAGE_SIZE) {
            hwaddr addr = page + (random_next(&s) & 0xfff);
            bool whole;
            unsigned prot = riscv_pmp_check(h->cpu, addr, 1, PRV_S, &whole);
            bool same = true;
            int entry = entry_of_byte(&h->cpu->env, addr);
            for (hwaddr a = page; a < page + PAGE_SIZE; a += 4) {
                same &= entry_of_byte(&h->cpu->env, a) == entry;
            }
            assert_int_equal(prot, reference(&h->cpu->env, addr, 1, PRV_S));
            assert_true(!whole || same); /* may be cautious, not bold */
            if (same) {
                assert_true(whole);
            }
        }
    }
    hart_free(h);
}

/* --- registers ---------------------------------------------------------------------- */
static void rv64_cfg_registers_hold_eight_entries(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    hart_write(h, PMPCFG0, UINT64_C(0x1f1e1d1c1b191800));
    assert_int_equal(hart_read(h, PMPCFG0), UINT64_C(0x1f1e1d1c1b191800) &
                                                ~UINT64_C(0x20000000000) &
                                                ~UINT64_C(0x2000000000000));
    hart_write(h, PMPCFG0 + 2, 0x0f);
    assert_int_equal(h->cpu->env.pmpcfg[8], 0x0f);
    assert_false(hart_may_read(h, PMPCFG0 + 1));
    hart_free(h);
}

static void rv32_cfg_registers_hold_four_entries(void **state) {
    (void)state;
    Hart *h = hart_new(32, NULL);
    hart_write(h, PMPCFG0 + 3, UINT64_C(0xffffffff9f1f0f08));
    assert_int_equal(hart_read(h, PMPCFG0 + 3), UINT64_C(0xffffffff9f1f0f08));
    assert_int_equal(h->cpu->env.pmpcfg[15], 0x9f);
    assert_int_equal(h->cpu->env.pmpcfg[12], 0x08);
    hart_free(h);
}

static void reserved_rights_and_bits_are_not_kept(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    for (unsigned v = 0; v < 0x80; v++) {
        hart_write(h, PMPCFG0, v);
        uint64_t now = hart_read(h, PMPCFG0);
        assert_int_equal(now & 0x60, 0);
        assert_int_not_equal(now & (PMP_R | PMP_W), PMP_W);
    }
    hart_write(h, PMPADDR0, ~UINT64_C(0));
    assert_int_equal(hart_read(h, PMPADDR0), (UINT64_C(1) << 54) - 1);
    hart_free(h);
}

static void a_locked_entry_stays(void **state) {
    (void)state;
    Hart *h = hart_new(64, NULL);
    hart_write(h, PMPADDR0, 0x100);
    hart_write(h, PMPADDR0 + 1, 0x200);
    hart_write(h, PMPADDR0 + 2, 0x300);
    hart_write(h, PMPCFG0, 0x8900); /* entry 1: locked TOR, R */
    hart_write(h, PMPCFG0, 0x1f1f1f);
    assert_int_equal(hart_read(h, PMPCFG0), 0x1f891f);
    for (unsigned i = 0; i < 3; i++) {
        hart_write(h, PMPADDR0 + i, 0x999);
    }
    assert_int_equal(hart_read(h, PMPADDR0), 0x100); /* the bottom of the locked range */
    assert_int_equal(hart_read(h, PMPADDR0 + 1), 0x200);
    assert_int_equal(hart_read(h, PMPADDR0 + 2), 0x999);
    hart_free(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(napot_ranges_are_those_of_the_table),
        cmocka_unit_test(random_entries_match_as_the_reference),
        cmocka_unit_test(whole_page_is_said_only_of_whole_pages),
        cmocka_unit_test(rv64_cfg_registers_hold_eight_entries),
        cmocka_unit_test(rv32_cfg_registers_hold_four_entries),
        cmocka_unit_test(reserved_rights_and_bits_are_not_kept),
        cmocka_unit_test(a_locked_entry_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
