/* SPDX-License-Identifier: MIT */
/*
 * A gdb session without gdb: packets in, packets out, on a machine whose harts count in
 * memory. Expected replies: GDB manual, appendix E; places are those of the guest's listing.
 */
#include "../hw/run_rig.h"

#include "cpu/riscv/cpu.h"
#include "monitor/gdb.h"

enum { WAIT_MS = 10000, DATA = 0x80001000 };

typedef struct Gdb {
    RunTest *t;
    RunThread r;
    Machine *m;
    GdbSession *s;
    char reply[2 * GDB_MAX_PACKET];
} Gdb;

static Gdb *begin(RunTest *t, unsigned cpus, const GdbHooks *hooks) {
    Gdb *g = calloc(1, sizeof(*g));
    t->config.cpus = cpus;
    g->t = t;
    g->m = run_make(t, run_counting, sizeof(run_counting));
    run_begin(&g->r, g->m);
    for (unsigned i = 0; i < cpus; i++) {
        assert_true(run_counts(g->m, i));
    }
    g->s = gdb_session_new(g->m, hooks);
    gdb_session_input(g->s, (const uint8_t *)"$QStartNoAckMode#b0", 19);
    size_t len;
    gdb_session_output(g->s, &len);
    gdb_session_sent(g->s, len);
    return g;
}

static void end(Gdb *g) {
    gdb_session_free(g->s);
    run_end(&g->r);
    free(g);
}

/* Takes what there is to send; the payload of the last packet in it. */
static const char *take(Gdb *g) {
    size_t len;
    const char *out = gdb_session_output(g->s, &len);
    GdbParser *p = calloc(1, sizeof(*p));
    g->reply[0] = '\0';
    for (size_t i = 0; i < len; i++) {
        if (gdb_parser_take(p, (uint8_t)out[i]) == GDB_PACKET) {
            memcpy(g->reply, p->payload, p->len + 1);
        }
    }
    free(p);
    gdb_session_sent(g->s, len);
    return g->reply;
}

static void put(Gdb *g, const char *payload) {
    GdbBuffer b;
    gdb_buffer_init(&b, 2 * GDB_MAX_PACKET);
    gdb_put_packet(&b, payload, strlen(payload));
    gdb_session_input(g->s, (const uint8_t *)b.data, b.len);
    gdb_buffer_destroy(&b);
}

static const char *ask(Gdb *g, const char *payload) {
    put(g, payload);
    return take(g);
}

/* Goes on and waits for the stop. */
static const char *ask_stop(Gdb *g, const char *payload) {
    put(g, payload);
    assert_true(machine_wait_stopped(g->m, WAIT_MS));
    gdb_session_notice(g->s, false);
    return take(g);
}

static void assert_pc(Gdb *g, const char *little_endian) {
    assert_string_equal(ask(g, "p20"), little_endian);
}

/* --- life ------------------------------------------------------------------------ */

static void session_stops_the_machine_and_its_end_lets_it_go(void **state) {
    Gdb *g = begin(*state, 2, NULL);
    assert_int_equal(machine_run_state(g->m), RUN_PAUSED);
    assert_string_equal(ask(g, "?"), "T05thread:01;");
    assert_string_equal(ask(g, "Z0,80000020,4"), "OK");
    gdb_session_free(g->s); /* the client vanished */
    DebugPoint none;
    assert_int_equal(machine_list_points(g->m, &none, 1), 0);
    assert_int_equal(machine_run_state(g->m), RUN_RUNNING);
    assert_true(run_counts(g->m, 1));
    g->s = gdb_session_new(g->m, NULL); /* and another one may come */
    assert_int_equal(machine_run_state(g->m), RUN_PAUSED);
    end(g);
}

static void detach_is_the_end(void **state) {
    Gdb *g = begin(*state, 1, NULL);
    ask(g, "Z2,80001000,8");
    assert_string_equal(ask(g, "D"), "OK");
    assert_true(gdb_session_is_over(g->s));
    assert_true(run_counts(g->m, 0));
    end(g);
}

static void kill_ends_the_machine(void **state) {
    Gdb *g = begin(*state, 1, NULL);
    DebugPoint none;
    ask(g, "Z0,80000020,4");
    put(g, "k");
    pthread_join(g->r.thread, NULL);
    assert_int_equal(g->m->shutdown, SHUTDOWN_USER);
    gdb_session_free(g->s);
    assert_int_equal(machine_list_points(g->m, &none, 1), 0);
    machine_free(g->m);
    free(g);
}

static void end_of_the_machine_is_told_with_its_status(void **state) {
    Gdb *g = begin(*state, 1, NULL);
    put(g, "c");
    machine_request_shutdown(g->m, SHUTDOWN_GUEST, 7);
    pthread_join(g->r.thread, NULL);
    gdb_session_notice(g->s, true);
    assert_string_equal(take(g), "W07");
    gdb_session_free(g->s);
    machine_free(g->m);
    free(g);
}

/* --- stops ----------------------------------------------------------------------- */

static void break_and_step_and_continue(void **state) {
    Gdb *g = begin(*state, 1, NULL);
    assert_string_equal(ask(g, "Z0,80000020,4"), "OK");
    assert_string_equal(ask(g, "Z0,80000020,4"), "OK"); /* once is enough */
    assert_string_equal(ask_stop(g, "vCont;c"), "T05thread:01;");
    assert_pc(g, "2000008000000000");
    assert_string_equal(ask_stop(g, "s"), "T05thread:01;");
    assert_pc(g, "2400008000000000");
    assert_string_equal(ask_stop(g, "vCont;s:1"), "T05thread:01;");
    assert_pc(g, "1800008000000000");
    assert_string_equal(ask_stop(g, "vCont;r80000018,80000020:1;c"), "T05thread:01;");
    assert_pc(g, "2000008000000000");
    assert_string_equal(ask(g, "z0,80000020,4"), "OK");
    assert_string_equal(ask(g, "vCont;c"), ""); /* runs: no reply */
    assert_true(run_counts(g->m, 0));
    gdb_session_input(g->s, (const uint8_t *)"\x03", 1);
    assert_string_equal(take(g), "T02thread:01;");
    end(g);
}

static void early_interrupt_is_for_the_next_packet(void **state) {
    Gdb *g = begin(*state, 1, NULL);
    const uint8_t ctrl_c = 3;
    gdb_session_input(g->s, &ctrl_c, 1);
    assert_string_equal(ask(g, "vCont;c"), "T02thread:01;");
    assert_string_equal(ask(g, "vCont;c"), ""); /* once only */
    gdb_session_input(g->s, &ctrl_c, 1);
    assert_string_equal(take(g), "T02thread:01;");
    gdb_session_input(g->s, &ctrl_c, 1);
    ask(g, "T1"); /* gdb has seen that nothing runs */
    assert_string_equal(ask(g, "vCont;c"), "");
    assert_int_equal(machine_run_state(g->m), RUN_RUNNING);
    end(g);
}

static void watch_points_name_kind_and_address(void **state) {
    Gdb *g = begin(*state, 4, NULL);
    assert_string_equal(ask(g, "Z2,80001080,8"), "OK"); /* hart 2's counter */
    assert_string_equal(ask_stop(g, "c"), "T05thread:03;watch:80001080;");
    assert_pc(g, "2400008000000000"); /* of the hart that stopped */
    ask(g, "z2,80001080,8");
    ask(g, "Z3,80001043,1"); /* inside hart 1's */
    assert_string_equal(ask_stop(g, "c"), "T05thread:02;rwatch:80001043;");
    ask(g, "z3,80001043,1");
    ask(g, "Z4,80001000,8");
    assert_string_equal(ask_stop(g, "c"), "T05thread:01;awatch:80001000;");
    assert_string_equal(ask(g, "Z2,80001000,0"), "E1c");
    assert_string_equal(ask(g, "Z9,80001000,1"), "");
    end(g);
}

static void only_the_named_thread_steps(void **state) {
    Gdb *g = begin(*state, 2, NULL);
    uint64_t before = run_count(g->m, 0);
    for (unsigned i = 0; i < 8; i++) {
        assert_string_equal(ask_stop(g, "vCont;s:2"), "T05thread:02;");
    }
    assert_int_equal(run_count(g->m, 0), before);
    ask(g, "Hc1");
    assert_string_equal(ask_stop(g, "s"), "T05thread:01;");
    end(g);
}

/* --- looking --------------------------------------------------------------------- */

static void registers_read_and_write(void **state) {
    Gdb *g = begin(*state, 2, NULL);
    assert_int_equal(strlen(ask(g, "g")), 33 * 16);
    ask(g, "Hg2");
    assert_string_equal(ask(g, "p0"), "0000000000000000");
    assert_string_equal(ask(g, "P5=efcdab8967452301"), "OK");
    assert_int_equal(riscv_cpu(g->m->cpus->cpu[1])->env.gpr[5],
                     UINT64_C(0x0123456789abcdef));
    assert_string_equal(ask(g, "p5"), "efcdab8967452301");
    assert_string_equal(ask(g, "P0=0100000000000000"), "OK"); /* x0 stays */
    assert_string_equal(ask(g, "p0"), "0000000000000000");
    assert_string_equal(ask(g, "pf55"), "0100000000000000");     /* 65 + 0xf14: mhartid */
    assert_string_equal(ask(g, "Pf55=0000000000000000"), "E16"); /* read only */
    assert_string_equal(ask(g, "p1041"), "0300000000000000");    /* priv */
    assert_string_equal(ask(g, "P381=1122334400000000"), "OK"); /* 65 + 0x340: mscratch */
    assert_string_equal(ask(g, "p381"), "1122334400000000");
    assert_string_equal(ask(g, "p3fff"), "E16");
    assert_string_equal(ask(g, "P1041=0200000000000000"), "E16"); /* no such mode */
    /* All at once: what was read is written to the other hart. */
    char all[33 * 16 + 2] = "G";
    strcpy(all + 1, ask(g, "g"));
    ask(g, "Hg1");
    assert_string_equal(ask(g, all), "OK");
    assert_string_equal(ask(g, "g"), all + 1);
    assert_string_equal(ask(g, "G00"), "E16");
    end(g);
}

static void memory_read_and_write(void **state) {
    Gdb *g = begin(*state, 1, NULL);
    assert_string_equal(ask(g, "m80000000,4"), "732340f1"); /* the first instruction */
    assert_string_equal(ask(g, "M80001800,3:a1b2c3"), "OK");
    assert_string_equal(ask(g, "m80001800,4"), "a1b2c300");
    assert_string_equal(ask(g, "X80001800,2:}]"), "E16"); /* one byte of two */
    put(g, "X80001801,2:}]@");
    assert_string_equal(take(g), "OK");
    assert_string_equal(ask(g, "m80001800,3"), "a17d40");
    assert_string_equal(ask(g, "m10,4"), "E0e"); /* nothing there */
    /* Not more than there is, and not more than fits. */
    assert_int_equal(strlen(ask(g, "m80ffffff,10")), 2);
    assert_int_equal(strlen(ask(g, "m80000000,ffffffff")), GDB_MAX_PACKET);
    assert_string_equal(ask(g, "m80000000"), "E16");
    assert_string_equal(ask(g, "M80001800,2:a1b"), "E16");
    assert_string_equal(ask(g, "M80001800,ffffffffffffffff:a1"), "E16");
    end(g);
}

/* Code that was written is what runs: the loop's addi counts by three. */
static void written_code_runs(void **state) {
    Gdb *g = begin(*state, 1, NULL);
    ask(g, "Z0,80000024,4");
    ask_stop(g, "c");
    assert_string_equal(ask(g, "M8000001c,4:93833300"), "OK"); /* addi t2, t2, 3 */
    uint64_t before = run_count(g->m, 0);
    ask_stop(g, "c");
    assert_int_equal(run_count(g->m, 0), before + 3);
    end(g);
}

static void threads_and_features(void **state) {
    Gdb *g = begin(*state, 3, NULL);
    assert_non_null(strstr(ask(g, "qSupported:multiprocess+;xmlRegisters=i386"),
                           "qXfer:features:read+"));
    assert_null(strstr(g->reply, "ReverseStep")); /* no history */
    assert_string_equal(ask(g, "bs"), "");
    assert_string_equal(ask(g, "qfThreadInfo"), "m01,02,03");
    assert_string_equal(ask(g, "qsThreadInfo"), "l");
    assert_string_equal(ask(g, "T3"), "OK");
    assert_string_equal(ask(g, "T4"), "E16");
    assert_string_equal(ask(g, "Hg4"), "E16");
    assert_string_equal(ask(g, "qC"), "QC01");
    /* "hart 1: M-mode" */
    assert_string_equal(ask(g, "qThreadExtraInfo,2"), "6861727420313a204d2d6d6f6465");
    assert_string_equal(ask(g, "vMustReplyEmpty"), "");
    assert_string_equal(ask(g, "qCRC:0,1"), "");
    assert_string_equal(ask(g, "vCont?"), "vCont;c;C;s;S;t;r");
    assert_string_equal(ask(g, "vCont;x"), "E16");
    assert_string_equal(ask(g, "vCont"), "E16");
    assert_string_equal(ask(g, "!"), "OK");
    assert_string_equal(ask(g, "qqemu.sstep"), "0x7");
    assert_string_equal(ask(g, "Qqemu.sstep=1"), "OK");
    assert_string_equal(ask(g, "qqemu.sstep"), "0x1");
    end(g);
}

static void description_comes_in_pieces(void **state) {
    Gdb *g = begin(*state, 1, NULL);
    char *xml = calloc(1, 1 << 18);
    size_t len = 0;
    do {
        char query[64];
        snprintf(query, sizeof(query), "qXfer:features:read:target.xml:%zx,7ff", len);
        ask(g, query);
        strcpy(xml + len, g->reply + 1);
        len += strlen(g->reply + 1);
    } while (g->reply[0] == 'm');
    assert_int_equal(g->reply[0], 'l');
    assert_non_null(strstr(xml, "riscv:rv64"));
    assert_non_null(strstr(xml, "<reg name=\"satp\" bitsize=\"64\" type=\"int\" "
                                "regnum=\"449\"/>")); /* 65 + 0x180 */
    assert_non_null(strstr(xml, "</target>"));
    assert_string_equal(ask(g, "qXfer:features:read:other.xml:0,10"), "E00");
    free(xml);
    end(g);
}

static char *echo(void *opaque, const char *text) {
    (void)opaque;
    char *answer = malloc(strlen(text) + 2);
    strcpy(answer, text);
    return strcat(answer, "!");
}

static void monitor_text_goes_to_the_hook(void **state) {
    const GdbHooks hooks = {.monitor = echo};
    Gdb *g = begin(*state, 1, &hooks);
    put(g, "qRcmd,6869"); /* "hi" */
    size_t len;
    const char *out = gdb_session_output(g->s, &len);
    assert_int_equal(len, strlen("$O686921#fb$OK#9a"));
    assert_memory_equal(out, "$O686921#", 9); /* "hi!" */
    assert_string_equal(take(g), "OK");
    assert_string_equal(ask(g, "qRcmd,686"), "E16");
    end(g);
}

static bool reverse(void *opaque, unsigned cpu, bool step, DebugStop *stop,
                    Error **errp) {
    (void)opaque;
    if (step) {
        *stop = (DebugStop){.reason = DEBUG_STEP, .cpu = cpu};
        return true;
    }
    error_set(errp, "no");
    return false;
}

static void history_is_offered_when_there_is_one(void **state) {
    const GdbHooks hooks = {.reverse = reverse};
    Gdb *g = begin(*state, 1, &hooks);
    assert_non_null(strstr(ask(g, "qSupported"), "ReverseStep+;ReverseContinue+"));
    assert_string_equal(ask(g, "bs"), "T05thread:01;");
    assert_string_equal(ask(g, "bc"), "E05");
    end(g);
}

/* --- trouble --------------------------------------------------------------------- */

static void garbage_changes_nothing(void **state) {
    Gdb *g = begin(*state, 2, NULL);
    unsigned seed = 20260;
    uint64_t before = run_count(g->m, 0);
    print_message("seed %u\n", seed);
    for (unsigned n = 0; n < 3000; n++) {
        char text[64];
        unsigned len = (unsigned)rand_r(&seed) % (sizeof(text) - 1);
        for (unsigned i = 0; i < len; i++) {
            text[i] = (char)(rand_r(&seed) % 94 + 33);
        }
        text[len] = '\0';
        if (strchr("cCsSvkDbRMXGPZ", text[0]) && text[0]) {
            text[0] = 'q'; /* those that do what they are told */
        }
        ask(g, text);
    }
    assert_int_equal(run_count(g->m, 0), before);
    assert_int_equal(machine_run_state(g->m), RUN_PAUSED);
    assert_string_equal(ask(g, "T1"), "OK");
    end(g);
}

static void damaged_packet_is_asked_for_again(void **state) {
    RunTest *t = *state;
    t->config.cpus = 1;
    Machine *m = run_make(t, run_counting, sizeof(run_counting));
    GdbSession *s = gdb_session_new(m, NULL);
    size_t len;
    gdb_session_input(s, (const uint8_t *)"$?#3e", 5);
    assert_memory_equal(gdb_session_output(s, &len), "-", 1);
    gdb_session_sent(s, len);
    gdb_session_input(s, (const uint8_t *)"$!#21-", 6); /* and its reply, too */
    const char *out = gdb_session_output(s, &len);
    assert_int_equal(len, 13);
    assert_memory_equal(out, "+$OK#9a$OK#9a", 13);
    gdb_session_sent(s, len);
    gdb_session_input(s, (const uint8_t *)"$D#44", 5);
    gdb_session_free(s);
    machine_free(m);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, run_setup, run_teardown)
    const struct CMUnitTest tests[] = {
        T(session_stops_the_machine_and_its_end_lets_it_go),
        T(detach_is_the_end),
        T(kill_ends_the_machine),
        T(end_of_the_machine_is_told_with_its_status),
        T(break_and_step_and_continue),
        T(early_interrupt_is_for_the_next_packet),
        T(watch_points_name_kind_and_address),
        T(only_the_named_thread_steps),
        T(registers_read_and_write),
        T(memory_read_and_write),
        T(written_code_runs),
        T(threads_and_features),
        T(description_comes_in_pieces),
        T(monitor_text_goes_to_the_hook),
        T(history_is_offered_when_there_is_one),
        T(garbage_changes_nothing),
        T(damaged_packet_is_asked_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
