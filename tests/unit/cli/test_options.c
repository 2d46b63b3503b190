/* SPDX-License-Identifier: MIT */
/*
 * The option parser: what reaches MachineConfig. Expected values are QEMU's documented
 * meanings of the same options (units, suffixes, products of a topology). Error lines are
 * tested from outside, in tests/system/cli.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"

enum { MAX_ARGS = 80 };

/* Splits the words of `line`, which becomes argv[1..] behind `program`, and parses them.
 */
static bool parse_as(CommandLine *cl, const char *program, const char *line,
                     Error **errp) {
    static const char blank[] = " ";
    char *text = strdup(line), *rest = NULL;
    char *argv[MAX_ARGS] = {(char *)program};
    int argc = 1;
    for (char *w = strtok_r(text, blank, &rest); w && argc < MAX_ARGS;
         w = strtok_r(NULL, blank, &rest)) {
        argv[argc++] = w;
    }
    bool ok = command_line_parse(cl, argc, argv, errp);
    /* The configuration borrows the words: they live as long as the command line. */
    cl->owned = realloc(cl->owned, (cl->owned_count + 1) * sizeof(*cl->owned));
    cl->owned[cl->owned_count++] = text;
    return ok;
}

static void parse(CommandLine *cl, const char *line) {
    Error *err = NULL;
    if (!parse_as(cl, "vitrine-system-riscv64", line, &err)) {
        fail_msg("'%s': %s", line, error_message(err));
    }
}

static void assert_fails(const char *line, const char *part) {
    CommandLine cl;
    Error *err = NULL;
    assert_false(parse_as(&cl, "vitrine-system-riscv64", line, &err));
    assert_non_null(err);
    if (!strstr(error_message(err), part)) {
        fail_msg("'%s': '%s' is not in '%s'", line, part, error_message(err));
    }
    error_free(err);
    command_line_destroy(&cl);
}

static void defaults_are_one_hart_of_rv64_on_virt(void **state) {
    (void)state;
    CommandLine cl;
    parse(&cl, "");
    assert_int_equal(cl.action, CLI_RUN);
    assert_string_equal(cl.config.machine, "virt");
    assert_int_equal(cl.config.xlen, 64);
    assert_int_equal(cl.config.cpus, 1);
    assert_int_equal(cl.config.ram_size, 128 << 20); /* QEMU's default of virt */
    assert_true(cl.config.multi_thread);
    command_line_destroy(&cl);
}

static void program_name_chooses_xlen(void **state) {
    (void)state;
    static const struct {
        const char *program;
        unsigned xlen;
    } rows[] = {{"vitrine", 64},
                {"/a/b/vitrine-system-riscv64", 64},
                {"./vitrine-system-riscv32", 32},
                {"riscv32/vitrine", 64}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CommandLine cl;
        assert_true(parse_as(&cl, rows[i].program, "", NULL));
        assert_int_equal(cl.config.xlen, rows[i].xlen);
        command_line_destroy(&cl);
    }
}

static void memory_is_in_mib_without_suffix(void **state) {
    (void)state;
    static const struct {
        const char *line;
        uint64_t bytes;
    } rows[] = {
        {"-m 64", 64ull << 20},   {"-m 512M", 512ull << 20},  {"-m 3G", 3ull << 30},
        {"-m 1.5G", 3ull << 29},  {"-m 2048k", 2ull << 20},   {"-m size=1g", 1ull << 30},
        {"-m 0x40", 64ull << 20}, {"-m 0x10M", 16ull << 20},  {"-m 1 -m 2", 2ull << 20},
        {"-m 1T", 1ull << 40},    {"-m 4194304b", 4ull << 20}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CommandLine cl;
        parse(&cl, rows[i].line);
        if (cl.config.ram_size != rows[i].bytes) {
            fail_msg("%s: %llu bytes", rows[i].line,
                     (unsigned long long)cl.config.ram_size);
        }
        command_line_destroy(&cl);
    }
}

static void memory_refuses_what_is_no_size(void **state) {
    (void)state;
    static const char *const lines[] = {"-m x",   "-m 1X",        "-m -1",
                                        "-m 1MM", "-m 0",         "-m 1.G.",
                                        "-m 1b",  "-m 99999999T", "-m 512,slots=2"};
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_fails(lines[i], "-m");
    }
}

static void smp_multiplies_its_shape(void **state) {
    (void)state;
    static const struct {
        const char *line;
        unsigned cpus;
    } rows[] = {{"-smp 4", 4},
                {"-smp cpus=3", 3},
                {"-smp 4,sockets=1,cores=2,threads=2", 4},
                {"-smp cores=4", 4},
                {"-smp sockets=2,cores=2", 4},
                {"-smp 2,maxcpus=2", 2}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CommandLine cl;
        parse(&cl, rows[i].line);
        assert_int_equal(cl.config.cpus, rows[i].cpus);
        command_line_destroy(&cl);
    }
    assert_fails("-smp 0", "-smp 0");
    assert_fails("-smp 9", "at most 8");
    assert_fails("-smp 2,maxcpus=4", "maxcpus");
    assert_fails("-smp 3,cores=2", "do not fill");
    assert_fails("-smp x", "-smp x");
    assert_fails("-smp 2,dies=1", "dies");
}

static void accel_sets_threads_buffer_and_backend(void **state) {
    (void)state;
    CommandLine cl;
    parse(&cl, "-accel tcg,thread=single,tb-size=64,backend=interp");
    assert_string_equal(cl.config.accel, "tcg-interp");
    assert_false(cl.config.multi_thread);
    assert_int_equal(cl.config.tb_size, 64 << 20);
    command_line_destroy(&cl);
    parse(&cl, "-machine virt,accel=kvm:tcg");
    assert_memory_equal(cl.config.accel, "tcg", 3);
    command_line_destroy(&cl);
    parse(&cl, "-accel kvm -accel tcg,thread=single");
    assert_false(cl.config.multi_thread);
    command_line_destroy(&cl);
    assert_fails("-accel kvm", "RISC-V");
    assert_fails("-machine virt,accel=kvm", "RISC-V");
    assert_fails("-accel hax", "hax");
    assert_fails("-accel tcg,thread=many", "thread=many");
    assert_fails("-accel tcg,tb-size=4096", "tb-size=4096");
}

static void icount_is_checked(void **state) {
    (void)state;
    CommandLine cl;
    parse(&cl, "-icount shift=3,sleep=off,align=off");
    assert_true(cl.config.icount.on);
    assert_int_equal(cl.config.icount.shift, 3);
    assert_false(cl.config.icount.sleep);
    command_line_destroy(&cl);
    parse(&cl, "-icount 0 -accel tcg,thread=multi");
    assert_int_equal(cl.config.icount.shift, 0);
    assert_true(cl.config.icount.sleep); /* as QEMU */
    assert_true(cl.config.multi_asked);
    command_line_destroy(&cl);
    assert_fails("-icount shift=auto", "shift=auto");
    assert_fails("-icount shift=11", "shift=11");
    assert_fails("-icount shift=2,align=on", "align=on");
    assert_fails("-icount sleep=off", "shift=");
}

static void rtc_and_seed_are_checked(void **state) {
    (void)state;
    CommandLine cl;
    parse(&cl, "-rtc base=2006-06-17T16:01:21,clock=vm,driftfix=none -seed "
               "18446744073709551615");
    assert_int_equal(cl.config.rtc.base, RTC_BASE_DATE);
    /* date -u -d 2006-06-17T16:01:21 +%s */
    assert_int_equal(cl.config.rtc.date_ns, INT64_C(1150560081) * 1000000000);
    assert_int_equal(cl.config.rtc.clock, RTC_CLOCK_VM);
    assert_true(cl.config.seeded);
    assert_int_equal(cl.config.seed, UINT64_MAX);
    command_line_destroy(&cl);
    parse(&cl, "-rtc base=2024-02-29 -seed 0x10");
    assert_int_equal(cl.config.rtc.date_ns, INT64_C(1709164800) * 1000000000);
    assert_int_equal(cl.config.rtc.clock, RTC_CLOCK_DEFAULT);
    assert_int_equal(cl.config.seed, 16);
    command_line_destroy(&cl);
    parse(&cl, "-rtc base=localtime,clock=host");
    assert_int_equal(cl.config.rtc.base, RTC_BASE_LOCALTIME);
    assert_false(cl.config.seeded);
    command_line_destroy(&cl);
    static const char *const bad[] = {
        "base=2006-02-29",
        "base=2006-06-17T24:00:00",
        "base=2006-06-17T16:01",
        "base=2006-06-17T16:01:2x",
        "base=6-6-17",
        "base=1969-12-31",
        "base=2262-01-01",
        "base=",
        "clock=rt",
        "driftfix=slew",
        "zone=utc",
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[80];
        snprintf(line, sizeof(line), "-rtc %s", bad[i]);
        assert_fails(line, bad[i][0] == 'z' ? "zone" : bad[i]);
    }
    assert_fails("-icount 2 -rtc clock=host", "clock=vm");
    assert_fails("-rtc clock=host -icount 2", "clock=vm");
    static const char *const seeds[] = {"-1", "1x", "x", "18446744073709551616", "1.5"};
    for (unsigned i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
        char line[80];
        snprintf(line, sizeof(line), "-seed %s", seeds[i]);
        assert_fails(line, "whole number");
    }
}

static void machine_keeps_the_boards_own_properties(void **state) {
    (void)state;
    CommandLine cl;
    parse(&cl, "-M virt,aclint=on,dumpdtb=/tmp/a,,b.dtb,accel=tcg,usb=off");
    assert_string_equal(cl.config.machine, "virt");
    assert_string_equal(cl.config.dump_dtb, "/tmp/a,b.dtb");
    assert_string_equal(cl.config.machine_props, "aclint=on,usb=off");
    command_line_destroy(&cl);
    parse(&cl, "-machine type=virt");
    assert_string_equal(cl.config.machine, "virt");
    assert_null(cl.config.machine_props);
    command_line_destroy(&cl);
}

static void lists_keep_order(void **state) {
    (void)state;
    CommandLine cl;
    parse(&cl, "-serial null -serial file:x --drive file=a -drive file=b -device "
               "virtio-rng-device "
               "-netdev user,id=n -global a.b=c -nic none -net none");
    assert_int_equal(cl.config.serials.count, 2);
    assert_string_equal(cl.config.serials.item[0], "null");
    assert_string_equal(cl.config.serials.item[1], "file:x");
    assert_int_equal(cl.config.drives.count, 2);
    assert_string_equal(cl.config.drives.item[1], "file=b");
    assert_int_equal(cl.config.devices.count, 1);
    assert_int_equal(cl.config.netdevs.count, 1);
    assert_int_equal(cl.config.globals.count, 1);
    assert_int_equal(cl.config.nics.count, 1);
    command_line_destroy(&cl);
}

static void lists_have_an_end(void **state) {
    (void)state;
    char line[MACHINE_MAX_LIST * 16 + 32] = "";
    for (unsigned i = 0; i <= MACHINE_MAX_LIST; i++) {
        strcat(line, "-serial null ");
    }
    assert_fails(line, "too many");
}

static void switches_are_set(void **state) {
    (void)state;
    CommandLine cl;
    parse(
        &cl,
        "-nographic -nodefaults -no-user-config -no-reboot -no-shutdown -S -monitor none "
        "-parallel none -vga none -display none -name guest=a,debug-threads=on");
    const MachineConfig *c = &cl.config;
    assert_true(c->nographic && c->nodefaults && c->no_reboot && c->no_shutdown &&
                c->start_stopped && c->display_none);
    assert_string_equal(c->name, "a");
    command_line_destroy(&cl);
}

static void help_words_stop_the_parse(void **state) {
    (void)state;
    static const struct {
        const char *line;
        CliAction action;
    } rows[] = {{"-h", CLI_HELP},
                {"-version", CLI_VERSION},
                {"-M ?", CLI_LIST_MACHINES},
                {"-machine help", CLI_LIST_MACHINES},
                {"-M virt -cpu ? -nonsense", CLI_LIST_CPUS},
                {"-accel help", CLI_LIST_ACCELS},
                {"-device help", CLI_LIST_DEVICES},
                {"-device virtio-rng-device,help", CLI_LIST_DEVICE_PROPERTIES},
                {"-d ?", CLI_LIST_LOG_ITEMS},
                {"-netdev help", CLI_LIST_NETDEVS},
                {"-serial help", CLI_LIST_CHARDEVS}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CommandLine cl;
        parse(&cl, rows[i].line);
        assert_int_equal(cl.action, rows[i].action);
        command_line_destroy(&cl);
    }
}

static void near_names_are_offered(void **state) {
    (void)state;
    static const struct {
        const char *written, *nearest;
    } rows[] = {{"kernl", "kernel"},    {"initrc", "initrd"},
                {"machnie", "machine"}, {"nographics", "nographic"},
                {"drvie", "drive"},     {"no_reboot", "no-reboot"},
                {"zzzzzzzz", NULL},     {"x", NULL}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *got = option_nearest(rows[i].written);
        if (!got || !rows[i].nearest) {
            assert_ptr_equal(got, rows[i].nearest);
        } else {
            assert_string_equal(got, rows[i].nearest);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_one_hart_of_rv64_on_virt),
        cmocka_unit_test(program_name_chooses_xlen),
        cmocka_unit_test(memory_is_in_mib_without_suffix),
        cmocka_unit_test(memory_refuses_what_is_no_size),
        cmocka_unit_test(smp_multiplies_its_shape),
        cmocka_unit_test(accel_sets_threads_buffer_and_backend),
        cmocka_unit_test(icount_is_checked),
        cmocka_unit_test(rtc_and_seed_are_checked),
        cmocka_unit_test(machine_keeps_the_boards_own_properties),
        cmocka_unit_test(lists_keep_order),
        cmocka_unit_test(lists_have_an_end),
        cmocka_unit_test(switches_are_set),
        cmocka_unit_test(help_words_stop_the_parse),
        cmocka_unit_test(near_names_are_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
