/* SPDX-License-Identifier: MIT */
/* Whoever takes long leaves others their turn: journeys, long lists, logs without end. */
#include "inspect_rig.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/* A call that travels until it is told to arrive, as history.go does on the inspector's thread. */
typedef struct Journey {
    Inspector *ins;
    unsigned most; /* it arrives by itself after so many looks at the others; 0: not */
    bool begun, arrive, over; /* atomic */
} Journey;

static void travel_long(void *opaque) {
    Journey *j = opaque;
    inspector_journey_begin(j->ins);
    __atomic_store_n(&j->begun, true, __ATOMIC_SEQ_CST);
    for (unsigned n = 0; !__atomic_load_n(&j->arrive, __ATOMIC_SEQ_CST); n++) {
        if (j->most && n == j->most) {
            break;
        }
        inspector_meanwhile(j->ins);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    inspector_journey_end(j->ins);
    __atomic_store_n(&j->over, true, __ATOMIC_SEQ_CST);
}

static void wait_for(const bool *flag) {
    while (!__atomic_load_n(flag, __ATOMIC_SEQ_CST)) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static void begin(Journey *j, InspectRig *rig) {
    *j = (Journey){.ins = rig->ins};
    inspector_run(rig->ins, travel_long, j);
    wait_for(&j->begun);
}

static void arrive(Journey *j) {
    __atomic_store_n(&j->arrive, true, __ATOMIC_SEQ_CST);
    wait_for(&j->over);
}

static json_t *ask(InspectRig *rig, const char *method) {
    char text[128];
    snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}",
             method);
    rig_send(rig->client, text);
    return rig_receive(rig, rig->client);
}

static bool is_travelling(const json_t *status) {
    const json_t *result = json_object_get(status, "result");
    assert_non_null(result);
    assert_true(json_is_false(json_object_get(result, "running")));
    return json_is_true(json_object_get(result, "travelling"));
}

static void on_a_journey_others_are_told_how_it_is(void **state) {
    InspectRig *rig = *state;
    Journey j;
    begin(&j, rig);
    for (unsigned i = 0; i < 20; i++) {
        json_t *status = ask(rig, "machine.status");
        assert_true(is_travelling(status));
        json_decref(status);
    }
    assert_false(__atomic_load_n(&j.over, __ATOMIC_SEQ_CST));
    arrive(&j);
    json_t *status = ask(rig, "machine.status");
    assert_false(is_travelling(status));
    json_decref(status);
}

static void on_a_long_journey_what_cannot_be_had_is_refused_as_busy(void **state) {
    static const char *const methods[] = {"cpu.regs", "machine.cont", "mem.tree",
                                          "history.back", "machine.reset"};
    InspectRig *rig = *state;
    Journey j;
    begin(&j, rig);
    for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        json_t *answer = ask(rig, methods[i]);
        const json_t *error = json_object_get(answer, "error");
        const json_t *data = json_object_get(error, "data");
        const char *what = json_string_value(json_object_get(data, "what"));
        assert_string_equal(json_string_value(json_object_get(data, "class")),
                            "bad-state");
        assert_non_null(strstr(what, "busy"));
        assert_non_null(strstr(what, methods[i]));
        json_decref(answer);
    }
    arrive(&j);
    json_t *answer = ask(rig, "cpu.regs");
    assert_non_null(json_object_get(answer, "result"));
    json_decref(answer);
}

/* Most journeys take less than the patience: then nobody hears of them. */
static void on_a_short_journey_what_cannot_be_had_waits(void **state) {
    InspectRig *rig = *state;
    Journey j = {.ins = rig->ins, .most = 10};
    for (unsigned i = 0; i < 20; i++) {
        inspector_run(rig->ins, travel_long, &j);
        json_t *answer = ask(rig, "cpu.regs");
        assert_non_null(json_object_get(answer, "result"));
        json_decref(answer);
    }
    wait_for(&j.over);
}

static void
a_repeated_status_goes_on_during_a_journey_and_other_calls_rest(void **state) {
    static const char every[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.every\",\"params\":{\"ms\":10,"
        "\"changed\":false,\"method\":\"%s\"}}";
    InspectRig *rig = *state;
    InspectClient *other = rig_client(rig, INSPECT_VIEWER);
    char text[256];
    Journey j;
    snprintf(text, sizeof(text), every, "machine.status");
    rig_send(rig->client, text);
    json_decref(rig_receive(rig, rig->client));
    snprintf(text, sizeof(text), every, "mem.tree");
    rig_send(other, text);
    json_decref(rig_receive(rig, other));
    begin(&j, rig);
    for (InspectOut *out; (out = inspect_client_take(other)) != NULL;) {
        free(out); /* from before */
    }
    for (unsigned told = 0; told < 5;) {
        json_t *event = rig_receive(rig, rig->client);
        const json_t *data = json_object_get(json_object_get(event, "params"), "data");
        told += is_travelling(data);
        json_decref(event);
    }
    assert_null(inspect_client_take(other));
    arrive(&j);
    json_decref(rig_receive(rig, other)); /* it goes on */
    inspect_client_free(other);
}

static void long_lists_end_early_and_short_ones_do_not(void **state) {
    (void)state;
    const InspectCall begun = {.own_start = inspect_own_ns()};
    const InspectCall old = {.own_start = inspect_own_ns() - INSPECT_SLICE_NS};
    assert_true(inspect_may_add_row(&begun, INSPECT_ROWS_AT_LEAST));
    assert_true(inspect_may_add_row(&old, INSPECT_ROWS_AT_LEAST - 1)); /* it goes on */
    assert_false(inspect_may_add_row(&old, INSPECT_ROWS_AT_LEAST));
    assert_false(inspect_may_add_row(&old, 1000));
}

/* 5 ms: src/inspect/log.c. The slower the host, the fewer they are. */
static void a_log_without_end_is_told_now_and_then(void **state) {
    static const char subscribe[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.subscribe\",\"params\":{"
        "\"events\":[\"log.line\"]}}";
    InspectRig *rig = *state;
    unsigned told = 0;
    assert_true(log_set_file(&rig->log, "/dev/null", NULL));
    assert_true(log_set_mask(&rig->log, "web", NULL));
    rig_send(rig->client, subscribe);
    json_decref(rig_receive(rig, rig->client));
    int64_t begin_ns = inspect_now_ns(), now_ns = begin_ns;
    while (now_ns < begin_ns + 200000000) {
        log_printf(&rig->log, LOG_WEB, "a line\n");
        for (InspectOut *out; (out = inspect_client_take(rig->client)) != NULL; told++) {
            free(out);
        }
        now_ns = inspect_now_ns();
    }
    assert_true(told > 0);
    assert_true(told <= (now_ns - begin_ns) / 5000000 + 2);
}

/* Jobs one behind the other, each of which has a client come and go. */
typedef struct Visits {
    Inspector *ins;
    unsigned left, refused;
    bool over; /* atomic */
} Visits;

static void visit(void *opaque) {
    Visits *v = opaque;
    const InspectSink sink = {NULL, NULL};
    InspectClient *client = inspect_client_new(v->ins, INSPECT_VIEWER, &sink);
    v->refused += !client;
    inspect_client_free(client);
    if (--v->left) {
        inspector_run(v->ins, visit, v);
    } else {
        __atomic_store_n(&v->over, true, __ATOMIC_SEQ_CST);
    }
}

static void jobs_without_end_keep_no_client_that_is_gone(void **state) {
    InspectRig *rig = *state;
    Visits v = {.ins = rig->ins, .left = 3 * INSPECT_MAX_CLIENTS};
    inspector_run(rig->ins, visit, &v);
    wait_for(&v.over);
    assert_int_equal(v.refused, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(on_a_journey_others_are_told_how_it_is),
        TEST(on_a_long_journey_what_cannot_be_had_is_refused_as_busy),
        TEST(on_a_short_journey_what_cannot_be_had_waits),
        TEST(a_repeated_status_goes_on_during_a_journey_and_other_calls_rest),
        TEST(long_lists_end_early_and_short_ones_do_not),
        TEST(a_log_without_end_is_told_now_and_then),
        TEST(jobs_without_end_keep_no_client_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
