/* SPDX-License-Identifier: MIT */
/* QMP's checks and answers, without a socket. Errors and shapes were recorded from QEMU 7.2. */
#include "monitor_fixture.h"

#include "monitor/qmp_call.h"

/* The answer to a message, as compact text with sorted keys. */
static char *ask(Rig *r, bool *negotiated, const char *message) {
    Hmp hmp;
    hmp_init(&hmp, r->m, r->inspector, NULL);
    QmpCall call = {
        .m = r->m, .inspector = r->inspector, .hmp = &hmp, .negotiated = negotiated};
    json_t *answer = qmp_dispatch(&call, json_loads(message, JSON_DECODE_ANY, NULL));
    char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(answer);
    return text;
}

static void expect(Rig *r, const char *message, const char *wanted) {
    QmpEvents *events = qmp_events_new(r->m);
    bool negotiated = true;
    char *text = ask(r, &negotiated, message);
    assert_string_equal(text, wanted);
    free(text);
    qmp_events_free(events);
}

#define ERROR(class, desc) "{\"error\":{\"class\":\"" class "\",\"desc\":\"" desc "\"}}"

static void requests_are_checked_as_in_qemu(void **state) {
    Rig *r = *state;
    expect(r, "{\"execute\":\"nope\"}",
           ERROR("CommandNotFound", "The command nope has not been found"));
    expect(r, "[]", ERROR("GenericError", "QMP input must be a JSON object"));
    expect(r, "{\"execute\":1}",
           ERROR("GenericError", "QMP input member 'execute' must be a string"));
    expect(r, "{\"execute\":\"stop\",\"arguments\":[]}",
           ERROR("GenericError", "QMP input member 'arguments' must be an object"));
    expect(r, "{\"execute\":\"stop\",\"arguments\":{\"x\":1}}",
           ERROR("GenericError", "Parameter 'x' is unexpected"));
    expect(r, "{\"execute\":\"device_add\"}",
           ERROR("GenericError", "Parameter 'driver' is missing"));
    expect(r,
           "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"nix\",\"any\":{}}}",
           ERROR("GenericError", "'nix' is not a valid device model name"));
}

static void ids_come_back(void **state) {
    Rig *r = *state;
    expect(r, "{\"execute\":\"query-name\",\"id\":[1,{\"a\":null}]}",
           "{\"id\":[1,{\"a\":null}],\"return\":{\"name\":\"rig\"}}");
    expect(r, "{\"id\":7}",
           "{\"error\":{\"class\":\"GenericError\",\"desc\":\"QMP input lacks member "
           "'execute'\"},\"id\":7}");
}

static void negotiation_comes_first_and_once(void **state) {
    Rig *r = *state;
    QmpEvents *events = qmp_events_new(r->m);
    bool negotiated = false;
    static const char capabilities[] = "{\"execute\":\"qmp_capabilities\"}";
    const char *const steps[][2] = {
        {"{\"execute\":\"stop\"}",
         ERROR("CommandNotFound",
               "Expecting capabilities negotiation with 'qmp_capabilities'")},
        {capabilities, "{\"return\":{}}"},
        {capabilities,
         ERROR("CommandNotFound",
               "Capabilities negotiation is already complete, command ignored")},
    };
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char *text = ask(r, &negotiated, steps[i][0]);
        assert_string_equal(text, steps[i][1]);
        free(text);
    }
    qmp_events_free(events);
}

static void wake(void *opaque) {
    ++*(unsigned *)opaque;
}

static void events_wait_in_bounded_queues(void **state) {
    Rig *r = *state;
    QmpEvents *events = qmp_events_new(r->m);
    unsigned woken = 0, waiting = 0;
    QmpQueue *q = qmp_queue_new(events, wake, &woken);
    for (unsigned i = 0; i < 2000; i++) {
        machine_powerdown(r->m);
    }
    assert_int_equal(woken, 2000);
    for (json_t *e; (e = qmp_queue_take(q)) != NULL; waiting++) {
        assert_string_equal(json_string_value(json_object_get(e, "event")), "POWERDOWN");
        json_decref(e);
    }
    assert_int_equal(waiting, 1024); /* the README's limit */
    qmp_queue_free(q);
    qmp_events_free(events);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(requests_are_checked_as_in_qemu),
        CASE(ids_come_back),
        CASE(negotiation_comes_first_and_once),
        CASE(events_wait_in_bounded_queues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
