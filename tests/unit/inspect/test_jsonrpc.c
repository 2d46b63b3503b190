/* SPDX-License-Identifier: MIT */
/* JSON-RPC 2.0 as its specification has it, and the limits. */
#include "inspect_rig.h"

static int error_code(InspectRig *rig, const char *text, char what[256]) {
    char *answer = rig_ask(rig, text);
    json_t *message = json_loads(answer, 0, NULL);
    const json_t *error = json_object_get(message, "error");
    int code = (int)json_integer_value(json_object_get(error, "code"));
    const json_t *data = json_object_get(error, "data");
    snprintf(what, 256, "%.120s|%.120s", json_string_value(json_object_get(data, "what")),
             json_string_value(json_object_get(data, "try")));
    assert_non_null(json_object_get(data, "class"));
    json_decref(message);
    free(answer);
    return code;
}

/* The examples of the specification's section 7, and their codes of section 5.1. */
static void errors_have_the_codes_of_the_specification(void **state) {
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"{\"jsonrpc\": \"2.0\", \"method\": \"foobar, \"params\": \"bar\", \"baz]",
         -32700},
        {"[{\"jsonrpc\": \"2.0\", \"method\": \"sum\", \"id\": \"1\"},{\"jsonrpc\"",
         -32700},
        {"{\"jsonrpc\": \"2.0\", \"method\": 1, \"params\": \"bar\"}", -32600},
        {"[]", -32600},
        {"{\"jsonrpc\": \"2.0\", \"method\": \"foobar\", \"id\": \"1\"}", -32601},
        {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"machine.status\"}", -32600},
        {"{\"id\":1,\"method\":\"machine.status\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"machine.status\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"machine.status\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"machine.status\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"machine.status\",\"params\":3}",
         -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"machine.status\",\"params\":[3]}",
         -32602},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cpu.set\",\"params\":{}}", -32602},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"machine.status\"}", -32700},
    };
    char what[256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int code = error_code(*state, cases[i].text, what);
        if (code != cases[i].code) {
            fail_msg("%s: %d (%s)", cases[i].text, code, what);
        }
    }
}

static void ids_come_back_as_they_were(void **state) {
    static const char *const ids[] = {"1",   "-7",          "\"a\"",           "null",
                                      "1.5", "\"\\u00e4\"", "9007199254740993"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text),
                 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"machine.version\"}",
                 ids[i]);
        char *answer = rig_ask(*state, text);
        json_t *message = json_loads(answer, 0, NULL);
        json_t *id = json_loads(ids[i], JSON_DECODE_ANY, NULL);
        assert_true(json_equal(json_object_get(message, "id"), id));
        assert_string_equal(json_string_value(json_object_get(message, "jsonrpc")),
                            "2.0");
        json_decref(id);
        json_decref(message);
        free(answer);
    }
}

static void notifications_are_executed_and_never_answered(void **state) {
    InspectRig *rig = *state;
    rig_send(rig->client,
             "{\"jsonrpc\":\"2.0\",\"method\":\"cpu.set\",\"params\":{\"name\":"
             "\"a0\",\"value\":\"0x77\"}}");
    rig_send(rig->client, "{\"jsonrpc\":\"2.0\",\"method\":\"no.such\"}");
    char *answer = rig_ask(
        rig,
        "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"cpu.regs\",\"params\":{\"group\":"
        "\"general\"}}");
    assert_non_null(strstr(answer, "\"id\":5"));
    assert_non_null(strstr(answer, "\"a0\":\"0x77\""));
    free(answer);
}

static void a_batch_is_answered_in_one_array_without_its_notifications(void **state) {
    char *answer =
        rig_ask(*state, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"machine.version\"},"
                        "{\"jsonrpc\":\"2.0\",\"method\":\"machine.version\"},1,"
                        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"no.such\"}]");
    json_t *array = json_loads(answer, 0, NULL);
    assert_int_equal(json_array_size(array), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(array, 0), "id")),
                     1);
    assert_int_equal(number_at(json_array_get(array, 1), "error", "code"), -32600);
    assert_int_equal(number_at(json_array_get(array, 2), "error", "code"), -32601);
    json_decref(array);
    free(answer);
}

static void limits_are_named(void **state) {
    InspectRig *rig = *state;
    char what[256], deep[200];
    memset(deep, '[', sizeof(deep));
    deep[sizeof(deep) - 1] = '\0';
    assert_int_equal(error_code(rig, deep, what), -32004);
    assert_non_null(strstr(what, "32"));
    char *long_text = malloc(INSPECT_MAX_MESSAGE + 2);
    memset(long_text, ' ', INSPECT_MAX_MESSAGE + 1);
    long_text[INSPECT_MAX_MESSAGE + 1] = '\0';
    assert_int_equal(error_code(rig, long_text, what), -32004);
    assert_non_null(strstr(what, "1048576"));
    free(long_text);
    char batch[4 * INSPECT_MAX_BATCH];
    strcpy(batch, "[1");
    for (int i = 0; i < INSPECT_MAX_BATCH; i++) {
        strcat(batch, ",1");
    }
    strcat(batch, "]");
    assert_int_equal(error_code(rig, batch, what), -32004);
    assert_non_null(strstr(what, "33"));
}

static void nearest_names_are_offered(void **state) {
    char what[256];
    error_code(*state, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cpu.reg\"}", what);
    assert_non_null(strstr(what, "did you mean cpu.regs?"));
    error_code(
        *state,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cpu.regs\",\"params\":{\"grup\":"
        "\"fp\"}}",
        what);
    assert_non_null(strstr(what, "did you mean 'group'?"));
}

static void viewers_may_only_look(void **state) {
    InspectRig *rig = *state;
    InspectClient *viewer = rig_client(rig, INSPECT_VIEWER);
    const InspectMethod *row;
    for (unsigned i = 0; (row = protocol_method(i)) != NULL; i++) {
        char text[160];
        snprintf(text, sizeof(text),
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s.%s\"}", row->domain,
                 row->verb);
        if (row->role == INSPECT_OPERATOR) {
            rig_send(viewer, text);
            json_t *answer = rig_receive(rig, viewer);
            assert_int_equal(number_at(answer, "error", "code"), -32003);
            json_decref(answer);
        }
    }
    inspect_client_free(viewer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_have_the_codes_of_the_specification),
        cmocka_unit_test(ids_come_back_as_they_were),
        cmocka_unit_test(notifications_are_executed_and_never_answered),
        cmocka_unit_test(a_batch_is_answered_in_one_array_without_its_notifications),
        cmocka_unit_test(limits_are_named),
        cmocka_unit_test(nearest_names_are_offered),
        cmocka_unit_test(viewers_may_only_look),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
