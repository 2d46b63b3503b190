/* SPDX-License-Identifier: MIT */
/* The human monitor's commands. Where a comment does not say otherwise the expected text is
 * QEMU 7.2's for the same command on the same bytes. */
#include "monitor_fixture.h"

#include "monitor/hmp.h"

/* Runs one line and compares what it says. */
static void expect(Hmp *hmp, const char *line, const char *wanted) {
    char *text = hmp_execute(hmp, line);
    assert_string_equal(text, wanted);
    free(text);
}

static void expect_part(Hmp *hmp, const char *line, const char *part) {
    char *text = hmp_execute(hmp, line);
    if (!strstr(text, part)) {
        fail_msg("'%s': no '%s' in '%s'", line, part, text);
    }
    free(text);
}

static void memory_dumps_read_as_qemus(void **state) {
    Rig *r = *state;
    Hmp hmp;
    hmp_init(&hmp, r->m, r->inspector, NULL);
    expect(&hmp, "xp/4xw 0x80000000",
           "0000000080000000: 0x00050433 0x000584b3 0x00060933 0x0000006f\n");
    expect(&hmp, "xp/3xb 0x80000000", "0000000080000000: 0x33 0x04 0x05\n");
    expect(&hmp, "xp/2dh 0x80000000", "0000000080000000:  1075     5\n");
    expect(&hmp, "xp/4c 0x80000000", "0000000080000000: '3' '\\x04' '\\x05' '\\x00'\n");
    expect(&hmp, "xp/2oh 0x80000000", "0000000080000000:  02063     05\n");
    expect(&hmp, "xp/1xg 0x80000000", "0000000080000000: 0x000584b300050433\n");
    expect(&hmp, "x/2xw 0x80000008", "0000000080000008: 0x00060933 0x0000006f\n");
}

static void instructions_are_disassembled(void **state) {
    Rig *r = *state;
    Hmp hmp;
    hmp_init(&hmp, r->m, r->inspector, NULL);
    expect_part(&hmp, "xp/2i 0x80000000", "0x0000000080000000:  00050433          add");
    expect_part(&hmp, "xp/2i 0x80000000", "0x0000000080000004:  000584b3          add");
}

static void a_format_is_remembered(void **state) {
    Rig *r = *state;
    Hmp hmp;
    hmp_init(&hmp, r->m, r->inspector, NULL);
    expect(&hmp, "p 255", "0xff\n");
    expect(&hmp, "p/d 0x10", "16\n");
    expect(&hmp, "p 0x11", "17\n");
    expect(&hmp, "p/c 65", "'A'\n");
    expect(&hmp, "p/o 8", "010\n");
    expect(&hmp, "p/u -1", "18446744073709551615\n");
}

static void registers_are_known_by_both_names(void **state) {
    Rig *r = *state;
    Hmp hmp;
    hmp_init(&hmp, r->m, r->inspector, NULL);
    expect(&hmp, "p/x $pc", "0x1000\n"); /* the boot ROM, from which a hart starts */
    expect(&hmp, "p/x $x2 + $sp", "0\n");
    expect(&hmp, "p/d $mhartid", "0\n");
    expect(&hmp, "cpu 1", "");
    expect(&hmp, "p/d $mhartid", "1\n");
    expect_part(&hmp, "info cpus", "* CPU #1: pc=0x0000000000001000");
    expect_part(&hmp, "info registers",
                "\nCPU#1\n pc       0000000000001000\n mhartid  "
                "0000000000000001\n");
    expect_part(&hmp, "info registers 0", "\nCPU#0\n");
    expect_part(&hmp, "info registers -a", "\nCPU#1\n");
}

static void mistakes_are_answered_in_words(void **state) {
    Rig *r = *state;
    Hmp hmp;
    hmp_init(&hmp, r->m, r->inspector, NULL);
    expect(&hmp, "bar", "unknown command: 'bar'\n");
    /* The nearest name is ours. */
    expect(&hmp, "infx status", "unknown command: 'infx'; did you mean 'info'?\n");
    expect(&hmp, "info stats",
           "unknown command: 'info stats'; did you mean 'info status'?\n");
    expect(&hmp, "x",
           "unexpected end of expression\nTry \"help x\" for more information\n");
    expect(&hmp, "xp/zz 0",
           "invalid char in format: 'z'\nTry \"help xp\" for more information\n");
    expect(&hmp, "log", "log: string expected\nTry \"help log\" for more information\n");
    expect(&hmp, "logfile",
           "logfile: filename expected\nTry \"help logfile\" for more information\n");
    expect(&hmp, "stop x",
           "stop: extraneous characters at the end of line\nTry \"help stop\" "
           "for more information\n");
    expect_part(&hmp, "cpu 9", "invalid CPU index");
    expect_part(&hmp, "xp/2000000xb 0", "at most 1048576 items");
}

static void empty_and_overlong_lines_do_nothing(void **state) {
    Rig *r = *state;
    Hmp hmp;
    char line[HMP_MAX_LINE + 10];
    hmp_init(&hmp, r->m, r->inspector, NULL);
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    expect(&hmp, "", "");
    expect(&hmp, "   ", "");
    expect(&hmp, line, "the line is longer than 4096 characters\n");
}

static void status_follows_the_machine(void **state) {
    Rig *r = *state;
    Hmp hmp;
    hmp_init(&hmp, r->m, r->inspector, NULL);
    expect(&hmp, "info status", "VM status: paused (prelaunch)\n");
    expect(&hmp, "cont", "");
    expect(&hmp, "info status", "VM status: running\n");
    expect(&hmp, "stop", "");
    expect(&hmp, "info status", "VM status: paused\n");
    expect(&hmp, "info name", "rig\n");
}

static void the_log_is_switched(void **state) {
    Rig *r = *state;
    Hmp hmp;
    hmp_init(&hmp, r->m, r->inspector, NULL);
    expect(&hmp, "log int,mmu", "");
    assert_int_equal(r->log.mask, LOG_INT | LOG_MMU);
    expect(&hmp, "log none", "");
    assert_int_equal(r->log.mask, 0);
    expect_part(&hmp, "log warp", "there is no log item 'warp'");
    assert_int_equal(r->log.mask, 0);
}

static void the_inspectors_methods_can_be_called(void **state) {
    Rig *r = *state;
    Hmp hmp;
    hmp_init(&hmp, r->m, r->inspector, NULL);
    expect_part(&hmp, "inspect machine.status", "machine     virt\n");
    expect_part(&hmp, "inspect machine.stadus", "did you mean machine.status");
    expect_part(&hmp, "inspect machine.quit {\"status\":\"x\"}", "Error: ");
    expect_part(&hmp, "inspect machine.quit {", "no JSON object");
}

/* --- completion ---------------------------------------------------------------------------- */

static void join(void *opaque, const char *word) {
    strcat(opaque, word);
    strcat(opaque, " ");
}

static void expect_choices(Hmp *hmp, const char *line, const char *wanted) {
    char text[16384] = "";
    size_t end = strlen(line), start = end;
    while (start > 0 && line[start - 1] != ' ') {
        start--;
    }
    hmp_complete(hmp, line, start, end, join, text);
    assert_string_equal(text, wanted);
}

static void words_are_completed(void **state) {
    Rig *r = *state;
    Hmp hmp;
    hmp_init(&hmp, r->m, r->inspector, NULL);
    expect_choices(&hmp, "sto", "stop ");
    expect_choices(&hmp, "system_", "system_reset system_powerdown ");
    expect_choices(&hmp, "info regi", "registers ");
    expect_choices(&hmp, "help quit", "quit ");
    expect_choices(&hmp, "x/4i $mscra", "$mscratch ");
    expect_choices(&hmp, "log guest", "guest_errors ");
    expect_choices(&hmp, "logfile /dev/nul", "/dev/null ");
    expect_choices(&hmp, "logfile /de", "/dev/ ");
    expect_choices(&hmp, "nonsense w", "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(memory_dumps_read_as_qemus),
        CASE(instructions_are_disassembled),
        CASE(a_format_is_remembered),
        CASE(registers_are_known_by_both_names),
        CASE(mistakes_are_answered_in_words),
        CASE(empty_and_overlong_lines_do_nothing),
        CASE(status_follows_the_machine),
        CASE(the_log_is_switched),
        CASE(the_inspectors_methods_can_be_called),
        CASE(words_are_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
