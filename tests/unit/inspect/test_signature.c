/* SPDX-License-Identifier: MIT */
/* The signature language: what it accepts, what it says of what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inspect/protocol.h"
#include "inspect/signature.h"

/* The checked parameters as text, or the complaint behind "!". */
static const char *check(const char *signature, const char *params, char text[512]) {
    Signature sig;
    SigComplaint complaint;
    assert_true(signature_parse(&sig, signature));
    json_t *given = params ? json_loads(params, JSON_DECODE_ANY, NULL) : NULL;
    json_t *checked = signature_check(&sig, given, &complaint);
    if (checked) {
        char *dump = json_dumps(checked, JSON_COMPACT | JSON_SORT_KEYS);
        snprintf(text, 512, "%s", dump);
        free(dump);
    } else {
        snprintf(text, 512, "!%.240s|%.240s", complaint.what, complaint.advice);
    }
    json_decref(checked);
    json_decref(given);
    return text;
}

static void defaults_are_filled_in(void **state) {
    (void)state;
    char text[512];
    const char *sig =
        "addr:hex limit?:int(1..1000)=50 sort?:enum(runs|size)=runs all?:bool";
    assert_string_equal(check(sig, "{\"addr\":\"0x1f\"}", text),
                        "{\"addr\":\"0x1f\",\"limit\":50,\"sort\":\"runs\"}");
    assert_string_equal(check(sig, "[\"0x1f\",7]", text),
                        "{\"addr\":\"0x1f\",\"limit\":7,\"sort\":\"runs\"}");
    assert_string_equal(check("", NULL, text), "{}");
}

static void wrong_values_are_refused(void **state) {
    (void)state;
    char text[512];
    static const char *const cases[][2] = {
        {"a:hex", "{\"a\":17}"},
        {"a:hex", "{\"a\":\"17\"}"},
        {"a:hex", "{\"a\":\"0x\"}"},
        {"a:hex", "{\"a\":\"0x12345678123456781\"}"},
        {"a:hex", "{\"a\":\"0x1g\"}"},
        {"a:int(1..9)", "{\"a\":0}"},
        {"a:int(1..9)", "{\"a\":10}"},
        {"a:int(1..9)", "{\"a\":5.0}"},
        {"a:int(-3..-1)", "{\"a\":0}"},
        {"a:string(3)", "{\"a\":\"abcd\"}"},
        {"a:bool", "{\"a\":1}"},
        {"a:enum(x|yy)", "{\"a\":\"y\"}"},
        {"a:enum(x|yy)", "{\"a\":\"x|yy\"}"},
        {"a:list(hex,2)", "{\"a\":[\"0x1\",\"0x2\",\"0x3\"]}"},
        {"a:list(hex,2)", "{\"a\":[1]}"},
        {"a:list(int(0..3),2)", "{\"a\":[4]}"},
        {"a:list(string(2),2)", "{\"a\":[\"abc\"]}"},
        {"a:object", "{\"a\":[]}"},
        {"a:hex", "{}"},
        {"a:hex", "[\"0x1\",\"0x2\"]"},
        {"a:hex", "7"},
        {"", "{\"a\":1}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (check(cases[i][0], cases[i][1], text)[0] != '!') {
            fail_msg("%s accepts %s as %s", cases[i][0], cases[i][1], text);
        }
    }
}

static void right_values_pass(void **state) {
    (void)state;
    char text[512];
    static const char *const cases[][2] = {
        {"a:hex", "{\"a\":\"0xffffFFFF00000001\"}"},
        {"a:int(1..9)", "{\"a\":9}"},
        {"a:int", "{\"a\":-9223372036854775807}"},
        {"a:string(3)", "{\"a\":\"abc\"}"},
        {"a:enum(x|yy)", "{\"a\":\"yy\"}"},
        {"a:list(int(0..3),2)", "{\"a\":[0,3]}"},
        {"a:list(enum(r|w),2)", "{\"a\":[\"r\",\"w\"]}"},
        {"a:object", "{\"a\":{\"b\":1}}"},
        {"a?:bool", "{\"a\":true}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(check(cases[i][0], cases[i][1], text), cases[i][1]);
    }
}

static void complaints_name_what_and_how(void **state) {
    (void)state;
    char text[512];
    check("limit:int(1..9) addr?:hex", "{\"limt\":3}", text);
    assert_non_null(strstr(text, "limt"));
    assert_non_null(strstr(text, "did you mean 'limit'?"));
    check("limit:int(1..9)", "{\"limit\":77}", text);
    assert_non_null(strstr(text, "'limit' is 77, not a whole number from 1 to 9"));
    check("addr:hex", NULL, text);
    assert_non_null(strstr(text, "'addr' is missing"));
    assert_non_null(strstr(text, "\"addr\": \"0x80000000\""));
}

static void malformed_signatures_are_refused(void **state) {
    (void)state;
    Signature sig;
    static const char *const bad[] = {
        "a",           "a:",          "a:foo",       "a:int(1..",
        "a:int(3..1)", "a:string",    "a:hex ",      " a:hex",
        "a:hex=0x1",   "a:enum()",    "a:list(hex)", "A:hex",
        "a:hex,b:",    "a:string(0)", "a?:hex=",     "a:list(list(hex,2),2)",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (signature_parse(&sig, bad[i])) {
            fail_msg("'%s' passes", bad[i]);
        }
    }
}

static void every_row_of_the_protocol_is_well_formed(void **state) {
    (void)state;
    const InspectMethod *row;
    for (unsigned i = 0; (row = protocol_method(i)) != NULL; i++) {
        Signature sig;
        char name[PROTOCOL_NAME_MAX];
        if (!signature_parse(&sig, row->params)) {
            fail_msg("%s.%s: '%s'", row->domain, row->verb, row->params);
        }
        for (unsigned p = 0; p < sig.count; p++) { /* a default is of its own type */
            SigComplaint complaint;
            Signature one = {1, {sig.param[p]}};
            one.param[0].optional = true;
            json_t *filled = signature_check(&one, NULL, &complaint);
            assert_non_null(filled);
            json_t *again = signature_check(&one, filled, &complaint);
            if (!again) {
                fail_msg("%s.%s: %s", row->domain, row->verb, complaint.what);
            }
            json_decref(again);
            json_decref(filled);
        }
        snprintf(name, sizeof(name), "%s.%s", row->domain, row->verb);
        assert_ptr_equal(protocol_find_method(name), row); /* no name twice */
        assert_true(row->text[0] && row->text[strlen(row->text) - 1] == '.');
    }
}

/* Expected: the types as signature.h describes them. */
static void text_becomes_a_value_of_the_type(void **state) {
    static const struct {
        const char *param, *text, *json;
    } rows[] = {
        {"v:int", "-12", "{\"v\":-12}"},
        {"v:hex", "0x1f", "{\"v\":\"0x1f\"}"},
        {"v:bool", "true", "{\"v\":true}"},
        {"v:bool", "false", "{\"v\":false}"},
        {"v:enum(a|b)", "b", "{\"v\":\"b\"}"},
        {"v:string(9)", "12", "{\"v\":\"12\"}"},
        {"v:list(string(9),4)", "a,b", "{\"v\":[\"a\",\"b\"]}"},
        {"v:list(int(0..9),4)", "1,2", "{\"v\":[1,2]}"},
        {"v:list(string(9),4)", "", "{\"v\":[]}"},
        {"v:object", "{\"a\":1}", "{\"v\":{\"a\":1}}"},
        /* what does not read as the type is refused afterwards */
        {"v:int", "12a", NULL},
        {"v:int", "", NULL},
        {"v:int", "99999999999999999999", NULL},
        {"v:bool", "1", NULL},
        {"v:object", "[", NULL},
        {"v:list(int(0..9),4)", "1,x", NULL},
        {"v:list(int(0..9),4)", "1,2,3,4,5", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Signature sig;
        SigComplaint complaint;
        assert_true(signature_parse(&sig, rows[i].param));
        json_t *given = json_pack(
            "{s:o}", "v", signature_value_of_text(&sig.param[0].type, rows[i].text));
        json_t *checked = signature_check(&sig, given, &complaint);
        json_t *wanted = rows[i].json ? json_loads(rows[i].json, 0, NULL) : NULL;
        if (checked == NULL ? wanted != NULL : !json_equal(checked, wanted)) {
            fail_msg("%s of \"%s\"", rows[i].param, rows[i].text);
        }
        json_decref(wanted);
        json_decref(checked);
        json_decref(given);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(right_values_pass),
        cmocka_unit_test(complaints_name_what_and_how),
        cmocka_unit_test(malformed_signatures_are_refused),
        cmocka_unit_test(text_becomes_a_value_of_the_type),
        cmocka_unit_test(every_row_of_the_protocol_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
